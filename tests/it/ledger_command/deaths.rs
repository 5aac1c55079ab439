//! Commands that die at each of their steps, and what the next one makes of it.
//!
//! As in `crash.rs`, a debug build dies at its Nth crash point when `BEADLE_CRASH_AT` says so. Between two
//! points a command dies where the system ends it: at the first byte that a file may not have
//! (`ulimit -f`), so in the middle of a write or of a commit, or with a COMMIT on its way to the server.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::support::postgres::{Cut, Wire};

/// A project whose ledger was filled: the file at rest, to be copied for each case.
pub(super) struct Base {
    pub(super) project: Project,
    pub(super) file: PathBuf,
    cases: Cell<usize>,
}

impl Base {
    pub(super) fn new() -> Base {
        let project = staffed();
        let filled = Place::file(&project, "base");
        for (hour, status) in [(10, 0), (11, 1)] {
            declare(&project, "ours", hour, &subscription());
            run(&project, "ours", &filled, &["apply", "--auto-approve"]).exits(0);
            let now = at(0, &format!("{hour}:00:00"));
            run(&project, "ours", &filled, &["tick", "--now", &now]).exits(status);
        }
        // Some of it is old enough to be pruned.
        filled.sql(
            "UPDATE occurrence SET ended_at = '2026-01-01T00:00:00.000000000Z' WHERE ended_at IS NOT NULL;
             UPDATE journal SET ended_at = '2026-01-01T00:00:00.000000000Z' WHERE ended_at IS NOT NULL;",
        );
        let Place::File(file) = filled else {
            unreachable!()
        };
        Base {
            project,
            file,
            cases: Cell::new(0),
        }
    }

    /// A name that nothing has yet.
    fn name(&self) -> String {
        self.cases.set(self.cases.get() + 1);
        format!("case-{}", self.cases.get())
    }

    /// A ledger of its own with what the base holds; none without a server.
    pub(super) fn ledger(&self, kind: Kind) -> Option<Place> {
        let place = Place::of(kind, &self.project, &self.name())?;
        match &place {
            Place::File(path) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::copy(&self.file, path).unwrap();
            }
            Place::Server(_) => {
                let base = Place::File(self.file.clone());
                let copy = ["ledger", "copy", "--to", &place.url()];
                run(&self.project, "ours", &base, &copy).exits(0);
            }
        }
        Some(place)
    }

    pub(super) fn run(&self, place: &Place, args: &[&str]) -> Ran {
        run(&self.project, "ours", place, args)
    }

    /// The same once nobody holds the lease any more: a dead holder on a server is waited for.
    fn run_again(&self, place: &Place, args: &[&str]) -> Ran {
        let ran = self.run(place, args);
        if let (Place::Server(_), Some(1)) = (place, ran.status) {
            let words = ["the lease is held by", "Wait for it to end"];
            for words in words {
                assert!(ran.stderr.contains(words), "{}", ran.stderr);
            }
            place.sql("UPDATE lease SET expires = '2026-01-01T00:00:00.000000000Z'");
            return self.run(place, args);
        }
        ran
    }
}

/// Fails unless a ledger is sound and can be used.
fn check_use(base: &Base, place: &Place, context: &str) {
    let check = base.run(place, &["ledger", "check"]);
    assert_eq!(check.status, Some(0), "{context}: {check:?}");
    let plan = base.run(place, &["plan", "--detailed-exitcode"]);
    assert_eq!(plan.status, Some(0), "{context}: {plan:?}");
}

/// Runs a command with a death at each crash point, until it lives; says which there were.
pub(super) fn at_each_point(
    mut case: impl FnMut(&mut dyn FnMut(Command) -> bool),
) -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    for at in 1.. {
        let mut lived = false;
        case(&mut |mut command| {
            command.env("BEADLE_CRASH_AT", at.to_string());
            let ran = Ran::from(command.output().unwrap());
            lived = ran.status.is_some();
            match lived {
                true => assert_eq!(ran.status, Some(0), "{ran:?}"),
                false => {
                    let last = ran.stderr.lines().last().unwrap_or_default();
                    let point = last.strip_prefix("crash point: ").expect(last);
                    points.insert(point.to_owned());
                }
            }
            !lived
        });
        if lived {
            return points;
        }
    }
    unreachable!()
}

/// Runs a command that may write files of ever more bytes, until it lives; says how often it died.
pub(super) fn at_each_byte(mut case: impl FnMut(&mut dyn FnMut(Command) -> bool)) -> usize {
    for died in 0.. {
        let mut lived = false;
        case(&mut |command| {
            // A page has eight: at its beginning, at its end, and within.
            let limit = died * 13 + 1;
            let ran = Ran::from(limited(&command, limit).output().unwrap());
            lived = ran.status == Some(0);
            assert!(lived || ran.status.is_none(), "{limit}: {ran:?}");
            !lived
        });
        if lived {
            return died;
        }
    }
    unreachable!()
}

/// A command that dies when a file of its own would grow beyond so many times 512 bytes.
fn limited(command: &Command, limit: usize) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -f {limit}; exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null());
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell
}

/// Runs a command through a wire and kills it with a COMMIT on its way, each in turn, until none is left; says
/// how many there were.
pub(super) fn at_each_commit(
    mut case: impl FnMut(&mut dyn FnMut(&Schema, &dyn Fn(&str) -> Command) -> bool),
) -> usize {
    for commits in 0.. {
        let mut lived = false;
        case(&mut |schema, command| {
            let wire = Wire::to(schema);
            wire.hold_after(commits);
            let mut command = command(&wire.url(schema));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            lived = !is_held(&wire, &mut child);
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            assert!(!lived || ended.success(), "{ended}");
            wire.cut(Cut::Down);
            !lived
        });
        if lived {
            return commits;
        }
    }
    unreachable!()
}

/// Waits until a COMMIT is held; whether one is before the child ends.
fn is_held(wire: &Wire, child: &mut Child) -> bool {
    loop {
        if wire.cuts() > 0 {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return wire.cuts() > 0;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Fails unless both sides of each step were died at.
pub(super) fn covers(points: &BTreeSet<String>, steps: &[&str]) {
    for step in steps {
        for side in ["before", "after"] {
            let point = format!("{side} {step}");
            assert!(points.contains(&point), "{point}: {points:?}");
        }
    }
}

/// What is there after a copy that may have died: nothing or all; and then all.
fn copied(base: &Base, from: &Place, to: &Place, died: bool) {
    let source = Place::File(base.file.clone()).rows("ours");
    let context = format!("from {} to {}", from.url(), to.url());
    assert!(from.rows("ours") == source, "{context}: it was changed");
    let there = to.rows("ours");
    assert!(there == source || (died && is_empty(&there)), "{context}");
    if died {
        let again = base.run_again(from, &["ledger", "copy", "--to", &to.url()]);
        assert_eq!(again.status, Some(0), "{context}: {again:?}");
        assert!(again.stdout.starts_with("Copied "), "{context}");
        assert!(from.rows("ours") == source, "{context}");
        assert!(to.rows("ours") == source, "{context}");
        check_use(base, to, &context);
    }
}

#[test]
fn a_copy_that_dies_at_a_step_is_whole_or_not_there() {
    let base = Base::new();
    for (from, to) in WAYS {
        let target = Place::of(to, &base.project, &base.name());
        // Nobody has named a server.
        if base.ledger(from).is_none() || target.is_none() {
            continue;
        }
        drop(target);
        let points = at_each_point(|run| {
            let from = base.ledger(from).expect("there is one");
            let to = Place::of(to, &base.project, &base.name()).expect("there is one");
            let copy = ["ledger", "copy", "--to", &to.url()];
            let died = run(command(&base.project, "ours", &from, &copy));
            copied(&base, &from, &to, died);
        });
        covers(&points, &["acquire", "put_rows", "release"]);
    }
}

#[test]
fn a_copy_that_dies_within_a_write_is_whole_or_not_there() {
    let base = Base::new();
    for from in [Kind::File, Kind::Server] {
        let Some(probe) = base.ledger(from) else {
            continue;
        };
        drop(probe);
        let died = at_each_byte(|run| {
            let from = base.ledger(from).expect("there is one");
            let to = Place::file(&base.project, &base.name());
            let copy = ["ledger", "copy", "--to", &to.url()];
            let died = run(command(&base.project, "ours", &from, &copy));
            copied(&base, &from, &to, died);
        });
        assert!(died > 10, "{died}");
    }
}

#[test]
fn a_copy_that_dies_with_a_commit_on_its_way_is_not_there() {
    let base = Base::new();
    let Some(probe) = Schema::new() else { return };
    drop(probe);
    let commits = at_each_commit(|run| {
        let from = base.ledger(Kind::File).expect("a file");
        let schema = Schema::new().expect("there is one");
        let died = run(&schema, &|url| {
            command(
                &base.project,
                "ours",
                &from,
                &["ledger", "copy", "--to", url],
            )
        });
        copied(&base, &from, &Place::Server(Box::new(schema)), died);
    });
    // That which makes the tables, and that of the rows.
    assert!(commits >= 2, "{commits}");
}

/// What is there after a pruning that may have died: all, or what is left; and then what is left.
fn pruned(base: &Base, place: &Place, left: &Rows, died: bool) {
    let before = Place::File(base.file.clone()).rows("ours");
    let there = place.rows("ours");
    assert!(
        there == *left || (died && there == before),
        "{}",
        place.url()
    );
    if died {
        let again = base.run_again(place, &["ledger", "prune"]);
        assert_eq!(again.status, Some(0), "{again:?}");
        assert!(place.rows("ours") == *left, "{}", place.url());
        check_use(base, place, &place.url());
    }
}

/// What a pruning leaves that nobody disturbs.
fn left(base: &Base) -> Rows {
    let place = base.ledger(Kind::File).expect("a file");
    base.run(&place, &["ledger", "prune"]).exits(0);
    let left = place.rows("ours");
    for table in ["occurrence", "delivery", "journal"] {
        assert_eq!(count(&left, table), 0, "{table}");
    }
    assert!(count(&left, "binding") > 0);
    left
}

#[test]
fn a_pruning_that_dies_has_forgotten_all_or_nothing() {
    let base = Base::new();
    let left = left(&base);
    for kind in [Kind::File, Kind::Server] {
        if base.ledger(kind).is_none() {
            continue;
        }
        let points = at_each_point(|run| {
            let place = base.ledger(kind).expect("there is one");
            let died = run(command(&base.project, "ours", &place, &["ledger", "prune"]));
            pruned(&base, &place, &left, died);
        });
        covers(&points, &["acquire", "prune", "release"]);
    }
    let died = at_each_byte(|run| {
        let place = base.ledger(Kind::File).expect("a file");
        let died = run(command(&base.project, "ours", &place, &["ledger", "prune"]));
        pruned(&base, &place, &left, died);
    });
    assert!(died > 3, "{died}");
    if base.ledger(Kind::Server).is_none() {
        return;
    }
    let commits = at_each_commit(|run| {
        let place = base.ledger(Kind::Server).expect("there is one");
        let Place::Server(schema) = &place else {
            unreachable!()
        };
        let died = run(schema, &|url| {
            let mut prune = base.project.command(&["ledger", "prune"]);
            prune.env("BEADLE_DIR", "ours").env("BEADLE_LEDGER", url);
            prune
        });
        pruned(&base, &place, &left, died);
    });
    assert!(commits >= 3, "{commits}");
}

/// What is there after a backup that may have died: no file, or all of it; and then all of it.
fn saved(base: &Base, place: &Place, file: &Path, died: bool) {
    let source = Place::File(base.file.clone()).rows("ours");
    let is_there = file.exists();
    assert!(is_there || died);
    let saved = Place::File(file.to_owned());
    if is_there {
        assert!(saved.rows("ours") == source);
    }
    if died {
        let again = base.run(place, &["ledger", "backup", &file.display().to_string()]);
        match is_there {
            false => drop(again.exits(0)),
            true => {
                let refused = again.exits(1);
                let words = "there is such a file already, and it is not written over";
                assert!(refused.stderr.contains(words), "{}", refused.stderr);
            }
        }
        assert!(saved.rows("ours") == source);
        check_use(base, &saved, "saved");
    }
    assert!(place.rows("ours") == source, "it was changed");
}

#[test]
fn a_backup_that_dies_leaves_no_half_file_under_its_name() {
    let base = Base::new();
    for kind in [Kind::File, Kind::Server] {
        if base.ledger(kind).is_none() {
            continue;
        }
        let mut case = |run: &mut dyn FnMut(Command) -> bool| {
            let place = base.ledger(kind).expect("there is one");
            let file = base.project.path().join(base.name()).join("saved.db");
            let backup = ["ledger", "backup", &file.display().to_string()];
            let died = run(command(&base.project, "ours", &place, &backup));
            saved(&base, &place, &file, died);
        };
        covers(&at_each_point(&mut case), &["save"]);
        let died = at_each_byte(case);
        assert!(died > 10, "{died}");
    }
}
