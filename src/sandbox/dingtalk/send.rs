//! Sending a work notification. Success means accepted: what is over a quota is dropped later, and
//! no error says so.
//!
//! Sources: the page on sending, its result page, and the error table. Where they are silent:
//!
//! - The same content is the same text of `msg`, a day is a calendar day in Shanghai.
//! - Only what is delivered uses up the day's slots; what was dropped does not.
//! - Of several reasons to drop the first counts: same content, the person's day, the app's minute,
//!   the receivers of the call. The last has the code of the minute.
//! - Unknown ids, people who have left and those out of the app's range come back as invalid; so
//!   does a department that is unknown or out of range.
//! - Ids that are no list are 40032, department ids 40035; no receiver at all is 40035.
//! - Any agent id that is a number is the app's own.

use std::collections::BTreeSet;

use rusqlite::params;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::content::{self, Seen};
use super::{Call, Failure, Success};
use crate::sandbox::mail::{self, Message, Receiver};
use crate::sandbox::people::{By, ByDepartment, Department, Person, Tenant};
use crate::sandbox::world::{Found, Moment, WorldError};

pub(super) const KIND: &str = "work";

const USERS: usize = 100;
const DEPARTMENTS: usize = 20;
/// Named users who may get a message with a status bar.
const STATUS_BAR_USERS: usize = 5;

const MINUTE_MS: i64 = 60_000;

/// Where the numbers of tasks begin, as large as the vendor's.
const FIRST_TASK: i64 = 256_271_667_000;

const FIELDS: [&str; 7] = [
    "agent_id",
    "userid_list",
    "dept_id_list",
    "to_all_user",
    "enable_id_trans",
    "msg",
    "access_token",
];

/// `sendWorkNotification`.
pub(super) fn send(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    if !call.body.keys().all(|name| FIELDS.contains(&name.as_str())) {
        return Err(Failure::Refused(40035));
    }
    let agent_id = agent_id(call)?;
    let (seen, text) = message_in(call)?;
    let asked = Asked::of(call)?;
    if seen.status_bar
        && (asked.everybody
            || !asked.departments.is_empty()
            || asked.users.len() > STATUS_BAR_USERS)
    {
        return Err(Failure::Refused(40035));
    }
    let tenant = Tenant::of(moment)?;
    if asked.everybody {
        if !tenant.everybody_allowed {
            return Err(Failure::Refused(41028));
        }
        if to_everybody_today(&call.app, moment)? >= tenant.everybody_a_day {
            return Err(Failure::Refused(41045));
        }
    }
    let everybody = asked.everybody;
    let found = asked.resolve(moment)?;
    let digest = digest(&text);
    let begins_ms = moment.now_ms + mail::BEGINS_AFTER_MS;
    let to = receivers(found.people, &digest, &call.app, &tenant, moment)?;
    let task = next_task(moment)?;
    let message = Message {
        vendor: "dingtalk",
        id: task.to_string(),
        way: KIND,
        app: call.app.clone(),
        kind: seen.kind,
        title: seen.title,
        text: seen.text,
        doc: json!({
            "agent_id": agent_id,
            "msg": text,
            "everybody": everybody,
            "status_bar": seen.status_bar,
            "invalid_users": found.invalid_users,
            "invalid_departments": found.invalid_departments,
        }),
        digest,
        begins_ms,
        ..Message::default()
    };
    message.post(&to, moment)?;
    Ok(Success::Top(
        json!({"task_id": task, "request_id": call.log_id}),
    ))
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The agent id, which is a number or its digits.
fn agent_id(call: &Call<'_>) -> Result<i64, Failure> {
    match call.body.get("agent_id") {
        None | Some(Value::Null) => Err(Failure::Refused(41011)),
        Some(Value::String(digits)) if digits.is_empty() => Err(Failure::Refused(41011)),
        Some(value) => long(value)
            .filter(|id| *id > 0)
            .ok_or(Failure::Refused(40056)),
    }
}

/// A number, or digits in a text.
pub(super) fn long(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()
        }
        _ => None,
    }
}

/// The message: an object in JSON, its text in a form.
fn message_in(call: &Call<'_>) -> Result<(Seen, String), Failure> {
    let (msg, text) = match call.body.get("msg") {
        Some(Value::String(text)) if call.is_form => {
            let msg: Value = serde_json::from_str(text).unwrap_or_default();
            (msg, text.clone())
        }
        Some(msg @ Value::Object(_)) => (msg.clone(), msg.to_string()),
        _ => return Err(Failure::Refused(40035)),
    };
    Ok((content::read(&msg, &text)?, text))
}

/// Whom a call names.
struct Asked {
    users: Vec<String>,
    departments: Vec<i64>,
    everybody: bool,
}

impl Asked {
    fn of(call: &Call<'_>) -> Result<Asked, Failure> {
        let everybody = match call.body.get("to_all_user") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => return Err(Failure::Refused(40035)),
        };
        let list = |name: &str, max: usize, code: i64| match call.body.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => {
                let ids: Vec<&str> = text.split(',').collect();
                let fine =
                    ids.len() <= max && ids.iter().all(|id| (1..=64).contains(&id.chars().count()));
                fine.then_some(ids).ok_or(Failure::Refused(code))
            }
            Some(_) => Err(Failure::Refused(code)),
        };
        let users = list("userid_list", USERS, 40032)?;
        let departments = list("dept_id_list", DEPARTMENTS, 40035)?;
        let departments = departments
            .into_iter()
            .map(|id| id.parse().ok().filter(|id| *id >= 1))
            .collect::<Option<Vec<i64>>>()
            .ok_or(Failure::Refused(40035))?;
        if users.is_empty() && departments.is_empty() && !everybody {
            return Err(Failure::Refused(40035));
        }
        Ok(Asked {
            users: users.into_iter().map(str::to_owned).collect(),
            departments,
            everybody,
        })
    }

    fn resolve(self, moment: &Moment<'_>) -> Result<Resolved, WorldError> {
        let mut resolved = Resolved::default();
        for id in self.users {
            let found = Person::find(By::DingtalkUserId, &id, moment)?;
            match found.filter(reachable) {
                Some(found) => resolved.add(found.id),
                None => resolved.invalid_users.push(id),
            }
        }
        let mut inside = BTreeSet::new();
        let mut everybody = self.everybody;
        for id in self.departments {
            if id == 1 {
                everybody = true;
                continue;
            }
            let found = Department::find(ByDepartment::Dingtalk, &id.to_string(), moment)?;
            match found.filter(|found| !found.doc.out_of_scope) {
                Some(found) => inside.extend(Department::with_all_below(&found.id, moment)?),
                None => resolved.invalid_departments.push(id),
            }
        }
        if everybody || !inside.is_empty() {
            for found in Person::all(moment)? {
                let there = found.doc.departments.iter().any(|id| inside.contains(id));
                if reachable(&found) && (everybody || there) {
                    resolved.add(found.id);
                }
            }
        }
        Ok(resolved)
    }
}

fn reachable(found: &Found<Person>) -> bool {
    let person = &found.doc;
    person.dingtalk_user_id.is_some() && !person.left && !person.out_of_scope
}

#[derive(Default)]
struct Resolved {
    people: Vec<String>,
    known: BTreeSet<String>,
    invalid_users: Vec<String>,
    invalid_departments: Vec<i64>,
}

impl Resolved {
    fn add(&mut self, person: String) {
        if self.known.insert(person.clone()) {
            self.people.push(person);
        }
    }
}

/// Who gets it and when, and who is dropped and why.
fn receivers(
    people: Vec<String>,
    digest: &str,
    app: &str,
    tenant: &Tenant,
    moment: &Moment<'_>,
) -> Result<Vec<Receiver>, WorldError> {
    let today = mail::day_of(moment.now_ms);
    let minute = moment.now_ms - MINUTE_MS;
    let before = mail::receivers_since(minute, "dingtalk", KIND, app, moment)?;
    let mut due_ms = moment.now_ms + mail::BEGINS_AFTER_MS;
    let mut given = 0;
    let mut receivers = Vec::new();
    for (number, person) in people.into_iter().enumerate() {
        let (same, all) = had_since(today, &person, digest, app, moment)?;
        let dropped = if same > 0 {
            Some("143106")
        } else if all >= tenant.work_a_day {
            Some("143105")
        } else if before + given >= tenant.receivers_a_minute || number >= tenant.receivers_a_call {
            Some("143103")
        } else {
            None
        };
        if dropped.is_none() {
            given += 1;
            due_ms += mail::EACH_MS;
        }
        receivers.push(Receiver {
            person,
            due_ms: dropped.is_none().then_some(due_ms),
            dropped,
        });
    }
    Ok(receivers)
}

/// How often the app has sent that person that content since an instant, and anything.
fn had_since(
    since_ms: i64,
    person: &str,
    digest: &str,
    app: &str,
    moment: &Moment<'_>,
) -> Result<(usize, usize), WorldError> {
    let mut statement = moment.sql().prepare_cached(
        "SELECT coalesce(sum(digest = ?5), 0), count(*)
         FROM deliveries JOIN messages ON seq = message
         WHERE person = ?1 AND dropped IS NULL AND app = ?2 AND vendor = 'dingtalk' AND way = ?3
           AND sent_ms >= ?4",
    )?;
    let counts: (i64, i64) = statement
        .query_row(params![person, app, KIND, since_ms, digest], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let number = |count| usize::try_from(count).unwrap_or(0);
    Ok((number(counts.0), number(counts.1)))
}

fn to_everybody_today(app: &str, moment: &Moment<'_>) -> Result<usize, WorldError> {
    let count: i64 = moment.sql().query_row(
        "SELECT count(*) FROM messages
         WHERE app = ?1 AND vendor = 'dingtalk' AND way = ?2 AND sent_ms >= ?3
           AND doc ->> 'everybody'",
        params![app, KIND, mail::day_of(moment.now_ms)],
        |row| row.get(0),
    )?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// A number that no task has. It does not fit into 32 bits.
fn next_task(moment: &Moment<'_>) -> Result<i64, WorldError> {
    let last: Option<i64> = moment
        .sql()
        .query_row("SELECT max(seq) FROM messages", [], |row| row.get(0))?;
    Ok(FIRST_TASK + last.unwrap_or(0) + 1)
}
