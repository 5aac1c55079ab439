//! Feishu and Lark: tasklists, their activity subscriptions, and whether the bot is in a chat.
//!
//! Start at [`Feishu::call`] in `call.rs`, which makes every call and judges every answer; `wire.rs`
//! has the vendor's shapes and `subscription.rs` the one conversion each way.

mod call;
mod chat;
mod codes;
mod subscription;
mod tasklist;
mod token;
mod wire;

use std::time::Duration;

use secrecy::SecretString;

use self::call::{Ask, Link};
use self::token::Tokens;
use super::BuildError;
use super::http::{Http, checked_base};
use super::limits::{
    CREATE_SUBSCRIPTION, DELETE_SUBSCRIPTION, LIST_SUBSCRIPTIONS, PATCH_SUBSCRIPTION, ROWS,
};
use super::pace::Pace;
use super::redact::Secrets;
use super::retry::Patience;
use crate::engine::{ApiError, Call, Done, Object, Pending, Reader, RemoteTasklist, Write, Writer};
use crate::model::{AppId, ChatId, Collection, RemoteId, TasklistGuid};

/// The hosts that Feishu and Lark serve their API on.
const HOSTS: [&str; 2] = ["open.feishu.cn", "open.larksuite.com"];

/// What a Feishu client is made from.
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

    /// Makes a call as it was encoded, in this process or in one before.
    async fn deliver(&self, call: &Call) -> Result<Done, ApiError> {
        let unfit = |why: &str| {
            let operation = &call.operation;
            ApiError::Unreachable(format!("{operation} was not sent: {why}"))
        };
        let list = call.collection.as_str();
        let id = call.id.as_ref();
        let body = call.body.as_deref();
        match call.operation.as_str() {
            CREATE_SUBSCRIPTION => {
                let body = body.ok_or_else(|| unfit("it has no body"))?;
                let ids = [list];
                let ask = Ask::new(CREATE_SUBSCRIPTION).ids(&ids).body(Some(body));
                let read = |envelope| subscription::read_one(envelope, None);
                self.call(&ask, read).await.map(made)
            }
            PATCH_SUBSCRIPTION => {
                let id = id.ok_or_else(|| unfit("it names no object"))?;
                let body = body.ok_or_else(|| unfit("it has no body"))?;
                let ids = [list, id.as_str()];
                let ask = Ask::new(PATCH_SUBSCRIPTION).ids(&ids).body(Some(body));
                let read = |envelope| subscription::read_one(envelope, Some(id));
                self.call(&ask, read).await.map(made)
            }
            DELETE_SUBSCRIPTION => {
                let id = id.ok_or_else(|| unfit("it names no object"))?;
                let ids = [list, id.as_str()];
                let ask = Ask::new(DELETE_SUBSCRIPTION).ids(&ids);
                self.call(&ask, |_| Ok(Done::default())).await
            }
            _ => Err(unfit("this version of beadle does not know it")),
        }
    }
}

fn made(object: Object) -> Done {
    Done {
        object: Some(object),
        ..Done::default()
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
        _collection: &'a Collection,
    ) -> Pending<'a, Result<Vec<Object>, ApiError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn object<'a>(
        &'a self,
        _collection: &'a Collection,
        _id: &'a RemoteId,
    ) -> Pending<'a, Result<Option<Object>, ApiError>> {
        Box::pin(async { Ok(None) })
    }
}

impl Writer for Feishu {
    fn encode(&self, write: &Write) -> Call {
        subscription::encode(write)
    }

    fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Result<Done, ApiError>> {
        Box::pin(self.deliver(call))
    }

    fn timeout_ms(&self) -> u64 {
        u64::try_from(self.link.http.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    fn people_per_call(&self, _collection: &Collection) -> usize {
        50
    }
}
