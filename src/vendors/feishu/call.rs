//! One call: its turn, its token, the exchange, the verdict on the answer, and whether to try again.
//!
//! The verdict is the point of this file: `Refused` is said of codes that the contract lists as refused
//! before any effect, `Unreachable` of requests that never left, and `Unknown` of all else.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

use super::Feishu;
use super::codes;
use super::wire::{ErrorDetail, Members};
use crate::engine::{Answer, ApiError};
use crate::model::AppId;
use crate::vendors::doubt::{in_all, unsent};
use crate::vendors::http::{Body, Form, Http, Lost, Reply, Request};
use crate::vendors::limits::{
    BATCH_GET_USER_IDS, BATCH_GET_USERS, BATCH_PROGRESS, BATCH_READ_USER, BATCH_SEND,
    CREATE_MESSAGE, MESSAGE_READ_USERS, RECALL_BATCH, RECALL_MESSAGE, Reaction, Row, TOKEN,
    UPLOAD_IMAGE, row,
};
use crate::vendors::pace::Pace;
use crate::vendors::redact::{Secrets, cut, strike_contacts};
use crate::vendors::retry::{Patience, Tries};

/// How much of a body an error keeps.
const BODY_KEPT: usize = 2048;

/// How much of the vendor's words an error keeps.
const MESSAGE_KEPT: usize = 500;

/// How much of a log id is kept.
const LOG_ID_KEPT: usize = 128;

/// The calls whose requests and answers hold messages and their readers.
const MESSAGES: [&str; 8] = [
    BATCH_SEND,
    RECALL_BATCH,
    BATCH_READ_USER,
    BATCH_PROGRESS,
    CREATE_MESSAGE,
    RECALL_MESSAGE,
    MESSAGE_READ_USERS,
    UPLOAD_IMAGE,
];

/// What to ask.
pub(super) struct Ask<'a> {
    pub(super) row: &'static Row,
    ids: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
    form: Option<&'a Form>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(operation: &'static str) -> Self {
        Self {
            row: row(operation).expect("operations are constants of the table"),
            ids: &[],
            query: &[],
            body: None,
            form: None,
        }
    }

    /// What stands in the path's braces, in order.
    pub(super) fn ids(self, ids: &'a [&'a str]) -> Self {
        Self { ids, ..self }
    }

    pub(super) fn query(self, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { query, ..self }
    }

    pub(super) fn body(self, body: Option<&'a str>) -> Self {
        Self { body, ..self }
    }

    /// A form in place of a body.
    pub(super) fn form(self, form: &'a Form) -> Self {
        let form = Some(form);
        Self { form, ..self }
    }
}

/// A failed attempt.
pub(super) struct Failure {
    pub(super) error: ApiError,
    pub(super) next: Next,
}

/// What the attempts before may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: there were none, or they were refused.
    Nothing,
    /// Perhaps all of it.
    Perhaps,
}

/// What the contract lets follow a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Stop,
    /// The same with a new token, once.
    Renew,
    /// The same after a back-off.
    Again,
    /// The same after the time that the vendor told; nobody calls this operation before.
    Throttled(Option<Duration>),
}

/// What all calls of one client share.
pub(super) struct Link {
    pub(super) http: Http,
    pub(super) app: AppId,
    pub(super) secrets: Secrets,
    pub(super) pace: Pace,
    pub(super) patience: Patience,
}

impl Feishu {
    /// Makes a call and reads its answer, as often as its row allows.
    pub(super) async fn call<T>(
        &self,
        ask: &Ask<'_>,
        read: impl Fn(Members) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let row = ask.row;
        let mut tries = Tries::new(self.link.patience);
        let mut renewed = false;
        // The first attempt of a write that may have had an effect: nothing that follows can make
        // that unsaid.
        let mut doubt: Option<Answer> = None;
        loop {
            let before = match doubt {
                None => Before::Nothing,
                Some(_) => Before::Perhaps,
            };
            let attempt = self.attempt(ask, &read, tries.attempt, before).await;
            let (Failure { error, next }, token) = match attempt {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match (next, token) {
                (Next::Renew, Some(token)) if !renewed => {
                    renewed = true;
                    self.tokens.discard(token).await;
                    continue;
                }
                (Next::Stop | Next::Renew, _) => return Err(in_all(doubt, error)),
                (Next::Again, _) => match tries.again(None) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(in_all(doubt, error)),
                },
                (Next::Throttled(told), _) => match tries.again(told) {
                    Some(wait) => self.link.pace.freeze(row.operation, wait),
                    None => return Err(in_all(doubt, error)),
                },
            }
            if let (ApiError::Unknown(answer), false) = (error, row.is_read()) {
                doubt.get_or_insert(answer);
            }
        }
    }

    /// Makes one attempt; a failure comes with the number of the token that it was made with.
    async fn attempt<T>(
        &self,
        ask: &Ask<'_>,
        read: impl Fn(Members) -> Result<T, String>,
        attempt: u32,
        before: Before,
    ) -> Result<T, (Failure, Option<u64>)> {
        let unsent = |error| {
            let error = if ask.row.is_read() {
                error
            } else {
                unsent(error)
            };
            let next = Next::Stop;
            (Failure { error, next }, None)
        };
        // Before the turn, so that a wrong secret shows at once; after it, because turns can be long
        // in coming.
        self.tokens.get(&self.link).await.map_err(unsent)?;
        let under_way = self.link.pace.turn(ask.row.operation).await;
        let token = self.tokens.get(&self.link).await.map_err(unsent)?;
        let bearer = Some(token.value);
        let answer = self.link.exchange(ask, bearer, attempt, before).await;
        drop(under_way);
        let number = Some(token.number);
        let (reply, members) = answer.map_err(|failure| (failure, number))?;
        read(members).map_err(|why| {
            let why = format!("the answer cannot be read: {why}");
            (self.link.unknown(ask.row, Some(&reply), why), number)
        })
    }
}

impl Link {
    /// Sends a request once and judges the answer.
    pub(super) async fn exchange(
        &self,
        ask: &Ask<'_>,
        bearer: Option<HeaderValue>,
        attempt: u32,
        before: Before,
    ) -> Result<(Reply, Members), Failure> {
        let row = ask.row;
        let start = Instant::now();
        let outcome = match self.url(ask) {
            Err(why) => Err(Failure {
                error: ApiError::Unreachable(self.secrets.strike(&why)),
                next: Next::Stop,
            }),
            Ok(url) => {
                let request = Request {
                    method: row.method.clone(),
                    url,
                    headers: bearer.map(|it| (AUTHORIZATION, it)).into_iter().collect(),
                    body: match ask.form {
                        Some(form) => Some(Body::Form(form)),
                        None => ask.body.map(|body| Body::Json(body.into())),
                    },
                };
                match self.http.exchange(request).await {
                    Ok(reply) => self.judge(row, reply, before),
                    Err(Lost::Unreachable(why)) => Err(Failure {
                        error: ApiError::Unreachable(self.secrets.strike(&why)),
                        next: Next::Again,
                    }),
                    Err(Lost::Unanswered { partial, why }) => {
                        Err(self.unknown(row, partial.as_ref(), why))
                    }
                }
            }
        };
        self.tell(row, start, attempt, &outcome);
        outcome
    }

    fn url(&self, ask: &Ask<'_>) -> Result<reqwest::Url, String> {
        let mut ids = ask.ids.iter();
        let (path, is_folder) = match ask.row.path.split_last() {
            Some((&"", path)) => (path, true),
            _ => (ask.row.path, false),
        };
        let segments = path.iter().map(|segment| {
            if segment.starts_with('{') {
                ids.next().copied().unwrap_or_default()
            } else {
                segment
            }
        });
        let mut url = self.http.url(segments, ask.query)?;
        if is_folder {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }

    #[expect(
        clippy::result_large_err,
        reason = "made once a call, which takes milliseconds"
    )]
    fn judge(&self, row: &Row, reply: Reply, before: Before) -> Result<(Reply, Members), Failure> {
        let Some((code, members)) = envelope(&reply.body) else {
            let what = reply.headers.get("content-type");
            let what = what.and_then(|v| v.to_str().ok()).unwrap_or("no type");
            let why = if reply.body.is_empty() {
                "the answer is empty".to_owned()
            } else {
                format!("the answer is not Feishu's envelope ({what})")
            };
            return Err(self.unknown(row, Some(&reply), why));
        };
        let message = match members.get("msg").and_then(Value::as_str) {
            Some(msg) if !msg.is_empty() => msg.to_owned(),
            _ => format!("code {code}"),
        };
        // A 5xx comes from who knows which hop, and a redirect from no API; their codes prove nothing.
        let reaction = match reply.status {
            200..=299 if code == 0 => return Ok((reply, members)),
            200..=299 | 400..=499 => row.reaction(code),
            _ => None,
        };
        let next = match reaction {
            Some(Reaction::Done) => return Ok((reply, members)),
            Some(Reaction::There) if before == Before::Perhaps => return Ok((reply, members)),
            Some(Reaction::NeverUnlessInternal) if !is_internal(&message) => Next::Stop,
            Some(Reaction::Never | Reaction::NextWindow | Reaction::There) => Next::Stop,
            Some(Reaction::InPart | Reaction::NeverUnlessInternal) => {
                let mut failure = self.unknown(row, Some(&reply), message);
                failure.next = Next::Stop;
                return Err(failure);
            }
            Some(Reaction::RefreshToken) => Next::Renew,
            Some(Reaction::AfterReset) => Next::Throttled(reset(&reply.headers)),
            Some(Reaction::Backoff) => {
                let mut failure = self.unknown(row, Some(&reply), message);
                failure.next = if row.repeatable {
                    Next::Again
                } else {
                    Next::Stop
                };
                return Err(failure);
            }
            None => return Err(self.unknown(row, Some(&reply), message)),
        };
        let answer = self.answer(row, Some(&reply), message);
        let error = ApiError::Refused(answer);
        Err(Failure { error, next })
    }

    /// The failure of an attempt that may have had an effect.
    pub(super) fn unknown(&self, row: &Row, reply: Option<&Reply>, why: String) -> Failure {
        let status = reply.map(|reply| reply.status);
        let next = match status {
            _ if !row.repeatable => Next::Stop,
            Some(429) => Next::Throttled(reply.and_then(|reply| reset(&reply.headers))),
            // A time-out and "too early" pass; what else a 3xx or 4xx means stays as it is.
            Some(300..=407 | 409..=424 | 426..=499) => Next::Stop,
            _ => Next::Again,
        };
        let error = ApiError::Unknown(self.answer(row, reply, why));
        Failure { error, next }
    }

    /// What is kept of an answer: bounded, and without secrets.
    fn answer(&self, row: &Row, reply: Option<&Reply>, message: String) -> Answer {
        let read = reply.and_then(|reply| envelope(&reply.body));
        let detail = read.as_ref().map(|(_, members)| ErrorDetail::of(members));
        let detail = detail.unwrap_or_default();
        let code = read.as_ref().map(|(code, _)| *code);
        let body = reply.map_or(String::new(), |reply| {
            self.secrets.strike(&String::from_utf8_lossy(&reply.body))
        });
        // A token in an answer that could not be read was never learnt as a secret.
        let holds_token = row.operation == TOKEN && body.contains("access_token");
        // Nor are the addresses and numbers of people anywhere but in the answers that have them.
        let holds_people = [BATCH_GET_USER_IDS, BATCH_GET_USERS].contains(&row.operation);
        // What a message says and who has read it is nobody else's business either; a refusal has
        // none of it but what it quotes.
        let is_message = MESSAGES.contains(&row.operation);
        let holds_people = holds_people || (is_message && code.is_none_or(|code| code == 0));
        let strike = |text: &str| {
            let text = self.secrets.strike(text);
            if holds_people || is_message {
                strike_contacts(&text)
            } else {
                text
            }
        };
        Answer {
            operation: row.operation.to_owned(),
            status: reply.map(|reply| reply.status),
            code,
            message: cut(strike(&message), MESSAGE_KEPT),
            log_id: reply.and_then(|reply| log_id(&reply.headers, &detail)),
            body: if holds_token || holds_people {
                String::new()
            } else {
                cut(strike(&body), BODY_KEPT)
            },
            hint: code
                .and_then(|code| codes::hint(row.operation, code, &detail))
                .map(|hint| cut(strike(&hint), MESSAGE_KEPT)),
        }
    }

    fn tell(
        &self,
        row: &Row,
        start: Instant,
        attempt: u32,
        outcome: &Result<(Reply, Members), Failure>,
    ) {
        let error = outcome.as_ref().err().map(|failure| &failure.error);
        let answer = error.and_then(ApiError::answer);
        let (status, code, log_id) = match (outcome, answer) {
            (Ok((reply, members)), _) => {
                let code = members.get("code").and_then(Value::as_i64);
                let log_id = log_id(&reply.headers, &ErrorDetail::default());
                (Some(reply.status), code, log_id)
            }
            (Err(_), Some(answer)) => (answer.status, answer.code, answer.log_id.clone()),
            (Err(_), None) => (None, None, None),
        };
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = outcome.as_ref().err().map(|failure| failure.next);
        tracing::debug!(
            app = %self.app,
            operation = row.operation,
            attempt,
            ms,
            status,
            code,
            log_id,
            error = error.map(tracing::field::display),
            next = next.map(tracing::field::debug),
            "call"
        );
    }
}

/// Whether a refusal of content is no such thing, but a fault inside (page of `batch_send`, 11246).
fn is_internal(message: &str) -> bool {
    message.to_ascii_lowercase().contains("internal error")
}

/// Reads an envelope: an object with a whole number as `code`.
fn envelope(body: &[u8]) -> Option<(i64, Members)> {
    let members: Members = serde_json::from_slice(body).ok()?;
    let code = members.get("code")?.as_i64()?;
    Some((code, members))
}

/// Seconds to wait, as the gateway tells them; none when it does not, or not in a way that makes sense.
fn reset(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-ogw-ratelimit-reset")?.to_str().ok()?;
    let seconds: f64 = text.trim().trim_end_matches('s').parse().ok()?;
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn log_id(headers: &HeaderMap, detail: &ErrorDetail) -> Option<String> {
    let header = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let text = header("x-tt-logid")
        .or_else(|| header("x-request-id"))
        .or(detail.log_id.as_deref())?;
    let graphic = text.chars().filter(char::is_ascii_graphic);
    let text: String = graphic.take(LOG_ID_KEPT).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_read_leniently() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-ogw-ratelimit-reset", text.parse().unwrap());
            reset(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read(" 1.5 "), Some(Duration::from_millis(1500)));
        assert_eq!(read("30s"), Some(Duration::from_secs(30)));
        assert_eq!(read("1e300"), Some(Duration::MAX));
        assert_eq!(read("inf"), Some(Duration::MAX));
        for nonsense in [
            "",
            "soon",
            "-1",
            "NaN",
            "1,5",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(reset(&HeaderMap::new()), None);
    }

    #[test]
    fn an_envelope_has_a_whole_code() {
        assert!(envelope(br#"{"code":0}"#).is_some());
        for body in [
            "",
            "null",
            "[]",
            "0",
            "{}",
            r#"{"code":"0"}"#,
            r#"{"code":0.5}"#,
            r#"{"code":null}"#,
            r#"{"code":0"#,
            r#"{"code":0} trailing"#,
            "<html>",
        ] {
            assert!(envelope(body.as_bytes()).is_none(), "{body}");
        }
        assert!(envelope(&[b'['; 100_000]).is_none());
    }
}
