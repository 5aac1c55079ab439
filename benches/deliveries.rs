//! How many deliveries a second go through the ledger: admitted, claimed, sent and ended, each of these
//! written to the disk before the next.
//!
//! The vendor is the sandbox, in this process and without latency. The baseline is SQLite alone, committing
//! a row as often as a delivery does.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use beadle::engine::agenda::Roster;
use beadle::engine::channel::{Channel, Letter, To};
use beadle::engine::outbox::{Books, NewDelivery, Outcome};
use beadle::engine::right::Stop;
use beadle::engine::runner::{Channels, Context, Firing, Notice, round};
use beadle::ledger::{self, Access};
use beadle::model::{Address, AppId, ChatId, Kind, Name};
use beadle::sandbox::{APP_ID, APP_SECRET, Options, Sandbox, Wanted, WantedChat};
use beadle::vendors::{self, Settings};
use jiff::{SignedDuration, Timestamp};
use support::{Mode, best, best_of_prepared, cpu, expect, ms, verdict};

/// The most that one may take on average: 1,000 a second are wanted.
const MILLISECONDS: f64 = 1.0;

/// The transactions of a delivery: it is admitted, claimed and ended, and its occurrence gets its outcome.
const COMMITS: usize = 4;

const CHAT: &str = "oc_a0553eda9014c201e6969b478895c230";

fn main() -> ExitCode {
    support::main(|mode| {
        let (count, rounds) = match mode {
            Mode::Full => (2_000, 3),
            Mode::Quick => (50, 1),
        };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("the runtime starts");
        let folder = tempfile::tempdir().expect("a folder can be made");
        println!("\n{count} notices that are due at once, a delivery each; the best of {rounds}");
        let (alone, ()) = best(rounds, || baseline(folder.path(), count));
        row("SQLite alone, as many commits", count, alone, alone);
        let sandbox = runtime.block_on(Sandbox::start(
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Options::default(),
        ));
        let sandbox = sandbox.expect("the sandbox starts");
        let chat = WantedChat {
            id: CHAT.to_owned(),
            ..WantedChat::default()
        };
        let wanted = Wanted {
            chats: vec![chat],
            ..Wanted::default()
        };
        sandbox.seed(&wanted).expect("the world takes it");
        let mut settings =
            Settings::new(&sandbox.base_url(), AppId::new(APP_ID), APP_SECRET.into());
        settings.paced = false;
        let channel = vendors::feishu(settings)
            .expect("the client is made")
            .1
            .channel;
        let before = cpu();
        let (time, sent) = best_of_prepared(
            rounds,
            || prepare(folder.path(), &channel, count),
            |(books, mut roster)| runtime.block_on(deliver(&channel, books.as_ref(), &mut roster)),
        );
        let spent = (cpu() - before) / rounds;
        expect("sent", sent, count)?;
        row("through the ledger to the sandbox", count, time, alone);
        println!("  CPU of ledger, client and sandbox {:>10}", ms(spent));
        if mode == Mode::Full {
            let each = time.as_secs_f64() * 1e3 / count as f64;
            verdict("a delivery", each, MILLISECONDS, " ms");
        }
        runtime.block_on(sandbox.stop());
        Ok(())
    })
}

fn row(what: &str, count: usize, time: Duration, alone: Duration) {
    println!(
        "  {what:<34} {:>10} {:>8.0} a second {:>6.2} ×",
        ms(time),
        count as f64 / time.as_secs_f64(),
        time.as_secs_f64() / alone.as_secs_f64()
    );
}

/// A notice that fires once and says one thing in one chat.
struct Once {
    address: Address,
    at: Timestamp,
    channel: Arc<dyn Channel>,
}

impl Notice for Once {
    fn address(&self) -> &Address {
        &self.address
    }

    fn revision(&self) -> &str {
        "r1"
    }

    fn applied_at(&self) -> Timestamp {
        self.at
    }

    fn late(&self) -> SignedDuration {
        SignedDuration::from_hours(1)
    }

    fn firings(&self, from: Timestamp, until: Timestamp) -> Vec<Firing> {
        let fires = from < self.at && self.at <= until;
        let firing = Firing {
            nominal: self.at,
            at: self.at,
            skip: None,
        };
        fires.then_some(firing).into_iter().collect()
    }

    fn nothing_before(&self, after: Timestamp) -> Option<Timestamp> {
        (after < self.at).then_some(self.at)
    }

    fn compose(&self, _: &Firing) -> Result<Vec<NewDelivery>, String> {
        let letter = Letter::new("text", serde_json::json!({ "text": "See you at ten." }));
        let to = [To::Chat(ChatId::new(CHAT))];
        let parcels = self.channel.pack(&letter, &to, &self.address.to_string())?;
        let delivery = |parcel| NewDelivery {
            provider: feishu(),
            app: self.channel.app().clone(),
            repeat: self.channel.repeats(&parcel),
            unseen: Vec::new(),
            parcel,
        };
        Ok(parcels.into_iter().map(delivery).collect())
    }
}

fn feishu() -> Name {
    Name::new("feishu").expect("it is a name")
}

/// A ledger of its own, with so many notices of which each is due.
fn prepare(folder: &Path, channel: &Arc<dyn Channel>, count: usize) -> (Arc<dyn Books>, Roster) {
    let path = folder.join(format!("{}.db", uuid::Uuid::new_v4()));
    let project = Name::new("benches").expect("it is a name");
    let books = ledger::open(&path, &project, Access::Write).expect("the ledger opens");
    let at = Timestamp::now();
    let notices = (0..count).map(|_| {
        let name = Name::new(&uuid::Uuid::new_v4().to_string()).expect("it is a name");
        Arc::new(Once {
            address: Address::new(Kind::RecurringNotice, name),
            at,
            channel: Arc::clone(channel),
        }) as Arc<dyn Notice>
    });
    (books, Roster::new(notices.collect(), &[]))
}

/// A runner's round; how many occurrences were sent.
async fn deliver(channel: &Arc<dyn Channel>, books: &dyn Books, roster: &mut Roster) -> usize {
    let context = Context {
        outbox: books,
        channels: &Channels::from([(feishu(), Arc::clone(channel))]),
        runner: "bench",
        stop: &Stop::default(),
        now: &Timestamp::now,
        tell: &|_| {},
    };
    let done = round(&context, roster).await;
    let done = done.expect("the ledger can be written");
    let sent = |(_, end, _): &&(_, Outcome, _)| *end == Outcome::Sent;
    done.ended.iter().filter(sent).count()
}

/// SQLite by itself: a file, a row in it that is written anew in as many transactions as the deliveries take.
fn baseline(folder: &Path, count: usize) {
    let path = folder.join("alone.db");
    let _ = std::fs::remove_file(&path);
    let conn = rusqlite::Connection::open(&path).expect("a file can be made");
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .expect("it has a log");
    conn.pragma_update(None, "synchronous", "FULL")
        .expect("it is told");
    conn.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT) STRICT")
        .expect("a table can be made");
    let body = "x".repeat(600);
    for n in 0..count * COMMITS {
        let n = i64::try_from(n).expect("it is small");
        conn.execute("INSERT INTO t VALUES (?1, ?2)", (n, &body))
            .expect("it can be written");
    }
}
