//! The one place where an error becomes words, a hint and an exit status.

use std::error::Error;
use std::fmt;

use super::ExitStatus;
use crate::engine::ledger::LedgerError;
use crate::model::Diagnostic;

/// What a command ends with when it cannot do its work.
#[derive(Debug)]
pub struct Failure {
    summary: String,
    causes: Vec<String>,
    hint: Option<String>,
    status: ExitStatus,
    /// Findings that are the reason; rendered before the words.
    pub(super) diagnostics: Option<Findings>,
}

/// Diagnostics with the files that they point into.
pub(super) type Findings = (Vec<Diagnostic>, crate::model::diagnostic::Sources);

impl Failure {
    /// A failure in a lowercase fragment without a period.
    pub(super) fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            causes: Vec::new(),
            hint: None,
            status: ExitStatus::Failed,
            diagnostics: None,
        }
    }

    /// A command line that makes no sense.
    pub(super) fn usage(summary: impl Into<String>) -> Self {
        Self { status: ExitStatus::Usage, ..Self::new(summary) }
    }

    /// Somebody asked to stop.
    pub(super) fn interrupted() -> Self {
        Self { status: ExitStatus::Interrupted, ..Self::new("interrupted") }
    }

    /// Findings that stand in the way; they say it all.
    pub(super) fn findings(findings: Findings) -> Self {
        Self { diagnostics: Some(findings), ..Self::new("") }
    }

    /// Adds the chain of what caused it.
    pub(super) fn because(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let mut cause: Option<&dyn Error> = Some(error.as_ref());
        while let Some(error) = cause {
            let words = error.to_string();
            if self.causes.last() != Some(&words) {
                self.causes.push(words);
            }
            cause = error.source();
        }
        self
    }

    /// Adds what to do, in a sentence.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How the process ends.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    pub(super) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let hint = match &error {
            LedgerError::Held(_) => "Wait for it to end, pass `--lease-wait 5m` to wait here, or see `beadle lease show`.",
            LedgerError::LeaseLost(_) => "Another apply has taken over; run `beadle plan` to see where things stand.",
            LedgerError::Claimed { .. } => "An object has one owner: remove it from one of the two projects.",
            LedgerError::Newer { .. } => "Use the version of beadle that wrote it, or a later one.",
            LedgerError::Corrupt { .. } => "Restore a backup, or move the file away: beadle then adopts equal objects by name and asks about the rest.",
            LedgerError::ReadOnly { .. } => "Nothing was changed anywhere; give the process the right to write there.",
            LedgerError::Failed { .. } => "Nothing is known to be wrong with the vendor's side; run `beadle plan` once the ledger works.",
        };
        Failure::new("the ledger").because(error).hint(hint)
    }
}
