//! The shapes that beadle publishes as JSON; `of_plan` makes them of a plan.
//!
//! These are an interface: a field is added with care and renamed only with a new
//! [`FORMAT_VERSION`]. Renderers and saved plans work from these shapes too, so that a plan shown
//! from a file reads like a plan just made.

mod of_plan;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::diagnostics::Finding;
use crate::cli::outlook::OutlookJson;
use crate::cli::refreshing::RefreshJson;
use crate::cli::since::SinceJson;
use crate::plan::Choice;

pub use of_plan::{digest, fields, labels, of_field, value};

/// The version of every shape in this file.
pub const FORMAT_VERSION: u32 = 1;

/// The values of an object by field, in the order in which fields are listed.
pub type FieldsJson = serde_json::Map<String, serde_json::Value>;

/// What would change, and what is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle plan")]
pub struct PlanJson {
    /// The version of this shape.
    pub format_version: u32,
    /// How much was looked at.
    pub scope: ScopeJson,
    /// What `--changed-since` left, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceJson>,
    /// What was read and what was assumed, where `--refresh` asked for something else than to read everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshJson>,
    /// The changes, in an order in which they can be carried out.
    pub changes: Vec<ChangeJson>,
    /// Resources about which nothing is known, because their tasklist could not be read.
    pub unread: Vec<UnreadJson>,
    /// Writes of an earlier run whose outcome is not known; apply settles them first.
    pub unsettled: Vec<UnsettledJson>,
    /// Live objects that nobody declared and nobody bound.
    pub foreign: Vec<ForeignJson>,
    /// Objects that already are as declared and that apply will bind.
    pub binds: Vec<BindJson>,
    /// Objects that are gone and declared no more, which apply lets go of.
    #[serde(default)]
    pub unbinds: Vec<BindJson>,
    /// Resources whose binding gets another address.
    pub moves: Vec<MoveJson>,
    /// Resources whose protection is set or lifted by applying.
    pub protections: Vec<ProtectionJson>,
    /// Protected objects that `destroy` leaves alone.
    pub kept: Vec<String>,
    /// What it means for notices: whom each reaches and when it fires next, before and after. The digest
    /// does not cover it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<OutlookJson>,
    /// Why apply would refuse this plan, each with the flag that lifts it, if one does.
    pub refusals: Vec<RefusalJson>,
    /// What should be looked at, and what stands in the way of the plan.
    pub warnings: Vec<Finding>,
    /// How many changes of each action there are.
    pub summary: SummaryJson,
    /// What applying it will cost.
    pub budget: BudgetJson,
    /// A digest of address, action, fields, before and after of every change.
    pub digest: String,
    /// The command that carries out this plan and no other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub apply: String,
    /// The manifest's words for the vendor's ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How much a plan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeJson {
    /// The whole project.
    Project,
    /// What `--target`, `--exclude` and `--changed-since` left.
    Part,
    /// Everything bound, for deleting it.
    Destroy,
}

impl From<&Choice> for ScopeJson {
    fn from(choice: &Choice) -> Self {
        match (choice.destroy, choice.is_partial()) {
            (true, _) => ScopeJson::Destroy,
            (false, true) => ScopeJson::Part,
            (false, false) => ScopeJson::Project,
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeJson {
    /// The resource, or `foreign:TASKLIST/ID` for an undeclared object of an authoritative tasklist.
    pub address: String,
    /// The kind of resource.
    pub kind: String,
    /// `create`, `update`, `replace`, `delete`, `adopt` or `forget`.
    pub action: String,
    /// `ahead`, `drifted`, `both`, `differs`, `vanished` or `foreign`.
    pub cause: String,
    /// The fields that an update writes, and nothing else.
    pub update_fields: Vec<String>,
    /// The live values before; null where there is no object.
    pub before: Option<FieldsJson>,
    /// The values after; null where no object of ours remains.
    pub after: Option<FieldsJson>,
    /// The cause of each changed field, and the value last applied where the ledger knows it.
    pub fields: Vec<FieldChangeJson>,
    /// People who are added or removed.
    pub people: Vec<String>,
    /// The groups whose own changes are the reason for this one.
    #[serde(default)]
    pub because: Vec<String>,
    /// Addresses whose changes must have succeeded first.
    pub requires: Vec<String>,
    /// The provider that carries it out.
    pub provider: String,
    /// The guid of the tasklist in which it happens; null for what is in none.
    pub tasklist: Option<String>,
    /// The object, where there is one.
    pub id: Option<String>,
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChangeJson {
    /// The field.
    pub field: String,
    /// Which side moved.
    pub cause: String,
    /// What was last applied; null where the ledger does not know.
    pub applied: Option<serde_json::Value>,
}

/// A resource about which nothing is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnreadJson {
    /// The resource.
    pub address: String,
    /// Why.
    pub why: String,
}

/// A write whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnsettledJson {
    /// The resource.
    pub address: String,
    /// The vendor's name of the call.
    pub operation: String,
    /// When it left, by RFC 3339.
    pub since: String,
    /// Who is at it right now, if somebody is.
    pub in_progress_by: Option<String>,
}

/// A live object that nobody declared and nobody bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForeignJson {
    /// The tasklist.
    pub tasklist: String,
    /// The object.
    pub id: String,
    /// Its name at the vendor.
    pub name: String,
    /// The project that has bound it, if one did.
    pub project: Option<String>,
    /// The pattern by which an authoritative tasklist keeps it, if one does.
    pub kept_by: Option<String>,
}

/// A resource and its object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BindJson {
    /// The resource.
    pub address: String,
    /// The object.
    pub id: String,
}

/// A binding that gets another address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MoveJson {
    /// The old address.
    pub from: String,
    /// The new one.
    pub to: String,
}

/// A protection that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProtectionJson {
    /// The resource.
    pub address: String,
    /// Whether it is protected from then on.
    pub protect: bool,
}

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RefusalJson {
    /// What asks too much.
    pub summary: String,
    /// What to do about it.
    pub help: String,
    /// The flag that lifts it, if one does.
    pub flag: Option<String>,
}

/// How many changes of each action there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the actions' own words")]
pub struct SummaryJson {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub forget: usize,
}

/// What applying a plan will cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetJson {
    /// Calls.
    pub calls: usize,
    /// Seconds that the rate limits need at least.
    pub seconds: u64,
    /// The rate that decides, in calls a minute, if one does.
    pub per_minute: Option<u32>,
}

/// One line of `apply --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(title = "beadle apply event")]
pub enum ApplyEventJson {
    /// What will be done.
    Plan {
        /// The version of this shape.
        format_version: u32,
        /// The plan.
        plan: Box<PlanJson>,
    },
    /// An unknown write of an earlier run was settled.
    Settled {
        /// The resource.
        address: String,
        /// The vendor's name of the call.
        operation: String,
        /// `applied` or `absent`.
        outcome: String,
    },
    /// A change is begun.
    Started {
        /// The resource.
        address: String,
        /// The action.
        action: String,
    },
    /// A change has ended.
    Finished {
        /// The resource.
        address: String,
        /// The action.
        action: String,
        /// `applied`, `failed`, `skipped` or `unknown`.
        outcome: String,
        /// The object that was made or changed.
        id: Option<String>,
        /// Why, unless it was applied.
        why: Option<String>,
    },
    /// The last line.
    Summary {
        /// The version of this shape.
        format_version: u32,
        /// How many changes were applied.
        applied: usize,
        /// How many failed, with nothing changed.
        failed: usize,
        /// How many were not begun.
        skipped: usize,
        /// How many may have happened; the next apply settles them.
        unknown: usize,
        /// How many resources could not be read.
        unread: usize,
    },
}
