//! What a code means for a caller, at vendors that explain their codes once for all endpoints.

use std::time::Duration;

use super::Reaction;

/// What may follow a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) reaction: Reaction,
    /// Attempts in all, where the contract bounds them.
    pub(crate) most: Option<u32>,
    /// How long to wait before the next one, where the contract says.
    pub(crate) wait: Option<Duration>,
}

impl Rule {
    pub(crate) const NEVER: Rule = Rule::new(Reaction::Never);
    pub(crate) const REFRESH: Rule = Rule::new(Reaction::RefreshToken);
    pub(crate) const QUOTA: Rule = Rule::new(Reaction::NextWindow);
    pub(crate) const LATE: Rule = Rule::new(Reaction::AfterReset);

    const fn new(reaction: Reaction) -> Self {
        Rule {
            reaction,
            most: None,
            wait: None,
        }
    }

    /// So many attempts in all, with a back-off between them.
    pub(crate) const fn soon(most: u32) -> Self {
        Rule {
            most: Some(most),
            ..Rule::new(Reaction::Backoff)
        }
    }

    /// The same after so many seconds, for everybody who calls that endpoint.
    pub(crate) const fn after(self, seconds: u64) -> Self {
        Rule {
            reaction: Reaction::AfterReset,
            wait: Some(Duration::from_secs(seconds)),
            ..self
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::Value;

    use super::*;

    /// A vendor's OpenAPI file.
    pub(in super::super) struct Contract(pub(in super::super) Value);

    impl Contract {
        pub(in super::super) fn read(text: &str) -> Self {
            Self(serde_yaml::from_str(text).unwrap())
        }

        /// Method, path and all else of an operation.
        pub(in super::super) fn operation(&self, id: &str) -> (String, &str, &Value) {
            for (path, item) in self.0["paths"].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap() {
                    if operation["operationId"] == id {
                        return (method.to_uppercase(), path, operation);
                    }
                }
            }
            panic!("{id} is not in the contract");
        }

        /// The catalogue, without what is success.
        pub(in super::super) fn codes(&self) -> Vec<(String, Value)> {
            let codes = self.0["x-error-catalog"]["codes"].as_object().unwrap();
            assert!(codes.len() > 15, "the catalogue was not found");
            let failures = codes.iter().filter(|(_, entry)| entry["class"] != "ok");
            failures.map(|(c, e)| (c.clone(), e.clone())).collect()
        }
    }

    /// The rule that an entry of the catalogue asks for.
    pub(in super::super) fn expected(entry: &Value) -> Option<Rule> {
        let number = |key: &str| entry[key].as_u64();
        let wait = number("wait_seconds");
        let most = number("max_attempts").map(|most| most.try_into().unwrap());
        let reaction = match entry["class"].as_str().unwrap() {
            "retry-soon" if wait.is_none() => Reaction::Backoff,
            "retry-soon" | "retry-late" => Reaction::AfterReset,
            "refresh-token" => Reaction::RefreshToken,
            "quota" => Reaction::NextWindow,
            "fix-request" | "fix-permission" => Reaction::Never,
            // Nothing can be said of these before looking further.
            "see-sub-code" | "unknown-outcome" => return None,
            other => panic!("no reaction for {other}"),
        };
        Some(Rule {
            reaction,
            most,
            wait: wait.map(Duration::from_secs),
        })
    }
}
