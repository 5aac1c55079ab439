//! Following who has read a notice, from end to end, and what the ledger promises about it.

use beadle::engine::channel::Receipt;
use beadle::engine::outbox::{Admission, DeliveryId, Key, NewDelivery, Outcome};
use beadle::engine::receipts::{FollowEnd, People, Reading, Terms, WhyEnded};
use beadle::ledger::open_memory;
use beadle::model::Name;
use beadle::model::group::Recipient;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::project::{Project, ROOM, Ran};

/// The day after tomorrow, at that time.
fn at(time: &str) -> String {
    let day = Timestamp::now() + 48.hours();
    format!("{}T{time}Z", day.strftime("%Y-%m-%d"))
}

const TEAM: &str = "recipient_groups:
  team:
    feishu: { users: [ou_ada, ou_bo] }
    dingtalk: { users: [ada, bo] }
";

/// A project with two people who are at Feishu and DingTalk, and a notice to them that is followed.
fn followed(more: &str) -> Project {
    let project = Project::empty();
    let people = json!([
        {"open_id": "ou_ada", "name": "Ada", "dingtalk_user_id": "ada"},
        {"open_id": "ou_bo", "name": "Bo", "dingtalk_user_id": "bo"},
    ]);
    project.control("POST", "users", &people);
    declare(
        &project,
        &review("to: [team]\n    via: [feishu, dingtalk]", more),
    );
    project
}

fn review(to: &str, more: &str) -> String {
    let start = &at("00:00:00")[..10];
    format!(
        "{TEAM}recurring_notices:
  review:
    {to}
    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}
    message: {{ text: \"See you on {{{{ scheduled | date('%m-%d') }}}}\" }}
    {more}
"
    )
}

fn declare(project: &Project, blocks: &str) {
    let base = project.base_url();
    let dingtalk = format!(
        "  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", agent_id: 781348, base_url: \"{base}\" }}\n"
    );
    let head = format!(
        "version: 1\n{}{dingtalk}chats:\n  room: {{ id: {ROOM} }}\n",
        project.providers()
    );
    project.write("beadle.yaml", &format!("{head}{blocks}"));
    project.beadle(&["apply", "--auto-approve"]).exits(0);
}

const TRACK: &str = "track: { until: 80%, for: 10h, report_to: [room] }";

/// Lets the vendors' time go by, and looks at what is due then.
fn tick(project: &Project, seconds: i64, now: &str) -> Ran {
    project.control("POST", "advance", &json!({ "seconds": seconds }));
    project.beadle(&["tick", "--now", &at(now)])
}

fn occurrence() -> String {
    format!("recurring_notice.review@{}", at("10:00:00"))
}

fn told(project: &Project) -> Value {
    let args = ["notice", "report", &occurrence(), "--format", "json"];
    project.beadle(&args).exits(0).json()
}

/// What the room got.
fn room(project: &Project) -> Vec<String> {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let chats = inbox["chats"].as_array().unwrap().iter();
    let room = chats.filter(|chat| chat["id"] == ROOM);
    room.flat_map(|chat| chat["messages"].as_array().unwrap())
        .map(|message| message["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// How often a vendor was asked.
fn asked(project: &Project) -> usize {
    let questions = ["getBatchMessageProgress", "dingtalk.getSendProgress"];
    let calls = project.calls();
    let is_one = |call: &&Value| questions.iter().any(|q| call["operation"] == *q);
    calls.iter().filter(is_one).count()
}

#[test]
fn a_notice_is_followed_until_enough_have_read_it_and_one_report_is_sent() {
    let project = followed(TRACK);
    tick(&project, 0, "09:00:00").exits(0);
    tick(&project, 0, "10:00:00").exits(0);
    // Nobody is asked before a minute has gone by.
    tick(&project, 30, "10:00:30").exits(0);
    assert_eq!(asked(&project), 0);
    tick(&project, 60, "10:01:00").exits(0);
    assert_eq!(asked(&project), 2);
    let first = told(&project);
    assert_eq!(first["total"]["delivered"], 4, "{first:#}");
    assert_eq!(first["total"]["read"], 0);
    assert_eq!(first["ended"], Value::Null);
    project.control("POST", "read", &json!({ "person": "ou_ada" }));
    tick(&project, 600, "10:12:00").exits(0);
    // However often somebody looks, it is asked by its rhythm.
    tick(&project, 0, "10:12:30").exits(0);
    assert_eq!(asked(&project), 4);
    assert_eq!(told(&project)["share"], 50.0);
    let names = ["notice", "report", &occurrence(), "--names"];
    let named = project.beadle(&names).exits(0);
    assert!(
        named.stdout.contains("dingtalk read by user ada"),
        "{}",
        named.stdout
    );
    assert!(!named.stdout.contains("bo"), "{}", named.stdout);
    project.control("POST", "read", &json!({}));
    assert_eq!(room(&project), Vec::<String>::new());
    tick(&project, 3_000, "11:01:00").exits(0);
    let report = told(&project);
    assert_eq!(report["ended"], "enough", "{report:#}");
    assert_eq!(report["seconds_to_50"], 720);
    assert_eq!(report["seconds_to_80"], 3_660);
    assert_eq!(report["total"]["valid"], 4);
    assert_eq!(report["total"]["unknown"], 0);
    let said = room(&project);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("read by 4 of 4 (100 %) after 1 h 1 min"),
        "{said:?}"
    );
    // That was the end, and nobody's name is kept.
    for now in ["11:02:00", "20:00:00"] {
        tick(&project, 60, now).exits(0);
    }
    assert_eq!(room(&project).len(), 1);
    assert_eq!(asked(&project), 6);
    let named = project.beadle(&names).exits(0);
    assert!(
        named.stderr.contains("No names are kept"),
        "{}",
        named.stderr
    );
    assert!(!named.stdout.contains("ada"), "{}", named.stdout);
    let page = project
        .beadle(&["notice", "report", &occurrence(), "--format", "markdown"])
        .exits(0);
    assert!(
        page.stdout
            .contains("| dingtalk | sent | 2 | 0 | 2 | 2 | 2 | 0 | 0 |"),
        "{}",
        page.stdout
    );
}

#[test]
fn what_nobody_can_say_is_said_when_the_time_is_over() {
    let project = followed(TRACK);
    tick(&project, 0, "09:00:00").exits(0);
    tick(&project, 0, "10:00:00").exits(0);
    // The month is used up at DingTalk, from the second question on, and Feishu forgets the batch.
    tick(&project, 60, "10:01:00").exits(0);
    project.fault("code@dingtalk.getSendProgress,code=90020,status=200");
    project.fault("code@getBatchMessageProgress,code=230030");
    tick(&project, 600, "10:12:00").exits(0);
    let report = told(&project);
    let parts = report["deliveries"].as_array().unwrap();
    for (provider, code) in [("feishu", "230030"), ("dingtalk", "90020")] {
        let part = parts.iter().find(|part| part["provider"] == provider);
        let unknown = part.unwrap()["not_known"].as_str().unwrap();
        assert!(unknown.contains(code), "{unknown}");
    }
    // What was known stays known.
    assert_eq!(report["total"]["delivered"], 4, "{report:#}");
    tick(&project, 36_000, "20:00:00").exits(0);
    let report = told(&project);
    assert_eq!(report["ended"], "over", "{report:#}");
    let said = room(&project);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("90020") && said[0].contains("230030"),
        "{said:?}"
    );
}

/// The part of a report about a provider.
fn part(report: &Value, provider: &str) -> Value {
    let parts = report["deliveries"].as_array().unwrap();
    let part = parts.iter().find(|part| part["provider"] == provider);
    part.unwrap_or_else(|| panic!("{report:#}")).clone()
}

#[test]
fn whom_dingtalk_drops_in_silence_is_told_as_not_delivered() {
    // What the tenant allows, what was sent before, and with which code somebody is dropped.
    for (tenant, before, code, dropped) in [
        (json!({}), Some("ada"), "143106", &["user ada"][..]),
        (
            json!({"work_a_day": 1}),
            Some("other"),
            "143105",
            &["user ada"],
        ),
        (
            json!({"receivers_a_minute": 1}),
            None,
            "143103",
            &["user bo"],
        ),
        (
            json!({"receivers_a_minute": 0}),
            None,
            "143103",
            &["user ada", "user bo"],
        ),
    ] {
        let project = followed(TRACK);
        project.control("POST", "tenant", &tenant);
        declare(&project, &review("to: [team]\n    via: [dingtalk]", TRACK));
        // Another project with the same app has written to Ada on that day: no ledger of ours knows of it.
        if let Some(what) = before {
            let text = match what {
                "ada" => format!("See you on {}", &at("10:00:00")[5..10]),
                _ => "Something else".to_owned(),
            };
            let token = project.post(
                "/v1.0/oauth2/accessToken",
                &json!({"appKey": "cli_sandbox", "appSecret": "sandbox-secret"}),
            );
            let token = token["accessToken"].as_str().unwrap();
            let sent = project.post(
                &format!("/topapi/message/corpconversation/asyncsend_v2?access_token={token}"),
                &json!({"agent_id": 1, "userid_list": "ada", "msg": {"msgtype": "text", "text": {"content": text}}}),
            );
            assert_eq!(sent["errcode"], 0, "{sent}");
        }
        tick(&project, 0, "09:00:00").exits(0);
        // DingTalk says yes.
        let said = tick(&project, 0, "10:00:00").exits(0);
        assert_eq!(said.last_line(), "Tick: 1 occurrence: 1 sent.", "{code}");
        tick(&project, 60, "10:01:00").exits(0);
        let args = [
            "notice",
            "report",
            &occurrence(),
            "--names",
            "--format",
            "json",
        ];
        let report = project.beadle(&args).exits(0).json();
        let of = part(&report, "dingtalk");
        let reached = 2 - dropped.len() as u64;
        assert_eq!(of["delivered"], reached, "{code}: {report:#}");
        assert_eq!(of["valid"], reached, "{code}: {report:#}");
        assert_eq!(of["refused"], dropped.len(), "{code}: {report:#}");
        if reached == 0 {
            // Nothing more can be learnt, so that it ends, and with it what was known of people.
            assert_eq!(report["ended"], "told", "{code}: {report:#}");
            continue;
        }
        let refused = of["refusals"].as_array().unwrap();
        let who: Vec<&str> = refused
            .iter()
            .map(|one| one["recipient"].as_str().unwrap())
            .collect();
        assert_eq!(who, dropped, "{code}: {report:#}");
        for one in refused {
            assert!(one["why"].as_str().unwrap().contains(code), "{code}: {one}");
        }
        // Who is left reads it, and whoever gets the report reads of those who were dropped.
        project.control("POST", "read", &json!({}));
        tick(&project, 600, "10:12:00").exits(0);
        tick(&project, 36_000, "20:00:00").exits(0);
        let said = room(&project);
        assert_eq!(said.len(), 1, "{code}: {said:?}");
    }
}

#[test]
fn a_month_that_is_used_up_asks_nothing_and_is_told() {
    let project = followed("track: { until: 80%, for: 2h, report_to: [room] }");
    tick(&project, 0, "09:00:00").exits(0);
    tick(&project, 0, "10:00:00").exits(0);
    let ledger = rusqlite::Connection::open(project.path().join(".beadle/ledger.db")).unwrap();
    let full = ledger.execute("UPDATE quota SET used = 4999 WHERE name LIKE '%/calls'", []);
    assert_eq!(full.unwrap(), 1);
    drop(ledger);
    project.clear_calls();
    tick(&project, 60, "10:01:00").exits(0);
    let about = |operation: &str| {
        let calls = project.calls();
        calls.iter().filter(|c| c["operation"] == operation).count()
    };
    // One call is left, and a question takes two: nothing is asked, and Feishu is asked all the same.
    assert_eq!(
        about("dingtalk.getSendProgress") + about("dingtalk.getSendResult"),
        0
    );
    assert_eq!(about("getBatchMessageProgress"), 1);
    let unknown = part(&told(&project), "dingtalk")["not_known"].clone();
    assert!(
        unknown.as_str().unwrap().contains("5000 calls"),
        "{unknown}"
    );
    project.control("POST", "read", &json!({}));
    // All of Feishu have read it, which is half of those to whom it went: it is followed on, until its time is
    // over. Shanghai is on the same day still.
    tick(&project, 3_600, "11:05:00").exits(0);
    let halfway = told(&project);
    assert_eq!(halfway["ended"], Value::Null, "{halfway:#}");
    assert_eq!(halfway["share"], 50.0, "{halfway:#}");
    assert_eq!(room(&project), Vec::<String>::new());
    tick(&project, 3_600, "12:00:00").exits(0);
    let report = told(&project);
    assert_eq!(report["ended"], "over", "{report:#}");
    let total = &report["total"];
    let numbers = ["named", "read", "unknown"].map(|number| total[number].as_u64());
    assert_eq!(numbers, [Some(4), Some(2), Some(2)], "{report:#}");
    let said = room(&project);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("read by 2 of 4 (50 %)"), "{said:?}");
    assert!(said[0].contains("5000 calls"), "{said:?}");
}

#[test]
fn a_vendor_that_never_answers_is_no_reason_to_think_that_enough_have_read_it() {
    let project = followed("track: { until: 60%, for: 2h, report_to: [room] }");
    tick(&project, 0, "09:00:00").exits(0);
    tick(&project, 0, "10:00:00").exits(0);
    for operation in ["dingtalk.getSendProgress", "dingtalk.getSendResult"] {
        project.fault(&format!("refuse@{operation}"));
    }
    tick(&project, 60, "10:01:00").exits(0);
    project.control("POST", "read", &json!({}));
    for minute in [5, 10, 20, 40] {
        let now = format!("10:{minute:02}:00");
        tick(&project, 60 * minute, &now).exits(0);
        let report = told(&project);
        assert_eq!(report["ended"], Value::Null, "{report:#}");
        assert_eq!(report["share"], 50.0, "{report:#}");
    }
    // Once DingTalk counts, it is enough.
    project.no_faults();
    tick(&project, 3_600, "11:00:00").exits(0);
    let report = told(&project);
    assert_eq!(report["ended"], "enough", "{report:#}");
    assert_eq!(report["share"], 100.0, "{report:#}");
}

#[test]
fn a_notice_that_is_gone_is_followed_to_its_end_and_reported_to_nobody() {
    let project = followed(TRACK);
    tick(&project, 0, "09:00:00").exits(0);
    tick(&project, 0, "10:00:00").exits(0);
    tick(&project, 60, "10:01:00").exits(0);
    let other = review("to: [room]", "").replace("  review:", "  other:");
    declare(&project, &other.replace("0 10", "0 12"));
    project.control("POST", "read", &json!({}));
    tick(&project, 600, "10:12:00").exits(0);
    let report = told(&project);
    assert_eq!(report["ended"], "enough", "{report:#}");
    assert_eq!(report["unheard"], "the notice is gone or off");
    assert_eq!(room(&project), Vec::<String>::new());
}

#[test]
fn an_occurrence_that_is_not_followed_says_what_to_do() {
    let project = followed("");
    tick(&project, 0, "09:00:00").exits(0);
    tick(&project, 0, "10:00:00").exits(0);
    let ran = project
        .beadle(&["notice", "report", &occurrence()])
        .exits(1);
    assert!(ran.stderr.contains("was not followed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("track:"), "{}", ran.stderr);
    let ran = project
        .beadle(&[
            "notice",
            "report",
            "recurring_notice.x@2026-12-02T10:00:00Z",
        ])
        .exits(1);
    assert!(
        ran.stderr.contains("there is no occurrence"),
        "{}",
        ran.stderr
    );
}

/// A ledger in memory with one occurrence that was sent in two deliveries.
async fn sent() -> (
    std::sync::Arc<dyn beadle::engine::outbox::Books>,
    Key,
    Vec<DeliveryId>,
) {
    let books = open_memory(&Name::new("p").unwrap());
    let key = Key {
        notice: "recurring_notice.review".parse().unwrap(),
        nominal: "2026-12-02T10:00:00Z".parse().unwrap(),
    };
    let part = |n: u32| NewDelivery {
        provider: Name::new("feishu").unwrap(),
        app: beadle::model::AppId::new("a"),
        parcel: beadle::engine::channel::Parcel {
            operation: "send".into(),
            query: Vec::new(),
            body: format!("part {n}"),
            to: Default::default(),
        },
        repeat: beadle::engine::channel::Repeat::Never,
        unseen: Vec::new(),
    };
    let admission = Admission {
        nominal: key.nominal,
        last: key.nominal,
        count: 1,
        at: key.nominal,
        revision: "r".into(),
        admitted_at: key.nominal,
        outcome: None,
        send_until: None,
        revoke_at: None,
        sent_by: None,
        deliveries: vec![part(1), part(2)],
    };
    books
        .admit(&key.notice, key.nominal, &[admission])
        .await
        .unwrap();
    let ids = books.deliveries(&key).await.unwrap();
    (books, key, ids.into_iter().map(|d| d.id).collect())
}

#[tokio::test]
async fn the_ledger_follows_once_asks_once_and_forgets_names() {
    let (books, key, ids) = sent().await;
    let now = key.nominal + 1.minute();
    let terms = Terms {
        until: 80.0,
        lasts: SignedDuration::from_hours(10),
    };
    // What has no outcome yet is not followed, and what fired too long ago never.
    assert_eq!(books.follow(&key.notice, &terms, now).await.unwrap(), 0);
    books.conclude(&key, Outcome::Sent, "", now).await.unwrap();
    let late = key.nominal + 10.hours();
    assert_eq!(books.follow(&key.notice, &terms, late).await.unwrap(), 0);
    assert_eq!(books.follow(&key.notice, &terms, now).await.unwrap(), 1);
    assert_eq!(books.follow(&key.notice, &terms, now).await.unwrap(), 0);
    let followed = books.followed().await.unwrap();
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].ends_at, late);
    // Two runners saw that it was asked about so often: one of them asks.
    for seen in 0..3 {
        assert!(books.ask(ids[0], seen, now).await.unwrap());
        assert!(!books.ask(ids[0], seen, now).await.unwrap());
    }
    assert!(books.ask(ids[1], 0, now).await.unwrap());
    let asked = books.asked(&key).await.unwrap();
    assert_eq!((asked[&ids[0]].times, asked[&ids[1]].times), (3, 1));
    let receipt = Receipt {
        valid: Some(2),
        read: Some(1),
        readers: vec![Recipient::UserId("ada".into())],
        ..Receipt::default()
    };
    let people = People {
        readers: receipt.readers.clone(),
        refused: Vec::new(),
    };
    let reading = Reading::of(&receipt, now);
    books.note(ids[0], &reading, Some(&people)).await.unwrap();
    let failed = Reading::failed("time-out".into(), now + 1.minute());
    books.note(ids[0], &failed, None).await.unwrap();
    let readings = books.readings(&key).await.unwrap();
    assert_eq!(readings, [(ids[0], reading.clone()), (ids[0], failed)]);
    assert_eq!(books.people(&key).await.unwrap()[&ids[0]], people);
    // Of two who end it one does, with its report; then no name is left, nor comes one back.
    let end = FollowEnd {
        why: WhyEnded::Over,
        at: late,
        unheard: None,
    };
    let report = [books.deliveries(&key).await.unwrap()[0].what.clone()];
    assert!(books.end_following(&key, &end, &report).await.unwrap());
    assert!(!books.end_following(&key, &end, &report).await.unwrap());
    assert_eq!(books.deliveries(&key).await.unwrap().len(), 3);
    assert_eq!(books.followed().await.unwrap(), []);
    assert_eq!(books.following(&key).await.unwrap().unwrap().end, Some(end));
    books.note(ids[0], &reading, Some(&people)).await.unwrap();
    assert!(books.people(&key).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_image_has_one_key_for_each_app() {
    let (books, key, _) = sent().await;
    let now = key.nominal;
    assert_eq!(books.image("a", "d1").await.unwrap(), None);
    // A second upload of two at once makes a second key: the first counts for both.
    assert_eq!(
        books.remember_image("a", "d1", "img_1", now).await.unwrap(),
        "img_1"
    );
    assert_eq!(
        books.remember_image("a", "d1", "img_2", now).await.unwrap(),
        "img_1"
    );
    assert_eq!(
        books.remember_image("b", "d1", "img_3", now).await.unwrap(),
        "img_3"
    );
    assert_eq!(
        books.image("b", "d1").await.unwrap().as_deref(),
        Some("img_3")
    );
    assert_eq!(books.image("a", "d2").await.unwrap(), None);
}
