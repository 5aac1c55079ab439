//! Where pull requests are: one comment on each, kept up to date.
//!
//! It knows no plan and no manifest: a text comes in, and it stands on the pull request afterwards. The
//! one platform so far is GitHub; of the vendors' code it uses the HTTP client alone.
//!
//! Start at [`GitHub::upsert`].

mod github;

pub use github::GitHub;

use secrecy::SecretString;
use std::time::Duration;

/// What it takes to speak to GitHub.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the REST API.
    pub api: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// Who it is.
    pub token: SecretString,
    /// How long one call may take.
    pub timeout: Duration,
    /// PEM bundle that is trusted in place of the public authorities.
    pub authorities: Option<Vec<u8>>,
    /// How long after it was lost a comment may still come to light.
    pub grace: Duration,
}

/// What became of the comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// How it came to be as it should.
    pub how: How,
    /// Where it is.
    pub url: String,
}

/// How a comment came to be as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was not there.
    Created,
    /// It said something else.
    Updated,
    /// It said so already.
    Unchanged,
}

/// Why the comment is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// The settings make no sense.
    #[error("{0}")]
    Settings(String),
    /// GitHub said no, and nothing was done.
    #[error("GitHub refused to {what}: {why} (HTTP {status})")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The status.
        status: u16,
        /// GitHub's words.
        why: String,
    },
    /// There were too many calls.
    #[error("GitHub takes no more calls {until}")]
    Limited {
        /// Until when, as far as it says.
        until: String,
    },
    /// There was no answer that can be used, and nothing was done.
    #[error("GitHub could not be asked to {what}: {why}")]
    Unanswered {
        /// What was asked.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The comment may be there or not.
    #[error("whether the comment was made is not known: {why}")]
    Unknown {
        /// Why.
        why: String,
    },
}
