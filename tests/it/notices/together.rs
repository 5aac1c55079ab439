//! Many deliveries at once, whose writes share a commit of the ledger in a file: what was not committed nobody
//! acts on, and what was committed nobody does twice.
//!
//! Where a commit is to be interrupted from outside, the ledger has triggers: one that keeps the first member's
//! write busy for so long that the others have asked as well, and one that waits for ever at a later member's.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{GROUP, at, declare, staffed};
use crate::support::project::{Project, Ran};

const NOTICES: usize = 12;

/// Notices that are due at once, a third of them to people in batches, which have no key, a third to a chat,
/// where a message has one, and a third to people by whom a day is counted.
fn begin() -> Project {
    let project = staffed();
    let start = &at(0, "00:00:00")[..10];
    let mut notices = "recurring_notices:\n".to_owned();
    for n in 0..NOTICES {
        let (to, via) = match n % 3 {
            0 => ("team", "feishu"),
            1 => ("room", "feishu"),
            _ => ("team", "dingtalk"),
        };
        writeln!(
            notices,
            "  n{n}:
    to: [{to}]
    via: [{via}]
    schedule: {{ start: {start}, cron: \"0 10 * * *\", timezone: UTC }}
    message: {{ text: \"n{n} on {{{{ scheduled | date('%d') }}}}\" }}"
        )
        .unwrap();
    }
    declare(&project, &[GROUP, &notices]);
    project.beadle(&["apply", "--auto-approve"]).exits(0);
    project
        .beadle(&["tick", "--now", &at(0, "09:00:00")])
        .exits(0);
    project
}

/// Has the ledger wait at the first claim until the others have asked as well.
const PAUSE: &str = "CREATE TRIGGER pause AFTER UPDATE OF state ON delivery
    WHEN NEW.state = 'sending' AND (SELECT count(*) FROM delivery WHERE state = 'sending') = 1
    BEGIN SELECT (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 200000)
        SELECT count(*) FROM c); END;";

/// Has the ledger wait for ever at the claim that is the `count`th in one transaction, and show it: more than
/// memory holds is in the log by then.
fn hang(count: usize) -> String {
    format!(
        "CREATE TABLE ballast (bytes BLOB);
         CREATE TRIGGER hang AFTER UPDATE OF state ON delivery
         WHEN NEW.state = 'sending' AND (SELECT count(*) FROM delivery WHERE state = 'sending') = {count}
         BEGIN
             INSERT INTO ballast VALUES (zeroblob(8000000));
             SELECT (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
                 SELECT count(*) FROM c);
         END;"
    )
}

fn open(project: &Project) -> rusqlite::Connection {
    let file = project.path().join(".beadle/ledger.db");
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    conn
}

fn sql(project: &Project, sql: &str) {
    open(project).execute_batch(sql).unwrap();
}

fn number(project: &Project, sql: &str) -> usize {
    let found: i64 = open(project).query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(found).unwrap()
}

/// Takes the triggers away.
fn let_go(project: &Project) {
    sql(
        project,
        "DROP TRIGGER IF EXISTS pause; DROP TRIGGER IF EXISTS hang; DROP TRIGGER IF EXISTS wrong;
         DROP TABLE IF EXISTS ballast;",
    );
}

fn sending(project: &Project) -> usize {
    number(
        project,
        "SELECT count(*) FROM delivery WHERE state = 'sending'",
    )
}

/// How many sends the vendors have seen.
fn sends(project: &Project) -> usize {
    let calls = project.calls();
    calls.iter().filter(|call| call["write"] == true).count()
}

fn tick(project: &Project) -> Command {
    let mut command = project.command(&["tick", "--now", &at(0, "10:00:00")]);
    command.env("BEADLE_TIMEOUT", "5s");
    command
}

/// Whom each text came to; what a vendor dropped, because somebody has had it, did not come.
fn arrived(project: &Project) -> Vec<(String, String)> {
    let inbox = project.control("GET", "inbox", &Value::Null);
    let mut arrived = Vec::new();
    for holder in ["people", "chats"]
        .iter()
        .flat_map(|side| inbox[side].as_array().unwrap())
    {
        for message in holder["messages"].as_array().unwrap() {
            if message["dropped"].is_null() {
                let text = message["text"].as_str().unwrap_or_default();
                arrived.push((text.to_owned(), holder["id"].to_string()));
            }
        }
    }
    arrived.sort();
    arrived
}

/// Ticks until nothing is open. Then each occurrence has one outcome, which is true, and nobody was sent
/// anything twice; what was interrupted and has no key is held, and nothing else is.
fn check(project: &Project, context: &str) {
    let interrupted = number(
        project,
        "SELECT count(*) FROM delivery WHERE state IN ('sending', 'unknown') AND operation = 'batchSendMessage'",
    );
    for time in ["10:02:00", "10:04:00", "10:06:00"] {
        super::tick(project, &at(0, time));
    }
    let quiet = super::tick(project, &at(0, "10:08:00"));
    assert_eq!(quiet.last_line(), "Tick: nothing is due.", "{context}");
    let found = project.beadle(&["ledger", "check"]);
    assert_eq!(found.status, Some(0), "{context}: {}", found.stdout);
    project.control("POST", "advance", &json!({"seconds": 60}));
    let arrived = arrived(project);
    let history = project.beadle(&["notice", "history", "--format", "json"]);
    let history = history.exits(0).json();
    let occurrences = history["occurrences"].as_array().unwrap();
    assert_eq!(occurrences.len(), NOTICES, "{context}");
    let mut held = 0;
    for occurrence in occurrences {
        let address = occurrence["notice"]
            .as_str()
            .unwrap_or_else(|| panic!("{occurrence}"));
        let name = address.trim_start_matches("recurring_notice.");
        let n: usize = name[1..].parse().unwrap();
        let mine = format!("{name} on ");
        let mine = arrived.iter().filter(|(text, _)| text.starts_with(&mine));
        let mut lines: Vec<_> = mine.collect();
        let all = lines.len();
        lines.dedup();
        assert_eq!(lines.len(), all, "{context}: {name} came twice");
        let receivers = if n % 3 == 1 { 1 } else { 2 };
        match occurrence["outcome"].as_str().unwrap() {
            "sent" => assert_eq!(all, receivers, "{context}: {name}"),
            "held" => {
                assert_eq!(n % 3, 0, "{context}: {name} can be repeated");
                held += 1;
            }
            other => panic!("{context}: {name} is {other}"),
        }
    }
    assert_eq!(held, interrupted, "{context}");
}

/// Kills a tick between the writes of a commit's members and the commit.
#[test]
fn what_a_killed_commit_held_was_done_by_nobody() {
    for count in [2, 7, NOTICES] {
        let project = begin();
        sql(&project, PAUSE);
        sql(&project, &hang(count));
        project.clear_calls();
        let mut tick = tick(&project);
        tick.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = tick.spawn().unwrap();
        let log = project.path().join(".beadle/ledger.db-wal");
        while !std::fs::metadata(&log).is_ok_and(|log| log.len() > 1_000_000) {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let context = format!("killed at the claim {count}");
        assert_eq!((sending(&project), sends(&project)), (0, 0), "{context}");
        let_go(&project);
        check(&project, &context);
        let all = number(
            &project,
            "SELECT count(*) FROM delivery WHERE state = 'sent'",
        );
        assert_eq!(all, NOTICES, "{context}");
    }
}

/// Dies at a point; says its name.
fn dies_at(project: &Project, point: usize) -> String {
    sql(project, PAUSE);
    project.clear_calls();
    let mut tick = tick(project);
    let died = tick.env("BEADLE_CRASH_AT", point.to_string()).output();
    let died = Ran::from(died.unwrap());
    assert_eq!(died.status, None, "it lives at {point}: {}", died.stderr);
    let_go(project);
    let last = died.stderr.lines().last().unwrap_or_default();
    last.strip_prefix("crash point: ").expect(last).to_owned()
}

/// How many points a tick passes that nobody kills.
fn points() -> usize {
    let project = begin();
    let mut counts = tick(&project);
    let counts = counts.env("BEADLE_CRASH_AT", u64::MAX.to_string()).output();
    let ran = Ran::from(counts.unwrap()).exits(0);
    let mut lines = ran.stderr.lines();
    let points = lines.find_map(|line| line.strip_prefix("crash points: "));
    check(&project, "alive");
    points.unwrap().parse().unwrap()
}

/// Dies right after a commit, when the first of those who share it hears of it.
#[test]
fn what_was_committed_before_anybody_heard_of_it_is_found_out() {
    let (mut before, mut after) = (0, points());
    let mut found = None;
    while after - before > 1 {
        let point = before + (after - before) / 2;
        let project = begin();
        let name = dies_at(&project, point);
        if number(&project, "SELECT count(*) FROM delivery WHERE attempts > 0") == 0 {
            before = point;
        } else {
            after = point;
            found = Some((project, name));
        }
    }
    let (project, name) = found.unwrap();
    assert_eq!(name, "after claim");
    assert_eq!((sending(&project), sends(&project)), (NOTICES, 0));
    check(&project, &name);
}

/// Dies at points that many deliveries pass together.
#[test]
fn many_at_once_survive_every_death() {
    let points = points();
    let next = AtomicUsize::new(1);
    let work = || {
        loop {
            // Not four of five: those of one kind stand side by side, and there are many of each.
            let point = next.fetch_add(5, Ordering::SeqCst);
            if point > points {
                return;
            }
            let project = begin();
            let name = dies_at(&project, point);
            check(&project, &format!("dead at {point} ({name})"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
}

/// Of those who share a commit one fails, in the middle of what it writes.
#[test]
fn one_that_fails_in_a_shared_commit_leaves_nothing_and_the_others_are_kept() {
    const FIRST: &str = "(SELECT min(delivery) FROM delivery WHERE provider = 'dingtalk')";
    for fails in ["ABORT", "FAIL"] {
        let project = begin();
        sql(&project, PAUSE);
        sql(
            &project,
            &format!(
                "CREATE TRIGGER wrong AFTER UPDATE OF state ON delivery
                 WHEN NEW.state = 'sending' AND NEW.delivery = {FIRST}
                 BEGIN SELECT RAISE({fails}, 'this one cannot be written'); END;"
            ),
        );
        let ran = Ran::from(tick(&project).output().unwrap()).exits(1);
        let words = "this one cannot be written";
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        let state = |which: &str| {
            number(
                &project,
                &format!("SELECT count(*) FROM delivery WHERE {which}"),
            )
        };
        assert_eq!(state("state = 'sent'"), NOTICES - 1, "{fails}");
        let untouched = format!("delivery = {FIRST} AND state = 'pending' AND attempts = 0");
        assert_eq!(state(&untouched), 1, "{fails}");
        // What it had taken of its vendor's quota, and for whom, is not taken.
        let had = format!("SELECT count(*) FROM had WHERE delivery = {FIRST}");
        assert_eq!(number(&project, &had), 0, "{fails}");
        let people = number(&project, "SELECT count(*) FROM had");
        let receivers = "SELECT coalesce(sum(used), 0) FROM quota WHERE name LIKE '%receivers%'";
        assert_eq!(people, 2 * (NOTICES / 3 - 1), "{fails}");
        assert_eq!(number(&project, receivers), people, "{fails}");
        let_go(&project);
        check(&project, fails);
    }
}

/// One takes the transaction with it, as some failures of a disk do: nobody's write was made, and all hear it.
#[test]
fn one_that_takes_a_shared_commit_with_it_is_heard_by_all() {
    let project = begin();
    sql(&project, PAUSE);
    sql(
        &project,
        "CREATE TRIGGER wrong AFTER UPDATE OF state ON delivery
         WHEN NEW.state = 'sending' AND (SELECT count(*) FROM delivery WHERE state = 'sending') = 7
         BEGIN SELECT RAISE(ROLLBACK, 'all of it goes'); END;",
    );
    project.clear_calls();
    let ran = Ran::from(tick(&project).output().unwrap()).exits(1);
    assert!(ran.stderr.contains("ledger"), "{}", ran.stderr);
    // Those behind it may have been written by themselves, once: it is never the seventh then.
    let sent = number(
        &project,
        "SELECT count(*) FROM delivery WHERE state = 'sent'",
    );
    assert_eq!((sending(&project), sends(&project)), (0, sent));
    assert!(sent <= NOTICES - 7, "{sent}");
    let_go(&project);
    check(&project, "rolled back");
}

/// A file that may not grow beyond some bytes, ever more of them: a tick that hears of it, or is killed by it.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_in_a_commit_is_heard_by_all_who_share_it() {
    let exe = env!("CARGO_BIN_EXE_beadle");
    let now = at(0, "10:00:00");
    for (kills, trap) in [(false, "trap '' XFSZ; "), (true, "")] {
        let next = AtomicUsize::new(0);
        let (failed, untold) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            loop {
                let step = next.fetch_add(1, Ordering::SeqCst);
                let project = begin();
                sql(&project, PAUSE);
                project.clear_calls();
                let limit = step * 29 + 1;
                let words = format!("{trap}ulimit -f {limit}; exec {exe} tick --now {now}");
                let mut limited = Command::new("sh");
                limited
                    .args(["-c", &words])
                    .current_dir(project.path())
                    .env_clear()
                    .env("FEISHU_APP_SECRET", "sandbox-secret")
                    .env("BEADLE_TIMEOUT", "5s");
                let ran = Ran::from(limited.output().unwrap());
                let context = format!("at {limit}, killed: {kills}: {}", ran.stderr);
                if ran.status == Some(0) {
                    return;
                }
                assert_eq!(ran.status, (!kills).then_some(1), "{context}");
                if !kills {
                    assert!(ran.stderr.contains("ledger.db"), "{context}");
                }
                // Whoever sent had heard that its claim was written.
                let claimed = number(&project, "SELECT count(*) FROM delivery WHERE attempts > 0");
                assert!(sends(&project) <= claimed, "{context}");
                if sends(&project) == 0 {
                    untold.fetch_add(1, Ordering::SeqCst);
                }
                failed.fetch_add(1, Ordering::SeqCst);
                let_go(&project);
                check(&project, &context);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
        assert!(failed.into_inner() > 3, "killed: {kills}");
        assert!(untold.into_inner() > 0, "killed: {kills}");
    }
}
