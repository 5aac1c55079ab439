//! Which resources a change of the files can affect: two manifests in, addresses out.
//!
//! It compares what is meant, not what is written: places, comments and the order of files are no
//! change. Settings are not its business; whoever calls it has seen that they are the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::group::{RecipientGroup, UserGroup};
use crate::model::manifest::{ManagedChat, Manifest, Subscription, Tasklist};
use crate::model::notice::{Notice, Target};
use crate::model::{Address, ChatId, Name};
use crate::plan::live::Binding;

/// The resources that were added, changed, removed or moved between two manifests, and whatever names
/// one of them.
///
/// # Guarantees
///
/// A resource that is left out is declared alike in both, and so is everything that it names.
#[must_use]
pub fn affected(before: &Manifest, after: &Manifest) -> BTreeSet<Address> {
    let mut affected = BTreeSet::new();
    let groups = changed_keys(&before.groups, &after.groups, same_group);
    let chats = changed_keys(&before.managed_chats, &after.managed_chats, same_chat);
    let tasklists = changed_keys(&before.tasklists, &after.tasklists, same_tasklist);
    let notices = changed_keys(&before.notices, &after.notices, same_notice);

    // A name that stands in one of the two gives the address that it has there.
    let groups = with_includers(groups, [before, after]);
    for manifest in [before, after] {
        let all = &manifest.groups;
        affected.extend(
            groups
                .iter()
                .filter_map(|n| Some(all.get(*n)?.address.clone())),
        );
        let all = &manifest.managed_chats;
        affected.extend(
            chats
                .iter()
                .filter_map(|n| Some(all.get(*n)?.address.clone())),
        );
        let all = &manifest.notices;
        affected.extend(
            notices
                .iter()
                .filter_map(|n| Some(all.get(*n)?.address.clone())),
        );
    }
    // What names a thing that is no more has changed itself.
    let to_come: BTreeSet<ChatId> = chats
        .iter()
        .filter_map(|name| after.managed_chats.get(*name))
        .map(|chat| ChatId::to_come(&chat.address))
        .collect();
    for chat in after.managed_chats.values() {
        if chat.members.keys().any(|name| groups.contains(name)) {
            affected.insert(chat.address.clone());
        }
    }
    for notice in after.notices.values() {
        let names = |target: &Target| match target {
            Target::Group(name) => groups.contains(name),
            Target::Chat(chat) => to_come.contains(chat),
            // Its id stands in the notice itself.
            Target::Conversation(..) => false,
        };
        if notice.to.keys().any(names) {
            affected.insert(notice.address.clone());
        }
    }
    let old: BTreeMap<_, _> = before
        .subscriptions
        .iter()
        .map(|s| (&s.address, s))
        .collect();
    let new: BTreeMap<_, _> = after
        .subscriptions
        .iter()
        .map(|s| (&s.address, s))
        .collect();
    affected.extend(
        changed_keys(&old, &new, |a, b| same_subscription(a, b))
            .into_iter()
            .map(|address| (*address).clone()),
    );
    for subscription in &after.subscriptions {
        let named = subscription.subscribers.keys();
        if tasklists.contains(&subscription.tasklist)
            || named.into_iter().any(|chat| to_come.contains(chat))
        {
            affected.insert(subscription.address.clone());
        }
    }
    let let_go: BTreeSet<_> = before.forget.iter().map(|(address, _)| address).collect();
    let new = after.forget.iter().map(|(address, _)| address);
    affected.extend(new.filter(|address| !let_go.contains(address)).cloned());
    affected
}

/// What these resources cannot be applied without and what was never applied: managed chats and groups that
/// are declared, named by one of them, and bound at no address.
#[must_use]
pub fn awaited(
    affected: &BTreeSet<Address>,
    manifest: &Manifest,
    bindings: &[Binding],
) -> BTreeSet<Address> {
    let bound: BTreeSet<&Address> = bindings.iter().map(|binding| &binding.address).collect();
    let is_open = |address: &Address, former: Option<&Name>| {
        let former = former.map(|name| Address::new(address.kind, name.clone()));
        !bound.contains(address) && !former.is_some_and(|former| bound.contains(&former))
    };
    let open_chats: BTreeMap<ChatId, &Address> = manifest
        .managed_chats
        .values()
        .filter(|chat| is_open(&chat.address, chat.moved_from.as_ref()))
        .map(|chat| (ChatId::to_come(&chat.address), &chat.address))
        .collect();
    let takes_part =
        |address: &Address| affected.contains(address) || affected.contains(&address.resource());
    let mut awaited = BTreeSet::new();
    let subscriptions = manifest.subscriptions.iter();
    for subscription in subscriptions.filter(|s| takes_part(&s.address)) {
        let chats = subscription.subscribers.keys();
        awaited.extend(chats.filter_map(|chat| open_chats.get(chat).copied()));
    }
    let mut groups: Vec<&Name> = Vec::new();
    for notice in manifest.notices.values().filter(|n| takes_part(&n.address)) {
        let after = &notice.after;
        let told = after.track.iter().flat_map(|(t, _)| t.report_to.keys());
        let told = told.chain(after.on_problem.keys());
        for target in notice.to.keys().chain(told) {
            match target {
                Target::Group(name) => groups.push(name),
                Target::Chat(chat) => awaited.extend(open_chats.get(chat).copied()),
                Target::Conversation(..) => {}
            }
        }
    }
    let changed = manifest.groups.values().filter(|g| takes_part(&g.address));
    groups.extend(changed.flat_map(|group| group.include.keys()));
    let mut reached = BTreeSet::new();
    while let Some(name) = groups.pop() {
        if let Some(group) = manifest.groups.get(name)
            && reached.insert(name)
        {
            groups.extend(group.include.keys());
            if is_open(&group.address, group.moved_from.as_ref()) {
                awaited.insert(&group.address);
            }
        }
    }
    let new = awaited.into_iter().filter(|address| !takes_part(address));
    new.cloned().collect()
}

/// The keys that stand in one map only, or whose values differ.
fn changed_keys<'a, K: Ord, V>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
) -> BTreeSet<&'a K> {
    let changed = after.iter().filter(|(key, new)| {
        let old = before.get(*key);
        old.is_none_or(|old| !same(old, new))
    });
    let removed = before.keys().filter(|key| !after.contains_key(key));
    changed.map(|(key, _)| key).chain(removed).collect()
}

/// These groups and those that take them in or leave them out, however indirectly.
fn with_includers<'a>(
    mut groups: BTreeSet<&'a Name>,
    manifests: [&'a Manifest; 2],
) -> BTreeSet<&'a Name> {
    loop {
        let reached = groups.len();
        for manifest in manifests {
            for (name, group) in &manifest.groups {
                if group
                    .include
                    .keys()
                    .any(|included| groups.contains(included))
                {
                    groups.insert(name);
                }
            }
        }
        if groups.len() == reached {
            return groups;
        }
    }
}

fn same_tasklist(a: &Tasklist, b: &Tasklist) -> bool {
    let parts = |tasklist: &Tasklist| {
        let Tasklist {
            provider,
            target,
            authoritative,
            keep,
            span: _,
        } = tasklist.clone();
        (provider, target, authoritative, keep)
    };
    parts(a) == parts(b)
}

fn same_chat(a: &ManagedChat, b: &ManagedChat) -> bool {
    let parts = |chat: &ManagedChat| {
        let ManagedChat {
            address,
            provider,
            name,
            description,
            members,
            extra_members,
            on_delete,
            id,
            id_span: _,
            protect,
            ignore,
            moved_from,
            span: _,
        } = chat.clone();
        let members: BTreeSet<Name> = members.into_keys().collect();
        let vendors = (provider, name, description, members, id);
        let ours = (extra_members, on_delete, protect, ignore, moved_from);
        (address, vendors, ours)
    };
    parts(a) == parts(b)
}

fn same_group(a: &RecipientGroup, b: &RecipientGroup) -> bool {
    let user_groups = |group: &RecipientGroup| {
        let all = group.user_groups.values();
        let without_places = all.map(|kept| {
            let UserGroup {
                address,
                name,
                description,
                extra_members,
                id,
                id_span: _,
                ignore,
                span: _,
            } = kept.clone();
            (address, name, description, extra_members, id, ignore)
        });
        without_places.collect::<Vec<_>>()
    };
    let parts = |group: &RecipientGroup| {
        let ours = (group.protect, group.moved_from.clone());
        (
            group.address.clone(),
            group.fields(),
            user_groups(group),
            ours,
        )
    };
    parts(a) == parts(b)
}

fn same_notice(a: &Notice, b: &Notice) -> bool {
    let parts = |notice: &Notice| {
        let ours = (notice.protect, notice.moved_from.clone());
        (notice.address.clone(), notice.fields(), ours)
    };
    parts(a) == parts(b)
}

fn same_subscription(a: &Subscription, b: &Subscription) -> bool {
    let parts = |subscription: &Subscription| {
        let Subscription {
            address,
            tasklist,
            name,
            subscribers,
            events,
            enabled,
            id,
            id_span: _,
            protect,
            ignore,
            moved_from,
            span: _,
            tasklist_span: _,
        } = subscription.clone();
        let subscribers: BTreeSet<ChatId> = subscribers.into_keys().collect();
        let vendors = (name, subscribers, events, enabled);
        (
            address,
            tasklist,
            vendors,
            (id, protect, ignore, moved_from),
        )
    };
    parts(a) == parts(b)
}
