//! Address ↔ vendor's object.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::super::codec::bindings::{BINDING, binding, claim, claimed, objects, owner};
use super::super::codec::{fields_to_json, instant_to_text};
use super::trouble::Trouble;
use super::{outbox, read, rename as notices};
use crate::engine::ledger::{Binding, BindingChange, Claim};
use crate::engine::upkeep::Table;
use crate::model::{Address, Collection, Kind, Name, RemoteId};

/// Every binding of the project, by address.
pub(super) fn all(conn: &Connection, project: &Name) -> Result<Vec<Binding>, Trouble> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {BINDING} FROM binding WHERE project = ?1 ORDER BY address"
    ))?;
    let mut rows = statement.query([project.as_str()])?;
    let mut bindings: Vec<Binding> = Vec::new();
    while let Some(row) = rows.next()? {
        bindings.push(binding(row, bindings.last())?);
    }
    // Addresses sort by kind and parts, not by their text; the rows are nearly in order.
    bindings.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(bindings)
}

/// What other projects have bound.
pub(super) fn claims(conn: &Connection, project: &Name) -> Result<Vec<Claim>, Trouble> {
    read::all(
        conn,
        "SELECT project, address, collection, id FROM binding
         WHERE project <> ?1 AND collection <> ':ledger' ORDER BY project, address",
        [project.as_str()],
        |row| claim(row),
    )
}

/// Whether the project has had no lease and has no binding.
pub(super) fn is_new(conn: &Connection, project: &Name) -> Result<bool, Trouble> {
    let mut statement = conn.prepare_cached(
        "SELECT NOT EXISTS (SELECT 1 FROM lease WHERE project = ?1)
            AND NOT EXISTS (SELECT 1 FROM binding WHERE project = ?1)",
    )?;
    Ok(statement.query_row([project.as_str()], |row| row.get(0))?)
}

/// Makes the changes one after the other.
pub(super) fn change(
    tx: &Connection,
    project: &Name,
    changes: &[BindingChange],
) -> Result<(), Trouble> {
    for change in changes {
        match change {
            BindingChange::Bind(binding) => bind(tx, project, binding)?,
            BindingChange::Unbind(address) => {
                tx.prepare_cached("DELETE FROM binding WHERE project = ?1 AND address = ?2")?
                    .execute((project.as_str(), address.to_string()))?;
                if address.kind == Kind::RecurringNotice {
                    outbox::cancel(tx, project, address, "the notice is no longer registered")?;
                }
            }
            BindingChange::Move { from, to } => {
                rename(tx, project, from, to)?;
                if from.kind == Kind::RecurringNotice && from != to {
                    notices::notice(tx, project, from, to)?;
                }
            }
        }
    }
    Ok(())
}

fn bind(tx: &Connection, project: &Name, binding: &Binding) -> Result<(), Trouble> {
    let Binding {
        address,
        provider,
        app,
        collection,
        id,
        applied,
        protect,
        updated_at,
    } = binding;
    if let Some(owner) = owned(tx, collection, id)?
        && owner != (project.clone(), address.clone())
    {
        return Err(Trouble::Said(claimed(owner, collection, id)));
    }
    let applied = fields_to_json(applied)
        .map_err(|why| Trouble::Failed(format!("{address} cannot be bound: {why}")))?;
    tx.prepare_cached(
        "INSERT INTO binding (project, address, provider, app, collection, id, applied, protect, updated_at)
         VALUES (:project, :address, :provider, :app, :collection, :id, :applied, :protect, :updated_at)
         ON CONFLICT (project, address) DO UPDATE SET
             provider = excluded.provider, app = excluded.app, collection = excluded.collection,
             id = excluded.id, applied = excluded.applied, protect = excluded.protect,
             updated_at = excluded.updated_at",
    )?
    .execute(named_params! {
        ":project": project.as_str(),
        ":address": address.to_string(),
        ":provider": provider.as_str(),
        ":app": app.as_str(),
        ":collection": collection.as_str(),
        ":id": id.as_str(),
        ":applied": applied,
        ":protect": protect,
        ":updated_at": instant_to_text(*updated_at),
    })?;
    Ok(())
}

/// Who has an object.
fn owned(
    tx: &Connection,
    collection: &Collection,
    id: &RemoteId,
) -> Result<Option<(Name, Address)>, Trouble> {
    let found = tx
        .prepare_cached(
            "SELECT project, address FROM binding
             WHERE collection = ?1 AND id = ?2 AND collection <> ':ledger'",
        )?
        .query_row((collection.as_str(), id.as_str()), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let owner = found.map(|(project, address)| owner(&project, &address));
    Ok(owner.transpose()?)
}

/// Fails when another project has an object of these rows, and names it.
pub(super) fn unclaimed(tx: &Connection, rows: &Table) -> Result<(), Trouble> {
    for (collection, id) in objects(rows) {
        if let Some(owner) = owned(tx, &collection, &id)? {
            return Err(Trouble::Said(claimed(owner, &collection, &id)));
        }
    }
    Ok(())
}

fn rename(tx: &Connection, project: &Name, from: &Address, to: &Address) -> Result<(), Trouble> {
    let bound = |address: &Address| {
        tx.prepare_cached("SELECT 1 FROM binding WHERE project = ?1 AND address = ?2")?
            .exists((project.as_str(), address.to_string()))
    };
    let refuse = |why: &Address, how: &str| {
        Err(Trouble::Failed(format!(
            "{from} cannot become {to}: {why} is {how}"
        )))
    };
    if !bound(from)? {
        return refuse(from, "not bound");
    }
    if from == to {
        return Ok(());
    }
    if bound(to)? {
        return refuse(to, "already bound");
    }
    tx.prepare_cached("UPDATE binding SET address = ?3 WHERE project = ?1 AND address = ?2")?
        .execute((project.as_str(), from.to_string(), to.to_string()))?;
    Ok(())
}
