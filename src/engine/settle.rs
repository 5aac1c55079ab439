//! Settling: finding out what an unknown write did.
//!
//! A create is looked for by *the body that was sent*, never by the present YAML, among the objects
//! that were not there before it left. Found, it is bound and then diffed like any other, so that a
//! block that was renamed or deleted in between still leads to one object or none.
//!
//! # Guarantees
//!
//! - No write is repeated here, and none is made.
//! - Absence counts only from [`GRACE`] after the call's time-out (and after the present lease was
//!   taken), and only when two readings from then on agree.
//!
//! # Assumptions
//!
//! The vendor shows a write to its lists within the grace.
//!
//! # Caveats
//!
//! A call is journalled before it waits for its turn under the rate limits. When a process dies just
//! after a long wait, the call is younger than its entry says; an absence then counts from the next
//! lease and the grace.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Object;
use super::ledger::{
    Binding, BindingChange, End, Entry, EntryId, EntryOutcome, Ledger, LedgerError,
};
use super::refresh::{Readers, list};
use super::right::Right;
use crate::model::{Address, Collection, Name, RemoteId};
use crate::plan::Listing;
use crate::plan::budget::operation;

/// How long after the time-out of a call its effect may still come to light.
pub const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// The time between two readings that must agree on an absence.
const BETWEEN_READINGS: SignedDuration = SignedDuration::from_secs(1);

/// What is known so far about the unsettled writes.
#[derive(Debug, Default)]
pub struct Settling {
    /// When an entry was first seen absent after its grace.
    absent_since: HashMap<EntryId, Timestamp>,
    /// The writes that are settled now, with what came of each.
    pub settled: Vec<(Entry, EntryOutcome)>,
    /// Tasklists that could not be read, with why; their writes stay unsettled.
    pub unread: BTreeMap<Collection, String>,
}

/// Looks once at every unsettled write.
///
/// Returns when it is worth looking again, or `None` when everything that can be settled is.
///
/// # Errors
///
/// When the ledger cannot be read or written.
pub async fn look(
    settling: &mut Settling,
    ledger: &dyn Ledger,
    right: &Right,
    readers: &Readers,
    grace: SignedDuration,
    now: &(dyn Fn() -> Timestamp + Sync),
) -> Result<Option<Timestamp>, LedgerError> {
    let entries = ledger.unsettled().await?;
    if entries.is_empty() {
        return Ok(None);
    }
    let asked_at = now();
    let wanted: BTreeMap<Collection, Name> = entries
        .iter()
        .map(|e| (e.call.call.collection.clone(), e.call.provider.clone()))
        .collect();
    let listings = list(&wanted, readers, &|_, _| {}).await;
    let claims: HashSet<(Collection, RemoteId)> = ledger
        .claims()
        .await?
        .into_iter()
        .map(|c| (c.collection, c.id))
        .collect();

    settling.unread.clear();
    let mut again: Option<Timestamp> = None;
    for entry in entries {
        let collection = &entry.call.call.collection;
        let objects = match &listings[collection] {
            Listing::Objects(objects) => objects,
            Listing::Unread(why) => {
                settling.unread.insert(collection.clone(), why.clone());
                continue;
            }
        };
        let bindings = ledger.bindings().await?;
        if let Some((id, changes)) = effect(&entry, objects, &bindings, &claims, asked_at) {
            close(
                settling,
                ledger,
                right,
                entry,
                EntryOutcome::SettledApplied,
                id,
                &changes,
                now(),
            )
            .await?;
            continue;
        }
        let due = deadline(&entry, right, grace);
        if asked_at < due {
            again = Some(again.map_or(due, |t| t.min(due)));
            continue;
        }
        let since = *settling.absent_since.entry(entry.id).or_insert(asked_at);
        if asked_at.duration_since(since) < BETWEEN_READINGS {
            let next = since + BETWEEN_READINGS;
            again = Some(again.map_or(next, |t| t.min(next)));
            continue;
        }
        close(
            settling,
            ledger,
            right,
            entry,
            EntryOutcome::SettledAbsent,
            None,
            &[],
            now(),
        )
        .await?;
    }
    Ok(again)
}

/// From when on an absence counts.
fn deadline(entry: &Entry, right: &Right, grace: SignedDuration) -> Timestamp {
    let timeout =
        SignedDuration::from_millis(i64::try_from(entry.call.timeout_ms).unwrap_or(i64::MAX));
    let answered = entry
        .call
        .opened_at
        .saturating_add(timeout)
        .unwrap_or(Timestamp::MAX);
    answered
        .max(right.lease.since)
        .saturating_add(grace)
        .unwrap_or(Timestamp::MAX)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call to the ledger, with its words"
)]
async fn close(
    settling: &mut Settling,
    ledger: &dyn Ledger,
    right: &Right,
    entry: Entry,
    outcome: EntryOutcome,
    id: Option<RemoteId>,
    changes: &[BindingChange],
    at: Timestamp,
) -> Result<(), LedgerError> {
    let detail = match outcome {
        EntryOutcome::SettledApplied => "found live as it was sent",
        _ => "not found live, twice",
    };
    let end = End {
        at,
        outcome,
        detail: detail.to_owned(),
        id,
    };
    ledger
        .close_entry(&right.lease, entry.id, &end, changes)
        .await?;
    settling.settled.push((entry, outcome));
    Ok(())
}

/// Whether the write shows in the list, and what it means for the bindings.
fn effect(
    entry: &Entry,
    objects: &[Object],
    bindings: &[Binding],
    claims: &HashSet<(Collection, RemoteId)>,
    at: Timestamp,
) -> Option<(Option<RemoteId>, Vec<BindingChange>)> {
    let sent = &entry.call;
    let collection = &sent.call.collection;
    let carries = |object: &Object| {
        sent.sent.iter().all(|(field, value)| {
            object
                .fields
                .get(field)
                .is_some_and(|live| value.satisfied_by(live))
        })
    };
    let address = sent.address.as_ref();
    let ours = |address: &Address, id: &RemoteId| Binding {
        address: address.clone(),
        provider: sent.provider.clone(),
        app: sent.app.clone(),
        collection: collection.clone(),
        id: id.clone(),
        applied: sent.sent.clone(),
        protect: sent.protect,
        updated_at: at,
    };
    match (sent.call.operation.as_str(), &sent.call.id) {
        (operation::CREATE, _) => {
            let object = objects
                .iter()
                .filter(|o| !sent.seen.contains(&o.id))
                .filter(|o| !claims.contains(&(collection.clone(), o.id.clone())))
                .filter(|o| {
                    !bindings
                        .iter()
                        .any(|b| b.collection == *collection && b.id == o.id)
                })
                .find(|o| carries(o))?;
            let mut changes = Vec::new();
            if let Some(address) = address {
                changes = bind(ours(address, &object.id), bindings);
            }
            Some((Some(object.id.clone()), changes))
        }
        (operation::PATCH, Some(id)) => {
            objects
                .iter()
                .find(|o| o.id == *id)
                .filter(|o| carries(o))?;
            let binding = bindings
                .iter()
                .find(|b| b.collection == *collection && b.id == *id);
            let changes = match (binding, address) {
                (Some(binding), _) => {
                    let mut binding = binding.clone();
                    for (field, value) in sent.sent.iter() {
                        binding.applied.set(field, value.clone());
                    }
                    binding.updated_at = at;
                    vec![BindingChange::Bind(binding)]
                }
                // The first write to an object that was being adopted.
                (None, Some(address)) => bind(ours(address, id), bindings),
                (None, None) => Vec::new(),
            };
            Some((Some(id.clone()), changes))
        }
        (operation::DELETE, Some(id)) => {
            if objects.iter().any(|o| o.id == *id) {
                return None;
            }
            let bound = bindings
                .iter()
                .find(|b| b.collection == *collection && b.id == *id);
            let changes = bound
                .map(|b| BindingChange::Unbind(b.address.clone()))
                .into_iter()
                .collect();
            Some((Some(id.clone()), changes))
        }
        _ => None,
    }
}

/// Binds an object; an older object of the same address is kept under a side address, so that the
/// next plan deletes it and nothing of ours is lost sight of.
#[must_use]
pub fn bind(binding: Binding, bindings: &[Binding]) -> Vec<BindingChange> {
    let mut changes = Vec::new();
    let other = bindings.iter().find(|b| b.address == binding.address);
    if let Some(other) = other.filter(|o| o.collection != binding.collection) {
        changes.push(BindingChange::Move {
            from: other.address.clone(),
            to: side_address(other, bindings),
        });
    }
    changes.push(BindingChange::Bind(binding));
    changes
}

/// An address for an object that its resource has left behind.
fn side_address(binding: &Binding, bindings: &[Binding]) -> Address {
    (1..)
        .map(|n| {
            let label = if n == 1 {
                "replaced".to_owned()
            } else {
                format!("replaced-{n}")
            };
            let instance = Name::new(&label).expect("letters, digits and a hyphen");
            Address {
                instance: Some(instance),
                ..binding.address.resource()
            }
        })
        .find(|address| !bindings.iter().any(|b| b.address == *address))
        .expect("there are finitely many bindings")
}
