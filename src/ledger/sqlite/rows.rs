//! A project's rows as they are, for moving, saving and pruning them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::super::codec::instant_to_text;
use super::super::layout::{Layout, TableLayout, is_copy, keep, pruning, raised};
use super::trouble::Trouble;
use super::{Source, SqliteLedger, bindings, file, migrate};
use crate::engine::Pending;
use crate::engine::ledger::{Lease, LedgerError};
use crate::engine::upkeep::{Cell, Rows, Table, Upkeep};
use crate::model::Name;

impl Upkeep for SqliteLedger {
    fn clock(&self) -> Pending<'_, Result<Option<Timestamp>, LedgerError>> {
        Box::pin(async { Ok(None) })
    }

    fn rows(&self) -> Pending<'_, Result<Rows, LedgerError>> {
        Box::pin(async { self.looking(|conn| self::rows(conn, &self.project)) })
    }

    fn put_rows<'a>(&'a self, rows: &'a Rows) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move { self.writing(|tx, _| self::put(tx, &self.project, rows)) })
    }

    fn flaws(&self) -> Pending<'_, Result<Vec<String>, LedgerError>> {
        Box::pin(async { self.looking(self::flaws) })
    }

    fn save<'a>(&'a self, file: &'a Path) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            // Of a server's ledger the project alone, as when it is of our format.
            if let Source::Copy(_) = &self.source {
                let rows = self.looking(|conn| self::rows(conn, &self.project))?;
                return Self::make(file, &self.project, &rows);
            }
            let saved = self.looking(|conn| Ok(self::save(conn, file)))?;
            // What goes wrong now goes wrong with the new file.
            saved.map_err(|trouble| trouble.at(&file.display().to_string()))
        })
    }

    fn prune<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        before: Timestamp,
    ) -> Pending<'a, Result<Vec<(String, u64)>, LedgerError>> {
        Box::pin(
            async move { self.holding(lease, now, |tx| self::prune(tx, &self.project, before)) },
        )
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Real(bits) => ToSqlOutput::Owned(Value::Real(f64::from_bits(*bits))),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// The tables that hold rows of projects.
pub(super) fn layout(conn: &Connection) -> Result<Layout, Trouble> {
    let mut tables = conn.prepare(
        "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
    )?;
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut layout = Vec::new();
    for table in tables {
        let (name, gives_numbers): (String, bool) = table?;
        let mut columns =
            conn.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
        let columns: Vec<(String, bool)> = columns
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let key = columns.iter().find(|(_, is_key)| *is_key);
        let number = key.filter(|_| gives_numbers).map(|(name, _)| name.clone());
        let columns: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
        let table = TableLayout {
            name,
            columns,
            number,
        };
        if table.is_of_projects() {
            layout.push(table);
        }
    }
    Ok(layout)
}

/// The layout of our format; none when memory is short.
pub(in crate::ledger) fn known_layout() -> Option<Layout> {
    let empty = file::memory().ok()?;
    layout(&empty).ok()
}

/// Every row of a project, all at one instant.
pub(super) fn rows(conn: &Connection, project: &Name) -> Result<Rows, Trouble> {
    // One look at the file: what is committed meanwhile does not show.
    let look = match conn.is_autocommit() {
        true => Some(conn.unchecked_transaction()?),
        false => None,
    };
    let tables = layout(conn)?
        .iter()
        .map(|table| {
            let sql = format!(
                "SELECT {} FROM {} WHERE {}",
                table.quoted(),
                table.name,
                table.of_project('?')
            );
            let mut statement = conn.prepare(&sql)?;
            let mut found = statement.query([project.as_str()])?;
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                let cell = |n| match row.get_ref(n)? {
                    ValueRef::Null => Ok(Cell::Null),
                    ValueRef::Integer(number) => Ok(Cell::Number(number)),
                    ValueRef::Text(text) => Ok(Cell::Text(
                        String::from_utf8(text.to_vec())
                            .map_err(|error| Trouble::Corrupt(error.to_string()))?,
                    )),
                    ValueRef::Real(real) => Ok(Cell::Real(real.to_bits())),
                    ValueRef::Blob(_) => Err(Trouble::Corrupt(format!(
                        "a row of {} is neither text nor a number",
                        table.name
                    ))),
                };
                let cells = (0..table.columns.len()).map(cell);
                rows.push(cells.collect::<Result<Vec<_>, Trouble>>()?);
            }
            rows.sort();
            Ok(Table {
                name: table.name.clone(),
                columns: table.columns.clone(),
                rows,
            })
        })
        .collect::<Result<Vec<_>, Trouble>>()?;
    drop(look);
    Ok(Rows {
        format: migrate::KNOWN,
        tables,
    })
}

/// Puts a project's rows in, and reads them back.
pub(super) fn put(tx: &Connection, project: &Name, given: &Rows) -> Result<(), Trouble> {
    if given.format != migrate::KNOWN {
        return Err(Trouble::Newer(given.format));
    }
    let layout = layout(tx)?;
    let held = rows(tx, project)?;
    if held.tables.iter().any(|table| !table.rows.is_empty()) {
        return match is_copy(&layout, given, &held) {
            true => Ok(()),
            false => Err(Trouble::Holds(project.clone())),
        };
    }
    let mut raise = BTreeMap::new();
    for table in &layout {
        if let Some(number) = &table.number {
            let sql = format!("SELECT coalesce(max({number}), 0) FROM {}", table.name);
            let highest: i64 = tx.query_row(&sql, [], |row| row.get(0))?;
            raise.insert(number.clone(), highest);
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
            bindings::unclaimed(tx, table)?;
        }
        let put = insert(tx, layout, &table.rows)?;
        keep(table, &put);
    }
    if rows(tx, project)?.tables != raised {
        return Err(Trouble::Failed(
            "what was read back is not what was put in; nothing was kept".into(),
        ));
    }
    Ok(())
}

/// Puts rows into a table as they are; says of each whether it was put in.
pub(super) fn insert(
    tx: &Connection,
    table: &TableLayout,
    rows: &[Vec<Cell>],
) -> Result<Vec<bool>, Trouble> {
    let mut insert = tx.prepare(&table.insertion('?'))?;
    let rows = rows.iter();
    rows.map(|row| Ok(insert.execute(params_from_iter(row))? == 1))
        .collect()
}

/// What SQLite finds wrong.
pub(super) fn flaws(conn: &Connection) -> Result<Vec<String>, Trouble> {
    let mut check = conn.prepare("PRAGMA integrity_check")?;
    let found: Vec<String> = check
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

/// Copies all that the file holds into a new one.
pub(super) fn save(conn: &Connection, path: &Path) -> Result<(), Trouble> {
    file::new(path, |draft| {
        Backup::new(conn, draft)?.run_to_completion(1_000, Duration::ZERO, None)?;
        // The copy says of itself what the original is.
        draft.pragma_update(None, "journal_mode", "DELETE")?;
        Ok(())
    })
}

/// Forgets what ended before an instant.
pub(super) fn prune(
    tx: &Connection,
    project: &Name,
    before: Timestamp,
) -> Result<Vec<(String, u64)>, Trouble> {
    let before = instant_to_text(before);
    let mut pruned = Vec::new();
    for (table, sql) in pruning(&layout(tx)?, '?') {
        let mut delete = tx.prepare(&sql)?;
        let gone = delete.execute((project.as_str(), &before))?;
        pruned.push((table, gone as u64));
    }
    Ok(pruned)
}
