//! The layout of the schema, forward only, one process at a time.
//!
//! A step has the number of its twin for SQLite, so that two ledgers of one format have one layout;
//! the first one here makes format 3. A step that has been released never changes.

use std::time::Duration;

use super::connect::Connection;
use super::trouble::Trouble;

/// The format that no step has made yet.
const BEFORE: i64 = 2;

const STEPS: [&str; 5] = [
    include_str!("../migrations/postgres/0003_bindings_to_deliveries.sql"),
    include_str!("../migrations/postgres/0004_after_sending.sql"),
    include_str!("../migrations/postgres/0005_following_images.sql"),
    include_str!("../migrations/postgres/0006_snapshots.sql"),
    include_str!("../migrations/postgres/0007_tries.sql"),
];

/// The format that we write.
pub(super) const KNOWN: i64 = BEFORE + STEPS.len() as i64;

/// How long we wait until nobody else writes.
const WAIT: Duration = Duration::from_secs(60);

/// The number under which everybody who uses a schema locks it: to write together, to migrate alone.
///
/// A 64-bit FNV-1a, which is the same in every version.
pub(super) fn lock_number(schema: &str) -> i64 {
    let bytes = "beadle ledger ".bytes().chain(schema.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// Reads the format of a ledger; none where there is no ledger yet.
pub(super) async fn format(conn: &Connection) -> Result<Option<i64>, Trouble> {
    // Of the tables themselves: what `to_regclass` says may be older than the lock that we waited for.
    let found = conn
        .row(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = $1 AND c.relname = 'beadle_format')",
            &[&conn.schema],
        )
        .await?;
    if !found.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    // By its full name: who only looks may meet a schema that is just being made.
    let steps = format!("SELECT steps FROM {}.beadle_format", conn.quoted_schema());
    match conn.maybe_row(&steps, &[]).await? {
        Some(row) => known(row.try_get(0)?).map(Some),
        None => Err(Trouble::Corrupt("it does not say its format".into())),
    }
}

/// Checks a format that was read.
pub(super) fn known(found: i64) -> Result<i64, Trouble> {
    match found {
        found if found > KNOWN => Err(Trouble::Newer(found)),
        found if found <= BEFORE => Err(Trouble::Corrupt(format!("its format is {found}"))),
        found => Ok(found),
    }
}

/// Brings an empty schema, or a ledger of any earlier format, to ours. Whoever comes second waits and
/// finds nothing to do.
pub(super) async fn forward(conn: &Connection) -> Result<(), Trouble> {
    if format(conn).await? == Some(KNOWN) {
        return Ok(());
    }
    take(&STEPS, conn).await
}

async fn take(steps: &[&str], conn: &Connection) -> Result<(), Trouble> {
    let schema = conn.quoted_schema();
    loop {
        conn.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = 0;
             SELECT pg_advisory_xact_lock({})",
            WAIT.as_millis(),
            lock_number(&conn.schema),
        ))
        .await?;
        let taken = format(conn).await?;
        let next = usize::try_from(taken.unwrap_or(BEFORE) - BEFORE).unwrap_or_default();
        let Some(step) = steps.get(next) else {
            return conn.batch("COMMIT").await;
        };
        if taken.is_none() && !has_schema(conn).await? {
            conn.batch(&format!("CREATE SCHEMA {schema}")).await?;
        }
        let number = BEFORE + 1 + i64::try_from(next).unwrap_or_default();
        conn.batch(&format!(
            "{step};
             INSERT INTO beadle_format (one, steps) VALUES (1, {number})
             ON CONFLICT (one) DO UPDATE SET steps = excluded.steps;
             COMMIT"
        ))
        .await?;
    }
}

async fn has_schema(conn: &Connection) -> Result<bool, Trouble> {
    let row = conn
        .row(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)",
            &[&conn.schema],
        )
        .await?;
    Ok(row.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_has_one_number_for_good() {
        assert_eq!(lock_number("beadle"), lock_number("beadle"));
        assert_ne!(lock_number("beadle"), lock_number("beadle2"));
        assert_eq!(lock_number("beadle"), LOCK_OF_BEADLE);
    }

    /// Written down: every version must meet at the same lock.
    const LOCK_OF_BEADLE: i64 = 3_683_595_396_816_586_986;
}
