//! Calls as they are made at DingTalk and EnOS: a turn, a token, the exchange, the verdict on the
//! answer, and whether to try again.
//!
//! It knows no vendor: how a request is made and an answer understood is what a [`Client`] says. Of
//! calls that only read, the last attempt's answer is the one that counts; of a write, `doubt.rs` says
//! what its attempts have done in all.
//!
//! # Guarantees
//!
//! - A write is made again after an unknown outcome only where its row lets it be repeated.
//! - What the vendor says of people is kept in no error and told in no event: an answer that shows
//!   somebody is not kept at all, and addresses and numbers are struck out of all others, as tokens and
//!   the secret are.
//! - A call whose token is refused is repeated once with a new one.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::doubt::{in_all, unsent};
use super::http::{self, Http, Lost, Reply, Request};
use super::limits::catalogue::Rule;
use super::limits::{Reaction, Row};
use super::pace::Pace;
use super::redact::{Secrets, cut, strike_contacts};
use super::retry::{Patience, Tries};
use super::token::{Fetched, Tokens};
use crate::engine::{Answer, ApiError};
use crate::model::AppId;

/// How much of a body an error keeps.
const BODY_KEPT: usize = 2048;

/// How much of the vendor's words an error keeps.
const MESSAGE_KEPT: usize = 500;

/// How much of a log id is kept.
const LOG_ID_KEPT: usize = 128;

/// How far clocks may differ before that is taken for the cause of a refusal. `Date` is to the second, and
/// the answer was under way.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The members of an answer's object.
pub(crate) type Members = Map<String, Value>;

/// What all calls of one client share.
pub(crate) struct Link {
    pub(crate) app: AppId,
    pub(crate) secrets: Secrets,
    pub(crate) pace: Pace,
    pub(crate) patience: Patience,
    pub(crate) manner: Manner,
    /// The clock that requests are signed with, where the vendor holds it against its own.
    pub(crate) signs_by: Option<fn() -> Timestamp>,
}

/// How a vendor's answers are understood.
pub(crate) struct Manner {
    /// The vendor's name.
    pub(crate) vendor: &'static str,
    /// Reads what every answer of the vendor has; none when this is no answer of it.
    pub(crate) envelope: fn(&Members) -> Option<Envelope>,
    /// What the contract says about a code.
    pub(crate) rule: fn(&str) -> Option<Rule>,
    /// What a person can do about a code.
    pub(crate) hint: fn(&Row, &str) -> Option<&'static str>,
    /// The statuses that stand for a bad token where no code that the contract lists says more.
    pub(crate) unauthorized: &'static [u16],
    /// The codes that may mean that a clock is off.
    pub(crate) untimely: &'static [&'static str],
}

/// What every answer of a vendor has.
pub(crate) struct Envelope {
    /// The code that counts.
    pub(crate) code: String,
    /// Whether that is success.
    pub(crate) ok: bool,
    /// The vendor's words.
    pub(crate) message: Option<String>,
    /// What to quote to the vendor's support.
    pub(crate) log_id: Option<String>,
}

/// What differs between vendors about making a call.
pub(crate) trait Client: Sync {
    fn link(&self) -> &Link;

    fn tokens(&self) -> &Tokens<SecretString>;

    /// Fetches a token and teaches [`Link::secrets`] what it is.
    fn fetch(&self) -> impl Future<Output = Result<Fetched<SecretString>, ApiError>> + Send;

    /// A request as it is sent once, or why there can be none.
    fn request<'a>(&'a self, row: &Row, token: &str, body: &'a str) -> Made<'a>;
}

/// A request and where it goes.
pub(crate) type Made<'a> = Result<(&'a Http, Request<'a>), String>;

/// A failed attempt.
struct Failure {
    error: ApiError,
    next: Next,
    /// Attempts in all, where the contract bounds them.
    most: Option<u32>,
}

/// What may follow a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing.
    Stop,
    /// The same with a new token, once.
    Renew,
    /// The same after a back-off.
    Again,
    /// The same after that time, before which nobody calls this endpoint.
    Throttled(Option<Duration>),
}

/// Whether a call changes anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Something,
}

/// Fetches a token, or finds that there is a good one.
pub(crate) async fn sign_in<C: Client>(client: &C) -> Result<(), ApiError> {
    client.tokens().get(client.fetch()).await.map(drop)
}

/// Makes a call that only reads, as often as the contract allows.
pub(crate) async fn read<C: Client, T>(
    client: &C,
    row: &'static Row,
    body: &str,
    read: impl Fn(Members) -> Result<T, String>,
) -> Result<T, ApiError> {
    call(client, row, body, read, Effect::Nothing).await
}

/// Makes a call that changes something, and says of all its attempts what they have done.
pub(crate) async fn write<C: Client, T>(
    client: &C,
    row: &'static Row,
    body: &str,
    read: impl Fn(Members) -> Result<T, String>,
) -> Result<T, ApiError> {
    call(client, row, body, read, Effect::Something).await
}

/// Makes a call of either sort.
pub(crate) async fn call<C: Client, T>(
    client: &C,
    row: &'static Row,
    body: &str,
    read: impl Fn(Members) -> Result<T, String>,
    effect: Effect,
) -> Result<T, ApiError> {
    let link = client.link();
    let mut tries = Tries::new(link.patience);
    let mut renewed = false;
    // The first attempt of a write that may have had an effect: nothing that follows can make that
    // unsaid.
    let mut doubt: Option<Answer> = None;
    loop {
        let (failure, token) = match attempt(client, row, body, &read, tries.attempt).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let Failure { error, next, most } = failure;
        let (error, is_unknown) = match (effect, token) {
            // It never left, whatever became of the token's call.
            (Effect::Something, None) => (unsent(error), false),
            (Effect::Something, Some(_)) => {
                let is_unknown = matches!(error, ApiError::Unknown(_));
                (error, is_unknown)
            }
            (Effect::Nothing, _) => (error, false),
        };
        if is_unknown && !row.repeatable {
            return Err(in_all(doubt, error));
        }
        match token {
            Some(token) if next == Next::Renew && !renewed => {
                renewed = true;
                client.tokens().discard(token).await;
            }
            _ if link.wait(row, &mut tries, next, most).await => {}
            _ => return Err(in_all(doubt, error)),
        }
        if let (true, ApiError::Unknown(answer)) = (is_unknown, error) {
            doubt.get_or_insert(answer);
        }
    }
}

/// Makes one attempt; a failure comes with the number of the token that it was made with.
async fn attempt<C: Client, T>(
    client: &C,
    row: &'static Row,
    body: &str,
    read: impl Fn(Members) -> Result<T, String>,
    attempt: u32,
) -> Result<T, (Failure, Option<u64>)> {
    let link = client.link();
    let no_token = |error| {
        let failure = Failure {
            error,
            next: Next::Stop,
            most: None,
        };
        (failure, None)
    };
    // Before the turn, so that a wrong secret shows at once; after it, because turns can be long in
    // coming.
    client
        .tokens()
        .get(client.fetch())
        .await
        .map_err(no_token)?;
    let under_way = link.pace.turn(row.operation).await;
    let token = client
        .tokens()
        .get(client.fetch())
        .await
        .map_err(no_token)?;
    let made = client.request(row, token.value.expose_secret(), body);
    let answer = link.exchange(row, attempt, made, &read).await;
    drop(under_way);
    answer.map_err(|failure| (failure, Some(token.number)))
}

impl Link {
    /// The same for a call that has no token, because it is to bring one. The time is when it left.
    pub(crate) async fn call_without_token<'a, T>(
        &self,
        row: &'static Row,
        make: impl Fn() -> Made<'a>,
        read: impl Fn(Members, Instant) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let mut tries = Tries::new(self.patience);
        loop {
            let asked_at = Instant::now();
            let read = |members| read(members, asked_at);
            match self.exchange(row, tries.attempt, make(), &read).await {
                Ok(answer) => return Ok(answer),
                Err(Failure { error, next, most }) => {
                    if !self.wait(row, &mut tries, next, most).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits as a failure asks for; not when it is time to give up.
    async fn wait(&self, row: &Row, tries: &mut Tries, next: Next, most: Option<u32>) -> bool {
        if most.is_some_and(|most| tries.attempt >= most) {
            return false;
        }
        let told = match next {
            Next::Stop | Next::Renew => return false,
            Next::Again => None,
            Next::Throttled(told) => told,
        };
        let Some(wait) = tries.again(told) else {
            return false;
        };
        if next != Next::Again {
            self.pace.freeze(row.operation, wait);
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// Sends a request once and judges the answer.
    async fn exchange<T>(
        &self,
        row: &Row,
        attempt: u32,
        made: Made<'_>,
        read: impl Fn(Members) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let unreachable = |why: &str, next| Failure {
            error: ApiError::Unreachable(self.clean(why, MESSAGE_KEPT)),
            next,
            most: None,
        };
        let mut status = None;
        let outcome = match made {
            Err(why) => Err(unreachable(&why, Next::Stop)),
            Ok((http, request)) => match http.exchange(request).await {
                Ok(reply) => {
                    status = Some(reply.status);
                    match self.judge(row, &reply).map(read) {
                        Ok(Ok(answer)) => Ok(answer),
                        Ok(Err(why)) => {
                            let why = format!("the answer cannot be read: {why}");
                            Err(self.unknown(row, Some(&reply), why))
                        }
                        Err(failure) => Err(failure),
                    }
                }
                Err(Lost::Unreachable(why)) => Err(unreachable(&why, Next::Again)),
                Err(Lost::Unanswered { partial, why }) => {
                    Err(self.unknown(row, partial.as_ref(), why))
                }
            },
        };
        self.tell(row, start, attempt, status, outcome.as_ref().err());
        outcome
    }

    #[expect(
        clippy::result_large_err,
        reason = "made once a call, which takes milliseconds"
    )]
    fn judge(&self, row: &Row, reply: &Reply) -> Result<Members, Failure> {
        let members: Option<Members> = serde_json::from_slice(&reply.body).ok();
        let envelope = members.as_ref().and_then(self.manner.envelope);
        let (Some(members), Some(envelope)) = (members, envelope) else {
            let mut failure = self.unknown(row, Some(reply), self.stranger(reply));
            if self.manner.unauthorized.contains(&reply.status) {
                failure.next = Next::Renew;
            }
            return Err(failure);
        };
        let rule = (self.manner.rule)(&envelope.code);
        // A 5xx comes from who knows which hop, and a redirect from no API; their codes prove nothing.
        let reaction = match reply.status {
            200..=299 if envelope.ok => return Ok(members),
            200..=299 | 400..=499 => rule.map(|rule| rule.reaction),
            _ => None,
        };
        let message = envelope.message.filter(|words| !words.is_empty());
        let message = message.unwrap_or_else(|| format!("code {}", envelope.code));
        // A code that is a word stands nowhere else.
        let message = match envelope.code.parse::<i64>() {
            Ok(_) => message,
            Err(_) => format!("{}: {message}", envelope.code),
        };
        let next = match reaction {
            Some(Reaction::Done) => return Ok(members),
            Some(Reaction::Never | Reaction::NextWindow | Reaction::There) => Next::Stop,
            Some(Reaction::RefreshToken) => Next::Renew,
            Some(Reaction::AfterReset) => Next::Throttled(rule.and_then(|rule| rule.wait)),
            Some(Reaction::Backoff | Reaction::InPart | Reaction::NeverUnlessInternal) | None => {
                let mut failure = self.unknown(row, Some(reply), message);
                failure.most = rule.and_then(|rule| rule.most);
                if reaction.is_some() {
                    failure.next = Next::Again;
                } else if self.manner.unauthorized.contains(&reply.status) {
                    failure.next = Next::Renew;
                }
                return Err(failure);
            }
        };
        Err(Failure {
            error: ApiError::Refused(self.answer(row, Some(reply), &message)),
            next,
            most: rule.and_then(|rule| rule.most),
        })
    }

    /// What is wrong with an answer that is none of the vendor's.
    fn stranger(&self, reply: &Reply) -> String {
        if reply.body.is_empty() {
            return "the answer is empty".to_owned();
        }
        let what = reply.headers.get("content-type");
        let what = what.and_then(|v| v.to_str().ok()).unwrap_or("no type");
        format!(
            "the answer is not {}'s envelope ({what})",
            self.manner.vendor
        )
    }

    /// The failure of an attempt that has no answer to go by.
    fn unknown(&self, row: &Row, reply: Option<&Reply>, why: String) -> Failure {
        let next = match reply.map(|reply| reply.status) {
            Some(429) => Next::Throttled(None),
            // A time-out and "too early" pass; what else a 3xx or 4xx means stays as it is.
            Some(300..=407 | 409..=424 | 426..=499) => Next::Stop,
            _ => Next::Again,
        };
        Failure {
            error: ApiError::Unknown(self.answer(row, reply, &why)),
            next,
            most: None,
        }
    }

    /// What is kept of an answer: bounded, without secrets, and without people.
    fn answer(&self, row: &Row, reply: Option<&Reply>, message: &str) -> Answer {
        let read = |reply: &Reply| {
            let members: Members = serde_json::from_slice(&reply.body).ok()?;
            (self.manner.envelope)(&members)
        };
        let envelope = reply.and_then(read);
        let code = envelope.as_ref().map(|envelope| envelope.code.as_str());
        let body = reply.map_or(String::new(), |reply| {
            let text = String::from_utf8_lossy(&reply.body);
            if shows_much(&text, reply.status, envelope.as_ref()) {
                String::new()
            } else {
                self.clean(&text, BODY_KEPT)
            }
        });
        let off = reply.and_then(|reply| self.clock_is_off(reply, code));
        let message = match &off {
            Some(off) => Cow::Owned(format!("{message}; {off}")),
            None => Cow::Borrowed(message),
        };
        let log_id = envelope.as_ref().and_then(|e| e.log_id.as_deref());
        let log_id = log_id.map(|text| {
            let text = self.secrets.strike(text);
            let graphic = text.chars().filter(char::is_ascii_graphic);
            graphic.take(LOG_ID_KEPT).collect::<String>()
        });
        Answer {
            operation: row.operation.to_owned(),
            status: reply.map(|reply| reply.status),
            code: code.and_then(|code| code.parse().ok()),
            message: self.clean(&message, MESSAGE_KEPT),
            log_id: log_id.filter(|text| !text.is_empty()),
            body,
            // What else the code may mean is the less likely.
            hint: match off {
                Some(_) => Some(format!(
                    "{} takes what is signed close to its own time alone.",
                    self.manner.vendor
                )),
                None => code
                    .and_then(|code| (self.manner.hint)(row, code))
                    .map(str::to_owned),
            },
        }
    }

    /// How far the clock that signs is off, where that may be why the vendor does not take a request, and what
    /// to do.
    fn clock_is_off(&self, reply: &Reply, code: Option<&str>) -> Option<String> {
        let now = self.signs_by?();
        let may_be = match code {
            Some(code) => self.manner.untimely.contains(&code),
            None => self.manner.unauthorized.contains(&reply.status),
        };
        let said = http::date(&reply.headers).filter(|_| may_be)?;
        let off = now.duration_since(said);
        let side = if off.is_negative() {
            "behind"
        } else {
            "ahead of"
        };
        (off.abs() > SKEW).then(|| {
            format!(
                "this machine's clock is {} s {side} {}'s: let it keep time by NTP",
                off.abs().as_secs(),
                self.manner.vendor
            )
        })
    }

    fn clean(&self, text: &str, limit: usize) -> String {
        cut(strike_contacts(&self.secrets.strike(text)), limit)
    }

    fn tell(
        &self,
        row: &Row,
        start: Instant,
        attempt: u32,
        status: Option<u16>,
        failure: Option<&Failure>,
    ) {
        let error = failure.map(|failure| &failure.error);
        let answer = error.and_then(ApiError::answer);
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            app = %self.app,
            operation = row.operation,
            attempt,
            ms,
            status,
            code = answer.and_then(|answer| answer.code),
            log_id = answer.and_then(|answer| answer.log_id.as_deref()),
            error = error.map(tracing::field::display),
            next = failure.map(|failure| tracing::field::debug(failure.next)),
            "call"
        );
    }
}

/// Whether an answer may show people or a token: a success, what may be a part of one, and whatever
/// speaks of a token.
fn shows_much(text: &str, status: u16, envelope: Option<&Envelope>) -> bool {
    let success = match envelope {
        Some(envelope) => envelope.ok,
        None => (200..=299).contains(&status) && !text.trim_start().starts_with('<'),
    };
    let lower = text.to_ascii_lowercase();
    success || lower.contains("accesstoken\"") || lower.contains("access_token\"")
}

/// Takes a member of an answer that is an object.
pub(crate) fn member<T: for<'de> Deserialize<'de>>(
    mut members: Members,
    name: &str,
) -> Result<T, String> {
    let value = members.remove(name).unwrap_or(Value::Null);
    // serde would read a list as an object whose members come in order.
    if !value.is_object() {
        return Err(format!("{name} is not an object"));
    }
    serde_json::from_value(value).map_err(|error| match error.to_string() {
        // Other errors quote what they found.
        missing if missing.starts_with("missing field") => format!("{name}: {missing}"),
        _ => format!("{name} is not as documented"),
    })
}

/// A member that is text, or a number in its stead, as text.
pub(crate) fn text(members: &Members, name: &str) -> Option<String> {
    let text = match members.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
