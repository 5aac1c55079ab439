//! Calendars as users write them, and those built in.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Weekday};

use super::when;
use crate::model::Name;
use crate::model::diagnostic::{Diagnostic, FileId, Span};
use crate::model::interpolate::{Interpolator, Vars};
use crate::model::schedule::Calendar;
use crate::model::shape::{
    Entry, Given, Reader, Shape, Spanned, Text, did_you_mean, shorten, words,
};
use crate::model::written;
use crate::model::yaml::Tree;

/// The name of the calendar built in.
const CN: &str = "cn";

/// The longest stretch of days that is written as one.
const MOST_DAYS: usize = 366;

/// Calendars by name, those built in among them.
#[derive(Clone, Debug, Default)]
pub struct Calendars {
    known: BTreeMap<Name, Option<Arc<Calendar>>>,
}

impl Calendars {
    /// The calendar of a name, if there is one without a mistake.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Calendar>> {
        if name == CN {
            return Some(&BUILT_IN);
        }
        self.known.get(&Name::new(name).ok()?)?.as_ref()
    }

    /// What is wrong with a name, if no mistake in its calendar says so.
    pub(super) fn unknown(&self, name: &Spanned<Text>) -> Option<Diagnostic> {
        let text = &name.value.0;
        if Name::new(text).is_ok_and(|name| self.known.contains_key(&name)) {
            return None;
        }
        Some(unknown(text, name.span, self.known.keys()))
    }
}

fn unknown<'n>(text: &str, span: Span, known: impl Iterator<Item = &'n Name>) -> Diagnostic {
    let known: Vec<&str> = [CN].into_iter().chain(known.map(Name::as_str)).collect();
    let hint = did_you_mean(text, known.iter().copied());
    let summary = format!("there is no calendar `{}`", shorten(text));
    Diagnostic::error("unknown-calendar", span, summary).help(format!(
        "{hint}Write it under `calendars`; there is {}.",
        words(known.into_iter().take(8))
    ))
}

static BUILT_IN: LazyLock<Arc<Calendar>> = LazyLock::new(|| {
    let mut diagnostics = Vec::new();
    let text = include_str!("../calendars/cn.yaml");
    let calendar = Tree::read(FileId(0), text, &mut diagnostics).and_then(|tree| {
        let vars = Vars::new();
        let interpolator = Interpolator::new(&vars, &|_| None, &|_, _| Err(String::new()));
        let mut reader = Reader::new(&tree, &interpolator);
        let written = written::Calendar::read(&mut reader, tree.root());
        diagnostics.append(&mut reader.diagnostics);
        Some(build(&own(&written?, &mut diagnostics)?, None))
    });
    assert_eq!(diagnostics, [], "the calendar built in has no mistake");
    Arc::new(calendar.expect("the calendar built in can be read"))
});

/// What a calendar says itself.
struct Own {
    extends: Option<Spanned<Text>>,
    weekend: Option<u8>,
    days: BTreeMap<Date, (bool, Span)>,
    covers: Option<Date>,
}

/// Puts calendars together. Each of `entries` has a name of its own.
pub(crate) fn calendars(
    entries: Vec<Entry<written::Calendar>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Calendars {
    let mut all: BTreeMap<Name, Option<Own>> = BTreeMap::new();
    for entry in entries {
        if entry.name.as_str() == CN {
            diagnostics.push(
                Diagnostic::error(
                    "built-in-calendar",
                    entry.span,
                    "the calendar `cn` is built in",
                )
                .help("Give yours another name, and begin it with `extends: cn`."),
            );
            continue;
        }
        let own = entry.value.and_then(|written| own(&written, diagnostics));
        all.insert(entry.name, own);
    }
    let mut calendars = Calendars::default();
    for name in all.keys() {
        resolve(name, &all, &mut calendars, &mut Vec::new(), diagnostics);
    }
    calendars
}

fn resolve(
    name: &Name,
    all: &BTreeMap<Name, Option<Own>>,
    calendars: &mut Calendars,
    path: &mut Vec<(Name, Span)>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Arc<Calendar>> {
    if let Some(known) = calendars.known.get(name) {
        return known.clone();
    }
    let calendar = all.get(name)?.as_ref().and_then(|own| {
        let Some(extends) = &own.extends else {
            return Some(Arc::new(build(own, None)));
        };
        let text = &extends.value.0;
        if text == CN {
            return Some(Arc::new(build(own, Some(&BUILT_IN))));
        }
        let Some((parent, _)) = Name::new(text)
            .ok()
            .and_then(|name| all.get_key_value(&name))
        else {
            diagnostics.push(unknown(text, extends.span, all.keys()));
            return None;
        };
        path.push((name.clone(), extends.span));
        if let Some(first) = path.iter().position(|(name, _)| name == parent) {
            let names: Vec<&str> = path[first..]
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let mut cycle = Diagnostic::error(
                "calendar-cycle",
                extends.span,
                format!(
                    "calendars extend each other: {} and again `{parent}`",
                    words(names)
                ),
            )
            .help("Remove one `extends`.");
            for (_, span) in &path[first..path.len() - 1] {
                cycle = cycle.related(*span, "extended here");
            }
            diagnostics.push(cycle);
            path.pop();
            return None;
        }
        let parent = resolve(parent, all, calendars, path, diagnostics);
        path.pop();
        Some(Arc::new(build(own, Some(&*parent?))))
    });
    calendars.known.insert(name.clone(), calendar.clone());
    calendar
}

fn build(own: &Own, parent: Option<&Calendar>) -> Calendar {
    const SATURDAY_AND_SUNDAY: u8 = 0b110_0000;
    let mut days: BTreeMap<Date, bool> = parent.map_or_else(BTreeMap::new, |parent| {
        parent.days.iter().copied().collect()
    });
    days.extend(
        own.days
            .iter()
            .map(|(date, (is_workday, _))| (*date, *is_workday)),
    );
    let listed = own.days.keys().next_back();
    let listed = listed.map(|date| Date::constant(date.year(), 12, 31));
    Calendar {
        weekend: own
            .weekend
            .unwrap_or(parent.map_or(SATURDAY_AND_SUNDAY, |parent| parent.weekend)),
        days: days.into_iter().collect(),
        covers_until: own
            .covers
            .or(parent.and_then(|parent| parent.covers_until))
            .or(listed),
    }
}

/// What a calendar says itself; `None` when a diagnostic was pushed.
fn own(written: &written::Calendar, diagnostics: &mut Vec<Diagnostic>) -> Option<Own> {
    let written::Calendar {
        extends,
        holidays,
        workdays,
        weekend,
        covers,
    } = written;
    let is_bad = [
        extends.is_bad(),
        holidays.is_bad(),
        workdays.is_bad(),
        weekend.is_bad(),
        covers.is_bad(),
    ];
    let before = diagnostics.len();
    let mut days: BTreeMap<Date, (bool, Span)> = BTreeMap::new();
    for (list, is_workday) in [(holidays, false), (workdays, true)] {
        for text in list.get().map_or(&[][..], Vec::as_slice) {
            for date in dates(&text.value.0, text.span, diagnostics) {
                let Some((was_workday, first)) = days.insert(date, (is_workday, text.span)) else {
                    continue;
                };
                let what = if was_workday == is_workday {
                    format!("{date} is listed twice")
                } else {
                    format!("{date} is a holiday and a working day")
                };
                diagnostics.push(
                    Diagnostic::error("date-listed-twice", text.span, what)
                        .help("Remove one of the two.")
                        .related(first, "first listed here"),
                );
                days.insert(date, (was_workday, first));
            }
        }
    }
    let covers = covers
        .get()
        .and_then(|text| match when::date(&text.value.0) {
            Ok(date) => Some(date),
            Err((what, help)) => {
                diagnostics.push(Diagnostic::error("bad-time", text.span, what).help(help));
                None
            }
        });
    let bits = weekend.get().map(|days| {
        let bit = |day: Weekday| 1 << day.to_monday_zero_offset();
        days.iter().fold(0, |set, day| set | bit(day.value.0))
    });
    let is_good = !is_bad.contains(&true) && diagnostics.len() == before;
    is_good.then(|| Own {
        extends: match extends {
            Given::Is(name) => Some(name.clone()),
            Given::Absent | Given::Bad => None,
        },
        weekend: bits,
        days,
        covers,
    })
}

/// The dates of `2026-12-24` or `2026-12-24..2026-12-31`.
fn dates(text: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> Vec<Date> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = match (when::date(first), when::date(last)) {
        (Ok(first), Ok(last)) => (first, last),
        (Err((what, help)), _) | (_, Err((what, help))) => {
            diagnostics.push(Diagnostic::error("bad-time", span, what).help(help));
            return Vec::new();
        }
    };
    let days = first
        .series(jiff::Span::new().days(1))
        .take_while(|date| *date <= last);
    let days: Vec<Date> = days.take(MOST_DAYS + 1).collect();
    let what = match days.len() {
        0 => "the last day stands before the first",
        len if len > MOST_DAYS => "the stretch is longer than a year",
        _ => return days,
    };
    diagnostics.push(
        Diagnostic::error("bad-time", span, what).help("Write it as in `2026-12-24..2026-12-31`."),
    );
    Vec::new()
}
