//! What Feishu's codes mean to a person, and what to do about them.
//!
//! What they mean to the client is in `limits.rs`. Meanings are those of the pages "common error
//! codes", "tasklist-activity_subscription", "tenant_access_token_internal", and those of the chats and
//! the address book.

use std::fmt::Write as _;

use super::wire::ErrorDetail;
use crate::engine::ApiError;
use crate::vendors::limits::{
    ADD_CHAT_MEMBERS, ADD_USER_GROUP_MEMBERS, BATCH_GET_DEPARTMENTS, BATCH_GET_USER_IDS,
    BATCH_GET_USERS, CREATE_CHAT, CREATE_SUBSCRIPTION, CREATE_USER_GROUP, DELETE_USER_GROUP,
    DISSOLVE_CHAT, GET_CHAT, GET_USER_GROUP, IS_IN_CHAT, LIST_CHAT_MEMBERS, LIST_CHATS,
    LIST_TASKLISTS, LIST_USER_GROUP_MEMBERS, LIST_USER_GROUPS, PATCH_SUBSCRIPTION,
    PATCH_USER_GROUP, REMOVE_CHAT_MEMBERS, REMOVE_USER_GROUP_MEMBERS, UPDATE_CHAT,
};

/// Whether the vendor's answer has this code. Behind a 5xx it proves nothing.
pub(super) fn says(error: &ApiError, code: i64) -> bool {
    error.answer().is_some_and(|answer| {
        answer.code == Some(code) && answer.status.is_none_or(|status| status < 500)
    })
}

/// What to do about a code; none where the contract knows nothing that would help.
pub(super) fn hint(operation: &str, code: i64, detail: &ErrorDetail) -> Option<String> {
    let text = match code {
        1470400 => "The message names the parameter that Feishu does not accept.",
        1470403 if operation == CREATE_SUBSCRIPTION || operation == PATCH_SUBSCRIPTION => {
            "Make the app an editor of the tasklist, and add its bot to every chat among the subscribers."
        }
        1470403 if operation.starts_with("delete") => "Make the app an editor of the tasklist.",
        1470403 => {
            "Make the app a member of the tasklist: a token alone gives it no right to read one."
        }
        1470404 => "The tasklist or the subscription does not exist, or was deleted.",
        1470500 | 2200 => "Feishu had an internal fault or was overloaded; try again later.",
        10003 => "Check the form of `app_id`; Feishu's begin with `cli_`.",
        10014 => {
            "Check that `app_id` exists, is enabled, and belongs to the server that `base_url` names: Feishu and Lark do not know each other's apps."
        }
        10015 => {
            "The `app_secret` is wrong; copy it anew from the app's page in the developer console."
        }
        99991543 => {
            "Feishu does not know this pair of `app_id` and `app_secret`; check both, and that `base_url` is the server where the app was made."
        }
        99991663 | 99991664 | 99991665 | 99991671 => {
            "Feishu did not accept a fresh tenant token either; check that the app is enabled in this tenant."
        }
        99991661 | 99991668 | 99991677 => {
            "Feishu did not take the tenant token for one; please report this as a fault of beadle."
        }
        99991662 | 99991673 => "The app is switched off in this tenant; an admin can enable it.",
        99991672 | 99991676 | 99991679 => return Some(scopes(operation, detail)),
        99991401 => "Put this machine's address on the app's list of allowed IPs.",
        99991400 => {
            "Feishu's rate limit was hit; something else may be using the same app. Try again in a minute."
        }
        99991403 => {
            "The tenant's monthly quota of API calls is used up; it comes back next month or with another plan."
        }
        99992402 => return Some(fields(detail)),
        99992351 | 99992354 | 99992356 | 99992357 | 99992360 | 99992361 | 99992363 | 99992364 => {
            "An id is unknown, or belongs to another app or tenant."
        }
        232004 | 232034 => "Install and enable the app in this tenant.",
        232006 => "Check the chat's id; an open chat id begins with `oc_`.",
        232010 => "The chat belongs to another tenant than the app.",
        232025 => "Switch on the bot capability in the app's developer console.",
        232033 => "The app is not permitted in external chats.",
        _ => {
            return chat(operation, code)
                .or_else(|| contact(code))
                .map(str::to_owned);
        }
    };
    Some(text.to_owned())
}

/// The codes of chats (pages of im-v1/chat and im-v1/chat-members).
fn chat(operation: &str, code: i64) -> Option<&'static str> {
    Some(match code {
        232001 => "The message names the parameter that Feishu does not accept.",
        232002 => {
            "Only the owner and admins may edit this chat; make the bot an admin of it, or let everybody edit it in the chat's settings."
        }
        232007 => "Check the chat's id and those of the people.",
        232008 | 232090 => "Feishu does not let apps manage a chat of this kind.",
        232009 => "The chat was dissolved; it cannot come back.",
        232011 => "Add the app's bot back to the chat.",
        232013 => "The chat is full; remove people from it, or make another one.",
        232014 | 232017 if operation == DISSOLVE_CHAT => {
            "The bot must own the chat, or have made it and hold the scope `im:chat:operate_as_owner`; else its owner can dissolve it."
        }
        232014 | 232017 => {
            "The bot must own the chat or be an admin of it, or have made it and hold the scope `im:chat:operate_as_owner`."
        }
        232016 => {
            "A plain member may edit the name and the description alone; make the bot an admin of the chat."
        }
        232019 => {
            "Feishu holds back changes to this chat, perhaps because somebody changes it at the same time; try again in a minute."
        }
        232022 => "Somebody of the call has left the organisation; take them out of the manifest.",
        232023 => {
            "Feishu's moderation does not accept the name or the description; choose other words."
        }
        232024 => {
            "The bot and somebody of the call cannot see each other; put them into the app's availability range in the developer console."
        }
        232026 => "Another public chat has this name; choose another one.",
        232027 => "Feishu can use none of the ids of the call; check them.",
        232028 => "People from outside of the organisation cannot join an internal chat.",
        232029 => {
            "Nobody would be left who could own the chat; leave somebody in it, or dissolve it."
        }
        232030 | 232043 => {
            "An id of the call is of no use: unknown, of another app, or outside of the app's availability range."
        }
        232044 => "The tenant's admin lets no more people into a chat; ask for a higher limit.",
        232068 => "An equal chat is being made; look whether it is there before trying again.",
        232076 => {
            "The owner of a chat cannot be removed; hand the chat to somebody else first, or leave them in it."
        }
        _ => return None,
    })
}

/// The codes of the address book (pages of contact-v3).
fn contact(code: i64) -> Option<&'static str> {
    Some(match code {
        40001 => "The message names the parameter that Feishu does not accept.",
        40003 => "Feishu's address book had an internal fault; try again later.",
        40004 | 40014 => {
            "A department is outside of the app's contact scope; widen the scope in the developer console."
        }
        40022 => {
            "Some of the people could not be removed; plan again to see who is still in the group."
        }
        41050 => {
            "Somebody is outside of the app's contact scope; set the scope to all employees in the developer console."
        }
        41073 => "An id of the call is nobody's; check it.",
        42001 => "A contact user group needs a name.",
        42002 => "There is no such contact user group; check its id.",
        42006 => "Somebody of the call has left the organisation; take them out of the manifest.",
        42009 | 42010 => {
            "Set the app's contact scope to all employees in the developer console; only a self-built app may write contact user groups."
        }
        42012 => {
            "The group, or all groups of the tenant together, have as many members as they can; remove some."
        }
        42013 => "Give the group a name of at most 100 characters.",
        42014 => "Give the group a description of at most 500 characters.",
        42015 => {
            "Contact user groups are switched off in this tenant; an admin can switch them on."
        }
        42016 => "The tenant has 500 contact user groups, which is the most; delete one.",
        42017 => {
            "Only an empty group can be deleted. Departments in it, and people outside the app's contact scope, can be removed in the admin console only."
        }
        42029 => "The group has a setting that only the admin console can manage; change it there.",
        43010 => "The department is too large for Feishu to show; list smaller ones.",
        47005 => "Another contact user group has this id.",
        47009 => {
            "Another contact user group of the tenant has this name; choose another one, or adopt that group."
        }
        _ => return None,
    })
}

fn scopes(operation: &str, detail: &ErrorDetail) -> String {
    // The scopes that suffice, where the vendor does not name them.
    let fallback = match operation {
        IS_IN_CHAT => "im:chat:readonly",
        LIST_TASKLISTS => "task:tasklist:read",
        GET_CHAT | LIST_CHATS | LIST_CHAT_MEMBERS => "im:chat:readonly",
        CREATE_CHAT | UPDATE_CHAT | DISSOLVE_CHAT | ADD_CHAT_MEMBERS | REMOVE_CHAT_MEMBERS => {
            "im:chat"
        }
        GET_USER_GROUP | LIST_USER_GROUPS | LIST_USER_GROUP_MEMBERS => "contact:group:readonly",
        CREATE_USER_GROUP
        | PATCH_USER_GROUP
        | DELETE_USER_GROUP
        | ADD_USER_GROUP_MEMBERS
        | REMOVE_USER_GROUP_MEMBERS => "contact:group",
        BATCH_GET_USER_IDS => "contact:user.id:readonly",
        BATCH_GET_USERS | BATCH_GET_DEPARTMENTS => "contact:contact.base:readonly",
        _ if operation.starts_with("get") || operation.starts_with("list") => "task:tasklist:read",
        _ => "task:tasklist:write",
    };
    let names = if detail.scopes.is_empty() {
        format!("`{fallback}`")
    } else {
        quoted(detail.scopes.iter())
    };
    let place = match &detail.url {
        Some(url) => format!("at {url}"),
        None => "in the developer console".to_owned(),
    };
    format!("Grant the app one of the scopes {names} {place}, and publish a version of it.")
}

fn fields(detail: &ErrorDetail) -> String {
    if detail.fields.is_empty() {
        return "A parameter is missing or wrong; the message says which.".to_owned();
    }
    let mut text = "Feishu does not accept ".to_owned();
    for (n, (field, why)) in detail.fields.iter().take(10).enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}`{field}`");
        if !why.is_empty() {
            let _ = write!(text, " ({why})");
        }
    }
    text.push('.');
    text
}

fn quoted<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let words: Vec<_> = words.take(10).map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendors::limits::{DELETE_SUBSCRIPTION, LIST_SUBSCRIPTIONS};

    fn detail(error: &str) -> ErrorDetail {
        let envelope = format!(r#"{{"error":{error}}}"#);
        ErrorDetail::of(&serde_json::from_str(&envelope).unwrap())
    }

    #[test]
    fn a_missing_right_says_which() {
        let hint = |operation| hint(operation, 1470403, &ErrorDetail::default()).unwrap();
        assert!(hint(CREATE_SUBSCRIPTION).contains("every chat"));
        assert!(hint(DELETE_SUBSCRIPTION).contains("editor"));
        assert!(hint(LIST_SUBSCRIPTIONS).contains("member"));
    }

    #[test]
    fn missing_scopes_are_named_in_either_spelling() {
        let live = r#"{"log_id":"L","permission_violations":[{"type":"action_scope_required","subject":"task:tasklist:read"}]}"#;
        let guide = r#"{"logid":"L","permission_violations":[{"scope":"task:tasklist:read","url":"https://open.feishu.cn/app"}]}"#;
        for error in [live, guide] {
            let detail = detail(error);
            let text = hint(LIST_SUBSCRIPTIONS, 99991672, &detail).unwrap();
            assert!(text.contains("`task:tasklist:read`"), "{text}");
            assert_eq!(detail.log_id.as_deref(), Some("L"));
        }
        let none = hint(CREATE_SUBSCRIPTION, 99991672, &ErrorDetail::default());
        assert!(none.unwrap().contains("`task:tasklist:write`"));
    }

    #[test]
    fn refused_fields_are_named() {
        let odd = detail(
            r#"{"field_violations":[{"field":"name","value":"","description":"too short"},{"field":"x"},7]}"#,
        );
        assert_eq!(
            hint(CREATE_SUBSCRIPTION, 99992402, &odd).unwrap(),
            "Feishu does not accept `name` (too short), `x`."
        );
    }
}
