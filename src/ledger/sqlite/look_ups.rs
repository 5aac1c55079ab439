//! Who was looked up: personal data, kept only as long as it is believed.

use jiff::Timestamp;
use rusqlite::Connection;

use super::bindings::text;
use super::trouble::Trouble;
use crate::engine::ledger::LookUp;
use crate::ledger::codec::sending::recipient_from_text;
use crate::ledger::codec::{instant_from_text, instant_to_text};
use crate::model::{AppId, Name};

/// Every look-up of a project. One that this beadle cannot read is looked up again.
pub(super) fn all(conn: &Connection, project: &Name) -> Result<Vec<LookUp>, Trouble> {
    let mut statement = conn.prepare_cached(
        "SELECT provider, app, recipient, person, looked_at FROM look_up WHERE project = ?1",
    )?;
    let mut rows = statement.query([project.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (provider, app) = (Name::new(text(row, 0)?), AppId::new(text(row, 1)?));
        let (recipient, person) = (
            recipient_from_text(text(row, 2)?),
            recipient_from_text(text(row, 3)?),
        );
        let at = instant_from_text(text(row, 4)?);
        if let (Ok(provider), Some(recipient), Some(person), Ok(at)) =
            (provider, recipient, person, at)
        {
            found.push(LookUp {
                provider,
                app,
                recipient,
                person,
                at,
            });
        }
    }
    Ok(found)
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
