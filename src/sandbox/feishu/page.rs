//! Pages of a list. The last one has an empty `page_token`, and sending that starts again at the
//! first page, as at the vendor: a client has to stop on `has_more`.

use serde_json::{Value, json};

use super::check::Query;
use super::envelope::Refusal;
use crate::sandbox::world::{Found, WorldError};

/// Where the page begins: after the object with this number.
pub(super) fn start(query: Query<'_>) -> Result<i64, Refusal> {
    let Some(token) = query.text("page_token") else {
        return Ok(0);
    };
    token
        .strip_prefix("p_")
        .and_then(|number| i64::from_str_radix(number, 16).ok())
        .ok_or_else(|| {
            Refusal::parameter("page_token", token, "not a token of this list".to_owned())
        })
}

/// One page of these objects, which come in order of creation.
pub(super) fn page<T>(
    items: impl Iterator<Item = Found<T>>,
    after: i64,
    size: usize,
    show: impl Fn(&str, &T) -> Result<Value, WorldError>,
) -> Result<Value, WorldError> {
    let rows = items.map(|item| (item.born, item));
    cut("items", rows, after, size, |item| show(&item.id, &item.doc))
}

/// One page of things with a growing number each, in an array of that name.
pub(super) fn cut<T>(
    name: &str,
    items: impl Iterator<Item = (i64, T)>,
    after: i64,
    size: usize,
    show: impl Fn(&T) -> Result<Value, WorldError>,
) -> Result<Value, WorldError> {
    let mut rest = items.filter(|(number, _)| *number > after);
    let mut last = 0;
    let shown = rest
        .by_ref()
        .take(size)
        .map(|(number, item)| {
            last = number;
            show(&item)
        })
        .collect::<Result<Vec<Value>, _>>()?;
    let has_more = rest.next().is_some();
    let page_token = if has_more {
        format!("p_{last:x}")
    } else {
        String::new()
    };
    Ok(json!({name: shown, "page_token": page_token, "has_more": has_more}))
}
