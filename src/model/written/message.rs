//! The block `message`: neutral words, or a block in a vendor's own shape.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::model::Diagnostic;
use crate::model::message::own::{self, DINGTALK, ENOS, FEISHU, Kinds, LOCALE, Want};
use crate::model::message::{self, ImageSource, Locale, Own, Part, PartValue, Template, image};
use crate::model::shape::{
    Keyed, Reader, Shape, Spanned, Text, did_you_mean, inline_schema, shape, shorten, words,
};
use crate::model::yaml::{NodeId, Yaml};

shape! {
    /// What is said: one of `text`, `markdown`, `image`, `share_chat` and `card`, or a block in a vendor's
    /// own shape, which people of that vendor get instead. Texts are templates: `{{ scheduled |
    /// date('%m-%d') }}`, `{{ vars.NAME }}`, `{{ notice.name }}`.
    pub(crate) struct Message {
        /// The title of `text` or `markdown`.
        title: Keyed<Words>,
        /// Plain text.
        text: Keyed<Words>,
        /// Markdown: a card at Feishu, markdown at DingTalk, plain text at EnOS.
        markdown: Keyed<Words>,
        /// An image: `img_…` is a key of Feishu; `{ file: PATH }` is uploaded to Feishu once;
        /// `{ media_id: ID }` is one of DingTalk, where beadle uploads nothing.
        image: Keyed<Image>,
        /// A chat that people may join from the message: a name under `chats`, or an `oc_…` id. Feishu alone.
        share_chat: Keyed<Spanned<Text>>,
        /// A card of Feishu, as its page describes the structure.
        card: Keyed<Card>,
        /// Where `text` or `markdown` leads to.
        link: Keyed<Link>,
        /// What is said at Feishu instead: `msg_type` with `content`, or with `card`.
        feishu: FeishuMessage,
        /// What is said at DingTalk instead: `msgtype` with the key of that name.
        dingtalk: DingTalkMessage,
        /// What is said at EnOS instead: `header`, `body` and the other fields of a notice that say
        /// something.
        enos: EnosMessage,
    }
}

shape! {
    /// Where a message leads to.
    pub(crate) struct Link {
        /// The address.
        [required]
        url: Line,
        /// The words that are clicked; at most 20 characters for DingTalk.
        [required]
        label: Words,
        /// A media id of DingTalk: the picture beside the link of a `text`. Others show none.
        picture: Line,
    }
}

/// A text without languages.
#[derive(Debug)]
pub(crate) struct Line(pub(crate) Template);

inline_schema!(Line, "Line", json_schema!({ "type": ["string", "number"] }));

impl Shape for Line {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        template(reader, at, "text").map(Line)
    }
}

fn template(reader: &mut Reader<'_>, at: NodeId, wanted: &str) -> Option<Template> {
    let (text, _) = reader.scalar(at, wanted)?;
    let (raw, span) = reader.tree.raw(at);
    Some(Template::new(&text, span, raw))
}

/// A text, or one for each locale.
#[derive(Debug)]
pub(crate) struct Words(pub(crate) message::Text);

inline_schema!(
    Words,
    "Words",
    json_schema!({
        "anyOf": [
            { "type": ["string", "number"] },
            {
                "type": "object",
                "description": "By locale, such as `zh_CN`; `default` is for everybody else.",
                "required": ["default"],
                "properties": { "default": { "type": ["string", "number"] } },
                "patternProperties": { LOCALE: { "type": ["string", "number"] } },
                "additionalProperties": false,
            },
        ]
    })
);

impl Shape for Words {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let wanted = "text, or a mapping from locales to texts";
        let Yaml::Map(pairs) = reader.tree.get(at) else {
            let default = template(reader, at, wanted)?;
            let locales = BTreeMap::new();
            return Some(Words(message::Text { default, locales }));
        };
        let mut default = None;
        let mut has_default = false;
        let mut locales: BTreeMap<Locale, (Template, NodeId)> = BTreeMap::new();
        for pair in pairs.chunks_exact(2) {
            let key = reader.tree.key(pair[0]);
            let read = |reader: &mut Reader<'_>| template(reader, pair[1], "text");
            if key == "default" {
                has_default = true;
                default = reader.under(pair[0], read);
                continue;
            }
            let Some(locale) = locale(reader, pair[0]) else {
                continue;
            };
            if let Some((_, first)) = locales.get(&locale) {
                let (first, span) = (reader.tree.span(*first), reader.tree.span(pair[0]));
                let summary = format!("the locale `{locale}` is given twice");
                reader.push(
                    Diagnostic::error("duplicate-key", span, summary)
                        .help("Keep one of the two.")
                        .related(first, "first given here"),
                );
                continue;
            }
            if let Some(template) = reader.under(pair[0], read) {
                locales.insert(locale, (template, pair[0]));
            }
        }
        if !has_default {
            let span = reader.key_place(at);
            reader.push(
                Diagnostic::error("missing-default", span, "no text is the `default` of these")
                    .help("Add `default:`: it is for those who read in another locale, and for vendors whose messages have no languages."),
            );
        }
        let locales = locales
            .into_iter()
            .map(|(locale, (text, _))| (locale, text));
        let locales = locales.collect();
        Some(Words(message::Text {
            default: default?,
            locales,
        }))
    }
}

fn locale(reader: &mut Reader<'_>, key: NodeId) -> Option<Locale> {
    let text = reader.tree.key(key);
    let found = Locale::parse(text);
    if found.is_none() {
        let summary = format!("`{}` is no locale", shorten(text));
        reader.push(
            Diagnostic::error("bad-locale", reader.tree.span(key), summary)
                .help("Write a language and a region, such as `zh_CN` or `en_US`, or `default`."),
        );
    }
    found
}

/// `image`.
#[derive(Debug)]
pub(crate) struct Image(pub(crate) ImageSource);

shape! {
    /// An image that is no key of Feishu.
    pub(crate) struct ImageKeys {
        /// A file of the project, relative to its folder. It is uploaded to Feishu once.
        file: Spanned<Text>,
        /// A media id of DingTalk.
        media_id: Line,
    }
}

impl JsonSchema for Image {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut keys = ImageKeys::json_schema(generator).to_value();
        keys["minProperties"] = 1.into();
        keys["maxProperties"] = 1.into();
        json_schema!({
            "anyOf": [{ "type": "string", "pattern": "^img_|[{$]\\{" }, keys]
        })
    }
}

impl Shape for Image {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let span = reader.tree.span(at);
        if !matches!(reader.tree.get(at), Yaml::Map(_)) {
            let key = template(reader, at, "an image")?;
            if !key.source().starts_with("img_") && !key.source().contains("{{") {
                let summary = format!("{:?} is no key of an image", shorten(key.source()));
                reader.push(Diagnostic::error("bad-image", span, summary).help(
                    "A key begins with `img_`; a file is written as `image: { file: PATH }`.",
                ));
                return None;
            }
            return Some(Image(ImageSource::Key(key)));
        }
        let keys = ImageKeys::read(reader, at)?;
        if keys.file.is_bad() || keys.media_id.is_bad() {
            return None;
        }
        match (keys.file.into_option(), keys.media_id.into_option()) {
            (Some(file), None) => {
                let (path, digest) = image::file_from_text(&file.value.0);
                let (path, digest) = (path.to_owned(), digest.to_owned());
                if !is_inside(&path) {
                    let summary = format!("{:?} is no file inside the project", shorten(&path));
                    reader.push(
                        Diagnostic::error("bad-image", file.span, summary)
                            .help("Write a path relative to the project folder, without `..`."),
                    );
                    return None;
                }
                let span = file.span;
                Some(Image(ImageSource::File { path, digest, span }))
            }
            (None, Some(media)) => Some(Image(ImageSource::Media(media.0))),
            _ => {
                reader.push(
                    Diagnostic::error("bad-image", span, "an image has one source")
                        .help("Write `file:`, or `media_id:`."),
                );
                None
            }
        }
    }
}

fn is_inside(path: &str) -> bool {
    let path = std::path::Path::new(path);
    let inside = |part| {
        use std::path::Component::{CurDir, Normal};
        matches!(part, Normal(_) | CurDir)
    };
    path.file_name().is_some() && path.components().all(inside)
}

/// `card`.
#[derive(Debug)]
pub(crate) struct Card(pub(crate) Part);

inline_schema!(Card, "Card", json_schema!({ "type": "object" }));

impl Shape for Card {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        part(reader, at, Want::AnyMap).map(Card)
    }
}

/// `feishu`.
#[derive(Debug)]
pub(crate) struct FeishuMessage(pub(crate) Own);

impl Shape for FeishuMessage {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        own_message(reader, at, "msg_type", FEISHU, own::feishu_holder).map(FeishuMessage)
    }
}

inline_schema!(FeishuMessage, "FeishuMessage", {
    let kinds = FEISHU.iter();
    let kinds =
        kinds.map(|(kind, want)| one_kind("msg_type", kind, own::feishu_holder(kind), *want));
    any_of(kinds.collect())
});

/// `dingtalk`.
#[derive(Debug)]
pub(crate) struct DingTalkMessage(pub(crate) Own);

impl Shape for DingTalkMessage {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let own = own_message(reader, at, "msgtype", DINGTALK, |kind| kind)?;
        if own.kind == "action_card" {
            let has = |key| own.content.get(key).is_some();
            let single = [has("single_title"), has("single_url")];
            let several = [has("btn_orientation"), has("btn_json_list")];
            let whole = (single == [true; 2] && several == [false; 2])
                || (single == [false; 2] && several == [true; 2]);
            if !whole {
                reader.push(
                    Diagnostic::error("bad-buttons", own.span, "a card has one button or a list of buttons")
                        .help("Give `single_title` and `single_url`, or `btn_orientation` and `btn_json_list`."),
                );
                return None;
            }
        }
        Some(DingTalkMessage(own))
    }
}

inline_schema!(DingTalkMessage, "DingTalkMessage", {
    let kinds = DINGTALK.iter();
    any_of(
        kinds
            .map(|(kind, want)| one_kind("msgtype", kind, kind, *want))
            .collect(),
    )
});

/// `enos`.
#[derive(Debug)]
pub(crate) struct EnosMessage(pub(crate) Own);

impl Shape for EnosMessage {
    fn read(reader: &mut Reader<'_>, at: NodeId) -> Option<Self> {
        let span = reader.key_place(at);
        let content = part(reader, at, ENOS)?;
        if content.get("header").or(content.get("body")).is_none() {
            reader.push(
                Diagnostic::error("empty-message", span, "this notice says nothing")
                    .help("Add `header:` or `body:`, each with `defaultValue`."),
            );
            return None;
        }
        let pages = ["linkedMenuCode", "linkedStates"];
        if pages.iter().any(|key| content.get(key).is_some())
            && content.get("linkedAppId").is_none()
        {
            reader.push(
                Diagnostic::error(
                    "missing-key",
                    span,
                    "a page inside the portal needs `linkedAppId`",
                )
                .help("Add `linkedAppId:`."),
            );
            return None;
        }
        let kind = "notice";
        Some(EnosMessage(Own {
            kind,
            content,
            span,
        }))
    }
}

inline_schema!(EnosMessage, "EnosMessage", {
    let mut schema = own::schema(ENOS);
    schema["anyOf"] = json!([{ "required": ["header"] }, { "required": ["body"] }]);
    schema.try_into().expect("an object is a schema")
});

fn one_kind(word: &str, kind: &str, holder: &str, want: Want) -> Value {
    json!({
        "type": "object",
        "properties": { word: { "const": kind }, holder: own::schema(want) },
        "required": [word, holder],
        "additionalProperties": false,
    })
}

fn any_of(schemas: Vec<Value>) -> Schema {
    json_schema!({ "anyOf": schemas })
}

/// Reads a block whose key `word` says which kind it is, and whose content stands under a key that
/// the kind names.
fn own_message(
    reader: &mut Reader<'_>,
    at: NodeId,
    word: &str,
    kinds: Kinds,
    holder: impl Fn(&'static str) -> &'static str,
) -> Option<Own> {
    let span = reader.key_place(at);
    let pairs = reader.map(at)?;
    let value = |reader: &Reader<'_>, key: &str| {
        let mut pairs = pairs.chunks_exact(2);
        let found = pairs.find(|pair| reader.tree.key(pair[0]) == key);
        found.map(|pair| (pair[0], pair[1]))
    };
    let Some((key, kind_at)) = value(reader, word) else {
        reader.missing_key(at, word);
        return None;
    };
    let wanted = words(kinds.iter().map(|(kind, _)| *kind));
    let text = reader.under(key, |reader| {
        let (text, _) = reader.scalar(kind_at, &wanted)?;
        Some(text.into_owned())
    })?;
    let Some((kind, want)) = own::of_kind(kinds, &text) else {
        let hint = did_you_mean(&text, kinds.iter().map(|(kind, _)| *kind));
        let summary = format!("there is no kind of message `{}` here", shorten(&text));
        let help = format!("{hint}The kinds are {wanted}.");
        reader
            .push(Diagnostic::error("unknown-kind", reader.tree.span(kind_at), summary).help(help));
        return None;
    };
    let holder = holder(kind);
    for pair in pairs.chunks_exact(2) {
        if ![word, holder].contains(&reader.tree.key(pair[0])) {
            reader.unknown_key(pair[0], &[word, holder]);
        }
    }
    let Some((key, content_at)) = value(reader, holder) else {
        reader.missing_key(at, holder);
        return None;
    };
    let content = reader.under(key, |reader| part(reader, content_at, want))?;
    Some(Own {
        kind,
        content,
        span,
    })
}

/// Reads a value as a table says.
fn part(reader: &mut Reader<'_>, at: NodeId, want: Want) -> Option<Part> {
    let span = reader.tree.span(at);
    let node = reader.tree.get(at);
    let value = match (want, node) {
        (Want::Any, _) if node.is_null() => PartValue::Plain(Value::Null),
        (Want::Any | Want::Flag, Yaml::Scalar { text, plain: true }) if plain(text).is_some() => {
            PartValue::Plain(plain(text)?)
        }
        (Want::Flag, _) => {
            reader.wrong(
                at,
                "true or false",
                Some("Write one of these words without quotes."),
            );
            return None;
        }
        (Want::List(inner), _) => {
            let parts = list(reader, at, *inner)?;
            if parts.is_empty() {
                reader.wrong(
                    at,
                    "a list with something in it",
                    Some("Write an element, or remove the key."),
                );
                return None;
            }
            PartValue::List(parts)
        }
        (Want::Any, Yaml::List(_)) => PartValue::List(list(reader, at, Want::Any)?),
        (Want::Keys(_) | Want::Locales(..) | Want::AnyMap, _) | (Want::Any, Yaml::Map(_)) => {
            PartValue::Map(pairs(reader, at, want)?)
        }
        (Want::Word(known), _) => {
            let wanted = format!("one of {}", words(known.iter().copied()));
            let word = template(reader, at, &wanted)?;
            if !known.contains(&word.source()) {
                reader.wrong(at, &wanted, Some("Write one of these words."));
                return None;
            }
            PartValue::Text(word)
        }
        _ => PartValue::Text(template(reader, at, "text")?),
    };
    if let (PartValue::Plain(value), Want::Flag) = (&value, want)
        && !value.is_boolean()
    {
        reader.wrong(
            at,
            "true or false",
            Some("Write one of these words without quotes."),
        );
        return None;
    }
    Some(Part { span, value })
}

/// What is no text though it has no quotes.
fn plain(text: &str) -> Option<Value> {
    match text {
        "true" => Some(true.into()),
        "false" => Some(false.into()),
        _ => {
            let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
            let number = serde_json::from_str::<serde_json::Number>(text);
            number.ok().filter(|_| is_number).map(Value::Number)
        }
    }
}

fn list(reader: &mut Reader<'_>, at: NodeId, want: Want) -> Option<Vec<Part>> {
    let items = reader.list(at)?;
    let parts: Vec<_> = items.iter().map(|item| part(reader, *item, want)).collect();
    parts.into_iter().collect()
}

fn pairs(reader: &mut Reader<'_>, at: NodeId, want: Want) -> Option<Vec<(String, Part)>> {
    let mut found = Vec::new();
    let mut good = true;
    for pair in reader.map(at)?.chunks_exact(2) {
        let key = reader.tree.key(pair[0]);
        let inner = match want {
            Want::Keys(keys) => {
                let Some(known) = keys.iter().find(|known| known.name == key) else {
                    let known: Vec<&str> = keys.iter().map(|known| known.name).collect();
                    reader.unknown_key(pair[0], &known);
                    good = false;
                    continue;
                };
                known.want
            }
            Want::Locales(_, inner) => {
                if locale(reader, pair[0]).is_none() {
                    good = false;
                    continue;
                }
                *inner
            }
            _ => Want::Any,
        };
        match reader.under(pair[0], |reader| part(reader, pair[1], inner)) {
            Some(part) => found.push((key.to_owned(), part)),
            None => good = false,
        }
    }
    if let Want::Keys(keys) = want {
        for key in keys.iter().filter(|key| key.required) {
            let pairs = reader.map(at)?;
            let mut written = pairs.chunks_exact(2).map(|pair| reader.tree.key(pair[0]));
            if !written.any(|written| written == key.name) {
                reader.missing_key(at, key.name);
                good = false;
            }
        }
    }
    if let (Want::Locales(..), true) = (want, found.is_empty() && good) {
        reader.wrong(
            at,
            "a mapping from locales with something in it",
            Some("Write `zh_cn:` with what is said in that language."),
        );
        return None;
    }
    good.then_some(found)
}
