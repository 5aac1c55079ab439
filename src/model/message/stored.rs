//! A message as one value: what a plan compares and a ledger keeps.
//!
//! The value has the shape that users write, with everything put in that `${…}` stands for, and each
//! template as its text. It says nothing of places. [`crate::model::parse::stored_message`] reads it.

use serde_json::{Map, Value, json};

use super::{Body, ImageSource, Link, Message, Own, Part, PartValue, Text};

impl Message {
    /// The message as one value. Equal values render alike.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // A new field has to be thought about here.
        let Message {
            neutral,
            feishu,
            dingtalk,
            enos,
            span: _,
        } = self;
        let mut all = Map::new();
        if let Some(neutral) = neutral {
            let super::Neutral {
                title,
                body,
                link,
                span: _,
            } = neutral;
            if let Some(title) = title {
                all.insert("title".to_owned(), text(title));
            }
            all.insert(body.key().to_owned(), self::body(body));
            if let Some(link) = link {
                all.insert("link".to_owned(), self::link(link));
            }
        }
        if let Some(Own { kind, content, .. }) = feishu {
            let holder = super::own::feishu_holder(kind);
            let block = json!({ "msg_type": kind, holder: part(content) });
            all.insert("feishu".to_owned(), block);
        }
        if let Some(Own { kind, content, .. }) = dingtalk {
            let block = json!({ "msgtype": kind, *kind: part(content) });
            all.insert("dingtalk".to_owned(), block);
        }
        if let Some(own) = enos {
            all.insert("enos".to_owned(), part(&own.content));
        }
        all.into()
    }
}

fn body(body: &Body) -> Value {
    match body {
        Body::Text(words) | Body::Markdown(words) => text(words),
        Body::Image(ImageSource::Key(key)) => key.source().into(),
        Body::Image(ImageSource::File { path, digest, .. }) => {
            json!({ "file": super::image::file_to_text(path, digest) })
        }
        Body::Image(ImageSource::Media(id)) => json!({ "media_id": id.source() }),
        Body::ShareChat(chat) => chat.as_str().into(),
        Body::Card(card) => part(card),
    }
}

fn link(link: &Link) -> Value {
    let Link {
        url,
        label,
        picture,
    } = link;
    let mut value = json!({ "url": url.source(), "label": text(label) });
    if let Some(picture) = picture {
        value["picture"] = picture.source().into();
    }
    value
}

fn text(text: &Text) -> Value {
    let Text { default, locales } = text;
    if locales.is_empty() {
        return default.source().into();
    }
    let mut all = Map::new();
    all.insert("default".to_owned(), default.source().into());
    for (locale, template) in locales {
        all.insert(locale.to_string(), template.source().into());
    }
    all.into()
}

fn part(part: &Part) -> Value {
    match &part.value {
        PartValue::Text(template) => template.source().into(),
        PartValue::Plain(value) => value.clone(),
        PartValue::List(parts) => parts.iter().map(self::part).collect(),
        PartValue::Map(pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, part)| (key.clone(), self::part(part)));
            Value::Object(pairs.collect())
        }
    }
}
