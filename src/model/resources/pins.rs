//! The ids that pin a subscription to the vendor's objects.

use std::collections::BTreeMap;

use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::shape::{Given, Spanned, Text, shorten, words};
use crate::model::written::Pins;
use crate::model::{Name, RemoteId};

pub(super) fn pins(
    written: Given<Pins>,
    fans_out: bool,
    targets: &[(Name, Span)],
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<Name, (RemoteId, Span)> {
    let mut pins = BTreeMap::new();
    match written.into_option() {
        None => {}
        Some(Pins::One(text)) if fans_out => found.push(
            Diagnostic::error(
                "one-id-for-several",
                text.span,
                "one `id` is given for several tasklists",
            )
            .help("Write a mapping from each tasklist's name to the guid of its subscription."),
        ),
        Some(Pins::One(text)) => {
            if let (Some(id), Some((tasklist, _))) = (guid(&text, found), targets.first()) {
                pins.insert(tasklist.clone(), (id, text.span));
            }
        }
        Some(Pins::Each(each)) if !fans_out => {
            if let Some((key, _)) = each.first() {
                found.push(
                    Diagnostic::error(
                        "wrong-type",
                        key.span,
                        "`id` must be one guid where there is one tasklist",
                    )
                    .help("Write the guid after `id:`; the mapping is for `tasklists`."),
                );
            }
        }
        Some(Pins::Each(each)) => {
            for (key, text) in each {
                let id = guid(&text, found);
                let tasklist = Name::new(&key.value).ok();
                let tasklist = tasklist.filter(|name| targets.iter().any(|(t, _)| t == name));
                match (tasklist, id) {
                    (Some(tasklist), Some(id)) => {
                        pins.insert(tasklist, (id, text.span));
                    }
                    (Some(_), None) => {}
                    (None, _) => found.push(
                        Diagnostic::error(
                            "unknown-tasklist",
                            key.span,
                            format!(
                                "`{}` is not among this block's tasklists",
                                shorten(&key.value)
                            ),
                        )
                        .help(format!(
                            "They are {}.",
                            words(targets.iter().map(|(t, _)| t.as_str()))
                        )),
                    ),
                }
            }
        }
    }
    pins
}

fn guid(text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Option<RemoteId> {
    let id = &text.value.0;
    if id.len() == 36 && uuid::Uuid::parse_str(id).is_ok() {
        return Some(RemoteId::new(id));
    }
    found.push(
        Diagnostic::error(
            "bad-id",
            text.span,
            format!("`{}` is not the guid of a subscription", shorten(id)),
        )
        .help("It looks like 33991879-704f-444f-81d7-55a6aa7be80c; `beadle export` writes it."),
    );
    None
}
