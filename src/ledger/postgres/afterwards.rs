//! What follows sending: settlements, who was told, pauses; recalls are in `recalls`.

use jiff::Timestamp;

use super::super::codec::afterwards::{self as codec, PAUSE, SETTLEMENT, Settled, settlement};
use super::super::codec::instant_to_text;
use super::connect::{Connection, Params, Patience};
use super::outbox::{occurrence_rows, put};
use super::recalls::{claim_recall, drop_recall, end_recall, recalls, recalls_of};
use super::transaction::{Tries, Tx, looking, writing};
use super::trouble::Trouble;
use super::{PostgresLedger, maybe_text, read, text};
use crate::engine::Pending;
use crate::engine::afterwards::{
    AfterSettling, Afterwards, Pause, Recall, RecallState, Settlement,
};
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{
    Claim, DeliveryId, Key, NewDelivery, Occurrence, OutboxError, Purpose,
};
use crate::model::{Address, Name};

impl Afterwards for PostgresLedger {
    fn settle<'a>(
        &'a self,
        key: &'a Key,
        settlement: &'a Settlement,
        end: &'a AfterSettling,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(
            async move { writing!(self, |tx| settle(&tx, &self.project, key, settlement, end)) },
        )
    }

    fn settlements<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<Settlement>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| settlements(&conn, &self.project, key)) })
    }

    fn revoke<'a>(
        &'a self,
        key: &'a Key,
        who: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| revoke(&tx, &self.project, key, who, now)) })
    }

    fn recalls(&self, now: Timestamp) -> Pending<'_, Result<Vec<Recall>, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| recalls(&tx, &self.project, now)) })
    }

    fn recalls_of<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Vec<Recall>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| recalls_of(&conn, &self.project, key)) })
    }

    fn claim_recall<'a>(
        &'a self,
        delivery: DeliveryId,
        claim: &'a Claim,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| claim_recall(
                &tx,
                &self.project,
                delivery,
                claim,
                now
            ))
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
            let ended = writing!(self, |tx| end_recall(
                &tx,
                &self.project,
                whose,
                now,
                state,
                detail
            ))?;
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
            writing!(self, |tx| drop_recall(
                &tx,
                &self.project,
                delivery,
                now,
                state,
                detail
            ))
        })
    }

    fn untold(&self) -> Pending<'_, Result<Vec<Occurrence>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| untold(&conn, &self.project)) })
    }

    fn tell<'a>(
        &'a self,
        key: &'a Key,
        deliveries: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| tell(&tx, &self.project, key, deliveries)) })
    }

    fn pauses(&self) -> Pending<'_, Result<Vec<Pause>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| pauses(&conn, &self.project)) })
    }

    fn pause<'a>(&'a self, one: &'a Pause) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { writing!(self, |tx| pause(&tx, &self.project, one)) })
    }

    fn resume<'a>(
        &'a self,
        notice: &'a Address,
        now: Timestamp,
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| resume(&tx, &self.project, notice, now)) })
    }
}

/// Notes what a person says of a held occurrence; false when it is not held.
async fn settle(
    tx: &Tx<'_>,
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
        .run(
            "UPDATE occurrence SET outcome = $4, reason = $5, ended_at = $6,
                 send_until = coalesce($7, send_until)
             WHERE project = $1 AND notice = $2 AND nominal = $3 AND outcome = 'held'",
            &[
                &project.as_str(),
                &notice,
                &nominal,
                &outcome,
                &maybe_text(reason),
                &ended_at,
                &send_until,
            ],
        )
        .await?;
    if settled == 0 {
        return Ok(false);
    }
    tx.run(
        "UPDATE delivery SET state = $4, detail = $5,
             attempts = CASE WHEN $4 = 'pending' THEN 0 ELSE attempts END,
             first_at = CASE WHEN $4 = 'pending' THEN NULL ELSE first_at END,
             tried_at = CASE WHEN $4 = 'pending' THEN NULL ELSE tried_at END
         WHERE project = $1 AND notice = $2 AND nominal = $3 AND state = 'held'
             AND purpose = 'notice'",
        &[&project.as_str(), &notice, &nominal, &state, &text(&detail)],
    )
    .await?;
    tx.run(
        "INSERT INTO settlement (project, notice, nominal, word, who, settled_at, held_for)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &project.as_str(),
            &notice,
            &nominal,
            &settlement.word.as_str(),
            &text(&settlement.who),
            &now,
            &text(&settlement.held_for),
        ],
    )
    .await?;
    Ok(true)
}

/// What people said of an occurrence.
async fn settlements(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<Settlement>, Trouble> {
    let sql = format!(
        "SELECT {SETTLEMENT} FROM settlement
         WHERE project = $1 AND notice = $2 AND nominal = $3 ORDER BY settlement"
    );
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let which: Params<'_> = &[&project.as_str(), &notice, &nominal];
    read::all(conn, &sql, which, settlement).await
}

/// Asks for an occurrence to be taken back.
async fn revoke(
    tx: &Tx<'_>,
    project: &Name,
    key: &Key,
    who: &str,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let asked = tx
        .run(
            "UPDATE occurrence SET revoke_at = least(coalesce(revoke_at, $5), $5), revoked_by = $4
             WHERE project = $1 AND notice = $2 AND nominal = $3
                 AND revoked_by IS NULL AND revoked_at IS NULL",
            &[
                &project.as_str(),
                &key.notice.to_string(),
                &instant_to_text(key.nominal),
                &text(who),
                &instant_to_text(now),
            ],
        )
        .await?;
    Ok(asked == 1)
}

/// What went wrong and nobody was told of.
async fn untold(conn: &Connection, project: &Name) -> Result<Vec<Occurrence>, Trouble> {
    occurrence_rows(
        conn,
        "project = $1 AND told = 0 AND outcome IN ('missed', 'refused', 'partial', 'held')
         ORDER BY nominal, notice",
        &[&project.as_str()],
    )
    .await
}

/// Writes down what is sent to those who hear of problems, once.
async fn tell(
    tx: &Tx<'_>,
    project: &Name,
    key: &Key,
    deliveries: &[NewDelivery],
) -> Result<bool, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let first = tx
        .run(
            "UPDATE occurrence SET told = 1
             WHERE project = $1 AND notice = $2 AND nominal = $3 AND told = 0",
            &[&project.as_str(), &notice, &nominal],
        )
        .await?;
    if first == 1 {
        for delivery in deliveries {
            put(tx, project, (&notice, &nominal), Purpose::Problem, delivery).await?;
        }
    }
    Ok(first == 1)
}

/// The newest pause of each notice.
async fn pauses(conn: &Connection, project: &Name) -> Result<Vec<Pause>, Trouble> {
    let sql = format!("SELECT {PAUSE} FROM pause WHERE project = $1 ORDER BY notice");
    read::all(conn, &sql, &[&project.as_str()], codec::pause).await
}

/// Begins a pause.
async fn pause(tx: &Tx<'_>, project: &Name, pause: &Pause) -> Result<(), Trouble> {
    let Pause {
        notice,
        since,
        until,
        who,
    } = pause;
    tx.run(
        "INSERT INTO pause AS p (project, notice, since, until, who) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (project, notice) DO UPDATE SET until = excluded.until, who = excluded.who,
             since = CASE WHEN p.until IS NULL OR p.until > excluded.since
                 THEN p.since ELSE excluded.since END",
        &[
            &project.as_str(),
            &notice.to_string(),
            &instant_to_text(*since),
            &until.map(instant_to_text),
            &text(who),
        ],
    )
    .await?;
    Ok(())
}

/// Ends a pause.
async fn resume(
    tx: &Tx<'_>,
    project: &Name,
    notice: &Address,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let resumed = tx
        .run(
            "UPDATE pause SET until = $3
             WHERE project = $1 AND notice = $2 AND (until IS NULL OR until > $3)",
            &[
                &project.as_str(),
                &notice.to_string(),
                &instant_to_text(now),
            ],
        )
        .await?;
    Ok(resumed == 1)
}
