//! Tasklists, which are read only: by guid, and all of them page by page.

use std::collections::HashSet;

use super::Feishu;
use super::call::Ask;
use super::wire::{Members, OneTasklist, Tasklist, TasklistPage, data};
use crate::engine::{Answer, ApiError, RemoteTasklist};
use crate::model::TasklistGuid;
use crate::vendors::limits::{GET_TASKLIST, LIST_TASKLISTS};

/// The most pages that are read: a hundred thousand tasklists.
const PAGES: usize = 1000;

/// Reads every page. The last one says so; its empty token would start again at page one.
pub(super) async fn all(feishu: &Feishu) -> Result<Vec<RemoteTasklist>, ApiError> {
    let mut found = Vec::new();
    let mut guids = HashSet::new();
    let mut tokens = HashSet::new();
    let mut token = String::new();
    loop {
        let mut query = vec![("page_size", "100")];
        if !token.is_empty() {
            query.push(("page_token", &token));
        }
        let ask = Ask::new(LIST_TASKLISTS).query(&query);
        let page: TasklistPage = feishu.call(&ask, data).await?;
        for tasklist in page.items {
            if guids.insert(tasklist.guid.clone()) {
                found.push(known(tasklist));
            }
        }
        if !page.has_more {
            return Ok(found);
        }
        token = page.page_token;
        if token.is_empty() || !tokens.insert(token.clone()) || tokens.len() >= PAGES {
            return Err(ApiError::Unknown(Answer {
                operation: LIST_TASKLISTS.to_owned(),
                message: format!(
                    "the pages of the list do not end (page {})",
                    tokens.len() + 1
                ),
                ..Answer::default()
            }));
        }
    }
}

/// Reads one tasklist.
pub(super) async fn one(feishu: &Feishu, guid: &TasklistGuid) -> Result<RemoteTasklist, ApiError> {
    let ids = [guid.as_str()];
    let ask = Ask::new(GET_TASKLIST).ids(&ids);
    let read = |envelope: Members| data::<OneTasklist>(envelope);
    Ok(known(feishu.call(&ask, read).await?.tasklist))
}

fn known(wire: Tasklist) -> RemoteTasklist {
    RemoteTasklist {
        guid: TasklistGuid::new(&wire.guid),
        name: wire.name,
    }
}
