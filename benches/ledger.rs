//! How long the ledger takes to say what is bound.
//!
//! The baseline is SQLite alone, handing out the same columns of the same rows as text.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod support;

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use beadle::engine::ledger::{Binding, BindingChange, Holder};
use beadle::ledger::{Access, open};
use beadle::model::{
    Address, AppId, ChatId, EventKey, Events, Field, Kind, Name, RemoteId, TasklistGuid, Value,
};
use jiff::{SignedDuration, Timestamp};
use support::{Mode, Wrong, best, cpu, expect, ms, verdict};

/// The most that 100,000 bindings may take.
const MILLISECONDS: f64 = 300.0;

fn main() -> ExitCode {
    support::main(|mode| {
        let (size, rounds) = match mode {
            Mode::Full => (100_000, 10),
            Mode::Quick => (1_000, 2),
        };
        let folder = tempfile::tempdir().expect("a folder can be made");
        measure(&folder.path().join("ledger.db"), size, rounds)
    })
}

fn measure(path: &Path, size: usize, rounds: u32) -> Result<(), Wrong> {
    let project = name("benches");
    let bindings: Vec<Binding> = (0..size).map(binding).collect();
    let (write, ()) = best(1, || fill(path, &project, &bindings));
    println!("\n{size} bindings; the least of {rounds} rounds");
    let (baseline, bytes) = best(rounds, || scan(path));
    let row = |what: &str, time: Duration| {
        let each = time.as_secs_f64() * 1e6 / size as f64;
        let ratio = time.as_secs_f64() / baseline.as_secs_f64();
        println!(
            "  {what:<22} {:>10} {each:>8.2} µs each {ratio:>7.2} ×",
            ms(time)
        );
    };
    expect("some text", bytes > size * 100, true)?;
    row("SQLite alone (1.0)", baseline);
    let ledger = open(path, &project, Access::Read).expect("the ledger opens");
    let before = cpu();
    let (time, read) = best(rounds, || now(ledger.bindings()).expect("it can be read"));
    let spent = (cpu() - before) / rounds;
    row("bindings", time);
    println!("  CPU of bindings {:>17}", ms(spent));
    expect("bindings", read, bindings)?;
    let other = open(path, &name("other"), Access::Read).expect("the ledger opens");
    let (claims, read) = best(rounds, || now(other.claims()).expect("it can be read"));
    row("another's claims", claims);
    expect("claims", read.len(), size)?;
    row("bind them, once", write);
    if size == 100_000 {
        verdict("bindings", time.as_secs_f64() * 1e3, MILLISECONDS, " ms");
    }
    Ok(())
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is a name")
}

/// Bindings in the order of their addresses, some with names that are not ASCII.
fn binding(number: usize) -> Binding {
    let mark = if number.is_multiple_of(4) {
        "进度"
    } else {
        "progress"
    };
    let events: Events = match number % 3 {
        0 => Events::all(),
        _ => [100, 103, 130].into_iter().map(EventKey).collect(),
    };
    let chats = (0..3).map(|n| ChatId::new(&format!("oc_{:032x}", number + n)));
    let fields = [
        (Field::Name, Value::Text(format!("发布 {number}"))),
        (Field::Subscribers, Value::Chats(chats.collect())),
        (Field::Events, Value::Events(events)),
        (Field::Enabled, Value::Flag(true)),
    ];
    Binding {
        address: Address::new(
            Kind::TasklistSubscription,
            name(&format!("team-{number:06}-{mark}")),
        ),
        provider: name("feishu"),
        app: AppId::new("cli_sandbox"),
        collection: TasklistGuid::new(&format!("d300a75f-c56a-4be9-80d1-{:012x}", number / 40))
            .into(),
        id: RemoteId::new(&format!("33991879-704f-444f-81d7-{number:012x}")),
        applied: fields.into_iter().collect(),
        protect: false,
        updated_at: "2026-07-01T08:00:00.123456789Z"
            .parse()
            .expect("it is an instant"),
    }
}

fn fill(path: &Path, project: &Name, bindings: &[Binding]) {
    let ledger = open(path, project, Access::Write).expect("the ledger opens");
    let at = Timestamp::now();
    let holder = Holder {
        host: "bench".to_owned(),
        pid: std::process::id(),
        user: "bench".to_owned(),
        command: "bench".to_owned(),
    };
    let ttl = SignedDuration::from_mins(10);
    let lease = now(ledger.acquire(&holder, at, ttl)).expect("the lease is free");
    let changes: Vec<_> = bindings.iter().cloned().map(BindingChange::Bind).collect();
    now(ledger.record(&lease, at, &changes)).expect("they can be bound");
    now(ledger.release(&lease, at)).expect("the lease is ours");
}

/// The bytes of all text in the rows.
fn scan(path: &Path) -> usize {
    let conn = rusqlite::Connection::open(path).expect("the file is a database");
    let mut statement = conn
        .prepare(
            "SELECT address, provider, app, tasklist, id, applied, updated_at
             FROM binding WHERE project = 'benches' ORDER BY address",
        )
        .expect("the table is there");
    let mut rows = statement.query([]).expect("it can be read");
    let mut bytes = 0;
    while let Some(row) = rows.next().expect("it can be read") {
        for column in 0..7 {
            let text = row
                .get_ref(column)
                .and_then(|value| Ok(value.as_str()?.len()));
            bytes += text.expect("it is text");
        }
    }
    bytes
}

/// What a future gives that never waits; the SQLite ledger's are all so.
fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("it never waits")
}
