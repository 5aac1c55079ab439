//! What was seen at the vendors: people who were looked up, and live values.

use super::instant_from_text;
use super::row::Row;
use super::sending::recipient_from_text;
use super::snapshot::{scope_from_text, seen_from_json};
use crate::engine::ledger::LookUp;
use crate::engine::snapshot::Snapshot;
use crate::model::{AppId, Name};

/// What [`look_up`] reads.
pub(in crate::ledger) const LOOK_UP: &str = "provider, app, recipient, person, looked_at";

/// A look-up; none where this beadle cannot read it: it is looked up again.
pub(in crate::ledger) fn look_up<R: Row>(row: &R) -> Result<Option<LookUp>, R::Trouble> {
    let (provider, app) = (Name::new(row.text(0)?), AppId::new(row.text(1)?));
    let recipient = recipient_from_text(row.text(2)?);
    let person = recipient_from_text(row.text(3)?);
    let at = instant_from_text(row.text(4)?);
    let (Ok(provider), Some(recipient), Some(person), Ok(at)) = (provider, recipient, person, at)
    else {
        return Ok(None);
    };
    Ok(Some(LookUp {
        provider,
        app,
        recipient,
        person,
        at,
    }))
}

/// What [`snapshot`] reads.
pub(in crate::ledger) const SNAPSHOT: &str = "app, collection, id, holds, read_at";

/// A snapshot; none where this beadle cannot make it out: it is read again.
pub(in crate::ledger) fn snapshot<R: Row>(row: &R) -> Result<Option<Snapshot>, R::Trouble> {
    let scope = scope_from_text(row.text(1)?, row.text(2)?);
    let seen = seen_from_json(row.text(3)?);
    let (Ok(seen), Ok(at)) = (seen, instant_from_text(row.text(4)?)) else {
        return Ok(None);
    };
    Ok(Some(Snapshot {
        app: AppId::new(row.text(0)?),
        scope,
        seen,
        at,
    }))
}
