//! An apply that dies at each of its steps, and what the next one makes of it.
//!
//! As in `crash.rs`, a debug build dies at its Nth crash point when `BEADLE_CRASH_AT` says so. Every
//! case has a folder, a ledger, a tasklist and names of its own in a sandbox that all share.

use std::collections::BTreeSet;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{chats, each, hire, id_of, ids, people, set, staffed, user_groups};
use crate::support::project::{Project, ROOM, Ran};

/// A chat, a contact user group and a subscription that posts to the chat.
#[derive(Clone)]
struct Team {
    /// The key of the chat's block and of the group's.
    key: &'static str,
    moved_from: Option<&'static str>,
    /// What comes behind the name of the case in the names of both.
    name: &'static str,
    description: &'static str,
    people: Range<u32>,
    /// The group is a contact user group.
    is_user_group: bool,
    /// The group has a chat.
    has_chat: bool,
    /// The chat's `id`.
    pins: bool,
    /// Description and members are written once and then left alone.
    ignores: bool,
}

fn team(people: Range<u32>) -> Team {
    Team {
        key: "ops",
        moved_from: None,
        name: "",
        description: "First",
        people,
        is_user_group: true,
        has_chat: true,
        pins: false,
        ignores: false,
    }
}

/// What an apply is killed in.
struct Scenario {
    /// Applied first.
    start: Option<Team>,
    /// Applied with a death.
    goal: Team,
    /// Somebody dissolves the chat in between.
    vanishes: bool,
}

impl Scenario {
    fn new(start: Option<Team>, goal: Team) -> Scenario {
        Scenario {
            start,
            goal,
            vanishes: false,
        }
    }
}

/// What happens to the manifest between the death and the next apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Same,
    Renamed,
    Gone,
}

impl Then {
    fn of(self, goal: &Team) -> Team {
        match self {
            Then::Same => goal.clone(),
            Then::Renamed => Team {
                key: "ops-2",
                moved_from: Some("ops"),
                ..goal.clone()
            },
            Then::Gone => Team {
                is_user_group: false,
                has_chat: false,
                ..goal.clone()
            },
        }
    }
}

struct Case<'a> {
    project: &'a Project,
    name: String,
    tasklist: String,
}

impl<'a> Case<'a> {
    fn new(project: &'a Project, number: u64) -> Case<'a> {
        let made = project.control("POST", "tasklists", &json!({"name": "release"}));
        Case {
            project,
            name: format!("case {number}"),
            tasklist: made["guid"].as_str().unwrap().to_owned(),
        }
    }

    fn dir(&self) -> String {
        self.name.replace(' ', "-")
    }

    /// The id of the chat that somebody has made for this case.
    fn pin(&self) -> String {
        format!("oc_{}", self.dir().replace('-', ""))
    }

    fn name_of(&self, team: &Team) -> String {
        format!("{}{}", self.name, team.name)
    }

    fn declare(&self, team: &Team) {
        let (key, name) = (team.key, self.name_of(team));
        let moved = team
            .moved_from
            .map_or(String::new(), |from| format!("    moved_from: {from}\n"));
        let mut text = format!(
            "version: 1\n{}tasklists:\n  release: {{ guid: {} }}\n",
            self.project.providers(),
            self.tasklist
        );
        text += "tasklist_subscriptions:\n";
        text += &format!(
            "  keeper: {{ tasklist: release, subscribers: [{ROOM}], events: [task.removed] }}\n"
        );
        if team.has_chat {
            text += &format!(
                "  posts:\n    tasklist: release\n    subscribers: [{key}-room]\n    events: [task.added]\n"
            );
            text += &format!(
                "chats:\n  {key}-room:\n{}",
                moved.replace("ops", "ops-room")
            );
            if team.pins {
                text += &format!("    id: {}\n", self.pin());
            }
            if team.ignores {
                text += "    ignore: [description, members]\n";
            }
            text += &format!(
                "    manage: {{ name: {name}, description: {}, members: [{key}], on_delete: dissolve }}\n",
                team.description
            );
        }
        let kept = if team.is_user_group {
            let ignore = if team.ignores {
                "description, members"
            } else {
                ""
            };
            format!(
                ", user_group: {{ name: {name}, description: {}, ignore: [{ignore}] }}",
                team.description
            )
        } else {
            String::new()
        };
        text += &format!(
            "recipient_groups:\n  {key}:\n{moved}    feishu: {{ users: [{}]{kept} }}\n",
            ids(team.people.clone()).join(", ")
        );
        let file = format!("{}/beadle.yaml", self.dir());
        self.project.write(&file, &text);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("BEADLE_DIR", self.dir())
            .env("BEADLE_SETTLE_GRACE", "100ms");
        command
    }

    fn apply(&self) -> Command {
        self.command(&[
            "apply",
            "--auto-approve",
            "--allow-deletes",
            "--allow-member-changes",
        ])
    }

    /// Takes the case to where the goal is to be reached, and begins to.
    fn begin(&self, scenario: &Scenario, crash_at: u64) -> Ran {
        if scenario.goal.pins {
            let theirs = json!({"chat_id": self.pin(), "name": "Theirs", "users": ids(0..1)});
            self.project.control("POST", "chats", &theirs);
        }
        if let Some(start) = &scenario.start {
            self.declare(start);
            Ran::from(self.apply().output().unwrap()).exits(0);
        }
        if scenario.vanishes {
            let chat = &chats(self.project, &self.name)[0];
            let path = format!("chats/{}", id_of(chat));
            self.project.control("DELETE", &path, &Value::Null);
        }
        self.declare(&scenario.goal);
        let mut apply = self.apply();
        if scenario.vanishes {
            apply.args(["--recreate", "chat.ops-room"]);
        }
        apply
            .env("BEADLE_CRASH_AT", crash_at.to_string())
            .env("BEADLE_TIMEOUT", "2s");
        apply.output().unwrap().into()
    }

    /// Fails unless the world is what the manifest says, and it is known to be.
    fn check(&self, team: &Team, context: &str) {
        let plan = self.command(&["plan", "--detailed-exitcode"]).output();
        let plan = Ran::from(plan.unwrap());
        assert_eq!(plan.status, Some(0), "{context}\n{plan:?}");
        let expected = set(&ids(team.people.clone()));
        let all = self.project.control("GET", "world", &Value::Null);
        let mine = |kind: &str| -> Vec<Value> {
            let rows = all[kind].as_array().unwrap().iter();
            let named = |row: &&Value| {
                let name = row["name"].as_str().unwrap_or_default();
                let rest = name.strip_prefix(&self.name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
                    && row["dissolved"] != true
            };
            rows.filter(named).cloned().collect()
        };
        let chats = mine("chats");
        assert_eq!(
            chats.len(),
            usize::from(team.has_chat),
            "{context}: {chats:?}"
        );
        for chat in &chats {
            assert_eq!(chat["name"], self.name_of(team), "{context}");
            let described = &chat["settings"]["description"];
            assert_eq!(described, team.description, "{context}");
            assert_eq!(people(chat), expected, "{context}");
            if team.pins {
                assert_eq!(id_of(chat), self.pin(), "{context}");
            }
        }
        let groups = mine("user_groups");
        assert_eq!(
            groups.len(),
            usize::from(team.is_user_group),
            "{context}: {groups:?}"
        );
        for group in &groups {
            assert_eq!(group["name"], self.name_of(team), "{context}");
            assert_eq!(group["description"], team.description, "{context}");
            assert_eq!(people(group), expected, "{context}");
        }
        let live = self.project.live(&self.tasklist);
        let posts: Vec<&Value> = live.iter().filter(|s| s["name"] == "posts").collect();
        assert_eq!(posts.len(), chats.len(), "{context}: {live:?}");
        assert_eq!(live.len(), posts.len() + 1, "{context}: {live:?}");
        if let [posts] = posts[..] {
            assert_eq!(
                posts["subscribers"][0]["id"], chats[0]["chat_id"],
                "{context}"
            );
        }
    }

    /// How many chats were ever made for this case.
    fn chats_made(&self) -> usize {
        let log = self
            .project
            .control("GET", "calls?operation=createChat", &Value::Null);
        let calls = log["calls"].as_array().unwrap().iter();
        let mine = |c: &&Value| {
            let name = c["body"]["name"].as_str().unwrap_or_default();
            let rest = name.strip_prefix(&self.name);
            c["effect"] == true && rest.is_some_and(|r| r.is_empty() || r.starts_with(' '))
        };
        calls.filter(mine).count()
    }
}

/// Runs one case: a death at point `at`, then an apply. Returns the point's name.
fn dies_and_recovers(case: &Case<'_>, scenario: &Scenario, at: u64, then: Then) -> String {
    let died = case.begin(scenario, at);
    assert_eq!(died.status, None, "it lives\n{died:?}");
    let point = died.stderr.lines().last().unwrap_or_default();
    let point = point
        .strip_prefix("crash point: ")
        .unwrap_or_else(|| panic!("{}", died.stderr));
    let context = format!("{}: dead at {at} ({point}), then {then:?}", case.name);
    let wanted = then.of(&scenario.goal);
    case.declare(&wanted);
    let mut apply = case.apply();
    if scenario.vanishes {
        apply.args(["--recreate", &format!("chat.{}-room", wanted.key)]);
    }
    let applied = Ran::from(apply.output().unwrap());
    assert_eq!(applied.status, Some(0), "{context}\n{applied:?}");
    case.check(&wanted, &context);
    let most = 1 + usize::from(scenario.vanishes);
    assert!(case.chats_made() <= most, "{context}");
    point.to_owned()
}

/// Kills an apply at every point in turn; after the interesting ones the manifest changes as well.
fn sweep(scenario: &Scenario, changes: &[Then]) {
    // Several worlds: a look at one is the slower the more cases have left their chats in it.
    let worlds = [0; 6].map(|_| {
        let (project, _) = staffed(0);
        hire(&project, &ids(0..130));
        project
    });
    let cases = AtomicUsize::new(0);
    let case = || {
        let number = cases.fetch_add(1, Ordering::SeqCst);
        Case::new(&worlds[number % worlds.len()], number as u64)
    };
    let lives = case().begin(scenario, u64::MAX);
    let count = lives
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("crash points: "));
    let count: u64 = count
        .unwrap_or_else(|| panic!("{}", lives.stderr))
        .parse()
        .unwrap();
    lives.exits(0);
    let points = Mutex::new(BTreeSet::new());
    each(1..=count, |at| {
        let point = dies_and_recovers(&case(), scenario, at, Then::Same);
        // Elsewhere the disk and the world are as at one of these.
        let telling = ["open_entry", "send", "close_entry", "record"];
        if telling.iter().any(|step| point == format!("after {step}")) {
            for then in changes {
                dies_and_recovers(&case(), scenario, at, *then);
            }
        }
        points.lock().unwrap().insert(point);
    });
    let points = points.into_inner().unwrap();
    for step in ["acquire", "open_entry", "send", "close_entry", "release"] {
        for side in ["before", "after"] {
            assert!(points.contains(&format!("{side} {step}")), "{points:?}");
        }
    }
}

const ALL: &[Then] = &[Then::Renamed, Then::Gone];

#[test]
fn a_first_apply_survives_every_death() {
    let goal = team(0..60);
    sweep(&Scenario::new(None, goal), ALL);
}

#[test]
fn an_update_survives_every_death() {
    let goal = Team {
        name: " at night",
        description: "Second",
        ..team(60..130)
    };
    let start = Some(team(0..70));
    sweep(&Scenario::new(start, goal), ALL);
}

#[test]
fn an_end_survives_every_death() {
    let start = team(0..130);
    let goal = Then::Gone.of(&start);
    let start = Some(start);
    sweep(&Scenario::new(start, goal), &[]);
}

#[test]
fn taking_a_chat_over_survives_every_death() {
    let goal = Team {
        pins: true,
        is_user_group: false,
        ..team(0..60)
    };
    sweep(&Scenario::new(None, goal), &[Then::Renamed]);
}

#[test]
fn a_first_apply_of_what_is_left_alone_later_survives_every_death() {
    let goal = Team {
        ignores: true,
        ..team(0..60)
    };
    sweep(&Scenario::new(None, goal), &[Then::Renamed]);
}

#[test]
fn making_a_chat_again_survives_every_death() {
    let scenario = Scenario {
        vanishes: true,
        ..Scenario::new(Some(team(0..60)), team(0..60))
    };
    sweep(&scenario, ALL);
}

/// Starts an apply and kills it while the vendor holds a call.
fn killed_while_held(case: &Case<'_>, fault: &str) {
    case.project.fault(fault);
    let mut apply = case.apply();
    apply
        .env("BEADLE_TIMEOUT", "2s")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = apply.spawn().unwrap();
    case.project.wait_until_held(1);
    child.kill().unwrap();
    child.wait().unwrap();
    case.project.release();
    case.project.no_faults();
}

#[test]
fn a_chat_of_a_killed_apply_is_found_whatever_somebody_calls_it_by_then() {
    let (project, _) = staffed(3);
    let case = Case::new(&project, 0);
    let goal = team(0..3);
    case.declare(&goal);
    killed_while_held(&case, "hold-after@createChat:1");
    let made = id_of(&chats(&project, &case.name)[0]).to_owned();
    let path = format!("chats/{made}");
    project.control("POST", &path, &json!({"name": "What is this?"}));
    Ran::from(case.apply().output().unwrap()).exits(0);
    case.check(&goal, "renamed");
    assert_eq!(case.chats_made(), 1);
    assert_eq!(id_of(&chats(&project, &case.name)[0]), made);
}

#[test]
fn whom_a_killed_apply_has_put_into_a_chat_that_it_was_taking_over_is_ours() {
    let (project, _) = staffed(3);
    let case = Case::new(&project, 0);
    let taken_over = |people| Team {
        pins: true,
        is_user_group: false,
        ..team(people)
    };
    // Nothing but people is to change.
    let theirs = json!({"chat_id": case.pin(), "name": case.name, "users": ids(0..1)});
    project.control("POST", "chats", &theirs);
    let path = format!("chats/{}", case.pin());
    project.control("POST", &path, &json!({"description": "First"}));
    case.declare(&taken_over(0..3));
    killed_while_held(&case, "hold-after@addChatMembers:1");
    Ran::from(case.apply().output().unwrap()).exits(0);
    case.check(&taken_over(0..3), "taken over");
    case.declare(&taken_over(2..3));
    Ran::from(case.apply().output().unwrap()).exits(0);
    // Who was there before stays, who was put there by the killed one goes.
    let left = people(&chats(&project, &case.name)[0]);
    assert_eq!(left, set(&["ou_0000", "ou_0002"]));
}

/// A real SIGKILL while the vendor has the call, before or after its effect.
#[test]
fn a_kill_while_the_vendor_has_the_call_loses_nothing() {
    let operations = [
        "createChat",
        "addChatMembers",
        "createUserGroup",
        "batchAddUserGroupMembers",
    ];
    let cases = ["hold-before", "hold-after"]
        .into_iter()
        .flat_map(|fault| operations.map(|operation| (fault, operation)));
    each(cases, |(fault, operation)| {
        let (project, _) = staffed(60);
        let case = Case::new(&project, 0);
        let goal = team(0..60);
        case.declare(&goal);
        killed_while_held(&case, &format!("{fault}@{operation}:1"));
        let next = Ran::from(case.apply().output().unwrap()).exits(0);
        assert!(
            next.stderr.contains("Settled"),
            "{fault} {operation}: {}",
            next.stderr
        );
        case.check(&goal, &format!("{fault} {operation}"));
        assert_eq!(case.chats_made(), 1, "{fault} {operation}");
        assert_eq!(chats(&project, &case.name).len(), 1);
        assert_eq!(user_groups(&project, &case.name).len(), 1);
    });
}
