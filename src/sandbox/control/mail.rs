//! The clock, and what people do with messages: they come by time, and somebody reads them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::people::person;
use super::{Reply, Trouble, parsed};
use crate::sandbox::inbox::{self, Inbox};
use crate::sandbox::mail::Sent;
use crate::sandbox::serve::Shared;
use crate::sandbox::world::Moment;

/// The longest step of the clock: a thousand years, so that no sum of instants overflows.
const LONGEST_MS: i64 = 1_000 * 366 * 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    advance_ms: Option<i64>,
    at: Option<jiff::Timestamp>,
}

/// Sets the clock forward, by so much or to an instant, and says what it shows.
pub(super) async fn set_clock(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let clock: Clock = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let ms = match (clock.advance_ms, clock.at) {
                (Some(ms), None) => ms,
                (None, Some(at)) => at.as_millisecond() - moment.now_ms,
                _ => return Err(Trouble::Bad("expected advance_ms or at".to_owned())),
            };
            advanced(ms, moment)
        })
        .await
}

/// What the clock shows.
pub(super) async fn show_clock(State(shared): State<Arc<Shared>>) -> Reply {
    shared
        .act(|_, moment| Ok(Json(json!({"now": inbox::time(moment.now_ms)}))))
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

/// Lets so many seconds go by at once.
pub(super) async fn advance(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let advance: Advance = parsed(&body)?;
    shared
        .act(move |_, moment| advanced(advance.seconds.saturating_mul(1000), moment))
        .await
}

fn advanced(ms: i64, moment: &Moment<'_>) -> Reply {
    if !(0..=LONGEST_MS).contains(&ms) {
        return Err(Trouble::Bad("the clock goes forward alone".to_owned()));
    }
    moment.advance(ms)?;
    Ok(Json(json!({"now": inbox::time(moment.now_ms + ms)})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    person: Option<String>,
    message: Option<String>,
}

/// Somebody reads a message, or all that has come; without a person everybody who got it does.
pub(super) async fn read(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let read: Read = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let reader = match &read.person {
                Some(id) => Some(person(id, moment)?.id),
                None => None,
            };
            let mut seen = 0;
            for sent in Sent::all(moment)? {
                let wanted = read
                    .message
                    .as_deref()
                    .is_none_or(|id| sent.vendors_id() == id);
                if !wanted || sent.withdrawn(moment.now_ms).is_some() {
                    continue;
                }
                for to in sent.deliveries(moment)? {
                    let his = reader.as_ref().is_none_or(|id| *id == to.person);
                    if his && sent.came(&to, moment.now_ms).is_some() {
                        to.mark_read(moment)?;
                        seen += 1;
                    }
                }
            }
            if seen == 0 {
                return Err(Trouble::Missing("such message that has come".to_owned()));
            }
            Ok(Json(json!({"read": seen})))
        })
        .await
}

/// What has come to whom.
pub(super) async fn inbox(State(shared): State<Arc<Shared>>) -> Reply {
    shared
        .act(|_, moment| Ok(Json(Inbox::of(moment)?.json())))
        .await
}
