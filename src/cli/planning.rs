//! Makes a plan: asks the ledger, reads the vendors, compares, and dresses the result for readers.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::{Format, Selection};
use super::diagnostics;
use super::error::Failure;
use super::json::{FORMAT_VERSION, PlanJson, labels};
use super::progress::Progress;
use super::session::{Remembered, Session};
use super::ui::Ui;
use super::{human, markdown};
use crate::engine::ledger::Ledger;
use crate::engine::refresh::{Live, missing_chats, refresh};
use crate::model::diagnostic::has_errors;
use crate::model::{Address, Fields};
use crate::plan::budget::budget;
use crate::plan::diff::applied;
use crate::plan::{Choice, Inputs, Plan, Unsettled, diff};
use crate::vendors::limits::rates;

/// A plan with what it was made from.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) live: Live,
    pub(super) json: PlanJson,
}

/// What the user asked for, as it is kept in a saved plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    /// `--target`.
    targets: Vec<String>,
    /// `--exclude`.
    excludes: Vec<String>,
    /// `--adopt`.
    adopt: Vec<String>,
    /// `--allow-deletes`.
    pub(super) allow_deletes: bool,
}

impl Options {
    pub(super) fn new(selection: &Selection, adopt: &[Address], allow_deletes: bool) -> Self {
        let words = |list: &[Address]| list.iter().map(ToString::to_string).collect();
        Self {
            targets: words(&selection.targets),
            excludes: words(&selection.excludes),
            adopt: words(adopt),
            allow_deletes,
        }
    }

    /// The choice that these options make.
    pub(super) fn choice(&self) -> Result<Choice, Failure> {
        let parse = |list: &[String]| -> Result<Vec<Address>, Failure> {
            list.iter()
                .map(|text| {
                    text.parse()
                        .map_err(|e| Failure::new(format!("`{text}` is no address")).because(e))
                })
                .collect()
        };
        Ok(Choice {
            targets: parse(&self.targets)?,
            excludes: parse(&self.excludes)?,
            adopt: parse(&self.adopt)?,
            destroy: false,
        })
    }
}

/// A plan in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle saved plan")]
pub(super) struct SavedPlan {
    /// The version of this shape.
    pub(super) format_version: u32,
    /// The version of beadle that wrote it.
    beadle: String,
    /// The project that it is for.
    pub(super) project: String,
    /// When it was made, by RFC 3339.
    created_at: String,
    /// What was asked for.
    pub(super) options: Options,
    /// The plan.
    pub(super) plan: PlanJson,
}

impl SavedPlan {
    pub(super) fn new(session: &Session, options: Options, plan: PlanJson) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            beadle: env!("CARGO_PKG_VERSION").to_owned(),
            project: session.manifest.project.to_string(),
            created_at: Timestamp::now().to_string(),
            options,
            plan,
        }
    }

    /// Reads a saved plan.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::new(format!("the plan file {shown} cannot be read")).because(e)
        })?;
        let hint = "Make it anew with `beadle plan --out FILE`.";
        let version = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|v| v.get("format_version").and_then(serde_json::Value::as_u64));
        match version {
            Some(v) if v != u64::from(FORMAT_VERSION) => Err(Failure::new(format!(
                "the plan file {shown} has format {v}, this beadle reads {FORMAT_VERSION}"
            ))
            .hint(hint)),
            _ => serde_json::from_str(&text).map_err(|e| {
                Failure::new(format!("{shown} is not a saved plan"))
                    .because(e)
                    .hint(hint)
            }),
        }
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(format!(
                "the plan file {} cannot be written",
                path.display()
            ))
            .because(e)
        };
        let mut text = serde_json::to_string_pretty(self).expect("our shapes have text keys only");
        text.push('\n');
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = path.with_file_name(name);
        std::fs::write(&beside, text).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(|e| {
            let _ = std::fs::remove_file(&beside);
            failed(e)
        })
    }
}

/// Journal entries without an end, as a plan shows them.
pub(super) async fn unsettled(ledger: &dyn Ledger) -> Result<Vec<Unsettled>, Failure> {
    let entries = ledger.unsettled().await?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let lease = ledger.lease().await?;
    let now = Timestamp::now();
    Ok(entries
        .into_iter()
        .map(|entry| Unsettled {
            in_progress_by: lease
                .as_ref()
                .filter(|l| l.fence == entry.fence && !l.dead && l.expires > now)
                .map(|l| {
                    format!(
                        "{} on {} (process {})",
                        l.holder.user, l.holder.host, l.holder.pid
                    )
                }),
            address: entry.call.address,
            tasklist: entry.call.call.tasklist,
            operation: entry.call.call.operation,
            since: entry.call.opened_at.to_string(),
        })
        .collect())
}

/// Plans.
///
/// # Errors
///
/// When the ledger cannot be read, or a finding stands in the way of a plan.
pub(super) async fn make(session: &Session, choice: &Choice, ui: &Ui) -> Result<Planned, Failure> {
    let Remembered {
        bindings,
        claims,
        memory,
    } = session.remembered().await?;
    let unsettled = unsettled(session.ledger.as_ref()).await?;
    let readers = session.readers();
    let progress = Progress::new("Reading tasklists", 0);
    let live = refresh(
        &session.manifest,
        &bindings,
        choice,
        &readers,
        &|done, total| progress.set(done, total),
    )
    .await;
    drop(progress);
    let mut plan = diff(&Inputs {
        manifest: &session.manifest,
        tasklists: &live.tasklists,
        listings: &live.listings,
        bindings: &bindings,
        claims: &claims,
        unsettled: &unsettled,
        memory,
        choice,
    });
    plan.diagnostics.extend(live.diagnostics.iter().cloned());
    if has_errors(&plan.diagnostics) {
        return Err(session.findings(plan.diagnostics));
    }
    plan.diagnostics
        .extend(missing_chats(&session.manifest, &plan.changes, &readers).await);
    let warnings = diagnostics::report(&session.sources, &plan.diagnostics).diagnostics;
    let cost = budget(&plan, &rates);
    let json = PlanJson::new(
        &plan,
        &cost,
        warnings,
        labels(&session.manifest, &live.tasklists),
    );
    ui.findings(&plan.diagnostics, &session.sources);
    Ok(Planned { plan, live, json })
}

/// What the ledger will remember of each resource once it is applied.
pub(super) fn applied_values(session: &Session) -> impl Fn(&Address) -> Option<Fields> + Sync + '_ {
    let by_address: HashMap<_, _> = session
        .manifest
        .subscriptions
        .iter()
        .map(|s| (&s.address, s))
        .collect();
    move |address| by_address.get(address).map(|s| applied(s, s.fields()))
}

/// Prints a plan in the form that was asked for.
pub(super) fn print(plan: &PlanJson, ui: &Ui) {
    match ui.format() {
        Format::Json => ui.print_json(plan),
        Format::Markdown => ui.print(&markdown::plan(plan)),
        Format::Human | Format::Github => ui.print(&human::plan(plan)),
    }
}
