//! Answers that are right by their HTTP and JSON, and not what a client expects of them.

use serde_json::{Map, Value, json};

use super::chance::Draw;

/// How an answer is bent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Bend {
    Reordered,
    Duplicated,
    Nulls,
    UnknownValues,
}

/// Fields whose values are words or numbers of a closed list.
const CLOSED: [&str; 12] = [
    "chat_mode",
    "chat_status",
    "chat_tag",
    "chat_type",
    "group_message_type",
    "member_id_type",
    "member_type",
    "membership_approval",
    "owner_id_type",
    "role",
    "status",
    "type",
];

impl Bend {
    /// Bends a body. What is no JSON stays as it is.
    pub(in crate::sandbox) fn bend(self, body: &str, draw: Draw) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(body) else {
            return body.to_owned();
        };
        let mut draw = draw;
        // The envelope is the vendor's word about the call, and stays.
        if let Value::Object(envelope) = &mut value {
            for (name, part) in envelope.iter_mut() {
                if !["code", "msg", "message", "errcode", "errmsg", "status"]
                    .contains(&name.as_str())
                {
                    self.walk(part, &mut draw);
                }
            }
        }
        value.to_string()
    }

    fn walk(self, value: &mut Value, draw: &mut Draw) {
        match value {
            Value::Array(items) => {
                for item in items.iter_mut() {
                    self.walk(item, draw);
                }
                match self {
                    Bend::Reordered => shuffle(items, draw),
                    Bend::Duplicated if items.iter().all(Value::is_object) => {
                        items.extend(items.clone());
                    }
                    _ => {}
                }
            }
            Value::Object(fields) => {
                for part in fields.values_mut() {
                    self.walk(part, draw);
                }
                if self == Bend::UnknownValues {
                    unknown(fields);
                }
            }
            _ => {}
        }
        let empty = match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if self == Bend::Nulls && empty {
            *value = Value::Null;
        }
    }
}

fn shuffle(items: &mut [Value], draw: &mut Draw) {
    for last in (1..items.len()).rev() {
        *draw = draw.next();
        items.swap(last, draw.below(last + 1));
    }
}

fn unknown(fields: &mut Map<String, Value>) {
    for name in CLOSED {
        match fields.get_mut(name) {
            Some(word @ Value::String(_)) => *word = json!("not_on_any_page"),
            Some(number @ Value::Number(_)) => *number = json!(4711),
            _ => {}
        }
    }
    if let Some(Value::Array(keys)) = fields.get_mut("include_keys") {
        keys.push(json!(4711));
    }
    fields.insert("not_on_any_page".to_owned(), json!({"new": [1, null]}));
}
