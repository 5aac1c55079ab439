//! Chats and contact user groups that beadle keeps: what is read, and what is found wrong.

use std::collections::BTreeSet;

use beadle::model::manifest::{ExtraMembers, Manifest, OnDelete};
use beadle::model::parse::World;
use beadle::model::{ChatId, Field, Name};

use serde_json::Value;

use crate::examples::sandbox_says;
use crate::manifest::Project;
use crate::support::project::{Ran, beadle};

const ROOT: &str = "version: 1
providers:
  feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" }
  lark: { vendor: feishu, app_id: cli_b, app_secret: \"${env:SECRET}\" }
  dingtalk: { app_key: k, app_secret: \"${env:SECRET}\" }
  ding2: { vendor: dingtalk, app_key: k, app_secret: \"${env:SECRET}\" }
include: [rest.yaml]
";

/// What is found in a file of resources; there are two providers of Feishu and of DingTalk.
fn check(rest: &str) -> String {
    Project::new(&[("beadle.yaml", ROOT), ("rest.yaml", rest)]).found()
}

fn read(files: &[(&str, &str)]) -> Manifest {
    let (_, manifest, diagnostics) = Project::new(files).read();
    let Some(manifest) = manifest else {
        panic!("{diagnostics:#?}");
    };
    manifest
}

#[test]
fn chats_are_read() {
    let manifest = read(&[
        ("beadle.yaml", ROOT),
        (
            "rest.yaml",
            "chats:
  plain: { manage: {} }
  oncall-room:
    id: oc_1
    provider: lark
    protect: true
    ignore: [description, members]
    moved_from: night
    manage: { name: On-call, description: Who is called, members: [oncall], extra_members: remove, on_delete: dissolve }
  room: { id: oc_2 }
recipient_groups: { oncall: { lark: { users: [ou_a] } } }
tasklists: { t: { guid: g, provider: lark }, u: { guid: h } }
tasklist_subscriptions:
  one: { tasklist: t, subscribers: [room, oncall-room], events: all }
  two: { tasklist: t, subscribers: [oc_1], events: all }
  three: { tasklist: u, subscribers: [plain], events: all }
",
        ),
    ]);
    assert_eq!(manifest.chats.len(), 1);
    let [chat, plain] = ["oncall-room", "plain"].map(|name| &manifest.managed_chats[name]);
    assert_eq!(chat.address.to_string(), "chat.oncall-room");
    assert_eq!(
        (chat.provider.as_str(), chat.name.as_str()),
        ("lark", "On-call")
    );
    assert_eq!(chat.description, "Who is called");
    let members: Vec<_> = chat.members.keys().map(Name::as_str).collect();
    assert_eq!(members, ["oncall"]);
    assert_eq!(chat.extra_members, ExtraMembers::Remove);
    assert_eq!(chat.on_delete, OnDelete::Dissolve);
    assert_eq!(chat.id.as_ref().unwrap().as_str(), "oc_1");
    assert_ne!(chat.id_span, chat.span);
    assert!(chat.protect);
    let ignored = BTreeSet::from([Field::Description, Field::Members]);
    assert_eq!(chat.ignore, ignored);
    assert_eq!(chat.moved_from.as_ref().unwrap().as_str(), "night");

    assert_eq!(
        (plain.provider.as_str(), plain.name.as_str()),
        ("feishu", "plain")
    );
    assert_eq!((plain.description.as_str(), plain.members.len()), ("", 0));
    assert_eq!(plain.extra_members, ExtraMembers::Keep);
    assert_eq!(plain.on_delete, OnDelete::Keep);
    assert_eq!((&plain.id, plain.id_span), (&None, plain.span));
    assert!(!plain.protect && plain.ignore.is_empty() && plain.moved_from.is_none());

    let subscribers: Vec<Vec<&str>> = manifest
        .subscriptions
        .iter()
        .map(|s| s.subscribers.keys().map(ChatId::as_str).collect())
        .collect();
    assert_eq!(
        subscribers,
        [
            vec!["chat.oncall-room", "oc_2"],
            vec!["chat.plain"],
            // By its id, the chat that is kept is the same one.
            vec!["chat.oncall-room"],
        ]
    );
}

#[test]
fn defaults_hold_for_managed_chats() {
    let manifest = read(&[(
        "beadle.yaml",
        "$SETTINGS
defaults: { chats: { extra_members: remove, on_delete: dissolve, protect: true } }
chats:
  a: { manage: { members: [g] } }
  b: { protect: false, manage: { members: [g], extra_members: keep, on_delete: keep } }
  c: { id: oc_1 }
recipient_groups: { g: { feishu: { users: [ou_a] } } }
",
    )]);
    let [a, b] = ["a", "b"].map(|name| &manifest.managed_chats[name]);
    assert_eq!(
        (a.extra_members, a.on_delete, a.protect),
        (ExtraMembers::Remove, OnDelete::Dissolve, true)
    );
    assert_eq!(
        (b.extra_members, b.on_delete, b.protect),
        (ExtraMembers::Keep, OnDelete::Keep, false)
    );
}

#[test]
fn user_groups_are_read() {
    let manifest = read(&[
        ("beadle.yaml", ROOT),
        (
            "rest.yaml",
            "recipient_groups:
  oncall:
    feishu: { users: [ou_a], user_group: { name: Engineers, description: At night, extra_members: remove, id: g1, ignore: [name] } }
    lark: { users: [ou_b], user_group: {} }
  taken: { include: [oncall], feishu: { user_group: {} } }
  plain: { feishu: { users: [ou_a] } }
",
        ),
    ]);
    let oncall = &manifest.groups["oncall"];
    let [feishu, lark] = ["feishu", "lark"].map(|key| &oncall.user_groups[key]);
    assert_eq!(feishu.address.to_string(), "recipient_group.oncall/feishu");
    assert_eq!(feishu.name, "Engineers");
    assert_eq!(feishu.description.as_deref(), Some("At night"));
    assert_eq!(feishu.extra_members, ExtraMembers::Remove);
    assert_eq!(feishu.id.as_ref().unwrap().as_str(), "g1");
    assert_ne!(feishu.id_span, feishu.span);
    assert_eq!(feishu.ignore, BTreeSet::from([Field::Name]));
    assert_eq!(lark.address.to_string(), "recipient_group.oncall/lark");
    assert_eq!((lark.name.as_str(), &lark.description), ("oncall", &None));
    assert_eq!(lark.extra_members, ExtraMembers::Keep);
    assert_eq!((&lark.id, lark.id_span), (&None, lark.span));
    assert!(lark.ignore.is_empty());
    assert_eq!(manifest.groups["taken"].user_groups["feishu"].name, "taken");
    assert!(manifest.groups["plain"].user_groups.is_empty());
}

#[test]
fn the_sandbox_keeps_chats_without_a_provider() {
    let project = Project {
        world: World::Sandbox,
        ..Project::new(&[(
            "beadle.yaml",
            "version: 1\nledger: none\nchats: { a: { manage: { members: [g] } } }\nrecipient_groups: { g: { feishu: { users: [ou_a], user_group: {} } } }\n",
        )])
    };
    let (_, manifest, _) = project.read();
    let manifest = manifest.unwrap();
    let chat = &manifest.managed_chats["a"];
    assert!(manifest.providers.contains_key(&chat.provider));
    assert!(manifest.groups["g"].user_groups.contains_key("feishu"));
}

#[test]
fn what_is_wrong_with_a_chat_is_found_at_its_place() {
    let long = "n".repeat(61);
    insta::assert_snapshot!(check(&format!("chats:
  neither: {{ protect: true }}
  reference: {{ id: oc_1, provider: lark, protect: true, ignore: [name], moved_from: old }}
  kind: {{ id: ou_a, manage: {{}} }}
  vendor: {{ provider: dingtalk, manage: {{}} }}
  unknown: {{ provider: larc, manage: {{}} }}
  names: {{ manage: {{ name: {long}, description: {long}{long} }} }}
  blank: {{ manage: {{ name: \" \" }} }}
  {long}: {{ manage: {{}} }}
  words: {{ ignore: [owner, nmae], manage: {{ extra_members: drop, on_delete: delete, membres: [] }} }}
  list: {{ manage: [a] }}
  nothing: {{ manage: }}
  emptied: {{ manage: {{ members: [], extra_members: remove }} }}
  named: {{ manage: {{ members: [plattform, reference, platform, platform] }} }}
recipient_groups: {{ platform: {{ feishu: {{ users: [ou_a] }} }} }}
")), @r###"
    rest.yaml:2:3 "neither" error missing-key
      the key `id` is missing in `neither`
      Add `id:` with the open id of a chat that is there, `oc_…`, or `manage:` to have beadle create and keep one.
      in chat.neither
    rest.yaml:3:36 "lark" error without-manage
      `provider` says nothing about a chat that beadle does not keep
      Remove it, or add `manage:` so that beadle keeps the chat.
      in chat.reference
    rest.yaml:3:51 "true" error without-manage
      `protect` says nothing about a chat that beadle does not keep
      Remove it, or add `manage:` so that beadle keeps the chat.
      in chat.reference
    rest.yaml:3:65 "[name]" error without-manage
      `ignore` says nothing about a chat that beadle does not keep
      Remove it, or add `manage:` so that beadle keeps the chat.
      in chat.reference
    rest.yaml:3:85 "old" error without-manage
      `moved_from` says nothing about a chat that beadle does not keep
      Remove it, or add `manage:` so that beadle keeps the chat.
      in chat.reference
    rest.yaml:4:15 "ou_a" error bad-id
      `ou_a` is not the id of a chat
      The open id of a chat begins with `oc_`.
      in chat.kind
    rest.yaml:5:23 "dingtalk" error wrong-vendor
      `dingtalk` is a provider of dingtalk, and chats are kept at Feishu
      Name a Feishu provider.
      in chat.vendor
      beadle.yaml:5:3 the provider
    rest.yaml:6:24 "larc" error unknown-provider
      there is no provider `larc`
      Did you mean `lark`?
      in chat.unknown
    rest.yaml:7:28 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" error name-too-long
      a chat's name has at most 60 characters, this one has 61
      Give it a fitting `name:`.
      in chat.names
    rest.yaml:7:104 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" error description-too-long
      a chat's description has at most 100 characters, this one has 122
      Shorten it; whatever is long fits better into a document that it names.
      in chat.names
    rest.yaml:8:28 "\" \"" error bad-name
      a chat's name cannot be empty
      Give it a fitting `name:`.
      in chat.blank
    rest.yaml:9:3 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" error name-too-long
      a chat's name has at most 60 characters, this one has 61
      Give it a fitting `name:`.
      in chat.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
    rest.yaml:10:21 "owner" error unknown-field
      there is no field `owner` to ignore
      The fields are `name`, `description` and `members`.
      in chat.words
    rest.yaml:10:28 "nmae" error unknown-field
      there is no field `nmae` to ignore
      Did you mean `name`? The fields are `name`, `description` and `members`.
      in chat.words
    rest.yaml:10:60 "drop" error wrong-type
      `extra_members` must be `keep` or `remove`, not `drop`
      Write one of these words, or remove the key.
      in chat.words
    rest.yaml:10:77 "delete" error wrong-type
      `on_delete` must be `keep` or `dissolve`, not `delete`
      Write one of these words, or remove the key.
      in chat.words
    rest.yaml:10:85 "membres" error unknown-key
      there is no key `membres` in `manage`
      Did you mean `members`? The keys are `name`, `description`, `members`, `extra_members` and `on_delete`.
      in chat.words
    rest.yaml:11:19 "[a]" error wrong-type
      `manage` must be a mapping, not a list
      Write its keys below it, indented by two spaces.
      in chat.list
    rest.yaml:12:14 "manage" error wrong-type
      `manage` must be a mapping, not nothing
      Write its keys below it, indented by two spaces.
      in chat.nothing
    rest.yaml:13:52 "remove" error everybody-removed
      nobody is listed, so that everybody would be removed
      Name groups under `members`, or write `extra_members: keep`.
      in chat.emptied
    rest.yaml:14:32 "plattform" error unknown-group
      there is no group `plattform`
      Did you mean `platform`?
      in chat.named
    rest.yaml:14:43 "reference" error chat-as-group
      `reference` is a chat, and a group is people
      Name a group of people; a chat is a place, whoever is in it.
      in chat.named
    rest.yaml:14:64 "platform" warning group-listed-twice
      the group `platform` is listed twice
      Remove one of the two.
      in chat.named
      rest.yaml:14:54 first listed here
    "###);
}

#[test]
fn what_is_wrong_with_a_user_group_is_found_at_its_place() {
    let long = "n".repeat(101);
    insta::assert_snapshot!(check(&format!("recipient_groups:
  names: {{ feishu: {{ users: [ou_a], user_group: {{ name: {long}, description: \"\" }} }} }}
  long: {{ feishu: {{ users: [ou_a], user_group: {{ description: {} }} }} }}
  ids: {{ feishu: {{ users: [ou_a], user_group: {{ id: g-1 }} }}, lark: {{ users: [ou_a], user_group: {{ id: \"\" }} }} }}
  vendor: {{ dingtalk: {{ users: [a], user_group: {{}} }}, ding2: {{ users: [a], user_group: {{}} }} }}
  out: {{ feishu: {{ users: [ou_a] }}, exclude: {{ feishu: {{ users: [ou_b], user_group: {{}} }} }} }}
  words: {{ feishu: {{ users: [ou_a], user_group: {{ ignore: [people], member: 1 }} }} }}
  list: {{ feishu: {{ users: [ou_a], user_group: [a] }} }}
", long.repeat(5))), @r###"
    rest.yaml:2:57 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" error name-too-long
      a user group's name has at most 100 characters, this one has 101
      Give it a fitting `name:`.
      in recipient_group.names/feishu
    rest.yaml:2:173 "\"\"" error empty-description
      Feishu takes an empty description for none given, and changes nothing
      Remove the key to leave the description as it is, or write a text.
      in recipient_group.names/feishu
    rest.yaml:3:63 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" error description-too-long
      a user group's description has at most 500 characters, this one has 505
      Shorten it; whatever is long fits better into a document that it names.
      in recipient_group.long/feishu
    rest.yaml:4:53 "g-1" error bad-id
      `g-1` is not the id of a user group
      A `group_id` has letters and digits, at most 64.
      in recipient_group.ids/feishu
    rest.yaml:4:103 "\"\"" error bad-id
      `` is not the id of a user group
      A `group_id` has letters and digits, at most 64.
      in recipient_group.ids/lark
    rest.yaml:5:37 "user_group" error unknown-key
      there is no key `user_group` in `dingtalk`
      Did you mean `users`? The keys are `users`, `mobiles`, `departments` and `everyone`.
      in recipient_group.vendor
    rest.yaml:5:76 "user_group" error unknown-key
      a provider of DingTalk has no `user_group`
      It has users, mobiles, departments and everyone.
      in recipient_group.vendor
    rest.yaml:6:73 "user_group" error misplaced-user-group
      `user_group` stands where people are left out
      Move it to the provider's block beside `exclude`.
      in recipient_group.out
    rest.yaml:7:60 "people" error unknown-field
      there is no field `people` to ignore
      The fields are `name`, `description` and `members`.
      in recipient_group.words
    rest.yaml:7:69 "member" error unknown-key
      there is no key `member` in `user_group`
      The keys are `name`, `description`, `extra_members`, `id` and `ignore`.
      in recipient_group.words
    rest.yaml:8:48 "[a]" error wrong-type
      `user_group` must be a mapping, not a list
      Write its keys below it, indented by two spaces.
      in recipient_group.list
    "###);
}

#[test]
fn people_have_to_fill_what_is_kept() {
    insta::assert_snapshot!(check(
        "recipient_groups:
  people: { feishu: { users: [ou_a] } }
  departments: { include: [people], feishu: { departments: [od-1, D2], user_group: {} } }
  taken: { include: [departments] }
  elsewhere: { dingtalk: { users: [a], departments: [1] }, lark: { users: [ou_a], user_group: {} } }
  empty: { feishu: { user_group: {} } }
  out: { include: [people], exclude: { feishu: { users: [ou_a] } } }
chats:
  fine: { manage: { members: [people] } }
  department: { manage: { members: [people, taken] } }
  nobody: { manage: { members: [elsewhere, out] } }
  partly: { manage: { members: [people, elsewhere] } }
  there: { provider: lark, manage: { members: [elsewhere] } }
  mistaken: { manage: { members: [elsewhere, peeple] } }
"
    ), @r###"
    rest.yaml:3:72 "user_group" error department-in-user-group
      departments cannot fill a user group: `departments` has the department `D2` and 1 more
      Keep another group that lists people; Feishu's console alone puts departments there.
      in recipient_group.departments/feishu
      rest.yaml:3:67 listed by `departments`
      rest.yaml:3:61 listed by `departments`
    rest.yaml:6:3 "empty" warning empty-group
      nobody is in the group `empty`
      List people or include a group; what is sent to it reaches nobody.
      in recipient_group.empty
    rest.yaml:6:22 "user_group" error nobody
      the group `empty` has nobody at `feishu`; nobody is in it anywhere
      List people under `feishu:`, or remove `user_group`.
      in recipient_group.empty/feishu
    rest.yaml:7:3 "out" warning empty-group
      nobody is in the group `out`
      List people or include a group; what is sent to it reaches nobody.
      in recipient_group.out
    rest.yaml:10:45 "taken" error department-in-chat
      departments cannot fill a chat: `taken` has the department `D2` and 1 more
      Name a group that lists people; whoever is in a department changes unseen.
      in chat.department
      rest.yaml:3:67 listed by `departments`
      rest.yaml:3:61 listed by `departments`
    rest.yaml:11:33 "elsewhere" error nobody
      the group `elsewhere` has nobody at `feishu`; it has people at `dingtalk` and `lark`
      List people under `feishu:` in the group, or name another group.
      in chat.nobody
    rest.yaml:11:44 "out" error nobody
      the group `out` has nobody at `feishu`; nobody is in it anywhere
      List people under `feishu:` in the group, or name another group.
      in chat.nobody
    rest.yaml:12:41 "elsewhere" warning nobody
      the group `elsewhere` has nobody at `feishu`; it has people at `dingtalk` and `lark`
      List people under `feishu:` in the group, or name another group.
      in chat.partly
    rest.yaml:14:35 "elsewhere" warning nobody
      the group `elsewhere` has nobody at `feishu`; it has people at `dingtalk` and `lark`
      List people under `feishu:` in the group, or name another group.
      in chat.mistaken
    rest.yaml:14:46 "peeple" error unknown-group
      there is no group `peeple`
      Did you mean `people`?
      in chat.mistaken
    "###);
}

#[test]
fn a_group_with_a_mistake_leaves_nobody_missing() {
    insta::assert_snapshot!(check("recipient_groups:
  bad: { feishu: { users: [oc_a], user_group: {} } }
  cycle: { include: [cycle] }
  worse: 1
chats: { room: { manage: { members: [bad, cycle, worse] } } }
"), @r###"
    rest.yaml:2:28 "oc_a" error bad-id
      `oc_a` is the id of a chat
      A group is people; a chat is a place, and is declared under `chats`.
      in recipient_group.bad
    rest.yaml:3:22 "cycle" error group-cycle
      the group includes itself: cycle → cycle
      Remove one of these from its group's `include`.
      in recipient_group.cycle
    rest.yaml:4:10 "1" error wrong-type
      `worse` must be a mapping, not `1`
      Write its keys below it, indented by two spaces.
      in recipient_group.worse
    "###);
}

#[test]
fn more_people_than_a_chat_holds_are_too_many() {
    let users = |letter: &str, count: usize| {
        let users: Vec<String> = (0..count).map(|n| format!("ou_{letter}{n}")).collect();
        users.join(", ")
    };
    let mails: Vec<String> = (0..3_000).map(|n| format!("p{n}@example.com")).collect();
    let found = check(&format!(
        "recipient_groups:
  half: {{ feishu: {{ users: [{}] }} }}
  rest: {{ feishu: {{ users: [{}] }} }}
  same: {{ include: [half] }}
  mails: {{ feishu: {{ emails: [{}] }} }}
chats:
  full: {{ manage: {{ members: [half, same, mails] }} }}
  fitting: {{ manage: {{ members: [half] }} }}
  over: {{ manage: {{ members: [half, rest] }} }}
",
        users("a", 5_000),
        users("b", 1),
        mails.join(", "),
    ));
    insta::assert_snapshot!(found, @r###"
    rest.yaml:9:37 "rest" error too-many-people
      a chat has at most 5000 people, and this one would have 5001
      Divide the people among several.
      in chat.over
    "###);
}

#[test]
fn more_people_than_a_user_group_holds_are_too_many() {
    let users = |count: usize| {
        let users: Vec<String> = (0..count).map(|n| format!("ou_{n}")).collect();
        format!(
            "recipient_groups: {{ all: {{ feishu: {{ user_group: {{}}, users: [{}] }} }} }}\n",
            users.join(", ")
        )
    };
    assert_eq!(check(&users(100_000)), "read: 0 subscriptions\n");
    insta::assert_snapshot!(check(&users(100_001)), @r###"
    rest.yaml:1:38 "user_group" error too-many-people
      a user group has at most 100000 people, and this one would have 100001
      Divide the people among several.
      in recipient_group.all/feishu
    "###);
}

#[test]
fn one_object_is_kept_once() {
    insta::assert_snapshot!(check("chats:
  room-a: { id: oc_1, manage: {} }
  room-b: { id: oc_1, manage: {} }
  room-c: { id: oc_1 }
  room-d: { id: oc_2 }
  room-e: { id: oc_2 }
recipient_groups:
  a: { feishu: { users: [ou_a], user_group: { name: One, id: x } } }
  b: { feishu: { users: [ou_a], user_group: { name: One, id: x } }, lark: { users: [ou_a], user_group: { name: One, id: x } } }
  One: { feishu: { users: [ou_a], user_group: {} } }
"), @r###"
    rest.yaml:3:17 "oc_1" error one-id-twice
      `chat.room-a` is pinned to this id too
      One chat is one resource; remove one of the two ids.
      in chat.room-b
      rest.yaml:2:17 the same id
    rest.yaml:4:3 "room-c" error one-id-twice
      `room-c` refers to the chat that beadle keeps as `room-b`
      Remove it, and name `room-b` where the chat is meant.
      in chat.room-c
      rest.yaml:3:17 the same id
    rest.yaml:8:53 "One" error one-name-twice
      `recipient_group.One/feishu` has the name `One` too
      Names of user groups are unique in a tenant; give one of the two another `name:`.
      in recipient_group.a/feishu
      rest.yaml:10:35 the same name
    rest.yaml:9:53 "One" error one-name-twice
      `recipient_group.a/feishu` has the name `One` too
      Names of user groups are unique in a tenant; give one of the two another `name:`.
      in recipient_group.b/feishu
      rest.yaml:8:53 the same name
    rest.yaml:9:62 "x" error one-id-twice
      `recipient_group.a/feishu` is pinned to this id too
      One user group is one resource; remove one of the two ids.
      in recipient_group.b/feishu
      rest.yaml:8:62 the same id
    "###);
}

#[test]
fn subscribers_know_a_managed_chat_by_key_and_id() {
    insta::assert_snapshot!(check(
        "chats:
  kept: { id: oc_1, manage: {} }
  other: { provider: lark, manage: {} }
tasklists: { t: { guid: g }, u: { guid: h, provider: lark } }
tasklist_subscriptions:
  twice: { tasklist: t, subscribers: [kept, oc_1], events: all }
  foreign: { tasklists: [t, u], subscribers: [kept, other], events: all }
"
    ), @r###"
    rest.yaml:6:45 "oc_1" warning chat-listed-twice
      the chat `oc_1` is listed twice
      Remove one of the two; it hears about each event once.
      in tasklist_subscription.twice
      rest.yaml:6:39 the same chat, chat.kept
    rest.yaml:7:47 "kept" error chat-of-another-provider
      the chat `kept` is kept by `feishu`, and the tasklist `u` is read with `lark`
      A chat belongs to one app's tenant; name one of `lark`, or give the chat that `provider:`.
      in tasklist_subscription.foreign/u
      rest.yaml:2:3 the chat
      rest.yaml:4:30 the tasklist
    rest.yaml:7:53 "other" error chat-of-another-provider
      the chat `other` is kept by `lark`, and the tasklist `t` is read with `feishu`
      A chat belongs to one app's tenant; name one of `feishu`, or give the chat that `provider:`.
      in tasklist_subscription.foreign/t
      rest.yaml:3:3 the chat
      rest.yaml:4:14 the tasklist
    "###);
}

#[test]
fn nothing_is_kept_without_a_ledger() {
    let root = ROOT.replace("version: 1\n", "version: 1\nproject: p\nledger: none\n");
    let rest = "chats:
  a: { manage: {} }
  b: { id: oc_1, manage: {} }
  c: { id: oc_2 }
recipient_groups:
  kept: { feishu: { users: [ou_a], user_group: {} } }
  plain: { feishu: { users: [ou_a] } }
";
    insta::assert_snapshot!(Project::new(&[("beadle.yaml", &root), ("rest.yaml", rest)]).found(), @r###"
    rest.yaml:2:3 "a" error kept-without-ledger
      with `ledger: none` a chat cannot be kept: it would be created again every time
      Use `ledger: sqlite:PATH` or `postgres://…`, or manage it from a project that has a ledger.
      in chat.a
    rest.yaml:3:3 "b" error kept-without-ledger
      with `ledger: none` a chat cannot be kept: beadle would not know whom it has put there itself
      Use `ledger: sqlite:PATH` or `postgres://…`, or manage it from a project that has a ledger.
      in chat.b
    rest.yaml:6:36 "user_group" error kept-without-ledger
      with `ledger: none` a user group cannot be kept: it would be created again every time
      Use `ledger: sqlite:PATH` or `postgres://…`, or manage it from a project that has a ledger.
      in recipient_group.kept/feishu
    "###);
    let plain = "recipient_groups: { plain: { feishu: { users: [ou_a] } } }\n";
    let plain = Project::new(&[("beadle.yaml", &root), ("rest.yaml", plain)]).found();
    assert_eq!(plain, "read: 0 subscriptions\n");
}

#[test]
fn blocks_move_and_are_forgotten() {
    let manifest = read(&[
        ("beadle.yaml", ROOT),
        (
            "rest.yaml",
            "chats: { released: { id: oc_1 } }
recipient_groups: { oncall: { feishu: { users: [ou_a] } } }
forget: [chat.released, chat.gone, recipient_group.oncall/feishu, recipient_group.gone/feishu]
",
        ),
    ]);
    assert_eq!(manifest.forget.len(), 4);
    insta::assert_snapshot!(check("chats:
  kept: { moved_from: old, manage: {} }
  again: { moved_from: old, manage: {} }
  itself: { moved_from: itself, manage: {} }
  typed: { moved_from: chat.x, manage: {} }
recipient_groups: { oncall: { feishu: { users: [ou_a], user_group: {} } } }
forget: [chat.kept, chat.gone/feishu, recipient_group.oncall/feishu, recipient_group.oncall/lark, recipient_group.oncall]
"), @r###"
    rest.yaml:3:24 "old" error moved-from-twice
      `kept` has moved from `old` too
      A block moves to one new name.
      in chat.again
      rest.yaml:2:23 the same former name
    rest.yaml:4:25 "itself" error moved-from-declared
      `itself` is this block's own name
      Write its former name, or remove `moved_from`.
      in chat.itself
      rest.yaml:4:3 declared here
    rest.yaml:5:24 "chat.x" error bad-name
      a name has letters, digits, `-` and `_` only, not '.'
      `moved_from` takes the former name of this block, without a kind before it.
      in chat.typed
    rest.yaml:7:10 "chat.kept" error forgotten-and-declared
      `chat.kept` is declared and forgotten
      Remove the block, or remove it from `forget`.
      in chat.kept
      rest.yaml:2:3 declared here
    rest.yaml:7:21 "chat.gone/feishu" error bad-address
      a chat has no instances
      Write `chat.gone`.
      in chat.gone/feishu
    rest.yaml:7:39 "recipient_group.oncall/feishu" error forgotten-and-declared
      `recipient_group.oncall/feishu` is declared and forgotten
      Remove the block, or remove it from `forget`.
      in recipient_group.oncall/feishu
      rest.yaml:6:56 declared here
    rest.yaml:7:99 "recipient_group.oncall" error forgotten-and-declared
      `recipient_group.oncall` is declared and forgotten
      Remove the block, or remove it from `forget`.
      in recipient_group.oncall
      rest.yaml:6:21 declared here
    "###);
}

/// The values of a key, sorted.
fn each<'v>(world: &'v Value, list: &str, key: &str) -> Vec<&'v str> {
    let rows = world[list].as_array().unwrap_or_else(|| panic!("{world}"));
    let mut found: Vec<&str> = rows.iter().filter_map(|row| row[key].as_str()).collect();
    found.sort_unstable();
    found
}

#[test]
fn the_sandbox_begins_with_whom_groups_name_and_what_ids_pin() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = "version: 1
tasklists: { release: { guid: d300a75f-c56a-4be9-80d1-e47653028ceb } }
chats:
  kept: { id: oc_kept, manage: { name: On-call, description: Who is called } }
  new: { manage: { members: [people] } }
  room: { id: oc_room }
recipient_groups:
  people:
    feishu:
      users: [ou_open, on_union, employee]
      emails: [li@example.com]
      mobiles: [+8613800000000]
      user_group: { name: Engineers, description: At night, id: g1 }
    dingtalk: { users: [zhangsan], mobiles: [+8613800000000, 13800000001], departments: [1, 123] }
    enos: { users: [u123] }
    exclude: { feishu: { users: [ou_out] } }
  departments: { feishu: { departments: [od-1, D2] }, enos: { everyone: true } }
tasklist_subscriptions:
  pinned:
    id: 33991879-704f-444f-81d7-55a6aa7be80c
    tasklist: release
    subscribers: [kept, new, room, oc_other]
    events: all
";
    std::fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    let plan = || -> Ran {
        let mut command = beadle(dir.path());
        command.args(["plan", "--sandbox"]).output().unwrap().into()
    };
    let ran = plan();
    let made = |ran: &Ran| -> String {
        let lines = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("sandbox:"));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(made(&ran), @r###"
    sandbox: made tasklist release (d300a75f-c56a-4be9-80d1-e47653028ceb)
    sandbox: made chat On-call (oc_kept)
    sandbox: made chat Chat (oc_other)
    sandbox: made chat room (oc_room)
    sandbox: made subscription pinned (33991879-704f-444f-81d7-55a6aa7be80c)
    sandbox: made user group Engineers (g1)
    sandbox: made OU (sandbox)
    sandbox: made 3 departments
    sandbox: made 9 people
    "###);
    assert!(
        !ran.stderr.contains("li@example.com") && !ran.stderr.contains("13800000"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("people-unread"), "{}", ran.stderr);
    assert_eq!(made(&plan()), "", "everything is there the second time");

    let world = sandbox_says(dir.path(), "world");
    let has = |list: &str, key: &str, wanted: &[&str]| {
        let found = each(&world, list, key);
        for one in wanted {
            assert!(found.contains(one), "{list} {key} {one}: {found:?}");
        }
    };
    has("users", "open_id", &["ou_open", "ou_out"]);
    has("users", "union_id", &["on_union"]);
    has("users", "user_id", &["employee"]);
    has("users", "email", &["li@example.com"]);
    has("users", "mobile", &["+8613800000000", "+8613800000001"]);
    has("users", "dingtalk_user_id", &["zhangsan"]);
    has("users", "enos_user_id", &["u123"]);
    has("departments", "open_department_id", &["od-1"]);
    has("departments", "department_id", &["D2"]);
    assert_eq!(
        each(&world, "chats", "chat_id"),
        ["oc_kept", "oc_other", "oc_room"]
    );
    let chats = world["chats"].as_array().unwrap();
    let kept = chats
        .iter()
        .find(|chat| chat["chat_id"] == "oc_kept")
        .unwrap();
    assert_eq!(kept["owner"], "cli_sandbox", "{kept}");
    assert_eq!(kept["name"], "On-call");
    assert_eq!(kept["settings"]["description"], "Who is called");
    let groups = world["user_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(
        [
            &groups[0]["id"],
            &groups[0]["name"],
            &groups[0]["description"]
        ],
        ["g1", "Engineers", "At night"]
    );
    let subscribers = &world["subscriptions"][0]["subscribers"];
    let ids = each(&serde_json::json!({"all": subscribers}), "all", "id").join(" ");
    assert_eq!(
        ids, "oc_kept oc_other oc_room",
        "what is to come is nobody's subscriber"
    );
}

#[test]
fn people_are_counted_and_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let users: Vec<String> = (0..1000).map(|n| format!("ou_{n}")).collect();
    let manifest = format!(
        "version: 1\nrecipient_groups: {{ all: {{ feishu: {{ users: [{}] }} }}, one: {{ enos: {{ users: [a] }} }} }}\n",
        users.join(", ")
    );
    std::fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    let mut command = beadle(dir.path());
    let ran: Ran = command.args(["plan", "--sandbox"]).output().unwrap().into();
    assert!(
        ran.stderr.contains("sandbox: made 1001 people\n"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("ou_1"), "{}", ran.stderr);
}

#[test]
fn every_mistake_is_shown_at_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<String> = (0..5_001).map(|n| format!("ou_{n}")).collect();
    let manifest = "version: 1
providers: { feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" }, dingtalk: { app_key: k, app_secret: \"${env:SECRET}\" } }
include: [many.yaml]
chats:
  room:
    id: od-1
    manage: { members: [onkall] }
  crowd:
    manage: { members: [many] }
  empty:
    manage:
      members: [elsewhere]
  whole:
    manage:
      members: [department]
recipient_groups:
  oncall: { feishu: { users: [ou_1] } }
  elsewhere: { dingtalk: { users: [a] } }
  department:
    feishu:
      departments: [od-1]
      user_group: { description: \"\" }
";
    let people = format!(
        "recipient_groups: {{ many: {{ feishu: {{ users: [{}] }} }} }}\n",
        many.join(", ")
    );
    std::fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    std::fs::write(dir.path().join("many.yaml"), people).unwrap();
    let ran: Ran = beadle(dir.path()).arg("validate").output().unwrap().into();
    insta::assert_snapshot!(ran.exits(1).stderr, @r###"
    error[bad-id]: `od-1` is not the id of a chat
     --> beadle.yaml:6:9
      |
    6 |     id: od-1
      |         ^^^^
      |
      = note: in chat.room
      = help: The open id of a chat begins with `oc_`.

    error[unknown-group]: there is no group `onkall`
     --> beadle.yaml:7:25
      |
    7 |     manage: { members: [onkall] }
      |                         ^^^^^^
      |
      = note: in chat.room
      = help: Did you mean `oncall`?

    error[too-many-people]: a chat has at most 5000 people, and this one would have 5001
     --> beadle.yaml:9:25
      |
    9 |     manage: { members: [many] }
      |                         ^^^^
      |
      = note: in chat.crowd
      = help: Divide the people among several.

    error[nobody]: the group `elsewhere` has nobody at `feishu`; it has people at `dingtalk`
      --> beadle.yaml:12:17
       |
    12 |       members: [elsewhere]
       |                 ^^^^^^^^^
       |
       = note: in chat.empty
       = help: List people under `feishu:` in the group, or name another group.

    error[department-in-chat]: departments cannot fill a chat: `department` has the department `od-1`
      --> beadle.yaml:15:17
       |
    15 |       members: [department]
       |                 ^^^^^^^^^^
       |
      ::: beadle.yaml:21:21
       |
    21 |       departments: [od-1]
       |                     ---- listed by `department`
       |
       = note: in chat.whole
       = help: Name a group that lists people; whoever is in a department changes unseen.

    error[department-in-user-group]: departments cannot fill a user group: `department` has the department `od-1`
      --> beadle.yaml:22:7
       |
    22 |       user_group: { description: "" }
       |       ^^^^^^^^^^
       |
      ::: beadle.yaml:21:21
       |
    21 |       departments: [od-1]
       |                     ---- listed by `department`
       |
       = note: in recipient_group.department/feishu
       = help: Keep another group that lists people; Feishu's console alone puts departments there.

    error[empty-description]: Feishu takes an empty description for none given, and changes nothing
      --> beadle.yaml:22:34
       |
    22 |       user_group: { description: "" }
       |                                  ^^
       |
       = note: in recipient_group.department/feishu
       = help: Remove the key to leave the description as it is, or write a text.
    "###);
}
