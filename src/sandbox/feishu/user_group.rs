//! Contact user groups: create, list, read, change, delete.
//!
//! Source: the pages under contact-v3/group. Where they are silent:
//!
//! - `group_id` is looked at before `name`, so that a replayed create gets 47005 and not 47009.
//! - The id that a create answers is `id` in a list; `group_id` there is another one, as in the
//!   page's sample, and no call takes it.
//! - A group out of a limited contact scope is in no list and cannot be read (42002).
//! - A delete of a group that is not there gets 42002.

use serde_json::{Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::records::UserGroup;
use super::{group_member, page};
use crate::sandbox::people::{Tenant, id_for};
use crate::sandbox::world::{Found, Moment, View, WorldError};

/// The code of a bad parameter in the contact API.
pub(super) const BAD_PARAMETER: i64 = 40001;

/// `createUserGroup`: for an app that can see all employees.
pub(super) fn create(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    let tenant = Tenant::of(moment)?;
    if !tenant.all_employees {
        let why = "the contact scope of the app is not all employees";
        return Err(Refusal::new(403, 42010, why).into());
    }
    let name = fields.text("name", 0..=usize::MAX)?.unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::new(400, 42001, "the name of the group is empty").into());
    }
    let description = fields.text("description", 0..=usize::MAX)?;
    let description = description.unwrap_or_default();
    check_lengths(name, description)?;
    if fields.value("type").is_some_and(|kind| *kind != json!(1)) {
        return Err(Refusal::new(400, 42003, "only groups of type 1 can be created").into());
    }
    let id = match fields.text("group_id", 0..=usize::MAX)? {
        None | Some("") => uuid::Uuid::new_v4().simple().to_string()[..16].to_owned(),
        Some(id) if id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            id.to_owned()
        }
        Some(id) => return Err(no_such_group(id).into()),
    };
    let all = every(moment)?;
    if all.iter().any(|group| group.id == id) {
        return Err(Refusal::new(400, 47005, format!("group_id is taken: {id}")).into());
    }
    check_name(name, &id, &all)?;
    if all.len() >= tenant.user_groups {
        let why = format!("the tenant has {} user groups already", all.len());
        return Err(Refusal::new(400, 42016, why).into());
    }
    let group = UserGroup {
        name: name.to_owned(),
        description: description.to_owned(),
        ..UserGroup::default()
    };
    moment.insert(UserGroup::KIND, &id, "", &group)?;
    Ok(Success::Data(json!({"group_id": id})))
}

/// `listUserGroups`: those of the normal kind that are in scope; there are no dynamic ones.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let kind = call.query.one_of("type", &["1", "2"])?;
    let (size, after) = page_of(call)?;
    let tenant = Tenant::of(moment)?;
    let all: Vec<Found<UserGroup>> = moment.list(UserGroup::KIND, None, call.view)?;
    let rows = all
        .into_iter()
        .filter(|group| kind != Some("2") && in_scope(&group.doc, &tenant))
        .map(|group| (group.born, group));
    let data = page::cut("grouplist", rows, after, size, |group| {
        show(&group.id, &group.doc, moment)
    })?;
    Ok(Success::Data(data))
}

/// `getUserGroup`.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let found = find(call, moment, call.view)?;
    if !in_scope(&found.doc, &Tenant::of(moment)?) {
        return Err(no_such_group(&found.id).into());
    }
    let group = show(&found.id, &found.doc, moment)?;
    Ok(Success::Data(json!({"group": group})))
}

/// `patchUserGroup`: what is absent or empty stays as it is.
pub(super) fn patch(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    let mut found = find_in_scope(call, moment, View::Present)?;
    let name = fields.text("name", 0..=usize::MAX)?.unwrap_or_default();
    let description = fields.text("description", 0..=usize::MAX)?;
    let description = description.unwrap_or_default();
    check_lengths(name, description)?;
    if !name.is_empty() {
        check_name(name, &found.id, &every(moment)?)?;
        found.doc.name = name.to_owned();
    }
    if !description.is_empty() {
        found.doc.description = description.to_owned();
    }
    moment.replace(UserGroup::KIND, &found.id, &found.doc)?;
    Ok(Success::Data(json!({})))
}

/// `deleteUserGroup`: an empty one, for an app that can see all employees.
pub(super) fn delete(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    if !Tenant::of(moment)?.all_employees {
        return Err(out_of_scope("the contact scope of the app is not all employees").into());
    }
    let found = find(call, moment, View::Present)?;
    if group_member::people(&found.doc, moment)? > 0 || !found.doc.departments.is_empty() {
        return Err(Refusal::new(400, 42017, "the group still has members").into());
    }
    moment.remove(UserGroup::KIND, &found.id)?;
    Ok(Success::Data(json!({})))
}

fn every(moment: &Moment<'_>) -> Result<Vec<Found<UserGroup>>, WorldError> {
    moment.list(UserGroup::KIND, None, View::Present)
}

fn check_lengths(name: &str, description: &str) -> Result<(), Refusal> {
    if name.chars().count() > 100 {
        return Err(Refusal::new(
            400,
            42013,
            "the name is longer than 100 characters",
        ));
    }
    if description.chars().count() > 500 {
        let why = "the description is longer than 500 characters";
        return Err(Refusal::new(400, 42014, why));
    }
    Ok(())
}

fn check_name(name: &str, id: &str, all: &[Found<UserGroup>]) -> Result<(), Refusal> {
    let taken = |group: &Found<UserGroup>| group.doc.name == name && group.id != id;
    if all.iter().any(taken) {
        return Err(Refusal::new(
            400,
            47009,
            format!("the name is taken: {name}"),
        ));
    }
    Ok(())
}

/// The page's size and where it begins, with the codes of the contact API.
pub(super) fn page_of(call: &Call<'_>) -> Result<(usize, i64), Refusal> {
    let size = call
        .query
        .integer("page_size", 1..=100, 50)
        .map_err(|_| Refusal::new(400, 40011, "page_size must be from 1 to 100"))?;
    let after = page::start(call.query)
        .map_err(|_| Refusal::new(400, 40012, "page_token is not of this list"))?;
    Ok((size, after))
}

/// The group of the path.
pub(super) fn find(
    call: &Call<'_>,
    moment: &Moment<'_>,
    view: View,
) -> Result<Found<UserGroup>, Failure> {
    let id = call.path_value("group_id");
    moment
        .find(UserGroup::KIND, id, view)?
        .ok_or_else(|| no_such_group(id).into())
}

/// The group of the path, for what needs it in the app's contact scope.
pub(super) fn find_in_scope(
    call: &Call<'_>,
    moment: &Moment<'_>,
    view: View,
) -> Result<Found<UserGroup>, Failure> {
    let found = find(call, moment, view)?;
    if in_scope(&found.doc, &Tenant::of(moment)?) {
        return Ok(found);
    }
    Err(out_of_scope("the group is outside of the app's contact scope").into())
}

fn in_scope(group: &UserGroup, tenant: &Tenant) -> bool {
    tenant.all_employees || !group.out_of_scope
}

fn out_of_scope(why: &str) -> Refusal {
    Refusal::new(403, 42009, why)
}

fn no_such_group(id: &str) -> Refusal {
    Refusal::new(400, 42002, format!("group_id is not valid: {id}"))
}

fn show(id: &str, group: &UserGroup, moment: &Moment<'_>) -> Result<Value, WorldError> {
    Ok(json!({
        "id": id,
        "name": group.name,
        "description": group.description,
        "member_user_count": group_member::people(group, moment)?,
        "member_department_count": group.departments.len(),
        "type": 1,
        "department_scope_list": [],
        "group_id": format!("g{}", &id_for(id)[..6]),
    }))
}
