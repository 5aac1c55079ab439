//! DingTalk, played as its documentation says: tokens, looking people up, and sending.
//!
//! Both of its hosts are this one. Paths under `/topapi` and `/gettoken` answer HTTP 200 whatever
//! happens, with token and limit errors wrapped in errcode 88; paths under `/v1.0` have a status.

mod contact;
mod content;
mod group;
mod records;
mod role;
mod send;
mod task;
mod token;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::limits::{self, NO_TIER, Tier};
use super::vendor::{self, Answer, Asked, Effect, Endpoint, Outcome};
use super::world::{Moment, View, WorldError};

pub(super) use records::{Group, Role};

pub(super) type Handler = fn(&Call<'_>, &Moment<'_>) -> Result<Success, Failure>;

/// What the standard edition may call of one API.
const STANDARD: Tier = Tier {
    per_minute: None,
    per_second: Some(20),
};

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
        tier: match effect {
            Effect::Token => NO_TIER,
            Effect::Read | Effect::Write => STANDARD,
        },
        effect,
        handler: vendor::Handler::Dingtalk(handler),
    }
}

/// Every endpoint that is played.
#[rustfmt::skip]
pub(super) static ENDPOINTS: [Endpoint; 19] = [
    row("GET",  "/gettoken",                       "dingtalk.getTokenLegacy",        Effect::Token, token::legacy),
    row("POST", "/v1.0/oauth2/accessToken",        "dingtalk.getAccessToken",        Effect::Token, token::issue),
    row("POST", "/v1.0/oauth2/{corpId}/token",     "dingtalk.getTokenUnified",       Effect::Token, token::unified),
    row("POST", "/topapi/v2/user/getbymobile",     "dingtalk.getUserByMobile",       Effect::Read,  contact::user_by_mobile),
    row("POST", "/topapi/v2/user/get",             "dingtalk.getUser",               Effect::Read,  contact::user),
    row("POST", "/topapi/user/getbyunionid",       "dingtalk.getUserIdByUnionId",    Effect::Read,  contact::user_by_union_id),
    row("POST", "/topapi/user/listid",             "dingtalk.listDepartmentUserIds", Effect::Read,  contact::users_of_department),
    row("POST", "/topapi/v2/department/get",       "dingtalk.getDepartment",         Effect::Read,  contact::department),
    row("POST", "/topapi/v2/department/listsub",   "dingtalk.listSubDepartments",    Effect::Read,  contact::sub_departments),
    row("POST", "/topapi/v2/department/listsubid", "dingtalk.listSubDepartmentIds",  Effect::Read,  contact::sub_department_ids),
    row("POST", "/topapi/role/list",               "dingtalk.listRoles",             Effect::Read,  role::list),
    row("POST", "/topapi/role/simplelist",         "dingtalk.listRoleUsers",         Effect::Read,  role::users),
    row("POST", "/topapi/message/corpconversation/asyncsend_v2",      "dingtalk.sendWorkNotification",   Effect::Write, send::send),
    row("POST", "/topapi/message/corpconversation/getsendprogress",   "dingtalk.getSendProgress",        Effect::Read,  task::progress),
    row("POST", "/topapi/message/corpconversation/getsendresult",     "dingtalk.getSendResult",          Effect::Read,  task::result),
    row("POST", "/topapi/message/corpconversation/recall",            "dingtalk.recallWorkNotification", Effect::Write, task::recall),
    row("POST", "/topapi/message/corpconversation/status_bar/update", "dingtalk.updateStatusBar",        Effect::Write, task::status_bar),
    row("POST", "/v1.0/robot/groupMessages/send",  "dingtalk.sendRobotGroupMessage", Effect::Write, group::by_robot),
    row("POST", "/chat/send",                      "dingtalk.sendChatLegacy",        Effect::Write, group::by_chat_id),
];

/// What an endpoint is given.
pub(super) struct Call<'a> {
    app: String,
    query: &'a [(String, String)],
    body: Map<String, Value>,
    /// Whether the body came as a form, in which everything is a text.
    is_form: bool,
    view: View,
    log_id: &'a str,
}

impl Call<'_> {
    /// A query parameter that is not empty.
    fn parameter(&self, name: &str) -> Option<&str> {
        parameter(self.query, name).filter(|value| !value.is_empty())
    }

    /// A text of the body that is not empty.
    fn text(&self, name: &str) -> Result<&str, Failure> {
        match self.body.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            _ => Err(Failure::Refused(BAD_PARAMETER)),
        }
    }
}

/// What an endpoint gives when it did what was asked.
pub(super) enum Success {
    /// Under `result`.
    Result(Value),
    /// At the top, beside `errcode`.
    Top(Value),
    /// The whole body, as the newer host answers.
    Bare(Value),
}

/// Why an endpoint gave nothing.
pub(super) enum Failure {
    Refused(i64),
    /// As the newer host refuses.
    Api(u16, &'static str),
    World(WorldError),
}

impl From<WorldError> for Failure {
    fn from(error: WorldError) -> Failure {
        Failure::World(error)
    }
}

const BAD_PARAMETER: i64 = 400002;

/// Token and limit errors, which come inside of errcode 88 on paths under `/topapi`.
const WRAPPED: [i64; 14] = [
    40000, 40001, 40014, 41001, 42001, 90001, 90002, 90003, 90004, 90005, 90006, 90018, 90020,
    43007,
];

/// Answers a call: the gate, the limits, then the endpoint.
pub(super) fn answer(
    asked: &Asked<'_>,
    handler: Handler,
    moment: &Moment<'_>,
) -> Result<Outcome, WorldError> {
    let mut app = None;
    let mut effect = false;
    let done = admitted(asked, moment, &mut app).and_then(|call| {
        vendor::perform(asked.route.endpoint, moment, &mut effect, || {
            handler(&call, moment)
        })
    });
    let answer = match done {
        Ok(Success::Result(result)) => success(
            json!({"errcode": 0, "errmsg": "ok", "result": result, "request_id": asked.log_id}),
        ),
        Ok(Success::Top(Value::Object(fields))) => {
            let mut body = Map::new();
            body.insert("errcode".to_owned(), 0.into());
            body.insert("errmsg".to_owned(), "ok".into());
            body.extend(fields);
            success(Value::Object(body))
        }
        Ok(Success::Top(body) | Success::Bare(body)) => success(body),
        Err(Failure::Refused(code)) => refused(asked.route.endpoint.path, 403, code),
        Err(Failure::Api(status, code)) => api_error(status, code),
        Err(Failure::World(error)) => return Err(error),
    };
    Ok(Outcome {
        answer,
        app,
        effect,
    })
}

fn success(body: Value) -> Answer {
    Answer::json(200, Some(0), &body)
}

/// The gate. Older calls read the token in the query or in a form, and in no header.
fn admitted<'a>(
    asked: &Asked<'a>,
    moment: &Moment<'_>,
    app: &mut Option<String>,
) -> Result<Call<'a>, Failure> {
    let form = form(asked.headers, asked.bytes);
    let endpoint = asked.route.endpoint;
    if endpoint.effect != Effect::Token {
        let holder = if is_new(endpoint.path) {
            let token = asked.headers.get("x-acs-dingtalk-access-token");
            let token = token.and_then(|token| token.to_str().ok());
            token::holder_in_header(token, asked.revoke_token, moment)?
        } else {
            let in_form = form.as_ref().and_then(|form| form["access_token"].as_str());
            let token = parameter(asked.query, "access_token").or(in_form);
            token::holder(token, asked.revoke_token, moment)?
        };
        if asked.enforce_limits
            && limits::admit(moment, &holder, endpoint.operation, endpoint.tier)?.is_some()
        {
            return Err(Failure::Refused(90018));
        }
        *app = holder.strip_prefix(token::HOLDER).map(str::to_owned);
    }
    let body = match form.as_ref().or(asked.body) {
        Some(Value::Object(body)) => body.clone(),
        None if asked.bytes.is_empty() => Map::new(),
        _ => return Err(Failure::Refused(BAD_PARAMETER)),
    };
    Ok(Call {
        app: app.clone().unwrap_or_default(),
        query: asked.query,
        body,
        is_form: form.is_some(),
        view: asked.view,
        log_id: asked.log_id,
    })
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = query.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// A form-encoded body as an object of texts.
pub(super) fn form(headers: &HeaderMap, bytes: &[u8]) -> Option<Value> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let plain = |text: &str| vendor::decoded(&text.replace('+', " "));
    Some(Value::Object(
        pairs
            .map(|(name, value)| (plain(name), plain(value).into()))
            .collect(),
    ))
}

/// Whether a path is one of the newer host.
fn is_new(path: &str) -> bool {
    path.starts_with("/v1.0/")
}

/// A refusal in the manner of that path. The older host has no status but 200.
pub(super) fn refused(path: &str, status: u16, code: i64) -> Answer {
    if is_new(path) {
        return match code {
            90018 => api_error(status, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"),
            90020 => api_error(status, "Forbidden.AccessDenied.ApiCountLimitForOrg"),
            other => api_error(status, &other.to_string()),
        };
    }
    let why = meaning(code);
    let body = if path.starts_with("/topapi/") && WRAPPED.contains(&code) {
        json!({"errcode": 88, "errmsg": format!("ding talk error[subcode={code},submsg={why}]"),
            "sub_code": code.to_string(), "sub_msg": why})
    } else {
        json!({"errcode": code, "errmsg": why})
    };
    Answer::json(200, Some(code), &body)
}

/// A refusal that somebody ordered, by its word or its number.
pub(super) fn ordered(path: &str, status: u16, code: &str, number: i64) -> Answer {
    if is_new(path) {
        api_error(status, code)
    } else {
        refused(path, 200, number)
    }
}

fn api_error(status: u16, code: &str) -> Answer {
    let body = json!({"code": code, "message": "refused", "requestid": "sandbox"});
    Answer::json(status, None, &body)
}

fn meaning(code: i64) -> &'static str {
    match code {
        22 => "no such path",
        33012 => "invalid user id",
        40000 => "the token is blank",
        40009 => "invalid department id",
        40014 => "invalid access token",
        34001 => "invalid chat id",
        34014 => "the message is invalid or incomplete",
        34016 => "a part of the message is too long",
        40008 => "invalid message kind",
        40032 => "the list of user ids is empty or too long",
        40035 => "a parameter is missing or invalid",
        40056 => "invalid agent id",
        41011 => "no agent id",
        41028 => "sending to everybody is forbidden",
        41045 => "too many messages to everybody today",
        41052 => "too many receivers, or the task still runs",
        45002 => "the message is too long",
        40096 => "wrong app key or secret",
        40104 => "invalid mobile number",
        41001 => "no access token",
        50002 => "the user is outside of the app's range",
        50004 => "the department is outside of the app's range",
        60003 => "no such department",
        60121 => "no such user",
        90018 => "too many calls of this app in a second",
        90020 => "the calls of the month are used up",
        400002 => "invalid parameter",
        _ => "refused",
    }
}
