//! Tasklists: list, create, read, delete, and their members.
//!
//! Source: the pages under task-v2/tasklist.

use serde_json::{Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::records::{Member, Right, Tasklist};
use crate::sandbox::world::{Found, Moment, View};

/// The code of a bad parameter in the task API.
pub(super) const BAD_PARAMETER: i64 = 1470400;

/// Members that one call can bring, and that a tasklist can have.
const MEMBERS: usize = 500;

/// `listTasklists`: those that the caller can read, in order of creation.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let size = call.query.integer("page_size", 1..=100, 50)?;
    let after = super::page::start(call.query)?;
    let readable: Vec<Found<Tasklist>> = moment.list(Tasklist::KIND, None, call.view)?;
    let items = readable.into_iter().filter(|tasklist| {
        tasklist.doc.right_of(call.app) >= Right::Read
            && !call.hidden.iter().any(|guid| guid == &tasklist.id)
    });
    let page = super::page::page(items, after, size, |guid, list| Ok(show(guid, list)))?;
    Ok(Success::Data(page))
}

/// `createTasklist`: the caller becomes the owner and is not among the members.
pub(super) fn create(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    // The last two are declared by SDKs and by no page; they have no effect here.
    fields.only(&["name", "members", "client_token", "archive_tasklist"])?;
    let name = fields.required("name", fields.text("name", 1..=100)?)?;
    let owner = Member::app(call.app, "owner");
    let mut members = Vec::new();
    for member in members_of(&fields)?.unwrap_or_default() {
        if !member.is(&owner) {
            put(&mut members, member);
        }
    }
    let guid = uuid::Uuid::new_v4().to_string();
    let tasklist = Tasklist {
        name: name.to_owned(),
        creator: Member::app(call.app, "creator"),
        owner,
        members,
        created_ms: moment.now_ms,
        updated_ms: moment.now_ms,
    };
    moment.insert(Tasklist::KIND, &guid, "", &tasklist)?;
    Ok(Success::Data(json!({"tasklist": show(&guid, &tasklist)})))
}

/// `getTasklist`.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let found = find(call, moment, Right::Read, call.view)?;
    Ok(Success::Data(
        json!({"tasklist": show(&found.id, &found.doc)}),
    ))
}

/// `deleteTasklist`: the owner alone may, and all that is in it goes too.
pub(super) fn delete(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let found = find(call, moment, Right::Own, View::Present)?;
    Tasklist::remove(moment, &found.id)?;
    Ok(Success::Data(json!({})))
}

/// `addTasklistMembers`: passes over the owner and who is there, and replaces other roles.
pub(super) fn add_members(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    fields.only(&["members"])?;
    let added = fields.required("members", members_of(&fields)?)?;
    if added.is_empty() {
        return Err(fields.bad("members", "at least one is expected").into());
    }
    let mut found = find(call, moment, Right::Edit, View::Present)?;
    for member in added {
        if !member.is(&found.doc.owner) {
            put(&mut found.doc.members, member);
        }
    }
    if found.doc.members.len() > MEMBERS {
        return Err(Refusal::new(400, 1470612, "the tasklist has too many members").into());
    }
    found.doc.updated_ms = moment.now_ms;
    moment.replace(Tasklist::KIND, &found.id, &found.doc)?;
    Ok(Success::Data(
        json!({"tasklist": show(&found.id, &found.doc)}),
    ))
}

/// The tasklist of the path, if the caller has that right on it.
pub(super) fn find(
    call: &Call<'_>,
    moment: &Moment<'_>,
    needed: Right,
    view: View,
) -> Result<Found<Tasklist>, Failure> {
    let guid = call.path_value("tasklist_guid");
    let found: Found<Tasklist> = moment
        .find(Tasklist::KIND, guid, view)?
        .ok_or_else(|| gone(format!("the tasklist {guid} does not exist")))?;
    if call.hidden.iter().any(|hidden| hidden == guid) || found.doc.right_of(call.app) < needed {
        let wanted = match needed {
            Right::Own => "own",
            Right::Edit => "edit",
            Right::Read | Right::Nothing => "read",
        };
        return Err(forbidden(format!("the caller cannot {wanted} the tasklist")).into());
    }
    Ok(found)
}

pub(super) fn forbidden(why: String) -> Refusal {
    Refusal::new(403, 1470403, format!("permission denied: {why}"))
}

pub(super) fn gone(why: String) -> Refusal {
    Refusal::new(404, 1470404, format!("not found: {why}"))
}

fn members_of(fields: &Fields<'_>) -> Result<Option<Vec<Member>>, Refusal> {
    let Some(entries) = fields.objects("members", MEMBERS)? else {
        return Ok(None);
    };
    let mut members = Vec::new();
    for entry in entries {
        // The name is declared by SDKs and by no page.
        entry.only(&["id", "type", "role", "name"])?;
        members.push(Member {
            id: entry.required("id", entry.text("id", 1..=100)?)?.to_owned(),
            kind: entry
                .one_of("type", &["user", "chat", "app"])?
                .unwrap_or("user")
                .to_owned(),
            role: entry
                .one_of("role", &["editor", "viewer"])?
                .unwrap_or("viewer")
                .to_owned(),
        });
    }
    Ok(Some(members))
}

/// Adds a member, or gives the one who is there the new role.
pub(in crate::sandbox) fn put(members: &mut Vec<Member>, member: Member) {
    match members.iter_mut().find(|known| known.is(&member)) {
        Some(known) => known.role = member.role,
        None => members.push(member),
    }
}

fn show(guid: &str, tasklist: &Tasklist) -> Value {
    // Every field by name, so that a new one is thought about.
    let Tasklist {
        name,
        creator,
        owner,
        members,
        created_ms,
        updated_ms,
    } = tasklist;
    json!({
        "guid": guid,
        "name": name,
        "creator": creator,
        "owner": owner,
        "members": members,
        "url": format!("https://applink.feishu.cn/client/todo/task_list?guid={guid}"),
        "created_at": created_ms.to_string(),
        "updated_at": updated_ms.to_string(),
    })
}
