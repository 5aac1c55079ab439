//! The runner that stays: it wakes when something is due, tells what it does, and ends in good order.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::project::{Project, ROOM, Ran};

/// A runner under way.
struct Running {
    child: Child,
    url: String,
}

fn listening(project: &Project) -> Running {
    listening_ahead(project, 0)
}

/// A runner whose clock is so many seconds ahead.
fn listening_ahead(project: &Project, seconds: i64) -> Running {
    let mut command = project.command(&["run", "--listen", "0", "--format", "json"]);
    command
        .env("BEADLE_CLOCK_AHEAD", seconds.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let out = child.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
    assert_eq!(said["event"], "listening");
    let url = format!("http://{}", said["address"].as_str().unwrap());
    Running { child, url }
}

impl Running {
    fn get(&self, project: &Project, path: &str) -> (u16, String) {
        project.get(&format!("{}{path}", self.url))
    }

    fn terminate(self, project: &Project) -> Ran {
        project.signal(&self.child, "TERM");
        self.child.wait_with_output().unwrap().into()
    }

    /// The value of a series, by its whole name with labels.
    fn metric(&self, project: &Project, series: &str) -> f64 {
        let (status, text) = self.get(project, "/metrics");
        assert_eq!(status, 200);
        assert!(text.ends_with("# EOF\n"), "{text}");
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

/// Waits until something is so; the test fails when it never is.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < give_up, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A notice to the room that fires once a day, five minutes ago for the first time.
fn daily(project: &Project) -> String {
    let start = (Timestamp::now() - 5.minutes()).strftime("%Y-%m-%dT%H:%M");
    format!(
        "version: 1\n{}chats:\n  room: {{ id: {ROOM} }}\nrecurring_notices:\n  daily:\n    to: [room]\n    \
         schedule: {{ start: \"{start}\", every: 24h, timezone: UTC }}\n    message: {{ text: Now }}\n",
        project.providers()
    )
}

fn apply(project: &Project, manifest: &str) {
    project.write("beadle.yaml", manifest);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
}

/// Makes it so that all that is registered was applied an hour ago: schedules are of whole minutes, and no
/// test waits for one.
fn applied_an_hour_ago(project: &Project) {
    let ledger = rusqlite::Connection::open(project.path().join(".beadle/ledger.db")).unwrap();
    let ago = (Timestamp::now() - 1.hours()).to_string();
    ledger
        .execute("UPDATE binding SET updated_at = ?1", [ago])
        .unwrap();
}

fn room(project: &Project) -> usize {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let chats = inbox["chats"].as_array().unwrap().iter();
    let rooms = chats.filter(|chat| chat["id"] == ROOM);
    rooms
        .map(|chat| chat["messages"].as_array().unwrap().len())
        .sum()
}

#[test]
fn a_runner_wakes_when_it_is_due_and_counts_what_it_did() {
    let project = Project::empty();
    apply(&project, &daily(&project));
    applied_an_hour_ago(&project);
    let runner = listening(&project);
    assert_eq!(runner.get(&project, "/healthz"), (200, "ok\n".into()));
    wait_until("it is ready", || runner.get(&project, "/readyz").0 == 200);
    assert_eq!(runner.get(&project, "/elsewhere").0, 404);
    wait_until("it has sent it", || {
        runner.metric(&project, r#"beadle_occurrences_total{outcome="sent"}"#) == 1.0
    });
    assert_eq!(room(&project), 1);
    let next = runner.metric(&project, "beadle_next_due_timestamp_seconds");
    let sent = r#"beadle_deliveries_total{provider="feishu",state="sent"}"#;
    assert_eq!(runner.metric(&project, sent), 1.0);
    let call = r#"beadle_calls_total{provider="feishu",operation="createMessage",outcome="ok"}"#;
    assert_eq!(runner.metric(&project, call), 1.0);
    assert_eq!(
        runner.metric(&project, "beadle_lateness_seconds_count"),
        1.0
    );
    assert_eq!(runner.metric(&project, "beadle_ledger_errors_total"), 0.0);
    let missed = r#"beadle_occurrences_total{outcome="missed"}"#;
    assert_eq!(runner.metric(&project, missed), 0.0);
    let next = Timestamp::from_second(next as i64).unwrap();
    let in_a_day = Timestamp::now() + 24.hours();
    assert!(
        (in_a_day - 10.minutes()..in_a_day).contains(&next),
        "{next}"
    );
    // What is applied meanwhile is seen.
    apply(&project, &daily(&project).replace("24h", "100h"));
    wait_until("it has seen what was applied", || {
        let due = runner.metric(&project, "beadle_next_due_timestamp_seconds");
        due > (next + 24.hours()).as_second() as f64
    });
    let ended = runner.terminate(&project).exits(0);
    assert!(ended.stderr.contains("Stopping"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains(r#""outcome":"sent""#),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_runner_that_sleeps_wakes_at_the_instant_and_not_before() {
    let project = Project::empty();
    // Schedules are of whole minutes: its clock is put forward so that the next one is some seconds ahead.
    let now = Timestamp::now();
    let minute = (now.as_second().div_euclid(60) + 2) * 60;
    let due = Timestamp::from_second(minute).unwrap();
    let ahead = minute - 6 - now.as_second();
    let manifest = format!(
        "version: 1\n{}chats:\n  room: {{ id: {ROOM} }}\nrecurring_notices:\n  soon:\n    to: [room]\n    \
         schedule: {{ at: [\"{}\"], timezone: UTC }}\n    message: {{ text: Now }}\n",
        project.providers(),
        due.strftime("%Y-%m-%dT%H:%M"),
    );
    apply(&project, &manifest);
    let runner = listening_ahead(&project, ahead);
    wait_until("it is ready", || runner.get(&project, "/readyz").0 == 200);
    let next = runner.metric(&project, "beadle_next_due_timestamp_seconds");
    assert_eq!(next as i64, minute, "it knows what it sleeps for");
    // The longest sleep of a runner that knows of nothing is longer than is waited for here.
    wait_until("it has sent it", || {
        runner.metric(&project, r#"beadle_occurrences_total{outcome="sent"}"#) == 1.0
    });
    runner.terminate(&project).exits(0);
    assert_eq!(room(&project), 1);
    let calls = project.calls();
    let sent = calls
        .iter()
        .find(|call| call["operation"] == "createMessage");
    let sent = sent.unwrap()["at_ms"].as_i64().unwrap() + ahead * 1_000;
    assert!(sent >= minute * 1_000, "not before: {sent}");
    let history = project.beadle(&["notice", "history", "--format", "json"]);
    let occurrence = &history.json()["occurrences"][0];
    assert_eq!(occurrence["outcome"], "sent");
    assert_eq!(occurrence["scheduled"], due.to_string());
}

#[test]
fn a_signal_lets_the_call_under_way_end_and_begins_no_other() {
    let project = Project::empty();
    apply(&project, &daily(&project));
    applied_an_hour_ago(&project);
    project.fault("hold-after@createMessage:1");
    let runner = listening(&project);
    project.wait_until_held(1);
    project.signal(&runner.child, "TERM");
    wait_until("it says that it stops", || {
        runner.get(&project, "/readyz") == (503, "it is stopping\n".into())
    });
    assert_eq!(runner.get(&project, "/healthz").0, 200);
    project.release();
    let ended: Ran = runner.child.wait_with_output().unwrap().into();
    ended.exits(0);
    assert_eq!(room(&project), 1);
    // Its answer was written down: nobody sends it again.
    let history = project.beadle(&["notice", "history", "--format", "json"]);
    assert_eq!(history.json()["occurrences"][0]["outcome"], "sent");
}

#[test]
fn it_is_not_ready_before_its_first_round() {
    let project = Project::empty();
    project.control(
        "POST",
        "users",
        &json!({"open_id": "ou_ada", "email": "ada@example.com"}),
    );
    let to_ada = daily(&project).replace("to: [room]", "to: [ada]").replace(
        "recurring_notices:\n",
        "recipient_groups:\n  ada: { feishu: { emails: [ada@example.com] } }\nrecurring_notices:\n",
    );
    apply(&project, &to_ada);
    project.fault("hold-before@batchGetUserIds:1");
    let runner = listening(&project);
    project.wait_until_held(1);
    let (status, words) = runner.get(&project, "/readyz");
    assert_eq!((status, &*words), (503, "it has only begun\n"));
    project.release();
    wait_until("it is ready", || runner.get(&project, "/readyz").0 == 200);
    runner.terminate(&project).exits(0);
}

#[test]
fn nothing_listens_unless_it_is_asked_for_and_on_loopback_unless_told() {
    let project = Project::empty();
    project.write("beadle.yaml", &daily(&project));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = project.beadle(&["run", "--listen", &port]).exits(1);
    let told = format!("127.0.0.1:{port} cannot be listened on");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    let ran = project.beadle(&["run", "--listen", "somewhere"]).exits(64);
    assert!(ran.stderr.contains("write a port"), "{}", ran.stderr);
}
