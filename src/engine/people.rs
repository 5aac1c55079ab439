//! Who is behind what a manifest lists: look-ups, what is remembered of them, and the rosters of chats
//! and contact user groups.
//!
//! # Guarantees
//!
//! - Whom the vendor does not show is counted and named, never taken for nobody.
//! - E-mail addresses and mobile numbers are in no log: they leave here in diagnostics alone, which
//!   stand at the line that lists them.
//!
//! # Assumptions
//!
//! An e-mail address or number stays with its person for [`MAX_AGE`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::directory::{Directory, Sighting};
use super::ledger::LookUp;
use crate::model::group::{Groups, Known, Recipient, resolve};
use crate::model::manifest::Manifest;
use crate::model::{Address, Diagnostic, Field, Name, Span, Value};
use crate::plan::live::Roster;
use crate::plan::{Action, Change, Choice};

/// How long a look-up is believed.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// How many calls to a provider a plan takes at most to find out whether those exist who are newly listed:
/// DingTalk tells of one person in a call, and of twenty in a second.
const MOST_CALLS: usize = 200;

/// How many people are named in one diagnostic.
const NAMED: usize = 20;

/// The directories by provider key.
pub type Directories = BTreeMap<Name, Arc<dyn Directory>>;

/// What came of looking people up.
#[derive(Debug, Default)]
pub struct People {
    /// Who should be in each managed chat and contact user group.
    pub rosters: BTreeMap<Address, Roster>,
    /// What was looked up now, to be remembered.
    pub fresh: Vec<LookUp>,
    /// Whom the vendors do not show.
    pub diagnostics: Vec<Diagnostic>,
    /// Every answer of this run.
    answers: BTreeMap<Name, Answers>,
}

/// What one provider says about recipients.
#[derive(Debug, Default)]
struct Answers {
    sightings: HashMap<Recipient, Sighting>,
    /// Why the rest is not known.
    failed: Option<String>,
}

/// Something that is filled with people of one provider.
struct Filled<'a> {
    address: &'a Address,
    provider: &'a Name,
    groups: Vec<&'a Name>,
}

fn filled<'a>(manifest: &'a Manifest, choice: &Choice) -> Vec<Filled<'a>> {
    let chats = manifest.managed_chats.values().map(|chat| Filled {
        address: &chat.address,
        provider: &chat.provider,
        groups: chat.members.keys().collect(),
    });
    let groups = manifest.groups.values().flat_map(|group| {
        group.user_groups.iter().map(|(provider, kept)| Filled {
            address: &kept.address,
            provider,
            groups: vec![&group.address.name],
        })
    });
    chats
        .chain(groups)
        .filter(|filled| choice.selects(filled.address))
        .collect()
}

/// These groups and all that they include.
pub(super) fn closure<'a>(groups: &'a Groups, from: &[&'a Name]) -> BTreeSet<&'a Name> {
    let mut reached = BTreeSet::new();
    let mut open = from.to_vec();
    while let Some(name) = open.pop() {
        if let Some(group) = groups.get(name)
            && reached.insert(name)
        {
            open.extend(group.include.keys());
        }
    }
    reached
}

/// Works out who should be in each managed chat and contact user group.
pub async fn rosters(
    manifest: &Manifest,
    choice: &Choice,
    remembered: &[LookUp],
    directories: &Directories,
    now: Timestamp,
) -> People {
    let mut people = People::default();
    if choice.destroy {
        return people;
    }
    let filled = filled(manifest, choice);
    if filled.is_empty() {
        return people;
    }
    let mut wanted: BTreeMap<&Name, BTreeSet<&Recipient>> = BTreeMap::new();
    for one in &filled {
        for name in closure(&manifest.groups, &one.groups) {
            let group = &manifest.groups[name];
            let all = [&group.people, &group.exclude];
            let listed = all.into_iter().filter_map(|side| side.get(one.provider));
            let unknown = listed
                .flat_map(|recipients| recipients.keys())
                .filter(|r| r.is_person() && !matches!(r, Recipient::OpenId(_)));
            wanted.entry(one.provider).or_default().extend(unknown);
        }
    }
    let mut known = Known::new();
    for look_up in remembered {
        let app = directories.get(&look_up.provider).map(|d| d.app());
        let until = look_up.at.saturating_add(MAX_AGE).unwrap_or(Timestamp::MAX);
        let is_listed = wanted
            .get_mut(&look_up.provider)
            .is_some_and(|all| all.contains(&look_up.recipient));
        if is_listed && app == Some(&look_up.app) && now < until && look_up.at <= now {
            let of = known.entry(look_up.provider.clone()).or_default();
            of.insert(look_up.recipient.clone(), look_up.person.clone());
        }
    }
    let asked: BTreeMap<Name, Vec<Recipient>> = wanted
        .into_iter()
        .map(|(provider, all)| {
            let of = known.get(provider);
            let open = all
                .into_iter()
                .filter(|r| !of.is_some_and(|of| of.contains_key(*r)));
            (provider.clone(), open.cloned().collect())
        })
        .collect();
    ask(&mut people.answers, directories, asked).await;
    for (provider, answers) in &people.answers {
        for (recipient, sighting) in &answers.sightings {
            if let Sighting::Person(person) = sighting {
                let of = known.entry(provider.clone()).or_default();
                of.insert(recipient.clone(), person.clone());
                people.fresh.push(LookUp {
                    provider: provider.clone(),
                    app: directories[provider].app().clone(),
                    recipient: recipient.clone(),
                    person: person.clone(),
                    at: now,
                });
            }
        }
    }
    let resolution = match resolve(&manifest.groups, &known) {
        Ok(resolution) => resolution,
        Err(why) => {
            for one in &filled {
                let roster = Roster::Unread(why.to_string());
                people.rosters.insert(one.address.clone(), roster);
            }
            return people;
        }
    };
    for one in &filled {
        let mut ids = BTreeSet::new();
        let mut unseen: BTreeSet<&Recipient> = BTreeSet::new();
        let mut unread = None;
        for group in &one.groups {
            let members = resolution.members(group.as_str());
            for member in members.iter().filter(|m| m.provider == one.provider) {
                if let Some(many) = member.except.iter().find(|r| !r.is_person()) {
                    unread = Some(format!(
                        "`{group}` leaves out {many}, and who is in it is not looked up"
                    ));
                }
                match member.recipient {
                    Recipient::OpenId(id) => {
                        ids.insert(id.to_string());
                    }
                    other => {
                        unseen.insert(other);
                    }
                }
            }
        }
        let out = closure(&manifest.groups, &one.groups)
            .into_iter()
            .filter_map(|name| manifest.groups[name].exclude.get(one.provider))
            .flat_map(|recipients| recipients.keys());
        let answers = people.answers.get(one.provider);
        let is_unseen = |r: &&Recipient| {
            let sighting = answers.and_then(|answers| answers.sightings.get(*r));
            matches!(sighting, Some(Sighting::Unseen(_)))
        };
        let hidden = out.filter(is_unseen).count();
        if hidden > 0 {
            unread = Some(format!(
                "{hidden} of those whom its groups leave out cannot be told: somebody who is listed may be one of them"
            ));
        }
        let failed = answers.and_then(|a| a.failed.as_ref());
        if let (Some(why), false) = (failed, unseen.is_empty()) {
            unread = Some(why.clone());
        }
        let roster = match unread {
            Some(why) => Roster::Unread(why),
            None => Roster::Known {
                people: ids,
                unseen: unseen.len(),
            },
        };
        people.rosters.insert(one.address.clone(), roster);
    }
    let in_use: BTreeSet<&Name> = filled
        .iter()
        .flat_map(|one| closure(&manifest.groups, &one.groups))
        .collect();
    people.diagnostics = people.unseen(manifest, |group, _, _| in_use.contains(group));
    people
}

/// Asks each provider's directory once.
async fn ask(
    answers: &mut BTreeMap<Name, Answers>,
    directories: &Directories,
    asked: BTreeMap<Name, Vec<Recipient>>,
) {
    let all: Vec<_> = asked
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .collect();
    let mut results = stream::iter(all)
        .map(|(provider, list)| async move {
            let result = match directories.get(&provider) {
                Some(directory) => directory.look_up(&list).await.map_err(|e| e.with_hint()),
                None => Err(format!("provider `{provider}` cannot look people up")),
            };
            (provider, list, result)
        })
        .buffer_unordered(8);
    while let Some((provider, list, result)) = results.next().await {
        let of = answers.entry(provider).or_default();
        match result {
            Ok(sightings) => of.sightings.extend(list.into_iter().zip(sightings)),
            Err(why) => of.failed = Some(why),
        }
    }
}

impl People {
    /// Looks up whoever a plan newly lists, as far as that is not known yet; of very many the first, and
    /// says how many are left.
    pub async fn check_new(
        &mut self,
        manifest: &Manifest,
        changes: &[Change],
        directories: &Directories,
    ) -> Vec<Diagnostic> {
        let mut new: BTreeSet<(&Name, String)> = BTreeSet::new();
        for change in changes {
            let Some(address) = change.subject.address() else {
                continue;
            };
            let Some((name, _)) = manifest.groups.get_key_value(&address.name) else {
                continue;
            };
            if address.instance.is_some() || address.kind != crate::model::Kind::RecipientGroup {
                continue;
            }
            let items = match &change.action {
                Action::Create { desired } => desired.items(Field::People).clone(),
                _ => change
                    .field_changes()
                    .iter()
                    .filter(|f| f.field == Field::People)
                    .flat_map(|f| match (&f.before, &f.after) {
                        (Value::Items(before), Value::Items(after)) => {
                            after.difference(before).cloned().collect()
                        }
                        _ => Vec::new(),
                    })
                    .collect(),
            };
            new.extend(items.into_iter().map(|item| (name, item)));
        }
        let is_new = |group: &Name, provider: &Name, recipient: &Recipient| {
            !new.is_empty() && new.contains(&(group, format!("{provider} {recipient}")))
        };
        let mut of_new = self
            .check(manifest, directories, Some(MOST_CALLS), is_new)
            .await;
        of_new.retain(|found| !self.diagnostics.contains(found));
        of_new
    }

    /// Looks up everybody whom a manifest lists.
    pub async fn check_all(manifest: &Manifest, directories: &Directories) -> Vec<Diagnostic> {
        let mut people = People::default();
        people
            .check(manifest, directories, None, |_, _, _| true)
            .await
    }

    async fn check(
        &mut self,
        manifest: &Manifest,
        directories: &Directories,
        calls: Option<usize>,
        wanted: impl Fn(&Name, &Name, &Recipient) -> bool,
    ) -> Vec<Diagnostic> {
        let mut asked: BTreeMap<Name, Vec<Recipient>> = BTreeMap::new();
        let mut seen: BTreeSet<(&Name, &Recipient)> = BTreeSet::new();
        for (group, provider, recipient, _) in listed(manifest) {
            let known = self.answers.get(provider);
            let is_known = known.is_some_and(|a| a.sightings.contains_key(recipient));
            if !is_known
                && *recipient != Recipient::Everyone
                && directories.contains_key(provider)
                && wanted(group, provider, recipient)
                && seen.insert((provider, recipient))
            {
                asked
                    .entry(provider.clone())
                    .or_default()
                    .push(recipient.clone());
            }
        }
        let mut left = Vec::new();
        for (provider, list) in &mut asked {
            let Some(directory) = directories.get(provider) else {
                continue;
            };
            let most = calls.map_or(usize::MAX, |calls| calls * directory.at_once());
            if list.len() > most {
                left.push((provider.clone(), list.len() - most));
                list.truncate(most);
            }
        }
        ask(&mut self.answers, directories, asked).await;
        let mut found = self.unseen(manifest, &wanted);
        for (provider, left) in left {
            let place = listed(manifest).find(|(_, p, ..)| **p == provider);
            found.push(
                Diagnostic::warning(
                    "people-unread",
                    place.map(|(.., span)| span),
                    format!("{left} more recipients of provider `{provider}` are not looked up"),
                )
                .help("`beadle validate --online` looks everybody up."),
            );
        }
        for (provider, answers) in &self.answers {
            let Some(why) = &answers.failed else { continue };
            let place = listed(manifest).find(|(_, p, ..)| *p == provider);
            found.push(Diagnostic::warning(
                "people-unread",
                place.map(|(.., span)| span),
                format!(
                    "whether the people of provider `{provider}` exist could not be read: {why}"
                ),
            ));
        }
        found
    }

    /// A warning for each place that lists somebody whom the vendor does not show.
    fn unseen(
        &self,
        manifest: &Manifest,
        wanted: impl Fn(&Name, &Name, &Recipient) -> bool,
    ) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut more = 0;
        for (group, provider, recipient, span) in listed(manifest) {
            let sighting = self
                .answers
                .get(provider)
                .and_then(|a| a.sightings.get(recipient));
            let Some(Sighting::Unseen(why)) = sighting else {
                continue;
            };
            if !wanted(group, provider, recipient) {
                continue;
            }
            if found.len() == NAMED {
                more += 1;
                continue;
            }
            let address = &manifest.groups[group].address;
            found.push(
                Diagnostic::warning("not-seen", span, format!("{recipient} {why}"))
                    .address(address.clone())
                    .help("Correct or remove the entry, or widen what the app may see."),
            );
        }
        if more > 0 {
            let summary = format!("{more} more recipients are not shown by their vendors");
            found.push(Diagnostic::warning("not-seen", None, summary));
        }
        found
    }
}

/// Everybody who is listed or left out, with the group, the provider and the place.
fn listed(manifest: &Manifest) -> impl Iterator<Item = (&Name, &Name, &Recipient, Span)> {
    manifest.groups.iter().flat_map(|(name, group)| {
        let sides = group.people.iter().chain(&group.exclude);
        sides.flat_map(move |(provider, recipients)| {
            let each = recipients.iter();
            each.map(move |(recipient, span)| (name, provider, recipient, *span))
        })
    })
}
