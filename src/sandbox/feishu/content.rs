//! What a message says: the kinds of content, for batches and for single messages.
//!
//! Sources: the pages on batch_send, on im-v1/message/create and on its content. Where they are
//! silent:
//!
//! - A content that lacks something is refused with the service's code for parameters; a batch
//!   answers 11246 to what is well formed and cannot be sent there (`md`, styles, a card of nothing).
//! - A card has a `schema`, `elements`, `i18n_elements`, a `body`, or it is a template with its id.
//! - `img` and `media` share their paragraph with nothing.
//! - The text of a post may be empty; that of a text message may not.

use serde_json::{Map, Value};

use super::check::Fields;
use super::envelope::{Failure, Refusal};
use super::image::Image;
use super::records::Chat;
use crate::sandbox::world::{Found, Moment, View};

/// Text counts in the body of a request, and so do posts and cards: in bytes, KB as 1000 of them.
const TEXT_BYTES: usize = 150_000;
const RICH_BYTES: usize = 30_000;

const TAGS: [&str; 9] = [
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
const STYLES: [&str; 4] = ["bold", "underline", "lineThrough", "italic"];

/// Which service reads the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Batch,
    Message,
}

impl Service {
    /// The code for what is missing or malformed.
    pub(super) fn parameter(self) -> i64 {
        match self {
            Service::Batch => 10003,
            Service::Message => 230001,
        }
    }

    fn unfit(self, why: &str) -> Refusal {
        match self {
            Service::Batch => Refusal::new(400, 11246, format!("content rejected: {why}")),
            Service::Message => Refusal::new(400, 230001, format!("invalid content: {why}")),
        }
    }

    /// A card that the card service does not take; the inner code is in `msg`.
    fn bad_card(self, why: &str) -> Refusal {
        match self {
            Service::Batch => Refusal::new(400, 11246, format!("ErrCode: 200621; ErrMsg: {why}")),
            Service::Message => Refusal::new(
                400,
                230099,
                format!("Failed to create card content, ext=ErrCode: 200621; ErrMsg: {why}"),
            ),
        }
    }
}

/// What people see of a content.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) title: Option<String>,
    pub(super) text: String,
}

/// Whether a request of that size may carry that kind of message.
pub(super) fn fits(kind: &str, bytes: usize) -> bool {
    match kind {
        "text" => bytes <= TEXT_BYTES,
        "post" | "interactive" => bytes <= RICH_BYTES,
        _ => true,
    }
}

pub(super) fn text(fields: &Fields<'_>) -> Result<Seen, Failure> {
    let text = fields.required("text", fields.text("text", 1..=usize::MAX)?)?;
    Ok(Seen {
        title: None,
        text: text.to_owned(),
    })
}

pub(super) fn image(
    fields: &Fields<'_>,
    service: Service,
    app: &str,
    moment: &Moment<'_>,
) -> Result<Seen, Failure> {
    let key = fields.text("image_key", 1..=usize::MAX)?;
    let key = fields.required("image_key", key)?;
    check_image(key, service, app, moment)?;
    Ok(Seen {
        title: None,
        text: key.to_owned(),
    })
}

fn check_image(key: &str, service: Service, app: &str, moment: &Moment<'_>) -> Result<(), Failure> {
    let found: Option<Found<Image>> = moment.find(Image::KIND, key, View::Present)?;
    let code = match (service, found) {
        (_, Some(image)) if image.doc.app == app => return Ok(()),
        (Service::Batch, _) => 11227,
        (Service::Message, Some(_)) => 230017,
        (Service::Message, None) => 230001,
    };
    let why = format!("image_key is unknown or of another app: {key}");
    Err(Refusal::new(400, code, why).into())
}

/// A chat that is shared: its name and id.
pub(super) fn shared_chat(
    id: &str,
    service: Service,
    moment: &Moment<'_>,
) -> Result<Seen, Failure> {
    let found: Option<Found<Chat>> = moment.find(Chat::KIND, id, View::Present)?;
    let code = match (service, found) {
        (_, Some(chat)) if !chat.doc.dissolved => {
            return Ok(Seen {
                title: chat.doc.name,
                text: id.to_owned(),
            });
        }
        (Service::Batch, _) => 11231,
        (Service::Message, Some(_)) => 232009,
        (Service::Message, None) => 230001,
    };
    Err(Refusal::new(400, code, format!("no such chat to share: {id}")).into())
}

/// A post, in one language or several. The first is what people see here.
pub(super) fn post(
    locales: &Fields<'_>,
    service: Service,
    app: &str,
    moment: &Moment<'_>,
) -> Result<Seen, Failure> {
    let mut seen = None;
    for name in locales.names() {
        if !is_locale(name) {
            return Err(locales
                .bad(name, "a locale such as zh_cn is expected")
                .into());
        }
        let locale = locales.required(name, locales.object(name)?)?;
        let shown = post_in_one_language(&locale, service, app, moment)?;
        seen.get_or_insert(shown);
    }
    Ok(locales.required("zh_cn", seen)?)
}

fn is_locale(name: &str) -> bool {
    let (language, land) = name.split_once('_').unwrap_or_default();
    [language, land]
        .iter()
        .all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn post_in_one_language(
    locale: &Fields<'_>,
    service: Service,
    app: &str,
    moment: &Moment<'_>,
) -> Result<Seen, Failure> {
    let title = locale.text("title", 0..=usize::MAX)?;
    let paragraphs = locale.array("content", usize::MAX)?;
    let paragraphs = locale.required("content", paragraphs)?;
    let mut lines = Vec::new();
    for (index, paragraph) in paragraphs.iter().enumerate() {
        let place = format!("content[{index}]");
        let Value::Array(nodes) = paragraph else {
            return Err(locale.bad(&place, "an array of nodes is expected").into());
        };
        let mut line = String::new();
        for node in nodes {
            let Some(node) = Fields::of_object(node, service.parameter(), &place) else {
                return Err(locale.bad(&place, "a node has to be an object").into());
            };
            let alone = nodes.len() == 1;
            line.push_str(&post_node(&node, alone, service, app, moment)?);
        }
        lines.push(line);
    }
    Ok(Seen {
        title: title.filter(|title| !title.is_empty()).map(str::to_owned),
        text: lines.join("\n"),
    })
}

fn post_node(
    node: &Fields<'_>,
    alone: bool,
    service: Service,
    app: &str,
    moment: &Moment<'_>,
) -> Result<String, Failure> {
    let tag = node.required("tag", node.one_of("tag", &TAGS)?)?;
    let text = |name| node.text(name, 0..=usize::MAX);
    if service == Service::Batch {
        if tag == "md" || node.value("style").is_some() {
            let why = "batch_send knows no md tag and no style";
            return Err(service.unfit(why).into());
        }
        node.only(&[
            "tag",
            "text",
            "href",
            "user_id",
            "image_key",
            "file_key",
            "emoji_type",
            "language",
            "un_escape",
        ])?;
    }
    for style in node.texts("style", usize::MAX)?.unwrap_or_default() {
        if !STYLES.contains(&style.as_str()) {
            return Err(node.bad("style", &format!("no such style: {style}")).into());
        }
    }
    node.flag("un_escape")?;
    if ["img", "media"].contains(&tag) && !alone {
        return Err(node
            .bad("tag", "it has to stand alone in its paragraph")
            .into());
    }
    Ok(match tag {
        "a" => {
            node.required("href", text("href")?)?;
            node.required("text", text("text")?)?.to_owned()
        }
        "at" => format!("@{}", node.required("user_id", text("user_id")?)?),
        "img" => {
            let key = node.required("image_key", text("image_key")?)?;
            check_image(key, service, app, moment)?;
            format!("[{key}]")
        }
        "media" => format!("[{}]", node.required("file_key", text("file_key")?)?),
        "emotion" => format!(":{}:", node.required("emoji_type", text("emoji_type")?)?),
        "hr" => "---".to_owned(),
        _ => node.required("text", text("text")?)?.to_owned(),
    })
}

/// A card, as JSON or by a template.
pub(super) fn card(card: &Map<String, Value>, service: Service) -> Result<Seen, Failure> {
    if card.get("type").and_then(Value::as_str) == Some("template") {
        let id = card.get("data").map(|data| &data["template_id"]);
        return match id.and_then(Value::as_str) {
            Some(id) if !id.is_empty() => Ok(Seen {
                title: None,
                text: format!("card template {id}"),
            }),
            _ => Err(service.bad_card("template_id is missing").into()),
        };
    }
    let wrapped = card.get("data").and_then(Value::as_object);
    let inner = match card.get("type").and_then(Value::as_str) {
        Some("card") => wrapped.unwrap_or(card),
        _ => card,
    };
    let parts = ["elements", "i18n_elements", "body", "schema"];
    if !parts.iter().any(|part| inner.contains_key(*part)) {
        return Err(service.bad_card("the card has no elements").into());
    }
    let title = inner
        .get("header")
        .map(|header| &header["title"]["content"]);
    let mut words = Vec::new();
    for part in &parts[..3] {
        if let Some(value) = inner.get(*part) {
            words_in(value, &mut words);
        }
    }
    Ok(Seen {
        title: title.and_then(Value::as_str).map(str::to_owned),
        text: words.join("\n"),
    })
}

/// Every text that a card shows, in the order in which it stands there.
fn words_in<'v>(value: &'v Value, words: &mut Vec<&'v str>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| words_in(value, words)),
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if ["content", "text"].contains(&name.as_str()) => {
                        words.push(text);
                    }
                    value => words_in(value, words),
                }
            }
        }
        _ => {}
    }
}
