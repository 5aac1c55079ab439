//! The tenant token: fetched once, kept, renewed early, and fetched anew when the vendor refuses it.
//!
//! # Guarantees
//!
//! - One fetch at a time, however many calls want a token; those that waited share what it brought, its
//!   failure too.
//! - A token that was refused is dropped before the next fetch, and only that one: a call that was
//!   late to notice does not drop its successor.

use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::call::{Ask, Before, Failure, Link, Next};
use super::wire::{Credentials, Members, TokenAnswer};
use crate::engine::ApiError;
use crate::vendors::limits::TOKEN;
use crate::vendors::retry::Tries;

/// A token with less to live is renewed. Above half an hour the vendor would give the same one again.
const EARLY: Duration = Duration::from_secs(8 * 60);

/// The longest life of a token.
const LONGEST_LIFE: Duration = Duration::from_secs(7200);

/// How long a failure stands for those who ask next, so that a thousand calls do not try one by one what
/// was just found to fail.
const FAILURE_KEPT: Duration = Duration::from_secs(10);

/// A token as it is sent.
#[derive(Clone)]
pub(super) struct Token {
    /// The `Authorization` header, marked as sensitive.
    pub(super) header: HeaderValue,
    /// Which of this client's tokens it is.
    pub(super) number: u64,
    renew_at: Instant,
}

/// The token of one client.
#[derive(Default)]
pub(super) struct Tokens {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    fetched: u64,
    failed: Option<(Instant, ApiError)>,
}

impl Tokens {
    /// A token that is good for a while.
    pub(super) async fn get(&self, link: &Link) -> Result<Token, ApiError> {
        // Held over the fetch: that is what makes it one at a time.
        let mut slot = self.slot.lock().await;
        let now = Instant::now();
        if let Some(token) = slot.token.as_ref().filter(|token| token.renew_at > now) {
            return Ok(token.clone());
        }
        if let Some((at, error)) = &slot.failed
            && now < *at + FAILURE_KEPT
        {
            return Err(error.clone());
        }
        match fetch(link, slot.fetched + 1).await {
            Ok(token) => {
                slot.fetched = token.number;
                slot.failed = None;
                slot.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Drops a token that the vendor refused.
    pub(super) async fn discard(&self, number: u64) {
        let mut slot = self.slot.lock().await;
        if slot.token.as_ref().is_some_and(|t| t.number == number) {
            slot.token = None;
        }
    }
}

async fn fetch(link: &Link, number: u64) -> Result<Token, ApiError> {
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
            Ok((reply, members)) => match read(link, members, number, asked_at) {
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
fn read(link: &Link, members: Members, number: u64, asked_at: Instant) -> Result<Token, String> {
    let answer: TokenAnswer = serde_json::from_value(members.into())
        .map_err(|_| "the answer holds no token with a lifetime".to_owned())?;
    link.secrets.learn(&answer.tenant_access_token);
    let mut header = HeaderValue::try_from(format!("Bearer {}", answer.tenant_access_token))
        .map_err(|_| "the token cannot stand in a header".to_owned())?;
    header.set_sensitive(true);
    let life = Duration::from_secs(answer.expire).min(LONGEST_LIFE);
    Ok(Token {
        header,
        number,
        // A short life is not used up by being early.
        renew_at: asked_at + life - EARLY.min(life / 2),
    })
}
