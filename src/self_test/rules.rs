//! The invariants, as rules over what a run has left.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::declared::{Declared, TASKLISTS};
use super::stage::{OUTSIDERS, Ran, Stage};

/// What must hold in every scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No call outside the plan.
    Planned,
    /// Once the faults stop, one apply converges and the next plan is empty.
    Converges,
    /// Nothing unowned is deleted.
    OnlyOurs,
    /// Each nominal instant has exactly one outcome.
    OneOutcome,
    /// Nothing is sent twice.
    SentOnce,
    /// Commands that only read make no write call.
    ReadsOnly,
    /// No secret in any output, plan, ledger or journal.
    NoSecret,
    /// Every run ends as it should, without a panic.
    Ends,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 8] = [
        Rule::Planned,
        Rule::Converges,
        Rule::OnlyOurs,
        Rule::OneOutcome,
        Rule::SentOnce,
        Rule::ReadsOnly,
        Rule::NoSecret,
        Rule::Ends,
    ];

    /// What must hold, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Rule::Planned => "no call outside the plan",
            Rule::Converges => {
                "one apply converges once the faults stop, and the next plan is empty"
            }
            Rule::OnlyOurs => "nothing that is somebody else's is taken away",
            Rule::OneOutcome => "each nominal instant has exactly one outcome",
            Rule::SentOnce => "nothing is sent twice",
            Rule::ReadsOnly => "commands that only read make no write call",
            Rule::NoSecret => "no secret in any output, plan or ledger",
            Rule::Ends => "every run ends with a documented status, and none with a panic",
        }
    }
}

/// A rule that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", rule.words())]
pub struct Broken {
    /// What should have held.
    pub rule: Rule,
    /// What was seen in its place.
    pub what: String,
}

impl Broken {
    pub(super) fn new(rule: Rule, what: impl Into<String>) -> Broken {
        Broken {
            rule,
            what: what.into(),
        }
    }
}

type Held = Result<(), Broken>;

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// The last segments of a call's path.
fn segments(call: &Value) -> Vec<&str> {
    word(call, "path").split('/').collect()
}

/// The rows of a list; none where there is no list, and then no rule is content.
fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn writes(calls: &[Value]) -> impl Iterator<Item = &Value> {
    calls.iter().filter(|call| call["write"] == true)
}

/// Every write call of an apply is of a change that its plan has, and no object is made more often
/// than the plan says.
pub(super) fn planned(ran: &Ran, calls: &[Value]) -> Held {
    let lines = ran.stdout.lines();
    let events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let plan = events.into_iter().find(|event| event["event"] == "plan");
    let changes = plan.as_ref().map(|plan| rows(&plan["plan"]["changes"]));
    let changes = changes.unwrap_or_default();
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for call in writes(calls) {
        let fits = |change: &&Value| is_of(call, change);
        let allowed = changes.iter().filter(fits).count();
        let operation = word(call, "operation");
        if allowed == 0 {
            let why = format!("{operation} {} {}", call["path"], call["body"]);
            return Err(Broken::new(Rule::Planned, why));
        }
        if operation.starts_with("create") && call["effect"] == true {
            let key = format!("{operation} {} {}", call["path"], call["body"]["name"]);
            let times = made.entry(key.clone()).or_default();
            *times += 1;
            if *times > allowed {
                let why = format!("{key}: {times} times");
                return Err(Broken::new(Rule::Planned, why));
            }
        }
    }
    Ok(())
}

/// Whether a call carries out a part of that change.
fn is_of(call: &Value, change: &Value) -> bool {
    let kind = word(change, "kind");
    let action = word(change, "action");
    let path = segments(call);
    let id = word(change, "id");
    let names_it = !id.is_empty() && path.contains(&id);
    let in_tasklist = path.contains(&word(change, "tasklist"));
    let is = |wanted: &str, actions: &[&str]| kind == wanted && actions.contains(&action);
    let body = &call["body"];
    match word(call, "operation") {
        "createTasklistActivitySubscription" => {
            is("tasklist_subscription", &["create", "replace"])
                && in_tasklist
                && body["name"] == change["after"]["name"]
        }
        "patchTasklistActivitySubscription" => {
            let field = |name: &Value| {
                match name.as_str().unwrap_or_default() {
                    "include_keys" => "events",
                    "disabled" => "enabled",
                    other => other,
                }
                .to_owned()
            };
            let planned = rows(&change["update_fields"]);
            let mask = rows(&body["update_fields"]);
            is("tasklist_subscription", &["update", "adopt"])
                && names_it
                && !mask.is_empty()
                && mask.iter().all(|name| {
                    planned
                        .iter()
                        .any(|planned| planned == field(name).as_str())
                })
        }
        "deleteTasklistActivitySubscription" => {
            is("tasklist_subscription", &["delete", "replace"]) && names_it
        }
        "createChat" => is("chat", &["create"]) && body["name"] == change["after"]["name"],
        "dissolveChat" => is("chat", &["delete"]) && names_it,
        "updateChat" => is("chat", &["create", "update", "adopt"]) && (names_it || id.is_empty()),
        "createUserGroup" => {
            is("recipient_group", &["create"]) && body["name"] == change["after"]["name"]
        }
        "deleteUserGroup" => is("recipient_group", &["delete"]) && names_it,
        "patchUserGroup" => {
            is("recipient_group", &["create", "update", "adopt"]) && (names_it || id.is_empty())
        }
        operation @ ("addChatMembers"
        | "removeChatMembers"
        | "batchAddUserGroupMembers"
        | "batchRemoveUserGroupMembers") => {
            let wanted = if operation.contains("Chat") {
                "chat"
            } else {
                "recipient_group"
            };
            let comes = !operation.to_lowercase().contains("remove");
            let after = &change["after"]["members"];
            let stays = |who: &String| rows(after).iter().any(|member| member == who.as_str());
            // What is deleted is emptied first.
            let emptied = !comes && is("recipient_group", &["delete"]) && wanted == kind;
            (emptied || is(wanted, &["create", "update", "adopt"]))
                && (names_it || id.is_empty())
                && people_of(call).iter().all(|who| stays(who) == comes)
        }
        _ => false,
    }
}

/// The people in the body of a call.
fn people_of(call: &Value) -> BTreeSet<String> {
    let body = &call["body"];
    let members = rows(&body["members"]).iter();
    rows(&body["id_list"])
        .iter()
        .chain(members.map(|member| &member["member_id"]))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// No call takes away what somebody else made or put there.
pub(super) fn only_ours(stage: &Stage<'_>, declared: &[&Declared], calls: &[Value]) -> Held {
    let authoritative = declared.iter().any(|declared| declared.authoritative);
    let removes = |kept: fn(&Declared) -> Option<bool>| {
        declared
            .iter()
            .filter_map(|d| kept(d))
            .any(|removes| removes)
    };
    for call in writes(calls) {
        let operation = word(call, "operation");
        let path = segments(call);
        let foreign = stage
            .foreign
            .iter()
            .find(|(id, _)| path.contains(&id.as_str()));
        if let Some((id, name)) = foreign {
            let on_board = path.contains(&TASKLISTS[1].1);
            let allowed = operation.starts_with("delete")
                && authoritative
                && on_board
                && !name.starts_with("manual");
            if !allowed {
                let why = format!("{operation} of {name} ({id}), which is somebody's");
                return Err(Broken::new(Rule::OnlyOurs, why));
            }
        }
        let takes = match operation {
            "removeChatMembers" => !removes(|d| d.room.as_ref().map(|kept| kept.removes)),
            "batchRemoveUserGroupMembers" => {
                // A group that is declared no more goes with all who are in it.
                let stays = declared.iter().all(|d| d.user_group.is_some());
                stays && !removes(|d| d.user_group.as_ref().map(|kept| kept.removes))
            }
            "dissolveChat" => {
                let dissolves = |d: &&&Declared| d.room.as_ref().is_some_and(|kept| kept.dissolves);
                if !declared.iter().any(|d| dissolves(&d)) {
                    return Err(Broken::new(Rule::OnlyOurs, "a chat was dissolved"));
                }
                false
            }
            _ => false,
        };
        let people = people_of(call);
        if takes && OUTSIDERS.iter().any(|who| people.contains(*who)) {
            let why = format!("{operation} takes {people:?}");
            return Err(Broken::new(Rule::OnlyOurs, why));
        }
    }
    Ok(())
}

/// A command that only reads has written nothing.
pub(super) fn reads_only(command: &str, calls: &[Value]) -> Held {
    match writes(calls).next() {
        None => Ok(()),
        Some(call) => Err(Broken::new(
            Rule::ReadsOnly,
            format!("{command} makes {} {}", call["operation"], call["path"]),
        )),
    }
}

/// Nobody has got the message of a day twice by one way.
pub(super) fn sent_once(arrived: &[(String, String, String)]) -> Held {
    let mut times: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for (vendor, who, text) in arrived {
        // Of whatever revision: the day is what the text ends with.
        let day = text.rsplit(' ').next().unwrap_or_default();
        *times.entry((vendor, who, day)).or_default() += 1;
    }
    match times.into_iter().find(|(_, times)| *times > 1) {
        None => Ok(()),
        Some((what, times)) => Err(Broken::new(
            Rule::SentOnce,
            format!("{what:?} came {times} times"),
        )),
    }
}

/// Every day from the first to the last stands in the history once, with an outcome.
pub(super) fn one_outcome(history: &Value, days: std::ops::RangeInclusive<i64>) -> Held {
    let broken = |why: String| Err(Broken::new(Rule::OneOutcome, why));
    let mut of_day: BTreeMap<i64, usize> = BTreeMap::new();
    for occurrence in rows(&history["occurrences"]) {
        if word(occurrence, "outcome").is_empty() {
            return broken(format!("{occurrence} has no outcome"));
        }
        let day = |name: &str| -> Option<i64> { word(occurrence, name).get(8..10)?.parse().ok() };
        let (Some(first), Some(last)) = (day("scheduled"), day("last")) else {
            return broken(format!("{occurrence} has no day"));
        };
        for day in first..=last {
            *of_day.entry(day).or_default() += 1;
        }
    }
    for day in days.clone() {
        let times = of_day.remove(&day).unwrap_or(0);
        if times != 1 {
            return broken(format!("January {day} has {times} outcomes of {days:?}"));
        }
    }
    match of_day.keys().next() {
        None => Ok(()),
        Some(day) => broken(format!("January {day} was not due")),
    }
}
