//! The seam to what is remembered of sending: occurrences, and the deliveries that they are cut into.
//!
//! # Guarantees
//!
//! - Each method is one transaction.
//! - An occurrence is admitted once, whoever asks and however often: the second finds it there.
//! - A delivery is claimed by one runner at a time. What a runner writes about a delivery that it no
//!   longer has, because its claim expired or was taken over, fails with [`OutboxError::Lost`] and changes
//!   nothing.
//! - A delivery that was claimed and whose claim expired is [`State::Unknown`], and never pending again.
//!
//! # Assumptions
//!
//! The clocks of runners that share a ledger agree to within the margin of a claim.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::Pending;
use super::afterwards::Afterwards;
use super::channel::{Parcel, Repeat, To};
use super::ledger::{Ledger, LedgerError};
use super::quota::{Claimed, Quota, Take};
use super::receipts::Receipts;
use super::upkeep::Upkeep;
use crate::model::{Address, AppId, Kind, Name};

/// What beadle remembers of sending.
pub trait Outbox: Send + Sync {
    /// For each notice that was ever looked at, up to when it was dealt with: what fires by then, by
    /// [`Admission::at`], is never looked at again.
    fn handled(&self) -> Pending<'_, Result<Vec<(Address, Timestamp)>, LedgerError>>;

    /// Up to when a notice was dealt with; none when it was never looked at.
    fn handled_until<'a>(
        &'a self,
        notice: &'a Address,
    ) -> Pending<'a, Result<Option<Timestamp>, LedgerError>>;

    /// Writes down what becomes of nominal instants, and that all that fires up to `until` is dealt with.
    ///
    /// The rest of one that is there already is left as it is. Where one stands for a range, and some of it
    /// was dealt with meanwhile, nothing is written: the range would hide what lies behind that.
    fn admit<'a>(
        &'a self,
        notice: &'a Address,
        until: Timestamp,
        admissions: &'a [Admission],
    ) -> Pending<'a, Result<Admitted, LedgerError>>;

    /// Occurrences, newest first; of one notice, or of all.
    fn occurrences<'a>(
        &'a self,
        notice: Option<&'a Address>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<Occurrence>, LedgerError>>;

    /// One occurrence, if it was admitted.
    fn occurrence<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Occurrence>, LedgerError>>;

    /// The occurrences that have no outcome yet, oldest first.
    fn undecided(&self) -> Pending<'_, Result<Vec<Key>, LedgerError>>;

    /// Every delivery of an occurrence.
    fn deliveries<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Delivery>, LedgerError>>;

    /// Deliveries that are pending, or unknown and not held; claims that expired before `now` become
    /// unknown on the way.
    fn open(&self, now: Timestamp) -> Pending<'_, Result<Vec<Delivery>, LedgerError>>;

    /// Claims a delivery, counts an attempt, and takes what it needs of the vendor's quota; nothing when it
    /// is no longer as it was seen: another runner has it, or has tried it since. Whether it may be sent was
    /// judged by what was seen.
    fn claim<'a>(
        &'a self,
        seen: &'a Delivery,
        claim: &'a Claim,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Claimed, LedgerError>>;

    /// Takes something of a vendor's quota for a call that sends nothing; otherwise what is used up, and
    /// until when.
    fn take<'a>(
        &'a self,
        quota: &'a Quota,
        now: Timestamp,
    ) -> Pending<'a, Result<Option<(String, Timestamp)>, LedgerError>>;

    /// How much of each quota is taken in the time that it is of, in their order.
    fn taken<'a>(
        &'a self,
        takes: &'a [Take],
        now: Timestamp,
    ) -> Pending<'a, Result<Vec<u64>, LedgerError>>;

    /// Ends a delivery that is pending, as refused or cancelled; false when it is not pending.
    fn give_up<'a>(
        &'a self,
        delivery: DeliveryId,
        state: State,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// Ends an attempt.
    fn end<'a>(
        &'a self,
        delivery: DeliveryId,
        runner: &'a str,
        now: Timestamp,
        ending: &'a Ending,
    ) -> Pending<'a, Result<(), OutboxError>>;

    /// Marks an unknown delivery as one that only a person can settle; false when it is no longer unknown.
    fn hold<'a>(
        &'a self,
        delivery: DeliveryId,
        reason: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// Gives an occurrence its outcome, once.
    fn conclude<'a>(
        &'a self,
        key: &'a Key,
        outcome: Outcome,
        reason: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// Cancels what is still pending of a notice's occurrences, and says how many deliveries that were.
    fn cancel<'a>(
        &'a self,
        notice: &'a Address,
        reason: &'a str,
    ) -> Pending<'a, Result<usize, LedgerError>>;
}

/// A ledger that remembers what is owned, what is sent, what follows, and what became of it.
pub trait Books: Ledger + Outbox + Afterwards + Receipts + Upkeep {}

impl<T: Ledger + Outbox + Afterwards + Receipts + Upkeep> Books for T {}

/// Which occurrence: a notice and its nominal instant, before any calendar has moved it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The notice.
    pub notice: Address,
    /// The instant that the rule names.
    pub nominal: Timestamp,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.notice, self.nominal)
    }
}

impl FromStr for Key {
    type Err = String;

    /// Reads it as it is shown, such as `recurring_notice.weekly-review@2026-12-02T02:00:00Z`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let form = "recurring_notice.weekly-review@2026-12-02T02:00:00Z";
            format!("an occurrence is written NOTICE@TIME, as in {form}")
        };
        let (notice, nominal) = text.split_once('@').ok_or_else(wrong)?;
        let notice: Address = notice.parse().map_err(|error| format!("{error}"))?;
        if notice.kind != Kind::RecurringNotice || notice.instance.is_some() {
            return Err(wrong());
        }
        let nominal = nominal
            .parse()
            .map_err(|error| format!("{error}; {}", wrong()))?;
        Ok(Self { notice, nominal })
    }
}

/// What becomes of a nominal instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The instant that the rule names.
    pub nominal: Timestamp,
    /// The last of a range of instants that fare alike, such as those of a long outage.
    pub last: Timestamp,
    /// How many instants that are.
    pub count: u64,
    /// When it fires.
    pub at: Timestamp,
    /// Which revision of the notice it comes from.
    pub revision: String,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// Its outcome with the reason, where nothing is to be sent.
    pub outcome: Option<(Outcome, String)>,
    /// Until when what did not leave is tried again.
    pub send_until: Option<Timestamp>,
    /// When it is taken back.
    pub revoke_at: Option<Timestamp>,
    /// Who sends it by hand, where the schedule does not.
    pub sent_by: Option<String>,
    /// What is to be sent.
    pub deliveries: Vec<NewDelivery>,
}

impl Admission {
    /// Whether it stands for a range of which something has been dealt with before.
    #[must_use]
    pub fn is_stale(&self, handled: Option<Timestamp>) -> bool {
        self.count > 1 && handled.is_some_and(|handled| self.at <= handled)
    }
}

/// What became of an admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It was written; says of each whether it is new.
    New(Vec<bool>),
    /// Another was faster with a part of it. Nothing was written: what is due has to be worked out anew.
    Stale,
}

/// A part of an occurrence, as it will be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// The provider's key.
    pub provider: Name,
    /// The app that sends.
    pub app: AppId,
    /// Byte for byte what is sent.
    pub parcel: Parcel,
    /// What may follow an unknown outcome.
    pub repeat: Repeat,
    /// Who is meant and is not among its recipients, because the vendor does not show them, each with
    /// why. A delivery that comes out of the ledger has them among [`Delivery::invalid`].
    pub unseen: Vec<(To, String)>,
}

/// The number of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// A delivery as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// Its occurrence.
    pub key: Key,
    /// What it is for.
    pub purpose: Purpose,
    /// What is sent.
    pub what: NewDelivery,
    /// Where it is.
    pub state: State,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was first begun.
    pub first_at: Option<Timestamp>,
    /// When an attempt at it last began or ended.
    pub tried_at: Option<Timestamp>,
    /// The vendor's id of the message.
    pub message: Option<String>,
    /// What the vendor said, in a line.
    pub detail: String,
    /// Whom the vendor did not take, each with why.
    pub invalid: Vec<(To, String)>,
    /// Until when it is tried again if it did not leave.
    pub send_until: Option<Timestamp>,
    /// Whether it is being taken back.
    pub is_revoked: bool,
}

/// What a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The notice itself: its deliveries make the outcome of the occurrence.
    Notice,
    /// Word of a problem with the occurrence.
    Problem,
    /// The report of who has read it.
    Report,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 3] = [Purpose::Notice, Purpose::Problem, Purpose::Report];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Notice => "notice",
            Purpose::Problem => "problem",
            Purpose::Report => "report",
        }
    }
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent yet.
    Pending,
    /// A runner is at it.
    Sending,
    /// The vendor took it.
    Sent,
    /// The vendor refused it.
    Refused,
    /// It may have been sent.
    Unknown,
    /// It may have been sent, and only a person can say.
    Held,
    /// It was not sent and will not be.
    Cancelled,
}

impl State {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Sending => "sending",
            State::Sent => "sent",
            State::Refused => "refused",
            State::Unknown => "unknown",
            State::Held => "held",
            State::Cancelled => "cancelled",
        }
    }
}

/// A runner's right to one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which runner; a name that no other process has.
    pub runner: String,
    /// When the right ends, after the attempt's time-out.
    pub expires: Timestamp,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Where the delivery is from now on; pending when nothing left.
    pub state: State,
    /// The vendor's id of the message.
    pub message: Option<String>,
    /// What the vendor said, in a line, without secrets.
    pub detail: String,
    /// Whom the vendor did not take, each with why.
    pub invalid: Vec<(To, String)>,
}

/// What became of an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything was taken.
    Sent,
    /// Some was.
    Partial,
    /// Nothing was.
    Refused,
    /// Something may have been sent, and a person has to say.
    Held,
    /// It was due when nobody was there, or was overtaken.
    Missed,
    /// It was not to be sent.
    Skipped,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 6] = [
        Outcome::Sent,
        Outcome::Partial,
        Outcome::Refused,
        Outcome::Held,
        Outcome::Missed,
        Outcome::Skipped,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Sent => "sent",
            Outcome::Partial => "partial",
            Outcome::Refused => "refused",
            Outcome::Held => "held",
            Outcome::Missed => "missed",
            Outcome::Skipped => "skipped",
        }
    }
}

/// An occurrence as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// Which.
    pub key: Key,
    /// The last instant of a range.
    pub last: Timestamp,
    /// How many instants it stands for.
    pub count: u64,
    /// When it fired, or was to.
    pub at: Timestamp,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// Its outcome with the reason, once it has one.
    pub outcome: Option<(Outcome, String)>,
    /// When it is taken back.
    pub revoke_at: Option<Timestamp>,
    /// On whose word, where that is a person's.
    pub revoked_by: Option<String>,
    /// Who sent it by hand.
    pub sent_by: Option<String>,
}

/// Why something about a delivery could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The claim expired or was taken over.
    #[error("the delivery is no longer this runner's")]
    Lost,
    /// The ledger could not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
