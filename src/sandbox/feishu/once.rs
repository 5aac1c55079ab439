//! Keys with which a client asks for at most one object, and how long they are remembered.

use rusqlite::{OptionalExtension, params};

use super::envelope::Failure;
use crate::sandbox::world::Moment;

/// The object of that kind which the app has made with that key in the last while.
pub(super) fn made(
    kind: &str,
    app: &str,
    key: &str,
    window_ms: i64,
    moment: &Moment<'_>,
) -> Result<Option<String>, Failure> {
    Ok(moment
        .sql()
        .query_row(
            "SELECT id FROM once WHERE kind = ?1 AND app_id = ?2 AND key = ?3 AND at_ms > ?4",
            params![kind, app, key, moment.now_ms - window_ms],
            |row| row.get(0),
        )
        .optional()?)
}

/// Notes what the app has made with that key.
pub(super) fn note(
    kind: &str,
    app: &str,
    key: &str,
    id: &str,
    moment: &Moment<'_>,
) -> Result<(), Failure> {
    moment.sql().execute(
        "INSERT OR REPLACE INTO once VALUES (?1, ?2, ?3, ?4, ?5)",
        params![kind, app, key, id, moment.now_ms],
    )?;
    Ok(())
}
