//! What became of what was sent, and images that were uploaded.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::super::codec::instant_to_text;
use super::super::codec::receipts::{self as codec, FOLLOWING, READING, following, kept, reading};
use super::super::codec::row::Row as _;
use super::super::codec::sending::{invalid_to_json, readers_to_json};
use super::outbox::put;
use super::trouble::Trouble;
use super::{SqliteLedger, read};
use crate::engine::Pending;
use crate::engine::ledger::LedgerError;
use crate::engine::outbox::{DeliveryId, Key, NewDelivery, Purpose};
use crate::engine::receipts::{Asked, FollowEnd, Following, People, Reading, Receipts, Terms};
use crate::model::{Address, Name};

impl Receipts for SqliteLedger {
    fn follow<'a>(
        &'a self,
        notice: &'a Address,
        terms: &'a Terms,
        now: Timestamp,
    ) -> Pending<'a, Result<usize, LedgerError>> {
        Box::pin(async move {
            // Mostly there is nothing new, and no transaction is needed to see that.
            let fresh = self.looking(|conn| fresh(conn, &self.project, notice, terms, now))?;
            if fresh.is_empty() {
                return Ok(0);
            }
            self.writing(|tx, _| {
                let fresh = self::fresh(tx, &self.project, notice, terms, now)?;
                follow(tx, &self.project, notice, terms, &fresh)
            })
        })
    }

    fn followed(&self) -> Pending<'_, Result<Vec<Following>, LedgerError>> {
        Box::pin(async { self.looking(|conn| followed(conn, &self.project)) })
    }

    fn following<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Option<Following>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| one(conn, &self.project, key)) })
    }

    fn asked<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, Asked>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| asked(conn, &self.project, key)) })
    }

    fn ask(
        &self,
        delivery: DeliveryId,
        seen: u32,
        now: Timestamp,
    ) -> Pending<'_, Result<bool, LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| ask(tx, delivery, seen, now)) })
    }

    fn note<'a>(
        &'a self,
        delivery: DeliveryId,
        reading: &'a Reading,
        people: Option<&'a People>,
    ) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| note(tx, delivery, reading, people)) })
    }

    fn readings<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<Vec<(DeliveryId, Reading)>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| readings(conn, &self.project, key)) })
    }

    fn people<'a>(
        &'a self,
        key: &'a Key,
    ) -> Pending<'a, Result<BTreeMap<DeliveryId, People>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| people(conn, &self.project, key)) })
    }

    fn end_following<'a>(
        &'a self,
        key: &'a Key,
        end: &'a FollowEnd,
        report: &'a [NewDelivery],
    ) -> Pending<'a, Result<bool, LedgerError>> {
        Box::pin(
            async move { self.writing(|tx, _| end_following(tx, &self.project, key, end, report)) },
        )
    }

    fn image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
    ) -> Pending<'a, Result<Option<String>, LedgerError>> {
        Box::pin(async move { self.looking(|conn| image(conn, app, digest)) })
    }

    fn remember_image<'a>(
        &'a self,
        app: &'a str,
        digest: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> Pending<'a, Result<String, LedgerError>> {
        Box::pin(async move {
            self.writing(|tx, _| {
                tx.prepare_cached(
                    "INSERT INTO image (app, digest, key, uploaded_at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO NOTHING",
                )?
                .execute((app, digest, key, instant_to_text(now)))?;
                let kept = image(tx, app, digest)?;
                Ok(kept.unwrap_or_else(|| key.to_owned()))
            })
        })
    }
}

/// More than a calendar moves an instant.
const MOVED: SignedDuration = SignedDuration::from_hours(24 * 400);

/// The occurrences of a notice that are to be followed and are not yet, with when they fired.
fn fresh(
    conn: &Connection,
    project: &Name,
    notice: &Address,
    terms: &Terms,
    now: Timestamp,
) -> Result<Vec<(Timestamp, Timestamp)>, Trouble> {
    let since = now.checked_sub(terms.lasts).unwrap_or(Timestamp::MIN);
    // No calendar moves an instant that far: what is older need not be read.
    let floor = since.checked_sub(MOVED).unwrap_or(Timestamp::MIN);
    let sql = "SELECT nominal, fires_at FROM occurrence AS o
         WHERE project = ?1 AND notice = ?2 AND outcome IN ('sent', 'partial', 'held')
             AND fires_at > ?3 AND nominal > ?4
             AND NOT EXISTS (SELECT 1 FROM following AS f WHERE f.project = o.project
                 AND f.notice = o.notice AND f.nominal = o.nominal)
         ORDER BY nominal";
    let params = (
        project.as_str(),
        notice.to_string(),
        instant_to_text(since),
        instant_to_text(floor),
    );
    let one = |row: &Row<'_>| Ok((row.instant(0)?, row.instant(1)?));
    read::all(conn, sql, params, one)
}

fn follow(
    tx: &Connection,
    project: &Name,
    notice: &Address,
    terms: &Terms,
    fresh: &[(Timestamp, Timestamp)],
) -> Result<usize, Trouble> {
    for (nominal, fired_at) in fresh {
        let ends_at = fired_at.checked_add(terms.lasts).unwrap_or(Timestamp::MAX);
        tx.prepare_cached(
            "INSERT INTO following (project, notice, nominal, fired_at, until, ends_at)
             VALUES (:project, :notice, :nominal, :fired_at, :until, :ends_at)
             ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":project": project.as_str(),
            ":notice": notice.to_string(),
            ":nominal": instant_to_text(*nominal),
            ":fired_at": instant_to_text(*fired_at),
            ":until": terms.until,
            ":ends_at": instant_to_text(ends_at),
        })?;
    }
    Ok(fresh.len())
}

fn followed(conn: &Connection, project: &Name) -> Result<Vec<Following>, Trouble> {
    let sql = format!("{FOLLOWING} WHERE project = ?1 AND ended IS NULL ORDER BY nominal, notice");
    read::all(conn, &sql, [project.as_str()], |row| following(row))
}

fn one(conn: &Connection, project: &Name, key: &Key) -> Result<Option<Following>, Trouble> {
    let sql = format!("{FOLLOWING} WHERE project = ?1 AND notice = ?2 AND nominal = ?3");
    Ok(of(conn, &sql, project, key, |row| following(row))?
        .into_iter()
        .next())
}

/// Which deliveries an occurrence has, for joining what is known of them.
const OF_OCCURRENCE: &str = "JOIN delivery AS d USING (delivery)
     WHERE d.project = ?1 AND d.notice = ?2 AND d.nominal = ?3";

fn asked(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<BTreeMap<DeliveryId, Asked>, Trouble> {
    let sql = format!("SELECT d.delivery, a.times, a.last_at FROM asked AS a {OF_OCCURRENCE}");
    let found = of(conn, &sql, project, key, |row| codec::asked(row))?;
    Ok(found.into_iter().collect())
}

fn ask(tx: &Connection, delivery: DeliveryId, seen: u32, now: Timestamp) -> Result<bool, Trouble> {
    let taken = tx
        .prepare_cached(
            "INSERT INTO asked (delivery, times, last_at) VALUES (?1, 1, ?3)
             ON CONFLICT (delivery) DO UPDATE SET times = times + 1, last_at = excluded.last_at
                 WHERE times = ?2",
        )?
        .execute((delivery.0, seen, instant_to_text(now)))?;
    Ok(taken == 1)
}

fn note(
    tx: &Connection,
    delivery: DeliveryId,
    reading: &Reading,
    people: Option<&People>,
) -> Result<(), Trouble> {
    tx.prepare_cached(
        "INSERT INTO reading (delivery, at, valid, delivered, read, refused, is_done, is_recalled,
             untold, problem)
         VALUES (:delivery, :at, :valid, :delivered, :read, :refused, :is_done, :is_recalled,
             :untold, :problem)
         ON CONFLICT (delivery, at) DO UPDATE SET valid = excluded.valid,
             delivered = excluded.delivered, read = excluded.read, refused = excluded.refused,
             is_done = excluded.is_done, is_recalled = excluded.is_recalled,
             untold = excluded.untold, problem = excluded.problem",
    )?
    .execute(named_params! {
        ":delivery": delivery.0,
        ":at": instant_to_text(reading.at),
        ":valid": reading.valid.map(kept),
        ":delivered": reading.delivered.map(kept),
        ":read": reading.read.map(kept),
        ":refused": kept(reading.refused),
        ":is_done": reading.is_done,
        ":is_recalled": reading.is_recalled,
        ":untold": reading.untold,
        ":problem": reading.problem,
    })?;
    // Somebody who is answered after the following has ended brings nobody's name back.
    if let Some(people) = people {
        tx.prepare_cached(
            "INSERT INTO reader (delivery, readers, refused)
             SELECT d.delivery, ?2, ?3 FROM delivery AS d
                 JOIN following AS f USING (project, notice, nominal)
                 WHERE d.delivery = ?1 AND f.ended IS NULL
             ON CONFLICT (delivery) DO UPDATE SET readers = excluded.readers,
                 refused = excluded.refused",
        )?
        .execute((
            delivery.0,
            readers_to_json(&people.readers),
            invalid_to_json(&people.refused),
        ))?;
    }
    Ok(())
}

fn readings(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<Vec<(DeliveryId, Reading)>, Trouble> {
    let sql =
        format!("SELECT {READING} FROM reading AS r {OF_OCCURRENCE} ORDER BY r.at, d.delivery");
    of(conn, &sql, project, key, |row| reading(row))
}

/// The rows of an occurrence.
fn of<T>(
    conn: &Connection,
    sql: &str,
    project: &Name,
    key: &Key,
    read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    read::all(conn, sql, (project.as_str(), notice, nominal), read)
}

fn people(
    conn: &Connection,
    project: &Name,
    key: &Key,
) -> Result<BTreeMap<DeliveryId, People>, Trouble> {
    let sql = format!("SELECT d.delivery, r.readers, r.refused FROM reader AS r {OF_OCCURRENCE}");
    let found = of(conn, &sql, project, key, |row| codec::people(row))?;
    Ok(found.into_iter().collect())
}

fn end_following(
    tx: &Connection,
    project: &Name,
    key: &Key,
    end: &FollowEnd,
    report: &[NewDelivery],
) -> Result<bool, Trouble> {
    let (notice, nominal) = (key.notice.to_string(), instant_to_text(key.nominal));
    let ended = tx
        .prepare_cached(
            "UPDATE following SET ended = ?4, ended_at = ?5, unheard = ?6
             WHERE project = ?1 AND notice = ?2 AND nominal = ?3 AND ended IS NULL",
        )?
        .execute((
            project.as_str(),
            &notice,
            &nominal,
            end.why.as_str(),
            instant_to_text(end.at),
            &end.unheard,
        ))?;
    if ended == 0 {
        return Ok(false);
    }
    tx.prepare_cached(
        "DELETE FROM reader WHERE delivery IN (SELECT delivery FROM delivery
             WHERE project = ?1 AND notice = ?2 AND nominal = ?3)",
    )?
    .execute((project.as_str(), &notice, &nominal))?;
    for delivery in report {
        put(tx, project, (&notice, &nominal), Purpose::Report, delivery)?;
    }
    Ok(true)
}

fn image(conn: &Connection, app: &str, digest: &str) -> Result<Option<String>, Trouble> {
    Ok(conn
        .prepare_cached("SELECT key FROM image WHERE app = ?1 AND digest = ?2")?
        .query_row((app, digest), |row| row.get(0))
        .optional()?)
}
