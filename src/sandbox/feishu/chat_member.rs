//! Members of a chat: add, remove, list.
//!
//! Source: the pages under im-v1/chat-members. Where they are silent:
//!
//! - Adding who is there and removing who is not there are quiet; the second comes back as invalid.
//! - 232027 is for a list without one id that could be added, or that is anybody's at all.
//! - The ids that fail an add of `succeed_type` 2 stand in `msg`.
//! - A sixteenth bot gets 232013, as a person beyond the cap does; beyond a lower cap of the tenant
//!   it is 232044.
//! - Who has left keeps a place in the list and is not shown, so that a page can be short or empty.
//! - 232019 comes by a fault alone, for the sandbox does one thing after the other.

use serde_json::{Value, json};

use super::Call;
use super::chat::{BAD_PARAMETER, open, open_in};
use super::chat_view::present;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::ids::{self, IdType, Sorted};
use super::records::Chat;
use super::{page, token};
use crate::sandbox::people::Tenant;
use crate::sandbox::world::Moment;

/// Members that the vendor lets any chat have.
const CAP: usize = 5_000;
const BOTS: usize = 15;

/// Whose ids they are.
enum Whose {
    People(IdType),
    Bots,
}

fn request(call: &Call<'_>) -> Result<(Whose, Vec<String>), Failure> {
    let kinds = ["open_id", "union_id", "user_id", "app_id"];
    let kind = call.query.one_of("member_id_type", &kinds)?;
    let whose = match kind.unwrap_or("open_id") {
        "app_id" => Whose::Bots,
        name => Whose::People(IdType::named(name).unwrap_or(IdType::Open)),
    };
    let max = if matches!(whose, Whose::Bots) { 5 } else { 50 };
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    let given = fields.texts("id_list", max)?.unwrap_or_default();
    if given.is_empty() {
        return Err(nobody().into());
    }
    Ok((whose, given))
}

/// `addChatMembers`.
pub(super) fn add(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let mode = call.query.integer("succeed_type", 0..=2, 0)?;
    let (whose, given) = request(call)?;
    let mut found = open(call, moment)?;
    let chat = &mut found.doc;
    let manages = chat.managed_by(call.app);
    if !manages && chat.setting("add_member_permission") == "only_owner" {
        return Err(Refusal::new(400, 232017, "only the owner may add members").into());
    }
    let sorted = match whose {
        Whose::People(kind) => Sorted::of(&given, kind, moment)?,
        Whose::Bots => bots(&given, &token::apps(moment)?),
    };
    match mode {
        0 if !sorted.unknown.is_empty() => return Err(unknown(&whose, &sorted.unknown).into()),
        0 if !sorted.hidden.is_empty() => {
            let why = format!(
                "the bot and these cannot see each other: {}",
                sorted.hidden.join(", ")
            );
            return Err(Refusal::new(400, 232024, why).into());
        }
        2 => {
            let bad = [&sorted.unknown[..], &sorted.hidden, &sorted.left].concat();
            if !bad.is_empty() {
                return Err(unusable(&bad).into());
            }
        }
        _ => {}
    }
    if sorted.usable.is_empty() {
        return Err(nobody().into());
    }
    let (cap, full) = match whose {
        Whose::Bots => (BOTS, 232013),
        Whose::People(_) => people_cap(moment)?,
    };
    let needs_approval = chat.setting("membership_approval") == "approval_required";
    let there = match whose {
        Whose::Bots => &mut chat.bots,
        Whose::People(_) => &mut chat.users,
    };
    let mut new = sorted.usable;
    new.retain(|(_, id)| !there.contains(id));
    let mut pending = Vec::new();
    if !manages && needs_approval {
        pending.extend(new.into_iter().map(|(given, _)| given));
    } else if !new.is_empty() {
        if there.len() + new.len() > cap {
            return Err(Refusal::new(400, full, format!("at most {cap} are allowed")).into());
        }
        there.extend(new.into_iter().map(|(_, id)| id));
        moment.replace(Chat::KIND, &found.id, &found.doc)?;
    }
    let mut invalid = sorted.left;
    invalid.extend(sorted.hidden);
    Ok(Success::Data(json!({
        "invalid_id_list": invalid,
        "not_existed_id_list": sorted.unknown,
        "pending_approval_id_list": pending,
    })))
}

fn people_cap(moment: &Moment<'_>) -> Result<(usize, i64), Failure> {
    let tenant = Tenant::of(moment)?.chat_members;
    let code = if tenant < CAP { 232044 } else { 232013 };
    Ok((tenant.min(CAP), code))
}

fn bots(given: &[String], apps: &[String]) -> Sorted {
    let mut sorted = Sorted::default();
    for id in given {
        if apps.contains(id) {
            sorted.usable.push((id.clone(), id.clone()));
        } else {
            sorted.unknown.push(id.clone());
        }
    }
    sorted.usable.dedup();
    sorted
}

/// `removeChatMembers`: the body comes with a DELETE.
pub(super) fn remove(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let (whose, given) = request(call)?;
    let mut found = open(call, moment)?;
    let mut gone = Vec::new();
    let mut invalid = Vec::new();
    let mut anybody = false;
    for id in given {
        let known = match whose {
            Whose::Bots => token::apps(moment)?.contains(&id).then(|| id.clone()),
            Whose::People(kind) => kind.standing(&id, moment)?.known(),
        };
        anybody |= known.is_some();
        let inside = known.filter(|id| found.doc.users.contains(id) || found.doc.bots.contains(id));
        match inside {
            Some(member) => gone.push(member),
            None => invalid.push(id),
        }
    }
    if !anybody {
        return Err(nobody().into());
    }
    if gone.contains(&found.doc.owner) {
        return Err(Refusal::new(400, 232076, "the owner cannot be removed").into());
    }
    let itself = gone.iter().all(|id| id == call.app);
    if !found.doc.managed_by(call.app) && !itself {
        let why = "only the owner and admins may remove members";
        return Err(Refusal::new(400, 232014, why).into());
    }
    if !gone.is_empty() {
        let chat = &mut found.doc;
        for members in [&mut chat.users, &mut chat.bots, &mut chat.managers] {
            members.retain(|id| !gone.contains(id));
        }
        moment.replace(Chat::KIND, &found.id, &found.doc)?;
    }
    Ok(Success::Data(json!({"invalid_id_list": invalid})))
}

/// `listChatMembers`: people alone, in the order in which they came.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let kinds = ["open_id", "union_id", "user_id"];
    let kind = call.query.one_of("member_id_type", &kinds)?;
    let kind = kind.and_then(IdType::named).unwrap_or(IdType::Open);
    let size = call.query.integer("page_size", 1..=100, 20)?;
    let after = page::start(call.query)?;
    let chat = open_in(call, moment, call.view)?.doc;
    let rows = (1..).zip(&chat.users);
    let mut data = page::cut("items", rows, after, size, |open_id| {
        let person = ids::person(open_id, moment)?;
        let Some(person) = person.as_ref() else {
            return Ok(json!({"member_id_type": "open_id", "member_id": open_id}));
        };
        Ok(match kind.of(person) {
            Some(id) if !person.left => json!({
                "member_id_type": kind.name(),
                "member_id": id,
                "name": person.name,
                "tenant_key": "sandbox",
            }),
            _ => Value::Null,
        })
    })?;
    if let Some(items) = data["items"].as_array_mut() {
        items.retain(|item| !item.is_null());
    }
    data["member_total"] = present(&chat, moment)?.into();
    Ok(Success::Data(data))
}

fn nobody() -> Refusal {
    Refusal::new(400, 232027, "id_list is empty or has no valid member")
}

fn unusable(ids: &[String]) -> Refusal {
    let why = format!("id_list holds unusable ids: {}", ids.join(", "));
    Refusal::new(400, 232043, why)
}

fn unknown(whose: &Whose, ids: &[String]) -> Refusal {
    let code = match whose {
        Whose::People(IdType::Open) => 99992351,
        Whose::People(IdType::User) => 99992360,
        Whose::People(IdType::Union) => 99992364,
        Whose::Bots => return unusable(ids),
    };
    Refusal::new(400, code, format!("these do not exist: {}", ids.join(", ")))
}
