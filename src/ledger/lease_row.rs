//! A project's newest lease as a row, and how it is judged; the same in every database.

use jiff::{SignedDuration, Timestamp};

use super::codec::instant_from_text;
use crate::engine::ledger::{Holder, Lease, LeaseState, LedgerError};

/// Later versions have other duties beside it.
pub(super) const DUTY: &str = "apply";

/// The newest lease, ended or not.
pub(super) struct LeaseRow {
    pub(super) fence: i64,
    pub(super) holder: Holder,
    pub(super) since: Timestamp,
    pub(super) heartbeat: Timestamp,
    pub(super) expires: Timestamp,
    /// What the holder wrote into the lock file that it keeps locked, if it could.
    pub(super) token: Option<String>,
    pub(super) ended: Option<(Ending, Timestamp)>,
}

pub(super) enum Ending {
    Released,
    Broken,
}

/// The columns of the row that are not read as they are.
pub(super) struct Words<'r> {
    pub(super) since: &'r str,
    pub(super) heartbeat: &'r str,
    pub(super) expires: &'r str,
    pub(super) ended: Option<(&'r str, &'r str)>,
}

impl LeaseRow {
    /// Reads the words of a row.
    pub(super) fn read(
        fence: i64,
        holder: Holder,
        token: Option<String>,
        words: &Words<'_>,
    ) -> Result<Self, String> {
        let ended = match words.ended {
            None => None,
            Some((how, at)) => {
                let how = match how {
                    "released" => Ending::Released,
                    "broken" => Ending::Broken,
                    how => return Err(format!("unknown ending {how:?}")),
                };
                Some((how, instant_from_text(at)?))
            }
        };
        Ok(Self {
            fence,
            holder,
            since: instant_from_text(words.since)?,
            heartbeat: instant_from_text(words.heartbeat)?,
            expires: instant_from_text(words.expires)?,
            token,
            ended,
        })
    }

    /// Whether somebody holds it at the instant `now`, alive or not.
    pub(super) fn is_held(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires
    }

    /// The lease as others see it; an expired one is still one.
    pub(super) fn state(self, dead: bool) -> LeaseState {
        LeaseState {
            fence: self.fence,
            holder: self.holder,
            since: self.since,
            heartbeat: self.heartbeat,
            expires: self.expires,
            dead,
        }
    }
}

/// Fails unless this lease is the newest and has not ended.
pub(super) fn not_passed(newest: Option<LeaseRow>, lease: &Lease) -> Result<LeaseRow, LedgerError> {
    let Some(row) = newest.filter(|row| row.fence >= lease.fence) else {
        return lost("the ledger does not know it; was an older copy restored?".into());
    };
    if row.fence > lease.fence {
        let Holder {
            host,
            pid,
            user,
            command,
        } = &row.holder;
        let since = row.since;
        return lost(format!(
            "{user} took it at {since} (`{command}`, process {pid} on {host})"
        ));
    }
    match row.ended {
        None => Ok(row),
        Some((Ending::Released, at)) => lost(format!("it was given back at {at}")),
        Some((Ending::Broken, at)) => lost(format!("somebody broke it at {at}")),
    }
}

/// Fails unless this lease is the newest, has not ended, and is unexpired at the instant `at`.
pub(super) fn good(
    newest: Option<LeaseRow>,
    lease: &Lease,
    at: Timestamp,
) -> Result<(), LedgerError> {
    let row = not_passed(newest, lease)?;
    if at < row.expires {
        Ok(())
    } else {
        lost(format!("it expired at {}, before {at}", row.expires))
    }
}

fn lost<T>(why: String) -> Result<T, LedgerError> {
    Err(LedgerError::LeaseLost(why))
}

/// A lease for longer than there are years lasts until the last instant.
pub(super) fn after(now: Timestamp, ttl: SignedDuration) -> Timestamp {
    now.checked_add(ttl).unwrap_or(Timestamp::MAX)
}
