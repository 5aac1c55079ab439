//! What follows sending: settlements, recalls, who was told, pauses.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};

use super::super::codec::instant_to_text;
use super::super::codec::sending::{recall_from_text, word_from_text};
use super::SqliteLedger;
use super::bindings::text;
use super::outbox::{address, delivery, instant, occurrence_rows, put, select_deliveries};
use super::trouble::Trouble;
use crate::engine::Pending;
use crate::engine::afterwards::{
    AfterSettling, Afterwards, Pause, Recall, RecallState, Settlement, Word,
};
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{
    Claim, DeliveryId, Key, NewDelivery, Occurrence, OutboxError, Purpose,
};
use crate::model::{Address, Name};

impl Afterwards for SqliteLedger {
    fn settle<'a>(
        &'a self,
        key: &'a Key,
        settlement: &'a Settlement,
        end: &'a AfterSettling,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(
            async move { self.writing(|tx, _| settle(tx, &self.project, key, settlement, end)) },
        )
    }

    fn settlements<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<Settlement>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| settlements(conn, &self.project, key)) })
    }

    fn revoke<'a>(
        &'a self,
        key: &'a Key,
        who: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| revoke(tx, &self.project, key, who, now)) })
    }

    fn recalls(&self, now: Timestamp) -> Pending<'_, Result<Vec<Recall>, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| recalls(tx, &self.project, now)) })
    }

    fn recalls_of<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Recall>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| recalls_of(conn, &self.project, key)) })
    }

    fn claim_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        claim: &'a Claim,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            self.writing(|tx, _| claim_recall(tx, &self.project, delivery, claim, now))
        })
    }

    fn end_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        runner: &'a str,
        now: Timestamp,
        state: RecallState,
        detail: &'a str,
    ) -> Pending<'a, Result<(), OutboxError>> {
        Box::pin(async move {
            let whose = (delivery, runner);
            let ended =
                self.writing(|tx, _| end_recall(tx, &self.project, whose, now, state, detail))?;
            if ended {
                Ok(())
            } else {
                Err(OutboxError::Lost)
            }
        })
    }

    fn drop_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        now: Timestamp,
        state: RecallState,
        detail: &'a str,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            self.writing(|tx, _| drop_recall(tx, &self.project, delivery, now, state, detail))
        })
    }

    fn untold(&self) -> Pending<'_, Result<Vec<Occurrence>, LedgerError>> {
        Box::pin(async { self.looking(|conn| untold(conn, &self.project)) })
    }

    fn tell<'a>(
        &'a self,
        key: &'a Key,
        deliveries: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| tell(tx, &self.project, key, deliveries)) })
    }

    fn pauses(&self) -> Pending<'_, Result<Vec<Pause>, LedgerError>> {
        Box::pin(async { self.looking(|conn| pauses(conn, &self.project)) })
    }

    fn pause<'a>(&'a self, one: &'a Pause) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| pause(tx, &self.project, one)) })
    }

    fn resume<'a>(
        &'a self,
        notice: &'a Address,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| resume(tx, &self.project, notice, now)) })
    }
}

/// Notes what a person says of a held occurrence; false when it is not held.
pub(super) fn settle(
    tx: &Connection,
    project: &Name,
    key: &Key,
    settlement: &Settlement,
    end: &AfterSettling,
) -> Result<bool, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let now = instant_to_text(settlement.at);
    let (outcome, reason, ended_at, send_until) = match end {
        AfterSettling::Ended(outcome, reason) => (
            Some(outcome.as_str()),
            Some(reason.as_str()),
            Some(&now),
            None,
        ),
        AfterSettling::Pending(until) => (None, None, None, Some(instant_to_text(*until))),
    };
    let settled = tx
        .prepare_cached(
            "UPDATE occurrence SET outcome = :outcome, reason = :reason, ended_at = :ended_at,
                 send_until = coalesce(:send_until, send_until)
             WHERE project = :project AND notice = :notice AND nominal = :nominal
                 AND outcome = 'held'",
        )?
        .execute(named_params! {
            ":project": project.as_str(),
            ":notice": notice,
            ":nominal": nominal,
            ":outcome": outcome,
            ":reason": reason,
            ":ended_at": ended_at,
            ":send_until": send_until,
        })?;
    if settled == 0 {
        return Ok(false);
    }
    let state = match settlement.word {
        Word::Sent => "sent",
        Word::NotSent => "refused",
        Word::Resend => "pending",
    };
    let detail = match settlement.word {
        Word::Sent => format!("{} said that it was sent", settlement.who),
        Word::NotSent => format!("{} said that it was not sent", settlement.who),
        Word::Resend => format!("{} had it sent again", settlement.who),
    };
    tx.prepare_cached(
        "UPDATE delivery SET state = :state, detail = :detail,
             attempts = CASE WHEN :state = 'pending' THEN 0 ELSE attempts END,
             first_at = CASE WHEN :state = 'pending' THEN NULL ELSE first_at END
         WHERE project = :project AND notice = :notice AND nominal = :nominal AND state = 'held'
             AND purpose = 'notice'",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":notice": notice,
        ":nominal": nominal,
        ":state": state,
        ":detail": detail,
    })?;
    tx.prepare_cached(
        "INSERT INTO settlement (project, notice, nominal, word, who, settled_at, held_for)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        project.as_str(),
        notice,
        nominal,
        settlement.word.as_str(),
        &settlement.who,
        now,
        &settlement.held_for,
    ))?;
    Ok(true)
}

/// What people said of an occurrence.
pub(super) fn settlements(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Settlement>, Trouble> {
    let mut statement = conn.prepare_cached(
        "SELECT word, who, settled_at, held_for FROM settlement
         WHERE project = ?1 AND notice = ?2 AND nominal = ?3 ORDER BY settlement",
    )?;
    let nominal = instant_to_text(key.nominal);
    let mut rows = statement.query((project.as_str(), key.notice.to_string(), nominal))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Settlement {
            word: word_from_text(text(row, 0)?).map_err(Trouble::Corrupt)?,
            who: row.get(1)?,
            at: instant(text(row, 2)?)?,
            held_for: row.get(3)?,
        });
    }
    Ok(found)
}

/// Asks for an occurrence to be taken back.
pub(super) fn revoke(
    tx: &Connection,
    project: &Name,
    key: &Key,
    who: &str,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let asked = tx
        .prepare_cached(
            "UPDATE occurrence SET revoke_at = min(coalesce(revoke_at, ?5), ?5), revoked_by = ?4
             WHERE project = ?1 AND notice = ?2 AND nominal = ?3
                 AND revoked_by IS NULL AND revoked_at IS NULL",
        )?
        .execute((
            project.as_str(),
            key.notice.to_string(),
            instant_to_text(key.nominal),
            who,
            instant_to_text(now),
        ))?;
    Ok(asked == 1)
}

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
    let mut statement = conn.prepare_cached(&select_deliveries(
        ", r.state, r.detail, r.ended_at",
        "JOIN recall r ON r.delivery = d.delivery",
        which,
    ))?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let ended_at: Option<String> = row.get(21)?;
        found.push(Recall {
            delivery: delivery(row)?,
            state: recall_from_text(text(row, 19)?).map_err(Trouble::Corrupt)?,
            detail: row.get(20)?,
            ended_at: ended_at.as_deref().map(instant).transpose()?,
        });
    }
    Ok(found)
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
                 first_at = coalesce(first_at, ?5), runner = ?3, expires = ?4
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
            "UPDATE recall SET state = ?3, detail = ?4, runner = NULL, expires = NULL, ended_at = ?5
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

/// What went wrong and nobody was told of.
pub(super) fn untold(conn: &Connection, project: &Name) -> Result<Vec<Occurrence>, Trouble> {
    occurrence_rows(
        conn,
        "project = ?1 AND told = 0 AND outcome IN ('missed', 'refused', 'partial', 'held')
         ORDER BY nominal, notice",
        (project.as_str(),),
    )
}

/// Writes down what is sent to those who hear of problems, once.
pub(super) fn tell(
    tx: &Connection,
    project: &Name,
    key: &Key,
    deliveries: &[NewDelivery],
) -> Result<bool, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let first = tx
        .prepare_cached(
            "UPDATE occurrence SET told = 1
             WHERE project = ?1 AND notice = ?2 AND nominal = ?3 AND told = 0",
        )?
        .execute((project.as_str(), &notice, &nominal))?;
    if first == 1 {
        for delivery in deliveries {
            put(tx, project, (&notice, &nominal), Purpose::Problem, delivery)?;
        }
    }
    Ok(first == 1)
}

/// The newest pause of each notice.
pub(super) fn pauses(conn: &Connection, project: &Name) -> Result<Vec<Pause>, Trouble> {
    let mut statement = conn.prepare_cached(
        "SELECT notice, since, until, who FROM pause WHERE project = ?1 ORDER BY notice",
    )?;
    let mut rows = statement.query([project.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let until: Option<String> = row.get(2)?;
        found.push(Pause {
            notice: address(text(row, 0)?)?,
            since: instant(text(row, 1)?)?,
            until: until.as_deref().map(instant).transpose()?,
            who: row.get(3)?,
        });
    }
    Ok(found)
}

/// Begins a pause.
pub(super) fn pause(tx: &Connection, project: &Name, pause: &Pause) -> Result<(), Trouble> {
    let Pause {
        notice,
        since,
        until,
        who,
    } = pause;
    tx.prepare_cached(
        "INSERT INTO pause (project, notice, since, until, who) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET until = excluded.until, who = excluded.who,
             since = CASE WHEN pause.until IS NULL OR pause.until > excluded.since
                 THEN pause.since ELSE excluded.since END",
    )?
    .execute((
        project.as_str(),
        notice.to_string(),
        instant_to_text(*since),
        until.map(instant_to_text),
        who,
    ))?;
    Ok(())
}

/// Ends a pause.
pub(super) fn resume(
    tx: &Connection,
    project: &Name,
    notice: &Address,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let resumed = tx
        .prepare_cached(
            "UPDATE pause SET until = ?3
             WHERE project = ?1 AND notice = ?2 AND (until IS NULL OR until > ?3)",
        )?
        .execute((project.as_str(), notice.to_string(), instant_to_text(now)))?;
    Ok(resumed == 1)
}

/// A notice goes by another name from now on, and so does everything that is remembered of it: nothing is
/// sent once more under the new one.
pub(super) fn rename(
    tx: &Connection,
    project: &Name,
    from: &Address,
    to: &Address,
) -> Result<(), Trouble> {
    let (from, to) = (from.to_string(), to.to_string());
    // Of a notice that had this name before, what is remembered stays; the rest of ours follows.
    let shared: Option<String> = tx
        .prepare_cached("SELECT max(until) FROM handled WHERE project = ?1 AND notice IN (?2, ?3)")?
        .query_row((project.as_str(), &from, &to), |row| row.get(0))
        .optional()?
        .flatten();
    if let Some(until) = shared {
        tx.prepare_cached(
            "INSERT INTO handled (project, notice, until) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET until = excluded.until",
        )?
        .execute((project.as_str(), &to, until))?;
        tx.prepare_cached("DELETE FROM handled WHERE project = ?1 AND notice = ?2")?
            .execute((project.as_str(), &from))?;
    }
    for table in ["delivery", "settlement", "following"] {
        tx.prepare_cached(&format!(
            "UPDATE {table} SET notice = ?3 WHERE project = ?1 AND notice = ?2
                 AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.project = ?1
                     AND o.notice = ?3 AND o.nominal = {table}.nominal)"
        ))?
        .execute((project.as_str(), &from, &to))?;
    }
    for table in ["occurrence", "pause"] {
        tx.prepare_cached(&format!(
            "UPDATE OR IGNORE {table} SET notice = ?3 WHERE project = ?1 AND notice = ?2"
        ))?
        .execute((project.as_str(), &from, &to))?;
    }
    Ok(())
}
