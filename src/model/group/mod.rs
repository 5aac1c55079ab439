//! Groups of people: who is listed, per provider, and which other groups are taken in.
//!
//! A group is declared as a [`RecipientGroup`]; what it stands for once `include` and `exclude` are
//! worked out is in [`resolve()`]. Neither knows how a vendor looks people up: an e-mail address stays
//! an e-mail address until the caller of [`resolve()`] tells whom it belongs to.

mod recipient;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::FileId;
use super::manifest::{ExtraMembers, Vendor};
use super::{Address, Field, Fields, Name, RemoteId, Span, Value};

pub use recipient::{NoRecipient, Recipient};
pub use resolve::{
    Cycle, IdleExclude, Known, MAX_RESOLVED, Member, Origin, Resolution, Unresolvable, cycles,
    resolve,
};

/// Groups by name.
pub type Groups = BTreeMap<Name, RecipientGroup>;

/// Recipients of one provider, each with the word that names it.
pub type Recipients = BTreeMap<Recipient, Span>;

/// A declared group of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientGroup {
    /// Its address.
    pub address: Address,
    /// What the group is for; empty when nothing is said.
    pub description: String,
    /// Who is listed, by the key in [`super::manifest::Manifest::providers`].
    pub people: BTreeMap<Name, Recipients>,
    /// The groups whose people belong to it too, each with the word that names it.
    pub include: BTreeMap<Name, Span>,
    /// Who is left out of what the group has after `include`.
    pub exclude: BTreeMap<Name, Recipients>,
    /// The contact user groups that it is kept as too, by the key of their Feishu provider.
    pub user_groups: BTreeMap<Name, UserGroup>,
    /// Whether deleting it is refused.
    pub protect: bool,
    /// The group's former name.
    pub moved_from: Option<Name>,
    /// Where the group's key stands.
    pub span: Span,
}

/// A group as a contact user group of Feishu. Its address is the group's with the provider's key as
/// instance; `protect` and `moved_from` are the group's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGroup {
    /// Its address, such as `recipient_group.oncall/feishu`.
    pub address: Address,
    /// The name at Feishu, 1 to 100 characters, unique in the tenant.
    pub name: String,
    /// What it is for, at most 500 characters; none when it is left as it is live. It cannot be cleared.
    pub description: Option<String>,
    /// What becomes of people in it who are not listed.
    pub extra_members: ExtraMembers,
    /// The vendor's `group_id` that this is.
    pub id: Option<RemoteId>,
    /// Where `id` stands; where `user_group` stands when there is none.
    pub id_span: Span,
    /// Fields left as they are live, written on create only; of [`Field::KEPT`].
    pub ignore: BTreeSet<Field>,
    /// Where `user_group` stands.
    pub span: Span,
}

impl RecipientGroup {
    /// What is compared and registered. Places are no part of it, so that moving a block is no change.
    #[must_use]
    pub fn fields(&self) -> Fields {
        [
            (Field::Description, Value::Text(self.description.clone())),
            (Field::People, Value::Items(items(&self.people))),
            (
                Field::Include,
                Value::Items(self.include.keys().map(ToString::to_string).collect()),
            ),
            (Field::Exclude, Value::Items(items(&self.exclude))),
        ]
        .into_iter()
        .collect()
    }

    /// A group as it was registered, which [`RecipientGroup::fields`] made. What this beadle cannot read of
    /// it is passed over.
    #[must_use]
    pub fn registered(
        address: &Address,
        fields: &Fields,
        vendors: &BTreeMap<Name, Vendor>,
    ) -> Self {
        let nowhere = Span {
            file: FileId(0),
            start: 0,
            end: 0,
        };
        let people = |field: Field| {
            let mut all: BTreeMap<Name, Recipients> = BTreeMap::new();
            for item in fields.items(field) {
                let Some((provider, recipient)) = item.split_once(' ') else {
                    continue;
                };
                let provider = Name::new(provider).ok();
                let known = provider.and_then(|name| Some((vendors.get(&name)?, name)));
                if let Some((vendor, name)) = known
                    && let Some(recipient) = Recipient::parse(*vendor, recipient)
                {
                    all.entry(name).or_default().insert(recipient, nowhere);
                }
            }
            all
        };
        Self {
            address: address.clone(),
            description: String::new(),
            people: people(Field::People),
            include: fields
                .items(Field::Include)
                .iter()
                .filter_map(|name| Some((Name::new(name).ok()?, nowhere)))
                .collect(),
            exclude: people(Field::Exclude),
            user_groups: BTreeMap::new(),
            protect: false,
            moved_from: None,
            span: nowhere,
        }
    }
}

/// Recipients as text, such as `feishu user ou_18ea`, `dingtalk everyone`: the provider's key, what it
/// is, and its id. [`Recipient::parse`] reads what follows the first blank.
#[must_use]
pub fn items(people: &BTreeMap<Name, Recipients>) -> BTreeSet<String> {
    people
        .iter()
        .flat_map(|(provider, all)| all.keys().map(move |one| format!("{provider} {one}")))
        .collect()
}
