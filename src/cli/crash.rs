//! Dies on purpose, so that tests can prove that nothing is written twice or lost whatever dies.
//!
//! There is none of this in a release build. In a debug build `BEADLE_CRASH_AT=N` ends the process
//! without any clean-up at the Nth crash point, and `BEADLE_PANIC_AT=N` panics there. Points are just before and just after each method of
//! the ledger that writes, and each call that writes; the engine knows nothing of them.

mod receipts;
mod upkeep;

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::{SignedDuration, Timestamp};

use super::around::{self, Around, Step};
use crate::engine::afterwards::{
    AfterSettling, Afterwards, Pause, Recall, RecallState, Settlement,
};
use crate::engine::apply::Writers;
use crate::engine::ledger::{
    Binding, BindingChange, Claim, End, Entry, EntryId, Holder, Lease, LeaseState, Ledger,
    LedgerError, LookUp, NewEntry, Note, Turn,
};
use crate::engine::outbox::{
    Admission, Admitted, Books, Claim as DeliveryClaim, Delivery, DeliveryId, Ending, Key,
    NewDelivery, Occurrence, Outbox, OutboxError, Outcome, State,
};
use crate::engine::quota::{Claimed, Quota, Take};
use crate::engine::runner::Channels;
use crate::engine::snapshot::Snapshot;
use crate::engine::{ApiError, Call, Done, Object, Pending, Reader, RemoteTasklist, Write, Writer};
use crate::model::{Address, AppId, ChatId, Collection, RemoteId, TasklistGuid};

/// Wraps what writes, when the environment names a point to die at.
pub(super) fn install(
    books: Arc<dyn Books>,
    writers: Writers,
    channels: Channels,
) -> (Arc<dyn Books>, Writers, Channels) {
    let Some(points) = points() else {
        return (books, writers, channels);
    };
    let writers = writers
        .into_iter()
        .map(|(key, inner)| {
            let points = Arc::clone(&points);
            let writer: Arc<dyn Writer> = Arc::new(Mortal { inner, points });
            (key, writer)
        })
        .collect();
    let channels = around::channels(&channels, |_| Deadly(Arc::clone(&points)));
    let inner = books;
    (Arc::new(Mortal { inner, points }), writers, channels)
}

/// Wraps a ledger that is used alone.
pub(super) fn install_books(books: Arc<dyn Books>) -> Arc<dyn Books> {
    install(books, Writers::new(), Channels::new()).0
}

/// What counts in this process, however many are wrapped at a time.
fn points() -> Option<Arc<Points>> {
    static POINTS: Mutex<Weak<Points>> = Mutex::new(Weak::new());
    let number = |variable: &str| std::env::var(variable).ok()?.parse().ok();
    let (at, end): (u64, fn(&str)) = match (number("BEADLE_CRASH_AT"), number("BEADLE_PANIC_AT")) {
        (Some(at), _) => (at, die),
        (None, Some(at)) => (at, panic),
        (None, None) => return None,
    };
    let mut known = POINTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(points) = known.upgrade() {
        return Some(points);
    }
    let passed = AtomicU64::new(0);
    let points = Arc::new(Points { at, end, passed });
    *known = Arc::downgrade(&points);
    Some(points)
}

/// Counts the points that were passed, and says at the end how many there were.
struct Points {
    at: u64,
    /// What happens there.
    end: fn(&str),
    passed: AtomicU64,
}

impl Points {
    fn pass(&self, side: &str, step: &str) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            (self.end)(&format!("crash point: {side} {step}"));
        }
    }

    /// Does something at which it may die, before or after.
    async fn risk<R>(&self, step: &str, work: impl Future<Output = R>) -> R {
        self.pass("before", step);
        let done = work.await;
        self.pass("after", step);
        done
    }
}

fn die(point: &str) {
    // Nobody may be listening any more, and that is no reason to live.
    let _ = writeln!(std::io::stderr(), "{point}");
    // No destructor runs and nothing is flushed: for the rest of the world it is a SIGKILL.
    std::process::abort();
}

fn panic(point: &str) {
    panic!("{point}");
}

impl Drop for Points {
    fn drop(&mut self) {
        // For whoever wants to go through all of them.
        let passed = self.passed.load(Ordering::SeqCst);
        let _ = writeln!(std::io::stderr(), "crash points: {passed}");
    }
}

/// Something that writes and may die at it.
struct Mortal<T: ?Sized> {
    inner: Arc<T>,
    points: Arc<Points>,
}

impl<T: ?Sized> Mortal<T> {
    async fn risk<R>(&self, step: &str, work: impl Future<Output = R>) -> R {
        self.points.risk(step, work).await
    }
}

impl<T: Ledger + ?Sized> Ledger for Mortal<T> {
    fn bindings(&self) -> Pending<'_, Result<Vec<Binding>, LedgerError>> {
        self.inner.bindings()
    }

    fn claims(&self) -> Pending<'_, Result<Vec<Claim>, LedgerError>> {
        self.inner.claims()
    }

    fn is_new(&self) -> Pending<'_, Result<bool, LedgerError>> {
        self.inner.is_new()
    }

    fn unsettled(&self) -> Pending<'_, Result<Vec<Entry>, LedgerError>> {
        self.inner.unsettled()
    }

    fn history(&self, limit: usize) -> Pending<'_, Result<Vec<Entry>, LedgerError>> {
        self.inner.history(limit)
    }

    fn acquire<'a>(
        &'a self,
        holder: &'a Holder,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<Lease, LedgerError>> {
        Box::pin(self.risk("acquire", self.inner.acquire(holder, now, ttl)))
    }

    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("renew", self.inner.renew(lease, now, ttl)))
    }

    fn release<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("release", self.inner.release(lease, now)))
    }

    fn lease(&self) -> Pending<'_, Result<Option<LeaseState>, LedgerError>> {
        self.inner.lease()
    }

    fn turn(&self) -> Pending<'_, Result<Option<Turn>, LedgerError>> {
        self.inner.turn()
    }

    fn break_lease(&self, now: Timestamp) -> Pending<'_, Result<Option<LeaseState>, LedgerError>> {
        Box::pin(self.risk("break_lease", self.inner.break_lease(now)))
    }

    fn open_entry<'a>(
        &'a self,
        lease: &'a Lease,
        entry: &'a NewEntry,
    ) -> Pending<'a, Result<EntryId, LedgerError>> {
        Box::pin(self.risk("open_entry", self.inner.open_entry(lease, entry)))
    }

    fn close_entry<'a>(
        &'a self,
        lease: &'a Lease,
        id: EntryId,
        end: &'a End,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk(
            "close_entry",
            self.inner.close_entry(lease, id, end, changes),
        ))
    }

    fn look_ups(&self) -> Pending<'_, Result<Vec<LookUp>, LedgerError>> {
        self.inner.look_ups()
    }

    fn remember<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        look_ups: &'a [LookUp],
        since: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        let work = self.inner.remember(lease, now, look_ups, since);
        Box::pin(self.risk("remember", work))
    }

    fn snapshots(&self) -> Pending<'_, Result<Vec<Snapshot>, LedgerError>> {
        self.inner.snapshots()
    }

    fn note_snapshots<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        note: &'a Note<'a>,
    ) -> Pending<'a, Result<(), LedgerError>> {
        let work = self.inner.note_snapshots(lease, now, note);
        Box::pin(self.risk("note_snapshots", work))
    }

    fn keep_snapshots<'a>(
        &'a self,
        turn: Turn,
        keep: &'a [Snapshot],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("keep_snapshots", self.inner.keep_snapshots(turn, keep)))
    }

    fn record<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("record", self.inner.record(lease, now, changes)))
    }
}

impl<T: Outbox + ?Sized> Outbox for Mortal<T> {
    fn handled(&self) -> Pending<'_, Result<Vec<(Address, Timestamp)>, LedgerError>> {
        self.inner.handled()
    }

    fn handled_until<'a>(
        &'a self,
        notice: &'a Address,
    ) -> Pending<'a, Result<Option<Timestamp>, LedgerError>> {
        self.inner.handled_until(notice)
    }

    fn admit<'a>(
        &'a self,
        notice: &'a Address,
        until: Timestamp,
        admissions: &'a [Admission],
    ) -> Pending<'a, Result<Admitted, LedgerError>> {
        Box::pin(self.risk("admit", self.inner.admit(notice, until, admissions)))
    }

    fn occurrences<'a>(
        &'a self,
        notice: Option<&'a Address>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<Occurrence>, LedgerError>> {
        self.inner.occurrences(notice, limit)
    }

    fn occurrence<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Occurrence>, LedgerError>> {
        self.inner.occurrence(key)
    }

    fn undecided(&self) -> Pending<'_, Result<Vec<Key>, LedgerError>> {
        self.inner.undecided()
    }

    fn deliveries<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Delivery>, LedgerError>> {
        self.inner.deliveries(key)
    }

    fn open(&self, now: Timestamp) -> Pending<'_, Result<Vec<Delivery>, LedgerError>> {
        Box::pin(self.risk("open", self.inner.open(now)))
    }

    fn claim<'a>(
        &'a self,
        seen: &'a Delivery,
        claim: &'a DeliveryClaim,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Claimed, LedgerError>> {
        Box::pin(self.risk("claim", self.inner.claim(seen, claim, quota, now)))
    }

    fn take<'a>(
        &'a self,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Option<(String, Timestamp)>, LedgerError>> {
        Box::pin(self.risk("take", self.inner.take(quota, now)))
    }

    fn taken<'a>(
        &'a self,
        takes: &'a [Take],
        now: Timestamp,
    ) -> Pending<'a, Result<Vec<u64>, LedgerError>> {
        self.inner.taken(takes, now)
    }

    fn give_up<'a>(
        &'a self,
        delivery: DeliveryId,
        state: State,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("give_up", self.inner.give_up(delivery, state, reason)))
    }

    fn end<'a>(
        &'a self,
        delivery: DeliveryId,
        runner: &'a str,
        now: Timestamp,
        ending: &'a Ending,
    ) -> Pending<'a, Result<(), OutboxError>> {
        Box::pin(self.risk("end", self.inner.end(delivery, runner, now, ending)))
    }

    fn hold<'a>(
        &'a self,
        delivery: DeliveryId,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("hold", self.inner.hold(delivery, reason)))
    }

    fn conclude<'a>(
        &'a self,
        key: &'a Key,
        outcome: Outcome,
        reason: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("conclude", self.inner.conclude(key, outcome, reason, now)))
    }

    fn cancel<'a>(
        &'a self,
        notice: &'a Address,
        reason: &'a str,
    ) -> Pending<'a, Result<usize, LedgerError>> {
        Box::pin(self.risk("cancel", self.inner.cancel(notice, reason)))
    }
}

impl<T: Afterwards + ?Sized> Afterwards for Mortal<T> {
    fn settle<'a>(
        &'a self,
        key: &'a Key,
        settlement: &'a Settlement,
        end: &'a AfterSettling,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("settle", self.inner.settle(key, settlement, end)))
    }

    fn settlements<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<Settlement>, LedgerError>> {
        self.inner.settlements(key)
    }

    fn revoke<'a>(
        &'a self,
        key: &'a Key,
        who: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("revoke", self.inner.revoke(key, who, now)))
    }

    fn recalls(&self, now: Timestamp) -> Pending<'_, Result<Vec<Recall>, LedgerError>> {
        Box::pin(self.risk("recalls", self.inner.recalls(now)))
    }

    fn recalls_of<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Recall>, LedgerError>> {
        self.inner.recalls_of(key)
    }

    fn claim_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        claim: &'a DeliveryClaim,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk(
            "claim_recall",
            self.inner.claim_recall(delivery, claim, now),
        ))
    }

    fn end_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        runner: &'a str,
        now: Timestamp,
        state: RecallState,
        detail: &'a str,
    ) -> Pending<'a, Result<(), OutboxError>> {
        let work = self.inner.end_recall(delivery, runner, now, state, detail);
        Box::pin(self.risk("end_recall", work))
    }

    fn drop_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        now: Timestamp,
        state: RecallState,
        detail: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        let work = self.inner.drop_recall(delivery, now, state, detail);
        Box::pin(self.risk("drop_recall", work))
    }

    fn untold(&self) -> Pending<'_, Result<Vec<Occurrence>, LedgerError>> {
        self.inner.untold()
    }

    fn tell<'a>(
        &'a self,
        key: &'a Key,
        deliveries: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("tell", self.inner.tell(key, deliveries)))
    }

    fn pauses(&self) -> Pending<'_, Result<Vec<Pause>, LedgerError>> {
        self.inner.pauses()
    }

    fn pause<'a>(&'a self, pause: &'a Pause) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("pause", self.inner.pause(pause)))
    }

    fn resume<'a>(
        &'a self,
        notice: &'a Address,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(self.risk("resume", self.inner.resume(notice, now)))
    }
}

/// Dies at the calls of a channel that change something.
struct Deadly(Arc<Points>);

impl Around for Deadly {
    fn around<'a, R, E>(
        &'a self,
        step: Step<'a>,
        call: Pending<'a, Result<R, E>>,
    ) -> Pending<'a, Result<R, E>>
    where
        R: Send + 'a,
        E: AsRef<ApiError> + Send + 'a,
    {
        let step = match step {
            Step::Send(_) => "send",
            Step::Recall => "recall",
            Step::Upload => "upload",
            Step::Ask => return call,
        };
        Box::pin(self.0.risk(step, call))
    }
}

impl Reader for Mortal<dyn Writer> {
    fn app(&self) -> &AppId {
        self.inner.app()
    }

    fn tasklists(&self) -> Pending<'_, Result<Vec<RemoteTasklist>, ApiError>> {
        self.inner.tasklists()
    }

    fn tasklist<'a>(
        &'a self,
        guid: &'a TasklistGuid,
    ) -> Pending<'a, Result<RemoteTasklist, ApiError>> {
        self.inner.tasklist(guid)
    }

    fn subscriptions<'a>(
        &'a self,
        tasklist: &'a TasklistGuid,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        self.inner.subscriptions(tasklist)
    }

    fn is_in_chat<'a>(&'a self, chat: &'a ChatId) -> Pending<'a, Result<bool, ApiError>> {
        self.inner.is_in_chat(chat)
    }

    fn catalog<'a>(
        &'a self,
        collection: &'a Collection,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        self.inner.catalog(collection)
    }

    fn object<'a>(
        &'a self,
        collection: &'a Collection,
        id: &'a RemoteId,
    ) -> Pending<'a, Result<Option<Object>, ApiError>> {
        self.inner.object(collection, id)
    }
}

impl Writer for Mortal<dyn Writer> {
    fn encode(&self, write: &Write) -> Call {
        self.inner.encode(write)
    }

    fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Result<Done, ApiError>> {
        Box::pin(self.risk("send", self.inner.send(call)))
    }

    fn timeout_ms(&self) -> u64 {
        self.inner.timeout_ms()
    }

    fn people_per_call(&self, collection: &Collection) -> usize {
        self.inner.people_per_call(collection)
    }
}
