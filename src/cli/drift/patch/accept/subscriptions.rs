//! Accepting what is live of subscriptions.

use std::collections::BTreeSet;

use super::blocks::{block, default_of, pair, set_field, take_out};
use super::{Work, instances_of, is_gone, refused};
use crate::model::edit::{Editor, Refusal, Scalar};
use crate::model::event::ALIASES;
use crate::model::manifest::Subscription;
use crate::model::yaml::{NodeId, Tree, Yaml};
use crate::model::{Address, ChatId, EventKey, Events, Field, Name, Value};
use crate::plan::drift::{Act, Difference};
use crate::plan::{Cause, FieldChange, Subject};

/// The keys that a word among events stands for.
fn event_keys(word: &str) -> BTreeSet<EventKey> {
    if word == "all" {
        return Events::all().keys;
    }
    let alias = ALIASES.iter().find(|(name, _)| *name == word);
    match alias {
        Some((_, keys)) => keys.iter().copied().collect(),
        None => EventKey::parse(word).into_iter().collect(),
    }
}

impl Work<'_> {
    /// Every difference of the instances of one block.
    pub(super) fn subscription(
        &mut self,
        resource: &Address,
        differences: &[&Difference],
        tree: &Tree<'_>,
        defaults: Option<&Tree<'_>>,
    ) {
        let instances = instances_of(self.manifest, &resource.name);
        let Some(first) = instances.first() else {
            return;
        };
        let Some(block) = block(tree, "tasklist_subscriptions", first.span) else {
            let refusal = Refusal::Form { at: first.span };
            self.explained
                .push(refused::refused(resource, None, &refusal));
            return;
        };
        let of = |s: &Subscription| {
            let subject = Subject::Resource(s.address.clone());
            differences.iter().find(|d| d.subject == subject).copied()
        };
        let (gone, rest): (Vec<&Subscription>, Vec<&Subscription>) =
            instances.iter().partition(|s| of(s).is_some_and(is_gone));
        let mut editor = Editor::new(tree);
        let mut accepted = BTreeSet::new();
        // Without a ledger nobody knows whether it was ever made; only an `id` tells.
        let (gone, never): (Vec<_>, Vec<_>) = gone
            .into_iter()
            .partition(|s| of(s).is_some_and(|d| d.cause == Cause::Vanished || d.act == Act::Stop));
        for one in &never {
            self.explained.push(refused::at(
                &one.address,
                one.span,
                "this is not in the diff: it is not there, and without a ledger nobody knows whether it ever was",
                "Apply to make it, or remove the block.",
            ));
        }
        if !gone.is_empty() {
            let done = if rest.is_empty() && never.is_empty() {
                let number = [block.number].into();
                editor.remove_pairs(block.section.0, block.section.1, &number)
            } else {
                let keys: Vec<&Name> = gone.iter().map(|s| &s.tasklist).collect();
                take_out(&mut editor, tree, block.at, &keys)
            };
            match done {
                Ok(()) => accepted.extend(
                    gone.iter()
                        .map(|s| (Subject::Resource(s.address.clone()), None)),
                ),
                Err(refusal) => {
                    for one in &gone {
                        self.explained
                            .push(refused::refused(&one.address, None, &refusal));
                    }
                }
            }
        }
        for field in Field::SUBSCRIPTION {
            let changes: Vec<(&Subscription, &FieldChange)> = rest
                .iter()
                .filter_map(|s| {
                    let change = of(s)?.fields.iter().find(|f| f.field == field)?;
                    Some((*s, change))
                })
                .collect();
            let Some((one, change)) = changes.first() else {
                continue;
            };
            let alike = changes.len() == rest.len() + never.len()
                && changes
                    .iter()
                    .all(|(_, other)| other.before == change.before);
            if !alike {
                for (one, _) in &changes {
                    self.explained
                        .push(refused::shared(&one.address, field, one.tasklist_span));
                }
                continue;
            }
            if pair(tree, block.at, field.as_str()).is_none()
                && let Some(span) = defaults.and_then(|tree| default_of(tree, field))
            {
                self.explained
                    .push(refused::from_defaults(&one.address, field, span));
                continue;
            }
            let mark = editor.mark();
            match self.set_subscription(&mut editor, tree, block.at, one, change) {
                Ok(()) => accepted.extend(
                    changes
                        .iter()
                        .map(|(s, _)| (Subject::Resource(s.address.clone()), Some(field))),
                ),
                Err(refusal) => {
                    editor.rewind(mark);
                    self.explained
                        .push(refused::refused(resource, Some(field), &refusal));
                }
            }
        }
        self.add(first.span.file, editor, accepted);
    }

    fn set_subscription(
        &self,
        editor: &mut Editor<'_>,
        tree: &Tree<'_>,
        block: NodeId,
        subscription: &Subscription,
        change: &FieldChange,
    ) -> Result<(), Refusal> {
        let field = change.field.as_str();
        match &change.before {
            Value::Text(text) => set_field(editor, tree, block, field, Scalar::Text(text)),
            Value::Flag(flag) => {
                let word = if *flag { "true" } else { "false" };
                set_field(editor, tree, block, field, Scalar::Word(word))
            }
            Value::Chats(live) => {
                let Some((_, key, list)) = pair(tree, block, field) else {
                    return Err(Refusal::Form {
                        at: tree.span(block),
                    });
                };
                let mut remove = BTreeSet::new();
                let mut kept = BTreeSet::new();
                if let Yaml::List(items) = tree.get(list) {
                    for (number, item) in items.iter().enumerate() {
                        let id = self.chat_of(tree, *item, subscription);
                        if id.as_ref().is_some_and(|id| live.contains(id)) {
                            kept.extend(id);
                        } else {
                            remove.insert(number);
                        }
                    }
                }
                let add: Vec<&str> = live
                    .iter()
                    .filter(|id| !kept.contains(*id))
                    .map(|id| self.chats.get(id).map_or(id.as_str(), String::as_str))
                    .collect();
                let add: Vec<_> = add.into_iter().map(Scalar::Text).collect();
                editor.set_items(key, list, &remove, &add)
            }
            Value::Events(live) => {
                let Some((_, key, list)) = pair(tree, block, field) else {
                    return Err(Refusal::Form {
                        at: tree.span(block),
                    });
                };
                let Yaml::List(items) = tree.get(list) else {
                    let words: Vec<_> = live.keys.iter().map(ToString::to_string).collect();
                    return editor.set_raw(list, format!("[{}]", words.join(", ")));
                };
                let mut remove = BTreeSet::new();
                let mut kept: BTreeSet<EventKey> = BTreeSet::new();
                for (number, item) in items.iter().enumerate() {
                    let Yaml::Scalar { text, .. } = tree.get(*item) else {
                        return Err(Refusal::Form {
                            at: tree.span(*item),
                        });
                    };
                    let keys = event_keys(text);
                    if !keys.is_empty() && keys.is_subset(&live.keys) {
                        kept.extend(keys);
                    } else {
                        remove.insert(number);
                    }
                }
                let add: Vec<_> = live
                    .keys
                    .difference(&kept)
                    .map(ToString::to_string)
                    .collect();
                let add: Vec<_> = add.iter().map(|word| Scalar::Word(word)).collect();
                editor.set_items(key, list, &remove, &add)
            }
            Value::Items(_) => Err(Refusal::Form {
                at: tree.span(block),
            }),
        }
    }

    /// The id at the vendor of a chat that an element names.
    fn chat_of(
        &self,
        tree: &Tree<'_>,
        item: NodeId,
        subscription: &Subscription,
    ) -> Option<ChatId> {
        let span = tree.span(item);
        let declared = subscription.subscribers.iter();
        let mut here = declared
            .filter(|(_, at)| **at == span)
            .map(|(id, _)| id.clone());
        let id = here.next().or_else(|| {
            // One that is listed twice has the place of the first.
            let Yaml::Scalar { text, .. } = tree.get(item) else {
                return None;
            };
            let name = Name::new(text).ok();
            let known = name.and_then(|name| {
                let reference = self.manifest.chats.get(&name).map(|chat| chat.id.clone());
                reference.or_else(|| {
                    let managed = self.manifest.managed_chats.get(&name)?;
                    Some(ChatId::to_come(&managed.address))
                })
            });
            known.or_else(|| Some(ChatId::new(text)))
        })?;
        Some(self.chat_ids.get(&id).cloned().unwrap_or(id))
    }
}
