//! Writes down what a plan records without a call: bindings that are new, moved or refreshed.

use super::{Bound, Context};
use crate::engine::ledger::{Binding, BindingChange, LedgerError};
use crate::engine::settle::bind;
use crate::model::Kind;
use crate::plan::{Plan, Record};

/// Writes down what needs no call.
///
/// # Errors
///
/// When the ledger refuses; nothing is recorded then.
pub async fn record(context: &Context<'_>, plan: &Plan) -> Result<(), LedgerError> {
    let at = (context.now)();
    let mut bound = Bound::new(context.ledger.bindings().await?);
    let mut changes = Vec::with_capacity(plan.records.len());
    let mut note = |bound: &mut Bound, new: Vec<BindingChange>| {
        for change in &new {
            bound.change(change);
        }
        changes.extend(new);
    };
    for record in &plan.records {
        if let Record::Unbind { address, id } = record
            && bound.by_address.get(address).is_some_and(|b| b.id == *id)
        {
            note(&mut bound, vec![BindingChange::Unbind(address.clone())]);
        }
    }
    // Labels may change hands within one resource, so the moved ones leave their places first.
    let mut moved = Vec::new();
    for record in &plan.records {
        if let Record::Move { from, to } = record
            && let Some(binding) = bound.by_address.get(from).cloned()
        {
            if from.kind == Kind::RecurringNotice {
                // Its occurrences go by its name, and what was sent under the old one is not sent again.
                let (from, to) = (from.clone(), to.clone());
                note(&mut bound, vec![BindingChange::Move { from, to }]);
                continue;
            }
            let address = to.clone();
            moved.push(Binding { address, ..binding });
            note(&mut bound, vec![BindingChange::Unbind(from.clone())]);
        }
    }
    for binding in moved {
        let others = bound.of_resource(&binding.address);
        note(&mut bound, bind(binding, &others));
    }
    for record in &plan.records {
        if let Record::Bind {
            address,
            provider,
            collection,
            id,
            applied,
            protect,
            new: _,
        } = record
        {
            let Some(writer) = context.writers.get(provider) else {
                continue;
            };
            let binding = Binding {
                address: address.clone(),
                provider: provider.clone(),
                app: writer.app().clone(),
                collection: collection.clone(),
                id: id.clone(),
                applied: applied.clone(),
                protect: *protect,
                updated_at: at,
            };
            let others = bound.of_resource(address);
            note(&mut bound, bind(binding, &others));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    context
        .ledger
        .record(&context.right.lease, at, &changes)
        .await
}
