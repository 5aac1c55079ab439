//! Dying at the keeping of a ledger.

use std::path::Path;

use jiff::Timestamp;

use super::Mortal;
use crate::engine::Pending;
use crate::engine::ledger::{Lease, LedgerError};
use crate::engine::upkeep::{Rows, Upkeep};

impl<T: Upkeep + ?Sized> Upkeep for Mortal<T> {
    fn clock(&self) -> Pending<'_, Result<Option<Timestamp>, LedgerError>> {
        self.inner.clock()
    }

    fn rows(&self) -> Pending<'_, Result<Rows, LedgerError>> {
        self.inner.rows()
    }

    fn put_rows<'a>(&'a self, rows: &'a Rows) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("put_rows", self.inner.put_rows(rows)))
    }

    fn flaws(&self) -> Pending<'_, Result<Vec<String>, LedgerError>> {
        self.inner.flaws()
    }

    fn save<'a>(&'a self, file: &'a Path) -> Pending<'a, Result<(), LedgerError>> {
        Box::pin(self.risk("save", self.inner.save(file)))
    }

    fn prune<'a>(
        &'a self,
        lease: &'a Lease,
        now: Timestamp,
        before: Timestamp,
    ) -> Pending<'a, Result<Vec<(String, u64)>, LedgerError>> {
        Box::pin(self.risk("prune", self.inner.prune(lease, now, before)))
    }
}
