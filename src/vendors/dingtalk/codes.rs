//! What DingTalk's codes mean to a person, and what to do about them.
//!
//! What they mean to the client is in `limits/dingtalk.rs`. Meanings are those of the pages
//! `server-api-error-codes-1` and of the look-ups.

use crate::vendors::limits::Row;
use crate::vendors::limits::dingtalk::{
    BAN, GET_DEPARTMENT, GET_USER, GET_USER_BY_MOBILE, LEGACY_TOKEN, RECALL, TOKEN,
};

/// What a refusal says about somebody who was looked up; none when it says nothing about them.
pub(super) fn absence(operation: &str, code: i64) -> Option<&'static str> {
    Some(match (operation, code) {
        (GET_USER, 33012 | 40003 | 60121) => {
            "is unknown to DingTalk, has not joined yet, has left, or belongs to another \
             organisation; DingTalk does not tell these apart"
        }
        (GET_USER_BY_MOBILE, 40104 | 60121) => {
            "belongs to nobody who works in this DingTalk organisation, or is not a number that \
             DingTalk takes; DingTalk does not tell these apart"
        }
        (GET_USER | GET_USER_BY_MOBILE, 50002) => {
            "is outside the range that DingTalk's administrator has given the app"
        }
        (GET_DEPARTMENT, 40009 | 60003) => {
            "is no department at DingTalk, or none any more; DingTalk does not tell these apart"
        }
        (GET_DEPARTMENT, 50004) => {
            "is a department outside the range that DingTalk's administrator has given the app"
        }
        _ => return None,
    })
}

/// Why somebody does not have a notice that DingTalk took (`delivery_codes` of the contract).
pub(super) fn dropped(code: &str) -> String {
    let why = match code {
        "143103" | "143203" => "the app has sent to too many people within a minute",
        "143104" | "143204" => "the organisation has sent to too many people within a minute",
        "143105" | "143205" => "has had as many notices of this app today as DingTalk allows",
        "143106" | "143206" => "has had the same content from this app today",
        "1430000" => "nobody was left whom it could go to",
        "1430001" => "the app has no right that DingTalk knows",
        "1430002" => "the notice has words that DingTalk forbids",
        "1430003" => "DingTalk protects itself",
        "1430004" => "is protected from notices by an administrator",
        _ => return format!("was dropped by DingTalk (code {code})"),
    };
    format!("was dropped by DingTalk: {why} (code {code})")
}

/// What to do about a code; none where the contract knows nothing that would help.
pub(super) fn hint(row: &Row, code: &str) -> Option<&'static str> {
    let fetches_token = [TOKEN, LEGACY_TOKEN].contains(&row.operation);
    Some(match code {
        "invalidClientIdOrSecret" | "invalid.client" | "40089" | "40096" => WRONG_PAIR,
        "40001" if fetches_token => WRONG_PAIR,
        "40001" | "40014" | "42001" | "InvalidAuthentication" => {
            "DingTalk did not accept a fresh token either; check that the app is enabled in this organisation."
        }
        "33001" => "The app belongs to another organisation; check `app_key`.",
        "43007" | "60011" | "Forbidden.AccessDenied.AccessTokenPermissionDenied" => {
            match row.operation {
                GET_USER => {
                    "Grant the app the permission `qyapi_get_member` in the developer console."
                }
                GET_USER_BY_MOBILE => {
                    "Grant the app the permission `qyapi_get_member_by_mobile` in the developer console."
                }
                GET_DEPARTMENT => {
                    "Grant the app the permission `qyapi_get_department_list` in the developer console."
                }
                _ => "Grant the app the permission in the developer console.",
            }
        }
        "50003" | "unauthorized.client" => {
            "The app is switched off; an administrator of the organisation can enable it."
        }
        "50005" => "The organisation is switched off at DingTalk.",
        "60020" | "Forbidden.AccessDenied.IpNotInWhiteList" => {
            "Put this machine's address on the app's list of allowed IPs."
        }
        "90002"
        | "90005"
        | "90006"
        | "90018"
        | "45009"
        | "41048"
        | "Forbidden.AccessDenied.QpsLimitForApi"
        | "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
        | "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi" => {
            "DingTalk's rate limit was hit; something else may be using the same app. Check `edition`, and try again in a minute."
        }
        "90001" | "90003" | "90004" => {
            "DingTalk refuses all such calls for a while; try again in five minutes."
        }
        BAN => {
            "DingTalk has banned this machine's address for too many calls; try again in five minutes."
        }
        "90020" | "Forbidden.AccessDenied.ApiCountLimitForOrg" => {
            "The organisation's monthly allowance of calls is used up; it comes back next month or with another edition."
        }
        "-1" | "500" | "400001" | "server.error" | "system.error" => {
            "DingTalk had an internal fault or was overloaded; try again later."
        }
        "40056" | "41011" | "70003" | "70004" => {
            "Check the provider's `agent_id`; it stands on the app's page in the developer console."
        }
        "41028" | "41044" => {
            "DingTalk does not let the app send to these people; an administrator of the organisation can."
        }
        "41029" | "40031" | "40032" => {
            "DingTalk does not take the list of receivers; check the ids in it."
        }
        "41045" => "DingTalk delivers at most three notices a day to everyone.",
        "41046" | "41047" | "send.too.fast" => {
            "DingTalk's limit of receivers in a minute was hit; try again in a minute."
        }
        "41049" | "contain.notAllowed.text" => "The notice has words that DingTalk forbids.",
        "40048" | "contain.unsafe.url" => "DingTalk holds a link of the notice to be unsafe.",
        "34014" | "34016" | "40008" | "45002" | "41101" => {
            "DingTalk does not take the message of this kind or length."
        }
        "41052" => "DingTalk has no result yet, or there are more than 100 receivers.",
        "400002" if row.operation == RECALL => {
            "DingTalk does not know the task any more, or not the `agent_id`."
        }
        "invalidParameter.robotCode.empty" | "invalidParameter.robotCode.auth" => {
            "The robot is not one of this app; check its code."
        }
        "invalidParameter.msgKey.invalid"
        | "invalidParameter.msgParam.invalid"
        | "invalidParameter.msgParam.tooLong" => {
            "DingTalk does not take the robot's message of this kind or length."
        }
        "invalid.openConversationId" => "Check the id of the group, and that the robot is in it.",
        "group.disbanded" => "The group was disbanded; it cannot come back.",
        "bot.stopped" => "The robot was stopped in the group; somebody there can start it again.",
        "unknown.send.result" => "DingTalk does not know whether it sent; look into the group.",
        "22" | "404" => "The server does not know this call; check `base_url`.",
        "40000" | "40035" | "41001" | "400002" => {
            "DingTalk did not take the request for one of its own; please report this as a fault of beadle."
        }
        _ => return None,
    })
}

const WRONG_PAIR: &str = "DingTalk does not know this pair of `app_key` and `app_secret`; copy both anew from the app's page in the developer console.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendors::limits::dingtalk::ROWS;

    #[test]
    fn every_code_that_the_contract_lists_is_explained() {
        let contract = include_str!("../../../tests/fixtures/vendors/dingtalk.openapi.yaml");
        let contract: serde_json::Value = serde_yaml::from_str(contract).unwrap();
        let paths = contract["paths"].as_object().unwrap();
        for row in &ROWS {
            let method = row.method.as_str().to_lowercase();
            let path = &paths[&format!("/{}", row.path.join("/"))];
            for code in path[&method]["x-error-codes"].as_array().unwrap() {
                let code = code.as_str().unwrap();
                let number = code.parse().ok();
                let absent = number.and_then(|code| absence(row.operation, code));
                let told = absent.is_some() || hint(row, code).is_some();
                assert!(told || code == "88", "{}: {code}", row.operation);
            }
        }
    }

    #[test]
    fn every_code_of_somebody_dropped_is_explained() {
        let contract = include_str!("../../../tests/fixtures/vendors/dingtalk.openapi.yaml");
        let contract: serde_json::Value = serde_yaml::from_str(contract).unwrap();
        let codes = contract["x-error-catalog"]["delivery_codes"]
            .as_object()
            .unwrap();
        let codes = codes.keys().filter(|code| *code != "note");
        let said: Vec<_> = codes.map(|code| (code, dropped(code))).collect();
        assert!(said.len() > 10, "{said:?}");
        for (code, words) in said {
            assert!(words.contains("DingTalk: "), "{code}: {words}");
        }
        assert_eq!(dropped("9"), "was dropped by DingTalk (code 9)");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (operation, permission) in [
            (GET_USER, "`qyapi_get_member`"),
            (GET_USER_BY_MOBILE, "`qyapi_get_member_by_mobile`"),
            (GET_DEPARTMENT, "`qyapi_get_department_list`"),
        ] {
            let row = crate::vendors::limits::dingtalk::row(operation);
            assert!(hint(row, "60011").unwrap().contains(permission));
        }
        let token = crate::vendors::limits::dingtalk::row(LEGACY_TOKEN);
        assert_eq!(hint(token, "40001"), Some(WRONG_PAIR));
    }
}
