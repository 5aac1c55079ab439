//! The seam to a vendor's address book: who is behind an id, an e-mail address or a number.

use super::{ApiError, Pending};
use crate::model::AppId;
use crate::model::group::Recipient;

/// Looks people and departments up. Every call may be repeated.
pub trait Directory: Send + Sync {
    /// The app that looks, whose reach decides what it sees.
    fn app(&self) -> &AppId;

    /// How many recipients one call asks about.
    fn at_once(&self) -> usize;

    /// Looks recipients up, in as few calls as the contract's batches allow, and says of each what is
    /// known, in the order in which they were asked about.
    ///
    /// # Errors
    ///
    /// When a call fails, so that nothing can be said of some. A recipient that the vendor does not
    /// know or does not show is no error but [`Sighting::Unseen`].
    fn look_up<'a>(
        &'a self,
        recipients: &'a [Recipient],
    ) -> Pending<'a, Result<Vec<Sighting>, ApiError>>;
}

/// What a look-up says about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// A person, by the id that the vendor's writes and lists use: a Feishu `open_id`, a DingTalk
    /// `userid`, an EnOS user id.
    Person(Recipient),
    /// A department, or everyone: it is there, and however many people may be in it.
    Many,
    /// The vendor does not show it. In words that say what that can mean, such as `is unknown to Feishu,
    /// has left, or is outside the app's contact scope; Feishu does not tell these apart`.
    Unseen(String),
}
