//! Contact user groups in the admin console, which knows no rules of the API.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::people::{department, merged, person};
use super::{Reply, Trouble, parsed};
use crate::sandbox::feishu::UserGroup;
use crate::sandbox::serve::Shared;
use crate::sandbox::world::{Found, Moment, View};

pub(super) async fn add(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let mut fields: Map<String, Value> = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let id = match fields.remove("id") {
                Some(Value::String(id)) => id,
                _ => uuid::Uuid::new_v4().simple().to_string()[..16].to_owned(),
            };
            let there: Option<Found<UserGroup>> =
                moment.find(UserGroup::KIND, &id, View::Present)?;
            if there.is_some() {
                return Err(Trouble::Bad(format!("there is a user group {id} already")));
            }
            let group = changed(&UserGroup::default(), fields, moment)?;
            moment.insert_as_old(UserGroup::KIND, &id, "", &group)?;
            Ok(Json(json!({"id": id})))
        })
        .await
}

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Reply {
    let fields: Map<String, Value> = parsed(&body)?;
    edit(shared, id, move |group, moment| {
        *group = changed(group, fields, moment)?;
        Ok(())
    })
    .await
}

/// The group with these fields, its members by any of their ids.
fn changed(
    group: &UserGroup,
    fields: Map<String, Value>,
    moment: &Moment<'_>,
) -> Result<UserGroup, Trouble> {
    let mut changed = merged(group, fields)?;
    for user in &mut changed.users {
        *user = person(user, moment)?.id;
    }
    for id in &mut changed.departments {
        *id = department(id, moment)?.id;
    }
    Ok(changed)
}

pub(super) async fn delete(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Reply {
    shared
        .act(move |_, moment| {
            find(&id, moment)?;
            moment.erase(UserGroup::KIND, &id)?;
            Ok(Json(json!({})))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    user: String,
}

pub(super) async fn add_member(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Reply {
    let new: NewMember = parsed(&body)?;
    edit(shared, id, move |group, moment| {
        let user = person(&new.user, moment)?.id;
        if !group.users.contains(&user) {
            group.users.push(user);
        }
        Ok(())
    })
    .await
}

pub(super) async fn remove_member(
    State(shared): State<Arc<Shared>>,
    Path((id, member)): Path<(String, String)>,
) -> Reply {
    edit(shared, id, move |group, moment| {
        let gone = person(&member, moment)?.id;
        let before = group.users.len();
        group.users.retain(|user| *user != gone);
        if group.users.len() == before {
            return Err(Trouble::Missing(format!("member {member}")));
        }
        Ok(())
    })
    .await
}

async fn edit(
    shared: Arc<Shared>,
    id: String,
    edit: impl FnOnce(&mut UserGroup, &Moment<'_>) -> Result<(), Trouble> + Send + 'static,
) -> Reply {
    shared
        .act(move |_, moment| {
            let mut found = find(&id, moment)?;
            edit(&mut found.doc, moment)?;
            moment.overwrite(UserGroup::KIND, &id, &found.doc)?;
            Ok(Json(json!({})))
        })
        .await
}

fn find(id: &str, moment: &Moment<'_>) -> Result<Found<UserGroup>, Trouble> {
    moment
        .find(UserGroup::KIND, id, View::Present)?
        .ok_or_else(|| Trouble::Missing(format!("user group {id}")))
}
