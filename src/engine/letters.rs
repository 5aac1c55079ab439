//! Registered notices as they are fired: recipients worked out, messages rendered and cut into parcels.
//!
//! Everything comes from the ledger, as it was applied, save for the apps that send.
//!
//! # Guarantees
//!
//! - Whom a vendor does not show is in the delivery with why, and never left out in silence.
//! - While somebody whom a group leaves out cannot be told, nothing is sent to it at that provider: one
//!   of its people may be the one.

mod aside;
mod book;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::afterwards::Pause;
use super::channel::{Letter, Parcel, People, Repeat, To};
use super::outbox::{Admission, NewDelivery, Occurrence};
use super::receipts::Terms;
use super::report::Report;
use super::runner::{Channels, Firing, Notice, Uncomposed};
use crate::model::group::{Recipient, resolve};
use crate::model::manifest::Vendor;
use crate::model::message::{self, Body, Context, ImageSource, Message, render};
use crate::model::notice::{self, OnUnknown, Registered, Target};
use crate::model::schedule::{Event, Skip};
use crate::model::{Address, AppId, Kind, Name};
use crate::plan::live::Binding;
pub use book::Desk;

/// The keys of images by the app that knows them and their digest, or why there is none.
pub type Images = BTreeMap<(AppId, String), Result<String, Uncomposed>>;

/// An image that stands as a file in the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Where it is, from the project's folder on.
    pub path: String,
    /// The digest that was registered.
    pub digest: String,
    /// The providers by which it is sent.
    pub via: Vec<Name>,
}

/// The vendors by provider key.
pub type Vendors = BTreeMap<Name, Vendor>;

/// A notice of the ledger with everything that sending it needs.
pub struct Posted {
    address: Address,
    revision: String,
    applied_at: Timestamp,
    project: Name,
    registered: Registered,
    desk: Arc<Desk>,
    channels: Channels,
}

/// A notice that the ledger has and this beadle cannot read, with why.
pub type Unreadable = (Address, String);

/// Makes the notices of a project's bindings, those that are switched off too.
#[must_use]
pub fn posted(
    project: &Name,
    bindings: &[Binding],
    channels: &Channels,
    desk: &Arc<Desk>,
) -> (Vec<Posted>, Vec<Unreadable>) {
    let mut notices = Vec::new();
    let mut unreadable = Vec::new();
    for binding in bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice)
    {
        match Registered::read(&binding.applied) {
            Ok(registered) => notices.push(Posted {
                address: binding.address.clone(),
                revision: binding.updated_at.to_string(),
                applied_at: binding.updated_at,
                project: project.clone(),
                registered,
                desk: Arc::clone(desk),
                channels: channels.clone(),
            }),
            Err(why) => unreadable.push((binding.address.clone(), why)),
        }
    }
    (notices, unreadable)
}

impl Reached {
    /// Leaves one of them, by the id.
    fn keep(&mut self, id: &str) {
        let is = |to: &To| match to {
            To::Chat(chat) => chat.as_str() == id,
            To::Recipient(recipient) => recipient.id() == Some(id),
        };
        self.chats.retain(is);
        self.people.retain(is);
        self.unseen.retain(|(to, _)| is(to));
    }
}

/// The nominal instant of what is sent by hand at `now`. A schedule names whole seconds, so it is none.
fn by_hand(now: Timestamp) -> Timestamp {
    let millis = now.as_millisecond();
    let millis = if millis % 1_000 == 0 {
        millis + 1
    } else {
        millis
    };
    Timestamp::from_millisecond(millis).unwrap_or(now)
}

/// Whom a notice reaches at one provider.
#[derive(Default)]
struct Reached {
    chats: Vec<To>,
    people: Vec<To>,
    unseen: Vec<(To, String)>,
}

impl Posted {
    fn reached(&self, provider: &Name, of: &BTreeSet<Target>) -> Result<Reached, String> {
        let book = self.desk.book();
        let resolution = resolve(&book.groups, &book.known).map_err(|why| why.to_string())?;
        let vendor = book.vendors.get(provider);
        let mut reached = Reached::default();
        let mut people: BTreeSet<&Recipient> = BTreeSet::new();
        for target in of {
            match target {
                Target::Chat(chat) if vendor == Some(&Vendor::Feishu) => {
                    let id = match chat.pending() {
                        None => chat.clone(),
                        Some(address) => match book.chats.get(&address) {
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
                    if !book.groups.contains_key(name) {
                        return Err(format!("the group `{name}` is not registered"));
                    }
                    if book.hides_exclusion(name, provider) {
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
        let unseen = book.unseen.get(provider);
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

    /// The deliveries of a message to some recipients at one provider.
    fn parcels(
        &self,
        what: &What<'_>,
        provider: &Name,
        to: &[To],
        kind: message::Target,
    ) -> Result<Vec<NewDelivery>, Uncomposed> {
        let book = self.desk.book();
        let vendor = *book
            .vendors
            .get(provider)
            .ok_or_else(|| format!("there is no provider `{provider}` here"))?;
        let channel = self
            .channels
            .get(provider)
            .ok_or_else(|| format!("provider `{provider}` cannot send here"))?;
        let scheduled = what.at.to_zoned(self.registered.schedule.zone().clone());
        let context = Context {
            scheduled: &scheduled,
            notice: &self.address,
            vars: what.vars,
        };
        let mut rendered = render(what.message, vendor, kind, context)
            .map_err(|error| error.diagnostic().summary)?;
        if let Some(ImageSource::File { digest, .. }) = &rendered.image {
            let key = book.images.get(&(channel.app().clone(), digest.clone()));
            let untried = || Uncomposed::Later("its image is not uploaded yet".to_owned());
            rendered.put_image_key(&key.ok_or_else(untried)?.clone()?);
        }
        let letter = Letter {
            kind: rendered.kind.to_owned(),
            content: rendered.content,
            people: match self.registered.people {
                notice::People::Together => People::Together,
                notice::People::Messages => People::OneByOne,
            },
        };
        let parcels = channel.pack(&letter, to, &what.key)?;
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
                    skip: self.paused(firing.at).map(|_| "paused".to_owned()),
                }),
                Event::Skips(skipped) => Some(Firing {
                    nominal: skipped.instant,
                    at: skipped.instant,
                    skip: Some(reason(skipped.why)?),
                }),
            })
            .collect()
    }

    fn nothing_before(&self, after: Timestamp) -> Option<Timestamp> {
        self.registered.schedule.nothing_before(after)
    }

    fn revoke_after(&self) -> Option<SignedDuration> {
        self.registered.revoke_after
    }

    fn track(&self) -> Option<Terms> {
        let track = self.registered.track.as_ref()?;
        Some(Terms {
            until: track.until,
            lasts: track.lasts,
        })
    }

    fn report(&self, report: &Report) -> Result<Vec<NewDelivery>, String> {
        self.report_of(report)
    }

    fn problem(&self, occurrence: &Occurrence) -> Result<Vec<NewDelivery>, String> {
        self.word_of(occurrence)
    }

    fn compose(&self, firing: &Firing) -> Result<Vec<NewDelivery>, Uncomposed> {
        self.compose_to(firing, None)
    }

    fn obstacle(&self) -> Option<String> {
        let picture = self.image()?;
        let book = self.desk.book();
        picture.via.iter().find_map(|provider| {
            let app = self.channels.get(provider)?.app().clone();
            match book.images.get(&(app, picture.digest.clone()))? {
                Err(Uncomposed::Later(why)) => Some(why.clone()),
                Ok(_) | Err(Uncomposed::Refused(_)) => None,
            }
        })
    }
}

/// A message that is about to be cut into deliveries.
struct What<'a> {
    message: &'a Message,
    vars: &'a BTreeMap<String, String>,
    at: Timestamp,
    /// What names the message for good.
    key: String,
}

impl Posted {
    /// The notice's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What is registered.
    #[must_use]
    pub fn registered(&self) -> &Registered {
        &self.registered
    }

    /// The pause that it is in at an instant.
    #[must_use]
    pub fn paused(&self, at: Timestamp) -> Option<Pause> {
        let book = self.desk.book();
        let mut own = book.pauses.iter().filter(|p| p.notice == self.address);
        own.find(|pause| pause.covers(at)).cloned()
    }

    /// The image that it sends out of a file, by path and digest, and by which providers.
    #[must_use]
    pub fn image(&self) -> Option<Picture> {
        let neutral = self.registered.message.neutral.as_ref()?;
        let Body::Image(ImageSource::File { path, digest, .. }) = &neutral.body else {
            return None;
        };
        Some(Picture {
            path: path.clone(),
            digest: digest.clone(),
            via: self.registered.via.iter().cloned().collect(),
        })
    }

    /// What is admitted when somebody sends it by hand: to all, or to one of its recipients by their id.
    ///
    /// # Errors
    ///
    /// When it cannot be composed, in words.
    pub fn by_hand(
        &self,
        who: &str,
        only: Option<&str>,
        now: Timestamp,
    ) -> Result<Admission, String> {
        let firing = Firing {
            nominal: by_hand(now),
            at: now,
            skip: None,
        };
        let deliveries = self.compose_to(&firing, only);
        let deliveries = deliveries.map_err(|uncomposed| match uncomposed {
            Uncomposed::Refused(why) => why,
            Uncomposed::Later(why) => format!("{why}; try again later"),
        })?;
        if deliveries.is_empty() {
            return Err(match only {
                Some(id) => format!("`{id}` is not among its recipients"),
                None => "it reaches nobody".to_owned(),
            });
        }
        let after = |time: Option<SignedDuration>| time.and_then(|time| now.checked_add(time).ok());
        Ok(Admission {
            nominal: firing.nominal,
            last: firing.nominal,
            count: 1,
            at: now,
            revision: self.revision.clone(),
            admitted_at: now,
            outcome: None,
            send_until: after(Some(self.registered.late)),
            revoke_at: after(self.registered.revoke_after),
            sent_by: Some(who.to_owned()),
            deliveries,
        })
    }

    /// What is sent at a firing, to all or to one of its recipients by their id.
    fn compose_to(
        &self,
        firing: &Firing,
        only: Option<&str>,
    ) -> Result<Vec<NewDelivery>, Uncomposed> {
        let what = What {
            message: &self.registered.message,
            vars: &self.registered.vars,
            at: firing.at,
            key: format!("{}/{}/{}", self.project, self.address, firing.nominal),
        };
        let mut deliveries = Vec::new();
        let mut nobody = None;
        for provider in &self.registered.via {
            let mut reached = self.reached(provider, &self.registered.to)?;
            if let Some(id) = only {
                reached.keep(id);
            }
            let first = deliveries.len();
            for (to, kind) in [
                (&reached.chats, message::Target::Chat),
                (&reached.people, message::Target::People),
            ] {
                if !to.is_empty() {
                    deliveries.extend(self.parcels(&what, provider, to, kind)?);
                }
            }
            match deliveries.get_mut(first) {
                Some(delivery) => delivery.unseen = reached.unseen,
                None => nobody = nobody.or(reached.unseen.into_iter().next()),
            }
        }
        match (deliveries.is_empty(), nobody) {
            (true, Some((_, why))) => Err(format!("nobody could be found: one {why}").into()),
            _ => Ok(deliveries),
        }
    }
}

/// Why nothing is sent; none where no clock ever showed the time that was meant.
fn reason(skip: Skip) -> Option<String> {
    match skip {
        Skip::Gap => None,
        why => Some(why.to_string()),
    }
}
