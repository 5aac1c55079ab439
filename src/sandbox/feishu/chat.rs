//! Group chats: create, list, read, dissolve, and whether the caller is in one.
//!
//! Source: the pages under im-v1/chat and im-v1/chat-members. Where they are silent:
//!
//! - A repeated create with the same `uuid` and owner answers the chat that the first one made.
//!   No `owner_id` counts as one more owner, the bot.
//! - Two public chats may have one name: 232026 is not among the codes of create.
//! - A chat id that nobody has gets 232006, like one of a wrong form.
//! - People are not known yet, so every id of a person is taken; ids of bots must be known apps.
//! - A dissolved chat is in no list and nobody is in it; reading it still says `dissolved`.

use rusqlite::{OptionalExtension, params};
use serde_json::{Map, Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::records::{Chat, new_chat_id};
use super::{page, token};
use crate::sandbox::world::{Found, Moment, View};

const BAD_PARAMETER: i64 = 232001;

/// How long a `uuid` is remembered.
const ONCE_MS: i64 = 10 * 60 * 60 * 1000;

/// The settings that are one of a few words, with the default first.
const CHOICES: [(&str, &[&str]); 9] = [
    ("group_message_type", &["chat", "thread"]),
    ("chat_mode", &["group"]),
    (
        "join_message_visibility",
        &["all_members", "only_owner", "not_anyone"],
    ),
    (
        "leave_message_visibility",
        &["all_members", "only_owner", "not_anyone"],
    ),
    (
        "membership_approval",
        &["no_approval_required", "approval_required"],
    ),
    ("urgent_setting", &["all_members", "only_owner"]),
    ("video_conference_setting", &["all_members", "only_owner"]),
    ("edit_permission", &["all_members", "only_owner"]),
    ("hide_member_count_setting", &["all_members", "only_owner"]),
];

/// `createChat`: the calling bot joins by itself.
pub(super) fn create(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    call.query.flag("set_bot_manager")?;
    let uuid = call.query.short("uuid", 50)?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    let owner_id = fields.text("owner_id", 1..=100)?;
    let chat = chat_in(&fields, owner_id, call.app)?;
    check_ids(&chat, moment)?;

    let key = uuid.map(|uuid| format!("{uuid} {}", owner_id.unwrap_or_default()));
    if let Some(key) = &key
        && let Some(id) = made_before(call.app, key, moment)?
        && let Some(made) = moment.find::<Chat>(Chat::KIND, &id, View::Present)?
    {
        return Ok(Success::Data(show_created(&made.id, &made.doc)));
    }
    let id = new_chat_id();
    moment.insert(Chat::KIND, &id, "", &chat)?;
    if let Some(key) = key {
        moment.sql().execute(
            "INSERT OR REPLACE INTO once VALUES (?1, ?2, ?3, ?4, ?5)",
            params![Chat::KIND, call.app, key, id, moment.now_ms],
        )?;
    }
    Ok(Success::Data(show_created(&id, &chat)))
}

fn chat_in(fields: &Fields<'_>, owner_id: Option<&str>, app: &str) -> Result<Chat, Failure> {
    let mut settings = Map::new();
    for name in ["avatar", "description"] {
        if let Some(text) = fields.text(name, 0..=usize::MAX)? {
            settings.insert(name.to_owned(), text.into());
        }
    }
    for name in ["i18n_names", "restricted_mode_setting"] {
        fields.object(name)?;
        if let Some(value) = fields.value(name) {
            settings.insert(name.to_owned(), value.clone());
        }
    }
    for (name, words) in CHOICES {
        let word = fields.one_of(name, words)?.unwrap_or(words[0]);
        settings.insert(name.to_owned(), word.into());
    }
    let name = fields.text("name", 0..=usize::MAX)?.unwrap_or_default();
    let public = fields.one_of("chat_type", &["private", "public"])? == Some("public");
    if public && name.is_empty() {
        return Err(Refusal::new(400, 232042, "a public chat needs a name").into());
    }
    if public && name.chars().count() < 2 {
        return Err(Refusal::new(400, 232020, "the name of a public chat is too short").into());
    }
    let mut bots = vec![app.to_owned()];
    for bot in fields.texts("bot_id_list", 5)?.unwrap_or_default() {
        if !bots.contains(&bot) {
            bots.push(bot);
        }
    }
    let mut users = fields.texts("user_id_list", 50)?.unwrap_or_default();
    users.extend(owner_id.map(str::to_owned));
    users.sort();
    users.dedup();
    Ok(Chat {
        name: (!name.is_empty()).then(|| name.to_owned()),
        owner: owner_id.unwrap_or(app).to_owned(),
        creator: app.to_owned(),
        bots,
        users,
        public,
        dissolved: false,
        settings,
    })
}

/// One bad id fails the whole call.
fn check_ids(chat: &Chat, moment: &Moment<'_>) -> Result<(), Failure> {
    if chat.users.iter().any(String::is_empty) {
        return Err(Refusal::new(400, 232043, "user_id_list holds an unusable id").into());
    }
    let apps = token::apps(moment)?;
    match chat.bots.iter().find(|bot| !apps.contains(bot)) {
        Some(bot) => Err(Refusal::new(400, 232021, format!("bot not found: {bot}")).into()),
        None => Ok(()),
    }
}

fn made_before(app: &str, key: &str, moment: &Moment<'_>) -> Result<Option<String>, Failure> {
    Ok(moment
        .sql()
        .query_row(
            "SELECT id FROM once WHERE kind = ?1 AND app_id = ?2 AND key = ?3 AND at_ms > ?4",
            params![Chat::KIND, app, key, moment.now_ms - ONCE_MS],
            |row| row.get(0),
        )
        .optional()?)
}

/// `listChats`: those that the caller is in. Every chat is as active as it is old.
pub(super) fn list(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    call.query
        .one_of("sort_type", &["ByCreateTimeAsc", "ByActiveTimeDesc"])?;
    let size = call.query.integer("page_size", 1..=100, 20)?;
    let after = page::start(call.query)?;
    let all: Vec<Found<Chat>> = moment.list(Chat::KIND, None, call.view)?;
    let mine = all.into_iter().filter(|chat| chat.doc.holds(call.app));
    Ok(Success::Data(page::page(mine, after, size, show_listed)))
}

/// `getChat`: somebody outside of a private chat gets 232011, of a public one a subset.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    call.query.user_id_type()?;
    let found = find(call, moment, call.view)?;
    let chat = &found.doc;
    let inside = chat.bots.iter().any(|bot| bot == call.app);
    if !inside && !chat.public {
        return Err(outside().into());
    }
    let mut data = if inside {
        settings_of(chat)
    } else {
        Map::new()
    };
    data.insert("user_count".to_owned(), chat.users.len().to_string().into());
    data.insert("bot_count".to_owned(), chat.bots.len().to_string().into());
    insert_outline(&mut data, chat);
    Ok(Success::Data(Value::Object(data)))
}

/// `dissolveChat`: the bot must own the chat or have made it.
pub(super) fn dissolve(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let mut found = find(call, moment, View::Present)?;
    if found.doc.dissolved {
        return Err(Refusal::new(400, 232009, "the chat is already dissolved").into());
    }
    if !found.doc.holds(call.app) {
        return Err(outside().into());
    }
    if found.doc.owner != call.app && found.doc.creator != call.app {
        return Err(Refusal::new(400, 232017, "the caller is not the owner of the chat").into());
    }
    found.doc.dissolved = true;
    moment.replace(Chat::KIND, &found.id, &found.doc)?;
    Ok(Success::Data(json!({})))
}

/// `isInChat`: whether the bot of the caller is in the chat.
pub(super) fn is_in_chat(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let found = find(call, moment, call.view)?;
    Ok(Success::Data(
        json!({"is_in_chat": found.doc.holds(call.app)}),
    ))
}

fn find(call: &Call<'_>, moment: &Moment<'_>, view: View) -> Result<Found<Chat>, Failure> {
    let id = call.path_value("chat_id");
    moment
        .find(Chat::KIND, id, view)?
        .ok_or_else(|| Refusal::new(400, 232006, format!("chat_id is not valid: {id}")).into())
}

fn outside() -> Refusal {
    Refusal::new(400, 232011, "the caller is not in the chat")
}

fn show_created(id: &str, chat: &Chat) -> Value {
    let mut data = Map::from_iter([("chat_id".to_owned(), Value::from(id))]);
    data.extend(settings_of(chat));
    if let Some(name) = &chat.name {
        data.insert("name".to_owned(), name.as_str().into());
    }
    Value::Object(data)
}

fn show_listed(id: &str, chat: &Chat) -> Value {
    let mut data = Map::from_iter([("chat_id".to_owned(), Value::from(id))]);
    insert_owner(&mut data, chat);
    if let Some(description) = chat.settings.get("description") {
        data.insert("description".to_owned(), description.clone());
    }
    data.insert("external".to_owned(), false.into());
    data.insert("tenant_key".to_owned(), "sandbox".into());
    insert_outline(&mut data, chat);
    Value::Object(data)
}

fn settings_of(chat: &Chat) -> Map<String, Value> {
    let mut data = chat.settings.clone();
    insert_owner(&mut data, chat);
    let kind = if chat.public { "public" } else { "private" };
    for (name, value) in [
        ("chat_type", kind),
        ("chat_mode", "group"),
        ("chat_tag", "inner"),
        ("tenant_key", "sandbox"),
    ] {
        data.insert(name.to_owned(), value.into());
    }
    data.insert("external".to_owned(), false.into());
    data
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
fn insert_owner(data: &mut Map<String, Value>, chat: &Chat) {
    if !chat.bots.contains(&chat.owner) && !chat.owner.is_empty() {
        data.insert("owner_id".to_owned(), chat.owner.as_str().into());
        data.insert("owner_id_type".to_owned(), "open_id".into());
    }
}
