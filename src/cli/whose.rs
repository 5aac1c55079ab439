//! Which line of which file lists somebody whom a vendor did not take.

use std::cell::RefCell;

use super::diagnostics::Lines;
use super::people::{PlaceJson, place};
use crate::engine::channel::To;
use crate::engine::ledger::LookUp;
use crate::model::diagnostic::Sources;
use crate::model::group::Recipient;
use crate::model::manifest::Manifest;
use crate::model::notice::Target;
use crate::model::{Name, Span};

/// What is needed to find it.
pub(super) struct Whose<'a> {
    manifest: &'a Manifest,
    look_ups: &'a [LookUp],
    lines: RefCell<Lines<'a>>,
}

impl<'a> Whose<'a> {
    pub(super) fn new(
        manifest: &'a Manifest,
        sources: &'a Sources,
        look_ups: &'a [LookUp],
    ) -> Self {
        Self {
            manifest,
            look_ups,
            lines: RefCell::new(Lines::new(sources)),
        }
    }

    /// Every place that lists somebody, by the id that was sent to or by what that was looked up from.
    pub(super) fn places(&self, provider: &Name, who: &To) -> Vec<PlaceJson> {
        let mut spans: Vec<Span> = match who {
            To::Chat(chat) => {
                let target = Target::Chat(chat.clone());
                let notices = self.manifest.notices.values();
                notices
                    .filter_map(|notice| notice.to.get(&target))
                    .copied()
                    .collect()
            }
            To::Recipient(recipient) => self.listed(provider, recipient),
        };
        spans.sort_by_key(|span| (span.file, span.start));
        spans.dedup();
        let mut lines = self.lines.borrow_mut();
        spans
            .into_iter()
            .map(|span| place(&mut lines, span))
            .collect()
    }

    fn listed(&self, provider: &Name, recipient: &Recipient) -> Vec<Span> {
        let asked = self
            .look_ups
            .iter()
            .filter(|look_up| look_up.provider == *provider && look_up.person == *recipient)
            .map(|look_up| &look_up.recipient);
        let names: Vec<&Recipient> = asked.chain([recipient]).collect();
        let groups = self.manifest.groups.values();
        let lists = groups.filter_map(|group| group.people.get(provider));
        lists
            .flat_map(|list| names.iter().filter_map(|name| list.get(*name)))
            .copied()
            .collect()
    }

    /// Such as ` (beadle.yaml:12:30)`; nothing where no file lists them.
    pub(super) fn words(&self, provider: &Name, who: &To) -> String {
        let places = self.places(provider, who);
        if places.is_empty() {
            return String::new();
        }
        let words: Vec<_> = places
            .iter()
            .map(|at| format!("{}:{}:{}", at.file, at.line, at.column))
            .collect();
        format!(" ({})", words.join(", "))
    }
}
