//! What goes wrong inside, before it is known which file to name.

use rusqlite::ErrorCode;

use super::super::codec::row::{Corrupt, Unreadable};
use crate::engine::ledger::LedgerError;
use crate::model::Name;

use super::file::BUSY;
use super::migrate::KNOWN;

pub(in crate::ledger) enum Trouble {
    Sql(rusqlite::Error),
    Io(std::io::Error),
    /// A row that we cannot read: which, and why not.
    Row(String, String),
    /// It has rows of the project.
    Holds(Name),
    Newer(i64),
    Corrupt(String),
    ReadOnly(String),
    Failed(String),
    /// One that names no file.
    Said(LedgerError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::Sql(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Trouble::Io(error)
    }
}

impl From<Corrupt> for Trouble {
    fn from(Corrupt(why): Corrupt) -> Self {
        Trouble::Corrupt(why)
    }
}

impl From<Unreadable> for Trouble {
    fn from(Unreadable { row, why }: Unreadable) -> Self {
        Trouble::Row(row, why)
    }
}

impl Trouble {
    /// Names the place.
    pub(super) fn at(self, place: &str) -> LedgerError {
        let place = place.to_owned();
        match self {
            Trouble::Said(error) => error,
            Trouble::Holds(project) => LedgerError::Holds { place, project },
            Trouble::Newer(found) => LedgerError::Newer {
                place,
                found,
                known: KNOWN,
            },
            Trouble::Corrupt(why) => LedgerError::Corrupt { place, why },
            Trouble::ReadOnly(why) => LedgerError::ReadOnly { place, why },
            Trouble::Failed(why) => LedgerError::Failed { place, why },
            Trouble::Row(row, why) => LedgerError::Failed {
                place,
                why: format!(
                    "{row} is not as this beadle writes it, perhaps a later one did: {why}"
                ),
            },
            Trouble::Io(error) => from_io(place, &error),
            Trouble::Sql(error) => from_sql(place, &error),
        }
    }

    /// The same once more, for another who has to hear of it.
    pub(super) fn again(&self) -> Trouble {
        match self {
            Trouble::Sql(rusqlite::Error::SqliteFailure(error, why)) => {
                Trouble::Sql(rusqlite::Error::SqliteFailure(*error, why.clone()))
            }
            Trouble::Sql(error) => Trouble::Failed(error.to_string()),
            Trouble::Io(error) => Trouble::Io(std::io::Error::new(error.kind(), error.to_string())),
            Trouble::Row(row, why) => Trouble::Row(row.clone(), why.clone()),
            Trouble::Holds(project) => Trouble::Holds(project.clone()),
            Trouble::Newer(found) => Trouble::Newer(*found),
            Trouble::Corrupt(why) => Trouble::Corrupt(why.clone()),
            Trouble::ReadOnly(why) => Trouble::ReadOnly(why.clone()),
            Trouble::Failed(why) => Trouble::Failed(why.clone()),
            Trouble::Said(error) => Trouble::Failed(error.to_string()),
        }
    }

    /// Whether a writer was killed so that only a writer can put the file right.
    pub(super) fn wants_recovery(&self) -> bool {
        matches!(
            self,
            Trouble::Sql(error) if error.sqlite_error().is_some_and(|e| {
                e.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK
                    || e.extended_code == rusqlite::ffi::SQLITE_READONLY_RECOVERY
            })
        )
    }
}

fn from_io(place: String, error: &std::io::Error) -> LedgerError {
    use std::io::ErrorKind;
    let why = error.to_string();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            LedgerError::ReadOnly { place, why }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => full(place),
        _ => LedgerError::Failed { place, why },
    }
}

fn from_sql(place: String, error: &rusqlite::Error) -> LedgerError {
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            LedgerError::Corrupt { place, why }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            LedgerError::ReadOnly { place, why }
        }
        Some(ErrorCode::DiskFull) => full(place),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Failed {
            place,
            why: format!(
                "another process has kept it locked for {} s",
                BUSY.as_secs()
            ),
        },
        // The schema is ours or this is no ledger: the format number was checked before.
        _ if why.starts_with("no such table") || why.starts_with("no such column") => {
            LedgerError::Corrupt { place, why }
        }
        _ => LedgerError::Failed { place, why },
    }
}

fn full(place: String) -> LedgerError {
    LedgerError::Failed {
        place,
        why: "the disk is full; nothing was written".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_so() {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        for trouble in [
            Trouble::Sql(rusqlite::Error::SqliteFailure(full, None)),
            Trouble::Io(std::io::ErrorKind::StorageFull.into()),
        ] {
            assert_eq!(
                trouble.at("ledger.db").to_string(),
                "ledger.db: the disk is full; nothing was written"
            );
        }
    }
}
