//! How a request is signed and what every answer has.
//!
//! # Guarantees
//!
//! - No two requests of one client have the same timestamp, because a repeated digest is refused.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use super::{Enos, codes, sign};
use crate::engine::ApiError;
use crate::vendors::calls::{Client, Envelope, Link, Made, Manner, Members, text};
use crate::vendors::http::{Body, Request};
use crate::vendors::limits::Row;
use crate::vendors::limits::enos::{GET_NOTICE, PRODUCE, rule};
use crate::vendors::token::{Fetched, Tokens};

pub(super) const MANNER: Manner = Manner {
    vendor: "EnOS",
    envelope,
    rule,
    hint: codes::hint,
    // Where a dead token shows is not documented.
    unauthorized: &[401, 403],
    // Nor is what a timestamp is answered that is too far off: a parameter or a signature that is wrong.
    untimely: &["1001", "1003", "1004", "1202", "1203", "1204"],
};

/// A clock that never gives one time twice.
pub(super) struct Clock {
    now: fn() -> Timestamp,
    last: AtomicI64,
}

impl Clock {
    pub(super) fn new(now: fn() -> Timestamp) -> Self {
        Self {
            now,
            last: AtomicI64::new(0),
        }
    }

    /// Unix time in milliseconds, or a little later.
    pub(super) fn millis(&self) -> i64 {
        let now = (self.now)().as_millisecond();
        let next = |last: i64| now.max(last + 1);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        next(last.expect("there is always a next time"))
    }
}

impl Client for Enos {
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
        let millis = self.clock.millis().to_string();
        let secret = self.link.secrets.lasting();
        // The OU stands in the body of some calls and in the query of others.
        let query = [("orgId", &*self.org_id)];
        let query = if [PRODUCE, GET_NOTICE].contains(&row.operation) {
            &query[..]
        } else {
            &[]
        };
        let signature = sign::signature(token, query, body, &millis, secret);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("apim-accesstoken", token),
            ("apim-signature", &signature),
            ("apim-timestamp", &millis),
        ] {
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| "the token cannot stand in a header".to_owned())?;
            value.set_sensitive(name != "apim-timestamp");
            headers.insert(HeaderName::from_static(name), value);
        }
        let request = Request {
            method: row.method.clone(),
            url: self.http.url(row.path.iter().copied(), query)?,
            headers,
            body: Some(Body::Json(body.into())),
        };
        Ok((&self.http, request))
    }
}

/// Reads an envelope: `code` of the portal, `status` of the token service, `apim_status` of older
/// gateways. One sample of the token service misspells `status`, so a token without one counts.
fn envelope(members: &Members) -> Option<Envelope> {
    let portal = text(members, "code");
    let token_service = text(members, "status").or_else(|| text(members, "apim_status"));
    let (code, ok) = match (portal, token_service) {
        // Older samples of the portal have 200 for success.
        (Some(code), _) => {
            let ok = code == "0" || code == "200";
            (code, ok)
        }
        (None, Some(status)) => {
            let ok = status == "0";
            (status, ok)
        }
        (None, None) => {
            members.get("data")?.get("accessToken")?;
            ("0".to_owned(), true)
        }
    };
    Some(Envelope {
        code,
        ok,
        message: text(members, "message").or_else(|| text(members, "msg")),
        log_id: text(members, "requestId"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_gives_one_time_twice() {
        let clock = Clock::new(|| Timestamp::from_millisecond(1_768_465_800_000).unwrap());
        assert_eq!(clock.millis(), 1_768_465_800_000);
        assert_eq!(clock.millis(), 1_768_465_800_001);
    }

    #[test]
    fn an_envelope_is_read_in_every_style() {
        for (body, code, ok) in [
            (r#"{"code":0,"message":"","data":null}"#, "0", true),
            (r#"{"code":200}"#, "200", true),
            (r#"{"code":31403,"message":"x"}"#, "31403", false),
            (r#"{"code":1203,"msg":"x"}"#, "1203", false),
            (r#"{"status":0,"data":{"accessToken":"t"}}"#, "0", true),
            (r#"{"status":200}"#, "200", false),
            (r#"{"status":1003,"msg":"x","data":null}"#, "1003", false),
            (r#"{"apim_status":4011}"#, "4011", false),
            (r#"{"stauts":0,"data":{"accessToken":"t"}}"#, "0", true),
        ] {
            let members = serde_json::from_str(body).unwrap();
            let envelope = envelope(&members).unwrap();
            assert_eq!((envelope.code.as_str(), envelope.ok), (code, ok), "{body}");
        }
        for body in ["{}", r#"{"data":{}}"#, r#"{"code":null}"#] {
            assert!(
                envelope(&serde_json::from_str(body).unwrap()).is_none(),
                "{body}"
            );
        }
    }
}
