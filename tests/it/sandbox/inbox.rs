//! What the sandbox shows of all that was sent: as JSON, and as a page. And the clock.

use serde_json::{Value, json};

use super::{CHAT, Stage};

const BATCH: &str = "/open-apis/message/v4/batch_send/";

async fn peopled() -> Stage {
    let stage = Stage::new().await;
    let people = json!([
        {"open_id": "ou_a", "name": "Ada <script>alert(1)</script>"},
        {"open_id": "ou_b", "name": "Bo"},
    ]);
    stage.control("POST", "/users", people).await;
    let members = format!("/chats/{CHAT}/members");
    stage
        .control("POST", &members, json!({"user": "ou_a"}))
        .await;
    stage
}

async fn to_chat(stage: &Stage, text: &str) -> Value {
    let content = json!({"text": text}).to_string();
    let body = json!({"receive_id": CHAT, "msg_type": "text", "content": content});
    let path = "/open-apis/im/v1/messages?receive_id_type=chat_id";
    stage.call("POST", path, body).await.json()["data"]["message_id"].clone()
}

async fn page(stage: &Stage) -> String {
    let reply = stage.send("GET", "/", "", None).await.unwrap();
    let kind = reply.headers["content-type"].to_str().unwrap();
    assert_eq!((reply.status, kind), (200, "text/html; charset=utf-8"));
    reply.body
}

#[tokio::test]
async fn every_message_has_its_story_in_each_box() {
    let stage = peopled().await;
    let empty = stage.control("GET", "/inbox", Value::Null).await;
    assert_eq!(
        (&empty["people"], &empty["chats"]),
        (&json!([]), &json!([]))
    );
    stage
        .control("POST", "/clock", json!({"at": "2030-01-15T02:00:00Z"}))
        .await;
    let mut stage = stage;
    stage.token = stage
        .token_of(beadle::sandbox::APP_ID, beadle::sandbox::APP_SECRET)
        .await;
    let id = to_chat(&stage, "hello").await;
    let card = json!({"header": {"title": {"content": "Stand-up"}},
        "elements": [{"tag": "markdown", "content": "at **ten**"}]});
    let body = json!({"open_ids": ["ou_a", "ou_b"], "msg_type": "interactive", "card": card});
    let batch = stage.call("POST", BATCH, body).await.json()["data"]["message_id"].clone();
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let (ada, bo) = (&inbox["people"][0], &inbox["people"][1]);
    assert_eq!((&ada["id"], &bo["name"]), (&json!("ou_a"), &json!("Bo")));
    let first = &ada["messages"][0];
    assert_eq!(
        (
            &first["message_id"],
            &first["kind"],
            &first["text"],
            &first["chat"]
        ),
        (&id, &json!("text"), &json!("hello"), &json!(CHAT))
    );
    assert_eq!(first["delivered"], first["sent"]);
    assert!(
        first["sent"]
            .as_str()
            .unwrap()
            .starts_with("2030-01-15T02:00:0")
    );
    let second = &ada["messages"][1];
    assert_eq!(
        (
            &second["message_id"],
            &second["title"],
            &second["text"],
            &second["delivered"]
        ),
        (
            &batch,
            &json!("Stand-up"),
            &json!("at **ten**"),
            &Value::Null
        )
    );
    let room = &inbox["chats"][0];
    assert_eq!(
        (&room["id"], room["messages"].as_array().unwrap().len()),
        (&json!(CHAT), 1)
    );

    stage
        .control("POST", "/advance", json!({"seconds": 5}))
        .await;
    let read = json!({"person": "ou_b"});
    assert_eq!(stage.control("POST", "/read", read).await["read"], 1);
    let path = format!("/open-apis/im/v1/messages/{}", id.as_str().unwrap());
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 0);
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let story = |person: usize, message: usize| {
        let message = &inbox["people"][person]["messages"][message];
        ["delivered", "read", "recalled"].map(|what| message[what].is_string())
    };
    assert_eq!(story(0, 0), [true, false, true]);
    assert_eq!(story(0, 1), [true, false, false]);
    assert_eq!(story(1, 0), [true, true, false]);
}

#[tokio::test]
async fn the_page_is_plain_and_says_what_it_is_told_as_text() {
    let stage = peopled().await;
    assert!(page(&stage).await.contains("Nobody has got anything."));
    for number in 0..52 {
        to_chat(&stage, &format!("<b>& \"{number}\"")).await;
    }
    let shown = page(&stage).await;
    assert!(shown.contains("&lt;b&gt;&amp; &quot;51&quot;"), "{shown}");
    assert!(shown.contains("Ada &lt;script&gt;alert(1)&lt;/script&gt; (ou_a), 2 older not shown"));
    assert!(!shown.contains("<script") && !shown.contains("&quot;1&quot;"));
    assert!(shown.contains("delivered 20"));
}

#[tokio::test]
async fn the_clock_goes_forward_alone() {
    let stage = peopled().await;
    let now = async || stage.control("GET", "/clock", Value::Null).await["now"].clone();
    stage
        .control("POST", "/clock", json!({"at": "2040-01-01T00:00:00+08:00"}))
        .await;
    let set = now().await;
    assert!(
        set.as_str().unwrap().starts_with("2039-12-31T16:00:0"),
        "{set}"
    );
    let moved = stage
        .control("POST", "/advance", json!({"seconds": 86400}))
        .await;
    assert!(
        moved["now"]
            .as_str()
            .unwrap()
            .starts_with("2040-01-01T16:00:0"),
        "{moved}"
    );
    for (path, body) in [
        ("clock", json!({"at": "2020-01-01T00:00:00Z"})),
        ("clock", json!({"advance_ms": -1})),
        ("clock", json!({})),
        ("advance", json!({"seconds": -1})),
        ("advance", json!({"seconds": i64::MAX})),
        ("advance", json!({})),
    ] {
        let path = format!("/_sandbox/{path}");
        let reply = stage.send("POST", &path, "", Some(body.clone())).await;
        assert_eq!(reply.unwrap().status, 400, "{body}");
    }
    for body in [json!({"person": "nobody"}), json!({"message": "om_nobody"})] {
        let reply = stage
            .send("POST", "/_sandbox/read", "", Some(body.clone()))
            .await;
        assert_eq!(reply.unwrap().status, 404, "{body}");
    }
}
