//! Chats, contact user groups and registered groups from end to end: through the binary, against a
//! sandbox whose world is looked at over HTTP.
//!
//! | file | about |
//! |---|---|
//! | `life` | made, filled, changed, let go of, dissolved, adopted |
//! | `people` | who comes and goes, whom nobody sees, what asks too much |
//! | `outside` | what somebody found who tried to break it from outside |
//! | `lost` | calls whose answer does not come, and what is refused |
//! | `deaths` | an apply that dies at each of its steps |
//! | `rounds` | the diff alone: rounds of edits and applies, many and at random |

mod assumed;
mod deaths;
mod life;
mod lost;
mod outside;
mod people;
mod rounds;

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, Ran};

const APPLY: &[&str] = &["apply", "--auto-approve"];
const NOTHING: &str = "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete.";

/// A subscription that posts to the chat `room`.
const PROGRESS: &str = "tasklist_subscriptions:
  progress: { tasklist: release, subscribers: [room], events: [task.added] }
";

/// The chat `room` of the group `team`, and what else its block says under `manage`.
fn room(more: &str) -> String {
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(", {more}")
    };
    format!(
        "chats:\n  room: {{ manage: {{ name: Operations, description: Who runs it, members: [team]{more} }} }}\n"
    )
}

/// The group `team` of these people.
fn team<T: AsRef<str>>(people: &[T]) -> String {
    let ids: Vec<&str> = people.iter().map(AsRef::as_ref).collect();
    format!(
        "recipient_groups:\n  team: {{ feishu: {{ users: [{}] }} }}\n",
        ids.join(", ")
    )
}

/// The same group, which is a contact user group as well.
fn crew<T: AsRef<str>>(people: &[T], more: &str) -> String {
    let kept = format!("user_group: {{ name: Crew{more} }}");
    team(people).replace("] } }", &format!("], {kept} }} }}"))
}

/// Writes the manifest: the usual head and these blocks.
fn declare(project: &Project, blocks: &[&str]) {
    let head = format!(
        "version: 1\n{}tasklists:\n  release: {{ guid: {RELEASE} }}\n",
        project.providers()
    );
    project.write("beadle.yaml", &format!("{head}{}", blocks.concat()));
}

/// The ids of the people from this number up to that one.
fn ids(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| format!("ou_{n:04}")).collect()
}

/// Lets these people be in the organisation.
fn hire(project: &Project, people: &[String]) {
    let rows: Vec<Value> = people
        .iter()
        .map(|id| json!({"open_id": id, "name": format!("Person {id}")}))
        .collect();
    project.control("POST", "users", &Value::Array(rows));
}

/// A sandbox with so many people, beside the usual tasklist and chats.
fn staffed(count: u32) -> (Project, Vec<String>) {
    let project = Project::empty();
    let people = ids(0..count);
    hire(&project, &people);
    (project, people)
}

fn run(project: &Project, more: &[&str]) -> Ran {
    project.beadle(&[APPLY, more].concat())
}

#[track_caller]
fn converged(project: &Project) {
    let plan = project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!(plan.last_line(), NOTHING, "{}", plan.stdout);
}

fn planned(project: &Project) -> Value {
    let plan = project.beadle(&["plan", "--format", "json"]);
    plan.json()
}

fn rows(project: &Project, kind: &str) -> Vec<Value> {
    let world = project.control("GET", "world", &Value::Null);
    world[kind].as_array().unwrap().clone()
}

/// The chats of that name that nobody has dissolved.
fn chats(project: &Project, name: &str) -> Vec<Value> {
    let mut chats = rows(project, "chats");
    chats.retain(|chat| chat["name"] == name && chat["dissolved"] == false);
    chats
}

/// The only chat of that name.
#[track_caller]
fn chat(project: &Project, name: &str) -> Value {
    let mut chats = chats(project, name);
    assert_eq!(chats.len(), 1, "{chats:?}");
    chats.remove(0)
}

/// The contact user groups of that name.
fn user_groups(project: &Project, name: &str) -> Vec<Value> {
    let mut groups = rows(project, "user_groups");
    groups.retain(|group| group["name"] == name);
    groups
}

/// The people in a chat or a contact user group.
fn people(object: &Value) -> BTreeSet<String> {
    let users = object["users"].as_array().unwrap();
    users
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

fn set<T: AsRef<str>>(people: &[T]) -> BTreeSet<String> {
    people.iter().map(|id| id.as_ref().to_owned()).collect()
}

fn id_of(object: &Value) -> &str {
    let id = object.get("chat_id").or_else(|| object.get("id"));
    id.and_then(Value::as_str).unwrap()
}

/// The operations that were meant to change something, in order.
fn operations(project: &Project) -> Vec<String> {
    let writes = project.writes();
    let names = writes.iter().map(|c| c["operation"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn count(project: &Project, operation: &str) -> usize {
    let calls = project.calls();
    calls.iter().filter(|c| c["operation"] == operation).count()
}

fn effects(project: &Project, operation: &str) -> usize {
    let calls = project.calls();
    let had = |c: &&Value| c["operation"] == operation && c["effect"] == true;
    calls.iter().filter(had).count()
}

/// The addresses that are bound.
fn bound(project: &Project) -> Vec<String> {
    let list = project.beadle(&["state", "list", "--format", "json"]);
    let list = list.exits(0).json();
    let rows = list["bindings"].as_array().or_else(|| list.as_array());
    let rows = rows.unwrap_or_else(|| panic!("{list}"));
    let mut addresses: Vec<String> = rows
        .iter()
        .map(|row| row["address"].as_str().unwrap().to_owned())
        .collect();
    addresses.sort();
    addresses
}

/// Runs the cases, some at a time: most of their time they wait.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) + Sync) {
    let cases: Vec<T> = cases.into_iter().collect();
    let cases = Mutex::new(cases.into_iter());
    let next = || cases.lock().unwrap().next();
    std::thread::scope(|scope| {
        let worker = || {
            while let Some(case) = next() {
                run(case);
            }
        };
        let workers: Vec<_> = (0..12).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}
