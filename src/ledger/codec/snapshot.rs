//! The words of snapshots.

use serde::{Deserialize, Serialize};

use super::fields::{FieldsRow, fields_of, row_of};
use crate::engine::snapshot::{Scope, Seen};
use crate::engine::{Object, RemoteTasklist};
use crate::model::{Collection, RemoteId, TasklistGuid};

const TASKLISTS: &str = ":tasklists";

/// What is in a scope.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum SeenRow {
    Tasklists(Vec<TasklistRow>),
    Objects(Vec<ObjectRow>),
    Object(Box<ObjectRow>),
    Gone,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TasklistRow {
    guid: String,
    name: String,
    may_edit: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectRow {
    id: String,
    fields: FieldsRow,
}

impl ObjectRow {
    fn of(object: &Object) -> Result<Self, String> {
        Ok(Self {
            id: object.id.as_str().to_owned(),
            fields: row_of(&object.fields)?,
        })
    }

    fn object(self) -> Object {
        Object {
            id: RemoteId::new(&self.id),
            fields: fields_of(self.fields),
        }
    }
}

/// Writes what a scope held as JSON.
///
/// # Errors
///
/// When a field has a value of another field's shape, in words.
pub fn seen_to_json(seen: &Seen) -> Result<String, String> {
    let row = match seen {
        Seen::Tasklists(all) => SeenRow::Tasklists(
            all.iter()
                .map(|tasklist| TasklistRow {
                    guid: tasklist.guid.as_str().to_owned(),
                    name: tasklist.name.clone(),
                    may_edit: tasklist.may_edit,
                })
                .collect(),
        ),
        Seen::Objects(all) => {
            SeenRow::Objects(all.iter().map(ObjectRow::of).collect::<Result<_, _>>()?)
        }
        Seen::Object(Some(object)) => SeenRow::Object(Box::new(ObjectRow::of(object)?)),
        Seen::Object(None) => SeenRow::Gone,
    };
    Ok(serde_json::to_string(&row).expect("text, numbers and flags are always JSON"))
}

/// Reads it back.
///
/// # Errors
///
/// When the text is not JSON of our shape, in words.
pub fn seen_from_json(text: &str) -> Result<Seen, String> {
    let row: SeenRow = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(match row {
        SeenRow::Tasklists(all) => Seen::Tasklists(
            all.into_iter()
                .map(|row| RemoteTasklist {
                    guid: TasklistGuid::new(&row.guid),
                    name: row.name,
                    may_edit: row.may_edit,
                })
                .collect(),
        ),
        SeenRow::Objects(all) => Seen::Objects(all.into_iter().map(ObjectRow::object).collect()),
        SeenRow::Object(one) => Seen::Object(Some(one.object())),
        SeenRow::Gone => Seen::Object(None),
    })
}

/// The collection and id of a scope; an id that is empty stands for all of it.
#[must_use]
pub fn scope_to_text(scope: &Scope) -> (&str, &str) {
    match scope {
        Scope::Tasklists => (TASKLISTS, ""),
        Scope::All(collection) => (collection.as_str(), ""),
        Scope::One(collection, id) => (collection.as_str(), id.as_str()),
    }
}

/// The scope of a collection and id.
#[must_use]
pub fn scope_from_text(collection: &str, id: &str) -> Scope {
    match (collection, id) {
        (TASKLISTS, "") => Scope::Tasklists,
        (collection, "") => Scope::All(Collection::parse(collection)),
        (collection, id) => Scope::One(Collection::parse(collection), RemoteId::new(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, Value};

    fn object(name: &str) -> Object {
        Object {
            id: RemoteId::new(&format!("id of {name}")),
            fields: [(Field::Name, Value::Text(name.to_owned()))]
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn what_was_seen_reads_back() {
        let tasklist = RemoteTasklist {
            guid: TasklistGuid::new("g"),
            name: "Release".to_owned(),
            may_edit: None,
        };
        for seen in [
            Seen::Tasklists(vec![tasklist]),
            Seen::Objects(vec![object("a"), object("b")]),
            Seen::Objects(Vec::new()),
            Seen::Object(Some(object("c"))),
            Seen::Object(None),
        ] {
            let json = seen_to_json(&seen).unwrap();
            assert!(seen_from_json(&json) == Ok(seen), "{json}");
        }
    }

    #[test]
    fn it_is_stored_like_this() {
        assert_eq!(
            seen_to_json(&Seen::Objects(vec![object("a")])).unwrap(),
            r#"{"objects":[{"id":"id of a","fields":{"name":"a"}}]}"#
        );
        assert_eq!(seen_to_json(&Seen::Object(None)).unwrap(), r#""gone""#);
        for later in [
            r#"{"things":[]}"#,
            r#"{"objects":[{"id":"a","fields":{},"more":1}]}"#,
            "",
        ] {
            assert!(seen_from_json(later).is_err(), "{later}");
        }
    }

    #[test]
    fn scopes_read_back() {
        for scope in [
            Scope::Tasklists,
            Scope::All(Collection::from("guid")),
            Scope::All(Collection::Chats),
            Scope::One(Collection::Chats, RemoteId::new("oc_1")),
            Scope::One(Collection::UserGroups, RemoteId::new("g")),
        ] {
            let (collection, id) = scope_to_text(&scope);
            assert_eq!(scope_from_text(collection, id), scope);
        }
    }
}
