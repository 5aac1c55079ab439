//! Collections: what an object's id is an id in.

use std::fmt;

use super::TasklistGuid;

/// What holds an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// A tasklist with its activity subscriptions.
    Tasklist(TasklistGuid),
    /// The chats of Feishu; their ids are unique beyond one tenant.
    Chats,
    /// The contact user groups of a Feishu tenant.
    UserGroups,
    /// What is registered in the ledger alone.
    Ledger,
}

impl Collection {
    const CHATS: &str = ":chats";
    const USER_GROUPS: &str = ":user_groups";
    const LEDGER: &str = ":ledger";

    /// The text in a ledger: a guid, or a word that is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Collection::Tasklist(guid) => guid.as_str(),
            Collection::Chats => Self::CHATS,
            Collection::UserGroups => Self::USER_GROUPS,
            Collection::Ledger => Self::LEDGER,
        }
    }

    /// Reads what [`Collection::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            Self::CHATS => Collection::Chats,
            Self::USER_GROUPS => Collection::UserGroups,
            Self::LEDGER => Collection::Ledger,
            guid => Collection::Tasklist(TasklistGuid::new(guid)),
        }
    }

    /// The tasklist, if it is one.
    #[must_use]
    pub fn tasklist(&self) -> Option<&TasklistGuid> {
        match self {
            Collection::Tasklist(guid) => Some(guid),
            Collection::Chats | Collection::UserGroups | Collection::Ledger => None,
        }
    }
}

impl From<TasklistGuid> for Collection {
    fn from(guid: TasklistGuid) -> Self {
        Collection::Tasklist(guid)
    }
}

impl From<&str> for Collection {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

/// In words, such as `tasklist d300a75f`.
impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Collection::Tasklist(guid) => write!(f, "tasklist {guid}"),
            Collection::Chats => f.write_str("the chats"),
            Collection::UserGroups => f.write_str("the contact user groups"),
            Collection::Ledger => f.write_str("the ledger"),
        }
    }
}
