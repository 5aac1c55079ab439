//! How our values stand in a ledger's rows: the text and JSON of every database that we keep one in, and
//! what the columns of a row mean (`row`, with a file a subject), so that each database has only its SQL.
//!
//! The shapes here are the only ones of the ledger that derive serde. They are closed: a field or a word
//! that a later beadle wrote is an error and not a loss.

pub(in crate::ledger) mod afterwards;
pub(in crate::ledger) mod bindings;
mod fields;
pub(in crate::ledger) mod journal;
pub(in crate::ledger) mod outbox;
pub(in crate::ledger) mod receipts;
pub(in crate::ledger) mod row;
pub(in crate::ledger) mod seen;
pub mod sending;
pub mod snapshot;

use jiff::Timestamp;

use crate::engine::ledger::EntryOutcome;
use crate::model::{Address, RemoteId};

pub use fields::{fields_from_json, fields_to_json};

/// Writes ids as a JSON array.
#[must_use]
pub fn ids_to_json(ids: &[RemoteId]) -> String {
    let ids: Vec<&str> = ids.iter().map(RemoteId::as_str).collect();
    serde_json::to_string(&ids).expect("a list of texts is always JSON")
}

/// Reads ids back.
///
/// # Errors
///
/// When the text is not a JSON array of texts, in words.
pub fn ids_from_json(text: &str) -> Result<Vec<RemoteId>, String> {
    let ids: Vec<String> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(ids.iter().map(|id| RemoteId::new(id)).collect())
}

/// Writes an instant, to the nanosecond and always as long, so that the text sorts by time.
#[must_use]
pub fn instant_to_text(instant: Timestamp) -> String {
    format!("{instant:.9}")
}

/// Reads an instant back.
///
/// # Errors
///
/// When the text is not an instant, in words.
pub fn instant_from_text(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|e: jiff::Error| e.to_string())
}

/// Reads an address.
///
/// # Errors
///
/// When the text is none, in words.
pub fn address_from_text(text: &str) -> Result<Address, String> {
    text.parse()
        .map_err(|e: crate::model::address::AddressError| e.to_string())
}

const OUTCOMES: [(EntryOutcome, &str); 5] = [
    (EntryOutcome::Applied, "applied"),
    (EntryOutcome::Refused, "refused"),
    (EntryOutcome::Unreachable, "unreachable"),
    (EntryOutcome::SettledApplied, "settled_applied"),
    (EntryOutcome::SettledAbsent, "settled_absent"),
];

/// The word of an outcome.
#[must_use]
pub fn outcome_to_text(outcome: EntryOutcome) -> &'static str {
    match outcome {
        EntryOutcome::Applied => OUTCOMES[0].1,
        EntryOutcome::Refused => OUTCOMES[1].1,
        EntryOutcome::Unreachable => OUTCOMES[2].1,
        EntryOutcome::SettledApplied => OUTCOMES[3].1,
        EntryOutcome::SettledAbsent => OUTCOMES[4].1,
    }
}

/// The outcome of a word.
///
/// # Errors
///
/// When there is no such outcome, in words.
pub fn outcome_from_text(text: &str) -> Result<EntryOutcome, String> {
    OUTCOMES
        .iter()
        .find(|(_, word)| *word == text)
        .map(|(outcome, _)| *outcome)
        .ok_or_else(|| format!("unknown outcome {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_beadle_wrote_is_an_error() {
        assert!(outcome_from_text("shrugged").is_err());
        assert!(ids_from_json("[1]").is_err());
        assert!(instant_from_text("yesterday").is_err());
    }

    #[test]
    fn instants_sort_as_text_and_keep_their_nanoseconds() {
        let early: Timestamp = "2026-07-01T08:00:00Z".parse().unwrap();
        let late: Timestamp = "2026-07-01T08:00:00.000000001Z".parse().unwrap();
        assert!(instant_to_text(early) < instant_to_text(late));
        assert_eq!(instant_from_text(&instant_to_text(late)), Ok(late));
    }

    #[test]
    fn outcomes_read_back() {
        for (outcome, _) in OUTCOMES {
            assert_eq!(outcome_from_text(outcome_to_text(outcome)), Ok(outcome));
        }
    }
}
