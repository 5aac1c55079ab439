//! The Feishu Open Platform, played strictly as its documentation says.
//!
//! It knows neither faults nor connections: it is given a call and one moment of the world, and
//! gives an answer. [`ENDPOINTS`] is the map; then read `token`, `tasklist`,
//! `subscription`, `chat`, `user_group`, `contact`, `batch`, `message`.

mod batch;
mod chat;
mod chat_member;
mod chat_view;
mod check;
mod contact;
mod content;
mod envelope;
mod group_member;
mod ids;
mod image;
mod message;
mod once;
mod page;
mod records;
mod subscription;
mod tasklist;
mod token;
mod user_group;

use axum::http::HeaderMap;
use serde_json::Value;

use super::limits::{self, NO_TIER, TIER_3, TIER_4, Tier};
use super::vendor::{self, Answer, Asked, Effect, Endpoint, Outcome, Route};
use super::world::{Moment, View, WorldError};
use check::Query;
use envelope::{Failure, Refusal, Success};

pub(super) use records::{Chat, Member, OneToOne, Subscription, Tasklist, UserGroup, new_chat_id};
pub(super) use tasklist::put;
pub(super) use token::{apps, expire_all, register};

pub(super) type Handler = fn(&Call<'_>, &Moment<'_>) -> Result<Success, Failure>;

const fn row(
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    (effect, tier): (Effect, Tier),
    handler: Handler,
) -> Endpoint {
    Endpoint {
        operation,
        method,
        path,
        tier,
        effect,
        handler: vendor::Handler::Feishu(handler),
    }
}

const TASKLISTS: &str = "/open-apis/task/v2/tasklists";
const TASKLIST: &str = "/open-apis/task/v2/tasklists/{tasklist_guid}";
const ADD_MEMBERS: &str = "/open-apis/task/v2/tasklists/{tasklist_guid}/add_members";
const SUBSCRIPTIONS: &str = "/open-apis/task/v2/tasklists/{tasklist_guid}/activity_subscriptions";
const SUBSCRIPTION: &str = "/open-apis/task/v2/tasklists/{tasklist_guid}/activity_subscriptions/{activity_subscription_guid}";
const CHATS: &str = "/open-apis/im/v1/chats";
const SEARCH: &str = "/open-apis/im/v1/chats/search";
const CHAT: &str = "/open-apis/im/v1/chats/{chat_id}";
const MEMBERS: &str = "/open-apis/im/v1/chats/{chat_id}/members";
const GROUPS: &str = "/open-apis/contact/v3/group";
const GROUP_LIST: &str = "/open-apis/contact/v3/group/simplelist";
const GROUP: &str = "/open-apis/contact/v3/group/{group_id}";
const GROUP_ADD: &str = "/open-apis/contact/v3/group/{group_id}/member/batch_add";
const GROUP_REMOVE: &str = "/open-apis/contact/v3/group/{group_id}/member/batch_remove";
const GROUP_MEMBERS: &str = "/open-apis/contact/v3/group/{group_id}/member/simplelist";
const USER_IDS: &str = "/open-apis/contact/v3/users/batch_get_id";
const USERS: &str = "/open-apis/contact/v3/users/batch";
const DEPARTMENTS: &str = "/open-apis/contact/v3/departments/batch";
const IS_IN_CHAT: &str = "/open-apis/im/v1/chats/{chat_id}/members/is_in_chat";
const BATCH_SEND: &str = "/open-apis/message/v4/batch_send/";
const BATCH: &str = "/open-apis/im/v1/batch_messages/{batch_message_id}";
const BATCH_READ: &str = "/open-apis/im/v1/batch_messages/{batch_message_id}/read_user";
const BATCH_PROGRESS: &str = "/open-apis/im/v1/batch_messages/{batch_message_id}/get_progress";
const MESSAGES: &str = "/open-apis/im/v1/messages";
const MESSAGE: &str = "/open-apis/im/v1/messages/{message_id}";
const READERS: &str = "/open-apis/im/v1/messages/{message_id}/read_users";
const IMAGES: &str = "/open-apis/im/v1/images";
const TOKEN: &str = "/open-apis/auth/v3/tenant_access_token/internal";

const FREE: (Effect, Tier) = (Effect::Token, NO_TIER);
const READ_3: (Effect, Tier) = (Effect::Read, TIER_3);
const WRITE_3: (Effect, Tier) = (Effect::Write, TIER_3);
const READ_4: (Effect, Tier) = (Effect::Read, TIER_4);
const WRITE_4: (Effect, Tier) = (Effect::Write, TIER_4);

/// Every endpoint that is played. Of two that fit a path the first counts.
#[rustfmt::skip]
pub(super) static ENDPOINTS: [Endpoint; 40] = [
    row("POST",   TOKEN,         "getTenantAccessTokenInternal",       FREE,    token::issue),
    row("GET",    TASKLISTS,     "listTasklists",                      READ_4,  tasklist::list),
    row("POST",   TASKLISTS,     "createTasklist",                     WRITE_4, tasklist::create),
    row("GET",    TASKLIST,      "getTasklist",                        READ_4,  tasklist::get),
    row("DELETE", TASKLIST,      "deleteTasklist",                     WRITE_4, tasklist::delete),
    row("POST",   ADD_MEMBERS,   "addTasklistMembers",                 WRITE_4, tasklist::add_members),
    row("POST",   SUBSCRIPTIONS, "createTasklistActivitySubscription", WRITE_3, subscription::create),
    row("GET",    SUBSCRIPTIONS, "listTasklistActivitySubscriptions",  READ_3,  subscription::list),
    row("GET",    SUBSCRIPTION,  "getTasklistActivitySubscription",    READ_3,  subscription::get),
    row("PATCH",  SUBSCRIPTION,  "patchTasklistActivitySubscription",  WRITE_3, subscription::patch),
    row("DELETE", SUBSCRIPTION,  "deleteTasklistActivitySubscription", WRITE_3, subscription::delete),
    row("POST",   CHATS,         "createChat",                         WRITE_4, chat::create),
    row("GET",    CHATS,         "listChats",                          READ_4,  chat_view::list),
    row("GET",    SEARCH,        "searchChats",                        READ_4,  chat_view::search),
    row("GET",    CHAT,          "getChat",                            READ_4,  chat_view::get),
    row("PUT",    CHAT,          "updateChat",                         WRITE_4, chat::update),
    row("DELETE", CHAT,          "dissolveChat",                       WRITE_4, chat::dissolve),
    row("GET",    IS_IN_CHAT,    "isInChat",                           READ_4,  chat::is_in_chat),
    row("POST",   MEMBERS,       "addChatMembers",                     WRITE_4, chat_member::add),
    row("DELETE", MEMBERS,       "removeChatMembers",                  WRITE_4, chat_member::remove),
    row("GET",    MEMBERS,       "listChatMembers",                    READ_4,  chat_member::list),
    row("POST",   GROUPS,        "createUserGroup",                    WRITE_3, user_group::create),
    row("GET",    GROUP_LIST,    "listUserGroups",                     READ_4,  user_group::list),
    row("GET",    GROUP,         "getUserGroup",                       READ_4,  user_group::get),
    row("PATCH",  GROUP,         "patchUserGroup",                     WRITE_3, user_group::patch),
    row("DELETE", GROUP,         "deleteUserGroup",                    WRITE_3, user_group::delete),
    row("POST",   GROUP_ADD,     "batchAddUserGroupMembers",           WRITE_3, group_member::add),
    row("POST",   GROUP_REMOVE,  "batchRemoveUserGroupMembers",        WRITE_3, group_member::remove),
    row("GET",    GROUP_MEMBERS, "listUserGroupMembers",               READ_4,  group_member::list),
    row("POST",   USER_IDS,      "batchGetUserIds",                    READ_4,  contact::user_ids),
    row("GET",    USERS,         "batchGetUsers",                      READ_4,  contact::users),
    row("GET",    DEPARTMENTS,   "batchGetDepartments",                READ_4,  contact::departments),
    row("POST",   BATCH_SEND,    "batchSendMessage",                   WRITE_4, batch::send),
    row("DELETE", BATCH,         "recallBatchMessage",                 WRITE_4, batch::recall),
    row("GET",    BATCH_READ,    "getBatchMessageReadUser",            READ_4,  batch::read_user),
    row("GET",    BATCH_PROGRESS, "getBatchMessageProgress",           READ_4,  batch::progress),
    row("POST",   MESSAGES,      "createMessage",                      WRITE_4, message::create),
    row("DELETE", MESSAGE,       "recallMessage",                      WRITE_4, message::recall),
    row("GET",    READERS,       "listMessageReadUsers",               READ_4,  message::readers),
    row("POST",   IMAGES,        "uploadImage",                        WRITE_4, image::upload),
];

/// What an endpoint is given.
pub(super) struct Call<'a> {
    app: &'a str,
    route: &'a Route,
    query: Query<'a>,
    headers: &'a HeaderMap,
    bytes: &'a [u8],
    body: Option<&'a Value>,
    enforce_limits: bool,
    view: View,
    hidden: &'a [String],
}

impl Call<'_> {
    /// A segment that the endpoint's path has.
    fn path_value(&self, name: &str) -> &str {
        self.route.value(name).unwrap_or_default()
    }
}

/// Answers a call: the gate, the limits, then the endpoint. A refusal leaves the world as it was.
pub(super) fn answer(
    asked: &Asked<'_>,
    handler: Handler,
    moment: &Moment<'_>,
) -> Result<Outcome, WorldError> {
    let mut app = None;
    let mut effect = false;
    let done = admitted(asked, moment, &mut app).and_then(|()| {
        vendor::perform(asked.route.endpoint, moment, &mut effect, || {
            handled(asked, handler, moment, app.as_deref())
        })
    });
    let answer = match done {
        Ok(success) => success.into_answer(asked.log_id),
        Err(Failure::Refused(refusal)) => refusal.into_answer(asked.log_id),
        Err(Failure::World(error)) => return Err(error),
    };
    Ok(Outcome {
        answer,
        app,
        effect,
    })
}

fn admitted(
    asked: &Asked<'_>,
    moment: &Moment<'_>,
    app: &mut Option<String>,
) -> Result<(), Failure> {
    let endpoint = asked.route.endpoint;
    if endpoint.effect == Effect::Token {
        return Ok(());
    }
    if asked.revoke_token {
        token::revoke(asked.authorization, moment)?;
    }
    let caller = token::admit(asked.authorization, moment)?;
    let throttled = if asked.enforce_limits {
        limits::admit(moment, &caller, endpoint.operation, endpoint.tier)?
    } else {
        None
    };
    *app = Some(caller);
    match throttled {
        Some(throttled) => Err(Refusal::throttled(throttled).into()),
        None => Ok(()),
    }
}

fn handled(
    asked: &Asked<'_>,
    handler: Handler,
    moment: &Moment<'_>,
    app: Option<&str>,
) -> Result<Success, Failure> {
    let call = Call {
        app: app.unwrap_or_default(),
        route: asked.route,
        query: Query(asked.query),
        headers: asked.headers,
        bytes: asked.bytes,
        body: asked.body,
        enforce_limits: asked.enforce_limits,
        view: asked.view,
        hidden: asked.hidden,
    };
    handler(&call, moment)
}

/// What the gateway says to an unknown path or method.
pub(super) fn no_such_path() -> Answer {
    envelope::no_such_path()
}

/// The vendor's server error, in the code of the API that it comes from.
pub(super) fn server_error(status: u16, path: &str, log_id: &str) -> Answer {
    let code = if path.starts_with(TASKLISTS) {
        1470500
    } else if path.starts_with(GROUPS) {
        40003
    } else {
        2200
    };
    Refusal::new(status, code, "internal error").into_answer(log_id)
}

/// The gateway's throttle, with that reset header or none.
pub(super) fn throttle(reset: Option<&str>, log_id: &str) -> Answer {
    let refusal = Refusal::new(429, 99991400, "request trigger frequency limit")
        .with_header("x-ogw-ratelimit-limit", "100".to_owned());
    match reset {
        Some(reset) => refusal.with_header("x-ogw-ratelimit-reset", reset.to_owned()),
        None => refusal,
    }
    .into_answer(log_id)
}

/// The tenant's calls of the month are used up.
pub(super) fn quota_used_up(log_id: &str) -> Answer {
    Refusal::new(
        429,
        99991403,
        "the monthly API quota of the tenant is used up",
    )
    .into_answer(log_id)
}

/// A refusal that somebody ordered.
pub(super) fn refused(status: u16, code: i64, log_id: &str) -> Answer {
    Refusal::new(status, code, "refused by a fault of the sandbox").into_answer(log_id)
}

/// A body that cannot be read at all.
pub(super) fn malformed(why: &str, log_id: &str) -> Answer {
    Refusal::malformed(why).into_answer(log_id)
}
