//! Connections: a few of them, made when they are needed and made anew when they are lost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row, Statement};

use super::migrate;
use super::tls::Tls;
use super::trouble::Trouble;
use crate::engine::ledger::LedgerError;
use crate::model::ledger_url::{PostgresUrl, TlsMode};

/// How many connections one process has at most.
const CONNECTIONS: usize = 4;

/// How long the server may work at one statement.
const STATEMENT: Duration = Duration::from_secs(30);

/// How long a statement waits for a row that another process has locked.
const LOCK: Duration = Duration::from_secs(15);

/// How long the server keeps a transaction whose process is silent: what it has locked is free then.
const SILENCE: Duration = Duration::from_secs(5);

/// How long we wait for an answer; longer than the server may work.
const ANSWER: Duration = Duration::from_secs(45);

/// How long a method tries to have a connection again before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The oldest server that has all we use.
const OLDEST: i32 = 130_000;

/// A server, and what we need to get in.
pub struct Server {
    /// Where it is.
    pub url: PostgresUrl,
    /// The password, where it asks for one.
    pub password: Option<SecretString>,
    /// The certificate authorities to trust, as PEM; the public ones where there are none.
    pub authorities: Option<Vec<u8>>,
}

pub(super) struct Pool {
    config: Config,
    tls: Tls,
    schema: String,
    /// What errors call it.
    pub(super) place: String,
    /// Whether it was opened to write.
    pub(super) writes: bool,
    idle: Mutex<Vec<Connection>>,
    slots: Semaphore,
}

/// A connection with the statements that it has prepared.
pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    pub(super) schema: String,
    /// A name that no other connection has.
    pub(super) id: String,
    /// How often it has committed.
    pub(super) commits: i64,
}

/// A connection that is ours until it is given back. Dropped, it is closed: whatever was under way on it,
/// nobody else meets.
pub(super) struct Borrowed<'p> {
    pool: &'p Pool,
    conn: Connection,
    _slot: SemaphorePermit<'p>,
}

impl std::ops::Deref for Borrowed<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl std::ops::DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

impl Borrowed<'_> {
    /// For the next who needs one; nothing may be under way on it.
    pub(super) fn give_back(self) {
        let mut idle = self
            .pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.push(self.conn);
    }
}

impl Pool {
    /// Makes ready; nothing is connected yet.
    pub(super) fn new(server: &Server, writes: bool) -> Result<Self, LedgerError> {
        let url = &server.url;
        let place = url.to_string();
        let tls =
            Tls::new(url.tls, server.authorities.as_deref()).map_err(|why| LedgerError::Away {
                place: place.clone(),
                why: format!("the certificate authorities cannot be used: {why}"),
            })?;
        let mut config = Config::new();
        config
            .user(&url.user)
            .dbname(&url.database)
            .port(url.port)
            .application_name(&url.application_name)
            .ssl_mode(match url.tls {
                TlsMode::Disable => SslMode::Disable,
                TlsMode::Prefer => SslMode::Prefer,
                TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
            })
            .connect_timeout(url.connect_timeout)
            .tcp_user_timeout(ANSWER)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        if url.is_socket() {
            config.host_path(&url.host);
        } else {
            config.host(&url.host);
        }
        if let Some(password) = &server.password {
            config.password(password.expose_secret());
        }
        Ok(Self {
            config,
            tls,
            schema: url.schema.clone(),
            place,
            writes,
            idle: Mutex::new(Vec::new()),
            slots: Semaphore::new(CONNECTIONS),
        })
    }

    /// A connection: one that is idle, or a new one.
    pub(super) async fn take(&self) -> Result<Borrowed<'_>, Trouble> {
        let slot = self.slots.acquire().await;
        let slot = slot.expect("the slots are never closed");
        let idle = loop {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            match idle.pop() {
                Some(conn) if conn.client.is_closed() => {}
                found => break found,
            }
        };
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        Ok(Borrowed {
            pool: self,
            conn,
            _slot: slot,
        })
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, driver) = timeout(ANSWER, connecting)
            .await
            .map_err(|_| Trouble::Silent)??;
        // It ends by itself once the client is dropped.
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!("a connection to the ledger ended: {error}");
            }
        });
        let conn = Connection {
            client,
            statements: Mutex::default(),
            schema: self.schema.clone(),
            id: uuid::Uuid::new_v4().to_string(),
            commits: 0,
        };
        conn.batch(&format!(
            "SET statement_timeout = {}; SET lock_timeout = {};
             SET idle_in_transaction_session_timeout = {};
             SET search_path = {}; SET default_transaction_read_only = {};
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off'",
            STATEMENT.as_millis(),
            LOCK.as_millis(),
            SILENCE.as_millis(),
            conn.quoted_schema(),
            if self.writes { "off" } else { "on" },
        ))
        .await?;
        Ok(conn)
    }

    /// Checks once that the server is one that we can use.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        let mut patience = Patience::new();
        let conn = loop {
            match self.take().await {
                // Who has just typed the address wants to know at once that nobody is there.
                Err(trouble) if trouble.is_starting() && patience.again().await => {}
                taken => break taken?,
            }
        };
        let row = conn
            .row(
                "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                     current_setting('server_encoding')",
                &[],
            )
            .await?;
        let (number, version): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
        if number < OLDEST {
            return Err(Trouble::Failed(format!(
                "the server is PostgreSQL {version}, and beadle needs 13 or later"
            )));
        }
        let encoding: &str = row.try_get(2)?;
        if encoding != "UTF8" {
            return Err(Trouble::Failed(format!(
                "the database is in {encoding}, and a ledger needs one in UTF8"
            )));
        }
        conn.give_back();
        Ok(())
    }
}

/// How often and how long one method tries again.
pub(super) struct Patience {
    ends: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            ends: Instant::now() + PATIENCE,
            pause: Duration::from_millis(50),
        }
    }

    /// Waits before the next try, longer each time; false when it is time to give up.
    pub(super) async fn again(&mut self) -> bool {
        if Instant::now() + self.pause > self.ends {
            return false;
        }
        // Not in step with the others who lost the same server.
        let [chance, ..] = *uuid::Uuid::new_v4().as_bytes();
        sleep(self.pause.mul_f64(0.5 + f64::from(chance) / 512.0)).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        true
    }
}

/// What a statement is given.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Connection {
    pub(super) fn quoted_schema(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Trouble> {
        answered(self.client.batch_execute(sql)).await
    }

    pub(super) async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        answered(self.client.query(&statement, params)).await
    }

    pub(super) async fn maybe_row(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Option<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        answered(self.client.query_opt(&statement, params)).await
    }

    pub(super) async fn row(&self, sql: &str, params: Params<'_>) -> Result<Row, Trouble> {
        let statement = self.prepared(sql).await?;
        answered(self.client.query_one(&statement, params)).await
    }

    /// Returns how many rows it touched.
    pub(super) async fn run(&self, sql: &str, params: Params<'_>) -> Result<u64, Trouble> {
        let statement = self.prepared(sql).await?;
        answered(self.client.execute(&statement, params)).await
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, Trouble> {
        let known = |statements: &Mutex<HashMap<String, Statement>>| {
            let statements = statements.lock().unwrap_or_else(PoisonError::into_inner);
            statements.get(sql).cloned()
        };
        if let Some(statement) = known(&self.statements) {
            return Ok(statement);
        }
        let statement = answered(self.client.prepare(sql)).await?;
        let mut statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

async fn answered<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match timeout(ANSWER, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Silent),
    }
}

/// The format of this connection's schema, for a ledger that writes.
pub(super) async fn prepare(pool: &Pool) -> Result<(), Trouble> {
    let conn = pool.take().await?;
    migrate::forward(&conn).await?;
    conn.run(
        "DELETE FROM connection WHERE id IN (
             SELECT id FROM connection WHERE touched_at < clock_timestamp() - interval '1 day'
             FOR UPDATE SKIP LOCKED)",
        &[],
    )
    .await?;
    conn.give_back();
    Ok(())
}
