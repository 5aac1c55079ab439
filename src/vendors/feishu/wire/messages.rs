//! The shapes of messages.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Entry, id, nullable};

/// The body of a message to one receiver.
#[derive(Serialize)]
pub(crate) struct MessageBody<'a> {
    pub(crate) receive_id: &'a str,
    pub(crate) msg_type: &'a str,
    /// JSON as text.
    pub(crate) content: &'a str,
    pub(crate) uuid: &'a str,
}

/// `data` of a message that was sent.
#[derive(Deserialize)]
pub(crate) struct OneMessage {
    #[serde(deserialize_with = "id")]
    pub(crate) message_id: String,
}

/// Somebody who has read a message.
#[derive(Deserialize)]
pub(crate) struct Reader {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: String,
}

impl Entry for Reader {
    fn id(&self) -> &str {
        &self.user_id
    }
}

/// The body of a message to many.
#[derive(Serialize)]
pub(crate) struct BatchBody<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) department_ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) open_ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) user_ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) union_ids: Vec<&'a str>,
    pub(crate) msg_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<&'a Value>,
}

/// `data` of a message to many that is queued.
#[derive(Deserialize)]
pub(crate) struct BatchSent {
    #[serde(deserialize_with = "id")]
    pub(crate) message_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) invalid_department_ids: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) invalid_open_ids: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) invalid_user_ids: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) invalid_union_ids: Vec<String>,
}

/// `data` of how far a message to many is.
#[derive(Deserialize)]
pub(crate) struct Progress {
    #[serde(
        rename = "batch_message_send_progress",
        default,
        deserialize_with = "nullable"
    )]
    pub(crate) sent: SendProgress,
    #[serde(
        rename = "batch_message_recall_progress",
        default,
        deserialize_with = "nullable"
    )]
    pub(crate) recalled: RecallProgress,
}

#[derive(Default, Deserialize)]
pub(crate) struct SendProgress {
    #[serde(rename = "valid_user_ids_count", default, deserialize_with = "count")]
    pub(crate) valid: u64,
    #[serde(rename = "success_user_ids_count", default, deserialize_with = "count")]
    pub(crate) success: u64,
    #[serde(rename = "read_user_ids_count", default, deserialize_with = "count")]
    pub(crate) read: u64,
}

#[derive(Default, Deserialize)]
pub(crate) struct RecallProgress {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) recall: bool,
}

/// `data` of how many have read a message to many.
#[derive(Deserialize)]
pub(crate) struct BatchReaders {
    pub(crate) read_user: ReadUser,
}

#[derive(Deserialize)]
pub(crate) struct ReadUser {
    #[serde(rename = "read_count", deserialize_with = "count")]
    pub(crate) read: u64,
}

/// `data` of an image that was uploaded.
#[derive(Deserialize)]
pub(crate) struct UploadedImage {
    #[serde(deserialize_with = "id")]
    pub(crate) image_key: String,
}

/// Reads a count, which is a number in one answer and text in another; null is none.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let count = match Value::deserialize(from)? {
        Value::Null => Some(0),
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    };
    count.ok_or_else(|| D::Error::custom("not a count"))
}
