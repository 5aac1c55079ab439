//! What beadle creates and keeps beside subscriptions: the block `manage` of a chat, and `user_group`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{ignored_field, one_of};
use crate::model::Field;
use crate::model::manifest::{ExtraMembers, OnDelete};
use crate::model::shape::{Reader, Shape, Spanned, Text, inline_schema, shape};
use crate::model::yaml::NodeId;

shape! {
    /// Create and keep the chat. The provider's app owns it and is always in it.
    pub(crate) struct Manage {
        /// The name at the vendor, 1 to 60 characters. By default the name of this block.
        name: Spanned<Text>,
        /// What the chat is for, at most 100 characters.
        description: Spanned<Text>,
        /// The groups whose people are in it, by their names under `recipient_groups`. Departments cannot
        /// fill a chat.
        members: Spanned<Vec<Spanned<Text>>>,
        /// What becomes of people in it whom no group lists: `keep` leaves them, save whom beadle put
        /// there; `remove` removes them, save the owner.
        [default = "keep"]
        extra_members: Spanned<Extra>,
        /// What becomes of the chat when this block is gone: `keep` lets go of it, `dissolve` dissolves
        /// it with its history, and needs consent.
        [default = "keep"]
        on_delete: Deleted,
    }
}

shape! {
    /// What every managed chat has that does not say otherwise.
    pub(crate) struct ChatDefaults {
        /// What becomes of people in a chat whom no group lists.
        [default = "keep"]
        extra_members: Spanned<Extra>,
        /// What becomes of a chat when its block is gone.
        [default = "keep"]
        on_delete: Deleted,
        /// Refuse to dissolve it.
        [default = false]
        protect: super::Flag,
    }
}

shape! {
    /// Also keep the group as a contact user group. People only: departments cannot fill it.
    pub(crate) struct UserGroup {
        /// The name at Feishu, 1 to 100 characters, unique in the tenant. By default the group's name.
        name: Spanned<Text>,
        /// What it is for, at most 500 characters. It can be replaced and, at Feishu, not cleared;
        /// without it the description stays as it is.
        description: Spanned<Text>,
        /// What becomes of people in it whom the group does not list: `keep` leaves them, save whom
        /// beadle put there; `remove` removes them.
        [default = "keep"]
        extra_members: Spanned<Extra>,
        /// The `group_id` of the user group that this is, adopted without asking.
        id: Spanned<Text>,
        /// Fields that are left as they are live; they are written on create only.
        ignore: Vec<Spanned<KeptField>>,
    }
}

/// `extra_members`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra(pub(crate) ExtraMembers);

inline_schema!(
    Extra,
    "ExtraMembers",
    json_schema!({ "enum": ["keep", "remove"] })
);

impl Shape for Extra {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let choices = [
            ("keep", ExtraMembers::Keep),
            ("remove", ExtraMembers::Remove),
        ];
        one_of(reader, at, choices).map(Extra)
    }
}

/// `on_delete`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deleted(pub(crate) OnDelete);

inline_schema!(
    Deleted,
    "OnDelete",
    json_schema!({ "enum": ["keep", "dissolve"] })
);

impl Shape for Deleted {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let choices = [OnDelete::Keep, OnDelete::Dissolve].map(|choice| (choice.as_str(), choice));
        one_of(reader, at, choices).map(Deleted)
    }
}

/// A field of a managed chat or a user group that may be ignored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptField(pub(crate) Field);

inline_schema!(KeptField, "KeptField", {
    let fields: Vec<&str> = Field::KEPT.iter().map(|f| f.as_str()).collect();
    json_schema!({ "enum": fields })
});

impl Shape for KeptField {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        ignored_field(reader, at, &Field::KEPT).map(KeptField)
    }
}
