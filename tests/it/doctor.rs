//! `doctor`: each thing that can be wrong is named with what to do, hides nothing else, and nothing is
//! written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::support::postgres::Schema;
use crate::support::project::{Project, Ran, beadle};

const PROGRESS: &str =
    "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n";

/// How each check stands, as `check` or `check of subject`.
fn standing(ran: &Ran) -> BTreeMap<String, String> {
    let report = ran.json();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            let name = check["check"].as_str().unwrap();
            let name = match check["subject"].as_str() {
                Some(subject) => format!("{name} of {subject}"),
                None => name.to_owned(),
            };
            (name, check["status"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn doctor(project: &Project) -> Ran {
    project.beadle(&["doctor", "--format", "json"])
}

/// What stands in a folder: each file with its bytes and when it was written.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(
                path.clone(),
                (Vec::new(), fs::metadata(&path).unwrap().modified().unwrap()),
            );
            found.extend(snapshot(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(
                path.clone(),
                (bytes, fs::metadata(&path).unwrap().modified().unwrap()),
            );
        }
    }
    found
}

#[track_caller]
fn stands(ran: &Ran, name: &str, status: &str) {
    let all = standing(ran);
    assert_eq!(
        all.get(name).map(String::as_str),
        Some(status),
        "{name}: {all:#?}\n{}",
        ran.stdout
    );
}

#[test]
fn a_project_that_is_well_has_nothing_that_failed_and_nothing_is_written() {
    let project = Project::new(PROGRESS);
    let before = snapshot(&project.path());
    let ran = doctor(&project).exits(0);
    assert_eq!(snapshot(&project.path()), before);
    stands(&ran, "ledger", "ok");

    project.beadle(&["apply", "--auto-approve"]).exits(0);
    let writes = project.writes().len();
    let before = snapshot(&project.path());
    let ran = doctor(&project).exits(0);
    assert_eq!(snapshot(&project.path()), before);
    assert_eq!(project.writes().len(), writes);
    for name in [
        "manifest",
        "permissions",
        "calendars",
        "secrets of feishu",
        "ledger file",
        "ledger space",
        "ledger",
        "lease",
        "unsettled",
        "notices",
        "held",
        "credentials of feishu",
        "clock of feishu",
        "scopes of feishu",
        "tasklists of feishu",
        "chats of feishu",
    ] {
        stands(&ran, name, "ok");
    }
    let told = project.beadle(&["doctor"]).exits(0);
    assert!(
        told.last_line()
            .starts_with("Doctor: 16 ok, 0 warnings, 0 failed"),
        "{}",
        told.stdout
    );
}

#[test]
fn the_sandbox_is_looked_at_without_a_trace() {
    let project = Project::new(PROGRESS);
    let before = snapshot(&project.path());
    let ran = project
        .beadle(&["doctor", "--sandbox", "--format", "json"])
        .exits(0);
    stands(&ran, "credentials of feishu", "ok");
    assert_eq!(snapshot(&project.path()), before);
}

#[test]
fn without_a_project_everything_else_is_unchecked() {
    let dir = tempfile::tempdir().unwrap();
    let ran: Ran = beadle(dir.path())
        .args(["doctor", "--format", "json"])
        .output()
        .unwrap()
        .into();
    let ran = ran.exits(1);
    stands(&ran, "manifest", "failed");
    for name in ["permissions", "ledger", "lease", "credentials", "chats"] {
        stands(&ran, name, "unchecked");
    }
    assert_eq!(snapshot(dir.path()), BTreeMap::new());
}

#[test]
fn a_manifest_with_an_error_is_named_at_its_line() {
    let project =
        Project::new("  x: { tasklist: relase, subscribers: [release-room], events: all }\n");
    let ran = doctor(&project).exits(1);
    stands(&ran, "manifest", "failed");
    assert!(ran.stdout.contains("beadle.yaml:10:18: "), "{}", ran.stdout);
    stands(&ran, "ledger", "unchecked");
}

#[test]
fn a_secret_that_is_missing_leaves_its_provider_alone_unchecked() {
    let project = Project::new(PROGRESS);
    let other = format!(
        "providers:\n  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:DING}}\", base_url: \"{}\" }}",
        project.base_url()
    );
    let manifest = project.read("beadle.yaml").replace("providers:", &other);
    project.write("beadle.yaml", &manifest);
    let ran = doctor(&project).exits(1);
    stands(&ran, "secrets of dingtalk", "failed");
    stands(&ran, "credentials of dingtalk", "unchecked");
    stands(&ran, "secrets of feishu", "ok");
    stands(&ran, "chats of feishu", "ok");
    assert!(
        ran.stdout
            .contains("the environment variable DING is not set"),
        "{}",
        ran.stdout
    );

    let mut command = project.command(&["doctor", "--format", "json"]);
    let ran: Ran = command
        .env("DING", "sandbox-secret")
        .output()
        .unwrap()
        .into();
    stands(&ran.exits(0), "credentials of dingtalk", "ok");
}

#[test]
fn a_wrong_secret_fails_and_is_not_shown() {
    let project = Project::new(PROGRESS);
    let mut command = project.command(&["doctor", "--format", "json"]);
    let ran: Ran = command
        .env("FEISHU_APP_SECRET", "hunter2hunter2")
        .output()
        .unwrap()
        .into();
    let ran = ran.exits(1);
    stands(&ran, "credentials of feishu", "failed");
    stands(&ran, "clock of feishu", "ok");
    stands(&ran, "tasklists of feishu", "unchecked");
    assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
}

#[test]
fn without_a_network_what_is_here_is_looked_at_all_the_same() {
    let mut project = Project::new(PROGRESS);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project.check_contract();
    project.stop_sandbox();
    // Nobody listens there: refused at once, and found out of reach after the retries.
    let mut command = project.command(&["doctor", "--format", "json", "--timeout", "100ms"]);
    let ran: Ran = command.output().unwrap().into();
    let ran = ran.exits(1);
    stands(&ran, "credentials of feishu", "failed");
    stands(&ran, "clock of feishu", "unchecked");
    stands(&ran, "ledger", "ok");
    project.restart_sandbox();
}

#[test]
fn a_tasklist_without_the_right_and_a_chat_without_the_bot_are_named() {
    let project = Project::new(PROGRESS);
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": "11111111-2222-4333-8444-555555555555", "name": "Read only",
                "members": [{"id": "cli_sandbox", "type": "app", "role": "viewer"}]}),
    );
    let manifest = project.read("beadle.yaml");
    let manifest = manifest.replace(
        "tasklists:\n",
        "tasklists:\n  looked-at: { guid: 11111111-2222-4333-8444-555555555555 }\n  gone: { guid: 99999999-2222-4333-8444-555555555555 }\n",
    );
    let manifest = manifest.replace(
        "[release-room]",
        "[release-room, oc_0000000000000000000000000000beef]",
    );
    project.write("beadle.yaml", &manifest);
    let ran = doctor(&project).exits(1);
    stands(&ran, "tasklist of looked-at", "failed");
    stands(&ran, "tasklist of gone", "failed");
    stands(&ran, "tasklists of feishu", "ok");
    stands(
        &ran,
        "chat of oc_0000000000000000000000000000beef",
        "failed",
    );
    assert!(
        ran.stdout.contains("the app may change 1 tasklist\""),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("Make the app an editor of the tasklist."),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_ledger_that_cannot_be_used_is_told_from_one_that_can() {
    let project = Project::new(PROGRESS);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    let path = project.path().join(".beadle/ledger.db");
    let good = fs::read(&path).unwrap();

    fs::write(&path, b"this is no ledger at all").unwrap();
    let ran = doctor(&project).exits(1);
    stands(&ran, "ledger", "failed");
    stands(&ran, "lease", "unchecked");
    stands(&ran, "credentials of feishu", "ok");

    fs::write(&path, &good).unwrap();
    let mut mode = fs::metadata(&path).unwrap().permissions();
    mode.set_readonly(true);
    fs::set_permissions(&path, mode).unwrap();
    let ran = doctor(&project).exits(1);
    stands(&ran, "ledger file", "failed");
    stands(&ran, "ledger", "ok");
}

#[cfg(unix)]
#[test]
fn files_that_others_may_change_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new(PROGRESS);
    let path = project.path().join("beadle.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let ran = doctor(&project).exits(0);
    stands(&ran, "permissions", "warning");
    assert!(
        ran.stdout.contains("may write beadle.yaml"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_dead_apply_and_the_write_that_it_left_are_told() {
    let project = Project::new(PROGRESS);
    project.fault("hold-after@createTasklistActivitySubscription:1");
    let mut child = project.start(&["apply", "--auto-approve"]);
    project.wait_until_held(1);
    stands(&doctor(&project).exits(0), "lease", "ok");
    stands(&doctor(&project), "unsettled", "ok");
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = doctor(&project).exits(0);
    stands(&ran, "lease", "warning");
    stands(&ran, "unsettled", "warning");
    project.release();
    project.no_faults();
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    let ran = doctor(&project).exits(0);
    stands(&ran, "lease", "ok");
    stands(&ran, "unsettled", "ok");
}

#[test]
fn clocks_that_differ_are_told() {
    // A vendor that gives tokens, and lives in another year.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let vendor = std::thread::spawn(move || {
        for stream in listener.incoming().take(1) {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.windows(2).any(|two| two == b"\"}") {
                let n = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..n]);
            }
            let body =
                r#"{"code":0,"msg":"ok","tenant_access_token":"t-1234567890","expire":7200}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            let date = "Date: Fri, 01 Mar 2019 08:00:00 GMT";
            let length = body.len();
            write!(
                stream,
                "{head}{date}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "version: 1\nproviders:\n  feishu: {{ app_id: cli_x, app_secret: \"${{env:S}}\", base_url: \"http://{addr}\" }}\n"
    );
    fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    let mut command = beadle(dir.path());
    command
        .args(["doctor", "--format", "json"])
        .env("S", "a-secret");
    let ran: Ran = command.output().unwrap().into();
    vendor.join().unwrap();
    let ran = ran.exits(1);
    stands(&ran, "credentials of feishu", "ok");
    stands(&ran, "clock of feishu", "failed");
    assert!(
        ran.stdout.contains("s ahead of the vendor"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_calendar_that_ends_soon_is_told_before_it_is_refused() {
    let project = Project::empty();
    let notice = |covers: &str| {
        format!(
            "version: 1\n{}chats: {{ release-room: {{ id: oc_a0553eda9014c201e6969b478895c230 }} }}\ncalendars: {{ ours: {{ holidays: [2020-01-01], covers: {covers} }} }}\nrecurring_notices:\n  n:\n    to: [release-room]\n    schedule: {{ cron: \"0 9 * * *\", timezone: Asia/Shanghai, calendar: ours, days: workdays }}\n    message: {{ text: hello }}\n",
            project.providers()
        )
    };
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let in_days = |days: i64| {
        today
            .checked_add(jiff::Span::new().days(days))
            .unwrap()
            .to_string()
    };
    for (days, manifest, calendars) in [
        (30, "failed", "warning"),
        (120, "ok", "warning"),
        (400, "ok", "ok"),
    ] {
        project.write("beadle.yaml", &notice(&in_days(days)));
        let ran = doctor(&project);
        stands(&ran, "manifest", manifest);
        stands(&ran, "calendars", calendars);
        stands(&ran, "credentials of feishu", "ok");
    }
}

#[test]
fn a_notice_that_nobody_sends_is_told() {
    let project = Project::empty();
    project.write(
        "beadle.yaml",
        &format!(
            "version: 1\n{}chats: {{ release-room: {{ id: oc_a0553eda9014c201e6969b478895c230 }} }}\nrecurring_notices:\n  n:\n    to: [release-room]\n    schedule: {{ cron: \"*/5 * * * *\", timezone: Asia/Shanghai }}\n    message: {{ text: hello }}\n    late: 1m\n",
            project.providers()
        ),
    );
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    stands(&doctor(&project).exits(0), "notices", "ok");
    // As if it had been applied a day ago, and nobody had ticked since.
    let ledger = rusqlite::Connection::open(project.path().join(".beadle/ledger.db")).unwrap();
    let rows = ledger
        .execute(
            "UPDATE binding SET updated_at = replace(updated_at, substr(updated_at, 1, 4), '2025')",
            [],
        )
        .unwrap();
    assert_eq!(rows, 1);
    drop(ledger);
    stands(&doctor(&project).exits(1), "notices", "failed");
}

#[test]
fn the_report_fits_its_schema() {
    let project = Project::new(PROGRESS);
    let report: Value = doctor(&project).exits(0).json();
    crate::schemas::fits("doctor", &report);
}

#[test]
fn what_is_left_of_a_vendors_allowance_is_told() {
    let project = Project::empty();
    let notice = |to: &str, provider: &str| {
        format!(
            "  {provider}:\n    to: [{to}]\n    via: [{provider}]\n    schedule: {{ cron: \"0 10 * * *\", timezone: Asia/Shanghai }}\n    message: {{ text: hello }}\n"
        )
    };
    project.write(
        "beadle.yaml",
        &format!(
            "version: 1\n{}  dingtalk: {{ app_key: cli_sandbox, agent_id: 1, app_secret: \"${{env:FEISHU_APP_SECRET}}\", base_url: \"{}\" }}\nrecipient_groups:\n  crew:\n    dingtalk: {{ users: [u1] }}\n    feishu: {{ users: [ou_0001] }}\nrecurring_notices:\n{}{}",
            project.providers(),
            project.base_url(),
            notice("crew", "dingtalk"),
            notice("crew", "feishu"),
        ),
    );
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    let told = |ran: &Ran, check: &str| {
        let report = ran.json();
        let checks = report["checks"].as_array().unwrap().clone();
        let of = checks.into_iter().filter(|c| c["check"] == check);
        of.map(|c| c["summary"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let ran = doctor(&project).exits(0);
    let quotas = told(&ran, "quota");
    assert_eq!(quotas.len(), 3, "{quotas:?}");
    for (quota, start) in quotas.iter().zip([
        "5000 left of the 5000 calls that DingTalk allows the organisation in a month, until ",
        "5000 left of the 5000 receivers that DingTalk allows in a minute",
        "3 left of the 3 notices to everyone that DingTalk allows in a day, until ",
    ]) {
        assert!(quota.starts_with(start), "{quota}");
    }
    let limits = told(&ran, "limits").join("\n");
    assert!(
        limits.contains("500000 messages to people a day"),
        "{limits}"
    );
    assert!(
        limits.contains("500 notices a day to one person"),
        "{limits}"
    );

    let ledger = rusqlite::Connection::open(project.path().join(".beadle/ledger.db")).unwrap();
    let use_up = |used: i64| {
        let rows = ledger.execute(
            "INSERT INTO quota (name, period, used, ends)
             VALUES ('dingtalk/cli_sandbox/calls', strftime('%Y-%m', 'now', '+8 hours'), ?1,
                 strftime('%Y-%m-%dT%H:%M:%S.000000000Z', 'now', '+8 hours', 'start of month',
                     '+1 month', '-8 hours'))
             ON CONFLICT (name, period) DO UPDATE SET used = excluded.used",
            [used],
        );
        assert_eq!(rows.unwrap(), 1);
    };
    let month = |ran: &Ran| {
        let report = ran.json();
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|c| c["check"] == "quota").unwrap()
    };
    use_up(4_900);
    let ran = doctor(&project).exits(0);
    assert_eq!(month(&ran)["status"], "warning");
    assert!(told(&ran, "quota")[0].starts_with("100 left of the 5000 calls"));
    use_up(5_000);
    let ran = doctor(&project).exits(1);
    assert_eq!(month(&ran)["status"], "failed");
    assert!(
        month(&ran)["help"]
            .as_str()
            .unwrap()
            .starts_with("Nothing more of it is sent before")
    );
}

#[test]
fn a_server_says_how_it_stands_and_which_rights_are_missing() {
    let Some(schema) = Schema::new() else { return };
    let project = Project::empty();
    let text = project.manifest(PROGRESS);
    project.write(
        "beadle.yaml",
        &text.replacen("version: 1\n", "version: 1\nproject: p\n", 1),
    );
    let run = |url: &str, args: &[&str]| -> Ran {
        let mut command = project.command(args);
        command.env("BEADLE_LEDGER", url).output().unwrap().into()
    };
    let args = ["doctor", "--format", "json"];
    let of = |ran: &Ran, check: &str| {
        let report = ran.json();
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|c| c["check"] == check).unwrap()
    };
    let ran = run(&schema.url(), &args).exits(0);
    let rights = of(&ran, "ledger rights");
    let says = |check: &Value, words: &str| {
        let summary = check["summary"].as_str().unwrap();
        assert!(summary.contains(words), "{summary}");
    };
    says(&rights, "may make the schema");
    run(&schema.url(), &["apply", "--auto-approve"]).exits(0);
    let ran = run(&schema.url(), &args).exits(0);
    says(&of(&ran, "ledger rights"), "may read and write");
    says(&of(&ran, "ledger server"), "connections in use");
    says(&of(&ran, "ledger space"), "MiB in the database");
    // Somebody who may only look, and not at everything.
    let role = format!("reader_{}", schema.name());
    schema.sql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {0} TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {role};
         GRANT INSERT, UPDATE, DELETE ON {0}.binding TO {role}",
        schema.name()
    ));
    let (before, rest) = schema
        .url()
        .split_once("://")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let host = rest.split_once('@').map_or(rest.as_str(), |(_, host)| host);
    let ran = run(&format!("{before}://{role}@{host}"), &args);
    let rights = of(&ran, "ledger rights");
    schema.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    ran.exits(1);
    assert_eq!(rights["status"], "failed", "{rights}");
    says(&rights, "table journal");
    assert!(
        !rights["summary"]
            .as_str()
            .unwrap()
            .contains("table binding"),
        "{rights}"
    );
    assert!(
        rights["help"]
            .as_str()
            .unwrap()
            .contains("GRANT SELECT, INSERT, UPDATE, DELETE"),
        "{rights}"
    );
}
