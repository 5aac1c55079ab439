//! Commands with a ledger on PostgreSQL, through the binary.

use std::process::{Command, Stdio};

use crate::support::postgres::Schema;
use crate::support::project::{Project, RELEASE, Ran};

const PROGRESS: &str = "  progress:
    tasklist: release
    subscribers: [release-room]
    events: [task.added]
";

const CREATE: &str = "createTasklistActivitySubscription";

/// A project's manifest in a folder of its own, as on a machine of its own.
fn declare(project: &Project, dir: &str, name: &str, subscriptions: &str) {
    let head = format!("version: 1\nproject: {name}\n");
    let text = project.manifest(subscriptions);
    project.write(
        &format!("{dir}/beadle.yaml"),
        &text.replacen("version: 1\n", &head, 1),
    );
}

fn command(project: &Project, schema: &Schema, dir: &str, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command
        .env("BEADLE_DIR", dir)
        .env("BEADLE_LEDGER", schema.url())
        .env("BEADLE_SETTLE_GRACE", "100ms")
        .env("BEADLE_TIMEOUT", "5s")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(project: &Project, schema: &Schema, dir: &str, args: &[&str]) -> Ran {
    command(project, schema, dir, args).output().unwrap().into()
}

const APPLY: [&str; 2] = ["apply", "--auto-approve"];
const NOTHING_LEFT: [&str; 2] = ["plan", "--detailed-exitcode"];

/// Makes the lease look as if nobody had renewed it for long.
fn age(schema: &Schema) {
    schema.sql("UPDATE lease SET expires = '2026-01-01T00:00:00.000000000Z'");
}

#[test]
fn what_one_machine_applies_another_knows() {
    let Some(schema) = Schema::new() else { return };
    let project = Project::empty();
    for machine in ["one", "two"] {
        declare(&project, machine, "ours", PROGRESS);
    }
    // Looking makes nothing.
    run(&project, &schema, "one", &["plan"]).exits(0);
    let exists = format!(
        "SELECT nspname::text FROM pg_namespace WHERE nspname = '{}'",
        schema.name()
    );
    assert_eq!(schema.texts(&exists), Vec::<String>::new());

    run(&project, &schema, "one", &APPLY).exits(0);
    run(&project, &schema, "two", &NOTHING_LEFT).exits(0);
    let bound = run(&project, &schema, "two", &["state", "list"]).exits(0);
    assert!(bound.stdout.contains("progress"), "{}", bound.stdout);
    let calls = run(&project, &schema, "two", &["history"]).exits(0);
    assert!(calls.stdout.contains("applied"), "{}", calls.stdout);
    let lease = run(&project, &schema, "two", &["lease", "show"]).exits(0);
    assert_eq!(lease.stdout, "Nobody holds the lease.\n");

    declare(
        &project,
        "two",
        "ours",
        &PROGRESS.replace("task.added", "due.set"),
    );
    run(&project, &schema, "two", &NOTHING_LEFT).exits(2);
    run(&project, &schema, "two", &APPLY).exits(0);
    run(&project, &schema, "one", &NOTHING_LEFT).exits(2);
    let forgotten = ["state", "forget", "tasklist_subscription.progress"];
    run(&project, &schema, "one", &forgotten).exits(0);
    assert_eq!(
        schema.texts("SELECT address FROM binding"),
        Vec::<String>::new()
    );
    assert_eq!(project.live_names(RELEASE), ["progress"]);
    // Nothing was kept beside it.
    assert!(!project.path().join("one/.beadle/ledger.db").exists());
}

#[test]
fn a_holder_that_died_is_waited_for_and_settled_after() {
    let Some(schema) = Schema::new() else { return };
    let project = Project::empty();
    for machine in ["one", "two"] {
        declare(&project, machine, "ours", PROGRESS);
    }
    project.fault(&format!("hold-after@{CREATE}:1"));
    let mut first = command(&project, &schema, "one", &APPLY).spawn().unwrap();
    project.wait_until_held(1);
    first.kill().unwrap();
    first.wait().unwrap();
    // From another machine nobody can tell that it is dead.
    let second = run(&project, &schema, "two", &APPLY).exits(1);
    let named = format!("process {}", first.id());
    assert!(second.stderr.contains(&named), "{}", second.stderr);
    let plan = run(&project, &schema, "two", &["plan", "--format", "json"]).exits(0);
    assert!(plan.stdout.contains("unsettled"), "{}", plan.stdout);
    age(&schema);
    let second = run(&project, &schema, "two", &APPLY).exits(0);
    assert!(
        second.stderr.contains("had taken effect"),
        "{}",
        second.stderr
    );
    assert_eq!(project.writes().len(), 1);
    run(&project, &schema, "one", &NOTHING_LEFT).exits(0);
}

#[test]
fn two_projects_on_one_server_do_not_reach_into_each_other() {
    let Some(schema) = Schema::new() else { return };
    let project = Project::empty();
    declare(&project, "a", "ours", PROGRESS);
    declare(
        &project,
        "b",
        "theirs",
        &PROGRESS.replace("progress", "advance"),
    );
    for dir in ["a", "b"] {
        run(&project, &schema, dir, &APPLY).exits(0);
    }
    // A second claim is refused and names both, whatever way it is made.
    declare(
        &project,
        "b",
        "theirs",
        &PROGRESS.replace("progress:", "mine:\n    name: progress"),
    );
    let adopt = [
        "apply",
        "--auto-approve",
        "--adopt",
        "tasklist_subscription.mine",
    ];
    for args in [&APPLY[..], &adopt] {
        let refused = run(&project, &schema, "b", args).exits(1);
        for part in [
            "tasklist_subscription.progress",
            "ours",
            "tasklist_subscription.mine",
        ] {
            assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
        }
    }
    // Everything of one goes, and nothing of the other.
    run(&project, &schema, "a", &["destroy", "--auto-approve"]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["advance"]);
    declare(
        &project,
        "b",
        "theirs",
        &PROGRESS.replace("progress", "advance"),
    );
    run(&project, &schema, "b", &NOTHING_LEFT).exits(0);
}

#[test]
fn a_password_shows_nowhere_and_one_in_the_manifest_is_a_mistake() {
    let project = Project::empty();
    let text = project.manifest(PROGRESS);
    let with = |url: &str| {
        let head = format!("version: 1\nproject: ours\nledger: {url}\n");
        project.write("beadle.yaml", &text.replacen("version: 1\n", &head, 1));
    };
    with("postgres://li:hunter2@127.0.0.1:1/b");
    let refused = project.beadle(&["validate"]).exits(1);
    assert!(
        refused.stderr.contains("beadle.yaml:3:"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("PGPASSWORD"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    // Nobody listens there.
    with("postgres://li@127.0.0.1:1/b");
    let mut away = project.command(&["plan", "-vv"]);
    let away = Ran::from(away.env("PGPASSWORD", "hunter2").output().unwrap()).exits(1);
    for part in [
        "postgres://li@127.0.0.1:1/b",
        "cannot be reached",
        "help: Check that the server runs",
    ] {
        assert!(away.stderr.contains(part), "{part}: {}", away.stderr);
    }
    assert!(!away.stderr.contains("hunter2"), "{}", away.stderr);
    let url = "postgres://li:hunter2@127.0.0.1:1/b";
    let mut away = project.command(&["plan", "-vv"]);
    let away = Ran::from(away.env("BEADLE_LEDGER", url).output().unwrap()).exits(1);
    assert!(!away.stderr.contains("hunter2"), "{}", away.stderr);
}

#[test]
fn a_ledger_moves_from_a_file_to_a_server() {
    let Some(schema) = Schema::new() else { return };
    let project = Project::empty();
    declare(&project, "one", "ours", PROGRESS);
    let mut local = project.command(&APPLY);
    Ran::from(local.env("BEADLE_DIR", "one").output().unwrap()).exits(0);
    let in_file = |args: &[&str]| {
        let mut command = project.command(args);
        Ran::from(command.env("BEADLE_DIR", "one").output().unwrap())
    };
    let check = in_file(&["ledger", "check"]).exits(0);
    assert!(
        check.last_line().ends_with("nothing is wrong."),
        "{}",
        check.stdout
    );
    let url = schema.url();
    let copied = in_file(&["ledger", "copy", "--to", &url]).exits(0);
    assert!(copied.stdout.starts_with("Copied "), "{}", copied.stdout);
    assert!(
        copied.stderr.contains("Point `ledger:` at the copy"),
        "{}",
        copied.stderr
    );
    project.clear_calls();
    run(&project, &schema, "one", &NOTHING_LEFT).exits(0);
    run(&project, &schema, "one", &APPLY).exits(0);
    assert_eq!(project.writes().len(), 0, "it is known there");
    let again = in_file(&["ledger", "copy", "--to", &url]).exits(1);
    assert!(
        again.stderr.contains("it holds the project ours already"),
        "{}",
        again.stderr
    );
    let secret = url.replacen("postgres@", "postgres:hunter2@", 1);
    let seen = in_file(&["ledger", "copy", "--to", &secret]).exits(64);
    assert!(!seen.stderr.contains("hunter2"), "{}", seen.stderr);
    in_file(&["ledger", "copy", "--to", "nowhere"]).exits(64);

    let check = run(
        &project,
        &schema,
        "one",
        &["ledger", "check", "--format", "json"],
    )
    .exits(0);
    let check = check.json();
    assert_eq!(
        (&check["rows"]["binding"], &check["faults"]),
        (&1.into(), &serde_json::json!([]))
    );
    run(
        &project,
        &schema,
        "one",
        &["ledger", "prune", "--keep", "1d"],
    )
    .exits(64);
    let pruned = run(&project, &schema, "one", &["ledger", "prune"]).exits(0);
    assert!(
        pruned.stdout.starts_with("Pruned 0 rows that ended before"),
        "{}",
        pruned.stdout
    );

    // Saved, and back from the file that was saved.
    let saved = run(&project, &schema, "one", &["ledger", "backup", "saved.db"]).exits(0);
    assert_eq!(saved.stdout, "Saved the ledger in saved.db.\n");
    run(&project, &schema, "one", &["ledger", "backup", "saved.db"]).exits(1);
    let mut restored = project.command(&NOTHING_LEFT);
    restored
        .env("BEADLE_DIR", "one")
        .env("BEADLE_LEDGER", "sqlite:../saved.db");
    Ran::from(restored.output().unwrap()).exits(0);
    schema.sql("UPDATE binding SET applied = '{}x'");
    let wrong = run(&project, &schema, "one", &["ledger", "check"]).exits(1);
    assert!(
        wrong.stdout.contains("applied cannot be read"),
        "{}",
        wrong.stdout
    );
}

/// A notice of the last minutes, on machines whose clocks disagree by hours, and with the server.
#[test]
fn machines_whose_clocks_are_off_go_by_the_servers() {
    let Some(schema) = Schema::new() else { return };
    let project = Project::empty();
    let notice = "recurring_notices:
  minutely:
    to: [release-room]
    schedule: { start: 2026-01-01, cron: \"* * * * *\", timezone: UTC }
    message: { text: \"{{ scheduled | date('%H:%M') }}\" }
";
    let head = project.manifest("");
    let text = head.replacen("version: 1\n", "version: 1\nproject: ours\n", 1);
    for machine in ["behind", "ahead"] {
        project.write(
            &format!("{machine}/beadle.yaml"),
            &format!("{text}{notice}"),
        );
    }
    let on = |machine: &str, args: &[&str]| {
        let ahead = if machine == "ahead" { "7200" } else { "-7200" };
        let mut command = command(&project, &schema, machine, args);
        command.env("BEADLE_CLOCK_AHEAD", ahead);
        Ran::from(command.output().unwrap())
    };
    let applied = on("ahead", &APPLY).exits(0);
    let words = "this machine's clock is 7200 s ahead of the ledger's, which counts";
    let told =
        applied.stderr.contains(words) || applied.stderr.contains(&words.replace("7200", "7199"));
    assert!(told, "{}", applied.stderr);
    let near = |what: &str| {
        let column = format!("abs(extract(epoch FROM {what}::timestamptz - now())) < 600");
        format!("({column})::text")
    };
    let all_true = |query: String, count: usize| {
        assert_eq!(schema.texts(&query), vec!["true"; count], "{query}");
    };
    all_true(format!("SELECT {} FROM binding", near("updated_at")), 1);
    all_true(format!("SELECT {} FROM lease", near("expires")), 1);

    // Applied three minutes ago, so that some minutes are due.
    schema.sql(
        "UPDATE binding SET updated_at = to_char((now() - interval '3 minutes') AT TIME ZONE 'UTC',
             'YYYY-MM-DD\"T\"HH24:MI:SS.000000000\"Z\"')",
    );
    on("ahead", &["tick"]);
    let nominal = |which: &str| {
        schema.texts(&format!(
            "SELECT nominal FROM occurrence WHERE outcome {which} ORDER BY 1"
        ))
    };
    let (sent, missed) = (nominal("= 'sent'"), nominal("= 'missed'"));
    assert_eq!(sent.len(), 1, "the newest");
    assert!(
        (2..=3).contains(&missed.len()),
        "those before it: {missed:?}"
    );
    assert!(missed < sent, "{missed:?} {sent:?}");
    all_true(format!("SELECT {} FROM handled", near("until")), 1);
    let future = "SELECT nominal FROM occurrence WHERE nominal::timestamptz > now()";
    assert_eq!(schema.texts(future), Vec::<String>::new());
    // The other one finds nothing that is hours late, nor that it is too early for: what was sent is sent
    // once, whatever became due meanwhile.
    on("behind", &["tick"]);
    let after = nominal("= 'sent'");
    assert_eq!(after[0], sent[0]);
    assert!(nominal("= 'missed'").starts_with(&missed));
    let arrived = project.control("GET", "inbox", &serde_json::Value::Null);
    let arrived = arrived["chats"][0]["messages"]
        .as_array()
        .unwrap_or_else(|| panic!("{arrived}"));
    assert_eq!(arrived.len(), after.len());

    // What people say is written down by the same clock.
    let pause = [
        "notice",
        "pause",
        "recurring_notice.minutely",
        "--auto-approve",
    ];
    on("ahead", &pause).exits(0);
    all_true(format!("SELECT {} FROM pause", near("since")), 1);
    let resume = [
        "notice",
        "resume",
        "recurring_notice.minutely",
        "--auto-approve",
    ];
    on("behind", &resume).exits(0);
    all_true(format!("SELECT {} FROM pause", near("until")), 1);
    let key = format!("recurring_notice.minutely@{}", sent[0]);
    on("ahead", &["notice", "revoke", &key, "--auto-approve"]);
    let revoke_at = "SELECT revoke_at FROM occurrence WHERE revoke_at IS NOT NULL";
    assert_eq!(schema.texts(revoke_at).len(), 1);
    let query = format!(
        "SELECT {} FROM occurrence WHERE revoke_at IS NOT NULL",
        near("revoke_at")
    );
    all_true(query, 1);
}
