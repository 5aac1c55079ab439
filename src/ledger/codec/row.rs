//! A row of a query, whichever database it is from: each database says how it reads a column, and the
//! files beside this one what the columns mean.

use jiff::Timestamp;

use super::{address_from_text, instant_from_text};
use crate::model::Address;

/// A row that cannot be read: which, and why not.
#[derive(Debug)]
pub(in crate::ledger) struct Unreadable {
    pub(in crate::ledger) row: String,
    pub(in crate::ledger) why: String,
}

/// A value that nobody of ours has written.
#[derive(Debug)]
pub(in crate::ledger) struct Corrupt(pub(in crate::ledger) String);

/// A row, read by the numbers of its columns.
pub(in crate::ledger) trait Row {
    /// What goes wrong in its database.
    type Trouble: From<Corrupt> + From<Unreadable>;

    /// A text.
    fn text(&self, column: usize) -> Result<&str, Self::Trouble>;

    /// A text that may be missing.
    fn maybe_text(&self, column: usize) -> Result<Option<&str>, Self::Trouble>;

    /// A number.
    fn number(&self, column: usize) -> Result<i64, Self::Trouble>;

    /// A number that may be missing.
    fn maybe_number(&self, column: usize) -> Result<Option<i64>, Self::Trouble>;

    /// A number that is not whole.
    fn real(&self, column: usize) -> Result<f64, Self::Trouble>;

    /// What a query found to be so; what is kept is a number.
    fn is(&self, column: usize) -> Result<bool, Self::Trouble>;

    /// A text, for good.
    fn owned(&self, column: usize) -> Result<String, Self::Trouble> {
        self.text(column).map(str::to_owned)
    }

    /// A text that may be missing, for good.
    fn maybe_owned(&self, column: usize) -> Result<Option<String>, Self::Trouble> {
        Ok(self.maybe_text(column)?.map(str::to_owned))
    }

    /// A text that has words of ours.
    fn read<T>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Self::Trouble> {
        Ok(read(self.text(column)?).map_err(Corrupt)?)
    }

    /// A text that has words of ours, where it is not missing.
    fn maybe_read<T>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Self::Trouble> {
        let read = self.maybe_text(column)?.map(read).transpose();
        Ok(read.map_err(Corrupt)?)
    }

    /// An instant.
    fn instant(&self, column: usize) -> Result<Timestamp, Self::Trouble> {
        self.read(column, instant_from_text)
    }

    /// An instant that may be missing.
    fn maybe_instant(&self, column: usize) -> Result<Option<Timestamp>, Self::Trouble> {
        self.maybe_read(column, instant_from_text)
    }

    /// An address.
    fn address(&self, column: usize) -> Result<Address, Self::Trouble> {
        self.read(column, address_from_text)
    }
}
