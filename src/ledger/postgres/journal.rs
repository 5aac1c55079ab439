//! Calls, written down before they leave.

use super::super::codec::journal::{ENTRY, entry, not_open, not_written};
use super::super::codec::{fields_to_json, ids_to_json, instant_to_text, outcome_to_text};
use super::connect::Connection;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{maybe_text, read, text};
use crate::engine::Call;
use crate::engine::ledger::{End, Entry, EntryId, NewEntry};
use crate::model::{Name, RemoteId};

/// Writes down a call.
pub(super) async fn open(
    tx: &Tx<'_>,
    project: &Name,
    fence: i64,
    entry: &NewEntry,
) -> Result<EntryId, Trouble> {
    let NewEntry {
        opened_at,
        address,
        provider,
        app,
        call:
            Call {
                operation,
                collection,
                id,
                body,
            },
        sent,
        seen,
        timeout_ms,
        protect,
    } = entry;
    let subject = address.as_ref().map(ToString::to_string);
    let refuse = |why: String| Trouble::Failed(not_written(entry, &why));
    let sent = fields_to_json(sent).map_err(refuse)?;
    let row = tx
        .row(
            "INSERT INTO journal (project, fence, opened_at, address, provider, app, operation,
                 collection, id, body, sent, seen, timeout_ms, protect)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             RETURNING entry",
            &[
                &project.as_str(),
                &fence,
                &instant_to_text(*opened_at),
                &subject,
                &provider.as_str(),
                &app.as_str(),
                operation,
                &collection.as_str(),
                &maybe_text(id.as_ref().map(RemoteId::as_str)),
                &maybe_text(body.as_deref()),
                &sent,
                &ids_to_json(seen),
                // Nobody waits for 292 million years.
                &i64::try_from(*timeout_ms).unwrap_or(i64::MAX),
                &i64::from(*protect),
            ],
        )
        .await?;
    Ok(EntryId(row.try_get(0)?))
}

/// Ends an entry, once.
pub(super) async fn close(
    tx: &Tx<'_>,
    project: &Name,
    id: EntryId,
    end: &End,
) -> Result<(), Trouble> {
    let EntryId(entry) = id;
    let row = tx
        .maybe_row(
            "SELECT outcome, ended_at FROM journal WHERE entry = $1 AND project = $2 FOR UPDATE",
            &[&entry, &project.as_str()],
        )
        .await?;
    let ended = match row {
        Some(row) => Some((row.try_get(0)?, row.try_get(1)?)),
        None => None,
    };
    if let Some(why) = not_open(id, project, ended) {
        return Err(Trouble::Failed(why));
    }
    let End {
        at,
        outcome,
        detail,
        id: object,
    } = end;
    // Only settling asks what was seen, and it is the greater part of the row.
    tx.run(
        "UPDATE journal SET ended_at = $2, outcome = $3, detail = $4, end_id = $5, seen = '[]'
         WHERE entry = $1",
        &[
            &entry,
            &instant_to_text(*at),
            &outcome_to_text(*outcome),
            &text(detail),
            &maybe_text(object.as_ref().map(RemoteId::as_str)),
        ],
    )
    .await?;
    Ok(())
}

/// Entries without an end, oldest first.
pub(super) async fn unsettled(conn: &Connection, project: &Name) -> Result<Vec<Entry>, Trouble> {
    let rest = "WHERE project = $1 AND ended_at IS NULL ORDER BY entry";
    read::all(conn, &select(rest), &[&project.as_str()], entry).await
}

/// Entries, newest first.
pub(super) async fn history(
    conn: &Connection,
    project: &Name,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rest = "WHERE project = $1 ORDER BY entry DESC LIMIT $2";
    read::all(conn, &select(rest), &[&project.as_str(), &limit], entry).await
}

fn select(rest: &str) -> String {
    format!("SELECT {ENTRY} FROM journal {rest}")
}
