//! Addresses: the name of a resource for life.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The kinds of resource, in the order in which plans list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A chat that beadle keeps, or a reference to one.
    Chat,
    /// People, by provider.
    RecipientGroup,
    /// An activity subscription of a Feishu tasklist.
    TasklistSubscription,
    /// A notice that the runner sends by a schedule.
    RecurringNotice,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [
        Kind::Chat,
        Kind::RecipientGroup,
        Kind::TasklistSubscription,
        Kind::RecurringNotice,
    ];

    /// The word that stands before the dot of an address.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Chat => "chat",
            Kind::RecipientGroup => "recipient_group",
            Kind::TasklistSubscription => "tasklist_subscription",
            Kind::RecurringNotice => "recurring_notice",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that users give: Unicode letters, digits, `-` and `_`, 1 to 64 characters, in NFC.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text has more than 64 characters.
    #[error("a name has at most 64 characters, this one has {0}")]
    TooLong(usize),
    /// The text holds a character that names do not have.
    #[error("a name has letters, digits, `-` and `_` only, not {0:?}")]
    BadCharacter(char),
}

impl Name {
    /// The most characters a name can have.
    pub const MAX_CHARS: usize = 64;

    /// Checks and normalises a name.
    ///
    /// # Errors
    ///
    /// When the text is empty, over 64 characters, or holds a character outside the alphabet.
    pub fn new(text: &str) -> Result<Self, NameError> {
        // What is ASCII is in NFC.
        let text = if text.is_ascii() {
            Cow::Borrowed(text)
        } else {
            ComposingNormalizerBorrowed::new_nfc().normalize(text)
        };
        let count = text.chars().count();
        if count == 0 {
            return Err(NameError::Empty);
        }
        if count > Self::MAX_CHARS {
            return Err(NameError::TooLong(count));
        }
        // Combining marks belong to letters of several scripts and stay when NFC has no composed form.
        let fits = |c: char| {
            c.is_alphanumeric() || c == '-' || c == '_' || ('\u{300}'..='\u{36f}').contains(&c)
        };
        match text.chars().find(|c| !fits(*c)) {
            Some(c) => Err(NameError::BadCharacter(c)),
            None => Ok(Self(text.as_ref().into())),
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// `kind.name`, or `kind.name/instance` for one of several instances of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What kind of resource this is.
    pub kind: Kind,
    /// The resource's name in the manifest.
    pub name: Name,
    /// The tasklist's key, where a resource stands for one object in each of several tasklists.
    pub instance: Option<Name>,
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no dot, or no known kind before it.
    #[error("an address begins with a kind and a dot: {}", kinds())]
    NoKind,
    /// A part is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
}

fn kinds() -> String {
    Kind::ALL.map(|k| format!("`{k}.`")).join(", ")
}

impl Address {
    /// Makes the address of a resource that is not fanned out.
    #[must_use]
    pub fn new(kind: Kind, name: Name) -> Self {
        Self {
            kind,
            name,
            instance: None,
        }
    }

    /// The address without its instance.
    #[must_use]
    pub fn resource(&self) -> Address {
        Address::new(self.kind, self.name.clone())
    }

    /// Whether this names `other`: equal, or the resource that `other` is an instance of.
    #[must_use]
    pub fn covers(&self, other: &Address) -> bool {
        self == other || (self.instance.is_none() && *self == other.resource())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)?;
        match &self.instance {
            Some(instance) => write!(f, "/{instance}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (kind, rest) = text.split_once('.').ok_or(AddressError::NoKind)?;
        let kind = Kind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or(AddressError::NoKind)?;
        let (name, instance) = match rest.split_once('/') {
            Some((name, instance)) => (name, Some(Name::new(instance)?)),
            None => (rest, None),
        };
        Ok(Self {
            kind,
            name: Name::new(name)?,
            instance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_print() {
        for text in ["chat.oncall-room", "tasklist_subscription.发布/roadmap"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_compare_in_nfc() {
        assert_eq!(
            Name::new("cafe\u{301}").unwrap(),
            Name::new("caf\u{e9}").unwrap()
        );
    }

    #[test]
    fn a_name_counts_characters_and_not_bytes() {
        assert!(Name::new(&"项".repeat(64)).is_ok());
        assert_eq!(Name::new(&"项".repeat(65)), Err(NameError::TooLong(65)));
        assert_eq!(Name::new("a.b"), Err(NameError::BadCharacter('.')));
        assert_eq!(Name::new(""), Err(NameError::Empty));
    }

    #[test]
    fn a_resource_covers_its_instances() {
        let all: Address = "tasklist_subscription.x".parse().unwrap();
        let one: Address = "tasklist_subscription.x/a".parse().unwrap();
        assert!(all.covers(&one) && all.covers(&all) && !one.covers(&all));
    }
}
