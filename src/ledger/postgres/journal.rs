//! Calls, written down before they leave.

use tokio_postgres::Row;

use super::super::codec::{
    address_from_text, fields_from_json, fields_to_json, ids_from_json, ids_to_json,
    instant_from_text, instant_to_text, outcome_from_text, outcome_to_text,
};
use super::connect::{Connection, Params};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{maybe_text, text};
use crate::engine::Call;
use crate::engine::ledger::{End, Entry, EntryId, NewEntry};
use crate::model::{AppId, Collection, Name, RemoteId};

const COLUMNS: &str =
    "entry, fence, opened_at, address, provider, app, operation, collection, id, body,
    sent, seen, timeout_ms, protect, ended_at, outcome, detail, end_id";

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
    let refuse = |why| {
        let subject = subject.as_deref().unwrap_or("an undeclared object");
        Trouble::Failed(format!("{subject} cannot be journalled: {why}"))
    };
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
    EntryId(entry): EntryId,
    end: &End,
) -> Result<(), Trouble> {
    let row = tx
        .maybe_row(
            "SELECT outcome, ended_at FROM journal WHERE entry = $1 AND project = $2 FOR UPDATE",
            &[&entry, &project.as_str()],
        )
        .await?;
    let Some(row) = row else {
        return Err(Trouble::Failed(format!(
            "the journal of {project} has no entry {entry}"
        )));
    };
    let ended: (Option<&str>, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
    if let (Some(outcome), Some(at)) = ended {
        return Err(Trouble::Failed(format!(
            "entry {entry} of the journal has ended at {at}: {outcome}"
        )));
    }
    let End {
        at,
        outcome,
        detail,
        id,
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
            &maybe_text(id.as_ref().map(RemoteId::as_str)),
        ],
    )
    .await?;
    Ok(())
}

/// Entries without an end, oldest first.
pub(super) async fn unsettled(conn: &Connection, project: &Name) -> Result<Vec<Entry>, Trouble> {
    let rest = "WHERE project = $1 AND ended_at IS NULL ORDER BY entry";
    select(conn, rest, &[&project.as_str()]).await
}

/// Entries, newest first.
pub(super) async fn history(
    conn: &Connection,
    project: &Name,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rest = "WHERE project = $1 ORDER BY entry DESC LIMIT $2";
    select(conn, rest, &[&project.as_str(), &limit]).await
}

async fn select(conn: &Connection, rest: &str, params: Params<'_>) -> Result<Vec<Entry>, Trouble> {
    let rows = conn
        .rows(&format!("SELECT {COLUMNS} FROM journal {rest}"), params)
        .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, Trouble> {
    let id: i64 = row.try_get(0)?;
    let wrong = |why: String| Trouble::Row(format!("entry {id} of the journal"), why);
    let instant = |text: &str| instant_from_text(text).map_err(wrong);
    let remote = |id: Option<&str>| id.map(RemoteId::new);
    let end = match row.try_get::<_, Option<&str>>(14)? {
        None => None,
        Some(at) => Some(End {
            at: instant(at)?,
            outcome: outcome_from_text(row.try_get(15)?).map_err(wrong)?,
            detail: row.try_get(16)?,
            id: remote(row.try_get(17)?),
        }),
    };
    Ok(Entry {
        id: EntryId(id),
        fence: row.try_get(1)?,
        call: NewEntry {
            opened_at: instant(row.try_get(2)?)?,
            address: row
                .try_get::<_, Option<&str>>(3)?
                .map(address_from_text)
                .transpose()
                .map_err(wrong)?,
            provider: Name::new(row.try_get(4)?).map_err(|e| wrong(e.to_string()))?,
            app: AppId::new(row.try_get(5)?),
            call: Call {
                operation: row.try_get(6)?,
                collection: Collection::parse(row.try_get(7)?),
                id: remote(row.try_get(8)?),
                body: row.try_get(9)?,
            },
            sent: fields_from_json(row.try_get(10)?).map_err(wrong)?,
            seen: ids_from_json(row.try_get(11)?).map_err(wrong)?,
            timeout_ms: row.try_get::<_, i64>(12)?.unsigned_abs(),
            protect: row.try_get::<_, i64>(13)? != 0,
        },
        end,
    })
}
