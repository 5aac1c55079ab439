//! The plan that asks too much is refused as a whole, before any write.

use std::collections::BTreeMap;

use super::{Action, Change};
use crate::model::{Address, Collection, Field, Value, manifest::Guards};

/// Below this many bound objects the share of deletes is no guard: one of three is a third.
pub const DELETES_FLOOR: usize = 10;

/// Below this many people the share of changes is no guard either.
pub const MEMBERS_FLOOR: usize = 10;

/// How the ids of contact user groups begin that beadle has made.
pub const OWN_GROUP: &str = "beadle";

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
    /// Too large a share of a chat's or a group's people would change.
    Members {
        /// The chat or group.
        address: Address,
        /// How many would be added or removed.
        count: usize,
        /// How many there are now.
        of: usize,
        /// The allowed share in percent.
        limit: f64,
    },
    /// A chat would be dissolved, with everything said in it.
    Dissolve {
        /// The chat.
        address: Address,
    },
    /// A contact user group of at least [`MEMBERS_FLOOR`] people, or one that somebody else has made, would
    /// be emptied and deleted.
    Emptied {
        /// The group.
        address: Address,
        /// How many people are in it.
        people: usize,
    },
    /// A managed chat is gone, and making it again would pull everybody in.
    Vanished {
        /// The chat.
        address: Address,
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
            Refusal::Deletes { .. }
            | Refusal::EmptyManifest { .. }
            | Refusal::Dissolve { .. }
            | Refusal::Emptied { .. } => Some("--allow-deletes"),
            Refusal::Members { .. } => Some("--allow-member-changes"),
            Refusal::Vanished { .. } => Some("--recreate"),
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
    /// How many bindings would be let go of without being asked to by `forget`.
    pub let_go: usize,
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
    if counts.declared == 0 && ours + counts.let_go > 0 {
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
    refusals.extend(changes.iter().filter_map(|change| people(change, guards)));
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

/// The chats that would be dissolved.
pub fn dissolves(changes: &[Change]) -> impl Iterator<Item = Refusal> + '_ {
    let dissolved = changes
        .iter()
        .filter(|c| c.collection == Collection::Chats && matches!(c.action, Action::Delete { .. }));
    dissolved
        .filter_map(|c| c.subject.address().cloned())
        .map(|address| Refusal::Dissolve { address })
}

/// Whether a change would do too much to people.
fn people(change: &Change, guards: &Guards) -> Option<Refusal> {
    let address = change.subject.address()?.clone();
    match (&change.action, &change.collection) {
        (Action::Delete { .. }, Collection::Chats) => Some(Refusal::Dissolve { address }),
        (Action::Delete { id, live }, Collection::UserGroups) => {
            let people = live
                .as_ref()
                .map_or(0, |live| live.items(Field::Members).len());
            // A group that somebody else has made had a purpose before us.
            let is_adopted = !id.as_str().starts_with(OWN_GROUP);
            let asks = people >= MEMBERS_FLOOR || (is_adopted && people > 0);
            asks.then_some(Refusal::Emptied { address, people })
        }
        _ => {
            let mut listed = change
                .field_changes()
                .iter()
                .filter(|f| matches!(f.field, Field::Members | Field::People));
            let change = listed.next()?;
            let (Value::Items(before), Value::Items(after)) = (&change.before, &change.after)
            else {
                return None;
            };
            let mut count = before.difference(after).count();
            // Who was to be in it from the beginning and never got there is nobody's surprise.
            if change.applied.is_some() {
                count += after.difference(before).count();
            }
            let (of, limit) = (before.len(), guards.member_changes);
            (of >= MEMBERS_FLOOR && over(count, of, limit)).then_some(Refusal::Members {
                address,
                count,
                of,
                limit,
            })
        }
    }
}

fn over(count: usize, of: usize, percent: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let share = count as f64 * 100.0 / of as f64;
    share > percent
}
