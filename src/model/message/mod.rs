//! Messages: what is said, and what each vendor makes of it.
//!
//! A [`Message`] is written once, in neutral words or in a vendor's own shape, and [`render`]ed for one
//! instant, vendor and kind of receiver. Nothing here knows a clock, a disk or a network: an image in a
//! file stays an [`ImageSource`] that whoever sends uploads, and `scheduled` comes in with the
//! [`Context`].
//!
//! # Guarantees
//!
//! The same message in the same context renders the same bytes.
//!
//! # Languages
//!
//! A text is one template, or one for each locale and one as `default`. Who reads in a locale without
//! a text of its own gets the default. So does everybody at a vendor whose messages have no languages:
//! DingTalk. At Feishu posts and cards have languages, and at EnOS every text.

mod dingtalk;
mod enos;
mod error;
mod feishu;
pub mod image;
mod locale;
pub(crate) mod own;
mod plain;
mod read;
mod render;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use super::{ChatId, Span};

pub use error::{RenderError, Target, Why};
pub use image::ImageSource;
pub use locale::Locale;
pub use own::{Part, PartValue};
pub use plain::plain_text;
pub use render::{Rendered, carries, check, render};
pub use template::{Context, FUEL, MAX_BYTES, Template};

/// What is said.
#[derive(Clone, Debug)]
pub struct Message {
    /// What is said to everybody who has no block of their own.
    pub neutral: Option<Neutral>,
    /// What is said at Feishu instead.
    pub feishu: Option<Own>,
    /// What is said at DingTalk instead.
    pub dingtalk: Option<Own>,
    /// What is said at EnOS instead.
    pub enos: Option<Own>,
    /// Where the message stands.
    pub span: Span,
}

/// What is said, in no vendor's words.
#[derive(Clone, Debug)]
pub struct Neutral {
    /// The title of a text.
    pub title: Option<Text>,
    /// What it is.
    pub body: Body,
    /// Where a text leads to.
    pub link: Option<Link>,
    /// Where the body stands.
    pub span: Span,
}

/// What a neutral message is.
#[derive(Clone, Debug)]
pub enum Body {
    /// Plain text.
    Text(Text),
    /// Markdown.
    Markdown(Text),
    /// An image.
    Image(ImageSource),
    /// A chat that people may join from the message.
    ShareChat(ChatId),
    /// A card of Feishu, as its page describes it.
    Card(Part),
}

impl Body {
    /// The key in YAML.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Body::Text(_) => "text",
            Body::Markdown(_) => "markdown",
            Body::Image(_) => "image",
            Body::ShareChat(_) => "share_chat",
            Body::Card(_) => "card",
        }
    }
}

/// A text in the languages that it was written in.
#[derive(Clone, Debug)]
pub struct Text {
    /// For everybody else.
    pub default: Template,
    /// For those who read in a locale.
    pub locales: BTreeMap<Locale, Template>,
}

/// Where a message leads to.
#[derive(Clone, Debug)]
pub struct Link {
    /// The address.
    pub url: Template,
    /// The words that are clicked.
    pub label: Text,
    /// A media id of DingTalk: the picture beside the link.
    pub picture: Option<Template>,
}

/// A message in a vendor's own shape.
#[derive(Clone, Debug)]
pub struct Own {
    /// The vendor's word for its kind.
    pub kind: &'static str,
    /// What the vendor's page calls its content.
    pub content: Part,
    /// Where the block stands.
    pub span: Span,
}

/// A text, rendered in every language that a message has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) default: String,
    pub(crate) locales: BTreeMap<Locale, String>,
}

impl Text {
    /// Renders the text in its own languages and in others of the message, which get the default.
    fn say(&self, others: &BTreeSet<&Locale>, context: Context<'_>) -> Result<Said, RenderError> {
        let default = self.default.render(context, None)?;
        let mut locales = BTreeMap::new();
        let all = others.iter().copied().chain(self.locales.keys());
        for locale in all {
            // The default in a locale: its weekdays are in that language.
            let template = self.locales.get(locale).unwrap_or(&self.default);
            locales.insert(locale.clone(), template.render(context, Some(locale))?);
        }
        Ok(Said { default, locales })
    }
}

impl Neutral {
    /// The locales that any of its texts is written in.
    fn locales(&self) -> BTreeSet<&Locale> {
        let body = match &self.body {
            Body::Text(text) | Body::Markdown(text) => Some(text),
            Body::Image(_) | Body::ShareChat(_) | Body::Card(_) => None,
        };
        let label = self.link.as_ref().map(|link| &link.label);
        let texts = [self.title.as_ref(), body, label].into_iter().flatten();
        texts.flat_map(|text| text.locales.keys()).collect()
    }
}
