//! What makes a plan quick on a large project.

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parse_signed;

/// How much of the project is looked at.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct Since {
    /// Look only at what the files have made different since this revision of Git, and at what depends on
    /// it; changes that are not committed count, and a changed setting means everything
    ///
    /// REV is a branch, a tag or a commit, such as origin/main. The files are compared with those of the
    /// commit at which what is checked out left REV. Undeclared objects of authoritative tasklists are
    /// never deleted with it.
    #[arg(long, value_name = "REV")]
    pub(in crate::cli) changed_since: Option<String>,
}

/// What is read, and what is assumed to be as it was when it was last read.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct Refreshing {
    /// Whether to read what is live, or to assume that it is as it was when it was last read
    ///
    /// What apply and `plan --refresh auto` have read is kept in the ledger. The plan says what was read, what
    /// was assumed, and how old it is. What is to be changed is always read before it is changed.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = RefreshWhen::Always, hide_default_value = true)]
    pub(in crate::cli) refresh: RefreshWhen,
    /// With `--refresh auto`: how old what is assumed may be, such as 30m, 12h or 7d [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub(in crate::cli) max_age: Option<SignedDuration>,
}

/// When what is live is read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RefreshWhen {
    /// Read what the files change, what nothing is kept of, and what is older than --max-age; assume the rest
    Auto,
    /// Read everything; the default
    #[default]
    Always,
    /// Read nothing: what nothing is kept of is unread (`apply` reads what it is to change)
    Never,
}

/// Days are 24 hours here.
fn parse_age(text: &str) -> Result<SignedDuration, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    match days {
        Some(days) => Ok(SignedDuration::from_hours(i64::from(days) * 24)),
        None => parse_signed(text).map_err(|_| "write a time such as 30m, 12h or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_time() {
        let age = |text| parse_age(text).map(|age| age.as_secs());
        assert_eq!(age("7d"), Ok(7 * 24 * 3600));
        assert_eq!(age("1h30m"), Ok(5400));
        assert_eq!(age("0s"), Ok(0));
        for wrong in ["", "d", "-1h", "soon", "7", "-1d", "99999999999d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
