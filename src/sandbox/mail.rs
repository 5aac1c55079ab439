//! What was sent, to whom, and when it came: messages and deliveries of all vendors.
//!
//! Nothing runs in the background. A message says when its sending begins and ends, a delivery when
//! it is due, and whoever looks at an instant sees what has come true by then. So real time and a
//! clock that is set forward do the same.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::world::{Moment, WorldError};

/// How long an asynchronous sending waits before it begins.
pub(super) const BEGINS_AFTER_MS: i64 = 1_000;

/// How long an asynchronous sending takes for each receiver.
pub(super) const EACH_MS: i64 = 10;

/// A message as the world keeps it.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    /// `feishu`, `dingtalk` or `enos`.
    pub(super) vendor: &'static str,
    /// The vendor's id.
    pub(super) id: String,
    /// Which of the vendor's ways to send it came by.
    pub(super) way: &'static str,
    pub(super) app: String,
    /// The chat that it is in.
    pub(super) chat: Option<String>,
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) text: String,
    /// What else the vendor has to remember of it.
    pub(super) doc: Value,
    /// Equal for what the vendor holds to be the same content.
    pub(super) digest: String,
    pub(super) begins_ms: i64,
}

/// Somebody to whom a message goes.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// The person by the id in the world.
    pub(super) person: String,
    /// When it comes; never, without one.
    pub(super) due_ms: Option<i64>,
    /// The vendor's code for dropping it silently.
    pub(super) dropped: Option<&'static str>,
}

impl Receiver {
    /// Somebody who has the message at that instant.
    pub(super) fn at(person: String, due_ms: i64) -> Receiver {
        Receiver {
            person,
            due_ms: Some(due_ms),
            dropped: None,
        }
    }
}

impl Message {
    /// Keeps the message and those who get it.
    pub(super) fn post(&self, to: &[Receiver], moment: &Moment<'_>) -> Result<(), WorldError> {
        let last = to.iter().filter_map(|receiver| receiver.due_ms).max();
        let done_ms = last.unwrap_or(self.begins_ms).max(self.begins_ms);
        moment
            .sql()
            .prepare_cached(
                "INSERT INTO messages
                 (vendor, id, way, app, chat, kind, title, text, doc, digest, sent_ms, begins_ms,
                  done_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                self.vendor,
                self.id,
                self.way,
                self.app,
                self.chat,
                self.kind,
                self.title,
                self.text,
                self.doc.to_string(),
                self.digest,
                moment.now_ms,
                self.begins_ms,
                done_ms,
            ])?;
        deliver(moment.sql().last_insert_rowid(), to, moment)
    }
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    seq: i64,
    pub(super) vendor: String,
    pub(super) id: String,
    pub(super) way: String,
    pub(super) app: String,
    pub(super) chat: Option<String>,
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) text: String,
    pub(super) doc: Value,
    pub(super) sent_ms: i64,
    pub(super) begins_ms: i64,
    pub(super) done_ms: i64,
    /// When it was withdrawn. What had not come by then never comes.
    pub(super) recall_ms: Option<i64>,
}

/// A message on its way to one person.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    message: i64,
    pub(super) person: String,
    pub(super) due_ms: Option<i64>,
    pub(super) dropped: Option<String>,
    pub(super) read_ms: Option<i64>,
}

const COLUMNS: &str = "seq, vendor, id, way, app, chat, kind, title, text, doc, sent_ms, begins_ms,
                       done_ms, recall_ms";

impl Sent {
    /// The message with that id, if it had been sent at that instant.
    pub(super) fn find(
        vendor: &str,
        id: &str,
        at_ms: i64,
        moment: &Moment<'_>,
    ) -> Result<Option<Sent>, WorldError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE vendor = ?1 AND id = ?2 AND sent_ms <= ?3"
        );
        let mut statement = moment.sql().prepare_cached(&sql)?;
        let row = statement.query_row(params![vendor, id, at_ms], raw);
        row.optional()?.map(typed).transpose()
    }

    /// Every message, oldest first.
    pub(super) fn all(moment: &Moment<'_>) -> Result<Vec<Sent>, WorldError> {
        let sql = format!("SELECT {COLUMNS} FROM messages ORDER BY seq");
        let mut statement = moment.sql().prepare_cached(&sql)?;
        statement
            .query_map([], raw)?
            .map(|row| typed(row?))
            .collect()
    }

    /// What its vendor calls it. EnOS has one id in each OU, so that the world's has the OU before.
    pub(super) fn vendors_id(&self) -> &str {
        match self.id.split_once('/') {
            Some((_, id)) if self.vendor == "enos" => id,
            _ => &self.id,
        }
    }

    /// Those to whom it goes.
    pub(super) fn deliveries(&self, moment: &Moment<'_>) -> Result<Vec<Delivery>, WorldError> {
        let mut statement = moment.sql().prepare_cached(
            "SELECT message, person, due_ms, dropped, read_ms FROM deliveries
             WHERE message = ?1 ORDER BY due_ms, person",
        )?;
        let rows = statement.query_map([self.seq], |row| {
            Ok(Delivery {
                message: row.get(0)?,
                person: row.get(1)?,
                due_ms: row.get(2)?,
                dropped: row.get(3)?,
                read_ms: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When it came to that person, if it had at that instant.
    pub(super) fn came(&self, to: &Delivery, at_ms: i64) -> Option<i64> {
        let due = to.due_ms.filter(|due| *due <= at_ms)?;
        self.recall_ms
            .is_none_or(|recall| due <= recall)
            .then_some(due)
    }

    /// When it was withdrawn, if it had been at that instant.
    pub(super) fn withdrawn(&self, at_ms: i64) -> Option<i64> {
        self.recall_ms.filter(|recall| *recall <= at_ms)
    }

    /// Sends it to more people; who has it already is passed over.
    pub(super) fn send_on(&self, to: &[Receiver], moment: &Moment<'_>) -> Result<(), WorldError> {
        deliver(self.seq, to, moment)
    }

    /// Withdraws it at that instant. A second time changes nothing.
    pub(super) fn recall(&self, at_ms: i64, moment: &Moment<'_>) -> Result<(), WorldError> {
        moment.sql().execute(
            "UPDATE messages SET recall_ms = ?2 WHERE seq = ?1 AND recall_ms IS NULL",
            params![self.seq, at_ms],
        )?;
        Ok(())
    }

    /// Replaces what the vendor remembers of it.
    pub(super) fn remember(&self, doc: &Value, moment: &Moment<'_>) -> Result<(), WorldError> {
        moment.sql().execute(
            "UPDATE messages SET doc = ?2 WHERE seq = ?1",
            params![self.seq, doc.to_string()],
        )?;
        Ok(())
    }
}

impl Delivery {
    /// When the person read it, if that was by that instant.
    pub(super) fn read(&self, at_ms: i64) -> Option<i64> {
        self.read_ms.filter(|read| *read <= at_ms)
    }

    /// The person reads it now. A second time changes nothing.
    pub(super) fn mark_read(&self, moment: &Moment<'_>) -> Result<(), WorldError> {
        moment.sql().execute(
            "UPDATE deliveries SET read_ms = ?3
             WHERE message = ?1 AND person = ?2 AND read_ms IS NULL",
            params![self.message, self.person, moment.now_ms],
        )?;
        Ok(())
    }
}

fn deliver(message: i64, to: &[Receiver], moment: &Moment<'_>) -> Result<(), WorldError> {
    let mut statement = moment.sql().prepare_cached(
        "INSERT OR IGNORE INTO deliveries (message, person, due_ms, dropped)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    for receiver in to {
        let Receiver {
            person,
            due_ms,
            dropped,
        } = receiver;
        statement.execute(params![message, person, due_ms, dropped])?;
    }
    Ok(())
}

/// The number of the newest message.
pub(super) fn newest(moment: &Moment<'_>) -> Result<i64, WorldError> {
    let last: Option<i64> = moment
        .sql()
        .query_row("SELECT max(seq) FROM messages", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

/// Drops every delivery, or every second one, of the messages after that number.
pub(super) fn drop_since(since: i64, every: i64, moment: &Moment<'_>) -> Result<(), WorldError> {
    moment.sql().execute(
        "UPDATE deliveries SET due_ms = NULL, dropped = '143103'
         WHERE (message, person) IN (
             SELECT message, person FROM (
                 SELECT message, person,
                        row_number() OVER (PARTITION BY message ORDER BY person) AS number
                 FROM deliveries WHERE message > ?1)
             WHERE number % ?2 = 0)",
        params![since, every],
    )?;
    Ok(())
}

/// Lets the messages after that number be on their way for ever.
pub(super) fn never_end_since(since: i64, moment: &Moment<'_>) -> Result<(), WorldError> {
    // Elsewhere the end is told by those who got it, and what is sent later waits for it.
    moment.sql().execute(
        "UPDATE messages SET done_ms = ?2 WHERE seq > ?1 AND vendor = 'dingtalk'",
        params![since, i64::MAX],
    )?;
    moment.sql().execute(
        "UPDATE deliveries SET due_ms = NULL WHERE message > ?1",
        [since],
    )?;
    Ok(())
}

/// When the last message that the app sent that way will have gone out.
pub(super) fn last_done(
    vendor: &str,
    way: &str,
    app: &str,
    moment: &Moment<'_>,
) -> Result<i64, WorldError> {
    let last: Option<i64> = moment.sql().query_row(
        "SELECT max(done_ms) FROM messages WHERE app = ?1 AND vendor = ?2 AND way = ?3",
        params![app, vendor, way],
        |row| row.get(0),
    )?;
    Ok(last.unwrap_or(0))
}

/// How many receivers the app's messages of that way have had since an instant, the dropped ones
/// not counted.
pub(super) fn receivers_since(
    since_ms: i64,
    vendor: &str,
    way: &str,
    app: &str,
    moment: &Moment<'_>,
) -> Result<usize, WorldError> {
    let count: i64 = moment.sql().query_row(
        "SELECT count(*) FROM messages JOIN deliveries ON message = seq
         WHERE app = ?1 AND vendor = ?2 AND way = ?3 AND sent_ms >= ?4 AND dropped IS NULL",
        params![app, vendor, way, since_ms],
        |row| row.get(0),
    )?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The midnight in Shanghai before that instant, where the vendors' days begin: their pages say
/// nothing else, and China keeps no summer time.
pub(super) fn day_of(now_ms: i64) -> i64 {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    const SHANGHAI_MS: i64 = 8 * 60 * 60 * 1000;
    now_ms - (now_ms + SHANGHAI_MS).rem_euclid(DAY_MS)
}

type Raw = (Sent, String);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let sent = Sent {
        seq: row.get(0)?,
        vendor: row.get(1)?,
        id: row.get(2)?,
        way: row.get(3)?,
        app: row.get(4)?,
        chat: row.get(5)?,
        kind: row.get(6)?,
        title: row.get(7)?,
        text: row.get(8)?,
        doc: Value::Null,
        sent_ms: row.get(10)?,
        begins_ms: row.get(11)?,
        done_ms: row.get(12)?,
        recall_ms: row.get(13)?,
    };
    Ok((sent, row.get(9)?))
}

fn typed((sent, doc): Raw) -> Result<Sent, WorldError> {
    let doc = serde_json::from_str(&doc)?;
    Ok(Sent { doc, ..sent })
}
