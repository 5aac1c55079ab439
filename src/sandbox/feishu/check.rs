//! Reading what a client sent, refusing what the contract does not allow.
//!
//! Two layers refuse, as at the vendor. The gateway checks query parameters against their declared
//! type and answers 99992402 with `field_violations`. The service checks its body and answers its
//! own code (1470400 for tasks, 232001 for chats) with the field named in `msg`. A body that is no
//! JSON object gets 9499.
//!
//! Unknown body fields are refused where the contract says `additionalProperties: false`; unknown
//! query parameters are passed over, for the SDKs send some.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::envelope::Refusal;
use super::ids::IdType;

/// The query of a call. Of a repeated parameter the first counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(pub(super) &'a [(String, String)]);

impl<'a> Query<'a> {
    /// A parameter's text, with the empty one as absent.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A text of at most so many characters.
    pub(super) fn short(&self, name: &str, max: usize) -> Result<Option<&'a str>, Refusal> {
        match self.text(name) {
            Some(text) if text.chars().count() > max => Err(Refusal::parameter(
                name,
                text,
                format!("the length must be at most {max}"),
            )),
            other => Ok(other),
        }
    }

    /// A whole number in that range.
    pub(super) fn integer(
        &self,
        name: &str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(Refusal::parameter(
                name,
                text,
                format!("must be a number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// One of these words.
    pub(super) fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&'a str>, Refusal> {
        match self.text(name) {
            Some(text) if !words.contains(&text) => Err(Refusal::parameter(
                name,
                text,
                format!("must be one of {}", words.join(", ")),
            )),
            other => Ok(other),
        }
    }

    /// `true` or `false`, also as the Python SDK spells them.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None | Some("false" | "False") => Ok(false),
            Some("true" | "True") => Ok(true),
            Some(text) => Err(Refusal::parameter(
                name,
                text,
                "must be a boolean".to_owned(),
            )),
        }
    }

    /// The kind of user ids, which changes neither chat ids nor app ids.
    pub(super) fn user_id_type(&self) -> Result<IdType, Refusal> {
        let name = self.one_of("user_id_type", &["open_id", "union_id", "user_id"])?;
        Ok(name.and_then(IdType::named).unwrap_or(IdType::Open))
    }

    /// Every value of a repeated parameter, at least one and at most so many.
    pub(super) fn repeated(&self, name: &str, max: usize) -> Result<Vec<&'a str>, Refusal> {
        let given: Vec<&str> = self
            .0
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect();
        if given.is_empty() || given.len() > max {
            let why = format!("1 to {max} values are expected, {} given", given.len());
            return Err(Refusal::parameter(name, "", why));
        }
        Ok(given)
    }
}

/// The fields of a JSON object, with the code of the service that reads them. `null` is absent.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    code: i64,
    /// Where the object stands, for messages.
    place: String,
}

impl<'a> Fields<'a> {
    /// The body of a request.
    pub(super) fn of_body(body: Option<&'a Value>, code: i64) -> Result<Fields<'a>, Refusal> {
        match body {
            Some(Value::Object(map)) => Ok(Fields {
                map,
                code,
                place: String::new(),
            }),
            _ => Err(Refusal::malformed("the body must be a JSON object")),
        }
    }

    /// An object that stands somewhere else than in the body, or nothing if it is none.
    pub(super) fn of_object(value: &'a Value, code: i64, place: &str) -> Option<Fields<'a>> {
        let place = place.to_owned();
        let map = value.as_object()?;
        Some(Fields { map, code, place })
    }

    /// Whether nothing was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// The names of what was sent.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let sent = self.map.iter().filter(|(_, value)| !value.is_null());
        sent.map(|(name, _)| name.as_str())
    }

    /// An object inside of this one.
    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => self.inner(name, value).map(Some),
        }
    }

    /// The objects of an array that holds at most so many.
    pub(super) fn objects(
        &self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<Fields<'a>>>, Refusal> {
        let Some(values) = self.array(name, max)? else {
            return Ok(None);
        };
        values
            .iter()
            .enumerate()
            .map(|(index, value)| self.inner(&format!("{name}[{index}]"), value))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn inner(&self, name: &str, value: &'a Value) -> Result<Fields<'a>, Refusal> {
        match value {
            Value::Object(map) => Ok(Fields {
                map,
                code: self.code,
                place: self.path(name),
            }),
            _ => Err(self.bad(name, "an object is expected")),
        }
    }

    /// Refuses every field that is not among these.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        match self.map.keys().find(|key| !names.contains(&key.as_str())) {
            Some(unknown) => Err(self.bad(unknown, "unknown field")),
            None => Ok(()),
        }
    }

    /// A text with so many characters.
    pub(super) fn text(
        &self,
        name: &str,
        length: RangeInclusive<usize>,
    ) -> Result<Option<&'a str>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if length.contains(&text.chars().count()) => Ok(Some(text)),
            Some(Value::String(text)) => Err(self.bad(
                name,
                &format!(
                    "{} to {} characters are expected, {} given",
                    length.start(),
                    length.end(),
                    text.chars().count()
                ),
            )),
            Some(_) => Err(self.bad(name, "a string is expected")),
        }
    }

    /// One of these words.
    pub(super) fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&'a str>, Refusal> {
        match self.text(name, 0..=usize::MAX)? {
            Some(word) if !words.contains(&word) => {
                Err(self.bad(name, &format!("must be one of {}", words.join(", "))))
            }
            other => Ok(other),
        }
    }

    /// A boolean.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.bad(name, "a boolean is expected")),
        }
    }

    /// An array of at most so many.
    pub(super) fn array(&self, name: &str, max: usize) -> Result<Option<&'a [Value]>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(values)) if values.len() <= max => Ok(Some(values)),
            Some(Value::Array(values)) => Err(self.bad(
                name,
                &format!("at most {max} entries are allowed, {} given", values.len()),
            )),
            Some(_) => Err(self.bad(name, "an array is expected")),
        }
    }

    /// An array of texts.
    pub(super) fn texts(&self, name: &str, max: usize) -> Result<Option<Vec<String>>, Refusal> {
        let Some(values) = self.array(name, max)? else {
            return Ok(None);
        };
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map(Some)
            .ok_or_else(|| self.bad(name, "an array of strings is expected"))
    }

    /// What is there, or a refusal that says it is missing.
    pub(super) fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Refusal> {
        value.ok_or_else(|| self.bad(name, "required"))
    }

    /// The value as it was sent.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A refusal that names the field.
    pub(super) fn bad(&self, name: &str, why: &str) -> Refusal {
        Refusal::new(
            400,
            self.code,
            format!("invalid parameter: {}: {why}", self.path(name)),
        )
    }

    fn path(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }
}
