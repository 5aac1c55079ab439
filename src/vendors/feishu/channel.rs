//! Messages at Feishu: to chats one by one (`message.rs`), to people and departments in batches
//! (`batch.rs`), and to a few people one by one where the letter asks for it.
//!
//! # Guarantees
//!
//! - A message to a chat, or to one person, carries a `uuid` that is made of its letter's key, its
//!   receiver and its content: Feishu delivers at most one message per `uuid` and hour, so that its
//!   bytes may be sent again within [`REPEAT`] of the first attempt and make no second message.
//! - A batch has no key, and nothing finds it again: it leaves once, and after an unknown outcome it is
//!   never sent again by itself. Only what was refused before any effect (a dead token, a throttle) is
//!   tried again within one send, of either kind.
//! - People whom Feishu does not take are told of in [`Sent::invalid`]; the others get the message.
//!
//! # Assumptions
//!
//! - Within an hour Feishu answers a `uuid` that it has seen with success or with a refusal, and not
//!   with a second message (page `im-v1/message/create`).
//! - The throttles of the message service (11232, 11233, 230020) refuse before any effect.
//!
//! # Caveats
//!
//! - After the hour the same `uuid` makes a second message; the clock is the caller's.
//! - What a repeat of a message that arrived is answered is not documented. When it is a refusal, a
//!   message that did arrive is told as refused.
//! - A person who is named by two kinds of id, or by name and by department, may get a batch twice.
//! - Feishu never says that a batch is finished; it counts as done when all whom it counts have it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Feishu, batch, content, image, message};
use crate::engine::channel::{
    Channel, Job, Letter, Parcel, People, RecallRules, Receipt, Repeat, Sent, To, UploadError,
};
use crate::engine::polls::Rhythm;
use crate::engine::quota::Quota;
use crate::engine::{ApiError, Pending, Reader, Writer};
use crate::model::AppId;
use crate::model::group::Recipient;
use crate::vendors::limits::{BATCH_SEND, CREATE_MESSAGE};

/// How long after the first attempt a message with a `uuid` may be sent again: the hour of the contract
/// without what a send may take.
const REPEAT: SignedDuration = SignedDuration::from_mins(55);

/// Questions are free, within the rate: often at first, when most people read, and then each hour.
const AFTER: &[SignedDuration] = &[
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(20),
    SignedDuration::from_mins(40),
    SignedDuration::from_mins(60),
];

/// Of a message it is told for a week who has read it (page `im-v1/message/read_users`).
const MESSAGES: Rhythm = Rhythm {
    after: AFTER,
    every: Some(SignedDuration::from_mins(60)),
    window: SignedDuration::from_hours(7 * 24),
};

/// Of a batch it is told for thirty days how it fares (page `im-v1/batch_message/get_progress`).
const BATCHES: Rhythm = Rhythm {
    after: AFTER,
    every: Some(SignedDuration::from_mins(60)),
    window: SignedDuration::from_hours(30 * 24),
};

/// The most people who get a message each.
const ONE_BY_ONE: usize = 20;

fn pack(letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String> {
    let to: BTreeSet<&To> = to.iter().collect();
    let mut one_by_one = Vec::new();
    let mut together = Vec::new();
    let mut people = 0;
    for to in to {
        match to {
            To::Chat(chat) if chat.pending().is_some() => {
                return Err("a chat has no id yet".to_owned());
            }
            To::Chat(chat) => one_by_one.push((to, "chat_id", chat.as_str())),
            To::Recipient(recipient) => match (letter.people, message::address(recipient)) {
                (People::OneByOne, Some((kind, id))) => {
                    people += 1;
                    one_by_one.push((to, kind, id));
                }
                _ => together.push(recipient),
            },
        }
    }
    if people > ONE_BY_ONE {
        return Err(format!(
            "a message each is for at most {ONE_BY_ONE} people, and these are {people}"
        ));
    }
    let mut parcels = Vec::new();
    if !one_by_one.is_empty() {
        let content = content::alone(letter)?;
        let each = one_by_one.into_iter();
        parcels.extend(each.map(|(to, kind, id)| {
            message::parcel(&letter.kind, &content, (kind, id), to.clone(), key)
        }));
    }
    if !together.is_empty() {
        let content = content::batch(letter)?;
        parcels.extend(batch::parcels(&letter.kind, &content, &together)?);
    }
    Ok(parcels)
}

async fn send(feishu: &Feishu, parcel: &Parcel) -> Result<Sent, ApiError> {
    match parcel.operation.as_str() {
        CREATE_MESSAGE => message::send(feishu, parcel).await,
        BATCH_SEND => batch::send(feishu, parcel).await,
        _ => Err(stranger(parcel)),
    }
}

async fn receipt(feishu: &Feishu, parcel: &Parcel, id: &str) -> Result<Receipt, ApiError> {
    match parcel.operation.as_str() {
        CREATE_MESSAGE => message::receipt(feishu, parcel, id).await,
        BATCH_SEND => batch::receipt(feishu, id).await,
        _ => Err(stranger(parcel)),
    }
}

async fn recall(feishu: &Feishu, parcel: &Parcel, id: &str) -> Result<(), ApiError> {
    match parcel.operation.as_str() {
        CREATE_MESSAGE => message::recall(feishu, id).await,
        BATCH_SEND => batch::recall(feishu, id).await,
        _ => Err(stranger(parcel)),
    }
}

fn stranger(parcel: &Parcel) -> ApiError {
    let operation = &parcel.operation;
    ApiError::Unreachable(format!("this version of beadle does not know {operation}"))
}

/// Why a recipient gets nothing from Feishu; none when it can.
pub(super) fn obstacle(recipient: &Recipient) -> Option<&'static str> {
    match recipient {
        Recipient::Everyone => Some(
            "Feishu sends to nobody but the people and departments that are named; it has no way to \
             send to everyone",
        ),
        Recipient::Email(_) => Some(
            "Feishu sends no batch to e-mail addresses; look up whose they are, or have people get \
             a message each",
        ),
        Recipient::Mobile(_) => {
            Some("Feishu sends nothing to mobile numbers; look up whose they are")
        }
        Recipient::Department(_)
        | Recipient::OpenDepartment(_)
        | Recipient::OpenId(_)
        | Recipient::UnionId(_)
        | Recipient::UserId(_) => None,
    }
}

impl Channel for Feishu {
    fn app(&self) -> &AppId {
        Reader::app(self)
    }

    fn pack(&self, letter: &Letter, to: &[To], key: &str) -> Result<Vec<Parcel>, String> {
        pack(letter, to, key)
    }

    fn repeats(&self, parcel: &Parcel) -> Repeat {
        if parcel.operation == CREATE_MESSAGE && message::has_uuid(parcel) {
            Repeat::For(REPEAT)
        } else {
            Repeat::Never
        }
    }

    fn rhythm(&self, parcel: &Parcel) -> Rhythm {
        if parcel.operation == BATCH_SEND {
            BATCHES
        } else {
            MESSAGES
        }
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Result<Sent, ApiError>> {
        Box::pin(send(self, parcel))
    }

    fn receipt<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<Receipt, ApiError>> {
        Box::pin(receipt(self, parcel, message))
    }

    fn recall<'a>(
        &'a self,
        parcel: &'a Parcel,
        message: &'a str,
    ) -> Pending<'a, Result<(), ApiError>> {
        Box::pin(recall(self, parcel, message))
    }

    /// A message that is gone already counts as taken back, and a batch is asked first whether it is.
    fn recalls(&self, parcel: &Parcel) -> Result<RecallRules, String> {
        match parcel.operation.as_str() {
            CREATE_MESSAGE | BATCH_SEND => Ok(RecallRules {
                within: None,
                repeats: true,
            }),
            _ => Err(stranger(parcel).to_string()),
        }
    }

    fn quota(&self, _: &Parcel, _: Job, _: Timestamp) -> Quota {
        Quota::default()
    }

    fn upload<'a>(&'a self, image: &'a [u8]) -> Pending<'a, Result<String, UploadError>> {
        Box::pin(image::upload(self, image))
    }

    fn timeout_ms(&self) -> u64 {
        Writer::timeout_ms(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn people(count: usize) -> Vec<To> {
        let person = |n| To::Recipient(Recipient::OpenId(format!("ou_{n:03}").into()));
        (0..count).map(person).collect()
    }

    #[test]
    fn a_message_each_is_for_a_few_people() {
        let mut letter = Letter::new("text", json!({"text": "hi"}));
        letter.people = People::OneByOne;
        assert_eq!(pack(&letter, &people(20), "k").unwrap().len(), 20);
        let refused = pack(&letter, &people(21), "k").unwrap_err();
        assert!(refused.contains("at most 20 people"), "{refused}");
        letter.people = People::Together;
        assert_eq!(pack(&letter, &people(21), "k").unwrap().len(), 1);
    }

    #[test]
    fn departments_come_in_a_batch_also_where_people_get_a_message_each() {
        let mut letter = Letter::new("text", json!({"text": "hi"}));
        letter.people = People::OneByOne;
        let mut to = people(1);
        to.push(To::Recipient(Recipient::OpenDepartment("od-1".into())));
        let parcels = pack(&letter, &to, "k").unwrap();
        let operations: Vec<_> = parcels.iter().map(|p| p.operation.as_str()).collect();
        assert_eq!(operations, [CREATE_MESSAGE, BATCH_SEND]);
    }
}
