//! `drift`: what moved outside. It is given nothing that could write.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{DriftArgs, Format, Global};
use crate::cli::diagnostics::{self, Lines};
use crate::cli::drift::json::DriftJson;
use crate::cli::drift::{patch, render};
use crate::cli::error::Failure;
use crate::cli::json::labels;
use crate::cli::looking::{Compared, Looking, Opened, compare};
use crate::cli::planning;
use crate::cli::since::{Since, SinceJson};
use crate::cli::ui::Ui;
use crate::engine::snapshot::Sight;
use crate::model::diagnostic::has_errors;
use crate::model::manifest::{Manifest, TasklistTarget};
use crate::model::{Diagnostic, Span};
use crate::plan::Choice;
use crate::plan::drift::{Drift, Ignore, drift};

pub(super) async fn run(global: &Global, args: &DriftArgs, ui: &Ui) -> Result {
    if args.patch && ui.format() != Format::Human {
        return Err(Failure::usage(
            "`drift --patch` prints a diff, and takes no `--format`",
        ));
    }
    refuse_expired(&args.ignores)?;
    let since = Since::asked(global, &args.since)?;
    let opened = Opened::open(global, ui).await?;
    let status = look(&opened.looking(), global, args, since.as_ref(), ui).await;
    opened.close().await;
    status
}

/// What was to be ignored for a while is not to be ignored for ever.
fn refuse_expired(ignores: &[Ignore]) -> Result<()> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let expired: Vec<String> = ignores
        .iter()
        .filter(|ignore| ignore.is_expired(today))
        .map(|ignore| format!("`--ignore {ignore}`"))
        .collect();
    match expired.as_slice() {
        [] => Ok(()),
        expired => Err(Failure::new(format!("{} has expired", expired.join(", ")))
            .hint("Settle the difference, or give it a later day.")),
    }
}

async fn look(
    looking: &Looking<'_>,
    global: &Global,
    args: &DriftArgs,
    since: Option<&Since>,
    ui: &Ui,
) -> Result {
    let since = match since {
        Some(since) => {
            let bindings = looking.ledger.bindings().await?;
            Some(since.compare(looking.manifest, looking.sources, &bindings))
        }
        None => None,
    };
    let changed = since.as_ref().map(SinceJson::changed).transpose()?;
    let choice = Choice {
        targets: args.selection.targets.clone(),
        excludes: args.selection.excludes.clone(),
        changed: changed.flatten(),
        observe: true,
        ..Choice::default()
    };
    let mut compared = compare(looking, &choice, &Sight::live(Timestamp::now())).await?;
    let mut found = std::mem::take(&mut compared.plan.diagnostics);
    // To drift a pinned object that is gone is a difference like any other.
    found.retain(|d| d.code != "pin-gone");
    if has_errors(&found) {
        return Err(looking.findings(found));
    }
    found.append(&mut compared.people.diagnostics);
    let pauses = looking.ledger.pauses().await?;
    found.extend(planning::paused(
        looking.manifest,
        &pauses,
        Timestamp::now(),
    ));
    let mut drift = drift(&compared.plan, &compared.bindings, looking.memory);
    for unused in drift.ignore(&args.ignores) {
        found.push(
            Diagnostic::warning(
                "ignore-nothing",
                None,
                format!("`--ignore {unused}` matches nothing that has drifted"),
            )
            .help("Remove it, or correct the address; `beadle drift` lists them."),
        );
    }
    ui.findings(&found, looking.sources);
    if args.patch {
        patch::print(looking, &compared, &drift, &choice, global, ui)?;
    } else {
        print(looking, &compared, &drift, (&choice, since), &found, ui);
    }
    let status = if !drift.unread.is_empty() || drift.is_unsettled() {
        ExitStatus::Failed
    } else if drift.drifted.is_empty() {
        ExitStatus::Done
    } else {
        args.exit_code
            .map_or(ExitStatus::Differences, ExitStatus::Chosen)
    };
    Ok(status)
}

fn print(
    looking: &Looking<'_>,
    compared: &Compared,
    drift: &Drift,
    (choice, since): (&Choice, Option<SinceJson>),
    found: &[Diagnostic],
    ui: &Ui,
) {
    let places = Places::new(looking.manifest);
    let mut lines = Lines::new(looking.sources);
    let mut shape = DriftJson::new(
        drift,
        choice.into(),
        diagnostics::report(looking.sources, found).diagnostics,
        labels(
            looking.manifest,
            &compared.live.tasklists,
            &compared.bindings,
        ),
        &mut |subject| {
            places
                .of(&subject.to_string())
                .map(|span| lines.range(span))
        },
    );
    shape.since = since;
    match ui.format() {
        Format::Json => ui.print_json(&shape),
        Format::Human => ui.print(&render::human(&shape)),
        Format::Markdown => ui.print(&render::markdown(&shape)),
        Format::Github => {
            let findings = render::findings(&shape, &|address| places.of(address));
            ui.print(&diagnostics::github(
                looking.sources,
                &findings,
                ui.prefix(),
            ));
        }
    }
}

/// Where what is listed stands in the files, by its address.
struct Places(HashMap<String, Span>);

impl Places {
    fn new(manifest: &Manifest) -> Self {
        let subscriptions = manifest.subscriptions.iter().map(|s| (&s.address, s.span));
        let chats = manifest
            .managed_chats
            .values()
            .map(|c| (&c.address, c.span));
        let groups = manifest.groups.values().map(|g| (&g.address, g.span));
        let kept = manifest
            .groups
            .values()
            .flat_map(|g| g.user_groups.values());
        let kept = kept.map(|kept| (&kept.address, kept.span));
        let notices = manifest.notices.values().map(|n| (&n.address, n.span));
        let resources = subscriptions
            .chain(chats)
            .chain(groups)
            .chain(kept)
            .chain(notices)
            .map(|(address, span)| (address.to_string(), span));
        // A foreign object stands in no file; its tasklist does.
        let tasklists = manifest.tasklists.values().filter_map(|tasklist| {
            let TasklistTarget::Guid(guid) = &tasklist.target else {
                return None;
            };
            Some((format!("foreign:{guid}"), tasklist.span))
        });
        Self(resources.chain(tasklists).collect())
    }

    fn of(&self, address: &str) -> Option<Span> {
        let tasklist = || {
            address
                .starts_with("foreign:")
                .then(|| address.split('/').next())
                .flatten()
        };
        let span = self.0.get(address);
        span.or_else(|| self.0.get(tasklist()?)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expired_ignore_is_named() {
        let ignores: Vec<Ignore> = ["chat.a=2020-01-01", "chat.b", "chat.c=2021-01-01"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let failure = refuse_expired(&ignores).unwrap_err().to_string();
        assert!(failure.contains("chat.a=2020-01-01") && failure.contains("chat.c"));
        assert!(!failure.contains("chat.b"));
    }
}
