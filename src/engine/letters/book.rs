//! Whom the notices of a project can reach: its groups and chats as they were applied, and who is behind
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::{Images, Vendors};
use crate::engine::afterwards::Pause;
use crate::engine::directory::Sighting;
use crate::engine::people::{Directories, closure};
use crate::model::group::{Groups, Known, Recipient, RecipientGroup};
use crate::model::{Address, ChatId, Collection, Kind, Name};
use crate::plan::live::Binding;

/// What all notices of a project share, as it stood at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) groups: Arc<Groups>,
    pub(super) chats: Arc<BTreeMap<Address, ChatId>>,
    pub(super) vendors: Vendors,
    pub(super) known: Known,
    pub(super) unseen: BTreeMap<Name, BTreeMap<Recipient, String>>,
    pub(super) pauses: Vec<Pause>,
    pub(super) images: Images,
}

impl Book {
    /// Reads the groups and chats of a project's bindings; nobody is looked up yet.
    fn new(bindings: &[Binding], vendors: &Vendors) -> Self {
        let groups = bindings.iter().filter(|b| {
            b.collection == Collection::Ledger && b.address.kind == Kind::RecipientGroup
        });
        let groups = groups.map(|b| {
            (
                b.address.name.clone(),
                RecipientGroup::registered(&b.address, &b.applied, vendors),
            )
        });
        let chats = bindings
            .iter()
            .filter(|b| b.collection == Collection::Chats);
        let chats = chats.map(|b| (b.address.clone(), ChatId::new(b.id.as_str())));
        Book {
            groups: Arc::new(groups.collect()),
            chats: Arc::new(chats.collect()),
            vendors: vendors.clone(),
            ..Book::default()
        }
    }

    /// Finds out who is behind e-mail addresses and numbers, and, where somebody is left out, behind every
    /// id.
    async fn look_up(&mut self, directories: &Directories) {
        let mut wanted: BTreeMap<Name, BTreeSet<Recipient>> = BTreeMap::new();
        let leaves_out: BTreeSet<Name> = self
            .groups
            .values()
            .flat_map(|group| group.exclude.keys().cloned())
            .collect();
        for group in self.groups.values() {
            for (provider, recipients) in group.people.iter().chain(&group.exclude) {
                let all = leaves_out.contains(provider);
                let open = recipients.keys().filter(|r| {
                    matches!(r, Recipient::Email(_) | Recipient::Mobile(_))
                        || (all && r.is_person())
                });
                wanted
                    .entry(provider.clone())
                    .or_default()
                    .extend(open.cloned());
            }
        }
        for (provider, recipients) in wanted {
            let Some(directory) = directories.get(&provider) else {
                continue;
            };
            let list: Vec<_> = recipients.into_iter().collect();
            if list.is_empty() {
                continue;
            }
            match directory.look_up(&list).await {
                Ok(sightings) => {
                    for (recipient, sighting) in list.into_iter().zip(sightings) {
                        match sighting {
                            Sighting::Person(person) => {
                                let known = self.known.entry(provider.clone()).or_default();
                                known.insert(recipient, person);
                            }
                            Sighting::Many => {}
                            Sighting::Unseen(why) => {
                                let unseen = self.unseen.entry(provider.clone()).or_default();
                                unseen.insert(recipient, why);
                            }
                        }
                    }
                }
                Err(error) => {
                    let unseen = self.unseen.entry(provider.clone()).or_default();
                    let why = format!("could not be looked up: {}", error.with_hint());
                    unseen.extend(list.into_iter().map(|recipient| (recipient, why.clone())));
                }
            }
        }
    }
}

impl Book {
    /// Whether a group, or one that it includes, leaves out somebody whom the vendor does not show.
    pub(super) fn hides_exclusion(&self, group: &Name, provider: &Name) -> bool {
        let unseen = self.unseen.get(provider);
        let reached = closure(&self.groups, &[group]);
        let out = reached
            .into_iter()
            .filter_map(|name| self.groups[name].exclude.get(provider));
        out.flat_map(|recipients| recipients.keys())
            .any(|recipient| unseen.is_some_and(|unseen| unseen.contains_key(recipient)))
    }
}

/// Where the notices of a project find what they share.
///
/// Groups and chats stay as they were read. Who is behind them, pauses and images are as of the last
/// [`Desk::renew`].
#[derive(Debug)]
pub struct Desk(RwLock<Arc<Book>>);

impl Desk {
    /// One for a project's bindings. Nobody is looked up yet.
    #[must_use]
    pub fn new(bindings: &[Binding], vendors: &Vendors) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(Book::new(bindings, vendors)))))
    }

    /// Looks people up, and takes in pauses and images.
    pub async fn renew(&self, directories: &Directories, pauses: Vec<Pause>, images: Images) {
        let mut book = Book {
            known: Known::new(),
            unseen: BTreeMap::new(),
            pauses,
            images,
            ..Book::clone(&self.book())
        };
        book.look_up(directories).await;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
    }

    pub(super) fn book(&self) -> Arc<Book> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
