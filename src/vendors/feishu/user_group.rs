//! Contact user groups and the people in them: our fields and the vendor's, and their calls.
//!
//! # Guarantees
//!
//! - A group is said to be gone when neither it nor its list of members is there. A group outside of the
//!   app's contact scope is an error.
//!
//! # Caveats
//!
//! - Feishu takes an empty description in a change for an absent one, so none can be cleared.
//! - Departments in a group are not shown, and can be removed in the admin console only.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Ask;
use super::chat::people;
use super::deliver::Letter;
use super::wire::{
    Added, MadeUserGroup, MemberRef, Members, OneUserGroup, UserGroup, UserGroupFields,
    UserGroupPeople, data,
};
use super::{Feishu, codes, json, page};
use crate::engine::{Answer, ApiError, Call, Done, Object, Write};
use crate::model::{Field, Fields, RemoteId, Value};
use crate::vendors::limits::{
    ADD_USER_GROUP_MEMBERS, CREATE_USER_GROUP, DELETE_USER_GROUP, GET_USER_GROUP,
    LIST_USER_GROUP_MEMBERS, LIST_USER_GROUPS, PATCH_USER_GROUP, REMOVE_USER_GROUP_MEMBERS,
};

/// How many people one call adds or removes.
pub(super) const PEOPLE: usize = 100;

/// No such group, or an id of no good form (pages of contact-v3/group).
const NO_GROUP: i64 = 42002;

/// The user is a member already (page `contact-v3/group-member/batch_add`).
const PRESENT: i64 = 42005;

/// The id of the group that is to be made is taken.
const TAKEN: i64 = 47005;

/// Every group of the normal kind that the app can see.
pub(super) async fn catalog(feishu: &Feishu) -> Result<Vec<Object>, ApiError> {
    let query = [("type", "1"), ("page_size", "100")];
    let groups = page::all::<UserGroup>(feishu, LIST_USER_GROUPS, &[], &query).await?;
    let object = |group: UserGroup| Object {
        id: RemoteId::new(&group.id),
        fields: named(group).into_iter().collect(),
    };
    Ok(groups.into_iter().map(object).collect())
}

/// One group with its people; none when there is no such group.
pub(super) async fn object(feishu: &Feishu, id: &RemoteId) -> Result<Option<Object>, ApiError> {
    let ids = [id.as_str()];
    let query = [("user_id_type", "open_id")];
    let ask = Ask::new(GET_USER_GROUP).ids(&ids).query(&query);
    let group = match feishu.call(&ask, |envelope| read_one(envelope, id)).await {
        Ok(group) => Some(group),
        Err(error) if codes::says(&error, NO_GROUP) => None,
        Err(error) => return Err(error),
    };
    // Also of a group that is not there: its page does not say what becomes of one that is out of
    // scope, and the list of members has a code of its own for that.
    let query = [
        ("member_type", "user"),
        ("member_id_type", "open_id"),
        ("page_size", "100"),
    ];
    let members = people(feishu, LIST_USER_GROUP_MEMBERS, &ids, &query).await;
    let members = match members {
        Ok(members) => members,
        // Only where both say so: one of the two may lag behind.
        Err(error) if codes::says(&error, NO_GROUP) && group.is_none() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(group) = group else {
        return Err(ApiError::Refused(Answer {
            operation: GET_USER_GROUP.to_owned(),
            code: Some(NO_GROUP),
            message: "Feishu shows the members of the group and not the group".to_owned(),
            hint: codes::hint(GET_USER_GROUP, 42009, &Default::default()),
            ..Answer::default()
        }));
    };
    let mut fields: Fields = named(group).into_iter().collect();
    fields.set(Field::Members, members);
    Ok(Some(Object {
        id: id.clone(),
        fields,
    }))
}

fn read_one(envelope: Members, asked: &RemoteId) -> Result<UserGroup, String> {
    let OneUserGroup { group } = data(envelope)?;
    if ![group.id.as_str(), &group.group_id].contains(&asked.as_str()) {
        return Err(format!("the answer is about {}, not {asked}", group.id));
    }
    Ok(group)
}

fn named(group: UserGroup) -> [(Field, Value); 2] {
    [
        (Field::Name, Value::Text(group.name)),
        (Field::Description, Value::Text(group.description)),
    ]
}

/// Turns a write into its call. The same write always makes the same bytes.
pub(super) fn encode(write: &Write) -> Call {
    let (operation, id, body) = match write {
        Write::Create { id, fields, .. } => {
            let wire = to_wire(fields);
            let wire = UserGroupFields {
                group_id: id.as_ref().map(RemoteId::as_str),
                description: wire.description.filter(|text| !text.is_empty()),
                kind: Some(1),
                ..wire
            };
            (CREATE_USER_GROUP, id.as_ref(), Some(json(&wire)))
        }
        Write::Update { id, fields, .. } => {
            (PATCH_USER_GROUP, Some(id), Some(json(&to_wire(fields))))
        }
        Write::Delete { id, .. } => (DELETE_USER_GROUP, Some(id), None),
        Write::AddPeople { id, people, .. } => {
            (ADD_USER_GROUP_MEMBERS, Some(id), Some(members(people)))
        }
        Write::RemovePeople { id, people, .. } => {
            (REMOVE_USER_GROUP_MEMBERS, Some(id), Some(members(people)))
        }
    };
    Call {
        operation: operation.to_owned(),
        collection: write.collection().clone(),
        id: id.cloned(),
        body,
    }
}

fn members(people: &BTreeSet<String>) -> String {
    let member = |id: &String| MemberRef {
        member_id: id.clone(),
        member_type: "user".to_owned(),
        member_id_type: "open_id".to_owned(),
    };
    json(&UserGroupPeople {
        members: people.iter().map(member).collect(),
    })
}

fn to_wire(fields: &Fields) -> UserGroupFields<'_> {
    let mut wire = UserGroupFields {
        group_id: None,
        name: None,
        description: None,
        kind: None,
    };
    for (field, value) in fields.iter() {
        match (field, value) {
            (Field::Name, Value::Text(name)) => wire.name = Some(name),
            (Field::Description, Value::Text(text)) => wire.description = Some(text),
            _ => debug_assert!(false, "{field} holds {value:?}"),
        }
    }
    wire
}

/// Makes a call and reads what it did.
pub(super) async fn deliver(feishu: &Feishu, letter: &Letter<'_>) -> Result<Done, ApiError> {
    let id = [letter.id];
    let ids: &[&str] = if letter.operation == CREATE_USER_GROUP {
        &[]
    } else {
        &id
    };
    let ask = Ask::new(letter.operation).ids(ids).body(letter.body);
    match letter.operation {
        CREATE_USER_GROUP => {
            let read = |envelope| read_made(envelope, letter.id);
            feishu.call(&ask, read).await
        }
        ADD_USER_GROUP_MEMBERS => {
            let read = |envelope| read_added(envelope, letter.body);
            feishu.call(&ask, read).await
        }
        _ => feishu.call(&ask, |_| Ok(Done::default())).await,
    }
}

fn code_of(envelope: &Members) -> Option<i64> {
    envelope.get("code")?.as_i64()
}

/// The group that was made, by this attempt or by one before whose answer was lost.
fn read_made(envelope: Members, chosen: &str) -> Result<Done, String> {
    let id = if code_of(&envelope) == Some(TAKEN) {
        RemoteId::new(chosen)
    } else {
        RemoteId::new(&data::<MadeUserGroup>(envelope)?.group_id)
    };
    Ok(Done {
        object: Some(Object {
            id,
            fields: Fields::default(),
        }),
        ..Done::default()
    })
}

/// Those who were not added. The answer has to say it of everybody in the call.
fn read_added(envelope: Members, body: Option<&str>) -> Result<Done, String> {
    let sent: Option<UserGroupPeople> = body.and_then(|body| serde_json::from_str(body).ok());
    let sent = sent.map_or(Vec::new(), |sent| sent.members);
    let present = code_of(&envelope) == Some(PRESENT);
    if present && sent.len() == 1 {
        return Ok(Done::default());
    }
    let Added { results } = match data(envelope) {
        Ok(added) => added,
        // Which place the code has is not clear: of many it would say nothing about the others.
        Err(_) if present => return Err("it does not say who is a member already".to_owned()),
        Err(why) => return Err(why),
    };
    let codes: BTreeMap<String, i64> = results
        .into_iter()
        .map(|one| (one.member_id, one.code))
        .collect();
    if let Some(missing) = sent.iter().find(|one| !codes.contains_key(&one.member_id)) {
        return Err(format!("it says nothing of {}", missing.member_id));
    }
    let failed = codes.into_iter().filter(|(_, c)| ![0, PRESENT].contains(c));
    Ok(Done {
        rejected: failed.map(|(id, code)| (id, why_not(code))).collect(),
        ..Done::default()
    })
}

fn why_not(code: i64) -> String {
    let why = match code {
        42006 => "has left the organisation",
        41050 => "is outside of the app's contact scope",
        41073 => "Feishu does not know them",
        42012 => "the group, or all groups together, have as many members as they can",
        40003 => "Feishu had an internal fault",
        _ => return format!("Feishu does not say why (code {code})"),
    };
    format!("{why} (code {code})")
}
