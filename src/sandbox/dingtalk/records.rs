//! What the world holds of DingTalk alone; people and departments are in the directory of all
//! vendors.

use serde::{Deserialize, Serialize};

/// A group chat by its open conversation id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::sandbox) struct Group {
    pub(in crate::sandbox) name: String,
    /// People by their own ids in the world.
    pub(in crate::sandbox) users: Vec<String>,
    /// Apps whose robots are in it.
    pub(in crate::sandbox) robots: Vec<String>,
    pub(in crate::sandbox) disbanded: bool,
}

impl Group {
    pub(in crate::sandbox) const KIND: &str = "dingtalk_group";

    pub(super) fn has_robot(&self, app: &str) -> bool {
        self.robots.iter().any(|robot| robot == app)
    }
}

/// A role; its id in the world is its number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::sandbox) struct Role {
    pub(in crate::sandbox) name: String,
    /// The role group that it stands in, by number and name.
    pub(in crate::sandbox) group_id: i64,
    pub(in crate::sandbox) group: String,
    /// People by their own ids in the world.
    pub(in crate::sandbox) users: Vec<String>,
}

impl Role {
    pub(in crate::sandbox) const KIND: &str = "dingtalk_role";
}
