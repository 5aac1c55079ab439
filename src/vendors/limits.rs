//! What the vendors' contracts say about each endpoint, as rows of data: how often it may be called,
//! whether a call whose outcome is unknown may be repeated, and what a code means for a caller.
//!
//! The rows are copied from `tests/fixtures/vendors/feishu.openapi.yaml` (`x-rate-limit`,
//! `x-idempotency`, `x-error-codes`, `x-common-error-codes`); those of DingTalk and EnOS are in files of
//! their own. Nothing here waits or sends; `pace.rs` and `retry.rs` do.
//!
//! # Assumptions
//!
//! - A code that the contract explains as the caller's or the set-up's fault, a bad token, a throttle
//!   or a quota was answered before any effect. The internal ones (`1470500`, `2200`) were not
//!   (`Reaction::Backoff`), nor those that speak of an equal call that still runs (`230049`).

pub(crate) mod catalogue;
pub(crate) mod dingtalk;
pub(crate) mod enos;
mod rows;

use reqwest::Method;

pub use crate::plan::budget::Rate;
pub(crate) use crate::plan::budget::operation::*;
pub(crate) use rows::ROWS;

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
    /// Path segments; those in braces are filled in order. An empty last one stands for a slash at the
    /// end.
    pub(crate) path: &'static [&'static str],
    pub(crate) rate: Rate,
    /// Whether the client may send the same bytes again at once after an unknown outcome.
    pub(crate) repeatable: bool,
    /// The endpoint's own codes that are [`Reaction::Never`]; the common ones apply as well.
    refused: &'static [i64],
    /// Its other codes.
    codes: &'static [(i64, Reaction)],
}

impl Row {
    /// What the contract says about a code of this endpoint; none when it does not list it.
    pub(crate) fn reaction(&self, code: i64) -> Option<Reaction> {
        if self.refused.contains(&code) {
            return Some(Reaction::Never);
        }
        let listed = self.codes.iter().chain(COMMON);
        listed
            .filter(|(listed, _)| *listed == code)
            .map(|(_, reaction)| *reaction)
            .next()
    }

    /// Whether a call has no effect.
    pub(crate) fn is_read(&self) -> bool {
        self.method == Method::GET || [TOKEN, BATCH_GET_USER_IDS].contains(&self.operation)
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
    /// Refused, because what was to be made is there. After an attempt in doubt it is ours.
    There,
    /// Done for some of the people: an unknown outcome, to be read again.
    InPart,
    /// Refused, unless the words speak of a fault inside: then an unknown outcome.
    NeverUnlessInternal,
}

/// The row of an operation.
pub(crate) fn row(operation: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.operation == operation)
}

pub(crate) const TOKEN: &str = "getTenantAccessTokenInternal";
pub(crate) const LIST_TASKLISTS: &str = "listTasklists";
pub(crate) const GET_TASKLIST: &str = "getTasklist";
pub(crate) const CREATE_SUBSCRIPTION: &str = CREATE;
pub(crate) const LIST_SUBSCRIPTIONS: &str = LIST;
pub(crate) const PATCH_SUBSCRIPTION: &str = PATCH;
pub(crate) const DELETE_SUBSCRIPTION: &str = DELETE;
pub(crate) const IS_IN_CHAT: &str = "isInChat";
pub(crate) const BATCH_SEND: &str = "batchSendMessage";
pub(crate) const RECALL_BATCH: &str = "recallBatchMessage";
pub(crate) const BATCH_READ_USER: &str = "getBatchMessageReadUser";
pub(crate) const BATCH_PROGRESS: &str = "getBatchMessageProgress";
pub(crate) const CREATE_MESSAGE: &str = "createMessage";
pub(crate) const RECALL_MESSAGE: &str = "recallMessage";
pub(crate) const MESSAGE_READ_USERS: &str = "listMessageReadUsers";
pub(crate) const UPLOAD_IMAGE: &str = "uploadImage";

/// The codes of every endpoint (page "common error codes").
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
    (11232, Reaction::AfterReset),
    (11233, Reaction::AfterReset),
    (18121, Reaction::Backoff),
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
            // These are throttles, without a reset to wait for.
            "backoff"
                if [11232, 11233, 230020]
                    .map(Some)
                    .contains(&number_after(line, "code:")) =>
            {
                Reaction::AfterReset
            }
            "backoff" => Reaction::Backoff,
            "backoff_if_internal" => Reaction::NeverUnlessInternal,
            "treat_as_success" => Reaction::Done,
            // The equal request that runs may have an effect yet.
            "wait_same_key" => Reaction::Backoff,
            "reread" => match number_after(line, "code:") {
                Some(47005) => Reaction::There,
                Some(40022) => Reaction::InPart,
                // Who reads finds whose the name is; the call was refused.
                _ => Reaction::Never,
            },
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
            // We send no `uuid` with a chat, so nothing tells a repeated create from another one. That
            // of a message has a window, which the runner watches.
            let keyless = lines.iter().any(|l| l.contains("mechanism: client_key"));
            assert_eq!(row.repeatable, safe && !keyless, "{}", row.operation);
            let is_code = |l: &&&str| l.contains(", code: ") && l.contains("retry: ");
            let codes: Vec<_> = lines.iter().filter(is_code).collect();
            let listed = row.refused.len() + row.codes.len();
            assert_eq!(codes.len(), listed, "{}", row.operation);
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
        for line in lines {
            let code = number_after(line, "code:").unwrap();
            let known = COMMON.iter().find(|(listed, _)| *listed == code);
            assert_eq!(known.map(|(_, r)| *r), Some(class(line)), "{line}");
        }
    }

    #[test]
    fn a_create_is_never_repeated_and_a_rate_is_data() {
        assert!(!row(CREATE_SUBSCRIPTION).unwrap().repeatable);
        assert!(!row(CREATE_CHAT).unwrap().repeatable);
        assert!(!row(BATCH_SEND).unwrap().repeatable);
        assert_eq!(rates(LIST_SUBSCRIPTIONS).per_minute, Some(100));
        assert_eq!(rates("isInChat").per_second, Some(50));
        assert_eq!(rates("somethingElse"), Rate::default());
    }
}
