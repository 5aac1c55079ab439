//! Dates, times and durations as they are written.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

use crate::model::shape::shorten;

/// The years that can be written.
const YEARS: std::ops::Range<i16> = 1970..2200;

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Date(Date),
    Local(DateTime),
    Instant(Timestamp),
}

type Wrong = (String, &'static str);

impl When {
    /// Reads a time; otherwise says what is wrong and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            (
                format!("`{}` is no time", shorten(text)),
                "Write a local time such as `2026-12-24T09:00`, a time with an offset such as `2026-12-24T09:00+08:00`, or a date.",
            )
        };
        if !text.is_ascii() || text.len() < 10 {
            return Err(wrong());
        }
        let (day, rest) = text.split_at(10);
        let day = date(day)?;
        if rest.is_empty() {
            return Ok(When::Date(day));
        }
        let rest = rest.strip_prefix(['T', 't', ' ']).ok_or_else(wrong)?;
        let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
        let (time, offset) = rest.split_at(end);
        let fits = |form: &str| {
            let bytes = time.bytes().zip(form.bytes());
            time.len() == form.len()
                && bytes.into_iter().all(|(b, f)| {
                    if f == b'0' {
                        b.is_ascii_digit()
                    } else {
                        b == f
                    }
                })
        };
        if !fits("00:00") && !fits("00:00:00") {
            return Err(wrong());
        }
        let number = |at: usize| time.get(at..at + 2).map_or(Ok(0), str::parse::<i8>);
        let (Ok(hour), Ok(minute), Ok(second)) = (number(0), number(3), number(6)) else {
            return Err(wrong());
        };
        let no_time = || {
            (
                format!("there is no time of day `{time}`"),
                "Hours go from 00 to 23 and minutes from 00 to 59.",
            )
        };
        let time = Time::new(hour, minute, second, 0).map_err(|_| no_time())?;
        if second != 0 {
            return Err((
                format!("`{text}` has seconds"),
                "Schedules are of whole minutes; leave the seconds out.",
            ));
        }
        let local = day.to_datetime(time);
        if offset.is_empty() {
            return Ok(When::Local(local));
        }
        let exact = format!("{local}{offset}");
        let at = exact.parse::<Timestamp>().map_err(|_| wrong())?;
        Ok(When::Instant(at))
    }
}

/// Reads a date.
pub(super) fn date(text: &str) -> Result<Date, Wrong> {
    let wrong = || {
        (
            format!("`{}` is no date", shorten(text)),
            "Write it as in `2026-12-24`.",
        )
    };
    let is_form = text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| {
            if at == 4 || at == 7 {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        });
    if !is_form {
        return Err(wrong());
    }
    let number = |at: std::ops::Range<usize>| text[at].parse::<i16>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let small = |number: i16| i8::try_from(number).expect("two digits");
    let date = Date::new(year, small(month), small(day)).map_err(|_| {
        (
            format!("there is no day `{text}`"),
            "Look at the calendar of that month.",
        )
    })?;
    if YEARS.contains(&year) {
        Ok(date)
    } else {
        Err((
            format!("`{text}` is too far away"),
            "Years go from 1970 to 2199.",
        ))
    }
}

/// Reads a duration such as `1h30m`; zero is one.
pub(super) fn step(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut minutes: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let each = match unit {
            // Seconds are understood to say that they are too few.
            's' => 0,
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            'w' => 7 * 24 * 60,
            _ => return None,
        };
        if unit == 's' && !text.bytes().all(|b| b.is_ascii_digit() || b == b's') {
            return None;
        }
        minutes = minutes.checked_add(number.checked_mul(each)?)?;
        rest = &rest[digits + 1..];
    }
    minutes.checked_mul(60).map(SignedDuration::from_secs)
}
