//! The faults of the sandbox: each is told apart from every other by what the client sees and what
//! the world holds afterwards.

use beadle::sandbox::{Fault, FaultParseError, Options};
use serde_json::{Value, json};

use crate::sandbox::{Reply, Stage, subscription, subscriptions, unpooled};

const CREATE: &str = "createTasklistActivitySubscription";
const LIST: &str = "listTasklistActivitySubscriptions";

async fn stage(faults: &[&str]) -> Stage {
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    Stage::with(Options {
        faults,
        seed: 7,
        ..Options::default()
    })
    .await
}

/// A create whose answer may be anything.
async fn create(stage: &Stage) -> Result<Reply, String> {
    let authorization = format!("Bearer {}", stage.token());
    stage
        .send(
            "POST",
            &subscriptions(),
            &authorization,
            Some(subscription("a")),
        )
        .await
        .map_err(|error| {
            if error.is_body() || error.is_decode() {
                "cut"
            } else {
                "closed"
            }
            .to_owned()
        })
}

fn brief(reply: Result<Reply, String>) -> String {
    match reply {
        Err(error) => error,
        Ok(reply) => match serde_json::from_str::<Value>(&reply.body) {
            Ok(body) => format!("{} {}", reply.status, body["code"]),
            Err(_) if reply.body.starts_with("<html>") => format!("{} html", reply.status),
            Err(_) => format!("{} broken", reply.status),
        },
    }
}

#[tokio::test]
async fn each_fault_shows_its_face_and_leaves_its_effect() {
    let cases = [
        ("lost-reply", "closed", 1),
        ("cut-off", "cut", 1),
        ("refuse", "closed", 0),
        ("refuse,status=503", "503 1470500", 0),
        ("5xx", "500 1470500", 0),
        ("5xx,status=504", "504 1470500", 0),
        ("5xx-after", "500 1470500", 1),
        ("429", "429 99991400", 0),
        ("quota", "429 99991403", 0),
        ("html", "502 html", 0),
        ("html,status=200,when=after", "200 html", 1),
        ("truncated", "200 broken", 1),
        ("truncated,when=before", "200 broken", 0),
        ("slow,ms=1", "200 0", 1),
        ("slow,ms=1,when=before", "200 0", 1),
        ("token-expiry", "400 99991663", 0),
        ("unreadable", "403 1470403", 0),
        ("read-lag", "200 0", 1),
        ("5xx,p=0", "200 0", 1),
        ("5xx,p=1", "500 1470500", 0),
        ("5xx,tasklist=another", "200 0", 1),
    ];
    for (kind, face, effects) in cases {
        let (name, keys) = kind.split_once(',').unwrap_or((kind, ""));
        let fault = format!("{name}@{CREATE}:1,{keys}");
        let stage = stage(&[fault.trim_end_matches(',')]).await;
        assert_eq!(brief(create(&stage).await), face, "{kind}");
        let world = stage.control("GET", "/world", Value::Null).await;
        let made = world["subscriptions"].as_array().unwrap().len();
        assert_eq!(made, effects, "{kind}");
        let log = stage
            .control("GET", &format!("/calls?operation={CREATE}"), Value::Null)
            .await;
        assert_eq!(log["calls"][0]["effect"], effects == 1, "{kind}");
        if kind == "token-expiry" {
            continue;
        }
        assert_eq!(
            brief(create(&stage).await),
            "200 0",
            "{kind}: the second call"
        );
    }
}

#[tokio::test]
async fn calls_are_counted_and_chances_repeat() {
    let met = async |fault: &str| {
        let stage = stage(&[fault]).await;
        let mut met = String::new();
        for _ in 0..8 {
            let fine = create(&stage).await.unwrap().status == 200;
            met.push(if fine { '.' } else { 'x' });
        }
        met
    };
    assert_eq!(met(&format!("5xx@{CREATE}:2")).await, ".x......");
    assert_eq!(met(&format!("5xx@{CREATE}:2-3,5,7-")).await, ".xx.x.xx");
    assert_eq!(met(&format!("5xx@{CREATE}:*")).await, "xxxxxxxx");
    // The token was the first call.
    assert_eq!(met("5xx@*:3").await, ".x......");
    let flaky = met(&format!("5xx@{CREATE},p=0.5")).await;
    assert!(flaky.contains('x') && flaky.contains('.'), "{flaky}");
    assert_eq!(met(&format!("5xx@{CREATE},p=0.5")).await, flaky);
}

#[tokio::test]
async fn a_throttle_says_what_it_is_told_about_the_reset() {
    for (key, header) in [
        ("", Some("1")),
        (",reset=none", None),
        (",reset=-5", Some("-5")),
        (",reset=soon", Some("soon")),
    ] {
        let stage = stage(&[&format!("429@{CREATE}{key}")]).await;
        let reply = create(&stage).await.unwrap();
        stage.validate("POST", &subscriptions(), &reply);
        let given = reply.headers.get("x-ogw-ratelimit-reset");
        assert_eq!(given.map(|value| value.to_str().unwrap()), header);
    }
}

#[tokio::test]
async fn lagging_reads_miss_young_writes_until_the_lag_is_over() {
    let stage = stage(&[]).await;
    let one = format!(
        "{}/{}",
        subscriptions(),
        stage.create("old").await.json()["data"]["activity_subscription"]["guid"]
            .as_str()
            .unwrap()
    );
    stage
        .control("POST", "/clock", json!({"advance_ms": 120_000}))
        .await;
    stage
        .control("POST", "/faults", json!({"fault": "read-lag@*,ms=60000"}))
        .await;
    let rename = json!({"activity_subscription": {"name": "new"}, "update_fields": ["name"]});
    let reply = stage.call("PATCH", &one, rename).await.json();
    assert_eq!(reply["data"]["activity_subscription"]["name"], "new");
    stage.create("young").await;
    assert_eq!(stage.names().await, ["old"]);
    let reply = stage.call("GET", &one, Value::Null).await.json();
    assert_eq!(reply["data"]["activity_subscription"]["name"], "old");
    stage.call("DELETE", &one, Value::Null).await;
    assert_eq!(stage.names().await, ["old"]);
    stage
        .control("POST", "/clock", json!({"advance_ms": 60_000}))
        .await;
    assert_eq!(stage.names().await, ["young"]);
}

#[tokio::test]
async fn an_unreadable_tasklist_leaves_the_list_and_the_others_stay() {
    let stage = stage(&[]).await;
    let created = stage
        .call(
            "POST",
            "/open-apis/task/v2/tasklists",
            json!({"name": "other"}),
        )
        .await
        .json();
    let guid = created["data"]["tasklist"]["guid"].as_str().unwrap();
    let fault = format!("unreadable@*,tasklist={guid}");
    stage
        .control("POST", "/faults", json!({"fault": fault}))
        .await;
    let path = format!("/open-apis/task/v2/tasklists/{guid}/activity_subscriptions");
    assert_eq!(stage.call("GET", &path, Value::Null).await.code(), 1470403);
    assert_eq!(stage.names().await, Vec::<String>::new());
    let list = stage
        .call("GET", "/open-apis/task/v2/tasklists", Value::Null)
        .await
        .json();
    let names: Vec<&Value> = list["data"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["name"])
        .collect();
    assert_eq!(names, ["Release"]);
    stage.control("DELETE", "/faults", Value::Null).await;
    assert_eq!(stage.call("GET", &path, Value::Null).await.code(), 0);
}

/// Asks until the sandbox holds a call, which it is on its way to do.
async fn held(stage: &Stage) {
    while stage.control("GET", "/faults", Value::Null).await["held"] != 1 {
        tokio::task::yield_now().await;
    }
}

async fn made(stage: &Stage) -> usize {
    let world = stage.control("GET", "/world", Value::Null).await;
    world["subscriptions"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_held_call_waits_on_its_side_of_the_effect_until_it_is_released() {
    for (kind, side, effects) in [("hold-before", "before", 0), ("hold-after", "after", 1)] {
        let stage = stage(&[&format!("{kind}@{CREATE}:1")]).await;
        let test = async {
            held(&stage).await;
            assert_eq!(made(&stage).await, effects);
            let path = format!("/calls?operation={CREATE}");
            let log = stage.control("GET", &path, Value::Null).await;
            assert_eq!(log["calls"][0]["held"], side);
            assert_eq!(log["calls"][0]["status"], Value::Null);
            let released = stage.control("POST", "/release", Value::Null).await;
            assert_eq!(released, json!({"released": 1}));
        };
        let (reply, ()) = tokio::join!(create(&stage), test);
        assert_eq!(brief(reply), "200 0");
        let log = stage
            .control("GET", &format!("/calls?operation={CREATE}"), Value::Null)
            .await;
        let calls = log["calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(
            (&calls[0]["held"], &calls[0]["status"], &calls[0]["effect"]),
            (&json!(null), &json!(200), &json!(true))
        );
        assert_eq!(made(&stage).await, 1);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_held_call_along() {
    for (kind, effects) in [("hold-before", 0), ("hold-after", 1)] {
        let stage = stage(&[&format!("{kind}@{CREATE}:1")]).await;
        tokio::select! {
            _ = create(&stage) => panic!("the call is held"),
            () = held(&stage) => {}
        }
        while stage.control("GET", "/faults", Value::Null).await["held"] != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(made(&stage).await, effects, "{kind}");
    }
}

#[tokio::test]
async fn a_connection_is_open_until_what_its_client_asked_for_has_been_carried_out() {
    let mut stage = stage(&[&format!("slow@{CREATE},ms=400,when=before")]).await;
    // A connection of its own for each call: none is open but the one that asks.
    stage.client = unpooled();
    let open = async |stage: &Stage| stage.control("GET", "/connections", Value::Null).await;
    while open(&stage).await != json!({"open": 1}) {
        tokio::task::yield_now().await;
    }
    let arrived = async {
        let faults = async || stage.control("GET", "/faults", Value::Null).await;
        while faults().await["faults"][0]["counted"] != 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(open(&stage).await, json!({"open": 2}));
    };
    tokio::select! {
        _ = create(&stage) => panic!("the call is slow"),
        () = arrived => {}
    }
    while open(&stage).await != json!({"open": 1}) {
        tokio::task::yield_now().await;
    }
    assert_eq!(made(&stage).await, 1);
}

#[tokio::test]
async fn a_stopping_sandbox_lets_held_calls_go() {
    let stage = stage(&[&format!("hold-after@{CREATE}")]).await;
    let url = format!("{}{}", stage.sandbox.base_url(), subscriptions());
    let authorization = format!("Bearer {}", stage.token());
    let request = stage
        .client
        .post(url)
        .header("Authorization", authorization)
        .json(&subscription("a"));
    let waiting = tokio::spawn(request.send());
    held(&stage).await;
    stage.sandbox.stop().await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[test]
fn what_is_no_fault_is_explained() {
    let error = |text: &str| text.parse::<Fault>().unwrap_err();
    assert_eq!(error("5xx"), FaultParseError::NoOperation);
    assert_eq!(
        error("melt@*"),
        FaultParseError::UnknownKind("melt".to_owned())
    );
    assert_eq!(
        error("5xx@melt"),
        FaultParseError::UnknownOperation("melt".to_owned())
    );
    for calls in ["0", "x", "3-1", "", "1-x"] {
        assert_eq!(
            error(&format!("5xx@*:{calls}")),
            FaultParseError::BadCalls(calls.to_owned())
        );
    }
    assert_eq!(
        error("5xx@*,reset=1").to_string(),
        "5xx has no key \"reset\""
    );
    assert_eq!(
        error("5xx@*,status=9").to_string(),
        "\"9\" is no value for status"
    );
    assert_eq!(error("5xx@*,p=2").to_string(), "\"2\" is no value for p");
    let text = format!("429@{LIST}:1-3,8,reset=2,p=0.5");
    assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
}
