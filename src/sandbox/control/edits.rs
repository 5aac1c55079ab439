//! Changes to the world behind the client's back, without the vendor's rules.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::people::{merged, person};
use super::{Reply, Trouble, parsed};
use crate::sandbox::feishu::{self, Chat, Member, Subscription, Tasklist};
use crate::sandbox::people::Person;
use crate::sandbox::serve::Shared;
use crate::sandbox::world::{Found, Moment, View, WorldError};
use crate::sandbox::{APP_ID, seed};

fn live<T: DeserializeOwned>(
    moment: &Moment<'_>,
    kind: &str,
    id: &str,
) -> Result<Found<T>, Trouble> {
    moment
        .find(kind, id, View::Present)?
        .ok_or_else(|| Trouble::Missing(format!("{kind} {id}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTasklist {
    guid: Option<String>,
    name: String,
    members: Option<Vec<Member>>,
}

pub(super) async fn add_tasklist(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewTasklist = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let guid = new.guid.unwrap_or_else(new_guid);
            vacant::<Tasklist>(moment, Tasklist::KIND, &guid)?;
            let members = new
                .members
                .unwrap_or_else(|| vec![Member::app(APP_ID, "editor")]);
            seed::add_tasklist(moment, &guid, &new.name, members)?;
            Ok(Json(json!({"guid": guid})))
        })
        .await
}

fn vacant<T: DeserializeOwned>(moment: &Moment<'_>, kind: &str, id: &str) -> Result<(), Trouble> {
    match moment.find::<T>(kind, id, View::Present)? {
        Some(_) => Err(Trouble::Bad(format!("there is a {kind} {id} already"))),
        None => Ok(()),
    }
}

pub(super) async fn delete_tasklist(
    State(shared): State<Arc<Shared>>,
    Path(guid): Path<String>,
) -> Reply {
    shared
        .act(move |_, moment| {
            live::<Tasklist>(moment, Tasklist::KIND, &guid)?;
            Tasklist::remove(moment, &guid)?;
            Ok(Json(json!({})))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
}

pub(super) async fn add_member(
    State(shared): State<Arc<Shared>>,
    Path(guid): Path<String>,
    body: Bytes,
) -> Reply {
    let new: NewMember = parsed(&body)?;
    let member = Member {
        id: new.id,
        kind: new.kind.unwrap_or_else(|| "app".to_owned()),
        role: new.role.unwrap_or_else(|| "editor".to_owned()),
    };
    shared
        .act(move |_, moment| {
            let mut found: Found<Tasklist> = live(moment, Tasklist::KIND, &guid)?;
            if member.role == "owner" {
                found.doc.owner = member;
            } else {
                feishu::put(&mut found.doc.members, member);
            }
            moment.overwrite(Tasklist::KIND, &guid, &found.doc)?;
            Ok(Json(json!({})))
        })
        .await
}

pub(super) async fn remove_member(
    State(shared): State<Arc<Shared>>,
    Path((guid, id)): Path<(String, String)>,
) -> Reply {
    shared
        .act(move |_, moment| {
            let mut found: Found<Tasklist> = live(moment, Tasklist::KIND, &guid)?;
            let before = found.doc.members.len();
            found.doc.members.retain(|member| member.id != id);
            if found.doc.members.len() == before {
                return Err(Trouble::Missing(format!("member {id}")));
            }
            moment.overwrite(Tasklist::KIND, &guid, &found.doc)?;
            Ok(Json(json!({})))
        })
        .await
}

pub(super) async fn add_subscription(
    State(shared): State<Arc<Shared>>,
    Path(guid): Path<String>,
    body: Bytes,
) -> Reply {
    let subscription: Subscription = parsed(&body)?;
    shared
        .act(move |_, moment| {
            live::<Tasklist>(moment, Tasklist::KIND, &guid)?;
            let own = new_guid();
            moment.insert_as_old(Subscription::KIND, &own, &guid, &subscription)?;
            Ok(Json(json!({"guid": own})))
        })
        .await
}

pub(super) async fn change_subscription(
    State(shared): State<Arc<Shared>>,
    Path(guid): Path<String>,
    body: Bytes,
) -> Reply {
    let changes: Map<String, Value> = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let found: Found<Subscription> = live(moment, Subscription::KIND, &guid)?;
            let mut doc = serde_json::to_value(&found.doc).map_err(WorldError::from)?;
            for (name, value) in changes {
                match doc.get_mut(&name) {
                    Some(field) => *field = value,
                    None => return Err(Trouble::Bad(format!("there is no field {name}"))),
                }
            }
            let changed: Subscription =
                serde_json::from_value(doc).map_err(|error| Trouble::Bad(error.to_string()))?;
            moment.overwrite(Subscription::KIND, &guid, &changed)?;
            Ok(Json(json!({})))
        })
        .await
}

pub(super) async fn delete_subscription(
    State(shared): State<Arc<Shared>>,
    Path(guid): Path<String>,
) -> Reply {
    shared
        .act(move |_, moment| {
            live::<Subscription>(moment, Subscription::KIND, &guid)?;
            moment.erase(Subscription::KIND, &guid)?;
            Ok(Json(json!({})))
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChat {
    chat_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    members: Option<Vec<String>>,
    /// People by any id.
    #[serde(default)]
    users: Vec<String>,
    /// An app, or a person who is in the chat then.
    owner: Option<String>,
    #[serde(default)]
    public: bool,
}

pub(super) async fn add_chat(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let new: NewChat = parsed(&body)?;
    shared
        .act(move |_, moment| {
            let id = new.chat_id.unwrap_or_else(feishu::new_chat_id);
            vacant::<Chat>(moment, Chat::KIND, &id)?;
            let bots = new.members.unwrap_or_else(|| vec![APP_ID.to_owned()]);
            let mut chat = Chat::of_bots(new.name, bots);
            chat.public = new.public;
            if let Some(text) = new.description {
                chat.settings.insert("description".to_owned(), text.into());
            }
            for user in new.users {
                chat.users.push(person(&user, moment)?.id);
            }
            if let Some(owner) = new.owner {
                chat.owner = match Person::find_any(&owner, moment)? {
                    Some(person) => person.id,
                    None => owner,
                };
                chat.creator.clone_from(&chat.owner);
                if !chat.users.contains(&chat.owner) && !chat.bots.contains(&chat.owner) {
                    chat.users.push(chat.owner.clone());
                }
            }
            moment.insert_as_old(Chat::KIND, &id, "", &chat)?;
            Ok(Json(json!({"chat_id": id})))
        })
        .await
}

/// Sets these fields; what is no field of its own is a setting.
pub(super) async fn edit_chat(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Reply {
    let fields: Map<String, Value> = parsed(&body)?;
    change_chat(shared, id, move |chat, _| {
        let own = ["name", "owner", "managers", "public"];
        let (own, settings) = fields
            .into_iter()
            .partition(|(name, _): &(String, Value)| own.contains(&name.as_str()));
        *chat = merged(chat, own)?;
        let settings: Map<String, Value> = settings;
        chat.settings.extend(settings);
        Ok(())
    })
    .await
}

pub(super) async fn dissolve_chat(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Reply {
    change_chat(shared, id, |chat, _| {
        chat.dissolved = true;
        Ok(())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewInChat {
    app_id: Option<String>,
    user: Option<String>,
}

pub(super) async fn add_to_chat(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Reply {
    let new: NewInChat = parsed(&body)?;
    change_chat(shared, id, move |chat, moment| {
        if let Some(app) = new.app_id
            && !chat.bots.contains(&app)
        {
            chat.bots.push(app);
        }
        if let Some(user) = new.user {
            let user = person(&user, moment)?.id;
            if !chat.users.contains(&user) {
                chat.users.push(user);
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn remove_from_chat(
    State(shared): State<Arc<Shared>>,
    Path((id, member)): Path<(String, String)>,
) -> Reply {
    change_chat(shared, id, move |chat, moment| {
        let gone = match Person::find_any(&member, moment)? {
            Some(person) => person.id,
            None => member,
        };
        let before = chat.bots.len() + chat.users.len();
        chat.bots.retain(|bot| bot != &gone);
        chat.users.retain(|user| user != &gone);
        if chat.bots.len() + chat.users.len() == before {
            return Err(Trouble::Missing(format!("member {gone}")));
        }
        Ok(())
    })
    .await
}

async fn change_chat(
    shared: Arc<Shared>,
    id: String,
    change: impl FnOnce(&mut Chat, &Moment<'_>) -> Result<(), Trouble> + Send + 'static,
) -> Reply {
    shared
        .act(move |_, moment| {
            let mut found: Found<Chat> = live(moment, Chat::KIND, &id)?;
            change(&mut found.doc, moment)?;
            moment.overwrite(Chat::KIND, &id, &found.doc)?;
            Ok(Json(json!({})))
        })
        .await
}

fn new_guid() -> String {
    uuid::Uuid::new_v4().to_string()
}
