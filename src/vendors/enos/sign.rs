//! The two digests of the EnOS gateway, lower-case hex of SHA-256.
//!
//! # Guarantees
//!
//! - Bytes are digested as they are sent; nothing here encodes or parses.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// What a token request carries in place of the secret.
pub(super) fn encryption(app_key: &str, millis: &str, app_secret: &str) -> String {
    hex_of([app_key, millis, app_secret])
}

/// What every other request carries: `query` has names and decoded values, and `body` is what is sent.
pub(super) fn signature(
    token: &str,
    query: &[(&str, &str)],
    body: &str,
    millis: &str,
    app_secret: &str,
) -> String {
    let mut query = query.to_vec();
    query.sort_unstable();
    let query = query.into_iter().flat_map(|(name, value)| [name, value]);
    let parts = std::iter::once(token).chain(query);
    hex_of(parts.chain([body, millis, app_secret]))
}

fn hex_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}").expect("a text takes what is written to it");
    }
    hex
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        let text = include_str!("../../../tests/fixtures/vendors/enos-signature-vectors.json");
        serde_json::from_str(text).unwrap()
    }

    fn made(vector: &Value) -> (String, &str) {
        let input = |name: &str| vector["inputs"][name].as_str().unwrap();
        let (millis, secret) = (input("timestamp_ms"), input("app_secret"));
        if vector["kind"] == "token-encryption" {
            let made = encryption(input("app_key"), millis, secret);
            return (made, vector["expected"]["encryption"].as_str().unwrap());
        }
        let query = vector["inputs"]["query_decoded"].as_object().unwrap();
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let body = vector["inputs"]["body_utf8"].as_str().unwrap_or_default();
        let made = signature(input("access_token"), &query, body, millis, secret);
        (made, vector["expected"]["apim_signature"].as_str().unwrap())
    }

    #[test]
    fn every_vector_gives_its_digest() {
        let file = vectors();
        let vectors = file["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let (made, expected) = made(vector);
            assert_eq!(made, expected, "{}", vector["id"]);
        }
    }

    #[test]
    fn no_known_mistake_gives_its_digest() {
        let file = vectors();
        for mistake in file["must_not_match"].as_array().unwrap() {
            let vectors = file["vectors"].as_array().unwrap();
            let of = vectors.iter().find(|v| v["id"] == mistake["of"]).unwrap();
            let wrong = mistake["wrong_signature"].to_string();
            assert!(!wrong.contains(&made(of).0), "{mistake}");
        }
    }
}
