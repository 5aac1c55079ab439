//! The plan that asks too much is refused as a whole, before any write.

use std::collections::BTreeMap;

use super::{Action, Change};
use crate::model::{Address, Collection, manifest::Guards};

/// Below this many bound objects the share of deletes is no guard: one of three is a third.
pub const DELETES_FLOOR: usize = 10;

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Too large a share of the bound objects would go.
    Deletes {
        /// How many would be deleted or replaced.
        count: usize,
        /// Of how many.
        of: usize,
        /// The allowed share in percent.
        limit: f64,
        /// The authoritative tasklist that this is about; otherwise the whole project.
        collection: Option<Collection>,
    },
    /// The manifest declares nothing, and everything bound would go.
    EmptyManifest {
        /// How many objects are bound.
        bound: usize,
    },
    /// A protected object would be deleted or replaced; no flag overrides it.
    Protected {
        /// The resource.
        address: Address,
        /// Whether its block is gone from the manifest.
        block_gone: bool,
    },
}

impl Refusal {
    /// The flag that lifts the refusal, where there is one.
    #[must_use]
    pub fn flag(&self) -> Option<&'static str> {
        match self {
            Refusal::Deletes { .. } | Refusal::EmptyManifest { .. } => Some("--allow-deletes"),
            Refusal::Protected { .. } => None,
        }
    }
}

/// What [`check`] counts against.
#[derive(Clone, Debug)]
pub struct Counts<'a> {
    /// How many objects the project has bound.
    pub bound: usize,
    /// How many resources the manifest declares.
    pub declared: usize,
    /// How many objects each authoritative tasklist holds.
    pub authoritative: &'a BTreeMap<Collection, usize>,
}

/// Finds the refusals that a flag could lift.
#[must_use]
pub fn check(changes: &[Change], counts: &Counts<'_>, guards: &Guards) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let ours = changes
        .iter()
        .filter(|c| c.deletes() && c.subject.address().is_some())
        .count();
    if counts.declared == 0 && ours > 0 {
        refusals.push(Refusal::EmptyManifest {
            bound: counts.bound,
        });
    } else if counts.bound >= DELETES_FLOOR && over(ours, counts.bound, guards.deletes) {
        refusals.push(Refusal::Deletes {
            count: ours,
            of: counts.bound,
            limit: guards.deletes,
            collection: None,
        });
    }
    for (collection, live) in counts.authoritative {
        let gone = changes
            .iter()
            .filter(|c| c.subject.address().is_none() && c.collection == *collection)
            .filter(|c| matches!(c.action, Action::Delete { .. }))
            .count();
        if gone > 0 && over(gone, *live, guards.deletes) {
            refusals.push(Refusal::Deletes {
                count: gone,
                of: *live,
                limit: guards.deletes,
                collection: Some(collection.clone()),
            });
        }
    }
    refusals
}

fn over(count: usize, of: usize, percent: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let share = count as f64 * 100.0 / of as f64;
    share > percent
}
