//! What the fuzz targets are fed with, kept: every input in `tests/fixtures/fuzz/`, and copies of it that
//! are bent at random from a seed, go through the same functions. See `docs/fuzzing.md`.

#[path = "../../fuzz/entries.rs"]
mod entries;

use std::fs;
use std::path::Path;

use crate::support::project::{Project, Ran};

/// Bent copies of each input.
const COPIES: u64 = 40;

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/fuzz")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no inputs");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A copy with bytes changed, taken out, put in, doubled, or mixed with another input.
fn bent(bytes: &[u8], other: &[u8], mut seed: u64) -> Vec<u8> {
    let mut below = |bound: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % bound.max(1)
    };
    let mut copy = bytes.to_vec();
    for _ in 0..1 + below(4) {
        let at = below(copy.len() + 1);
        match below(6) {
            0 if at < copy.len() => copy[at] ^= 1 << below(8),
            1 if at < copy.len() => {
                copy.remove(at);
            }
            2 => {
                let odd = b"\0\n\t\"'{}[]:,&*!|>%@`#-$\\\x7f\xff0123456789";
                copy.insert(at, odd[below(odd.len())]);
            }
            3 => {
                let end = (at + below(16)).min(copy.len());
                let piece = copy[at.min(end)..end].to_vec();
                copy.splice(at..at, piece);
            }
            4 => copy.truncate(at),
            _ => {
                let from = below(other.len() + 1);
                copy.truncate(at);
                copy.extend_from_slice(&other[from..]);
            }
        }
    }
    copy
}

fn feed(target: &str, entry: fn(&[u8])) {
    let inputs = inputs(target);
    for (number, input) in inputs.iter().enumerate() {
        entry(input);
        for copy in 0..COPIES {
            let other = &inputs[(number + 1) % inputs.len()];
            entry(&bent(input, other, copy + 1000 * number as u64));
        }
    }
}

/// What takes an input.
type Entry = fn(&[u8]);

#[test]
fn no_input_makes_anything_panic() {
    let targets: [(&str, Entry); 5] = [
        ("yaml", entries::yaml),
        ("interpolation", entries::interpolation),
        ("schedule", entries::schedule),
        ("vendor_answer", entries::vendor_answer),
        ("ledger_row", entries::ledger_row),
    ];
    std::thread::scope(|scope| {
        for (target, entry) in targets {
            scope.spawn(move || feed(target, entry));
        }
    });
}

/// Shown by the binary, so that what it prints stays out of the test's own output.
#[test]
fn no_saved_plan_makes_anything_panic() {
    let project = Project::new(
        "  progress: { tasklist: release, subscribers: [release-room], events: [task.added] }\n",
    );
    project.beadle(&["plan", "--out", "saved.plan"]).exits(0);
    let good = project.bytes("saved.plan");
    for copy in 0..COPIES {
        let path = project.path().join("bent.plan");
        fs::write(
            path,
            bent(&good, b"{\"format_version\":1,\"plan\":null}", copy),
        )
        .unwrap();
        for command in [&["show", "bent.plan"][..], &["apply", "bent.plan"]] {
            let ran: Ran = project.beadle(command);
            assert!(matches!(ran.status, Some(0 | 1)), "{ran:?}");
            assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        }
    }
    // What the fuzz target does with one, short of printing it.
    entries::saved_plan(b"{\"plan\":{}}");
}
