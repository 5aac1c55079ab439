//! The diff as `git apply` reads it.
//!
//! `git apply` takes the paths of a diff from the top of the repository, also when it runs in a folder
//! below it, where it leaves everything outside of that folder alone. So that is what is printed; outside of
//! a repository, where it takes them from the folder that it runs in, they are as the project folder was
//! given.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::cli::error::Failure;
use crate::model::diagnostic::Source;

/// How many lines stand around a change.
const CONTEXT: usize = 3;

/// Where paths are counted from.
pub(super) struct Top {
    /// The project folder.
    dir: PathBuf,
    /// The top of the repository that holds it, if one does.
    repository: Option<PathBuf>,
}

impl Top {
    pub(super) fn of(dir: &Path) -> Self {
        let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let repository = whole
            .ancestors()
            .find(|folder| folder.join(".git").exists())
            .map(Path::to_owned);
        Self {
            dir: dir.to_owned(),
            repository,
        }
    }

    /// The path of one of the project's files in the diff.
    pub(super) fn path(&self, name: &str) -> Result<String, Failure> {
        let file = self.dir.join(name);
        let outside = || {
            Failure::new(format!("{name} stands outside of the Git repository"))
                .hint("`git apply` changes files of the repository only.")
        };
        let path = match &self.repository {
            Some(top) => {
                // A link is not what is changed; what it names is.
                let real = file.canonicalize().map_err(|_| outside())?;
                real.strip_prefix(top).map_err(|_| outside())?.to_owned()
            }
            None => {
                let here = std::env::current_dir().unwrap_or_default();
                let below = file.strip_prefix(&here).or_else(|_| file.strip_prefix("."));
                below.unwrap_or(&file).to_owned()
            }
        };
        let parts: Vec<_> = path
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        Ok(parts.join("/"))
    }
}

/// The diff of one file, which has this path from the top.
#[must_use]
pub fn unified(path: &str, source: &Source, after: &str) -> String {
    // The text has lost its byte order mark, and the file has not.
    let mark = if source.marked { "\u{feff}" } else { "" };
    let (before, after) = (format!("{mark}{}", source.text), format!("{mark}{after}"));
    // Lines end where Git thinks that they do.
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let diff = TextDiff::configure()
        .newline_terminated(true)
        .diff_slices(&old, &new);
    let (a, b) = (quoted("a", path), quoted("b", path));
    let mut unified = diff.unified_diff();
    unified.context_radius(CONTEXT);
    // With a tab after it a name may have blanks in it.
    let tab = if path.contains(' ') { "\t" } else { "" };
    unified.header(&format!("{a}{tab}"), &format!("{b}{tab}"));
    format!("diff --git {a} {b}\n{unified}")
}

/// A path as Git writes it.
fn quoted(side: &str, path: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '"' | '\\');
    let path = format!("{side}/{path}");
    if !path.contains(odd) {
        return path;
    }
    let mut out = String::from("\"");
    for byte in path.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0..=0x1f | 0x7f => out.push_str(&format!("\\{byte:03o}")),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}
