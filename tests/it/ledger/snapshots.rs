//! What a ledger promises of live values as they were last read.

use beadle::engine::ledger::{Ledger, Note};
use beadle::engine::snapshot::{Scope, Seen, Snapshot};
use beadle::engine::{Object, RemoteTasklist};
use beadle::ledger::check::check;
use beadle::model::{AppId, Collection, RemoteId, TasklistGuid};

use super::{Store, TTL, acquire, at, fields, lost};
use crate::support::postgres::now;

fn app(name: &str) -> AppId {
    AppId::new(name)
}

fn objects(scope: &str, names: &[&str], second: i64) -> Snapshot {
    let object = |name: &&str| Object {
        id: RemoteId::new(&format!("id-{name}")),
        fields: fields(name),
    };
    Snapshot {
        app: app("cli_a"),
        scope: Scope::All(Collection::from(scope)),
        seen: Seen::Objects(names.iter().map(object).collect()),
        at: at(second),
    }
}

fn all(ledger: &dyn Ledger) -> Vec<Snapshot> {
    let mut all = now(ledger.snapshots()).unwrap();
    all.sort_by(|a, b| (&a.app, &a.scope).cmp(&(&b.app, &b.scope)));
    all
}

fn note<'a>(drop: &'a [(AppId, Scope)], keep: &'a [Snapshot]) -> Note<'a> {
    Note {
        drop,
        keep,
        since: at(-1_000),
    }
}

/// The last snapshots of every kind.
pub(super) fn some() -> Vec<Snapshot> {
    let one = |collection, id: &str, seen| Snapshot {
        app: app("cli_a"),
        scope: Scope::One(collection, RemoteId::new(id)),
        seen: Seen::Object(seen),
        at: at(10),
    };
    let object = Object {
        id: RemoteId::new("oc_1"),
        fields: fields("项目 \"x\""),
    };
    let tasklist = RemoteTasklist {
        guid: TasklistGuid::new("t"),
        name: "Release".to_owned(),
        may_edit: Some(true),
    };
    let mut some = vec![
        Snapshot {
            app: app("cli_a"),
            scope: Scope::Tasklists,
            seen: Seen::Tasklists(vec![tasklist]),
            at: at(10),
        },
        objects("t", &["a", "b"], 10),
        objects(":chats", &[], 10),
        one(Collection::Chats, "oc_1", Some(object)),
        one(Collection::UserGroups, "g", None),
        Snapshot {
            app: app("cli_b"),
            ..objects("t", &["c"], 10)
        },
    ];
    some.sort_by(|a, b| (&a.app, &a.scope).cmp(&(&b.app, &b.scope)));
    some
}

pub(super) fn snapshots_read_back_and_are_a_projects_own(store: &dyn Store) {
    let ledger = store.open("p");
    assert_eq!(all(&*ledger), []);
    let lease = acquire(&*ledger, "li", 0).unwrap();
    now(ledger.note_snapshots(&lease, at(11), &note(&[], &some()))).unwrap();
    assert_eq!(all(&*ledger), some());
    let other = store.open("q");
    assert_eq!(all(&*other), []);
    let theirs = acquire(&*other, "wang", 0).unwrap();
    let scope = Scope::All(Collection::from("t"));
    let drop = [(app("cli_a"), scope)];
    now(other.note_snapshots(&theirs, at(12), &note(&drop, &[]))).unwrap();
    assert_eq!(all(&*ledger), some());
}

pub(super) fn a_newer_snapshot_takes_the_place_of_an_older_one(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let keep = |second: i64, names: &[&str]| {
        let keep = [objects("t", names, second)];
        now(ledger.note_snapshots(&lease, at(20), &note(&[], &keep))).unwrap();
        all(&*ledger)
    };
    keep(10, &["a"]);
    assert_eq!(keep(12, &["a", "b"]), [objects("t", &["a", "b"], 12)]);
    assert_eq!(keep(11, &[]), [objects("t", &["a", "b"], 12)]);
    // Dropped, it is gone, and so is what is too old.
    let drop = [(app("cli_a"), Scope::All(Collection::from("t")))];
    let keep = [objects("u", &["c"], 13), objects("v", &[], 14)];
    now(ledger.note_snapshots(&lease, at(20), &note(&drop, &keep))).unwrap();
    assert_eq!(all(&*ledger), keep);
    let late = Note {
        since: at(14),
        ..note(&[], &[])
    };
    now(ledger.note_snapshots(&lease, at(20), &late)).unwrap();
    assert_eq!(all(&*ledger), [objects("v", &[], 14)]);
    // Whoever has lost the lease notes nothing.
    now(ledger.break_lease(at(21))).unwrap();
    lost(now(ledger.note_snapshots(
        &lease,
        at(22),
        &note(&[], &some()),
    )));
    assert_eq!(all(&*ledger), [objects("v", &[], 14)]);
    let late = acquire(&*ledger, "li", 23).unwrap();
    let at = at(23) + TTL;
    lost(now(ledger.note_snapshots(&late, at, &note(&[], &some()))));
}

pub(super) fn what_was_seen_before_an_apply_is_not_kept_after_it(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let turn = || now(ledger.turn()).unwrap().unwrap();
    let keep = |turn| now(ledger.keep_snapshots(turn, &some())).unwrap();
    // While somebody applies.
    assert!(!keep(turn()));
    now(ledger.release(&lease, at(1))).unwrap();
    let before = turn();
    let lease = acquire(&*ledger, "li", 2).unwrap();
    assert!(!keep(before));
    now(ledger.release(&lease, at(3))).unwrap();
    assert!(!keep(before));
    assert_eq!(all(&*ledger), []);
    assert!(keep(turn()));
    assert_eq!(all(&*ledger), some());
    assert_eq!(
        check(&now(store.books("p").rows()).unwrap(), at(4)).faults,
        Vec::<String>::new()
    );
}
