//! A message as it is meant, from one as it is written: what goes together, and what does not.

use super::{Body, Link, Message, Neutral, Text};
use crate::model::shape::{Given, Keyed, words};
use crate::model::{ChatId, Diagnostic, Span, written};

impl Message {
    /// Makes a message of what is written. `chat` knows the chats that a message may share, by what is
    /// written for them. None when an error was pushed.
    pub(crate) fn new(
        written: written::Message,
        span: Span,
        chat: &dyn Fn(&str) -> Option<ChatId>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let written::Message {
            title,
            text,
            markdown,
            image,
            share_chat,
            card,
            link,
            feishu,
            dingtalk,
            enos,
        } = written;
        // From a key with a mistake nothing follows, so that nothing more is said.
        let good = ![
            title.is_bad(),
            text.is_bad(),
            markdown.is_bad(),
            image.is_bad(),
            share_chat.is_bad(),
            card.is_bad(),
            link.is_bad(),
            feishu.is_bad(),
            dingtalk.is_bad(),
            enos.is_bad(),
        ]
        .contains(&true);
        let mut bodies: Vec<(Body, Span)> = Vec::new();
        bodies.extend(keyed(text, |text| Body::Text(text.0)));
        bodies.extend(keyed(markdown, |text| Body::Markdown(text.0)));
        bodies.extend(keyed(image, |image| Body::Image(image.0)));
        bodies.extend(keyed(card, |card| Body::Card(card.0)));
        let mut good = good;
        if let Given::Is(Keyed { value, span }) = share_chat {
            match chat(&value.value.0) {
                Some(chat) => bodies.push((Body::ShareChat(chat), span)),
                None => {
                    let name = crate::model::shape::shorten(&value.value.0);
                    found.push(
                        Diagnostic::error(
                            "unknown-chat",
                            value.span,
                            format!("there is no chat `{name}` to share"),
                        )
                        .help("Write a name under `chats`, or an `oc_…` id."),
                    );
                    good = false;
                }
            }
        }
        let title: Option<(Text, Span)> = keyed(title, |title| title.0);
        let link = keyed(link, link_of);
        good &= link.as_ref().is_none_or(|(link, _)| link.is_some());
        let link = link.and_then(|(link, span)| Some((link?, span)));
        let one = one_body(&mut bodies, found);
        good &= one.is_ok();
        let body = one.unwrap_or_default();
        let has_block = !(feishu.is_absent() && dingtalk.is_absent() && enos.is_absent());
        let is_text = matches!(&body, Some((Body::Text(_) | Body::Markdown(_), _)));
        let beside = [
            title.as_ref().map(|(_, span)| ("title", *span)),
            link.as_ref().map(|(_, span)| ("link", *span)),
        ];
        for (key, span) in beside.into_iter().flatten() {
            if is_text || !good {
                break;
            }
            let (code, summary, help) = match &body {
                None => (
                    "missing-body",
                    format!("`{key}` stands alone: there is no body"),
                    "Add `text:` or `markdown:`.",
                ),
                Some((body, _)) => (
                    "unused-key",
                    format!("`{}` has no `{key}`", body.key()),
                    "Remove it, or say it in `text:` or `markdown:`; a card has a header of its own.",
                ),
            };
            found.push(Diagnostic::error(code, span, summary).help(help));
            good = false;
        }
        if good && body.is_none() && !has_block {
            found.push(
                Diagnostic::error("empty-message", span, "this message says nothing").help(
                    "Add `text:` or `markdown:`, or a block `feishu:`, `dingtalk:` or `enos:`.",
                ),
            );
            good = false;
        }
        let neutral = body.map(|(body, span)| Neutral {
            title: title.map(|(title, _)| title),
            body,
            link: link.map(|(link, _)| link),
            span,
        });
        good.then_some(Message {
            neutral,
            feishu: feishu.into_option().map(|own| own.0),
            dingtalk: dingtalk.into_option().map(|own| own.0),
            enos: enos.into_option().map(|own| own.0),
            span,
        })
    }
}

fn keyed<T, U>(given: Given<Keyed<T>>, to: impl FnOnce(T) -> U) -> Option<(U, Span)> {
    given
        .into_option()
        .map(|keyed| (to(keyed.value), keyed.span))
}

fn link_of(written: written::Link) -> Option<Link> {
    let written::Link {
        url,
        label,
        picture,
    } = written;
    Some(Link {
        url: url.into_option()?.0,
        label: label.into_option()?.0,
        picture: picture.into_option().map(|picture| picture.0),
    })
}

/// The one body of a message.
fn one_body(
    bodies: &mut Vec<(Body, Span)>,
    found: &mut Vec<Diagnostic>,
) -> Result<Option<(Body, Span)>, ()> {
    bodies.sort_by_key(|(_, span)| span.start);
    if bodies.len() < 2 {
        return Ok(bodies.pop());
    }
    let keys = words(bodies.iter().map(|(body, _)| body.key()));
    let summary = format!("a message is one of {keys}");
    let mut diagnostic = Diagnostic::error("several-bodies", bodies[1].1, summary)
        .help("Keep one; what a vendor is to get instead stands in a block of its name.");
    diagnostic = diagnostic.related(bodies[0].1, "the first");
    found.push(diagnostic);
    Err(())
}
