//! One message to many people and departments, and what becomes of it.
//!
//! Sources: the page on batch_send and those under im-v1/batch_message. Where they are silent:
//!
//! - The root department fails the call, and so do four lists without one id (10003). A department
//!   out of scope is an invalid id, and so is somebody who has left.
//! - Somebody out of scope counts as valid and never gets the message.
//! - Who is named twice, or stands in a department too, gets one message.
//! - Content that is too large gets 11246.
//! - The total of `read_user` is of those who got the message.
//! - After 30 days there is no such message (230030). A second recall changes nothing.
//! - A recall takes a moment too; what has not come by then never comes.

use serde_json::json;

use super::Call;
use super::check::Fields;
use super::content::{self, Seen, Service};
use super::envelope::{Failure, Refusal, Success};
use super::ids::{IdType, Standing};
use super::message;
use crate::sandbox::mail::{self, Delivery, Message, Receiver, Sent};
use crate::sandbox::people::{ByDepartment, Department, Person, Tenant};
use crate::sandbox::world::{Moment, View};

const KIND: &str = "batch";
const AT_ONCE: usize = 200;
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
pub(super) const HOUR_MS: i64 = 60 * 60 * 1000;

/// `batchSendMessage`: its own refusals come with HTTP 200.
pub(super) fn send(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    queue(call, moment).map_err(|failure| match failure {
        Failure::Refused(refusal) => Failure::Refused(refusal.in_body()),
        world => world,
    })
}

fn queue(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let tenant = Tenant::of(moment)?;
    let fields = Fields::of_body(call.body, Service::Batch.parameter())?;
    if tenant.bots_off {
        return Err(Refusal::new(400, 11205, "the bot capability is off").into());
    }
    let named = Named::of(&fields)?;
    let kinds = ["text", "image", "post", "share_chat", "interactive"];
    let kind = fields.required("msg_type", fields.one_of("msg_type", &kinds)?)?;
    let seen = seen(kind, &fields, call.app, moment)?;
    if !content::fits(kind, call.bytes.len()) {
        return Err(Refusal::new(400, 11246, "content rejected: it is too large").into());
    }

    let people = named.resolve(moment)?;
    let today = mail::day_of(moment.now_ms);
    let before = mail::receivers_since(today, "feishu", KIND, call.app, moment)?;
    if before + people.usable.len() > tenant.batch_a_day {
        let why = "the app's batch messages of the day are used up";
        return Err(Refusal::new(400, 11247, why).into());
    }
    // Batches of an app go out one after the other.
    let last = mail::last_done("feishu", KIND, call.app, moment)?;
    let begins_ms = last.max(moment.now_ms + mail::BEGINS_AFTER_MS);
    let mut to: Vec<Receiver> = Vec::new();
    let mut due_ms = begins_ms;
    for person in people.usable {
        due_ms += mail::EACH_MS;
        to.push(Receiver::at(person, due_ms));
    }
    to.extend(people.hidden.into_iter().map(|person| Receiver {
        person,
        due_ms: None,
        dropped: None,
    }));
    let message = Message {
        vendor: "feishu",
        id: format!("bm-{}", uuid::Uuid::new_v4().simple()),
        way: KIND,
        app: call.app.to_owned(),
        kind: kind.to_owned(),
        title: seen.title,
        text: seen.text,
        doc: call.body.cloned().unwrap_or_default(),
        begins_ms,
        ..Message::default()
    };
    message.post(&to, moment)?;
    let [departments, open, user, union] = people.invalid;
    Ok(Success::Data(json!({
        "message_id": message.id,
        "invalid_department_ids": departments,
        "invalid_open_ids": open,
        "invalid_user_ids": user,
        "invalid_union_ids": union,
    })))
}

fn seen(kind: &str, fields: &Fields<'_>, app: &str, moment: &Moment<'_>) -> Result<Seen, Failure> {
    let service = Service::Batch;
    if kind == "interactive" {
        let card = fields.value("card").and_then(|card| card.as_object());
        return content::card(fields.required("card", card)?, service);
    }
    let given = fields.required("content", fields.object("content")?)?;
    match kind {
        "image" => content::image(&given, service, app, moment),
        "post" => {
            let post = given.required("post", given.object("post")?)?;
            content::post(&post, service, app, moment)
        }
        "share_chat" => {
            let id = given.text("share_chat_id", 1..=usize::MAX)?;
            content::shared_chat(given.required("share_chat_id", id)?, service, moment)
        }
        _ => content::text(&given),
    }
}

/// The ids of a request: departments, open ids, user ids, union ids.
struct Named([Vec<String>; 4]);

/// Whom they are.
#[derive(Default)]
struct Resolved {
    usable: Vec<String>,
    /// People whom the bot cannot see.
    hidden: Vec<String>,
    invalid: [Vec<String>; 4],
}

const LISTS: [&str; 4] = ["department_ids", "open_ids", "user_ids", "union_ids"];
const KINDS: [IdType; 3] = [IdType::Open, IdType::User, IdType::Union];

impl Named {
    fn of(fields: &Fields<'_>) -> Result<Named, Refusal> {
        let mut lists: [Vec<String>; 4] = Default::default();
        for (list, name) in lists.iter_mut().zip(LISTS) {
            *list = fields.texts(name, AT_ONCE)?.unwrap_or_default();
        }
        if lists.iter().all(Vec::is_empty) {
            return Err(fields.bad("open_ids", "one of the four lists has to name somebody"));
        }
        if lists[0].iter().any(|id| id == "0") {
            return Err(fields.bad("department_ids", "the root department is not allowed"));
        }
        Ok(Named(lists))
    }

    fn resolve(self, moment: &Moment<'_>) -> Result<Resolved, Failure> {
        let [departments, people @ ..] = self.0;
        let mut resolved = Resolved::default();
        let [invalid_departments, invalid_people @ ..] = &mut resolved.invalid;
        for ((ids, kind), invalid) in people.iter().zip(KINDS).zip(invalid_people) {
            for id in ids {
                match kind.standing(id, moment)? {
                    Standing::Usable(person) => keep(&mut resolved.usable, person),
                    Standing::Hidden(person) => keep(&mut resolved.hidden, person),
                    Standing::Unknown | Standing::Left(_) => keep(invalid, id.clone()),
                }
            }
        }
        let mut inside = Vec::new();
        for id in &departments {
            let mut found = Department::find(ByDepartment::Open, id, moment)?;
            if found.is_none() {
                found = Department::find(ByDepartment::Own, id, moment)?;
            }
            match found.filter(|found| !found.doc.out_of_scope) {
                Some(found) => inside.extend(Department::with_all_below(&found.id, moment)?),
                None => keep(invalid_departments, id.clone()),
            }
        }
        if !inside.is_empty() {
            for found in Person::all(moment)? {
                let person = &found.doc;
                let there = person.departments.iter().any(|id| inside.contains(id));
                if !there || person.left || person.open_id.is_none() {
                    continue;
                }
                let list = if person.out_of_scope {
                    &mut resolved.hidden
                } else {
                    &mut resolved.usable
                };
                keep(list, found.id);
            }
        }
        Ok(resolved)
    }
}

fn keep(ids: &mut Vec<String>, id: String) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}

/// `recallBatchMessage`.
pub(super) fn recall(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    message::bots_on(moment)?;
    let sent = known(call, View::Present, moment)?;
    if sent.app != call.app {
        return Err(Refusal::new(400, 230026, "another bot has sent the message").into());
    }
    if moment.now_ms - sent.sent_ms > Tenant::of(moment)?.recall_hours * HOUR_MS {
        return Err(Refusal::new(400, 230009, "the time to recall it is over").into());
    }
    sent.recall(moment.now_ms + mail::BEGINS_AFTER_MS, moment)?;
    Ok(Success::Data(json!({})))
}

/// `getBatchMessageReadUser`: counts in decimal strings.
pub(super) fn read_user(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let (sent, deliveries, at_ms) = own(call, moment)?;
    let got = count(&deliveries, |d| sent.came(d, at_ms).is_some());
    let read = count(&deliveries, |d| d.read(at_ms).is_some());
    Ok(Success::Data(json!({"read_user": {
        "read_count": read.to_string(),
        "total_count": got.to_string(),
    }})))
}

/// `getBatchMessageProgress`: counts in numbers, 0 before it begins.
pub(super) fn progress(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    message::bots_on(moment)?;
    let (sent, deliveries, at_ms) = own(call, moment)?;
    let begun = sent.begins_ms <= at_ms;
    let got = count(&deliveries, |d| sent.came(d, at_ms).is_some());
    let gone = sent.withdrawn(at_ms).is_some();
    Ok(Success::Data(json!({
        "batch_message_send_progress": {
            "valid_user_ids_count": if begun { deliveries.len() } else { 0 },
            "success_user_ids_count": got,
            "read_user_ids_count": count(&deliveries, |d| d.read(at_ms).is_some()),
        },
        "batch_message_recall_progress": {
            "recall": sent.recall_ms.is_some(),
            "recall_count": if gone { got } else { 0 },
        },
    })))
}

fn count(deliveries: &[Delivery], what: impl Fn(&Delivery) -> bool) -> usize {
    deliveries.iter().filter(|delivery| what(delivery)).count()
}

/// The message of the path, which the caller has to have sent in the last 30 days.
fn own(call: &Call<'_>, moment: &Moment<'_>) -> Result<(Sent, Vec<Delivery>, i64), Failure> {
    let sent = known(call, call.view, moment)?;
    if sent.app != call.app {
        return Err(Refusal::new(400, 230012, "another bot has sent the message").into());
    }
    if moment.now_ms - sent.sent_ms > KEPT_MS {
        return Err(unknown(&sent.id).into());
    }
    let deliveries = sent.deliveries(moment)?;
    Ok((sent, deliveries, call.view.instant(moment.now_ms)))
}

fn known(call: &Call<'_>, view: View, moment: &Moment<'_>) -> Result<Sent, Failure> {
    let id = call.path_value("batch_message_id");
    if !id.starts_with("bm-") {
        let why = format!("batch_message_id is not valid: {id}");
        return Err(Refusal::new(400, 230001, why).into());
    }
    Sent::find("feishu", id, view.instant(moment.now_ms), moment)?.ok_or_else(|| unknown(id).into())
}

fn unknown(id: &str) -> Refusal {
    Refusal::new(400, 230030, format!("no batch message has the id {id}"))
}
