//! Tasklists, which are read only: by guid, and all of them page by page.

use super::call::Ask;
use super::wire::{Members, OneTasklist, Tasklist, data};
use super::{Feishu, page};
use crate::engine::{ApiError, RemoteTasklist};
use crate::model::TasklistGuid;
use crate::vendors::limits::{GET_TASKLIST, LIST_TASKLISTS};

/// Reads every page.
pub(super) async fn all(feishu: &Feishu) -> Result<Vec<RemoteTasklist>, ApiError> {
    let query = [("page_size", "100")];
    let found = page::all::<Tasklist>(feishu, LIST_TASKLISTS, &[], &query).await?;
    let app = feishu.link.app.as_str();
    Ok(found.into_iter().map(|wire| known(wire, app)).collect())
}

/// Reads one tasklist.
pub(super) async fn one(feishu: &Feishu, guid: &TasklistGuid) -> Result<RemoteTasklist, ApiError> {
    let ids = [guid.as_str()];
    let ask = Ask::new(GET_TASKLIST).ids(&ids);
    let read = |envelope: Members| data::<OneTasklist>(envelope);
    let wire = feishu.call(&ask, read).await?.tasklist;
    Ok(known(wire, feishu.link.app.as_str()))
}

fn known(wire: Tasklist, app: &str) -> RemoteTasklist {
    let member = wire.members.iter().find(|member| member.id == app);
    RemoteTasklist {
        guid: TasklistGuid::new(&wire.guid),
        name: wire.name,
        // Who is in neither place may have its right through a chat.
        may_edit: match member {
            _ if wire.owner.id == app => Some(true),
            Some(member) => Some(member.role == "editor"),
            None => None,
        },
    }
}
