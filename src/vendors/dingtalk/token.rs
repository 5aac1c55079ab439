//! The app's token: the newer way, and the older one where the newer way cannot be had.
//!
//! A fetch within a token's life gives the same one and extends it, and one token serves both hosts
//! (pages `obtain-the-access-token-of-an-internal-app` and `obtain-orgapp-token`).

use std::time::Duration;

use reqwest::header::HeaderMap;
use secrecy::SecretString;
use tokio::time::Instant;

use super::DingTalk;
use super::wire::{Credentials, LegacyToken, Token};
use crate::engine::ApiError;
use crate::vendors::calls::{Link, Made, Members};
use crate::vendors::http::{Body, Http, Request};
use crate::vendors::limits::dingtalk::{LEGACY_TOKEN, TOKEN, row};
use crate::vendors::token::Fetched;

pub(super) async fn fetch(client: &DingTalk) -> Result<Fetched<SecretString>, ApiError> {
    let newer = match by_newer_call(client).await {
        Err(error @ (ApiError::Unreachable(_) | ApiError::Unknown(_))) => error,
        told => return told,
    };
    // A server that stands for DingTalk may know the older calls only. Whom it refuses there is
    // refused; else the first failure says more.
    match by_older_call(client).await {
        Err(ApiError::Unreachable(_) | ApiError::Unknown(_)) => Err(newer),
        told => told,
    }
}

async fn by_newer_call(client: &DingTalk) -> Result<Fetched<SecretString>, ApiError> {
    let credentials = Credentials {
        app_key: client.link.app.as_str(),
        app_secret: client.link.secrets.lasting(),
    };
    let body = serde_json::to_string(&credentials).expect("text becomes JSON");
    let read = |members: Members, asked_at| {
        let token: Token = whole(members)?;
        Ok(learnt(
            &client.link,
            token.access_token,
            token.expire_in,
            asked_at,
        ))
    };
    let make = || request(&client.new, TOKEN, &[], Some(&body));
    client.link.call_without_token(row(TOKEN), make, read).await
}

async fn by_older_call(client: &DingTalk) -> Result<Fetched<SecretString>, ApiError> {
    // In the query, as the call reads nothing else.
    let query = [
        ("appkey", client.link.app.as_str()),
        ("appsecret", client.link.secrets.lasting()),
    ];
    let read = |members: Members, asked_at| {
        let token: LegacyToken = whole(members)?;
        Ok(learnt(
            &client.link,
            token.access_token,
            token.expires_in,
            asked_at,
        ))
    };
    let make = || request(&client.old, LEGACY_TOKEN, &query, None);
    let row = row(LEGACY_TOKEN);
    client.link.call_without_token(row, make, read).await
}

fn request<'a>(
    http: &'a Http,
    operation: &'static str,
    query: &[(&str, &str)],
    body: Option<&'a str>,
) -> Made<'a> {
    let row = row(operation);
    let request = Request {
        method: row.method.clone(),
        url: http.url(row.path.iter().copied(), query)?,
        headers: HeaderMap::new(),
        body: body.map(|body| Body::Json(body.into())),
    };
    Ok((http, request))
}

/// Reads an answer whose members stand at the top. What is wrong with it is said without quoting it.
fn whole<T: for<'de> serde::Deserialize<'de>>(members: Members) -> Result<T, String> {
    serde_json::from_value(members.into()).map_err(|_| "it holds no token with a lifetime".into())
}

fn learnt(link: &Link, token: String, seconds: u64, asked_at: Instant) -> Fetched<SecretString> {
    link.secrets.learn(&token);
    Fetched {
        value: token.into(),
        asked_at,
        life: Duration::from_secs(seconds),
    }
}
