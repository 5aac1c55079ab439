//! Whom the vendors know: people and departments, in one directory for all three.
//!
//! The ids that somebody has say where they are: who has no DingTalk id is not at DingTalk. Each
//! vendor's files say what they show of them, and which of them an app can see.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::world::{Found, Moment, View, WorldError};

/// A way to name a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    OpenId,
    UnionId,
    UserId,
    Email,
    Mobile,
    DingtalkUserId,
    DingtalkUnionId,
    EnosUserId,
}

const WAYS: [By; 8] = [
    By::OpenId,
    By::UnionId,
    By::UserId,
    By::Email,
    By::Mobile,
    By::DingtalkUserId,
    By::DingtalkUnionId,
    By::EnosUserId,
];

/// A person. Its own id in the world is the open_id where there is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) name: String,
    /// One for all apps, which the vendor would not do.
    pub(super) open_id: Option<String>,
    pub(super) union_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) dingtalk_user_id: Option<String>,
    pub(super) dingtalk_union_id: Option<String>,
    pub(super) enos_user_id: Option<String>,
    /// The one OU that the person is in; without one, all of them.
    pub(super) enos_org_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) mobile: Option<String>,
    /// Departments by their own ids in the world.
    pub(super) departments: Vec<String>,
    pub(super) left: bool,
    /// Outside of what an administrator lets the apps see.
    pub(super) out_of_scope: bool,
    /// Lets no bot of Feishu write to them.
    #[serde(default)]
    pub(super) blocks_bots: bool,
}

impl Person {
    pub(super) const KIND: &str = "person";
    const KEY: &str = "person_key";

    /// Somebody of whom nothing but a name is known.
    pub(super) fn named(name: &str) -> Person {
        Person {
            name: name.to_owned(),
            ..Person::default()
        }
    }

    /// Gives the ids that go with those that are there. Without any the person is at Feishu.
    pub(super) fn complete(&mut self, new_id: impl Fn(&str) -> String) {
        let feishu = [&self.open_id, &self.union_id, &self.user_id];
        let elsewhere = self.dingtalk_user_id.is_some() || self.enos_user_id.is_some();
        if feishu.iter().any(|id| id.is_some()) || !elsewhere {
            self.open_id
                .get_or_insert_with(|| format!("ou_{}", new_id("open")));
            self.union_id
                .get_or_insert_with(|| format!("on_{}", new_id("union")));
            self.user_id
                .get_or_insert_with(|| new_id("user")[..8].to_owned());
        }
        if self.dingtalk_user_id.is_some() {
            self.dingtalk_union_id
                .get_or_insert_with(|| new_id("dingtalk")[..22].to_owned());
        }
    }

    fn value(&self, by: By) -> Option<&str> {
        match by {
            By::OpenId => &self.open_id,
            By::UnionId => &self.union_id,
            By::UserId => &self.user_id,
            By::Email => &self.email,
            By::Mobile => &self.mobile,
            By::DingtalkUserId => &self.dingtalk_user_id,
            By::DingtalkUnionId => &self.dingtalk_union_id,
            By::EnosUserId => &self.enos_user_id,
        }
        .as_deref()
    }

    fn keys(&self) -> Vec<String> {
        WAYS.into_iter()
            .filter_map(|by| Some(key(by, self.value(by)?)))
            .collect()
    }

    /// Adds a person who was there all along, or says which of the ids somebody else has.
    pub(super) fn add(&self, moment: &Moment<'_>) -> Result<Result<String, String>, WorldError> {
        let keys = self.keys();
        if let Some(taken) = first_taken(moment, Person::KEY, &keys, None)? {
            return Ok(Err(taken));
        }
        let id = match &self.open_id {
            Some(open_id) => open_id.clone(),
            None => format!("person_{}", uuid::Uuid::new_v4().simple()),
        };
        moment.insert_as_old(Person::KIND, &id, "", self)?;
        for key in keys {
            moment.insert_as_old(Person::KEY, &key, "", &id)?;
        }
        Ok(Ok(id))
    }

    /// Puts this in the place of the person with that id in the world.
    pub(super) fn put(&self, id: &str, moment: &Moment<'_>) -> Result<Option<String>, WorldError> {
        let keys = self.keys();
        let taken = first_taken(moment, Person::KEY, &keys, Some(id))?;
        if taken.is_none() {
            Person::forget_keys(id, moment)?;
            for key in keys {
                moment.insert_as_old(Person::KEY, &key, "", &id)?;
            }
            moment.overwrite(Person::KIND, id, self)?;
        }
        Ok(taken)
    }

    /// Takes a person out of the world, as if there had never been one.
    pub(super) fn erase(id: &str, moment: &Moment<'_>) -> Result<(), WorldError> {
        Person::forget_keys(id, moment)?;
        moment.erase(Person::KIND, id)
    }

    fn forget_keys(id: &str, moment: &Moment<'_>) -> Result<(), WorldError> {
        let former: Option<Found<Person>> = moment.find(Person::KIND, id, View::Present)?;
        for key in former.map(|found| found.doc.keys()).unwrap_or_default() {
            moment.erase(Person::KEY, &key)?;
        }
        Ok(())
    }

    /// Who is named so, also somebody who has left.
    pub(super) fn find(
        by: By,
        value: &str,
        moment: &Moment<'_>,
    ) -> Result<Option<Found<Person>>, WorldError> {
        let held: Option<Found<String>> =
            moment.find(Person::KEY, &key(by, value), View::Present)?;
        match held {
            Some(held) => moment.find(Person::KIND, &held.doc, View::Present),
            None => Ok(None),
        }
    }

    /// Who is named so in any way.
    pub(super) fn find_any(
        value: &str,
        moment: &Moment<'_>,
    ) -> Result<Option<Found<Person>>, WorldError> {
        for by in WAYS {
            if let Some(found) = Person::find(by, value, moment)? {
                return Ok(Some(found));
            }
        }
        moment.find(Person::KIND, value, View::Present)
    }

    /// Everybody, in the order in which they came.
    pub(super) fn all(moment: &Moment<'_>) -> Result<Vec<Found<Person>>, WorldError> {
        moment.list(Person::KIND, None, View::Present)
    }
}

/// Addresses are compared without case, numbers without blanks and the country code of mainland
/// China, which both forms of a number may have or lack.
fn key(by: By, value: &str) -> String {
    let value = match by {
        By::Email => value.trim().to_lowercase(),
        By::Mobile => {
            let digits: String = value.chars().filter(|c| !" -".contains(*c)).collect();
            digits.strip_prefix("+86").unwrap_or(&digits).to_owned()
        }
        _ => value.to_owned(),
    };
    format!("{by:?}:{value}")
}

fn first_taken(
    moment: &Moment<'_>,
    kind: &str,
    keys: &[String],
    own: Option<&str>,
) -> Result<Option<String>, WorldError> {
    for key in keys {
        let held: Option<Found<String>> = moment.find(kind, key, View::Present)?;
        if held.is_some_and(|held| Some(held.doc.as_str()) != own) {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}

/// A way to name a department. An id of one kind may be another department's of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByDepartment {
    Open,
    Own,
    Dingtalk,
}

impl ByDepartment {
    fn key(self, id: &str) -> String {
        format!("{self:?}:{id}")
    }
}

/// A department. Its own id in the world is the open_department_id where there is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Department {
    pub(super) name: String,
    pub(super) open_department_id: Option<String>,
    pub(super) department_id: Option<String>,
    pub(super) dingtalk_dept_id: Option<i64>,
    /// The parent by its own id in the world; without one it stands below the root.
    pub(super) parent: Option<String>,
    pub(super) out_of_scope: bool,
}

impl Department {
    pub(super) const KIND: &str = "department";
    const KEY: &str = "department_key";

    /// Gives the ids that go with those that are there. Without any it is at Feishu.
    pub(super) fn complete(&mut self, new_id: impl Fn(&str) -> String) {
        if self.department_id.is_some()
            || self.open_department_id.is_some()
            || self.dingtalk_dept_id.is_none()
        {
            self.open_department_id
                .get_or_insert_with(|| format!("od-{}", new_id("open")));
            self.department_id
                .get_or_insert_with(|| new_id("own")[..16].to_owned());
        }
    }

    fn keys(&self) -> Vec<String> {
        let dingtalk = self.dingtalk_dept_id.map(|id| id.to_string());
        [
            (ByDepartment::Open, &self.open_department_id),
            (ByDepartment::Own, &self.department_id),
            (ByDepartment::Dingtalk, &dingtalk),
        ]
        .into_iter()
        .filter_map(|(by, id)| Some(by.key(id.as_ref()?)))
        .collect()
    }

    /// Adds a department, or says which of the ids another one has.
    pub(super) fn add(&self, moment: &Moment<'_>) -> Result<Result<String, String>, WorldError> {
        let keys = self.keys();
        if let Some(taken) = first_taken(moment, Department::KEY, &keys, None)? {
            return Ok(Err(taken));
        }
        let id = match &self.open_department_id {
            Some(open) => open.clone(),
            None => keys.first().cloned().unwrap_or_default(),
        };
        moment.insert_as_old(Department::KIND, &id, "", self)?;
        for key in keys {
            moment.insert_as_old(Department::KEY, &key, "", &id)?;
        }
        Ok(Ok(id))
    }

    /// Takes a department out of the world.
    pub(super) fn erase(found: &Found<Department>, moment: &Moment<'_>) -> Result<(), WorldError> {
        for key in found.doc.keys() {
            moment.erase(Department::KEY, &key)?;
        }
        moment.erase(Department::KIND, &found.id)
    }

    /// The department that has this id of that kind.
    pub(super) fn find(
        by: ByDepartment,
        id: &str,
        moment: &Moment<'_>,
    ) -> Result<Option<Found<Department>>, WorldError> {
        let held: Option<Found<String>> =
            moment.find(Department::KEY, &by.key(id), View::Present)?;
        match held {
            Some(held) => Department::at(&held.doc, moment),
            None => Ok(None),
        }
    }

    /// The department that has this as one of its ids, Feishu's before DingTalk's.
    pub(super) fn find_any(
        id: &str,
        moment: &Moment<'_>,
    ) -> Result<Option<Found<Department>>, WorldError> {
        for by in [
            ByDepartment::Open,
            ByDepartment::Own,
            ByDepartment::Dingtalk,
        ] {
            if let Some(found) = Department::find(by, id, moment)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The department with that id in the world.
    pub(super) fn at(
        id: &str,
        moment: &Moment<'_>,
    ) -> Result<Option<Found<Department>>, WorldError> {
        moment.find(Department::KIND, id, View::Present)
    }

    /// The world's ids of a department and of all below it.
    pub(super) fn with_all_below(id: &str, moment: &Moment<'_>) -> Result<Vec<String>, WorldError> {
        let all = Department::all(moment)?;
        let mut below = vec![id.to_owned()];
        let mut next = 0;
        while let Some(parent) = below.get(next).cloned() {
            let children = all
                .iter()
                .filter(|d| d.doc.parent.as_ref() == Some(&parent));
            below.extend(children.map(|d| d.id.clone()));
            next += 1;
        }
        Ok(below)
    }

    /// Every department, in the order in which they came.
    pub(super) fn all(moment: &Moment<'_>) -> Result<Vec<Found<Department>>, WorldError> {
        moment.list(Department::KIND, None, View::Present)
    }
}

/// What the administrators of the tenant set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tenant {
    /// Whether the app's contact scope at Feishu is "all employees".
    pub(super) all_employees: bool,
    /// Members that a chat may have; the vendor's own cap is 5000.
    pub(super) chat_members: usize,
    /// Members that a user group may have.
    pub(super) group_members: usize,
    /// User groups that the tenant may have.
    pub(super) user_groups: usize,
    /// Whether the bots of all apps are switched off at Feishu.
    pub(super) bots_off: bool,
    /// How long a message can be withdrawn at Feishu.
    pub(super) recall_hours: i64,
    /// People whom an app may reach at Feishu in batches, in a day.
    pub(super) batch_a_day: usize,
    /// Whether work notifications of DingTalk may go to everybody, and how often in a day.
    pub(super) everybody_allowed: bool,
    pub(super) everybody_a_day: usize,
    /// Work notifications that a person may get of an app in a day.
    pub(super) work_a_day: usize,
    /// Receivers that the work notifications of an app may have in a minute, and each of them.
    pub(super) receivers_a_minute: usize,
    pub(super) receivers_a_call: usize,
}

impl Default for Tenant {
    fn default() -> Tenant {
        Tenant {
            all_employees: true,
            chat_members: 5_000,
            group_members: 100_000,
            user_groups: 500,
            bots_off: false,
            recall_hours: 24,
            batch_a_day: 500_000,
            everybody_allowed: true,
            everybody_a_day: 3,
            work_a_day: 500,
            receivers_a_minute: 5_000,
            receivers_a_call: 5_000,
        }
    }
}

impl Tenant {
    const KIND: &str = "tenant";

    pub(super) fn of(moment: &Moment<'_>) -> Result<Tenant, WorldError> {
        let found: Option<Found<Tenant>> = moment.find(Tenant::KIND, "", View::Present)?;
        Ok(found.map(|found| found.doc).unwrap_or_default())
    }

    pub(super) fn set(&self, moment: &Moment<'_>) -> Result<(), WorldError> {
        moment.erase(Tenant::KIND, "")?;
        moment.insert_as_old(Tenant::KIND, "", "", self)
    }
}

/// Thirty-two hexadecimal digits that are the same in every new world.
pub(super) fn id_for(text: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    uuid::Uuid::from_bytes(bytes).simple().to_string()
}
