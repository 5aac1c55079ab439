//! What DingTalk makes of a message (page `message-types-and-data-format`).
//!
//! Its messages have one language, the default. The title of markdown is only shown in the list of
//! messages, so that it is put above the text too. With a link, markdown becomes a card with one button,
//! and so does text without a picture; in a group, where the app's robot speaks, the link follows the text.

use serde_json::{Value, json};

use super::error::{RenderError, Target, Why};
use super::own::{self, DINGTALK, Want};
use super::render::Made;
use super::{Body, Context, ImageSource, Link, Neutral, Own, Template};

const PAGE: &str = "message-types-and-data-format";

/// The whole `msg` (page `asynchronous-sending-of-enterprise-session-messages`).
const MAX_BYTES: usize = 2048;

/// The parameters of a message to a group (page `the-robot-sends-a-group-message`).
const GROUP_BYTES: usize = 15_000;

/// The most characters of a title.
const TITLE: usize = 64;

/// Whether beadle sends a kind to groups, which a robot does by templates.
pub(super) fn fits_groups(kind: &'static str) -> Result<(), Why> {
    match kind {
        "text" | "markdown" => Ok(()),
        kind => Err(Why::OnlyToPeople(kind)),
    }
}

pub(super) fn neutral(
    message: &Neutral,
    target: Target,
    context: Context<'_>,
) -> Result<Made, RenderError> {
    let text = match &message.body {
        Body::Text(text) | Body::Markdown(text) => text,
        Body::Image(ImageSource::Media(id)) => {
            let id = said(id, "media_id", Want::Text(usize::MAX), context)?;
            return Ok(Made::new("image", json!({ "media_id": id })));
        }
        Body::Image(_) | Body::ShareChat(_) | Body::Card(_) => {
            unreachable!("what DingTalk cannot carry is not rendered for it")
        }
    };
    let is_markdown = matches!(message.body, Body::Markdown(_));
    let span = text.default.span;
    let body = said(&text.default, message.body.key(), Want::Text(5000), context)?;
    let title = message.title.as_ref();
    let title = title
        .map(|title| said(&title.default, "title", Want::Text(TITLE), context))
        .transpose()?;
    let whole = match (&title, is_markdown) {
        (Some(title), true) => format!("### {title}\n\n{body}"),
        (Some(title), false) => format!("{title}\n\n{body}"),
        (None, _) => body.clone(),
    };
    own::fits(&whole, message.body.key(), Want::Text(5000), span, PAGE)?;
    let shown = title.unwrap_or_else(|| first_line(&body));
    let Some(Link {
        url,
        label,
        picture,
    }) = &message.link
    else {
        return Ok(if is_markdown {
            Made::new("markdown", json!({ "title": shown, "text": whole }))
        } else {
            Made::new("text", json!({ "content": whole }))
        });
    };
    if target == Target::Chat {
        let label = said(&label.default, "label", Want::Text(20), context)?;
        let url = said(url, "url", Want::Text(500), context)?;
        return Ok(if is_markdown {
            let text = format!("{whole}\n\n[{label}]({url})");
            Made::new("markdown", json!({ "title": shown, "text": text }))
        } else {
            Made::new(
                "text",
                json!({ "content": format!("{whole}\n\n{label}: {url}") }),
            )
        });
    }
    if let (Some(picture), false) = (picture, is_markdown) {
        let any = Want::Text(usize::MAX);
        return Ok(Made::new(
            "link",
            json!({
                "messageUrl": said(url, "url", any, context)?,
                "picUrl": said(picture, "picture", any, context)?,
                "title": shown,
                "text": body,
            }),
        ));
    }
    let card = json!({
        "title": shown,
        "markdown": whole,
        "single_title": said(&label.default, "label", Want::Text(20), context)?,
        "single_url": said(url, "url", Want::Text(500), context)?,
    });
    Ok(Made::new("action_card", card))
}

pub(super) fn own(own: &Own, context: Context<'_>) -> Result<Made, RenderError> {
    let (kind, want) = own::of_kind(DINGTALK, own.kind).expect("the reader takes no other kind");
    let content = own::render(&own.content, kind, want, PAGE, context)?;
    let buttons = &content["btn_json_list"];
    if !buttons.is_null() {
        let count = buttons.to_string().chars().count();
        if count > 1000 {
            return Err(RenderError::TooLong {
                span: own
                    .content
                    .get("btn_json_list")
                    .map_or(own.span, |b| b.span),
                what: "btn_json_list".to_owned(),
                count,
                limit: 1000,
                page: PAGE,
            });
        }
    }
    Ok(Made::new(kind, content))
}

/// The content, its size, the limit and the page that has it.
pub(super) fn measured(
    kind: &'static str,
    content: Value,
    target: Target,
) -> (Value, usize, Option<usize>, &'static str) {
    if target == Target::Chat {
        let size = content.to_string().len();
        return (
            content,
            size,
            Some(GROUP_BYTES),
            "the-robot-sends-a-group-message",
        );
    }
    let size = json!({ "msgtype": kind, kind: &content }).to_string().len();
    let page = "asynchronous-sending-of-enterprise-session-messages";
    (content, size, Some(MAX_BYTES), page)
}

fn said(
    template: &Template,
    what: &str,
    want: Want,
    context: Context<'_>,
) -> Result<String, RenderError> {
    let text = template.render(context, None)?;
    own::fits(&text, what, want, template.span, PAGE)?;
    Ok(text)
}

/// What the list of messages shows of one without a title.
fn first_line(body: &str) -> String {
    let plain = super::plain_text(body);
    let line = plain.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or(body).trim();
    match line.char_indices().nth(TITLE) {
        None => line.to_owned(),
        Some(_) => line.chars().take(TITLE - 1).chain(['…']).collect(),
    }
}
