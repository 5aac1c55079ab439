//! What a user knows of and lets be: `ADDRESS[.FIELD][=UNTIL-DATE]`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use crate::model::address::AddressError;
use crate::model::{Address, Field, Kind};
use crate::plan::Subject;

/// A difference to let be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    of: Of,
    /// Only this field; the whole difference when there is none.
    pub field: Option<Field>,
    /// The last day on which it holds, in UTC.
    pub until: Option<Date>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    /// A resource, or one of its instances.
    Resource(Address),
    /// A foreign object of an authoritative tasklist: `foreign:TASKLIST/ID`.
    Foreign(String),
}

/// Why a text is no [`Ignore`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// The address is none.
    #[error(
        "{0}; write ADDRESS[.FIELD][=UNTIL-DATE], as in tasklist_subscription.release.events=2026-12-31"
    )]
    Address(#[from] AddressError),
    /// There is no such field.
    #[error("a {kind} has no field `{field}`; its fields are {known}")]
    Field {
        /// The kind of the resource.
        kind: Kind,
        /// What was written.
        field: String,
        /// What can be.
        known: String,
    },
    /// It is not a day.
    #[error("`{0}` is no day; write it as in 2026-12-31")]
    Date(String),
    /// Nothing was named.
    #[error("write foreign:TASKLIST/ID, as drift lists it")]
    Foreign,
}

impl Ignore {
    /// Whether this is about a subject.
    #[must_use]
    pub fn names(&self, subject: &Subject) -> bool {
        match (&self.of, subject) {
            (Of::Resource(address), Subject::Resource(other)) => address.covers(other),
            (Of::Foreign(text), Subject::Foreign(..)) => *text == subject.to_string(),
            _ => false,
        }
    }

    /// Whether its last day has passed.
    #[must_use]
    pub fn is_expired(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }
}

/// The fields of a kind that can drift.
fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::TasklistSubscription => &Field::SUBSCRIPTION,
        Kind::Chat | Kind::RecipientGroup => &Field::KEPT,
        Kind::RecurringNotice => &[],
    }
}

impl FromStr for Ignore {
    type Err = IgnoreError;

    fn from_str(text: &str) -> Result<Self, IgnoreError> {
        let (rest, until) = match text.rsplit_once('=') {
            Some((rest, day)) => {
                let until = day.parse().map_err(|_| IgnoreError::Date(day.to_owned()))?;
                (rest, Some(until))
            }
            None => (text, None),
        };
        if let Some(object) = rest.strip_prefix("foreign:") {
            if !object.contains('/') {
                return Err(IgnoreError::Foreign);
            }
            return Ok(Self {
                of: Of::Foreign(rest.to_owned()),
                field: None,
                until,
            });
        }
        // No name has a dot, so the second one begins a field.
        let dots: Vec<usize> = rest.match_indices('.').map(|(at, _)| at).collect();
        let (address, field) = match dots.as_slice() {
            [_, second, ..] => (&rest[..*second], Some(&rest[second + 1..])),
            _ => (rest, None),
        };
        let address: Address = address.parse()?;
        let field = field
            .map(|word| {
                let known = fields(address.kind);
                let found = Field::parse(word).filter(|field| known.contains(field));
                found.ok_or_else(|| IgnoreError::Field {
                    kind: address.kind,
                    field: word.to_owned(),
                    known: match known {
                        [] => "none that can drift".to_owned(),
                        known => known
                            .iter()
                            .map(|f| f.as_str())
                            .collect::<Vec<_>>()
                            .join(", "),
                    },
                })
            })
            .transpose()?;
        Ok(Self {
            of: Of::Resource(address),
            field,
            until,
        })
    }
}

impl fmt::Display for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Of::Resource(address) => address.fmt(f)?,
            Of::Foreign(text) => f.write_str(text)?,
        }
        if let Some(field) = self.field {
            write!(f, ".{field}")?;
        }
        match self.until {
            Some(until) => write!(f, "={until}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_read_back_as_they_print() {
        for text in [
            "tasklist_subscription.发布",
            "tasklist_subscription.x/roadmap.events",
            "chat.room.members=2026-12-31",
            "recipient_group.oncall/feishu=2026-01-01",
            "foreign:d300a75f/33991879=2026-01-01",
        ] {
            assert_eq!(text.parse::<Ignore>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_ignore_says_why() {
        for (text, why) in [
            ("x", "an address begins with a kind"),
            ("chat.room=tomorrow", "`tomorrow` is no day"),
            (
                "chat.room.events",
                "its fields are name, description, members",
            ),
            ("recurring_notice.x.message", "none that can drift"),
            ("foreign:abc", "foreign:TASKLIST/ID"),
            ("chat..name", "a name cannot be empty"),
        ] {
            let error = text.parse::<Ignore>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn the_last_day_still_counts() {
        let ignore: Ignore = "chat.room=2026-12-31".parse().unwrap();
        assert!(!ignore.is_expired("2026-12-31".parse().unwrap()));
        assert!(ignore.is_expired("2027-01-01".parse().unwrap()));
    }
}
