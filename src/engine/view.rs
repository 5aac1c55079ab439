//! A ledger to look at.

use std::sync::Arc;

use super::ledger::{Binding, Claim, Entry, LeaseState, Ledger, LedgerError, LookUp};

/// The reading half of a [`Ledger`]. Whoever is given one can write nothing into it.
#[derive(Clone)]
pub struct View(Arc<dyn Ledger>);

impl View {
    /// A view of a ledger.
    #[must_use]
    pub fn of(ledger: Arc<dyn Ledger>) -> Self {
        Self(ledger)
    }

    /// Every binding of the project, by address.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read, as with every method here.
    pub async fn bindings(&self) -> Result<Vec<Binding>, LedgerError> {
        self.0.bindings().await
    }

    /// What other projects have bound.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn claims(&self) -> Result<Vec<Claim>, LedgerError> {
        self.0.claims().await
    }

    /// Journal entries without an end.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn unsettled(&self) -> Result<Vec<Entry>, LedgerError> {
        self.0.unsettled().await
    }

    /// The lease as it stands.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn lease(&self) -> Result<Option<LeaseState>, LedgerError> {
        self.0.lease().await
    }

    /// Whom look-ups found, and when.
    ///
    /// # Errors
    ///
    /// As [`View::bindings`].
    pub async fn look_ups(&self) -> Result<Vec<LookUp>, LedgerError> {
        self.0.look_ups().await
    }
}
