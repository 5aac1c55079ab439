//! A runner that dies, at every point between admission and record, and answers that are lost.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{ROOM, at, staffed};
use crate::support::project::{Project, Ran};

/// A folder of its own, with a ledger of its own, at a sandbox that others use as well.
pub(super) struct Case<'a> {
    pub(super) project: &'a Project,
    pub(super) name: String,
}

impl<'a> Case<'a> {
    pub(super) fn new(project: &'a Project, name: &str) -> Self {
        Self {
            project,
            name: name.to_owned(),
        }
    }
}

impl Case<'_> {
    /// A notice to everybody of whom each vendor promises something else, and its problems to the chat.
    pub(super) fn begin(&self, more: &str) {
        self.begin_with(&format!(
            "    to: [team, room]\n    via: [feishu, dingtalk]\n    on_problem: [room]\n{more}"
        ));
    }

    /// A notice with these lines.
    pub(super) fn begin_with(&self, lines: &str) {
        self.apply_saying(
            &format!(
                "{{ text: \"{} {{{{ scheduled | date('%d') }}}}\" }}",
                self.name
            ),
            lines,
        );
        self.run(&["tick", "--now", &at(0, "09:00:00")]).exits(0);
    }

    /// A notice with this message and these lines, at which nobody has looked yet.
    pub(super) fn apply_saying(&self, message: &str, lines: &str) {
        let base = self.project.base_url();
        let start = &at(0, "00:00:00")[..10];
        let text = format!(
            "version: 1
project: {}
{}  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", agent_id: 781348, base_url: \"{base}\" }}
chats:
  room: {{ id: {ROOM} }}
recipient_groups:
  team: {{ feishu: {{ users: [ou_ada, ou_bo] }}, dingtalk: {{ users: [ada, bo] }} }}
recurring_notices:
  review:
    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}
    message: {message}
{lines}",
            self.name.to_lowercase().replace('.', "-"),
            self.project.providers(),
        );
        self.project
            .write(&format!("{}/beadle.yaml", self.name), &text);
        self.run(&["apply", "--auto-approve"]).exits(0);
    }

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        self.dies(args, None)
    }

    pub(super) fn dies(&self, args: &[&str], crash_at: Option<u64>) -> Ran {
        let args = [&["-C", &self.name], args].concat();
        let mut command = self.project.command(&args);
        command.env("BEADLE_TIMEOUT", "2s");
        if let Some(at) = crash_at {
            command.env("BEADLE_CRASH_AT", at.to_string());
        }
        command.output().unwrap().into()
    }

    /// How often the notice of the first day arrived: in the chat, at Feishu's people, at DingTalk's.
    pub(super) fn arrived(&self) -> [usize; 3] {
        self.arrived_of(&at(0, "10:00:00")[8..10])
    }

    /// The same of a day of the month.
    pub(super) fn arrived_of(&self, day: &str) -> [usize; 3] {
        let inbox = self.project.control("GET", "inbox", &Value::Null);
        let mut arrived = [0; 3];
        let text = format!("{} {day}", self.name);
        for (side, holders) in [("chats", &inbox["chats"]), ("people", &inbox["people"])] {
            for holder in holders.as_array().unwrap() {
                for message in holder["messages"].as_array().unwrap() {
                    if message["text"] != text.as_str() || !message["dropped"].is_null() {
                        continue;
                    }
                    let vendor = message["vendor"].as_str().unwrap();
                    arrived[match (side, vendor) {
                        ("chats", _) => 0,
                        (_, "feishu") => 1,
                        _ => 2,
                    }] += 1;
                }
            }
        }
        arrived
    }

    /// Ticks until nothing is open, and checks that the one occurrence has the one outcome that is true.
    fn check(&self, context: &str) {
        for time in ["10:02:00", "10:04:00", "10:06:00"] {
            self.run(&["tick", "--now", &at(0, time)]);
        }
        let quiet = self.run(&["tick", "--now", &at(0, "10:08:00")]).exits(0);
        assert_eq!(quiet.last_line(), "Tick: nothing is due.", "{context}");
        let history = self.run(&["notice", "history", "--format", "json"]).json();
        let occurrences = history["occurrences"].as_array().unwrap();
        assert_eq!(occurrences.len(), 1, "{context}: {occurrences:?}");
        let outcome = occurrences[0]["outcome"].as_str().unwrap();
        let arrived = self.arrived();
        // One to the chat, which has a key; at most one to each of Feishu's people, which has none; one to
        // each at DingTalk, which drops the second.
        match outcome {
            "sent" => assert_eq!(arrived, [1, 2, 2], "{context}"),
            "held" => {
                assert_eq!((arrived[0], arrived[2]), (1, 2), "{context}");
                assert!(arrived[1] <= 2, "{context}: {arrived:?}");
            }
            other => panic!("{context}: {other}"),
        }
        let told = self.told();
        assert_eq!(told, usize::from(outcome == "held"), "{context}: {outcome}");
    }

    /// How often the chat was told of a problem.
    fn told(&self) -> usize {
        let key = format!("recurring_notice.review@{}", at(0, "10:00:00"));
        let shown = self.run(&["notice", "show", &key, "--format", "json"]);
        let shown = shown.exits(0).json();
        let deliveries = shown["deliveries"].as_array().unwrap();
        let words = deliveries.iter().filter(|d| d["purpose"] == "problem");
        words.inspect(|d| assert_eq!(d["state"], "sent")).count()
    }
}

/// Runs something at every crash point in turn, each in a case of its own; returns the points' names.
pub(super) fn sweep(
    begin: impl Fn(&Case<'_>) + Sync,
    args: &[&str],
    check: impl Fn(&Case<'_>, &str) + Sync,
) -> BTreeSet<String> {
    sweep_by_turns(
        begin,
        |_| args.iter().map(|arg| (*arg).to_owned()).collect(),
        check,
    )
}

/// The same with arguments that depend on the case.
pub(super) fn sweep_by_turns(
    begin: impl Fn(&Case<'_>) + Sync,
    args: impl Fn(&Case<'_>) -> Vec<String> + Sync,
    check: impl Fn(&Case<'_>, &str) + Sync,
) -> BTreeSet<String> {
    let run = |case: &Case<'_>, point: u64| {
        let args = args(case);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        case.dies(&args, Some(point))
    };
    let project = staffed();
    let alive = Case::new(&project, "alive");
    begin(&alive);
    let ran = run(&alive, u64::MAX);
    let points = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("crash points: "));
    let points: u64 = points
        .unwrap_or_else(|| panic!("{}", ran.stderr))
        .parse()
        .unwrap();
    assert!(points > 1, "{points}");
    check(&alive, "alive");
    let (next, names) = (AtomicU64::new(1), Mutex::new(BTreeSet::new()));
    let work = || {
        // Each has a sandbox of its own, for its faults meet whoever calls.
        let project = staffed();
        loop {
            let point = next.fetch_add(1, Ordering::SeqCst);
            if point > points {
                return;
            }
            let case = Case::new(&project, &format!("dead-{point}"));
            begin(&case);
            let died = run(&case, point);
            let last = died.stderr.lines().last().unwrap_or_default().to_owned();
            let Some(name) = last.strip_prefix("crash point: ") else {
                panic!("it lives at {point}: {}", died.stderr)
            };
            check(&case, &format!("dead at {point} ({name})"));
            names.lock().unwrap().insert(name.to_owned());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
    names.into_inner().unwrap()
}

/// Fails unless each of these points was died at.
pub(super) fn covers(points: &BTreeSet<String>, names: &[&str]) {
    for name in names {
        for side in ["before", "after"] {
            let point = format!("{side} {name}");
            assert!(points.contains(&point), "{point}: {points:?}");
        }
    }
}

#[test]
fn a_tick_survives_every_death() {
    let now = at(0, "10:00:00");
    let check = |case: &Case<'_>, context: &str| case.check(context);
    let points = sweep(|case| case.begin(""), &["tick", "--now", &now], check);
    for point in [
        "before admit",
        "after admit",
        "before claim",
        "after claim",
        "before send",
        "after send",
        "before end",
        "after end",
        "before conclude",
        "after conclude",
    ] {
        assert!(points.contains(point), "{point}: {points:?}");
    }
}

#[test]
fn a_recall_survives_every_death() {
    let begin = |case: &Case<'_>| {
        case.begin("    revoke_after: 1h\n");
        case.run(&["tick", "--now", &at(0, "10:00:00")]).exits(0);
    };
    let check = |case: &Case<'_>, context: &str| {
        for time in ["11:02:00", "11:04:00", "11:06:00"] {
            case.run(&["tick", "--now", &at(0, time)]);
        }
        case.run(&["tick", "--now", &at(0, "11:08:00")]).exits(0);
        let key = format!("recurring_notice.review@{}", at(0, "10:00:00"));
        let shown = case
            .run(&["notice", "show", &key, "--format", "json"])
            .json();
        for delivery in shown["deliveries"].as_array().unwrap() {
            let state = &delivery["recall"]["state"];
            // A second recall is not documented at DingTalk, so that one is left to a person.
            let unsure = delivery["provider"] == "dingtalk" && *state == json!("held");
            assert!(
                *state == json!("recalled") || unsure,
                "{context}: {delivery}"
            );
        }
    };
    let now = at(0, "11:00:00");
    let points = sweep(begin, &["tick", "--now", &now], check);
    for point in [
        "after recalls",
        "after claim_recall",
        "after recall",
        "before end_recall",
    ] {
        assert!(points.contains(point), "{point}: {points:?}");
    }
}

#[test]
fn a_lost_answer_on_every_send_ends_in_one_outcome() {
    let project = staffed();
    for operation in [
        "createMessage",
        "batchSendMessage",
        "dingtalk.sendWorkNotification",
    ] {
        let case = Case::new(&project, &format!("lost-{operation}"));
        case.begin("");
        project.fault(&format!("lost-reply@{operation}:1"));
        case.run(&["tick", "--now", &at(0, "10:00:00")]).exits(1);
        case.check(operation);
    }
}
