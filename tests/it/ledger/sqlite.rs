//! The SQLite ledger: the suite of every ledger, and what only a file can do wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use beadle::engine::ledger::{Ledger, LedgerError};
use beadle::ledger::{Access, open, open_memory};
use beadle::model::Name;
use tempfile::TempDir;

use super::tries::{TRIED_THRICE, is_remembered_from_the_next_try_on, waits_from_its_first_try_on};
use super::*;

/// The format that this beadle writes.
const KNOWN: i64 = 7;

/// A ledger in a folder of its own.
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join(".beadle/ledger.db")
    }

    fn try_open(&self, access: Access) -> Result<Arc<dyn Ledger>, LedgerError> {
        Ok(open(&self.path(), &Name::new("p").unwrap(), access)?)
    }

    fn read(&self) -> Arc<dyn Ledger> {
        self.try_open(Access::Read).unwrap()
    }

    /// Makes a ledger with a binding and an unsettled entry, at rest.
    fn filled() -> Self {
        let files = Self::new();
        let ledger = files.open("p");
        let lease = acquire(&*ledger, "li", 0).unwrap();
        now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap();
        now(ledger.open_entry(&lease, &new_entry("b", 1))).unwrap();
        now(ledger.release(&lease, at(2))).unwrap();
        files
    }

    /// Every file under the folder, with its bytes.
    fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    let name = path.strip_prefix(self.0.path()).unwrap().to_owned();
                    found.insert(name, bytes);
                }
            }
        }
        found
    }

    fn names(&self) -> Vec<String> {
        let names = self.snapshot().into_keys();
        names.map(|path| path.display().to_string()).collect()
    }

    /// Puts bytes where the ledger should be.
    fn with(bytes: &[u8]) -> Self {
        let files = Self::new();
        fs::create_dir(files.0.path().join(".beadle")).unwrap();
        fs::write(files.path(), bytes).unwrap();
        files
    }

    /// Changes the file behind beadle's back.
    fn sql(&self, sql: &str) {
        let conn = rusqlite::Connection::open(self.path()).unwrap();
        conn.execute_batch(sql).unwrap();
    }

    /// Why it cannot be opened, either way; and nothing was changed by asking.
    #[track_caller]
    fn refused(&self) -> LedgerError {
        let before = self.snapshot();
        let errors = [Access::Read, Access::Write].map(|access| match self.try_open(access) {
            Ok(_) => panic!("{access:?} should be refused"),
            Err(error) => error,
        });
        assert_eq!(errors[0].to_string(), errors[1].to_string());
        assert_eq!(self.snapshot(), before);
        let [error, _] = errors;
        error
    }
}

impl Store for Files {
    fn books(&self, project: &str) -> Arc<dyn Books> {
        open(&self.path(), &Name::new(project).unwrap(), Access::Write).unwrap()
    }
}

#[test]
fn the_suite() {
    for (name, promise) in SUITE {
        println!("{name}");
        let files = Files::new();
        promise(&files);
        assert!(files.names().iter().all(|n| !n.ends_with("-wal")), "{name}");
    }
}

#[test]
fn a_ledger_in_memory_is_one_too() {
    struct Memory;
    impl Store for Memory {
        fn books(&self, project: &str) -> Arc<dyn Books> {
            open_memory(&Name::new(project).unwrap())
        }
    }
    // Those that open it once.
    a_new_ledger_is_empty(&Memory);
    bindings_read_back_by_address(&Memory);
    changes_happen_together_or_not_at_all(&Memory);
    an_expired_holder_writes_nothing(&Memory);
    entries_read_back(&Memory);
    an_entry_ends_once(&Memory);
}

#[test]
fn a_ledger_at_rest_is_one_file() {
    let files = Files::filled();
    assert_eq!(
        files.names(),
        [".beadle/ledger.db", ".beadle/ledger.db.apply-p.lock"]
    );
    let ledger = files.open("p");
    assert_eq!(bound(&*ledger), [subscription("a", "s1")]);
    assert_eq!(now(ledger.unsettled()).unwrap().len(), 1);
}

#[test]
fn the_last_writer_to_leave_folds() {
    let files = Files::filled();
    let (one, two) = (files.open("p"), files.open("q"));
    let lease = acquire(&*one, "li", 10).unwrap();
    now(one.record(&lease, at(11), &[bind("b", "s2")])).unwrap();
    drop(one);
    assert!(files.names().contains(&".beadle/ledger.db-wal".into()));
    assert_eq!(bound(&*files.read()).len(), 2);
    drop(two);
    assert_eq!(files.names().len(), 2);
    // The header says that there is no log, so that who only looks makes none.
    assert_eq!(fs::read(files.path()).unwrap()[18..20], [1, 1]);
    assert_eq!(bound(&*files.read()).len(), 2);
    assert_eq!(files.names().len(), 2);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::filled();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.path()), 0o600);
    assert_eq!(mode(files.path().parent().unwrap()), 0o700);
}

#[test]
fn what_was_written_survives_a_process_that_just_stops() {
    let files = Files::new();
    let ledger = files.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap();
    // As the kernel would leave it: the log and its index beside the file.
    let stopped = Files::new();
    fs::create_dir(stopped.0.path().join(".beadle")).unwrap();
    for (name, bytes) in files.snapshot() {
        fs::write(stopped.0.path().join(name), bytes).unwrap();
    }
    let before = stopped.snapshot();
    assert!(before.keys().any(|name| name.ends_with("ledger.db-wal")));
    assert_eq!(bound(&*stopped.read()), [subscription("a", "s1")]);
    // A reader may make the index anew, and touches nothing else.
    let mut after = stopped.snapshot();
    let index = Path::new(".beadle/ledger.db-shm");
    after.insert(index.into(), before[index].clone());
    assert!(after == before);
    drop(stopped.open("p"));
    assert!(!stopped.path().with_file_name("ledger.db-wal").exists());
    assert_eq!(bound(&*stopped.read()), [subscription("a", "s1")]);
}

#[test]
fn a_kill_while_a_writer_arrives_is_put_right() {
    let files = Files::filled();
    let conn = rusqlite::Connection::open(files.path()).unwrap();
    conn.execute_batch(
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE;
         UPDATE binding SET id = 'lost', applied = hex(zeroblob(100000));
         UPDATE journal SET detail = hex(zeroblob(100000)), outcome = 'x', ended_at = 'x';",
    )
    .unwrap();
    let killed = Files::new();
    fs::create_dir(killed.0.path().join(".beadle")).unwrap();
    for (name, bytes) in files.snapshot() {
        fs::write(killed.0.path().join(name), bytes).unwrap();
    }
    assert!(killed.names().contains(&".beadle/ledger.db-journal".into()));
    for access in [Access::Read, Access::Write] {
        let ledger = killed.try_open(access).unwrap();
        assert_eq!(bound(&*ledger), [subscription("a", "s1")]);
    }
}

#[test]
fn looking_changes_nothing() {
    let files = Files::filled();
    let before = files.snapshot();
    let ledger = files.read();
    look_at_all(&*ledger);
    assert_eq!(bound(&*ledger), [subscription("a", "s1")]);
    assert_eq!(files.snapshot(), before);
    // Nor while a writer is at work, whose rows are seen as soon as they are there.
    let writer = files.open("p");
    let lease = acquire(&*writer, "li", 100).unwrap();
    now(writer.record(&lease, at(101), &[bind("c", "s3")])).unwrap();
    let main = fs::metadata(files.path()).unwrap().modified().unwrap();
    look_at_all(&*ledger);
    assert_eq!(bound(&*ledger).len(), 2);
    assert_eq!(now(ledger.lease()).unwrap().unwrap().holder, holder("li"));
    assert_eq!(
        fs::metadata(files.path()).unwrap().modified().unwrap(),
        main
    );
    drop(writer);
    assert_eq!(files.names().len(), 2);
    assert_eq!(bound(&*ledger).len(), 2);
}

fn look_at_all(ledger: &dyn Ledger) {
    now(ledger.bindings()).unwrap();
    now(ledger.claims()).unwrap();
    now(ledger.is_new()).unwrap();
    now(ledger.unsettled()).unwrap();
    now(ledger.history(9)).unwrap();
    now(ledger.lease()).unwrap();
}

#[test]
fn looking_at_a_missing_file_creates_nothing() {
    let files = Files::new();
    let ledger = files.read();
    look_at_all(&*ledger);
    assert!(now(ledger.is_new()).unwrap());
    assert!(!files.path().parent().unwrap().exists());
    // It is seen once it is there.
    let writer = files.open("p");
    let lease = acquire(&*writer, "li", 0).unwrap();
    assert_eq!(now(ledger.lease()).unwrap().unwrap().fence, lease.fence);
}

#[test]
fn a_ledger_opened_to_look_cannot_be_written() {
    let files = Files::filled();
    for ledger in [files.read(), Files::new().read()] {
        let refused = acquire(&*ledger, "li", 0).unwrap_err();
        assert!(matches!(refused, LedgerError::ReadOnly { .. }));
        assert!(now(ledger.break_lease(at(0))).is_err());
    }
}

#[test]
fn what_is_not_a_ledger_says_so() {
    for (bytes, words) in [
        (
            &b""[..],
            "it has no bytes; restore it, or delete it to begin a new ledger",
        ),
        (b"version: 1\nproject: x\n", "file is not a database"),
        (&[0x5a; 20_000], "file is not a database"),
        (b"SQLite format 3\0", "file is not a database"),
    ] {
        let files = Files::with(bytes);
        let error = files.refused();
        assert!(matches!(error, LedgerError::Corrupt { .. }));
        assert_eq!(
            error.to_string(),
            format!(
                "{} is damaged or not a ledger: {words}",
                files.path().display()
            )
        );
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    for sql in [
        "CREATE TABLE binding (x); PRAGMA user_version = 1;",
        "PRAGMA application_id = 7; CREATE TABLE t (x);",
    ] {
        let files = Files::with(b"");
        files.sql(sql);
        let error = files.refused();
        assert!(matches!(error, LedgerError::Corrupt { .. }));
        assert!(error.to_string().ends_with("it is another program's file"));
    }
}

#[test]
fn a_truncated_ledger_is_damaged() {
    let files = Files::filled();
    let bytes = fs::read(files.path()).unwrap();
    for length in [100, 512, 4096, bytes.len() / 2, bytes.len() - 1] {
        let files = Files::with(&bytes[..length]);
        let error = files.refused();
        assert!(
            matches!(error, LedgerError::Corrupt { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn damage_within_is_found_before_a_row_is_believed() {
    let files = Files::filled();
    let mut bytes = fs::read(files.path()).unwrap();
    bytes[4096..].fill(0xa5);
    let files = Files::with(&bytes);
    for access in [Access::Read, Access::Write] {
        let looked = files.try_open(access).and_then(|l| now(l.bindings()));
        assert!(
            matches!(looked, Err(LedgerError::Corrupt { .. })),
            "{looked:?}"
        );
    }
}

#[test]
fn a_later_beadles_ledger_is_left_alone() {
    let files = Files::filled();
    files.sql("PRAGMA user_version = 9");
    let error = files.refused();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has format 9, this beadle reads up to {KNOWN}",
            files.path().display()
        )
    );
    assert!(matches!(
        error,
        LedgerError::Newer {
            found: 9,
            known: KNOWN,
            ..
        }
    ));
}

#[test]
fn a_ledger_that_a_later_beadle_brings_forward_meanwhile_is_left_alone() {
    let files = Files::filled();
    let (ledger, reader) = (files.open("p"), files.read());
    let lease = acquire(&*ledger, "li", 10).unwrap();
    files.sql(&format!("PRAGMA user_version = {}", KNOWN + 1));
    let refused = now(ledger.record(&lease, at(11), &[bind("z", "s8")])).unwrap_err();
    assert!(
        matches!(refused, LedgerError::Newer { found, .. } if found == KNOWN + 1),
        "{refused}"
    );
    assert!(matches!(
        now(reader.bindings()),
        Err(LedgerError::Newer { .. })
    ));
}

#[test]
fn a_row_of_a_later_beadle_is_named() {
    for (sql, words) in [
        (
            r#"UPDATE binding SET applied = '{"name":"a","colour":"red"}'"#,
            "the binding of tasklist_subscription.a is not as this beadle writes it, perhaps a later \
             one did: unknown field `colour`",
        ),
        (
            "UPDATE binding SET address = 'webhook.a'",
            "the binding of webhook.a is not as this beadle writes it, perhaps a later one did: an \
             address begins with a kind and a dot",
        ),
        (
            "UPDATE journal SET outcome = 'shrugged', ended_at = '2026-07-01T08:00:00Z', detail = ''",
            "entry 1 of the journal is not as this beadle writes it, perhaps a later one did: unknown \
             outcome \"shrugged\"",
        ),
        (
            "UPDATE lease SET since = 'monday', ended = NULL, ended_at = NULL",
            "the lease of p is not as this beadle writes it",
        ),
    ] {
        let files = Files::filled();
        files.sql(sql);
        let ledger = files.read();
        let errors = [
            now(ledger.bindings()).err(),
            now(ledger.history(9)).err(),
            now(ledger.lease()).err(),
        ];
        let errors: Vec<_> = errors
            .into_iter()
            .flatten()
            .map(|e| e.to_string())
            .collect();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains(words), "{errors:?}");
    }
}

#[test]
fn a_folder_in_its_place_is_no_ledger() {
    let files = Files::new();
    fs::create_dir_all(files.path()).unwrap();
    let error = files.refused();
    assert!(error.to_string().ends_with(": it is a folder"), "{error}");
    let files = Files::new();
    fs::write(files.0.path().join(".beadle"), "a file").unwrap();
    assert!(matches!(files.refused(), LedgerError::Failed { .. }));
}

#[cfg(unix)]
#[test]
fn a_read_only_file_or_folder_is_refused_to_writers_only() {
    use std::os::unix::fs::PermissionsExt;
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let files = Files::filled();
    let (file, folder) = (files.path(), files.0.path().join(".beadle"));
    for (path, read_only, usual) in [(&file, 0o400, 0o600), (&folder, 0o500, 0o700)] {
        set(path, read_only);
        let before = files.snapshot();
        let refused = files.try_open(Access::Write).err().unwrap();
        assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
        let refused = files.try_open(Access::Keep).err().unwrap();
        assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
        assert_eq!(bound(&*files.read()), [subscription("a", "s1")]);
        assert_eq!(files.snapshot(), before);
        set(path, usual);
    }
    fs::remove_file(&file).unwrap();
    let none = files.try_open(Access::Keep).err().unwrap().to_string();
    assert!(none.ends_with("there is none yet"), "{none}");
    assert!(!file.exists());
    set(&folder, 0o500);
    let refused = files.try_open(Access::Write).err().unwrap();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    assert!(!file.exists());
    set(&folder, 0o700);
}

#[test]
fn many_first_runs_share_one_ledger() {
    let files = Files::new();
    let files = &files;
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                let project = format!("p{n}");
                for round in 0..5 {
                    let ledger = files.open(&project);
                    let lease = acquire(&*ledger, "li", round).unwrap();
                    let id = format!("{project}-{round}");
                    now(ledger.record(&lease, at(round), &[bind(&id, &id)])).unwrap();
                    now(ledger.release(&lease, at(round))).unwrap();
                    // Who looks while others come and go sees what is there.
                    assert!(now(files.read().claims()).unwrap().len() <= 40);
                }
            });
        }
    });
    assert_eq!(now(files.read().claims()).unwrap().len(), 40);
    assert_eq!(bound(&*files.open("p3")).len(), 5);
    assert!(!files.names().iter().any(|name| name.ends_with(".new")));
}

#[test]
fn a_holder_that_vanished_is_known_to_be_dead() {
    let files = Files::new();
    let (vanishing, other) = (files.open("p"), files.open("p"));
    let old = acquire(&*vanishing, "li", 0).unwrap();
    let is_dead = |ledger: &dyn Ledger| now(ledger.lease()).unwrap().unwrap().dead;
    assert!(!is_dead(&*other) && !is_dead(&*vanishing) && !is_dead(&*files.read()));
    drop(vanishing);
    assert!(is_dead(&*other) && is_dead(&*files.read()));
    let new = acquire(&*other, "wang", 1).unwrap();
    assert!(new.fence > old.fence);
    assert!(!is_dead(&*files.read()));
    lost(now(other.record(&old, at(1), &[])));
}

#[test]
fn a_holder_that_came_after_a_paused_one_is_not_taken_for_dead() {
    let files = Files::new();
    let (paused, awake, third) = (files.open("p"), files.open("p"), files.open("p"));
    acquire(&*paused, "li", 0).unwrap();
    let lease = acquire(&*awake, "wang", 60).unwrap();
    // The lock that the paused one held goes with it, and says nothing about the one that came after.
    drop(paused);
    assert!(!now(third.lease()).unwrap().unwrap().dead);
    assert!(acquire(&*third, "zhao", 61).is_err());
    // With the next heartbeat the living one has the lock.
    now(awake.renew(&lease, at(70), TTL)).unwrap();
    assert!(acquire(&*third, "zhao", 71).is_err());
    drop(awake);
    acquire(&*third, "zhao", 72).unwrap();
}

#[test]
fn a_lock_file_that_is_gone_says_nothing() {
    let files = Files::new();
    let (one, two) = (files.open("p"), files.open("p"));
    acquire(&*one, "li", 0).unwrap();
    fs::remove_file(files.path().with_file_name("ledger.db.apply-p.lock")).unwrap();
    assert!(acquire(&*two, "wang", 1).is_err());
    drop(one);
    assert!(!now(two.lease()).unwrap().unwrap().dead);
    acquire(&*two, "wang", 60).unwrap();
}

#[test]
fn the_longest_name_has_a_lock_file_too() {
    let files = Files::new();
    let project = "\u{20000}".repeat(64);
    let one = files.open(&project);
    acquire(&*one, "li", 0).unwrap();
    drop(one);
    acquire(&*files.open(&project), "wang", 1).unwrap();
}

#[cfg(unix)]
#[test]
fn a_ledger_has_one_lock_file_by_whatever_path() {
    let files = Files::filled();
    let link = files.0.path().join("link.db");
    std::os::unix::fs::symlink(files.path(), &link).unwrap();
    let linked = open(&link, &Name::new("p").unwrap(), Access::Write).unwrap();
    acquire(&*linked, "li", 10).unwrap();
    assert!(acquire(&*files.open("p"), "wang", 11).is_err());
}

const CHILD: &str = "BEADLE_TEST_LEDGER_HELD_BY_CHILD";

#[test]
fn a_killed_process_is_known_to_be_dead() {
    let files = Files::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ledger::sqlite::as_a_child_holds_the_lease",
            "--nocapture",
        ])
        .env(CHILD, files.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    assert!(
        said.lines()
            .any(|line| line.unwrap().ends_with("the child holds it"))
    );
    let ledger = files.open("p");
    assert!(matches!(
        acquire(&*ledger, "wang", 1),
        Err(LedgerError::Held(_))
    ));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(now(ledger.lease()).unwrap().unwrap().dead);
    acquire(&*ledger, "wang", 1).unwrap();
    assert_eq!(now(ledger.unsettled()).unwrap().len(), 1);
}

/// The child of the test above; by itself it does nothing.
#[test]
fn as_a_child_holds_the_lease() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let ledger = open(Path::new(&path), &Name::new("p").unwrap(), Access::Write).unwrap();
    let lease = acquire(&*ledger, "li", 0).unwrap();
    now(ledger.open_entry(&lease, &new_entry("a", 0))).unwrap();
    println!("the child holds it");
    // Until it is killed, or its parent is.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A ledger as the first version of beadle wrote it, with one binding.
fn of_format_one(files: &Files) {
    fs::create_dir_all(files.path().parent().unwrap()).unwrap();
    let conn = rusqlite::Connection::open(files.path()).unwrap();
    let first = include_str!("../../../src/ledger/migrations/0001_bindings_lease_journal.sql");
    conn.execute_batch(first).unwrap();
    conn.execute_batch(
        "PRAGMA application_id = 0x62646c65; PRAGMA user_version = 1;
         INSERT INTO binding VALUES ('p', 'tasklist_subscription.a', 'feishu', 'cli_a', 't1', 's1',
             '{\"name\":\"a\"}', 1, '2026-11-22T10:00:00.000000000Z');",
    )
    .unwrap();
}

#[test]
fn a_ledger_of_an_earlier_beadle_is_read_as_it_is_and_brought_forward_by_who_writes() {
    let files = Files::new();
    of_format_one(&files);
    let before = fs::read(files.path()).unwrap();
    let expected = |ledger: &dyn Ledger| {
        let bindings = now(ledger.bindings()).unwrap();
        let one = &bindings[0];
        assert_eq!(bindings.len(), 1);
        assert_eq!(one.collection, "t1".into());
        assert_eq!((one.id.as_str(), one.protect), ("s1", true));
        assert_eq!(now(ledger.look_ups()).unwrap(), []);
    };
    expected(&*files.read());
    assert!(
        fs::read(files.path()).unwrap() == before,
        "looking changes nothing"
    );
    // Who only keeps what was seen brings nothing forward.
    let refused = files.try_open(Access::Keep).err().unwrap().to_string();
    assert!(refused.ends_with("it is of an earlier format"), "{refused}");
    assert!(fs::read(files.path()).unwrap() == before);
    expected(&*files.try_open(Access::Write).unwrap());
    expected(&*files.try_open(Access::Keep).unwrap());
    let conn = rusqlite::Connection::open(files.path()).unwrap();
    let format: i64 = conn
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(format, KNOWN);
}

/// A ledger of the format before the last tries were kept, with a send that was tried three times.
fn of_format_six(files: &Files) {
    fs::create_dir_all(files.path().parent().unwrap()).unwrap();
    let conn = rusqlite::Connection::open(files.path()).unwrap();
    for step in [
        include_str!("../../../src/ledger/migrations/0001_bindings_lease_journal.sql"),
        include_str!("../../../src/ledger/migrations/0002_collections_look_ups.sql"),
        include_str!("../../../src/ledger/migrations/0003_occurrences_deliveries.sql"),
        include_str!("../../../src/ledger/migrations/0004_after_sending.sql"),
        include_str!("../../../src/ledger/migrations/0005_following_images.sql"),
        include_str!("../../../src/ledger/migrations/0006_snapshots.sql"),
    ] {
        conn.execute_batch(step).unwrap();
    }
    let (occurrence, delivery) = TRIED_THRICE;
    conn.execute_batch(&format!(
        "PRAGMA application_id = 0x62646c65; PRAGMA user_version = 6; {occurrence}; {delivery}"
    ))
    .unwrap();
}

#[test]
fn a_send_of_an_earlier_format_waits_from_its_first_try_on() {
    let files = Files::new();
    of_format_six(&files);
    let project = Name::new("p").unwrap();
    let before = fs::read(files.path()).unwrap();
    waits_from_its_first_try_on(&*open(&files.path(), &project, Access::Read).unwrap());
    assert!(
        fs::read(files.path()).unwrap() == before,
        "looking changes nothing"
    );
    let writer = open(&files.path(), &project, Access::Write).unwrap();
    waits_from_its_first_try_on(&*writer);
    is_remembered_from_the_next_try_on(&*writer);
}
