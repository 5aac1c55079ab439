//! Feishu's batches: whom they reach, what they may say, and what is told of them afterwards.

use serde_json::{Value, json};

use super::{CHAT, Reply, Stage};

const SEND: &str = "/open-apis/message/v4/batch_send/";
const BATCHES: &str = "/open-apis/im/v1/batch_messages";

/// A stage with a department, one below it, and people inside and outside of the app's scope.
async fn peopled() -> Stage {
    let stage = Stage::new().await;
    let departments = json!([
        {"open_department_id": "od-dev", "department_id": "dev", "name": "Dev"},
        {"open_department_id": "od-ops", "name": "Ops", "parent": "od-dev"},
        {"open_department_id": "od-far", "name": "Far", "out_of_scope": true},
    ]);
    stage.control("POST", "/departments", departments).await;
    let people = json!([
        {"open_id": "ou_a", "union_id": "on_a", "user_id": "a", "name": "Ada", "departments": ["od-dev"]},
        {"open_id": "ou_b", "union_id": "on_b", "user_id": "b", "name": "Bo", "departments": ["od-ops"]},
        {"open_id": "ou_c", "user_id": "c", "name": "Cy"},
        {"open_id": "ou_far", "departments": ["od-ops"], "out_of_scope": true},
        {"open_id": "ou_left", "departments": ["od-ops"], "left": true},
        {"dingtalk_user_id": "d1", "departments": ["od-dev"]},
    ]);
    stage.control("POST", "/users", people).await;
    stage
}

/// A text to Ada with one field replaced; `null` takes it away.
fn body(field: &str, value: Value) -> Value {
    let mut body = json!({"open_ids": ["ou_a"], "msg_type": "text", "content": {"text": "hello"}});
    body[field] = value;
    body
}

fn of_kind(kind: &str, content: Value) -> Value {
    json!({"open_ids": ["ou_a"], "msg_type": kind, "content": content})
}

fn card(card: Value) -> Value {
    json!({"open_ids": ["ou_a"], "msg_type": "interactive", "card": card})
}

fn post(nodes: Value) -> Value {
    of_kind(
        "post",
        json!({"post": {"zh_cn": {"title": "T", "content": [nodes]}}}),
    )
}

async fn send(stage: &Stage, body: Value) -> String {
    let reply = stage.call("POST", SEND, body).await.json();
    let id = reply["data"]["message_id"].as_str();
    id.unwrap_or_else(|| panic!("{reply}")).to_owned()
}

async fn advance(stage: &Stage, seconds: i64) {
    let body = json!({"seconds": seconds});
    stage.control("POST", "/advance", body).await;
}

async fn told(stage: &Stage, id: &str) -> Value {
    let path = |what: &str| format!("{BATCHES}/{id}/{what}");
    let progress = stage.call("GET", &path("get_progress"), Value::Null).await;
    let progress = progress.json()["data"].clone();
    let read = stage.call("GET", &path("read_user"), Value::Null).await;
    let read = read.json()["data"]["read_user"].clone();
    let sent = &progress["batch_message_send_progress"];
    let recalled = &progress["batch_message_recall_progress"];
    json!([
        sent["valid_user_ids_count"],
        sent["success_user_ids_count"],
        sent["read_user_ids_count"],
        recalled["recall"],
        recalled["recall_count"],
        read["read_count"],
        read["total_count"],
    ])
}

#[tokio::test]
async fn bad_batches_are_refused_with_http_200() {
    let stage = peopled().await;
    let ids = |count: usize| json!(vec!["ou_a"; count]);
    let long = |length: usize| "x".repeat(length);
    let text = |length: usize| of_kind("text", json!({"text": long(length)}));
    let fixed = |body: Value| body.to_string().len();
    let text_room = 150_000 - fixed(text(0));
    let post_of = |length: usize| post(json!([{"tag": "text", "text": long(length)}]));
    let post_room = 30_000 - fixed(post_of(0));
    let card_of = |length: usize| card(json!({"elements": [{"content": long(length)}]}));
    let card_room = 30_000 - fixed(card_of(0));
    #[rustfmt::skip]
    let cases: Vec<(Value, i64)> = vec![
        // Receivers.
        (body("open_ids", Value::Null), 10003),
        (body("open_ids", json!([])), 10003),
        (body("open_ids", ids(200)), 0),
        (body("open_ids", ids(201)), 10003),
        (body("user_ids", ids(201)), 10003),
        (body("union_ids", ids(201)), 10003),
        (body("department_ids", ids(200)), 0),
        (body("department_ids", ids(201)), 10003),
        (body("department_ids", json!(["0"])), 10003),
        (body("open_ids", json!("ou_a")), 10003),
        (body("open_ids", json!([7])), 10003),
        // Kinds.
        (body("msg_type", Value::Null), 10003),
        (body("msg_type", json!("sticker")), 10003),
        (body("content", Value::Null), 10003),
        (body("content", json!("{\"text\":\"a\"}")), 10003),
        (body("content", json!({"text": ""})), 10003),
        (body("content", json!({})), 10003),
        (of_kind("interactive", json!({"elements": []})), 10003),
        (card(json!("{}")), 10003),
        (card(json!({})), 11246),
        (card(json!({"type": "template", "data": {}})), 11246),
        (card(json!({"type": "template", "data": {"template_id": "AAq"}})), 0),
        (card(json!({"header": {"title": {"content": "T"}}, "elements": []})), 0),
        (of_kind("image", json!({"image_key": "img_v2_nobody"})), 11227),
        (of_kind("image", json!({})), 10003),
        (of_kind("share_chat", json!({"share_chat_id": CHAT})), 0),
        (of_kind("share_chat", json!({"share_chat_id": "oc_nobody"})), 11231),
        (of_kind("share_chat", json!({"chat_id": CHAT})), 10003),
        // Posts.
        (post(json!([{"tag": "text", "text": "a"}, {"tag": "a", "text": "b", "href": "https://x.invalid"}])), 0),
        (post(json!([{"tag": "at", "user_id": "ou_a"}, {"tag": "emotion", "emoji_type": "OK"}])), 0),
        (post(json!([{"tag": "bullet", "text": "a"}])), 10003),
        (post(json!([{"tag": "a", "text": "b"}])), 10003),
        (post(json!([{"tag": "text", "text": "a", "colour": "red"}])), 10003),
        (post(json!([{"tag": "md", "text": "a"}])), 11246),
        (post(json!([{"tag": "text", "text": "a", "style": ["bold"]}])), 11246),
        (post(json!([{"tag": "img", "image_key": "img_v2_nobody"}])), 11227),
        (post(json!([{"tag": "text", "text": "a"}, {"tag": "img", "image_key": "img_v2_nobody"}])), 10003),
        (post(json!("text")), 10003),
        (of_kind("post", json!({"zh_cn": {"content": []}})), 10003),
        (of_kind("post", json!({"post": {}})), 10003),
        (of_kind("post", json!({"post": {"chinese": {"content": []}}})), 10003),
        // Sizes of the whole request.
        (text(text_room), 0),
        (text(text_room + 1), 11246),
        (post_of(post_room), 0),
        (post_of(post_room + 1), 11246),
        (card_of(card_room), 0),
        (card_of(card_room + 1), 11246),
    ];
    for (body, code) in cases {
        let reply = stage.call("POST", SEND, body.clone()).await;
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(
            (reply.status, reply.code()),
            (200, code),
            "{shown} {reply:?}"
        );
    }
    let slash = SEND.trim_end_matches('/');
    let reply = stage
        .call("POST", slash, body("msg_type", json!("text")))
        .await;
    assert_eq!((reply.status, &reply.body[..]), (404, "404 page not found"));
}

#[tokio::test]
async fn invalid_ids_come_back_and_the_rest_is_sent() {
    let stage = peopled().await;
    let all = json!({
        "department_ids": ["od-dev", "dev", "od-nobody", "od-far"],
        "open_ids": ["ou_a", "ou_c", "ou_nobody", "ou_left"],
        "user_ids": ["c", "ou_a"],
        "union_ids": ["on_b", "on_nobody", "on_nobody"],
        "msg_type": "text",
        "content": {"text": "hello"},
    });
    let data = stage.call("POST", SEND, all).await.json()["data"].clone();
    assert_eq!(
        data["invalid_department_ids"],
        json!(["od-nobody", "od-far"])
    );
    assert_eq!(data["invalid_open_ids"], json!(["ou_nobody", "ou_left"]));
    assert_eq!(data["invalid_user_ids"], json!(["ou_a"]));
    assert_eq!(data["invalid_union_ids"], json!(["on_nobody"]));
    let id = data["message_id"].as_str().unwrap();
    assert!(id.starts_with("bm-"), "{id}");
    advance(&stage, 10).await;
    // Ada, Bo, Cy, and somebody whom the bot cannot see.
    assert_eq!(told(&stage, id).await, json!([4, 3, 0, false, 0, "0", "3"]));
    let nobody = body("open_ids", json!(["ou_nobody"]));
    let id = send(&stage, nobody).await;
    advance(&stage, 10).await;
    assert_eq!(
        told(&stage, &id).await,
        json!([0, 0, 0, false, 0, "0", "0"])
    );
    let log = stage.control("GET", "/calls", Value::Null).await;
    crate::support::contract::Contract::feishu()
        .check_calls(&log)
        .unwrap();
}

#[tokio::test]
async fn a_batch_goes_out_by_time_and_people_read_it() {
    let stage = peopled().await;
    let everybody = json!(["ou_a", "ou_b", "ou_c", "ou_far"]);
    let id = send(&stage, body("open_ids", everybody)).await;
    assert_eq!(
        told(&stage, &id).await,
        json!([0, 0, 0, false, 0, "0", "0"])
    );
    let early = json!({"person": "ou_a", "message": id});
    let path = "/_sandbox/read";
    let reply = stage.send("POST", path, "", Some(early.clone())).await;
    assert_eq!(reply.unwrap().status, 404, "it has not come yet");
    advance(&stage, 5).await;
    assert_eq!(
        told(&stage, &id).await,
        json!([4, 3, 0, false, 0, "0", "3"])
    );
    stage.control("POST", "/read", early.clone()).await;
    stage.control("POST", "/read", early).await;
    assert_eq!(
        told(&stage, &id).await,
        json!([4, 3, 1, false, 0, "1", "3"])
    );
    let read = stage.control("POST", "/read", json!({"message": id})).await;
    assert_eq!(read["read"], 3);
    assert_eq!(told(&stage, &id).await[2], 3);
    let lag = json!({"fault": "read-lag@getBatchMessageProgress,ms=60000"});
    stage.control("POST", "/faults", lag).await;
    let path = format!("{BATCHES}/{id}/get_progress");
    let late = stage.call("GET", &path, Value::Null);
    assert_eq!(
        late.await.code(),
        230030,
        "a minute ago there was no such message"
    );
}

#[tokio::test]
async fn batches_of_an_app_go_out_one_after_the_other() {
    let stage = peopled().await;
    let clock = json!({"at": "2030-01-15T02:00:00Z"});
    stage.control("POST", "/clock", clock).await;
    let mut stage = stage;
    stage.token = stage
        .token_of(beadle::sandbox::APP_ID, beadle::sandbox::APP_SECRET)
        .await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(send(&stage, body("open_ids", json!(["ou_a", "ou_b", "ou_c"]))).await);
    }
    advance(&stage, 10).await;
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let ada = &inbox["people"][0];
    let times: Vec<&str> = ada["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["delivered"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted() && times[0] < times[2], "{times:?}");
}

#[tokio::test]
async fn a_recall_takes_back_what_had_come() {
    let mut stage = peopled().await;
    let both = json!(["ou_a", "ou_b"]);
    let id = send(&stage, body("open_ids", both.clone())).await;
    advance(&stage, 5).await;
    let path = format!("{BATCHES}/{id}");
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 0);
    assert_eq!(told(&stage, &id).await, json!([2, 2, 0, true, 0, "0", "2"]));
    advance(&stage, 5).await;
    assert_eq!(told(&stage, &id).await, json!([2, 2, 0, true, 2, "0", "2"]));
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    assert!(
        inbox["people"][0]["messages"][0]["recalled"].is_string(),
        "{inbox}"
    );
    assert_eq!(stage.call("DELETE", &path, json!({})).await.code(), 0);

    // One that is withdrawn before the queue has come to it reaches nobody.
    for _ in 0..40 {
        send(&stage, body("open_ids", json!(["ou_a", "ou_b", "ou_c"]))).await;
    }
    let late = send(&stage, body("open_ids", both)).await;
    let path = format!("{BATCHES}/{late}");
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 0);
    advance(&stage, 60).await;
    assert_eq!(
        told(&stage, &late).await,
        json!([2, 0, 0, true, 0, "0", "0"])
    );

    for (path, code) in [
        (format!("{BATCHES}/om_1"), 230001),
        (format!("{BATCHES}/bm-nobody"), 230030),
    ] {
        assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), code);
        for what in ["read_user", "get_progress"] {
            let path = format!("{path}/{what}");
            assert_eq!(stage.call("GET", &path, Value::Null).await.code(), code);
        }
    }
    stage.become_app("cli_other").await;
    let path = format!("{BATCHES}/{id}");
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.code(),
        230026
    );
    for what in ["read_user", "get_progress"] {
        let reply = stage
            .call("GET", &format!("{path}/{what}"), Value::Null)
            .await;
        assert_eq!(reply.code(), 230012);
    }
}

#[tokio::test]
async fn windows_caps_and_bots_are_the_tenants() {
    let mut stage = peopled().await;
    let id = send(&stage, body("msg_type", json!("text"))).await;
    let path = format!("{BATCHES}/{id}");
    advance(&stage, 24 * 3600 - 600).await;
    let renewed = async |stage: &mut Stage| {
        let (app, secret) = (beadle::sandbox::APP_ID, beadle::sandbox::APP_SECRET);
        stage.token = stage.token_of(app, secret).await;
    };
    renewed(&mut stage).await;
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 0);
    advance(&stage, 1200).await;
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.code(),
        230009
    );
    advance(&stage, 29 * 24 * 3600 - 1800).await;
    renewed(&mut stage).await;
    assert_eq!(told(&stage, &id).await[0], 1);
    advance(&stage, 3600).await;
    for what in ["read_user", "get_progress"] {
        let reply = stage
            .call("GET", &format!("{path}/{what}"), Value::Null)
            .await;
        assert_eq!(reply.code(), 230030);
    }

    stage
        .control("POST", "/tenant", json!({"batch_a_day": 3}))
        .await;
    let two = || body("open_ids", json!(["ou_a", "ou_b"]));
    assert_eq!(stage.call("POST", SEND, two()).await.code(), 0);
    assert_eq!(stage.call("POST", SEND, two()).await.code(), 11247);
    let one = body("msg_type", json!("text"));
    assert_eq!(stage.call("POST", SEND, one).await.code(), 0);
    advance(&stage, 24 * 3600).await;
    renewed(&mut stage).await;
    assert_eq!(stage.call("POST", SEND, two()).await.code(), 0);

    stage
        .control("POST", "/tenant", json!({"bots_off": true}))
        .await;
    assert_eq!(stage.call("POST", SEND, two()).await.code(), 11205);
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.code(),
        230006
    );
    let progress = format!("{path}/get_progress");
    assert_eq!(
        stage.call("GET", &progress, Value::Null).await.code(),
        230006
    );
}

/// Every code that the contract lists for these calls, on order and with its status.
#[tokio::test]
async fn every_listed_code_can_be_ordered() {
    let stage = peopled().await;
    let contract = crate::support::contract::Contract::feishu();
    for (operation, method, path) in [
        ("batchSendMessage", "POST", SEND.to_owned()),
        ("recallBatchMessage", "DELETE", format!("{BATCHES}/bm-1")),
        (
            "getBatchMessageReadUser",
            "GET",
            format!("{BATCHES}/bm-1/read_user"),
        ),
        (
            "getBatchMessageProgress",
            "GET",
            format!("{BATCHES}/bm-1/get_progress"),
        ),
        (
            "createMessage",
            "POST",
            "/open-apis/im/v1/messages?receive_id_type=chat_id".to_owned(),
        ),
        (
            "recallMessage",
            "DELETE",
            "/open-apis/im/v1/messages/om_1".to_owned(),
        ),
        (
            "listMessageReadUsers",
            "GET",
            "/open-apis/im/v1/messages/om_1/read_users?user_id_type=open_id".to_owned(),
        ),
        ("uploadImage", "POST", "/open-apis/im/v1/images".to_owned()),
    ] {
        let codes = contract.codes(operation);
        assert!(codes.len() >= 4, "{operation}");
        for (code, status) in codes {
            let status = status.unwrap();
            stage.control("DELETE", "/faults", Value::Null).await;
            let fault = format!("code@{operation},code={code},status={status}");
            stage
                .control("POST", "/faults", json!({"fault": fault}))
                .await;
            let reply: Reply = stage.call(method, &path, json!({})).await;
            assert_eq!(
                (reply.status, reply.code().to_string()),
                (status, code),
                "{operation}"
            );
        }
    }
}
