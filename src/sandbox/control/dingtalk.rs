//! Group chats and roles of DingTalk, which its API here cannot change.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::person;
use super::{Reply, Trouble, parsed, rows};
use crate::sandbox::APP_ID;
use crate::sandbox::dingtalk::{Group, Role};
use crate::sandbox::serve::Shared;
use crate::sandbox::world::{Moment, View};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    id: String,
    name: Option<String>,
    #[serde(default)]
    users: Vec<String>,
    robots: Option<Vec<String>>,
    #[serde(default)]
    disbanded: bool,
}

/// Puts a group in the place of the one with that id, if there is one.
pub(super) async fn put_group(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewGroup = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let group = Group {
                users: people(&new.users, moment)?,
                name: new.name.unwrap_or_else(|| new.id.clone()),
                robots: new.robots.unwrap_or_else(|| vec![APP_ID.to_owned()]),
                disbanded: new.disbanded,
            };
            moment.erase(Group::KIND, &new.id)?;
            moment.insert_as_old(Group::KIND, &new.id, "", &group)?;
            Ok(Json(json!({"id": new.id})))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    id: i64,
    name: Option<String>,
    group_id: Option<i64>,
    group: Option<String>,
    #[serde(default)]
    users: Vec<String>,
}

/// Puts a role in the place of the one with that number, if there is one.
pub(super) async fn put_role(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewRole = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let id = new.id.to_string();
            let role = Role {
                users: people(&new.users, moment)?,
                name: new.name.unwrap_or_else(|| id.clone()),
                group_id: new.group_id.unwrap_or(1),
                group: new.group.unwrap_or_else(|| "Default".to_owned()),
            };
            moment.erase(Role::KIND, &id)?;
            moment.insert_as_old(Role::KIND, &id, "", &role)?;
            Ok(Json(json!({"id": new.id})))
        })
        .await
}

fn people(ids: &[String], moment: &Moment<'_>) -> Result<Vec<String>, Trouble> {
    ids.iter().map(|id| Ok(person(id, moment)?.id)).collect()
}

/// All of them as rows.
pub(super) fn all(moment: &Moment<'_>) -> Result<(Vec<Value>, Vec<Value>), Trouble> {
    let groups = moment.list::<Group>(Group::KIND, None, View::Present)?;
    let roles = moment.list::<Role>(Role::KIND, None, View::Present)?;
    Ok((rows(groups, "id", None)?, rows(roles, "id", None)?))
}
