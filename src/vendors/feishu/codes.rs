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
    BATCH_GET_USERS, BATCH_PROGRESS, BATCH_READ_USER, BATCH_SEND, CREATE_CHAT, CREATE_MESSAGE,
    CREATE_SUBSCRIPTION, CREATE_USER_GROUP, DELETE_USER_GROUP, DISSOLVE_CHAT, GET_CHAT,
    GET_USER_GROUP, IS_IN_CHAT, LIST_CHAT_MEMBERS, LIST_CHATS, LIST_TASKLISTS,
    LIST_USER_GROUP_MEMBERS, LIST_USER_GROUPS, MESSAGE_READ_USERS, PATCH_SUBSCRIPTION,
    PATCH_USER_GROUP, RECALL_BATCH, RECALL_MESSAGE, REMOVE_CHAT_MEMBERS, REMOVE_USER_GROUP_MEMBERS,
    UPDATE_CHAT, UPLOAD_IMAGE,
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
        10003 if operation != BATCH_SEND => {
            "Check the form of `app_id`; Feishu's begin with `cli_`."
        }
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
            return message(operation, code)
                .or_else(|| chat(operation, code))
                .or_else(|| contact(code))
                .map(str::to_owned);
        }
    };
    Some(text.to_owned())
}

/// The codes of messages (pages `batch_send`, and those of im-v1/message, batch_message and image).
fn message(operation: &str, code: i64) -> Option<&'static str> {
    Some(match code {
        10002 | 10003 if operation == BATCH_SEND => {
            "The message names what Feishu does not accept."
        }
        11101 => "An id is not one of this app; an open_id differs from app to app.",
        11203 => "Grant the app the scope `im:message:send_multi_users` in the developer console.",
        11204 => "Grant the app the scope `im:message:send_multi_depts` in the developer console.",
        11205 | 230006 | 234007 => "Switch on the bot capability in the app's developer console.",
        11207 | 11209 | 11210 => "Install and enable the app in this tenant.",
        11223 => "The app may not send messages; grant it the scope `im:message:send_as_bot`.",
        11227 | 230017 => "Upload the image with the app that sends it.",
        11231 | 230015 => "The chat that is shared does not exist, or cannot be shared.",
        11235 => "The chat forbids mentioning everyone; leave the mention out.",
        11246 | 230099 => "Feishu does not accept the content; the number in the message says why.",
        11247 => "The app has sent as many messages today as it may; it can go on tomorrow.",
        11312 | 230022 | 230028 | 230100 => {
            "Feishu's review of contents does not accept the words; choose others."
        }
        11232 | 11233 | 230020 => {
            "Feishu holds back messages, to this chat or in all; choose another time than the full and the half hour."
        }
        18121 | 230049 => "An equal message is being sent; look whether it is there.",
        230001 | 234001 => "The message names the parameter that Feishu does not accept.",
        230002 => "Add the app's bot to the chat.",
        230009 => "The message is older than the tenant's admin lets be recalled.",
        230012 | 230026 => "The message is not one of this app.",
        230013 => {
            "Somebody is outside of the bot's availability range, or has left; widen the range in the developer console."
        }
        230018 | 230035 => {
            "The chat's settings, a mute or the tenant's policy forbid the bot to post."
        }
        230025 => "The message is too large: 150 KB for a text, 30 KB for a post or a card.",
        230027 => "Grant the app the scopes for messages in the developer console.",
        230029 => "The receiver has left the organisation.",
        230030 => "There is no such message; Feishu keeps them for 30 days.",
        230033 => "Feishu tells readers of the last seven days' messages only.",
        230034 => "Check the id of the chat or the person.",
        230053 => "The receiver has muted the bot.",
        230050 | 230110 => "The message is gone, or out of the app's sight.",
        230054 | 230055 | 230075 => "This kind of message cannot go there.",
        230019 => "The topic does not exist any more.",
        230036 | 234041 => "The tenant's key is deleted, so that Feishu cannot keep messages.",
        230038 => "The receiver belongs to another tenant.",
        232009 if operation == CREATE_MESSAGE || operation == RECALL_MESSAGE => {
            "The chat was dissolved; it cannot come back."
        }
        232096 => "Feishu keeps nothing new at the moment; try again later.",
        234002 => "Grant the app the scope `im:resource` in the developer console.",
        234006 | 234010 | 234039 => {
            "An image has at most 10 MB, and 12000 by 12000 pixels, a GIF 2000 by 2000."
        }
        234011 => "Feishu does not know this kind of image.",
        234042 => "The tenant has no room for images; ask its admin.",
        _ => return None,
    })
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
            "The bot must own the chat, or have made it and hold the scope `im:chat:operate_as_owner`; else its owner can dissolve it, and `forget:` lets go of it without that."
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
        BATCH_SEND | CREATE_MESSAGE | RECALL_MESSAGE => "im:message:send_as_bot",
        MESSAGE_READ_USERS => "im:message:readonly",
        RECALL_BATCH | BATCH_PROGRESS | BATCH_READ_USER => "im:message:send_multi_users",
        UPLOAD_IMAGE => "im:resource",
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
    fn every_code_of_a_message_is_explained() {
        let contract = include_str!("../../../tests/fixtures/vendors/feishu.openapi.yaml");
        let contract: serde_json::Value = serde_yaml::from_str(contract).unwrap();
        let mut explained = 0;
        for item in contract["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap_or_default();
                let (tags, codes) = (&operation["tags"], &operation["x-error-codes"]);
                if ["message", "batch_message", "image"]
                    .iter()
                    .any(|tag| tags[0] == *tag)
                {
                    for row in codes.as_array().unwrap() {
                        let code = row["code"].as_i64().unwrap();
                        assert!(message(id, code).is_some(), "{id}: {row}");
                        explained += 1;
                    }
                }
            }
        }
        assert!(explained > 80, "{explained}");
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
