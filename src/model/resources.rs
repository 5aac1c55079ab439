//! What resources mean: names become references, defaults are filled in, fan-outs unfold.
//!
//! What is wrong with one resource alone, or with a name in it, is reported here; what several
//! resources do to each other is [`super::checks`].

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::diagnostic::{Diagnostic, Span};
use super::event::{ALIASES, EVENTS};
use super::manifest::{Chat, Manifest, Provider, Subscription, Tasklist, TasklistTarget, Vendor};
use super::settings::Settings;
use super::shape::{Given, Spanned, Text, closest, shorten, words};
use super::written::{self, EventList, Pins};
use super::{Address, ChatId, EventKey, Events, Field, Kind, Name, RemoteId, TasklistGuid};

/// A manifest as far as it could be read, with places that checks point at.
pub(crate) struct Draft {
    pub(crate) manifest: Manifest,
    /// By index of the manifest's subscriptions.
    pub(crate) places: Vec<Places>,
    pub(crate) tasklists: BTreeMap<Name, TasklistPlaces>,
    /// The names of all declared subscriptions, those with mistakes included.
    pub(crate) declared: BTreeMap<Name, Span>,
    /// Who has moved from where: a subscription's name, its former name, and where that stands.
    pub(crate) moved: Vec<(Name, Name, Span)>,
    pub(crate) chat_names: BTreeMap<Name, Span>,
    pub(crate) group_names: BTreeMap<Name, Span>,
}

/// Where the parts of a subscription stand; a part that was not written stands where its
/// resource's name does.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) name: Span,
    pub(crate) subscribers: Span,
    pub(crate) events: Span,
    pub(crate) id: Span,
}

/// Where the parts of a tasklist stand.
#[derive(Clone, Debug)]
pub(crate) struct TasklistPlaces {
    pub(crate) guid: Option<Span>,
    pub(crate) authoritative: Option<Span>,
    pub(crate) keep: Option<Span>,
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
        providers: settings.providers,
        all_providers: settings.all_providers,
        suggestions: MAX_SUGGESTIONS,
        ..Names::default()
    };
    let mut subscriptions: BTreeMap<Name, (Span, Option<written::Subscription>)> = BTreeMap::new();
    let mut tasklists = Vec::new();
    let mut forget = Vec::new();
    let mut written_defaults = None;
    for file in files {
        names.all_tasklists &= !file.tasklists.is_bad();
        names.all_chats &= !file.chats.is_bad();
        for entry in file.tasklists.into_option().map_or(Vec::new(), |n| n.0) {
            let place = (&entry.name, entry.span);
            if names.is_new(Section::Tasklist, place, diagnostics) {
                tasklists.push(entry);
            }
        }
        for entry in file.chats.into_option().map_or(Vec::new(), |n| n.0) {
            if names.is_new(Section::Chat, (&entry.name, entry.span), diagnostics) {
                let chat = entry
                    .value
                    .and_then(|chat| read_chat(&entry.name, chat, entry.span, diagnostics));
                names.chats.insert(entry.name, chat);
            }
        }
        for (name, span) in file
            .recipient_groups
            .into_option()
            .map_or(Vec::new(), |l| l.names)
        {
            names.places[Section::Group as usize]
                .entry(name)
                .or_insert(span);
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
                subscriptions.insert(entry.name, (entry.span, entry.value));
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
    let defaults = written_defaults.map_or_else(Defaults::default, |written| {
        names.defaults(written, diagnostics)
    });
    let mut read = (
        Vec::with_capacity(subscriptions.len()),
        Vec::with_capacity(subscriptions.len()),
    );
    // In the order of their names, and instances in the order of theirs: the order of addresses.
    for (name, (span, written)) in subscriptions {
        if let Some(written) = written {
            names.subscription(name, span, written, &defaults, &mut read, diagnostics);
        }
    }
    let (subscriptions, subscription_places) = read;
    let [_, chat_names, group_names, declared] = names.places;
    Draft {
        manifest: Manifest {
            project: settings.project,
            ledger: settings.ledger,
            guards: settings.guards,
            providers: known(names.providers),
            tasklists: known(names.tasklists),
            chats: known(names.chats),
            subscriptions,
            forget,
        },
        places: subscription_places,
        tasklists: places,
        declared,
        moved: names.moved,
        chat_names,
        group_names,
    }
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
}

/// What names stand for. A name with nothing behind it has a mistake that was reported.
#[derive(Default)]
struct Names {
    providers: BTreeMap<Name, Option<Provider>>,
    tasklists: BTreeMap<Name, Option<Tasklist>>,
    chats: BTreeMap<Name, Option<Chat>>,
    /// Ids that stand among subscribers, each kept once.
    ids: HashSet<ChatId>,
    /// By [`Section`].
    places: [BTreeMap<Name, Span>; 4],
    moved: Vec<(Name, Name, Span)>,
    all_providers: bool,
    all_tasklists: bool,
    all_chats: bool,
    suggestions: u32,
}

#[derive(Default)]
struct Defaults {
    subscribers: Option<(BTreeMap<ChatId, Span>, Span)>,
    events: Option<(Events, Span)>,
    /// Whether a mistake in them was reported, so that a resource without its own is not to blame.
    bad_subscribers: bool,
    bad_events: bool,
    enabled: Option<bool>,
    protect: Option<bool>,
    ignore: BTreeSet<Field>,
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

    fn tasklist(
        &mut self,
        name: &Name,
        written: written::Tasklist,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (Option<Tasklist>, TasklistPlaces) {
        let places = TasklistPlaces {
            guid: written.guid.get().map(|guid| guid.span),
            authoritative: written
                .authoritative
                .get()
                .filter(|flag| flag.value.0)
                .map(|flag| flag.span),
            keep: written.keep.get().map(|keep| keep.span),
        };
        let provider = match &written.provider {
            Given::Is(text) => self.provider(text, diagnostics),
            Given::Absent => self.default_provider(name, span, diagnostics),
            Given::Bad => None,
        };
        let target = match (written.guid, written.name) {
            (Given::Is(_), Given::Is(other)) => {
                diagnostics.push(
                    Diagnostic::error(
                        "guid-and-name",
                        other.span,
                        format!("the tasklist `{name}` has a guid and a name"),
                    )
                    .help("Keep the guid; it stays the same when the tasklist is renamed."),
                );
                None
            }
            (Given::Is(guid), Given::Absent) => is_id(&guid, "the guid of a tasklist", diagnostics)
                .then(|| TasklistTarget::Guid(TasklistGuid::new(&guid.value.0))),
            (Given::Absent, Given::Is(text)) => {
                let text_name = text.value.0;
                if text_name.trim().is_empty() {
                    diagnostics.push(
                        Diagnostic::error(
                            "bad-name",
                            text.span,
                            "the name of a tasklist cannot be empty",
                        )
                        .help("Write its name, or its guid."),
                    );
                    None
                } else {
                    Some(TasklistTarget::Named(text_name))
                }
            }
            (Given::Absent, Given::Absent) => {
                diagnostics.push(
                    Diagnostic::error(
                        "missing-key",
                        span,
                        format!("the tasklist `{name}` has no guid and no name"),
                    )
                    .help("Add `guid:`, as the tasklist's URL shows it, or `name:`."),
                );
                None
            }
            _ => None,
        };
        let tasklist = provider.zip(target).map(|(provider, target)| Tasklist {
            provider,
            target,
            authoritative: places.authoritative.is_some(),
            keep: written.keep.into_option().map_or(Vec::new(), |keep| {
                keep.value.into_iter().map(|p| p.value.0).collect()
            }),
            span,
        });
        (tasklist, places)
    }

    fn provider(
        &mut self,
        text: &Spanned<Text>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        let name = Name::new(&text.value.0).ok();
        match name.as_ref().and_then(|name| self.providers.get(name)) {
            Some(Some(provider)) if provider.vendor != Vendor::Feishu => {
                diagnostics.push(
                    Diagnostic::error(
                        "wrong-vendor",
                        text.span,
                        format!(
                            "`{}` is a provider of {}, and tasklists are Feishu's",
                            text.value.0,
                            provider.vendor.as_str()
                        ),
                    )
                    .help("Name a Feishu provider.")
                    .related(provider.span, "the provider"),
                );
                None
            }
            Some(Some(_)) => name,
            Some(None) => None,
            None if !self.all_providers => None,
            None => {
                let words = ("unknown-provider", "provider", "providers");
                diagnostics.push(unknown(words, text, &self.providers, &mut self.suggestions));
                None
            }
        }
    }

    fn default_provider(
        &mut self,
        name: &Name,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        if let Some((feishu, provider)) = self.providers.get_key_value("feishu") {
            return provider.as_ref().map(|_| feishu.clone());
        }
        let any_bad = !self.all_providers || self.providers.values().any(Option::is_none);
        let mut feishu = self
            .providers
            .iter()
            .filter(|(_, p)| p.as_ref().is_some_and(|p| p.vendor == Vendor::Feishu));
        let (first, second) = (feishu.next(), feishu.next());
        match (first, second) {
            _ if any_bad => None,
            (Some((only, _)), None) => Some(only.clone()),
            (None, _) => {
                // One finding is enough, however many tasklists there are.
                self.all_providers = false;
                diagnostics.push(
                    Diagnostic::error("no-provider", span, format!("the tasklist `{name}` needs a Feishu provider, and there is none"))
                        .help("Add `providers: { feishu: { app_id: …, app_secret: \"${env:FEISHU_APP_SECRET}\" } }` to beadle.yaml."),
                );
                None
            }
            (Some((first, _)), Some((second, _))) => {
                diagnostics.push(
                    Diagnostic::error(
                        "no-provider",
                        span,
                        format!(
                            "the tasklist `{name}` does not say which provider it is read with"
                        ),
                    )
                    .help(format!(
                        "Add `provider:` with one of them, such as `{first}` or `{second}`."
                    )),
                );
                None
            }
        }
    }

    fn defaults(
        &mut self,
        written: written::SubscriptionDefaults,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Defaults {
        Defaults {
            bad_subscribers: written.subscribers.is_bad(),
            bad_events: written.events.is_bad(),
            subscribers: written
                .subscribers
                .into_option()
                .map(|list| (self.subscribers(&list.value, None, diagnostics), list.span)),
            events: written
                .events
                .into_option()
                .map(|list| (events(&list.value, None, diagnostics), list.span)),
            enabled: written.enabled.get().map(|flag| flag.0),
            protect: written.protect.get().map(|flag| flag.0),
            ignore: ignored(written.ignore).unwrap_or_default(),
        }
    }

    fn subscribers(
        &mut self,
        list: &[Spanned<Text>],
        address: Option<&Address>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> BTreeMap<ChatId, Span> {
        let mut chats: BTreeMap<ChatId, Span> = BTreeMap::new();
        for text in list {
            let mut found = Vec::new();
            if let Some(id) = self.chat(text, &mut found) {
                if let Some(first) = chats.get(&id) {
                    found.push(
                        Diagnostic::warning(
                            "chat-listed-twice",
                            text.span,
                            format!("the chat `{}` is listed twice", shorten(&text.value.0)),
                        )
                        .help("Remove one of the two; it hears about each event once.")
                        .related(*first, format!("the same chat, {id}")),
                    );
                } else {
                    chats.insert(id, text.span);
                }
            }
            push_all(diagnostics, found, address);
        }
        chats
    }

    fn chat(&mut self, text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Option<ChatId> {
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

    /// The tasklist that a word names.
    fn tasklist_named(
        &mut self,
        text: &Spanned<Text>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Name> {
        let word = text.value.0.as_str();
        let entry = match self.tasklists.get_key_value(word) {
            Some(entry) => Some(entry),
            None if word.is_ascii() => None,
            None => Name::new(word)
                .ok()
                .and_then(|name| self.tasklists.get_key_value(&name)),
        };
        match entry {
            Some((name, Some(_))) => Some(name.clone()),
            Some((_, None)) => None,
            None if !self.all_tasklists => None,
            None => {
                let words = ("unknown-tasklist", "tasklist", "tasklists");
                found.push(unknown(words, text, &self.tasklists, &mut self.suggestions));
                None
            }
        }
    }

    fn subscription(
        &mut self,
        name: Name,
        span: Span,
        written: written::Subscription,
        defaults: &Defaults,
        out: &mut (Vec<Subscription>, Vec<Places>),
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let address = Address::new(Kind::TasklistSubscription, name.clone());
        let mut found = Vec::new();
        let mut targets = self.targets(&written, span, &mut found);
        let fans_out = !written.tasklists.is_absent();
        let pins = pins(written.id, fans_out, &targets, &mut found);
        targets.sort();
        let moved_from = written.moved_from.into_option().and_then(|text| {
            match Name::new(&text.value.0) {
                Ok(name) => Some((name, text.span)),
                Err(why) => {
                    found.push(
                        Diagnostic::error("bad-name", text.span, why.to_string())
                            .help("`moved_from` takes the former name of this block, without a kind before it."),
                    );
                    None
                }
            }
        });
        push_all(diagnostics, found, Some(&address));
        if let Some((former, span)) = &moved_from {
            self.moved.push((name.clone(), former.clone(), *span));
        }

        let subscribers = match written.subscribers {
            Given::Is(list) => Some((
                self.subscribers(&list.value, Some(&address), diagnostics),
                list.span,
            )),
            Given::Bad => None,
            Given::Absent => {
                let known = defaults.subscribers.clone();
                if known.is_none() && !defaults.bad_subscribers {
                    diagnostics.push(missing("subscribers", &name, span).address(address.clone()));
                }
                known
            }
        };
        let events = match written.events {
            Given::Is(list) => Some((events(&list.value, Some(&address), diagnostics), list.span)),
            Given::Bad => None,
            Given::Absent => {
                let known = defaults.events.clone();
                if known.is_none() && !defaults.bad_events {
                    diagnostics.push(missing("events", &name, span).address(address.clone()));
                }
                known
            }
        };
        // What is wrong is reported; with an empty stand-in the other checks still see the rest.
        let (subscribers, subscribers_span) = subscribers.unwrap_or_default_at(span);
        let (events, events_span) = events.unwrap_or_default_at(span);
        if written.name.is_bad() {
            return;
        }
        let places = Places {
            name: written.name.get().map_or(span, |text| text.span),
            subscribers: subscribers_span,
            events: events_span,
            id: span,
        };
        let base = Subscription {
            address,
            tasklist: name.clone(),
            name: written
                .name
                .into_option()
                .map_or_else(|| name.as_str().to_owned(), |t| t.value.0),
            subscribers,
            events,
            enabled: written
                .enabled
                .get()
                .map(|f| f.0)
                .or(defaults.enabled)
                .unwrap_or(true),
            id: None,
            id_span: span,
            protect: written
                .protect
                .get()
                .map(|f| f.0)
                .or(defaults.protect)
                .unwrap_or(false),
            ignore: ignored(written.ignore).unwrap_or_else(|| defaults.ignore.clone()),
            moved_from: moved_from.map(|(name, _)| name),
            span,
            tasklist_span: span,
        };
        for (tasklist, tasklist_span) in targets {
            let mut one = base.clone();
            let mut places = places.clone();
            one.address.instance = fans_out.then(|| tasklist.clone());
            if let Some((id, id_span)) = pins.get(&tasklist) {
                one.id = Some(id.clone());
                one.id_span = *id_span;
                places.id = *id_span;
            }
            one.tasklist = tasklist;
            one.tasklist_span = tasklist_span;
            out.0.push(one);
            out.1.push(places);
        }
    }

    /// The tasklists that a subscription names, each once.
    fn targets(
        &mut self,
        written: &written::Subscription,
        span: Span,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<(Name, Span)> {
        let several = written.tasklists.get().map(|list| (&list.value, list.span));
        match (&written.tasklist, &written.tasklists) {
            (Given::Absent, Given::Absent) => {
                found.push(
                    Diagnostic::error(
                        "missing-key",
                        span,
                        "neither `tasklist` nor `tasklists` is given",
                    )
                    .help("Add `tasklist:` with a name under `tasklists`."),
                );
            }
            (Given::Is(_), Given::Is(list)) => {
                found.push(
                    Diagnostic::error(
                        "tasklist-and-tasklists",
                        list.span,
                        "`tasklist` and `tasklists` are both given",
                    )
                    .help(
                        "Write every tasklist under `tasklists`, or only the one under `tasklist`.",
                    ),
                );
            }
            (_, Given::Is(list)) if list.value.is_empty() => {
                found.push(
                    Diagnostic::error("empty-list", list.span, "`tasklists` names no tasklist")
                        .help("Name one; to delete the subscriptions, remove this block."),
                );
            }
            _ => {}
        }
        let mut targets: Vec<(Name, Span)> = Vec::new();
        let mut seen: BTreeMap<Name, Span> = BTreeMap::new();
        for text in written
            .tasklist
            .get()
            .into_iter()
            .chain(several.into_iter().flat_map(|(list, _)| list))
        {
            let Some(name) = self.tasklist_named(text, found) else {
                continue;
            };
            if let Some(first) = seen.get(&name) {
                found.push(
                    Diagnostic::error(
                        "tasklist-listed-twice",
                        text.span,
                        format!("the tasklist `{name}` is listed twice"),
                    )
                    .help("Remove one of the two.")
                    .related(*first, "first listed here"),
                );
                continue;
            }
            seen.insert(name.clone(), text.span);
            targets.push((name, text.span));
        }
        targets
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

trait OrDefaultAt<T> {
    fn unwrap_or_default_at(self, span: Span) -> (T, Span);
}

impl<T: Default> OrDefaultAt<T> for Option<(T, Span)> {
    fn unwrap_or_default_at(self, span: Span) -> (T, Span) {
        self.unwrap_or_else(|| (T::default(), span))
    }
}

fn missing(key: &str, name: &Name, span: Span) -> Diagnostic {
    Diagnostic::error(
        "missing-key",
        span,
        format!("the key `{key}` is missing in `{name}`"),
    )
    .help(format!(
        "Add `{key}:` here, or under `defaults.tasklist_subscriptions`."
    ))
}

fn push_all(diagnostics: &mut Vec<Diagnostic>, found: Vec<Diagnostic>, address: Option<&Address>) {
    diagnostics.extend(found.into_iter().map(|d| match address {
        Some(address) => d.address(address.clone()),
        None => d,
    }));
}

fn read_chat(
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

/// Whether a text can be a vendor's id: one word of at most 100 characters that fits into a path.
fn is_id(text: &Spanned<Text>, what: &str, found: &mut Vec<Diagnostic>) -> bool {
    let id = &text.value.0;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let good = !id.is_empty() && id.len() <= 100 && id.chars().all(fits);
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

fn ignored(fields: Given<Vec<Spanned<written::IgnoredField>>>) -> Option<BTreeSet<Field>> {
    fields
        .into_option()
        .map(|fields| fields.into_iter().map(|f| f.value.0).collect())
}

fn pins(
    written: Given<Pins>,
    fans_out: bool,
    targets: &[(Name, Span)],
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<Name, (RemoteId, Span)> {
    let mut pins = BTreeMap::new();
    match written.into_option() {
        None => {}
        Some(Pins::One(text)) if fans_out => found.push(
            Diagnostic::error(
                "one-id-for-several",
                text.span,
                "one `id` is given for several tasklists",
            )
            .help("Write a mapping from each tasklist's name to the guid of its subscription."),
        ),
        Some(Pins::One(text)) => {
            if let (Some(id), Some((tasklist, _))) = (guid(&text, found), targets.first()) {
                pins.insert(tasklist.clone(), (id, text.span));
            }
        }
        Some(Pins::Each(each)) if !fans_out => {
            if let Some((key, _)) = each.first() {
                found.push(
                    Diagnostic::error(
                        "wrong-type",
                        key.span,
                        "`id` must be one guid where there is one tasklist",
                    )
                    .help("Write the guid after `id:`; the mapping is for `tasklists`."),
                );
            }
        }
        Some(Pins::Each(each)) => {
            for (key, text) in each {
                let id = guid(&text, found);
                let tasklist = Name::new(&key.value).ok();
                let tasklist = tasklist.filter(|name| targets.iter().any(|(t, _)| t == name));
                match (tasklist, id) {
                    (Some(tasklist), Some(id)) => {
                        pins.insert(tasklist, (id, text.span));
                    }
                    (Some(_), None) => {}
                    (None, _) => found.push(
                        Diagnostic::error(
                            "unknown-tasklist",
                            key.span,
                            format!(
                                "`{}` is not among this block's tasklists",
                                shorten(&key.value)
                            ),
                        )
                        .help(format!(
                            "They are {}.",
                            words(targets.iter().map(|(t, _)| t.as_str()))
                        )),
                    ),
                }
            }
        }
    }
    pins
}

fn guid(text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Option<RemoteId> {
    let id = &text.value.0;
    if id.len() == 36 && uuid::Uuid::parse_str(id).is_ok() {
        return Some(RemoteId::new(id));
    }
    found.push(
        Diagnostic::error(
            "bad-id",
            text.span,
            format!("`{}` is not the guid of a subscription", shorten(id)),
        )
        .help("It looks like 33991879-704f-444f-81d7-55a6aa7be80c; `beadle export` writes it."),
    );
    None
}

/// Reads events, saying what is odd about each word.
fn events(
    list: &EventList,
    address: Option<&Address>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Events {
    let list = match list {
        EventList::All => return Events::all(),
        EventList::Listed(list) => list,
    };
    let mut all = None;
    let mut keys: BTreeMap<EventKey, Span> = BTreeMap::new();
    for text in list {
        let mut found = Vec::new();
        let word = text.value.0.as_str();
        if word == "all" {
            all = Some(text.span);
        }
        for key in event(text, &mut found) {
            if let Some(first) = keys.get(&key) {
                found.push(
                    Diagnostic::warning(
                        "event-listed-twice",
                        text.span,
                        format!("the event {key} is listed twice"),
                    )
                    .help("Remove one of the two.")
                    .related(*first, "first listed here"),
                );
            } else {
                keys.insert(key, text.span);
            }
        }
        push_all(diagnostics, found, address);
    }
    match all {
        None => keys.into_keys().collect(),
        Some(span) => {
            if list.len() > 1 {
                let odd = Diagnostic::warning(
                    "event-listed-twice",
                    span,
                    "`all` stands among other events",
                )
                .help("Write `events: all`; it holds the others.");
                push_all(diagnostics, vec![odd], address);
            }
            Events::all()
        }
    }
}

fn event(text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> Vec<EventKey> {
    let word = text.value.0.as_str();
    if word == "all" {
        return Vec::new();
    }
    if let Some(key) = EventKey::from_name(word) {
        return vec![key];
    }
    if let Some((_, keys)) = ALIASES.iter().find(|(alias, _)| *alias == word) {
        let names: Vec<&str> = keys.iter().filter_map(|key| key.name()).collect();
        found.push(
            Diagnostic::warning(
                "event-alias",
                text.span,
                format!(
                    "`{word}` is another tool's name for {}",
                    words(names.iter().copied())
                ),
            )
            .help(format!("Write {}.", words(names.iter().copied()))),
        );
        return keys.to_vec();
    }
    if word.bytes().all(|b| b.is_ascii_digit())
        && let Some(key) = EventKey::parse(word)
    {
        if key.name().is_none() {
            found.push(
                Diagnostic::warning(
                    "unknown-event",
                    text.span,
                    format!("there is no known event {key}"),
                )
                .help("It is sent as it stands, in case Feishu has added it."),
            );
        }
        return vec![key];
    }
    if word == "task.deleted" {
        found.push(
            Diagnostic::error("unknown-event", text.span, "there is no event `task.deleted` on the wire")
                .help("Feishu tells nobody that a task was deleted. `task.removed` is nearest: a task was taken out of the tasklist."),
        );
        return Vec::new();
    }
    let names = EVENTS.iter().map(|(_, name)| *name).chain(["all"]);
    let help = match closest(word, names.clone()) {
        Some(best) => format!("Did you mean `{best}`?"),
        None => format!("The events are {}.", words(names)),
    };
    found.push(
        Diagnostic::error(
            "unknown-event",
            text.span,
            format!("there is no event `{}`", shorten(word)),
        )
        .help(help),
    );
    Vec::new()
}
