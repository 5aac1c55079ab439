//! Live values as they were last read.

use rusqlite::Connection;

use super::super::codec::instant_to_text;
use super::super::codec::seen::{SNAPSHOT, snapshot};
use super::super::codec::snapshot::{scope_to_text, seen_to_json};
use super::read;
use super::trouble::Trouble;
use crate::engine::ledger::Note;
use crate::engine::snapshot::Snapshot;
use crate::model::Name;

/// Every snapshot of a project. One that this beadle cannot make out is read again.
pub(super) fn all(conn: &Connection, project: &Name) -> Result<Vec<Snapshot>, Trouble> {
    let sql = format!("SELECT {SNAPSHOT} FROM snapshot WHERE project = ?1");
    let found = read::all(conn, &sql, [project.as_str()], |row| snapshot(row))?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) fn note(tx: &Connection, project: &Name, note: &Note<'_>) -> Result<(), Trouble> {
    tx.prepare_cached("DELETE FROM snapshot WHERE project = ?1 AND read_at < ?2")?
        .execute((project.as_str(), instant_to_text(note.since)))?;
    let mut drop = tx.prepare_cached(
        "DELETE FROM snapshot WHERE project = ?1 AND app = ?2 AND collection = ?3 AND id = ?4",
    )?;
    for (app, scope) in note.drop {
        let (collection, id) = scope_to_text(scope);
        drop.execute((project.as_str(), app.as_str(), collection, id))?;
    }
    keep(tx, project, note.keep)
}

pub(super) fn keep(tx: &Connection, project: &Name, keep: &[Snapshot]) -> Result<(), Trouble> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO snapshot (project, app, collection, id, holds, read_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (project, app, collection, id) DO UPDATE SET
             holds = excluded.holds, read_at = excluded.read_at
         WHERE excluded.read_at >= snapshot.read_at",
    )?;
    for one in keep {
        let (collection, id) = scope_to_text(&one.scope);
        let holds = seen_to_json(&one.seen).map_err(Trouble::Failed)?;
        insert.execute((
            project.as_str(),
            one.app.as_str(),
            collection,
            id,
            holds,
            instant_to_text(one.at),
        ))?;
    }
    Ok(())
}
