//! Chats and their members: what the contract says of batches, rights and ids that cannot be used.

use beadle::sandbox::{APP_ID, APP_SECRET};
use serde_json::{Value, json};

use super::{CHATS, Reply, Stage};

/// A stage with five people: two usable, one who left, one out of scope; nobody is `ou_nobody`.
async fn peopled() -> Stage {
    let stage = Stage::new().await;
    let people = json!([
        {"open_id": "ou_a", "union_id": "on_a", "user_id": "a", "name": "Ada"},
        {"open_id": "ou_b", "union_id": "on_b", "user_id": "b", "name": "Bo"},
        {"open_id": "ou_left", "left": true},
        {"open_id": "ou_far", "out_of_scope": true},
    ]);
    stage.control("POST", "/users", people).await;
    stage
}

async fn chat(stage: &Stage, body: Value) -> String {
    let reply = stage.call("POST", CHATS, body).await.json();
    let id = reply["data"]["chat_id"].as_str();
    id.unwrap_or_else(|| panic!("{reply}")).to_owned()
}

async fn add(stage: &Stage, chat: &str, query: &str, ids: Value) -> Reply {
    let path = format!("{CHATS}/{chat}/members?{query}");
    stage.call("POST", &path, json!({"id_list": ids})).await
}

async fn remove(stage: &Stage, chat: &str, ids: Value) -> Reply {
    let path = format!("{CHATS}/{chat}/members");
    stage.call("DELETE", &path, json!({"id_list": ids})).await
}

async fn members(stage: &Stage, chat: &str) -> Vec<String> {
    let path = format!("{CHATS}/{chat}/members?page_size=100");
    let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
    let items = data["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["member_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn one_unusable_id_fails_a_create() {
    let stage = peopled().await;
    for (body, code) in [
        (json!({"user_id_list": ["ou_a", "ou_b"]}), 0),
        (json!({"user_id_list": ["ou_a", "ou_nobody"]}), 232043),
        (json!({"user_id_list": ["ou_a", "ou_far"]}), 232043),
        (json!({"user_id_list": ["ou_a", "ou_left"]}), 232022),
        (json!({"owner_id": "ou_nobody"}), 232030),
        (json!({"owner_id": "ou_left"}), 232022),
    ] {
        let reply = stage.call("POST", CHATS, body.clone()).await;
        assert_eq!(reply.code(), code, "{body}");
    }
    let path = format!("{CHATS}?user_id_type=union_id");
    let body = json!({"owner_id": "on_a", "user_id_list": ["on_b"]});
    let made = stage.call("POST", &path, body).await.json()["data"].clone();
    assert_eq!(made["owner_id"], "on_a");
    assert_eq!(
        members(&stage, made["chat_id"].as_str().unwrap()).await,
        ["ou_b", "ou_a"]
    );
}

#[tokio::test]
async fn a_uuid_is_forgotten_after_ten_hours() {
    let mut stage = peopled().await;
    let path = format!("{CHATS}?uuid=nonce");
    let mut made = Vec::new();
    for advance_ms in [0, 35_990_000, 20_000] {
        stage
            .control("POST", "/clock", json!({"advance_ms": advance_ms}))
            .await;
        stage.token = stage.token_of(APP_ID, APP_SECRET).await;
        let reply = stage.call("POST", &path, json!({"owner_id": "ou_a"})).await;
        made.push(reply.json()["data"]["chat_id"].clone());
    }
    assert_eq!(made[0], made[1]);
    assert_ne!(made[1], made[2]);
}

#[tokio::test]
async fn succeed_type_decides_what_unusable_ids_do() {
    let stage = peopled().await;
    let all = json!(["ou_a", "ou_nobody", "ou_left", "ou_far"]);
    #[rustfmt::skip]
    let cases = [
        ("", json!([]), 232027, Value::Null),
        ("", json!(["ou_a", "ou_nobody"]), 99992351, Value::Null),
        ("member_id_type=user_id", json!(["ou_a"]), 99992360, Value::Null),
        ("member_id_type=union_id", json!(["ou_a"]), 99992364, Value::Null),
        ("member_id_type=user_id", json!(["a"]), 0, json!([[], [], []])),
        ("succeed_type=0", json!(["ou_a", "ou_far"]), 232024, Value::Null),
        ("succeed_type=0", json!(["ou_a", "ou_left"]), 0, json!([["ou_left"], [], []])),
        ("succeed_type=1", all.clone(), 0, json!([["ou_left", "ou_far"], ["ou_nobody"], []])),
        ("succeed_type=1", json!(["ou_nobody"]), 232027, Value::Null),
        ("succeed_type=2", all, 232043, Value::Null),
        ("succeed_type=2", json!(["ou_a", "ou_b", "ou_a"]), 0, json!([[], [], []])),
        ("succeed_type=3", json!(["ou_a"]), 99992402, Value::Null),
    ];
    for (query, ids, code, lists) in cases {
        let room = chat(&stage, json!({"name": "room"})).await;
        let reply = add(&stage, &room, query, ids.clone()).await;
        assert_eq!(reply.code(), code, "{query} {ids}\n{}", reply.body);
        if code == 0 {
            let data = &reply.json()["data"];
            let names = [
                "invalid_id_list",
                "not_existed_id_list",
                "pending_approval_id_list",
            ];
            assert_eq!(json!(names.map(|name| &data[name])), lists, "{query} {ids}");
            assert!(members(&stage, &room).await.contains(&"ou_a".to_owned()));
        } else {
            assert!(members(&stage, &room).await.is_empty(), "{query} {ids}");
        }
    }
}

#[tokio::test]
async fn batches_have_fifty_people_or_five_bots_and_a_chat_has_caps() {
    let stage = peopled().await;
    let people: Vec<Value> = (0..51)
        .map(|n| json!({"open_id": format!("ou_{n}")}))
        .collect();
    stage.control("POST", "/users", json!(people)).await;
    let ids: Vec<String> = (0..51).map(|n| format!("ou_{n}")).collect();
    let room = chat(&stage, json!({"name": "room"})).await;
    assert_eq!(add(&stage, &room, "", json!(ids)).await.code(), 232001);
    assert_eq!(add(&stage, &room, "", json!(ids[..50])).await.code(), 0);
    stage
        .control("POST", "/tenant", json!({"chat_members": 50}))
        .await;
    assert_eq!(add(&stage, &room, "", json!([ids[0]])).await.code(), 0);
    assert_eq!(
        add(&stage, &room, "", json!([ids[50]])).await.code(),
        232044
    );
    for n in 0..16 {
        let app = json!({"app_id": format!("cli_{n}"), "app_secret": "s"});
        stage.control("POST", "/apps", app).await;
    }
    let bots: Vec<String> = (0..16).map(|n| format!("cli_{n}")).collect();
    let kind = "member_id_type=app_id";
    assert_eq!(
        add(&stage, &room, kind, json!(bots[..6])).await.code(),
        232001
    );
    for batch in bots[..14].chunks(5) {
        assert_eq!(add(&stage, &room, kind, json!(batch)).await.code(), 0);
    }
    assert_eq!(
        add(&stage, &room, kind, json!([bots[14]])).await.code(),
        232013
    );
    assert_eq!(
        add(&stage, &room, kind, json!(["cli_x"])).await.code(),
        232043
    );
    let path = format!("{CHATS}/{room}");
    let detail = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
    assert_eq!(
        (&detail["user_count"], &detail["bot_count"]),
        (&json!("50"), &json!("15"))
    );
    assert!(detail.get("owner_id").is_none() && detail.get("chat_id").is_none());
}

#[tokio::test]
async fn the_owner_stays_and_who_is_no_member_comes_back_as_invalid() {
    let stage = peopled().await;
    let room = chat(
        &stage,
        json!({"owner_id": "ou_a", "user_id_list": ["ou_b"]}),
    )
    .await;
    assert_eq!(remove(&stage, &room, json!(["ou_a"])).await.code(), 232076);
    assert_eq!(remove(&stage, &room, json!([])).await.code(), 232027);
    assert_eq!(
        remove(&stage, &room, json!(["ou_nobody"])).await.code(),
        232027
    );
    for expected in [json!([]), json!(["ou_b"])] {
        let reply = remove(&stage, &room, json!(["ou_b"])).await.json();
        assert_eq!(reply["data"]["invalid_id_list"], expected);
    }
    assert_eq!(members(&stage, &room).await, ["ou_a"]);
}

#[tokio::test]
async fn members_come_in_pages_that_can_be_short() {
    let stage = peopled().await;
    let people: Vec<Value> = (0..5)
        .map(|n| json!({"open_id": format!("ou_{n}"), "user_id": format!("u{n}"), "name": "N"}))
        .collect();
    stage.control("POST", "/users", json!(people)).await;
    let ids: Vec<String> = (0..5).map(|n| format!("ou_{n}")).collect();
    let room = chat(&stage, json!({"user_id_list": ids})).await;
    stage
        .control("POST", "/users/ou_1", json!({"left": true}))
        .await;
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let path =
            format!("{CHATS}/{room}/members?member_id_type=user_id&page_size=2&page_token={token}");
        let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
        let ids = data["items"].as_array().unwrap().iter();
        pages.push(ids.map(|i| i["member_id"].clone()).collect::<Vec<_>>());
        assert_eq!(data["member_total"], 4);
        token = data["page_token"].as_str().unwrap().to_owned();
        if data["has_more"] != true {
            break;
        }
    }
    assert_eq!(json!(pages), json!([["u0"], ["u2", "u3"], ["u4"]]));
}

#[tokio::test]
async fn an_update_changes_what_is_there_and_nothing_else() {
    let stage = peopled().await;
    let room = chat(
        &stage,
        json!({"name": "room", "description": "d", "user_id_list": ["ou_a"]}),
    )
    .await;
    let path = format!("{CHATS}/{room}");
    let long = "x".repeat(200);
    #[rustfmt::skip]
    let cases = [
        (json!({}), 232001),
        (json!({"name": "hall"}), 0),
        (json!({"description": long}), 0),
        (json!({"edit_permission": "nobody"}), 232001),
        (json!({"add_member_permission": "only_owner"}), 232001),
        (json!({"add_member_permission": "only_owner", "share_card_permission": "allowed"}), 232001),
        (json!({"add_member_permission": "only_owner", "share_card_permission": "not_allowed"}), 0),
        (json!({"owner_id": "ou_nobody"}), 232035),
        (json!({"owner_id": "ou_b"}), 232012),
        (json!({"owner_id": "ou_a"}), 0),
        (json!({"chat_type": "public", "name": "h"}), 232001),
    ];
    for (body, code) in cases {
        let reply = stage.call("PUT", &path, body.clone()).await;
        assert_eq!(reply.code(), code, "{body}\n{}", reply.body);
    }
    let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
    let expected = json!({"name": "hall", "description": long, "chat_type": "private",
        "add_member_permission": "only_owner", "share_card_permission": "not_allowed",
        "at_all_permission": "all_members", "owner_id": "ou_a"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&data[name], value, "{name}");
    }
    let public = |name: &str| json!({"name": name, "chat_type": "public"});
    chat(&stage, public("open room")).await;
    assert_eq!(
        stage.call("PUT", &path, public("open room")).await.code(),
        232026
    );
    assert_eq!(
        stage.call("PUT", &path, public("open hall")).await.code(),
        0
    );
}

#[tokio::test]
async fn plain_members_may_do_little_and_outsiders_nothing() {
    let mut stage = peopled().await;
    let body = json!({"name": "theirs", "owner": "ou_a", "users": ["ou_b"]});
    let made = stage.control("POST", "/chats", body).await;
    let room = made["chat_id"].as_str().unwrap().to_owned();
    let path = format!("{CHATS}/{room}");
    let put = async |stage: &Stage, body: Value| stage.call("PUT", &path, body).await.code();
    assert_eq!(put(&stage, json!({"name": "b"})).await, 0);
    assert_eq!(
        put(&stage, json!({"urgent_setting": "only_owner"})).await,
        232016
    );
    assert_eq!(add(&stage, &room, "", json!(["ou_b"])).await.code(), 0);
    assert_eq!(remove(&stage, &room, json!(["ou_b"])).await.code(), 232014);
    assert_eq!(
        stage.call("DELETE", &path, Value::Null).await.code(),
        232017
    );
    stage.become_app("cli_other").await;
    assert_eq!(put(&stage, json!({"name": "c"})).await, 232011);
    assert_eq!(add(&stage, &room, "", json!(["ou_b"])).await.code(), 232011);
    let listed = format!("{path}/members");
    assert_eq!(stage.call("GET", &listed, Value::Null).await.code(), 232011);

    // Ours, strict to others.
    let stage = peopled().await;
    let settings = json!({"edit_permission": "only_owner",
        "membership_approval": "approval_required"});
    let room = chat(&stage, settings).await;
    let path = format!("{CHATS}/{room}");
    let body = json!({"add_member_permission": "all_members", "share_card_permission": "allowed"});
    stage.call("PUT", &path, body).await;
    let mut stage = stage;
    stage.become_app("cli_other").await;
    stage
        .control(
            "POST",
            &format!("/chats/{room}/members"),
            json!({"app_id": "cli_other"}),
        )
        .await;
    assert_eq!(
        stage.call("PUT", &path, json!({"name": "x"})).await.code(),
        232002
    );
    let reply = add(&stage, &room, "", json!(["ou_a"])).await.json();
    assert_eq!(reply["data"]["pending_approval_id_list"], json!(["ou_a"]));
    assert!(members(&stage, &room).await.is_empty());
}

#[tokio::test]
async fn nothing_can_be_done_to_a_dissolved_chat() {
    let stage = peopled().await;
    let room = chat(&stage, json!({"name": "room"})).await;
    let path = format!("{CHATS}/{room}");
    stage.call("DELETE", &path, Value::Null).await;
    assert_eq!(
        stage.call("PUT", &path, json!({"name": "x"})).await.code(),
        232009
    );
    assert_eq!(add(&stage, &room, "", json!(["ou_a"])).await.code(), 232009);
    assert_eq!(remove(&stage, &room, json!(["ou_a"])).await.code(), 232009);
    let listed = format!("{path}/members");
    assert_eq!(stage.call("GET", &listed, Value::Null).await.code(), 232009);
}

#[tokio::test]
async fn search_is_fuzzy_and_wants_quotes_around_a_hyphen() {
    let stage = peopled().await;
    chat(
        &stage,
        json!({"name": "release-room", "user_id_list": ["ou_a"]}),
    )
    .await;
    chat(&stage, json!({"name": "release hall"})).await;
    for (query, hits) in [
        ("RELEASE", 2),
        ("ada", 1),
        ("release-room", 0),
        ("%22release-room%22", 1),
        ("", 0),
    ] {
        let path = format!("{CHATS}/search?query={query}");
        let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
        assert_eq!(data["items"].as_array().unwrap().len(), hits, "{query}");
    }
}

#[tokio::test]
async fn what_others_do_to_members_shows_and_codes_come_on_demand() {
    let stage = peopled().await;
    let room = chat(&stage, json!({"user_id_list": ["ou_a"]})).await;
    let at = format!("/chats/{room}/members");
    stage.control("POST", &at, json!({"user": "b"})).await;
    stage
        .control("DELETE", &format!("{at}/ou_a"), Value::Null)
        .await;
    assert_eq!(members(&stage, &room).await, ["ou_b"]);
    let fault =
        json!({"faults": ["code@addChatMembers:1,code=232019", "code@createChat:1,code=232068"]});
    stage.control("POST", "/faults", fault).await;
    assert_eq!(add(&stage, &room, "", json!(["ou_a"])).await.code(), 232019);
    assert_eq!(stage.call("POST", CHATS, json!({})).await.code(), 232068);
    assert_eq!(members(&stage, &room).await, ["ou_b"]);
    assert_eq!(add(&stage, &room, "", json!(["ou_a"])).await.code(), 0);
    let world = stage.control("GET", "/world", Value::Null).await;
    let chats = world["chats"].as_array().unwrap();
    let ours = chats
        .iter()
        .find(|c| c["chat_id"] == room.as_str())
        .unwrap();
    assert_eq!(ours["users"], json!(["ou_b", "ou_a"]));
    assert_eq!(ours["bots"], json!([APP_ID]));
}
