//! When recurring notices fire: rules, time zones, calendars.
//!
//! Pure and exact: every question is asked with the instant that it is about, and zones come from the
//! database in the binary, so that every machine gives the same answer. It knows nothing of notices, of
//! what was sent, or of being late.
//!
//! A schedule goes from local times (`rule`, with `cron` and `rrule`) to instants ([`clock`]), in order
//! (`nominal`), and from there to other days (`firings`, by a [`calendar`]). [`read`] makes schedules and
//! calendars of what users write.
//!
//! # Guarantees
//!
//! - [`Firing::nominal`] names a firing for good: it is the instant before any calendar moved it, and a
//!   calendar that changes moves [`Firing::at`] alone.
//! - Nominal instants are unique and whole minutes, and `start <= nominal < end`.
//! - No search goes on for ever: a rule that does not fire within 60 years is [`Exhausted`].
//!
//! # Caveats
//!
//! - A moved firing can be before `start` or after `end`; those bound what is meant, not what is moved.
//! - A repeated hour is told once by default, whatever the rule: one that fires every few minutes is silent
//!   for the second of the two unless `repeat` is [`Repeat::Both`].
//! - `COUNT` counts local times, those that clocks skip among them.
//! - Days that a calendar does not cover follow its weekend; see [`Calendar::covers_until`].
//! - Nothing fires before 1900 and from 2300 on.

pub mod calendar;
pub mod clock;
mod cron;
mod firings;
mod nominal;
pub mod read;
mod rrule;
mod rule;

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use calendar::{Calendar, Days};
pub use clock::{Clock, Gap, Policy, Repeat};
pub use firings::{Event, Skip, Skipped};
pub use read::{Calendars, Read};

pub(crate) use cron::Cron;
pub(crate) use rrule::Parts;
pub(crate) use rule::Written;

use firings::Firings;
use nominal::{Nominal, Nominals, Step};
use rule::Rule;

/// The first year in which anything fires.
pub(crate) const FIRST_YEAR: i16 = 1900;

/// The first year in which nothing fires any more.
pub(crate) const LAST_YEAR: i16 = 2300;

/// How far the search for the next firing goes.
pub(crate) const HORIZON_YEARS: i16 = 60;

/// The most days that a firing is moved.
pub const MOST_DAYS_MOVED: i32 = 366;

/// When something fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    source: Source,
    zone: TimeZone,
    policy: Policy,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    on: Option<On>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Rule(Rule),
    Every {
        start: Timestamp,
        step: SignedDuration,
    },
    At(Vec<Nominal>),
}

/// The days on which a schedule may fire.
#[derive(Clone, Debug, PartialEq)]
struct On {
    calendar: Arc<Calendar>,
    days: Days,
    off_days: OffDays,
}

/// What becomes of a firing on a day that is none of those on which the schedule may fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OffDays {
    /// It is left out.
    #[default]
    Skip,
    /// It is moved to the nearest such day before, at the same local time.
    Previous,
    /// It is moved to the nearest such day after, at the same local time.
    Next,
}

/// One instant at which a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The instant before any calendar moved it, by which the firing is known.
    pub nominal: Timestamp,
    /// When it fires.
    pub at: Timestamp,
    /// What clocks in the schedule's zone show then.
    pub local: DateTime,
    /// Why then.
    pub why: Why,
}

/// Why a firing is when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// What clocks that are put forward or back did to it.
    pub clock: Clock,
    /// The day that it was moved from.
    pub moved_from: Option<Date>,
}

/// A rule does not fire within the years that were searched, and has not ended either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schedule does not fire before {searched_to}")]
pub struct Exhausted {
    /// How far the search went.
    pub searched_to: Timestamp,
}

impl Schedule {
    /// The first firing after an instant; `None` when there is none any more.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when there is none within 60 years.
    pub fn next(&self, after: Timestamp) -> Result<Option<Firing>, Exhausted> {
        let (from, limit) = self.search(after);
        if from > instant_of(&self.zone, limit) {
            return Ok(None);
        }
        let mut firings = Firings::new(self, from, limit, false);
        let found = firings.find_map(|event| match event {
            Event::Fires(firing) => Some(firing),
            Event::Skips(_) => None,
        });
        match found {
            Some(firing) => Ok(Some(firing)),
            None if firings.is_over() || limit >= midnight(LAST_YEAR) => Ok(None),
            None => Err(Exhausted {
                searched_to: instant_of(&self.zone, limit),
            }),
        }
    }

    /// An instant before which nothing happens: nothing fires after `after` and before it, and no calendar
    /// leaves anything out; `None` when nothing happens any more.
    ///
    /// It is found by looking at one nominal instant, and where a calendar moves them at one firing more. The
    /// next thing may still happen later than it: a firing that was moved is meant before or after it fires.
    #[must_use]
    pub fn nothing_before(&self, after: Timestamp) -> Option<Timestamp> {
        let (from, limit) = self.search(after);
        let meant = self.meant(from, limit);
        let moves = self
            .on
            .as_ref()
            .is_some_and(|on| on.off_days != OffDays::Skip);
        let fires = match moves {
            true => self.next(after).ok().flatten().map(|firing| firing.at),
            false => None,
        };
        [meant, fires].into_iter().flatten().min()
    }

    /// The first nominal instant from one on, inside of `start` and `end`.
    fn meant(&self, from: Timestamp, limit: DateTime) -> Option<Timestamp> {
        let mut nominals = self.nominals(from);
        loop {
            match nominals.next(limit)? {
                // Nothing is told of a local time that no clock showed.
                Step::Gone(..) => {}
                Step::Nominal(nominal) if self.end.is_some_and(|end| nominal.at >= end) => {
                    return None;
                }
                Step::Nominal(nominal) => {
                    if nominal.at >= from && self.start.is_none_or(|start| nominal.at >= start) {
                        return Some(nominal.at);
                    }
                }
            }
        }
    }

    /// From which instant, and up to which local time, what comes after an instant is looked for.
    fn search(&self, after: Timestamp) -> (Timestamp, DateTime) {
        let from = after.saturating_add(SignedDuration::from_nanos(1));
        let from = from.unwrap_or(after).max(first_instant());
        let base = self.start.map_or(from, |start| from.max(start));
        let year = match self.source {
            // There is little to look through, however far away.
            Source::At(_) => LAST_YEAR,
            Source::Rule(_) | Source::Every { .. } => {
                let year = self.zone.to_datetime(base).year();
                year.saturating_add(HORIZON_YEARS)
            }
        };
        (from, midnight(year.min(LAST_YEAR)))
    }

    /// The firings from one instant to another, which is left out, in the order in which they fire.
    pub fn firings(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Firing> {
        self.between(from, to, false)
            .filter_map(|event| match event {
                Event::Fires(firing) => Some(firing),
                Event::Skips(_) => None,
            })
    }

    /// As [`Schedule::firings`], with what is left out and why, by its nominal instant.
    pub fn firings_with_skips(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = Event> {
        self.between(from, to, true)
    }

    fn between(&self, from: Timestamp, to: Timestamp, skips: bool) -> impl Iterator<Item = Event> {
        let from = from.max(first_instant());
        // What is moved to a day before may be meant for long after.
        let far = to.saturating_add(SignedDuration::from_hours(
            24 * i64::from(MOST_DAYS_MOVED + 3),
        ));
        let limit = self
            .zone
            .to_datetime(far.unwrap_or(to))
            .min(midnight(LAST_YEAR));
        Firings::new(self, from, limit, skips)
            .take_while(move |event| event.at() < to || matches!(event, Event::Skips(_)))
            .filter(move |event| event.at() < to)
    }

    /// How often it fires from an instant on, for a time.
    #[must_use]
    pub fn fires_within(&self, from: Timestamp, duration: SignedDuration) -> usize {
        let to = from.saturating_add(duration).unwrap_or(Timestamp::MAX);
        self.firings(from, to).count()
    }

    /// The local day on which it fires most often, and how often, from one instant to another; the first
    /// of several.
    #[must_use]
    pub fn most_in_a_day(&self, from: Timestamp, to: Timestamp) -> Option<(Date, usize)> {
        let mut most: Option<(Date, usize)> = None;
        let mut today: Option<(Date, usize)> = None;
        for firing in self.firings(from, to) {
            let date = firing.local.date();
            let count = match today {
                Some((day, count)) if day == date => count + 1,
                _ => 1,
            };
            today = Some((date, count));
            if most.is_none_or(|(_, most)| count > most) {
                most = today;
            }
        }
        most
    }

    /// The zone whose clocks it goes by.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The calendar that it follows.
    #[must_use]
    pub fn calendar(&self) -> Option<&Calendar> {
        self.on.as_ref().map(|on| &*on.calendar)
    }

    fn nominals(&self, from: Timestamp) -> Nominals<'_> {
        match &self.source {
            Source::Rule(rule) => {
                let from = self.start.map_or(from, |start| from.max(start));
                Nominals::Local(nominal::Local::new(rule, &self.zone, self.policy, from))
            }
            Source::Every { start, step } => Nominals::elapsed(*start, *step, &self.zone, from),
            Source::At(all) => Nominals::listed(all, from),
        }
    }
}

fn midnight(year: i16) -> DateTime {
    Date::constant(year, 1, 1).to_datetime(Time::midnight())
}

fn first_instant() -> Timestamp {
    const SECONDS: i64 = -2_208_988_800; // 1900-01-01T00:00Z
    Timestamp::constant(SECONDS, 0)
}

fn instant_of(zone: &TimeZone, local: DateTime) -> Timestamp {
    zone.to_timestamp(local)
        .expect("years are bounded far inside of what instants can be")
}
