//! Occurrences and their deliveries.

use jiff::Timestamp;
use rusqlite::{Connection, Params, Row, named_params};

use super::super::codec::instant_to_text;
use super::super::codec::outbox::{self as codec, OCCURRENCE, delivery, key, select_deliveries};
use super::super::codec::row::Row as _;
use super::super::codec::sending::{
    everyone_to_json, invalid_to_json, json, repeat_to_text, state_to_text,
};
use super::trouble::Trouble;
use super::{quota, read};
use crate::engine::outbox::{
    Admission, Admitted, Delivery, DeliveryId, Ending, Key, NewDelivery, Occurrence, Outcome,
    Purpose, State,
};
use crate::model::{Address, Name};

/// For each notice, up to when it was dealt with.
pub(super) fn handled(
    conn: &Connection,
    project: &Name,
) -> Result<Vec<(Address, Timestamp)>, Trouble> {
    let sql = "SELECT notice, until FROM handled WHERE project = ?1";
    let one = |row: &Row<'_>| Ok((row.address(0)?, row.instant(1)?));
    read::all(conn, sql, [project.as_str()], one)
}

/// Up to when a notice was dealt with.
pub(super) fn handled_until(
    conn: &Connection,
    project: &Name,
    notice: &str,
) -> Result<Option<Timestamp>, Trouble> {
    let mut statement =
        conn.prepare_cached("SELECT until FROM handled WHERE project = ?1 AND notice = ?2")?;
    let mut rows = statement.query((project.as_str(), notice))?;
    let row = rows.next()?;
    row.map(|row| row.instant(0)).transpose()
}

/// Writes down occurrences.
pub(super) fn admit(
    tx: &Connection,
    project: &Name,
    notice: &Address,
    until: Timestamp,
    admissions: &[Admission],
) -> Result<Admitted, Trouble> {
    let notice = notice.to_string();
    let handled = handled_until(tx, project, &notice)?;
    if admissions
        .iter()
        .any(|admission| admission.is_stale(handled))
    {
        return Ok(Admitted::Stale);
    }
    let mut new = Vec::with_capacity(admissions.len());
    for admission in admissions {
        let nominal = instant_to_text(admission.nominal);
        let (outcome, reason) = match &admission.outcome {
            Some((outcome, reason)) => (Some(outcome.as_str()), Some(reason.as_str())),
            None => (None, None),
        };
        let inserted = tx
            .prepare_cached(
                "INSERT INTO occurrence (project, notice, nominal, last, count, fires_at, revision,
                     admitted_at, outcome, reason, ended_at, send_until, revoke_at, sent_by, told)
                 VALUES (:project, :notice, :nominal, :last, :count, :fires_at, :revision,
                     :admitted_at, :outcome, :reason, :ended_at, :send_until, :revoke_at, :sent_by, 0)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(named_params! {
                ":project": project.as_str(),
                ":notice": notice,
                ":nominal": nominal,
                ":last": instant_to_text(admission.last),
                ":count": i64::try_from(admission.count).unwrap_or(i64::MAX),
                ":fires_at": instant_to_text(admission.at),
                ":revision": admission.revision,
                ":admitted_at": instant_to_text(admission.admitted_at),
                ":outcome": outcome,
                ":reason": reason,
                ":ended_at": outcome.map(|_| instant_to_text(admission.admitted_at)),
                ":send_until": admission.send_until.map(instant_to_text),
                ":revoke_at": admission.revoke_at.map(instant_to_text),
                ":sent_by": admission.sent_by,
            })?;
        new.push(inserted == 1);
        if inserted == 1 {
            for delivery in &admission.deliveries {
                put(tx, project, (&notice, &nominal), Purpose::Notice, delivery)?;
            }
        }
    }
    tx.prepare_cached(
        "INSERT INTO handled (project, notice, until) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
    )?
    .execute((project.as_str(), &notice, instant_to_text(until)))?;
    Ok(Admitted::New(new))
}

/// Writes down a delivery.
pub(super) fn put(
    tx: &Connection,
    project: &Name,
    (notice, nominal): (&str, &str),
    purpose: Purpose,
    delivery: &NewDelivery,
) -> Result<(), Trouble> {
    tx.prepare_cached(
        "INSERT INTO delivery (project, notice, nominal, provider, app, operation, query, body,
             recipients, repeat, state, attempts, detail, invalid, purpose)
         VALUES (:project, :notice, :nominal, :provider, :app, :operation, :query, :body,
             :recipients, :repeat, 'pending', 0, '', :unseen, :purpose)",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":notice": notice,
        ":nominal": nominal,
        ":provider": delivery.provider.as_str(),
        ":app": delivery.app.as_str(),
        ":operation": delivery.parcel.operation,
        ":query": json(&delivery.parcel.query),
        ":body": delivery.parcel.body,
        ":recipients": everyone_to_json(&delivery.parcel.to),
        ":repeat": repeat_to_text(delivery.repeat),
        ":unseen": invalid_to_json(&delivery.unseen),
        ":purpose": purpose.as_str(),
    })?;
    Ok(())
}

/// Occurrences, newest first.
pub(super) fn occurrences(
    conn: &Connection,
    project: &Name,
    notice: Option<&Address>,
    limit: usize,
) -> Result<Vec<Occurrence>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let notice = notice.map(ToString::to_string);
    occurrence_rows(
        conn,
        "project = ?1 AND (?2 IS NULL OR notice = ?2) ORDER BY nominal DESC, notice LIMIT ?3",
        (project.as_str(), notice, limit),
    )
}

/// One occurrence.
pub(super) fn occurrence(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Option<Occurrence>, Trouble> {
    let nominal = instant_to_text(key.nominal);
    let found = occurrence_rows(
        conn,
        "project = ?1 AND notice = ?2 AND nominal = ?3",
        (project.as_str(), key.notice.to_string(), nominal),
    )?;
    Ok(found.into_iter().next())
}

/// The occurrences of which something holds.
pub(super) fn occurrence_rows(
    conn: &Connection,
    which: &str,
    params: impl Params,
) -> Result<Vec<Occurrence>, Trouble> {
    let sql = format!("SELECT {OCCURRENCE} FROM occurrence WHERE {which}");
    read::all(conn, &sql, params, |row| codec::occurrence(row))
}

/// The occurrences without an outcome, oldest first.
pub(super) fn undecided(conn: &Connection, project: &Name) -> Result<Vec<Key>, Trouble> {
    read::all(
        conn,
        "SELECT notice, nominal FROM occurrence
         WHERE project = ?1 AND outcome IS NULL ORDER BY nominal, notice",
        [project.as_str()],
        |row| key(row, 0),
    )
}

/// Every delivery of an occurrence.
pub(super) fn deliveries(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Delivery>, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    read::all(
        conn,
        &select_deliveries(
            "",
            "",
            "d.project = ?1 AND d.notice = ?2 AND d.nominal = ?3",
        ),
        (project.as_str(), notice, nominal),
        |row| delivery(row),
    )
}

/// What is pending or unknown, once claims that have expired are let go of.
pub(super) fn open(
    tx: &Connection,
    project: &Name,
    now: Timestamp,
) -> Result<Vec<Delivery>, Trouble> {
    tx.prepare_cached(
        "UPDATE delivery SET state = 'unknown', runner = NULL, expires = NULL,
             detail = 'the runner that sent it did not come back'
         WHERE project = ?1 AND state = 'sending' AND expires <= ?2",
    )?
    .execute((project.as_str(), instant_to_text(now)))?;
    let which = "d.project = ?1 AND d.state IN ('pending', 'unknown')";
    let sql = select_deliveries("", "", which);
    read::all(tx, &sql, [project.as_str()], |row| delivery(row))
}

/// Ends an attempt; false when the delivery is no longer that runner's.
pub(super) fn end(
    tx: &Connection,
    project: &Name,
    id: DeliveryId,
    runner: &str,
    now: Timestamp,
    ending: &Ending,
) -> Result<bool, Trouble> {
    let ended = tx
        .prepare_cached(
            "UPDATE delivery SET state = :state, runner = NULL, expires = NULL,
                 first_at = CASE WHEN :state = 'pending' AND attempts = 1 THEN NULL ELSE first_at END,
                 tried_at = :now, message = coalesce(:message, message), detail = :detail, invalid = :invalid
             WHERE project = :project AND delivery = :delivery AND state = 'sending'
                 AND runner = :runner AND expires > :now",
        )?
        .execute(named_params! {
            ":project": project.as_str(),
            ":delivery": id.0,
            ":runner": runner,
            ":now": instant_to_text(now),
            ":state": state_to_text(ending.state),
            ":message": ending.message,
            ":detail": ending.detail,
            ":invalid": invalid_to_json(&ending.invalid),
        })?;
    if ended == 1 && matches!(ending.state, State::Refused | State::Pending) {
        quota::give_back(tx, id)?;
    }
    Ok(ended == 1)
}

/// Marks an unknown delivery as one that only a person can settle.
pub(super) fn hold(
    tx: &Connection,
    project: &Name,
    id: DeliveryId,
    reason: &str,
) -> Result<bool, Trouble> {
    let held = tx
        .prepare_cached(
            "UPDATE delivery SET state = 'held', detail = ?3
             WHERE project = ?1 AND delivery = ?2 AND state = 'unknown'",
        )?
        .execute((project.as_str(), id.0, reason))?;
    Ok(held == 1)
}

/// Ends a delivery that is pending.
pub(super) fn give_up(
    tx: &Connection,
    project: &Name,
    id: DeliveryId,
    state: State,
    reason: &str,
) -> Result<bool, Trouble> {
    let ended = tx
        .prepare_cached(
            "UPDATE delivery SET state = ?4, detail = ?3
             WHERE project = ?1 AND delivery = ?2 AND state = 'pending'",
        )?
        .execute((project.as_str(), id.0, reason, state_to_text(state)))?;
    Ok(ended == 1)
}

/// Gives an occurrence its outcome.
pub(super) fn conclude(
    tx: &Connection,
    project: &Name,
    key: &Key,
    outcome: Outcome,
    reason: &str,
    now: Timestamp,
) -> Result<(), Trouble> {
    tx.prepare_cached(
        "UPDATE occurrence SET outcome = ?4, reason = ?5, ended_at = ?6
         WHERE project = ?1 AND notice = ?2 AND nominal = ?3 AND outcome IS NULL",
    )?
    .execute((
        project.as_str(),
        key.notice.to_string(),
        instant_to_text(key.nominal),
        outcome.as_str(),
        reason,
        instant_to_text(now),
    ))?;
    Ok(())
}

/// Cancels what is pending of a notice.
pub(super) fn cancel(
    tx: &Connection,
    project: &Name,
    notice: &Address,
    reason: &str,
) -> Result<usize, Trouble> {
    let cancelled = tx
        .prepare_cached(
            "UPDATE delivery SET state = 'cancelled', detail = ?3
             WHERE project = ?1 AND notice = ?2 AND state = 'pending'",
        )?
        .execute((project.as_str(), notice.to_string(), reason))?;
    Ok(cancelled)
}
