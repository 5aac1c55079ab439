//! The ledger in an SQLite file.
//!
//! # Guarantees
//!
//! - A method that returned has its effect on the disk (`synchronous=FULL`); one that failed has none.
//! - A writer that is not the newest, unbroken and unexpired holder writes nothing: the check and the
//!   write are one transaction. Expiry is judged by the time that the call carries (`now`,
//!   [`NewEntry::opened_at`], [`End::at`]), also where nobody has taken over: a call that took effect
//!   while its holder was paused stays unsettled and is settled later. Only giving an expired lease back
//!   is still allowed.
//! - A holder that died is noticed at once, by a lock that the kernel drops with the process
//!   (`holder_lock`).
//! - [`Access::Read`](super::Access::Read) creates and changes no file. While a writer is at work the
//!   file has `-wal` and `-shm` beside it; the last writer to leave folds them in, so that a ledger at
//!   rest is one file, which can be copied.
//!
//! # Assumptions
//!
//! - Every process that uses the file runs on one machine, as SQLite's write-ahead log requires:
//!   containers that mount one folder are fine, a network file system is not.
//! - The folder is mounted, not the file alone: `-wal` and the lock files are siblings of it.
//!
//! # Caveats
//!
//! - After a process was killed, `-wal` and `-shm` stay until the next writer leaves; a reader may then
//!   rebuild `-shm`, an index that holds no data. A kill within the instants in which a writer arrives
//!   or leaves may leave a `-journal`, and then the first reader too restores what was last committed.
//! - A file copied without its `-wal` while a writer was at work lacks the newest rows, and a reader of
//!   the copy leaves an empty `-wal` and a `-shm`. So does one in the rare case that several writers left
//!   at the same instant and none could fold.
//! - Methods block: for a commit, some milliseconds; at most `file::BUSY` when another process keeps
//!   the file locked. They run inline and not on a thread of their own, so that a future is done at its
//!   first poll and cannot be cancelled between a write and the word of it. What is written for each of
//!   many deliveries is not: those who ask at the same time share a commit (`together`), and a future that
//!   is dropped may leave its write behind.

mod afterwards;
mod bindings;
mod file;
mod holder_lock;
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
pub(super) mod rows;
mod sends;
mod snapshots;
mod together;
mod trouble;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::engine::Pending;
use crate::engine::ledger::{
    Binding, BindingChange, Claim, End, Entry, EntryId, Holder, Lease, LeaseState, Ledger,
    LedgerError, LookUp, NewEntry, Note, Turn,
};
use crate::engine::snapshot::Snapshot;
use crate::engine::upkeep::{Cell, Rows};
use crate::model::Name;

use super::layout::{Layout, TableLayout};
use holder_lock::{HolderLock, LockFile};
use trouble::Trouble;
use writer::Writer;

/// A project's ledger in an SQLite file or in memory.
pub struct SqliteLedger {
    project: Name,
    /// What errors call it.
    place: String,
    source: Source,
    /// Where holders of the lease show that they live; none in memory.
    lock_file: Option<LockFile>,
    /// The fence that we hold, with the lock that shows it. Locked after the connection, never before.
    held: Mutex<Option<(i64, HolderLock)>>,
}

enum Source {
    /// Opened for every method anew, so that a reader never keeps a writer from leaving cleanly.
    Readers(PathBuf),
    Writer(Writer),
    Memory(Mutex<Connection>),
    /// What a server had, to be looked at.
    Copy(Mutex<Connection>),
}

/// A ledger of some format in memory, to be filled with the rows of a server.
pub(super) struct Copy(Connection);

impl Copy {
    /// An empty one of a format that we know.
    pub(super) fn of_format(format: i64) -> Result<Self, LedgerError> {
        let place = "the ledger in memory";
        let made = Connection::open_in_memory().map_err(Trouble::from);
        let made = made.and_then(|mut conn| {
            migrate::forward_to(format, &mut conn)?;
            Ok(Self(conn))
        });
        made.map_err(|trouble| trouble.at(place))
    }

    /// Which tables it has.
    pub(super) fn layout(&self) -> Result<Layout, LedgerError> {
        rows::layout(&self.0).map_err(|trouble| trouble.at("the ledger in memory"))
    }

    /// Puts rows in as they are.
    pub(super) fn put(&self, table: &TableLayout, rows: &[Vec<Cell>]) -> Result<(), LedgerError> {
        let put = rows::insert(&self.0, table, rows);
        put.map(drop)
            .map_err(|trouble| trouble.at("the ledger in memory"))
    }
}

impl SqliteLedger {
    /// Opens a file to look.
    ///
    /// # Errors
    ///
    /// When the file exists and cannot be read as a ledger.
    pub fn read(path: &Path, project: &Name) -> Result<Self, LedgerError> {
        let place = path.display().to_string();
        let at = |trouble: Trouble| trouble.at(&place);
        let path = file::resolve(path).map_err(at)?;
        file::reader(&path).map_err(at)?;
        let lock_file = Some(LockFile::beside(&path, project));
        Ok(Self::new(project, place, Source::Readers(path), lock_file))
    }

    /// Opens a file to write, and creates it where it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be created, read as a ledger, or written.
    pub fn write(path: &Path, project: &Name) -> Result<Self, LedgerError> {
        let place = path.display().to_string();
        let at = |trouble: Trouble| trouble.at(&place);
        file::create(path).map_err(at)?;
        let path = file::resolve(path).map_err(at)?;
        let conn = file::writer(&path).map_err(at)?;
        let lock_file = Some(LockFile::beside(&path, project));
        let source = Source::Writer(Writer::new(conn, path));
        Ok(Self::new(project, place, source, lock_file))
    }

    /// Opens a file to write that is a ledger of our format.
    ///
    /// # Errors
    ///
    /// When it is not there, is none, or cannot be written.
    pub fn keep(path: &Path, project: &Name) -> Result<Self, LedgerError> {
        let at = |trouble: Trouble| trouble.at(&path.display().to_string());
        let resolved = file::resolve(path).map_err(at)?;
        file::is_ours(&resolved).map_err(at)?;
        Self::write(path, project)
    }

    /// A ledger in memory.
    ///
    /// # Errors
    ///
    /// When memory is short.
    pub fn memory(project: &Name) -> Result<Self, LedgerError> {
        let place = "the ledger in memory".to_owned();
        let conn = Mutex::new(file::memory().map_err(|trouble| trouble.at(&place))?);
        Ok(Self::new(project, place, Source::Memory(conn), None))
    }

    /// A ledger in memory that can only be looked at: nothing, or what [`Copy::put`] was given.
    pub(super) fn of_copy(project: &Name, place: &str, copy: Copy) -> Result<Self, LedgerError> {
        let Copy(mut conn) = copy;
        migrate::forward(&mut conn).map_err(|trouble| trouble.at(place))?;
        let source = Source::Copy(Mutex::new(conn));
        Ok(Self::new(project, place.to_owned(), source, None))
    }

    /// Makes a file that was not there, with these rows of a project.
    ///
    /// # Errors
    ///
    /// When it cannot be made; nothing is there then.
    pub fn make(path: &Path, project: &Name, given: &Rows) -> Result<(), LedgerError> {
        let made = file::new(path, |conn| {
            let tx = conn.transaction()?;
            rows::put(&tx, project, given)?;
            Ok(tx.commit()?)
        });
        made.map_err(|trouble| trouble.at(&path.display().to_string()))
    }

    fn new(project: &Name, place: String, source: Source, lock_file: Option<LockFile>) -> Self {
        Self {
            project: project.clone(),
            place,
            source,
            lock_file,
            held: Mutex::new(None),
        }
    }

    fn looking<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, LedgerError> {
        let found = match &self.source {
            Source::Readers(path) => file::reader(path).and_then(|conn| look(&conn)),
            Source::Writer(writer) => writer.look(look),
            Source::Memory(conn) | Source::Copy(conn) => look(&locked(conn)),
        };
        found.map_err(|trouble| trouble.at(&self.place))
    }

    /// Runs `change` in a transaction that nobody else writes beside.
    fn writing<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut Option<(i64, HolderLock)>) -> Result<T, Trouble>,
    ) -> Result<T, LedgerError> {
        let conn = match &self.source {
            Source::Readers(_) | Source::Copy(_) => {
                Err(Trouble::ReadOnly("it was opened to look".into()))
            }
            Source::Writer(writer) => Ok(&*writer.conn),
            Source::Memory(conn) => Ok(conn),
        };
        let done = conn.and_then(|conn| {
            let mut conn = locked(conn);
            let mut held = locked(&self.held);
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            migrate::unmoved(&tx)?;
            let done = change(&tx, &mut held)?;
            tx.commit()?;
            Ok(done)
        });
        done.map_err(|trouble| trouble.at(&self.place))
    }

    /// As [`Self::writing`], in a transaction that others who write at the same time may share.
    async fn sharing<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let Source::Writer(writer) = &self.source else {
            return self.writing(|tx, _| change(tx));
        };
        let done = match writer.together() {
            Ok(together) => together.ask(change).await,
            Err(trouble) => Err(trouble),
        };
        done.map_err(|trouble| trouble.at(&self.place))
    }

    /// As [`Self::writing`], for the holder of a lease that must be good at the instant `at`.
    fn holding<T>(
        &self,
        lease: &Lease,
        at: Timestamp,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>,
    ) -> Result<T, LedgerError> {
        let done = self.writing(|tx, _| {
            lease::good(tx, &self.project, lease, at)?;
            change(tx)
        });
        self.let_go_if_lost(lease, &done);
        done
    }

    /// Unlocks what shows that we live, once the lease that it stood for is another's.
    fn let_go_if_lost<T>(&self, lease: &Lease, done: &Result<T, LedgerError>) {
        if let Err(LedgerError::LeaseLost(_)) = done {
            locked(&self.held).take_if(|(fence, _)| *fence == lease.fence);
        }
    }
}

/// A panic elsewhere cannot leave half a transaction: SQLite rolls it back.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        let none = Source::Readers(PathBuf::new());
        if let Source::Writer(writer) = std::mem::replace(&mut self.source, none) {
            writer.leave();
        }
    }
}

impl Ledger for SqliteLedger {
    fn bindings(&self) -> Pending<'_, Result<Vec<Binding>, LedgerError>> {
        Box::pin(async { self.looking(|conn| bindings::all(conn, &self.project)) })
    }

    fn claims(&self) -> Pending<'_, Result<Vec<Claim>, LedgerError>> {
        Box::pin(async { self.looking(|conn| bindings::claims(conn, &self.project)) })
    }

    fn is_new(&self) -> Pending<'_, Result<bool, LedgerError>> {
        Box::pin(async { self.looking(|conn| bindings::is_new(conn, &self.project)) })
    }

    fn unsettled(&self) -> Pending<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(async { self.looking(|conn| journal::unsettled(conn, &self.project)) })
    }

    fn history(&self, limit: usize) -> Pending<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| journal::history(conn, &self.project, limit)) })
    }

    fn acquire<'a>(
        &'a self,
        holder: &'a Holder,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<Lease, LedgerError>> {
        Box::pin(async move {
            self.writing(|tx, held| {
                let lock_file = self.lock_file.as_ref();
                lease::acquire(tx, &self.project, lock_file, held, holder, now, ttl)
            })
        })
    }

    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            let done = self.writing(|tx, held| {
                lease::good(tx, &self.project, lease, now)?;
                lease::renew(
                    tx,
                    &self.project,
                    self.lock_file.as_ref(),
                    held,
                    lease,
                    now,
                    ttl,
                )
            });
            self.let_go_if_lost(lease, &done);
            done
        })
    }

    fn release<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            let done = self.writing(|tx, held| {
                lease::release(tx, &self.project, lease, now)?;
                // Before the commit, so that whoever finds the lease free finds the lock free too.
                held.take_if(|(fence, _)| *fence == lease.fence);
                Ok(())
            });
            self.let_go_if_lost(lease, &done);
            done
        })
    }

    fn lease(&self) -> Pending<'_, Result<Option<LeaseState>, LedgerError>> {
        Box::pin(async {
            let lock_file = self.lock_file.as_ref();
            self.looking(|conn| lease::state(conn, &self.project, lock_file))
        })
    }

    fn turn(&self) -> Pending<'_, Result<Option<Turn>, LedgerError>> {
        Box::pin(async { self.looking(|conn| lease::turn(conn, &self.project)) })
    }

    fn break_lease(&self, now: Timestamp) -> Pending<'_, Result<Option<LeaseState>, LedgerError>> {
        Box::pin(async move {
            let lock_file = self.lock_file.as_ref();
            self.writing(|tx, _| lease::end_by_force(tx, &self.project, lock_file, now))
        })
    }

    fn open_entry<'a>(
        &'a self,
        lease: &'a Lease,
        entry: &'a NewEntry,
    ) -> Pending<'a, Result<EntryId, LedgerError>> {
        Box::pin(async move {
            self.holding(lease, entry.opened_at, |tx| {
                journal::open(tx, &self.project, lease.fence, entry)
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
            self.holding(lease, end.at, |tx| {
                journal::close(tx, &self.project, id, end)?;
                bindings::change(tx, &self.project, changes)
            })
        })
    }

    fn look_ups(&self) -> Pending<'_, Result<Vec<LookUp>, LedgerError>> {
        Box::pin(async { self.looking(|conn| look_ups::all(conn, &self.project)) })
    }

    fn remember<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        look_ups: &'a [LookUp],
        since: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            self.holding(lease, now, |tx| {
                look_ups::remember(tx, &self.project, look_ups, since)
            })
        })
    }

    fn snapshots(&self) -> Pending<'_, Result<Vec<Snapshot>, LedgerError>> {
        Box::pin(async { self.looking(|conn| snapshots::all(conn, &self.project)) })
    }

    fn note_snapshots<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        note: &'a Note<'a>,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(
            async move { self.holding(lease, now, |tx| snapshots::note(tx, &self.project, note)) },
        )
    }

    fn keep_snapshots<'a>(
        &'a self,
        turn: Turn,
        keep: &'a [Snapshot],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            self.writing(|tx, _| {
                let kept = turn.has_ended && lease::turn(tx, &self.project)? == Some(turn);
                if kept {
                    snapshots::keep(tx, &self.project, keep)?;
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
            self.holding(lease, now, |tx| {
                bindings::change(tx, &self.project, changes)
            })
        })
    }
}
