//! `--changed-since`: what a change of the files can affect is looked at, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use beadle::model::diagnostic::Sources;
use beadle::model::manifest::Manifest;
use beadle::model::parse::{self, Inputs, Secrets, World};
use beadle::plan::changed::affected;
use beadle::sandbox::{Wanted, WantedTasklist};
use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, ROOM};
use crate::support::repository::Repository;

const APPLY: &[&str] = &["apply", "--auto-approve"];
const SINCE: &str = "--changed-since";

fn sub(name: &str, more: &str) -> String {
    format!(
        "  {name}: {{ tasklist: release, subscribers: [release-room], events: [task.added]{more} }}\n"
    )
}

/// The operations of the calls so far, token requests left out.
fn operations(project: &Project) -> Vec<String> {
    let calls = project.calls();
    let named = calls.iter().filter_map(|c| c["operation"].as_str());
    let named = named.filter(|name| !name.contains("AccessToken"));
    named.map(str::to_owned).collect()
}

/// What a plan since `main` plans.
#[track_caller]
fn planned(project: &Project) -> Vec<String> {
    let plan = project.beadle(&["plan", SINCE, "main", "--format", "json"]);
    let plan = plan.exits(0).json();
    let changes = plan["changes"].as_array().unwrap();
    let line = |c: &Value| {
        format!(
            "{} {}",
            c["action"].as_str().unwrap(),
            c["address"].as_str().unwrap()
        )
    };
    changes.iter().map(line).collect()
}

#[test]
fn of_a_thousand_tasklists_one_changed_file_costs_the_calls_of_one() {
    let project = Project::empty();
    let guid = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
    let tasklists = (0..1000).map(|n| WantedTasklist {
        guid: Some(guid(n)),
        name: Some(format!("List {n}")),
    });
    project.seed(&Wanted {
        tasklists: tasklists.collect(),
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
    let _repository = Repository::of(&project);
    let text = project.read("teams/7.yaml");
    project.write("teams/7.yaml", &text.replace("task.added", "due.set"));

    project.clear_calls();
    assert_eq!(planned(&project), ["create tasklist_subscription.s7"]);
    let since = operations(&project);
    project.clear_calls();
    let target = "tasklist_subscription.s7";
    project.beadle(&["plan", "--target", target]).exits(0);
    assert_eq!(since, operations(&project));
    let reads = |name: &str| since.iter().filter(|o| *o == name).count();
    assert_eq!(reads("listTasklistActivitySubscriptions"), 1, "{since:?}");
    assert!(since.len() <= 2, "{since:?}");
}

#[test]
fn added_changed_removed_and_moved_are_looked_at_and_the_rest_is_not() {
    let all = [
        sub("same", ""),
        sub("changed", ""),
        sub("gone", ""),
        sub("old", ""),
    ];
    let project = Project::new(&all.concat());
    project.beadle(APPLY).exits(0);
    let repository = Repository::of(&project);
    repository.git(&["checkout", "--quiet", "-b", "work"]);
    let same = format!("subscriptions/{}", guid_of(&project, "same"));
    project.control("DELETE", &same, &Value::Null);
    project.declare(
        &[
            "  # moved down, and laid out anew\n  same:\n    tasklist: release\n    subscribers: [release-room]\n    events:\n      - task.added\n".to_owned(),
            sub("changed", ", enabled: false"),
            sub("new", ", moved_from: old"),
            sub("added", ""),
        ]
        .concat(),
    );
    let of_the_change = [
        "create tasklist_subscription.added",
        "update tasklist_subscription.changed",
        "update tasklist_subscription.new",
        "delete tasklist_subscription.gone",
    ];
    // What is not committed counts, and so does what is.
    assert_eq!(planned(&project), of_the_change);
    repository.commit("work");
    assert_eq!(planned(&project), of_the_change);

    let ran = project.beadle(&["plan", SINCE, "main"]).exits(0);
    assert!(
        ran.stdout
            .contains("Looked only at what has changed since main"),
        "{}",
        ran.stdout
    );
    project
        .beadle(&["apply", "--auto-approve", SINCE, "main"])
        .exits(0);
    let live = project.live_names(RELEASE);
    assert_eq!(live, ["added", "changed", "new"]);
    // What somebody did outside is the whole plan's to find.
    assert_eq!(planned(&project), Vec::<String>::new());
    let whole = project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(whole["changes"][0]["address"], "tasklist_subscription.same");
    assert_eq!(whole["changes"].as_array().unwrap().len(), 1);
}

fn guid_of(project: &Project, name: &str) -> String {
    let live = project.live(RELEASE);
    let found = live.iter().find(|s| s["name"] == name).unwrap();
    found["guid"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_changed_makes_no_call() {
    let project = Project::new(&sub("a", ""));
    let _repository = Repository::of(&project);
    project.write(
        "beadle.yaml",
        &format!("# a comment\n{}", project.read("beadle.yaml")),
    );
    project.clear_calls();
    assert_eq!(planned(&project), Vec::<String>::new());
    assert_eq!(project.calls(), Vec::<Value>::new());
}

#[test]
fn what_main_has_gained_meanwhile_is_no_change_of_ours() {
    let project = Project::new(&sub("a", ""));
    let repository = Repository::of(&project);
    repository.git(&["checkout", "--quiet", "-b", "work"]);
    project.declare(&(sub("a", "") + &sub("b", "")));
    repository.commit("ours");
    repository.git(&["checkout", "--quiet", "main"]);
    project.declare(&sub("a", ", enabled: false"));
    repository.commit("theirs");
    repository.git(&["checkout", "--quiet", "work"]);
    assert_eq!(planned(&project), ["create tasklist_subscription.b"]);
}

#[test]
fn a_changed_setting_means_everything_and_is_named() {
    let project = Project::new(&(sub("a", "") + &sub("b", "")));
    let _repository = Repository::of(&project);
    let text = project.read("beadle.yaml");
    let whole = [
        "create tasklist_subscription.a",
        "create tasklist_subscription.b",
    ];
    for (setting, more) in [
        ("vars", "vars: { x: y }\n"),
        ("guards", "guards: { deletes: 40% }\n"),
        (
            "defaults",
            "defaults: { tasklist_subscriptions: { protect: true } }\n",
        ),
    ] {
        project.write("beadle.yaml", &format!("{text}{more}"));
        assert_eq!(planned(&project), whole);
        let plan = project.beadle(&["plan", SINCE, "main"]).exits(0);
        let why = format!("the setting `{setting}` has changed");
        assert!(plan.stdout.contains(&why), "{}", plan.stdout);
    }
}

#[test]
fn the_files_that_values_come_from_count() {
    let project = Project::new(&sub("a", ", name: \"${var:title}\""));
    project.write("vars.yaml", "title: One\n");
    project.write("title.txt", "Two");
    let mut text = project.read("beadle.yaml");
    text.push_str(&sub("b", ", name: \"${file:title.txt}\""));
    project.write("beadle.yaml", &text);
    let _repository = Repository::of(&project);
    let plan = |args: &[&str]| {
        let mut all = vec![
            "plan",
            SINCE,
            "main",
            "--var-file",
            "vars.yaml",
            "--format",
            "json",
        ];
        all.extend(args);
        // The path is meant from where beadle is started.
        let ran = project.beadle(&all).exits(0).json();
        let since = ran["since"].clone();
        (since["everything"].clone(), since["addresses"].clone())
    };
    assert_eq!(plan(&[]), (Value::Null, json!([])));
    project.write("title.txt", "Three");
    assert_eq!(plan(&[]), (Value::Null, json!(["tasklist_subscription.b"])));
    project.write("title.txt", "Two");
    project.write("vars.yaml", "title: Another\n");
    let (why, left) = plan(&[]);
    assert_eq!(
        (why.as_str(), left),
        (Some("the variables in `vars.yaml` have changed"), json!([]))
    );
}

#[test]
fn what_cannot_be_compared_means_everything_with_the_reason() {
    let project = Project::new(&sub("a", ""));
    let good = project.read("beadle.yaml");
    project.write("beadle.yaml", "tasklists: [\n");
    let repository = Repository::of(&project);
    project.write("beadle.yaml", &good);
    assert_eq!(planned(&project), ["create tasklist_subscription.a"]);
    let plan = project.beadle(&["plan", SINCE, "main"]).exits(0);
    let why = "Looked at everything, not only at what has changed since main";
    assert!(plan.stdout.contains(why), "{}", plan.stdout);
    assert!(
        plan.stdout.contains("the manifest as it was is not valid"),
        "{}",
        plan.stdout
    );

    repository.git(&["rm", "--quiet", "--cached", "beadle.yaml"]);
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "none"]);
    let plan = project.beadle(&["plan", SINCE, "HEAD"]).exits(0);
    assert!(
        plan.stdout.contains("beadle.yaml is new"),
        "{}",
        plan.stdout
    );
}

#[test]
fn an_authoritative_tasklist_loses_nothing_by_it() {
    let project = Project::new(&sub("a", ""));
    let text = project.read("beadle.yaml");
    let text = text.replace(
        &format!("release: {{ guid: {RELEASE} }}"),
        &format!("release: {{ guid: {RELEASE}, authoritative: true }}"),
    );
    project.write("beadle.yaml", &text);
    project.beadle(APPLY).exits(0);
    let _repository = Repository::of(&project);
    let theirs = json!({"name": "theirs", "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [101]});
    project.control(
        "POST",
        &format!("tasklists/{RELEASE}/subscriptions"),
        &theirs,
    );
    project.write("beadle.yaml", &text.replace("task.added", "due.set"));
    assert_eq!(planned(&project), ["update tasklist_subscription.a"]);
    let apply = ["apply", "--auto-approve", "--allow-deletes", SINCE, "main"];
    project.beadle(&apply).exits(0);
    assert_eq!(project.live_names(RELEASE), ["a", "theirs"]);
}

#[test]
fn a_saved_plan_is_of_what_was_looked_at_and_needs_no_git() {
    let project = Project::new(&(sub("a", "") + &sub("b", "")));
    let _repository = Repository::of(&project);
    let text = project.read("beadle.yaml");
    project.write("beadle.yaml", &(text + &sub("c", "")));
    project
        .beadle(&["plan", SINCE, "main", "--out", "plan.json"])
        .exits(0);
    std::fs::remove_dir_all(project.path().join(".git")).unwrap();
    let shown = project.beadle(&["show", "plan.json"]).exits(0);
    assert!(
        shown.stdout.contains("changed since main"),
        "{}",
        shown.stdout
    );
    project.beadle(&["apply", "plan.json"]).exits(0);
    assert_eq!(project.live_names(RELEASE), ["c"]);
}

#[test]
fn what_is_wrong_with_a_revision_is_said_and_nothing_is_written() {
    let project = Project::new(&sub("a", ""));
    let apply = |revision: &str, status: i32, words: &[&str]| {
        let ran = project.beadle(&["apply", "--auto-approve", &format!("{SINCE}={revision}")]);
        let ran = ran.exits(status);
        for word in words {
            assert!(ran.stderr.contains(word), "{revision}: {}", ran.stderr);
        }
        assert_eq!(project.calls(), Vec::<Value>::new());
        assert!(!project.path().join(".beadle").exists(), "{revision}");
    };
    apply(
        "main",
        1,
        &["is in no working tree of Git", "not a git repository"],
    );
    let repository = Repository::of(&project);
    apply(
        "nowhere",
        1,
        &["Git knows no revision `nowhere`", "git fetch origin"],
    );
    apply("HEAD..HEAD", 1, &["Git knows no revision"]);
    apply("HEAD:beadle.yaml", 1, &["Git knows no revision"]);
    apply("", 64, &["takes a revision"]);
    apply(
        "--upload-pack=touch x",
        64,
        &["takes a revision", "is none"],
    );
    repository.git(&["checkout", "--quiet", "--orphan", "other"]);
    repository.commit("from nothing");
    apply("main", 1, &["have no commit in common"]);

    let none = tempfile::tempdir().unwrap();
    let mut command = project.command(&["plan", SINCE, "main"]);
    let ran = command.env("PATH", none.path()).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("needs the program `git`"), "{told}");
}

#[test]
fn a_shallow_clone_says_what_to_fetch() {
    let project = Project::new(&sub("a", ""));
    let repository = Repository::of(&project);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.commit("more");
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", project.path().display());
    let to = clone.path().join("clone");
    repository.git(&["clone", "--quiet", "--depth=1", &from, to.to_str().unwrap()]);
    let ran = project
        .beadle(&["plan", "-C", to.to_str().unwrap(), SINCE, &first])
        .exits(1);
    assert!(
        ran.stderr.contains("Git knows no revision"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("fetch-depth: 0"), "{}", ran.stderr);
}

#[test]
fn a_project_in_a_folder_of_a_repository_has_its_own_paths() {
    let project = Project::empty();
    let text = project.manifest(&sub("a", ""));
    project.write(
        "deep/project/beadle.yaml",
        &format!("{text}include: [\"./more/**/*.yaml\"]\n"),
    );
    project.write(
        "deep/project/more/b/b.yaml",
        &format!("tasklist_subscriptions:\n{}", sub("b", "")),
    );
    let _repository = Repository::of(&project);
    let more = format!("tasklist_subscriptions:\n{}", sub("c", ""));
    project.write("deep/project/more/c.yaml", &more);
    let ran = project.beadle(&[
        "-C",
        "deep/project",
        "plan",
        SINCE,
        "main",
        "--format",
        "json",
    ]);
    let since = ran.exits(0).json()["since"].clone();
    assert_eq!(since["everything"], Value::Null);
    assert_eq!(since["addresses"], json!(["tasklist_subscription.c"]));
    assert_eq!(since["of"], 3);
}

fn manifest(text: &str) -> Manifest {
    let head = "version: 1\nproviders: { feishu: { app_id: cli_a, app_secret: \"${env:S}\" } }\n";
    let mut sources = Sources::default();
    let file = sources.add("beadle.yaml", format!("{head}{text}"));
    let inputs = Inputs {
        vars: &BTreeMap::new(),
        env: &|_| None,
        file: &|_, _| Err("there is none".to_owned()),
        allow_hosts: &[],
        secrets: Secrets::Skip,
        world: World::Real,
    };
    let (manifest, found) = parse::manifest(&sources, file, &inputs);
    manifest.unwrap_or_else(|| panic!("{found:?}"))
}

#[test]
fn what_names_a_changed_thing_is_affected_with_it() {
    let base = "
tasklists:
  t: { guid: g1 }
  u: { guid: g2 }
chats:
  room: { manage: { members: [all] } }
  other: { manage: { members: [lone] } }
  old: { id: oc_a0553eda9014c201e6969b478895c230 }
recipient_groups:
  people: { feishu: { users: [ou_a] } }
  all: { include: [people], feishu: { user_group: { name: All } } }
  lone: { feishu: { users: [ou_b] } }
tasklist_subscriptions:
  one: { tasklist: t, subscribers: [room], events: all }
  two: { tasklists: [t, u], subscribers: [old], events: all }
recurring_notices:
  daily: { to: [all], schedule: { at: [\"2030-01-01T09:00\"], timezone: Asia/Shanghai }, message: { text: hello } }
  lonely: { to: [lone], schedule: { at: [\"2030-01-01T09:00\"], timezone: Asia/Shanghai }, message: { text: hello } }
";
    let before = manifest(base);
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(base.contains(from), "{from}");
        let after = manifest(&base.replace(from, to));
        let found: BTreeSet<String> = affected(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected: BTreeSet<String> = expected.iter().map(|e| (*e).to_owned()).collect();
        assert_eq!(found, expected, "{from} → {to}");
    };
    let one = "tasklist_subscription.one";
    let (two_t, two_u) = ("tasklist_subscription.two/t", "tasklist_subscription.two/u");
    check(
        "ou_a",
        "ou_a, ou_c",
        &[
            "recipient_group.people",
            "recipient_group.all",
            "chat.room",
            "recurring_notice.daily",
        ],
    );
    check(
        "{ name: All }",
        "{ name: Everybody }",
        &["recipient_group.all", "chat.room", "recurring_notice.daily"],
    );
    check(
        "members: [all]",
        "members: [all], description: New",
        &["chat.room", one],
    );
    check("guid: g1", "guid: g3", &[one, two_t]);
    check("guid: g2 }", "guid: g2, authoritative: true }", &[two_u]);
    check("[t, u]", "[u]", &[two_t]);
    check(
        "two: { tasklists: [t, u]",
        "two: { tasklist: u",
        &[two_t, two_u, "tasklist_subscription.two"],
    );
    check(
        "oc_a0553eda9014c201e6969b478895c230",
        "oc_b0553eda9014c201e6969b478895c230",
        &[two_t, two_u],
    );
    check(
        "text: hello } }\n  lonely",
        "text: hallo } }\n  lonely",
        &["recurring_notice.daily"],
    );
    check(
        "recurring_notices:",
        "forget: [chat.gone]\nrecurring_notices:",
        &["chat.gone"],
    );
    check(
        "  t: { guid: g1 }\n  u: { guid: g2 }",
        "  u: { guid: g2 }\n  t: { guid: g1 }",
        &[],
    );
}

#[test]
fn what_was_never_applied_and_is_waited_for_takes_part() {
    let project = Project::new("");
    let more = |subscription: &str| {
        let groups = "recipient_groups:\n  crew: { feishu: { users: [ou_0001] } }\n  all: { include: [crew] }\n";
        let text = project.manifest(subscription);
        let chats =
            "chats:\n  night: { manage: { name: Night } }\n  day: { manage: { name: Day } }\n";
        text.replace("chats:\n", chats) + groups
    };
    let night = |event: &str| {
        format!("  a: {{ tasklist: release, subscribers: [night], events: [{event}] }}\n")
    };
    project.write("beadle.yaml", &more(&night("task.added")));
    let _repository = Repository::of(&project);
    project.write("beadle.yaml", &more(&night("due.set")));
    assert_eq!(
        planned(&project),
        ["create chat.night", "create tasklist_subscription.a"]
    );
    let apply = ["apply", "--auto-approve", SINCE, "main"];
    project.beadle(&apply).exits(0);
    // Now it is there, and as declared: nothing waits for it.
    project.write("beadle.yaml", &more(&night("task.removed")));
    let plan = project.beadle(&["plan", SINCE, "main", "--format", "json"]);
    let plan = plan.exits(0).json();
    assert_eq!(
        plan["since"]["addresses"],
        json!(["tasklist_subscription.a"])
    );
    assert_eq!(plan["unread"], json!([]));
    // A notice's people are looked up in the groups that are registered.
    let notice = "recurring_notices:\n  daily: { to: [all], schedule: { at: [\"2030-01-01T09:00\"], timezone: Asia/Shanghai }, message: { text: hello } }\n";
    project.write("beadle.yaml", &(more(&night("task.added")) + notice));
    assert_eq!(
        planned(&project),
        [
            "create recipient_group.all",
            "create recipient_group.crew",
            "create recurring_notice.daily"
        ]
    );
}

#[test]
fn drift_of_what_a_change_touches_looks_at_that_alone() {
    let project = Project::new(&(sub("a", "") + &sub("b", "")));
    project.beadle(APPLY).exits(0);
    let repository = Repository::of(&project);
    for name in ["a", "b"] {
        let path = format!("subscriptions/{}", guid_of(&project, name));
        project.control("POST", &path, &json!({"disabled": true}));
    }
    project.declare(&(sub("a", "") + &sub("b", ", name: \"Another\"")));
    repository.commit("ours");
    let drift = |more: &[&str], status: i32| {
        let mut args = vec!["drift", "--format", "json"];
        args.extend(more);
        let found = project.beadle(&args).exits(status).json();
        let drifted = found["drift"].as_array().unwrap().iter();
        let drifted: Vec<_> = drifted.map(|d| d["address"].clone()).collect();
        (drifted, found["since"]["of"].clone())
    };
    let (a, b) = ("tasklist_subscription.a", "tasklist_subscription.b");
    assert_eq!(drift(&[], 2), (vec![json!(a), json!(b)], Value::Null));
    assert_eq!(drift(&[SINCE, "HEAD~1"], 2), (vec![json!(b)], json!(2)));
    assert_eq!(drift(&[SINCE, "HEAD"], 0), (vec![], json!(2)));
    let shown = project.beadle(&["drift", SINCE, "HEAD"]).exits(0).stdout;
    assert!(
        shown.contains("Looked only at what has changed since HEAD"),
        "{shown}"
    );
    assert!(
        shown.contains("No drift in the part that was looked at."),
        "{shown}"
    );
    project.beadle(&["drift", SINCE, "nowhere"]).exits(1);
}
