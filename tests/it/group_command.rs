//! `group show` and `group list`: who is in the declared groups, by what the files say.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::project::{Ran, beadle};

const ROOT: &str = "version: 1
include: [\"teams/*.yaml\"]
ledger: sqlite:/nowhere/ledger.db
project: notices
providers:
  feishu: { app_id: cli_a, app_secret: \"${env:NOBODY_SETS_IT}\" }
  dingtalk: { app_key: k, app_secret: \"${file:/nowhere}\" }
chats: { room: { manage: { members: [people] } } }
recipient_groups:
  oncall:
    description: Who is called at night
    include: [platform, people]
    feishu: { users: [ou_9], user_group: { name: Engineers } }
    exclude: { feishu: { users: [ou_1] }, dingtalk: { users: [lisi] } }
  empty: {}
  people: { feishu: { users: [ou_1, ou_2] } }
  值班: { dingtalk: { everyone: true } }
";

const TEAM: &str = "recipient_groups:
  platform:
    feishu: { users: [ou_1, ou_2], emails: [li@example.com] }
    dingtalk: { users: [zhangsan, lisi], departments: [123] }
    exclude: { dingtalk: { users: [wu] } }
";

fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("teams")).unwrap();
    std::fs::write(dir.path().join("beadle.yaml"), ROOT).unwrap();
    std::fs::write(dir.path().join("teams/a.yaml"), TEAM).unwrap();
    dir
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    beadle(dir).args(args).output().unwrap().into()
}

#[test]
fn a_group_is_shown_with_the_lines_that_say_so() {
    let dir = project();
    let ran = run(dir.path(), &["group", "show", "oncall"]).exits(0);
    insta::assert_snapshot!(ran.stdout, @r###"
    recipient_group.oncall  beadle.yaml:10:3
    Who is called at night
    4 people, 1 department

    dingtalk: 1 person, 1 department
    WHO                                       FROM               LISTED
    department 123 except user lisi, user wu  oncall → platform  teams/a.yaml:4:56
    user zhangsan                             oncall → platform  teams/a.yaml:4:25

    feishu: 3 people, kept as the user group Engineers
    WHO                                    FROM               LISTED
    user ou_2                              oncall → people    beadle.yaml:16:37
    user ou_2                              oncall → platform  teams/a.yaml:3:29
    user ou_9                              oncall             beadle.yaml:13:23
    email li@example.com except user ou_1  oncall → platform  teams/a.yaml:3:45

    LEFT OUT            BY        LISTED
    dingtalk user lisi  oncall    beadle.yaml:14:63
    feishu user ou_1    oncall    beadle.yaml:14:34
    dingtalk user wu    platform  teams/a.yaml:5:36
    "###);
    let by_address = run(dir.path(), &["group", "show", "recipient_group.oncall"]).exits(0);
    assert_eq!(by_address.stdout, ran.stdout);
    insta::assert_snapshot!(run(dir.path(), &["group", "show", "值班"]).exits(0).stdout, @r###"
    recipient_group.值班  beadle.yaml:17:3
    everyone

    dingtalk: everyone
    WHO       FROM  LISTED
    everyone  值班  beadle.yaml:17:31
    "###);
    insta::assert_snapshot!(run(dir.path(), &["group", "show", "empty"]).exits(0).stdout, @r###"
    recipient_group.empty  beadle.yaml:15:3
    nobody
    "###);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(names.len(), 2, "nothing is written");
}

#[test]
fn a_group_is_printed_as_json() {
    let dir = project();
    let group = run(dir.path(), &["group", "show", "oncall", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(group["format_version"], 1);
    assert_eq!(group["address"], "recipient_group.oncall");
    assert_eq!(group["description"], "Who is called at night");
    assert_eq!(
        group["place"],
        json!({"file": "beadle.yaml", "line": 10, "column": 3})
    );
    assert_eq!(
        group["count"],
        json!({"people": 4, "departments": 1, "everyone": false})
    );
    let [dingtalk, feishu] = &group["providers"].as_array().unwrap()[..] else {
        panic!("{group}");
    };
    assert_eq!(
        [&dingtalk["provider"], &dingtalk["vendor"]],
        ["dingtalk", "dingtalk"]
    );
    assert_eq!(dingtalk["user_group"], Value::Null);
    assert_eq!(
        dingtalk["count"],
        json!({"people": 1, "departments": 1, "everyone": false})
    );
    assert_eq!(feishu["user_group"], "Engineers");
    assert_eq!(
        feishu["count"],
        json!({"people": 3, "departments": 0, "everyone": false})
    );
    let [nine, two, li] = &feishu["members"].as_array().unwrap()[..] else {
        panic!("{feishu}");
    };
    let ids = [ou("ou_2"), ou("ou_9")];
    assert!(ids.iter().all(|id| {
        [nine, two]
            .iter()
            .any(|m| m["id"] == id["id"] && m["kind"] == id["kind"])
    }));
    let two = [nine, two].into_iter().find(|m| m["id"] == "ou_2").unwrap();
    assert_eq!(
        two["from"],
        json!([
            {"through": ["oncall", "people"], "place": {"file": "beadle.yaml", "line": 16, "column": 37}},
            {"through": ["oncall", "platform"], "place": {"file": "teams/a.yaml", "line": 3, "column": 29}},
        ])
    );
    assert_eq!(li["except"], json!([ou("ou_1")]));
    assert_eq!(
        group["left_out"],
        json!([
            {"provider": "dingtalk", "kind": "user", "id": "lisi", "by": "oncall", "place": {"file": "beadle.yaml", "line": 14, "column": 63}},
            {"provider": "feishu", "kind": "user", "id": "ou_1", "by": "oncall", "place": {"file": "beadle.yaml", "line": 14, "column": 34}},
            {"provider": "dingtalk", "kind": "user", "id": "wu", "by": "platform", "place": {"file": "teams/a.yaml", "line": 5, "column": 36}},
        ])
    );
}

fn ou(id: &str) -> Value {
    json!({"kind": "user", "id": id})
}

#[test]
fn groups_are_listed() {
    let dir = project();
    let ran = run(dir.path(), &["group", "list"]).exits(0);
    insta::assert_snapshot!(ran.stdout, @r###"
    ADDRESS                   WHO                     AT                DECLARED
    recipient_group.empty     nobody                                    beadle.yaml:15:3
    recipient_group.oncall    4 people, 1 department  dingtalk, feishu  beadle.yaml:10:3
    recipient_group.people    2 people                feishu            beadle.yaml:16:3
    recipient_group.platform  5 people, 1 department  dingtalk, feishu  teams/a.yaml:2:3
    recipient_group.值班      everyone                dingtalk          beadle.yaml:17:3
    "###);
    let json = run(dir.path(), &["group", "list", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(json["groups"].as_array().unwrap().len(), 5);
    assert_eq!(
        json["groups"][1],
        json!({
            "address": "recipient_group.oncall",
            "description": "Who is called at night",
            "place": {"file": "beadle.yaml", "line": 10, "column": 3},
            "count": {"people": 4, "departments": 1, "everyone": false},
            "providers": {
                "dingtalk": {"people": 1, "departments": 1, "everyone": false},
                "feishu": {"people": 3, "departments": 0, "everyone": false},
            },
            "include": ["people", "platform"],
        })
    );
    std::fs::write(dir.path().join("beadle.yaml"), "version: 1\n").unwrap();
    let none = run(dir.path(), &["group", "list"]).exits(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "No group is declared.\n")
    );
}

#[test]
fn a_group_that_is_not_there_is_said() {
    let dir = project();
    let said = |name: &str| run(dir.path(), &["group", "show", name]).exits(1).stderr;
    let last = |text: String| {
        text.lines()
            .skip_while(|l| !l.starts_with("error:"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(last(said("oncal")), @r###"
    error: there is no group `oncal`
    help: Did you mean `oncall`?
    "###);
    insta::assert_snapshot!(last(said("room")), @r###"
    error: there is no group `room`
    help: It is a chat, and a group is people.
    "###);
    insta::assert_snapshot!(last(said("a\u{1b}[31m")), @r###"
    error: there is no group `a\u{1b}[31m`
    help: `beadle group list` shows the groups.
    "###);
    assert!(
        run(
            dir.path(),
            &["group", "show", "oncall", "--format", "markdown"]
        )
        .exits(64)
        .stderr
        .contains("group")
    );
}

#[test]
fn a_manifest_with_a_mistake_shows_no_group() {
    let dir = project();
    std::fs::write(
        dir.path().join("teams/a.yaml"),
        "recipient_groups: { platform: { include: [oncall] } }\n",
    )
    .unwrap();
    let ran = run(dir.path(), &["group", "show", "people"]).exits(1);
    assert!(
        ran.stderr.contains("the group includes itself"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn of_a_long_way_to_somebody_the_ends_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let links: String = (0..12)
        .map(|i| format!("  g{i}: {{ include: [g{}] }}\n", i + 1))
        .collect();
    let manifest = format!(
        "version: 1\nproviders: {{ feishu: {{ app_id: cli_a, app_secret: \"${{env:NOBODY_SETS_IT}}\" }} }}\nrecipient_groups:\n{links}  g12: {{ feishu: {{ users: [ou_1] }} }}\n"
    );
    std::fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    let ran = run(dir.path(), &["group", "show", "g0"]).exits(0);
    assert!(
        ran.stdout
            .contains("g0 → g1 → g2 → (7 more) → g10 → g11 → g12"),
        "{}",
        ran.stdout
    );
    let whole = run(dir.path(), &["group", "show", "g0", "--format", "json"]).exits(0);
    let way = &whole.json()["providers"][0]["members"][0]["from"][0]["through"];
    assert_eq!(way.as_array().unwrap().len(), 13, "{}", whole.stdout);
}
