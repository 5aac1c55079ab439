//! Looking people and departments up.
//!
//! Source: the pages on contacts. Where they are silent:
//!
//! - An id that nobody has is 60121; 33012 is for one that cannot be a user id.
//! - Somebody out of the app's range is 50002 for `user/get` and is found by number and union id.
//! - Who is in no department stands in the root.

use serde_json::{Value, json};

use super::{BAD_PARAMETER, Call, Failure, Success};
use crate::sandbox::people::{By, ByDepartment, Department, Person};
use crate::sandbox::world::{Found, Moment, WorldError};

const ROOT: i64 = 1;

/// `getUserByMobile`: employed people alone.
pub(super) fn user_by_mobile(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let mobile = call.text("mobile")?;
    let digits = mobile.strip_prefix('+').unwrap_or(mobile);
    if mobile.len() > 15 || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(Failure::Refused(40104));
    }
    let userid = employed(By::Mobile, mobile, moment)?.dingtalk_user_id;
    Ok(Success::Result(
        json!({"userid": userid, "exclusive_account_userid_list": []}),
    ))
}

/// `getUserIdByUnionId`.
pub(super) fn user_by_union_id(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let person = employed(By::DingtalkUnionId, call.text("unionid")?, moment)?;
    Ok(Success::Result(
        json!({"contact_type": 0, "userid": person.dingtalk_user_id}),
    ))
}

/// `getUser`.
pub(super) fn user(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let userid = call.text("userid")?;
    if userid.chars().count() > 64 || userid.contains(',') {
        return Err(Failure::Refused(33012));
    }
    let person = employed(By::DingtalkUserId, userid, moment)?;
    if person.out_of_scope {
        return Err(Failure::Refused(50002));
    }
    let mut data = json!({
        "userid": userid,
        "unionid": person.dingtalk_union_id,
        "name": person.name,
        "active": true,
        "senior": false,
        "dept_id_list": departments_of(&person, moment)?,
        "role_list": [],
    });
    for (name, value) in [("mobile", &person.mobile), ("email", &person.email)] {
        if let Some(value) = value {
            data[name] = value.as_str().into();
        }
    }
    Ok(Success::Result(data))
}

/// Somebody at DingTalk who has not left.
fn employed(by: By, value: &str, moment: &Moment<'_>) -> Result<Person, Failure> {
    Person::find(by, value, moment)?
        .map(|found| found.doc)
        .filter(|person| person.dingtalk_user_id.is_some() && !person.left)
        .ok_or(Failure::Refused(60121))
}

fn departments_of(person: &Person, moment: &Moment<'_>) -> Result<Vec<i64>, WorldError> {
    let mut ids = Vec::new();
    for id in &person.departments {
        ids.extend(Department::at(id, moment)?.and_then(|found| found.doc.dingtalk_dept_id));
    }
    if ids.is_empty() {
        ids.push(ROOT);
    }
    Ok(ids)
}

/// `listDepartmentUserIds`: people directly in it, also those out of the app's range.
pub(super) fn users_of_department(
    call: &Call<'_>,
    moment: &Moment<'_>,
) -> Result<Success, Failure> {
    let dept = dept_id(call)?.ok_or(Failure::Refused(BAD_PARAMETER))?;
    existing(dept, moment)?;
    let mut ids = Vec::new();
    for Found { doc: person, .. } in Person::all(moment)? {
        let inside = !person.left && departments_of(&person, moment)?.contains(&dept);
        ids.extend(person.dingtalk_user_id.filter(|_| inside));
    }
    Ok(Success::Result(json!({"userid_list": ids})))
}

/// `getDepartment`.
pub(super) fn department(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let dept = match dept_id(call) {
        Ok(Some(dept)) => dept,
        Ok(None) => return Err(Failure::Refused(BAD_PARAMETER)),
        Err(_) => return Err(Failure::Refused(40009)),
    };
    match existing(dept, moment)? {
        None => Ok(Success::Result(json!({"dept_id": ROOT, "name": "Sandbox"}))),
        Some(found) if found.doc.out_of_scope => Err(Failure::Refused(50004)),
        Some(found) => Ok(Success::Result(show(&found.doc, moment)?)),
    }
}

/// `listSubDepartments`: one level, within the app's range; of the root when none is named.
pub(super) fn sub_departments(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let dept = dept_id(call)?.unwrap_or(ROOT);
    if existing(dept, moment)?.is_some_and(|found| found.doc.out_of_scope) {
        return Err(Failure::Refused(50004));
    }
    let children = children_of(dept, moment)?.into_iter();
    let rows = children
        .filter(|child| !child.out_of_scope)
        .map(|child| show(&child, moment))
        .collect::<Result<Vec<Value>, _>>()?;
    Ok(Success::Result(json!(rows)))
}

/// `listSubDepartmentIds`: one level, also those out of the app's range.
pub(super) fn sub_department_ids(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let dept = dept_id(call)?.ok_or(Failure::Refused(BAD_PARAMETER))?;
    existing(dept, moment)?;
    let children = children_of(dept, moment)?.into_iter();
    let ids: Vec<i64> = children
        .filter_map(|child| child.dingtalk_dept_id)
        .collect();
    Ok(Success::Result(json!({"dept_id_list": ids})))
}

/// A number, or digits in a text, as the vendor's SDK sends them.
fn dept_id(call: &Call<'_>) -> Result<Option<i64>, Failure> {
    let id = match call.body.get("dept_id") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(_) => None,
    };
    match id {
        Some(id) if id >= ROOT => Ok(Some(id)),
        _ => Err(Failure::Refused(BAD_PARAMETER)),
    }
}

/// The department, or nothing for the root, which is always there.
fn existing(dept: i64, moment: &Moment<'_>) -> Result<Option<Found<Department>>, Failure> {
    if dept == ROOT {
        return Ok(None);
    }
    let found = Department::find(ByDepartment::Dingtalk, &dept.to_string(), moment)?;
    found.map(Some).ok_or(Failure::Refused(60003))
}

fn children_of(dept: i64, moment: &Moment<'_>) -> Result<Vec<Department>, WorldError> {
    let mut children = Vec::new();
    for Found { doc, .. } in Department::all(moment)? {
        if doc.dingtalk_dept_id.is_some() && parent_of(&doc, moment)? == dept {
            children.push(doc);
        }
    }
    Ok(children)
}

fn parent_of(department: &Department, moment: &Moment<'_>) -> Result<i64, WorldError> {
    let parent = match &department.parent {
        Some(parent) => Department::at(parent, moment)?,
        None => None,
    };
    Ok(parent
        .and_then(|parent| parent.doc.dingtalk_dept_id)
        .unwrap_or(ROOT))
}

fn show(department: &Department, moment: &Moment<'_>) -> Result<Value, WorldError> {
    Ok(json!({
        "dept_id": department.dingtalk_dept_id,
        "name": department.name,
        "parent_id": parent_of(department, moment)?,
        "create_dept_group": false,
        "auto_add_user": false,
    }))
}
