//! The one place where an error becomes words, a hint and an exit status.

use std::error::Error;
use std::fmt;

use super::ExitStatus;
use crate::engine::ledger::LedgerError;
use crate::model::Diagnostic;

/// What a command ends with when it cannot do its work.
#[derive(Debug)]
pub struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    /// What went wrong, and the chain of what caused it.
    error: anyhow::Error,
    hint: Option<String>,
    status: ExitStatus,
    /// Findings that are the reason; they say it all.
    findings: Option<Findings>,
}

/// Diagnostics with the files that they point into.
pub(super) type Findings = (Vec<Diagnostic>, crate::model::diagnostic::Sources);

impl Failure {
    /// A failure in a lowercase fragment without a period.
    pub(super) fn new(summary: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            error: anyhow::Error::msg(summary.into()),
            hint: None,
            status: ExitStatus::Failed,
            findings: None,
        }))
    }

    /// A command line that makes no sense.
    pub(super) fn usage(summary: impl Into<String>) -> Self {
        let mut failure = Self::new(summary);
        failure.0.status = ExitStatus::Usage;
        failure
    }

    /// Somebody asked to stop.
    pub(super) fn interrupted() -> Self {
        let mut failure = Self::new("interrupted");
        failure.0.status = ExitStatus::Interrupted;
        failure
    }

    /// Findings that stand in the way; they say it all.
    pub(super) fn of_findings(findings: Findings) -> Self {
        let mut failure = Self::new("");
        failure.0.findings = Some(findings);
        failure
    }

    /// The findings that are the reason, if they are.
    pub(super) fn findings(&self) -> Option<&Findings> {
        self.0.findings.as_ref()
    }

    /// Adds the chain of what caused it.
    pub(super) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        let summary = self.0.error.to_string();
        self.0.error = anyhow::Error::new(cause).context(summary);
        self
    }

    /// Adds what to do, in a sentence.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// How the process ends.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.0.status
    }

    pub(super) fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0.error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let hint = match &error {
            LedgerError::Held(_) => {
                "Wait for it to end, pass `--lease-wait 5m` to wait here, or see `beadle lease show`."
            }
            LedgerError::LeaseLost(_) => {
                "Another apply has taken over; run `beadle plan` to see where things stand."
            }
            LedgerError::Claimed { .. } => {
                "An object has one owner: remove it from one of the two projects."
            }
            LedgerError::Holds { .. } => {
                "A copy arrives whole or not at all. Point `ledger:` there if it is a copy of yours that has been used since; else name another place."
            }
            LedgerError::Newer { .. } => "Use the version of beadle that wrote it, or a later one.",
            LedgerError::Corrupt { .. } => {
                "Restore a backup, or move the file away: beadle then adopts equal objects by name and asks about the rest."
            }
            LedgerError::ReadOnly { .. } => {
                "Nothing was changed anywhere; give the process the right to write there."
            }
            LedgerError::Away { .. } => {
                "Check that the server runs, that this machine reaches it, `sslmode` and `sslrootcert`, and the password (`PGPASSWORD` or a password file); nothing was begun that is not written down."
            }
            LedgerError::Failed { .. } => {
                "Nothing is known to be wrong with the vendor's side; run `beadle plan` once the ledger works."
            }
        };
        Failure::new("the ledger").because(error).hint(hint)
    }
}
