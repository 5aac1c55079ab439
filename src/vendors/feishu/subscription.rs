//! Activity subscriptions: our fields and the vendor's, one conversion each way, and their calls.

use super::json;
use super::wire::{
    Members, OneSubscription, SubscriberRef, Subscription, SubscriptionFields, SubscriptionList,
    SubscriptionPatch, data,
};
use crate::engine::{Call, Object, Write};
use crate::model::{ChatId, EventKey, Events, Field, Fields, RemoteId, Value};
use crate::vendors::limits::{
    ADD_CHAT_MEMBERS, CREATE_SUBSCRIPTION, DELETE_SUBSCRIPTION, PATCH_SUBSCRIPTION,
    REMOVE_CHAT_MEMBERS,
};

/// Turns a write into its call. The same write always makes the same bytes.
pub(super) fn encode(write: &Write) -> Call {
    let (operation, collection, id, body) = match write {
        Write::Create {
            collection, fields, ..
        } => {
            let mut wire = to_wire(fields);
            // The vendor's default is not documented.
            wire.disabled.get_or_insert(false);
            (CREATE_SUBSCRIPTION, collection, None, Some(json(&wire)))
        }
        Write::Update {
            collection,
            id,
            fields,
        } => {
            let body = json(&patch(to_wire(fields)));
            (PATCH_SUBSCRIPTION, collection, Some(id), Some(body))
        }
        Write::Delete { collection, id } => (DELETE_SUBSCRIPTION, collection, Some(id), None),
        // A tasklist holds no people whom we manage: calls that will not be sent.
        Write::AddPeople { collection, id, .. } => (ADD_CHAT_MEMBERS, collection, Some(id), None),
        Write::RemovePeople { collection, id, .. } => {
            (REMOVE_CHAT_MEMBERS, collection, Some(id), None)
        }
    };
    Call {
        operation: operation.to_owned(),
        collection: collection.clone(),
        id: id.cloned(),
        body,
    }
}

/// Every subscription in the answer to a list.
pub(super) fn read_all(envelope: Members) -> Result<Vec<Object>, String> {
    let list: SubscriptionList = data(envelope)?;
    if list.has_more {
        return Err("the list says that it is not whole".to_owned());
    }
    let mut objects: Vec<Object> = Vec::with_capacity(list.items.len());
    for object in list.items.into_iter().map(from_wire) {
        if !objects.iter().any(|known| known.id == object.id) {
            objects.push(object);
        }
    }
    Ok(objects)
}

/// The subscription in the answer to a create, or to a patch of `asked`.
pub(super) fn read_one(envelope: Members, asked: Option<&RemoteId>) -> Result<Object, String> {
    let one: OneSubscription = data(envelope)?;
    let object = from_wire(one.activity_subscription);
    match asked {
        Some(asked) if !object.id.as_str().eq_ignore_ascii_case(asked.as_str()) => {
            Err(format!("the answer is about {}, not {asked}", object.id))
        }
        _ => Ok(object),
    }
}

fn from_wire(wire: Subscription) -> Object {
    let Subscription {
        guid,
        name,
        subscribers,
        include_keys,
        disabled,
    } = wire;
    // Sets: the vendor promises no order and does not say that it drops what is named twice.
    let chats = subscribers.iter().map(|s| ChatId::new(&s.id)).collect();
    let events: Events = include_keys.into_iter().map(EventKey).collect();
    let fields = [
        (Field::Name, Value::Text(name)),
        (Field::Subscribers, Value::Chats(chats)),
        (Field::Events, Value::Events(events)),
        (Field::Enabled, Value::Flag(!disabled)),
    ];
    Object {
        id: RemoteId::new(&guid),
        fields: fields.into_iter().collect(),
    }
}

fn to_wire(fields: &Fields) -> SubscriptionFields<'_> {
    let mut wire = SubscriptionFields {
        name: None,
        subscribers: None,
        include_keys: None,
        disabled: None,
    };
    for (field, value) in fields.iter() {
        match (field, value) {
            (Field::Name, Value::Text(name)) => wire.name = Some(name),
            (Field::Subscribers, Value::Chats(chats)) => {
                let chat = |id| SubscriberRef { id, kind: "chat" };
                wire.subscribers = Some(chats.iter().map(|c| chat(c.as_str())).collect());
            }
            (Field::Events, Value::Events(events)) => {
                wire.include_keys = Some(events.keys.iter().map(|key| key.0).collect());
            }
            (Field::Enabled, Value::Flag(enabled)) => wire.disabled = Some(!enabled),
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
                _,
            ) => {
                debug_assert!(false, "{field} holds {value:?}");
            }
        }
    }
    wire
}

/// The mask is made of what the body holds: a field that the mask names and the body lacks would be
/// cleared.
fn patch(fields: SubscriptionFields<'_>) -> SubscriptionPatch<'_> {
    let SubscriptionFields {
        name,
        subscribers,
        include_keys,
        disabled,
    } = &fields;
    let named = [
        ("name", name.is_some()),
        ("subscribers", subscribers.is_some()),
        ("include_keys", include_keys.is_some()),
        ("disabled", disabled.is_some()),
    ];
    SubscriptionPatch {
        update_fields: named
            .into_iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| name)
            .collect(),
        activity_subscription: fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Collection;

    const ROOM: &str = "oc_2cefb2f014f8d0c6c2d2eb7bafb0e54f";

    fn fields(pairs: &[(Field, Value)]) -> Fields {
        pairs.iter().cloned().collect()
    }

    fn events(keys: &[u32]) -> Value {
        Value::Events(keys.iter().copied().map(EventKey).collect())
    }

    fn update(pairs: &[(Field, Value)]) -> String {
        let write = Write::Update {
            collection: Collection::from("t"),
            id: RemoteId::new("s"),
            fields: fields(pairs),
        };
        encode(&write).body.unwrap()
    }

    fn read(json: &str) -> Result<Vec<Object>, String> {
        read_all(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_create_is_the_contracts_example() {
        let write = Write::Create {
            id: None,
            collection: Collection::from("t"),
            fields: fields(&[
                (Field::Enabled, Value::Flag(true)),
                (Field::Events, events(&[103, 100, 103])),
                (Field::Subscribers, Value::Chats([ROOM.into()].into())),
                (Field::Name, Value::Text("release-room".into())),
            ]),
        };
        let call = encode(&write);
        assert_eq!(call, encode(&write));
        assert_eq!(call.operation, "createTasklistActivitySubscription");
        assert_eq!((call.collection.as_str(), call.id), ("t", None));
        assert_eq!(
            call.body.unwrap(),
            format!(
                r#"{{"name":"release-room","subscribers":[{{"id":"{ROOM}","type":"chat"}}],"include_keys":[100,103],"disabled":false}}"#
            )
        );
    }

    #[test]
    fn a_patch_names_exactly_what_it_holds() {
        assert_eq!(
            update(&[(Field::Events, events(&[103, 101, 100]))]),
            r#"{"activity_subscription":{"include_keys":[100,101,103]},"update_fields":["include_keys"]}"#
        );
        assert_eq!(
            update(&[
                (Field::Enabled, Value::Flag(false)),
                (Field::Name, Value::Text("n".into()))
            ]),
            r#"{"activity_subscription":{"name":"n","disabled":true},"update_fields":["name","disabled"]}"#
        );
        assert_eq!(
            update(&[(
                Field::Subscribers,
                Value::Chats(["oc_b".into(), "oc_a".into()].into())
            )]),
            r#"{"activity_subscription":{"subscribers":[{"id":"oc_a","type":"chat"},{"id":"oc_b","type":"chat"}]},"update_fields":["subscribers"]}"#
        );
        assert_eq!(
            update(&[(Field::Events, events(&[]))]),
            r#"{"activity_subscription":{"include_keys":[]},"update_fields":["include_keys"]}"#
        );
    }

    #[test]
    fn a_delete_has_no_body() {
        let write = Write::Delete {
            collection: Collection::from("t"),
            id: RemoteId::new("s"),
        };
        let call = encode(&write);
        assert_eq!(call.operation, "deleteTasklistActivitySubscription");
        assert_eq!((call.id, call.body), (Some(RemoteId::new("s")), None));
    }

    #[test]
    fn order_and_repeats_are_no_difference() {
        let item = |subscribers: &str, keys: &str| {
            let json = format!(
                r#"{{"data":{{"items":[{{"guid":"g","name":"n","subscribers":{subscribers},"include_keys":{keys}}}]}}}}"#
            );
            read(&json).unwrap()
        };
        assert_eq!(
            item(
                r#"[{"id":"a","type":"chat"},{"id":"b","role":"x"}]"#,
                "[100,103]"
            ),
            item(
                r#"[{"id":"b","name":"B"},{"id":"a"},{"id":"b"}]"#,
                "[103,100,103]"
            )
        );
    }

    #[test]
    fn what_is_absent_or_null_is_empty() {
        let bare = read(r#"{"data":{"items":[{"guid":"g"}]}}"#).unwrap();
        let nulls = read(
            r#"{"data":{"items":[{"guid":"g","name":null,"subscribers":null,"include_keys":null,"disabled":null,"more":1}]}}"#,
        );
        assert_eq!(Ok(&bare), nulls.as_ref());
        assert_eq!(
            bare[0].fields,
            fields(&[
                (Field::Name, Value::Text(String::new())),
                (Field::Subscribers, Value::Chats([].into())),
                (Field::Events, events(&[])),
                (Field::Enabled, Value::Flag(true)),
            ])
        );
        assert_eq!(read(r#"{"data":{}}"#), Ok(vec![]));
        assert_eq!(read(r#"{"data":{"items":null}}"#), Ok(vec![]));
    }

    #[test]
    fn a_list_that_is_not_whole_is_no_list() {
        for json in [
            r#"{}"#,
            r#"{"data":null}"#,
            r#"{"data":[]}"#,
            r#"{"data":{"items":{}}}"#,
            r#"{"data":{"items":[null]}}"#,
            r#"{"data":{"items":[{"name":"n"}]}}"#,
            r#"{"data":{"items":[{"guid":""}]}}"#,
            r#"{"data":{"items":[{"guid":7}]}}"#,
            r#"{"data":{"items":[{"guid":"g","subscribers":[{"type":"chat"}]}]}}"#,
            r#"{"data":{"items":[{"guid":"g","include_keys":[-1]}]}}"#,
            r#"{"data":{"items":[{"guid":"g"}],"has_more":true}}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_guid_that_is_listed_twice_is_one_object() {
        let twice =
            r#"{"data":{"items":[{"guid":"g","name":"n"},{"guid":"g","name":"n"},{"guid":"h"}]}}"#;
        assert_eq!(read(twice).unwrap().len(), 2);
    }
}
