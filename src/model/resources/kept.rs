//! What chats and contact user groups that beadle keeps have in common.

use std::collections::BTreeSet;

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
        let (count, most) = (text.value.0.chars().count(), self.description);
        if count > most {
            let summary = format!(
                "{}'s description has at most {most} characters, this one has {count}",
                self.what
            );
            found.push(
                Diagnostic::error("description-too-long", text.span, summary).help(
                    "Shorten it; whatever is long fits better into a document that it names.",
                ),
            );
        }
        Some(text)
    }
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
