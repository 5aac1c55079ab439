//! The diff: desired, applied and live in, one plan out.
//!
//! Identity comes first (which live object does a resource stand for?), then the three-way
//! comparison of its fields, then what is left over on either side. The rows of the tables are in
//! the project's design, sections 2 and 3; each is a test in `tests/it/plan.rs`.
//!
//! This file holds what goes in and the walk; the other files are the steps of it: `registered` groups,
//! `kept` chats and user groups, what is `declared` of them, with their `members`, subscriptions by `identity` and `compare`, what is
//! left over (`leftovers`), and the order that they need (`chats_first`, `room`).

mod chats_first;
mod compare;
mod declared;
mod identity;
mod kept;
mod leftovers;
mod members;
mod registered;
mod room;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::guard::{self, Counts};
use super::live::{Binding, Claim, Kept, Object};
use super::{Action, Cause, Change, Plan, Record, Subject, Unread, Unsettled, graph};
use crate::model::manifest::{Manifest, Subscription};
use crate::model::{
    Address, ChatId, Collection, Diagnostic, Field, Fields, Kind, Name, RemoteId, Value,
};

pub use compare::applied;
pub use declared::applied_kept;

/// The most subscriptions a tasklist holds (page `tasklist-activity_subscription/create`).
pub const SUBSCRIPTIONS_PER_TASKLIST: usize = 50;

/// Everything that decides.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The desired side.
    pub manifest: &'a Manifest,
    /// The manifest's tasklist keys, looked up.
    pub tasklists: &'a BTreeMap<Name, Resolution>,
    /// The live side, by tasklist.
    pub listings: &'a BTreeMap<Collection, Listing>,
    /// The live side of what is read object by object.
    pub kept: &'a Kept,
    /// The applied side.
    pub bindings: &'a [Binding],
    /// What other projects on the ledger have bound.
    pub claims: &'a [Claim],
    /// Writes whose outcome is not known.
    pub unsettled: &'a [Unsettled],
    /// What kind of memory the bindings come from.
    pub memory: Memory,
    /// What the user asked for.
    pub choice: &'a Choice,
}

/// A tasklist key, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is this one.
    Found(Collection),
    /// It could not be looked up.
    Unread(String),
}

/// What a tasklist holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All of its subscriptions.
    Objects(Vec<Object>),
    /// It could not be read, which is not the same as empty.
    Unread(String),
}

/// What kind of memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// A ledger that has seen an apply of this project.
    Kept,
    /// A ledger that has not.
    New,
    /// `ledger: none`.
    None,
}

/// What the user asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these, when there are any.
    pub targets: Vec<Address>,
    /// Not these.
    pub excludes: Vec<Address>,
    /// Only what a change of the files can affect, where that was asked for.
    pub changed: Option<BTreeSet<Address>>,
    /// Consent to bind and change a live object of the same name.
    pub adopt: Vec<Address>,
    /// Consent to make a managed chat again that is gone.
    pub recreate: Vec<Address>,
    /// Delete all that is bound instead of following the manifest.
    pub destroy: bool,
    /// Only look: nothing will be written, so that nothing needs consent.
    pub observe: bool,
}

impl Choice {
    /// Whether a resource takes part.
    #[must_use]
    pub fn selects(&self, address: &Address) -> bool {
        let names = |list: &[Address]| list.iter().any(|a| a.covers(address));
        let affected =
            |all: &BTreeSet<Address>| all.contains(address) || all.contains(&address.resource());
        (self.targets.is_empty() || names(&self.targets))
            && !names(&self.excludes)
            && self.changed.as_ref().is_none_or(affected)
    }

    /// Whether only a part of the project is looked at.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty() || self.changed.is_some()
    }
}

/// Compares the three sides.
///
/// # Guarantees
///
/// - A delete is planned only for a bound object, or for an undeclared one in an authoritative
///   tasklist when the whole project is looked at.
/// - What stands in a tasklist that could not be read is in no change.
/// - When a diagnostic of the plan is an error, the plan must not be applied.
#[must_use]
pub fn diff(inputs: &Inputs<'_>) -> Plan {
    let mut work = Work::new(inputs);
    work.check_choice();
    if inputs.choice.destroy {
        for binding in inputs.bindings {
            work.destroy(binding);
        }
    } else {
        // What is named comes before what names it.
        work.registered();
        work.kept();
        for subscription in &inputs.manifest.subscriptions {
            work.subscription(subscription);
        }
        work.leftover_bindings();
        work.leftover_objects();
        work.room();
        work.new_ledger();
    }
    work.chats_first();
    if !inputs.choice.destroy {
        work.renamed_blocks();
    }
    work.finish()
}

/// A create that may turn out to be one half of a replace.
struct Pending<'a> {
    subscription: &'a Subscription,
    collection: &'a Collection,
    fields: Fields,
    cause: Cause,
}

struct Work<'a> {
    inputs: &'a Inputs<'a>,
    plan: Plan,
    /// Bindings by resource and tasklist: an instance's key is only a label.
    by_resource: HashMap<(&'a Name, &'a Collection), &'a Binding>,
    by_object: HashMap<(&'a Collection, &'a RemoteId), &'a Binding>,
    by_address: HashMap<&'a Address, &'a Binding>,
    /// The ids of managed chats, by what stands for them in the manifest.
    chat_ids: HashMap<ChatId, ChatId>,
    /// Managed chats without an id and without a change that gives them one, with why.
    unknown_chats: HashMap<ChatId, String>,
    claims: HashMap<(&'a Collection, &'a RemoteId), &'a Claim>,
    /// Addresses of bindings that a declared subscription stands for.
    matched: HashSet<&'a Address>,
    /// Live objects that are not bound and that a resource stands for.
    taken: HashSet<(&'a Collection, &'a RemoteId)>,
    names: HashMap<(&'a Collection, &'a str), &'a Subscription>,
    unread: HashSet<Address>,
    creates: Vec<Pending<'a>>,
    name_matches: usize,
    /// How many chats are let go of because their blocks are gone.
    let_go: usize,
}

impl<'a> Work<'a> {
    fn new(inputs: &'a Inputs<'a>) -> Self {
        Self {
            inputs,
            plan: Plan {
                unsettled: inputs.unsettled.to_vec(),
                ..Plan::default()
            },
            by_resource: inputs
                .bindings
                .iter()
                .filter(|b| b.address.kind == Kind::TasklistSubscription)
                .map(|b| ((&b.address.name, &b.collection), b))
                .collect(),
            by_object: inputs
                .bindings
                .iter()
                .map(|b| ((&b.collection, &b.id), b))
                .collect(),
            by_address: inputs.bindings.iter().map(|b| (&b.address, b)).collect(),
            chat_ids: HashMap::new(),
            unknown_chats: HashMap::new(),
            claims: inputs
                .claims
                .iter()
                .map(|c| ((&c.collection, &c.id), c))
                .collect(),
            matched: HashSet::with_capacity(inputs.bindings.len()),
            taken: HashSet::new(),
            names: HashMap::with_capacity(inputs.manifest.subscriptions.len()),
            unread: HashSet::new(),
            creates: Vec::new(),
            name_matches: 0,
            let_go: 0,
        }
    }

    /// A flag that names nothing is a mistake, and silence about it would look like success.
    fn check_choice(&mut self) {
        let choice = self.inputs.choice;
        let declared = &self.inputs.manifest.subscriptions;
        for (flag, list) in [
            ("--target", &choice.targets),
            ("--exclude", &choice.excludes),
            ("--adopt", &choice.adopt),
            ("--recreate", &choice.recreate),
        ] {
            for address in list {
                let known = declared.iter().any(|s| address.covers(&s.address))
                    || self.is_declared(address)
                    || self
                        .inputs
                        .bindings
                        .iter()
                        .any(|b| address.covers(&b.address));
                if !known {
                    self.plan.diagnostics.push(
                        Diagnostic::error(
                            "unknown-address",
                            None,
                            format!("`{flag} {address}` names nothing that is declared or bound"),
                        )
                        .help("`beadle state list` shows what is bound.")
                        .address(address.clone()),
                    );
                }
            }
        }
    }

    /// Whether a chat or a group is declared at an address.
    fn is_declared(&self, address: &Address) -> bool {
        let manifest = self.inputs.manifest;
        match address.kind {
            Kind::Chat => {
                address.instance.is_none() && manifest.managed_chats.contains_key(&address.name)
            }
            Kind::RecipientGroup => manifest.groups.get(&address.name).is_some_and(|group| {
                let instance = address.instance.as_ref();
                instance.is_none_or(|key| group.user_groups.contains_key(key))
            }),
            Kind::RecurringNotice => {
                address.instance.is_none() && manifest.notices.contains_key(&address.name)
            }
            Kind::TasklistSubscription => false,
        }
    }

    /// The values that a subscription should have, its chats by the ids that are known.
    ///
    /// # Errors
    ///
    /// When a chat has no id and gets none from this plan, in words.
    fn desired(&self, subscription: &Subscription) -> Result<Fields, String> {
        let mut fields = subscription.fields();
        if self.inputs.manifest.managed_chats.is_empty() {
            return Ok(fields);
        }
        let chats = subscription.subscribers.keys();
        let unknown = chats.clone().find_map(|chat| self.unknown_chats.get(chat));
        if let Some(why) = unknown {
            return Err(why.clone());
        }
        let chats = chats.map(|chat| self.chat_ids.get(chat).unwrap_or(chat).clone());
        fields.set(Field::Subscribers, Value::Chats(chats.collect()));
        Ok(fields)
    }

    /// The subscription of that name, or all of its instances.
    fn declared(&self, name: &Name) -> &'a [Subscription] {
        let all = &self.inputs.manifest.subscriptions;
        let from = all.partition_point(|s| s.address.name < *name);
        let count = all[from..].iter().take_while(|s| s.address.name == *name);
        &all[from..from + count.count()]
    }

    fn is_unsettled(&self, address: &Address) -> bool {
        self.inputs
            .unsettled
            .iter()
            .any(|u| u.address.as_ref() == Some(address))
    }

    fn unread(&mut self, address: &Address, why: &str) {
        if self.unread.insert(address.clone()) {
            self.plan.unread.push(Unread {
                address: address.clone(),
                why: why.to_owned(),
            });
        }
    }

    fn subscription(&mut self, subscription: &'a Subscription) {
        let address = &subscription.address;
        let selected = self.inputs.choice.selects(address);
        let resolution = self.inputs.tasklists.get(&subscription.tasklist);
        let Some(Resolution::Found(collection)) = resolution else {
            // Which tasklist it is cannot be known, so neither can which binding is its own.
            for binding in self.inputs.bindings {
                if binding.address.name == address.name {
                    self.matched.insert(&binding.address);
                }
            }
            if selected {
                match resolution {
                    Some(Resolution::Unread(why)) => self.unread(address, why),
                    _ => self.unread(address, "its tasklist was not looked up"),
                }
            }
            return;
        };
        let binding = self.binding_of(subscription, collection);
        if let Some(binding) = binding {
            self.matched.insert(&binding.address);
        }
        if !selected {
            return;
        }
        if let Some(binding) = binding.filter(|b| b.address != *address) {
            let (from, to) = (binding.address.clone(), address.clone());
            self.plan.records.push(Record::Move { from, to });
        }
        let objects = match self.inputs.listings.get(collection) {
            Some(Listing::Objects(objects)) => objects,
            Some(Listing::Unread(why)) => return self.unread(address, why),
            None => return self.unread(address, "its tasklist was not read"),
        };
        if self.is_unsettled(address) {
            return;
        }
        if let Some(other) = self
            .names
            .insert((collection, &subscription.name), subscription)
        {
            self.plan.diagnostics.push(
                Diagnostic::error(
                    "duplicate-name",
                    subscription.span,
                    format!(
                        "{address} and {} have one name, `{}`, in one tasklist",
                        other.address, subscription.name
                    ),
                )
                .related(other.span, "the other one")
                .address(address.clone())
                .help("Give one of them another `name`."),
            );
            return;
        }
        let desired = match self.desired(subscription) {
            Ok(desired) => desired,
            Err(why) => return self.unread(address, &why),
        };
        self.identify(subscription, collection, objects, binding, desired);
    }

    fn error(
        &mut self,
        subscription: &Subscription,
        code: &'static str,
        summary: impl Into<String>,
        help: impl Into<String>,
    ) {
        let span = match code {
            "pin-gone" | "pinned-elsewhere" | "bound-elsewhere" => subscription.id_span,
            _ => subscription.span,
        };
        self.plan.diagnostics.push(
            Diagnostic::error(code, span, summary)
                .address(subscription.address.clone())
                .help(help),
        );
    }

    fn provider_of(&self, subscription: &Subscription) -> Name {
        self.inputs.manifest.tasklists[&subscription.tasklist]
            .provider
            .clone()
    }

    fn change(
        &self,
        subscription: &Subscription,
        collection: &Collection,
        action: Action,
        cause: Cause,
    ) -> Change {
        Change {
            subject: Subject::Resource(subscription.address.clone()),
            provider: self.provider_of(subscription),
            collection: collection.clone(),
            action,
            cause,
            requires: Vec::new(),
            because: Vec::new(),
            protect: subscription.protect,
        }
    }

    fn new_ledger(&mut self) {
        if self.inputs.memory == Memory::New && self.name_matches > 0 {
            self.plan.diagnostics.push(
                Diagnostic::warning(
                    "new-ledger",
                    None,
                    format!(
                        "this ledger is new, and {} live {} by name",
                        self.name_matches,
                        if self.name_matches == 1 { "object matches" } else { "objects match" },
                    ),
                )
                .help("Which objects an earlier ledger had bound cannot be known: what was declared then and is not now shows as foreign and stays."),
            );
        }
    }

    fn finish(mut self) -> Plan {
        let inputs = self.inputs;
        let authoritative: BTreeMap<Collection, usize> = inputs
            .tasklists
            .iter()
            .filter(|(key, _)| {
                inputs
                    .manifest
                    .tasklists
                    .get(*key)
                    .is_some_and(|t| t.authoritative)
            })
            .filter_map(|(_, resolution)| match resolution {
                Resolution::Found(guid) => Some(guid),
                Resolution::Unread(_) => None,
            })
            .filter_map(|guid| match inputs.listings.get(guid) {
                Some(Listing::Objects(objects)) => Some((guid.clone(), objects.len())),
                _ => None,
            })
            .collect();
        if inputs.choice.destroy {
            // Whoever destroys wants everything deleted; what was said in a chat is more than that.
            self.plan
                .refusals
                .extend(guard::dissolves(&self.plan.changes));
        } else {
            let counts = Counts {
                bound: inputs.bindings.len(),
                declared: inputs.manifest.resources(),
                let_go: self.let_go,
                authoritative: &authoritative,
            };
            let refusals = guard::check(&self.plan.changes, &counts, &inputs.manifest.guards);
            self.plan.refusals.extend(refusals);
        }
        self.plan.unread.sort_by(|a, b| a.address.cmp(&b.address));
        self.plan.changes = match graph::order(self.plan.changes) {
            Ok(changes) => changes,
            Err(cycle) => {
                let names: Vec<_> = cycle.0.iter().map(ToString::to_string).collect();
                self.plan.diagnostics.push(Diagnostic::error(
                    "cycle",
                    None,
                    format!("these wait for each other: {}", names.join(" → ")),
                ));
                Vec::new()
            }
        };
        self.plan
    }
}
