//! The ledger on PostgreSQL: the suite of every ledger, and what only a server can do wrong.

use std::sync::Arc;

use beadle::engine::outbox::{Admission, Outbox};
use beadle::ledger::postgres::{Clock, PostgresLedger};
use beadle::ledger::{Access, connect};
use beadle::model::Name;

use super::sending::claims;
use super::tries::{TRIED_THRICE, is_remembered_from_the_next_try_on, waits_from_its_first_try_on};
use super::upkeep::{a_project_moves, a_project_moves_in_beside_another, fill};
use super::*;
use crate::support::postgres::{Cut, Schema, Wire};

impl Store for Schema {
    fn books(&self, project: &str) -> Arc<dyn Books> {
        Arc::new(Schema::open(self, project))
    }
}

#[test]
fn postgres_keeps_every_promise() {
    for (name, promise) in SUITE {
        let Some(schema) = Schema::new() else { return };
        eprintln!("{name}");
        promise(&schema);
    }
}

fn through(schema: &Schema, wire: &Wire) -> PostgresLedger {
    let project = Name::new("p").unwrap();
    let server = schema.server_at(wire);
    now(PostgresLedger::write(&server, &project, Clock::Calls)).unwrap()
}

#[test]
fn a_commit_whose_answer_was_lost_is_found_out() {
    let Some(schema) = Schema::new() else { return };
    let wire = Wire::to(&schema);
    let ledger = through(&schema, &wire);
    for (n, cut) in [Cut::AfterCommit, Cut::BeforeCommit, Cut::AfterCommit]
        .into_iter()
        .enumerate()
    {
        let name = format!("a{n}");
        wire.cut(cut);
        let lease = acquire(&ledger, "li", 0).unwrap();
        assert_eq!(lease.fence, i64::try_from(n).unwrap() + 1, "taken once");
        wire.cut(cut);
        let entry = now(ledger.open_entry(&lease, &new_entry(&name, 1))).unwrap();
        wire.cut(cut);
        let end = ended(2, EntryOutcome::Applied);
        let bound = [bind(&name, &name)];
        now(ledger.close_entry(&lease, entry, &end, &bound)).unwrap();
        wire.cut(cut);
        let rename = BindingChange::Move {
            from: address(&name),
            to: address(&format!("b{n}")),
        };
        now(ledger.record(&lease, at(2), &[rename])).unwrap();
        wire.cut(cut);
        now(ledger.release(&lease, at(3))).unwrap();
        assert_eq!(wire.cuts(), (n + 1) * 5, "each was cut once");
    }
    assert_eq!(now(ledger.unsettled()).unwrap(), []);
    assert_eq!(now(ledger.history(9)).unwrap().len(), 3, "none twice");
    assert_eq!(now(ledger.bindings()).unwrap().len(), 3);
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    let Some(schema) = Schema::new() else { return };
    let wire = Wire::to(&schema);
    let ledger = through(&schema, &wire);
    let lease = acquire(&ledger, "li", 0).unwrap();
    // Every connection is lost between two calls, and then while one waits for a lock.
    wire.cut(Cut::Down);
    wire.cut(Cut::Never);
    now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap();
    schema.sql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = '{}'",
        schema.name()
    ));
    now(ledger.record(&lease, at(1), &[bind("b", "s2")])).unwrap();
    assert_eq!(bound(&ledger).len(), 2);
}

#[test]
fn a_server_that_is_not_there_is_said_at_once_and_without_the_password() {
    let Some(schema) = Schema::new() else { return };
    let mut server = schema.server();
    // Nobody listens on the port of a listener that is gone.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.url.port = gone.local_addr().unwrap().port();
    drop(gone);
    server.password = Some("hunter2".into());
    let project = Name::new("p").unwrap();
    for access in [Access::Read, Access::Write] {
        let refused = now(connect(&server, &project, access)).err().unwrap();
        assert!(matches!(refused, LedgerError::Away { .. }), "{refused:?}");
        let words = format!("{refused} {refused:?}");
        assert!(words.contains("cannot be reached"), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
}

#[test]
fn looking_makes_nothing_and_writes_nothing() {
    let Some(schema) = Schema::new() else { return };
    let project = Name::new("p").unwrap();
    let look = || now(connect(&schema.server(), &project, Access::Read)).unwrap();
    assert!(now(look().is_new()).unwrap());
    let keep = || now(connect(&schema.server(), &project, Access::Keep));
    let none = keep().err().unwrap().to_string();
    assert!(none.ends_with("there is none yet"), "{none}");
    let tables = format!(
        "SELECT nspname::text FROM pg_namespace WHERE nspname = '{}'",
        schema.name()
    );
    assert_eq!(schema.texts(&tables), Vec::<String>::new());
    // What is not there cannot be written to either.
    let empty = look();
    let refused = acquire(&*empty, "li", 0).unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains(&schema.server().url.to_string()),
        "{refused}"
    );
    let refused = now(empty.admit(&address("a"), at(0), &[])).unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    let ledger = schema.open("p");
    let lease = acquire(&ledger, "li", 0).unwrap();
    now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap();
    let reader = look();
    assert_eq!(now(reader.bindings()).unwrap(), [binding("a", "s1")]);
    let refused = now(reader.record(&lease, at(1), &[bind("b", "s2")])).unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    let refused = now(Outbox::open(&*reader, at(1))).unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    assert_eq!(bound(&ledger).len(), 1);
    assert_eq!(bound(&*keep().unwrap()).len(), 1);
}

#[test]
fn many_who_come_first_make_the_tables_once() {
    let Some(schema) = Schema::new() else { return };
    std::thread::scope(|scope| {
        for n in 0..6 {
            let schema = &schema;
            scope.spawn(move || {
                let ledger = schema.open(&format!("p{n}"));
                acquire(&ledger, "li", 0).unwrap();
            });
        }
    });
    assert_eq!(
        schema.texts("SELECT count(*)::text FROM lease"),
        ["6".to_owned()]
    );
}

#[test]
fn a_later_format_is_refused_by_who_opens_and_by_who_has_it_open() {
    let Some(schema) = Schema::new() else { return };
    let ledger = schema.open("p");
    let lease = acquire(&ledger, "li", 0).unwrap();
    schema.sql("UPDATE beadle_format SET steps = 1000");
    let newer = |error: LedgerError| {
        assert!(
            matches!(error, LedgerError::Newer { found: 1000, .. }),
            "{error}"
        );
    };
    newer(now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap_err());
    let project = Name::new("p").unwrap();
    for access in [Access::Read, Access::Write] {
        newer(
            now(connect(&schema.server(), &project, access))
                .err()
                .unwrap(),
        );
    }
    schema.sql("DELETE FROM beadle_format");
    let none = now(connect(&schema.server(), &project, Access::Write));
    let none = none.err().unwrap();
    assert!(matches!(none, LedgerError::Corrupt { .. }), "{none}");
}

#[test]
fn another_programs_tables_are_left_alone() {
    let Some(schema) = Schema::new() else { return };
    schema.sql(&format!(
        "CREATE SCHEMA {0}; CREATE TABLE {0}.binding (x TEXT)",
        schema.name()
    ));
    let project = Name::new("p").unwrap();
    let refused = now(connect(&schema.server(), &project, Access::Write));
    let refused = refused.err().unwrap();
    assert!(matches!(refused, LedgerError::Corrupt { .. }), "{refused}");
    let tables = format!(
        "SELECT relname::text FROM pg_class WHERE relnamespace = '{}'::regnamespace",
        schema.name()
    );
    assert_eq!(schema.texts(&tables), ["binding".to_owned()]);
}

#[test]
fn leases_and_claims_go_by_the_servers_clock() {
    let Some(schema) = Schema::new() else { return };
    let project = Name::new("p").unwrap();
    let open = || now(connect(&schema.server(), &project, Access::Write)).unwrap();
    let (one, two) = (open(), open());
    // The first is years behind, the second years ahead, and neither gains by it.
    let lease = acquire(&*one, "li", -1_000_000_000).unwrap();
    let Err(LedgerError::Held(state)) = acquire(&*two, "wang", 1_000_000_000) else {
        panic!("it is held");
    };
    assert_eq!(state.expires.duration_since(state.since), TTL);
    now(one.record(&lease, at(1_000_000_000), &[bind("a", "s1")])).unwrap();
    // The server's clock passes it.
    schema.sql("UPDATE lease SET expires = '2026-01-01T00:00:00.000000000Z'");
    let late = lost(now(one.record(&lease, at(0), &[bind("b", "s2")])));
    assert!(
        late.starts_with("it expired at 2026-01-01T00:00:00Z"),
        "{late}"
    );
    lost(now(one.renew(&lease, at(0), TTL)));
    acquire(&*two, "wang", -1_000_000_000).unwrap();

    let notice = "recurring_notice.hourly".parse().unwrap();
    now(one.admit(&notice, at(0), &[delivered_once()])).unwrap();
    let seen = now(Outbox::open(&*one, at(0))).unwrap().remove(0);
    assert!(claims(&*one, &seen, "slow", -1_000_000));
    assert_eq!(now(Outbox::open(&*two, at(1_000_000))).unwrap(), []);
    schema.sql("UPDATE delivery SET expires = '2026-01-01T00:00:00.000000000Z'");
    let ending = super::sending::sent();
    assert!(now(one.end(seen.id, "slow", at(-1_000_000), &ending)).is_err());
    let open = now(Outbox::open(&*two, at(-1_000_000))).unwrap();
    assert_eq!(open[0].state, beadle::engine::outbox::State::Unknown);
}

fn delivered_once() -> Admission {
    super::sending::admission(0, 1)
}

#[test]
fn a_runner_passes_over_what_another_is_just_taking() {
    let Some(schema) = Schema::new() else { return };
    let (one, two) = (schema.open("p"), schema.open("p"));
    let notice = "recurring_notice.hourly".parse().unwrap();
    now(one.admit(&notice, at(0), &[super::sending::admission(0, 2)])).unwrap();
    let seen = now(Outbox::open(&one, at(0))).unwrap();
    // Somebody was stopped in the middle of taking the first.
    let mut stopped = schema.client();
    let tx = now(stopped.transaction()).unwrap();
    now(tx.execute(
        "SELECT FROM delivery WHERE delivery = $1 FOR UPDATE",
        &[&seen[0].id.0],
    ))
    .unwrap();
    assert!(!claims(&two, &seen[0], "awake", 0));
    assert!(claims(&two, &seen[1], "awake", 0));
    now(tx.rollback()).unwrap();
    assert!(claims(&two, &seen[0], "awake", 0));
}

#[test]
fn what_postgres_cannot_hold_is_kept_as_well_as_can_be() {
    let Some(schema) = Schema::new() else { return };
    let ledger = schema.open("p");
    let lease = acquire(&ledger, "li", 0).unwrap();
    let entry = now(ledger.open_entry(&lease, &new_entry("a", 1))).unwrap();
    let mut end = ended(2, EntryOutcome::Refused);
    end.detail = "code 1: \0 is wrong".into();
    now(ledger.close_entry(&lease, entry, &end, &[])).unwrap();
    let kept = now(ledger.history(1)).unwrap().remove(0).end.unwrap();
    assert_eq!(kept.detail, "code 1: \u{fffd} is wrong");
}

#[test]
fn a_project_moves_to_a_server_and_back() {
    let (Some(server), Some(other)) = (Schema::new(), Schema::new()) else {
        return;
    };
    let files = super::sqlite::Files::new;
    a_project_moves(&files(), &server);
    a_project_moves(&other, &files());
    let (Some(server), Some(other)) = (Schema::new(), Schema::new()) else {
        return;
    };
    a_project_moves_in_beside_another(&files(), &server);
    a_project_moves_in_beside_another(&other, &files());
}

#[test]
fn both_databases_have_one_layout() {
    let Some(schema) = Schema::new() else { return };
    let ledger = schema.open("p");
    let known = now(beadle::engine::upkeep::Upkeep::rows(&ledger)).unwrap();
    let mut columns: Vec<_> = known
        .tables
        .iter()
        .flat_map(|table| table.columns.iter().map(|c| format!("{}.{c}", table.name)))
        .collect();
    columns.sort();
    let query = format!(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = '{}'
             AND table_name NOT IN ('beadle_format', 'connection', 'quota', 'image')",
        schema.name()
    );
    let mut there = schema.texts(&query);
    there.sort();
    assert_eq!(there, columns);
    // Instants are compared as text, in the order of their bytes.
    let query = format!(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = '{}' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
        schema.name()
    );
    assert_eq!(schema.texts(&query), Vec::<String>::new());
    let file = beadle::ledger::open_memory(&Name::new("p").unwrap());
    let file = now(file.rows()).unwrap();
    assert_eq!(file.format, known.format, "one number for one layout");
}

#[test]
fn a_project_of_a_server_is_saved_in_a_file() {
    let Some(schema) = Schema::new() else { return };
    let books = schema.books("p");
    fill(&*books);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved/ledger.db");
    now(books.save(&file)).unwrap();
    let project = Name::new("p").unwrap();
    let saved = beadle::ledger::open(&file, &project, Access::Read).unwrap();
    assert!(now(saved.rows()).unwrap() == now(books.rows()).unwrap());
    let again = now(books.save(&file)).unwrap_err();
    assert!(again.to_string().contains("not written over"), "{again}");
    let left: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// A schema as the first beadle that had servers made it, with rows of two projects.
fn of_format_three(schema: &Schema) {
    let first =
        include_str!("../../../src/ledger/migrations/postgres/0003_bindings_to_deliveries.sql");
    schema.sql(&format!(
        "CREATE SCHEMA {0}; SET search_path = {0}; {first}",
        schema.name()
    ));
    schema.sql(
        "INSERT INTO beadle_format VALUES (1, 3);
         INSERT INTO binding VALUES
             ('p', 'tasklist_subscription.a', 'feishu', 'cli_a', 't1', 's1', '{\"name\":\"a\"}', 1,
                 '2026-11-22T10:00:00.000000000Z'),
             ('q', 'tasklist_subscription.b', 'feishu', 'cli_a', 't1', 's2', '{}', 0,
                 '2026-11-22T10:00:00.000000000Z');
         INSERT INTO handled VALUES ('p', 'recurring_notice.n', '2026-11-22T10:00:00.000000000Z');
         INSERT INTO occurrence VALUES ('p', 'recurring_notice.n', '2026-11-22T10:00:00.000000000Z',
             '2026-11-22T10:00:00.000000000Z', 1, '2026-11-22T10:00:00.000000000Z', 'r1',
             '2026-11-22T10:00:00.000000000Z', NULL, NULL, NULL);
         INSERT INTO delivery (project, notice, nominal, provider, app, operation, query, body,
             recipients, repeat, state, attempts, detail, invalid)
         VALUES ('p', 'recurring_notice.n', '2026-11-22T10:00:00.000000000Z', 'feishu', 'cli_a',
             'sendMessage', '[]', 'text', '[]', 'never', 'pending', 0, '', '[]');",
    );
}

#[test]
fn a_ledger_of_an_earlier_beadle_is_read_as_it_is_there_and_brought_forward_by_who_writes() {
    let Some(schema) = Schema::new() else { return };
    of_format_three(&schema);
    let project = Name::new("p").unwrap();
    let expected = |books: &dyn Books| {
        let bindings = now(books.bindings()).unwrap();
        assert_eq!(bindings.len(), 1);
        assert_eq!((bindings[0].id.as_str(), bindings[0].protect), ("s1", true));
        let claims = now(books.claims()).unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!(
            (claims[0].project.as_str(), claims[0].id.as_str()),
            ("q", "s2")
        );
        let occurrences = now(books.occurrences(None, 9)).unwrap();
        assert_eq!(occurrences.len(), 1);
        assert_eq!(now(books.deliveries(&occurrences[0].key)).unwrap().len(), 1);
        assert_eq!(now(books.pauses()).unwrap(), []);
    };
    let look = || now(connect(&schema.server(), &project, Access::Read)).unwrap();
    let columns = format!(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = '{}' ORDER BY 1",
        schema.name()
    );
    let before = schema.texts(&columns);
    let reader = look();
    expected(&*reader);
    let refused = now(Outbox::open(&*reader, at(0))).unwrap_err();
    assert!(matches!(refused, LedgerError::ReadOnly { .. }), "{refused}");
    // A copy of it is of the project alone.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    now(reader.save(&file)).unwrap();
    let saved = beadle::ledger::open(&file, &project, Access::Read).unwrap();
    assert_eq!(now(saved.bindings()).unwrap().len(), 1);
    assert_eq!(now(saved.claims()).unwrap(), []);
    assert_eq!(schema.texts(&columns), before, "looking changes nothing");
    let format = || schema.texts("SELECT steps::text FROM beadle_format");
    assert_eq!(format(), ["3"]);

    expected(&*now(connect(&schema.server(), &project, Access::Write)).unwrap());
    assert_ne!(format(), ["3"]);
    expected(&*look());
}

#[test]
fn a_send_of_an_earlier_format_waits_from_its_first_try_on_there_too() {
    let Some(schema) = Schema::new() else { return };
    let project = Name::new("p").unwrap();
    of_format_three(&schema);
    schema.sql("DELETE FROM delivery; DELETE FROM occurrence");
    for step in [
        include_str!("../../../src/ledger/migrations/postgres/0004_after_sending.sql"),
        include_str!("../../../src/ledger/migrations/postgres/0005_following_images.sql"),
        include_str!("../../../src/ledger/migrations/postgres/0006_snapshots.sql"),
    ] {
        schema.sql(step);
    }
    let (occurrence, delivery) = TRIED_THRICE;
    schema.sql(&format!(
        "UPDATE beadle_format SET steps = 6; {occurrence}; {delivery}"
    ));
    waits_from_its_first_try_on(&*now(connect(&schema.server(), &project, Access::Read)).unwrap());
    let writer = now(connect(&schema.server(), &project, Access::Write)).unwrap();
    waits_from_its_first_try_on(&*writer);
    is_remembered_from_the_next_try_on(&*writer);
}
