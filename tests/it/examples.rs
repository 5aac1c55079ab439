//! Documents are tests: every example runs as its README says, and converges.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use beadle::sandbox::{Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::project::{Ran, beadle};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("beadle.yaml").exists())
        .collect();
    found.sort();
    assert!(found.len() >= 4);
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == ".beadle" {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn fresh(example: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(example, dir.path());
    dir
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    beadle(dir).args(args).output().unwrap().into()
}

/// What the world of `--sandbox` answers to a control call.
pub(crate) fn sandbox_says(dir: &Path, path: &str) -> Value {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options {
            world: Some(dir.join(".beadle/sandbox/world.db")),
            ..Options::default()
        };
        let sandbox = Sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0)), options)
            .await
            .unwrap();
        drop(rustls::crypto::ring::default_provider().install_default());
        let cert =
            reqwest::Certificate::from_der(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[0]).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([cert])
            .no_proxy()
            .build()
            .unwrap();
        let answer = http
            .get(format!("{}/_sandbox/{path}", sandbox.base_url()))
            .send()
            .await
            .unwrap();
        let says = answer.json().await.unwrap();
        sandbox.stop().await;
        says
    })
}

/// The number of writes that the world of `--sandbox` has seen.
fn writes(dir: &Path) -> usize {
    let log = sandbox_says(dir, "calls");
    log["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["write"] == true)
        .count()
}

#[test]
fn every_example_validates_applies_and_converges() {
    for example in examples() {
        let dir = fresh(&example);
        let dir = dir.path();
        run(dir, &["validate"]).exits(0);
        run(dir, &["plan", "--sandbox", "--detailed-exitcode"]).exits(2);
        let first = run(dir, &["apply", "--sandbox", "--auto-approve"]).exits(0);
        assert_ne!(
            first.last_line(),
            "Apply: 0 applied.",
            "{}",
            example.display()
        );
        run(dir, &["plan", "--sandbox", "--detailed-exitcode"]).exits(0);
        let before = writes(dir);
        run(dir, &["apply", "--sandbox", "--auto-approve"]).exits(0);
        assert_eq!(
            writes(dir),
            before,
            "{}: a second apply does not",
            example.display()
        );
        run(dir, &["destroy", "--sandbox", "--auto-approve"]).exits(0);
    }
}

#[test]
fn every_command_of_an_examples_readme_succeeds() {
    for example in examples() {
        let readme = fs::read_to_string(example.join("README.md"))
            .unwrap_or_else(|_| panic!("{} has no README.md", example.display()));
        let commands: Vec<_> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("$ beadle "))
            .collect();
        assert!(
            !commands.is_empty(),
            "{} shows no command",
            example.display()
        );
        let dir = fresh(&example);
        for command in commands {
            let args: Vec<_> = command.split_whitespace().collect();
            run(dir.path(), &args).exits(0);
        }
    }
}

#[test]
fn every_example_has_the_editor_line_and_its_schema_is_there() {
    for example in examples() {
        let mut files = Vec::new();
        yaml_files(&example, &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let schema = text
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("# yaml-language-server: $schema="))
                .unwrap_or_else(|| panic!("{} lacks the editor line", file.display()));
            assert!(
                file.parent().unwrap().join(schema).exists(),
                "{}: {schema}",
                file.display()
            );
        }
    }
}

fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn the_readmes_first_command_does_the_main_job() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let command = readme
        .lines()
        .find_map(|line| line.strip_prefix("cargo run --release -- "))
        .expect("the README begins with the main job");
    let dir = tempfile::tempdir().unwrap();
    copy(&root().join("examples"), &dir.path().join("examples"));
    let args: Vec<_> = command.split_whitespace().collect();
    let ran = run(dir.path(), &args).exits(0);
    assert_eq!(ran.last_line(), "Apply: 2 applied.");
}

#[test]
fn the_readmes_manifest_and_its_mistake_are_as_shown() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let manifest = block(&readme, "```yaml\n");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    run(dir.path(), &["validate"]).exits(0);

    let wrong = manifest.replace("subscribers: [release-room]", "subscribers: [relase-room]");
    fs::write(dir.path().join("beadle.yaml"), wrong).unwrap();
    let ran = run(dir.path(), &["validate"]).exits(1);
    let shown = block(&readme, "$ beadle validate\n");
    assert_eq!(ran.stderr.trim_end(), shown.trim_end());
}

#[test]
fn the_readmes_plan_is_as_shown() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let manifest = block(&readme, "```yaml\n");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("beadle.yaml"), manifest).unwrap();
    run(dir.path(), &["apply", "--sandbox", "--auto-approve"]).exits(0);
    let other = manifest.replace("task.completed, due.set", "task.completed, comment.added");
    fs::write(dir.path().join("beadle.yaml"), other).unwrap();
    let ran = run(dir.path(), &["plan", "--sandbox"]).exits(0);
    assert_eq!(
        ran.stdout.trim_end(),
        block(&readme, "$ beadle plan\n").trim_end()
    );
}

#[test]
fn the_readmes_plan_of_people_is_as_shown() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let after = readme.find("### People").unwrap();
    let manifest = format!("version: 1\n{}", block(&readme[after..], "```yaml\n"));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("beadle.yaml"), &manifest).unwrap();
    run(dir.path(), &["apply", "--sandbox", "--auto-approve"]).exits(0);
    let more = "7cdcc7c2, ou_7d8a6e6df7621556ce0d21922b676706], emails";
    let other = manifest.replace("7cdcc7c2], emails", more);
    assert_ne!(other, manifest);
    fs::write(dir.path().join("beadle.yaml"), other).unwrap();
    let ran = run(dir.path(), &["plan", "--sandbox"]).exits(0);
    let shown = block(
        &readme,
        "$ beadle plan          # with one user more in platform\n",
    );
    assert_eq!(ran.stdout.trim_end(), shown.trim_end());
}

fn block<'a>(text: &'a str, begin: &str) -> &'a str {
    let rest = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("{begin:?} is missing"))
        .1;
    rest.split_once("```").unwrap().0
}
