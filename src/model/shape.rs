//! Shapes: what users write, declared once.
//!
//! [`shape!`] makes of one declaration the struct, its JSON Schema, and a reader that goes on after
//! a mistake, so that every mistake of a file is reported at once and at its place. It knows no kind
//! of resource; the declarations are in [`super::written`].

mod reader;
mod scalars;
mod words;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::diagnostic::{Diagnostic, Span};
use super::yaml::NodeId;
use super::{Address, Kind, Name};

pub(crate) use reader::Reader;
pub(crate) use scalars::{Flag, Percent, Secret, Text, Whole};
pub(crate) use words::{closest, did_you_mean, shorten, words};

/// What can be read from a node.
pub(crate) trait Shape: JsonSchema + Sized {
    /// Reads a node. `None` when a diagnostic was pushed.
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self>;
}

/// A field of a shape.
#[derive(Debug, Default)]
pub(crate) enum Given<T> {
    /// It was not written.
    #[default]
    Absent,
    /// It was written with a mistake that has been reported. Nothing follows from its absence.
    Bad,
    /// It was written.
    Is(T),
}

impl<T> Given<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        match self {
            Given::Is(value) => Some(value),
            Given::Absent | Given::Bad => None,
        }
    }

    pub(crate) fn into_option(self) -> Option<T> {
        match self {
            Given::Is(value) => Some(value),
            Given::Absent | Given::Bad => None,
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Given::Absent)
    }

    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Given::Bad)
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T: Shape> Shape for Spanned<T> {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let span = reader.tree.span(at);
        T::read(reader, at).map(|value| Spanned { value, span })
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value and the place of its key, for blocks that are as long as they please.
#[derive(Clone, Debug)]
pub(crate) struct Keyed<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T: Shape> Shape for Keyed<T> {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let span = reader.place.unwrap_or(reader.tree.span(at));
        T::read(reader, at).map(|value| Keyed { value, span })
    }
}

impl<T: JsonSchema> JsonSchema for Keyed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// What a value of another type can be written as, so that a variable can stand there.
pub(crate) fn or_interpolated(schema: serde_json::Value) -> Schema {
    json_schema!({
        "anyOf": [schema, { "type": "string", "pattern": "\\$\\{" }]
    })
}

macro_rules! inline_schema {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}
pub(crate) use inline_schema;

impl<T: Shape> Shape for Vec<T> {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let items = reader.list(at)?;
        let label = reader.label.element();
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let span = reader.tree.span(*item);
            values.extend(reader.labelled(label, span, |reader| T::read(reader, *item)));
        }
        // With every element bad there is nothing left to reason about.
        (items.is_empty() || !values.is_empty()).then_some(values)
    }
}

/// What users name, in the order they wrote it.
#[derive(Debug)]
pub(crate) struct Named<T>(pub(crate) Vec<Entry<T>>);

/// One of [`Named`].
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) name: Name,
    /// Where the name stands.
    pub(crate) span: Span,
    /// Absent when a mistake in it was reported.
    pub(crate) value: Option<T>,
}

/// Something that users name.
pub(crate) trait Item: Shape {
    /// The kind of its address, where it has one.
    const KIND: Option<Kind> = None;
}

impl<T: Item> Shape for Named<T> {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let pairs = reader.map(at)?;
        let mut entries = Vec::with_capacity(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            let span = reader.tree.span(pair[0]);
            let text = reader.tree.key(pair[0]);
            let name = match Name::new(text) {
                Ok(name) => name,
                Err(why) => {
                    reader.push(
                        Diagnostic::error("bad-name", span, why.to_string())
                            .help("Names are Unicode letters, digits, `-` and `_`, at most 64."),
                    );
                    continue;
                }
            };
            reader.address = T::KIND.map(|kind| Address::new(kind, name.clone()));
            let value = reader.field(pair[0], pair[1]).into_option();
            reader.address = None;
            entries.push(Entry { name, span, value });
        }
        Some(Named(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[\\p{L}\\p{N}\\u0300-\\u036f_-]{1,64}$" },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}

/// A key that a later version gives a meaning: known, so that the message can say so.
#[derive(Debug)]
pub(crate) struct Later;

inline_schema!(Later, "Later", json_schema!({ "not": {} }));

impl Shape for Later {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let span = reader.place.unwrap_or(reader.tree.span(at));
        let what = reader.what();
        reader.push(
            Diagnostic::error(
                "not-yet",
                span,
                format!("this version of beadle does not manage {what} yet"),
            )
            .help("Remove it, or use a version that does; nothing is left out silently."),
        );
        Some(Later)
    }
}

/// The schema of one property.
pub(crate) fn property(
    mut schema: Schema,
    key: &str,
    doc: &str,
    default: Option<serde_json::Value>,
) -> Schema {
    let mut title = key.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    schema.insert("title".to_owned(), title.into());
    schema.insert("description".to_owned(), prose(doc).into());
    if let Some(default) = default {
        schema.insert("default".to_owned(), default);
    }
    schema
}

/// Doc comment lines as prose: one line a paragraph.
pub(crate) fn prose(doc: &str) -> String {
    doc.split("\n \n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
        .trim()
        .to_owned()
}

/// The key of a field: Rust's own words stand as `r#for` in a struct.
pub(crate) const fn word(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Declares a shape: a struct, its schema, its reader. `[required]` before a field makes its absence
/// a diagnostic; `[default = …]` is shown by editors.
macro_rules! shape {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $([$($mark:tt)+])?
                $field:ident: $type:ty,
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default)]
        $vis struct $name {
            $(
                $(#[doc = $field_doc])+
                $vis $field: $crate::model::shape::Given<$type>,
            )+
        }

        impl $name {
            /// The keys, in the order of their declaration.
            pub(crate) const KEYS: &'static [&'static str] = &[$($crate::model::shape::word(stringify!($field))),+];

            /// Reads a key of this shape; says whether it is one.
            fn take(
                &mut self,
                reader: &mut $crate::model::shape::Reader<'_>,
                key: $crate::model::yaml::NodeId,
                at: $crate::model::yaml::NodeId,
            ) -> bool {
                match reader.tree.key(key) {
                    $(text if text == $crate::model::shape::word(stringify!($field)) => {
                        self.$field = reader.field(key, at);
                    })+
                    _ => return false,
                }
                true
            }
        }

        impl $crate::model::shape::Shape for $name {
            fn read(
                reader: &mut $crate::model::shape::Reader<'_>,
                at: $crate::model::yaml::NodeId,
            ) -> Option<Self> {
                let mut shape = Self::default();
                for pair in reader.map(at)?.chunks_exact(2) {
                    if !shape.take(reader, pair[0], pair[1]) {
                        reader.unknown_key(pair[0], Self::KEYS);
                    }
                }
                $($(
                    $crate::model::shape::shape!(@read [$($mark)+] shape.$field, $crate::model::shape::word(stringify!($field)), reader, at);
                )?)+
                Some(shape)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $({
                    // Empty, or the one mark before the field: its default, and whether it is required.
                    let marks: &[(Option<serde_json::Value>, bool)] =
                        &[$($crate::model::shape::shape!(@mark [$($mark)+]))?];
                    let (default, is_required) = marks.first().cloned().unwrap_or_default();
                    if is_required {
                        required.push(Self::KEYS[properties.len()]);
                    }
                    let schema = generator.subschema_for::<$type>();
                    let doc = concat!($($field_doc, "\n"),+);
                    let schema = $crate::model::shape::property(schema, Self::KEYS[properties.len()], doc, default);
                    properties.insert(Self::KEYS[properties.len()].to_owned(), schema.into());
                })+
                let mut schema = schemars::json_schema!({
                    "description": $crate::model::shape::prose(concat!($($doc, "\n"),+)),
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                });
                if !required.is_empty() {
                    schema.insert("required".to_owned(), required.into());
                }
                schema
            }
        }
    };
    (@read [required] $given:expr, $key:expr, $reader:ident, $at:ident) => {
        if $given.is_absent() {
            $reader.missing_key($at, $key);
            $given = $crate::model::shape::Given::Bad;
        }
    };
    (@read [default = $($default:tt)+] $given:expr, $key:expr, $reader:ident, $at:ident) => {};
    (@mark [required]) => {
        (None, true)
    };
    (@mark [default = $($value:tt)+]) => {
        (Some(serde_json::json!($($value)+)), false)
    };
}
pub(crate) use shape;
