//! What `doctor` found, as published JSON and as lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::FORMAT_VERSION;
use super::text::clean;

/// `doctor --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle doctor")]
pub struct CheckupJson {
    /// The version of this shape.
    pub format_version: u32,
    /// What was looked at, in the order in which things depend on each other.
    pub checks: Vec<CheckJson>,
    /// How many of each.
    pub summary: CheckupSummaryJson,
}

/// One thing that was looked at, or could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckJson {
    /// A stable name of the check, such as `credentials`.
    pub check: String,
    /// What it was done to, such as a provider or a tasklist; null where there is only one.
    pub subject: Option<String>,
    /// How it stands.
    pub status: StandingJson,
    /// What was found.
    pub summary: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// How a checked thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StandingJson {
    /// As it should be.
    Ok,
    /// It works, and will not for long or not for all.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be looked at; the summary says why.
    Unchecked,
}

/// How many checks stand how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckupSummaryJson {
    /// As it should be.
    pub ok: usize,
    /// Works, and will not for long or not for all.
    pub warning: usize,
    /// Does not work.
    pub failed: usize,
    /// Could not be looked at.
    pub unchecked: usize,
}

/// Collects what is found.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkup {
    checks: Vec<CheckJson>,
}

impl Checkup {
    pub(super) fn ok(&mut self, check: &str, subject: Option<&str>, summary: impl Into<String>) {
        self.push(check, subject, StandingJson::Ok, summary.into(), None);
    }

    pub(super) fn unchecked(&mut self, check: &str, subject: Option<&str>, why: impl Into<String>) {
        self.push(check, subject, StandingJson::Unchecked, why.into(), None);
    }

    pub(super) fn warning(
        &mut self,
        check: &str,
        subject: Option<&str>,
        summary: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = Some(help.into());
        self.push(check, subject, StandingJson::Warning, summary.into(), help);
    }

    pub(super) fn failed(
        &mut self,
        check: &str,
        subject: Option<&str>,
        summary: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = Some(help.into());
        self.push(check, subject, StandingJson::Failed, summary.into(), help);
    }

    fn push(
        &mut self,
        check: &str,
        subject: Option<&str>,
        status: StandingJson,
        summary: String,
        help: Option<String>,
    ) {
        self.checks.push(CheckJson {
            check: check.to_owned(),
            subject: subject.map(str::to_owned),
            status,
            summary,
            help,
        });
    }

    /// Whether anything does not work.
    pub(super) fn has_failed(&self) -> bool {
        self.checks.iter().any(|c| c.status == StandingJson::Failed)
    }

    pub(super) fn json(self) -> CheckupJson {
        let mut summary = CheckupSummaryJson::default();
        for check in &self.checks {
            *match check.status {
                StandingJson::Ok => &mut summary.ok,
                StandingJson::Warning => &mut summary.warning,
                StandingJson::Failed => &mut summary.failed,
                StandingJson::Unchecked => &mut summary.unchecked,
            } += 1;
        }
        CheckupJson {
            format_version: FORMAT_VERSION,
            checks: self.checks,
            summary,
        }
    }
}

impl CheckupJson {
    /// A line a check, what to do below it, and the counts.
    pub(super) fn human(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let word = match check.status {
                StandingJson::Ok => "ok",
                StandingJson::Warning => "warning",
                StandingJson::Failed => "failed",
                StandingJson::Unchecked => "unchecked",
            };
            let of = match &check.subject {
                Some(subject) => format!(" of {}", clean(subject)),
                None => String::new(),
            };
            let (name, summary) = (&check.check, clean(&check.summary));
            text.push_str(&format!("{word:<9}  {name}{of}: {summary}\n"));
            if let Some(help) = &check.help {
                text.push_str(&format!("           {}\n", clean(help)));
            }
        }
        let CheckupSummaryJson {
            ok,
            warning,
            failed,
            unchecked,
        } = self.summary;
        let warnings = if warning == 1 { "warning" } else { "warnings" };
        text.push_str(&format!(
            "Doctor: {ok} ok, {warning} {warnings}, {failed} failed, {unchecked} unchecked.\n"
        ));
        text
    }
}
