//! Feishu and Lark: tasklists and their activity subscriptions, chats, contact user groups, messages, and
//! who is behind an id, an address or a number.
//!
//! Start at [`Feishu::call`] in `call.rs`, which makes every call and judges every answer; `wire.rs`
//! has the vendor's shapes, `subscription.rs`, `chat.rs` and `user_group.rs` the one conversion each
//! way, and `deliver.rs` sends what was encoded. Messages are in `channel.rs`, which says what once means
//! here.

mod batch;
mod call;
mod channel;
mod chat;
mod codes;
mod content;
mod deliver;
mod directory;
mod image;
mod message;
mod page;
mod subscription;
mod tasklist;
mod token;
mod user_group;
mod wire;

use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;

use self::call::{Ask, Link};
use self::token::Tokens;
use super::BuildError;
use super::http::{Http, checked_base};
use super::limits::{LIST_SUBSCRIPTIONS, ROWS};
use super::pace::Pace;
use super::redact::Secrets;
use super::retry::Patience;
use crate::engine::health::Heard;
use jiff::Timestamp;

use crate::engine::health::Allowances;
use crate::engine::{
    ApiError, Call, Done, Health, Object, Pending, Reader, RemoteTasklist, Write, Writer,
};
use crate::model::quota::feishu::{MESSAGES_A_DAY, TO_A_CHAT_A_SECOND};
use crate::model::{AppId, ChatId, Collection, RemoteId, TasklistGuid};

/// The hosts that Feishu and Lark serve their API on.
const HOSTS: [&str; 2] = ["open.feishu.cn", "open.larksuite.com"];

/// What a client is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server, such as `https://open.feishu.cn`.
    pub base_url: String,
    /// The app that calls.
    pub app: AppId,
    /// Its secret.
    pub secret: SecretString,
    /// Hosts besides the vendor's own that the secret may be sent to (`BEADLE_ALLOW_HOSTS`).
    pub allow_hosts: Vec<String>,
    /// A PEM bundle of certificate authorities that are trusted in place of the public ones.
    pub authorities: Option<Vec<u8>>,
    /// How long connecting may take; at most half of `timeout`.
    pub connect_timeout: Duration,
    /// How long one attempt may take, from connecting to the last byte of its answer.
    pub timeout: Duration,
    /// Calls under way at one time.
    pub concurrency: usize,
    /// How failures are tried again.
    pub patience: Patience,
    /// Whether the published rates are kept to, or only what the vendor says while we run. A sandbox
    /// that enforces no limits needs no pace.
    pub paced: bool,
}

impl Settings {
    /// Settings with the defaults for everything but these.
    #[must_use]
    pub fn new(base_url: &str, app: AppId, secret: SecretString) -> Self {
        Self {
            base_url: base_url.to_owned(),
            app,
            secret,
            allow_hosts: Vec::new(),
            authorities: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            concurrency: 16,
            patience: Patience::default(),
            paced: true,
        }
    }
}

/// A client of Feishu.
pub(super) struct Feishu {
    link: Link,
    tokens: Tokens,
}

impl Feishu {
    pub(super) fn new(settings: Settings) -> Result<Self, BuildError> {
        let Settings {
            base_url,
            app,
            secret,
            allow_hosts,
            authorities,
            connect_timeout,
            timeout,
            concurrency,
            patience,
            paced,
        } = settings;
        let base = checked_base(&base_url, &HOSTS, &allow_hosts)?;
        let link = Link {
            http: Http::new(base, connect_timeout, timeout, authorities.as_deref())?,
            app,
            secrets: Secrets::new(secret),
            pace: Pace::new(&ROWS, paced, concurrency),
            patience,
        };
        Ok(Self {
            link,
            tokens: Tokens::default(),
        })
    }

    async fn list(&self, tasklist: &TasklistGuid) -> Result<Vec<Object>, ApiError> {
        let ids = [tasklist.as_str()];
        // The most that a tasklist holds, so one call sees all.
        let query = [("limit", "50")];
        let ask = Ask::new(LIST_SUBSCRIPTIONS).ids(&ids).query(&query);
        self.call(&ask, subscription::read_all).await
    }
}

/// A body. The same shape always makes the same bytes.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("text, numbers and flags become JSON")
}

impl Health for Feishu {
    fn sign_in(&self) -> Pending<'_, Result<(), ApiError>> {
        Box::pin(async { self.tokens.get(&self.link).await.map(drop) })
    }

    fn allowances(&self, _: Timestamp) -> Allowances {
        let told = [
            format!("{MESSAGES_A_DAY} messages to people a day"),
            format!("{TO_A_CHAT_A_SECOND} messages a second into one chat, of all bots"),
            "the calls that its plan allows in a month; the vendor's console shows what is left"
                .to_owned(),
        ];
        Allowances {
            told: told.into(),
            ..Allowances::default()
        }
    }

    fn clock(&self) -> Option<Heard> {
        self.link.http.clock()
    }
}

impl Reader for Feishu {
    fn app(&self) -> &AppId {
        &self.link.app
    }

    fn tasklists(&self) -> Pending<'_, Result<Vec<RemoteTasklist>, ApiError>> {
        Box::pin(tasklist::all(self))
    }

    fn tasklist<'a>(
        &'a self,
        guid: &'a TasklistGuid,
    ) -> Pending<'a, Result<RemoteTasklist, ApiError>> {
        Box::pin(tasklist::one(self, guid))
    }

    fn subscriptions<'a>(
        &'a self,
        tasklist: &'a TasklistGuid,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        Box::pin(self.list(tasklist))
    }

    fn is_in_chat<'a>(&'a self, chat: &'a ChatId) -> Pending<'a, Result<bool, ApiError>> {
        Box::pin(chat::is_in(self, chat))
    }

    fn catalog<'a>(
        &'a self,
        collection: &'a Collection,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        match collection {
            Collection::Chats => Box::pin(chat::catalog(self)),
            Collection::UserGroups => Box::pin(user_group::catalog(self)),
            Collection::Tasklist(_) | Collection::Ledger => Box::pin(async { Ok(Vec::new()) }),
        }
    }

    fn object<'a>(
        &'a self,
        collection: &'a Collection,
        id: &'a RemoteId,
    ) -> Pending<'a, Result<Option<Object>, ApiError>> {
        match collection {
            Collection::Chats => Box::pin(chat::object(self, id)),
            Collection::UserGroups => Box::pin(user_group::object(self, id)),
            // Not none: that would say that it is gone.
            Collection::Tasklist(_) | Collection::Ledger => Box::pin(async move {
                let why = format!("Feishu has no way to read {id} in {collection} by itself");
                Err(ApiError::Unreachable(why))
            }),
        }
    }
}

impl Writer for Feishu {
    fn encode(&self, write: &Write) -> Call {
        match write.collection() {
            Collection::Chats => chat::encode(write),
            Collection::UserGroups => user_group::encode(write),
            Collection::Tasklist(_) | Collection::Ledger => subscription::encode(write),
        }
    }

    fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Result<Done, ApiError>> {
        Box::pin(deliver::deliver(self, call))
    }

    fn timeout_ms(&self) -> u64 {
        u64::try_from(self.link.http.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    fn people_per_call(&self, collection: &Collection) -> usize {
        match collection {
            Collection::UserGroups => user_group::PEOPLE,
            // What holds no people takes none, in calls of any size.
            Collection::Chats | Collection::Tasklist(_) | Collection::Ledger => chat::PEOPLE,
        }
    }
}
