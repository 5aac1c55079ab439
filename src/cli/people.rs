//! Who is in a group, as published JSON: `group show` and `group list`.
//!
//! What is told is what the files say. Whom an e-mail address belongs to, and who is in a department,
//! only the vendor knows.

use std::collections::{BTreeMap, HashSet, VecDeque};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostics::Lines;
use super::json::FORMAT_VERSION;
use crate::model::diagnostic::Sources;
use crate::model::group::{Origin, Recipient, RecipientGroup, Resolution};
use crate::model::manifest::Manifest;
use crate::model::{Name, Span};

/// `group show --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle group")]
pub struct GroupJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The group.
    pub address: String,
    /// What it is for; empty when nothing is said.
    pub description: String,
    /// Where it is declared.
    pub place: PlaceJson,
    /// How many there are at all providers.
    pub count: CountJson,
    /// Who is in it, by provider.
    pub providers: Vec<AtProviderJson>,
    /// Whom the group and those that it includes leave out.
    pub left_out: Vec<LeftOutJson>,
}

/// A place in a file of the project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceJson {
    /// The path, relative to the project folder.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// How many are listed, as far as the files tell: two ids may be one person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountJson {
    /// People, by id, address or number.
    pub people: usize,
    /// Departments, however many people are in each.
    pub departments: usize,
    /// Whether everyone of a provider is among them.
    pub everyone: bool,
}

/// Who is in a group at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AtProviderJson {
    /// The provider's key.
    pub provider: String,
    /// `feishu`, `dingtalk` or `enos`.
    pub vendor: String,
    /// The name of the contact user group that the group is kept as there too, if it is.
    pub user_group: Option<String>,
    /// How many there are.
    pub count: CountJson,
    /// Each of them. One stands here twice where two paths leave out different people.
    pub members: Vec<MemberJson>,
}

/// Somebody, by one of the ids that a vendor knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecipientJson {
    /// `user`, `email`, `mobile`, `department` or `everyone`.
    pub kind: String,
    /// The id, address or number; null for everyone.
    pub id: Option<String>,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberJson {
    /// Who.
    #[serde(flatten)]
    pub who: RecipientJson,
    /// Who is left out of it, as far as the vendor says that they are the same or inside.
    pub except: Vec<RecipientJson>,
    /// Every place that lists them.
    pub from: Vec<OriginJson>,
}

/// A place that puts somebody into a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OriginJson {
    /// From the group that was asked about to the one that lists them.
    pub through: Vec<String>,
    /// The word that lists them.
    pub place: PlaceJson,
}

/// Somebody whom a group leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutJson {
    /// The provider's key.
    pub provider: String,
    /// Who.
    #[serde(flatten)]
    pub who: RecipientJson,
    /// The group that leaves them out.
    pub by: String,
    /// The word that does.
    pub place: PlaceJson,
}

/// `group list --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle groups")]
pub struct GroupsJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The declared groups, by name.
    pub groups: Vec<GroupLineJson>,
}

/// One group of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupLineJson {
    /// The group.
    pub address: String,
    /// What it is for; empty when nothing is said.
    pub description: String,
    /// Where it is declared.
    pub place: PlaceJson,
    /// How many there are at all providers.
    pub count: CountJson,
    /// How many there are at each, by the provider's key.
    pub providers: BTreeMap<String, CountJson>,
    /// The groups that it includes.
    pub include: Vec<String>,
}

impl CountJson {
    fn add(&mut self, recipient: &Recipient) {
        match recipient {
            Recipient::Everyone => self.everyone = true,
            other if other.is_person() => self.people += 1,
            _ => self.departments += 1,
        }
    }
}

impl From<&Recipient> for RecipientJson {
    fn from(recipient: &Recipient) -> Self {
        Self {
            kind: recipient.word().to_owned(),
            id: recipient.id().map(str::to_owned),
        }
    }
}

pub(super) fn place(lines: &mut Lines<'_>, span: Span) -> PlaceJson {
    let (place, _) = lines.place(span.file, span.start);
    PlaceJson {
        file: lines.file(span.file).to_owned(),
        line: place.line,
        column: place.column,
    }
}

/// Who is in one group, and why.
pub(super) fn group(
    manifest: &Manifest,
    group: &RecipientGroup,
    resolution: &Resolution<'_>,
    sources: &Sources,
) -> GroupJson {
    let lines = &mut Lines::new(sources);
    let name = group.address.name.as_str();
    let mut count = CountJson::default();
    let mut providers: Vec<AtProviderJson> = Vec::new();
    let mut last = None;
    for member in resolution.members(name) {
        if providers
            .last()
            .is_none_or(|p| p.provider != member.provider.as_str())
        {
            providers.push(AtProviderJson {
                provider: member.provider.to_string(),
                vendor: manifest.providers[member.provider]
                    .vendor
                    .as_str()
                    .to_owned(),
                user_group: group
                    .user_groups
                    .get(member.provider)
                    .map(|kept| kept.name.clone()),
                count: CountJson::default(),
                members: Vec::new(),
            });
        }
        let at = providers.last_mut().expect("one was pushed");
        let who = Some((member.provider, member.recipient));
        if last != who {
            last = who;
            at.count.add(member.recipient);
            count.add(member.recipient);
        }
        let origins = resolution.origins(name, member.provider, member.recipient);
        let from = origins
            .into_iter()
            .map(|Origin { through, span }| OriginJson {
                through: through.into_iter().map(ToString::to_string).collect(),
                place: place(lines, span),
            });
        at.members.push(MemberJson {
            who: member.recipient.into(),
            except: member.except.into_iter().map(RecipientJson::from).collect(),
            from: from.collect(),
        });
    }
    GroupJson {
        format_version: FORMAT_VERSION,
        address: group.address.to_string(),
        description: group.description.clone(),
        place: place(lines, group.span),
        count,
        providers,
        left_out: left_out(manifest, group, lines),
    }
}

/// Whom a group and those that it includes leave out, its own first.
fn left_out(
    manifest: &Manifest,
    group: &RecipientGroup,
    lines: &mut Lines<'_>,
) -> Vec<LeftOutJson> {
    let mut all = Vec::new();
    let mut seen = HashSet::from([&group.address.name]);
    let mut queue = VecDeque::from([group]);
    while let Some(group) = queue.pop_front() {
        for (provider, recipients) in &group.exclude {
            all.extend(recipients.iter().map(|(recipient, span)| LeftOutJson {
                provider: provider.to_string(),
                who: recipient.into(),
                by: group.address.name.to_string(),
                place: place(lines, *span),
            }));
        }
        let next = group.include.keys().filter(|name| seen.insert(*name));
        queue.extend(next.filter_map(|name| manifest.groups.get(name)));
    }
    all
}

/// Every group with its counts.
pub(super) fn groups(
    manifest: &Manifest,
    resolution: &Resolution<'_>,
    sources: &Sources,
) -> GroupsJson {
    let lines = &mut Lines::new(sources);
    let groups = manifest.groups.iter().map(|(name, group)| {
        let (count, providers) = counts(resolution, name);
        GroupLineJson {
            address: group.address.to_string(),
            description: group.description.clone(),
            place: place(lines, group.span),
            count,
            providers,
            include: group.include.keys().map(ToString::to_string).collect(),
        }
    });
    GroupsJson {
        format_version: FORMAT_VERSION,
        groups: groups.collect(),
    }
}

fn counts(resolution: &Resolution<'_>, name: &Name) -> (CountJson, BTreeMap<String, CountJson>) {
    let mut all = CountJson::default();
    let mut providers: BTreeMap<String, CountJson> = BTreeMap::new();
    let mut last = None;
    for member in resolution.members(name.as_str()) {
        let who = Some((member.provider, member.recipient));
        if last == who {
            continue;
        }
        last = who;
        all.add(member.recipient);
        let provider = member.provider.to_string();
        providers.entry(provider).or_default().add(member.recipient);
    }
    (all, providers)
}
