//! How long it takes to say when a schedule fires next: 100,000 of them, of every kind.
//!
//! `cargo bench --bench schedule` prints the best of some runs, each kind by itself and all together, and
//! the ratio to a baseline in the same process: what the clock in the zone shows at an instant, and which
//! instant a local time is, which is the least that an answer takes.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

#[path = "support/schedules.rs"]
mod schedules;

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use schedules::{KINDS, schedules};

const SCHEDULES: usize = 100_000;

/// What the next instant of one should stay under on average, in release.
const TARGET: Duration = Duration::from_micros(2);

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let quick = std::env::args().any(|arg| arg == "--quick");
    let count = if quick { SCHEDULES / 10 } else { SCHEDULES };
    let reading = Instant::now();
    let schedules = schedules(count);
    println!(
        "{count} schedules, read and each found to fire: {:.1?}",
        reading.elapsed()
    );
    // A Monday in November; what is asked for spreads over the week.
    let now: Timestamp = "2026-11-23T02:00:00Z".parse().expect("an instant");
    let asked =
        |at: usize| now + SignedDuration::from_mins(i64::try_from(at % 10_080).expect("small"));
    let next = |at: usize| {
        let firing = schedules[at].next(asked(at)).expect("it fires");
        let firing = firing.expect("it fires again");
        assert!(
            firing.at > asked(at),
            "the next firing is after what was asked"
        );
        firing.at
    };
    let per = |time: Duration, of: usize| time.as_secs_f64() * 1e9 / of as f64;
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let time = best(5, || (kind..count).step_by(KINDS.len()).map(next).max());
        println!("{name:<28} {:>7.0} ns", per(time, count / KINDS.len()));
    }
    let all = best(5, || (0..count).map(next).max());
    let clock = best(5, || {
        let instants = (0..count).map(|at| {
            let zone = schedules[at].zone();
            let local = zone.to_datetime(asked(at));
            zone.to_timestamp(local).expect("years are near")
        });
        instants.max()
    });
    let (all, clock) = (per(all, count), per(clock, count));
    println!("{:<28} {all:>7.0} ns  (target {TARGET:?})", "all, mixed");
    println!(
        "{:<28} {clock:>7.0} ns  {:.1} times as fast",
        "baseline",
        all / clock
    );
}

fn best<T>(runs: usize, mut run: impl FnMut() -> T) -> Duration {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    });
    times.min().expect("there is a run")
}
