//! What makes a plan quick on a large project.

use clap::Args;

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
