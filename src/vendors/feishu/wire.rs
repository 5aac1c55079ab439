//! The shapes on Feishu's wire, as its pages and SDKs have them; private, so that nothing else learns
//! them.
//!
//! Readers are lenient where the contract says that the vendor is: what is absent or null is empty, and
//! unknown members are passed over. An object without its id is an error, never an object less, because
//! a subscription that is missing from a list counts as gone.

mod messages;
mod people;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub(crate) use messages::*;
pub(crate) use people::*;

/// The members of an answer's object.
pub(crate) type Members = Map<String, Value>;

/// Takes the `data` of an envelope.
pub(crate) fn data<T: for<'de> Deserialize<'de>>(envelope: Members) -> Result<T, String> {
    let mut envelope = envelope;
    let data = envelope.remove("data").unwrap_or(Value::Null);
    // serde would read a list as an object whose members come in order.
    if !data.is_object() {
        return Err("data is not an object".to_owned());
    }
    serde_json::from_value(data).map_err(|e| format!("data: {e}"))
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
        return Err(serde::de::Error::custom("an empty id"));
    }
    Ok(id)
}

/// `data` of a list that comes in pages. Groups and their members stand under names of their own.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct Page<T> {
    #[serde(
        default,
        deserialize_with = "nullable",
        alias = "grouplist",
        alias = "memberlist"
    )]
    pub(crate) items: Vec<T>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) page_token: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) has_more: bool,
}

/// An entry of a list, told from others by its id.
pub(crate) trait Entry: DeserializeOwned {
    fn id(&self) -> &str;
}

impl Entry for Tasklist {
    fn id(&self) -> &str {
        &self.guid
    }
}

/// `data` of one tasklist.
#[derive(Deserialize)]
pub(crate) struct OneTasklist {
    pub(crate) tasklist: Tasklist,
}

#[derive(Deserialize)]
pub(crate) struct Tasklist {
    #[serde(deserialize_with = "id")]
    pub(crate) guid: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) owner: TasklistMember,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) members: Vec<TasklistMember>,
}

/// Somebody or something with rights on a tasklist. All of it may be missing.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct TasklistMember {
    #[serde(deserialize_with = "nullable")]
    pub(crate) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) role: String,
}

/// `data` of the subscription list.
#[derive(Deserialize)]
pub(crate) struct SubscriptionList {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) items: Vec<Subscription>,
    /// Not documented: one call holds all. Were it ever said, the list would be a part only.
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) has_more: bool,
}

/// `data` of one subscription.
#[derive(Deserialize)]
pub(crate) struct OneSubscription {
    pub(crate) activity_subscription: Subscription,
}

#[derive(Deserialize)]
pub(crate) struct Subscription {
    #[serde(deserialize_with = "id")]
    pub(crate) guid: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) subscribers: Vec<Subscriber>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) include_keys: Vec<u32>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) disabled: bool,
}

/// A subscriber in an answer; its type, role and name are of no meaning to us.
#[derive(Deserialize)]
pub(crate) struct Subscriber {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
}

/// `data` of the membership check.
#[derive(Deserialize)]
pub(crate) struct InChat {
    pub(crate) is_in_chat: bool,
}

/// The fields of a subscription in a request; those that are none are absent.
#[derive(Serialize)]
pub(crate) struct SubscriptionFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscribers: Option<Vec<SubscriberRef<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) include_keys: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disabled: Option<bool>,
}

/// A subscriber in a request. The vendor's default type is `user`, which subscriptions refuse, so the
/// type is always sent.
#[derive(Serialize)]
pub(crate) struct SubscriberRef<'a> {
    pub(crate) id: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// The body of a patch.
#[derive(Serialize)]
pub(crate) struct SubscriptionPatch<'a> {
    pub(crate) activity_subscription: SubscriptionFields<'a>,
    pub(crate) update_fields: Vec<&'static str>,
}

/// The body of a token request.
#[derive(Serialize)]
pub(crate) struct Credentials<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) app_secret: &'a str,
}

/// The answer to a token request; its members stand beside `code`, not under `data`.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    #[serde(deserialize_with = "id")]
    pub(crate) tenant_access_token: String,
    /// Seconds that it still lives.
    pub(crate) expire: u64,
}

/// `error` of an envelope. Its parts are read one by one, so that an odd one hides no other.
#[derive(Default)]
pub(crate) struct ErrorDetail {
    pub(crate) log_id: Option<String>,
    /// Field, and what is wrong with it.
    pub(crate) fields: Vec<(String, String)>,
    /// Missing scopes.
    pub(crate) scopes: Vec<String>,
    /// Where to grant them, or to read on.
    pub(crate) url: Option<String>,
}

impl ErrorDetail {
    pub(crate) fn of(envelope: &Members) -> Self {
        let Some(error) = envelope.get("error") else {
            return Self::default();
        };
        let list = |key: &str| {
            error
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let field = |v: &Value| {
            let what = text(v, "description").or_else(|| text(v, "value"));
            Some((text(v, "field")?, what.unwrap_or_default()))
        };
        let url = |v: &Value| text(v, "url");
        Self {
            log_id: text(error, "log_id").or_else(|| text(error, "logid")),
            fields: list("field_violations").filter_map(field).collect(),
            // `subject` in live answers and SDKs, `scope` in the calling guide.
            scopes: list("permission_violations")
                .filter_map(|v| text(v, "subject").or_else(|| text(v, "scope")))
                .collect(),
            url: list("permission_violations")
                .find_map(url)
                .or_else(|| list("helps").find_map(url)),
        }
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
