//! The project folder as Git remembers it: a revision, and the files that it had.
//!
//! It runs the `git` binary without a shell, and only to look. Blobs are read as they are stored: no
//! filter, no text conversion, nothing that a repository's attributes could start.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use super::error::Failure;
use super::text::clean;

/// The point in history that a project is compared with.
#[derive(Debug)]
pub(super) struct Base {
    dir: PathBuf,
    /// The commit.
    pub(super) commit: String,
    /// The outermost folder of the repository.
    top: PathBuf,
}

/// A file as a commit has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Whether it is a file, and no link or repository of its own.
    pub(super) is_file: bool,
    /// Its blob.
    pub(super) blob: String,
}

const FETCH: &str = "This clone does not have the whole history: fetch it with `fetch-depth: 0` in CI, or `git fetch --unshallow`.";

impl Base {
    /// Finds where the history of what is checked out left that of a revision.
    ///
    /// # Errors
    ///
    /// When there is no `git`, the folder is in no working tree, or the revision is not known there.
    pub(super) fn find(dir: &Path, revision: &str) -> Result<Self, Failure> {
        // What begins with a dash is an option to git, and such a name no revision can have.
        if revision.is_empty() || revision.starts_with('-') {
            return Err(Failure::usage(format!(
                "`--changed-since` takes a revision, and `{}` is none",
                clean(revision)
            ))
            .hint("Name a branch, a tag or a commit, such as `origin/main`."));
        }
        let asked = run(
            dir,
            &[
                "rev-parse",
                "--is-inside-work-tree",
                "--is-shallow-repository",
                "--show-toplevel",
            ],
        )?;
        let told = text(&asked);
        let mut lines = told.lines();
        let (Some("true"), Some(shallow), Some(top), true) = (
            lines.next(),
            lines.next(),
            lines.next(),
            asked.status.success(),
        ) else {
            return Err(Failure::new(format!(
                "the folder `{}` is in no working tree of Git{}",
                dir.display(),
                because(&asked)
            ))
            .hint("Run it in a clone, or plan without `--changed-since`."));
        };
        let is_shallow = shallow == "true";
        let unknown = |summary: String| {
            let failure = Failure::new(summary);
            if is_shallow {
                failure.hint(FETCH)
            } else {
                failure.hint("Check its name, or fetch it first: `git fetch origin`.")
            }
        };
        let Some(there) = commit(dir, revision)? else {
            return Err(unknown(format!(
                "Git knows no revision `{}`",
                clean(revision)
            )));
        };
        // A branch without a commit has left nothing.
        let commit = match commit(dir, "HEAD")? {
            None => there,
            Some(head) => {
                let found = run(dir, &["merge-base", &there, &head])?;
                match id(&found) {
                    Some(base) => base,
                    None => {
                        return Err(unknown(format!(
                            "what is checked out and `{}` have no commit in common",
                            clean(revision)
                        )));
                    }
                }
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            commit,
            top: PathBuf::from(top),
        })
    }

    /// Every file of the project folder as it was, by its path in there.
    pub(super) fn files(&self) -> Result<BTreeMap<String, Entry>, Failure> {
        let listed = run(&self.dir, &["ls-tree", "-r", "-z", &self.commit])?;
        if !listed.status.success() {
            return Err(Failure::new(format!(
                "Git cannot list the files of {}{}",
                self.commit,
                because(&listed)
            )));
        }
        let entries = listed.stdout.split(|byte| *byte == 0);
        // What is no UTF-8 can be no file of ours.
        let entries = entries.filter_map(|entry| {
            let (meta, path) = std::str::from_utf8(entry).ok()?.split_once('\t')?;
            let mut parts = meta.split(' ');
            let (mode, kind, blob) = (parts.next()?, parts.next()?, parts.next()?);
            let is_file = kind == "blob" && mode.starts_with("100");
            let blob = blob.to_owned();
            Some((path.to_owned(), Entry { is_file, blob }))
        });
        Ok(entries.collect())
    }

    /// A file outside of the project folder as it was: `Ok(None)` when the repository does not reach it,
    /// `Ok(Some(None))` when it was not there.
    pub(super) fn elsewhere(&self, path: &Path) -> Result<Option<Option<String>>, Failure> {
        let full = path.canonicalize().ok();
        let top = self.top.canonicalize().ok();
        let inside = full
            .as_deref()
            .zip(top.as_deref())
            .and_then(|(full, top)| full.strip_prefix(top).ok())
            .and_then(Path::to_str);
        let Some(inside) = inside else {
            return Ok(None);
        };
        let name = format!("{}:{inside}", self.commit);
        let found = run(&self.dir, &["rev-parse", "--verify", "--quiet", &name])?;
        Ok(Some(id(&found)))
    }

    /// Begins to read blobs.
    pub(super) fn blobs(&self) -> Result<Blobs, Failure> {
        let mut child = command(&self.dir)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(not_run)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (ask, answers) = pipes.expect("both are piped");
        Ok(Blobs {
            child,
            ask: Some(ask),
            answers: BufReader::new(answers),
        })
    }
}

/// Reads blobs, one after the other, from one process.
pub(super) struct Blobs {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Blobs {
    /// One blob, unless it has more bytes than that.
    pub(super) fn read(&mut self, blob: &str, most: usize) -> io::Result<Vec<u8>> {
        let gone = || io::Error::other("git has ended");
        let ask = self.ask.as_mut().ok_or_else(gone)?;
        ask.write_all(format!("{blob}\n").as_bytes())?;
        ask.flush()?;
        let mut head = String::new();
        self.answers.read_line(&mut head)?;
        let mut words = head.split_whitespace();
        let (Some(_), Some("blob"), Some(Ok(size))) = (
            words.next(),
            words.next(),
            words.next().map(str::parse::<u64>),
        ) else {
            return Err(io::Error::other("this clone does not have it"));
        };
        let kept = size.min(most as u64 + 1);
        let mut bytes = Vec::new();
        (&mut self.answers).take(kept).read_to_end(&mut bytes)?;
        // The rest, and the line break that ends each answer.
        let rest = (size - kept) + 1;
        io::copy(&mut (&mut self.answers).take(rest), &mut io::sink())?;
        if bytes.len() > most {
            return Err(io::Error::other(format!("it has {size} bytes")));
        }
        Ok(bytes)
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        drop(self.ask.take());
        // It ends by itself once nothing more can be asked.
        let _ = self.child.wait();
    }
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(dir)
        // Its words are read, and nobody is there to be asked for a password.
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> Result<Output, Failure> {
    command(dir).args(args).output().map_err(not_run)
}

fn not_run(error: io::Error) -> Failure {
    let failure = if error.kind() == io::ErrorKind::NotFound {
        Failure::new("`--changed-since` needs the program `git`, and it is not there")
    } else {
        Failure::new("the program `git` cannot be run").because(error)
    };
    failure.hint("Install Git, or plan without `--changed-since`.")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Git's own words for why it did not do it.
fn because(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find(|line| !line.trim().is_empty());
    let line = line.map(|line| line.trim().trim_start_matches("fatal: "));
    line.map_or_else(String::new, |line| format!(": {}", clean(line)))
}

fn commit(dir: &Path, revision: &str) -> Result<Option<String>, Failure> {
    let name = format!("{revision}^{{commit}}");
    Ok(id(&run(dir, &["rev-parse", "--verify", "--quiet", &name])?))
}

/// The one object that an answer names.
fn id(output: &Output) -> Option<String> {
    let told = text(output);
    let line = told.lines().next()?.trim();
    let is_id = matches!(line.len(), 40 | 64) && line.bytes().all(|b| b.is_ascii_hexdigit());
    (output.status.success() && is_id).then(|| line.to_owned())
}
