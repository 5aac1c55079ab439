//! The two digests of the EnOS gateway.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// What a token request carries in place of the secret.
pub(super) fn token_encryption(app_key: &str, timestamp: &str, app_secret: &str) -> String {
    digest(&[
        app_key.as_bytes(),
        timestamp.as_bytes(),
        app_secret.as_bytes(),
    ])
}

/// What every other call carries: the query by name, decoded, and the body as it was sent.
pub(super) fn request_signature(
    access_token: &str,
    query: &[(String, String)],
    body: &[u8],
    timestamp: &str,
    app_secret: &str,
) -> String {
    let mut sorted: Vec<&(String, String)> = query.iter().collect();
    sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut parts = vec![access_token.as_bytes()];
    for (name, value) in sorted {
        parts.push(name.as_bytes());
        parts.push(value.as_bytes());
    }
    parts.extend([body, timestamp.as_bytes(), app_secret.as_bytes()]);
    digest(&parts)
}

/// Whether that is Unix time in milliseconds.
pub(super) fn is_millis(timestamp: &str) -> bool {
    timestamp.len() == 13 && timestamp.bytes().all(|byte| byte.is_ascii_digit())
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/vendors/enos-signature-vectors.json"
        );
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn text<'v>(inputs: &'v Value, name: &str) -> &'v str {
        inputs[name].as_str().unwrap()
    }

    fn signature(vector: &Value) -> String {
        let inputs = &vector["inputs"];
        let query = inputs["query_decoded"].as_object().unwrap();
        let query: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        request_signature(
            text(inputs, "access_token"),
            &query,
            text(inputs, "body_utf8").as_bytes(),
            text(inputs, "timestamp_ms"),
            text(inputs, "app_secret"),
        )
    }

    #[test]
    fn every_shared_vector_gives_its_digest() {
        let file = vectors();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let inputs = &vector["inputs"];
            let expected = &vector["expected"];
            let (got, wanted) = if vector["kind"] == "token-encryption" {
                let got = token_encryption(
                    text(inputs, "app_key"),
                    text(inputs, "timestamp_ms"),
                    text(inputs, "app_secret"),
                );
                (got, &expected["encryption"])
            } else {
                (signature(vector), &expected["apim_signature"])
            };
            assert_eq!(got, wanted.as_str().unwrap(), "{}", vector["id"]);
        }
    }

    #[test]
    fn no_known_mistake_gives_our_digest() {
        let file = vectors();
        for mistake in file["must_not_match"].as_array().unwrap() {
            let vectors = file["vectors"].as_array().unwrap();
            let vector = vectors.iter().find(|v| v["id"] == mistake["of"]).unwrap();
            let wrong = mistake["wrong_signature"].to_string();
            assert!(!wrong.contains(&signature(vector)), "{mistake}");
        }
    }
}
