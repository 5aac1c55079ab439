//! The block `recurring_notices`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::after::{PeopleWord, Track, UnknownWord};
use super::{Message, Schedule};
use crate::model::Kind;
use crate::model::shape::{Flag, Item, Reader, Shape, Spanned, Text, inline_schema, shape};
use crate::model::yaml::{NodeId, Yaml};

shape! {
    /// A notice that the runner sends by a schedule.
    pub(crate) struct Notice {
        /// Whom it is for: groups, whose people get it, and chats, by name; or `oc_…` ids of chats.
        [required]
        to: Spanned<Vec<Spanned<Text>>>,
        /// The providers by which it goes out. Needed where its groups have people at more than one.
        via: Spanned<Vec<Spanned<Text>>>,
        /// When it fires.
        [required]
        schedule: Spanned<Kept<Schedule>>,
        /// What it says.
        [required]
        message: Spanned<Message>,
        /// How much later than it fires it is still sent, such as `30m`. A runner that comes later records
        /// the instant as missed.
        [default = "15m"]
        late: Spanned<Text>,
        /// `large` is consent to everyone, to departments, and to more people than `guards.recipients`.
        audience: Spanned<LargeWord>,
        /// Whether it is sent at all.
        [default = true]
        enabled: Flag,
        /// Refuse to delete it.
        [default = false]
        protect: Flag,
        /// The block's former name, so that renaming it forgets nothing.
        moved_from: Spanned<Text>,
        /// Take it back so long after it fires, such as `2h`. Feishu and DingTalk let that be done for 24
        /// hours, EnOS never.
        revoke_after: Spanned<Text>,
        /// Follow who has read it.
        track: Spanned<Track>,
        /// Groups and chats that are told, once an occurrence, when one is missed, refused, sent in part or
        /// held.
        on_problem: Vec<Spanned<Text>>,
        /// How it gets to people at Feishu: `together` in as few calls as can be, or, to at most 20,
        /// `messages`, one each, which a lost answer does not put in doubt.
        [default = "together"]
        people: Spanned<PeopleWord>,
        /// What follows a send of which nobody knows whether it arrived, where the vendor has no key for
        /// it: `hold` waits for a person's word, `resend` sends once more, so that somebody may get it
        /// twice.
        [default = "hold"]
        on_unknown: UnknownWord,
    }
}

impl Item for Notice {
    const KIND: Option<Kind> = Some(Kind::RecurringNotice);
}

/// `audience: large`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LargeWord;

inline_schema!(LargeWord, "Audience", json_schema!({ "const": "large" }));

impl Shape for LargeWord {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "`large`")?;
        if &*text == "large" {
            return Some(LargeWord);
        }
        reader.wrong(
            at,
            "`large`",
            Some("Remove the key where no consent is meant."),
        );
        None
    }
}

/// Something together with what was written for it, as one value.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) source: Value,
}

impl<T: Shape> Shape for Kept<T> {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let value = T::read(reader, at);
        // What is wrong with it was said by the first reading.
        let said = reader.diagnostics.len();
        let source = source(reader, at);
        reader.diagnostics.truncate(said);
        value.map(|value| Kept { value, source })
    }
}

impl<T: JsonSchema> JsonSchema for Kept<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A node as JSON, with everything put in that `${…}` stands for. Every scalar is text.
fn source(reader: &mut Reader<'_>, at: NodeId) -> Value {
    match reader.tree.get(at) {
        Yaml::List(items) => {
            let items = items.iter();
            Value::Array(items.map(|item| source(reader, *item)).collect())
        }
        Yaml::Map(pairs) => {
            let pairs = pairs.chunks_exact(2);
            let pairs = pairs.map(|pair| {
                let key = reader.tree.key(pair[0]).to_owned();
                (key, source(reader, pair[1]))
            });
            Value::Object(pairs.collect())
        }
        Yaml::Scalar { .. } => {
            let text = reader.scalar(at, "text").map(|(text, _)| text.into_owned());
            Value::String(text.unwrap_or_default())
        }
    }
}
