//! What goes wrong inside, before it is known which server to name.

use tokio_postgres::error::SqlState;

use super::super::codec::row::{Corrupt, Unreadable};
use super::migrate::KNOWN;
use crate::engine::ledger::LedgerError;
use crate::model::Name;

pub(in crate::ledger) enum Trouble {
    Sql(tokio_postgres::Error),
    /// The server did not answer in time; the connection is given up.
    Silent,
    /// A row that we cannot read: which, and why not.
    Row(String, String),
    /// It has rows of the project.
    Holds(Name),
    Newer(i64),
    Corrupt(String),
    ReadOnly(String),
    Failed(String),
    /// One that names no server.
    Said(LedgerError),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Trouble::Sql(error)
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Trouble::Said(error)
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
            Trouble::Silent => LedgerError::Away {
                place,
                why: "the server did not answer in time".into(),
            },
            Trouble::Sql(error) => from_sql(place, &error),
        }
    }

    /// Whether the connection is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Trouble::Silent => true,
            // The server's own word; the rest is of the wire.
            Trouble::Sql(error) => match error.code() {
                Some(code) => ends_connection(code),
                None => true,
            },
            _ => false,
        }
    }

    /// Whether the server took back a transaction that may simply be tried again.
    pub(super) fn is_in_the_way(&self) -> bool {
        let Trouble::Sql(error) = self else {
            return false;
        };
        // Another project has just bound the same object: the next try finds who.
        let both_bind = || {
            let said = error.as_db_error();
            said.and_then(|said| said.constraint()) == Some("binding_object")
        };
        match error.code() {
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => true,
            Some(&SqlState::UNIQUE_VIOLATION) => both_bind(),
            _ => false,
        }
    }

    /// Whether a new connection may be had in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Trouble::Sql(error) => match error.code() {
                Some(code) => ends_connection(code) || *code == SqlState::TOO_MANY_CONNECTIONS,
                // A certificate that is wrong stays wrong.
                None => !is_about_tls(error),
            },
            _ => self.is_lost(),
        }
    }

    /// Whether the server is there and asks for patience.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self, Trouble::Sql(error) if matches!(
            error.code(),
            Some(&SqlState::CANNOT_CONNECT_NOW | &SqlState::TOO_MANY_CONNECTIONS)
        ))
    }
}

fn ends_connection(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code)
        || code.code().starts_with("08")
}

fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        let inner = error.downcast_ref::<std::io::Error>();
        if inner
            .and_then(std::io::Error::get_ref)
            .is_some_and(|inner| inner.is::<rustls::Error>())
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The words of an error and its causes, without what a server adds in detail: that may be a row.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

fn from_sql(place: String, error: &tokio_postgres::Error) -> LedgerError {
    let why = words(error);
    let Some(code) = error.code() else {
        return LedgerError::Away { place, why };
    };
    match *code {
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => LedgerError::Corrupt { place, why },
        // The tables are ours or this is no ledger: the format was read before.
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::DUPLICATE_TABLE => {
            LedgerError::Corrupt { place, why }
        }
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => {
            LedgerError::ReadOnly { place, why }
        }
        SqlState::DISK_FULL => LedgerError::Failed {
            place,
            why: "the server's disk is full; nothing was written".into(),
        },
        SqlState::LOCK_NOT_AVAILABLE => LedgerError::Failed {
            place,
            why: "another process has kept a row locked for too long".into(),
        },
        SqlState::QUERY_CANCELED => LedgerError::Failed {
            place,
            why: "the server took too long, and the statement was cancelled".into(),
        },
        // It lets us in with another password, with TLS, or not at all.
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            LedgerError::Away { place, why }
        }
        _ if ends_connection(code) || *code == SqlState::TOO_MANY_CONNECTIONS => {
            LedgerError::Away { place, why }
        }
        _ => LedgerError::Failed { place, why },
    }
}
