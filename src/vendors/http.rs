//! The one HTTP client: one request out, one bounded answer in, and an honest word about what
//! happened when there is none.
//!
//! It knows no vendor, no envelope, no token and no retry.
//!
//! # Guarantees
//!
//! - A request leaves at most once: redirects are not followed, and the connection pool sends again only
//!   what it never began to write.
//! - [`Lost::Unreachable`] means that not one byte of the request left: the name was not found, the
//!   connection or its TLS handshake failed, or a proxy would not open a tunnel. Whatever is in doubt is
//!   [`Lost::Unanswered`].
//! - Requests to loopback never pass through a proxy.
//!
//! # Caveats
//!
//! - An idle connection that the vendor closes just as a request is written makes an unanswered
//!   request, because nobody can tell whether it was read. Connections are therefore given up after a
//!   short idle time, well before vendors do.

use std::borrow::Cow;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Response, Url};

use super::BuildError;
use super::digest::digest;
use crate::engine::health::Heard;

/// The most that is read of an answer.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(15);

/// A client for one server.
pub(crate) struct Http {
    client: Client,
    base: Url,
    /// The longest that one exchange takes, from connecting to the last byte.
    pub(crate) timeout: Duration,
    /// The `Date` of the last answer, and when it came.
    date: Mutex<Option<(Timestamp, Instant)>>,
}

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// What the vendor knows the caller by; secret values are marked as sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Body<'a>>,
}

/// What a request carries, sent as it is.
pub(crate) enum Body<'a> {
    Json(Cow<'a, str>),
    Form(&'a Form),
}

/// A form with a file in it (`multipart/form-data`).
pub(crate) struct Form {
    boundary: String,
    bytes: Vec<u8>,
}

impl Form {
    /// A form of short fields, whose names and values are ours, and a file. The boundary is made of the
    /// file, so that the same form always makes the same bytes.
    pub(crate) fn new(fields: &[(&str, &str)], (name, file): (&str, &[u8])) -> Self {
        let boundary = format!("beadle-{}", digest([file]));
        let mut bytes = Vec::with_capacity(file.len() + 512);
        for (field, value) in fields {
            let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"");
            bytes.extend_from_slice(format!("{head}\r\n\r\n{value}\r\n").as_bytes());
        }
        // Servers take a part for a file by its file name, and Feishu looks at the bytes for its kind.
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(file);
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Self { boundary, bytes }
    }
}

/// A whole answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole answer.
pub(crate) enum Lost {
    /// Not one byte of the request left.
    Unreachable(String),
    /// It may have arrived.
    Unanswered {
        /// What came before the answer broke off; the body as far as it was read.
        partial: Option<Reply>,
        why: String,
    },
}

/// What the server's clock said when it answered.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

impl Http {
    /// Makes a client for an address that [`checked_base`] let pass. `ca` is a PEM bundle that is trusted
    /// in place of the public authorities.
    pub(crate) fn new(
        base: Url,
        connect_timeout: Duration,
        timeout: Duration,
        ca: Option<&[u8]>,
    ) -> Result<Self, BuildError> {
        // An error says that a provider was installed before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(concat!("beadle/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // Shorter than the whole, so that a connection that does not come about shows as such.
            .connect_timeout(connect_timeout.min(timeout / 2))
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true);
        let builder = match ca {
            Some(pem) => builder.tls_certs_only(bundle(pem)?),
            // Plain http stays so, as redirects are not followed: no roots to read.
            None if base.scheme() == "http" => builder.tls_certs_only([]),
            // Without the roots of our own the client cannot be built where the system has none, not
            // even for plain http (reqwest issues 2965 and 2988).
            None => builder.tls_certs_merge(public_roots()),
        };
        let builder = if is_loopback(&base) {
            builder.no_proxy()
        } else {
            builder
        };
        let client = builder
            .build()
            .map_err(|e| BuildError::Client(chain(&e.without_url())))?;
        Ok(Self {
            client,
            base,
            timeout,
            date: Mutex::default(),
        })
    }

    /// What the server's clock said last, if it did.
    pub(crate) fn clock(&self) -> Option<Heard> {
        let date = *self.date.lock().unwrap_or_else(PoisonError::into_inner);
        date.map(|(said, at)| Heard {
            said,
            ago: at.elapsed(),
        })
    }

    fn hear(&self, headers: &HeaderMap) {
        if let Some(said) = date(headers) {
            let heard = Some((said, Instant::now()));
            *self.date.lock().unwrap_or_else(PoisonError::into_inner) = heard;
        }
    }

    /// The address of a path below the base, or what is wrong with it.
    ///
    /// A segment stays one segment: what would climb or vanish when the address is normalised is refused,
    /// since a delete must not reach another object than it names.
    pub(crate) fn url<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
        query: &[(&str, &str)],
    ) -> Result<Url, String> {
        let mut url = self.base.clone();
        {
            let mut path = url
                .path_segments_mut()
                .map_err(|()| "the address cannot have a path".to_owned())?;
            path.pop_if_empty();
            for segment in segments {
                if matches!(segment, "" | "." | "..") || segment.contains(char::is_control) {
                    return Err(format!("the id {segment:?} cannot stand in an address"));
                }
                path.push(segment);
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Sends a request once and reads its answer.
    pub(crate) async fn exchange(&self, request: Request<'_>) -> Result<Reply, Lost> {
        let mut builder = self.client.request(request.method, request.url);
        builder = builder.headers(request.headers);
        builder = match request.body {
            None => builder,
            Some(Body::Json(body)) => builder
                .header(CONTENT_TYPE, "application/json; charset=utf-8")
                .body(body.into_owned()),
            Some(Body::Form(form)) => {
                let kind = format!("multipart/form-data; boundary={}", form.boundary);
                builder.header(CONTENT_TYPE, kind).body(form.bytes.clone())
            }
        };
        let response = builder.send().await.map_err(|error| {
            // A builder error is found before anything is connected.
            let unsent = error.is_connect() || error.is_builder();
            let why = self.explain(error);
            if unsent {
                Lost::Unreachable(why)
            } else {
                Lost::Unanswered { partial: None, why }
            }
        })?;
        self.read(response).await
    }

    async fn read(&self, mut response: Response) -> Result<Reply, Lost> {
        let mut reply = Reply {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
        };
        self.hear(&reply.headers);
        let why = loop {
            match response.chunk().await {
                Ok(None) => return Ok(reply),
                Ok(Some(chunk)) if reply.body.len() + chunk.len() > BODY_LIMIT => {
                    break format!("the answer is larger than {BODY_LIMIT} bytes");
                }
                Ok(Some(chunk)) => reply.body.extend_from_slice(&chunk),
                Err(error) => break self.explain(error),
            }
        };
        Err(Lost::Unanswered {
            partial: Some(reply),
            why,
        })
    }

    /// The words of an error without its address, whose query may hold a token.
    fn explain(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        if error.is_timeout() && !error.is_connect() {
            return format!("no whole answer within {:?}", self.timeout);
        }
        // Without the first error, which only names the address, and the second one's "client error".
        let text = error.source().map_or_else(|| error.to_string(), chain);
        let text = match text.split_once("): ") {
            Some((start, rest)) if start.starts_with("client error (") => rest.to_owned(),
            _ => text,
        };
        if error.is_timeout() {
            format!("{text} (no connection in time)")
        } else {
            text
        }
    }
}

/// Reads the address of a server and refuses those that credentials must not be sent to: they go to the
/// vendor's own hosts, to loopback, and to hosts that the environment allows, and in plain text to
/// loopback only.
pub(crate) fn checked_base(
    text: &str,
    own: &[&str],
    allowed: &[String],
) -> Result<Url, BuildError> {
    let bad = |why: &str| BuildError::Address(why.to_owned());
    let url = Url::parse(text).map_err(|e| bad(&e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it must not hold a user or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it must not have a query or a fragment"));
    }
    let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
    let host = host.trim_end_matches('.').to_owned();
    if is_loopback(&url) {
        return match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(bad(&format!("{other} is not http"))),
        };
    }
    let known = own.iter().any(|own| *own == host)
        || allowed.iter().any(|a| a.trim().eq_ignore_ascii_case(&host));
    match url.scheme() {
        _ if !known => Err(BuildError::ForeignHost(host)),
        "https" => Ok(url),
        _ => Err(BuildError::PlainText(host)),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    match ip.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.trim_end_matches('.') == "localhost",
    }
}

fn bundle(pem: &[u8]) -> Result<Vec<Certificate>, BuildError> {
    let certificates = Certificate::from_pem_bundle(pem)
        .map_err(|e| BuildError::Authorities(chain(&e.without_url())))?;
    if certificates.is_empty() {
        return Err(BuildError::Authorities("it holds no certificate".into()));
    }
    Ok(certificates)
}

fn public_roots() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|root| Certificate::from_der(root).ok())
}

/// An error and its causes in a line, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(base: &str) -> Http {
        let base = checked_base(base, &[], &[]).unwrap();
        Http::new(base, Duration::from_secs(1), Duration::from_secs(2), None).unwrap()
    }

    #[test]
    fn credentials_go_to_known_hosts_only() {
        let own = ["open.feishu.cn"];
        let allowed = ["Proxy.Example".to_owned()];
        let check = |text| match checked_base(text, &own, &allowed) {
            Ok(_) => "ok",
            Err(BuildError::ForeignHost(_)) => "foreign",
            Err(BuildError::PlainText(_)) => "plain",
            Err(BuildError::Address(_)) => "address",
            Err(_) => "other",
        };
        assert_eq!(check("https://open.feishu.cn"), "ok");
        assert_eq!(check("https://OPEN.feishu.cn:443/"), "ok");
        assert_eq!(check("https://proxy.example/feishu"), "ok");
        assert_eq!(check("http://127.0.0.1:8700"), "ok");
        assert_eq!(check("http://127.9.9.9"), "ok");
        assert_eq!(check("http://[::1]:8700"), "ok");
        assert_eq!(check("http://localhost:8700"), "ok");
        assert_eq!(check("http://2130706433/"), "ok"); // 127.0.0.1, as the standard reads it
        assert_eq!(check("http://open.feishu.cn"), "plain");
        assert_eq!(check("https://open.feishu.cn.evil.example"), "foreign");
        assert_eq!(check("https://open.feishu.cn@evil.example"), "address");
        assert_eq!(check("https://localhost.evil.example"), "foreign");
        assert_eq!(check("http://128.0.0.1"), "foreign");
        assert_eq!(check("ftp://127.0.0.1"), "address");
        assert_eq!(check("open.feishu.cn"), "address");
        assert_eq!(check(""), "address");
    }

    #[test]
    fn an_id_stays_one_segment() {
        let http = http("http://127.0.0.1:1/prefix/");
        let url = |id| {
            http.url(["a", id], &[("k", "v w")])
                .map(|url| url.to_string())
        };
        let start = "http://127.0.0.1:1/prefix/a/";
        assert_eq!(url("x").unwrap(), format!("{start}x?k=v+w"));
        let quoted = [
            ("../b?c#d", "..%2Fb%3Fc%23d"),
            ("%2e%2e", "%252e%252e"),
            ("\\..\\", "%5C..%5C"),
            ("项 目", "%E9%A1%B9%20%E7%9B%AE"),
        ];
        for (id, segment) in quoted {
            assert_eq!(url(id).unwrap(), format!("{start}{segment}?k=v+w"));
        }
        for id in ["", ".", "..", "a\nb", "a\tb", ".\n.", "\0"] {
            assert!(url(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_form_holds_its_file_byte_for_byte() {
        let form = Form::new(&[("image_type", "message")], ("image", b"\xff\r\n--\0"));
        let boundary = form.boundary.as_bytes();
        assert_eq!(boundary.len(), "beadle-".len() + 40);
        let rest: Vec<u8> = form.bytes.clone();
        let text = String::from_utf8_lossy(&rest).replace(&form.boundary, "B");
        assert_eq!(
            text,
            "--B\r\nContent-Disposition: form-data; name=\"image_type\"\r\n\r\nmessage\r\n\
             --B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"image\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\u{fffd}\r\n--\0\r\n--B--\r\n"
        );
        assert!(form.bytes.windows(6).any(|w| w == b"\xff\r\n--\0"));
        let other = Form::new(&[], ("image", b"other"));
        assert_ne!(form.boundary, other.boundary);
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let base = checked_base("http://127.0.0.1", &[], &[]).unwrap();
        let second = Duration::from_secs(1);
        for pem in [
            "",
            "not a certificate",
            "-----BEGIN CERTIFICATE-----\n!!!\n",
        ] {
            let made = Http::new(base.clone(), second, second, Some(pem.as_bytes()));
            assert!(matches!(made, Err(BuildError::Authorities(_))), "{pem}");
        }
    }
}
