//! What is written, in the words of the manifest.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Name;
use crate::model::manifest::Manifest;

/// A manifest, or a file that one includes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) providers: BTreeMap<String, ProviderBlock>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tasklists: BTreeMap<String, TasklistBlock>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) chats: BTreeMap<String, ChatBlock>,
    /// By group, then by the provider's key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) recipient_groups: BTreeMap<String, BTreeMap<String, PeopleBlock>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tasklist_subscriptions: BTreeMap<String, SubscriptionBlock>,
}

#[derive(Debug, Serialize)]
pub(super) struct ProviderBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vendor: Option<&'static str>,
    pub(super) base_url: String,
    pub(super) app_id: String,
    pub(super) app_secret: String,
}

#[derive(Debug, Serialize)]
pub(super) struct TasklistBlock {
    pub(super) guid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ChatBlock {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manage: Option<ManageBlock>,
}

#[derive(Debug, Serialize)]
pub(super) struct ManageBlock {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<String>,
    /// Said where nobody is listed, whatever the project's defaults are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra_members: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct PeopleBlock {
    pub(super) users: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_group: Option<UserGroupBlock>,
}

#[derive(Debug, Serialize)]
pub(super) struct UserGroupBlock {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct SubscriptionBlock {
    pub(super) tasklist: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) subscribers: Vec<String>,
    pub(super) events: Vec<EventItem>,
    pub(super) enabled: bool,
    pub(super) id: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum EventItem {
    Name(&'static str),
    Number(u32),
}

/// Text that means itself, whatever it looks like.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// The provider's key, unless it is the one that is meant where none is said.
pub(super) fn said(provider: &Name, manifest: &Manifest) -> Option<String> {
    let is_default = manifest.providers.len() == 1 || provider.as_str() == "feishu";
    (!is_default).then(|| provider.to_string())
}

/// Whether a character of a name comes back from YAML as it went in: no control character, no line
/// separator that some readers fold.
pub(super) fn carries(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The same in a description, which may have several lines.
pub(super) fn carries_in_lines(c: char) -> bool {
    c == '\n' || carries(c)
}
