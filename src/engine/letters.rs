//! Registered notices as they are fired: recipients worked out, messages rendered and cut into parcels.
//!
//! Everything comes from the ledger, as it was applied, save for the apps that send.
//!
//! # Guarantees
//!
//! - Whom a vendor does not show is in the delivery with why, and never left out in silence.
//! - While somebody whom a group leaves out cannot be told, nothing is sent to it at that provider: one
//!   of its people may be the one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::channel::{Letter, Parcel, People, Repeat, To};
use super::directory::Sighting;
use super::outbox::NewDelivery;
use super::people::{Directories, closure};
use super::runner::{Channels, Firing, Notice};
use crate::model::group::{Groups, Known, Recipient, RecipientGroup, resolve};
use crate::model::manifest::Vendor;
use crate::model::message::{self, Context, render};
use crate::model::notice::{self, OnUnknown, Registered, Target};
use crate::model::schedule::{Event, Skip};
use crate::model::{Address, ChatId, Collection, Kind, Name};
use crate::plan::live::Binding;

/// The vendors by provider key.
pub type Vendors = BTreeMap<Name, Vendor>;

/// A notice of the ledger with everything that sending it needs.
pub struct Posted {
    address: Address,
    revision: String,
    applied_at: Timestamp,
    project: Name,
    registered: Registered,
    book: Arc<Book>,
    channels: Channels,
}

/// What all notices of a project share.
#[derive(Debug)]
pub struct Book {
    groups: Groups,
    chats: BTreeMap<Address, ChatId>,
    vendors: Vendors,
    known: Known,
    unseen: BTreeMap<Name, BTreeMap<Recipient, String>>,
}

/// A notice that the ledger has and this beadle cannot read, with why.
pub type Unreadable = (Address, String);

/// Makes the notices of a project's bindings.
pub async fn posted(
    project: &Name,
    bindings: &[Binding],
    vendors: &Vendors,
    channels: &Channels,
    directories: &Directories,
) -> (Vec<Arc<dyn Notice>>, Vec<Unreadable>) {
    let mut book = Book {
        groups: bindings
            .iter()
            .filter(|b| {
                b.collection == Collection::Ledger && b.address.kind == Kind::RecipientGroup
            })
            .map(|b| {
                (
                    b.address.name.clone(),
                    RecipientGroup::registered(&b.address, &b.applied, vendors),
                )
            })
            .collect(),
        chats: bindings
            .iter()
            .filter(|b| b.collection == Collection::Chats)
            .map(|b| (b.address.clone(), ChatId::new(b.id.as_str())))
            .collect(),
        vendors: vendors.clone(),
        known: Known::new(),
        unseen: BTreeMap::new(),
    };
    book.look_up(directories).await;
    let book = Arc::new(book);
    let mut notices: Vec<Arc<dyn Notice>> = Vec::new();
    let mut unreadable = Vec::new();
    for binding in bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice)
    {
        match Registered::read(&binding.applied) {
            Ok(registered) if registered.enabled => notices.push(Arc::new(Posted {
                address: binding.address.clone(),
                revision: binding.updated_at.to_string(),
                applied_at: binding.updated_at,
                project: project.clone(),
                registered,
                book: Arc::clone(&book),
                channels: channels.clone(),
            })),
            Ok(_) => {}
            Err(why) => unreadable.push((binding.address.clone(), why)),
        }
    }
    (notices, unreadable)
}

impl Book {
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
    fn hides_exclusion(&self, group: &Name, provider: &Name) -> bool {
        let unseen = self.unseen.get(provider);
        let reached = closure(&self.groups, &[group]);
        let out = reached
            .into_iter()
            .filter_map(|name| self.groups[name].exclude.get(provider));
        out.flat_map(|recipients| recipients.keys())
            .any(|recipient| unseen.is_some_and(|unseen| unseen.contains_key(recipient)))
    }
}

/// Whom a notice reaches at one provider.
#[derive(Default)]
struct Reached {
    chats: Vec<To>,
    people: Vec<To>,
    unseen: Vec<(To, String)>,
}

impl Posted {
    fn reached(&self, provider: &Name) -> Result<Reached, String> {
        let resolution =
            resolve(&self.book.groups, &self.book.known).map_err(|why| why.to_string())?;
        let vendor = self.book.vendors.get(provider);
        let mut reached = Reached::default();
        let mut people: BTreeSet<&Recipient> = BTreeSet::new();
        for target in &self.registered.to {
            match target {
                Target::Chat(chat) if vendor == Some(&Vendor::Feishu) => {
                    let id = match chat.pending() {
                        None => chat.clone(),
                        Some(address) => match self.book.chats.get(&address) {
                            Some(id) => id.clone(),
                            None => return Err(format!("{address} is not there")),
                        },
                    };
                    reached.chats.push(To::Chat(id));
                }
                Target::Conversation(by, id) if by == provider => {
                    reached.chats.push(To::Chat(id.clone()));
                }
                Target::Chat(_) | Target::Conversation(..) => {}
                Target::Group(name) => {
                    if !self.book.groups.contains_key(name) {
                        return Err(format!("the group `{name}` is not registered"));
                    }
                    if self.book.hides_exclusion(name, provider) {
                        return Err(format!(
                            "somebody whom `{name}` leaves out cannot be told, and may be one of its people"
                        ));
                    }
                    for member in resolution.members(name.as_str()) {
                        if member.provider != provider {
                            continue;
                        }
                        if !member.recipient.is_person() && !member.except.is_empty() {
                            return Err(format!(
                                "`{name}` leaves people out of {}, which no vendor can do",
                                member.recipient
                            ));
                        }
                        people.insert(member.recipient);
                    }
                }
            }
        }
        let unseen = self.book.unseen.get(provider);
        for recipient in people {
            let to = To::Recipient(recipient.clone());
            match unseen.and_then(|unseen| unseen.get(recipient)) {
                // An id of the vendor's own is sent to all the same: the vendor says what it makes of it.
                Some(why) if matches!(recipient, Recipient::Email(_) | Recipient::Mobile(_)) => {
                    reached.unseen.push((to, why.clone()));
                }
                _ => reached.people.push(to),
            }
        }
        Ok(reached)
    }

    fn parcels(
        &self,
        firing: &Firing,
        provider: &Name,
        to: &[To],
        kind: message::Target,
    ) -> Result<Vec<NewDelivery>, String> {
        let vendor = *self
            .book
            .vendors
            .get(provider)
            .ok_or_else(|| format!("there is no provider `{provider}` here"))?;
        let channel = self
            .channels
            .get(provider)
            .ok_or_else(|| format!("provider `{provider}` cannot send here"))?;
        let scheduled = firing.at.to_zoned(self.registered.schedule.zone().clone());
        let context = Context {
            scheduled: &scheduled,
            notice: &self.address,
            vars: &self.registered.vars,
        };
        let rendered = render(&self.registered.message, vendor, kind, context)
            .map_err(|error| error.diagnostic().summary)?;
        let letter = Letter {
            kind: rendered.kind.to_owned(),
            content: rendered.content,
            people: match self.registered.people {
                notice::People::Together => People::Together,
                notice::People::Messages => People::OneByOne,
            },
        };
        let key = format!("{}/{}/{}", self.project, self.address, firing.nominal);
        let parcels = channel.pack(&letter, to, &key)?;
        let delivery = |parcel| NewDelivery {
            provider: provider.clone(),
            app: channel.app().clone(),
            repeat: self.repeat(channel.repeats(&parcel), &parcel),
            unseen: Vec::new(),
            parcel,
        };
        Ok(parcels.into_iter().map(delivery).collect())
    }
}

impl Posted {
    /// What may follow an unknown send: what the vendor lets, and what the notice consents to.
    fn repeat(&self, of_vendor: Repeat, parcel: &Parcel) -> Repeat {
        let everyone = To::Recipient(Recipient::Everyone);
        match (of_vendor, self.registered.on_unknown) {
            (Repeat::Never, OnUnknown::Resend) if !parcel.to.contains(&everyone) => Repeat::Again,
            (repeat, _) => repeat,
        }
    }
}

impl Notice for Posted {
    fn address(&self) -> &Address {
        &self.address
    }

    fn revision(&self) -> &str {
        &self.revision
    }

    fn applied_at(&self) -> Timestamp {
        self.applied_at
    }

    fn late(&self) -> SignedDuration {
        self.registered.late
    }

    fn firings(&self, from: Timestamp, until: Timestamp) -> Vec<Firing> {
        let after = from.saturating_add(SignedDuration::from_nanos(1));
        let to = until.saturating_add(SignedDuration::from_nanos(1));
        let (Ok(after), Ok(to)) = (after, to) else {
            return Vec::new();
        };
        let schedule = &self.registered.schedule;
        schedule
            .firings_with_skips(after, to)
            .filter_map(|event| match event {
                Event::Fires(firing) => Some(Firing {
                    nominal: firing.nominal,
                    at: firing.at,
                    skip: None,
                }),
                Event::Skips(skipped) => Some(Firing {
                    nominal: skipped.instant,
                    at: skipped.instant,
                    skip: Some(reason(skipped.why)?),
                }),
            })
            .filter(|firing| firing.nominal > from)
            .collect()
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.registered.schedule.next(after).ok().flatten();
        next.map(|firing| firing.at)
    }

    fn compose(&self, firing: &Firing) -> Result<Vec<NewDelivery>, String> {
        let mut deliveries = Vec::new();
        let mut nobody = None;
        for provider in &self.registered.via {
            let reached = self.reached(provider)?;
            let first = deliveries.len();
            for (to, kind) in [
                (&reached.chats, message::Target::Chat),
                (&reached.people, message::Target::People),
            ] {
                if !to.is_empty() {
                    deliveries.extend(self.parcels(firing, provider, to, kind)?);
                }
            }
            match deliveries.get_mut(first) {
                Some(delivery) => delivery.unseen = reached.unseen,
                None => nobody = nobody.or(reached.unseen.into_iter().next()),
            }
        }
        match (deliveries.is_empty(), nobody) {
            (true, Some((_, why))) => Err(format!("nobody could be found: one {why}")),
            _ => Ok(deliveries),
        }
    }
}

/// Why nothing is sent; none where no clock ever showed the time that was meant.
fn reason(skip: Skip) -> Option<String> {
    match skip {
        Skip::Gap => None,
        Skip::OffDay => Some("not a day on which it fires".to_owned()),
        Skip::NoDay => Some("no day to move it to within a year".to_owned()),
        Skip::Merged { into } => Some(format!("merged with {into}")),
    }
}
