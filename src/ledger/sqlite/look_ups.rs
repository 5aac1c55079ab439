//! Who was looked up: personal data, kept only as long as it is believed.

use jiff::Timestamp;
use rusqlite::Connection;

use super::super::codec::instant_to_text;
use super::super::codec::seen::{LOOK_UP, look_up};
use super::read;
use super::trouble::Trouble;
use crate::engine::ledger::LookUp;
use crate::model::Name;

/// Every look-up of a project. One that this beadle cannot read is looked up again.
pub(super) fn all(conn: &Connection, project: &Name) -> Result<Vec<LookUp>, Trouble> {
    let sql = format!("SELECT {LOOK_UP} FROM look_up WHERE project = ?1");
    let found = read::all(conn, &sql, [project.as_str()], |row| look_up(row))?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) fn remember(
    tx: &Connection,
    project: &Name,
    look_ups: &[LookUp],
    since: Timestamp,
) -> Result<(), Trouble> {
    tx.prepare_cached("DELETE FROM look_up WHERE project = ?1 AND looked_at < ?2")?
        .execute((project.as_str(), instant_to_text(since)))?;
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO look_up (project, provider, app, recipient, person, looked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for one in look_ups {
        insert.execute((
            project.as_str(),
            one.provider.as_str(),
            one.app.as_str(),
            one.recipient.to_string(),
            one.person.to_string(),
            instant_to_text(one.at),
        ))?;
    }
    Ok(())
}
