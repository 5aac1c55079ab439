//! What follows sending: settlements, recalls, pauses.

use jiff::Timestamp;

use super::instant_to_text;
use super::outbox::{delivery, select_deliveries, times};
use super::row::Row;
use super::sending::{recall_from_text, state_to_text, word_from_text};
use crate::engine::afterwards::{AfterSettling, Pause, Recall, Settlement, Word};
use crate::engine::outbox::State;

/// What [`settlement`] reads.
pub(in crate::ledger) const SETTLEMENT: &str = "word, who, settled_at, held_for";

/// What a person said.
pub(in crate::ledger) fn settlement<R: Row>(row: &R) -> Result<Settlement, R::Trouble> {
    Ok(Settlement {
        word: row.read(0, word_from_text)?,
        who: row.owned(1)?,
        at: row.instant(2)?,
        held_for: row.owned(3)?,
    })
}

/// What a person's word makes of what was held.
pub(in crate::ledger) struct Settled<'a> {
    /// Of the occurrence: its outcome, the reason, and when it ended.
    pub(in crate::ledger) outcome: Option<&'static str>,
    pub(in crate::ledger) reason: Option<&'a str>,
    pub(in crate::ledger) ended_at: Option<String>,
    /// Until when it is sent, where it is to be.
    pub(in crate::ledger) send_until: Option<String>,
    /// Of its deliveries that are held.
    pub(in crate::ledger) state: &'static str,
    pub(in crate::ledger) detail: String,
}

impl<'a> Settled<'a> {
    pub(in crate::ledger) fn by(settlement: &Settlement, end: &'a AfterSettling) -> Self {
        let at = |at: Timestamp| Some(instant_to_text(at));
        let (outcome, reason, ended_at, send_until) = match end {
            AfterSettling::Ended(outcome, reason) => (
                Some(outcome.as_str()),
                Some(reason.as_str()),
                at(settlement.at),
                None,
            ),
            AfterSettling::Pending(until) => (None, None, None, at(*until)),
        };
        let (state, said) = match settlement.word {
            Word::Sent => (State::Sent, "said that it was sent"),
            Word::NotSent => (State::Refused, "said that it was not sent"),
            Word::Resend => (State::Pending, "had it sent again"),
        };
        Self {
            outcome,
            reason,
            ended_at,
            send_until,
            state: state_to_text(state),
            detail: format!("{} {said}", settlement.who),
        }
    }
}

/// Reads recalls of which something holds.
pub(in crate::ledger) fn select_recalls(which: &str) -> String {
    select_deliveries(
        ", r.state, r.detail, r.ended_at, r.attempts, r.first_at, r.tried_at",
        "JOIN recall r ON r.delivery = d.delivery",
        which,
    )
}

/// A recall, as [`select_recalls`] asks for it.
pub(in crate::ledger) fn recall<R: Row>(row: &R) -> Result<Recall, R::Trouble> {
    Ok(Recall {
        delivery: delivery(row)?,
        state: row.read(20, recall_from_text)?,
        detail: row.owned(21)?,
        ended_at: row.maybe_instant(22)?,
        attempts: times(row, 23)?,
        first_at: row.maybe_instant(24)?,
        tried_at: row.maybe_instant(25)?,
    })
}

/// What [`pause`] reads.
pub(in crate::ledger) const PAUSE: &str = "notice, since, until, who";

/// A pause.
pub(in crate::ledger) fn pause<R: Row>(row: &R) -> Result<Pause, R::Trouble> {
    Ok(Pause {
        notice: row.address(0)?,
        since: row.instant(1)?,
        until: row.maybe_instant(2)?,
        who: row.owned(3)?,
    })
}
