//! What became of what was sent, and images that were uploaded.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::codec::instant_to_text;
use super::super::codec::receipts::{self as codec, FOLLOWING, READING, following, kept, reading};
use super::super::codec::row::Row as _;
use super::super::codec::sending::{invalid_to_json, readers_to_json};
use super::connect::{Connection, Params, Patience};
use super::outbox::put;
use super::transaction::{Tries, Tx, looking, writing};
use super::trouble::Trouble;
use super::{PostgresLedger, maybe_text, read, text};
use crate::engine::Pending;
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{DeliveryId, Key, NewDelivery, Purpose};
use crate::engine::receipts::{Asked, FollowEnd, Following, People, Reading, Receipts, Terms};
use crate::model::{Address, Name};

impl Receipts for PostgresLedger {
    fn follow<'a>(
        &'a self,
        notice: &'a Address,
        terms: &'a Terms,
        now: Timestamp,
    ) -> Pending<'a, Result<usize, LedgerError>> {
        Box::pin(async move {
            // Mostly there is nothing new, and no transaction is needed to see that.
            let fresh = looking!(self, |conn| fresh(&conn, &self.project, notice, terms, now))?;
            if fresh.is_empty() {
                return Ok(0);
            }
            writing!(self, |tx| async {
                let fresh = self::fresh(&tx, &self.project, notice, terms, now).await?;
                follow(&tx, &self.project, notice, terms, &fresh).await
            })
        })
    }

    fn followed(&self) -> Pending<'_, Result<Vec<Following>, LedgerError>> {
        Box::pin(async { looking!(self, |conn| followed(&conn, &self.project)) })
    }

    fn following<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Following>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| one(&conn, &self.project, key)) })
    }

    fn asked<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, Asked>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| asked(&conn, &self.project, key)) })
    }

    fn ask(
        &self,
        delivery: DeliveryId,
        seen: u32,
        now: Timestamp,
    ) -> Pending<'_, Result<bool, LedgerError>> {
        Box::pin(async move { writing!(self, |tx| ask(&tx, delivery, seen, now)) })
    }

    fn note<'a>(
        &'a self,
        delivery: DeliveryId,
        reading: &'a Reading,
        people: Option<&'a People>,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { writing!(self, |tx| note(&tx, delivery, reading, people)) })
    }

    fn readings<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<(DeliveryId, Reading)>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| readings(&conn, &self.project, key)) })
    }

    fn people<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, People>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| people(&conn, &self.project, key)) })
    }

    fn end_following<'a>(
        &'a self,
        key: &'a Key,
        end: &'a FollowEnd,
        report: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| end_following(
                &tx,
                &self.project,
                key,
                end,
                report
            ))
        })
    }

    fn image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
    ) -> Pending<'a, Result<Option<String>, LedgerError>> {
        Box::pin(async move { looking!(self, |conn| image(&conn, app, digest)) })
    }

    fn remember_image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<String, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                tx.run(
                    "INSERT INTO image (app, digest, key, uploaded_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING",
                    &[&app, &digest, &text(key), &instant_to_text(now)],
                )
                .await?;
                let kept = image(&tx, app, digest).await?;
                Ok(kept.unwrap_or_else(|| key.to_owned()))
            })
        })
    }
}

/// The occurrences of a notice that are to be followed and are not yet, with when they fired.
async fn fresh(
    conn: &Connection,
    project: &Name,
    notice: &Address,
    terms: &Terms,
    now: Timestamp,
) -> Result<Vec<(Timestamp, Timestamp)>, Trouble> {
    let since = now.checked_sub(terms.lasts).unwrap_or(Timestamp::MIN);
    let rows = conn
        .rows(
            "SELECT nominal, fires_at FROM occurrence AS o
             WHERE project = $1 AND notice = $2 AND outcome IN ('sent', 'partial', 'held')
                 AND fires_at > $3
                 AND NOT EXISTS (SELECT 1 FROM following AS f WHERE f.project = o.project
                     AND f.notice = o.notice AND f.nominal = o.nominal)
             ORDER BY nominal",
            &[
                &project.as_str(),
                &notice.to_string(),
                &instant_to_text(since),
            ],
        )
        .await?;
    let one = |row: &Row| Ok((row.instant(0)?, row.instant(1)?));
    rows.iter().map(one).collect()
}

async fn follow(
    tx: &Tx<'_>,
    project: &Name,
    notice: &Address,
    terms: &Terms,
    fresh: &[(Timestamp, Timestamp)],
) -> Result<usize, Trouble> {
    for (nominal, fired_at) in fresh {
        let ends_at = fired_at.checked_add(terms.lasts).unwrap_or(Timestamp::MAX);
        tx.run(
            "INSERT INTO following (project, notice, nominal, fired_at, until, ends_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[
                &project.as_str(),
                &notice.to_string(),
                &instant_to_text(*nominal),
                &instant_to_text(*fired_at),
                &terms.until,
                &instant_to_text(ends_at),
            ],
        )
        .await?;
    }
    Ok(fresh.len())
}

async fn followed(conn: &Connection, project: &Name) -> Result<Vec<Following>, Trouble> {
    let sql = format!("{FOLLOWING} WHERE project = $1 AND ended IS NULL ORDER BY nominal, notice");
    read::all(conn, &sql, &[&project.as_str()], following).await
}

async fn one(conn: &Connection, project: &Name, key: &Key) -> Result<Option<Following>, Trouble> {
    let sql = format!("{FOLLOWING} WHERE project = $1 AND notice = $2 AND nominal = $3");
    let found = of(conn, &sql, project, key, following).await?;
    Ok(found.into_iter().next())
}

/// Which deliveries an occurrence has, for joining what is known of them.
const OF_OCCURRENCE: &str = "JOIN delivery AS d USING (delivery)
     WHERE d.project = $1 AND d.notice = $2 AND d.nominal = $3";

/// The rows of an occurrence.
async fn of<T>(
    conn: &Connection,
    sql: &str,
    project: &Name,
    key: &Key,
    read: impl Fn(&Row) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let which: Params<'_> = &[&project.as_str(), &notice, &nominal];
    read::all(conn, sql, which, read).await
}

async fn asked(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<BTreeMap<DeliveryId, Asked>, Trouble> {
    let sql = format!("SELECT d.delivery, a.times, a.last_at FROM asked AS a {OF_OCCURRENCE}");
    let found = of(conn, &sql, project, key, codec::asked).await?;
    Ok(found.into_iter().collect())
}

async fn ask(
    tx: &Tx<'_>,
    delivery: DeliveryId,
    seen: u32,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let taken = tx
        .run(
            "INSERT INTO asked AS a (delivery, times, last_at) VALUES ($1, 1, $3)
             ON CONFLICT (delivery) DO UPDATE SET times = a.times + 1, last_at = excluded.last_at
                 WHERE a.times = $2",
            &[&delivery.0, &i64::from(seen), &instant_to_text(now)],
        )
        .await?;
    Ok(taken == 1)
}

async fn note(
    tx: &Tx<'_>,
    delivery: DeliveryId,
    reading: &Reading,
    people: Option<&People>,
) -> Result<(), Trouble> {
    tx.run(
        "INSERT INTO reading (delivery, at, valid, delivered, read, refused, is_done, is_recalled,
             untold, problem)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (delivery, at) DO UPDATE SET valid = excluded.valid,
             delivered = excluded.delivered, read = excluded.read, refused = excluded.refused,
             is_done = excluded.is_done, is_recalled = excluded.is_recalled,
             untold = excluded.untold, problem = excluded.problem",
        &[
            &delivery.0,
            &instant_to_text(reading.at),
            &reading.valid.map(kept),
            &reading.delivered.map(kept),
            &reading.read.map(kept),
            &kept(reading.refused),
            &i64::from(reading.is_done),
            &i64::from(reading.is_recalled),
            &maybe_text(reading.untold.as_deref()),
            &maybe_text(reading.problem.as_deref()),
        ],
    )
    .await?;
    // Somebody who is answered after the following has ended brings nobody's name back.
    if let Some(people) = people {
        tx.run(
            "INSERT INTO reader (delivery, readers, refused)
             SELECT d.delivery, $2, $3 FROM delivery AS d
                 JOIN following AS f USING (project, notice, nominal)
                 WHERE d.delivery = $1 AND f.ended IS NULL
             ON CONFLICT (delivery) DO UPDATE SET readers = excluded.readers,
                 refused = excluded.refused",
            &[
                &delivery.0,
                &readers_to_json(&people.readers),
                &invalid_to_json(&people.refused),
            ],
        )
        .await?;
    }
    Ok(())
}

async fn readings(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<(DeliveryId, Reading)>, Trouble> {
    let sql =
        format!("SELECT {READING} FROM reading AS r {OF_OCCURRENCE} ORDER BY r.at, d.delivery");
    of(conn, &sql, project, key, reading).await
}

async fn people(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<BTreeMap<DeliveryId, People>, Trouble> {
    let sql = format!("SELECT d.delivery, r.readers, r.refused FROM reader AS r {OF_OCCURRENCE}");
    let found = of(conn, &sql, project, key, codec::people).await?;
    Ok(found.into_iter().collect())
}

async fn end_following(
    tx: &Tx<'_>,
    project: &Name,
    key: &Key,
    end: &FollowEnd,
    report: &[NewDelivery],
) -> Result<bool, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let ended = tx
        .run(
            "UPDATE following SET ended = $4, ended_at = $5, unheard = $6
             WHERE project = $1 AND notice = $2 AND nominal = $3 AND ended IS NULL",
            &[
                &project.as_str(),
                &notice,
                &nominal,
                &end.why.as_str(),
                &instant_to_text(end.at),
                &maybe_text(end.unheard.as_deref()),
            ],
        )
        .await?;
    if ended == 0 {
        return Ok(false);
    }
    tx.run(
        "DELETE FROM reader WHERE delivery IN (SELECT delivery FROM delivery
             WHERE project = $1 AND notice = $2 AND nominal = $3)",
        &[&project.as_str(), &notice, &nominal],
    )
    .await?;
    for delivery in report {
        put(tx, project, (&notice, &nominal), Purpose::Report, delivery).await?;
    }
    Ok(true)
}

async fn image(conn: &Connection, app: &str, digest: &str) -> Result<Option<String>, Trouble> {
    let row = conn
        .maybe_row(
            "SELECT key FROM image WHERE app = $1 AND digest = $2",
            &[&app, &digest],
        )
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
