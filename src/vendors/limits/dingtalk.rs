//! DingTalk's endpoints, copied from `tests/fixtures/vendors/dingtalk.openapi.yaml`.
//!
//! Its codes are explained in one catalogue for all endpoints, [`rule`], so the rows list none.

use reqwest::Method;

use super::catalogue::Rule;
use super::{Rate, Row};

pub(crate) const TOKEN: &str = "getAccessToken";
pub(crate) const LEGACY_TOKEN: &str = "getTokenLegacy";
pub(crate) const GET_USER: &str = "getUser";
pub(crate) const GET_USER_BY_MOBILE: &str = "getUserByMobile";
pub(crate) const GET_DEPARTMENT: &str = "getDepartment";
pub(crate) const SEND: &str = "sendWorkNotification";
pub(crate) const SEND_PROGRESS: &str = "getSendProgress";
pub(crate) const SEND_RESULT: &str = "getSendResult";
pub(crate) const RECALL: &str = "recallWorkNotification";
pub(crate) const SEND_TO_GROUP: &str = "sendRobotGroupMessage";

/// What the standard edition may call of one API; the other editions are in [`rate`].
const STANDARD: Rate = Rate {
    per_minute: None,
    per_second: Some(20),
};
const UNTOLD: Rate = Rate {
    per_minute: None,
    per_second: None,
};

const fn post(operation: &'static str, path: &'static [&'static str], repeatable: bool) -> Row {
    Row {
        operation,
        method: Method::POST,
        path,
        rate: STANDARD,
        repeatable,
        refused: &[],
        codes: &[],
    }
}

const fn read(operation: &'static str, path: &'static [&'static str]) -> Row {
    post(operation, path, true)
}

/// A call that is repeated, if at all, by who knows the day.
const fn send(operation: &'static str, path: &'static [&'static str]) -> Row {
    post(operation, path, false)
}

/// Every endpoint that we call.
pub(crate) static ROWS: [Row; 10] = [
    Row {
        operation: TOKEN,
        method: Method::POST,
        path: &["v1.0", "oauth2", "accessToken"],
        rate: UNTOLD,
        repeatable: true,
        refused: &[],
        codes: &[],
    },
    Row {
        operation: LEGACY_TOKEN,
        method: Method::GET,
        path: &["gettoken"],
        rate: UNTOLD,
        repeatable: true,
        refused: &[],
        codes: &[],
    },
    read(GET_USER, &["topapi", "v2", "user", "get"]),
    read(GET_USER_BY_MOBILE, &["topapi", "v2", "user", "getbymobile"]),
    read(GET_DEPARTMENT, &["topapi", "v2", "department", "get"]),
    send(
        SEND,
        &["topapi", "message", "corpconversation", "asyncsend_v2"],
    ),
    read(
        SEND_PROGRESS,
        &["topapi", "message", "corpconversation", "getsendprogress"],
    ),
    read(
        SEND_RESULT,
        &["topapi", "message", "corpconversation", "getsendresult"],
    ),
    read(RECALL, &["topapi", "message", "corpconversation", "recall"]),
    send(SEND_TO_GROUP, &["v1.0", "robot", "groupMessages", "send"]),
];

/// The row of an operation.
pub(crate) fn row(operation: &'static str) -> &'static Row {
    let found = ROWS.iter().find(|row| row.operation == operation);
    found.expect("operations are constants of the table")
}

/// How often an edition of so many calls a second may make a call.
pub(crate) fn rate(row: &Row, per_second: u32) -> Rate {
    Rate {
        per_second: row.rate.per_second.map(|_| per_second),
        ..row.rate
    }
}

/// What the contract says about a code (`x-error-catalog`), which is a number at the older host and a
/// word at the newer one; none where it lists none.
pub(crate) fn rule(code: &str) -> Option<Rule> {
    Some(match code {
        "-1" | "500" | "400001" | "41052" | "server.error" | "system.error" => Rule::soon(3),
        "90002"
        | "90018"
        | "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
        | "Forbidden.AccessDenied.QpsLimitForApi" => Rule::soon(5).after(1),
        "41046"
        | "41047"
        | "41048"
        | "45009"
        | "90005"
        | "90006"
        | "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi"
        | "send.too.fast" => Rule::LATE.after(60),
        "90001" | "90003" | "90004" => Rule::LATE.after(300),
        "40001" | "40014" | "42001" | "InvalidAuthentication" => Rule::REFRESH,
        "41045" | "90020" | "Forbidden.AccessDenied.ApiCountLimitForOrg" => Rule::QUOTA,
        // The caller's address is banned for five minutes, which is longer than we wait.
        BAN => Rule::NEVER,
        // An administrator's job.
        "41028"
        | "41044"
        | "43007"
        | "50002"
        | "50003"
        | "50004"
        | "50005"
        | "60011"
        | "60020"
        | "unauthorized.client"
        | "Forbidden.AccessDenied.AccessTokenPermissionDenied"
        | "Forbidden.AccessDenied.IpNotInWhiteList"
        | "invalidParameter.robotCode.auth"
        | "bot.stopped" => Rule::NEVER,
        // A mistake in the request.
        "22"
        | "404"
        | "33001"
        | "33011"
        | "33012"
        | "34001"
        | "34002"
        | "34004"
        | "34014"
        | "34016"
        | "40000"
        | "40003"
        | "40008"
        | "40009"
        | "40031"
        | "40032"
        | "40033"
        | "40035"
        | "40048"
        | "40056"
        | "40068"
        | "40069"
        | "40089"
        | "40096"
        | "40104"
        | "41001"
        | "41011"
        | "41029"
        | "41049"
        | "41101"
        | "45002"
        | "60003"
        | "60121"
        | "70003"
        | "70004"
        | "400002"
        | "400043"
        | "AuthenticationFailed.MissingParameter"
        | "invalidClientIdOrSecret"
        | "invalid.client"
        | "unsupported.grant.type"
        | "invalidParameter.robotCode.empty"
        | "invalidParameter.msgKey.invalid"
        | "invalidParameter.msgParam.invalid"
        | "invalidParameter.msgParam.tooLong"
        | "invalid.openConversationId"
        | "group.disbanded"
        | "contain.unsafe.url"
        | "contain.notAllowed.text" => Rule::NEVER,
        _ => return None,
    })
}

/// The `status` of an answer to a banned address, which is not an envelope and has no code.
pub(crate) const BAN: &str = "1111";

#[cfg(test)]
mod tests {
    use super::super::catalogue::tests::{Contract, expected};
    use super::*;

    fn contract() -> Contract {
        Contract::read(include_str!(
            "../../../tests/fixtures/vendors/dingtalk.openapi.yaml"
        ))
    }

    #[test]
    fn rows_say_what_the_contract_says() {
        let contract = contract();
        let editions = &contract.0["x-rate-limit"]["per_app_and_api_per_second"];
        for row in &ROWS {
            let (method, path, operation) = contract.operation(row.operation);
            assert_eq!(row.method.as_str(), method, "{}", row.operation);
            assert_eq!(format!("/{}", row.path.join("/")), path);
            let by_root = !operation["x-rate-limit"]["per_second"].is_null();
            let standard = editions["standard"].as_u64().filter(|_| by_root);
            assert_eq!(row.rate.per_second.map(u64::from), standard, "{path}");
            assert_eq!(rate(row, 40).per_second, standard.map(|_| 40), "{path}");
            let repeat = &operation["x-idempotency"];
            let safe = repeat["safe"] == true || repeat["safe_repeat"] == "assumed";
            assert_eq!(row.repeatable, safe, "{path}");
            for code in operation["x-error-codes"].as_array().unwrap() {
                let code = code.as_str().unwrap();
                let open = ["88", "unknown.send.result"].contains(&code);
                assert_eq!(rule(code).is_none(), open, "{path}: {code}");
            }
        }
    }

    #[test]
    fn codes_say_what_the_contract_says() {
        for (code, entry) in contract().codes() {
            assert_eq!(rule(&code), expected(&entry), "{code}: {entry}");
        }
        assert_eq!(rule("88"), None);
        assert_eq!(rule("60122"), None);
    }
}
