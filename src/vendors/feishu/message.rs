//! One message to one receiver, a chat or a person (pages of `im-v1/message`).

use serde_json::Value;

use super::call::Ask;
use super::codes::says;
use super::wire::{MessageBody, OneMessage, Reader, data};
use super::{Feishu, json, page};
use crate::engine::ApiError;
use crate::engine::channel::{Parcel, Receipt, Sent, To};
use crate::model::group::Recipient;
use crate::vendors::digest::digest;
use crate::vendors::limits::{CREATE_MESSAGE, MESSAGE_READ_USERS, RECALL_MESSAGE};

/// A person's `receive_id_type` and id, where Feishu sends to one by it.
pub(super) fn address(recipient: &Recipient) -> Option<(&'static str, &str)> {
    Some(match recipient {
        Recipient::OpenId(id) => ("open_id", id),
        Recipient::UnionId(id) => ("union_id", id),
        Recipient::UserId(id) => ("user_id", id),
        Recipient::Email(id) => ("email", id),
        Recipient::Everyone
        | Recipient::Department(_)
        | Recipient::OpenDepartment(_)
        | Recipient::Mobile(_) => return None,
    })
}

/// A parcel for one receiver. The same arguments always make the same `uuid`.
pub(super) fn parcel(
    kind: &str,
    content: &str,
    (id_type, id): (&str, &str),
    to: To,
    key: &str,
) -> Parcel {
    let uuid = digest([key, id_type, id, kind, content]);
    let body = MessageBody {
        receive_id: id,
        msg_type: kind,
        content,
        uuid: &uuid,
    };
    Parcel {
        operation: CREATE_MESSAGE.to_owned(),
        query: vec![("receive_id_type".to_owned(), id_type.to_owned())],
        body: json(&body),
        to: [to].into(),
    }
}

/// Whether Feishu knows the message by a key.
pub(super) fn has_uuid(parcel: &Parcel) -> bool {
    let body: Option<Value> = serde_json::from_str(&parcel.body).ok();
    let uuid = body.as_ref().and_then(|body| body["uuid"].as_str());
    uuid.is_some_and(|uuid| !uuid.is_empty())
}

pub(super) async fn send(feishu: &Feishu, parcel: &Parcel) -> Result<Sent, ApiError> {
    let pairs = parcel.query.iter();
    let query: Vec<(&str, &str)> = pairs.map(|(name, value)| (&**name, &**value)).collect();
    let ask = Ask::new(CREATE_MESSAGE)
        .query(&query)
        .body(Some(&parcel.body));
    let sent: OneMessage = feishu.call(&ask, data).await?;
    Ok(Sent {
        message: Some(sent.message_id),
        invalid: Vec::new(),
    })
}

/// Feishu tells who has read a message, not who has it.
pub(super) async fn receipt(
    feishu: &Feishu,
    parcel: &Parcel,
    id: &str,
) -> Result<Receipt, ApiError> {
    let query = [("user_id_type", "open_id"), ("page_size", "100")];
    let is_person = parcel.to.iter().all(|to| matches!(to, To::Recipient(_)));
    let mut receipt = Receipt {
        valid: is_person.then_some(1),
        is_done: true,
        ..Receipt::default()
    };
    match page::all::<Reader>(feishu, MESSAGE_READ_USERS, &[id], &query).await {
        Ok(readers) => {
            receipt.read = u64::try_from(readers.len()).ok();
            let reader = |reader: Reader| Recipient::OpenId(reader.user_id.into());
            receipt.readers = readers.into_iter().map(reader).collect();
        }
        Err(error @ ApiError::Refused(_)) if says(&error, 230110) => receipt.is_recalled = true,
        Err(error) => return Err(error),
    }
    Ok(receipt)
}

pub(super) async fn recall(feishu: &Feishu, id: &str) -> Result<(), ApiError> {
    let ids = [id];
    let ask = Ask::new(RECALL_MESSAGE).ids(&ids);
    feishu.call(&ask, |_| Ok(())).await
}

#[cfg(test)]
mod tests {
    use crate::model::ChatId;

    use super::*;

    fn parcel_to(id: &str, content: &str, key: &str) -> Parcel {
        let to = To::Chat(ChatId::new(id));
        parcel("text", content, ("chat_id", id), to, key)
    }

    #[test]
    fn a_body_is_exact() {
        let parcel = parcel_to("oc_1", r#"{"text":"早"}"#, "p/weekly@1");
        assert_eq!(
            parcel.body,
            r#"{"receive_id":"oc_1","msg_type":"text","content":"{\"text\":\"早\"}","uuid":"5a04a5a6d0621c979aa79e90bcd49858b26fbd17"}"#
        );
        let query = [("receive_id_type".to_owned(), "chat_id".to_owned())];
        assert_eq!(parcel.query, query);
        assert!(has_uuid(&parcel));
        let keyless = Parcel {
            body: r#"{"receive_id":"oc_1"}"#.to_owned(),
            ..parcel
        };
        assert!(!has_uuid(&keyless));
    }

    #[test]
    fn a_uuid_stands_for_key_receiver_and_content() {
        let first = parcel_to("oc_1", "a", "k");
        assert_eq!(first, parcel_to("oc_1", "a", "k"));
        for other in [
            parcel_to("oc_2", "a", "k"),
            parcel_to("oc_1", "b", "k"),
            parcel_to("oc_1", "a", "l"),
        ] {
            let uuid = |parcel: &Parcel| {
                let body: Value = serde_json::from_str(&parcel.body).unwrap();
                body["uuid"].as_str().unwrap().to_owned()
            };
            assert_ne!(uuid(&first), uuid(&other));
            assert!(uuid(&other).len() <= 50);
        }
    }
}
