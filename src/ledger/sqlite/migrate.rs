//! The layout of the file, forward only.
//!
//! `PRAGMA user_version` is the number of steps taken, `PRAGMA application_id` says that the file is
//! ours. A step that has been released never changes.

use rusqlite::{Connection, TransactionBehavior};

use super::trouble::Trouble;

const STEPS: [&str; 7] = [
    include_str!("../migrations/0001_bindings_lease_journal.sql"),
    include_str!("../migrations/0002_collections_look_ups.sql"),
    include_str!("../migrations/0003_occurrences_deliveries.sql"),
    include_str!("../migrations/0004_after_sending.sql"),
    include_str!("../migrations/0005_following_images.sql"),
    include_str!("../migrations/0006_snapshots.sql"),
    include_str!("../migrations/0007_tries.sql"),
];

/// The format that we write.
pub(super) const KNOWN: i64 = STEPS.len() as i64;

/// "bdle", as bytes in the header of the file.
const APPLICATION: i64 = 0x6264_6c65;

/// Brings an empty database, or a ledger of any earlier format, to ours. Whoever comes second waits and
/// finds nothing to do.
pub(super) fn forward(conn: &mut Connection) -> Result<(), Trouble> {
    take(&STEPS, conn)
}

/// Brings an empty database to an earlier format.
pub(super) fn forward_to(format: i64, conn: &mut Connection) -> Result<(), Trouble> {
    let steps = usize::try_from(format).ok().and_then(|n| STEPS.get(..n));
    take(steps.ok_or(Trouble::Newer(format))?, conn)
}

fn take(steps: &[&str], conn: &mut Connection) -> Result<(), Trouble> {
    loop {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let taken = number(&tx, "user_version")?;
        let next = match usize::try_from(taken) {
            Ok(taken) if taken == steps.len() => return Ok(()),
            Ok(taken) => steps.get(taken).ok_or(Trouble::Newer(taken as i64))?,
            Err(_) => return Err(Trouble::Newer(taken)),
        };
        tx.execute_batch(next)?;
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", taken + 1)?;
        tx.commit()?;
    }
}

/// Reads the format of a ledger, or why it is none.
pub(super) fn format(conn: &Connection) -> Result<i64, Trouble> {
    if number(conn, "application_id")? != APPLICATION {
        return Err(Trouble::Corrupt("it is another program's file".into()));
    }
    match number(conn, "user_version")? {
        found if found > KNOWN => Err(Trouble::Newer(found)),
        found if found < 1 => Err(Trouble::Corrupt(format!("its format is {found}"))),
        found => Ok(found),
    }
}

/// Fails when a later beadle has brought the file forward while we had it open.
pub(super) fn unmoved(conn: &Connection) -> Result<(), Trouble> {
    match number(conn, "user_version")? {
        found if found == KNOWN => Ok(()),
        found => Err(Trouble::Newer(found)),
    }
}

fn number(conn: &Connection, pragma: &str) -> Result<i64, Trouble> {
    let mut statement = conn.prepare_cached(&format!("PRAGMA {pragma}"))?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_once_each_and_in_order() {
        let mut conn = Connection::open_in_memory().unwrap();
        let one = ["CREATE TABLE a (x TEXT) STRICT"];
        take(&one, &mut conn).ok().unwrap();
        let two = [one[0], "ALTER TABLE a ADD COLUMN y TEXT"];
        take(&two, &mut conn).ok().unwrap();
        take(&two, &mut conn).ok().unwrap();
        assert_eq!(number(&conn, "user_version").ok(), Some(2));
        conn.execute("INSERT INTO a (x, y) VALUES ('1', '2')", [])
            .unwrap();
        assert!(matches!(take(&one, &mut conn), Err(Trouble::Newer(2))));
    }

    #[test]
    fn a_step_that_fails_leaves_what_was() {
        let mut conn = Connection::open_in_memory().unwrap();
        let bad = [
            "CREATE TABLE a (x TEXT) STRICT",
            "CREATE TABLE b (x TEXT); nonsense",
        ];
        assert!(take(&bad, &mut conn).is_err());
        assert_eq!(number(&conn, "user_version").ok(), Some(1));
        assert!(conn.prepare("SELECT * FROM b").is_err());
    }
}
