//! EnOS as the sandbox plays it: digests, an OU's users in pages, and its user groups.

use beadle::sandbox::{APP_ID, APP_SECRET};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Reply, Stage};
use crate::support::contract::Contract;

const GET: &str = "/apim-token-service/v2.0/token/get";
const REFRESH: &str = "/apim-token-service/v2.0/token/refresh";
const ROSTER: &str = "/app-portal-service/v2.2/user/organization/roster";
const GROUPS: &str = "/app-portal-service/v2.3/organization/userGroup/list";
const ASSIGNED: &str = "/app-portal-service/v2.3/userGroup/listAssignedUser";
const OF_USERS: &str = "/app-portal-service/v2.2/userGroup/getUsersUserGroupList";

fn sha(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn credentials(millis: u64) -> Value {
    let encryption = sha(&format!("{APP_ID}{millis}{APP_SECRET}"));
    json!({"appKey": APP_ID, "encryption": encryption, "timestamp": millis})
}

async fn checked(
    stage: &Stage,
    method: &str,
    path: &str,
    request: reqwest::RequestBuilder,
) -> Reply {
    let response = request.send().await.unwrap();
    let reply = Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    };
    let kind = reply.headers["content-type"].to_str().unwrap();
    let path = path.split('?').next().unwrap();
    Contract::enos()
        .check_response(method, path, reply.status, kind, &reply.body)
        .unwrap_or_else(|violations| {
            panic!("{violations:#?}\n{reply:?}\n{}", stage.sandbox.base_url())
        });
    reply
}

async fn token_call(stage: &Stage, path: &str, body: &Value) -> Value {
    let url = format!("{}{path}", stage.sandbox.base_url());
    let request = stage.client.post(url).body(body.to_string());
    checked(stage, "POST", path, request).await.json()
}

/// A signed call; `query` is put into the digest as it is, so it has one name at most.
pub(super) async fn call(
    stage: &Stage,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> Value {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let query = path
        .split_once('?')
        .map(|(_, query)| query.replace('=', ""));
    let millis = "1768465805000";
    let signature = sha(&format!(
        "{token}{}{text}{millis}{APP_SECRET}",
        query.unwrap_or_default()
    ));
    let url = format!("{}{path}", stage.sandbox.base_url());
    let request = stage
        .client
        .request(method.parse().unwrap(), url)
        .header("apim-accesstoken", token)
        .header("apim-signature", signature)
        .header("apim-timestamp", millis)
        .body(text);
    checked(stage, method, path, request).await.json()
}

pub(super) async fn peopled() -> (Stage, String) {
    let stage = Stage::new().await;
    let people = json!([
        {"enos_user_id": "u1", "name": "Ada", "email": "ada@example.com"},
        {"enos_user_id": "u2", "name": "Bo"},
        {"enos_user_id": "u3"},
        {"enos_user_id": "elsewhere", "enos_org_id": "o_other"},
        {"enos_user_id": "left", "left": true},
        {"open_id": "ou_feishu"},
    ]);
    stage.control("POST", "/users", people).await;
    for org in [
        json!({"id": "o_other"}),
        json!({"id": "o_denied", "denied": true}),
        json!({"id": "o_old", "ignores_user_ids": true}),
    ] {
        stage.control("POST", "/enos/orgs", org).await;
    }
    let group = json!({"id": "g1", "name": "On call", "users": ["u1", "u3", "elsewhere"]});
    stage.control("POST", "/enos/groups", group).await;
    let token =
        token_call(&stage, GET, &credentials(1_768_465_800_000)).await["data"]["accessToken"]
            .clone();
    let token = token.as_str().unwrap().to_owned();
    (stage, token)
}

#[tokio::test]
async fn a_token_needs_a_fresh_digest_and_stays_the_same() {
    let (stage, token) = peopled().await;
    let mut nobody = credentials(1);
    nobody["appKey"] = json!("nobody");
    let mut wrong = credentials(1_768_465_800_001);
    wrong["timestamp"] = json!(1_768_465_800_002_u64);
    let mut no_key = credentials(1_768_465_800_003);
    no_key["appKey"] = json!("");
    for (body, status) in [
        (credentials(1_768_465_800_000), 1001),
        (nobody, 1004),
        (wrong, 1003),
        (no_key, 1202),
        (
            json!({"appKey": "nobody", "encryption": "x", "timestamp": "1768465800004"}),
            1002,
        ),
        (
            json!({"appKey": APP_ID, "encryption": "x", "timestamp": true}),
            1004,
        ),
        (json!([]), 1004),
    ] {
        let got = token_call(&stage, GET, &body).await;
        assert_eq!(got["status"], status, "{body}");
    }
    stage
        .control("POST", "/tokens/expire", json!({"seconds": 60}))
        .await;
    let late = token_call(&stage, GET, &credentials(1_768_465_800_005)).await["data"].clone();
    assert_eq!(late["accessToken"], token);
    assert!(late["expire"].as_i64().unwrap() <= 60);
    let mut renewal = credentials(1_768_465_800_006);
    renewal["accessToken"] = json!(token);
    let renewed = token_call(&stage, REFRESH, &renewal).await["data"].clone();
    assert_eq!(renewed, json!({"accessToken": token, "expire": 7200}));
    stage.control("POST", "/tokens/expire", json!({})).await;
    let mut renewal = credentials(1_768_465_800_007);
    renewal["accessToken"] = json!(token);
    assert_eq!(token_call(&stage, REFRESH, &renewal).await["status"], 1203);
    let fresh = token_call(&stage, GET, &credentials(1_768_465_800_008)).await;
    assert_ne!(fresh["data"]["accessToken"], token);
}

#[tokio::test]
async fn the_gate_wants_three_headers_and_the_right_digest() {
    let (stage, token) = peopled().await;
    let body = json!({"orgId": "o_sandbox", "pagination": {"pageNo": 0, "pageSize": 10}});
    assert_eq!(
        call(&stage, &token, "POST", ROSTER, body.clone()).await["code"],
        0
    );
    assert_eq!(
        call(&stage, "nobody", "POST", ROSTER, body.clone()).await["code"],
        1203
    );
    let fine = [
        ("apim-accesstoken", token.as_str()),
        ("apim-signature", "0"),
        ("apim-timestamp", "1768465805000"),
    ];
    for (left_out, code) in [(0, 1202), (1, 1202), (2, 1202), (9, 1003)] {
        let url = format!("{}{ROSTER}", stage.sandbox.base_url());
        let mut request = stage.client.post(url).body(body.to_string());
        for (index, (name, value)) in fine.into_iter().enumerate() {
            if index != left_out {
                request = request.header(name, value);
            }
        }
        let reply = checked(&stage, "POST", ROSTER, request).await.json();
        assert_eq!(reply["code"], code);
    }
    let fault = json!({"fault": "token-expiry@enos.listOrganizationUsers"});
    stage.control("POST", "/faults", fault).await;
    assert_eq!(
        call(&stage, &token, "POST", ROSTER, body).await["code"],
        1203
    );
}

#[tokio::test]
async fn the_roster_comes_in_pages_from_zero() {
    let (stage, token) = peopled().await;
    let ask = async |org: &str, page: Value, ids: Value| {
        let mut body = json!({"orgId": org, "pagination": page});
        if !ids.is_null() {
            body["userIds"] = ids;
        }
        call(&stage, &token, "POST", ROSTER, body).await
    };
    let page = |number: i64, size: i64| json!({"pageNo": number, "pageSize": size});
    let ids = |answer: &Value| -> Value {
        let users = answer["data"]["users"].as_array().unwrap();
        users.iter().map(|user| user["userId"].clone()).collect()
    };
    let first = ask("o_sandbox", page(0, 2), Value::Null).await;
    assert_eq!(ids(&first), json!(["u1", "u2"]));
    let pagination = json!({"pageNo": 0, "pageSize": 2, "totalElements": 3});
    assert_eq!(first["data"]["pagination"], pagination);
    assert_eq!(
        ids(&ask("o_sandbox", page(1, 2), Value::Null).await),
        json!(["u3"])
    );
    assert_eq!(
        ids(&ask("o_sandbox", page(2, 2), Value::Null).await),
        json!([])
    );
    let asked = json!(["u2", "nobody", "elsewhere"]);
    assert_eq!(
        ids(&ask("o_sandbox", page(0, 10), asked.clone()).await),
        json!(["u2"])
    );
    let old = ids(&ask("o_old", page(0, 10), asked).await);
    assert_eq!(old, json!(["u1", "u2", "u3"]));
    let other = ids(&ask("o_other", page(0, 5000), Value::Null).await);
    assert_eq!(other, json!(["u1", "u2", "u3", "elsewhere"]));
    for (org, asked, code) in [
        ("o_nobody", page(0, 1), 31404),
        ("o_denied", page(0, 1), 31403),
        ("o_sandbox", json!({"pageNo": 0}), 31400),
        ("o_sandbox", page(-1, 1), 31400),
        ("o_sandbox", page(0, 0), 31400),
    ] {
        assert_eq!(ask(org, asked, Value::Null).await["code"], code, "{org}");
    }
}

#[tokio::test]
async fn groups_of_an_ou_and_their_users() {
    let (stage, token) = peopled().await;
    let list = call(
        &stage,
        &token,
        "GET",
        &format!("{GROUPS}?orgId=o_sandbox"),
        Value::Null,
    )
    .await;
    assert_eq!(
        list["data"]["userGroups"],
        json!([{"id": "g1", "name": "On call"}])
    );
    let none = call(&stage, &token, "GET", GROUPS, Value::Null).await;
    assert_eq!(none["code"], 31400);

    let page = json!({"pageNo": 0, "pageSize": 10});
    let path = format!("{ASSIGNED}?orgId=o_sandbox");
    let body = |group: &str| json!({"userGroupId": group, "pagination": page});
    let users = call(&stage, &token, "POST", &path, body("g1")).await["data"].clone();
    let ids: Vec<&Value> = users["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| &u["userId"])
        .collect();
    assert_eq!(json!(ids), json!(["u1", "u3"]));
    assert_eq!(users["pagination"]["totalElements"], 2);
    assert_eq!(
        call(&stage, &token, "POST", &path, body("g9")).await["code"],
        31404
    );

    let ask = async |ids: Value| {
        let body = json!({"organizationId": "o_sandbox", "userIds": ids});
        call(&stage, &token, "POST", OF_USERS, body).await
    };
    let got = ask(json!(["u1", "u2"])).await["data"].clone();
    let rows =
        json!([{"userId": "u1", "userGroupIds": ["g1"]}, {"userId": "u2", "userGroupIds": []}]);
    assert_eq!(got["usersUserGroups"], rows);
    assert_eq!(ask(json!(["u1", "nobody"])).await["code"], 31404);
    assert_eq!(ask(json!([])).await["code"], 31400);
    let log = stage
        .control("GET", "/calls?operation=enos.listUsersOfGroup", Value::Null)
        .await;
    Contract::feishu().check_calls(&log).unwrap();
}
