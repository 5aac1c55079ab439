//! Occurrences and their deliveries.
//!
//! Runners never wait for each other here: what another is at is passed over (`SKIP LOCKED`), save that
//! two who admit one notice take turns.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::codec::sending::{
    ending_from_text, everyone_from_json, everyone_to_json, from_json, invalid_from_json,
    invalid_to_json, json, repeat_from_text, repeat_to_text, state_from_text, state_to_text,
};
use super::super::codec::{address_from_text, instant_from_text, instant_to_text};
use super::connect::Connection;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{maybe_text, text};
use crate::engine::channel::Parcel;
use crate::engine::outbox::{
    Admission, Claim, Delivery, DeliveryId, Ending, Key, NewDelivery, Occurrence, Outcome,
};
use crate::model::{Address, AppId, Name};

fn instant(word: &str) -> Result<Timestamp, Trouble> {
    instant_from_text(word).map_err(Trouble::Corrupt)
}

fn address(word: &str) -> Result<Address, Trouble> {
    address_from_text(word).map_err(Trouble::Corrupt)
}

fn key(row: &Row, notice: usize) -> Result<Key, Trouble> {
    Ok(Key {
        notice: address(row.try_get(notice)?)?,
        nominal: instant(row.try_get(notice + 1)?)?,
    })
}

/// For each notice, up to when it was dealt with.
pub(super) async fn handled(
    conn: &Connection,
    project: &Name,
) -> Result<Vec<(Address, Timestamp)>, Trouble> {
    let rows = conn
        .rows(
            "SELECT notice, until FROM handled WHERE project = $1",
            &[&project.as_str()],
        )
        .await?;
    let one = |row: &Row| Ok((address(row.try_get(0)?)?, instant(row.try_get(1)?)?));
    rows.iter().map(one).collect()
}

/// Writes down occurrences; says of each whether it is new.
pub(super) async fn admit(
    tx: &Tx<'_>,
    project: &Name,
    notice: &Address,
    until: Timestamp,
    admissions: &[Admission],
) -> Result<Vec<bool>, Trouble> {
    let notice = notice.to_string();
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
                     admitted_at, outcome, reason, ended_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
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
                ],
            )
            .await?;
        new.push(inserted == 1);
        if inserted == 1 {
            for delivery in &admission.deliveries {
                put(tx, project, &notice, &nominal, delivery).await?;
            }
        }
    }
    tx.run(
        "INSERT INTO handled AS h (project, notice, until) VALUES ($1, $2, $3)
         ON CONFLICT (project, notice) DO UPDATE SET until = greatest(h.until, excluded.until)",
        &[&project.as_str(), &notice, &instant_to_text(until)],
    )
    .await?;
    Ok(new)
}

async fn put(
    tx: &Tx<'_>,
    project: &Name,
    notice: &str,
    nominal: &str,
    delivery: &NewDelivery,
) -> Result<(), Trouble> {
    tx.run(
        "INSERT INTO delivery (project, notice, nominal, provider, app, operation, query, body,
             recipients, repeat, state, attempts, detail, invalid)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', 0, '', $11)",
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
    let rows = conn
        .rows(
            "SELECT notice, nominal, last, count, fires_at, admitted_at, outcome, reason
             FROM occurrence WHERE project = $1 AND ($2::text IS NULL OR notice = $2)
             ORDER BY nominal DESC, notice LIMIT $3",
            &[&project.as_str(), &notice, &limit],
        )
        .await?;
    rows.iter().map(occurrence).collect()
}

fn occurrence(row: &Row) -> Result<Occurrence, Trouble> {
    let word: Option<&str> = row.try_get(6)?;
    let reason: Option<String> = row.try_get(7)?;
    let end = word.map(ending_from_text).transpose();
    let end = end.map_err(Trouble::Corrupt)?;
    Ok(Occurrence {
        key: key(row, 0)?,
        last: instant(row.try_get(2)?)?,
        count: row.try_get::<_, i64>(3)?.unsigned_abs(),
        at: instant(row.try_get(4)?)?,
        admitted_at: instant(row.try_get(5)?)?,
        outcome: end.map(|end| (end, reason.unwrap_or_default())),
    })
}

/// The occurrences without an outcome, oldest first.
pub(super) async fn undecided(conn: &Connection, project: &Name) -> Result<Vec<Key>, Trouble> {
    let rows = conn
        .rows(
            "SELECT notice, nominal FROM occurrence
             WHERE project = $1 AND outcome IS NULL ORDER BY nominal, notice",
            &[&project.as_str()],
        )
        .await?;
    rows.iter().map(|row| key(row, 0)).collect()
}

const COLUMNS: &str =
    "delivery, notice, nominal, provider, app, operation, query, body, recipients,
    repeat, state, attempts, first_at, message, detail, invalid";

fn delivery(row: &Row) -> Result<Delivery, Trouble> {
    let corrupt = Trouble::Corrupt;
    let attempts: i64 = row.try_get(11)?;
    let first_at: Option<&str> = row.try_get(12)?;
    Ok(Delivery {
        id: DeliveryId(row.try_get(0)?),
        key: key(row, 1)?,
        what: NewDelivery {
            provider: Name::new(row.try_get(3)?).map_err(|e| corrupt(e.to_string()))?,
            app: AppId::new(row.try_get(4)?),
            parcel: Parcel {
                operation: row.try_get(5)?,
                query: from_json(row.try_get(6)?).map_err(corrupt)?,
                body: row.try_get(7)?,
                to: everyone_from_json(row.try_get(8)?).map_err(corrupt)?,
            },
            repeat: repeat_from_text(row.try_get(9)?).map_err(corrupt)?,
            unseen: Vec::new(),
        },
        state: state_from_text(row.try_get(10)?).map_err(corrupt)?,
        attempts: u32::try_from(attempts).map_err(|e| corrupt(e.to_string()))?,
        first_at: first_at.map(instant).transpose()?,
        message: row.try_get(13)?,
        detail: row.try_get(14)?,
        invalid: invalid_from_json(row.try_get(15)?).map_err(corrupt)?,
    })
}

/// Every delivery of an occurrence.
pub(super) async fn deliveries(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Delivery>, Trouble> {
    let rows = conn
        .rows(
            &format!(
                "SELECT {COLUMNS} FROM delivery
                 WHERE project = $1 AND notice = $2 AND nominal = $3 ORDER BY delivery"
            ),
            &[
                &project.as_str(),
                &key.notice.to_string(),
                &instant_to_text(key.nominal),
            ],
        )
        .await?;
    rows.iter().map(delivery).collect()
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
    let rows = tx
        .rows(
            &format!(
                "SELECT {COLUMNS} FROM delivery
                 WHERE project = $1 AND state IN ('pending', 'unknown') ORDER BY delivery"
            ),
            &[&project.as_str()],
        )
        .await?;
    rows.iter().map(delivery).collect()
}

/// Takes a delivery, if it is as it was seen; one that somebody else is just taking is not.
pub(super) async fn claim(
    tx: &Tx<'_>,
    project: &Name,
    seen: &Delivery,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, Trouble> {
    // By the clock that judges it, for as long as was asked for.
    let lasts = claim.expires.duration_since(now);
    let now = tx.now(now).await?;
    let expires = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
    let taken = tx
        .run(
            "UPDATE delivery SET state = 'sending', attempts = attempts + 1,
                 first_at = coalesce(first_at, $5), runner = $6, expires = $7
             WHERE delivery = (
                 SELECT delivery FROM delivery
                 WHERE project = $1 AND delivery = $2 AND state IN ('pending', 'unknown')
                     AND state = $3 AND attempts = $4
                 FOR UPDATE SKIP LOCKED)",
            &[
                &project.as_str(),
                &seen.id.0,
                &state_to_text(seen.state),
                &i64::from(seen.attempts),
                &instant_to_text(now),
                &text(&claim.runner),
                &instant_to_text(expires),
            ],
        )
        .await?;
    Ok(taken == 1)
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
        Some(row) if instant(row.try_get(0)?)? > now => {}
        _ => return Ok(false),
    }
    tx.run(
        "UPDATE delivery SET state = $3, runner = NULL, expires = NULL,
             first_at = CASE WHEN $3 = 'pending' AND attempts = 1 THEN NULL ELSE first_at END,
             message = coalesce($4, message), detail = $5, invalid = $6
         WHERE project = $1 AND delivery = $2",
        &[
            &project.as_str(),
            &id.0,
            &state_to_text(ending.state),
            &maybe_text(ending.message.as_deref()),
            &text(&ending.detail),
            &invalid_to_json(&ending.invalid),
        ],
    )
    .await?;
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
