//! Asks every Reader what is live, and calls what could not be read by its name.
//!
//! Reading is all this does. A tasklist that cannot be listed is [`Listing::Unread`]; nothing here
//! takes it for empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{ApiError, Object, Reader, one_by_one};
use crate::model::manifest::{Manifest, TasklistTarget};
use crate::model::{Address, ChatId, Collection, Diagnostic, Field, Name, Span, Value};
use crate::plan::live::{Binding, Kept, Roster};
use crate::plan::{Action, Change, Choice, Listing, Resolution};

/// How many readings are under way at once; the HTTP client has bounds of its own per app.
const CONCURRENCY: usize = 64;

/// The readers by provider key.
pub type Readers = BTreeMap<Name, Arc<dyn Reader>>;

/// The live side.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The manifest's tasklist keys, looked up.
    pub tasklists: BTreeMap<Name, Resolution>,
    /// What each tasklist holds.
    pub listings: BTreeMap<Collection, Listing>,
    /// Managed chats and contact user groups.
    pub kept: Kept,
    /// Keys that stand for no tasklist, or for several.
    pub diagnostics: Vec<Diagnostic>,
}

/// Progress of a refresh: how many tasklists of how many have been read.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Reads every tasklist that a selected resource or binding stands in.
pub async fn refresh(
    manifest: &Manifest,
    bindings: &[Binding],
    choice: &Choice,
    readers: &Readers,
    rosters: BTreeMap<Address, Roster>,
    progress: Progress<'_>,
) -> Live {
    let mut live = Live::default();
    let keys = wanted_keys(manifest, choice);
    resolve(manifest, &keys, readers, &mut live).await;

    let mut wanted: BTreeMap<Collection, Name> = BTreeMap::new();
    for (key, resolution) in live.tasklists.iter().filter(|(key, _)| keys.contains(*key)) {
        if let Resolution::Found(guid) = resolution {
            wanted.insert(guid.clone(), manifest.tasklists[key].provider.clone());
        }
    }
    for binding in bindings {
        if binding.collection.tasklist().is_some()
            && choice.selects(&binding.address)
            && !wanted.contains_key(&binding.collection)
        {
            wanted.insert(binding.collection.clone(), binding.provider.clone());
        }
    }
    live.listings = list(&wanted, readers, progress).await;
    live.kept = one_by_one::read(manifest, bindings, choice, readers, rosters).await;
    live
}

/// Lists each of these tasklists once.
pub async fn list(
    wanted: &BTreeMap<Collection, Name>,
    readers: &Readers,
    progress: Progress<'_>,
) -> BTreeMap<Collection, Listing> {
    let total = wanted.len();
    let mut results = stream::iter(wanted)
        .map(|(guid, provider)| async move {
            let listing = match readers.get(provider) {
                Some(reader) => match objects(reader.as_ref(), guid).await {
                    Ok(objects) => Listing::Objects(objects),
                    Err(error) => Listing::Unread(error.with_hint()),
                },
                None => Listing::Unread(format!(
                    "the manifest has no provider `{provider}` any more"
                )),
            };
            (guid.clone(), listing)
        })
        .buffer_unordered(CONCURRENCY);
    let mut listings = BTreeMap::new();
    while let Some((guid, listing)) = results.next().await {
        listings.insert(guid, listing);
        progress(listings.len(), total);
    }
    listings
}

/// Every object that stands in a collection which is read as a whole.
pub(super) async fn objects(
    reader: &dyn Reader,
    collection: &Collection,
) -> Result<Vec<Object>, ApiError> {
    match collection {
        Collection::Tasklist(guid) => reader.subscriptions(guid).await,
        Collection::Chats | Collection::UserGroups | Collection::Ledger => Ok(Vec::new()),
    }
}

/// The tasklist keys that a plan of this choice needs.
fn wanted_keys(manifest: &Manifest, choice: &Choice) -> BTreeSet<Name> {
    if choice.destroy {
        return BTreeSet::new();
    }
    let mut keys: BTreeSet<Name> = manifest
        .subscriptions
        .iter()
        .filter(|s| choice.selects(&s.address))
        .map(|s| s.tasklist.clone())
        .collect();
    if !choice.is_partial() {
        keys.extend(
            manifest
                .tasklists
                .iter()
                .filter(|(_, t)| t.authoritative)
                .map(|(key, _)| key.clone()),
        );
    }
    keys
}

/// Finds the guid of each key. Names are looked up in one list per provider, and only those that
/// are wanted: the rest stays out of the result.
async fn resolve(manifest: &Manifest, keys: &BTreeSet<Name>, readers: &Readers, live: &mut Live) {
    let mut by_provider: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    for (key, collection) in &manifest.tasklists {
        match &collection.target {
            TasklistTarget::Guid(guid) => {
                live.tasklists
                    .insert(key.clone(), Resolution::Found(guid.clone().into()));
            }
            TasklistTarget::Named(_) if keys.contains(key) => {
                by_provider
                    .entry(&collection.provider)
                    .or_default()
                    .push(key);
            }
            TasklistTarget::Named(_) => {}
        }
    }
    for (provider, keys) in by_provider {
        let found = match readers.get(provider) {
            Some(reader) => reader.tasklists().await.map_err(|error| error.with_hint()),
            None => Err(format!("the manifest has no provider `{provider}`")),
        };
        for key in keys {
            let collection = &manifest.tasklists[key];
            let TasklistTarget::Named(name) = &collection.target else {
                continue;
            };
            let resolution = match &found {
                Err(why) => Resolution::Unread(why.clone()),
                Ok(found) => {
                    let hits: Vec<_> = found.iter().filter(|t| t.name == *name).collect();
                    match hits.as_slice() {
                        [one] => Resolution::Found(one.guid.clone().into()),
                        [] => {
                            live.diagnostics.push(
                                Diagnostic::error("tasklist-not-found", collection.span, format!("no tasklist is named `{name}` among the {} that the app can read", found.len()))
                                    .help("Check the name, add the app to the tasklist as an editor, or give its `guid`."),
                            );
                            Resolution::Unread("it was not found by name".to_owned())
                        }
                        several => {
                            let guids: Vec<_> =
                                several.iter().map(|t| t.guid.to_string()).collect();
                            live.diagnostics.push(
                                Diagnostic::error(
                                    "tasklist-ambiguous",
                                    collection.span,
                                    format!(
                                        "{} tasklists are named `{name}`: {}",
                                        several.len(),
                                        guids.join(", ")
                                    ),
                                )
                                .help("Say which one is meant with `guid`."),
                            );
                            Resolution::Unread("several have its name".to_owned())
                        }
                    }
                }
            };
            live.tasklists.insert(key.clone(), resolution);
        }
    }
    let mut first: BTreeMap<Collection, Name> = BTreeMap::new();
    for (key, resolution) in &live.tasklists {
        let Resolution::Found(guid) = resolution else {
            continue;
        };
        if let Some(other) = first.insert(guid.clone(), key.clone()) {
            live.diagnostics.push(
                Diagnostic::error(
                    "same-tasklist",
                    manifest.tasklists[key].span,
                    format!("`{key}` and `{other}` are one tasklist, {guid}"),
                )
                .related(manifest.tasklists[&other].span, "the other key")
                .help("Keep one of the two keys."),
            );
        }
    }
}

/// Names each chat that a subscription posts to and that its app is not in.
pub async fn chats_out_of_reach(manifest: &Manifest, readers: &Readers) -> Vec<Diagnostic> {
    let mut asked: BTreeMap<(Name, ChatId), (Span, Address)> = BTreeMap::new();
    for subscription in &manifest.subscriptions {
        let provider = &manifest.tasklists[&subscription.tasklist].provider;
        for (chat, span) in &subscription.subscribers {
            if chat.pending().is_none() {
                let place = (*span, subscription.address.clone());
                asked
                    .entry((provider.clone(), chat.clone()))
                    .or_insert(place);
            }
        }
    }
    let mut answers = stream::iter(asked)
        .map(|((provider, chat), place)| async move {
            let answer = match readers.get(&provider) {
                Some(reader) => reader.is_in_chat(&chat).await,
                None => Ok(true),
            };
            (provider, chat, place, answer)
        })
        .buffer_unordered(CONCURRENCY);
    let mut found = Vec::new();
    while let Some((provider, chat, (span, address), answer)) = answers.next().await {
        let (code, summary) = match answer {
            Ok(true) => continue,
            Ok(false) => (
                "not-in-chat",
                format!(
                    "the app of provider `{provider}` is not in chat {chat}, or the chat is gone"
                ),
            ),
            Err(error) => (
                "chat-unread",
                format!("whether the app is in chat {chat} could not be read: {error}"),
            ),
        };
        found.push(
            Diagnostic::warning(code, span, summary)
                .address(address)
                .help("Add the app's bot to the chat, or name another one."),
        );
    }
    found.sort_by(|a, b| (a.span, &a.summary).cmp(&(b.span, &b.summary)));
    found
}

/// Names each chat that the app is not in and that a change needs it to be in.
///
/// Feishu refuses a create, and a patch of subscribers, when the bot is not in every subscriber
/// chat (page `tasklist-activity_subscription/create`).
pub async fn missing_chats(
    manifest: &Manifest,
    changes: &[Change],
    readers: &Readers,
) -> Vec<Diagnostic> {
    let mut asked: BTreeMap<(Name, ChatId), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        let writes = match &change.action {
            Action::Create { .. } | Action::Replace { .. } => true,
            Action::Update { fields, .. } | Action::Adopt { fields, .. } => {
                fields.iter().any(|f| f.field == Field::Subscribers)
            }
            Action::Delete { .. } | Action::Forget { .. } => false,
        };
        let after = if writes { change.after() } else { None };
        if let Some(Value::Chats(chats)) = after.as_ref().and_then(|a| a.get(Field::Subscribers)) {
            for chat in chats.iter().filter(|chat| chat.pending().is_none()) {
                asked
                    .entry((change.provider.clone(), chat.clone()))
                    .or_default()
                    .push(change);
            }
        }
    }
    let by_address: BTreeMap<_, _> = manifest
        .subscriptions
        .iter()
        .map(|s| (&s.address, s))
        .collect();
    let mut answers = stream::iter(&asked)
        .map(|((provider, chat), changes)| async move {
            let answer = match readers.get(provider) {
                Some(reader) => reader.is_in_chat(chat).await,
                None => Ok(true),
            };
            (provider, chat, changes, answer)
        })
        .buffer_unordered(CONCURRENCY);
    let mut found = Vec::new();
    while let Some((provider, chat, changes, answer)) = answers.next().await {
        let subscription = changes
            .first()
            .and_then(|c| c.subject.address())
            .and_then(|address| by_address.get(address));
        let span = subscription.map(|s| s.subscribers.get(chat).copied().unwrap_or(s.span));
        let named = manifest
            .chats
            .iter()
            .find(|(_, known)| known.id == *chat)
            .map_or_else(
                || chat.to_string(),
                |(name, _)| format!("`{name}` ({chat})"),
            );
        let diagnostic = match answer {
            Ok(true) => continue,
            Ok(false) => {
                Diagnostic::warning("not-in-chat", span, format!("the app of provider `{provider}` is not in chat {named}, so Feishu will refuse this"))
                    .help("Add the app's bot to the chat.")
            }
            Err(error) => {
                Diagnostic::warning("chat-unread", span, format!("whether the app is in chat {named} could not be read: {error}"))
            }
        };
        found.push(match subscription {
            Some(subscription) => diagnostic.address(subscription.address.clone()),
            None => diagnostic,
        });
    }
    found.sort_by(|a, b| (a.span, &a.summary).cmp(&(b.span, &b.summary)));
    found
}
