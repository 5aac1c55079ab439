//! `drift` through the binary: each cause made by somebody outside, told rightly, and nothing written.
//!
//! | file | about |
//! |---|---|
//! | this one | causes, what is ignored, formats, exits, bad input |
//! | `patch` | the diff that would accept what is live |
//! | `rounds` | the same at random, and what it leaves alone |

mod patch;
mod rounds;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::project::{ONCALL, Project, RELEASE, ROOM, Ran};

const APPLY: &[&str] = &["apply", "--auto-approve"];

/// Two subscriptions.
const TWO: &str = "  a: { tasklist: release, subscribers: [release-room], events: [task.added] }
  b: { tasklist: release, subscribers: [release-room], events: [due.set] }
";

/// A project whose manifest is applied.
fn applied(subscriptions: &str) -> Project {
    let project = Project::new(subscriptions);
    project.beadle(APPLY).exits(0);
    project
}

/// The id of a live subscription.
#[track_caller]
fn id(project: &Project, name: &str) -> String {
    let live = project.live(RELEASE);
    let found = live.iter().find(|s| s["name"] == name);
    found.unwrap_or_else(|| panic!("{live:?}"))["guid"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Somebody sets these fields of a subscription.
fn edit(project: &Project, name: &str, fields: &Value) {
    let path = format!("subscriptions/{}", id(project, name));
    project.control("POST", &path, fields);
}

/// Somebody deletes a subscription.
fn delete(project: &Project, name: &str) {
    let path = format!("subscriptions/{}", id(project, name));
    project.control("DELETE", &path, &Value::Null);
}

/// Somebody makes a subscription.
fn make(project: &Project, name: &str) {
    let path = format!("tasklists/{RELEASE}/subscriptions");
    let body =
        json!({"name": name, "include_keys": [100], "subscribers": [{"id": ROOM, "type": "chat"}]});
    project.control("POST", &path, &body);
}

/// Every file of the project with its bytes, the ledger and what lies beside it among them.
fn files(project: &Project) -> BTreeMap<String, Vec<u8>> {
    fn gather(dir: &Path, root: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    let root = project.path();
    let mut found = BTreeMap::new();
    gather(&root, &root, &mut found);
    found
}

/// Runs drift, and fails unless it writes nothing: at the vendor, in the ledger, or beside it.
#[track_caller]
fn drift(project: &Project, more: &[&str]) -> Ran {
    let before = files(project);
    project.clear_calls();
    let ran = project.beadle(&[&["drift"], more].concat());
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert!(files(project) == before, "drift has written a file");
    ran
}

/// What has drifted, as addresses with causes and fields.
fn told(value: &Value) -> Vec<String> {
    let all = value.as_array().unwrap();
    all.iter()
        .map(|d| {
            let fields = d["fields"].as_array().unwrap();
            let fields: Vec<_> = fields
                .iter()
                .map(|f| {
                    format!(
                        "{} {}",
                        f["field"].as_str().unwrap(),
                        f["cause"].as_str().unwrap()
                    )
                })
                .collect();
            let words = format!(
                "{} {}",
                d["address"].as_str().unwrap(),
                d["cause"].as_str().unwrap()
            );
            if fields.is_empty() {
                words
            } else {
                format!("{words}: {}", fields.join(", "))
            }
        })
        .collect()
}

#[track_caller]
fn drifted(project: &Project, more: &[&str], status: i32) -> Vec<String> {
    let ran = drift(project, &[&["--format", "json"], more].concat()).exits(status);
    told(&ran.json()["drift"])
}

#[test]
fn what_is_as_applied_has_not_drifted() {
    let project = applied(TWO);
    let ran = drift(&project, &[]).exits(0);
    assert_eq!(ran.stdout, "No drift.\n");
    assert_eq!(drifted(&project, &[], 0), Vec::<String>::new());
}

#[test]
fn each_cause_is_told_apart() {
    let project = applied(&format!(
        "{TWO}  c: {{ tasklist: release, subscribers: [release-room], events: [task.added] }}\n  d: {{ tasklist: release, subscribers: [release-room], events: [task.added] }}\n"
    ));
    // Somebody edits `a` and `b`, deletes `c`, and makes two others; we edit `b` and `d`, and declare `e`,
    // which is there already and is another.
    edit(&project, "a", &json!({"include_keys": [100, 121]}));
    edit(&project, "b", &json!({"include_keys": [121]}));
    delete(&project, "c");
    make(&project, "theirs");
    make(&project, "e");
    project.declare(
        "  a: { tasklist: release, subscribers: [release-room], events: [task.added], enabled: false }
  b: { tasklist: release, subscribers: [release-room], events: [task.removed] }
  c: { tasklist: release, subscribers: [release-room], events: [task.added] }
  d: { tasklist: release, subscribers: [oncall-room], events: [task.added] }
  e: { tasklist: release, subscribers: [release-room], events: [due.set] }
  f: { tasklist: release, subscribers: [release-room], events: [due.set] }
",
    );
    let ran = drift(&project, &["--format", "json"]).exits(2).json();
    assert_eq!(
        told(&ran["drift"]),
        [
            "tasklist_subscription.a drifted: events drifted",
            "tasklist_subscription.b both: events both",
            "tasklist_subscription.c vanished",
            "tasklist_subscription.e differs: events differs",
        ]
    );
    assert_eq!(
        told(&ran["ahead"]),
        [
            "tasklist_subscription.a ahead: enabled ahead",
            "tasklist_subscription.d ahead: subscribers ahead",
            "tasklist_subscription.f ahead",
        ]
    );
    assert_eq!(ran["foreign"][0]["name"], "theirs");
    assert_eq!(ran["foreign"].as_array().unwrap().len(), 1);
    let both = &ran["drift"][1]["fields"][0];
    assert_eq!(both["desired"], json!(["task.removed"]));
    assert_eq!(both["applied"], json!(["due.set"]));
    assert_eq!(both["live"], json!(["comment.added"]));
    // What is only ahead is no drift.
    let only = [
        "--target",
        "tasklist_subscription.d",
        "--target",
        "tasklist_subscription.f",
    ];
    assert_eq!(drifted(&project, &only, 0), Vec::<String>::new());
    let human = drift(&project, &[]).exits(2);
    insta::assert_snapshot!(human.stdout.replace(&id(&project, "theirs"), "ID"), @r###"
    Declared → live:

    ~ tasklist_subscription.a in release  (drifted: changed outside)
        events: + comment.added

    ~ tasklist_subscription.b in release  (both: changed here and outside)
        events: - task.removed + comment.added
          last applied: due.set

    - tasklist_subscription.c in release  (vanished: deleted outside)

    ~ tasklist_subscription.e in release  (differs: never applied from here)
        events: - due.set + task.added

    Ahead, and written by the next apply:
      tasklist_subscription.a in release: update enabled
      tasklist_subscription.d in release: update subscribers
      tasklist_subscription.f in release: create

    Foreign, and no drift:
        "theirs" (ID in release)

    Drift: 1 drifted, 1 both, 1 differs, 1 vanished; 3 ahead.
    "###);
}

#[test]
fn a_foreign_object_is_drift_where_the_tasklist_is_authoritative() {
    let project = Project::empty();
    let manifest = project.manifest(TWO).replace(
        &format!("guid: {RELEASE}"),
        &format!("guid: {RELEASE}, authoritative: true, keep: [\"manual *\"]"),
    );
    project.write("beadle.yaml", &manifest);
    project.beadle(APPLY).exits(0);
    make(&project, "manual one");
    assert_eq!(drifted(&project, &[], 0), Vec::<String>::new());
    make(&project, "theirs");
    let address = format!("foreign:{RELEASE}/{}", id(&project, "theirs"));
    assert_eq!(drifted(&project, &[], 2), [format!("{address} foreign")]);
    // Of a part it cannot be said.
    let part = ["--target", "tasklist_subscription.a"];
    assert_eq!(drifted(&project, &part, 0), Vec::<String>::new());
    assert_eq!(
        drifted(&project, &["--ignore", &address], 0),
        Vec::<String>::new()
    );
    let shown = drift(&project, &["--format", "github"]).exits(2).stdout;
    assert!(shown.contains("line=5,"), "{shown}");
    assert!(shown.contains("theirs"), "{shown}");
}

#[test]
fn without_a_ledger_every_difference_differs() {
    let project = Project::empty();
    let pin = |id: &str| {
        format!(
            "  p: {{ tasklist: release, subscribers: [release-room], events: [due.set], id: {id} }}\n"
        )
    };
    make(&project, "a");
    make(&project, "p");
    let id = id(&project, "p");
    let manifest = |more: &str| {
        let all = project.manifest(&format!("{TWO}{more}"));
        all.replace("version: 1\n", "version: 1\nproject: p\nledger: none\n")
    };
    project.write("beadle.yaml", &manifest(&pin(&id)));
    assert_eq!(
        drifted(&project, &[], 2),
        [
            "tasklist_subscription.b differs",
            "tasklist_subscription.p differs: events differs",
        ]
    );
    delete(&project, "p");
    assert_eq!(
        drifted(&project, &[], 2),
        [
            "tasklist_subscription.b differs",
            "tasklist_subscription.p differs"
        ]
    );
}

#[test]
fn a_pinned_object_that_is_gone_has_vanished_and_hides_nothing() {
    let project = applied(TWO);
    let pinned = TWO.replace(
        "[due.set]",
        &format!("[due.set], id: {}", id(&project, "b")),
    );
    project.declare(&pinned);
    project.beadle(APPLY).exits(0);
    delete(&project, "b");
    edit(&project, "a", &json!({"disabled": true}));
    assert_eq!(
        drifted(&project, &[], 2),
        [
            "tasklist_subscription.a drifted: enabled drifted",
            "tasklist_subscription.b vanished",
        ]
    );
}

#[test]
fn what_is_declared_no_more_and_was_changed_outside_is_both() {
    let project = applied(TWO);
    edit(&project, "b", &json!({"disabled": true}));
    project.declare(TWO.lines().next().unwrap());
    let ran = drift(&project, &["--format", "json"]).exits(2).json();
    assert_eq!(
        told(&ran["drift"]),
        ["tasklist_subscription.b both: enabled both"]
    );
    assert_eq!(told(&ran["ahead"]), ["tasklist_subscription.b ahead"]);
    // Gone on both sides is no difference, only something that the ledger does not know yet.
    delete(&project, "b");
    assert_eq!(drifted(&project, &[], 0), Vec::<String>::new());
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    project.beadle(APPLY).exits(0);
    let bound = project.beadle(&["state", "list"]).exits(0);
    assert!(
        !bound.stdout.contains("tasklist_subscription.b"),
        "{}",
        bound.stdout
    );
}

#[test]
fn what_could_not_be_read_is_no_drift_and_no_success() {
    let project = applied(TWO);
    project.fault("unreadable@listTasklistActivitySubscriptions");
    let ran = drift(&project, &["--format", "json"]).exits(1).json();
    assert_eq!(told(&ran["drift"]), Vec::<String>::new());
    assert_eq!(ran["unread"].as_array().unwrap().len(), 2, "{ran}");
    let ran = drift(&project, &["--format", "github"]).exits(1);
    assert!(
        ran.stdout.contains("::error file=beadle.yaml,line="),
        "{}",
        ran.stdout
    );
}

#[test]
fn it_works_while_an_apply_runs_and_says_what_it_could_not_compare() {
    let mut project = Project::new(TWO);
    project.fault("hold-after@createTasklistActivitySubscription:1");
    let mut apply = project.start(APPLY);
    project.wait_until_held(1);
    let ran = project
        .beadle(&["drift", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(ran["unsettled"][0]["in_progress"], true, "{ran}");
    assert_eq!(ran["unsettled"][0]["address"], "tasklist_subscription.a");
    // It dies, and nobody knows what became of its call.
    apply.kill().unwrap();
    apply.wait().unwrap();
    project.no_faults();
    project.restart_sandbox();
    let ran = project
        .beadle(&["drift", "--format", "json"])
        .exits(1)
        .json();
    assert_eq!(ran["unsettled"][0]["in_progress"], false, "{ran}");
    let human = project.beadle(&["drift"]).exits(1);
    assert!(human.stdout.contains("outcome unknown"), "{}", human.stdout);
    let lease = project.beadle(&["lease", "show"]);
    assert!(!lease.stdout.contains("drift"), "{}", lease.stdout);
    project.beadle(APPLY).exits(0);
    drift(&project, &[]).exits(0);
}

#[test]
fn what_is_ignored_is_listed_and_does_not_count() {
    let project = applied(TWO);
    edit(
        &project,
        "a",
        &json!({"disabled": true, "include_keys": [121]}),
    );
    delete(&project, "b");
    let field = ["--ignore", "tasklist_subscription.a.events"];
    let ran = drift(&project, &[&["--format", "json"], &field[..]].concat())
        .exits(2)
        .json();
    assert_eq!(
        told(&ran["drift"]),
        [
            "tasklist_subscription.a drifted: enabled drifted",
            "tasklist_subscription.b vanished",
        ]
    );
    assert_eq!(
        told(&ran["ignored"]),
        ["tasklist_subscription.a drifted: events drifted"]
    );
    let all = [
        "--ignore",
        "tasklist_subscription.a=9999-12-31",
        "--ignore",
        "tasklist_subscription.b",
    ];
    assert_eq!(drifted(&project, &all, 0), Vec::<String>::new());
    let idle = drift(
        &project,
        &[
            "--ignore",
            "tasklist_subscription.a.name",
            "--exit-code",
            "3",
        ],
    )
    .exits(3);
    assert!(
        idle.stderr
            .contains("`--ignore tasklist_subscription.a.name` matches nothing"),
        "{}",
        idle.stderr
    );
}

#[test]
fn a_bad_ignore_is_refused_before_anything_is_asked() {
    let project = applied(TWO);
    for (ignore, status, why) in [
        (
            "tasklist_subscription.a=2020-02-29",
            1,
            "`--ignore tasklist_subscription.a=2020-02-29` has expired",
        ),
        (
            "tasklist_subscription.a=2020-02-30",
            64,
            "`2020-02-30` is no day",
        ),
        ("tasklist_subscription.a.evnts", 64, "no field `evnts`"),
        ("a", 64, "an address begins with a kind"),
        ("", 64, "an address begins with a kind"),
        ("chat.x/y.z.w=1", 64, "is no day"),
    ] {
        let ran = drift(&project, &["--ignore", ignore]).exits(status);
        assert!(ran.stderr.contains(why), "{ignore}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(project.calls(), Vec::<Value>::new());
    }
    for args in [
        &["--target", "tasklist_subscription.nobody"][..],
        &["--patch", "--format", "json"],
        &["--exit-code", "256"],
    ] {
        let ran = drift(&project, args);
        assert!(matches!(ran.status, Some(1 | 64)), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn chats_user_groups_and_their_people_drift_too() {
    let project = Project::empty();
    let people: Vec<Value> = (0..3)
        .map(|n| json!({"open_id": format!("ou_{n}"), "name": format!("Person {n}")}))
        .collect();
    project.control("POST", "users", &Value::Array(people));
    let manifest = project.manifest("").replace(
        "chats:\n",
        "recipient_groups:
  team: { feishu: { users: [ou_0, ou_1], user_group: { name: Crew, description: Us, extra_members: remove } } }
chats:
  room: { manage: { name: Operations, description: Who runs it, members: [team] } }
",
    );
    project.write("beadle.yaml", &manifest);
    project.beadle(APPLY).exits(0);
    drift(&project, &[]).exits(0);
    let world = project.control("GET", "world", &Value::Null);
    let find = |kind: &str, name: &str, key: &str| -> String {
        let all = world[kind].as_array().unwrap();
        let found = all.iter().find(|o| o["name"] == name).unwrap();
        found[key].as_str().unwrap().to_owned()
    };
    let room = find("chats", "Operations", "chat_id");
    let crew = find("user_groups", "Crew", "id");
    project.control(
        "POST",
        &format!("chats/{room}"),
        &json!({"name": "Ops", "description": "?"}),
    );
    project.control(
        "DELETE",
        &format!("chats/{room}/members/ou_0"),
        &Value::Null,
    );
    project.control(
        "POST",
        &format!("chats/{room}/members"),
        &json!({"user": "ou_2"}),
    );
    project.control(
        "POST",
        &format!("user_groups/{crew}/members"),
        &json!({"user": "ou_2"}),
    );
    assert_eq!(
        drifted(&project, &[], 2),
        [
            "chat.room drifted: name drifted, description drifted, members drifted",
            "recipient_group.team/feishu drifted: members drifted",
        ]
    );
    let ran = drift(&project, &["--format", "json"]).exits(2).json();
    // Whoever joins a chat may stay; who has left is missed.
    assert_eq!(
        ran["drift"][0]["fields"][2]["live"],
        json!(["ou_1", "ou_2"])
    );
    assert_eq!(
        ran["drift"][0]["fields"][2]["desired"],
        json!(["ou_0", "ou_1", "ou_2"])
    );
    let only = [
        "--ignore",
        "chat.room",
        "--ignore",
        "recipient_group.team/feishu.members",
    ];
    drift(&project, &only).exits(0);
    project.control("DELETE", &format!("user_groups/{crew}"), &Value::Null);
    project.control("DELETE", &format!("chats/{room}"), &Value::Null);
    assert_eq!(
        drifted(&project, &[], 2),
        ["chat.room vanished", "recipient_group.team/feishu vanished"]
    );
}

#[test]
fn two_runs_over_the_same_sides_print_the_same() {
    let project = applied(TWO);
    edit(&project, "a", &json!({"disabled": true}));
    edit(
        &project,
        "b",
        &json!({"subscribers": [{"id": ONCALL, "type": "chat"}]}),
    );
    for n in 0..3 {
        make(&project, &format!("theirs {n}"));
    }
    for format in ["human", "json", "markdown", "github"] {
        let once = drift(&project, &["--format", format]).exits(2).stdout;
        let again = drift(&project, &["--format", format, "--concurrency", "1"])
            .exits(2)
            .stdout;
        assert_eq!(once, again);
        assert!(once.contains("tasklist_subscription.b"), "{once}");
    }
}

#[test]
fn annotations_stand_at_the_line_of_the_resource() {
    let project = applied(TWO);
    edit(&project, "b", &json!({"include_keys": [121]}));
    let ran = drift(&project, &["--format", "github"]).exits(2);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ran.stdout);
    let line = project
        .read("beadle.yaml")
        .lines()
        .position(|l| l.starts_with("  b:"))
        .unwrap()
        + 1;
    assert!(
        lines[0].starts_with(&format!("::warning file=beadle.yaml,line={line},col=3,")),
        "{}",
        lines[0]
    );
    assert!(
        lines[0].contains("events is comment.added and should be due.set"),
        "{}",
        lines[0]
    );
    let folder = project.path();
    let above = project
        .command(&["-C", "project", "drift", "--format", "github"])
        .current_dir(folder.parent().unwrap())
        .output()
        .unwrap();
    let above = String::from_utf8(above.stdout).unwrap();
    assert!(above.contains("file=project/beadle.yaml,"), "{above}");
}

#[test]
fn what_is_put_into_markdown_cannot_become_markup() {
    let project = applied(TWO);
    edit(&project, "a", &json!({"name": "```\n<b>@all*"}));
    let ran = drift(&project, &["--format", "markdown"]).exits(2);
    assert!(ran.stdout.contains("````diff"), "{}", ran.stdout);
    assert!(
        ran.stdout.starts_with("### Drift: 1 drifted."),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_paused_notice_is_mentioned_and_is_no_drift() {
    let project = Project::empty();
    let manifest = project.manifest("");
    project.write(
        "beadle.yaml",
        &format!(
            "{manifest}recurring_notices:
  weekly:
    to: [release-room]
    schedule: {{ cron: \"0 10 * * WED\", timezone: Asia/Shanghai }}
    message: {{ text: Review }}
"
        ),
    );
    project.beadle(APPLY).exits(0);
    let pause = [
        "notice",
        "pause",
        "recurring_notice.weekly",
        "--auto-approve",
    ];
    project.beadle(&pause).exits(0);
    let ran = drift(&project, &["--format", "json"]).exits(0);
    let warning = &ran.json()["warnings"][0];
    assert_eq!(warning["code"], "paused", "{warning}");
    assert_eq!(warning["address"], "recurring_notice.weekly");
    assert!(
        ran.stderr.contains("is paused until it is resumed"),
        "{}",
        ran.stderr
    );
}
