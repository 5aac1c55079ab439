//! The seam to the keeping of a ledger: moving it, looking whether it is sound, saving it, pruning it.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;

use super::Pending;
use super::ledger::{Lease, LedgerError};

/// What can be done with a ledger as a whole.
///
/// # Guarantees
///
/// - What is moved arrives whole or not at all, and was read back and compared before it counts.
/// - What is pruned guards nothing any more: no binding, no mark of what was handled, no call without an
///   end, no occurrence that is open or held is ever among it.
pub trait Upkeep: Send + Sync {
    /// The present instant by the ledger's own clock; none where it goes by ours.
    fn clock(&self) -> Pending<'_, Result<Option<Timestamp>, LedgerError>>;

    /// Every row of the project, all at one instant.
    fn rows(&self) -> Pending<'_, Result<Rows, LedgerError>>;

    /// Puts the rows of a project in, which must have none here, or these: then nothing is put in.
    ///
    /// Numbers of calls and deliveries are raised where another project has them; what refers to them
    /// goes along. Who has had what on a day is known once to an app: where another project has told
    /// somebody the same, its row stays and says so for both.
    fn put_rows<'a>(&'a self, rows: &'a Rows) -> Pending<'a, Result<(), LedgerError>>;

    /// What the database itself finds wrong with its files.
    fn flaws(&self) -> Pending<'_, Result<Vec<String>, LedgerError>>;

    /// Writes a ledger file that did not exist: all that a file holds, or the project of a server.
    fn save<'a>(&'a self, file: &'a Path) -> Pending<'a, Result<(), LedgerError>>;

    /// Forgets what ended before an instant; says how many rows of each table that were.
    fn prune<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        before: Timestamp,
    ) -> Pending<'a, Result<Vec<(String, u64)>, LedgerError>>;
}

/// The rows of a project, by table; personal data and stored messages among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Rows {
    /// The format that they are of.
    pub format: i64,
    /// The tables, in a fixed order.
    pub tables: Vec<Table>,
}

/// A table's rows of a project.
#[derive(Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The columns, in the order of the cells.
    pub columns: Vec<String>,
    /// The rows, sorted.
    pub rows: Vec<Vec<Cell>>,
}

/// A value in a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Number(i64),
    /// Another number, as the bits of a double.
    Real(u64),
    /// A text.
    Text(String),
}

/// What is in it may be personal data.
impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => f.write_str("Null"),
            Cell::Number(number) => write!(f, "Number({number})"),
            Cell::Real(bits) => write!(f, "Real({})", f64::from_bits(*bits)),
            Cell::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

impl Cell {
    /// The text; none for what is no text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            Cell::Null | Cell::Number(_) | Cell::Real(_) => None,
        }
    }
}

impl Rows {
    /// A table by its name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Ends the lease that somebody held when the rows were read: nobody holds it where they go.
    pub fn end_lease(&mut self, at: &str) {
        let lease = self.tables.iter_mut().find(|table| table.name == "lease");
        let Some(table) = lease else {
            return;
        };
        let column = |name: &str| table.columns.iter().position(|column| column == name);
        let (Some(ended), Some(ended_at), Some(token)) =
            (column("ended"), column("ended_at"), column("token"))
        else {
            return;
        };
        for row in &mut table.rows {
            if row[ended] == Cell::Null {
                row[ended] = Cell::Text("released".to_owned());
                row[ended_at] = Cell::Text(at.to_owned());
            }
            row[token] = Cell::Null;
        }
    }
}

impl Table {
    /// The values of a row's columns, by name; none where there is no such column.
    #[must_use]
    pub fn cell<'r>(&self, row: &'r [Cell], column: &str) -> Option<&'r Cell> {
        let found = self.columns.iter().position(|name| name == column)?;
        row.get(found)
    }
}
