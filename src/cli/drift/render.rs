//! Drift for people, for a pull request and for annotations.
//!
//! Everywhere the left side is what is declared and the right side what is live: that is the way in which
//! things moved.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::json::{DifferenceJson, DriftJson, FieldDriftJson};
use crate::cli::human::{ADD, CHANGE, NOTE, REMOVE, STRONG, field_change, label, section, unread};
use crate::cli::json::{FieldChangeJson, ForeignJson, ScopeJson};
use crate::cli::markdown::{self, escape};
use crate::cli::text::{clean, count};
use crate::cli::turnover::{Turnover, is_people};
use crate::model::diagnostic::Diagnostic;
use crate::model::{Address, Span};

/// The causes in the order in which they are counted.
const CAUSES: [&str; 5] = ["drifted", "both", "differs", "vanished", "foreign"];

/// Why a difference is one, in words.
fn because(difference: &DifferenceJson) -> &'static str {
    match (difference.cause.as_str(), difference.id.is_some()) {
        ("drifted", _) => "drifted: changed outside",
        ("both", _) if matches!(difference.action.as_str(), "delete" | "replace" | "forget") => {
            "both: changed outside, and declared no more"
        }
        ("both", _) => "both: changed here and outside",
        ("vanished", _) => "vanished: deleted outside",
        ("foreign", _) => "foreign: nobody declares it, and the tasklist is authoritative",
        ("differs", false) => "differs: declared, and not there",
        ("differs", true) => "differs: never applied from here",
        _ => "ahead: not applied yet",
    }
}

/// For people.
#[must_use]
pub(in crate::cli) fn human(drift: &DriftJson) -> String {
    let mut out = String::new();
    if drift.drift.iter().any(|d| !d.fields.is_empty()) {
        let _ = writeln!(out, "{NOTE}Declared → live:{NOTE:#}\n");
    }
    for difference in &drift.drift {
        let (symbol, style) = match (difference.cause.as_str(), difference.id.is_some()) {
            ("foreign", _) => ("+", ADD),
            (_, false) => ("-", REMOVE),
            _ => ("~", CHANGE),
        };
        let place = place(difference, &drift.labels);
        let named = match (&difference.name, difference.address.starts_with("foreign:")) {
            (Some(name), true) => format!(" \"{}\"", clean(name)),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "{style}{symbol} {}{style:#}{named}{place}  {NOTE}({}){NOTE:#}",
            difference.address,
            because(difference),
        );
        for field in &difference.fields {
            let shown = FieldChangeJson {
                field: field.field.clone(),
                cause: field.cause.clone(),
                applied: field.applied.clone(),
            };
            let (from, to) = (Some(&field.desired), Some(&field.live));
            field_change(&mut out, &shown, from, to, &drift.labels);
        }
        out.push('\n');
    }
    let line = |d: &DifferenceJson| {
        let fields: Vec<_> = d.fields.iter().map(|f| f.field.as_str()).collect();
        let what = match fields.as_slice() {
            [] => d.action.clone(),
            fields => format!("{} {}", d.action, fields.join(", ")),
        };
        format!("{}{}: {what}", d.address, place(d, &drift.labels))
    };
    let ahead = drift.ahead.iter().map(line);
    section(&mut out, "Ahead, and written by the next apply:", ahead);
    let ignored = drift.ignored.iter().map(|d| {
        let fields: Vec<_> = d.fields.iter().map(|f| f.field.as_str()).collect();
        match fields.as_slice() {
            [] => format!("{}: {}", d.address, d.cause),
            fields => format!("{}: {} {}", d.address, d.cause, fields.join(", ")),
        }
    });
    section(&mut out, "Ignored, as asked:", ignored);
    section(&mut out, "Unread:", unread(&drift.unread).into_iter());
    let unsettled = drift.unsettled.iter().map(|u| {
        let how = if u.in_progress {
            "in progress"
        } else {
            "outcome unknown; the next apply settles it"
        };
        format!("? {}: {}, {how}", u.address, u.operation)
    });
    section(&mut out, "Unsettled writes, so not compared:", unsettled);
    let foreign = drift.foreign.iter().map(|f| {
        format!(
            "  \"{}\" ({} in {}{})",
            clean(&f.name),
            clean(&f.id),
            label(&f.tasklist, &drift.labels),
            whose(f)
        )
    });
    section(&mut out, "Foreign, and no drift:", foreign);
    if let Some(since) = &drift.since {
        let _ = writeln!(out, "{NOTE}{}{NOTE:#}", since.sentence());
    }
    let _ = writeln!(out, "{STRONG}{}{STRONG:#}", summary(drift));
    out
}

/// Where a difference is, by the manifest's word.
fn place(difference: &DifferenceJson, labels: &BTreeMap<String, String>) -> String {
    let tasklist = difference.tasklist.as_ref();
    tasklist.map_or_else(String::new, |guid| format!(" in {}", label(guid, labels)))
}

fn whose(foreign: &ForeignJson) -> String {
    match (&foreign.project, &foreign.kept_by) {
        (Some(project), _) => format!(", of project {project}"),
        (None, Some(pattern)) => format!(", kept by {pattern:?}"),
        (None, None) => String::new(),
    }
}

/// The last line.
fn summary(drift: &DriftJson) -> String {
    let of = |cause: &str| drift.drift.iter().filter(|d| d.cause == cause).count();
    let counts: Vec<_> = CAUSES
        .into_iter()
        .filter(|cause| of(cause) > 0)
        .map(|cause| format!("{} {cause}", of(cause)))
        .collect();
    let mut line = match (counts.as_slice(), drift.scope) {
        ([], ScopeJson::Part) => "No drift in the part that was looked at".to_owned(),
        ([], _) => "No drift".to_owned(),
        (counts, _) => format!("Drift: {}", counts.join(", ")),
    };
    let unsettled = drift.unsettled.len();
    for (n, word) in [
        (drift.ahead.len(), "ahead".to_owned()),
        (drift.ignored.len(), "ignored".to_owned()),
        (drift.unread.len(), "unread".to_owned()),
        (unsettled, "unsettled".to_owned()),
    ] {
        if n > 0 {
            let _ = write!(line, "; {n} {word}");
        }
    }
    line.push('.');
    line
}

/// For a pull request or an issue, within the platform's limit.
#[must_use]
pub(in crate::cli) fn markdown(drift: &DriftJson) -> String {
    let mut out = format!("### {}\n\n", summary(drift));
    if let Some(since) = &drift.since {
        let _ = writeln!(out, "{}\n", escape(&since.sentence()));
    }
    let mut tail = String::new();
    let differences = |list: &[DifferenceJson]| -> Vec<String> {
        let line = |d: &DifferenceJson| {
            let fields: Vec<_> = d.fields.iter().map(|f| f.field.as_str()).collect();
            format!("`{}`: {} {}", d.address, d.action, fields.join(", "))
        };
        list.iter().map(line).collect()
    };
    let unread: Vec<_> = drift
        .unread
        .iter()
        .map(|u| format!("`{}`: {}", u.address, escape(&u.why)))
        .collect();
    let unsettled: Vec<_> = drift
        .unsettled
        .iter()
        .map(|u| format!("`{}`: {}", u.address, u.operation))
        .collect();
    let foreign: Vec<_> = drift
        .foreign
        .iter()
        .map(|f| format!("{} (`{}`{})", escape(&f.name), f.id, escape(&whose(f))))
        .collect();
    let warnings: Vec<_> = drift.warnings.iter().map(|w| escape(&w.summary)).collect();
    for (title, lines) in [
        ("Unread", unread),
        ("Unsettled writes, so not compared", unsettled),
        (
            "Ahead, and written by the next apply",
            differences(&drift.ahead),
        ),
        ("Ignored, as asked", differences(&drift.ignored)),
        ("Foreign, and no drift", foreign),
        ("Warnings", warnings),
    ] {
        markdown::details(&mut tail, title, &lines);
    }
    let room = markdown::MAX_BYTES.saturating_sub(out.len() + tail.len() + 200);
    let mut shown = 0;
    for difference in &drift.drift {
        let row = markdown_row(difference, &drift.labels);
        if out.len() + row.len() > room {
            break;
        }
        out.push_str(&row);
        shown += 1;
    }
    if shown < drift.drift.len() {
        let _ = writeln!(
            out,
            "> **{} of {} are not shown here.** `beadle drift` shows them all.\n",
            drift.drift.len() - shown,
            drift.drift.len()
        );
    }
    out + &tail
}

fn markdown_row(difference: &DifferenceJson, labels: &BTreeMap<String, String>) -> String {
    let name = match &difference.name {
        Some(name) => format!(" {}", escape(name)),
        None => String::new(),
    };
    let mut out = format!(
        "**{}** `{}`{name}{}\n",
        difference.cause,
        difference.address,
        escape(&place(difference, labels))
    );
    let mut lines = String::new();
    for FieldDriftJson {
        field,
        desired,
        live,
        ..
    } in &difference.fields
    {
        if let (true, Value::Array(desired), Value::Array(live)) = (is_people(field), desired, live)
        {
            let turnover = Turnover::between(field, desired, live);
            let _ = writeln!(lines, "  {field}: {}", turnover.counts());
            for (sign, who) in [("+", &turnover.come), ("-", &turnover.gone)] {
                let named = who.iter().take(Turnover::NAMED).cloned();
                for one in named.chain(Turnover::more(who)) {
                    let _ = writeln!(lines, "{sign} {one}");
                }
            }
            continue;
        }
        let _ = writeln!(lines, "- {field}: {}", markdown::one_line(desired, labels));
        let _ = writeln!(lines, "+ {field}: {}", markdown::one_line(live, labels));
    }
    if !lines.is_empty() {
        markdown::fence(&mut out, &lines);
    }
    out.push('\n');
    out
}

/// As findings, each at the line of its resource, for annotations.
#[must_use]
pub(in crate::cli) fn findings(
    drift: &DriftJson,
    span: &dyn Fn(&str) -> Option<Span>,
) -> Vec<Diagnostic> {
    let address = |text: &str| text.parse::<Address>().ok();
    let mut found = Vec::new();
    for difference in &drift.drift {
        let mut words = because(difference).to_owned();
        for field in &difference.fields {
            let _ = write!(
                words,
                "; {} is {} and should be {}",
                field.field,
                short(&field.live, &drift.labels),
                short(&field.desired, &drift.labels)
            );
        }
        if let (None, Some(name)) = (address(&difference.address), &difference.name) {
            let _ = write!(words, ": {}", clean(name));
        }
        let code = match difference.cause.as_str() {
            "both" => "drift-both",
            "differs" => "drift-differs",
            "vanished" => "drift-vanished",
            "foreign" => "drift-foreign",
            _ => "drifted",
        };
        let mut finding = Diagnostic::warning(code, span(&difference.address), words).help(
            "`beadle apply` writes what is declared; `beadle drift --patch` accepts what is live.",
        );
        finding.address = address(&difference.address);
        found.push(finding);
    }
    for unread in &drift.unread {
        let words = format!("it could not be read: {}", clean(&unread.why));
        let mut finding = Diagnostic::error("unread", span(&unread.address), words);
        finding.address = address(&unread.address);
        found.push(finding);
    }
    for unsettled in &drift.unsettled {
        let words = if unsettled.in_progress {
            "an apply is at it right now, so it was not compared"
        } else {
            "the outcome of a write is not known, so it was not compared"
        };
        let mut finding = Diagnostic::warning("unsettled", span(&unsettled.address), words)
            .help("The next `beadle apply` settles it.");
        finding.address = address(&unsettled.address);
        found.push(finding);
    }
    found
}

/// A value in an annotation.
fn short(value: &Value, labels: &BTreeMap<String, String>) -> String {
    const MOST: usize = 8;
    match value {
        Value::Array(items) if items.len() > MOST => count(items.len(), "item"),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        value => markdown::one_line(value, labels),
    }
}
