//! Taking back what was sent.

use jiff::Timestamp;
use rusqlite::Connection;

use super::super::codec::afterwards::{recall, select_recalls};
use super::super::codec::instant_to_text;
use super::read;
use super::trouble::Trouble;
use crate::engine::afterwards::{Recall, RecallState};
use crate::engine::outbox::{Claim, DeliveryId, Key};
use crate::model::Name;

/// The recalls that are open, once those that are due were written down.
pub(super) fn recalls(
    tx: &Connection,
    project: &Name,
    now: Timestamp,
) -> Result<Vec<Recall>, Trouble> {
    let now = instant_to_text(now);
    let begins = "(SELECT 1 FROM occurrence o
         WHERE o.project = delivery.project AND o.notice = delivery.notice
             AND o.nominal = delivery.nominal AND o.revoke_at <= ?2 AND o.revoked_at IS NULL)";
    tx.prepare_cached(&format!(
        "UPDATE delivery SET state = 'cancelled',
             detail = 'it was to be taken back before it was sent'
         WHERE project = ?1 AND state = 'pending' AND purpose = 'notice' AND EXISTS {begins}"
    ))?
    .execute((project.as_str(), &now))?;
    tx.prepare_cached(
        "INSERT INTO recall (delivery, project, state, attempts, detail)
         SELECT d.delivery, d.project, 'wanted', 0, ''
         FROM occurrence o JOIN delivery d
             ON d.project = o.project AND d.notice = o.notice AND d.nominal = o.nominal
         WHERE o.project = ?1 AND o.revoke_at <= ?2 AND o.revoked_at IS NULL
             AND d.purpose = 'notice' AND d.state NOT IN ('refused', 'cancelled')
         ON CONFLICT DO NOTHING",
    )?
    .execute((project.as_str(), &now))?;
    tx.prepare_cached(
        "UPDATE occurrence SET revoked_at = ?2
         WHERE project = ?1 AND revoke_at <= ?2 AND revoked_at IS NULL",
    )?
    .execute((project.as_str(), &now))?;
    tx.prepare_cached(
        "UPDATE recall SET state = 'unknown', runner = NULL, expires = NULL,
             detail = 'the runner that took it back did not come back'
         WHERE project = ?1 AND state = 'calling' AND expires <= ?2",
    )?
    .execute((project.as_str(), &now))?;
    read_recalls(
        tx,
        "d.project = ?1 AND r.state IN ('wanted', 'unknown')",
        (project.as_str(),),
    )
}

/// Every recall of an occurrence.
pub(super) fn recalls_of(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Recall>, Trouble> {
    read_recalls(
        conn,
        "d.project = ?1 AND d.notice = ?2 AND d.nominal = ?3",
        (
            project.as_str(),
            key.notice.to_string(),
            instant_to_text(key.nominal),
        ),
    )
}

fn read_recalls(
    conn: &Connection,
    which: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Recall>, Trouble> {
    read::all(conn, &select_recalls(which), params, |row| recall(row))
}

/// Takes a recall, if nobody has it.
pub(super) fn claim_recall(
    tx: &Connection,
    project: &Name,
    id: DeliveryId,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let taken = tx
        .prepare_cached(
            "UPDATE recall SET state = 'calling', attempts = attempts + 1,
                 first_at = coalesce(first_at, ?5), tried_at = ?5, runner = ?3, expires = ?4
             WHERE project = ?1 AND delivery = ?2 AND state IN ('wanted', 'unknown')",
        )?
        .execute((
            project.as_str(),
            id.0,
            &claim.runner,
            instant_to_text(claim.expires),
            instant_to_text(now),
        ))?;
    Ok(taken == 1)
}

/// Ends an attempt; false when the recall is no longer that runner's.
pub(super) fn end_recall(
    tx: &Connection,
    project: &Name,
    (id, runner): (DeliveryId, &str),
    now: Timestamp,
    state: RecallState,
    detail: &str,
) -> Result<bool, Trouble> {
    let now = instant_to_text(now);
    let ended = tx
        .prepare_cached(
            "UPDATE recall SET state = ?3, detail = ?4, runner = NULL, expires = NULL, ended_at = ?5,
                 tried_at = ?7
             WHERE project = ?1 AND delivery = ?2 AND state = 'calling' AND runner = ?6
                 AND expires > ?7",
        )?
        .execute((
            project.as_str(),
            id.0,
            state.as_str(),
            detail,
            state.has_ended().then_some(&now),
            runner,
            &now,
        ))?;
    Ok(ended == 1)
}

/// Ends a recall that nobody has.
pub(super) fn drop_recall(
    tx: &Connection,
    project: &Name,
    id: DeliveryId,
    now: Timestamp,
    state: RecallState,
    detail: &str,
) -> Result<bool, Trouble> {
    let ended = tx
        .prepare_cached(
            "UPDATE recall SET state = ?3, detail = ?4, ended_at = ?5
             WHERE project = ?1 AND delivery = ?2 AND state IN ('wanted', 'unknown')",
        )?
        .execute((
            project.as_str(),
            id.0,
            state.as_str(),
            detail,
            instant_to_text(now),
        ))?;
    Ok(ended == 1)
}
