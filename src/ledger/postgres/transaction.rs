//! Transactions, and what becomes of one whose connection is lost.
//!
//! Each method is one transaction, tried again where that is safe:
//!
//! - Lost before COMMIT was sent: the server takes it back, so it is tried again.
//! - Lost while COMMIT was under way: the first statement of each transaction counts up a row of its
//!   connection's own. Whoever asks for that row waits until the old transaction has ended, and then the
//!   count says whether it was kept. Kept, the method has succeeded; taken back, it is tried again. When
//!   the server cannot be asked in time, the method fails and says that nobody knows.

use futures_util::future::try_join;
use jiff::Timestamp;

use super::connect::{Borrowed, Connection, Patience, Pool};
use super::migrate;
use super::trouble::Trouble;

/// What time it is when a lease or a claim is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The server's, read after the row is locked.
    Server,
    /// The instant that the call carries: a rehearsal's.
    Calls,
}

/// A transaction that writes.
pub(super) struct Tx<'p> {
    conn: Borrowed<'p>,
    clock: Clock,
    /// How often the connection will have committed once this is.
    count: i64,
}

impl std::ops::Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl Tx<'_> {
    /// The instant by which rights are judged. Ask after the row is locked: the wait for it counts.
    pub(super) async fn now(&self, carried: Timestamp) -> Result<Timestamp, Trouble> {
        match self.clock {
            Clock::Calls => Ok(carried),
            Clock::Server => server_now(self).await,
        }
    }
}

/// The server's clock.
pub(super) async fn server_now(conn: &Connection) -> Result<Timestamp, Trouble> {
    let row = conn
        .row(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
            &[],
        )
        .await?;
    let micros = row.try_get(0)?;
    Timestamp::from_microsecond(micros)
        .map_err(|error| Trouble::Failed(format!("the server's clock is wrong: {error}")))
}

/// The tries of one method.
pub(super) struct Tries<'p> {
    pool: &'p Pool,
    clock: Clock,
    patience: Patience,
}

impl<'p> Tries<'p> {
    pub(super) fn new(pool: &'p Pool, clock: Clock) -> Self {
        Self {
            pool,
            clock,
            patience: Patience::new(),
        }
    }

    /// Begins a transaction that no migration runs beside.
    pub(super) async fn begin(&mut self) -> Result<Tx<'p>, Trouble> {
        if !self.pool.writes {
            return Err(Trouble::ReadOnly("it was opened to look".into()));
        }
        loop {
            match begin(self.pool, self.clock).await {
                Err(trouble) if trouble.may_pass() && self.patience.again().await => {}
                begun => return begun,
            }
        }
    }

    /// Ends a transaction; none when it is to be tried again.
    pub(super) async fn end<T>(
        &mut self,
        tx: Tx<'p>,
        changed: Result<T, Trouble>,
    ) -> Option<Result<T, Trouble>> {
        let trouble = match changed {
            Ok(done) => match self.commit(tx).await {
                Ok(Kept::Yes) => return Some(Ok(done)),
                Ok(Kept::No(trouble)) => trouble,
                Err(trouble) => return Some(Err(trouble)),
            },
            Err(trouble) => {
                // A connection that is lost needs no ROLLBACK, and one that cannot do it is closed.
                if !trouble.is_lost() && tx.batch("ROLLBACK").await.is_ok() {
                    tx.conn.give_back();
                }
                trouble
            }
        };
        let again = trouble.may_pass() || trouble.is_in_the_way();
        if again && self.patience.again().await {
            return None;
        }
        Some(Err(trouble))
    }

    async fn commit(&self, mut tx: Tx<'p>) -> Result<Kept, Trouble> {
        match tx.batch("COMMIT").await {
            Ok(()) => {
                tx.conn.commits = tx.count;
                tx.conn.give_back();
                Ok(Kept::Yes)
            }
            Err(trouble) if trouble.is_lost() => {
                let (id, count) = (tx.conn.id.clone(), tx.count);
                // Closed first, so that the server can see it.
                drop(tx);
                match self.commits(&id).await {
                    Ok(found) if found >= count => Ok(Kept::Yes),
                    Ok(_) => Ok(Kept::No(trouble)),
                    Err(_) => Err(Trouble::Failed(
                        "the connection was lost during a commit, and the server cannot be asked \
                         whether it was kept"
                            .into(),
                    )),
                }
            }
            // Taken back at the last moment.
            Err(trouble) => Ok(Kept::No(trouble)),
        }
    }

    /// How often a connection that was lost had committed, once its last transaction has ended.
    async fn commits(&self, id: &str) -> Result<i64, Trouble> {
        let mut patience = Patience::new();
        loop {
            let asked = async {
                let conn = self.pool.take().await?;
                let row = conn
                    .row(
                        "INSERT INTO connection AS c (id, commits, touched_at)
                         VALUES ($1, 0, clock_timestamp())
                         ON CONFLICT (id) DO UPDATE SET touched_at = excluded.touched_at
                         RETURNING commits",
                        &[&id],
                    )
                    .await?;
                let commits = row.try_get(0)?;
                conn.give_back();
                Ok(commits)
            };
            match asked.await {
                Err::<_, Trouble>(trouble) if trouble.may_pass() && patience.again().await => {}
                commits => return commits,
            }
        }
    }
}

/// Whether a transaction was kept.
enum Kept {
    Yes,
    No(Trouble),
}

async fn begin(pool: &Pool, clock: Clock) -> Result<Tx<'_>, Trouble> {
    let conn = pool.take().await?;
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock_shared({})",
        migrate::lock_number(&conn.schema)
    );
    // Sent in one go, done one after the other.
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&conn.id];
    let counted = conn.row(
        "INSERT INTO connection AS c (id, commits, touched_at) VALUES ($1, 1, clock_timestamp())
         ON CONFLICT (id) DO UPDATE SET commits = c.commits + 1, touched_at = excluded.touched_at
         RETURNING commits, (SELECT steps FROM beadle_format)",
        &params,
    );
    let ((), row) = try_join(conn.batch(&begin), counted).await?;
    let (count, steps): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if migrate::known(steps)? != migrate::KNOWN {
        return Err(Trouble::Corrupt(format!("its format is {steps}")));
    }
    Ok(Tx { conn, clock, count })
}

/// Runs a change in a transaction, as often as it takes.
macro_rules! writing {
    ($ledger:expr, |$tx:ident| $change:expr) => {{
        let mut tries = Tries::new(&$ledger.pool, $ledger.clock);
        let done = loop {
            let $tx = match tries.begin().await {
                Ok(tx) => tx,
                Err(trouble) => break Err(trouble),
            };
            let changed = $change.await;
            if let Some(done) = tries.end($tx, changed).await {
                break done;
            }
        };
        done.map_err(|trouble| trouble.at(&$ledger.pool.place))
    }};
}

/// Looks something up with one statement, as often as it takes.
macro_rules! looking {
    ($ledger:expr, |$conn:ident| $look:expr) => {{
        let mut patience = Patience::new();
        let found = loop {
            let looked = match $ledger.pool.take().await {
                Err(trouble) => Err(trouble),
                Ok($conn) => {
                    let looked = $look.await;
                    if looked
                        .as_ref()
                        .err()
                        .is_none_or(|trouble| !trouble.is_lost())
                    {
                        $conn.give_back();
                    }
                    looked
                }
            };
            match looked {
                Err(trouble) if trouble.may_pass() && patience.again().await => {}
                looked => break looked,
            }
        };
        found.map_err(|trouble| trouble.at(&$ledger.pool.place))
    }};
}

pub(super) use {looking, writing};
