//! Shapes: what users write, declared once.
//!
//! [`shape!`] makes of one declaration the struct, its JSON Schema, and a reader that goes on after
//! a mistake, so that every mistake of a file is reported at once and at its place. It knows no kind
//! of resource; the declarations are in [`super::written`].

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde_json::json;

use super::diagnostic::{Diagnostic, Span};
use super::interpolate::{self, Interpolator, Scope};
use super::yaml::{NodeId, Tree, Yaml};
use super::{Address, Kind, Name};

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

/// What the value that is being read is called: its key, or each element of a list under it. It is made
/// for every value and said of few, so it borrows.
#[derive(Clone, Copy, Default)]
struct Label<'a> {
    key: &'a str,
    /// How many lists the value stands in.
    lists: usize,
}

impl Label<'_> {
    /// The label of the elements of a list with this label.
    fn element(self) -> Self {
        Self {
            lists: self.lists + 1,
            ..self
        }
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..self.lists {
            f.write_str("each of ")?;
        }
        f.write_str(self.key)
    }
}

/// Reads nodes of one file and gathers what is wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a Tree<'a>,
    pub(crate) interpolator: &'a Interpolator<'a>,
    /// Whether secrets are resolved.
    pub(crate) secrets: bool,
    /// Whether this is read for the sandbox, which needs nothing that providers say.
    pub(crate) sandbox: bool,
    /// Whether an unset variable is no mistake where the reader stands.
    pub(crate) lenient: bool,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) address: Option<Address>,
    /// The key whose value is being read, for words.
    label: Label<'a>,
    /// Where that key stands.
    place: Option<Span>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, interpolator: &'a Interpolator<'a>) -> Self {
        Self {
            tree,
            interpolator,
            secrets: true,
            sandbox: false,
            lenient: false,
            diagnostics: Vec::new(),
            address: None,
            label: Label::default(),
            place: None,
        }
    }

    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.address.is_none() {
            diagnostic.address.clone_from(&self.address);
        }
        self.diagnostics.push(diagnostic);
    }

    /// The key whose value is being read, in backquotes.
    fn what(&self) -> String {
        if self.label.key.is_empty() {
            "the file".to_owned()
        } else {
            format!("`{}`", self.label)
        }
    }

    pub(crate) fn wrong(&mut self, at: NodeId, wanted: &str, help: Option<&str>) {
        let found = describe(self.tree.get(at));
        let mut diagnostic = Diagnostic::error(
            "wrong-type",
            self.tree.span(at),
            format!("{} must be {wanted}, not {found}", self.what()),
        );
        diagnostic.help = help.map(str::to_owned);
        if let Some(anchor) = self.tree.anchor_span(at) {
            diagnostic = diagnostic.related(anchor, "the alias stands for this");
        }
        self.push(diagnostic);
    }

    /// The text of a scalar, everything put in; the flag says whether quotes or `${…}` make it text.
    pub(crate) fn scalar(&mut self, at: NodeId, wanted: &str) -> Option<(Cow<'a, str>, bool)> {
        let node = self.tree.get(at);
        let Yaml::Scalar { text, plain } = node else {
            self.wrong(at, wanted, None);
            return None;
        };
        if node.is_null() {
            let help =
                "Write a value, or remove the key; a text that reads like nothing needs quotes.";
            self.wrong(at, wanted, Some(help));
            return None;
        }
        if !interpolate::is_needed(text) {
            return Some((Cow::Borrowed(text), !plain));
        }
        let mut problems = Vec::new();
        let value = self
            .interpolator
            .expand(text, Scope::Project, &mut problems);
        if self.lenient && problems.iter().all(|p| p.code == "unset-variable") {
            return Some((Cow::Owned(value.unwrap_or_default()), false));
        }
        self.report(at, problems);
        value.map(|text| (Cow::Owned(text), false))
    }

    pub(crate) fn report(&mut self, at: NodeId, problems: Vec<interpolate::Problem>) {
        for problem in problems {
            let span = self.tree.part(at, problem.part);
            self.push(Diagnostic::error(problem.code, span, problem.summary).help(problem.help));
        }
    }

    /// The pairs of a mapping.
    pub(crate) fn map(&mut self, at: NodeId) -> Option<&'a [NodeId]> {
        match self.tree.get(at) {
            Yaml::Map(pairs) => Some(pairs),
            _ => {
                let help = "Write its keys below it, indented by two spaces.";
                self.wrong(at, "a mapping", Some(help));
                None
            }
        }
    }

    /// The elements of a list.
    pub(crate) fn list(&mut self, at: NodeId) -> Option<&'a [NodeId]> {
        match self.tree.get(at) {
            Yaml::List(items) => Some(items),
            _ => {
                self.wrong(
                    at,
                    "a list",
                    Some("Write it as `[a, b]`, or as lines that begin with `- `."),
                );
                None
            }
        }
    }

    /// Reads the value of a key.
    pub(crate) fn field<T: Shape>(&mut self, key: NodeId, at: NodeId) -> Given<T> {
        let label = Label {
            key: self.tree.key(key),
            lists: 0,
        };
        self.labelled(label, self.tree.span(key), |reader| T::read(reader, at))
            .map_or(Given::Bad, Given::Is)
    }

    /// Reads the value of a key with a function, for shapes that are tables.
    pub(crate) fn under<T>(
        &mut self,
        key: NodeId,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let label = Label {
            key: self.tree.key(key),
            lists: 0,
        };
        self.labelled(label, self.tree.span(key), read)
    }

    /// Where the key stands whose value is being read, or else the value.
    pub(crate) fn key_place(&self, at: NodeId) -> Span {
        self.place.unwrap_or(self.tree.span(at))
    }

    fn labelled<T>(
        &mut self,
        label: Label<'a>,
        place: Span,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let label = std::mem::replace(&mut self.label, label);
        let place = self.place.replace(place);
        let value = read(self);
        self.label = label;
        self.place = place;
        value
    }

    pub(crate) fn unknown_key(&mut self, key: NodeId, known: &[&str]) {
        let text = self.tree.key(key);
        let place = if self.label.key.is_empty() {
            "here".to_owned()
        } else {
            format!("in {}", self.what())
        };
        let hint = did_you_mean(text, known.iter().copied());
        self.push(
            Diagnostic::error(
                "unknown-key",
                self.tree.span(key),
                format!("there is no key `{}` {place}", shorten(text)),
            )
            .help(format!(
                "{hint}The keys are {}.",
                words(known.iter().copied())
            )),
        );
    }

    pub(crate) fn missing_key(&mut self, at: NodeId, key: &str) {
        let whole = self.tree.span(at);
        let span = self.place.unwrap_or(Span {
            end: whole.start,
            ..whole
        });
        self.push(
            Diagnostic::error(
                "missing-key",
                span,
                format!("the key `{key}` is missing in {}", self.what()),
            )
            .help(format!("Add `{key}:` with its value.")),
        );
    }
}

/// "Did you mean `x`? " with a space after it, or nothing.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    closest(word, known).map_or(String::new(), |best| format!("Did you mean `{best}`? "))
}

/// The known word that is most like this one, when it is like enough.
pub(crate) fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Longer texts are no slips of the finger, and comparing them costs their product.
    if word.len() > 256 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .filter(|k| k.len() <= 256 && k.len().abs_diff(word.len()) <= 12)
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, k)| k)
}

/// Words in backquotes, with commas and an "and".
pub(crate) fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let mut quoted: Vec<String> = words.into_iter().map(|w| format!("`{w}`")).collect();
    match quoted.pop() {
        None => "none".to_owned(),
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} and {last}", quoted.join(", ")),
    }
}

/// A text short enough to stand in a sentence.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
    }
}

fn describe(node: Yaml<'_>) -> String {
    match node {
        Yaml::List(_) => "a list".to_owned(),
        Yaml::Map(_) => "a mapping".to_owned(),
        _ if node.is_null() => "nothing".to_owned(),
        Yaml::Scalar { text, plain: true } => format!("`{}`", shorten(text)),
        Yaml::Scalar { text, plain: false } => format!("the text {:?}", shorten(text)),
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

/// Text as typed: an unquoted `0123`, `1.20` or `no` stays what it looks like.
#[derive(Clone, Debug)]
pub(crate) struct Text(pub(crate) String);

inline_schema!(Text, "Text", json_schema!({ "type": ["string", "number"] }));

impl Shape for Text {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let (text, _) = reader.scalar(at, "text")?;
        Some(Text(text.into_owned()))
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(pub(crate) bool);

inline_schema!(Flag, "Flag", or_interpolated(json!({ "type": "boolean" })));

impl Shape for Flag {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "true or false";
        let (text, quoted) = reader.scalar(at, wanted)?;
        match &*text {
            "true" | "True" | "TRUE" if !quoted => return Some(Flag(true)),
            "false" | "False" | "FALSE" if !quoted => return Some(Flag(false)),
            _ => {}
        }
        let help = if quoted {
            "Write it without quotes."
        } else {
            "YAML 1.2 knows only `true` and `false`."
        };
        reader.wrong(at, wanted, Some(help));
        None
    }
}

/// A whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) u64);

inline_schema!(
    Whole,
    "Whole",
    or_interpolated(json!({ "type": "integer", "minimum": 0 }))
);

impl Shape for Whole {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "a whole number";
        let (text, quoted) = reader.scalar(at, wanted)?;
        match text.parse::<u64>() {
            Ok(number) if !quoted && !text.starts_with('+') => Some(Whole(number)),
            _ => {
                reader.wrong(at, wanted, None);
                None
            }
        }
    }
}

/// A share such as `30%`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) f64);

inline_schema!(
    Percent,
    "Percent",
    json_schema!({ "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]+)?%$|\\$\\{" })
);

impl Shape for Percent {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "a share such as `30%`";
        let (text, _) = reader.scalar(at, wanted)?;
        let digits = text
            .strip_suffix('%')
            .filter(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit() || c == '.'));
        match digits.and_then(|t| t.parse::<f64>().ok()) {
            Some(share) if (0.0..=100.0).contains(&share) => Some(Percent(share)),
            _ => {
                let help = "Write a number from 0 to 100 and a percent sign.";
                reader.wrong(at, wanted, Some(help));
                None
            }
        }
    }
}

/// A secret. Its text is in no message; absent when secrets are left alone.
#[derive(Clone, Debug)]
pub(crate) struct Secret(pub(crate) Option<SecretString>);

inline_schema!(
    Secret,
    "Secret",
    json_schema!({ "type": ["string", "number"] })
);

impl Shape for Secret {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let node = reader.tree.get(at);
        let text = match node {
            Yaml::Scalar { text, .. } if !node.is_null() => text,
            _ => {
                reader.wrong(at, "a secret such as `${env:NAME}`", None);
                return None;
            }
        };
        let span = reader.tree.span(at);
        if !interpolate::is_needed(text) {
            reader.push(
                Diagnostic::warning("written-secret", reader.tree.anchor_span(at).unwrap_or(span), "a secret is written into the file")
                    .help("Put it into the environment and write `${env:NAME}`, or into a file and write `${file:PATH}`."),
            );
        }
        let mut problems = Vec::new();
        if !reader.secrets {
            let good = interpolate::check_form(text, &mut problems);
            reader.report(at, problems);
            return good.then_some(Secret(None));
        }
        let value = reader
            .interpolator
            .expand(text, Scope::Secret, &mut problems);
        reader.report(at, problems);
        let value = value?;
        if value.is_empty() {
            reader.push(
                Diagnostic::error("empty-secret", span, format!("{} is empty", reader.what()))
                    .help("Check the variable or the file that it comes from."),
            );
            return None;
        }
        Some(Secret(Some(SecretString::from(value))))
    }
}

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
