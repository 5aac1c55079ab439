//! Small pieces of text that every renderer needs.

/// Neutralises what a terminal would obey: control characters become visible escapes.
///
/// Vendor text and names from files can hold anything; a newline stays for the callers that render
/// lines themselves only where they split it off first.
#[must_use]
pub(super) fn clean(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            )
    };
    if !text.chars().any(hostile) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if hostile(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// `1 call`, `2 calls`.
#[must_use]
pub(super) fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// `1 person`, `2 people`.
#[must_use]
pub(super) fn people(n: usize) -> String {
    if n == 1 {
        "1 person".to_owned()
    } else {
        format!("{n} people")
    }
}

/// `4 min 10 s`.
#[must_use]
pub(super) fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_terminal_become_visible() {
        assert_eq!(
            clean("a\u{1b}[31mb\r\u{202e}c"),
            "a\\u{1b}[31mb\\u{d}\\u{202e}c"
        );
        assert_eq!(clean("项目"), "项目");
    }

    #[test]
    fn durations_read_like_speech() {
        assert_eq!(
            [duration(9), duration(250), duration(120), duration(3700)],
            ["9 s", "4 min 10 s", "2 min", "1 h 1 min"]
        );
    }
}
