//! A plan as Markdown for a pull request, within the platform's limit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::human::summary_line;
use super::json::{ChangeJson, FieldsJson, PlanJson};
use super::outlook::{self, OutlookJson};
use super::text::{clean, count, duration};
use super::turnover::{Turnover, is_people};
use crate::model::Kind;

/// The most bytes that a comment may have (65,536 characters at the best-known platform; bytes are
/// the safe side), less a little.
pub(super) const MAX_BYTES: usize = 65_000;

/// Renders a plan; when it is too long the middle is cut, and the text says what was cut.
#[must_use]
pub(super) fn plan(plan: &PlanJson) -> String {
    let head = head(plan);
    let tail = tail(plan);
    let rows: Vec<String> = plan.changes.iter().map(|c| change(c, plan)).collect();
    let room = MAX_BYTES.saturating_sub(head.len() + tail.len() + 200);
    let total: usize = rows.iter().map(String::len).sum();
    if total <= room {
        return format!("{head}{}{tail}", rows.concat());
    }
    // The beginning shows what is made, the end what is deleted; both matter more than the middle.
    let (mut first, mut last, mut used) = (0, rows.len(), 0);
    while first < last {
        let take_first = first <= rows.len() - last;
        let row = if take_first {
            &rows[first]
        } else {
            &rows[last - 1]
        };
        if used + row.len() > room {
            break;
        }
        used += row.len();
        if take_first {
            first += 1;
        } else {
            last -= 1;
        }
    }
    format!(
        "{head}{}\n> **{} of {} changes are not shown here.** `beadle plan` shows them all.\n\n{}{tail}",
        rows[..first].concat(),
        last - first,
        rows.len(),
        rows[last..].concat(),
    )
}

fn head(plan: &PlanJson) -> String {
    let mut out = format!("### {}\n\n", summary_line(&plan.summary));
    if plan.budget.calls > 0 {
        let time = match plan.budget.per_minute {
            Some(rate) => format!(", about {} at {rate}/min", duration(plan.budget.seconds)),
            None => String::new(),
        };
        let _ = writeln!(out, "Cost: {}{time}.\n", count(plan.budget.calls, "call"));
    }
    if let Some(since) = &plan.since {
        let _ = writeln!(out, "{}\n", escape(&since.sentence()));
    }
    for refusal in &plan.refusals {
        let _ = writeln!(
            out,
            "> **Refused:** {}. {}\n",
            escape(&refusal.summary),
            escape(&refusal.help)
        );
    }
    out
}

fn tail(plan: &PlanJson) -> String {
    let mut out = String::new();
    let mut list = |title: &str, lines: Vec<String>| details(&mut out, title, &lines);
    list(
        "Unread, so left alone",
        plan.unread
            .iter()
            .map(|u| format!("`{}`: {}", u.address, escape(&u.why)))
            .collect(),
    );
    list(
        "Unsettled writes",
        plan.unsettled
            .iter()
            .map(|u| format!("`{}`: {}", u.address, u.operation))
            .collect(),
    );
    list(
        "Warnings",
        plan.warnings.iter().map(|w| escape(&w.summary)).collect(),
    );
    list(
        "Bound by apply, as declared already",
        plan.binds
            .iter()
            .map(|b| format!("`{}`", b.address))
            .collect(),
    );
    list(
        "Gone and declared no more, and let go of by apply",
        plan.unbinds
            .iter()
            .map(|b| format!("`{}`", b.address))
            .collect(),
    );
    list(
        "Not declared here, and left alone",
        plan.foreign
            .iter()
            .map(|f| format!("{} (`{}`)", escape(&f.name), f.id))
            .collect(),
    );
    list(
        "Notices that are for others now",
        plan.notices
            .iter()
            .filter(|n| !plan.changes.iter().any(|c| c.address == n.address))
            .map(|n| {
                let (_, before, after) = &outlook::lines(n)[0];
                format!("`{}`: {} → {}", n.address, escape(before), escape(after))
            })
            .collect(),
    );
    let _ = writeln!(out, "\nDigest: `{}`", plan.digest);
    out
}

/// Lines that fold away, up to a bound.
pub(super) fn details(out: &mut String, title: &str, lines: &[String]) {
    const MOST: usize = 30;
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n<details><summary>{title}: {}</summary>\n",
        lines.len()
    );
    for line in lines.iter().take(MOST) {
        let line: String = line.chars().take(300).collect();
        let _ = writeln!(out, "- {line}");
    }
    if lines.len() > MOST {
        let _ = writeln!(out, "- … and {} more", lines.len() - MOST);
    }
    out.push_str("\n</details>\n");
}

/// Lines of a diff in a fence longer than any in them, so that none of them closes it.
pub(super) fn fence(out: &mut String, lines: &str) {
    let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = write!(out, "\n{fence}diff\n{lines}{fence}\n");
}

fn change(change: &ChangeJson, plan: &PlanJson) -> String {
    let symbol = match change.action.as_str() {
        "create" => "+",
        "delete" | "forget" => "-",
        _ => "!",
    };
    let place = change.tasklist.as_ref().map(|guid| {
        let label = plan.labels.get(guid).unwrap_or(guid);
        format!(" in {}", escape(label))
    });
    let name = match change.before.as_ref().and_then(|before| before.get("name")) {
        Some(serde_json::Value::String(name)) => format!(" {}", escape(name)),
        _ => String::new(),
    };
    let mut out = format!(
        "**{}** `{}`{name}{} ({})\n",
        change.action,
        change.address,
        place.unwrap_or_default(),
        change.cause
    );
    let empty = FieldsJson::new();
    let before = change.before.as_ref().unwrap_or(&empty);
    let after = change.after.as_ref().unwrap_or(&empty);
    let mut lines = String::new();
    let fields: Vec<&String> = match change.action.as_str() {
        "update" | "adopt" => change.update_fields.iter().collect(),
        "create" | "replace" => after.keys().filter(|field| *field != "tasklist").collect(),
        _ => Vec::new(),
    };
    for field in fields {
        if let (true, Some(serde_json::Value::Array(people))) = (is_people(field), after.get(field))
        {
            let was = before.get(field).and_then(serde_json::Value::as_array);
            let turnover = Turnover::between(field, was.map_or(&[], Vec::as_slice), people);
            let _ = writeln!(lines, "  {field}: {}", turnover.counts());
            for (sign, who) in [("+", &turnover.come), ("-", &turnover.gone)] {
                let named = who.iter().take(Turnover::NAMED).cloned();
                for one in named.chain(Turnover::more(who)) {
                    let _ = writeln!(lines, "{sign} {one}");
                }
            }
            continue;
        }
        if let Some(value) = before
            .get(field)
            .filter(|_| symbol == "!" && change.action != "replace")
        {
            let _ = writeln!(lines, "- {field}: {}", one_line(value, &plan.labels));
        }
        if let Some(value) = after.get(field) {
            let _ = writeln!(lines, "+ {field}: {}", one_line(value, &plan.labels));
        }
    }
    let mut notices = plan.notices.iter();
    let is_notice = change.kind == Kind::RecurringNotice.as_str();
    if let Some(outlook) = notices.find(|n| is_notice && n.address == change.address) {
        lines.push_str(&self::outlook(outlook));
    }
    if !change.because.is_empty() {
        let _ = writeln!(
            out,
            "\nBecause of the change of `{}`.",
            change.because.join("`, `")
        );
    }
    if !lines.is_empty() {
        fence(&mut out, &lines);
    }
    out.push('\n');
    out
}

/// Whom a notice reaches, and when it fires next, as lines of a diff.
fn outlook(outlook: &OutlookJson) -> String {
    let mut out = String::new();
    for (name, before, after) in outlook::lines(outlook) {
        let sides = match before == after {
            true => vec![(' ', after)],
            false => vec![('-', before), ('+', after)],
        };
        for (sign, text) in sides.iter().filter(|(_, text)| !text.is_empty()) {
            let _ = writeln!(out, "{sign} {name}: {}", clean(text));
        }
    }
    out
}

pub(super) fn one_line(value: &serde_json::Value, labels: &BTreeMap<String, String>) -> String {
    const MOST: usize = 2000;
    let item = |item: &serde_json::Value| match item {
        serde_json::Value::String(text) => labels.get(text).unwrap_or(text).clone(),
        other => other.to_string(),
    };
    let text = match value {
        serde_json::Value::Array(items) => items.iter().map(item).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let text = clean(&text);
    if text.chars().count() <= MOST {
        return text;
    }
    let cut: String = text.chars().take(MOST).collect();
    format!("{cut}… (cut)")
}

/// Keeps vendor text from being markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
