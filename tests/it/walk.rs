//! The walks of `beadle self-test`: some in every test run, more when asked, and each rule broken on
//! purpose.
//!
//! `BEADLE_WALK_SEED=N` walks one seed again, `BEADLE_WALK_SCENARIOS=N` so many from `BEADLE_WALK_FROM`;
//! `docs/faults.md` has the commands.

mod sabotage;

use std::sync::LazyLock;

use beadle::self_test::{self, Lab, Walked};
use tokio::runtime::Runtime;

/// Scenarios where nobody says how many.
const SCENARIOS: u64 = 60;

/// Scenarios under way at one time: they wait for time-outs more than they work.
const AT_ONCE: usize = 12;

/// All sandboxes run here, and all control calls are made from here.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});
static LAB: LazyLock<Lab> = LazyLock::new(|| {
    let program = env!("CARGO_BIN_EXE_beadle").into();
    Lab::new(program, RUNTIME.handle().clone()).unwrap()
});

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn words(walked: &Walked) -> String {
    let Walked {
        seed,
        transcript,
        end,
        ..
    } = walked;
    let end = end.as_ref().unwrap_err();
    format!(
        "scenario {seed}: {end}\n{transcript}\n\nwalk it again: BEADLE_WALK_SEED={seed} cargo test --test it walk::scenarios -- --nocapture\n"
    )
}

#[test]
fn scenarios_break_no_rule_whatever_befalls_them() {
    let seeds = match from_env("BEADLE_WALK_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = from_env("BEADLE_WALK_FROM").unwrap_or(0);
            from..from + from_env("BEADLE_WALK_SCENARIOS").unwrap_or(SCENARIOS)
        }
    };
    let wanted = usize::try_from(seeds.end - seeds.start).unwrap();
    let (broken, tally) = self_test::walk_all(&LAB, seeds, AT_ONCE, &|_| {}, &|| false);
    let broken: Vec<String> = broken.iter().map(words).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    assert_eq!(tally.scenarios, wanted);
}
