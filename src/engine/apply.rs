//! Carries out a plan along its graph, and says what happens as [`ApplyEvent`]s.
//!
//! # Guarantees
//!
//! - A call is journalled, body and all, before it leaves, and closed together with its binding.
//! - Just before the first write to a tasklist it is read once more: a change whose `before` moved
//!   fails as stale, and what somebody made meanwhile under the same name is not doubled.
//! - Writes to one tasklist come one after the other, so that the objects seen before a create are
//!   known.
//! - A failed change stops what requires it and nothing else.
//!
//! # Caveats
//!
//! Between the re-reading and the write somebody may still change the object; an update writes only
//! its own fields, so that a change of theirs to another field survives.

mod bound;
mod kept;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use self::bound::Bound;
use super::ledger::{Binding, BindingChange, End, EntryOutcome, Ledger, LedgerError, NewEntry};
use super::refresh::{Live, objects};
use super::right::{Right, Stop};
use super::settle::bind;
use super::{Answer, ApiError, Done, Object, Write, Writer};
use crate::model::{Address, ChatId, Collection, Field, Fields, Name, RemoteId, Value};
use crate::plan::{Action, Change, Listing, Plan, Record, Subject};

/// How many changes are under way at once; the HTTP client has bounds of its own per app.
const CONCURRENCY: usize = 32;

/// The writers by provider key.
pub type Writers = BTreeMap<Name, Arc<dyn Writer>>;

/// Everything that carrying out a plan needs.
pub struct Context<'a> {
    /// Who writes.
    pub writers: &'a Writers,
    /// What remembers.
    pub ledger: &'a dyn Ledger,
    /// The right to do so.
    pub right: &'a Right,
    /// Whether somebody asked to stop.
    pub stop: &'a Stop,
    /// The live side that the plan was made from.
    pub live: &'a Live,
    /// For each resource, its values as the ledger remembers them once they are applied.
    pub applied: &'a (dyn Fn(&Address) -> Option<Fields> + Sync),
    /// The clock.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    /// Who is told.
    pub events: &'a (dyn Fn(ApplyEvent<'_>) + Sync),
}

/// What happens during an apply.
#[derive(Clone, Debug)]
pub enum ApplyEvent<'a> {
    /// A change is begun.
    Started(&'a Change),
    /// A change has ended.
    Finished(&'a Change, &'a Outcome),
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done.
    Applied(Option<RemoteId>),
    /// It is not done, and nothing was changed.
    Failed(Failure),
    /// It was not begun.
    Skipped(Skip),
    /// It may be done; the next apply settles it.
    Unknown(ApiError),
}

/// Why a change failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The vendor refused it, or could not be reached.
    Api(ApiError),
    /// The live side moved after the plan was made.
    Stale(String),
    /// The ledger refused.
    Ledger(String),
    /// A replace made the new object and could not delete the old one.
    Half(ApiError),
    /// The rest is done, and the vendor did not take these people, each with why.
    Rejected(BTreeMap<String, String>),
}

/// Why a change was not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// What it requires did not succeed.
    Requires(Subject),
    /// Somebody asked to stop.
    Interrupted,
    /// The lease ran out or was taken.
    LeaseLost,
    /// The ledger failed before, and cannot promise anything about the next call.
    LedgerFailed,
}

/// How an apply ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Every change with its outcome, in the order of the plan.
    pub outcomes: Vec<(Change, Outcome)>,
}

impl Report {
    /// Whether every change is done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.outcomes
            .iter()
            .all(|(_, outcome)| matches!(outcome, Outcome::Applied(_)))
    }
}

/// Writes down what needs no call.
///
/// # Errors
///
/// When the ledger refuses; nothing is recorded then.
pub async fn record(context: &Context<'_>, plan: &Plan) -> Result<(), LedgerError> {
    let at = (context.now)();
    let mut bound = Bound::new(context.ledger.bindings().await?);
    let mut changes = Vec::with_capacity(plan.records.len());
    let mut note = |bound: &mut Bound, new: Vec<BindingChange>| {
        for change in &new {
            bound.change(change);
        }
        changes.extend(new);
    };
    // Labels may change hands within one resource, so the moved ones leave their places first.
    let mut moved = Vec::new();
    for record in &plan.records {
        if let Record::Move { from, to } = record
            && let Some(binding) = bound.by_address.get(from).cloned()
        {
            let address = to.clone();
            moved.push(Binding { address, ..binding });
            note(&mut bound, vec![BindingChange::Unbind(from.clone())]);
        }
    }
    for binding in moved {
        let others = bound.of_resource(&binding.address);
        note(&mut bound, bind(binding, &others));
    }
    for record in &plan.records {
        if let Record::Bind {
            address,
            provider,
            collection,
            id,
            applied,
            protect,
            new: _,
        } = record
        {
            let Some(writer) = context.writers.get(provider) else {
                continue;
            };
            let binding = Binding {
                address: address.clone(),
                provider: provider.clone(),
                app: writer.app().clone(),
                collection: collection.clone(),
                id: id.clone(),
                applied: applied.clone(),
                protect: *protect,
                updated_at: at,
            };
            let others = bound.of_resource(address);
            note(&mut bound, bind(binding, &others));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    context
        .ledger
        .record(&context.right.lease, at, &changes)
        .await
}

/// What is known of a tasklist in this run, held by the change that writes to it.
#[derive(Debug, Default)]
struct Ground {
    /// The reading just before the first write.
    fresh: Option<Result<Vec<Object>, ApiError>>,
    /// Every object seen in it or made in it.
    seen: Vec<RemoteId>,
}

/// Carries out the changes of a plan.
///
/// # Errors
///
/// When the ledger's bindings cannot be read; nothing has been done then.
pub async fn apply(context: &Context<'_>, plan: &Plan) -> Result<Report, LedgerError> {
    let run = Run {
        context,
        bound: std::sync::Mutex::new(Bound::new(context.ledger.bindings().await?)),
        grounds: plan
            .changes
            .iter()
            .flat_map(|c| match &c.action {
                Action::Replace { old_collection, .. } => {
                    vec![c.collection.clone(), old_collection.clone()]
                }
                _ => vec![c.collection.clone()],
            })
            .map(|collection| (collection, Mutex::new(Ground::default())))
            .collect(),
        slots: Semaphore::new(CONCURRENCY),
        ledger_failed: AtomicBool::new(false),
    };
    let index: HashMap<&Subject, usize> = plan
        .changes
        .iter()
        .enumerate()
        .map(|(i, c)| (&c.subject, i))
        .collect();
    let mut waits = vec![0_usize; plan.changes.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); plan.changes.len()];
    for (i, change) in plan.changes.iter().enumerate() {
        for first in change
            .requires
            .iter()
            .filter_map(|subject| index.get(subject))
        {
            waits[i] += 1;
            followers[*first].push(i);
        }
    }

    let mut outcomes: Vec<Option<Outcome>> = vec![None; plan.changes.len()];
    let mut under_way = FuturesUnordered::new();
    let start = |i: usize| {
        let run = &run;
        let change = &plan.changes[i];
        async move { (i, run.change(change).await) }
    };
    for i in (0..plan.changes.len()).filter(|i| waits[*i] == 0) {
        under_way.push(start(i));
    }
    while let Some((i, outcome)) = under_way.next().await {
        let mut ended = vec![(i, outcome)];
        while let Some((i, outcome)) = ended.pop() {
            if outcomes[i].is_some() {
                continue;
            }
            (context.events)(ApplyEvent::Finished(&plan.changes[i], &outcome));
            // What is there without some of its people can be named all the same.
            let done = matches!(
                outcome,
                Outcome::Applied(_) | Outcome::Failed(Failure::Rejected(_))
            );
            outcomes[i] = Some(outcome);
            for &follower in &followers[i] {
                waits[follower] -= 1;
                if !done {
                    let because = plan.changes[i].subject.clone();
                    ended.push((follower, Outcome::Skipped(Skip::Requires(because))));
                } else if waits[follower] == 0 && outcomes[follower].is_none() {
                    under_way.push(start(follower));
                }
            }
        }
    }
    let outcomes = plan
        .changes
        .iter()
        .cloned()
        .zip(
            outcomes
                .into_iter()
                .map(|o| o.expect("every change waits only for changes of this plan")),
        )
        .collect();
    Ok(Report { outcomes })
}

struct Run<'a> {
    context: &'a Context<'a>,
    bound: std::sync::Mutex<Bound>,
    grounds: BTreeMap<Collection, Mutex<Ground>>,
    slots: Semaphore,
    ledger_failed: AtomicBool,
}

/// Why an object is not to be deleted: it is no longer as the plan has shown it.
fn edited(fresh: &[Object], id: &RemoteId, planned: Option<&Fields>) -> Option<String> {
    let object = fresh.iter().find(|o| o.id == *id)?;
    (Some(&object.fields) != planned).then(|| format!("{id} was changed meanwhile"))
}

/// What a write that succeeded means for the bindings, given the object and whom the vendor did not take.
type Meaning<'a> =
    dyn Fn(Option<&RemoteId>, &BTreeMap<String, String>) -> Vec<BindingChange> + Sync + 'a;

/// How a single call ended.
enum Sent {
    /// It is done, to that object, save for people whom the vendor did not take.
    Done(Option<RemoteId>, BTreeMap<String, String>),
    Not(Outcome),
}

impl Run<'_> {
    async fn change(&self, change: &Change) -> Outcome {
        if let Action::Forget { .. } = change.action {
            return self.forget(change).await;
        }
        if change.collection == Collection::Ledger {
            return self.registered(change).await;
        }
        let Some(writer) = self.context.writers.get(&change.provider) else {
            let why = format!(
                "the manifest has no provider `{}` any more",
                change.provider
            );
            return Outcome::Failed(Failure::Stale(why));
        };
        if let Collection::Chats | Collection::UserGroups = change.collection {
            return self.kept(change, writer.as_ref()).await;
        }
        let mut ground = self.grounds[&change.collection].lock().await;
        let slot = self.slot().await;
        if let Some(skip) = self.must_not_begin(writer.as_ref()) {
            return Outcome::Skipped(skip);
        }
        (self.context.events)(ApplyEvent::Started(change));
        if let Err(outcome) = self
            .read(&mut ground, writer.as_ref(), &change.collection)
            .await
        {
            return outcome;
        }
        if let Some(why) = self.moved(change, &ground) {
            return Outcome::Failed(Failure::Stale(why));
        }
        let write = match self.write_of(change) {
            Ok(write) => write,
            Err(why) => return Outcome::Failed(Failure::Stale(why)),
        };
        let sent = self
            .write_in(
                change,
                &change.provider,
                writer.as_ref(),
                &write,
                &mut ground,
            )
            .await;
        let made = match sent {
            Sent::Done(made, _) => made,
            Sent::Not(outcome) => return outcome,
        };
        // Who waits for another tasklist holds nothing that its holder may wait for.
        drop((ground, slot));
        if let Action::Replace {
            old_collection,
            old_provider,
            id,
            ..
        } = &change.action
        {
            let old = Write::Delete {
                collection: old_collection.clone(),
                id: id.clone(),
            };
            return self.rest_of_replace(change, old_provider, &old, made).await;
        }
        Outcome::Applied(made)
    }

    /// The first call of a change in a tasklist.
    fn write_of(&self, change: &Change) -> Result<Write, String> {
        let collection = change.collection.clone();
        Ok(match &change.action {
            Action::Create { desired } | Action::Replace { desired, .. } => Write::Create {
                collection,
                id: None,
                fields: self.with_ids(desired.clone())?,
            },
            Action::Update { id, fields, .. } | Action::Adopt { id, fields, .. } => {
                let after = fields.iter().map(|f| (f.field, f.after.clone()));
                Write::Update {
                    collection,
                    id: id.clone(),
                    fields: self.with_ids(after.collect())?,
                }
            }
            Action::Delete { id, .. } | Action::Forget { id, .. } => Write::Delete {
                collection,
                id: id.clone(),
            },
        })
    }

    /// The same values, with the ids of chats that were still to come when the plan was made.
    fn with_ids(&self, mut fields: Fields) -> Result<Fields, String> {
        let Some(Value::Chats(chats)) = fields.get(Field::Subscribers) else {
            return Ok(fields);
        };
        if chats.iter().all(|chat| chat.pending().is_none()) {
            return Ok(fields);
        }
        let bound = self.bound();
        let chats: Result<_, String> = chats
            .iter()
            .map(|chat| {
                let Some(address) = chat.pending() else {
                    return Ok(chat.clone());
                };
                let binding = bound.by_address.get(&address);
                let id = binding.map(|b| ChatId::new(b.id.as_str()));
                id.ok_or_else(|| format!("{address} has no id yet"))
            })
            .collect();
        fields.set(Field::Subscribers, Value::Chats(chats?));
        Ok(fields)
    }

    /// A write to a tasklist, with what it means for the bindings there.
    async fn write_in(
        &self,
        change: &Change,
        provider: &Name,
        writer: &dyn Writer,
        write: &Write,
        ground: &mut Ground,
    ) -> Sent {
        let bindings = |made: Option<&RemoteId>, _: &BTreeMap<String, String>| {
            self.bindings(change, provider, writer, write, write.collection(), made)
        };
        let seen = &mut ground.seen;
        self.write(change, provider, writer, write, seen, &bindings)
            .await
    }

    /// Deletes what a replace has replaced.
    async fn rest_of_replace(
        &self,
        change: &Change,
        provider: &Name,
        delete: &Write,
        made: Option<RemoteId>,
    ) -> Outcome {
        let (Some(writer), Write::Delete { collection, .. }) =
            (self.context.writers.get(provider), delete)
        else {
            let why = format!("the manifest has no provider `{provider}` any more");
            return Outcome::Failed(Failure::Stale(why));
        };
        let mut ground = self.grounds[collection].lock().await;
        let _slot = self.slot().await;
        if let Some(skip) = self.must_not_begin(writer.as_ref()) {
            return Outcome::Skipped(skip);
        }
        if let Err(outcome) = self.read(&mut ground, writer.as_ref(), collection).await {
            return outcome;
        }
        if let (Some(Ok(fresh)), Action::Replace { id, live, .. }) = (&ground.fresh, &change.action)
            && let Some(why) = edited(fresh, id, live.as_ref())
        {
            // The next plan shows it as it is now, and deletes it.
            let why = format!("the new object is there, the old one stays: {why}");
            return Outcome::Failed(Failure::Stale(why));
        }
        match self
            .write_in(change, provider, writer.as_ref(), delete, &mut ground)
            .await
        {
            Sent::Done(..) => Outcome::Applied(made),
            Sent::Not(Outcome::Failed(Failure::Api(error))) => {
                Outcome::Failed(Failure::Half(error))
            }
            Sent::Not(outcome) => outcome,
        }
    }

    async fn slot(&self) -> SemaphorePermit<'_> {
        let slot = self.slots.acquire().await;
        slot.expect("the semaphore is never closed")
    }

    fn must_not_begin(&self, writer: &dyn Writer) -> Option<Skip> {
        if self.context.stop.is_asked() {
            return Some(Skip::Interrupted);
        }
        let covered = self
            .context
            .right
            .covers((self.context.now)(), writer.timeout_ms());
        if !covered {
            return Some(Skip::LeaseLost);
        }
        let failed = self.ledger_failed.load(Ordering::SeqCst);
        failed.then_some(Skip::LedgerFailed)
    }

    async fn forget(&self, change: &Change) -> Outcome {
        if self.context.stop.is_asked() {
            return Outcome::Skipped(Skip::Interrupted);
        }
        (self.context.events)(ApplyEvent::Started(change));
        let Action::Forget { id, .. } = &change.action else {
            unreachable!("called for these alone")
        };
        // Its address may be another object's by now, one that this run has made or bound.
        let object = (change.collection.clone(), id.clone());
        let address = self.bound().by_object.get(&object).cloned();
        let changes: Vec<_> = address.map(BindingChange::Unbind).into_iter().collect();
        match self
            .context
            .ledger
            .record(&self.context.right.lease, (self.context.now)(), &changes)
            .await
        {
            Ok(()) => {
                let mut bound = self.bound();
                for change in &changes {
                    bound.change(change);
                }
                Outcome::Applied(None)
            }
            Err(error) => self.note_failed_ledger(&error),
        }
    }

    fn note_failed_ledger(&self, error: &LedgerError) -> Outcome {
        if matches!(error, LedgerError::LeaseLost(_)) {
            self.context.right.lose();
        }
        self.ledger_failed.store(true, Ordering::SeqCst);
        Outcome::Failed(Failure::Ledger(error.to_string()))
    }

    /// Reads the tasklist, once before the first write to it.
    async fn read(
        &self,
        ground: &mut Ground,
        writer: &dyn Writer,
        collection: &Collection,
    ) -> Result<(), Outcome> {
        if ground.fresh.is_none() {
            let fresh = objects(writer, collection).await;
            if let Ok(objects) = &fresh {
                ground.seen = objects.iter().map(|o| o.id.clone()).collect();
            }
            ground.fresh = Some(fresh);
        }
        match &ground.fresh {
            Some(Err(error)) => Err(Outcome::Failed(Failure::Api(error.clone()))),
            _ => Ok(()),
        }
    }

    /// Why the change no longer fits what is live, if it does not.
    fn moved(&self, change: &Change, ground: &Ground) -> Option<String> {
        let Some(Ok(fresh)) = &ground.fresh else {
            return None;
        };
        let planned = match self.context.live.listings.get(&change.collection) {
            Some(Listing::Objects(objects)) => objects.as_slice(),
            _ => &[],
        };
        match &change.action {
            Action::Create { desired } | Action::Replace { desired, .. } => fresh
                .iter()
                .filter(|o| o.fields.name() == desired.name())
                .find(|o| !planned.iter().any(|p| p.id == o.id))
                .map(|o| {
                    format!(
                        "somebody has made a subscription of this name meanwhile: {}",
                        o.id
                    )
                }),
            Action::Update { id, fields, .. } | Action::Adopt { id, fields, .. } => {
                let Some(object) = fresh.iter().find(|o| o.id == *id) else {
                    return Some(format!("{id} was deleted meanwhile"));
                };
                fields
                    .iter()
                    .find(|f| {
                        object
                            .fields
                            .get(f.field)
                            .is_some_and(|now| *now != f.before)
                    })
                    .map(|f| format!("`{}` of {id} was changed meanwhile", f.field))
            }
            Action::Delete { id, live } => edited(fresh, id, live.as_ref()),
            Action::Forget { .. } => None,
        }
    }

    /// Journals a call, makes it, and closes the entry together with the binding.
    async fn write(
        &self,
        change: &Change,
        provider: &Name,
        writer: &dyn Writer,
        write: &Write,
        seen: &mut Vec<RemoteId>,
        bindings: &Meaning<'_>,
    ) -> Sent {
        let (ledger, right) = (self.context.ledger, self.context.right);
        let mut sent = write.sent();
        if let (Write::Create { .. }, Some(after)) = (write, change.after())
            && let Some(on_delete) = after.get(Field::OnDelete)
        {
            // No vendor is told, but whoever settles this must know.
            sent.set(Field::OnDelete, on_delete.clone());
        }
        let call = writer.encode(write);
        let entry = NewEntry {
            opened_at: (self.context.now)(),
            address: change.subject.address().cloned(),
            provider: provider.clone(),
            app: writer.app().clone(),
            call: call.clone(),
            sent,
            seen: seen.clone(),
            timeout_ms: writer.timeout_ms(),
            protect: change.protect,
        };
        let id = match ledger.open_entry(&right.lease, &entry).await {
            Ok(id) => id,
            Err(error) => return Sent::Not(self.note_failed_ledger(&error)),
        };
        let answer = writer.send(&call).await;
        let (end, changes, sent) = match answer {
            Ok(Done { object, rejected }) => {
                let made = object
                    .as_ref()
                    .map(|o| o.id.clone())
                    .or_else(|| call.id.clone());
                if let Some(made) = made.as_ref().filter(|made| !seen.contains(made)) {
                    seen.push(made.clone());
                }
                let changes = bindings(made.as_ref(), &rejected);
                let detail = match rejected.len() {
                    0 => "ok".to_owned(),
                    1 => "1 person not taken".to_owned(),
                    n => format!("{n} people not taken"),
                };
                let end = self.end(EntryOutcome::Applied, detail, made.clone());
                (end, changes, Sent::Done(made, rejected))
            }
            Err(error @ ApiError::Unknown(_)) => return Sent::Not(Outcome::Unknown(error)),
            Err(error) => {
                let outcome = match error {
                    ApiError::Unreachable(_) => EntryOutcome::Unreachable,
                    _ => EntryOutcome::Refused,
                };
                let end = self.end(outcome, error.to_string(), None);
                (
                    end,
                    Vec::new(),
                    Sent::Not(Outcome::Failed(Failure::Api(error))),
                )
            }
        };
        if let Err(error) = ledger.close_entry(&right.lease, id, &end, &changes).await {
            let failed = self.note_failed_ledger(&error);
            // The entry stays open: what was done is done, and the next apply finds it so.
            return Sent::Not(match sent {
                Sent::Done(..) => Outcome::Unknown(ApiError::Unknown(Answer {
                    operation: call.operation.clone(),
                    message: format!("it was done, and the ledger could not note it: {error}"),
                    ..Answer::default()
                })),
                Sent::Not(_) => failed,
            });
        }
        let mut bound = self.bound();
        for change in &changes {
            bound.change(change);
        }
        sent
    }

    fn bound(&self) -> std::sync::MutexGuard<'_, Bound> {
        self.bound.lock().expect("nothing panics while it is held")
    }

    fn end(&self, outcome: EntryOutcome, detail: String, id: Option<RemoteId>) -> End {
        End {
            at: (self.context.now)(),
            outcome,
            detail,
            id,
        }
    }

    /// What a write that succeeded means for the bindings.
    fn bindings(
        &self,
        change: &Change,
        provider: &Name,
        writer: &dyn Writer,
        write: &Write,
        collection: &Collection,
        made: Option<&RemoteId>,
    ) -> Vec<BindingChange> {
        let bound = self.bound();
        if let Write::Delete { id, .. } = write {
            let address = bound.by_object.get(&(collection.clone(), id.clone()));
            return address
                .map(|a| BindingChange::Unbind(a.clone()))
                .into_iter()
                .collect();
        }
        let (Some(address), Some(id)) = (change.subject.address(), made) else {
            return Vec::new();
        };
        let applied = (self.context.applied)(address).unwrap_or_default();
        drop(bound);
        // What could be written has ids.
        let applied = self.with_ids(applied.clone()).unwrap_or(applied);
        let bound = self.bound();
        let binding = Binding {
            address: address.clone(),
            provider: provider.clone(),
            app: writer.app().clone(),
            collection: collection.clone(),
            id: id.clone(),
            applied,
            protect: change.protect,
            updated_at: (self.context.now)(),
        };
        // What was bound here before and is gone needs no place of its own to be deleted from.
        let mut others = bound.of_resource(address);
        others.retain(|other| other.address != *address || !self.is_gone(other));
        bind(binding, &others)
    }

    /// Whether the plan's reading has shown that a bound object is no more.
    fn is_gone(&self, binding: &Binding) -> bool {
        match self.context.live.listings.get(&binding.collection) {
            Some(Listing::Objects(objects)) => objects.iter().all(|o| o.id != binding.id),
            _ => false,
        }
    }
}
