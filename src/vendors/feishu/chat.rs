//! Chats and the people in them: our fields and the vendor's, and their calls.
//!
//! # Guarantees
//!
//! - A chat is said to be gone when Feishu says that it was dissolved. A bot that is not in it sees no
//!   more than an outline, which is an error and no chat without a description.

use serde_json::Value as Json;

use super::call::Ask;
use super::deliver::Letter;
use super::wire::{
    Chat, ChatDetail, ChatFields, ChatPeople, InChat, Member, Members, NotInChat, OUTLINE, data,
};
use super::{Feishu, codes, json, page};
use crate::engine::{Answer, ApiError, Call, Done, Object, Write};
use crate::model::{ChatId, Field, Fields, RemoteId, Value};
use crate::vendors::limits::{
    ADD_CHAT_MEMBERS, CREATE_CHAT, DISSOLVE_CHAT, GET_CHAT, IS_IN_CHAT, LIST_CHAT_MEMBERS,
    LIST_CHATS, REMOVE_CHAT_MEMBERS, UPDATE_CHAT,
};

/// How many people one call adds or removes.
pub(super) const PEOPLE: usize = 50;

/// A chat that is dissolved (pages of im-v1/chat).
const DISSOLVED: i64 = 232009;

/// The caller is not in the chat.
const OUTSIDE: i64 = 232011;

/// None of the ids is one of a member that could be added or removed.
const NOBODY: i64 = 232027;

/// Asks whether the bot is in a chat. The list of members leaves bots out, so this is the way.
pub(super) async fn is_in(feishu: &Feishu, chat: &ChatId) -> Result<bool, ApiError> {
    let ids = [chat.as_str()];
    let ask = Ask::new(IS_IN_CHAT).ids(&ids);
    let answer: InChat = feishu.call(&ask, data).await?;
    Ok(answer.is_in_chat)
}

/// Every chat that the bot is in.
pub(super) async fn catalog(feishu: &Feishu) -> Result<Vec<Object>, ApiError> {
    // In the other order chats can be passed over while paging.
    let query = [
        ("user_id_type", "open_id"),
        ("sort_type", "ByCreateTimeAsc"),
        ("page_size", "100"),
    ];
    let chats = page::all::<Chat>(feishu, LIST_CHATS, &[], &query).await?;
    let there = chats.into_iter().filter(|chat| !is_dissolved(&chat.about));
    let object = |chat: Chat| Object {
        id: RemoteId::new(&chat.chat_id),
        fields: named(chat.about).into_iter().collect(),
    };
    Ok(there.map(object).collect())
}

/// One chat with its people; none when it was dissolved.
pub(super) async fn object(feishu: &Feishu, id: &RemoteId) -> Result<Option<Object>, ApiError> {
    match read(feishu, id).await {
        Err(error) if codes::says(&error, DISSOLVED) => Ok(None),
        answer => answer,
    }
}

async fn read(feishu: &Feishu, id: &RemoteId) -> Result<Option<Object>, ApiError> {
    let ids = [id.as_str()];
    let query = [("user_id_type", "open_id")];
    let ask = Ask::new(GET_CHAT).ids(&ids).query(&query);
    let (chat, whole) = feishu.call(&ask, read_detail).await?;
    if is_dissolved(&chat) {
        return Ok(None);
    }
    if whole == Whole::Outline {
        return Err(ApiError::Refused(Answer {
            operation: GET_CHAT.to_owned(),
            message: "the bot is not in the chat, so Feishu shows but an outline of it".to_owned(),
            hint: codes::hint(GET_CHAT, OUTSIDE, &Default::default()),
            ..Answer::default()
        }));
    }
    let query = [("member_id_type", "open_id"), ("page_size", "100")];
    let members = people(feishu, LIST_CHAT_MEMBERS, &ids, &query).await?;
    let owner = owner_of(&chat);
    let mut fields: Fields = named(chat).into_iter().collect();
    fields.set(Field::Members, members);
    if let Some(owner) = owner {
        fields.set(Field::Owner, Value::Text(owner));
    }
    Ok(Some(Object {
        id: id.clone(),
        fields,
    }))
}

/// How much of a chat an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    All,
    Outline,
}

fn read_detail(envelope: Members) -> Result<(ChatDetail, Whole), String> {
    let detail: Members = data(envelope)?;
    let inside = detail
        .iter()
        .any(|(name, value)| !value.is_null() && !OUTLINE.contains(&name.as_str()));
    let chat = serde_json::from_value(Json::Object(detail)).map_err(|e| format!("data: {e}"))?;
    Ok((chat, if inside { Whole::All } else { Whole::Outline }))
}

fn is_dissolved(chat: &ChatDetail) -> bool {
    ["dissolved", "dissolved_save"].contains(&chat.chat_status.as_str())
}

fn owner_of(chat: &ChatDetail) -> Option<String> {
    let person = ["", "open_id"].contains(&chat.owner_id_type.as_str());
    (person && !chat.owner_id.is_empty()).then(|| chat.owner_id.clone())
}

fn named(chat: ChatDetail) -> [(Field, Value); 2] {
    [
        (Field::Name, Value::Text(chat.name)),
        (Field::Description, Value::Text(chat.description)),
    ]
}

/// Reads a list of people. Ids of another kind than was asked for would all look like strangers.
pub(super) async fn people(
    feishu: &Feishu,
    operation: &'static str,
    ids: &[&str],
    query: &[(&str, &str)],
) -> Result<Value, ApiError> {
    let members = page::all::<Member>(feishu, operation, ids, query).await?;
    let open = |member: &Member| ["", "open_id"].contains(&member.member_id_type.as_str());
    if !members.iter().all(open) {
        return Err(ApiError::Unknown(Answer {
            operation: operation.to_owned(),
            message: "the list names people by another kind of id than was asked for".to_owned(),
            ..Answer::default()
        }));
    }
    let people = members
        .into_iter()
        .filter(|member| ["", "user"].contains(&member.member_type.as_str()));
    Ok(Value::Items(
        people.map(|member| member.member_id).collect(),
    ))
}

/// Turns a write into its call. The same write always makes the same bytes.
pub(super) fn encode(write: &Write) -> Call {
    let (operation, id, body) = match write {
        Write::Create { fields, .. } => {
            let mut wire = to_wire(fields);
            wire.chat_type = Some("private");
            (CREATE_CHAT, None, Some(json(&wire)))
        }
        Write::Update { id, fields, .. } => (UPDATE_CHAT, Some(id), Some(json(&to_wire(fields)))),
        Write::Delete { id, .. } => (DISSOLVE_CHAT, Some(id), None),
        Write::AddPeople { id, people, .. } => {
            let id_list = people.iter().cloned().collect();
            let body = json(&ChatPeople { id_list });
            (ADD_CHAT_MEMBERS, Some(id), Some(body))
        }
        Write::RemovePeople { id, people, .. } => {
            let id_list = people.iter().cloned().collect();
            let body = json(&ChatPeople { id_list });
            (REMOVE_CHAT_MEMBERS, Some(id), Some(body))
        }
    };
    Call {
        operation: operation.to_owned(),
        collection: write.collection().clone(),
        id: id.cloned(),
        body,
    }
}

fn to_wire(fields: &Fields) -> ChatFields<'_> {
    let mut wire = ChatFields {
        name: None,
        description: None,
        chat_type: None,
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
    let ids: &[&str] = if letter.operation == CREATE_CHAT {
        &[]
    } else {
        &id
    };
    let query: &[(&str, &str)] = match letter.operation {
        ADD_CHAT_MEMBERS => &[("member_id_type", "open_id"), ("succeed_type", "1")],
        REMOVE_CHAT_MEMBERS => &[("member_id_type", "open_id")],
        _ => &[],
    };
    let ask = Ask::new(letter.operation)
        .ids(ids)
        .query(query)
        .body(letter.body);
    match letter.operation {
        CREATE_CHAT => feishu.call(&ask, read_made).await,
        ADD_CHAT_MEMBERS => match feishu.call(&ask, read_added).await {
            // The call is refused for want of one person whom it could add.
            Err(error @ ApiError::Refused(_)) if codes::says(&error, NOBODY) => {
                nobody(letter).ok_or(error)
            }
            answer => answer,
        },
        REMOVE_CHAT_MEMBERS => match feishu.call(&ask, |_| Ok(Done::default())).await {
            // Who is no member need not be removed.
            Err(error) if codes::says(&error, NOBODY) => Ok(Done::default()),
            answer => answer,
        },
        _ => feishu.call(&ask, |_| Ok(Done::default())).await,
    }
}

fn read_made(envelope: Members) -> Result<Done, String> {
    let chat: Chat = data(envelope)?;
    Ok(Done {
        object: Some(Object {
            id: RemoteId::new(&chat.chat_id),
            fields: named(chat.about).into_iter().collect(),
        }),
        ..Done::default()
    })
}

/// Those who were not added. Ids that Feishu takes none of come in lists beside code 0.
fn read_added(envelope: Members) -> Result<Done, String> {
    let NotInChat {
        invalid_id_list,
        not_existed_id_list,
        pending_approval_id_list,
    } = data(envelope)?;
    let mut done = Done::default();
    for (ids, why) in [
        (
            invalid_id_list,
            "Feishu does not add them: they have left, or are out of the app's sight",
        ),
        (not_existed_id_list, "Feishu does not know them"),
        (
            pending_approval_id_list,
            "waits for approval by the chat's owner or an admin",
        ),
    ] {
        done.rejected
            .extend(ids.into_iter().map(|id| (id, why.to_owned())));
    }
    Ok(done)
}

fn nobody(letter: &Letter<'_>) -> Option<Done> {
    let ChatPeople { id_list } = serde_json::from_str(letter.body?).ok()?;
    let why = "was not added: Feishu could add nobody of the call, because they are unknown to it, have left, or are out of the app's sight";
    Some(Done {
        rejected: id_list.into_iter().map(|id| (id, why.to_owned())).collect(),
        ..Done::default()
    })
}
