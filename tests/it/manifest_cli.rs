//! Loading project folders, and diagnostics as they are shown.

use std::fs;
use std::path::Path;

use beadle::cli::diagnostics::{github, human, json};
use beadle::cli::load::{LoadOptions, Loaded, load_with};
use beadle::model::parse::{Secrets, World, manifest_schema};

const ROOT: &str =
    "version: 1\nproviders: { feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" } }\n";

fn options(dir: &Path) -> LoadOptions {
    LoadOptions {
        dir: dir.to_owned(),
        vars: Vec::new(),
        var_files: Vec::new(),
        secrets: Secrets::Require,
        world: World::Real,
    }
}

fn load(dir: &Path) -> Loaded {
    load_with(&options(dir), &|name| {
        (name == "SECRET").then(|| "s3cret".to_owned())
    })
}

/// A folder with files in it.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    dir
}

fn found(loaded: &Loaded, dir: &Path) -> String {
    let dir = dir.display().to_string();
    human(&loaded.sources, &loaded.diagnostics, false, 100).replace(&dir, "DIR")
}

#[test]
fn included_files_are_sorted_and_read_once() {
    let root = format!(
        "{ROOT}include: [\"teams/**/*.yaml\", \"./teams/a.yaml\", \"*.yaml\"]\ntasklists: {{ t: {{ guid: g }} }}\n"
    );
    let one = |name: &str| {
        format!(
            "tasklist_subscriptions: {{ {name}: {{ tasklist: t, subscribers: [oc_a], events: all }} }}\n"
        )
    };
    let dir = folder(&[
        ("beadle.yaml", root.as_bytes()),
        ("teams/b/x.yaml", one("x").as_bytes()),
        ("teams/a.yaml", one("a").as_bytes()),
        ("teams/.hidden.yaml", b"broken: ["),
    ]);
    let loaded = load(dir.path());
    assert_eq!(found(&loaded, dir.path()), "");
    let names: Vec<_> = loaded.sources.0.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["beadle.yaml", "teams/a.yaml", "teams/b/x.yaml"]);
    assert_eq!(loaded.manifest.unwrap().subscriptions.len(), 2);
    assert_eq!(loaded.secrets.len(), 1);
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = folder(&[
        ("file", b""),
        ("folder/beadle.yaml/x", b""),
        ("bad/beadle.yaml", b"version: 1\nproject: \xff\n"),
        ("wide/beadle.yaml", b"\xff\xfev\0"),
        ("empty/beadle.yaml", b""),
        ("bare/x", b""),
    ]);
    let mut out = String::new();
    for name in ["gone", "file", "bare", "folder", "bad", "wide", "empty"] {
        let loaded = load(&dir.path().join(name));
        assert!(loaded.manifest.is_none());
        out += &found(&loaded, dir.path());
    }
    insta::assert_snapshot!(out, @r###"
    error[no-project]: there is no folder `DIR/gone`
     |
     = help: A project is a folder with a beadle.yaml; name the folder with `-C DIR`.

    error[no-project]: `DIR/file` is not a folder
     |
     = help: A project is a folder with a beadle.yaml; name the folder with `-C DIR`.

    error[no-project]: there is no beadle.yaml in `DIR/bare`
     |
     = help: A project is a folder with a beadle.yaml; name the folder with `-C DIR`, or begin one there with `beadle init`.

    error[unreadable-file]: beadle.yaml cannot be read: it is a folder
     |
     = help: Check that it is a file and that you may read it.

    error[not-utf8]: the byte 0xff is not UTF-8
     --> beadle.yaml:2:10
      |
    2 | project: �
      |          ^
      |
      = help: Save the file as UTF-8.

    error[not-utf8]: this file is UTF-16, not UTF-8
     --> beadle.yaml:1:1
      |
    1 |
      | ^
      |
      = help: Save the file as UTF-8.

    error[empty-file]: this file is empty
     --> beadle.yaml:1:1
      |
    1 |
      | ^
      |
      = help: Write a manifest into it, or remove it. An empty file is never read as a wish to delete everything.
    "###);
}

#[test]
fn includes_stay_inside_and_match_something() {
    let root = format!(
        "{ROOT}include:\n  - ../x.yaml\n  - /etc/*.yaml\n  - nothing/*.yaml\n  - a[.yaml\n  - big.yaml\n  - link.yaml\ntasklist_subscriptions: {{ a: {{ tasklist: t, subscribers: [room], events: all }} }}\n"
    );
    let outside = folder(&[("x.yaml", b"chats: {}\n")]);
    let big = vec![b'#'; 8 * 1024 * 1024 + 1];
    let dir = folder(&[("beadle.yaml", root.as_bytes()), ("big.yaml", &big)]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("x.yaml"), dir.path().join("link.yaml"))
        .unwrap();
    let loaded = load(dir.path());
    insta::assert_snapshot!(found(&loaded, dir.path()), @r###"
    error[include-outside]: `../x.yaml` is not a path inside of the project folder
     --> beadle.yaml:4:5
      |
    4 |   - ../x.yaml
      |     ^^^^^^^^^
      |
      = help: Patterns are relative to beadle.yaml and have no `..` in them.

    error[include-outside]: `/etc/*.yaml` is not a path inside of the project folder
     --> beadle.yaml:5:5
      |
    5 |   - /etc/*.yaml
      |     ^^^^^^^^^^^
      |
      = help: Patterns are relative to beadle.yaml and have no `..` in them.

    error[include-matches-nothing]: no file matches `nothing/*.yaml`
     --> beadle.yaml:6:5
      |
    6 |   - nothing/*.yaml
      |     ^^^^^^^^^^^^^^
      |
      = help: Check the path, which is relative to beadle.yaml, or remove the pattern.

    error[bad-pattern]: `a[.yaml` is not a pattern: invalid range pattern
     --> beadle.yaml:7:5
      |
    7 |   - a[.yaml
      |     ^^^^^^^
      |
      = help: Write it as in `teams/**/*.yaml`.

    error[too-large]: big.yaml has 8388609 bytes, and a file can have at most 8 MiB
     --> beadle.yaml:8:5
      |
    8 |   - big.yaml
      |     ^^^^^^^^
      |
      = help: Split it into several files and name them in `include`.

    error[include-outside]: link.yaml leads out of the project folder
     --> beadle.yaml:9:5
      |
    9 |   - link.yaml
      |     ^^^^^^^^^
      |
      = help: Include only files that are inside of it.
    "###);
    drop(outside);
}

#[test]
fn files_outside_of_the_project_give_no_values() {
    let outside = folder(&[("secret", b"s3cret")]);
    let root = format!(
        "{ROOT}tasklists:\n  a: {{ name: \"${{file:name.txt}}\" }}\n  b: {{ name: \"${{file:../secret}}\" }}\n  c: {{ name: \"${{file:{}/secret}}\" }}\n  d: {{ name: \"${{file:link}}\" }}\n  e: {{ name: \"${{file:.git/config}}\" }}\n  f: {{ name: \"${{file:sub}}\" }}\n",
        outside.path().display()
    );
    let dir = folder(&[
        ("beadle.yaml", root.as_bytes()),
        ("name.txt", b"Roadmap\n"),
        (".git/config", b"token"),
        ("sub/x", b""),
    ]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    let loaded = load(dir.path());
    let shown = found(&loaded, outside.path());
    assert!(
        !shown.contains("s3cret") && !shown.contains("token"),
        "{shown}"
    );
    let lines: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|d| {
            (
                loaded.sources.locate(d.span.unwrap()),
                d.summary
                    .replace(&*outside.path().display().to_string(), "DIR"),
            )
        })
        .collect();
    insta::assert_debug_snapshot!(lines, @r###"
    [
        (
            "beadle.yaml:5:15",
            "the file `../secret` cannot be read here: it is outside of the project folder",
        ),
        (
            "beadle.yaml:6:15",
            "the file `DIR/secret` cannot be read here: it is outside of the project folder",
        ),
        (
            "beadle.yaml:7:15",
            "the file `link` cannot be read here: it leads out of the project folder",
        ),
        (
            "beadle.yaml:8:15",
            "the file `.git/config` cannot be read here: hidden files are not read",
        ),
        (
            "beadle.yaml:9:15",
            "the file `sub` cannot be read here: it is not a file",
        ),
    ]
    "###);
}

#[test]
fn variables_come_from_flags_then_files_then_the_manifest() {
    let root = format!(
        "{ROOT}vars: {{ a: m, b: m, c: m }}\ntasklists: {{ t: {{ name: \"${{var:a}}${{var:b}}${{var:c}}\" }} }}\n"
    );
    let dir = folder(&[
        ("beadle.yaml", root.as_bytes()),
        ("vars.yaml", b"a: f\nb: 0123\n"),
        ("bad.yaml", b"a: [x]\nb\n"),
    ]);
    let mut with = options(dir.path());
    with.vars = vec![("a".to_owned(), "flag".to_owned())];
    with.var_files = vec![dir.path().join("vars.yaml")];
    let env = |name: &str| (name == "SECRET").then(|| "s".to_owned());
    let loaded = load_with(&with, &env);
    assert_eq!(found(&loaded, dir.path()), "");
    assert_eq!(
        format!("{:?}", loaded.manifest.unwrap().tasklists["t"].target),
        "Named(\"flag0123m\")"
    );
    with.var_files = vec![dir.path().join("bad.yaml"), dir.path().join("gone.yaml")];
    insta::assert_snapshot!(found(&load_with(&with, &env), dir.path()), @r###"
    error[unreadable-file]: DIR/gone.yaml cannot be read: it does not exist
     |
     = help: Check that it is a file and that you may read it.

    error[yaml-syntax]: this line has no colon
     --> DIR/bad.yaml:2:1
      |
    2 | b
      | ^
      |
      = help: Write `key: value`, or `- value` for an element of a list.
    "###);
}

const MISTAKES: &[u8] = "version: 1
project: \"a\\e[31m\"
providers: { feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" } }
tasklists: { 发布: { guid: g } }
tasklist_subscriptions:
  项目: { tasklist: 发布, subscribers: [房间, oc_a, oc_a], events: [task.aded], subscribers: [] }
"
.as_bytes();

#[test]
fn people_see_the_line_with_a_marker() {
    let dir = folder(&[("beadle.yaml", MISTAKES)]);
    let loaded = load(dir.path());
    insta::assert_snapshot!(found(&loaded, dir.path()), @r###"
    error[bad-name]: a name has letters, digits, `-` and `_` only, not '\u{1b}'
     --> beadle.yaml:2:10
      |
    2 | project: "a\e[31m"
      |          ^^^^^^^^^
      |
      = help: The project's name has letters, digits, `-` and `_`, at most 64.

    error[unknown-chat]: there is no chat `房间`
     --> beadle.yaml:6:37
      |
    6 |   项目: { tasklist: 发布, subscribers: [房间, oc_a, oc_a], events: [task.aded], subscribers: ...
      |                                         ^^^^
      |
      = note: in tasklist_subscription.项目
      = help: Declare it under `chats`; nothing is declared there yet.

    warning[chat-listed-twice]: the chat `oc_a` is listed twice
     --> beadle.yaml:6:47
      |
    6 |   项目: { tasklist: 发布, subscribers: [房间, oc_a, oc_a], events: [task.aded], subscribers: ...
      |                                                     ^^^^
      |
     ::: beadle.yaml:6:41
      |
    6 |   项目: { tasklist: 发布, subscribers: [房间, oc_a, oc_a], events: [task.aded], subscribers: ...
      |                                               ---- the same chat, oc_a
      |
      = note: in tasklist_subscription.项目
      = help: Remove one of the two; it hears about each event once.

    error[unknown-event]: there is no event `task.aded`
     --> beadle.yaml:6:63
      |
    6 |   项目: { tasklist: 发布, subscribers: [房间, oc_a, oc_a], events: [task.aded], subscribers: ...
      |                                                                     ^^^^^^^^^
      |
      = note: in tasklist_subscription.项目
      = help: Did you mean `task.added`?

    error[duplicate-key]: the key `subscribers` is given twice
     --> beadle.yaml:6:75
      |
    6 | ... 间, oc_a, oc_a], events: [task.aded], subscribers: [] }
      |                                           ^^^^^^^^^^^
      |
     ::: beadle.yaml:6:23
      |
    6 |   项目: { tasklist: 发布, subscribers: [房间, oc_a, oc_a], events: [task.aded], subscribers: ...
      |                           ----------- first given here
      |
      = help: Keep one of the two.
    "###);
    let coloured = human(&loaded.sources, &loaded.diagnostics, true, 100);
    assert!(coloured.contains("\u{1b}[") && !coloured.contains("\u{1b}[31m\""));
}

#[test]
fn a_secret_in_the_file_is_struck_out() {
    let dir = folder(&[(
        "beadle.yaml",
        b"version: 1\nx: &s hunter2\nproviders: { a: { vendor: feishu, app_id: [], app_secret: hunter3 }, b: { vendor: feishu, app_id: b, app_secret: *s, oops: 1 }, c: { vendor: feishu, app_id: c, app_secret: 'hunter4', oops: 2 } }\n",
    )]);
    let loaded = load(dir.path());
    let shown = found(&loaded, dir.path());
    assert!(
        shown.contains("•••••") && !shown.contains("hunter"),
        "{shown}"
    );
    assert!(!json(&loaded.sources, &loaded.diagnostics).contains("hunter"));
    assert_eq!(loaded.diagnostics.len(), 7, "{shown}");
}

#[test]
fn programs_see_ranges() {
    let dir = folder(&[(
        "beadle.yaml",
        b"\xef\xbb\xbfversion: 1\r\nproject: \xe9\xa1\xb9 x\r\n",
    )]);
    let loaded = load(dir.path());
    insta::assert_snapshot!(json(&loaded.sources, &loaded.diagnostics), @r###"
    {
      "format_version": 1,
      "diagnostics": [
        {
          "severity": "error",
          "code": "bad-name",
          "summary": "a name has letters, digits, `-` and `_` only, not ' '",
          "detail": "The project's name has letters, digits, `-` and `_`, at most 64.",
          "address": null,
          "range": {
            "file": "beadle.yaml",
            "start": {
              "line": 2,
              "column": 10,
              "byte": 21
            },
            "end": {
              "line": 2,
              "column": 13,
              "byte": 26
            }
          },
          "related": []
        }
      ]
    }
    "###);
}

#[test]
fn github_sees_annotations() {
    let dir = folder(&[("beadle.yaml", MISTAKES)]);
    let loaded = load(dir.path());
    insta::assert_snapshot!(github(&loaded.sources, &loaded.diagnostics, "infra/a,b"), @r###"
    ::error file=infra/a%2Cb/beadle.yaml,line=2,col=10,endLine=2,endColumn=19,title=bad-name::a name has letters, digits, `-` and `_` only, not '\u{1b}'%0AThe project's name has letters, digits, `-` and `_`, at most 64.
    ::error file=infra/a%2Cb/beadle.yaml,line=6,col=37,endLine=6,endColumn=39,title=unknown-chat::there is no chat `房间` (tasklist_subscription.项目)%0ADeclare it under `chats`; nothing is declared there yet.
    ::warning file=infra/a%2Cb/beadle.yaml,line=6,col=47,endLine=6,endColumn=51,title=chat-listed-twice::the chat `oc_a` is listed twice (tasklist_subscription.项目)%0ARemove one of the two; it hears about each event once.%0Abeadle.yaml:6: the same chat, oc_a
    ::error file=infra/a%2Cb/beadle.yaml,line=6,col=63,endLine=6,endColumn=72,title=unknown-event::there is no event `task.aded` (tasklist_subscription.项目)%0ADid you mean `task.added`?
    ::error file=infra/a%2Cb/beadle.yaml,line=6,col=75,endLine=6,endColumn=86,title=duplicate-key::the key `subscribers` is given twice%0AKeep one of the two.%0Abeadle.yaml:6: first given here
    "###);
}

#[test]
fn a_very_long_line_is_cut_around_the_place() {
    let root = format!(
        "{ROOT}tasklists: {{ {} t: {{ guid: g, oops: 1 }}, {} z: {{ guid: z }} }}\n",
        "x: { guid: 1 }, ",
        "y: { guid: \"                                        \" }, ".repeat(40)
    );
    let dir = folder(&[("beadle.yaml", root.as_bytes())]);
    let loaded = load(dir.path());
    let shown = found(&loaded, dir.path());
    assert!(
        shown.lines().all(|line| line.chars().count() <= 600),
        "{shown}"
    );
}

#[test]
fn the_manifest_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/manifest.schema.json");
    let mut wanted = serde_json::to_string_pretty(&manifest_schema()).unwrap();
    wanted.push('\n');
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &wanted).unwrap();
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == wanted,
        "run `beadle schema manifest > schemas/manifest.schema.json`"
    );
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("manifest.json", manifest_schema())
        .unwrap();
    let schema = compiler.compile("manifest.json", &mut schemas).unwrap();
    let valid = |text: &str| {
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        schemas
            .validate(&value, schema)
            .map_err(|error| error.to_string())
    };
    let good = "version: 1
project: p
ledger: none
include: [\"a/*.yaml\"]
guards: { deletes: 30%, recipients: 5 }
providers:
  feishu: { app_id: a, app_secret: \"${env:A}\" }
  lark: { vendor: feishu, app_id: a, app_secret: \"${env:A}\" }
  enos: { base_url: \"https://x\", org_id: o, app_key: k, app_secret: \"${env:A}\" }
vars: { a: 1, b: true, c: x }
defaults: { tasklist_subscriptions: { enabled: false, events: all, subscribers: [a], protect: true, ignore: [events] }, recipient_groups: { protect: true }, chats: { extra_members: remove, on_delete: keep, protect: false } }
tasklists: { 发布: { guid: 123 }, b: { name: B, provider: lark, authoritative: true, keep: [\"x *\"] } }
chats:
  room: { id: oc_a }
  made: { manage: {} }
  kept: { id: oc_b, provider: lark, protect: true, ignore: [name, description, members], moved_from: x, manage: { name: 1, description: x, members: [oncall], extra_members: remove, on_delete: dissolve } }
recipient_groups:
  platform:
    description: Platform engineers
    feishu: { users: [ou_a, 7cdcc7c2, 12], emails: [li@example.com], mobiles: [+8613800000000, \"13800000001\"], departments: [od-a] }
    dingtalk: { users: [zhangsan], mobiles: [13800000000], departments: [123] }
    enos: { everyone: true }
    lark: { users: [ou_b], user_group: { name: x, description: y, extra_members: keep, id: g, ignore: [members] } }
  oncall: { include: [platform], exclude: { feishu: { users: [ou_a] }, lark: { emails: [a@example.com] } }, protect: true, moved_from: x }
tasklist_subscriptions:
  one: { tasklist: b, subscribers: [room], events: [task.added, 100, all, task.created, \"${var:e}\"], enabled: \"${var:on}\", id: x, moved_from: y }
  two: { tasklists: [b], id: { b: x } }
forget: [chat.x]
";
    assert_eq!(valid(good), Ok(()));
    for bad in [
        "versio: 1",
        "version: 2",
        "recipient_groups: { a: { feishu: { user_group: { members: [x] } } } }",
        "recipient_groups: { a: { feishu: { user_group: { ignore: [people] } } } }",
        "recipient_groups: { a: { dingtalk: { user_group: {} } } }",
        "recipient_groups: { a: { exclude: { feishu: { user_group: {} } } } }",
        "recipient_groups: { a: { feishu: { everyone: true } } }",
        "recipient_groups: { a: { dingtalk: { emails: [x] } } }",
        "recipient_groups: { a: { enos: { everyone: maybe } } }",
        "recipient_groups: { a: { exclude: { dingtalk: { everyone: true } } } }",
        "recipient_groups: { a: { includes: [b] } }",
        "chats: { a: { manage: { extra_members: drop } } }",
        "chats: { a: { manage: { on_delete: remove } } }",
        "chats: { a: { ignore: [events], manage: {} } }",
        "chats: { a: { manage: true } }",
        "defaults: { chats: { members: [a] } }",
        "providers: { other: { app_id: a, app_secret: b } }",
        "providers: { feishu: { app_id: a } }",
        "tasklist_subscriptions: { a: { events: [task.aded] } }",
        "tasklist_subscriptions: { a: { enabled: maybe } }",
        "tasklist_subscriptions: { a b: {} }",
    ] {
        assert!(valid(bad).is_err(), "{bad}");
    }
}
