//! A project folder under Git, with commits made as by somebody.

use std::path::PathBuf;
use std::process::Command;

use super::project::Project;

/// A project's folder as a repository.
pub(crate) struct Repository {
    dir: PathBuf,
}

impl Repository {
    /// Makes one of a project folder and commits what is there, on the branch `main`.
    pub(crate) fn of(project: &Project) -> Repository {
        let repository = Repository {
            dir: project.path(),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit("begin");
        repository
    }

    /// Commits everything and returns the commit.
    pub(crate) fn commit(&self, words: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", words]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git there and returns what it said, trimmed.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.dir)
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([
                ("GIT_AUTHOR_NAME", "tester"),
                ("GIT_AUTHOR_EMAIL", "tester@example.com"),
                ("GIT_COMMITTER_NAME", "tester"),
                ("GIT_COMMITTER_EMAIL", "tester@example.com"),
            ])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
