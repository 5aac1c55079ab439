//! A ledger to look at.

use std::sync::Arc;

use super::afterwards::Pause;
use super::ledger::{Binding, Claim, Entry, LeaseState, Ledger, LedgerError, LookUp};
use super::outbox::Books;
use super::snapshot::Snapshot;

/// The reading half of a [`Ledger`]. Whoever is given one can write nothing into it.
#[derive(Clone)]
pub struct View {
    ledger: Arc<dyn Ledger>,
    books: Arc<dyn Books>,
}

impl View {
    /// A view of a ledger, and of what it remembers of sending.
    #[must_use]
    pub fn of(ledger: Arc<dyn Ledger>, books: Arc<dyn Books>) -> Self {
        Self { ledger, books }
    }

    /// The pauses of notices that were made, over or not.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn pauses(&self) -> Result<Vec<Pause>, LedgerError> {
        self.books.pauses().await
    }

    /// Every binding of the project, by address.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read, as with every method here.
    pub async fn bindings(&self) -> Result<Vec<Binding>, LedgerError> {
        self.ledger.bindings().await
    }

    /// What other projects have bound.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn claims(&self) -> Result<Vec<Claim>, LedgerError> {
        self.ledger.claims().await
    }

    /// Journal entries without an end.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn unsettled(&self) -> Result<Vec<Entry>, LedgerError> {
        self.ledger.unsettled().await
    }

    /// The lease as it stands.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn lease(&self) -> Result<Option<LeaseState>, LedgerError> {
        self.ledger.lease().await
    }

    /// Whom look-ups found, and when.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn look_ups(&self) -> Result<Vec<LookUp>, LedgerError> {
        self.ledger.look_ups().await
    }

    /// Live values as they were last read.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, LedgerError> {
        self.ledger.snapshots().await
    }
}
