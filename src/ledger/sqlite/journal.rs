//! Calls, written down before they leave.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::super::codec::journal::{ENTRY, entry, not_open, not_written};
use super::super::codec::{fields_to_json, ids_to_json, instant_to_text, outcome_to_text};
use super::read;
use super::trouble::Trouble;
use crate::engine::Call;
use crate::engine::ledger::{End, Entry, EntryId, NewEntry};
use crate::model::{Name, RemoteId};

/// Writes down a call.
pub(super) fn open(
    tx: &Connection,
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
    tx.prepare_cached(
        "INSERT INTO journal (project, fence, opened_at, address, provider, app, operation, collection,
             id, body, sent, seen, timeout_ms, protect)
         VALUES (:project, :fence, :opened_at, :address, :provider, :app, :operation, :collection,
             :id, :body, :sent, :seen, :timeout_ms, :protect)",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":fence": fence,
        ":opened_at": instant_to_text(*opened_at),
        ":address": subject,
        ":provider": provider.as_str(),
        ":app": app.as_str(),
        ":operation": operation,
        ":collection": collection.as_str(),
        ":id": id.as_ref().map(RemoteId::as_str),
        ":body": body,
        ":sent": fields_to_json(sent).map_err(refuse)?,
        ":seen": ids_to_json(seen),
        // Nobody waits for 292 million years.
        ":timeout_ms": i64::try_from(*timeout_ms).unwrap_or(i64::MAX),
        ":protect": protect,
    })?;
    Ok(EntryId(tx.last_insert_rowid()))
}

/// Ends an entry, once.
pub(super) fn close(
    tx: &Connection,
    project: &Name,
    id: EntryId,
    end: &End,
) -> Result<(), Trouble> {
    let EntryId(entry) = id;
    let ended = tx
        .prepare_cached("SELECT outcome, ended_at FROM journal WHERE entry = ?1 AND project = ?2")?
        .query_row((entry, project.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
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
    tx.prepare_cached(
        "UPDATE journal SET ended_at = :at, outcome = :outcome, detail = :detail, end_id = :id, seen = '[]'
         WHERE entry = :entry",
    )?
    .execute(named_params! {
        ":entry": entry,
        ":at": instant_to_text(*at),
        ":outcome": outcome_to_text(*outcome),
        ":detail": detail,
        ":id": object.as_ref().map(RemoteId::as_str),
    })?;
    Ok(())
}

/// Entries without an end, oldest first.
pub(super) fn unsettled(conn: &Connection, project: &Name) -> Result<Vec<Entry>, Trouble> {
    let rest = "WHERE project = ?1 AND ended_at IS NULL ORDER BY entry";
    read::all(conn, &select(rest), [project.as_str()], |row| entry(row))
}

/// Entries, newest first.
pub(super) fn history(
    conn: &Connection,
    project: &Name,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rest = "WHERE project = ?1 ORDER BY entry DESC LIMIT ?2";
    read::all(conn, &select(rest), (project.as_str(), limit), |row| {
        entry(row)
    })
}

fn select(rest: &str) -> String {
    format!("SELECT {ENTRY} FROM journal {rest}")
}
