//! The seam to how a client stands with its vendor, for a person who asks what is wrong.

use std::time::Duration;

use jiff::Timestamp;

use super::{ApiError, Pending};

/// Tells how things stand. It changes nothing at the vendor.
pub trait Health: Send + Sync {
    /// Whether the vendor takes the app's credentials. A token that is still good is an answer too.
    ///
    /// # Errors
    ///
    /// When it does not take them, or cannot be asked.
    fn sign_in(&self) -> Pending<'_, Result<(), ApiError>>;

    /// What the vendor's clock said in its last answer, if any answer did.
    fn clock(&self) -> Option<Heard>;
}

/// A clock that was read over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it said, to the second.
    pub said: Timestamp,
    /// How long ago.
    pub ago: Duration,
}
