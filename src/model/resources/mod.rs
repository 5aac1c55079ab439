//! What resources mean: names become references, defaults are filled in, fan-outs unfold.
//!
//! What is wrong with one resource alone, or with a name in it, is reported here; what several
//! resources do to each other is [`super::checks`].

mod after;
mod chats;
mod events;
mod groups;
mod kept;
mod notices;
mod pins;
mod subscriptions;
mod tasklists;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::diagnostic::{Diagnostic, Span};
use super::group::{Groups, Known, resolve};
use super::manifest::{Chat, Conversation, ManagedChat, Manifest, Provider, Tasklist, Vendor};
use super::schedule::read::calendars;
use super::settings::Settings;
use super::shape::{Entry, Given, Spanned, Text, closest, shorten, words};
use super::{Address, ChatId, Kind, Name, written};
use chats::ChatDefaults;
use subscriptions::Defaults;

pub(crate) use groups::short;
pub(crate) use kept::unfit_name;
pub use kept::{is_chat_id, is_user_group_id, unfit_chat, unfit_user_group};
pub(crate) use subscriptions::Places;
pub(crate) use tasklists::TasklistPlaces;

/// A manifest as far as it could be read, with places that checks point at.
pub(crate) struct Draft {
    pub(crate) manifest: Manifest,
    /// By index of the manifest's subscriptions.
    pub(crate) places: Vec<Places>,
    pub(crate) tasklists: BTreeMap<Name, TasklistPlaces>,
    /// The names of all declared subscriptions, those with mistakes included.
    pub(crate) declared: BTreeMap<Name, Span>,
    pub(crate) moved: Vec<Moved>,
    pub(crate) chat_names: BTreeMap<Name, Span>,
    pub(crate) group_names: BTreeMap<Name, Span>,
    pub(crate) notice_names: BTreeMap<Name, Span>,
    /// Where the names of managed chats and user groups stand.
    pub(crate) name_places: BTreeMap<Address, Span>,
    /// Whether all that groups list could be read.
    pub(crate) all_people: bool,
}

/// A block that has moved.
pub(crate) struct Moved {
    pub(crate) address: Address,
    /// Its former name.
    pub(crate) former: Name,
    /// Where that stands.
    pub(crate) span: Span,
}

impl Draft {
    /// The names that blocks of a kind have.
    pub(crate) fn names(&self, kind: Kind) -> Option<&BTreeMap<Name, Span>> {
        match kind {
            Kind::Chat => Some(&self.chat_names),
            Kind::RecipientGroup => Some(&self.group_names),
            Kind::TasklistSubscription => Some(&self.declared),
            Kind::RecurringNotice => Some(&self.notice_names),
        }
    }
}

/// How many unknown names get a suggestion; each costs a look at every known name.
const MAX_SUGGESTIONS: u32 = 100;

/// Puts the resources of all files together.
pub(crate) fn resources(
    files: Vec<written::File>,
    settings: Settings,
    complete: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Draft {
    let mut names = Names {
        all_tasklists: complete,
        all_chats: complete,
        all_groups: complete,
        all_people: true,
        sandbox: settings.sandbox,
        providers: settings.providers,
        all_providers: settings.all_providers,
        suggestions: MAX_SUGGESTIONS,
        ..Names::default()
    };
    let mut subscriptions = Vec::new();
    let mut tasklists = Vec::new();
    let mut chats = Vec::new();
    let mut written_groups = Vec::new();
    let mut written_notices = Vec::new();
    let mut written_calendars = Vec::new();
    let mut calendars_source = serde_json::Map::new();
    let mut forget = Vec::new();
    let mut written_defaults = None;
    let mut protect_groups = false;
    let mut chat_defaults = ChatDefaults::default();
    for file in files {
        names.all_tasklists &= !file.tasklists.is_bad();
        names.all_chats &= !file.chats.is_bad();
        names.all_groups &= !file.recipient_groups.is_bad();
        for entry in file.tasklists.into_option().map_or(Vec::new(), |n| n.0) {
            let place = (&entry.name, entry.span);
            if names.is_new(Section::Tasklist, place, diagnostics) {
                tasklists.push(entry);
            }
        }
        for entry in file.chats.into_option().map_or(Vec::new(), |n| n.0) {
            if names.is_new(Section::Chat, (&entry.name, entry.span), diagnostics) {
                chats.push(entry);
            }
        }
        for entry in file
            .recipient_groups
            .into_option()
            .map_or(Vec::new(), |n| n.0)
        {
            let place = (&entry.name, entry.span);
            if names.is_new(Section::Group, place, diagnostics) {
                written_groups.push(entry);
            }
        }
        for entry in file
            .tasklist_subscriptions
            .into_option()
            .map_or(Vec::new(), |n| n.0)
        {
            if names.is_new(
                Section::Subscription,
                (&entry.name, entry.span),
                diagnostics,
            ) {
                subscriptions.push(entry);
            }
        }
        for entry in file
            .recurring_notices
            .into_option()
            .map_or(Vec::new(), |n| n.0)
        {
            let place = (&entry.name, entry.span);
            if names.is_new(Section::Notice, place, diagnostics) {
                written_notices.push(entry);
            }
        }
        if let Some(calendars) = file.calendars.into_option() {
            written_calendars.extend(calendars.value.0);
            if let serde_json::Value::Object(source) = calendars.source {
                calendars_source.extend(source);
            }
        }
        for text in file.forget.into_option().unwrap_or_default() {
            match text.value.0.parse::<Address>() {
                Ok(address) => forget.push((address, text.span)),
                Err(why) => diagnostics.push(
                    Diagnostic::error("bad-address", text.span, why.to_string())
                        .help("Write it as in `tasklist_subscription.old-name`."),
                ),
            }
        }
        if let Given::Is(all) = file.defaults {
            written_defaults = all.tasklist_subscriptions.into_option();
            chat_defaults = all.chats.get().map_or(chat_defaults, ChatDefaults::read);
            let groups = all.recipient_groups.get();
            protect_groups = groups.and_then(|g| g.protect.get()).is_some_and(|p| p.0);
        }
    }
    let mut places = BTreeMap::new();
    for entry in tasklists {
        let tasklist = entry.value.and_then(|written| {
            let (tasklist, place) = names.tasklist(&entry.name, written, entry.span, diagnostics);
            places.insert(entry.name.clone(), place);
            tasklist
        });
        names.tasklists.insert(entry.name, tasklist);
    }
    let mut groups = Groups::new();
    for entry in written_groups {
        if let Some(written) = entry.value {
            let name = entry.name.clone();
            let group = names.group(name, entry.span, written, protect_groups, diagnostics);
            groups.insert(entry.name, group);
        }
    }
    for entry in chats {
        let Some(written) = entry.value else {
            names.chats.insert(entry.name, None);
            continue;
        };
        names.declared_chat(entry.name, written, entry.span, chat_defaults, diagnostics);
    }
    // A name of a group with a mistake names something, and has nothing to give.
    let read: HashSet<Name> = groups.keys().cloned().collect();
    for group in groups.values_mut() {
        group.include.retain(|name, _| read.contains(name));
    }
    for chat in names.managed.values_mut() {
        chat.members.retain(|name, _| read.contains(name));
    }
    let defaults = written_defaults.map_or_else(Defaults::default, |written| {
        names.defaults(written, diagnostics)
    });
    let mut read = (
        Vec::with_capacity(subscriptions.len()),
        Vec::with_capacity(subscriptions.len()),
    );
    // In the order of their names, and instances in the order of theirs: the order of addresses.
    subscriptions.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in subscriptions {
        names.subscription(entry, &defaults, &mut read, diagnostics);
    }
    let (subscriptions, subscription_places) = read;
    let calendars = calendars(once_each(written_calendars, diagnostics), diagnostics);
    let calendars_source = serde_json::Value::Object(calendars_source);
    let shared = notices::Shared {
        calendars: &calendars,
        calendars_source: &calendars_source,
        vars: &settings.vars,
        reached: match written_notices.is_empty() {
            true => None,
            false => providers_reached(&groups),
        },
    };
    let mut notices = BTreeMap::new();
    for entry in written_notices {
        if let Some(written) = entry.value {
            let name = entry.name.clone();
            let notice = names.notice(name, entry.span, written, &shared, diagnostics);
            notices.extend(notice.map(|notice| (entry.name, notice)));
        }
    }
    let [_, chat_names, group_names, declared, notice_names] = names.places;
    Draft {
        manifest: Manifest {
            project: settings.project,
            ledger: settings.ledger,
            guards: settings.guards,
            providers: known(names.providers),
            tasklists: known(names.tasklists),
            chats: names.references,
            conversations: names.conversations,
            managed_chats: names.managed,
            groups,
            notices,
            subscriptions,
            forget,
        },
        places: subscription_places,
        tasklists: places,
        declared,
        moved: names.moved,
        chat_names,
        group_names,
        notice_names,
        name_places: names.name_places,
        all_people: names.all_groups && names.all_people,
    }
}

/// The providers at which each group has people; none where the groups cannot be worked out.
fn providers_reached(groups: &Groups) -> Option<BTreeMap<Name, BTreeSet<Name>>> {
    let known = Known::new();
    let resolution = resolve(groups, &known).ok()?;
    let each = groups.keys().map(|name| {
        let at = resolution.members(name.as_str()).into_iter();
        let at = at.map(|member| member.provider);
        (name.clone(), at.collect::<BTreeSet<_>>())
    });
    let owned = |at: BTreeSet<&Name>| at.into_iter().cloned().collect();
    Some(each.map(|(name, at)| (name, owned(at))).collect())
}

/// Calendars of several files, each name once.
fn once_each(
    all: Vec<Entry<written::Calendar>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Entry<written::Calendar>> {
    let mut first: BTreeMap<Name, Span> = BTreeMap::new();
    let mut once = Vec::new();
    for entry in all {
        if let Some(first) = first.get(&entry.name) {
            let summary = format!("the calendar `{}` is declared twice", entry.name);
            diagnostics.push(
                Diagnostic::error("duplicate-calendar", entry.span, summary)
                    .help("Rename one of the two, or remove it.")
                    .related(*first, "first declared here"),
            );
        } else {
            first.insert(entry.name.clone(), entry.span);
            once.push(entry);
        }
    }
    once
}

fn known<T>(all: BTreeMap<Name, Option<T>>) -> BTreeMap<Name, T> {
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// The sections whose names have to differ.
#[derive(Clone, Copy)]
enum Section {
    Tasklist,
    Chat,
    Group,
    Subscription,
    Notice,
}

/// What names stand for. A name with nothing behind it has a mistake that was reported.
#[derive(Default)]
struct Names {
    providers: BTreeMap<Name, Option<Provider>>,
    tasklists: BTreeMap<Name, Option<Tasklist>>,
    /// What stands among subscribers for a chat: its id, or its address where beadle keeps it.
    chats: BTreeMap<Name, Option<ChatId>>,
    references: BTreeMap<Name, Chat>,
    conversations: BTreeMap<Name, Conversation>,
    managed: BTreeMap<Name, ManagedChat>,
    /// The ids that pin managed chats, with what stands for these.
    pinned: HashMap<ChatId, ChatId>,
    name_places: BTreeMap<Address, Span>,
    /// Ids that stand among subscribers, each kept once.
    ids: HashSet<ChatId>,
    /// By [`Section`].
    places: [BTreeMap<Name, Span>; 5],
    moved: Vec<Moved>,
    /// The vendors whose provider is named and not there.
    without_provider: BTreeSet<Vendor>,
    /// Set for the sandbox, which stands in for providers that are not there.
    sandbox: Option<Span>,
    all_providers: bool,
    all_tasklists: bool,
    all_chats: bool,
    all_groups: bool,
    all_people: bool,
    suggestions: u32,
}

impl Names {
    fn is_new(
        &mut self,
        section: Section,
        (name, span): (&Name, Span),
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        let places = &mut self.places[section as usize];
        let Some(first) = places.get(name) else {
            places.insert(name.clone(), span);
            return true;
        };
        let address = match section {
            Section::Tasklist => None,
            Section::Chat => Some(Kind::Chat),
            Section::Group => Some(Kind::RecipientGroup),
            Section::Subscription => Some(Kind::TasklistSubscription),
            Section::Notice => Some(Kind::RecurringNotice),
        }
        .map(|kind| Address::new(kind, name.clone()));
        let what = match &address {
            Some(address) => format!("the address `{address}`"),
            None => format!("the tasklist `{name}`"),
        };
        let mut diagnostic = Diagnostic::error(
            "duplicate-address",
            span,
            format!("{what} is declared twice"),
        )
        .help("Rename one of the two, or remove it.")
        .related(*first, "first declared here");
        diagnostic.address = address;
        diagnostics.push(diagnostic);
        false
    }

    /// The former name that a block gives.
    fn moved_from(
        &mut self,
        written: Given<Spanned<Text>>,
        address: &Address,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        let text = written.into_option()?;
        match Name::new(&text.value.0) {
            Ok(former) => {
                self.moved.push(Moved {
                    address: address.clone(),
                    former: former.clone(),
                    span: text.span,
                });
                Some(former)
            }
            Err(why) => {
                found.push(
                    Diagnostic::error("bad-name", text.span, why.to_string())
                        .help("`moved_from` takes the former name of this block, without a kind before it."),
                );
                None
            }
        }
    }
}

/// A name that nobody declares: the words are the code, what it is, and the section it belongs to.
fn unknown<T>(
    (code, what, section): (&'static str, &str, &str),
    text: &Spanned<Text>,
    known: &BTreeMap<Name, T>,
    suggestions: &mut u32,
) -> Diagnostic {
    let word = &text.value.0;
    let best = if *suggestions > 0 {
        *suggestions -= 1;
        closest(word, known.keys().map(Name::as_str))
    } else {
        None
    };
    let help = match best {
        Some(best) => format!("Did you mean `{best}`?"),
        None if known.is_empty() => {
            format!("Declare it under `{section}`; nothing is declared there yet.")
        }
        None if known.len() <= 8 => format!(
            "Declare it under `{section}`, where there is {}.",
            words(known.keys().map(Name::as_str))
        ),
        None => format!("Declare it under `{section}`."),
    };
    let summary = format!("there is no {what} `{}`", shorten(word));
    Diagnostic::error(code, text.span, summary).help(help)
}

fn push_all(diagnostics: &mut Vec<Diagnostic>, found: Vec<Diagnostic>, address: Option<&Address>) {
    diagnostics.extend(found.into_iter().map(|d| match address {
        Some(address) => d.address(address.clone()),
        None => d,
    }));
}

/// Whether a text is one word of at most 100 characters that fits into a path.
fn fits_a_path(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !id.is_empty() && id.len() <= 100 && id.chars().all(fits)
}

/// Whether a text can be a vendor's id; if not, says so.
fn is_id(text: &Spanned<Text>, what: &str, found: &mut Vec<Diagnostic>) -> bool {
    let id = &text.value.0;
    let good = fits_a_path(id);
    if !good {
        found.push(
            Diagnostic::error(
                "bad-id",
                text.span,
                format!("`{}` is not {what}", shorten(id)),
            )
            .help("An id has letters, digits, `-` and `_`, at most 100."),
        );
    }
    good
}
