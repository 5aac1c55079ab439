//! What EnOS makes of a message (page `notice_message_produce`): texts, each with its languages.
//!
//! A notice shows no markdown, so that markdown is written as plain text. The vendor gives no limits.

use serde_json::{Map, Value, json};

use super::error::RenderError;
use super::own::{self, Want};
use super::render::Made;
use super::{Body, Context, Neutral, Own, Said, plain_text};

const PAGE: &str = "notice_message_produce";

pub(super) fn neutral(message: &Neutral, context: Context<'_>) -> Result<Made, RenderError> {
    let locales = message.locales();
    let (text, is_markdown) = match &message.body {
        Body::Text(text) => (text, false),
        Body::Markdown(text) => (text, true),
        Body::Image(_) | Body::ShareChat(_) | Body::Card(_) => {
            unreachable!("what EnOS cannot carry is not rendered for it")
        }
    };
    let mut content = Map::new();
    if let Some(title) = &message.title {
        let said = title.say(&locales, context)?;
        content.insert(
            "header".to_owned(),
            i18n(said, "title", title.default.span)?,
        );
    }
    let mut said = text.say(&locales, context)?;
    if is_markdown {
        said.default = plain_text(&said.default);
        for text in said.locales.values_mut() {
            *text = plain_text(text);
        }
    }
    let body = i18n(said, message.body.key(), text.default.span)?;
    content.insert("body".to_owned(), body);
    if let Some(link) = &message.link {
        let url = link.url.render(context, None)?;
        own::fits(&url, "url", Want::Text(usize::MAX), link.url.span, PAGE)?;
        content.insert("url".to_owned(), url.into());
        let label = link.label.say(&locales, context)?;
        let label = i18n(label, "label", link.label.default.span)?;
        content.insert("features".to_owned(), json!([label]));
    }
    Ok(Made::new("notice", content.into()))
}

pub(super) fn own(own: &Own, context: Context<'_>) -> Result<Made, RenderError> {
    let content = own::render(&own.content, "enos", own::ENOS, PAGE, context)?;
    Ok(Made::new("notice", content))
}

/// The content, its size, and no limit.
pub(super) fn measured(content: Value) -> (Value, usize, Option<usize>, &'static str) {
    let size = content.to_string().len();
    (content, size, None, PAGE)
}

/// A text with its translations.
fn i18n(said: Said, what: &str, span: crate::model::Span) -> Result<Value, RenderError> {
    let empty = std::iter::once(&said.default)
        .chain(said.locales.values())
        .any(|text| text.trim().is_empty());
    if empty {
        let what = what.to_owned();
        return Err(RenderError::Empty { span, what });
    }
    let mut value = json!({ "defaultValue": said.default });
    if !said.locales.is_empty() {
        let texts = said.locales.into_iter();
        let texts = texts.map(|(locale, text)| (locale.as_str().to_owned(), text.into()));
        value["i18nValue"] = texts.collect::<Map<String, Value>>().into();
    }
    Ok(value)
}
