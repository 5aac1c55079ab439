//! What has come to whom, as the people and the chats of the world see it.
//!
//! It knows no HTTP: `control` shows it as JSON and as a page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dingtalk::Group;
use super::feishu::{Chat, OneToOne};
use super::mail::{Delivery, Sent};
use super::people::Person;
use super::world::{Found, Moment, View, WorldError};

/// A person or a chat, and the messages there, oldest first.
pub(super) struct Box {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) messages: Vec<Item>,
}

/// One message in a box. A time is in milliseconds; what has not happened has none.
pub(super) struct Item {
    pub(super) vendor: String,
    pub(super) message_id: String,
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) text: String,
    pub(super) app: String,
    pub(super) chat: Option<String>,
    pub(super) sent: i64,
    pub(super) delivered: Option<i64>,
    pub(super) read: Option<i64>,
    pub(super) recalled: Option<i64>,
    /// The vendor's code for dropping it silently.
    pub(super) dropped: Option<String>,
}

/// Everybody's box, and every chat's, at one instant.
pub(super) struct Inbox {
    pub(super) now_ms: i64,
    pub(super) people: Vec<Box>,
    pub(super) chats: Vec<Box>,
}

impl Item {
    fn of(sent: &Sent, to: Option<&Delivery>, now_ms: i64) -> Item {
        let delivered = match to {
            Some(to) => sent.came(to, now_ms),
            None => Some(sent.sent_ms),
        };
        Item {
            vendor: sent.vendor.clone(),
            message_id: sent.vendors_id().to_owned(),
            kind: sent.kind.clone(),
            title: sent.title.clone(),
            text: sent.text.clone(),
            app: sent.app.clone(),
            chat: sent.chat.clone(),
            sent: sent.sent_ms,
            delivered,
            read: to.and_then(|to| to.read(now_ms)),
            recalled: sent.withdrawn(now_ms),
            dropped: to.and_then(|to| to.dropped.clone()),
        }
    }

    fn json(&self) -> Value {
        json!({
            "vendor": self.vendor,
            "message_id": self.message_id,
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "app": self.app,
            "chat": self.chat,
            "sent": time(self.sent),
            "delivered": self.delivered.map(time),
            "read": self.read.map(time),
            "recalled": self.recalled.map(time),
            "dropped": self.dropped,
        })
    }
}

/// An instant as people write it, in UTC.
pub(super) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

impl Inbox {
    /// All that was sent by now.
    pub(super) fn of(moment: &Moment<'_>) -> Result<Inbox, WorldError> {
        let now_ms = moment.now_ms;
        let mut people: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        let mut chats: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for sent in Sent::all(moment)? {
            if let Some(chat) = &sent.chat {
                let item = Item::of(&sent, None, now_ms);
                chats.entry(chat.clone()).or_default().push(item);
            }
            for to in sent.deliveries(moment)? {
                let item = Item::of(&sent, Some(&to), now_ms);
                people.entry(to.person).or_default().push(item);
            }
        }
        let people = people.into_iter().map(|(id, messages)| {
            let found: Option<Found<Person>> = moment.find(Person::KIND, &id, View::Present)?;
            let name = found.map_or_else(|| id.clone(), |found| found.doc.name);
            Ok(Box { id, name, messages })
        });
        let people = people.collect::<Result<_, WorldError>>()?;
        let mut boxes = Vec::new();
        for (id, messages) in chats {
            // What an app and a person say to each other is in the person's box.
            if moment
                .find::<OneToOne>(OneToOne::KIND, &id, View::Present)?
                .is_none()
            {
                let name = name_of_chat(&id, moment)?;
                boxes.push(Box { id, name, messages });
            }
        }
        Ok(Inbox {
            now_ms,
            people,
            chats: boxes,
        })
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let boxes = |boxes: &[Box]| {
            let shown = boxes.iter().map(|one| {
                let messages: Vec<Value> = one.messages.iter().map(Item::json).collect();
                json!({"id": one.id, "name": one.name, "messages": messages})
            });
            Value::Array(shown.collect())
        };
        json!({
            "now": time(self.now_ms),
            "people": boxes(&self.people),
            "chats": boxes(&self.chats),
        })
    }
}

fn name_of_chat(id: &str, moment: &Moment<'_>) -> Result<String, WorldError> {
    let chat: Option<Found<Chat>> = moment.find(Chat::KIND, id, View::Present)?;
    let group: Option<Found<Group>> = moment.find(Group::KIND, id, View::Present)?;
    let name = chat.and_then(|chat| chat.doc.name);
    Ok(name
        .or(group.map(|group| group.doc.name))
        .unwrap_or_else(|| id.to_owned()))
}
