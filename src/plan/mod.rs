//! What would change: a plan as plain data.
//!
//! Pure. It does not know that HTTP, SQL or a terminal exists; it has no clock. Three values decide
//! about each field: *desired* (the manifest), *applied* (the ledger) and *live* (the vendor).
//! Start at [`diff()`].

pub mod budget;
pub mod changed;
pub mod diff;
pub mod drift;
pub mod graph;
pub mod guard;
pub mod live;
pub mod outlook;

use std::collections::BTreeSet;
use std::fmt;

use crate::model::{
    Address, Collection, Diagnostic, Field, Fields, Kind, Name, RemoteId, TasklistGuid, Value,
};

pub use diff::{Choice, Inputs, Listing, Memory, Resolution, diff};
pub use guard::Refusal;

/// What would change, and what is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes in an order in which they can be carried out.
    pub changes: Vec<Change>,
    /// What apply writes down without any call: equal objects bound, names moved, values recorded.
    pub records: Vec<Record>,
    /// Resources about which nothing is known, because their tasklist could not be read.
    pub unread: Vec<Unread>,
    /// Writes of an earlier run whose outcome is not known; apply settles them before anything.
    pub unsettled: Vec<Unsettled>,
    /// Live objects that nobody declared and nobody bound.
    pub foreign: Vec<Foreign>,
    /// Resources whose `id` pins an object that is gone, each with what held it.
    pub gone: Vec<(Address, Collection)>,
    /// Bound objects that `destroy` leaves alone because they are protected.
    pub kept: Vec<Address>,
    /// Resources whose protection is set (true) or lifted (false) by applying.
    pub protections: Vec<(Address, bool)>,
    /// What it means for notices.
    pub outlooks: Vec<outlook::Outlook>,
    /// Why apply would refuse this plan as a whole.
    pub refusals: Vec<Refusal>,
    /// What stands in the way of a plan (errors) and what should be looked at (warnings).
    pub diagnostics: Vec<Diagnostic>,
}

impl Plan {
    /// Whether a vendor's object or a binding would be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many changes of each action there are.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in &self.changes {
            *match change.action {
                Action::Create { .. } => &mut summary.create,
                Action::Update { .. } => &mut summary.update,
                Action::Replace { .. } => &mut summary.replace,
                Action::Delete { .. } => &mut summary.delete,
                Action::Adopt { .. } => &mut summary.adopt,
                Action::Forget { .. } => &mut summary.forget,
            } += 1;
        }
        summary
    }
}

/// Counts by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects to make.
    pub create: usize,
    /// Objects to change.
    pub update: usize,
    /// Objects to make in one place and delete in another.
    pub replace: usize,
    /// Objects to delete.
    pub delete: usize,
    /// Live objects to bind and change.
    pub adopt: usize,
    /// Bindings to let go of.
    pub forget: usize,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A resource.
    Resource(Address),
    /// A live object of an authoritative tasklist that no resource stands for.
    Foreign(TasklistGuid, RemoteId),
}

impl Subject {
    /// The resource's address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Subject::Resource(address) => Some(address),
            Subject::Foreign(..) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Resource(address) => address.fmt(f),
            Subject::Foreign(tasklist, id) => write!(f, "foreign:{tasklist}/{id}"),
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// The provider that carries it out.
    pub provider: Name,
    /// What holds the object.
    pub collection: Collection,
    /// What to do.
    pub action: Action,
    /// Which side moved.
    pub cause: Cause,
    /// The subjects whose changes must have succeeded first.
    pub requires: Vec<Subject>,
    /// The groups whose own changes are the reason for this one.
    pub because: Vec<Address>,
    /// Whether the resource is protected once this is applied.
    pub protect: bool,
}

impl Change {
    /// The live values before, if there is an object.
    #[must_use]
    pub fn before(&self) -> Option<&Fields> {
        match &self.action {
            Action::Create { .. } => None,
            Action::Update { live, .. }
            | Action::Replace { live, .. }
            | Action::Delete { live, .. }
            | Action::Adopt { live, .. }
            | Action::Forget { live, .. } => live.as_ref(),
        }
    }

    /// The values after, if an object of ours remains.
    #[must_use]
    pub fn after(&self) -> Option<Fields> {
        match &self.action {
            Action::Create { desired } | Action::Replace { desired, .. } => Some(desired.clone()),
            Action::Update { live, fields, .. } | Action::Adopt { live, fields, .. } => {
                let mut after = live.clone().unwrap_or_default();
                for change in fields {
                    after.set(change.field, change.after.clone());
                }
                Some(after)
            }
            Action::Delete { .. } | Action::Forget { .. } => None,
        }
    }

    /// The fields that the call writes: the mask of an update.
    #[must_use]
    pub fn field_changes(&self) -> &[FieldChange] {
        match &self.action {
            Action::Update { fields, .. } | Action::Adopt { fields, .. } => fields,
            _ => &[],
        }
    }

    /// The people who are added to a chat or contact user group, and those who are removed.
    #[must_use]
    pub fn people(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let of = |fields: Option<&Fields>| {
            fields.map_or_else(BTreeSet::new, |f| f.items(Field::Members).clone())
        };
        let before = of(self.before());
        let after = match &self.action {
            // What is let go of keeps its people.
            Action::Forget { .. } => before.clone(),
            _ => of(self.after().as_ref()),
        };
        let minus = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect();
        (minus(&after, &before), minus(&before, &after))
    }

    /// The recipients who are put on a group's own list or taken off it.
    #[must_use]
    pub fn listed(&self) -> Vec<String> {
        // Of a notice the field says how it gets to people, and lists nobody.
        let lists = self
            .subject
            .address()
            .is_some_and(|a| a.kind == Kind::RecipientGroup);
        let of = |fields: Option<&Fields>| {
            let fields = fields.filter(|_| lists);
            fields.map_or_else(BTreeSet::new, |f| f.items(Field::People).clone())
        };
        let (before, after) = (of(self.before()), of(self.after().as_ref()));
        before.symmetric_difference(&after).cloned().collect()
    }

    /// Whether an object of the vendor goes away.
    #[must_use]
    pub fn deletes(&self) -> bool {
        matches!(self.action, Action::Delete { .. } | Action::Replace { .. })
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make an object.
    Create {
        /// Every field.
        desired: Fields,
    },
    /// Change fields of the bound object.
    Update {
        /// The object.
        id: RemoteId,
        /// Its values now; always present.
        live: Option<Fields>,
        /// What changes, and nothing else.
        fields: Vec<FieldChange>,
    },
    /// Make an object here and delete the one in another tasklist.
    Replace {
        /// What holds the old object.
        old_collection: Collection,
        /// The provider of the old object.
        old_provider: Name,
        /// The old object.
        id: RemoteId,
        /// The old object's values now; always present.
        live: Option<Fields>,
        /// Every field of the new one.
        desired: Fields,
    },
    /// Delete an object.
    Delete {
        /// The object.
        id: RemoteId,
        /// Its values now; always present.
        live: Option<Fields>,
    },
    /// Bind a live object that differs, and change it.
    Adopt {
        /// The object.
        id: RemoteId,
        /// Its values now; always present.
        live: Option<Fields>,
        /// What changes.
        fields: Vec<FieldChange>,
    },
    /// Let go of a binding and leave the object, if there still is one.
    Forget {
        /// The object.
        id: RemoteId,
        /// Its values, where they are known.
        live: Option<Fields>,
    },
}

impl Action {
    /// The action's word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Create { .. } => "create",
            Action::Update { .. } => "update",
            Action::Replace { .. } => "replace",
            Action::Delete { .. } => "delete",
            Action::Adopt { .. } => "adopt",
            Action::Forget { .. } => "forget",
        }
    }
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The field.
    pub field: Field,
    /// What is live.
    pub before: Value,
    /// What was last applied, where the ledger knows.
    pub applied: Option<Value>,
    /// What is desired.
    pub after: Value,
    /// Which side moved.
    pub cause: Cause,
}

/// Which side moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The manifest is ahead: applied = live ≠ desired.
    Ahead,
    /// The vendor's side was changed: applied = desired ≠ live.
    Drifted,
    /// All three differ.
    Both,
    /// Never applied, and desired ≠ live.
    Differs,
    /// Bound, and absent from a good list.
    Vanished,
    /// Live, not declared, not bound.
    Foreign,
}

impl Cause {
    /// The cause's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Ahead => "ahead",
            Cause::Drifted => "drifted",
            Cause::Both => "both",
            Cause::Differs => "differs",
            Cause::Vanished => "vanished",
            Cause::Foreign => "foreign",
        }
    }

    /// The cause of a change whose fields have these causes.
    #[must_use]
    pub fn of(fields: &[FieldChange]) -> Cause {
        Cause::all(fields.iter().map(|f| f.cause).collect()).unwrap_or(Cause::Ahead)
    }

    /// The one cause that several come to; none when there is none. What was never applied says nothing
    /// about the rest.
    #[must_use]
    pub fn all(mut causes: BTreeSet<Cause>) -> Option<Cause> {
        if causes.len() > 1 {
            causes.remove(&Cause::Differs);
        }
        match causes.len() {
            0 | 1 => causes.pop_first(),
            _ => Some(Cause::Both),
        }
    }
}

/// Something for the ledger alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The object is ours, with these values applied.
    Bind {
        /// The resource.
        address: Address,
        /// Its provider.
        provider: Name,
        /// What holds the object.
        collection: Collection,
        /// The object.
        id: RemoteId,
        /// The values, without ignored fields.
        applied: Fields,
        /// Whether it is protected.
        protect: bool,
        /// Whether it was not bound before.
        new: bool,
    },
    /// Nobody declares the resource any more, and its object is gone too.
    Unbind {
        /// The resource.
        address: Address,
        /// The object that was.
        id: RemoteId,
    },
    /// The resource has a new address.
    Move {
        /// The old one.
        from: Address,
        /// The new one.
        to: Address,
    },
}

/// A resource about which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The resource.
    pub address: Address,
    /// Why its tasklist could not be read.
    pub why: String,
}

/// A write whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The resource; none for an undeclared object of an authoritative tasklist.
    pub address: Option<Address>,
    /// What holds the object.
    pub collection: Collection,
    /// The contract's name of the call.
    pub operation: String,
    /// When it left, by RFC 3339.
    pub since: String,
    /// Who is at it right now, where a live lease says so.
    pub in_progress_by: Option<String>,
}

/// A live object that nobody declared and nobody bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The key of the tasklist, where the manifest names it.
    pub tasklist_key: Option<Name>,
    /// The tasklist.
    pub tasklist: TasklistGuid,
    /// The object.
    pub id: RemoteId,
    /// Its name at the vendor.
    pub name: String,
    /// The project that has bound it, if one did.
    pub project: Option<Name>,
    /// Whether the tasklist is authoritative, so that this one is kept by a pattern.
    pub kept_by: Option<String>,
}
