//! A token that is fetched once, kept, renewed early, and fetched anew when the vendor refuses it.
//!
//! It knows no vendor and makes no call: fetching is an argument.
//!
//! # Guarantees
//!
//! - One fetch at a time, however many calls want a token; those that waited share what it brought, its
//!   failure too.
//! - A token that was refused is dropped before the next fetch, and only that one: a call that was
//!   late to notice does not drop its successor.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::engine::ApiError;

/// How long a failure stands for those who ask next, so that a thousand calls do not try one by one what
/// was just found to fail.
const FAILURE_KEPT: Duration = Duration::from_secs(10);

/// The longest that a token is kept, whatever the vendor says of its life.
const LONGEST_LIFE: Duration = Duration::from_secs(7200);

/// A token as it was fetched.
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// When it was asked for: it may have lived since then.
    pub(crate) asked_at: Instant,
    /// How long it lives from then on.
    pub(crate) life: Duration,
}

/// A token as it is sent.
#[derive(Clone)]
pub(crate) struct Token<T> {
    pub(crate) value: T,
    /// Which of this client's tokens it is.
    pub(crate) number: u64,
    renew_at: Instant,
}

/// The token of one client.
pub(crate) struct Tokens<T> {
    /// A token with less to live is renewed.
    early: Duration,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    token: Option<Token<T>>,
    fetched: u64,
    failed: Option<(Instant, ApiError)>,
}

impl<T: Clone> Tokens<T> {
    /// No token yet. One with less than `early` to live will be renewed.
    pub(crate) fn new(early: Duration) -> Self {
        let slot = Slot {
            token: None,
            fetched: 0,
            failed: None,
        };
        Self {
            early,
            slot: Mutex::new(slot),
        }
    }

    /// A token that is good for a while.
    pub(crate) async fn get(
        &self,
        fetch: impl Future<Output = Result<Fetched<T>, ApiError>>,
    ) -> Result<Token<T>, ApiError> {
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
        match fetch.await {
            Ok(fetched) => {
                slot.fetched += 1;
                slot.failed = None;
                let life = fetched.life.min(LONGEST_LIFE);
                let token = Token {
                    value: fetched.value,
                    number: slot.fetched,
                    // A short life is not used up by being early.
                    renew_at: fetched.asked_at + life - self.early.min(life / 2),
                };
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
    pub(crate) async fn discard(&self, number: u64) {
        let mut slot = self.slot.lock().await;
        if slot.token.as_ref().is_some_and(|t| t.number == number) {
            slot.token = None;
        }
    }
}
