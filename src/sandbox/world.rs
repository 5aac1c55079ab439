//! The world: everything that the sandbox knows, in one SQLite file or in memory.
//!
//! It knows no HTTP and no vendor: it keeps documents by kind and id, and what they were before.
//! A call is one [`Moment`], a transaction at one instant, so that two processes with a sandbox
//! each on the same file see one world, and nothing that was answered is lost with the process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Marks the file as a world ("bdsx"), so that somebody else's database is never written to.
const APPLICATION_ID: i32 = 0x6264_7378;

/// The newest shape of the file that this code can read.
const VERSION: i32 = 1;

/// How long a moment waits for another process to finish its own.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a document that was replaced or removed can still be read with a lag.
const PAST_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

const SCHEMA: &str = "
CREATE TABLE apps (
    app_id TEXT PRIMARY KEY, app_secret TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
    token TEXT PRIMARY KEY, app_id TEXT NOT NULL, expires_ms INTEGER NOT NULL
) STRICT;
-- One row is one version of a document; the live version has no end.
CREATE TABLE objects (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, parent TEXT NOT NULL,
    born INTEGER NOT NULL,
    doc TEXT NOT NULL,
    from_ms INTEGER NOT NULL, until_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX objects_live ON objects (kind, id) WHERE until_ms IS NULL;
CREATE INDEX objects_in_order ON objects (kind, parent, born) WHERE until_ms IS NULL;
CREATE INDEX objects_past ON objects (until_ms) WHERE until_ms IS NOT NULL;
-- Keys with which a client asked for at most one object.
CREATE TABLE once (
    kind TEXT NOT NULL, app_id TEXT NOT NULL, key TEXT NOT NULL,
    id TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, app_id, key)
) STRICT;
CREATE TABLE rates (
    app_id TEXT NOT NULL, operation TEXT NOT NULL, span_ms INTEGER NOT NULL,
    since_ms INTEGER NOT NULL, calls INTEGER NOT NULL,
    PRIMARY KEY (app_id, operation, span_ms)
) STRICT;
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, log_id TEXT NOT NULL,
    method TEXT NOT NULL, path TEXT NOT NULL, operation TEXT,
    query TEXT NOT NULL, body TEXT,
    app TEXT, write INTEGER NOT NULL, effect INTEGER NOT NULL,
    status INTEGER, code INTEGER, fault TEXT, held TEXT
) STRICT;
CREATE TABLE clock (advance_ms INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);
";

/// A world file that could not be opened, or failed in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// A later sandbox wrote the file.
    #[error("the world file {path} has version {found}, and this sandbox knows up to {known}", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest version that this code reads.
        known: i32,
    },
    /// The file is damaged, or is something else.
    #[error("{path} is not a world file of the sandbox: {reason}", path = path.display())]
    NotAWorld {
        /// The file.
        path: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// The folder of the file cannot be made.
    #[error("cannot make the folder of the world file {path}", path = path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite failed.
    #[error("the world cannot be read or written")]
    Sqlite(#[from] rusqlite::Error),
    /// A document in the world does not have the shape that its kind has.
    #[error("a document in the world has an unknown shape")]
    Shape(#[from] serde_json::Error),
}

/// The one connection to the world.
#[derive(Debug)]
pub(super) struct World {
    connection: Mutex<Connection>,
}

impl World {
    /// Opens the file, or a world in memory, and brings it to the present shape.
    pub(super) fn open(path: Option<&Path>) -> Result<World, WorldError> {
        let Some(path) = path else {
            let mut connection = Connection::open_in_memory()?;
            found(&mut connection, Path::new(":memory:"))?;
            return Ok(World::of(connection));
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| WorldError::Folder {
                path: path.to_owned(),
                source,
            })?;
        }
        let mut connection = Connection::open(path)?;
        open_file(&mut connection, path).map_err(|error| match error {
            WorldError::Sqlite(rusqlite::Error::SqliteFailure(failure, _))
                if matches!(
                    failure.code,
                    rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt
                ) =>
            {
                WorldError::NotAWorld {
                    path: path.to_owned(),
                    reason: failure.to_string(),
                }
            }
            other => other,
        })?;
        Ok(World::of(connection))
    }

    fn of(connection: Connection) -> World {
        connection.set_prepared_statement_cache_capacity(64);
        World {
            connection: Mutex::new(connection),
        }
    }

    /// Runs `act` in one transaction: all of it happens, or nothing.
    ///
    /// This blocks; an async caller goes through `spawn_blocking`.
    pub(super) fn transact<T, E: From<WorldError>>(
        &self,
        act: impl FnOnce(&Moment<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic in a moment has rolled its transaction back, so the connection is sound.
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(WorldError::from)?;
        let advance: i64 = transaction
            .prepare_cached("SELECT advance_ms FROM clock")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(WorldError::from)?;
        let moment = Moment {
            now_ms: jiff::Timestamp::now().as_millisecond() + advance,
            transaction,
        };
        let value = act(&moment)?;
        moment.transaction.commit().map_err(WorldError::from)?;
        Ok(value)
    }
}

fn open_file(connection: &mut Connection, path: &Path) -> Result<(), WorldError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    check_owner(connection, path)?;
    enter_wal(connection)?;
    // The effects must outlive the process, not the machine.
    connection.pragma_update(None, "synchronous", "OFF")?;
    found(connection, path)
}

/// Refuses a file that is not ours before anything is written to it.
fn check_owner(connection: &Connection, path: &Path) -> Result<(), WorldError> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION_ID || (application == 0 && tables == 0) {
        return Ok(());
    }
    Err(WorldError::NotAWorld {
        path: path.to_owned(),
        reason: "it is a database of something else".to_owned(),
    })
}

/// Switches to a write-ahead log. SQLite does not always wait for a busy file here, so we do.
fn enter_wal(connection: &Connection) -> Result<(), WorldError> {
    let give_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Ok(()) => return Ok(()),
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < give_up =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the tables of a new world, once, whoever comes first.
fn found(connection: &mut Connection, path: &Path) -> Result<(), WorldError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(WorldError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    if version == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Which state of the world a read sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum View {
    /// The truth.
    Present,
    /// What was true so many milliseconds ago.
    Lagging(i64),
}

/// One document with its place in the order of creation.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) born: i64,
    pub(super) doc: T,
}

/// One transaction, at one instant.
pub(super) struct Moment<'c> {
    transaction: Transaction<'c>,
    pub(super) now_ms: i64,
}

impl Moment<'_> {
    /// The transaction itself, for what is not a document.
    pub(super) fn sql(&self) -> &Connection {
        &self.transaction
    }

    /// Runs `act`, and undoes what it wrote when it fails.
    pub(super) fn attempt<T, E: From<WorldError>>(
        &self,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let run = |sql| {
            self.transaction
                .execute_batch(sql)
                .map_err(|error| E::from(WorldError::from(error)))
        };
        run("SAVEPOINT attempt")?;
        let outcome = act();
        run(match outcome {
            Ok(_) => "RELEASE attempt",
            Err(_) => "ROLLBACK TO attempt; RELEASE attempt",
        })?;
        outcome
    }

    /// The document of that kind and id, if it exists in that view.
    pub(super) fn find<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
        view: View,
    ) -> Result<Option<Found<T>>, WorldError> {
        let mut statement = match view {
            View::Present => self.transaction.prepare_cached(
                "SELECT id, parent, born, doc FROM objects
                 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?,
            View::Lagging(_) => self.transaction.prepare_cached(
                "SELECT id, parent, born, doc FROM objects
                 WHERE kind = ?1 AND id = ?2
                   AND from_ms <= ?3 AND (until_ms IS NULL OR until_ms > ?3)
                 ORDER BY version DESC LIMIT 1",
            )?,
        };
        let row = match view {
            View::Present => statement.query_row(params![kind, id], raw),
            View::Lagging(lag) => {
                statement.query_row(params![kind, id, self.now_ms.saturating_sub(lag)], raw)
            }
        };
        row.optional()?.map(typed).transpose()
    }

    /// The documents of that kind and parent in order of creation, in that view.
    pub(super) fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
        parent: Option<&str>,
        view: View,
    ) -> Result<Vec<Found<T>>, WorldError> {
        let as_of = match view {
            View::Present => None,
            View::Lagging(lag) => Some(self.now_ms.saturating_sub(lag)),
        };
        let mut statement = self.transaction.prepare_cached(match as_of {
            None => {
                "SELECT id, parent, born, doc FROM objects
                 WHERE kind = ?1 AND (?2 IS NULL OR parent = ?2) AND until_ms IS NULL
                   AND ?3 IS NULL
                 ORDER BY born"
            }
            Some(_) => {
                "SELECT id, parent, born, doc FROM objects
                 WHERE kind = ?1 AND (?2 IS NULL OR parent = ?2)
                   AND from_ms <= ?3 AND (until_ms IS NULL OR until_ms > ?3)
                 ORDER BY born, version"
            }
        })?;
        statement
            .query_map(params![kind, parent, as_of], raw)?
            .map(|row| typed(row?))
            .collect()
    }

    /// How many live documents of that kind the parent has.
    pub(super) fn count(&self, kind: &str, parent: &str) -> Result<u32, WorldError> {
        Ok(self
            .transaction
            .prepare_cached(
                "SELECT count(*) FROM objects
                 WHERE kind = ?1 AND parent = ?2 AND until_ms IS NULL",
            )?
            .query_row(params![kind, parent], |row| row.get(0))?)
    }

    /// Adds a document as the newest of its kind.
    pub(super) fn insert(
        &self,
        kind: &str,
        id: &str,
        parent: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        self.insert_since(kind, id, parent, doc, self.now_ms)
    }

    /// Adds a document as if it had always been there, so that no lag hides it.
    pub(super) fn insert_as_old(
        &self,
        kind: &str,
        id: &str,
        parent: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        self.insert_since(kind, id, parent, doc, 0)
    }

    fn insert_since(
        &self,
        kind: &str,
        id: &str,
        parent: &str,
        doc: &impl Serialize,
        from_ms: i64,
    ) -> Result<(), WorldError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO objects (kind, id, parent, doc, from_ms, born)
                 VALUES (?1, ?2, ?3, ?4, ?5, 1 + coalesce((SELECT max(version) FROM objects), 0))",
            )?
            .execute(params![
                kind,
                id,
                parent,
                serde_json::to_string(doc)?,
                from_ms
            ])?;
        Ok(())
    }

    /// Replaces a live document and keeps its place in the order; the former one becomes the past.
    pub(super) fn replace(
        &self,
        kind: &str,
        id: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        let (parent, born): (String, i64) = self
            .transaction
            .prepare_cached(
                "SELECT parent, born FROM objects
                 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?
            .query_row(params![kind, id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.remove(kind, id)?;
        self.transaction
            .prepare_cached(
                "INSERT INTO objects (kind, id, parent, born, doc, from_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                kind,
                id,
                parent,
                born,
                serde_json::to_string(doc)?,
                self.now_ms
            ])?;
        Ok(())
    }

    /// Ends a live document. One that is not there is no error.
    pub(super) fn remove(&self, kind: &str, id: &str) -> Result<(), WorldError> {
        self.transaction
            .prepare_cached("DELETE FROM objects WHERE until_ms < ?1")?
            .execute([self.now_ms - PAST_KEPT_MS])?;
        self.transaction
            .prepare_cached(
                "UPDATE objects SET until_ms = ?3
                 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?
            .execute(params![kind, id, self.now_ms])?;
        Ok(())
    }

    /// Changes a live document outside any call: at once, and with no past.
    pub(super) fn overwrite(
        &self,
        kind: &str,
        id: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        self.transaction
            .prepare_cached(
                "UPDATE objects SET doc = ?3 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?
            .execute(params![kind, id, serde_json::to_string(doc)?])?;
        Ok(())
    }

    /// Removes a live document and all that it was.
    pub(super) fn erase(&self, kind: &str, id: &str) -> Result<(), WorldError> {
        self.transaction.execute(
            "DELETE FROM objects WHERE kind = ?1 AND id = ?2",
            params![kind, id],
        )?;
        Ok(())
    }

    /// Sets the clock of the world forward, from the next moment on.
    pub(super) fn advance(&self, ms: i64) -> Result<(), WorldError> {
        self.transaction
            .execute("UPDATE clock SET advance_ms = advance_ms + ?1", [ms])?;
        Ok(())
    }
}

type Raw = (String, String, i64, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn typed<T: DeserializeOwned>((id, parent, born, doc): Raw) -> Result<Found<T>, WorldError> {
    Ok(Found {
        id,
        parent,
        born,
        doc: serde_json::from_str(&doc)?,
    })
}
