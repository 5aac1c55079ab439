//! How many deliveries a second go through the ledger: admitted, claimed, sent and ended, each of these
//! written to the disk before the next.
//!
//! The vendor is the sandbox, in this process and without latency. The baseline is the database alone,
//! committing a row as often as a delivery does: SQLite, and the PostgreSQL that `BEADLE_TEST_POSTGRES_URL`
//! names, whose role may create schemas.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod support;

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use beadle::engine::agenda::Roster;
use beadle::engine::channel::{Channel, Letter, To};
use beadle::engine::outbox::{Books, NewDelivery, Outcome};
use beadle::engine::right::Stop;
use beadle::engine::runner::{Channels, Context, Firing, Notice, Uncomposed, round};
use beadle::ledger::postgres::Server;
use beadle::ledger::{self, Access};
use beadle::model::ledger_url::PostgresUrl;
use beadle::model::{Address, AppId, ChatId, Kind, Name};
use beadle::sandbox::{APP_ID, APP_SECRET, Options, Sandbox, Wanted, WantedChat};
use beadle::vendors::{self, Settings};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use support::{Mode, Wrong, best, best_of_prepared, cpu, expect, ms, verdict};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

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
        let (alone, ()) = best(rounds, || baseline(folder.path(), count));
        row("SQLite alone, as many commits", count, alone, alone);
        let run = Run {
            runtime: &runtime,
            channel: &channel,
            count,
            rounds,
        };
        let time = run.through(alone, || open(folder.path()))?;
        if mode == Mode::Full {
            let each = time.as_secs_f64() * 1e3 / count as f64;
            verdict("a delivery", each, MILLISECONDS, " ms");
        }
        match Schemas::of_the_server() {
            None => println!("  not measured: PostgreSQL, for {SERVER} is not set"),
            Some(schemas) => {
                let prepared = || runtime.block_on(schemas.table());
                let alone = |client| runtime.block_on(many_commits(&client, count));
                let (alone, ()) = best_of_prepared(rounds, prepared, alone);
                row("PostgreSQL alone, as many commits", count, alone, alone);
                run.through(alone, || runtime.block_on(schemas.ledger()))?;
                runtime.block_on(schemas.drop_all());
            }
        }
        runtime.block_on(sandbox.stop());
        Ok(())
    })
}

/// What is measured, whatever the ledger is.
struct Run<'r> {
    runtime: &'r Runtime,
    channel: &'r Arc<dyn Channel>,
    count: usize,
    rounds: u32,
}

impl Run<'_> {
    /// Sends it all, each time through a ledger of its own; how long it takes.
    fn through(
        &self,
        alone: Duration,
        mut ledger: impl FnMut() -> Arc<dyn Books>,
    ) -> Result<Duration, Wrong> {
        let before = cpu();
        let (time, sent) = best_of_prepared(
            self.rounds,
            || (ledger(), roster(self.channel, self.count)),
            |(books, mut roster)| {
                let sent = deliver(self.channel, books.as_ref(), &mut roster);
                self.runtime.block_on(sent)
            },
        );
        let spent = (cpu() - before) / self.rounds;
        expect("sent", sent, self.count)?;
        row("through the ledger to the sandbox", self.count, time, alone);
        println!("  CPU of ledger, client and sandbox {:>10}", ms(spent));
        Ok(time)
    }
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

    fn compose(&self, _: &Firing) -> Result<Vec<NewDelivery>, Uncomposed> {
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

fn project() -> Name {
    Name::new("benches").expect("it is a name")
}

/// A ledger of its own in a file.
fn open(folder: &Path) -> Arc<dyn Books> {
    let path = folder.join(format!("{}.db", uuid::Uuid::new_v4()));
    ledger::open(&path, &project(), Access::Write).expect("the ledger opens")
}

/// So many notices of which each is due.
fn roster(channel: &Arc<dyn Channel>, count: usize) -> Roster {
    let at = Timestamp::now();
    let notices = (0..count).map(|_| {
        let name = Name::new(&uuid::Uuid::new_v4().to_string()).expect("it is a name");
        Arc::new(Once {
            address: Address::new(Kind::RecurringNotice, name),
            at,
            channel: Arc::clone(channel),
        }) as Arc<dyn Notice>
    });
    Roster::new(notices.collect(), &[])
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

/// Names the server, as in the tests.
const SERVER: &str = "BEADLE_TEST_POSTGRES_URL";

/// Schemas of this run at the server, which go at its end.
struct Schemas {
    url: String,
    made: Cell<usize>,
}

impl Schemas {
    /// None where no server is named.
    fn of_the_server() -> Option<Self> {
        let url = std::env::var(SERVER).ok().filter(|url| !url.is_empty())?;
        let made = Cell::new(0);
        Some(Self { url, made })
    }

    fn name(&self, number: usize) -> String {
        format!("bench_{}_{number}", std::process::id())
    }

    /// The name of one that is not there yet.
    fn next(&self) -> String {
        self.made.set(self.made.get() + 1);
        self.name(self.made.get())
    }

    /// What a ledger in a schema is opened with.
    fn server(&self, schema: &str) -> Server {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}schema={schema}", self.url);
        let (url, password) = PostgresUrl::parse(&url).expect("it is a server's address");
        Server {
            url,
            password,
            authorities: None,
        }
    }

    /// A ledger of its own.
    async fn ledger(&self) -> Arc<dyn Books> {
        let server = self.server(&self.next());
        let opened = ledger::connect(&server, &project(), Access::Write).await;
        opened.expect("the ledger opens")
    }

    /// A connection that knows nothing of ledgers.
    async fn client(&self) -> Client {
        let server = self.server("public");
        let mut config = tokio_postgres::Config::new();
        config
            .host(&server.url.host)
            .port(server.url.port)
            .user(&server.url.user)
            .dbname(&server.url.database);
        if let Some(password) = &server.password {
            config.password(password.expose_secret());
        }
        let (client, driver) = config.connect(NoTls).await.expect("the server is there");
        tokio::spawn(driver);
        client
    }

    /// An empty table of its own.
    async fn table(&self) -> Client {
        let (client, schema) = (self.client().await, self.next());
        let made = format!(
            "CREATE SCHEMA {schema}; SET search_path = {schema};
             CREATE TABLE t (n BIGINT PRIMARY KEY, body TEXT)"
        );
        let made = client.batch_execute(&made).await;
        made.expect("a table can be made");
        client
    }

    async fn drop_all(&self) {
        let client = self.client().await;
        for number in 1..=self.made.get() {
            let gone = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name(number));
            let gone = client.batch_execute(&gone).await;
            gone.expect("a schema can be dropped");
        }
    }
}

/// PostgreSQL by itself: as many transactions as the deliveries take, one after the other.
async fn many_commits(client: &Client, count: usize) {
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2)").await;
    let insert = insert.expect("it is a statement");
    let body = "x".repeat(600);
    for n in 0..count * COMMITS {
        let n = i64::try_from(n).expect("it is small");
        let put = client.execute(&insert, &[&n, &body]).await;
        put.expect("it can be written");
    }
}
