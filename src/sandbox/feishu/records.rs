//! What the world holds of Feishu, as documents. These are rows, not answers: each endpoint's
//! file says what it shows of them.

use serde::{Deserialize, Serialize};

use crate::sandbox::world::{Found, Moment, View, WorldError};

/// Someone with a role: a person, a chat or an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Member {
    pub(in crate::sandbox) id: String,
    #[serde(rename = "type")]
    pub(in crate::sandbox) kind: String,
    #[serde(default)]
    pub(in crate::sandbox) role: String,
}

impl Member {
    pub(in crate::sandbox) fn app(id: &str, role: &str) -> Member {
        Member {
            id: id.to_owned(),
            kind: "app".to_owned(),
            role: role.to_owned(),
        }
    }

    /// Whether both are the same person, chat or app, whatever the role.
    pub(in crate::sandbox) fn is(&self, other: &Member) -> bool {
        self.id == other.id && self.kind == other.kind
    }
}

/// A tasklist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sandbox) struct Tasklist {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) creator: Member,
    pub(in crate::sandbox) owner: Member,
    pub(in crate::sandbox) members: Vec<Member>,
    pub(in crate::sandbox) created_ms: i64,
    pub(in crate::sandbox) updated_ms: i64,
}

/// What an app may do with a tasklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sandbox) enum Right {
    Nothing,
    Read,
    Edit,
    Own,
}

impl Tasklist {
    pub(in crate::sandbox) const KIND: &str = "tasklist";

    /// A token has no rights by itself: the app must be a member, of type `app`.
    pub(in crate::sandbox) fn right_of(&self, app: &str) -> Right {
        let me = Member::app(app, "");
        if self.owner.is(&me) {
            return Right::Own;
        }
        match self.members.iter().find(|member| member.is(&me)) {
            Some(member) if member.role == "editor" => Right::Edit,
            Some(_) => Right::Read,
            None => Right::Nothing,
        }
    }

    /// Removes a tasklist and all that is in it.
    pub(in crate::sandbox) fn remove(moment: &Moment<'_>, guid: &str) -> Result<(), WorldError> {
        let inside: Vec<Found<Subscription>> =
            moment.list(Subscription::KIND, Some(guid), View::Present)?;
        for subscription in inside {
            moment.remove(Subscription::KIND, &subscription.id)?;
        }
        moment.remove(Tasklist::KIND, guid)
    }
}

/// An activity subscription; its parent is the tasklist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sandbox) struct Subscription {
    pub(in crate::sandbox) name: String,
    #[serde(default)]
    pub(in crate::sandbox) subscribers: Vec<Member>,
    #[serde(default)]
    pub(in crate::sandbox) include_keys: Vec<i64>,
    #[serde(default)]
    pub(in crate::sandbox) disabled: bool,
}

impl Subscription {
    pub(in crate::sandbox) const KIND: &str = "subscription";
}

/// A group chat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sandbox) struct Chat {
    pub(in crate::sandbox) name: Option<String>,
    /// An app id, or the id of a person.
    pub(in crate::sandbox) owner: String,
    pub(in crate::sandbox) creator: String,
    pub(in crate::sandbox) bots: Vec<String>,
    /// People by open_id.
    pub(in crate::sandbox) users: Vec<String>,
    /// Admins: apps and people.
    #[serde(default)]
    pub(in crate::sandbox) managers: Vec<String>,
    pub(in crate::sandbox) public: bool,
    pub(in crate::sandbox) dissolved: bool,
    /// Every other setting under its wire name.
    pub(in crate::sandbox) settings: serde_json::Map<String, serde_json::Value>,
}

impl Chat {
    pub(in crate::sandbox) const KIND: &str = "chat";

    /// A private chat of that bot, with that name and no settings.
    pub(in crate::sandbox) fn of_bots(name: Option<String>, bots: Vec<String>) -> Chat {
        let owner = bots.first().cloned().unwrap_or_default();
        Chat {
            name,
            creator: owner.clone(),
            owner,
            bots,
            users: Vec::new(),
            managers: Vec::new(),
            public: false,
            dissolved: false,
            settings: serde_json::Map::new(),
        }
    }

    /// Whether the bot of that app is in the chat. Nobody is in a dissolved one.
    pub(in crate::sandbox) fn holds(&self, app: &str) -> bool {
        !self.dissolved && self.bots.iter().any(|bot| bot == app)
    }

    /// Whether that app may do what the owner may: own it, be an admin, or have made it.
    pub(in crate::sandbox) fn managed_by(&self, app: &str) -> bool {
        self.owner == app || self.creator == app || self.managers.iter().any(|m| m == app)
    }

    /// A setting's word; what nobody set is open to everybody.
    pub(in crate::sandbox) fn setting(&self, name: &str) -> &str {
        let open = match name {
            "share_card_permission" => "allowed",
            "membership_approval" => "no_approval_required",
            _ => "all_members",
        };
        self.settings
            .get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or(open)
    }
}

/// What an app and a person say to each other; its id is a chat's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sandbox) struct OneToOne {
    pub(in crate::sandbox) app: String,
    /// By open_id.
    pub(in crate::sandbox) person: String,
}

impl OneToOne {
    pub(in crate::sandbox) const KIND: &str = "one_to_one";
}

/// A contact user group of the normal kind. Its own id in the world is the one that its maker gave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::sandbox) struct UserGroup {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) description: String,
    /// People by open_id.
    pub(in crate::sandbox) users: Vec<String>,
    /// Departments by their own ids in the world, which the admin console alone puts here.
    pub(in crate::sandbox) departments: Vec<String>,
    /// Outside of a contact scope that is less than "all employees".
    pub(in crate::sandbox) out_of_scope: bool,
}

impl UserGroup {
    pub(in crate::sandbox) const KIND: &str = "user_group";
}

/// A new open chat id.
pub(in crate::sandbox) fn new_chat_id() -> String {
    format!("oc_{}", uuid::Uuid::new_v4().simple())
}
