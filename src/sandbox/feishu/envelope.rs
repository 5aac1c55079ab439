//! How the vendor wraps what it answers: `code`, `msg`, `data`, and `error` on a refusal.

use serde::Serialize;
use serde_json::{Value, json};

use crate::sandbox::limits::Throttled;
use crate::sandbox::vendor::Answer;
use crate::sandbox::world::WorldError;

/// What a handler gives when it did what was asked.
#[derive(Debug)]
pub(in crate::sandbox) enum Success {
    /// Under `data`, as everywhere but at the token endpoint.
    Data(Value),
    /// At the top level, beside `code`.
    Top(Value),
    /// Some of what was asked, and a refusal for the rest.
    InPart(Refusal),
}

impl Success {
    pub(super) fn into_answer(self, log_id: &str) -> Answer {
        match self {
            Success::InPart(refusal) => refusal.into_answer(log_id),
            Success::Data(data) => {
                let msg = "success";
                json_answer(200, 0, &Envelope { code: 0, msg, data })
            }
            Success::Top(top) => {
                let mut body = json!({"code": 0, "msg": "ok"});
                if let (Some(map), Value::Object(fields)) = (body.as_object_mut(), top) {
                    map.extend(fields);
                }
                json_answer(200, 0, &body)
            }
        }
    }
}

/// What most answers look like: a shape and not a [`Value`], which would be made of a copy of `data`.
#[derive(Serialize)]
struct Envelope {
    code: i64,
    msg: &'static str,
    data: Value,
}

/// The call was refused, and nothing happened.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Refusal {
    status: u16,
    code: i64,
    msg: String,
    violations: Vec<Value>,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: i64, msg: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code,
            msg: msg.into(),
            ..Refusal::default()
        }
    }

    /// The same with HTTP 200, as older services refuse. What the gateway refuses stays.
    pub(super) fn in_body(self) -> Refusal {
        let gateway = self.code == 9499 || self.code >= 99_990_000;
        let status = if gateway { self.status } else { 200 };
        Refusal { status, ..self }
    }

    /// A query parameter that the gateway does not let through.
    pub(super) fn parameter(field: &str, value: &str, why: String) -> Refusal {
        Refusal {
            violations: vec![json!({"field": field, "value": value, "description": why})],
            ..Refusal::new(400, 99992402, "field validation failed")
        }
    }

    /// A body that the gateway cannot read.
    pub(super) fn malformed(why: &str) -> Refusal {
        Refusal::new(400, 9499, format!("Bad Request: {why}"))
    }

    /// One call too many. The headers are what the vendor advises to wait by.
    pub(super) fn throttled(throttled: Throttled) -> Refusal {
        Refusal {
            headers: vec![
                ("x-ogw-ratelimit-limit", throttled.limit.to_string()),
                ("x-ogw-ratelimit-reset", throttled.reset_seconds.to_string()),
            ],
            ..Refusal::new(429, 99991400, "request trigger frequency limit")
        }
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Refusal {
        self.headers.push((name, value));
        self
    }

    pub(super) fn into_answer(self, log_id: &str) -> Answer {
        let mut error = json!({
            "log_id": log_id,
            "troubleshooter": "this is the sandbox of beadle: the request log is at /_sandbox/calls",
        });
        if !self.violations.is_empty() {
            error["field_violations"] = Value::Array(self.violations);
        }
        let body = json!({"code": self.code, "msg": self.msg, "error": error});
        let mut answer = json_answer(self.status, self.code, &body);
        answer.headers = self.headers;
        answer
    }
}

fn json_answer(status: u16, code: i64, body: &impl Serialize) -> Answer {
    Answer {
        status,
        code: Some(code),
        headers: Vec::new(),
        content_type: "application/json; charset=utf-8",
        body: serde_json::to_string(body).expect("a shape with text keys is always JSON"),
    }
}

/// What the gateway says to an unknown path or method: plain text, not an envelope.
pub(super) fn no_such_path() -> Answer {
    Answer {
        status: 404,
        code: None,
        headers: Vec::new(),
        content_type: "text/plain; charset=utf-8",
        body: "404 page not found".to_owned(),
    }
}

/// Why a handler gave nothing.
#[derive(Debug)]
pub(in crate::sandbox) enum Failure {
    Refused(Refusal),
    World(WorldError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<WorldError> for Failure {
    fn from(error: WorldError) -> Failure {
        Failure::World(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::World(error.into())
    }
}
