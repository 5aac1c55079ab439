//! What a plan means for notices: whom each reaches and when it fires next, before and after.
//!
//! Both sides are worked out alike, from what the ledger holds and from what it will hold, so that a
//! group that changes shows in every notice that is for it. The plan's digest does not cover this: what
//! comes next changes by itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::live::Binding;
use super::{Action, Plan, Record, Subject};
use crate::model::forecast::Audiences;
use crate::model::group::{Groups, Known, RecipientGroup, resolve};
use crate::model::manifest::Vendor;
use crate::model::notice::Registered;
use crate::model::schedule::Firing;
use crate::model::{Address, Collection, Fields, Kind, Name};

/// How many of the next firings are told.
const NEXT: usize = 3;

/// What a notice will do, before and after a plan; none where it is not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The notice.
    pub address: Address,
    /// As it is registered.
    pub before: Option<Prospect>,
    /// As it will be.
    pub after: Option<Prospect>,
}

/// What a notice will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prospect {
    /// Whether it is sent at all.
    pub enabled: bool,
    /// Whom it reaches, by provider.
    pub reached: Vec<Reached>,
    /// The next firings.
    pub next: Vec<Firing>,
    /// The zone whose clocks it goes by.
    pub zone: String,
}

/// Whom a notice reaches at one provider, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The provider's key.
    pub provider: Name,
    /// Its vendor.
    pub vendor: Vendor,
    /// People who are named; an e-mail address or number is one.
    pub people: usize,
    /// How many of these are named by an e-mail address or number.
    pub unresolved: usize,
    /// Departments, however many people are in each.
    pub departments: usize,
    /// Whether it goes to everyone.
    pub everyone: bool,
    /// Chats.
    pub chats: usize,
}

/// The notices that a plan changes, or whose audience it changes.
#[must_use]
pub fn outlooks(
    plan: &Plan,
    bindings: &[Binding],
    vendors: &BTreeMap<Name, Vendor>,
    now: Timestamp,
) -> Vec<Outlook> {
    let registered = |b: &&Binding| b.collection == Collection::Ledger;
    let before: BTreeMap<Address, &Fields> = bindings
        .iter()
        .filter(registered)
        .map(|b| (b.address.clone(), &b.applied))
        .collect();
    let changes = plan.changes.iter().filter(|change| {
        let is_registered = change.collection == Collection::Ledger;
        is_registered && !matches!(change.action, Action::Adopt { .. })
    });
    let mut changed = BTreeSet::new();
    let mut groups_change = false;
    let mut new: BTreeMap<Address, Option<Fields>> = BTreeMap::new();
    for change in changes {
        let Subject::Resource(address) = &change.subject else {
            continue;
        };
        match address.kind {
            Kind::RecurringNotice => {
                changed.insert(address.clone());
            }
            _ => groups_change = true,
        }
        new.insert(address.clone(), change.after());
    }
    if changed.is_empty() && !groups_change {
        return Vec::new();
    }
    let mut moved: BTreeMap<&Address, &Address> = BTreeMap::new();
    for record in &plan.records {
        if let Record::Move { from, to } = record {
            moved.insert(from, to);
        }
    }
    let here = |address: &Address| moved.get(address).map_or(address, |to| *to).clone();
    let mut after: BTreeMap<Address, &Fields> = before
        .iter()
        .map(|(address, fields)| (here(address), *fields))
        .collect();
    for (address, fields) in &new {
        match fields {
            Some(fields) => after.insert(address.clone(), fields),
            None => after.remove(address),
        };
    }
    let wanted = |address: &Address| groups_change || changed.contains(&here(address));
    let mut sides = (
        prospects(&before, vendors, now, wanted),
        prospects(&after, vendors, now, wanted),
    );
    let old: BTreeMap<Address, Prospect> = std::mem::take(&mut sides.0)
        .into_iter()
        .map(|(address, prospect)| (here(&address), prospect))
        .collect();
    let addresses: BTreeSet<&Address> = old.keys().chain(sides.1.keys()).chain(&changed).collect();
    let outlook = |address: &Address| Outlook {
        address: address.clone(),
        before: old.get(address).cloned(),
        after: sides.1.get(address).cloned(),
    };
    addresses
        .into_iter()
        .map(outlook)
        .filter(|outlook| changed.contains(&outlook.address) || outlook.before != outlook.after)
        .collect()
}

/// What notices will do by what the ledger holds. Those that this beadle cannot read are left out.
fn prospects(
    held: &BTreeMap<Address, &Fields>,
    vendors: &BTreeMap<Name, Vendor>,
    now: Timestamp,
    wanted: impl Fn(&Address) -> bool,
) -> BTreeMap<Address, Prospect> {
    let of = |kind: Kind| held.iter().filter(move |(address, _)| address.kind == kind);
    let groups: Groups = of(Kind::RecipientGroup)
        .map(|(address, fields)| {
            let group = RecipientGroup::registered(address, fields, vendors);
            (address.name.clone(), group)
        })
        .collect();
    let known = Known::new();
    let Ok(resolution) = resolve(&groups, &known) else {
        return BTreeMap::new();
    };
    let notices: Vec<(&Address, Registered)> = of(Kind::RecurringNotice)
        .filter(|(address, _)| wanted(address))
        .filter_map(|(address, fields)| Some((address, Registered::read(fields).ok()?)))
        .collect();
    let each = vendors.iter().map(|(name, vendor)| (name, *vendor));
    let mut audiences = Audiences::new(&resolution, each);
    notices
        .iter()
        .map(|(address, notice)| {
            let reached = audiences.of(&notice.to, &notice.via);
            let reached = reached.iter().filter(|reach| !reach.is_empty());
            let prospect = Prospect {
                enabled: notice.enabled,
                reached: reached
                    .map(|reach| Reached {
                        provider: reach.provider.clone(),
                        vendor: reach.vendor,
                        people: reach.named(),
                        unresolved: reach.unresolved.len(),
                        departments: reach.departments.len(),
                        everyone: reach.everyone,
                        chats: reach.chats.len(),
                    })
                    .collect(),
                next: match notice.enabled {
                    true => next(notice, now),
                    false => Vec::new(),
                },
                zone: notice
                    .schedule
                    .zone()
                    .iana_name()
                    .unwrap_or("UTC")
                    .to_owned(),
            };
            ((*address).clone(), prospect)
        })
        .collect()
}

/// The next firings.
fn next(notice: &Registered, now: Timestamp) -> Vec<Firing> {
    let mut next = Vec::new();
    let mut after = now - SignedDuration::from_nanos(1);
    while next.len() < NEXT
        && let Ok(Some(firing)) = notice.schedule.next(after)
    {
        after = firing.at;
        next.push(firing);
    }
    next
}
