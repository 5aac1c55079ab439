//! DingTalk as the sandbox plays it, each answer held against its contract.

use beadle::sandbox::{APP_ID, APP_SECRET, Options};
use serde_json::{Value, json};

use super::{Reply, Stage};
use crate::support::contract::Contract;

const LEGACY: &str = "/gettoken?appkey=cli_sandbox&appsecret=sandbox-secret";
const NEW: &str = "/v1.0/oauth2/accessToken";

async fn send(stage: &Stage, method: &str, path: &str, body: Value) -> Reply {
    let body = (!body.is_null()).then_some(body);
    let reply = stage.send(method, path, "", body).await.unwrap();
    let path = path.split('?').next().unwrap();
    Contract::dingtalk()
        .check_response(
            method,
            path,
            reply.status,
            reply.headers["content-type"].to_str().unwrap(),
            &reply.body,
        )
        .unwrap_or_else(|violations| panic!("{violations:#?}\n{reply:?}"));
    reply
}

async fn peopled(options: Options) -> (Stage, String) {
    let stage = Stage::with(options).await;
    let departments = json!([
        {"dingtalk_dept_id": 7, "name": "Dev"},
        {"dingtalk_dept_id": 8, "name": "Ops", "parent": 7},
        {"dingtalk_dept_id": 9, "name": "Far", "parent": 7, "out_of_scope": true},
        {"department_id": "7", "name": "of Feishu"},
    ]);
    stage.control("POST", "/departments", departments).await;
    let people = json!([
        {"dingtalk_user_id": "d1", "dingtalk_union_id": "U1", "name": "Ada", "mobile": "13800000001", "departments": [7, 8]},
        {"dingtalk_user_id": "d2", "name": "Bo"},
        {"dingtalk_user_id": "far", "departments": [7], "out_of_scope": true},
        {"dingtalk_user_id": "left", "departments": [7], "mobile": "13800000002", "left": true},
        {"open_id": "ou_feishu", "mobile": "13800000003"},
    ]);
    stage.control("POST", "/users", people).await;
    let token = send(&stage, "GET", LEGACY, Value::Null).await.json()["access_token"].clone();
    let token = token.as_str().unwrap().to_owned();
    (stage, token)
}

async fn ask(stage: &Stage, token: &str, path: &str, body: Value) -> Value {
    let path = format!("/topapi/{path}?access_token={token}");
    let reply = send(stage, "POST", &path, body).await;
    assert_eq!(reply.status, 200);
    reply.json()
}

#[tokio::test]
async fn both_ways_give_one_token_and_refuse_each_in_its_manner() {
    let (stage, token) = peopled(Options::default()).await;
    let good = json!({"appKey": APP_ID, "appSecret": APP_SECRET});
    let reply = send(&stage, "POST", NEW, good.clone()).await.json();
    assert_eq!(reply, json!({"accessToken": token, "expireIn": 7200}));
    let wrong = json!({"appKey": APP_ID, "appSecret": "wrong"});
    let reply = send(&stage, "POST", NEW, wrong).await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (400, &json!("invalidClientIdOrSecret"))
    );
    for (path, code) in [
        ("/gettoken", 40035),
        ("/gettoken?appkey=cli_sandbox", 40035),
        ("/gettoken?appkey=cli_sandbox&appsecret=wrong", 40096),
        ("/gettoken?appkey=cli_nobody&appsecret=wrong", 40096),
    ] {
        let reply = send(&stage, "GET", path, Value::Null).await;
        assert_eq!(
            (reply.status, &reply.json()["errcode"]),
            (200, &json!(code))
        );
    }
    let expiry = json!({"seconds": 60});
    stage.control("POST", "/tokens/expire", expiry).await;
    send(&stage, "POST", NEW, good.clone()).await;
    stage
        .control("POST", "/clock", json!({"advance_ms": 7_000_000}))
        .await;
    let extended = send(&stage, "POST", NEW, good.clone()).await.json();
    assert_eq!(extended["accessToken"], token);
    stage.control("POST", "/tokens/expire", json!({})).await;
    let renewed = send(&stage, "POST", NEW, good).await.json();
    assert_ne!(renewed["accessToken"], token);
    let log = stage
        .control("GET", "/calls", Value::Null)
        .await
        .to_string();
    assert!(!log.contains(APP_SECRET) && !log.contains(&token), "{log}");
}

#[tokio::test]
async fn token_errors_come_wrapped_and_headers_are_not_read() {
    let (stage, token) = peopled(Options::default()).await;
    let path = "/topapi/v2/user/get";
    for (query, code) in [
        ("", "41001"),
        ("?access_token=", "40000"),
        ("?access_token=nobody", "40014"),
    ] {
        let reply = send(
            &stage,
            "POST",
            &format!("{path}{query}"),
            json!({"userid": "d1"}),
        )
        .await;
        let got = reply.json();
        assert_eq!(
            (&got["errcode"], &got["sub_code"]),
            (&json!(88), &json!(code))
        );
    }
    let authorization = format!("Bearer {token}");
    let body = Some(json!({"userid": "d1"}));
    let reply = stage
        .send("POST", path, &authorization, body)
        .await
        .unwrap();
    assert_eq!(reply.json()["sub_code"], "41001");
    // A token of another vendor is none here.
    let foreign = ask(
        &stage,
        stage.token(),
        "v2/user/get",
        json!({"userid": "d1"}),
    )
    .await;
    assert_eq!(foreign["sub_code"], "40014");
    let reply = stage
        .send("POST", "/topapi/no/such", "", None)
        .await
        .unwrap();
    assert_eq!((reply.status, &reply.json()["errcode"]), (200, &json!(22)));
}

#[tokio::test]
async fn look_ups_find_employed_people_in_range() {
    let (stage, token) = peopled(Options::default()).await;
    #[rustfmt::skip]
    let cases = [
        ("v2/user/getbymobile", json!({"mobile": "13800000001"}), 0),
        ("v2/user/getbymobile", json!({"mobile": "13800000002"}), 60121),
        ("v2/user/getbymobile", json!({"mobile": "13800000003"}), 60121),
        ("v2/user/getbymobile", json!({"mobile": "nobody"}), 40104),
        ("v2/user/getbymobile", json!({}), 400002),
        ("v2/user/get", json!({"userid": "d1"}), 0),
        ("v2/user/get", json!({"userid": "left"}), 60121),
        ("v2/user/get", json!({"userid": "nobody"}), 60121),
        ("v2/user/get", json!({"userid": "d1,d2"}), 33012),
        ("v2/user/get", json!({"userid": "far"}), 50002),
        ("user/getbyunionid", json!({"unionid": "U1"}), 0),
        ("user/getbyunionid", json!({"unionid": "U9"}), 60121),
        ("user/listid", json!({"dept_id": "7"}), 0),
        ("user/listid", json!({"dept_id": 99}), 60003),
        ("user/listid", json!({}), 400002),
        ("v2/department/get", json!({"dept_id": 1}), 0),
        ("v2/department/get", json!({"dept_id": 0}), 40009),
        ("v2/department/get", json!({"dept_id": 9}), 50004),
        ("v2/department/get", json!({"dept_id": 99}), 60003),
        ("v2/department/listsub", json!({}), 0),
        ("v2/department/listsub", json!({"dept_id": 9}), 50004),
        ("v2/department/listsubid", json!({"dept_id": 99}), 60003),
    ];
    for (path, body, code) in cases {
        let got = ask(&stage, &token, path, body.clone()).await;
        assert_eq!(got["errcode"], code, "{path} {body} {got}");
    }
    let result =
        async |path: &str, body: Value| ask(&stage, &token, path, body).await["result"].clone();
    let ada = result("v2/user/get", json!({"userid": "d1"})).await;
    assert_eq!(
        (&ada["name"], &ada["dept_id_list"]),
        (&json!("Ada"), &json!([7, 8]))
    );
    let ids = result("user/listid", json!({"dept_id": 7})).await;
    assert_eq!(ids["userid_list"], json!(["d1", "far"]));
    let root = result("user/listid", json!({"dept_id": 1})).await;
    assert_eq!(root["userid_list"], json!(["d2"]));
    let children = result("v2/department/listsub", json!({"dept_id": 7})).await;
    assert_eq!(children.as_array().unwrap().len(), 1);
    assert_eq!(
        (&children[0]["dept_id"], &children[0]["parent_id"]),
        (&json!(8), &json!(7))
    );
    let ids = result("v2/department/listsubid", json!({"dept_id": 7})).await;
    assert_eq!(ids["dept_id_list"], json!([8, 9]));
    let log = stage
        .control(
            "GET",
            "/calls?operation=dingtalk.getDepartment",
            Value::Null,
        )
        .await;
    let asked = log["calls"].as_array().unwrap();
    let fine = json!({"calls": asked.iter().filter(|call| call["body"]["dept_id"] != 0).collect::<Vec<_>>()});
    Contract::feishu().check_calls(&fine).unwrap();
}

#[tokio::test]
async fn a_form_is_read_too_with_the_token_in_it() {
    let (stage, token) = peopled(Options::default()).await;
    let url = format!("{}/topapi/v2/department/get", stage.sandbox.base_url());
    let form = format!("dept_id=7&access_token={token}");
    let request = stage.client.post(url).body(form);
    let kind = "application/x-www-form-urlencoded";
    let reply = request.header("Content-Type", kind).send().await.unwrap();
    let text = reply.text().await.unwrap();
    let got: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(got["result"]["name"], "Dev");
    let log = stage.control("GET", "/calls", Value::Null).await;
    assert!(!log.to_string().contains(&token));
}

#[tokio::test]
async fn twenty_calls_a_second_and_faults_in_the_vendors_manner() {
    let options = Options {
        enforce_limits: true,
        ..Options::default()
    };
    let (stage, token) = peopled(options).await;
    let mut last = Value::Null;
    for _ in 0..41 {
        last = ask(&stage, &token, "v2/user/get", json!({"userid": "d1"})).await;
        if last["errcode"] != 0 {
            break;
        }
    }
    assert_eq!(
        (&last["errcode"], &last["sub_code"]),
        (&json!(88), &json!("90018"))
    );
    let fault =
        json!({"faults": ["quota@dingtalk.getDepartment:1", "5xx@dingtalk.getDepartment:2"]});
    stage.control("POST", "/faults", fault).await;
    let got = ask(&stage, &token, "v2/department/get", json!({"dept_id": 7})).await;
    assert_eq!(got["sub_code"], "90020");
    let path = format!("/topapi/v2/department/get?access_token={token}");
    let reply = send(&stage, "POST", &path, json!({"dept_id": 7})).await;
    assert_eq!((reply.status, &reply.body[..6]), (500, "<html>"));
}
