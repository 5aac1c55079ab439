//! The right to apply: one row for each project, locked while it is judged.

use jiff::{SignedDuration, Timestamp};

use super::super::codec::instant_to_text;
use super::super::lease_row::{DUTY, LeaseRow, Words, after, good as judge, not_passed};
use super::connect::Connection;
use super::text;
use super::transaction::Tx;
use super::trouble::Trouble;
use crate::engine::ledger::{Holder, Lease, LeaseState, LedgerError, Turn};
use crate::model::Name;

/// Takes the lease, unless somebody has it.
pub(super) async fn acquire(
    tx: &Tx<'_>,
    project: &Name,
    holder: &Holder,
    now: Timestamp,
    ttl: SignedDuration,
) -> Result<Lease, Trouble> {
    // Two who are the first meet here: the second waits, inserts nothing, and finds the first. Nobody sees
    // the row before it is taken below.
    tx.run(
        "INSERT INTO lease (project, duty, fence, host, pid, \"user\", command, since, heartbeat,
             expires, ended, ended_at)
         VALUES ($1, $2, 0, '', 0, '', '', $3, $3, $3, 'released', $3)
         ON CONFLICT DO NOTHING",
        &[&project.as_str(), &DUTY, &instant_to_text(now)],
    )
    .await?;
    let newest = newest(tx, project, Lock::Yes).await?;
    let now = tx.now(now).await?;
    let fence = newest.as_ref().map_or(1, |row| row.fence + 1);
    if let Some(row) = newest
        && row.is_held(now)
    {
        return Err(LedgerError::Held(Box::new(row.state(false))).into());
    }
    tx.run(
        "UPDATE lease SET fence = $3, host = $4, pid = $5, \"user\" = $6, command = $7,
             since = $8, heartbeat = $8, expires = $9, token = NULL, ended = NULL, ended_at = NULL
         WHERE project = $1 AND duty = $2",
        &[
            &project.as_str(),
            &DUTY,
            &fence,
            &text(&holder.host),
            &i64::from(holder.pid),
            &text(&holder.user),
            &text(&holder.command),
            &instant_to_text(now),
            &instant_to_text(after(now, ttl)),
        ],
    )
    .await?;
    Ok(Lease {
        fence,
        holder: holder.clone(),
        since: now,
    })
}

/// Lengthens a lease that is good.
pub(super) async fn renew(
    tx: &Tx<'_>,
    project: &Name,
    lease: &Lease,
    now: Timestamp,
    ttl: SignedDuration,
) -> Result<(), Trouble> {
    let now = good(tx, project, lease, now).await?;
    tx.run(
        "UPDATE lease SET heartbeat = $3, expires = $4 WHERE project = $1 AND duty = $2",
        &[
            &project.as_str(),
            &DUTY,
            &instant_to_text(now),
            &instant_to_text(after(now, ttl)),
        ],
    )
    .await?;
    Ok(())
}

/// Fails unless this lease is the newest, has not ended, and is unexpired; until the transaction ends
/// nobody can take it over.
pub(super) async fn good(
    tx: &Tx<'_>,
    project: &Name,
    lease: &Lease,
    at: Timestamp,
) -> Result<Timestamp, Trouble> {
    let newest = newest(tx, project, Lock::Yes).await?;
    let at = tx.now(at).await?;
    judge(newest, lease, at)?;
    Ok(at)
}

/// Gives a lease back, also an expired one.
pub(super) async fn release(
    tx: &Tx<'_>,
    project: &Name,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), Trouble> {
    not_passed(newest(tx, project, Lock::Yes).await?, lease)?;
    end(tx, project, "released", now).await
}

/// Ends whatever lease there is.
pub(super) async fn end_by_force(
    tx: &Tx<'_>,
    project: &Name,
    now: Timestamp,
) -> Result<Option<LeaseState>, Trouble> {
    let newest = newest(tx, project, Lock::Yes).await?;
    let state = newest.filter(|row| row.ended.is_none());
    if state.is_some() {
        end(tx, project, "broken", now).await?;
    }
    Ok(state.map(|row| row.state(false)))
}

/// The lease as others see it; an expired one is still one.
pub(super) async fn state(
    conn: &Connection,
    project: &Name,
) -> Result<Option<LeaseState>, Trouble> {
    let newest = newest(conn, project, Lock::No).await?;
    let newest = newest.filter(|row| row.ended.is_none());
    Ok(newest.map(|row| row.state(false)))
}

/// The newest lease, ended or not.
pub(super) async fn turn(conn: &Connection, project: &Name) -> Result<Option<Turn>, Trouble> {
    Ok(newest(conn, project, Lock::No).await?.map(turn_of))
}

/// The same, and until the transaction ends nobody takes the lease.
pub(super) async fn turn_locked(tx: &Tx<'_>, project: &Name) -> Result<Option<Turn>, Trouble> {
    Ok(newest(tx, project, Lock::Yes).await?.map(turn_of))
}

fn turn_of(row: LeaseRow) -> Turn {
    Turn {
        fence: row.fence,
        has_ended: row.ended.is_some(),
    }
}

async fn end(tx: &Tx<'_>, project: &Name, how: &str, now: Timestamp) -> Result<(), Trouble> {
    let now = tx.now(now).await?;
    tx.run(
        "UPDATE lease SET ended = $3, ended_at = $4 WHERE project = $1 AND duty = $2",
        &[&project.as_str(), &DUTY, &how, &instant_to_text(now)],
    )
    .await?;
    Ok(())
}

enum Lock {
    Yes,
    No,
}

async fn newest(
    conn: &Connection,
    project: &Name,
    lock: Lock,
) -> Result<Option<LeaseRow>, Trouble> {
    let select =
        "SELECT fence, host, pid, \"user\", command, since, heartbeat, expires, ended, ended_at
         FROM lease WHERE project = $1 AND duty = $2";
    let select = match lock {
        Lock::Yes => format!("{select} FOR UPDATE"),
        Lock::No => select.to_owned(),
    };
    let row = conn.maybe_row(&select, &[&project.as_str(), &DUTY]).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let wrong = |why| Trouble::Row(format!("the lease of {project}"), why);
    let pid: i64 = row.try_get(2)?;
    let holder = Holder {
        host: row.try_get(1)?,
        pid: u32::try_from(pid).map_err(|e| wrong(e.to_string()))?,
        user: row.try_get(3)?,
        command: row.try_get(4)?,
    };
    let words = Words {
        since: row.try_get(5)?,
        heartbeat: row.try_get(6)?,
        expires: row.try_get(7)?,
        ended: Option::zip(row.try_get(8)?, row.try_get(9)?),
    };
    LeaseRow::read(row.try_get(0)?, holder, None, &words)
        .map(Some)
        .map_err(wrong)
}
