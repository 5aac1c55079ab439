//! Making a call as it was encoded, in this process or in one before: what does not make sense is not
//! sent.

use super::call::Ask;
use super::{Feishu, chat, subscription, user_group};
use crate::engine::{ApiError, Call, Done, Object};
use crate::model::{Collection, RemoteId};
use crate::vendors::limits::{
    ADD_CHAT_MEMBERS, ADD_USER_GROUP_MEMBERS, CREATE_CHAT, CREATE_SUBSCRIPTION, CREATE_USER_GROUP,
    DELETE_SUBSCRIPTION, DELETE_USER_GROUP, DISSOLVE_CHAT, PATCH_SUBSCRIPTION, PATCH_USER_GROUP,
    REMOVE_CHAT_MEMBERS, REMOVE_USER_GROUP_MEMBERS, UPDATE_CHAT,
};

/// A call that has what its operation needs.
pub(super) struct Letter<'a> {
    pub(super) operation: &'static str,
    /// The object; empty for those whose id the vendor is to choose.
    pub(super) id: &'a str,
    pub(super) body: Option<&'a str>,
}

/// What holds the objects of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Tasklist,
    Chats,
    UserGroups,
}

impl Holder {
    fn of(collection: &Collection) -> Option<Self> {
        match collection {
            Collection::Tasklist(_) => Some(Holder::Tasklist),
            Collection::Chats => Some(Holder::Chats),
            Collection::UserGroups => Some(Holder::UserGroups),
            Collection::Ledger => None,
        }
    }
}

/// What a call of an operation has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Has {
    Body,
    Id,
    Both,
}

const OPERATIONS: [(&str, Holder, Has); 13] = [
    (CREATE_SUBSCRIPTION, Holder::Tasklist, Has::Body),
    (PATCH_SUBSCRIPTION, Holder::Tasklist, Has::Both),
    (DELETE_SUBSCRIPTION, Holder::Tasklist, Has::Id),
    (CREATE_CHAT, Holder::Chats, Has::Body),
    (UPDATE_CHAT, Holder::Chats, Has::Both),
    (DISSOLVE_CHAT, Holder::Chats, Has::Id),
    (ADD_CHAT_MEMBERS, Holder::Chats, Has::Both),
    (REMOVE_CHAT_MEMBERS, Holder::Chats, Has::Both),
    // Its id is ours to choose: without one the call could not be repeated.
    (CREATE_USER_GROUP, Holder::UserGroups, Has::Both),
    (PATCH_USER_GROUP, Holder::UserGroups, Has::Both),
    (DELETE_USER_GROUP, Holder::UserGroups, Has::Id),
    (ADD_USER_GROUP_MEMBERS, Holder::UserGroups, Has::Both),
    (REMOVE_USER_GROUP_MEMBERS, Holder::UserGroups, Has::Both),
];

/// Makes a call as it was encoded.
pub(super) async fn deliver(feishu: &Feishu, call: &Call) -> Result<Done, ApiError> {
    let (holder, letter) = opened(call).map_err(|why| {
        let operation = &call.operation;
        ApiError::Unreachable(format!("{operation} was not sent: {why}"))
    })?;
    match holder {
        Holder::Tasklist => of_tasklist(feishu, call, &letter).await,
        Holder::Chats => chat::deliver(feishu, &letter).await,
        Holder::UserGroups => user_group::deliver(feishu, &letter).await,
    }
}

fn opened(call: &Call) -> Result<(Holder, Letter<'_>), &'static str> {
    let known = OPERATIONS.iter().find(|(name, ..)| *name == call.operation);
    let &(operation, holder, has) = known.ok_or("this version of beadle does not know it")?;
    if Holder::of(&call.collection) != Some(holder) {
        return Err("it is of no use where the object is");
    }
    let id = match (&call.id, has) {
        (Some(id), Has::Id | Has::Both) => id.as_str(),
        (None, Has::Id | Has::Both) => return Err("it names no object"),
        (_, Has::Body) => "",
    };
    let body = match (&call.body, has) {
        (Some(body), Has::Body | Has::Both) => Some(body.as_str()),
        (None, Has::Body | Has::Both) => return Err("it has no body"),
        (_, Has::Id) => None,
    };
    let letter = Letter {
        operation,
        id,
        body,
    };
    Ok((holder, letter))
}

async fn of_tasklist(feishu: &Feishu, call: &Call, letter: &Letter<'_>) -> Result<Done, ApiError> {
    let ids = [call.collection.as_str(), letter.id];
    let ids = if letter.operation == CREATE_SUBSCRIPTION {
        &ids[..1]
    } else {
        &ids[..]
    };
    let ask = Ask::new(letter.operation).ids(ids).body(letter.body);
    if letter.operation == DELETE_SUBSCRIPTION {
        return feishu.call(&ask, |_| Ok(Done::default())).await;
    }
    let asked = (!letter.id.is_empty()).then(|| RemoteId::new(letter.id));
    let read = |envelope| subscription::read_one(envelope, asked.as_ref());
    feishu.call(&ask, read).await.map(made)
}

fn made(object: Object) -> Done {
    Done {
        object: Some(object),
        ..Done::default()
    }
}
