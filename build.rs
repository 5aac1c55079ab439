//! Puts into the binary what `beadle version --format json` tells of its build.
//!
//! The same sources at the same commit give the same values: there is no time of the build in them, only
//! that of the commit, or what `SOURCE_DATE_EPOCH` says. A debug build asks Git nothing, so that a commit
//! alone rebuilds nothing.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["BEADLE_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let root = var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = Path::new(&root);
    let asks_git = var("PROFILE").is_some_and(|profile| profile == "release");
    let git = if asks_git { repository(root) } else { None };
    if let Some(folder) = &git {
        // Whatever moves HEAD writes this file.
        println!("cargo::rerun-if-changed={folder}/logs/HEAD");
    }
    let asked = git.is_some();
    let commit = var("BEADLE_COMMIT").or_else(|| asked.then(|| commit(root)).flatten());
    let epoch = var("SOURCE_DATE_EPOCH").or_else(|| asked.then(|| committed_at(root)).flatten());
    for (name, value) in [
        ("COMMIT", commit),
        ("EPOCH", epoch.filter(|epoch| epoch.parse::<i64>().is_ok())),
        ("TARGET", var("TARGET")),
        ("PROFILE", var("PROFILE")),
        (
            "RUSTC",
            rustc(&var("RUSTC").unwrap_or_else(|| "rustc".to_owned())),
        ),
    ] {
        println!(
            "cargo::rustc-env=BEADLE_BUILD_{name}={}",
            value.unwrap_or_default()
        );
    }
}

/// The folder of the repository whose top these sources are, and no repository that merely holds them.
pub(crate) fn repository(root: &Path) -> Option<String> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    let same = Path::new(&top).canonicalize().ok()? == root.canonicalize().ok()?;
    same.then(|| git(root, &["rev-parse", "--absolute-git-dir"]))
        .flatten()
}

/// The commit, with a mark when a file differs from it.
pub(crate) fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let changed = git(root, &["status", "--porcelain", "--untracked-files=no"]);
    let clean = changed.is_some_and(|changed| changed.is_empty());
    Some(if clean {
        commit
    } else {
        format!("{commit}-modified")
    })
}

pub(crate) fn committed_at(root: &Path) -> Option<String> {
    git(root, &["log", "-1", "--format=%ct"])
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let ran = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(args)
        .output()
        .ok()?;
    let text = ran
        .status
        .success()
        .then(|| String::from_utf8(ran.stdout).ok());
    text.flatten().map(|text| text.trim().to_owned())
}

fn rustc(program: &str) -> Option<String> {
    let ran = Command::new(program).arg("--version").output().ok()?;
    String::from_utf8(ran.stdout)
        .ok()
        .map(|text| text.trim().to_owned())
}
