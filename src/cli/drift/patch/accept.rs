//! Which edits would accept which difference.

use std::collections::{BTreeMap, BTreeSet};

use super::refused;
use crate::cli::load::ROOT;
use crate::model::diagnostic::{FileId, Sources};
use crate::model::edit::{Edit, Editor, Refusal, Scalar};
use crate::model::event::ALIASES;
use crate::model::manifest::{Manifest, Subscription};
use crate::model::yaml::{NodeId, Tree, Yaml};
use crate::model::{
    Address, ChatId, Collection, Diagnostic, EventKey, Events, Field, Kind, Name, Span, Value,
};
use crate::plan::drift::{Act, Difference, Drift};
use crate::plan::live::Binding;
use crate::plan::{Cause, FieldChange, Subject};

/// Edits that belong together, and what they would accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The subjects, each with the field or with none for the whole of it.
    pub accepts: BTreeSet<(Subject, Option<Field>)>,
    /// What to change in which file.
    pub edits: Vec<(FileId, Edit)>,
}

/// The instances of a subscription.
fn instances_of<'m>(manifest: &'m Manifest, name: &Name) -> &'m [Subscription] {
    let all = &manifest.subscriptions;
    let from = all.partition_point(|s| s.address.name < *name);
    let to = all.partition_point(|s| s.address.name <= *name);
    &all[from..to]
}

/// Where a resource is declared.
pub(super) fn span_of(manifest: &Manifest, address: &Address) -> Option<Span> {
    match address.kind {
        Kind::TasklistSubscription => {
            let mut all = instances_of(manifest, &address.name).iter();
            all.find(|s| address.covers(&s.address)).map(|s| s.span)
        }
        Kind::Chat => manifest.managed_chats.get(&address.name).map(|c| c.span),
        Kind::RecipientGroup => {
            let group = manifest.groups.get(&address.name)?;
            let kept = address.instance.as_ref();
            match kept {
                Some(provider) => group.user_groups.get(provider).map(|kept| kept.span),
                None => Some(group.span),
            }
        }
        Kind::RecurringNotice => manifest.notices.get(&address.name).map(|n| n.span),
    }
}

/// The edits that accept what is live, and why some of it cannot be.
#[must_use]
pub fn propose(
    manifest: &Manifest,
    sources: &Sources,
    bindings: &[Binding],
    drift: &Drift,
) -> (Vec<Proposal>, Vec<Diagnostic>) {
    let mut work = Work {
        manifest,
        chats: chat_names(manifest, bindings),
        chat_ids: chat_ids(bindings),
        proposals: Vec::new(),
        explained: Vec::new(),
    };
    let mut by_resource: BTreeMap<Address, Vec<&Difference>> = BTreeMap::new();
    let mut files: BTreeSet<FileId> = BTreeSet::new();
    for difference in &drift.drifted {
        let Subject::Resource(address) = &difference.subject else {
            work.foreign(difference);
            continue;
        };
        match span_of(manifest, address) {
            Some(span) if !matches!(difference.act, Act::Change("delete" | "forget")) => {
                files.insert(span.file);
                let key = match address.kind {
                    Kind::TasklistSubscription => address.resource(),
                    _ => address.clone(),
                };
                by_resource.entry(key).or_default().push(difference);
            }
            _ => work.explained.push(refused::at(
                address,
                None,
                "this is not in the diff: it was changed outside, and is declared no more",
                "Apply to delete or let go of it, or declare it again.",
            )),
        }
    }
    let named = sources.0.iter().position(|s| s.name == ROOT);
    let root = named.and_then(|at| u32::try_from(at).ok()).map(FileId);
    files.extend(root);
    let trees: BTreeMap<FileId, Tree<'_>> = files
        .into_iter()
        .filter_map(|file| {
            let text = &sources.get(file).text;
            Some((file, Tree::read(file, text, &mut Vec::new())?))
        })
        .collect();
    let defaults = root.and_then(|root| trees.get(&root));
    for (address, differences) in by_resource {
        let Some(tree) = span_of(manifest, &address).and_then(|span| trees.get(&span.file)) else {
            continue;
        };
        match address.kind {
            Kind::TasklistSubscription => {
                work.subscription(&address, &differences, tree, defaults);
            }
            Kind::Chat => work.kept(&address, &differences, tree, "chats"),
            Kind::RecipientGroup => work.kept(&address, &differences, tree, "recipient_groups"),
            // It lives in the ledger alone, where nobody else changes it.
            Kind::RecurringNotice => {}
        }
    }
    (work.proposals, work.explained)
}

/// The names of chats by their ids at the vendor.
fn chat_names(manifest: &Manifest, bindings: &[Binding]) -> BTreeMap<ChatId, String> {
    let mut names = BTreeMap::new();
    for (name, chat) in &manifest.chats {
        names
            .entry(chat.id.clone())
            .or_insert_with(|| name.to_string());
    }
    for binding in bindings {
        let address = &binding.address;
        if binding.collection == Collection::Chats
            && manifest.managed_chats.contains_key(&address.name)
        {
            names.insert(ChatId::new(binding.id.as_str()), address.name.to_string());
        }
    }
    for (name, chat) in &manifest.managed_chats {
        if let Some(id) = &chat.id {
            names.insert(ChatId::new(id.as_str()), name.to_string());
        }
    }
    names
}

/// The ids at the vendor by what stands for managed chats among subscribers.
fn chat_ids(bindings: &[Binding]) -> BTreeMap<ChatId, ChatId> {
    let kept = bindings.iter();
    kept.filter(|b| b.collection == Collection::Chats)
        .map(|b| (ChatId::to_come(&b.address), ChatId::new(b.id.as_str())))
        .collect()
}

struct Work<'a> {
    manifest: &'a Manifest,
    chats: BTreeMap<ChatId, String>,
    chat_ids: BTreeMap<ChatId, ChatId>,
    proposals: Vec<Proposal>,
    explained: Vec<Diagnostic>,
}

/// A block of the file.
struct Block {
    /// The section, its key and value.
    section: (NodeId, NodeId),
    /// The number of the pair in the section.
    number: usize,
    /// The value.
    at: NodeId,
}

/// Finds a block by the place of its key.
fn block(tree: &Tree<'_>, section: &str, span: Span) -> Option<Block> {
    let section = tree.top(section)?;
    let Yaml::Map(pairs) = tree.get(section.1) else {
        return None;
    };
    let found = pairs
        .chunks_exact(2)
        .position(|pair| tree.span(pair[0]) == span)?;
    Some(Block {
        section,
        number: found,
        at: pairs[2 * found + 1],
    })
}

/// A pair of a mapping by its key: its number, key and value.
fn pair(tree: &Tree<'_>, map: NodeId, key: &str) -> Option<(usize, NodeId, NodeId)> {
    let Yaml::Map(pairs) = tree.get(map) else {
        return None;
    };
    pairs
        .chunks_exact(2)
        .enumerate()
        .find(|(_, pair)| tree.key(pair[0]) == key)
        .map(|(number, pair)| (number, pair[0], pair[1]))
}

fn is_name(text: &str, name: &Name) -> bool {
    Name::new(text).is_ok_and(|read| read == *name)
}

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

/// Whether a difference is that there is nothing any more.
fn is_gone(difference: &Difference) -> bool {
    difference.id.is_none() && difference.fields.is_empty()
}

/// Puts a scalar under a key, where there is one already or not.
fn set_field(
    editor: &mut Editor<'_>,
    tree: &Tree<'_>,
    map: NodeId,
    key: &str,
    value: Scalar<'_>,
) -> Result<(), Refusal> {
    match pair(tree, map, key) {
        Some((_, key, at)) => editor.set_scalar(key, at, value),
        None => editor.add_pair(map, key, value),
    }
}

impl<'a> Work<'a> {
    fn foreign(&mut self, difference: &Difference) {
        let name = difference.name.as_deref().unwrap_or_default();
        self.explained.push(
            Diagnostic::warning(
                "not-in-patch",
                None,
                format!(
                    "{} is not in the diff: nobody declared `{name}`",
                    difference.subject
                ),
            )
            .help("`beadle export --resources-only` writes it as YAML, with its id; or keep it with a pattern under `keep`."),
        );
    }

    /// Every difference of the instances of one block.
    fn subscription(
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

    fn add(
        &mut self,
        file: FileId,
        editor: Editor<'_>,
        accepts: BTreeSet<(Subject, Option<Field>)>,
    ) {
        let edits: Vec<_> = editor.into_edits().into_iter().map(|e| (file, e)).collect();
        if !edits.is_empty() {
            self.proposals.push(Proposal { accepts, edits });
        }
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

    /// A managed chat or a contact user group.
    fn kept(
        &mut self,
        address: &Address,
        differences: &[&Difference],
        tree: &Tree<'_>,
        section: &str,
    ) {
        let span = match address.kind {
            Kind::Chat => span_of(self.manifest, address),
            _ => self.manifest.groups.get(&address.name).map(|g| g.span),
        };
        let Some(span) = span else { return };
        let subject = Subject::Resource(address.clone());
        let found = block(tree, section, span).and_then(|block| match &address.instance {
            None => {
                let (_, key, at) = pair(tree, block.at, "manage")?;
                Some((block.section.0, block.section.1, block.number, key, at))
            }
            Some(provider) => {
                let Yaml::Map(pairs) = tree.get(block.at) else {
                    return None;
                };
                let people = pairs
                    .chunks_exact(2)
                    .find(|pair| is_name(tree.key(pair[0]), provider))?;
                let (number, key, at) = pair(tree, people[1], "user_group")?;
                Some((people[0], people[1], number, key, at))
            }
        });
        let Some((outer_key, outer, number, _, map)) = found else {
            let refusal = Refusal::Form { at: span };
            self.explained
                .push(refused::refused(address, None, &refusal));
            return;
        };
        let mut editor = Editor::new(tree);
        let mut accepted = BTreeSet::new();
        for difference in differences {
            if is_gone(difference) {
                match editor.remove_pairs(outer_key, outer, &[number].into()) {
                    Ok(()) => {
                        accepted.insert((subject.clone(), None));
                    }
                    Err(refusal) => {
                        self.explained
                            .push(refused::refused(address, None, &refusal));
                    }
                }
                continue;
            }
            for change in &difference.fields {
                let field = change.field;
                let Value::Text(text) = &change.before else {
                    self.explained.push(refused::members(address, span));
                    continue;
                };
                let key = field.as_str();
                let mark = editor.mark();
                let clears = text.is_empty() && address.kind == Kind::RecipientGroup;
                let done = match pair(tree, map, key) {
                    // An empty one would mean nothing there: the key goes.
                    Some((number, ..)) if clears => {
                        editor.remove_pairs(outer_key, map, &[number].into())
                    }
                    _ => set_field(&mut editor, tree, map, key, Scalar::Text(text)),
                };
                match done {
                    Ok(()) => {
                        accepted.insert((subject.clone(), Some(field)));
                    }
                    Err(refusal) => {
                        editor.rewind(mark);
                        self.explained
                            .push(refused::refused(address, Some(field), &refusal));
                    }
                }
            }
        }
        self.add(span.file, editor, accepted);
    }
}

/// Takes tasklists out of a block that stands for several, with what pins their objects.
fn take_out(
    editor: &mut Editor<'_>,
    tree: &Tree<'_>,
    block: NodeId,
    keys: &[&Name],
) -> Result<(), Refusal> {
    let form = || Refusal::Form {
        at: tree.span(block),
    };
    let (_, key, list) = pair(tree, block, "tasklists").ok_or_else(form)?;
    let Yaml::List(items) = tree.get(list) else {
        return Err(form());
    };
    let named = |text: &str| keys.iter().any(|key| is_name(text, key));
    let remove: BTreeSet<usize> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| matches!(tree.get(**item), Yaml::Scalar { text, .. } if named(text)))
        .map(|(number, _)| number)
        .collect();
    if remove.len() != keys.len() {
        return Err(form());
    }
    let mark = editor.mark();
    editor.set_items(key, list, &remove, &[])?;
    if let Some((_, id_key, pins)) = pair(tree, block, "id")
        && let Yaml::Map(pairs) = tree.get(pins)
    {
        let remove: BTreeSet<usize> = pairs
            .chunks_exact(2)
            .enumerate()
            .filter(|(_, pair)| named(tree.key(pair[0])))
            .map(|(number, _)| number)
            .collect();
        if let Err(refusal) = editor.remove_pairs(id_key, pins, &remove) {
            editor.rewind(mark);
            return Err(refusal);
        }
    }
    Ok(())
}

/// Where `defaults` has a value for a field of subscriptions.
fn default_of(tree: &Tree<'_>, field: Field) -> Option<Span> {
    let (_, defaults) = tree.top("defaults")?;
    let (_, _, of) = pair(tree, defaults, "tasklist_subscriptions")?;
    let (_, key, _) = pair(tree, of, field.as_str())?;
    Some(tree.span(key))
}
