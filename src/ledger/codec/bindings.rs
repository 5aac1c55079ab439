//! Bindings: who owns which of the vendors' objects.

use super::row::{Row, Unreadable};
use super::{address_from_text, fields_from_json, instant_from_text};
use crate::engine::ledger::{Binding, Claim, LedgerError};
use crate::engine::upkeep::{Cell, Table};
use crate::model::{Address, AppId, Collection, Name, RemoteId};

/// What [`binding`] reads.
pub(in crate::ledger) const BINDING: &str =
    "address, provider, app, collection, id, applied, protect, updated_at";

/// A binding. Neighbours share provider, app and often the tasklist: one allocation for all of them.
pub(in crate::ledger) fn binding<R: Row>(
    row: &R,
    last: Option<&Binding>,
) -> Result<Binding, R::Trouble> {
    let address = row.text(0)?;
    let wrong = |why: String| Unreadable {
        row: format!("the binding of {address}"),
        why,
    };
    let (provider, app, collection) = (row.text(1)?, row.text(2)?, row.text(3)?);
    let provider = match last.map(|b| &b.provider).filter(|p| p.as_str() == provider) {
        Some(same) => same.clone(),
        None => Name::new(provider).map_err(|error| wrong(error.to_string()))?,
    };
    let app = match last.map(|b| &b.app).filter(|a| a.as_str() == app) {
        Some(same) => same.clone(),
        None => AppId::new(app),
    };
    let known = last.map(|b| &b.collection);
    let collection = match known.filter(|known| known.as_str() == collection) {
        Some(same) => same.clone(),
        None => Collection::parse(collection),
    };
    Ok(Binding {
        address: address_from_text(address).map_err(wrong)?,
        provider,
        app,
        collection,
        id: RemoteId::new(row.text(4)?),
        applied: fields_from_json(row.text(5)?).map_err(wrong)?,
        protect: row.number(6)? != 0,
        updated_at: instant_from_text(row.text(7)?).map_err(wrong)?,
    })
}

/// What another project has bound, from its project, address, collection and id.
pub(in crate::ledger) fn claim<R: Row>(row: &R) -> Result<Claim, R::Trouble> {
    let (project, address) = owner(row.text(0)?, row.text(1)?)?;
    Ok(Claim {
        project,
        address,
        collection: Collection::parse(row.text(2)?),
        id: RemoteId::new(row.text(3)?),
    })
}

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
