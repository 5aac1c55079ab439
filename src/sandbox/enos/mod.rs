//! EnOS, played as its documentation says: tokens, signatures, users of an OU, and notices.
//!
//! Where the pages are silent: every answer has HTTP 200, also those of the gateway, whose code
//! stands in `code` on the portal's paths. How far a clock may be off is not checked, and a
//! signature may come twice.

mod notice;
mod records;
mod sign;
mod token;
mod users;

use serde_json::{Map, Value, json};

use super::limits::NO_TIER;
use super::vendor::{self, Answer, Asked, Effect, Endpoint, Outcome};
use super::world::{Moment, View, WorldError};

pub(super) use records::{Group, Org};

pub(super) type Handler = fn(&Call<'_>, &Moment<'_>) -> Result<Value, Failure>;

const fn row(
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    effect: Effect,
    handler: Handler,
) -> Endpoint {
    Endpoint {
        operation,
        method,
        path,
        tier: NO_TIER,
        effect,
        handler: vendor::Handler::Enos(handler),
    }
}

const TOKENS: &str = "/apim-token-service/";

/// Every endpoint that is played.
#[rustfmt::skip]
pub(super) static ENDPOINTS: [Endpoint; 8] = [
    row("POST", "/apim-token-service/v2.0/token/get",                     "enos.getAccessToken",        Effect::Token, token::get),
    row("POST", "/apim-token-service/v2.0/token/refresh",                 "enos.refreshAccessToken",    Effect::Token, token::refresh),
    row("POST", "/app-portal-service/v2.2/user/organization/roster",      "enos.listOrganizationUsers", Effect::Read,  users::roster),
    row("GET",  "/app-portal-service/v2.3/organization/userGroup/list",   "enos.listUserGroups",        Effect::Read,  users::groups),
    row("POST", "/app-portal-service/v2.3/userGroup/listAssignedUser",    "enos.listUsersOfGroup",      Effect::Read,  users::users_of_group),
    row("POST", "/app-portal-service/v2.2/userGroup/getUsersUserGroupList", "enos.listGroupsOfUsers",   Effect::Read,  users::groups_of_users),
    row("POST", "/app-portal/api/v3/notice-message/produce",              "enos.produceNoticeMessages", Effect::Write, notice::produce),
    row("POST", "/app-portal/api/v3/notice-message/get",                  "enos.getNoticeMessage",      Effect::Read,  notice::get),
];

/// What an endpoint is given.
pub(super) struct Call<'a> {
    app: &'a str,
    query: &'a [(String, String)],
    body: &'a Map<String, Value>,
    view: View,
}

impl Call<'_> {
    /// A text of the body that is not empty.
    fn text(&self, name: &str) -> Option<&str> {
        let text = self.body.get(name)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }
}

/// Why an endpoint gave nothing.
pub(super) enum Failure {
    Refused(i64),
    World(WorldError),
}

impl From<WorldError> for Failure {
    fn from(error: WorldError) -> Failure {
        Failure::World(error)
    }
}

/// Answers a call: the signature, then the endpoint.
pub(super) fn answer(
    asked: &Asked<'_>,
    handler: Handler,
    moment: &Moment<'_>,
) -> Result<Outcome, WorldError> {
    let mut app = None;
    let mut effect = false;
    let endpoint = asked.route.endpoint;
    let admission = admitted(asked, moment, &mut app);
    let done = admission.and_then(|()| {
        let empty = Map::new();
        let body = match asked.body {
            Some(Value::Object(body)) => body,
            None if asked.bytes.is_empty() => &empty,
            _ if endpoint.effect == Effect::Token => return Err(Failure::Refused(1004)),
            _ => return Err(Failure::Refused(31400)),
        };
        let call = Call {
            app: app.as_deref().unwrap_or_default(),
            query: asked.query,
            body,
            view: asked.view,
        };
        vendor::perform(endpoint, moment, &mut effect, || handler(&call, moment))
    });
    let answer = match done {
        Ok(data) if endpoint.path.starts_with(TOKENS) => {
            let body = json!({"status": 0, "msg": "SUCCESS", "business": "apim-token-service", "data": data});
            Answer::json(200, Some(0), &body)
        }
        Ok(data) => {
            let body = json!({"code": 0, "message": "", "data": data, "requestId": asked.log_id});
            Answer::json(200, Some(0), &body)
        }
        Err(Failure::Refused(code)) => refused(endpoint.path, 200, code),
        Err(Failure::World(error)) => return Err(error),
    };
    Ok(Outcome {
        answer,
        app,
        effect,
    })
}

/// The gate: three headers, and a digest of all that was sent.
fn admitted(
    asked: &Asked<'_>,
    moment: &Moment<'_>,
    app: &mut Option<String>,
) -> Result<(), Failure> {
    if asked.route.endpoint.effect == Effect::Token {
        return Ok(());
    }
    let header = |name| {
        let text = asked
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        text.filter(|text| !text.is_empty())
            .ok_or(Failure::Refused(1202))
    };
    let token = header("apim-accesstoken")?;
    let signature = header("apim-signature")?;
    let timestamp = header("apim-timestamp")?;
    if !sign::is_millis(timestamp) {
        return Err(Failure::Refused(1004));
    }
    let (holder, secret) = token::admit(token, asked.revoke_token, moment)?;
    if signature != sign::request_signature(token, asked.query, asked.bytes, timestamp, &secret) {
        return Err(Failure::Refused(1003));
    }
    *app = Some(holder);
    Ok(())
}

/// A refusal in the manner of that path.
pub(super) fn refused(path: &str, status: u16, code: i64) -> Answer {
    let why = match code {
        1001 => "the encryption was used before",
        1002 => "unknown appKey",
        1003 => "wrong encryption or signature",
        1004 => "invalid parameter",
        1005 | 99500 => "internal error",
        1202 => "empty parameter",
        1203 => "the access token has expired",
        1204 => "the access token cannot be refreshed",
        31400 => "a parameter is missing or invalid",
        31403 => "the application lacks the permission in this OU",
        31404 => "no such OU, user or group",
        _ => "refused",
    };
    let body = if path.starts_with(TOKENS) {
        json!({"status": code, "msg": why, "business": "apim-token-service", "data": null})
    } else if code < 10_000 {
        json!({"code": code, "msg": why})
    } else {
        json!({"code": code, "message": why, "data": null})
    };
    Answer::json(status, Some(code), &body)
}
