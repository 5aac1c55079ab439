//! What we remember: the ledgers behind the seams [`Ledger`](crate::engine::Ledger) and [`Books`].
//!
//! It knows no vendor, no terminal and no clock: times are arguments. Words of the ledger's rows are in
//! [`codec`], for every database; the one database so far is SQLite, in one file.
//!
//! Start at [`open`], then read [`sqlite`], which says what is promised and what is not.

pub mod codec;
pub mod sqlite;

use std::path::Path;
use std::sync::Arc;

use crate::engine::ledger::LedgerError;
use crate::engine::outbox::Books;
use crate::model::Name;

/// What a ledger is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look: nothing is created and nothing is written, and a file that does not exist is an empty
    /// ledger. Methods that would write fail with [`LedgerError::ReadOnly`].
    Read,
    /// To apply: the file and its folder are created where they are missing.
    Write,
}

/// Opens the ledger in a file, for one project.
///
/// Drop the ledger before the process exits: that leaves one file behind instead of three.
///
/// # Errors
///
/// When the file cannot be what was asked for: damaged, of another program, of a later beadle, or not
/// writable. All of these are found here, before anything else happens.
pub fn open(path: &Path, project: &Name, access: Access) -> Result<Arc<dyn Books>, LedgerError> {
    Ok(match access {
        Access::Read => Arc::new(sqlite::SqliteLedger::read(path, project)?),
        Access::Write => Arc::new(sqlite::SqliteLedger::write(path, project)?),
    })
}

/// A ledger that lives as long as the value, for tests.
///
/// # Panics
///
/// Never: an empty database in memory takes the schema.
#[must_use]
pub fn open_memory(project: &Name) -> Arc<dyn Books> {
    Arc::new(sqlite::SqliteLedger::memory(project).expect("an empty database takes the schema"))
}
