//! Taking back what was sent.

use jiff::Timestamp;

use super::super::codec::afterwards::{recall, select_recalls};
use super::super::codec::instant_to_text;
use super::super::codec::row::Row as _;
use super::connect::{Connection, Params};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{read, text};
use crate::engine::afterwards::{Recall, RecallState};
use crate::engine::outbox::{Claim, DeliveryId, Key};
use crate::model::Name;

/// The recalls that are open, once those that are due were written down.
pub(super) async fn recalls(
    tx: &Tx<'_>,
    project: &Name,
    now: Timestamp,
) -> Result<Vec<Recall>, Trouble> {
    let due = instant_to_text(now);
    let params: Params<'_> = &[&project.as_str(), &due];
    // Whoever writes them down first has these rows until it has committed; others pass them over, and
    // find them written down the next time.
    let begun = tx
        .rows(
            "SELECT notice, nominal FROM occurrence
             WHERE project = $1 AND revoke_at <= $2 AND revoked_at IS NULL
             FOR UPDATE SKIP LOCKED",
            params,
        )
        .await?;
    for row in &begun {
        let (notice, nominal): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let which: Params<'_> = &[&project.as_str(), &notice, &nominal];
        tx.run(
            "UPDATE delivery SET state = 'cancelled',
                 detail = 'it was to be taken back before it was sent'
             WHERE project = $1 AND notice = $2 AND nominal = $3 AND state = 'pending'
                 AND purpose = 'notice'",
            which,
        )
        .await?;
        tx.run(
            "INSERT INTO recall (delivery, project, state, attempts, detail)
             SELECT delivery, project, 'wanted', 0, '' FROM delivery
             WHERE project = $1 AND notice = $2 AND nominal = $3
                 AND purpose = 'notice' AND state NOT IN ('refused', 'cancelled')
             ON CONFLICT DO NOTHING",
            which,
        )
        .await?;
        tx.run(
            "UPDATE occurrence SET revoked_at = $4
             WHERE project = $1 AND notice = $2 AND nominal = $3",
            &[&project.as_str(), &notice, &nominal, &due],
        )
        .await?;
    }
    let now = instant_to_text(tx.now(now).await?);
    tx.run(
        "UPDATE recall SET state = 'unknown', runner = NULL, expires = NULL,
             detail = 'the runner that took it back did not come back'
         WHERE delivery IN (
             SELECT delivery FROM recall
             WHERE project = $1 AND state = 'calling' AND expires <= $2
             FOR UPDATE SKIP LOCKED)",
        &[&project.as_str(), &now],
    )
    .await?;
    let which = "d.project = $1 AND r.state IN ('wanted', 'unknown')";
    read_recalls(tx, which, &[&project.as_str()]).await
}

/// Every recall of an occurrence.
pub(super) async fn recalls_of(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Recall>, Trouble> {
    read_recalls(
        conn,
        "d.project = $1 AND d.notice = $2 AND d.nominal = $3",
        &[
            &project.as_str(),
            &key.notice.to_string(),
            &instant_to_text(key.nominal),
        ],
    )
    .await
}

async fn read_recalls(
    conn: &Connection,
    which: &str,
    params: Params<'_>,
) -> Result<Vec<Recall>, Trouble> {
    read::all(conn, &select_recalls(which), params, recall).await
}

/// Takes a recall, if nobody has it.
pub(super) async fn claim_recall(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let lasts = claim.expires.duration_since(now);
    let now = tx.now(now).await?;
    let expires = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
    let taken = tx
        .run(
            "UPDATE recall SET state = 'calling', attempts = attempts + 1,
                 first_at = coalesce(first_at, $5), tried_at = $5, runner = $3, expires = $4
             WHERE delivery = (
                 SELECT delivery FROM recall
                 WHERE project = $1 AND delivery = $2 AND state IN ('wanted', 'unknown')
                 FOR UPDATE SKIP LOCKED)",
            &[
                &project.as_str(),
                &id.0,
                &text(&claim.runner),
                &instant_to_text(expires),
                &instant_to_text(now),
            ],
        )
        .await?;
    Ok(taken == 1)
}

/// Ends an attempt; false when the recall is no longer that runner's.
pub(super) async fn end_recall(
    tx: &Tx<'_>,
    project: &Name,
    (id, runner): (DeliveryId, &str),
    now: Timestamp,
    state: RecallState,
    detail: &str,
) -> Result<bool, Trouble> {
    let mine = tx
        .maybe_row(
            "SELECT expires FROM recall
             WHERE project = $1 AND delivery = $2 AND state = 'calling' AND runner = $3
             FOR UPDATE",
            &[&project.as_str(), &id.0, &text(runner)],
        )
        .await?;
    let now = tx.now(now).await?;
    match mine {
        Some(row) if row.instant(0)? > now => {}
        _ => return Ok(false),
    }
    tx.run(
        "UPDATE recall SET state = $3, detail = $4, runner = NULL, expires = NULL, ended_at = $5,
             tried_at = $6
         WHERE project = $1 AND delivery = $2",
        &[
            &project.as_str(),
            &id.0,
            &state.as_str(),
            &text(detail),
            &state.has_ended().then(|| instant_to_text(now)),
            &instant_to_text(now),
        ],
    )
    .await?;
    Ok(true)
}

/// Ends a recall that nobody has.
pub(super) async fn drop_recall(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    now: Timestamp,
    state: RecallState,
    detail: &str,
) -> Result<bool, Trouble> {
    let ended = tx
        .run(
            "UPDATE recall SET state = $3, detail = $4, ended_at = $5
             WHERE project = $1 AND delivery = $2 AND state IN ('wanted', 'unknown')",
            &[
                &project.as_str(),
                &id.0,
                &state.as_str(),
                &text(detail),
                &instant_to_text(now),
            ],
        )
        .await?;
    Ok(ended == 1)
}
