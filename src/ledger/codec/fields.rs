//! Values by field, as JSON.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{ChatId, EventKey, Events, Field, Fields, Value};

/// Values by field, such as `{"name":"x","subscribers":["oc_1"],"events":[100],"enabled":true}`.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldsRow {
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers: Option<Vec<ChatRow>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<EventsRow>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_delete: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    calendars: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke_after: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_problem: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "present")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_unknown: Option<String>,
}

/// A chat by its id.
struct ChatRow(ChatId);

impl Serialize for ChatRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for ChatRow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = ChatRow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a chat")
            }

            fn visit_str<E>(self, id: &str) -> Result<ChatRow, E> {
                Ok(ChatRow(ChatId::new(id)))
            }
        }

        from.deserialize_str(Text)
    }
}

/// Listed events as `[100,103]`, `all` as `{"all":[…]}` with the keys that `all` meant then.
#[derive(Serialize)]
#[serde(untagged)]
enum EventsRow {
    Listed(Vec<u32>),
    All(AllRow),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllRow {
    all: Vec<u32>,
}

/// By hand, for serde's own way would keep a copy of each value until it knows which of the two it is.
impl<'de> Deserialize<'de> for EventsRow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = EventsRow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events, or `all` with such a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<EventsRow, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(EventsRow::Listed)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EventsRow, A::Error> {
                AllRow::deserialize(MapAccessDeserializer::new(map)).map(EventsRow::All)
            }
        }

        from.deserialize_any(Either)
    }
}

/// Reads a value that is there; `null` is no way to say that it is not.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Writes values as JSON.
///
/// # Errors
///
/// When a field has a value of another field's shape, in words.
pub fn fields_to_json(fields: &Fields) -> Result<String, String> {
    let row = row_of(fields)?;
    Ok(serde_json::to_string(&row).expect("text, numbers and flags are always JSON"))
}

pub(super) fn row_of(fields: &Fields) -> Result<FieldsRow, String> {
    let mut row = FieldsRow::default();
    for (field, value) in fields.iter() {
        match (field, value) {
            (Field::Name, Value::Text(text)) => row.name = Some(text.clone()),
            (Field::Subscribers, Value::Chats(chats)) => {
                row.subscribers = Some(chats.iter().cloned().map(ChatRow).collect());
            }
            (Field::Events, Value::Events(Events { keys, all })) => {
                let keys = keys.iter().map(|key| key.0).collect();
                row.events = Some(match all {
                    true => EventsRow::All(AllRow { all: keys }),
                    false => EventsRow::Listed(keys),
                });
            }
            (Field::Enabled, Value::Flag(flag)) => row.enabled = Some(*flag),
            (Field::Description, Value::Text(text)) => row.description = Some(text.clone()),
            (Field::People, Value::Items(items)) => row.people = Some(items.clone()),
            (Field::Include, Value::Items(items)) => row.include = Some(items.clone()),
            (Field::Exclude, Value::Items(items)) => row.exclude = Some(items.clone()),
            (Field::Members, Value::Items(items)) => row.members = Some(items.clone()),
            (Field::Owner, Value::Text(text)) => row.owner = Some(text.clone()),
            (Field::Added, Value::Items(items)) => row.added = Some(items.clone()),
            (Field::OnDelete, Value::Text(text)) => row.on_delete = Some(text.clone()),
            (Field::To, Value::Items(it)) => row.to = Some(it.clone()),
            (Field::Via, Value::Items(it)) => row.via = Some(it.clone()),
            (Field::Schedule, Value::Text(it)) => row.schedule = Some(it.clone()),
            (Field::Calendars, Value::Text(it)) => row.calendars = Some(it.clone()),
            (Field::Message, Value::Text(it)) => row.message = Some(it.clone()),
            (Field::Late, Value::Text(it)) => row.late = Some(it.clone()),
            (Field::Audience, Value::Text(it)) => row.audience = Some(it.clone()),
            (Field::RevokeAfter, Value::Text(it)) => row.revoke_after = Some(it.clone()),
            (Field::Track, Value::Text(it)) => row.track = Some(it.clone()),
            (Field::OnProblem, Value::Items(it)) => row.on_problem = Some(it.clone()),
            (Field::OnUnknown, Value::Text(it)) => row.on_unknown = Some(it.clone()),
            (
                Field::Name
                | Field::Subscribers
                | Field::Events
                | Field::Enabled
                | Field::Description
                | Field::People
                | Field::Include
                | Field::Exclude
                | Field::Members
                | Field::Owner
                | Field::Added
                | Field::OnDelete
                | Field::To
                | Field::Via
                | Field::Schedule
                | Field::Calendars
                | Field::Message
                | Field::Late
                | Field::Audience
                | Field::RevokeAfter
                | Field::Track
                | Field::OnProblem
                | Field::OnUnknown,
                Value::Text(_)
                | Value::Flag(_)
                | Value::Chats(_)
                | Value::Events(_)
                | Value::Items(_),
            ) => return Err(format!("the field {field} cannot hold {value:?}")),
        }
    }
    Ok(row)
}

/// Reads values back.
///
/// # Errors
///
/// When the text is not JSON of our shape, or has a field that we do not know, in words.
pub fn fields_from_json(text: &str) -> Result<Fields, String> {
    let row = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(fields_of(row))
}

pub(super) fn fields_of(row: FieldsRow) -> Fields {
    let FieldsRow {
        name,
        subscribers,
        events,
        enabled,
        description,
        people,
        include,
        exclude,
        members,
        owner,
        added,
        on_delete,
        to,
        via,
        schedule,
        calendars,
        message,
        late,
        audience,
        revoke_after,
        track,
        on_problem,
        on_unknown,
    } = row;
    let keys = |keys: Vec<u32>| keys.into_iter().map(EventKey).collect();
    let chats = |ids: Vec<ChatRow>| ids.into_iter().map(|ChatRow(id)| id).collect();
    let events = events.map(|row| match row {
        EventsRow::Listed(listed) => Events {
            keys: keys(listed),
            all: false,
        },
        EventsRow::All(AllRow { all }) => Events {
            keys: keys(all),
            all: true,
        },
    });
    [
        name.map(|text| (Field::Name, Value::Text(text))),
        subscribers.map(|ids| (Field::Subscribers, Value::Chats(chats(ids)))),
        events.map(|events| (Field::Events, Value::Events(events))),
        enabled.map(|flag| (Field::Enabled, Value::Flag(flag))),
        description.map(|text| (Field::Description, Value::Text(text))),
        people.map(|items| (Field::People, Value::Items(items))),
        include.map(|items| (Field::Include, Value::Items(items))),
        exclude.map(|items| (Field::Exclude, Value::Items(items))),
        members.map(|items| (Field::Members, Value::Items(items))),
        owner.map(|text| (Field::Owner, Value::Text(text))),
        added.map(|items| (Field::Added, Value::Items(items))),
        on_delete.map(|text| (Field::OnDelete, Value::Text(text))),
        to.map(|it| (Field::To, Value::Items(it))),
        via.map(|it| (Field::Via, Value::Items(it))),
        schedule.map(|it| (Field::Schedule, Value::Text(it))),
        calendars.map(|it| (Field::Calendars, Value::Text(it))),
        message.map(|it| (Field::Message, Value::Text(it))),
        late.map(|it| (Field::Late, Value::Text(it))),
        audience.map(|it| (Field::Audience, Value::Text(it))),
        revoke_after.map(|it| (Field::RevokeAfter, Value::Text(it))),
        track.map(|it| (Field::Track, Value::Text(it))),
        on_problem.map(|it| (Field::OnProblem, Value::Items(it))),
        on_unknown.map(|it| (Field::OnUnknown, Value::Text(it))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_field(events: Events) -> Fields {
        [
            (Field::Name, Value::Text("项目 \"x\"\n".into())),
            (
                Field::Subscribers,
                Value::Chats(["oc_2", "oc_1"].map(ChatId::from).into()),
            ),
            (Field::Events, Value::Events(events)),
            (Field::Enabled, Value::Flag(false)),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn fields_read_back_as_they_were() {
        let listed: Events = [EventKey(103), EventKey(100)].into_iter().collect();
        for fields in [
            every_field(Events::all()),
            every_field(listed),
            every_field(Events::default()),
            Fields::default(),
        ] {
            let json = fields_to_json(&fields).unwrap();
            assert_eq!(fields_from_json(&json), Ok(fields), "{json}");
        }
    }

    #[test]
    fn groups_are_stored_like_this() {
        let items = |items: &[&str]| Value::Items(items.iter().map(|i| (*i).to_owned()).collect());
        let group: Fields = [
            (Field::Description, Value::Text(String::new())),
            (Field::People, items(&["feishu user ou_a", "enos everyone"])),
            (Field::Include, items(&["platform"])),
            (Field::Exclude, items(&[])),
        ]
        .into_iter()
        .collect();
        let json = fields_to_json(&group).unwrap();
        assert_eq!(
            json,
            r#"{"description":"","people":["enos everyone","feishu user ou_a"],"include":["platform"],"exclude":[]}"#
        );
        assert_eq!(fields_from_json(&json), Ok(group));
    }

    #[test]
    fn fields_are_stored_like_this() {
        let listed: Events = [EventKey(103), EventKey(100)].into_iter().collect();
        assert_eq!(
            fields_to_json(&every_field(listed)).unwrap(),
            r#"{"name":"项目 \"x\"\n","subscribers":["oc_1","oc_2"],"events":[100,103],"enabled":false}"#
        );
        let all = [(Field::Events, Value::Events(Events::all()))];
        let all = fields_to_json(&all.into_iter().collect()).unwrap();
        assert!(all.starts_with(r#"{"events":{"all":[100,101,"#), "{all}");
    }

    #[test]
    fn a_value_of_another_field_is_refused() {
        let fields = [(Field::Name, Value::Flag(true))].into_iter().collect();
        assert!(fields_to_json(&fields).is_err());
    }

    #[test]
    fn what_a_later_beadle_wrote_is_an_error() {
        for text in [
            r#"{"colour":"red"}"#,
            r#"{"name":null}"#,
            r#"{"name":7}"#,
            r#"{"events":["all"]}"#,
            r#"{"events":{"all":[100],"except":[1]}}"#,
            r#"{"events":[-1]}"#,
            r#"{"enabled":"yes"}"#,
            "{",
            "",
        ] {
            assert!(fields_from_json(text).is_err(), "{text}");
        }
    }
}
