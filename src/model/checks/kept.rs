//! What must hold for the chats and the contact user groups that beadle keeps.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Draft, MAX_IN_HELP};
use crate::model::diagnostic::{Diagnostic, Severity, Span};
use crate::model::group::{Recipient, Resolution};
use crate::model::manifest::{LedgerUrl, ManagedChat};
use crate::model::resources::short;
use crate::model::shape::words;
use crate::model::{Address, ChatId, Kind, Name};

/// The most people in a chat (page `chat-members/create`).
pub const MAX_IN_CHAT: usize = 5_000;

/// The most people in a contact user group (page `group-member/batch_add`).
pub const MAX_IN_USER_GROUP: usize = 100_000;

pub(super) fn a_chat_is_pinned_once(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&str, &ManagedChat> = HashMap::new();
    for chat in draft.manifest.managed_chats.values() {
        let Some(id) = &chat.id else { continue };
        let Some(first) = seen.insert(id.as_str(), chat) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(
                "one-id-twice",
                chat.id_span,
                format!("`{}` is pinned to this id too", first.address),
            )
            .help("One chat is one resource; remove one of the two ids.")
            .address(chat.address.clone())
            .related(first.id_span, "the same id"),
        );
    }
    for (name, reference) in &draft.manifest.chats {
        let Some(kept) = seen.get(reference.id.as_str()) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(
                "one-id-twice",
                reference.span,
                format!(
                    "`{name}` refers to the chat that beadle keeps as `{}`",
                    kept.address.name
                ),
            )
            .help(format!(
                "Remove it, and name `{}` where the chat is meant.",
                kept.address.name
            ))
            .address(Address::new(Kind::Chat, name.clone()))
            .related(kept.id_span, "the same id"),
        );
    }
}

pub(super) fn user_groups_differ(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let groups = draft.manifest.groups.values();
    let mut names: HashMap<(&Name, &str), (&Address, Span)> = HashMap::new();
    let mut ids: HashMap<(&Name, &str), (&Address, Span)> = HashMap::new();
    for (provider, kept) in groups.flat_map(|group| &group.user_groups) {
        let span = draft.name_places.get(&kept.address).copied();
        let span = span.unwrap_or(kept.span);
        if let Some((first, first_span)) =
            names.insert((provider, &kept.name), (&kept.address, span))
        {
            diagnostics.push(
                Diagnostic::error(
                    "one-name-twice",
                    span,
                    format!("`{first}` has the name `{}` too", kept.name),
                )
                .help("Names of user groups are unique in a tenant; give one of the two another `name:`.")
                .address(kept.address.clone())
                .related(first_span, "the same name"),
            );
        }
        let Some(id) = &kept.id else { continue };
        if let Some((first, first_span)) =
            ids.insert((provider, id.as_str()), (&kept.address, kept.id_span))
        {
            diagnostics.push(
                Diagnostic::error(
                    "one-id-twice",
                    kept.id_span,
                    format!("`{first}` is pinned to this id too"),
                )
                .help("One user group is one resource; remove one of the two ids.")
                .address(kept.address.clone())
                .related(first_span, "the same id"),
            );
        }
    }
}

pub(super) fn chats_are_of_the_tasklists_provider(
    draft: &Draft,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let manifest = &draft.manifest;
    let kept: HashMap<ChatId, &ManagedChat> = manifest
        .managed_chats
        .values()
        .map(|chat| (ChatId::to_come(&chat.address), chat))
        .collect();
    if kept.is_empty() {
        return;
    }
    for subscription in &manifest.subscriptions {
        let Some(tasklist) = manifest.tasklists.get(&subscription.tasklist) else {
            continue;
        };
        for (id, span) in &subscription.subscribers {
            let Some(chat) = kept.get(id).filter(|c| c.provider != tasklist.provider) else {
                continue;
            };
            diagnostics.push(
                Diagnostic::error(
                    "chat-of-another-provider",
                    *span,
                    format!(
                        "the chat `{}` is kept by `{}`, and the tasklist `{}` is read with `{}`",
                        chat.address.name,
                        chat.provider,
                        subscription.tasklist,
                        tasklist.provider
                    ),
                )
                .help(format!(
                    "A chat belongs to one app's tenant; name one of `{}`, or give the chat that `provider:`.",
                    tasklist.provider
                ))
                .address(subscription.address.clone())
                .related(chat.span, "the chat")
                .related(tasklist.span, "the tasklist"),
            );
        }
    }
}

pub(super) fn what_is_kept_is_remembered(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    if draft.manifest.ledger != LedgerUrl::None {
        return;
    }
    let chats = draft.manifest.managed_chats.values();
    let chats = chats.map(|chat| (&chat.address, chat.span, chat.id.is_some(), "chat"));
    let groups = draft.manifest.groups.values();
    let groups = groups.flat_map(|group| group.user_groups.values());
    let groups = groups.map(|kept| (&kept.address, kept.span, kept.id.is_some(), "user group"));
    for (address, span, is_pinned, what) in chats.chain(groups) {
        let why = if is_pinned {
            "beadle would not know whom it has put there itself"
        } else {
            "it would be created again every time"
        };
        diagnostics.push(
            Diagnostic::error(
                "kept-without-ledger",
                span,
                format!("with `ledger: none` a {what} cannot be kept: {why}"),
            )
            .help("Use `ledger: sqlite:PATH` or `postgres://…`, or manage it from a project that has a ledger.")
            .address(address.clone()),
        );
    }
}

/// Notices are fired from the ledger.
pub(super) fn notices_are_registered(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    if draft.manifest.ledger != LedgerUrl::None {
        return;
    }
    for notice in draft.manifest.notices.values() {
        diagnostics.push(
            Diagnostic::error(
                "notice-without-ledger",
                notice.span,
                "with `ledger: none` a notice cannot be sent: nobody would know what was sent already",
            )
            .help("Use `ledger: sqlite:PATH` or `postgres://…`, or send it from a project that has a ledger.")
            .address(notice.address.clone()),
        );
    }
}

/// Who of a group can be in a chat or a user group of one provider.
struct Standing<'a> {
    recipients: Vec<&'a Recipient>,
    /// Those that certainly are people who stay.
    certain: usize,
    /// Departments, and everyone.
    large: Vec<&'a Recipient>,
    /// The providers with somebody else.
    elsewhere: Vec<&'a Name>,
}

fn standing<'a>(resolution: &Resolution<'a>, group: &Name, provider: &Name) -> Standing<'a> {
    let mut standing = Standing {
        recipients: Vec::new(),
        certain: 0,
        large: Vec::new(),
        elsewhere: Vec::new(),
    };
    for member in resolution.members(group.as_str()) {
        if member.provider != provider {
            if standing.elsewhere.last() != Some(&member.provider) {
                standing.elsewhere.push(member.provider);
            }
            continue;
        }
        if standing.recipients.last() == Some(&member.recipient) {
            continue;
        }
        standing.recipients.push(member.recipient);
        if !member.recipient.is_person() {
            standing.large.push(member.recipient);
        } else if member.except.is_empty() {
            standing.certain += 1;
        }
    }
    standing
}

/// The fewest people that these can be: of one form no two are one person.
fn fewest<'a>(recipients: impl IntoIterator<Item = &'a Recipient>) -> usize {
    let mut counts = HashMap::new();
    for recipient in recipients {
        *counts.entry(std::mem::discriminant(recipient)).or_insert(0) += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

/// How many departments are pointed at.
const MAX_RELATED: usize = 3;

/// What people fill.
#[derive(Clone, Copy)]
enum What {
    Chat,
    UserGroup,
}

impl What {
    fn most(self) -> usize {
        match self {
            What::Chat => MAX_IN_CHAT,
            What::UserGroup => MAX_IN_USER_GROUP,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Chat => "chat",
            What::UserGroup => "user group",
        })
    }
}

/// Something that people fill, and the word that is to blame.
struct Filled<'a> {
    what: What,
    address: &'a Address,
    group: &'a Name,
    provider: &'a Name,
    span: Span,
}

impl Filled<'_> {
    fn no_departments(
        &self,
        resolution: &Resolution<'_>,
        standing: &Standing<'_>,
    ) -> Option<Diagnostic> {
        let Self {
            what,
            group,
            provider,
            ..
        } = self;
        let first = standing.large.first()?;
        let whole = match first {
            Recipient::Everyone => "everyone".to_owned(),
            _ => format!("the {}", short(first)),
        };
        let more = match standing.large.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let code = match what {
            What::Chat => "department-in-chat",
            What::UserGroup => "department-in-user-group",
        };
        let mut diagnostic = Diagnostic::error(
            code,
            self.span,
            format!("departments cannot fill a {what}: `{group}` has {whole}{more}"),
        )
        .help(match what {
            What::Chat => {
                "Name a group that lists people; whoever is in a department changes unseen."
            }
            What::UserGroup => {
                "Keep another group that lists people; Feishu's console alone puts departments there."
            }
        })
        .address(self.address.clone());
        for department in standing.large.iter().take(MAX_RELATED) {
            let origins = resolution.origins(group.as_str(), provider, department);
            if let Some(origin) = origins.first() {
                let by = origin.through.last().expect("a path has an end");
                diagnostic = diagnostic.related(origin.span, format!("listed by `{by}`"));
            }
        }
        Some(diagnostic)
    }

    fn nobody(&self, standing: &Standing<'_>, severity: Severity) -> Diagnostic {
        let Self {
            what,
            group,
            provider,
            ..
        } = self;
        let known = match &standing.elsewhere[..] {
            [] => "nobody is in it anywhere".to_owned(),
            some => format!(
                "it has people at {}",
                words(some.iter().take(MAX_IN_HELP).map(|p| p.as_str()))
            ),
        };
        let mut diagnostic = Diagnostic::error(
            "nobody",
            self.span,
            format!("the group `{group}` has nobody at `{provider}`; {known}"),
        )
        .help(match what {
            What::Chat => {
                format!("List people under `{provider}:` in the group, or name another group.")
            }
            What::UserGroup => {
                format!("List people under `{provider}:`, or remove `user_group`.")
            }
        })
        .address(self.address.clone());
        diagnostic.severity = severity;
        diagnostic
    }

    fn too_many(&self, count: usize) -> Diagnostic {
        let what = self.what;
        let most = what.most();
        Diagnostic::error(
            "too-many-people",
            self.span,
            format!("a {what} has at most {most} people, and this one would have {count}"),
        )
        .help("Divide the people among several.")
        .address(self.address.clone())
    }
}

pub(super) fn people_fill_chats(
    draft: &Draft,
    resolution: &Resolution<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let with_mistakes: HashSet<Address> = diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .filter_map(|d| d.address.clone())
        .collect();
    let mut known: HashMap<(&Name, &Name), Standing<'_>> = HashMap::new();
    for chat in draft.manifest.managed_chats.values() {
        let provider = &chat.provider;
        for group in chat.members.keys() {
            known
                .entry((group, provider))
                .or_insert_with(|| standing(resolution, group, provider));
        }
        let is_filled = |(name, _): (&Name, _)| !known[&(name, provider)].recipients.is_empty();
        let severity =
            if chat.members.iter().any(is_filled) || with_mistakes.contains(&chat.address) {
                Severity::Warning
            } else {
                Severity::Error
            };
        let mut total = 0;
        for (group, span) in &chat.members {
            let standing = &known[&(group, provider)];
            let filled = Filled {
                what: What::Chat,
                address: &chat.address,
                group,
                provider,
                span: *span,
            };
            diagnostics.extend(filled.no_departments(resolution, standing));
            if standing.recipients.is_empty() {
                diagnostics.push(filled.nobody(standing, severity));
            }
            total += standing.certain;
        }
        if total <= MAX_IN_CHAT {
            continue;
        }
        let all = chat.members.keys().map(|group| &known[&(group, provider)]);
        let all: HashSet<_> = all.flat_map(|one| one.recipients.iter().copied()).collect();
        let count = fewest(all.into_iter().filter(|one| one.is_person()));
        let last = chat.members.iter().max_by_key(|(_, span)| **span);
        if let (true, Some((group, span))) = (count > MAX_IN_CHAT, last) {
            let filled = Filled {
                what: What::Chat,
                address: &chat.address,
                group,
                provider,
                span: *span,
            };
            diagnostics.push(filled.too_many(count));
        }
    }
}

pub(super) fn people_fill_user_groups(
    draft: &Draft,
    resolution: &Resolution<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (name, group) in &draft.manifest.groups {
        for (provider, kept) in &group.user_groups {
            let standing = standing(resolution, name, provider);
            let filled = Filled {
                what: What::UserGroup,
                address: &kept.address,
                group: name,
                provider,
                span: kept.span,
            };
            diagnostics.extend(filled.no_departments(resolution, &standing));
            if standing.recipients.is_empty() {
                diagnostics.push(filled.nobody(&standing, Severity::Error));
            }
            if standing.certain > MAX_IN_USER_GROUP {
                let people = standing.recipients.iter().copied();
                let count = fewest(people.filter(|one| one.is_person()));
                if count > MAX_IN_USER_GROUP {
                    diagnostics.push(filled.too_many(count));
                }
            }
        }
    }
}
