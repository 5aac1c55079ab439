//! What the ledger holds, as published JSON: bindings, the lease and the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::{FORMAT_VERSION, FieldsJson, fields};
use crate::engine::ledger::{Entry, EntryOutcome, LeaseState};
use crate::plan::live::Binding;

/// `state list --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle state")]
pub struct StateJson {
    /// The version of this shape.
    pub format_version: u32,
    /// What is bound, by address.
    pub bindings: Vec<BindingJson>,
}

/// Address ↔ the vendor's object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BindingJson {
    /// The resource.
    pub address: String,
    /// The key of the provider it was made with.
    pub provider: String,
    /// The app it was made with.
    pub app: String,
    /// The tasklist that holds the object; null for what is in none.
    pub tasklist: Option<String>,
    /// The object.
    pub id: String,
    /// The values last applied, without ignored fields.
    pub applied: FieldsJson,
    /// Whether deleting it is refused.
    pub protect: bool,
    /// When the values were last written, by RFC 3339.
    pub updated_at: String,
}

/// `lease show --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle lease")]
pub struct LeaseJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The lease; null when nobody holds it.
    pub lease: Option<HeldJson>,
}

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldJson {
    /// The fencing number, higher than that of every lease before.
    pub fence: i64,
    /// The person or job.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What they run.
    pub command: String,
    /// When it was taken, by RFC 3339.
    pub since: String,
    /// When it was last renewed.
    pub heartbeat: String,
    /// When it ends unless renewed.
    pub expires: String,
    /// Whether the holder is known to be dead.
    pub dead: bool,
}

/// `history --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle history")]
pub struct HistoryJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The calls, newest first.
    pub entries: Vec<EntryJson>,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntryJson {
    /// Its number in the journal.
    pub entry: i64,
    /// The fencing number of the run that made it.
    pub run: i64,
    /// When it left, by RFC 3339.
    pub opened_at: String,
    /// The resource; null for an undeclared object of an authoritative tasklist.
    pub address: Option<String>,
    /// The provider.
    pub provider: String,
    /// The app.
    pub app: String,
    /// The vendor's name of the call.
    pub operation: String,
    /// The tasklist; null for what is in none.
    pub tasklist: Option<String>,
    /// The object, once it is known.
    pub id: Option<String>,
    /// The values that it carried.
    pub sent: FieldsJson,
    /// `applied`, `refused`, `unreachable`, `unknown`, `applied (settled)` or `absent (settled)`.
    pub outcome: String,
    /// When it ended, by RFC 3339; null while its outcome is unknown.
    pub ended_at: Option<String>,
    /// The vendor's answer in a line.
    pub detail: Option<String>,
}

impl From<&Binding> for BindingJson {
    fn from(binding: &Binding) -> Self {
        Self {
            address: binding.address.to_string(),
            provider: binding.provider.to_string(),
            app: binding.app.to_string(),
            tasklist: binding.collection.tasklist().map(ToString::to_string),
            id: binding.id.to_string(),
            applied: fields(&binding.applied),
            protect: binding.protect,
            updated_at: binding.updated_at.to_string(),
        }
    }
}

impl StateJson {
    /// Converts bindings.
    #[must_use]
    pub fn new(bindings: &[Binding]) -> Self {
        let bindings = bindings.iter().map(BindingJson::from).collect();
        Self {
            format_version: FORMAT_VERSION,
            bindings,
        }
    }
}

impl LeaseJson {
    /// Converts the state of a lease.
    #[must_use]
    pub fn new(state: Option<&LeaseState>) -> Self {
        let lease = state.map(|s| HeldJson {
            fence: s.fence,
            user: s.holder.user.clone(),
            host: s.holder.host.clone(),
            pid: s.holder.pid,
            command: s.holder.command.clone(),
            since: s.since.to_string(),
            heartbeat: s.heartbeat.to_string(),
            expires: s.expires.to_string(),
            dead: s.dead,
        });
        Self {
            format_version: FORMAT_VERSION,
            lease,
        }
    }
}

impl HistoryJson {
    /// Converts journal entries.
    #[must_use]
    pub fn new(entries: &[Entry]) -> Self {
        let entries = entries.iter().map(EntryJson::from).collect();
        Self {
            format_version: FORMAT_VERSION,
            entries,
        }
    }
}

impl From<&Entry> for EntryJson {
    fn from(entry: &Entry) -> Self {
        let made = entry.end.as_ref().and_then(|end| end.id.as_ref());
        Self {
            entry: entry.id.0,
            run: entry.fence,
            opened_at: entry.call.opened_at.to_string(),
            address: entry.call.address.as_ref().map(ToString::to_string),
            provider: entry.call.provider.to_string(),
            app: entry.call.app.to_string(),
            operation: entry.call.call.operation.clone(),
            tasklist: entry
                .call
                .call
                .collection
                .tasklist()
                .map(ToString::to_string),
            id: made
                .or(entry.call.call.id.as_ref())
                .map(ToString::to_string),
            sent: fields(&entry.call.sent),
            outcome: outcome(entry).to_owned(),
            ended_at: entry.end.as_ref().map(|end| end.at.to_string()),
            detail: entry.end.as_ref().map(|end| end.detail.clone()),
        }
    }
}

/// The outcome of a call in words.
#[must_use]
pub fn outcome(entry: &Entry) -> &'static str {
    match entry.end.as_ref().map(|end| end.outcome) {
        None => "unknown",
        Some(EntryOutcome::Applied) => "applied",
        Some(EntryOutcome::Refused) => "refused",
        Some(EntryOutcome::Unreachable) => "unreachable",
        Some(EntryOutcome::SettledApplied) => "applied (settled)",
        Some(EntryOutcome::SettledAbsent) => "absent (settled)",
    }
}
