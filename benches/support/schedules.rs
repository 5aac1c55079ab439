//! Made-up schedules of every kind, in any number.

use std::fmt::Write as _;

use beadle::model::diagnostic::Sources;
use beadle::model::schedule::{Schedule, read};

/// How many stand in one file.
const IN_A_FILE: usize = 5_000;

const ZONES: [&str; 4] = [
    "Asia/Shanghai",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
];

/// Each with `M`, `H` and `D` for a minute, an hour and a day of the month.
pub(crate) const KINDS: [(&str, &str); 10] = [
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

/// Schedules of each kind in turn.
pub(crate) fn schedules(count: usize) -> Vec<Schedule> {
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
