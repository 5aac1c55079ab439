//! Plans, outcomes and tables as people read them.
//!
//! Everything is rendered from the published shapes, into text with ANSI styles; the writer strips
//! them where colour is off.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::json::{
    ChangeJson, FieldChangeJson, FieldsJson, PlanJson, ScopeJson, SummaryJson, UnreadJson,
};
use super::outlook::{OutlookJson, lines};
use super::text::{clean, count, duration};
use super::turnover::{Turnover, is_people};
use crate::model::Kind;
use crate::model::event::EVENTS;

pub(super) const ADD: Style = AnsiColor::Green.on_default();
pub(super) const CHANGE: Style = AnsiColor::Yellow.on_default();
pub(super) const REMOVE: Style = AnsiColor::Red.on_default();
pub(super) const NOTE: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// Longer texts are shown as a diff by words, not as `"a" → "b"`.
const SHORT_TEXT: usize = 32;

/// The symbol and style of an action.
fn mark(action: &str) -> (&'static str, Style) {
    match action {
        "create" => ("+", ADD),
        "update" => ("~", CHANGE),
        "replace" => ("±", CHANGE),
        "delete" => ("-", REMOVE),
        "adopt" => ("^", CHANGE),
        _ => ("×", REMOVE),
    }
}

/// A whole plan, its summary line last.
#[must_use]
pub(super) fn plan(plan: &PlanJson) -> String {
    let mut out = String::new();
    let (deletes, others): (Vec<_>, Vec<_>) = plan
        .changes
        .iter()
        .partition(|c| matches!(c.action.as_str(), "delete" | "forget"));
    for change in others.into_iter().chain(deletes) {
        self::change(&mut out, change, plan.scope, &plan.labels);
        let mut notices = plan.notices.iter();
        let is_notice = change.kind == Kind::RecurringNotice.as_str();
        if let Some(outlook) = notices.find(|n| is_notice && n.address == change.address) {
            self::outlook(&mut out, outlook);
        }
        out.push('\n');
    }
    for outlook in &plan.notices {
        if !plan.changes.iter().any(|c| c.address == outlook.address) {
            let _ = writeln!(
                out,
                "{STRONG}{} is for others now:{STRONG:#}",
                outlook.address
            );
            self::outlook(&mut out, outlook);
            out.push('\n');
        }
    }
    section(
        &mut out,
        "Unread, so left alone:",
        unread(&plan.unread).into_iter(),
    );
    section(
        &mut out,
        "Unsettled writes of an earlier run, which apply settles first:",
        plan.unsettled.iter().map(|u| {
            let who = match &u.in_progress_by {
                Some(who) => format!("in progress by {}", clean(who)),
                None => format!("sent {}, outcome unknown", u.since),
            };
            format!("? {}: {}, {who}", u.address, u.operation)
        }),
    );
    section(&mut out, "Protected, and kept:", plan.kept.iter().cloned());
    section(
        &mut out,
        "The same object under another address:",
        plan.moves.iter().map(|m| format!("{} → {}", m.from, m.to)),
    );
    section(
        &mut out,
        "Protection, once applied:",
        plan.protections.iter().map(|p| {
            let word = if p.protect {
                "protected"
            } else {
                "no longer protected"
            };
            format!("{}: {word}", p.address)
        }),
    );
    section(
        &mut out,
        "As declared already, and bound by apply:",
        plan.binds
            .iter()
            .map(|b| format!("= {}  {}", b.address, clean(&b.id))),
    );
    section(
        &mut out,
        "Gone and declared no more, and let go of by apply:",
        plan.unbinds
            .iter()
            .map(|b| format!("× {}  {}", b.address, clean(&b.id))),
    );
    section(
        &mut out,
        "Not declared here, and left alone:",
        plan.foreign.iter().map(|f| {
            let why = match (&f.project, &f.kept_by) {
                (Some(project), _) => format!(", of project {project}"),
                (None, Some(pattern)) => format!(", kept by {pattern:?}"),
                (None, None) => String::new(),
            };
            format!(
                "  \"{}\" ({} in {}{why})",
                clean(&f.name),
                clean(&f.id),
                label(&f.tasklist, &plan.labels)
            )
        }),
    );
    for refusal in &plan.refusals {
        let _ = writeln!(
            out,
            "{REMOVE}Refused:{REMOVE:#} {}.\n  {}\n",
            refusal.summary, refusal.help
        );
    }
    out.push_str(&summary(plan));
    out
}

/// Whom a notice reaches, and when it fires next; both sides where they differ.
fn outlook(out: &mut String, outlook: &OutlookJson) {
    for (name, before, after) in lines(outlook) {
        let (before, after) = (clean(&before), clean(&after));
        match (before.as_str(), after.as_str()) {
            (before, after) if before == after => {
                let _ = writeln!(out, "    {NOTE}{name}: {after}{NOTE:#}");
            }
            ("", after) => {
                let _ = writeln!(out, "    {name}: {ADD}{after}{ADD:#}");
            }
            (before, "") => {
                let _ = writeln!(out, "    {name}: {REMOVE}{before}{REMOVE:#}");
            }
            (before, after) => {
                let _ = writeln!(
                    out,
                    "    {name}: {REMOVE}{before}{REMOVE:#}\n    {:width$}→ {ADD}{after}{ADD:#}",
                    "",
                    width = name.len()
                );
            }
        }
    }
}

/// One reason, told once, with the resources that it holds up.
pub(super) fn unread(unread: &[UnreadJson]) -> Vec<String> {
    const MOST: usize = 3;
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for u in unread {
        match by_reason.iter_mut().find(|(why, _)| *why == u.why) {
            Some((_, addresses)) => addresses.push(&u.address),
            None => by_reason.push((&u.why, vec![&u.address])),
        }
    }
    let line = |(why, addresses): (&str, Vec<&str>)| {
        let mut names = addresses
            .iter()
            .take(MOST)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        if addresses.len() > MOST {
            let _ = write!(names, " and {} more", addresses.len() - MOST);
        }
        format!("? {names}: {}", clean(why))
    };
    by_reason.into_iter().map(line).collect()
}

pub(super) fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    const MOST: usize = 20;
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{STRONG}{title}{STRONG:#}");
    for line in lines.iter().take(MOST) {
        let _ = writeln!(out, "  {line}");
    }
    if lines.len() > MOST {
        let _ = writeln!(out, "  … and {} more", lines.len() - MOST);
    }
    out.push('\n');
}

/// The last line of a plan, with what it costs before it.
fn summary(plan: &PlanJson) -> String {
    let mut out = String::new();
    if let Some(since) = &plan.since {
        let _ = writeln!(out, "{NOTE}{}{NOTE:#}", since.sentence());
    }
    if let Some(refresh) = &plan.refresh {
        let _ = writeln!(out, "{NOTE}{}{NOTE:#}", refresh.sentence());
    }
    if plan.budget.calls > 0 {
        let time = match plan.budget.per_minute {
            Some(rate) => format!(", about {} at {rate}/min", duration(plan.budget.seconds)),
            None => String::new(),
        };
        let _ = writeln!(
            out,
            "{NOTE}Cost: {}{time}.{NOTE:#}",
            count(plan.budget.calls, "call")
        );
    }
    if plan.changes.is_empty()
        && plan.unread.is_empty()
        && plan.unsettled.is_empty()
        && plan.binds.is_empty()
    {
        out.push_str(match plan.scope {
            ScopeJson::Project => "No changes: what is live is what is declared.\n",
            ScopeJson::Part => "No changes in the part that was looked at.\n",
            ScopeJson::Destroy => "Nothing is bound that could be deleted.\n",
        });
    }
    let _ = writeln!(out, "{}", summary_line(&plan.summary));
    out
}

/// `Plan: 1 to create, …`
#[must_use]
pub(super) fn summary_line(summary: &SummaryJson) -> String {
    let SummaryJson {
        create,
        update,
        replace,
        delete,
        adopt,
        forget,
    } = *summary;
    let mut line = format!(
        "Plan: {create} to create, {update} to update, {replace} to replace, {delete} to delete"
    );
    if adopt > 0 {
        let _ = write!(line, ", {adopt} to adopt");
    }
    if forget > 0 {
        let _ = write!(line, ", {forget} to forget");
    }
    line.push('.');
    line
}

pub(super) fn label(id: &str, labels: &BTreeMap<String, String>) -> String {
    labels.get(id).cloned().unwrap_or_else(|| clean(id))
}

/// Why a change is there, in words.
fn because(change: &ChangeJson) -> &'static str {
    match (change.action.as_str(), change.cause.as_str()) {
        ("create", "vanished") => "vanished: it was deleted outside",
        ("forget", "vanished") => "vanished: it was deleted outside, so only the binding goes",
        ("forget", _) => "the binding goes, the object stays",
        ("delete", "foreign") => "foreign: nobody declares it, and the tasklist is authoritative",
        ("delete", _) => "no longer declared",
        ("create", _) => "",
        ("replace", _) => "moves to another tasklist",
        ("adopt", _) => "live, not bound, and different",
        (_, "drifted") => "drifted: changed outside",
        (_, "both") => "changed on both sides",
        (_, "ahead") => "ahead: changed in the manifest",
        _ => "differs",
    }
}

fn change(
    out: &mut String,
    change: &ChangeJson,
    scope: ScopeJson,
    labels: &BTreeMap<String, String>,
) {
    let (symbol, style) = mark(&change.action);
    let why = if scope == ScopeJson::Destroy {
        ""
    } else {
        because(change)
    };
    let name = change
        .before
        .as_ref()
        .filter(|_| change.address.starts_with("foreign:"))
        .and_then(|b| b.get("name"));
    let named = name.map(|n| format!(" {}", scalar(n))).unwrap_or_default();
    let note = if why.is_empty() {
        String::new()
    } else {
        format!("  {NOTE}({why}){NOTE:#}")
    };
    let place = change.tasklist.as_ref();
    let place = place.map(|guid| format!(" in {}", label(guid, labels)));
    let _ = writeln!(
        out,
        "{style}{symbol} {}{style:#}{named}{}{note}",
        change.address,
        place.unwrap_or_default(),
    );
    if !change.because.is_empty() {
        let groups = change.because.join(", ");
        let _ = writeln!(out, "    {NOTE}because of the change of {groups}{NOTE:#}");
    }
    let empty = FieldsJson::new();
    let before = change.before.as_ref().unwrap_or(&empty);
    let after = change.after.as_ref().unwrap_or(&empty);
    match change.action.as_str() {
        "create" | "replace" => {
            if let ("replace", Some(Value::String(old)), Some(new)) = (
                change.action.as_str(),
                before.get("tasklist"),
                &change.tasklist,
            ) {
                let _ = writeln!(
                    out,
                    "    tasklist: {REMOVE}{}{REMOVE:#} → {ADD}{}{ADD:#}",
                    label(old, labels),
                    label(new, labels)
                );
            }
            for (field, value) in after.iter().filter(|(field, _)| *field != "tasklist") {
                match value {
                    // What is not said need not be shown either.
                    Value::Array(items) if items.is_empty() && is_registered(change) => {}
                    Value::Array(people) if is_people(field) => {
                        people_change(out, field, &[], people);
                    }
                    Value::String(text) if text.is_empty() => {}
                    value if value.is_object() => {
                        let _ = writeln!(out, "    {field}:");
                        for line in yaml(value).lines() {
                            let _ = writeln!(out, "      {}", clean(line));
                        }
                    }
                    value => {
                        let _ = writeln!(out, "    {field}: {}", whole(value, labels));
                    }
                }
            }
        }
        "update" | "adopt" => {
            for field in &change.fields {
                field_change(
                    out,
                    field,
                    before.get(&field.field),
                    after.get(&field.field),
                    labels,
                );
            }
            // The tasklist stands in the first line.
            let shown = change.fields.len() + usize::from(change.tasklist.is_some());
            let unchanged = after.len().saturating_sub(shown);
            if unchanged > 0 {
                let _ = writeln!(out, "    {NOTE}({unchanged} unchanged){NOTE:#}");
            }
        }
        _ => {}
    }
}

pub(super) fn field_change(
    out: &mut String,
    change: &FieldChangeJson,
    before: Option<&Value>,
    after: Option<&Value>,
    labels: &BTreeMap<String, String>,
) {
    let (before, after) = (
        before.unwrap_or(&Value::Null),
        after.unwrap_or(&Value::Null),
    );
    let field = &change.field;
    match (before, after) {
        (Value::Array(before), Value::Array(after)) if is_people(field) => {
            people_change(out, field, before, after);
        }
        (Value::Array(before), Value::Array(after)) => {
            let _ = write!(out, "    {field}:");
            for item in before.iter().filter(|item| !after.contains(item)) {
                let _ = write!(out, " {REMOVE}- {}{REMOVE:#}", item_label(item, labels));
            }
            for item in after.iter().filter(|item| !before.contains(item)) {
                let _ = write!(out, " {ADD}+ {}{ADD:#}", item_label(item, labels));
            }
            out.push('\n');
        }
        (before, after) if before.is_object() || after.is_object() => {
            let _ = writeln!(out, "    {field}:");
            text_diff(out, &yaml(before), &yaml(after));
        }
        (Value::String(before), Value::String(after))
            if before.chars().count().max(after.chars().count()) > SHORT_TEXT
                || before.contains('\n')
                || after.contains('\n') =>
        {
            let _ = writeln!(out, "    {field}:");
            text_diff(out, before, after);
        }
        _ => {
            let _ = writeln!(
                out,
                "    {field}: {REMOVE}{}{REMOVE:#} → {ADD}{}{ADD:#}",
                whole(before, labels),
                whole(after, labels),
            );
        }
    }
    if change.cause == "both"
        && let Some(applied) = &change.applied
    {
        let _ = writeln!(
            out,
            "      {NOTE}last applied: {}{NOTE:#}",
            whole(applied, labels)
        );
    }
}

/// A block as users write one.
fn yaml(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string()),
    }
}

/// Whether it is in the ledger alone, and so is what the files say.
fn is_registered(change: &ChangeJson) -> bool {
    let kinds = [Kind::RecipientGroup, Kind::RecurringNotice];
    kinds.iter().any(|kind| change.kind == kind.as_str())
}

/// The number of people who come and go, and who they are, up to a bound.
fn people_change(out: &mut String, field: &str, before: &[Value], after: &[Value]) {
    let turnover = Turnover::between(field, before, after);
    let sides = [("+", ADD, &turnover.come), ("-", REMOVE, &turnover.gone)];
    let _ = writeln!(out, "    {field}: {}", turnover.counts());
    for (sign, style, who) in sides {
        for one in who.iter().take(Turnover::NAMED) {
            let _ = writeln!(out, "      {style}{sign} {one}{style:#}");
        }
        if let Some(more) = Turnover::more(who) {
            let _ = writeln!(out, "      {NOTE}{sign} {more}{NOTE:#}");
        }
    }
}

/// A long text, line by line with the changed words marked.
fn text_diff(out: &mut String, before: &str, after: &str) {
    let diff = TextDiff::from_lines(before, after);
    for op in diff.ops() {
        for line in diff.iter_inline_changes(op) {
            let (sign, style) = match line.tag() {
                ChangeTag::Delete => ("-", REMOVE),
                ChangeTag::Insert => ("+", ADD),
                ChangeTag::Equal => (" ", NOTE),
            };
            let _ = write!(out, "      {style}{sign} ");
            for (emphasized, text) in line.iter_strings_lossy() {
                let text = clean(text.trim_end_matches('\n'));
                if emphasized {
                    let strong = style.underline();
                    let _ = write!(out, "{style:#}{strong}{text}{strong:#}{style}");
                } else {
                    out.push_str(&text);
                }
            }
            let _ = writeln!(out, "{style:#}");
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", clean(text)),
        other => clean(&other.to_string()),
    }
}

/// An item of a set: by the manifest's word, where it has one.
fn item_label(item: &Value, labels: &BTreeMap<String, String>) -> String {
    match item {
        Value::String(text) if text.starts_with("chat.") => {
            format!("{} (known after apply)", clean(text))
        }
        Value::String(text) => labels.get(text).cloned().unwrap_or_else(|| clean(text)),
        other => clean(&other.to_string()),
    }
}

fn whole(value: &Value, labels: &BTreeMap<String, String>) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) if is_every_event(items) => format!("all {}", items.len()),
        Value::Array(items) => items
            .iter()
            .map(|item| item_label(item, labels))
            .collect::<Vec<_>>()
            .join(", "),
        other => scalar(other),
    }
}

/// Whether a set is what `all` stands for.
fn is_every_event(items: &[Value]) -> bool {
    items.len() == EVENTS.len()
        && items
            .iter()
            .zip(EVENTS)
            .all(|(item, (_, name))| item == name)
}
