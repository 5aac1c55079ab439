//! Who comes to a chat or group and who goes, for readers: counted whole, named up to a bound.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text::clean;

/// Whether a field lists people.
pub(super) fn is_people(field: &str) -> bool {
    matches!(field, "members" | "people")
}

/// The difference between two lists of people.
pub(super) struct Turnover {
    /// What one of them is called, and several.
    nouns: (&'static str, &'static str),
    pub(super) come: Vec<String>,
    pub(super) gone: Vec<String>,
}

impl Turnover {
    /// How many of each side are named.
    pub(super) const NAMED: usize = 10;

    /// Of a field that [`is_people`] says lists people.
    pub(super) fn between(field: &str, before: &[Value], after: &[Value]) -> Self {
        let set = |list: &[Value]| -> BTreeSet<String> {
            list.iter().filter_map(Value::as_str).map(clean).collect()
        };
        let (before, after) = (set(before), set(after));
        Self {
            nouns: match field {
                "members" => ("person", "people"),
                // A group lists departments and everyone too.
                _ => ("recipient", "recipients"),
            },
            come: after.difference(&before).cloned().collect(),
            gone: before.difference(&after).cloned().collect(),
        }
    }

    /// Such as `+ 3 people, - 1 person`.
    pub(super) fn counts(&self) -> String {
        let noun = |n: usize| if n == 1 { self.nouns.0 } else { self.nouns.1 };
        let words: Vec<_> = [("+", self.come.len()), ("-", self.gone.len())]
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(sign, n)| format!("{sign} {n} {}", noun(n)))
            .collect();
        match words.is_empty() {
            true => "none".to_owned(),
            false => words.join(", "),
        }
    }

    /// What stands for those who are not named.
    pub(super) fn more(who: &[String]) -> Option<String> {
        let more = who.len().checked_sub(Self::NAMED).filter(|n| *n > 0)?;
        Some(format!("and {more} more"))
    }
}
