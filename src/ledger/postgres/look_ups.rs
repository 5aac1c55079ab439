//! Who was looked up: personal data, kept only as long as it is believed.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::codec::sending::recipient_from_text;
use super::super::codec::{instant_from_text, instant_to_text};
use super::connect::Connection;
use super::text;
use super::transaction::Tx;
use super::trouble::Trouble;
use crate::engine::ledger::LookUp;
use crate::model::{AppId, Name};

/// Every look-up of a project. One that this beadle cannot read is looked up again.
pub(super) async fn all(conn: &Connection, project: &Name) -> Result<Vec<LookUp>, Trouble> {
    let rows = conn
        .rows(
            "SELECT provider, app, recipient, person, looked_at FROM look_up WHERE project = $1",
            &[&project.as_str()],
        )
        .await?;
    let look_up = |row: &Row| -> Option<LookUp> {
        Some(LookUp {
            provider: Name::new(row.try_get(0).ok()?).ok()?,
            app: AppId::new(row.try_get(1).ok()?),
            recipient: recipient_from_text(row.try_get(2).ok()?)?,
            person: recipient_from_text(row.try_get(3).ok()?)?,
            at: instant_from_text(row.try_get(4).ok()?).ok()?,
        })
    };
    Ok(rows.iter().filter_map(look_up).collect())
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
