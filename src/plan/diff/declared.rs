//! What is declared of managed chats and contact user groups, as far as both are alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::group::{RecipientGroup, UserGroup};
use crate::model::manifest::{ExtraMembers, ManagedChat, Manifest};
use crate::model::{Address, Collection, Field, Fields, Name, RemoteId, Span, Value};
use crate::plan::live::Roster;

/// A declared chat or contact user group, as far as both are alike.
#[derive(Clone)]
pub(super) struct Declared<'a> {
    pub(super) address: &'a Address,
    pub(super) provider: &'a Name,
    pub(super) collection: Collection,
    /// The name of the thing in sentences.
    pub(super) word: &'static str,
    /// Everything but the members.
    pub(super) fields: Fields,
    pub(super) extra: ExtraMembers,
    pub(super) pin: Option<&'a RemoteId>,
    pub(super) pin_span: Span,
    pub(super) protect: bool,
    pub(super) ignore: &'a BTreeSet<Field>,
    pub(super) former: Option<Address>,
    pub(super) span: Span,
    /// The groups that it is filled from.
    pub(super) groups: BTreeSet<&'a Name>,
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl<'a> Declared<'a> {
    pub(super) fn chat(chat: &'a ManagedChat) -> Self {
        let former = chat.moved_from.as_ref();
        Self {
            address: &chat.address,
            provider: &chat.provider,
            collection: Collection::Chats,
            word: "chat",
            fields: [
                (Field::Name, text(&chat.name)),
                (Field::Description, text(&chat.description)),
                (Field::OnDelete, text(chat.on_delete.as_str())),
            ]
            .into_iter()
            .collect(),
            extra: chat.extra_members,
            pin: chat.id.as_ref(),
            pin_span: chat.id_span,
            protect: chat.protect,
            ignore: &chat.ignore,
            former: former.map(|name| Address::new(chat.address.kind, name.clone())),
            span: chat.span,
            groups: chat.members.keys().collect(),
        }
    }

    pub(super) fn user_group(
        group: &'a RecipientGroup,
        provider: &'a Name,
        kept: &'a UserGroup,
    ) -> Self {
        let mut fields: Fields = [(Field::Name, text(&kept.name))].into_iter().collect();
        if let Some(description) = &kept.description {
            fields.set(Field::Description, text(description));
        }
        let former = group.moved_from.as_ref().map(|name| Address {
            name: name.clone(),
            ..kept.address.clone()
        });
        Self {
            address: &kept.address,
            provider,
            collection: Collection::UserGroups,
            word: "contact user group",
            fields,
            extra: kept.extra_members,
            pin: kept.id.as_ref(),
            pin_span: kept.id_span,
            protect: group.protect,
            ignore: &kept.ignore,
            former,
            span: kept.span,
            groups: [&group.address.name].into(),
        }
    }

    /// What the ledger remembers once it is applied, but for whom beadle put there.
    pub(super) fn applied(&self, people: BTreeSet<String>) -> Fields {
        let mut applied = self.fields.clone();
        applied.set(Field::Members, Value::Items(people));
        for field in self.ignore {
            applied.remove(*field);
        }
        applied
    }

    pub(super) fn name(&self) -> &str {
        self.fields.name().unwrap_or_default()
    }
}

/// Every declared chat and contact user group.
pub(super) fn all(manifest: &Manifest) -> Vec<Declared<'_>> {
    let chats = manifest.managed_chats.values().map(Declared::chat);
    let groups = manifest.groups.values().flat_map(|group| {
        let kept = group.user_groups.iter();
        kept.map(move |(provider, kept)| Declared::user_group(group, provider, kept))
    });
    chats.chain(groups).collect()
}

/// What the ledger remembers of each managed chat and contact user group once it is applied, but for
/// whom beadle put there.
#[must_use]
pub fn applied_kept(
    manifest: &Manifest,
    rosters: &BTreeMap<Address, Roster>,
) -> BTreeMap<Address, Fields> {
    all(manifest)
        .into_iter()
        .map(|declared| {
            let people = match rosters.get(declared.address) {
                Some(Roster::Known { people, .. }) => people.clone(),
                Some(Roster::Unread(_)) | None => BTreeSet::new(),
            };
            (declared.address.clone(), declared.applied(people))
        })
        .collect()
}
