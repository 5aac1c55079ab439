//! How long it takes to say when a schedule fires next: 100,000 of them, of every kind.
//!
//! `cargo bench --bench schedule` prints the best of some runs, each kind by itself and all together, and
//! the ratio to a baseline in the same process: what the clock in the zone shows at an instant, and which
//! instant a local time is, which is the least that an answer takes.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use beadle::model::diagnostic::Sources;
use beadle::model::schedule::{Schedule, read};
use jiff::{SignedDuration, Timestamp};

const SCHEDULES: usize = 100_000;

/// How many stand in one file.
const IN_A_FILE: usize = 5_000;

/// What the next instant of one should stay under on average, in release.
const TARGET: Duration = Duration::from_micros(2);

const ZONES: [&str; 4] = [
    "Asia/Shanghai",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
];

/// Each with `M`, `H` and `D` for a minute, an hour and a day of the month.
const KINDS: [(&str, &str); 10] = [
    ("cron, daily", "cron: 'M H * * *'"),
    ("cron, weekly", "cron: 'M H * * WED'"),
    ("cron, every few minutes", "cron: '*/5 * * * *'"),
    ("cron, 29 February", "cron: 'M H 29 2 *'"),
    (
        "cron, workdays only",
        "cron: 'M H * * *', calendar: cn, days: workdays",
    ),
    (
        "cron, moved by a calendar",
        "cron: 'M H D * *', calendar: cn, days: workdays, off_days: next",
    ),
    (
        "rrule, last Friday",
        "rrule: 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=H;BYMINUTE=M'",
    ),
    (
        "rrule, last working day",
        "rrule: 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=H;BYMINUTE=M'",
    ),
    ("every 90 minutes", "every: 90m, start: '2024-01-DTH:M'"),
    (
        "list of times",
        "at: ['2026-01-DTH:M', '2026-12-DTH:M', '2027-06-DTH:M']",
    ),
];

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

/// Schedules of each kind in turn.
fn schedules(count: usize) -> Vec<Schedule> {
    let mut all = Vec::with_capacity(count);
    for first in (0..count).step_by(IN_A_FILE) {
        let mut text = "schedules:\n".to_owned();
        for at in first..(first + IN_A_FILE).min(count) {
            let (_, keys) = KINDS[at % KINDS.len()];
            let keys = keys
                .replace('M', "\u{1}")
                .replace("\u{1}ONTHLY", "MONTHLY")
                .replace("\u{1}O,", "MO,")
                .replace("BY\u{1}INUTE", "BYMINUTE");
            let keys = keys.replace('\u{1}', &format!("{:02}", at * 7 % 60));
            let keys = keys.replace("BYHOUR=H", &format!("BYHOUR={}", at * 3 % 24));
            let keys = keys.replace("TH:", &format!("T{:02}:", at * 3 % 24));
            let keys = keys.replace(" H ", &format!(" {} ", at * 3 % 24));
            let keys = keys.replace("-DT", &format!("-{:02}T", 24 + at % 5));
            let keys = keys.replace(" D ", &format!(" {} ", 1 + at % 28));
            let zone = ZONES[at / KINDS.len() % ZONES.len()];
            writeln!(text, "  s{at:06}: {{ {keys}, timezone: {zone} }}").expect("text grows");
        }
        let mut sources = Sources::default();
        let file = sources.add("schedules.yaml", text);
        let read = read::file(&sources, file);
        assert_eq!(read.diagnostics, [], "the schedules have no mistake");
        // Names are in the order in which they were made.
        all.extend(read.schedules.into_values());
    }
    assert_eq!(all.len(), count, "every schedule was read");
    all
}
