//! The way of one vendor call: read, met by faults, performed in one moment, logged, answered.
//!
//! The effect and its line in the log are one transaction. Once a call has been read it is
//! carried out even when its client goes away, as at a vendor; only a call that is held before
//! its effect goes with its client.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::map::Entry;
use serde_json::{Value, json};

use super::dingtalk;
use super::faults::{Board, Deed, Instead, Trouble};
use super::feishu;
use super::holds::{Holds, Ticket};
use super::multipart;
use super::trickle;
use super::vendor::{self, Answer, Asked, Outcome, Route};
use super::wire::{Connections, Shears};
use super::world::{Moment, View, World, WorldError};
use super::{enos, log, mail};

/// More than any call of the contract can carry, so that the vendor's own limit is what refuses.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Names of what no log may show.
const SECRETS: [&str; 6] = [
    "app_secret",
    "client_secret",
    "appSecret",
    "appsecret",
    "access_token",
    "accessToken",
];

/// What all calls share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: World,
    pub(super) board: Board,
    pub(super) enforce_limits: bool,
    pub(super) latency: Duration,
    pub(super) holds: Holds,
    pub(super) connections: Connections,
}

impl Shared {
    /// Acts on the world away from the async threads. A panic there is an internal error.
    pub(super) async fn act<T, E>(
        self: &Arc<Self>,
        act: impl FnOnce(&Shared, &Moment<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WorldError> + Send + 'static,
    {
        let shared = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            shared.world.transact(|moment| act(&shared, moment))
        });
        match task.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(
                error
                    .try_into_panic()
                    .unwrap_or_else(|error| Box::new(error.to_string())),
            ),
        }
    }
}

/// A request as it was read.
struct Arrived {
    method: String,
    path: String,
    route: Option<Route>,
    query: Vec<(String, String)>,
    authorization: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    log_id: String,
    trouble: Trouble,
}

/// What is left to do when a call has been performed.
struct Done {
    seq: i64,
    delivery: Delivery,
    /// What the call waits with before it is answered.
    hold: Option<Ticket>,
}

/// How the answer reaches the client.
enum Delivery {
    Whole(Answer),
    CutOff(Answer),
    /// The head and half of the body; the rest when the ticket is let go.
    Stalled(Answer, Ticket),
    /// The head, and so many bytes.
    Enormous(Answer, u64),
    Nothing,
}

impl Delivery {
    fn status(&self) -> Option<u16> {
        match self {
            Delivery::Whole(answer)
            | Delivery::CutOff(answer)
            | Delivery::Stalled(answer, _)
            | Delivery::Enormous(answer, _) => Some(answer.status),
            Delivery::Nothing => None,
        }
    }
}

/// Answers any request that is not for the control endpoints.
pub(super) async fn vendor_call(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(shears): ConnectInfo<Shears>,
    request: Request,
) -> Response {
    let log_id = new_log_id();
    let Some(arrived) = read(&shared, request, log_id.clone()).await else {
        return respond(
            feishu::malformed("the body cannot be read", &log_id),
            &log_id,
        );
    };
    let delivery = match carry_out(&shared, arrived, &shears).await {
        Ok(delivery) => delivery,
        Err(error) => {
            tracing::error!(%error, "the sandbox cannot answer");
            Delivery::Whole(feishu::server_error(500, "", &log_id))
        }
    };
    match delivery {
        Delivery::Whole(answer) => respond(answer, &log_id),
        Delivery::CutOff(answer) => {
            shears.cut_in_body();
            respond(answer, &log_id)
        }
        Delivery::Stalled(answer, ticket) => {
            with_body(answer, &log_id, |text| trickle::stalled(text, ticket))
        }
        Delivery::Enormous(answer, bytes) => {
            with_body(answer, &log_id, |_| trickle::enormous(bytes))
        }
        Delivery::Nothing => {
            shears.cut();
            Response::new(Body::empty())
        }
    }
}

async fn read(shared: &Shared, request: Request, log_id: String) -> Option<Arrived> {
    let (parts, body) = request.into_parts();
    let method = parts.method.as_str().to_owned();
    let path = parts.uri.path().to_owned();
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map(|Query(pairs)| pairs)
        .unwrap_or_default();
    let authorization = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = to_bytes(body, BODY_LIMIT).await.ok()?;
    let route = vendor::route(&method, &path);
    let trouble = route
        .as_ref()
        .map(|route| shared.board.meet(route))
        .unwrap_or_default();
    Some(Arrived {
        method,
        path,
        route,
        query,
        authorization,
        headers: parts.headers,
        body,
        log_id,
        trouble,
    })
}

async fn carry_out(
    shared: &Arc<Shared>,
    arrived: Arrived,
    shears: &Shears,
) -> Result<Delivery, WorldError> {
    let mut held = None;
    let arrived = Arc::new(arrived);
    if arrived.trouble.hold_before {
        let call = Arc::clone(&arrived);
        let (line, ticket) = shared
            .act(move |shared, moment| {
                let line = log::write(moment, &call.entry(0, "before"))?;
                Ok::<_, WorldError>((line, shared.holds.ticket()))
            })
            .await?;
        held = Some(line);
        ticket.wait().await;
    }
    let done = {
        let shared = Arc::clone(shared);
        let shears = shears.clone();
        let task = tokio::spawn(async move {
            let trouble = &arrived.trouble;
            let wait = shared.latency + Duration::from_millis(trouble.delay_before_ms);
            let rest = Duration::from_millis(trouble.delay_after_ms);
            pause(wait).await;
            let done = shared
                .act(move |shared, moment| perform(shared, &arrived, held, moment))
                .await?;
            // From here on nothing comes of the call any more.
            drop(shears);
            pause(rest).await;
            Ok::<Done, WorldError>(done)
        });
        match task.await {
            Ok(done) => done?,
            // Only a stopping server cancels a call.
            Err(_) => return Ok(Delivery::Nothing),
        }
    };
    if let Some(ticket) = done.hold {
        ticket.wait().await;
        let (seq, status) = (done.seq, done.delivery.status());
        shared
            .act(move |_, moment| log::let_go(moment, seq, status))
            .await?;
    }
    Ok(done.delivery)
}

async fn pause(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}

/// The effect of a call and its line in the log.
fn perform(
    shared: &Shared,
    arrived: &Arrived,
    held: Option<i64>,
    moment: &Moment<'_>,
) -> Result<Done, WorldError> {
    let trouble = &arrived.trouble;
    let newest = match trouble.spoil {
        Some(_) => mail::newest(moment)?,
        None => 0,
    };
    arrived.happen(&trouble.deeds_before, moment)?;
    let outcome = match (&arrived.route, &trouble.before) {
        (None, _) => unmoved(vendor::no_such_path(&arrived.path)),
        (Some(_), Some(Instead::Silence)) => {
            return arrived.finish(&shared.holds, None, held, moment);
        }
        (Some(_), Some(instead)) => unmoved(arrived.instead(instead, None)),
        (Some(_), None) if arrived.is_signed_too_far_off(moment) => {
            unmoved(enos::refused(&arrived.path, 200, 1004))
        }
        (Some(route), None) => {
            let body: Option<Value> = serde_json::from_slice(&arrived.body).ok();
            vendor::answer(
                &Asked {
                    route,
                    authorization: arrived.authorization.as_deref(),
                    headers: &arrived.headers,
                    query: &arrived.query,
                    bytes: &arrived.body,
                    body: body.as_ref(),
                    view: trouble.lag_ms.map_or(View::Present, View::Lagging),
                    hidden: &trouble.hidden,
                    revoke_token: trouble.expire_token,
                    enforce_limits: shared.enforce_limits,
                    log_id: &arrived.log_id,
                },
                moment,
            )?
        }
    };
    if let Some(spoil) = trouble.spoil {
        spoil.run(newest, moment)?;
    }
    arrived.happen(&trouble.deeds_after, moment)?;
    arrived.finish(&shared.holds, Some(outcome), held, moment)
}

fn unmoved(answer: Answer) -> Outcome {
    Outcome {
        answer,
        app: None,
        effect: false,
    }
}

impl Arrived {
    /// Lets somebody do something in the middle of the call.
    fn happen(&self, deeds: &[Deed], moment: &Moment<'_>) -> Result<(), WorldError> {
        for (route, deed) in self
            .route
            .iter()
            .flat_map(|r| deeds.iter().map(move |d| (r, d)))
        {
            deed.run(route, &self.query, moment)?;
        }
        Ok(())
    }

    /// Whether EnOS, whose clock is off, would not take what our clock has signed.
    fn is_signed_too_far_off(&self, moment: &Moment<'_>) -> bool {
        let Some(skew) = self.trouble.skew else {
            return false;
        };
        let signed = self.headers.get("apim-timestamp");
        let signed = signed.and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
        let theirs = moment
            .now_ms
            .saturating_add(skew.seconds.saturating_mul(1000));
        let allowed = skew.tolerance.saturating_mul(1000).unsigned_abs();
        signed.is_some_and(|signed| signed.abs_diff(theirs) > allowed)
    }

    /// Bends the answer as the faults say, and writes the call down.
    fn finish(
        &self,
        holds: &Holds,
        outcome: Option<Outcome>,
        held: Option<i64>,
        moment: &Moment<'_>,
    ) -> Result<Done, WorldError> {
        let hold = if self.trouble.hold_after { "after" } else { "" };
        let mut entry = self.entry(held.unwrap_or(0), hold);
        let delivery = match outcome {
            None => Delivery::Nothing,
            Some(outcome) => {
                entry.app = outcome.app;
                entry.effect = outcome.effect;
                self.expire_given(&outcome.answer, moment)?;
                let answer = self.bent(outcome.answer, moment);
                let slow = |way: &&Instead| matches!(way, Instead::Stalled | Instead::Enormous(_));
                let before = self.trouble.before.as_ref().filter(slow);
                match self.trouble.after.as_ref().or(before) {
                    None => Delivery::Whole(answer),
                    Some(Instead::Silence) => Delivery::Nothing,
                    Some(Instead::CutOff) => Delivery::CutOff(answer),
                    Some(Instead::Stalled) => Delivery::Stalled(answer, holds.ticket()),
                    Some(Instead::Enormous(bytes)) => Delivery::Enormous(answer, *bytes),
                    Some(instead) => Delivery::Whole(self.instead(instead, Some(answer))),
                }
            }
        };
        if hold.is_empty()
            && let Delivery::Whole(answer)
            | Delivery::CutOff(answer)
            | Delivery::Stalled(answer, _)
            | Delivery::Enormous(answer, _) = &delivery
        {
            entry.status = Some(answer.status);
            entry.code = answer.code;
        }
        Ok(Done {
            seq: log::write(moment, &entry)?,
            delivery,
            hold: self.trouble.hold_after.then(|| holds.ticket()),
        })
    }

    /// Ends a token that was just given, when a fault says that it has expired.
    fn expire_given(&self, answer: &Answer, moment: &Moment<'_>) -> Result<(), WorldError> {
        if self.trouble.expire_token && vendor::gives_tokens(&self.path) {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            for name in ["tenant_access_token", "access_token", "accessToken"] {
                let given = body.get(name).or_else(|| body["data"].get(name));
                if let Some(token) = given.and_then(Value::as_str) {
                    super::tokens::revoke(token, moment)?;
                }
            }
        }
        Ok(())
    }

    /// The endpoint's own answer with what the faults do to its lists, its values and its clock.
    fn bent(&self, mut answer: Answer, moment: &Moment<'_>) -> Answer {
        for (bend, draw) in &self.trouble.bends {
            answer.body = bend.bend(&answer.body, *draw);
        }
        if let Some(skew) = self.trouble.skew {
            let ms = moment
                .now_ms
                .saturating_add(skew.seconds.saturating_mul(1000));
            let date = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
            let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            answer.headers.push(("date", date));
        }
        answer
    }

    fn instead(&self, instead: &Instead, own: Option<Answer>) -> Answer {
        match instead {
            Instead::ServerError(status) => vendor::server_error(*status, &self.path, &self.log_id),
            Instead::Throttle { reset } => {
                vendor::throttle(&self.path, reset.as_deref(), &self.log_id)
            }
            Instead::Quota => vendor::quota_used_up(&self.path, &self.log_id),
            Instead::Code { code, status } => {
                vendor::refused(&self.path, *status, code, &self.log_id)
            }
            Instead::Html(status) => Answer::html(*status),
            Instead::Empty(status) => Answer {
                status: *status,
                code: None,
                body: String::new(),
                ..own.unwrap_or_else(|| vendor::server_error(200, "", &self.log_id))
            },
            Instead::Stalled | Instead::Enormous(_) => {
                own.unwrap_or_else(|| vendor::server_error(200, "", &self.log_id))
            }
            Instead::Half | Instead::CutOff | Instead::Silence => {
                let mut answer = own.unwrap_or_else(|| vendor::server_error(200, "", &self.log_id));
                let half = answer.body.floor_char_boundary(answer.body.len() / 2);
                answer.body.truncate(half);
                answer.code = None;
                answer
            }
        }
    }

    fn entry(&self, seq: i64, held: &str) -> log::Entry {
        let mut query = serde_json::Map::new();
        for (name, value) in &self.query {
            let value = if SECRETS.contains(&name.as_str()) {
                "***"
            } else {
                value
            };
            match query.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(value.into());
                }
                // A repeated parameter is shown as a list.
                Entry::Occupied(mut entry) => match entry.get_mut() {
                    Value::Array(values) => values.push(value.into()),
                    first => *first = json!([first.take(), value]),
                },
            }
        }
        log::Entry {
            seq,
            at_ms: 0,
            log_id: self.log_id.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            operation: self
                .route
                .as_ref()
                .map(|route| route.endpoint.operation.to_owned()),
            query: Value::Object(query),
            body: self.body_for_log(),
            app: None,
            write: self
                .route
                .as_ref()
                .is_some_and(|route| route.endpoint.writes()),
            effect: false,
            status: None,
            code: None,
            fault: (!self.trouble.faults.is_empty()).then(|| self.trouble.faults.join(" ")),
            held: (!held.is_empty()).then(|| held.to_owned()),
        }
    }

    /// A body that is no JSON: a form as an object, or text.
    fn form_for_log(&self) -> Value {
        let form = dingtalk::form(&self.headers, &self.body).or_else(|| {
            let parts = multipart::parts(&self.headers, &self.body)?;
            Some(multipart::for_log(&parts))
        });
        form.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into())
    }

    /// The body without the secrets that it carries.
    fn body_for_log(&self) -> Option<Value> {
        if self.body.is_empty() {
            return None;
        }
        let mut body: Value = match serde_json::from_slice(&self.body) {
            Ok(body) => body,
            // Text that is no JSON may be a secret in a wrong form.
            Err(_) if vendor::gives_tokens(&self.path) => return None,
            Err(_) => self.form_for_log(),
        };
        for name in SECRETS {
            if let Some(secret) = body.get_mut(name) {
                *secret = json!("***");
            }
        }
        Some(body)
    }
}

fn respond(answer: Answer, log_id: &str) -> Response {
    with_body(answer, log_id, Body::from)
}

fn with_body(answer: Answer, log_id: &str, body: impl FnOnce(String) -> Body) -> Response {
    let mut response = Response::new(body(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    let extra = answer.headers.into_iter();
    for (name, value) in extra.chain([("x-tt-logid", log_id.to_owned())]) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// An id as the vendor gives them: the time, then something random.
fn new_log_id() -> String {
    let time = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S");
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{time}{}", random[..18].to_uppercase())
}
