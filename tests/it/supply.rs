//! What the crate is built from: licences, sources, duplicates and known advisories, without a network.
//!
//! It cannot know of an advisory that is younger than `tests/fixtures/supply/advisories.txt`, nor whether a
//! crate is what its author meant it to be; docs/threat-model.md says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    // The roots of TLS are data, not code.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that stand in the lock file in more than one version, because crates that we use do not agree.
const TWICE: [&str; 8] = [
    "base64",
    "fallible-iterator",
    "getrandom",
    "r-efi",
    "similar",
    "syn",
    "wasi",
    "windows-sys",
];

/// Advisories that are known to concern us and are lived with, each with the reason.
const LIVED_WITH: [(&str, &str); 0] = [];

fn lock_file() -> Vec<(String, String, Option<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = std::fs::read_to_string(path).unwrap();
    let mut packages = Vec::new();
    for block in text.split("[[package]]").skip(1) {
        let value = |name: &str| {
            let line = block
                .lines()
                .find(|line| line.starts_with(&format!("{name} = ")))?;
            Some(line.split('"').nth(1)?.to_owned())
        };
        let name = value("name").unwrap();
        packages.push((name, value("version").unwrap(), value("source")));
    }
    assert!(packages.len() > 100, "the lock file was not read");
    packages
}

#[test]
fn every_crate_comes_from_the_registry() {
    let foreign: Vec<String> = lock_file()
        .into_iter()
        .filter(|(name, _, source)| {
            let registry = "registry+https://github.com/rust-lang/crates.io-index";
            name != "beadle" && source.as_deref() != Some(registry)
        })
        .map(|(name, ..)| name)
        .collect();
    assert!(foreign.is_empty(), "from git or a path: {foreign:?}");
}

#[test]
fn no_crate_comes_twice_unless_it_is_known() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _) in lock_file() {
        versions.entry(name).or_default().insert(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let known = BTreeSet::from(TWICE);
    let found: BTreeSet<&str> = versions.keys().map(String::as_str).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "in several versions: {new:?}");
}

/// The licences of an expression that would have to be allowed, so that all of it is.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| LICENCES.contains(&licence.trim()))
    })
}

#[test]
fn every_licence_is_one_that_we_know() {
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("GPL-3.0-only") && !is_allowed("MIT AND GPL-3.0-only"));
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(["--manifest-path", host])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let strange: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or("none")))
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Three numbers; what follows a `-` or `+` is not compared.
fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = plain.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// Whether a version meets every part of a requirement, such as `>=1.2.0, <1.3.0`.
fn meets(version: &str, requirement: &str) -> bool {
    let have = numbers(version);
    requirement.split(',').all(|part| {
        let part = part.trim();
        let (sign, bound) = part.split_at(part.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
        let bound = numbers(bound);
        match sign.trim() {
            ">=" => have >= bound,
            ">" => have > bound,
            "<=" => have <= bound,
            "<" => have < bound,
            "=" => have == bound,
            // The first number that is not zero stays.
            _ => {
                let fixed = bound.iter().position(|n| *n != 0).unwrap_or(2);
                have >= bound && have[..=fixed] == bound[..=fixed]
            }
        }
    })
}

/// The advisories that concern these versions.
fn concerned(packages: &[(String, String, Option<String>)]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/supply/advisories.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut rows = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        rows += 1;
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        let (name, id, kind, good) = (word(), word(), word(), word());
        for (_, version, _) in packages.iter().filter(|(n, ..)| n == name) {
            let spared = good != "-" && good.split('|').any(|r| meets(version, r));
            if !spared && !LIVED_WITH.iter().any(|(known, _)| *known == id) {
                found.push(format!("{name} {version}: {id} ({kind})"));
            }
        }
    }
    assert!(rows > 500, "the advisories were not read");
    found
}

#[test]
fn no_known_advisory_concerns_what_is_locked() {
    let old = [("tracing-subscriber", "0.3.19"), ("idna", "0.5.0")];
    let old: Vec<_> = old.map(|(n, v)| (n.to_owned(), v.to_owned(), None)).into();
    assert_eq!(concerned(&old).len(), 2, "{:?}", concerned(&old));
    assert!(meets("0.3.1", "^0.3.0") && !meets("0.4.0", "^0.3.0"));
    let found = concerned(&lock_file());
    assert!(found.is_empty(), "{}", found.join("\n"));
}
