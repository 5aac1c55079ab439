//! Working days and holidays.

use std::ops::ControlFlow;

use jiff::civil::Date;

/// Which days people work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The days of the week off, from Monday on.
    pub(super) weekend: u8,
    /// The days that the weekend is wrong about or that are named all the same, in order, each with whether
    /// it is a working day.
    pub(super) days: Vec<(Date, bool)>,
    pub(super) covers_until: Option<Date>,
}

/// The days on which a schedule may fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// Those that people work.
    Workdays,
    /// The others.
    Holidays,
}

impl Calendar {
    /// Whether people work on a day. Of a day that is not covered only the weekend is known.
    #[must_use]
    pub fn is_workday(&self, date: Date) -> bool {
        match self.days.binary_search_by_key(&date, |(day, _)| *day) {
            Ok(at) => self.days[at].1,
            Err(_) => self.weekend >> date.weekday().to_monday_zero_offset() & 1 == 0,
        }
    }

    /// The last day that is known; `None` for a calendar of weekends alone, which holds forever. What fires
    /// after it follows the weekend, so that whoever has a clock should complain in time.
    #[must_use]
    pub fn covers_until(&self) -> Option<Date> {
        self.covers_until
    }

    /// Whether a day is one of these.
    #[must_use]
    pub fn is_on(&self, date: Date, days: Days) -> bool {
        self.is_workday(date) == (days == Days::Workdays)
    }

    /// The nearest of these days from one on, itself included, in one direction, no further than a last one.
    pub(super) fn nearest(&self, from: Date, last: Date, days: Days) -> Option<Date> {
        let found = if from <= last {
            walk(
                from,
                Date::tomorrow,
                |day| day > last,
                |day| self.is_on(day, days),
            )
        } else {
            walk(
                from,
                Date::yesterday,
                |day| day < last,
                |day| self.is_on(day, days),
            )
        };
        match found {
            ControlFlow::Break(date) => Some(date),
            ControlFlow::Continue(()) => None,
        }
    }
}

fn walk(
    mut date: Date,
    step: impl Fn(Date) -> Result<Date, jiff::Error>,
    is_past: impl Fn(Date) -> bool,
    is_it: impl Fn(Date) -> bool,
) -> ControlFlow<Date> {
    while !is_past(date) {
        if is_it(date) {
            return ControlFlow::Break(date);
        }
        match step(date) {
            Ok(next) => date = next,
            Err(_) => break,
        }
    }
    ControlFlow::Continue(())
}
