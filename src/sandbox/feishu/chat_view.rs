//! What answers show of a chat: to who is in it, and to who is not.
//!
//! Where the pages on chats are silent: who has left is in no count and no list of members, though
//! the chat keeps the place.

use serde_json::{Map, Value, json};

use super::Call;
use super::chat::{self, outside};
use super::envelope::{Failure, Success};
use super::ids::{self, IdType};
use super::page;
use super::records::Chat;
use crate::sandbox::world::{Found, Moment, WorldError};

/// `listChats`: those that the caller is in. Every chat is as active as it is old.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    call.query
        .one_of("sort_type", &["ByCreateTimeAsc", "ByActiveTimeDesc"])?;
    let size = call.query.integer("page_size", 1..=100, 20)?;
    let after = page::start(call.query)?;
    let all: Vec<Found<Chat>> = moment.list(Chat::KIND, None, call.view)?;
    let mine = all.into_iter().filter(|chat| chat.doc.holds(call.app));
    let page = page::page(mine, after, size, |id, chat| listed(id, chat, ids, moment))?;
    Ok(Success::Data(page))
}

/// `searchChats`: chats that the caller is in and public ones, by a part of their name or of a
/// member's. Pinyin is not played. A hyphen outside of quotes finds nothing.
pub(super) fn search(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    let size = call.query.integer("page_size", 1..=100, 20)?;
    let after = page::start(call.query)?;
    let query = call.query.text("query").unwrap_or_default();
    let quoted = query.strip_prefix('"').and_then(|q| q.strip_suffix('"'));
    let wanted = quoted.unwrap_or(query).to_lowercase();
    let hopeless = wanted.is_empty()
        || query.chars().count() > 64
        || (quoted.is_none() && query.contains('-'));
    let mut hits: Vec<Found<Chat>> = Vec::new();
    if !hopeless {
        for chat in moment.list::<Chat>(Chat::KIND, None, call.view)? {
            let visible = chat.doc.holds(call.app) || (chat.doc.public && !chat.doc.dissolved);
            if visible && matches(&chat.doc, &wanted, moment)? {
                hits.push(chat);
            }
        }
    }
    let hits = hits.into_iter();
    let page = page::page(hits, after, size, |id, chat| listed(id, chat, ids, moment))?;
    Ok(Success::Data(page))
}

fn matches(chat: &Chat, wanted: &str, moment: &Moment<'_>) -> Result<bool, WorldError> {
    let hit = |name: &str| name.to_lowercase().contains(wanted);
    if chat.name.as_deref().is_some_and(hit) {
        return Ok(true);
    }
    for id in &chat.users {
        if ids::person(id, moment)?.is_some_and(|person| hit(&person.name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `getChat`: somebody outside of a private chat gets 232011, of a public one a subset.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    let found = chat::find(call, moment, call.view)?;
    let chat = &found.doc;
    let inside = chat.bots.iter().any(|bot| bot == call.app);
    if !inside && !chat.public {
        return Err(outside().into());
    }
    let mut data = Map::new();
    if inside {
        data = settings_of(chat, ids, moment)?;
        let (bots, users): (Vec<&String>, Vec<&String>) =
            chat.managers.iter().partition(|id| chat.bots.contains(id));
        let users = users
            .into_iter()
            .map(|id| ids.shown(id, moment))
            .collect::<Result<Vec<String>, _>>()?;
        data.insert("user_manager_id_list".to_owned(), json!(users));
        data.insert("bot_manager_id_list".to_owned(), json!(bots));
    }
    let count = present(chat, moment)?;
    data.insert("user_count".to_owned(), count.to_string().into());
    data.insert("bot_count".to_owned(), chat.bots.len().to_string().into());
    insert_outline(&mut data, chat);
    Ok(Success::Data(Value::Object(data)))
}

/// How many people of the chat have not left the organisation.
pub(super) fn present(chat: &Chat, moment: &Moment<'_>) -> Result<usize, WorldError> {
    let mut count = 0;
    for id in &chat.users {
        if ids::person(id, moment)?.is_none_or(|person| !person.left) {
            count += 1;
        }
    }
    Ok(count)
}

/// The answer to a create.
pub(super) fn created(
    id: &str,
    chat: &Chat,
    ids: IdType,
    moment: &Moment<'_>,
) -> Result<Value, WorldError> {
    let mut data = Map::from_iter([("chat_id".to_owned(), Value::from(id))]);
    data.extend(settings_of(chat, ids, moment)?);
    if let Some(name) = &chat.name {
        data.insert("name".to_owned(), name.as_str().into());
    }
    Ok(Value::Object(data))
}

fn listed(id: &str, chat: &Chat, ids: IdType, moment: &Moment<'_>) -> Result<Value, WorldError> {
    let mut data = Map::from_iter([("chat_id".to_owned(), Value::from(id))]);
    insert_owner(&mut data, chat, ids, moment)?;
    if let Some(description) = chat.settings.get("description") {
        data.insert("description".to_owned(), description.clone());
    }
    data.insert("external".to_owned(), false.into());
    data.insert("tenant_key".to_owned(), "sandbox".into());
    insert_outline(&mut data, chat);
    Ok(Value::Object(data))
}

fn settings_of(
    chat: &Chat,
    ids: IdType,
    moment: &Moment<'_>,
) -> Result<Map<String, Value>, WorldError> {
    let mut data = chat.settings.clone();
    insert_owner(&mut data, chat, ids, moment)?;
    let kind = if chat.public { "public" } else { "private" };
    for (name, value) in [
        ("chat_type", kind),
        ("chat_mode", "group"),
        ("chat_tag", "inner"),
        ("tenant_key", "sandbox"),
        ("moderation_permission", "all_members"),
    ] {
        data.insert(name.to_owned(), value.into());
    }
    for (name, _) in chat::PERMISSIONS {
        let setting = chat.setting(name);
        data.insert(name.to_owned(), setting.into());
    }
    data.insert("external".to_owned(), false.into());
    Ok(data)
}

/// What even somebody outside may see.
fn insert_outline(data: &mut Map<String, Value>, chat: &Chat) {
    if let Some(name) = &chat.name {
        data.insert("name".to_owned(), name.as_str().into());
    }
    let status = if chat.dissolved {
        "dissolved"
    } else {
        "normal"
    };
    data.insert("chat_status".to_owned(), status.into());
}

/// The owner is not shown when it is a bot.
fn insert_owner(
    data: &mut Map<String, Value>,
    chat: &Chat,
    ids: IdType,
    moment: &Moment<'_>,
) -> Result<(), WorldError> {
    if !chat.bots.contains(&chat.owner) && !chat.owner.is_empty() {
        let owner = ids.shown(&chat.owner, moment)?;
        data.insert("owner_id".to_owned(), owner.into());
        data.insert("owner_id_type".to_owned(), ids.name().into());
    }
    Ok(())
}
