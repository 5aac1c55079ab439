//! What follows sending: settlements, who was told, pauses; recalls are in `recalls`.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use super::super::codec::afterwards::{self as codec, PAUSE, SETTLEMENT, Settled, settlement};
use super::super::codec::instant_to_text;
use super::outbox::{occurrence_rows, put};
use super::recalls::{claim_recall, drop_recall, end_recall, recalls, recalls_of};
use super::trouble::Trouble;
use super::{SqliteLedger, read};
use crate::engine::Pending;
use crate::engine::afterwards::{
    AfterSettling, Afterwards, Pause, Recall, RecallState, Settlement,
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
    let Settled {
        outcome,
        reason,
        ended_at,
        send_until,
        state,
        detail,
    } = Settled::by(settlement, end);
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
    tx.prepare_cached(
        "UPDATE delivery SET state = :state, detail = :detail,
             attempts = CASE WHEN :state = 'pending' THEN 0 ELSE attempts END,
             first_at = CASE WHEN :state = 'pending' THEN NULL ELSE first_at END,
             tried_at = CASE WHEN :state = 'pending' THEN NULL ELSE tried_at END
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
    let sql = format!(
        "SELECT {SETTLEMENT} FROM settlement
         WHERE project = ?1 AND notice = ?2 AND nominal = ?3 ORDER BY settlement"
    );
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    read::all(conn, &sql, (project.as_str(), notice, nominal), |row| {
        settlement(row)
    })
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
    let sql = format!("SELECT {PAUSE} FROM pause WHERE project = ?1 ORDER BY notice");
    read::all(conn, &sql, [project.as_str()], |row| codec::pause(row))
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
