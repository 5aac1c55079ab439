//! The seam to what is remembered of what follows sending: what people said of held occurrences, what is
//! taken back, and who was told of a problem.
//!
//! # Guarantees
//!
//! - Each method is one transaction.
//! - A recall is written down before its call leaves, is claimed by one runner at a time, and one whose
//!   claim expired is unknown.
//! - Who hears of the problems of an occurrence is written down once, with the bytes that they get.

use jiff::Timestamp;

use super::Pending;
use super::ledger::LedgerError;
use super::outbox::{
    Claim, Delivery, DeliveryId, Key, NewDelivery, Occurrence, OutboxError, Outcome,
};
use crate::model::Address;

/// What beadle remembers of what follows sending.
pub trait Afterwards: Send + Sync {
    /// Notes what a person says of a held occurrence, and what it is from then on; false when it is not
    /// held.
    fn settle<'a>(
        &'a self,
        key: &'a Key,
        settlement: &'a Settlement,
        end: &'a AfterSettling,
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// What people said of an occurrence, oldest first.
    fn settlements<'a>(&'a self, key: &'a Key)
    -> Pending<'a, Result<Vec<Settlement>, LedgerError>>;

    /// Asks for an occurrence to be taken back from `now` on, on somebody's word; false when there is none,
    /// or when it is taken back already.
    fn revoke<'a>(
        &'a self,
        key: &'a Key,
        who: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// The recalls that have not ended. On the way, what is pending of occurrences that are to be taken back
    /// by `now` is cancelled, a recall is written down for everything else of them, and claims that expired
    /// become unknown.
    fn recalls(&self, now: Timestamp) -> Pending<'_, Result<Vec<Recall>, LedgerError>>;

    /// Every recall of an occurrence.
    fn recalls_of<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Recall>, LedgerError>>;

    /// Claims a recall and counts an attempt; false when another runner has it or it has ended.
    fn claim_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        claim: &'a Claim,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// Ends an attempt to take something back.
    fn end_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        runner: &'a str,
        now: Timestamp,
        state: RecallState,
        detail: &'a str,
    ) -> Pending<'a, Result<(), OutboxError>>;

    /// Ends a recall without a call; false when it is no longer open.
    fn drop_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        now: Timestamp,
        state: RecallState,
        detail: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// The occurrences that were missed, refused, sent in part or held, of which nobody was told yet,
    /// oldest first.
    fn untold(&self) -> Pending<'_, Result<Vec<Occurrence>, LedgerError>>;

    /// Notes that those who hear of an occurrence's problems were thought of, with what they are sent;
    /// false when they were already.
    fn tell<'a>(
        &'a self,
        key: &'a Key,
        deliveries: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// The pauses that were made, over or not; the newest of each notice.
    fn pauses(&self) -> Pending<'_, Result<Vec<Pause>, LedgerError>>;

    /// Begins a pause, in place of one before.
    fn pause<'a>(&'a self, pause: &'a Pause) -> Pending<'a, Result<(), LedgerError>>;

    /// Ends a pause now; false when there is none that lasts.
    fn resume<'a>(
        &'a self,
        notice: &'a Address,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>>;
}

/// What a person says of a held occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It was sent.
    Sent,
    /// It was not sent, and will not be.
    NotSent,
    /// It is to be sent again.
    Resend,
}

impl Word {
    /// Every word.
    pub const ALL: [Word; 3] = [Word::Sent, Word::NotSent, Word::Resend];

    /// The word, as it is written after `--`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Sent => "sent",
            Word::NotSent => "not-sent",
            Word::Resend => "resend",
        }
    }
}

/// A person's word about a held occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The word.
    pub word: Word,
    /// Who said it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// Why the occurrence was held.
    pub held_for: String,
}

/// What a held occurrence is once it is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterSettling {
    /// It has this outcome.
    Ended(Outcome, String),
    /// What was held is pending again, until that instant.
    Pending(Timestamp),
}

/// Where a recall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecallState {
    /// Nothing was asked yet.
    Wanted,
    /// A runner is at it.
    Calling,
    /// It may have been taken back, and may be asked for again.
    Unknown,
    /// It was taken back.
    Recalled,
    /// The vendor refused to.
    Refused,
    /// There is no way, or it is too late for it.
    Impossible,
    /// It may have been taken back, and only a person can find out.
    Held,
}

impl RecallState {
    /// Every state.
    pub const ALL: [RecallState; 7] = [
        RecallState::Wanted,
        RecallState::Calling,
        RecallState::Unknown,
        RecallState::Recalled,
        RecallState::Refused,
        RecallState::Impossible,
        RecallState::Held,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RecallState::Wanted => "wanted",
            RecallState::Calling => "calling",
            RecallState::Unknown => "unknown",
            RecallState::Recalled => "recalled",
            RecallState::Refused => "refused",
            RecallState::Impossible => "impossible",
            RecallState::Held => "held",
        }
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(
            self,
            RecallState::Wanted | RecallState::Calling | RecallState::Unknown
        )
    }
}

/// A delivery that is taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// What was sent.
    pub delivery: Delivery,
    /// Where the recall is.
    pub state: RecallState,
    /// What the vendor said, in a line.
    pub detail: String,
    /// How often it was asked for.
    pub attempts: u32,
    /// When it was asked for first.
    pub first_at: Option<Timestamp>,
    /// When asking for it last began or ended; none in rows of an earlier format.
    pub tried_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A notice that somebody has stopped for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Which.
    pub notice: Address,
    /// From when on.
    pub since: Timestamp,
    /// Until when; until it is resumed where there is none.
    pub until: Option<Timestamp>,
    /// Who did it.
    pub who: String,
}

impl Pause {
    /// Whether an instant falls into it.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.since <= at && self.until.is_none_or(|until| at < until)
    }
}
