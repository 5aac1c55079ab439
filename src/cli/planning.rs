//! Makes a plan: asks the ledger, reads the vendors, compares, and dresses the result for readers.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::{Format, Permissions, Selection};
use super::clock;
use super::diagnostics;
use super::error::Failure;
use super::json::{ChangeJson, FORMAT_VERSION, PlanJson, RefusalJson, digest, labels};
use super::looking::{Compared, compare};
use super::refreshing::{self, RefreshJson, RefreshOption};
use super::session::Session;
use super::since::{Since, SinceJson};
use super::ui::Ui;
use super::{human, markdown};
use crate::engine::afterwards::Pause;
use crate::engine::ledger::LookUp;
use crate::engine::refresh::{Live, missing_chats};
use crate::engine::snapshot::{Refresh, Sight};
use crate::engine::view::View;
use crate::model::diagnostic::has_errors;
use crate::model::manifest::{Manifest, Provider};
use crate::model::{Address, Diagnostic, Fields};
use crate::plan::budget::budget;
use crate::plan::diff::{applied, applied_kept};
use crate::plan::outlook::outlooks;
use crate::plan::{Choice, Plan, Unsettled};
use crate::vendors::limits::rates;

/// A plan with what it was made from.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) live: Live,
    /// Who was looked up for it.
    pub(super) look_ups: Vec<LookUp>,
    pub(super) json: PlanJson,
    /// What of the live side was read, and what was assumed.
    pub(super) sight: Arc<Sight>,
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
    /// `--recreate`.
    #[serde(default)]
    recreate: Vec<String>,
    /// What `--changed-since` left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<SinceJson>,
    /// `--refresh` and `--max-age`; null where everything is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh: Option<RefreshOption>,
    /// `--allow-deletes`.
    pub(super) allow_deletes: bool,
    /// `--allow-member-changes`.
    #[serde(default)]
    pub(super) allow_member_changes: bool,
}

impl Options {
    pub(super) fn new(selection: &Selection, permissions: &Permissions) -> Self {
        let words = |list: &[Address]| list.iter().map(ToString::to_string).collect();
        Self {
            targets: words(&selection.targets),
            excludes: words(&selection.excludes),
            adopt: words(&permissions.adopt),
            recreate: words(&permissions.recreate),
            since: None,
            refresh: None,
            allow_deletes: permissions.allow_deletes,
            allow_member_changes: permissions.allow_member_changes,
        }
    }

    /// Narrows them to what has changed since a revision.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub(super) async fn narrow(
        &mut self,
        since: Option<&Since>,
        session: &Session,
    ) -> Result<(), Failure> {
        if let Some(since) = since {
            let bindings = session.ledger.bindings().await?;
            let (manifest, sources) = (&session.manifest, &session.sources);
            self.since = Some(since.compare(manifest, sources, &bindings));
        }
        Ok(())
    }

    /// Has a plan say what of the project and of the live side was looked at.
    pub(super) fn tell(&self, planned: &mut Planned) {
        planned.json.since = self.since.clone();
        let tell = |asked| RefreshJson::new(asked, &planned.sight, clock::now());
        planned.json.refresh = self.refresh.map(tell);
    }

    /// The command that applies a plan of these options and this digest, and no other.
    pub(super) fn command(&self, digest: &str) -> String {
        let mut command = format!("beadle apply --auto-approve --expect {digest}");
        let lists = [
            ("--target", &self.targets),
            ("--exclude", &self.excludes),
            ("--adopt", &self.adopt),
            ("--recreate", &self.recreate),
        ];
        for (flag, list) in lists {
            for address in list {
                let _ = write!(command, " {flag} {address}");
            }
        }
        // The commit stays where it is; a branch goes on.
        let since = self.since.as_ref().filter(|s| s.everything.is_none());
        if let Some(since) = since {
            let _ = write!(command, " --changed-since {}", since.commit);
        }
        command.extend(self.refresh.map(RefreshOption::flags));
        for (flag, is_given) in [
            ("--allow-deletes", self.allow_deletes),
            ("--allow-member-changes", self.allow_member_changes),
        ] {
            if is_given {
                let _ = write!(command, " {flag}");
            }
        }
        command
    }

    /// Drops the refusals that these options lift.
    pub(super) fn lift(&self, refusals: &mut Vec<RefusalJson>) {
        refusals.retain(|refusal| match refusal.flag.as_deref() {
            Some("--allow-deletes") => !self.allow_deletes,
            Some("--allow-member-changes") => !self.allow_member_changes,
            _ => true,
        });
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
            recreate: parse(&self.recreate)?,
            changed: match &self.since {
                Some(since) => since.changed()?,
                None => None,
            },
            ..Choice::default()
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
    /// Whom it is for: each provider's address and app, so that a rehearsal is not carried out.
    providers: BTreeMap<String, String>,
    /// The plan.
    pub(super) plan: PlanJson,
}

impl SavedPlan {
    pub(super) fn new(session: &Session, options: Options, plan: PlanJson) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            beadle: env!("CARGO_PKG_VERSION").to_owned(),
            project: session.manifest.project.to_string(),
            created_at: clock::now().to_string(),
            options,
            providers: whom(session),
            plan,
        }
    }

    /// Why this plan is not for that session, if it is not.
    pub(super) fn is_foreign_to(&self, session: &Session) -> Option<String> {
        let here = session.manifest.project.as_str();
        if self.project != here {
            return Some(format!(
                "the plan file is for project `{}`, and this is `{here}`",
                self.project
            ));
        }
        let now = whom(session);
        let differs = |(key, was): &(&String, &String)| now.get(*key) != Some(*was);
        self.providers.iter().find(differs).map(|(key, was)| {
            let is = now.get(key).map_or("not there", String::as_str);
            format!("the plan file was made with provider `{key}` as {was}, and here it is {is}")
        })
    }

    /// Reads a saved plan.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::new(format!("the plan file {shown} cannot be read"))
                .because(e)
                .hint("`beadle plan --out FILE` writes one.")
        })?;
        Self::parse(&text, &shown.to_string())
    }

    /// Reads the text of a saved plan.
    pub(super) fn parse(text: &str, shown: &str) -> Result<Self, Failure> {
        let hint = "Make it anew with `beadle plan --out FILE`.";
        let version = serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .and_then(|v| v.get("format_version").and_then(serde_json::Value::as_u64));
        match version {
            Some(v) if v != u64::from(FORMAT_VERSION) => {
                let summary = format!(
                    "the plan file {shown} has format {v}, this beadle reads {FORMAT_VERSION}"
                );
                return Err(Failure::new(summary).hint(hint));
            }
            _ => {}
        }
        let saved: Self = serde_json::from_str(text).map_err(|e| {
            Failure::new(format!("{shown} is not a saved plan"))
                .because(e)
                .hint(hint)
        })?;
        if saved.plan.digest == digest(&saved.plan.changes) {
            Ok(saved)
        } else {
            Err(Failure::new(format!(
                "{shown} was edited: its digest is not that of its changes"
            ))
            .hint(hint))
        }
    }

    /// Writes it, whole or not at all, and over nothing but another saved plan.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        if path.exists() && !is_saved_plan(path) {
            return Err(
                Failure::new(format!("{} is there and is no saved plan", path.display()))
                    .hint("Give `--out` another name, or remove the file."),
            );
        }
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
        write_private(&beside, &text).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(|e| {
            let _ = std::fs::remove_file(&beside);
            failed(e)
        })
    }
}

/// Writes a file for its owner alone: a plan names people.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn is_saved_plan(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    value.get("format_version").is_some() && value.get("plan").is_some()
}

/// Each provider's address and app. The sandbox of a command listens elsewhere each time.
fn whom(session: &Session) -> BTreeMap<String, String> {
    let words = |provider: &Provider| {
        if session.is_sandboxed() {
            "the sandbox".to_owned()
        } else {
            format!("app {} at {}", provider.app, provider.base_url)
        }
    };
    let providers = session.manifest.providers.iter();
    providers
        .map(|(key, provider)| (key.to_string(), words(provider)))
        .collect()
}

/// What two plans do not have in common, in a few words.
pub(super) fn difference(saved: &PlanJson, now: &PlanJson) -> String {
    const MOST: usize = 5;
    let line = |change: &ChangeJson| format!("{} {}", change.action, change.address);
    let mut words = Vec::new();
    for change in &saved.changes {
        match now
            .changes
            .iter()
            .find(|c| c.address == change.address && c.action == change.action)
        {
            None => words.push(format!("`{}` is not planned now", line(change))),
            Some(other) if other != change => {
                words.push(format!("`{}` has other values now", line(change)))
            }
            Some(_) => {}
        }
    }
    for change in &now.changes {
        if !saved
            .changes
            .iter()
            .any(|c| c.address == change.address && c.action == change.action)
        {
            words.push(format!("`{}` was not planned then", line(change)));
        }
    }
    if words.is_empty() {
        words.push("their order or digest".to_owned());
    }
    let more = words.len().saturating_sub(MOST);
    words.truncate(MOST);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// Journal entries without an end, as a plan shows them.
pub(super) async fn unsettled(ledger: &View) -> Result<Vec<Unsettled>, Failure> {
    let entries = ledger.unsettled().await?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let lease = ledger.lease().await?;
    let now = clock::now();
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
            collection: entry.call.call.collection,
            operation: entry.call.call.operation,
            since: entry
                .call
                .opened_at
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
        })
        .collect())
}

/// Plans.
///
/// # Errors
///
/// When the ledger cannot be read, or a finding stands in the way of a plan.
pub(super) async fn make(
    session: &Session,
    choice: &Choice,
    refresh: Refresh,
    ui: &Ui,
) -> Result<Planned, Failure> {
    let looking = session.looking();
    let refresh = match refresh {
        // What the files change is what is looked at, and is read.
        Refresh::Auto(_) if choice.changed.is_some() => Refresh::Always,
        other => other,
    };
    let sight = refreshing::sight(session, refresh).await?;
    let Compared {
        mut plan,
        live,
        mut people,
        bindings,
        ..
    } = compare(&looking, choice, &sight).await?;
    if has_errors(&plan.diagnostics) {
        return Err(session.findings(plan.diagnostics));
    }
    let (manifest, directories) = (&session.manifest, &session.directories);
    let now = clock::now();
    let new = match sight.asks() {
        true => people.check_new(manifest, &plan.changes, directories).await,
        false => Vec::new(),
    };
    plan.diagnostics.append(&mut people.diagnostics);
    plan.diagnostics.extend(new);
    if sight.asks() {
        let missing = missing_chats(manifest, &plan.changes, &looking.readers);
        plan.diagnostics.extend(missing.await);
    }
    let pauses = looking.ledger.pauses().await?;
    plan.diagnostics.extend(paused(manifest, &pauses, now));
    let vendors = manifest.providers.iter();
    let vendors = vendors.map(|(name, provider)| (name.clone(), provider.vendor));
    plan.outlooks = outlooks(&plan, &bindings, &vendors.collect(), now);
    let warnings = diagnostics::report(&session.sources, &plan.diagnostics).diagnostics;
    let cost = budget(&plan, &rates);
    let json = PlanJson::new(
        &plan,
        choice.into(),
        &cost,
        warnings,
        labels(&session.manifest, &live.tasklists, &bindings),
    );
    ui.findings(&plan.diagnostics, &session.sources);
    Ok(Planned {
        plan,
        live,
        look_ups: people.fresh,
        json,
        sight,
    })
}

/// The notices that somebody has stopped for a while, which no plan changes.
pub(super) fn paused(manifest: &Manifest, pauses: &[Pause], now: Timestamp) -> Vec<Diagnostic> {
    let lasting = pauses.iter().filter(|pause| pause.covers(now));
    lasting
        .filter_map(|pause| {
            let notice = manifest.notices.get(&pause.notice.name)?;
            let until = match pause.until {
                Some(until) => format!("until {until}"),
                None => "until it is resumed".to_owned(),
            };
            let summary = format!("{} is paused {until}, whatever is applied", pause.notice);
            let help = format!("`beadle notice resume {}` ends it.", pause.notice);
            let warning = Diagnostic::warning("paused", notice.span, summary).help(help);
            Some(warning.address(pause.notice.clone()))
        })
        .collect()
}

/// What the ledger will remember of each resource once it is applied.
pub(super) fn applied_values<'a>(
    session: &'a Session,
    live: &Live,
) -> impl Fn(&Address) -> Option<Fields> + Sync + 'a {
    let kept = applied_kept(&session.manifest, &live.kept.rosters);
    let by_address: HashMap<_, _> = session
        .manifest
        .subscriptions
        .iter()
        .map(|s| (&s.address, s))
        .collect();
    move |address| match by_address.get(address) {
        Some(subscription) => Some(applied(subscription, subscription.fields())),
        None => kept.get(address).cloned(),
    }
}

/// Prints a plan in the form that was asked for.
pub(super) fn print(plan: &PlanJson, ui: &Ui) {
    match ui.format() {
        Format::Json => ui.print_json(plan),
        Format::Markdown => ui.print(&markdown::plan(plan)),
        Format::Human | Format::Github => ui.print(&human::plan(plan)),
    }
}
