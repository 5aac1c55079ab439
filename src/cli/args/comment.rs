//! What stands on a pull request.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// Where to comment.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum CommentCommand {
    /// On a pull request at GitHub: makes one comment, and keeps to it
    ///
    /// The token is that of GITHUB_TOKEN or GH_TOKEN, the repository that of GITHUB_REPOSITORY, and it goes
    /// to GITHUB_API_URL or api.github.com. In a workflow the job needs `permissions: pull-requests: write`.
    /// The same text is added to the summary of the step, and what was found is annotated at file and line.
    Github(OnGithub),
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct OnGithub {
    /// A file that `plan --out` wrote, what `plan` or `validate` printed with `--format json`, or
    /// Markdown; `-` reads standard input
    #[arg(default_value = "-", hide_default_value = true)]
    pub(in crate::cli) file: PathBuf,
    /// The pull request; by default the one that started the workflow
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) pr: Option<u64>,
    /// Tells several comments of one project folder apart, such as `staging` and `production`
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// How long after the answer was lost to wait before the absence of a comment counts
    #[arg(long, value_name = "TIME", env = "BEADLE_SETTLE_GRACE", default_value = "5s", value_parser = super::parse_duration)]
    pub(in crate::cli) settle_grace: Duration,
}
