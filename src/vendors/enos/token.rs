//! The application's token. A fetch within its life gives the same one with what is left of it, so one
//! that is about to die is refreshed (pages `get_access_token` and `refresh_access_token`).

use std::time::Duration;

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::wire::{Token, TokenQuery};
use super::{EARLY, Enos, sign};
use crate::engine::ApiError;
use crate::vendors::calls::{Members, member};
use crate::vendors::http::{Body, Request};
use crate::vendors::limits::enos::{REFRESH_TOKEN, TOKEN, row};
use crate::vendors::token::Fetched;

pub(super) async fn fetch(client: &Enos) -> Result<Fetched<SecretString>, ApiError> {
    let token = ask(client, TOKEN, None).await?;
    if token.life >= EARLY {
        return Ok(token);
    }
    let renewed = ask(client, REFRESH_TOKEN, Some(token.value.expose_secret())).await;
    // What is left of it is better than nothing.
    Ok(renewed.unwrap_or(token))
}

async fn ask(
    client: &Enos,
    operation: &'static str,
    token: Option<&str>,
) -> Result<Fetched<SecretString>, ApiError> {
    let row = row(operation);
    let app_key = client.link.app.as_str();
    // Every attempt is signed anew, as a digest is taken once.
    let make = || {
        let timestamp = client.clock.millis();
        let secret = client.link.secrets.lasting();
        let query = TokenQuery {
            app_key,
            encryption: &sign::encryption(app_key, &timestamp.to_string(), secret),
            timestamp,
            access_token: token,
        };
        let body = serde_json::to_string(&query).expect("text and numbers become JSON");
        let request = Request {
            method: row.method.clone(),
            url: client.http.url(row.path.iter().copied(), &[])?,
            headers: HeaderMap::new(),
            body: Some(Body::Json(body.into())),
        };
        Ok((&client.http, request))
    };
    let read = |members: Members, asked_at: Instant| {
        let token: Token = member(members, "data")?;
        client.link.secrets.learn(&token.access_token);
        Ok(Fetched {
            value: token.access_token.into(),
            asked_at,
            life: Duration::from_secs(token.expire),
        })
    };
    client.link.call_without_token(row, make, read).await
}
