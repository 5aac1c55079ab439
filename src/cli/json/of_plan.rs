//! The conversion of a plan into what is published.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    BindJson, BudgetJson, ChangeJson, FORMAT_VERSION, FieldChangeJson, FieldsJson, ForeignJson,
    MoveJson, PlanJson, ProtectionJson, RefusalJson, ScopeJson, SummaryJson, UnreadJson,
    UnsettledJson,
};
use crate::cli::diagnostics::Finding;
use crate::cli::outlook::OutlookJson;
use crate::cli::text;
use crate::model::manifest::Manifest;
use crate::model::{Collection, Field, Fields, Kind, Value};
use crate::plan::budget::Budget;
use crate::plan::live::Binding;
use crate::plan::{Action, Change, Plan, Record, Refusal, Resolution};

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
