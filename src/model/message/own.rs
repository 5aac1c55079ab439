//! Messages in a vendor's own shape: what may stand in them, as tables, and how they are rendered.
//!
//! Reading and rendering look at the same tables: keys and types are checked when a block is read,
//! lengths when its templates have become texts.

use serde_json::{Map, Value, json};

use super::Locale;
use super::error::RenderError;
use super::template::{Context, Template};
use crate::model::Span;

/// A value in a vendor's block.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: PartValue,
}

/// What a [`Part`] is.
#[derive(Clone, Debug)]
pub enum PartValue {
    /// A text; its templates are rendered.
    Text(Template),
    /// A number, yes, no, or nothing.
    Plain(Value),
    /// A list.
    List(Vec<Part>),
    /// A mapping, in the order of its keys in the file.
    Map(Vec<(String, Part)>),
}

impl Part {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Part> {
        match &self.value {
            PartValue::Map(pairs) => pairs.iter().find(|(k, _)| k == key).map(|(_, part)| part),
            _ => None,
        }
    }
}

/// What may stand somewhere in a vendor's message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// A text of at most so many characters that is not empty.
    Text(usize),
    /// A text that may be empty.
    Blank,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number of seconds, as text.
    Seconds,
    /// A list with something in it.
    List(&'static Want),
    /// A mapping with these keys.
    Keys(&'static [Key]),
    /// Eight hexadecimal digits.
    Colour,
    /// Digits.
    Digits,
    /// A mapping from locales, with something in it.
    Locales(Spelling, &'static Want),
    /// Anything, such as a card.
    Any,
    /// Any mapping.
    AnyMap,
}

/// How a vendor writes a locale.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spelling {
    /// `zh_cn`.
    Lower,
    /// `zh_CN`.
    Mixed,
}

impl Spelling {
    fn of(self, key: &str) -> String {
        match (Locale::parse(key), self) {
            (Some(locale), Spelling::Lower) => locale.lower(),
            (Some(locale), Spelling::Mixed) => locale.as_str().to_owned(),
            (None, _) => key.to_owned(),
        }
    }
}

/// A key of a vendor's message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) want: Want,
}

const fn must(name: &'static str, want: Want) -> Key {
    Key {
        name,
        required: true,
        want,
    }
}

const fn may(name: &'static str, want: Want) -> Key {
    Key {
        name,
        required: false,
        want,
    }
}

/// No limit but that of the whole message.
const ANY_LENGTH: Want = Want::Text(usize::MAX);

/// The kinds of a vendor's messages, each with what it holds.
pub(crate) type Kinds = &'static [(&'static str, Want)];

/// Page `im-v1/message/create_json`.
const POST_TAGS: &[&str] = &[
    "text",
    "a",
    "at",
    "img",
    "media",
    "emotion",
    "hr",
    "code_block",
    "md",
];
const POST_NODE: Want = Want::Keys(&[
    must("tag", Want::Word(POST_TAGS)),
    may("text", Want::Blank),
    may("href", ANY_LENGTH),
    may("user_id", ANY_LENGTH),
    may("image_key", ANY_LENGTH),
    may("file_key", ANY_LENGTH),
    may("emoji_type", ANY_LENGTH),
    may("language", ANY_LENGTH),
    may("un_escape", Want::Flag),
    may(
        "style",
        Want::List(&Want::Word(&["bold", "underline", "lineThrough", "italic"])),
    ),
]);
const PARAGRAPHS: Want = Want::List(&Want::List(&POST_NODE));
const POST: Want = Want::Keys(&[may("title", Want::Blank), must("content", PARAGRAPHS)]);

/// By `msg_type`; the content is that of a message to one chat (page `im-v1/message/create`).
pub(crate) const FEISHU: Kinds = &[
    ("text", Want::Keys(&[must("text", ANY_LENGTH)])),
    ("post", Want::Locales(Spelling::Lower, &POST)),
    ("image", Want::Keys(&[must("image_key", ANY_LENGTH)])),
    ("share_chat", Want::Keys(&[must("chat_id", ANY_LENGTH)])),
    ("interactive", Want::AnyMap),
];

const MEDIA: Want = Want::Keys(&[must("media_id", ANY_LENGTH)]);
/// Page `message-types-and-data-format`; button addresses have 500 characters in the vendor's SDK.
const BUTTON: Want = Want::Keys(&[
    must("title", Want::Text(20)),
    must("action_url", Want::Text(500)),
]);
const OA_ROW: Want = Want::Keys(&[may("key", Want::Blank), may("value", Want::Blank)]);
const OA_BODY: Want = Want::Keys(&[
    may("title", Want::Blank),
    may("form", Want::List(&OA_ROW)),
    may(
        "rich",
        Want::Keys(&[may("num", Want::Blank), may("unit", Want::Blank)]),
    ),
    may("content", Want::Blank),
    may("image", ANY_LENGTH),
    may("file_count", Want::Digits),
    may("author", Want::Blank),
]);

/// By `msgtype` (page `message-types-and-data-format`). A status bar, which takes five named people at
/// most and is changed later, is none of these.
pub(crate) const DINGTALK: Kinds = &[
    ("text", Want::Keys(&[must("content", Want::Text(5000))])),
    ("image", MEDIA),
    (
        "voice",
        Want::Keys(&[
            must("media_id", ANY_LENGTH),
            must("duration", Want::Seconds),
        ]),
    ),
    ("file", MEDIA),
    (
        "link",
        Want::Keys(&[
            must("messageUrl", ANY_LENGTH),
            must("picUrl", ANY_LENGTH),
            must("title", ANY_LENGTH),
            must("text", ANY_LENGTH),
        ]),
    ),
    (
        "oa",
        Want::Keys(&[
            must("message_url", ANY_LENGTH),
            may("pc_message_url", Want::Blank),
            must(
                "head",
                Want::Keys(&[must("bgcolor", Want::Colour), must("text", Want::Text(10))]),
            ),
            must("body", OA_BODY),
        ]),
    ),
    (
        "markdown",
        Want::Keys(&[
            must("title", Want::Text(64)),
            must("text", Want::Text(5000)),
        ]),
    ),
    (
        "action_card",
        Want::Keys(&[
            may("title", Want::Text(64)),
            must("markdown", Want::Text(5000)),
            may("single_title", Want::Text(20)),
            may("single_url", Want::Text(500)),
            may("btn_orientation", Want::Word(&["0", "1"])),
            may("btn_json_list", Want::List(&BUTTON)),
        ]),
    ),
];

const I18N: Want = Want::Keys(&[
    must("defaultValue", ANY_LENGTH),
    may("i18nValue", Want::Locales(Spelling::Mixed, &Want::Blank)),
]);

/// Page `notice_message_produce`: what a notice says; whom it is for and who sends it is not its own.
pub(crate) const ENOS: Want = Want::Keys(&[
    may("header", I18N),
    may("body", I18N),
    may("url", ANY_LENGTH),
    may("linkedAppId", ANY_LENGTH),
    may("linkedMenuCode", ANY_LENGTH),
    may("linkedStates", ANY_LENGTH),
    may("tags", Want::List(&I18N)),
    may("features", Want::List(&I18N)),
]);

/// What a kind of message holds.
pub(crate) fn of_kind(kinds: Kinds, kind: &str) -> Option<(&'static str, Want)> {
    kinds.iter().find(|(name, _)| *name == kind).copied()
}

/// Renders a part, and holds its texts against what the vendor takes.
pub(crate) fn render(
    part: &Part,
    name: &str,
    want: Want,
    page: &'static str,
    context: Context<'_>,
) -> Result<Value, RenderError> {
    match &part.value {
        PartValue::Plain(value) => Ok(value.clone()),
        PartValue::Text(template) => {
            let text = template.render(context, None)?;
            fits(&text, name, want, part.span, page)?;
            Ok(text.into())
        }
        PartValue::List(parts) => {
            let inner = match want {
                Want::List(inner) => *inner,
                _ => Want::Any,
            };
            let each = parts
                .iter()
                .map(|part| render(part, name, inner, page, context));
            each.collect()
        }
        PartValue::Map(pairs) => {
            let each = pairs.iter().map(|(key, part)| {
                let inner = match want {
                    Want::Keys(keys) => {
                        let known = keys.iter().find(|known| known.name == key);
                        known.map_or(Want::Any, |known| known.want)
                    }
                    Want::Locales(_, inner) => *inner,
                    _ => Want::Any,
                };
                let spelt = match want {
                    Want::Locales(spelling, _) => spelling.of(key),
                    _ => key.clone(),
                };
                Ok((spelt, render(part, key, inner, page, context)?))
            });
            Ok(Value::Object(each.collect::<Result<Map<_, _>, _>>()?))
        }
    }
}

/// Holds a text against what the vendor takes.
pub(crate) fn fits(
    text: &str,
    name: &str,
    want: Want,
    span: Span,
    page: &'static str,
) -> Result<(), RenderError> {
    let what = || name.to_owned();
    let unfit = |summary| RenderError::Unfit {
        span,
        summary,
        page,
    };
    match want {
        Want::Text(_) if text.trim().is_empty() => Err(RenderError::Empty { span, what: what() }),
        Want::Text(limit) => match text.chars().count() {
            count if count > limit => Err(RenderError::TooLong {
                span,
                what: what(),
                count,
                limit,
                page,
            }),
            _ => Ok(()),
        },
        Want::Word(words) if !words.contains(&text) => {
            let words = crate::model::shape::words(words.iter().copied());
            Err(unfit(format!(
                "`{name}` is none of {words}: {:?}",
                crate::model::shape::shorten(text)
            )))
        }
        Want::Seconds if !text.parse::<u8>().is_ok_and(|s| (1..60).contains(&s)) => Err(unfit(
            format!("`{name}` is a number of seconds from 1 to 59"),
        )),
        Want::Colour if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Err(unfit(format!(
                "`{name}` is eight hexadecimal digits, such as `FFBBBBBB`"
            )))
        }
        Want::Digits if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(unfit(format!("`{name}` is a number")))
        }
        _ => Ok(()),
    }
}

/// The JSON Schema of what may stand somewhere.
pub(crate) fn schema(want: Want) -> Value {
    match want {
        Want::Text(_) | Want::Blank | Want::Seconds | Want::Colour | Want::Digits => {
            json!({ "type": ["string", "number"] })
        }
        Want::Word(words) => json!({
            "anyOf": [{ "enum": words }, { "type": ["string", "number"], "pattern": "[{$]|^[0-9]+$" }]
        }),
        Want::Flag => json!({ "type": "boolean" }),
        Want::List(inner) => json!({ "type": "array", "minItems": 1, "items": schema(*inner) }),
        Want::Keys(keys) => {
            let properties: Map<String, Value> = keys
                .iter()
                .map(|key| (key.name.to_owned(), schema(key.want)))
                .collect();
            let required: Vec<&str> = keys.iter().filter(|k| k.required).map(|k| k.name).collect();
            let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
            if !required.is_empty() {
                schema["required"] = required.into();
            }
            schema
        }
        Want::Locales(_, inner) => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": LOCALE },
            "additionalProperties": schema(*inner),
        }),
        Want::Any => json!(true),
        Want::AnyMap => json!({ "type": "object" }),
    }
}

/// What [`super::Locale::parse`] takes.
pub(crate) const LOCALE: &str = "^[A-Za-z]{2,3}[_-][A-Za-z]{2}$";
