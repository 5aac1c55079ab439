//! A plan as Markdown for a pull request, within the platform's limit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::diagnostics::{Finding, SeverityWord};
use super::human::summary_line;
use super::inert::{block, code, ends, inert, start};
use super::json::{ChangeJson, FieldsJson, PlanJson};
use super::outlook::{self, OutlookJson};
use super::text::{clean, count, duration};
use super::turnover::{Turnover, is_people};
use crate::model::Kind;

/// The most bytes that a comment may have (65,536 characters at the best-known platform; bytes are
/// the safe side), less what stands around it.
pub(super) const MAX_BYTES: usize = 65_000;

/// The most bytes of what stands before the changes, and of a list behind them.
const MOST_BEFORE: usize = 12_000;
const MOST_OF_LIST: usize = 4_000;

/// The most bytes of one change.
const MOST_OF_CHANGE: usize = 12_000;

/// Renders a plan; when it is too long the middle is cut, and the text says what was cut.
///
/// # Guarantees
///
/// It has at most [`MAX_BYTES`], whatever is in the plan, and what vendors and files hold stays text.
#[must_use]
pub(super) fn plan(plan: &PlanJson) -> String {
    let head = head(plan);
    let tail = tail(plan);
    let rows: Vec<String> = plan.changes.iter().map(|c| change(c, plan)).collect();
    let total: usize = rows.iter().map(String::len).sum();
    let room = MAX_BYTES.saturating_sub(head.len() + tail.len());
    if total <= room {
        return format!("{head}{}{tail}", rows.concat());
    }
    // The beginning shows what is made, the end what is deleted; both matter more than the middle.
    let (first, last) = ends(&rows, room.saturating_sub(600));
    let cut = &plan.changes[first..rows.len() - last];
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for change in cut {
        *kinds.entry((&change.action, &change.kind)).or_default() += 1;
    }
    let counts = kinds.into_iter().take(12);
    let counts = counts.map(|((action, kind), n)| format!("{n} {action} {}", code(kind)));
    format!(
        "{head}{}\n> **{} of {} changes are not shown here:** {}. `beadle plan` shows them all.\n\n{}{tail}",
        rows[..first].concat(),
        cut.len(),
        rows.len(),
        counts.collect::<Vec<_>>().join(", "),
        rows[rows.len() - last..].concat(),
    )
}

/// Renders findings, as a failed command leaves them in place of a plan.
#[must_use]
pub(super) fn findings(findings: &[Finding]) -> String {
    let errors = findings
        .iter()
        .filter(|f| f.severity == SeverityWord::Error);
    let errors = errors.count();
    let mut out = format!(
        "### {}, {}\n\n",
        count(errors, "error"),
        count(findings.len() - errors, "warning")
    );
    let lines = findings.iter().map(finding).collect::<Vec<_>>();
    let (first, last) = ends(&lines, MAX_BYTES - 1_000);
    out.push_str(&lines[..first].concat());
    if first + last < lines.len() {
        let _ = writeln!(out, "- … {} are not shown here", lines.len() - first - last);
    }
    out.push_str(&lines[lines.len() - last..].concat());
    out
}

fn finding(finding: &Finding) -> String {
    let word = match finding.severity {
        SeverityWord::Error => "error",
        SeverityWord::Warning => "warning",
    };
    let place = finding.range.as_ref().map(|range| {
        let place = format!("{}:{}:{}", range.file, range.start.line, range.start.column);
        format!(" {}", code(&place))
    });
    let help = finding
        .detail
        .as_ref()
        .map(|help| format!(". {}", inert(start(help, 600))));
    format!(
        "- **{word}**{}: {}{}\n",
        place.unwrap_or_default(),
        inert(start(&finding.summary, 600)),
        help.unwrap_or_default()
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
        let _ = writeln!(out, "{}\n", inert(start(&since.sentence(), 1_000)));
    }
    if let Some(refresh) = &plan.refresh {
        let _ = writeln!(out, "{}\n", inert(&refresh.sentence()));
    }
    let refusals: Vec<String> = plan
        .refusals
        .iter()
        .map(|refusal| {
            let (summary, help) = (start(&refusal.summary, 600), start(&refusal.help, 600));
            format!("> **Refused:** {}. {}\n\n", inert(summary), inert(help))
        })
        .collect();
    let (first, last) = ends(&refusals, MOST_BEFORE - 4_000);
    out.push_str(&refusals[..first].concat());
    if first + last < refusals.len() {
        let more = refusals.len() - first - last;
        let _ = writeln!(out, "> … and {}.\n", count(more, "more refusal"));
    }
    out.push_str(&refusals[refusals.len() - last..].concat());
    out
}

fn tail(plan: &PlanJson) -> String {
    let mut out = String::new();
    let mut list = |title: &str, lines: Vec<String>| details(&mut out, title, &lines);
    let say = |text: &str| inert(start(text, 300));
    let name = |text: &str| code(start(text, 200));
    list(
        "Unread, so left alone",
        plan.unread
            .iter()
            .map(|u| format!("{}: {}", name(&u.address), say(&u.why)))
            .collect(),
    );
    list(
        "Unsettled writes",
        plan.unsettled
            .iter()
            .map(|u| format!("{}: {}", name(&u.address), say(&u.operation)))
            .collect(),
    );
    list(
        "Warnings",
        plan.warnings.iter().map(|w| say(&w.summary)).collect(),
    );
    list(
        "Bound by apply, as declared already",
        plan.binds.iter().map(|b| name(&b.address)).collect(),
    );
    list(
        "Gone and declared no more, and let go of by apply",
        plan.unbinds.iter().map(|b| name(&b.address)).collect(),
    );
    list(
        "Not declared here, and left alone",
        plan.foreign
            .iter()
            .map(|f| format!("{} ({})", say(&f.name), name(&f.id)))
            .collect(),
    );
    list(
        "Notices that are for others now",
        plan.notices
            .iter()
            .filter(|n| !plan.changes.iter().any(|c| c.address == n.address))
            .map(|n| {
                let (_, before, after) = &outlook::lines(n)[0];
                format!("{}: {} → {}", name(&n.address), say(before), say(after))
            })
            .collect(),
    );
    let _ = writeln!(out, "\nDigest: {}", code(start(&plan.digest, 100)));
    if !plan.changes.is_empty() && is_command(&plan.apply) {
        let _ = writeln!(
            out,
            "\nThis carries out what is shown here and nothing else:\n\n{}",
            block("sh", &plan.apply)
        );
    }
    out
}

/// Lines that fold away, as many from both ends as have a place.
pub(super) fn details(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let lines: Vec<_> = lines.iter().map(|line| format!("- {line}\n")).collect();
    let _ = writeln!(
        out,
        "\n<details><summary>{title}: {}</summary>\n",
        lines.len()
    );
    let (first, last) = ends(&lines, MOST_OF_LIST);
    out.push_str(&lines[..first].concat());
    if first + last < lines.len() {
        let _ = writeln!(out, "- … and {} more", lines.len() - first - last);
    }
    out.push_str(&lines[lines.len() - last..].concat());
    out.push_str("\n</details>\n");
}

/// Lines of a diff in a fence longer than any in them, so that none of them closes it.
pub(super) fn fence(out: &mut String, lines: &str) {
    out.push('\n');
    out.push_str(&block("diff", lines));
}

/// Whether a text is a command of ours, and short enough: a plan may come from a file that somebody else
/// has written, and people copy what stands here.
fn is_command(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " -_./:".contains(c);
    text.starts_with("beadle apply ") && text.len() <= 2_000 && text.chars().all(fits)
}

fn change(change: &ChangeJson, plan: &PlanJson) -> String {
    let symbol = match change.action.as_str() {
        "create" => "+",
        "delete" | "forget" => "-",
        _ => "!",
    };
    let place = change.tasklist.as_ref().map(|guid| {
        let label = plan.labels.get(guid).unwrap_or(guid);
        format!(" in {}", inert(start(label, 200)))
    });
    let name = match change.before.as_ref().and_then(|before| before.get("name")) {
        Some(serde_json::Value::String(name)) => format!(" {}", inert(start(name, 400))),
        _ => String::new(),
    };
    let mut out = format!(
        "**{}** {}{name}{} ({})\n",
        inert(start(&change.action, 20)),
        code(start(&change.address, 400)),
        place.unwrap_or_default(),
        inert(start(&change.cause, 20))
    );
    let empty = FieldsJson::new();
    let before = change.before.as_ref().unwrap_or(&empty);
    let after = change.after.as_ref().unwrap_or(&empty);
    let mut lines: Vec<String> = Vec::new();
    let fields: Vec<&String> = match change.action.as_str() {
        "update" | "adopt" => change.update_fields.iter().collect(),
        "create" | "replace" => after
            .iter()
            .filter(|(field, value)| *field != "tasklist" && !is_unsaid(change, value))
            .map(|(field, _)| field)
            .collect(),
        _ => Vec::new(),
    };
    for field in fields {
        if let (true, Some(serde_json::Value::Array(people))) = (is_people(field), after.get(field))
        {
            let was = before.get(field).and_then(serde_json::Value::as_array);
            let turnover = Turnover::between(field, was.map_or(&[], Vec::as_slice), people);
            lines.push(format!("  {field}: {}\n", turnover.counts()));
            for (sign, who) in [("+", &turnover.come), ("-", &turnover.gone)] {
                let named = who.iter().take(Turnover::NAMED).cloned();
                for one in named.chain(Turnover::more(who)) {
                    lines.push(format!("{sign} {}\n", clean(start(&one, 400))));
                }
            }
            continue;
        }
        if let Some(value) = before
            .get(field)
            .filter(|_| symbol == "!" && change.action != "replace")
        {
            lines.push(format!("- {field}: {}\n", one_line(value, &plan.labels)));
        }
        if let Some(value) = after.get(field) {
            lines.push(format!("+ {field}: {}\n", one_line(value, &plan.labels)));
        }
    }
    let mut notices = plan.notices.iter();
    let is_notice = change.kind == Kind::RecurringNotice.as_str();
    if let Some(outlook) = notices.find(|n| is_notice && n.address == change.address) {
        lines.extend(self::outlook(outlook));
    }
    if !change.because.is_empty() {
        let groups = code(start(&change.because.join(", "), 400));
        let _ = writeln!(out, "\nBecause of the change of {groups}.");
    }
    if !lines.is_empty() {
        let (first, last) = ends(&lines, MOST_OF_CHANGE - 2_000);
        let mut shown = lines[..first].concat();
        if first + last < lines.len() {
            let left = count(lines.len() - first - last, "line");
            let _ = writeln!(shown, "  … {left} more");
        }
        shown.push_str(&lines[lines.len() - last..].concat());
        fence(&mut out, &shown);
    }
    out.push('\n');
    out
}

/// Whether a value is one that the files leave out: of what is in the ledger alone.
fn is_unsaid(change: &ChangeJson, value: &serde_json::Value) -> bool {
    let kinds = [Kind::RecipientGroup, Kind::RecurringNotice];
    let is_empty = match value {
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::String(text) => text.is_empty(),
        _ => false,
    };
    is_empty && kinds.iter().any(|kind| change.kind == kind.as_str())
}

/// Whom a notice reaches, and when it fires next, as lines of a diff.
fn outlook(outlook: &OutlookJson) -> Vec<String> {
    let mut out = Vec::new();
    for (name, before, after) in outlook::lines(outlook) {
        let sides = match before == after {
            true => vec![(' ', after)],
            false => vec![('-', before), ('+', after)],
        };
        for (sign, text) in sides.iter().filter(|(_, text)| !text.is_empty()) {
            out.push(format!("{sign} {name}: {}\n", clean(start(text, 2_000))));
        }
    }
    out
}

pub(super) fn one_line(value: &serde_json::Value, labels: &BTreeMap<String, String>) -> String {
    const MOST: usize = 1000;
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

/// Keeps vendor text from being markup, as much of it as has a place in a line.
pub(super) fn escape(text: &str) -> String {
    inert(start(text, 2_000))
}
