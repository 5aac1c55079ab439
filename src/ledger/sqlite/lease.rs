//! The right to apply: one row for each project, whose fence only grows.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, named_params};

use super::super::codec::instant_to_text;
use super::super::lease_row::{DUTY, LeaseRow, Words, after, good as judge, not_passed};
use super::holder_lock::{HolderLock, LockFile};
use super::trouble::Trouble;
use crate::engine::ledger::{Holder, Lease, LeaseState, LedgerError, Turn};
use crate::model::Name;

/// Takes the lease, unless somebody lives who has it.
pub(super) fn acquire(
    tx: &Connection,
    project: &Name,
    lock_file: Option<&LockFile>,
    held: &mut Option<(i64, HolderLock)>,
    holder: &Holder,
    now: Timestamp,
    ttl: SignedDuration,
) -> Result<Lease, Trouble> {
    let newest = newest(tx, project)?;
    let fence = newest.as_ref().map_or(1, |row| row.fence + 1);
    if let Some(row) = newest
        && row.is_held(now)
    {
        // A token that we wrote ourselves is locked by us, and we are alive.
        let ours = held.as_ref().is_some_and(|(fence, _)| *fence == row.fence);
        let state = state_of(row, lock_file.filter(|_| !ours));
        if !state.dead {
            return Err(Trouble::Said(LedgerError::Held(Box::new(state))));
        }
    }
    let lock = match held.take() {
        Some((_, lock)) => lock.renewed(),
        None => lock_file.and_then(LockFile::take),
    };
    tx.prepare_cached(
        "INSERT INTO lease (project, duty, fence, host, pid, user, command, since, heartbeat, expires, token)
         VALUES (:project, :duty, :fence, :host, :pid, :user, :command, :now, :now, :expires, :token)
         ON CONFLICT (project, duty) DO UPDATE SET
             fence = excluded.fence, host = excluded.host, pid = excluded.pid, user = excluded.user,
             command = excluded.command, since = excluded.since, heartbeat = excluded.heartbeat,
             expires = excluded.expires, token = excluded.token, ended = NULL, ended_at = NULL",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":duty": DUTY,
        ":fence": fence,
        ":host": holder.host,
        ":pid": holder.pid,
        ":user": holder.user,
        ":command": holder.command,
        ":now": instant_to_text(now),
        ":expires": instant_to_text(after(now, ttl)),
        ":token": lock.as_ref().map(|lock| lock.token.as_str()),
    })?;
    *held = lock.map(|lock| (fence, lock));
    Ok(Lease {
        fence,
        holder: holder.clone(),
        since: now,
    })
}

/// Lengthens a lease that is [`good`]. One that came to power while the holder before it was still paused
/// with the lock gets the lock now, if that one is gone.
pub(super) fn renew(
    tx: &Connection,
    project: &Name,
    lock_file: Option<&LockFile>,
    held: &mut Option<(i64, HolderLock)>,
    lease: &Lease,
    now: Timestamp,
    ttl: SignedDuration,
) -> Result<(), Trouble> {
    if held.is_none() {
        *held = lock_file
            .and_then(LockFile::take)
            .map(|lock| (lease.fence, lock));
    }
    let token = held
        .as_ref()
        .filter(|(fence, _)| *fence == lease.fence)
        .map(|(_, lock)| lock.token.as_str());
    tx.prepare_cached(
        "UPDATE lease SET heartbeat = :now, expires = :expires, token = :token
         WHERE project = :project AND duty = :duty",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":duty": DUTY,
        ":now": instant_to_text(now),
        ":expires": instant_to_text(after(now, ttl)),
        ":token": token,
    })?;
    Ok(())
}

/// Fails unless this lease is the newest, has not ended, and is unexpired at the instant `at`.
pub(super) fn good(
    tx: &Connection,
    project: &Name,
    lease: &Lease,
    at: Timestamp,
) -> Result<(), Trouble> {
    judge(newest(tx, project)?, lease, at).map_err(Trouble::Said)
}

/// Gives a lease back, also an expired one.
pub(super) fn release(
    tx: &Connection,
    project: &Name,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), Trouble> {
    not_passed(newest(tx, project)?, lease).map_err(Trouble::Said)?;
    end(tx, project, "released", now)
}

/// Ends whatever lease there is.
pub(super) fn end_by_force(
    tx: &Connection,
    project: &Name,
    lock_file: Option<&LockFile>,
    now: Timestamp,
) -> Result<Option<LeaseState>, Trouble> {
    let state = state(tx, project, lock_file)?;
    if state.is_some() {
        end(tx, project, "broken", now)?;
    }
    Ok(state)
}

/// The lease as others see it; an expired one is still one.
pub(super) fn state(
    conn: &Connection,
    project: &Name,
    lock_file: Option<&LockFile>,
) -> Result<Option<LeaseState>, Trouble> {
    Ok(newest(conn, project)?
        .filter(|row| row.ended.is_none())
        .map(|row| state_of(row, lock_file)))
}

/// The newest lease, ended or not.
pub(super) fn turn(conn: &Connection, project: &Name) -> Result<Option<Turn>, Trouble> {
    Ok(newest(conn, project)?.map(|row| Turn {
        fence: row.fence,
        has_ended: row.ended.is_some(),
    }))
}

fn state_of(row: LeaseRow, lock_file: Option<&LockFile>) -> LeaseState {
    let dead = match (&row.token, lock_file) {
        (Some(token), Some(lock_file)) => lock_file.is_orphaned(token),
        _ => false,
    };
    row.state(dead)
}

fn end(tx: &Connection, project: &Name, how: &str, now: Timestamp) -> Result<(), Trouble> {
    tx.prepare_cached(
        "UPDATE lease SET ended = ?3, ended_at = ?4 WHERE project = ?1 AND duty = ?2",
    )?
    .execute((project.as_str(), DUTY, how, instant_to_text(now)))?;
    Ok(())
}

fn newest(conn: &Connection, project: &Name) -> Result<Option<LeaseRow>, Trouble> {
    let mut statement = conn.prepare_cached(
        "SELECT fence, host, pid, user, command, since, heartbeat, expires, token, ended, ended_at
         FROM lease WHERE project = ?1 AND duty = ?2",
    )?;
    let row = statement
        .query_row((project.as_str(), DUTY), |row| {
            let holder = Holder {
                host: row.get(1)?,
                pid: row.get(2)?,
                user: row.get(3)?,
                command: row.get(4)?,
            };
            let instants: [String; 3] = [row.get(5)?, row.get(6)?, row.get(7)?];
            let ended: Option<(String, String)> =
                Option::zip(row.get::<_, Option<_>>(9)?, row.get::<_, Option<_>>(10)?);
            Ok((row.get(0)?, holder, instants, row.get(8)?, ended))
        })
        .optional()?;
    let Some((fence, holder, [since, heartbeat, expires], token, ended)) = row else {
        return Ok(None);
    };
    let wrong = |why| Trouble::Row(format!("the lease of {project}"), why);
    let ended = ended.as_ref();
    let words = Words {
        since: &since,
        heartbeat: &heartbeat,
        expires: &expires,
        ended: ended.map(|(how, at)| (how.as_str(), at.as_str())),
    };
    LeaseRow::read(fence, holder, token, &words)
        .map(Some)
        .map_err(wrong)
}
