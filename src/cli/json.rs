//! The shapes that beadle publishes as JSON, and the conversion of a plan into them.
//!
//! These are an interface: a field is added with care and renamed only with a new
//! [`FORMAT_VERSION`]. Renderers and saved plans work from these shapes too, so that a plan shown
//! from a file reads like a plan just made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cli::diagnostics::Finding;
use crate::cli::outlook::OutlookJson;
use crate::cli::refreshing::RefreshJson;
use crate::cli::since::SinceJson;
use crate::cli::text;
use crate::model::manifest::Manifest;
use crate::model::{Collection, Field, Fields, Kind, Value};
use crate::plan::budget::Budget;
use crate::plan::live::Binding;
use crate::plan::{Action, Change, Choice, Plan, Record, Refusal, Resolution};

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

/// A value as JSON: events by name, or by number where the vendor has a key that beadle does not know.
#[must_use]
pub fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        Value::Flag(flag) => json!(flag),
        Value::Chats(chats) => chats.iter().map(|c| json!(c.as_str())).collect(),
        Value::Events(events) => events
            .keys
            .iter()
            .map(|key| key.name().map_or_else(|| json!(key.0), |name| json!(name)))
            .collect(),
        Value::Items(items) => json!(items),
    }
}

/// A field as JSON: what stands as JSON in a text is no text here.
#[must_use]
pub fn of_field(field: Field, v: &Value) -> serde_json::Value {
    let whole = matches!(
        field,
        Field::Schedule | Field::Calendars | Field::Message | Field::Track
    );
    match v {
        Value::Text(text) if whole => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        v => value(v),
    }
}

/// Values by field, as JSON.
#[must_use]
pub fn fields(fields: &Fields) -> FieldsJson {
    fields
        .iter()
        .map(|(field, v)| (field.to_string(), of_field(field, v)))
        .collect()
}

/// Where an object is belongs to what a review has seen.
fn placed(mut fields: FieldsJson, collection: &Collection) -> FieldsJson {
    if let Some(tasklist) = collection.tasklist() {
        fields.insert("tasklist".to_owned(), json!(tasklist.as_str()));
    }
    fields
}

impl PlanJson {
    /// Converts a plan.
    #[must_use]
    pub fn new(
        plan: &Plan,
        scope: ScopeJson,
        budget: &Budget,
        warnings: Vec<Finding>,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let summary = plan.summary();
        let changes: Vec<_> = plan.changes.iter().map(change).collect();
        let digest = digest(&changes);
        Self {
            format_version: FORMAT_VERSION,
            scope,
            since: None,
            refresh: None,
            changes,
            unread: plan
                .unread
                .iter()
                .map(|u| UnreadJson {
                    address: u.address.to_string(),
                    why: u.why.clone(),
                })
                .collect(),
            unsettled: plan
                .unsettled
                .iter()
                .map(|u| UnsettledJson {
                    address: u.address.as_ref().map_or_else(
                        || format!("foreign:{}", u.collection.as_str()),
                        ToString::to_string,
                    ),
                    operation: u.operation.clone(),
                    since: u.since.clone(),
                    in_progress_by: u.in_progress_by.clone(),
                })
                .collect(),
            foreign: plan
                .foreign
                .iter()
                .map(|f| ForeignJson {
                    tasklist: f.tasklist.to_string(),
                    id: f.id.to_string(),
                    name: f.name.clone(),
                    project: f.project.as_ref().map(ToString::to_string),
                    kept_by: f.kept_by.clone(),
                })
                .collect(),
            binds: plan
                .records
                .iter()
                .filter_map(|record| match record {
                    Record::Bind {
                        address,
                        id,
                        new: true,
                        ..
                    } => Some(BindJson {
                        address: address.to_string(),
                        id: id.to_string(),
                    }),
                    _ => None,
                })
                .collect(),
            unbinds: plan
                .records
                .iter()
                .filter_map(|record| match record {
                    Record::Unbind { address, id } => Some(BindJson {
                        address: address.to_string(),
                        id: id.to_string(),
                    }),
                    Record::Bind { .. } | Record::Move { .. } => None,
                })
                .collect(),
            moves: plan
                .records
                .iter()
                .filter_map(|record| match record {
                    Record::Move { from, to } => Some(MoveJson {
                        from: from.to_string(),
                        to: to.to_string(),
                    }),
                    Record::Bind { .. } | Record::Unbind { .. } => None,
                })
                .collect(),
            protections: plan
                .protections
                .iter()
                .map(|(address, protect)| ProtectionJson {
                    address: address.to_string(),
                    protect: *protect,
                })
                .collect(),
            kept: plan.kept.iter().map(ToString::to_string).collect(),
            notices: plan.outlooks.iter().map(OutlookJson::from).collect(),
            refusals: plan.refusals.iter().map(refusal).collect(),
            warnings,
            summary: SummaryJson {
                create: summary.create,
                update: summary.update,
                replace: summary.replace,
                delete: summary.delete,
                adopt: summary.adopt,
                forget: summary.forget,
            },
            budget: BudgetJson {
                calls: budget.calls,
                seconds: budget.time.as_secs_f64().ceil() as u64,
                per_minute: budget.per_minute,
            },
            digest,
            apply: String::new(),
            labels,
        }
    }
}

/// The manifest's words for the ids that a plan can show.
#[must_use]
pub fn labels(
    manifest: &Manifest,
    tasklists: &BTreeMap<crate::model::Name, Resolution>,
    bindings: &[Binding],
) -> BTreeMap<String, String> {
    let chats = manifest
        .chats
        .iter()
        .map(|(name, chat)| (chat.id.to_string(), name.to_string()));
    let tasklists = tasklists
        .iter()
        .filter_map(|(key, resolution)| match resolution {
            Resolution::Found(guid) => Some((guid.as_str().to_owned(), key.to_string())),
            Resolution::Unread(_) => None,
        });
    let managed = bindings
        .iter()
        .filter(|b| b.collection == Collection::Chats)
        .map(|b| (b.id.to_string(), b.address.name.to_string()));
    chats.chain(tasklists).chain(managed).collect()
}

fn change(change: &Change) -> ChangeJson {
    let id = match &change.action {
        Action::Create { .. } => None,
        Action::Update { id, .. }
        | Action::Replace { id, .. }
        | Action::Delete { id, .. }
        | Action::Adopt { id, .. }
        | Action::Forget { id, .. } => Some(id.to_string()),
    };
    ChangeJson {
        address: change.subject.to_string(),
        kind: change
            .subject
            .address()
            .map_or(Kind::TasklistSubscription, |a| a.kind)
            .to_string(),
        action: change.action.as_str().to_owned(),
        cause: change.cause.as_str().to_owned(),
        update_fields: change
            .field_changes()
            .iter()
            .map(|f| f.field.to_string())
            .collect(),
        before: change.before().map(|before| {
            let tasklist = match &change.action {
                Action::Replace { old_collection, .. } => old_collection,
                _ => &change.collection,
            };
            placed(fields(before), tasklist)
        }),
        after: change
            .after()
            .as_ref()
            .map(|after| placed(fields(after), &change.collection)),
        fields: change
            .field_changes()
            .iter()
            .map(|f| FieldChangeJson {
                field: f.field.to_string(),
                cause: f.cause.as_str().to_owned(),
                applied: f.applied.as_ref().map(|v| of_field(f.field, v)),
            })
            .collect(),
        people: people(change),
        because: change.because.iter().map(ToString::to_string).collect(),
        requires: change.requires.iter().map(ToString::to_string).collect(),
        provider: change.provider.to_string(),
        tasklist: change.collection.tasklist().map(ToString::to_string),
        id,
    }
}

fn people(change: &Change) -> Vec<String> {
    if change.collection.tasklist().is_some() {
        return Vec::new();
    }
    let (added, removed) = change.people();
    let members = added.union(&removed).cloned();
    members.chain(change.listed()).collect()
}

/// Pins what a review has seen: (address, action, fields, before, after) of every change.
#[must_use]
pub fn digest(changes: &[ChangeJson]) -> String {
    let mut pinned: Vec<_> = changes
        .iter()
        .map(|c| json!([c.address, c.action, c.update_fields, c.before, c.after]).to_string())
        .collect();
    pinned.sort();
    let mut hash = Sha256::new();
    for line in pinned {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn refusal(refusal: &Refusal) -> RefusalJson {
    let (summary, help) = match refusal {
        Refusal::Deletes { count, of, limit, collection } => {
            let (what, held) = match collection {
                Some(collection) => ("undeclared object", format!("{of} live in {collection}")),
                None => ("bound object", format!("{of} bound")),
            };
            (
                format!("{} of {held} would be deleted, more than `guards.deletes` ({limit} %) allows", text::count(*count, what)),
                "Check that the right files and branch are there, then pass `--allow-deletes`.".to_owned(),
            )
        }
        Refusal::EmptyManifest { bound } => (
            format!("the manifest declares no resource, and what is bound would go: {}", text::count(*bound, "object")),
            "Check that the right files and branch are there; `beadle destroy` is meant for deleting everything, `--allow-deletes` allows it here.".to_owned(),
        ),
        Refusal::Members { address, count, of, limit } => (
            format!("{count} of the {of} people of {address} would change, more than `guards.member_changes` ({limit} %) allows"),
            "Check that the right files and branch are there, then pass `--allow-member-changes`.".to_owned(),
        ),
        Refusal::Dissolve { address } => (
            format!("{address} would be dissolved, and everything said in it lost"),
            format!("Pass `--allow-deletes`; or let go of it with `forget: [{address}]`, and it lives on."),
        ),
        Refusal::Emptied { address, people } => (
            format!("{address} would be emptied of {people} people and deleted"),
            "Check that the right files and branch are there, then pass `--allow-deletes`.".to_owned(),
        ),
        Refusal::Vanished { address } => (
            format!("{address} is gone, and making it again would pull everybody into a new chat"),
            format!("Pass `--recreate {address}` to have it made again; or remove its block, or leave it out with `--exclude {address}`."),
        ),
        Refusal::Protected { address, block_gone: true } => (
            format!("{address} is protected, and its block is gone"),
            "Put the block back with `protect: false` and apply, then remove it; or let go of it with `forget`.".to_owned(),
        ),
        Refusal::Protected { address, block_gone: false } => (
            format!("{address} is protected and would be replaced"),
            "Write `protect: false` in its block and apply that first.".to_owned(),
        ),
    };
    RefusalJson {
        summary,
        help,
        flag: refusal.flag().map(str::to_owned),
    }
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
