//! What the vendors' contracts say about each endpoint, as rows of data: how often it may be called,
//! whether a call whose outcome is unknown may be repeated, and what a code means for a caller.
//!
//! The rows are copied from `tests/fixtures/vendors/feishu.openapi.yaml` (`x-rate-limit`,
//! `x-idempotency`, `x-error-codes`, `x-common-error-codes`). Nothing here waits or sends; `pace.rs`
//! and `retry.rs` do.
//!
//! # Assumptions
//!
//! - A code that the contract explains as the caller's or the set-up's fault, a bad token, a throttle
//!   or a quota was answered before any effect. The internal ones (`1470500`, `2200`) were not
//!   (`Reaction::Backoff`).

use reqwest::Method;

pub use crate::plan::budget::Rate;

/// The rate of an operation by the contract's name, for the budget of a plan.
#[must_use]
pub fn rates(operation: &str) -> Rate {
    row(operation).map_or(Rate::default(), |row| row.rate)
}

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Row {
    /// The contract's name of it.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Path segments; those in braces are filled in order.
    pub(crate) path: &'static [&'static str],
    pub(crate) rate: Rate,
    /// Whether the same bytes may be sent again after an unknown outcome.
    pub(crate) repeatable: bool,
    /// The endpoint's own codes; the common ones apply as well.
    codes: &'static [(i64, Reaction)],
}

impl Row {
    /// What the contract says about a code of this endpoint; none when it does not list it.
    pub(crate) fn reaction(&self, code: i64) -> Option<Reaction> {
        let listed = self.codes.iter().chain(COMMON);
        listed
            .filter(|(listed, _)| *listed == code)
            .map(|(_, reaction)| *reaction)
            .next()
    }

    /// Whether a call has no effect.
    pub(crate) fn is_read(&self) -> bool {
        self.method == Method::GET || self.operation == TOKEN
    }
}

/// The contract's retry class of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Refused; the same call would be refused again.
    Never,
    /// Refused at the gate for its token: get a new one, repeat once.
    RefreshToken,
    /// Refused by the throttle: wait as told, repeat.
    AfterReset,
    /// Refused by a quota: not to be repeated now.
    NextWindow,
    /// A fault inside, perhaps after an effect: an unknown outcome.
    Backoff,
    /// What was wanted holds already.
    Done,
}

/// The row of an operation.
pub(crate) fn row(operation: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.operation == operation)
}

pub(crate) const TOKEN: &str = "getTenantAccessTokenInternal";
pub(crate) const LIST_TASKLISTS: &str = "listTasklists";
pub(crate) const GET_TASKLIST: &str = "getTasklist";
pub(crate) const CREATE_SUBSCRIPTION: &str = "createTasklistActivitySubscription";
pub(crate) const LIST_SUBSCRIPTIONS: &str = "listTasklistActivitySubscriptions";
pub(crate) const PATCH_SUBSCRIPTION: &str = "patchTasklistActivitySubscription";
pub(crate) const DELETE_SUBSCRIPTION: &str = "deleteTasklistActivitySubscription";
pub(crate) const IS_IN_CHAT: &str = "isInChat";

const TIER_3: Rate = Rate {
    per_minute: Some(100),
    per_second: None,
};
const TIER_4: Rate = Rate {
    per_minute: Some(1000),
    per_second: Some(50),
};

/// Every endpoint that we call.
pub(crate) static ROWS: [Row; 9] = [
    Row {
        operation: TOKEN,
        method: Method::POST,
        path: &["open-apis", "auth", "v3", "tenant_access_token", "internal"],
        rate: Rate {
            per_minute: None,
            per_second: None,
        },
        repeatable: true,
        codes: &[
            (10003, Reaction::Never),
            (10014, Reaction::Never),
            (10015, Reaction::Never),
            (99991543, Reaction::Never),
            (2200, Reaction::Backoff),
        ],
    },
    Row {
        operation: LIST_TASKLISTS,
        method: Method::GET,
        path: &["open-apis", "task", "v2", "tasklists"],
        rate: TIER_4,
        repeatable: true,
        codes: &[(1470400, Reaction::Never), (1470500, Reaction::Backoff)],
    },
    Row {
        operation: GET_TASKLIST,
        method: Method::GET,
        path: &["open-apis", "task", "v2", "tasklists", "{tasklist_guid}"],
        rate: TIER_4,
        repeatable: true,
        codes: TASK,
    },
    Row {
        operation: CREATE_SUBSCRIPTION,
        method: Method::POST,
        path: SUBSCRIPTIONS,
        rate: TIER_3,
        repeatable: false,
        codes: TASK,
    },
    Row {
        operation: LIST_SUBSCRIPTIONS,
        method: Method::GET,
        path: SUBSCRIPTIONS,
        rate: TIER_3,
        repeatable: true,
        codes: TASK,
    },
    Row {
        operation: "getTasklistActivitySubscription",
        method: Method::GET,
        path: SUBSCRIPTION,
        rate: TIER_3,
        repeatable: true,
        codes: TASK,
    },
    Row {
        operation: PATCH_SUBSCRIPTION,
        method: Method::PATCH,
        path: SUBSCRIPTION,
        rate: TIER_3,
        repeatable: true,
        codes: TASK,
    },
    Row {
        operation: DELETE_SUBSCRIPTION,
        method: Method::DELETE,
        path: SUBSCRIPTION,
        rate: TIER_3,
        repeatable: true,
        codes: &[
            (1470400, Reaction::Never),
            (1470403, Reaction::Never),
            (1470404, Reaction::Done),
            (1470500, Reaction::Backoff),
        ],
    },
    Row {
        operation: IS_IN_CHAT,
        method: Method::GET,
        path: &[
            "open-apis",
            "im",
            "v1",
            "chats",
            "{chat_id}",
            "members",
            "is_in_chat",
        ],
        rate: TIER_4,
        repeatable: true,
        codes: &[
            (232004, Reaction::Never),
            (232006, Reaction::Never),
            (232010, Reaction::Never),
            (232025, Reaction::Never),
            (232033, Reaction::Never),
            (232034, Reaction::Never),
        ],
    },
];

const SUBSCRIPTIONS: &[&str] = &[
    "open-apis",
    "task",
    "v2",
    "tasklists",
    "{tasklist_guid}",
    "activity_subscriptions",
];
const SUBSCRIPTION: &[&str] = &[
    "open-apis",
    "task",
    "v2",
    "tasklists",
    "{tasklist_guid}",
    "activity_subscriptions",
    "{activity_subscription_guid}",
];

/// The codes of one tasklist and what is in it.
const TASK: &[(i64, Reaction)] = &[
    (1470400, Reaction::Never),
    (1470403, Reaction::Never),
    (1470404, Reaction::Never),
    (1470500, Reaction::Backoff),
];

/// The codes of every endpoint (page "common error codes"). Those of the message service (11232, 11233,
/// 18121) are left out: no endpoint here sends, and an unlisted code is an unknown outcome.
const COMMON: &[(i64, Reaction)] = &[
    (99991661, Reaction::Never),
    (99991663, Reaction::RefreshToken),
    (99991664, Reaction::RefreshToken),
    (99991665, Reaction::RefreshToken),
    (99991668, Reaction::Never),
    (99991671, Reaction::RefreshToken),
    (99991672, Reaction::Never),
    (99991673, Reaction::Never),
    (99991676, Reaction::Never),
    (99991677, Reaction::Never),
    (99991679, Reaction::Never),
    (99991662, Reaction::Never),
    (99991401, Reaction::Never),
    (99991400, Reaction::AfterReset),
    (99991403, Reaction::NextWindow),
    (99992402, Reaction::Never),
    (99992351, Reaction::Never),
    (99992354, Reaction::Never),
    (99992356, Reaction::Never),
    (99992357, Reaction::Never),
    (99992360, Reaction::Never),
    (99992361, Reaction::Never),
    (99992363, Reaction::Never),
    (99992364, Reaction::Never),
    (9499, Reaction::Never),
    (2200, Reaction::Backoff),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The file that the rows were copied from, as text: the crate has no reader for it here, and
    /// the lines are regular.
    const CONTRACT: &str = include_str!("../../tests/fixtures/vendors/feishu.openapi.yaml");

    /// The lines of an operation.
    fn section(operation: &str) -> Vec<&'static str> {
        CONTRACT
            .lines()
            .skip_while(|line| line.trim() != format!("operationId: {operation}"))
            .take_while(|line| !line.trim().starts_with("x-doc:"))
            .collect()
    }

    fn number_after(line: &str, key: &str) -> Option<i64> {
        let rest = line.split(key).nth(1)?;
        let digits: String = rest
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    }

    fn class(line: &str) -> Reaction {
        let word = line.split("retry: ").nth(1).unwrap();
        match word.split(',').next().unwrap() {
            "never" => Reaction::Never,
            "refresh_token" => Reaction::RefreshToken,
            "after_reset" => Reaction::AfterReset,
            "next_window" => Reaction::NextWindow,
            "backoff" => Reaction::Backoff,
            "treat_as_success" => Reaction::Done,
            other => panic!("no reaction for {other}"),
        }
    }

    #[test]
    fn rows_say_what_the_contract_says() {
        for row in &ROWS {
            let lines = section(row.operation);
            assert!(!lines.is_empty(), "{} is in the contract", row.operation);
            let rate = lines.iter().find(|l| l.contains("x-rate-limit")).unwrap();
            let told = Rate {
                per_minute: number_after(rate, "per_minute:").map(|n| n.try_into().unwrap()),
                per_second: number_after(rate, "per_second:").map(|n| n.try_into().unwrap()),
            };
            assert_eq!(row.rate, told, "{}", row.operation);
            let safe = lines.iter().any(|l| l.contains("retry_safe: true"));
            assert_eq!(row.repeatable, safe, "{}", row.operation);
            let codes: Vec<_> = lines.iter().filter(|l| l.contains(", code: ")).collect();
            assert_eq!(codes.len(), row.codes.len(), "{}", row.operation);
            for line in codes {
                let code = number_after(line, "code:").unwrap();
                assert_eq!(
                    row.reaction(code),
                    Some(class(line)),
                    "{}: {line}",
                    row.operation
                );
            }
        }
    }

    #[test]
    fn common_codes_say_what_the_contract_says() {
        let lines = CONTRACT
            .lines()
            .skip_while(|line| *line != "x-common-error-codes:")
            .skip(1)
            .take_while(|line| line.starts_with("  - "));
        let message_service = [11232, 11233, 18121];
        for line in lines {
            let code = number_after(line, "code:").unwrap();
            if !message_service.contains(&code) {
                let known = COMMON.iter().find(|(listed, _)| *listed == code);
                assert_eq!(known.map(|(_, r)| *r), Some(class(line)), "{line}");
            }
        }
    }

    #[test]
    fn a_create_is_never_repeated_and_a_rate_is_data() {
        assert!(!row(CREATE_SUBSCRIPTION).unwrap().repeatable);
        assert_eq!(rates(LIST_SUBSCRIPTIONS).per_minute, Some(100));
        assert_eq!(rates("isInChat").per_second, Some(50));
        assert_eq!(rates("somethingElse"), Rate::default());
    }
}
