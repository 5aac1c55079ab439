//! The server that `BEADLE_TEST_POSTGRES_URL` names, a schema of its own for each test, and a wire to the
//! server that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Once};

use beadle::ledger::postgres::{Clock, PostgresLedger, Server};
use beadle::model::Name;
use beadle::model::ledger_url::{PostgresUrl, TlsMode};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

/// The environment variable with the server's address; its role may create schemas.
const VARIABLE: &str = "BEADLE_TEST_POSTGRES_URL";

/// One runtime for every test: connections live in it from one call to the next.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

/// Runs to the end.
pub(crate) fn now<T>(pending: impl Future<Output = T>) -> T {
    RUNTIME.block_on(pending)
}

/// A schema that nobody else uses. It goes when the value does.
pub(crate) struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// None, said aloud once, when no server is named.
    pub(crate) fn new() -> Option<Schema> {
        static SAID: Once = Once::new();
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let Some(url) = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty()) else {
            SAID.call_once(|| {
                // Past the harness, which keeps what passing tests print.
                let line = format!("not run: the tests on PostgreSQL, for {VARIABLE} is not set\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
            });
            return None;
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{count}", std::process::id());
        let schema = Schema { url, name };
        schema.sql(&format!("DROP SCHEMA IF EXISTS {} CASCADE", schema.name));
        Some(schema)
    }

    /// The address of a ledger there.
    pub(crate) fn url(&self) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{mark}schema={}", self.url, self.name)
    }

    /// The schema's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a ledger there is opened with.
    pub(crate) fn server(&self) -> Server {
        let (mut url, password) = PostgresUrl::parse(&self.url()).unwrap();
        url.application_name.clone_from(&self.name);
        Server {
            url,
            password,
            authorities: None,
        }
    }

    /// As [`Self::server`], through a wire, which reads what passes.
    pub(crate) fn server_at(&self, wire: &Wire) -> Server {
        let mut server = self.server();
        server.url.host = wire.listen.ip().to_string();
        server.url.port = wire.listen.port();
        server.url.tls = TlsMode::Disable;
        server
    }

    /// A ledger that goes by the instants of its calls.
    pub(crate) fn open(&self, project: &str) -> PostgresLedger {
        let project = Name::new(project).unwrap();
        now(PostgresLedger::write(
            &self.server(),
            &project,
            Clock::Calls,
        ))
        .unwrap()
    }

    /// A connection of the test's own, with the schema in its path.
    pub(crate) fn client(&self) -> Client {
        let server = self.server();
        now(async {
            let mut config = tokio_postgres::Config::new();
            config
                .host(&server.url.host)
                .port(server.url.port)
                .user(&server.url.user)
                .dbname(&server.url.database);
            if let Some(password) = &server.password {
                config.password(secrecy::ExposeSecret::expose_secret(password));
            }
            let connected = config.connect(NoTls).await;
            let (client, driver) =
                connected.unwrap_or_else(|error| panic!("{VARIABLE} names no server: {error}"));
            tokio::spawn(driver);
            let path = format!("SET search_path = {}", self.name);
            client.batch_execute(&path).await.unwrap();
            client
        })
    }

    /// Runs statements.
    pub(crate) fn sql(&self, statements: &str) {
        let client = self.client();
        now(client.batch_execute(statements)).unwrap();
    }

    /// The rows of a query that yields one text column.
    pub(crate) fn texts(&self, query: &str) -> Vec<String> {
        let client = self.client();
        let rows = now(client.query(query, &[])).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.sql(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
    }
}

/// When a wire is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Not at all.
    Never,
    /// When the next COMMIT would pass: the server never sees it.
    BeforeCommit,
    /// When a COMMIT would pass: it is kept back, and the wire is quiet until whoever sent it is gone.
    Hold,
    /// When the next COMMIT has passed: its answer is lost.
    AfterCommit,
    /// Nobody gets in, and who is in is thrown out.
    Down,
}

/// A wire to the server.
pub(crate) struct Wire {
    listen: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    cut: Cut,
    /// How many more COMMITs pass before it.
    first: usize,
    streams: Vec<TcpStream>,
    cuts: usize,
}

impl Wire {
    pub(crate) fn to(schema: &Schema) -> Wire {
        let server = schema.server();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            cut: Cut::Never,
            first: 0,
            streams: Vec::new(),
            cuts: 0,
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.lock().unwrap().cut == Cut::Down {
                    continue;
                }
                let far = TcpStream::connect((server.url.host.as_str(), server.url.port)).unwrap();
                let both = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                shared.lock().unwrap().streams.extend(both);
                let (back, answers) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let gate = Arc::clone(&shared);
                std::thread::spawn(move || carry(near, far, Some(gate)));
                std::thread::spawn(move || carry(answers, back, None));
            }
        });
        Wire { listen, state }
    }

    /// Says when it is cut next; it is whole again after one cut, save when it is down.
    pub(crate) fn cut(&self, cut: Cut) {
        let mut state = self.state.lock().unwrap();
        state.cut = cut;
        if cut == Cut::Down {
            for stream in state.streams.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Keeps a COMMIT back, after so many more of them.
    pub(crate) fn hold_after(&self, commits: usize) {
        let mut state = self.state.lock().unwrap();
        (state.cut, state.first) = (Cut::Hold, commits);
    }

    /// The address of a schema's ledger through it.
    pub(crate) fn url(&self, schema: &Schema) -> String {
        let url = schema.server().url;
        format!(
            "postgres://{}@{}/{}?schema={}&sslmode=disable",
            url.user,
            self.listen,
            url.database,
            schema.name()
        )
    }

    /// How often it was cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.lock().unwrap().cuts
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, gate: Option<Arc<Mutex<State>>>) {
    let mut buffer = [0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let bytes = &buffer[..read];
        let commits = bytes.windows(7).any(|window| window == b"COMMIT\0");
        let cut = match &gate {
            Some(gate) if commits => {
                let mut state = gate.lock().unwrap();
                if state.first > 0 {
                    state.first -= 1;
                    Cut::Never
                } else {
                    let cut = std::mem::replace(&mut state.cut, Cut::Never);
                    state.cuts += usize::from(cut != Cut::Never);
                    cut
                }
            }
            _ => Cut::Never,
        };
        match cut {
            Cut::Never => {}
            Cut::AfterCommit => {
                // The answer has no way back; the server sees the end after the COMMIT.
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.write_all(bytes);
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Cut::Hold => {
                while from.read(&mut buffer).is_ok_and(|read| read > 0) {}
                break;
            }
            Cut::BeforeCommit | Cut::Down => break,
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
