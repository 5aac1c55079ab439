//! The manifest: what users declare, with every reference resolved.
//!
//! It is what reading the files yields when no diagnostic is an error. It holds no YAML and no
//! interpolation; places in the files stay as [`Span`]s, so that what is found out later (an app
//! that is not in a chat) still points at a line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::group::Groups;
use super::ledger_url::PostgresUrl;
use super::notice::Notice;
use super::{
    Address, AppId, ChatId, Events, Field, Fields, Name, RemoteId, Span, TasklistGuid, Value,
};

/// A project: its settings and its resources.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The name of this project in a shared ledger; `default` when the manifest gives none.
    pub project: Name,
    /// Where bindings are kept.
    pub ledger: LedgerUrl,
    /// How much one plan may do without being asked.
    pub guards: Guards,
    /// The vendors' apps, by the key that names them.
    pub providers: BTreeMap<Name, Provider>,
    /// The tasklists that subscriptions name.
    pub tasklists: BTreeMap<Name, Tasklist>,
    /// The chats that subscriptions name.
    pub chats: BTreeMap<Name, Chat>,
    /// The groups at DingTalk that notices go to.
    pub conversations: BTreeMap<Name, Conversation>,
    /// The chats that beadle creates and keeps.
    pub managed_chats: BTreeMap<Name, ManagedChat>,
    /// The declared groups of people.
    pub groups: Groups,
    /// The declared notices.
    pub notices: BTreeMap<Name, Notice>,
    /// The declared subscriptions, one entry an instance, in the order of their addresses.
    pub subscriptions: Vec<Subscription>,
    /// What to let go of without deleting.
    pub forget: Vec<(Address, Span)>,
}

impl Manifest {
    /// How many resources it declares, each instance counted.
    #[must_use]
    pub fn resources(&self) -> usize {
        self.subscriptions.len() + self.managed_chats.len() + self.groups.len() + self.notices.len()
    }
}

/// Where bindings and the journal are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerUrl {
    /// One SQLite file, relative to the project folder unless absolute.
    Sqlite(PathBuf),
    /// A PostgreSQL server that machines share.
    Postgres(Box<PostgresUrl>),
    /// Nowhere: identity is `id:` or (tasklist, name).
    None,
}

/// Limits on what one plan may do; each is lifted by its flag.
#[derive(Clone, Debug, PartialEq)]
pub struct Guards {
    /// The share of bound objects, in percent, that one plan may delete or replace.
    pub deletes: f64,
    /// The share of a chat's or a group's people, in percent, that one plan may change.
    pub member_changes: f64,
    /// How many people one notice may reach without `audience: large`.
    pub recipients: u64,
}

impl LedgerUrl {
    /// The ledger of a manifest that names none, in the project folder.
    pub const DEFAULT: &str = ".beadle/ledger.db";
}

impl Default for LedgerUrl {
    fn default() -> Self {
        LedgerUrl::Sqlite(PathBuf::from(Self::DEFAULT))
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            deletes: 30.0,
            member_changes: 25.0,
            recipients: 500,
        }
    }
}

/// Which vendor's API a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    /// Feishu or Lark.
    Feishu,
    /// DingTalk.
    DingTalk,
    /// EnOS.
    Enos,
}

impl Vendor {
    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Vendor::Feishu => "feishu",
            Vendor::DingTalk => "dingtalk",
            Vendor::Enos => "enos",
        }
    }
}

/// An organisation's edition of DingTalk, which decides what it may call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edition {
    /// Free.
    #[default]
    Standard,
    /// 专业版.
    Professional,
    /// 专属版.
    Dedicated,
}

impl Edition {
    /// Every edition.
    pub const ALL: [Edition; 3] = [Edition::Standard, Edition::Professional, Edition::Dedicated];

    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Edition::Standard => "standard",
            Edition::Professional => "professional",
            Edition::Dedicated => "dedicated",
        }
    }
}

/// One app at one vendor.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The vendor.
    pub vendor: Vendor,
    /// Scheme and host, without a trailing slash.
    pub base_url: String,
    /// The app, such as a Feishu `app_id`.
    pub app: AppId,
    /// The app's secret; absent when reading was told to leave secrets alone.
    pub secret: Option<SecretString>,
    /// DingTalk's number of the app, which its notices are sent as.
    pub agent_id: Option<u64>,
    /// DingTalk's code of the app's robot, as which it sends to groups.
    pub robot_code: Option<Arc<str>>,
    /// The organisation's edition of DingTalk; other vendors have one only.
    pub edition: Edition,
    /// The OU at EnOS.
    pub org_id: Option<Arc<str>>,
    /// Where the block's key stands.
    pub span: Span,
}

/// A reference to a tasklist; beadle does not manage tasklists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasklist {
    /// The key in [`Manifest::providers`].
    pub provider: Name,
    /// How the tasklist is found.
    pub target: TasklistTarget,
    /// Whether subscriptions there that nobody declared are deleted.
    pub authoritative: bool,
    /// Patterns of names that an authoritative tasklist keeps; `*` and `?` as in file names.
    pub keep: Vec<String>,
    /// Where the key stands.
    pub span: Span,
}

/// How a tasklist is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TasklistTarget {
    /// By guid.
    Guid(TasklistGuid),
    /// By exact name; two matches are an error.
    Named(String),
}

/// A reference to a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// The vendor's id.
    pub id: ChatId,
    /// Where the key stands.
    pub span: Span,
}

/// A reference to a group at DingTalk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The key in [`Manifest::providers`], whose robot is in the group.
    pub provider: Name,
    /// The open conversation id, `cid…`.
    pub id: ChatId,
    /// Where the key stands.
    pub span: Span,
}

/// A chat that beadle creates and keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedChat {
    /// Its address.
    pub address: Address,
    /// The key in [`Manifest::providers`].
    pub provider: Name,
    /// The name at the vendor, 1 to 60 characters; the resource's by default.
    pub name: String,
    /// What the chat is for, at most 100 characters; empty when nothing is said.
    pub description: String,
    /// The groups whose people are in it, each with the word that names it.
    pub members: BTreeMap<Name, Span>,
    /// What becomes of people in it who are not listed.
    pub extra_members: ExtraMembers,
    /// What becomes of the chat when its block is gone.
    pub on_delete: OnDelete,
    /// The vendor's chat that this is.
    pub id: Option<RemoteId>,
    /// Where `id` stands; where the key stands when there is none.
    pub id_span: Span,
    /// Whether dissolving it is refused.
    pub protect: bool,
    /// Fields left as they are live, written on create only; of [`Field::KEPT`].
    pub ignore: BTreeSet<Field>,
    /// The resource's former name.
    pub moved_from: Option<Name>,
    /// Where the key stands.
    pub span: Span,
}

/// What becomes of people who are in a chat or user group and not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ExtraMembers {
    /// They stay, save whom beadle put there.
    #[default]
    Keep,
    /// They are removed, save the owner.
    Remove,
}

/// What becomes of a managed chat when its block is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// It stays, and is no longer ours.
    #[default]
    Keep,
    /// It is dissolved, with consent.
    Dissolve,
}

impl OnDelete {
    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OnDelete::Keep => "keep",
            OnDelete::Dissolve => "dissolve",
        }
    }
}

/// One declared subscription in one tasklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its address, with an instance where the resource has `tasklists`.
    pub address: Address,
    /// The key in [`Manifest::tasklists`].
    pub tasklist: Name,
    /// The name at the vendor, 1 to 50 characters.
    pub name: String,
    /// The chats it posts to, at most 50, each with the place that names it.
    pub subscribers: BTreeMap<ChatId, Span>,
    /// What it hears about.
    pub events: Events,
    /// Whether it is on.
    pub enabled: bool,
    /// The vendor's object that this pins.
    pub id: Option<RemoteId>,
    /// Where `id` stands; where the key stands when there is none.
    pub id_span: Span,
    /// Whether deleting it is refused.
    pub protect: bool,
    /// Fields left as they are live, written on create only.
    pub ignore: BTreeSet<Field>,
    /// The resource's former name.
    pub moved_from: Option<Name>,
    /// Where the resource's key stands.
    pub span: Span,
    /// Where the tasklist is named.
    pub tasklist_span: Span,
}

impl Subscription {
    /// What is compared and written.
    #[must_use]
    pub fn fields(&self) -> Fields {
        [
            (Field::Name, Value::Text(self.name.clone())),
            (
                Field::Subscribers,
                Value::Chats(self.subscribers.keys().cloned().collect()),
            ),
            (Field::Events, Value::Events(self.events.clone())),
            (Field::Enabled, Value::Flag(self.enabled)),
        ]
        .into_iter()
        .collect()
    }
}
