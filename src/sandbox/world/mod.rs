//! The world: everything that the sandbox knows, in one SQLite file or in memory.
//!
//! It knows no HTTP and no vendor: it keeps documents by kind and id, and what they were before.
//! A call is one [`Moment`], a transaction at one instant, so that two processes with a sandbox
//! each on the same file see one world, and nothing that was answered is lost with the process.

mod documents;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(super) use documents::{Found, View};

/// Marks the file as a world ("bdsx"), so that somebody else's database is never written to.
const APPLICATION_ID: i32 = 0x6264_7378;

/// The newest shape of the file that this code can read.
const VERSION: i32 = 2;

/// How long a moment waits for another process to finish its own.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

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

/// What came with version 2: messages, and to whom each was sent.
const MAIL: &str = "
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    vendor TEXT NOT NULL, id TEXT NOT NULL, way TEXT NOT NULL, app TEXT NOT NULL,
    chat TEXT, kind TEXT NOT NULL, title TEXT, text TEXT NOT NULL, doc TEXT NOT NULL,
    digest TEXT NOT NULL,
    sent_ms INTEGER NOT NULL, begins_ms INTEGER NOT NULL, done_ms INTEGER NOT NULL,
    recall_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX messages_by_id ON messages (vendor, id);
CREATE INDEX messages_of_app ON messages (app, vendor, way, sent_ms);
CREATE TABLE deliveries (
    message INTEGER NOT NULL, person TEXT NOT NULL,
    -- Never, without one.
    due_ms INTEGER,
    dropped TEXT, read_ms INTEGER,
    PRIMARY KEY (message, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_of_person ON deliveries (person, message);
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
    /// The file or its folder cannot be made.
    #[error("cannot make the world file {path} or its folder", path = path.display())]
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
        make_private(path).map_err(|source| WorldError::Folder {
            path: path.to_owned(),
            source,
        })?;
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

/// Makes the folder and the file where they are missing, for their owner alone: a world holds names,
/// addresses and messages as a real one would.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    let mut file = std::fs::OpenOptions::new();
    file.append(true).create_new(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    }
    if let Some(parent) = path.parent() {
        folder.create(parent)?;
    }
    match file.open(path) {
        // What is there keeps its mode, and whatever is wrong with it shows when it is opened.
        Err(error) if !path.exists() => Err(error),
        _ => Ok(()),
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
    }
    if version < VERSION {
        transaction.execute_batch(MAIL)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
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

    /// Sets the clock of the world forward, from the next moment on.
    pub(super) fn advance(&self, ms: i64) -> Result<(), WorldError> {
        self.transaction
            .execute("UPDATE clock SET advance_ms = advance_ms + ?1", [ms])?;
        Ok(())
    }
}
