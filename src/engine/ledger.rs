//! The seam to the ledger: what beadle remembers between runs.
//!
//! A ledger is opened for one project, and every row that this seam reads or writes is that
//! project's, save [`Ledger::claims`]. Times are arguments; the ledger has no clock of its own.

use jiff::{SignedDuration, Timestamp};

use super::snapshot::{Scope, Snapshot};
use super::{Call, Pending};
use crate::model::group::Recipient;
use crate::model::{Address, AppId, Collection, Fields, Name, RemoteId};

pub use crate::plan::live::{Binding, Claim};

/// What beadle remembers.
///
/// # Guarantees
///
/// - Each method is one transaction: it happens whole or not at all, and what it returned survives
///   the process.
/// - Every method that takes a [`Lease`] fails with [`LedgerError::LeaseLost`], writing nothing, when
///   the lease is no longer the newest of its project (its fencing number was passed), was broken or
///   given back, or has expired at the instant that the call carries: `now`, [`NewEntry::opened_at`] or
///   [`End::at`]. Only [`Ledger::release`] takes an expired one.
/// - A vendor's object is bound in one project, at one address.
pub trait Ledger: Send + Sync {
    /// Every binding of the project, by address.
    fn bindings(&self) -> Pending<'_, Result<Vec<Binding>, LedgerError>>;

    /// What other projects have bound.
    fn claims(&self) -> Pending<'_, Result<Vec<Claim>, LedgerError>>;

    /// Whether no apply of this project ever ran on this ledger.
    fn is_new(&self) -> Pending<'_, Result<bool, LedgerError>>;

    /// Journal entries without an end, oldest first, each with the lease that opened it.
    fn unsettled(&self) -> Pending<'_, Result<Vec<Entry>, LedgerError>>;

    /// The journal, newest first, at most `limit` entries.
    fn history(&self, limit: usize) -> Pending<'_, Result<Vec<Entry>, LedgerError>>;

    /// Takes the right to apply, for `ttl` from `now`.
    ///
    /// An expired lease is taken over, and so is one whose holder is known to be dead.
    fn acquire<'a>(
        &'a self,
        holder: &'a Holder,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<Lease, LedgerError>>;

    /// Lengthens the lease to `ttl` from `now`.
    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// Gives the lease back.
    fn release<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// The lease as it stands, if one is held. One that has expired is held until it is taken over.
    fn lease(&self) -> Pending<'_, Result<Option<LeaseState>, LedgerError>>;

    /// Where the right to apply stands, held or not; none while nobody ever had it. After anything was
    /// applied it is another than before.
    fn turn(&self) -> Pending<'_, Result<Option<Turn>, LedgerError>>;

    /// Ends whatever lease there is, on a person's word; returns what it was.
    fn break_lease(&self, now: Timestamp) -> Pending<'_, Result<Option<LeaseState>, LedgerError>>;

    /// Writes down a call before it leaves.
    fn open_entry<'a>(
        &'a self,
        lease: &'a Lease,
        entry: &'a NewEntry,
    ) -> Pending<'a, Result<EntryId, LedgerError>>;

    /// Ends an entry and changes bindings, in one transaction.
    fn close_entry<'a>(
        &'a self,
        lease: &'a Lease,
        id: EntryId,
        end: &'a End,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// Whom look-ups found, and when.
    fn look_ups(&self) -> Pending<'_, Result<Vec<LookUp>, LedgerError>>;

    /// Remembers look-ups, each in place of what was known of the same recipient, and forgets those
    /// that were made before `since`.
    fn remember<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        look_ups: &'a [LookUp],
        since: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// Live values as they were last read. What this beadle cannot make out is not among them: it is read
    /// again.
    fn snapshots(&self) -> Pending<'_, Result<Vec<Snapshot>, LedgerError>>;

    /// Drops the snapshots of these scopes and all that are from before `since`, and keeps these, each in
    /// place of an older one of its scope.
    fn note_snapshots<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        note: &'a Note<'a>,
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// Keeps snapshots that were read since the right to apply stood at `turn`, where nobody had it since:
    /// says whether. Who had it may have changed what was seen.
    fn keep_snapshots<'a>(
        &'a self,
        turn: Turn,
        keep: &'a [Snapshot],
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// Changes bindings without a call.
    fn record<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        changes: &'a [BindingChange],
    ) -> Pending<'a, Result<(), LedgerError>>;
}

/// One change of what is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// Bind, or overwrite the binding of the same address.
    Bind(Binding),
    /// Let go of an address; no error when it is not bound.
    Unbind(Address),
    /// The resource has a new address. The target must not be bound.
    Move {
        /// The old one.
        from: Address,
        /// The new one.
        to: Address,
    },
}

/// What becomes of snapshots.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// Scopes that are no longer as they were.
    pub drop: &'a [(AppId, Scope)],
    /// What was seen.
    pub keep: &'a [Snapshot],
    /// What is older is of no use.
    pub since: Timestamp,
}

/// Who a recipient was found to be. Personal data, which is why `Debug` shows no recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct LookUp {
    /// The provider's key.
    pub provider: Name,
    /// The app that looked: an open_id is one of its own.
    pub app: AppId,
    /// An e-mail address, a number, or an id of another form.
    pub recipient: Recipient,
    /// The person.
    pub person: Recipient,
    /// When it was looked up.
    pub at: Timestamp,
}

impl std::fmt::Debug for LookUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LookUp")
            .field("provider", &self.provider)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Who holds, or asks for, a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The person or job, as well as it is known.
    pub user: String,
    /// What they run, such as `apply`.
    pub command: String,
}

/// The right to apply. Only [`Ledger::acquire`] makes one that a ledger accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The fencing number: every lease of a project has a higher one than those before.
    pub fence: i64,
    /// Who holds it.
    pub holder: Holder,
    /// When it was taken.
    pub since: Timestamp,
}

/// A lease as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseState {
    /// The fencing number.
    pub fence: i64,
    /// Who holds it.
    pub holder: Holder,
    /// When it was taken.
    pub since: Timestamp,
    /// When it was last renewed.
    pub heartbeat: Timestamp,
    /// When it ends unless renewed.
    pub expires: Timestamp,
    /// Whether the holder is known to be dead.
    pub dead: bool,
}

/// Which lease is the newest, and whether it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The fencing number.
    pub fence: i64,
    /// Whether it was given back or broken.
    pub has_ended: bool,
}

/// The number of a journal entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub i64);

/// A call about to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// When.
    pub opened_at: Timestamp,
    /// For which resource; none for an undeclared object of an authoritative tasklist.
    pub address: Option<Address>,
    /// By which provider.
    pub provider: Name,
    /// As which app.
    pub app: AppId,
    /// The call, body and all.
    pub call: Call,
    /// The values that the body carries, for finding the object again.
    pub sent: Fields,
    /// The objects in the tasklist just before. An entry that has ended comes back without them: only
    /// settling asks.
    pub seen: Vec<RemoteId>,
    /// How long the call may be under way, in milliseconds.
    pub timeout_ms: u64,
    /// Whether the resource is protected from then on.
    pub protect: bool,
}

/// A call in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// The lease under which it was opened.
    pub fence: i64,
    /// What was written down before it left.
    pub call: NewEntry,
    /// How it ended, if it did.
    pub end: Option<End>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: EntryOutcome,
    /// The vendor's answer in a line, without secrets.
    pub detail: String,
    /// The object that it made or changed.
    pub id: Option<RemoteId>,
}

/// What became of a call.
///
/// There is no `Unknown`: an entry whose outcome is unknown has no end, and stays unsettled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// It took effect.
    Applied,
    /// The vendor refused it.
    Refused,
    /// It never left.
    Unreachable,
    /// It was found out later to have taken effect.
    SettledApplied,
    /// It was found out later not to have taken effect.
    SettledAbsent,
}

/// Why the ledger could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else holds the lease.
    #[error("the lease is held by {}, process {} on {}, since {}", .0.holder.user, .0.holder.pid, .0.holder.host, .0.since.strftime("%Y-%m-%dT%H:%M:%SZ"))]
    Held(Box<LeaseState>),
    /// Our lease was passed, broken or taken over.
    #[error("the lease was lost: {0}")]
    LeaseLost(String),
    /// The object is bound elsewhere.
    #[error("{id} in {collection} is bound to {address} of project {project}")]
    Claimed {
        /// The project that has it.
        project: Name,
        /// Its resource.
        address: Box<Address>,
        /// The tasklist.
        collection: Collection,
        /// The object.
        id: RemoteId,
    },
    /// The ledger was written by a later version of beadle.
    #[error("{place} has format {found}, this beadle reads up to {known}")]
    Newer {
        /// The file or server.
        place: String,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is damaged, or not a ledger.
    #[error("{place} is damaged or not a ledger: {why}")]
    Corrupt {
        /// The file or server.
        place: String,
        /// How it shows.
        why: String,
    },
    /// It cannot be written.
    #[error("{place} cannot be written: {why}")]
    ReadOnly {
        /// The file or server.
        place: String,
        /// Why.
        why: String,
    },
    /// It has rows of a project whose rows were to be put in.
    #[error("{place}: it holds the project {project} already")]
    Holds {
        /// The file or server.
        place: String,
        /// The project.
        project: Name,
    },
    /// The server that keeps it is not there, or went away.
    #[error("{place} cannot be reached: {why}")]
    Away {
        /// The server.
        place: String,
        /// Why.
        why: String,
    },
    /// Anything else.
    #[error("{place}: {why}")]
    Failed {
        /// The file or server.
        place: String,
        /// Why.
        why: String,
    },
}
