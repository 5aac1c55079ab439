//! Events, as users name them.

use std::collections::BTreeMap;

use super::push_all;
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::event::{ALIASES, EVENTS};
use crate::model::shape::{Spanned, Text, closest, shorten, words};
use crate::model::written::EventList;
use crate::model::{Address, EventKey, Events};

/// Reads events, saying what is odd about each word.
pub(super) fn events(
    list: &EventList,
    address: Option<&Address>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Events {
    let list = match list {
        EventList::All => return Events::all(),
        EventList::Listed(list) => list,
    };
    let mut all = None;
    let mut keys: BTreeMap<EventKey, Span> = BTreeMap::new();
    for text in list {
        let mut found = Vec::new();
        let word = text.value.0.as_str();
        if word == "all" {
            all = Some(text.span);
        }
        for key in event(text, &mut found) {
            if let Some(first) = keys.get(&key) {
                found.push(
                    Diagnostic::warning(
                        "event-listed-twice",
                        text.span,
                        format!("the event {key} is listed twice"),
                    )
                    .help("Remove one of the two.")
                    .related(*first, "first listed here"),
                );
            } else {
                keys.insert(key, text.span);
            }
        }
        push_all(diagnostics, found, address);
    }
    match all {
        None => keys.into_keys().collect(),
        Some(span) => {
            if list.len() > 1 {
                let odd = Diagnostic::warning(
                    "event-listed-twice",
                    span,
                    "`all` stands among other events",
                )
                .help("Write `events: all`; it holds the others.");
                push_all(diagnostics, vec![odd], address);
            }
            Events::all()
        }
    }
}

fn event(text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Vec<EventKey> {
    let word = text.value.0.as_str();
    if word == "all" {
        return Vec::new();
    }
    if let Some(key) = EventKey::from_name(word) {
        return vec![key];
    }
    if let Some((_, keys)) = ALIASES.iter().find(|(alias, _)| *alias == word) {
        let names: Vec<&str> = keys.iter().filter_map(|key| key.name()).collect();
        found.push(
            Diagnostic::warning(
                "event-alias",
                text.span,
                format!(
                    "`{word}` is another tool's name for {}",
                    words(names.iter().copied())
                ),
            )
            .help(format!("Write {}.", words(names.iter().copied()))),
        );
        return keys.to_vec();
    }
    if word.bytes().all(|b| b.is_ascii_digit())
        && let Some(key) = EventKey::parse(word)
    {
        if key.name().is_none() {
            found.push(
                Diagnostic::warning(
                    "unknown-event",
                    text.span,
                    format!("there is no known event {key}"),
                )
                .help("It is sent as it stands, in case Feishu has added it."),
            );
        }
        return vec![key];
    }
    if word == "task.deleted" {
        found.push(
            Diagnostic::error("unknown-event", text.span, "there is no event `task.deleted` on the wire")
                .help("Feishu tells nobody that a task was deleted. `task.removed` is nearest: a task was taken out of the tasklist."),
        );
        return Vec::new();
    }
    let names = EVENTS.iter().map(|(_, name)| *name).chain(["all"]);
    let help = match closest(word, names.clone()) {
        Some(best) => format!("Did you mean `{best}`?"),
        None => format!("The events are {}.", words(names)),
    };
    found.push(
        Diagnostic::error(
            "unknown-event",
            text.span,
            format!("there is no event `{}`", shorten(word)),
        )
        .help(help),
    );
    Vec::new()
}
