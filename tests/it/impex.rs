//! Taking over chats and contact user groups that are there already: `import` and `export`.

use serde_json::{Value, json};

use crate::support::project::{ONCALL, Project, RELEASE, ROOM, Ran};

const APPLY: &[&str] = &["apply", "--auto-approve"];
/// A chat that is in no project of the tests from the beginning.
const TEAM: &str = "oc_b71a5c0f4f1e4b0e8d5d1c7d1a2b3c4d";
const QUIET: &str = "oc_c82b6d1f5f2f5c1f9e6e2d8e2b3c4d5e";

/// A project with people, and nothing declared but its provider.
fn stage() -> Project {
    let project = Project::empty();
    project.write("beadle.yaml", &head(&project));
    let people: Vec<Value> = ["ada", "bob", "cyd", "dan"]
        .iter()
        .map(|name| json!({"open_id": format!("ou_{name}"), "name": name}))
        .collect();
    project.control("POST", "users", &json!(people));
    project
}

fn head(project: &Project) -> String {
    format!("version: 1\n{}", project.providers())
}

fn declare(project: &Project, rest: &str) {
    project.write("beadle.yaml", &(head(project) + rest));
}

fn chat(project: &Project, id: &str, name: &str, more: Value) {
    let mut chat = json!({"chat_id": id, "name": name});
    let more = more.as_object().unwrap().clone();
    chat.as_object_mut().unwrap().extend(more);
    project.control("POST", "chats", &chat);
}

fn group(project: &Project, id: &str, name: &str, users: &[&str]) {
    let body = json!({"id": id, "name": name, "users": users});
    project.control("POST", "user_groups", &body);
}

fn world(project: &Project) -> Value {
    project.control("GET", "world", &Value::Null)
}

fn planned(project: &Project) -> Value {
    project
        .beadle(&["plan", "--format", "json"])
        .exits(0)
        .json()
}

/// The changes as `action address: fields (cause)`.
fn changes(plan: &Value) -> Vec<String> {
    let all = plan["changes"].as_array().unwrap().iter();
    all.map(|change| {
        let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
        let fields = match &change["update_fields"] {
            Value::Array(fields) => fields.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        format!(
            "{} {}: {} ({})",
            text("action"),
            text("address"),
            fields.join(", "),
            text("cause")
        )
    })
    .collect()
}

/// Fails unless the project's manifest takes everything over as it is: on a ledger that knows nothing
/// only groups are registered, and nothing is written at the vendor.
#[track_caller]
fn converges(project: &Project) {
    project.beadle(&["validate"]).exits(0);
    let before = world(project);
    project.clear_calls();
    let plan = planned(project);
    for change in changes(&plan) {
        let (subject, _) = change.split_once(": ").unwrap();
        assert!(
            subject.starts_with("create recipient_group.") && !subject.contains('/'),
            "{change}"
        );
    }
    assert_eq!(plan["unread"], json!([]), "{plan}");
    project.beadle(APPLY).exits(0);
    assert_eq!(project.writes(), Vec::<Value>::new());
    assert_eq!(world(project), before);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

/// Standard output without the sandbox's address.
fn yaml(project: &Project, ran: &Ran) -> String {
    ran.stdout.replace(&project.base_url(), "BASE_URL")
}

#[track_caller]
fn refuses(project: &Project, args: &[&str], words: &[&str]) {
    let bound = project.beadle(&["state", "list"]).exits(0).stdout;
    project.clear_calls();
    let ran = project.beadle(args).exits(1);
    assert_eq!(ran.stdout, "", "{args:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains("\nhelp: "), "{args:?}: {}", ran.stderr);
    assert_eq!(project.writes(), Vec::<Value>::new(), "{args:?}");
    assert_eq!(
        project.beadle(&["state", "list"]).exits(0).stdout,
        bound,
        "{args:?}"
    );
}

#[test]
fn chats_and_groups_are_exported_as_they_are() {
    let project = stage();
    chat(
        &project,
        TEAM,
        "On-call team",
        json!({"description": "Who is called", "users": ["ou_bob", "ou_cyd"], "owner": "ou_ada"}),
    );
    chat(&project, QUIET, "release room", json!({}));
    group(&project, "g1", "On-call team", &["ou_dan", "ou_ada"]);
    let body = json!({"description": "Whoever answers ${var:mail}"});
    project.control("POST", "user_groups/g1", &body);
    let body = json!({
        "name": "progress",
        "subscribers": [{"id": TEAM, "type": "chat"}, {"id": ROOM, "type": "chat"}],
        "include_keys": [101],
    });
    let path = format!("tasklists/{RELEASE}/subscriptions");
    project.control("POST", &path, &body);

    let args = ["export", RELEASE, TEAM, QUIET, "--user-groups"];
    let ran = project.beadle(&args).exits(0);
    assert_eq!(ran.stderr, "");
    let id = project.live(RELEASE)[0]["guid"]
        .as_str()
        .unwrap()
        .to_owned();
    insta::assert_snapshot!(yaml(&project, &ran).replace(&id, "GUID"), @r#"
    version: 1
    providers:
      feishu:
        base_url: BASE_URL
        app_id: cli_sandbox
        app_secret: ${env:FEISHU_APP_SECRET}
    tasklists:
      Release:
        guid: d300a75f-c56a-4be9-80d1-e47653028ceb
    chats:
      On-call-team:
        id: oc_b71a5c0f4f1e4b0e8d5d1c7d1a2b3c4d
        manage:
          name: On-call team
          description: Who is called
          members:
          - On-call-team-members
      release-room:
        id: oc_c82b6d1f5f2f5c1f9e6e2d8e2b3c4d5e
        manage:
          name: release room
          extra_members: keep
    recipient_groups:
      On-call-team-2:
        feishu:
          users:
          - ou_ada
          - ou_dan
          user_group:
            id: g1
            name: On-call team
            description: Whoever answers $${var:mail}
      On-call-team-members:
        feishu:
          users:
          - ou_ada
          - ou_bob
          - ou_cyd
    tasklist_subscriptions:
      progress:
        tasklist: Release
        subscribers:
        - oc_a0553eda9014c201e6969b478895c230
        - On-call-team
        events:
        - task.removed
        enabled: true
        id: GUID
    "#);
    project.write("beadle.yaml", &ran.stdout);
    converges(&project);
    let again = project.beadle(&["export"]).exits(0);
    assert_eq!(
        again.stdout, ran.stdout,
        "what was exported is exported again"
    );
}

#[test]
fn everything_that_the_app_sees_is_exported() {
    let project = stage();
    for (index, name) in [
        "twins",
        "twins",
        "TWINS",
        "twins-members",
        "yes",
        "0123",
        "emoji 🎉",
        "🎉",
        "  spaces  ",
        "#hash",
        "a: b",
        "${var:x}",
        "$${x}",
        "项目",
        "e\u{301}",
        "'\"",
        "---",
        "ou_ada",
        "oc_x",
    ]
    .iter()
    .enumerate()
    {
        let users: &[&str] = [&[][..], &["ou_ada"], &["ou_bob", "ou_ada"]][index % 3];
        let description = [
            "",
            "one line",
            "two\nlines",
            "  ends with\n",
            "\n\n  a: b\n\n    - c\n ",
            "${env:HOME}",
            "# no comment",
            "a \nb",
            "\u{202e}x",
        ][index % 9];
        let more = json!({"users": users, "description": description});
        chat(&project, &format!("oc_n{index}"), name, more);
        group(
            &project,
            &format!("g{index}"),
            &format!("{name} {index}"),
            &["ou_cyd"],
        );
    }
    let ran = project
        .beadle(&["export", "--chats", "--user-groups"])
        .exits(0);
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.stdout.matches("id: oc_").count(), 21, "{}", ran.stdout);
    assert_eq!(
        ran.stdout.matches("user_group:").count(),
        19,
        "{}",
        ran.stdout
    );
    project.write("beadle.yaml", &ran.stdout);
    converges(&project);
    let again = project.beadle(&["export"]).exits(0);
    assert_eq!(again.stdout, ran.stdout);
    let all = ["export", "--chats", "--user-groups"];
    assert_eq!(project.beadle(&all).exits(0).stdout, ran.stdout);
}

#[test]
fn an_included_file_gets_along_with_the_project() {
    let project = stage();
    chat(&project, TEAM, "team", json!({"users": ["ou_ada"]}));
    chat(&project, QUIET, "platform", json!({}));
    group(&project, "g1", "team", &["ou_bob"]);
    group(&project, "g2", "kept", &["ou_cyd"]);
    group(&project, "g3", "named", &["ou_cyd"]);
    declare(
        &project,
        &format!(
            "include: [\"more/*.yaml\"]
tasklists: {{ release: {{ guid: {RELEASE} }} }}
chats:
  team: {{ id: {ROOM} }}
  room: {{ id: {ONCALL}, manage: {{ name: oncall-room }} }}
recipient_groups:
  platform: {{ feishu: {{ users: [ou_dan] }} }}
  mine: {{ moved_from: team-2-members, feishu: {{ users: [ou_cyd], user_group: {{ id: g2, name: kept }} }} }}
  other: {{ feishu: {{ users: [ou_cyd], user_group: {{ name: named }} }} }}
tasklist_subscriptions:
  progress: {{ tasklist: release, subscribers: [room], events: all }}
"
        ),
    );
    project.write("more/none.yaml", "{}\n");
    let args = ["export", "--resources-only", "--chats", "--user-groups"];
    let ran = project.beadle(&args).exits(0);
    insta::assert_snapshot!(ran.stdout, @r#"
    chats:
      platform-2:
        id: oc_c82b6d1f5f2f5c1f9e6e2d8e2b3c4d5e
        manage:
          name: platform
          extra_members: keep
      team-2:
        id: oc_b71a5c0f4f1e4b0e8d5d1c7d1a2b3c4d
        manage:
          name: team
          members:
          - team-2-members-2
    recipient_groups:
      team-2-members-2:
        feishu:
          users:
          - ou_ada
      team-3:
        feishu:
          users:
          - ou_bob
          user_group:
            id: g1
            name: team
    "#);
    insta::assert_snapshot!(ran.stderr, @r#"
    Left out chat oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f: this project has it already, as chat.room.
    Left out chat oc_a0553eda9014c201e6969b478895c230: this project refers to it as `team`; without `--resources-only` it is written, to be put in that block's place.
    Left out contact user group g2: this project has it already, as recipient_group.mine/feishu.
    Left out contact user group g3: recipient_group.other/feishu is named "named" too, and a manifest cannot declare both.
    "#);
    project.write("more/exported.yaml", &ran.stdout);
    // What the project itself is still to make stands beside it.
    let text = project.read("beadle.yaml");
    let at = text.find("tasklist_subscriptions:").unwrap();
    project.write("beadle.yaml", &text[..at]);
    converges(&project);
}

#[test]
fn what_is_kept_is_exported_by_its_name() {
    let project = stage();
    declare(
        &project,
        &format!(
            "tasklists: {{ release: {{ guid: {RELEASE} }} }}
chats:
  room: {{ id: {ROOM} }}
  night: {{ manage: {{ name: Night watch, description: Who is awake, members: [watch] }} }}
  later: {{ manage: {{}} }}
recipient_groups:
  watch: {{ feishu: {{ users: [ou_ada, ou_bob], user_group: {{ name: Watch }} }} }}
  plain: {{ feishu: {{ users: [ou_dan] }} }}
"
        ),
    );
    let target = ["apply", "--auto-approve", "--target"];
    for address in ["recipient_group.watch", "chat.night"] {
        project.beadle(&[&target[..], &[address]].concat()).exits(0);
    }
    let whole = project.beadle(&["export"]).exits(0).stdout;
    for part in [
        "  night:\n",
        "  watch:\n",
        "  night-members:\n",
        "Night watch",
    ] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    for part in ["later", "room", "plain"] {
        assert!(!whole.contains(part), "{part}: {whole}");
    }
    // A name, an address and an id mean one thing.
    let night = project.beadle(&["export", "night"]).exits(0).stdout;
    let line = night.lines().find(|line| line.contains("id: oc_")).unwrap();
    let id = line.trim().trim_start_matches("id: ");
    for word in ["chat.night", id] {
        assert_eq!(project.beadle(&["export", word]).exits(0).stdout, night);
    }
    let watch = project.beadle(&["export", "watch"]).exits(0).stdout;
    for word in ["recipient_group.watch/feishu", "Watch"] {
        assert_eq!(project.beadle(&["export", word]).exits(0).stdout, watch);
    }
    // A reference keeps its name as well.
    let room = project.beadle(&["export", "room"]).exits(0).stdout;
    assert!(
        room.contains(&format!("  room:\n    id: {ROOM}\n    manage:\n")),
        "{room}"
    );
    refuses(
        &project,
        &["export", "later"],
        &["chat.later is neither bound nor pinned"],
    );
    refuses(
        &project,
        &["export", "plain"],
        &["recipient_group.plain has no `user_group`"],
    );
    refuses(
        &project,
        &["export", "chat.nope"],
        &["chat.nope is not declared"],
    );

    // Bound and declared no more, it has its name still.
    declare(&project, "");
    let words = ["export", "--resources-only", id];
    let bound = project.beadle(&words).exits(0).stdout;
    assert!(bound.starts_with("chats:\n  night:\n"), "{bound}");

    // On a ledger that knows nothing of it.
    std::fs::remove_dir_all(project.path().join(".beadle")).unwrap();
    project.write("beadle.yaml", &whole);
    converges(&project);
}

#[test]
fn a_tasklist_alone_reads_no_chat() {
    let project = stage();
    declare(
        &project,
        &format!(
            "tasklists: {{ release: {{ guid: {RELEASE} }} }}
chats:
  room: {{ id: {ROOM}, manage: {{}} }}
  later: {{ manage: {{}} }}
recipient_groups:
  watch: {{ feishu: {{ users: [ou_ada], user_group: {{}} }} }}
"
        ),
    );
    project.beadle(&["export", "release"]).exits(0);
    let read: Vec<Value> = project
        .calls()
        .iter()
        .map(|c| c["operation"].clone())
        .collect();
    assert!(
        read.contains(&json!("listTasklistActivitySubscriptions")),
        "{read:?}"
    );
    for operation in ["getChat", "listChats", "listUserGroups", "getUserGroup"] {
        assert!(!read.contains(&json!(operation)), "{read:?}");
    }
}

#[test]
fn what_a_manifest_cannot_say_is_left_out_and_named() {
    let project = stage();
    let long = "项".repeat(61);
    for (index, (name, description)) in [
        ("two\nlines", ""),
        ("\u{1b}[31mred", ""),
        (long.as_str(), ""),
        ("", ""),
        ("fine", "\u{7}"),
        ("fine", &"x".repeat(101)),
    ]
    .iter()
    .enumerate()
    {
        let id = format!("oc_n{index}");
        chat(&project, &id, name, json!({"description": description}));
    }
    group(&project, "g1", "nobody", &[]);
    group(&project, "g2", &"x".repeat(101), &["ou_ada"]);
    group(&project, "g3", "fine", &["ou_ada"]);
    let args = ["export", "--chats", "--user-groups"];
    let ran = project.beadle(&args).exits(0);
    insta::assert_snapshot!(ran.stderr, @r#"
    Left out chat oc_n0: its name "two\nlines" holds a character that a manifest cannot carry.
    Left out chat oc_n1: its name "\u{1b}[31mred" holds a character that a manifest cannot carry.
    Left out chat oc_n2: a chat's name has at most 60 characters, this one has 61.
    Left out chat oc_n3: a chat's name cannot be empty.
    Left out chat oc_n4: its description holds a character that a manifest cannot carry.
    Left out chat oc_n5: a chat's description has at most 100 characters, this one has 101.
    Left out contact user group g1: nobody is in it, and a group that is kept needs people.
    Left out contact user group g2: a user group's name has at most 100 characters, this one has 101.
    "#);
    project.write("beadle.yaml", &ran.stdout);
    converges(&project);
}

#[test]
fn what_cannot_be_read_is_said_and_fails() {
    let project = stage();
    chat(&project, TEAM, "team", json!({"members": []}));
    chat(&project, QUIET, "gone", json!({}));
    project.control("DELETE", &format!("chats/{QUIET}"), &Value::Null);
    group(&project, "g1", "fine", &["ou_ada"]);
    let ran = project
        .beadle(&["export", TEAM, QUIET, ROOM, "oc_nope", "g1"])
        .exits(1);
    assert_eq!(ran.stdout.matches("id: oc_").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("id: g1"), "{}", ran.stdout);
    for part in [
        format!("Left out chat {TEAM}: it could not be read: getChat: refused: "),
        format!("Left out chat {QUIET}: it is gone.\n"),
        "Left out chat oc_nope: it could not be read: ".to_owned(),
    ] {
        assert!(ran.stderr.contains(&part), "{part}: {}", ran.stderr);
    }
    assert_eq!(ran.stderr.lines().count(), 3, "{}", ran.stderr);

    project.fault("refuse@listChats");
    let ran = project.beadle(&["export", "--chats", "g1"]).exits(1);
    assert!(
        ran.stderr
            .contains("The chats of provider `feishu` could not be listed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("id: g1"), "{}", ran.stdout);
    let ran = project.beadle(&["export", "nonsense"]).exits(1);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("`nonsense` is no tasklist"),
        "{}",
        ran.stderr
    );
}

#[test]
fn each_app_exports_what_it_sees() {
    let project = stage();
    let app = json!({"app_id": "cli_two", "app_secret": "sandbox-secret"});
    project.control("POST", "apps", &app);
    let feishu = project.providers();
    let line = feishu.trim_start_matches("providers:\n");
    let lark = line
        .replace("feishu: {", "lark: { vendor: feishu,")
        .replace("cli_sandbox", "cli_two");
    let roadmap = "7f0c1d52-6c1a-4a57-9d55-0f1f6c1f8a11";
    let two = json!([{"id": "cli_two", "type": "app", "role": "editor"}]);
    let body = json!({"guid": roadmap, "name": "Roadmap", "members": two});
    project.control("POST", "tasklists", &body);
    let (ours, theirs) = (json!(["cli_sandbox"]), json!(["cli_two"]));
    for (id, bots, user) in [
        ("oc_ours", &ours, "ou_ada"),
        ("oc_theirs", &theirs, "ou_bob"),
        ("oc_posted", &json!(["cli_sandbox", "cli_two"]), "ou_cyd"),
        ("oc_crossed", &ours, "ou_dan"),
    ] {
        let name = id.trim_start_matches("oc_");
        chat(
            &project,
            id,
            name,
            json!({"members": bots, "users": [user]}),
        );
    }
    let subscribers = json!([
        {"id": "oc_posted", "type": "chat"},
        {"id": "oc_theirs", "type": "chat"},
        {"id": "oc_crossed", "type": "chat"},
    ]);
    let body = json!({"name": "progress", "subscribers": subscribers, "include_keys": [101]});
    let path = format!("tasklists/{roadmap}/subscriptions");
    project.control("POST", &path, &body);
    group(&project, "g1", "watch", &["ou_ada"]);

    let settings = format!("{}{lark}", head(&project));
    project.write("beadle.yaml", &settings);
    let args = ["export", roadmap, "--chats", "--user-groups"];
    let ran = project.beadle(&args).exits(0);
    assert_eq!(
        ran.stderr,
        "Left out chat oc_crossed: it is read with provider `feishu`, and a tasklist that posts to it with `lark`; beadle keeps a chat with the provider of its tasklists only.\n"
    );
    for part in [
        "  ours:\n    id: oc_ours\n    manage:\n",
        "  theirs:\n    id: oc_theirs\n    provider: lark\n    manage:\n",
        "  posted:\n    id: oc_posted\n    provider: lark\n    manage:\n",
        "  theirs-members:\n    lark:\n      users:\n      - ou_bob\n",
        "    - oc_crossed\n    - posted\n    - theirs\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    // One contact user group, though both apps see it.
    assert_eq!(ran.stdout.matches("id: g1").count(), 1, "{}", ran.stdout);
    let text = ran.stdout.replace("LARK_APP_SECRET", "FEISHU_APP_SECRET");
    project.write("beadle.yaml", &text);
    converges(&project);
    assert_eq!(project.beadle(&["export"]).exits(0).stdout, ran.stdout);
}

#[test]
fn a_group_that_is_kept_twice_is_exported_as_one() {
    let project = stage();
    let settings = head(&project);
    let line = settings.lines().last().unwrap();
    let lark = line.replace("feishu: {", "lark: { vendor: feishu,");
    group(&project, "g1", "one", &["ou_ada"]);
    group(&project, "g2", "two", &["ou_bob"]);
    declare(
        &project,
        &format!(
            "{lark}
recipient_groups:
  both:
    feishu: {{ users: [ou_ada], user_group: {{ id: g1, name: one }} }}
    lark: {{ users: [ou_bob], user_group: {{ id: g2, name: two }} }}
"
        ),
    );
    let ran = project.beadle(&["export", "both"]).exits(0);
    let at = ran.stdout.find("recipient_groups:").unwrap();
    insta::assert_snapshot!(&ran.stdout[at..], @r"
    recipient_groups:
      both:
        feishu:
          users:
          - ou_ada
          user_group:
            id: g1
            name: one
        lark:
          users:
          - ou_bob
          user_group:
            id: g2
            name: two
    ");
    let one = project
        .beadle(&["export", "recipient_group.both/lark"])
        .exits(0);
    assert!(!one.stdout.contains("g1"), "{}", one.stdout);
    let text = ran.stdout.replace("LARK_APP_SECRET", "FEISHU_APP_SECRET");
    project.write("beadle.yaml", &text);
    converges(&project);
}

#[test]
fn nothing_kept_is_put_where_no_ledger_is() {
    let project = stage();
    let text = head(&project).replace("version: 1\n", "version: 1\nproject: p\nledger: none\n");
    project.write("beadle.yaml", &text);
    let args = ["export", "--resources-only", "--chats"];
    let ran = project.beadle(&args).exits(1);
    assert!(ran.stderr.contains("`ledger: none`"), "{}", ran.stderr);
    let ran = project.beadle(&["export", "--chats"]).exits(0);
    project.write("beadle.yaml", &ran.stdout);
    converges(&project);
}

#[test]
fn an_imported_chat_is_as_it_is_live() {
    let project = stage();
    chat(
        &project,
        TEAM,
        "team",
        json!({"description": "old", "users": ["ou_bob", "ou_cyd"], "owner": "ou_ada"}),
    );
    declare(
        &project,
        "chats:
  team: { ignore: [description], manage: { name: Team, description: new, members: [team-people], on_delete: dissolve } }
recipient_groups: { team-people: { feishu: { users: [ou_bob, ou_dan] } } }
",
    );
    let ran = project.beadle(&["import", "chat.team", TEAM]).exits(0);
    assert_eq!(
        ran.stdout,
        format!("Bound chat.team to {TEAM} in the chats.\n")
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    let shown = project
        .beadle(&["state", "show", "chat.team", "--format", "json"])
        .exits(0);
    assert_eq!(
        shown.json()["bindings"][0]["applied"],
        json!({
            "name": "team",
            "members": ["ou_ada", "ou_bob", "ou_cyd"],
            "added": [],
            "on_delete": "dissolve",
        })
    );
    let plan = planned(&project);
    assert_eq!(
        changes(&plan),
        [
            "create recipient_group.team-people:  (ahead)",
            "update chat.team: name, members (ahead)"
        ],
        "{plan}"
    );
    project
        .beadle(&[APPLY, &["--allow-member-changes"]].concat())
        .exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    let text = world(&project).to_string();
    assert!(text.contains("ou_cyd"), "nobody is removed: {text}");

    // Whom beadle has put there meanwhile stays known when it is imported again.
    let ran = project
        .beadle(&["import", "chat.team", TEAM, "--format", "json"])
        .exits(0);
    assert_eq!(ran.json()["id"], TEAM);
    let shown = project
        .beadle(&["state", "show", "chat.team", "--format", "json"])
        .exits(0)
        .json();
    assert!(
        shown.to_string().contains(r#""added":["ou_dan"]"#),
        "{shown}"
    );
}

#[test]
fn an_imported_user_group_is_as_it_is_live() {
    let project = stage();
    group(&project, "g1", "watch", &["ou_ada"]);
    group(&project, "g2", "plain", &["ou_ada"]);
    declare(
        &project,
        "recipient_groups:
  watch: { feishu: { users: [ou_bob], user_group: { name: Watch, description: Who is awake } } }
  plain: { feishu: { users: [ou_ada], user_group: { name: plain } } }
",
    );
    let ran = project
        .beadle(&["import", "recipient_group.watch/feishu", "g1"])
        .exits(0);
    assert_eq!(
        ran.stdout,
        "Bound recipient_group.watch/feishu to g1 in the contact user groups.\n"
    );
    // The only one of its group needs no provider.
    let ran = project
        .beadle(&["import", "recipient_group.plain", "g2"])
        .exits(0);
    assert!(
        ran.stdout.contains("recipient_group.plain/feishu to g2"),
        "{}",
        ran.stdout
    );
    assert_eq!(project.writes(), Vec::<Value>::new());
    let plan = planned(&project);
    assert_eq!(
        changes(&plan),
        [
            "create recipient_group.plain:  (ahead)",
            "create recipient_group.watch:  (ahead)",
            "update recipient_group.watch/feishu: name, description, members (ahead)"
        ],
        "{plan}"
    );
    project
        .beadle(&[APPLY, &["--allow-member-changes"]].concat())
        .exits(0);
    project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn what_cannot_be_imported_is_refused() {
    let project = stage();
    chat(&project, TEAM, "team", json!({}));
    chat(&project, QUIET, "gone", json!({}));
    chat(&project, "oc_outside", "outside", json!({"members": []}));
    project.control("DELETE", &format!("chats/{QUIET}"), &Value::Null);
    group(&project, "g1", "watch", &["ou_ada"]);
    let lark = project
        .providers()
        .replace("providers:\n", "")
        .replace("feishu: {", "lark: { vendor: feishu,");
    declare(
        &project,
        &format!(
            "{lark}chats:
  team: {{ manage: {{}} }}
  other: {{ manage: {{}} }}
  pinned: {{ id: {ROOM}, manage: {{}} }}
  reference: {{ id: {ONCALL} }}
  renamed: {{ moved_from: old, manage: {{}} }}
recipient_groups:
  watch: {{ feishu: {{ users: [ou_ada], user_group: {{}} }} }}
  plain: {{ feishu: {{ users: [ou_ada] }} }}
  both: {{ feishu: {{ users: [ou_ada], user_group: {{ name: a }} }}, lark: {{ users: [ou_ada], user_group: {{ name: b }} }} }}
"
        ),
    );
    project.beadle(&["import", "chat.team", TEAM]).exits(0);
    for (address, id, words) in [
        ("chat.nope", TEAM, "chat.nope is not declared"),
        ("chat.team/feishu", TEAM, "a chat has no instances"),
        ("chat.reference", ONCALL, "is a reference to a chat"),
        ("chat.other", TEAM, "is bound to chat.team already"),
        (
            "chat.team",
            ROOM,
            "chat.team is bound to oc_b71a5c0f4f1e4b0e8d5d1c7d1a2b3c4d already",
        ),
        ("chat.other", QUIET, "is gone"),
        ("chat.other", "oc_outside", "could not be read"),
        ("chat.other", "g1", "`g1` is not the id of a chat"),
        ("chat.other", "oc_", "is not the id of a chat"),
        ("chat.other", "oc_a/../b", "is not the id of a chat"),
        ("chat.pinned", ONCALL, "`id` pins chat.pinned to"),
        (
            "recipient_group.nope",
            "g1",
            "recipient_group.nope is not declared",
        ),
        (
            "recipient_group.plain",
            "g1",
            "is bound to nothing at a vendor",
        ),
        (
            "recipient_group.plain/feishu",
            "g1",
            "has no `user_group` at provider `feishu`",
        ),
        (
            "recipient_group.both",
            "g1",
            "is kept as several contact user groups",
        ),
        (
            "recipient_group.watch",
            "nope",
            "contact user group nope is gone",
        ),
        (
            "recipient_group.watch",
            TEAM,
            "is not the id of a contact user group",
        ),
    ] {
        refuses(&project, &["import", address, id], &[words]);
    }
    let ran = project
        .beadle(&["import", "recipient_group.plain", "g1"])
        .exits(1);
    assert!(
        ran.stderr.contains("`beadle apply` registers it"),
        "{}",
        ran.stderr
    );
    // The former name of a resource is bound to something else.
    declare(&project, "chats: { old: { manage: {} } }\n");
    project.beadle(&["import", "chat.old", ROOM]).exits(0);
    declare(
        &project,
        "chats: { renamed: { moved_from: old, manage: {} } }\n",
    );
    refuses(
        &project,
        &["import", "chat.renamed", ONCALL],
        &["chat.old, the former name of chat.renamed, is bound to"],
    );
    project.fault("refuse@getChat");
    declare(&project, "chats: { other: { manage: {} } }\n");
    refuses(
        &project,
        &["import", "chat.other", ONCALL],
        &["could not be read"],
    );
}

#[test]
fn what_another_project_has_bound_is_not_imported() {
    let project = stage();
    group(&project, "g1", "watch", &["ou_ada"]);
    let body = "chats: { room: { manage: {} } }
recipient_groups: { watch: { feishu: { users: [ou_ada], user_group: {} } } }
";
    for name in ["ours", "theirs"] {
        let settings = format!("version: 1\nproject: {name}\nledger: sqlite:../shared.db\n");
        let text = head(&project).replace("version: 1\n", &settings) + body;
        project.write(&format!("{name}/beadle.yaml"), &text);
    }
    for (address, id) in [("chat.room", ROOM), ("recipient_group.watch/feishu", "g1")] {
        project
            .beadle(&["-C", "theirs", "import", address, id])
            .exits(0);
        let ran = project
            .beadle(&["-C", "ours", "import", address, id])
            .exits(1);
        for part in [address, "`theirs`", "\nhelp: "] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
        let bound = project.beadle(&["-C", "ours", "state", "list"]).exits(0);
        assert_eq!(bound.stdout, "");
    }
}
