//! The log of the calls that the sandbox got, kept in the world so that it outlives a process.
//!
//! Tokens and secrets never enter it.

use rusqlite::params;
use serde::Serialize;
use serde_json::Value;

use super::world::{Moment, WorldError};

/// How many calls are kept; older ones go first.
const KEPT: i64 = 100_000;

/// How often the oldest calls are dropped, in calls.
const SWEEP: i64 = 1_000;

/// One call as the log shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) at_ms: i64,
    pub(super) log_id: String,
    pub(super) method: String,
    pub(super) path: String,
    /// The contract's operationId, or nothing for a path that the vendor does not have.
    pub(super) operation: Option<String>,
    pub(super) query: Value,
    /// The request body as JSON, or as text when it is none.
    pub(super) body: Option<Value>,
    /// Whose token it was.
    pub(super) app: Option<String>,
    /// Whether the operation is one that changes the world.
    pub(super) write: bool,
    /// Whether it did.
    pub(super) effect: bool,
    /// What was answered; nothing when the connection was closed or the call is held.
    pub(super) status: Option<u16>,
    pub(super) code: Option<i64>,
    /// The fault that met the call.
    pub(super) fault: Option<String>,
    /// `before` or `after` the effect, while the call is held.
    pub(super) held: Option<String>,
}

/// Writes a call down and returns its number. An entry with a number replaces that row.
pub(super) fn write(moment: &Moment<'_>, entry: &Entry) -> Result<i64, WorldError> {
    let number = (entry.seq > 0).then_some(entry.seq);
    moment
        .sql()
        .prepare_cached(
            "INSERT OR REPLACE INTO calls
             (seq, at_ms, log_id, method, path, operation, query, body, app, write, effect,
              status, code, fault, held)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            number,
            moment.now_ms,
            entry.log_id,
            entry.method,
            entry.path,
            entry.operation,
            entry.query.to_string(),
            entry.body.as_ref().map(Value::to_string),
            entry.app,
            entry.write,
            entry.effect,
            entry.status,
            entry.code,
            entry.fault,
            entry.held,
        ])?;
    let seq = number.unwrap_or_else(|| moment.sql().last_insert_rowid());
    if seq % SWEEP == 0 {
        moment
            .sql()
            .execute("DELETE FROM calls WHERE seq <= ?1", [seq - KEPT])?;
    }
    Ok(seq)
}

/// Notes that a call is no longer held and was answered with that status.
pub(super) fn let_go(moment: &Moment<'_>, seq: i64, status: Option<u16>) -> Result<(), WorldError> {
    moment.sql().execute(
        "UPDATE calls SET held = NULL, status = ?2 WHERE seq = ?1",
        params![seq, status],
    )?;
    Ok(())
}

/// The calls after that number, oldest first, of one operation or of all.
pub(super) fn read(
    moment: &Moment<'_>,
    after: i64,
    operation: Option<&str>,
) -> Result<Vec<Entry>, WorldError> {
    let mut statement = moment.sql().prepare_cached(
        "SELECT seq, at_ms, log_id, method, path, operation, query, body, app, write, effect,
                status, code, fault, held
         FROM calls WHERE seq > ?1 AND (?2 IS NULL OR operation = ?2) ORDER BY seq",
    )?;
    let mut rows = statement.query(params![after, operation])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let body: Option<String> = row.get(7)?;
        entries.push(Entry {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            log_id: row.get(2)?,
            method: row.get(3)?,
            path: row.get(4)?,
            operation: row.get(5)?,
            query: serde_json::from_str(&row.get::<_, String>(6)?)?,
            body: body.map(|text| serde_json::from_str(&text)).transpose()?,
            app: row.get(8)?,
            write: row.get(9)?,
            effect: row.get(10)?,
            status: row.get(11)?,
            code: row.get(12)?,
            fault: row.get(13)?,
            held: row.get(14)?,
        });
    }
    Ok(entries)
}

/// Forgets all calls; numbers go on where they were.
pub(super) fn clear(moment: &Moment<'_>) -> Result<(), WorldError> {
    moment.sql().execute("DELETE FROM calls", [])?;
    Ok(())
}
