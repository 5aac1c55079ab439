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
                    Skip::MovedIntoGap { to } => format!("no such time on {to}"),
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

/// The days on which a schedule that means every day at nine fires, found by walking from each day.
fn by_walking(is_on: &[bool], means: &[bool], off_days: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for (day, _) in means.iter().enumerate().filter(|(_, means)| **means) {
        let to = match off_days {
            "skip" => is_on[day].then_some(day),
            "next" => (day..is_on.len()).find(|day| is_on[*day]),
            _ => (0..=day).rev().find(|day| is_on[*day]),
        };
        found.extend(to);
    }
    found.sort_unstable();
    found.dedup();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn days_are_those_of_a_walk_from_each_day(
        is_on in proptest::collection::vec(any::<bool>(), 40),
        means in proptest::collection::vec(any::<bool>(), 40),
        days in prop_oneof![Just("workdays"), Just("holidays")],
        off_days in prop_oneof![Just("skip"), Just("previous"), Just("next")],
    ) {
        // Both ends are on, so that nothing moves out.
        let (mut is_on, mut means) = (is_on, means);
        (is_on[0], is_on[39], means[20]) = (true, true, true);
        let first = jiff::civil::date(2026, 2, 1);
        let date = |day: usize| first + jiff::Span::new().days(i64::try_from(day).unwrap());
        let dates = |picked: &dyn Fn(usize) -> bool, form: &str| {
            let texts: Vec<String> = (0..40).filter(|day| picked(*day)).map(|day| date(day).strftime(form).to_string()).collect();
            texts.join(", ")
        };
        let at = dates(&|day| means[day], "'%Y-%m-%dT09:00'");
        let workday = |day: usize| is_on[day] == (days == "workdays");
        let calendar = format!(
            "c: {{ weekend: [], workdays: [{}], holidays: [{}] }}",
            dates(&workday, "%Y-%m-%d"),
            dates(&|day| !workday(day), "%Y-%m-%d"),
        );
        // Both as a list and as a rule, which are looked through differently.
        let rule = "cron: '0 9 * * *', start: 2026-02-01, end: 2026-03-13";
        for (source, means) in [(format!("at: [{at}]"), &means), (rule.to_owned(), &vec![true; 40])] {
            let expected = by_walking(&is_on, means, off_days);
            let keys = format!("{source}, timezone: Europe/Berlin, calendar: c, days: {days}, off_days: {off_days}");
            if expected.is_empty() {
                continue;
            }
            let schedule = with_calendars(&keys, &calendar);
            for from in [0, 13, 27] {
                let start = date(from).to_datetime(jiff::civil::Time::midnight()).to_string();
                let found: Vec<String> = fired(&schedule, &start, "2026-03-13T00:00").iter().map(|text| text[..10].to_owned()).collect();
                let expected: Vec<String> = expected.iter().filter(|day| **day >= from).map(|day| date(*day).to_string()).collect();
                prop_assert_eq!(found, expected, "{} from {}", keys, start);
            }
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

/// A daily nine o'clock in Shanghai, by the calendar `cn`.
fn nine(more: &str) -> Schedule {
    schedule(&format!(
        "cron: '0 9 * * *', timezone: Asia/Shanghai, calendar: cn, {more}"
    ))
}

/// The days of a stretch on which a schedule fires.
fn days(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let all = fired(schedule, &format!("{from}T00:00"), &format!("{to}T00:00"));
    all.iter().map(|text| text[5..10].to_owned()).collect()
}

#[test]
fn national_day_has_make_up_days() {
    // 28 September 2025 is a Sunday and 11 October a Saturday; both are worked.
    let (from, to) = ("2025-09-26", "2025-10-14");
    assert_eq!(
        days(&nine("days: workdays"), from, to),
        [
            "09-26", "09-28", "09-29", "09-30", "10-09", "10-10", "10-11", "10-13"
        ]
    );
    assert_eq!(
        days(&nine("days: holidays"), from, to),
        [
            "09-27", "10-01", "10-02", "10-03", "10-04", "10-05", "10-06", "10-07", "10-08",
            "10-12"
        ]
    );
    let (from, to) = ("2026-09-18", "2026-10-12");
    assert_eq!(
        days(&nine("days: workdays"), from, to),
        [
            "09-18", "09-20", "09-21", "09-22", "09-23", "09-24", "09-28", "09-29", "09-30",
            "10-08", "10-09", "10-10"
        ]
    );
    let (from, to) = ("2024-02-03", "2024-02-20");
    assert_eq!(
        days(&nine("days: workdays"), from, to),
        [
            "02-04", "02-05", "02-06", "02-07", "02-08", "02-09", "02-18", "02-19"
        ]
    );
}

#[test]
fn the_calendar_built_in_has_whole_years() {
    let (_, read) = read("{}");
    let cn = read.calendars.get("cn").unwrap();
    assert_eq!(cn.covers_until(), Some("2026-12-31".parse().unwrap()));
    // A year has 104 days at weekends, and the law gives 11 holidays, from 2025 on 13. Whatever is off
    // besides is made up for.
    for (year, days, holidays) in [(2024, 366, 11), (2025, 365, 13), (2026, 365, 13)] {
        let first = jiff::civil::date(year, 1, 1);
        let all = first.series(jiff::Span::new().days(1));
        let workdays = all
            .take_while(|date| date.year() == year)
            .filter(|date| cn.is_workday(*date))
            .count();
        assert_eq!(workdays, days - 104 - holidays, "{year}");
    }
}

#[test]
fn firings_move_to_days_that_are_on() {
    let weekly = |off_days: &str| {
        schedule(&format!(
            "cron: '0 10 * * WED', timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: {off_days}"
        ))
    };
    let (from, to) = ("2025-09-20T00:00", "2025-10-20T00:00");
    assert_eq!(
        with_skips(&weekly("next"), from, to),
        [
            "2025-09-24T10:00+08:00",
            "skips 2025-10-08T10:00: merged into 2025-10-01",
            "2025-10-09T10:00+08:00 moved from 2025-10-01",
            "2025-10-15T10:00+08:00",
        ]
    );
    assert_eq!(
        with_skips(&weekly("previous"), from, to),
        [
            "2025-09-24T10:00+08:00",
            "2025-09-30T10:00+08:00 moved from 2025-10-01",
            "skips 2025-10-08T10:00: merged into 2025-10-01",
            "2025-10-15T10:00+08:00",
        ]
    );
    assert_eq!(
        with_skips(&weekly("skip"), from, to),
        [
            "2025-09-24T10:00+08:00",
            "skips 2025-10-01T10:00: off",
            "skips 2025-10-08T10:00: off",
            "2025-10-15T10:00+08:00",
        ]
    );
    for off_days in ["next", "previous", "skip"] {
        fired(&weekly(off_days), from, to);
    }
    // Asked in the middle of the holidays, whose first day is long over.
    let next = weekly("next").next("2025-10-07T00:00:00Z".parse().unwrap());
    assert_eq!(
        next.unwrap().unwrap().nominal,
        "2025-10-01T02:00:00Z".parse().unwrap()
    );
}

#[test]
fn what_is_moved_onto_another_merges_with_it() {
    let (from, to) = ("2026-01-02T00:00", "2026-01-06T00:00");
    // Saturday the 3rd is a holiday, and Sunday the 4th is worked.
    assert_eq!(
        with_skips(&nine("days: workdays, off_days: next"), from, to),
        [
            "skips 2026-01-02T09:00: merged into 2026-01-04",
            "skips 2026-01-03T09:00: merged into 2026-01-04",
            "2026-01-04T09:00+08:00",
            "2026-01-05T09:00+08:00",
        ]
    );
    assert_eq!(
        with_skips(
            &nine("days: workdays, off_days: previous"),
            "2025-12-31T00:00",
            "2026-01-05T00:00"
        ),
        [
            "2025-12-31T09:00+08:00",
            "skips 2026-01-01T09:00: merged into 2025-12-31",
            "skips 2026-01-02T09:00: merged into 2025-12-31",
            "skips 2026-01-03T09:00: merged into 2025-12-31",
            "2026-01-04T09:00+08:00",
        ]
    );
    // What meets at another time of the day does not.
    let mixed = schedule(
        "at: ['2026-01-03T09:00', '2026-01-03T11:00', '2026-01-04T10:00', '2026-01-04T11:00'], timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: next",
    );
    assert_eq!(
        fired(&mixed, from, to),
        [
            "2026-01-04T09:00+08:00 moved from 2026-01-03",
            "2026-01-04T10:00+08:00",
            "2026-01-04T11:00+08:00",
        ]
    );
}

#[test]
fn what_is_moved_keeps_the_time_that_was_meant() {
    // The Sunday on which there is no 02:30, and the Monday after.
    let moved = |rest: &str| {
        with_calendars(
            &format!("timezone: America/New_York, calendar: plain, days: workdays, {rest}"),
            "plain: { weekend: [sat, sun] }",
        )
    };
    let (from, to) = ("2026-03-07T00:00", "2026-03-11T00:00");
    let sunday = moved("cron: '30 2 * * SUN', off_days: next");
    assert_eq!(
        fired(&sunday, from, to),
        ["2026-03-09T02:30-04:00 moved from 2026-03-08"]
    );
    // Onto a day on which there is none.
    let monday = with_calendars(
        "timezone: America/New_York, calendar: odd, days: workdays, cron: '30 2 * * MON', off_days: previous",
        "odd: { weekend: [mon] }",
    );
    assert_eq!(
        fired(&monday, from, to),
        ["2026-03-08T03:30-04:00 shifted from 02:30:00 moved from 2026-03-09"]
    );
    let skipped = with_calendars(
        "timezone: America/New_York, calendar: odd, days: workdays, cron: '30 2 * * MON', off_days: previous, gap: skip",
        "odd: { weekend: [mon] }",
    );
    assert_eq!(
        with_skips(&skipped, from, to),
        ["skips 2026-03-09T02:30: no such time on 2026-03-08"]
    );
    // Both of a repeated hour move to the same time.
    let both = moved("cron: '30 1 * * SUN', off_days: next, repeat: both");
    assert_eq!(
        fired(&both, "2026-10-31T00:00", "2026-11-04T00:00"),
        ["2026-11-02T01:30-05:00 moved from 2026-11-01"]
    );
    // Elapsed time moves too.
    let every = moved("every: 24h, start: '2026-03-06T09:00', off_days: next");
    assert_eq!(
        fired(&every, "2026-03-06T00:00", "2026-03-11T00:00"),
        [
            "2026-03-06T09:00-05:00",
            "2026-03-09T09:00-04:00 moved from 2026-03-07",
            "2026-03-09T10:00-04:00",
            "2026-03-10T10:00-04:00",
        ]
    );
}

#[test]
fn a_calendar_of_ones_own() {
    let company = "company: { extends: cn, holidays: [2026-12-24], workdays: [2026-12-26, 2026-10-01] }, \
        shop: { extends: company, weekend: [mon], holidays: [2026-12-26], covers: 2027-06-30 }, \
        week: { weekend: [fri, sat] }, \
        trip: { holidays: [2026-07-01..2026-07-05, 2027-01-02] }";
    let by = |calendar: &str, from: &str, to: &str| {
        let keys = format!(
            "cron: '0 9 * * *', timezone: Asia/Shanghai, calendar: {calendar}, days: workdays"
        );
        days(&with_calendars(&keys, company), from, to)
    };
    let (from, to) = ("2026-12-23", "2026-12-29");
    assert_eq!(
        by("company", from, to),
        ["12-23", "12-25", "12-26", "12-28"]
    );
    assert_eq!(by("shop", from, to), ["12-23", "12-25", "12-27"]);
    assert_eq!(by("week", from, to), ["12-23", "12-24", "12-27", "12-28"]);
    assert_eq!(by("company", "2026-10-01", "2026-10-04"), ["10-01"]);
    assert_eq!(
        by("trip", "2026-06-30", "2026-07-08"),
        ["06-30", "07-06", "07-07"]
    );
    let (_, read) = read(&format!("calendars: {{ {company} }}"));
    let covers = ["cn", "company", "shop", "week", "trip"].map(|name| {
        let date = read.calendars.get(name).unwrap().covers_until();
        date.map(|date| date.to_string())
    });
    assert_eq!(
        covers.each_ref().map(Option::as_deref),
        [
            Some("2026-12-31"),
            Some("2026-12-31"),
            Some("2027-06-30"),
            None,
            Some("2027-12-31")
        ]
    );
}

#[test]
fn nothing_moves_further_than_a_year() {
    let far = |off_days: &str| {
        with_calendars(
            &format!(
                "cron: '0 9 1 * *', timezone: UTC, calendar: c, days: holidays, off_days: {off_days}"
            ),
            "c: { weekend: [], holidays: [2026-06-10] }",
        )
    };
    let (from, to) = ("2026-05-15T00:00", "2026-08-02T00:00");
    assert_eq!(
        with_skips(&far("next"), from, to),
        [
            "skips 2026-06-01T09:00: merged into 2025-07-01",
            "2026-06-10T09:00+00:00 moved from 2025-07-01",
            "skips 2026-07-01T09:00: no day",
            "skips 2026-08-01T09:00: no day",
        ]
    );
    assert_eq!(
        with_skips(&far("previous"), from, to),
        [
            "skips 2026-06-01T09:00: no day",
            "2026-06-10T09:00+00:00 moved from 2026-07-01",
            "skips 2026-08-01T09:00: merged into 2026-07-01",
        ]
    );
    let after = "2026-06-10T09:00:00Z".parse().unwrap();
    let searched_to = "2086-01-01T00:00:00Z".parse().unwrap();
    for off_days in ["next", "previous"] {
        assert_eq!(
            far(off_days).next(after),
            Err(Exhausted { searched_to }),
            "{off_days}"
        );
    }
}

#[test]
fn firings_are_counted() {
    let often = schedule("cron: '*/10 9-10 * * MON', timezone: America/New_York");
    let from = instant(&often, "2026-03-02T00:00");
    let week = SignedDuration::from_hours(7 * 24);
    assert_eq!(often.fires_within(from, week), 12);
    assert_eq!(often.fires_within(from, SignedDuration::from_hours(9)), 0);
    assert_eq!(
        often.fires_within(from, SignedDuration::from_mins(9 * 60 + 1)),
        1
    );
    let hours = schedule("cron: '30 * * * *', timezone: America/New_York, repeat: both");
    let (from, to) = (
        instant(&hours, "2026-10-30T00:00"),
        instant(&hours, "2026-11-04T00:00"),
    );
    assert_eq!(
        hours.most_in_a_day(from, to),
        Some(("2026-11-01".parse().unwrap(), 25))
    );
    // Moved, four days' firings are one day's.
    let moved = schedule(
        "at: ['2026-01-01T09:00', '2026-01-02T10:00', '2026-01-03T11:00', '2026-01-05T09:00'], timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: next",
    );
    let (from, to) = (
        instant(&moved, "2026-01-01T00:00"),
        instant(&moved, "2026-02-01T00:00"),
    );
    assert_eq!(
        moved.most_in_a_day(from, to),
        Some(("2026-01-04".parse().unwrap(), 3))
    );
    assert_eq!(moved.most_in_a_day(to, from), None);
}

/// What is wrong, each as a place with the words there, a code, a summary and help.
fn found(text: &str) -> String {
    let (sources, read) = read(text);
    let mut out = String::new();
    for d in &read.diagnostics {
        let span = d.span.unwrap();
        let words = &text[span.start as usize..span.end as usize];
        let words: String = words.chars().take(40).collect();
        let place = sources.place(span.file, span.start);
        let (line, column) = (place.line, place.column);
        let help = d.help.as_deref().unwrap_or("no help");
        writeln!(
            out,
            "{line}:{column} {words:?} {} {}\n  {}\n  {help}",
            d.severity, d.code, d.summary
        )
        .unwrap();
        for (span, words) in &d.related {
            writeln!(out, "  {}: {words}", sources.locate(*span)).unwrap();
        }
    }
    out
}

#[test]
fn what_is_wrong_with_a_schedule() {
    insta::assert_snapshot!(found("
schedules:
  zone: { cron: '0 9 * * *', timezone: Asia/Shanghia }
  city: { cron: '0 9 * * *', timezone: shanghai }
  beijing: { cron: '0 9 * * *', timezone: Asia/Beijing }
  offset: { cron: '0 9 * * *', timezone: '+08:00' }
  nowhere: { cron: '0 9 * * *' }
  two: { cron: '0 9 * * *', every: 2h, start: 2026-01-01, timezone: UTC }
  none: { timezone: UTC }
  typo: { corn: '0 9 * * *', timezone: UTC }
  never: { cron: '0 9 31 2,4 *', timezone: UTC }
  over: { cron: '0 9 1 * *', start: 2026-01-02, end: 2026-02-01, timezone: UTC }
  backwards: { cron: '0 9 * * *', start: 2026-02-01, end: '2026-02-01T00:00', timezone: UTC }
  startless: { every: 2h, timezone: UTC }
  nothing: { every: 0m, start: 2026-01-01, timezone: UTC }
  negative: { every: -2h, start: 2026-01-01, timezone: UTC }
  tiny: { every: 30s, start: 2026-01-01, timezone: UTC }
  huge: { every: 99999d, start: 2026-01-01, timezone: UTC }
  unitless: { every: 90, start: 2026-01-01, timezone: UTC }
  clock: { every: 2h, start: 2026-01-01, timezone: UTC, gap: skip }
  far: { cron: '0 9 * * *', start: 2200-01-01, end: 1969-12-31, timezone: UTC }
  day: { cron: '0 9 * * *', start: 2026-02-29, timezone: UTC }
  time: { cron: '0 9 * * *', start: '2026-02-28T24:00', end: tomorrow, timezone: UTC }
  seconds: { at: ['2026-02-28T09:00:30'], timezone: UTC }
  dates: { at: [2026-02-28, '2026-02-28 09:00', '2026-02-28T09:00Z'], timezone: UTC }
  empty: { at: [], timezone: UTC }
  gone: { at: ['2026-03-08T02:30'], timezone: America/New_York }
  calendar: { cron: '0 9 * * *', timezone: UTC, calendar: cm, days: workdays }
  aimless: { cron: '0 9 * * *', timezone: UTC, calendar: cn }
  dayless: { cron: '0 9 * * *', timezone: UTC, days: holidays }
  moved: { cron: '0 9 * * *', timezone: UTC, off_days: next }
  words: { cron: '0 9 * * *', timezone: UTC, calendar: cn, days: workday, off_days: nxt, gap: fall, repeat: twice }
  off: { cron: '0 9 * * SUN', timezone: UTC, calendar: own, days: workdays }
calendars:
  own: {}
"), @r#"
        3:40 "Asia/Shanghia" error unknown-zone
          there is no time zone `Asia/Shanghia`
          Did you mean `Asia/Shanghai`?
        4:40 "shanghai" error unknown-zone
          there is no time zone `shanghai`
          Did you mean `Asia/Shanghai`?
        5:43 "Asia/Beijing" error unknown-zone
          there is no time zone `Asia/Beijing`
          Did you mean `Asia/Shanghai`?
        6:42 "'+08:00'" error unknown-zone
          there is no time zone `+08:00`
          Write a name of the IANA database, such as `Asia/Shanghai` or `UTC`.
        7:3 "nowhere" error missing-key
          the key `timezone` is missing in `nowhere`
          Add `timezone:` with its value.
        8:36 "2h" error two-schedules
          `every` stands beside `cron`
          Keep one of the two; what needs both is two notices.
          schedules.yaml:8:16: `cron` stands here
        9:3 "none" error no-schedule
          the schedule does not say when
          Add one of `cron`, `rrule`, `at` and `every`.
        10:11 "corn" error unknown-key
          there is no key `corn` in `typo`
          Did you mean `cron`? The keys are `cron`, `rrule`, `at`, `every`, `timezone`, `start`, `end`, `calendar`, `days`, `off_days`, `gap` and `repeat`.
        11:18 "'0 9 31 2,4 *'" error never-fires
          the schedule does not fire once in 60 years
          Compare its days and months: February has 29 days at most.
        12:17 "'0 9 1 * *'" error never-fires
          the schedule does not fire at all
          Compare what it says with `end`.
        13:59 "'2026-02-01T00:00'" error end-before-start
          the schedule ends before it starts
          Write an `end` after `start`; what is meant for `end` itself does not fire.
          schedules.yaml:13:42: it starts here
        14:23 "2h" error needs-start
          the schedule has no `start`, and `every` counts from it
          Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        15:21 "0m" error bad-every
          `0m` is less than a minute
          Write a time from `1m` to `3660d`, with the units `m`, `h`, `d` and `w`.
        16:22 "-2h" error bad-every
          `-2h` is no time between firings
          Write a time from `1m` to `3660d`, with the units `m`, `h`, `d` and `w`.
        17:18 "30s" error bad-every
          `30s` is less than a minute
          Write a time from `1m` to `3660d`, with the units `m`, `h`, `d` and `w`.
        18:18 "99999d" error bad-every
          `99999d` is more than ten years
          Write a time from `1m` to `3660d`, with the units `m`, `h`, `d` and `w`.
        19:22 "90" error bad-every
          `90` is no time between firings
          Write a time from `1m` to `3660d`, with the units `m`, `h`, `d` and `w`.
        20:62 "skip" error clock-and-every
          `every` counts elapsed time, which no clock skips or repeats
          Remove `gap` and `repeat`, or write a `cron` rule.
          schedules.yaml:20:19: `every` stands here
        21:36 "2200-01-01" error bad-time
          `2200-01-01` is too far away
          Years go from 1970 to 2199.
        21:53 "1969-12-31" error bad-time
          `1969-12-31` is too far away
          Years go from 1970 to 2199.
        22:36 "2026-02-29" error bad-time
          there is no day `2026-02-29`
          Look at the calendar of that month.
        23:37 "'2026-02-28T24:00'" error bad-time
          there is no time of day `24:00`
          Hours go from 00 to 23 and minutes from 00 to 59.
        23:62 "tomorrow" error bad-time
          `tomorrow` is no time
          Write a local time such as `2026-12-24T09:00`, a time with an offset such as `2026-12-24T09:00+08:00`, or a date.
        24:19 "'2026-02-28T09:00:30'" error bad-time
          `2026-02-28T09:00:30` has seconds
          Schedules are of whole minutes; leave the seconds out.
        25:17 "2026-02-28" error bad-time
          `2026-02-28` has no time of day
          Write it as in `2026-02-28T09:00`.
        25:49 "'2026-02-28T09:00Z'" warning time-listed-twice
          the time is listed twice
          Remove one of the two; it fires once.
          schedules.yaml:25:29: first listed here
        26:16 "[]" error never-fires
          the list of times is empty
          Write a time, as in `[2026-12-24T09:00]`.
        27:16 "'2026-03-08T02:30'" warning skipped-time
          clocks are put forward over `2026-03-08T02:30`, which fires at 03:30:00
          Write a time that exists on that day.
        28:59 "cm" error unknown-calendar
          there is no calendar `cm`
          Write it under `calendars`; there is `cn` and `own`.
        29:58 "cn" error needs-days
          the schedule has a calendar and does not say what for
          Add `days: workdays` or `days: holidays`.
        30:54 "holidays" error needs-calendar
          `days` goes by a calendar, and none is named
          Add `calendar:`, as in `calendar: cn`.
        31:56 "next" error needs-calendar
          `off_days` is about the days of a calendar, and none is named
          Add `calendar:` and `days:`, as in `calendar: cn` and `days: workdays`.
        32:66 "workday" error wrong-type
          `days` must be `workdays` or `holidays`, not `workday`
          Did you mean `workdays`?
        32:85 "nxt" error wrong-type
          `off_days` must be `skip`, `previous` or `next`, not `nxt`
          Did you mean `next`?
        32:95 "fall" error wrong-type
          `gap` must be `shift` or `skip`, not `fall`
          Write one of these words, or remove the key.
        32:109 "twice" error wrong-type
          `repeat` must be `first`, `last` or `both`, not `twice`
          Write one of these words, or remove the key.
        33:16 "'0 9 * * SUN'" error never-fires
          the schedule does not fire once in 60 years
          Compare what it says with `days` and the calendar.
    "#);
}

#[test]
fn what_is_wrong_with_a_cron_rule() {
    let rules = [
        "",
        "0 9 * *",
        "0 0 9 * * *",
        "@daily",
        "60 9 * * *",
        "0 24 * * *",
        "0 9 0 * *",
        "0 9 * 13 *",
        "0 9 * * 8",
        "0 9 * * MOM",
        "0 9 * JUM *",
        "5/15 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "0 17-9 * * *",
        "0 9 * * FRI-MON",
        "0 9 L * *",
        "0 9 * * 5L",
        "0 9 15W * *",
        "0 9 ? * MON",
        "0 9,,10 * * *",
        "+5 9 * * *",
        "007 9 * * *",
        "1- 9 * * *",
        "0 9 30 2 *",
    ];
    let mut out = String::new();
    for rule in rules {
        let text = found(&format!(
            "schedules: {{ s: {{ timezone: UTC, cron: '{rule}' }} }}"
        ));
        let text = text
            .replace("error bad-cron\n  ", "")
            .replace("\n  ", " | ");
        write!(out, "{rule}\n    {text}").unwrap();
    }
    insta::assert_snapshot!(out, @r#"

            1:40 "''" a cron rule has five fields, not 0 | Write minute, hour, day of the month, month and day of the week, as in `0 10 * * WED`.
        0 9 * *
            1:41 "0 9 * *" a cron rule has five fields, not 4 | Write minute, hour, day of the month, month and day of the week, as in `0 10 * * WED`.
        0 0 9 * * *
            1:41 "0 0 9 * * *" a cron rule has five fields, not 6 | There are no fields for seconds and years: write minute, hour, day of the month, month and day of the week.
        @daily
            1:41 "@daily" `@daily` is not five fields | Write `0 0 * * *`.
        60 9 * * *
            1:41 "60" `60` is no minute | Write `*`, a number from 0 to 59, a range, or several with commas.
        0 24 * * *
            1:43 "24" `24` is no hour | Write `*`, a number from 0 to 23, a range, or several with commas.
        0 9 0 * *
            1:45 "0" `0` is no day of the month | Write `*`, a number from 1 to 31, a range, or several with commas.
        0 9 * 13 *
            1:47 "13" `13` is no month | Write `*`, a number from 1 to 12, or a name from JAN to DEC, a range, or several with commas.
        0 9 * * 8
            1:49 "8" `8` is no day of the week | Write `*`, a number from 0 to 7, or a name from SUN to SAT, a range, or several with commas.
        0 9 * * MOM
            1:49 "MOM" `MOM` is no day of the week | Write `*`, a number from 0 to 7, or a name from SUN to SAT, a range, or several with commas.
        0 9 * JUM *
            1:47 "JUM" `JUM` is no month | Write `*`, a number from 1 to 12, or a name from JAN to DEC, a range, or several with commas.
        5/15 * * * *
            1:41 "5/15" `5/15` has a step and no range | Write `5-59/15`.
        */0 * * * *
            1:41 "*/0" `0` is no step for the minute | Write a step from 1 to 59.
        */x * * * *
            1:41 "*/x" `x` is no step for the minute | Write a step from 1 to 59.
        0 17-9 * * *
            1:43 "17-9" `17-9` goes backwards | Write `17-23,0-9` to go past the end.
        0 9 * * FRI-MON
            1:49 "FRI-MON" `FRI-MON` goes backwards | Write `5-6,0-1` to go past the end.
        0 9 L * *
            1:45 "L" `L` is no day of the month | Last days and the like are for `rrule`, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`.
        0 9 * * 5L
            1:49 "5L" `5L` is no day of the week | Last days and the like are for `rrule`, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`.
        0 9 15W * *
            1:45 "15W" `15W` is no day of the month | Last days and the like are for `rrule`, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`.
        0 9 ? * MON
            1:45 "?" `?` is no day of the month | Write `*`.
        0 9,,10 * * *
            1:40 "'0 9,,10 * * *'" the hour has an empty part | Write `*`, a number from 0 to 23, a range, or several with commas.
        +5 9 * * *
            1:41 "+5" `+5` is no minute | Write `*`, a number from 0 to 59, a range, or several with commas.
        007 9 * * *
            1:41 "007" `007` is no minute | Write `*`, a number from 0 to 59, a range, or several with commas.
        1- 9 * * *
            1:41 "1-" the minute has an empty part | Write `*`, a number from 0 to 59, a range, or several with commas.
        0 9 30 2 *
            1:40 "'0 9 30 2 *'" error never-fires | the schedule does not fire once in 60 years | Compare its days and months: February has 29 days at most.
    "#);
    for rule in [
        "0 9 * * SAT-SUN",
        "0 9 * * 5-7",
        "0 9 * * 0,7",
        "0 9 1 jan,Feb mon",
    ] {
        schedule(&format!("timezone: UTC, cron: '{rule}'"));
    }
}

#[test]
fn what_is_wrong_with_a_recurrence_rule() {
    let rules = [
        "",
        "BYDAY=MO",
        "FREQ=DALY",
        "FREQ=SECONDLY",
        "FREQ=DAILY;;BYHOUR=9",
        "FREQ=DAILY;BYSECOND=1",
        "FREQ=DAILY;FOO=1",
        "FREQ=DAILY;BYHOUR",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYDAY=XX",
        "FREQ=MONTHLY;BYDAY=99MO",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYYEARDAY=1",
        "FREQ=MONTHLY;BYWEEKNO=1;BYDAY=MO",
        "FREQ=YEARLY;BYWEEKNO=1",
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO",
        "FREQ=DAILY;BYSETPOS=1",
        "FREQ=DAILY;COUNT=3;UNTIL=20260101",
        "FREQ=DAILY;UNTIL=2026-01-01",
        "FREQ=DAILY;UNTIL=20260230",
        "FREQ=DAILY;UNTIL=99991231T000000Z",
        "FREQ=DAILY;DTSTART=20260101",
        "FREQ=DAILY;WKST=M",
        "FREQ=DAILY;BYHOUR=9",
        "FREQ=DAILY;BYMINUTE=0",
        "FREQ=WEEKLY;BYHOUR=9;BYMINUTE=0",
        "FREQ=MONTHLY;BYHOUR=9;BYMINUTE=0",
        "FREQ=YEARLY;BYMONTH=3;BYHOUR=9;BYMINUTE=0",
        "FREQ=HOURLY",
        "FREQ=DAILY;INTERVAL=2;BYHOUR=9;BYMINUTE=0",
        "FREQ=DAILY;COUNT=2;BYHOUR=9;BYMINUTE=0",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=9;BYMINUTE=0",
    ];
    let mut out = String::new();
    for rule in rules {
        let text = found(&format!(
            "schedules: {{ s: {{ timezone: UTC, rrule: '{rule}' }} }}"
        ));
        let text = text
            .replace("error bad-rrule\n  ", "")
            .replace("\n  ", " | ");
        write!(out, "{rule}\n    {text}").unwrap();
    }
    insta::assert_snapshot!(out, @r#"

            1:41 "''" a part of the rule is empty | Write NAME=VALUE, several with `;` between them.
        BYDAY=MO
            1:42 "BYDAY=MO" the rule has no FREQ | Begin it with how often, as in `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16;BYMINUTE=0`.
        FREQ=DALY
            1:42 "FREQ=DALY" there is no FREQ `DALY` | Did you mean `DAILY`? It is one of `YEARLY`, `MONTHLY`, `WEEKLY`, `DAILY`, `HOURLY` and `MINUTELY`.
        FREQ=SECONDLY
            1:42 "FREQ=SECONDLY" FREQ=SECONDLY is not supported | It is one of `YEARLY`, `MONTHLY`, `WEEKLY`, `DAILY`, `HOURLY` and `MINUTELY`.
        FREQ=DAILY;;BYHOUR=9
            1:41 "'FREQ=DAILY;;BYHOUR=9'" a part of the rule is empty | Write NAME=VALUE, several with `;` between them.
        FREQ=DAILY;BYSECOND=1
            1:53 "BYSECOND=1" the part `BYSECOND` is not supported | Remove it; schedules are of whole minutes.
        FREQ=DAILY;FOO=1
            1:53 "FOO=1" the part `FOO` is not supported | The parts are `FREQ`, `INTERVAL`, `COUNT`, `UNTIL`, `WKST`, `BYMONTH`, `BYWEEKNO`, `BYYEARDAY`, `BYMONTHDAY`, `BYDAY`, `BYHOUR`, `BYMINUTE` and `BYSETPOS`.
        FREQ=DAILY;BYHOUR
            1:53 "BYHOUR" `BYHOUR` is no part of a rule | Write NAME=VALUE, several with `;` between them.
        FREQ=DAILY;FREQ=DAILY
            1:53 "FREQ=DAILY" FREQ stands twice | Keep one of the two.
        FREQ=DAILY;INTERVAL=0
            1:53 "INTERVAL=0" `0` does not fit INTERVAL | It takes numbers from 1 to 1000000.
        FREQ=DAILY;COUNT=-1
            1:53 "COUNT=-1" `-1` does not fit COUNT | It takes numbers from 1 to 100000.
        FREQ=DAILY;BYHOUR=24
            1:53 "BYHOUR=24" `24` does not fit BYHOUR | It takes numbers from 0 to 23.
        FREQ=MONTHLY;BYMONTHDAY=0
            1:55 "BYMONTHDAY=0" `0` does not fit BYMONTHDAY | It takes numbers from 1 to 31, and from -1 to -31 from the end.
        FREQ=MONTHLY;BYDAY=XX
            1:55 "BYDAY=XX" `XX` is no day of the week | The days are MO, TU, WE, TH, FR, SA and SU.
        FREQ=MONTHLY;BYDAY=99MO
            1:55 "BYDAY=99MO" `99` does not fit BYDAY | It takes numbers from -53 to 53.
        FREQ=WEEKLY;BYDAY=1MO
            1:54 "BYDAY=1MO" numbered weekdays are for FREQ=MONTHLY and YEARLY | Write weekdays without numbers, as in `BYDAY=FR`.
        FREQ=WEEKLY;BYMONTHDAY=1
            1:54 "BYMONTHDAY=1" BYMONTHDAY is not for FREQ=WEEKLY | Remove it, or choose another FREQ.
        FREQ=MONTHLY;BYYEARDAY=1
            1:55 "BYYEARDAY=1" BYYEARDAY is not for FREQ=DAILY, WEEKLY and MONTHLY | Remove it, or choose another FREQ.
        FREQ=MONTHLY;BYWEEKNO=1;BYDAY=MO
            1:55 "BYWEEKNO=1" BYWEEKNO is for FREQ=YEARLY only | Remove it, or choose another FREQ.
        FREQ=YEARLY;BYWEEKNO=1
            1:54 "BYWEEKNO=1" BYWEEKNO stands without BYDAY, which programs read differently | Add the days of the week, as in `BYDAY=MO`.
        FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO
            1:65 "BYDAY=1MO" numbered weekdays stand beside BYWEEKNO | Write weekdays without numbers, as in `BYDAY=FR`.
        FREQ=DAILY;BYSETPOS=1
            1:53 "BYSETPOS=1" BYSETPOS picks from what other parts list, and there are none | Add what to pick from, as in `BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1`.
        FREQ=DAILY;COUNT=3;UNTIL=20260101
            1:61 "UNTIL=20260101" COUNT and UNTIL stand together | Keep one of the two.
        FREQ=DAILY;UNTIL=2026-01-01
            1:53 "UNTIL=2026-01-01" `2026-01-01` is no time for UNTIL | Write it as `20261224`, `20261224T180000` or `20261224T100000Z`, from 1900 to 2299.
        FREQ=DAILY;UNTIL=20260230
            1:53 "UNTIL=20260230" `20260230` is no time for UNTIL | Write it as `20261224`, `20261224T180000` or `20261224T100000Z`, from 1900 to 2299.
        FREQ=DAILY;UNTIL=99991231T000000Z
            1:53 "UNTIL=99991231T000000Z" `99991231T000000Z` is no time for UNTIL | Write it as `20261224`, `20261224T180000` or `20261224T100000Z`, from 1900 to 2299.
        FREQ=DAILY;DTSTART=20260101
            1:53 "DTSTART=20260101" the part `DTSTART` is not supported | Write `start:` beside `rrule:`.
        FREQ=DAILY;WKST=M
            1:53 "WKST=M" `M` is no day of the week | The days are MO, TU, WE, TH, FR, SA and SU.
        FREQ=DAILY;BYHOUR=9
            1:41 "'FREQ=DAILY;BYHOUR=9'" error needs-start | the schedule has no `start`, and without BYMINUTE the minute is that of it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=DAILY;BYMINUTE=0
            1:41 "'FREQ=DAILY;BYMINUTE=0'" error needs-start | the schedule has no `start`, and without BYHOUR the hour is that of it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=WEEKLY;BYHOUR=9;BYMINUTE=0
            1:41 "'FREQ=WEEKLY;BYHOUR=9;BYMINUTE=0'" error needs-start | the schedule has no `start`, and the day of the week is that of it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=MONTHLY;BYHOUR=9;BYMINUTE=0
            1:41 "'FREQ=MONTHLY;BYHOUR=9;BYMINUTE=0'" error needs-start | the schedule has no `start`, and the day of the month is that of it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=YEARLY;BYMONTH=3;BYHOUR=9;BYMINUTE=0
            1:41 "'FREQ=YEARLY;BYMONTH=3;BYHOUR=9;BYMINUTE" error needs-start | the schedule has no `start`, and the day of the month is that of it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=HOURLY
            1:41 "'FREQ=HOURLY'" error needs-start | the schedule has no `start`, and without BYMINUTE the minute is that of it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=DAILY;INTERVAL=2;BYHOUR=9;BYMINUTE=0
            1:41 "'FREQ=DAILY;INTERVAL=2;BYHOUR=9;BYMINUTE" error needs-start | the schedule has no `start`, and INTERVAL counts from it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=DAILY;COUNT=2;BYHOUR=9;BYMINUTE=0
            1:41 "'FREQ=DAILY;COUNT=2;BYHOUR=9;BYMINUTE=0'" error needs-start | the schedule has no `start`, and COUNT counts from it | Add `start:` with a date or a local time, as in `start: 2026-01-05T09:00`.
        FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=9;BYMINUTE=0
            1:41 "'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYH" error never-fires | the schedule does not fire once in 60 years | Compare its days and months: February has 29 days at most.
    "#);
    for rule in [
        "FREQ=MINUTELY",
        "RRULE:FREQ=HOURLY;BYMINUTE=5;",
        "freq=daily;byhour=9;byminute=+0",
    ] {
        schedule(&format!("timezone: UTC, rrule: '{rule}'"));
    }
}

#[test]
fn what_is_wrong_with_a_calendar() {
    insta::assert_snapshot!(found("
calendars:
  cn: {}
  a: { extends: b }
  b: { extends: c }
  c: { extends: a }
  self: { extends: self }
  lost: { extends: compny }
  company: { holidays: [2026-12-24, 2026-12-24], workdays: [2026-12-26, 2026-12-24] }
  stretch: { holidays: [2026-12-24..2026-12-23, 2026-01-01..2027-06-01, 2026-13-01, 2026-02-01..x] }
  twice: { holidays: [2026-10-01..2026-10-07, 2026-10-05] }
  covers: { covers: forever, weekend: [saturday] }
schedules:
  quiet: { cron: '0 9 * * *', timezone: UTC, calendar: lost, days: workdays }
"), @r#"
        3:3 "cn" error built-in-calendar
          the calendar `cn` is built in
          Give yours another name, and begin it with `extends: cn`.
        6:17 "a" error calendar-cycle
          calendars extend each other: `a`, `b`, `c`, `a`
          Remove one `extends`.
          schedules.yaml:4:17: extended here
          schedules.yaml:5:17: extended here
        7:20 "self" error calendar-cycle
          calendars extend each other: `self`, `self`
          Remove one `extends`.
        8:20 "compny" error unknown-calendar
          there is no calendar `compny`
          Did you mean `company`? Write it under `calendars`; there is `cn`, `a`, `b`, `c`, `company`, `covers`, `lost` and `self`.
        9:37 "2026-12-24" error date-listed-twice
          2026-12-24 is listed twice
          Remove one of the two.
          schedules.yaml:9:25: first listed here
        9:73 "2026-12-24" error date-listed-twice
          2026-12-24 is a holiday and a working day
          Remove one of the two.
          schedules.yaml:9:25: first listed here
        10:25 "2026-12-24..2026-12-23" error bad-time
          the last day stands before the first
          Write it as in `2026-12-24..2026-12-31`.
        10:49 "2026-01-01..2027-06-01" error bad-time
          the stretch is longer than a year
          Write it as in `2026-12-24..2026-12-31`.
        10:73 "2026-13-01" error bad-time
          there is no day `2026-13-01`
          Look at the calendar of that month.
        10:85 "2026-02-01..x" error bad-time
          `x` is no date
          Write it as in `2026-12-24`.
        11:47 "2026-10-05" error date-listed-twice
          2026-10-05 is listed twice
          Remove one of the two.
          schedules.yaml:11:23: first listed here
        12:21 "forever" error bad-time
          `forever` is no date
          Write it as in `2026-12-24`.
        12:40 "saturday" error wrong-type
          `each of weekend` must be `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, not `saturday`
          Did you mean `sat`?
    "#);
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let (mut compiler, mut schemas) = (boon::Compiler::new(), boon::Schemas::new());
    compiler
        .add_resource("schedules.json", read::schema())
        .unwrap();
    let index = compiler.compile("schedules.json", &mut schemas).unwrap();
    let fits = |value: serde_json::Value| {
        let fits = schemas.validate(&value, index).is_ok();
        let (_, read) = read(&value.to_string());
        (fits, read.diagnostics.is_empty())
    };
    let schedule = |keys: serde_json::Value| serde_json::json!({ "schedules": { "s": keys } });
    let calendar = |keys: serde_json::Value| serde_json::json!({ "calendars": { "c": keys } });
    for good in [
        schedule(
            serde_json::json!({ "cron": "0 9 * * *", "timezone": "UTC", "start": "2026-01-01", "gap": "skip", "repeat": "both" }),
        ),
        schedule(
            serde_json::json!({ "rrule": "FREQ=MINUTELY", "timezone": "UTC", "calendar": "cn", "days": "workdays", "off_days": "next" }),
        ),
        schedule(serde_json::json!({ "at": ["2026-01-01T09:00"], "timezone": "UTC" })),
        schedule(
            serde_json::json!({ "every": "1h30m", "start": "2026-01-01", "end": "2027-01-01", "timezone": "UTC" }),
        ),
        calendar(
            serde_json::json!({ "extends": "cn", "holidays": ["2026-12-24"], "workdays": ["2026-12-26..2026-12-27"], "weekend": ["sun"], "covers": "2026-12-31" }),
        ),
    ] {
        assert_eq!(fits(good.clone()), (true, true), "{good}");
    }
    for bad in [
        schedule(serde_json::json!({ "timezone": "UTC" })),
        schedule(serde_json::json!({ "cron": "0 9 * * *" })),
        schedule(
            serde_json::json!({ "cron": "0 9 * * *", "every": "2h", "start": "2026-01-01", "timezone": "UTC" }),
        ),
        schedule(serde_json::json!({ "cron": "0 9 * * *", "timezone": "UTC", "gap": "fall" })),
        schedule(
            serde_json::json!({ "every": "2 hours", "start": "2026-01-01", "timezone": "UTC" }),
        ),
        calendar(serde_json::json!({ "holidays": ["24 December"] })),
        calendar(serde_json::json!({ "weekend": ["saturday"] })),
    ] {
        assert_eq!(fits(bad.clone()), (false, false), "{bad}");
    }
}

#[test]
fn positions_pick_within_their_period() {
    check(&[
        (
            "rrule: 'FREQ=HOURLY;BYMINUTE=5,25,45;BYSETPOS=2,-1', timezone: UTC",
            "2026-01-01T00:00",
            "2026-01-01T02:00",
            &[
                "2026-01-01T00:25+00:00",
                "2026-01-01T00:45+00:00",
                "2026-01-01T01:25+00:00",
                "2026-01-01T01:45+00:00",
            ],
        ),
        // A week is whole, wherever in it the rule starts.
        (
            "rrule: 'FREQ=WEEKLY;BYDAY=TU,WE,TH,FR;BYSETPOS=2', start: '2026-01-08T09:00', timezone: UTC",
            "2026-01-01T00:00",
            "2026-01-20T00:00",
            &["2026-01-14T09:00+00:00"],
        ),
        // Plain and numbered weekdays add to each other.
        (
            "rrule: 'FREQ=MONTHLY;BYDAY=MO,1TU,-1FR;BYHOUR=9;BYMINUTE=0', timezone: UTC",
            "2026-06-01T00:00",
            "2026-06-30T00:00",
            &[
                "2026-06-01T09:00+00:00",
                "2026-06-02T09:00+00:00",
                "2026-06-08T09:00+00:00",
                "2026-06-15T09:00+00:00",
                "2026-06-22T09:00+00:00",
                "2026-06-26T09:00+00:00",
                "2026-06-29T09:00+00:00",
            ],
        ),
    ]);
}

#[test]
fn searches_end_soon() {
    let begun = std::time::Instant::now();
    for keys in [
        "cron: '* * * * *', calendar: none, days: workdays, off_days: next",
        "cron: '* * * * *', calendar: none, days: workdays, off_days: previous",
        "cron: '* * * * *', calendar: none, days: workdays",
        "rrule: 'FREQ=MINUTELY', calendar: none, days: workdays, off_days: next",
        "every: 1m, start: 2026-01-01, calendar: none, days: workdays, off_days: previous",
        "every: 1m, start: 2026-01-01, calendar: none, days: workdays",
        "rrule: 'FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5', start: '2026-01-01T04:00'",
        "rrule: 'FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;BYMONTH=6;BYHOUR=1;BYMINUTE=1'",
        "rrule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYSETPOS=-1;BYHOUR=1;BYMINUTE=1'",
        "rrule: 'FREQ=YEARLY;INTERVAL=1000000;BYMONTH=2;BYMONTHDAY=30', start: 2026-01-01",
        "rrule: 'FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=100000', start: 2026-01-01",
        "cron: '0 0 31 2,4,6,9,11 *'",
    ] {
        let calendars = "calendars: { none: { weekend: [mon, tue, wed, thu, fri, sat, sun] } }";
        let (_, read) = read(&format!(
            "schedules: {{ s: {{ {keys}, timezone: America/New_York }} }}\n{calendars}"
        ));
        let codes: Vec<&str> = read.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, ["never-fires"], "{keys}");
    }
    // Without bounds each would take minutes; how long it takes here is not measured closely.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
