//! Strikes secrets out of whatever is kept of an answer.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// What stands in place of a secret.
const STRUCK: &str = "[secret]";

/// How many tokens are remembered: the present one, and those that an answer under way may still name.
const TOKENS: usize = 4;

/// The secrets of one client.
pub(crate) struct Secrets {
    lasting: SecretString,
    tokens: RwLock<VecDeque<SecretString>>,
}

impl Secrets {
    pub(crate) fn new(lasting: SecretString) -> Self {
        Self {
            lasting,
            tokens: RwLock::default(),
        }
    }

    /// The secret that the client was made with.
    pub(crate) fn lasting(&self) -> &str {
        self.lasting.expose_secret()
    }

    /// Remembers a token, so that it is struck out from now on.
    pub(crate) fn learn(&self, token: &str) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if !tokens.iter().any(|known| known.expose_secret() == token) {
            tokens.push_back(token.into());
            if tokens.len() > TOKENS {
                tokens.pop_front();
            }
        }
    }

    /// The text without the secrets, as they are and as JSON writes them.
    pub(crate) fn strike(&self, text: &str) -> String {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for secret in std::iter::once(&self.lasting).chain(tokens.iter()) {
            let plain = secret.expose_secret();
            let quoted = serde_json::Value::from(plain).to_string();
            for form in [plain, quoted.trim_matches('"')] {
                if !form.is_empty() && text.contains(form) {
                    text = text.replace(form, STRUCK);
                }
            }
        }
        text
    }
}

/// What stands in place of an e-mail address or a number.
const PRIVATE: &str = "[private]";

/// The text without e-mail addresses and without numbers that are long enough to be somebody's.
pub(crate) fn strike_contacts(text: &str) -> String {
    let ends_word =
        |c: char| c.is_whitespace() || c.is_control() || "\"'`,;:=()[]{}<>|/\\".contains(c);
    let mut struck = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends_word) {
        let word = piece.trim_end_matches(ends_word);
        let digits = word.chars().filter(char::is_ascii_digit).count();
        // An id has letters besides its digits.
        let number = digits >= 5 && !word.chars().any(char::is_alphabetic);
        struck.push_str(if word.contains('@') || number {
            PRIVATE
        } else {
            word
        });
        struck.push_str(&piece[word.len()..]);
    }
    struck
}

/// At most `limit` bytes of a text, cut between characters.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_struck_out_plain_and_quoted() {
        let secrets = Secrets::new("a\"b".into());
        secrets.learn("t-123");
        assert_eq!(
            secrets.strike(r#"a"b {"x":"a\"b","y":"Bearer t-123"}"#),
            r#"[secret] {"x":"[secret]","y":"Bearer [secret]"}"#
        );
        assert_eq!(Secrets::new("".into()).strike("as it is"), "as it is");
    }

    #[test]
    fn addresses_and_numbers_are_struck_out() {
        for (text, want) in [
            (
                "no li@example.com, no 汉@x.cn.",
                "no [private], no [private]",
            ),
            (
                r#"{"email":"li@example.com","mobile":"+8613800000000"}"#,
                r#"{"email":"[private]","mobile":"[private]"}"#,
            ),
            ("call 138-0000-0000 at once", "call [private] at once"),
            (
                "mailto:li@example.com?x <wu@x.cn>",
                "mailto:[private] <[private]>",
            ),
            (
                "ou_18eac85d35a26f98 at 50 of 1000",
                "ou_18eac85d35a26f98 at 50 of 1000",
            ),
            ("", ""),
        ] {
            assert_eq!(strike_contacts(text), want);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("项目".into(), 4), "项…");
        assert_eq!(cut("项目".into(), 6), "项目");
    }
}
