//! Looking people and departments up.
//!
//! Source: the pages on user/batch_get_id, user/batch and department/batch of contact v3. Where they
//! are silent:
//!
//! - Too many addresses, numbers or ids are stopped by the gateway.
//! - A read of users shows who has left, and says so in `status`.

use serde_json::{Map, Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::ids::IdType;
use crate::sandbox::people::{By, ByDepartment, Department, Person};
use crate::sandbox::world::{Found, Moment, WorldError};

const AT_ONCE: usize = 50;

/// `batchGetUserIds`: an entry for each address and number, without an id where nobody was found,
/// or somebody who is out of scope or has left.
pub(super) fn user_ids(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, 99992402)?;
    let with_resigned = fields.flag("include_resigned")?.unwrap_or(false);
    let mut entries = Vec::new();
    for (array, name, by) in [
        ("emails", "email", By::Email),
        ("mobiles", "mobile", By::Mobile),
    ] {
        let asked = fields.texts(array, usize::MAX)?.unwrap_or_default();
        if asked.len() > AT_ONCE {
            let why = format!("at most {AT_ONCE} are allowed, {} given", asked.len());
            return Err(Refusal::parameter(array, "", why).into());
        }
        for value in asked {
            let found = Person::find(by, &value, moment)?
                .map(|found| found.doc)
                .filter(|person| !person.out_of_scope && (with_resigned || !person.left));
            let mut entry = Map::from_iter([(name.to_owned(), Value::from(value))]);
            if let Some((person, id)) = found
                .as_ref()
                .and_then(|person| Some((person, ids.of(person)?)))
            {
                entry.insert("user_id".to_owned(), id.into());
                entry.insert("status".to_owned(), status(person));
            }
            entries.push(Value::Object(entry));
        }
    }
    Ok(Success::Data(json!({"user_list": entries})))
}

/// `batchGetUsers`: those of the ids that can be read.
pub(super) fn users(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    let own = own_department_ids(call)?;
    let mut items = Vec::new();
    for id in call.query.repeated("user_ids", AT_ONCE)? {
        if let Some(person) = readable(ids, id, moment)? {
            items.push(show(&person, own, moment)?);
        }
    }
    Ok(Success::Data(json!({"items": items})))
}

fn readable(ids: IdType, id: &str, moment: &Moment<'_>) -> Result<Option<Person>, WorldError> {
    let by = match ids {
        IdType::Open => By::OpenId,
        IdType::Union => By::UnionId,
        IdType::User => By::UserId,
    };
    let found = Person::find(by, id, moment)?;
    Ok(found
        .map(|found| found.doc)
        .filter(|person| !person.out_of_scope))
}

/// Whether departments go by the tenant's own ids.
fn own_department_ids(call: &Call<'_>) -> Result<bool, Refusal> {
    let kinds = ["open_department_id", "department_id"];
    let kind = call.query.one_of("department_id_type", &kinds)?;
    Ok(kind == Some("department_id"))
}

fn show(person: &Person, own: bool, moment: &Moment<'_>) -> Result<Value, WorldError> {
    let mut departments = Vec::new();
    for id in &person.departments {
        let id = Department::at(id, moment)?.and_then(|found| id_of(found.doc, own));
        departments.extend(id);
    }
    if departments.is_empty() {
        departments.push("0".to_owned());
    }
    let mut data = json!({
        "name": person.name,
        "status": status(person),
        "department_ids": departments,
    });
    for (name, value) in [
        ("open_id", &person.open_id),
        ("union_id", &person.union_id),
        ("user_id", &person.user_id),
        ("email", &person.email),
        ("mobile", &person.mobile),
    ] {
        if let Some(value) = value {
            data[name] = value.as_str().into();
        }
    }
    Ok(data)
}

fn status(person: &Person) -> Value {
    json!({
        "is_frozen": false,
        "is_resigned": person.left,
        "is_activated": !person.left,
        "is_exited": false,
        "is_unjoin": false,
    })
}

/// `batchGetDepartments`: those of the ids that can be read.
pub(super) fn departments(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let own = own_department_ids(call)?;
    let by = if own {
        ByDepartment::Own
    } else {
        ByDepartment::Open
    };
    let everybody = Person::all(moment)?;
    let mut items = Vec::new();
    for id in call.query.repeated("department_ids", AT_ONCE)? {
        let Some(found) = Department::find(by, id, moment)? else {
            continue;
        };
        if found.doc.out_of_scope {
            continue;
        }
        let parent = match &found.doc.parent {
            Some(parent) => Department::at(parent, moment)?,
            None => None,
        };
        let parent = parent.and_then(|parent| id_of(parent.doc, own));
        let Found { id, doc, .. } = found;
        let members = members_below(&id, &everybody, moment)?;
        items.push(json!({
            "name": doc.name,
            "parent_department_id": parent.unwrap_or_else(|| "0".to_owned()),
            "department_id": doc.department_id,
            "open_department_id": doc.open_department_id,
            "member_count": members,
            "status": {"is_deleted": false},
        }));
    }
    Ok(Success::Data(json!({"items": items})))
}

/// People in the department and below it.
fn members_below(
    id: &str,
    everybody: &[Found<Person>],
    moment: &Moment<'_>,
) -> Result<usize, WorldError> {
    let below = Department::with_all_below(id, moment)?;
    let inside = |person: &&Found<Person>| {
        !person.doc.left && person.doc.departments.iter().any(|id| below.contains(id))
    };
    Ok(everybody.iter().filter(inside).count())
}

fn id_of(department: Department, own: bool) -> Option<String> {
    if own {
        department.department_id
    } else {
        department.open_department_id
    }
}
