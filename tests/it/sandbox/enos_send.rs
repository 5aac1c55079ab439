//! Notices of EnOS: all or nothing, once to each person, and read back.

use beadle::sandbox::APP_ID;
use serde_json::{Value, json};

use super::Stage;
use super::enos::{call, peopled};

const PRODUCE: &str = "/app-portal/api/v3/notice-message/produce";
const GET: &str = "/app-portal/api/v3/notice-message/get";

async fn produce_in(stage: &Stage, token: &str, org: &str, body: Value) -> Value {
    let path = format!("{PRODUCE}?orgId={org}");
    call(stage, token, "POST", &path, body).await
}

async fn produce(stage: &Stage, token: &str, messages: Value) -> Value {
    produce_in(stage, token, "o_sandbox", json!({"messages": messages})).await
}

async fn get(stage: &Stage, token: &str, id: &str) -> Value {
    let path = format!("{GET}?orgId=o_sandbox");
    let answer = call(stage, token, "POST", &path, json!({"messageId": id})).await;
    answer["data"]["messages"].clone()
}

fn notice(id: &str, targets: &[&str]) -> Value {
    json!({
        "messageId": id,
        "messageType": 1,
        "appId": APP_ID,
        "header": {"defaultValue": "Daily", "i18nValue": {"en_US": "Daily", "zh_CN": "日报"}},
        "body": {"defaultValue": "Please report."},
        "targetType": 1,
        "targets": targets,
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut notice = notice("bad", &["u1"]);
    if value.is_null() {
        notice.as_object_mut().unwrap().remove(field);
    } else {
        notice[field] = value;
    }
    notice
}

/// Who has got which messages.
async fn got(stage: &Stage) -> Value {
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let people = inbox["people"].as_array().unwrap().iter();
    let rows = people.map(|one| {
        let messages = one["messages"].as_array().unwrap().iter();
        let ids: Vec<&Value> = messages.map(|message| &message["message_id"]).collect();
        (one["name"].as_str().unwrap().to_owned(), json!(ids))
    });
    Value::Object(rows.collect())
}

#[tokio::test]
async fn a_message_comes_once_to_those_who_are_in_the_ou() {
    let (stage, token) = peopled().await;
    let sent = produce(
        &stage,
        &token,
        json!([notice("n1", &["u1", "nobody", "elsewhere", "left"])]),
    )
    .await;
    assert_eq!(
        (&sent["code"], &sent["data"]),
        (&json!(0), &json!({"success": true}))
    );
    assert_eq!(got(&stage).await, json!({"Ada": ["n1"]}));
    // A known id is sent on, and nothing of it changes.
    let mut again = notice("n1", &["u1", "u2"]);
    again["header"] = json!({"defaultValue": "Other"});
    again["colour"] = json!("red");
    assert_eq!(produce(&stage, &token, json!([again])).await["code"], 0);
    assert_eq!(got(&stage).await, json!({"Ada": ["n1"], "Bo": ["n1"]}));
    let kept = get(&stage, &token, "n1").await;
    assert_eq!(
        kept[0],
        notice("n1", &["u1", "nobody", "elsewhere", "left"])
    );
    assert_eq!(get(&stage, &token, "nobody").await, json!([]));
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let shown = &inbox["people"][0]["messages"][0];
    assert_eq!(
        (&shown["vendor"], &shown["title"], &shown["text"]),
        (&json!("enos"), &json!("Daily"), &json!("Please report."))
    );
    assert!(shown["delivered"].is_string());
    // Every OU has ids of its own.
    let body = json!({"messages": [notice("n1", &["elsewhere"])]});
    assert_eq!(produce_in(&stage, &token, "o_other", body).await["code"], 0);
    assert_eq!(got(&stage).await["Person"], json!(["n1"]));
}

#[tokio::test]
async fn everybody_is_everybody_in_the_ou() {
    let (stage, token) = peopled().await;
    let mut all = notice("all", &[]);
    all["targetType"] = json!(0);
    all.as_object_mut().unwrap().remove("targets");
    assert_eq!(
        produce(&stage, &token, json!([all.clone()])).await["code"],
        0
    );
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    assert_eq!(inbox["people"].as_array().unwrap().len(), 3);
    let late = json!({"enos_user_id": "late", "name": "Di"});
    stage.control("POST", "/users", late).await;
    assert_eq!(produce(&stage, &token, json!([all])).await["code"], 0);
    assert_eq!(got(&stage).await["Di"], json!(["all"]));
    let log = stage
        .control(
            "GET",
            "/calls?operation=enos.produceNoticeMessages",
            Value::Null,
        )
        .await;
    crate::support::contract::Contract::feishu()
        .check_calls(&log)
        .unwrap();
}

#[tokio::test]
async fn one_bad_message_fails_all() {
    let (stage, token) = peopled().await;
    #[rustfmt::skip]
    let cases = [
        with("messageId", Value::Null),
        with("messageId", json!("")),
        with("messageType", Value::Null),
        with("messageType", json!(2)),
        with("targetType", Value::Null),
        with("targetType", json!(2)),
        with("targets", Value::Null),
        with("targets", json!([])),
        with("targets", json!([7])),
        with("appId", Value::Null),
        with("appName", json!({"defaultValue": "Both"})),
        with("url", json!("")),
        with("linkedMenuCode", json!("menu")),
        with("Header", json!({"defaultValue": "T"})),
        with("tag", json!([])),
        with("tags", json!({"defaultValue": "t"})),
        with("tags", json!(["t"])),
        with("features", json!("f")),
        with("header", json!("Daily")),
        with("header", json!({})),
        with("header", json!({"default": "Daily"})),
        with("header", json!({"i18nValue": {"zh_CN": "日报"}})),
        with("header", json!({"defaultValue": "D", "i18nValue": {"chinese": "日报"}})),
    ];
    for bad in cases {
        let answer = produce(&stage, &token, json!([notice("good", &["u1"]), bad])).await;
        assert_eq!(answer["code"], 31400, "{bad}");
        assert_eq!(get(&stage, &token, "good").await, json!([]));
    }
    assert_eq!(got(&stage).await, json!({}));
    let mut external = with("appId", Value::Null);
    external["appName"] = json!({"defaultValue": "Outside"});
    for fine in [
        external,
        with("messageId", json!("linked")),
        with("header", json!({"i18nValue": {"en_US": "Daily"}})),
        with("tags", json!([{"defaultValue": "t"}])),
        with("targetType", json!("1")),
    ] {
        assert_eq!(produce(&stage, &token, json!([fine])).await["code"], 0);
    }
}

#[tokio::test]
async fn a_hundred_messages_are_the_most_of_a_call() {
    let (stage, token) = peopled().await;
    let many = |count: usize| -> Value {
        let notices = (0..count).map(|n| notice(&format!("n{n}"), &["u1"]));
        notices.collect()
    };
    assert_eq!(produce(&stage, &token, many(101)).await["code"], 31400);
    assert_eq!(produce(&stage, &token, many(0)).await["code"], 31400);
    assert_eq!(got(&stage).await, json!({}));
    assert_eq!(produce(&stage, &token, many(100)).await["code"], 0);
    assert_eq!(got(&stage).await["Ada"].as_array().unwrap().len(), 100);
    for (org, code) in [("o_nobody", 31404), ("o_denied", 31403), ("", 31400)] {
        let body = json!({"messages": many(1)});
        assert_eq!(produce_in(&stage, &token, org, body).await["code"], code);
    }
    let single = json!({"messages": notice("n", &["u1"])});
    assert_eq!(
        produce_in(&stage, &token, "o_sandbox", single).await["code"],
        31400
    );
    let path = format!("{GET}?orgId=o_nobody");
    let answer = call(&stage, &token, "POST", &path, json!({"messageId": "n"})).await;
    assert_eq!(answer["code"], 31404);
    let path = format!("{GET}?orgId=o_sandbox");
    assert_eq!(
        call(&stage, &token, "POST", &path, json!({})).await["code"],
        31400
    );
}

#[tokio::test]
async fn faults_meet_notices_too() {
    let (stage, token) = peopled().await;
    let faults = json!({"faults": [
        "code@enos.produceNoticeMessages:1,code=1005",
        "token-expiry@enos.produceNoticeMessages:2",
    ]});
    stage.control("POST", "/faults", faults).await;
    for code in [1005, 1203] {
        let answer = produce(&stage, &token, json!([notice("n", &["u1"])])).await;
        assert_eq!(answer["code"], code);
    }
    assert_eq!(got(&stage).await, json!({}));
}
