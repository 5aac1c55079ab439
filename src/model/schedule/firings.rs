//! From nominal instants to firings: the days of a calendar, and what meets on them.

use std::collections::VecDeque;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use super::clock::{self, Clock};
use super::nominal::{Nominal, Nominals, Step};
use super::rule::midnight_after;
use super::{Firing, MOST_DAYS_MOVED, OffDays, On, Schedule, Why};

/// What a schedule does with one nominal instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It fires.
    Fires(Firing),
    /// It is left out.
    Skips(Skipped),
}

impl Event {
    /// When it fires, or would have by itself.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Event::Fires(firing) => firing.at,
            Event::Skips(skipped) => skipped.instant,
        }
    }
}

/// A local time of a rule at which nothing fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its nominal instant; under [`Skip::Gap`] the instant that it would have been shifted to, which names
    /// no firing.
    pub instant: Timestamp,
    /// The local time that was meant.
    pub local: DateTime,
    /// Why.
    pub why: Skip,
}

/// Why nothing fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Clocks were put forward over the local time.
    Gap,
    /// The day is none of those on which the schedule may fire.
    OffDay,
    /// The day is none of those, and there is none to move to within a year.
    NoDay,
    /// Moved to another day it met another firing there.
    Merged {
        /// The nominal instant of that one.
        into: Timestamp,
    },
    /// Moved to another day it met a time over which clocks are put forward there.
    MovedIntoGap {
        /// That day.
        to: Date,
    },
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::Gap => f.write_str("clocks are put forward over this time"),
            Skip::OffDay => f.write_str("not a day on which it fires"),
            Skip::NoDay => f.write_str("no day to move it to within a year"),
            Skip::Merged { into } => write!(f, "merged with {into}"),
            Skip::MovedIntoGap { to } => {
                write!(
                    f,
                    "moved to {to}, where clocks are put forward over its time"
                )
            }
        }
    }
}

/// What becomes of the nominal instants of a schedule, in order.
pub(super) struct Firings<'a> {
    schedule: &'a Schedule,
    nominals: Nominals<'a>,
    from: Timestamp,
    limit: DateTime,
    /// Whether what is left out is told.
    skips: bool,
    /// Read already, and for the next day.
    peeked: Option<Step>,
    out: VecDeque<Event>,
    /// Moved to a day by its date, and by the clock past its end.
    late: Vec<Moved>,
    /// Days that move to a day, the last that were looked at.
    moves: Option<(Date, Date, Date)>,
    /// Days of which none is on, the last that were looked at.
    off: Option<(Date, Date)>,
    is_over: bool,
}

#[derive(Clone, Copy)]
struct Moved {
    firing: Firing,
    meant: DateTime,
}

impl<'a> Firings<'a> {
    /// Those that fire from an instant on, found by looking no further than a local time.
    pub(super) fn new(
        schedule: &'a Schedule,
        from: Timestamp,
        limit: DateTime,
        skips: bool,
    ) -> Self {
        let zone = &schedule.zone;
        let first = match &schedule.on {
            Some(on) if on.off_days != OffDays::Skip => {
                // Whole days, and all that may be moved to the first.
                let day = shift(zone.to_datetime(from).date(), -2);
                let day = match on.off_days {
                    OffDays::Next => {
                        let last = on
                            .calendar
                            .nearest(day, shift(day, -MOST_DAYS_MOVED), on.days);
                        last.map_or(shift(day, -MOST_DAYS_MOVED), |last| shift(last, 1))
                    }
                    // What is left out is told with what it met, which may be meant for days before.
                    OffDays::Previous if skips => {
                        let last = shift(day, -MOST_DAYS_MOVED);
                        on.calendar.nearest(day, last, on.days).unwrap_or(day)
                    }
                    OffDays::Previous | OffDays::Skip => day,
                };
                let midnight = day.to_datetime(Time::midnight());
                super::instant_of(zone, midnight).max(super::first_instant())
            }
            _ => from,
        };
        Self {
            schedule,
            nominals: schedule.nominals(first),
            from,
            limit,
            skips,
            peeked: None,
            out: VecDeque::new(),
            late: Vec::new(),
            moves: None,
            off: None,
            is_over: false,
        }
    }

    /// Whether the schedule has ended, after nothing came any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over || self.nominals.is_over()
    }

    /// The next nominal instant inside of `start` and `end`.
    fn step(&mut self, limit: DateTime) -> Option<Step> {
        if let Some(step) = self.peeked.take() {
            return Some(step);
        }
        while !self.is_over {
            let step = self.nominals.next(limit)?;
            if self.schedule.end.is_some_and(|end| step.at() >= end) {
                // What is still to come may be before it only where a clock is put back.
                self.is_over = matches!(step, Step::Nominal(_));
                continue;
            }
            if self.schedule.start.is_none_or(|start| step.at() >= start) {
                return Some(step);
            }
        }
        None
    }

    fn skip(&mut self, instant: Timestamp, local: DateTime, why: Skip) {
        if self.skips && instant >= self.from {
            self.out.push_back(Event::Skips(Skipped {
                instant,
                local,
                why,
            }));
        }
    }

    /// Adds the next events to what goes out; says whether there are more.
    fn advance(&mut self) -> bool {
        let Some(step) = self.step(self.limit) else {
            let late = std::mem::take(&mut self.late);
            self.settle(late, Vec::new(), None);
            return !self.out.is_empty();
        };
        let nominal = match step {
            Step::Nominal(nominal) => nominal,
            Step::Gone(meant, instant) => {
                self.skip(instant, meant, Skip::Gap);
                return true;
            }
        };
        match &self.schedule.on {
            None => self.fire(nominal),
            Some(on) if on.off_days == OffDays::Skip => self.fire_or_skip(nominal, on),
            Some(on) => self.gather(nominal, on),
        }
        true
    }

    fn fire(&mut self, nominal: Nominal) {
        if nominal.at >= self.from {
            self.out.push_back(Event::Fires(firing(nominal)));
        }
    }

    fn fire_or_skip(&mut self, nominal: Nominal, on: &On) {
        let date = nominal.local.date();
        if on.calendar.is_on(date, on.days) {
            self.fire(nominal);
            return;
        }
        self.skip(nominal.at, nominal.meant, Skip::OffDay);
        if !self.skips {
            let last = self.limit.date();
            match on.calendar.nearest(date, last, on.days) {
                Some(next) if date <= last => {
                    self.nominals.jump(next.to_datetime(Time::midnight()))
                }
                _ => self.nominals.jump(self.limit),
            }
        }
    }

    /// Takes all that fires on the day to which an instant belongs.
    fn gather(&mut self, nominal: Nominal, on: &On) {
        let date = nominal.local.date();
        let Some(target) = self.target(date, on) else {
            self.skip(nominal.at, nominal.meant, Skip::NoDay);
            if !self.skips
                && let Some(next) = midnight_after(date)
            {
                self.nominals.jump(next);
            }
            return;
        };
        let after = shift(target, 1);
        let rest = match on.off_days {
            OffDays::Previous => {
                let last = shift(after, MOST_DAYS_MOVED);
                on.calendar.nearest(after, last, on.days).unwrap_or(last)
            }
            OffDays::Next | OffDays::Skip => after,
        };
        let mut all = std::mem::take(&mut self.late);
        let mut left_out = Vec::new();
        let mut next = Some(nominal);
        while let Some(nominal) = next {
            match self.moved(nominal, target) {
                Some(firing) => all.push(Moved {
                    firing,
                    meant: nominal.meant,
                }),
                None => {
                    let gap = Skip::MovedIntoGap { to: target };
                    left_out.push((nominal.at, nominal.meant, gap));
                }
            }
            next = loop {
                match self.step(rest.to_datetime(Time::midnight())) {
                    Some(Step::Gone(meant, instant)) => self.skip(instant, meant, Skip::Gap),
                    Some(Step::Nominal(nominal))
                        if self.target(nominal.local.date(), on) == Some(target) =>
                    {
                        break Some(nominal);
                    }
                    step => {
                        self.peeked = step;
                        break None;
                    }
                }
            };
        }
        self.settle(all, left_out, Some(target));
    }

    /// The day on which an instant of a day fires.
    fn target(&mut self, date: Date, on: &On) -> Option<Date> {
        if let Some((first, last, target)) = self.moves
            && first <= date
            && date <= last
        {
            return Some(target);
        }
        let forward = on.off_days == OffDays::Next;
        let far = shift(
            date,
            if forward {
                MOST_DAYS_MOVED
            } else {
                -MOST_DAYS_MOVED
            },
        );
        // Dates come in order, so that each day is looked at about once, however few are on.
        let (from, last) = match self.off {
            Some((first, last)) if first <= date && forward => (date.max(shift(last, 1)), far),
            Some((_, last)) if last < date && !forward => (date, far.max(shift(last, 1))),
            _ => (date, far),
        };
        let in_order = if forward { from <= last } else { from >= last };
        let target = if in_order {
            on.calendar.nearest(from, last, on.days)
        } else {
            None
        };
        match target {
            Some(target) => self.moves = Some((date.min(target), date.max(target), target)),
            None => self.off = Some((date.min(far), date.max(far))),
        }
        target
    }

    fn moved(&self, nominal: Nominal, target: Date) -> Option<Firing> {
        let date = nominal.local.date();
        if date == target {
            return Some(firing(nominal));
        }
        let zone = &self.schedule.zone;
        let local = target.to_datetime(nominal.meant.time());
        let (at, clock) = clock::once(zone, local, self.schedule.policy)?;
        Some(Firing {
            nominal: nominal.at,
            at,
            local: zone.to_datetime(at),
            why: Why {
                clock,
                moved_from: Some(date),
            },
        })
    }

    /// Sorts what fires on a day, merges what meets, and lets it out, with what is left out. One that was not
    /// moved stands for those that were, otherwise the first.
    ///
    /// What is left out was meant for before what fires, or for after it where days are moved back, and comes
    /// in that order: who looks between two firings of the day would never hear of it otherwise.
    fn settle(
        &mut self,
        mut all: Vec<Moved>,
        mut left_out: Vec<(Timestamp, DateTime, Skip)>,
        target: Option<Date>,
    ) {
        all.sort_by_key(|Moved { firing, .. }| {
            (firing.at, firing.why.moved_from.is_some(), firing.nominal)
        });
        let mut last: Option<Firing> = None;
        let mut fires = Vec::new();
        for moved in all {
            let Moved { firing, meant } = moved;
            if let Some(into) = last.filter(|last| last.at == firing.at) {
                let into = into.nominal;
                left_out.push((firing.nominal, meant, Skip::Merged { into }));
                continue;
            }
            last = Some(firing);
            if target.is_some_and(|target| firing.local.date() > target) {
                self.late.push(moved);
            } else if firing.at >= self.from {
                fires.push(Event::Fires(firing));
            }
        }
        left_out.sort_by_key(|(instant, ..)| *instant);
        let on = self.schedule.on.as_ref();
        let moves_on = on.is_some_and(|on| on.off_days == OffDays::Next);
        if !moves_on {
            self.out.extend(fires.drain(..));
        }
        for (instant, meant, why) in left_out {
            self.skip(instant, meant, why);
        }
        self.out.extend(fires);
    }
}

impl Iterator for Firings<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.out.is_empty() {
            if !self.advance() {
                return None;
            }
        }
        self.out.pop_front()
    }
}

fn firing(nominal: Nominal) -> Firing {
    let clock = match nominal.clock {
        Clock::Shifted { .. } => Clock::Shifted {
            meant: nominal.meant,
        },
        other => other,
    };
    Firing {
        nominal: nominal.at,
        at: nominal.at,
        local: nominal.local,
        why: Why {
            clock,
            moved_from: None,
        },
    }
}

fn shift(date: Date, days: i32) -> Date {
    date.saturating_add(jiff::Span::new().days(days))
}
