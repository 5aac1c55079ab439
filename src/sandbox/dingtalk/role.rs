//! Roles and who holds them.
//!
//! Source: the pages on roles. Where they are silent: a page counts role groups, a size that is
//! no number of the range is 40069, an offset 40068, and one without the other is refused as
//! what is missing. Who has left holds no role.

use serde_json::{Value, json};

use super::records::Role;
use super::{Call, Failure, Success, send};
use crate::sandbox::people::Person;
use crate::sandbox::world::{Found, Moment, View};

const SIZE: usize = 20;
const BAD_OFFSET: i64 = 40068;
const BAD_SIZE: i64 = 40069;

/// Where a page begins, and how long it is.
fn page(call: &Call<'_>, max: usize) -> Result<(usize, usize), Failure> {
    let number = |name: &str, code| match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => send::long(value)
            .and_then(|number| usize::try_from(number).ok())
            .map(Some)
            .ok_or(Failure::Refused(code)),
    };
    match (number("offset", BAD_OFFSET)?, number("size", BAD_SIZE)?) {
        (None, None) => Ok((0, SIZE)),
        (Some(offset), Some(size)) if (1..=max).contains(&size) => Ok((offset, size)),
        (None, Some(_)) => Err(Failure::Refused(BAD_OFFSET)),
        _ => Err(Failure::Refused(BAD_SIZE)),
    }
}

/// `listRoles`: role groups with their roles.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let (offset, size) = page(call, 200)?;
    let mut groups: Vec<(i64, String, Vec<Value>)> = Vec::new();
    let roles: Vec<Found<Role>> = moment.list(Role::KIND, None, View::Present)?;
    for Found { id, doc: role, .. } in roles {
        let shown = json!({"id": id.parse::<i64>().unwrap_or_default(), "name": role.name});
        match groups.iter_mut().find(|group| group.0 == role.group_id) {
            Some(group) => group.2.push(shown),
            None => groups.push((role.group_id, role.group, vec![shown])),
        }
    }
    let more = groups.len() > offset.saturating_add(size);
    let rows: Vec<Value> = groups
        .into_iter()
        .skip(offset)
        .take(size)
        .map(|(id, name, roles)| json!({"groupId": id, "name": name, "roles": roles}))
        .collect();
    Ok(Success::Result(json!({"hasMore": more, "list": rows})))
}

/// `listRoleUsers`.
pub(super) fn users(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let (offset, size) = page(call, 100)?;
    let id = call.body.get("role_id").and_then(send::long);
    let id = id.ok_or(Failure::Refused(33011))?;
    let role: Option<Found<Role>> = moment.find(Role::KIND, &id.to_string(), View::Present)?;
    let role = role.ok_or(Failure::Refused(33011))?;
    let mut rows = Vec::new();
    for id in &role.doc.users {
        let found: Option<Found<Person>> = moment.find(Person::KIND, id, View::Present)?;
        let Some(person) = found.map(|found| found.doc).filter(|person| !person.left) else {
            continue;
        };
        if let Some(userid) = person.dingtalk_user_id {
            rows.push(json!({"userid": userid, "name": person.name}));
        }
    }
    let more = rows.len() > offset.saturating_add(size);
    let rows: Vec<Value> = rows.into_iter().skip(offset).take(size).collect();
    Ok(Success::Result(json!({"hasMore": more, "list": rows})))
}
