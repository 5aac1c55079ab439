//! Occurrences and deliveries.

use super::row::{Corrupt, Row};
use super::sending::{
    ending_from_text, everyone_from_json, from_json, invalid_from_json, purpose_from_text,
    repeat_from_text, state_from_text,
};
use crate::engine::channel::{Parcel, To};
use crate::engine::outbox::{Delivery, DeliveryId, Key, NewDelivery, Occurrence};
use crate::model::{AppId, Name};

/// Which occurrence, from its notice and, behind that, its nominal instant.
pub(in crate::ledger) fn key<R: Row>(row: &R, notice: usize) -> Result<Key, R::Trouble> {
    Ok(Key {
        notice: row.address(notice)?,
        nominal: row.instant(notice + 1)?,
    })
}

/// What [`occurrence`] reads.
pub(in crate::ledger) const OCCURRENCE: &str = "notice, nominal, last, count, fires_at, admitted_at, outcome, reason, revoke_at, revoked_by, sent_by";

/// An occurrence.
pub(in crate::ledger) fn occurrence<R: Row>(row: &R) -> Result<Occurrence, R::Trouble> {
    let end = row.maybe_read(6, ending_from_text)?;
    let reason = row.maybe_owned(7)?;
    Ok(Occurrence {
        key: key(row, 0)?,
        last: row.instant(2)?,
        count: row.number(3)?.unsigned_abs(),
        at: row.instant(4)?,
        admitted_at: row.instant(5)?,
        outcome: end.map(|end| (end, reason.unwrap_or_default())),
        revoke_at: row.maybe_instant(8)?,
        revoked_by: row.maybe_owned(9)?,
        sent_by: row.maybe_owned(10)?,
    })
}

/// Reads deliveries of which something holds, with columns and a join more; their own are the first 20.
pub(in crate::ledger) fn select_deliveries(more: &str, join: &str, which: &str) -> String {
    format!(
        "SELECT d.delivery, d.notice, d.nominal, d.provider, d.app, d.operation, d.query, d.body,
             d.recipients, d.repeat, d.state, d.attempts, d.first_at, d.message, d.detail, d.invalid,
             d.purpose, o.send_until,
             EXISTS (SELECT 1 FROM recall taken WHERE taken.delivery = d.delivery),
             d.tried_at{more}
         FROM delivery d JOIN occurrence o
             ON o.project = d.project AND o.notice = d.notice AND o.nominal = d.nominal {join}
         WHERE {which} ORDER BY d.delivery"
    )
}

/// A delivery, as [`select_deliveries`] asks for it.
pub(in crate::ledger) fn delivery<R: Row>(row: &R) -> Result<Delivery, R::Trouble> {
    let provider = Name::new(row.text(3)?).map_err(|error| Corrupt(error.to_string()))?;
    Ok(Delivery {
        id: DeliveryId(row.number(0)?),
        key: key(row, 1)?,
        purpose: row.read(16, purpose_from_text)?,
        what: NewDelivery {
            provider,
            app: AppId::new(row.text(4)?),
            parcel: Parcel {
                operation: row.owned(5)?,
                query: row.read(6, from_json)?,
                body: row.owned(7)?,
                to: row.read(8, everyone_from_json)?,
            },
            repeat: row.read(9, repeat_from_text)?,
            unseen: Vec::new(),
        },
        state: row.read(10, state_from_text)?,
        attempts: times(row, 11)?,
        first_at: row.maybe_instant(12)?,
        tried_at: row.maybe_instant(19)?,
        message: row.maybe_owned(13)?,
        detail: row.owned(14)?,
        invalid: row.read(15, invalid_from_json)?,
        send_until: row.maybe_instant(17)?,
        is_revoked: row.is(18)?,
    })
}

/// How often something was tried.
pub(super) fn times<R: Row>(row: &R, column: usize) -> Result<u32, R::Trouble> {
    let times = u32::try_from(row.number(column)?);
    Ok(times.map_err(|error| Corrupt(error.to_string()))?)
}

/// What is said of a delivery that its vendor would drop for everybody.
pub(in crate::ledger) fn nobody_gets_it(dropped: &[(To, String)]) -> String {
    let why = dropped.first().map_or("", |(_, why)| why.as_str());
    format!("nobody would get it: each of its people {why}")
}
