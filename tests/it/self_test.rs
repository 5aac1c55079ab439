//! `self-test` from outside. What its rules catch is in `walk::sabotage`.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::schemas::fits;
use crate::support::project::{Ran, beadle};

fn self_test(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = beadle(folder.path());
    command.arg("self-test").args(args);
    command
}

fn ran(folder: &TempDir, args: &[&str]) -> Ran {
    self_test(folder, args).output().unwrap().into()
}

#[test]
fn it_says_what_it_walked_and_what_held() {
    let folder = TempDir::new().unwrap();
    let ran = ran(&folder, &["--scenarios", "3", "--from", "11"]).exits(0);
    assert_eq!(ran.stderr, "");
    let mut lines = ran.stdout.lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("Walked 3 scenarios from seed 11: "),
        "{first}"
    );
    let held: Vec<&str> = lines.collect();
    assert_eq!(held.len(), 8, "{}", ran.stdout);
    assert!(held.iter().all(|line| line.ends_with(": held")), "{held:?}");
}

#[test]
fn as_json_it_fits_its_schema_and_counts_what_was_done() {
    let folder = TempDir::new().unwrap();
    let proof = ran(&folder, &["--seed", "4", "--format", "json"])
        .exits(0)
        .json();
    fits("self-test", &proof);
    assert_eq!((&proof["from"], &proof["wanted"]), (&json!(4), &json!(1)));
    assert_eq!(proof["scenarios"], 1);
    assert_eq!(proof["broken"], json!([]));
    // It applies, plans, and makes something.
    assert!(proof["runs"].as_u64() >= Some(3), "{proof}");
    assert!(proof["writes"].as_u64() >= Some(1), "{proof}");
    assert!(
        proof["calls"].as_u64() > proof["writes"].as_u64(),
        "{proof}"
    );
}

#[test]
fn it_looks_at_nothing_of_whoever_runs_it_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let temporary = TempDir::new().unwrap();
    fs::write(folder.path().join("beadle.yaml"), "this is: [no project").unwrap();
    let output = self_test(&folder, &["--scenarios", "2"])
        .env("BEADLE_LEDGER", "postgres://nobody@beadle.invalid/none")
        .env("BEADLE_DIR", "/nowhere")
        .env("BEADLE_RETRY_WAIT", "1h")
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    Ran::from(output).exits(0);
    let left = |folder: &TempDir| fs::read_dir(folder.path()).unwrap().count();
    assert_eq!((left(&folder), left(&temporary)), (1, 0));
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_walked() {
    let folder = TempDir::new().unwrap();
    let last = u64::MAX.to_string();
    let cases: [&[&str]; 6] = [
        &["--scenarios", "0"],
        &["--jobs", "0"],
        &["--seed", "x"],
        &["--seed", "1", "--scenarios", "5"],
        &["--from", &last],
        &["--format", "markdown"],
    ];
    for args in cases {
        let ran = ran(&folder, args).exits(64);
        assert!(!ran.stderr.is_empty(), "{args:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

fn signal(child: &Child) {
    let kill = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn who_interrupts_it_hears_what_was_walked_and_how_much_was_not() {
    let folder = TempDir::new().unwrap();
    let args = [
        "--scenarios",
        "100000",
        "--jobs",
        "2",
        "-v",
        "--format",
        "json",
    ];
    let mut command = self_test(&folder, &args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Once the first has ended it listens for signals for sure.
    let talk = child.stderr.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(talk));
    let begun = lines.any(|line| line.unwrap().contains("every rule held"));
    assert!(begun);
    signal(&child);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.join("\n").contains("Stopping"), "{rest:?}");
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    let proof: Value = ran.json();
    fits("self-test", &proof);
    assert!(proof["scenarios"].as_u64() < proof["wanted"].as_u64());
    assert_eq!(proof["broken"], json!([]));
}
