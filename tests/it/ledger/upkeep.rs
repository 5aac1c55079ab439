//! Moving, saving, checking and pruning a ledger, in every database.

use beadle::engine::afterwards::{AfterSettling, Pause, Settlement, Word};
use beadle::engine::channel::To;
use beadle::engine::ledger::{LookUp, Note};
use beadle::engine::outbox::{Admitted, Claim, Delivery, Ending, Key, Outcome, State};
use beadle::engine::quota::{Claimed, Daily, Quota};
use beadle::engine::receipts::{People, Reading, Terms};
use beadle::engine::upkeep::{Cell, Rows};
use beadle::ledger::check::check;
use beadle::model::group::Recipient;

use super::sending::{admission, claims, sent};
use super::*;

fn notice(name: &str) -> Address {
    format!("recurring_notice.{name}").parse().unwrap()
}

/// Sends what is open of a notice, and gives it this end.
fn deliver(books: &dyn Books, name: &str, state: State, outcome: Outcome, second: i64) {
    let open: Vec<Delivery> = now(books.open(at(second))).unwrap();
    let mine = open.iter().filter(|d| d.key.notice == notice(name));
    for delivery in mine {
        assert!(claims(books, delivery, "one", second));
        let ending = Ending { state, ..sent() };
        now(books.end(delivery.id, "one", at(second), &ending)).unwrap();
        if outcome == Outcome::Held {
            assert!(now(books.hold(delivery.id, "nobody knows")).unwrap());
        }
        now(books.conclude(&delivery.key, outcome, "", at(second))).unwrap();
    }
}

/// A project with something of everything.
pub(super) fn fill(books: &dyn Books) {
    let lease = acquire(books, "li", 0).unwrap();
    now(books.record(&lease, at(1), &[bind("a", "s1"), bind("发布/b", "s2")])).unwrap();
    let ended_entry = now(books.open_entry(&lease, &new_entry("a", 1))).unwrap();
    let end = ended(2, EntryOutcome::Applied);
    now(books.close_entry(&lease, ended_entry, &end, &[bind("c", "s3")])).unwrap();
    now(books.open_entry(&lease, &new_entry("d", 3))).unwrap();
    let look_up = LookUp {
        provider: Name::new("feishu").unwrap(),
        app: AppId::new("cli_a1"),
        recipient: Recipient::OpenId("ou_asked".into()),
        person: Recipient::OpenId("ou_found".into()),
        at: at(4),
    };
    now(books.remember(&lease, at(4), &[look_up], at(0))).unwrap();
    let snapshots = Note {
        drop: &[],
        keep: &super::snapshots::some(),
        since: at(0),
    };
    now(books.note_snapshots(&lease, at(4), &snapshots)).unwrap();
    now(books.release(&lease, at(5))).unwrap();
    for name in ["sent", "held", "open"] {
        let admitted = now(books.admit(&notice(name), at(0), &[admission(0, 2)]));
        assert_eq!(admitted.unwrap(), Admitted::New(vec![true]));
    }
    deliver(books, "sent", State::Sent, Outcome::Sent, 10);
    deliver(books, "held", State::Unknown, Outcome::Held, 10);
    fill_what_follows(books);
    let rows = rows(books);
    for table in &rows.tables {
        assert!(!table.rows.is_empty(), "nothing in {}", table.name);
    }
}

/// A notice that was sent, held, settled, taken back, followed and reported, and what people had of it.
fn fill_what_follows(books: &dyn Books) {
    let occurrence = Key {
        notice: notice("followed"),
        nominal: at(0),
    };
    now(books.admit(&occurrence.notice, at(0), &[admission(0, 2)])).unwrap();
    let open: Vec<Delivery> = now(books.open(at(10))).unwrap();
    let mine: Vec<_> = open.iter().filter(|d| d.key == occurrence).collect();
    let claim = Claim {
        runner: "one".into(),
        expires: at(70),
    };
    let daily = Daily {
        app: "v/a".into(),
        day: "2026-12-01".into(),
        content: "c".into(),
        people: vec![To::Recipient(Recipient::OpenId("ou_had".into()))],
        most: 9,
        had: "has had it",
        full: "has had enough",
    };
    let quota = Quota {
        takes: Vec::new(),
        daily: Some(daily),
    };
    let taken = now(books.claim(mine[0], &claim, &quota, at(10))).unwrap();
    assert_eq!(taken, Claimed::Taken(Vec::new()));
    now(books.end(mine[0].id, "one", at(10), &sent())).unwrap();
    deliver(books, "followed", State::Unknown, Outcome::Held, 10);
    let said = Settlement {
        word: Word::Sent,
        who: "ada".into(),
        at: at(11),
        held_for: "no answer".into(),
    };
    let end = AfterSettling::Ended(Outcome::Sent, String::new());
    assert!(now(books.settle(&occurrence, &said, &end)).unwrap());
    let terms = Terms {
        until: 66.6,
        lasts: SignedDuration::from_hours(1),
    };
    assert_eq!(
        now(books.follow(&occurrence.notice, &terms, at(11))).unwrap(),
        1
    );
    for delivery in &mine {
        assert!(now(books.ask(delivery.id, 0, at(12))).unwrap());
        let reading = Reading {
            at: at(12),
            valid: Some(3),
            ..Reading::default()
        };
        let people = People {
            readers: vec![Recipient::OpenId("ou_read".into())],
            refused: Vec::new(),
        };
        now(books.note(delivery.id, &reading, Some(&people))).unwrap();
    }
    assert!(now(books.revoke(&occurrence, "ada", at(13))).unwrap());
    assert_eq!(now(books.recalls(at(13))).unwrap().len(), 2);
    now(books.pause(&Pause {
        notice: occurrence.notice.clone(),
        since: at(14),
        until: None,
        who: "ada".into(),
    }))
    .unwrap();
}

fn rows(books: &dyn Books) -> Rows {
    now(books.rows()).unwrap()
}

fn count(rows: &Rows, table: &str) -> usize {
    rows.table(table).unwrap().rows.len()
}

pub(super) fn what_ended_long_ago_is_pruned_and_what_guards_is_not(store: &dyn Store) {
    let books = store.books("p");
    fill(&*books);
    let other = store.books("q");
    fill_other(&*other);
    let theirs = rows(&*other);
    let lease = acquire(&*books, "li", 1_000).unwrap();
    // Everything ended after this.
    let before = rows(&*books);
    let pruned = now(books.prune(&lease, at(1_000), at(0))).unwrap();
    assert!(pruned.iter().all(|(_, gone)| *gone == 0), "{pruned:?}");
    assert!(rows(&*books) == before, "nothing went");
    let pruned = now(books.prune(&lease, at(1_000), at(900))).unwrap();
    let gone = |table: &str| pruned.iter().find(|(name, _)| name == table).unwrap().1;
    assert_eq!(
        [
            gone("delivery"),
            gone("occurrence"),
            gone("journal"),
            gone("look_up"),
            gone("snapshot")
        ],
        [4, 2, 1, 1, 6]
    );
    let of_what_follows = [
        "settlement",
        "recall",
        "had",
        "following",
        "asked",
        "reading",
        "reader",
    ];
    assert_eq!(of_what_follows.map(gone), [1, 2, 1, 1, 2, 2, 2]);
    let left = rows(&*books);
    assert_eq!(count(&left, "binding"), 3);
    assert_eq!(count(&left, "handled"), 4);
    assert_eq!(count(&left, "pause"), 1, "no notice goes on by itself");
    assert_eq!(
        (count(&left, "occurrence"), count(&left, "delivery")),
        (2, 4)
    );
    assert_eq!(now(books.unsettled()).unwrap().len(), 1);
    assert!(rows(&*other) == theirs, "nothing of another project's");
    assert_eq!(check(&left, at(1_000)).faults, Vec::<String>::new());
    // Whoever has lost the lease prunes nothing.
    now(books.break_lease(at(1_001))).unwrap();
    lost(now(books.prune(&lease, at(1_002), at(1_002))));
    let late = acquire(&*books, "li", 1_003).unwrap();
    lost(now(books.prune(&late, at(1_003) + TTL, at(1_003))));
}

fn fill_other(books: &dyn Books) {
    let lease = acquire(books, "wang", 0).unwrap();
    for n in 0..3 {
        let entry = now(books.open_entry(&lease, &new_entry("x", 1))).unwrap();
        let end = ended(2, EntryOutcome::Applied);
        now(books.close_entry(&lease, entry, &end, &[bind("x", &format!("q{n}"))])).unwrap();
    }
    now(books.admit(&notice("sent"), at(0), &[admission(0, 3)])).unwrap();
    deliver(books, "sent", State::Sent, Outcome::Sent, 10);
}

/// Copies a project from one to the other, and looks whether it is all there.
pub(super) fn a_project_moves(from: &dyn Store, to: &dyn Store) {
    let (source, target) = (from.books("p"), to.books("p"));
    fill(&*source);
    let given = rows(&*source);
    now(target.put_rows(&given)).unwrap();
    assert!(rows(&*target) == given, "row for row");
    assert_eq!(check(&given, at(20)).faults, Vec::<String>::new());
    // Once more it is found there.
    now(target.put_rows(&given)).unwrap();
    assert!(rows(&*target) == given);
    // It goes on there: fences and numbers only grow.
    let lease = acquire(&*target, "li", 20).unwrap();
    assert_eq!(lease.fence, 2);
    let entry = now(target.open_entry(&lease, &new_entry("e", 21))).unwrap();
    let entries = now(target.history(9)).unwrap();
    assert!(entries.iter().all(|other| other.id <= entry), "{entries:?}");
    assert_eq!(entries.len(), 3);
    now(target.admit(&notice("new"), at(0), &[admission(0, 1)])).unwrap();
    // What has been used is not written over.
    let used = rows(&*target);
    let refused = now(target.put_rows(&given)).unwrap_err();
    assert!(matches!(refused, LedgerError::Holds { .. }), "{refused}");
    assert!(rows(&*target) == used);
}

/// As [`a_project_moves`], into a ledger where another project has the numbers.
pub(super) fn a_project_moves_in_beside_another(from: &dyn Store, to: &dyn Store) {
    let (source, target) = (from.books("p"), to.books("p"));
    fill(&*source);
    fill_other(&*to.books("q"));
    let theirs = rows(&*to.books("q"));
    now(target.put_rows(&rows(&*source))).unwrap();
    assert!(rows(&*to.books("q")) == theirs);
    let there = rows(&*target);
    now(target.put_rows(&rows(&*source))).unwrap();
    assert!(
        rows(&*target) == there,
        "it is found again, by other numbers"
    );
    assert_eq!(
        now(target.bindings()).unwrap(),
        now(source.bindings()).unwrap()
    );
    let calls = |books: &dyn Books| {
        let entries = now(books.history(99)).unwrap();
        let calls = entries
            .into_iter()
            .map(|entry| (entry.fence, entry.call, entry.end));
        calls.collect::<Vec<_>>()
    };
    assert_eq!(calls(&*target), calls(&*source));
    for occurrence in now(source.occurrences(None, 99)).unwrap() {
        let deliveries = |books: &dyn Books| {
            let mut all = now(books.deliveries(&occurrence.key)).unwrap();
            all.iter_mut()
                .for_each(|d| d.id = beadle::engine::outbox::DeliveryId(0));
            all
        };
        assert_eq!(deliveries(&*target), deliveries(&*source));
    }
    // One object has one owner, also when it is moved: nothing of the project is there then.
    let third = from.books("r");
    let lease = acquire(&*third, "zhao", 0).unwrap();
    now(third.open_entry(&lease, &new_entry("a", 1))).unwrap();
    now(third.record(&lease, at(1), &[bind("mine", "s9")])).unwrap();
    let other = to.books("s");
    let lease = acquire(&*other, "sun", 0).unwrap();
    now(other.record(&lease, at(1), &[bind("theirs", "s9")])).unwrap();
    let target = to.books("r");
    let refused = now(target.put_rows(&rows(&*third))).unwrap_err();
    assert!(refused.to_string().ends_with("of project s"), "{refused}");
    let left = rows(&*target);
    assert!(left.tables.iter().all(|table| table.rows.is_empty()));
}

#[test]
fn files_move_to_files() {
    a_project_moves(&super::sqlite::Files::new(), &super::sqlite::Files::new());
    a_project_moves_in_beside_another(&super::sqlite::Files::new(), &super::sqlite::Files::new());
}

#[test]
fn rows_that_make_no_sense_are_told() {
    let books = beadle::ledger::open_memory(&Name::new("p").unwrap());
    fill(&*books);
    let sound = rows(&*books);
    let told = check(&sound, at(1_000));
    assert_eq!(told.faults, Vec::<String>::new());
    assert_eq!(
        told.notes,
        [
            "calls whose outcome nobody knows yet; the next apply settles them: 1",
            "deliveries that are held until a person says what became of them: 2",
            "deliveries that are still to be sent: 2",
        ]
    );
    let broken = |table: &str, column: &str, row: usize, value: Cell| {
        let mut rows = sound.clone();
        let table = rows.tables.iter_mut().find(|t| t.name == table).unwrap();
        let column = table.columns.iter().position(|c| c == column).unwrap();
        table.rows[row][column] = value;
        check(&rows, at(1_000)).faults
    };
    let text = |text: &str| Cell::Text(text.to_owned());
    for (table, column, value, words) in [
        (
            "binding",
            "applied",
            "{\"colour\":1}",
            "applied cannot be read",
        ),
        ("binding", "address", "nonsense", "address cannot be read"),
        (
            "delivery",
            "recipients",
            "[\"?\"]",
            "a recipient cannot be read",
        ),
        ("settlement", "word", "perhaps", "word cannot be read"),
        (
            "settlement",
            "notice",
            "recurring_notice.gone",
            "belongs to nothing",
        ),
        ("recall", "state", "shrugged", "state cannot be read"),
        ("pause", "since", "once", "since cannot be read"),
        ("had", "person", "?", "person cannot be read"),
        ("following", "ended", "bored", "ended cannot be read"),
        (
            "following",
            "nominal",
            "2026-01-01T00:00:00.000000000Z",
            "belongs to nothing",
        ),
        ("asked", "last_at", "once", "last_at cannot be read"),
        ("reading", "at", "once", "at cannot be read"),
        ("reader", "readers", "[\"?\"]", "readers cannot be read"),
        (
            "delivery",
            "state",
            "shrugged",
            "the state of a delivery is `shrugged`",
        ),
        (
            "delivery",
            "notice",
            "recurring_notice.gone",
            "belongs to nothing",
        ),
        ("occurrence", "last", "2027-01-01", "last cannot be read"),
    ] {
        let faults = broken(table, column, 0, text(value));
        assert!(
            faults.iter().any(|fault| fault.contains(words)),
            "{words}: {faults:?}"
        );
    }
    let mut rows = sound.clone();
    let table = rows
        .tables
        .iter_mut()
        .find(|t| t.name == "delivery")
        .unwrap();
    table.rows.clear();
    let faults = check(&rows, at(1_000)).faults;
    let (left, endless): (Vec<_>, Vec<_>) = faults
        .into_iter()
        .partition(|fault| fault.ends_with("belongs to nothing"));
    assert!(
        left.iter().any(|fault| fault.starts_with("recall ")),
        "{left:?}"
    );
    assert_eq!(endless.len(), 1, "{endless:?}");
    assert!(
        endless[0].contains("has no delivery, so it never ends"),
        "{endless:?}"
    );
    for row in 0..count(&sound, "occurrence") {
        let faults = broken("occurrence", "outcome", row, text("sent"));
        let open = faults
            .iter()
            .any(|fault| fault.contains("deliveries that are open"));
        let is_open = sound.table("occurrence").unwrap();
        let cell = is_open.cell(&is_open.rows[row], "outcome");
        assert_eq!(open, cell == Some(&Cell::Null), "{faults:?}");
    }
}
