//! The page at `/`: who has got what, for people. It has no scripts, and reads well without styles.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Trouble;
use crate::sandbox::inbox::{Box, Inbox, Item, time};
use crate::sandbox::serve::Shared;

/// How many messages of a box are shown, the newest.
const SHOWN: usize = 50;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Sandbox of beadle</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding: 1.5rem 0 .25rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid }
td.text { white-space: pre-wrap; overflow-wrap: anywhere }
</style>
</head>
<body>
<h1>Sandbox of beadle</h1>
<p>It plays Feishu, DingTalk and EnOS for tests and rehearsals. Nothing here reaches anybody.</p>
<p><a href=\"/_sandbox/inbox\">The same as JSON</a> ·
<a href=\"/_sandbox/calls\">the calls that it got</a> ·
<a href=\"/_sandbox/world\">all that it holds</a></p>
";

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Result<Response, Trouble> {
    let inbox = shared
        .act(|_, moment| Ok::<_, Trouble>(Inbox::of(moment)?))
        .await?;
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    Ok(([kind], page(&inbox)).into_response())
}

fn page(inbox: &Inbox) -> String {
    let mut page = HEAD.to_owned();
    let now = escaped(&time(inbox.now_ms));
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(page, "<p>Its clock says {now}.</p>");
    for (title, boxes, none) in [
        ("People", &inbox.people, "Nobody has got anything."),
        ("Chats", &inbox.chats, "Nothing was said in any chat."),
    ] {
        let _ = writeln!(page, "<h2>{title}</h2>");
        if boxes.is_empty() {
            let _ = writeln!(page, "<p>{none}</p>");
        }
        for one in boxes {
            table(&mut page, one);
        }
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn table(page: &mut String, one: &Box) {
    let (name, id) = (escaped(&one.name), escaped(&one.id));
    let older = one.messages.len().saturating_sub(SHOWN);
    let _ = write!(page, "<table>\n<caption>{name} ({id})");
    if older > 0 {
        let _ = write!(page, ", {older} older not shown");
    }
    page.push_str(
        "</caption>\n<tr><th scope=\"col\">Sent<th scope=\"col\">By<th scope=\"col\">Message\
         <th scope=\"col\">State</tr>\n",
    );
    for item in one.messages.iter().skip(older) {
        let title = item.title.as_deref().map(escaped);
        let title = title.map_or_else(String::new, |title| format!("<b>{title}</b>\n"));
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{} {}<br>{}<td class=\"text\">{title}{}<td>{}</tr>",
            escaped(&time(item.sent)),
            escaped(&item.vendor),
            escaped(&item.kind),
            escaped(&item.message_id),
            escaped(&item.text),
            escaped(&state(item)),
        );
    }
    page.push_str("</table>\n");
}

/// What became of it, the latest last.
fn state(item: &Item) -> String {
    if let Some(code) = &item.dropped {
        return format!("dropped silently, {code}");
    }
    let mut words = vec![match item.delivered {
        Some(at) => format!("delivered {}", time(at)),
        None if item.recalled.is_some() => "never delivered".to_owned(),
        None => "not delivered".to_owned(),
    }];
    words.extend(item.read.map(|at| format!("read {}", time(at))));
    words.extend(item.recalled.map(|at| format!("recalled {}", time(at))));
    words.join(", ")
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
