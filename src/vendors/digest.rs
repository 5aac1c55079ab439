//! A short digest that names a message or a part of one for good.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Forty hexadecimal digits that differ wherever the parts do, also where they only part elsewhere.
pub(crate) fn digest<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut hex = String::with_capacity(40);
    for byte in hash.finalize().iter().take(20) {
        write!(hex, "{byte:02x}").expect("a text takes what is written to it");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_a_digest_never_changes() {
        assert_eq!(
            digest(["a", "b"]),
            "3c9d591045bc8876f9d0399bbfb05c6a412096e9"
        );
        for other in [&["ab"][..], &["a", "b", ""], &["b", "a"], &["", "ab"]] {
            assert_ne!(digest(other), digest(["a", "b"]), "{other:?}");
        }
    }
}
