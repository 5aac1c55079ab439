//! What Feishu's codes mean to a person, and what to do about them.
//!
//! What they mean to the client is in `limits.rs`. Meanings are those of the pages "common error
//! codes", "tasklist-activity_subscription" and "tenant_access_token_internal".

use std::fmt::Write as _;

use super::wire::ErrorDetail;
use crate::vendors::limits::{CREATE_SUBSCRIPTION, IS_IN_CHAT, LIST_TASKLISTS, PATCH_SUBSCRIPTION};

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
        _ => return None,
    };
    Some(text.to_owned())
}

fn scopes(operation: &str, detail: &ErrorDetail) -> String {
    // The scopes that suffice, where the vendor does not name them.
    let fallback = match operation {
        IS_IN_CHAT => "im:chat:readonly",
        LIST_TASKLISTS => "task:tasklist:read",
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
