//! Organisation units and user groups of EnOS, which its API cannot change.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::person;
use super::{Reply, Trouble, parsed, rows};
use crate::sandbox::enos::{Group, Org};
use crate::sandbox::serve::Shared;
use crate::sandbox::world::{Moment, View};

#[derive(Deserialize)]
struct NewOrg {
    id: String,
    #[serde(default)]
    denied: bool,
    #[serde(default)]
    ignores_user_ids: bool,
}

/// Puts an OU in the place of the one with that id, if there is one.
pub(super) async fn put_org(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewOrg = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let org = Org {
                denied: new.denied,
                ignores_user_ids: new.ignores_user_ids,
            };
            moment.erase(Org::KIND, &new.id)?;
            moment.insert_as_old(Org::KIND, &new.id, "", &org)?;
            Ok(Json(json!({"id": new.id})))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    id: String,
    name: Option<String>,
    org_id: Option<String>,
    #[serde(default)]
    users: Vec<String>,
}

/// Puts a user group in the place of the one with that id, if there is one.
pub(super) async fn put_group(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewGroup = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let users = new.users.iter().map(|id| Ok(person(id, moment)?.id));
            let group = Group {
                users: users.collect::<Result<_, Trouble>>()?,
                name: new.name.unwrap_or_else(|| new.id.clone()),
            };
            let org = new.org_id.unwrap_or_else(|| Org::ALWAYS.to_owned());
            moment.erase(Group::KIND, &new.id)?;
            moment.insert_as_old(Group::KIND, &new.id, &org, &group)?;
            Ok(Json(json!({"id": new.id})))
        })
        .await
}

/// All of them as rows.
pub(super) fn all(moment: &Moment<'_>) -> Result<(Vec<Value>, Vec<Value>), Trouble> {
    let orgs = moment.list::<Org>(Org::KIND, None, View::Present)?;
    let groups = moment.list::<Group>(Group::KIND, None, View::Present)?;
    Ok((rows(orgs, "id", None)?, rows(groups, "id", Some("org_id"))?))
}
