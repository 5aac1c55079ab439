//! The seam to a vendor's messages: what is sent, what came of it, and taking it back.
//!
//! A message is cut into [`Parcel`]s once, when its occurrence is admitted; from then on its bytes are
//! stored and sent as they are, and never computed again.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{ApiError, Pending};
use crate::model::group::Recipient;
use crate::model::{AppId, ChatId};

/// Sends messages through one app.
pub trait Channel: Send + Sync {
    /// The app that sends.
    fn app(&self) -> &AppId;

    /// Cuts a letter into the fewest calls that the contract allows. `key` names the letter for good
    /// (project, occurrence); where the vendor takes a key of ours it is made of it, and the same
    /// arguments always make the same parcels.
    ///
    /// # Errors
    ///
    /// When the vendor cannot carry this letter to such recipients, in words.
    fn pack(&self, letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String>;

    /// What the contract lets follow a send whose outcome is unknown.
    fn repeats(&self, parcel: &Parcel) -> Repeat;

    /// Sends a parcel, byte for byte. It reaches the vendor at most once, unless the attempt before was
    /// refused before any effect.
    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>>;

    /// What has become of a message so far. May be repeated, within the vendor's quota.
    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>>;

    /// Takes a message back. What is gone already counts as taken back.
    fn recall<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<(), ApiError>>;

    /// Uploads an image and returns the vendor's key of it.
    fn upload<'a>(&'a self, image: &'a [u8]) -> Pending<'a, Result<String, ApiError>>;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The vendor's word for the kind of message, such as `interactive` or `markdown`.
    pub kind: String,
    /// What the vendor's page calls the content of that kind.
    pub content: serde_json::Value,
}

/// A letter cut to what one call takes.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What may follow a send whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The same bytes, at any time: the vendor knows the message by its key.
    Always,
    /// The same bytes, until so long after the first attempt.
    For(SignedDuration),
    /// The same bytes, on the same day in Shanghai, until five minutes before it ends.
    SameDay,
    /// Nothing: a person has to say what became of it.
    Never,
}

/// What a vendor says to a parcel that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The vendor's id of the message.
    pub message: Option<String>,
    /// Whom the vendor did not take, each with why.
    pub invalid: Vec<(To, String)>,
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
    /// Whether the vendor says that it is done.
    pub is_done: bool,
    /// Whether it was taken back.
    pub is_recalled: bool,
}
