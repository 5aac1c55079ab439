//! People, departments and the tenant, as its administrators see them.
//!
//! An object is one of them, an array is several at once. `{id}` is any id, address or number.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Reply, Trouble, parsed};
use crate::sandbox::people::{ByDepartment, Department, Person, Tenant};
use crate::sandbox::serve::Shared;
use crate::sandbox::world::{Found, Moment, WorldError};

/// A department by any of its ids.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyId {
    Text(String),
    Number(i64),
}

impl AnyId {
    /// The department that is named so: a number is DingTalk's.
    fn department(self, moment: &Moment<'_>) -> Result<Found<Department>, Trouble> {
        match self {
            AnyId::Text(id) => department(&id, moment),
            AnyId::Number(id) => Department::find(ByDepartment::Dingtalk, &id.to_string(), moment)?
                .ok_or_else(|| Trouble::Missing(format!("department {id}"))),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewPerson {
    name: Option<String>,
    open_id: Option<String>,
    union_id: Option<String>,
    user_id: Option<String>,
    dingtalk_user_id: Option<String>,
    dingtalk_union_id: Option<String>,
    enos_user_id: Option<String>,
    enos_org_id: Option<String>,
    email: Option<String>,
    mobile: Option<String>,
    departments: Vec<AnyId>,
    left: bool,
    out_of_scope: bool,
    blocks_bots: bool,
}

pub(super) async fn add_users(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let (new, single) = one_or_many::<NewPerson>(&body)?;
    shared
        .act(move |_, moment| {
            let added = new.into_iter().map(|new| add_person(new, moment));
            let rows = added.collect::<Result<Vec<Value>, Trouble>>()?;
            Ok(Json(answer(rows, single, "users")))
        })
        .await
}

fn add_person(new: NewPerson, moment: &Moment<'_>) -> Result<Value, Trouble> {
    let mut person = Person {
        name: new.name.unwrap_or_else(|| "Person".to_owned()),
        open_id: new.open_id,
        union_id: new.union_id,
        user_id: new.user_id,
        dingtalk_user_id: new.dingtalk_user_id,
        dingtalk_union_id: new.dingtalk_union_id,
        enos_user_id: new.enos_user_id,
        enos_org_id: new.enos_org_id,
        email: new.email,
        mobile: new.mobile,
        departments: departments_of(new.departments, moment)?,
        left: new.left,
        out_of_scope: new.out_of_scope,
        blocks_bots: new.blocks_bots,
    };
    person.complete(random);
    let id = person.add(moment)?.map_err(taken)?;
    row(&id, &person)
}

fn departments_of(ids: Vec<AnyId>, moment: &Moment<'_>) -> Result<Vec<String>, Trouble> {
    ids.into_iter()
        .map(|id| Ok(id.department(moment)?.id))
        .collect()
}

pub(super) async fn list_users(State(shared): State<Arc<Shared>>) -> Reply {
    shared
        .act(|_, moment| Ok(Json(json!({"users": all_people(moment)?}))))
        .await
}

pub(super) async fn get_user(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Reply {
    shared
        .act(move |_, moment| {
            let found = person(&id, moment)?;
            Ok(Json(row(&found.id, &found.doc)?))
        })
        .await
}

/// Sets these fields; `left` and `out_of_scope` are how somebody goes.
pub(super) async fn change_user(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Reply {
    let mut changes: Map<String, Value> = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let found = person(&id, moment)?;
            if let Some(ids) = changes.remove("departments") {
                let ids: Vec<AnyId> = serde_json::from_value(ids).map_err(bad)?;
                changes.insert(
                    "departments".to_owned(),
                    departments_of(ids, moment)?.into(),
                );
            }
            let changed: Person = merged(&found.doc, changes)?;
            if changed.open_id != found.doc.open_id {
                return Err(Trouble::Bad("an open_id is for life".to_owned()));
            }
            if let Some(key) = changed.put(&found.id, moment)? {
                return Err(taken(key));
            }
            Ok(Json(row(&found.id, &changed)?))
        })
        .await
}

pub(super) async fn delete_user(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Reply {
    shared
        .act(move |_, moment| {
            Person::erase(&person(&id, moment)?.id, moment)?;
            Ok(Json(json!({})))
        })
        .await
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewDepartment {
    name: Option<String>,
    open_department_id: Option<String>,
    department_id: Option<String>,
    dingtalk_dept_id: Option<i64>,
    parent: Option<AnyId>,
    out_of_scope: bool,
}

pub(super) async fn add_departments(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let (new, single) = one_or_many::<NewDepartment>(&body)?;
    shared
        .act(move |_, moment| {
            let added = new.into_iter().map(|new| add_department(new, moment));
            let rows = added.collect::<Result<Vec<Value>, Trouble>>()?;
            Ok(Json(answer(rows, single, "departments")))
        })
        .await
}

fn add_department(new: NewDepartment, moment: &Moment<'_>) -> Result<Value, Trouble> {
    let parent = new.parent.map(|id| id.department(moment)).transpose()?;
    let mut added = Department {
        name: new.name.unwrap_or_else(|| "Department".to_owned()),
        open_department_id: new.open_department_id,
        department_id: new.department_id,
        dingtalk_dept_id: new.dingtalk_dept_id,
        parent: parent.map(|found| found.id),
        out_of_scope: new.out_of_scope,
    };
    added.complete(random);
    let id = added.add(moment)?.map_err(taken)?;
    row(&id, &added)
}

pub(super) async fn list_departments(State(shared): State<Arc<Shared>>) -> Reply {
    shared
        .act(|_, moment| Ok(Json(json!({"departments": all_departments(moment)?}))))
        .await
}

/// Sets the name, or whether the apps can see it. Its ids and its place are for life.
pub(super) async fn change_department(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Reply {
    let changes: Map<String, Value> = parsed(&body)?;
    shared
        .act(move |_, moment| {
            if let Some(name) = changes
                .keys()
                .find(|name| !["name", "out_of_scope"].contains(&name.as_str()))
            {
                return Err(Trouble::Bad(format!("{name} cannot be changed")));
            }
            let found = department(&id, moment)?;
            let changed: Department = merged(&found.doc, changes)?;
            moment.overwrite(Department::KIND, &found.id, &changed)?;
            Ok(Json(row(&found.id, &changed)?))
        })
        .await
}

pub(super) async fn delete_department(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Reply {
    shared
        .act(move |_, moment| {
            Department::erase(&department(&id, moment)?, moment)?;
            Ok(Json(json!({})))
        })
        .await
}

/// Sets what an administrator can set for the whole tenant; an empty body only shows it.
pub(super) async fn change_tenant(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let changes: Map<String, Value> = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let tenant: Tenant = merged(&Tenant::of(moment)?, changes)?;
            tenant.set(moment)?;
            Ok(Json(json!(tenant)))
        })
        .await
}

/// Everybody as a row.
pub(super) fn all_people(moment: &Moment<'_>) -> Result<Vec<Value>, Trouble> {
    let all = Person::all(moment)?;
    all.iter().map(|found| row(&found.id, &found.doc)).collect()
}

/// Every department as a row.
pub(super) fn all_departments(moment: &Moment<'_>) -> Result<Vec<Value>, Trouble> {
    let all = Department::all(moment)?;
    all.iter().map(|found| row(&found.id, &found.doc)).collect()
}

/// The person that an id, address or number names.
pub(super) fn person(id: &str, moment: &Moment<'_>) -> Result<Found<Person>, Trouble> {
    Person::find_any(id, moment)?.ok_or_else(|| Trouble::Missing(format!("person {id}")))
}

/// The department that one of its ids names.
pub(super) fn department(id: &str, moment: &Moment<'_>) -> Result<Found<Department>, Trouble> {
    Department::find_any(id, moment)?.ok_or_else(|| Trouble::Missing(format!("department {id}")))
}

/// The document with these fields in place of its own.
pub(super) fn merged<T: serde::Serialize + DeserializeOwned>(
    doc: &T,
    changes: Map<String, Value>,
) -> Result<T, Trouble> {
    let mut doc = serde_json::to_value(doc).map_err(WorldError::from)?;
    for (name, value) in changes {
        match doc.get_mut(&name) {
            Some(field) => *field = value,
            None => return Err(Trouble::Bad(format!("there is no field {name}"))),
        }
    }
    serde_json::from_value(doc).map_err(bad)
}

fn one_or_many<T: DeserializeOwned>(body: &Bytes) -> Result<(Vec<T>, bool), Trouble> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        Ok((parsed(body)?, false))
    } else {
        Ok((vec![parsed(body)?], true))
    }
}

fn answer(mut rows: Vec<Value>, single: bool, name: &str) -> Value {
    match single.then(|| rows.pop()).flatten() {
        Some(row) => row,
        None => json!({name: rows}),
    }
}

fn row(id: &str, doc: &impl serde::Serialize) -> Result<Value, Trouble> {
    let mut row = json!({"id": id});
    if let (Some(row), Value::Object(fields)) = (
        row.as_object_mut(),
        serde_json::to_value(doc).map_err(WorldError::from)?,
    ) {
        row.extend(fields);
    }
    Ok(row)
}

fn random(_: &str) -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn taken(key: String) -> Trouble {
    Trouble::Bad(format!("somebody has {key} already"))
}

fn bad(error: serde_json::Error) -> Trouble {
    Trouble::Bad(error.to_string())
}
