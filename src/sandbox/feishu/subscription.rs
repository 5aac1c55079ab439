//! Activity subscriptions of a tasklist.
//!
//! Source: the pages under task-v2/tasklist-activity_subscription. Where they are silent:
//!
//! - A 51st subscription or subscriber, and an unknown name in `update_fields`, get 1470400.
//! - `subscribers` cannot be emptied, for it is a required field; `include_keys` may be `[]`, and
//!   is refused only when `update_fields` lists it and the body does not have it.
//! - `disabled` is false unless sent, and clearing it makes it false.
//! - A chat listed twice is kept once.
//! - A chat that is unknown or dissolved is one that the caller is not in.

use serde_json::{Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Success};
use super::records::{Chat, Member, Right, Subscription};
use super::tasklist::{self, BAD_PARAMETER};
use crate::sandbox::world::{Found, Moment, View};

/// Subscriptions of a tasklist, and subscribers of a subscription.
const CAP: usize = 50;

/// The complete list of the vendor's page.
const EVENT_KEYS: [i64; 14] = [
    100, 101, 103, 104, 109, 110, 111, 119, 121, 122, 129, 130, 131, 132,
];

const FIELDS: [&str; 4] = ["name", "subscribers", "include_keys", "disabled"];

/// `createTasklistActivitySubscription`.
pub(super) fn create(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    fields.only(&FIELDS)?;
    let subscription = Subscription {
        name: name_in(&fields)?,
        subscribers: subscribers_in(&fields)?,
        include_keys: include_keys_in(&fields)?,
        disabled: fields.flag("disabled")?.unwrap_or(false),
    };
    let tasklist = tasklist::find(call, moment, Right::Edit, View::Present)?;
    check_presence(call, moment, &subscription.subscribers)?;
    if moment.count(Subscription::KIND, &tasklist.id)? as usize >= CAP {
        return Err(fields
            .bad(
                "tasklist_guid",
                "the tasklist has 50 activity subscriptions already",
            )
            .into());
    }
    let guid = uuid::Uuid::new_v4().to_string();
    moment.insert(Subscription::KIND, &guid, &tasklist.id, &subscription)?;
    Ok(answer(&guid, &subscription))
}

/// `listTasklistActivitySubscriptions`: in order of creation, oldest first.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let limit = call.query.integer("limit", 1..=CAP, CAP)?;
    let tasklist = tasklist::find(call, moment, Right::Read, View::Present)?;
    let found: Vec<Found<Subscription>> =
        moment.list(Subscription::KIND, Some(&tasklist.id), call.view)?;
    let items: Vec<Value> = found
        .iter()
        .take(limit)
        .map(|found| show(&found.id, &found.doc))
        .collect();
    // `json!` would copy them.
    Ok(Success::Data(Value::from_iter([("items", items)])))
}

/// `getTasklistActivitySubscription`.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let found = find(call, moment, Right::Read, call.view)?;
    Ok(answer(&found.id, &found.doc))
}

/// `patchTasklistActivitySubscription`: `update_fields` alone says what changes.
pub(super) fn patch(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let body = Fields::of_body(call.body, BAD_PARAMETER)?;
    body.only(&["activity_subscription", "update_fields"])?;
    let fields = body.required(
        "activity_subscription",
        body.object("activity_subscription")?,
    )?;
    fields.only(&FIELDS)?;
    let mask = body.required("update_fields", body.texts("update_fields", 20)?)?;
    if mask.is_empty() {
        return Err(body.bad("update_fields", "at least one is expected").into());
    }
    if let Some(unknown) = mask.iter().find(|name| !FIELDS.contains(&name.as_str())) {
        let why = format!("{unknown} is not a field that can be updated");
        return Err(body.bad("update_fields", &why).into());
    }
    let listed = |name: &str| mask.iter().any(|entry| entry == name);

    // What is not listed is ignored, even when it is wrong.
    let name = listed("name").then(|| name_in(&fields)).transpose()?;
    let subscribers = listed("subscribers")
        .then(|| subscribers_in(&fields))
        .transpose()?;
    let include_keys = listed("include_keys")
        .then(|| include_keys_in(&fields))
        .transpose()?;
    let disabled = listed("disabled")
        .then(|| fields.flag("disabled"))
        .transpose()?;

    let mut found = find(call, moment, Right::Edit, View::Present)?;
    if let Some(subscribers) = subscribers {
        check_presence(call, moment, &subscribers)?;
        found.doc.subscribers = subscribers;
    }
    if let Some(name) = name {
        found.doc.name = name;
    }
    if let Some(include_keys) = include_keys {
        found.doc.include_keys = include_keys;
    }
    if let Some(disabled) = disabled {
        found.doc.disabled = disabled.unwrap_or(false);
    }
    moment.replace(Subscription::KIND, &found.id, &found.doc)?;
    Ok(answer(&found.id, &found.doc))
}

/// `deleteTasklistActivitySubscription`.
pub(super) fn delete(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let found = find(call, moment, Right::Edit, View::Present)?;
    moment.remove(Subscription::KIND, &found.id)?;
    Ok(Success::Data(json!({})))
}

/// The subscription of the path. One of another tasklist does not exist here.
fn find(
    call: &Call<'_>,
    moment: &Moment<'_>,
    needed: Right,
    view: View,
) -> Result<Found<Subscription>, Failure> {
    let tasklist = tasklist::find(call, moment, needed, View::Present)?;
    let guid = call.path_value("activity_subscription_guid");
    moment
        .find(Subscription::KIND, guid, view)?
        .filter(|found: &Found<Subscription>| found.parent == tasklist.id)
        .ok_or_else(|| {
            tasklist::gone(format!("the activity subscription {guid} does not exist")).into()
        })
}

fn name_in(fields: &Fields<'_>) -> Result<String, Failure> {
    let name = fields.required("name", fields.text("name", 1..=50)?)?;
    Ok(name.to_owned())
}

fn subscribers_in(fields: &Fields<'_>) -> Result<Vec<Member>, Failure> {
    let entries = fields.required("subscribers", fields.objects("subscribers", CAP)?)?;
    if entries.is_empty() {
        return Err(fields.bad("subscribers", "at least one is expected").into());
    }
    let mut subscribers: Vec<Member> = Vec::new();
    for entry in entries {
        let kind = entry.text("type", 0..=100)?.unwrap_or("user");
        if kind != "chat" {
            let why = format!("only chat can subscribe, not {kind}, which is also the default");
            return Err(entry.bad("type", &why).into());
        }
        let id = entry.required("id", entry.text("id", 1..=100)?)?;
        if !id.starts_with("oc_") {
            return Err(entry.bad("id", "an open chat id is expected").into());
        }
        let subscriber = Member {
            id: id.to_owned(),
            kind: kind.to_owned(),
            role: String::new(),
        };
        if !subscribers.iter().any(|known| known.is(&subscriber)) {
            subscribers.push(subscriber);
        }
    }
    Ok(subscribers)
}

fn include_keys_in(fields: &Fields<'_>) -> Result<Vec<i64>, Failure> {
    let values = fields.required("include_keys", fields.array("include_keys", usize::MAX)?)?;
    let mut keys = Vec::new();
    for value in values {
        let known = value.as_i64().filter(|key| EVENT_KEYS.contains(key));
        let Some(key) = known else {
            let why = format!("{value} is not a known event key");
            return Err(fields.bad("include_keys", &why).into());
        };
        if keys.contains(&key) {
            let why = format!("{key} is listed twice");
            return Err(fields.bad("include_keys", &why).into());
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The calling bot must be in every chat at this moment; it may leave later.
fn check_presence(
    call: &Call<'_>,
    moment: &Moment<'_>,
    subscribers: &[Member],
) -> Result<(), Failure> {
    for subscriber in subscribers {
        let chat: Option<Found<Chat>> = moment.find(Chat::KIND, &subscriber.id, View::Present)?;
        if !chat.is_some_and(|chat| chat.doc.holds(call.app)) {
            let why = format!("the caller is not in the chat {}", subscriber.id);
            return Err(tasklist::forbidden(why).into());
        }
    }
    Ok(())
}

fn answer(guid: &str, subscription: &Subscription) -> Success {
    Success::Data(json!({"activity_subscription": show(guid, subscription)}))
}

fn show(guid: &str, subscription: &Subscription) -> Value {
    let Subscription {
        name,
        subscribers,
        include_keys,
        disabled,
    } = subscription;
    json!({
        "guid": guid,
        "name": name,
        "subscribers": subscribers,
        "include_keys": include_keys,
        "disabled": disabled,
    })
}
