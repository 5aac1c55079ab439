//! Who was looked up: personal data, kept only as long as it is believed.

use jiff::Timestamp;

use super::super::codec::instant_to_text;
use super::super::codec::seen::{LOOK_UP, look_up};
use super::connect::Connection;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{read, text};
use crate::engine::ledger::LookUp;
use crate::model::Name;

/// Every look-up of a project. One that this beadle cannot read is looked up again.
pub(super) async fn all(conn: &Connection, project: &Name) -> Result<Vec<LookUp>, Trouble> {
    let sql = format!("SELECT {LOOK_UP} FROM look_up WHERE project = $1");
    let found = read::all(conn, &sql, &[&project.as_str()], look_up).await?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) async fn remember(
    tx: &Tx<'_>,
    project: &Name,
    look_ups: &[LookUp],
    since: Timestamp,
) -> Result<(), Trouble> {
    tx.run(
        "DELETE FROM look_up WHERE project = $1 AND looked_at < $2",
        &[&project.as_str(), &instant_to_text(since)],
    )
    .await?;
    for one in look_ups {
        tx.run(
            "INSERT INTO look_up (project, provider, app, recipient, person, looked_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (project, provider, recipient) DO UPDATE SET
                 app = excluded.app, person = excluded.person, looked_at = excluded.looked_at",
            &[
                &project.as_str(),
                &one.provider.as_str(),
                &one.app.as_str(),
                &text(&one.recipient.to_string()),
                &text(&one.person.to_string()),
                &instant_to_text(one.at),
            ],
        )
        .await?;
    }
    Ok(())
}
