//! A text by its lines. All places are bytes.

use std::ops::Range;

/// The first byte of the line that holds a byte.
pub(super) fn start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |nl| nl + 1)
}

/// The end of the line that holds a byte, without its line break.
pub(super) fn end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |nl| at + nl);
    if end > at && text[..end].ends_with('\r') {
        end - 1
    } else {
        end
    }
}

/// The first byte of the next line, or the end of the text.
pub(super) fn next(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |nl| at + nl + 1)
}

/// The first byte of the line before the one that begins here, if there is one.
pub(super) fn previous(text: &str, start: usize) -> Option<usize> {
    (start > 0).then(|| self::start(text, start - 1))
}

/// What the line that begins here holds, without its line break.
pub(super) fn line(text: &str, start: usize) -> &str {
    &text[start..end(text, start)]
}

/// The line break of the text near a place.
pub(super) fn line_break(text: &str, at: usize) -> &'static str {
    let near = text[at..].find('\n').map(|nl| at + nl);
    let near = near.or_else(|| text[..at].rfind('\n'));
    match near {
        Some(nl) if text[..nl].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

pub(super) fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// How many characters a comment line is indented by; none when the line is no comment.
pub(super) fn comment_indent(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches(' ');
    rest.starts_with('#').then(|| line.len() - rest.len())
}

/// The white space before a place, when there is nothing else in its line; as much white space as there are
/// characters otherwise.
pub(super) fn indent(text: &str, at: usize) -> String {
    let before = &text[start(text, at)..at];
    if is_blank(before) {
        before.to_owned()
    } else {
        " ".repeat(before.chars().count())
    }
}

/// Whether only white space stands before a place in its line.
pub(super) fn is_first(text: &str, at: usize) -> bool {
    is_blank(&text[start(text, at)..at])
}

/// Past white space, line breaks and comments. `at` must not be inside of a comment or a scalar.
pub(super) fn skip(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        let after_space = at == 0 || text[..at].ends_with(char::is_whitespace) || opens(text, at);
        if trimmed.starts_with('#') && after_space {
            at = end(text, at);
        } else {
            return at;
        }
    }
}

/// A `#` begins a comment right after a bracket or comma too, as far as we are concerned.
fn opens(text: &str, at: usize) -> bool {
    text[..at].ends_with([',', '[', '{'])
}

/// A whole stretch of lines with the comments that belong to it: those right above in the same column, if
/// `leading`, and those right below that are indented deeper.
pub(super) fn block(text: &str, first: usize, last: usize, leading: bool) -> Range<usize> {
    let begin = start(text, first);
    let column = first - begin;
    let mut from = begin;
    while leading
        && let Some(above) = previous(text, from)
        && comment_indent(line(text, above)) == Some(column)
    {
        from = above;
    }
    let mut to = next(text, last);
    let mut look = to;
    while look < text.len() {
        let below = line(text, look);
        match comment_indent(below) {
            Some(indent) if indent > column => {
                look = next(text, look);
                to = look;
            }
            None if is_blank(below) => look = next(text, look),
            _ => break,
        }
    }
    from..to
}

/// The same with one blank line less where two would meet, or one would be left at the end.
pub(super) fn paragraph(text: &str, block: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = block;
    let above = previous(text, start);
    let is_open = above.is_none_or(|above| {
        let above = line(text, above).trim_end();
        above.is_empty() || above.ends_with(':')
    });
    if end < text.len() && is_blank(line(text, end)) {
        if is_open {
            end = next(text, end);
        }
    } else if end == text.len() {
        while let Some(above) = previous(text, start)
            && is_blank(line(text, above))
        {
            start = above;
        }
    }
    start..end
}
