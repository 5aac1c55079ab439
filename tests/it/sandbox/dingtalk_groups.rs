//! DingTalk's messages into groups, by the robot and by the older call; the token of a corp; roles.

use beadle::sandbox::{APP_ID, APP_SECRET};
use serde_json::{Value, json};

use super::dingtalk_send::{ask, checked, peopled, token, work};
use super::{Reply, Stage};
use crate::support::contract::Contract;

const ROBOT: &str = "/v1.0/robot/groupMessages/send";

async fn robot(stage: &Stage, token: &str, body: &Value) -> Reply {
    let url = format!("{}{ROBOT}", stage.sandbox.base_url());
    let mut request = stage.client.post(url).json(body);
    if !token.is_empty() {
        request = request.header("x-acs-dingtalk-access-token", token);
    }
    checked("POST", ROBOT, request).await
}

#[tokio::test]
async fn a_robot_posts_into_its_groups() {
    let mut stage = peopled().await;
    for group in [
        json!({"id": "cid1", "name": "Room", "users": ["d1", "d2"]}),
        json!({"id": "cid2", "robots": []}),
        json!({"id": "cid3", "disbanded": true}),
    ] {
        stage.control("POST", "/dingtalk/groups", group).await;
    }
    stage.become_app("cli_other").await;
    let token = token(&stage).await;
    let with = |field: &str, value: Value| {
        let param = json!({"title": "T", "text": "hello"}).to_string();
        let mut body = json!({"robotCode": APP_ID, "openConversationId": "cid1",
            "msgKey": "sampleMarkdown", "msgParam": param});
        body[field] = value;
        body
    };
    let param = |bytes: usize| json!({"content": "x".repeat(bytes - 14)}).to_string();
    assert_eq!(param(15_000).len(), 15_000);
    #[rustfmt::skip]
    let cases = [
        (with("robotCode", json!("")), "invalidParameter.robotCode.empty"),
        (with("robotCode", json!("cli_other")), "invalidParameter.robotCode.auth"),
        (with("robotCode", json!("dingrobot")), ""),
        (with("msgKey", json!("samplePoem")), "invalidParameter.msgKey.invalid"),
        (with("msgParam", json!("hello")), "invalidParameter.msgParam.invalid"),
        (with("msgParam", json!({"text": "hello"})), "invalidParameter.msgParam.invalid"),
        (with("msgParam", json!(param(15_000))), ""),
        (with("msgParam", json!(param(15_001))), "invalidParameter.msgParam.tooLong"),
        (with("openConversationId", json!("nobody")), "invalid.openConversationId"),
        (with("openConversationId", json!("cid2")), "bot.stopped"),
        (with("openConversationId", json!("cid3")), "group.disbanded"),
    ];
    for (body, code) in cases {
        let reply = robot(&stage, &token, &body).await;
        let status = if code.is_empty() { 200 } else { 400 };
        assert_eq!(
            (
                reply.status,
                reply.json()["code"].as_str().unwrap_or_default()
            ),
            (status, code)
        );
    }
    let fine = with("msgKey", json!("sampleMarkdown"));
    let key = robot(&stage, &token, &fine).await.json()["processQueryKey"].clone();
    let inbox = stage.control("GET", "/inbox", Value::Null).await;
    let room = &inbox["chats"][0];
    let last = room["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (
            &room["name"],
            &last["title"],
            &last["text"],
            &last["message_id"]
        ),
        (&json!("Room"), &json!("T"), &json!("hello"), &key)
    );
    let gate = robot(&stage, "", &fine).await.json();
    assert_eq!(gate["code"], "AuthenticationFailed.MissingParameter");
    let gate = robot(&stage, "nobody", &fine).await.json();
    assert_eq!(gate["code"], "InvalidAuthentication");
    for code in Contract::dingtalk().codes("sendRobotGroupMessage") {
        stage.control("DELETE", "/faults", Value::Null).await;
        let fault = format!("code@dingtalk.sendRobotGroupMessage,code={}", code.0);
        stage
            .control("POST", "/faults", json!({"fault": fault}))
            .await;
        let reply = robot(&stage, &token, &fine).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!(code.0)));
    }
    stage.control("DELETE", "/faults", Value::Null).await;
    let faults = json!({"faults": ["429@dingtalk.sendRobotGroupMessage:1", "quota@dingtalk.sendRobotGroupMessage:2"]});
    stage.control("POST", "/faults", faults).await;
    for code in ["QpsLimitForAppkeyAndApi", "ApiCountLimitForOrg"] {
        let reply = robot(&stage, &token, &fine).await;
        let wanted = format!("Forbidden.AccessDenied.{code}");
        assert_eq!((reply.status, &reply.json()["code"]), (403, &json!(wanted)));
    }
}

#[tokio::test]
async fn the_older_call_reads_a_group_by_its_id() {
    let stage = peopled().await;
    let group = json!({"id": "chat1", "users": ["d1"]});
    stage.control("POST", "/dingtalk/groups", group).await;
    let msg = work("", "hello")["msg"].clone();
    for (body, code) in [
        (json!({"chatid": "chat1", "msg": msg}), 0),
        (json!({"chatid": "nobody", "msg": msg}), 34001),
        (json!({"msg": msg}), 34001),
        (json!({"chatid": "chat1"}), 34014),
        (
            json!({"chatid": "chat1", "msg": {"msgtype": "poem"}}),
            34004,
        ),
        (
            json!({"chatid": "chat1", "msg": {"msgtype": "text", "text": {}}}),
            34014,
        ),
        (
            json!({"chatid": "chat1", "msg": {"msgtype": "text", "text": {"content": "x".repeat(3000)}}}),
            34016,
        ),
    ] {
        let answer = ask(&stage, "/chat/send", &body).await;
        assert_eq!(answer["errcode"], code, "{answer}");
    }
    let url = format!("{}/chat/send?access_token=nobody", stage.sandbox.base_url());
    let reply = checked("POST", "/chat/send", stage.client.post(url))
        .await
        .json();
    assert_eq!(reply["errcode"], 40014);
}

#[tokio::test]
async fn the_token_of_a_corp_is_the_apps() {
    let stage = peopled().await;
    let path = "/v1.0/oauth2/dingcorp/token";
    let issue = async |id: &str, secret: &str, kind: &str| {
        let body = json!({"client_id": id, "client_secret": secret, "grant_type": kind});
        let url = format!("{}{path}", stage.sandbox.base_url());
        checked("POST", path, stage.client.post(url).json(&body)).await
    };
    let granted = issue(APP_ID, APP_SECRET, "client_credentials").await.json();
    assert_eq!(
        granted,
        json!({"access_token": token(&stage).await, "expires_in": 7200})
    );
    for (secret, kind, code) in [
        ("wrong", "client_credentials", "invalid.client"),
        (APP_SECRET, "password", "unsupported.grant.type"),
    ] {
        let reply = issue(APP_ID, secret, kind).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!(code)));
    }
    let log = stage.control("GET", "/calls", Value::Null).await;
    assert!(!log.to_string().contains(APP_SECRET));
}

#[tokio::test]
async fn roles_are_listed_by_group_and_hold_people() {
    let stage = peopled().await;
    for role in [
        json!({"id": 11, "name": "Owner", "users": ["d1", "d2", "left"]}),
        json!({"id": 12, "name": "Lead"}),
        json!({"id": 21, "name": "Duty", "group_id": 2, "group": "Shifts"}),
    ] {
        stage.control("POST", "/dingtalk/roles", role).await;
    }
    let list = async |body: Value| ask(&stage, "/topapi/role/list", &body).await;
    let all = list(json!({})).await["result"].clone();
    assert_eq!(all["hasMore"], false);
    assert_eq!(
        all["list"][0]["roles"],
        json!([{"id": 11, "name": "Owner"}, {"id": 12, "name": "Lead"}])
    );
    let first = list(json!({"size": 1, "offset": 0})).await["result"].clone();
    assert_eq!(
        (&first["hasMore"], first["list"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    let second = list(json!({"size": "1", "offset": "1"})).await["result"].clone();
    assert_eq!(second["list"][0]["groupId"], 2);
    let users = async |body: Value| ask(&stage, "/topapi/role/simplelist", &body).await;
    let held = users(json!({"role_id": 11})).await["result"].clone();
    let both = json!([{"userid": "d1", "name": "Ada"}, {"userid": "d2", "name": "Bo"}]);
    assert_eq!((&held["list"], &held["hasMore"]), (&both, &json!(false)));
    for (body, code) in [
        (json!({"size": 201, "offset": 0}), 40069),
        (json!({"size": 0, "offset": 0}), 40069),
        (json!({"offset": 0}), 40069),
        (json!({"size": 200, "offset": 0}), 0),
        (json!({"size": 20}), 40068),
        (json!({"size": 20, "offset": "x"}), 40068),
    ] {
        assert_eq!(list(body.clone()).await["errcode"], code, "{body}");
    }
    for (body, code) in [
        (json!({}), 33011),
        (json!({"role_id": 99}), 33011),
        (json!({"role_id": 11, "size": 101, "offset": 0}), 40069),
        (json!({"role_id": 11, "size": 100, "offset": 0}), 0),
    ] {
        assert_eq!(users(body.clone()).await["errcode"], code, "{body}");
    }
}
