//! Occurrences and their deliveries.
//!
//! Runners never wait for each other here: what another is at is passed over (`SKIP LOCKED`), save that
//! two who admit one notice take turns.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::codec::instant_to_text;
use super::super::codec::outbox::{self as codec, OCCURRENCE, delivery, key, select_deliveries};
use super::super::codec::row::Row as _;
use super::super::codec::sending::{
    everyone_to_json, invalid_to_json, json, repeat_to_text, state_to_text,
};
use super::connect::{Connection, Params};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{maybe_text, quota, read, text};
use crate::engine::outbox::{
    Admission, Admitted, Delivery, DeliveryId, Ending, Key, NewDelivery, Occurrence, Outcome,
    Purpose, State,
};
use crate::model::{Address, Name};

/// For each notice, up to when it was dealt with.
pub(super) async fn handled(
    conn: &Connection,
    project: &Name,
) -> Result<Vec<(Address, Timestamp)>, Trouble> {
    let sql = "SELECT notice, until FROM handled WHERE project = $1";
    let one = |row: &Row| Ok((row.address(0)?, row.instant(1)?));
    read::all(conn, sql, &[&project.as_str()], one).await
}

/// Up to when a notice was dealt with.
pub(super) async fn handled_until(
    conn: &Connection,
    project: &Name,
    notice: &Address,
) -> Result<Option<Timestamp>, Trouble> {
    let rows = conn
        .rows(
            "SELECT until FROM handled WHERE project = $1 AND notice = $2",
            &[&project.as_str(), &notice.to_string()],
        )
        .await?;
    let row = rows.first();
    row.map(|row| row.instant(0)).transpose()
}

/// Writes down occurrences.
pub(super) async fn admit(
    tx: &Tx<'_>,
    project: &Name,
    notice: &Address,
    until: Timestamp,
    admissions: &[Admission],
) -> Result<Admitted, Trouble> {
    let notice = notice.to_string();
    // Whoever admits something of this notice waits for the others who do. The first mark is before all.
    tx.run(
        "INSERT INTO handled (project, notice, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        &[
            &project.as_str(),
            &notice,
            &instant_to_text(Timestamp::UNIX_EPOCH),
        ],
    )
    .await?;
    let rows = tx
        .rows(
            "SELECT until FROM handled WHERE project = $1 AND notice = $2 FOR UPDATE",
            &[&project.as_str(), &notice],
        )
        .await?;
    let handled = rows.first();
    let handled = handled.map(|row| row.instant(0)).transpose()?;
    if admissions
        .iter()
        .any(|admission| admission.is_stale(handled))
    {
        return Ok(Admitted::Stale);
    }
    let mut new = Vec::with_capacity(admissions.len());
    for admission in admissions {
        let nominal = instant_to_text(admission.nominal);
        let admitted_at = instant_to_text(admission.admitted_at);
        let (outcome, reason) = match &admission.outcome {
            Some((outcome, reason)) => (Some(outcome.as_str()), Some(text(reason))),
            None => (None, None),
        };
        let inserted = tx
            .run(
                "INSERT INTO occurrence (project, notice, nominal, last, count, fires_at, revision,
                     admitted_at, outcome, reason, ended_at, send_until, revoke_at, sent_by, told)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0)
                 ON CONFLICT DO NOTHING",
                &[
                    &project.as_str(),
                    &notice,
                    &nominal,
                    &instant_to_text(admission.last),
                    &i64::try_from(admission.count).unwrap_or(i64::MAX),
                    &instant_to_text(admission.at),
                    &admission.revision,
                    &admitted_at,
                    &outcome,
                    &reason,
                    &outcome.map(|_| &admitted_at),
                    &admission.send_until.map(instant_to_text),
                    &admission.revoke_at.map(instant_to_text),
                    &maybe_text(admission.sent_by.as_deref()),
                ],
            )
            .await?;
        new.push(inserted == 1);
        if inserted == 1 {
            for delivery in &admission.deliveries {
                put(tx, project, (&notice, &nominal), Purpose::Notice, delivery).await?;
            }
        }
    }
    tx.run(
        "UPDATE handled SET until = greatest(until, $3) WHERE project = $1 AND notice = $2",
        &[&project.as_str(), &notice, &instant_to_text(until)],
    )
    .await?;
    Ok(Admitted::New(new))
}

/// Writes down a delivery.
pub(super) async fn put(
    tx: &Tx<'_>,
    project: &Name,
    (notice, nominal): (&str, &str),
    purpose: Purpose,
    delivery: &NewDelivery,
) -> Result<(), Trouble> {
    tx.run(
        "INSERT INTO delivery (project, notice, nominal, provider, app, operation, query, body,
             recipients, repeat, state, attempts, detail, invalid, purpose)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', 0, '', $11, $12)",
        &[
            &project.as_str(),
            &notice,
            &nominal,
            &delivery.provider.as_str(),
            &delivery.app.as_str(),
            &delivery.parcel.operation,
            &json(&delivery.parcel.query),
            &delivery.parcel.body,
            &everyone_to_json(&delivery.parcel.to),
            &repeat_to_text(delivery.repeat),
            &invalid_to_json(&delivery.unseen),
            &purpose.as_str(),
        ],
    )
    .await?;
    Ok(())
}

/// Occurrences, newest first.
pub(super) async fn occurrences(
    conn: &Connection,
    project: &Name,
    notice: Option<&Address>,
    limit: usize,
) -> Result<Vec<Occurrence>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let notice = notice.map(ToString::to_string);
    occurrence_rows(
        conn,
        "project = $1 AND ($2::text IS NULL OR notice = $2) ORDER BY nominal DESC, notice LIMIT $3",
        &[&project.as_str(), &notice, &limit],
    )
    .await
}

/// One occurrence.
pub(super) async fn occurrence(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Option<Occurrence>, Trouble> {
    let found = occurrence_rows(
        conn,
        "project = $1 AND notice = $2 AND nominal = $3",
        &[
            &project.as_str(),
            &key.notice.to_string(),
            &instant_to_text(key.nominal),
        ],
    )
    .await?;
    Ok(found.into_iter().next())
}

/// The occurrences of which something holds.
pub(super) async fn occurrence_rows(
    conn: &Connection,
    which: &str,
    params: Params<'_>,
) -> Result<Vec<Occurrence>, Trouble> {
    let sql = format!("SELECT {OCCURRENCE} FROM occurrence WHERE {which}");
    read::all(conn, &sql, params, codec::occurrence).await
}

/// The occurrences without an outcome, oldest first.
pub(super) async fn undecided(conn: &Connection, project: &Name) -> Result<Vec<Key>, Trouble> {
    read::all(
        conn,
        "SELECT notice, nominal FROM occurrence
         WHERE project = $1 AND outcome IS NULL ORDER BY nominal, notice",
        &[&project.as_str()],
        |row| key(row, 0),
    )
    .await
}

/// Every delivery of an occurrence.
pub(super) async fn deliveries(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Delivery>, Trouble> {
    read::all(
        conn,
        &select_deliveries(
            "",
            "",
            "d.project = $1 AND d.notice = $2 AND d.nominal = $3",
        ),
        &[
            &project.as_str(),
            &key.notice.to_string(),
            &instant_to_text(key.nominal),
        ],
        delivery,
    )
    .await
}

/// What is pending or unknown, once claims that have expired are let go of.
pub(super) async fn open(
    tx: &Tx<'_>,
    project: &Name,
    now: Timestamp,
) -> Result<Vec<Delivery>, Trouble> {
    let now = tx.now(now).await?;
    tx.run(
        "UPDATE delivery SET state = 'unknown', runner = NULL, expires = NULL,
             detail = 'the runner that sent it did not come back'
         WHERE delivery IN (
             SELECT delivery FROM delivery
             WHERE project = $1 AND state = 'sending' AND expires <= $2
             FOR UPDATE SKIP LOCKED)",
        &[&project.as_str(), &instant_to_text(now)],
    )
    .await?;
    let which = "d.project = $1 AND d.state IN ('pending', 'unknown')";
    let sql = select_deliveries("", "", which);
    read::all(tx, &sql, &[&project.as_str()], delivery).await
}

/// Ends an attempt; false when the delivery is no longer that runner's.
pub(super) async fn end(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    runner: &str,
    now: Timestamp,
    ending: &Ending,
) -> Result<bool, Trouble> {
    let mine = tx
        .maybe_row(
            "SELECT expires FROM delivery
             WHERE project = $1 AND delivery = $2 AND state = 'sending' AND runner = $3
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
        "UPDATE delivery SET state = $3, runner = NULL, expires = NULL,
             first_at = CASE WHEN $3 = 'pending' AND attempts = 1 THEN NULL ELSE first_at END,
             message = coalesce($4, message), detail = $5, invalid = $6, tried_at = $7
         WHERE project = $1 AND delivery = $2",
        &[
            &project.as_str(),
            &id.0,
            &state_to_text(ending.state),
            &maybe_text(ending.message.as_deref()),
            &text(&ending.detail),
            &invalid_to_json(&ending.invalid),
            &instant_to_text(now),
        ],
    )
    .await?;
    if matches!(ending.state, State::Refused | State::Pending) {
        quota::give_back(tx, id).await?;
    }
    Ok(true)
}

/// Marks an unknown delivery as one that only a person can settle.
pub(super) async fn hold(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    reason: &str,
) -> Result<bool, Trouble> {
    let held = tx
        .run(
            "UPDATE delivery SET state = 'held', detail = $3
             WHERE project = $1 AND delivery = $2 AND state = 'unknown'",
            &[&project.as_str(), &id.0, &text(reason)],
        )
        .await?;
    Ok(held == 1)
}

/// Ends a delivery that is pending.
pub(super) async fn give_up(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    state: State,
    reason: &str,
) -> Result<bool, Trouble> {
    let ended = tx
        .run(
            "UPDATE delivery SET state = $4, detail = $3
             WHERE project = $1 AND delivery = $2 AND state = 'pending'",
            &[
                &project.as_str(),
                &id.0,
                &text(reason),
                &state_to_text(state),
            ],
        )
        .await?;
    Ok(ended == 1)
}

/// Gives an occurrence its outcome.
pub(super) async fn conclude(
    tx: &Tx<'_>,
    project: &Name,
    key: &Key,
    outcome: Outcome,
    reason: &str,
    now: Timestamp,
) -> Result<(), Trouble> {
    tx.run(
        "UPDATE occurrence SET outcome = $4, reason = $5, ended_at = $6
         WHERE project = $1 AND notice = $2 AND nominal = $3 AND outcome IS NULL",
        &[
            &project.as_str(),
            &key.notice.to_string(),
            &instant_to_text(key.nominal),
            &outcome.as_str(),
            &text(reason),
            &instant_to_text(now),
        ],
    )
    .await?;
    Ok(())
}

/// Cancels what is pending of a notice.
pub(super) async fn cancel(
    tx: &Tx<'_>,
    project: &Name,
    notice: &Address,
    reason: &str,
) -> Result<usize, Trouble> {
    let cancelled = tx
        .run(
            "UPDATE delivery SET state = 'cancelled', detail = $3
             WHERE project = $1 AND notice = $2 AND state = 'pending'",
            &[&project.as_str(), &notice.to_string(), &text(reason)],
        )
        .await?;
    Ok(usize::try_from(cancelled).unwrap_or(usize::MAX))
}
