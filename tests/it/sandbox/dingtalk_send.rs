//! DingTalk's work notifications: what is refused, and what is dropped in silence.

use serde_json::{Value, json};

use super::{Reply, Stage};
use crate::support::contract::Contract;

const LEGACY: &str = "/gettoken?appkey=cli_sandbox&appsecret=sandbox-secret";
pub(super) const WORK: &str = "/topapi/message/corpconversation";

/// A request whose answer has to fit the contract.
pub(super) async fn checked(method: &str, path: &str, request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let reply = Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    };
    let kind = reply.headers["content-type"].to_str().unwrap();
    let path = path.split('?').next().unwrap();
    Contract::dingtalk()
        .check_response(method, path, reply.status, kind, &reply.body)
        .unwrap_or_else(|violations| panic!("{violations:#?}\n{reply:?}"));
    reply
}

pub(super) async fn token(stage: &Stage) -> String {
    let url = format!("{}{LEGACY}", stage.sandbox.base_url());
    let reply = checked("GET", LEGACY, stage.client.get(url)).await.json();
    reply["access_token"].as_str().unwrap().to_owned()
}

pub(super) async fn peopled() -> Stage {
    let stage = Stage::new().await;
    let departments = json!([
        {"dingtalk_dept_id": 7, "name": "Dev"},
        {"dingtalk_dept_id": 8, "name": "Ops", "parent": 7},
        {"dingtalk_dept_id": 9, "name": "Far", "out_of_scope": true},
    ]);
    stage.control("POST", "/departments", departments).await;
    let people = json!([
        {"dingtalk_user_id": "d1", "name": "Ada", "departments": [7]},
        {"dingtalk_user_id": "d2", "name": "Bo", "departments": [8]},
        {"dingtalk_user_id": "d3"},
        {"dingtalk_user_id": "far", "departments": [7], "out_of_scope": true},
        {"dingtalk_user_id": "left", "departments": [7], "left": true},
        {"open_id": "ou_feishu"},
    ]);
    stage.control("POST", "/users", people).await;
    stage
}

pub(super) async fn ask(stage: &Stage, path: &str, body: &Value) -> Value {
    let token = token(stage).await;
    let url = format!("{}{path}?access_token={token}", stage.sandbox.base_url());
    let reply = checked("POST", path, stage.client.post(url).json(body)).await;
    assert_eq!(reply.status, 200);
    reply.json()
}

pub(super) fn work(users: &str, text: &str) -> Value {
    let msg = json!({"msgtype": "text", "text": {"content": text}});
    json!({"agent_id": 42, "userid_list": users, "msg": msg})
}

pub(super) async fn send(stage: &Stage, body: Value) -> i64 {
    let answer = ask(stage, &format!("{WORK}/asyncsend_v2"), &body).await;
    let task = answer["task_id"].as_i64();
    task.unwrap_or_else(|| panic!("{answer}"))
}

pub(super) async fn result(stage: &Stage, task: i64) -> Value {
    let body = json!({"agent_id": "42", "task_id": task.to_string()});
    ask(stage, &format!("{WORK}/getsendresult"), &body).await
}

pub(super) async fn advance(stage: &Stage, seconds: i64) {
    stage
        .control("POST", "/advance", json!({"seconds": seconds}))
        .await;
}

/// Who of those has got it, and who was dropped for what.
pub(super) async fn outcome(stage: &Stage, body: Value) -> (Value, Vec<String>) {
    let task = send(stage, body).await;
    advance(stage, 10).await;
    let result = result(stage, task).await["send_result"].clone();
    let dropped = result["forbidden_list"].as_array().unwrap().iter();
    let dropped = dropped.map(|row| format!("{} {} {}", row["userid"], row["code"], row["count"]));
    (result["unread_user_id_list"].clone(), dropped.collect())
}

#[tokio::test]
async fn bad_notifications_are_refused() {
    let stage = peopled().await;
    let with = |field: &str, value: Value| {
        let mut body = work("d1", "hello");
        if value.is_null() {
            body.as_object_mut().unwrap().remove(field);
        } else {
            body[field] = value;
        }
        body
    };
    let of_kind = |kind: &str, inner: Value| with("msg", json!({"msgtype": kind, kind: inner}));
    let long = |length: usize| "x".repeat(length);
    let ids = |count: usize| json!(vec!["d1"; count].join(","));
    let depts = |count: usize| json!(vec!["7"; count].join(","));
    let sized = |bytes: usize| {
        let fixed = json!({"msgtype": "text", "text": {"content": ""}})
            .to_string()
            .len();
        of_kind("text", json!({"content": long(bytes - fixed)}))
    };
    let oa = json!({"message_url": "https://x.invalid", "head": {"bgcolor": "FFBBBBBB", "text": "h"}, "body": {"title": "T"}});
    let oa_with = |field: &str, value: Value| {
        let mut oa = oa.clone();
        oa[field] = value;
        of_kind("oa", oa)
    };
    let bar = json!({"status_value": "open", "status_bg": "0xFFFFFFFF"});
    let with_bar = |users: &str| {
        let mut body = oa_with("status_bar", bar.clone());
        body["userid_list"] = json!(users);
        body
    };
    let mut bar_to_departments = with_bar("d1");
    bar_to_departments["dept_id_list"] = json!("7");
    let mut bar_to_all = with_bar("d1");
    bar_to_all["to_all_user"] = json!(true);
    let card = |extra: Value| {
        let mut card = json!({"title": "T", "markdown": "m"});
        card.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        of_kind("action_card", card)
    };
    let single = |title: usize, url: usize| {
        card(json!({"single_title": long(title), "single_url": long(url)}))
    };
    let button = |title: usize, url: usize| json!({"title": long(title), "action_url": long(url)});
    let buttons = |list: Value| card(json!({"btn_orientation": "0", "btn_json_list": list}));
    #[rustfmt::skip]
    let cases: Vec<(Value, i64)> = vec![
        (work("d1", "fine"), 0),
        (with("agent_id", Value::Null), 41011),
        (with("agent_id", json!("42")), 0),
        (with("agent_id", json!("app")), 40056),
        (with("agent_id", json!(0)), 40056),
        (with("colour", json!("red")), 40035),
        // Receivers.
        (with("userid_list", Value::Null), 40035),
        (with("userid_list", ids(100)), 0),
        (with("userid_list", ids(101)), 40032),
        (with("userid_list", json!("")), 40032),
        (with("userid_list", json!("d1,")), 40032),
        (with("userid_list", json!(["d1"])), 40032),
        (with("dept_id_list", depts(20)), 0),
        (with("dept_id_list", depts(21)), 40035),
        (with("dept_id_list", json!("dev")), 40035),
        (with("to_all_user", json!("maybe")), 40035),
        // Messages.
        (with("msg", Value::Null), 40035),
        (with("msg", json!("{\"msgtype\":\"text\",\"text\":{\"content\":\"a\"}}")), 40035),
        (with("msg", json!({})), 40008),
        (of_kind("poem", json!({})), 40008),
        (with("msg", json!({"msgtype": "text", "text": {"content": "a"}, "image": {"media_id": "m"}})), 40035),
        (with("msg", json!({"msgtype": "text", "image": {"media_id": "m"}})), 40035),
        (of_kind("text", json!({"content": ""})), 40035),
        (of_kind("text", json!({"content": long(5001)})), 34016),
        (sized(2048), 0),
        (sized(2049), 45002),
        (of_kind("image", json!({"media_id": "m"})), 0),
        (of_kind("image", json!({})), 40035),
        (of_kind("file", json!({"media_id": "m"})), 0),
        (of_kind("voice", json!({"media_id": "m", "duration": "59"})), 0),
        (of_kind("voice", json!({"media_id": "m", "duration": "60"})), 40035),
        (of_kind("voice", json!({"media_id": "m", "duration": 10})), 40035),
        (of_kind("link", json!({"messageUrl": "u", "picUrl": "p", "title": "t", "text": "x"})), 0),
        (of_kind("link", json!({"messageUrl": "u", "title": "t", "text": "x"})), 40035),
        (of_kind("markdown", json!({"title": long(64), "text": "m"})), 0),
        (of_kind("markdown", json!({"title": long(65), "text": "m"})), 34016),
        (of_kind("markdown", json!({"text": "m"})), 40035),
        (single(20, 500), 0),
        (single(21, 500), 34016),
        (single(20, 501), 34016),
        (card(json!({"single_title": "t"})), 40035),
        (card(json!({"title": long(65), "single_title": "t", "single_url": "u"})), 34016),
        (buttons(json!([button(20, 700)])), 0),
        (buttons(json!([button(21, 7)])), 34016),
        (buttons(json!([button(2, 701)])), 34016),
        (buttons(json!([button(2, 480), button(2, 480)])), 34016),
        (buttons(json!([])), 40035),
        (card(json!({"btn_orientation": "2", "btn_json_list": [button(1, 1)]})), 40035),
        (of_kind("oa", oa.clone()), 0),
        (oa_with("head", json!({"bgcolor": "red", "text": "h"})), 40035),
        (oa_with("head", json!({"bgcolor": "FFBBBBBB", "text": long(11)})), 34016),
        (oa_with("body", json!({"form": [{"key": "k", "value": "v"}]})), 0),
        (oa_with("body", json!({"form": [{"name": "k"}]})), 40035),
        (oa_with("status_bar", json!({"status_bg": "red"})), 40035),
        (with_bar("d1,d2,d3,d4,d5"), 0),
        (with_bar("d1,d2,d3,d4,d5,d6"), 40035),
        (bar_to_departments, 40035),
        (bar_to_all, 40035),
    ];
    for (body, code) in cases {
        let answer = ask(&stage, &format!("{WORK}/asyncsend_v2"), &body).await;
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(answer["errcode"], code, "{shown} {answer}");
    }
    let log = stage
        .control(
            "GET",
            "/calls?operation=dingtalk.sendWorkNotification",
            Value::Null,
        )
        .await;
    let fine = log["calls"].as_array().unwrap().iter();
    let fine: Vec<&Value> = fine.filter(|call| call["code"] == 0).collect();
    assert!(fine.len() > 10);
    Contract::feishu()
        .check_calls(&json!({"calls": fine}))
        .unwrap();
}

#[tokio::test]
async fn a_form_says_the_same_as_json() {
    let stage = peopled().await;
    let token = token(&stage).await;
    let path = format!("{WORK}/asyncsend_v2");
    let url = format!("{}{path}", stage.sandbox.base_url());
    let msg = "%7B%22msgtype%22%3A%22text%22%2C%22text%22%3A%7B%22content%22%3A%22a+b%22%7D%7D";
    let form = async |text: String| {
        let request = stage.client.post(&url).body(text);
        let kind = "application/x-www-form-urlencoded";
        checked("POST", &path, request.header("Content-Type", kind))
            .await
            .json()
    };
    let answer = form(format!(
        "access_token={token}&agent_id=42&userid_list=d1,d2&msg={msg}"
    ))
    .await;
    let task = answer["task_id"].as_i64().unwrap();
    assert!(task > i64::from(u32::MAX));
    let broken = form(format!(
        "access_token={token}&agent_id=42&userid_list=d1&msg=text"
    ))
    .await;
    assert_eq!(broken["errcode"], 40035);
    advance(&stage, 5).await;
    let (got, dropped) = outcome(&stage, work("d1,d3", "a b")).await;
    assert_eq!(
        (got, dropped),
        (json!(["d3"]), vec!["\"d1\" \"143106\" 1".to_owned()])
    );
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    assert_eq!(inbox["people"].as_array().unwrap().len(), 3, "{inbox}");
}

#[tokio::test]
async fn the_same_content_reaches_a_person_once_a_day() {
    let stage = peopled().await;
    // Half past eleven at night in Shanghai.
    let clock = json!({"at": "2030-01-15T15:30:00Z"});
    stage.control("POST", "/clock", clock).await;
    assert_eq!(outcome(&stage, work("d1", "daily")).await.0, json!(["d1"]));
    let (got, dropped) = outcome(&stage, work("d1,d2", "daily")).await;
    assert_eq!(got, json!(["d2"]));
    assert_eq!(dropped, ["\"d1\" \"143106\" 1"]);
    assert_eq!(
        outcome(&stage, work("d1", "daily, 15:30")).await.0,
        json!(["d1"])
    );
    advance(&stage, 40 * 60).await;
    assert_eq!(outcome(&stage, work("d1", "daily")).await.0, json!(["d1"]));
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let ada = inbox["people"].as_array().unwrap().iter();
    let ada = ada.clone().find(|one| one["name"] == "Ada").unwrap();
    let codes: Vec<&Value> = ada["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["dropped"])
        .collect();
    assert_eq!(json!(codes), json!([null, "143106", null, null]));
}

#[tokio::test]
async fn what_is_over_a_quota_is_accepted_and_dropped() {
    let stage = peopled().await;
    let clock = json!({"at": "2030-01-15T02:00:00Z"});
    stage.control("POST", "/clock", clock).await;
    stage
        .control("POST", "/tenant", json!({"work_a_day": 2}))
        .await;
    for text in ["one", "two"] {
        assert_eq!(outcome(&stage, work("d1", text)).await.0, json!(["d1"]));
    }
    let (got, dropped) = outcome(&stage, work("d1,d2", "three")).await;
    assert_eq!(
        (got, dropped),
        (json!(["d2"]), vec!["\"d1\" \"143105\" 2".to_owned()])
    );

    let quota = json!({"work_a_day": 500, "receivers_a_minute": 2});
    stage.control("POST", "/tenant", quota).await;
    advance(&stage, 60).await;
    let (got, dropped) = outcome(&stage, work("d1,d2,d3", "four")).await;
    assert_eq!(
        (got, dropped),
        (json!(["d1", "d2"]), vec!["\"d3\" \"143103\" 2".to_owned()])
    );
    assert_eq!(outcome(&stage, work("d3", "four")).await.0, json!([]));
    advance(&stage, 60).await;
    assert_eq!(outcome(&stage, work("d3", "four")).await.0, json!(["d3"]));

    let quota = json!({"receivers_a_minute": 5000, "receivers_a_call": 1});
    stage.control("POST", "/tenant", quota).await;
    let (got, dropped) = outcome(&stage, work("d1,d2", "five")).await;
    assert_eq!((got, dropped.len()), (json!(["d1"]), 1));

    let all =
        |text: &str| json!({"agent_id": 42, "to_all_user": true, "msg": work("", text)["msg"]});
    stage
        .control("POST", "/tenant", json!({"receivers_a_call": 5000}))
        .await;
    for text in ["a", "b", "c"] {
        assert_eq!(
            outcome(&stage, all(text)).await.0,
            json!(["d1", "d2", "d3"])
        );
    }
    let path = format!("{WORK}/asyncsend_v2");
    assert_eq!(ask(&stage, &path, &all("d")).await["errcode"], 41045);
    advance(&stage, 24 * 3600).await;
    assert_eq!(ask(&stage, &path, &all("d")).await["errcode"], 0);
    let forbidden = json!({"everybody_allowed": false});
    stage.control("POST", "/tenant", forbidden).await;
    assert_eq!(ask(&stage, &path, &all("e")).await["errcode"], 41028);
}

/// Every code that the contract lists for these calls, on order.
#[tokio::test]
async fn every_listed_code_can_be_ordered() {
    let stage = peopled().await;
    for (operation, path) in [
        ("sendWorkNotification", format!("{WORK}/asyncsend_v2")),
        ("getSendProgress", format!("{WORK}/getsendprogress")),
        ("getSendResult", format!("{WORK}/getsendresult")),
        ("recallWorkNotification", format!("{WORK}/recall")),
        ("updateStatusBar", format!("{WORK}/status_bar/update")),
        ("sendChatLegacy", "/chat/send".to_owned()),
    ] {
        let codes = Contract::dingtalk().codes(operation);
        assert!(codes.len() >= 5, "{operation}");
        for (code, _) in codes.into_iter().filter(|(code, _)| code != "88") {
            stage.control("DELETE", "/faults", Value::Null).await;
            let fault = format!("code@dingtalk.{operation},code={code}");
            stage
                .control("POST", "/faults", json!({"fault": fault}))
                .await;
            let answer = ask(&stage, &path, &json!({})).await;
            let said = &answer["sub_code"];
            let number = json!(code.parse::<i64>().unwrap());
            assert!(
                answer["errcode"] == number || *said == code,
                "{code} {answer}"
            );
        }
    }
}
