//! Five-field cron: minute, hour, day of the month, month, day of the week.
//!
//! Both day fields restricted: either matches, as POSIX says; only a bare `*` is unrestricted. It knows
//! local times only; what becomes of one that a clock skips or repeats is [`super::clock`].

use std::collections::VecDeque;
use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};

use super::rule::{Written, midnight_after};

/// A rule, as sets of bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// Whether a day that fits one of the two day fields is enough.
    either: bool,
}

struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        first: 0,
        last: 59,
        names: &[],
    },
    Field {
        name: "hour",
        first: 0,
        last: 23,
        names: &[],
    },
    Field {
        name: "day of the month",
        first: 1,
        last: 31,
        names: &[],
    },
    Field {
        name: "month",
        first: 1,
        last: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        name: "day of the week",
        first: 0,
        last: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

impl Cron {
    /// Reads a rule; otherwise says which part is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, Written> {
        let whole = 0..text.len();
        if let Some(nickname) = text.trim().strip_prefix('@') {
            let same = match nickname {
                "hourly" => "0 * * * *",
                "daily" | "midnight" => "0 0 * * *",
                "weekly" => "0 0 * * 0",
                "monthly" => "0 0 1 * *",
                "yearly" | "annually" => "0 0 1 1 *",
                _ => "0 9 * * MON-FRI",
            };
            let what = format!("`@{nickname}` is not five fields");
            return Err(Written::new(whole, what, format!("Write `{same}`.")));
        }
        let fields = fields(text);
        if fields.len() != FIELDS.len() {
            let what = format!("a cron rule has five fields, not {}", fields.len());
            let help = match fields.len() {
                6 | 7 => {
                    "There are no fields for seconds and years: write minute, hour, day of the month, month and day of the week."
                }
                _ => {
                    "Write minute, hour, day of the month, month and day of the week, as in `0 10 * * WED`."
                }
            };
            return Err(Written::new(whole, what, help));
        }
        let mut sets = [0; 5];
        for ((field, part), set) in FIELDS.iter().zip(&fields).zip(&mut sets) {
            *set = field.read(text, part.clone())?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let is_restricted = |at: usize| &text[fields[at].clone()] != "*";
        Ok(Self {
            minutes,
            hours,
            days,
            months,
            // Sunday is 0 and 7.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either: is_restricted(2) && is_restricted(4),
        })
    }

    fn is_on(&self, date: Date) -> bool {
        let day = self.days >> date.day() & 1 == 1;
        let weekday = self.weekdays >> date.weekday().to_sunday_zero_offset() & 1 == 1;
        if self.either {
            day || weekday
        } else {
            day && weekday
        }
    }

    /// The times of the next hour that has any, from a local time on; see [`super::rule::Rule::stretch`].
    pub(super) fn stretch(
        &self,
        from: DateTime,
        limit: DateTime,
        out: &mut VecDeque<DateTime>,
    ) -> Option<DateTime> {
        let mut date = from.date();
        let mut time = from.time();
        while date <= limit.date() {
            if self.months >> date.month() & 1 == 0 {
                date = date.last_of_month().tomorrow().ok()?;
                time = Time::midnight();
                continue;
            }
            if self.is_on(date) {
                let mut minute = time.minute();
                for hour in time.hour()..24 {
                    let minutes = self.minutes >> minute << minute;
                    if self.hours >> hour & 1 == 1 && minutes != 0 {
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
}

/// The local times of an hour whose minutes are in a set.
pub(super) fn times(date: Date, hour: i8, minutes: u64) -> impl Iterator<Item = DateTime> {
    (0..60i8)
        .filter(move |minute| minutes >> minute & 1 == 1)
        .map(move |minute| date.at(hour, minute, 0, 0))
}

/// Where the fields of a rule stand.
fn fields(text: &str) -> Vec<Range<usize>> {
    text.split_whitespace()
        .map(|part| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        })
        .collect()
}

impl Field {
    fn read(&self, text: &str, field: Range<usize>) -> Result<u64, Written> {
        let mut set = 0;
        let mut start = field.start;
        for part in text[field].split(',') {
            let place = start..start + part.len();
            start = place.end + 1;
            set |= self.part(part).map_err(|(what, help)| {
                Written::new(place, what, help.unwrap_or_else(|| self.range()))
            })?;
        }
        Ok(set)
    }

    /// One of the parts between commas.
    fn part(&self, part: &str) -> Result<u64, (String, Option<String>)> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => {
                let number = step.parse::<u32>().ok().filter(|step| {
                    (1..=self.last).contains(step)
                        && step.to_string().len() == part.len() - range.len() - 1
                });
                let Some(number) = number else {
                    let what = format!("`{step}` is no step for the {}", self.name);
                    return Err((what, Some(format!("Write a step from 1 to {}.", self.last))));
                };
                (range, Some(number))
            }
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => {
                // A week has seven days, whichever number Sunday has.
                let last = self.last - u32::from(self.last == 7);
                (self.first, last)
            }
            (_, None) => {
                let value = self.value(range)?;
                if step.is_some() {
                    let what = format!("`{part}` has a step and no range");
                    return Err((
                        what,
                        Some(format!(
                            "Write `{range}-{}/{}`.",
                            self.last,
                            step.unwrap_or(1)
                        )),
                    ));
                }
                (value, value)
            }
            (_, Some((first, last))) => {
                let (from, to) = (self.value(first)?, self.value(last)?);
                // `SAT-SUN` reads to the end of the week.
                let to =
                    if self.last == 7 && to == 0 && from > 0 && last.eq_ignore_ascii_case("SUN") {
                        7
                    } else {
                        to
                    };
                if from > to {
                    let what = format!("`{range}` goes backwards");
                    let end = if self.last == 7 { 6 } else { self.last };
                    let first_day = self.first;
                    return Err((
                        what,
                        Some(format!(
                            "Write `{from}-{end},{first_day}-{to}` to go past the end."
                        )),
                    ));
                }
                (from, to)
            }
        };
        let step = step.unwrap_or(1) as usize;
        Ok((first..=last)
            .step_by(step)
            .fold(0, |set, bit| set | 1 << bit))
    }

    fn value(&self, text: &str) -> Result<u32, (String, Option<String>)> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(at) = named {
            return Ok(u32::try_from(at).expect("a few names") + self.first);
        }
        let digits =
            !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(value) if digits && (self.first..=self.last).contains(&value) => Ok(value),
            _ if text.is_empty() => Err((format!("the {} has an empty part", self.name), None)),
            _ => {
                let help = match text {
                    "?" => Some("Write `*`.".to_owned()),
                    _ if text.contains(['L', 'W', '#']) && self.names.is_empty() || text.contains(['L', '#']) => Some(
                        "Last days and the like are for `rrule`, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`."
                            .to_owned(),
                    ),
                    _ => None,
                };
                Err((
                    format!(
                        "`{}` is no {}",
                        crate::model::shape::shorten(text),
                        self.name
                    ),
                    help,
                ))
            }
        }
    }

    fn range(&self) -> String {
        let (first, last) = (self.first, self.last);
        let names = match self.names {
            [] => String::new(),
            [one, .., two] => format!(", or a name from {one} to {two}"),
            [one] => format!(", or {one}"),
        };
        format!(
            "Write `*`, a number from {first} to {last}{names}, a range, or several with commas."
        )
    }
}
