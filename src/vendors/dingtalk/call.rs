//! How a request is made and what every answer has. The older host takes the token in the query, answers
//! HTTP 200 whatever happens, and may wrap a code in another one; the newer host answers with a word.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;

use super::DingTalk;
use super::codes;
use crate::engine::ApiError;
use crate::vendors::calls::{Client, Envelope, Link, Made, Manner, Members, text};
use crate::vendors::http::{Body, Request};
use crate::vendors::limits::Row;
use crate::vendors::limits::dingtalk::{BAN, rule};
use crate::vendors::token::{Fetched, Tokens};

pub(super) const MANNER: Manner = Manner {
    vendor: "DingTalk",
    envelope,
    rule,
    hint: codes::hint,
    // A bad token has a code at either host.
    unauthorized: &[],
    untimely: &[],
};

impl Client for DingTalk {
    fn link(&self) -> &Link {
        &self.link
    }

    fn tokens(&self) -> &Tokens<SecretString> {
        &self.tokens
    }

    async fn fetch(&self) -> Result<Fetched<SecretString>, ApiError> {
        super::token::fetch(self).await
    }

    fn request<'a>(&'a self, row: &Row, token: &str, body: &'a str) -> Made<'a> {
        let path = row.path.iter().copied();
        let mut headers = HeaderMap::new();
        // What begins with a version is served by the newer host, which reads this header alone.
        let (http, query) = if row.path.first() == Some(&"v1.0") {
            let mut token = HeaderValue::try_from(token)
                .map_err(|_| "the token cannot stand in a header".to_owned())?;
            token.set_sensitive(true);
            headers.insert(
                HeaderName::from_static("x-acs-dingtalk-access-token"),
                token,
            );
            (&self.new, None)
        } else {
            (&self.old, Some(("access_token", token)))
        };
        let request = Request {
            method: row.method.clone(),
            url: http.url(path, query.as_slice())?,
            headers,
            body: Some(Body::Json(body.into())),
        };
        Ok((http, request))
    }
}

/// Reads an envelope of either host, or the answer that a banned address gets.
fn envelope(members: &Members) -> Option<Envelope> {
    if let Some(code) = text(members, "errcode") {
        let inner = text(members, "sub_code");
        let words = match inner {
            Some(_) => text(members, "sub_msg").or_else(|| text(members, "errmsg")),
            None => text(members, "errmsg"),
        };
        let code = inner.unwrap_or(code);
        return Some(Envelope {
            ok: code == "0",
            code,
            message: words,
            log_id: text(members, "request_id"),
        });
    }
    if text(members, "status").as_deref() == Some(BAN) {
        return Some(Envelope {
            code: BAN.to_owned(),
            ok: false,
            message: Some("this machine's address is banned".to_owned()),
            log_id: text(members, "uuid"),
        });
    }
    // The newer host's successes have no code, but what was asked for.
    let ok = ["accessToken", "processQueryKey"]
        .iter()
        .any(|name| members.get(*name).is_some_and(Value::is_string));
    let code = text(members, "code").or_else(|| ok.then(|| "0".to_owned()))?;
    Some(Envelope {
        ok: code == "0" && ok,
        code,
        message: text(members, "message"),
        log_id: text(members, "requestid"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_that_counts_is_found_wherever_it_stands() {
        for (body, code) in [
            (r#"{"errcode":0,"errmsg":"ok"}"#, "0"),
            (r#"{"errcode":"60121"}"#, "60121"),
            (
                r#"{"errcode":88,"sub_code":"40014","sub_msg":"x"}"#,
                "40014",
            ),
            (r#"{"errcode":88,"sub_code":90018}"#, "90018"),
            (r#"{"errcode":0,"sub_code":"90018"}"#, "90018"),
            (r#"{"errcode":33012,"sub_code":""}"#, "33012"),
            (r#"{"errcode":88,"sub_code":null}"#, "88"),
            (
                r#"{"code":"invalidClientIdOrSecret"}"#,
                "invalidClientIdOrSecret",
            ),
            (r#"{"accessToken":"t","expireIn":7200}"#, "0"),
            (r#"{"processQueryKey":"k"}"#, "0"),
            (r#"{"status":1111,"wait":5,"punish":"deny"}"#, "1111"),
        ] {
            let members = serde_json::from_str(body).unwrap();
            let envelope = envelope(&members).unwrap();
            assert_eq!((envelope.code.as_str(), envelope.ok), (code, code == "0"));
        }
        for body in [
            "{}",
            r#"{"result":{}}"#,
            r#"{"errcode":null}"#,
            r#"{"errcode":[0]}"#,
        ] {
            assert!(
                envelope(&serde_json::from_str(body).unwrap()).is_none(),
                "{body}"
            );
        }
    }
}
