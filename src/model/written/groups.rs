//! The block `recipient_groups`: people by provider, other groups, and who is left out.
//!
//! A key of a group that is none of its own is a provider's. Which vendor that is, only `beadle.yaml`
//! tells, so that under a provider's own name every vendor's keys are read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::kept::UserGroup;
use super::providers::VENDORS;
use crate::model::shape::{Flag, Given, Item, Keyed, Reader, Shape, Spanned, Text, shape};
use crate::model::yaml::{NodeId, Yaml};
use crate::model::{Diagnostic, Kind};

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) keys: GroupKeys,
    pub(crate) people: Vec<Block>,
}

impl Item for Group {
    const KIND: Option<Kind> = Some(Kind::RecipientGroup);
}

shape! {
    /// A group of people: who is in it at each provider (`feishu`, `dingtalk`, `enos`, or the name of a
    /// provider), and which other groups. Somebody by two paths counts once.
    pub(crate) struct GroupKeys {
        /// What the group is for.
        description: Spanned<Text>,
        /// Other groups whose people belong to this one too. They may include others in turn.
        include: Spanned<Vec<Spanned<Text>>>,
        /// Who is left out of what the group has after `include`, in the same shape by provider.
        exclude: Exclude,
        /// Refuse to delete it.
        [default = false]
        protect: Flag,
        /// The block's former name, so that renaming it replaces nothing.
        moved_from: Spanned<Text>,
    }
}

shape! {
    /// People at Feishu or Lark.
    pub(crate) struct FeishuPeople {
        /// People by id: `ou_…` is an open_id, `on_…` a union_id, anything else a user_id.
        users: Vec<Spanned<Text>>,
        /// People by e-mail address, looked up at Feishu. An enterprise mailbox address finds nobody.
        emails: Vec<Spanned<Text>>,
        /// People by mobile number, looked up at Feishu, such as `+8613800000000`; a number of mainland
        /// China may do without its `+86`.
        mobiles: Vec<Spanned<Text>>,
        /// Departments with those below them: `od-…` is an open_department_id, anything else a
        /// department_id. The root, 0, cannot be sent to.
        departments: Vec<Spanned<Text>>,
        /// Also keep the group as a contact user group, for people only.
        user_group: Keyed<UserGroup>,
    }
}

shape! {
    /// People at DingTalk.
    pub(crate) struct DingTalkPeople {
        /// People by user id.
        users: Vec<Spanned<Text>>,
        /// People by mobile number, looked up at DingTalk, such as `+8613800000000`; a number of mainland
        /// China may do without its `+86`.
        mobiles: Vec<Spanned<Text>>,
        /// Departments with those below them, by their numbers.
        departments: Vec<Spanned<Text>>,
        /// Everybody whom the app reaches. Nobody is listed beside it.
        [default = false]
        everyone: Spanned<Flag>,
    }
}

shape! {
    /// People at EnOS.
    pub(crate) struct EnosPeople {
        /// People by user id.
        users: Vec<Spanned<Text>>,
        /// Everybody in the organisation. Nobody is listed beside it.
        [default = false]
        everyone: Spanned<Flag>,
    }
}

shape! {
    /// People at a provider whose vendor is not known where this is read.
    pub(crate) struct People {
        /// People by id.
        users: Vec<Spanned<Text>>,
        /// People by e-mail address.
        emails: Vec<Spanned<Text>>,
        /// People by mobile number.
        mobiles: Vec<Spanned<Text>>,
        /// Departments.
        departments: Vec<Spanned<Text>>,
        /// Everybody.
        everyone: Spanned<Flag>,
        /// A contact user group.
        user_group: Keyed<UserGroup>,
    }
}

impl From<FeishuPeople> for People {
    fn from(written: FeishuPeople) -> Self {
        let FeishuPeople {
            users,
            emails,
            mobiles,
            departments,
            user_group,
        } = written;
        Self {
            users,
            emails,
            mobiles,
            departments,
            everyone: Given::Absent,
            user_group,
        }
    }
}

impl From<DingTalkPeople> for People {
    fn from(written: DingTalkPeople) -> Self {
        let DingTalkPeople {
            users,
            mobiles,
            departments,
            everyone,
        } = written;
        Self {
            users,
            mobiles,
            departments,
            everyone,
            ..Self::default()
        }
    }
}

impl From<EnosPeople> for People {
    fn from(written: EnosPeople) -> Self {
        let EnosPeople { users, everyone } = written;
        Self {
            users,
            everyone,
            ..Self::default()
        }
    }
}

/// The people at one provider.
#[derive(Debug)]
pub(crate) struct Block {
    /// The provider's key.
    pub(crate) key: Spanned<String>,
    /// Absent when it is no mapping, which was reported.
    pub(crate) people: Option<People>,
    /// What is wrong inside, which is of interest only if there is such a provider.
    pub(crate) found: Vec<Diagnostic>,
}

impl Block {
    /// Reads what stands under the key of a provider, or says that there is no such key. The last
    /// argument has the keys that are none.
    fn read(reader: &mut Reader<'_>, key: NodeId, at: NodeId, own: &[&str]) -> Option<Self> {
        let word = reader.tree.key(key);
        let is_vendor = VENDORS.contains(&word);
        if !is_vendor && !matches!(reader.tree.get(at), Yaml::Map(_)) {
            let known: Vec<&str> = own.iter().chain(&VENDORS).copied().collect();
            reader.unknown_key(key, &known);
            return None;
        }
        let before = reader.diagnostics.len();
        let people = match word {
            "feishu" => reader
                .field::<FeishuPeople>(key, at)
                .into_option()
                .map(People::from),
            "dingtalk" => reader
                .field::<DingTalkPeople>(key, at)
                .into_option()
                .map(People::from),
            "enos" => reader
                .field::<EnosPeople>(key, at)
                .into_option()
                .map(People::from),
            _ => reader.field::<People>(key, at).into_option(),
        };
        Some(Self {
            key: Spanned {
                value: word.to_owned(),
                span: reader.tree.span(key),
            },
            people,
            found: reader.diagnostics.split_off(before),
        })
    }
}

impl Shape for Group {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let mut keys = GroupKeys::default();
        let mut people = Vec::new();
        for pair in reader.map(at)?.chunks_exact(2) {
            if !keys.take(reader, pair[0], pair[1]) {
                people.extend(Block::read(reader, pair[0], pair[1], GroupKeys::KEYS));
            }
        }
        Some(Self { keys, people })
    }
}

impl JsonSchema for Group {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Group".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = GroupKeys::json_schema(generator).to_value();
        by_provider(&mut schema, &people(generator));
        schema.try_into().expect("an object is a schema")
    }
}

/// Who is left out, by provider.
#[derive(Debug)]
pub(crate) struct Exclude(pub(crate) Vec<Block>);

impl Shape for Exclude {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let pairs = reader.map(at)?.chunks_exact(2);
        let blocks = pairs.filter_map(|pair| Block::read(reader, pair[0], pair[1], &[]));
        Some(Self(blocks.collect()))
    }
}

impl JsonSchema for Exclude {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Exclude".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut vendors = people(generator);
        for vendor in &mut vendors {
            if let Some(keys) = vendor["properties"].as_object_mut() {
                keys.retain(|key, _| key != "everyone" && key != "user_group");
            }
        }
        let mut schema = json_schema!({ "type": "object", "properties": {} }).to_value();
        by_provider(&mut schema, &vendors);
        schema.try_into().expect("an object is a schema")
    }
}

/// The shapes of [`VENDORS`].
fn people(generator: &mut SchemaGenerator) -> [Value; 3] {
    [
        FeishuPeople::json_schema(generator).to_value(),
        DingTalkPeople::json_schema(generator).to_value(),
        EnosPeople::json_schema(generator).to_value(),
    ]
}

fn by_provider(schema: &mut Value, people: &[Value; 3]) {
    for (vendor, people) in VENDORS.iter().zip(people) {
        schema["properties"][*vendor] = people.clone();
    }
    schema["additionalProperties"] = serde_json::json!({ "anyOf": people });
}
