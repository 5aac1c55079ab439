//! What a letter says, in the shapes of the two calls that carry it: a batch wraps a post, has another
//! name for a shared chat, and calls a card not content but `card`.
//!
//! A letter may have either shape; both calls get theirs.

use serde_json::{Map, Value, json};

use super::json;
use crate::engine::channel::Letter;

/// The kinds that go out alone (page `im-v1/message/create`).
const ALONE: [&str; 11] = [
    "text",
    "post",
    "image",
    "file",
    "audio",
    "media",
    "sticker",
    "interactive",
    "share_chat",
    "share_user",
    "system",
];

/// The kinds that go out in a batch (page `batch_send`).
const BATCH: [&str; 5] = ["text", "post", "image", "share_chat", "interactive"];

/// The most bytes of a text, and of a post or a card. Whether a kilobyte has 1000 or 1024 of them is not
/// said.
const TEXT: usize = 150 * 1000;
const RICH: usize = 30 * 1000;

/// The content of a message by itself, as the text that it is sent as.
pub(super) fn alone(letter: &Letter) -> Result<String, String> {
    let mut content = checked(letter, &ALONE)?;
    match letter.kind.as_str() {
        "post" => {
            if let Some(post) = wrapped(&content) {
                content = post.clone();
            }
        }
        "share_chat" => rename(&mut content, "share_chat_id", "chat_id"),
        _ => {}
    }
    bounded(&letter.kind, json(&content))
}

/// The member of a batch's body that holds the content, and the content.
pub(super) fn batch(letter: &Letter) -> Result<(&'static str, Value), String> {
    let mut content = checked(letter, &BATCH)?;
    let mut name = "content";
    match letter.kind.as_str() {
        "post" => {
            let post = wrapped(&content).unwrap_or(&content).clone();
            check_post(&post)?;
            content = Map::new();
            content.insert("post".to_owned(), post.into());
        }
        "share_chat" => rename(&mut content, "chat_id", "share_chat_id"),
        "interactive" => name = "card",
        _ => {}
    }
    bounded(&letter.kind, json(&content))?;
    Ok((name, content.into()))
}

fn checked(letter: &Letter, kinds: &[&str]) -> Result<Map<String, Value>, String> {
    let kind = &letter.kind;
    if !kinds.contains(&kind.as_str()) {
        let kinds = kinds.join(", ");
        return Err(format!(
            "Feishu sends no `{kind}` in this way; the kinds are {kinds}"
        ));
    }
    let Value::Object(content) = &letter.content else {
        return Err(format!("the content of a `{kind}` is not a mapping"));
    };
    let needed: &[&str] = match kind.as_str() {
        "text" => &["text"],
        "image" => &["image_key"],
        "share_chat" => &["chat_id", "share_chat_id"],
        _ => &[],
    };
    let said = |name: &&str| {
        let text = content.get(*name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    if content.is_empty() || (!needed.is_empty() && !needed.iter().any(said)) {
        let what = needed.first().unwrap_or(&"content");
        return Err(format!("a `{kind}` has no `{what}`"));
    }
    Ok(content.clone())
}

fn bounded(kind: &str, content: String) -> Result<String, String> {
    let most = match kind {
        "text" => TEXT,
        "post" | "interactive" => RICH,
        _ => return Ok(content),
    };
    let bytes = content.len();
    if bytes > most {
        return Err(format!(
            "a `{kind}` has at most {most} bytes at Feishu, and this one has {bytes}"
        ));
    }
    Ok(content)
}

/// What is in the wrapper that only a batch has.
fn wrapped(content: &Map<String, Value>) -> Option<&Map<String, Value>> {
    match content.get("post") {
        Some(Value::Object(post)) if content.len() == 1 => Some(post),
        _ => None,
    }
}

fn rename(content: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = content.remove(from) {
        content.insert(to.to_owned(), value);
    }
}

/// A batch's post has no `md` and no style; Feishu would drop what it does not know.
fn check_post(post: &Map<String, Value>) -> Result<(), String> {
    let locales = post
        .values()
        .filter_map(|locale| locale["content"].as_array());
    let nodes = locales.flatten().filter_map(Value::as_array).flatten();
    for node in nodes {
        if node["tag"] == "md" {
            return Err("a post to people and departments has no `md` tag at Feishu".to_owned());
        }
        if node["style"] != json!(null) {
            return Err("a post to people and departments has no `style` at Feishu".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(kind: &str, content: Value) -> Letter {
        Letter::new(kind, content)
    }

    #[test]
    fn each_call_gets_its_shape_whichever_the_letter_has() {
        let post = json!({"zh_cn": {"content": [[{"tag": "text", "text": "x"}]]}});
        let wrapped = json!({"post": post});
        for content in [&post, &wrapped] {
            let letter = letter("post", content.clone());
            assert_eq!(alone(&letter).unwrap(), post.to_string());
            assert_eq!(batch(&letter).unwrap(), ("content", wrapped.clone()));
        }
        for name in ["chat_id", "share_chat_id"] {
            let letter = letter("share_chat", json!({name: "oc_1"}));
            assert_eq!(alone(&letter).unwrap(), r#"{"chat_id":"oc_1"}"#);
            let shared = json!({"share_chat_id": "oc_1"});
            assert_eq!(batch(&letter).unwrap(), ("content", shared));
        }
        let card = json!({"schema": "2.0", "body": {}});
        let letter = letter("interactive", card.clone());
        assert_eq!(alone(&letter).unwrap(), card.to_string());
        assert_eq!(batch(&letter).unwrap(), ("card", card));
    }

    #[test]
    fn what_a_call_does_not_carry_is_refused() {
        let node = |node: Value| json!({"zh_cn": {"content": [[node]]}});
        let md = letter("post", node(json!({"tag": "md", "text": "**x**"})));
        assert!(alone(&md).is_ok());
        assert!(batch(&md).unwrap_err().contains("`md`"));
        let style = node(json!({"tag": "text", "text": "x", "style": ["bold"]}));
        let style = letter("post", style);
        assert!(alone(&style).is_ok());
        assert!(batch(&style).unwrap_err().contains("`style`"));
        let file = letter("file", json!({"file_key": "f"}));
        assert!(alone(&file).is_ok());
        assert!(batch(&file).unwrap_err().contains("no `file`"));
        for (kind, content) in [
            ("markdown", json!({"text": "x"})),
            ("text", json!("x")),
            ("text", json!({"content": "x"})),
            ("text", json!({"text": ""})),
            ("image", json!({})),
            ("interactive", json!({})),
        ] {
            let letter = letter(kind, content);
            assert!(alone(&letter).is_err() && batch(&letter).is_err(), "{kind}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let text = |bytes| {
            letter(
                "text",
                json!({"text": "x".repeat(bytes - r#"{"text":""}"#.len())}),
            )
        };
        assert!(batch(&text(TEXT)).is_ok() && alone(&text(TEXT)).is_ok());
        assert!(batch(&text(TEXT + 1)).is_err() && alone(&text(TEXT + 1)).is_err());
        let card = letter("interactive", json!({"x": "x".repeat(RICH)}));
        assert!(batch(&card).unwrap_err().contains("at most 30000 bytes"));
        let image = letter("image", json!({"image_key": "x".repeat(RICH)}));
        assert!(batch(&image).is_ok());
    }
}
