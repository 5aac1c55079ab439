//! The block `schedule` of a notice, and the block `calendars`.

use std::borrow::Cow;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::model::Diagnostic;
use crate::model::schedule::{Cron, Days, Gap, OffDays, Parts, Repeat, Written, read};
use crate::model::shape::{
    Item, Named, Reader, Shape, Spanned, Text, closest, inline_schema, shape, shorten,
};
use crate::model::yaml::NodeId;

/// `schedule`.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) keys: ScheduleKeys,
    /// Whether a key was mistyped, which may be one that is missing.
    pub(crate) has_unknown: bool,
}

shape! {
    /// When it fires: one of `cron`, `rrule`, `at` and `every`, in a time zone.
    pub(crate) struct ScheduleKeys {
        /// Minute, hour, day of the month, month, day of the week, as in `0 10 * * WED`. With both day fields
        /// restricted either is enough; only a bare `*` is unrestricted. 0 and 7 are Sunday.
        cron: Spanned<CronText>,
        /// A recurrence rule of RFC 5545, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`. `start` is its
        /// DTSTART, save that `start` itself fires only when the rule says so. Intervals count what local
        /// clocks show.
        rrule: Spanned<RruleText>,
        /// Times, one by one: local ones such as `2026-12-24T09:00`, or with an offset.
        at: Spanned<Vec<Spanned<Text>>>,
        /// The time from one firing to the next, such as `90m`, `2h` or `3d`. It is elapsed time from `start`,
        /// whatever clocks show; a day is 24 hours.
        every: Spanned<StepText>,
        /// Whose clocks it goes by: a name such as `Asia/Shanghai`.
        [required]
        timezone: Spanned<Zone>,
        /// Nothing that is meant for before fires: a date, which is its first instant, a local time, or a time
        /// with an offset.
        start: Spanned<Text>,
        /// What is meant for this instant and after does not fire. A date is its first instant, so write the
        /// day after the last.
        end: Spanned<Text>,
        /// The calendar that `days` goes by: one under `calendars`, or `cn`, which is built in.
        calendar: Spanned<Text>,
        /// The days on which it may fire, by the calendar.
        days: Spanned<DaysWord>,
        /// What becomes of a firing on another day: it is left out, or moved to the previous or next day on
        /// which it may fire, at the same local time. What is moved onto another firing merges with it.
        [default = "skip"]
        off_days: Spanned<OffDaysWord>,
        /// What becomes of a local time that clocks are put forward over: it fires as much later as they are
        /// put forward, or not at all.
        [default = "shift"]
        gap: Spanned<GapWord>,
        /// Which of the two, where clocks are put back and a local time comes twice. A rule that fires every few
        /// minutes goes on through the repeated hour with `both` only.
        [default = "first"]
        repeat: Spanned<RepeatWord>,
    }
}

impl Item for Schedule {}

impl Shape for Schedule {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let before = reader.diagnostics.len();
        let keys = ScheduleKeys::read(reader, at)?;
        let mut found = reader.diagnostics[before..].iter();
        let has_unknown = found.any(|d| d.code == "unknown-key");
        Some(Schedule { keys, has_unknown })
    }
}

impl JsonSchema for Schedule {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ScheduleKeys::json_schema(generator);
        let kinds = read::KINDS.map(|kind| json!({ "required": [kind] }));
        schema.insert("oneOf".to_owned(), Value::from(kinds.to_vec()));
        schema
    }
}

shape! {
    /// A file of schedules and calendars alone, for tests and trials.
    pub(crate) struct ScheduleFile {
        /// Schedules, by name.
        schedules: Named<Schedule>,
        /// Calendars, by name.
        calendars: Named<Calendar>,
    }
}

shape! {
    /// Working days and holidays.
    pub(crate) struct Calendar {
        /// The calendar that this one begins with: another one's name, or `cn`, which is built in. What is
        /// written here wins over it.
        extends: Spanned<Text>,
        /// Days off: dates such as `2026-12-24`, or stretches such as `2026-12-24..2026-12-31`.
        holidays: Vec<Spanned<DateText>>,
        /// Working days, such as a Saturday that makes up for a holiday.
        workdays: Vec<Spanned<DateText>>,
        /// The days of the week off. `[sat, sun]` by default, or as in the calendar that this one extends.
        weekend: Vec<Spanned<WeekdayWord>>,
        /// The last day for which the calendar is complete. By default that of the calendar that this one
        /// extends, or the end of the last year in which it lists a day.
        covers: Spanned<Text>,
    }
}

impl Item for Calendar {}

/// The text of `cron`.
#[derive(Debug)]
pub(crate) struct CronText(pub(crate) Cron);

inline_schema!(CronText, "Cron", json_schema!({ "type": "string" }));

impl Shape for CronText {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "a cron rule such as `0 10 * * WED`")?;
        match Cron::parse(&text) {
            Ok(cron) => Some(CronText(cron)),
            Err(wrong) => {
                report(reader, at, "bad-cron", wrong);
                None
            }
        }
    }
}

/// The text of `rrule`.
#[derive(Debug)]
pub(crate) struct RruleText(pub(crate) Parts);

inline_schema!(RruleText, "Rrule", json_schema!({ "type": "string" }));

impl Shape for RruleText {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "a recurrence rule such as `FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0`";
        let (text, _) = reader.scalar(at, wanted)?;
        match Parts::parse(&text) {
            Ok(parts) => Some(RruleText(parts)),
            Err(all) => {
                for wrong in all {
                    report(reader, at, "bad-rrule", wrong);
                }
                None
            }
        }
    }
}

fn report(reader: &mut Reader<'_>, at: NodeId, code: &'static str, wrong: Written) {
    let span = reader.tree.part(at, wrong.part);
    reader.push(Diagnostic::error(code, span, wrong.what).help(wrong.help));
}

/// A time zone.
#[derive(Debug)]
pub(crate) struct Zone(pub(crate) TimeZone);

inline_schema!(Zone, "Zone", json_schema!({ "type": "string" }));

impl Shape for Zone {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "the name of a time zone, such as `Asia/Shanghai`")?;
        match read::zone(&text) {
            Ok(zone) => Some(Zone(zone)),
            Err(help) => {
                let summary = format!("there is no time zone `{}`", shorten(&text));
                let span = reader.tree.span(at);
                reader.push(Diagnostic::error("unknown-zone", span, summary).help(help));
                None
            }
        }
    }
}

/// A date, or the first and the last of several.
#[derive(Debug)]
pub(crate) struct DateText(pub(crate) String);

inline_schema!(
    DateText,
    "Dates",
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(\\.\\.[0-9]{4}-[0-9]{2}-[0-9]{2})?$|\\$\\{",
    })
);

impl Shape for DateText {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "a date such as `2026-12-24`")?;
        Some(DateText(text.into_owned()))
    }
}

/// The text of `every`.
#[derive(Debug)]
pub(crate) struct StepText(pub(crate) String);

inline_schema!(
    StepText,
    "Step",
    json_schema!({ "type": "string", "pattern": "^([0-9]+[mhdw])+$|\\$\\{" })
);

impl Shape for StepText {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "a time between firings such as `2h`")?;
        Some(StepText(text.into_owned()))
    }
}

/// Declares words that stand for values.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident($type:ty, $title:literal): $($word:literal = $value:expr),+) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) $type);

        inline_schema!($name, $title, json_schema!({ "enum": [$($word),+] }));

        impl Shape for $name {
            fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
                let known = [$($word),+];
                let values = [$($value),+];
                let wanted = match known.map(|word| format!("`{word}`")).as_slice() {
                    [first @ .., last] => format!("{} or {last}", first.join(", ")),
                    [] => String::new(),
                };
                let (text, _) = reader.scalar(at, &wanted)?;
                if let Some(at) = known.iter().position(|word| *word == &*text) {
                    return Some($name(values[at]));
                }
                let help = match closest(&text, known) {
                    Some(word) => format!("Did you mean `{word}`?"),
                    None => "Write one of these words, or remove the key.".to_owned(),
                };
                reader.wrong(at, &wanted, Some(&help));
                None
            }
        }
    };
}

words! {
    /// `days`.
    DaysWord(Days, "Days"): "workdays" = Days::Workdays, "holidays" = Days::Holidays
}

words! {
    /// `off_days`.
    OffDaysWord(OffDays, "OffDays"): "skip" = OffDays::Skip, "previous" = OffDays::Previous, "next" = OffDays::Next
}

words! {
    /// `gap`.
    GapWord(Gap, "Gap"): "shift" = Gap::Shift, "skip" = Gap::Skip
}

words! {
    /// `repeat`.
    RepeatWord(Repeat, "Repeat"): "first" = Repeat::First, "last" = Repeat::Last, "both" = Repeat::Both
}

words! {
    /// A day of `weekend`.
    WeekdayWord(Weekday, "Weekday"): "mon" = Weekday::Monday, "tue" = Weekday::Tuesday, "wed" = Weekday::Wednesday,
        "thu" = Weekday::Thursday, "fri" = Weekday::Friday, "sat" = Weekday::Saturday, "sun" = Weekday::Sunday
}
