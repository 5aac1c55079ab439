//! What a plan says of notices: whom each reaches and when it fires next, before and after.

use serde_json::{Value, json};

use crate::support::project::Project;

const ROOM: &str = "oc_a0553eda9014c201e6969b478895c230";

fn declare(project: &Project, users: &str, time: &str, more: &str) {
    project.write(
        "beadle.yaml",
        &format!(
            "version: 1
{}chats: {{ room: {{ id: {ROOM} }} }}
recipient_groups:
  team: {{ feishu: {{ users: [{users}], emails: [ada@example.com] }} }}
recurring_notices:
  review:
    to: [team, room]
    schedule: {{ cron: \"0 {time} * * *\", timezone: Asia/Shanghai }}
    message: {{ text: hello }}
{more}",
            project.providers()
        ),
    );
}

fn staffed() -> Project {
    let project = Project::empty();
    project.control(
        "POST",
        "users",
        &json!([{"open_id": "ou_ada", "email": "ada@example.com"}, {"open_id": "ou_bo"}, {"open_id": "ou_cy"}]),
    );
    project
}

/// What a plan says of notices as JSON.
fn outlooks(project: &Project) -> Value {
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    plan["notices"].clone()
}

#[test]
fn a_plan_says_whom_a_notice_reaches_and_when_it_fires_next() {
    let project = staffed();
    declare(&project, "ou_bo", "10", "");
    let new = outlooks(&project);
    assert_eq!(new[0]["before"], Value::Null);
    let audience = json!([{"provider": "feishu", "vendor": "feishu", "people": 2, "unresolved": 1,
        "departments": 0, "everyone": false, "chats": 1}]);
    assert_eq!(new[0]["after"]["audience"], audience);
    let next = new[0]["after"]["next"].as_array().unwrap();
    assert_eq!(next.len(), 3);
    assert!(
        next[0]["scheduled"]
            .as_str()
            .unwrap()
            .ends_with("T02:00:00Z")
    );
    assert!(next[0]["local"].as_str().unwrap().ends_with("T10:00:00"));
    assert_eq!(next[0]["timezone"], "Asia/Shanghai");
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(outlooks(&project), Value::Null, "nothing changes");

    // Another hour: both sides.
    declare(&project, "ou_bo", "11", "");
    let moved = outlooks(&project);
    assert_eq!(
        moved[0]["before"]["audience"],
        moved[0]["after"]["audience"]
    );
    assert_ne!(moved[0]["before"]["next"], moved[0]["after"]["next"]);
    let human = project.beadle(&["plan"]).exits(0).stdout;
    assert!(
        human.contains("    reaches: 2 people and 1 chat at feishu\n"),
        "{human}"
    );
    let hours: Vec<_> = human
        .lines()
        .filter(|line| line.ends_with(":00 Asia/Shanghai"))
        .collect();
    assert_eq!(hours.len(), 2, "{human}");
    assert!(
        hours[0].starts_with("    next: ") && hours[0].contains(" 10:00,"),
        "{human}"
    );
    assert!(
        hours[1].starts_with("        → ") && hours[1].contains(" 11:00,"),
        "{human}"
    );
    let markdown = project
        .beadle(&["plan", "--format", "markdown"])
        .exits(0)
        .stdout;
    assert!(
        markdown.contains("\n  reaches: 2 people and 1 chat at feishu\n"),
        "{markdown}"
    );
    assert!(
        markdown.contains("\n- next: ") && markdown.contains("\n+ next: "),
        "{markdown}"
    );
}

#[test]
fn a_group_that_changes_shows_in_the_notices_that_are_for_it() {
    let project = staffed();
    declare(&project, "ou_bo", "10", "");
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    declare(&project, "ou_bo, ou_cy", "10", "");
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(
        plan["summary"]["update"], 1,
        "only the group changes: {plan:#}"
    );
    let people = |side: &str| plan["notices"][0][side]["audience"][0]["people"].clone();
    assert_eq!((people("before"), people("after")), (json!(2), json!(3)));
    let human = project.beadle(&["plan"]).exits(0).stdout;
    let told = "recurring_notice.review is for others now:
    reaches: 2 people and 1 chat at feishu
           → 3 people and 1 chat at feishu
";
    assert!(human.contains(told), "{human}");
    // A saved plan has it, and what comes next does not make it stale.
    project.beadle(&["plan", "--out", "plan.json"]).exits(0);
    project.beadle(&["apply", "plan.json"]).exits(0);
}

#[test]
fn a_notice_that_goes_says_whom_it_reached() {
    let project = staffed();
    declare(&project, "ou_bo", "10", "");
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    let text = project.read("beadle.yaml");
    let (kept, _) = text.split_once("recurring_notices:").unwrap();
    project.write("beadle.yaml", kept);
    let gone = outlooks(&project);
    assert_eq!(gone[0]["before"]["audience"][0]["people"], 2);
    assert_eq!(gone[0]["after"], Value::Null);
}
