//! Which tables hold a project's rows, the same in every database.
//!
//! It is asked of an empty ledger in memory, so that nobody has to keep a list: a table with a column
//! `project` or `delivery` is copied, checked and pruned with the rest. A number that a table gives out (its
//! `INTEGER PRIMARY KEY AUTOINCREMENT`) has one name everywhere, as `delivery` has.

use std::collections::BTreeMap;

use crate::engine::upkeep::{Cell, Rows, Table};

/// Who has had what on which day: by app, not by project.
const HAD: &str = "had";

/// A table that holds rows of projects.
pub(super) struct TableLayout {
    pub(super) name: String,
    /// In the order of their definition.
    pub(super) columns: Vec<String>,
    /// The column whose numbers it gives out.
    pub(super) number: Option<String>,
}

/// Every such table, by name.
pub(super) type Layout = Vec<TableLayout>;

impl TableLayout {
    fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// Which of its rows are a project's; the project stands behind `mark`. What has no project of its own
    /// has that of its delivery.
    pub(super) fn of_project(&self, mark: char) -> String {
        match self.has("project") {
            true => format!("project = {mark}1"),
            false => format!("delivery IN (SELECT delivery FROM delivery WHERE project = {mark}1)"),
        }
    }

    /// Whether it holds rows of projects.
    pub(super) fn is_of_projects(&self) -> bool {
        self.has("project") || self.has("delivery")
    }

    /// What puts a row in. Who has had what is known once to an app, whichever of its projects told it;
    /// everywhere else a row that is in the way is an error.
    pub(super) fn insertion(&self, mark: char) -> String {
        let unless = match self.name.as_str() {
            HAD => " ON CONFLICT DO NOTHING",
            _ => "",
        };
        format!(
            "INSERT INTO {} ({}) VALUES ({}){unless}",
            self.name,
            self.quoted(),
            self.placeholders(mark)
        )
    }

    /// The columns, quoted, with commas.
    pub(super) fn quoted(&self) -> String {
        let columns: Vec<_> = self
            .columns
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        columns.join(", ")
    }

    /// As many placeholders as columns, each behind its mark.
    fn placeholders(&self, mark: char) -> String {
        let numbered: Vec<_> = (1..=self.columns.len())
            .map(|n| format!("{mark}{n}"))
            .collect();
        numbered.join(", ")
    }
}

/// Adds to every number what its name is raised by.
pub(super) fn raised(rows: &Rows, by: &BTreeMap<String, i64>) -> Vec<Table> {
    let raise = |table: &Table| {
        let raises: Vec<i64> = table
            .columns
            .iter()
            .map(|column| by.get(column).copied().unwrap_or(0))
            .collect();
        let cell = |(cell, by): (&Cell, &i64)| match cell {
            Cell::Number(number) => Cell::Number(number.saturating_add(*by)),
            other => other.clone(),
        };
        let mut rows: Vec<Vec<Cell>> = table
            .rows
            .iter()
            .map(|row| row.iter().zip(&raises).map(cell).collect())
            .collect();
        rows.sort();
        Table {
            name: table.name.clone(),
            columns: table.columns.clone(),
            rows,
        }
    };
    rows.tables.iter().map(raise).collect()
}

/// Whether what a ledger holds of a project is what it was given once and nothing has changed since, there or
/// here. Numbers were raised, all by the same; the lease is each ledger's own.
pub(super) fn is_copy(layout: &Layout, given: &Rows, held: &Rows) -> bool {
    let mut by = BTreeMap::new();
    for (table, number) in layout.iter().filter_map(|t| Some((t, t.number.as_ref()?))) {
        let lowest = |rows: &Rows| {
            let table = rows.table(&table.name)?;
            let numbers = table.rows.iter().filter_map(|row| table.cell(row, number));
            match numbers.min()? {
                Cell::Number(lowest) => Some(*lowest),
                Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
            }
        };
        match (lowest(given), lowest(held)) {
            (Some(given), Some(held)) => {
                by.insert(number.clone(), held - given);
            }
            (None, None) => {}
            _ => return false,
        }
    }
    let given = raised(given, &by);
    let same = |(given, held): (&Table, &Table)| match given.name.as_str() {
        "lease" => true,
        // Some may be known by another project's row.
        HAD => held.rows.iter().all(|row| given.rows.contains(row)),
        _ => given == held,
    };
    given.len() == held.tables.len() && given.iter().zip(&held.tables).all(same)
}

/// Leaves the rows of a table that were put in.
pub(super) fn keep(table: &mut Table, put: &[bool]) {
    let mut put = put.iter();
    table.rows.retain(|_| put.next() == Some(&true));
}

/// What pruning deletes, a table at a time, what refers first. Each statement takes the project and the
/// instant, in this order, behind `mark`.
pub(super) fn pruning(layout: &Layout, mark: char) -> Vec<(String, String)> {
    let (project, before) = (format!("{mark}1"), format!("{mark}2"));
    // What is up to the mark of what was handled is never admitted again, row or no row.
    let old = format!(
        "SELECT 1 FROM occurrence o JOIN handled h ON h.project = o.project AND h.notice = o.notice
         WHERE o.project = {project} AND o.outcome IS NOT NULL AND o.outcome <> 'held'
             AND o.ended_at < {before} AND o.last <= h.until
             AND NOT EXISTS (SELECT 1 FROM delivery undone
                 WHERE undone.project = o.project AND undone.notice = o.notice
                     AND undone.nominal = o.nominal
                     AND undone.state IN ('pending', 'sending', 'unknown', 'held'))"
    );
    let of = |table: &str| {
        format!(
            "project = {project} AND EXISTS ({old} AND o.notice = {table}.notice
                 AND o.nominal = {table}.nominal)"
        )
    };
    let deliveries = format!(
        "SELECT delivery.delivery FROM delivery WHERE {}",
        of("delivery")
    );
    let mut statements = Vec::new();
    let mut delete = |table: &str, which: String| {
        statements.push((
            table.to_owned(),
            format!("DELETE FROM {table} WHERE {which}"),
        ));
    };
    let others = |table: &&TableLayout| {
        !["occurrence", "delivery", "handled"].contains(&table.name.as_str())
    };
    for table in layout.iter().filter(others) {
        if table.has("delivery") {
            delete(&table.name, format!("delivery IN ({deliveries})"));
        } else if table.has("notice") && table.has("nominal") {
            delete(&table.name, of(&table.name));
        }
    }
    delete("delivery", of("delivery"));
    delete("occurrence", {
        // The row itself is the one that is looked at.
        format!(
            "project = {project} AND outcome IS NOT NULL AND EXISTS ({old} AND o.notice = occurrence.notice
                 AND o.nominal = occurrence.nominal)"
        )
    });
    delete(
        "journal",
        format!("project = {project} AND ended_at IS NOT NULL AND ended_at < {before}"),
    );
    delete(
        "look_up",
        format!("project = {project} AND looked_at < {before}"),
    );
    delete(
        "snapshot",
        format!("project = {project} AND read_at < {before}"),
    );
    statements
}
