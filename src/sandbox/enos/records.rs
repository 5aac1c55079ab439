//! What the world holds of EnOS, as documents. People are in the directory of all vendors.

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

    /// The OU that every world has.
    pub(in crate::sandbox) const ALWAYS: &str = "o_sandbox";
}

/// A user group; its parent is the OU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::sandbox) struct Group {
    pub(in crate::sandbox) name: String,
    /// People by their own ids in the world.
    pub(in crate::sandbox) users: Vec<String>,
}

impl Group {
    pub(in crate::sandbox) const KIND: &str = "enos_group";
}
