//! What was once found broken from outside, and stays mended.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, ROOM};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const OTHER: &str = "5d7e1c9a-2b44-4f0e-9b1a-0c6f3a2d8e11";

fn sub(name: &str, more: &str) -> String {
    format!(
        "  {name}: {{ tasklist: release, subscribers: [release-room], events: [task.added]{more} }}\n"
    )
}

fn theirs(project: &Project, name: &str) -> String {
    let body =
        json!({"name": name, "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [101]});
    let made = project.control("POST", &format!("tasklists/{RELEASE}/subscriptions"), &body);
    made["guid"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_is_not_saved_over_a_file_that_is_no_plan() {
    let project = Project::new(&sub("a", ""));
    let before = project.read("beadle.yaml");
    project.beadle(&["plan", "--out", "beadle.yaml"]).exits(1);
    assert_eq!(project.read("beadle.yaml"), before);
}

#[test]
fn a_plan_of_the_sandbox_is_not_applied_to_the_vendor() {
    let project = Project::new(&sub("a", ""));
    project
        .beadle(&["plan", "--sandbox", "--out", "plan.json"])
        .exits(0);
    project.beadle(&["apply", "plan.json"]).exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_digest_is_of_one_tasklist() {
    let project = Project::new(&sub("a", ""));
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": OTHER, "name": "Production"}),
    );
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    let digest = plan["digest"].as_str().unwrap();
    project.write(
        "beadle.yaml",
        &project.read("beadle.yaml").replace(RELEASE, OTHER),
    );
    project
        .beadle(&["apply", "--auto-approve", "--expect", digest])
        .exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn another_app_deletes_nothing() {
    let project = Project::new(&(sub("a", "") + &sub("b", "")));
    project.beadle(APPLY).exits(0);
    project.control(
        "POST",
        "apps",
        &json!({"app_id": "cli_other", "app_secret": "sandbox-secret"}),
    );
    let member = json!({"id": "cli_other", "type": "app", "role": "editor"});
    project.control("POST", &format!("tasklists/{RELEASE}/members"), &member);
    project.control(
        "POST",
        &format!("chats/{ROOM}/members"),
        &json!({"app_id": "cli_other"}),
    );
    project.clear_calls();
    let other = project
        .read("beadle.yaml")
        .replace("cli_sandbox", "cli_other");
    project.write("beadle.yaml", &other);
    project.beadle(&["destroy", "--auto-approve"]).exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.write(
        "beadle.yaml",
        &other.replace("  a: {", "  c: {").replace(&sub("b", ""), ""),
    );
    project.beadle(APPLY).exits(1);
    assert_eq!(project.live_names(RELEASE), ["a", "b"]);
}

#[test]
fn a_secret_that_was_written_down_is_not_shown() {
    let project = Project::new(&sub("a", ""));
    let manifest = project
        .read("beadle.yaml")
        .replace("${env:FEISHU_APP_SECRET}", "hunter2hunter2");
    project.write("beadle.yaml", &manifest);
    for text in [
        manifest.clone(),
        manifest.replace("{ app_id:", "{ nmae: x, app_id:"),
    ] {
        project.write("beadle.yaml", &text);
        for format in ["human", "json", "github"] {
            let ran = project.beadle(&["validate", "--format", format]);
            assert!(!format!("{ran:?}").contains("hunter2"), "{format}: {ran:?}");
        }
    }
}

#[test]
fn an_export_means_each_name_as_it_is() {
    let project = Project::empty();
    project.write(
        "beadle.yaml",
        &format!("version: 1\n{}", project.providers()),
    );
    for name in [
        "${var:x}",
        "$${x}",
        "${env:HOME}",
        "${file:/etc/passwd}",
        "${",
        "\u{2028}x",
    ] {
        theirs(&project, name);
    }
    let export = project.beadle(&["export", RELEASE]).exits(0);
    project.write("beadle.yaml", &export.stdout);
    project.beadle(&["validate"]).exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn an_export_with_a_name_that_cannot_be_declared_still_validates() {
    let project = Project::empty();
    project.write(
        "beadle.yaml",
        &format!("version: 1\n{}", project.providers()),
    );
    for name in ["two\nlines", "tab\there", "\u{1b}[31mred"] {
        theirs(&project, name);
    }
    let export = project.beadle(&["export", RELEASE]).exits(0);
    project.write("beadle.yaml", &export.stdout);
    project.beadle(&["validate"]).exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn an_allowed_delete_is_not_called_refused() {
    let project = Project::new(&sub("a", ""));
    project.beadle(APPLY).exits(0);
    project.declare("");
    let ran = project
        .beadle(&["apply", "--auto-approve", "--allow-deletes"])
        .exits(0);
    assert!(!ran.stdout.contains("Refused"), "{}", ran.stdout);
}

#[test]
fn a_new_ledger_is_told_by_apply_too() {
    let project = Project::new(&sub("theirs", "").replace("task.added", "task.removed"));
    theirs(&project, "theirs");
    let ran = project.beadle(APPLY).exits(0);
    assert!(ran.stderr.contains("warning[new-ledger]"), "{}", ran.stderr);
}

#[test]
fn what_is_forgotten_in_an_authoritative_tasklist_is_not_deleted_next() {
    let project = Project::empty();
    let of = |subs: &str| {
        let all = format!("guid: {RELEASE}, authoritative: true");
        project
            .manifest(subs)
            .replace(&format!("guid: {RELEASE}"), &all)
    };
    let rest: String = ["b", "c", "d"].map(|n| sub(n, "")).concat();
    project.write("beadle.yaml", &of(&(sub("a", "") + &rest)));
    project.beadle(APPLY).exits(0);
    let forgetting = of(&rest).replace(
        "version: 1\n",
        "version: 1\nforget: [tasklist_subscription.a]\n",
    );
    project.write("beadle.yaml", &forgetting);
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr.contains("error[forget-authoritative]"),
        "{}",
        ran.stderr
    );
    let kept = forgetting.replace("authoritative: true", "authoritative: true, keep: [a]");
    project.write("beadle.yaml", &kept);
    project.beadle(APPLY).exits(0);
    project.beadle(APPLY).exits(0);
    assert_eq!(project.live_names(RELEASE), ["a", "b", "c", "d"]);
}

#[test]
fn a_lifted_protection_shows_in_the_plan() {
    let project = Project::new(&sub("a", ", protect: true"));
    project.beadle(APPLY).exits(0);
    project.declare(&sub("a", ", protect: false"));
    let ran = project.beadle(&["plan"]).exits(0);
    assert!(ran.stdout.contains("protect"), "{}", ran.stdout);
}

#[test]
fn a_full_disk_is_no_success() {
    let project = Project::new(&sub("a", ""));
    for args in [&["plan", "--format", "json"][..], &["export"], &["schema"]] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let status = project
            .command(args)
            .stdout(Stdio::from(full))
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn a_destroy_without_a_ledger_says_that_nothing_is_bound() {
    let project = Project::empty();
    let manifest = project.manifest(&sub("a", ""));
    project.write(
        "beadle.yaml",
        &manifest.replace("version: 1\n", "version: 1\nproject: p\nledger: none\n"),
    );
    project.beadle(APPLY).exits(0);
    project.beadle(&["destroy", "--auto-approve"]).exits(1);
}

#[test]
fn a_broken_lease_leaves_an_unknown_write_and_no_interrupt() {
    let project = Project::new(&(sub("a", "") + &sub("b", "")));
    project.fault("hold-after@createTasklistActivitySubscription:1");
    let first = project.start(APPLY);
    while project.control("GET", "faults", &Value::Null)["held"] != 1 {
        std::thread::yield_now();
    }
    project
        .beadle(&["lease", "break", "--auto-approve"])
        .exits(0);
    project.control("POST", "release", &Value::Null);
    let ran: crate::support::project::Ran = first.wait_with_output().unwrap().into();
    let ran = ran.exits(1);
    assert!(ran.stdout.contains("1 unknown"), "{}", ran.stdout);
    assert!(
        !ran.stderr.contains("skipped: interrupted"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_mistake_found_later_points_at_the_value() {
    let project = Project::new(&sub("a", ", id: 00000000-0000-4000-8000-000000000000"));
    let ran = project.beadle(&["plan"]).exits(1);
    let column = project
        .read("beadle.yaml")
        .lines()
        .nth(9)
        .unwrap()
        .find("00000000")
        .unwrap()
        + 1;
    assert!(
        ran.stderr.contains(&format!("--> beadle.yaml:10:{column}")),
        "{}",
        ran.stderr
    );
}

#[test]
fn one_typo_is_one_mistake() {
    let project = Project::new(&sub("a", ""));
    project.write(
        "beadle.yaml",
        &project
            .read("beadle.yaml")
            .replace("version: 1", "verzion: 1"),
    );
    let ran = project.beadle(&["validate"]).exits(1);
    assert_eq!(ran.stderr.matches("error[").count(), 1, "{}", ran.stderr);
}

#[test]
fn markdown_names_what_is_deleted() {
    let project = Project::empty();
    theirs(&project, "stray");
    let all = format!("guid: {RELEASE}, authoritative: true");
    let manifest = project.manifest(&sub("a", ""));
    project.write(
        "beadle.yaml",
        &manifest.replace(&format!("guid: {RELEASE}"), &all),
    );
    let ran = project
        .beadle(&["plan", "--allow-deletes", "--format", "markdown"])
        .exits(0);
    assert!(ran.stdout.contains("stray"), "{}", ran.stdout);
}

#[test]
fn an_empty_selection_is_not_said_to_agree() {
    let project = Project::new(&sub("a", ""));
    let ran = project
        .beadle(&["plan", "--exclude", "tasklist_subscription.a"])
        .exits(0);
    assert!(
        !ran.stdout.contains("what is live is what is declared"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_timeout_of_nothing_is_wrong_usage() {
    let project = Project::new(&sub("a", ""));
    project.beadle(&["plan", "--timeout", "0s"]).exits(64);
}
