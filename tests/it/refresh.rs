//! `--refresh`: what is assumed to be as it was when it was last read, and what is read all the same.

use std::fmt::Write as _;

use beadle::engine::Object;
use beadle::engine::ledger::{Binding, BindingChange, Holder, Note};
use beadle::engine::snapshot::{Scope, Seen, Snapshot};
use beadle::ledger::Access;
use beadle::model::{
    AppId, ChatId, Collection, EventKey, Events, Field, Fields, Name, RemoteId, Value as Text,
};
use beadle::sandbox::{Wanted, WantedSubscription, WantedTasklist};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::postgres::now;
use crate::support::project::{Project, RELEASE, ROOM};
use crate::support::repository::Repository;

const APPLY: &[&str] = &["apply", "--auto-approve"];
const AUTO: &[&str] = &["plan", "--refresh", "auto", "--format", "json"];
const NEVER: &[&str] = &["plan", "--refresh", "never", "--format", "json"];

fn sub(name: &str, more: &str) -> String {
    in_tasklist(name, "release", more)
}

fn in_tasklist(name: &str, tasklist: &str, more: &str) -> String {
    format!(
        "  {name}: {{ tasklist: {tasklist}, subscribers: [release-room], events: [task.added]{more} }}\n"
    )
}

const BOARD: &str = "11111111-2222-4333-8444-555555555555";

/// Two tasklists with one subscription each, applied.
fn two() -> Project {
    let project = Project::empty();
    project.control(
        "POST",
        "tasklists",
        &json!({"guid": BOARD, "name": "Board"}),
    );
    declare(&project, "", "");
    project.beadle(APPLY).exits(0);
    project.clear_calls();
    project
}

fn declare(project: &Project, of_a: &str, of_b: &str) {
    let text = project.manifest(&(sub("a", of_a) + &in_tasklist("b", "board", of_b)));
    let board = format!("tasklists:\n  board: {{ guid: {BOARD} }}\n");
    project.write("beadle.yaml", &text.replace("tasklists:\n", &board));
}

/// Which tasklists were listed since the calls were forgotten, and forgets them.
fn listed(project: &Project) -> Vec<String> {
    let calls = project.calls();
    let lists = calls
        .iter()
        .filter(|c| c["operation"] == "listTasklistActivitySubscriptions");
    let guid = |c: &Value| {
        let path = c["path"].as_str().unwrap();
        let after = path.split("/tasklists/").nth(1).unwrap();
        after.split('/').next().unwrap().to_owned()
    };
    let listed = lists.map(guid).collect();
    project.clear_calls();
    listed
}

fn changes(plan: &Value) -> Vec<String> {
    let all = plan["changes"].as_array().unwrap().iter();
    let word = |c: &Value, key: &str| c[key].as_str().unwrap().to_owned();
    all.map(|c| {
        format!(
            "{} {} ({})",
            word(c, "action"),
            word(c, "address"),
            word(c, "cause")
        )
    })
    .collect()
}

fn ids(plan: &Value, which: &str) -> Vec<String> {
    let all = plan["refresh"][which].as_array().unwrap().iter();
    all.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Somebody switches a subscription off.
fn edit_outside(project: &Project, tasklist: &str, name: &str) {
    let live = project.live(tasklist);
    let found = live.iter().find(|s| s["name"] == name).unwrap();
    let path = format!("subscriptions/{}", found["guid"].as_str().unwrap());
    project.control("POST", &path, &json!({"disabled": true}));
}

/// A ledger in which each of these subscriptions (tasklist, guid, name) is bound, and was read just now.
fn as_applied(project: &Project, all: &[(String, String, String)]) {
    let name = Name::new("default").unwrap();
    let file = project.path().join(".beadle/ledger.db");
    let ledger = beadle::ledger::open(&file, &name, Access::Write).unwrap();
    let (at, ttl) = (Timestamp::now(), SignedDuration::from_mins(5));
    let holder = Holder {
        host: "testhost".to_owned(),
        pid: 1,
        user: "tester".to_owned(),
        command: "apply".to_owned(),
    };
    let lease = now(ledger.acquire(&holder, at, ttl)).unwrap();
    let app = AppId::new("cli_sandbox");
    let fields = |name: &str| -> Fields {
        let events: Events = [EventKey(100)].into_iter().collect();
        [
            (Field::Name, Text::Text(name.to_owned())),
            (Field::Subscribers, Text::Chats([ChatId::new(ROOM)].into())),
            (Field::Events, Text::Events(events)),
            (Field::Enabled, Text::Flag(true)),
        ]
        .into_iter()
        .collect()
    };
    let bind = |(tasklist, guid, name): &(String, String, String)| {
        BindingChange::Bind(Binding {
            address: format!("tasklist_subscription.{name}").parse().unwrap(),
            provider: Name::new("feishu").unwrap(),
            app: app.clone(),
            collection: Collection::from(tasklist.as_str()),
            id: RemoteId::new(guid),
            applied: fields(name),
            protect: false,
            updated_at: at,
        })
    };
    let bound: Vec<_> = all.iter().map(bind).collect();
    now(ledger.record(&lease, at, &bound)).unwrap();
    let snapshot = |(tasklist, guid, name): &(String, String, String)| Snapshot {
        app: app.clone(),
        scope: Scope::All(Collection::from(tasklist.as_str())),
        seen: Seen::Objects(vec![Object {
            id: RemoteId::new(guid),
            fields: fields(name),
        }]),
        at,
    };
    let note = Note {
        drop: &[],
        keep: &all.iter().map(snapshot).collect::<Vec<_>>(),
        since: at - ttl,
    };
    now(ledger.note_snapshots(&lease, at, &note)).unwrap();
    now(ledger.release(&lease, at)).unwrap();
}

#[test]
fn of_a_thousand_tasklists_one_changed_file_costs_the_calls_of_one() {
    let project = Project::empty();
    let guid = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let object = |n: usize| format!("00000000-0000-4000-9000-{n:012}");
    let subscriptions = (0..1000).map(|n| WantedSubscription {
        guid: object(n),
        tasklist: WantedTasklist {
            guid: Some(guid(n)),
            name: Some(format!("List {n}")),
        },
        name: format!("s{n}"),
        chats: vec![ROOM.to_owned()],
        include_keys: vec![100],
        disabled: false,
    });
    let tasklists = (0..1000).map(|n| WantedTasklist {
        guid: Some(guid(n)),
        name: Some(format!("List {n}")),
    });
    project.seed(&Wanted {
        tasklists: tasklists.collect(),
        subscriptions: subscriptions.collect(),
        ..Wanted::default()
    });
    let mut root = format!(
        "version: 1\n{}include: [\"teams/*.yaml\"]\nchats: {{ room: {{ id: {ROOM} }} }}\ntasklists:\n",
        project.providers()
    );
    for n in 0..1000 {
        let _ = writeln!(root, "  t{n}: {{ guid: {} }}", guid(n));
        let block = format!("{{ tasklist: t{n}, subscribers: [room], events: [task.added] }}");
        let text = format!("tasklist_subscriptions: {{ s{n}: {block} }}\n");
        project.write(&format!("teams/{n}.yaml"), &text);
    }
    project.write("beadle.yaml", &root);
    // To read them all takes ten minutes at the vendor's rate; an apply that has done so leaves this.
    let one = |n: usize| (guid(n), object(n), format!("s{n}"));
    as_applied(&project, &(0..1000).map(one).collect::<Vec<_>>());

    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(changes(&plan), Vec::<String>::new());
    assert_eq!(project.calls(), Vec::<Value>::new());

    let text = project.read("teams/7.yaml");
    project.write("teams/7.yaml", &text.replace("task.added", "due.set"));
    let shown = project.beadle(&["plan", "--refresh", "auto"]).exits(0);
    assert_eq!(listed(&project), [guid(7)]);
    assert!(
        shown
            .stdout
            .contains("Read now: 1 tasklist. Assumed to be as last read, up to "),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stdout.contains(" before: 999 tasklists."),
        "{}",
        shown.stdout
    );
    project
        .beadle(&["apply", "--auto-approve", "--refresh", "auto"])
        .exits(0);
    // To plan, and once more just before the write.
    assert_eq!(listed(&project), [guid(7), guid(7)]);
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(changes(&plan), Vec::<String>::new());
    assert_eq!(listed(&project), Vec::<String>::new());
}

#[test]
fn an_edit_outside_is_seen_once_what_was_assumed_is_too_old() {
    let project = two();
    edit_outside(&project, BOARD, "b");
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(changes(&plan), Vec::<String>::new());
    assert_eq!(ids(&plan, "assumed"), [BOARD, RELEASE]);
    assert_eq!(ids(&plan, "read"), Vec::<String>::new());
    assert_eq!(listed(&project), Vec::<String>::new());

    let plan = |age: &str| {
        let mut args = AUTO.to_vec();
        args.extend(["--max-age", age]);
        project.beadle(&args).exits(0).json()
    };
    assert_eq!(changes(&plan("1h")), Vec::<String>::new());
    let drifted = ["update tasklist_subscription.b (drifted)"];
    let seen = plan("0s");
    assert_eq!(changes(&seen), drifted);
    assert_eq!(ids(&seen, "read"), [BOARD, RELEASE]);
    assert_eq!(listed(&project).len(), 2);
    // What was read then is kept: the edit is known from now on, and read again as it is to be changed.
    let again = plan("1h");
    assert_eq!(changes(&again), drifted);
    assert_eq!(ids(&again, "read"), [BOARD]);
    assert_eq!(ids(&again, "assumed"), [RELEASE]);
    assert_eq!(listed(&project), [BOARD]);
    // Put right outside meanwhile, it is no change.
    let live = project.live(BOARD);
    let path = format!("subscriptions/{}", live[0]["guid"].as_str().unwrap());
    project.control("POST", &path, &json!({"disabled": false}));
    assert_eq!(changes(&plan("1h")), Vec::<String>::new());
}

#[test]
fn what_is_to_be_changed_is_planned_from_what_is_live() {
    let project = two();
    edit_outside(&project, RELEASE, "a");
    declare(&project, ", name: \"A new name\"", "");
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(
        plan["changes"][0]["update_fields"],
        json!(["name", "enabled"])
    );
    assert_eq!(listed(&project), [RELEASE]);
    // Deleted outside, it is made again and not patched.
    let live = project.live(RELEASE);
    let path = format!("subscriptions/{}", live[0]["guid"].as_str().unwrap());
    project.control("DELETE", &path, &Value::Null);
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(
        changes(&plan),
        ["create tasklist_subscription.a (vanished)"]
    );
}

#[test]
fn never_asks_nobody_and_what_was_never_read_is_unread() {
    let project = two();
    declare(&project, ", name: \"A new name\"", "");
    edit_outside(&project, BOARD, "b");
    let plan = project.beadle(NEVER).exits(0).json();
    assert_eq!(changes(&plan), ["update tasklist_subscription.a (ahead)"]);
    assert_eq!(ids(&plan, "assumed"), [BOARD, RELEASE]);
    assert_eq!(project.calls(), Vec::<Value>::new());

    let text = project.read("beadle.yaml");
    let more =
        "  other: { guid: 00000000-0000-4000-8000-000000000001 }\n  named: { name: Board }\n";
    let text = text.replace("tasklists:\n", &format!("tasklists:\n{more}"));
    let text = text + &in_tasklist("c", "other", "") + &in_tasklist("d", "named", "");
    project.write("beadle.yaml", &text);
    let plan = project.beadle(NEVER).exits(1).json();
    let unread = plan["unread"].as_array().unwrap();
    let of = |n: usize| unread[n]["address"].as_str().unwrap();
    assert_eq!(
        [of(0), of(1)],
        ["tasklist_subscription.c", "tasklist_subscription.d"]
    );
    assert!(
        unread[0]["why"]
            .as_str()
            .unwrap()
            .contains("nothing is kept of it"),
        "{unread:?}"
    );
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn apply_reads_what_it_changes_whatever_was_assumed() {
    let project = two();
    edit_outside(&project, RELEASE, "a");
    edit_outside(&project, BOARD, "b");
    declare(&project, ", name: \"A new name\"", "");
    let apply = |more: &[&str]| {
        let mut args = vec!["apply", "--auto-approve", "--format", "json"];
        args.extend(more);
        project.beadle(&args)
    };
    let ran = apply(&["--refresh", "never"]).exits(0);
    let plan: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        plan["plan"]["changes"][0]["update_fields"],
        json!(["name", "enabled"])
    );
    assert_eq!(plan["plan"]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(listed(&project), [RELEASE, RELEASE]);
    assert_eq!(project.live(RELEASE)[0]["disabled"], false);
    // The edit of the other tasklist is still there to be found.
    assert_eq!(project.live(BOARD)[0]["disabled"], true);
    let plan = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(changes(&plan), ["update tasklist_subscription.b (drifted)"]);
    assert_eq!(plan["refresh"], Value::Null);
}

#[test]
fn a_saved_plan_and_a_digest_keep_to_what_was_assumed() {
    let project = two();
    edit_outside(&project, BOARD, "b");
    declare(&project, ", name: \"A new name\"", "");
    project
        .beadle(&["plan", "--refresh", "auto", "--out", "plan.json"])
        .exits(0);
    let shown = project.beadle(&["show", "plan.json"]).exits(0);
    assert!(
        shown.stdout.contains("Assumed to be as last read"),
        "{}",
        shown.stdout
    );
    let shown = project
        .beadle(&["show", "plan.json", "--format", "markdown"])
        .exits(0)
        .stdout;
    assert!(shown.contains("Read now: 1 tasklist"), "{shown}");
    let command = shown
        .lines()
        .find(|line| line.starts_with("beadle apply"))
        .unwrap();
    assert!(command.ends_with(" --refresh auto"), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    project.clear_calls();
    // What would be changed has moved: the review is of something else.
    edit_outside(&project, RELEASE, "a");
    let stale = project.beadle(&["apply", "plan.json"]).exits(1);
    assert!(stale.stderr.contains("stale"), "{}", stale.stderr);
    project.beadle(&words).exits(1);
    assert_eq!(project.writes(), Vec::<Value>::new());
    let live = project.live(RELEASE);
    let path = format!("subscriptions/{}", live[0]["guid"].as_str().unwrap());
    project.control("POST", &path, &json!({"disabled": false}));
    project.clear_calls();
    project.beadle(&words).exits(0);
    assert_eq!(project.live_names(RELEASE), ["A new name"]);
    let again = project.beadle(&["apply", "plan.json"]).exits(1);
    assert!(again.stderr.contains("stale"), "{}", again.stderr);
}

#[test]
fn an_apply_that_dies_leaves_nothing_that_is_no_longer_so() {
    let project = two();
    declare(&project, ", name: \"A new name\"", "");
    let mut died = 0;
    for at in 1..40 {
        // How long an unanswered write may be under way, and so how long settling it takes.
        let quick = |args: &[&str]| {
            let mut command = project.command(args);
            command.env("BEADLE_TIMEOUT", "1s");
            command
        };
        let mut command = quick(APPLY);
        let ran = command
            .env("BEADLE_CRASH_AT", at.to_string())
            .output()
            .unwrap();
        if ran.status.code() == Some(0) {
            break;
        }
        died += 1;
        let name = project.live_names(RELEASE).remove(0);
        let plan = project.beadle(NEVER);
        let plan = plan.json();
        let unread = plan["unread"].as_array().unwrap();
        // Either it says that it does not know, or what it takes for live is live.
        let knows = unread.is_empty() && plan["unsettled"].as_array().unwrap().is_empty();
        if knows && name == "A new name" {
            assert_eq!(changes(&plan), Vec::<String>::new(), "died at {at}");
        }
        if knows && name == "a" {
            assert_eq!(
                changes(&plan),
                ["update tasklist_subscription.a (ahead)"],
                "died at {at}"
            );
        }
        // Back to the beginning.
        declare(&project, "", "");
        assert!(quick(APPLY).output().unwrap().status.success());
        declare(&project, ", name: \"A new name\"", "");
    }
    assert!(died > 5, "{died}");
}

#[test]
fn drift_reads_and_keeps_nothing() {
    let project = two();
    edit_outside(&project, BOARD, "b");
    let before = project.bytes(".beadle/ledger.db");
    project.beadle(&["drift"]).exits(2);
    assert_eq!(listed(&project).len(), 2);
    assert!(project.bytes(".beadle/ledger.db") == before);
    // Nor does a plan that reads everything.
    project.beadle(&["plan"]).exits(0);
    assert!(project.bytes(".beadle/ledger.db") == before);
    let refused = project.beadle(&["drift", "--refresh", "auto"]).exits(64);
    assert!(refused.stderr.contains("--refresh"), "{}", refused.stderr);
}

#[cfg(unix)]
#[test]
fn a_ledger_that_cannot_be_written_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let project = two();
    let file = project.path().join(".beadle/ledger.db");
    let set = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    edit_outside(&project, BOARD, "b");
    let before = project.bytes(".beadle/ledger.db");
    set(0o400);
    let ran = project
        .beadle(&["plan", "--refresh", "auto", "--max-age", "0s", "-v"])
        .exits(0);
    assert!(ran.stderr.contains("not kept"), "{}", ran.stderr);
    assert!(ran.stdout.contains("drifted"), "{}", ran.stdout);
    set(0o600);
    assert!(project.bytes(".beadle/ledger.db") == before);
}

#[test]
fn before_the_first_apply_everything_is_read_and_nothing_is_made() {
    let project = Project::new(&sub("a", ""));
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(ids(&plan, "read"), [RELEASE]);
    assert!(!project.path().join(".beadle").exists());
    let never = project.beadle(NEVER).exits(1).json();
    assert_eq!(never["unread"].as_array().unwrap().len(), 1);
    let text = project.read("beadle.yaml");
    project.write("beadle.yaml", &format!("project: p\nledger: none\n{text}"));
    let never = project.beadle(NEVER).exits(1);
    assert!(
        never.stderr.contains("`ledger: none` keeps nothing"),
        "{}",
        never.stderr
    );
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(ids(&plan, "read"), [RELEASE]);
}

#[test]
fn wrong_flags_are_wrong_usage() {
    let project = Project::new(&sub("a", ""));
    for (args, words) in [
        (&["--max-age", "1h"][..], "goes with `--refresh auto`"),
        (
            &["--refresh", "never", "--max-age", "1h"],
            "goes with `--refresh auto`",
        ),
        (
            &["--refresh", "auto", "--max-age=-1h"],
            "write a time such as 30m, 12h or 7d",
        ),
        (
            &["--refresh", "auto", "--max-age", "soon"],
            "write a time such as 30m, 12h or 7d",
        ),
        (&["--refresh", "sometimes"], "auto, always, never"),
    ] {
        for command in ["plan", "apply"] {
            let mut all = vec![command];
            all.extend(args);
            let ran = project.beadle(&all).exits(64);
            assert!(ran.stderr.contains(words), "{all:?}: {}", ran.stderr);
        }
    }
    let ran = project
        .beadle(&["apply", "plan.json", "--refresh", "auto"])
        .exits(64);
    assert!(ran.stderr.contains("--refresh"), "{}", ran.stderr);
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn what_git_says_has_changed_is_read_and_a_name_is_looked_up_where_it_matters() {
    let project = two();
    let text = project.read("beadle.yaml");
    let text = text.replace(&format!("{{ guid: {BOARD} }}"), "{ name: Board }");
    project.write("beadle.yaml", &text);
    project.beadle(APPLY).exits(0);
    let _repository = Repository::of(&project);
    let text = text.replace("tasklist: board,", "tasklist: board, name: New,");
    project.write("beadle.yaml", &text);
    project.beadle(APPLY).exits(0);
    edit_outside(&project, BOARD, "New");
    project.clear_calls();
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(changes(&plan), Vec::<String>::new());
    assert_eq!(project.calls(), Vec::<Value>::new());
    let mut args = AUTO.to_vec();
    args.extend(["--changed-since", "main"]);
    let plan = project.beadle(&args).exits(0).json();
    assert_eq!(changes(&plan), ["update tasklist_subscription.b (drifted)"]);
    assert_eq!(ids(&plan, "read"), ["tasklists", BOARD]);
    assert_eq!(ids(&plan, "assumed"), Vec::<String>::new());
    // Kept since: a change there asks once more which tasklist has the name.
    let text = text.replace("name: New,", "name: Newer,");
    project.write("beadle.yaml", &text);
    let plan = project.beadle(AUTO).exits(0).json();
    assert_eq!(ids(&plan, "read"), ["tasklists", BOARD]);
    assert_eq!(ids(&plan, "assumed"), [RELEASE]);
}
