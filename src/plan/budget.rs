//! What a plan will cost in calls and time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Action, Change, Plan};
use crate::model::{Collection, Field, Name};

/// The contract's names of the calls that read what is live and carry out changes.
pub mod operation {
    /// Makes a subscription.
    pub const CREATE: &str = "createTasklistActivitySubscription";
    /// Changes one.
    pub const PATCH: &str = "patchTasklistActivitySubscription";
    /// Deletes one.
    pub const DELETE: &str = "deleteTasklistActivitySubscription";
    /// Lists a tasklist's.
    pub const LIST: &str = "listTasklistActivitySubscriptions";

    /// Makes a chat.
    pub const CREATE_CHAT: &str = "createChat";
    /// Lists the chats of a bot.
    pub const LIST_CHATS: &str = "listChats";
    /// Reads a chat.
    pub const GET_CHAT: &str = "getChat";
    /// Changes a chat.
    pub const UPDATE_CHAT: &str = "updateChat";
    /// Dissolves a chat.
    pub const DISSOLVE_CHAT: &str = "dissolveChat";
    /// Puts people into a chat.
    pub const ADD_CHAT_MEMBERS: &str = "addChatMembers";
    /// Takes people out of a chat.
    pub const REMOVE_CHAT_MEMBERS: &str = "removeChatMembers";
    /// Lists the people in a chat.
    pub const LIST_CHAT_MEMBERS: &str = "listChatMembers";
    /// Makes a contact user group.
    pub const CREATE_USER_GROUP: &str = "createUserGroup";
    /// Lists the contact user groups.
    pub const LIST_USER_GROUPS: &str = "listUserGroups";
    /// Reads a contact user group.
    pub const GET_USER_GROUP: &str = "getUserGroup";
    /// Changes a contact user group.
    pub const PATCH_USER_GROUP: &str = "patchUserGroup";
    /// Deletes a contact user group.
    pub const DELETE_USER_GROUP: &str = "deleteUserGroup";
    /// Puts people into a contact user group.
    pub const ADD_USER_GROUP_MEMBERS: &str = "batchAddUserGroupMembers";
    /// Takes people out of a contact user group.
    pub const REMOVE_USER_GROUP_MEMBERS: &str = "batchRemoveUserGroupMembers";
    /// Lists the people in a contact user group.
    pub const LIST_USER_GROUP_MEMBERS: &str = "listUserGroupMembers";
    /// Finds people by e-mail address and mobile number.
    pub const BATCH_GET_USER_IDS: &str = "batchGetUserIds";
    /// Reads people by id.
    pub const BATCH_GET_USERS: &str = "batchGetUsers";
    /// Reads departments by id.
    pub const BATCH_GET_DEPARTMENTS: &str = "batchGetDepartments";
}

/// How often an endpoint may be called by one app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Calls a minute, where the vendor says.
    pub per_minute: Option<u32>,
    /// Calls a second, where the vendor says.
    pub per_second: Option<u32>,
}

/// The cost of applying a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Calls in all, the readings before the first writes included.
    pub calls: usize,
    /// How long the slowest endpoint takes at its rate limit; what fits into one window is free.
    pub time: Duration,
    /// The rate that decides, in calls a minute, when any does.
    pub per_minute: Option<u32>,
}

/// The most people that one call adds to or removes from a chat (pages `chat-members/create` and
/// `chat-members/delete`), and from a contact user group (page `group-member/batch_add`).
#[must_use]
pub fn people_per_call(collection: &Collection) -> usize {
    match collection {
        Collection::Chats => 50,
        Collection::UserGroups => 100,
        Collection::Tasklist(_) | Collection::Ledger => 0,
    }
}

/// Counts the calls of a plan and the least time that the rate limits leave for them.
///
/// Limits hold per provider (app) and endpoint, so endpoints pass side by side.
#[must_use]
pub fn budget(plan: &Plan, rate: &dyn Fn(&str) -> Rate) -> Budget {
    let mut calls: BTreeMap<(&Name, &str), usize> = BTreeMap::new();
    let mut reads = BTreeSet::new();
    for change in &plan.changes {
        let mut count = |provider, operation| *calls.entry((provider, operation)).or_default() += 1;
        if let Collection::Chats | Collection::UserGroups = change.collection {
            for (operation, times) in kept(change) {
                for _ in 0..times {
                    count(&change.provider, operation);
                }
            }
            continue;
        }
        if change.collection == Collection::Ledger {
            continue;
        }
        match &change.action {
            Action::Create { .. } => count(&change.provider, operation::CREATE),
            Action::Update { .. } | Action::Adopt { .. } => {
                count(&change.provider, operation::PATCH)
            }
            Action::Delete { .. } => count(&change.provider, operation::DELETE),
            Action::Replace {
                old_provider,
                old_collection,
                ..
            } => {
                count(&change.provider, operation::CREATE);
                count(old_provider, operation::DELETE);
                reads.insert((old_provider, old_collection));
            }
            Action::Forget { .. } => continue,
        }
        reads.insert((&change.provider, &change.collection));
    }
    for (provider, _) in reads {
        *calls.entry((provider, operation::LIST)).or_default() += 1;
    }
    let mut budget = Budget {
        calls: calls.values().sum(),
        ..Budget::default()
    };
    for ((_, operation), count) in calls {
        let Some(per_minute) = rate(operation).per_minute else {
            continue;
        };
        if count <= per_minute as usize {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let time = Duration::from_secs_f64(count as f64 * 60.0 / f64::from(per_minute.max(1)));
        if time > budget.time {
            budget.time = time;
            budget.per_minute = Some(per_minute);
        }
    }
    budget
}

/// The calls of a chat's or contact user group's change.
fn kept(change: &Change) -> Vec<(&'static str, usize)> {
    let is_chat = change.collection == Collection::Chats;
    let or = |chat, group| if is_chat { chat } else { group };
    let size = people_per_call(&change.collection);
    let (added, removed) = change.people();
    let mut calls = vec![
        (
            or(
                operation::ADD_CHAT_MEMBERS,
                operation::ADD_USER_GROUP_MEMBERS,
            ),
            added.len().div_ceil(size),
        ),
        (
            or(
                operation::REMOVE_CHAT_MEMBERS,
                operation::REMOVE_USER_GROUP_MEMBERS,
            ),
            // Dissolving needs nobody to be removed first.
            match (&change.action, is_chat) {
                (Action::Delete { .. }, true) => 0,
                _ => removed.len().div_ceil(size),
            },
        ),
    ];
    let update = or(operation::UPDATE_CHAT, operation::PATCH_USER_GROUP);
    let read = [
        (or(operation::GET_CHAT, operation::GET_USER_GROUP), 1),
        (
            or(
                operation::LIST_CHAT_MEMBERS,
                operation::LIST_USER_GROUP_MEMBERS,
            ),
            1,
        ),
    ];
    match &change.action {
        Action::Create { .. } => {
            calls.push((or(operation::CREATE_CHAT, operation::CREATE_USER_GROUP), 1));
            // The real description takes the place of the mark.
            calls.push((update, usize::from(is_chat)));
        }
        Action::Update { fields, .. } | Action::Adopt { fields, .. } => {
            let own = [Field::Name, Field::Description];
            let writes = fields.iter().any(|f| own.contains(&f.field));
            calls.push((update, usize::from(writes)));
            calls.extend(read);
        }
        Action::Delete { .. } => {
            calls.push((
                or(operation::DISSOLVE_CHAT, operation::DELETE_USER_GROUP),
                1,
            ));
            calls.extend(read);
        }
        Action::Replace { .. } | Action::Forget { .. } => return Vec::new(),
    }
    calls
}
