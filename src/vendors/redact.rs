//! Strikes secrets out of whatever is kept of an answer.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// What stands in place of a secret.
const STRUCK: &str = "[secret]";

/// What stands in place of an e-mail address or a number.
const PRIVATE: &str = "[private]";

/// The fewest digits that may be a telephone number.
const SHORTEST_NUMBER: usize = 7;

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

    /// The text without the secrets, as they are, as JSON writes them, and as a query does.
    pub(crate) fn strike(&self, text: &str) -> String {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for secret in std::iter::once(&self.lasting).chain(tokens.iter()) {
            let plain = secret.expose_secret();
            let quoted = serde_json::Value::from(plain).to_string();
            let in_query = in_query(plain);
            for form in [plain, quoted.trim_matches('"'), &in_query] {
                if !form.is_empty() && text.contains(form) {
                    text = text.replace(form, STRUCK);
                }
            }
        }
        text
    }
}

fn in_query(plain: &str) -> String {
    let mut url = reqwest::Url::parse("http://localhost").expect("an address");
    url.query_pairs_mut().append_key_only(plain);
    url.query().unwrap_or_default().to_owned()
}

/// The text without what may be an e-mail address or a telephone number: vendors quote people in
/// answers about people, in the middle of a Chinese sentence too. A date, or an id with many digits in a
/// row, is struck as well, which is the lesser harm.
pub(crate) fn strike_contacts(text: &str) -> String {
    let in_address = |c: char| c.is_alphanumeric() || "@._%+-".contains(c);
    let text = each_run(text, in_address, |run| run.contains('@'), PRIVATE);
    let in_number = |c: char| c.is_ascii_digit() || "+-()".contains(c);
    let is_number = |run: &str| {
        let digits = run.bytes().filter(u8::is_ascii_digit);
        digits.count() >= SHORTEST_NUMBER
    };
    each_run(&text, in_number, is_number, PRIVATE)
}

/// The text with every longest run of such characters replaced, where the run is one to be struck.
fn each_run(
    text: &str,
    belongs: impl Fn(char) -> bool,
    is_struck: impl Fn(&str) -> bool,
    instead: &str,
) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len()));
        kept.push_str(if is_struck(run) { instead } else { run });
        let (between, after) = after.split_at(after.find(&belongs).unwrap_or(after.len()));
        kept.push_str(between);
        rest = after;
    }
    kept
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
    fn a_secret_is_struck_out_of_a_query() {
        let secrets = Secrets::new("p&q 项".into());
        assert_eq!(
            secrets.strike("/gettoken?appkey=k&appsecret=p%26q+%E9%A1%B9"),
            "/gettoken?appkey=k&appsecret=[secret]"
        );
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
                "mailto:[private]?x <[private]>",
            ),
            (
                "ou_18eac85d35a26f98 at 50 of 1000",
                "ou_18eac85d35a26f98 at 50 of 1000",
            ),
            ("手机号13800000000不合法", "手机号[private]不合法"),
            ("(555)0100200!", "[private]!"),
            (
                "error[subcode=60121] 16l4ew3d47pdp",
                "error[subcode=60121] 16l4ew3d47pdp",
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
