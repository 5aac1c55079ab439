//! Text in Markdown that stays text, whoever wrote it.
//!
//! What vendors and files hold can be anything: it is no markup there, names nobody, links nowhere and
//! closes nothing. Backslashes alone do not do: platforms look for mentions and links in what is rendered.

use crate::cli::text::clean;

/// A text within a line.
#[must_use]
pub(in crate::cli) fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in clean(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A blank of no width after it: neither a mention nor the number of an issue.
            '@' | '#' => {
                out.push(c);
                out.push_str(NOTHING);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '|' | '~' | '!' | '$' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // What a platform makes a link of by itself.
    for (link, broken) in [
        ("://", format!(":{NOTHING}//")),
        ("www.", format!("www.{NOTHING}")),
        ("GH-", format!("GH{NOTHING}-")),
    ] {
        if out.contains(link) {
            out = out.replace(link, &broken);
        }
    }
    out
}

const NOTHING: &str = "&#8203;";

/// A text as code within a line.
#[must_use]
pub(in crate::cli) fn code(text: &str) -> String {
    let text = clean(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A block of code; no line of it can close it.
#[must_use]
pub(in crate::cli) fn block(language: &str, lines: &str) -> String {
    let fence = "`".repeat(longest_run(lines).max(2) + 1);
    let end = if lines.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{lines}{end}{fence}\n")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// The first characters of a text, as many as fit into so many bytes.
#[must_use]
pub(in crate::cli) fn start(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// How many pieces from the beginning and how many from the end fit into so many bytes, taken in turn.
#[must_use]
pub(in crate::cli) fn ends(pieces: &[String], room: usize) -> (usize, usize) {
    let (mut first, mut last, mut used) = (0, 0, 0);
    while first + last < pieces.len() {
        let from_start = first <= last;
        let piece = if from_start {
            &pieces[first]
        } else {
            &pieces[pieces.len() - 1 - last]
        };
        used += piece.len();
        if used > room {
            break;
        }
        if from_start {
            first += 1;
        } else {
            last += 1;
        }
    }
    (first, last)
}

/// Somebody's Markdown within so many bytes: the beginning, with whatever is open closed, and a word
/// about what is left out.
#[must_use]
pub(in crate::cli) fn fit(text: &str, most: usize) -> String {
    const WORDS: usize = 200;
    if text.len() <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut fence: Option<String> = None;
    let mut sections = 0_usize;
    for line in text.split_inclusive('\n') {
        let close = fence.as_ref().map_or(0, String::len) + sections * 12;
        if kept.len() + line.len() + close + WORDS > most {
            break;
        }
        let bare = line.trim();
        let ticks: String = ["`", "~"]
            .into_iter()
            .map(|tick| bare.chars().take_while(|c| tick.contains(*c)).collect())
            .find(|run: &String| run.len() >= 3)
            .unwrap_or_default();
        match &fence {
            None if !ticks.is_empty() => fence = Some(ticks),
            None => {
                sections += bare.matches("<details").count();
                sections = sections.saturating_sub(bare.matches("</details>").count());
            }
            Some(open) => {
                if ticks.starts_with(open.as_str()) && bare.len() == ticks.len() {
                    fence = None;
                }
            }
        }
        kept.push_str(line);
    }
    let left = text.len() - kept.len();
    if !kept.ends_with('\n') {
        kept.push('\n');
    }
    if let Some(fence) = fence {
        kept.push_str(&fence);
        kept.push('\n');
    }
    kept.push_str(&"</details>\n".repeat(sections));
    kept.push_str(&format!(
        "\n> **{left} bytes are not shown here:** the text is too long for a comment.\n"
    ));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    /// The text that comes out when Markdown is rendered, and whether anything but text does.
    fn rendered(markdown: &str) -> (String, bool) {
        let mut text = String::new();
        let mut marked = false;
        for event in Parser::new_ext(
            markdown,
            Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES,
        ) {
            match event {
                Event::Text(more) | Event::Code(more) => text.push_str(&more),
                Event::Start(Tag::Paragraph) | Event::End(_) => {}
                _ => marked = true,
            }
        }
        (text.replace('\u{200b}', ""), marked)
    }

    #[test]
    fn hostile_text_is_text() {
        for text in [
            "@octocat look at #1 and GH-1",
            "**bold** _it_ ~~no~~ `code` $x$ {a}",
            "[link](https://evil.example) ![pic](http://x)",
            "</details><script>alert(1)</script> &lt;",
            "see https://evil.example and www.evil.example",
            "a | b \\| c",
            "ends with \\",
            "```\n# heading\n- list",
            "项目 <!-- beadle comment -->",
        ] {
            let line = format!("x {}", inert(text));
            let (shown, marked) = rendered(&line);
            assert_eq!(shown, format!("x {}", clean(text)), "{line}");
            assert!(!marked, "{line}");
            assert!(
                !line.contains("@o") && !line.contains("#1") && !line.contains("://"),
                "{line}"
            );
        }
    }

    #[test]
    fn code_holds_any_text() {
        for text in ["a", "`", "a``b", "``` x", "x`", " "] {
            let (shown, _) = rendered(&code(text));
            assert_eq!(shown.trim(), text.trim(), "{}", code(text));
        }
        let (shown, _) = rendered(&block("diff", "- a\n+ ```\n"));
        assert_eq!(shown, "- a\n+ ```\n");
    }

    #[test]
    fn what_is_cut_is_closed_and_said() {
        let long = "é".repeat(50) + "\n";
        let text = format!(
            "<details><summary>s</summary>\n\n````diff\n{}",
            long.repeat(40)
        );
        let cut = fit(&text, 1500);
        assert!(cut.len() <= 1500, "{}", cut.len());
        assert!(cut.contains("\n````\n</details>\n"), "{cut}");
        assert!(cut.contains("bytes are not shown here"), "{cut}");
        assert_eq!(fit("short", 1500), "short");
        assert_eq!(start("éé", 3), "é");
    }
}
