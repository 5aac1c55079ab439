//! The three ids that a person has at Feishu, and what a call can do with one.

use super::envelope::Failure;
use crate::sandbox::people::{By, Person};
use crate::sandbox::world::{Moment, View, WorldError};

/// The kind of user ids in a request and in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdType {
    Open,
    Union,
    User,
}

/// What an app can do with an id.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// The open_id, by which the world keeps the person.
    Usable(String),
    Unknown,
    /// Has left the organisation.
    Left(String),
    /// Out of the app's contact scope.
    Hidden(String),
}

impl Standing {
    /// The person's open_id, also of somebody who cannot be used.
    pub(super) fn known(self) -> Option<String> {
        match self {
            Standing::Usable(id) | Standing::Left(id) | Standing::Hidden(id) => Some(id),
            Standing::Unknown => None,
        }
    }
}

impl IdType {
    /// The kind that a query parameter names.
    pub(super) fn named(name: &str) -> Option<IdType> {
        match name {
            "open_id" => Some(IdType::Open),
            "union_id" => Some(IdType::Union),
            "user_id" => Some(IdType::User),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            IdType::Open => "open_id",
            IdType::Union => "union_id",
            IdType::User => "user_id",
        }
    }

    fn by(self) -> By {
        match self {
            IdType::Open => By::OpenId,
            IdType::Union => By::UnionId,
            IdType::User => By::UserId,
        }
    }

    /// What the calling app can do with that id.
    pub(super) fn standing(self, id: &str, moment: &Moment<'_>) -> Result<Standing, WorldError> {
        let Some(found) = Person::find(self.by(), id, moment)? else {
            return Ok(Standing::Unknown);
        };
        Ok(if found.doc.left {
            Standing::Left(found.id)
        } else if found.doc.out_of_scope {
            Standing::Hidden(found.id)
        } else {
            Standing::Usable(found.id)
        })
    }

    /// This kind of id of that person.
    pub(super) fn of(self, person: &Person) -> Option<&str> {
        match self {
            IdType::Open => &person.open_id,
            IdType::Union => &person.union_id,
            IdType::User => &person.user_id,
        }
        .as_deref()
    }

    /// How an answer shows whom the world keeps by that open_id. Nobody knows who it is: as it is.
    pub(super) fn shown(self, open_id: &str, moment: &Moment<'_>) -> Result<String, WorldError> {
        let id = match person(open_id, moment)? {
            Some(person) => self.of(&person).map(str::to_owned),
            None => None,
        };
        Ok(id.unwrap_or_else(|| open_id.to_owned()))
    }
}

/// Whom the world keeps by that open_id.
pub(super) fn person(open_id: &str, moment: &Moment<'_>) -> Result<Option<Person>, WorldError> {
    let found = moment.find::<Person>(Person::KIND, open_id, View::Present)?;
    Ok(found.map(|found| found.doc))
}

/// Ids of a request by what can be done with them, each once and in the order given.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The id as given, and the open_id.
    pub(super) usable: Vec<(String, String)>,
    pub(super) unknown: Vec<String>,
    pub(super) left: Vec<String>,
    pub(super) hidden: Vec<String>,
}

impl Sorted {
    pub(super) fn of(ids: &[String], kind: IdType, moment: &Moment<'_>) -> Result<Sorted, Failure> {
        let mut sorted = Sorted::default();
        for (index, id) in ids.iter().enumerate() {
            if ids[..index].contains(id) {
                continue;
            }
            match kind.standing(id, moment)? {
                Standing::Usable(open_id) => sorted.usable.push((id.clone(), open_id)),
                Standing::Unknown => sorted.unknown.push(id.clone()),
                Standing::Left(_) => sorted.left.push(id.clone()),
                Standing::Hidden(_) => sorted.hidden.push(id.clone()),
            }
        }
        Ok(sorted)
    }
}
