//! Fields and values: what a declared resource and a live object are compared by.

use std::collections::BTreeSet;
use std::fmt;

use super::{ChatId, Events};

/// A field of some kind of resource, by the word that users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The object's name at the vendor.
    Name,
    /// The chats that a subscription posts to.
    Subscribers,
    /// The events that a subscription hears about.
    Events,
    /// Whether a subscription is on; the vendor stores the opposite, `disabled`.
    Enabled,
    /// What a group is for.
    Description,
    /// Whom a group lists; of a notice, how it gets to people.
    People,
    /// The groups whose people belong to a group too.
    Include,
    /// Whom a group leaves out.
    Exclude,
    /// Who is in a chat or in a contact user group, by open_id.
    Members,
    /// Who owns a chat, by open_id; never written.
    Owner,
    /// Of the members, those whom beadle put there; known to the ledger alone.
    Added,
    /// Whether a chat that is declared no more is dissolved; known to the ledger alone.
    OnDelete,
    /// Whom a notice is for: groups and chats.
    To,
    /// The providers by which a notice goes out.
    Via,
    /// When a notice fires, as it is written.
    Schedule,
    /// The calendars that the schedule of a notice goes by, as they are written.
    Calendars,
    /// What a notice says, as it is written.
    Message,
    /// How much later than it fires a notice is still sent.
    Late,
    /// Consent to a large audience.
    Audience,
    /// After what time a notice is taken back.
    RevokeAfter,
    /// How it is followed who has read a notice, as it was understood.
    Track,
    /// Who is told when an occurrence of a notice went wrong: groups and chats.
    OnProblem,
    /// What follows a send of a notice whose outcome is unknown.
    OnUnknown,
}

impl Field {
    /// Every field.
    pub const ALL: [Field; 23] = [
        Field::Name,
        Field::Subscribers,
        Field::Events,
        Field::Enabled,
        Field::Description,
        Field::People,
        Field::Include,
        Field::Exclude,
        Field::Members,
        Field::Owner,
        Field::Added,
        Field::OnDelete,
        Field::To,
        Field::Via,
        Field::Schedule,
        Field::Calendars,
        Field::Message,
        Field::Late,
        Field::Audience,
        Field::RevokeAfter,
        Field::Track,
        Field::OnProblem,
        Field::OnUnknown,
    ];

    /// The fields of a managed chat and of a contact user group that can be left as they are live.
    pub const KEPT: [Field; 3] = [Field::Name, Field::Description, Field::Members];

    /// The fields of a subscription.
    pub const SUBSCRIPTION: [Field; 4] = [
        Field::Name,
        Field::Subscribers,
        Field::Events,
        Field::Enabled,
    ];

    /// The fields of a group.
    pub const GROUP: [Field; 4] = [
        Field::Description,
        Field::People,
        Field::Include,
        Field::Exclude,
    ];

    /// The word in YAML and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Name => "name",
            Field::Subscribers => "subscribers",
            Field::Events => "events",
            Field::Enabled => "enabled",
            Field::Description => "description",
            Field::People => "people",
            Field::Include => "include",
            Field::Exclude => "exclude",
            Field::Members => "members",
            Field::Owner => "owner",
            Field::Added => "added",
            Field::OnDelete => "on_delete",
            Field::To => "to",
            Field::Via => "via",
            Field::Schedule => "schedule",
            Field::Calendars => "calendars",
            Field::Message => "message",
            Field::Late => "late",
            Field::Audience => "audience",
            Field::RevokeAfter => "revoke_after",
            Field::Track => "track",
            Field::OnProblem => "on_problem",
            Field::OnUnknown => "on_unknown",
        }
    }

    /// The field of a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|f| f.as_str() == text)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The value of a field. Sets are sets, so that order is never a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// Chats.
    Chats(BTreeSet<ChatId>),
    /// Events.
    Events(Events),
    /// Ids, or things in words that a renderer can show and a ledger can keep as they are, such as the
    /// recipient `feishu user ou_18ea` or the name of a group.
    Items(BTreeSet<String>),
}

impl Value {
    /// Whether a live value is what this declared one asks for.
    #[must_use]
    pub fn satisfied_by(&self, live: &Value) -> bool {
        match (self, live) {
            (Value::Events(wanted), Value::Events(live)) => wanted.satisfied_by(live),
            (wanted, live) => wanted == live,
        }
    }
}

/// Values by field, in the order of [`Field`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fields(Vec<(Field, Value)>);

impl Fields {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, value)| value)
    }

    /// Sets a field, in its place.
    pub fn set(&mut self, field: Field, value: Value) {
        match self.0.binary_search_by_key(&field, |(f, _)| *f) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (field, value)),
        }
    }

    /// Drops a field.
    pub fn remove(&mut self, field: Field) {
        self.0.retain(|(f, _)| *f != field);
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The people or things of a field; none where it has another value, or none.
    #[must_use]
    pub fn items(&self, field: Field) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        match self.get(field) {
            Some(Value::Items(items)) => items,
            _ => &NONE,
        }
    }

    /// The object's name, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self.get(Field::Name) {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        }
    }
}

impl FromIterator<(Field, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Field, Value)>>(pairs: I) -> Self {
        let mut fields = Fields(Vec::with_capacity(4));
        for (field, value) in pairs {
            fields.set(field, value);
        }
        fields
    }
}
