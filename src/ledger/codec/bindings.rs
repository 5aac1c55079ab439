//! Bindings: who owns which of the vendors' objects.

use super::{Unreadable, address_from_text};
use crate::engine::ledger::LedgerError;
use crate::engine::upkeep::{Cell, Table};
use crate::model::{Address, Collection, Name, RemoteId};

/// A project and its resource, as a binding names them.
///
/// # Errors
///
/// When they are not written as we write them.
pub(in crate::ledger) fn owner(
    project: &str,
    address: &str,
) -> Result<(Name, Address), Unreadable> {
    let wrong = |why| Unreadable {
        row: format!("the binding of {address} of {project}"),
        why,
    };
    let name = Name::new(project).map_err(|error| wrong(error.to_string()))?;
    Ok((name, address_from_text(address).map_err(wrong)?))
}

/// The error that names the owner of an object.
pub(in crate::ledger) fn claimed(
    (project, address): (Name, Address),
    collection: &Collection,
    id: &RemoteId,
) -> LedgerError {
    LedgerError::Claimed {
        project,
        address: Box::new(address),
        collection: collection.clone(),
        id: id.clone(),
    }
}

/// The objects that rows bind, whatever ledger they are from.
pub(in crate::ledger) fn objects(bindings: &Table) -> Vec<(Collection, RemoteId)> {
    let object = |row: &Vec<Cell>| {
        let text = |column| bindings.cell(row, column).and_then(Cell::text);
        Some((
            Collection::parse(text("collection")?),
            RemoteId::new(text("id")?),
        ))
    };
    bindings.rows.iter().filter_map(object).collect()
}
