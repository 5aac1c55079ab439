//! The seam to a vendor's messages: what is sent, what came of it, and taking it back.
//!
//! A message is cut into [`Parcel`]s once, when its occurrence is admitted; from then on its bytes are
//! stored and sent as they are, and never computed again.
//!
//! What `once` means differs from vendor to vendor; each channel's module says it in its Guarantees,
//! Assumptions and Caveats, and [`Channel::repeats`] says it as data.
//!
//! # Guarantees
//!
//! - What is sent, and to whom, shows in no `Debug` output of a letter or a parcel.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::polls::Rhythm;
use super::quota::Quota;
use super::{ApiError, Pending};
use crate::model::group::Recipient;
use crate::model::{AppId, ChatId};

/// Sends messages through one app.
pub trait Channel: Send + Sync {
    /// The app that sends.
    fn app(&self) -> &AppId;

    /// Cuts a letter into the fewest calls that the contract allows and whose receipts can be told
    /// apart. `key` names the letter for good (project, occurrence); where the vendor takes a key of
    /// ours it is made of it, and the same arguments always make the same parcels.
    ///
    /// # Errors
    ///
    /// When the vendor cannot carry this letter to such recipients, in words that name nobody.
    fn pack(&self, letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String>;

    /// What the contract lets follow a send whose outcome is unknown.
    fn repeats(&self, parcel: &Parcel) -> Repeat;

    /// How often it can be asked what became of a parcel.
    fn rhythm(&self, parcel: &Parcel) -> Rhythm;

    /// Sends a parcel, byte for byte. It reaches the vendor at most once, unless the attempt before was
    /// refused before any effect.
    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>>;

    /// What has become of a message so far; `message` is [`Sent::message`]. May be repeated, within the
    /// vendor's quota.
    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>>;

    /// Takes a message back. What is gone already counts as taken back. Where the vendor knows no way,
    /// nothing leaves and the error says so.
    fn recall<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<(), ApiError>>;

    /// What the contract says of taking a message back.
    ///
    /// # Errors
    ///
    /// When there is no way, in words.
    fn recalls(&self, parcel: &Parcel) -> Result<RecallRules, String>;

    /// What a call about a parcel takes of the vendor's quotas at an instant.
    fn quota(&self, parcel: &Parcel, job: Job, now: Timestamp) -> Quota;

    /// Uploads an image and returns the vendor's key of it, where the vendor takes images.
    fn upload<'a>(&'a self, image: &'a [u8]) -> Pending<'a, Result<String, UploadError>>;

    /// How long one attempt of a call may be under way, in milliseconds.
    fn timeout_ms(&self) -> u64;
}

/// Whom a letter is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// A chat.
    Chat(ChatId),
    /// People, departments, or everyone.
    Recipient(Recipient),
}

/// A message in a vendor's own shape.
#[derive(Clone, PartialEq)]
pub struct Letter {
    /// The vendor's word for the kind of message, such as `interactive` or `markdown`.
    pub kind: String,
    /// What the vendor's page calls the content of that kind.
    pub content: serde_json::Value,
    /// How it gets to people.
    pub people: People,
}

impl Letter {
    /// A letter that gets to people in as few calls as can be.
    #[must_use]
    pub fn new(kind: &str, content: serde_json::Value) -> Self {
        Self {
            kind: kind.to_owned(),
            content,
            people: People::Together,
        }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("kind", &self.kind)
            .field("people", &self.people)
            .finish_non_exhaustive()
    }
}

/// How a letter gets to people, where the vendor has more ways than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// Many in a call.
    #[default]
    Together,
    /// A message each, which the vendor may know by its key (Feishu): an unknown send can then be
    /// repeated. For few people.
    OneByOne,
}

/// A letter cut to what one call takes.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The contract's name of the call.
    pub operation: String,
    /// What stands in the query, such as `receive_id_type`.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Whom it is for.
    pub to: BTreeSet<To>,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("operation", &self.operation)
            .field("query", &self.query)
            .field("bytes", &self.body.len())
            .field("to", &self.to.len())
            .finish()
    }
}

/// What may follow a send whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The same bytes, at any time: the vendor knows the message by its key.
    Always,
    /// The same bytes, until so long after the first attempt.
    For(SignedDuration),
    /// The same bytes, on the same day in Shanghai, until five minutes before it ends.
    SameDay,
    /// The same bytes, once more: who wrote the notice would rather have it arrive twice than not at all.
    Again,
    /// Nothing: a person has to say what became of it.
    Never,
}

/// What a contract says of taking a message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecallRules {
    /// How long after it was sent; none where an administrator decides.
    pub within: Option<SignedDuration>,
    /// Whether one whose answer was lost may be asked for again.
    pub repeats: bool,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// To send.
    Send,
    /// To ask what became of it.
    Ask,
    /// To take it back.
    Recall,
}

/// What a vendor says to a parcel that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The vendor's id of the message.
    pub message: Option<String>,
    /// Whom the vendor did not take, each with why.
    pub invalid: Vec<(To, String)>,
}

/// Why there is no key of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadError {
    /// It stays so: the vendor refuses the image, or the app.
    Refused(ApiError),
    /// It may pass: the vendor could not be reached, did not say what became of it, or had no room just
    /// then.
    Later(ApiError),
}

impl AsRef<ApiError> for UploadError {
    /// How the call failed.
    fn as_ref(&self) -> &ApiError {
        match self {
            UploadError::Refused(error) | UploadError::Later(error) => error,
        }
    }
}

/// What has become of a message; what the vendor does not tell is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// How many people it was for.
    pub valid: Option<u64>,
    /// How many have it.
    pub delivered: Option<u64>,
    /// How many have read it.
    pub read: Option<u64>,
    /// Who has read it, where the vendor says.
    pub readers: Vec<Recipient>,
    /// Who does not get it, each with why.
    pub refused: Vec<(To, String)>,
    /// Whether the vendor says that it is done: nothing more will be delivered.
    pub is_done: bool,
    /// Whether the vendor says that it was taken back.
    pub is_recalled: bool,
    /// What the vendor cannot be asked, in words, such as who has a message that went to departments.
    pub untold: Option<String>,
}
