//! Tasklists: named references, each read with the app of one provider.

use super::{Names, is_id, unknown};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::manifest::{Tasklist, TasklistTarget, Vendor};
use crate::model::shape::{Given, Spanned, Text};
use crate::model::{Name, TasklistGuid, written};

/// Where the parts of a tasklist stand.
#[derive(Clone, Debug)]
pub(crate) struct TasklistPlaces {
    pub(crate) guid: Option<Span>,
    pub(crate) authoritative: Option<Span>,
    pub(crate) keep: Option<Span>,
}

/// What is read or kept with a provider of Feishu, in words.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    what: &'static str,
    all: &'static str,
    question: &'static str,
}

impl Needs {
    const TASKLIST: Self = Self {
        what: "the tasklist",
        all: "tasklists are Feishu's",
        question: "which provider it is read with",
    };

    pub(super) const CHAT: Self = Self {
        what: "the chat",
        all: "chats are kept at Feishu",
        question: "which provider keeps it",
    };
}

impl Names {
    pub(super) fn tasklist(
        &mut self,
        name: &Name,
        written: written::Tasklist,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (Option<Tasklist>, TasklistPlaces) {
        let places = TasklistPlaces {
            guid: written.guid.get().map(|guid| guid.span),
            authoritative: written
                .authoritative
                .get()
                .filter(|flag| flag.value.0)
                .map(|flag| flag.span),
            keep: written.keep.get().map(|keep| keep.span),
        };
        let provider = match &written.provider {
            Given::Is(text) => self.provider(text, Needs::TASKLIST, diagnostics),
            Given::Absent => self.default_provider(name, span, Needs::TASKLIST, diagnostics),
            Given::Bad => None,
        };
        let target = match (written.guid, written.name) {
            (Given::Is(_), Given::Is(other)) => {
                diagnostics.push(
                    Diagnostic::error(
                        "guid-and-name",
                        other.span,
                        format!("the tasklist `{name}` has a guid and a name"),
                    )
                    .help("Keep the guid; it stays the same when the tasklist is renamed."),
                );
                None
            }
            (Given::Is(guid), Given::Absent) => is_id(&guid, "the guid of a tasklist", diagnostics)
                .then(|| TasklistTarget::Guid(TasklistGuid::new(&guid.value.0))),
            (Given::Absent, Given::Is(text)) => {
                let text_name = text.value.0;
                if text_name.trim().is_empty() {
                    diagnostics.push(
                        Diagnostic::error(
                            "bad-name",
                            text.span,
                            "the name of a tasklist cannot be empty",
                        )
                        .help("Write its name, or its guid."),
                    );
                    None
                } else {
                    Some(TasklistTarget::Named(text_name))
                }
            }
            (Given::Absent, Given::Absent) => {
                diagnostics.push(
                    Diagnostic::error(
                        "missing-key",
                        span,
                        format!("the tasklist `{name}` has no guid and no name"),
                    )
                    .help("Add `guid:`, as the tasklist's URL shows it, or `name:`."),
                );
                None
            }
            _ => None,
        };
        let tasklist = provider.zip(target).map(|(provider, target)| Tasklist {
            provider,
            target,
            authoritative: places.authoritative.is_some(),
            keep: written.keep.into_option().map_or(Vec::new(), |keep| {
                keep.value.into_iter().map(|p| p.value.0).collect()
            }),
            span,
        });
        (tasklist, places)
    }

    pub(super) fn provider(
        &mut self,
        text: &Spanned<Text>,
        needs: Needs,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        let name = Name::new(&text.value.0).ok();
        match name.as_ref().and_then(|name| self.providers.get(name)) {
            Some(Some(provider)) if provider.vendor != Vendor::Feishu => {
                diagnostics.push(
                    Diagnostic::error(
                        "wrong-vendor",
                        text.span,
                        format!(
                            "`{}` is a provider of {}, and {}",
                            text.value.0,
                            provider.vendor.as_str(),
                            needs.all
                        ),
                    )
                    .help("Name a Feishu provider.")
                    .related(provider.span, "the provider"),
                );
                None
            }
            Some(Some(_)) => name,
            Some(None) => None,
            None if !self.all_providers => None,
            None => {
                let words = ("unknown-provider", "provider", "providers");
                diagnostics.push(unknown(words, text, &self.providers, &mut self.suggestions));
                None
            }
        }
    }

    pub(super) fn default_provider(
        &mut self,
        name: &Name,
        span: Span,
        needs: Needs,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        if let Some((feishu, provider)) = self.providers.get_key_value("feishu") {
            return provider.as_ref().map(|_| feishu.clone());
        }
        let Needs { what, question, .. } = needs;
        let any_bad = !self.all_providers || self.providers.values().any(Option::is_none);
        let mut feishu = self
            .providers
            .iter()
            .filter(|(_, p)| p.as_ref().is_some_and(|p| p.vendor == Vendor::Feishu));
        let (first, second) = (feishu.next(), feishu.next());
        match (first, second) {
            _ if any_bad => None,
            (Some((only, _)), None) => Some(only.clone()),
            (None, _) => {
                // One finding is enough, however many tasklists and chats there are.
                self.all_providers = false;
                diagnostics.push(
                    Diagnostic::error("no-provider", span, format!("{what} `{name}` needs a Feishu provider, and there is none"))
                        .help("Add `providers: { feishu: { app_id: …, app_secret: \"${env:FEISHU_APP_SECRET}\" } }` to beadle.yaml."),
                );
                None
            }
            (Some((first, _)), Some((second, _))) => {
                diagnostics.push(
                    Diagnostic::error(
                        "no-provider",
                        span,
                        format!("{what} `{name}` does not say {question}"),
                    )
                    .help(format!(
                        "Add `provider:` with one of them, such as `{first}` or `{second}`."
                    )),
                );
                None
            }
        }
    }

    /// The tasklist that a word names.
    pub(super) fn tasklist_named(
        &mut self,
        text: &Spanned<Text>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        let word = text.value.0.as_str();
        let entry = match self.tasklists.get_key_value(word) {
            Some(entry) => Some(entry),
            None if word.is_ascii() => None,
            None => Name::new(word)
                .ok()
                .and_then(|name| self.tasklists.get_key_value(&name)),
        };
        match entry {
            Some((name, Some(_))) => Some(name.clone()),
            Some((_, None)) => None,
            None if !self.all_tasklists => None,
            None => {
                let words = ("unknown-tasklist", "tasklist", "tasklists");
                found.push(unknown(words, text, &self.tasklists, &mut self.suggestions));
                None
            }
        }
    }
}
