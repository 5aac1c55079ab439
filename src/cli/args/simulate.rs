//! The arguments of `simulate`.

use std::fmt;

use clap::Args as ClapArgs;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::model::Address;

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Simulate {
    /// From when: a date such as 2026-10-01 or a local time, in each notice's zone, or an instant; now by default
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) from: Option<When>,
    /// Until when, which is left out; 30 days after the beginning by default
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) to: Option<When>,
    /// Only these notices, such as recurring_notice.weekly-review; what is used and hit is that of all
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<Address>,
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The first instant of a day, wherever it is.
    Date(Date),
    /// A local time, wherever it is.
    Local(DateTime),
    /// An instant.
    Instant(Timestamp),
}

impl When {
    /// The instant in a zone.
    pub(crate) fn at(self, zone: &TimeZone) -> Timestamp {
        let local = match self {
            When::Instant(at) => return at,
            When::Date(date) => date.to_datetime(Time::midnight()),
            When::Local(local) => local,
        };
        zone.to_timestamp(local).unwrap_or(Timestamp::MAX)
    }

    /// The same so much later.
    pub(crate) fn plus(self, time: SignedDuration) -> When {
        match self {
            When::Instant(at) => When::Instant(at.saturating_add(time).unwrap_or(Timestamp::MAX)),
            When::Date(date) => When::Date(date.saturating_add(time)),
            When::Local(local) => When::Local(local.saturating_add(time)),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Date(date) => date.fmt(f),
            When::Local(local) => local.fmt(f),
            When::Instant(at) => at.fmt(f),
        }
    }
}

fn parse(text: &str) -> Result<When, String> {
    let instant = || text.parse().map(When::Instant);
    let date = || text.parse().map(When::Date);
    let local = || text.parse().map(When::Local);
    let of = |length| {
        if length > "2026-10-01".len() {
            local()
        } else {
            date()
        }
    };
    instant().or_else(|_| of(text.len())).map_err(|_| {
        "write a date such as 2026-10-01, a local time such as 2026-10-01T09:00, or an instant such as 2026-10-01T01:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_meant() {
        for (text, meant) in [
            ("2026-10-01", Some("2026-10-01")),
            ("2026-10-01T09:00", Some("2026-10-01T09:00:00")),
            ("2026-10-01T09:00+08:00", Some("2026-10-01T01:00:00Z")),
            ("2026-10-01T01:00:00Z", Some("2026-10-01T01:00:00Z")),
            ("2026-13-01", None),
            ("tomorrow", None),
        ] {
            let read = parse(text).ok().map(|when| when.to_string());
            assert_eq!(read.as_deref(), meant, "{text}");
        }
    }
}
