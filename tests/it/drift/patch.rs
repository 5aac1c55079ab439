//! `drift --patch`: the diff that would accept what is live, applied with Git.

use std::process::{Command, Stdio};

use super::*;

/// Runs Git in a folder without the machine's settings.
pub(super) fn git(dir: &Path, args: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_remove("GIT_DIR")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", "/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    ran.exits(0).stdout
}

/// The diff for what has drifted now.
#[track_caller]
pub(super) fn patch(project: &Project) -> Ran {
    drift(project, &["--patch"]).exits(2)
}

/// The lines that a diff removes and adds.
pub(super) fn changed(diff: &str) -> Vec<&str> {
    diff.lines()
        .filter(|l| {
            (l.starts_with('+') || l.starts_with('-'))
                && !l.starts_with("+++")
                && !l.starts_with("---")
        })
        .collect()
}

/// Applies a diff as a user does, from the project folder.
#[track_caller]
pub(super) fn accept(project: &Project, diff: &str) {
    git(
        &project.path(),
        &["apply", "--whitespace=nowarn", "-"],
        diff,
    );
}

#[track_caller]
pub(super) fn converged(project: &Project) {
    let plan = project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);
}

/// Applies a manifest, lets somebody change things, and accepts them.
#[track_caller]
fn round(manifest: impl Fn(&Project) -> String, outside: impl Fn(&Project)) -> (Project, Ran) {
    let project = Project::empty();
    project.write("beadle.yaml", &manifest(&project));
    project.beadle(APPLY).exits(0);
    outside(&project);
    let ran = patch(&project);
    (project, ran)
}

const COMMENTED: &str = "
  # Who hears about releases.
  # Ask the release manager before you change it.
  release-progress: # the one that matters
    tasklist: release   # the only one

    name: '项目进度订阅' # as people know it
    # Rooms:
    subscribers:
      # the first room
      - release-room # everybody
      # the night shift
      - oncall-room
    events: [ task.added, \"due.set\" ] # two are enough
    enabled: true

  # Nobody misses this.
  idle:
    tasklist: release
    subscribers: [release-room]
    events: all

  last: { tasklist: release, name: last, subscribers: [ release-room ], events: [task.added] } # on one line
";

#[test]
fn a_commented_file_keeps_all_but_the_lines_that_moved() {
    let (project, ran) = round(
        |project| project.manifest(COMMENTED),
        |project| {
            edit(
                project,
                "项目进度订阅",
                &json!({
                    "name": "发布: 进度",
                    "subscribers": [{"id": ROOM, "type": "chat"}],
                    "include_keys": [100, 121],
                    "disabled": true,
                }),
            );
            edit(
                project,
                "last",
                &json!({"name": "it's, last", "disabled": true, "include_keys": [100, 4711]}),
            );
            delete(project, "idle");
        },
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(
        changed(&ran.stdout),
        [
            "-    name: '项目进度订阅' # as people know it",
            "+    name: '发布: 进度' # as people know it",
            "-      # the night shift",
            "-      - oncall-room",
            "-    events: [ task.added, \"due.set\" ] # two are enough",
            "-    enabled: true",
            "+    events: [ task.added, comment.added ] # two are enough",
            "+    enabled: false",
            "-  # Nobody misses this.",
            "-  idle:",
            "-    tasklist: release",
            "-    subscribers: [release-room]",
            "-    events: all",
            "-",
            "-  last: { tasklist: release, name: last, subscribers: [ release-room ], events: [task.added] } # on one line",
            "+  last: { tasklist: release, name: \"it's, last\", subscribers: [ release-room ], events: [task.added, 4711], enabled: false } # on one line",
        ]
    );
    accept(&project, &ran.stdout);
    converged(&project);
    drift(&project, &[]).exits(0);
}

#[test]
fn a_section_in_which_all_has_vanished_stays_a_section() {
    let (project, ran) = round(
        |project| project.manifest(TWO),
        |project| {
            delete(project, "a");
            delete(project, "b");
        },
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(changed(&ran.stdout).len(), 4, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("+tasklist_subscriptions: {}\n"),
        "{}",
        ran.stdout
    );
    accept(&project, &ran.stdout);
    converged(&project);
}

#[test]
fn subscribers_are_written_by_the_names_of_chats() {
    let (project, ran) = round(
        |project| {
            project
                .manifest("  a: { tasklist: release, subscribers: [release-room], events: all }\n")
        },
        |project| {
            project.control(
                "POST",
                "chats",
                &json!({"chat_id": "oc_other", "name": "Other"}),
            );
            edit(
                project,
                "a",
                &json!({
                    "subscribers": [{"id": ONCALL, "type": "chat"}, {"id": "oc_other", "type": "chat"}],
                }),
            );
        },
    );
    assert_eq!(
        changed(&ran.stdout),
        [
            "-  a: { tasklist: release, subscribers: [release-room], events: all }",
            "+  a: { tasklist: release, subscribers: [oncall-room, oc_other], events: all }",
        ]
    );
    accept(&project, &ran.stdout);
    converged(&project);
}

#[test]
fn what_is_decided_elsewhere_is_explained_where_it_is_decided() {
    let manifest = |project: &Project| {
        let all = project.manifest(
            "  var: { tasklist: release, name: \"${var:stage} a\", subscribers: [release-room], events: [task.added] }
  anchor: { tasklist: release, subscribers: &rooms [release-room], events: [task.added] }
  alias: { tasklist: release, subscribers: *rooms, events: [task.added] }
  default: { tasklist: release, subscribers: [release-room] }
  base: &base
    tasklist: release
    subscribers: [release-room]
    events: [task.added]
  merged:
    <<: *base
    enabled: true
",
        );
        all.replace(
            "version: 1\n",
            "version: 1\nvars: { stage: prod }\ndefaults: { tasklist_subscriptions: { events: [due.set] } }\n",
        )
    };
    let (project, ran) = round(manifest, |project| {
        edit(project, "prod a", &json!({"name": "b"}));
        let both =
            json!({"subscribers": [{"id": ROOM, "type": "chat"}, {"id": ONCALL, "type": "chat"}]});
        edit(project, "alias", &both);
        edit(project, "default", &json!({"include_keys": [121]}));
        edit(
            project,
            "merged",
            &json!({"include_keys": [121], "disabled": true}),
        );
    });
    assert_eq!(
        changed(&ran.stdout),
        ["-    enabled: true", "+    enabled: false"]
    );
    for (line, why) in [
        ("  var:", "comes from an interpolation"),
        ("  alias:", "comes from an alias"),
        ("defaults:", "comes from `defaults`"),
        (
            "    events: [task.added]",
            "has an anchor that is used elsewhere",
        ),
    ] {
        let text = project.read("beadle.yaml");
        let number = text.lines().position(|l| l.starts_with(line)).unwrap() + 1;
        assert!(
            ran.stderr.contains(&format!("beadle.yaml:{number}:")),
            "{line}\n{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(why), "{why}\n{}", ran.stderr);
    }
    assert!(
        ran.stderr.contains("4 differences are not in the diff"),
        "{}",
        ran.stderr
    );
    accept(&project, &ran.stdout);
    let left = drifted(&project, &[], 2);
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn the_pipeline_works_in_a_folder_below_the_top_of_a_repository() {
    for (folder, dir) in [("", "."), ("项 目/infra", "."), ("x", "x")] {
        let project = Project::empty();
        let repository = project.path();
        let files = repository.join(folder);
        std::fs::create_dir_all(files.join("teams")).unwrap();
        git(&repository, &["init", "-q"], "");
        let manifest = project
            .manifest("")
            .replace("version: 1\n", "version: 1\ninclude: [\"teams/*.yaml\"]\n");
        std::fs::write(files.join("beadle.yaml"), manifest).unwrap();
        let team = format!("tasklist_subscriptions:\n{TWO}");
        std::fs::write(files.join("teams/my team.yaml"), team).unwrap();
        // From the project folder, or from the top with `-C`.
        let here = if dir == "." {
            files.clone()
        } else {
            repository.clone()
        };
        let run = |args: &[&str]| -> Ran {
            let mut all = vec!["-C", dir];
            all.extend(args);
            project
                .command(&all)
                .current_dir(&here)
                .output()
                .unwrap()
                .into()
        };
        run(APPLY).exits(0);
        edit(&project, "a", &json!({"disabled": true}));
        delete(&project, "b");
        let diff = run(&["drift", "--patch"]).exits(2);
        git(&here, &["apply"], &diff.stdout);
        let text = std::fs::read_to_string(files.join("teams/my team.yaml")).unwrap();
        assert_eq!(
            text,
            "tasklist_subscriptions:\n  a: { tasklist: release, subscribers: [release-room], events: [task.added], enabled: false }\n",
            "{}",
            diff.stdout
        );
        run(&["plan", "--detailed-exitcode"]).exits(0);
    }
}

#[test]
fn of_several_tasklists_one_that_vanished_is_taken_out_and_one_that_moved_alone_is_explained() {
    let other = "7f6b7c9e-1111-4222-8333-444455556666";
    let manifest = |project: &Project| {
        let all = project.manifest(
            "  fan:
    tasklists:
      - release
      # the plans
      - roadmap
    subscribers: [release-room]
    events: [task.added]
",
        );
        all.replace(
            "chats:\n",
            &format!("  roadmap: {{ guid: {other} }}\nchats:\n"),
        )
    };
    let begin = || {
        let project = Project::empty();
        project.control(
            "POST",
            "tasklists",
            &json!({"guid": other, "name": "Roadmap"}),
        );
        project.write("beadle.yaml", &manifest(&project));
        project.beadle(APPLY).exits(0);
        project
    };
    let there = |project: &Project| project.live(other)[0]["guid"].as_str().unwrap().to_owned();

    let project = begin();
    edit(&project, "fan", &json!({"disabled": true}));
    let ran = patch(&project);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("not all of them have moved alike"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("Take `release` out of `tasklists`"),
        "{}",
        ran.stderr
    );
    // Both alike is one change of the block.
    project.control(
        "POST",
        &format!("subscriptions/{}", there(&project)),
        &json!({"disabled": true}),
    );
    let ran = patch(&project);
    assert_eq!(changed(&ran.stdout), ["+    enabled: false"]);
    accept(&project, &ran.stdout);
    converged(&project);

    let project = begin();
    project.control(
        "DELETE",
        &format!("subscriptions/{}", there(&project)),
        &Value::Null,
    );
    let ran = patch(&project);
    assert_eq!(
        changed(&ran.stdout),
        ["-      # the plans", "-      - roadmap"]
    );
    accept(&project, &ran.stdout);
    converged(&project);
    delete(&project, "fan");
    let ran = patch(&project);
    assert!(
        ran.stdout.contains("+tasklist_subscriptions: {}"),
        "{}",
        ran.stdout
    );
    accept(&project, &ran.stdout);
    converged(&project);
}

#[test]
fn odd_files_stay_as_odd_as_they_are() {
    let begin = |text: &str| {
        let project = Project::empty();
        let head = project.manifest("");
        let text = if text.contains("\r\n") {
            format!("{head}tasklist_subscriptions:\n").replace('\n', "\r\n") + text
        } else {
            format!("\u{feff}{head}tasklist_subscriptions:\n{text}")
        };
        project.write("beadle.yaml", &text);
        project.beadle(APPLY).exits(0);
        edit(&project, "a", &json!({"disabled": true}));
        let ran = patch(&project);
        accept(&project, &ran.stdout);
        converged(&project);
        let now = project.read("beadle.yaml");
        assert_eq!(
            now.matches("\r\n").count(),
            now.matches('\n').count() * usize::from(text.contains('\r'))
        );
        now
    };
    let windows = begin(
        "  a:\r\n    tasklist: release\r\n    subscribers:\r\n    - release-room\r\n    events: all\r\n",
    );
    assert!(
        windows.ends_with("    events: all\r\n    enabled: false\r\n"),
        "{windows:?}"
    );
    let cut = begin(
        "  a:\n    tasklist: release\n    subscribers: [release-room]\n    events: all # every one",
    );
    assert!(
        cut.ends_with("    events: all # every one\n    enabled: false"),
        "{cut:?}"
    );
    assert!(cut.starts_with('\u{feff}'));
}

#[test]
fn what_no_manifest_can_say_is_explained_and_the_rest_is_in_the_diff() {
    let (project, ran) = round(
        |project| project.manifest(TWO),
        |project| {
            edit(project, "a", &json!({"name": "", "disabled": true}));
            edit(project, "b", &json!({"disabled": true}));
        },
    );
    assert!(
        ran.stderr.contains("in tasklist_subscription.a"),
        "{}",
        ran.stderr
    );
    assert_eq!(changed(&ran.stdout).len(), 2, "{}", ran.stdout);
    accept(&project, &ran.stdout);
    assert!(
        drifted(&project, &[], 2)
            .iter()
            .all(|d| d.starts_with("tasklist_subscription.a "))
    );
}

#[test]
fn chats_and_user_groups_take_names_and_descriptions_and_explain_their_people() {
    let manifest = |project: &Project| {
        project
            .manifest("  a: { tasklist: release, subscribers: [room], events: all }\n")
            .replace(
                "chats:\n",
                "recipient_groups:
  team:
    feishu:
      users: [ou_0, ou_1]
      # also in the directory
      user_group:
        name: Crew
        description: >-
          those who
          run it
chats:
  room:
    # kept by us
    manage: { name: Operations, members: [team] } # on call
",
            )
    };
    let find = |project: &Project, kind: &str, name: &str, key: &str| -> String {
        let world = project.control("GET", "world", &Value::Null);
        let all = world[kind].as_array().unwrap();
        let found = all.iter().find(|o| o["name"] == name).unwrap();
        found[key].as_str().unwrap().to_owned()
    };
    let project = Project::empty();
    let people = json!([{"open_id": "ou_0", "name": "A"}, {"open_id": "ou_1", "name": "B"}]);
    project.control("POST", "users", &people);
    project.write("beadle.yaml", &manifest(&project));
    project.beadle(APPLY).exits(0);
    let room = find(&project, "chats", "Operations", "chat_id");
    let crew = find(&project, "user_groups", "Crew", "id");
    project.control(
        "POST",
        &format!("chats/{room}"),
        &json!({"name": "Ops", "description": "At night"}),
    );
    project.control(
        "POST",
        &format!("user_groups/{crew}"),
        &json!({"description": "they, who"}),
    );
    let ran = patch(&project);
    assert_eq!(
        changed(&ran.stdout),
        [
            "-          those who",
            "-          run it",
            "+          they, who",
            "-    manage: { name: Operations, members: [team] } # on call",
            "+    manage: { name: Ops, members: [team], description: At night } # on call",
        ]
    );
    accept(&project, &ran.stdout);
    converged(&project);
    project.control(
        "DELETE",
        &format!("chats/{room}/members/ou_1"),
        &Value::Null,
    );
    let ran = patch(&project);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("`members` is not in the diff"),
        "{}",
        ran.stderr
    );
    // A chat that others name cannot go before them.
    project.control("DELETE", &format!("chats/{room}"), &Value::Null);
    project.control("DELETE", &format!("user_groups/{crew}"), &Value::Null);
    let ran = patch(&project);
    assert!(
        ran.stderr.contains("there is no chat `room`"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        changed(&ran.stdout),
        [
            "-      # also in the directory",
            "-      user_group:",
            "-        name: Crew",
            "-        description: >-",
            "-          they, who",
        ]
    );
}

#[test]
fn without_a_ledger_what_was_perhaps_never_made_is_not_removed() {
    let project = Project::empty();
    make(&project, "a");
    let manifest = project
        .manifest(TWO)
        .replace("version: 1\n", "version: 1\nproject: p\nledger: none\n");
    project.write("beadle.yaml", &manifest);
    edit(&project, "a", &json!({"disabled": true}));
    let ran = patch(&project);
    assert!(
        ran.stderr.contains("nobody knows whether it ever was"),
        "{}",
        ran.stderr
    );
    assert_eq!(changed(&ran.stdout).len(), 2, "{}", ran.stdout);
}
