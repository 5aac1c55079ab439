//! What Feishu makes of a message (pages `im-v1/message/create`, `im-v1/message/create_json`, `batch_send`).
//!
//! Markdown becomes a card, text with a title, a link or languages a post, other text a text. A chat gets
//! the content that `im/v1/messages` takes, people the one of `batch_send`, which differs for posts
//! and shared chats.

use serde_json::{Map, Value, json};

use super::error::{RenderError, Target, Why};
use super::own::{self, FEISHU, Part, PartValue};
use super::render::Made;
use super::{Body, Context, ImageSource, Link, Neutral, Own, Said};

const PAGE: &str = "im-v1/message/create";

/// Whether a kilobyte has 1000 or 1024 bytes the page does not say.
const KB: usize = 1000;

/// Whom a batch is for while it is measured: one person, with a long id.
const SOMEBODY: &str = "ou_0000000000000000000000000000000000000000000000000000000000000";

pub(super) fn neutral(message: &Neutral, context: Context<'_>) -> Result<Made, RenderError> {
    match &message.body {
        Body::Text(text) => {
            let said = texts(message, context)?;
            let plain = message.title.is_none() && message.link.is_none();
            if plain && said.body.locales.is_empty() {
                own::fits(
                    &said.body.default,
                    "text",
                    own::Want::Text(usize::MAX),
                    text.default.span,
                    PAGE,
                )?;
                return Ok(Made::new("text", json!({ "text": said.body.default })));
            }
            Ok(Made::new("post", said.post()))
        }
        Body::Markdown(_) => Ok(Made::new("interactive", texts(message, context)?.card())),
        Body::Image(ImageSource::Key(key)) => {
            let key = required(key, "image", context)?;
            Ok(Made::new("image", json!({ "image_key": key })))
        }
        Body::Image(source) => Ok(Made {
            image: Some(source.clone()),
            ..Made::new("image", json!({ "image_key": "" }))
        }),
        Body::ShareChat(chat) => Ok(Made::new("share_chat", json!({ "chat_id": chat.as_str() }))),
        Body::Card(card) => {
            let card = own::render(card, "card", own::Want::AnyMap, PAGE, context)?;
            Ok(Made::new("interactive", card))
        }
    }
}

pub(super) fn own(own: &Own, context: Context<'_>) -> Result<Made, RenderError> {
    let (kind, want) = own::of_kind(FEISHU, own.kind).expect("the reader takes no other kind");
    let content = own::render(&own.content, kind, want, PAGE, context)?;
    Ok(Made::new(kind, content))
}

/// Says whether what is written for a chat can also be sent to people: there are no styles and no
/// markdown in the posts of `batch_send`.
pub(super) fn fits_people(own: &Own) -> Result<(), Why> {
    if own.kind != "post" {
        return Ok(());
    }
    let mut left = vec![&own.content];
    while let Some(part) = left.pop() {
        match &part.value {
            PartValue::Map(pairs) => {
                if part.get("style").is_some() {
                    return Err(Why::OnlyToChats("`style` in a post"));
                }
                if part.get("tag").is_some_and(|tag| is_text(tag, "md")) {
                    return Err(Why::OnlyToChats("tag `md` in a post"));
                }
                left.extend(pairs.iter().map(|(_, part)| part));
            }
            PartValue::List(parts) => left.extend(parts),
            PartValue::Text(_) | PartValue::Plain(_) => {}
        }
    }
    Ok(())
}

fn is_text(part: &Part, wanted: &str) -> bool {
    matches!(&part.value, PartValue::Text(text) if text.source() == wanted)
}

/// The content for a kind of receiver, its size, the limit and the page that has it.
pub(super) fn measured(
    kind: &'static str,
    content: Value,
    target: Target,
) -> (Value, usize, Option<usize>, &'static str) {
    let limit = match kind {
        "text" => Some(150 * KB),
        "post" | "interactive" => Some(30 * KB),
        _ => None,
    };
    match target {
        // The content is JSON inside a text, so quotes and line breaks count twice.
        Target::Chat => {
            let size = Value::from(content.to_string()).to_string().len();
            (content, size, limit, PAGE)
        }
        Target::People => {
            let content = match kind {
                "post" => json!({ "post": content }),
                "share_chat" => json!({ "share_chat_id": content["chat_id"] }),
                _ => content,
            };
            let key = if kind == "interactive" {
                "card"
            } else {
                "content"
            };
            let call = json!({ "open_ids": [SOMEBODY], "msg_type": kind, key: content });
            (content, call.to_string().len(), limit, "batch_send")
        }
    }
}

/// What a text or a markdown says, everything rendered.
struct Texts {
    title: Option<Said>,
    body: Said,
    link: Option<(String, Said)>,
}

fn texts(message: &Neutral, context: Context<'_>) -> Result<Texts, RenderError> {
    let locales = message.locales();
    let title = message.title.as_ref();
    let title = title
        .map(|title| title.say(&locales, context))
        .transpose()?;
    let (Body::Text(text) | Body::Markdown(text)) = &message.body else {
        unreachable!("only a text has a title and a link");
    };
    let body = text.say(&locales, context)?;
    let link = message.link.as_ref().map(|Link { url, label, .. }| {
        let address = required(url, "url", context)?;
        Ok((address, label.say(&locales, context)?))
    });
    let empty = std::iter::once(&body.default)
        .chain(body.locales.values())
        .any(|text| text.trim().is_empty());
    if empty {
        return Err(RenderError::Empty {
            span: text.default.span,
            what: message.body.key().to_owned(),
        });
    }
    Ok(Texts {
        title,
        body,
        link: link.transpose()?,
    })
}

fn required(
    template: &super::Template,
    what: &str,
    context: Context<'_>,
) -> Result<String, RenderError> {
    let text = template.render(context, None)?;
    own::fits(
        &text,
        what,
        own::Want::Text(usize::MAX),
        template.span,
        PAGE,
    )?;
    Ok(text)
}

impl Said {
    /// By Feishu's words for locales. Chinese and English are always there, so that nobody gets another
    /// language than the default.
    fn by_locale(&self) -> Vec<(String, &str)> {
        let mut all: Vec<(String, &str)> = ["zh_cn", "en_us"]
            .into_iter()
            .filter(|word| self.locales.keys().all(|locale| locale.lower() != *word))
            .map(|word| (word.to_owned(), self.default.as_str()))
            .collect();
        let own = self.locales.iter();
        all.extend(own.map(|(locale, text)| (locale.lower(), text.as_str())));
        all.sort();
        all
    }

    /// The text of a part of a card. Where there are languages, Feishu reads these alone (page
    /// `configure-multi-language-content`).
    fn of_card(&self, tag: &str, languages: &str) -> Value {
        let mut part = json!({ "tag": tag, "content": self.default });
        if !self.locales.is_empty() {
            part[languages] = self
                .by_locale()
                .into_iter()
                .map(|(locale, text)| (locale, text.into()))
                .collect::<Map<String, Value>>()
                .into();
        }
        part
    }

    fn in_locale(&self, locale: &str) -> &str {
        let own = self.locales.iter().find(|(own, _)| own.lower() == locale);
        own.map_or(&self.default, |(_, text)| text)
    }
}

impl Texts {
    /// A card of the structure 1.0 (page `card-json-structure`).
    fn card(&self) -> Value {
        let mut card = json!({ "config": { "wide_screen_mode": true } });
        if let Some(title) = &self.title {
            card["header"] = json!({ "title": title.of_card("plain_text", "i18n") });
        }
        let mut elements = vec![self.body.of_card("markdown", "i18n_content")];
        if let Some((url, label)) = &self.link {
            elements.push(json!({
                "tag": "action",
                "actions": [{
                    "tag": "button",
                    "type": "primary",
                    "text": label.of_card("plain_text", "i18n_content"),
                    "url": url,
                }],
            }));
        }
        card["elements"] = elements.into();
        card
    }

    fn post(&self) -> Value {
        if self.body.locales.is_empty() {
            return json!({ "zh_cn": self.paragraphs("") });
        }
        let locales = self.body.by_locale().into_iter();
        let posts = locales.map(|(locale, _)| {
            let post = self.paragraphs(&locale);
            (locale, post)
        });
        posts.collect::<Map<String, Value>>().into()
    }

    fn paragraphs(&self, locale: &str) -> Value {
        let body = self.body.in_locale(locale);
        let mut content: Vec<Value> = body
            .split('\n')
            .map(|line| json!([{ "tag": "text", "text": line }]))
            .collect();
        if let Some((url, label)) = &self.link {
            content.push(json!([{ "tag": "a", "text": label.in_locale(locale), "href": url }]));
        }
        let mut post = Map::new();
        if let Some(title) = &self.title {
            post.insert("title".to_owned(), title.in_locale(locale).into());
        }
        post.insert("content".to_owned(), content.into());
        post.into()
    }
}
