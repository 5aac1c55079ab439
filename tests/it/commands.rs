//! What each command does, as a transcript: write files, run, look at the words and at the world.

use std::io::Read;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::project::{ONCALL, Project, RELEASE, ROOM, Ran, beadle};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const PLAN: &[&str] = &["plan", "--detailed-exitcode"];
const NOTHING: &str = "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete.";
const OTHER: &str = "5d7e1c9a-2b44-4f0e-9b1a-0c6f3a2d8e11";

/// A subscription of the release room in the release tasklist, and what else its block says.
fn sub(name: &str, more: &str) -> String {
    format!(
        "  {name}: {{ tasklist: release, subscribers: [release-room], events: [task.added]{more} }}\n"
    )
}

fn subs(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().map(|name| sub(&name, "")).collect()
}

/// Somebody else's subscription.
fn theirs(project: &Project, name: &str, keys: &[u32]) -> String {
    let body =
        json!({"name": name, "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": keys});
    let path = format!("tasklists/{RELEASE}/subscriptions");
    let made = project.control("POST", &path, &body);
    made["guid"].as_str().unwrap().to_owned()
}

/// Methods of the calls that were meant to change something.
fn methods(project: &Project) -> Vec<String> {
    project
        .writes()
        .iter()
        .map(|c| c["method"].as_str().unwrap().to_owned())
        .collect()
}

fn change(plan: &Value) -> (&str, &str) {
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan}");
    let change = &plan["changes"][0];
    (
        change["action"].as_str().unwrap(),
        change["cause"].as_str().unwrap(),
    )
}

fn planned(project: &Project) -> Value {
    project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json()
}

#[test]
fn a_folder_that_is_no_project_is_said_to_be_none() {
    let project = Project::empty();
    for command in [
        &["validate"][..],
        &["plan"],
        APPLY,
        &["destroy", "--auto-approve"],
        &["export"],
        &["state", "list"],
        &["history"],
        &["lease", "show"],
        &["plan", "--sandbox"],
    ] {
        let ran = project.beadle(command).exits(1);
        assert!(
            ran.stderr
                .starts_with("error[no-project]: there is no beadle.yaml in `.`"),
            "{}",
            ran.stderr
        );
    }
    let ran = project.beadle(&["plan", "-C", "/nowhere"]).exits(1);
    assert!(
        ran.stderr
            .starts_with("error[no-project]: there is no folder `/nowhere`"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        std::fs::read_dir(project.path()).unwrap().count(),
        0,
        "and nothing is left there"
    );
}

#[test]
fn wrong_usage_ends_with_64() {
    let project = Project::new(&sub("a", ""));
    for args in [
        &[][..],
        &["nope"],
        &["plan", "--nope"],
        &["plan", "--format", "xml"],
        &["plan", "--target", "a"],
        &["plan", "--var", "a"],
        &["plan", "--concurrency", "0"],
        &["plan", "--timeout", "soon"],
        &["apply", "plan.json", "--target", "tasklist_subscription.a"],
        &["apply", "plan.json", "--expect", "sha256:0"],
        &["state"],
        &["import", "a", "b"],
    ] {
        let ran = project.beadle(args).exits(64);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn a_format_that_a_command_cannot_print_is_wrong_usage() {
    let project = Project::new(&sub("a", ""));
    let cases: [(&[&str], &[&str]); 11] = [
        (&["validate"], &["markdown"]),
        (&["show", "plan.json"], &["github"]),
        (APPLY, &["markdown", "github"]),
        (&["destroy", "--auto-approve"], &["markdown", "github"]),
        (
            &["import", "tasklist_subscription.a", "x"],
            &["markdown", "github"],
        ),
        (&["export"], &["json", "markdown", "github"]),
        (&["state", "list"], &["markdown", "github"]),
        (
            &["state", "forget", "tasklist_subscription.a"],
            &["markdown", "github"],
        ),
        (&["lease", "show"], &["markdown", "github"]),
        (&["history"], &["markdown", "github"]),
        (&["version"], &["markdown", "github"]),
    ];
    for (command, formats) in cases {
        for format in formats {
            let args = [command, &["--format", format]].concat();
            let ran = project.beadle(&args).exits(64);
            assert!(
                ran.stderr
                    .starts_with(&format!("error: `{}` prints ", command[0])),
                "{}",
                ran.stderr
            );
            assert_eq!(ran.stdout, "");
        }
    }
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn without_a_terminal_or_in_ci_nobody_is_asked() {
    let project = Project::new(&sub("a", ""));
    for command in ["apply", "destroy"] {
        for ci in [None, Some("true")] {
            let mut run = project.command(&[command]);
            if let Some(ci) = ci {
                run.env("CI", ci);
            }
            let ran = Ran::from(run.output().unwrap()).exits(1);
            assert!(
                ran.stderr.starts_with("error: nobody is here to approve"),
                "{}",
                ran.stderr
            );
            assert!(ran.stderr.contains("--auto-approve"), "{}", ran.stderr);
        }
    }
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn missing_or_wrong_credentials_are_named_and_validate_needs_none() {
    let project = Project::new(&sub("a", ""));
    let bare = |args: &[&str]| {
        let ran = beadle(&project.path()).args(args).output().unwrap();
        Ran::from(ran)
    };
    bare(&["validate"]).exits(0);
    bare(&["state", "list"]).exits(0);
    for args in [PLAN, APPLY, &["validate", "--online"], &["export"]] {
        let ran = bare(args).exits(1);
        assert!(
            ran.stderr.starts_with(
                "error[unset-variable]: the environment variable FEISHU_APP_SECRET is not set"
            ),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(project.calls(), Vec::<Value>::new());
    let mut wrong = project.command(APPLY);
    let ran: Ran = wrong
        .env("FEISHU_APP_SECRET", "hunter2hunter2")
        .output()
        .unwrap()
        .into();
    assert!(ran.stdout.contains("app secret invalid"), "{}", ran.stdout);
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    ran.exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_reader_that_goes_away_does_not_stop_an_apply() {
    let project = Project::new(&subs((0..40).map(|i| format!("s{i}"))));
    let mut child = project
        .command(APPLY)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    child.wait().unwrap();
    assert_eq!(project.live(RELEASE).len(), 40);
    project.beadle(PLAN).exits(0);
}

#[test]
fn only_a_terminal_gets_colour_unless_it_is_asked_for() {
    let project = Project::new(&sub("a", ""));
    assert!(!project.beadle(&["plan"]).stdout.contains('\u{1b}'));
    assert!(
        !project
            .beadle(&["plan", "--color", "never"])
            .stdout
            .contains('\u{1b}')
    );
    assert!(
        project
            .beadle(&["plan", "--color", "always"])
            .stdout
            .contains('\u{1b}')
    );
    let json = project.beadle(&["plan", "--color", "always", "--format", "json"]);
    assert!(!json.stdout.contains('\u{1b}'));
}

#[test]
fn a_target_or_exclusion_that_names_nothing_is_refused() {
    let project = Project::new(&sub("a", ""));
    for flag in ["--target", "--exclude", "--adopt"] {
        let ran = project
            .beadle(&["plan", flag, "tasklist_subscription.b"])
            .exits(1);
        assert!(
            ran.stderr.contains(&format!(
                "`{flag} tasklist_subscription.b` names nothing that is declared or bound"
            )),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_target_is_applied_alone() {
    let project = Project::new(&subs(["a", "b", "c"].map(str::to_owned)));
    project
        .beadle(&[
            "apply",
            "--auto-approve",
            "--target",
            "tasklist_subscription.b",
        ])
        .exits(0);
    assert_eq!(project.live_names(RELEASE), ["b"]);
    project
        .beadle(&[
            "apply",
            "--auto-approve",
            "--exclude",
            "tasklist_subscription.a",
        ])
        .exits(0);
    assert_eq!(project.live_names(RELEASE), ["b", "c"]);
}

#[test]
fn a_saved_plan_that_was_touched_or_is_none_is_refused() {
    let project = Project::new(&sub("a", ""));
    project.beadle(&["plan", "--out", "plan.json"]).exits(0);
    let text = project.read("plan.json");
    let saved: Value = serde_json::from_str(&text).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut saved = saved.clone();
        *saved.pointer_mut(pointer).unwrap() = value;
        saved.to_string()
    };
    for (edited, words) in [
        (
            with("/plan/changes/0/after/name", json!("evil")),
            "edited.json was edited",
        ),
        (
            with("/plan/changes/0/after/subscribers", json!([ONCALL])),
            "edited.json was edited",
        ),
        (
            with("/plan/changes/0/tasklist", json!(OTHER)),
            "the saved plan is stale",
        ),
        (with("/plan/changes", json!([])), "edited.json was edited"),
        (
            with("/plan/digest", json!("sha256:00")),
            "edited.json was edited",
        ),
        (
            with("/project", json!("other")),
            "the plan file is for project `other`, and this is `default`",
        ),
        (
            with("/format_version", json!(2)),
            "the plan file edited.json has format 2, this beadle reads 1",
        ),
        (
            text[..text.len() / 2].to_owned(),
            "edited.json is not a saved plan",
        ),
        (String::new(), "edited.json is not a saved plan"),
        ("null".to_owned(), "edited.json is not a saved plan"),
        ("[".repeat(100_000), "edited.json is not a saved plan"),
        (
            project.read("beadle.yaml"),
            "edited.json is not a saved plan",
        ),
    ] {
        project.write("edited.json", &edited);
        let ran = project.beadle(&["apply", "edited.json"]).exits(1);
        assert!(
            ran.stderr.starts_with(&format!("error: {words}")),
            "{}",
            ran.stderr
        );
    }
    let ran = project.beadle(&["apply", "nothing.json"]).exits(1);
    assert!(
        ran.stderr
            .contains("the plan file nothing.json cannot be read"),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.beadle(&["apply", "plan.json"]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["a"]);
}

#[test]
fn a_saved_plan_goes_stale_with_the_manifest_and_the_world_but_not_with_others() {
    let project = Project::new(&sub("a", ""));
    project.beadle(APPLY).exits(0);
    project.declare(&sub("a", ", enabled: false"));
    project.beadle(&["plan", "--out", "plan.json"]).exits(0);
    project.clear_calls();
    let stale = || {
        let ran = project.beadle(&["apply", "plan.json"]).exits(1);
        assert!(
            ran.stderr.starts_with("error: the saved plan is stale"),
            "{}",
            ran.stderr
        );
        assert_eq!(project.writes(), Vec::<Value>::new());
    };
    project.declare(&sub("a", ", enabled: false, name: b"));
    stale();
    project.declare(&sub("a", ", enabled: false"));
    let id = project.live(RELEASE)[0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    project.control(
        "POST",
        &format!("subscriptions/{id}"),
        &json!({"name": "moved"}),
    );
    stale();
    project.control(
        "POST",
        &format!("subscriptions/{id}"),
        &json!({"name": "a"}),
    );
    theirs(&project, "theirs", &[101]);
    let ran = project.beadle(&["apply", "plan.json"]).exits(0);
    assert_eq!(ran.last_line(), "Apply: 1 applied.");
    assert_eq!(methods(&project), ["PATCH"]);
    project.clear_calls();
    stale();
}

#[test]
fn a_digest_pins_what_was_reviewed() {
    let project = Project::new(&sub("a", ""));
    let digest = planned(&project)["digest"].as_str().unwrap().to_owned();
    let ran = project
        .beadle(&["apply", "--auto-approve", "--expect", "sha256:12"])
        .exits(1);
    assert!(
        ran.stderr.contains("the plan is not the one expected"),
        "{}",
        ran.stderr
    );
    project.declare(&sub("a", ", enabled: false"));
    project
        .beadle(&["apply", "--auto-approve", "--expect", &digest])
        .exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.declare(&sub("a", ""));
    project
        .beadle(&["apply", "--auto-approve", "--expect", &digest])
        .exits(0);
}

#[test]
fn what_is_protected_outlives_its_block_and_a_destroy() {
    let project = Project::new(&(sub("a", ", protect: true") + &sub("b", "")));
    project.beadle(APPLY).exits(0);
    project.declare(&sub("b", ""));
    project.clear_calls();
    let ran = project
        .beadle(&["apply", "--auto-approve", "--allow-deletes"])
        .exits(1);
    assert!(
        ran.stderr.starts_with("error: refused, nothing was written: tasklist_subscription.a is protected, and its block is gone"),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    let ran = project.beadle(&["destroy", "--auto-approve"]).exits(0);
    assert!(
        ran.stdout
            .contains("Protected, and kept:\n  tasklist_subscription.a\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(project.live_names(RELEASE), ["a"]);
    project.declare(&(sub("a", ", protect: false") + &sub("b", "")));
    project.beadle(APPLY).exits(0);
    project.declare(&sub("b", ""));
    project.beadle(APPLY).exits(0);
    assert_eq!(project.live_names(RELEASE), ["b"]);
}

#[test]
fn what_is_forgotten_stays_at_the_vendor() {
    let project = Project::new(&subs(["a", "b"].map(str::to_owned)));
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    let manifest = project.manifest(&sub("b", ""));
    project.write(
        "beadle.yaml",
        &manifest.replace(
            "version: 1\n",
            "version: 1\nforget: [tasklist_subscription.a]\n",
        ),
    );
    let ran = project.beadle(&["plan"]).exits(0);
    assert_eq!(
        ran.last_line(),
        format!("{}, 1 to forget.", NOTHING.trim_end_matches('.'))
    );
    project.beadle(APPLY).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.beadle(PLAN).exits(0);
    assert_eq!(project.live_names(RELEASE), ["a", "b"]);
    assert_eq!(planned(&project)["foreign"][0]["name"], "a");
    // Declared again, it is as it was.
    project.declare(&subs(["a", "b"].map(str::to_owned)));
    project.beadle(PLAN).exits(0);
}

#[test]
fn a_renamed_block_keeps_its_object() {
    let project = Project::new(&sub("a", ""));
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project.declare(&sub("b", ", moved_from: a, name: a"));
    project.beadle(PLAN).exits(0);
    project.declare(&sub("b", ", moved_from: a"));
    let plan = planned(&project);
    assert_eq!(change(&plan), ("update", "ahead"));
    assert_eq!(plan["changes"][0]["update_fields"], json!(["name"]));
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), ["PATCH"]);
    project.declare(&sub("b", ""));
    project.beadle(PLAN).exits(0);
}

#[test]
fn keys_are_labels_and_instances_are_known_by_their_tasklist() {
    let project = Project::new(&sub("a", ""));
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": OTHER, "name": "Other"}),
    );
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    let manifest = project.read("beadle.yaml");
    let renamed = manifest
        .replace("  release: {", "  launch: {")
        .replace("tasklist: release", "tasklist: launch");
    project.write("beadle.yaml", &renamed);
    project.beadle(PLAN).exits(0);

    let both = manifest.replace(
        "chats:\n",
        &format!("  other: {{ guid: {OTHER} }}\nchats:\n"),
    );
    project.write(
        "beadle.yaml",
        &both.replace("tasklist: release", "tasklists: [release]"),
    );
    project.beadle(PLAN).exits(0);
    project.write(
        "beadle.yaml",
        &both.replace("tasklist: release", "tasklists: [release, other]"),
    );
    let plan = planned(&project);
    assert_eq!(change(&plan), ("create", "ahead"));
    assert_eq!(
        plan["changes"][0]["address"],
        "tasklist_subscription.a/other"
    );
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), ["POST"]);
    project.write(
        "beadle.yaml",
        &both.replace("tasklist: release", "tasklist: other"),
    );
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), ["POST", "DELETE"]);
    assert_eq!(
        (project.live(RELEASE).len(), project.live(OTHER).len()),
        (0, 1)
    );
}

#[test]
fn another_tasklist_is_another_object() {
    let project = Project::new(&sub("a", ", protect: true"));
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": OTHER, "name": "Other"}),
    );
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    let moved = |more| {
        let manifest = project
            .manifest(&sub("a", more))
            .replace("tasklist: release", "tasklist: other");
        manifest.replace(
            "chats:\n",
            &format!("  other: {{ guid: {OTHER} }}\nchats:\n"),
        )
    };
    project.write("beadle.yaml", &moved(", protect: true"));
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr.contains("is protected and would be replaced"),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.declare(&sub("a", ""));
    project.beadle(APPLY).exits(0);
    project.write("beadle.yaml", &moved(""));
    assert_eq!(change(&planned(&project)).0, "replace");
    project.beadle(APPLY).exits(0);
    assert_eq!(
        methods(&project),
        ["POST", "DELETE"],
        "the new one is there before the old one goes"
    );
    assert_eq!(
        (project.live(RELEASE).len(), project.live(OTHER).len()),
        (0, 1)
    );
    project.beadle(PLAN).exits(0);
}

#[test]
fn a_live_object_of_the_same_name_is_bound_when_equal_and_needs_consent_when_not() {
    let project = Project::new(&sub("equal", ""));
    theirs(&project, "equal", &[100]);
    let other = theirs(&project, "other", &[101]);
    let ran = project.beadle(PLAN).exits(0);
    assert!(
        ran.stdout
            .contains("As declared already, and bound by apply:\n  = tasklist_subscription.equal"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("warning[new-ledger]: this ledger is new, and 1 live object matches by name"),
        "{}",
        ran.stderr
    );
    let ran = project.beadle(APPLY).exits(0);
    assert_eq!(ran.last_line(), "Apply: 0 applied. 1 object bound.");
    assert_eq!(project.writes(), Vec::<Value>::new());

    project.declare(&(sub("equal", "") + &sub("other", "")));
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr.starts_with("error[adopt-needs-consent]"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains(&format!(
            "write `id: {other}` or pass `--adopt tasklist_subscription.other`"
        )),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    project
        .beadle(&[
            "apply",
            "--auto-approve",
            "--adopt",
            "tasklist_subscription.other",
        ])
        .exits(0);
    assert_eq!(methods(&project), ["PATCH"]);
    assert_eq!(project.live_names(RELEASE), ["equal", "other"]);
    project.beadle(PLAN).exits(0);
}

#[test]
fn two_live_objects_of_one_name_are_no_guess() {
    let project = Project::new(&sub("twin", ""));
    theirs(&project, "twin", &[100]);
    let second = theirs(&project, "twin", &[100]);
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr.starts_with("error[ambiguous-name]"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(&second), "{}", ran.stderr);
    project.declare(&sub("twin", &format!(", id: {second}")));
    project.beadle(APPLY).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_pinned_id_is_adopted_or_an_error() {
    let project = Project::new("");
    let id = theirs(&project, "theirs", &[101]);
    project.declare(&sub("a", &format!(", id: {id}")));
    assert_eq!(change(&planned(&project)), ("adopt", "differs"));
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), ["PATCH"]);
    assert_eq!(project.live_names(RELEASE), ["a"]);
    project.beadle(PLAN).exits(0);

    project.declare(&(sub("a", "") + &sub("b", &format!(", id: {id}"))));
    let ran = project.beadle(PLAN).exits(1);
    assert!(
        ran.stderr
            .contains("is bound to tasklist_subscription.a of this project"),
        "{}",
        ran.stderr
    );
    project.declare(&sub("a", &format!(", id: {id}")));
    project.control("DELETE", &format!("subscriptions/{id}"), &Value::Null);
    project.clear_calls();
    let ran = project.beadle(APPLY).exits(1);
    assert!(ran.stderr.starts_with("error[pin-gone]"), "{}", ran.stderr);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn all_events_leave_a_live_key_that_we_do_not_know() {
    let all = "  a: { tasklist: release, subscribers: [release-room], events: all }\n";
    let project = Project::new(all);
    let mut keys = vec![
        100, 101, 103, 104, 109, 110, 111, 119, 121, 122, 129, 130, 131, 132,
    ];
    keys.push(133);
    let id = theirs(&project, "a", &keys);
    project.beadle(APPLY).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.declare(&sub("a", ""));
    let ran = project.beadle(&["plan"]).exits(0);
    assert!(
        ran.stdout.contains("- 133"),
        "a key without a name shows as its number: {}",
        ran.stdout
    );
    project.control(
        "POST",
        &format!("subscriptions/{id}"),
        &json!({"include_keys": [100, 133]}),
    );
    project
        .declare("  a: { tasklist: release, subscribers: [release-room], events: [100, 133] }\n");
    project.beadle(PLAN).exits(0);
}

#[test]
fn a_full_tasklist_gets_its_deletes_first() {
    let project = Project::new(&subs((0..5).map(|i| format!("a{i}"))));
    for i in 0..45 {
        theirs(&project, &format!("theirs {i}"), &[101]);
    }
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project.declare(&subs((0..5).map(|i| format!("b{i}"))));
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), [["DELETE"; 5], ["POST"; 5]].concat());
    project.beadle(PLAN).exits(0);
    // Where there is room, what is new comes before what is old goes.
    let project = Project::new(&sub("a", ""));
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project.declare(&sub("b", ""));
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), ["POST", "DELETE"]);
}

#[test]
fn an_authoritative_tasklist_loses_what_nobody_declared_or_keeps() {
    let project = Project::empty();
    let manifest = project.manifest(&sub("a", "")).replace(
        &format!("guid: {RELEASE}"),
        &format!("guid: {RELEASE}, authoritative: true, keep: [\"manual *\"]"),
    );
    project.write("beadle.yaml", &manifest);
    for name in ["manual one", "stray"] {
        theirs(&project, name, &[101]);
    }
    project.clear_calls();
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr
            .contains("more than `guards.deletes` (30 %) allows"),
        "{}",
        ran.stderr
    );
    for selection in ["--target", "--exclude"] {
        let ran = project
            .beadle(&[
                "plan",
                selection,
                "tasklist_subscription.a",
                "--format",
                "json",
            ])
            .exits(0);
        assert_eq!(ran.json()["summary"]["delete"], 0);
    }
    assert_eq!(project.writes(), Vec::<Value>::new());
    project
        .beadle(&["apply", "--auto-approve", "--allow-deletes"])
        .exits(0);
    assert_eq!(project.live_names(RELEASE), ["a", "manual one"]);
    project.beadle(PLAN).exits(0);
}

#[test]
fn many_deletes_need_consent_from_ten_objects_on() {
    let project = Project::new(&subs((0..10).map(|i| format!("s{i}"))));
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project.declare(&subs((0..6).map(|i| format!("s{i}"))));
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr.contains(
            "4 bound objects of 10 bound would be deleted, more than `guards.deletes` (30 %) allows"
        ),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    project.declare(&subs((0..7).map(|i| format!("s{i}"))));
    project.beadle(APPLY).exits(0);
    // Fewer than ten are not guarded.
    project.declare(&sub("s0", ""));
    project.beadle(APPLY).exits(0);
    assert_eq!(project.live_names(RELEASE), ["s0"]);
}

#[test]
fn without_a_ledger_names_are_identities_and_nothing_is_deleted() {
    let project = Project::empty();
    let stateless = |subscriptions: &str| {
        let manifest = project.manifest(subscriptions);
        manifest.replace("version: 1\n", "version: 1\nproject: p\nledger: none\n")
    };
    project.write(
        "beadle.yaml",
        &stateless(&subs(["a", "b"].map(str::to_owned))),
    );
    project.beadle(APPLY).exits(0);
    project.beadle(PLAN).exits(0);
    project.clear_calls();
    project.write("beadle.yaml", &stateless(&sub("a", ", enabled: false")));
    assert_eq!(change(&planned(&project)).1, "differs");
    project.beadle(APPLY).exits(0);
    assert_eq!(methods(&project), ["PATCH"]);
    assert_eq!(project.live_names(RELEASE), ["a", "b"]);
    for command in [
        &["state", "list"][..],
        &["history"],
        &["lease", "show"],
        &["import", "tasklist_subscription.a", "x"],
        &["state", "forget", "tasklist_subscription.a"],
    ] {
        let ran = project.beadle(command).exits(1);
        assert!(
            ran.stderr.starts_with("error: `ledger: none` "),
            "{}",
            ran.stderr
        );
    }
    let authoritative = stateless(&sub("a", ", enabled: false")).replace(
        &format!("guid: {RELEASE}"),
        &format!("guid: {RELEASE}, authoritative: true"),
    );
    project.write("beadle.yaml", &authoritative);
    project.beadle(APPLY).exits(1);
    project
        .beadle(&["apply", "--auto-approve", "--allow-deletes"])
        .exits(0);
    assert_eq!(project.live_names(RELEASE), ["a"]);
    assert!(!project.path().join(".beadle").exists(), "nothing is kept");
}

#[test]
fn an_export_validates_and_plans_to_nothing_in_an_empty_project() {
    let project = Project::empty();
    project.write(
        "beadle.yaml",
        &format!("version: 1\n{}", project.providers()),
    );
    let names = [
        "plain",
        "it's \"quoted\"",
        "a: b",
        "- dash",
        "--flag",
        "yes",
        "null",
        "~",
        "12:30",
        "0123",
        "1e3",
        "2026-01-01",
        "emoji 🎉",
        "  spaces  ",
        "#hash",
        "&anchor",
        "*alias",
        "!tag",
        "%",
        "@at",
        "`tick`",
        "{a}",
        "[b]",
        "|",
        ">",
        "?",
        "---",
        "...",
        "\\",
        "'",
        "$",
        "项目进度订阅",
        "e\u{301}",
        "\u{202e}right to left\u{202c}",
    ];
    for (index, name) in names.iter().enumerate() {
        let keys: &[u32] = [&[100, 101][..], &[103, 133], &[132]][index % 3];
        theirs(&project, name, keys);
    }
    let before = project.live(RELEASE);
    let export = project.beadle(&["export", RELEASE]).exits(0);
    project.write("beadle.yaml", &export.stdout);
    project.beadle(&["validate"]).exits(0);
    project.beadle(PLAN).exits(0);
    let ran = project.beadle(APPLY).exits(0);
    assert_eq!(
        ran.last_line(),
        format!("Apply: 0 applied. {} objects bound.", names.len())
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(project.live(RELEASE), before);
    let again = project.beadle(&["export"]).exits(0);
    assert_eq!(
        again.stdout, export.stdout,
        "what was exported is exported again"
    );
}

#[test]
fn an_export_leaves_out_a_twin_and_says_so() {
    let project = Project::new("");
    theirs(&project, "twin", &[100]);
    theirs(&project, "twin", &[101]);
    let ran = project.beadle(&["export"]).exits(0);
    assert!(
        ran.stderr
            .contains("another subscription there is named \"twin\" too"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout.matches("    id: ").count(), 2, "{}", ran.stdout);
    let ran = project
        .beadle(&["export", "00000000-0000-4000-8000-000000000000"])
        .exits(1);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("does not exist"), "{}", ran.stderr);
}

#[test]
fn what_others_named_cannot_speak_to_the_terminal() {
    let project = Project::new(&sub("a", ""));
    theirs(&project, "\u{1b}[31mred\u{1b}[0m\u{7}", &[101]);
    theirs(&project, "\u{202e}evil", &[101]);
    theirs(&project, "two\nlines", &[101]);
    for format in ["human", "markdown"] {
        let ran = project.beadle(&["plan", "--format", format]).exits(0);
        for hostile in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!ran.stdout.contains(hostile), "{format}: {}", ran.stdout);
        }
        assert!(
            ran.stdout.contains("two\\nlines") || ran.stdout.contains("two\\\\nlines"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn import_binds_what_is_declared_to_what_is_live() {
    let project = Project::new(&(sub("a", "") + &sub("b", "")));
    let id = theirs(&project, "theirs", &[101]);
    let address = "tasklist_subscription.a";
    let ran = project.beadle(&["import", address, &id]).exits(0);
    assert_eq!(
        ran.stdout,
        format!("Bound {address} to {id} in tasklist {RELEASE}.\n")
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    let plan = planned(&project);
    assert_eq!(plan["changes"][0]["action"], "update");
    assert_eq!(
        plan["changes"][0]["update_fields"],
        json!(["name", "events"])
    );
    for (args, words) in [
        (
            ["import", "tasklist_subscription.b", id.as_str()],
            "is bound to tasklist_subscription.a already",
        ),
        (["import", address, OTHER], "holds no subscription"),
        (
            ["import", "tasklist_subscription.c", id.as_str()],
            "is not declared",
        ),
    ] {
        let ran = project.beadle(&args).exits(1);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        assert!(ran.stderr.contains("\nhelp: "), "{}", ran.stderr);
    }
    project.beadle(APPLY).exits(0);
    project.beadle(PLAN).exits(0);
    assert_eq!(project.live_names(RELEASE), ["a", "b"]);
}

#[test]
fn the_ledger_is_looked_at_and_mended() {
    let project = Project::new(&subs(["a", "b"].map(str::to_owned)));
    let ran = project.beadle(&["state", "list"]).exits(0);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("", "Nothing is bound.\n")
    );
    assert!(
        !project.path().join(".beadle").exists(),
        "looking makes no ledger"
    );
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    let (a, b, c) = (
        "tasklist_subscription.a",
        "tasklist_subscription.b",
        "tasklist_subscription.c",
    );
    let listed = project
        .beadle(&["state", "list", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(listed["bindings"].as_array().unwrap().len(), 2);
    assert_eq!(
        listed["bindings"][0]["applied"]["events"],
        json!(["task.added"])
    );
    let ran = project.beadle(&["state", "move", a, b]).exits(1);
    assert!(
        ran.stderr
            .starts_with(&format!("error: {b} is bound already")),
        "{}",
        ran.stderr
    );
    assert_eq!(
        project.beadle(&["state", "move", a, c]).exits(0).stdout,
        format!("Moved {a} to {c}.\n")
    );
    project.beadle(&["state", "show", a]).exits(1);
    assert!(
        project
            .beadle(&["state", "show", c])
            .exits(0)
            .stdout
            .starts_with(&format!("address: {c}\n"))
    );
    project.beadle(&["state", "move", c, a]).exits(0);
    project.beadle(PLAN).exits(0);
    assert!(
        project
            .beadle(&["state", "forget", a])
            .exits(0)
            .stdout
            .starts_with(&format!("Forgot {a}; "))
    );
    project.beadle(&["state", "forget", a]).exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(project.live_names(RELEASE), ["a", "b"]);

    let history = project
        .beadle(&["history", "--format", "json", "--limit", "1"])
        .exits(0)
        .json();
    assert_eq!(history["entries"].as_array().unwrap().len(), 1);
    assert_eq!(
        history["entries"][0]["operation"],
        "createTasklistActivitySubscription"
    );
    assert_eq!(history["entries"][0]["outcome"], "applied");
    assert_eq!(
        project.beadle(&["lease", "show"]).exits(0).stdout,
        "Nobody holds the lease.\n"
    );
    project
        .beadle(&["lease", "break", "--auto-approve"])
        .exits(0);
}

#[test]
fn one_object_is_bound_in_one_project() {
    let project = Project::empty();
    let of = |name: &str, subscriptions: &str| {
        let manifest = project.manifest(subscriptions);
        manifest.replace(
            "version: 1\n",
            &format!("version: 1\nproject: {name}\nledger: sqlite:shared.db\n"),
        )
    };
    project.write("beadle.yaml", &of("one", &sub("a", "")));
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project.write("beadle.yaml", &of("two", &sub("a", "")));
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr
            .contains("is bound to tasklist_subscription.a of project `one`"),
        "{}",
        ran.stderr
    );
    project.write("beadle.yaml", &of("two", ""));
    project
        .beadle(&["apply", "--auto-approve", "--allow-deletes"])
        .exits(0);
    project.beadle(&["destroy", "--auto-approve"]).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(project.live_names(RELEASE), ["a"]);
}

#[test]
fn another_app_on_the_same_binding_is_refused() {
    let project = Project::new(&sub("a", ""));
    project.beadle(APPLY).exits(0);
    project.control(
        "POST",
        "apps",
        &json!({"app_id": "cli_other", "app_secret": "sandbox-secret"}),
    );
    let member = json!({"id": "cli_other", "type": "app", "role": "editor"});
    project.control("POST", &format!("tasklists/{RELEASE}/members"), &member);
    project.clear_calls();
    project.write(
        "beadle.yaml",
        &project
            .read("beadle.yaml")
            .replace("cli_sandbox", "cli_other"),
    );
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stderr.contains("tasklist_subscription.a was made with app cli_sandbox, and provider `feishu` is app cli_other"),
        "{}",
        ran.stderr
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn a_chat_that_the_app_is_not_in_is_named_before_anything_is_tried() {
    let project = Project::empty();
    project.control(
        "POST",
        "chats",
        &json!({"chat_id": "oc_closed", "name": "closed", "members": []}),
    );
    project.declare(
        &(sub("a", "").replace("release-room]", "release-room, oc_closed]") + &sub("b", "")),
    );
    let ran = project.beadle(&["plan"]).exits(0);
    assert!(
        ran.stderr.contains(
            "warning[not-in-chat]: the app of provider `feishu` is not in chat oc_closed"
        ),
        "{}",
        ran.stderr
    );
    let ran = project.beadle(APPLY).exits(1);
    assert_eq!(ran.last_line(), "Apply: 1 applied, 1 failed.");
    assert_eq!(project.live_names(RELEASE), ["b"]);
}

#[test]
fn a_tasklist_that_is_gone_or_closed_is_unread_and_the_rest_goes_on() {
    let project = Project::empty();
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": OTHER, "name": "Other"}),
    );
    let manifest = project
        .manifest(&(sub("a", "") + &sub("b", "").replace("tasklist: release", "tasklist: other")));
    project.write(
        "beadle.yaml",
        &manifest.replace(
            "chats:\n",
            &format!("  other: {{ guid: {OTHER} }}\nchats:\n"),
        ),
    );
    project.control("DELETE", &format!("tasklists/{OTHER}"), &Value::Null);
    let ran = project.beadle(APPLY).exits(1);
    assert!(
        ran.stdout
            .contains("Unread, so left alone:\n  ? tasklist_subscription.b: "),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.last_line(), "Apply: 1 applied, 1 unread.");
    assert_eq!(project.live_names(RELEASE), ["a"]);
}

#[test]
fn a_hundred_files_are_one_project() {
    let project = Project::empty();
    for i in 0..100 {
        let deep = "deeper/".repeat(i % 4);
        project.write(
            &format!("teams/{}/{deep}{i}.yaml", i % 7),
            &format!("tasklist_subscriptions:\n{}", sub(&format!("s{i}"), "")),
        );
    }
    for i in 0..100 {
        // Two tasklists of fifty.
        let path = format!("teams/{}/{}{i}.yaml", i % 7, "deeper/".repeat(i % 4));
        if i % 2 == 1 {
            project.write(
                &path,
                &project
                    .read(&path)
                    .replace("tasklist: release", "tasklist: other"),
            );
        }
    }
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": OTHER, "name": "Other"}),
    );
    let manifest = project.manifest("").replace(
        "version: 1\n",
        "version: 1\ninclude: [\"teams/**/*.yaml\"]\n",
    );
    project.write(
        "beadle.yaml",
        &manifest.replace(
            "chats:\n",
            &format!("  other: {{ guid: {OTHER} }}\nchats:\n"),
        ),
    );
    let ran = project.beadle(&["validate"]).exits(0);
    assert_eq!(
        ran.stdout,
        "Valid: 100 tasklist subscriptions in 101 files.\n"
    );
    project.beadle(APPLY).exits(0);
    assert_eq!(
        (project.live(RELEASE).len(), project.live(OTHER).len()),
        (50, 50)
    );
    project.beadle(PLAN).exits(0);
}

#[test]
fn the_sandbox_flag_needs_nothing_and_touches_nothing_else() {
    let project = Project::new(&sub("a", ""));
    let bare = |args: &[&str]| {
        let ran = beadle(&project.path())
            .args(args)
            .arg("--sandbox")
            .output()
            .unwrap();
        Ran::from(ran)
    };
    let ran = bare(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(
        ran.stderr
            .contains(&format!("sandbox: made tasklist release ({RELEASE})")),
        "{}",
        ran.stderr
    );
    bare(APPLY).exits(0);
    for args in [
        PLAN,
        &["validate", "--online"],
        &["export"],
        &["state", "list"],
        &["history"],
        &["lease", "show"],
    ] {
        bare(args).exits(0);
    }
    bare(&["destroy", "--auto-approve"]).exits(0);
    assert_eq!(
        project.calls(),
        Vec::<Value>::new(),
        "the manifest's base_url is ignored"
    );
    let state = project.beadle(&["state", "list"]).exits(0);
    assert_eq!(state.stderr, "Nothing is bound.\n", "and so is its ledger");
}
