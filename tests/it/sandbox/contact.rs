//! Contact user groups, and looking people and departments up at Feishu.

use beadle::sandbox::{WantedDepartment, WantedPeople, WantedPerson};
use serde_json::{Value, json};

use super::{Reply, Stage};

const GROUPS: &str = "/open-apis/contact/v3/group";

async fn peopled() -> Stage {
    let stage = Stage::new().await;
    let departments = json!([
        {"open_department_id": "od-dev", "department_id": "dev", "name": "Dev"},
        {"open_department_id": "od-ops", "department_id": "ops", "name": "Ops", "parent": "dev"},
        {"open_department_id": "od-far", "out_of_scope": true},
    ]);
    stage.control("POST", "/departments", departments).await;
    let people = json!([
        {"open_id": "ou_a", "union_id": "on_a", "user_id": "a", "name": "Ada",
         "email": "Ada@example.com", "mobile": "13800000001", "departments": ["ops"]},
        {"open_id": "ou_b", "email": "bo@example.com"},
        {"open_id": "ou_left", "email": "left@example.com", "left": true},
        {"open_id": "ou_far", "email": "far@example.com", "out_of_scope": true},
    ]);
    stage.control("POST", "/users", people).await;
    stage
}

async fn group(stage: &Stage, id: &str) {
    let body = json!({"name": format!("group {id}"), "group_id": id});
    assert_eq!(stage.call("POST", GROUPS, body).await.code(), 0);
}

async fn change(stage: &Stage, id: &str, what: &str, ids: &[&str]) -> Reply {
    let member =
        |id: &&str| json!({"member_id": id, "member_type": "user", "member_id_type": "open_id"});
    let members: Vec<Value> = ids.iter().map(member).collect();
    let path = format!("{GROUPS}/{id}/member/{what}");
    stage.call("POST", &path, json!({"members": members})).await
}

async fn members(stage: &Stage, id: &str, query: &str) -> Value {
    let path = format!("{GROUPS}/{id}/member/simplelist?{query}");
    let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
    let list = data["memberlist"].as_array().unwrap().clone();
    list.iter().map(|row| row["member_id"].clone()).collect()
}

#[tokio::test]
async fn bad_group_calls_are_refused_as_the_contract_says() {
    let stage = peopled().await;
    let mine = format!("{GROUPS}/mine");
    let nowhere = format!("{GROUPS}/nowhere");
    let named = |name: &str| json!({"name": name});
    let text = |length: usize| "汉".repeat(length);
    let add = format!("{mine}/member/batch_add");
    let list = format!("{mine}/member/simplelist");
    let null = Value::Null;
    let entry = |kind: &str, id_type: &str, id: &str| json!({"members": [{"member_type": kind, "member_id_type": id_type, "member_id": id}]});
    let many: Vec<Value> = (0..101).map(|n| json!({"member_type": "user", "member_id_type": "open_id", "member_id": n.to_string()})).collect();
    #[rustfmt::skip]
    let cases: Vec<(&str, String, Value, u16, i64)> = vec![
        ("POST", GROUPS.into(), json!({"name": "Mine", "group_id": "mine"}), 200, 0),
        ("POST", GROUPS.into(), json!({"name": "Mine", "group_id": "mine"}), 400, 47005),
        ("POST", GROUPS.into(), json!({"name": "Mine", "group_id": "other"}), 400, 47009),
        ("POST", GROUPS.into(), json!({"name": "Other"}), 200, 0),
        ("POST", GROUPS.into(), json!({}), 400, 42001),
        ("POST", GROUPS.into(), named(&text(101)), 400, 42013),
        ("POST", GROUPS.into(), json!({"name": "n", "description": text(501)}), 400, 42014),
        ("POST", GROUPS.into(), json!({"name": "n", "type": 2}), 400, 42003),
        ("POST", GROUPS.into(), json!({"name": "n", "group_id": "not-ours"}), 400, 42002),
        ("POST", GROUPS.into(), json!({"name": "n", "group_id": "x".repeat(65)}), 400, 42002),
        ("GET", nowhere.clone(), null.clone(), 400, 42002),
        ("PATCH", nowhere.clone(), named("n"), 400, 42002),
        ("PATCH", mine.clone(), named("Other"), 400, 47009),
        ("PATCH", mine.clone(), named("Mine"), 200, 0),
        ("PATCH", mine.clone(), named(&text(101)), 400, 42013),
        ("DELETE", nowhere.clone(), null.clone(), 400, 42002),
        ("GET", format!("{GROUPS}/simplelist?page_size=101"), null.clone(), 400, 40011),
        ("GET", format!("{GROUPS}/simplelist?page_token=mine"), null.clone(), 400, 40012),
        ("GET", format!("{list}?member_type=bot"), null.clone(), 400, 41074),
        ("GET", format!("{list}?member_id_type=email"), null.clone(), 400, 41071),
        ("GET", format!("{list}?member_id_type=department_id"), null.clone(), 400, 41072),
        ("GET", format!("{list}?member_type=department&member_id_type=user_id"), null.clone(), 400, 41072),
        ("POST", add.clone(), json!({"members": []}), 400, 40001),
        ("POST", add.clone(), json!({"members": many}), 400, 40001),
        ("POST", add.clone(), entry("department", "open_id", "od-dev"), 400, 41074),
        ("POST", add.clone(), entry("user", "", "ou_a"), 400, 41071),
        ("POST", add.clone(), entry("user", "open_id", ""), 400, 41073),
        ("POST", format!("{nowhere}/member/batch_add"), entry("user", "open_id", "ou_a"), 400, 42002),
        ("POST", add.clone(), entry("user", "open_id", "ou_a"), 200, 0),
        ("DELETE", mine.clone(), null.clone(), 400, 42017),
    ];
    for (method, path, body, status, code) in cases {
        let reply = stage.call(method, &path, body.clone()).await;
        let got = (reply.status, reply.code());
        assert_eq!(
            got,
            (status, code),
            "{method} {path} {body}\n{}",
            reply.body
        );
    }
}

#[tokio::test]
async fn a_patch_cannot_clear_and_only_id_names_a_group() {
    let stage = peopled().await;
    let body = json!({"name": "On call", "description": "d", "group_id": "oncall"});
    assert_eq!(
        stage.call("POST", GROUPS, body).await.json()["data"]["group_id"],
        "oncall"
    );
    let path = format!("{GROUPS}/oncall");
    stage
        .call("PATCH", &path, json!({"name": "", "description": ""}))
        .await;
    let list = format!("{GROUPS}/simplelist");
    let data = stage.call("GET", &list, Value::Null).await.json()["data"].clone();
    let row = &data["grouplist"][0];
    assert_eq!(
        (&row["id"], &row["name"], &row["description"]),
        (&json!("oncall"), &json!("On call"), &json!("d"))
    );
    let shown = row["group_id"].as_str().unwrap();
    let reply = stage
        .call("GET", &format!("{GROUPS}/{shown}"), Value::Null)
        .await;
    assert_eq!(reply.code(), 42002);
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 0);
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 42002);
}

#[tokio::test]
async fn each_member_has_a_result_and_a_removal_says_nothing() {
    let stage = peopled().await;
    group(&stage, "g").await;
    let ids = ["ou_a", "ou_a", "ou_left", "ou_far", "ou_nobody"];
    let reply = change(&stage, "g", "batch_add", &ids).await.json();
    let results = reply["data"]["results"].as_array().unwrap();
    let codes: Vec<&Value> = results.iter().map(|row| &row["code"]).collect();
    assert_eq!(json!(codes), json!([0, 42005, 42006, 41050, 41073]));
    assert_eq!(change(&stage, "g", "batch_add", &["ou_b"]).await.code(), 0);
    assert_eq!(members(&stage, "g", "").await, json!(["ou_a", "ou_b"]));
    assert_eq!(members(&stage, "g", "page_size=1").await, json!(["ou_a"]));
    let own = members(&stage, "g", "member_id_type=user_id").await;
    assert_eq!(own[0], "a");

    assert_eq!(
        change(&stage, "g", "batch_remove", &["ou_nobody"])
            .await
            .code(),
        41073
    );
    let reply = change(&stage, "g", "batch_remove", &["ou_far"]).await;
    assert_eq!((reply.status, reply.code()), (403, 41050));
    let reply = change(&stage, "g", "batch_remove", &["ou_a", "ou_nobody"]).await;
    assert_eq!((reply.status, reply.code()), (400, 40022));
    assert_eq!(members(&stage, "g", "").await, json!(["ou_b"]));
    for _ in 0..2 {
        assert_eq!(
            change(&stage, "g", "batch_remove", &["ou_b"]).await.code(),
            0
        );
    }
    let path = format!("{GROUPS}/g");
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 0);
}

#[tokio::test]
async fn who_is_out_of_scope_hides_in_a_list_and_departments_go_by_the_console() {
    let stage = peopled().await;
    group(&stage, "g").await;
    let fields = json!({"users": ["ou_a", "ou_far"], "departments": ["dev", "od-far"]});
    stage.control("POST", "/user_groups/g", fields).await;
    assert_eq!(members(&stage, "g", "").await, json!(["ou_a"]));
    assert_eq!(
        members(&stage, "g", "member_type=department").await,
        json!(["od-dev"])
    );
    let own = members(
        &stage,
        "g",
        "member_type=department&member_id_type=department_id",
    )
    .await;
    assert_eq!(own, json!(["dev"]));
    let path = format!("{GROUPS}/g");
    let shown = stage.call("GET", &path, Value::Null).await.json()["data"]["group"].clone();
    assert_eq!(
        (
            &shown["member_user_count"],
            &shown["member_department_count"]
        ),
        (&json!(2), &json!(2))
    );
    change(&stage, "g", "batch_remove", &["ou_a"]).await;
    assert_eq!(stage.call("DELETE", &path, Value::Null).await.code(), 42017);
}

#[tokio::test]
async fn a_limited_contact_scope_stops_writes() {
    let stage = peopled().await;
    group(&stage, "g").await;
    group(&stage, "far").await;
    stage
        .control("POST", "/user_groups/far", json!({"out_of_scope": true}))
        .await;
    stage
        .control(
            "POST",
            "/tenant",
            json!({"all_employees": false, "user_groups": 2}),
        )
        .await;
    let reply = stage.call("POST", GROUPS, json!({"name": "n"})).await;
    assert_eq!((reply.status, reply.code()), (403, 42010));
    for (method, path, body, code) in [
        ("DELETE", "g", Value::Null, 42009),
        ("PATCH", "g", json!({"description": "d"}), 0),
        ("PATCH", "far", json!({"description": "d"}), 42009),
        ("GET", "far", Value::Null, 42002),
        ("GET", "far/member/simplelist", Value::Null, 42009),
    ] {
        let reply = stage.call(method, &format!("{GROUPS}/{path}"), body).await;
        assert_eq!(reply.code(), code, "{method} {path}");
    }
    assert_eq!(
        change(&stage, "far", "batch_add", &["ou_a"]).await.code(),
        42009
    );
    stage
        .control("POST", "/tenant", json!({"all_employees": true}))
        .await;
    let reply = stage.call("POST", GROUPS, json!({"name": "third"})).await;
    assert_eq!(reply.code(), 42016);
}

#[tokio::test]
async fn addresses_that_match_nobody_come_back_without_an_id() {
    let stage = peopled().await;
    let path = "/open-apis/contact/v3/users/batch_get_id";
    let ask = async |query: &str, body: Value| {
        let reply = stage.call("POST", &format!("{path}{query}"), body).await;
        reply.json()["data"]["user_list"].clone()
    };
    let body = json!({
        "emails": ["ada@example.com", "nobody@example.com", "left@example.com", "far@example.com"],
        "mobiles": ["+86 138 0000 0001", "13800000001", "139"],
    });
    let list = ask("", body).await;
    let ids: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["user_id"])
        .collect();
    assert_eq!(
        json!(ids),
        json!(["ou_a", null, null, null, "ou_a", "ou_a", null])
    );
    assert!(list[1].get("user_id").is_none());
    let list = ask(
        "?user_id_type=user_id",
        json!({"emails": ["ada@example.com"]}),
    )
    .await;
    assert_eq!(list[0]["user_id"], "a");
    let body = json!({"emails": ["left@example.com"], "include_resigned": true});
    let list = ask("", body).await;
    assert_eq!(
        (&list[0]["user_id"], &list[0]["status"]["is_resigned"]),
        (&json!("ou_left"), &json!(true))
    );
    let body = json!({"emails": vec!["x@example.com"; 51]});
    assert_eq!(stage.call("POST", path, body).await.code(), 99992402);
}

#[tokio::test]
async fn batch_reads_leave_out_what_cannot_be_read() {
    let stage = peopled().await;
    let users = "/open-apis/contact/v3/users/batch";
    let path = format!(
        "{users}?user_ids=ou_a&user_ids=ou_nobody&user_ids=ou_far&department_id_type=department_id"
    );
    let data = stage.call("GET", &path, Value::Null).await.json()["data"].clone();
    assert_eq!(data["items"].as_array().unwrap().len(), 1);
    let ada = &data["items"][0];
    assert_eq!(
        (&ada["name"], &ada["department_ids"]),
        (&json!("Ada"), &json!(["ops"]))
    );
    assert_eq!(stage.call("GET", users, Value::Null).await.code(), 99992402);
    let many: Vec<String> = (0..51).map(|n| format!("user_ids=ou_{n}")).collect();
    let path = format!("{users}?{}", many.join("&"));
    assert_eq!(stage.call("GET", &path, Value::Null).await.code(), 99992402);

    let path = "/open-apis/contact/v3/departments/batch?department_ids=od-dev&department_ids=od-far&department_ids=od-no&department_ids=ops";
    let data = stage.call("GET", path, Value::Null).await.json()["data"].clone();
    let items = data["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["name"], &items[0]["member_count"]),
        (&json!("Dev"), &json!(1))
    );
    let log = stage
        .control("GET", "/calls?operation=batchGetDepartments", Value::Null)
        .await;
    let asked = &log["calls"][0]["query"]["department_ids"];
    assert_eq!(asked, &json!(["od-dev", "od-far", "od-no", "ops"]));
}

#[tokio::test]
async fn seeding_makes_the_people_who_are_missing() {
    let stage = peopled().await;
    let person = |email: &str| WantedPerson {
        email: Some(email.to_owned()),
        ..WantedPerson::default()
    };
    let wanted = WantedPeople {
        people: vec![
            person("ada@example.com"),
            person("new@example.com"),
            WantedPerson {
                dingtalk_user_id: Some("d1".to_owned()),
                name: Some("Dee".to_owned()),
                ..WantedPerson::default()
            },
            WantedPerson::default(),
        ],
        departments: vec![
            WantedDepartment {
                department_id: Some("dev".to_owned()),
                ..WantedDepartment::default()
            },
            WantedDepartment {
                dingtalk_dept_id: Some(7),
                ..WantedDepartment::default()
            },
        ],
        enos_orgs: vec!["o1".to_owned()],
    };
    let made = stage.sandbox.seed_people(&wanted).unwrap();
    let made: Vec<String> = made.iter().map(ToString::to_string).collect();
    assert_eq!(
        made,
        [
            "department Department (7)",
            "person Person (new@example.com)",
            "person Dee (d1)",
            "OU (o1)"
        ]
    );
    assert_eq!(stage.sandbox.seed_people(&wanted).unwrap(), []);
    let found = stage
        .control("GET", "/users/new@example.com", Value::Null)
        .await;
    assert!(found["open_id"].as_str().unwrap().starts_with("ou_"));
    let dee = stage.control("GET", "/users/d1", Value::Null).await;
    assert_eq!(dee["open_id"], Value::Null);
    stage.control("DELETE", "/users/d1", Value::Null).await;
    assert_eq!(stage.sandbox.seed_people(&wanted).unwrap().len(), 1);
}
