//! Chats: named references, and ids that stand where a name can.

use super::{Names, Section, is_id, push_all, unknown};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::manifest::Chat;
use crate::model::shape::{Given, Spanned, Text, shorten};
use crate::model::{Address, ChatId, Kind, Name, written};

pub(super) fn read_chat(
    name: &Name,
    written: written::Chat,
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Chat> {
    let mut found = Vec::new();
    let id = match written.id {
        Given::Absent if written.manage.is_absent() => {
            found.push(
                Diagnostic::error(
                    "missing-key",
                    span,
                    format!("the key `id` is missing in `{name}`"),
                )
                .help("Add `id:` with the chat's open id, `oc_…`."),
            );
            None
        }
        Given::Is(id) if id.value.0 == "oc_" || !id.value.0.starts_with("oc_") => {
            found.push(
                Diagnostic::error(
                    "bad-id",
                    id.span,
                    format!("`{}` is not the id of a chat", shorten(&id.value.0)),
                )
                .help("The open id of a chat begins with `oc_`."),
            );
            None
        }
        Given::Is(id) => is_id(&id, "the id of a chat", &mut found).then_some(id),
        _ => None,
    };
    push_all(
        diagnostics,
        found,
        Some(&Address::new(Kind::Chat, name.clone())),
    );
    id.map(|id| Chat {
        id: ChatId::new(&id.value.0),
        span,
    })
}

impl Names {
    pub(super) fn chat(
        &mut self,
        text: &Spanned<Text>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<ChatId> {
        let word = text.value.0.as_str();
        let chat = match self.chats.get(word) {
            Some(chat) => Some(chat),
            None if word.is_ascii() => None,
            // Only a text that is not in NFC already can still be found.
            None => Name::new(word).ok().and_then(|name| self.chats.get(&name)),
        };
        if let Some(chat) = chat {
            return chat.as_ref().map(|chat| chat.id.clone());
        }
        if word.len() > "oc_".len() && word.starts_with("oc_") {
            if !is_id(text, "the id of a chat", found) {
                return None;
            }
            if let Some(id) = self.ids.get(word) {
                return Some(id.clone());
            }
            let id = ChatId::new(word);
            self.ids.insert(id.clone());
            return Some(id);
        }
        if self.places[Section::Group as usize].contains_key(word) {
            found.push(
                Diagnostic::error(
                    "group-as-subscriber",
                    text.span,
                    format!("`{word}` is a group of people, and subscribers are chats"),
                )
                .help("Name a chat; people hear about a tasklist through a chat that they are in."),
            );
        } else if self.all_chats {
            let words = ("unknown-chat", "chat", "chats");
            found.push(unknown(words, text, &self.chats, &mut self.suggestions));
        }
        None
    }
}
