//! Messages into groups: by the app's robot, and the older call by chat id.
//!
//! Sources: the pages on sending group messages and on the robot. Where they are silent:
//!
//! - A robot code is another app's when it is the id of an app that the sandbox knows. Any other
//!   one is the caller's own.
//! - `msgParam` is any JSON object; what people see of it is its title and its text or content.
//! - A robot that is not in the group has been stopped there.
//! - The older call is open to every app. It reads a group by the same id, refuses a group without
//!   the robot as an invalid chat, and messages in its own codes.

use serde_json::{Value, json};

use super::content::{self, Seen};
use super::records::Group;
use super::{Call, Failure, Success};
use crate::sandbox::mail::{Message, Receiver};
use crate::sandbox::tokens;
use crate::sandbox::world::{Found, Moment, View, WorldError};

const PARAM_BYTES: usize = 15_000;

const KEYS: [&str; 13] = [
    "sampleText",
    "sampleMarkdown",
    "sampleImageMsg",
    "sampleLink",
    "sampleActionCard",
    "sampleActionCard2",
    "sampleActionCard3",
    "sampleActionCard4",
    "sampleActionCard5",
    "sampleActionCard6",
    "sampleAudio",
    "sampleFile",
    "sampleVideo",
];

/// `sendRobotGroupMessage`.
pub(super) fn by_robot(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let no = |code| Failure::Api(400, code);
    let text = |name: &str| {
        let text = call.body.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let robot = text("robotCode").ok_or(no("invalidParameter.robotCode.empty"))?;
    if robot != call.app && tokens::secret_of(robot, moment)?.is_some() {
        return Err(no("invalidParameter.robotCode.auth"));
    }
    let key = text("msgKey").filter(|key| KEYS.contains(key));
    let key = key.ok_or(no("invalidParameter.msgKey.invalid"))?;
    let param = text("msgParam").ok_or(no("invalidParameter.msgParam.invalid"))?;
    if param.len() > PARAM_BYTES {
        return Err(no("invalidParameter.msgParam.tooLong"));
    }
    let parsed: Value = serde_json::from_str(param).unwrap_or_default();
    if !parsed.is_object() {
        return Err(no("invalidParameter.msgParam.invalid"));
    }
    let id = text("openConversationId").ok_or(no("invalid.openConversationId"))?;
    let group: Option<Found<Group>> = moment.find(Group::KIND, id, View::Present)?;
    let group = group.ok_or(no("invalid.openConversationId"))?;
    if group.doc.disbanded {
        return Err(no("group.disbanded"));
    }
    if !group.doc.has_robot(&call.app) {
        return Err(no("bot.stopped"));
    }
    let word = |name: &str| parsed[name].as_str().map(str::to_owned);
    let seen = Seen {
        kind: key.to_owned(),
        title: word("title"),
        text: word("text").or(word("content")).unwrap_or_default(),
        status_bar: false,
    };
    let sent = post("robot", group, seen, param, call, moment)?;
    Ok(Success::Bare(json!({"processQueryKey": sent})))
}

/// `sendChatLegacy`.
pub(super) fn by_chat_id(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let id = call.text("chatid").map_err(|_| Failure::Refused(34001))?;
    let msg = call.body.get("msg").ok_or(Failure::Refused(34014))?;
    let text = msg.to_string();
    let seen = content::read(msg, &text).map_err(|failure| match failure {
        Failure::Refused(40008) => Failure::Refused(34004),
        Failure::Refused(45002) => Failure::Refused(34016),
        Failure::Refused(40035) => Failure::Refused(34014),
        other => other,
    })?;
    let group: Option<Found<Group>> = moment.find(Group::KIND, id, View::Present)?;
    let group = group
        .filter(|group| !group.doc.disbanded && group.doc.has_robot(&call.app))
        .ok_or(Failure::Refused(34001))?;
    let sent = post("chat", group, seen, &text, call, moment)?;
    Ok(Success::Top(json!({"messageId": sent})))
}

fn post(
    way: &'static str,
    group: Found<Group>,
    seen: Seen,
    content: &str,
    call: &Call<'_>,
    moment: &Moment<'_>,
) -> Result<String, WorldError> {
    let message = Message {
        vendor: "dingtalk",
        id: format!("msg{}", uuid::Uuid::new_v4().simple()),
        way,
        app: call.app.clone(),
        chat: Some(group.id),
        kind: seen.kind,
        title: seen.title,
        text: seen.text,
        doc: content.into(),
        begins_ms: moment.now_ms,
        ..Message::default()
    };
    let people = group.doc.users.into_iter();
    let to: Vec<Receiver> = people
        .map(|person| Receiver::at(person, moment.now_ms))
        .collect();
    message.post(&to, moment)?;
    Ok(message.id)
}
