//! Calls, written down before they leave.

use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};

use super::super::codec::{
    fields_from_json, fields_to_json, ids_from_json, ids_to_json, instant_from_text,
    instant_to_text, outcome_from_text, outcome_to_text,
};
use super::bindings::{parse_address, text};
use super::trouble::Trouble;
use crate::engine::Call;
use crate::engine::ledger::{End, Entry, EntryId, NewEntry};
use crate::model::{AppId, Collection, Name, RemoteId};

const COLUMNS: &str =
    "entry, fence, opened_at, address, provider, app, operation, collection, id, body,
    sent, seen, timeout_ms, protect, ended_at, outcome, detail, end_id";

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
    let refuse = |why| {
        let subject = subject.as_deref().unwrap_or("an undeclared object");
        Trouble::Failed(format!("{subject} cannot be journalled: {why}"))
    };
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
    EntryId(entry): EntryId,
    end: &End,
) -> Result<(), Trouble> {
    let ended = tx
        .prepare_cached("SELECT outcome, ended_at FROM journal WHERE entry = ?1 AND project = ?2")?
        .query_row((entry, project.as_str()), |row| {
            Ok(Option::zip(
                row.get::<_, Option<String>>(0)?,
                row.get::<_, Option<String>>(1)?,
            ))
        })
        .optional()?;
    match ended {
        Some(None) => {}
        Some(Some((outcome, at))) => {
            return Err(Trouble::Failed(format!(
                "entry {entry} of the journal has ended at {at}: {outcome}"
            )));
        }
        None => {
            return Err(Trouble::Failed(format!(
                "the journal of {project} has no entry {entry}"
            )));
        }
    }
    let End {
        at,
        outcome,
        detail,
        id,
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
        ":id": id.as_ref().map(RemoteId::as_str),
    })?;
    Ok(())
}

/// Entries without an end, oldest first.
pub(super) fn unsettled(conn: &Connection, project: &Name) -> Result<Vec<Entry>, Trouble> {
    let rest = "WHERE project = ?1 AND ended_at IS NULL ORDER BY entry";
    select(conn, rest, [project.as_str()])
}

/// Entries, newest first.
pub(super) fn history(
    conn: &Connection,
    project: &Name,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rest = "WHERE project = ?1 ORDER BY entry DESC LIMIT ?2";
    select(conn, rest, (project.as_str(), limit))
}

fn select(conn: &Connection, rest: &str, params: impl Params) -> Result<Vec<Entry>, Trouble> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM journal {rest}"))?;
    let mut rows = statement.query(params)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> Result<Entry, Trouble> {
    let id: i64 = row.get("entry")?;
    let wrong = |why: String| Trouble::Row(format!("entry {id} of the journal"), why);
    let instant = |text: &str| instant_from_text(text).map_err(wrong);
    let remote = |id: Option<String>| id.map(|id| RemoteId::new(&id));
    let end = match row.get::<_, Option<String>>("ended_at")? {
        None => None,
        Some(at) => Some(End {
            at: instant(&at)?,
            outcome: outcome_from_text(&row.get::<_, String>("outcome")?).map_err(wrong)?,
            detail: row.get("detail")?,
            id: remote(row.get("end_id")?),
        }),
    };
    Ok(Entry {
        id: EntryId(id),
        fence: row.get("fence")?,
        call: NewEntry {
            opened_at: instant(text(row, 2)?)?,
            address: row
                .get::<_, Option<String>>("address")?
                .map(|address| parse_address(&address))
                .transpose()
                .map_err(wrong)?,
            provider: Name::new(text(row, 4)?).map_err(|e| wrong(e.to_string()))?,
            app: AppId::new(text(row, 5)?),
            call: Call {
                operation: row.get("operation")?,
                collection: Collection::parse(text(row, 7)?),
                id: remote(row.get("id")?),
                body: row.get("body")?,
            },
            sent: fields_from_json(text(row, 10)?).map_err(wrong)?,
            seen: ids_from_json(text(row, 11)?).map_err(wrong)?,
            timeout_ms: row.get::<_, i64>("timeout_ms")?.unsigned_abs(),
            protect: row.get("protect")?,
        },
        end,
    })
}
