//! What became of what was sent.

use super::outbox::{key, times};
use super::row::Row;
use super::sending::{invalid_from_json, readers_from_json, why_ended_from_text};
use crate::engine::outbox::DeliveryId;
use crate::engine::receipts::{Asked, FollowEnd, Following, People, Reading};

/// What [`following`] reads.
pub(in crate::ledger) const FOLLOWING: &str =
    "SELECT notice, nominal, fired_at, until, ends_at, ended, ended_at, unheard FROM following";

/// An occurrence that is followed, or was.
pub(in crate::ledger) fn following<R: Row>(row: &R) -> Result<Following, R::Trouble> {
    let ended = row.maybe_read(5, why_ended_from_text)?;
    let end = match ended.zip(row.maybe_instant(6)?) {
        Some((why, at)) => Some(FollowEnd {
            why,
            at,
            unheard: row.maybe_owned(7)?,
        }),
        None => None,
    };
    Ok(Following {
        key: key(row, 0)?,
        fired_at: row.instant(2)?,
        until: row.real(3)?,
        ends_at: row.instant(4)?,
        end,
    })
}

/// How often a vendor was asked about a delivery, from the delivery, the times and the last.
pub(in crate::ledger) fn asked<R: Row>(row: &R) -> Result<(DeliveryId, Asked), R::Trouble> {
    let asked = Asked {
        times: times(row, 1)?,
        last: row.instant(2)?,
    };
    Ok((DeliveryId(row.number(0)?), asked))
}

/// What [`reading`] reads.
pub(in crate::ledger) const READING: &str = "d.delivery, r.at, r.valid, r.delivered, r.read, r.refused, r.is_done, r.is_recalled, r.untold, r.problem";

/// What came of asking once.
pub(in crate::ledger) fn reading<R: Row>(row: &R) -> Result<(DeliveryId, Reading), R::Trouble> {
    let number = |column| Ok::<_, R::Trouble>(row.maybe_number(column)?.map(i64::unsigned_abs));
    let reading = Reading {
        at: row.instant(1)?,
        valid: number(2)?,
        delivered: number(3)?,
        read: number(4)?,
        refused: row.number(5)?.unsigned_abs(),
        is_done: row.number(6)? != 0,
        is_recalled: row.number(7)? != 0,
        untold: row.maybe_owned(8)?,
        problem: row.maybe_owned(9)?,
    };
    Ok((DeliveryId(row.number(0)?), reading))
}

/// A number of people or messages, as it is kept.
pub(in crate::ledger) fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whom the newest reading was about, from the delivery, the readers and those who refused.
pub(in crate::ledger) fn people<R: Row>(row: &R) -> Result<(DeliveryId, People), R::Trouble> {
    let people = People {
        readers: row.read(1, readers_from_json)?,
        refused: row.read(2, invalid_from_json)?,
    };
    Ok((DeliveryId(row.number(0)?), people))
}
