//! What chats and contact user groups that beadle keeps have in common.

use std::collections::BTreeSet;

use super::fits_a_path;
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::shape::{Given, Spanned, Text};
use crate::model::written::KeptField;
use crate::model::{Field, Name};

/// What the vendor says about the texts of a kind of object.
pub(super) struct Texts {
    /// Such as `a chat`.
    pub(super) what: &'static str,
    /// The most characters of its name.
    pub(super) name: usize,
    /// The most characters of its description.
    pub(super) description: usize,
}

/// Page `chat/create`; the limits of a name and a description are its SDK's and the console's.
pub(super) const CHAT: Texts = Texts {
    what: "a chat",
    name: 60,
    description: 100,
};

/// Page `group/create`.
pub(super) const USER_GROUP: Texts = Texts {
    what: "a user group",
    name: 100,
    description: 500,
};

impl Texts {
    /// The name at the vendor with the place to blame for it: what is written, else the block's name.
    pub(super) fn name(
        &self,
        written: Given<Spanned<Text>>,
        name: &Name,
        span: Span,
        found: &mut Vec<Diagnostic>,
    ) -> Option<(String, Span)> {
        let (text, span) = match written {
            Given::Is(text) => (text.value.0, text.span),
            Given::Absent => (name.to_string(), span),
            Given::Bad => return None,
        };
        let Some((code, summary)) = unfit_name(self.what, &text, self.name) else {
            return Some((text, span));
        };
        found.push(Diagnostic::error(code, span, summary).help("Give it a fitting `name:`."));
        None
    }

    pub(super) fn description(
        &self,
        written: Given<Spanned<Text>>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<Text>> {
        let text = written.into_option()?;
        if let Some(summary) = self.long_description(&text.value.0) {
            found.push(
                Diagnostic::error("description-too-long", text.span, summary).help(
                    "Shorten it; whatever is long fits better into a document that it names.",
                ),
            );
        }
        Some(text)
    }

    fn long_description(&self, text: &str) -> Option<String> {
        let (count, most) = (text.chars().count(), self.description);
        (count > most).then(|| {
            format!(
                "{}'s description has at most {most} characters, this one has {count}",
                self.what
            )
        })
    }

    fn unfit(&self, name: &str, description: &str) -> Option<String> {
        let name = unfit_name(self.what, name, self.name).map(|(_, summary)| summary);
        name.or_else(|| self.long_description(description))
    }
}

/// Why no manifest can declare a chat of this name and description, if none can: a lowercase fragment.
#[must_use]
pub fn unfit_chat(name: &str, description: &str) -> Option<String> {
    CHAT.unfit(name, description)
}

/// The same of a contact user group.
#[must_use]
pub fn unfit_user_group(name: &str, description: &str) -> Option<String> {
    USER_GROUP.unfit(name, description)
}

/// Whether a text has the form of a chat's open id.
#[must_use]
pub fn is_chat_id(text: &str) -> bool {
    text.len() > "oc_".len() && text.starts_with("oc_") && fits_a_path(text)
}

/// Whether a text has the form of a contact user group's `group_id`.
#[must_use]
pub fn is_user_group_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric();
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

/// What is wrong with a name at the vendor, if anything: the code and the words.
pub(crate) fn unfit_name(what: &str, name: &str, most: usize) -> Option<(&'static str, String)> {
    if name.len() > most {
        let count = name.chars().count();
        if count > most {
            let summary =
                format!("{what}'s name has at most {most} characters, this one has {count}");
            return Some(("name-too-long", summary));
        }
    }
    if name.trim().is_empty() {
        return Some(("bad-name", format!("{what}'s name cannot be empty")));
    }
    let is_line = !name.contains(char::is_control);
    (!is_line).then(|| ("bad-name", format!("{what}'s name is one line of text")))
}

pub(super) fn ignored(fields: Vec<Spanned<KeptField>>) -> BTreeSet<Field> {
    fields.into_iter().map(|field| field.value.0).collect()
}
