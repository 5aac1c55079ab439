//! Feishu's single messages: what is refused, one message per key, recall and readers.

use beadle::sandbox::{APP_ID, APP_SECRET, Options};
use serde_json::{Value, json};

use super::images::image;
use super::{CHAT, Reply, Stage};

const MESSAGES: &str = "/open-apis/im/v1/messages";

pub(super) async fn peopled(options: Options) -> Stage {
    let stage = Stage::with(options).await;
    let people = json!([
        {"open_id": "ou_a", "union_id": "on_a", "user_id": "a", "name": "Ada", "email": "ada@example.com"},
        {"open_id": "ou_b", "union_id": "on_b", "user_id": "b"},
        {"open_id": "ou_far", "out_of_scope": true},
        {"open_id": "ou_left", "left": true},
        {"open_id": "ou_blocks", "blocks_bots": true},
    ]);
    stage.control("POST", "/users", people).await;
    for user in ["ou_a", "ou_b"] {
        let path = format!("/chats/{CHAT}/members");
        stage.control("POST", &path, json!({"user": user})).await;
    }
    stage
}

fn text(to: &str) -> Value {
    json!({"receive_id": to, "msg_type": "text", "content": "{\"text\":\"hello\"}"})
}

fn of_kind(kind: &str, content: Value) -> Value {
    json!({"receive_id": CHAT, "msg_type": kind, "content": content.to_string()})
}

pub(super) async fn create(stage: &Stage, by: &str, body: Value) -> Reply {
    let path = format!("{MESSAGES}?receive_id_type={by}");
    stage.call("POST", &path, body).await
}

async fn sent(stage: &Stage, by: &str, body: Value) -> Value {
    let reply = create(stage, by, body).await.json();
    assert_eq!(reply["code"], 0, "{reply}");
    reply["data"].clone()
}

async fn message_id(stage: &Stage, by: &str, body: Value) -> String {
    let data = sent(stage, by, body).await;
    data["message_id"].as_str().unwrap().to_owned()
}

async fn recall(stage: &Stage, id: &str) -> i64 {
    let path = format!("{MESSAGES}/{id}");
    stage.call("DELETE", &path, Value::Null).await.code()
}

async fn readers(stage: &Stage, id: &str, query: &str) -> Reply {
    let path = format!("{MESSAGES}/{id}/read_users?{query}");
    stage.call("GET", &path, Value::Null).await
}

async fn advance(stage: &mut Stage, seconds: i64) {
    let body = json!({"seconds": seconds});
    stage.control("POST", "/advance", body).await;
    stage.token = stage.token_of(APP_ID, APP_SECRET).await;
}

#[tokio::test]
async fn bad_messages_are_refused_as_the_contract_says() {
    let stage = peopled(Options::default()).await;
    let image_key = image(&stage).await;
    let with = |field: &str, value: Value| {
        let mut body = text(CHAT);
        body[field] = value;
        body
    };
    let long = |length: usize| "x".repeat(length);
    let sized = |of: &dyn Fn(usize) -> Value, bytes: usize| {
        let fixed = of(0).to_string().len();
        of(bytes - fixed)
    };
    let texts = |length| of_kind("text", json!({"text": long(length)}));
    let node = |tag: &str, name: &str, value: &str| json!({"tag": tag, name: value});
    let post = |nodes: Value| of_kind("post", json!({"zh_cn": {"content": [nodes]}}));
    let posts = |length| post(json!([{"tag": "text", "text": long(length)}]));
    let cards = |length| {
        of_kind(
            "interactive",
            json!({"elements": [{"content": long(length)}]}),
        )
    };
    let direct = sent(&stage, "open_id", text("ou_b")).await["chat_id"].clone();
    let chat = "chat_id";
    #[rustfmt::skip]
    let cases: Vec<(&str, Value, i64)> = vec![
        ("", text(CHAT), 99992402),
        ("phone", text(CHAT), 99992402),
        (chat, text(CHAT), 0),
        (chat, json!([]), 9499),
        (chat, with("receive_id", Value::Null), 230001),
        (chat, with("receive_id", json!("")), 230001),
        (chat, with("msg_type", Value::Null), 230001),
        (chat, with("msg_type", json!("poem")), 230001),
        (chat, with("content", Value::Null), 230001),
        (chat, with("content", json!({"text": "a"})), 230001),
        (chat, with("content", json!("hello")), 230001),
        (chat, with("content", json!("{\"text\":\"\"}")), 230001),
        (chat, with("uuid", json!(long(50))), 0),
        (chat, with("uuid", json!(long(51))), 230001),
        // Receivers.
        (chat, text("ou_a"), 230034),
        (chat, text("oc_nobody"), 99992356),
        (chat, text(direct.as_str().unwrap()), 0),
        ("open_id", text("ou_a"), 0),
        ("open_id", text("oc_1"), 230034),
        ("open_id", text("ou_nobody"), 99992351),
        ("user_id", text("a"), 0),
        ("user_id", text("nobody"), 99992360),
        ("union_id", text("on_a"), 0),
        ("union_id", text("on_nobody"), 99992364),
        ("email", text("Ada@example.com"), 0),
        ("email", text("nobody@example.com"), 230001),
        ("email", text("ada"), 230034),
        ("open_id", text("ou_far"), 230013),
        ("open_id", text("ou_left"), 230029),
        ("open_id", text("ou_blocks"), 230035),
        // Kinds.
        (chat, of_kind("image", json!({"image_key": image_key})), 0),
        (chat, of_kind("image", json!({"image_key": "img_v2_nobody"})), 230001),
        (chat, of_kind("share_chat", json!({"chat_id": CHAT})), 0),
        (chat, of_kind("share_chat", json!({"chat_id": "oc_nobody"})), 230001),
        (chat, of_kind("share_chat", json!({"share_chat_id": CHAT})), 230001),
        (chat, of_kind("share_chat", json!({"chat_id": direct})), 230015),
        (chat, of_kind("share_user", json!({"user_id": "ou_a"})), 0),
        (chat, of_kind("share_user", json!({"user_id": "ou_nobody"})), 230001),
        (chat, of_kind("file", json!({"file_key": "file_v2_1"})), 230017),
        (chat, of_kind("system", json!({"type": "divider"})), 230054),
        (chat, of_kind("interactive", json!({})), 230099),
        (chat, of_kind("interactive", json!({"type": "template", "data": {"template_id": ""}})), 230099),
        (chat, of_kind("interactive", json!({"type": "template", "data": {"template_id": "AAq"}})), 0),
        (chat, of_kind("interactive", json!({"type": "card", "data": {"schema": "2.0", "body": {}}})), 0),
        (chat, post(json!([node("text", "text", "a"), node("at", "user_id", "all")])), 0),
        (chat, post(json!([{"tag": "md", "text": "**a**"}])), 0),
        (chat, post(json!([{"tag": "text", "text": "a", "style": ["bold"]}])), 0),
        (chat, post(json!([{"tag": "text", "text": "a", "style": ["huge"]}])), 230001),
        (chat, post(json!([node("bullet", "text", "a")])), 230001),
        (chat, post(json!([node("img", "image_key", &image_key)])), 0),
        (chat, post(json!([node("img", "image_key", &image_key), node("text", "text", "a")])), 230001),
        (chat, of_kind("post", json!({"post": {"zh_cn": {"content": []}}})), 230001),
        (chat, of_kind("post", json!({})), 230001),
        // Sizes of the whole request.
        (chat, sized(&texts, 150_000), 0),
        (chat, sized(&texts, 150_001), 230025),
        (chat, sized(&posts, 30_000), 0),
        (chat, sized(&posts, 30_001), 230025),
        (chat, sized(&cards, 30_000), 0),
        (chat, sized(&cards, 30_001), 230025),
    ];
    for (by, body, code) in cases {
        let reply = create(&stage, by, body.clone()).await;
        let status = if code == 0 { 200 } else { 400 };
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(
            (reply.status, reply.code()),
            (status, code),
            "{by} {shown} {reply:?}"
        );
    }
    stage
        .control("POST", "/tenant", json!({"bots_off": true}))
        .await;
    assert_eq!(create(&stage, chat, text(CHAT)).await.code(), 230006);
}

#[tokio::test]
async fn a_message_is_answered_as_it_was_sent() {
    let stage = peopled(Options::default()).await;
    let data = sent(&stage, "chat_id", text(CHAT)).await;
    assert!(data["message_id"].as_str().unwrap().starts_with("om_"));
    assert_eq!(data["chat_id"], CHAT);
    assert_eq!(data["body"]["content"], "{\"text\":\"hello\"}");
    assert_eq!(
        (&data["sender"]["id"], &data["sender"]["sender_type"]),
        (&json!(APP_ID), &json!("app"))
    );
    // One person has one chat with a bot, whatever they are named by.
    let first = sent(&stage, "open_id", text("ou_a")).await["chat_id"].clone();
    let second = sent(&stage, "email", text("ada@example.com")).await["chat_id"].clone();
    assert_eq!(first, second);
    let log = stage.control("GET", "/calls", Value::Null).await;
    crate::support::contract::Contract::feishu()
        .check_calls(&log)
        .unwrap();
}

#[tokio::test]
async fn a_uuid_makes_one_message_an_hour() {
    let mut stage = peopled(Options::default()).await;
    let body = |text: &str, uuid: &str| {
        let content = json!({"text": text}).to_string();
        json!({"receive_id": CHAT, "msg_type": "text", "content": content, "uuid": uuid})
    };
    let first = message_id(&stage, "chat_id", body("a", "nonce")).await;
    assert_eq!(
        first,
        message_id(&stage, "chat_id", body("a", "nonce")).await
    );
    // Other words under the key of the first are dropped without a sign.
    assert_eq!(
        first,
        message_id(&stage, "chat_id", body("b", "nonce")).await
    );
    assert_ne!(
        first,
        message_id(&stage, "chat_id", body("a", "other")).await
    );
    advance(&mut stage, 3_590).await;
    assert_eq!(
        first,
        message_id(&stage, "chat_id", body("a", "nonce")).await
    );
    advance(&mut stage, 20).await;
    assert_ne!(
        first,
        message_id(&stage, "chat_id", body("a", "nonce")).await
    );
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    assert_eq!(inbox["chats"][0]["messages"].as_array().unwrap().len(), 3);
    // A key is an app's own.
    stage.become_app("cli_other").await;
    let path = format!("/chats/{CHAT}/members");
    stage
        .control("POST", &path, json!({"app_id": "cli_other"}))
        .await;
    assert_ne!(
        first,
        message_id(&stage, "chat_id", body("a", "other")).await
    );
}

#[tokio::test]
async fn a_bot_posts_where_it_is_and_may() {
    let mut stage = peopled(Options::default()).await;
    let own = message_id(&stage, "chat_id", text(CHAT)).await;
    let direct = sent(&stage, "open_id", text("ou_a")).await;
    stage.become_app("cli_other").await;
    assert_eq!(create(&stage, "chat_id", text(CHAT)).await.code(), 230002);
    let theirs = direct["chat_id"].as_str().unwrap();
    assert_eq!(create(&stage, "chat_id", text(theirs)).await.code(), 230002);
    assert_eq!(recall(&stage, &own).await, 230002);
    assert_eq!(
        recall(&stage, direct["message_id"].as_str().unwrap()).await,
        230050
    );
    let by = "user_id_type=open_id";
    assert_eq!(readers(&stage, &own, by).await.code(), 230012);
    let members = format!("/chats/{CHAT}/members");
    stage
        .control("POST", &members, json!({"app_id": "cli_other"}))
        .await;
    assert_eq!(create(&stage, "chat_id", text(CHAT)).await.code(), 0);
    assert_eq!(recall(&stage, &own).await, 230026);
    let chat = format!("/chats/{CHAT}");
    let closed = json!({"moderation_permission": "only_owner"});
    stage.control("POST", &chat, closed).await;
    assert_eq!(create(&stage, "chat_id", text(CHAT)).await.code(), 230018);
    let other = message_id(&stage, "open_id", text("ou_b")).await;

    stage.token = stage.token_of(APP_ID, APP_SECRET).await;
    assert_eq!(create(&stage, "chat_id", text(CHAT)).await.code(), 0);
    assert_eq!(recall(&stage, &other).await, 230050);
    stage
        .control("DELETE", &format!("{members}/{APP_ID}"), Value::Null)
        .await;
    assert_eq!(create(&stage, "chat_id", text(CHAT)).await.code(), 230002);
    assert_eq!(readers(&stage, &own, by).await.code(), 230002);
    stage.control("DELETE", &chat, Value::Null).await;
    assert_eq!(create(&stage, "chat_id", text(CHAT)).await.code(), 232009);
    assert_eq!(recall(&stage, &own).await, 232009);
    let shared = json!({"receive_id": "ou_a", "msg_type": "share_chat",
        "content": json!({"chat_id": CHAT}).to_string()});
    assert_eq!(create(&stage, "open_id", shared).await.code(), 232009);
}

#[tokio::test]
async fn a_recall_has_its_window_and_happens_once() {
    let mut stage = peopled(Options::default()).await;
    let early = message_id(&stage, "chat_id", text(CHAT)).await;
    let late = message_id(&stage, "chat_id", text(CHAT)).await;
    advance(&mut stage, 24 * 3600 - 60).await;
    assert_eq!(recall(&stage, &early).await, 0);
    assert_eq!(recall(&stage, &early).await, 230110);
    let by = "user_id_type=open_id";
    assert_eq!(readers(&stage, &early, by).await.code(), 230110);
    advance(&mut stage, 120).await;
    assert_eq!(recall(&stage, &late).await, 230009);
    assert_eq!(recall(&stage, "bm-1").await, 230001);
    assert_eq!(recall(&stage, "om_nobody").await, 99992354);
    let direct = message_id(&stage, "open_id", text("ou_b")).await;
    stage
        .control("POST", "/users/ou_b", json!({"left": true}))
        .await;
    assert_eq!(recall(&stage, &direct).await, 230013);
    assert_eq!(readers(&stage, &direct, by).await.code(), 230013);

    // Who manages the chat recalls those of others too, for a year.
    stage.become_app("cli_other").await;
    let path = format!("/chats/{CHAT}/members");
    stage
        .control("POST", &path, json!({"app_id": "cli_other"}))
        .await;
    let first = message_id(&stage, "chat_id", text(CHAT)).await;
    let second = message_id(&stage, "chat_id", text(CHAT)).await;
    advance(&mut stage, 364 * 24 * 3600).await;
    assert_eq!(recall(&stage, &first).await, 0);
    advance(&mut stage, 2 * 24 * 3600).await;
    assert_eq!(recall(&stage, &second).await, 230009);
    stage
        .control("POST", "/tenant", json!({"bots_off": true}))
        .await;
    assert_eq!(recall(&stage, &second).await, 230006);
    assert_eq!(readers(&stage, &second, by).await.code(), 230006);
}

#[tokio::test]
async fn readers_are_listed_in_pages_for_a_week() {
    let mut stage = peopled(Options::default()).await;
    let id = message_id(&stage, "chat_id", text(CHAT)).await;
    let by = "user_id_type=open_id";
    let none = readers(&stage, &id, by).await.json()["data"].clone();
    assert_eq!(
        none,
        json!({"items": [], "page_token": "", "has_more": false})
    );
    for person in ["ou_b", "a"] {
        let read = json!({"person": person, "message": id});
        stage.control("POST", "/read", read).await;
        advance(&mut stage, 1).await;
    }
    let page = readers(&stage, &id, "user_id_type=user_id&page_size=1")
        .await
        .json()["data"]
        .clone();
    assert_eq!(
        (&page["items"][0]["user_id"], &page["has_more"]),
        (&json!("b"), &json!(true))
    );
    let token = page["page_token"].as_str().unwrap();
    let query = format!("user_id_type=union_id&page_size=1&page_token={token}");
    let page = readers(&stage, &id, &query).await.json()["data"].clone();
    assert_eq!(
        (&page["items"][0]["user_id"], &page["has_more"]),
        (&json!("on_a"), &json!(false))
    );
    for query in [
        "",
        "user_id_type=chat_id",
        "user_id_type=open_id&page_size=0",
        "user_id_type=open_id&page_size=101",
        "user_id_type=open_id&page_token=mine",
    ] {
        assert_eq!(
            readers(&stage, &id, query).await.code(),
            99992402,
            "{query}"
        );
    }
    assert_eq!(readers(&stage, "bm-1", by).await.code(), 230001);
    assert_eq!(readers(&stage, "om_nobody", by).await.code(), 99992354);
    advance(&mut stage, 7 * 24 * 3600 - 60).await;
    assert_eq!(readers(&stage, &id, by).await.code(), 0);
    advance(&mut stage, 120).await;
    assert_eq!(readers(&stage, &id, by).await.code(), 230033);
}

#[tokio::test]
async fn five_messages_a_second_to_one_receiver() {
    let stage = peopled(Options {
        enforce_limits: true,
        ..Options::default()
    })
    .await;
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.push(create(&stage, "chat_id", text(CHAT)).await.code());
    }
    assert_eq!(codes[..5], [0; 5]);
    assert!(codes.contains(&230020), "{codes:?}");
    assert_eq!(create(&stage, "open_id", text("ou_a")).await.code(), 0);
}
