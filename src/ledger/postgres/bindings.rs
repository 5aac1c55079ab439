//! Address ↔ vendor's object.

use super::super::codec::bindings::{BINDING, binding, claim, claimed, objects, owner};
use super::super::codec::{fields_to_json, instant_to_text};
use super::connect::Connection;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::{outbox, read, rename as notices, text};
use crate::engine::ledger::{Binding, BindingChange, Claim};
use crate::engine::upkeep::Table;
use crate::model::{Address, Collection, Kind, Name, RemoteId};

/// Every binding of the project, by address.
pub(super) async fn all(conn: &Connection, project: &Name) -> Result<Vec<Binding>, Trouble> {
    let sql = format!("SELECT {BINDING} FROM binding WHERE project = $1");
    let rows = conn.rows(&sql, &[&project.as_str()]).await?;
    let mut bindings: Vec<Binding> = Vec::with_capacity(rows.len());
    for row in &rows {
        bindings.push(binding(row, bindings.last())?);
    }
    bindings.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(bindings)
}

/// What other projects have bound.
pub(super) async fn claims(conn: &Connection, project: &Name) -> Result<Vec<Claim>, Trouble> {
    read::all(
        conn,
        "SELECT project, address, collection, id FROM binding
         WHERE project <> $1 AND collection <> ':ledger' ORDER BY project, address",
        &[&project.as_str()],
        claim,
    )
    .await
}

/// Whether the project has had no lease and has no binding.
pub(super) async fn is_new(conn: &Connection, project: &Name) -> Result<bool, Trouble> {
    let row = conn
        .row(
            "SELECT NOT EXISTS (SELECT FROM lease WHERE project = $1)
                AND NOT EXISTS (SELECT FROM binding WHERE project = $1)",
            &[&project.as_str()],
        )
        .await?;
    Ok(row.try_get(0)?)
}

/// Makes the changes one after the other.
pub(super) async fn change(
    tx: &Tx<'_>,
    project: &Name,
    changes: &[BindingChange],
) -> Result<(), Trouble> {
    for change in changes {
        match change {
            BindingChange::Bind(binding) => bind(tx, project, binding).await?,
            BindingChange::Unbind(address) => {
                tx.run(
                    "DELETE FROM binding WHERE project = $1 AND address = $2",
                    &[&project.as_str(), &address.to_string()],
                )
                .await?;
                if address.kind == Kind::RecurringNotice {
                    outbox::cancel(tx, project, address, "the notice is no longer registered")
                        .await?;
                }
            }
            BindingChange::Move { from, to } => {
                rename(tx, project, from, to).await?;
                if from.kind == Kind::RecurringNotice && from != to {
                    notices::notice(tx, project, from, to).await?;
                }
            }
        }
    }
    Ok(())
}

/// Two projects that bind one object at the same instant meet at `binding_object`: the second is taken
/// back, tried again, and then finds the first here.
async fn bind(tx: &Tx<'_>, project: &Name, binding: &Binding) -> Result<(), Trouble> {
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
    let id_text = text(id.as_str());
    if let Some(owner) = owned(tx, collection, id).await?
        && owner != (project.clone(), address.clone())
    {
        return Err(Trouble::Said(claimed(owner, collection, id)));
    }
    let applied = fields_to_json(applied)
        .map_err(|why| Trouble::Failed(format!("{address} cannot be bound: {why}")))?;
    tx.run(
        "INSERT INTO binding (project, address, provider, app, collection, id, applied, protect, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (project, address) DO UPDATE SET
             provider = excluded.provider, app = excluded.app, collection = excluded.collection,
             id = excluded.id, applied = excluded.applied, protect = excluded.protect,
             updated_at = excluded.updated_at",
        &[
            &project.as_str(),
            &address.to_string(),
            &provider.as_str(),
            &app.as_str(),
            &collection.as_str(),
            &id_text,
            &applied,
            &i64::from(*protect),
            &instant_to_text(*updated_at),
        ],
    )
    .await?;
    Ok(())
}

/// Who has an object.
async fn owned(
    tx: &Tx<'_>,
    collection: &Collection,
    id: &RemoteId,
) -> Result<Option<(Name, Address)>, Trouble> {
    let found = tx
        .maybe_row(
            "SELECT project, address FROM binding
             WHERE collection = $1 AND id = $2 AND collection <> ':ledger'",
            &[&collection.as_str(), &text(id.as_str())],
        )
        .await?;
    match found {
        Some(row) => Ok(Some(owner(row.try_get(0)?, row.try_get(1)?)?)),
        None => Ok(None),
    }
}

/// Fails when another project has an object of these rows, and names it.
pub(super) async fn unclaimed(tx: &Tx<'_>, rows: &Table) -> Result<(), Trouble> {
    for (collection, id) in objects(rows) {
        if let Some(owner) = owned(tx, &collection, &id).await? {
            return Err(Trouble::Said(claimed(owner, &collection, &id)));
        }
    }
    Ok(())
}

async fn rename(tx: &Tx<'_>, project: &Name, from: &Address, to: &Address) -> Result<(), Trouble> {
    let refuse = |why: &Address, how: &str| {
        Err(Trouble::Failed(format!(
            "{from} cannot become {to}: {why} is {how}"
        )))
    };
    if !is_bound(tx, project, from).await? {
        return refuse(from, "not bound");
    }
    if from == to {
        return Ok(());
    }
    if is_bound(tx, project, to).await? {
        return refuse(to, "already bound");
    }
    tx.run(
        "UPDATE binding SET address = $3 WHERE project = $1 AND address = $2",
        &[&project.as_str(), &from.to_string(), &to.to_string()],
    )
    .await?;
    Ok(())
}

async fn is_bound(tx: &Tx<'_>, project: &Name, address: &Address) -> Result<bool, Trouble> {
    let found = tx
        .maybe_row(
            "SELECT FROM binding WHERE project = $1 AND address = $2",
            &[&project.as_str(), &address.to_string()],
        )
        .await?;
    Ok(found.is_some())
}
