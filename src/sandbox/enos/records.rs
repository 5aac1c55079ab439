//! What the world holds of EnOS, as documents.

use serde::{Deserialize, Serialize};

/// An organisation unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::sandbox) struct Org {
    /// Its administrator has not let the app see users.
    pub(in crate::sandbox) denied: bool,
    /// An older deployment, which passes over `userIds` in the roster call.
    pub(in crate::sandbox) ignores_user_ids: bool,
}

impl Org {
    pub(in crate::sandbox) const KIND: &str = "enos_org";
}
