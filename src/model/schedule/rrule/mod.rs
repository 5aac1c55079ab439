//! Recurrence rules of RFC 5545, section 3.3.10, evaluated in local time.
//!
//! Without state: any stretch of time is answered for by arithmetic from `start`, which is the RFC's
//! DTSTART, so that asking for next year costs no more than asking for tomorrow. `COUNT` is turned into
//! an end when the rule is made. Unlike DTSTART, `start` fires only when the rule says so.

mod parse;

use std::collections::VecDeque;

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::cron::times;
use super::rule::midnight_after;
use super::{FIRST_YEAR, HORIZON_YEARS, LAST_YEAR};

pub(crate) use parse::Parts;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freq {
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule, with everything in it that came from `start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rrule {
    freq: Freq,
    interval: i64,
    /// Sets of bits; no bit is every bit.
    months: u64,
    hours: u64,
    minutes: u64,
    /// From Monday on.
    weekdays: u64,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weeks: Vec<i16>,
    /// Weekdays with their number in the month or the year, from the end where negative.
    nth: Vec<(i16, Weekday)>,
    positions: Vec<i16>,
    week_start: Weekday,
    /// What intervals count from. Nothing fires before it.
    start: Option<DateTime>,
    /// The last local time that may fire.
    until: Option<DateTime>,
}

impl Rrule {
    /// Ends the rule after a number of firings.
    fn counted(mut self, count: u32) -> Self {
        let Some(start) = self.start else {
            return self;
        };
        let mut out = VecDeque::new();
        let mut left = count as usize;
        let mut from = start;
        let last_year = |from: DateTime| (from.year() + HORIZON_YEARS).min(LAST_YEAR);
        let mut limit = Date::constant(last_year(from), 1, 1).at(0, 0, 0, 0);
        while let Some(rest) = self.stretch(from, limit, &mut out) {
            if out.len() >= left {
                self.until = Some(out[left - 1]);
                return self;
            }
            left -= out.len();
            if !out.is_empty() {
                limit = Date::constant(last_year(rest), 1, 1).at(0, 0, 0, 0);
            }
            out.clear();
            if rest >= limit {
                break;
            }
            from = rest;
        }
        self
    }

    /// See [`super::rule::Rule::stretch`].
    pub(super) fn stretch(
        &self,
        from: DateTime,
        limit: DateTime,
        out: &mut VecDeque<DateTime>,
    ) -> Option<DateTime> {
        let from = self.start.map_or(from, |start| from.max(start));
        if self.until.is_some_and(|until| from > until) {
            return None;
        }
        if from > limit {
            return Some(from);
        }
        let before = out.len();
        let rest = if self.positions.is_empty() || self.freq <= Freq::Hourly {
            self.stretch_by_hours(from, limit, out)
        } else {
            self.stretch_by_periods(from, limit, out)
        };
        if let Some(until) = self.until {
            while out.len() > before && out.back().is_some_and(|last| *last > until) {
                out.pop_back();
            }
        }
        rest
    }

    /// The times of the next hour that has any.
    fn stretch_by_hours(
        &self,
        from: DateTime,
        limit: DateTime,
        out: &mut VecDeque<DateTime>,
    ) -> Option<DateTime> {
        let mut date = from.date();
        let mut time = from.time();
        while date <= limit.date() {
            if self.months != 0 && self.months >> date.month() & 1 == 0 {
                date = date.last_of_month().tomorrow().ok()?;
                time = Time::midnight();
                continue;
            }
            if let Some(next) = self.next_period(date) {
                date = next?;
                time = Time::midnight();
                continue;
            }
            if self.is_on(date) {
                let mut minute = time.minute();
                for hour in time.hour()..24 {
                    let minutes = self.minutes_of(date, hour) >> minute << minute;
                    if minutes != 0 {
                        out.extend(times(date, hour, minutes));
                        return Some(match hour {
                            23 => midnight_after(date)?,
                            _ => date.at(hour + 1, 0, 0, 0),
                        });
                    }
                    minute = 0;
                }
            }
            date = date.tomorrow().ok()?;
            time = Time::midnight();
        }
        Some(limit.max(from))
    }

    /// The times of the next period that has any, those that `BYSETPOS` picks.
    fn stretch_by_periods(
        &self,
        from: DateTime,
        limit: DateTime,
        out: &mut VecDeque<DateTime>,
    ) -> Option<DateTime> {
        let mut date = self.period(from.date()).0;
        while date <= limit.date() {
            if let Some(next) = self.next_period(date) {
                date = next?;
                continue;
            }
            let (first, rest) = self.period(date);
            let days: Vec<Date> = first
                .series(jiff::Span::new().days(1))
                .take_while(|day| *day < rest)
                .filter(|day| self.is_on(*day))
                .collect();
            let in_a_day: Vec<(i8, i8)> = (0..24i8)
                .flat_map(|hour| (0..60i8).map(move |minute| (hour, minute)))
                .filter(|(hour, minute)| {
                    self.hours >> hour & 1 == 1 && self.minutes >> minute & 1 == 1
                })
                .collect();
            let all = days.len() * in_a_day.len();
            let mut picked: Vec<DateTime> = picks(&self.positions, all)
                .map(|at| {
                    let (hour, minute) = in_a_day[at % in_a_day.len()];
                    days[at / in_a_day.len()].at(hour, minute, 0, 0)
                })
                .filter(|time| *time >= from)
                .collect();
            picked.sort_unstable();
            picked.dedup();
            date = rest;
            if !picked.is_empty() {
                out.extend(picked);
                return Some(rest.at(0, 0, 0, 0));
            }
        }
        Some(limit.max(from))
    }

    /// The first day of the period that a day is in, and of the period after.
    fn period(&self, date: Date) -> (Date, Date) {
        let year = |year: i16| Date::constant(year, 1, 1);
        match self.freq {
            Freq::Yearly => (year(date.year()), year(date.year() + 1)),
            Freq::Monthly => {
                let last = date.last_of_month();
                (date.first_of_month(), last.tomorrow().unwrap_or(last))
            }
            Freq::Weekly => {
                let first = week_of(date, self.week_start);
                (first, plus(first, 7))
            }
            Freq::Daily | Freq::Hourly | Freq::Minutely => (date, plus(date, 1)),
        }
    }

    /// The first day of the next period that the interval takes, if it leaves out that of this day. The
    /// inner `None` is the end of time.
    fn next_period(&self, date: Date) -> Option<Option<Date>> {
        let start = self.start.filter(|_| self.interval > 1)?.date();
        let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        let weeks = |date: Date| i64::from(days_between(EPOCH, week_of(date, self.week_start)) / 7);
        let since = match self.freq {
            Freq::Yearly => i64::from(date.year() - start.year()),
            Freq::Monthly => months(date) - months(start),
            Freq::Weekly => weeks(date) - weeks(start),
            Freq::Daily => i64::from(days_between(start, date)),
            // These leave out hours and minutes, not days.
            Freq::Hourly | Freq::Minutely => return None,
        };
        let over = since.rem_euclid(self.interval);
        if over == 0 {
            return None;
        }
        let skip = self.interval - over;
        let first = self.period(date).0;
        let next = match self.freq {
            Freq::Yearly => first.checked_add(jiff::Span::new().try_years(skip).ok()?),
            Freq::Monthly => first.checked_add(jiff::Span::new().try_months(skip).ok()?),
            Freq::Weekly => first.checked_add(jiff::Span::new().try_weeks(skip).ok()?),
            _ => first.checked_add(jiff::Span::new().try_days(skip).ok()?),
        };
        Some(next.ok())
    }

    /// The minutes of an hour that fit.
    fn minutes_of(&self, date: Date, hour: i8) -> u64 {
        if self.hours != 0 && self.hours >> hour & 1 == 0 {
            return 0;
        }
        let every = (1 << 60) - 1;
        let listed = if self.minutes == 0 {
            every
        } else {
            self.minutes
        };
        let (Some(start), true) = (self.start, self.freq <= Freq::Hourly) else {
            return self.pick(listed);
        };
        let hours =
            i64::from(days_between(start.date(), date)) * 24 + i64::from(hour - start.hour());
        if self.freq == Freq::Hourly {
            let taken = hours.rem_euclid(self.interval) == 0;
            return if taken { self.pick(listed) } else { 0 };
        }
        let since = hours * 60 - i64::from(start.minute());
        let first = (-since).rem_euclid(self.interval);
        let step = usize::try_from(self.interval).expect("an interval is positive");
        let taken = (first..60)
            .step_by(step)
            .fold(0, |set, at| set | 1u64 << at);
        let taken = taken & listed;
        // Each minute is a set of its own.
        let whole = self.positions.is_empty() || self.positions.iter().any(|p| p.abs() == 1);
        if whole { taken } else { 0 }
    }

    /// What `BYSETPOS` picks of an hour's minutes.
    fn pick(&self, minutes: u64) -> u64 {
        if self.positions.is_empty() || self.freq != Freq::Hourly {
            return minutes;
        }
        let listed: Vec<u32> = (0..60).filter(|at| minutes >> at & 1 == 1).collect();
        picks(&self.positions, listed.len()).fold(0, |set, at| set | 1 << listed[at])
    }

    /// Whether a day fits, intervals aside.
    fn is_on(&self, date: Date) -> bool {
        let fits = |list: &[i16], at: i16, of: i16| {
            list.is_empty() || list.iter().any(|n| *n == at || *n == at - of - 1)
        };
        let day = i16::from(date.day());
        if self.months != 0 && self.months >> date.month() & 1 == 0
            || !fits(&self.month_days, day, i16::from(date.days_in_month()))
            || !fits(&self.year_days, date.day_of_year(), date.days_in_year())
        {
            return false;
        }
        if !self.weeks.is_empty() {
            let (week, weeks) = week_number(date, self.week_start);
            if !fits(&self.weeks, week, weeks) {
                return false;
            }
        }
        if self.weekdays == 0 && self.nth.is_empty() {
            return true;
        }
        let (at, of) = if self.freq == Freq::Yearly && self.months == 0 {
            (date.day_of_year(), date.days_in_year())
        } else {
            (day, i16::from(date.days_in_month()))
        };
        self.weekdays >> date.weekday().to_monday_zero_offset() & 1 == 1
            || self.nth.iter().any(|(n, weekday)| {
                let number = if *n > 0 {
                    (at - 1) / 7 + 1
                } else {
                    -((of - at) / 7 + 1)
                };
                *weekday == date.weekday() && *n == number
            })
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

/// The places that positions name in a list of some length; those from the end are negative.
fn picks(positions: &[i16], len: usize) -> impl Iterator<Item = usize> {
    positions.iter().filter_map(move |position| {
        let at = usize::from(position.unsigned_abs()) - 1;
        let at = if *position > 0 {
            at
        } else {
            len.checked_sub(at + 1)?
        };
        (at < len).then_some(at)
    })
}

fn plus(date: Date, days: i32) -> Date {
    date.saturating_add(jiff::Span::new().days(days))
}

fn days_between(from: Date, to: Date) -> i32 {
    i32::try_from(from.duration_until(to).as_hours() / 24).expect("years are bounded")
}

/// The first day of the week of a day.
fn week_of(date: Date, week_start: Weekday) -> Date {
    plus(date, -i32::from(date.weekday().since(week_start)))
}

/// The number of a day's week in the year that has most of the week, and how many weeks that year has.
fn week_number(date: Date, week_start: Weekday) -> (i16, i16) {
    let first_of = |year: i16| week_of(Date::constant(year, 1, 4), week_start);
    let week = week_of(date, week_start);
    let year = plus(week, 3).year();
    let first = first_of(year);
    let weeks = |from, to| i16::try_from(days_between(from, to) / 7).expect("weeks of a year");
    (weeks(first, week) + 1, weeks(first, first_of(year + 1)))
}

const _: () = assert!(FIRST_YEAR > 0 && LAST_YEAR < 9000, "a year can be added");
