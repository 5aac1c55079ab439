//! `simulate`: what notices will do in a time, from the files alone.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, Simulate, When};
use crate::cli::diagnostics::report;
use crate::cli::error::Failure;
use crate::cli::json::FORMAT_VERSION;
use crate::cli::load::{check_notices, read_with};
use crate::cli::session::options;
use crate::cli::simulation::{self, OccurrenceJson, ReachJson, SimulatedJson, UsageJson};
use crate::cli::text::{clean, count, people};
use crate::cli::ui::Ui;
use crate::model::diagnostic::has_errors;
use crate::model::forecast::{Forecast, Forecasted, Tally};
use crate::model::group::{Known, resolve};
use crate::model::manifest::Manifest;
use crate::model::parse::{self, Secrets};
use crate::model::schedule::Event;
use crate::model::{Address, Diagnostic, Kind, audiences, closest};

/// How long is looked at when nothing is said.
const DAYS: SignedDuration = SignedDuration::from_hours(24 * 30);

/// The most that is listed.
const MOST: u64 = 1_000_000;

/// The most rows of a table in Markdown, which pull requests cut.
const MOST_ROWS: u64 = 200;

const FORMATS: [Format; 3] = [Format::Human, Format::Json, Format::Markdown];

pub(super) fn run(global: &Global, args: &Simulate, ui: &Ui) -> Result {
    super::only(ui, "simulate", &FORMATS)?;
    let options = options(global, Secrets::Skip);
    let mut loaded = read_with(&options, &|name| std::env::var(name).ok());
    parse::settle(&mut loaded.diagnostics);
    let sources = loaded.sources;
    let manifest = match loaded.manifest {
        Some(manifest) if !has_errors(&loaded.diagnostics) => manifest,
        _ => return Err(Failure::of_findings((loaded.diagnostics, sources))),
    };
    let now = Timestamp::now();
    let from = args.from.unwrap_or(When::Instant(now));
    let to = args.to.unwrap_or_else(|| from.plus(DAYS));
    let chosen = choose(&manifest, &args.addresses)?;
    let known = Known::new();
    let resolution = resolve(&manifest.groups, &known)
        .map_err(|why| Failure::new("the groups cannot be worked out").because(why))?;
    let mut audiences = audiences(&manifest, &resolution);
    let notices: Vec<_> = manifest
        .notices
        .values()
        .filter(|notice| notice.enabled)
        .map(|notice| Forecasted {
            notice,
            audience: audiences.of(notice.to.keys(), &notice.via),
        })
        .collect();
    let mut range = Vec::with_capacity(notices.len());
    for one in &notices {
        let zone = one.notice.schedule.zone();
        let (from, to) = (from.at(zone), to.at(zone));
        if to <= from {
            return Err(Failure::usage("`--to` is not after `--from`"));
        }
        range.push((one.notice, from, to));
    }
    for off in manifest.notices.values().filter(|notice| !notice.enabled) {
        if chosen.contains(&&off.address) {
            ui.say(&format!("{} is off, so it fires nothing.", off.address));
        }
    }

    let reached: Vec<_> = notices.iter().map(simulation::reached).collect();
    let mut tally = Tally::new(&manifest, &notices, usize::MAX);
    let mut list = List::begin(ui, from, to);
    let mut found = loaded.diagnostics;
    for occurrence in Forecast::new(range, true) {
        let of = &notices[occurrence.notice];
        if let Event::Fires(firing) = &occurrence.event {
            tally.fires(occurrence.notice, firing);
        }
        if !chosen.contains(&&of.notice.address) {
            continue;
        }
        if list.summary.occurrences == MOST {
            tally.cut();
            let summary =
                format!("there are more than {MOST} occurrences, and the rest is not listed");
            found.push(
                Diagnostic::error("too-many-occurrences", None, summary)
                    .help("Choose a shorter time, or name the notices."),
            );
            break;
        }
        list.add(simulation::occurrence(
            of,
            &reached[occurrence.notice],
            &occurrence,
            &mut found,
        ));
    }
    let (hit, usage) = tally.finish();
    let at_once = check_notices(&manifest, now, options.world);
    for one in at_once {
        if !found
            .iter()
            .any(|d| (d.code, d.span) == (one.code, one.span))
        {
            found.push(one);
        }
    }
    found.extend(hit);
    let is_chosen = |found: &Diagnostic| {
        let address = found.address.as_ref();
        let address = address.filter(|address| address.kind == Kind::RecurringNotice);
        address.is_none_or(|address| chosen.contains(&address))
    };
    found.retain(is_chosen);
    parse::settle(&mut found);
    let failed = has_errors(&found);
    let usage: Vec<_> = usage.iter().map(UsageJson::from).collect();
    let unresolved: usize = {
        let all = reached.iter().flatten();
        all.map(|reach| reach.unresolved).max().unwrap_or(0)
    };
    ui.findings(&found, &sources);
    list.end(&report(&sources, &found).diagnostics, &usage, unresolved);
    Ok(if failed {
        ExitStatus::Failed
    } else {
        ExitStatus::Done
    })
}

/// The notices that are listed; all where none is named.
fn choose<'m>(manifest: &'m Manifest, named: &[Address]) -> Result<Vec<&'m Address>> {
    let all = manifest.notices.values().map(|notice| &notice.address);
    if named.is_empty() {
        return Ok(all.collect());
    }
    let find = |address: &Address| {
        let mut known = all.clone();
        known.find(|known| *known == address).ok_or_else(|| {
            let texts: Vec<String> = all.clone().map(ToString::to_string).collect();
            let best = closest(&address.to_string(), texts.iter().map(String::as_str));
            let failure = Failure::new(format!("there is no notice `{address}`"));
            match best {
                Some(best) => failure.hint(format!("Did you mean `{best}`?")),
                None => failure.hint("Write it as in `recurring_notice.weekly-review`."),
            }
        })
    };
    named.iter().map(find).collect()
}

/// The list as it is printed: an occurrence at a time, however many there are.
struct List<'u> {
    ui: &'u Ui,
    summary: SimulatedJson,
}

impl<'u> List<'u> {
    fn begin(ui: &'u Ui, from: When, to: When) -> Self {
        match ui.format() {
            Format::Json => ui.print(&format!(
                "{{\"format_version\":{FORMAT_VERSION},\"from\":\"{from}\",\"to\":\"{to}\",\"occurrences\":["
            )),
            Format::Markdown => ui.print(&format!(
                "### What notices do from {from} to {to}\n\n| local time | notice | outcome | to | why |\n|---|---|---|---|---|\n"
            )),
            Format::Human | Format::Github => {}
        }
        Self {
            ui,
            summary: SimulatedJson::default(),
        }
    }

    fn add(&mut self, occurrence: OccurrenceJson) {
        let first = self.summary.occurrences == 0;
        self.summary.add(&occurrence);
        let local = occurrence.local.replace('T', " ");
        let local = local.strip_suffix(":00").unwrap_or(&local);
        match self.ui.format() {
            Format::Json => {
                let comma = if first { "" } else { "," };
                self.ui.print(&format!("{comma}\n{}", line(&occurrence)));
            }
            Format::Markdown => {
                if self.summary.occurrences <= MOST_ROWS {
                    let why = occurrence.reason.as_deref().unwrap_or_default();
                    self.ui.print(&format!(
                        "| {local} {} | `{}` | {} | {} | {} |\n",
                        occurrence.timezone,
                        occurrence.address,
                        occurrence.outcome,
                        to(&occurrence.deliveries).join("; "),
                        clean(why).replace('|', "\\|"),
                    ));
                }
            }
            Format::Human | Format::Github => {
                let mut parts = vec![
                    format!("{local} {}", occurrence.timezone),
                    occurrence.address,
                    occurrence.outcome,
                ];
                let to = to(&occurrence.deliveries).join("; ");
                parts.extend((!to.is_empty()).then_some(to));
                parts.extend(occurrence.reason.map(|why| format!("({})", clean(&why))));
                self.ui.print(&format!("{}\n", parts.join("  ")));
            }
        }
    }

    fn end(self, findings: &[impl Serialize], usage: &[UsageJson], unresolved: usize) {
        let summary = self.summary;
        let used = usage.iter().map(|used| {
            let mut line = format!(
                "{} in {}: {} to send",
                used.provider,
                used.month,
                count(usize::try_from(used.calls).unwrap_or(usize::MAX), "call")
            );
            if let Some(allowance) = used.allowance {
                let all = used.calls + used.follow_calls;
                if used.follow_calls > 0 {
                    line.push_str(&format!(", {} that may follow", used.follow_calls));
                }
                line.push_str(&format!(": {all} of {allowance} a month"));
            }
            line
        });
        let mut told: Vec<String> = used.collect();
        if unresolved > 0 {
            told.push("An e-mail address or number counts as one person; `beadle validate --online` looks them up.".to_owned());
        }
        let mut outcomes = Vec::new();
        for (n, word) in [
            (summary.sent, "sent"),
            (summary.skipped, "skipped"),
            (summary.refused, "refused"),
        ] {
            outcomes.extend((n > 0).then(|| format!("{n} {word}")));
        }
        let of = count(
            usize::try_from(summary.occurrences).unwrap_or(usize::MAX),
            "occurrence",
        );
        let last = match outcomes.is_empty() {
            true => format!("Simulated: {of}."),
            false => format!("Simulated: {of}: {}.", outcomes.join(", ")),
        };
        match self.ui.format() {
            Format::Json => self.ui.print(&format!(
                "\n],\"findings\":{},\"usage\":{},\"summary\":{}}}\n",
                line(&findings),
                line(&usage),
                line(&summary)
            )),
            Format::Markdown => {
                let mut text = String::new();
                if summary.occurrences > MOST_ROWS {
                    text.push_str(&format!(
                        "\n… and {} more.\n",
                        summary.occurrences - MOST_ROWS
                    ));
                }
                text.push('\n');
                for line in &told {
                    text.push_str(&format!("- {line}\n"));
                }
                text.push_str(&format!("\n{last}\n"));
                self.ui.print(&text);
            }
            Format::Human | Format::Github => {
                let mut text = String::new();
                if summary.occurrences > 0 && !told.is_empty() {
                    text.push('\n');
                }
                for line in &told {
                    text.push_str(&format!("{line}\n"));
                }
                text.push_str(&format!("{last}\n"));
                self.ui.print(&text);
            }
        }
    }
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our shapes have text keys only")
}

/// Whom it goes to, a few words a provider.
fn to(deliveries: &[ReachJson]) -> Vec<String> {
    let words = |reach: &ReachJson| {
        let calls = usize::try_from(reach.calls).unwrap_or(usize::MAX);
        format!(
            "{}: {}, {}",
            reach.provider,
            whom(reach),
            count(calls, "call")
        )
    };
    deliveries.iter().map(words).collect()
}

/// Whom it goes to at one provider.
pub(in crate::cli) fn whom(reach: &ReachJson) -> String {
    let mut parts = Vec::new();
    if reach.everyone {
        parts.push("everyone".to_owned());
    }
    if reach.people > 0 {
        parts.push(people(reach.people));
    }
    if reach.departments > 0 {
        parts.push(count(reach.departments, "department"));
    }
    if reach.chats > 0 {
        parts.push(count(reach.chats, "chat"));
    }
    match parts.is_empty() {
        true => "nobody".to_owned(),
        false => parts.join(", "),
    }
}
