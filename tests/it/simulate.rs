//! `simulate`, and what `validate` finds in schedules: from the files alone.

use std::fs;
use std::path::Path;

use beadle::engine::channel::{Letter, To};
use beadle::model::group::Recipient;
use beadle::model::manifest::Vendor;
use beadle::vendors;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::project::{Ran, beadle};

const HEAD: &str = "version: 1
providers:
  feishu: { app_id: cli_a1, app_secret: \"${env:NOT_SET}\" }
  dingtalk: { agent_id: 7, app_key: k, app_secret: \"${env:NOT_SET}\" }
chats: { room: { id: oc_a0553eda9014c201e6969b478895c230 } }
recipient_groups:
  team: { feishu: { users: [ou_1], emails: [a@example.com, b@example.com] }, dingtalk: { users: [ada, bo] } }
  other: { dingtalk: { users: [bo, cy] } }
  apart: { dingtalk: { users: [di] } }
  department: { dingtalk: { departments: [5] } }
  all: { dingtalk: { everyone: true } }
";

/// A folder with a manifest that has the usual head and these notices.
fn project(notices: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{HEAD}recurring_notices:\n{notices}");
    fs::write(dir.path().join("beadle.yaml"), text).unwrap();
    dir
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    beadle(dir).args(args).output().unwrap().into()
}

fn simulate(dir: &TempDir, args: &[&str]) -> Ran {
    run(
        dir.path(),
        &[&["simulate", "--format", "json"], args].concat(),
    )
}

/// `scheduled fires_at local outcome reason` of each occurrence.
fn told(simulated: &Value) -> Vec<String> {
    let text = |o: &Value, key: &str| o[key].as_str().unwrap_or("-").to_owned();
    let occurrences = simulated["occurrences"].as_array().unwrap();
    let keys = ["scheduled", "fires_at", "local", "outcome", "reason"];
    let line = |o: &Value| keys.map(|key| text(o, key)).join(" ");
    occurrences.iter().map(line).collect()
}

/// `severity code` of each finding, with the line that it points at.
fn found(document: &Value, list: &str) -> Vec<String> {
    let findings = document[list].as_array().unwrap();
    let line = |f: &Value| {
        format!(
            "{} {} {}",
            f["severity"].as_str().unwrap(),
            f["code"].as_str().unwrap(),
            f["range"]["start"]["line"]
        )
    };
    findings.iter().map(line).collect()
}

#[test]
fn a_holiday_with_a_make_up_saturday_is_told_day_by_day() {
    let dir = project(
        "  weekly:
    to: [team, room]
    via: [feishu, dingtalk]
    schedule: { cron: \"0 10 * * WED,SAT\", timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: next }
    message: { text: \"{{ scheduled | date('%m-%d') }}\" }
",
    );
    // The calendar that is built in ends soon, which is an error, and all is listed nevertheless.
    let simulated = simulate(&dir, &["--from", "2026-09-28", "--to", "2026-10-12"]).exits(1);
    let simulated = simulated.json();
    assert_eq!(
        told(&simulated),
        [
            "2026-09-26T02:00:00Z 2026-09-28T02:00:00Z 2026-09-28T10:00:00 sent moved from 2026-09-26 by the calendar",
            "2026-09-30T02:00:00Z 2026-09-30T02:00:00Z 2026-09-30T10:00:00 sent -",
            "2026-10-07T02:00:00Z - 2026-10-07T10:00:00 skipped merged with 2026-10-03T02:00:00Z",
            "2026-10-03T02:00:00Z 2026-10-08T02:00:00Z 2026-10-08T10:00:00 sent moved from 2026-10-03 by the calendar",
            "2026-10-10T02:00:00Z 2026-10-10T02:00:00Z 2026-10-10T10:00:00 sent -",
        ]
        .map(str::to_owned)
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(found(&simulated, "findings"), ["error calendar-ends 16"]);
    let deliveries = &simulated["occurrences"][0]["deliveries"];
    let feishu = &deliveries[1];
    assert_eq!(feishu["provider"], "feishu");
    assert_eq!(
        (
            &feishu["people"],
            &feishu["unresolved"],
            &feishu["chats"],
            &feishu["calls"]
        ),
        (&3.into(), &2.into(), &1.into(), &2.into())
    );
    assert_eq!(simulated["summary"]["sent"], 4);
    let usage = simulated["usage"].as_array().unwrap();
    let october = usage
        .iter()
        .find(|u| u["provider"] == "dingtalk" && u["month"] == "2026-10");
    let october = october.unwrap();
    assert_eq!(
        (&october["calls"], &october["allowance"]),
        (&2.into(), &5000.into())
    );
    // Nothing was made: neither a ledger nor a sandbox.
    assert!(!dir.path().join(".beadle").exists());
}

#[test]
fn clocks_that_change_are_told_with_what_they_do() {
    let dir = project(
        "  night:
    to: [room]
    schedule: { cron: \"30 2 * * *\", timezone: Europe/Berlin, repeat: both }
    message: { text: x }
  gap:
    to: [room]
    schedule: { cron: \"30 2 * * *\", timezone: Europe/Berlin, gap: skip }
    message: { text: x }
",
    );
    let spring = simulate(&dir, &["--from", "2027-03-28", "--to", "2027-03-29"])
        .exits(0)
        .json();
    assert_eq!(
        told(&spring),
        [
            "2027-03-28T01:30:00Z - 2027-03-28T02:30:00 skipped clocks are put forward over this time",
            "2027-03-28T01:30:00Z 2027-03-28T01:30:00Z 2027-03-28T03:30:00 sent clocks are put forward over 02:30",
        ]
    );
    let only = [
        "--from",
        "2027-10-31",
        "--to",
        "2027-11-01",
        "recurring_notice.night",
    ];
    let autumn = simulate(&dir, &only).exits(0).json();
    assert_eq!(
        told(&autumn),
        [
            "2027-10-31T00:30:00Z 2027-10-31T00:30:00Z 2027-10-31T02:30:00 sent this time comes twice, and this is the first",
            "2027-10-31T01:30:00Z 2027-10-31T01:30:00Z 2027-10-31T02:30:00 sent this time comes twice, and this is the second",
        ]
    );
}

#[test]
fn people_read_a_line_each_and_a_count() {
    let dir = project(
        "  daily: { to: [team], via: [dingtalk], schedule: { cron: \"0 16 * * *\", timezone: Asia/Shanghai }, message: { text: \"{{ scheduled | date('%m-%d') }}\" } }
  off: { to: [room], enabled: false, schedule: { cron: \"0 16 * * *\", timezone: UTC }, message: { text: x } }
",
    );
    let args = [
        "simulate",
        "--from",
        "2026-12-01T00:00Z",
        "--to",
        "2026-12-03T00:00Z",
    ];
    let human = run(dir.path(), &args).exits(0);
    assert_eq!(
        human.stdout,
        "2026-12-01 16:00 Asia/Shanghai  recurring_notice.daily  sent  dingtalk: 2 people, 1 call
2026-12-02 16:00 Asia/Shanghai  recurring_notice.daily  sent  dingtalk: 2 people, 1 call

dingtalk in 2026-12: 2 calls to send: 2 of 5000 a month
Simulated: 2 occurrences: 2 sent.
"
    );
    assert_eq!(
        human.stderr,
        "recurring_notice.off is off, so it fires nothing.\n"
    );
    let markdown = run(dir.path(), &[&args[..], &["--format", "markdown"]].concat()).exits(0);
    let row = "| 2026-12-02 16:00 Asia/Shanghai | `recurring_notice.daily` | sent | dingtalk: 2 people, 1 call |  |";
    assert!(markdown.stdout.contains(row), "{}", markdown.stdout);
    run(
        dir.path(),
        &["simulate", "--from", "2026-12-02", "--to", "2026-12-01"],
    )
    .exits(64);
    let wrong = run(dir.path(), &["simulate", "recurring_notice.dayly"]).exits(1);
    assert!(
        wrong
            .stderr
            .contains("Did you mean `recurring_notice.daily`?"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_long_time_is_counted_to_its_end() {
    let dir = project(
        "  often: { to: [room], schedule: { cron: \"0 */2 * * *\", timezone: UTC }, message: { text: x } }\n",
    );
    let year = simulate(&dir, &["--from", "2027-01-01", "--to", "2028-01-01"])
        .exits(0)
        .json();
    assert_eq!(year["occurrences"].as_array().unwrap().len(), 365 * 12);
    assert_eq!(year["summary"]["sent"], 365 * 12);
}

#[test]
fn what_cannot_be_said_is_refused_and_listed() {
    let dir = project(
        "  late:
    to: [apart]
    schedule: { cron: \"0 9 1 1 *\", timezone: UTC }
    message: { text: \"{% if scheduled | date('%Y') == '2041' %}{{ oops }}{% else %}fine{% endif %}\" }
",
    );
    let simulated = simulate(&dir, &["--from", "2040-01-01", "--to", "2042-01-01"])
        .exits(1)
        .json();
    let outcomes: Vec<_> = simulated["occurrences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["outcome"])
        .collect();
    assert_eq!(outcomes, ["sent", "refused"], "{simulated:#}");
    assert_eq!(found(&simulated, "findings"), ["error bad-template 16"]);
}

/// What `validate` finds in notices, as `severity code line`.
fn validates(notices: &str, expected: &[&str]) -> (TempDir, i32) {
    let dir = project(notices);
    let status = i32::from(expected.iter().any(|found| found.starts_with("error")));
    let validated = run(dir.path(), &["validate", "--format", "json"]).exits(status);
    assert_eq!(
        found(&validated.json(), "diagnostics"),
        expected,
        "{}",
        validated.stdout
    );
    (dir, status)
}

/// What both commands find in notices.
fn finds(notices: &str, expected: &[&str]) {
    let (dir, status) = validates(notices, expected);
    let simulated = simulate(&dir, &[]).exits(status).json();
    assert_eq!(found(&simulated, "findings"), expected);
    assert_ne!(
        simulated["summary"]["sent"], 0,
        "all is listed beside errors"
    );
}

#[test]
fn a_notice_to_everyone_fires_three_times_a_day_at_most() {
    let notice = |hours: &str| {
        format!(
            "  cry:
    to: [all]
    audience: large
    schedule: {{ cron: \"0 {hours} * * *\", timezone: Asia/Shanghai }}
    message: {{ text: \"{{{{ scheduled | date('%H') }}}}\" }}
"
        )
    };
    finds(&notice("9,12,15,18"), &["error quota-everyone 16"]);
    finds(&notice("9,12,15"), &[]);
    let dir = project(&notice("9,12,15,18"));
    let said = run(dir.path(), &["validate"]).exits(1).stderr;
    assert!(said.contains("this notice fires four times on "), "{said}");
    assert!(
        said.contains("DingTalk delivers at most three messages a day to everyone"),
        "{said}"
    );
    // Several notices add up.
    finds(
        &format!(
            "{}{}",
            notice("9,12"),
            notice("15,18").replace("cry", "cry-too")
        ),
        &["error quota-everyone 16"],
    );
}

#[test]
fn many_findings_of_one_kind_bury_no_other() {
    use std::fmt::Write as _;
    let mut notices = String::new();
    for n in 0..25 {
        writeln!(
            notices,
            "  n{n}: {{ to: [apart], schedule: {{ cron: \"0 9,12 * * MON\", timezone: UTC }}, message: {{ text: \"{n}\" }} }}"
        )
        .unwrap();
    }
    notices.push_str("  other: { to: [nobody], schedule: { cron: \"0 9 * * MON\", timezone: UTC }, message: { text: x } }\n");
    let dir = project(&notices.replace("to: [nobody]", "to: [all]"));
    let shown = run(dir.path(), &["validate"]).exits(1).stderr;
    assert_eq!(
        shown.matches("error[same-content]: it says").count(),
        20,
        "{shown}"
    );
    assert_eq!(shown.matches("error[large-audience]").count(), 1, "{shown}");
    let more =
        "error[same-content]: 5 more like these; `beadle validate --format json` lists all 25";
    assert!(shown.contains(more), "{shown}");
    let all = run(dir.path(), &["validate", "--format", "json"]).exits(1);
    let all = found(&all.json(), "diagnostics");
    assert_eq!(
        all.iter().filter(|f| f.contains("same-content")).count(),
        25
    );
    let annotations = run(dir.path(), &["validate", "--format", "github"])
        .exits(1)
        .stdout;
    assert_eq!(annotations.matches("title=same-content").count(), 25);
}

/// A group of so many people at DingTalk.
fn crowd(people: usize) -> String {
    let ids: Vec<String> = (0..people).map(|n| format!("p{n}")).collect();
    format!(
        "recipient_groups: {{ crowd: {{ dingtalk: {{ users: [{}] }} }} }}\n",
        ids.join(", ")
    )
}

#[test]
fn what_cannot_leave_before_it_is_late_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let head: Vec<&str> = HEAD.lines().collect();
    let head = head[..head
        .iter()
        .position(|l| l.starts_with("recipient"))
        .unwrap()]
        .join("\n");
    for (late, severity) in [("3m", "warning"), ("2m", "error")] {
        let text = format!(
            "{head}\n{}recurring_notices:\n  all: {{ to: [crowd], audience: large, late: {late}, schedule: {{ cron: \"0 16 1 * *\", timezone: UTC }}, message: {{ text: x }} }}\n",
            crowd(15_000)
        );
        fs::write(dir.path().join("beadle.yaml"), text).unwrap();
        let status = i32::from(severity == "error");
        let validated = run(dir.path(), &["validate", "--format", "json"]).exits(status);
        let found = &validated.json()["diagnostics"][0];
        assert_eq!(found["code"], "quota-minute", "{found:#}");
        assert_eq!(found["severity"], severity, "{found:#}");
    }
}

#[test]
fn the_month_counts_what_is_asked_and_taken_back_and_nothing_that_is_not() {
    let usage = |more: &str| {
        let dir = project(&format!(
            "  daily:
    to: [team]
    via: [dingtalk]
    schedule: {{ cron: \"0 8 * * *\", timezone: UTC }}
    message: {{ text: \"{{{{ scheduled | date('%m-%d') }}}}\" }}
    {more}
"
        ));
        let simulated = simulate(&dir, &["--from", "2027-01-04", "--to", "2027-01-05"]);
        let used = &simulated.exits(0).json()["usage"][0];
        (used["calls"].as_u64(), used["follow_calls"].as_u64())
    };
    let of = |send, follow| (Some(send), Some(follow));
    assert_eq!(usage(""), of(1, 0));
    assert_eq!(usage("revoke_after: 2h"), of(1, 1));
    // After 1, 10 and 60 minutes and at the end: progress and result each time.
    assert_eq!(usage("track: { until: 80%, for: 24h }"), of(1, 8));
    assert_eq!(usage("track: { until: 80%, for: 30m }"), of(1, 6));
    assert_eq!(
        usage("revoke_after: 2h\n    track: { until: 80%, for: 60m }"),
        of(1, 7)
    );
}

#[test]
fn one_person_gets_five_hundred_messages_a_day_at_most() {
    validates(
        "  storm:
    to: [apart]
    schedule: { cron: \"*/2 * * * *\", timezone: UTC }
    message: { text: \"{{ scheduled | date('%H:%M') }}\" }
",
        &[
            "error quota-person 15",
            "error quota-month 15",
            "warning quota-uncounted 15",
        ],
    );
    validates(
        "  storm:
    to: [team, department]
    via: [dingtalk]
    audience: large
    schedule: { cron: \"*/15 * * * *\", timezone: UTC }
    message: { text: \"{{ scheduled | date('%H:%M') }}\" }
",
        &["error quota-month 17"],
    );
}

#[test]
fn the_same_is_said_once_a_day_to_one_person() {
    let twice = |message: &str| {
        format!(
            "  twice:
    to: [apart]
    schedule: {{ cron: \"0 9,17 * * MON\", timezone: UTC }}
    message: {{ text: \"{message}\" }}
"
        )
    };
    // Five in the afternoon in UTC is the next day in China.
    finds(&twice("hello"), &[]);
    finds(
        &twice("hello").replace("9,17", "9,12"),
        &["error same-content 16"],
    );
    finds(
        &twice("{{ scheduled | date('%H') }}").replace("9,17", "9,12"),
        &[],
    );
    let pair = |first: &str, second: &str| {
        format!(
            "  a: {{ to: [{first}], audience: large, via: [dingtalk], schedule: {{ cron: \"0 9 * * *\", timezone: UTC }}, message: {{ text: same }} }}
  b: {{ to: [{second}], audience: large, via: [dingtalk], schedule: {{ cron: \"0 10 * * *\", timezone: UTC }}, message: {{ text: same }} }}
"
        )
    };
    finds(&pair("team", "other"), &["error same-content 14"]);
    finds(&pair("team", "all"), &["error same-content 14"]);
    finds(&pair("team", "apart"), &[]);
    // Whether Di is in the department only DingTalk knows.
    finds(&pair("apart", "department"), &["warning same-content 14"]);
}

#[test]
fn what_is_not_counted_any_more_is_said_at_the_notice_that_fires_most() {
    let every = |minutes: u32| {
        format!(
            "  often:
    to: [room]
    schedule: {{ cron: \"*/{minutes} * * * *\", timezone: UTC }}
    message: {{ text: x }}
  daily: {{ to: [room], schedule: {{ cron: \"0 9 * * *\", timezone: UTC }}, message: {{ text: x }} }}
"
        )
    };
    // Every five minutes is 17856 times in 62 days.
    finds(&every(5), &[]);
    let dir = project(&every(4));
    let ran = run(dir.path(), &["validate", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(found(&ran, "diagnostics"), ["warning quota-uncounted 15"]);
    let ran = run(dir.path(), &["validate"]).exits(0);
    assert!(
        ran.stderr.contains("beadle.yaml:15:") && ran.stderr.contains("beadle.yaml:17:"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("more than 20000 firings"),
        "{}",
        ran.stderr
    );
    // The command that it names holds the rest against the quotas.
    let command = ran.stderr.split("`beadle simulate ").nth(1).unwrap();
    let args: Vec<&str> = command.split('`').next().unwrap().split(' ').collect();
    simulate(&dir, &args).exits(0);
}

#[test]
fn many_notices_to_one_chat_at_one_minute_are_warned_of() {
    let notices: String = (0..6)
        .map(|n| format!("  n{n}: {{ to: [room], schedule: {{ cron: \"0 9 * * *\", timezone: UTC }}, message: {{ text: x }} }}\n"))
        .collect();
    finds(&notices, &["warning quota-chat 13"]);
}

#[test]
fn a_calendar_that_ends_is_shown_how_to_go_on() {
    let dir = project(
        "  weekly: { to: [room], schedule: { cron: \"0 9 * * *\", timezone: UTC, calendar: cn, days: workdays }, message: { text: x } }\n",
    );
    let validated = run(dir.path(), &["validate", "--format", "json"])
        .exits(1)
        .json();
    let help = validated["diagnostics"][0]["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    // What it shows can be pasted.
    let shown = help
        .split('`')
        .find(|part| part.starts_with("calendars:"))
        .unwrap();
    let path = dir.path().join("beadle.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("calendar: cn", "calendar: company");
    fs::write(&path, format!("{text}{shown}\n")).unwrap();
    run(dir.path(), &["validate"]).exits(0);
}

#[test]
fn ten_thousand_people_at_three_vendors_take_the_fewest_calls() {
    let ids = |prefix: &str| {
        let ids: Vec<_> = (0..10_000).map(|n| format!("{prefix}{n}")).collect();
        ids.join(", ")
    };
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "version: 1
providers:
  feishu: {{ app_id: cli_a1, app_secret: \"${{env:NOT_SET}}\" }}
  dingtalk: {{ agent_id: 7, app_key: k, app_secret: \"${{env:NOT_SET}}\" }}
  enos: {{ base_url: \"http://127.0.0.1:9\", org_id: o, app_key: k, app_secret: \"${{env:NOT_SET}}\" }}
recipient_groups:
  many: {{ feishu: {{ users: [{}] }}, dingtalk: {{ users: [{}] }}, enos: {{ users: [{}] }} }}
recurring_notices:
  cry:
    to: [many]
    via: [feishu, dingtalk, enos]
    audience: large
    schedule: {{ cron: \"0 9 * * MON\", timezone: UTC }}
    message: {{ text: hello }}
",
        ids("ou_"),
        ids("d"),
        ids("u")
    );
    fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    let simulated = simulate(&dir, &["--from", "2027-01-04", "--to", "2027-01-05"])
        .exits(0)
        .json();
    let deliveries = simulated["occurrences"][0]["deliveries"]
        .as_array()
        .unwrap();
    let told: Vec<_> = deliveries
        .iter()
        .map(|d| {
            (
                d["provider"].as_str().unwrap(),
                d["calls"].as_u64().unwrap(),
            )
        })
        .collect();
    // 100 people a call, 1,000 users a notice and 100 notices a call, 200 ids a call.
    assert_eq!(told, [("dingtalk", 100), ("enos", 1), ("feishu", 50)]);
    // Ten thousand at once are more than DingTalk delivers in a minute, which is said.
    assert_eq!(found(&simulated, "findings"), ["warning quota-minute 13"]);

    // The clients cut just so.
    let settings = || {
        let app = beadle::model::AppId::new("k");
        vendors::Settings::new("http://127.0.0.1:9", app, "s".into())
    };
    let agency = vendors::Agency {
        agent_id: Some(7),
        ..vendors::Agency::default()
    };
    let feishu = vendors::feishu(settings()).unwrap().1.channel;
    let dingtalk = vendors::dingtalk(settings(), agency).unwrap().channel;
    let enos = vendors::enos(settings(), "o", jiff::Timestamp::now)
        .unwrap()
        .channel;
    let body = json!({"body": {"defaultValue": "hello"}});
    for (channel, letter, vendor, prefix, calls) in [
        (
            dingtalk,
            Letter::new("text", json!({"content": "hello"})),
            Vendor::DingTalk,
            "d",
            100,
        ),
        (enos, Letter::new("notice", body), Vendor::Enos, "u", 1),
        (
            feishu,
            Letter::new("text", json!({"text": "hello"})),
            Vendor::Feishu,
            "ou_",
            50,
        ),
    ] {
        let one = |n| Recipient::parse(vendor, &format!("user {prefix}{n}")).unwrap();
        let to: Vec<_> = (0..10_000).map(|n| To::Recipient(one(n))).collect();
        let parcels = channel.pack(&letter, &to, "k").unwrap();
        assert_eq!(parcels.len(), calls, "{}", vendor.as_str());
        let reached: usize = parcels.iter().map(|parcel| parcel.to.len()).sum();
        assert_eq!(reached, 10_000);
    }
}
