//! A runner looks only at the notices of which something may be due, and finds what looking at all would.

use std::collections::BTreeMap;
use std::sync::Arc;

use beadle::engine::agenda::Roster;
use beadle::engine::letters::{Desk, posted};
use beadle::engine::outbox::Books;
use beadle::engine::right::Stop;
use beadle::engine::runner::{Channels, Context, Due, Notice, due, round};
use beadle::ledger;
use beadle::model::manifest::Vendor;
use beadle::model::{Address, AppId, Collection, Kind, Name, RemoteId};
use beadle::plan::live::Binding;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use crate::support::sides::manifest;

/// What a schedule says, of every kind; the days of `cn` around a long holiday with make-up Saturdays.
const SCHEDULES: [&str; 16] = [
    "cron: '0 10 * * *', timezone: Asia/Shanghai",
    "cron: '*/20 * * * *', timezone: UTC",
    "cron: '0 9,10 * * *', timezone: Asia/Shanghai, calendar: cn, days: workdays",
    "cron: '0 9,10 * * *', timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: previous",
    "cron: '0 9,10 * * *', timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: next",
    "cron: '30 23 * * SAT', timezone: America/New_York, calendar: cn, days: workdays, off_days: previous",
    "cron: '30 0 * * SUN', timezone: Europe/Berlin, calendar: cn, days: workdays, off_days: next",
    "cron: '30 2 * * *', timezone: Europe/Berlin, gap: skip, repeat: both",
    "cron: '30 2 * * *', timezone: Europe/Berlin, gap: shift, repeat: last",
    "rrule: 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=9;BYMINUTE=0', timezone: Asia/Shanghai",
    "rrule: 'FREQ=DAILY;BYHOUR=8;BYMINUTE=0', timezone: Asia/Shanghai, calendar: cn, days: holidays",
    "every: 90m, start: '2026-09-25T00:15', timezone: UTC",
    "every: 5h, start: '2026-09-01T00:00', end: 2026-10-03, timezone: Asia/Shanghai",
    // The second is meant for later, and fires earlier, than the first.
    "at: ['2026-09-30T10:00', '2026-10-03T09:00'], timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: previous",
    "at: ['2026-10-02T10:00', '2026-10-08T09:00', '2026-10-09T08:00'], timezone: Asia/Shanghai, calendar: cn, days: workdays, off_days: next",
    "at: ['2026-09-28T10:00'], timezone: UTC",
];

fn start() -> Timestamp {
    "2026-09-24T00:00:00Z".parse().unwrap()
}

/// The notices of a project as the ledger has them, with nobody who could send.
fn notices(schedules: &[usize], applied: &[i64]) -> Vec<Arc<dyn Notice>> {
    let mut text = "recurring_notices:\n".to_owned();
    for (n, kind) in schedules.iter().enumerate() {
        let schedule = SCHEDULES[*kind];
        text += &format!(
            "  n{n}: {{ to: [oc_a0553eda9014c201e6969b478895c230], schedule: {{ {schedule} }}, \
             message: {{ title: T, text: x }}, late: 15m }}\n"
        );
    }
    let manifest = manifest(&text);
    let bindings: Vec<Binding> = manifest
        .notices
        .iter()
        .zip(applied)
        .map(|((name, notice), minutes)| Binding {
            address: Address::new(Kind::RecurringNotice, name.clone()),
            provider: Name::new("feishu").unwrap(),
            app: AppId::new("cli_a1"),
            collection: Collection::Ledger,
            id: RemoteId::new(name.as_str()),
            applied: notice.fields(),
            protect: false,
            updated_at: start() + SignedDuration::from_mins(*minutes),
        })
        .collect();
    let vendors = BTreeMap::from([(Name::new("feishu").unwrap(), Vendor::Feishu)]);
    let desk = Desk::new(&bindings, &vendors);
    let project = Name::new("p").unwrap();
    let (all, unreadable) = posted(&project, &bindings, &Channels::new(), &desk);
    assert_eq!(unreadable, []);
    let all = all.into_iter().map(|one| Arc::new(one) as Arc<dyn Notice>);
    all.collect()
}

/// Everything that a ledger knows of occurrences, oldest first.
async fn told(books: &dyn Books) -> Vec<String> {
    let mut all = books.occurrences(None, 100_000).await.unwrap();
    all.reverse();
    let line = |o: &beadle::engine::outbox::Occurrence| {
        let (key, last, at) = (&o.key, o.last, o.at);
        format!("{key} to {last}, x{} at {at}: {:?}", o.count, o.outcome)
    };
    all.iter().map(line).collect()
}

/// A round of a runner that remembers when what is due.
async fn by_agenda(books: &dyn Books, roster: &mut Roster, now: Timestamp) {
    let context = Context {
        outbox: books,
        channels: &Channels::new(),
        runner: "one",
        stop: &Stop::default(),
        now: &|| now,
        tell: &|_| {},
    };
    round(&context, roster).await.unwrap();
}

/// A round of one that looks at everything.
async fn by_scan(books: &dyn Books, notices: &[Arc<dyn Notice>], now: Timestamp) {
    for notice in notices {
        let handled = books.handled_until(notice.address()).await.unwrap();
        let Due {
            until, admissions, ..
        } = due(notice.as_ref(), handled, now);
        books
            .admit(notice.address(), until, &admissions)
            .await
            .unwrap();
    }
}

/// How far the clock goes on between two rounds, in minutes; it may be set back.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0i64..120,
        3 => 120i64..2_000,
        1 => 2_000i64..20_000,
        1 => -300i64..0,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rounds_by_the_agenda_record_what_rounds_that_look_at_all_record(
        schedules in prop::collection::vec(0..SCHEDULES.len(), 1..8),
        applied in prop::collection::vec(0i64..20_000, 8),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let project = Name::new("p").unwrap();
            let (one, other) = (ledger::open_memory(&project), ledger::open_memory(&project));
            let notices = notices(&schedules, &applied);
            let mut roster = Roster::new(notices.clone(), &[]);
            let mut now = start();
            for step in steps {
                now += SignedDuration::from_mins(step);
                by_agenda(one.as_ref(), &mut roster, now).await;
                by_scan(other.as_ref(), &notices, now).await;
                let first = roster.first();
                prop_assert!(first.is_none_or(|first| first > now), "{first:?} is not after {now}");
            }
            prop_assert_eq!(told(one.as_ref()).await, told(other.as_ref()).await);
            Ok(())
        })?;
    }
}

/// Each nominal instant has its outcome, in whatever order they fire.
#[tokio::test]
async fn an_instant_that_is_meant_later_and_fires_earlier_takes_no_other_with_it() {
    let books = ledger::open_memory(&Name::new("p").unwrap());
    let notices = notices(&[13], &[0]);
    let mut roster = Roster::new(notices, &[]);
    for now in [
        "2026-09-30T01:00:00Z",
        "2026-09-30T02:00:00Z",
        "2026-10-04T00:00:00Z",
    ] {
        by_agenda(books.as_ref(), &mut roster, now.parse().unwrap()).await;
    }
    let told = told(books.as_ref()).await;
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("@2026-09-30T02:00:00Z") && told[0].contains("Refused"));
    assert!(told[1].contains("@2026-10-03T01:00:00Z") && told[1].contains("Refused"));
    assert!(told[1].contains("at 2026-09-30T01:00:00Z"), "{told:#?}");
}

/// The days around a change of clocks, in zones where it is an hour, half an hour, or at midnight.
const GAPS: [(&str, &str, &str); 4] = [
    ("Europe/Berlin", "2026-03-29", "30 2"),
    ("America/New_York", "2026-03-08", "15 2"),
    ("Australia/Lord_Howe", "2026-10-04", "10 2"),
    ("America/Santiago", "2026-09-06", "45 0"),
];

#[derive(Clone, Debug)]
struct Moving {
    zone: usize,
    /// Minute and hours besides the one that clocks skip.
    more: &'static str,
    /// Days off besides the weekend, from six days before the change on.
    off: Vec<bool>,
    policy: (&'static str, &'static str, &'static str, &'static str),
}

fn moving() -> impl Strategy<Value = Moving> {
    let policy = (
        prop_oneof![Just("skip"), Just("shift")],
        prop_oneof![Just("first"), Just("last"), Just("both")],
        prop_oneof![Just("previous"), Just("next"), Just("skip")],
        prop_oneof![3 => Just("workdays"), 1 => Just("holidays")],
    );
    let off = prop::collection::vec(any::<bool>(), 13);
    let more = prop_oneof![Just(""), Just(",3"), Just(",0,9"), Just(",1,2,3")];
    (0..GAPS.len(), more, off, policy).prop_map(|(zone, more, off, policy)| Moving {
        zone,
        more,
        off,
        policy,
    })
}

impl Moving {
    fn gap(&self) -> jiff::civil::Date {
        GAPS[self.zone].1.parse().unwrap()
    }

    /// The notice as it is registered, with a calendar or without, a while before the change.
    fn notice(&self, with_calendar: bool) -> (Arc<dyn Notice>, beadle::model::schedule::Schedule) {
        let (zone, _, time) = GAPS[self.zone];
        let (gap, repeat, off_days, days) = self.policy;
        let mut keys = format!(
            "cron: '{time}{} * * *', timezone: {zone}, gap: {gap}, repeat: {repeat}",
            self.more
        );
        let mut calendar = String::new();
        if with_calendar {
            keys += &format!(", calendar: own, days: {days}, off_days: {off_days}");
            let first = self.gap() - 6.days();
            let off = (0i64..).zip(&self.off).filter(|(_, off)| **off);
            let off: Vec<_> = off.map(|(n, _)| (first + n.days()).to_string()).collect();
            calendar = format!(
                "calendars: {{ own: {{ holidays: [{}], covers: 2027-12-31 }} }}\n",
                off.join(", ")
            );
        }
        let manifest = manifest(&format!(
            "{calendar}recurring_notices:\n  n0: {{ to: [oc_a0553eda9014c201e6969b478895c230], \
             schedule: {{ {keys} }}, message: {{ title: T, text: x }} }}\n"
        ));
        let notice = &manifest.notices.values().next().unwrap();
        let noon = jiff::civil::Time::midnight();
        let applied = (self.gap() - 20.days()).to_datetime(noon);
        let applied = applied
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp();
        let binding = Binding {
            address: notice.address.clone(),
            provider: Name::new("feishu").unwrap(),
            app: AppId::new("cli_a1"),
            collection: Collection::Ledger,
            id: RemoteId::new("n0"),
            applied: notice.fields(),
            protect: false,
            updated_at: applied,
        };
        let vendors = BTreeMap::from([(Name::new("feishu").unwrap(), Vendor::Feishu)]);
        let bindings = [binding];
        let desk = Desk::new(&bindings, &vendors);
        let project = Name::new("p").unwrap();
        let (all, _) = posted(&project, &bindings, &Channels::new(), &desk);
        let one = all.into_iter().next().unwrap();
        (Arc::new(one), notice.schedule.clone())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever calendars and clocks do to a nominal instant, it ends in one outcome.
    #[test]
    fn every_nominal_instant_has_exactly_one_outcome(
        moving in moving(),
        steps in prop::collection::vec(1i64..2_000, 40..60),
    ) {
        let (_, plain) = moving.notice(false);
        let (notice, _) = moving.notice(true);
        let midnight = |days: i64| {
            let day = (moving.gap() + days.days()).to_datetime(jiff::civil::Time::midnight());
            day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
        };
        let books = ledger::open_memory(&Name::new("p").unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rows = runtime.block_on(async {
            let mut roster = Roster::new(vec![notice], &[]);
            let mut now = midnight(-20);
            // Far enough that all that is meant around the change has been moved and is over.
            for step in steps.iter().cycle() {
                by_agenda(books.as_ref(), &mut roster, now).await;
                if now > midnight(30) {
                    break;
                }
                now += SignedDuration::from_mins(*step);
            }
            books.occurrences(None, 100_000).await.unwrap()
        });
        for row in &rows {
            let outcome = row.outcome.as_ref();
            prop_assert!(outcome.is_some(), "{} has none", row.key);
            prop_assert_eq!(row.count, 1, "{}", row.key);
        }
        // A primary key keeps each from having two; each has one, and nothing else has.
        let around = midnight(-7)..midnight(8);
        let told = rows.iter().map(|row| row.key.nominal).filter(|at| around.contains(at));
        let told: std::collections::BTreeSet<_> = told.collect();
        let meant = plain.firings(around.start, around.end).map(|firing| firing.nominal);
        let meant: std::collections::BTreeSet<_> = meant.collect();
        prop_assert_eq!(told, meant);
    }
}

/// Another runner goes on while one is stopped between reading and writing.
#[tokio::test]
async fn a_runner_that_was_stopped_hides_no_instant_behind_a_range() {
    let books = ledger::open_memory(&Name::new("p").unwrap());
    let notices = notices(&[1], &[0]);
    let notice = &notices[0];
    let at = |minutes| start() + SignedDuration::from_mins(minutes);
    // It reads, works out what is due, and is stopped; by then hours have passed.
    let Due {
        until,
        admissions: stale,
        ..
    } = due(notice.as_ref(), None, at(600));
    assert_eq!(stale[0].count, 30, "a range of all but the last");
    // The other was there for the first hour, then died.
    for minute in [0, 20, 40] {
        by_scan(books.as_ref(), &notices, at(minute)).await;
    }
    let admitted = books.admit(notice.address(), until, &stale).await.unwrap();
    assert_eq!(admitted, beadle::engine::outbox::Admitted::Stale);
    // What it does next is right.
    by_scan(books.as_ref(), &notices, at(600)).await;
    let counts: Vec<u64> = books
        .occurrences(None, 100)
        .await
        .unwrap()
        .iter()
        .map(|o| o.count)
        .collect();
    assert_eq!(counts, [1, 27, 1, 1, 1], "newest first");
    assert_eq!(counts.iter().sum::<u64>(), 31);
}
