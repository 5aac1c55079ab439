//! Notices: words become groups, chats and providers.

use std::collections::{BTreeMap, BTreeSet};

use super::after::AfterWords;
use super::tasklists::Needs;
use super::{Names, Section, push_all, unknown};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::manifest::Vendor;
use crate::model::message::Message;
use crate::model::notice::{LATE, Notice, Target};
use crate::model::schedule::{Calendars, read};
use crate::model::shape::{Spanned, Text, shorten, words};
use crate::model::{Address, Kind, Name, written};

/// What all notices of a project share.
pub(super) struct Shared<'a> {
    pub(super) calendars: &'a Calendars,
    pub(super) calendars_source: &'a serde_json::Value,
    pub(super) vars: &'a BTreeMap<String, String>,
    /// The providers at which each group has people; none where groups have a mistake that was reported.
    pub(super) reached: Option<BTreeMap<Name, BTreeSet<Name>>>,
}

impl Names {
    pub(super) fn notice(
        &mut self,
        name: Name,
        span: Span,
        written: written::Notice,
        shared: &Shared<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Notice> {
        let address = Address::new(Kind::RecurringNotice, name);
        let mut found = Vec::new();
        let notice = self.read_notice(&address, span, written, shared, &mut found);
        let failed = crate::model::diagnostic::has_errors(&found);
        push_all(diagnostics, found, Some(&address));
        notice.filter(|_| !failed)
    }

    fn read_notice(
        &mut self,
        address: &Address,
        span: Span,
        written: written::Notice,
        shared: &Shared<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Notice> {
        let written::Notice {
            to,
            via,
            schedule,
            message,
            late,
            audience,
            enabled,
            protect,
            moved_from,
            revoke_after,
            track,
            on_problem,
            people,
            on_unknown,
        } = written;
        let moved_from = self.moved_from(moved_from, address, found);
        let late_span = late.get().map(|text| text.span);
        let late = match late.into_option() {
            None => Some(LATE),
            Some(text) => duration(&text, found),
        };
        let after = AfterWords {
            revoke_after,
            track,
            on_problem,
            people,
            on_unknown,
        };
        let after = self.after(after, found);
        let schedule = schedule.into_option().and_then(|schedule| {
            let place = schedule.span;
            let source = schedule.value.source;
            let schedule = read::schedule(schedule.value.value, place, shared.calendars, found);
            schedule.map(|schedule| (schedule, source, place))
        });
        let message = message.into_option().and_then(|message| {
            let chat = |word: &str| {
                let known = Name::new(word)
                    .ok()
                    .and_then(|name| self.chats.get(&name).cloned());
                match known {
                    Some(chat) => chat.filter(|chat| chat.pending().is_none()),
                    None => word
                        .starts_with("oc_")
                        .then(|| crate::model::ChatId::new(word)),
                }
            };
            Message::new(message.value, message.span, &chat, found)
        });
        let is_large = audience.get().is_some();
        let to = to.into_option()?;
        let to_span = to.span;
        let named = !to.value.is_empty();
        let targets = self.recipients(to.value, found);
        if targets.is_empty() && named {
            // Whoever is named has a mistake that was reported.
            return None;
        }
        let via = match via.into_option() {
            None => None,
            Some(list) => Some(self.providers_named(list.value, found)?),
        };
        let via = self.reached(&targets, via, to_span, shared, found)?;
        let (schedule, schedule_source, schedule_span) = schedule?;
        let message = message?;
        let said = message.to_value().to_string();
        let vars = shared
            .vars
            .iter()
            .filter(|(name, _)| said.contains(name.as_str()));
        Some(Notice {
            address: address.clone(),
            to: targets,
            via,
            schedule,
            schedule_source,
            calendars: shared.calendars_source.clone(),
            vars: vars
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            message,
            late: late?,
            late_span,
            after: after?,
            is_large,
            enabled: enabled.get().is_none_or(|flag| flag.0),
            protect: protect.get().is_some_and(|flag| flag.0),
            moved_from,
            span,
            to_span,
            schedule_span,
        })
    }

    /// Whom a list names.
    pub(super) fn recipients(
        &mut self,
        list: Vec<Spanned<Text>>,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeMap<Target, Span> {
        let mut targets: BTreeMap<Target, Span> = BTreeMap::new();
        for text in list {
            if let Some(target) = self.target(&text, found) {
                if let Some(first) = targets.get(&target) {
                    found.push(
                        Diagnostic::warning(
                            "listed-twice",
                            text.span,
                            format!("`{}` is listed twice", shorten(&text.value.0)),
                        )
                        .help("Remove one of the two; nobody gets a message twice.")
                        .related(*first, "first listed here"),
                    );
                } else {
                    targets.insert(target, text.span);
                }
            }
        }
        targets
    }

    /// Whom a word names.
    fn target(&mut self, text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Option<Target> {
        let word = text.value.0.as_str();
        let name = Name::new(word).ok();
        let groups = &self.places[Section::Group as usize];
        if let Some(name) = name.filter(|name| groups.contains_key(name)) {
            return Some(Target::Group(name));
        }
        let conversation = Name::new(word).ok();
        let conversation = conversation.and_then(|name| self.conversations.get(&name));
        if let Some(conversation) = conversation {
            let (provider, id) = (conversation.provider.clone(), conversation.id.clone());
            return Some(Target::Conversation(provider, id));
        }
        if self.chats.contains_key(word) || word.starts_with("oc_") {
            return self.chat(text, found).map(Target::Chat);
        }
        if self.all_groups && self.all_chats {
            let words = (
                "unknown-recipient",
                "group or chat",
                "recipient_groups` or `chats",
            );
            let mut known: BTreeMap<Name, ()> = groups.keys().map(|n| (n.clone(), ())).collect();
            known.extend(self.chats.keys().map(|n| (n.clone(), ())));
            found.push(unknown(words, text, &known, &mut self.suggestions));
        }
        None
    }

    fn providers_named(
        &mut self,
        list: Vec<Spanned<Text>>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<BTreeSet<Name>> {
        let mut via = BTreeSet::new();
        let mut good = true;
        for text in list {
            let name = Name::new(&text.value.0).ok();
            match name.filter(|name| self.providers.contains_key(name)) {
                Some(name) => {
                    via.insert(name);
                }
                None => {
                    good = false;
                    if self.all_providers {
                        let words = ("unknown-provider", "provider", "providers");
                        found.push(unknown(
                            words,
                            &text,
                            &self.providers,
                            &mut self.suggestions,
                        ));
                    }
                }
            }
        }
        good.then_some(via)
    }

    /// The providers by which a notice reaches somebody.
    fn reached(
        &mut self,
        targets: &BTreeMap<Target, Span>,
        asked: Option<BTreeSet<Name>>,
        span: Span,
        shared: &Shared<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<BTreeSet<Name>> {
        let reached = shared.reached.as_ref()?;
        let nowhere = BTreeSet::new();
        let mut people: BTreeSet<Name> = BTreeSet::new();
        let mut good = !targets.is_empty();
        if targets.is_empty() && self.all_groups && self.all_chats {
            found.push(
                Diagnostic::error("nobody", span, "the notice is for nobody")
                    .help("Name groups or chats."),
            );
        }
        let all_providers = self.providers.values().all(Option::is_some);
        let mut chat = None;
        let mut robots: BTreeSet<Name> = BTreeSet::new();
        for (target, place) in targets {
            match target {
                Target::Conversation(provider, _) => {
                    let is_out = asked.as_ref().is_some_and(|via| !via.contains(provider));
                    if is_out {
                        found.push(
                            Diagnostic::error(
                                "nobody",
                                *place,
                                format!(
                                    "the group is sent to by `{provider}`, which is not under `via`"
                                ),
                            )
                            .help(format!("Add `{provider}` to `via`.")),
                        );
                        good = false;
                    }
                    robots.insert(provider.clone());
                }
                Target::Chat(_) => chat = chat.or(Some(*place)),
                Target::Group(name) => {
                    let at = reached.get(name).unwrap_or(&nowhere);
                    let hit = asked
                        .as_ref()
                        .is_none_or(|via| at.iter().any(|p| via.contains(p)));
                    if at.is_empty() && !all_providers {
                        // Whom it has at a provider with a mistake, that mistake hides.
                        good = false;
                    } else if at.is_empty() || !hit {
                        let where_ = match at.is_empty() {
                            true => "nobody is in it".to_owned(),
                            false => format!(
                                "it has people at {} only",
                                words(at.iter().map(Name::as_str))
                            ),
                        };
                        found.push(
                            Diagnostic::error(
                                "nobody",
                                *place,
                                format!("the group `{name}` reaches nobody: {where_}"),
                            )
                            .help("List people in it, or add their provider to `via`."),
                        );
                        good = false;
                    }
                    people.extend(at.iter().cloned());
                }
            }
        }
        let is_feishu = |names: &BTreeMap<Name, Option<_>>, name: &Name| {
            let provider: Option<&crate::model::manifest::Provider> =
                names.get(name).and_then(Option::as_ref);
            provider.is_some_and(|p| p.vendor == Vendor::Feishu)
        };
        let via =
            match asked {
                Some(via) => via,
                None if people.len() > 1 => {
                    found.push(
                    Diagnostic::error(
                        "via-needed",
                        span,
                        format!(
                            "its people are at {}, so the notice has to say by which it goes out",
                            words(people.iter().map(Name::as_str))
                        ),
                    )
                    .help(format!(
                        "Add `via: [{}]`, or fewer of them.",
                        people.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
                    )),
                );
                    return None;
                }
                None => {
                    let mut via = people;
                    via.append(&mut robots);
                    if let (Some(place), false) = (
                        chat,
                        via.iter().any(|name| is_feishu(&self.providers, name)),
                    ) {
                        let name = Name::new("notice").expect("letters are a name");
                        via.extend(self.default_provider(&name, place, Needs::CHAT, found));
                    }
                    via
                }
            };
        if let Some(place) = chat {
            let feishu = via.iter().filter(|name| is_feishu(&self.providers, name));
            match feishu.count() {
                1 => {}
                // The one that is meant may be there, with a mistake of its own.
                0 if !all_providers => good = false,
                0 => {
                    found.push(
                        Diagnostic::error(
                            "chat-without-feishu",
                            place,
                            "a chat is at Feishu, and no Feishu provider is under `via`",
                        )
                        .help("Add the Feishu provider whose app is in the chat."),
                    );
                    good = false;
                }
                _ => {
                    found.push(
                        Diagnostic::error("chat-of-many", place, "several Feishu providers are under `via`, and a chat is posted to by one app")
                            .help("Write a notice of its own for the chat."),
                    );
                    good = false;
                }
            }
        }
        good.then_some(via)
    }
}

pub(super) fn duration(
    text: &Spanned<Text>,
    found: &mut Vec<Diagnostic>,
) -> Option<jiff::SignedDuration> {
    let time = read::step(&text.value.0).filter(|time| time.is_positive());
    if time.is_none() {
        found.push(
            Diagnostic::error(
                "bad-duration",
                text.span,
                format!("`{}` is not a time such as `30m`", shorten(&text.value.0)),
            )
            .help("Write minutes, hours and days, as in `30m`, `2h` or `1h30m`."),
        );
    }
    time
}
