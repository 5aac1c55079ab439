//! Subscriptions and the managed chats that they name: who waits for whom.

use std::collections::HashMap;

use super::Work;
use crate::model::{ChatId, Collection, Field, Fields, Value};
use crate::plan::{Action, Change, Subject};

impl Work<'_> {
    /// A subscription waits for a chat that is to come, and a chat goes only when nobody names it any
    /// more.
    pub(super) fn chats_first(&mut self) {
        let mut going: HashMap<ChatId, Vec<Subject>> = HashMap::new();
        let mut any = false;
        for change in &self.plan.changes {
            if change.collection != Collection::Chats {
                continue;
            }
            any = true;
            if let Action::Delete { id, .. } | Action::Forget { id, .. } = &change.action {
                going.insert(ChatId::new(id.as_str()), Vec::new());
            }
        }
        if !any {
            return;
        }
        for change in &mut self.plan.changes {
            if change.collection.tasklist().is_none() {
                continue;
            }
            if let Some(before) = change.before() {
                for chat in chats(before) {
                    if let Some(first) = going.get_mut(chat) {
                        first.push(change.subject.clone());
                    }
                }
            }
            let to_come = change.after().map(|after| pending(&after));
            change.requires.extend(to_come.into_iter().flatten());
        }
        for change in &mut self.plan.changes {
            if let (Collection::Chats, Some(id)) = (&change.collection, goes(change)) {
                let first = going.remove(&id).unwrap_or_default();
                change.requires.extend(first);
            }
        }
    }
}

fn goes(change: &Change) -> Option<ChatId> {
    match &change.action {
        Action::Delete { id, .. } | Action::Forget { id, .. } => Some(ChatId::new(id.as_str())),
        _ => None,
    }
}

fn chats(fields: &Fields) -> impl Iterator<Item = &ChatId> {
    let chats = match fields.get(Field::Subscribers) {
        Some(Value::Chats(chats)) => Some(chats),
        _ => None,
    };
    chats.into_iter().flatten()
}

fn pending(fields: &Fields) -> Vec<Subject> {
    chats(fields)
        .filter_map(|chat| chat.pending())
        .map(Subject::Resource)
        .collect()
}
