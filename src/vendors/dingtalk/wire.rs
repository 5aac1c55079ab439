//! The shapes on DingTalk's wire; private, so that nothing else learns them.
//!
//! Readers are lenient where the contract says that the vendor is: numbers and booleans may come as
//! text. What a look-up does not need is not read, least of all what people are called.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The body of a token request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials<'a> {
    pub(super) app_key: &'a str,
    pub(super) app_secret: &'a str,
}

/// The answer to a token request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    #[serde(deserialize_with = "id")]
    pub(super) access_token: String,
    /// Seconds that it still lives.
    #[serde(deserialize_with = "seconds")]
    pub(super) expire_in: u64,
}

/// The answer to a token request of the older form.
#[derive(Deserialize)]
pub(super) struct LegacyToken {
    #[serde(deserialize_with = "id")]
    pub(super) access_token: String,
    #[serde(deserialize_with = "seconds")]
    pub(super) expires_in: u64,
}

#[derive(Serialize)]
pub(super) struct UserQuery<'a> {
    pub(super) userid: &'a str,
}

#[derive(Serialize)]
pub(super) struct MobileQuery<'a> {
    pub(super) mobile: &'a str,
}

#[derive(Serialize)]
pub(super) struct DepartmentQuery {
    pub(super) dept_id: i64,
}

/// `result` of a user.
#[derive(Deserialize)]
pub(super) struct User {
    #[serde(deserialize_with = "id")]
    pub(super) userid: String,
    /// Whether they have activated DingTalk.
    #[serde(default = "yes", deserialize_with = "not_false")]
    pub(super) active: bool,
}

/// `result` of a mobile number.
#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(deserialize_with = "id")]
    pub(super) userid: String,
}

/// `result` of a department.
#[derive(Deserialize)]
pub(super) struct Department {
    #[serde(deserialize_with = "number")]
    pub(super) dept_id: i64,
}

/// Reads an id, which is never empty.
fn id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = String::deserialize(from)?;
    if id.is_empty() {
        return Err(D::Error::custom("an empty id"));
    }
    Ok(id)
}

fn yes() -> bool {
    true
}

fn not_false<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value != false && value != "false")
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let number = match Value::deserialize(from)? {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| D::Error::custom("not a whole number"))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    u64::try_from(number(from)?).map_err(|_| D::Error::custom("a negative lifetime"))
}

/// The body of a work notification.
#[derive(Serialize)]
pub(super) struct Notification<'a> {
    pub(super) agent_id: u64,
    /// Ids joined by commas, as is the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) userid_list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dept_id_list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to_all_user: Option<bool>,
    pub(super) msg: &'a Value,
}

/// The answer to a work notification.
#[derive(Deserialize)]
pub(super) struct Task {
    #[serde(deserialize_with = "task")]
    pub(super) task_id: u64,
}

/// The body of a question about a work notification.
#[derive(Serialize)]
pub(super) struct TaskQuery {
    pub(super) agent_id: u64,
    pub(super) task_id: u64,
}

/// The body that takes a work notification back, where the task has another name.
#[derive(Serialize)]
pub(super) struct RecallQuery {
    pub(super) agent_id: u64,
    pub(super) msg_task_id: u64,
}

/// `progress` of a work notification.
#[derive(Deserialize)]
pub(super) struct ProgressAnswer {
    /// 0 not started, 1 running, 2 done.
    #[serde(deserialize_with = "number")]
    pub(super) status: i64,
}

/// `send_result` of a work notification. Every list may be missing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SendResult {
    #[serde(deserialize_with = "nullable")]
    pub(super) invalid_user_id_list: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) forbidden_user_id_list: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) failed_user_id_list: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) read_user_id_list: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) unread_user_id_list: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) invalid_dept_id_list: Vec<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) forbidden_list: Vec<Forbidden>,
}

/// Somebody whom a quota or a setting kept a notification from.
#[derive(Deserialize)]
pub(super) struct Forbidden {
    #[serde(deserialize_with = "word")]
    pub(super) code: String,
    pub(super) userid: String,
}

/// The body of a robot's message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupMessage<'a> {
    pub(super) robot_code: &'a str,
    pub(super) open_conversation_id: &'a str,
    pub(super) msg_key: &'a str,
    /// JSON as text.
    pub(super) msg_param: &'a str,
}

/// Reads null as the default.
fn nullable<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn task<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    u64::try_from(number(from)?).map_err(|_| D::Error::custom("a negative id"))
}

fn word<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::String(word) => Ok(word),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(D::Error::custom("no code")),
    }
}
