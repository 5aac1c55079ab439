//! The tenant token: how it is fetched and read. How it is kept is in `vendors/token.rs`.

use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::call::{Ask, Before, Failure, Link, Next};
use super::wire::{Credentials, Members, TokenAnswer};
use crate::engine::ApiError;
use crate::vendors::limits::TOKEN;
use crate::vendors::retry::Tries;
use crate::vendors::token::{Fetched, Token};

/// A token with less to live is renewed. Above half an hour the vendor would give the same one again.
const EARLY: Duration = Duration::from_secs(8 * 60);

/// The token of one client, as the `Authorization` header, marked as sensitive.
pub(super) struct Tokens(crate::vendors::token::Tokens<HeaderValue>);

impl Default for Tokens {
    fn default() -> Self {
        Self(crate::vendors::token::Tokens::new(EARLY))
    }
}

impl Tokens {
    /// A token that is good for a while.
    pub(super) async fn get(&self, link: &Link) -> Result<Token<HeaderValue>, ApiError> {
        self.0.get(fetch(link)).await
    }

    /// Drops a token that the vendor refused.
    pub(super) async fn discard(&self, number: u64) {
        self.0.discard(number).await;
    }
}

async fn fetch(link: &Link) -> Result<Fetched<HeaderValue>, ApiError> {
    let credentials = Credentials {
        app_id: link.app.as_str(),
        app_secret: link.secrets.lasting(),
    };
    let body = serde_json::to_string(&credentials).expect("text becomes JSON");
    let ask = Ask::new(TOKEN).body(Some(&body));
    let mut tries = Tries::new(link.patience);
    loop {
        let asked_at = Instant::now();
        let attempt = link
            .exchange(&ask, None, tries.attempt, Before::Nothing)
            .await;
        let Failure { error, next } = match attempt {
            Err(failure) => failure,
            Ok((reply, members)) => match read(link, members, asked_at) {
                Ok(token) => return Ok(token),
                Err(why) => link.unknown(ask.row, Some(&reply), why),
            },
        };
        let told = match next {
            Next::Stop | Next::Renew => return Err(error),
            Next::Again => None,
            Next::Throttled(told) => told,
        };
        match tries.again(told) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
    }
}

/// Reads the answer. What is wrong with it is said without quoting it.
fn read(link: &Link, members: Members, asked_at: Instant) -> Result<Fetched<HeaderValue>, String> {
    let answer: TokenAnswer = serde_json::from_value(members.into())
        .map_err(|_| "the answer holds no token with a lifetime".to_owned())?;
    link.secrets.learn(&answer.tenant_access_token);
    let mut header = HeaderValue::try_from(format!("Bearer {}", answer.tenant_access_token))
        .map_err(|_| "the token cannot stand in a header".to_owned())?;
    header.set_sensitive(true);
    Ok(Fetched {
        value: header,
        asked_at,
        life: Duration::from_secs(answer.expire),
    })
}
