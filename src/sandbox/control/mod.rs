//! The control endpoints: how a test looks at the world, changes it behind the client's back, and
//! switches faults on. They need no token, are in no log, and know no rules.
//!
//! | call | does |
//! |---|---|
//! | `GET /_sandbox/calls[?after=SEQ&operation=ID]` · `DELETE` | the log of calls · empties it |
//! | `GET /_sandbox/world` | all that there is |
//! | `GET /_sandbox/faults` · `DELETE` | the faults that are on, and how many calls are held · none |
//! | `POST /_sandbox/faults {"fault": TEXT}` or `{"faults": [TEXT], "seed"?: N}` or `{"program": TEXT}` | switches faults on; a seed lets their chances begin anew |
//! | `POST /_sandbox/release` | lets held calls go |
//! | `POST /_sandbox/apps {app_id, app_secret}` | another app |
//! | `POST /_sandbox/tokens/expire [{seconds}]` | leaves tokens so long to live, 0 unless told |
//! | `GET /_sandbox/clock` · `POST {advance_ms}` or `{at}` | the world's clock · sets it forward, by so much or to an instant |
//! | `POST /_sandbox/advance {seconds}` | lets so much time go by: what is on its way comes |
//! | `POST /_sandbox/read {person?, message?}` | somebody reads a message; everybody and all that came, unless told |
//! | `GET /_sandbox/inbox` | what has come to whom; the page at `/` shows it to people |
//! | `POST /_sandbox/tasklists {name, guid?, members?}` | a tasklist of somebody's, with our app as editor unless told |
//! | `DELETE /_sandbox/tasklists/{guid}` | somebody deletes it |
//! | `POST /_sandbox/tasklists/{guid}/members {id, type?, role?}` · `DELETE …/members/{id}` | a member more · one less |
//! | `POST /_sandbox/tasklists/{guid}/subscriptions {name, …}` | a subscription by somebody else |
//! | `POST /_sandbox/subscriptions/{guid} {…}` · `DELETE` | sets these fields · deletes it |
//! | `POST /_sandbox/chats {name, chat_id?, description?, members?, users?, owner?, public?}` | a chat with these apps, ours unless told, and these people |
//! | `POST /_sandbox/users {name, open_id?, union_id?, user_id?, dingtalk_user_id?, enos_user_id?, email?, mobile?, departments?, …}` or an array · `GET` | people more · everybody |
//! | `GET /_sandbox/users/{id}` · `POST {left?, out_of_scope?, …}` · `DELETE` | one person by any id · sets these fields · as if never there |
//! | `POST /_sandbox/departments {name, open_department_id?, department_id?, dingtalk_dept_id?, parent?}` or an array · `GET` | departments more · all |
//! | `POST /_sandbox/departments/{id} {name?, out_of_scope?}` · `DELETE` | sets these · takes it away |
//! | `POST /_sandbox/tenant {all_employees?, chat_members?, group_members?, user_groups?, bots_off?, recall_hours?, …}` | the app's contact scope, and the caps and quotas of the tenant |
//! | `POST /_sandbox/user_groups {name, id?, description?, users?, departments?}` | a user group by an administrator |
//! | `POST /_sandbox/user_groups/{id} {name?, description?, users?, departments?, out_of_scope?}` · `DELETE` | sets these · takes it away |
//! | `POST /_sandbox/user_groups/{id}/members {user}` · `DELETE …/members/{id}` | a person more · one less |
//! | `POST /_sandbox/enos/orgs {id, denied?, ignores_user_ids?}` | an OU, new or changed; `o_sandbox` is always there |
//! | `POST /_sandbox/enos/groups {id, name?, org_id?, users}` | a user group of an OU, new or changed |
//! | `POST /_sandbox/dingtalk/groups {id, name?, users?, robots?, disbanded?}` | a group chat of DingTalk, new or changed, with our robot unless told |
//! | `POST /_sandbox/dingtalk/roles {id, name?, group_id?, group?, users?}` | a role of DingTalk, new or changed |
//! | `POST /_sandbox/chats/{id} {name?, owner?, managers?, public?, …}` · `DELETE` | somebody sets these fields, `description` and other settings among them · dissolves it |
//! | `POST /_sandbox/chats/{id}/members {app_id?, user?}` · `DELETE …/members/{id}` | a bot or person more · one less |
//!
//! What is made or changed here has no past: no read lag hides it.

mod dingtalk;
mod edits;
mod enos;
mod groups;
mod mail;
mod page;
mod people;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::faults::{Fault, Program};
use super::feishu::{self, Chat, Subscription, Tasklist, UserGroup};
use super::log;
use super::serve::Shared;
use super::world::{Found, View, WorldError};

type Reply = Result<Json<Value>, Trouble>;

/// Why a control call did nothing.
enum Trouble {
    Bad(String),
    Missing(String),
    World(WorldError),
}

impl From<WorldError> for Trouble {
    fn from(error: WorldError) -> Trouble {
        Trouble::World(error)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Trouble::Bad(why) => (StatusCode::BAD_REQUEST, why),
            Trouble::Missing(what) => (StatusCode::NOT_FOUND, format!("there is no {what}")),
            Trouble::World(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        };
        (status, Json(json!({"error": error}))).into_response()
    }
}

/// The routes under `/_sandbox/`.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(page::show))
        .route("/_sandbox/calls", get(calls).delete(clear_calls))
        .route("/_sandbox/world", get(world))
        .route(
            "/_sandbox/faults",
            get(faults).post(add_faults).delete(clear_faults),
        )
        .route("/_sandbox/release", post(release))
        .route("/_sandbox/connections", get(connections))
        .route("/_sandbox/apps", post(add_app))
        .route("/_sandbox/tokens/expire", post(expire_tokens))
        .route(
            "/_sandbox/clock",
            get(mail::show_clock).post(mail::set_clock),
        )
        .route("/_sandbox/advance", post(mail::advance))
        .route("/_sandbox/read", post(mail::read))
        .route("/_sandbox/inbox", get(mail::inbox))
        .route("/_sandbox/dingtalk/groups", post(dingtalk::put_group))
        .route("/_sandbox/dingtalk/roles", post(dingtalk::put_role))
        .route("/_sandbox/tasklists", post(edits::add_tasklist))
        .route("/_sandbox/tasklists/{guid}", delete(edits::delete_tasklist))
        .route(
            "/_sandbox/tasklists/{guid}/members",
            post(edits::add_member),
        )
        .route(
            "/_sandbox/tasklists/{guid}/members/{id}",
            delete(edits::remove_member),
        )
        .route(
            "/_sandbox/tasklists/{guid}/subscriptions",
            post(edits::add_subscription),
        )
        .route(
            "/_sandbox/subscriptions/{guid}",
            post(edits::change_subscription).delete(edits::delete_subscription),
        )
        .route(
            "/_sandbox/users",
            get(people::list_users).post(people::add_users),
        )
        .route(
            "/_sandbox/users/{id}",
            get(people::get_user)
                .post(people::change_user)
                .delete(people::delete_user),
        )
        .route(
            "/_sandbox/departments",
            get(people::list_departments).post(people::add_departments),
        )
        .route(
            "/_sandbox/departments/{id}",
            post(people::change_department).delete(people::delete_department),
        )
        .route("/_sandbox/user_groups", post(groups::add))
        .route(
            "/_sandbox/user_groups/{id}",
            post(groups::change).delete(groups::delete),
        )
        .route(
            "/_sandbox/user_groups/{id}/members",
            post(groups::add_member),
        )
        .route(
            "/_sandbox/user_groups/{id}/members/{member}",
            delete(groups::remove_member),
        )
        .route("/_sandbox/enos/orgs", post(enos::put_org))
        .route("/_sandbox/enos/groups", post(enos::put_group))
        .route("/_sandbox/tenant", post(people::change_tenant))
        .route("/_sandbox/chats", post(edits::add_chat))
        .route(
            "/_sandbox/chats/{id}",
            post(edits::edit_chat).delete(edits::dissolve_chat),
        )
        .route("/_sandbox/chats/{id}/members", post(edits::add_to_chat))
        .route(
            "/_sandbox/chats/{id}/members/{member}",
            delete(edits::remove_from_chat),
        )
}

/// Reads a body whatever its Content-Type says; an empty one is `{}`.
fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, Trouble> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| Trouble::Bad(error.to_string()))
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    after: i64,
    operation: Option<String>,
}

async fn calls(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Reply {
    shared
        .act(move |_, moment| {
            let calls = log::read(moment, which.after, which.operation.as_deref())?;
            Ok(Json(json!({"calls": calls})))
        })
        .await
}

async fn clear_calls(State(shared): State<Arc<Shared>>) -> Reply {
    shared
        .act(|_, moment| {
            log::clear(moment)?;
            Ok(Json(json!({})))
        })
        .await
}

async fn world(State(shared): State<Arc<Shared>>) -> Reply {
    shared
        .act(|_, moment| {
            let tasklists: Vec<Found<Tasklist>> =
                moment.list(Tasklist::KIND, None, View::Present)?;
            let subscriptions: Vec<Found<Subscription>> =
                moment.list(Subscription::KIND, None, View::Present)?;
            let chats: Vec<Found<Chat>> = moment.list(Chat::KIND, None, View::Present)?;
            let groups: Vec<Found<UserGroup>> =
                moment.list(UserGroup::KIND, None, View::Present)?;
            let (enos_orgs, enos_groups) = enos::all(moment)?;
            let (dingtalk_groups, dingtalk_roles) = dingtalk::all(moment)?;
            Ok(Json(json!({
                "apps": feishu::apps(moment)?,
                "tasklists": rows(tasklists, "guid", None)?,
                "subscriptions": rows(subscriptions, "guid", Some("tasklist_guid"))?,
                "chats": rows(chats, "chat_id", None)?,
                "enos_orgs": enos_orgs,
                "enos_groups": enos_groups,
                "dingtalk_groups": dingtalk_groups,
                "dingtalk_roles": dingtalk_roles,
                "user_groups": rows(groups, "id", None)?,
                "users": people::all_people(moment)?,
                "departments": people::all_departments(moment)?,
            })))
        })
        .await
}

fn rows<T: serde::Serialize>(
    found: Vec<Found<T>>,
    id: &str,
    parent: Option<&str>,
) -> Result<Vec<Value>, WorldError> {
    let row = |found: Found<T>| {
        let mut row = Map::from_iter([(id.to_owned(), found.id.into())]);
        if let Some(parent) = parent {
            row.insert(parent.to_owned(), found.parent.into());
        }
        if let Value::Object(fields) = serde_json::to_value(&found.doc)? {
            row.extend(fields);
        }
        Ok(Value::Object(row))
    };
    found.into_iter().map(row).collect()
}

async fn faults(State(shared): State<Arc<Shared>>) -> Reply {
    let faults: Vec<Value> = shared
        .board
        .list()
        .into_iter()
        .map(|(fault, counted)| json!({"fault": fault, "counted": counted}))
        .collect();
    // Asked inside of a moment: a call that is counted here is in the log.
    shared
        .act(move |shared, _| {
            Ok(Json(
                json!({"faults": faults, "held": shared.holds.waiting()}),
            ))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFaults {
    fault: Option<String>,
    #[serde(default)]
    faults: Vec<String>,
    seed: Option<u64>,
    /// The text of a fault file.
    program: Option<String>,
}

async fn add_faults(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewFaults = parsed(&body)?;
    let bad = |error: &dyn std::error::Error| Trouble::Bad(error.to_string());
    let mut program: Program = match &new.program {
        Some(text) => text
            .parse()
            .map_err(|error: super::ProgramError| bad(&error))?,
        None => Program::default(),
    };
    for text in new.fault.iter().chain(&new.faults) {
        let fault: Result<Fault, super::FaultParseError> = text.parse();
        program.faults.push(fault.map_err(|error| bad(&error))?);
    }
    shared.board.add(program.faults, new.seed.or(program.seed));
    Ok(Json(json!({})))
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Reply {
    shared.board.clear();
    Ok(Json(json!({})))
}

/// How many connections are open, the one that asks included. Whoever asks by a new connection hears of all
/// that came before it.
async fn connections(State(shared): State<Arc<Shared>>) -> Reply {
    Ok(Json(json!({"open": shared.connections.open()})))
}

async fn release(State(shared): State<Arc<Shared>>) -> Reply {
    Ok(Json(json!({"released": shared.holds.release()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewApp {
    app_id: String,
    app_secret: String,
}

async fn add_app(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let app: NewApp = parsed(&body)?;
    shared
        .act(move |_, moment| {
            feishu::register(moment, &app.app_id, &app.app_secret)?;
            Ok(Json(json!({"app_id": app.app_id})))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expiry {
    #[serde(default)]
    seconds: i64,
}

async fn expire_tokens(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let expiry: Expiry = parsed(&body)?;
    shared
        .act(move |_, moment| {
            feishu::expire_all(moment, expiry.seconds)?;
            Ok(Json(json!({})))
        })
        .await
}
