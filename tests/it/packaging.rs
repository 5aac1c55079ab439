//! What is shipped beside the binary: facts of the build, man pages, release notes, reference pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::project::{Ran, beadle};

/// The build script's own functions.
#[path = "../../build.rs"]
#[expect(dead_code, reason = "its main is the build's")]
mod build;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    beadle(dir).args(args).output().unwrap().into()
}

fn git(dir: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
    command
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .env("GIT_AUTHOR_DATE", "1600000000 +0000");
    let ran = command.args(args).output().unwrap();
    assert!(
        ran.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn the_version_tells_of_its_build_and_fits_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let told: Value = run(dir.path(), &["version", "--format", "json"])
        .exits(0)
        .json();
    crate::schemas::fits("version", &told);
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert!(told["target"].as_str().unwrap().contains('-'), "{told}");
    assert!(
        told["rustc"].as_str().unwrap().starts_with("rustc "),
        "{told}"
    );
}

#[test]
fn the_commit_is_that_of_the_sources_own_checkout() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path();
    // Not a checkout, as in an unpacked archive.
    assert_eq!(build::repository(top), None);
    git(top, &["init", "-q"]);
    fs::write(top.join("a"), "1").unwrap();
    git(top, &["add", "a"]);
    git(top, &["commit", "-qm", "a"]);
    assert!(build::repository(top).is_some());
    let commit = build::commit(top).unwrap();
    assert!(commit.len() == 40 && !commit.contains('-'), "{commit}");
    assert_eq!(build::committed_at(top).as_deref(), Some("1700000000"));
    fs::write(top.join("a"), "2").unwrap();
    assert_eq!(build::commit(top), Some(format!("{commit}-modified")));
    // A package that somebody unpacked into a repository of theirs is not that commit.
    fs::create_dir(top.join("vendored")).unwrap();
    assert_eq!(build::repository(&top.join("vendored")), None);
}

#[test]
fn man_pages_are_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let page = run(dir.path(), &["man"]).exits(0).stdout;
    assert!(
        page.contains(".TH beadle 1") && page.contains("beadle\\-plan(1)"),
        "{page}"
    );
    let ran = run(dir.path(), &["man", "out/man"]).exits(0);
    let written = dir.path().join("out/man");
    for name in [
        "beadle.1",
        "beadle-plan.1",
        "beadle-notice-history.1",
        "beadle-init.1",
    ] {
        let text = fs::read_to_string(written.join(name)).unwrap_or_else(|_| panic!("{name}"));
        assert!(text.contains(".TH"), "{name}");
    }
    let count = fs::read_dir(&written).unwrap().count();
    assert_eq!(
        ran.last_line(),
        format!("Wrote {count} man pages in out/man.")
    );
}

#[test]
fn release_notes_are_a_section_of_the_changelog() {
    let script = root().join(".ci/release-notes");
    let notes = |version: &str| -> Ran {
        let mut command = Command::new("/bin/sh");
        command.arg(&script).arg(version).output().unwrap().into()
    };
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let mut versions = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## "));
    let first = versions.next().unwrap().split_whitespace().next().unwrap();
    let section = changelog.split_once(&format!("## {first}")).unwrap().1;
    let section = section.split_once('\n').unwrap().1;
    let section = section.split("\n## ").next().unwrap().trim();
    assert_eq!(notes(first).exits(0).stdout.trim(), section);
    let none = notes("0.0.0-none").exits(1);
    assert_eq!(none.stderr, "CHANGELOG.md has no section 0.0.0-none\n");
    assert_eq!(none.stdout, "");
}

#[test]
fn the_reference_of_the_manifest_is_current() {
    let kept = root().join("docs/manifest.md");
    let printed = run(root(), &["schema", "--format", "markdown"])
        .exits(0)
        .stdout;
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&kept, &printed).unwrap();
    }
    assert!(
        fs::read_to_string(&kept).unwrap_or_default() == printed,
        "stale: beadle schema --format markdown > docs/manifest.md"
    );
}

/// The keys of a schema's objects, wherever they stand.
fn keys(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_reference_has_every_key() {
    let page = fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    let schema = fs::read_to_string(root().join("schemas/manifest.schema.json")).unwrap();
    let mut all = Vec::new();
    keys(&serde_json::from_str(&schema).unwrap(), &mut all);
    assert!(all.len() > 100);
    for key in all.iter().filter(|key| *key != "default") {
        assert!(page.contains(&format!("`{key}`")), "{key} is missing");
    }
}

#[test]
fn the_image_has_all_that_the_build_needs_and_runs_as_nobody_special() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let ignore = fs::read_to_string(root().join(".dockerignore")).unwrap();
    // Everything that the package holds, and the benches that Cargo.toml names.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let included = manifest
        .lines()
        .find_map(|line| line.strip_prefix("include = "))
        .unwrap();
    let included: Vec<String> = serde_json::from_str(included).unwrap();
    for path in included
        .iter()
        .map(String::as_str)
        .chain(["benches", "Cargo.toml", "Cargo.lock"])
    {
        let top = path.split('/').next().unwrap();
        assert!(
            ignore.lines().any(|line| line == format!("!{top}")),
            "{top}"
        );
    }
    let user = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("USER "))
        .unwrap();
    let runner =
        fs::read_to_string(root().join("examples/ci/kubernetes/kubernetes/runner.yaml")).unwrap();
    let (user, group) = user.split_once(':').unwrap();
    assert!(runner.contains(&format!("runAsUser: {user}\n")));
    assert!(runner.contains(&format!("runAsGroup: {group}\n")));
    let rust = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{}-alpine", rust.trim_matches('"'))));
}
