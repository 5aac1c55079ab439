//! Markdown as plain text, for a vendor that shows no markdown.
//!
//! What carries meaning stays: paragraphs, the marks of lists, the addresses of links, what an image
//! shows. Emphasis goes. HTML is left as it was written, because dropping it could drop words.

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

/// Writes markdown as plain text.
#[must_use]
pub fn plain_text(markdown: &str) -> String {
    let mut plain = Plain::default();
    for event in Parser::new(markdown) {
        plain.take(event);
    }
    plain.out.truncate(plain.out.trim_end().len());
    plain.out
}

#[derive(Default)]
struct Plain {
    out: String,
    /// The lists that are open; for a numbered one its next number.
    lists: Vec<Option<u64>>,
    quotes: usize,
    /// Where the words of each open link begin, with its address.
    links: Vec<(usize, String)>,
    /// How many line breaks stand before what comes next.
    breaks: usize,
}

impl Plain {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) | Event::Code(text) => self.write(&text),
            Event::Html(text) | Event::InlineHtml(text) => self.write(&text),
            Event::SoftBreak | Event::HardBreak => self.breaks = self.breaks.max(1),
            Event::Rule => {
                self.breaks = 2;
                self.write("---");
                self.breaks = 2;
            }
            // None of these comes without an option that is not set.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.write(&text);
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::List(first) => {
                self.breaks = if self.lists.is_empty() { 2 } else { 1 };
                self.lists.push(first);
            }
            Tag::Item => {
                self.breaks = self.breaks.max(1);
                let depth = self.lists.len().saturating_sub(1);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.write(&format!("{}{mark}", "  ".repeat(depth.min(8))));
            }
            Tag::BlockQuote(_) => {
                self.breaks = 2;
                self.quotes += 1;
            }
            Tag::Link {
                link_type,
                dest_url,
                ..
            } => {
                // `<a@example.com>` says its address itself.
                let address = match link_type {
                    LinkType::Email => String::new(),
                    _ => dest_url.into_string(),
                };
                self.begin();
                self.links.push((self.out.len(), address));
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph if self.lists.is_empty() => self.breaks = 2,
            TagEnd::Paragraph | TagEnd::Item => self.breaks = self.breaks.max(1),
            TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::HtmlBlock => self.breaks = 2,
            TagEnd::BlockQuote(_) => {
                self.breaks = 2;
                self.quotes -= 1;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.breaks = if self.lists.is_empty() { 2 } else { 1 };
            }
            TagEnd::Link => {
                if let Some((start, address)) = self.links.pop() {
                    let is_said = self.out.get(start..).is_some_and(|said| said == address);
                    if !is_said && !address.is_empty() {
                        self.write(&format!(" ({address})"));
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes the line breaks that are due.
    fn begin(&mut self) {
        let breaks = std::mem::take(&mut self.breaks);
        if self.out.is_empty() || breaks == 0 {
            if self.out.is_empty() {
                self.out.push_str(&"> ".repeat(self.quotes.min(8)));
            }
            return;
        }
        self.out
            .truncate(self.out.trim_end_matches([' ', '\n']).len());
        self.out.push_str(&"\n".repeat(breaks));
        self.out.push_str(&"> ".repeat(self.quotes.min(8)));
    }

    fn write(&mut self, text: &str) {
        self.begin();
        self.out.push_str(text);
    }
}
