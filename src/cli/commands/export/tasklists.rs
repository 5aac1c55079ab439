//! The tasklists that are exported, and their subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Result;
use super::document::{
    Document, EventItem, SubscriptionBlock, TasklistBlock, carries, literal, said,
};
use super::names::{Names, slug};
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::refresh::{list, refresh};
use crate::model::manifest::{Manifest, TasklistTarget};
use crate::model::{ChatId, Collection, Field, Name, RemoteId, TasklistGuid, Value};
use crate::plan::live::{Binding, Object};
use crate::plan::{Choice, Listing, Resolution};

/// A tasklist to be exported.
pub(super) struct Chosen {
    key: String,
    is_declared: bool,
    pub(super) provider: Name,
    guid: TasklistGuid,
}

/// The key of a tasklist that the manifest names so, by key or guid.
pub(super) fn key_of(manifest: &Manifest, word: &str) -> Option<Name> {
    let known = manifest.tasklists.iter().find(|(key, tasklist)| {
        key.as_str() == word
            || matches!(&tasklist.target, TasklistTarget::Guid(guid) if guid.as_str() == word)
    });
    known.map(|(key, _)| key.clone())
}

/// Finds the tasklists with these keys.
pub(super) async fn by_key(session: &Session, keys: &BTreeSet<Name>) -> Result<Vec<Chosen>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = &session.manifest;
    // Only what says which tasklist a key is: nothing else is to be read.
    let mut everything = manifest.clone();
    everything.subscriptions.clear();
    everything.managed_chats.clear();
    for group in everything.groups.values_mut() {
        group.user_groups.clear();
    }
    for (key, tasklist) in &mut everything.tasklists {
        tasklist.authoritative = keys.contains(key);
    }
    let live = refresh(
        &everything,
        &[],
        &Choice::default(),
        &session.readers(),
        BTreeMap::new(),
        &|_, _| {},
    )
    .await;
    if !live.diagnostics.is_empty() {
        return Err(session.findings(live.diagnostics));
    }
    let mut chosen = Vec::new();
    for key in keys {
        match live.tasklists.get(key) {
            Some(Resolution::Found(collection)) => {
                chosen.extend(collection.tasklist().map(|guid| Chosen {
                    key: key.to_string(),
                    is_declared: true,
                    provider: manifest.tasklists[key].provider.clone(),
                    guid: guid.clone(),
                }));
            }
            Some(Resolution::Unread(why)) => {
                return Err(Failure::new(format!(
                    "tasklist `{key}` could not be looked up: {why}"
                )));
            }
            None => return Err(Failure::new(format!("tasklist `{key}` was not looked up"))),
        }
    }
    Ok(chosen)
}

pub(super) async fn by_guid(session: &Session, word: &str) -> Result<Chosen> {
    let guid = TasklistGuid::new(word);
    let mut whys = Vec::new();
    for (provider, writer) in &session.writers {
        match writer.tasklist(&guid).await {
            Ok(tasklist) => {
                let key = slug(&tasklist.name, "tasklist");
                return Ok(Chosen {
                    key,
                    is_declared: false,
                    provider: provider.clone(),
                    guid,
                });
            }
            Err(error) => whys.push(format!("provider `{provider}`: {error}")),
        }
    }
    Err(Failure::new(format!(
        "`{word}` is no tasklist, chat or group of the manifest, and no tasklist that can be read: {}",
        whys.join("; ")
    )))
}

/// Sees to it that no two tasklists have one key.
pub(super) fn name(chosen: &mut [Chosen], manifest: &Manifest) {
    let mut names = Names::default();
    for key in manifest.tasklists.keys() {
        names.reserve(key.as_str());
    }
    for tasklist in chosen.iter_mut().filter(|t| !t.is_declared) {
        tasklist.key = names.give(&tasklist.key);
    }
}

/// What the tasklists hold, in the order in which they were chosen; false where one could not be read.
pub(super) async fn read<'a>(
    session: &Session,
    chosen: &'a [Chosen],
    ui: &Ui,
) -> (Vec<(&'a Chosen, Vec<Object>)>, bool) {
    let wanted = chosen
        .iter()
        .map(|c| (c.guid.clone().into(), c.provider.clone()))
        .collect();
    let mut listings = list(&wanted, &session.readers(), &|_, _| {}).await;
    let (mut read, mut is_whole) = (Vec::new(), true);
    for tasklist in chosen {
        match listings.remove(&Collection::from(tasklist.guid.clone())) {
            Some(Listing::Objects(objects)) => read.push((tasklist, objects)),
            Some(Listing::Unread(why)) => {
                ui.say(&format!(
                    "Tasklist {} could not be read: {}.",
                    tasklist.key,
                    clean(&why)
                ));
                is_whole = false;
            }
            // It was chosen twice.
            None => {}
        }
    }
    (read, is_whole)
}

/// The chats that a subscription posts to.
pub(super) fn subscribers(object: &Object) -> impl Iterator<Item = &ChatId> {
    let chats = match object.fields.get(Field::Subscribers) {
        Some(Value::Chats(chats)) => Some(chats),
        _ => None,
    };
    chats.into_iter().flatten()
}

/// Writes tasklists and subscriptions. `chat_word` says what a chat is called.
pub(super) fn write(
    document: &mut Document,
    read: &[(&Chosen, Vec<Object>)],
    (manifest, bindings): (&Manifest, &[Binding]),
    resources_only: bool,
    chat_word: &dyn Fn(&ChatId, &Name) -> String,
    ui: &Ui,
) {
    let mut used = Names::default();
    for (tasklist, objects) in read {
        if !resources_only || !tasklist.is_declared {
            let block = TasklistBlock {
                guid: tasklist.guid.to_string(),
                provider: said(&tasklist.provider, manifest),
            };
            document.tasklists.insert(tasklist.key.clone(), block);
        }
        let mut names = BTreeSet::new();
        for object in objects {
            let live_name = object.fields.name().unwrap_or_default();
            if !live_name.chars().all(carries) {
                ui.say(&format!(
                    "Left out {} in tasklist {}: its name \"{}\" holds a character that a manifest cannot carry.",
                    clean(object.id.as_str()),
                    tasklist.key,
                    clean(live_name),
                ));
                continue;
            }
            if !names.insert(live_name) {
                ui.say(&format!(
                    "Left out {} in tasklist {}: another subscription there is named \"{}\" too, and a manifest cannot declare both.",
                    object.id,
                    tasklist.key,
                    clean(live_name),
                ));
                continue;
            }
            let bound = bindings
                .iter()
                .find(|b| b.collection.tasklist() == Some(&tasklist.guid) && b.id == object.id);
            let name = used.give(&match bound {
                Some(binding) => binding.address.name.to_string(),
                None => slug(live_name, "subscription"),
            });
            let block = subscription(object, tasklist, &name, chat_word);
            document.tasklist_subscriptions.insert(name, block);
        }
    }
}

fn subscription(
    object: &Object,
    tasklist: &Chosen,
    resource: &str,
    chat_word: &dyn Fn(&ChatId, &Name) -> String,
) -> SubscriptionBlock {
    let Object {
        id: RemoteId(id),
        fields,
    } = object;
    let events = match fields.get(Field::Events) {
        Some(Value::Events(events)) => events
            .keys
            .iter()
            .map(|key| key.name().map_or(EventItem::Number(key.0), EventItem::Name))
            .collect(),
        _ => Vec::new(),
    };
    SubscriptionBlock {
        tasklist: tasklist.key.clone(),
        name: fields.name().filter(|name| *name != resource).map(literal),
        subscribers: subscribers(object)
            .map(|chat| chat_word(chat, &tasklist.provider))
            .collect(),
        events,
        enabled: matches!(fields.get(Field::Enabled), Some(Value::Flag(true)) | None),
        id: id.to_string(),
    }
}
