//! Who is behind an id, an e-mail address or a number, asked in as few calls as batches allow.
//!
//! # Guarantees
//!
//! - A person is told by the `open_id` that writes and lists use, whatever they were asked about by.
//! - That the vendor shows nobody is never said for want of an answer: one that does not have an entry
//!   for every address and number is an error. Ids that cannot be read are left out of an answer, so
//!   there absence is the answer.
//! - One id that makes the vendor refuse a whole batch does not hide the others.
//!
//! # Caveats
//!
//! - Feishu does not tell who is unknown from who has left or is out of the app's contact scope, nor
//!   from a missing scope of the app.

use std::collections::{HashMap, HashSet};

use futures_util::future::{try_join, try_join_all};

use super::call::Ask;
use super::wire::{
    Contact, ContactList, Contacts, Department, Members, Several, User, UserStatus, data,
};
use super::{Feishu, codes, json};
use crate::engine::{ApiError, Directory, Pending, Sighting};
use crate::model::AppId;
use crate::model::group::Recipient;
use crate::vendors::limits::{BATCH_GET_DEPARTMENTS, BATCH_GET_USER_IDS, BATCH_GET_USERS};

/// How many addresses, numbers or ids one call takes.
const AT_ONCE: usize = 50;

/// The codes that refuse a whole batch for one id in it (page "common error codes", pages user/batch
/// and department/batch).
const BAD_ID: [i64; 8] = [
    99992351, 99992357, 99992360, 99992361, 99992363, 99992364, 41050, 40004,
];

const NOBODY: &str = "is not shown by Feishu: they are unknown, have left, or are outside of the app's contact scope, or the app lacks a scope; Feishu does not tell these apart";
const NO_CONTACT: &str = "is not shown by Feishu: it is nobody's, they have left or are outside of the app's contact scope, or the app lacks the scope `contact:user.id:readonly`; Feishu does not tell these apart";
const NO_EMAIL: &str = "is not shown by Feishu: it is nobody's or an address of the enterprise mailbox, they have left or are outside of the app's contact scope, or the app lacks the scope `contact:user.id:readonly`; Feishu does not tell these apart";
const NO_DEPARTMENT: &str = "is not shown by Feishu: it is unknown, was deleted, or is outside of the app's contact scope; Feishu does not tell these apart";
const NO_RECIPIENT: &str = "is nobody whom Feishu could look up";

impl Directory for Feishu {
    fn app(&self) -> &AppId {
        &self.link.app
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn look_up<'a>(
        &'a self,
        recipients: &'a [Recipient],
    ) -> Pending<'a, Result<Vec<Sighting>, ApiError>> {
        Box::pin(look_up(self, recipients))
    }
}

async fn look_up(feishu: &Feishu, recipients: &[Recipient]) -> Result<Vec<Sighting>, ApiError> {
    let asked = Asked::of(recipients);
    let contacts = contacts(feishu, &asked.emails, &asked.mobiles);
    let kinds = asked
        .by_id
        .iter()
        .map(|(kind, ids)| by_id(feishu, *kind, ids));
    let (contacts, by_id) = try_join(contacts, try_join_all(kinds)).await?;
    let mut seen = contacts;
    seen.extend(by_id.into_iter().flatten());
    let sighting = |recipient: &Recipient| {
        let unseen = || Sighting::Unseen(unseen(recipient).to_owned());
        seen.get(recipient).cloned().unwrap_or_else(unseen)
    };
    Ok(recipients.iter().map(sighting).collect())
}

fn unseen(recipient: &Recipient) -> &'static str {
    match recipient {
        Recipient::Everyone => NO_RECIPIENT,
        Recipient::Department(_) | Recipient::OpenDepartment(_) => NO_DEPARTMENT,
        Recipient::OpenId(_) | Recipient::UnionId(_) | Recipient::UserId(_) => NOBODY,
        Recipient::Email(_) => NO_EMAIL,
        Recipient::Mobile(_) => NO_CONTACT,
    }
}

/// What is said of those whom an answer shows, and of those whom it was refused for.
type Seen = HashMap<Recipient, Sighting>;

/// What is to be asked, each once.
struct Asked<'a> {
    emails: Vec<&'a str>,
    mobiles: Vec<&'a str>,
    by_id: Vec<(Kind, Vec<&'a str>)>,
}

/// The kinds of ids that one call takes no two of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OpenId,
    UnionId,
    UserId,
    OpenDepartment,
    Department,
}

impl Kind {
    fn of(recipient: &Recipient) -> Option<Self> {
        match recipient {
            Recipient::OpenId(_) => Some(Kind::OpenId),
            Recipient::UnionId(_) => Some(Kind::UnionId),
            Recipient::UserId(_) => Some(Kind::UserId),
            Recipient::OpenDepartment(_) => Some(Kind::OpenDepartment),
            Recipient::Department(_) => Some(Kind::Department),
            Recipient::Everyone | Recipient::Email(_) | Recipient::Mobile(_) => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::OpenId => "open_id",
            Kind::UnionId => "union_id",
            Kind::UserId => "user_id",
            Kind::OpenDepartment => "open_department_id",
            Kind::Department => "department_id",
        }
    }

    fn recipient(self, id: &str) -> Recipient {
        match self {
            Kind::OpenId => Recipient::OpenId(id.into()),
            Kind::UnionId => Recipient::UnionId(id.into()),
            Kind::UserId => Recipient::UserId(id.into()),
            Kind::OpenDepartment => Recipient::OpenDepartment(id.into()),
            Kind::Department => Recipient::Department(id.into()),
        }
    }
}

impl<'a> Asked<'a> {
    fn of(recipients: &'a [Recipient]) -> Self {
        let mut asked = Asked {
            emails: Vec::new(),
            mobiles: Vec::new(),
            by_id: Vec::new(),
        };
        let mut once = HashSet::new();
        for recipient in recipients.iter().filter(|one| once.insert(*one)) {
            let Some(id) = recipient.id() else {
                continue;
            };
            match (recipient, Kind::of(recipient)) {
                (_, Some(kind)) => match asked.by_id.iter_mut().find(|(k, _)| *k == kind) {
                    Some((_, ids)) => ids.push(id),
                    None => asked.by_id.push((kind, vec![id])),
                },
                (Recipient::Mobile(_), None) => asked.mobiles.push(id),
                (_, None) => asked.emails.push(id),
            }
        }
        asked
    }
}

/// Looks addresses and numbers up; one call takes a batch of each.
async fn contacts(feishu: &Feishu, emails: &[&str], mobiles: &[&str]) -> Result<Seen, ApiError> {
    let calls = emails.len().max(mobiles.len()).div_ceil(AT_ONCE);
    let batches = (0..calls).map(|n| async move {
        let (emails, mobiles) = (batch(emails, n), batch(mobiles, n));
        let body = json(&Contacts { emails, mobiles });
        let query = [("user_id_type", "open_id")];
        let ask = Ask::new(BATCH_GET_USER_IDS).query(&query).body(Some(&body));
        let read = |envelope| read_contacts(envelope, emails, mobiles);
        feishu.call(&ask, read).await
    });
    let found = try_join_all(batches).await?;
    Ok(found.into_iter().flatten().collect())
}

fn batch<T>(all: &[T], number: usize) -> &[T] {
    all.chunks(AT_ONCE).nth(number).unwrap_or_default()
}

/// Reads an entry for each address and number. What is wrong is said without quoting either.
fn read_contacts(envelope: Members, emails: &[&str], mobiles: &[&str]) -> Result<Seen, String> {
    let list: ContactList = data(envelope)?;
    let mut seen = Seen::new();
    for entry in list.user_list {
        let Contact {
            user_id,
            email,
            mobile,
            status,
        } = entry;
        // One spelling each, as they were asked about.
        let asked = Recipient::email(&email).or_else(|_| Recipient::mobile(&mobile));
        if let Ok(asked) = asked {
            let sighting = if user_id.is_empty() {
                Sighting::Unseen(unseen(&asked).to_owned())
            } else {
                person(&user_id, status)
            };
            seen.insert(asked, sighting);
        }
    }
    let emails = emails.iter().map(|email| Recipient::Email((*email).into()));
    let mobiles = mobiles.iter().map(|one| Recipient::Mobile((*one).into()));
    let missing = emails.chain(mobiles).filter(|one| !seen.contains_key(one));
    match missing.count() {
        0 => Ok(seen),
        n => Err(format!("it has no entry for {n} of those asked about")),
    }
}

fn person(open_id: &str, status: UserStatus) -> Sighting {
    let UserStatus {
        is_frozen,
        is_resigned,
        is_exited,
    } = status;
    if is_resigned || is_exited {
        return Sighting::Unseen("has left the organisation".to_owned());
    }
    if is_frozen {
        return Sighting::Unseen("has an account that is frozen".to_owned());
    }
    Sighting::Person(Recipient::OpenId(open_id.into()))
}

/// Reads people or departments by one kind of id.
async fn by_id(feishu: &Feishu, kind: Kind, all: &[&str]) -> Result<Seen, ApiError> {
    let found = try_join_all(all.chunks(AT_ONCE).map(|ids| one_by_one(feishu, kind, ids))).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Reads a batch. When one id spoils it, its halves are read, until the id is alone.
async fn one_by_one(feishu: &Feishu, kind: Kind, ids: &[&str]) -> Result<Seen, ApiError> {
    let mut seen = Seen::new();
    let mut left = vec![ids];
    while let Some(ids) = left.pop() {
        let error = match read_batch(feishu, kind, ids).await {
            Ok(found) => {
                seen.extend(found);
                continue;
            }
            Err(error) => error,
        };
        let spoiled = matches!(error, ApiError::Refused(_))
            && BAD_ID.iter().any(|code| codes::says(&error, *code));
        match ids {
            _ if !spoiled => return Err(error),
            // Nothing is known of it beyond what its absence would say.
            [_] => {}
            ids => {
                let (one, other) = ids.split_at(ids.len() / 2);
                left.extend([one, other]);
            }
        }
    }
    Ok(seen)
}

async fn read_batch(feishu: &Feishu, kind: Kind, ids: &[&str]) -> Result<Seen, ApiError> {
    let (operation, parameter, type_parameter) = match kind {
        Kind::OpenId | Kind::UnionId | Kind::UserId => {
            (BATCH_GET_USERS, "user_ids", "user_id_type")
        }
        Kind::OpenDepartment | Kind::Department => (
            BATCH_GET_DEPARTMENTS,
            "department_ids",
            "department_id_type",
        ),
    };
    let mut query: Vec<(&str, &str)> = ids.iter().map(|id| (parameter, *id)).collect();
    query.push((type_parameter, kind.word()));
    let ask = Ask::new(operation).query(&query);
    let read = |envelope| match operation {
        BATCH_GET_USERS => read_users(envelope, kind),
        _ => read_departments(envelope, kind),
    };
    feishu.call(&ask, read).await
}

fn read_users(envelope: Members, kind: Kind) -> Result<Seen, String> {
    let several: Several<User> = data(envelope)?;
    let users = several.items.into_iter().filter_map(|user| {
        let asked = match kind {
            Kind::UnionId => &user.union_id,
            Kind::UserId => &user.user_id,
            Kind::OpenId | Kind::OpenDepartment | Kind::Department => &user.open_id,
        };
        // Without an `open_id` nothing could be written about them.
        let shown = !asked.is_empty() && !user.open_id.is_empty();
        shown.then(|| (kind.recipient(asked), person(&user.open_id, user.status)))
    });
    Ok(users.collect())
}

fn read_departments(envelope: Members, kind: Kind) -> Result<Seen, String> {
    let several: Several<Department> = data(envelope)?;
    let departments = several.items.into_iter().map(|department| {
        let id = match kind {
            Kind::Department => &department.department_id,
            _ => &department.open_department_id,
        };
        let sighting = if department.status.is_deleted {
            Sighting::Unseen("was deleted".to_owned())
        } else {
            Sighting::Many
        };
        (kind.recipient(id), sighting)
    });
    Ok(departments.collect())
}
