//! What is taken of the vendors' quotas, in the transaction that claims a delivery.
//!
//! Who takes of one quota takes turns: what is left is read before it is taken. A delivery itself is passed
//! over when another runner is at it.

use jiff::Timestamp;

use super::super::codec::outbox::nobody_gets_it;
use super::super::codec::sending::{invalid_from_json, invalid_to_json, state_to_text, to_to_text};
use super::super::codec::{instant_from_text, instant_to_text};
use super::connect::Connection;
use super::text;
use super::transaction::Tx;
use super::trouble::Trouble;
use crate::engine::channel::To;
use crate::engine::outbox::{Claim, Delivery, DeliveryId, State};
use crate::engine::quota::{Claimed, Daily, Quota, Take};
use crate::model::Name;

/// Takes a delivery and what it needs, if it is as it was seen and there is enough.
pub(super) async fn claim(
    tx: &Tx<'_>,
    project: &Name,
    seen: &Delivery,
    claim: &Claim,
    quota: &Quota,
    now: Timestamp,
) -> Result<Claimed, Trouble> {
    let id = seen.id;
    let as_seen = tx
        .maybe_row(
            "SELECT FROM delivery WHERE project = $1 AND delivery = $2 AND state = $3
                 AND attempts = $4 AND state IN ('pending', 'unknown')
             FOR UPDATE SKIP LOCKED",
            &[
                &project.as_str(),
                &id.0,
                &state_to_text(seen.state),
                &i64::from(seen.attempts),
            ],
        )
        .await?;
    if as_seen.is_none() {
        return Ok(Claimed::Gone);
    }
    if let Some(daily) = &quota.daily {
        turn(tx, &format!("had/{}", daily.app)).await?;
    }
    let dropped = match &quota.daily {
        Some(daily) => dropped(tx, daily, id).await?,
        None => Vec::new(),
    };
    if seen.state == State::Pending && quota.is_for_nobody(&dropped) {
        drop_all(tx, project, id, &dropped).await?;
        return Ok(Claimed::Dropped);
    }
    if let Some((what, ends)) = take(tx, &quota.takes, now).await? {
        return Ok(Claimed::Full(what, ends));
    }
    if let Some(daily) = &quota.daily {
        has(tx, daily, id, &dropped).await?;
    }
    // By the clock that judges it, for as long as was asked for.
    let lasts = claim.expires.duration_since(now);
    let now = tx.now(now).await?;
    let expires = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
    tx.run(
        "UPDATE delivery SET state = 'sending', attempts = attempts + 1,
             first_at = coalesce(first_at, $3), tried_at = $3, runner = $4, expires = $5
         WHERE project = $1 AND delivery = $2",
        &[
            &project.as_str(),
            &id.0,
            &instant_to_text(now),
            &text(&claim.runner),
            &instant_to_text(expires),
        ],
    )
    .await?;
    Ok(Claimed::Taken(dropped))
}

/// How much of each has been taken.
pub(super) async fn taken(
    conn: &Connection,
    takes: &[Take],
    now: Timestamp,
) -> Result<Vec<u64>, Trouble> {
    let mut all = Vec::with_capacity(takes.len());
    for take in takes {
        let kept = kept(conn, take, now).await?;
        all.push(kept.iter().map(|(used, _)| used).sum());
    }
    Ok(all)
}

/// What counts with it, each with when it is there again, the first of these first.
async fn kept(
    conn: &Connection,
    take: &Take,
    now: Timestamp,
) -> Result<Vec<(u64, Timestamp)>, Trouble> {
    let until = take.counts_until(now);
    let rows = conn
        .rows(
            "SELECT used, ends FROM quota WHERE name = $1 AND ends > $2 AND ends <= $3 ORDER BY ends",
            &[&take.name, &instant_to_text(now), &instant_to_text(until)],
        )
        .await?;
    let one = |row: &tokio_postgres::Row| {
        let (used, ends): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
        let ends = instant_from_text(ends).map_err(Trouble::Corrupt)?;
        Ok((used.unsigned_abs(), ends))
    };
    rows.iter().map(one).collect()
}

/// Waits until nobody else is at what has this name; until the transaction ends it is ours.
async fn turn(tx: &Tx<'_>, name: &str) -> Result<(), Trouble> {
    tx.row(
        "SELECT pg_advisory_xact_lock(hashtextextended('quota ' || $1, 0))::text",
        &[&name],
    )
    .await?;
    Ok(())
}

/// Counts; what is used up, and until when, where there is not enough of everything.
pub(super) async fn take(
    tx: &Tx<'_>,
    takes: &[Take],
    now: Timestamp,
) -> Result<Option<(String, Timestamp)>, Trouble> {
    // Everybody in one order, so that nobody waits in a ring.
    let mut names: Vec<&str> = takes.iter().map(|take| take.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        turn(tx, name).await?;
    }
    for take in takes {
        if let Some(again) = take.waits(&kept(tx, take, now).await?, now) {
            return Ok(Some((take.what.clone(), again)));
        }
    }
    for take in takes {
        let (period, ends) = take.kept(now);
        tx.run(
            "INSERT INTO quota AS q (name, period, used, ends) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name, period) DO UPDATE SET used = q.used + excluded.used",
            &[
                &take.name,
                &period,
                &i64::try_from(take.amount).unwrap_or(i64::MAX),
                &instant_to_text(ends),
            ],
        )
        .await?;
        tx.run(
            "DELETE FROM quota WHERE name = $1 AND ends <= $2",
            &[&take.name, &instant_to_text(now)],
        )
        .await?;
    }
    Ok(None)
}

/// Whom the vendor will drop.
async fn dropped(tx: &Tx<'_>, daily: &Daily, id: DeliveryId) -> Result<Vec<(To, String)>, Trouble> {
    let mut dropped = Vec::new();
    for person in &daily.people {
        let row = tx
            .row(
                "SELECT count(*), count(*) FILTER (WHERE content = $4 AND delivery <> $5),
                     count(*) FILTER (WHERE delivery = $5)
                 FROM had WHERE app = $1 AND day = $2 AND person = $3",
                &[
                    &daily.app,
                    &daily.day,
                    &text(&to_to_text(person)),
                    &daily.content,
                    &id.0,
                ],
            )
            .await?;
        let (count, same, own): (i64, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if let Some(why) = daily.drops(count, same, own) {
            dropped.push((person.clone(), why.to_owned()));
        }
    }
    Ok(dropped)
}

/// Notes who has it, save those whom the vendor drops.
async fn has(
    tx: &Tx<'_>,
    daily: &Daily,
    id: DeliveryId,
    dropped: &[(To, String)],
) -> Result<(), Trouble> {
    for person in &daily.people {
        if !dropped.iter().any(|(to, _)| to == person) {
            tx.run(
                "INSERT INTO had (app, day, person, content, delivery) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
                &[
                    &daily.app,
                    &daily.day,
                    &text(&to_to_text(person)),
                    &daily.content,
                    &id.0,
                ],
            )
            .await?;
        }
    }
    tx.run(
        "DELETE FROM had WHERE app = $1 AND day < $2",
        &[&daily.app, &daily.day],
    )
    .await?;
    Ok(())
}

/// Ends what nobody would get.
async fn drop_all(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    dropped: &[(To, String)],
) -> Result<(), Trouble> {
    let row = tx
        .row(
            "SELECT invalid FROM delivery WHERE project = $1 AND delivery = $2",
            &[&project.as_str(), &id.0],
        )
        .await?;
    let mut invalid = invalid_from_json(row.try_get(0)?).map_err(Trouble::Corrupt)?;
    invalid.extend_from_slice(dropped);
    tx.run(
        "UPDATE delivery SET state = 'refused', invalid = $3, detail = $4
         WHERE project = $1 AND delivery = $2",
        &[
            &project.as_str(),
            &id.0,
            &invalid_to_json(&invalid),
            &nobody_gets_it(dropped),
        ],
    )
    .await?;
    Ok(())
}

/// Nobody has what never left or was refused.
pub(super) async fn give_back(tx: &Tx<'_>, id: DeliveryId) -> Result<(), Trouble> {
    tx.run("DELETE FROM had WHERE delivery = $1", &[&id.0])
        .await?;
    Ok(())
}
