//! Templates: texts with `{{ … }}` in them, and what they may know.
//!
//! A template knows `scheduled`, `notice`, `vars` and `locale`. It knows no clock, no disk, no other
//! template, and it cannot run for ever: see [`FUEL`].
//!
//! # Guarantees
//!
//! The same template in the same [`Context`] renders the same bytes, and no template panics, runs
//! longer than [`FUEL`] allows, or makes more text than [`FUEL`] pays for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::{ToSpan, Zoned};
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};

use super::Locale;
use super::error::RenderError;
use crate::model::{Address, Span};

/// What rendering one text may use: an instruction costs one, and so do 64 bytes that are made.
pub const FUEL: u64 = 20_000;

/// The most bytes of a template: more than the largest message of any vendor.
pub const MAX_BYTES: usize = 256 * 1024;

/// A text as it was written, with the places of its lines.
#[derive(Clone, Debug)]
pub struct Template {
    source: Arc<str>,
    /// The whole of it in the file.
    pub span: Span,
    /// Where each line begins in the file; none where escapes, folding or `${…}` hide it.
    lines: Arc<[Option<u32>]>,
}

/// What templates are rendered with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The instant that the notice is due, in the notice's zone.
    pub scheduled: &'a Zoned,
    /// The notice.
    pub notice: &'a Address,
    /// The variables of the manifest.
    pub vars: &'a BTreeMap<String, String>,
}

impl Template {
    /// A template that stands at a place of a file. `raw` is what the file has there.
    #[must_use]
    pub fn new(source: &str, span: Span, raw: &str) -> Self {
        Self {
            source: source.into(),
            span,
            lines: lines(source, span, raw).into(),
        }
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders it. White space at its end goes.
    ///
    /// # Errors
    ///
    /// When the template is wrong, names what is not there, or takes more than [`FUEL`].
    pub fn render(
        &self,
        context: Context<'_>,
        locale: Option<&Locale>,
    ) -> Result<String, RenderError> {
        if self.source.len() > MAX_BYTES {
            return Err(self.wrong(
                self.span,
                format!("this text has more than {MAX_BYTES} bytes"),
                "No vendor takes a message of that size; shorten it.",
            ));
        }
        let mut text = if is_needed(&self.source) {
            evaluate(&self.source, context, locale).map_err(|error| self.failed(&error))?
        } else {
            self.source.to_string()
        };
        text.truncate(text.trim_end().len());
        let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some(bad) = text.chars().find(|c| is_bad(*c)) {
            return Err(self.wrong(
                self.span,
                format!(
                    "the control character U+{:04X} stands in the text",
                    bad as u32
                ),
                "Remove it; DingTalk refuses a message that has one, and nobody can read it.",
            ));
        }
        Ok(text)
    }

    fn wrong(&self, span: Span, summary: String, help: &str) -> RenderError {
        RenderError::Template {
            span,
            summary,
            help: help.to_owned(),
        }
    }

    fn failed(&self, error: &Error) -> RenderError {
        let range = error.range().filter(|range| !range.is_empty());
        let span = match &range {
            Some(range) => self.place(range.clone()),
            None => error.line().map_or(self.span, |line| self.line(line)),
        };
        let part = range.and_then(|range| self.source.get(range));
        let (summary, help) = words(error, part);
        self.wrong(span, summary, help)
    }

    /// Where a line, counted from 1, stands in the file.
    fn line(&self, number: usize) -> Span {
        let mut start = 0;
        for (index, line) in self.source.split('\n').enumerate() {
            if index + 1 == number {
                return self.place(start..start + line.len().max(1));
            }
            start += line.len() + 1;
        }
        self.span
    }

    /// Where a part of the text stands in the file.
    fn place(&self, part: Range<usize>) -> Span {
        let mut start = 0;
        for (line, place) in self.source.split('\n').zip(self.lines.iter()) {
            let end = start + line.len();
            if part.start <= end {
                let Some(place) = place else { break };
                let at = |byte: usize| place + u32::try_from(byte - start).unwrap_or(0);
                return Span {
                    file: self.span.file,
                    start: at(part.start),
                    end: at(part.end.clamp(part.start, end)),
                };
            }
            start = end + 1;
        }
        self.span
    }
}

fn is_needed(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark))
}

/// Finds the lines of a text in what the file has. A line of several is one of the file with nothing
/// but white space, or the dash of a list, before it; a single one stands there just once.
fn lines(source: &str, span: Span, raw: &str) -> Vec<Option<u32>> {
    let at = |byte: usize| Some(span.start + u32::try_from(byte).ok()?);
    let text = source.trim_end_matches('\n');
    if !text.contains('\n') {
        let mut found = raw.match_indices(text).map(|(byte, _)| byte);
        let place = match (found.next(), found.next()) {
            (Some(byte), None) => at(byte),
            _ => None,
        };
        return vec![place];
    }
    let mut start = 0;
    let mut rows = Vec::new();
    for row in raw.split('\n') {
        rows.push((start, row.trim_end_matches('\r')));
        start += row.len() + 1;
    }
    let mut rows = &rows[..];
    // Each line that is hidden costs a look at all below it.
    let mut hidden = 0;
    let mut places = Vec::new();
    for line in text.split('\n') {
        let found = rows.iter().position(|(_, row)| {
            let before = row.strip_suffix(line);
            before.is_some_and(|before| before.trim().is_empty())
        });
        let found = found.filter(|_| hidden < MAX_HIDDEN);
        places.push(found.and_then(|index| {
            let (begins, row) = rows[index];
            rows = &rows[index + 1..];
            at(begins + row.len() - line.len())
        }));
        hidden += usize::from(found.is_none());
        if hidden >= MAX_HIDDEN {
            break;
        }
    }
    places
}

/// How many lines of a text may be hidden before its places are given up.
const MAX_HIDDEN: usize = 100;

/// What `scheduled` is in a template.
#[derive(Debug)]
struct Instant(Zoned);

impl Object for Instant {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = &self.0;
        match key.as_str()? {
            "year" => Some(at.year().into()),
            "month" => Some(at.month().into()),
            "day" => Some(at.day().into()),
            "hour" => Some(at.hour().into()),
            "minute" => Some(at.minute().into()),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.strftime("%Y-%m-%d %H:%M").to_string())
    }
}

fn evaluate(source: &str, context: Context<'_>, locale: Option<&Locale>) -> Result<String, Error> {
    let mut engine = Environment::new();
    // It would print everything there is.
    engine.remove_global("debug");
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_recursion_limit(64);
    engine.set_fuel(Some(FUEL));
    engine.add_filter("date", |value: &Value, format: Option<&str>| {
        formatted(value, format.unwrap_or("%Y-%m-%d"))
    });
    engine.add_filter("time", |value: &Value, format: Option<&str>| {
        formatted(value, format.unwrap_or("%H:%M"))
    });
    engine.add_filter("weekday", weekday);
    engine.add_filter("add_days", |value: &Value, days: i32| {
        let later = instant(value)?.checked_add(days.days());
        later
            .map(|at| Value::from_object(Instant(at)))
            .map_err(|error| invalid(error.to_string()))
    });
    let notice = context.notice;
    let notice = [
        ("name", notice.name.to_string()),
        ("address", notice.to_string()),
    ];
    let vars = context.vars.iter();
    let known = [
        (
            "scheduled",
            Value::from_object(Instant(context.scheduled.clone())),
        ),
        ("notice", notice.into_iter().collect()),
        (
            "vars",
            vars.map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        ),
        ("locale", locale.map_or("", Locale::as_str).into()),
    ];
    let known: Value = known.into_iter().collect();
    engine.template_from_str(source)?.render(known)
}

fn invalid(words: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, words.into())
}

fn instant(value: &Value) -> Result<&Zoned, Error> {
    let instant = value.downcast_object_ref::<Instant>();
    instant
        .map(|instant| &instant.0)
        .ok_or_else(|| invalid("this is no instant; write `scheduled | …`"))
}

fn formatted(value: &Value, format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, instant(value)?)
        .map_err(|error| invalid(format!("the format {format:?} is none: {error}")))
}

/// The name of the day in a language: the one that is asked for, or that of the text.
fn weekday(state: &State<'_, '_>, value: &Value, language: Option<&str>) -> Result<String, Error> {
    let at = instant(value)?;
    let own = state.lookup("locale");
    let own = own.as_ref().and_then(|locale| locale.as_str());
    match language.or(own).unwrap_or_default().get(..2) {
        Some("zh") => {
            let days = ["一", "二", "三", "四", "五", "六", "日"];
            let day = at.weekday().to_monday_zero_offset();
            Ok(format!("星期{}", days[usize::try_from(day).unwrap_or(0)]))
        }
        Some("en") => Ok(at.strftime("%A").to_string()),
        _ => Err(invalid(
            "in which language? Write `weekday('zh')` or `weekday('en')`",
        )),
    }
}

/// What an error of the engine says, and what to do.
fn words(error: &Error, part: Option<&str>) -> (String, &'static str) {
    const KNOWN: &str = "A message knows `scheduled`, `notice.name`, `notice.address`, `vars.NAME` and `locale`; there is no `now`.";
    let part = part.map(|part| part.chars().take(60).collect::<String>());
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            let what = part.map_or("something".to_owned(), |part| format!("`{part}`"));
            (
                format!("the template names {what}, which has no value"),
                KNOWN,
            )
        }
        ErrorKind::OutOfFuel => (
            "the template takes too long, or makes too much text".to_owned(),
            "Write what people are to read; tables and long lists fit better into a document that the message links to.",
        ),
        ErrorKind::UnknownFilter => (
            format!("the template has a mistake: {detail}"),
            "The filters of instants are `date`, `time`, `weekday` and `add_days`; those of texts are the usual ones of Jinja, such as `upper` and `default`.",
        ),
        ErrorKind::SyntaxError => (
            format!("the template has a mistake: {detail}"),
            "Write `{{ scheduled | date('%m-%d') }}`; a plain `{{` is written as `{{ '{{' }}`.",
        ),
        kind => {
            let colon = if detail.is_empty() { "" } else { ": " };
            (format!("the template fails: {kind}{colon}{detail}"), KNOWN)
        }
    }
}
