//! The words of occurrences and deliveries.

use jiff::SignedDuration;

use crate::engine::afterwards::{RecallState, Word};
use crate::engine::channel::{Repeat, To};
use crate::engine::outbox::{Outcome, Purpose, State};
use crate::engine::receipts::WhyEnded;
use crate::model::ChatId;
use crate::model::group::Recipient;
use crate::model::manifest::Vendor;

const STATES: [(State, &str); 7] = [
    (State::Pending, "pending"),
    (State::Sending, "sending"),
    (State::Sent, "sent"),
    (State::Refused, "refused"),
    (State::Unknown, "unknown"),
    (State::Held, "held"),
    (State::Cancelled, "cancelled"),
];

/// The word of a state.
#[must_use]
pub fn state_to_text(state: State) -> &'static str {
    let found = STATES.iter().find(|(known, _)| *known == state);
    found.expect("every state has a word").1
}

/// The state of a word.
///
/// # Errors
///
/// When there is no such state, in words.
pub fn state_from_text(word: &str) -> Result<State, String> {
    let found = STATES.iter().find(|(_, known)| *known == word);
    let wrong = || format!("the state of a delivery is `{word}`");
    found.map(|(state, _)| *state).ok_or_else(wrong)
}

/// The outcome of a word; its word is [`Outcome::as_str`].
///
/// # Errors
///
/// When there is no such outcome, in words.
pub fn ending_from_text(word: &str) -> Result<Outcome, String> {
    let found = Outcome::ALL
        .into_iter()
        .find(|known| known.as_str() == word);
    found.ok_or_else(|| format!("the outcome of an occurrence is `{word}`"))
}

/// The purpose of a word; its word is [`Purpose::as_str`].
///
/// # Errors
///
/// When there is no such purpose, in words.
pub fn purpose_from_text(word: &str) -> Result<Purpose, String> {
    let found = Purpose::ALL
        .into_iter()
        .find(|known| known.as_str() == word);
    found.ok_or_else(|| format!("the purpose of a delivery is `{word}`"))
}

/// The state of a recall of a word; its word is [`RecallState::as_str`].
///
/// # Errors
///
/// When there is no such state, in words.
pub fn recall_from_text(word: &str) -> Result<RecallState, String> {
    let found = RecallState::ALL
        .into_iter()
        .find(|known| known.as_str() == word);
    found.ok_or_else(|| format!("the state of a recall is `{word}`"))
}

/// What somebody said of a held occurrence; its word is [`Word::as_str`].
///
/// # Errors
///
/// When there is no such word, in words.
pub fn word_from_text(word: &str) -> Result<Word, String> {
    let found = Word::ALL.into_iter().find(|known| known.as_str() == word);
    found.ok_or_else(|| format!("the word of a settlement is `{word}`"))
}

/// Why a following ended, of a word; its word is [`WhyEnded::as_str`].
///
/// # Errors
///
/// When there is no such reason, in words.
pub fn why_ended_from_text(word: &str) -> Result<WhyEnded, String> {
    let found = WhyEnded::ALL
        .into_iter()
        .find(|known| known.as_str() == word);
    found.ok_or_else(|| format!("why a following ended is `{word}`"))
}

/// Writes who has read something as JSON.
#[must_use]
pub fn readers_to_json(readers: &[Recipient]) -> String {
    let words: Vec<_> = readers.iter().map(ToString::to_string).collect();
    json(&words)
}

/// Reads back who has read something.
///
/// # Errors
///
/// When that cannot be read, in words that name nobody.
pub fn readers_from_json(text: &str) -> Result<Vec<Recipient>, String> {
    let words: Vec<String> = from_json(text)?;
    let reader = |word: &String| {
        recipient_from_text(word)
            .ok_or_else(|| "somebody who has read it cannot be read".to_owned())
    };
    words.iter().map(reader).collect()
}

/// The words of what may follow a send.
#[must_use]
pub fn repeat_to_text(repeat: Repeat) -> String {
    match repeat {
        Repeat::Always => "always".to_owned(),
        Repeat::For(time) => format!("for {}", time.as_secs()),
        Repeat::SameDay => "same_day".to_owned(),
        Repeat::Again => "again".to_owned(),
        Repeat::Never => "never".to_owned(),
    }
}

/// What may follow a send, read back.
///
/// # Errors
///
/// When these are no such words, in words.
pub fn repeat_from_text(word: &str) -> Result<Repeat, String> {
    match word {
        "always" => Ok(Repeat::Always),
        "same_day" => Ok(Repeat::SameDay),
        "again" => Ok(Repeat::Again),
        "never" => Ok(Repeat::Never),
        word => {
            let seconds = word.strip_prefix("for ").and_then(|n| n.parse().ok());
            let time = seconds.map(|n| Repeat::For(SignedDuration::from_secs(n)));
            time.ok_or_else(|| format!("what may follow a delivery is `{word}`"))
        }
    }
}

/// The words of whom a message is for.
#[must_use]
pub fn to_to_text(to: &To) -> String {
    match to {
        To::Chat(chat) => format!("chat {chat}"),
        To::Recipient(recipient) => recipient.to_string(),
    }
}

/// Whom a message is for, read back.
///
/// # Errors
///
/// When that cannot be read, in words that name nobody.
pub fn to_from_text(word: &str) -> Result<To, String> {
    if let Some(chat) = word.strip_prefix("chat ") {
        return Ok(To::Chat(ChatId::new(chat)));
    }
    let found = recipient_from_text(word).map(To::Recipient);
    found.ok_or_else(|| "a recipient cannot be read".to_owned())
}

/// A recipient at whichever vendor knows such words.
#[must_use]
pub fn recipient_from_text(word: &str) -> Option<Recipient> {
    let vendors = [Vendor::Feishu, Vendor::DingTalk, Vendor::Enos];
    vendors
        .into_iter()
        .find_map(|vendor| Recipient::parse(vendor, word))
}

/// Writes whom a message is for as JSON.
#[must_use]
pub fn everyone_to_json<'a>(to: impl IntoIterator<Item = &'a To>) -> String {
    let words: Vec<_> = to.into_iter().map(to_to_text).collect();
    json(&words)
}

/// Reads back whom a message is for.
///
/// # Errors
///
/// When that cannot be read, in words that name nobody.
pub fn everyone_from_json<C: FromIterator<To>>(text: &str) -> Result<C, String> {
    let words: Vec<String> = from_json(text)?;
    words.iter().map(|word| to_from_text(word)).collect()
}

/// Writes who was not taken, each with why, as JSON.
#[must_use]
pub fn invalid_to_json(invalid: &[(To, String)]) -> String {
    let pairs: Vec<_> = invalid
        .iter()
        .map(|(who, why)| (to_to_text(who), why))
        .collect();
    json(&pairs)
}

/// Reads back who was not taken.
///
/// # Errors
///
/// When that cannot be read, in words that name nobody.
pub fn invalid_from_json(text: &str) -> Result<Vec<(To, String)>, String> {
    let pairs: Vec<(String, String)> = from_json(text)?;
    pairs
        .into_iter()
        .map(|(who, why)| Ok((to_from_text(&who)?, why)))
        .collect()
}

/// Writes texts and lists as JSON.
#[must_use]
pub fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and lists are always JSON")
}

/// Reads JSON.
///
/// # Errors
///
/// When the text is not JSON of that shape; where, not what it is.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
