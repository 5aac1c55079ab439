//! Members of a contact user group: add, remove, list.
//!
//! Source: the pages under contact-v3/group-member. Where they are silent:
//!
//! - A malformed entry refuses the whole add; whether a well-formed id can be added is said for each
//!   member: 42005 there already, 42006 left, 41050 out of scope, 41073 unknown.
//! - Removing somebody who is no member is quiet. An id that cannot be used is 41073 or 41050 when
//!   it stands alone; with others that were removed it is 40022.
//! - Who is out of scope or has left is not in the list. The first still counts as a member, the
//!   second does not.

use serde_json::{Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::ids::{self, IdType, Standing};
use super::page;
use super::records::UserGroup;
use super::user_group::{BAD_PARAMETER, find_in_scope, page_of};
use crate::sandbox::people::{Department, Tenant};
use crate::sandbox::world::{Found, Moment, View, WorldError};

/// People in the group who have not left the organisation.
pub(super) fn people(group: &UserGroup, moment: &Moment<'_>) -> Result<usize, WorldError> {
    let mut count = 0;
    for id in &group.users {
        if ids::person(id, moment)?.is_some_and(|person| !person.left) {
            count += 1;
        }
    }
    Ok(count)
}

/// The members of a request: each id with its kind.
fn named(call: &Call<'_>) -> Result<Vec<(String, IdType)>, Failure> {
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    let members = fields.objects("members", 100)?.unwrap_or_default();
    if members.is_empty() {
        return Err(fields
            .bad("members", "1 to 100 entries are expected")
            .into());
    }
    let mut named = Vec::new();
    for member in members {
        let text = |name| {
            member
                .value(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if text("member_type") != "user" {
            return Err(Refusal::new(400, 41074, "member_type must be user").into());
        }
        let Some(kind) = IdType::named(text("member_id_type")) else {
            return Err(Refusal::new(400, 41071, "member_id_type is not valid").into());
        };
        let id = text("member_id");
        if id.is_empty() {
            return Err(Refusal::new(400, 41073, "member_id is not valid").into());
        }
        named.push((id.to_owned(), kind));
    }
    Ok(named)
}

/// `batchAddUserGroupMembers`: says of each member whether it was added.
pub(super) fn add(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let named = named(call)?;
    let mut found = find_in_scope(call, moment, View::Present)?;
    let mut results = Vec::new();
    let before = found.doc.users.len();
    for (id, kind) in named {
        let code = match kind.standing(&id, moment)? {
            Standing::Usable(open_id) if found.doc.users.contains(&open_id) => 42005,
            Standing::Usable(open_id) => {
                found.doc.users.push(open_id);
                0
            }
            Standing::Left(_) => 42006,
            Standing::Hidden(_) => 41050,
            Standing::Unknown => 41073,
        };
        results.push(json!({"member_id": id, "code": code}));
    }
    if found.doc.users.len() > Tenant::of(moment)?.group_members {
        return Err(Refusal::new(400, 42012, "the group cannot have so many members").into());
    }
    if found.doc.users.len() > before {
        moment.replace(UserGroup::KIND, &found.id, &found.doc)?;
    }
    Ok(Success::Data(json!({"results": results})))
}

/// `batchRemoveUserGroupMembers`: says nothing of a single member.
pub(super) fn remove(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let named = named(call)?;
    let mut found = find_in_scope(call, moment, View::Present)?;
    let mut gone = Vec::new();
    let mut trouble = None;
    for (id, kind) in named {
        match kind.standing(&id, moment)? {
            Standing::Usable(open_id) | Standing::Left(open_id) => gone.push(open_id),
            Standing::Unknown => trouble = trouble.or(Some((400, 41073, "member_id is not valid"))),
            Standing::Hidden(_) => {
                let why = "a user is outside of the app's contact scope";
                trouble = trouble.or(Some((403, 41050, why)));
            }
        }
    }
    if let (Some((status, code, why)), true) = (trouble, gone.is_empty()) {
        return Err(Refusal::new(status, code, why).into());
    }
    let before = found.doc.users.len();
    found.doc.users.retain(|id| !gone.contains(id));
    if found.doc.users.len() < before {
        moment.replace(UserGroup::KIND, &found.id, &found.doc)?;
    }
    Ok(match trouble {
        None => Success::Data(json!({})),
        Some(_) => {
            let why = "some members could not be removed";
            Success::InPart(Refusal::new(400, 40022, why))
        }
    })
}

/// `listUserGroupMembers`: one kind of member a call.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let (size, after) = page_of(call)?;
    let kind = call.query.text("member_type").unwrap_or("user");
    let id_type = call.query.text("member_id_type").unwrap_or("open_id");
    if !["user", "department"].contains(&kind) {
        return Err(Refusal::new(400, 41074, "member_type is not valid").into());
    }
    if !["open_id", "union_id", "user_id", "department_id"].contains(&id_type) {
        return Err(Refusal::new(400, 41071, "member_id_type is not valid").into());
    }
    let fits = match kind {
        "user" => id_type != "department_id",
        _ => ["open_id", "department_id"].contains(&id_type),
    };
    if !fits {
        let why = "member_type and member_id_type do not go together";
        return Err(Refusal::new(400, 41072, why).into());
    }
    let group = find_in_scope(call, moment, call.view)?.doc;
    let mut members = Vec::new();
    let all = if kind == "user" {
        &group.users
    } else {
        &group.departments
    };
    for (number, id) in (1..).zip(all) {
        let shown = match IdType::named(id_type) {
            Some(ids) if kind == "user" => ids::person(id, moment)?
                .filter(|person| !person.left && !person.out_of_scope)
                .and_then(|person| ids.of(&person).map(str::to_owned)),
            _ => {
                let found: Option<Found<Department>> =
                    moment.find(Department::KIND, id, View::Present)?;
                found
                    .filter(|found| !found.doc.out_of_scope)
                    .and_then(|found| match id_type {
                        "department_id" => found.doc.department_id,
                        _ => found.doc.open_department_id,
                    })
            }
        };
        members.extend(shown.map(|id| (number, id)));
    }
    let data = page::cut("memberlist", members.into_iter(), after, size, |id| {
        Ok(json!({"member_id": id, "member_type": kind}))
    })?;
    Ok(Success::Data(data))
}
