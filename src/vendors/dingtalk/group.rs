//! Messages of the app's robot to groups (page `the-robot-sends-a-group-message`).
//!
//! The robot has to be in the group. Nothing tells a repeat from a second message, and no call tells
//! what became of one.

use serde_json::Value;

use super::wire::GroupMessage;
use super::{DingTalk, json};
use crate::engine::ApiError;
use crate::engine::channel::{Letter, Parcel, Receipt, Sent, To};
use crate::model::ChatId;
use crate::vendors::calls::{self, Members, text};
use crate::vendors::limits::dingtalk::{SEND_TO_GROUP, row};

/// The robot's templates (`msgKey` of the contract).
const TEMPLATES: [&str; 13] = [
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

/// The most bytes of `msgParam`.
const BYTES: usize = 15_000;

pub(super) fn parcels(
    robot: Option<&str>,
    letter: &Letter,
    chats: &[&ChatId],
) -> Result<Vec<Parcel>, String> {
    let robot = robot.ok_or(
        "DingTalk's groups are sent to by the app's robot, and the provider names none".to_owned(),
    )?;
    let template = match letter.kind.as_str() {
        "text" => "sampleText",
        "markdown" => "sampleMarkdown",
        kind => *TEMPLATES.iter().find(|known| **known == kind).ok_or_else(|| {
            format!(
                "DingTalk's robot has no template for a `{kind}`; the kinds are text, markdown, {}",
                TEMPLATES.join(", ")
            )
        })?,
    };
    let Value::Object(_) = letter.content else {
        return Err(format!("the content of a `{template}` is not a mapping"));
    };
    let param = letter.content.to_string();
    if param.len() > BYTES {
        let bytes = param.len();
        return Err(format!(
            "a robot's message has at most {BYTES} bytes at DingTalk, and this one has {bytes}"
        ));
    }
    let parcel = |chat: &&ChatId| {
        if chat.pending().is_some() || chat.as_str().starts_with("oc_") {
            return Err("a chat of Feishu is no group of DingTalk".to_owned());
        }
        let message = GroupMessage {
            robot_code: robot,
            open_conversation_id: chat.as_str(),
            msg_key: template,
            msg_param: &param,
        };
        Ok(Parcel {
            operation: SEND_TO_GROUP.to_owned(),
            query: Vec::new(),
            body: json(&message),
            to: [To::Chat((*chat).clone())].into(),
        })
    };
    chats.iter().map(parcel).collect()
}

pub(super) async fn send(client: &DingTalk, parcel: &Parcel) -> Result<Sent, ApiError> {
    let read = |members: Members| {
        text(&members, "processQueryKey").ok_or_else(|| "it names no message".to_owned())
    };
    let key = calls::write(client, row(SEND_TO_GROUP), &parcel.body, read).await?;
    Ok(Sent {
        message: Some(key),
        invalid: Vec::new(),
    })
}

pub(super) fn receipt() -> Receipt {
    Receipt {
        untold: Some("DingTalk's robot does not tell who has a message to a group".to_owned()),
        ..Receipt::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_exact() {
        let letter = Letter::new("markdown", json!({"title": "T", "text": "**早**"}));
        let parcels = parcels(Some("robot"), &letter, &[&ChatId::new("cid1=")]).unwrap();
        assert_eq!(
            parcels[0].body,
            r#"{"robotCode":"robot","openConversationId":"cid1=","msgKey":"sampleMarkdown","msgParam":"{\"title\":\"T\",\"text\":\"**早**\"}"}"#
        );
    }

    #[test]
    fn what_the_robot_cannot_say_is_refused_in_words() {
        let group = ChatId::new("cid1=");
        let text = Letter::new("text", json!({"content": "x"}));
        for (robot, letter, chat, words) in [
            (None, text.clone(), group.clone(), "names none"),
            (Some("r"), text, ChatId::new("oc_1"), "chat of Feishu"),
            (
                Some("r"),
                Letter::new("oa", json!({})),
                group.clone(),
                "no template for a `oa`",
            ),
            (
                Some("r"),
                Letter::new("sampleText", json!({"content": "x".repeat(BYTES)})),
                group.clone(),
                "at most 15000",
            ),
            (
                Some("r"),
                Letter::new("text", json!("x")),
                group,
                "not a mapping",
            ),
        ] {
            let why = parcels(robot, &letter, &[&chat]).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
