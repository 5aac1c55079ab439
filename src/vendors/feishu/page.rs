//! Lists that come in pages, read whole or not at all: a list that is short would say of what it lacks
//! that it is gone.

use std::collections::HashSet;

use super::Feishu;
use super::call::Ask;
use super::wire::{Entry, Page, data};
use crate::engine::{Answer, ApiError};

/// The most pages that are read: a hundred thousand entries.
const PAGES: usize = 1000;

/// Reads every page. The last one says so; its empty token would start again at page one.
pub(super) async fn all<T: Entry>(
    feishu: &Feishu,
    operation: &'static str,
    ids: &[&str],
    query: &[(&str, &str)],
) -> Result<Vec<T>, ApiError> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let mut tokens = HashSet::new();
    let mut token = String::new();
    loop {
        let mut query = query.to_vec();
        if !token.is_empty() {
            query.push(("page_token", &token));
        }
        let ask = Ask::new(operation).ids(ids).query(&query);
        let page: Page<T> = feishu.call(&ask, data).await?;
        let (before, some) = (found.len(), !page.items.is_empty());
        for entry in page.items {
            if known.insert(entry.id().to_owned()) {
                found.push(entry);
            }
        }
        let repeated = some && found.len() == before;
        let stuck =
            page.has_more && (page.page_token.is_empty() || tokens.contains(&page.page_token));
        if repeated || stuck || tokens.len() >= PAGES {
            return Err(ApiError::Unknown(Answer {
                operation: operation.to_owned(),
                message: format!(
                    "the pages of the list do not end (page {})",
                    tokens.len() + 1
                ),
                ..Answer::default()
            }));
        }
        if !page.has_more {
            return Ok(found);
        }
        token.clone_from(&page.page_token);
        tokens.insert(page.page_token);
    }
}
