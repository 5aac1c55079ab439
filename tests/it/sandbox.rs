//! The sandbox against the contract: every answer that it gives here is validated.

mod batch;
mod chats;
mod contact;
mod dingtalk;
mod dingtalk_groups;
mod dingtalk_send;
mod dingtalk_task;
mod enos;
mod enos_send;
mod images;
mod inbox;
mod messages;

use std::net::SocketAddr;
use std::time::Duration;

use beadle::sandbox::{
    APP_ID, APP_SECRET, Options, Sandbox, StartError, Wanted, WantedChat, WantedTasklist,
    WorldError,
};
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::contract::Contract;

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const TASKLIST: &str = "d300a75f-c56a-4be9-80d1-e47653028ceb";
const CHAT: &str = "oc_a0553eda9014c201e6969b478895c230";
const TASKLISTS: &str = "/open-apis/task/v2/tasklists";
const CHATS: &str = "/open-apis/im/v1/chats";
const TOKEN: &str = "/open-apis/auth/v3/tenant_access_token/internal";

/// A sandbox with one tasklist and one chat, and a client of it.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    contract: &'static Contract,
    token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["code"].as_i64().unwrap_or(-1)
    }
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Stage {
        let sandbox = Sandbox::start(LOOPBACK, options).await.unwrap();
        let wanted = Wanted {
            tasklists: vec![WantedTasklist {
                guid: Some(TASKLIST.to_owned()),
                name: Some("Release".to_owned()),
            }],
            chats: vec![WantedChat {
                id: CHAT.to_owned(),
                ..WantedChat::default()
            }],
            ..Wanted::default()
        };
        sandbox.seed(&wanted).unwrap();
        let mut stage = Stage {
            sandbox,
            client: client(),
            contract: Contract::feishu(),
            token: String::new(),
        };
        stage.token = stage.token_of(APP_ID, APP_SECRET).await;
        stage
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    async fn token_of(&self, app_id: &str, app_secret: &str) -> String {
        let credentials = json!({"app_id": app_id, "app_secret": app_secret});
        let reply = self
            .send("POST", TOKEN, "", Some(credentials))
            .await
            .unwrap();
        let token = reply.json()["tenant_access_token"].clone();
        token.as_str().unwrap_or_default().to_owned()
    }

    /// The same stage for the client of another app.
    pub(crate) async fn become_app(&mut self, app_id: &str) {
        let app = json!({"app_id": app_id, "app_secret": "s"});
        self.control("POST", "/apps", app).await;
        self.token = self.token_of(app_id, "s").await;
    }

    /// One vendor call; its answer has to fit the contract.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        let body = (!body.is_null()).then_some(body);
        let authorization = format!("Bearer {}", self.token);
        let reply = self.send(method, path, &authorization, body).await.unwrap();
        self.validate(method, path, &reply);
        reply
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        authorization: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Reply> {
        let url = format!("{}{path}", self.sandbox.base_url());
        let mut request = self.client.request(method.parse().unwrap(), url);
        if !authorization.is_empty() {
            request = request.header("Authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        Ok(Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    pub(crate) fn validate(&self, method: &str, path: &str, reply: &Reply) {
        let path = path.split('?').next().unwrap();
        let kind = reply.headers["content-type"].to_str().unwrap();
        self.contract
            .check_response(method, path, reply.status, kind, &reply.body)
            .unwrap_or_else(|violations| panic!("{violations:#?}\n{reply:?}"));
        let log_id = reply.headers["x-tt-logid"].to_str().unwrap();
        if kind.starts_with("application/json") && reply.code() != 0 {
            assert_eq!(reply.json()["error"]["log_id"], log_id);
        }
    }

    /// One control call, which has to work.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let body = (!body.is_null()).then_some(body);
        let path = format!("/_sandbox{path}");
        let reply = self.send(method, &path, "", body).await.unwrap();
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.json()
    }

    pub(crate) async fn create(&self, name: &str) -> Reply {
        self.call("POST", &subscriptions(), subscription(name))
            .await
    }

    pub(crate) async fn names(&self) -> Vec<String> {
        let reply = self.call("GET", &subscriptions(), Value::Null).await;
        let items = reply.json()["data"]["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn client() -> Client {
    builder().build().unwrap()
}

/// A client that makes a connection for each call.
pub(crate) fn unpooled() -> Client {
    builder().pool_max_idle_per_host(0).build().unwrap()
}

fn builder() -> reqwest::ClientBuilder {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Nothing here speaks TLS, but a client cannot be built without a root; one is quick to read.
    let root = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[0];
    Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_der(root).unwrap()])
}

pub(crate) fn subscriptions() -> String {
    format!("{TASKLISTS}/{TASKLIST}/activity_subscriptions")
}

pub(crate) fn subscription(name: &str) -> Value {
    json!({
        "name": name,
        "subscribers": [{"id": CHAT, "type": "chat"}],
        "include_keys": [100, 103],
        "disabled": false,
    })
}

fn guid_of(reply: &Reply) -> String {
    let json = reply.json();
    let guid = &json["data"]["activity_subscription"]["guid"];
    guid.as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
}

/// The body of a create with one field replaced; `null` takes it away.
fn create_with(field: &str, value: Value) -> Value {
    let mut body = subscription("a");
    body[field] = value;
    body
}

fn patch_of(fields: Value, mask: &[&str]) -> Value {
    json!({"activity_subscription": fields, "update_fields": mask})
}

#[test]
fn the_played_operations_are_those_of_the_contract() {
    for operation in beadle::sandbox::operations() {
        let (contract, id) = Contract::of_operation(operation.id);
        let (method, path, limit) = contract.row(id).unwrap();
        assert_eq!((operation.method, operation.path), (method, path));
        if operation.id.contains('.') {
            continue;
        }
        assert_eq!(json!(operation.per_minute), limit["per_minute"], "{path}");
        assert_eq!(json!(operation.per_second), limit["per_second"], "{path}");
    }
}

#[tokio::test]
async fn bad_calls_are_refused_as_the_contract_says() {
    let stage = Stage::new().await;
    let made = guid_of(&stage.create("first").await);
    let all = subscriptions();
    let one = format!("{all}/{made}");
    let long = |length: usize| "汉".repeat(length);
    let fifty_one: Vec<Value> = (0..51)
        .map(|n| json!({"id": format!("oc_{n}"), "type": "chat"}))
        .collect();
    let other_chat = json!([{"id": "oc_0000000000000000000000000000dead", "type": "chat"}]);
    let members = format!("{TASKLISTS}/{TASKLIST}/add_members");
    let nowhere = "11111111-1111-4111-8111-111111111111";
    let null = Value::Null;
    #[rustfmt::skip]
    let cases: Vec<(&str, String, Value, u16, i64)> = vec![
        // Create.
        ("POST", all.clone(), create_with("name", null.clone()), 400, 1470400),
        ("POST", all.clone(), create_with("name", json!("")), 400, 1470400),
        ("POST", all.clone(), create_with("name", json!(long(50))), 200, 0),
        ("POST", all.clone(), create_with("name", json!(long(51))), 400, 1470400),
        ("POST", all.clone(), create_with("name", json!(7)), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", null.clone()), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", json!([])), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", json!(fifty_one)), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", json!([{"id": CHAT}])), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", json!([{"id": "ou_1", "type": "user"}])), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", json!([{"id": "chat_123", "type": "chat"}])), 400, 1470400),
        ("POST", all.clone(), create_with("subscribers", other_chat.clone()), 403, 1470403),
        ("POST", all.clone(), create_with("subscribers", json!([{"id": CHAT, "type": "chat", "role": "x", "name": "y"}])), 200, 0),
        ("POST", all.clone(), create_with("include_keys", null.clone()), 400, 1470400),
        ("POST", all.clone(), create_with("include_keys", json!([])), 200, 0),
        ("POST", all.clone(), create_with("include_keys", json!([100, 100])), 400, 1470400),
        ("POST", all.clone(), create_with("include_keys", json!([102])), 400, 1470400),
        ("POST", all.clone(), create_with("include_keys", json!(["task.created"])), 400, 1470400),
        ("POST", all.clone(), create_with("disabled", json!("no")), 400, 1470400),
        ("POST", all.clone(), create_with("event_keys", json!(["task.created"])), 400, 1470400),
        ("POST", all.clone(), create_with("client_token", json!("x")), 400, 1470400),
        ("POST", all.clone(), json!([]), 400, 9499),
        ("POST", format!("{all}?user_id_type=chat_id"), subscription("a"), 400, 99992402),
        ("POST", format!("{all}?user_id_type=union_id"), subscription("a"), 200, 0),
        ("POST", all.replace(TASKLIST, nowhere), subscription("a"), 404, 1470404),
        // Read.
        ("GET", format!("{all}?limit=0"), null.clone(), 400, 99992402),
        ("GET", format!("{all}?limit=51"), null.clone(), 400, 99992402),
        ("GET", format!("{all}?limit=50"), json!({}), 200, 0),
        ("GET", all.replace(TASKLIST, nowhere), null.clone(), 404, 1470404),
        ("GET", one.clone(), null.clone(), 200, 0),
        ("GET", format!("{all}/{nowhere}"), null.clone(), 404, 1470404),
        ("GET", one.replace(TASKLIST, nowhere), null.clone(), 404, 1470404),
        // Patch.
        ("PATCH", one.clone(), patch_of(json!({"name": "b"}), &["name"]), 200, 0),
        ("PATCH", one.clone(), patch_of(json!({"name": "b"}), &[]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({"name": "b"}), &["name"; 20]), 200, 0),
        ("PATCH", one.clone(), patch_of(json!({"name": "b"}), &["name"; 21]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({"name": "b"}), &["event_keys"]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({}), &["name"]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({}), &["include_keys"]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({}), &["subscribers"]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({}), &["disabled"]), 200, 0),
        ("PATCH", one.clone(), patch_of(json!({"include_keys": []}), &["include_keys"]), 200, 0),
        ("PATCH", one.clone(), patch_of(json!({"subscribers": other_chat}), &["subscribers"]), 403, 1470403),
        ("PATCH", one.clone(), patch_of(json!({"subscribers": other_chat}), &["name"]), 400, 1470400),
        ("PATCH", one.clone(), patch_of(json!({"name": "b", "subscribers": other_chat}), &["name"]), 200, 0),
        ("PATCH", one.clone(), patch_of(json!({"guid": "x"}), &["name"]), 400, 1470400),
        ("PATCH", one.clone(), json!({"update_fields": ["name"]}), 400, 1470400),
        ("PATCH", one.clone(), json!({"activity_subscription": {}}), 400, 1470400),
        ("PATCH", format!("{all}/{nowhere}"), patch_of(json!({"name": "b"}), &["name"]), 404, 1470404),
        // Delete, twice.
        ("DELETE", one.clone(), json!({}), 200, 0),
        ("DELETE", one.clone(), null.clone(), 404, 1470404),
        // Tasklists.
        ("GET", format!("{TASKLISTS}?page_size=101"), null.clone(), 400, 99992402),
        ("GET", format!("{TASKLISTS}?page_token=mine"), null.clone(), 400, 99992402),
        ("GET", format!("{TASKLISTS}/{TASKLIST}"), null.clone(), 200, 0),
        ("GET", format!("{TASKLISTS}/{nowhere}"), null.clone(), 404, 1470404),
        ("POST", TASKLISTS.to_owned(), json!({"name": long(100)}), 200, 0),
        ("POST", TASKLISTS.to_owned(), json!({"name": long(101)}), 400, 1470400),
        ("POST", TASKLISTS.to_owned(), json!({"name": "n", "client_token": "t", "archive_tasklist": false}), 200, 0),
        ("POST", TASKLISTS.to_owned(), json!({"name": "n", "colour": "red"}), 400, 1470400),
        ("POST", TASKLISTS.to_owned(), json!({"name": "n", "members": [{"id": "x", "role": "owner"}]}), 400, 1470400),
        ("DELETE", format!("{TASKLISTS}/{TASKLIST}"), null.clone(), 403, 1470403),
        ("POST", members.clone(), json!({"members": []}), 400, 1470400),
        ("POST", members.clone(), json!({"members": [{"id": "cli_b", "type": "app", "role": "editor"}]}), 200, 0),
        ("POST", members.clone(), json!({"members": [{"id": "ou_5a6b8000000000000000000000000001", "type": "user"}]}), 200, 0),
        // Chats.
        ("POST", CHATS.to_owned(), json!({}), 200, 0),
        ("POST", CHATS.to_owned(), json!({"chat_type": "public"}), 400, 232042),
        ("POST", CHATS.to_owned(), json!({"chat_type": "public", "name": "a"}), 400, 232020),
        ("POST", CHATS.to_owned(), json!({"chat_type": "secret"}), 400, 232001),
        ("POST", CHATS.to_owned(), json!({"bot_id_list": ["cli_nobody"]}), 400, 232021),
        ("POST", CHATS.to_owned(), json!({"user_id_list": [""]}), 400, 232043),
        ("POST", format!("{CHATS}?set_bot_manager=True"), json!({"name": "a"}), 200, 0),
        ("POST", format!("{CHATS}?set_bot_manager=maybe"), json!({"name": "a"}), 400, 99992402),
        ("POST", format!("{CHATS}?uuid={}", "u".repeat(51)), json!({"name": "a"}), 400, 99992402),
        ("GET", format!("{CHATS}/{CHAT}"), null.clone(), 200, 0),
        ("GET", format!("{CHATS}/oc_nobody"), null.clone(), 400, 232006),
        ("GET", format!("{CHATS}/oc_nobody/members/is_in_chat"), null.clone(), 400, 232006),
        ("GET", format!("{CHATS}?page_size=0"), null.clone(), 400, 99992402),
        ("GET", format!("{CHATS}?sort_type=ByName"), null.clone(), 400, 99992402),
    ];
    for (method, path, body, status, code) in cases {
        let reply = stage.call(method, &path, body.clone()).await;
        assert_eq!(
            (reply.status, reply.code()),
            (status, code),
            "{method} {path} {body}\n{}",
            reply.body
        );
    }
}

#[tokio::test]
async fn a_refusal_names_the_field_and_changes_nothing() {
    let stage = Stage::new().await;
    let reply = stage
        .call(
            "POST",
            &subscriptions(),
            create_with("include_keys", json!([102])),
        )
        .await;
    assert!(
        reply.json()["msg"]
            .as_str()
            .unwrap()
            .contains("include_keys")
    );
    let reply = stage
        .call("GET", &format!("{}?limit=99", subscriptions()), Value::Null)
        .await;
    assert_eq!(
        reply.json()["error"]["field_violations"][0]["field"],
        "limit"
    );
    assert_eq!(stage.names().await, Vec::<String>::new());
}

#[tokio::test]
async fn unknown_paths_and_methods_get_plain_text() {
    let stage = Stage::new().await;
    for (method, path) in [
        ("GET", "/open-apis/task/v3/tasklists"),
        ("PUT", "/open-apis/task/v2/tasklists"),
        ("GET", "/open-apis/task/v2/tasklists/"),
        ("POST", "/"),
    ] {
        let reply = stage.send(method, path, "", None).await.unwrap();
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (404, "404 page not found")
        );
        assert!(reply.headers.contains_key("x-tt-logid"));
    }
}

#[tokio::test]
async fn the_gate_tells_missing_foreign_and_unknown_tokens_apart() {
    let stage = Stage::new().await;
    for (authorization, code) in [
        ("", 99991661),
        ("t-nobody", 99991661),
        ("Bearer ", 99991661),
        ("Bearer t-nobody", 99991663),
        ("Bearer u-user", 99991668),
        ("Bearer whatever", 99991671),
    ] {
        let reply = stage
            .send("GET", TASKLISTS, authorization, None)
            .await
            .unwrap();
        stage.validate("GET", TASKLISTS, &reply);
        assert_eq!((reply.status, reply.code()), (400, code), "{authorization}");
    }
}

#[tokio::test]
async fn bad_credentials_are_refused_with_status_200() {
    let stage = Stage::new().await;
    for (credentials, code) in [
        (json!({}), 10003),
        (json!({"app_id": APP_ID}), 10003),
        (json!({"app_id": "sandbox", "app_secret": "s"}), 10003),
        (json!({"app_id": "cli_nobody", "app_secret": "s"}), 10014),
        (json!({"app_id": APP_ID, "app_secret": "wrong"}), 10015),
        (json!({"app_id": APP_ID, "app_secret": APP_SECRET}), 0),
    ] {
        let reply = stage
            .send("POST", TOKEN, "", Some(credentials))
            .await
            .unwrap();
        stage.validate("POST", TOKEN, &reply);
        assert_eq!((reply.status, reply.code()), (200, code));
    }
}

#[tokio::test]
async fn a_token_is_kept_until_half_an_hour_is_left_and_then_both_work() {
    let mut stage = Stage::new().await;
    let first = stage.token.clone();
    stage
        .control("POST", "/tokens/expire", json!({"seconds": 1_801}))
        .await;
    assert_eq!(stage.token_of(APP_ID, APP_SECRET).await, first);
    stage
        .control("POST", "/tokens/expire", json!({"seconds": 1_700}))
        .await;
    let second = stage.token_of(APP_ID, APP_SECRET).await;
    assert_ne!(second, first);
    for token in [first, second] {
        stage.token = token;
        assert_eq!(stage.names().await, Vec::<String>::new());
    }
    stage
        .control("POST", "/clock", json!({"advance_ms": 7_200_000}))
        .await;
    let reply = stage.call("GET", &subscriptions(), Value::Null).await;
    assert_eq!((reply.status, reply.code()), (400, 99991663));
}

#[tokio::test]
async fn patch_changes_what_the_mask_lists_and_nothing_else() {
    let stage = Stage::new().await;
    let one = format!("{}/{}", subscriptions(), guid_of(&stage.create("a").await));
    let body = patch_of(
        json!({"name": "b", "include_keys": [132], "disabled": true}),
        &["include_keys"],
    );
    let reply = stage.call("PATCH", &one, body).await;
    let expected = json!({
        "name": "a",
        "subscribers": [{"id": CHAT, "type": "chat", "role": ""}],
        "include_keys": [132],
        "disabled": false,
    });
    let mut got = reply.json()["data"]["activity_subscription"].clone();
    got.as_object_mut().unwrap().remove("guid");
    assert_eq!(got, expected);
}

#[tokio::test]
async fn subscriptions_are_listed_in_order_of_creation_also_after_a_patch() {
    let stage = Stage::new().await;
    let first = guid_of(&stage.create("a").await);
    stage.create("b").await;
    let one = format!("{}/{first}", subscriptions());
    stage
        .call("PATCH", &one, patch_of(json!({"name": "c"}), &["name"]))
        .await;
    assert_eq!(stage.names().await, ["c", "b"]);
}

#[tokio::test]
async fn the_51st_subscription_is_refused() {
    let stage = Stage::new().await;
    for n in 0..50 {
        assert_eq!(stage.create(&n.to_string()).await.status, 200);
    }
    let reply = stage.create("one more").await;
    assert_eq!((reply.status, reply.code()), (400, 1470400));
}

#[tokio::test]
async fn roles_decide_who_reads_writes_and_deletes() {
    let mut stage = Stage::new().await;
    stage.create("ours").await;
    stage.become_app("cli_other").await;
    let list = format!("{TASKLISTS}/{TASKLIST}");
    let members = format!("/tasklists/{TASKLIST}/members");
    let mut seen = Vec::new();
    for role in ["", "viewer", "editor", "owner"] {
        if !role.is_empty() {
            stage
                .control("POST", &members, json!({"id": "cli_other", "role": role}))
                .await;
        }
        let read = stage
            .call("GET", &subscriptions(), Value::Null)
            .await
            .code();
        let write = stage
            .call(
                "POST",
                &format!("{list}/add_members"),
                json!({"members": [{"id": "ou_1", "type": "user"}]}),
            )
            .await
            .code();
        let listed = stage.call("GET", TASKLISTS, Value::Null).await.json()["data"]["items"]
            .as_array()
            .unwrap()
            .len();
        let delete = stage.call("DELETE", &list, Value::Null).await.code();
        seen.push((role, listed, read, write, delete));
    }
    assert_eq!(
        seen,
        [
            ("", 0, 1470403, 1470403, 1470403),
            ("viewer", 1, 0, 1470403, 1470403),
            ("editor", 1, 0, 0, 1470403),
            ("owner", 1, 0, 0, 0),
        ]
    );
    let world = stage.control("GET", "/world", Value::Null).await;
    assert_eq!(world["subscriptions"], json!([]));
}

#[tokio::test]
async fn a_subscription_outlives_the_bots_leaving_until_its_subscribers_are_written() {
    let stage = Stage::new().await;
    let one = format!("{}/{}", subscriptions(), guid_of(&stage.create("a").await));
    stage
        .control(
            "DELETE",
            &format!("/chats/{CHAT}/members/{APP_ID}"),
            Value::Null,
        )
        .await;
    let path = format!("{CHATS}/{CHAT}/members/is_in_chat");
    let reply = stage.call("GET", &path, Value::Null).await;
    assert_eq!(reply.json()["data"], json!({"is_in_chat": false}));
    let rename = patch_of(json!({"name": "b"}), &["name"]);
    assert_eq!(stage.call("PATCH", &one, rename).await.status, 200);
    let again = patch_of(subscription("b"), &["subscribers"]);
    assert_eq!(stage.call("PATCH", &one, again).await.code(), 1470403);
    assert_eq!(stage.create("c").await.code(), 1470403);
}

#[tokio::test]
async fn tasklists_come_in_pages_and_an_empty_token_starts_again() {
    let stage = Stage::new().await;
    for name in ["b", "c", "d"] {
        stage.call("POST", TASKLISTS, json!({"name": name})).await;
    }
    let mut pages = Vec::new();
    let mut token = String::new();
    for _ in 0..3 {
        let path = format!("{TASKLISTS}?page_size=2&page_token={token}");
        let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
        let names: Vec<Value> = data["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].clone())
            .collect();
        pages.push((names, data["has_more"] == true));
        token = data["page_token"].as_str().unwrap().to_owned();
    }
    let first = (vec![json!("Release"), json!("b")], true);
    let second = (vec![json!("c"), json!("d")], false);
    assert_eq!(pages, [first.clone(), second, first]);
}

#[tokio::test]
async fn a_created_tasklist_belongs_to_its_creator_alone() {
    let stage = Stage::new().await;
    let body = json!({"name": "n", "members": [{"id": APP_ID, "type": "app", "role": "viewer"}]});
    let tasklist = stage.call("POST", TASKLISTS, body).await.json()["data"]["tasklist"].clone();
    assert_eq!(
        tasklist["owner"],
        json!({"id": APP_ID, "type": "app", "role": "owner"})
    );
    assert_eq!(tasklist["members"], json!([]));
    let path = format!("{TASKLISTS}/{}", tasklist["guid"].as_str().unwrap());
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.json()["data"],
        json!({})
    );
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.code(),
        1470404
    );
}

#[tokio::test]
async fn one_uuid_and_owner_make_one_chat_for_ten_hours() {
    let stage = Stage::new().await;
    let people = json!([{"open_id": "ou_a"}, {"open_id": "ou_b"}]);
    stage.control("POST", "/users", people).await;
    let path = format!("{CHATS}?uuid=k1");
    let create = async |owner: &str| {
        let body = json!({"name": "room", "owner_id": owner});
        let reply = stage.call("POST", &path, body).await;
        reply.json()["data"]["chat_id"].as_str().unwrap().to_owned()
    };
    let first = create("ou_a").await;
    assert_eq!(create("ou_a").await, first);
    assert_ne!(create("ou_b").await, first);
    stage
        .control("POST", "/clock", json!({"advance_ms": 7_000_000}))
        .await;
    assert_eq!(create("ou_a").await, first);
}

#[tokio::test]
async fn a_dissolved_chat_is_in_no_list_and_says_so() {
    let stage = Stage::new().await;
    let created = stage
        .call("POST", CHATS, json!({"name": "room"}))
        .await
        .json();
    let id = created["data"]["chat_id"].as_str().unwrap();
    let path = format!("{CHATS}/{id}");
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.status, 200);
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.code(),
        232009
    );
    let detail = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
    assert_eq!(detail["chat_status"], "dissolved");
    let listed = stage.call("GET", CHATS, Value::Null).await.json()["data"]["items"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn outsiders_see_the_outline_of_a_public_chat_and_nothing_of_a_private_one() {
    let mut stage = Stage::new().await;
    let body = json!({"name": "open room", "chat_type": "public", "description": "d"});
    let public = stage.call("POST", CHATS, body).await.json();
    let public = format!("{CHATS}/{}", public["data"]["chat_id"].as_str().unwrap());
    stage.become_app("cli_other").await;
    let detail = stage.call("GET", &public, Value::Null).await.json()["data"].clone();
    assert_eq!(
        detail,
        json!({"user_count": "0", "bot_count": "1", "name": "open room", "chat_status": "normal"})
    );
    let private = stage
        .call("GET", &format!("{CHATS}/{CHAT}"), Value::Null)
        .await;
    assert_eq!(private.code(), 232011);
    assert_eq!(
        stage.call("DELETE", &public, Value::Null).await.code(),
        232011
    );
}

#[tokio::test]
async fn limits_hold_when_they_are_on() {
    let stage = Stage::with(Options {
        enforce_limits: true,
        ..Options::default()
    })
    .await;
    let mut last = None;
    for _ in 0..101 {
        last = Some(stage.call("GET", &subscriptions(), Value::Null).await);
    }
    let last = last.unwrap();
    assert_eq!((last.status, last.code()), (429, 99991400));
    assert_eq!(last.headers["x-ogw-ratelimit-limit"], "100");
    let reset: i64 = last.headers["x-ogw-ratelimit-reset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&reset));
    // Another endpoint has a window of its own, and this one opens again.
    assert_eq!(stage.create("a").await.status, 200);
    stage
        .control("POST", "/clock", json!({"advance_ms": 60_000}))
        .await;
    assert_eq!(stage.names().await, ["a"]);
}

#[tokio::test]
async fn two_sandboxes_on_one_file_are_one_world() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        world: Some(folder.path().join("sub/world.db")),
        ..Options::default()
    };
    let one = Stage::with(options.clone()).await;
    let two = Stage::with(options.clone()).await;
    one.create("from one").await;
    two.create("from two").await;
    assert_eq!(one.names().await, ["from one", "from two"]);
    one.sandbox.stop().await;
    two.sandbox.stop().await;
    let again = Stage::with(options).await;
    assert_eq!(again.names().await, ["from one", "from two"]);
}

#[tokio::test]
async fn seeding_makes_only_what_is_missing() {
    let stage = Stage::new().await;
    let wanted = Wanted {
        tasklists: vec![
            WantedTasklist {
                guid: Some(TASKLIST.to_owned()),
                name: Some("another name".to_owned()),
            },
            WantedTasklist {
                guid: None,
                name: Some("Roadmap".to_owned()),
            },
        ],
        ..Wanted::default()
    };
    let made: Vec<String> = stage
        .sandbox
        .seed(&wanted)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        made,
        ["tasklist Roadmap (92375f99-7ffe-85ab-bf04-eeda8cb2d7f6)"]
    );
    assert_eq!(stage.sandbox.seed(&wanted).unwrap(), []);
}

#[tokio::test]
async fn a_world_from_the_future_or_of_something_else_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |name: &str| {
        let options = Options {
            world: Some(folder.path().join(name)),
            ..Options::default()
        };
        Sandbox::start(LOOPBACK, options).await
    };
    start("newer").await.unwrap().stop().await;
    let world = rusqlite::Connection::open(folder.path().join("newer")).unwrap();
    world.pragma_update(None, "user_version", 99).unwrap();
    drop(world);
    let error = start("newer").await.unwrap_err();
    assert!(
        matches!(
            error,
            StartError::World(WorldError::Newer {
                found: 99,
                known: 2,
                ..
            })
        ),
        "{error}"
    );

    let foreign = rusqlite::Connection::open(folder.path().join("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE mine (x)").unwrap();
    std::fs::write(
        folder.path().join("text"),
        "not a database at all, but long enough",
    )
    .unwrap();
    for name in ["foreign", "text"] {
        let error = start(name).await.unwrap_err();
        assert!(
            matches!(error, StartError::World(WorldError::NotAWorld { .. })),
            "{error}"
        );
    }
    std::fs::write(folder.path().join("empty"), "").unwrap();
    start("empty").await.unwrap().stop().await;
}

#[tokio::test]
async fn a_world_from_before_messages_gets_room_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world");
    let start = async || {
        let options = Options {
            world: Some(path.clone()),
            ..Options::default()
        };
        Stage::with(options).await
    };
    start().await.sandbox.stop().await;
    let world = rusqlite::Connection::open(&path).unwrap();
    world
        .execute_batch("DROP TABLE messages; DROP TABLE deliveries; PRAGMA user_version = 1")
        .unwrap();
    drop(world);
    let stage = start().await;
    let body = json!({"receive_id": CHAT, "msg_type": "text", "content": "{\"text\":\"a\"}"});
    let path = "/open-apis/im/v1/messages?receive_id_type=chat_id";
    assert_eq!(stage.call("POST", path, body).await.code(), 0);
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    assert_eq!(inbox["chats"][0]["messages"][0]["text"], "a");
}

#[tokio::test]
async fn a_taken_address_is_an_error() {
    let first = Stage::new().await;
    let second = Sandbox::start(first.sandbox.addr(), Options::default()).await;
    assert!(matches!(second, Err(StartError::Listen { .. })));
}

#[tokio::test]
async fn the_log_has_every_call_and_no_secret() {
    let stage = Stage::with(Options {
        latency: Duration::from_millis(1),
        ..Options::default()
    })
    .await;
    stage.create("a").await;
    stage
        .call("POST", &subscriptions(), json!({"name": "b"}))
        .await;
    let log = stage.control("GET", "/calls?after=1", Value::Null).await;
    let calls = log["calls"].as_array().unwrap();
    let brief: Vec<Value> = calls
        .iter()
        .map(|call| {
            json!([
                call["operation"],
                call["app"],
                call["status"],
                call["code"],
                call["write"],
                call["effect"]
            ])
        })
        .collect();
    let create = "createTasklistActivitySubscription";
    assert_eq!(
        brief,
        [
            json!([create, APP_ID, 200, 0, true, true]),
            json!([create, APP_ID, 400, 1470400, true, false]),
        ]
    );
    assert_eq!(calls[0]["body"], subscription("a"));
    // The second body lacks what is required, and the contract knows it.
    let violations = stage.contract.check_calls(&log).unwrap_err();
    assert_eq!(violations.len(), 1, "{violations:#?}");
    let all = stage
        .control("GET", "/calls", Value::Null)
        .await
        .to_string();
    assert!(
        !all.contains(APP_SECRET) && !all.contains(&stage.token),
        "{all}"
    );
    stage.control("DELETE", "/calls", Value::Null).await;
    let log = stage.control("GET", "/calls", Value::Null).await;
    assert_eq!(log["calls"], json!([]));
}

#[tokio::test]
async fn what_others_do_behind_our_back_shows() {
    let stage = Stage::new().await;
    let ours = guid_of(&stage.create("ours").await);
    let theirs = json!({"name": "theirs", "include_keys": [133]});
    stage
        .control(
            "POST",
            &format!("/tasklists/{TASKLIST}/subscriptions"),
            theirs,
        )
        .await;
    stage
        .control(
            "POST",
            &format!("/subscriptions/{ours}"),
            json!({"include_keys": [100, 133], "disabled": true}),
        )
        .await;
    let reply = stage
        .call("GET", &subscriptions(), Value::Null)
        .await
        .json();
    let keys: Vec<&Value> = reply["data"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["include_keys"])
        .collect();
    assert_eq!(keys, [&json!([100, 133]), &json!([133])]);
    stage
        .control("DELETE", &format!("/subscriptions/{ours}"), Value::Null)
        .await;
    assert_eq!(stage.names().await, ["theirs"]);
    stage
        .control(
            "DELETE",
            &format!("/tasklists/{TASKLIST}/members/{APP_ID}"),
            Value::Null,
        )
        .await;
    let reply = stage.call("GET", &subscriptions(), Value::Null).await;
    assert_eq!(reply.code(), 1470403);
    stage
        .control("DELETE", &format!("/tasklists/{TASKLIST}"), Value::Null)
        .await;
    let reply = stage.call("GET", &subscriptions(), Value::Null).await;
    assert_eq!(reply.code(), 1470404);
}
