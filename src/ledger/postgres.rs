//! The ledger on PostgreSQL, which many machines share.
//!
//! # Guarantees
//!
//! - A method that returned has its effect at the server, as durably as the server is set to commit
//!   (`synchronous_commit` is never off); one that failed has none, save one that says that nobody knows.
//! - A connection that is lost is made anew and the method tried again, where nothing was kept of it; what
//!   became of a commit whose answer was lost is found out first (`transaction`).
//! - A writer that is not the newest, unbroken and unexpired holder writes nothing: the lease's row is
//!   locked, then judged, and stays locked until the write is committed. So with a claim of a delivery.
//! - The server's clock is asked for ([`Upkeep::clock`](crate::engine::upkeep::Upkeep::clock)), so that
//!   callers can carry its instants.
//! - Whether a lease or a claim has expired, and until when a new one lasts, is said by the server's clock
//!   ([`Clock::Server`]), read after the row is locked. Of the instants that a call carries only the
//!   distance counts there, `ttl` or the claim's end less `now`; the rest of them is written down as it is.
//! - Runners never wait for each other's deliveries: what another is at is passed over.
//! - [`Access::Read`](super::Access::Read) runs read-only transactions alone, and makes no table: a ledger
//!   of an earlier format is copied into memory, as it is at one instant, and brought forward there.
//!
//! # Assumptions
//!
//! - The server is PostgreSQL 13 or later, the database is in UTF8, and connections are to it or through a
//!   pooler in session mode.
//! - After a fail-over the server has all that it had acknowledged, or fences may be given twice: replicas
//!   that take over are synchronous.
//!
//! # Caveats
//!
//! - Nobody can tell from here that a holder on another machine is dead: its lease runs out.
//! - A process that was stopped in the middle of a transaction keeps what it locked until the server ends
//!   the transaction, after `connect::SILENCE`.
//! - A text with the character U+0000, which PostgreSQL cannot hold, is kept with U+FFFD in its place.

mod afterwards;
mod bindings;
mod connect;
mod journal;
mod lease;
mod look_ups;
mod migrate;
mod outbox;
mod quota;
mod read;
mod recalls;
mod receipts;
mod rename;
mod rows;
mod sends;
mod snapshots;
mod standing;
mod tls;
mod transaction;
mod trouble;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::engine::Pending;
use crate::engine::ledger::{
    Binding, BindingChange, Claim, End, Entry, EntryId, Holder, Lease, LeaseState, Ledger,
    LedgerError, LookUp, NewEntry, Note, Turn,
};
use crate::engine::outbox::Books;
use crate::engine::snapshot::Snapshot;
use crate::model::Name;

pub use connect::Server;
pub use standing::{Standing, standing};
pub use transaction::Clock;

use super::sqlite::{Copy, SqliteLedger};
use connect::{Patience, Pool};
use transaction::{Tries, looking, writing};
use trouble::Trouble;

/// A project's ledger on PostgreSQL.
pub struct PostgresLedger {
    project: Name,
    pool: Pool,
    clock: Clock,
}

impl PostgresLedger {
    /// Connects to look. Where there is no ledger yet it is an empty one, and one of an earlier format is
    /// copied: who only looks brings nothing forward.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or what is there is no ledger that this beadle reads.
    pub async fn read(server: &Server, project: &Name) -> Result<Arc<dyn Books>, LedgerError> {
        let pool = Pool::new(server, false)?;
        let at = |trouble: Trouble| trouble.at(&pool.place);
        pool.check().await.map_err(at)?;
        let copied = async {
            let conn = pool.take().await?;
            let format = migrate::format(&conn).await?;
            let copied = match format {
                Some(migrate::KNOWN) => None,
                Some(earlier) => {
                    let copy = Copy::of_format(earlier)?;
                    rows::fill(&conn, project, earlier, &copy).await?;
                    Some(copy)
                }
                None => Some(Copy::of_format(migrate::KNOWN)?),
            };
            conn.give_back();
            Ok(copied)
        };
        if let Some(copy) = copied.await.map_err(at)? {
            let copy = SqliteLedger::of_copy(project, &pool.place, copy)?;
            return Ok(Arc::new(copy));
        }
        Ok(Arc::new(Self {
            project: project.clone(),
            pool,
            clock: Clock::Server,
        }))
    }

    /// Connects to write to a ledger of our format.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or no such ledger is there.
    pub async fn keep(server: &Server, project: &Name) -> Result<Self, LedgerError> {
        let pool = Pool::new(server, true)?;
        let at = |trouble: Trouble| trouble.at(&pool.place);
        pool.check().await.map_err(at)?;
        let looked = async {
            let conn = pool.take().await?;
            let format = migrate::format(&conn).await?;
            conn.give_back();
            match format {
                Some(migrate::KNOWN) => Ok(()),
                Some(_) => Err(Trouble::Failed("it is of an earlier format".into())),
                None => Err(Trouble::Failed("there is none yet".into())),
            }
        };
        looked.await.map_err(at)?;
        Ok(Self {
            project: project.clone(),
            pool,
            clock: Clock::Server,
        })
    }

    /// Connects to write, and makes the tables where they are missing.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or what is there cannot be used or written.
    pub async fn write(server: &Server, project: &Name, clock: Clock) -> Result<Self, LedgerError> {
        let pool = Pool::new(server, true)?;
        let at = |trouble: Trouble| trouble.at(&pool.place);
        pool.check().await.map_err(at)?;
        connect::prepare(&pool).await.map_err(at)?;
        Ok(Self {
            project: project.clone(),
            pool,
            clock,
        })
    }
}

/// A text as PostgreSQL can hold it.
fn text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn maybe_text(maybe: Option<&str>) -> Option<Cow<'_, str>> {
    maybe.map(text)
}

impl Ledger for PostgresLedger {
    fn bindings(&self) -> Pending<'_, Result<Vec<Binding>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| bindings::all(&conn, &self.project)) })
    }

    fn claims(&self) -> Pending<'_, Result<Vec<Claim>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| bindings::claims(&conn, &self.project)) })
    }

    fn is_new(&self) -> Pending<'_, Result<bool, LedgerError>> {
        Box::pin(async { looking!(self, |conn| bindings::is_new(&conn, &self.project)) })
    }

    fn unsettled(&self) -> Pending<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| journal::unsettled(&conn, &self.project)) })
    }

    fn history(&self, limit: usize) -> Pending<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(
            async move { looking!(self, |conn| journal::history(&conn, &self.project, limit)) },
        )
    }

    fn acquire<'a>(
        &'a self,
        holder: &'a Holder,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<Lease, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| lease::acquire(
                &tx,
                &self.project,
                holder,
                now,
                ttl
            ))
        })
    }

    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(
            async move { writing!(self, |tx| lease::renew(&tx, &self.project, lease, now, ttl)) },
        )
    }

    fn release<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { writing!(self, |tx| lease::release(&tx, &self.project, lease, now)) })
    }

    fn lease(&self) -> Pending<'_, Result<Option<LeaseState>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| lease::state(&conn, &self.project)) })
    }

    fn turn(&self) -> Pending<'_, Result<Option<Turn>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| lease::turn(&conn, &self.project)) })
    }

    fn break_lease(&self, now: Timestamp) -> Pending<'_, Result<Option<LeaseState>, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| lease::end_by_force(&tx, &self.project, now)) })
    }

    fn open_entry<'a>(
        &'a self,
        lease: &'a Lease,
        entry: &'a NewEntry,
    ) -> Pending<'a, Result<EntryId, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                lease::good(&tx, &self.project, lease, entry.opened_at).await?;
                journal::open(&tx, &self.project, lease.fence, entry).await
            })
        })
    }

    fn close_entry<'a>(
        &'a self,
        lease: &'a Lease,
        id: EntryId,
        end: &'a End,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                lease::good(&tx, &self.project, lease, end.at).await?;
                journal::close(&tx, &self.project, id, end).await?;
                bindings::change(&tx, &self.project, changes).await
            })
        })
    }

    fn look_ups(&self) -> Pending<'_, Result<Vec<LookUp>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| look_ups::all(&conn, &self.project)) })
    }

    fn remember<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        look_ups: &'a [LookUp],
        since: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                lease::good(&tx, &self.project, lease, now).await?;
                look_ups::remember(&tx, &self.project, look_ups, since).await
            })
        })
    }

    fn snapshots(&self) -> Pending<'_, Result<Vec<Snapshot>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| snapshots::all(&conn, &self.project)) })
    }

    fn note_snapshots<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        note: &'a Note<'a>,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                lease::good(&tx, &self.project, lease, now).await?;
                snapshots::note(&tx, &self.project, note).await
            })
        })
    }

    fn keep_snapshots<'a>(
        &'a self,
        turn: Turn,
        keep: &'a [Snapshot],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                let kept =
                    turn.has_ended && lease::turn_locked(&tx, &self.project).await? == Some(turn);
                if kept {
                    snapshots::keep(&tx, &self.project, keep).await?;
                }
                Ok(kept)
            })
        })
    }

    fn record<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                lease::good(&tx, &self.project, lease, now).await?;
                bindings::change(&tx, &self.project, changes).await
            })
        })
    }
}
