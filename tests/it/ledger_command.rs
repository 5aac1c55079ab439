//! `ledger copy`, `backup` and `prune` through the binary, from a ledger of either kind to either.

mod deaths;
mod kept;

use std::path::PathBuf;
use std::process::Command;

use beadle::engine::upkeep::Rows;
use beadle::ledger::{Access, connect, open};
use beadle::model::Name;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::postgres::{Schema, now};
use crate::support::project::{Project, RELEASE, ROOM, Ran};

/// Where a ledger is.
enum Place {
    File(PathBuf),
    Server(Box<Schema>),
}

impl Place {
    /// A file that is not there yet.
    fn file(project: &Project, name: &str) -> Place {
        Place::File(project.path().join(format!("{name}/ledger.db")))
    }

    /// As [`Self::file`], or a schema that is not there yet; none without a server.
    fn of(kind: Kind, project: &Project, name: &str) -> Option<Place> {
        match kind {
            Kind::File => Some(Place::file(project, name)),
            Kind::Server => Some(Place::Server(Box::new(Schema::new()?))),
        }
    }

    fn url(&self) -> String {
        match self {
            Place::File(path) => format!("sqlite:{}", path.display()),
            Place::Server(schema) => schema.url(),
        }
    }

    /// Changes it behind beadle's back.
    fn sql(&self, sql: &str) {
        match self {
            Place::File(path) => {
                let conn = rusqlite::Connection::open(path).unwrap();
                conn.execute_batch(sql).unwrap();
            }
            Place::Server(schema) => schema.sql(sql),
        }
    }

    /// What it holds of a project, save the lease, which commands take.
    fn rows(&self, project: &str) -> Rows {
        let project = Name::new(project).unwrap();
        let books = match self {
            Place::File(path) => open(path, &project, Access::Read),
            Place::Server(schema) => now(connect(&schema.server(), &project, Access::Read)),
        };
        let mut rows = now(books.unwrap().rows()).unwrap();
        rows.tables.retain(|table| table.name != "lease");
        rows
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Server,
}

/// From either to either.
const WAYS: [(Kind, Kind); 4] = [
    (Kind::File, Kind::File),
    (Kind::File, Kind::Server),
    (Kind::Server, Kind::File),
    (Kind::Server, Kind::Server),
];

fn count(rows: &Rows, table: &str) -> usize {
    rows.table(table).unwrap().rows.len()
}

fn is_empty(rows: &Rows) -> bool {
    rows.tables.iter().all(|table| table.rows.is_empty())
}

/// So many days after tomorrow, at that time.
fn at(days: i64, time: &str) -> String {
    let day = Timestamp::now() + (24 * (days + 1)).hours();
    format!("{}T{time}Z", day.strftime("%Y-%m-%d"))
}

/// A sandbox in which two people are known at DingTalk.
fn staffed() -> Project {
    let project = Project::empty();
    let people = json!([
        {"open_id": "ou_ada", "name": "Ada", "dingtalk_user_id": "ada"},
        {"open_id": "ou_bo", "name": "Bo", "dingtalk_user_id": "bo"},
    ]);
    project.control("POST", "users", &people);
    project
}

/// A project of the app, in a folder of its name, that says one thing to two people every day at this
/// hour; with what is to be declared besides.
fn declare(project: &Project, name: &str, hour: u8, more: &str) {
    let (base, start) = (project.base_url(), &at(0, "00:00:00")[..10]);
    let text = format!(
        "version: 1
project: {name}
{}  dingtalk: {{ app_key: cli_sandbox, app_secret: \"${{env:FEISHU_APP_SECRET}}\", agent_id: 781348, base_url: \"{base}\" }}
recipient_groups:
  team: {{ dingtalk: {{ users: [ada, bo] }} }}
recurring_notices:
  review:
    to: [team]
    via: [dingtalk]
    schedule: {{ start: {start}, cron: \"0 {hour} * * *\", timezone: UTC }}
    message: {{ text: The same to everybody }}
{more}",
        project.providers()
    );
    project.write(&format!("{name}/beadle.yaml"), &text);
}

/// A subscription in the tasklist that there is.
fn subscription() -> String {
    format!(
        "tasklists:
  release: {{ guid: {RELEASE} }}
chats:
  room: {{ id: {ROOM} }}
tasklist_subscriptions:
  progress: {{ tasklist: release, subscribers: [room], events: [task.added] }}
"
    )
}

fn command(project: &Project, name: &str, place: &Place, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command
        .env("BEADLE_DIR", name)
        .env("BEADLE_LEDGER", place.url())
        .env("BEADLE_TIMEOUT", "2s");
    command
}

fn run(project: &Project, name: &str, place: &Place, args: &[&str]) -> Ran {
    command(project, name, place, args).output().unwrap().into()
}

/// How many messages came to people, and how many of them the vendor dropped.
fn arrived(project: &Project) -> (usize, usize) {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let people = inbox["people"].as_array().unwrap().iter();
    let messages = people.flat_map(|person| person["messages"].as_array().unwrap());
    let dropped: Vec<bool> = messages.map(|m| !m["dropped"].is_null()).collect();
    (
        dropped.len(),
        dropped.iter().filter(|dropped| **dropped).count(),
    )
}

fn outcomes(project: &Project, name: &str, place: &Place) -> Vec<String> {
    let shown = run(
        project,
        name,
        place,
        &["notice", "history", "--format", "json"],
    );
    let shown = shown.exits(0).json();
    let occurrences = shown["occurrences"].as_array().unwrap().iter();
    let mut outcomes: Vec<_> = occurrences
        .map(|o| format!("{} {}", o["scheduled"], o["outcome"]))
        .collect();
    outcomes.sort();
    let outcome = |line: &String| line.rsplit('"').nth(1).unwrap().to_owned();
    outcomes.iter().map(outcome).collect()
}

/// Each in a ledger of its own, two projects of an app have told the same people the same on one day, and the
/// vendor has dropped the second. Both move into one ledger, where nobody is sent it once more.
fn two_that_said_the_same_move_into_one(from: Kind, to: Kind) {
    let project = staffed();
    let (Some(ours), Some(theirs), Some(shared)) = (
        Place::of(from, &project, "ours-old"),
        Place::of(from, &project, "theirs-old"),
        Place::of(to, &project, "shared"),
    ) else {
        return;
    };
    let both = [("ours", &ours), ("theirs", &theirs)];
    for (name, place) in both {
        declare(&project, name, 10, "");
        run(&project, name, place, &["apply", "--auto-approve"]).exits(0);
        run(
            &project,
            name,
            place,
            &["tick", "--now", &at(0, "10:00:00")],
        )
        .exits(0);
        assert_eq!(count(&place.rows(name), "had"), 2);
    }
    assert_eq!(arrived(&project), (4, 2));
    for (name, place) in both {
        let copied = run(
            &project,
            name,
            place,
            &["ledger", "copy", "--to", &shared.url()],
        );
        let copied = copied.exits(0);
        assert!(copied.stdout.starts_with("Copied "), "{}", copied.stdout);
    }
    // Whoever told them first has the rows, which say so for both.
    let had = |name: &str| count(&shared.rows(name), "had");
    assert_eq!((had("ours"), had("theirs")), (2, 0));
    for (name, _) in both {
        let check = run(&project, name, &shared, &["ledger", "check"]).exits(0);
        assert!(check.last_line().ends_with("nothing is wrong."));
        // Said once more that day, it would be dropped.
        declare(&project, name, 11, "");
        run(&project, name, &shared, &["apply", "--auto-approve"]).exits(0);
        project.clear_calls();
        run(
            &project,
            name,
            &shared,
            &["tick", "--now", &at(0, "11:00:00")],
        );
        let last = outcomes(&project, name, &shared);
        assert_eq!(last, ["sent", "refused"], "{name}");
        let sends = project.calls();
        let mut sends = sends.iter().filter(|call| call["write"] == true);
        assert!(sends.next().is_none(), "{name}");
    }
    assert_eq!(arrived(&project), (4, 2));
}

#[test]
fn two_projects_that_said_the_same_move_into_one_ledger() {
    for (from, to) in WAYS {
        two_that_said_the_same_move_into_one(from, to);
    }
}

/// Two projects of an app share a ledger, where the second was not sent what the first had said; both move.
#[test]
fn two_projects_that_share_a_ledger_move_on_to_another() {
    for (from, to) in WAYS {
        let project = staffed();
        let (Some(old), Some(new)) = (
            Place::of(from, &project, "old"),
            Place::of(to, &project, "new"),
        ) else {
            continue;
        };
        for name in ["ours", "theirs"] {
            declare(&project, name, 10, "");
            run(&project, name, &old, &["apply", "--auto-approve"]).exits(0);
            run(&project, name, &old, &["tick", "--now", &at(0, "10:00:00")]);
        }
        // The other way round: who told them is the last to arrive.
        for name in ["theirs", "ours"] {
            let before = old.rows(name);
            let copy = ["ledger", "copy", "--to", &new.url()];
            run(&project, name, &old, &copy).exits(0);
            assert!(old.rows(name) == before, "{from:?} {to:?}: it was changed");
            let told = outcomes(&project, name, &new);
            assert_eq!(told, outcomes(&project, name, &old));
        }
        assert_eq!(count(&new.rows("ours"), "had"), 2);
        assert_eq!(outcomes(&project, "theirs", &new), ["refused"]);
        assert_eq!(arrived(&project), (2, 0));
    }
}

/// A copy of what another project of the target has bound is refused, names the owner, and leaves nothing.
#[test]
fn an_object_that_another_project_has_there_stops_a_copy() {
    for (from, to) in WAYS {
        let project = staffed();
        let (Some(old), Some(new)) = (
            Place::of(from, &project, "old"),
            Place::of(to, &project, "new"),
        ) else {
            continue;
        };
        // The second finds it equal, and takes it for its own.
        for (name, place) in [("ours", &old), ("theirs", &new)] {
            declare(&project, name, 10, &subscription());
            run(&project, name, place, &["apply", "--auto-approve"]).exits(0);
        }
        let refused = run(
            &project,
            "ours",
            &old,
            &["ledger", "copy", "--to", &new.url()],
        )
        .exits(1);
        let words = "is bound to tasklist_subscription.progress of project theirs";
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(is_empty(&new.rows("ours")));
    }
}

/// A second copy finds the first, whole; what was used since is not written over.
#[test]
fn a_copy_is_found_again_until_it_is_used() {
    for (from, to) in WAYS {
        let project = staffed();
        let (Some(old), Some(new)) = (
            Place::of(from, &project, "old"),
            Place::of(to, &project, "new"),
        ) else {
            continue;
        };
        // Another project has the numbers there.
        declare(&project, "theirs", 10, "");
        run(&project, "theirs", &new, &["apply", "--auto-approve"]).exits(0);
        run(
            &project,
            "theirs",
            &new,
            &["tick", "--now", &at(1, "10:00:00")],
        );
        declare(&project, "ours", 10, "");
        run(&project, "ours", &old, &["apply", "--auto-approve"]).exits(0);
        run(
            &project,
            "ours",
            &old,
            &["tick", "--now", &at(0, "10:00:00")],
        )
        .exits(0);
        let url = new.url();
        let copy = ["ledger", "copy", "--to", &url];
        let first = run(&project, "ours", &old, &copy).exits(0);
        let there = new.rows("ours");
        let second = run(&project, "ours", &old, &copy).exits(0);
        assert_eq!(second.stdout, first.stdout);
        assert!(new.rows("ours") == there);
        // Used, there or here, it is another.
        for used in [&new, &old] {
            run(
                &project,
                "ours",
                used,
                &["tick", "--now", &at(2, "10:00:00")],
            );
            let there = new.rows("ours");
            let refused = run(&project, "ours", &old, &copy).exits(1);
            let words = "it holds the project ours already";
            assert!(refused.stderr.contains(words), "{}", refused.stderr);
            let hint = "A copy arrives whole or not at all.";
            assert!(refused.stderr.contains(hint), "{}", refused.stderr);
            assert!(new.rows("ours") == there);
        }
    }
}
