//! How often and how long a call is tried: bounds, and back-off with jitter.
//!
//! Which failures may be tried again is not decided here but by the endpoint's row.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The bounds of trying.
///
/// They count what failures cost. Waiting for a turn under a published rate is not a failure and is not
/// bounded: the end of a long plan waits as long as its budget said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// The first wait of the back-off, before jitter; each further one is twice as long.
    pub first: Duration,
    /// The longest single wait, whatever the vendor asks for.
    pub longest: Duration,
    /// The longest waiting in all.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first: Duration::from_millis(500),
            // Feishu counts in minutes, so no honest reset is longer.
            longest: Duration::from_secs(60),
            total: Duration::from_secs(180),
        }
    }
}

/// What one call has used up of its [`Patience`].
pub(crate) struct Tries {
    patience: Patience,
    /// The number of the attempt that is under way, from one.
    pub(crate) attempt: u32,
    waited: Duration,
    backoff: ExponentialBackoff,
}

impl Tries {
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            patience,
            attempt: 1,
            waited: Duration::ZERO,
            backoff: ExponentialBuilder::new()
                .with_min_delay(patience.first)
                .with_max_delay(patience.longest)
                .without_max_times()
                .with_jitter()
                .build(),
        }
    }

    /// The wait before the next attempt, or none when it is time to give up. `told` is the vendor's word
    /// about it; without one it is the back-off's turn.
    pub(crate) fn again(&mut self, told: Option<Duration>) -> Option<Duration> {
        if self.attempt >= self.patience.attempts {
            return None;
        }
        let wait = told
            .filter(|told| !told.is_zero())
            .or_else(|| self.backoff.next())?
            .min(self.patience.longest);
        if self.waited + wait > self.patience.total {
            return None;
        }
        self.attempt += 1;
        self.waited += wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn attempts_are_bounded() {
        let mut tries = Tries::new(Patience::default());
        let waits: Vec<_> = std::iter::from_fn(|| tries.again(None)).collect();
        assert_eq!(waits.len(), 4);
        assert_eq!(tries.attempt, 5);
        for (wait, least) in waits.iter().zip([500, 1000, 2000, 4000]) {
            let least = Duration::from_millis(least);
            assert!(*wait >= least && *wait <= 2 * least, "{wait:?}");
        }
    }

    #[test]
    fn the_vendors_word_is_taken_up_to_the_longest_wait() {
        let mut tries = Tries::new(Patience::default());
        assert_eq!(tries.again(Some(secs(7))), Some(secs(7)));
        assert_eq!(tries.again(Some(secs(86_400))), Some(secs(60)));
        assert!(tries.again(Some(Duration::ZERO)).unwrap() >= Duration::from_millis(500));
    }

    #[test]
    fn waiting_is_bounded_in_all() {
        let mut tries = Tries::new(Patience::default());
        let waits = std::iter::from_fn(|| tries.again(Some(Duration::MAX)));
        assert_eq!(waits.sum::<Duration>(), secs(180));
    }
}
