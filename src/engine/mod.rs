//! The middle ring: orders effects.
//!
//! It knows no HTTP, no SQL, no terminal, and not which vendors there are. What it needs of them
//! are the seams in this file: [`Reader`] and [`Writer`] for a vendor, [`Ledger`] for memory.
//! Planning is given a [`Reader`] only, so that a plan cannot write.

pub mod afterwards;
pub mod agenda;
pub mod apply;
pub mod channel;
mod deliver;
pub mod directory;
pub mod health;
pub mod held;
pub mod ledger;
pub mod letters;
pub mod one_by_one;
pub mod outbox;
pub mod people;
pub mod polls;
mod problems;
pub mod quota;
mod recall;
pub mod receipts;
pub mod refresh;
pub mod report;
pub mod right;
pub mod runner;
pub mod settle;
pub mod snapshot;
mod track;
pub mod tries;
pub mod upkeep;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::model::{AppId, ChatId, Collection, Field, Fields, RemoteId, TasklistGuid, Value};

pub use crate::plan::live::Object;
pub use directory::{Directory, Sighting};
pub use health::Health;
pub use ledger::{Binding, Ledger};

/// What a seam returns: a future that can be sent between threads.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads what a vendor holds. Every call may be repeated.
pub trait Reader: Send + Sync {
    /// The app that the calls are made as.
    fn app(&self) -> &AppId;

    /// Every tasklist that the app can read.
    fn tasklists(&self) -> Pending<'_, Result<Vec<RemoteTasklist>, ApiError>>;

    /// One tasklist.
    fn tasklist<'a>(
        &'a self,
        guid: &'a TasklistGuid,
    ) -> Pending<'a, Result<RemoteTasklist, ApiError>>;

    /// Every subscription of a tasklist, the app's and everybody else's, in full.
    fn subscriptions<'a>(
        &'a self,
        tasklist: &'a TasklistGuid,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>>;

    /// Whether the app's bot is in a chat.
    fn is_in_chat<'a>(&'a self, chat: &'a ChatId) -> Pending<'a, Result<bool, ApiError>>;

    /// Every object of a collection that the app can see, with `name` and `description` alone: the
    /// chats that the bot is in, the contact user groups.
    fn catalog<'a>(
        &'a self,
        collection: &'a Collection,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>>;

    /// One chat or contact user group in full, members and all; none when it is known to be gone, which
    /// is not the same as being out of sight.
    fn object<'a>(
        &'a self,
        collection: &'a Collection,
        id: &'a RemoteId,
    ) -> Pending<'a, Result<Option<Object>, ApiError>>;
}

/// Changes what a vendor holds.
pub trait Writer: Reader {
    /// Turns a write into the call that will be made, without making it, so that the body can be
    /// journalled before it leaves. The same write always makes the same bytes.
    fn encode(&self, write: &Write) -> Call;

    /// Makes a call, byte for byte as encoded. A delete of what is already gone succeeds.
    ///
    /// Guarantees: the call reaches the vendor at most once unless the contract lets this endpoint
    /// be repeated or the attempt was refused before any effect.
    fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Result<Done, ApiError>>;

    /// How long one attempt of a call may be under way, in milliseconds. A write whose answer was
    /// lost can take effect until then.
    fn timeout_ms(&self) -> u64;

    /// How many people one call adds to or removes from an object of a collection.
    fn people_per_call(&self, collection: &Collection) -> usize;
}

/// What a write that succeeded has done.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Done {
    /// The object, as far as the answer tells of it; none for a delete.
    pub object: Option<Object>,
    /// Of the people in the call, those whom the vendor did not take, with why.
    pub rejected: BTreeMap<String, String>,
}

/// A tasklist as the vendor describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTasklist {
    /// Its guid.
    pub guid: TasklistGuid,
    /// Its name, which is not unique.
    pub name: String,
    /// Whether the app may change it, where the answer says so.
    pub may_edit: Option<bool>,
}

/// One write to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Make one.
    Create {
        /// Where.
        collection: Collection,
        /// The id, where it is ours to choose: a contact user group's.
        id: Option<RemoteId>,
        /// Every field that a create takes. A chat's description is a mark of this attempt.
        fields: Fields,
    },
    /// Change exactly these fields.
    Update {
        /// Where.
        collection: Collection,
        /// Which.
        id: RemoteId,
        /// The changed fields with their new values; they are the mask as well.
        fields: Fields,
    },
    /// Remove one.
    Delete {
        /// Where.
        collection: Collection,
        /// Which.
        id: RemoteId,
    },
    /// Put people into a chat or a contact user group.
    AddPeople {
        /// Where.
        collection: Collection,
        /// Which.
        id: RemoteId,
        /// Whom, by open_id; no more than [`Writer::people_per_call`].
        people: BTreeSet<String>,
    },
    /// Take people out of one.
    RemovePeople {
        /// Where.
        collection: Collection,
        /// Which.
        id: RemoteId,
        /// Whom, by open_id; no more than [`Writer::people_per_call`].
        people: BTreeSet<String>,
    },
}

impl Write {
    /// What holds the object.
    #[must_use]
    pub fn collection(&self) -> &Collection {
        match self {
            Write::Create { collection, .. }
            | Write::Update { collection, .. }
            | Write::Delete { collection, .. }
            | Write::AddPeople { collection, .. }
            | Write::RemovePeople { collection, .. } => collection,
        }
    }

    /// The values that the call carries, for finding out later what it did.
    #[must_use]
    pub fn sent(&self) -> Fields {
        match self {
            Write::Create { fields, .. } | Write::Update { fields, .. } => fields.clone(),
            Write::Delete { .. } => Fields::default(),
            Write::AddPeople { people, .. } | Write::RemovePeople { people, .. } => {
                [(Field::Members, Value::Items(people.clone()))]
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// A call as data: what the journal stores and what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The contract's name of the operation, such as `createTasklistActivitySubscription`.
    pub operation: String,
    /// What holds the object.
    pub collection: Collection,
    /// The object, unless the vendor is to choose its id.
    pub id: Option<RemoteId>,
    /// The body, as it is sent.
    pub body: Option<String>,
}

/// How a call failed. It answers what the caller will ask: may it have happened?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// No: the vendor answered with a code that its contract lists as refused before any effect.
    Refused(Answer),
    /// No: not one byte of the request left.
    Unreachable(String),
    /// Perhaps: a 5xx, a time-out, an answer that is not the vendor's envelope, or one that is
    /// truncated or unlisted.
    Unknown(Answer),
}

/// What came back, as much of it as is known, secrets struck out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// The contract's name of the operation.
    pub operation: String,
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
    /// The vendor's code, when the body was its envelope.
    pub code: Option<i64>,
    /// The vendor's words, or ours about the transport.
    pub message: String,
    /// The vendor's log id, to quote to its support.
    pub log_id: Option<String>,
    /// The body, at most a few kilobytes of it.
    pub body: String,
    /// What to do about it, where the contract says; a sentence.
    pub hint: Option<String>,
}

impl ApiError {
    /// The answer, when there was one.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            ApiError::Refused(answer) | ApiError::Unknown(answer) => Some(answer),
            ApiError::Unreachable(_) => None,
        }
    }

    /// What happened and what to do about it, as far as that is known.
    #[must_use]
    pub fn with_hint(&self) -> String {
        match self.answer().and_then(|answer| answer.hint.as_ref()) {
            Some(hint) => format!("{self}. {hint}"),
            None => self.to_string(),
        }
    }
}

impl AsRef<ApiError> for ApiError {
    fn as_ref(&self) -> &ApiError {
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, answer) = match self {
            ApiError::Unreachable(why) => return write!(f, "not sent: {why}"),
            ApiError::Refused(answer) => ("refused", answer),
            ApiError::Unknown(answer) => ("unknown outcome", answer),
        };
        write!(f, "{}: {words}: {}", answer.operation, answer.message)?;
        let mut facts = Vec::new();
        facts.extend(answer.status.map(|s| format!("HTTP {s}")));
        facts.extend(answer.code.map(|c| format!("code {c}")));
        facts.extend(answer.log_id.as_ref().map(|l| format!("log id {l}")));
        if facts.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", facts.join(", "))
        }
    }
}

impl std::error::Error for ApiError {}
