//! What must hold among resources: a table of named checks.
//!
//! Each looks at the whole draft once; none compares every resource with every other.

mod after;
mod kept;
mod notices;

use std::collections::HashMap;

use crate::model::diagnostic::{Diagnostic, Severity, Span};
use crate::model::group;
use crate::model::manifest::{Subscription, TasklistTarget};
use crate::model::resources::{Draft, Moved, Places, short, unfit_name};
use crate::model::{Address, Kind, Name, RemoteId, TasklistGuid};

pub use kept::{MAX_IN_CHAT, MAX_IN_USER_GROUP};
pub use notices::{audiences, check_notices, check_sending};

/// A check, which pushes what it finds.
type Check = fn(&Draft, &mut Vec<Diagnostic>);

/// Every check, in the order in which they run. What they find is sorted by place afterwards.
const CHECKS: &[Check] = &[
    one_key_for_a_guid,
    authoritative_needs_a_guid,
    keep_needs_authoritative,
    groups_and_chats_share_names,
    groups_do_not_include_themselves,
    groups_reach_somebody,
    kept::a_chat_is_pinned_once,
    kept::user_groups_differ,
    kept::chats_are_of_the_tasklists_provider,
    kept::what_is_kept_is_remembered,
    kept::notices_are_registered,
    names_fit,
    names_differ_in_a_tasklist,
    subscribers_fit,
    tasklists_hold_what_is_declared,
    something_is_heard,
    former_names_are_gone,
    former_names_are_taken_once,
    an_object_is_pinned_once,
    what_is_forgotten_is_not_declared,
];

/// The most subscriptions that a Feishu tasklist has (page `tasklist-activity_subscription/create`).
const MAX_SUBSCRIPTIONS: usize = 50;

/// The most subscribers that a subscription has (the same page).
const MAX_SUBSCRIBERS: usize = 50;

/// The most characters of a subscription's name (the same page).
const MAX_NAME: usize = 50;

/// Runs every check.
pub(crate) fn run(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for check in CHECKS {
        check(draft, diagnostics);
    }
}

fn each(draft: &Draft) -> impl Iterator<Item = (&Subscription, &Places)> {
    draft.manifest.subscriptions.iter().zip(&draft.places)
}

fn one_key_for_a_guid(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<(&Name, &TasklistGuid), (&Name, Span)> = HashMap::new();
    for (name, tasklist) in &draft.manifest.tasklists {
        let guid = draft.tasklists.get(name).and_then(|places| places.guid);
        let (Some(span), TasklistTarget::Guid(guid)) = (guid, &tasklist.target) else {
            continue;
        };
        let Some((first, first_span)) = seen.insert((&tasklist.provider, guid), (name, span))
        else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(
                "one-guid-twice",
                span,
                format!("the tasklists `{first}` and `{name}` have one guid"),
            )
            .help("Keep one name for a tasklist; one of the guids may be copied by mistake.")
            .related(first_span, "the same guid"),
        );
    }
}

fn authoritative_needs_a_guid(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (name, places) in &draft.tasklists {
        if let (Some(span), None) = (places.authoritative, places.guid) {
            diagnostics.push(
                Diagnostic::error("authoritative-without-guid", span, format!("the tasklist `{name}` is authoritative and has no guid"))
                    .help("Undeclared subscriptions are deleted there, so a name is not enough; add `guid:`."),
            );
        }
    }
}

fn keep_needs_authoritative(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (name, places) in &draft.tasklists {
        if let (None, Some(span)) = (places.authoritative, places.keep) {
            diagnostics.push(
                Diagnostic::error("keep-without-authoritative", span, format!("the tasklist `{name}` has `keep` and is not authoritative"))
                    .help("Nothing undeclared is deleted there anyway; remove `keep`, or add `authoritative: true`."),
            );
        }
    }
}

fn groups_and_chats_share_names(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (name, group) in &draft.group_names {
        if let Some(chat) = draft.chat_names.get(name) {
            diagnostics.push(
                Diagnostic::error(
                    "group-and-chat",
                    *group,
                    format!("`{name}` names a group and a chat"),
                )
                .help("Rename one of the two; notices name both in one list.")
                .address(Address::new(Kind::RecipientGroup, name.clone()))
                .related(*chat, "the chat"),
            );
        }
    }
}

/// How many names a help lists.
const MAX_IN_HELP: usize = 8;

/// How many groups of a cycle are printed.
const MAX_IN_CYCLE: usize = 12;

fn groups_do_not_include_themselves(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for mut cycle in group::cycles(&draft.manifest.groups) {
        // From the first by name, so that reading order plays no part.
        let first = (0..cycle.len()).min_by_key(|at| cycle[*at].0).unwrap_or(0);
        cycle.rotate_left(first);
        let (name, span) = cycle[0];
        let mut names: Vec<&str> = cycle.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() > MAX_IN_CYCLE {
            names.truncate(MAX_IN_CYCLE);
            names.push("…");
        }
        names.push(name.as_str());
        let mut diagnostic = Diagnostic::error(
            "group-cycle",
            span,
            format!("the group includes itself: {}", names.join(" → ")),
        )
        .help("Remove one of these from its group's `include`.")
        .address(Address::new(Kind::RecipientGroup, name.clone()));
        for (name, span) in cycle.iter().take(MAX_IN_CYCLE).skip(1) {
            diagnostic = diagnostic.related(*span, format!("included by `{name}`"));
        }
        diagnostics.push(diagnostic);
    }
}

fn groups_reach_somebody(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let groups = &draft.manifest.groups;
    let is_bad = |d: &Diagnostic| {
        let of_group = d
            .address
            .as_ref()
            .is_some_and(|a| a.kind == Kind::RecipientGroup && a.instance.is_none());
        d.severity == Severity::Error && of_group
    };
    // Whoever is missing for a mistake would have filled a group.
    if groups.is_empty() || !draft.all_people || diagnostics.iter().any(is_bad) {
        return;
    }
    let known = group::Known::new();
    let resolution = match group::resolve(groups, &known) {
        Ok(resolution) => resolution,
        Err(why) => {
            let name = match &why {
                group::Unresolvable::TooMany(name) => name,
                // Reported above.
                group::Unresolvable::Cycle(_) | group::Unresolvable::Unknown(..) => return,
            };
            let group = &groups[name];
            diagnostics.push(
                Diagnostic::error("too-many-people", group.span, why.to_string())
                    .help("Groups that include the same people again and again add up; include the smallest that will do.")
                    .address(group.address.clone()),
            );
            return;
        }
    };
    kept::people_fill_chats(draft, &resolution, diagnostics);
    kept::people_fill_user_groups(draft, &resolution, diagnostics);
    for (name, group) in groups {
        if resolution.is_empty(name.as_str()) {
            diagnostics.push(
                Diagnostic::warning(
                    "empty-group",
                    group.span,
                    format!("nobody is in the group `{name}`"),
                )
                .help("List people or include a group; what is sent to it reaches nobody.")
                .address(group.address.clone()),
            );
        }
    }
    for idle in resolution.idle_excludes() {
        diagnostics.push(
            Diagnostic::warning(
                "nobody-left-out",
                idle.span,
                format!(
                    "the {} is not in the group, so nobody is left out",
                    short(idle.recipient)
                ),
            )
            .help("Check the id, or remove it.")
            .address(groups[idle.group].address.clone()),
        );
    }
}

fn names_fit(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (subscription, places) in each(draft) {
        let what = "a subscription";
        let Some((code, summary)) = unfit_name(what, &subscription.name, MAX_NAME) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(code, places.name, summary)
                .help("Give it a fitting `name:`.")
                .address(subscription.address.clone()),
        );
    }
}

fn names_differ_in_a_tasklist(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<(&Name, &str), (&Address, Span)> =
        HashMap::with_capacity(draft.places.len());
    for (subscription, places) in each(draft) {
        let key = (&subscription.tasklist, subscription.name.as_str());
        let Some((first, span)) = seen.insert(key, (&subscription.address, places.name)) else {
            continue;
        };
        if first.resource() == subscription.address.resource() {
            continue;
        }
        diagnostics.push(
            Diagnostic::error(
                "one-name-twice",
                places.name,
                format!(
                    "`{first}` has the name `{}` in the tasklist `{}` too",
                    subscription.name, subscription.tasklist
                ),
            )
            .help("Give one of the two another `name:`; objects are found again by their names.")
            .address(subscription.address.clone())
            .related(span, "the same name"),
        );
    }
}

fn subscribers_fit(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (subscription, places) in each(draft) {
        let count = subscription.subscribers.len();
        if count > MAX_SUBSCRIBERS {
            diagnostics.push(
                Diagnostic::error(
                    "too-many-subscribers",
                    places.subscribers,
                    format!("a subscription has at most {MAX_SUBSCRIBERS} subscribers, this one has {count}"),
                )
                .help("Divide the chats among several subscriptions.")
                .address(subscription.address.clone()),
            );
        }
    }
}

fn tasklists_hold_what_is_declared(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut counts: HashMap<&Name, (usize, Span, &Address)> = HashMap::new();
    for subscription in &draft.manifest.subscriptions {
        let entry = counts.entry(&subscription.tasklist).or_insert((
            0,
            subscription.tasklist_span,
            &subscription.address,
        ));
        entry.0 += 1;
        if entry.0 <= MAX_SUBSCRIPTIONS + 1 {
            (entry.1, entry.2) = (subscription.tasklist_span, &subscription.address);
        }
    }
    for (name, (count, span, address)) in counts {
        if count > MAX_SUBSCRIPTIONS {
            let mut diagnostic = Diagnostic::error(
                "too-many-subscriptions",
                span,
                format!("a tasklist has at most {MAX_SUBSCRIPTIONS} subscriptions, and {count} are declared in `{name}`"),
            )
            .help("One subscription reaches 50 chats; join those that hear about the same events.")
            .address(address.clone());
            if let Some(tasklist) = draft.manifest.tasklists.get(name) {
                diagnostic = diagnostic.related(tasklist.span, "the tasklist");
            }
            diagnostics.push(diagnostic);
        }
    }
}

fn something_is_heard(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (subscription, places) in each(draft) {
        let empty = [
            (
                subscription.subscribers.is_empty(),
                places.subscribers,
                "posts to no chat",
                "Name a chat, or remove the block.",
            ),
            (
                subscription.events.keys.is_empty(),
                places.events,
                "hears about no event",
                "Name an event; to switch it off, write `enabled: false`.",
            ),
        ];
        for (is_empty, span, summary, help) in empty {
            // A list that is longer is empty for mistakes that have been reported, and a stand-in for
            // a list that is missing stands at the resource.
            let bare = span.end - span.start == 2 && span != subscription.span;
            if is_empty && bare {
                diagnostics.push(
                    Diagnostic::warning("empty-list", span, format!("this subscription {summary}"))
                        .help(help)
                        .address(subscription.address.clone()),
                );
            }
        }
    }
}

fn former_names_are_gone(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    for moved in &draft.moved {
        let former = &moved.former;
        let names = draft.names(moved.address.kind);
        let Some(span) = names.and_then(|names| names.get(former)) else {
            continue;
        };
        let (summary, help) = if *former == moved.address.name {
            (
                format!("`{former}` is this block's own name"),
                "Write its former name, or remove `moved_from`.",
            )
        } else {
            (
                format!("`{former}` is still declared, so nothing has moved from it"),
                "Remove the old block, or remove `moved_from`.",
            )
        };
        diagnostics.push(
            Diagnostic::error("moved-from-declared", moved.span, summary)
                .help(help)
                .address(moved.address.clone())
                .related(*span, "declared here"),
        );
    }
}

fn former_names_are_taken_once(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<(Kind, &Name), &Moved> = HashMap::new();
    for moved in &draft.moved {
        let former = &moved.former;
        let Some(first) = seen.insert((moved.address.kind, former), moved) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(
                "moved-from-twice",
                moved.span,
                format!("`{}` has moved from `{former}` too", first.address.name),
            )
            .help("A block moves to one new name.")
            .address(moved.address.clone())
            .related(first.span, "the same former name"),
        );
    }
}

fn an_object_is_pinned_once(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&RemoteId, (&Address, Span)> = HashMap::new();
    for (subscription, places) in each(draft) {
        let Some(id) = &subscription.id else { continue };
        let Some((first, span)) = seen.insert(id, (&subscription.address, places.id)) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(
                "one-id-twice",
                places.id,
                format!("`{first}` is pinned to this id too"),
            )
            .help("One object is one resource; remove one of the two ids.")
            .address(subscription.address.clone())
            .related(span, "the same id"),
        );
    }
}

fn what_is_forgotten_is_not_declared(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&Address, Span> = HashMap::new();
    for (address, span) in &draft.manifest.forget {
        if let Some(first) = seen.insert(address, *span) {
            diagnostics.push(
                Diagnostic::warning(
                    "forgotten-twice",
                    *span,
                    format!("`{address}` is listed twice"),
                )
                .help("Remove one of the two.")
                .address(address.clone())
                .related(first, "first listed here"),
            );
        }
        if let (Kind::Chat, Some(_)) = (address.kind, &address.instance) {
            diagnostics.push(
                Diagnostic::error("bad-address", *span, "a chat has no instances")
                    .help(format!("Write `{}`.", address.resource()))
                    .address(address.clone()),
            );
            continue;
        }
        let manifest = &draft.manifest;
        let declared = match (address.kind, &address.instance) {
            (Kind::TasklistSubscription, Some(_)) => {
                let list = &manifest.subscriptions;
                let at = list.binary_search_by(|s| s.address.cmp(address));
                at.ok().map(|at| list[at].span)
            }
            // A group can stay without the user group that it was kept as.
            (Kind::RecipientGroup, Some(provider)) => {
                let group = manifest.groups.get(&address.name);
                let kept = group.and_then(|group| group.user_groups.get(provider));
                kept.map(|kept| kept.span)
            }
            // A chat can be referred to that is no longer kept.
            (Kind::Chat, None) if manifest.chats.contains_key(&address.name) => None,
            (kind, _) => {
                let names = draft.names(kind);
                names.and_then(|names| names.get(&address.name)).copied()
            }
        };
        if let Some(declared) = declared {
            diagnostics.push(
                Diagnostic::error(
                    "forgotten-and-declared",
                    *span,
                    format!("`{address}` is declared and forgotten"),
                )
                .help("Remove the block, or remove it from `forget`.")
                .address(address.clone())
                .related(declared, "declared here"),
            );
        }
    }
}
