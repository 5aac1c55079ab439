//! What may have been sent, and may be sent again: how often that is tried, and who says when.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ROOM, arrived, at, history, staffed};
use crate::support::project::{Project, Ran};

/// A notice every day at ten by one provider, with these lines more.
fn noticing(via: &str, more: &str) -> Project {
    let project = staffed();
    let people = json!([{"enos_user_id": "u1", "name": "Cy"}]);
    project.control("POST", "users", &people);
    let base = project.base_url();
    let start = &at(0, "00:00:00")[..10];
    let to = if via == "feishu" { "room" } else { "team" };
    let text = format!(
        "version: 1
{}  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", agent_id: 781348, base_url: \"{base}\" }}
  enos: {{ base_url: \"{base}\", org_id: o_sandbox, app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\" }}
chats:
  room: {{ id: {ROOM} }}
recipient_groups:
  team: {{ dingtalk: {{ users: [ada, bo] }}, enos: {{ users: [u1] }} }}
recurring_notices:
  review:
    to: [{to}]
    via: [{via}]
    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}
    message: {{ text: \"See you on {{{{ scheduled | date('%m-%d') }}}}\" }}
    {more}
",
        project.providers()
    );
    project.write("beadle.yaml", &text);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project
}

fn tick(project: &Project, second: i64) -> Ran {
    let time = format!(
        "{:02}:{:02}:{:02}",
        10 + second / 3_600,
        second / 60 % 60,
        second % 60
    );
    project.beadle(&["tick", "--now", &at(0, &time), "--retry-wait", "1ms"])
}

fn calls(project: &Project, operation: &str) -> usize {
    let calls = project.calls();
    calls.iter().filter(|c| c["operation"] == operation).count()
}

/// Of the seconds after it fired at which somebody looks, those at which something was sent, until it ends.
fn tried(project: &Project, operation: &str, looks: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut tried = Vec::new();
    let mut before = calls(project, operation);
    for second in looks {
        let ran = tick(project, second);
        let now = calls(project, operation);
        // A try may be a few calls, one right after the other.
        assert!(now <= before + 5, "{} calls in a round", now - before);
        if now > before {
            tried.push(second);
        }
        before = now;
        if !ran.stderr.contains("still open") {
            break;
        }
    }
    tried
}

#[test]
fn enos_is_asked_a_few_times_and_not_without_end() {
    let project = noticing("enos", "");
    project.fault("lost-reply@enos.produceNoticeMessages");
    // Each tick is another process, and nothing begins anew.
    let looks = [
        0, 5, 9, 10, 29, 30, 69, 70, 149, 150, 309, 310, 629, 630, 889, 890, 900, 901, 1_200,
    ];
    let tried = tried(&project, "enos.produceNoticeMessages", looks);
    assert_eq!(tried, [0, 10, 30, 70, 150, 310, 630, 890]);
    assert!(
        history(&project)[0].starts_with("held produceNoticeMessages: unknown outcome"),
        "{:?}",
        history(&project)
    );
    // Somebody has it, once.
    assert_eq!(arrived(&project).len(), 1, "{:?}", arrived(&project));
    // When it is over, it is over.
    tick(&project, 3_600);
    assert_eq!(calls(&project, "enos.produceNoticeMessages"), 8 * 5);
}

#[test]
fn a_vendor_that_comes_back_is_found_within_what_it_was_away() {
    let project = noticing("enos", "late: 1h");
    project.fault("5xx-after@enos.produceNoticeMessages:1-12");
    let looks = [0, 9, 10, 29, 30, 69, 70, 149, 150, 200];
    let tried = tried(&project, "enos.produceNoticeMessages", looks);
    assert_eq!(tried, [0, 10, 30, 70, 150]);
    assert_eq!(history(&project), ["sent"]);
    assert_eq!(arrived(&project).len(), 1, "{:?}", arrived(&project));
}

#[test]
fn a_message_to_a_chat_is_tried_a_few_times_within_its_hour() {
    let project = noticing("feishu", "late: 6h");
    project.fault("lost-reply@createMessage");
    let tried = tried(&project, "createMessage", (0..=120).map(|n| 60 * n));
    assert!((5..=10).contains(&tried.len()), "{tried:?}");
    assert!(tried.iter().all(|second| *second < 55 * 60), "{tried:?}");
    assert!(*tried.last().unwrap() >= 40 * 60, "{tried:?}");
    assert!(history(&project)[0].starts_with("held createMessage: unknown outcome"));
    assert_eq!(arrived(&project).len(), 1, "{:?}", arrived(&project));
}

#[test]
fn dingtalk_spends_a_few_calls_of_the_month_and_no_more() {
    let project = noticing("dingtalk", "late: 5h");
    project.fault("lost-reply@dingtalk.sendWorkNotification");
    let tried = tried(
        &project,
        "dingtalk.sendWorkNotification",
        (0..=72).map(|n| 300 * n),
    );
    // Five hours with a quarter of an hour between, after the first ones.
    assert!((20..=30).contains(&tried.len()), "{tried:?}");
    let waits: Vec<_> = tried.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits.iter().all(|wait| *wait <= 15 * 60 + 300), "{waits:?}");
    assert!(
        history(&project)[0].starts_with("held"),
        "{:?}",
        history(&project)
    );
}

#[test]
fn who_looks_is_told_when_it_is_tried_again() {
    let project = noticing("enos", "");
    project.fault("lost-reply@enos.produceNoticeMessages");
    let again = format!("tried again from {} on", at(0, "10:00:10"));
    let first = tick(&project, 0).exits(1);
    assert!(
        first.stderr.contains(&format!("still open, {again}")),
        "{}",
        first.stderr
    );
    let before = calls(&project, "enos.produceNoticeMessages");
    let early = tick(&project, 5).exits(1);
    assert!(early.stderr.contains(&again), "{}", early.stderr);
    assert_eq!(calls(&project, "enos.produceNoticeMessages"), before);
    let occurrence = format!("recurring_notice.review@{}", at(0, "10:00:00"));
    // Who looks does so by the clock of the wall, which is at that time.
    let look = |args: &[&str]| -> Ran {
        let then: Timestamp = at(0, "10:00:06").parse().unwrap();
        let ahead = then.duration_since(Timestamp::now()).as_secs().to_string();
        let mut command = project.command(args);
        command.env("BEADLE_CLOCK_AHEAD", ahead);
        Ran::from(command.output().unwrap()).exits(0)
    };
    let json = |args: &[&str]| look(&[args, &["--format", "json"]].concat()).json();
    let shown = look(&["notice", "show", &occurrence]);
    assert!(shown.stdout.contains(&again), "{}", shown.stdout);
    let next: Value = json!(at(0, "10:00:10"));
    let shown = json(&["notice", "show", &occurrence]);
    assert_eq!(shown["next_try"], next, "{shown:#}");
    assert_eq!(shown["deliveries"][0]["next_try"], next, "{shown:#}");
    assert_eq!(
        json(&["notice", "history"])["occurrences"][0]["next_try"],
        next
    );
    let coming = json(&["notice", "next"]);
    assert_eq!(coming["tries"][0]["next_try"], next, "{coming:#}");
    assert_eq!(coming["tries"][0]["occurrence"], json!(occurrence));
    let coming = look(&["notice", "next"]);
    let line = coming
        .stdout
        .lines()
        .find(|line| line.contains("tried again"));
    assert!(
        line.is_some_and(|line| line.contains("recurring_notice.review")),
        "{}",
        coming.stdout
    );
    // What has ended is not tried again, and nobody says so.
    project.no_faults();
    tick(&project, 10).exits(0);
    let shown = look(&["notice", "show", &occurrence]);
    assert!(!shown.stdout.contains("tried again"), "{}", shown.stdout);
    assert_eq!(json(&["notice", "next"])["tries"], json!([]));
}
