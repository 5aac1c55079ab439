//! The shapes of chats, contact user groups and their people.

use serde::{Deserialize, Serialize};

use super::{Entry, id, nullable};

/// A chat in a list, or in the answer to a create.
#[derive(Deserialize)]
pub(crate) struct Chat {
    #[serde(deserialize_with = "id")]
    pub(crate) chat_id: String,
    #[serde(flatten)]
    pub(crate) about: ChatDetail,
}

impl Entry for Chat {
    fn id(&self) -> &str {
        &self.chat_id
    }
}

/// `data` of one chat, which does not repeat its id.
#[derive(Deserialize)]
pub(crate) struct ChatDetail {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) description: String,
    /// Absent when a bot owns the chat.
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) owner_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) owner_id_type: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) chat_status: String,
}

/// What somebody outside of a chat may see of it, at most.
pub(crate) const OUTLINE: [&str; 5] = ["name", "avatar", "user_count", "bot_count", "chat_status"];

/// `data` of one contact user group.
#[derive(Deserialize)]
pub(crate) struct OneUserGroup {
    pub(crate) group: UserGroup,
}

#[derive(Deserialize)]
pub(crate) struct UserGroup {
    /// The id that every other call takes.
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    /// Another one than `id`, in the page's sample.
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) group_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) description: String,
}

impl Entry for UserGroup {
    fn id(&self) -> &str {
        &self.id
    }
}

/// `data` of a create of a contact user group; here `group_id` is the id that every other call takes.
#[derive(Deserialize)]
pub(crate) struct MadeUserGroup {
    #[serde(deserialize_with = "id")]
    pub(crate) group_id: String,
}

/// A member of a chat or of a contact user group.
#[derive(Deserialize)]
pub(crate) struct Member {
    #[serde(deserialize_with = "id")]
    pub(crate) member_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) member_id_type: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) member_type: String,
}

impl Entry for Member {
    fn id(&self) -> &str {
        &self.member_id
    }
}

/// `data` of the answer to adding people to a chat.
#[derive(Deserialize)]
pub(crate) struct NotInChat {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) invalid_id_list: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) not_existed_id_list: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) pending_approval_id_list: Vec<String>,
}

/// `data` of the answer to adding people to a contact user group.
#[derive(Default, Deserialize)]
pub(crate) struct Added {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) results: Vec<AddedOne>,
}

#[derive(Deserialize)]
pub(crate) struct AddedOne {
    #[serde(deserialize_with = "id")]
    pub(crate) member_id: String,
    pub(crate) code: i64,
}

/// The body that makes or changes a chat; what is none is absent and stays as it is.
#[derive(Serialize)]
pub(crate) struct ChatFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chat_type: Option<&'static str>,
}

/// The body that makes or changes a contact user group.
#[derive(Serialize)]
pub(crate) struct UserGroupFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<u8>,
}

/// The body that adds people to a chat or removes them.
#[derive(Deserialize, Serialize)]
pub(crate) struct ChatPeople {
    pub(crate) id_list: Vec<String>,
}

/// The body that adds people to a contact user group or removes them.
#[derive(Deserialize, Serialize)]
pub(crate) struct UserGroupPeople {
    pub(crate) members: Vec<MemberRef>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct MemberRef {
    pub(crate) member_id: String,
    pub(crate) member_type: String,
    pub(crate) member_id_type: String,
}

/// The body that looks people up by address and number.
#[derive(Serialize)]
pub(crate) struct Contacts<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) emails: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) mobiles: &'a [&'a str],
}

/// `data` of the answer to it: an entry for each.
#[derive(Deserialize)]
pub(crate) struct ContactList {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) user_list: Vec<Contact>,
}

#[derive(Deserialize)]
pub(crate) struct Contact {
    /// Absent where nobody was found; an empty one has been seen too.
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) user_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) email: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) mobile: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) status: UserStatus,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) struct UserStatus {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) is_frozen: bool,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) is_resigned: bool,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) is_exited: bool,
}

/// `data` of a read of several; those that cannot be read are left out.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct Several<T> {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) items: Vec<T>,
}

#[derive(Deserialize)]
pub(crate) struct User {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) open_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) union_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) user_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) status: UserStatus,
}

#[derive(Deserialize)]
pub(crate) struct Department {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) open_department_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) department_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) status: DepartmentStatus,
}

#[derive(Default, Deserialize)]
pub(crate) struct DepartmentStatus {
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) is_deleted: bool,
}
