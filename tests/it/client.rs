//! The Feishu client against a server that answers what each test scripts, byte for byte.
//!
//! The server is a bare socket and no framework, because half of what is proved here is about answers
//! that no framework sends: cut, closed, endless, or none. It shares no type with the client.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beadle::engine::{ApiError, Call, Object, Write, Writer};
use beadle::model::{
    AppId, ChatId, EventKey, Events, Field, Fields, RemoteId, TasklistGuid, Value,
};
use beadle::vendors::{BuildError, Patience, Settings, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SECRET: &str = "not-a-real-secret";
const ROOM: &str = "oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f";
const GUID: &str = "d19e3a2a-edc0-4e4e-b7cc-950e162b53ae";
const OK: &str = r#"{"code":0,"msg":"success","data":{"activity_subscription":{"guid":"d19e3a2a-edc0-4e4e-b7cc-950e162b53ae","name":"release-room","subscribers":[{"id":"oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f","type":"chat","role":""}],"include_keys":[100,103],"disabled":false}}}"#;
const LIST: &str = r#"{"code":0,"msg":"success","data":{"items":[{"guid":"d19e3a2a-edc0-4e4e-b7cc-950e162b53ae","name":"release-room","subscribers":[{"id":"oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f","type":"chat","role":""}],"include_keys":[100,103],"disabled":false}]}}"#;
const TOKEN_PATH: &str = "/open-apis/auth/v3/tenant_access_token/internal";
/// Where each vendor's tokens are fetched.
const TOKEN_PATHS: [&str; 3] = [
    TOKEN_PATH,
    "/v1.0/oauth2/accessToken",
    "/apim-token-service/v2.0/token/get",
];

/// What the server does with a request once it has read it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Reply {
        status: u16,
        headers: &'static str,
        body: String,
    },
    /// Closes the connection.
    Close,
    /// Sends these bytes and closes the connection.
    Raw(&'static str),
    /// Never answers, and makes time pass as soon as everybody waits.
    Hang,
}

pub(crate) fn json(status: u16, body: impl Into<String>) -> Step {
    Step::Reply {
        status,
        headers: "content-type: application/json\r\n",
        body: body.into(),
    }
}

pub(crate) fn with(status: u16, headers: &'static str, body: &str) -> Step {
    Step::Reply {
        status,
        headers,
        body: body.to_owned(),
    }
}

pub(crate) fn code(status: u16, code: i64) -> Step {
    json(status, format!(r#"{{"code":{code},"msg":"words"}}"#))
}

fn token(token: &str, expire: u64) -> Step {
    json(
        200,
        format!(r#"{{"code":0,"msg":"ok","tenant_access_token":"{token}","expire":{expire}}}"#),
    )
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and target.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Script {
    /// For token requests; when it is empty they get `t-1`, `t-2` and so on.
    tokens: VecDeque<Step>,
    /// For all others, in order.
    calls: VecDeque<Step>,
    /// The `authorization` that is refused as a dead token.
    dead: Option<&'static str>,
    seen_tokens: Vec<Seen>,
    seen: Vec<Seen>,
    connections: usize,
}

#[derive(Clone)]
pub(crate) struct Server {
    url: String,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub(crate) async fn start(calls: impl IntoIterator<Item = Step>) -> Self {
        Self::with_tokens([], calls).await
    }

    async fn with_tokens(
        tokens: impl IntoIterator<Item = Step>,
        calls: impl IntoIterator<Item = Step>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            tokens: tokens.into_iter().collect(),
            calls: calls.into_iter().collect(),
            ..Script::default()
        }));
        let server = Self { url, script };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.script.lock().unwrap().connections += 1;
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        server
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(seen) = read_request(&mut stream, &mut buffer).await {
            let step = {
                let mut script = self.script.lock().unwrap();
                let path = seen.line.strip_prefix("POST ").unwrap_or_default();
                if TOKEN_PATHS.contains(&path) {
                    let number = script.seen_tokens.len() + 1;
                    let fresh = match path {
                        TOKEN_PATH => token(&format!("t-{number}"), 7200),
                        _ => json(
                            200,
                            format!(
                                r#"{{"accessToken":"t-{number}","expireIn":7200,"data":{{"accessToken":"t-{number}","expire":7200}}}}"#
                            ),
                        ),
                    };
                    script.seen_tokens.push(seen);
                    script.tokens.pop_front().unwrap_or(fresh)
                } else if script.dead.is_some() && seen.header("authorization") == script.dead {
                    script.seen.push(seen);
                    code(400, 99991663)
                } else {
                    script.seen.push(seen);
                    let end = with(418, "", "the script has ended");
                    script.calls.pop_front().unwrap_or(end)
                }
            };
            match step {
                Step::Reply {
                    status,
                    headers,
                    body,
                } => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\n{headers}");
                    let answer = format!("{head}content-length: {length}\r\n\r\n{body}");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Step::Close => return,
                Step::Raw(bytes) => {
                    let _ = stream.write_all(bytes.as_bytes()).await;
                    return;
                }
                Step::Hang => {
                    tokio::time::pause();
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// A client of this server that is quick to give up.
    pub(crate) fn client(&self) -> Arc<dyn Writer> {
        connect(self.settings()).unwrap()
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.url, AppId::new("cli_a1"), SECRET.into());
        settings.patience = Patience {
            attempts: 4,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(4),
            total: Duration::from_secs(10),
        };
        settings
    }

    /// What the calls from now on are answered.
    pub(crate) fn script(&self, calls: impl IntoIterator<Item = Step>) {
        self.script.lock().unwrap().calls = calls.into_iter().collect();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.script.lock().unwrap().seen.len()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.script.lock().unwrap().seen_tokens.len()
    }
}

/// Reads one request; none when the client has gone.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(key, _)| key == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let end = head_end + 4 + length;
    while buffer.len() < end {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&buffer[head_end + 4..end]).into_owned();
    buffer.drain(..end);
    Some(Seen {
        line,
        headers,
        body,
    })
}

fn list_guid() -> TasklistGuid {
    TasklistGuid::new("cc371766-6584-cf50-a222-c22cd9055004")
}

fn fields() -> Fields {
    let events: Events = [EventKey(103), EventKey(100)].into_iter().collect();
    let pairs = [
        (Field::Name, Value::Text("release-room".into())),
        (Field::Subscribers, Value::Chats([ChatId::new(ROOM)].into())),
        (Field::Events, Value::Events(events)),
        (Field::Enabled, Value::Flag(true)),
    ];
    pairs.into_iter().collect()
}

fn create() -> Write {
    Write::Create {
        collection: list_guid().into(),
        id: None,
        fields: fields(),
    }
}

fn update() -> Write {
    let name = Value::Text("release-room".into());
    Write::Update {
        collection: list_guid().into(),
        id: RemoteId::new(GUID),
        fields: [(Field::Name, name)].into_iter().collect(),
    }
}

fn delete() -> Write {
    Write::Delete {
        collection: list_guid().into(),
        id: RemoteId::new(GUID),
    }
}

async fn send(client: &Arc<dyn Writer>, write: &Write) -> Result<Option<Object>, ApiError> {
    let done = client.send(&client.encode(write)).await?;
    Ok(done.object)
}

/// The outcome in a word, and the number of requests it took.
async fn outcome(steps: &[Step], write: Option<&Write>) -> String {
    let server = Server::start([]).await;
    outcome_at(&server, &server.client(), steps, write).await
}

async fn outcome_at(
    server: &Server,
    client: &Arc<dyn Writer>,
    steps: &[Step],
    write: Option<&Write>,
) -> String {
    server.script(steps.iter().cloned());
    let before = server.calls();
    let result = match write {
        Some(write) => send(client, write).await.map(|_| ()),
        None => client.subscriptions(&list_guid()).await.map(|_| ()),
    };
    let calls = server.calls() - before;
    let word = match &result {
        Ok(()) => "ok",
        Err(ApiError::Refused(_)) => "refused",
        Err(ApiError::Unreachable(_)) => "unreachable",
        Err(ApiError::Unknown(_)) => "unknown",
    };
    format!("{word} {calls}")
}

#[tokio::test]
async fn each_answer_has_its_verdict() {
    let html = |status| with(status, "content-type: text/html\r\n", "<html>busy</html>");
    let reset = "x-ogw-ratelimit-reset: 1\r\n";
    let throttle = r#"{"code":99991400,"msg":"request trigger frequency limit"}"#;
    // The answer, given again and again; then what a create, a patch, a delete and a list make of it,
    // with the number of requests that left.
    let table: Vec<(&str, Step, [&str; 4])> = vec![
        // Refused before any effect, for good.
        ("parameter", code(400, 1470400), ["refused 1"; 4]),
        ("right", code(403, 1470403), ["refused 1"; 4]),
        (
            "listed, though at 200",
            code(200, 1470403),
            ["refused 1"; 4],
        ),
        (
            "gone",
            code(404, 1470404),
            ["refused 1", "refused 1", "ok 1", "refused 1"],
        ),
        ("scope", code(400, 99991672), ["refused 1"; 4]),
        ("fields", code(400, 99992402), ["refused 1"; 4]),
        ("quota", code(429, 99991403), ["refused 1"; 4]),
        // Refused before any effect, for now.
        ("throttle", code(429, 99991400), ["refused 4"; 4]),
        ("throttle, old", code(400, 99991400), ["refused 4"; 4]),
        (
            "throttle, reset",
            with(429, reset, throttle),
            ["refused 4"; 4],
        ),
        (
            "throttle, absurd reset",
            with(429, "x-ogw-ratelimit-reset: 1e99\r\n", throttle),
            ["refused 4"; 4],
        ),
        (
            "throttle, reset that is none",
            with(429, "x-ogw-ratelimit-reset: soon\r\n", throttle),
            ["refused 4"; 4],
        ),
        ("token", code(400, 99991663), ["refused 2"; 4]),
        // In doubt, and perhaps different next time.
        (
            "internal",
            code(500, 1470500),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "overload",
            code(400, 2200),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "a refusal, but from behind a 5xx",
            code(503, 1470403),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "success, but a 5xx",
            json(502, OK),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "gateway",
            html(502),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "gave up",
            html(504),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "portal",
            html(200),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "throttle by a proxy",
            html(429),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "empty",
            with(200, "", ""),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "unlisted",
            code(200, 4711),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "no data",
            json(200, r#"{"code":0,"msg":"ok"}"#),
            ["unknown 1", "unknown 4", "ok 1", "unknown 4"],
        ),
        (
            "cut in the middle of its JSON",
            json(200, &OK[..100]),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "closed",
            Step::Close,
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "cut in the middle of its head",
            Step::Raw("HTTP/1.1 200 OK\r\ncontent-le"),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "whole JSON, but less than was promised",
            Step::Raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"code\":1470403,\"msg\":\"\"}",
            ),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        (
            "not HTTP",
            Step::Raw("220 mail ready\r\n"),
            ["unknown 1", "unknown 4", "unknown 4", "unknown 4"],
        ),
        // In doubt, and the same next time.
        (
            "no such path",
            with(404, "content-type: text/plain\r\n", "404 page not found"),
            ["unknown 1"; 4],
        ),
        ("unlisted, a 4xx", code(400, 4711), ["unknown 1"; 4]),
        ("success, but a 4xx", json(400, OK), ["unknown 1"; 4]),
        (
            "elsewhere",
            with(302, "location: http://127.0.0.1:1/\r\n", ""),
            ["unknown 1"; 4],
        ),
        (
            "elsewhere, with a code",
            code(307, 1470403),
            ["unknown 1"; 4],
        ),
    ];
    let writes = [Some(create()), Some(update()), Some(delete()), None];
    let server = Server::start([]).await;
    let client = server.client();
    for (name, step, expected) in table {
        let steps = vec![step; 8];
        for (write, expected) in writes.iter().zip(expected) {
            let found = outcome_at(&server, &client, &steps, write.as_ref()).await;
            assert_eq!(found, expected, "{name}: {write:?}");
        }
    }
}

#[tokio::test]
async fn a_write_that_was_refused_for_now_is_sent_again_as_it_was() {
    let steps = [code(429, 99991400), code(400, 99991663), json(200, OK)];
    for write in [create(), update()] {
        let server = Server::start(steps.clone()).await;
        let object = send(&server.client(), &write).await.unwrap().unwrap();
        assert_eq!(object.id.as_str(), GUID);
        assert_eq!(object.fields, fields());
        let seen = server.seen();
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|s| s.body == seen[0].body));
        assert!(seen.iter().all(|s| s.line == seen[0].line));
    }
}

#[tokio::test]
async fn a_patch_in_doubt_is_sent_again_byte_for_byte() {
    let steps = [Step::Close, code(500, 1470500), json(200, OK)];
    let server = Server::start(steps).await;
    let client = server.client();
    let call = client.encode(&update());
    client.send(&call).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(Some(request.body), call.body);
    }
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_ends_well() {
    let steps = [Step::Close, code(404, 1470404)];
    assert_eq!(outcome(&steps, Some(&delete())).await, "ok 2");
}

#[tokio::test]
async fn what_was_in_doubt_stays_so_whatever_the_next_attempt_says() {
    for last in [code(429, 99991403), code(403, 1470403), code(404, 1470404)] {
        let steps = [code(504, 1), last];
        assert_eq!(outcome(&steps, Some(&update())).await, "unknown 2");
    }
    // Of a read nothing can be in doubt: the last answer counts.
    let steps = [code(504, 1), code(403, 1470403)];
    assert_eq!(outcome(&steps, None).await, "refused 2");
}

#[tokio::test]
async fn a_read_is_tried_again_until_it_is_good() {
    let html = with(502, "content-type: text/html\r\n", "<html>");
    let steps = [html, Step::Close, json(200, LIST)];
    assert_eq!(outcome(&steps, None).await, "ok 3");
}

#[tokio::test]
async fn a_request_without_an_answer_is_in_doubt_after_its_time() {
    let server = Server::start([Step::Hang]).await;
    let client = server.client();
    let error = send(&client, &create()).await.unwrap_err();
    let ApiError::Unknown(answer) = error else {
        panic!("{error:?}");
    };
    assert_eq!(answer.message, "no whole answer within 30s");
    assert_eq!((answer.status, client.timeout_ms()), (None, 30_000));
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn where_nobody_listens_nothing_has_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::start([]).await;
    let settings = Settings {
        base_url: url,
        ..server.settings()
    };
    let client = connect(settings).unwrap();
    let error = send(&client, &create()).await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("not sent: tcp connect error"), "{text}");
}

#[tokio::test]
async fn a_server_that_goes_away_after_the_token_leaves_a_write_unsent() {
    // One connection, closed by the server after the token; then nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        read_request(&mut stream, &mut Vec::new()).await.unwrap();
        let body = r#"{"code":0,"msg":"ok","tenant_access_token":"t-1","expire":7200}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let server = Server::start([]).await;
    let settings = Settings {
        base_url: url,
        ..server.settings()
    };
    let error = send(&connect(settings).unwrap(), &create())
        .await
        .unwrap_err();
    assert!(matches!(error, ApiError::Unreachable(_)), "{error:?}");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_failed_tls_handshake_leaves_a_write_unsent() {
    let server = Server::start([]).await;
    // A bare socket that hangs up on whoever does not speak HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let settings = Settings {
        base_url: format!("https://127.0.0.1:{port}"),
        ..server.settings()
    };
    let error = send(&connect(settings).unwrap(), &create())
        .await
        .unwrap_err();
    assert!(matches!(error, ApiError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn an_endless_answer_is_in_doubt() {
    let body = format!("{{\"code\":0,\"msg\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    let server = Server::start([json(200, body)]).await;
    let error = send(&server.client(), &create()).await.unwrap_err();
    let ApiError::Unknown(answer) = error else {
        panic!("a refusal or a success");
    };
    assert!(answer.message.contains("larger than"), "{}", answer.message);
    assert!(answer.body.len() < 3000);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start([]).await;
    let location = format!("location: {}/open-apis/x\r\n", elsewhere.url);
    let headers: &'static str = Box::leak(location.into_boxed_str());
    let server = Server::start([with(307, headers, ""), with(302, headers, "")]).await;
    let client = server.client();
    assert!(send(&client, &create()).await.is_err());
    assert!(client.subscriptions(&list_guid()).await.is_err());
    assert_eq!((server.calls(), elsewhere.calls()), (2, 0));
    assert_eq!(elsewhere.script.lock().unwrap().connections, 0);
}

#[tokio::test]
async fn requests_are_those_of_the_contract() {
    let in_chat = r#"{"code":0,"msg":"success","data":{"is_in_chat":true}}"#;
    let deleted = r#"{"code":0,"msg":"success","data":null}"#;
    let one = r#"{"code":0,"msg":"","data":{"tasklist":{"guid":"g","name":"Release 24","created_at":1}}}"#;
    let steps = [OK, OK, deleted, LIST, one, in_chat].map(|body| json(200, body));
    let server = Server::start(steps).await;
    let client = server.client();
    send(&client, &create()).await.unwrap();
    send(&client, &update()).await.unwrap();
    assert_eq!(send(&client, &delete()).await, Ok(None));
    let listed = client.subscriptions(&list_guid()).await.unwrap();
    assert_eq!(listed[0].fields, fields());
    let tasklist = client.tasklist(&list_guid()).await.unwrap();
    assert_eq!(tasklist.name, "Release 24");
    assert_eq!(client.is_in_chat(&ChatId::new(ROOM)).await, Ok(true));
    assert_eq!(client.app().as_str(), "cli_a1");

    let mut text = String::new();
    for seen in server.seen() {
        let kind = seen.header("content-type").unwrap_or("none");
        let _ = writeln!(text, "{}\n  {kind}\n  {}", seen.line, seen.body);
        assert_eq!(seen.header("authorization"), Some("Bearer t-1"));
        let agent = format!("beadle/{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(seen.header("user-agent"), Some(agent.as_str()));
    }
    insta::assert_snapshot!(text, @r#"
    POST /open-apis/task/v2/tasklists/cc371766-6584-cf50-a222-c22cd9055004/activity_subscriptions
      application/json; charset=utf-8
      {"name":"release-room","subscribers":[{"id":"oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f","type":"chat"}],"include_keys":[100,103],"disabled":false}
    PATCH /open-apis/task/v2/tasklists/cc371766-6584-cf50-a222-c22cd9055004/activity_subscriptions/d19e3a2a-edc0-4e4e-b7cc-950e162b53ae
      application/json; charset=utf-8
      {"activity_subscription":{"name":"release-room"},"update_fields":["name"]}
    DELETE /open-apis/task/v2/tasklists/cc371766-6584-cf50-a222-c22cd9055004/activity_subscriptions/d19e3a2a-edc0-4e4e-b7cc-950e162b53ae
      none
      
    GET /open-apis/task/v2/tasklists/cc371766-6584-cf50-a222-c22cd9055004/activity_subscriptions?limit=50
      none
      
    GET /open-apis/task/v2/tasklists/cc371766-6584-cf50-a222-c22cd9055004
      none
      
    GET /open-apis/im/v1/chats/oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f/members/is_in_chat
      none
    "#);
    let token = server.script.lock().unwrap().seen_tokens[0].clone();
    assert_eq!(token.header("authorization"), None);
    assert_eq!(
        token.body,
        r#"{"app_id":"cli_a1","app_secret":"not-a-real-secret"}"#
    );
    // Seven requests and the token, over one connection.
    assert_eq!(server.script.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn a_call_from_the_journal_is_sent_as_it_stands() {
    let server = Server::start([json(200, OK)]).await;
    // Not the bytes that this version would make.
    let body = "{ \"activity_subscription\": {\"name\":\"项目\"},\n\"update_fields\":[\"name\"] }";
    let call = Call {
        operation: "patchTasklistActivitySubscription".into(),
        collection: list_guid().into(),
        id: Some(RemoteId::new(GUID)),
        body: Some(body.into()),
    };
    server.client().send(&call).await.unwrap();
    assert_eq!(server.seen()[0].body, body);
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_not_sent() {
    let server = Server::start([]).await;
    let client = server.client();
    let good = client.encode(&delete());
    let odd = [
        Call {
            operation: "dissolveChat".into(),
            ..good.clone()
        },
        Call {
            id: None,
            ..good.clone()
        },
        Call {
            id: Some(RemoteId::new("..")),
            ..good.clone()
        },
        Call {
            collection: "".into(),
            ..good
        },
        Call {
            body: None,
            ..client.encode(&create())
        },
    ];
    for call in odd {
        let result = client.send(&call).await;
        assert!(matches!(result, Err(ApiError::Unreachable(_))), "{call:?}");
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn an_answer_about_another_object_is_in_doubt() {
    let other = OK.replace(GUID, "00000000-0000-0000-0000-000000000000");
    let steps = vec![json(200, other); 4];
    assert_eq!(outcome(&steps, Some(&update())).await, "unknown 4");
    // Letters of a guid may come back in another case.
    let upper = OK.replace(GUID, &GUID.to_uppercase());
    assert_eq!(outcome(&[json(200, upper)], Some(&update())).await, "ok 1");
}

#[tokio::test]
async fn many_calls_fetch_one_token() {
    let steps = vec![json(200, LIST); 24];
    let server = Server::start(steps).await;
    let client = server.client();
    let calls: Vec<_> = (0..24)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.subscriptions(&list_guid()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!((server.tokens(), server.calls()), (1, 24));
}

#[tokio::test]
async fn a_refused_token_is_dropped_and_the_call_repeated_once() {
    for refusal in [99991663, 99991664, 99991665, 99991671] {
        let server = Server::start([code(400, refusal), json(200, OK)]).await;
        send(&server.client(), &create()).await.unwrap();
        let seen = server.seen();
        let bearers: Vec<_> = seen
            .iter()
            .filter_map(|s| s.header("authorization"))
            .collect();
        assert_eq!(bearers, ["Bearer t-1", "Bearer t-2"]);
        assert_eq!(seen[0].body, seen[1].body);
    }
}

#[tokio::test]
async fn many_calls_with_a_token_that_died_fetch_one_new_one() {
    let server = Server::start(vec![json(200, LIST); 16]).await;
    server.script.lock().unwrap().dead = Some("Bearer t-1");
    let client = server.client();
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.subscriptions(&list_guid()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.tokens(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends_and_not_long_before() {
    let steps = vec![json(200, LIST); 4];
    let server = Server::with_tokens([token("t-a", 7200), token("t-b", 60)], steps).await;
    let client = server.client();
    let mut bearers = Vec::new();
    for wait in [0, 6000, 800, 45] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        // Time stands still while the server works.
        tokio::time::resume();
        client.subscriptions(&list_guid()).await.unwrap();
        tokio::time::pause();
        let seen = server.seen().pop().unwrap();
        bearers.push(seen.header("authorization").unwrap().to_owned());
    }
    assert_eq!(
        bearers,
        ["Bearer t-a", "Bearer t-a", "Bearer t-b", "Bearer t-3"]
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_in_doubt() {
    let html = with(502, "content-type: text/html\r\n", "<html>");
    let table: Vec<(Step, &str, &str)> = vec![
        (code(200, 10015), "refused", "refused"),
        (code(200, 10014), "refused", "refused"),
        (code(200, 10003), "refused", "refused"),
        (code(400, 99991543), "refused", "refused"),
        (html, "unreachable", "unknown"),
        (code(200, 2200), "unreachable", "unknown"),
        (code(200, 4711), "unreachable", "unknown"),
        (Step::Close, "unreachable", "unknown"),
        (
            json(200, r#"{"code":0,"msg":"ok"}"#),
            "unreachable",
            "unknown",
        ),
        (token("", 7200), "unreachable", "unknown"),
        (token("t-\\n", 7200), "unreachable", "unknown"),
    ];
    for (step, write, read) in table {
        let server = Server::with_tokens(vec![step.clone(); 8], []).await;
        let word = |error: ApiError| match error {
            ApiError::Refused(answer) => {
                assert_eq!(answer.operation, "getTenantAccessTokenInternal");
                assert!(answer.hint.is_some());
                "refused"
            }
            ApiError::Unreachable(_) => "unreachable",
            ApiError::Unknown(_) => "unknown",
        };
        let client = server.client();
        let error = send(&client, &create()).await.unwrap_err();
        assert_eq!(word(error), write, "{step:?}");
        // The failure stands for those who ask at once after.
        let before = server.tokens();
        let error = client.subscriptions(&list_guid()).await.unwrap_err();
        assert_eq!(word(error), read, "{step:?}");
        assert_eq!((server.tokens(), server.calls()), (before, 0));
    }
}

#[tokio::test]
async fn a_token_flap_is_survived() {
    let html = with(502, "content-type: text/html\r\n", "<html>");
    let tokens = [html, code(200, 2200), code(429, 99991400)];
    let server = Server::with_tokens(tokens, [json(200, OK)]).await;
    send(&server.client(), &create()).await.unwrap();
    assert_eq!((server.tokens(), server.calls()), (4, 1));
}

fn page(items: &[&str], more: bool, token: &str) -> Step {
    let items: Vec<_> = items
        .iter()
        .map(|g| format!(r#"{{"guid":"{g}","name":"List {g}"}}"#))
        .collect();
    let items = items.join(",");
    json(
        200,
        format!(
            r#"{{"code":0,"msg":"","data":{{"items":[{items}],"has_more":{more},"page_token":"{token}"}}}}"#
        ),
    )
}

#[tokio::test]
async fn every_page_is_read_once() {
    let steps = [
        page(&["a", "b"], true, "p/2=="),
        page(&["b", "c"], true, "p3"),
        page(&[], false, ""),
    ];
    let server = Server::start(steps).await;
    let found = server.client().tasklists().await.unwrap();
    let guids: Vec<_> = found.iter().map(|list| list.guid.as_str()).collect();
    assert_eq!(guids, ["a", "b", "c"]);
    assert_eq!(found[0].name, "List a");
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    let path = "GET /open-apis/task/v2/tasklists?page_size=100";
    assert_eq!(
        lines,
        [
            path.to_owned(),
            format!("{path}&page_token=p%2F2%3D%3D"),
            format!("{path}&page_token=p3")
        ]
    );
}

#[tokio::test]
async fn pages_that_go_round_end_in_an_error() {
    let circle = [
        page(&["a"], true, "p"),
        page(&["b"], true, "q"),
        page(&["a"], true, "p"),
    ];
    let endless = [page(&["a"], true, "")];
    for (steps, calls) in [(circle.to_vec(), 3), (endless.to_vec(), 1)] {
        let server = Server::start(steps).await;
        let error = server.client().tasklists().await.unwrap_err();
        assert!(error.to_string().contains("do not end"), "{error}");
        assert_eq!(server.calls(), calls);
    }
}

#[tokio::test]
async fn an_error_says_what_to_do_and_what_to_quote() {
    let scope = r#"{"code":99991672,"msg":"Access denied.","error":{"log_id":"20261121A","permission_violations":[{"type":"action_scope_required","subject":"task:tasklist:write"}]}}"#;
    let right = r#"{"code":1470403,"msg":"no permission"}"#;
    let steps = [
        json(400, scope),
        with(403, "x-tt-logid: 20261121B\r\n", right),
        with(403, "x-request-id: 20261121C\r\n", right),
    ];
    let server = Server::start(steps).await;
    let client = server.client();
    let mut text = String::new();
    for _ in 0..3 {
        let error = send(&client, &create()).await.unwrap_err();
        let hint = error.answer().unwrap().hint.as_deref().unwrap();
        let _ = writeln!(text, "{error}\n  {hint}");
    }
    insta::assert_snapshot!(text, @"
    createTasklistActivitySubscription: refused: Access denied. (HTTP 400, code 99991672, log id 20261121A)
      Grant the app one of the scopes `task:tasklist:write` in the developer console, and publish a version of it.
    createTasklistActivitySubscription: refused: no permission (HTTP 403, code 1470403, log id 20261121B)
      Make the app an editor of the tasklist, and add its bot to every chat among the subscribers.
    createTasklistActivitySubscription: refused: no permission (HTTP 403, code 1470403, log id 20261121C)
      Make the app an editor of the tasklist, and add its bot to every chat among the subscribers.
    ");
}

/// A place for what the log says.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alive, tracing asks the thread that first meets an event whether anybody
    // listens, and that may be another test's; with two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let echo = format!(
        r#"{{"code":CODE,"msg":"{SECRET} t-1","error":{{"field_violations":[{{"field":"{SECRET}","description":"Bearer t-1"}}]}}}}"#
    );
    let echo = |code: &str| json(400, echo.replace("CODE", code));
    let page = with(
        502,
        "content-type: text/html\r\n",
        "<p>Bearer t-1 not-a-real-secret",
    );
    let far = format!("{}{SECRET}{SECRET}", "x".repeat(2040));
    let steps = [echo("99992402"), echo("4711"), page, with(500, "", &far)];
    let server = Server::start(steps).await;
    let client = server.client();
    let mut said = format!("{:?}", server.settings());
    for _ in 0..4 {
        let error = send(&client, &create()).await.unwrap_err();
        let _ = writeln!(said, "{error} {error:?}");
    }
    assert!(said.contains("[secret]"));

    // A token in an answer that cannot be read, and a page that quotes the request.
    let odd = json(
        200,
        r#"{"code":0,"tenant_access_token":"t-odd","expire":"soon"}"#,
    );
    let page = with(502, "", "<p>not-a-real-secret");
    let refusal = json(200, format!(r#"{{"code":10015,"msg":"{SECRET}"}}"#));
    for step in [odd, page, refusal] {
        let server = Server::with_tokens(vec![step; 4], []).await;
        let client = server.client();
        for error in [
            send(&client, &create()).await.unwrap_err(),
            client.subscriptions(&list_guid()).await.unwrap_err(),
        ] {
            let _ = writeln!(said, "{error} {error:?}");
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("createTasklistActivitySubscription"));
    for text in [said, log] {
        for secret in [SECRET, "t-1", "t-odd", "not-a-real"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn credentials_do_not_go_to_strangers() {
    let build = |url: &str| {
        let settings = Settings::new(url, AppId::new("cli_a1"), SECRET.into());
        connect(settings).map(|_| ())
    };
    assert!(build("https://open.feishu.cn").is_ok());
    assert!(build("https://open.larksuite.com").is_ok());
    let foreign = build("https://open.feishu.example");
    assert!(matches!(foreign, Err(BuildError::ForeignHost(_))));
    let plain = build("http://open.feishu.cn");
    assert!(matches!(plain, Err(BuildError::PlainText(_))));
}
