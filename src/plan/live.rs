//! The two sides that a manifest is compared with: what vendors hold, and what we have bound.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{Address, AppId, Collection, Field, Fields, Name, RemoteId, Value};

/// An object that a vendor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The vendor's id.
    pub id: RemoteId,
    /// Its values, every field that we compare.
    pub fields: Fields,
}

/// What is known of the objects that are read one by one: managed chats and contact user groups.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Who should be in each, by address.
    pub rosters: BTreeMap<Address, Roster>,
    /// The objects that are bound or pinned.
    pub readings: BTreeMap<(Collection, RemoteId), Reading>,
    /// For what is neither bound nor pinned: what the app sees by provider and name; in full where a
    /// declared resource has that name.
    pub catalogs: BTreeMap<(Name, Collection), Reading<Vec<Object>>>,
}

/// What came of reading something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T = Object> {
    /// It is there.
    Found(T),
    /// The vendor says that it is no more.
    Gone,
    /// It could not be read, which is not the same as gone.
    Unread(String),
}

/// Who should be in a chat or contact user group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roster {
    /// As far as the vendor shows them.
    Known {
        /// By open_id.
        people: BTreeSet<String>,
        /// How many of those who are listed the vendor does not show. While there are any, nobody is
        /// removed: one of those in it may be one of them.
        unseen: usize,
    },
    /// They could not be looked up.
    Unread(String),
}

/// Address ↔ the vendor's object: what we own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The resource.
    pub address: Address,
    /// The key of the provider it was made with.
    pub provider: Name,
    /// The app it was made with; another app on the same project is refused.
    pub app: AppId,
    /// The tasklist that holds the object.
    pub collection: Collection,
    /// The object.
    pub id: RemoteId,
    /// The values last applied or recorded; without the fields that were ignored.
    pub applied: Fields,
    /// Whether deleting it is refused, as last applied: it outlives the block in the manifest.
    pub protect: bool,
    /// When `applied` was last written.
    pub updated_at: Timestamp,
}

impl Binding {
    /// The mark of an attempt to make a chat or contact user group.
    #[must_use]
    pub fn mark(attempt: &str) -> Value {
        Value::Text(format!("{MARK}{attempt}"))
    }

    /// Whether what was made has not been filled yet: until then the ledger has the mark of the attempt
    /// for a description, whatever the vendor has by now.
    #[must_use]
    pub fn is_unfilled(applied: &Fields) -> bool {
        let Some(Value::Text(text)) = applied.get(Field::Description) else {
            return false;
        };
        let attempt = text.strip_prefix(MARK);
        attempt.is_some_and(|a| a.len() == 32 && a.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// Notes fields that were written.
    pub fn note(&mut self, written: &Fields) {
        let is_unfilled = Self::is_unfilled(&self.applied);
        for (field, value) in written.iter() {
            if !(is_unfilled && field == Field::Description) {
                self.applied.set(field, value.clone());
            }
        }
    }
}

/// How the mark of an attempt begins; a number of 32 hexadecimal digits follows.
const MARK: &str = "beadle:";

/// What another project has bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The project.
    pub project: Name,
    /// Its resource.
    pub address: Address,
    /// The tasklist.
    pub collection: Collection,
    /// The object.
    pub id: RemoteId,
}
