//! What the sandbox has to have, so that a manifest can be rehearsed: whatever it names and does not
//! make itself.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Failure;
use super::text;
use super::ui::Ui;
use crate::model::Name;
use crate::model::group::Recipient;
use crate::model::manifest::{Manifest, Subscription, TasklistTarget, Vendor};
use crate::sandbox::{
    Sandbox, Seeded, Wanted, WantedChat, WantedDepartment, WantedPeople, WantedPerson,
    WantedSubscription, WantedTasklist, WantedUserGroup, WorldError,
};

/// Makes what is missing, and says what it was.
pub(super) fn furnish(sandbox: &Sandbox, manifest: &Manifest, ui: &Ui) -> Result<(), WorldError> {
    for thing in sandbox.seed(&wanted(manifest))? {
        ui.say(&format!("sandbox: made {thing}"));
    }
    // People are many, and their addresses and numbers belong into no log.
    let (mut people, mut departments) = (0, 0);
    for thing in sandbox.seed_people(&wanted_people(manifest))? {
        match thing {
            Seeded::Person { .. } => people += 1,
            Seeded::Department { .. } => departments += 1,
            other => ui.say(&format!("sandbox: made {other}")),
        }
    }
    if departments > 0 {
        let departments = text::count(departments, "department");
        ui.say(&format!("sandbox: made {departments}"));
    }
    if people > 0 {
        ui.say(&format!("sandbox: made {}", text::people(people)));
    }
    Ok(())
}

/// Why the world could not be furnished.
pub(super) fn failure(error: WorldError, hint: &str) -> Failure {
    Failure::new("the sandbox's world could not be furnished")
        .because(error)
        .hint(hint)
}

fn wanted(manifest: &Manifest) -> Wanted {
    let mut chats: BTreeMap<String, WantedChat> = BTreeMap::new();
    let mut want = |id: &str, name: Option<String>, description: &str| {
        chats.entry(id.to_owned()).or_insert_with(|| WantedChat {
            id: id.to_owned(),
            name,
            description: description.to_owned(),
        });
    };
    for chat in manifest.managed_chats.values() {
        if let Some(id) = &chat.id {
            want(id.as_str(), Some(chat.name.clone()), &chat.description);
        }
    }
    for (name, chat) in manifest.chats.iter().rev() {
        want(chat.id.as_str(), Some(name.to_string()), "");
    }
    for id in manifest
        .subscriptions
        .iter()
        .flat_map(|s| s.subscribers.keys())
    {
        // What beadle makes itself is not there before.
        if id.pending().is_none() {
            want(id.as_str(), None, "");
        }
    }
    let conversations = manifest.conversations.iter();
    let groups = manifest.groups.values();
    let user_groups = groups.flat_map(|group| group.user_groups.values());
    Wanted {
        tasklists: manifest
            .tasklists
            .iter()
            .map(|(key, tasklist)| wanted_tasklist(key, &tasklist.target))
            .collect(),
        chats: chats.into_values().collect(),
        subscriptions: manifest
            .subscriptions
            .iter()
            .filter_map(|s| wanted_subscription(manifest, s))
            .collect(),
        dingtalk_groups: conversations
            .map(|(name, conversation)| (conversation.id.to_string(), name.to_string()))
            .collect(),
        user_groups: user_groups
            .filter_map(|group| {
                Some(WantedUserGroup {
                    id: group.id.as_ref()?.to_string(),
                    name: group.name.clone(),
                    description: group.description.clone().unwrap_or_default(),
                })
            })
            .collect(),
    }
}

fn wanted_tasklist(key: &Name, target: &TasklistTarget) -> WantedTasklist {
    match target {
        TasklistTarget::Guid(guid) => WantedTasklist {
            guid: Some(guid.to_string()),
            name: Some(key.to_string()),
        },
        TasklistTarget::Named(name) => WantedTasklist {
            guid: None,
            name: Some(name.clone()),
        },
    }
}

/// What a manifest pins by id is taken for granted, as it is declared.
fn wanted_subscription(manifest: &Manifest, declared: &Subscription) -> Option<WantedSubscription> {
    let id = declared.id.as_ref()?;
    let chats = declared.subscribers.keys().filter_map(|id| {
        let Some(address) = id.pending() else {
            return Some(id.to_string());
        };
        // A chat that is still to be made can be nobody's subscriber yet.
        let chat = manifest.managed_chats.get(&address.name)?;
        chat.id.as_ref().map(ToString::to_string)
    });
    Some(WantedSubscription {
        guid: id.to_string(),
        tasklist: wanted_tasklist(
            &declared.tasklist,
            &manifest.tasklists[&declared.tasklist].target,
        ),
        name: declared.name.clone(),
        chats: chats.collect(),
        include_keys: declared
            .events
            .keys
            .iter()
            .map(|key| i64::from(key.0))
            .collect(),
        disabled: !declared.enabled,
    })
}

/// Everybody whom a group lists or leaves out, each once.
fn wanted_people(manifest: &Manifest) -> WantedPeople {
    let mut seen = BTreeSet::new();
    for group in manifest.groups.values() {
        for (provider, recipients) in group.people.iter().chain(&group.exclude) {
            if let Some(provider) = manifest.providers.get(provider) {
                seen.extend(recipients.keys().map(|one| (provider.vendor, one)));
            }
        }
    }
    let orgs = manifest.providers.values();
    let mut wanted = WantedPeople {
        enos_orgs: orgs
            .filter(|provider| provider.vendor == Vendor::Enos)
            .filter_map(|provider| provider.org_id.as_deref().map(str::to_owned))
            .collect(),
        ..WantedPeople::default()
    };
    for (vendor, recipient) in seen {
        let person = |set: fn(&mut WantedPerson) -> &mut Option<String>, id: &str| {
            let mut person = WantedPerson::default();
            *set(&mut person) = Some(id.to_owned());
            person
        };
        match (recipient, vendor) {
            (Recipient::Everyone, _) => {}
            (Recipient::OpenDepartment(id), _) => wanted.departments.push(WantedDepartment {
                open_department_id: Some(id.to_string()),
                ..WantedDepartment::default()
            }),
            (Recipient::Department(id), Vendor::DingTalk) => {
                wanted.departments.push(WantedDepartment {
                    dingtalk_dept_id: id.parse().ok(),
                    ..WantedDepartment::default()
                });
            }
            (Recipient::Department(id), _) => wanted.departments.push(WantedDepartment {
                department_id: Some(id.to_string()),
                ..WantedDepartment::default()
            }),
            (Recipient::OpenId(id), _) => wanted.people.push(person(|p| &mut p.open_id, id)),
            (Recipient::UnionId(id), _) => wanted.people.push(person(|p| &mut p.union_id, id)),
            (Recipient::UserId(id), Vendor::Feishu) => {
                wanted.people.push(person(|p| &mut p.user_id, id));
            }
            (Recipient::UserId(id), Vendor::DingTalk) => {
                wanted.people.push(person(|p| &mut p.dingtalk_user_id, id));
            }
            (Recipient::UserId(id), Vendor::Enos) => {
                wanted.people.push(person(|p| &mut p.enos_user_id, id));
            }
            (Recipient::Email(id), _) => wanted.people.push(person(|p| &mut p.email, id)),
            (Recipient::Mobile(id), _) => wanted.people.push(person(|p| &mut p.mobile, id)),
        }
    }
    wanted
}
