//! Arguments of `ledger`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use jiff::SignedDuration;

use super::{parse_duration, parse_signed};

/// What can be done with the ledger as a whole.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum LedgerCommand {
    /// Look whether it is sound: every row readable, nothing orphaned, nothing without an end
    Check,
    /// Write all that it holds into a new SQLite file; of a PostgreSQL ledger this project's rows
    Backup {
        /// The file, which must not exist
        file: PathBuf,
    },
    /// Copy this project's rows into another ledger that has none of them, and compare row for row
    ///
    /// Stop the runners first, and point `ledger:` at the new one before they start again: two ledgers
    /// that are both used send everything twice.
    Copy {
        /// Where to: sqlite:PATH or postgres://USER@HOST/DATABASE
        #[arg(long, value_name = "URL")]
        to: String,
        /// How long to wait for an apply to end
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
        lease_wait: Duration,
    },
    /// Forget calls, occurrences, look-ups and live values from long ago
    ///
    /// Bindings, what is held or open, calls without an end, and the marks that keep an instant from being
    /// sent again are never forgotten.
    Prune {
        /// How much to keep: at least 7d
        #[arg(long, value_name = "TIME", default_value = "90d", value_parser = parse_keep)]
        keep: SignedDuration,
        /// How long to wait for an apply to end
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
        lease_wait: Duration,
    },
}

/// Days are 24 hours here; what is needed today and tomorrow is never forgotten.
fn parse_keep(text: &str) -> Result<SignedDuration, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let keep = match days {
        Some(days) => SignedDuration::try_from_hours(i64::from(days) * 24),
        None => {
            Some(parse_signed(text).map_err(|_: String| "write a time such as 90d".to_owned())?)
        }
    };
    let week = SignedDuration::from_hours(7 * 24);
    keep.filter(|keep| *keep >= week)
        .ok_or_else(|| "keep at least 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_always_kept() {
        let keep = |text| parse_keep(text).map(|keep| keep.as_hours());
        assert_eq!(keep("90d"), Ok(90 * 24));
        assert_eq!(keep("168h"), Ok(168));
        for wrong in ["6d", "0d", "-90d", "1h", "", "d", "soon"] {
            assert!(keep(wrong).is_err(), "{wrong}");
        }
    }
}
