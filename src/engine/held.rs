//! Settles what is held: only a person can say what became of it.

use jiff::{SignedDuration, Timestamp};

use super::afterwards::{AfterSettling, Settlement, Word};
use super::ledger::LedgerError;
use super::outbox::{Books, Key, Outcome, Purpose, State};
use super::runner::outcome;

/// How long what is sent again is tried.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// What came of settling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The occurrence has this outcome now.
    Ended(Outcome, String),
    /// What was held of it is sent again, and it is open until then.
    Open,
    /// It is not held. Its outcome, if it has one.
    NotHeld(Option<Outcome>),
    /// It is being taken back, so it is not sent again.
    Revoked,
    /// There is no such occurrence.
    Missing,
}

/// Notes what a person says of a held occurrence.
///
/// # Errors
///
/// When the ledger cannot be read or written.
pub async fn settle(
    books: &dyn Books,
    key: &Key,
    word: Word,
    who: &str,
    now: Timestamp,
) -> Result<Settled, LedgerError> {
    let Some(occurrence) = books.occurrence(key).await? else {
        return Ok(Settled::Missing);
    };
    let held_for = match occurrence.outcome {
        Some((Outcome::Held, reason)) => reason,
        other => return Ok(Settled::NotHeld(other.map(|(outcome, _)| outcome))),
    };
    let mut deliveries = books.deliveries(key).await?;
    if word == Word::Resend && deliveries.iter().any(|delivery| delivery.is_revoked) {
        return Ok(Settled::Revoked);
    }
    let held = deliveries
        .iter_mut()
        .filter(|d| d.state == State::Held && d.purpose == Purpose::Notice);
    for delivery in held {
        (delivery.state, delivery.detail) = match word {
            Word::Sent => (State::Sent, format!("{who} said that it was sent")),
            Word::NotSent => (State::Refused, format!("{who} said that it was not sent")),
            Word::Resend => (State::Pending, String::new()),
        };
    }
    let end = match outcome(&deliveries) {
        Some((outcome, reason)) => AfterSettling::Ended(outcome, reason),
        None => AfterSettling::Pending(now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX)),
    };
    let settlement = Settlement {
        word,
        who: who.to_owned(),
        at: now,
        held_for,
    };
    if !books.settle(key, &settlement, &end).await? {
        return Ok(Settled::NotHeld(None));
    }
    Ok(match end {
        AfterSettling::Ended(outcome, reason) => Settled::Ended(outcome, reason),
        AfterSettling::Pending(_) => Settled::Open,
    })
}
