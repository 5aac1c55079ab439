//! Notices: produce, and read back.
//!
//! Source: the page on notice messages. Where it contradicts itself this is the reading of
//! `header`, `tags` as structures with `defaultValue` or an `en_US`, `features` as a list, and
//! numbers where there are numbers; any other field is refused. Where it is silent:
//!
//! - Refusals have the codes of the portal: 31400, 31403 and 31404.
//! - Any `appId` is an application that the OU has.
//! - A known message of target type 0 goes to everybody again, one of type 1 to the targets of the
//!   call. Nothing else of the call is read.
//! - Reading back an unknown message gives an empty list.

use serde_json::{Map, Value, json};

use super::{Call, Failure, users};
use crate::sandbox::mail::{Message, Receiver, Sent};
use crate::sandbox::people::{By, Person};
use crate::sandbox::world::{Found, Moment};

const AT_ONCE: usize = 100;

const BAD: Failure = Failure::Refused(31400);

const FIELDS: [&str; 14] = [
    "messageId",
    "messageType",
    "appId",
    "appName",
    "url",
    "linkedAppId",
    "linkedMenuCode",
    "linkedStates",
    "header",
    "body",
    "tags",
    "features",
    "targetType",
    "targets",
];

type Notice = Map<String, Value>;

/// `produceNoticeMessages`: all of them, or none.
pub(super) fn produce(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let org_id = users::org_of_query(call)?;
    let messages = call.body.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or(BAD)?;
    if !(1..=AT_ONCE).contains(&messages.len()) || call.body.len() != 1 {
        return Err(BAD);
    }
    let org = users::org(org_id, moment)?.ok_or(Failure::Refused(31404))?;
    if org.denied {
        return Err(Failure::Refused(31403));
    }
    for message in messages {
        let notice = message.as_object().ok_or(BAD)?;
        let id = text(notice, "messageId")?.ok_or(BAD)?;
        let known = Sent::find("enos", &key(org_id, id), moment.now_ms, moment)?;
        let everybody = match &known {
            Some(sent) => sent.doc["targetType"] == 0,
            None => to_everybody(notice)?,
        };
        let to = receivers(notice, everybody, org_id, moment)?;
        match known {
            Some(sent) => sent.send_on(&to, moment)?,
            None => create(notice, id, org_id, call.app, &to, moment)?,
        }
    }
    Ok(json!({"success": true}))
}

/// The id in the world: a message belongs to an OU.
fn key(org_id: &str, id: &str) -> String {
    format!("{org_id}/{id}")
}

fn create(
    notice: &Notice,
    id: &str,
    org_id: &str,
    app: &str,
    to: &[Receiver],
    moment: &Moment<'_>,
) -> Result<(), Failure> {
    if !notice.keys().all(|name| FIELDS.contains(&name.as_str())) {
        return Err(BAD);
    }
    if notice.get("messageType") != Some(&json!(1)) {
        return Err(BAD);
    }
    for name in ["url", "linkedAppId", "linkedMenuCode", "linkedStates"] {
        text(notice, name)?;
    }
    let linked = ["linkedMenuCode", "linkedStates"];
    if linked.iter().any(|name| notice.contains_key(*name)) && !notice.contains_key("linkedAppId") {
        return Err(BAD);
    }
    // An external application has a name and no id.
    let app_id = text(notice, "appId")?.is_some();
    if app_id == words(notice.get("appName"))?.is_some() {
        return Err(BAD);
    }
    let mut rest = Vec::new();
    for name in ["tags", "features"] {
        match notice.get(name) {
            None => {}
            Some(Value::Array(values)) => {
                for value in values {
                    rest.push(words(Some(value))?.ok_or(BAD)?);
                }
            }
            Some(_) => return Err(BAD),
        }
    }
    let title = words(notice.get("header"))?;
    let body = words(notice.get("body"))?;
    let mut doc = notice.clone();
    doc.insert("targetType".to_owned(), to_everybody(notice).map(type_of)?);
    let message = Message {
        vendor: "enos",
        id: key(org_id, id),
        way: "notice",
        app: app.to_owned(),
        kind: "notice".to_owned(),
        title,
        text: body.into_iter().chain(rest).collect::<Vec<_>>().join("\n"),
        doc: Value::Object(doc),
        begins_ms: moment.now_ms,
        ..Message::default()
    };
    Ok(message.post(to, moment)?)
}

fn type_of(everybody: bool) -> Value {
    json!(i32::from(!everybody))
}

/// A text that is not empty where it is there.
fn text<'n>(notice: &'n Notice, name: &str) -> Result<Option<&'n str>, Failure> {
    match notice.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(BAD),
    }
}

/// What people see of a text with translations.
fn words(value: Option<&Value>) -> Result<Option<String>, Failure> {
    let map = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(BAD),
    };
    let known = ["defaultValue", "i18nValue"];
    if !map.keys().all(|name| known.contains(&name.as_str())) {
        return Err(BAD);
    }
    let locales = match map.get("i18nValue") {
        None => None,
        Some(Value::Object(locales)) => Some(locales),
        Some(_) => return Err(BAD),
    };
    for (locale, text) in locales.into_iter().flatten() {
        let (language, land) = locale.split_once('_').ok_or(BAD)?;
        let fine = (2..=3).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && land.len() == 2
            && land.bytes().all(|byte| byte.is_ascii_uppercase());
        if !fine || !text.is_string() {
            return Err(BAD);
        }
    }
    let english = locales.and_then(|locales| locales.get("en_US"));
    let shown = map.get("defaultValue").or(english);
    match shown.and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
        _ => Err(BAD),
    }
}

/// 0 is everybody in the OU, 1 those who are listed; a number or its digit.
fn to_everybody(notice: &Notice) -> Result<bool, Failure> {
    match notice.get("targetType") {
        Some(value) if *value == 0 || value == "0" => Ok(true),
        Some(value) if *value == 1 || value == "1" => Ok(false),
        _ => Err(BAD),
    }
}

/// Who is meant and is in the OU. Everybody else is left out silently.
fn receivers(
    notice: &Notice,
    everybody: bool,
    org_id: &str,
    moment: &Moment<'_>,
) -> Result<Vec<Receiver>, Failure> {
    let now = moment.now_ms;
    if everybody {
        let all = users::inside(org_id, moment)?.into_iter();
        return Ok(all.map(|found| Receiver::at(found.id, now)).collect());
    }
    let targets = notice.get("targets").and_then(Value::as_array);
    let targets = targets.filter(|targets| !targets.is_empty()).ok_or(BAD)?;
    let mut receivers = Vec::new();
    for target in targets {
        let id = target.as_str().filter(|id| !id.is_empty()).ok_or(BAD)?;
        let found: Option<Found<Person>> = Person::find(By::EnosUserId, id, moment)?;
        let found = found.filter(|found| users::is_inside(&found.doc, org_id));
        receivers.extend(found.map(|found| Receiver::at(found.id, now)));
    }
    Ok(receivers)
}

/// `getNoticeMessage`.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let org_id = users::org_of_query(call)?;
    let id = call.text("messageId").ok_or(BAD)?;
    if users::org(org_id, moment)?.is_none() {
        return Err(Failure::Refused(31404));
    }
    let at_ms = call.view.instant(moment.now_ms);
    let sent = Sent::find("enos", &key(org_id, id), at_ms, moment)?;
    let messages: Vec<Value> = sent.into_iter().map(|sent| sent.doc).collect();
    Ok(json!({"messages": messages}))
}
