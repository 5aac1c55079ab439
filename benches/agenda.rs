//! How long it takes to know which of a million notices is due next, and to go on from there.
//!
//! The baseline is what does without an agenda: asking every schedule.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "support/schedules.rs"]
mod schedules;
mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use beadle::engine::agenda::Agenda;
use beadle::model::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};
use schedules::schedules;
use support::{Mode, Wrong, best, cpu, expect, ms, verdict};

/// For how long the runner goes on, in minutes.
const MINUTES: i64 = 60;

/// The most that looking at one and putting it off may take on average.
const MICROSECONDS: f64 = 5.0;

fn main() -> ExitCode {
    support::main(|mode| {
        let count = match mode {
            Mode::Full => 1_000_000,
            Mode::Quick => 10_000,
        };
        measure(count)
    })
}

fn measure(count: usize) -> Result<(), Wrong> {
    let schedules = schedules(count);
    // A Monday in November.
    let now: Timestamp = "2026-11-23T02:00:00Z".parse().expect("an instant");
    let (scan, first) = best(3, || scan(&schedules, now));
    println!("\n{count} schedules of every kind");
    println!("  ask all for the next       {:>12}  (1.0)", ms(scan));
    let ratio = |time: std::time::Duration| scan.as_secs_f64() / time.as_secs_f64();

    let start = Instant::now();
    let mut agenda = Agenda::default();
    for (at, schedule) in schedules.iter().enumerate() {
        agenda.put(at, schedule.nothing_before(now));
    }
    println!("  put all on the agenda, once {:>11}", ms(start.elapsed()));

    const TIMES: u32 = 1_000;
    let (asked, found) = best(5, || {
        let mut found = None;
        for _ in 0..TIMES {
            found = black_box(&agenda).first();
        }
        found
    });
    expect("the next instant", found, first)?;
    let asked = asked / TIMES;
    println!(
        "  ask the agenda             {:>9} ns  {:>10.0} times as fast",
        asked.as_nanos(),
        ratio(asked)
    );

    // What a runner does in an hour: at each minute, what is due is looked at and put off.
    let (start, before) = (Instant::now(), cpu());
    let mut looked = 0;
    for minute in 1..=MINUTES {
        let now = now + SignedDuration::from_mins(minute);
        let due: Vec<usize> = agenda.due(now).collect();
        looked += due.len();
        for at in due {
            agenda.put(at, schedules[at].nothing_before(now));
        }
    }
    let (hour, spent) = (start.elapsed(), cpu() - before);
    let later = now + SignedDuration::from_mins(MINUTES);
    let (_, after) = best(1, || self::scan(&schedules, later));
    expect("the next instant an hour later", agenda.first(), after)?;
    let round = hour / u32::try_from(MINUTES).expect("it is small");
    println!(
        "  a round each minute        {:>12}  {:>10.1} times as fast, {} due in each",
        ms(round),
        ratio(round),
        looked / usize::try_from(MINUTES).expect("it is small")
    );
    println!("  CPU of all rounds          {:>12}", ms(spent));
    let each = hour.as_secs_f64() * 1e6 / looked as f64;
    verdict("a notice that is due", each, MICROSECONDS, " µs");
    Ok(())
}

/// The next instant at which any of them fires or is left out.
fn scan(schedules: &[Schedule], now: Timestamp) -> Option<Timestamp> {
    let all = schedules.iter();
    all.filter_map(|schedule| schedule.nothing_before(now))
        .min()
}
