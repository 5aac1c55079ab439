//! A notice that goes by another name.

use rusqlite::{Connection, OptionalExtension};

use super::trouble::Trouble;
use crate::model::{Address, Name};

/// A notice goes by another name from now on, and so does everything that is remembered of it: nothing is
/// sent once more under the new one.
pub(super) fn notice(
    tx: &Connection,
    project: &Name,
    from: &Address,
    to: &Address,
) -> Result<(), Trouble> {
    let (from, to) = (from.to_string(), to.to_string());
    // Of a notice that had this name before, what is remembered stays; the rest of ours follows.
    let shared: Option<String> = tx
        .prepare_cached("SELECT max(until) FROM handled WHERE project = ?1 AND notice IN (?2, ?3)")?
        .query_row((project.as_str(), &from, &to), |row| row.get(0))
        .optional()?
        .flatten();
    if let Some(until) = shared {
        tx.prepare_cached(
            "INSERT INTO handled (project, notice, until) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET until = excluded.until",
        )?
        .execute((project.as_str(), &to, until))?;
        tx.prepare_cached("DELETE FROM handled WHERE project = ?1 AND notice = ?2")?
            .execute((project.as_str(), &from))?;
    }
    for table in ["delivery", "settlement", "following"] {
        tx.prepare_cached(&format!(
            "UPDATE {table} SET notice = ?3 WHERE project = ?1 AND notice = ?2
                 AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.project = ?1
                     AND o.notice = ?3 AND o.nominal = {table}.nominal)"
        ))?
        .execute((project.as_str(), &from, &to))?;
    }
    for table in ["occurrence", "pause"] {
        tx.prepare_cached(&format!(
            "UPDATE OR IGNORE {table} SET notice = ?3 WHERE project = ?1 AND notice = ?2"
        ))?
        .execute((project.as_str(), &from, &to))?;
    }
    Ok(())
}
