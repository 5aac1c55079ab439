//! The seam to what is remembered of following: which occurrences are followed, when a vendor was asked what
//! became of a delivery, what it said, and who has read it.
//!
//! # Guarantees
//!
//! - Each method is one transaction.
//! - Of several who want to ask about a delivery for the nth time one may: [`Receipts::ask`] counts.
//! - An occurrence is followed once, and its report is written down once, with the bytes that are sent.
//! - What a vendor said stays, in numbers. Who it was about is kept until the following ends and not longer.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Pending;
use super::channel::{Receipt, To};
use super::ledger::LedgerError;
use super::outbox::{DeliveryId, Key, NewDelivery};
use crate::model::Address;
use crate::model::group::Recipient;

/// What beadle remembers of following.
pub trait Receipts: Send + Sync {
    /// Begins to follow the occurrences of a notice of which something was sent and that fired after
    /// `now` less what [`Terms::lasts`] says. Those that are or were followed stay as they are.
    fn follow<'a>(
        &'a self,
        notice: &'a Address,
        terms: &'a Terms,
        now: Timestamp,
    ) -> Pending<'a, Result<usize, LedgerError>>;

    /// The occurrences that are followed, oldest first.
    fn followed(&self) -> Pending<'_, Result<Vec<Following>, LedgerError>>;

    /// How an occurrence is or was followed, if it ever was.
    fn following<'a>(&'a self, key: &'a Key)
    -> Pending<'a, Result<Option<Following>, LedgerError>>;

    /// How often a vendor was asked about each delivery of an occurrence.
    fn asked<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, Asked>, LedgerError>>;

    /// Takes the right to ask about a delivery that was asked about `seen` times; false when somebody else
    /// has asked since.
    fn ask(
        &self,
        delivery: DeliveryId,
        seen: u32,
        now: Timestamp,
    ) -> Pending<'_, Result<bool, LedgerError>>;

    /// Writes down what came of asking, and whom it was about in place of what was known.
    fn note<'a>(
        &'a self,
        delivery: DeliveryId,
        reading: &'a Reading,
        people: Option<&'a People>,
    ) -> Pending<'a, Result<(), LedgerError>>;

    /// What came of asking about the deliveries of an occurrence, oldest first.
    fn readings<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<(DeliveryId, Reading)>, LedgerError>>;

    /// Who has read what, and who did not get it, as long as that is known.
    fn people<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, People>, LedgerError>>;

    /// Ends the following of an occurrence, with what those who get its report are sent, and forgets who
    /// has read it; false when it has ended already.
    fn end_following<'a>(
        &'a self,
        key: &'a Key,
        end: &'a FollowEnd,
        report: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>>;

    /// The key by which an app knows an image, by the image's digest.
    fn image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
    ) -> Pending<'a, Result<Option<String>, LedgerError>>;

    /// Remembers an image that was uploaded; returns the key that counts, which is the first.
    fn remember_image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<String, LedgerError>>;
}

/// How an occurrence is to be followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// The share of its people, in percent, whose reading is enough.
    pub until: f64,
    /// How long it is followed at most, from when it fires.
    pub lasts: SignedDuration,
}

/// An occurrence that is or was followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Following {
    /// Which.
    pub key: Key,
    /// When it fired.
    pub fired_at: Timestamp,
    /// The share of its people, in percent, whose reading is enough.
    pub until: f64,
    /// When it is followed no longer.
    pub ends_at: Timestamp,
    /// How it ended, once it has.
    pub end: Option<FollowEnd>,
}

/// How a following ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowEnd {
    /// Why.
    pub why: WhyEnded,
    /// When.
    pub at: Timestamp,
    /// Why nobody was sent the report, where somebody was to get it.
    pub unheard: Option<String>,
}

/// Why a following ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyEnded {
    /// Enough people have read it.
    Enough,
    /// Its time was over.
    Over,
    /// No vendor can tell more.
    Told,
}

impl WhyEnded {
    /// Every reason.
    pub const ALL: [WhyEnded; 3] = [WhyEnded::Enough, WhyEnded::Over, WhyEnded::Told];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WhyEnded::Enough => "enough",
            WhyEnded::Over => "over",
            WhyEnded::Told => "told",
        }
    }
}

/// How often a vendor was asked about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How often.
    pub times: u32,
    /// When last.
    pub last: Timestamp,
}

/// What came of asking once, in numbers; what the vendor does not tell is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// How many people it was for.
    pub valid: Option<u64>,
    /// How many have it.
    pub delivered: Option<u64>,
    /// How many have read it.
    pub read: Option<u64>,
    /// How many do not get it.
    pub refused: u64,
    /// Whether nothing more will be delivered.
    pub is_done: bool,
    /// Whether it was taken back.
    pub is_recalled: bool,
    /// What the vendor cannot be asked, in words that name nobody.
    pub untold: Option<String>,
    /// Why nothing is known from this time, in words that name nobody.
    pub problem: Option<String>,
}

impl Reading {
    /// The numbers of a receipt.
    #[must_use]
    pub fn of(receipt: &Receipt, at: Timestamp) -> Self {
        Self {
            at,
            valid: receipt.valid,
            delivered: receipt.delivered,
            read: receipt.read,
            refused: receipt.refused.len() as u64,
            is_done: receipt.is_done,
            is_recalled: receipt.is_recalled,
            untold: receipt.untold.clone(),
            problem: None,
        }
    }

    /// That nothing was learnt.
    #[must_use]
    pub fn failed(problem: String, at: Timestamp) -> Self {
        Self {
            at,
            problem: Some(problem),
            ..Self::default()
        }
    }
}

/// Whom a reading was about. Personal data, which is why `Debug` shows only how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct People {
    /// Who has read it.
    pub readers: Vec<Recipient>,
    /// Who does not get it, each with why.
    pub refused: Vec<(To, String)>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People")
            .field("readers", &self.readers.len())
            .field("refused", &self.refused.len())
            .finish()
    }
}
