//! Subscriptions and the managed chats that they name: who waits for whom.

use std::collections::HashMap;

use super::Work;
use crate::model::{ChatId, Collection, Diagnostic, Field, Fields, Value};
use crate::plan::{Action, Change, Subject};

impl Work<'_> {
    /// A block that was renamed looks like a new one and one that is gone. Carried out as such it would
    /// pull everybody into a second chat, or find the name of the user group taken.
    pub(super) fn renamed_blocks(&mut self) {
        let is_kept =
            |c: &&Change| matches!(c.collection, Collection::Chats | Collection::UserGroups);
        let changes = &self.plan.changes;
        let going = changes.iter().filter(is_kept).filter(|c| goes(c).is_some());
        let old: HashMap<_, _> = going
            .filter_map(|c| {
                let name = c.before()?.name()?.to_owned();
                Some(((c.collection.clone(), name), c.subject.clone()))
            })
            .collect();
        let mut found = Vec::new();
        for change in changes.iter().filter(is_kept) {
            let (Action::Create { desired }, Some(address)) =
                (&change.action, change.subject.address())
            else {
                continue;
            };
            let key = (
                change.collection.clone(),
                desired.name().unwrap_or_default().to_owned(),
            );
            let Some(Subject::Resource(former)) = old.get(&key) else {
                continue;
            };
            found.push(
                Diagnostic::error(
                    "looks-renamed",
                    None,
                    format!("{address} would be made anew under the name of {former}, whose block is gone"),
                )
                .address(address.clone())
                .help(format!(
                    "If the block was renamed, write `moved_from: {}` in it. If not, apply the removal first, or give the new one another `name`.",
                    former.name
                )),
            );
        }
        self.plan.diagnostics.extend(found);
    }

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
