//! The arrows between modules, as `lib.rs` draws them.

use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may name of ours.
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("plan", &["model"]),
    ("engine", &["model", "plan"]),
    ("vendors", &["engine", "model", "plan"]),
    ("ledger", &["engine", "model", "plan"]),
    ("sandbox", &[]),
    ("forge", &["vendors"]),
    ("self_test", &["sandbox"]),
    (
        "cli",
        &[
            "model",
            "plan",
            "engine",
            "vendors",
            "ledger",
            "sandbox",
            "self_test",
            "forge",
        ],
    ),
];

/// What the pure ring must not know of.
const IMPURE: [&str; 8] = [
    "async ",
    "std::fs",
    "std::env",
    "TcpStream",
    "ToSocketAddrs",
    "tokio",
    "reqwest",
    "Timestamp::now",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file that are code: no comments, and nothing from the unit tests on.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn each_file(mut check: impl FnMut(&str, &Path, &str)) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        check(first.trim_end_matches(".rs"), relative, &code(&file));
    }
}

#[test]
fn every_arrow_between_modules_is_drawn_on_the_map() {
    let mut wrong = Vec::new();
    each_file(|module, file, code| {
        let Some((_, may)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            assert!(
                ["lib", "main"].contains(&module),
                "{} is in no ring",
                file.display()
            );
            return;
        };
        for (other, _) in MAY_IMPORT {
            if other != module && !may.contains(&other) && code.contains(&format!("crate::{other}"))
            {
                wrong.push(format!("{} names crate::{other}", file.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_inner_ring_is_pure() {
    let mut wrong = Vec::new();
    each_file(|module, file, code| {
        if ["model", "plan"].contains(&module) {
            wrong.extend(
                IMPURE
                    .iter()
                    .filter(|word| code.contains(**word))
                    .map(|word| format!("{} has `{word}`", file.display())),
            );
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_terminal_looks_at_the_clock() {
    let mut wrong = Vec::new();
    each_file(|module, file, code| {
        let may = ["cli", "sandbox"].contains(&module);
        if !may && (code.contains("Timestamp::now") || code.contains("SystemTime::now")) {
            wrong.push(file.display().to_string());
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
