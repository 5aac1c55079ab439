//! The notices that a runner fires, by when each is next looked at.
//!
//! # Guarantees
//!
//! - A notice is taken up no later than at the first instant at which something of it is due, however many
//!   others there are; those of which nothing is due are not touched.
//! - A round that fails leaves those that it did not come to as they were.
//!
//! # Assumptions
//!
//! - Nothing of a notice happens between an instant and what [`Notice::nothing_before`] says of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::runner::Notice;
use crate::model::Address;

/// How long it takes until whatever has ended unseen is followed at the latest.
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

/// Things by the instant at which each is next looked at. Finding the first takes no longer for a million
/// than for a few, and taking it out or putting it off takes steps by the logarithm of their number.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    by_instant: BTreeSet<(Timestamp, usize)>,
    instants: Vec<Option<Timestamp>>,
}

impl Agenda {
    /// Puts a thing, by its number, where an instant says, in place of where it was; nowhere without one.
    pub fn put(&mut self, thing: usize, at: Option<Timestamp>) {
        if self.instants.len() <= thing {
            self.instants.resize(thing + 1, None);
        }
        if let Some(before) = std::mem::replace(&mut self.instants[thing], at) {
            self.by_instant.remove(&(before, thing));
        }
        if let Some(at) = at {
            self.by_instant.insert((at, thing));
        }
    }

    /// When the first of them is looked at.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        self.by_instant.first().map(|(at, _)| *at)
    }

    /// Those that are to be looked at by an instant, in the order of their instants.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        self.by_instant
            .range(..=(now, usize::MAX))
            .map(|(_, thing)| *thing)
    }
}

/// The notices that a runner fires.
pub struct Roster {
    notices: Vec<Arc<dyn Notice>>,
    places: HashMap<Address, usize>,
    tracked: Vec<usize>,
    agenda: Agenda,
    /// Of which something has ended since they were last looked at for what is to be followed.
    ended: BTreeSet<usize>,
    /// When all that are tracked were last looked at for that.
    swept: Option<Timestamp>,
}

impl Roster {
    /// Looks at each notice once; `handled` says up to when each was dealt with.
    #[must_use]
    pub fn new(notices: Vec<Arc<dyn Notice>>, handled: &[(Address, Timestamp)]) -> Self {
        let handled: HashMap<_, _> = handled.iter().map(|(address, at)| (address, *at)).collect();
        let mut agenda = Agenda::default();
        let mut places = HashMap::with_capacity(notices.len());
        let mut tracked = Vec::new();
        for (place, notice) in notices.iter().enumerate() {
            let from = notice.due_after(handled.get(notice.address()).copied());
            agenda.put(place, notice.nothing_before(from));
            places.insert(notice.address().clone(), place);
            if notice.track().is_some() {
                tracked.push(place);
            }
        }
        Self {
            notices,
            places,
            tracked,
            agenda,
            ended: BTreeSet::new(),
            swept: None,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.notices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    /// When something of a notice is due or left out next; nothing is before.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        self.agenda.first()
    }

    /// The notice of an address.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&dyn Notice> {
        let place = self.places.get(address)?;
        Some(self.notices[*place].as_ref())
    }

    /// The notices that are to be looked at by an instant, by their places.
    pub(super) fn due(&self, now: Timestamp) -> Vec<(usize, Arc<dyn Notice>)> {
        let due = self.agenda.due(now);
        due.map(|place| (place, Arc::clone(&self.notices[place])))
            .collect()
    }

    /// Puts a notice off to what comes after an instant, or to when something of it is tried again, if that is
    /// before.
    pub(super) fn put_off(&mut self, place: usize, after: Timestamp, again: Option<Timestamp>) {
        let next = self.notices[place].nothing_before(after);
        self.agenda
            .put(place, [next, again].into_iter().flatten().min());
    }

    /// Whether a notice is to be looked at by an instant.
    #[must_use]
    pub fn is_due(&self, address: &Address, now: Timestamp) -> bool {
        let place = self.places.get(address);
        let at = place.and_then(|place| self.agenda.instants.get(*place).copied().flatten());
        at.is_some_and(|at| at <= now)
    }

    /// Remembers that an occurrence of a notice has ended, which may be one to follow.
    pub(super) fn has_ended(&mut self, address: &Address) {
        let place = self.places.get(address);
        self.ended
            .extend(place.filter(|p| self.notices[**p].track().is_some()));
    }

    /// The notices of which something may have ended that is to be followed: all that are tracked from time
    /// to time, for another runner may have died before it came to that.
    pub(super) fn may_have_ended(&mut self, now: Timestamp) -> Vec<Arc<dyn Notice>> {
        let ended = std::mem::take(&mut self.ended);
        let since = self.swept.map(|swept| now.duration_since(swept));
        let places = if since.is_some_and(|since| (SignedDuration::ZERO..SWEEP).contains(&since)) {
            ended.into_iter().collect()
        } else {
            self.swept = Some(now);
            self.tracked.clone()
        };
        let notices = places.into_iter().map(|at| Arc::clone(&self.notices[at]));
        notices.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    proptest! {
        /// What is asked of an agenda is what looking at everything would find.
        #[test]
        fn an_agenda_finds_what_a_scan_finds(
            puts in prop::collection::vec((0usize..12, prop::option::of(0i64..40)), 0..60),
            now in 0i64..40,
        ) {
            let mut agenda = Agenda::default();
            let mut all: HashMap<usize, Timestamp> = HashMap::new();
            for (thing, instant) in puts {
                agenda.put(thing, instant.map(at));
                match instant {
                    Some(instant) => all.insert(thing, at(instant)),
                    None => all.remove(&thing),
                };
            }
            let mut due: Vec<_> = all.iter().filter(|(_, i)| **i <= at(now)).collect();
            due.sort_by_key(|(thing, instant)| (**instant, **thing));
            let due: Vec<usize> = due.into_iter().map(|(thing, _)| *thing).collect();
            prop_assert_eq!(agenda.due(at(now)).collect::<Vec<_>>(), due);
            prop_assert_eq!(agenda.first(), all.values().min().copied());
        }
    }
}
