//! `init`: what it writes works as it stands, on every platform.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use serde::Deserialize;
use serde_json::Value;

use crate::support::project::{Ran, beadle};

const PLATFORMS: [&str; 4] = ["github", "gitlab", "kubernetes", "none"];
const VENDORS: &str = "feishu,dingtalk,enos";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    beadle(dir).args(args).output().unwrap().into()
}

/// An empty folder and what `init notices` with these arguments wrote into it.
fn started(args: &[&str]) -> (tempfile::TempDir, PathBuf, Ran) {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(dir.path(), &[&["init", "notices"], args].concat()).exits(0);
    let project = dir.path().join("notices");
    (dir, project, ran)
}

/// The files below a folder, by their path in it, sorted.
fn files(dir: &Path) -> Vec<(String, String)> {
    fn walk(dir: &Path, base: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, base, found);
            } else {
                let name = path.strip_prefix(base).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

/// The files for the platform alone.
fn ci_files(dir: &Path) -> Vec<(String, String)> {
    let own = [
        "beadle.yaml",
        ".beadle-schema.json",
        ".gitignore",
        "README.md",
    ];
    let mut found = files(dir);
    found.retain(|(name, _)| !own.contains(&name.as_str()));
    found
}

#[test]
fn the_next_steps_work_word_for_word_and_converge() {
    for platform in PLATFORMS {
        for vendors in ["feishu", VENDORS] {
            let args = ["--ci", platform, "--provider", vendors];
            let (dir, project, ran) = started(&args);
            let steps = ran
                .stdout
                .split_once("played by beadle itself:\n\n")
                .unwrap_or_else(|| panic!("{}", ran.stdout))
                .1;
            let steps = steps.split_once("\n\n").unwrap().0;
            // A shell runs them as they stand, with the binary found under its name.
            let bin = Path::new(env!("CARGO_BIN_EXE_beadle")).parent().unwrap();
            let script = format!("set -e\nexport PATH=\"{}\"\n{steps}\n", bin.display());
            let mut shell = std::process::Command::new("/bin/sh");
            shell
                .current_dir(dir.path())
                .env_clear()
                .args(["-c", &script]);
            let ran: Ran = shell.output().unwrap().into();
            ran.exits(0);
            let again = ["plan", "--sandbox", "--detailed-exitcode"];
            run(&project, &again).exits(0);
        }
    }
}

#[test]
fn without_a_terminal_the_flags_have_defaults() {
    let (_dir, project, ran) = started(&[]);
    let written: Vec<_> = files(&project).into_iter().map(|(name, _)| name).collect();
    let shown = ran.stdout.split_once("\n\n").unwrap().1;
    let mut shown: Vec<_> = shown
        .split_once("\n\n")
        .unwrap()
        .0
        .lines()
        .map(str::trim)
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, written);
    assert!(written.contains(&".github/workflows/beadle-plan.yaml".to_owned()));
    let manifest = fs::read_to_string(project.join("beadle.yaml")).unwrap();
    assert!(manifest.contains("project: notices\n"), "{manifest}");
    assert!(!manifest.contains("dingtalk"), "{manifest}");
}

#[test]
fn a_name_is_made_of_any_folder() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, name) in [
        ("周报 v2.0", "周报-v2-0"),
        ("...", "notices"),
        ("a_b", "a_b"),
    ] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        let ran = run(dir.path(), &["-C", folder, "init", "--ci", "none"]).exits(0);
        let project = dir.path().join(folder);
        let manifest = fs::read_to_string(project.join("beadle.yaml")).unwrap();
        assert!(
            manifest.contains(&format!("project: {name}\n")),
            "{manifest}"
        );
        run(&project, &["validate"]).exits(0);
        let cd = if folder.contains(' ') {
            "  cd '周报 v2.0'\n"
        } else {
            "  cd "
        };
        assert!(ran.stdout.contains(cd), "{}", ran.stdout);
    }
}

#[test]
fn the_editors_schema_is_the_manifests() {
    let (_dir, project, _) = started(&["--ci", "none"]);
    let printed = run(&project, &["schema"]).exits(0).stdout;
    let kept = fs::read_to_string(project.join(".beadle-schema.json")).unwrap();
    assert_eq!(kept, printed);
    let manifest = fs::read_to_string(project.join("beadle.yaml")).unwrap();
    assert!(manifest.starts_with("# yaml-language-server: $schema=.beadle-schema.json\n"));
}

#[test]
fn what_is_there_is_never_overwritten_and_then_nothing_is_written() {
    for (there, named) in [
        ("beadle.yaml", "`beadle.yaml` is"),
        (
            ".github/workflows/beadle-tick.yaml",
            "`.github/workflows/beadle-tick.yaml` is",
        ),
        // A file where a folder has to be.
        (".github", "`.github` is"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(there);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        let ran = run(dir.path(), &["init"]).exits(1);
        let says = format!("error: {named} in the way, and nothing was written\n");
        assert!(ran.stderr.starts_with(&says), "{}", ran.stderr);
        assert_eq!(files(dir.path()), [(there.to_owned(), "mine".to_owned())]);
    }
}

#[test]
fn a_gitignore_that_is_there_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".gitignore"), "target\n").unwrap();
    let ran = run(dir.path(), &["init"]).exits(0);
    assert!(
        ran.stdout
            .contains(".gitignore was there and is as it was."),
        "{}",
        ran.stdout
    );
    let kept = fs::read_to_string(dir.path().join(".gitignore")).unwrap();
    assert_eq!(kept, "target\n");
}

#[test]
fn bad_flags_are_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["--name", "a b"][..],
        &["--provider", "slack"],
        &["--ci", "jenkins"],
        &["--image", "a: b"],
        &["--format", "json"],
    ] {
        run(dir.path(), &[&["init"], args].concat()).exits(64);
    }
    assert_eq!(files(dir.path()), []);
}

#[test]
fn the_examples_for_ci_are_what_init_writes() {
    for platform in ["github", "gitlab", "kubernetes"] {
        let (_dir, project, _) = started(&["--ci", platform]);
        let kept = root().join("examples/ci").join(platform);
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            for (name, text) in ci_files(&project) {
                let path = kept.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        assert!(
            ci_files(&kept) == ci_files(&project),
            "stale: UPDATE_EXAMPLES=1 cargo test --test it the_examples_for_ci"
        );
    }
}

/// Holds a document against a schema in `tests/fixtures/platforms`, or one of its definitions.
fn fits(schema: &str, definition: &str, document: &Value) -> Result<(), String> {
    let text = fs::read_to_string(root().join("tests/fixtures/platforms").join(schema)).unwrap();
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    let value: Value = serde_json::from_str(&text).unwrap();
    // Its own address is not asked for over the network.
    let address = value["$id"].as_str().unwrap_or("platform.json").to_owned();
    compiler.add_resource(&address, value).unwrap();
    let index = compiler
        .compile(&format!("{address}{definition}"), &mut schemas)
        .unwrap_or_else(|error| panic!("{schema}: {error:#}"));
    schemas
        .validate(document, index)
        .map_err(|error| format!("{schema}: {error}\n{document:#}"))
}

fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| {
            let value = serde_yaml::Value::deserialize(document).unwrap();
            serde_json::to_value(value).unwrap()
        })
        .collect()
}

/// Which schema a file of a platform is held against.
fn schema_of(name: &str, document: &Value) -> Option<(&'static str, String)> {
    if name.starts_with(".github/") {
        return Some(("github-workflow.json", String::new()));
    }
    if name == ".gitlab-ci.yml" {
        return Some(("gitlab-ci.json", String::new()));
    }
    let group = match document["kind"].as_str().unwrap() {
        "Deployment" => "apps",
        "CronJob" => "batch",
        "PodDisruptionBudget" => "policy",
        "Kustomization" => return None,
        other => panic!("{name}: no schema for {other}"),
    };
    let kind = document["kind"].as_str().unwrap();
    Some((
        "kubernetes.json",
        format!("#/definitions/io.k8s.api.{group}.v1.{kind}"),
    ))
}

#[test]
fn every_file_for_a_platform_fits_the_platforms_schema() {
    let mut held = 0;
    for platform in ["github", "gitlab", "kubernetes"] {
        for vendors in ["feishu", VENDORS] {
            let (_dir, project, _) = started(&["--ci", platform, "--provider", vendors]);
            for (name, text) in ci_files(&project) {
                for document in documents(&text) {
                    let Some((schema, definition)) = schema_of(&name, &document) else {
                        continue;
                    };
                    if let Err(why) = fits(schema, &definition, &document) {
                        panic!("{name}: {why}");
                    }
                    held += 1;
                }
            }
        }
    }
    assert_eq!(held, 2 * (4 + 1 + 3));
}

#[test]
fn the_platforms_schemas_refuse_what_is_wrong() {
    for (name, text, right, wrong) in [
        (
            ".github/workflows/beadle-plan.yaml",
            "github",
            "runs-on:",
            "run-on:",
        ),
        (
            ".gitlab-ci.yml",
            "gitlab",
            "interruptible: true",
            "interruptible: 7",
        ),
        (
            "kubernetes/runner.yaml",
            "kubernetes",
            "replicas: 2",
            "replica: 2",
        ),
    ] {
        let (_dir, project, _) = started(&["--ci", text]);
        let text = fs::read_to_string(project.join(name)).unwrap();
        assert!(text.contains(right));
        let document = documents(&text.replace(right, wrong)).remove(0);
        let (schema, definition) = schema_of(name, &document).unwrap();
        assert!(fits(schema, &definition, &document).is_err(), "{name}");
    }
}

/// The commands of beadle in a file for a platform, as lists of arguments.
fn commands(name: &str, text: &str) -> Vec<Vec<String>> {
    fn lists(value: &Value, found: &mut Vec<Vec<String>>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::Array(args)) = map.get("args") {
                    let args = args.iter().map(|arg| arg.as_str().unwrap().to_owned());
                    found.push(args.collect());
                }
                map.values().for_each(|value| lists(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| lists(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if name.starts_with("kubernetes/") {
        documents(text)
            .iter()
            .for_each(|document| lists(document, &mut found));
    } else {
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            if let Some((_, command)) = line
                .split_once("- run: beadle ")
                .or_else(|| line.split_once("- beadle "))
            {
                let words = command
                    .split_whitespace()
                    .take_while(|word| !word.starts_with('>'));
                found.push(words.map(str::to_owned).collect());
            }
        }
    }
    found
}

#[test]
fn every_command_in_a_file_for_a_platform_exists_with_its_flags() {
    let mut seen = 0;
    for platform in ["github", "gitlab", "kubernetes"] {
        let (_dir, project, _) = started(&["--ci", platform]);
        for (name, text) in ci_files(&project) {
            for mut args in commands(&name, &text) {
                seen += 1;
                // The help comes only after everything before it has been understood.
                args.push("--help".to_owned());
                let args: Vec<_> = args.iter().map(String::as_str).collect();
                let ran = run(&project, &args);
                assert_eq!(ran.status, Some(0), "{name}: {args:?}\n{}", ran.stderr);
            }
        }
    }
    assert_eq!(seen, 7 + 6 + 2);
}

#[test]
fn without_its_secret_that_alone_is_wrong() {
    let (_dir, project, _) = started(&["--ci", "none"]);
    let ran = run(&project, &["plan"]).exits(1);
    assert!(
        ran.stderr
            .contains("the environment variable FEISHU_APP_SECRET is not set"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.matches("error[").count(), 1, "{}", ran.stderr);
    // What is new says what it says, and nothing of what it does not.
    let plan = run(&project, &["plan", "--sandbox"]).exits(0);
    assert!(!plan.stdout.contains("none"), "{}", plan.stdout);
    let plan = run(&project, &["plan", "--sandbox", "--format", "markdown"]).exits(0);
    assert!(!plan.stdout.contains("+ on_problem"), "{}", plan.stdout);
}
