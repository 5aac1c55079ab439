//! The published shapes are described in `schemas/`, and what the binary prints fits them.

use std::fs;
use std::path::Path;

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, beadle};

const NAMES: [&str; 16] = [
    "manifest",
    "plan",
    "drift",
    "saved-plan",
    "apply-event",
    "diagnostics",
    "state",
    "lease",
    "history",
    "group",
    "groups",
    "simulation",
    "report",
    "doctor",
    "self-test",
    "version",
];

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"))
}

#[test]
fn every_schema_is_current() {
    for name in NAMES {
        let ran = beadle(Path::new("."))
            .args(["schema", name])
            .output()
            .unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(file(name), &printed).unwrap();
        }
        let kept = fs::read_to_string(file(name)).unwrap_or_default();
        assert!(
            kept == printed,
            "stale: beadle schema {name} > schemas/{name}.schema.json"
        );
    }
}

/// Holds what was printed against a schema of ours.
#[track_caller]
pub(crate) fn fits(name: &str, value: &Value) {
    let schema: Value = serde_json::from_str(&fs::read_to_string(file(name)).unwrap()).unwrap();
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.add_resource("shape.json", schema).unwrap();
    let index = compiler.compile("shape.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(value, index) {
        panic!("{name}: {error}\n{value:#}");
    }
}

#[test]
fn what_is_printed_fits_its_schema() {
    let project = Project::new(
        "  x: { tasklist: release, subscribers: [release-room], events: all }
  y: { tasklist: release, subscribers: [oncall-room], events: [task.created] }
",
    );
    fits(
        "plan",
        &project
            .beadle(&["plan", "--format", "json"])
            .exits(0)
            .json(),
    );
    fits(
        "drift",
        &project
            .beadle(&["drift", "--format", "json"])
            .exits(0)
            .json(),
    );
    let applied = project
        .beadle(&["apply", "--auto-approve", "--format", "json"])
        .exits(0);
    let lines: Vec<Value> = applied
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        fits("apply-event", line);
    }
    assert_eq!(lines.last().unwrap()["event"], "summary");
    assert_eq!(lines.last().unwrap()["applied"], 2);
    for live in project.live(RELEASE) {
        let path = format!("subscriptions/{}", live["guid"].as_str().unwrap());
        project.control("POST", &path, &json!({"disabled": true}));
    }
    let drift = project.beadle(&["drift", "--format", "json"]).exits(2);
    fits("drift", &drift.json());
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    fits(
        "diagnostics",
        &project
            .beadle(&["validate", "--format", "json"])
            .exits(0)
            .json(),
    );
    for (name, args) in [
        ("state", &["state", "list"][..]),
        ("lease", &["lease", "show"]),
        ("history", &["history"]),
    ] {
        let mut args = args.to_vec();
        args.extend(["--format", "json"]);
        fits(name, &project.beadle(&args).exits(0).json());
    }
    let manifest = project.read("beadle.yaml");
    project.write(
        "beadle.yaml",
        &format!("{manifest}recipient_groups: {{ a: {{ feishu: {{ users: [ou_a], emails: [a@example.com] }}, exclude: {{ feishu: {{ users: [ou_b] }} }} }} }}\n"),
    );
    for (name, args) in [
        ("group", &["group", "show", "a"][..]),
        ("groups", &["group", "list"]),
    ] {
        let mut args = args.to_vec();
        args.extend(["--format", "json"]);
        fits(name, &project.beadle(&args).exits(0).json());
    }
    project.write(
        "beadle.yaml",
        &format!("{manifest}recurring_notices: {{ a: {{ to: [release-room], schedule: {{ cron: \"0 9 * * *\", timezone: UTC }}, message: {{ text: hello }} }} }}\n"),
    );
    fits(
        "simulation",
        &project
            .beadle(&["simulate", "--format", "json"])
            .exits(0)
            .json(),
    );
    project.write("beadle.yaml", &manifest);
    project.beadle(&["plan", "--out", "plan.json"]).exits(0);
    fits(
        "saved-plan",
        &serde_json::from_str(&project.read("plan.json")).unwrap(),
    );
    project.declare("  x: { tasklist: relase, subscribers: [room], events: all, oops: 1 }\n");
    fits(
        "diagnostics",
        &project
            .beadle(&["validate", "--format", "json"])
            .exits(1)
            .json(),
    );
}
