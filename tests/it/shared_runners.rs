//! Four runners on one PostgreSQL ledger, each killed and stopped at random moments, and what came of it.
//!
//! Two sizes of the same run. The suite has seconds of it. All 10,000 occurrences take some minutes:
//!
//! ```sh
//! BEADLE_TEST_OCCURRENCES=10000 BEADLE_TEST_SEED=1 cargo test --test it four_runners -- --nocapture
//! ```
//!
//! Time is simulated: each runner is a `tick --now`, and the clock goes on by a minute when nobody is left who
//! works at the present one. One that was stopped wakes up a minute or two later, past its claims.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::postgres::Schema;
use crate::support::project::{Project, Ran};

const ROOM: &str = "oc_a0553eda9014c201e6969b478895c230";
pub(super) const RUNNERS: usize = 4;

pub(super) fn number(variable: &str, default: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().unwrap())
}

/// Chances that are the same for the same seed.
pub(super) struct Chances(u64);

impl Chances {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A project with so many notices to a chat, where a message has a key, and as many to people, where it
/// has none; each fires every minute from a day's beginning on.
pub(super) fn declare(project: &Project, notices: usize, day: &str) {
    let mut text = format!(
        "version: 1\nproject: runners\n{}chats:\n  room: {{ id: {ROOM} }}\n\
         recipient_groups:\n  team:\n    feishu: {{ users: [ou_ada, ou_bo] }}\nrecurring_notices:\n",
        project.providers()
    );
    for n in 0..notices {
        for (kind, to) in [("keyed", "room"), ("unkeyed", "team")] {
            write!(
                text,
                "  {kind}-{n}:\n    to: [{to}]\n    schedule: {{ start: {day}, cron: \"* * * * *\", timezone: UTC }}\n    \
                 message: {{ text: \"{{{{ notice.name }}}} {{{{ scheduled | date('%H:%M') }}}}\" }}\n"
            )
            .unwrap();
        }
    }
    project.write("beadle.yaml", &text);
}

struct Lab<'a> {
    project: &'a Project,
    schema: &'a Schema,
    chances: Chances,
    /// Those who were stopped, and in which minute they wake up.
    stopped: Vec<(i64, Child)>,
    kills: u64,
    stops: u64,
    /// How long a tick takes that nobody disturbs.
    usual: Duration,
}

impl Lab<'_> {
    fn beadle(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("BEADLE_LEDGER", self.schema.url())
            .env("BEADLE_TIMEOUT", "5s");
        command
    }

    fn tick(&self, now: Timestamp) -> Command {
        self.beadle(&["tick", "--now", &now.to_string()])
    }

    /// Every runner that is there looks what is due, and some of them do not get to the end of it.
    fn minute(&mut self, minute: i64, now: Timestamp) {
        let (wake, sleep) = std::mem::take(&mut self.stopped)
            .into_iter()
            .partition::<Vec<_>, _>(|(when, _)| *when <= minute);
        self.stopped = sleep;
        let mut alive: Vec<Child> = Vec::new();
        for (_, child) in wake {
            self.project.signal(&child, "CONT");
            alive.push(child);
        }
        let began = Instant::now();
        let mut fates = Vec::new();
        for _ in 0..RUNNERS - self.stopped.len().min(RUNNERS - 1) {
            let mut command = self.tick(now);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap();
            // Anywhere in what it does; the moment is the chance, nothing is waited for.
            let part = u32::try_from(self.chances.below(120)).unwrap();
            let moment = self.usual * part / 100;
            match self.chances.below(10) {
                0..5 => alive.push(child),
                5..8 => fates.push((moment, "KILL", child)),
                _ => fates.push((moment, "STOP", child)),
            }
        }
        fates.sort_by_key(|(moment, _, _)| *moment);
        for (moment, signal, mut child) in fates {
            std::thread::sleep(moment.saturating_sub(began.elapsed()));
            if child.try_wait().unwrap().is_some() {
                continue;
            }
            self.project.signal(&child, signal);
            if signal == "KILL" {
                self.kills += 1;
                child.wait().unwrap();
            } else {
                self.stops += 1;
                let when = minute + 1 + i64::try_from(self.chances.below(2)).unwrap();
                self.stopped.push((when, child));
            }
        }
        for mut child in alive {
            child.wait().unwrap();
            self.usual = (self.usual + began.elapsed()) / 2;
        }
    }

    /// Nobody is disturbed any more.
    fn finish(&mut self, minutes: i64, start: Timestamp) {
        for (_, mut child) in std::mem::take(&mut self.stopped) {
            self.project.signal(&child, "CONT");
            child.wait().unwrap();
        }
        for minute in minutes..minutes + 3 {
            let ended = self.tick(start + minute.minutes()).output().unwrap();
            assert!(ended.status.code().is_some(), "{ended:?}");
        }
    }
}

/// How often each text came to whom.
fn inbox(project: &Project) -> BTreeMap<(String, String), usize> {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let mut found = BTreeMap::new();
    for side in ["people", "chats"] {
        for holder in inbox[side].as_array().unwrap() {
            for message in holder["messages"].as_array().unwrap() {
                let text = message["text"].as_str().unwrap().to_owned();
                let whose = holder["id"].as_str().unwrap().to_owned();
                *found.entry((text, whose)).or_default() += 1;
            }
        }
    }
    found
}

/// What came of it all.
pub(super) struct Verdict {
    /// How many instants ended how.
    pub(super) told: BTreeMap<String, u64>,
    /// The last instant of each notice.
    pub(super) upto: BTreeMap<String, Timestamp>,
    came: usize,
    held_and_came: usize,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} occurrences, {:?}; {} messages came, none twice; {} of the held had been sent",
            self.told.values().sum::<u64>(),
            self.told,
            self.came,
            self.held_and_came
        )
    }
}

/// Fails the test unless every instant from a notice's first one on has one outcome, what was sent came once,
/// what is held came at most once and is counted, and nothing else came.
pub(super) fn judge(
    project: &Project,
    schema: &Schema,
    seed: u64,
    first: impl Fn(&str) -> Timestamp,
) -> Verdict {
    let rows = schema.texts(
        "SELECT concat_ws(' ', notice, nominal, last, count::text, coalesce(outcome, 'open'))
         FROM occurrence ORDER BY notice, nominal",
    );
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    let mut upto: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut sent: BTreeSet<(String, String)> = BTreeSet::new();
    let mut held = BTreeSet::new();
    for row in &rows {
        let words: Vec<_> = row.split(' ').collect();
        let [notice, nominal, last, count, outcome] = words[..] else {
            panic!("{row}");
        };
        let notice = notice.strip_prefix("recurring_notice.").unwrap();
        let [nominal, last]: [Timestamp; 2] = [nominal, last].map(|text| text.parse().unwrap());
        let due = upto
            .get(notice)
            .map_or_else(|| first(notice), |last| *last + 1.minute());
        assert_eq!(nominal, due, "one after the other: {row} (seed {seed})");
        let minutes = last.duration_since(nominal).as_mins() + 1;
        assert_eq!(count.parse(), Ok(minutes), "{row} (seed {seed})");
        upto.insert(notice.to_owned(), last);
        *told.entry(outcome.to_owned()).or_default() += minutes.unsigned_abs();
        let holders: &[&str] = match notice.starts_with("keyed") {
            true => &[ROOM],
            false => &["ou_ada", "ou_bo"],
        };
        let text = format!("{notice} {}", nominal.strftime("%H:%M"));
        let boxes = holders.iter().map(|who| (text.clone(), (*who).to_owned()));
        match outcome {
            "sent" => sent.extend(boxes),
            "held" if notice.starts_with("unkeyed") => held.extend(boxes),
            "missed" => {}
            other => panic!("{other}: {row} (seed {seed})"),
        }
    }
    let came = inbox(project);
    let twice: Vec<_> = came.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?} (seed {seed})");
    for wanted in &sent {
        assert!(
            came.contains_key(wanted),
            "{wanted:?} is lost (seed {seed})"
        );
    }
    let strangers: Vec<_> = came
        .keys()
        .filter(|one| !sent.contains(*one) && !held.contains(*one))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?} (seed {seed})");
    let counted = schema.texts("SELECT count(*)::text FROM delivery WHERE state = 'held'");
    assert_eq!(
        counted,
        [told.get("held").copied().unwrap_or(0).to_string()]
    );
    Verdict {
        told,
        upto,
        held_and_came: held.iter().filter(|one| came.contains_key(*one)).count(),
        came: came.len(),
    }
}

#[test]
fn four_runners_that_die_at_random_send_nothing_twice_and_lose_nothing() {
    let Some(schema) = Schema::new() else { return };
    let wanted = number("BEADLE_TEST_OCCURRENCES", 48);
    let seed = number("BEADLE_TEST_SEED", 7);
    let notices = if wanted > 1_000 { 20 } else { 4 };
    let minutes = i64::try_from(wanted.div_ceil(2 * notices)).unwrap();
    let project = Project::empty();
    let people = json!([{"open_id": "ou_ada", "name": "Ada"}, {"open_id": "ou_bo", "name": "Bo"}]);
    project.control("POST", "users", &people);
    let day = (Timestamp::now() + 24.hours())
        .strftime("%Y-%m-%d")
        .to_string();
    let start: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
    declare(&project, usize::try_from(notices).unwrap(), &day);
    let mut lab = Lab {
        project: &project,
        schema: &schema,
        chances: Chances::new(seed),
        stopped: Vec::new(),
        kills: 0,
        stops: 0,
        usual: Duration::from_millis(500),
    };
    let apply = lab.beadle(&["apply", "--auto-approve"]).output().unwrap();
    Ran::from(apply).exits(0);
    for minute in 0..minutes {
        lab.minute(minute, start + minute.minutes());
    }
    lab.finish(minutes, start);
    let (kills, stops) = (lab.kills, lab.stops);

    let verdict = judge(&project, &schema, seed, |_| start);
    let end = start + (minutes + 2).minutes();
    assert_eq!(verdict.upto.len() as u64, 2 * notices);
    assert!(
        verdict.upto.values().all(|last| *last == end),
        "{:?} (seed {seed})",
        verdict.upto
    );
    println!("seed {seed}: {verdict}; {kills} killed, {stops} stopped");
}
