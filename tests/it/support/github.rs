//! GitHub's comments on pull requests, as its documentation describes them, on loopback.
//!
//! Strict where GitHub is, and told to fail where a test wants it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The token that it knows.
pub(crate) const TOKEN: &str = "ghs_test";
/// The repository that it has, with pull request 7.
pub(crate) const REPOSITORY: &str = "acme/notices";

/// What goes wrong with the next call of a method.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is done, and this is answered.
    Answer(u16, &'static str),
    /// Nothing is done, and too many calls were made: a header says until when.
    Limited(&'static str, String),
    /// It is done, and this is answered.
    DoneBut(u16),
    /// It is done, and half of the answer comes.
    DoneAndCut,
    /// It is done, and the connection is closed in the middle of the answer.
    DoneAndHungUp,
    /// It is done, and no answer ever comes.
    DoneAndSilent,
}

#[derive(Default)]
pub(crate) struct World {
    /// The user of the token; an app's token has none.
    pub(crate) user: Option<&'static str>,
    pub(crate) comments: Vec<Value>,
    pub(crate) faults: Vec<(Method, Fault)>,
    pub(crate) calls: Vec<String>,
}

type Shared = Arc<Mutex<World>>;

/// Marks an answer that is never sent.
const SILENT: &str = "x-silent";

/// A running GitHub.
pub(crate) struct Hub {
    pub(crate) addr: SocketAddr,
    world: Shared,
    _runtime: tokio::runtime::Runtime,
}

impl Hub {
    pub(crate) fn start() -> Hub {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let world = Shared::default();
        let app = Router::new()
            .route("/user", get(user))
            .route(
                "/repos/{owner}/{name}/issues/{number}/comments",
                get(list).post(create),
            )
            .route("/repos/{owner}/{name}/issues/comments/{id}", patch(change))
            .with_state(Arc::clone(&world))
            .layer(axum::middleware::map_response(
                async |answer: Response| match answer.headers().contains_key(SILENT) {
                    true => std::future::pending().await,
                    false => answer,
                },
            ));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let addr = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Hub {
            addr,
            world,
            _runtime: runtime,
        }
    }

    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Somebody comments.
    pub(crate) fn comment(&self, login: &str, kind: &str, body: &str) {
        let mut world = self.world();
        add(&mut world, login, kind, body);
    }

    pub(crate) fn fault(&self, method: Method, fault: Fault) {
        self.world().faults.push((method, fault));
    }

    /// The texts of the comments that the app has made.
    pub(crate) fn ours(&self) -> Vec<String> {
        let world = self.world();
        let ours = world
            .comments
            .iter()
            .filter(|c| c["user"]["login"] == "github-actions[bot]");
        ours.map(|c| c["body"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How many calls of a method there were since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.world().calls)
    }
}

fn add(world: &mut World, login: &str, kind: &str, body: &str) -> Value {
    let id = 1000 + world.comments.len();
    let comment = json!({
        "id": id,
        "body": body,
        "html_url": format!("https://github.example/acme/notices/pull/7#issuecomment-{id}"),
        "user": { "login": login, "type": kind },
    });
    world.comments.push(comment.clone());
    comment
}

fn message(status: u16, words: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, json!({ "message": words }).to_string()).into_response()
}

/// Notes a call; the answer where it goes no further, or what is to happen after it.
fn enter(
    world: &mut World,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Fault>, Box<Response>> {
    world.calls.push(format!("{method} {}", uri.path()));
    let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    if header("authorization") != Some(format!("Bearer {TOKEN}")) {
        return Err(Box::new(message(401, "Bad credentials")));
    }
    assert_eq!(
        header("accept").as_deref(),
        Some("application/vnd.github+json")
    );
    assert!(
        header("user-agent").is_some(),
        "GitHub wants to know who it is"
    );
    let next = world.faults.iter().position(|(of, _)| of == method);
    match next.map(|at| world.faults.remove(at).1) {
        Some(Fault::Answer(status, words)) => Err(Box::new(message(status, words))),
        Some(Fault::Limited(name, value)) => {
            let mut answer = message(403, "API rate limit exceeded");
            let mut put = |name: &'static str, value: &str| {
                answer.headers_mut().insert(name, value.parse().unwrap());
            };
            put("x-ratelimit-remaining", "0");
            put(name, &value);
            Err(Box::new(answer))
        }
        other => Ok(other),
    }
}

fn leave(after: Option<Fault>, status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let text = body.to_string();
    match after {
        Some(Fault::DoneBut(status)) => message(status, "Server Error"),
        Some(Fault::DoneAndCut) => (status, text[..text.len() / 2].to_owned()).into_response(),
        Some(Fault::DoneAndHungUp) => {
            let half = Ok(Bytes::from(text[..text.len() / 2].to_owned()));
            let broken = Err(std::io::Error::other("hung up"));
            let body = Body::from_stream(futures_util::stream::iter([half, broken]));
            let length = [("content-length", text.len().to_string())];
            (status, length, body).into_response()
        }
        Some(Fault::DoneAndSilent) => (status, [(SILENT, "")], text).into_response(),
        _ => (status, text).into_response(),
    }
}

async fn user(
    State(world): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock().unwrap();
    match enter(&mut world, &method, &uri, &headers) {
        Err(answer) => *answer,
        Ok(Some(Fault::DoneAndSilent)) => leave(Some(Fault::DoneAndSilent), 200, &json!({})),
        Ok(_) => match world.user {
            Some(login) => leave(None, 200, &json!({ "login": login, "type": "User" })),
            None => message(403, "Resource not accessible by integration"),
        },
    }
}

fn is_there((owner, name): (&str, &str), number: Option<&str>) -> bool {
    format!("{owner}/{name}") == REPOSITORY && number.is_none_or(|number| number == "7")
}

async fn list(
    State(world): State<Shared>,
    Path((owner, name, number)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut world = world.lock().unwrap();
    let after = match enter(&mut world, &method, &uri, &headers) {
        Err(answer) => return *answer,
        Ok(after) => after,
    };
    if !is_there((&owner, &name), Some(&number)) {
        return message(404, "Not Found");
    }
    let of = |key: &str, otherwise: usize| query.get(key).map_or(otherwise, |v| v.parse().unwrap());
    let (size, page) = (of("per_page", 30).min(100), of("page", 1));
    let shown: Vec<_> = world
        .comments
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .cloned()
        .collect();
    leave(after, 200, &Value::Array(shown))
}

async fn create(
    State(world): State<Shared>,
    Path((owner, name, number)): Path<(String, String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = world.lock().unwrap();
    let after = match enter(&mut world, &method, &uri, &headers) {
        Err(answer) => return *answer,
        Ok(after) => after,
    };
    if !is_there((&owner, &name), Some(&number)) {
        return message(404, "Not Found");
    }
    let Some(text) = said(&body) else {
        return message(422, "Validation Failed");
    };
    let (login, kind) = match world.user {
        Some(login) => (login, "User"),
        None => ("github-actions[bot]", "Bot"),
    };
    let made = add(&mut world, login, kind, &text);
    leave(after, 201, &made)
}

async fn change(
    State(world): State<Shared>,
    Path((owner, name, id)): Path<(String, String, u64)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = world.lock().unwrap();
    let after = match enter(&mut world, &method, &uri, &headers) {
        Err(answer) => return *answer,
        Ok(after) => after,
    };
    let text = said(&body);
    let comment = world.comments.iter_mut().find(|c| c["id"] == id);
    match (is_there((&owner, &name), None), comment, text) {
        (true, Some(comment), Some(text)) => {
            comment["body"] = json!(text);
            let changed = comment.clone();
            leave(after, 200, &changed)
        }
        (_, _, None) => message(422, "Validation Failed"),
        _ => message(404, "Not Found"),
    }
}

fn said(body: &Bytes) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = value["body"].as_str()?;
    let fits = !text.is_empty() && text.chars().count() <= 65_536;
    fits.then(|| text.to_owned())
}
