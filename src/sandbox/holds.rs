//! Calls that are held, and their release.

use tokio::sync::watch;

/// Calls that wait for somebody to let them go.
#[derive(Debug)]
pub(super) struct Holds(watch::Sender<u64>);

impl Holds {
    pub(super) fn new() -> Holds {
        Holds(watch::Sender::new(0))
    }

    /// How many calls wait. A call whose client is gone does not.
    pub(super) fn waiting(&self) -> usize {
        self.0.receiver_count()
    }

    /// Lets all of them go, and says how many there were.
    pub(super) fn release(&self) -> usize {
        let waiting = self.waiting();
        self.0.send_modify(|round| *round += 1);
        waiting
    }

    /// Taken inside of the moment that logs the call, so that who sees the call can release it.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.0.subscribe())
    }
}

/// One waiting call.
pub(super) struct Ticket(watch::Receiver<u64>);

impl Ticket {
    pub(super) async fn wait(mut self) {
        // The sender lives as long as the calls do, so this ends by a release alone.
        let _ = self.0.changed().await;
    }
}
