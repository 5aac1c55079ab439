//! Keeps the apply lease alive while a command works.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clock;
use super::error::Failure;
use crate::engine::ledger::{Holder, Ledger, LedgerError};
use crate::engine::right::{Right, Stop};

/// How long a lease lives without a heartbeat, beyond the time-out of a call.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// A held lease with its heartbeat.
pub(super) struct Keeper {
    ledger: Arc<dyn Ledger>,
    pub(super) right: Arc<Right>,
    heartbeat: tokio::task::JoinHandle<()>,
}

impl Keeper {
    /// Takes the lease, waiting at most `wait` for another holder to end.
    pub(super) async fn acquire(
        ledger: Arc<dyn Ledger>,
        command: &str,
        call_timeout: Duration,
        wait: Duration,
        stop: &Stop,
        say: &dyn Fn(&str),
    ) -> Result<Self, Failure> {
        let timeout =
            SignedDuration::try_from(call_timeout).unwrap_or(SignedDuration::from_hours(1));
        let ttl = timeout + MARGIN;
        let holder = holder(command);
        let give_up = tokio::time::Instant::now() + wait;
        let mut said = false;
        let (lease, asked) = loop {
            let now = clock::now();
            match ledger.acquire(&holder, now, ttl).await {
                // From before it was asked for: never later than the ledger's own reckoning.
                Ok(lease) => break (lease, now),
                Err(error @ LedgerError::Held(_)) => {
                    if stop.is_asked() {
                        return Err(Failure::interrupted());
                    }
                    if tokio::time::Instant::now() >= give_up {
                        return Err(error.into());
                    }
                    if !said {
                        say(&format!("Waiting: {error}."));
                        said = true;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let expires = asked.saturating_add(ttl).unwrap_or(Timestamp::MAX);
        let right = Arc::new(Right::new(lease, expires));
        let heartbeat = tokio::spawn(beat(Arc::clone(&ledger), Arc::clone(&right), ttl));
        Ok(Self {
            ledger,
            right,
            heartbeat,
        })
    }

    /// Gives the lease back.
    pub(super) async fn release(self) -> Result<(), LedgerError> {
        self.heartbeat.abort();
        self.ledger.release(&self.right.lease, clock::now()).await
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

async fn beat(ledger: Arc<dyn Ledger>, right: Arc<Right>, ttl: SignedDuration) {
    let pause = Duration::try_from(ttl / 4).unwrap_or(Duration::from_secs(10));
    loop {
        tokio::time::sleep(pause).await;
        let now = clock::now();
        match ledger.renew(&right.lease, now, ttl).await {
            Ok(()) => right.extend(now.saturating_add(ttl).unwrap_or(Timestamp::MAX)),
            Err(LedgerError::LeaseLost(why)) => {
                tracing::warn!("the lease was lost: {why}");
                right.lose();
                return;
            }
            // The lease lives on for a while; the next beat may come through.
            Err(error) => tracing::warn!("the lease could not be renewed: {error}"),
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The person or job, as well as it is known.
pub(super) fn user() -> String {
    let user = [
        "GITHUB_ACTOR",
        "GITLAB_USER_LOGIN",
        "USER",
        "LOGNAME",
        "USERNAME",
    ]
    .into_iter()
    .find_map(env);
    user.unwrap_or_else(|| "somebody".to_owned())
}

fn holder(command: &str) -> Holder {
    let host = env("HOSTNAME")
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map_or_else(|| "this machine".to_owned(), |h| h.trim().to_owned());
    Holder {
        host,
        pid: std::process::id(),
        user: user(),
        command: command.to_owned(),
    }
}
