//! Schedules and calendars as users write them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::generate::SchemaSettings;

use super::clock::{self, Clock, Gap, Instants, Policy, Repeat};
use super::nominal::Nominal;
use super::rule::Rule;
use super::{OffDays, On, Schedule, Source, midnight};
use crate::model::diagnostic::{Diagnostic, FileId, Sources, Span};
use crate::model::interpolate::{Interpolator, Vars};
use crate::model::shape::{Given, Reader, Shape, Spanned, Text, closest, shorten, words};
use crate::model::written::{self, DaysWord, OffDaysWord, ScheduleKeys, StepText};
use crate::model::yaml::Tree;
use crate::model::zone::ZONES;
use crate::model::{Name, parse};

mod calendars;
mod when;

pub(crate) use when::step;

pub use calendars::Calendars;
pub(crate) use calendars::calendars;
use when::When;

/// The keys of which a schedule has one.
pub(crate) const KINDS: [&str; 4] = ["cron", "rrule", "at", "every"];

/// The shortest time between firings of `every`.
const LEAST_STEP: SignedDuration = SignedDuration::from_mins(1);

/// The longest.
const MOST_STEP: SignedDuration = SignedDuration::from_hours(24 * 3660);

/// Names that people write for a zone and that are none.
const MEANT: [(&str, &str); 4] = [
    ("Beijing", "Asia/Shanghai"),
    ("CST", "Asia/Shanghai` or `America/Chicago"),
    ("PST", "America/Los_Angeles"),
    ("IST", "Asia/Kolkata"),
];

/// The zone of a name; otherwise what to do.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    if let Ok(zone) = ZONES.get(name)
        && !zone.is_unknown()
    {
        return Ok(zone);
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    let meant = MEANT
        .iter()
        .find(|(word, _)| last.eq_ignore_ascii_case(word));
    if let Some((_, zone)) = meant {
        return Err(format!("Did you mean `{zone}`?"));
    }
    let names: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
    // A city alone is a name without its continent.
    let city = names.iter().find(|known| {
        let (_, city) = known.rsplit_once('/').unwrap_or_default();
        city.eq_ignore_ascii_case(&name.replace(' ', "_"))
    });
    let best = city
        .map(String::as_str)
        .or_else(|| closest(name, names.iter().map(String::as_str)));
    Err(match best {
        Some(best) => format!("Did you mean `{best}`?"),
        None => "Write a name of the IANA database, such as `Asia/Shanghai` or `UTC`.".to_owned(),
    })
}

/// A file of schedules and calendars, read.
#[derive(Debug)]
pub struct Read {
    /// The schedules without a mistake.
    pub schedules: BTreeMap<Name, Schedule>,
    /// The calendars without a mistake, and those built in.
    pub calendars: Calendars,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file that has nothing but `schedules` and `calendars`, each by name. Nothing is put into it.
#[must_use]
pub fn file(sources: &Sources, file: FileId) -> Read {
    let mut diagnostics = Vec::new();
    let mut written = None;
    if let Some(tree) = Tree::read(file, &sources.get(file).text, &mut diagnostics) {
        let vars = Vars::new();
        let interpolator = Interpolator::new(&vars, &|_| None, &|_, _| Err(String::new()));
        let mut reader = Reader::new(&tree, &interpolator);
        written = written::ScheduleFile::read(&mut reader, tree.root());
        diagnostics.extend(reader.diagnostics);
    }
    let written = written.unwrap_or_default();
    let calendars = calendars(
        written
            .calendars
            .into_option()
            .map_or(Vec::new(), |named| named.0),
        &mut diagnostics,
    );
    let entries = written
        .schedules
        .into_option()
        .map_or(Vec::new(), |named| named.0);
    let mut schedules = BTreeMap::new();
    for entry in entries {
        let read = entry
            .value
            .and_then(|written| schedule(written, entry.span, &calendars, &mut diagnostics));
        schedules.extend(read.map(|schedule| (entry.name, schedule)));
    }
    parse::settle(&mut diagnostics);
    Read {
        schedules,
        calendars,
        diagnostics,
    }
}

/// The JSON Schema of such a file.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft07().into_generator();
    generator
        .into_root_schema_for::<written::ScheduleFile>()
        .to_value()
}

/// What a schedule means. `place` is where it is named; `None` when a diagnostic was pushed, here or by
/// whoever read its keys.
pub(crate) fn schedule(
    written: written::Schedule,
    place: Span,
    calendars: &Calendars,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Schedule> {
    let before = diagnostics.len();
    let schedule = Reading {
        place,
        found: diagnostics,
    }
    .schedule(written, calendars);
    schedule.filter(|_| diagnostics.len() == before || !has_error(&diagnostics[before..]))
}

fn has_error(diagnostics: &[Diagnostic]) -> bool {
    crate::model::diagnostic::has_errors(diagnostics)
}

struct Reading<'a> {
    place: Span,
    found: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    fn error(
        &mut self,
        code: &'static str,
        span: Span,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found
            .push(Diagnostic::error(code, span, what).help(help));
    }

    fn schedule(&mut self, written: written::Schedule, calendars: &Calendars) -> Option<Schedule> {
        let ScheduleKeys {
            cron,
            rrule,
            at,
            every,
            timezone,
            start,
            end,
            calendar,
            days,
            off_days,
            gap,
            repeat,
        } = written.keys;
        let is_bad = [
            cron.is_bad(),
            rrule.is_bad(),
            at.is_bad(),
            every.is_bad(),
            timezone.is_bad(),
            start.is_bad(),
            end.is_bad(),
            calendar.is_bad(),
            days.is_bad(),
            off_days.is_bad(),
            gap.is_bad(),
            repeat.is_bad(),
        ];
        let kinds = [
            place_of(&cron),
            place_of(&rrule),
            place_of(&at),
            place_of(&every),
        ];
        self.one_kind(kinds, written.has_unknown || is_bad[..4].contains(&true));
        let on = self.on(calendar, days, off_days, calendars);
        let zone = timezone.into_option().map(|zone| zone.value.0);
        let times = zone.as_ref().map(|zone| {
            let start = start.get().and_then(|text| self.when(text, zone));
            let end = end.get().and_then(|text| self.when(text, zone));
            (start, end)
        });
        let policy = Policy {
            gap: gap.get().map_or(Gap::default(), |word| word.value.0),
            repeat: repeat.get().map_or(Repeat::default(), |word| word.value.0),
        };
        let local = gap
            .get()
            .map(|word| word.span)
            .or(repeat.get().map(|word| word.span));
        if let (Some(every), Some(span)) = (place_of(&every), local) {
            self.found.push(
                Diagnostic::error(
                    "clock-and-every",
                    span,
                    "`every` counts elapsed time, which no clock skips or repeats",
                )
                .help("Remove `gap` and `repeat`, or write a `cron` rule.")
                .related(every, "`every` stands here"),
            );
        }
        let step = every.get().and_then(|text| self.step(text));
        let (start_place, end_place) = (place_of(&start), place_of(&end));
        let wants_start = match (&every, rrule.get()) {
            (Given::Is(every), _) => Some((every.span, "`every` counts from it")),
            (_, Some(rrule)) => rrule.value.0.needs_start().map(|why| (rrule.span, why)),
            _ => None,
        };
        if let (Some((span, why)), true) = (wants_start, start.is_absent()) {
            self.error(
                "needs-start",
                span,
                format!("the schedule has no `start`, and {why}"),
                "Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.",
            );
            return None;
        }
        let (start, end) = times?;
        let zone = zone?;
        if let (Some(first), Some(last)) = (start, end)
            && last <= first
            && let (Some(span), Some(first)) = (end_place, start_place)
        {
            self.found.push(
                Diagnostic::error(
                    "end-before-start",
                    span,
                    "the schedule ends before it starts",
                )
                .help("Write an `end` after `start`; what is meant for `end` itself does not fire.")
                .related(first, "it starts here"),
            );
            return None;
        }
        let at = match at {
            Given::Is(at) => Some((self.list(&at, &zone, policy), at.span)),
            Given::Absent | Given::Bad => None,
        };
        if is_bad.contains(&true) || kinds.into_iter().flatten().count() != 1 {
            return None;
        }
        let (source, span) = match (cron, rrule, at, step, start) {
            (Given::Is(cron), ..) => (Source::Rule(Rule::Cron(cron.value.0)), cron.span),
            (_, Given::Is(rrule), _, _, start) => {
                let start = start.map(|start| zone.to_datetime(start));
                let rule = rrule.value.0.build(start, &zone);
                (Source::Rule(Rule::Rrule(Box::new(rule))), rrule.span)
            }
            (.., Some((at, span)), _, _) => (Source::At(at?), span),
            (.., Some((step, span)), Some(start)) => (Source::Every { start, step }, span),
            _ => return None,
        };
        let schedule = Schedule {
            source,
            zone,
            policy,
            start,
            end,
            on: on?,
        };
        self.fires(&schedule, span);
        Some(schedule)
    }

    fn one_kind(&mut self, kinds: [Option<Span>; 4], is_told: bool) {
        let mut given = KINDS
            .into_iter()
            .zip(kinds)
            .filter_map(|(kind, span)| Some((kind, span?)));
        match (given.next(), given.next()) {
            (None, _) if !is_told => self.error(
                "no-schedule",
                self.place,
                "the schedule does not say when",
                format!("Add one of {}.", words(KINDS)),
            ),
            (Some((first, place)), Some((second, span))) => self.found.push(
                Diagnostic::error(
                    "two-schedules",
                    span,
                    format!("`{second}` stands beside `{first}`"),
                )
                .help("Keep one of the two; what needs both is two notices.")
                .related(place, format!("`{first}` stands here")),
            ),
            _ => {}
        }
    }

    /// The outer `None` when a diagnostic was pushed.
    fn on(
        &mut self,
        calendar: Given<Spanned<Text>>,
        days: Given<Spanned<DaysWord>>,
        off_days: Given<Spanned<OffDaysWord>>,
        calendars: &Calendars,
    ) -> Option<Option<On>> {
        let found = match &calendar {
            Given::Is(name) => match calendars.get(&name.value.0) {
                Some(calendar) => Some(Arc::clone(calendar)),
                None => {
                    self.found.extend(calendars.unknown(name));
                    None
                }
            },
            Given::Absent | Given::Bad => None,
        };
        match (&calendar, &days) {
            (Given::Absent, Given::Is(days)) => self.error(
                "needs-calendar",
                days.span,
                "`days` goes by a calendar, and none is named",
                "Add `calendar:`, as in `calendar: cn`.",
            ),
            (Given::Is(calendar), Given::Absent) => self.error(
                "needs-days",
                calendar.span,
                "the schedule has a calendar and does not say what for",
                "Add `days: workdays` or `days: holidays`.",
            ),
            (Given::Absent, Given::Absent) => {
                if let Given::Is(off_days) = &off_days {
                    self.error(
                        "needs-calendar",
                        off_days.span,
                        "`off_days` is about the days of a calendar, and none is named",
                        "Add `calendar:` and `days:`, as in `calendar: cn` and `days: workdays`.",
                    );
                    return None;
                }
                return Some(None);
            }
            _ => {}
        }
        Some(Some(On {
            calendar: found?,
            days: days.into_option()?.value.0,
            off_days: off_days
                .into_option()
                .map_or(OffDays::default(), |word| word.value.0),
        }))
    }

    fn when(&mut self, text: &Spanned<Text>, zone: &TimeZone) -> Option<Timestamp> {
        let when = self.parsed(text)?;
        Some(match when {
            When::Date(date) => zone.to_timestamp(date.to_datetime(Time::midnight())).ok()?,
            When::Local(local) => zone.to_timestamp(local).ok()?,
            When::Instant(at) => at,
        })
    }

    fn parsed(&mut self, text: &Spanned<Text>) -> Option<When> {
        match When::parse(&text.value.0) {
            Ok(when) => Some(when),
            Err((what, help)) => {
                self.error("bad-time", text.span, what, help);
                None
            }
        }
    }

    /// The times of `at`, in order.
    fn list(
        &mut self,
        at: &Spanned<Vec<Spanned<Text>>>,
        zone: &TimeZone,
        policy: Policy,
    ) -> Option<Vec<Nominal>> {
        let mut all: Vec<(Nominal, Span)> = Vec::new();
        let before = self.found.len();
        if at.value.is_empty() {
            self.error(
                "never-fires",
                at.span,
                "the list of times is empty",
                "Write a time, as in `[2026-12-24T09:00]`.",
            );
        }
        for text in &at.value {
            let span = text.span;
            let (local, instants) = match self.parsed(text) {
                None => continue,
                Some(When::Date(date)) => {
                    self.error(
                        "bad-time",
                        span,
                        format!("`{date}` has no time of day"),
                        format!("Write it as in `{date}T09:00`."),
                    );
                    continue;
                }
                Some(When::Local(local)) => (local, clock::instants(zone, local)),
                Some(When::Instant(at)) => (zone.to_datetime(at), Instants::One(at)),
            };
            let nominal = |at, clock| Nominal {
                at,
                local: zone.to_datetime(at),
                meant: local,
                clock,
            };
            match instants {
                Instants::One(at) => all.push((nominal(at, Clock::Plain), span)),
                Instants::None(at) => {
                    let becomes = match policy.gap {
                        Gap::Shift => format!("fires at {}", zone.to_datetime(at).time()),
                        Gap::Skip => "does not fire".to_owned(),
                    };
                    self.found.push(
                        Diagnostic::warning(
                            "skipped-time",
                            span,
                            format!(
                                "clocks are put forward over `{}`, which {becomes}",
                                text.value.0
                            ),
                        )
                        .help("Write a time that exists on that day."),
                    );
                    if policy.gap == Gap::Shift {
                        all.push((nominal(at, Clock::Shifted { meant: local }), span));
                    }
                }
                Instants::Two(first, last) => {
                    if policy.repeat != Repeat::Last {
                        all.push((nominal(first, Clock::First), span));
                    }
                    if policy.repeat != Repeat::First {
                        all.push((nominal(last, Clock::Second), span));
                    }
                }
            }
        }
        all.sort_by_key(|(nominal, span)| (nominal.at, *span));
        for pair in all.windows(2) {
            if pair[0].0.at == pair[1].0.at {
                self.found.push(
                    Diagnostic::warning("time-listed-twice", pair[1].1, "the time is listed twice")
                        .help("Remove one of the two; it fires once.")
                        .related(pair[0].1, "first listed here"),
                );
            }
        }
        all.dedup_by_key(|(nominal, _)| nominal.at);
        let is_good = !has_error(&self.found[before..]);
        is_good.then(|| all.into_iter().map(|(nominal, _)| nominal).collect())
    }

    fn step(&mut self, text: &Spanned<StepText>) -> Option<(SignedDuration, Span)> {
        let written = &text.value.0;
        let range = "Write a time from `1m` to `3660d`, with the units `m`, `h`, `d` and `w`.";
        match when::step(written) {
            Some(step) if step < LEAST_STEP => {
                let what = format!("`{}` is less than a minute", shorten(written));
                self.error("bad-every", text.span, what, range);
                None
            }
            Some(step) if step <= MOST_STEP => Some((step, text.span)),
            Some(_) => {
                let what = format!("`{}` is more than ten years", shorten(written));
                self.error("bad-every", text.span, what, range);
                None
            }
            None => {
                let what = format!("`{}` is no time between firings", shorten(written));
                self.error("bad-every", text.span, what, range);
                None
            }
        }
    }

    /// Whether it ever fires. Without `start` any year may be asked about, since rules repeat.
    fn fires(&mut self, schedule: &Schedule, span: Span) {
        let zone = &schedule.zone;
        let first = match schedule.source {
            Source::Rule(_) => super::instant_of(zone, midnight(2000)),
            Source::Every { .. } | Source::At(_) => Timestamp::MIN,
        };
        let from = schedule.start.map_or(first, |start| start.min(first));
        let what = match schedule.next(from) {
            Ok(Some(_)) => return,
            Ok(None) => "the schedule does not fire at all",
            Err(_) => "the schedule does not fire once in 60 years",
        };
        let help = match (&schedule.on, &schedule.source) {
            (Some(_), _) => "Compare what it says with `days` and the calendar.",
            (None, Source::At(_)) => "Compare its times with `start` and `end`.",
            (None, _) if schedule.end.is_some() => "Compare what it says with `end`.",
            (None, _) => "Compare its days and months: February has 29 days at most.",
        };
        self.error("never-fires", span, what, help);
    }
}

fn place_of<T>(given: &Given<Spanned<T>>) -> Option<Span> {
    given.get().map(|value| value.span)
}
