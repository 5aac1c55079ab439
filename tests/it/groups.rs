//! Groups of people: what is read, what is found wrong, and what they stand for.

use std::collections::{BTreeMap, BTreeSet};

use beadle::model::diagnostic::{FileId, Span};
use beadle::model::group::{Groups, Known, Recipient, RecipientGroup, Recipients, resolve};
use beadle::model::parse::World;
use beadle::model::{Address, Field, Kind, Name, Value};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::manifest::Project;

const ROOT: &str = "version: 1
providers:
  feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" }
  lark: { vendor: feishu, app_id: cli_b, app_secret: \"${env:SECRET}\" }
  dingtalk: { app_key: k, app_secret: \"${env:SECRET}\" }
  enos: { base_url: \"https://enos.example.com\", app_key: k, app_secret: \"${env:SECRET}\" }
include: [groups.yaml]
";

fn project<'a>(files: &'a [(&'a str, &'a str)]) -> Project<'a> {
    Project {
        allow_hosts: &["enos.example.com"],
        ..Project::new(files)
    }
}

/// What is found in a file of groups; every vendor has a provider, and Feishu another one, `lark`.
fn check(groups: &str) -> String {
    project(&[("beadle.yaml", ROOT), ("groups.yaml", groups)]).found()
}

/// The groups of a file without a mistake.
fn read(groups: &str) -> Groups {
    let files = [("beadle.yaml", ROOT), ("groups.yaml", groups)];
    let (_, manifest, diagnostics) = project(&files).read();
    let Some(manifest) = manifest else {
        panic!("{diagnostics:?}");
    };
    manifest.groups
}

/// Who is in a group, in one line.
fn members(groups: &Groups, known: &Known, name: &str) -> String {
    let resolution = resolve(groups, known).unwrap();
    let members = resolution.members(name).into_iter().map(|member| {
        let except: String = member.except.iter().map(|e| format!(" but {e}")).collect();
        format!("{} {}{except}", member.provider, member.recipient)
    });
    members.collect::<Vec<_>>().join(", ")
}

const EXAMPLE: &str = "recipient_groups:
  platform:
    description: Platform engineers
    feishu: { users: [ou_18ea, on_77, 7cdcc7c2], emails: [Li@Example.com], mobiles: [+8613800000000], departments: [od-5b91, D2] }
    dingtalk: { users: [zhangsan, 0123], mobiles: [13800000001], departments: [123] }
    enos: { everyone: true }
  oncall:
    include: [platform, 值班]
    exclude: { feishu: { users: [ou_18ea] }, dingtalk: { users: [zhangsan] } }
    lark: { users: [ou_18ea] }
    protect: true
    moved_from: callers
  值班: { feishu: { users: [ou_9] } }
";

#[test]
fn groups_are_read() {
    let mut out = String::new();
    for (name, group) in read(EXAMPLE) {
        out += &format!(
            "{name}: {} protect={} from={:?}\n",
            group.address, group.protect, group.moved_from
        );
        for (field, value) in group.fields().iter() {
            out += &format!("  {field}: {value:?}\n");
        }
    }
    insta::assert_snapshot!(out, @r###"
    oncall: recipient_group.oncall protect=true from=Some("callers")
      description: Text("")
      people: Items({"lark user ou_18ea"})
      include: Items({"platform", "值班"})
      exclude: Items({"dingtalk user zhangsan", "feishu user ou_18ea"})
    platform: recipient_group.platform protect=false from=None
      description: Text("Platform engineers")
      people: Items({"dingtalk department 123", "dingtalk mobile +8613800000001", "dingtalk user 0123", "dingtalk user zhangsan", "enos everyone", "feishu department D2", "feishu department od-5b91", "feishu email li@example.com", "feishu mobile +8613800000000", "feishu user 7cdcc7c2", "feishu user on_77", "feishu user ou_18ea"})
      include: Items({})
      exclude: Items({})
    值班: recipient_group.值班 protect=false from=None
      description: Text("")
      people: Items({"feishu user ou_9"})
      include: Items({})
      exclude: Items({})
    "###);
}

#[test]
fn what_groups_stand_for_is_worked_out() {
    let groups = read(EXAMPLE);
    let oncall = members(&groups, &Known::new(), "oncall").replace(", ", "\n");
    insta::assert_snapshot!(oncall, @r###"
    dingtalk department 123 but user zhangsan
    dingtalk user 0123
    dingtalk mobile +8613800000001 but user zhangsan
    enos everyone
    feishu department D2 but user ou_18ea
    feishu department od-5b91 but user ou_18ea
    feishu user ou_9
    feishu user on_77 but user ou_18ea
    feishu user 7cdcc7c2 but user ou_18ea
    feishu email li@example.com but user ou_18ea
    feishu mobile +8613800000000 but user ou_18ea
    lark user ou_18ea
    "###);
    assert_eq!(members(&groups, &Known::new(), "nobody"), "");
    let known = Known::new();
    let resolution = resolve(&groups, &known).unwrap();
    assert_eq!(resolution.count("值班"), 1);
    assert!(!resolution.is_empty("oncall") && resolution.is_empty("nobody"));
}

#[test]
fn somebody_is_found_by_every_path_with_the_word_that_lists_them() {
    let text = "recipient_groups:
  all: { include: [left, right], feishu: { users: [ou_a] } }
  left: { include: [core], exclude: { feishu: { users: [ou_b] } } }
  right: { include: [core] }
  core: { feishu: { users: [ou_a, ou_b] } }
";
    let files = [("beadle.yaml", ROOT), ("groups.yaml", text)];
    let (sources, manifest, _) = project(&files).read();
    let (groups, known) = (manifest.unwrap().groups, Known::new());
    let resolution = resolve(&groups, &known).unwrap();
    let feishu = Name::new("feishu").unwrap();
    let mut out = String::new();
    for (group, id) in [
        ("all", "ou_a"),
        ("all", "ou_b"),
        ("left", "ou_b"),
        ("all", "ou_c"),
    ] {
        let recipient = Recipient::OpenId(id.into());
        out += &format!("{id} in {group}:");
        for origin in resolution.origins(group, &feishu, &recipient) {
            let through: Vec<_> = origin.through.iter().map(|name| name.as_str()).collect();
            out += &format!(" {} {}", through.join(" → "), sources.locate(origin.span));
        }
        out += "\n";
    }
    insta::assert_snapshot!(out, @r###"
    ou_a in all: all groups.yaml:2:52 all → left → core groups.yaml:5:29
    ou_b in all: all → right → core groups.yaml:5:35
    ou_b in left:
    ou_c in all:
    "###);
}

#[test]
fn who_is_left_out_stays_out_where_only_the_vendor_can_tell() {
    let groups = read(
        "recipient_groups:
  department: { feishu: { departments: [od-1], emails: [li@example.com], users: [ou_c] }, exclude: { feishu: { users: [ou_a] } } }
  nested: { include: [department], exclude: { feishu: { users: [ou_b] } } }
  again: { include: [nested], feishu: { departments: [od-1] } }
  others: { dingtalk: { everyone: true }, exclude: { dingtalk: { users: [a] } } }
  back: { include: [others], dingtalk: { users: [a, b], departments: [1] } }
",
    );
    let mut out = String::new();
    for name in groups.keys() {
        out += &format!(
            "{name}: {}\n",
            members(&groups, &Known::new(), name.as_str())
        );
    }
    insta::assert_snapshot!(out, @r###"
    again: feishu department od-1, feishu user ou_c, feishu email li@example.com but user ou_a but user ou_b
    back: dingtalk everyone but user a, dingtalk department 1, dingtalk user a
    department: feishu department od-1 but user ou_a, feishu user ou_c, feishu email li@example.com but user ou_a
    nested: feishu department od-1 but user ou_a but user ou_b, feishu user ou_c, feishu email li@example.com but user ou_a but user ou_b
    others: dingtalk everyone but user a
    "###);

    // Once Feishu has told whose address it is, nothing is open about that.
    let feishu = Name::new("feishu").unwrap();
    let li = Recipient::email("li@example.com").unwrap();
    let is = |id: &str| {
        let one = BTreeMap::from([(li.clone(), Recipient::OpenId(id.into()))]);
        Known::from([(feishu.clone(), one)])
    };
    assert_eq!(
        members(&groups, &is("ou_a"), "department"),
        "feishu department od-1 but user ou_a, feishu user ou_c"
    );
    assert_eq!(
        members(&groups, &is("ou_c"), "department"),
        "feishu department od-1 but user ou_a, feishu user ou_c"
    );
    let known = is("ou_c");
    let resolution = resolve(&groups, &known).unwrap();
    let c = Recipient::OpenId("ou_c".into());
    assert_eq!(resolution.origins("nested", &feishu, &c).len(), 2);
    assert_eq!(resolution.origins("nested", &feishu, &li).len(), 2);
}

#[test]
fn everyone_holds_those_who_are_listed_elsewhere() {
    let groups = read(
        "recipient_groups:
  all: { dingtalk: { everyone: true }, include: [some] }
  some: { dingtalk: { users: [a], departments: [2] }, enos: { users: [a] } }
",
    );
    assert_eq!(
        members(&groups, &Known::new(), "all"),
        "dingtalk everyone, enos user a"
    );
}

#[test]
fn ids_of_the_wrong_kind_are_found_at_their_places() {
    insta::assert_snapshot!(check("recipient_groups:
  wrong:
    feishu:
      users: [oc_a, cli_a, od-a, li@example.com, +8613800000000, \"a b\"]
      emails: [ou_a, li@example]
      mobiles: [4155550100, ou_a]
      departments: [0, ou_a, oc_a]
    dingtalk:
      users: [ou_18eac85d35a26f989317ad4f02e8bbbb, li@example.com, \"a,b\"]
      mobiles: [one]
      departments: [od-a, 01]
    enos: { users: [oc_18eac85d35a26f989317ad4f02e8bbbb, li@example.com] }
    lark: { users: [oc_a], everyone: true }
"), @r###"
    groups.yaml:4:15 "oc_a" error bad-id
      `oc_a` is the id of a chat
      A group is people; a chat is a place, and is declared under `chats`.
      in recipient_group.wrong
    groups.yaml:4:21 "cli_a" error bad-id
      `cli_a` is the id of an app
      List people; an app is named under `providers`.
      in recipient_group.wrong
    groups.yaml:4:28 "od-a" error bad-id
      `od-a` is the id of a department
      Write it under `departments`.
      in recipient_group.wrong
    groups.yaml:4:34 "li@example.com" error bad-id
      `li@example.com` is an e-mail address
      Write it under `emails`.
      in recipient_group.wrong
    groups.yaml:4:50 "+8613800000000" error bad-id
      `+8613800000000` is a mobile number
      Write it under `mobiles`.
      in recipient_group.wrong
    groups.yaml:4:66 "\"a b\"" error bad-id
      `a b` is not an id
      An id has letters, digits, `-`, `_` and `.`, at most 100.
      in recipient_group.wrong
    groups.yaml:5:16 "ou_a" error bad-id
      `ou_a` is not an e-mail address
      Write it as in `li@example.com`.
      in recipient_group.wrong
    groups.yaml:5:22 "li@example" error bad-id
      `li@example` is not an e-mail address
      Write it as in `li@example.com`.
      in recipient_group.wrong
    groups.yaml:6:17 "4155550100" error bad-id
      `4155550100` is not a mobile number
      Write `+`, the country's code and the number, as in `+8613800000000`.
      in recipient_group.wrong
    groups.yaml:6:29 "ou_a" error bad-id
      `ou_a` is not a mobile number
      Write `+`, the country's code and the number, as in `+8613800000000`.
      in recipient_group.wrong
    groups.yaml:7:21 "0" error bad-id
      `0` is the root of all departments
      Feishu does not send to the root; list the departments below it.
      in recipient_group.wrong
    groups.yaml:7:24 "ou_a" error bad-id
      `ou_a` is the id of a person
      Write it under `users`.
      in recipient_group.wrong
    groups.yaml:7:30 "oc_a" error bad-id
      `oc_a` is the id of a chat
      A group is people; a chat is a place, and is declared under `chats`.
      in recipient_group.wrong
    groups.yaml:9:15 "ou_18eac85d35a26f989317ad4f02e8bbbb" error bad-id
      `ou_18eac85d35a26f989317ad4f02e8bbbb` is the id of a person of Feishu
      An id belongs to the vendor that gave it; write it under a Feishu provider.
      in recipient_group.wrong
    groups.yaml:9:52 "li@example.com" error bad-id
      `li@example.com` is an e-mail address
      DingTalk knows people by user id, or by mobile number under `mobiles`.
      in recipient_group.wrong
    groups.yaml:9:68 "\"a,b\"" error bad-id
      `a,b` is not an id
      An id is one word without commas, of at most 64 characters; write one a list entry.
      in recipient_group.wrong
    groups.yaml:10:17 "one" error bad-id
      `one` is not a mobile number
      Write `+`, the country's code and the number, as in `+8613800000000`.
      in recipient_group.wrong
    groups.yaml:11:21 "od-a" error bad-id
      `od-a` is not the id of a department
      DingTalk's departments are numbers, such as 123.
      in recipient_group.wrong
    groups.yaml:11:27 "01" error bad-id
      `01` is not the id of a department
      DingTalk's departments are numbers, such as 123.
      in recipient_group.wrong
    groups.yaml:12:21 "oc_18eac85d35a26f989317ad4f02e8bbbb" error bad-id
      `oc_18eac85d35a26f989317ad4f02e8bbbb` is the id of a chat of Feishu
      An id belongs to the vendor that gave it; write it under a Feishu provider.
      in recipient_group.wrong
    groups.yaml:12:58 "li@example.com" error bad-id
      `li@example.com` is an e-mail address
      EnOS knows people by user id.
      in recipient_group.wrong
    groups.yaml:13:21 "oc_a" error bad-id
      `oc_a` is the id of a chat
      A group is people; a chat is a place, and is declared under `chats`.
      in recipient_group.wrong
    groups.yaml:13:38 "true" error unknown-key
      a provider of Feishu has no `everyone`
      It has users, emails, mobiles, departments and user_group.
      in recipient_group.wrong
    "###);
}

#[test]
fn keys_of_the_wrong_vendor_are_found_at_their_places() {
    insta::assert_snapshot!(check("recipient_groups:
  keys:
    descripton: x
    includes: [a]
    feishu: { user: [a], everyone: true }
    dingtalk: { emails: [a] }
    enos: [a]
    fesihu: { users: [a], oops: 1 }
    slack: { users: [a] }
    exclude: { users: [a], dingtalk: { everyone: true }, slack: {} }
  groups: { feishu: { user_group: { name: x } }, dingtalk: { everyone: true, users: [a] }, enos: { everyone: yes } }
  typed: { description: [a], protect: 1, include: a, exclude: a }
"), @r###"
    groups.yaml:3:5 "descripton" error unknown-key
      there is no key `descripton` in `keys`
      Did you mean `description`? The keys are `description`, `include`, `exclude`, `protect`, `moved_from`, `feishu`, `dingtalk` and `enos`.
      in recipient_group.keys
    groups.yaml:4:5 "includes" error unknown-key
      there is no key `includes` in `keys`
      Did you mean `include`? The keys are `description`, `include`, `exclude`, `protect`, `moved_from`, `feishu`, `dingtalk` and `enos`.
      in recipient_group.keys
    groups.yaml:5:15 "user" error unknown-key
      there is no key `user` in `feishu`
      Did you mean `users`? The keys are `users`, `emails`, `mobiles`, `departments` and `user_group`.
      in recipient_group.keys
    groups.yaml:5:26 "everyone" error unknown-key
      there is no key `everyone` in `feishu`
      The keys are `users`, `emails`, `mobiles`, `departments` and `user_group`.
      in recipient_group.keys
    groups.yaml:6:17 "emails" error unknown-key
      there is no key `emails` in `dingtalk`
      The keys are `users`, `mobiles`, `departments` and `everyone`.
      in recipient_group.keys
    groups.yaml:7:11 "[a]" error wrong-type
      `enos` must be a mapping, not a list
      Write its keys below it, indented by two spaces.
      in recipient_group.keys
    groups.yaml:8:5 "fesihu" error unknown-provider
      there is no provider `fesihu`
      Did you mean `feishu`?
      in recipient_group.keys
    groups.yaml:9:5 "slack" error unknown-provider
      there is no provider `slack`
      Name a provider; there is `dingtalk`, `enos`, `feishu` and `lark`.
      in recipient_group.keys
    groups.yaml:10:16 "users" error unknown-key
      there is no key `users` in `exclude`
      The keys are `feishu`, `dingtalk` and `enos`.
      in recipient_group.keys
    groups.yaml:10:50 "true" error everyone-left-out
      leaving everyone out leaves nobody
      List whom to leave out, or remove the group.
      in recipient_group.keys
    groups.yaml:10:58 "slack" error unknown-provider
      there is no provider `slack`
      Name a provider; there is `dingtalk`, `enos`, `feishu` and `lark`.
      in recipient_group.keys
    groups.yaml:11:72 "true" error everyone-and-others
      `everyone` stands beside people who are listed
      Everyone holds them; keep one of the two.
      in recipient_group.groups
    groups.yaml:11:110 "yes" error wrong-type
      `everyone` must be true or false, not `yes`
      YAML 1.2 knows only `true` and `false`.
      in recipient_group.groups
    groups.yaml:12:25 "[a]" error wrong-type
      `description` must be text, not a list
      in recipient_group.typed
    groups.yaml:12:39 "1" error wrong-type
      `protect` must be true or false, not `1`
      YAML 1.2 knows only `true` and `false`.
      in recipient_group.typed
    groups.yaml:12:51 "a" error wrong-type
      `include` must be a list, not `a`
      Write it as `[a, b]`, or as lines that begin with `- `.
      in recipient_group.typed
    groups.yaml:12:63 "a" error wrong-type
      `exclude` must be a mapping, not `a`
      Write its keys below it, indented by two spaces.
      in recipient_group.typed
    "###);
}

#[test]
fn what_groups_do_to_each_other_is_checked() {
    insta::assert_snapshot!(check("recipient_groups:
  twice: { include: [one, one], feishu: { users: [ou_a, ou_a], mobiles: [13800000000, +8613800000000], emails: [a@example.com, A@example.com] } }
  one: { feishu: { users: [ou_a] }, exclude: { feishu: { users: [ou_b] } } }
  empty: {}
  emptied: { include: [one], exclude: { feishu: { users: [ou_a] } } }
  both: { feishu: { users: [ou_a, ou_c] }, exclude: { feishu: { users: [ou_a] } } }
  unsure: { feishu: { users: [ou_a] }, exclude: { feishu: { emails: [a@example.com] } } }
  elsewhere: { feishu: { users: [ou_a] }, exclude: { lark: { users: [ou_a] } } }
  lists: { dingtalk: { users: [] } }
"), @r###"
    groups.yaml:2:27 "one" warning group-listed-twice
      the group `one` is included twice
      Remove one of the two.
      in recipient_group.twice
      groups.yaml:2:22 first included here
    groups.yaml:2:57 "ou_a" warning recipient-listed-twice
      the user `ou_a` is listed twice
      Remove one of the two; who is listed counts once.
      in recipient_group.twice
      groups.yaml:2:51 first listed here
    groups.yaml:2:87 "+8613800000000" warning recipient-listed-twice
      the mobile `+8613800000000` is listed twice
      Remove one of the two; who is listed counts once.
      in recipient_group.twice
      groups.yaml:2:74 first listed here
    groups.yaml:2:128 "A@example.com" warning recipient-listed-twice
      the email `a@example.com` is listed twice
      Remove one of the two; who is listed counts once.
      in recipient_group.twice
      groups.yaml:2:113 first listed here
    groups.yaml:3:66 "ou_b" warning nobody-left-out
      the user `ou_b` is not in the group, so nobody is left out
      Check the id, or remove it.
      in recipient_group.one
    groups.yaml:4:3 "empty" warning empty-group
      nobody is in the group `empty`
      List people or include a group; what is sent to it reaches nobody.
      in recipient_group.empty
    groups.yaml:5:3 "emptied" warning empty-group
      nobody is in the group `emptied`
      List people or include a group; what is sent to it reaches nobody.
      in recipient_group.emptied
    groups.yaml:6:73 "ou_a" warning listed-and-left-out
      the user `ou_a` is listed and left out
      Leaving out wins; remove one of the two.
      in recipient_group.both
      groups.yaml:6:29 listed here
    groups.yaml:8:70 "ou_a" warning nobody-left-out
      the user `ou_a` is not in the group, so nobody is left out
      Check the id, or remove it.
      in recipient_group.elsewhere
    groups.yaml:9:3 "lists" warning empty-group
      nobody is in the group `lists`
      List people or include a group; what is sent to it reaches nobody.
      in recipient_group.lists
    read: 0 subscriptions
    "###);
    insta::assert_snapshot!(check("chats: { room: { id: oc_a }, 团队: { id: oc_b } }
recipient_groups:
  a: { include: [b, plattform, room] }
  b: { include: [c] }
  c: { include: [a, d] }
  d: { include: [d] }
  platform: { feishu: { users: [a] }, moved_from: a }
  团队: { include: [cafe\u{301}] }
  café: { moved_from: old }
  moved: { moved_from: old }
  cafe\u{301}: {}
forget: [recipient_group.a, recipient_group.gone]
tasklists: { t: { guid: g } }
tasklist_subscriptions: { s: { tasklist: t, subscribers: [platform], events: all, moved_from: old } }
"), @r###"
    groups.yaml:3:18 "b" error group-cycle
      the group includes itself: a → b → c → a
      Remove one of these from its group's `include`.
      in recipient_group.a
      groups.yaml:4:18 included by `b`
      groups.yaml:5:18 included by `c`
    groups.yaml:3:21 "plattform" error unknown-group
      there is no group `plattform`
      Did you mean `platform`?
      in recipient_group.a
    groups.yaml:3:32 "room" error chat-as-group
      `room` is a chat, and a group is people
      Include a group; a chat is a place, whoever is in it.
      in recipient_group.a
    groups.yaml:6:18 "d" error group-cycle
      the group includes itself: d → d
      Remove one of these from its group's `include`.
      in recipient_group.d
    groups.yaml:7:51 "a" error moved-from-declared
      `a` is still declared, so nothing has moved from it
      Remove the old block, or remove `moved_from`.
      in recipient_group.platform
      groups.yaml:3:3 declared here
    groups.yaml:8:3 "团队" error group-and-chat
      `团队` names a group and a chat
      Rename one of the two; notices name both in one list.
      in recipient_group.团队
      groups.yaml:1:30 the chat
    groups.yaml:10:24 "old" error moved-from-twice
      `café` has moved from `old` too
      A block moves to one new name.
      in recipient_group.moved
      groups.yaml:9:23 the same former name
    groups.yaml:11:3 "cafe\u{301}" error duplicate-address
      the address `recipient_group.café` is declared twice
      Rename one of the two, or remove it.
      in recipient_group.café
      groups.yaml:9:3 first declared here
    groups.yaml:12:10 "recipient_group.a" error forgotten-and-declared
      `recipient_group.a` is declared and forgotten
      Remove the block, or remove it from `forget`.
      in recipient_group.a
      groups.yaml:3:3 declared here
    groups.yaml:14:59 "platform" error group-as-subscriber
      `platform` is a group of people, and subscribers are chats
      Name a chat; people hear about a tasklist through a chat that they are in.
      in tasklist_subscription.s
    "###);
}

#[test]
fn a_long_cycle_is_cut_short_and_nesting_has_no_bottom() {
    let mut text = "recipient_groups:\n".to_owned();
    for at in 0..5_000 {
        text += &format!("  g{at}: {{ include: [g{}] }}\n", at + 1);
    }
    let nested = format!("{text}  g5000: {{ enos: {{ users: [a] }} }}\n");
    assert_eq!(check(&nested), "read: 0 subscriptions\n");
    let circle = check(&format!("{text}  g5000: {{ include: [g0] }}\n"));
    assert!(circle.starts_with("groups.yaml:2:19 \"g1\" error group-cycle"));
    assert!(circle.contains("g0 → g1 → g2 →") && circle.contains("→ … → g0"));
    assert!(circle.len() < 2000, "{circle}");
}

#[test]
fn a_missing_provider_is_said_once() {
    let text = "version: 1
providers: { lark: { vendor: feishu, app_id: cli_b, app_secret: \"${env:SECRET}\" } }
recipient_groups:
  a: { feishu: { users: [a] }, dingtalk: { users: [a] } }
  b: { feishu: { users: [a] }, dingtalk: { users: [a], oops: 1 }, lark: { users: [oops oops] } }
";
    insta::assert_snapshot!(Project::new(&[("beadle.yaml", text)]).found(), @r###"
    beadle.yaml:4:8 "feishu" error unknown-provider
      there is no provider `feishu`
      Write the name of the provider instead, such as `lark`.
      in recipient_group.a
    beadle.yaml:4:32 "dingtalk" error unknown-provider
      there is no provider `dingtalk`
      Add `providers: { dingtalk: … }` to beadle.yaml.
      in recipient_group.a
    beadle.yaml:5:83 "oops oops" error bad-id
      `oops oops` is not an id
      An id has letters, digits, `-`, `_` and `.`, at most 100.
      in recipient_group.b
    "###);
    let sandbox = Project {
        world: World::Sandbox,
        ..Project::new(&[(
            "beadle.yaml",
            "version: 1\nrecipient_groups: { a: { feishu: { users: [a] }, dingtalk: { users: [a] }, enos: { everyone: true } } }\n",
        )])
    };
    assert_eq!(sandbox.found(), "read: 0 subscriptions\n");
    let (_, manifest, _) = sandbox.read();
    let manifest = manifest.unwrap();
    let people = &manifest.groups["a"].people;
    assert!(
        people
            .keys()
            .all(|name| manifest.providers.contains_key(name))
    );
}

#[test]
fn nothing_follows_from_what_is_reported() {
    insta::assert_snapshot!(check("recipient_groups:
  bad: { feishu: { users: [oc_a] } }
  takes: { include: [bad], exclude: { feishu: { users: [ou_a] } } }
  worse: 1
  both: { include: [worse] }
"), @r###"
    groups.yaml:2:28 "oc_a" error bad-id
      `oc_a` is the id of a chat
      A group is people; a chat is a place, and is declared under `chats`.
      in recipient_group.bad
    groups.yaml:4:10 "1" error wrong-type
      `worse` must be a mapping, not `1`
      Write its keys below it, indented by two spaces.
      in recipient_group.worse
    "###);
}

#[test]
fn defaults_protect_groups() {
    let files = [(
        "beadle.yaml",
        "version: 1
guards: { member_changes: 10.5%, recipients: 7 }
providers: { dingtalk: { app_key: k, app_secret: \"${env:SECRET}\" } }
defaults: { recipient_groups: { protect: true } }
recipient_groups: { a: { dingtalk: { users: [a] } }, b: { dingtalk: { users: [a] }, protect: false } }
",
    )];
    let (_, manifest, _) = Project::new(&files).read();
    let manifest = manifest.unwrap();
    assert!(manifest.groups["a"].protect && !manifest.groups["b"].protect);
    assert_eq!(manifest.guards.member_changes, 10.5);
    assert_eq!(manifest.guards.recipients, 7);
    let default = Project::new(&[("beadle.yaml", "version: 1\n")]).read().1;
    let default = default.unwrap().guards;
    assert_eq!((default.member_changes, default.recipients), (25.0, 500));
}

#[test]
fn where_a_block_stands_is_no_change() {
    let fields = |text: &str| read(text)["a"].fields();
    let one = fields("recipient_groups: { a: { feishu: { users: [ou_b, ou_a] } } }\n");
    let two = fields("# moved\nrecipient_groups:\n  a: { feishu: { users: [ou_a, ou_b] } }\n");
    assert_eq!(one, two);
    let users = ["feishu user ou_a", "feishu user ou_b"].map(str::to_owned);
    assert_eq!(one.get(Field::People), Some(&Value::Items(users.into())));
}

/// A group at the provider `p`. Words that begin with `d` are departments, with `e` addresses.
fn group(
    name: &str,
    users: &[String],
    include: &[String],
    exclude: &[String],
) -> (Name, RecipientGroup) {
    let span = Span {
        file: FileId(0),
        start: 0,
        end: 0,
    };
    let recipient = |word: &String| match word.as_bytes()[0] {
        b'd' => Recipient::Department(word.as_str().into()),
        b'e' => Recipient::Email(word.as_str().into()),
        b'*' => Recipient::Everyone,
        _ => Recipient::UserId(word.as_str().into()),
    };
    let at = |words: &[String]| -> BTreeMap<Name, Recipients> {
        let all: Recipients = words.iter().map(|word| (recipient(word), span)).collect();
        let provider = Name::new("p").unwrap();
        [(provider, all)].into_iter().collect()
    };
    let name = Name::new(name).unwrap();
    let group = RecipientGroup {
        address: Address::new(Kind::RecipientGroup, name.clone()),
        description: String::new(),
        people: at(users),
        include: include
            .iter()
            .map(|i| (Name::new(i).unwrap(), span))
            .collect(),
        exclude: at(exclude),
        user_groups: BTreeMap::new(),
        protect: false,
        moved_from: None,
        span,
    };
    (name, group)
}

/// A vendor with twelve people: each has a user id `u…` and an address `e…`, and is in departments.
fn whom(recipient: &Recipient) -> BTreeSet<u8> {
    let number = |id: &str| id[1..].parse::<u8>().unwrap();
    match recipient {
        Recipient::Everyone => (0..12).collect(),
        // d0 holds d2: departments overlap.
        Recipient::Department(id) => match number(id) {
            0 => (0..6).collect(),
            1 => (6..8).collect(),
            _ => (0..3).collect(),
        },
        Recipient::UserId(id) | Recipient::Email(id) => [number(id)].into(),
        other => unreachable!("{other:?}"),
    }
}

fn people(of: &BTreeMap<Name, Recipients>) -> BTreeSet<u8> {
    of.values()
        .flat_map(|all| all.keys())
        .flat_map(whom)
        .collect()
}

/// The reference: sets of people, and nothing clever.
fn naive(groups: &Groups, name: &Name) -> BTreeSet<u8> {
    let group = &groups[name];
    let mut all = people(&group.people);
    for included in group.include.keys() {
        all.extend(naive(groups, included));
    }
    &all - &people(&group.exclude)
}

type Drawn = Vec<(Vec<String>, Vec<prop::sample::Index>, Vec<String>)>;

fn drawn() -> impl Strategy<Value = Drawn> {
    let user = || prop_oneof![6 => (0..12_u8).prop_map(|n| format!("u{n}")), 2 => (0..12_u8).prop_map(|n| format!("e{n}")), 1 => (0..3_u8).prop_map(|n| format!("d{n}"))];
    let listed =
        prop_oneof![8 => proptest::collection::vec(user(), 0..4), 1 => Just(vec!["*".to_owned()])];
    let include = proptest::collection::vec(any::<prop::sample::Index>(), 0..4);
    let exclude = prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(user(), 1..3)];
    proptest::collection::vec((listed, include, exclude), 1..10)
}

/// Groups of what was drawn; each includes earlier ones only, by the order in `names`.
fn groups(drawn: &Drawn, names: &[String]) -> Groups {
    let mut groups = Groups::new();
    for (at, (users, include, exclude)) in drawn.iter().enumerate() {
        let include: Vec<String> = match at {
            0 => Vec::new(),
            _ => include.iter().map(|i| names[i.index(at)].clone()).collect(),
        };
        let (name, group) = group(&names[at], users, &include, exclude);
        groups.insert(name, group);
    }
    groups
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, rng_seed: RngSeed::Fixed(20_261_122), ..ProptestConfig::default() })]

    #[test]
    fn resolution_is_what_sets_of_people_say_in_any_order(drawn in drawn(), shuffle in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let plain: Vec<String> = (0..10).map(|n| format!("g{n}")).collect();
        let shuffled: Vec<String> = shuffle.iter().map(|n| format!("g{n}")).collect();
        let (one, two) = (groups(&drawn, &plain), groups(&drawn, &shuffled));
        let known = Known::new();
        let (first, second) = (resolve(&one, &known).unwrap(), resolve(&two, &known).unwrap());
        for at in 0..drawn.len() {
            let name = Name::new(&plain[at]).unwrap();
            let mut got = BTreeSet::new();
            for member in first.members(&plain[at]) {
                let out: BTreeSet<u8> = member.except.iter().flat_map(|e| whom(e)).collect();
                got.extend(&whom(member.recipient) - &out);
            }
            prop_assert_eq!(&got, &naive(&one, &name), "{}", name);
            prop_assert_eq!(first.members(&plain[at]), second.members(&shuffled[at]));
            for member in first.members(&plain[at]) {
                prop_assert!(!first.origins(&plain[at], member.provider, member.recipient).is_empty());
            }
        }
        // An exclude that is called idle changes nothing.
        for idle in first.idle_excludes() {
            let mut without = one.clone();
            for out in without.get_mut(idle.group).unwrap().exclude.values_mut() {
                out.remove(idle.recipient);
            }
            prop_assert_eq!(naive(&without, idle.group), naive(&one, idle.group));
        }
    }
}
