//! Faults that show only in a whole run: somebody who is ended in the middle of ending, a panic, zones whose
//! rules change, places that are lost on the way, and sends that were accepted for nothing.

use std::process::{Child, Command, Stdio};

use beadle::engine::outbox::{NewDelivery, Occurrence, Outcome};
use beadle::engine::runner::{Due, Firing, Notice, Uncomposed, due};
use beadle::model::Address;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, ROOM, Ran};

const PROGRESS: &str = "  progress:
    tasklist: release
    subscribers: [release-room]
    events: [task.added]
";

const CREATE: &str = "createTasklistActivitySubscription";

/// What the sandbox takes for the app's secret, which nobody may be shown.
const SECRET: &str = "sandbox-secret";

fn started(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Reads what the child says until it says this.
fn wait_for_words(child: &mut Child, words: &str) {
    use std::io::BufRead;
    let talk = std::io::BufReader::new(child.stderr.as_mut().unwrap());
    let mut lines = talk.lines().map(Result::unwrap);
    assert!(
        lines.any(|line| line.contains(words)),
        "the child never said {words:?}"
    );
}

fn converged(project: &Project) {
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

/// So many days after tomorrow, at that time.
fn at(days: i64, time: &str) -> String {
    let day = Timestamp::now() + (24 * (days + 1)).hours();
    format!("{}T{time}Z", day.strftime("%Y-%m-%d"))
}

/// A project with two people, and a notice at ten to them and to the room, each on its own.
fn noticed(zone: &str) -> Project {
    let project = Project::empty();
    let people = json!([{"open_id": "ou_ada", "name": "Ada"}, {"open_id": "ou_bo", "name": "Bo"}]);
    project.control("POST", "users", &people);
    let start = &at(0, "00:00:00")[..10];
    let mut text = format!(
        "version: 1\n{}chats:\n  room: {{ id: {ROOM} }}\nrecipient_groups:\n  team:\n    feishu: {{ users: [ou_ada, ou_bo] }}\nrecurring_notices:\n",
        project.providers()
    );
    for (name, to) in [("keyed", "room"), ("unkeyed", "team")] {
        text += &format!(
            "  {name}:\n    to: [{to}]\n    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: {zone} }}\n    message: {{ text: \"{name} {{{{ scheduled | date('%d %H:%M') }}}}\" }}\n"
        );
    }
    project.write("beadle.yaml", &text);
    project
}

/// Everything that arrived of the notices, a line each, sorted.
fn arrived(project: &Project) -> Vec<String> {
    project.control("POST", "advance", &json!({"seconds": 60}));
    let inbox = project.control("GET", "inbox", &Value::Null);
    let mut lines = Vec::new();
    for side in ["people", "chats"] {
        for holder in inbox[side].as_array().unwrap() {
            for message in holder["messages"].as_array().unwrap() {
                let text = message["text"].as_str().unwrap();
                lines.push(format!("{}: {text}", holder["id"].as_str().unwrap()));
            }
        }
    }
    lines.sort();
    lines
}

fn outcomes(project: &Project) -> Vec<(String, String)> {
    let shown = project
        .beadle(&["notice", "history", "--format", "json"])
        .exits(0)
        .json();
    let word = |value: &Value| value.as_str().unwrap_or("open").to_owned();
    let occurrences = shown["occurrences"].as_array().unwrap().iter();
    let mut found: Vec<_> = occurrences
        .map(|o| (word(&o["notice"]), word(&o["outcome"])))
        .collect();
    found.sort();
    found
}

#[test]
fn who_is_asked_to_end_and_then_killed_leaves_what_a_kill_leaves() {
    for hold in ["hold-before", "hold-after"] {
        let project = Project::new(&format!(
            "{PROGRESS}{}",
            PROGRESS.replace("progress", "second")
        ));
        project.fault(&format!("{hold}@{CREATE}:1"));
        let mut first = started(&mut project.command(&["apply", "--auto-approve"]));
        project.wait_until_held(1);
        project.signal(&first, "TERM");
        wait_for_words(&mut first, "Stopping");
        first.kill().unwrap();
        first.wait().unwrap();
        project.release();
        project.no_faults();
        let next = project.beadle(&["apply", "--auto-approve"]).exits(0);
        assert!(next.stderr.contains("Settled"), "{hold}: {}", next.stderr);
        assert_eq!(
            project.live_names(RELEASE),
            ["progress", "second"],
            "{hold}"
        );
        converged(&project);
    }
}

#[test]
fn a_tick_that_is_asked_to_end_and_then_killed_sends_nothing_twice() {
    let project = noticed("UTC");
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.fault("hold-after@createMessage:1");
    project.fault("hold-after@batchSendMessage:1");
    let mut tick = started(&mut project.command(&["tick", "--now", &at(0, "10:00:00")]));
    project.wait_until_held(2);
    project.signal(&tick, "TERM");
    wait_for_words(&mut tick, "Stopping");
    tick.kill().unwrap();
    tick.wait().unwrap();
    project.release();
    project.no_faults();
    for time in ["10:03:00", "10:04:00"] {
        project.beadle(&["tick", "--now", &at(0, time)]);
    }
    let day = &at(0, "10:00:00")[8..10];
    let expected = [
        format!("{ROOM}: keyed {day} 10:00"),
        format!("ou_ada: unkeyed {day} 10:00"),
        format!("ou_bo: unkeyed {day} 10:00"),
    ];
    assert_eq!(arrived(&project), expected);
    let words = outcomes(&project);
    let words: Vec<_> = words.iter().map(|(_, word)| word.as_str()).collect();
    assert_eq!(
        words,
        ["sent", "held"],
        "where the channel knows no key a person says"
    );
}

/// How many points there are at which a command may panic.
fn points(ran: &Ran) -> u64 {
    let said = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("crash points: "));
    said.unwrap().parse().unwrap()
}

fn panicking(project: &Project, at: u64, args: &[&str]) -> Ran {
    let mut command = project.command(args);
    command
        .env("BEADLE_PANIC_AT", at.to_string())
        .env("RUST_BACKTRACE", "full")
        .env("BEADLE_SETTLE_GRACE", "100ms");
    Ran::from(command.output().unwrap())
}

#[test]
fn an_apply_in_which_something_panics_says_so_without_a_secret_and_the_next_one_converges() {
    let both = format!("{PROGRESS}{}", PROGRESS.replace("progress", "second"));
    let apply = ["apply", "--auto-approve", "-vvv"];
    let all = points(&panicking(&Project::new(&both), u64::MAX, &apply).exits(0));
    assert!(all > 10, "{all}");
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (both, apply) = (&both, &apply);
            scope.spawn(move || {
                for point in (1..=all).filter(|point| point % 4 == part) {
                    let project = Project::new(both);
                    let first = panicking(&project, point, apply).exits(101);
                    assert!(
                        first.stderr.contains("panicked at"),
                        "{point}: {}",
                        first.stderr
                    );
                    for said in [&first.stdout, &first.stderr] {
                        assert!(!said.contains(SECRET), "{point}: {said}");
                        assert!(!said.contains("Bearer t-"), "{point}: {said}");
                    }
                    // At once: whoever panicked is known to be gone.
                    project.beadle(&["apply", "--auto-approve"]).exits(0);
                    assert_eq!(
                        project.live_names(RELEASE),
                        ["progress", "second"],
                        "{point}"
                    );
                    converged(&project);
                }
            });
        }
    });
}

#[test]
fn a_tick_in_which_something_panics_loses_nothing_and_sends_nothing_twice() {
    let tick = ["tick", "--now", &at(0, "10:00:00"), "-vvv"];
    let ready = || {
        let project = noticed("UTC");
        project.beadle(&["apply", "--auto-approve"]).exits(0);
        project
    };
    let all = points(&panicking(&ready(), u64::MAX, &tick).exits(0));
    assert!(all > 10, "{all}");
    let day = &at(0, "10:00:00")[8..10];
    let expected = [
        format!("{ROOM}: keyed {day} 10:00"),
        format!("ou_ada: unkeyed {day} 10:00"),
        format!("ou_bo: unkeyed {day} 10:00"),
    ];
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (ready, tick, expected) = (&ready, &tick, &expected);
            scope.spawn(move || {
                for point in (1..=all).filter(|point| point % 4 == part) {
                    let project = ready();
                    let first = panicking(&project, point, tick).exits(101);
                    for said in [&first.stdout, &first.stderr] {
                        assert!(!said.contains(SECRET), "{point}: {said}");
                    }
                    for time in ["10:05:00", "10:06:00"] {
                        project.beadle(&["tick", "--now", &at(0, time)]);
                    }
                    let outcomes = outcomes(&project);
                    let held = outcomes.iter().filter(|(_, word)| word == "held").count();
                    let came = arrived(&project);
                    match held {
                        // It may have been sent before the panic, and a person has to say.
                        1 => assert!(
                            came == *expected || came == expected[..1],
                            "{point}: {came:?}"
                        ),
                        _ => assert_eq!(came, *expected, "{point}: {outcomes:?}"),
                    }
                    assert!(
                        outcomes
                            .iter()
                            .all(|(_, word)| ["sent", "held"].contains(&word.as_str())),
                        "{point}: {outcomes:?}"
                    );
                    assert_eq!(outcomes.len(), 2, "{point}: {outcomes:?}");
                }
            });
        }
    });
}

/// A notice at ten in a place that is so many hours from Greenwich, by the zone data of this beadle.
struct Office {
    address: Address,
    hours: i64,
}

impl Notice for Office {
    fn address(&self) -> &Address {
        &self.address
    }

    fn revision(&self) -> &str {
        "r1"
    }

    fn applied_at(&self) -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    fn late(&self) -> SignedDuration {
        SignedDuration::from_mins(15)
    }

    fn revoke_after(&self) -> Option<SignedDuration> {
        None
    }

    fn firings(&self, from: Timestamp, until: Timestamp) -> Vec<Firing> {
        let first: Timestamp = "2026-12-01T10:00:00Z".parse().unwrap();
        let days = (0..30).map(|day| first + (24 * day - self.hours).hours());
        let due = days.filter(|at| (from + 1.nanosecond()..=until).contains(at));
        due.map(|at| Firing {
            nominal: at,
            at,
            skip: None,
        })
        .collect()
    }

    fn nothing_before(&self, after: Timestamp) -> Option<Timestamp> {
        Some(after)
    }

    fn compose(&self, _: &Firing) -> Result<Vec<NewDelivery>, Uncomposed> {
        Ok(Vec::new())
    }

    fn problem(&self, _: &Occurrence) -> Result<Vec<NewDelivery>, String> {
        Ok(Vec::new())
    }
}

/// The zone data is part of the binary: it changes with another beadle, between two looks.
#[test]
fn zone_data_that_changes_moves_what_comes_and_no_instant_comes_twice() {
    let mut handled = None;
    let mut look = |hours: i64, now: &str| {
        let office = Office {
            address: "recurring_notice.office".parse().unwrap(),
            hours,
        };
        let now = format!("2026-12-{now}:00Z").parse().unwrap();
        let Due {
            until, admissions, ..
        } = due(&office, handled, now);
        handled = Some(until);
        let told = admissions.iter().map(|a| {
            let missed = matches!(a.outcome, Some((Outcome::Missed, _)));
            let word = if missed { "missed" } else { "due" };
            format!("{} {word}", a.nominal.strftime("%d %H:%M"))
        });
        told.collect::<Vec<_>>()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(look(8, "01T01:59"), nothing);
    assert_eq!(look(8, "01T02:00"), ["01 02:00 due"]);
    // An hour to the east: what comes is earlier, and what was is over.
    assert_eq!(look(9, "01T12:00"), nothing);
    assert_eq!(look(9, "02T01:00"), ["02 01:00 due"]);
    assert_eq!(look(9, "02T02:00"), nothing);
    // And back: ten o'clock comes once more on that day, and is as late as it is.
    assert_eq!(look(8, "02T12:00"), ["02 02:00 missed"]);
    assert_eq!(look(8, "02T12:01"), nothing);
    assert_eq!(look(8, "03T01:00"), nothing);
    assert_eq!(look(8, "03T02:00"), ["03 02:00 due"]);
}

#[test]
fn a_place_that_is_lost_in_the_middle_of_an_apply_fails_that_tasklist_alone() {
    const ROADMAP: &str = "0b4f1b0e-6d3e-4a55-9a4a-3f0b8d5e7c11";
    let project = Project::empty();
    let roadmap = json!({"guid": ROADMAP, "name": "Roadmap"});
    project.control("POST", "tasklists", &roadmap);
    let subscriptions = format!(
        "{PROGRESS}{}",
        PROGRESS
            .replace("progress", "ahead")
            .replace("release\n", "roadmap\n")
    );
    let text = project.manifest(&subscriptions);
    let two = format!("tasklists:\n  roadmap: {{ guid: {ROADMAP} }}\n");
    project.write("beadle.yaml", &text.replacen("tasklists:\n", &two, 1));
    // Both were read; then the app loses its place in one, just before it writes there.
    project.fault(&format!("revoked@{CREATE},tasklist={RELEASE}"));
    let apply = project.beadle(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(apply.last_line(), "Apply: 1 applied, 1 failed.");
    assert!(
        apply.stderr.contains("tasklist_subscription.progress"),
        "{}",
        apply.stderr
    );
    assert_eq!(project.live_names(ROADMAP), ["ahead"]);
    assert_eq!(project.live_names(RELEASE), Vec::<String>::new());
    project.no_faults();
    // It stays lost until somebody gives it back; nothing is done there meanwhile.
    project.clear_calls();
    project.beadle(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(project.writes().len(), 0);
    let member = json!({"id": "cli_sandbox"});
    project.control("POST", &format!("tasklists/{RELEASE}/members"), &member);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    converged(&project);
}

/// A notice to the team that is followed for two hours, with the report to the room.
fn followed() -> Project {
    let project = noticed("UTC");
    let text = project.read("beadle.yaml");
    let to = "    to: [team]\n";
    let tracked = format!("{to}    track: {{ until: 100%, for: 2h, report_to: [room] }}\n");
    project.write("beadle.yaml", &text.replace(to, &tracked));
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project
}

fn told(project: &Project) -> Value {
    let occurrence = format!("recurring_notice.unkeyed@{}", at(0, "10:00:00"));
    project
        .beadle(&["notice", "report", &occurrence, "--format", "json"])
        .exits(0)
        .json()
}

#[test]
fn what_was_accepted_and_reached_some_or_nobody_is_told_by_following() {
    for (kind, delivered) in [("partial", 1), ("stuck", 0), ("over-quota", 0)] {
        let project = followed();
        project.fault(&format!("{kind}@batchSendMessage"));
        // The vendor took it: nothing else is known, and nothing is sent again.
        let tick = project
            .beadle(&["tick", "--now", &at(0, "10:00:00")])
            .exits(0);
        assert_eq!(tick.last_line(), "Tick: 2 occurrences: 2 sent.", "{kind}");
        project.no_faults();
        for time in ["10:05:00", "11:00:00"] {
            project.control("POST", "advance", &json!({"seconds": 600}));
            project.beadle(&["tick", "--now", &at(0, time)]).exits(0);
        }
        let seen = told(&project);
        assert_eq!(seen["total"]["valid"], 2, "{kind}: {seen:#}");
        assert_eq!(seen["total"]["delivered"], delivered, "{kind}: {seen:#}");
        assert_eq!(
            seen["ended"],
            Value::Null,
            "{kind}: not enough have read it"
        );
        // It is not waited for without an end.
        project
            .beadle(&["tick", "--now", &at(0, "12:30:00")])
            .exits(0);
        let seen = told(&project);
        assert_ne!(seen["ended"], Value::Null, "{kind}: {seen:#}");
        assert_eq!(seen["total"]["delivered"], delivered, "{kind}: {seen:#}");
        let sends = project.calls();
        let sends = sends
            .iter()
            .filter(|call| call["operation"] == "batchSendMessage");
        assert_eq!(sends.count(), 1, "{kind}");
    }
}

#[test]
fn enos_refuses_what_is_signed_by_a_clock_that_is_off_and_says_so() {
    let project = Project::empty();
    let people = json!([{"enos_user_id": "u1", "name": "Ada"}]);
    project.control("POST", "users", &people);
    let start = &at(0, "00:00:00")[..10];
    let base = project.base_url();
    let text = format!(
        "version: 1\n{}  enos: {{ base_url: \"{base}\", org_id: o_sandbox, app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\" }}\n\
         recipient_groups:\n  crew:\n    enos: {{ users: [u1] }}\nrecurring_notices:\n  review:\n    to: [crew]\n    via: [enos]\n    \
         schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}\n    message: {{ text: Hello }}\n",
        project.providers()
    );
    project.write("beadle.yaml", &text);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.fault("clock-skew@*,seconds=3600");
    let late = project
        .beadle(&["tick", "--now", &at(0, "10:00:00")])
        .exits(1);
    let said = format!("{}{}", late.stdout, late.stderr);
    // The word of the vendor is a poor one: what its clock says is added, and what to do.
    let words = said
        .split("invalid parameter; this machine's clock is ")
        .nth(1);
    let words = words.unwrap_or_else(|| panic!("{said}"));
    let seconds: i64 = words.split(' ').next().unwrap().parse().unwrap();
    assert!((3_590..=3_610).contains(&seconds), "{said}");
    assert!(
        words.contains(" s behind EnOS's: let it keep time by NTP (HTTP 200, code 1004)"),
        "{said}"
    );
    let doctor = project.beadle(&["doctor"]).exits(1);
    let is_it = |line: &str| line.contains("clock of enos") && line.starts_with("failed");
    assert!(doctor.stdout.lines().any(is_it), "{}", doctor.stdout);
    project.no_faults();
    let tick = project
        .beadle(&["tick", "--now", &at(0, "10:05:00")])
        .exits(0);
    assert_eq!(tick.last_line(), "Tick: nothing is due.", "it was refused");
    let tick = project
        .beadle(&["tick", "--now", &at(1, "10:00:00")])
        .exits(0);
    assert_eq!(tick.last_line(), "Tick: 1 occurrence: 1 sent.");
}
