//! Which chats and contact user groups are exported, and what is live.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::super::Result;
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::Object;
use crate::model::manifest::Manifest;
use crate::model::{Address, ChatId, Collection, Kind, Name, RemoteId, is_chat_id};
use crate::plan::live::Binding;

/// How many objects are read at once; the HTTP client has bounds of its own per app.
const CONCURRENCY: usize = 64;

/// What an object is found by.
pub(super) type Key = (Collection, RemoteId);

/// An object to be exported.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Whom to ask, in turn; every provider where there is none.
    providers: Vec<Name>,
    /// The name that it has already.
    name: Option<Name>,
}

/// What the manifest declares and what is bound, each with the object that it stands for.
pub(super) struct Known<'a> {
    pub(super) address: &'a Address,
    collection: Collection,
    provider: &'a Name,
    id: Option<&'a RemoteId>,
    pub(super) is_declared: bool,
}

impl Known<'_> {
    pub(super) fn key(&self) -> Option<Key> {
        Some((self.collection.clone(), self.id?.clone()))
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            providers: vec![self.provider.clone()],
            name: Some(self.address.name.clone()),
        }
    }
}

/// Every chat and contact user group that is declared or bound.
pub(super) fn known<'a>(manifest: &'a Manifest, bindings: &'a [Binding]) -> Vec<Known<'a>> {
    let bound = |address: &Address, former: Option<&Name>| {
        let at = |address: &Address| bindings.iter().find(|b| b.address == *address);
        let former = former.map(|name| Address {
            name: name.clone(),
            ..address.clone()
        });
        let binding = at(address).or_else(|| former.as_ref().and_then(at));
        binding.map(|b| &b.id)
    };
    let chats = manifest.managed_chats.values().map(|chat| Known {
        address: &chat.address,
        collection: Collection::Chats,
        provider: &chat.provider,
        id: bound(&chat.address, chat.moved_from.as_ref()).or(chat.id.as_ref()),
        is_declared: true,
    });
    let groups = manifest.groups.values().flat_map(|group| {
        let former = group.moved_from.as_ref();
        let kept = group.user_groups.iter();
        kept.map(move |(provider, kept)| (former, provider, kept))
    });
    let groups = groups.map(|(former, provider, kept)| Known {
        address: &kept.address,
        collection: Collection::UserGroups,
        provider,
        id: bound(&kept.address, former).or(kept.id.as_ref()),
        is_declared: true,
    });
    let mut known: Vec<_> = chats.chain(groups).collect();
    let declared: BTreeSet<Key> = known.iter().filter_map(Known::key).collect();
    let others = bindings.iter().filter(|b| {
        let is_kept = matches!(b.collection, Collection::Chats | Collection::UserGroups);
        is_kept && !declared.contains(&(b.collection.clone(), b.id.clone()))
    });
    known.extend(others.map(|b| Known {
        address: &b.address,
        collection: b.collection.clone(),
        provider: &b.provider,
        id: Some(&b.id),
        is_declared: false,
    }));
    known
}

/// The name and the provider of the declared chat that has this id.
pub(super) fn declared<'a>(known: &[Known<'a>], chat: &ChatId) -> Option<(&'a Name, &'a Name)> {
    let is_it = |known: &&Known<'_>| {
        let id = known.id.filter(|_| known.collection == Collection::Chats);
        known.is_declared && id.is_some_and(|id| id.0 == chat.0)
    };
    let known = known.iter().find(is_it)?;
    Some((&known.address.name, known.provider))
}

/// What is asked for.
pub(super) struct Asked<'a> {
    session: &'a Session,
    known: &'a [Known<'a>],
    pub(super) wanted: BTreeMap<Key, Wanted>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(session: &'a Session, known: &'a [Known<'a>]) -> Self {
        Self {
            session,
            known,
            wanted: BTreeMap::new(),
        }
    }

    /// Asks for everything that the manifest declares, as far as it is there.
    pub(super) fn declared(&mut self) {
        for known in self.known.iter().filter(|known| known.is_declared) {
            if let Some(key) = known.key() {
                self.wanted.insert(key, known.wanted());
            }
        }
    }

    /// Asks for an object by id, under the name that it has already.
    fn object(&mut self, key: Key, provider: Option<&Name>) {
        let known = self.known.iter().find(|known| {
            known.key().as_ref() == Some(&key) && self.session.writers.contains_key(known.provider)
        });
        if let Some(known) = known {
            self.wanted.insert(key, known.wanted());
            return;
        }
        let nothing = Wanted {
            providers: Vec::new(),
            name: None,
        };
        let wanted = self.wanted.entry(key).or_insert(nothing);
        wanted.providers.extend(provider.cloned());
    }

    /// Asks for whatever chat or contact user group a word means; false if it means none.
    pub(super) async fn word(&mut self, word: &str) -> Result<bool> {
        if is_chat_id(word) {
            self.object((Collection::Chats, RemoteId::new(word)), None);
            return Ok(true);
        }
        let manifest = &self.session.manifest;
        if let Ok(address) = word.parse::<Address>() {
            return match address.kind {
                Kind::Chat | Kind::RecipientGroup => self.address(&address).map(|()| true),
                _ => Ok(false),
            };
        }
        if let Ok(name) = Name::new(word) {
            for kind in [Kind::Chat, Kind::RecipientGroup] {
                let is_there = match kind {
                    Kind::Chat => {
                        manifest.chats.contains_key(&name)
                            || manifest.managed_chats.contains_key(&name)
                    }
                    _ => manifest.groups.contains_key(&name),
                };
                if is_there {
                    return self.address(&Address::new(kind, name)).map(|()| true);
                }
            }
        }
        // The guid of a tasklist is the id of no group.
        if uuid::Uuid::parse_str(word).is_ok_and(|_| word.contains('-')) {
            return Ok(false);
        }
        Ok(self.live_group(word).await)
    }

    /// Asks for what is declared at an address, or below it.
    fn address(&mut self, address: &Address) -> Result<()> {
        if let (Kind::Chat, None) = (address.kind, &address.instance)
            && let Some(chat) = self.session.manifest.chats.get(&address.name)
        {
            self.object((Collection::Chats, RemoteId(chat.id.0.clone())), None);
            return Ok(());
        }
        let here = self.known.iter().filter(|k| address.covers(k.address));
        let keys: Vec<Key> = here.clone().filter_map(Known::key).collect();
        if keys.is_empty() {
            return Err(match here.clone().next() {
                Some(known) => Failure::new(format!(
                    "{} is neither bound nor pinned, so nothing live is known of it",
                    known.address
                ))
                .hint("Bind it with `beadle import`, or have it made with `beadle apply`."),
                None if self.session.manifest.groups.contains_key(&address.name) => Failure::new(
                    format!("{address} has no `user_group`, so no vendor holds it"),
                )
                .hint("What is declared of it is all there is."),
                None => Failure::new(format!("{address} is not declared"))
                    .hint("Name what is not declared by its id."),
            });
        }
        for key in keys {
            self.object(key, None);
        }
        Ok(())
    }

    /// Asks for the contact user groups with this id, or this name at the vendor.
    async fn live_group(&mut self, word: &str) -> bool {
        let mut is_found = false;
        for (provider, writer) in &self.session.writers {
            // A catalog that cannot be read has no such group; the word is tried as a tasklist then.
            let groups = writer.catalog(&Collection::UserGroups).await;
            for group in groups.unwrap_or_default() {
                if group.id.as_str() == word || group.fields.name() == Some(word) {
                    self.object((Collection::UserGroups, group.id), Some(provider));
                    is_found = true;
                }
            }
        }
        is_found
    }

    /// Asks for everything that the apps see; false where something could not be listed.
    pub(super) async fn all(&mut self, collection: &Collection, ui: &Ui) -> bool {
        let mut is_whole = true;
        for (provider, writer) in &self.session.writers {
            match writer.catalog(collection).await {
                Ok(objects) => {
                    for object in objects {
                        self.object((collection.clone(), object.id), Some(provider));
                    }
                }
                Err(error) => {
                    let what = match collection {
                        Collection::Chats => "chats",
                        _ => "contact user groups",
                    };
                    ui.say(&format!(
                        "The {what} of provider `{provider}` could not be listed: {}.",
                        clean(&error.to_string())
                    ));
                    is_whole = false;
                }
            }
        }
        is_whole
    }
}

/// What is live.
pub(super) struct Live {
    pub(super) collection: Collection,
    pub(super) id: RemoteId,
    pub(super) provider: Name,
    /// The name that it has already.
    pub(super) name: Option<Name>,
    pub(super) object: Object,
}

/// `chat`, or `contact user group`.
pub(super) fn word(collection: &Collection) -> &'static str {
    match collection {
        Collection::Chats => "chat",
        _ => "contact user group",
    }
}

/// The providers of the tasklists that post to a chat. A chat is kept with the same one.
pub(super) type Posting = BTreeMap<ChatId, BTreeSet<Name>>;

/// Reads what is asked for; false where something is gone or could not be read.
pub(super) async fn read(
    session: &Session,
    wanted: BTreeMap<Key, Wanted>,
    posting: &Posting,
    ui: &Ui,
) -> (Vec<Live>, bool) {
    let mut answers = stream::iter(wanted)
        .map(|(key, wanted)| async move {
            let answer = one(session, &key, &wanted, posting).await;
            (key, wanted, answer)
        })
        .buffered(CONCURRENCY);
    let (mut live, mut is_whole) = (Vec::new(), true);
    while let Some(((collection, id), wanted, answer)) = answers.next().await {
        match answer {
            Ok((provider, object)) => live.push(Live {
                collection,
                id,
                provider,
                name: wanted.name,
                object,
            }),
            Err(why) => {
                let what = word(&collection);
                ui.say(&clean(&format!("Left out {what} {id}: {why}.")));
                is_whole = false;
            }
        }
    }
    (live, is_whole)
}

/// The object and whose it is, or why there is none.
async fn one(
    session: &Session,
    (collection, id): &Key,
    wanted: &Wanted,
    posting: &Posting,
) -> std::result::Result<(Name, Object), String> {
    let mut whys = Vec::new();
    let mut asked: Vec<_> = session.writers.iter().collect();
    asked.retain(|(provider, _)| {
        wanted.providers.is_empty() || wanted.providers.contains(*provider)
    });
    if *collection == Collection::Chats
        && let Some(first) = posting.get(id.as_str())
    {
        asked.sort_by_key(|(provider, _)| !first.contains(*provider));
    }
    for (provider, writer) in asked {
        match writer.object(collection, id).await {
            Ok(Some(object)) => return Ok((provider.clone(), object)),
            Ok(None) => whys.push("it is gone".to_owned()),
            Err(error) => whys.push(format!("it could not be read: {error}")),
        }
    }
    whys.dedup();
    if whys.is_empty() {
        whys.push("there is no provider to read it with".to_owned());
    }
    Err(whys.join("; "))
}
