//! Plan and apply from outside, over the wire.

use serde_json::{Value, json};

use crate::support::project::{ONCALL, Project, RELEASE, ROOM};

const PROGRESS: &str = "  progress:
    tasklist: release
    name: 项目进度订阅
    subscribers: [release-room, oncall-room]
    events: [task.added, task.completed]
";

const APPLY: &[&str] = &["apply", "--auto-approve"];
const PLAN: &[&str] = &["plan", "--detailed-exitcode"];

#[test]
fn an_apply_makes_it_so_and_a_second_one_writes_nothing() {
    let project = Project::new(PROGRESS);
    project.beadle(PLAN).exits(2);
    assert_eq!(
        project.writes(),
        Vec::<Value>::new(),
        "a plan writes nothing"
    );
    project.beadle(APPLY).exits(0);
    let live = project.live(RELEASE);
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["name"], "项目进度订阅");
    assert_eq!(live[0]["include_keys"], json!([100, 103]));
    assert_eq!(live[0]["disabled"], false);

    project.clear_calls();
    project.beadle(PLAN).exits(0);
    project.beadle(APPLY).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
}

#[test]
fn reordering_subscribers_or_events_is_no_change() {
    let project = Project::new(PROGRESS);
    project.beadle(APPLY).exits(0);
    project.declare(
        "  progress:
    events: [103, task.added]
    subscribers: [oncall-room, release-room]
    name: 项目进度订阅
    tasklist: release
",
    );
    project.beadle(PLAN).exits(0);
}

#[test]
fn a_rename_writes_the_name_and_nothing_else() {
    let project = Project::new(PROGRESS);
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project.declare(&PROGRESS.replace("项目进度订阅", "progress"));
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(plan["changes"][0]["action"], "update");
    assert_eq!(plan["changes"][0]["cause"], "ahead");
    assert_eq!(plan["changes"][0]["update_fields"], json!(["name"]));
    project.beadle(APPLY).exits(0);
    let writes = project.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(
        writes[0]["body"],
        json!({"activity_subscription": {"name": "progress"}, "update_fields": ["name"]})
    );
}

#[test]
fn somebody_elses_subscription_is_never_touched() {
    let project = Project::new(PROGRESS);
    let theirs = json!({"name": "theirs", "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [101]});
    project.control(
        "POST",
        &format!("tasklists/{RELEASE}/subscriptions"),
        &theirs,
    );
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(plan["foreign"][0]["name"], "theirs");
    project.beadle(APPLY).exits(0);
    project.declare("");
    project
        .beadle(&["apply", "--auto-approve", "--allow-deletes"])
        .exits(0);
    assert_eq!(project.live_names(RELEASE), ["theirs"]);
}

#[test]
fn a_change_outside_the_mask_survives_an_update() {
    let project = Project::new(&PROGRESS.replace("    name:", "    ignore: [enabled]\n    name:"));
    project.beadle(APPLY).exits(0);
    let id = project.live(RELEASE)[0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    project.control(
        "POST",
        &format!("subscriptions/{id}"),
        &json!({"disabled": true}),
    );
    project.declare(
        &PROGRESS
            .replace("    name:", "    ignore: [enabled]\n    name:")
            .replace("task.added", "due.set"),
    );
    project.beadle(APPLY).exits(0);
    let live = project.live(RELEASE);
    assert_eq!(live[0]["disabled"], true);
    assert_eq!(live[0]["include_keys"], json!([103, 130]));
    project.beadle(PLAN).exits(0);
}

#[test]
fn drift_is_told_apart_from_what_the_manifest_changed() {
    let project = Project::new(PROGRESS);
    project.beadle(APPLY).exits(0);
    let id = project.live(RELEASE)[0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    let chats = json!({"subscribers": [{"id": ONCALL, "type": "chat"}]});
    project.control("POST", &format!("subscriptions/{id}"), &chats);
    let change = project.beadle(&["plan", "--format", "json"]).json()["changes"][0].clone();
    assert_eq!(
        (&change["cause"], &change["update_fields"]),
        (&json!("drifted"), &json!(["subscribers"]))
    );

    project.control("DELETE", &format!("subscriptions/{id}"), &Value::Null);
    let change = project.beadle(&["plan", "--format", "json"]).json()["changes"][0].clone();
    assert_eq!(
        (&change["action"], &change["cause"]),
        (&json!("create"), &json!("vanished"))
    );
    project.beadle(APPLY).exits(0);
    assert_eq!(project.live_names(RELEASE), ["项目进度订阅"]);
}
