//! EnOS's endpoints, copied from `tests/fixtures/vendors/enos.openapi.yaml`.
//!
//! Its codes are explained in one catalogue for all endpoints, [`rule`], so the rows list none. No rate
//! is published.

use reqwest::Method;

use super::catalogue::Rule;
use super::{Rate, Row};

pub(crate) const TOKEN: &str = "getAccessToken";
pub(crate) const REFRESH_TOKEN: &str = "refreshAccessToken";
pub(crate) const ROSTER: &str = "listOrganizationUsers";
pub(crate) const PRODUCE: &str = "produceNoticeMessages";
pub(crate) const GET_NOTICE: &str = "getNoticeMessage";

/// The paths that the vendor's own sample has (`x-alternate-paths`).
pub(crate) static OLDER_PRODUCE: Row = post(
    PRODUCE,
    &["app-portal-service", "v2.2", "notice-message", "produce"],
);
pub(crate) static OLDER_GET_NOTICE: Row = post(
    GET_NOTICE,
    &["app-portal-service", "v2.2", "notice-message", "get"],
);

const fn post(operation: &'static str, path: &'static [&'static str]) -> Row {
    Row {
        operation,
        method: Method::POST,
        path,
        rate: Rate {
            per_minute: None,
            per_second: None,
        },
        repeatable: true,
        refused: &[],
        codes: &[],
    }
}

/// Every endpoint that we call.
pub(crate) static ROWS: [Row; 5] = [
    post(TOKEN, &["apim-token-service", "v2.0", "token", "get"]),
    post(
        REFRESH_TOKEN,
        &["apim-token-service", "v2.0", "token", "refresh"],
    ),
    post(
        ROSTER,
        &[
            "app-portal-service",
            "v2.2",
            "user",
            "organization",
            "roster",
        ],
    ),
    // A repeat reaches nobody who has the notice, as its id is ours.
    post(
        PRODUCE,
        &["app-portal", "api", "v3", "notice-message", "produce"],
    ),
    post(
        GET_NOTICE,
        &["app-portal", "api", "v3", "notice-message", "get"],
    ),
];

/// The row of an operation.
pub(crate) fn row(operation: &'static str) -> &'static Row {
    let found = ROWS.iter().find(|row| row.operation == operation);
    found.expect("operations are constants of the table")
}

/// What the contract says about a code (`x-error-catalog`); none where it lists none.
pub(crate) fn rule(code: &str) -> Option<Rule> {
    Some(match code {
        "1001" | "1005" | "99500" => Rule::soon(3),
        "1203" | "1204" => Rule::REFRESH,
        "31401" | "31403" | "99403" => Rule::NEVER,
        "1002" | "1003" | "1004" | "1202" | "31400" | "31404" | "31512" | "99400" | "99404" => {
            Rule::NEVER
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::tests::{Contract, expected};
    use super::*;

    fn contract() -> Contract {
        Contract::read(include_str!(
            "../../../tests/fixtures/vendors/enos.openapi.yaml"
        ))
    }

    #[test]
    fn rows_say_what_the_contract_says() {
        let contract = contract();
        for row in &ROWS {
            let (method, path, operation) = contract.operation(row.operation);
            assert_eq!(row.method.as_str(), method, "{}", row.operation);
            assert_eq!(format!("/{}", row.path.join("/")), path);
            assert_eq!(operation["x-rate-limit"]["documented"], false, "{path}");
            let repeat = &operation["x-idempotency"];
            let keyed = repeat["key"] == "orgId and messageId";
            assert!(repeat["safe"] == true || repeat["safe_repeat"] == "assumed" || keyed);
            for older in [&OLDER_PRODUCE, &OLDER_GET_NOTICE] {
                if older.operation == row.operation {
                    let told = &operation["x-alternate-paths"][0]["path"];
                    assert_eq!(*told, format!("/{}", older.path.join("/")));
                }
            }
            for code in operation["x-error-codes"].as_array().unwrap() {
                assert!(rule(code.as_str().unwrap()).is_some(), "{path}: {code}");
            }
        }
    }

    #[test]
    fn codes_say_what_the_contract_says() {
        for (code, entry) in contract().codes() {
            assert_eq!(rule(&code), expected(&entry), "{code}: {entry}");
        }
        assert_eq!(rule("31402"), None);
    }
}
