//! Reading what users write: every mistake at its place, all at once.

use std::collections::BTreeMap;

use beadle::model::Diagnostic;
use beadle::model::diagnostic::{FileId, Sources};
use beadle::model::manifest::{Edition, Manifest};
use beadle::model::parse::{self, Inputs, Scope, Secrets, World};

/// A project in memory. `$SETTINGS` in a file stands for settings without a mistake.
pub(crate) struct Project<'a> {
    pub(crate) files: &'a [(&'a str, &'a str)],
    pub(crate) env: &'a [(&'a str, &'a str)],
    pub(crate) vars: &'a [(&'a str, &'a str)],
    pub(crate) allow_hosts: &'a [&'a str],
    pub(crate) secrets: Secrets,
    pub(crate) world: World,
}

const SETTINGS: &str =
    "version: 1\nproviders: { feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" } }\n";

impl<'a> Project<'a> {
    pub(crate) fn new(files: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            files,
            env: &[("SECRET", "s3cret"), ("BEADLE_VAR_TEAM", "ops")],
            vars: &[],
            allow_hosts: &[],
            secrets: Secrets::Require,
            world: World::Real,
        }
    }

    pub(crate) fn read(&self) -> (Sources, Option<Manifest>, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        for (name, text) in self.files {
            sources.add(*name, text.replace("$SETTINGS\n", SETTINGS));
        }
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let env: BTreeMap<String, String> = self.env.iter().map(owned).collect();
        let vars = self.vars.iter().map(owned).collect();
        let hosts: Vec<String> = self.allow_hosts.iter().map(|h| (*h).to_owned()).collect();
        let inputs = Inputs {
            vars: &vars,
            env: &|name| env.get(name).cloned(),
            file: &|path, scope| match (path, scope) {
                ("team.txt", _) => Ok("from-file\n".to_owned()),
                ("/run/secret", Scope::Secret) => Ok("s\n".to_owned()),
                _ => Err("it does not exist".to_owned()),
            },
            allow_hosts: &hosts,
            secrets: self.secrets,
            world: self.world,
        };
        let (manifest, diagnostics) = parse::manifest(&sources, FileId(0), &inputs);
        assert_eq!(
            manifest.is_none(),
            beadle::model::diagnostic::has_errors(&diagnostics),
            "a manifest is absent exactly when an error stands"
        );
        (sources, manifest, diagnostics)
    }

    /// Each diagnostic as a few lines: place with the words there, code, summary, help, related.
    pub(crate) fn found(&self) -> String {
        let (sources, manifest, diagnostics) = self.read();
        let mut out = String::new();
        for d in &diagnostics {
            let place = d.span.map_or("nowhere".to_owned(), |span| {
                let text = &sources.get(span.file).text[span.start as usize..span.end as usize];
                format!(
                    "{} {:?}",
                    sources.locate(span),
                    text.chars().take(50).collect::<String>()
                )
            });
            out += &format!("{place} {} {}\n  {}\n", d.severity, d.code, d.summary);
            for line in [
                d.help.clone(),
                d.address.as_ref().map(|a| format!("in {a}")),
            ] {
                out += &line.map_or(String::new(), |line| format!("  {line}\n"));
            }
            for (span, words) in &d.related {
                out += &format!("  {} {words}\n", sources.locate(*span));
            }
        }
        if let Some(manifest) = manifest {
            out += &format!("read: {} subscriptions\n", manifest.subscriptions.len());
        }
        out
    }
}

/// What is found in a project of one file.
fn check(text: &str) -> String {
    Project::new(&[("beadle.yaml", text)]).found()
}

/// What is found in a project of several files.
fn check_files(files: &[(&str, &str)]) -> String {
    Project::new(files).found()
}

#[test]
fn a_manifest_is_read() {
    let (_, manifest, diagnostics) = Project::new(&[
        (
            "beadle.yaml",
            "version: 1
project: notices
ledger: sqlite:here.db
vars: { room: release-room, on: true }
guards: { deletes: 12.5%, member_changes: 25%, recipients: 500 }
providers:
  feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" }
  lark-sg: { vendor: feishu, base_url: \"https://open.larksuite.com/\", app_id: cli_b, app_secret: \"${file:/run/secret}\" }
  dingtalk: { agent_id: 781348, app_key: k, app_secret: \"${env:NO:-d}\", edition: standard }
defaults: { tasklist_subscriptions: { events: [task.added], enabled: false, ignore: [events] } }
tasklists:
  release: { guid: d300a75f-c56a-4be9-80d1-e47653028ceb }
  roadmap: { name: Roadmap, provider: lark-sg }
chats:
  release-room: { id: oc_a0553eda9014c201e6969b478895c230 }
forget: [tasklist_subscription.old, chat.gone]
",
        ),
        (
            "teams/a.yaml",
            "tasklist_subscriptions:
  progress:
    tasklists: [roadmap, release]
    name: 项目进度订阅
    subscribers: [\"${var:room}\", oc_b]
    events: all
    enabled: \"${var:on}\"
    id: { roadmap: 33991879-704f-444f-81d7-55a6aa7be80c }
    protect: true
    ignore: []
    moved_from: old-name
  quiet: { tasklist: release, subscribers: [release-room] }
",
        ),
    ])
    .read();
    assert_eq!(diagnostics, []);
    let manifest = manifest.unwrap();
    let mut out = format!(
        "{} {:?} {:?}\n",
        manifest.project, manifest.ledger, manifest.guards
    );
    for (name, p) in &manifest.providers {
        out += &format!(
            "{name}: {} {} {} {}\n",
            p.vendor.as_str(),
            p.base_url,
            p.app,
            p.secret.is_some()
        );
    }
    for (name, t) in &manifest.tasklists {
        out += &format!("{name}: {} {:?}\n", t.provider, t.target);
    }
    for s in &manifest.subscriptions {
        out += &format!(
            "{} {} {:?} chats={:?} events={}{} enabled={} id={:?} protect={} ignore={:?} from={:?}\n",
            s.address,
            s.tasklist,
            s.name,
            s.subscribers.keys().collect::<Vec<_>>(),
            s.events.keys.len(),
            if s.events.all { " all" } else { "" },
            s.enabled,
            s.id,
            s.protect,
            s.ignore,
            s.moved_from
        );
    }
    out += &format!(
        "{:?}\n",
        manifest
            .forget
            .iter()
            .map(|(a, _)| a.to_string())
            .collect::<Vec<_>>()
    );
    insta::assert_snapshot!(out, @r###"
    notices Sqlite("here.db") Guards { deletes: 12.5, member_changes: 25.0, recipients: 500 }
    dingtalk: dingtalk https://api.dingtalk.com k true
    feishu: feishu https://open.feishu.cn cli_a true
    lark-sg: feishu https://open.larksuite.com cli_b true
    release: feishu Guid("d300a75f-c56a-4be9-80d1-e47653028ceb")
    roadmap: lark-sg Named("Roadmap")
    tasklist_subscription.progress/release release "项目进度订阅" chats=["oc_a0553eda9014c201e6969b478895c230", "oc_b"] events=14 all enabled=true id=None protect=true ignore={} from=Some("old-name")
    tasklist_subscription.progress/roadmap roadmap "项目进度订阅" chats=["oc_a0553eda9014c201e6969b478895c230", "oc_b"] events=14 all enabled=true id=Some("33991879-704f-444f-81d7-55a6aa7be80c") protect=true ignore={} from=Some("old-name")
    tasklist_subscription.quiet release "quiet" chats=["oc_a0553eda9014c201e6969b478895c230"] events=1 enabled=false id=None protect=false ignore={Events} from=None
    ["tasklist_subscription.old", "chat.gone"]
    "###);
}

#[test]
fn what_one_vendor_alone_needs_is_kept() {
    let text = "version: 1
providers:
  dingtalk: { agent_id: 256271667526, app_key: k, app_secret: \"${env:NO:-d}\", edition: dedicated }
  other: { vendor: dingtalk, app_key: k, app_secret: \"${env:NO:-d}\" }
  enos: { base_url: \"http://127.0.0.1:1\", org_id: o15, app_key: k, app_secret: \"${env:NO:-d}\" }
";
    let (_, manifest, diagnostics) = Project::new(&[("beadle.yaml", text)]).read();
    assert_eq!(diagnostics, []);
    let providers = manifest.unwrap().providers;
    let kept: Vec<_> = providers
        .values()
        .map(|p| (p.agent_id, p.edition, p.org_id.as_deref()))
        .collect();
    let expected = [
        (Some(256_271_667_526), Edition::Dedicated, None),
        (None, Edition::Standard, Some("o15")),
        (None, Edition::Standard, None),
    ];
    assert_eq!(kept, expected);

    insta::assert_snapshot!(check("version: 1
providers:
  dingtalk: { agent_id: -5, app_key: a b, app_secret: \"${env:NO:-d}\", edition: gold }
  more: { vendor: dingtalk, agent_id: 9223372036854775808, app_key: k, app_secret: \"${env:NO:-d}\" }
  enos: { base_url: \"http://127.0.0.1:1\", org_id: \"\", app_key: k, app_secret: \"${env:NO:-d}\" }
"), @r#"
    beadle.yaml:3:25 "-5" error bad-id
      the agent id of an app is a number
      Copy it from the vendor's developer console.
    beadle.yaml:3:38 "a b" error bad-id
      the id of an app is one word
      Copy it from the vendor's developer console.
    beadle.yaml:3:80 "gold" error unknown-edition
      there is no edition `gold`
      The editions are `standard`, `professional` and `dedicated`.
    beadle.yaml:4:39 "9223372036854775808" error bad-id
      the agent id of an app is a number
      Copy it from the vendor's developer console.
    beadle.yaml:5:51 "\"\"" error bad-id
      the id of an OU is one word
      Copy it from the vendor's developer console.
    "#);
}

#[test]
fn every_mistake_comes_at_once_and_at_its_place() {
    insta::assert_snapshot!(check("version: 2
project: a b
provider: {}
guards: { deletes: 30, recipients: many }
providers:
  feishu: { app_id: [x], app_secrt: y }
  lark: { app_id: x, app_secret: \"${env:SECRET}\" }
  other: { vendor: slack }
tasklists:
  release: { guid: 12/3, authoritative: yes }
  both: { guid: a, name: b }
  none: {}
  bad name: { guid: c }
chats:
  room: { id: 12 }
  managed: { manage: { name: x } }
tasklist_subscriptions:
  one:
    tasklist: release
    subscribers: room
    events: [task.add, task.deleted, 100, 77, 1.5]
    enabled: \"true\"
    name:
    ignore: [name, evnts]
    moved_from: one
    id: 5
"), @r###"
    beadle.yaml:1:10 "2" error wrong-type
      `version` must be 1, not `2`
      This beadle reads version 1 of the manifest's language.
    beadle.yaml:2:10 "a b" error bad-name
      a name has letters, digits, `-` and `_` only, not ' '
      The project's name has letters, digits, `-` and `_`, at most 64.
    beadle.yaml:3:1 "provider" error unknown-key
      there is no key `provider` here
      Did you mean `providers`? The keys are `version`, `project`, `ledger`, `include`, `providers`, `vars`, `guards`, `defaults`, `tasklists`, `chats`, `tasklist_subscriptions`, `forget`, `recipient_groups`, `recurring_notices` and `calendars`.
    beadle.yaml:4:20 "30" error wrong-type
      `deletes` must be a share such as `30%`, not `30`
      Write a number from 0 to 100 and a percent sign.
    beadle.yaml:4:36 "many" error wrong-type
      `recipients` must be a whole number, not `many`
    beadle.yaml:6:21 "[x]" error wrong-type
      `app_id` must be text, not a list
    beadle.yaml:6:26 "app_secrt" error unknown-key
      there is no key `app_secrt` in `feishu`
      Did you mean `app_secret`? The keys are `vendor`, `base_url`, `app_id` and `app_secret`.
    beadle.yaml:7:3 "lark" error missing-vendor
      the provider `lark` does not say which vendor it is
      Add `vendor: feishu`, `vendor: dingtalk` or `vendor: enos`.
    beadle.yaml:8:20 "slack" error unknown-vendor
      there is no vendor `slack`
      The vendors are `feishu`, `dingtalk` and `enos`.
    beadle.yaml:10:20 "12/3" error bad-id
      `12/3` is not the guid of a tasklist
      An id has letters, digits, `-` and `_`, at most 100.
    beadle.yaml:10:41 "yes" error wrong-type
      `authoritative` must be true or false, not `yes`
      YAML 1.2 knows only `true` and `false`.
    beadle.yaml:11:26 "b" error guid-and-name
      the tasklist `both` has a guid and a name
      Keep the guid; it stays the same when the tasklist is renamed.
    beadle.yaml:12:3 "none" error missing-key
      the tasklist `none` has no guid and no name
      Add `guid:`, as the tasklist's URL shows it, or `name:`.
    beadle.yaml:13:3 "bad name" error bad-name
      a name has letters, digits, `-` and `_` only, not ' '
      Names are Unicode letters, digits, `-` and `_`, at most 64.
    beadle.yaml:15:15 "12" error bad-id
      `12` is not the id of a chat
      The open id of a chat begins with `oc_`.
      in chat.room
    beadle.yaml:20:18 "room" error wrong-type
      `subscribers` must be a list, not `room`
      Write it as `[a, b]`, or as lines that begin with `- `.
      in tasklist_subscription.one
    beadle.yaml:21:14 "task.add" error unknown-event
      there is no event `task.add`
      Did you mean `task.added`?
      in tasklist_subscription.one
    beadle.yaml:21:24 "task.deleted" error unknown-event
      there is no event `task.deleted` on the wire
      Feishu tells nobody that a task was deleted. `task.removed` is nearest: a task was taken out of the tasklist.
      in tasklist_subscription.one
    beadle.yaml:21:43 "77" warning unknown-event
      there is no known event 77
      It is sent as it stands, in case Feishu has added it.
      in tasklist_subscription.one
    beadle.yaml:21:47 "1.5" error unknown-event
      there is no event `1.5`
      The events are `task.added`, `task.removed`, `task.completed`, `task.reopened`, `assignee.added`, `assignee.changed`, `assignee.removed`, `attachment.added`, `comment.added`, `comment.replied`, `start.set`, `due.set`, `dates.set`, `dates.cleared` and `all`.
      in tasklist_subscription.one
    beadle.yaml:22:14 "\"true\"" error wrong-type
      `enabled` must be true or false, not the text "true"
      Write it without quotes.
      in tasklist_subscription.one
    beadle.yaml:23:5 "name" error wrong-type
      `name` must be text, not nothing
      Write a value, or remove the key; a text that reads like nothing needs quotes.
      in tasklist_subscription.one
    beadle.yaml:24:20 "evnts" error unknown-field
      there is no field `evnts` to ignore
      Did you mean `events`? The fields are `name`, `subscribers`, `events` and `enabled`.
      in tasklist_subscription.one
    beadle.yaml:25:17 "one" error moved-from-declared
      `one` is this block's own name
      Write its former name, or remove `moved_from`.
      in tasklist_subscription.one
      beadle.yaml:18:3 declared here
    beadle.yaml:26:9 "5" error bad-id
      `5` is not the guid of a subscription
      It looks like 33991879-704f-444f-81d7-55a6aa7be80c; `beadle export` writes it.
      in tasklist_subscription.one
    "###);
}

#[test]
fn what_is_found_after_reading_points_at_the_word() {
    insta::assert_snapshot!(check("$SETTINGS
tasklists:
  release: { guid: a }
  roadmap: { guid: b, provider: feshu }
chats:
  release-room: { id: oc_a }
tasklist_subscriptions:
  one:
    tasklists: [release, raodmap]
    subscribers:
      - release-room
      - relese-room
      - oc_
      - oc_é
    events: [due.set]
"), @r###"
    beadle.yaml:5:33 "feshu" error unknown-provider
      there is no provider `feshu`
      Did you mean `feishu`?
    beadle.yaml:10:26 "raodmap" error unknown-tasklist
      there is no tasklist `raodmap`
      Did you mean `roadmap`?
      in tasklist_subscription.one
    beadle.yaml:13:9 "relese-room" error unknown-chat
      there is no chat `relese-room`
      Did you mean `release-room`?
      in tasklist_subscription.one
    beadle.yaml:14:9 "oc_" error unknown-chat
      there is no chat `oc_`
      Declare it under `chats`, where there is `release-room`.
      in tasklist_subscription.one
    beadle.yaml:15:9 "oc_é" error bad-id
      `oc_é` is not the id of a chat
      An id has letters, digits, `-` and `_`, at most 100.
      in tasklist_subscription.one
    "###);
}

#[test]
fn places_are_right_in_flow_style_maps_of_maps_and_anchors() {
    insta::assert_snapshot!(check("$SETTINGS
tasklists: { 发布: { guid: a }, b: {guid: b, x: 1} }
tasklist_subscriptions:
  one: &one { tasklist: 发布, subscribers: [oc_a, 房间], events: [all] , enabled: maybe }
  two: { <<: *one, tasklist: c }
  three: *one
  four:
    <<: [*one]
    events: *one
    subscribers: [oc_a]
    enabled: true
"), @r###"
    beadle.yaml:3:44 "x" error unknown-key
      there is no key `x` in `b`
      The keys are `guid`, `name`, `provider`, `authoritative` and `keep`.
    beadle.yaml:5:49 "房间" error unknown-chat
      there is no chat `房间`
      Declare it under `chats`; nothing is declared there yet.
      in tasklist_subscription.one
    beadle.yaml:5:79 "maybe" error wrong-type
      `enabled` must be true or false, not `maybe`
      YAML 1.2 knows only `true` and `false`.
      in tasklist_subscription.one
    beadle.yaml:6:30 "c" error unknown-tasklist
      there is no tasklist `c`
      Declare it under `tasklists`, where there is `b` and `发布`.
      in tasklist_subscription.two
    beadle.yaml:10:13 "*one" error wrong-type
      `events` must be `all`, or a list of events, not a mapping
      in tasklist_subscription.four
      beadle.yaml:5:13 the alias stands for this
    "###);
}

#[test]
fn places_are_right_in_included_files_and_duplicates_name_both() {
    insta::assert_snapshot!(check_files(&[
        ("beadle.yaml", "$SETTINGS\ntasklists: { t: { guid: g } }\nchats: { café: { id: oc_a } }\n"),
        (
            "teams/a.yaml",
            "vars: { a: b }\ntasklists: { t: { guid: h } }\nchats:\n  cafe\u{301}: { id: oc_b }\ntasklist_subscriptions:\n  one: { tasklist: t, subscribers: [cafe\u{301}], events: all }\n",
        ),
        (
            "teams/b.yaml",
            "tasklist_subscriptions:\n  one: { tasklist: t, subscribers: [oc_a], events: all }\n  two: { tasklist: t, subscribers: [oc_a], events: all, events: [] }\n",
        ),
    ]), @r###"
    teams/a.yaml:1:1 "vars" error misplaced-setting
      `vars` stands only in beadle.yaml
      Move it there; included files have resources only.
    teams/a.yaml:2:14 "t" error duplicate-address
      the tasklist `t` is declared twice
      Rename one of the two, or remove it.
      beadle.yaml:3:14 first declared here
    teams/a.yaml:4:3 "cafe\u{301}" error duplicate-address
      the address `chat.café` is declared twice
      Rename one of the two, or remove it.
      in chat.café
      beadle.yaml:4:10 first declared here
    teams/b.yaml:2:3 "one" error duplicate-address
      the address `tasklist_subscription.one` is declared twice
      Rename one of the two, or remove it.
      in tasklist_subscription.one
      teams/a.yaml:6:3 first declared here
    teams/b.yaml:3:57 "events" error duplicate-key
      the key `events` is given twice
      Keep one of the two.
      teams/b.yaml:3:44 first given here
    "###);
}

#[test]
fn a_file_that_is_no_yaml_hides_nothing_else() {
    let long = "a".repeat(2000);
    for (text, want) in [
        ("", "empty-file"),
        ("# nothing\n", "empty-file"),
        ("---\n", "empty-file"),
        ("\u{feff}", "empty-file"),
        ("chats:\n\troom: { id: oc_a }\n", "tab-indentation"),
        (
            "chats:\n  a: { id: oc_a }\n\tb: { id: oc_b }\n",
            "tab-indentation",
        ),
        ("chats: {}\n---\nchats: {}\n", "several-documents"),
        ("chats: [\n", "yaml-syntax"),
        ("chats: \"\n", "yaml-syntax"),
        ("chats: *x\n", "unknown-anchor"),
        ("chats: &x [*x]\n", "alias-inside-itself"),
        ("chats: a\0b\n", "control-character"),
        ("? [a]\n: b\n", "key-not-text"),
        (": b\n", "key-not-text"),
        ("chats: !secret {}\n", "unknown-tag"),
        ("<<: 3\n", "bad-merge"),
        (
            &format!("{}{}", "[".repeat(100), "]".repeat(100)),
            "too-deep",
        ),
        (&format!("chats: {}", long), "wrong-type"),
        ("just text", "wrong-type"),
        ("[]", "wrong-type"),
    ] {
        let files = [
            (
                "beadle.yaml",
                "$SETTINGS\ninclude: [x]\ntasklist_subscriptions: { one: { tasklist: t, subscribers: [c], events: [x] } }\n",
            ),
            ("x.yaml", text),
        ];
        let (sources, _, diagnostics) = Project::new(&files).read();
        let codes: Vec<_> = diagnostics
            .iter()
            .map(|d| (sources.get(d.span.unwrap().file).name.as_str(), d.code))
            .collect();
        assert!(codes.contains(&("x.yaml", want)), "{text:?}: {codes:?}");
        assert_eq!(
            codes.iter().filter(|(file, _)| *file == "x.yaml").count(),
            1,
            "{text:?}: {codes:?}"
        );
        assert!(
            codes.contains(&("beadle.yaml", "unknown-event")),
            "{text:?}: {codes:?}"
        );
    }
}

#[test]
fn syntax_is_shown_where_it_breaks() {
    let mut out = String::new();
    for text in [
        "version: 1\nchats:\n\troom: {}\n",
        "version: 1\nchats: { a: { id: x }\n",
        "version: 1\nproject: \"a\nchats: {}\n",
        "version: 1\nproject: a: b\n",
        "version: 1\n  project: a\n",
        "version: 1\nproject: @a\n",
        "version: 1\nproject: \"\\q\"\n",
        "version: 1\nproject: [a]]\n",
        "version: 1\nproject: a\n---\nversion: 1\n",
        "version: 1\r\nproject: *nobody\r\n",
        "\u{feff}version: 1\r\nproject: a b\r\n",
    ] {
        out += &format!("{text:?}\n{}\n", check(text));
    }
    insta::assert_snapshot!(out, @r###"
    "version: 1\nchats:\n\troom: {}\n"
    beadle.yaml:3:1 "\t" error tab-indentation
      a tab indents this line
      YAML is indented with spaces; replace the tab.

    "version: 1\nchats: { a: { id: x }\n"
    beadle.yaml:2:8 "{" error yaml-syntax
      a bracket is opened and never closed
      Close the `[` or `{` that opens before this place.

    "version: 1\nproject: \"a\nchats: {}\n"
    beadle.yaml:3:1 "c" error yaml-syntax
      a quote is opened and never closed
      Close the quote that opens before this place.

    "version: 1\nproject: a: b\n"
    beadle.yaml:2:11 ":" error yaml-syntax
      a colon stands where no key can be
      Quote the text if it contains `: `, or check the indentation.

    "version: 1\n  project: a\n"
    beadle.yaml:2:10 ":" error yaml-syntax
      a colon stands where no key can be
      Quote the text if it contains `: `, or check the indentation.

    "version: 1\nproject: @a\n"
    beadle.yaml:2:10 "@" error yaml-syntax
      a plain text cannot begin with '@'
      Quote the text.

    "version: 1\nproject: \"\\q\"\n"
    beadle.yaml:2:10 "\"" error yaml-syntax
      this escape is not one of YAML's
      Write `\\` for a backslash, or use single quotes.

    "version: 1\nproject: [a]]\n"
    beadle.yaml:2:13 "]" error yaml-syntax
      this bracket closes nothing
      Remove it, or make it match the bracket that opens.

    "version: 1\nproject: a\n---\nversion: 1\n"
    beadle.yaml:3:1 "---" error several-documents
      a second YAML document begins here
      A file is one document. Put the second one into a file of its own and name it in `include`.

    "version: 1\r\nproject: *nobody\r\n"
    beadle.yaml:2:10 "*nobody" error unknown-anchor
      no anchor of this name stands before this alias
      Write `&name` in front of the value that is meant; a text that begins with `*` needs quotes.

    "\u{feff}version: 1\r\nproject: a b\r\n"
    beadle.yaml:2:10 "a b" error bad-name
      a name has letters, digits, `-` and `_` only, not ' '
      The project's name has letters, digits, `-` and `_`, at most 64.
    "###);
}

#[test]
fn an_anchor_bomb_is_refused_quickly() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (from, to) in ('a'..'i').zip('b'..='i') {
        let aliases = vec![format!("*{from}"); 9].join(", ");
        text += &format!("{to}: &{to} [{aliases}]\n");
    }
    insta::assert_snapshot!(check(&text), @r###"
    beadle.yaml:7:8 "*f" error alias-expansion
      the aliases of this file stand for more than 1000000 values
      Aliases of aliases grow quickly; write the values out, or use `defaults`.
    "###);
}

#[test]
fn ten_megabytes_are_refused() {
    let text = format!("version: 1\n{}", "# x\n".repeat(2_600_000));
    insta::assert_snapshot!(check(&text), @r###"
    beadle.yaml:1:1 "" error too-large
      this file has 10400011 bytes, and a file can have at most 8 MiB
      Split it into several files and name them in `include`.
    "###);
}

#[test]
fn ids_are_read_as_typed() {
    let (_, manifest, diagnostics) = Project::new(&[(
        "beadle.yaml",
        "version: 1
project: 0123
providers: { feishu: { app_id: 0x1f, app_secret: 1.20 } }
tasklists: { no: { guid: 0123 }, yes: { name: 1.20 }, 12: { name: no } , +86: { name: +8613800000000 } }
",
    )])
    .read();
    let codes: Vec<_> = diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["written-secret", "bad-name"]);
    assert!(manifest.is_none());
    let (_, manifest, _) = Project::new(&[(
        "beadle.yaml",
        "$SETTINGS\nproject: 0123\ntasklists: { no: { guid: 0123 }, yes: { name: 1.20 }, 12: { name: no }, p: { name: +8613800000000 } }\n",
    )])
    .read();
    let manifest = manifest.unwrap();
    assert_eq!(manifest.project.as_str(), "0123");
    let targets: Vec<_> = manifest
        .tasklists
        .values()
        .map(|t| format!("{:?}", t.target))
        .collect();
    assert_eq!(
        targets,
        [
            "Named(\"no\")",
            "Guid(\"0123\")",
            "Named(\"+8613800000000\")",
            "Named(\"1.20\")"
        ]
    );
}

#[test]
fn values_are_put_in_by_the_rules() {
    insta::assert_snapshot!(check("version: 1
vars: { a: \"${var:b}\", b: \"${env:BEADLE_VAR_TEAM}\", c: \"${env:SECRET}\", d: \"${var:d}\", e: ~ }
providers: { feishu: { app_id: \"${env:SECRET}\", app_secret: \"x${env:NOPE}y\" } }
tasklists:
  t: { guid: \"a-${var:a}\" }
  u: { name: \"${file:team.txt} ${file:/etc/passwd}\" }
  v: { name: '$${var:x} ${var:nobody} ${vars:a} ${var:b' }
  w: { name: \"\\u0041 ${var:nobody}\" }
  x: { name: \"${var:c} ${var:e}\" }
"), @r###"
    beadle.yaml:2:57 "${env:SECRET}" error forbidden-variable
      `${env:SECRET}` cannot be read here
      Outside of a provider's secret only names that begin with BEADLE_VAR_ can be read; set BEADLE_VAR_SECRET, or use `${var:…}`.
    beadle.yaml:2:77 "${var:d}" error variable-cycle
      the variable `d` stands for itself
      Give one of the variables a value of its own.
    beadle.yaml:2:91 "~" error wrong-type
      the variable `e` must be text
      Write one value; an empty text is written as `""`.
    beadle.yaml:3:33 "${env:SECRET}" error forbidden-variable
      `${env:SECRET}` cannot be read here
      Outside of a provider's secret only names that begin with BEADLE_VAR_ can be read; set BEADLE_VAR_SECRET, or use `${var:…}`.
    beadle.yaml:3:63 "${env:NOPE}" error unset-variable
      the environment variable NOPE is not set
      Set it, or write `${env:NOPE:-default}`.
    beadle.yaml:6:32 "${file:/etc/passwd}" error unreadable-value-file
      the file `/etc/passwd` cannot be read here: it does not exist
      Outside of a provider's secret only files inside the project can be read.
    beadle.yaml:7:25 "${var:nobody}" error unset-variable
      the variable `nobody` has no value
      Give it one under `vars`, or with `--var nobody=VALUE`.
    beadle.yaml:7:39 "${vars:a}" error bad-interpolation
      `vars` is not a source of values
      Write `${var:NAME}`, `${env:NAME}`, `${env:NAME:-default}` or `${file:PATH}`; `$${` stands for a plain `${`.
    beadle.yaml:7:49 "${var:b" error bad-interpolation
      `${` is opened and never closed
      Write `${var:NAME}`, `${env:NAME}`, `${env:NAME:-default}` or `${file:PATH}`; `$${` stands for a plain `${`.
    beadle.yaml:8:22 "${var:nobody}" error unset-variable
      the variable `nobody` has no value
      Give it one under `vars`, or with `--var nobody=VALUE`.
    beadle.yaml:9:24 "${var:e}" error unset-variable
      the variable `e` has no value
      Give it one under `vars`, or with `--var e=VALUE`.
    "###);
}

#[test]
fn secrets_are_left_alone_when_told_so() {
    let project = Project {
        secrets: Secrets::Skip,
        env: &[],
        ..Project::new(&[("beadle.yaml", "$SETTINGS\n")])
    };
    let (_, manifest, diagnostics) = project.read();
    assert_eq!(diagnostics, []);
    assert!(manifest.unwrap().providers["feishu"].secret.is_none());
    insta::assert_snapshot!(Project { secrets: Secrets::Require, ..project }.found(), @r###"
    beadle.yaml:2:52 "${env:SECRET}" error unset-variable
      the environment variable SECRET is not set
      Set it, or write `${env:SECRET:-default}`.
    "###);
}

#[test]
fn the_sandbox_needs_no_providers() {
    let project = Project {
        world: World::Sandbox,
        env: &[],
        ..Project::new(&[("beadle.yaml", "version: 1\ntasklists: { t: { guid: g } }\n")])
    };
    let (_, manifest, diagnostics) = project.read();
    assert_eq!(diagnostics, []);
    assert_eq!(manifest.unwrap().tasklists["t"].provider.as_str(), "feishu");
    let (_, manifest, diagnostics) = Project {
        world: World::Sandbox,
        env: &[],
        ..Project::new(&[(
            "beadle.yaml",
            "version: 1\nledger: postgres://x\nproviders: { lark: { vendor: feishu, base_url: \"https://x.example.com\", app_id: \"${env:BEADLE_VAR_A}\", app_secret: \"${env:A}\" } }\ntasklists: { t: { guid: g } }\n",
        )])
    }
    .read();
    assert_eq!(diagnostics, []);
    assert_eq!(manifest.unwrap().tasklists["t"].provider.as_str(), "lark");
}

#[test]
fn ledgers_projects_and_hosts() {
    let mut out = String::new();
    for text in [
        "version: 1\nledger: none\n",
        "version: 1\nledger: postgres://u:password@h/db\nproject: p\n",
        "version: 1\nledger: sqlite:\n",
        "version: 1\nledger: mysql\n",
        "version: 1\nledger: sqlite:other.db\n",
        "version: 1\nledger: sqlite:.beadle/ledger.db\n",
        "version: 1\nproviders: { feishu: { base_url: \"https://evil.example.com\", app_id: a, app_secret: \"${env:SECRET}\" } }\n",
        "version: 1\nproviders: { enos: { base_url: \"https://gw.example.com\", app_key: a, app_secret: \"${env:SECRET}\" } }\n",
        "version: 1\nproviders: { feishu: { base_url: \"http://open.feishu.cn\", app_id: a, app_secret: \"${env:SECRET}\" } }\n",
        "version: 1\nproviders: { feishu: { base_url: \"https://u:p@open.feishu.cn\", app_id: a, app_secret: \"${env:SECRET}\" } }\n",
        "version: 1\nproviders: { feishu: { vendor: dingtalk, app_id: a } }\n",
        "version: 1\ntasklists: { a: { guid: a }, b: { guid: b } }\n",
        "version: 1\nproviders: { a: { vendor: feishu, app_id: a, app_secret: \"${env:SECRET}\" }, b: { vendor: feishu, app_id: a, app_secret: \"${env:SECRET}\" }, dingtalk: { app_key: a, app_secret: \"${env:SECRET}\" } }\ntasklists: { a: { guid: a }, b: { guid: b, provider: dingtalk } }\n",
    ] {
        out += &format!("{text}{}\n", check(text));
    }
    insta::assert_snapshot!(out, @r###"
    version: 1
    ledger: none
    beadle.yaml:2:9 "none" error missing-key
      the key `project` is missing in the file
      Only a project with the default ledger file needs no name; add `project: NAME`.

    version: 1
    ledger: postgres://u:password@h/db
    project: p
    beadle.yaml:2:9 "postgres://u:password@h/db" error written-secret
      the ledger's address has a password in it
      Put it into `PGPASSWORD` or a password file (`passfile=PATH`), and rotate it: it was written down.

    version: 1
    ledger: sqlite:
    beadle.yaml:2:15 ":" error yaml-syntax
      a colon stands where no key can be
      Quote the text if it contains `: `, or check the indentation.

    version: 1
    ledger: mysql
    beadle.yaml:2:9 "mysql" error bad-ledger
      there is no ledger `mysql`
      Write `sqlite:PATH`, `postgres://USER@HOST/DATABASE`, or `none`.

    version: 1
    ledger: sqlite:other.db
    beadle.yaml:2:9 "sqlite:other.db" error missing-key
      the key `project` is missing in the file
      Only a project with the default ledger file needs no name; add `project: NAME`.

    version: 1
    ledger: sqlite:.beadle/ledger.db
    read: 0 subscriptions

    version: 1
    providers: { feishu: { base_url: "https://evil.example.com", app_id: a, app_secret: "${env:SECRET}" } }
    beadle.yaml:2:34 "\"https://evil.example.com\"" error foreign-host
      credentials are not sent to `evil.example.com`, which is no host of feishu
      Use https://open.feishu.cn or https://open.larksuite.com. If it is yours, set BEADLE_ALLOW_HOSTS=evil.example.com in the environment.

    version: 1
    providers: { enos: { base_url: "https://gw.example.com", app_key: a, app_secret: "${env:SECRET}" } }
    beadle.yaml:2:32 "\"https://gw.example.com\"" error foreign-host
      credentials are not sent to `gw.example.com`, which is no host of enos
      If it is yours, set BEADLE_ALLOW_HOSTS=gw.example.com in the environment.

    version: 1
    providers: { feishu: { base_url: "http://open.feishu.cn", app_id: a, app_secret: "${env:SECRET}" } }
    beadle.yaml:2:34 "\"http://open.feishu.cn\"" error plain-http
      `http://open.feishu.cn` would send credentials in the clear
      Use https; plain http is for this machine only.

    version: 1
    providers: { feishu: { base_url: "https://u:p@open.feishu.cn", app_id: a, app_secret: "${env:SECRET}" } }
    beadle.yaml:2:34 "\"https://u:p@open.feishu.cn\"" error bad-url
      `base_url` has a user in it
      Write a scheme and a host only, as in `https://open.feishu.cn`.

    version: 1
    providers: { feishu: { vendor: dingtalk, app_id: a } }
    beadle.yaml:2:32 "dingtalk" error vendor-conflict
      the name `feishu` implies the vendor feishu, not dingtalk
      Give the provider another name, or remove `vendor`.

    version: 1
    tasklists: { a: { guid: a }, b: { guid: b } }
    beadle.yaml:2:14 "a" error no-provider
      the tasklist `a` needs a Feishu provider, and there is none
      Add `providers: { feishu: { app_id: …, app_secret: "${env:FEISHU_APP_SECRET}" } }` to beadle.yaml.

    version: 1
    providers: { a: { vendor: feishu, app_id: a, app_secret: "${env:SECRET}" }, b: { vendor: feishu, app_id: a, app_secret: "${env:SECRET}" }, dingtalk: { app_key: a, app_secret: "${env:SECRET}" } }
    tasklists: { a: { guid: a }, b: { guid: b, provider: dingtalk } }
    beadle.yaml:3:14 "a" error no-provider
      the tasklist `a` does not say which provider it is read with
      Add `provider:` with one of them, such as `a` or `b`.
    beadle.yaml:3:54 "dingtalk" error wrong-vendor
      `dingtalk` is a provider of dingtalk, and tasklists are Feishu's
      Name a Feishu provider.
      beadle.yaml:2:140 the provider
    "###);
    let allowed = Project {
        allow_hosts: &["gw.example.com"],
        ..Project::new(&[(
            "beadle.yaml",
            "version: 1\nproviders: { enos: { base_url: \"https://gw.example.com/\", app_key: a, app_secret: \"${env:SECRET}\" } }\n",
        )])
    };
    assert_eq!(allowed.found(), "read: 0 subscriptions\n");
}

#[test]
fn what_later_versions_manage_is_never_dropped() {
    insta::assert_snapshot!(check("$SETTINGS
recipient_groups: { platform: { feishu: { users: [a], user_group: { name: x } } } }
recurring_notices: { weekly: { to: [oc_a], schedule: { cron: \"0 9 * * *\", timezone: UTC }, message: { text: x } } }
defaults: { recurring_notices: {} }
tasklists: { t: { guid: g } }
chats: { platform: { id: oc_a }, made: { manage: { name: x } } }
tasklist_subscriptions:
  one: { tasklist: t, subscribers: [made], events: all }
"), @r###"
    beadle.yaml:3:21 "platform" error group-and-chat
      `platform` names a group and a chat
      Rename one of the two; notices name both in one list.
      in recipient_group.platform
      beadle.yaml:7:10 the chat
    beadle.yaml:5:13 "recurring_notices" error not-yet
      this version of beadle does not manage `recurring_notices` yet
      Remove it, or use a version that does; nothing is left out silently.
    "###);
}

#[test]
fn what_resources_do_to_each_other_is_checked() {
    insta::assert_snapshot!(check("$SETTINGS
tasklists:
  a: { guid: g, keep: [x] }
  b: { guid: g }
  c: { name: C, authoritative: true }
chats: { room: { id: oc_a } }
tasklist_subscriptions:
  one: { tasklist: a, name: Same, subscribers: [room, oc_a], events: [task.added, 100, task.assigned], id: 33991879-704f-444f-81d7-55a6aa7be80c }
  two: { tasklist: a, name: Same, subscribers: [], events: [], id: 33991879-704f-444f-81d7-55a6aa7be80c }
  three: { tasklist: c, name: 一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一, subscribers: [room], events: [all, due.set], moved_from: one }
  four: { tasklist: c, name: \"\", subscribers: [room], events: all, moved_from: old }
  five: { tasklists: [c, c], subscribers: [room], events: all, moved_from: old, id: 33991879-704f-444f-81d7-55a6aa7be80d }
  six: { tasklists: [c, a], tasklist: c, subscribers: [room], events: all, id: { x: 33991879-704f-444f-81d7-55a6aa7be80d, a: 1 } }
  seven: { subscribers: [room] }
  eight: { tasklist: c, subscribers: [room], events: all, id: { c: 33991879-704f-444f-81d7-55a6aa7be80d } }
forget: [tasklist_subscription.one, chat.room, tasklist_subscription.gone, tasklist_subscription.gone, tasklist.x, x, tasklist_subscription.six/c]
"), @r###"
    beadle.yaml:4:23 "[x]" error keep-without-authoritative
      the tasklist `a` has `keep` and is not authoritative
      Nothing undeclared is deleted there anyway; remove `keep`, or add `authoritative: true`.
    beadle.yaml:5:14 "g" error one-guid-twice
      the tasklists `a` and `b` have one guid
      Keep one name for a tasklist; one of the guids may be copied by mistake.
      beadle.yaml:4:14 the same guid
    beadle.yaml:6:32 "true" error authoritative-without-guid
      the tasklist `c` is authoritative and has no guid
      Undeclared subscriptions are deleted there, so a name is not enough; add `guid:`.
    beadle.yaml:9:55 "oc_a" warning chat-listed-twice
      the chat `oc_a` is listed twice
      Remove one of the two; it hears about each event once.
      in tasklist_subscription.one
      beadle.yaml:9:49 the same chat, oc_a
    beadle.yaml:9:83 "100" warning event-listed-twice
      the event task.added is listed twice
      Remove one of the two.
      in tasklist_subscription.one
      beadle.yaml:9:71 first listed here
    beadle.yaml:9:88 "task.assigned" warning event-alias
      `task.assigned` is another tool's name for `assignee.added` and `assignee.changed`
      Write `assignee.added` and `assignee.changed`.
      in tasklist_subscription.one
    beadle.yaml:10:29 "Same" error one-name-twice
      `tasklist_subscription.one` has the name `Same` in the tasklist `a` too
      Give one of the two another `name:`; objects are found again by their names.
      in tasklist_subscription.two
      beadle.yaml:9:29 the same name
    beadle.yaml:10:48 "[]" warning empty-list
      this subscription posts to no chat
      Name a chat, or remove the block.
      in tasklist_subscription.two
    beadle.yaml:10:60 "[]" warning empty-list
      this subscription hears about no event
      Name an event; to switch it off, write `enabled: false`.
      in tasklist_subscription.two
    beadle.yaml:10:68 "33991879-704f-444f-81d7-55a6aa7be80c" error one-id-twice
      `tasklist_subscription.one` is pinned to this id too
      One object is one resource; remove one of the two ids.
      in tasklist_subscription.two
      beadle.yaml:9:108 the same id
    beadle.yaml:11:31 "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十" error name-too-long
      a subscription's name has at most 50 characters, this one has 51
      Give it a fitting `name:`.
      in tasklist_subscription.three
    beadle.yaml:11:114 "all" warning event-listed-twice
      `all` stands among other events
      Write `events: all`; it holds the others.
      in tasklist_subscription.three
    beadle.yaml:11:141 "one" error moved-from-declared
      `one` is still declared, so nothing has moved from it
      Remove the old block, or remove `moved_from`.
      in tasklist_subscription.three
      beadle.yaml:9:3 declared here
    beadle.yaml:12:30 "\"\"" error bad-name
      a subscription's name cannot be empty
      Give it a fitting `name:`.
      in tasklist_subscription.four
    beadle.yaml:12:80 "old" error moved-from-twice
      `five` has moved from `old` too
      A block moves to one new name.
      in tasklist_subscription.four
      beadle.yaml:13:76 the same former name
    beadle.yaml:13:26 "c" error tasklist-listed-twice
      the tasklist `c` is listed twice
      Remove one of the two.
      in tasklist_subscription.five
      beadle.yaml:13:23 first listed here
    beadle.yaml:13:85 "33991879-704f-444f-81d7-55a6aa7be80d" error one-id-for-several
      one `id` is given for several tasklists
      Write a mapping from each tasklist's name to the guid of its subscription.
      in tasklist_subscription.five
    beadle.yaml:14:21 "[c, a]" error tasklist-and-tasklists
      `tasklist` and `tasklists` are both given
      Write every tasklist under `tasklists`, or only the one under `tasklist`.
      in tasklist_subscription.six
    beadle.yaml:14:22 "c" error tasklist-listed-twice
      the tasklist `c` is listed twice
      Remove one of the two.
      in tasklist_subscription.six
      beadle.yaml:14:39 first listed here
    beadle.yaml:14:82 "x" error unknown-tasklist
      `x` is not among this block's tasklists
      They are `c` and `a`.
      in tasklist_subscription.six
    beadle.yaml:14:126 "1" error bad-id
      `1` is not the guid of a subscription
      It looks like 33991879-704f-444f-81d7-55a6aa7be80c; `beadle export` writes it.
      in tasklist_subscription.six
    beadle.yaml:15:3 "seven" error missing-key
      neither `tasklist` nor `tasklists` is given
      Add `tasklist:` with a name under `tasklists`.
      in tasklist_subscription.seven
    beadle.yaml:15:3 "seven" error missing-key
      the key `events` is missing in `seven`
      Add `events:` here, or under `defaults.tasklist_subscriptions`.
      in tasklist_subscription.seven
    beadle.yaml:16:65 "c" error wrong-type
      `id` must be one guid where there is one tasklist
      Write the guid after `id:`; the mapping is for `tasklists`.
      in tasklist_subscription.eight
    beadle.yaml:17:10 "tasklist_subscription.one" error forgotten-and-declared
      `tasklist_subscription.one` is declared and forgotten
      Remove the block, or remove it from `forget`.
      in tasklist_subscription.one
      beadle.yaml:9:3 declared here
    beadle.yaml:17:76 "tasklist_subscription.gone" warning forgotten-twice
      `tasklist_subscription.gone` is listed twice
      Remove one of the two.
      in tasklist_subscription.gone
      beadle.yaml:17:48 first listed here
    beadle.yaml:17:104 "tasklist.x" error bad-address
      an address begins with a kind and a dot: `chat.`, `recipient_group.`, `tasklist_subscription.`, `recurring_notice.`
      Write it as in `tasklist_subscription.old-name`.
    beadle.yaml:17:116 "x" error bad-address
      an address begins with a kind and a dot: `chat.`, `recipient_group.`, `tasklist_subscription.`, `recurring_notice.`
      Write it as in `tasklist_subscription.old-name`.
    beadle.yaml:17:119 "tasklist_subscription.six/c" error forgotten-and-declared
      `tasklist_subscription.six/c` is declared and forgotten
      Remove the block, or remove it from `forget`.
      in tasklist_subscription.six/c
      beadle.yaml:14:3 declared here
    "###);
}

#[test]
fn fifty_is_the_most() {
    let chats = |n: usize| {
        (0..n)
            .map(|i| format!("oc_{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let subscriptions = |n: usize, m: usize| {
        let mut text =
            "$SETTINGS\ntasklists: { t: { guid: g } }\ntasklist_subscriptions:\n".to_owned();
        for i in 0..n {
            text += &format!(
                "  s{i:02}: {{ tasklist: t, subscribers: [{}], events: all }}\n",
                chats(m)
            );
        }
        text
    };
    assert_eq!(check(&subscriptions(50, 1)), "read: 50 subscriptions\n");
    assert_eq!(check(&subscriptions(1, 50)), "read: 1 subscriptions\n");
    insta::assert_snapshot!(check(&subscriptions(52, 1)), @r###"
    beadle.yaml:55:20 "t" error too-many-subscriptions
      a tasklist has at most 50 subscriptions, and 52 are declared in `t`
      One subscription reaches 50 chats; join those that hear about the same events.
      in tasklist_subscription.s50
      beadle.yaml:3:14 the tasklist
    "###);
    insta::assert_snapshot!(check(&subscriptions(1, 51)), @r###"
    beadle.yaml:5:36 "[oc_0, oc_1, oc_2, oc_3, oc_4, oc_5, oc_6, oc_7, o" error too-many-subscribers
      a subscription has at most 50 subscribers, this one has 51
      Divide the chats among several subscriptions.
      in tasklist_subscription.s00
    "###);
}
