//! Rows, read: how a column stands on PostgreSQL.

use tokio_postgres::Row;

use super::super::codec::row;
use super::connect::{Connection, Params};
use super::trouble::Trouble;

impl row::Row for Row {
    type Trouble = Trouble;

    fn text(&self, column: usize) -> Result<&str, Trouble> {
        Ok(self.try_get(column)?)
    }

    fn maybe_text(&self, column: usize) -> Result<Option<&str>, Trouble> {
        Ok(self.try_get(column)?)
    }

    fn number(&self, column: usize) -> Result<i64, Trouble> {
        Ok(self.try_get(column)?)
    }

    fn maybe_number(&self, column: usize) -> Result<Option<i64>, Trouble> {
        Ok(self.try_get(column)?)
    }

    fn real(&self, column: usize) -> Result<f64, Trouble> {
        Ok(self.try_get(column)?)
    }

    fn is(&self, column: usize) -> Result<bool, Trouble> {
        Ok(self.try_get(column)?)
    }
}

/// What a query finds.
pub(super) async fn all<T>(
    conn: &Connection,
    sql: &str,
    params: Params<'_>,
    read: impl Fn(&Row) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    conn.rows(sql, params).await?.iter().map(read).collect()
}
