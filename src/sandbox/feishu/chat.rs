//! Group chats: create, change, dissolve, and whether the caller is in one. `chat_view` shows
//! them, `chat_member` has their members.
//!
//! Source: the pages under im-v1/chat and im-v1/chat-members. Where they are silent:
//!
//! - A repeated create with the same `uuid` and owner answers the chat that the first one made.
//!   No `owner_id` counts as one more owner, the bot.
//! - Two public chats may have one name after a create: 232026 is among the codes of update only.
//! - An empty name or description in an update clears it; a public chat keeps its name.
//! - The setting for adding members and the one for sharing the card must go together after an
//!   update, so one of them alone is refused where it would part them.
//! - Every app holds `im:chat:operate_as_owner`, so who made a chat may do what its owner may.
//! - A chat id that nobody has gets 232006, like one of a wrong form.
//! - An owner who is unknown or out of scope gets 232030, others 232043, who has left 232022.
//! - A dissolved chat is in no list and nobody is in it; reading it still says `dissolved`.

use serde_json::{Map, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use super::ids::{IdType, Sorted, Standing};
use super::records::{Chat, new_chat_id};
use super::{chat_view, once, token};
use crate::sandbox::world::{Found, Moment, View};

pub(super) const BAD_PARAMETER: i64 = 232001;

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

/// The settings that only an update can change, with what a new chat has.
pub(super) const PERMISSIONS: [(&str, &[&str]); 3] = [
    ("add_member_permission", &["all_members", "only_owner"]),
    ("share_card_permission", &["allowed", "not_allowed"]),
    ("at_all_permission", &["all_members", "only_owner"]),
];

/// What somebody who does not manage the chat may change.
const FOR_EVERYBODY: [&str; 4] = ["avatar", "name", "description", "i18n_names"];

/// `createChat`: the calling bot joins by itself.
pub(super) fn create(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    let manages = call.query.flag("set_bot_manager")?;
    let uuid = call.query.short("uuid", 50)?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    let owner_id = fields.text("owner_id", 1..=100)?;
    let mut chat = chat_in(&fields, call.app)?;
    check_bots(&chat, moment)?;
    let users = fields.texts("user_id_list", 50)?.unwrap_or_default();
    chat.users = invited(&users, ids, moment)?;
    if let Some(owner) = owner_id {
        chat.owner = owner_of(owner, ids, moment)?;
        if !chat.users.contains(&chat.owner) {
            chat.users.push(chat.owner.clone());
        }
        if manages {
            chat.managers.push(call.app.to_owned());
        }
    }

    let key = uuid.map(|uuid| format!("{uuid} {}", owner_id.unwrap_or_default()));
    if let Some(key) = &key
        && let Some(id) = once::made(Chat::KIND, call.app, key, ONCE_MS, moment)?
        && let Some(made) = moment.find::<Chat>(Chat::KIND, &id, View::Present)?
    {
        let shown = chat_view::created(&made.id, &made.doc, ids, moment)?;
        return Ok(Success::Data(shown));
    }
    let id = new_chat_id();
    moment.insert(Chat::KIND, &id, "", &chat)?;
    if let Some(key) = key {
        once::note(Chat::KIND, call.app, &key, &id, moment)?;
    }
    Ok(Success::Data(chat_view::created(&id, &chat, ids, moment)?))
}

fn chat_in(fields: &Fields<'_>, app: &str) -> Result<Chat, Failure> {
    let mut settings = Map::new();
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
    let mut chat = Chat {
        name: (!name.is_empty()).then(|| name.to_owned()),
        owner: app.to_owned(),
        creator: app.to_owned(),
        bots,
        users: Vec::new(),
        managers: Vec::new(),
        public,
        dissolved: false,
        settings,
    };
    settings_in(&mut chat, fields)?;
    Ok(chat)
}

fn check_bots(chat: &Chat, moment: &Moment<'_>) -> Result<(), Failure> {
    let apps = token::apps(moment)?;
    match chat.bots.iter().find(|bot| !apps.contains(bot)) {
        Some(bot) => Err(Refusal::new(400, 232021, format!("bot not found: {bot}")).into()),
        None => Ok(()),
    }
}

/// One bad id fails the whole call.
fn invited(users: &[String], ids: IdType, moment: &Moment<'_>) -> Result<Vec<String>, Failure> {
    let sorted = Sorted::of(users, ids, moment)?;
    let unusable = [sorted.unknown, sorted.hidden].concat();
    if !unusable.is_empty() {
        let why = format!("user_id_list holds unusable ids: {}", unusable.join(", "));
        return Err(Refusal::new(400, 232043, why).into());
    }
    if !sorted.left.is_empty() {
        return Err(departed(&sorted.left.join(", ")).into());
    }
    let usable = sorted.usable.into_iter();
    Ok(usable.map(|(_, open_id)| open_id).collect())
}

fn owner_of(owner: &str, ids: IdType, moment: &Moment<'_>) -> Result<String, Failure> {
    match ids.standing(owner, moment)? {
        Standing::Usable(open_id) => Ok(open_id),
        Standing::Left(_) => Err(departed(owner).into()),
        Standing::Unknown | Standing::Hidden(_) => {
            Err(Refusal::new(400, 232030, format!("owner_id is not valid: {owner}")).into())
        }
    }
}

fn departed(who: &str) -> Refusal {
    Refusal::new(400, 232022, format!("has left the organisation: {who}"))
}

/// `updateChat`: what is absent stays as it is.
pub(super) fn update(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let ids = call.query.user_id_type()?;
    let fields = Fields::of_body(call.body, BAD_PARAMETER)?;
    if fields.is_empty() {
        return Err(fields.bad("body", "at least one field is expected").into());
    }
    let mut found = open(call, moment)?;
    let chat = &mut found.doc;
    if !chat.managed_by(call.app) {
        if chat.setting("edit_permission") == "only_owner" {
            let why = "only the owner and admins may edit the chat";
            return Err(Refusal::new(400, 232002, why).into());
        }
        if !fields.names().all(|name| FOR_EVERYBODY.contains(&name)) {
            let why = "the caller may edit avatar, name, description and i18n_names alone";
            return Err(Refusal::new(400, 232016, why).into());
        }
    }
    rename(chat, &fields, &found.id, moment)?;
    settings_in(chat, &fields)?;
    for (name, words) in CHOICES.into_iter().chain(PERMISSIONS) {
        if name == "chat_mode" {
            continue;
        }
        if let Some(word) = fields.one_of(name, words)? {
            chat.settings.insert(name.to_owned(), word.into());
        }
    }
    let apart = (chat.setting("add_member_permission") == "only_owner")
        != (chat.setting("share_card_permission") == "not_allowed");
    if apart {
        let why = "it has to go with add_member_permission";
        return Err(fields.bad("share_card_permission", why).into());
    }
    if let Some(owner) = fields.text("owner_id", 0..=100)? {
        let owner = match ids.standing(owner, moment)? {
            Standing::Usable(open_id) => open_id,
            _ => {
                let why = format!("owner_id is not valid: {owner}");
                return Err(Refusal::new(400, 232035, why).into());
            }
        };
        if !chat.users.contains(&owner) {
            return Err(Refusal::new(400, 232012, "the new owner is not in the chat").into());
        }
        chat.owner = owner;
    }
    moment.replace(Chat::KIND, &found.id, &found.doc)?;
    Ok(Success::Data(json!({})))
}

/// The name and who may find the chat by it.
fn rename(
    chat: &mut Chat,
    fields: &Fields<'_>,
    id: &str,
    moment: &Moment<'_>,
) -> Result<(), Failure> {
    if let Some(kind) = fields.one_of("chat_type", &["private", "public"])? {
        chat.public = kind == "public";
    }
    if let Some(name) = fields.text("name", 0..=usize::MAX)? {
        chat.name = (!name.is_empty()).then(|| name.to_owned());
    }
    if !chat.public {
        return Ok(());
    }
    let Some(name) = chat.name.as_deref().filter(|name| name.chars().count() > 1) else {
        let why = "a public chat needs a name of at least 2 characters";
        return Err(fields.bad("name", why).into());
    };
    let all: Vec<Found<Chat>> = moment.list(Chat::KIND, None, View::Present)?;
    let taken = all.iter().any(|other| {
        other.id != id
            && other.doc.public
            && !other.doc.dissolved
            && other.doc.name.as_deref() == Some(name)
    });
    if taken {
        let why = format!("another public chat has the name {name}");
        return Err(Refusal::new(400, 232026, why).into());
    }
    Ok(())
}

/// The settings that are no choice between words.
fn settings_in(chat: &mut Chat, fields: &Fields<'_>) -> Result<(), Failure> {
    for name in ["avatar", "description"] {
        if let Some(text) = fields.text(name, 0..=usize::MAX)? {
            chat.settings.insert(name.to_owned(), text.into());
        }
    }
    for name in ["i18n_names", "restricted_mode_setting"] {
        fields.object(name)?;
        if let Some(value) = fields.value(name) {
            chat.settings.insert(name.to_owned(), value.clone());
        }
    }
    Ok(())
}

/// `dissolveChat`: the bot must own the chat or have made it.
pub(super) fn dissolve(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let mut found = open(call, moment)?;
    if found.doc.owner != call.app && found.doc.creator != call.app {
        let why = "the caller neither owns the chat nor has made it";
        return Err(Refusal::new(400, 232017, why).into());
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

/// The chat of the path, as somebody who is in it finds it.
pub(super) fn open(call: &Call<'_>, moment: &Moment<'_>) -> Result<Found<Chat>, Failure> {
    open_in(call, moment, View::Present)
}

/// The same in that view.
pub(super) fn open_in(
    call: &Call<'_>,
    moment: &Moment<'_>,
    view: View,
) -> Result<Found<Chat>, Failure> {
    let found = find(call, moment, view)?;
    if found.doc.dissolved {
        return Err(Refusal::new(400, 232009, "the chat is already dissolved").into());
    }
    if !found.doc.holds(call.app) {
        return Err(outside().into());
    }
    Ok(found)
}

pub(super) fn find(
    call: &Call<'_>,
    moment: &Moment<'_>,
    view: View,
) -> Result<Found<Chat>, Failure> {
    let id = call.path_value("chat_id");
    moment
        .find(Chat::KIND, id, view)?
        .ok_or_else(|| Refusal::new(400, 232006, format!("chat_id is not valid: {id}")).into())
}

pub(super) fn outside() -> Refusal {
    Refusal::new(400, 232011, "the caller is not in the chat")
}
