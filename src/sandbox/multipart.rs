//! Bodies in several parts, as a form with a file comes.

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

/// One field of a form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) is_file: bool,
    pub(super) bytes: &'a [u8],
}

/// The parts of a body, or nothing when it is no form in parts, or a broken one.
pub(super) fn parts<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let rest = kind.strip_prefix("multipart/form-data")?;
    let boundary = rest
        .split(';')
        .find_map(|word| word.trim().strip_prefix("boundary="))?
        .trim_matches('"');
    let line = format!("--{boundary}");
    let between = format!("\r\n{line}");
    let mut rest = &body[find(body, line.as_bytes())? + line.len()..];
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let end = find(rest, between.as_bytes())?;
        let part = rest[..end].strip_prefix(b"\r\n")?;
        parts.push(one(part)?);
        rest = &rest[end + between.len()..];
    }
    Some(parts)
}

fn one(part: &[u8]) -> Option<Part<'_>> {
    let end = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..end]).ok()?;
    let disposition = head.split("\r\n").find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    })?;
    let value = |wanted: &str| {
        let mut words = disposition.split(';').map(str::trim);
        words.find_map(|word| Some(word.strip_prefix(wanted)?.trim_matches('"')))
    };
    Some(Part {
        name: value("name=")?,
        is_file: value("filename=").is_some() || value("filename*=").is_some(),
        bytes: &part[end + 4..],
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The form for the log: a file by its size alone.
pub(super) fn for_log(parts: &[Part<'_>]) -> Value {
    let shown = parts.iter().map(|part| {
        let value = if part.is_file {
            format!("({} bytes)", part.bytes.len())
        } else {
            String::from_utf8_lossy(part.bytes).into_owned()
        };
        (part.name.to_owned(), value.into())
    });
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())])
    }

    #[test]
    fn a_file_may_hold_line_ends_and_half_of_a_boundary() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"image_type\"\r\n\r\nmessage\r\n\
            --b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\
            Content-Type: image/png\r\n\r\n\x89PNG\r\n--\r\n-b\xff\r\n--b--\r\n";
        let parts = parts(&headers("multipart/form-data; boundary=\"b\""), body).unwrap();
        let shown: Vec<_> = parts.iter().map(|p| (p.name, p.is_file, p.bytes)).collect();
        assert_eq!(
            shown,
            [
                ("image_type", false, &b"message"[..]),
                ("image", true, b"\x89PNG\r\n--\r\n-b\xff"),
            ]
        );
        assert_eq!(
            for_log(&parts).to_string(),
            r#"{"image_type":"message","image":"(13 bytes)"}"#
        );
    }

    #[test]
    fn what_is_no_form_in_parts_has_none() {
        let kind = "multipart/form-data; boundary=b";
        for (kind, body) in [
            (kind, &b""[..]),
            (kind, b"--b"),
            (kind, b"--b\r\n\r\n\r\n--b--"),
            (
                kind,
                b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
            ),
            (
                kind,
                b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx",
            ),
            ("multipart/form-data", b"--b--"),
            ("application/json", b"{}"),
        ] {
            assert_eq!(parts(&headers(kind), body), None, "{body:?}");
        }
        assert_eq!(parts(&headers(kind), b"--b--"), Some(vec![]));
    }
}
