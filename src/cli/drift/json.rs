//! The shape of `drift --format json`, and what turns a [`Drift`] into it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::diagnostics::{Finding, Range};
use crate::cli::json::{FORMAT_VERSION, ForeignJson, ScopeJson, UnreadJson, of_field};
use crate::cli::since::SinceJson;
use crate::model::{Collection, Kind};
use crate::plan::drift::{Difference, Drift};
use crate::plan::{FieldChange, Foreign, Subject};

/// What moved outside, by cause. It has no time stamps and one order, so that two runs over the same sides
/// print the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle drift")]
pub struct DriftJson {
    /// The version of this shape.
    pub format_version: u32,
    /// How much was looked at.
    pub scope: ScopeJson,
    /// What `--changed-since` left, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<SinceJson>,
    /// What is live and not as declared and applied.
    pub drift: Vec<DifferenceJson>,
    /// What is declared and not applied yet.
    pub ahead: Vec<DifferenceJson>,
    /// What has drifted and was to be ignored.
    pub ignored: Vec<DifferenceJson>,
    /// Live objects that nobody declared and nobody bound. Those that an authoritative tasklist deletes
    /// are drift.
    pub foreign: Vec<ForeignJson>,
    /// Resources about which nothing is known.
    pub unread: Vec<UnreadJson>,
    /// Writes whose outcome is not known; their resources were not compared.
    pub unsettled: Vec<UnsettledDriftJson>,
    /// What should be looked at.
    pub warnings: Vec<Finding>,
    /// The manifest's words for the vendor's ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// One resource, or one foreign object, in which the sides differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DifferenceJson {
    /// The resource, or `foreign:TASKLIST/ID` for an undeclared object of an authoritative tasklist.
    pub address: String,
    /// The kind of resource.
    pub kind: String,
    /// `drifted`, `both`, `differs`, `vanished`, `foreign` or `ahead`.
    pub cause: String,
    /// What apply would do: an action of a plan, `move`, `protect`, or `stop` where the object that `id`
    /// pins is gone.
    pub action: String,
    /// The fields that differ; none where a whole object is there or not.
    pub fields: Vec<FieldDriftJson>,
    /// The guid of the tasklist in which the object is; null for what is in none.
    pub tasklist: Option<String>,
    /// The live object; null where there is none.
    pub id: Option<String>,
    /// Its name at the vendor.
    pub name: Option<String>,
    /// Where the resource is declared.
    pub range: Option<Range>,
}

/// One field, with its three values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldDriftJson {
    /// The field.
    pub field: String,
    /// Which side moved.
    pub cause: String,
    /// What the manifest has.
    pub desired: serde_json::Value,
    /// What was last applied; null where the ledger does not know.
    pub applied: Option<serde_json::Value>,
    /// What the vendor has.
    pub live: serde_json::Value,
}

/// A write whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnsettledDriftJson {
    /// The resource.
    pub address: String,
    /// The vendor's name of the call.
    pub operation: String,
    /// Whether an apply is at it right now; if not, the next apply settles it.
    pub in_progress: bool,
}

impl DriftJson {
    /// Converts what was found; `range` tells where a subject is declared.
    #[must_use]
    pub fn new(
        drift: &Drift,
        scope: ScopeJson,
        warnings: Vec<Finding>,
        labels: BTreeMap<String, String>,
        range: &mut dyn FnMut(&Subject) -> Option<Range>,
    ) -> Self {
        let mut all = |list: &[Difference]| -> Vec<DifferenceJson> {
            list.iter()
                .map(|d| difference(d, range(&d.subject)))
                .collect()
        };
        Self {
            format_version: FORMAT_VERSION,
            scope,
            since: None,
            drift: all(&drift.drifted),
            ahead: all(&drift.ahead),
            ignored: all(&drift.ignored),
            foreign: drift.foreign.iter().map(foreign).collect(),
            unread: drift
                .unread
                .iter()
                .map(|u| UnreadJson {
                    address: u.address.to_string(),
                    why: u.why.clone(),
                })
                .collect(),
            unsettled: drift
                .unsettled
                .iter()
                .map(|u| UnsettledDriftJson {
                    address: u.address.as_ref().map_or_else(
                        || format!("foreign:{}", u.collection.as_str()),
                        ToString::to_string,
                    ),
                    operation: u.operation.clone(),
                    in_progress: u.in_progress_by.is_some(),
                })
                .collect(),
            warnings,
            labels,
        }
    }
}

fn difference(difference: &Difference, range: Option<Range>) -> DifferenceJson {
    let Difference {
        subject,
        collection,
        cause,
        fields,
        id,
        name,
        act,
    } = difference;
    DifferenceJson {
        address: subject.to_string(),
        kind: subject
            .address()
            .map_or(Kind::TasklistSubscription, |a| a.kind)
            .to_string(),
        cause: cause.as_str().to_owned(),
        action: act.as_str().to_owned(),
        fields: fields.iter().map(field).collect(),
        tasklist: match collection {
            Collection::Tasklist(guid) => Some(guid.to_string()),
            Collection::Chats | Collection::UserGroups | Collection::Ledger => None,
        },
        id: id.as_ref().map(ToString::to_string),
        name: name.clone(),
        range,
    }
}

fn field(change: &FieldChange) -> FieldDriftJson {
    let FieldChange {
        field,
        before,
        applied,
        after,
        cause,
    } = change;
    FieldDriftJson {
        field: field.to_string(),
        cause: cause.as_str().to_owned(),
        desired: of_field(*field, after),
        applied: applied.as_ref().map(|v| of_field(*field, v)),
        live: of_field(*field, before),
    }
}

fn foreign(foreign: &Foreign) -> ForeignJson {
    ForeignJson {
        tasklist: foreign.tasklist.to_string(),
        id: foreign.id.to_string(),
        name: foreign.name.clone(),
        project: foreign.project.as_ref().map(ToString::to_string),
        kept_by: foreign.kept_by.clone(),
    }
}
