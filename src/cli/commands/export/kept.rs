//! What a manifest can say of chats and contact user groups, and what it calls them.

use std::collections::BTreeMap;

use super::asked::{Known, Live, Posting, word};
use super::document::{
    ChatBlock, Document, ManageBlock, PeopleBlock, UserGroupBlock, carries, carries_in_lines,
    literal, said,
};
use super::names::{Names, members_of, slug};
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::Object;
use crate::model::group::Recipient;
use crate::model::manifest::{Manifest, Vendor};
use crate::model::{
    ChatId, Collection, Field, MAX_IN_CHAT, MAX_IN_USER_GROUP, Name, Value, unfit_chat,
    unfit_user_group,
};

/// What is already there that a file has to get along with.
pub(super) struct Surroundings<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) known: &'a [Known<'a>],
    pub(super) posting: Posting,
    pub(super) resources_only: bool,
}

/// Leaves out what a manifest cannot declare, and says why.
pub(super) fn fitting(live: Vec<Live>, around: &Surroundings<'_>, ui: &Ui) -> Vec<Live> {
    let mut names: BTreeMap<(Name, String), String> = BTreeMap::new();
    if around.resources_only {
        for group in around.manifest.groups.values() {
            for (provider, kept) in &group.user_groups {
                let of = (provider.clone(), kept.name.clone());
                names.insert(of, kept.address.to_string());
            }
        }
    }
    let mut fitting = Vec::new();
    for one in live {
        let why = misfit(&one, around).or_else(|| {
            let name = one.object.fields.name().unwrap_or_default();
            if one.collection != Collection::UserGroups {
                return None;
            }
            let key = (one.provider.clone(), name.to_owned());
            let first = names.insert(key.clone(), one.id.to_string())?;
            let why =
                format!("{first} is named \"{name}\" too, and a manifest cannot declare both");
            names.insert(key, first);
            Some(why)
        });
        match why {
            None => fitting.push(one),
            Some(why) => {
                let what = word(&one.collection);
                ui.say(&clean(&format!("Left out {what} {}: {why}.", one.id)));
            }
        }
    }
    fitting
}

fn misfit(live: &Live, around: &Surroundings<'_>) -> Option<String> {
    let fields = &live.object.fields;
    let (name, description) = (fields.name().unwrap_or_default(), description(&live.object));
    let people = fields.items(Field::Members);
    if around.resources_only
        && let Some(why) = is_there(live, around)
    {
        return Some(why);
    }
    let (unfit, most) = match live.collection {
        Collection::Chats => (unfit_chat(name, description), MAX_IN_CHAT),
        _ => (unfit_user_group(name, description), MAX_IN_USER_GROUP),
    };
    if !name.chars().all(carries) {
        return Some(format!(
            "its name \"{name}\" holds a character that a manifest cannot carry"
        ));
    }
    if !description.chars().all(carries_in_lines) {
        return Some("its description holds a character that a manifest cannot carry".to_owned());
    }
    if unfit.is_some() {
        return unfit;
    }
    if people.len() > most {
        return Some(format!("it has more than {most} people"));
    }
    if people.is_empty() && live.collection == Collection::UserGroups {
        return Some("nobody is in it, and a group that is kept needs people".to_owned());
    }
    let is_open = |id: &&String| {
        let read = Recipient::user(Vendor::Feishu, id);
        !matches!(read, Ok(Recipient::OpenId(_)))
    };
    if let Some(odd) = people.iter().find(is_open) {
        return Some(format!("`{odd}` is in it, which is no open_id"));
    }
    let chat = ChatId(live.id.0.clone());
    let posting = around
        .posting
        .get(&chat)
        .filter(|_| live.collection == Collection::Chats);
    let other = posting.and_then(|all| all.iter().find(|p| **p != live.provider));
    other.map(|other| {
        format!(
            "it is read with provider `{}`, and a tasklist that posts to it with `{other}`; beadle keeps a chat with the provider of its tasklists only",
            live.provider
        )
    })
}

/// Why the project that is to include the file has the object already, if it has.
fn is_there(live: &Live, around: &Surroundings<'_>) -> Option<String> {
    let key = (live.collection.clone(), live.id.clone());
    let mut declared = around.known.iter().filter(|known| known.is_declared);
    if let Some(known) = declared.find(|known| known.key().as_ref() == Some(&key)) {
        return Some(format!("this project has it already, as {}", known.address));
    }
    let mut references = around.manifest.chats.iter();
    let (name, _) = references
        .find(|(_, chat)| live.collection == Collection::Chats && chat.id.0 == live.id.0)?;
    Some(format!(
        "this project refers to it as `{name}`; without `--resources-only` it is written, to be put in that block's place"
    ))
}

fn description(object: &Object) -> &str {
    match object.fields.get(Field::Description) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// Writes chats, contact user groups, and the groups that their people are in. Says what each chat is
/// called.
pub(super) fn write(
    document: &mut Document,
    live: &[Live],
    around: &Surroundings<'_>,
) -> BTreeMap<ChatId, String> {
    let manifest = around.manifest;
    let mut names = taken(live, around);
    let given = named(live, manifest, &mut names);
    let mut called = BTreeMap::new();
    for (one, name) in live.iter().zip(given) {
        let fields = &one.object.fields;
        let users: Vec<String> = fields.items(Field::Members).iter().cloned().collect();
        let text = fields.name().map(literal).unwrap_or_default();
        let about = Some(literal(description(&one.object))).filter(|text| !text.is_empty());
        if one.collection == Collection::UserGroups {
            let user_group = UserGroupBlock {
                id: one.id.to_string(),
                name: text,
                description: about,
            };
            let block = PeopleBlock {
                users,
                user_group: Some(user_group),
            };
            let group = document.recipient_groups.entry(name).or_default();
            group.insert(one.provider.to_string(), block);
            continue;
        }
        let mut manage = ManageBlock {
            name: text,
            description: about,
            members: Vec::new(),
            extra_members: None,
        };
        if users.is_empty() {
            manage.extra_members = Some("keep");
        } else {
            let members = names.give(&members_of(&name));
            let user_group = None;
            let block = PeopleBlock { users, user_group };
            let block = BTreeMap::from([(one.provider.to_string(), block)]);
            document.recipient_groups.insert(members.clone(), block);
            manage.members.push(members);
        }
        called.insert(ChatId(one.id.0.clone()), name.clone());
        let block = ChatBlock {
            id: one.id.to_string(),
            provider: said(&one.provider, manifest),
            manage: Some(manage),
        };
        document.chats.insert(name, block);
    }
    called
}

/// The names that chats and groups have already, other than those that are written.
fn taken(live: &[Live], around: &Surroundings<'_>) -> Names {
    let manifest = around.manifest;
    let mut names = Names::default();
    for (name, chat) in &manifest.chats {
        if !live.iter().any(|one| is_reference(one, &chat.id)) {
            names.reserve(name.as_str());
        }
    }
    if around.resources_only {
        let chats = manifest.managed_chats.values();
        let chats = chats.map(|chat| (&chat.address.name, chat.moved_from.as_ref()));
        let groups = manifest.groups.values();
        let groups = groups.map(|group| (&group.address.name, group.moved_from.as_ref()));
        for (name, former) in chats.chain(groups) {
            names.reserve(name.as_str());
            if let Some(former) = former {
                names.reserve(former.as_str());
            }
        }
        for (address, _) in &manifest.forget {
            names.reserve(address.name.as_str());
        }
    }
    names
}

fn is_reference(live: &Live, chat: &ChatId) -> bool {
    live.collection == Collection::Chats && live.id.0 == chat.0
}

/// A name for each: the one that it has already comes before all others.
fn named(live: &[Live], manifest: &Manifest, names: &mut Names) -> Vec<String> {
    let mut given: Vec<Option<String>> = Vec::new();
    // The contact user groups of one group share its name.
    let mut shared: BTreeMap<(Name, Name), String> = BTreeMap::new();
    for one in live {
        let mut references = manifest.chats.iter();
        let reference = references.find(|(_, chat)| is_reference(one, &chat.id));
        let name = one.name.as_ref().or(reference.map(|(name, _)| name));
        given.push(name.map(|name| {
            if one.collection != Collection::UserGroups {
                return names.give(name.as_str());
            }
            let mut others = shared.iter();
            let same = others.find(|((group, provider), _)| {
                group == name
                    && *provider != one.provider
                    && !shared.contains_key(&(name.clone(), one.provider.clone()))
            });
            let name_given = match same {
                Some((_, given)) => given.clone(),
                None => names.give(name.as_str()),
            };
            let key = (name.clone(), one.provider.clone());
            shared.insert(key, name_given.clone());
            name_given
        }));
    }
    let all = live.iter().zip(given);
    all.map(|(one, given)| {
        given.unwrap_or_else(|| {
            let otherwise = match one.collection {
                Collection::Chats => "chat",
                _ => "group",
            };
            names.give(&slug(
                one.object.fields.name().unwrap_or_default(),
                otherwise,
            ))
        })
    })
    .collect()
}
