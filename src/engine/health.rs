//! The seam to how a client stands with its vendor, for a person who asks what is wrong.

use std::time::Duration;

use jiff::Timestamp;

use super::quota::Take;
use super::{ApiError, Pending};

/// Tells how things stand. It changes nothing at the vendor.
pub trait Health: Send + Sync {
    /// Whether the vendor takes the app's credentials. A token that is still good is an answer too.
    ///
    /// # Errors
    ///
    /// When it does not take them, or cannot be asked.
    fn sign_in(&self) -> Pending<'_, Result<(), ApiError>>;

    /// What the vendor lets the app send, as far as that is known.
    fn allowances(&self, now: Timestamp) -> Allowances;

    /// What the vendor's clock said in its last answer, if any answer did.
    fn clock(&self) -> Option<Heard>;
}

/// What a vendor lets an app send in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowances {
    /// What the ledger counts, each of the period that we are in and with an amount of nothing.
    pub counted: Vec<Take>,
    /// What nobody counts here, in words.
    pub told: Vec<String>,
}

/// A clock that was read over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it said, to the second.
    pub said: Timestamp,
    /// How long ago.
    pub ago: Duration,
}
