//! Recurring notices from end to end: through the binary, against a sandbox whose inbox is looked at.

mod after;
mod crash;
mod crowd;
mod deaths;
mod moved;
mod resend;
mod together;
mod tries;

use std::sync::LazyLock;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::project::{Project, Ran};

const ROOM: &str = "oc_a0553eda9014c201e6969b478895c230";

/// A project whose providers are all at the sandbox, with three people and a chat.
fn staffed() -> Project {
    let project = Project::empty();
    project.control(
        "POST",
        "users",
        &json!([
            {"open_id": "ou_ada", "name": "Ada", "email": "ada@example.com", "dingtalk_user_id": "ada"},
            {"open_id": "ou_bo", "name": "Bo", "dingtalk_user_id": "bo"},
        ]),
    );
    project
}

const GROUP: &str = "recipient_groups:
  team:
    feishu: { users: [ou_bo], emails: [ada@example.com] }
    dingtalk: { users: [ada, bo] }
";

/// A notice every day at ten, in UTC, with these lines more.
///
/// It begins on the first day that [`at`] knows, so that nothing is due before, whatever the hour is.
fn daily(more: &str) -> String {
    let start = &at(0, "00:00:00")[..10];
    format!(
        "recurring_notices:
  review:
    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}
    message: {{ text: \"See you on {{{{ scheduled | date('%m-%d') }}}}\" }}
{more}"
    )
}

const TO_ALL: &str = "    to: [team, room]\n    via: [feishu, dingtalk]\n";

fn declare(project: &Project, blocks: &[&str]) {
    let base = project.base_url();
    let dingtalk = format!(
        "  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", agent_id: 781348, base_url: \"{base}\" }}\n"
    );
    let head = format!(
        "version: 1\n{}{dingtalk}chats:\n  room: {{ id: {ROOM} }}\n",
        project.providers()
    );
    project.write("beadle.yaml", &format!("{head}{}", blocks.concat()));
}

fn apply(project: &Project) {
    project.beadle(&["apply", "--auto-approve"]).exits(0);
}

/// So many days after tomorrow, at that time.
fn at(days: i64, time: &str) -> String {
    static NOW: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    let day = *NOW + (24 * (days + 1)).hours();
    format!("{}T{time}Z", day.strftime("%Y-%m-%d"))
}

fn tick(project: &Project, now: &str) -> Ran {
    project.beadle(&["tick", "--now", now])
}

/// Everything that arrived, a line each, sorted.
fn arrived(project: &Project) -> Vec<String> {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let mut lines = Vec::new();
    for side in ["people", "chats"] {
        for holder in inbox[side].as_array().unwrap() {
            for message in holder["messages"].as_array().unwrap() {
                let text = message["text"].as_str().unwrap_or_default();
                let id = holder["id"].as_str().unwrap_or_default();
                let vendor = message["vendor"].as_str().unwrap_or_default();
                lines.push(format!("{vendor} {id}: {text}"));
            }
        }
    }
    lines.sort();
    lines
}

fn history(project: &Project) -> Vec<String> {
    let shown = project
        .beadle(&["notice", "history", "--format", "json"])
        .exits(0)
        .json();
    let occurrences = shown["occurrences"].as_array().unwrap();
    let line = |o: &Value| {
        format!(
            "{} {}",
            o["outcome"].as_str().unwrap(),
            o["reason"].as_str().unwrap()
        )
    };
    occurrences
        .iter()
        .map(|o| line(o).trim().to_owned())
        .collect()
}

#[test]
fn a_notice_reaches_everybody_once() {
    let project = staffed();
    declare(&project, &[GROUP, &daily(TO_ALL)]);
    apply(&project);
    let plan = project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(plan.stdout.starts_with("No changes"), "{}", plan.stdout);
    tick(&project, &at(0, "09:59:59")).exits(0);
    let before = arrived(&project);
    let first = tick(&project, &at(0, "10:00:00")).exits(0);
    assert_eq!(first.last_line(), "Tick: 1 occurrence: 1 sent.");
    for time in ["10:00:00", "10:00:01", "10:14:59"] {
        let again = tick(&project, &at(0, time)).exits(0);
        assert_eq!(again.last_line(), "Tick: nothing is due.");
    }
    project.control("POST", "advance", &json!({"seconds": 60}));
    let day = &at(0, "10:00:00")[5..10];
    let mut expected: Vec<String> = [
        format!("feishu {ROOM}"),
        "feishu ou_ada".to_owned(),
        "feishu ou_bo".to_owned(),
        "dingtalk ou_ada".to_owned(),
        "dingtalk ou_bo".to_owned(),
    ]
    .map(|who| format!("{who}: See you on {day}"))
    .into();
    expected.sort();
    let mut new = arrived(&project);
    new.retain(|line| !before.contains(line));
    assert_eq!(new, expected);
    project.check_contract();
}

#[test]
fn a_tick_that_comes_late_says_what_was_missed_and_fails() {
    let project = staffed();
    declare(&project, &[GROUP, &daily(TO_ALL)]);
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    tick(&project, &at(3, "10:05:00")).exits(1);
    let late = tick(&project, &at(4, "10:15:01")).exits(1);
    assert_eq!(late.last_line(), "Tick: 1 occurrence: 1 missed.");
    let history = history(&project);
    let missed = |why: &str| history.iter().filter(|line| *line == why).count();
    assert_eq!(missed("missed too late"), 1);
    assert!(missed("missed superseded") >= 3, "{history:?}");
    assert_eq!(missed("sent"), 1);
}

#[test]
fn a_lost_reply_to_a_chat_is_repeated_and_arrives_once() {
    let project = staffed();
    declare(&project, &[&daily("    to: [room]\n")]);
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    project.fault("lost-reply@createMessage:1");
    let unknown = tick(&project, &at(0, "10:00:00")).exits(1);
    assert!(unknown.stderr.contains("still open"), "{}", unknown.stderr);
    tick(&project, &at(0, "10:01:00")).exits(0);
    assert_eq!(history(&project)[0], "sent");
    assert_eq!(arrived(&project).len(), 1);
}

#[test]
fn a_lost_reply_to_people_is_held_and_never_sent_again() {
    let project = staffed();
    declare(
        &project,
        &[GROUP, &daily("    to: [team]\n    via: [feishu]\n")],
    );
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    project.fault("lost-reply@batchSendMessage:1");
    tick(&project, &at(0, "10:00:00")).exits(1);
    tick(&project, &at(0, "10:00:10")).exits(1);
    assert!(
        history(&project)[0].starts_with("held"),
        "{:?}",
        history(&project)
    );
    tick(&project, &at(0, "10:00:20")).exits(0);
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project).len(), 2, "Ada and Bo, once each");
}

#[test]
fn a_refusal_is_told_and_stops_no_other_delivery() {
    let project = staffed();
    declare(&project, &[GROUP, &daily(TO_ALL)]);
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    project.fault("code@createMessage,code=230002");
    let partial = tick(&project, &at(0, "10:00:00")).exits(1);
    assert_eq!(partial.last_line(), "Tick: 1 occurrence: 1 partial.");
    assert!(
        history(&project)[0].contains("230002"),
        "{:?}",
        history(&project)
    );
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project).len(), 4);
}

#[test]
fn an_address_that_nobody_has_is_told_and_the_rest_get_theirs() {
    let project = staffed();
    let group = GROUP.replace("ada@example.com", "nobody@example.com");
    declare(
        &project,
        &[&group, &daily("    to: [team]\n    via: [feishu]\n")],
    );
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    tick(&project, &at(0, "10:00:00")).exits(1);
    assert_eq!(history(&project)[0], "partial 1 recipients were not taken");
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project).len(), 1);
}

#[test]
fn nobody_gets_it_while_somebody_who_is_left_out_cannot_be_told() {
    let project = staffed();
    let out = "    exclude: { feishu: { emails: [typo@example.com] } }\n";
    let group = format!("{GROUP}{out}");
    declare(
        &project,
        &[&group, &daily("    to: [team]\n    via: [feishu]\n")],
    );
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    tick(&project, &at(0, "10:00:00")).exits(1);
    assert!(history(&project)[0].starts_with("refused somebody whom `team` leaves out"));
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project), Vec::<String>::new());
    // Who can be told is left out, and the others get theirs.
    let group = group.replace("typo@", "ada@");
    declare(
        &project,
        &[&group, &daily("    to: [team]\n    via: [feishu]\n")],
    );
    apply(&project);
    tick(&project, &at(1, "10:00:00")).exits(0);
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project).len(), 1, "Bo alone");
}

#[test]
fn what_was_applied_is_sent_and_not_what_a_file_says_by_now() {
    let project = staffed();
    declare(&project, &[&daily("    to: [room]\n")]);
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    declare(
        &project,
        &[&daily("    to: [room]\n").replace("See you", "Farewell")],
    );
    tick(&project, &at(0, "10:00:00")).exits(0);
    assert!(
        arrived(&project)[0].contains("See you"),
        "{:?}",
        arrived(&project)
    );
    // Once applied, it is the new one.
    let plan = project.beadle(&["plan"]).exits(0);
    assert!(plan.stdout.contains("Farewell"), "{}", plan.stdout);
    apply(&project);
    tick(&project, &at(1, "10:00:00")).exits(0);
    assert!(
        arrived(&project)
            .iter()
            .any(|line| line.contains("Farewell"))
    );
    assert_eq!(arrived(&project).len(), 2);
}

#[test]
fn a_notice_that_is_off_or_gone_is_not_sent() {
    let project = staffed();
    declare(&project, &[&daily("    to: [room]\n    enabled: false\n")]);
    apply(&project);
    let off = tick(&project, &at(0, "10:00:00")).exits(0);
    assert_eq!(off.last_line(), "Tick: nothing is due.");
    let list = project.beadle(&["notice", "list"]).exits(0);
    assert!(list.stdout.contains("off"), "{}", list.stdout);
    declare(&project, &[GROUP]);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    let gone = tick(&project, &at(1, "10:00:00")).exits(1);
    assert!(gone.stderr.contains("holds no notice"), "{}", gone.stderr);
    assert_eq!(arrived(&project), Vec::<String>::new());
}

#[test]
fn mistakes_in_notices_are_found_at_their_place() {
    let project = staffed();
    let large = "recipient_groups:\n  team: { dingtalk: { everyone: true } }\n";
    let two =
        "recipient_groups:\n  team: { feishu: { users: [ou_bo] }, dingtalk: { users: [bo] } }\n";
    let to_team = daily("    to: [team]\n");
    let to_room = daily("    to: [room]\n");
    let with = |from: &str, to: &str| {
        assert!(to_room.contains(from), "{from}");
        to_room.replace(from, to)
    };
    for (blocks, code, column) in [
        (
            vec![GROUP, &daily("    to: [tema]\n")],
            "unknown-recipient",
            10,
        ),
        (vec![large, &to_team], "large-audience", 9),
        (vec![two, &to_team], "via-needed", 9),
        (vec![&daily("    to: []\n")], "nobody", 9),
        (vec![&with("UTC", "Asia/Shangai")], "unknown-zone", 0),
        (vec![&with("0 10 * * *", "0 10 31 2 *")], "never-fires", 0),
        (vec![&with("scheduled", "schedule")], "bad-template", 0),
        (
            vec![&with("UTC }", "UTC, calendar: firm, days: workdays }")],
            "unknown-calendar",
            0,
        ),
        (
            vec![&daily("    to: [room]\n    late: soon\n")],
            "bad-duration",
            11,
        ),
        (vec!["ledger: none\n", &to_room], "notice-without-ledger", 0),
        (
            vec![GROUP, &daily("    to: [team]\n    via: [ding]\n")],
            "no-agent",
            0,
        ),
    ] {
        declare(&project, &blocks);
        let text = project.read("beadle.yaml");
        if code == "no-agent" {
            let text = text
                .replace("agent_id: 781348, ", "")
                .replace("[ding]", "[dingtalk]");
            project.write("beadle.yaml", &text);
        }
        let ran = project.beadle(&["validate", "--format", "json"]).exits(1);
        let found = ran.json();
        let found = found["diagnostics"].as_array().unwrap();
        let one = found.iter().find(|d| d["code"] == code);
        let one = one.unwrap_or_else(|| panic!("{code}: {found:#?}"));
        assert_eq!(one["range"]["file"], "beadle.yaml", "{code}");
        if column > 0 {
            assert_eq!(one["range"]["start"]["column"], column, "{code}: {one:#}");
        }
    }
}

/// What is found in a project with people everywhere, a code and a column each, of a notice with these lines.
fn found(more: &str) -> Vec<String> {
    let project = Project::empty();
    let base = project.base_url();
    let enos = format!(
        "  enos: {{ app_key: k, app_secret: \"${{env:FEISHU_APP_SECRET}}\", org_id: o, base_url: \"{base}\" }}\n"
    );
    let many: Vec<String> = (0..21).map(|n| format!("ou_{n}")).collect();
    let groups = format!(
        "recipient_groups:
  portal: {{ enos: {{ users: [u1] }} }}
  staff: {{ dingtalk: {{ users: [bo] }} }}
  crowd: {{ feishu: {{ users: [{}] }} }}
",
        many.join(", ")
    );
    declare(&project, &[&groups, &daily(more)]);
    let text = project.read("beadle.yaml");
    let text = text.replacen("  dingtalk:", &format!("{enos}  dingtalk:"), 1);
    project.write("beadle.yaml", &text);
    let found = project.beadle(&["validate", "--format", "json"]).json();
    let line = |d: &Value| {
        let column = &d["range"]["start"]["column"];
        format!(
            "{} {} {column}",
            d["severity"].as_str().unwrap(),
            d["code"].as_str().unwrap()
        )
    };
    found["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

#[test]
fn what_follows_a_send_is_checked_where_the_vendors_have_rules() {
    let fine: [&str; 0] = [];
    for (more, expected) in [
        (
            "to: [room]\n    revoke_after: 2h\n    on_unknown: resend",
            &fine[..],
        ),
        (
            "to: [room]\n    revoke_after: soon",
            &["error bad-duration 19"],
        ),
        (
            "to: [room]\n    revoke_after: 25h",
            &["warning recall-too-late 19"],
        ),
        (
            "to: [staff]\n    revoke_after: 25h",
            &["error recall-too-late 19"],
        ),
        (
            "to: [portal]\n    revoke_after: 2h",
            &["error no-recall 19"],
        ),
        (
            "to: [room]\n    track: { until: 80%, for: 7d, report_to: [room, staff] }",
            &fine,
        ),
        (
            "to: [room]\n    track: { for: 8d }",
            &["error track-too-long 19"],
        ),
        (
            "to: [staff]\n    track: { for: 25h }",
            &["error track-too-long 19"],
        ),
        ("to: [crowd]\n    track: { for: 30d }", &fine),
        (
            "to: [crowd, staff]\n    via: [feishu, dingtalk]\n    track: { for: 30d }",
            &["warning track-too-long 19"],
        ),
        ("to: [portal]\n    track: {}", &["error untold 12"]),
        (
            "to: [room]\n    track: { until: 0% }",
            &["error nothing-to-follow 21"],
        ),
        (
            "to: [room]\n    track: { report_to: [nowhere] }",
            &["error unknown-recipient 26"],
        ),
        ("to: [staff]\n    on_problem: [room]", &fine),
        (
            "to: [room]\n    on_problem: [nowhere]",
            &["error unknown-recipient 18"],
        ),
        (
            "to: [crowd]\n    people: messages",
            &["error messages-to-many 13"],
        ),
        (
            "to: [staff]\n    people: messages",
            &["error messages-to-nobody 13"],
        ),
        ("to: [staff]\n    people: letters", &["error wrong-type 13"]),
        ("to: [room]\n    late: 25h", &["error late-too-long 11"]),
    ] {
        assert_eq!(found(&format!("    {more}\n")), expected, "{more}");
    }
}

#[test]
fn what_follows_a_send_is_registered_and_shown_field_by_field() {
    let project = staffed();
    let more = "    to: [room]\n    revoke_after: 2h\n    track: { report_to: [team] }\n    on_problem: [room]\n    people: together\n";
    declare(&project, &[GROUP, &daily(more)]);
    apply(&project);
    let plan = project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(plan.stdout.starts_with("No changes"), "{}", plan.stdout);
    let less = "    to: [room]\n    revoke_after: 3h\n    track: { until: 50%, for: 2h }\n    on_unknown: resend\n";
    declare(&project, &[GROUP, &daily(less)]);
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    let change = &plan["changes"][0];
    let before_after = |field: &str| {
        (
            change["before"][field].clone(),
            change["after"][field].clone(),
        )
    };
    assert_eq!(before_after("revoke_after"), (json!("2h"), json!("3h")));
    assert_eq!(before_after("on_unknown"), (json!(""), json!("resend")));
    assert_eq!(
        before_after("on_problem"),
        (json!([format!("chat {ROOM}")]), json!([]))
    );
    let track = before_after("track");
    assert_eq!(
        track.0,
        json!({"until": "80%", "for": "24h", "report_to": ["group team"]})
    );
    assert_eq!(
        track.1,
        json!({"until": "50%", "for": "2h", "report_to": []})
    );
}
