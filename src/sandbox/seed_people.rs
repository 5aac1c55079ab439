//! Making the people and departments that a manifest names and the world lacks.

use super::enos::Org;
use super::people::{By, ByDepartment, Department, Person, id_for};
use super::seed::Seeded;
use super::world::{Found, Moment, View, WorldError};

/// Who has to be there. Later kinds are more fields, so build it with `..WantedPeople::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedPeople {
    /// Departments.
    pub departments: Vec<WantedDepartment>,
    /// People whom the sandbox's app can see.
    pub people: Vec<WantedPerson>,
    /// Organisation units of EnOS, by id.
    pub enos_orgs: Vec<String>,
}

/// A person by whatever a manifest names: one of these is enough, with none it is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedPerson {
    /// Feishu's open_id.
    pub open_id: Option<String>,
    /// Feishu's union_id.
    pub union_id: Option<String>,
    /// Feishu's user_id.
    pub user_id: Option<String>,
    /// DingTalk's userid.
    pub dingtalk_user_id: Option<String>,
    /// The user id at EnOS.
    pub enos_user_id: Option<String>,
    /// An e-mail address; alone it makes a person at Feishu.
    pub email: Option<String>,
    /// A mobile number; alone it makes a person at Feishu and at DingTalk.
    pub mobile: Option<String>,
    /// The name, for display.
    pub name: Option<String>,
}

/// A department by one of its ids; with none it is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedDepartment {
    /// Feishu's open_department_id, `od-…`.
    pub open_department_id: Option<String>,
    /// Feishu's department_id, the tenant's own.
    pub department_id: Option<String>,
    /// DingTalk's dept_id. The root, 1, is always there.
    pub dingtalk_dept_id: Option<i64>,
    /// The name, for display.
    pub name: Option<String>,
}

/// Makes who is missing. Who is there stays as they are, also when they have left.
pub(super) fn seed(moment: &Moment<'_>, wanted: &WantedPeople) -> Result<Vec<Seeded>, WorldError> {
    let WantedPeople {
        departments,
        people,
        enos_orgs,
    } = wanted;
    let mut made = Vec::new();
    for department in departments {
        made.extend(department_wanted(moment, department)?);
    }
    for person in people {
        made.extend(person_wanted(moment, person)?);
    }
    for id in enos_orgs {
        let there: Option<Found<Org>> = moment.find(Org::KIND, id, View::Present)?;
        if there.is_none() {
            moment.insert_as_old(Org::KIND, id, "", &Org::default())?;
            made.push(Seeded::Org { id: id.clone() });
        }
    }
    Ok(made)
}

fn department_wanted(
    moment: &Moment<'_>,
    wanted: &WantedDepartment,
) -> Result<Option<Seeded>, WorldError> {
    let WantedDepartment {
        open_department_id,
        department_id,
        dingtalk_dept_id,
        name,
    } = wanted;
    // The root is always there.
    let dingtalk = dingtalk_dept_id
        .filter(|id| *id != 1)
        .map(|id| id.to_string());
    let mut first = None;
    for (by, id) in [
        (ByDepartment::Open, open_department_id),
        (ByDepartment::Own, department_id),
        (ByDepartment::Dingtalk, &dingtalk),
    ] {
        let Some(id) = id else { continue };
        if Department::find(by, id, moment)?.is_some() {
            return Ok(None);
        }
        first.get_or_insert(id);
    }
    let Some(first) = first else {
        return Ok(None);
    };
    let mut department = Department {
        name: name.clone().unwrap_or_else(|| "Department".to_owned()),
        open_department_id: open_department_id.clone(),
        department_id: department_id.clone(),
        dingtalk_dept_id: dingtalk_dept_id.filter(|id| *id != 1),
        ..Department::default()
    };
    department.complete(|kind| id_for(&format!("{kind} {first}")));
    let added = department.add(moment)?;
    Ok(added.is_ok().then(|| Seeded::Department {
        id: first.clone(),
        name: department.name,
    }))
}

fn person_wanted(moment: &Moment<'_>, wanted: &WantedPerson) -> Result<Option<Seeded>, WorldError> {
    let WantedPerson {
        open_id,
        union_id,
        user_id,
        dingtalk_user_id,
        enos_user_id,
        email,
        mobile,
        name,
    } = wanted;
    let ways = [
        (By::OpenId, open_id),
        (By::UnionId, union_id),
        (By::UserId, user_id),
        (By::DingtalkUserId, dingtalk_user_id),
        (By::EnosUserId, enos_user_id),
        (By::Email, email),
        (By::Mobile, mobile),
    ];
    let mut first = None;
    for (by, value) in ways {
        let Some(value) = value else { continue };
        if Person::find(by, value, moment)?.is_some() {
            return Ok(None);
        }
        first.get_or_insert(value);
    }
    let Some(first) = first else {
        return Ok(None);
    };
    let mut person = Person {
        open_id: open_id.clone(),
        union_id: union_id.clone(),
        user_id: user_id.clone(),
        dingtalk_user_id: dingtalk_user_id.clone(),
        enos_user_id: enos_user_id.clone(),
        email: email.clone(),
        mobile: mobile.clone(),
        ..Person::named(name.as_deref().unwrap_or("Person"))
    };
    let new_id = |kind: &str| id_for(&format!("{kind} {first}"));
    person.complete(new_id);
    if person.mobile.is_some() && person.dingtalk_user_id.is_none() {
        person.dingtalk_user_id = Some(new_id("dingtalk user")[..16].to_owned());
        person.complete(new_id);
    }
    let added = person.add(moment)?;
    Ok(added.is_ok().then(|| Seeded::Person {
        id: first.clone(),
        name: person.name,
    }))
}
