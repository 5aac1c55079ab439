//! Who may speak to a sandbox on loopback: programs of this machine, and no web page from elsewhere.
//!
//! A page in a browser reaches loopback too. By a name of its own that resolves there it would read the
//! answers (DNS rebinding), and by a plain form it could change the world without reading any. Both show:
//! the first in `Host`, the second in `Origin`.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets a request pass, or refuses it before anything is read of it.
///
/// A sandbox that was told to listen for others is called by names that nobody here knows, and lets all pass.
pub(super) async fn only_local(
    State(on_loopback): State<bool>,
    request: Request,
    next: Next,
) -> Response {
    if on_loopback && !is_local(request.headers()) {
        let why = "the sandbox listens on loopback, and answers programs that call it there by \
                   localhost or an address: not by another name, and not pages from elsewhere\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

fn is_local(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).is_none_or(names_loopback);
    let origin = text(header::ORIGIN).is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some_and(names_loopback)
    });
    host && origin
}

/// Whether a host, perhaps with a port, is loopback without anybody's having to look it up.
fn names_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match name.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}
