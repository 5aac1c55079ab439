//! What is taken of the vendors' quotas, in the transaction that claims a delivery.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use super::super::codec::outbox::nobody_gets_it;
use super::super::codec::sending::{invalid_from_json, invalid_to_json, state_to_text, to_to_text};
use super::super::codec::{instant_from_text, instant_to_text};
use super::trouble::Trouble;
use crate::engine::channel::To;
use crate::engine::outbox::{Claim, Delivery, DeliveryId, State};
use crate::engine::quota::{Claimed, Daily, Quota, Take};
use crate::model::Name;

/// Takes a delivery and what it needs, if it is as it was seen and there is enough.
pub(super) fn claim(
    tx: &Connection,
    project: &Name,
    seen: &Delivery,
    claim: &Claim,
    quota: &Quota,
    now: Timestamp,
) -> Result<Claimed, Trouble> {
    let id = seen.id;
    let is_as_seen = tx
        .prepare_cached(
            "SELECT 1 FROM delivery WHERE project = ?1 AND delivery = ?2 AND state = ?3
                 AND attempts = ?4 AND state IN ('pending', 'unknown')",
        )?
        .exists((
            project.as_str(),
            id.0,
            state_to_text(seen.state),
            seen.attempts,
        ))?;
    if !is_as_seen {
        return Ok(Claimed::Gone);
    }
    let dropped = match &quota.daily {
        Some(daily) => dropped(tx, daily, id)?,
        None => Vec::new(),
    };
    if seen.state == State::Pending && quota.is_for_nobody(&dropped) {
        drop_all(tx, project, id, &dropped)?;
        return Ok(Claimed::Dropped);
    }
    if let Some((what, ends)) = take(tx, &quota.takes, now)? {
        return Ok(Claimed::Full(what, ends));
    }
    if let Some(daily) = &quota.daily {
        has(tx, daily, id, &dropped)?;
    }
    tx.prepare_cached(
        "UPDATE delivery SET state = 'sending', attempts = attempts + 1,
             first_at = coalesce(first_at, :now), tried_at = :now, runner = :runner, expires = :expires
         WHERE project = :project AND delivery = :delivery",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":delivery": id.0,
        ":runner": claim.runner,
        ":expires": instant_to_text(claim.expires),
        ":now": instant_to_text(now),
    })?;
    Ok(Claimed::Taken(dropped))
}

/// Counts; what is used up, and until when, where there is not enough of everything.
pub(super) fn take(
    tx: &Connection,
    takes: &[Take],
    now: Timestamp,
) -> Result<Option<(String, Timestamp)>, Trouble> {
    for take in takes {
        if let Some(again) = take.waits(&kept(tx, take, now)?, now) {
            return Ok(Some((take.what.clone(), again)));
        }
    }
    for take in takes {
        let (period, ends) = take.kept(now);
        tx.prepare_cached(
            "INSERT INTO quota (name, period, used, ends) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET used = used + excluded.used",
        )?
        .execute((
            &take.name,
            &period,
            i64::try_from(take.amount).unwrap_or(i64::MAX),
            instant_to_text(ends),
        ))?;
        tx.prepare_cached("DELETE FROM quota WHERE name = ?1 AND ends <= ?2")?
            .execute((&take.name, instant_to_text(now)))?;
    }
    Ok(None)
}

/// How much of each has been taken.
pub(super) fn taken(
    conn: &Connection,
    takes: &[Take],
    now: Timestamp,
) -> Result<Vec<u64>, Trouble> {
    let of = |take| {
        let kept = kept(conn, take, now)?;
        Ok(kept.iter().map(|(used, _)| used).sum())
    };
    takes.iter().map(of).collect()
}

/// What counts with it, each with when it is there again, the first of these first.
fn kept(conn: &Connection, take: &Take, now: Timestamp) -> Result<Vec<(u64, Timestamp)>, Trouble> {
    let until = take.counts_until(now);
    let mut kept = conn.prepare_cached(
        "SELECT used, ends FROM quota WHERE name = ?1 AND ends > ?2 AND ends <= ?3 ORDER BY ends",
    )?;
    let rows = kept.query_map(
        (&take.name, instant_to_text(now), instant_to_text(until)),
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
    )?;
    let one = |row: rusqlite::Result<(i64, String)>| {
        let (used, ends) = row?;
        let ends = instant_from_text(&ends).map_err(Trouble::Corrupt)?;
        Ok((used.unsigned_abs(), ends))
    };
    rows.map(one).collect()
}

/// Whom the vendor will drop.
fn dropped(tx: &Connection, daily: &Daily, id: DeliveryId) -> Result<Vec<(To, String)>, Trouble> {
    let mut had = tx.prepare_cached(
        "SELECT count(*), coalesce(sum(content = ?4 AND delivery <> ?5), 0),
             coalesce(sum(delivery = ?5), 0)
         FROM had WHERE app = ?1 AND day = ?2 AND person = ?3",
    )?;
    let mut dropped = Vec::new();
    for person in &daily.people {
        let key = (
            &daily.app,
            &daily.day,
            to_to_text(person),
            &daily.content,
            id.0,
        );
        let (count, same, own): (i64, i64, i64) =
            had.query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if let Some(why) = daily.drops(count, same, own) {
            dropped.push((person.clone(), why.to_owned()));
        }
    }
    Ok(dropped)
}

/// Notes who has it, save those whom the vendor drops.
fn has(
    tx: &Connection,
    daily: &Daily,
    id: DeliveryId,
    dropped: &[(To, String)],
) -> Result<(), Trouble> {
    let mut put = tx.prepare_cached(
        "INSERT INTO had (app, day, person, content, delivery) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    for person in &daily.people {
        if !dropped.iter().any(|(to, _)| to == person) {
            let (app, day) = (&daily.app, &daily.day);
            put.execute((app, day, to_to_text(person), &daily.content, id.0))?;
        }
    }
    tx.prepare_cached("DELETE FROM had WHERE app = ?1 AND day < ?2")?
        .execute((&daily.app, &daily.day))?;
    Ok(())
}

/// Ends what nobody would get.
fn drop_all(
    tx: &Connection,
    project: &Name,
    id: DeliveryId,
    dropped: &[(To, String)],
) -> Result<(), Trouble> {
    let known: String = tx
        .prepare_cached("SELECT invalid FROM delivery WHERE project = ?1 AND delivery = ?2")?
        .query_row((project.as_str(), id.0), |row| row.get(0))?;
    let mut invalid = invalid_from_json(&known).map_err(Trouble::Corrupt)?;
    invalid.extend_from_slice(dropped);
    tx.prepare_cached(
        "UPDATE delivery SET state = 'refused', invalid = ?3, detail = ?4
         WHERE project = ?1 AND delivery = ?2",
    )?
    .execute((
        project.as_str(),
        id.0,
        invalid_to_json(&invalid),
        nobody_gets_it(dropped),
    ))?;
    Ok(())
}

/// Nobody has what never left or was refused.
pub(super) fn give_back(tx: &Connection, id: DeliveryId) -> Result<(), Trouble> {
    tx.prepare_cached("DELETE FROM had WHERE delivery = ?1")?
        .execute([id.0])?;
    Ok(())
}
