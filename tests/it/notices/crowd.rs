//! A notice to ten thousand people at three vendors, whose limits hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use beadle::sandbox::{WantedPeople, WantedPerson};
use serde_json::{Value, json};

use super::{at, history, tick};
use crate::support::project::Project;

const PEOPLE: usize = 10_000;

/// What Feishu takes in a call (page `batch_send`), and what DingTalk does (page
/// `asynchronous-sending-of-enterprise-session-messages`).
const FEISHU_CALLS: usize = PEOPLE.div_ceil(200);
const DINGTALK_CALLS: usize = PEOPLE.div_ceil(100);

/// A project with all of them at each vendor, and a notice to them every day at ten.
fn crowd() -> Project {
    let project = Project::strict();
    let people = (0..PEOPLE).map(|n| WantedPerson {
        open_id: Some(format!("ou_{n:05}")),
        dingtalk_user_id: Some(format!("d{n:05}")),
        enos_user_id: Some(format!("e{n:05}")),
        ..WantedPerson::default()
    });
    project.seed_people(&WantedPeople {
        people: people.collect(),
        enos_orgs: vec!["o1".to_owned()],
        ..WantedPeople::default()
    });
    let base = project.base_url();
    let secret = "app_secret: \"${env:FEISHU_APP_SECRET}\"";
    let start = &at(0, "00:00:00")[..10];
    let mut text = format!(
        "version: 1
{}  dingtalk: {{ app_key: cli_sandbox, {secret}, agent_id: 781348, edition: standard, base_url: \"{base}\" }}
  enos: {{ app_key: cli_sandbox, {secret}, org_id: o1, base_url: \"{base}\" }}
recurring_notices:
  all-hands:
    to: [everybody]
    via: [feishu, dingtalk, enos]
    audience: large
    schedule: {{ at: [{start}T10:00], timezone: UTC }}
    message: {{ title: 全员大会, markdown: \"**{{{{ scheduled | date('%m-%d') }}}}** 10:00 一号会议室\" }}
recipient_groups:
  everybody:
",
        project.providers()
    );
    for (vendor, letters) in [("feishu", "ou_"), ("dingtalk", "d"), ("enos", "e")] {
        writeln!(text, "    {vendor}:\n      users:").unwrap();
        for n in 0..PEOPLE {
            writeln!(text, "        - {letters}{n:05}").unwrap();
        }
    }
    project.write("beadle.yaml", &text);
    let applied = project.beadle(&["apply", "--auto-approve"]).exits(0);
    let left = format!("{} more recipients of provider `dingtalk`", PEOPLE - 200);
    assert!(applied.stderr.contains(&left), "{}", applied.stderr);
    project
}

/// How many messages each person has of each vendor; what was dropped, or has not come, fails the test.
fn inboxes(project: &Project) -> BTreeMap<String, BTreeMap<String, usize>> {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let mut all = BTreeMap::new();
    for person in inbox["people"].as_array().unwrap() {
        let of: &mut BTreeMap<String, usize> = all
            .entry(person["id"].as_str().unwrap().to_owned())
            .or_default();
        for message in person["messages"].as_array().unwrap() {
            assert_eq!(message["dropped"], Value::Null, "{person}");
            assert_ne!(message["delivered"], Value::Null, "{person}");
            *of.entry(message["vendor"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    all
}

/// How many calls of each operation there were, save tokens; each was answered with success.
fn calls(project: &Project) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in project.calls() {
        let operation = call["operation"].as_str().unwrap();
        let mut seen = call.clone();
        seen["body"] = Value::Null;
        assert_eq!(call["status"], 200, "{seen}");
        assert!(call["code"] == 0 || call["code"] == Value::Null, "{seen}");
        *calls.entry(operation.to_owned()).or_default() += 1;
    }
    calls.retain(|operation, _| !operation.contains("Token"));
    calls
}

/// What is expected of a vendor's call.
fn the_fewest() -> BTreeMap<String, usize> {
    let calls = [
        ("batchSendMessage", FEISHU_CALLS),
        ("dingtalk.sendWorkNotification", DINGTALK_CALLS),
        ("enos.produceNoticeMessages", 1),
    ];
    calls.map(|(call, count)| (call.to_owned(), count)).into()
}

#[test]
fn ten_thousand_people_get_it_once_each_in_the_fewest_calls() {
    let project = crowd();
    project.clear_calls();
    // Late in one minute of the clock, and early in the next: at DingTalk, whose minutes begin when they like,
    // these are one.
    tick(&project, &at(0, "10:00:59")).exits(1);
    let half = calls(&project);
    assert_eq!(half["dingtalk.sendWorkNotification"], DINGTALK_CALLS / 2);
    project.control("POST", "advance", &json!({"seconds": 2}));
    tick(&project, &at(0, "10:01:01")).exits(1);
    assert_eq!(calls(&project), half);
    project.control("POST", "advance", &json!({"seconds": 68}));
    let last = tick(&project, &at(0, "10:02:09")).exits(0);
    assert_eq!(last.last_line(), "Tick: 1 occurrence: 1 sent.");
    assert_eq!(history(&project), ["sent"]);
    assert_eq!(calls(&project), the_fewest());
    project.control("POST", "advance", &json!({"seconds": 600}));
    let inboxes = inboxes(&project);
    assert_eq!(inboxes.len(), PEOPLE);
    let one_each = ["dingtalk", "enos", "feishu"].map(|vendor| (vendor.to_owned(), 1));
    let one_each = BTreeMap::from(one_each);
    let odd: Vec<_> = inboxes.iter().filter(|(_, of)| **of != one_each).collect();
    assert!(odd.is_empty(), "{odd:?}");
}
