//! What users write: the shape of each block of a manifest.
//!
//! The doc comments here are what editors show, through `schemas/manifest.schema.json`. What the
//! blocks mean is worked out in [`super::parse`].

mod after;
mod groups;
mod kept;
mod message;
mod notices;
mod providers;
mod schedule;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::event::{ALIASES, EVENTS};
use super::shape::{
    Flag, Item, Later, Named, Percent, Reader, Shape, Spanned, Text, Whole, inline_schema, shape,
};
use super::yaml::{NodeId, Yaml};
use super::{Field, Kind};

pub(crate) use after::{PeopleWord, Track, UnknownWord};
pub(crate) use groups::{Block, Group, GroupKeys, People};
pub(crate) use kept::{ChatDefaults, KeptField, Manage, UserGroup};
pub(crate) use message::{Link, Message};
pub(crate) use notices::{Kept, Notice};
pub(crate) use providers::{Provider, Providers, VENDORS};
pub(crate) use schedule::{
    Calendar, DaysWord, OffDaysWord, Schedule, ScheduleFile, ScheduleKeys, StepText,
};

/// The keys that stand only in `beadle.yaml`.
pub(crate) const SETTINGS: [&str; 8] = [
    "version",
    "project",
    "ledger",
    "include",
    "providers",
    "vars",
    "guards",
    "defaults",
];

shape! {
    /// A beadle project: who hears about what and when. Settings (`version`, `project`, `ledger`,
    /// `include`, `providers`, `vars`, `guards`, `defaults`) stand in `beadle.yaml`; resources stand
    /// there or in the files that `include` names.
    pub(crate) struct File {
        /// The version of the manifest's language: 1. Required in `beadle.yaml`, and stands only there.
        version: Version,
        /// Names this project in a shared ledger. Required unless `ledger` is the default file.
        project: Spanned<Text>,
        /// Where beadle remembers which of the vendor's objects are yours: `sqlite:PATH`, relative to
        /// the project folder, `postgres://USER@HOST/DATABASE` where machines share it, or `none` for CI
        /// that keeps nothing. The environment variable `BEADLE_LEDGER` overrides it.
        [default = "sqlite:.beadle/ledger.db"]
        ledger: Spanned<Text>,
        /// Files with more resources, as patterns relative to the project folder, such as
        /// `teams/**/*.yaml`. A pattern that matches nothing is an error.
        include: Vec<Spanned<Text>>,
        /// The vendors' apps, by name. `feishu`, `dingtalk` and `enos` imply their vendor; any other
        /// name needs `vendor`.
        providers: Providers,
        /// Values for `${var:NAME}`. The flags `--var` and `--var-file` win over them.
        vars: Anything,
        /// How much one plan may do without being asked.
        guards: Guards,
        /// What resources have that do not say otherwise, by kind.
        defaults: Defaults,
        /// Tasklists that subscriptions name. Beadle does not manage tasklists.
        tasklists: Named<Tasklist>,
        /// Chats, by name: those that beadle creates and keeps, and references to others that
        /// subscriptions name.
        chats: Named<Chat>,
        /// Activity subscriptions of Feishu tasklists: which chats hear about which events.
        tasklist_subscriptions: Named<Subscription>,
        /// Addresses to let go of without deleting anything at the vendor, such as
        /// `tasklist_subscription.old`, `chat.old`, or `recipient_group.oncall/feishu` for the user group
        /// of a group at a provider.
        forget: Vec<Spanned<Text>>,
        /// Groups of people, by name: who is in them at each provider, and which other groups. Groups and
        /// chats share one namespace.
        recipient_groups: Named<Group>,
        /// Notices sent by a schedule, by name. `beadle run` or `beadle tick` sends what was applied.
        recurring_notices: Named<Notice>,
        /// Working days and holidays, by name, for the schedules of notices.
        calendars: Kept<Named<Calendar>>,
    }
}

shape! {
    /// Limits on what one plan may do; each is lifted by its flag.
    pub(crate) struct Guards {
        /// The share of bound objects that one plan may delete or replace.
        [default = "30%"]
        deletes: Percent,
        /// The share of a chat's or a group's people that one plan may change.
        [default = "25%"]
        member_changes: Percent,
        /// How many people one notice may reach without `audience: large`.
        [default = 500]
        recipients: Whole,
    }
}

shape! {
    /// What resources have that do not say otherwise, by kind.
    pub(crate) struct Defaults {
        /// For every tasklist subscription.
        tasklist_subscriptions: SubscriptionDefaults,
        /// For every managed chat.
        chats: ChatDefaults,
        /// For every group of people.
        recipient_groups: GroupDefaults,
        /// For notices. Not managed by this version.
        recurring_notices: Later,
    }
}

shape! {
    /// What every tasklist subscription has that does not say otherwise.
    pub(crate) struct SubscriptionDefaults {
        /// The chats that hear about the events: names under `chats`, or `oc_…` ids. At most 50.
        subscribers: Spanned<Vec<Spanned<Text>>>,
        /// What the chats hear about.
        events: Spanned<EventList>,
        /// Whether the subscription is on.
        [default = true]
        enabled: Flag,
        /// Refuse to delete it.
        [default = false]
        protect: Flag,
        /// Fields that are left as they are live; they are written on create only.
        ignore: Vec<Spanned<IgnoredField>>,
    }
}

shape! {
    /// What every group of people has that does not say otherwise.
    pub(crate) struct GroupDefaults {
        /// Refuse to delete it.
        [default = false]
        protect: Flag,
    }
}

shape! {
    /// A tasklist, by guid or by name.
    pub(crate) struct Tasklist {
        /// The tasklist's guid, as its URL shows it.
        guid: Spanned<Text>,
        /// The tasklist's exact name, looked up on every plan. Two matches are an error.
        name: Spanned<Text>,
        /// The provider whose app reads and writes it. `feishu` by default, or the only Feishu provider.
        provider: Spanned<Text>,
        /// Delete the subscriptions there that nobody declares. Needs `guid`.
        [default = false]
        authoritative: Spanned<Flag>,
        /// Names of undeclared subscriptions that an authoritative tasklist keeps; `*` and `?` stand
        /// for any text and any character.
        keep: Spanned<Vec<Spanned<Text>>>,
    }
}

impl Item for Tasklist {}

shape! {
    /// A chat: a reference by `id`, or one that beadle creates and keeps under `manage`. With both, the
    /// existing chat is kept. With a `provider` of DingTalk it is a group there, to which notices go.
    pub(crate) struct Chat {
        /// The chat's open id, `oc_…`; of a group at DingTalk its open conversation id, `cid…`. With `manage`,
        /// the existing chat that is kept, adopted without asking.
        id: Spanned<Text>,
        /// Create and keep the chat.
        manage: Manage,
        /// With `manage`: the provider whose app owns the chat; `feishu` by default, or the only Feishu
        /// provider. Without: the provider of DingTalk whose robot is in the group.
        provider: Spanned<Text>,
        /// With `manage`: refuse to dissolve the chat.
        [default = false]
        protect: Spanned<Flag>,
        /// With `manage`: fields that are left as they are live; they are written on create only.
        ignore: Spanned<Vec<Spanned<KeptField>>>,
        /// With `manage`: the block's former name, so that renaming it creates nothing.
        moved_from: Spanned<Text>,
    }
}

impl Item for Chat {
    const KIND: Option<Kind> = Some(Kind::Chat);
}

shape! {
    /// An activity subscription of one tasklist, or of each of several.
    pub(crate) struct Subscription {
        /// The tasklist, by its name under `tasklists`.
        tasklist: Spanned<Text>,
        /// Several tasklists: one subscription in each, with the tasklist's name as its instance.
        tasklists: Spanned<Vec<Spanned<Text>>>,
        /// The name at the vendor, 1 to 50 characters. By default the name of this block.
        name: Spanned<Text>,
        /// The chats that hear about the events: names under `chats`, or `oc_…` ids. At most 50.
        subscribers: Spanned<Vec<Spanned<Text>>>,
        /// What the chats hear about: names of events, their numbers, or `all`.
        events: Spanned<EventList>,
        /// Whether it is on.
        [default = true]
        enabled: Flag,
        /// The guid of the vendor's subscription that this block is, adopted without asking. With
        /// `tasklists`, a mapping from the tasklist's name to the guid.
        id: Pins,
        /// Refuse to delete it.
        [default = false]
        protect: Flag,
        /// Fields that are left as they are live; they are written on create only.
        ignore: Vec<Spanned<IgnoredField>>,
        /// The block's former name, so that renaming it replaces nothing.
        moved_from: Spanned<Text>,
    }
}

impl Item for Subscription {
    const KIND: Option<Kind> = Some(Kind::TasklistSubscription);
}

/// `version: 1`.
#[derive(Debug)]
pub(crate) struct Version;

inline_schema!(Version, "Version", json_schema!({ "const": 1 }));

impl Shape for Version {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        match reader.tree.get(at) {
            Yaml::Scalar { text: "1", .. } => Some(Version),
            _ => {
                let help = "This beadle reads version 1 of the manifest's language.";
                reader.wrong(at, "1", Some(help));
                None
            }
        }
    }
}

/// The block `vars`; [`super::parse`] reads it before anything else.
#[derive(Debug)]
pub(crate) struct Anything;

inline_schema!(
    Anything,
    "Vars",
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
    })
);

impl Shape for Anything {
    fn read(_: &mut Reader<'_>, _: NodeId) -> Option<Self> {
        Some(Anything)
    }
}

/// `events`: a list, or the word `all`.
#[derive(Debug)]
pub(crate) enum EventList {
    /// `all`.
    All,
    /// Names and numbers; `all` may be among them.
    Listed(Vec<Spanned<Text>>),
}

inline_schema!(EventList, "Events", {
    let names: Vec<&str> = EVENTS.iter().map(|(_, name)| *name).collect();
    let event = json!({
        "anyOf": [
            { "enum": names, "description": "An event of a tasklist." },
            { "enum": ["all"], "description": "Every event that Feishu documents." },
            { "type": "integer", "minimum": 1, "description": "The number of an event that beadle has no name for." },
            { "enum": ALIASES.map(|(name, _)| name), "description": "Another tool's name for an event; prefer beadle's own." },
            { "type": "string", "pattern": "\\$\\{|^[0-9]+$" },
        ]
    });
    json_schema!({
        "anyOf": [{ "const": "all" }, { "type": "array", "items": event }, { "type": "string", "pattern": "\\$\\{" }]
    })
});

impl Shape for EventList {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let node = reader.tree.get(at);
        if matches!(node, Yaml::List(_)) {
            return Vec::read(reader, at).map(EventList::Listed);
        }
        let wanted = "`all`, or a list of events";
        match &*reader.scalar(at, wanted)?.0 {
            "all" => Some(EventList::All),
            _ => {
                reader.wrong(
                    at,
                    wanted,
                    Some("Write a list, as in `[task.added, due.set]`."),
                );
                None
            }
        }
    }
}

/// A field that may be ignored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IgnoredField(pub(crate) Field);

inline_schema!(IgnoredField, "IgnoredField", {
    let fields: Vec<&str> = Field::SUBSCRIPTION.iter().map(|f| f.as_str()).collect();
    json_schema!({ "enum": fields })
});

impl Shape for IgnoredField {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        ignored_field(reader, at, &Field::SUBSCRIPTION).map(IgnoredField)
    }
}

/// Reads one of two words.
fn one_of<T: Copy>(reader: &mut Reader<'_>, at: NodeId, choices: [(&str, T); 2]) -> Option<T> {
    let [(first, _), (second, _)] = choices;
    let wanted = format!("`{first}` or `{second}`");
    let (text, _) = reader.scalar(at, &wanted)?;
    let found = choices.iter().find(|(word, _)| *word == &*text);
    if found.is_none() {
        reader.wrong(
            at,
            &wanted,
            Some("Write one of these words, or remove the key."),
        );
    }
    found.map(|(_, choice)| *choice)
}

/// Reads the name of one of these fields.
fn ignored_field(reader: &mut Reader<'_>, at: NodeId, fields: &[Field]) -> Option<Field> {
    let (text, _) = reader.scalar(at, "the name of a field")?;
    let found = Field::parse(&text).filter(|field| fields.contains(field));
    if found.is_none() {
        let known = || fields.iter().map(|field| field.as_str());
        let hint = super::shape::did_you_mean(&text, known());
        let summary = format!(
            "there is no field `{}` to ignore",
            super::shape::shorten(&text)
        );
        reader.push(
            super::Diagnostic::error("unknown-field", reader.tree.span(at), summary).help(format!(
                "{hint}The fields are {}.",
                super::shape::words(known())
            )),
        );
    }
    found
}

/// `id`: one guid, or one for each tasklist.
#[derive(Debug)]
pub(crate) enum Pins {
    One(Spanned<Text>),
    Each(Vec<(Spanned<String>, Spanned<Text>)>),
}

inline_schema!(
    Pins,
    "Pins",
    json_schema!({
        "anyOf": [
            { "type": "string", "description": "The guid of the vendor's subscription." },
            { "type": "object", "description": "By tasklist.", "additionalProperties": { "type": "string" } },
        ]
    })
);

impl Shape for Pins {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let Yaml::Map(pairs) = reader.tree.get(at) else {
            return Shape::read(reader, at).map(Pins::One);
        };
        let mut each = Vec::new();
        for pair in pairs.chunks_exact(2) {
            let key = Spanned {
                value: reader.tree.key(pair[0]).to_owned(),
                span: reader.tree.span(pair[0]),
            };
            each.extend(
                reader
                    .field(pair[0], pair[1])
                    .into_option()
                    .map(|id| (key, id)),
            );
        }
        Some(Pins::Each(each))
    }
}
