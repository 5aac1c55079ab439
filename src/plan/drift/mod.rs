//! What moved outside, by cause: a plan read the other way round.
//!
//! A plan says what apply would do; drift says which side moved. One change can be both: a field that
//! somebody has changed outside, and one that the manifest is ahead in. What is *ahead* is no drift.

mod ignore;

use std::collections::BTreeSet;

use super::diff::Memory;
use super::live::Binding;
use super::{
    Action, Cause, Change, FieldChange, Foreign, Plan, Record, Subject, Unread, Unsettled,
};
use crate::model::{Address, Collection, Field, Fields, RemoteId};

pub use ignore::{Ignore, IgnoreError};

/// What moved, on which side, and what is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// What is live and is not what was declared and applied, by subject.
    pub drifted: Vec<Difference>,
    /// What the manifest has and nobody has applied yet, by subject.
    pub ahead: Vec<Difference>,
    /// Of what has drifted, what the user said to ignore.
    pub ignored: Vec<Difference>,
    /// Live objects that nobody declared and nobody bound, and that are no drift.
    pub foreign: Vec<Foreign>,
    /// Resources about which nothing is known.
    pub unread: Vec<Unread>,
    /// Writes whose outcome is not known; their resources were not compared.
    pub unsettled: Vec<Unsettled>,
}

/// One subject in which the sides differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// What holds the object.
    pub collection: Collection,
    /// Which side moved.
    pub cause: Cause,
    /// The fields that differ, each with the three values; none where a whole object is there or not.
    pub fields: Vec<FieldChange>,
    /// The live object; none where there is none.
    pub id: Option<RemoteId>,
    /// The name of that object at the vendor.
    pub name: Option<String>,
    /// What apply would do.
    pub act: Act,
}

/// What apply would do about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// One of the actions of a plan, by its word.
    Change(&'static str),
    /// Give a binding another address.
    Move,
    /// Set or lift the protection of a resource.
    Protect,
    /// Nothing: the object that `id` pins is gone, and apply stops there.
    Stop,
}

impl Act {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Change(word) => word,
            Act::Move => "move",
            Act::Protect => "protect",
            Act::Stop => "stop",
        }
    }
}

impl Drift {
    /// Whether writes are unsettled that nobody is carrying out right now.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.unsettled.iter().any(|u| u.in_progress_by.is_none())
    }

    /// Sets what is to be ignored apart. Returns those that matched nothing.
    pub fn ignore<'i>(&mut self, ignores: &'i [Ignore]) -> Vec<&'i Ignore> {
        let mut used = BTreeSet::new();
        let mut kept = Vec::with_capacity(self.drifted.len());
        for mut difference in std::mem::take(&mut self.drifted) {
            let here: Vec<usize> = (0..ignores.len())
                .filter(|at| ignores[*at].names(&difference.subject))
                .collect();
            if let Some(at) = here.iter().find(|at| ignores[**at].field.is_none()) {
                used.insert(*at);
                self.ignored.push(difference);
                continue;
            }
            let fields = std::mem::take(&mut difference.fields);
            if fields.is_empty() {
                kept.push(difference);
                continue;
            }
            let (ignored, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| {
                let mut by = here
                    .iter()
                    .filter(|at| ignores[**at].field == Some(field.field));
                by.next().is_some_and(|at| {
                    used.insert(*at);
                    true
                })
            });
            for (fields, side) in [(ignored, &mut self.ignored), (rest, &mut kept)] {
                if !fields.is_empty() {
                    side.push(Difference {
                        cause: Cause::of(&fields),
                        fields,
                        ..difference.clone()
                    });
                }
            }
        }
        self.drifted = kept;
        let unused = (0..ignores.len()).filter(|at| !used.contains(at));
        unused.map(|at| &ignores[at]).collect()
    }
}

/// Reads a plan the other way round.
///
/// The plan is best made with [`super::Choice::observe`], so that what only needs consent is no error in it.
#[must_use]
pub fn drift(plan: &Plan, bindings: &[Binding], memory: Memory) -> Drift {
    let mut drift = Drift {
        foreign: plan.foreign.clone(),
        unread: plan.unread.clone(),
        unsettled: plan.unsettled.clone(),
        ..Drift::default()
    };
    for change in &plan.changes {
        drift.change(change, bindings);
    }
    for (address, collection) in &plan.gone {
        drift.drifted.push(Difference {
            subject: Subject::Resource(address.clone()),
            collection: collection.clone(),
            cause: match memory {
                Memory::None => Cause::Differs,
                Memory::Kept | Memory::New => Cause::Vanished,
            },
            fields: Vec::new(),
            id: None,
            name: None,
            act: Act::Stop,
        });
    }
    let ahead = |address: &Address, act| Difference {
        subject: Subject::Resource(address.clone()),
        collection: Collection::Ledger,
        cause: Cause::Ahead,
        fields: Vec::new(),
        id: None,
        name: None,
        act,
    };
    for record in &plan.records {
        if let Record::Move { to, .. } = record {
            drift.ahead.push(ahead(to, Act::Move));
        }
    }
    for (address, _) in &plan.protections {
        drift.ahead.push(ahead(address, Act::Protect));
    }
    // In an order that no answer of a vendor and no dependency decides.
    drift.drifted.sort_by(|a, b| a.subject.cmp(&b.subject));
    drift.ahead.sort_by(|a, b| a.subject.cmp(&b.subject));
    drift.foreign.sort_by(|a, b| {
        let key = |f: &Foreign| (f.tasklist.clone(), f.name.clone(), f.id.clone());
        key(a).cmp(&key(b))
    });
    drift.unsettled.sort_by(|a, b| {
        (&a.address, &a.collection, &a.operation).cmp(&(&b.address, &b.collection, &b.operation))
    });
    drift
}

impl Drift {
    fn change(&mut self, change: &Change, bindings: &[Binding]) {
        let live = change.before();
        let id = match &change.action {
            Action::Create { .. } => None,
            Action::Update { id, .. }
            | Action::Replace { id, .. }
            | Action::Delete { id, .. }
            | Action::Adopt { id, .. }
            | Action::Forget { id, .. } => Some(id.clone()),
        };
        let difference = |cause, fields| Difference {
            subject: change.subject.clone(),
            collection: change.collection.clone(),
            cause,
            fields,
            id: id.clone(),
            name: live.and_then(Fields::name).map(str::to_owned),
            act: Act::Change(change.action.as_str()),
        };
        match &change.action {
            Action::Update { fields, .. } | Action::Adopt { fields, .. } => {
                let (ahead, moved): (Vec<_>, Vec<_>) = fields
                    .iter()
                    .cloned()
                    .partition(|f| f.cause == Cause::Ahead);
                if !moved.is_empty() {
                    self.drifted.push(difference(Cause::of(&moved), moved));
                }
                if !ahead.is_empty() {
                    self.ahead.push(difference(Cause::Ahead, ahead));
                }
            }
            Action::Delete { .. } | Action::Replace { .. } | Action::Forget { .. }
                if change.cause == Cause::Ahead =>
            {
                // The manifest wants it gone, which says nothing about who changed it meanwhile.
                let moved = moved_meanwhile(change, live, bindings);
                if !moved.is_empty() {
                    self.drifted.push(difference(Cause::Both, moved));
                }
                self.ahead.push(difference(Cause::Ahead, Vec::new()));
            }
            Action::Create { .. } if change.cause == Cause::Ahead => {
                self.ahead.push(difference(Cause::Ahead, Vec::new()));
            }
            _ => self.drifted.push(difference(change.cause, Vec::new())),
        }
    }
}

/// The fields of an object to be deleted that are not as they were last applied.
fn moved_meanwhile(
    change: &Change,
    live: Option<&Fields>,
    bindings: &[Binding],
) -> Vec<FieldChange> {
    let binding = bindings.iter().find(|b| match &change.action {
        Action::Delete { id, .. } | Action::Replace { id, .. } | Action::Forget { id, .. } => {
            b.id == *id
                && change
                    .subject
                    .address()
                    .is_some_and(|a| a.kind == b.address.kind)
        }
        _ => false,
    });
    let (Some(binding), Some(live)) = (binding, live) else {
        return Vec::new();
    };
    if binding.collection == Collection::Ledger || Binding::is_unfilled(&binding.applied) {
        return Vec::new();
    }
    let seen = [
        Field::Name,
        Field::Description,
        Field::Subscribers,
        Field::Events,
        Field::Enabled,
    ];
    let applied = binding.applied.iter().filter(|(f, _)| seen.contains(f));
    applied
        .filter_map(|(field, applied)| {
            let live = live.get(field)?;
            (!applied.satisfied_by(live)).then(|| FieldChange {
                field,
                before: live.clone(),
                applied: Some(applied.clone()),
                after: applied.clone(),
                cause: Cause::Both,
            })
        })
        .collect()
}
