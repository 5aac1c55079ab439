//! A project's rows as they are, for moving, saving and pruning them.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::BytesMut;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::codec::instant_to_text;
use super::super::layout::{Layout, TableLayout, is_copy, keep, pruning, raised};
use super::super::sqlite::rows::known_layout;
use super::super::sqlite::{Copy, SqliteLedger};
use super::connect::{Connection, Patience};
use super::transaction::{Clock, Tries, Tx, looking, server_now, writing};
use super::trouble::Trouble;
use super::{PostgresLedger, bindings, lease, migrate};
use crate::engine::Pending;
use crate::engine::ledger::{Lease, LedgerError};
use crate::engine::upkeep::{Cell, Rows, Table, Upkeep};
use crate::model::Name;

impl Upkeep for PostgresLedger {
    fn clock(&self) -> Pending<'_, Result<Option<Timestamp>, LedgerError>> {
        Box::pin(async {
            match self.clock {
                Clock::Calls => Ok(None),
                Clock::Server => looking!(self, |conn| server_now(&conn)).map(Some),
            }
        })
    }

    fn rows(&self) -> Pending<'_, Result<Rows, LedgerError>> {
        Box::pin(async { looking!(self, |conn| self::at_one_instant(&conn, &self.project)) })
    }

    fn put_rows<'a>(&'a self, rows: &'a Rows) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { writing!(self, |tx| self::put(&tx, &self.project, rows)) })
    }

    fn flaws(&self) -> Pending<'_, Result<Vec<String>, LedgerError>> {
        // The server looks after its own files.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn save<'a>(&'a self, file: &'a Path) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            let rows = self.rows().await?;
            SqliteLedger::make(file, &self.project, &rows)
        })
    }

    fn prune<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        before: Timestamp,
    ) -> Pending<'a, Result<Vec<(String, u64)>, LedgerError>> {
        Box::pin(async move {
            writing!(self, |tx| async {
                lease::good(&tx, &self.project, lease, now).await?;
                self::prune(&tx, &self.project, before).await
            })
        })
    }
}

type Wrong = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Cell {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
        match self {
            Cell::Null => Ok(IsNull::Yes),
            Cell::Number(number) => number.to_sql(column, out),
            Cell::Real(bits) => f64::from_bits(*bits).to_sql(column, out),
            Cell::Text(text) => super::text(text).to_sql(column, out),
        }
    }

    fn accepts(column: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT].contains(column)
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Cell {
    fn from_sql(column: &Type, raw: &'r [u8]) -> Result<Self, Wrong> {
        if *column == Type::INT8 {
            i64::from_sql(column, raw).map(Cell::Number)
        } else if *column == Type::FLOAT8 {
            f64::from_sql(column, raw).map(|real| Cell::Real(real.to_bits()))
        } else {
            String::from_sql(column, raw).map(Cell::Text)
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Wrong> {
        Ok(Cell::Null)
    }

    fn accepts(column: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT].contains(column)
    }
}

/// The layout of our format; it is one in every database.
fn layout() -> Result<Layout, Trouble> {
    known_layout().ok_or_else(|| Trouble::Failed("the layout of a ledger cannot be told".into()))
}

/// Every row of a project, all at one instant.
pub(super) async fn at_one_instant(conn: &Connection, project: &Name) -> Result<Rows, Trouble> {
    conn.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let read = match migrate::format(conn).await {
        Ok(Some(migrate::KNOWN)) => rows(conn, project).await,
        Ok(_) => Err(Trouble::Failed(
            "it is of an earlier format; apply once with this version first".into(),
        )),
        Err(trouble) => Err(trouble),
    };
    conn.batch("ROLLBACK").await?;
    read
}

/// Fills a copy of an earlier format, of which nothing is known here but the tables.
pub(super) async fn fill(
    conn: &Connection,
    project: &Name,
    format: i64,
    copy: &Copy,
) -> Result<(), Trouble> {
    conn.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let filled = async {
        if migrate::format(conn).await? != Some(format) {
            return Err(Trouble::Failed(
                "it was brought forward meanwhile; try again".into(),
            ));
        }
        for table in copy.layout()? {
            // Others' bindings are claims.
            let which = match table.name.as_str() {
                "binding" => "project = $1 OR project <> $1".to_owned(),
                _ => table.of_project('$'),
            };
            copy.put(&table, &cells(conn, &table, &which, project).await?)?;
        }
        Ok(())
    };
    let filled = filled.await;
    conn.batch("ROLLBACK").await?;
    filled
}

/// The rows of a table of which something holds that takes the project.
async fn cells(
    conn: &Connection,
    table: &TableLayout,
    which: &str,
    project: &Name,
) -> Result<Vec<Vec<Cell>>, Trouble> {
    let sql = format!(
        "SELECT {} FROM {} WHERE {which}",
        table.quoted(),
        table.name
    );
    let found = conn.rows(&sql, &[&project.as_str()]).await?;
    let cells = |row: &Row| {
        let cells = (0..row.len()).map(|n| row.try_get::<_, Cell>(n));
        Ok(cells.collect::<Result<Vec<_>, _>>()?)
    };
    found.iter().map(cells).collect()
}

async fn rows(conn: &Connection, project: &Name) -> Result<Rows, Trouble> {
    let mut tables = Vec::new();
    for table in layout()? {
        let mut rows = cells(conn, &table, &table.of_project('$'), project).await?;
        rows.sort();
        tables.push(Table {
            name: table.name,
            columns: table.columns,
            rows,
        });
    }
    Ok(Rows {
        format: migrate::KNOWN,
        tables,
    })
}

/// Puts a project's rows in, and reads them back. Nobody else writes meanwhile.
pub(super) async fn put(tx: &Tx<'_>, project: &Name, given: &Rows) -> Result<(), Trouble> {
    if given.format != migrate::KNOWN {
        return Err(Trouble::Newer(given.format));
    }
    let layout = layout()?;
    // Numbers are given out by nobody but us until this has ended.
    let names: Vec<_> = layout.iter().map(|table| table.name.as_str()).collect();
    tx.batch(&format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        names.join(", ")
    ))
    .await?;
    let held = rows(tx, project).await?;
    if held.tables.iter().any(|table| !table.rows.is_empty()) {
        return match is_copy(&layout, given, &held) {
            true => Ok(()),
            false => Err(Trouble::Holds(project.clone())),
        };
    }
    let mut raise = BTreeMap::new();
    for table in &layout {
        if let Some(number) = &table.number {
            let sql = format!(
                "SELECT coalesce(max({number}), 0)::bigint FROM {}",
                table.name
            );
            raise.insert(number.clone(), tx.row(&sql, &[]).await?.try_get(0)?);
        }
    }
    let mut raised = raised(given, &raise);
    for (table, layout) in raised.iter_mut().zip(&layout) {
        if (&table.name, &table.columns) != (&layout.name, &layout.columns) {
            return Err(Trouble::Failed(format!(
                "the table {} is another there than here",
                table.name
            )));
        }
        if table.name == "binding" {
            bindings::unclaimed(tx, table).await?;
        }
        let put = insert(tx, table, layout).await?;
        keep(table, &put);
    }
    if rows(tx, project).await?.tables != raised {
        return Err(Trouble::Failed(
            "what was read back is not what was put in; nothing was kept".into(),
        ));
    }
    Ok(())
}

/// Says of each row whether it was put in.
async fn insert(tx: &Tx<'_>, table: &Table, layout: &TableLayout) -> Result<Vec<bool>, Trouble> {
    let sql = layout.insertion('$');
    let mut put = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let cells: Vec<&(dyn ToSql + Sync)> =
            row.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect();
        put.push(tx.run(&sql, &cells).await? == 1);
    }
    if let Some(number) = &layout.number {
        // The next one that is given out comes after them.
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{0}', '{number}'), greatest(max({number}), 1),
                 max({number}) IS NOT NULL) FROM {0}",
            table.name
        );
        tx.row(&sql, &[]).await?;
    }
    Ok(put)
}

/// Forgets what ended before an instant.
pub(super) async fn prune(
    tx: &Tx<'_>,
    project: &Name,
    before: Timestamp,
) -> Result<Vec<(String, u64)>, Trouble> {
    let before = instant_to_text(before);
    let mut pruned = Vec::new();
    for (table, sql) in pruning(&layout()?, '$') {
        let gone = tx.run(&sql, &[&project.as_str(), &before]).await?;
        pruned.push((table, gone));
    }
    Ok(pruned)
}
