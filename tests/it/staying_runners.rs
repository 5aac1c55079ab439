//! Four runners that stay (`run`) on one PostgreSQL ledger, killed, stopped and started anew at random moments.
//!
//! As `shared_runners`, which has ticks and a simulated clock: a runner that stays goes by the server's, so what is
//! due becomes so in waves, by what the ledger says of when it was applied. More of them than the suite has:
//!
//! ```sh
//! BEADLE_TEST_WAVES=40 BEADLE_TEST_SEED=1 cargo test --test it staying_runners -- --nocapture
//! ```

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::shared_runners::{Chances, RUNNERS, declare, judge, number};
use crate::support::postgres::Schema;
use crate::support::project::{Project, Ran};

/// Notices of each kind in a wave.
const IN_A_WAVE: usize = 3;

/// How long ago what comes with a wave was applied.
const APPLIED_AGO: i64 = 5;

struct Lab<'a> {
    project: &'a Project,
    schema: &'a Schema,
    chances: Chances,
    stopped: Vec<Child>,
    kills: u64,
    stops: u64,
    /// How long one that nobody disturbs needs for a wave.
    usual: Duration,
}

impl Lab<'_> {
    fn beadle(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("BEADLE_LEDGER", self.schema.url())
            .env("BEADLE_TIMEOUT", "5s")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Claims of those who are dead or asleep run out, and what was tried has waited until it is tried again:
    /// in truth that takes half a minute and more.
    fn time_goes_by(&self) {
        self.schema.sql(
            "UPDATE delivery SET expires = '2026-01-01T00:00:00.000000000Z' WHERE state = 'sending';
             UPDATE delivery SET tried_at = '2026-01-01T00:00:00.000000000Z' WHERE tried_at IS NOT NULL",
        );
    }

    /// From now on these are due; returns from when on.
    fn falls_due(&self, wave: usize) -> BTreeMap<String, Timestamp> {
        let applied = Timestamp::now() - APPLIED_AGO.minutes();
        let mut names = Vec::new();
        for n in wave * IN_A_WAVE..(wave + 1) * IN_A_WAVE {
            names.extend([format!("keyed-{n}"), format!("unkeyed-{n}")]);
        }
        let addresses: Vec<_> = names
            .iter()
            .map(|name| format!("'recurring_notice.{name}'"))
            .collect();
        self.schema.sql(&format!(
            "UPDATE binding SET updated_at = '{applied:.9}' WHERE address IN ({})",
            addresses.join(", ")
        ));
        let first = applied.as_second().div_euclid(60) + 1;
        let first = Timestamp::from_second(first * 60).unwrap();
        names.into_iter().map(|name| (name, first)).collect()
    }

    fn undecided(&self) -> Vec<String> {
        self.schema
            .texts("SELECT notice FROM occurrence WHERE outcome IS NULL")
    }

    /// One runner has a wave to itself, and ends when it is asked to.
    fn calm(&mut self, due: usize) {
        let began = Instant::now();
        let mut runner = self.beadle(&["run"]).spawn().unwrap();
        let done = "SELECT DISTINCT notice FROM occurrence WHERE outcome = 'sent'";
        while self.schema.texts(done).len() < due {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is sent");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.usual = began.elapsed();
        self.project.signal(&runner, "TERM");
        assert_eq!(runner.wait().unwrap().code(), Some(0));
        assert_eq!(self.undecided(), Vec::<String>::new());
    }

    /// Four runners begin, beside those who wake up, and only chance says which of them get how far.
    fn wave(&mut self) {
        let mut alive = std::mem::take(&mut self.stopped);
        for child in &alive {
            self.project.signal(child, "CONT");
        }
        let began = Instant::now();
        let mut fates = Vec::new();
        for _ in 0..RUNNERS {
            let child = self.beadle(&["run"]).spawn().unwrap();
            let part = u32::try_from(self.chances.below(150)).unwrap();
            let moment = self.usual * part / 100;
            match self.chances.below(10) {
                0..2 => alive.push(child),
                2..8 => fates.push((moment, "KILL", child)),
                _ => fates.push((moment, "STOP", child)),
            }
        }
        fates.sort_by_key(|(moment, ..)| *moment);
        for (moment, signal, mut child) in fates {
            std::thread::sleep(moment.saturating_sub(began.elapsed()));
            assert_eq!(child.try_wait().unwrap(), None, "a runner stays");
            self.project.signal(&child, signal);
            if signal == "KILL" {
                self.kills += 1;
                child.wait().unwrap();
            } else {
                self.stops += 1;
                self.stopped.push(child);
            }
        }
        // Whoever is left goes too, in the middle of whatever it is at.
        for mut child in alive {
            self.kills += 1;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.time_goes_by();
    }
}

#[test]
fn four_runners_that_stay_and_die_at_random_send_nothing_twice_and_lose_nothing() {
    let Some(schema) = Schema::new() else { return };
    let waves = usize::try_from(number("BEADLE_TEST_WAVES", 4)).unwrap();
    let seed = number("BEADLE_TEST_SEED", 7);
    let project = Project::empty();
    let people = json!([{"open_id": "ou_ada", "name": "Ada"}, {"open_id": "ou_bo", "name": "Bo"}]);
    project.control("POST", "users", &people);
    declare(&project, waves * IN_A_WAVE, "2026-01-01");
    let mut lab = Lab {
        project: &project,
        schema: &schema,
        chances: Chances::new(seed),
        stopped: Vec::new(),
        kills: 0,
        stops: 0,
        usual: Duration::ZERO,
    };
    let mut apply = lab.beadle(&["apply", "--auto-approve"]);
    let apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    Ran::from(apply.unwrap()).exits(0);
    // Nothing is due before its wave, however long this takes.
    schema.sql("UPDATE binding SET updated_at = '2100-01-01T00:00:00.000000000Z'");
    // Calls take long enough to die in.
    project.fault("slow@*,ms=150,when=before");
    project.fault("slow@createMessage,ms=150");
    let mut first = BTreeMap::new();
    for wave in 0..waves {
        let due = lab.falls_due(wave);
        match wave {
            0 => lab.calm(due.len()),
            _ => lab.wave(),
        }
        first.extend(due);
    }
    // Nobody is disturbed any more.
    project.no_faults();
    for mut child in std::mem::take(&mut lab.stopped) {
        project.signal(&child, "CONT");
        project.signal(&child, "TERM");
        child.wait().unwrap();
    }
    for _ in 0..5 {
        lab.time_goes_by();
        lab.beadle(&["tick"]).status().unwrap();
        if lab.undecided().is_empty() {
            break;
        }
    }
    assert_eq!(lab.undecided(), Vec::<String>::new(), "seed {seed}");
    let verdict = judge(&project, &schema, seed, |notice| first[notice]);
    assert_eq!(verdict.upto.len(), first.len(), "seed {seed}");
    assert!(verdict.told.contains_key("sent"), "{verdict} (seed {seed})");
    println!(
        "seed {seed}: {verdict}; {} killed, {} stopped",
        lab.kills, lab.stops
    );
}
