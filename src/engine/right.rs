//! The right to write, as the engine sees it: a lease that somebody else keeps alive.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::ledger::Lease;

/// A lease with its present expiry.
///
/// # Caveats
///
/// Vendors cannot check a fencing number. A write starts only when the lease outlives the call's
/// time-out, but a process that is paused between that check and its first byte can still write
/// after its lease has passed to another.
#[derive(Debug)]
pub struct Right {
    /// The lease, as the ledger gave it.
    pub lease: Lease,
    expires_ms: AtomicI64,
    lost: AtomicBool,
}

impl Right {
    /// Wraps a lease that ends at `expires`.
    #[must_use]
    pub fn new(lease: Lease, expires: Timestamp) -> Self {
        Self {
            lease,
            expires_ms: AtomicI64::new(expires.as_millisecond()),
            lost: AtomicBool::new(false),
        }
    }

    /// Notes that the lease was renewed.
    pub fn extend(&self, expires: Timestamp) {
        self.expires_ms
            .store(expires.as_millisecond(), Ordering::SeqCst);
    }

    /// Notes that it was lost; for good.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    /// Whether a call of at most `timeout_ms` milliseconds that starts now ends within the lease.
    #[must_use]
    pub fn covers(&self, now: Timestamp, timeout_ms: u64) -> bool {
        let needed = SignedDuration::from_millis(i64::try_from(timeout_ms).unwrap_or(i64::MAX));
        let left = self
            .expires_ms
            .load(Ordering::SeqCst)
            .saturating_sub(now.as_millisecond());
        !self.lost.load(Ordering::SeqCst) && SignedDuration::from_millis(left) > needed
    }
}

/// Asks the work to end: what is under way is finished, nothing more is begun.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    heard: Notify,
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.heard.notify_waiters();
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until somebody asks, or has asked before.
    pub async fn asked(&self) {
        let mut heard = std::pin::pin!(self.heard.notified());
        // From here on no word is missed: it is listened for before the flag is looked at.
        heard.as_mut().enable();
        if !self.is_asked() {
            heard.await;
        }
    }
}
