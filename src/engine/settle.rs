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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::Object;
use super::ledger::{
    Binding, BindingChange, End, Entry, EntryId, EntryOutcome, Ledger, LedgerError, NewEntry,
};
use super::refresh::Readers;
use super::right::Right;
use crate::model::{Address, Collection, Field, Fields, Name, RemoteId, Value};
use crate::plan::Listing;
use crate::plan::budget::operation;
use crate::plan::guard::OWN_GROUP;

/// How many readings are under way at once; the HTTP client has bounds of its own per app.
const CONCURRENCY: usize = 16;

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
    let listings = sights(&entries, readers).await;
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
        let objects = match &listings[&sight(&entry)] {
            Listing::Objects(objects) => objects,
            Listing::Unread(why) => {
                settling.unread.insert(collection.clone(), why.clone());
                continue;
            }
        };
        let bindings = ledger.bindings().await?;
        let seen = Seen {
            objects,
            bindings: &bindings,
            claims: &claims,
            at: asked_at,
        };
        if let Some((id, changes)) = seen.effect(&entry) {
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
        // Of people who were put somewhere in one call, some may be there.
        let (outcome, changes) = match seen.part(&entry) {
            Some(changes) => (EntryOutcome::SettledApplied, changes),
            None => (EntryOutcome::SettledAbsent, Vec::new()),
        };
        close(
            settling,
            ledger,
            right,
            entry,
            outcome,
            None,
            &changes,
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

/// What has to be looked at to see whether a write took effect: all that a collection holds, or one
/// object of it.
type Sight = (Name, Collection, Option<RemoteId>);

fn sight(entry: &Entry) -> Sight {
    let NewEntry { provider, call, .. } = &entry.call;
    let one = match call.collection {
        Collection::Tasklist(_) | Collection::Ledger => None,
        Collection::Chats | Collection::UserGroups => call.id.clone(),
    };
    (provider.clone(), call.collection.clone(), one)
}

async fn sights(entries: &[Entry], readers: &Readers) -> BTreeMap<Sight, Listing> {
    let wanted: BTreeSet<Sight> = entries.iter().map(sight).collect();
    stream::iter(wanted)
        .map(|key| async move {
            let (provider, collection, one) = &key;
            let read = match (readers.get(provider), one) {
                (Some(reader), Some(id)) => reader
                    .object(collection, id)
                    .await
                    .map(|object| object.into_iter().collect()),
                (Some(reader), None) => match collection {
                    Collection::Tasklist(guid) => reader.subscriptions(guid).await,
                    other => reader.catalog(other).await,
                },
                (None, _) => {
                    let why = format!("the manifest has no provider `{provider}` any more");
                    return (key, Listing::Unread(why));
                }
            };
            let listing = match read {
                Ok(objects) => Listing::Objects(objects),
                Err(error) => Listing::Unread(error.with_hint()),
            };
            (key, listing)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await
}

/// What is seen when one write is looked for.
struct Seen<'a> {
    objects: &'a [Object],
    bindings: &'a [Binding],
    claims: &'a HashSet<(Collection, RemoteId)>,
    at: Timestamp,
}

type Effect = (Option<RemoteId>, Vec<BindingChange>);

impl Seen<'_> {
    /// Whether the write shows, and what it means for the bindings.
    fn effect(&self, entry: &Entry) -> Option<Effect> {
        let call = &entry.call.call;
        match (call.operation.as_str(), &call.id) {
            (operation::CREATE | operation::CREATE_CHAT | operation::CREATE_USER_GROUP, _) => {
                self.created(entry)
            }
            (operation::PATCH | operation::UPDATE_CHAT | operation::PATCH_USER_GROUP, Some(id)) => {
                self.changed(entry, id)
            }
            (
                operation::DELETE | operation::DISSOLVE_CHAT | operation::DELETE_USER_GROUP,
                Some(id),
            ) => {
                let gone = self.objects.iter().all(|o| o.id != *id);
                let bound = self.binding(&call.collection, id);
                let changes = bound.map(|b| BindingChange::Unbind(b.address.clone()));
                gone.then(|| (Some(id.clone()), changes.into_iter().collect()))
            }
            (operation::ADD_CHAT_MEMBERS | operation::ADD_USER_GROUP_MEMBERS, Some(id)) => {
                let sent = entry.call.sent.items(Field::Members);
                let whole = sent.is_subset(self.members(id)?);
                whole.then(|| (Some(id.clone()), self.moved(entry, id)))
            }
            (operation::REMOVE_CHAT_MEMBERS | operation::REMOVE_USER_GROUP_MEMBERS, Some(id)) => {
                let sent = entry.call.sent.items(Field::Members);
                let whole = sent.is_disjoint(self.members(id)?);
                whole.then(|| (Some(id.clone()), self.moved(entry, id)))
            }
            _ => None,
        }
    }

    /// What an addition or removal of people has done to some of them.
    fn part(&self, entry: &Entry) -> Option<Vec<BindingChange>> {
        let call = &entry.call.call;
        let id = call.id.as_ref()?;
        let (sent, live) = (entry.call.sent.items(Field::Members), self.members(id)?);
        let some = match call.operation.as_str() {
            operation::ADD_CHAT_MEMBERS | operation::ADD_USER_GROUP_MEMBERS => {
                !sent.is_disjoint(live)
            }
            operation::REMOVE_CHAT_MEMBERS | operation::REMOVE_USER_GROUP_MEMBERS => {
                !sent.is_subset(live)
            }
            _ => false,
        };
        some.then(|| self.moved(entry, id))
    }

    fn members(&self, id: &RemoteId) -> Option<&BTreeSet<String>> {
        let object = self.objects.iter().find(|o| o.id == *id)?;
        Some(object.fields.items(Field::Members))
    }

    /// Notes of the people in a call whom beadle has put there, and whom it has taken away.
    fn moved(&self, entry: &Entry, id: &RemoteId) -> Vec<BindingChange> {
        let bound = self.binding(&entry.call.call.collection, id);
        let (Some(mut binding), Some(live)) = (
            bound.cloned().or_else(|| self.adopted(entry, id)),
            self.members(id),
        ) else {
            return Vec::new();
        };
        let sent = entry.call.sent.items(Field::Members);
        let (here, gone): (Vec<_>, Vec<_>) = sent.iter().partition(|id| live.contains(*id));
        let operation = entry.call.call.operation.as_str();
        let adds = [
            operation::ADD_CHAT_MEMBERS,
            operation::ADD_USER_GROUP_MEMBERS,
        ];
        let is_add = adds.contains(&operation);
        for field in [Field::Added, Field::Members] {
            if binding.applied.get(field).is_none() {
                continue;
            }
            let mut people = binding.applied.items(field).clone();
            if is_add {
                people.extend(here.iter().map(|id| (*id).clone()));
            } else {
                people.retain(|id| !gone.contains(&id));
            }
            binding.applied.set(field, Value::Items(people));
        }
        binding.updated_at = self.at;
        vec![BindingChange::Bind(binding)]
    }

    /// The binding of an object that was being adopted when people were moved.
    fn adopted(&self, entry: &Entry, id: &RemoteId) -> Option<Binding> {
        let address = entry.call.address.as_ref()?;
        let is_free = self.bindings.iter().all(|b| b.address != *address);
        is_free.then(|| Binding {
            applied: [(Field::Added, Value::Items(BTreeSet::new()))]
                .into_iter()
                .collect(),
            ..self.ours(&entry.call, address, id)
        })
    }

    fn binding(&self, collection: &Collection, id: &RemoteId) -> Option<&Binding> {
        let mut all = self.bindings.iter();
        all.find(|b| b.collection == *collection && b.id == *id)
    }

    fn created(&self, entry: &Entry) -> Option<Effect> {
        let sent = &entry.call;
        let collection = &sent.call.collection;
        let object = self
            .objects
            .iter()
            .filter(|o| !sent.seen.contains(&o.id))
            .filter(|o| !self.claims.contains(&(collection.clone(), o.id.clone())))
            .filter(|o| self.binding(collection, &o.id).is_none())
            .find(|o| is_made_by(sent, o))?;
        let address = sent.address.as_ref();
        let changes = address.map(|address| {
            let mut ours = self.ours(sent, address, &object.id);
            if let Some(attempt) = attempt_of(&object.id)
                && *collection == Collection::UserGroups
            {
                let mark = Binding::mark(attempt);
                ours.applied.set(Field::Description, mark);
            }
            bind(ours, self.bindings)
        });
        Some((Some(object.id.clone()), changes.unwrap_or_default()))
    }

    fn changed(&self, entry: &Entry, id: &RemoteId) -> Option<Effect> {
        let sent = &entry.call;
        let object = self.objects.iter().find(|o| o.id == *id);
        object.filter(|o| carries(&sent.sent, o))?;
        let changes = match (self.binding(&sent.call.collection, id), &sent.address) {
            (Some(binding), _) => {
                let mut binding = binding.clone();
                binding.note(&sent.sent);
                binding.updated_at = self.at;
                vec![BindingChange::Bind(binding)]
            }
            // The first write to an object that was being adopted.
            (None, Some(address)) => bind(self.ours(sent, address, id), self.bindings),
            (None, None) => Vec::new(),
        };
        Some((Some(id.clone()), changes))
    }

    fn ours(&self, sent: &NewEntry, address: &Address, id: &RemoteId) -> Binding {
        let mut applied = sent.sent.clone();
        if sent.call.collection.tasklist().is_none() {
            applied.set(Field::Added, Value::Items(BTreeSet::new()));
        }
        Binding {
            address: address.clone(),
            provider: sent.provider.clone(),
            app: sent.app.clone(),
            collection: sent.call.collection.clone(),
            id: id.clone(),
            applied,
            protect: sent.protect,
            updated_at: self.at,
        }
    }
}

/// Whether an object is what a create has made. An id of ours or a mark says more than fields that
/// somebody may have changed since.
fn is_made_by(sent: &NewEntry, object: &Object) -> bool {
    match sent.call.collection {
        Collection::Chats => {
            let mark = sent.sent.get(Field::Description);
            mark.is_some() && mark == object.fields.get(Field::Description)
        }
        _ => sent.call.id.as_ref() == Some(&object.id) || carries(&sent.sent, object),
    }
}

/// Whether an object has the values that a body carried.
fn carries(sent: &Fields, object: &Object) -> bool {
    sent.iter()
        // Vendors are not told about these.
        .filter(|(field, _)| !matches!(field, Field::Added | Field::OnDelete))
        .all(|(field, value)| {
            let live = object.fields.get(field);
            live.is_some_and(|live| value.satisfied_by(live))
        })
}

/// The id of the contact user group that an attempt makes.
pub(super) fn group_id(attempt: &str) -> RemoteId {
    RemoteId::new(&format!("{OWN_GROUP}{attempt}"))
}

/// The attempt that has made a contact user group.
fn attempt_of(id: &RemoteId) -> Option<&str> {
    id.as_str().strip_prefix(OWN_GROUP)
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
