//! What a notice says about what follows a send.

use super::Names;
use super::notices::duration;
use crate::model::diagnostic::Diagnostic;
use crate::model::notice::{After, ENOUGH, OnUnknown, TRACKED, Track};
use crate::model::shape::{Given, Spanned, Text};
use crate::model::written;

/// The keys of a notice that are about what follows a send, as they are written.
pub(super) struct AfterWords {
    pub(super) revoke_after: Given<Spanned<Text>>,
    pub(super) track: Given<Spanned<written::Track>>,
    pub(super) on_problem: Given<Vec<Spanned<Text>>>,
    pub(super) people: Given<Spanned<written::PeopleWord>>,
    pub(super) on_unknown: Given<written::UnknownWord>,
}

impl Names {
    /// None when something of it cannot be read.
    pub(super) fn after(
        &mut self,
        words: AfterWords,
        found: &mut Vec<Diagnostic>,
    ) -> Option<After> {
        let AfterWords {
            revoke_after,
            track,
            on_problem,
            people,
            on_unknown,
        } = words;
        let revoke_after = match revoke_after.into_option() {
            None => Some(None),
            Some(text) => duration(&text, found).map(|time| Some((time, text.span))),
        };
        let track = match track.into_option() {
            None => Some(None),
            Some(track) => {
                let written::Track {
                    until,
                    r#for,
                    report_to,
                } = track.value;
                let lasts = r#for.into_option();
                let place = lasts.as_ref().map_or(track.span, |text| text.span);
                let lasts = match lasts {
                    None => Some(TRACKED),
                    Some(text) => duration(&text, found),
                };
                let until = until.into_option();
                let enough = until.as_ref().map_or(ENOUGH, |until| until.value.0);
                if let Some(until) = until.filter(|until| until.value.0 <= 0.0) {
                    found.push(
                        Diagnostic::error("nothing-to-follow", until.span, "nobody has to read it")
                            .help("Write a share above zero, such as `80%`, or remove `track`."),
                    );
                }
                let report_to = self.recipients(report_to.into_option().unwrap_or_default(), found);
                lasts.map(|lasts| {
                    let track = Track {
                        until: enough,
                        lasts,
                        report_to,
                    };
                    Some((track, place))
                })
            }
        };
        let on_problem = self.recipients(on_problem.into_option().unwrap_or_default(), found);
        let people_span = people.get().map(|word| word.span);
        let people = people.into_option().map(|word| word.value.0);
        Some(After {
            revoke_after: revoke_after?,
            track: track?,
            on_problem,
            people: (people.unwrap_or_default(), people_span),
            on_unknown: on_unknown.get().map_or(OnUnknown::Hold, |word| word.0),
        })
    }
}
