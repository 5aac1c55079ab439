//! Dies on purpose, so that tests can prove that nothing is written twice or lost whatever dies.
//!
//! There is none of this in a release build. In a debug build `BEADLE_CRASH_AT=N` ends the process
//! without any clean-up at the Nth crash point. Points are just before and just after each method of
//! the ledger that writes, and each call that writes; the engine knows nothing of them.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::engine::apply::Writers;
use crate::engine::ledger::{
    Binding, BindingChange, Claim, End, Entry, EntryId, Holder, Lease, LeaseState, Ledger,
    LedgerError, LookUp, NewEntry, Turn,
};
use crate::engine::{ApiError, Call, Done, Object, Pending, Reader, RemoteTasklist, Write, Writer};
use crate::model::{AppId, ChatId, Collection, RemoteId, TasklistGuid};

/// Wraps what writes, when the environment names a point to die at.
pub(super) fn install(ledger: Arc<dyn Ledger>, writers: Writers) -> (Arc<dyn Ledger>, Writers) {
    let wanted = std::env::var("BEADLE_CRASH_AT").ok();
    let Some(at) = wanted.and_then(|n| n.parse().ok()) else {
        return (ledger, writers);
    };
    let points = Arc::new(Points {
        at,
        passed: AtomicU64::new(0),
    });
    let writers = writers
        .into_iter()
        .map(|(key, inner)| {
            let points = Arc::clone(&points);
            let writer: Arc<dyn Writer> = Arc::new(Mortal { inner, points });
            (key, writer)
        })
        .collect();
    let inner = ledger;
    (Arc::new(Mortal { inner, points }), writers)
}

/// Counts the points that were passed, and says at the end how many there were.
struct Points {
    at: u64,
    passed: AtomicU64,
}

impl Points {
    fn pass(&self, side: &str, step: &str) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            // Nobody may be listening any more, and that is no reason to live.
            let _ = writeln!(std::io::stderr(), "crash point: {side} {step}");
            // No destructor runs and nothing is flushed: for the rest of the world it is a SIGKILL.
            std::process::abort();
        }
    }
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
        self.points.pass("before", step);
        let done = work.await;
        self.points.pass("after", step);
        done
    }
}

impl Ledger for Mortal<dyn Ledger> {
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

    fn record<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("record", self.inner.record(lease, now, changes)))
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
