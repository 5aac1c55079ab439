//! What a work notification says: eight kinds, of which a message is exactly one.
//!
//! Sources: the page on message types and the error table. Where they are silent:
//!
//! - A part that is missing, of a wrong type or unknown is 40035, an unknown kind 40008.
//! - A part that is too long is 34016; the whole above 2048 bytes is 45002. The bytes are those of
//!   the JSON text as it is sent in a form, or compact.
//! - Recommended lengths are not held against anybody. A media id is not looked up.

use serde_json::{Map, Value};

use super::Failure;

const WHOLE_BYTES: usize = 2048;
const BUTTONS_LENGTH: usize = 1000;
const TEXT: usize = 5000;
const TITLE: usize = 64;

const MISSING: i64 = 40035;
const TOO_LONG: i64 = 34016;

/// What people see of a message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) text: String,
    /// Whether it is an oa message with a status bar.
    pub(super) status_bar: bool,
}

type Object = Map<String, Value>;

/// Reads a message, of which that is the JSON text.
pub(super) fn read(msg: &Value, text: &str) -> Result<Seen, Failure> {
    let msg = msg.as_object().ok_or(Failure::Refused(MISSING))?;
    let Some(Value::String(kind)) = msg.get("msgtype") else {
        return Err(Failure::Refused(40008));
    };
    let parse = match kind.as_str() {
        "text" => text_of,
        "image" => image_of,
        "voice" => voice_of,
        "file" => image_of,
        "link" => link_of,
        "oa" => oa_of,
        "markdown" => markdown_of,
        "action_card" => card_of,
        _ => return Err(Failure::Refused(40008)),
    };
    only(msg, &["msgtype", kind])?;
    let mut seen = parse(inside(msg, kind)?)?;
    if text.len() > WHOLE_BYTES {
        return Err(Failure::Refused(45002));
    }
    seen.kind.clone_from(kind);
    Ok(seen)
}

fn only(map: &Object, names: &[&str]) -> Result<(), Failure> {
    match map.keys().all(|name| names.contains(&name.as_str())) {
        true => Ok(()),
        false => Err(Failure::Refused(MISSING)),
    }
}

fn inside<'m>(map: &'m Object, name: &str) -> Result<&'m Object, Failure> {
    let inner = map.get(name).and_then(Value::as_object);
    inner.ok_or(Failure::Refused(MISSING))
}

/// A text that may be left out.
fn maybe<'m>(map: &'m Object, name: &str, max: usize) -> Result<Option<&'m str>, Failure> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= max => Ok(Some(text)),
        Some(Value::String(_)) => Err(Failure::Refused(TOO_LONG)),
        Some(_) => Err(Failure::Refused(MISSING)),
    }
}

/// A text that has to be there.
fn text<'m>(map: &'m Object, name: &str, max: usize) -> Result<&'m str, Failure> {
    maybe(map, name, max)?
        .filter(|text| !text.is_empty())
        .ok_or(Failure::Refused(MISSING))
}

fn seen(title: Option<&str>, text: &str) -> Seen {
    Seen {
        title: title.map(str::to_owned),
        text: text.to_owned(),
        ..Seen::default()
    }
}

fn text_of(map: &Object) -> Result<Seen, Failure> {
    only(map, &["content"])?;
    Ok(seen(None, text(map, "content", TEXT)?))
}

fn image_of(map: &Object) -> Result<Seen, Failure> {
    only(map, &["media_id"])?;
    Ok(seen(None, text(map, "media_id", usize::MAX)?))
}

fn voice_of(map: &Object) -> Result<Seen, Failure> {
    only(map, &["media_id", "duration"])?;
    let seconds = text(map, "duration", 2)?;
    let seconds = Some(seconds).filter(|digits| !digits.starts_with(['0', '+']));
    match seconds.and_then(|digits| digits.parse::<u8>().ok()) {
        Some(1..=59) => Ok(seen(None, text(map, "media_id", usize::MAX)?)),
        _ => Err(Failure::Refused(MISSING)),
    }
}

fn link_of(map: &Object) -> Result<Seen, Failure> {
    only(map, &["messageUrl", "picUrl", "title", "text"])?;
    text(map, "picUrl", usize::MAX)?;
    let url = text(map, "messageUrl", usize::MAX)?;
    let words = format!("{}\n{url}", text(map, "text", usize::MAX)?);
    Ok(seen(Some(text(map, "title", usize::MAX)?), &words))
}

fn markdown_of(map: &Object) -> Result<Seen, Failure> {
    only(map, &["title", "text"])?;
    let title = text(map, "title", TITLE)?;
    Ok(seen(Some(title), text(map, "text", TEXT)?))
}

fn card_of(map: &Object) -> Result<Seen, Failure> {
    let title = maybe(map, "title", TITLE)?;
    let words = text(map, "markdown", TEXT)?;
    if map.contains_key("btn_json_list") {
        only(
            map,
            &["title", "markdown", "btn_orientation", "btn_json_list"],
        )?;
        if !["0", "1"].contains(&text(map, "btn_orientation", 1)?) {
            return Err(Failure::Refused(MISSING));
        }
        let buttons = map["btn_json_list"].as_array();
        let buttons = buttons
            .filter(|list| !list.is_empty())
            .ok_or(Failure::Refused(MISSING))?;
        for button in buttons {
            let button = button.as_object().ok_or(Failure::Refused(MISSING))?;
            only(button, &["title", "action_url"])?;
            text(button, "title", 20)?;
            text(button, "action_url", 700)?;
        }
        if map["btn_json_list"].to_string().chars().count() > BUTTONS_LENGTH {
            return Err(Failure::Refused(TOO_LONG));
        }
    } else {
        only(map, &["title", "markdown", "single_title", "single_url"])?;
        text(map, "single_title", 20)?;
        text(map, "single_url", 500)?;
    }
    Ok(seen(title, words))
}

fn oa_of(map: &Object) -> Result<Seen, Failure> {
    only(
        map,
        &[
            "message_url",
            "pc_message_url",
            "head",
            "status_bar",
            "body",
        ],
    )?;
    text(map, "message_url", usize::MAX)?;
    maybe(map, "pc_message_url", usize::MAX)?;
    let head = inside(map, "head")?;
    only(head, &["bgcolor", "text"])?;
    let colour = text(head, "bgcolor", 8)?;
    maybe(head, "text", 10)?.ok_or(Failure::Refused(MISSING))?;
    let hexadecimal = colour.len() == 8 && colour.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal {
        return Err(Failure::Refused(MISSING));
    }
    let status_bar = map.contains_key("status_bar");
    if status_bar {
        let bar = inside(map, "status_bar")?;
        only(bar, &["status_value", "status_bg"])?;
        maybe(bar, "status_value", usize::MAX)?;
        if maybe(bar, "status_bg", 10)?.is_some_and(|colour| !is_colour(colour)) {
            return Err(Failure::Refused(MISSING));
        }
    }
    let body = inside(map, "body")?;
    only(
        body,
        &[
            "title",
            "form",
            "rich",
            "content",
            "image",
            "file_count",
            "author",
        ],
    )?;
    for name in ["image", "file_count", "author"] {
        maybe(body, name, usize::MAX)?;
    }
    let mut lines: Vec<String> = Vec::new();
    let rows = match body.get("form") {
        None => &[][..],
        Some(Value::Array(rows)) => rows,
        Some(_) => return Err(Failure::Refused(MISSING)),
    };
    for row in rows {
        let row = row.as_object().ok_or(Failure::Refused(MISSING))?;
        only(row, &["key", "value"])?;
        let word = |name| Ok::<_, Failure>(maybe(row, name, usize::MAX)?.unwrap_or_default());
        lines.push(format!("{}{}", word("key")?, word("value")?));
    }
    lines.extend(maybe(body, "content", usize::MAX)?.map(str::to_owned));
    Ok(Seen {
        status_bar,
        ..seen(maybe(body, "title", usize::MAX)?, &lines.join("\n"))
    })
}

/// `0x` and eight hexadecimal digits.
pub(super) fn is_colour(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
