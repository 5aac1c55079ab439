//! Recurrence rules as they are written.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use super::{Freq, Rrule};
use crate::model::schedule::rule::Written;
use crate::model::schedule::{FIRST_YEAR, LAST_YEAR};
use crate::model::shape::{did_you_mean, shorten, words};

/// The most firings that `COUNT` may ask for.
const MAX_COUNT: u32 = 100_000;

/// The largest `INTERVAL`.
const MAX_INTERVAL: i64 = 1_000_000;

const PARTS: [&str; 13] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYMONTH",
    "BYWEEKNO",
    "BYYEARDAY",
    "BYMONTHDAY",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSETPOS",
];

const FREQS: [(&str, Freq); 6] = [
    ("YEARLY", Freq::Yearly),
    ("MONTHLY", Freq::Monthly),
    ("WEEKLY", Freq::Weekly),
    ("DAILY", Freq::Daily),
    ("HOURLY", Freq::Hourly),
    ("MINUTELY", Freq::Minutely),
];

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

/// A rule as it is written, with what `start` has to add still missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    rule: Rrule,
    count: Option<u32>,
    until: Option<Until>,
    /// Where each part stands.
    places: BTreeMap<&'static str, Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// The whole of a day counts.
    Date(Date),
    Local(DateTime),
    Instant(Timestamp),
}

type Wrong = (String, String);

impl Parts {
    /// Reads a rule; otherwise says what is wrong with it, all at once.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Written>> {
        let mut parts = Self {
            rule: Rrule {
                freq: Freq::Daily,
                interval: 1,
                months: 0,
                hours: 0,
                minutes: 0,
                weekdays: 0,
                month_days: Vec::new(),
                year_days: Vec::new(),
                weeks: Vec::new(),
                nth: Vec::new(),
                positions: Vec::new(),
                week_start: Weekday::Monday,
                start: None,
                until: None,
            },
            count: None,
            until: None,
            places: BTreeMap::new(),
        };
        let mut wrong = Vec::new();
        let mut at = 0;
        let (body, skipped) = match text.get(..6) {
            Some(prefix) if prefix.eq_ignore_ascii_case("RRULE:") => (&text[6..], 6),
            _ => (text, 0),
        };
        for part in body.split(';') {
            let place = skipped + at..skipped + at + part.len();
            at += part.len() + 1;
            // A rule may end in a semicolon.
            if part.is_empty() && at > body.len() && !body.is_empty() {
                continue;
            }
            if let Err((what, help)) = parts.take(part, &place) {
                wrong.push(Written::new(place, what, help));
            }
        }
        if wrong.is_empty() && !parts.places.contains_key("FREQ") {
            wrong.push(Written::new(
                0..text.len(),
                "the rule has no FREQ",
                "Begin it with how often, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`.",
            ));
        }
        if wrong.is_empty() {
            wrong.extend(parts.unfit());
        }
        if wrong.is_empty() {
            Ok(parts)
        } else {
            Err(wrong)
        }
    }

    fn take(&mut self, part: &str, place: &Range<usize>) -> Result<(), Wrong> {
        let (name, value) = part.split_once('=').ok_or_else(|| {
            (
                format!("`{}` is no part of a rule", shorten(part)),
                "Write NAME=VALUE, several with `;` between them.".to_owned(),
            )
        })?;
        let upper = name.trim().to_ascii_uppercase();
        let Some(name) = PARTS.into_iter().find(|known| *known == upper) else {
            let help = match &*upper {
                "BYSECOND" => "Remove it; schedules are of whole minutes.".to_owned(),
                "DTSTART" => "Write `start:` beside `rrule:`.".to_owned(),
                "TZID" => "Write `timezone:` beside `rrule:`.".to_owned(),
                _ => format!(
                    "{}The parts are {}.",
                    did_you_mean(&upper, PARTS),
                    words(PARTS)
                ),
            };
            return Err((
                format!("the part `{}` is not supported", shorten(name)),
                help,
            ));
        };
        if self.places.insert(name, place.clone()).is_some() {
            return Err((
                format!("{name} stands twice"),
                "Keep one of the two.".to_owned(),
            ));
        }
        let value = value.trim();
        let rule = &mut self.rule;
        match name {
            "FREQ" => rule.freq = freq(value)?,
            "INTERVAL" => rule.interval = number(value, name, 1, MAX_INTERVAL)?,
            "COUNT" => {
                let count = number(value, name, 1, i64::from(MAX_COUNT))?;
                self.count = u32::try_from(count).ok();
            }
            "UNTIL" => self.until = Some(until(value)?),
            "WKST" => rule.week_start = weekday(value)?,
            "BYMONTH" => rule.months = set(value, name, 1, 12)?,
            "BYHOUR" => rule.hours = set(value, name, 0, 23)?,
            "BYMINUTE" => rule.minutes = set(value, name, 0, 59)?,
            "BYWEEKNO" => rule.weeks = list(value, name, 53)?,
            "BYYEARDAY" => rule.year_days = list(value, name, 366)?,
            "BYMONTHDAY" => rule.month_days = list(value, name, 31)?,
            "BYSETPOS" => rule.positions = list(value, name, 366)?,
            _ => (rule.weekdays, rule.nth) = by_day(value)?,
        }
        Ok(())
    }

    /// What cannot stand together.
    fn unfit(&self) -> Vec<Written> {
        let freq = self.rule.freq;
        let has = |name: &str| self.places.contains_key(name);
        let by = [
            "BYMONTH",
            "BYWEEKNO",
            "BYYEARDAY",
            "BYMONTHDAY",
            "BYDAY",
            "BYHOUR",
            "BYMINUTE",
        ];
        let numbered = !self.rule.nth.is_empty();
        let plain_by_day = "Write weekdays without numbers, as in `BYDAY=FR`.";
        let remove = "Remove it, or choose another FREQ.";
        let rows: [(&str, bool, &str, &str); 8] = [
            (
                "UNTIL",
                has("COUNT"),
                "COUNT and UNTIL stand together",
                "Keep one of the two.",
            ),
            (
                "BYWEEKNO",
                freq != Freq::Yearly,
                "BYWEEKNO is for FREQ=YEARLY only",
                remove,
            ),
            (
                "BYWEEKNO",
                freq == Freq::Yearly && !has("BYDAY"),
                "BYWEEKNO stands without BYDAY, which programs read differently",
                "Add the days of the week, as in `BYDAY=MO`.",
            ),
            (
                "BYYEARDAY",
                (Freq::Daily..=Freq::Monthly).contains(&freq),
                "BYYEARDAY is not for FREQ=DAILY, WEEKLY and MONTHLY",
                remove,
            ),
            (
                "BYMONTHDAY",
                freq == Freq::Weekly,
                "BYMONTHDAY is not for FREQ=WEEKLY",
                remove,
            ),
            (
                "BYDAY",
                numbered && freq < Freq::Monthly,
                "numbered weekdays are for FREQ=MONTHLY and YEARLY",
                plain_by_day,
            ),
            (
                "BYDAY",
                numbered && has("BYWEEKNO"),
                "numbered weekdays stand beside BYWEEKNO",
                plain_by_day,
            ),
            (
                "BYSETPOS",
                !by.into_iter().any(has),
                "BYSETPOS picks from what other parts list, and there are none",
                "Add what to pick from, as in `BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1`.",
            ),
        ];
        let found = rows
            .into_iter()
            .filter(|(name, is_wrong, ..)| has(name) && *is_wrong);
        found
            .map(|(name, _, what, help)| Written::new(self.places[name].clone(), what, help))
            .collect()
    }

    /// Why the rule means nothing without `start`, if so.
    pub(crate) fn needs_start(&self) -> Option<&'static str> {
        let has = |name: &str| self.places.contains_key(name);
        let has_day = ["BYDAY", "BYMONTHDAY", "BYYEARDAY"].into_iter().any(has);
        match self.rule.freq {
            _ if self.rule.interval > 1 => Some("INTERVAL counts from it"),
            _ if self.count.is_some() => Some("COUNT counts from it"),
            Freq::Yearly if !has("BYMONTH") && !has_day => {
                Some("the day of the year is that of it")
            }
            Freq::Yearly | Freq::Monthly if !has_day => Some("the day of the month is that of it"),
            Freq::Weekly if !has("BYDAY") => Some("the day of the week is that of it"),
            Freq::Minutely => None,
            Freq::Hourly if has("BYMINUTE") => None,
            Freq::Hourly => Some("without BYMINUTE the minute is that of it"),
            _ if !has("BYHOUR") => Some("without BYHOUR the hour is that of it"),
            _ if !has("BYMINUTE") => Some("without BYMINUTE the minute is that of it"),
            _ => None,
        }
    }

    /// The rule with what `start` adds to it. It has to be there where [`Self::needs_start`] says so.
    pub(in crate::model::schedule) fn build(
        self,
        start: Option<DateTime>,
        zone: &TimeZone,
    ) -> Rrule {
        let has = |name: &str| self.places.contains_key(name);
        let has_day = ["BYDAY", "BYMONTHDAY", "BYYEARDAY"].into_iter().any(has);
        let mut rule = self.rule.clone();
        rule.start = start;
        if let Some(start) = start {
            if rule.freq >= Freq::Daily && !has("BYHOUR") {
                rule.hours = 1 << start.hour();
            }
            if rule.freq >= Freq::Hourly && !has("BYMINUTE") {
                rule.minutes = 1 << start.minute();
            }
            match rule.freq {
                Freq::Yearly if !has_day => {
                    rule.month_days = vec![start.day().into()];
                    if !has("BYMONTH") {
                        rule.months = 1 << start.month();
                    }
                }
                Freq::Monthly if !has_day => rule.month_days = vec![start.day().into()],
                Freq::Weekly if !has("BYDAY") => {
                    rule.weekdays = 1 << start.weekday().to_monday_zero_offset();
                }
                _ => {}
            }
        }
        rule.until = self.until.map(|until| match until {
            Until::Date(date) => date.at(23, 59, 0, 0),
            Until::Local(local) => local,
            Until::Instant(at) => zone.to_datetime(at),
        });
        match self.count {
            Some(count) => rule.counted(count),
            None => rule,
        }
    }
}

fn freq(value: &str) -> Result<Freq, Wrong> {
    let upper = value.to_ascii_uppercase();
    let found = FREQS.into_iter().find(|(name, _)| *name == upper);
    found.map(|(_, freq)| freq).ok_or_else(|| {
        let known = FREQS.map(|(name, _)| name);
        let what = match &*upper {
            "SECONDLY" => "FREQ=SECONDLY is not supported".to_owned(),
            _ => format!("there is no FREQ `{}`", shorten(value)),
        };
        (
            what,
            format!(
                "{}It is one of {}.",
                did_you_mean(&upper, known),
                words(known)
            ),
        )
    })
}

fn weekday(value: &str) -> Result<Weekday, Wrong> {
    let found = WEEKDAYS
        .into_iter()
        .find(|(name, _)| value.eq_ignore_ascii_case(name));
    found.map(|(_, weekday)| weekday).ok_or_else(|| {
        (
            format!("`{}` is no day of the week", shorten(value)),
            "The days are MO, TU, WE, TH, FR, SA and SU.".to_owned(),
        )
    })
}

fn number(value: &str, name: &str, least: i64, most: i64) -> Result<i64, Wrong> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    value
        .parse()
        .ok()
        .filter(|number| is_number && (least..=most).contains(number))
        .ok_or_else(|| {
            (
                format!("`{}` does not fit {name}", shorten(value)),
                format!("It takes numbers from {least} to {most}."),
            )
        })
}

fn set(value: &str, name: &str, least: i64, most: i64) -> Result<u64, Wrong> {
    let mut set = 0;
    for part in value.split(',') {
        set |= 1 << number(part, name, least, most)?;
    }
    Ok(set)
}

fn list(value: &str, name: &str, most: i64) -> Result<Vec<i16>, Wrong> {
    let mut list = Vec::new();
    for part in value.split(',') {
        let number = number(part, name, -most, most)?;
        if number == 0 {
            return Err((
                format!("`0` does not fit {name}"),
                format!("It takes numbers from 1 to {most}, and from -1 to -{most} from the end."),
            ));
        }
        list.push(i16::try_from(number).expect("a few hundred"));
    }
    Ok(list)
}

type ByDay = (u64, Vec<(i16, Weekday)>);

fn by_day(value: &str) -> Result<ByDay, Wrong> {
    let (mut set, mut nth) = (0, Vec::new());
    for part in value.split(',') {
        let at = part
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(part.len());
        let weekday = weekday(&part[at..])?;
        if at == 0 {
            set |= 1 << weekday.to_monday_zero_offset();
        } else {
            let number = list(&part[..at], "BYDAY", 53)?[0];
            nth.push((number, weekday));
        }
    }
    Ok((set, nth))
}

fn until(value: &str) -> Result<Until, Wrong> {
    let wrong = || {
        (
            format!("`{}` is no time for UNTIL", shorten(value)),
            format!(
                "Write it as `20261224`, `20261224T180000` or `20261224T100000Z`, from {FIRST_YEAR} to {}.",
                LAST_YEAR - 1
            ),
        )
    };
    let fits = |year: i16| (FIRST_YEAR..LAST_YEAR).contains(&year);
    let is_ascii = value.is_ascii();
    let until = match value.len() {
        8 => Until::Date(Date::strptime("%Y%m%d", value).map_err(|_| wrong())?),
        15 => Until::Local(DateTime::strptime("%Y%m%dT%H%M%S", value).map_err(|_| wrong())?),
        16 if is_ascii && value.ends_with(['Z', 'z']) => {
            let utc = DateTime::strptime("%Y%m%dT%H%M%S", &value[..15]).map_err(|_| wrong())?;
            if !fits(utc.year()) {
                return Err(wrong());
            }
            Until::Instant(
                utc.to_zoned(TimeZone::UTC)
                    .map_err(|_| wrong())?
                    .timestamp(),
            )
        }
        _ => return Err(wrong()),
    };
    let year = match until {
        Until::Date(date) => date.year(),
        Until::Local(local) => local.year(),
        Until::Instant(_) => FIRST_YEAR,
    };
    fits(year).then_some(until).ok_or_else(wrong)
}
