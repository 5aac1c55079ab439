//! Making what a manifest names and the world lacks, so that any manifest can be rehearsed.

use std::fmt;

use sha2::{Digest, Sha256};

use super::APP_ID;
use super::dingtalk::Group as DingTalkGroup;
use super::feishu::{Chat, Member, Subscription, Tasklist, UserGroup, register};
use super::world::{Found, Moment, View, WorldError};

/// What has to be there. Later kinds are more fields, so build it with `..Wanted::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Tasklists that the sandbox's app can edit.
    pub tasklists: Vec<WantedTasklist>,
    /// Chats that the sandbox's app is in.
    pub chats: Vec<WantedChat>,
    /// Subscriptions that somebody refers to by guid.
    pub subscriptions: Vec<WantedSubscription>,
    /// Contact user groups that somebody refers to by id.
    pub user_groups: Vec<WantedUserGroup>,
    /// Groups at DingTalk with the app's robot in them, each by its open conversation id and its name.
    pub dingtalk_groups: Vec<(String, String)>,
}

/// A subscription by its guid, in a tasklist that is wanted too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedSubscription {
    /// Its guid at the vendor.
    pub guid: String,
    /// The tasklist that holds it.
    pub tasklist: WantedTasklist,
    /// Its name.
    pub name: String,
    /// The open chat ids that it posts to.
    pub chats: Vec<String>,
    /// Its `include_keys`.
    pub include_keys: Vec<i64>,
    /// Whether it is off.
    pub disabled: bool,
}

/// A tasklist by guid, or by name when there is no guid. With neither it is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedTasklist {
    /// Its guid at the vendor.
    pub guid: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// A chat by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedChat {
    /// The open chat id.
    pub id: String,
    /// Its name, for display.
    pub name: Option<String>,
    /// What it is for; empty when nothing is said.
    pub description: String,
}

/// A contact user group by its id, without members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedUserGroup {
    /// The `group_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seeded {
    /// A tasklist, owned by somebody else, with the sandbox's app as editor.
    Tasklist {
        /// Its guid.
        guid: String,
        /// Its name.
        name: String,
    },
    /// A chat with the sandbox's app in it.
    Chat {
        /// Its open chat id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A subscription.
    Subscription {
        /// Its guid.
        guid: String,
        /// Its name.
        name: String,
    },
    /// A contact user group.
    UserGroup {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A group at DingTalk with the app's robot in it.
    DingTalkGroup {
        /// Its open conversation id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A department.
    Department {
        /// The id that it was named by.
        id: String,
        /// Its name.
        name: String,
    },
    /// A person.
    Person {
        /// What the person was named by: an id, an address or a number.
        id: String,
        /// The person's name.
        name: String,
    },
    /// An organisation unit of EnOS, with the app granted its users.
    Org {
        /// Its id.
        id: String,
    },
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seeded::Tasklist { guid, name } => write!(f, "tasklist {name} ({guid})"),
            Seeded::Chat { id, name } => write!(f, "chat {name} ({id})"),
            Seeded::Subscription { guid, name } => write!(f, "subscription {name} ({guid})"),
            Seeded::UserGroup { id, name } => write!(f, "user group {name} ({id})"),
            Seeded::DingTalkGroup { id, name } => write!(f, "DingTalk group {name} ({id})"),
            Seeded::Department { id, name } => write!(f, "department {name} ({id})"),
            Seeded::Person { id, name } => write!(f, "person {name} ({id})"),
            Seeded::Org { id } => write!(f, "OU ({id})"),
        }
    }
}

/// The person who owns what nobody made.
pub(super) const SOMEBODY: &str = "ou_5a6b8000000000000000000000000001";

/// Makes the sandbox's own app known.
pub(super) fn own_app(moment: &Moment<'_>) -> Result<(), WorldError> {
    register(moment, APP_ID, super::APP_SECRET)
}

/// Makes what is missing. What is there stays as it is, also when the app is no member of it.
pub(super) fn seed(moment: &Moment<'_>, wanted: &Wanted) -> Result<Vec<Seeded>, WorldError> {
    let Wanted {
        tasklists,
        chats,
        subscriptions,
        user_groups,
        dingtalk_groups,
    } = wanted;
    let mut made = Vec::new();
    for tasklist in tasklists {
        made.extend(tasklist_wanted(moment, tasklist)?);
    }
    for chat in chats {
        made.extend(chat_wanted(moment, chat)?);
    }
    for subscription in subscriptions {
        made.extend(subscription_wanted(moment, subscription)?);
    }
    for group in user_groups {
        made.extend(user_group_wanted(moment, group)?);
    }
    for (id, name) in dingtalk_groups {
        made.extend(dingtalk_group_wanted(moment, id, name)?);
    }
    Ok(made)
}

fn dingtalk_group_wanted(
    moment: &Moment<'_>,
    id: &str,
    name: &str,
) -> Result<Option<Seeded>, WorldError> {
    let there: Option<Found<DingTalkGroup>> =
        moment.find(DingTalkGroup::KIND, id, View::Present)?;
    if there.is_some() {
        return Ok(None);
    }
    let group = DingTalkGroup {
        name: name.to_owned(),
        robots: vec![APP_ID.to_owned()],
        ..DingTalkGroup::default()
    };
    moment.insert_as_old(DingTalkGroup::KIND, id, "", &group)?;
    Ok(Some(Seeded::DingTalkGroup {
        id: id.to_owned(),
        name: name.to_owned(),
    }))
}

fn user_group_wanted(
    moment: &Moment<'_>,
    wanted: &WantedUserGroup,
) -> Result<Option<Seeded>, WorldError> {
    let WantedUserGroup {
        id,
        name,
        description,
    } = wanted.clone();
    let all: Vec<Found<UserGroup>> = moment.list(UserGroup::KIND, None, View::Present)?;
    // Names are unique, so that one which is taken stays with whoever has it.
    if all
        .iter()
        .any(|group| group.id == id || group.doc.name == name)
    {
        return Ok(None);
    }
    let group = UserGroup {
        name: name.clone(),
        description,
        ..UserGroup::default()
    };
    moment.insert_as_old(UserGroup::KIND, &id, "", &group)?;
    Ok(Some(Seeded::UserGroup { id, name }))
}

fn subscription_wanted(
    moment: &Moment<'_>,
    wanted: &WantedSubscription,
) -> Result<Option<Seeded>, WorldError> {
    let there: Option<Found<Subscription>> =
        moment.find(Subscription::KIND, &wanted.guid, View::Present)?;
    let WantedTasklist { guid, name } = &wanted.tasklist;
    let tasklist = match (guid, name) {
        (Some(guid), _) => Some(guid.clone()),
        (None, Some(name)) => {
            let all: Vec<Found<Tasklist>> = moment.list(Tasklist::KIND, None, View::Present)?;
            let found = all.into_iter().find(|t| &t.doc.name == name);
            found.map(|t| t.id)
        }
        (None, None) => None,
    };
    let (None, Some(tasklist)) = (there, tasklist) else {
        return Ok(None);
    };
    let member = |id: &String| Member {
        id: id.clone(),
        kind: "chat".to_owned(),
        role: String::new(),
    };
    let subscription = Subscription {
        name: wanted.name.clone(),
        subscribers: wanted.chats.iter().map(member).collect(),
        include_keys: wanted.include_keys.clone(),
        disabled: wanted.disabled,
    };
    moment.insert_as_old(Subscription::KIND, &wanted.guid, &tasklist, &subscription)?;
    Ok(Some(Seeded::Subscription {
        guid: wanted.guid.clone(),
        name: wanted.name.clone(),
    }))
}

fn tasklist_wanted(
    moment: &Moment<'_>,
    wanted: &WantedTasklist,
) -> Result<Option<Seeded>, WorldError> {
    let (guid, name) = match (&wanted.guid, &wanted.name) {
        (None, None) => return Ok(None),
        (Some(guid), name) => {
            if moment
                .find::<Tasklist>(Tasklist::KIND, guid, View::Present)?
                .is_some()
            {
                return Ok(None);
            }
            (guid.clone(), name.clone())
        }
        (None, Some(name)) => {
            let all: Vec<Found<Tasklist>> = moment.list(Tasklist::KIND, None, View::Present)?;
            if all.iter().any(|tasklist| &tasklist.doc.name == name) {
                return Ok(None);
            }
            (guid_for(name), Some(name.clone()))
        }
    };
    let name = name.unwrap_or_else(|| "Tasklist".to_owned());
    let members = vec![Member::app(APP_ID, "editor")];
    add_tasklist(moment, &guid, &name, members)?;
    Ok(Some(Seeded::Tasklist { guid, name }))
}

/// Adds a tasklist that somebody made before the sandbox began.
pub(super) fn add_tasklist(
    moment: &Moment<'_>,
    guid: &str,
    name: &str,
    members: Vec<Member>,
) -> Result<(), WorldError> {
    let somebody = |role: &str| Member {
        id: SOMEBODY.to_owned(),
        kind: "user".to_owned(),
        role: role.to_owned(),
    };
    let tasklist = Tasklist {
        name: name.to_owned(),
        creator: somebody("creator"),
        owner: somebody("owner"),
        members,
        created_ms: moment.now_ms,
        updated_ms: moment.now_ms,
    };
    moment.insert_as_old(Tasklist::KIND, guid, "", &tasklist)
}

fn chat_wanted(moment: &Moment<'_>, wanted: &WantedChat) -> Result<Option<Seeded>, WorldError> {
    if moment
        .find::<Chat>(Chat::KIND, &wanted.id, View::Present)?
        .is_some()
    {
        return Ok(None);
    }
    let name = wanted.name.clone().unwrap_or_else(|| "Chat".to_owned());
    let mut chat = Chat::of_bots(Some(name.clone()), vec![APP_ID.to_owned()]);
    if !wanted.description.is_empty() {
        let description = wanted.description.as_str().into();
        chat.settings.insert("description".to_owned(), description);
    }
    moment.insert_as_old(Chat::KIND, &wanted.id, "", &chat)?;
    Ok(Some(Seeded::Chat {
        id: wanted.id.clone(),
        name,
    }))
}

/// The same name gets the same guid in every new world, so that transcripts repeat.
fn guid_for(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}
