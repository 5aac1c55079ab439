//! What every bench shares: how it is called, what it measures with, and how it ends.
//!
//! A bench prints ratios against something measured in the same run, because the seconds of one machine
//! say little about another. It fails on a wrong result and never on time.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything, in under a minute: `cargo bench --bench NAME`.
    Full,
    /// Small sizes and few rounds, to see that it still runs: `… -- --quick`.
    Quick,
}

/// Runs a bench in the mode that the arguments ask for. `cargo test --benches` passes no `--bench`, and
/// then there is nothing to do.
pub(crate) fn main(bench: impl FnOnce(Mode) -> Result<(), Wrong>) -> ExitCode {
    let given = |flag: &str| std::env::args().any(|arg| arg == flag);
    let mode = match (given("--quick"), given("--bench")) {
        (true, _) => Mode::Quick,
        (false, true) => Mode::Full,
        (false, false) => return ExitCode::SUCCESS,
    };
    match bench(mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            println!("wrong result: {wrong}");
            ExitCode::FAILURE
        }
    }
}

/// A result that is not what it has to be.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Holds a result against what it has to be.
pub(crate) fn expect<T: PartialEq + fmt::Debug>(what: &str, is: T, should: T) -> Result<(), Wrong> {
    if is == should {
        return Ok(());
    }
    Err(Wrong(format!("{what}: {is:?}, not {should:?}")))
}

/// The least time of several runs, for the least is what others on the machine disturbed least.
pub(crate) fn best<T>(rounds: u32, mut run: impl FnMut() -> T) -> (Duration, T) {
    best_of_prepared(rounds, || (), |()| run())
}

/// As [`best`], for a run that uses up what is prepared for it; preparing is not measured.
pub(crate) fn best_of_prepared<P, T>(
    rounds: u32,
    mut prepare: impl FnMut() -> P,
    mut run: impl FnMut(P) -> T,
) -> (Duration, T) {
    let mut timed = || {
        let prepared = prepare();
        let start = Instant::now();
        let value = run(prepared);
        (start.elapsed(), value)
    };
    let (mut least, mut value) = timed();
    for _ in 1..rounds {
        // Before the next round, so that two are never held at once.
        drop(value);
        let time;
        (time, value) = timed();
        least = least.min(time);
    }
    (least, value)
}

/// The processor time of this process, of all its threads, and of the processes that it has waited for,
/// to 10 ms. Other work on the machine does not change it. Zero where the system does not tell.
pub(crate) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name, which may hold anything, in parentheses. Fields 14 to 17
    // are ticks as a user and in the kernel, then the same of children.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let fields = rest.split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Says whether a target is met.
pub(crate) fn verdict(what: &str, is: f64, target: f64, unit: &str) {
    let word = if is <= target { "met" } else { "NOT MET" };
    println!("  target {word}: {what} {is:.2}{unit}, at most {target}{unit} wanted");
}

/// Milliseconds, with as many digits as make sense.
pub(crate) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}
