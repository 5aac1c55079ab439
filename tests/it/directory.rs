//! Looking people up at DingTalk and EnOS: against the sandbox, whose log is held against the contracts,
//! and against a server that answers what each test scripts.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use beadle::engine::{ApiError, Directory, Sighting};
use beadle::model::AppId;
use beadle::model::group::Recipient;
use beadle::model::manifest::{Edition, Vendor};
use beadle::sandbox::{APP_ID, APP_SECRET, Options};
use beadle::vendors::{self, Agency, BuildError, Patience, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sandbox::Stage;
use crate::support::contract::Contract;

fn settings(base_url: &str) -> Settings {
    let mut settings = Settings::new(base_url, AppId::new(APP_ID), APP_SECRET.into());
    settings.patience = Patience {
        attempts: 6,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        total: Duration::from_secs(10),
    };
    settings.paced = false;
    settings
}

fn dingtalk(base_url: &str) -> Arc<dyn Directory> {
    vendors::dingtalk(settings(base_url), Agency::default())
        .unwrap()
        .directory
}

fn enos(base_url: &str, org_id: &str) -> Arc<dyn Directory> {
    vendors::enos(settings(base_url), org_id, Timestamp::now)
        .unwrap()
        .directory
}

/// Recipients as [`Recipient`] writes them.
fn recipients(vendor: Vendor, words: &[&str]) -> Vec<Recipient> {
    let read = |word: &&str| Recipient::parse(vendor, word).unwrap_or_else(|| panic!("{word}"));
    words.iter().map(read).collect()
}

/// A sighting a line: a person's id, `many`, or what is said of whom is unseen.
fn shown(seen: &[Sighting]) -> String {
    seen.iter().fold(String::new(), |mut text, sighting| {
        let _ = match sighting {
            Sighting::Person(recipient) => writeln!(text, "{recipient}"),
            Sighting::Many => writeln!(text, "many"),
            Sighting::Unseen(words) => writeln!(text, "unseen: {words}"),
        };
        text
    })
}

/// The outcome of looking one up, in a word or in its words.
async fn outcome(directory: &Arc<dyn Directory>, vendor: Vendor, whom: &str) -> String {
    match directory.look_up(&recipients(vendor, &[whom])).await {
        Ok(seen) => shown(&seen).trim_end().to_owned(),
        Err(ApiError::Refused(answer)) => {
            assert!(answer.hint.is_some(), "{answer:?}");
            format!("refused {}", answer.code.unwrap_or_default())
        }
        Err(ApiError::Unreachable(_)) => "unreachable".to_owned(),
        Err(ApiError::Unknown(_)) => "unknown".to_owned(),
    }
}

/// Operations of the two vendors that were called since, in order; each call fits its contract.
async fn called(stage: &Stage) -> Vec<String> {
    let log = stage.control("GET", "/calls", Value::Null).await;
    Contract::feishu().check_calls(&log).unwrap();
    let text = log.to_string();
    assert!(!text.contains(APP_SECRET), "{text}");
    let calls = log["calls"].as_array().unwrap().iter();
    let operations = calls.filter_map(|call| call["operation"].as_str());
    operations
        .filter(|operation| operation.contains('.'))
        .map(str::to_owned)
        .collect()
}

fn count(called: &[String], operation: &str) -> usize {
    called.iter().filter(|called| *called == operation).count()
}

async fn faulty(faults: &[&str]) -> Options {
    Options {
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        ..Options::default()
    }
}

async fn dingtalk_stage(options: Options) -> Stage {
    let stage = Stage::with(options).await;
    let departments = json!([
        {"dingtalk_dept_id": 7, "name": "Dev"},
        {"dingtalk_dept_id": 9, "name": "Far", "out_of_scope": true},
    ]);
    stage.control("POST", "/departments", departments).await;
    let people = json!([
        {"dingtalk_user_id": "d1", "name": "Ada", "mobile": "13800000001", "email": "ada@example.com"},
        {"dingtalk_user_id": "d2", "name": "Bo", "mobile": "+85251234567"},
        {"dingtalk_user_id": "far", "out_of_scope": true},
        {"dingtalk_user_id": "left", "mobile": "13800000002", "left": true},
        {"open_id": "ou_feishu", "user_id": "only-feishu"},
    ]);
    stage.control("POST", "/users", people).await;
    stage
}

async fn enos_stage(options: Options) -> Stage {
    let stage = Stage::with(options).await;
    for org in [
        json!({"id": "o_denied", "denied": true}),
        json!({"id": "o_old", "ignores_user_ids": true}),
        json!({"id": "o_other"}),
    ] {
        stage.control("POST", "/enos/orgs", org).await;
    }
    let people = json!([
        {"enos_user_id": "u1", "name": "Ada", "email": "ada@example.com", "mobile": "13800000001"},
        {"enos_user_id": "u2"},
        {"enos_user_id": "elsewhere", "enos_org_id": "o_other"},
        {"enos_user_id": "left", "left": true},
    ]);
    stage.control("POST", "/users", people).await;
    stage
}

#[tokio::test]
async fn dingtalk_says_of_each_what_is_known() {
    let stage = dingtalk_stage(Options::default()).await;
    let directory = dingtalk(&stage.sandbox.base_url());
    assert_eq!(directory.app().as_str(), APP_ID);
    let mut whom = recipients(
        Vendor::DingTalk,
        &[
            "user d2",
            "mobile +8613800000001",
            "mobile +85251234567",
            "user d1",
            "everyone",
            "department 7",
            "department 1",
            "user nobody",
            "user left",
            "user only-feishu",
            "user far",
            "mobile +8613800000002",
            "mobile +8613800000009",
            "mobile +123456789012345",
            "department 99",
            "department 9",
            "user d2",
        ],
    );
    whom.push(Recipient::OpenDepartment("od-1".into()));
    whom.push(Recipient::Department("dev".into()));
    let seen = directory.look_up(&whom).await.unwrap();
    insta::assert_snapshot!(shown(&seen), @r"
    user d2
    user d1
    user d2
    user d1
    many
    many
    many
    unseen: is unknown to DingTalk, has not joined yet, has left, or belongs to another organisation; DingTalk does not tell these apart
    unseen: is unknown to DingTalk, has not joined yet, has left, or belongs to another organisation; DingTalk does not tell these apart
    unseen: is unknown to DingTalk, has not joined yet, has left, or belongs to another organisation; DingTalk does not tell these apart
    unseen: is outside the range that DingTalk's administrator has given the app
    unseen: belongs to nobody who works in this DingTalk organisation, or is not a number that DingTalk takes; DingTalk does not tell these apart
    unseen: belongs to nobody who works in this DingTalk organisation, or is not a number that DingTalk takes; DingTalk does not tell these apart
    unseen: is longer than a number that DingTalk looks up, which has at most 15 characters
    unseen: is no department at DingTalk, or none any more; DingTalk does not tell these apart
    unseen: is a department outside the range that DingTalk's administrator has given the app
    user d2
    unseen: cannot be looked up at DingTalk, which knows people by user id or mobile number, and departments by number
    unseen: is no department of DingTalk, whose departments are numbers
    ");
    let called = called(&stage).await;
    // Who is asked about twice is looked up once, and what cannot be known not at all.
    assert_eq!(count(&called, "dingtalk.getUser"), 6);
    assert_eq!(count(&called, "dingtalk.getUserByMobile"), 4);
    assert_eq!(count(&called, "dingtalk.getDepartment"), 4);
    assert_eq!(count(&called, "dingtalk.getAccessToken"), 1);
    assert_eq!(called.len(), 15);
}

#[tokio::test]
async fn enos_says_of_each_what_is_known() {
    let stage = enos_stage(Options::default()).await;
    let whom = [
        "user u2",
        "everyone",
        "user nobody",
        "user u1",
        "user elsewhere",
        "user left",
        "user u2",
    ];
    let mut whom = recipients(Vendor::Enos, &whom);
    whom.push(Recipient::Email("ada@example.com".into()));
    let old = enos(&stage.sandbox.base_url(), "o_old");
    let new = enos(&stage.sandbox.base_url(), "o_sandbox");
    let seen = new.look_up(&whom).await.unwrap();
    assert_eq!(old.look_up(&whom).await.unwrap(), seen);
    insta::assert_snapshot!(shown(&seen), @r"
    user u2
    many
    unseen: is unknown to EnOS, or not in the OU; EnOS does not tell these apart, and leaves such users out of what is sent
    user u1
    unseen: is unknown to EnOS, or not in the OU; EnOS does not tell these apart, and leaves such users out of what is sent
    unseen: is unknown to EnOS, or not in the OU; EnOS does not tell these apart, and leaves such users out of what is sent
    user u2
    unseen: cannot be looked up at EnOS, which knows people by user id
    ");
    let called = called(&stage).await;
    let one = ["enos.getAccessToken", "enos.listOrganizationUsers"];
    assert_eq!(called, [one, one].concat());
}

#[tokio::test]
async fn everyone_and_nobody_need_no_call() {
    let stage = dingtalk_stage(Options::default()).await;
    let base_url = stage.sandbox.base_url();
    for directory in [dingtalk(&base_url), enos(&base_url, "o_sandbox")] {
        assert_eq!(directory.look_up(&[]).await.unwrap(), []);
        let seen = directory.look_up(&[Recipient::Everyone]).await.unwrap();
        assert_eq!(seen, [Sighting::Many]);
    }
    assert_eq!(called(&stage).await, [""; 0]);
}

#[tokio::test]
async fn many_people_at_dingtalk_are_asked_for_at_its_pace() {
    let stage = Stage::with(Options {
        enforce_limits: true,
        ..Options::default()
    })
    .await;
    let ids: Vec<String> = (0..30).map(|n| format!("d{n}")).collect();
    let people: Value = ids
        .iter()
        .map(|id| json!({"dingtalk_user_id": id}))
        .collect();
    stage.control("POST", "/users", people).await;
    let mut settings = settings(&stage.sandbox.base_url());
    settings.paced = true;
    let directory = vendors::dingtalk(settings, Agency::default())
        .unwrap()
        .directory;
    let whom: Vec<_> = ids
        .iter()
        .map(|id| Recipient::UserId(id.as_str().into()))
        .collect();
    let seen = directory.look_up(&whom).await.unwrap();
    let persons: Vec<_> = whom.iter().cloned().map(Sighting::Person).collect();
    assert_eq!(seen, persons);
    // None of them was one too many.
    assert_eq!(count(&called(&stage).await, "dingtalk.getUser"), 30);
}

#[tokio::test]
async fn people_at_dingtalk_are_asked_for_side_by_side() {
    let stage = dingtalk_stage(faulty(&["hold-before@dingtalk.getUser"]).await).await;
    let mut settings = settings(&stage.sandbox.base_url());
    settings.concurrency = 3;
    let directory = vendors::dingtalk(settings, Agency::default())
        .unwrap()
        .directory;
    let ids = ["d1", "d2", "far", "left", "e", "f", "g", "h"];
    let whom: Vec<_> = ids.map(|id| Recipient::UserId(id.into())).to_vec();
    let looking = tokio::spawn(async move { directory.look_up(&whom).await });
    let held = async || {
        let faults = stage.control("GET", "/faults", Value::Null).await;
        faults["held"].as_u64().unwrap()
    };
    while held().await < 3 {
        tokio::task::yield_now().await;
    }
    // As many as may be under way, and no more however long one waits.
    for _ in 0..50 {
        assert_eq!(held().await, 3);
    }
    stage.control("DELETE", "/faults", Value::Null).await;
    stage.control("POST", "/release", Value::Null).await;
    assert_eq!(looking.await.unwrap().unwrap().len(), 8);
}

#[tokio::test]
async fn a_thousand_people_at_enos_are_one_call() {
    let stage = enos_stage(Options::default()).await;
    let ids: Vec<String> = (0..1500).map(|n| format!("m{n}")).collect();
    let there = ids.iter().filter(|id| *id != "m0" && *id != "m1499");
    let people: Value = there.map(|id| json!({"enos_user_id": id})).collect();
    stage.control("POST", "/users", people).await;
    let whom: Vec<_> = ids
        .iter()
        .map(|id| Recipient::UserId(id.as_str().into()))
        .collect();
    for (org_id, calls) in [("o_sandbox", 2), ("o_old", 2)] {
        let before = called(&stage).await.len();
        let seen = enos(&stage.sandbox.base_url(), org_id)
            .look_up(&whom)
            .await
            .unwrap();
        let unseen: Vec<usize> = (0..1500)
            .filter(|n| matches!(seen[*n], Sighting::Unseen(_)))
            .collect();
        assert_eq!(unseen, [0, 1499], "{org_id}");
        assert_eq!(seen[1], Sighting::Person(whom[1].clone()));
        let called = called(&stage).await.split_off(before);
        assert_eq!(
            count(&called, "enos.listOrganizationUsers"),
            calls,
            "{org_id}"
        );
    }
    // An older deployment that has told of everybody who was asked for is asked no further.
    let before = called(&stage).await.len();
    let old = enos(&stage.sandbox.base_url(), "o_old");
    let seen = old
        .look_up(&recipients(Vendor::Enos, &["user u1"]))
        .await
        .unwrap();
    assert_eq!(shown(&seen), "user u1\n");
    assert_eq!(called(&stage).await.split_off(before).len(), 2);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let passing = ["5xx", "html", "429", "cut-off", "lost-reply", "truncated"];
    for kind in passing {
        for operation in ["getAccessToken", "getUser"] {
            let fault = format!("{kind}@dingtalk.{operation}:1-2");
            let stage = dingtalk_stage(faulty(&[&fault]).await).await;
            let directory = dingtalk(&stage.sandbox.base_url());
            let found = outcome(&directory, Vendor::DingTalk, "user d1").await;
            assert_eq!(found, "user d1", "{fault}");
            let called = called(&stage).await;
            assert_eq!(
                count(&called, &format!("dingtalk.{operation}")),
                3,
                "{fault}"
            );
        }
        for operation in ["getAccessToken", "listOrganizationUsers"] {
            let fault = format!("{kind}@enos.{operation}:1-2");
            let stage = enos_stage(faulty(&[&fault]).await).await;
            let directory = enos(&stage.sandbox.base_url(), "o_sandbox");
            let found = outcome(&directory, Vendor::Enos, "user u1").await;
            assert_eq!(found, "user u1", "{fault}");
            let called = called(&stage).await;
            assert_eq!(count(&called, &format!("enos.{operation}")), 3, "{fault}");
        }
    }
}

#[tokio::test]
async fn what_does_not_pass_is_given_up() {
    #[rustfmt::skip]
    let cases = [
        // The fault, what becomes of it, and the calls of that operation.
        ("5xx@dingtalk.getUser", "unknown", 6),
        ("html@dingtalk.getUser", "unknown", 6),
        ("429@dingtalk.getUser", "refused 90018", 5),
        ("quota@dingtalk.getUser", "refused 90020", 1),
        ("code@dingtalk.getUser,code=-1,status=200", "unknown", 3),
        ("code@dingtalk.getUser,code=60011,status=200", "refused 60011", 1),
        ("code@dingtalk.getUser,code=42001,status=200", "refused 42001", 2),
        ("code@dingtalk.getUser,code=33001,status=200", "refused 33001", 1),
        ("code@dingtalk.getUser,code=4711,status=200", "unknown", 6),
        ("5xx@enos.listOrganizationUsers", "unknown", 3),
        ("429@enos.listOrganizationUsers", "unknown", 6),
        ("code@enos.listOrganizationUsers,code=1005", "unknown", 3),
        ("code@enos.listOrganizationUsers,code=1203", "refused 1203", 2),
        ("code@enos.listOrganizationUsers,code=31404", "refused 31404", 1),
        ("code@enos.listOrganizationUsers,code=4711", "unknown", 6),
        ("code@enos.getAccessToken,code=1002", "refused 1002", 1),
    ];
    for (fault, expected, calls) in cases {
        let operation = fault.split(['@', ',']).nth(1).unwrap();
        let stage = Stage::with(faulty(&[fault]).await).await;
        let base_url = stage.sandbox.base_url();
        let found = if operation.starts_with("dingtalk") {
            outcome(&dingtalk(&base_url), Vendor::DingTalk, "user d1").await
        } else {
            outcome(&enos(&base_url, "o_sandbox"), Vendor::Enos, "user u1").await
        };
        assert_eq!(found, expected, "{fault}");
        assert_eq!(count(&called(&stage).await, operation), calls, "{fault}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for_forever() {
    for fault in [
        "hold-before@dingtalk.getUser",
        "hold-before@enos.listOrganizationUsers",
    ] {
        let stage = Stage::with(faulty(&[fault]).await).await;
        let mut settings = settings(&stage.sandbox.base_url());
        settings.timeout = Duration::from_millis(50);
        settings.patience.attempts = 2;
        let (vendor, directory) = if fault.contains("dingtalk") {
            let agency = Agency {
                edition: Edition::Dedicated,
                ..Agency::default()
            };
            let made = vendors::dingtalk(settings, agency);
            (Vendor::DingTalk, made.unwrap().directory)
        } else {
            let made = vendors::enos(settings, "o_sandbox", Timestamp::now);
            (Vendor::Enos, made.unwrap().directory)
        };
        assert_eq!(outcome(&directory, vendor, "user x").await, "unknown");
        let seen = directory.look_up(&recipients(vendor, &["user x"])).await;
        let words = seen.unwrap_err().to_string();
        assert!(words.contains("no whole answer within 50ms"), "{words}");
    }
}

#[tokio::test]
async fn what_an_administrator_has_to_do_is_said() {
    let stage = enos_stage(Options::default()).await;
    for (org_id, code, words) in [
        (
            "o_denied",
            31403,
            "administrator must let the application see",
        ),
        ("o_nowhere", 31404, "check `org_id`"),
    ] {
        let directory = enos(&stage.sandbox.base_url(), org_id);
        let whom = recipients(Vendor::Enos, &["user u1"]);
        let error = directory.look_up(&whom).await.unwrap_err();
        assert_eq!(error.answer().unwrap().code, Some(code));
        assert!(error.with_hint().contains(words), "{}", error.with_hint());
    }
    let wrong = |mut settings: Settings| {
        settings.secret = "wrong".into();
        settings
    };
    let base_url = stage.sandbox.base_url();
    let clients = [
        (
            Vendor::DingTalk,
            vendors::dingtalk(wrong(settings(&base_url)), Agency::default())
                .unwrap()
                .directory,
            "dingtalk.getAccessToken",
        ),
        (
            Vendor::Enos,
            vendors::enos(wrong(settings(&base_url)), "o_sandbox", Timestamp::now)
                .unwrap()
                .directory,
            "enos.getAccessToken",
        ),
    ];
    for (vendor, directory, operation) in clients {
        let before = called(&stage).await.len();
        let whom = recipients(vendor, &["user a", "user b", "user c"]);
        let error = directory.look_up(&whom).await.unwrap_err();
        assert!(matches!(error, ApiError::Refused(_)), "{error}");
        assert!(
            error.with_hint().contains("`app_secret`"),
            "{}",
            error.with_hint()
        );
        assert_eq!(called(&stage).await.split_off(before), [operation]);
    }
}

#[tokio::test]
async fn a_token_that_died_is_fetched_anew_once() {
    let stage = dingtalk_stage(faulty(&["token-expiry@dingtalk.getUser:4"]).await).await;
    let ids: Vec<String> = (0..8).map(|n| format!("e{n}")).collect();
    let people: Value = ids
        .iter()
        .map(|id| json!({"dingtalk_user_id": id}))
        .collect();
    stage.control("POST", "/users", people).await;
    let directory = dingtalk(&stage.sandbox.base_url());
    let whom: Vec<_> = ids
        .iter()
        .map(|id| Recipient::UserId(id.as_str().into()))
        .collect();
    let seen = directory.look_up(&whom).await.unwrap();
    assert!(
        seen.iter().all(|s| matches!(s, Sighting::Person(_))),
        "{seen:?}"
    );
    assert_eq!(count(&called(&stage).await, "dingtalk.getAccessToken"), 2);

    let stage = enos_stage(faulty(&["token-expiry@enos.listOrganizationUsers:1"]).await).await;
    // A clock that stands still would make two digests of one.
    let still = || Timestamp::from_millisecond(1_768_465_800_000).unwrap();
    let directory = vendors::enos(settings(&stage.sandbox.base_url()), "o_sandbox", still);
    let found = outcome(&directory.unwrap().directory, Vendor::Enos, "user u1").await;
    assert_eq!(found, "user u1");
    let pair = ["enos.getAccessToken", "enos.listOrganizationUsers"];
    assert_eq!(called(&stage).await, [pair, pair].concat());
}

#[tokio::test]
async fn a_token_that_is_about_to_die_is_refreshed() {
    let stage = enos_stage(Options::default()).await;
    let base_url = stage.sandbox.base_url();
    outcome(&enos(&base_url, "o_sandbox"), Vendor::Enos, "user u1").await;
    let seconds = json!({"seconds": 60});
    stage.control("POST", "/tokens/expire", seconds).await;
    let before = called(&stage).await.len();
    let found = outcome(&enos(&base_url, "o_sandbox"), Vendor::Enos, "user u1").await;
    assert_eq!(found, "user u1");
    let expected = [
        "enos.getAccessToken",
        "enos.refreshAccessToken",
        "enos.listOrganizationUsers",
    ];
    assert_eq!(called(&stage).await.split_off(before), expected);
}

#[tokio::test]
async fn the_older_token_call_stands_in_for_the_newer_one() {
    let fault = "html@dingtalk.getAccessToken,status=404";
    let stage = dingtalk_stage(faulty(&[fault]).await).await;
    let directory = dingtalk(&stage.sandbox.base_url());
    assert_eq!(
        outcome(&directory, Vendor::DingTalk, "user d1").await,
        "user d1"
    );
    let expected = ["getAccessToken", "getTokenLegacy", "getUser"];
    assert_eq!(
        called(&stage).await,
        expected.map(|o| format!("dingtalk.{o}"))
    );

    let faults = [fault, "5xx@dingtalk.getTokenLegacy"];
    let stage = dingtalk_stage(faulty(&faults).await).await;
    let directory = dingtalk(&stage.sandbox.base_url());
    let whom = recipients(Vendor::DingTalk, &["user d1"]);
    let error = directory.look_up(&whom).await.unwrap_err();
    assert_eq!(error.answer().unwrap().operation, "getAccessToken");
}

#[test]
fn credentials_do_not_go_to_strangers() {
    let word = |made: Result<(), BuildError>| match made {
        Ok(_) => "ok",
        Err(BuildError::ForeignHost(_)) => "foreign",
        Err(BuildError::PlainText(_)) => "plain",
        Err(_) => "other",
    };
    #[rustfmt::skip]
    let cases = [
        ("https://api.dingtalk.com",        "ok",      "foreign"),
        ("https://oapi.dingtalk.com",       "ok",      "foreign"),
        ("http://api.dingtalk.com",         "plain",   "foreign"),
        ("https://api.dingtalk.com.evil.example", "foreign", "foreign"),
        ("https://open.feishu.cn",          "foreign", "foreign"),
        ("https://gateway.example",         "ok",      "ok"),
        ("http://gateway.example",          "plain",   "plain"),
        ("http://127.0.0.1:1",              "ok",      "ok"),
    ];
    for (base_url, at_dingtalk, at_enos) in cases {
        let mut settings = settings(base_url);
        settings.allow_hosts = vec!["gateway.example".to_owned()];
        let made = vendors::dingtalk(settings.clone(), Agency::default());
        assert_eq!(word(made.map(drop)), at_dingtalk, "{base_url}");
        let made = vendors::enos(settings, "o", Timestamp::now);
        assert_eq!(word(made.map(drop)), at_enos, "{base_url}");
    }
}

/// A request as it came: method and target, headers, body.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: String,
}

/// Status, content type and body of an answer.
type Step = (u16, &'static str, String);

/// A vendor that gives tokens and then answers what was scripted, the last answer for ever.
#[derive(Clone)]
struct Scripted {
    url: String,
    script: Arc<Mutex<VecDeque<Step>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    async fn start(script: impl IntoIterator<Item = Step>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scripted = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            seen: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(scripted.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        scripted
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    State(scripted): State<Scripted>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], String) {
    scripted.seen.lock().unwrap().push(Seen {
        line: format!("{method} {uri}"),
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let mut script = scripted.script.lock().unwrap();
    let (status, kind, body) = match uri.path() {
        "/v1.0/oauth2/accessToken" => ok(r#"{"accessToken":"t k","expireIn":7200}"#),
        "/apim-token-service/v2.0/token/get" => {
            ok(r#"{"stauts":0,"data":{"accessToken":"t k","expire":7200}}"#)
        }
        _ if script.len() > 1 => script.pop_front().unwrap(),
        _ => script.front().unwrap().clone(),
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, kind)], body)
}

fn ok(body: &str) -> Step {
    (200, "application/json", body.to_owned())
}

#[tokio::test]
async fn dingtalks_answers_are_read_in_every_spelling() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"errcode":"0","result":{"userid":"d1","active":"true"}}"#, "user d1"),
        (r#"{"errcode":0,"result":{"userid":"D1"}}"#, "user D1"),
        (r#"{"errcode":0,"result":{"userid":"d1","active":false}}"#,
            "unseen: has not activated DingTalk, so that no message gets there"),
        (r#"{"errcode":0,"result":{"userid":"d1","active":"false"}}"#,
            "unseen: has not activated DingTalk, so that no message gets there"),
        (r#"{"errcode":88,"sub_code":"50002","sub_msg":"x"}"#,
            "unseen: is outside the range that DingTalk's administrator has given the app"),
        (r#"{"errcode":"50002"}"#,
            "unseen: is outside the range that DingTalk's administrator has given the app"),
        // A department's code says nothing about a user.
        (r#"{"errcode":60003}"#, "refused"),
        (r#"{"errcode":0,"sub_code":"60011"}"#, "refused"),
        (r#"{"status":1111,"wait":5,"source":"x","punish":"deny","uuid":"u"}"#, "refused"),
        (r#"{"errcode":0,"result":{"userid":"d2"}}"#, "unknown"),
        (r#"{"errcode":0,"result":{"userid":""}}"#, "unknown"),
        (r#"{"errcode":0,"result":{}}"#, "unknown"),
        (r#"{"errcode":0,"result":["d1"]}"#, "unknown"),
        (r#"{"errcode":0}"#, "unknown"),
        (r#"{"errcode":88}"#, "unknown"),
        (r#"{"result":{"userid":"d1"}}"#, "unknown"),
        ("[]", "unknown"),
        ("", "unknown"),
        ("<html>", "unknown"),
    ];
    for (body, expected) in cases {
        let server = Scripted::start([ok(body)]).await;
        let whom = recipients(Vendor::DingTalk, &["user d1"]);
        let found = match dingtalk(&server.url).look_up(&whom).await {
            Ok(seen) => shown(&seen).trim_end().to_owned(),
            Err(ApiError::Refused(_)) => "refused".to_owned(),
            Err(ApiError::Unknown(_)) => "unknown".to_owned(),
            Err(error) => panic!("{body}: {error}"),
        };
        assert_eq!(found, expected, "{body}");
    }
    let seen_at = async |body: &str, whom: &str| {
        let server = Scripted::start([ok(body)]).await;
        let directory = dingtalk(&server.url);
        directory
            .look_up(&recipients(Vendor::DingTalk, &[whom]))
            .await
    };
    let department = r#"{"errcode":0,"result":{"dept_id":"7","name":"Dev"}}"#;
    assert_eq!(
        seen_at(department, "department 7").await.unwrap(),
        [Sighting::Many]
    );
    assert!(seen_at(department, "department 8").await.is_err());
    // A number that only foreign accounts have is nobody whom we could name.
    let none = r#"{"errcode":0,"result":{"exclusive_account_userid_list":["x"]}}"#;
    assert!(seen_at(none, "mobile +8613800000001").await.is_err());
}

#[tokio::test]
async fn enoss_answers_are_read_in_every_spelling() {
    let page = |data: &str| format!(r#"{{"code":0,"message":"","data":{data}}}"#);
    #[rustfmt::skip]
    let cases = [
        (page(r#"{"users":[{"userId":"u1"}],"pagination":{"totalElements":1}}"#), "user u1"),
        (page(r#"{"users":[{"userId":"u1","name":null}]}"#), "user u1"),
        (r#"{"code":200,"data":{"users":[{"userId":"u1"}],"pagination":null}}"#.to_owned(), "user u1"),
        (page(r#"{"users":[]}"#), "unseen"),
        (page(r#"{"users":[{"userId":"U1"}]}"#), "unseen"),
        (page(r#"{"users":[],"pagination":{"totalElements":9}}"#), "unseen"),
        (page(r#"{"users":[{"userId":"u2"}],"pagination":{"totalElements":9,"pageSize":1}}"#), "unknown"),
        (page(r#"{"users":null}"#), "unknown"),
        (page(r#"{"users":[{"name":"Ada"}]}"#), "unknown"),
        (page(r#"{"users":[{"userId":""}]}"#), "unknown"),
        (page("{}"), "unknown"),
        (page("null"), "unknown"),
        (page("true"), "unknown"),
        (r#"{"data":{"users":[{"userId":"u1"}]}}"#.to_owned(), "unknown"),
        (r#"{"status":200,"data":{"users":[{"userId":"u1"}]}}"#.to_owned(), "unknown"),
        (r#"{"apim_status":4011}"#.to_owned(), "unknown"),
    ];
    for (body, expected) in cases {
        let server = Scripted::start([ok(&body)]).await;
        let found = outcome(&enos(&server.url, "o"), Vendor::Enos, "user u1").await;
        assert_eq!(found.split(':').next().unwrap(), expected, "{body}");
    }
    // A page may be smaller than it was asked for.
    let small = |id: &str| {
        let data = format!(
            r#"{{"users":[{{"userId":"{id}"}}],"pagination":{{"pageSize":1,"totalElements":3}}}}"#
        );
        ok(&page(&data))
    };
    let server = Scripted::start([small("u1"), small("u2"), small("u3")]).await;
    let whom = recipients(Vendor::Enos, &["user u1", "user u2", "user u3", "user u4"]);
    let seen = enos(&server.url, "o").look_up(&whom).await.unwrap();
    let unseen: Vec<_> = seen
        .iter()
        .map(|s| matches!(s, Sighting::Unseen(_)))
        .collect();
    assert_eq!(unseen, [false, false, false, true]);
    let asked: Vec<Value> = server.seen()[1..]
        .iter()
        .map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap()["pagination"].clone())
        .collect();
    let page = |n: u64| json!({"pageNo": n, "pageSize": 1000});
    assert_eq!(asked, [page(0), page(1), page(2)]);
}

#[tokio::test]
async fn an_unauthorized_call_is_repeated_with_a_new_token_and_a_new_signature() {
    let denied = |status| (status, "text/html", "<html>who?</html>".to_owned());
    let good = ok(r#"{"code":0,"data":{"users":[{"userId":"u1"}]}}"#);
    for status in [401, 403] {
        let server = Scripted::start([denied(status), good.clone()]).await;
        let found = outcome(&enos(&server.url, "o"), Vendor::Enos, "user u1").await;
        assert_eq!(found, "user u1");
        let seen = server.seen();
        assert_eq!(seen.len(), 4);
        assert_eq!(seen[1].body, seen[3].body);
        for name in ["apim-signature", "apim-timestamp"] {
            assert_ne!(seen[1].headers[name], seen[3].headers[name], "{name}");
        }
        let server = Scripted::start([denied(status)]).await;
        let found = outcome(&enos(&server.url, "o"), Vendor::Enos, "user u1").await;
        assert_eq!((found.as_str(), server.seen().len()), ("unknown", 4));
    }
}

#[tokio::test]
async fn a_token_goes_where_its_vendor_reads_it() {
    let server = Scripted::start([ok(r#"{"errcode":0,"result":{"userid":"张三"}}"#)]).await;
    let found = outcome(&dingtalk(&server.url), Vendor::DingTalk, "user 张三").await;
    assert_eq!(found, "user 张三");
    let seen = server.seen();
    assert_eq!(seen[1].line, "POST /topapi/v2/user/get?access_token=t+k");
    assert_eq!(seen[1].body, r#"{"userid":"张三"}"#);
    let said = format!("{:?}", seen[1].headers);
    assert!(
        !said.contains("t k") && !said.contains("authorization"),
        "{said}"
    );

    // The code of mainland China is left out, as on the vendor's page.
    let server = Scripted::start([ok(r#"{"errcode":0,"result":{"userid":"d1"}}"#)]).await;
    let directory = dingtalk(&server.url);
    for number in ["mobile +8613800000001", "mobile +85251234567"] {
        outcome(&directory, Vendor::DingTalk, number).await;
    }
    let seen = server.seen();
    assert_eq!(seen[1].body, r#"{"mobile":"13800000001"}"#);
    assert_eq!(seen[2].body, r#"{"mobile":"+85251234567"}"#);

    let server = Scripted::start([ok(r#"{"code":0,"data":{"users":[]}}"#)]).await;
    outcome(&enos(&server.url, "o"), Vendor::Enos, "user u1").await;
    let seen = server.seen();
    assert_eq!(seen[1].headers["apim-accesstoken"], "t k");
    assert!(
        seen[1].line.ends_with("/user/organization/roster"),
        "{}",
        seen[1].line
    );
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn people_and_secrets_are_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alive, tracing asks the thread that first meets an event whether anybody
    // listens, and that may be another test's; with two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let echo = "t k t+k sandbox-secret +8613800000001 13800000001 ada@example.com";
    let mut said = format!("{:?}", settings("http://127.0.0.1:1"));
    let answers = [
        (
            200,
            "application/json",
            format!(
                r#"{{"errcode":60011,"code":31403,"errmsg":"{echo}","message":"{echo}","request_id":"sandbox-secret","requestId":"sandbox-secret"}}"#
            ),
        ),
        (
            200,
            "application/json",
            format!(
                r#"{{"errcode":0,"code":0,"result":{{"mobile":"{echo}"}},"data":{{"users":[{{"userId":7,"phone":"{echo}"}}]}}}}"#
            ),
        ),
        (
            200,
            "application/json",
            format!(r#"{{"errcode":0,"result":{{"mobile":"{echo}"#),
        ),
        (502, "text/html", format!("<p>{echo}")),
        (
            403,
            "application/json",
            format!(r#"{{"timestamp":1,"message":"{echo}"}}"#),
        ),
    ];
    for answer in answers {
        let server = Scripted::start([answer]).await;
        for (vendor, directory, whom) in [
            (
                Vendor::DingTalk,
                dingtalk(&server.url),
                "mobile +8613800000001",
            ),
            (Vendor::DingTalk, dingtalk(&server.url), "user d1"),
            (Vendor::Enos, enos(&server.url, "o"), "user u1"),
        ] {
            let error = directory
                .look_up(&recipients(vendor, &[whom]))
                .await
                .unwrap_err();
            let _ = writeln!(said, "{error} {error:?} {}", error.with_hint());
        }
    }
    assert!(
        said.contains("[secret]") && said.contains("[private]"),
        "{said}"
    );
    // Requests that never leave, and tokens that are refused or cannot be read.
    let nobody = "http://127.0.0.1:1";
    let odd = r#"{"errcode":0,"code":0,"accessToken":"t-odd","access_token":"t-odd","data":{"accessToken":"t-odd"}}"#;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let odd_url = format!("http://{}", server.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { odd });
    tokio::spawn(async move { axum::serve(server, router).await });
    for base_url in [nobody, &odd_url] {
        for (vendor, directory) in [
            (Vendor::DingTalk, dingtalk(base_url)),
            (Vendor::Enos, enos(base_url, "o")),
        ] {
            let whom = recipients(vendor, &["user d1"]);
            let error = directory.look_up(&whom).await.unwrap_err();
            let _ = writeln!(said, "{error} {error:?}");
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for operation in ["getUserByMobile", "listOrganizationUsers", "getTokenLegacy"] {
        assert!(log.contains(operation), "{log}");
    }
    for text in [said, log] {
        for secret in [APP_SECRET, "t k", "t+k", "t-odd", "1380000", "ada@"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
