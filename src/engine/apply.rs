//! Carries out a plan along its graph, and says what happens as [`ApplyEvent`]s.
//!
//! # Guarantees
//!
//! - A call is journalled, body and all, before it leaves, and closed together with its binding.
//! - Just before the first write to an object it is read once more: `tasklist` and `kept` say how.
//! - A failed change stops what requires it and nothing else.
//!
//! # Caveats
//!
//! Between the re-reading and the write somebody may still change the object; an update writes only
//! its own fields, so that a change of theirs to another field survives.

mod bound;
mod kept;
mod records;
mod tasklist;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use self::bound::Bound;
pub use self::records::record;
use super::ledger::{BindingChange, End, EntryOutcome, Ledger, LedgerError, NewEntry};
use super::refresh::Live;
use super::right::{Right, Stop};
use super::snapshot::Snapshot;
use super::{Answer, ApiError, Done, Object, Write, Writer};
use crate::model::{Address, Collection, Field, Fields, Name, RemoteId};
use crate::plan::{Action, Change, Plan, Subject};

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
    /// The tasklists that were written to, as they are now; without those of which that is not known.
    pub left: Vec<Snapshot>,
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

/// What is known of a tasklist in this run, held by the change that writes to it.
#[derive(Debug, Default)]
struct Ground {
    /// The reading just before the first write.
    fresh: Option<Result<Vec<Object>, ApiError>>,
    /// Every object seen in it or made in it.
    seen: Vec<RemoteId>,
    /// As it was read, with what was written since; none when that is not known.
    now: Option<Snapshot>,
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
    drop(under_way);
    let grounds = run.grounds.into_values();
    let left = grounds.filter_map(|ground| ground.into_inner().now);
    Ok(Report {
        outcomes,
        left: left.collect(),
    })
}

struct Run<'a> {
    context: &'a Context<'a>,
    bound: std::sync::Mutex<Bound>,
    grounds: BTreeMap<Collection, Mutex<Ground>>,
    slots: Semaphore,
    ledger_failed: AtomicBool,
}

/// What a write that succeeded means for the bindings, given the object and whom the vendor did not take.
type Meaning<'a> =
    dyn Fn(Option<&RemoteId>, &BTreeMap<String, String>) -> Vec<BindingChange> + Sync + 'a;

/// What a call that succeeded has done.
struct Sending {
    /// To which object.
    id: Option<RemoteId>,
    /// People whom the vendor did not take.
    rejected: BTreeMap<String, String>,
    /// The object, as far as the answer tells of it.
    object: Option<Object>,
}

/// How a single call ended.
enum Sent {
    /// It is done.
    Done(Sending),
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
        self.in_tasklist(change, writer.as_ref()).await
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
                let done = Sending {
                    id: made,
                    rejected,
                    object,
                };
                (end, changes, Sent::Done(done))
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
}
