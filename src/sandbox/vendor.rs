//! Which vendor a call is for, which of its endpoints, and how that vendor answers.

use axum::http::HeaderMap;
use serde_json::Value;

use super::limits::Tier;
use super::world::{Moment, View, WorldError};
use super::{dingtalk, enos, feishu};

/// What an endpoint does to the world, and what it asks of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Gives a token; needs none.
    Token,
    Read,
    Write,
}

/// What answers a call, in the words of its vendor.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    Feishu(feishu::Handler),
    Dingtalk(dingtalk::Handler),
    Enos(enos::Handler),
}

/// One row of a contract.
pub(super) struct Endpoint {
    /// The contract's operationId; for DingTalk and EnOS behind the vendor's name and a dot.
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    /// With a name in braces for a segment that varies.
    pub(super) path: &'static str,
    pub(super) tier: Tier,
    pub(super) effect: Effect,
    pub(super) handler: Handler,
}

impl Endpoint {
    /// Whether the operation changes the world.
    pub(super) fn writes(&self) -> bool {
        self.effect == Effect::Write
    }
}

/// Every endpoint that is played.
pub(super) fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    feishu::ENDPOINTS
        .iter()
        .chain(&dingtalk::ENDPOINTS)
        .chain(&enos::ENDPOINTS)
}

/// Where a request goes: an endpoint, and the segments that vary.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) endpoint: &'static Endpoint,
    values: Vec<(&'static str, String)>,
}

impl Route {
    /// The value of a varying segment.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The endpoint of that method and path. An unknown method is an unknown path, as at the vendors.
pub(super) fn route(method: &str, path: &str) -> Option<Route> {
    endpoints()
        .filter(|endpoint| endpoint.method == method)
        .find_map(|endpoint| matching(endpoint.path, path).map(|values| Route { endpoint, values }))
}

fn matching(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut values = Vec::new();
    let mut given = path.split('/');
    for wanted in template.split('/') {
        let segment = given.next()?;
        match wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => values.push((name, decoded(segment))),
            None if wanted == segment => {}
            _ => return None,
        }
    }
    given.next().is_none().then_some(values)
}

/// Undoes percent-encoding; what is no encoding stays as it is.
pub(super) fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(hex.unwrap_or(byte));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A request with all that the sandbox's options and faults make of it.
pub(super) struct Asked<'a> {
    pub(super) route: &'a Route,
    pub(super) authorization: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a [(String, String)],
    /// The body as it was sent.
    pub(super) bytes: &'a [u8],
    /// Nothing when it is no JSON.
    pub(super) body: Option<&'a Value>,
    pub(super) view: View,
    /// Tasklists that the caller cannot read for now.
    pub(super) hidden: &'a [String],
    pub(super) revoke_token: bool,
    pub(super) enforce_limits: bool,
    pub(super) log_id: &'a str,
}

/// What came of a call.
pub(super) struct Outcome {
    pub(super) answer: Answer,
    /// Whose token it was, once the gate has let it through.
    pub(super) app: Option<String>,
    /// Whether the world is another one now.
    pub(super) effect: bool,
}

/// An answer ready for the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The vendor's code; nothing when the body has none, or it is no number.
    pub(super) code: Option<i64>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Answer {
    /// A JSON body with that code in it.
    pub(super) fn json(status: u16, code: Option<i64>, body: &Value) -> Answer {
        Answer {
            status,
            code,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: body.to_string(),
        }
    }

    /// The page of a proxy.
    pub(super) fn html(status: u16) -> Answer {
        Answer {
            status,
            code: None,
            headers: Vec::new(),
            content_type: "text/html; charset=utf-8",
            body: format!(
                "<html>\n<head><title>{status}</title></head>\n<body>\n<center><h1>{status}</h1></center>\n</body>\n</html>\n"
            ),
        }
    }
}

/// Runs an endpoint so that a refusal undoes what it wrote, and notes whether it wrote anything.
pub(super) fn perform<T, E: From<WorldError>>(
    endpoint: &Endpoint,
    moment: &Moment<'_>,
    effect: &mut bool,
    act: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    if !endpoint.writes() {
        return act();
    }
    let before = moment.sql().total_changes();
    let done = moment.attempt(act)?;
    *effect = moment.sql().total_changes() > before;
    Ok(done)
}

/// Answers a call as its vendor does. A refusal leaves the world as it was.
pub(super) fn answer(asked: &Asked<'_>, moment: &Moment<'_>) -> Result<Outcome, WorldError> {
    match asked.route.endpoint.handler {
        Handler::Feishu(handler) => feishu::answer(asked, handler, moment),
        Handler::Dingtalk(handler) => dingtalk::answer(asked, handler, moment),
        Handler::Enos(handler) => enos::answer(asked, handler, moment),
    }
}

/// Whose path it is. What is nobody's is Feishu's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    Feishu,
    Dingtalk,
    Enos,
}

fn vendor_of(path: &str) -> Vendor {
    let begins = |heads: &[&str]| heads.iter().any(|head| path.starts_with(head));
    if begins(&["/topapi/", "/gettoken", "/chat/", "/v1.0/"]) {
        Vendor::Dingtalk
    } else if begins(&["/apim-token-service/", "/app-portal"]) {
        Vendor::Enos
    } else {
        Vendor::Feishu
    }
}

/// Whether secrets are sent there.
pub(super) fn gives_tokens(path: &str) -> bool {
    let heads = [
        "/open-apis/auth/",
        "/v1.0/oauth2/",
        "/apim-token-service/",
        "/gettoken",
    ];
    heads.iter().any(|head| path.starts_with(head))
}

/// What the vendor's gateway says to an unknown path or method.
pub(super) fn no_such_path(path: &str) -> Answer {
    match vendor_of(path) {
        Vendor::Feishu => feishu::no_such_path(),
        Vendor::Dingtalk => dingtalk::refused(path, 200, 22),
        Vendor::Enos => Answer::html(404),
    }
}

/// The vendor's server error.
pub(super) fn server_error(status: u16, path: &str, log_id: &str) -> Answer {
    match vendor_of(path) {
        Vendor::Feishu => feishu::server_error(status, path, log_id),
        Vendor::Dingtalk => Answer::html(status),
        Vendor::Enos => enos::refused(path, status, 99500),
    }
}

/// A call too many, with that reset header or none where the vendor has one.
pub(super) fn throttle(path: &str, reset: Option<&str>, log_id: &str) -> Answer {
    match vendor_of(path) {
        Vendor::Feishu => feishu::throttle(reset, log_id),
        Vendor::Dingtalk => dingtalk::refused(path, 403, 90018),
        Vendor::Enos => Answer::html(429),
    }
}

/// The calls of the month are used up. EnOS has no quota, so there it is a throttle.
pub(super) fn quota_used_up(path: &str, log_id: &str) -> Answer {
    match vendor_of(path) {
        Vendor::Feishu => feishu::quota_used_up(log_id),
        Vendor::Dingtalk => dingtalk::refused(path, 403, 90020),
        Vendor::Enos => Answer::html(429),
    }
}

/// A refusal that somebody ordered. DingTalk's older host and EnOS give it in the body of a
/// success. A word where the vendor has numbers is -1.
pub(super) fn refused(path: &str, status: u16, code: &str, log_id: &str) -> Answer {
    let number = code.parse().unwrap_or(-1);
    match vendor_of(path) {
        Vendor::Feishu => feishu::refused(status, number, log_id),
        Vendor::Dingtalk => dingtalk::ordered(path, status, code, number),
        Vendor::Enos => enos::refused(path, 200, number),
    }
}
