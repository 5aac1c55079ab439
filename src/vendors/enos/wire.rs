//! The shapes on EnOS's wire; private, so that nothing else learns them.
//!
//! Of a user nothing but the id is read: names, addresses and numbers are not ours to know.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::vendors::calls::Members;

/// The body of a token request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenQuery<'a> {
    pub(super) app_key: &'a str,
    pub(super) encryption: &'a str,
    pub(super) timestamp: i64,
    /// The token to be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_token: Option<&'a str>,
}

/// `data` of a token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    #[serde(deserialize_with = "id")]
    pub(super) access_token: String,
    /// Seconds that it still lives.
    pub(super) expire: u64,
}

/// The body of a request for users of an OU.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RosterQuery<'a> {
    pub(super) org_id: &'a str,
    pub(super) pagination: PageQuery,
    pub(super) user_ids: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageQuery {
    pub(super) page_no: usize,
    pub(super) page_size: usize,
}

/// `data` of a page of users.
#[derive(Deserialize)]
pub(super) struct Roster {
    /// Required: a list that is missing would make everybody unknown.
    pub(super) users: Vec<User>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) pagination: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    #[serde(deserialize_with = "id")]
    pub(super) user_id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Page {
    /// What the vendor made of the size that was asked for.
    pub(super) page_size: Option<usize>,
    pub(super) total_elements: Option<usize>,
}

/// Reads null as the default.
fn nullable<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads an id, which is never empty.
fn id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let id = String::deserialize(from)?;
    if id.is_empty() {
        return Err(D::Error::custom("an empty id"));
    }
    Ok(id)
}

/// The body of a call that makes or sends notices.
#[derive(Serialize)]
pub(super) struct ProduceBody {
    pub(super) messages: Vec<Value>,
}

/// The body of a question about a notice.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetQuery<'a> {
    pub(super) message_id: &'a str,
}

/// What a success says of the notices: the page's table has a flag, its sample a flag in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Produced {
    Yes,
    No,
    /// Nothing.
    Unsaid,
}

impl Produced {
    pub(super) fn read(members: Members) -> Result<Self, String> {
        let data = members.get("data").unwrap_or(&Value::Null);
        let flag = match data {
            Value::Null => return Ok(Produced::Unsaid),
            Value::Object(members) => members.get("success"),
            flag => Some(flag),
        };
        match flag {
            Some(Value::Bool(true)) => Ok(Produced::Yes),
            Some(Value::Bool(false)) => Ok(Produced::No),
            _ => Err("data is neither a flag nor says `success`".to_owned()),
        }
    }
}
