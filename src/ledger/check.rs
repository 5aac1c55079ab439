//! Whether the rows of a project make sense together: what no database can tell by itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::codec::sending::{
    ending_from_text, everyone_from_json, from_json, invalid_from_json, purpose_from_text,
    readers_from_json, recall_from_text, repeat_from_text, state_from_text, to_from_text,
    why_ended_from_text, word_from_text,
};
use super::codec::snapshot::seen_from_json;
use super::codec::{
    address_from_text, fields_from_json, ids_from_json, instant_from_text, instant_to_text,
    outcome_from_text,
};
use crate::engine::channel::To;
use crate::engine::outbox::Purpose;
use crate::engine::upkeep::{Cell, Rows, Table};
use crate::model::Name;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows of each table.
    pub counts: Vec<(String, usize)>,
    /// What is wrong.
    pub faults: Vec<String>,
    /// What is as it may be, and good to know.
    pub notes: Vec<String>,
}

/// Looks at every row.
#[must_use]
pub fn check(rows: &Rows, now: Timestamp) -> Found {
    let mut found = Found {
        counts: rows
            .tables
            .iter()
            .map(|table| (table.name.clone(), table.rows.len()))
            .collect(),
        ..Found::default()
    };
    unreadable(rows, &mut found.faults);
    orphans(rows, &mut found.faults);
    occurrences(rows, &mut found.faults);
    notes(rows, now, &mut found.notes);
    found
}

/// What reads a text of a column, or says why not.
type Reader = fn(&str) -> Result<(), String>;

fn reads<T>(read: Result<T, String>) -> Result<(), String> {
    read.map(drop)
}

const ADDRESS: Reader = |text| reads(address_from_text(text));
const INSTANT: Reader = |text| reads(instant_from_text(text));
const FIELDS: Reader = |text| reads(fields_from_json(text));
const NAME: Reader = |text| reads(Name::new(text).map_err(|error| error.to_string()));

/// The columns whose texts have words of ours.
const READERS: &[(&str, &str, Reader)] = &[
    ("binding", "address", ADDRESS),
    ("binding", "provider", NAME),
    ("binding", "applied", FIELDS),
    ("binding", "updated_at", INSTANT),
    ("lease", "since", INSTANT),
    ("lease", "heartbeat", INSTANT),
    ("lease", "expires", INSTANT),
    ("journal", "opened_at", INSTANT),
    ("journal", "address", ADDRESS),
    ("journal", "provider", NAME),
    ("journal", "sent", FIELDS),
    ("journal", "seen", |text| reads(ids_from_json(text))),
    ("journal", "ended_at", INSTANT),
    ("journal", "outcome", |text| reads(outcome_from_text(text))),
    ("look_up", "looked_at", INSTANT),
    ("snapshot", "holds", |text| reads(seen_from_json(text))),
    ("snapshot", "read_at", INSTANT),
    ("handled", "notice", ADDRESS),
    ("handled", "until", INSTANT),
    ("occurrence", "notice", ADDRESS),
    ("occurrence", "nominal", INSTANT),
    ("occurrence", "last", INSTANT),
    ("occurrence", "fires_at", INSTANT),
    ("occurrence", "outcome", |text| {
        reads(ending_from_text(text))
    }),
    ("occurrence", "admitted_at", INSTANT),
    ("occurrence", "ended_at", INSTANT),
    ("occurrence", "send_until", INSTANT),
    ("occurrence", "revoke_at", INSTANT),
    ("occurrence", "revoked_at", INSTANT),
    ("delivery", "notice", ADDRESS),
    ("delivery", "nominal", INSTANT),
    ("delivery", "purpose", |text| reads(purpose_from_text(text))),
    ("delivery", "provider", NAME),
    ("delivery", "query", |text| {
        reads(from_json::<Vec<(String, String)>>(text))
    }),
    ("delivery", "recipients", |text| {
        reads(everyone_from_json::<Vec<To>>(text))
    }),
    ("delivery", "repeat", |text| reads(repeat_from_text(text))),
    ("delivery", "state", |text| reads(state_from_text(text))),
    ("delivery", "first_at", INSTANT),
    ("delivery", "tried_at", INSTANT),
    ("delivery", "expires", INSTANT),
    ("delivery", "invalid", |text| reads(invalid_from_json(text))),
    ("settlement", "notice", ADDRESS),
    ("settlement", "nominal", INSTANT),
    ("settlement", "word", |text| reads(word_from_text(text))),
    ("settlement", "settled_at", INSTANT),
    ("recall", "state", |text| reads(recall_from_text(text))),
    ("recall", "first_at", INSTANT),
    ("recall", "tried_at", INSTANT),
    ("recall", "expires", INSTANT),
    ("recall", "ended_at", INSTANT),
    ("pause", "notice", ADDRESS),
    ("pause", "since", INSTANT),
    ("pause", "until", INSTANT),
    ("had", "person", |text| reads(to_from_text(text))),
    ("following", "notice", ADDRESS),
    ("following", "nominal", INSTANT),
    ("following", "fired_at", INSTANT),
    ("following", "ends_at", INSTANT),
    ("following", "ended", |text| {
        reads(why_ended_from_text(text))
    }),
    ("following", "ended_at", INSTANT),
    ("asked", "last_at", INSTANT),
    ("reading", "at", INSTANT),
    ("reader", "readers", |text| reads(readers_from_json(text))),
    ("reader", "refused", |text| reads(invalid_from_json(text))),
];

fn unreadable(rows: &Rows, faults: &mut Vec<String>) {
    for (name, column, read) in READERS {
        let Some(table) = rows.table(name) else {
            continue;
        };
        let texts = |row| table.cell(row, column).and_then(Cell::text);
        for row in &table.rows {
            if let Some(Err(why)) = texts(row).map(read) {
                faults.push(format!(
                    "{name} {}: {column} cannot be read: {why}",
                    subject(table, row)
                ));
            }
        }
    }
}

/// Which row, in what users know it by.
fn subject(table: &Table, row: &[Cell]) -> String {
    let word = |column: &str| match table.cell(row, column)? {
        Cell::Text(text) => Some(text.clone()),
        Cell::Number(number) => Some(number.to_string()),
        Cell::Null | Cell::Real(_) => None,
    };
    let words = ["entry", "delivery", "address", "notice", "nominal", "duty"];
    let words: Vec<_> = words.into_iter().filter_map(word).collect();
    words.join(" ")
}

/// Rows that refer to a row that is not there.
fn orphans(rows: &Rows, faults: &mut Vec<String>) {
    let occurrences: BTreeSet<_> = keys(rows, "occurrence").into_iter().collect();
    let numbers = |table: &Table| -> Vec<Cell> {
        let cells = table.rows.iter();
        let cells = cells.filter_map(|row| table.cell(row, "delivery").cloned());
        cells.collect()
    };
    let deliveries: BTreeSet<_> = rows
        .table("delivery")
        .map(numbers)
        .into_iter()
        .flatten()
        .collect();
    for table in &rows.tables {
        let orphaned = |row: &&Vec<Cell>| match table.name.as_str() {
            "delivery" | "settlement" | "following" => {
                key(table, row).is_some_and(|key| !occurrences.contains(&key))
            }
            _ => table
                .cell(row, "delivery")
                .is_some_and(|cell| *cell != Cell::Null && !deliveries.contains(cell)),
        };
        for row in table.rows.iter().filter(orphaned) {
            faults.push(format!(
                "{} {} belongs to nothing",
                table.name,
                subject(table, row)
            ));
        }
    }
}

type Key = (String, String);

fn key(table: &Table, row: &[Cell]) -> Option<Key> {
    let text = |column| table.cell(row, column)?.text().map(str::to_owned);
    Some((text("notice")?, text("nominal")?))
}

fn keys(rows: &Rows, table: &str) -> Vec<Key> {
    let table = rows.table(table);
    let keys = table.map(|table| table.rows.iter().filter_map(|row| key(table, row)));
    keys.into_iter().flatten().collect()
}

/// Each instant has one row and, in the end, one outcome, which the deliveries of the notice itself make:
/// word of a problem and a report are sent when it has one.
fn occurrences(rows: &Rows, faults: &mut Vec<String>) {
    let (Some(table), Some(deliveries)) = (rows.table("occurrence"), rows.table("delivery")) else {
        return;
    };
    let mut states: BTreeMap<Key, Vec<&str>> = BTreeMap::new();
    for row in &deliveries.rows {
        let text = |column| deliveries.cell(row, column).and_then(Cell::text);
        let is_notice = text("purpose").is_none_or(|purpose| purpose == Purpose::Notice.as_str());
        if let (true, Some(key), Some(state)) = (is_notice, key(deliveries, row), text("state")) {
            states.entry(key).or_default().push(state);
        }
    }
    let mut spans: BTreeMap<Key, String> = BTreeMap::new();
    for row in &table.rows {
        let Some(key) = key(table, row) else { continue };
        let text = |column| table.cell(row, column).and_then(Cell::text);
        let states = states.get(&key).map_or(&[][..], Vec::as_slice);
        let is_open = |state: &&str| ["pending", "sending", "unknown"].contains(state);
        let (open, which) = (states.iter().any(is_open), format!("{} {}", key.0, key.1));
        match text("outcome") {
            None if states.is_empty() => {
                faults.push(format!(
                    "occurrence {which} is open and has no delivery, so it never ends"
                ));
            }
            Some(outcome) if open => {
                faults.push(format!(
                    "occurrence {which} is {outcome} and has deliveries that are open"
                ));
            }
            _ => {}
        }
        spans.insert(key, text("last").unwrap_or_default().to_owned());
    }
    for (((notice, _), last), (next, _)) in spans.iter().zip(spans.iter().skip(1)) {
        if *notice == next.0 && *last >= next.1 {
            faults.push(format!(
                "occurrence {notice} {} is in the range of the one before",
                next.1
            ));
        }
    }
}

fn notes(rows: &Rows, now: Timestamp, notes: &mut Vec<String>) {
    let now = instant_to_text(now);
    let matching = |table: &str, is: &dyn Fn(&Table, &Vec<Cell>) -> bool| {
        let table = rows.table(table);
        table.map_or(0, |table| {
            table.rows.iter().filter(|row| is(table, row)).count()
        })
    };
    let text = |table: &Table, row: &Vec<Cell>, column: &str| {
        let cell = table.cell(row, column).and_then(Cell::text);
        cell.map(str::to_owned)
    };
    let state = |wanted: &'static str| {
        matching("delivery", &move |table, row| {
            table.cell(row, "state").and_then(Cell::text) == Some(wanted)
        })
    };
    let mut note = |count: usize, words: &str| {
        if count > 0 {
            notes.push(format!("{words}: {count}"));
        }
    };
    let unsettled = matching("journal", &|table, row| {
        text(table, row, "ended_at").is_none()
    });
    note(
        unsettled,
        "calls whose outcome nobody knows yet; the next apply settles them",
    );
    let leases = matching("lease", &|table, row| {
        text(table, row, "ended").is_none()
            && text(table, row, "expires").is_some_and(|at| at <= now)
    });
    note(
        leases,
        "leases that have expired; the next apply takes over",
    );
    let claims = matching("delivery", &|table, row| {
        text(table, row, "expires").is_some_and(|at| at <= now)
    });
    note(
        claims,
        "deliveries whose runner did not come back; the next runner finds out what may be repeated",
    );
    note(
        state("held"),
        "deliveries that are held until a person says what became of them",
    );
    note(state("pending"), "deliveries that are still to be sent");
}
