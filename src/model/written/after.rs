//! What a notice says about what follows a send.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::one_of;
use crate::model::notice::{OnUnknown, People};
use crate::model::shape::{Percent, Reader, Shape, Spanned, Text, inline_schema, shape};
use crate::model::yaml::NodeId;

shape! {
    /// Follow who has read it.
    pub(crate) struct Track {
        /// The share of the people to whom it goes whose reading is enough. Whoever is not known to have
        /// read it has not; a chat is a place, and counts as nobody.
        [default = "80%"]
        until: Spanned<Percent>,
        /// How long it is followed at most, such as `24h`. DingTalk can be asked for 24 hours, Feishu for
        /// 7 days about messages to chats and to single people, and for 30 days about the others.
        [default = "24h"]
        r#for: Spanned<Text>,
        /// Groups and chats that get a report at the end.
        report_to: Vec<Spanned<Text>>,
    }
}

/// `people: messages`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeopleWord(pub(crate) People);

inline_schema!(
    PeopleWord,
    "PeopleWord",
    json_schema!({ "enum": ["together", "messages"] })
);

impl Shape for PeopleWord {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let choices = [People::Together, People::Messages].map(|word| (word.as_str(), word));
        one_of(reader, at, choices).map(PeopleWord)
    }
}

/// `on_unknown`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnknownWord(pub(crate) OnUnknown);

inline_schema!(
    UnknownWord,
    "UnknownWord",
    json_schema!({ "enum": ["hold", "resend"] })
);

impl Shape for UnknownWord {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let choices = [OnUnknown::Hold, OnUnknown::Resend].map(|word| (word.as_str(), word));
        one_of(reader, at, choices).map(UnknownWord)
    }
}
