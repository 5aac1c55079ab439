//! When schedules fire: rules against other programs' answers and against every minute of the clock,
//! days on which clocks are put forward or back, calendars, and what is wrong with a schedule.

use std::fmt::Write as _;

use beadle::model::diagnostic::{FileId, Sources};
use beadle::model::schedule::{Clock, Event, Exhausted, Firing, Read, Schedule, Skip, read};
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn read(text: &str) -> (Sources, Read) {
    let mut sources = Sources::default();
    let file = sources.add("schedules.yaml", text);
    assert_eq!(file, FileId(0));
    let read = read::file(&sources, file);
    (sources, read)
}

/// A schedule without a mistake, by its keys, with these calendars.
#[track_caller]
fn with_calendars(keys: &str, calendars: &str) -> Schedule {
    let (_, read) = read(&format!(
        "schedules: {{ s: {{ {keys} }} }}\ncalendars: {{ {calendars} }}\n"
    ));
    assert_eq!(read.diagnostics, [], "{keys}");
    read.schedules.into_values().next().unwrap()
}

#[track_caller]
fn schedule(keys: &str) -> Schedule {
    with_calendars(keys, "")
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

/// An instant, from a local time in the schedule's zone or with an offset.
#[track_caller]
fn instant(schedule: &Schedule, text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|_| {
        let local: DateTime = text.parse().unwrap();
        schedule.zone().to_timestamp(local).unwrap()
    })
}

/// A firing as `2026-03-08T03:30-04:00`, with what happened to it.
fn shown(schedule: &Schedule, firing: &Firing) -> String {
    let show = |at: Timestamp| {
        let zoned = at.to_zoned(schedule.zone().clone());
        assert_eq!(zoned.timestamp(), at);
        zoned.strftime("%Y-%m-%dT%H:%M%:z").to_string()
    };
    assert_eq!(schedule.zone().to_datetime(firing.at), firing.local);
    let mut text = show(firing.at);
    match firing.why.clock {
        Clock::Plain => {}
        Clock::Shifted { meant } => write!(text, " shifted from {}", meant.time()).unwrap(),
        Clock::First => text += " first",
        Clock::Second => text += " second",
    }
    match firing.why.moved_from {
        None => assert_eq!(firing.nominal, firing.at),
        Some(date) => {
            assert_eq!(schedule.zone().to_datetime(firing.nominal).date(), date);
            write!(text, " moved from {date}").unwrap();
        }
    }
    text
}

fn fired(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let (from, to) = (instant(schedule, from), instant(schedule, to));
    let all: Vec<Firing> = schedule.firings(from, to).collect();
    assert_chained(schedule, from, to, &all);
    all.iter().map(|firing| shown(schedule, firing)).collect()
}

/// Asking for one after the other gives what asking for all gives, in order and each once.
fn assert_chained(schedule: &Schedule, from: Timestamp, to: Timestamp, all: &[Firing]) {
    let mut after = from - SignedDuration::from_nanos(1);
    let mut chained = Vec::new();
    while let Ok(Some(firing)) = schedule.next(after)
        && firing.at < to
    {
        assert!(firing.at > after);
        after = firing.at;
        chained.push(firing);
    }
    assert_eq!(chained, all);
    let mut nominals: Vec<Timestamp> = all.iter().map(|firing| firing.nominal).collect();
    nominals.sort_unstable();
    nominals.dedup();
    assert_eq!(
        nominals.len(),
        all.len(),
        "a nominal instant names one firing"
    );
}

fn with_skips(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let events = schedule.firings_with_skips(instant(schedule, from), instant(schedule, to));
    events
        .map(|event| match event {
            Event::Fires(firing) => shown(schedule, &firing),
            Event::Skips(skipped) => {
                let why = match skipped.why {
                    Skip::Gap => "no such time".to_owned(),
                    Skip::OffDay => "off".to_owned(),
                    Skip::NoDay => "no day".to_owned(),
                    Skip::Merged { into } => {
                        format!("merged into {}", schedule.zone().to_datetime(into).date())
                    }
                };
                format!("skips {}: {why}", skipped.local.strftime("%Y-%m-%dT%H:%M"))
            }
        })
        .collect()
}

/// The fields of a fixture's line.
fn fixture(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" | ").collect())
}

fn locals(firings: impl Iterator<Item = Firing>) -> String {
    let all: Vec<String> = firings
        .map(|firing| firing.local.strftime("%Y-%m-%dT%H:%M").to_string())
        .collect();
    if all.is_empty() {
        "-".to_owned()
    } else {
        all.join(" ")
    }
}

#[test]
fn cron_agrees_with_another_evaluator() {
    let mut seen = 0;
    for line in fixture(include_str!("../fixtures/schedule/cron.txt")) {
        let [rule, after, expected] = line[..] else {
            panic!("{line:?}")
        };
        seen += 1;
        let keys = format!("cron: \"{rule}\", timezone: UTC");
        if expected == "-" {
            let (_, read) = read(&format!("schedules: {{ s: {{ {keys} }} }}"));
            assert_eq!(read.diagnostics[0].code, "never-fires", "{rule}");
            continue;
        }
        let schedule = schedule(&keys);
        let mut at = instant(&schedule, after);
        let chain = std::iter::from_fn(|| {
            let firing = schedule.next(at).unwrap()?;
            at = firing.at;
            Some(firing)
        });
        let expected_len = expected.split(' ').count();
        assert_eq!(
            locals(chain.take(expected_len)),
            expected,
            "{rule} after {after}"
        );
    }
    assert_eq!(seen, 700);
}

#[test]
fn rrule_agrees_with_another_evaluator() {
    let (mut seen, mut never) = (0, 0);
    for line in fixture(include_str!("../fixtures/schedule/rrule.txt")) {
        let [rule, start, from, expected] = line[..] else {
            panic!("{line:?}")
        };
        seen += 1;
        let keys = format!("rrule: \"{rule}\", timezone: UTC, start: \"{start}\"");
        let (_, read) = read(&format!("schedules: {{ s: {{ {keys} }} }}"));
        let Some(schedule) = read.schedules.values().next() else {
            let code = read.diagnostics[0].code;
            assert_eq!((code, expected), ("never-fires", "-"), "{rule}");
            never += 1;
            continue;
        };
        assert_eq!(read.diagnostics, []);
        let from = instant(schedule, from);
        let to = instant(schedule, "2090-01-01T00:00");
        let found = locals(schedule.firings(from, to).take(6));
        assert_eq!(found, expected, "{rule} start {start} from {from}");
    }
    assert!(
        seen == 700 && never < 20,
        "{seen} rules, of which {never} never fire"
    );
}

/// A cron field: its text, and the numbers that it stands for.
fn field(first: u32, last: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let all: Vec<u32> = (first..=last).collect();
    let listed = proptest::sample::subsequence(all.clone(), 1..4).prop_map(|values| {
        let texts: Vec<String> = values.iter().map(u32::to_string).collect();
        (texts.join(","), values)
    });
    let ranged = (first..=last, first..=last, 1..5u32).prop_map(|(a, b, step)| {
        let (a, b) = (a.min(b), a.max(b));
        (
            format!("{a}-{b}/{step}"),
            (a..=b).step_by(step as usize).collect(),
        )
    });
    prop_oneof![Just(("*".to_owned(), all)), listed, ranged]
}

/// Every minute whose clock fits, found by looking at the clock every minute.
fn by_the_clock(
    fields: &[(String, Vec<u32>)],
    zone: &TimeZone,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    let mut at = from;
    let mut found = Vec::new();
    let number = |n: i8| u32::try_from(n).unwrap();
    while at < to {
        let local = zone.to_datetime(at);
        let fits = |at: usize, n: i8| fields[at].1.contains(&number(n));
        let day = fits(2, local.day());
        let weekday = fits(4, local.weekday().to_sunday_zero_offset());
        let restricted = |at: usize| fields[at].0 != "*";
        let on = match restricted(2) && restricted(4) {
            true => day || weekday,
            false => day && weekday,
        };
        if on && fits(3, local.month()) && fits(1, local.hour()) && fits(0, local.minute()) {
            found.push(at);
        }
        at += SignedDuration::from_mins(1);
    }
    found
}

/// Days around a clock being put forward or back.
const CHANGES: [(&str, &str); 14] = [
    ("UTC", "2026-03-08T12:00Z"),
    ("America/New_York", "2026-03-08T07:00Z"),
    ("America/New_York", "2026-11-01T06:00Z"),
    ("Europe/Berlin", "2026-03-29T01:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("America/Havana", "2026-03-08T05:00Z"),
    ("America/Havana", "2025-11-02T05:00Z"),
    // Midnight is skipped and repeated.
    ("America/Nuuk", "2024-03-31T01:00Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cron_fires_at_every_minute_whose_clock_fits(
        fields in (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)),
        change in 0..CHANGES.len(),
    ) {
        let fields = [fields.0, fields.1, fields.2, fields.3, fields.4];
        let (name, change) = CHANGES[change];
        let change: Timestamp = change.parse().unwrap();
        let days = |n: i64| SignedDuration::from_hours(24 * n);
        let (from, to) = (change - days(3), change + days(3));
        let texts: Vec<&str> = fields.iter().map(|(text, _)| &**text).collect();
        let rule = texts.join(" ");
        let read_with = |policy: &str| {
            let (_, read) = read(&format!("schedules: {{ s: {{ cron: \"{rule}\", timezone: {name}, {policy} }} }}"));
            read.schedules.into_values().next()
        };
        let Some(both) = read_with("gap: skip, repeat: both") else {
            // It never fires, and says so.
            prop_assert_eq!(by_the_clock(&fields, &zone(name), from, to), []);
            return Ok(());
        };
        let ats = |schedule: &Schedule| {
            let all: Vec<Firing> = schedule.firings(from, to).collect();
            if all.len() < 600 {
                assert_chained(schedule, from, to, &all);
            }
            all.into_iter().map(|firing| firing.at).collect::<Vec<_>>()
        };
        let wide = by_the_clock(&fields, both.zone(), from - days(2), to + days(2));
        let inside = |at: &Timestamp| from <= *at && *at < to;
        let expected: Vec<Timestamp> = wide.iter().copied().filter(inside).collect();
        prop_assert_eq!(ats(&both), expected);
        let local = |at: Timestamp| both.zone().to_datetime(at);
        let only = |keep_first: bool| -> Vec<Timestamp> {
            let kept = wide.iter().enumerate().filter(|(n, at)| {
                let same = |other: &Timestamp| local(*other) == local(**at);
                if keep_first { !wide[..*n].iter().any(same) } else { !wide[n + 1..].iter().any(same) }
            });
            kept.map(|(_, at)| *at).filter(inside).collect()
        };
        if wide.len() < 2_000 {
            prop_assert_eq!(ats(&read_with("gap: skip, repeat: first").unwrap()), only(true));
            prop_assert_eq!(ats(&read_with("gap: skip, repeat: last").unwrap()), only(false));
        }
    }
}

/// Keys of a schedule, from, to, and what fires.
type Row<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (keys, from, to, expected) in rows {
        assert_eq!(fired(&schedule(keys), from, to), *expected, "{keys}");
    }
}

#[test]
fn local_times_that_clocks_skip() {
    const NEW_YORK: &str = "timezone: America/New_York, cron:";
    check(&[
        (
            &format!("{NEW_YORK} '30 2 * * *'"),
            "2026-03-07T00:00",
            "2026-03-10T00:00",
            &[
                "2026-03-07T02:30-05:00",
                "2026-03-08T03:30-04:00 shifted from 02:30:00",
                "2026-03-09T02:30-04:00",
            ],
        ),
        (
            &format!("{NEW_YORK} '30 2 * * *', gap: skip"),
            "2026-03-07T00:00",
            "2026-03-10T00:00",
            &["2026-03-07T02:30-05:00", "2026-03-09T02:30-04:00"],
        ),
        // What is shifted onto another merges with it, and what is shifted past another comes after it.
        (
            &format!("{NEW_YORK} '*/30 1-3 * * *'"),
            "2026-03-08T00:00",
            "2026-03-09T00:00",
            &[
                "2026-03-08T01:00-05:00",
                "2026-03-08T01:30-05:00",
                "2026-03-08T03:00-04:00",
                "2026-03-08T03:30-04:00",
            ],
        ),
        (
            &format!("{NEW_YORK} '30 2 * * *'"),
            "2026-03-08T03:30",
            "2026-03-08T03:31",
            &["2026-03-08T03:30-04:00 shifted from 02:30:00"],
        ),
        (
            "timezone: America/New_York, rrule: 'FREQ=DAILY;BYHOUR=2,3;BYMINUTE=20'",
            "2026-03-08T00:00",
            "2026-03-09T00:00",
            &["2026-03-08T03:20-04:00"],
        ),
        (
            "timezone: America/New_York, rrule: 'FREQ=DAILY;BYHOUR=2,3;BYMINUTE=15,45;BYSETPOS=2,3'",
            "2026-03-08T00:00",
            "2026-03-09T00:00",
            &[
                "2026-03-08T03:15-04:00",
                "2026-03-08T03:45-04:00 shifted from 02:45:00",
            ],
        ),
        (
            "timezone: Europe/Berlin, cron: '30 2 * * *'",
            "2026-03-28T12:00",
            "2026-03-30T00:00",
            &["2026-03-29T03:30+02:00 shifted from 02:30:00"],
        ),
        // Half an hour.
        (
            "timezone: Australia/Lord_Howe, cron: '15 2 * * *'",
            "2026-10-03T00:00",
            "2026-10-06T00:00",
            &[
                "2026-10-03T02:15+10:30",
                "2026-10-04T02:45+11:00 shifted from 02:15:00",
                "2026-10-05T02:15+11:00",
            ],
        ),
        (
            "timezone: America/Havana, cron: '0 0 * * *'",
            "2026-03-07T12:00",
            "2026-03-09T12:00",
            &[
                "2026-03-08T01:00-04:00 shifted from 00:00:00",
                "2026-03-09T00:00-04:00",
            ],
        ),
        // The last hour of a day is skipped, so that what is shifted meets the next day.
        (
            "timezone: America/Nuuk, cron: '30 0,23 * * *'",
            "2024-03-30T12:00",
            "2024-03-31T12:00",
            &["2024-03-31T00:30-01:00"],
        ),
        // A whole day is skipped: 29 December 2011 was followed by the 31st.
        (
            "timezone: Pacific/Apia, cron: '0 9 * * *'",
            "2011-12-28T00:00",
            "2012-01-02T00:00",
            &[
                "2011-12-28T09:00-10:00",
                "2011-12-29T09:00-10:00",
                "2011-12-31T09:00+14:00",
                "2012-01-01T09:00+14:00",
            ],
        ),
        (
            "timezone: Pacific/Apia, cron: '0 9 30 * *'",
            "2011-12-01T00:00",
            "2012-01-31T00:00",
            &[
                "2011-12-31T09:00+14:00 shifted from 09:00:00",
                "2012-01-30T09:00+14:00",
            ],
        ),
    ]);
    let skips = schedule("timezone: America/New_York, cron: '30 2 * * *', gap: skip");
    assert_eq!(
        with_skips(&skips, "2026-03-07T12:00", "2026-03-09T12:00"),
        [
            "skips 2026-03-08T02:30: no such time",
            "2026-03-09T02:30-04:00"
        ]
    );
}

#[test]
fn local_times_that_clocks_repeat() {
    let new_york = |more: &str| format!("timezone: America/New_York, cron: '0,30 1 * * *'{more}");
    let (from, to) = ("2026-11-01T00:00", "2026-11-02T00:00");
    check(&[
        (
            &new_york(""),
            from,
            to,
            &[
                "2026-11-01T01:00-04:00 first",
                "2026-11-01T01:30-04:00 first",
            ],
        ),
        (
            &new_york(", repeat: last"),
            from,
            to,
            &[
                "2026-11-01T01:00-05:00 second",
                "2026-11-01T01:30-05:00 second",
            ],
        ),
        // In the order in which they happen, which is not that of the clock.
        (
            &new_york(", repeat: both"),
            from,
            to,
            &[
                "2026-11-01T01:00-04:00 first",
                "2026-11-01T01:30-04:00 first",
                "2026-11-01T01:00-05:00 second",
                "2026-11-01T01:30-05:00 second",
            ],
        ),
        // Asked in the middle of the repeated hour.
        (
            &new_york(", repeat: both"),
            "2026-11-01T01:10-04:00",
            "2026-11-01T01:10-05:00",
            &[
                "2026-11-01T01:30-04:00 first",
                "2026-11-01T01:00-05:00 second",
            ],
        ),
        (&new_york(""), "2026-11-01T01:00-05:00", to, &[]),
        (
            "timezone: Europe/Berlin, cron: '30 2 * * *', repeat: last",
            "2026-10-24T12:00",
            "2026-10-26T00:00",
            &["2026-10-25T02:30+01:00 second"],
        ),
        (
            "timezone: Australia/Lord_Howe, cron: '45 1 * * *', repeat: both",
            "2026-04-05T00:00",
            "2026-04-06T00:00",
            &[
                "2026-04-05T01:45+11:00 first",
                "2026-04-05T01:45+10:30 second",
            ],
        ),
        (
            "timezone: Australia/Lord_Howe, cron: '15 1 * * *', repeat: both",
            "2026-04-05T00:00",
            "2026-04-06T00:00",
            &["2026-04-05T01:15+11:00"],
        ),
        // With an offset it is one instant.
        (
            "timezone: Europe/Berlin, at: ['2026-10-25T02:30', '2026-10-25T02:30+01:00'], repeat: first",
            "2026-10-24T12:00",
            "2026-10-26T00:00",
            &["2026-10-25T02:30+02:00 first", "2026-10-25T02:30+01:00"],
        ),
    ]);
}

#[test]
fn elapsed_time_is_not_what_clocks_show() {
    check(&[
        (
            "every: 24h, start: '2026-03-07T09:00', timezone: America/New_York",
            "2026-03-01T00:00",
            "2026-03-10T00:00",
            &[
                "2026-03-07T09:00-05:00",
                "2026-03-08T10:00-04:00",
                "2026-03-09T10:00-04:00",
            ],
        ),
        (
            "every: 1h30m, start: 2026-01-01, end: '2026-01-01T04:30', timezone: UTC",
            "2026-01-01T01:00",
            "2027-01-01T00:00",
            &["2026-01-01T01:30+00:00", "2026-01-01T03:00+00:00"],
        ),
        (
            "every: 2w, start: '2026-01-01T09:00+08:00', timezone: Asia/Shanghai",
            "2199-12-20T00:00",
            "2200-01-06T00:00",
            &["2199-12-26T09:00+08:00"],
        ),
        // Intervals of a recurrence rule are of the clock.
        (
            "rrule: 'FREQ=HOURLY;INTERVAL=24', start: '2026-03-07T09:00', timezone: America/New_York",
            "2026-03-08T00:00",
            "2026-03-09T00:00",
            &["2026-03-08T09:00-04:00"],
        ),
    ]);
}

#[test]
fn start_is_included_and_end_is_not() {
    let daily = |more: &str| format!("cron: '0 0,12 * * *', timezone: Asia/Shanghai{more}");
    check(&[
        (
            &daily(", start: 2026-05-01, end: 2026-05-02"),
            "2020-01-01T00:00",
            "2030-01-01T00:00",
            &["2026-05-01T00:00+08:00", "2026-05-01T12:00+08:00"],
        ),
        (
            &daily(", start: '2026-05-01T12:00', end: '2026-05-01T16:00Z'"),
            "2020-01-01T00:00",
            "2030-01-01T00:00",
            &["2026-05-01T12:00+08:00"],
        ),
        // The first instant of a day whose midnight is skipped.
        (
            "every: 12h, start: 2026-03-08, end: 2026-03-09, timezone: America/Havana",
            "2026-01-01T00:00",
            "2027-01-01T00:00",
            &["2026-03-08T01:00-04:00", "2026-03-08T13:00-04:00"],
        ),
    ]);
}

#[test]
fn recurrence_rules_end() {
    let rule = |rule: &str| {
        schedule(&format!(
            "rrule: 'FREQ=DAILY;BYHOUR=9;BYMINUTE=0;{rule}', start: 2026-01-01, timezone: Asia/Shanghai"
        ))
    };
    let last = |rule: &Schedule| {
        let (from, to) = (
            instant(rule, "2026-01-01T00:00"),
            instant(rule, "2090-01-01T00:00"),
        );
        let last = rule.firings(from, to).last().unwrap();
        assert_eq!(rule.next(last.at), Ok(None));
        last.local.to_string()
    };
    assert_eq!(last(&rule("COUNT=3")), "2026-01-03T09:00:00");
    assert_eq!(last(&rule("COUNT=1")), "2026-01-01T09:00:00");
    assert_eq!(last(&rule("INTERVAL=10;COUNT=5")), "2026-02-10T09:00:00");
    // An end is included, as the RFC says; a date is the whole of its day.
    assert_eq!(last(&rule("UNTIL=20260105T090000")), "2026-01-05T09:00:00");
    assert_eq!(last(&rule("UNTIL=20260105T085959")), "2026-01-04T09:00:00");
    assert_eq!(last(&rule("UNTIL=20260105")), "2026-01-05T09:00:00");
    assert_eq!(last(&rule("UNTIL=20260105T010000Z")), "2026-01-05T09:00:00");
    assert_eq!(last(&rule("UNTIL=20260105T005900Z")), "2026-01-04T09:00:00");
}

#[test]
fn seldom_is_found_and_never_is_told() {
    let leap = schedule("cron: '0 9 29 2 *', timezone: UTC");
    let next = |schedule: &Schedule, after: &str| {
        let next = schedule.next(instant(schedule, after));
        next.map(|firing| firing.map(|firing| firing.local.to_string()))
    };
    assert_eq!(
        next(&leap, "2096-03-01T00:00"),
        Ok(Some("2104-02-29T09:00:00".into()))
    );
    assert_eq!(
        next(&leap, "2028-02-29T08:59"),
        Ok(Some("2028-02-29T09:00:00".into()))
    );
    assert_eq!(
        next(&leap, "2028-02-29T09:00"),
        Ok(Some("2032-02-29T09:00:00".into()))
    );
    // 29 February on a Monday, which the turn of 2100 delays.
    let monday = schedule(
        "rrule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYHOUR=9;BYMINUTE=0', timezone: UTC",
    );
    assert_eq!(
        next(&monday, "2024-01-01T00:00"),
        Ok(Some("2044-02-29T09:00:00".into()))
    );
    assert_eq!(
        next(&monday, "2072-03-01T00:00"),
        Ok(Some("2112-02-29T09:00:00".into()))
    );
    let century =
        schedule("rrule: 'FREQ=YEARLY;INTERVAL=100', start: '2026-01-01T09:00', timezone: UTC");
    assert_eq!(
        next(&century, "2020-01-01T00:00"),
        Ok(Some("2026-01-01T09:00:00".into()))
    );
    let searched_to = "2086-01-01T00:00Z".parse().unwrap();
    assert_eq!(
        next(&century, "2026-01-01T09:00"),
        Err(Exhausted { searched_to })
    );
    assert_eq!(
        next(&century, "2070-01-01T09:00"),
        Ok(Some("2126-01-01T09:00:00".into()))
    );
    for far in [Timestamp::MAX, Timestamp::MIN] {
        let schedules = [&leap, &monday, &century];
        let found = schedules.map(|schedule| schedule.next(far).map(|firing| firing.is_some()));
        assert_eq!(found, [Ok(far == Timestamp::MIN); 3]);
        assert_eq!(
            leap.firings(far, Timestamp::MAX).next().is_some(),
            far == Timestamp::MIN
        );
    }
}
