//! Users of an OU and its user groups. Pages begin at 0.
//!
//! Where the pages are silent: a page has at most 1000 entries, whatever was asked for, and the
//! answer says so. Who left or is out of scope is in no OU.

use serde_json::{Value, json};

use super::records::{Group, Org};
use super::{Call, Failure};
use crate::sandbox::people::Person;
use crate::sandbox::world::{Found, Moment, View, WorldError};

const PAGE: usize = 1_000;
const AT_ONCE: usize = 1_000;

/// `listOrganizationUsers`.
pub(super) fn roster(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let org_id = call.text("orgId").ok_or(Failure::Refused(31400))?;
    let page = Page::of(call)?;
    let wanted = ids_of(call, "userIds")?;
    let org = org(org_id, moment)?.ok_or(Failure::Refused(31404))?;
    if org.denied {
        return Err(Failure::Refused(31403));
    }
    let mut users = inside(org_id, moment)?;
    if let Some(wanted) = wanted.filter(|_| !org.ignores_user_ids) {
        users.retain(|user| {
            let id = user.doc.enos_user_id.as_ref();
            id.is_some_and(|id| wanted.contains(id))
        });
    }
    Ok(page.of_users(users))
}

/// `listUserGroups`.
pub(super) fn groups(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let org_id = org_of_query(call)?;
    if org(org_id, moment)?.is_none() {
        return Err(Failure::Refused(31400));
    }
    let all: Vec<Found<Group>> = moment.list(Group::KIND, Some(org_id), View::Present)?;
    let rows: Vec<Value> = all.iter().map(show_group).collect();
    Ok(json!({"userGroups": rows}))
}

/// `listUsersOfGroup`.
pub(super) fn users_of_group(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let org_id = org_of_query(call)?;
    let group_id = call.text("userGroupId").ok_or(Failure::Refused(31400))?;
    let page = Page::of(call)?;
    let org = org(org_id, moment)?.ok_or(Failure::Refused(31404))?;
    if org.denied {
        return Err(Failure::Refused(31403));
    }
    let group: Found<Group> = moment
        .find(Group::KIND, group_id, View::Present)?
        .filter(|group: &Found<Group>| group.parent == org_id)
        .ok_or(Failure::Refused(31404))?;
    let mut users = inside(org_id, moment)?;
    users.retain(|user| group.doc.users.contains(&user.id));
    Ok(page.of_users(users))
}

/// `listGroupsOfUsers`: one id that is not in the OU fails the call.
pub(super) fn groups_of_users(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let org_id = call.text("organizationId").ok_or(Failure::Refused(31400))?;
    let wanted = ids_of(call, "userIds")?.ok_or(Failure::Refused(31400))?;
    if wanted.is_empty() || wanted.len() > AT_ONCE {
        return Err(Failure::Refused(31400));
    }
    if org(org_id, moment)?.is_none() {
        return Err(Failure::Refused(31404));
    }
    let users = inside(org_id, moment)?;
    let groups: Vec<Found<Group>> = moment.list(Group::KIND, Some(org_id), View::Present)?;
    let mut rows = Vec::new();
    let mut named: Vec<&Found<Group>> = Vec::new();
    for id in wanted {
        let user = users
            .iter()
            .find(|user| user.doc.enos_user_id.as_ref() == Some(&id))
            .ok_or(Failure::Refused(31404))?;
        let his = groups
            .iter()
            .filter(|group| group.doc.users.contains(&user.id));
        let mut ids = Vec::new();
        for group in his {
            ids.push(&group.id);
            if !named.iter().any(|known| known.id == group.id) {
                named.push(group);
            }
        }
        rows.push(json!({"userId": id, "userGroupIds": ids}));
    }
    let named: Vec<Value> = named.into_iter().map(show_group).collect();
    Ok(json!({"usersUserGroups": rows, "userGroups": named}))
}

fn show_group(group: &Found<Group>) -> Value {
    json!({"id": group.id, "name": group.doc.name})
}

pub(super) fn org_of_query<'c>(call: &Call<'c>) -> Result<&'c str, Failure> {
    let given = call.query.iter().find(|(name, _)| name == "orgId");
    given
        .map(|(_, id)| id.as_str())
        .filter(|id| !id.is_empty())
        .ok_or(Failure::Refused(31400))
}

pub(super) fn org(id: &str, moment: &Moment<'_>) -> Result<Option<Org>, WorldError> {
    let found: Option<Found<Org>> = moment.find(Org::KIND, id, View::Present)?;
    let always = (id == Org::ALWAYS).then(Org::default);
    Ok(found.map(|found| found.doc).or(always))
}

/// The people of an OU.
pub(super) fn inside(org_id: &str, moment: &Moment<'_>) -> Result<Vec<Found<Person>>, WorldError> {
    let mut people = Person::all(moment)?;
    people.retain(|found| is_inside(&found.doc, org_id));
    Ok(people)
}

/// Whether somebody is in the OU.
pub(super) fn is_inside(person: &Person, org_id: &str) -> bool {
    person.enos_user_id.is_some()
        && !person.left
        && !person.out_of_scope
        && person.enos_org_id.as_ref().is_none_or(|own| own == org_id)
}

fn ids_of(call: &Call<'_>, name: &str) -> Result<Option<Vec<String>>, Failure> {
    match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .map(Some)
            .ok_or(Failure::Refused(31400)),
        Some(_) => Err(Failure::Refused(31400)),
    }
}

/// Which part of a list is asked for.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(call: &Call<'_>) -> Result<Page, Failure> {
        let asked = &call.body.get("pagination");
        let number = |name: &str| {
            let value = asked.and_then(|asked| asked[name].as_u64());
            value
                .and_then(|value| usize::try_from(value).ok())
                .ok_or(Failure::Refused(31400))
        };
        let (number, size) = (number("pageNo")?, number("pageSize")?);
        if size == 0 {
            return Err(Failure::Refused(31400));
        }
        let size = size.min(PAGE);
        Ok(Page { number, size })
    }

    fn of_users(&self, users: Vec<Found<Person>>) -> Value {
        let total = users.len();
        let rows: Vec<Value> = users
            .into_iter()
            .skip(self.number.saturating_mul(self.size))
            .take(self.size)
            .map(|Found { doc: person, .. }| {
                json!({
                    "userId": person.enos_user_id,
                    "name": person.name,
                    "email": person.email,
                    "phone": person.mobile,
                })
            })
            .collect();
        json!({
            "users": rows,
            "pagination": {
                "pageNo": self.number,
                "pageSize": self.size,
                "totalElements": total,
            },
        })
    }
}
