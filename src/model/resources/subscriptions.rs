//! Subscriptions: defaults are filled in, and one block becomes an instance in each of its tasklists.

use std::collections::{BTreeMap, BTreeSet};

use super::events::events;
use super::pins::pins;
use super::{Names, push_all};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::manifest::Subscription;
use crate::model::shape::{Entry, Given, Spanned, Text, shorten};
use crate::model::{Address, ChatId, Events, Field, Kind, Name, written};

/// Where the parts of a subscription stand; a part that was not written stands where its
/// resource's name does.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) name: Span,
    pub(crate) subscribers: Span,
    pub(crate) events: Span,
    pub(crate) id: Span,
}

#[derive(Default)]
pub(super) struct Defaults {
    subscribers: Option<(BTreeMap<ChatId, Span>, Span)>,
    events: Option<(Events, Span)>,
    /// Whether a mistake in them was reported, so that a resource without its own is not to blame.
    bad_subscribers: bool,
    bad_events: bool,
    enabled: Option<bool>,
    protect: Option<bool>,
    ignore: BTreeSet<Field>,
}

impl Names {
    pub(super) fn subscription(
        &mut self,
        Entry { name, span, value }: Entry<written::Subscription>,
        defaults: &Defaults,
        out: &mut (Vec<Subscription>, Vec<Places>),
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(written) = value else { return };
        let address = Address::new(Kind::TasklistSubscription, name.clone());
        let mut found = Vec::new();
        let mut targets = self.targets(&written, span, &mut found);
        let fans_out = !written.tasklists.is_absent();
        let pins = pins(written.id, fans_out, &targets, &mut found);
        targets.sort();
        let moved_from = self.moved_from(written.moved_from, &address, &mut found);
        push_all(diagnostics, found, Some(&address));

        let subscribers = match written.subscribers {
            Given::Is(list) => Some((
                self.subscribers(&list.value, Some(&address), diagnostics),
                list.span,
            )),
            Given::Bad => None,
            Given::Absent => {
                let known = defaults.subscribers.clone();
                if known.is_none() && !defaults.bad_subscribers {
                    diagnostics.push(missing("subscribers", &name, span).address(address.clone()));
                }
                known
            }
        };
        let events = match written.events {
            Given::Is(list) => Some((events(&list.value, Some(&address), diagnostics), list.span)),
            Given::Bad => None,
            Given::Absent => {
                let known = defaults.events.clone();
                if known.is_none() && !defaults.bad_events {
                    diagnostics.push(missing("events", &name, span).address(address.clone()));
                }
                known
            }
        };
        // What is wrong is reported; with an empty stand-in the other checks still see the rest.
        let (subscribers, subscribers_span) = subscribers.unwrap_or_default_at(span);
        let (events, events_span) = events.unwrap_or_default_at(span);
        if written.name.is_bad() {
            return;
        }
        let places = Places {
            name: written.name.get().map_or(span, |text| text.span),
            subscribers: subscribers_span,
            events: events_span,
            id: span,
        };
        let base = Subscription {
            address,
            tasklist: name.clone(),
            name: written
                .name
                .into_option()
                .map_or_else(|| name.as_str().to_owned(), |t| t.value.0),
            subscribers,
            events,
            enabled: written
                .enabled
                .get()
                .map(|f| f.0)
                .or(defaults.enabled)
                .unwrap_or(true),
            id: None,
            id_span: span,
            protect: written
                .protect
                .get()
                .map(|f| f.0)
                .or(defaults.protect)
                .unwrap_or(false),
            ignore: ignored(written.ignore).unwrap_or_else(|| defaults.ignore.clone()),
            moved_from,
            span,
            tasklist_span: span,
        };
        // The last one takes the values themselves, and most have one tasklist.
        let copies = std::iter::repeat_n((base, places), targets.len());
        for ((tasklist, tasklist_span), (mut one, mut places)) in targets.into_iter().zip(copies) {
            one.address.instance = fans_out.then(|| tasklist.clone());
            if let Some((id, id_span)) = pins.get(&tasklist) {
                one.id = Some(id.clone());
                one.id_span = *id_span;
                places.id = *id_span;
            }
            one.tasklist = tasklist;
            one.tasklist_span = tasklist_span;
            out.0.push(one);
            out.1.push(places);
        }
    }

    /// The tasklists that a subscription names, each once.
    fn targets(
        &mut self,
        written: &written::Subscription,
        span: Span,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<(Name, Span)> {
        let several = written.tasklists.get().map(|list| (&list.value, list.span));
        match (&written.tasklist, &written.tasklists) {
            (Given::Absent, Given::Absent) => {
                found.push(
                    Diagnostic::error(
                        "missing-key",
                        span,
                        "neither `tasklist` nor `tasklists` is given",
                    )
                    .help("Add `tasklist:` with a name under `tasklists`."),
                );
            }
            (Given::Is(_), Given::Is(list)) => {
                found.push(
                    Diagnostic::error(
                        "tasklist-and-tasklists",
                        list.span,
                        "`tasklist` and `tasklists` are both given",
                    )
                    .help(
                        "Write every tasklist under `tasklists`, or only the one under `tasklist`.",
                    ),
                );
            }
            (_, Given::Is(list)) if list.value.is_empty() => {
                found.push(
                    Diagnostic::error("empty-list", list.span, "`tasklists` names no tasklist")
                        .help("Name one; to delete the subscriptions, remove this block."),
                );
            }
            _ => {}
        }
        let mut targets: Vec<(Name, Span)> = Vec::new();
        let mut seen: BTreeMap<Name, Span> = BTreeMap::new();
        for text in written
            .tasklist
            .get()
            .into_iter()
            .chain(several.into_iter().flat_map(|(list, _)| list))
        {
            let Some(name) = self.tasklist_named(text, found) else {
                continue;
            };
            if let Some(first) = seen.get(&name) {
                found.push(
                    Diagnostic::error(
                        "tasklist-listed-twice",
                        text.span,
                        format!("the tasklist `{name}` is listed twice"),
                    )
                    .help("Remove one of the two.")
                    .related(*first, "first listed here"),
                );
                continue;
            }
            seen.insert(name.clone(), text.span);
            targets.push((name, text.span));
        }
        targets
    }

    pub(super) fn defaults(
        &mut self,
        written: written::SubscriptionDefaults,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Defaults {
        Defaults {
            bad_subscribers: written.subscribers.is_bad(),
            bad_events: written.events.is_bad(),
            subscribers: written
                .subscribers
                .into_option()
                .map(|list| (self.subscribers(&list.value, None, diagnostics), list.span)),
            events: written
                .events
                .into_option()
                .map(|list| (events(&list.value, None, diagnostics), list.span)),
            enabled: written.enabled.get().map(|flag| flag.0),
            protect: written.protect.get().map(|flag| flag.0),
            ignore: ignored(written.ignore).unwrap_or_default(),
        }
    }

    fn subscribers(
        &mut self,
        list: &[Spanned<Text>],
        address: Option<&Address>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> BTreeMap<ChatId, Span> {
        let mut chats: BTreeMap<ChatId, Span> = BTreeMap::new();
        for text in list {
            let mut found = Vec::new();
            if let Some(id) = self.chat(text, &mut found) {
                if let Some(first) = chats.get(&id) {
                    found.push(
                        Diagnostic::warning(
                            "chat-listed-twice",
                            text.span,
                            format!("the chat `{}` is listed twice", shorten(&text.value.0)),
                        )
                        .help("Remove one of the two; it hears about each event once.")
                        .related(*first, format!("the same chat, {id}")),
                    );
                } else {
                    chats.insert(id, text.span);
                }
            }
            push_all(diagnostics, found, address);
        }
        chats
    }
}

trait OrDefaultAt<T> {
    fn unwrap_or_default_at(self, span: Span) -> (T, Span);
}

impl<T: Default> OrDefaultAt<T> for Option<(T, Span)> {
    fn unwrap_or_default_at(self, span: Span) -> (T, Span) {
        self.unwrap_or_else(|| (T::default(), span))
    }
}

fn missing(key: &str, name: &Name, span: Span) -> Diagnostic {
    Diagnostic::error(
        "missing-key",
        span,
        format!("the key `{key}` is missing in `{name}`"),
    )
    .help(format!(
        "Add `{key}:` here, or under `defaults.tasklist_subscriptions`."
    ))
}

fn ignored(fields: Given<Vec<Spanned<written::IgnoredField>>>) -> Option<BTreeSet<Field>> {
    fields
        .into_option()
        .map(|fields| fields.into_iter().map(|f| f.value.0).collect())
}
