//! Groups of people: keys become providers, words become recipients, names become groups.

use std::collections::{BTreeMap, BTreeSet};

use super::kept::{USER_GROUP, ignored, is_user_group_id};
use super::{Names, Section, push_all, unknown};
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::group::{NoRecipient, Recipient, RecipientGroup, Recipients, UserGroup};
use crate::model::manifest::{ExtraMembers, Provider, Vendor};
use crate::model::settings;
use crate::model::shape::{Given, Keyed, Spanned, Text, closest, shorten, words};
use crate::model::written::{self, Block, People};
use crate::model::{Address, Kind, Name, RemoteId};

/// Where a list of recipients stands.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    People,
    Exclude,
}

impl Names {
    pub(super) fn group(
        &mut self,
        name: Name,
        span: Span,
        written: written::Group,
        protect: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> RecipientGroup {
        let written::Group { keys, people } = written;
        let address = Address::new(Kind::RecipientGroup, name);
        let mut found = Vec::new();
        let mut kept = Vec::new();
        let people = self.by_provider(people, Side::People, &mut kept, &mut found);
        let exclude = keys.exclude.into_option().map_or(Vec::new(), |e| e.0);
        let exclude = self.by_provider(exclude, Side::Exclude, &mut Vec::new(), &mut found);
        listed_and_left_out(&people, &exclude, &mut found);
        let include = self.groups_named(
            keys.include,
            "included",
            "Include a group; a chat is a place, whoever is in it.",
            &mut found,
        );
        let moved_from = self.moved_from(keys.moved_from, &address, &mut found);
        push_all(diagnostics, found, Some(&address));
        let user_groups = kept.into_iter().filter_map(|(provider, written)| {
            let group = self.user_group(&address, &provider, written, diagnostics)?;
            Some((provider, group))
        });
        let user_groups = user_groups.collect();
        RecipientGroup {
            address,
            description: keys
                .description
                .into_option()
                .map_or(String::new(), |text| text.value.0),
            people,
            include,
            exclude,
            user_groups,
            protect: keys.protect.get().map_or(protect, |flag| flag.0),
            moved_from,
            span,
        }
    }

    fn user_group(
        &mut self,
        group: &Address,
        provider: &Name,
        Keyed { value, span }: Keyed<written::UserGroup>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<UserGroup> {
        let written::UserGroup {
            name,
            description,
            extra_members,
            id,
            ignore,
        } = value;
        let address = Address {
            instance: Some(provider.clone()),
            ..group.clone()
        };
        let mut found = Vec::new();
        let name = USER_GROUP.name(name, &group.name, span, &mut found);
        let description = USER_GROUP.description(description, &mut found);
        if let Some(text) = description.as_ref().filter(|d| d.value.0.is_empty()) {
            found.push(
                Diagnostic::error(
                    "empty-description",
                    text.span,
                    "Feishu takes an empty description for none given, and changes nothing",
                )
                .help("Remove the key to leave the description as it is, or write a text."),
            );
        }
        let bad_id = id.is_bad();
        let id = id.into_option();
        let id_span = id.as_ref().map_or(span, |id| id.span);
        let is_good = id.as_ref().is_none_or(|id| is_group_id(id, &mut found));
        push_all(diagnostics, found, Some(&address));
        let (name, name_span) = name?;
        if bad_id || !is_good {
            return None;
        }
        self.name_places.insert(address.clone(), name_span);
        Some(UserGroup {
            address,
            name,
            description: description.map(|text| text.value.0),
            extra_members: extra_members
                .get()
                .map_or(ExtraMembers::Keep, |extra| extra.value.0),
            id: id.map(|id| RemoteId::new(&id.value.0)),
            id_span,
            ignore: ignore.into_option().map_or_else(BTreeSet::new, ignored),
            span,
        })
    }

    /// The groups that a list names, each once; `done` is what the list does to them, in a word.
    pub(super) fn groups_named(
        &mut self,
        written: Given<Spanned<Vec<Spanned<Text>>>>,
        done: &str,
        chat_help: &str,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeMap<Name, Span> {
        let mut named: BTreeMap<Name, Span> = BTreeMap::new();
        for text in written.into_option().map_or(Vec::new(), |list| list.value) {
            let groups = &self.places[Section::Group as usize];
            let name = Name::new(&text.value.0).ok();
            let Some(name) = name.filter(|name| groups.contains_key(name)) else {
                if self.places[Section::Chat as usize].contains_key(text.value.0.as_str()) {
                    found.push(
                        Diagnostic::error(
                            "chat-as-group",
                            text.span,
                            format!("`{}` is a chat, and a group is people", text.value.0),
                        )
                        .help(chat_help),
                    );
                } else if self.all_groups {
                    let words = ("unknown-group", "group", "recipient_groups");
                    found.push(unknown(words, &text, groups, &mut self.suggestions));
                }
                continue;
            };
            if let Some(first) = named.get(&name) {
                found.push(
                    Diagnostic::warning(
                        "group-listed-twice",
                        text.span,
                        format!("the group `{name}` is {done} twice"),
                    )
                    .help("Remove one of the two.")
                    .related(*first, format!("first {done} here")),
                );
            } else {
                named.insert(name, text.span);
            }
        }
        named
    }

    fn by_provider(
        &mut self,
        blocks: Vec<Block>,
        side: Side,
        kept: &mut Vec<(Name, Keyed<written::UserGroup>)>,
        found: &mut Vec<Diagnostic>,
    ) -> BTreeMap<Name, Recipients> {
        let mut all = BTreeMap::new();
        let mut places: BTreeMap<Name, Span> = BTreeMap::new();
        for block in blocks {
            let Some((provider, vendor)) = self.people_at(&block.key, side, found) else {
                self.all_people = false;
                continue;
            };
            found.extend(block.found);
            if let Some(first) = places.insert(provider.clone(), block.key.span) {
                found.push(
                    Diagnostic::error(
                        "duplicate-key",
                        block.key.span,
                        format!("the provider `{provider}` is given twice"),
                    )
                    .help("Keep one of the two.")
                    .related(first, "first given here"),
                );
                continue;
            }
            let mut written = block.people;
            let user_group = written.as_mut().map(|p| std::mem::take(&mut p.user_group));
            if let Some(group) = user_group.and_then(Given::into_option) {
                match (vendor, side) {
                    (Vendor::Feishu, Side::People) => kept.push((provider.clone(), group)),
                    (Vendor::Feishu, Side::Exclude) => found.push(
                        Diagnostic::error(
                            "misplaced-user-group",
                            group.span,
                            "`user_group` stands where people are left out",
                        )
                        .help("Move it to the provider's block beside `exclude`."),
                    ),
                    (Vendor::DingTalk | Vendor::Enos, _) => {
                        found.push(not_there(vendor, "user_group", group.span));
                    }
                }
            }
            let people = written.map(|people| recipients(vendor, people, side, found));
            all.extend(
                people
                    .filter(|p| !p.is_empty())
                    .map(|people| (provider, people)),
            );
        }
        all
    }

    /// The provider that a key names, and its vendor.
    fn people_at(
        &mut self,
        key: &Spanned<String>,
        side: Side,
        found: &mut Vec<Diagnostic>,
    ) -> Option<(Name, Vendor)> {
        let name = Name::new(&key.value).ok();
        if let Some((name, provider)) = name.and_then(|name| self.providers.get_key_value(&name)) {
            return provider.as_ref().map(|p| (name.clone(), p.vendor));
        }
        let vendor = [Vendor::Feishu, Vendor::DingTalk, Vendor::Enos]
            .into_iter()
            .find(|vendor| vendor.as_str() == key.value);
        if !self.all_providers {
            return None;
        }
        let Some(vendor) = vendor else {
            let own: &[&str] = match side {
                Side::People => written::GroupKeys::KEYS,
                Side::Exclude => &[],
            };
            let known = self.providers.keys().map(Name::as_str);
            let known = known.chain(own.iter().copied()).chain(written::VENDORS);
            let best = (self.suggestions > 0)
                .then(|| closest(&key.value, known))
                .flatten();
            self.suggestions = self.suggestions.saturating_sub(1);
            let help = match best {
                Some(best) => format!("Did you mean `{best}`?"),
                None => format!(
                    "Name a provider; there is {}.",
                    words(self.providers.keys().map(Name::as_str).take(8))
                ),
            };
            let summary = format!("there is no provider `{}`", shorten(&key.value));
            found.push(Diagnostic::error("unknown-provider", key.span, summary).help(help));
            return None;
        };
        let others = |p: &Option<Provider>| p.as_ref().is_none_or(|p| p.vendor == vendor);
        let other = self.providers.iter().find(|(_, p)| others(p));
        let other = other.map(|(name, _)| name.clone());
        if let (Some(span), None) = (self.sandbox, &other) {
            let name = Name::new(vendor.as_str()).expect("a name");
            let provider = settings::implied(vendor, span);
            self.providers.insert(name.clone(), Some(provider));
            return Some((name, vendor));
        }
        // One finding a vendor is enough, however many groups there are.
        if self.without_provider.insert(vendor) {
            let help = match other {
                Some(other) => {
                    format!("Write the name of the provider instead, such as `{other}`.")
                }
                None => format!(
                    "Add `providers: {{ {}: … }}` to beadle.yaml.",
                    vendor.as_str()
                ),
            };
            let summary = format!("there is no provider `{}`", vendor.as_str());
            found.push(Diagnostic::error("unknown-provider", key.span, summary).help(help));
        }
        None
    }
}

/// Reads the lists of one provider, each recipient once.
fn recipients(
    vendor: Vendor,
    people: People,
    side: Side,
    found: &mut Vec<Diagnostic>,
) -> Recipients {
    type List = Given<Vec<Spanned<Text>>>;
    type Read = fn(Vendor, &str) -> Result<Recipient, NoRecipient>;
    let People {
        users,
        emails,
        mobiles,
        departments,
        everyone,
        user_group: _,
    } = people;
    let can = |key: &str| match vendor {
        Vendor::Feishu => key != "everyone",
        Vendor::DingTalk => key != "emails",
        Vendor::Enos => key == "users" || key == "everyone",
    };
    let mut all = Recipients::new();
    let lists: [(&str, List, Read); 4] = [
        ("users", users, Recipient::user),
        ("emails", emails, |_, text| Recipient::email(text)),
        ("mobiles", mobiles, |_, text| Recipient::mobile(text)),
        ("departments", departments, Recipient::department),
    ];
    let mut is_listed = false;
    for (key, list, read) in lists {
        is_listed |= !list.is_absent();
        let list = list.into_option().unwrap_or_default();
        if !can(key) {
            // Under the vendor's own word the reader has said so.
            found.extend(list.first().map(|text| not_there(vendor, key, text.span)));
            continue;
        }
        for text in list {
            match read(vendor, &text.value.0) {
                Ok(recipient) => insert(&mut all, recipient, text.span, found),
                Err(NoRecipient { what, help }) => {
                    let summary = format!("`{}` {what}", shorten(&text.value.0));
                    found.push(Diagnostic::error("bad-id", text.span, summary).help(help));
                }
            }
        }
    }
    let Some(everyone) = everyone.get().filter(|flag| flag.value.0) else {
        return all;
    };
    if side == Side::Exclude {
        found.push(
            Diagnostic::error(
                "everyone-left-out",
                everyone.span,
                "leaving everyone out leaves nobody",
            )
            .help("List whom to leave out, or remove the group."),
        );
    } else if !can("everyone") {
        found.push(not_there(vendor, "everyone", everyone.span));
    } else if is_listed {
        found.push(
            Diagnostic::error(
                "everyone-and-others",
                everyone.span,
                "`everyone` stands beside people who are listed",
            )
            .help("Everyone holds them; keep one of the two."),
        );
    } else {
        all.insert(Recipient::Everyone, everyone.span);
    }
    all
}

fn insert(all: &mut Recipients, recipient: Recipient, span: Span, found: &mut Vec<Diagnostic>) {
    if let Some(first) = all.get(&recipient) {
        found.push(
            Diagnostic::warning(
                "recipient-listed-twice",
                span,
                format!("the {} is listed twice", short(&recipient)),
            )
            .help("Remove one of the two; who is listed counts once.")
            .related(*first, "first listed here"),
        );
    } else {
        all.insert(recipient, span);
    }
}

fn listed_and_left_out(
    people: &BTreeMap<Name, Recipients>,
    exclude: &BTreeMap<Name, Recipients>,
    found: &mut Vec<Diagnostic>,
) {
    for (provider, out) in exclude {
        let Some(listed) = people.get(provider) else {
            continue;
        };
        for (recipient, span) in out {
            if let Some(first) = listed.get(recipient) {
                found.push(
                    Diagnostic::warning(
                        "listed-and-left-out",
                        *span,
                        format!("the {} is listed and left out", short(recipient)),
                    )
                    .help("Leaving out wins; remove one of the two.")
                    .related(*first, "listed here"),
                );
            }
        }
    }
}

/// Page `group/create`: letters and digits, at most 64.
fn is_group_id(text: &Spanned<Text>, found: &mut Vec<Diagnostic>) -> bool {
    let id = &text.value.0;
    let good = is_user_group_id(id);
    if !good {
        let summary = format!("`{}` is not the id of a user group", shorten(id));
        found.push(
            Diagnostic::error("bad-id", text.span, summary)
                .help("A `group_id` has letters and digits, at most 64."),
        );
    }
    good
}

fn not_there(vendor: Vendor, key: &str, span: Span) -> Diagnostic {
    let (vendor, keys) = match vendor {
        Vendor::Feishu => (
            "Feishu",
            "users, emails, mobiles, departments and user_group",
        ),
        Vendor::DingTalk => ("DingTalk", "users, mobiles, departments and everyone"),
        Vendor::Enos => ("EnOS", "users and everyone"),
    };
    Diagnostic::error(
        "unknown-key",
        span,
        format!("a provider of {vendor} has no `{key}`"),
    )
    .help(format!("It has {keys}."))
}

/// A recipient in words, such as ``user `ou_18ea` ``.
pub(crate) fn short(recipient: &Recipient) -> String {
    match recipient.id() {
        None => recipient.to_string(),
        Some(id) => {
            let text = recipient.to_string();
            let word = text.split(' ').next().unwrap_or_default();
            format!("{word} `{}`", shorten(id))
        }
    }
}
