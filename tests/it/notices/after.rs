//! What follows a send: settling, taking back, pausing, sending by hand, and being told of problems.

use serde_json::{Value, json};

use super::{GROUP, ROOM, TO_ALL, apply, arrived, at, daily, declare, history, staffed, tick};
use crate::support::project::{Project, Ran};

/// A project with this notice applied and its first day before it.
pub(super) fn ready(blocks: &[&str]) -> Project {
    let project = staffed();
    declare(&project, blocks);
    apply(&project);
    tick(&project, &at(0, "09:00:00")).exits(0);
    project
}

pub(super) fn occurrence(days: i64) -> String {
    format!("recurring_notice.review@{}", at(days, "10:00:00"))
}

pub(super) fn notice(project: &Project, args: &[&str]) -> Ran {
    project.beadle(&[&["notice"], args].concat())
}

pub(super) fn shown(project: &Project, what: &str) -> Value {
    let args = ["show", what, "--format", "json"];
    notice(project, &args).exits(0).json()
}

/// How many messages of that day arrived, by vendor.
pub(super) fn of_day(project: &Project, vendor: &str, days: i64) -> usize {
    let day = &at(days, "10:00:00")[5..10];
    let lines = arrived(project);
    let ours = |line: &&String| line.starts_with(vendor) && line.ends_with(day);
    lines.iter().filter(ours).count()
}

/// Lets the one batch of the first day be held.
fn held() -> Project {
    let project = ready(&[GROUP, &daily("    to: [team]\n    via: [feishu]\n")]);
    project.fault("lost-reply@batchSendMessage:1");
    tick(&project, &at(0, "10:00:00")).exits(1);
    tick(&project, &at(0, "10:00:10")).exits(1);
    assert!(
        history(&project)[0].starts_with("held"),
        "{:?}",
        history(&project)
    );
    project
}

#[test]
fn what_is_held_is_settled_by_a_person_alone() {
    let project = held();
    let key = occurrence(0);
    let settle = |word: &str| notice(&project, &["settle", &key, word, "--auto-approve"]);
    // Without consent nothing is written; two words are no word.
    let refused = notice(&project, &["settle", &key, "--sent"]).exits(1);
    assert!(
        refused.stderr.contains("--auto-approve"),
        "{}",
        refused.stderr
    );
    notice(&project, &["settle", &key, "--sent", "--resend"]).exits(64);
    notice(&project, &["settle", &key]).exits(64);
    notice(&project, &["settle", "recurring_notice.review", "--sent"]).exits(64);
    let missing = occurrence(1);
    notice(&project, &["settle", &missing, "--sent", "--auto-approve"]).exits(1);
    assert!(history(&project)[0].starts_with("held"));
    settle("--sent").exits(0);
    let told = &shown(&project, &key);
    assert_eq!(told["outcome"], "sent");
    assert_eq!(told["settlements"][0]["word"], "sent");
    assert!(
        told["settlements"][0]["held_for"]
            .as_str()
            .unwrap()
            .contains("unknown outcome")
    );
    let again = settle("--not-sent").exits(1);
    assert!(
        again.stderr.contains("is sent, and only"),
        "{}",
        again.stderr
    );
    tick(&project, &at(0, "10:01:00")).exits(0);
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(of_day(&project, "feishu", 0), 2);
}

#[test]
fn what_was_not_sent_is_left_at_that_and_what_is_sent_again_ends_once_more() {
    let project = held();
    let key = occurrence(0);
    notice(&project, &["settle", &key, "--not-sent", "--auto-approve"]).exits(0);
    assert!(history(&project)[0].starts_with("refused"));

    let project = held();
    let ran = notice(&project, &["settle", &key, "--resend", "--auto-approve"]).exits(0);
    assert_eq!(ran.last_line(), format!("{key}: sent"));
    let human = notice(&project, &["history"]).exits(0);
    assert!(
        human.stdout.contains("settled as resend by"),
        "{}",
        human.stdout
    );
    // The lost one had arrived: this is what a person took into account.
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(of_day(&project, "feishu", 0), 4);
    let calls = project.calls();
    let sends = calls
        .iter()
        .filter(|call| call["operation"] == "batchSendMessage");
    let bodies: Vec<_> = sends.map(|call| call["body"].to_string()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1], "the stored bytes are sent");
}

#[test]
fn what_was_sent_is_taken_back_where_the_vendor_lets_it_be() {
    let project = ready(&[GROUP, &daily(TO_ALL)]);
    tick(&project, &at(0, "10:00:00")).exits(0);
    project.control("POST", "advance", &json!({"seconds": 60}));
    let key = occurrence(0);
    assert_eq!(of_day(&project, "", 0), 5);
    notice(&project, &["revoke", &key]).exits(1);
    assert_eq!(of_day(&project, "", 0), 5);
    let ran = notice(&project, &["revoke", &key, "--auto-approve"]).exits(0);
    assert_eq!(ran.last_line(), "Taken back: 3 of 3.");
    project.control("POST", "advance", &json!({"seconds": 60}));
    let told = shown(&project, &key);
    assert_eq!(told["recalled"], 3);
    assert_eq!(told["outcome"], "sent", "what was sent was sent");
    let calls = project.calls();
    let recalls = |operation: &str| calls.iter().filter(|c| c["operation"] == operation).count();
    let asked = [
        "recallMessage",
        "recallBatchMessage",
        "dingtalk.recallWorkNotification",
    ]
    .map(recalls);
    assert_eq!(asked.iter().sum::<usize>(), 3, "{asked:?}");
    // Once is enough.
    let again = notice(&project, &["revoke", &key, "--auto-approve"]).exits(0);
    assert!(
        again.stderr.contains("asked for before"),
        "{}",
        again.stderr
    );
    notice(&project, &["revoke", &occurrence(3), "--auto-approve"]).exits(1);
    project.check_contract();
}

#[test]
fn a_notice_that_stands_for_two_hours_is_taken_back_after_them() {
    let project = ready(&[&daily("    to: [room]\n    revoke_after: 2h\n")]);
    tick(&project, &at(0, "10:00:00")).exits(0);
    tick(&project, &at(0, "11:59:59")).exits(0);
    assert_eq!(shown(&project, &occurrence(0))["recalled"], 0);
    let ran = tick(&project, &at(0, "12:00:00")).exits(0);
    assert!(ran.stderr.contains("taken back"), "{}", ran.stderr);
    assert_eq!(shown(&project, &occurrence(0))["recalled"], 1);
    // After a lost answer it is asked for again: what is gone is gone.
    tick(&project, &at(1, "10:00:00")).exits(0);
    project.fault("lost-reply@recallMessage:1");
    tick(&project, &at(1, "12:00:00")).exits(0);
    assert_eq!(shown(&project, &occurrence(1))["recalled"], 1);
}

#[test]
fn a_recall_of_which_no_answer_comes_waits_across_restarts_and_is_asked_for_again() {
    let project = ready(&[&daily("    to: [room]\n    revoke_after: 2h\n")]);
    tick(&project, &at(0, "10:00:00")).exits(0);
    let quick = |time: &str| {
        let now = at(0, time);
        project.beadle(&[
            "tick",
            "--now",
            &now,
            "--timeout",
            "1s",
            "--retry-wait",
            "1ms",
        ])
    };
    let asked = || {
        let calls = project.calls();
        let asked = calls.iter().filter(|c| c["operation"] == "recallMessage");
        asked.count()
    };
    project.fault("lost-reply@recallMessage");
    let unsure = quick("12:00:00");
    assert!(
        unsure.stderr.contains("not taken back: unknown"),
        "{unsure:?}"
    );
    let first = asked();
    assert!(first > 0);
    // Each of these is a process of its own.
    quick("12:00:05");
    assert_eq!(asked(), first, "it is not time yet");
    quick("12:00:12");
    let second = asked();
    assert!(second > first, "it is time");
    project.no_faults();
    quick("12:00:25");
    assert_eq!(asked(), second, "the wait has doubled");
    quick("12:00:35").exits(0);
    assert_eq!(asked(), second + 1);
    assert_eq!(shown(&project, &occurrence(0))["recalled"], 1);
    project.check_contract();
}

#[test]
fn a_paused_notice_is_skipped_and_applying_does_not_lift_it() {
    let project = ready(&[GROUP, &daily(TO_ALL)]);
    let pause = ["pause", "recurring_notice.review"];
    notice(&project, &pause).exits(1);
    notice(
        &project,
        &["pause", "recurring_notice.review", "--auto-approve"],
    )
    .exits(0);
    notice(
        &project,
        &["pause", "recurring_notice.rewiev", "--auto-approve"],
    )
    .exits(1);
    let over = [
        "pause",
        "recurring_notice.review",
        "--until",
        "2026-01-01T00:00:00Z",
    ];
    notice(&project, &over).exits(64);
    let list = notice(&project, &["list"]).exits(0).stdout;
    assert!(list.contains("paused") && list.contains("never"), "{list}");
    declare(
        &project,
        &[GROUP, &daily(&format!("{TO_ALL}    late: 20m\n"))],
    );
    let planned = project.beadle(&["plan"]).exits(0);
    assert!(
        planned.stderr.contains("recurring_notice.review is paused"),
        "{}",
        planned.stderr
    );
    apply(&project);
    tick(&project, &at(0, "10:00:00")).exits(0);
    assert_eq!(history(&project), ["skipped paused"]);
    let next = notice(&project, &["next"]).exits(0).stdout;
    assert!(next.contains("paused"), "{next}");
    notice(
        &project,
        &["resume", "recurring_notice.review", "--auto-approve"],
    )
    .exits(0);
    notice(
        &project,
        &["resume", "recurring_notice.review", "--auto-approve"],
    )
    .exits(1);
    let until = at(2, "00:00:00");
    let pause = [
        "pause",
        "recurring_notice.review",
        "--until",
        &until,
        "--auto-approve",
    ];
    notice(&project, &pause).exits(0);
    let list = notice(&project, &["list"]).exits(0).stdout;
    assert!(list.contains(&format!("paused until {until}")), "{list}");
    tick(&project, &at(1, "10:00:00")).exits(0);
    tick(&project, &at(2, "10:00:00")).exits(0);
    assert_eq!(
        history(&project),
        ["sent", "skipped paused", "skipped paused"]
    );
}

#[test]
fn a_notice_is_sent_by_hand_to_all_or_to_one_and_a_dry_run_sends_nothing() {
    let project = ready(&[GROUP, &daily(TO_ALL)]);
    let send = |args: &[&str]| {
        notice(
            &project,
            &[&["send", "recurring_notice.review"], args].concat(),
        )
    };
    let before = arrived(&project).len();
    let dry = send(&["--dry-run", "--format", "json"]).exits(0).json();
    let deliveries = dry["deliveries"].as_array().unwrap();
    let by = |d: &Value| {
        format!(
            "{} {}",
            d["provider"].as_str().unwrap(),
            d["to"].as_array().unwrap().len()
        )
    };
    let all: Vec<_> = deliveries.iter().map(by).collect();
    assert_eq!(all, ["dingtalk 2", "feishu 1", "feishu 2"]);
    let human = send(&["--dry-run"]).exits(0).stdout;
    assert!(human.contains("receive_id"), "{human}");
    send(&[]).exits(1);
    send(&["--to", "ou_nobody", "--auto-approve"]).exits(1);
    assert_eq!(
        (arrived(&project).len(), history(&project).len()),
        (before, 0)
    );
    let one = send(&["--to", "ou_bo", "--auto-approve"]).exits(0);
    assert!(one.last_line().ends_with(": sent"), "{}", one.stdout);
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project).len(), before + 1);
    send(&["--auto-approve"]).exits(0);
    project.control("POST", "advance", &json!({"seconds": 60}));
    assert_eq!(arrived(&project).len(), before + 6);
    let told = notice(&project, &["history"]).exits(0).stdout;
    assert_eq!(told.matches("sent by hand by").count(), 2, "{told}");
    // The schedule goes on as if nothing had been.
    tick(&project, &at(0, "10:00:00")).exits(0);
    assert_eq!(history(&project).len(), 3);
}

#[test]
fn who_hears_of_problems_is_told_where_they_are() {
    let group = "recipient_groups:\n  ops: { dingtalk: { users: [bo] } }\n";
    let project = ready(&[
        group,
        &daily("    to: [oc_ffffffffffffffffffffffffffffffff]\n    on_problem: [ops, room]\n"),
    ]);
    tick(&project, &at(0, "10:00:00")).exits(1);
    tick(&project, &at(0, "10:01:00")).exits(0);
    tick(&project, &at(1, "10:16:00")).exits(1);
    project.control("POST", "advance", &json!({"seconds": 60}));
    let told = arrived(&project);
    let of = |who: &str, what: &str| {
        let ours = told
            .iter()
            .filter(|line| line.starts_with(who) && line.contains(what));
        ours.count()
    };
    for who in [format!("feishu {ROOM}"), "dingtalk ou_bo".to_owned()] {
        assert_eq!(of(&who, "recurring_notice.review, due"), 2, "{told:?}");
        assert_eq!(
            (of(&who, ": refused ("), of(&who, ": missed (too late)")),
            (1, 1)
        );
    }
    // What was told is shown with the occurrence, and is no part of its outcome.
    let shown = shown(&project, &occurrence(0));
    assert_eq!(shown["outcome"], "refused");
    assert_eq!(shown["deliveries"].as_array().unwrap().len(), 3);
}

#[test]
fn a_notice_that_goes_while_something_waits_takes_it_along_and_a_new_name_sends_nothing_twice() {
    let project = ready(&[GROUP, &daily(TO_ALL)]);
    project.fault("refuse@createMessage:1");
    tick(&project, &at(0, "10:00:00")).exits(1);
    project.no_faults();
    let sent = arrived(&project).len();
    let renamed = daily(TO_ALL).replace("  review:", "  retro:\n    moved_from: review");
    declare(&project, &[GROUP, &renamed]);
    apply(&project);
    tick(&project, &at(0, "10:05:00")).exits(0);
    assert_eq!(arrived(&project).len(), sent + 1, "what waited is sent");
    assert_eq!(history(&project).len(), 1, "its past follows it");
    tick(&project, &at(1, "10:00:00")).exits(0);
    assert_eq!(history(&project)[0], "sent");
}

#[test]
fn whom_a_vendor_does_not_take_is_told_with_the_line_that_lists_them() {
    let group = "recipient_groups:\n  team:\n    feishu:\n      users:\n        - ou_bo\n        - ou_gone\n";
    let project = ready(&[group, &daily("    to: [team]\n    via: [feishu]\n")]);
    let ran = tick(&project, &at(0, "10:00:00")).exits(1);
    let text = project.read("beadle.yaml");
    let line = text
        .lines()
        .position(|line| line.contains("ou_gone"))
        .unwrap()
        + 1;
    let place = format!("(beadle.yaml:{line}:11)");
    assert!(ran.stderr.contains(&place), "{}", ran.stderr);
    let show = notice(&project, &["show", &occurrence(0)]).exits(0).stdout;
    assert!(show.contains("ou_gone") && show.contains(&place), "{show}");
}

#[test]
fn a_notice_that_is_deleted_takes_along_what_waits() {
    let mut project = ready(&[&daily("    to: [room]\n")]);
    project.stop_sandbox();
    tick(&project, &at(0, "10:00:00")).exits(1);
    project.restart_sandbox();
    declare(&project, &[GROUP]);
    apply(&project);
    let last = tick(&project, &at(0, "10:05:00")).exits(0);
    assert_eq!(last.last_line(), "Tick: 1 occurrence: 1 skipped.");
    assert_eq!(
        history(&project),
        ["skipped the notice is no longer registered"]
    );
    assert_eq!(arrived(&project), Vec::<String>::new());
    let none = tick(&project, &at(0, "10:06:00")).exits(1);
    assert!(none.stderr.contains("holds no notice"), "{}", none.stderr);
}

#[test]
fn who_ticks_once_a_day_follows_what_is_followed_for_a_day() {
    let project = staffed();
    let tracked = "    to: [team]\n    via: [feishu]\n    track: { until: 80%, for: 24h, report_to: [room] }\n";
    declare(&project, &[GROUP, &daily(tracked)]);
    apply(&project);
    tick(&project, &at(0, "10:00:00")).exits(0);
    tick(&project, &at(1, "10:05:00")).exits(0);
    let key = format!("recurring_notice.review@{}", at(0, "10:00:00"));
    let told = project.beadle(&["notice", "report", &key]).exits(0);
    assert!(told.stdout.contains("followed until"), "{}", told.stdout);
}
