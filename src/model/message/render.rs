//! A message, made into what a vendor takes, and held against what the vendor refuses.

use std::collections::HashSet;

use serde_json::Value;

use super::error::{RenderError, Target, Why};
use super::{Body, Context, ImageSource, Message, Own, dingtalk, enos, feishu};
use crate::model::manifest::Vendor;
use crate::model::{Diagnostic, Span};

/// A message in a vendor's own shape, for one instant.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The vendor's word for its kind: `msg_type` at Feishu, `msgtype` at DingTalk, `notice` at EnOS.
    pub kind: &'static str,
    /// What the vendor's page calls the content of that kind. At EnOS, the fields of the message that say
    /// something.
    pub content: Value,
    /// The image that has to be uploaded before this can be sent; its key is put in with
    /// [`Rendered::put_image_key`].
    pub image: Option<ImageSource>,
    /// Its bytes as the vendor counts them, in a call for one receiver.
    pub size: usize,
    /// The most bytes it may have, where the vendor says so.
    pub limit: Option<usize>,
}

impl Rendered {
    /// Puts in the key of the image that was uploaded.
    pub fn put_image_key(&mut self, key: &str) {
        if self.image.take().is_some() {
            self.content["image_key"] = key.into();
        }
    }
}

/// Says whether a vendor can carry a message to such a receiver. What depends on the words that are
/// rendered, such as their length, is [`render`]'s business.
///
/// # Errors
///
/// When it cannot, with why.
pub fn carries(message: &Message, vendor: Vendor, target: Target) -> Result<(), Why> {
    if vendor == Vendor::Enos && target == Target::Chat {
        return Err(Why::NoChats);
    }
    if let Some(own) = own(message, vendor) {
        return match (vendor, target) {
            (Vendor::Feishu, Target::People) => feishu::fits_people(own),
            (Vendor::DingTalk, Target::Chat) => dingtalk::fits_groups(own.kind),
            _ => Ok(()),
        };
    }
    let Some(neutral) = &message.neutral else {
        return Err(Why::Nothing);
    };
    match (&neutral.body, vendor) {
        (Body::Text(_) | Body::Markdown(_), _)
        | (Body::ShareChat(_) | Body::Card(_), Vendor::Feishu)
        | (Body::Image(ImageSource::Key(_) | ImageSource::File { .. }), Vendor::Feishu)
        | (Body::Image(ImageSource::Media(_)), Vendor::DingTalk) => match (vendor, target) {
            (Vendor::DingTalk, Target::Chat) => dingtalk::fits_groups(neutral.body.key()),
            _ => Ok(()),
        },
        (Body::Image(_), Vendor::Feishu | Vendor::DingTalk) => Err(Why::ForeignImage),
        (body, _) => Err(Why::NoKind(body.key())),
    }
}

/// Renders a message for a vendor and a kind of receiver.
///
/// # Errors
///
/// When the vendor cannot carry it, a template is wrong, nothing is left of a text, or a text or the whole
/// is over the vendor's limit.
pub fn render(
    message: &Message,
    vendor: Vendor,
    target: Target,
    context: Context<'_>,
) -> Result<Rendered, RenderError> {
    carries(message, vendor, target).map_err(|why| RenderError::CannotCarry {
        vendor,
        why,
        span: place(message, vendor),
    })?;
    let span = place(message, vendor);
    let made = match (own(message, vendor), &message.neutral) {
        (Some(own), _) => match vendor {
            Vendor::Feishu => feishu::own(own, context),
            Vendor::DingTalk => dingtalk::own(own, context),
            Vendor::Enos => enos::own(own, context),
        },
        (None, Some(neutral)) => match vendor {
            Vendor::Feishu => feishu::neutral(neutral, context),
            Vendor::DingTalk => dingtalk::neutral(neutral, target, context),
            Vendor::Enos => enos::neutral(neutral, context),
        },
        (None, None) => unreachable!("a vendor carries nothing of a message without a word for it"),
    }?;
    let (content, size, limit, page) = match vendor {
        Vendor::Feishu => feishu::measured(made.kind, made.content, target),
        Vendor::DingTalk => dingtalk::measured(made.kind, made.content, target),
        Vendor::Enos => enos::measured(made.content),
    };
    if let Some(limit) = limit.filter(|limit| size > *limit) {
        return Err(RenderError::TooLarge {
            span,
            vendor,
            size,
            limit,
            page,
        });
    }
    Ok(Rendered {
        kind: made.kind,
        content,
        image: made.image,
        size,
        limit,
    })
}

/// Renders a message for everybody it goes to and every instant that is given, and tells each mistake
/// once.
#[must_use]
pub fn check(
    message: &Message,
    to: &[(Vendor, Target)],
    contexts: &[Context<'_>],
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for &(vendor, target) in to {
        for context in contexts {
            let Err(error) = render(message, vendor, target, *context) else {
                continue;
            };
            let diagnostic = error.diagnostic();
            // The same text is as wrong at every instant, if by another number of bytes.
            if seen.insert((diagnostic.span, diagnostic.code, vendor.as_str()))
                && !found.contains(&diagnostic)
            {
                found.push(diagnostic);
            }
        }
    }
    found
}

/// What a vendor's module makes of a message.
pub(super) struct Made {
    pub(super) kind: &'static str,
    pub(super) content: Value,
    pub(super) image: Option<ImageSource>,
}

impl Made {
    pub(super) fn new(kind: &'static str, content: Value) -> Self {
        Self {
            kind,
            content,
            image: None,
        }
    }
}

fn own(message: &Message, vendor: Vendor) -> Option<&Own> {
    match vendor {
        Vendor::Feishu => message.feishu.as_ref(),
        Vendor::DingTalk => message.dingtalk.as_ref(),
        Vendor::Enos => message.enos.as_ref(),
    }
}

/// What is to blame for what a vendor does not take.
fn place(message: &Message, vendor: Vendor) -> Span {
    let neutral = message.neutral.as_ref().map(|neutral| neutral.span);
    let own = own(message, vendor).map(|own| own.span);
    own.or(neutral).unwrap_or(message.span)
}
