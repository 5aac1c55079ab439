//! The clock of commands: this machine's, or that of the server where the ledger is.
//!
//! Machines that share a ledger have to agree what is due, how old a call without an answer is, and how
//! long a right lasts. They agree with the server, whatever their own clocks say.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::engine::ledger::LedgerError;
use crate::engine::outbox::Books;

/// How much more than this the clocks differ before somebody is told.
const WORTH_TELLING: SignedDuration = SignedDuration::from_secs(2);

/// How far the ledger's clock is ahead of this machine's, in microseconds. One process has one ledger.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// The present instant.
pub(super) fn now() -> Timestamp {
    let ahead = SignedDuration::from_micros(AHEAD.load(Ordering::Relaxed));
    let now = of_the_machine();
    now.saturating_add(ahead).unwrap_or(now)
}

#[cfg(not(debug_assertions))]
fn of_the_machine() -> Timestamp {
    Timestamp::now()
}

/// In a debug build `BEADLE_CLOCK_AHEAD` puts it forward by so many seconds, so that a test need not wait for
/// a whole minute to come, and has machines that disagree.
#[cfg(debug_assertions)]
fn of_the_machine() -> Timestamp {
    use std::sync::LazyLock;
    static FORWARD: LazyLock<SignedDuration> = LazyLock::new(|| {
        let seconds = std::env::var("BEADLE_CLOCK_AHEAD").ok();
        let seconds = seconds.and_then(|seconds| seconds.parse().ok());
        SignedDuration::from_secs(seconds.unwrap_or(0))
    });
    let now = Timestamp::now();
    now.saturating_add(*FORWARD).unwrap_or(now)
}

/// Goes by the ledger's clock from now on, if it has one.
pub(super) async fn follow(books: &dyn Books) -> Result<(), LedgerError> {
    let Some(theirs) = books.clock().await? else {
        return Ok(());
    };
    // Never later than the server: its answer took a while to come.
    let ahead = theirs.duration_since(of_the_machine());
    let micros = i64::try_from(ahead.as_micros()).unwrap_or_default();
    let before = SignedDuration::from_micros(AHEAD.swap(micros, Ordering::Relaxed));
    if ahead.abs() > WORTH_TELLING && (ahead - before).abs() > WORTH_TELLING {
        let (by, way) = (
            ahead.abs().as_secs(),
            if ahead.is_negative() {
                "ahead of"
            } else {
                "behind"
            },
        );
        tracing::warn!("this machine's clock is {by} s {way} the ledger's, which counts");
    }
    Ok(())
}
