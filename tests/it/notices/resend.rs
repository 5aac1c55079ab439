//! `on_unknown: resend`: rather twice than not at all, and never to everyone.

use super::after::{notice, occurrence, of_day, ready, shown};
use super::{GROUP, at, daily, history, tick};
use crate::support::project::Project;
use serde_json::json;

fn sends(project: &Project, operation: &str) -> Vec<String> {
    let calls = project.calls();
    let sends = calls.iter().filter(|call| call["operation"] == operation);
    sends.map(|call| call["body"].to_string()).collect()
}

fn ticks(project: &Project) {
    for time in ["10:00:00", "10:00:10", "10:00:20", "10:00:30"] {
        tick(project, &at(0, time));
    }
    project.control("POST", "advance", &json!({"seconds": 60}));
}

const RESEND: &str = "    to: [team]\n    via: [feishu]\n    on_unknown: resend\n";

#[test]
fn a_batch_whose_answer_is_lost_is_sent_once_more() {
    let project = ready(&[GROUP, &daily(RESEND)]);
    project.fault("lost-reply@batchSendMessage:1");
    ticks(&project);
    assert_eq!(history(&project), ["sent"]);
    let sends = sends(&project, "batchSendMessage");
    assert_eq!(
        sends,
        [sends[0].clone(), sends[0].clone()],
        "the stored bytes"
    );
    assert_eq!(of_day(&project, "feishu", 0), 4, "Ada and Bo, twice each");
}

#[test]
fn a_batch_whose_answers_are_lost_twice_is_held_until_somebody_says_so() {
    let project = ready(&[GROUP, &daily(RESEND)]);
    project.fault("lost-reply@batchSendMessage");
    ticks(&project);
    assert!(
        history(&project)[0].starts_with("held"),
        "{:?}",
        history(&project)
    );
    assert_eq!(sends(&project, "batchSendMessage").len(), 2);
    // A person's word begins anew, with the consent of the notice: two more, and it is held again.
    let key = occurrence(0);
    let settle = ["settle", &key, "--resend", "--auto-approve"];
    notice(&project, &settle).exits(1);
    for minutes in [5, 10] {
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        tick(&project, &later.to_string());
    }
    assert!(
        history(&project)[0].starts_with("held"),
        "{:?}",
        history(&project)
    );
    assert_eq!(sends(&project, "batchSendMessage").len(), 4);
    let shown = shown(&project, &key);
    assert_eq!(shown["settlements"].as_array().unwrap().len(), 1);
    project.no_faults();
    notice(&project, &settle).exits(0);
    assert_eq!(history(&project), ["sent"]);
    assert_eq!(sends(&project, "batchSendMessage").len(), 5);
}

#[test]
fn what_goes_to_everyone_is_never_sent_again() {
    let group = "recipient_groups:\n  all: { dingtalk: { everyone: true } }\n";
    let to = "    to: [all]\n    audience: large\n    on_unknown: resend\n";
    let project = ready(&[group, &daily(to)]);
    project.fault("lost-reply@dingtalk.sendWorkNotification:1");
    ticks(&project);
    assert!(
        history(&project)[0].starts_with("held"),
        "{:?}",
        history(&project)
    );
    assert_eq!(sends(&project, "dingtalk.sendWorkNotification").len(), 1);
    assert_eq!(of_day(&project, "dingtalk", 0), 2, "Ada and Bo, once each");
}
