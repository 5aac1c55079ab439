//! How a text is written as a scalar.

use std::fmt::Write as _;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Without any, where that reads back as the same text.
    None,
    /// `'…'`, where that can hold the text.
    Single,
    /// `"…"`.
    Double,
}

impl Quotes {
    /// Those of a scalar as it stands in the file.
    pub(super) fn of(raw: &str) -> Self {
        match raw.as_bytes().first() {
            Some(b'\'') => Quotes::Single,
            Some(b'"') => Quotes::Double,
            _ => Quotes::None,
        }
    }
}

/// Writes a text that nothing is to be put into.
pub(super) fn write(text: &str, quotes: Quotes, in_flow: bool) -> String {
    let text = text.replace("${", "$${");
    match quotes {
        Quotes::None if is_plain(&text, in_flow) => text,
        Quotes::Single if text.chars().all(is_shown) => format!("'{}'", text.replace('\'', "''")),
        Quotes::None | Quotes::Single | Quotes::Double => double(&text),
    }
}

/// Whether a character may stand in a scalar as it is.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        )
}

/// Whether a text without quotes reads back as itself, and to other readers of YAML as text.
fn is_plain(text: &str, in_flow: bool) -> bool {
    const WORDS: [&str; 10] = [
        "null", "true", "false", "yes", "no", "on", "off", "~", "<<", "=",
    ];
    let indicator = |c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c);
    let begins = text.chars().next();
    let is_number = || {
        let digits = |c: char| c.is_ascii_digit() || "+-._eExXoabcdfABCDF:".contains(c);
        text.starts_with(|c: char| c.is_ascii_digit() || "+.".contains(c))
            && text.chars().all(digits)
    };
    let has_date = || {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || "-:TZ. ".contains(c))
    };
    begins.is_some_and(|c| !indicator(c))
        && text.trim() == text
        && text.chars().all(is_shown)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !(in_flow && text.contains(|c| ",[]{}".contains(c)))
        && !WORDS.contains(&text.to_lowercase().as_str())
        && !text.starts_with("...")
        && !is_number()
        && !has_date()
}

fn double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_shown(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_only_where_it_must_be() {
        for (text, quotes, written) in [
            ("项目进度", Quotes::None, "项目进度"),
            ("on-call 2", Quotes::None, "on-call 2"),
            ("a: b", Quotes::None, "\"a: b\""),
            ("a #1", Quotes::None, "\"a #1\""),
            ("#1", Quotes::None, "\"#1\""),
            ("a, b", Quotes::None, "\"a, b\""),
            ("", Quotes::None, "\"\""),
            ("Yes", Quotes::None, "\"Yes\""),
            ("2026", Quotes::None, "\"2026\""),
            ("2026-01-01", Quotes::None, "\"2026-01-01\""),
            ("oc_2", Quotes::None, "oc_2"),
            ("it's", Quotes::Single, "'it''s'"),
            ("a\nb", Quotes::Single, "\"a\\nb\""),
            ("say \"x\" \\", Quotes::Double, "\"say \\\"x\\\" \\\\\""),
            ("\u{feff}\u{7}", Quotes::None, "\"\\ufeff\\u0007\""),
            ("${var:x}", Quotes::Double, "\"$${var:x}\""),
        ] {
            assert_eq!(write(text, quotes, true), written);
        }
        assert_eq!(write("a, b", Quotes::None, false), "a, b");
    }
}
