//! Live values as they were last read.

use super::super::codec::instant_to_text;
use super::super::codec::seen::{SNAPSHOT, snapshot};
use super::super::codec::snapshot::{scope_to_text, seen_to_json};
use super::connect::Connection;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{read, text};
use crate::engine::ledger::Note;
use crate::engine::snapshot::Snapshot;
use crate::model::Name;

/// Every snapshot of a project. One that this beadle cannot make out is read again.
pub(super) async fn all(conn: &Connection, project: &Name) -> Result<Vec<Snapshot>, Trouble> {
    let sql = format!("SELECT {SNAPSHOT} FROM snapshot WHERE project = $1");
    let found = read::all(conn, &sql, &[&project.as_str()], snapshot).await?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) async fn note(tx: &Tx<'_>, project: &Name, note: &Note<'_>) -> Result<(), Trouble> {
    tx.run(
        "DELETE FROM snapshot WHERE project = $1 AND read_at < $2",
        &[&project.as_str(), &instant_to_text(note.since)],
    )
    .await?;
    let (mut apps, mut collections, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (app, scope) in note.drop {
        let (collection, id) = scope_to_text(scope);
        apps.push(app.as_str());
        collections.push(collection);
        ids.push(id);
    }
    if !apps.is_empty() {
        tx.run(
            "DELETE FROM snapshot USING unnest($2::text[], $3::text[], $4::text[])
                 AS gone (app, collection, id)
             WHERE snapshot.project = $1 AND snapshot.app = gone.app
                 AND snapshot.collection = gone.collection AND snapshot.id = gone.id",
            &[&project.as_str(), &apps, &collections, &ids],
        )
        .await?;
    }
    keep(tx, project, note.keep).await
}

pub(super) async fn keep(tx: &Tx<'_>, project: &Name, keep: &[Snapshot]) -> Result<(), Trouble> {
    let (mut apps, mut collections, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    let (mut holds, mut read_at) = (Vec::new(), Vec::new());
    for one in keep {
        let (collection, id) = scope_to_text(&one.scope);
        apps.push(one.app.as_str());
        collections.push(collection);
        ids.push(id);
        let json = seen_to_json(&one.seen).map_err(Trouble::Failed)?;
        holds.push(text(&json).into_owned());
        read_at.push(instant_to_text(one.at));
    }
    if apps.is_empty() {
        return Ok(());
    }
    // One round trip for however many.
    tx.run(
        "INSERT INTO snapshot (project, app, collection, id, holds, read_at)
         SELECT $1::text, fresh.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
             AS fresh (app, collection, id, holds, read_at)
         ON CONFLICT (project, app, collection, id) DO UPDATE SET
             holds = excluded.holds, read_at = excluded.read_at
         WHERE excluded.read_at >= snapshot.read_at",
        &[
            &project.as_str(),
            &apps,
            &collections,
            &ids,
            &holds,
            &read_at,
        ],
    )
    .await?;
    Ok(())
}
