//! Documents by kind and id: what is, in order of creation, and what was before.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Moment, WorldError};

/// How long a document that was replaced or removed can still be read with a lag.
const PAST_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// Which state of the world a read sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::sandbox) enum View {
    /// The truth.
    Present,
    /// What was true so many milliseconds ago.
    Lagging(i64),
}

impl View {
    /// The instant that a read sees, when it is that late.
    pub(in crate::sandbox) fn instant(self, now_ms: i64) -> i64 {
        match self {
            View::Present => now_ms,
            View::Lagging(lag) => now_ms.saturating_sub(lag),
        }
    }
}

/// One document with its place in the order of creation.
#[derive(Debug)]
pub(in crate::sandbox) struct Found<T> {
    pub(in crate::sandbox) id: String,
    pub(in crate::sandbox) parent: String,
    pub(in crate::sandbox) born: i64,
    pub(in crate::sandbox) doc: T,
}

impl Moment<'_> {
    /// The document of that kind and id, if it exists in that view.
    pub(in crate::sandbox) fn find<T: DeserializeOwned>(
        &self,
        kind: &str,
        id: &str,
        view: View,
    ) -> Result<Option<Found<T>>, WorldError> {
        let mut statement = match view {
            View::Present => self.transaction.prepare_cached(
                "SELECT id, parent, born, doc FROM objects
                 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?,
            View::Lagging(_) => self.transaction.prepare_cached(
                "SELECT id, parent, born, doc FROM objects
                 WHERE kind = ?1 AND id = ?2
                   AND from_ms <= ?3 AND (until_ms IS NULL OR until_ms > ?3)
                 ORDER BY version DESC LIMIT 1",
            )?,
        };
        let row = match view {
            View::Present => statement.query_row(params![kind, id], raw),
            View::Lagging(lag) => {
                statement.query_row(params![kind, id, self.now_ms.saturating_sub(lag)], raw)
            }
        };
        row.optional()?.map(typed).transpose()
    }

    /// The documents of that kind and parent in order of creation, in that view.
    pub(in crate::sandbox) fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
        parent: Option<&str>,
        view: View,
    ) -> Result<Vec<Found<T>>, WorldError> {
        // One text for either case would hide the parent from the index, and read the whole kind.
        let inside = match parent {
            Some(_) => "parent = ?2",
            None => "?2 IS NULL",
        };
        let (as_of, sql) = match view {
            View::Present => (
                None,
                format!(
                    "SELECT id, parent, born, doc FROM objects
                     WHERE kind = ?1 AND {inside} AND until_ms IS NULL AND ?3 IS NULL
                     ORDER BY born"
                ),
            ),
            View::Lagging(lag) => (
                Some(self.now_ms.saturating_sub(lag)),
                format!(
                    "SELECT id, parent, born, doc FROM objects
                     WHERE kind = ?1 AND {inside}
                       AND from_ms <= ?3 AND (until_ms IS NULL OR until_ms > ?3)
                     ORDER BY born, version"
                ),
            ),
        };
        let mut statement = self.transaction.prepare_cached(&sql)?;
        statement
            .query_map(params![kind, parent, as_of], raw)?
            .map(|row| typed(row?))
            .collect()
    }

    /// How many live documents of that kind the parent has.
    pub(in crate::sandbox) fn count(&self, kind: &str, parent: &str) -> Result<u32, WorldError> {
        Ok(self
            .transaction
            .prepare_cached(
                "SELECT count(*) FROM objects
                 WHERE kind = ?1 AND parent = ?2 AND until_ms IS NULL",
            )?
            .query_row(params![kind, parent], |row| row.get(0))?)
    }

    /// Adds a document as the newest of its kind.
    pub(in crate::sandbox) fn insert(
        &self,
        kind: &str,
        id: &str,
        parent: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        self.insert_since(kind, id, parent, doc, self.now_ms)
    }

    /// Adds a document as if it had always been there, so that no lag hides it.
    pub(in crate::sandbox) fn insert_as_old(
        &self,
        kind: &str,
        id: &str,
        parent: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        self.insert_since(kind, id, parent, doc, 0)
    }

    fn insert_since(
        &self,
        kind: &str,
        id: &str,
        parent: &str,
        doc: &impl Serialize,
        from_ms: i64,
    ) -> Result<(), WorldError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO objects (kind, id, parent, doc, from_ms, born)
                 VALUES (?1, ?2, ?3, ?4, ?5, 1 + coalesce((SELECT max(version) FROM objects), 0))",
            )?
            .execute(params![
                kind,
                id,
                parent,
                serde_json::to_string(doc)?,
                from_ms
            ])?;
        Ok(())
    }

    /// Replaces a live document and keeps its place in the order; the former one becomes the past.
    pub(in crate::sandbox) fn replace(
        &self,
        kind: &str,
        id: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        let (parent, born): (String, i64) = self
            .transaction
            .prepare_cached(
                "SELECT parent, born FROM objects
                 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?
            .query_row(params![kind, id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.remove(kind, id)?;
        self.transaction
            .prepare_cached(
                "INSERT INTO objects (kind, id, parent, born, doc, from_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                kind,
                id,
                parent,
                born,
                serde_json::to_string(doc)?,
                self.now_ms
            ])?;
        Ok(())
    }

    /// Ends a live document. One that is not there is no error.
    pub(in crate::sandbox) fn remove(&self, kind: &str, id: &str) -> Result<(), WorldError> {
        self.transaction
            .prepare_cached("DELETE FROM objects WHERE until_ms < ?1")?
            .execute([self.now_ms - PAST_KEPT_MS])?;
        self.transaction
            .prepare_cached(
                "UPDATE objects SET until_ms = ?3
                 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?
            .execute(params![kind, id, self.now_ms])?;
        Ok(())
    }

    /// Changes a live document outside any call: at once, and with no past.
    pub(in crate::sandbox) fn overwrite(
        &self,
        kind: &str,
        id: &str,
        doc: &impl Serialize,
    ) -> Result<(), WorldError> {
        self.transaction
            .prepare_cached(
                "UPDATE objects SET doc = ?3 WHERE kind = ?1 AND id = ?2 AND until_ms IS NULL",
            )?
            .execute(params![kind, id, serde_json::to_string(doc)?])?;
        Ok(())
    }

    /// Removes a live document and all that it was.
    pub(in crate::sandbox) fn erase(&self, kind: &str, id: &str) -> Result<(), WorldError> {
        self.transaction.execute(
            "DELETE FROM objects WHERE kind = ?1 AND id = ?2",
            params![kind, id],
        )?;
        Ok(())
    }
}

type Raw = (String, String, i64, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn typed<T: DeserializeOwned>((id, parent, born, doc): Raw) -> Result<Found<T>, WorldError> {
    Ok(Found {
        id,
        parent,
        born,
        doc: serde_json::from_str(&doc)?,
    })
}
