//! Rules in local time: what a clock on the wall would show.

use std::collections::VecDeque;
use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};

use super::cron::Cron;
use super::rrule::Rrule;

/// A rule that local times fit or do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Cron(Cron),
    Rrule(Box<Rrule>),
}

impl Rule {
    /// Pushes the times of the rule's next stretch from a local time on, in order, and answers where the
    /// rest begins; `None` when there is no rest. Nothing may be pushed: the answer is then the limit, at
    /// which the search ends, or a place before it to go on from.
    pub(super) fn stretch(
        &self,
        from: DateTime,
        limit: DateTime,
        out: &mut VecDeque<DateTime>,
    ) -> Option<DateTime> {
        match self {
            Rule::Cron(cron) => cron.stretch(from, limit, out),
            Rule::Rrule(rrule) => rrule.stretch(from, limit, out),
        }
    }
}

/// What is wrong with a rule as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The part of the text.
    pub(crate) part: Range<usize>,
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Written {
    pub(super) fn new(
        part: Range<usize>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            part,
            what: what.into(),
            help: help.into(),
        }
    }
}

/// The first time of the day after.
pub(super) fn midnight_after(date: Date) -> Option<DateTime> {
    Some(date.tomorrow().ok()?.to_datetime(Time::midnight()))
}
