//! What users declare: names, addresses, events, fields, and diagnostics about them.
//!
//! Pure: no clock, no IO, no `async`, and nothing of ours is imported. What vendors hold is
//! described with the same [`Fields`], so that a declared side and a live side compare.
//!
//! Start at [`manifest::Manifest`] and [`group`], then [`parse`], which makes one of YAML: [`yaml`] has the tree and
//! its places, `shape` and `written` what users may write, `resources` and `settings` what it means,
//! `checks` what must hold. [`schedule`] is when notices fire, [`message`] what they say, and [`forecast`]
//! what both come to.

pub mod address;
mod checks;
pub mod collection;
pub mod diagnostic;
pub mod edit;
pub mod event;
pub mod field;
pub mod forecast;
pub mod group;
pub mod interpolate;
pub mod ledger_url;
pub mod manifest;
pub mod message;
pub mod notice;
pub mod parse;
pub mod quota;
mod resources;
pub mod schedule;
mod settings;
mod shape;
mod unlike;
mod written;
pub mod yaml;
pub mod zone;

pub use address::{Address, Kind, Name};
pub use checks::{MAX_IN_CHAT, MAX_IN_USER_GROUP, audiences, check_notices, check_sending};
pub use collection::Collection;
pub use diagnostic::{Diagnostic, Severity, Span};
pub use event::{EventKey, Events};
pub use field::{Field, Fields, Value};
pub use resources::{is_chat_id, is_user_group_id, unfit_chat, unfit_user_group};
pub(crate) use shape::closest;
pub use unlike::changed_setting;

/// Declares a newtype around text whose every value is fine.
macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub std::sync::Arc<str>);

        impl $name {
            /// Makes the id from its text.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// The id as the vendor writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// A Feishu open chat id, `oc_…` (at most 100 characters; page `tasklist-activity_subscription/create`),
    /// or the address of a chat that is still to be made.
    ChatId
}

impl ChatId {
    /// What stands for the chat of a resource until its id is known.
    #[must_use]
    pub fn to_come(address: &Address) -> Self {
        Self(address.to_string().into())
    }

    /// The address of the chat, if its id is not known yet.
    #[must_use]
    pub fn pending(&self) -> Option<Address> {
        // An open id begins with `oc_` and has no dot before it.
        self.0
            .starts_with("chat.")
            .then(|| self.0.parse().ok())
            .flatten()
    }
}
text_id! {
    /// The guid of a Feishu tasklist.
    TasklistGuid
}
text_id! {
    /// The id that a vendor gave to an object; for a subscription its `guid`.
    RemoteId
}
text_id! {
    /// The app that a binding was made with, such as a Feishu `app_id`.
    AppId
}
