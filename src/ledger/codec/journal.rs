//! Calls, as the journal has them.

use super::row::{Row, Unreadable};
use super::{
    address_from_text, fields_from_json, ids_from_json, instant_from_text, outcome_from_text,
};
use crate::engine::Call;
use crate::engine::ledger::{End, Entry, EntryId, NewEntry};
use crate::model::{AppId, Collection, Name, RemoteId};

/// What [`entry`] reads.
pub(in crate::ledger) const ENTRY: &str =
    "entry, fence, opened_at, address, provider, app, operation, collection, id, body,
    sent, seen, timeout_ms, protect, ended_at, outcome, detail, end_id";

/// An entry.
pub(in crate::ledger) fn entry<R: Row>(row: &R) -> Result<Entry, R::Trouble> {
    let id = row.number(0)?;
    let wrong = |why: String| Unreadable {
        row: format!("entry {id} of the journal"),
        why,
    };
    let end = match row.maybe_text(14)? {
        None => None,
        Some(at) => Some(End {
            at: instant_from_text(at).map_err(wrong)?,
            outcome: outcome_from_text(row.text(15)?).map_err(wrong)?,
            detail: row.owned(16)?,
            id: row.maybe_text(17)?.map(RemoteId::new),
        }),
    };
    let address = row.maybe_text(3)?.map(address_from_text).transpose();
    Ok(Entry {
        id: EntryId(id),
        fence: row.number(1)?,
        call: NewEntry {
            opened_at: instant_from_text(row.text(2)?).map_err(wrong)?,
            address: address.map_err(wrong)?,
            provider: Name::new(row.text(4)?).map_err(|error| wrong(error.to_string()))?,
            app: AppId::new(row.text(5)?),
            call: Call {
                operation: row.owned(6)?,
                collection: Collection::parse(row.text(7)?),
                id: row.maybe_text(8)?.map(RemoteId::new),
                body: row.maybe_owned(9)?,
            },
            sent: fields_from_json(row.text(10)?).map_err(wrong)?,
            seen: ids_from_json(row.text(11)?).map_err(wrong)?,
            timeout_ms: row.number(12)?.unsigned_abs(),
            protect: row.number(13)? != 0,
        },
        end,
    })
}

/// Why an entry cannot be ended, from its outcome and its end where there is such an entry.
pub(in crate::ledger) fn not_open(
    EntryId(entry): EntryId,
    project: &Name,
    found: Option<(Option<String>, Option<String>)>,
) -> Option<String> {
    match found {
        Some((Some(outcome), Some(at))) => Some(format!(
            "entry {entry} of the journal has ended at {at}: {outcome}"
        )),
        Some(_) => None,
        None => Some(format!("the journal of {project} has no entry {entry}")),
    }
}

/// Why a call cannot be written down.
pub(in crate::ledger) fn not_written(entry: &NewEntry, why: &str) -> String {
    let subject = entry.address.as_ref().map(ToString::to_string);
    let subject = subject.as_deref().unwrap_or("an undeclared object");
    format!("{subject} cannot be journalled: {why}")
}
