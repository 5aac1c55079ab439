//! The file: made whole or not at all, checked before it is trusted, folded together at the end.
//!
//! Caution: nothing here opens the ledger's file but SQLite. Its locks are the process's, not the
//! descriptor's, and closing any other descriptor of the file would drop them (sqlite.org,
//! "How To Corrupt An SQLite Database File", section 2.2).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::migrate;
use super::trouble::Trouble;

/// How long we wait for another process's transaction.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// An empty ledger in memory.
pub(super) fn memory() -> Result<Connection, Trouble> {
    let mut conn = Connection::open_in_memory()?;
    migrate::forward(&mut conn)?;
    Ok(conn)
}

/// The one path of the file, however it was called: the lock files stand beside it.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, Trouble> {
    match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(std::path::absolute(path)?),
        found => Ok(found?),
    }
}

/// Opens the file so that nothing on the disk changes; a missing file is an empty ledger.
pub(super) fn reader(path: &Path) -> Result<Connection, Trouble> {
    if !there(path)? {
        return memory();
    }
    let open = || -> Result<Connection, Trouble> {
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let format = checked(&conn, path)?;
        if format == migrate::KNOWN {
            return Ok(conn);
        }
        // Who only looks changes nothing in the file: a copy is brought forward.
        let mut copy = Connection::open_in_memory()?;
        Backup::new(&conn, &mut copy)?.run_to_completion(1_000, Duration::ZERO, None)?;
        migrate::forward(&mut copy)?;
        Ok(copy)
    };
    match open() {
        Err(trouble) if trouble.wants_recovery() => {
            recover(path)?;
            open()
        }
        opened => opened,
    }
}

/// Opens a file that a writer of this process has open, to look beside it.
pub(super) fn beside(path: &Path) -> Result<Connection, Trouble> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Fails unless there is a ledger of our format.
pub(super) fn is_ours(path: &Path) -> Result<(), Trouble> {
    if !there(path)? {
        return Err(Trouble::Failed("there is none yet".into()));
    }
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match checked(&conn, path)? {
        migrate::KNOWN => Ok(()),
        _ => Err(Trouble::Failed("it is of an earlier format".into())),
    }
}

/// The format of a ledger that is one, and all there. SQLite sees by itself that pages are missing at the
/// end, but not that the last one was cut.
fn checked(conn: &Connection, path: &Path) -> Result<i64, Trouble> {
    let format = migrate::format(conn)?;
    // One transaction: without a log, nobody writes while we read.
    let tx = conn.unchecked_transaction()?;
    let pages: i64 = tx.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page: i64 = tx.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let mode: String = tx.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" && fs::metadata(path)?.len() < (pages * page).unsigned_abs() {
        return Err(Trouble::Corrupt("its end is missing".into()));
    }
    tx.finish()?;
    Ok(format)
}

/// Lets SQLite restore what was last committed, after a process was killed while it wrote.
fn recover(path: &Path) -> Result<(), Trouble> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate::format(&conn)?;
    Ok(())
}

/// Opens a file that exists to write, and brings it to our format.
pub(super) fn writer(path: &Path) -> Result<Connection, Trouble> {
    let read_only = |why: &str| Err(Trouble::ReadOnly(why.into()));
    // Asked of the mode and not of the kernel: whoever made the file read-only means root too.
    if fs::metadata(path)?.permissions().readonly() {
        return read_only("the file is read-only");
    }
    if fs::metadata(folder(path))?.permissions().readonly() {
        return read_only("its folder is read-only");
    }
    look_first(path)?;
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if conn.is_readonly("main")? {
        return read_only("the file is read-only for this user");
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    to_wal(&conn)?;
    migrate::forward(&mut conn)?;
    Ok(conn)
}

/// Looks before it writes: opening another program's file to write could change it.
fn look_first(path: &Path) -> Result<(), Trouble> {
    if !there(path)? {
        return Err(Trouble::Failed("it has just been deleted".into()));
    }
    let look = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|conn| checked(&conn, path).map(drop));
    match look {
        Err(trouble) if trouble.wants_recovery() => recover(path),
        looked => looked,
    }
}

/// Goes over to write-ahead logging. It writes, so a ledger that cannot be written is found here.
fn to_wal(conn: &Connection) -> Result<(), Trouble> {
    // Two writers that arrive, or one that leaves, at the same instant can get in each other's way
    // where SQLite does not wait by itself.
    const PAUSE: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        let mode = conn
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(Trouble::Failed(format!(
                    "it cannot have a write-ahead log here, only {mode}"
                )));
            }
            Err(error)
                if waited < BUSY
                    && error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) =>
            {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
                return Err(Trouble::ReadOnly("its folder cannot be written".into()));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Leaves one file, without a log, if we are the last. Two who leave at the same instant are in each
/// other's way, and so is a reader; hence some tries, each with a connection that nobody has seen yet.
///
/// When it fails nothing is lost: the log is read from where it is, and the next writer folds it in.
pub(super) fn fold(mut conn: Connection, path: &Path) {
    for _ in 0..5 {
        let _ = conn.busy_timeout(Duration::ZERO);
        conn.flush_prepared_statement_cache();
        let mode = conn.pragma_update_and_check(None, "journal_mode", "DELETE", |row| {
            row.get::<_, String>(0)
        });
        drop(conn);
        if mode.is_ok_and(|mode| mode == "delete") {
            return;
        }
        // Not in step with the other one.
        let [pause, ..] = *uuid::Uuid::new_v4().as_bytes();
        std::thread::sleep(Duration::from_millis(u64::from(pause % 8)));
        match connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            Ok(next) => conn = next,
            Err(_) => return,
        }
    }
}

/// Makes an empty ledger where there is no file. It appears under its name with all its tables, so that
/// a file without bytes is never ours, and is a ledger that was lost.
pub(super) fn create(path: &Path) -> Result<(), Trouble> {
    if there(path)? {
        return Ok(());
    }
    let folder = folder(path);
    make_folder(folder)?;
    if fs::metadata(folder)?.permissions().readonly() {
        return Err(Trouble::ReadOnly("its folder is read-only".into()));
    }
    let folder = folder.canonicalize()?;
    let draft = folder.join(format!(".ledger-{}.new", uuid::Uuid::new_v4()));
    let made = make(&draft).and_then(|()| publish(&draft, path));
    let _ = fs::remove_file(&draft);
    made
}

/// Makes a file that was not there, with what `fill` puts in; whole under its name, or not at all.
pub(super) fn new(
    path: &Path,
    fill: impl FnOnce(&mut Connection) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let refused =
        || Trouble::Failed("there is such a file already, and it is not written over".into());
    if path.try_exists()? {
        return Err(refused());
    }
    make_folder(folder(path))?;
    let folder = folder(path).canonicalize()?;
    let draft = folder.join(format!(".ledger-{}.new", uuid::Uuid::new_v4()));
    let made = make(&draft)
        .and_then(|()| {
            let mut conn = connect(&draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            fill(&mut conn)
        })
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(refused()),
            // A file system without links.
            Err(_) => Ok(fs::rename(&draft, path)?),
            Ok(()) => Ok(()),
        })
        .and_then(|()| {
            #[cfg(unix)]
            fs::File::open(&folder)?.sync_all()?;
            Ok(())
        });
    let _ = fs::remove_file(&draft);
    made
}

fn make(draft: &Path) -> Result<(), Trouble> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(draft)?);
    let mut conn = connect(draft, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    migrate::forward(&mut conn)
}

/// Gives the draft its name unless another process was first.
fn publish(draft: &Path, path: &Path) -> Result<(), Trouble> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        // A file system without links. Two first runs at the very same instant could each have a ledger.
        Err(_) if !there(path)? => fs::rename(draft, path)?,
        Ok(()) | Err(_) => {}
    }
    #[cfg(unix)]
    fs::File::open(folder(path))?.sync_all()?;
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), Trouble> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(folder)?)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether there is a file; something else under its name is an error.
fn there(path: &Path) -> Result<bool, Trouble> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    if found.is_dir() {
        return Err(Trouble::Failed("it is a folder".into()));
    }
    if found.len() == 0 {
        return Err(Trouble::Corrupt(
            "it has no bytes; restore it, or delete it to begin a new ledger".into(),
        ));
    }
    Ok(true)
}

/// Caution: `path` must not look like `file:…` or `:memory:`; a resolved one begins with a separator.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Trouble> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "foreign_keys", "ON")?;
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    conn.pragma_update(None, "cell_size_check", "ON")?;
    Ok(conn)
}
