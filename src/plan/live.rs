//! The two sides that a manifest is compared with: what vendors hold, and what we have bound.

use jiff::Timestamp;

use crate::model::{Address, AppId, Collection, Fields, Name, RemoteId};

/// An object that a vendor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The vendor's id.
    pub id: RemoteId,
    /// Its values, every field that we compare.
    pub fields: Fields,
}

/// Address ↔ the vendor's object: what we own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The resource.
    pub address: Address,
    /// The key of the provider it was made with.
    pub provider: Name,
    /// The app it was made with; another app on the same project is refused.
    pub app: AppId,
    /// The tasklist that holds the object.
    pub collection: Collection,
    /// The object.
    pub id: RemoteId,
    /// The values last applied or recorded; without the fields that were ignored.
    pub applied: Fields,
    /// Whether deleting it is refused, as last applied: it outlives the block in the manifest.
    pub protect: bool,
    /// When `applied` was last written.
    pub updated_at: Timestamp,
}

/// What another project has bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The project.
    pub project: Name,
    /// Its resource.
    pub address: Address,
    /// The tasklist.
    pub collection: Collection,
    /// The object.
    pub id: RemoteId,
}
