//! Names of what is written: those that are known, and slugs for the rest.

use std::collections::BTreeSet;

use crate::model::Name;

/// The names in one namespace, none given twice.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Sees to it that a name is given to nothing else.
    pub(super) fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// This name, or where it is taken the nearest one with a number.
    pub(super) fn give(&mut self, base: &str) -> String {
        let name = std::iter::once(base.to_owned())
            .chain((2..).map(|n| format!("{}-{n}", base.chars().take(58).collect::<String>())))
            .find(|name| !self.0.contains(name))
            .expect("numbers do not end");
        self.0.insert(name.clone());
        name
    }
}

/// The nearest text that is a name.
pub(super) fn slug(text: &str, otherwise: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                ' '
            }
        })
        .collect();
    let joined: String = spaced
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("-")
        .chars()
        .take(Name::MAX_CHARS)
        .collect();
    match Name::new(&joined) {
        Ok(name) => name.to_string(),
        Err(_) => otherwise.to_owned(),
    }
}

/// The name of the people of a chat.
pub(super) fn members_of(chat: &str) -> String {
    const SUFFIX: &str = "-members";
    let most = Name::MAX_CHARS - SUFFIX.len();
    format!("{}{SUFFIX}", chat.chars().take(most).collect::<String>())
}
