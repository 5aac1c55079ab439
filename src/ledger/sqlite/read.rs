//! Rows, read: how a column stands in SQLite.

use rusqlite::{Connection, Params, Row};

use super::super::codec::row;
use super::trouble::Trouble;

impl row::Row for Row<'_> {
    type Trouble = Trouble;

    fn text(&self, column: usize) -> Result<&str, Trouble> {
        let text = self.get_ref(column)?.as_str();
        text.map_err(|error| Trouble::Corrupt(format!("a text cannot be read: {error}")))
    }

    fn maybe_text(&self, column: usize) -> Result<Option<&str>, Trouble> {
        let text = self.get_ref(column)?.as_str_or_null();
        text.map_err(|error| Trouble::Corrupt(format!("a text cannot be read: {error}")))
    }

    fn number(&self, column: usize) -> Result<i64, Trouble> {
        Ok(self.get(column)?)
    }

    fn maybe_number(&self, column: usize) -> Result<Option<i64>, Trouble> {
        Ok(self.get(column)?)
    }

    fn real(&self, column: usize) -> Result<f64, Trouble> {
        Ok(self.get(column)?)
    }

    fn is(&self, column: usize) -> Result<bool, Trouble> {
        Ok(self.get(column)?)
    }
}

/// What a query finds.
pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
