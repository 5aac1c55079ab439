//! Room: the vendor's limit on a tasklist, in the plan's order and in its findings.

use std::collections::HashMap;

use super::{Listing, SUBSCRIPTIONS_PER_TASKLIST, Work};
use crate::model::{Collection, Diagnostic};
use crate::plan::{Action, Subject};

impl<'a> Work<'a> {
    /// The vendor's limit on a tasklist: over it is an error, and close to it deletes go first.
    pub(super) fn room(&mut self) {
        let mut creates: HashMap<&Collection, usize> = HashMap::new();
        let mut deletes: HashMap<&Collection, Vec<Subject>> = HashMap::new();
        for change in &self.plan.changes {
            match &change.action {
                Action::Create { .. } | Action::Replace { .. } => {
                    *creates.entry(&change.collection).or_default() += 1;
                }
                Action::Delete { .. } => {
                    deletes
                        .entry(&change.collection)
                        .or_default()
                        .push(change.subject.clone());
                }
                _ => {}
            }
        }
        let mut first: HashMap<Collection, Vec<Subject>> = HashMap::new();
        let mut full = Vec::new();
        for (collection, new) in creates {
            let Some(Listing::Objects(objects)) = self.inputs.listings.get(collection) else {
                continue;
            };
            if objects.len() + new <= SUBSCRIPTIONS_PER_TASKLIST {
                continue;
            }
            let gone = deletes.remove(collection).unwrap_or_default();
            let total = objects.len() + new - gone.len();
            if total <= SUBSCRIPTIONS_PER_TASKLIST {
                first.insert(collection.clone(), gone);
            } else {
                full.push((collection.clone(), total, objects.len()));
            }
        }
        full.sort();
        for (collection, total, live) in full {
            let foreign = self
                .plan
                .foreign
                .iter()
                .filter(|f| Some(&f.tasklist) == collection.tasklist())
                .count();
            let here = self
                .plan
                .changes
                .iter()
                .find(|c| {
                    c.collection == collection
                        && matches!(c.action, Action::Create { .. } | Action::Replace { .. })
                })
                .and_then(|c| c.subject.address())
                .and_then(|a| {
                    self.inputs
                        .manifest
                        .subscriptions
                        .iter()
                        .find(|s| s.address == *a)
                });
            self.plan.diagnostics.push(
                Diagnostic::error(
                    "tasklist-full",
                    here.map(|s| s.tasklist_span),
                    format!(
                        "{collection} would hold {total} subscriptions, and Feishu allows {SUBSCRIPTIONS_PER_TASKLIST}: {live} are there now, {foreign} of them not ours"
                    ),
                )
                .help("Declare fewer, or have some of the others deleted."),
            );
        }
        for change in &mut self.plan.changes {
            if matches!(
                change.action,
                Action::Create { .. } | Action::Replace { .. }
            ) && let Some(gone) = first.get(&change.collection)
            {
                change.requires.extend(gone.iter().cloned());
            }
        }
    }
}
