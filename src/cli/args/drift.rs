//! The arguments of `drift`.

use clap::Args as ClapArgs;

use super::{Selection, Since};
use crate::plan::drift::Ignore;

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct DriftArgs {
    #[command(flatten)]
    pub(in crate::cli) selection: Selection,
    #[command(flatten)]
    pub(in crate::cli) since: Since,
    /// Let a difference be (may be repeated): ADDRESS[.FIELD][=UNTIL-DATE]
    ///
    /// Such as tasklist_subscription.release.events=2026-12-31. The date is the last day on which it holds,
    /// in UTC; from then on it is an error. A foreign object is named as drift lists it,
    /// foreign:TASKLIST/ID.
    #[arg(long = "ignore", value_name = "IGNORE")]
    pub(in crate::cli) ignores: Vec<Ignore>,
    /// End with this number when something has drifted, instead of 2
    #[arg(long, value_name = "N")]
    pub(in crate::cli) exit_code: Option<u8>,
    /// Print a diff of the project's files that would accept what is live, for `git apply`
    ///
    /// What cannot be accepted by editing a value in its place is explained on stderr.
    #[arg(long)]
    pub(in crate::cli) patch: bool,
}
