//! Which edits would accept which difference.
//!
//! | file | about |
//! |---|---|
//! | `blocks` | where blocks and their fields stand in a file |
//! | `subscriptions` | accepting what is live of subscriptions |
//! | `kept` | of a managed chat or a contact user group |

mod blocks;
mod kept;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};

use super::refused;
use crate::cli::load::ROOT;
use crate::model::diagnostic::{FileId, Sources};
use crate::model::edit::{Edit, Editor};
use crate::model::manifest::{Manifest, Subscription};
use crate::model::yaml::Tree;
use crate::model::{Address, ChatId, Collection, Diagnostic, Field, Kind, Name, Span};
use crate::plan::Subject;
use crate::plan::drift::{Act, Difference, Drift};
use crate::plan::live::Binding;

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

/// Whether a difference is that there is nothing any more.
fn is_gone(difference: &Difference) -> bool {
    difference.id.is_none() && difference.fields.is_empty()
}

impl Work<'_> {
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
}
