//! What follows sending: settlements, recalls, who was told, pauses.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::codec::instant_to_text;
use super::super::codec::sending::{recall_from_text, word_from_text};
use super::connect::{Connection, Params, Patience};
use super::outbox::{address, delivery, instant, occurrence_rows, put, select_deliveries};
use super::transaction::{Tries, Tx, looking, writing};
use super::trouble::Trouble;
use super::{PostgresLedger, text};
use crate::engine::Pending;
use crate::engine::afterwards::{
    AfterSettling, Afterwards, Pause, Recall, RecallState, Settlement, Word,
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
    let (outcome, reason, ended_at, send_until) = match end {
        AfterSettling::Ended(outcome, reason) => {
            (Some(outcome.as_str()), Some(text(reason)), Some(&now), None)
        }
        AfterSettling::Pending(until) => (None, None, None, Some(instant_to_text(*until))),
    };
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
                &reason,
                &ended_at,
                &send_until,
            ],
        )
        .await?;
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
    tx.run(
        "UPDATE delivery SET state = $4, detail = $5,
             attempts = CASE WHEN $4 = 'pending' THEN 0 ELSE attempts END,
             first_at = CASE WHEN $4 = 'pending' THEN NULL ELSE first_at END
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
    let rows = conn
        .rows(
            "SELECT word, who, settled_at, held_for FROM settlement
             WHERE project = $1 AND notice = $2 AND nominal = $3 ORDER BY settlement",
            &[
                &project.as_str(),
                &key.notice.to_string(),
                &instant_to_text(key.nominal),
            ],
        )
        .await?;
    let settlement = |row: &Row| {
        Ok(Settlement {
            word: word_from_text(row.try_get(0)?).map_err(Trouble::Corrupt)?,
            who: row.try_get(1)?,
            at: instant(row.try_get(2)?)?,
            held_for: row.try_get(3)?,
        })
    };
    rows.iter().map(settlement).collect()
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

/// The recalls that are open, once those that are due were written down.
async fn recalls(tx: &Tx<'_>, project: &Name, now: Timestamp) -> Result<Vec<Recall>, Trouble> {
    let due = instant_to_text(now);
    let params: Params<'_> = &[&project.as_str(), &due];
    // Whoever writes them down first has these rows until it has committed; others pass them over, and
    // find them written down the next time.
    let begun = tx
        .rows(
            "SELECT notice, nominal FROM occurrence
             WHERE project = $1 AND revoke_at <= $2 AND revoked_at IS NULL
             FOR UPDATE SKIP LOCKED",
            params,
        )
        .await?;
    for row in &begun {
        let (notice, nominal): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let which: Params<'_> = &[&project.as_str(), &notice, &nominal];
        tx.run(
            "UPDATE delivery SET state = 'cancelled',
                 detail = 'it was to be taken back before it was sent'
             WHERE project = $1 AND notice = $2 AND nominal = $3 AND state = 'pending'
                 AND purpose = 'notice'",
            which,
        )
        .await?;
        tx.run(
            "INSERT INTO recall (delivery, project, state, attempts, detail)
             SELECT delivery, project, 'wanted', 0, '' FROM delivery
             WHERE project = $1 AND notice = $2 AND nominal = $3
                 AND purpose = 'notice' AND state NOT IN ('refused', 'cancelled')
             ON CONFLICT DO NOTHING",
            which,
        )
        .await?;
        tx.run(
            "UPDATE occurrence SET revoked_at = $4
             WHERE project = $1 AND notice = $2 AND nominal = $3",
            &[&project.as_str(), &notice, &nominal, &due],
        )
        .await?;
    }
    let now = instant_to_text(tx.now(now).await?);
    tx.run(
        "UPDATE recall SET state = 'unknown', runner = NULL, expires = NULL,
             detail = 'the runner that took it back did not come back'
         WHERE delivery IN (
             SELECT delivery FROM recall
             WHERE project = $1 AND state = 'calling' AND expires <= $2
             FOR UPDATE SKIP LOCKED)",
        &[&project.as_str(), &now],
    )
    .await?;
    let which = "d.project = $1 AND r.state IN ('wanted', 'unknown')";
    read_recalls(tx, which, &[&project.as_str()]).await
}

/// Every recall of an occurrence.
async fn recalls_of(conn: &Connection, project: &Name, key: &Key) -> Result<Vec<Recall>, Trouble> {
    read_recalls(
        conn,
        "d.project = $1 AND d.notice = $2 AND d.nominal = $3",
        &[
            &project.as_str(),
            &key.notice.to_string(),
            &instant_to_text(key.nominal),
        ],
    )
    .await
}

async fn read_recalls(
    conn: &Connection,
    which: &str,
    params: Params<'_>,
) -> Result<Vec<Recall>, Trouble> {
    let sql = select_deliveries(
        ", r.state, r.detail, r.ended_at",
        "JOIN recall r ON r.delivery = d.delivery",
        which,
    );
    let rows = conn.rows(&sql, params).await?;
    let recall = |row: &Row| {
        let ended_at: Option<&str> = row.try_get(21)?;
        Ok(Recall {
            delivery: delivery(row)?,
            state: recall_from_text(row.try_get(19)?).map_err(Trouble::Corrupt)?,
            detail: row.try_get(20)?,
            ended_at: ended_at.map(instant).transpose()?,
        })
    };
    rows.iter().map(recall).collect()
}

/// Takes a recall, if nobody has it.
async fn claim_recall(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let lasts = claim.expires.duration_since(now);
    let now = tx.now(now).await?;
    let expires = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
    let taken = tx
        .run(
            "UPDATE recall SET state = 'calling', attempts = attempts + 1,
                 first_at = coalesce(first_at, $5), runner = $3, expires = $4
             WHERE delivery = (
                 SELECT delivery FROM recall
                 WHERE project = $1 AND delivery = $2 AND state IN ('wanted', 'unknown')
                 FOR UPDATE SKIP LOCKED)",
            &[
                &project.as_str(),
                &id.0,
                &text(&claim.runner),
                &instant_to_text(expires),
                &instant_to_text(now),
            ],
        )
        .await?;
    Ok(taken == 1)
}

/// Ends an attempt; false when the recall is no longer that runner's.
async fn end_recall(
    tx: &Tx<'_>,
    project: &Name,
    (id, runner): (DeliveryId, &str),
    now: Timestamp,
    state: RecallState,
    detail: &str,
) -> Result<bool, Trouble> {
    let mine = tx
        .maybe_row(
            "SELECT expires FROM recall
             WHERE project = $1 AND delivery = $2 AND state = 'calling' AND runner = $3
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
        "UPDATE recall SET state = $3, detail = $4, runner = NULL, expires = NULL, ended_at = $5
         WHERE project = $1 AND delivery = $2",
        &[
            &project.as_str(),
            &id.0,
            &state.as_str(),
            &text(detail),
            &state.has_ended().then(|| instant_to_text(now)),
        ],
    )
    .await?;
    Ok(true)
}

/// Ends a recall that nobody has.
async fn drop_recall(
    tx: &Tx<'_>,
    project: &Name,
    id: DeliveryId,
    now: Timestamp,
    state: RecallState,
    detail: &str,
) -> Result<bool, Trouble> {
    let ended = tx
        .run(
            "UPDATE recall SET state = $3, detail = $4, ended_at = $5
             WHERE project = $1 AND delivery = $2 AND state IN ('wanted', 'unknown')",
            &[
                &project.as_str(),
                &id.0,
                &state.as_str(),
                &text(detail),
                &instant_to_text(now),
            ],
        )
        .await?;
    Ok(ended == 1)
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
    let rows = conn
        .rows(
            "SELECT notice, since, until, who FROM pause WHERE project = $1 ORDER BY notice",
            &[&project.as_str()],
        )
        .await?;
    let pause = |row: &Row| {
        let until: Option<&str> = row.try_get(2)?;
        Ok(Pause {
            notice: address(row.try_get(0)?)?,
            since: instant(row.try_get(1)?)?,
            until: until.map(instant).transpose()?,
            who: row.try_get(3)?,
        })
    };
    rows.iter().map(pause).collect()
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

/// A notice goes by another name from now on, and so does everything that is remembered of it: nothing is
/// sent once more under the new one.
pub(super) async fn rename(
    tx: &Tx<'_>,
    project: &Name,
    from: &Address,
    to: &Address,
) -> Result<(), Trouble> {
    let (from, to) = (from.to_string(), to.to_string());
    let both: Params<'_> = &[&project.as_str(), &from, &to];
    // Of a notice that had this name before, what is remembered stays; the rest of ours follows.
    let row = tx
        .row(
            "SELECT max(until) FROM handled WHERE project = $1 AND notice IN ($2, $3)",
            both,
        )
        .await?;
    if let Some(until) = row.try_get::<_, Option<&str>>(0)? {
        tx.run(
            "INSERT INTO handled (project, notice, until) VALUES ($1, $2, $3)
             ON CONFLICT (project, notice) DO UPDATE SET until = excluded.until",
            &[&project.as_str(), &to, &until],
        )
        .await?;
        tx.run(
            "DELETE FROM handled WHERE project = $1 AND notice = $2",
            &[&project.as_str(), &from],
        )
        .await?;
    }
    for table in ["delivery", "settlement", "following"] {
        tx.run(
            &format!(
                "UPDATE {table} SET notice = $3 WHERE project = $1 AND notice = $2
                     AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.project = $1
                         AND o.notice = $3 AND o.nominal = {table}.nominal)"
            ),
            both,
        )
        .await?;
    }
    tx.run(
        "UPDATE occurrence SET notice = $3 WHERE project = $1 AND notice = $2
             AND NOT EXISTS (SELECT 1 FROM occurrence o WHERE o.project = $1
                 AND o.notice = $3 AND o.nominal = occurrence.nominal)",
        both,
    )
    .await?;
    tx.run(
        "UPDATE pause SET notice = $3 WHERE project = $1 AND notice = $2
             AND NOT EXISTS (SELECT 1 FROM pause p WHERE p.project = $1 AND p.notice = $3)",
        both,
    )
    .await?;
    Ok(())
}
