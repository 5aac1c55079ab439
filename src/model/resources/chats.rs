//! Chats: those that beadle keeps, named references, and ids that stand where a name can.

use std::collections::BTreeSet;

use super::kept::{CHAT, ignored};
use super::tasklists::Needs;
use super::{Names, Section, is_id, push_all, unknown};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::manifest::{Chat, Conversation, ExtraMembers, ManagedChat, OnDelete, Vendor};
use crate::model::shape::{Given, Spanned, Text, shorten};
use crate::model::{Address, ChatId, Kind, Name, RemoteId, written};

/// The most characters of an open conversation id; the pages give no number.
const MOST_IN_ID: usize = 100;

/// What chats have that do not say otherwise.
#[derive(Clone, Copy, Default)]
pub(super) struct ChatDefaults {
    extra_members: ExtraMembers,
    on_delete: OnDelete,
    protect: bool,
}

impl ChatDefaults {
    pub(super) fn read(written: &written::ChatDefaults) -> Self {
        let none = Self::default();
        let extra = written.extra_members.get();
        Self {
            extra_members: extra.map_or(none.extra_members, |extra| extra.value.0),
            on_delete: written.on_delete.get().map_or(none.on_delete, |on| on.0),
            protect: written.protect.get().is_some_and(|flag| flag.0),
        }
    }
}

impl Names {
    /// Reads a chat, and takes it for what its name stands for.
    pub(super) fn declared_chat(
        &mut self,
        name: Name,
        written: written::Chat,
        span: Span,
        defaults: ChatDefaults,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let address = Address::new(Kind::Chat, name.clone());
        let mut found = Vec::new();
        let is = if written.manage.is_absent() && self.is_at_dingtalk(&written) {
            let conversation = conversation(&name, written, span, &mut found);
            self.conversations
                .extend(conversation.map(|conversation| (name.clone(), conversation)));
            None
        } else if written.manage.is_absent() {
            reference(&name, written, span, &mut found).map(|chat| {
                let id = chat.id.clone();
                self.references.insert(name.clone(), chat);
                id
            })
        } else {
            let chat = self.managed(&address, written, span, defaults, &mut found);
            chat.map(|chat| {
                let id = ChatId::to_come(&address);
                if let Some(pinned) = &chat.id {
                    self.pinned.insert(ChatId(pinned.0.clone()), id.clone());
                }
                self.managed.insert(name.clone(), chat);
                id
            })
        };
        push_all(diagnostics, found, Some(&address));
        self.chats.insert(name, is);
    }

    /// Whether a chat without `manage` is a group at DingTalk.
    fn is_at_dingtalk(&self, written: &written::Chat) -> bool {
        let name = written.provider.get();
        let name = name.and_then(|text| Name::new(&text.value.0).ok());
        let provider = name.and_then(|name| self.providers.get(&name)?.as_ref());
        provider.is_some_and(|provider| provider.vendor == Vendor::DingTalk)
    }

    fn managed(
        &mut self,
        address: &Address,
        written: written::Chat,
        span: Span,
        defaults: ChatDefaults,
        found: &mut Vec<Diagnostic>,
    ) -> Option<ManagedChat> {
        let written::Chat {
            id,
            manage,
            provider,
            protect,
            ignore,
            moved_from,
        } = written;
        let name = &address.name;
        let needs = Needs::CHAT;
        let provider = match &provider {
            Given::Is(text) => self.provider(text, needs, found),
            Given::Absent => self.default_provider(name, span, needs, found),
            Given::Bad => None,
        };
        let bad_id = id.is_bad();
        let written_id = id.into_option();
        let id = written_id.as_ref().and_then(|id| chat_id(id, found));
        let moved_from = self.moved_from(moved_from, address, found);
        let manage = manage.into_option()?;
        let text = CHAT.name(manage.name, name, span, found);
        let description = CHAT.description(manage.description, found);
        let (extra_members, extra_span) = match &manage.extra_members {
            Given::Is(extra) => (extra.value.0, extra.span),
            // What nobody could read removes nobody.
            Given::Bad => (ExtraMembers::Keep, span),
            Given::Absent => (defaults.extra_members, span),
        };
        let lists_nobody = match &manage.members {
            Given::Is(list) => list.value.is_empty(),
            Given::Bad => false,
            Given::Absent => true,
        };
        if extra_members == ExtraMembers::Remove && lists_nobody {
            found.push(
                Diagnostic::error(
                    "everybody-removed",
                    extra_span,
                    "nobody is listed, so that everybody would be removed",
                )
                .help("Name groups under `members`, or write `extra_members: keep`."),
            );
        }
        let members = self.groups_named(
            manage.members,
            "listed",
            "Name a group of people; a chat is a place, whoever is in it.",
            found,
        );
        if bad_id || (written_id.is_some() && id.is_none()) {
            return None;
        }
        let (text, text_span) = text?;
        self.name_places.insert(address.clone(), text_span);
        Some(ManagedChat {
            address: address.clone(),
            provider: provider?,
            name: text,
            description: description.map_or(String::new(), |text| text.value.0),
            members,
            extra_members,
            on_delete: manage.on_delete.get().map_or(defaults.on_delete, |on| on.0),
            id: id.map(|id| RemoteId(id.0)),
            id_span: written_id.map_or(span, |id| id.span),
            protect: protect.get().map_or(defaults.protect, |flag| flag.value.0),
            ignore: ignore
                .into_option()
                .map_or_else(BTreeSet::new, |fields| ignored(fields.value)),
            moved_from,
            span,
        })
    }
}

fn conversation(
    name: &Name,
    written: written::Chat,
    span: Span,
    found: &mut Vec<Diagnostic>,
) -> Option<Conversation> {
    let written::Chat {
        id,
        manage: _,
        provider,
        protect,
        ignore,
        moved_from,
    } = written;
    let without = [
        ("protect", protect.get().map(|v| v.span)),
        ("ignore", ignore.get().map(|v| v.span)),
        ("moved_from", moved_from.get().map(|v| v.span)),
    ];
    for (key, span) in without {
        if let Some(span) = span {
            found.push(
                Diagnostic::error(
                    "without-manage",
                    span,
                    format!(
                        "`{key}` says nothing about a group of DingTalk, which beadle does not keep"
                    ),
                )
                .help("Remove it."),
            );
        }
    }
    let id = match id {
        Given::Absent => {
            found.push(
                Diagnostic::error(
                    "missing-key",
                    span,
                    format!("the key `id` is missing in `{name}`"),
                )
                .help("Add `id:` with the open conversation id of the group, `cid…`."),
            );
            None
        }
        Given::Bad => None,
        Given::Is(id) => {
            let text = id.value.0.clone();
            let is_fit = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
            let good = (4..=MOST_IN_ID).contains(&text.len())
                && text.starts_with("cid")
                && text.chars().all(is_fit);
            if !good {
                found.push(
                    Diagnostic::error(
                        "bad-id",
                        id.span,
                        format!("`{}` is not the id of a group at DingTalk", shorten(&text)),
                    )
                    .help("An open conversation id begins with `cid`; an app that is in the group gets it with each message."),
                );
            }
            good.then_some(text)
        }
    };
    let provider = provider
        .get()
        .and_then(|text| Name::new(&text.value.0).ok());
    Some(Conversation {
        provider: provider?,
        id: ChatId::new(&id?),
        span,
    })
}

fn reference(
    name: &Name,
    written: written::Chat,
    span: Span,
    found: &mut Vec<Diagnostic>,
) -> Option<Chat> {
    let written::Chat {
        id,
        manage: _,
        provider,
        protect,
        ignore,
        moved_from,
    } = written;
    let without = [
        ("provider", provider.get().map(|v| v.span)),
        ("protect", protect.get().map(|v| v.span)),
        ("ignore", ignore.get().map(|v| v.span)),
        ("moved_from", moved_from.get().map(|v| v.span)),
    ];
    for (key, span) in without {
        // With neither it is not yet said what the chat is.
        let Some(span) = span.filter(|_| !id.is_absent()) else {
            continue;
        };
        found.push(
            Diagnostic::error(
                "without-manage",
                span,
                format!("`{key}` says nothing about a chat that beadle does not keep"),
            )
            .help("Remove it, or add `manage:` so that beadle keeps the chat."),
        );
    }
    let id = match id {
        Given::Absent => {
            found.push(
                Diagnostic::error(
                    "missing-key",
                    span,
                    format!("the key `id` is missing in `{name}`"),
                )
                .help("Add `id:` with the open id of a chat that is there, `oc_…`, or `manage:` to have beadle create and keep one."),
            );
            None
        }
        Given::Is(id) => chat_id(&id, found),
        Given::Bad => None,
    };
    id.map(|id| Chat { id, span })
}

fn chat_id(id: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Option<ChatId> {
    let text = &id.value.0;
    if text == "oc_" || !text.starts_with("oc_") {
        found.push(
            Diagnostic::error(
                "bad-id",
                id.span,
                format!("`{}` is not the id of a chat", shorten(text)),
            )
            .help("The open id of a chat begins with `oc_`."),
        );
        return None;
    }
    is_id(id, "the id of a chat", found).then(|| ChatId::new(text))
}

impl Names {
    pub(super) fn chat(
        &mut self,
        text: &Spanned<Text>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<ChatId> {
        let word = text.value.0.as_str();
        if self.conversations.contains_key(word) {
            found.push(
                Diagnostic::error(
                    "conversation-as-subscriber",
                    text.span,
                    format!(
                        "`{word}` is a group at DingTalk, and subscriptions post to chats of Feishu"
                    ),
                )
                .help("Name a chat of Feishu; notices alone go to groups of DingTalk."),
            );
            return None;
        }
        let chat = match self.chats.get(word) {
            Some(chat) => Some(chat),
            None if word.is_ascii() => None,
            // Only a text that is not in NFC already can still be found.
            None => Name::new(word).ok().and_then(|name| self.chats.get(&name)),
        };
        if let Some(chat) = chat {
            return chat.clone();
        }
        if word.len() > "oc_".len() && word.starts_with("oc_") {
            if !is_id(text, "the id of a chat", found) {
                return None;
            }
            // A chat that is kept is one chat, by whichever of its names.
            if let Some(id) = self.pinned.get(word).or_else(|| self.ids.get(word)) {
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
