//! The diff: desired, applied and live in, one plan out.
//!
//! Identity comes first (which live object does a resource stand for?), then the three-way
//! comparison of its fields, then what is left over on either side. The rows of the tables are in
//! the project's design, sections 2 and 3; each is a test in `tests/it/plan.rs`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::guard::{self, Counts};
use super::live::{Binding, Claim, Object};
use super::{
    Action, Cause, Change, FieldChange, Foreign, Plan, Record, Refusal, Subject, Unread, Unsettled,
    graph,
};
use crate::model::manifest::{Manifest, Subscription};
use crate::model::{Address, Diagnostic, Field, Fields, Name, RemoteId, Span, TasklistGuid, Value};

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
    pub listings: &'a BTreeMap<TasklistGuid, Listing>,
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
    Found(TasklistGuid),
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
    /// Consent to bind and change a live object of the same name.
    pub adopt: Vec<Address>,
    /// Delete all that is bound instead of following the manifest.
    pub destroy: bool,
}

impl Choice {
    /// Whether a resource takes part.
    #[must_use]
    pub fn selects(&self, address: &Address) -> bool {
        let names = |list: &[Address]| list.iter().any(|a| a.covers(address));
        (self.targets.is_empty() || names(&self.targets)) && !names(&self.excludes)
    }

    /// Whether only a part of the project is looked at.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty()
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
        for subscription in &inputs.manifest.subscriptions {
            work.subscription(subscription);
        }
        work.leftover_bindings();
        work.leftover_objects();
        work.room();
        work.new_ledger();
    }
    work.finish()
}

/// A create that may turn out to be one half of a replace.
struct Pending<'a> {
    subscription: &'a Subscription,
    tasklist: &'a TasklistGuid,
    fields: Fields,
    cause: Cause,
}

struct Work<'a> {
    inputs: &'a Inputs<'a>,
    plan: Plan,
    /// Bindings by resource and tasklist: an instance's key is only a label.
    by_resource: HashMap<(&'a Name, &'a TasklistGuid), &'a Binding>,
    by_object: HashMap<(&'a TasklistGuid, &'a RemoteId), &'a Binding>,
    claims: HashMap<(&'a TasklistGuid, &'a RemoteId), &'a Claim>,
    /// Addresses of bindings that a declared subscription stands for.
    matched: HashSet<&'a Address>,
    /// Live objects that are not bound and that a resource stands for.
    taken: HashSet<(&'a TasklistGuid, &'a RemoteId)>,
    names: HashMap<(&'a TasklistGuid, &'a str), &'a Subscription>,
    unread: HashSet<Address>,
    creates: Vec<Pending<'a>>,
    name_matches: usize,
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
                .map(|b| ((&b.address.name, &b.tasklist), b))
                .collect(),
            by_object: inputs
                .bindings
                .iter()
                .map(|b| ((&b.tasklist, &b.id), b))
                .collect(),
            claims: inputs
                .claims
                .iter()
                .map(|c| ((&c.tasklist, &c.id), c))
                .collect(),
            matched: HashSet::with_capacity(inputs.bindings.len()),
            taken: HashSet::new(),
            names: HashMap::with_capacity(inputs.manifest.subscriptions.len()),
            unread: HashSet::new(),
            creates: Vec::new(),
            name_matches: 0,
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
        ] {
            for address in list {
                let known = declared.iter().any(|s| address.covers(&s.address))
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
        let Some(Resolution::Found(tasklist)) = resolution else {
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
        let binding = self.binding_of(subscription, tasklist);
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
        let objects = match self.inputs.listings.get(tasklist) {
            Some(Listing::Objects(objects)) => objects,
            Some(Listing::Unread(why)) => return self.unread(address, why),
            None => return self.unread(address, "its tasklist was not read"),
        };
        if self.is_unsettled(address) {
            return;
        }
        if let Some(other) = self
            .names
            .insert((tasklist, &subscription.name), subscription)
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
        self.identify(subscription, tasklist, objects, binding);
    }

    /// The binding of a subscription, under its present or its former name.
    fn binding_of(
        &mut self,
        subscription: &'a Subscription,
        tasklist: &'a TasklistGuid,
    ) -> Option<&'a Binding> {
        let address = &subscription.address;
        let present = self.by_resource.get(&(&address.name, tasklist)).copied();
        let former = subscription
            .moved_from
            .as_ref()
            .and_then(|name| self.by_resource.get(&(name, tasklist)).copied());
        let pinned = subscription
            .id
            .as_ref()
            .and_then(|id| self.by_object.get(&(tasklist, id)).copied())
            .filter(|b| {
                b.address.name != address.name && self.declared(&b.address.name).is_empty()
            });
        match (present, former.or(pinned)) {
            (Some(_), Some(former)) => {
                self.plan.diagnostics.push(
                    Diagnostic::error(
                        "both-bound",
                        subscription.span,
                        format!(
                            "{address} and {}, its former name, are both bound in this tasklist",
                            former.address
                        ),
                    )
                    .address(address.clone())
                    .help("Remove `moved_from`, or let one go with `beadle state forget`."),
                );
                present
            }
            (present, former) => present.or(former),
        }
    }

    /// Finds the live object that a subscription stands for, and what is to be done with it.
    fn identify(
        &mut self,
        subscription: &'a Subscription,
        tasklist: &'a TasklistGuid,
        objects: &'a [Object],
        binding: Option<&'a Binding>,
    ) {
        if let (Some(binding), Some(pin)) = (binding, &subscription.id)
            && binding.id != *pin
        {
            return self.error(
                subscription,
                "pinned-elsewhere",
                format!(
                    "`id` pins {pin}, but {} is bound to {}",
                    binding.address, binding.id
                ),
                "Correct `id`, or let the binding go with `beadle state forget` first.",
            );
        }
        if let Some(binding) = binding {
            if let Some(object) = objects.iter().find(|o| o.id == binding.id) {
                return self.bound(subscription, tasklist, object, binding);
            }
            if subscription.id.is_some() {
                return self.pin_gone(subscription);
            }
        } else if let Some(pin) = &subscription.id {
            let Some(object) = objects.iter().find(|o| o.id == *pin) else {
                return self.pin_gone(subscription);
            };
            if self.refuse_claimed(subscription, tasklist, object) {
                return;
            }
            return self.adopt(subscription, tasklist, object);
        }
        let cause = match (binding, self.inputs.memory) {
            (Some(_), _) => Cause::Vanished,
            (None, Memory::None) => Cause::Differs,
            (None, _) => Cause::Ahead,
        };
        self.by_name(subscription, tasklist, objects, cause);
    }

    fn pin_gone(&mut self, subscription: &Subscription) {
        let id = subscription
            .id
            .as_ref()
            .expect("only called for pinned ones");
        self.error(
            subscription,
            "pin-gone",
            format!("the object that `id` pins is gone: {id} is not in the tasklist"),
            "Remove `id` to have it created again under a new id.",
        );
    }

    /// Says so when another resource or another project owns the object.
    fn refuse_claimed(
        &mut self,
        subscription: &Subscription,
        tasklist: &TasklistGuid,
        object: &Object,
    ) -> bool {
        let key = (tasklist, &object.id);
        let owner = match (self.by_object.get(&key), self.claims.get(&key)) {
            (Some(binding), _) => format!("{} of this project", binding.address),
            (None, Some(claim)) => format!("{} of project `{}`", claim.address, claim.project),
            (None, None) => return false,
        };
        self.error(
            subscription,
            "bound-elsewhere",
            format!("{} is bound to {owner}, and so cannot be {} too", object.id, subscription.address),
            "An object has one owner: remove one of the two declarations, or let the binding go with `beadle state forget` there.",
        );
        true
    }

    /// A live object of the same name may be ours from before the ledger was lost.
    fn by_name(
        &mut self,
        subscription: &'a Subscription,
        tasklist: &'a TasklistGuid,
        objects: &'a [Object],
        cause: Cause,
    ) {
        let find = |name: &str| -> Vec<&'a Object> {
            objects
                .iter()
                .filter(|o| o.fields.name() == Some(name))
                .filter(|o| !self.by_object.contains_key(&(tasklist, &o.id)))
                .collect()
        };
        let mut found = find(&subscription.name);
        if found.is_empty()
            && let Some(former) = &subscription.moved_from
        {
            found = find(former.as_str());
        }
        match found.as_slice() {
            [] => self.creates.push(Pending {
                subscription,
                tasklist,
                fields: subscription.fields(),
                cause,
            }),
            [object] => {
                if self.refuse_claimed(subscription, tasklist, object) {
                    return;
                }
                self.name_matches += 1;
                let differs =
                    !compare(subscription, &subscription.fields(), None, &object.fields).is_empty();
                let consent = self.inputs.memory == Memory::None
                    || self
                        .inputs
                        .choice
                        .adopt
                        .iter()
                        .any(|a| a.covers(&subscription.address));
                if differs && !consent {
                    let name = object.fields.name().unwrap_or_default();
                    return self.error(
                        subscription,
                        "adopt-needs-consent",
                        format!("the tasklist already holds a subscription named `{name}`, which is not bound and differs"),
                        format!(
                            "To take it over and change it, write `id: {}` or pass `--adopt {}`; to leave it alone, give this one another `name`.",
                            object.id, subscription.address
                        ),
                    );
                }
                self.adopt(subscription, tasklist, object);
            }
            several => {
                let ids: Vec<_> = several.iter().map(|o| o.id.to_string()).collect();
                self.error(
                    subscription,
                    "ambiguous-name",
                    format!(
                        "the tasklist holds {} subscriptions of this name: {}",
                        several.len(),
                        ids.join(", ")
                    ),
                    "Say which one is meant with `id`.",
                );
            }
        }
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
        tasklist: &TasklistGuid,
        action: Action,
        cause: Cause,
    ) -> Change {
        Change {
            subject: Subject::Resource(subscription.address.clone()),
            provider: self.provider_of(subscription),
            tasklist: tasklist.clone(),
            action,
            cause,
            requires: Vec::new(),
            protect: subscription.protect,
        }
    }

    /// Says so when the provider is no longer the app that the binding was made with.
    fn refuse_other_app(
        &mut self,
        binding: &Binding,
        provider: &Name,
        span: impl Into<Option<Span>>,
    ) -> bool {
        let Some(known) = self.inputs.manifest.providers.get(provider) else {
            return false;
        };
        if known.app == binding.app {
            return false;
        }
        let summary = format!(
            "{} was made with app {}, and provider `{provider}` is app {}",
            binding.address, binding.app, known.app
        );
        self.plan.diagnostics.push(
            Diagnostic::error("other-app", span, summary)
                .address(binding.address.clone())
                .help("Objects of one project are kept with one app: restore the app, or let the binding go with `beadle state forget` and adopt the object with `id`."),
        );
        true
    }

    /// The resource is bound and its object is there.
    fn bound(
        &mut self,
        subscription: &'a Subscription,
        tasklist: &'a TasklistGuid,
        object: &'a Object,
        binding: &'a Binding,
    ) {
        let provider = &self.inputs.manifest.tasklists[&subscription.tasklist].provider;
        if self.refuse_other_app(binding, provider, subscription.span) {
            return;
        }
        if binding.protect != subscription.protect {
            let protection = (subscription.address.clone(), subscription.protect);
            self.plan.protections.push(protection);
        }
        let desired = subscription.fields();
        let fields = compare(
            subscription,
            &desired,
            Some(&binding.applied),
            &object.fields,
        );
        if fields.is_empty() {
            let applied = applied(subscription, desired);
            let known = binding.provider == *provider
                && binding.applied == applied
                && binding.protect == subscription.protect;
            if !known {
                self.record(subscription, tasklist, object, applied, false);
            }
            return;
        }
        let cause = Cause::of(&fields);
        let action = Action::Update {
            id: object.id.clone(),
            live: Some(object.fields.clone()),
            fields,
        };
        self.plan
            .changes
            .push(self.change(subscription, tasklist, action, cause));
    }

    /// The resource is not bound, and this live object is to be its own.
    fn adopt(
        &mut self,
        subscription: &'a Subscription,
        tasklist: &'a TasklistGuid,
        object: &'a Object,
    ) {
        self.taken.insert((tasklist, &object.id));
        let desired = subscription.fields();
        let fields = compare(subscription, &desired, None, &object.fields);
        if fields.is_empty() {
            let applied = applied(subscription, desired);
            return self.record(subscription, tasklist, object, applied, true);
        }
        let (id, live) = (object.id.clone(), Some(object.fields.clone()));
        let action = match self.inputs.memory {
            // Nothing is bound there, so nothing is taken over either.
            Memory::None => Action::Update { id, live, fields },
            Memory::Kept | Memory::New => Action::Adopt { id, live, fields },
        };
        self.plan
            .changes
            .push(self.change(subscription, tasklist, action, Cause::Differs));
    }

    fn record(
        &mut self,
        subscription: &Subscription,
        tasklist: &TasklistGuid,
        object: &Object,
        applied: Fields,
        new: bool,
    ) {
        if self.inputs.memory == Memory::None {
            return;
        }
        self.plan.records.push(Record::Bind {
            address: subscription.address.clone(),
            provider: self.provider_of(subscription),
            tasklist: tasklist.clone(),
            id: object.id.clone(),
            applied,
            protect: subscription.protect,
            new,
        });
    }

    /// What is bound and no longer declared, and the creates that may be its other half.
    fn leftover_bindings(&mut self) {
        let inputs = self.inputs;
        let mut orphans: Vec<&'a Binding> = Vec::new();
        for binding in inputs.bindings {
            if self.matched.contains(&binding.address)
                || self.forgotten(binding)
                || !inputs.choice.selects(&binding.address)
                || self.is_unsettled(&binding.address)
            {
                continue;
            }
            orphans.push(binding);
        }
        for (address, span) in &inputs.manifest.forget {
            if !inputs.bindings.iter().any(|b| address.covers(&b.address)) {
                self.plan.diagnostics.push(
                    Diagnostic::warning(
                        "forget-nothing",
                        *span,
                        format!("`forget` names {address}, which is not bound"),
                    )
                    .address(address.clone())
                    .help("Remove the entry once every machine has applied it."),
                );
            }
        }

        let moves = self.moves(&orphans);
        let mut creates: Vec<_> = std::mem::take(&mut self.creates)
            .into_iter()
            .map(Some)
            .collect();
        for orphan in orphans {
            let moved = moves.get(&orphan.address.name);
            match moved.and_then(|at| creates[*at].take()) {
                Some(create) => self.replace(create, orphan),
                None => self.delete(orphan),
            }
        }
        for create in creates.into_iter().flatten() {
            let action = Action::Create {
                desired: create.fields,
            };
            let change = self.change(create.subscription, create.tasklist, action, create.cause);
            self.plan.changes.push(change);
        }
    }

    /// The creates that move house, by name: the one instance that is declared is to be created, and one
    /// is bound elsewhere.
    fn moves(&self, orphans: &[&'a Binding]) -> HashMap<&'a Name, usize> {
        let mut bound: HashMap<&Name, usize> = HashMap::new();
        for orphan in orphans {
            *bound.entry(&orphan.address.name).or_default() += 1;
        }
        self.creates
            .iter()
            .enumerate()
            .filter(|(_, create)| create.cause != Cause::Vanished)
            .map(|(at, create)| (&create.subscription.address.name, at))
            .filter(|(name, _)| bound.get(name) == Some(&1) && self.declared(name).len() == 1)
            .collect()
    }

    fn live(&self, binding: &Binding) -> Result<Option<&'a Object>, &'a str> {
        match self.inputs.listings.get(&binding.tasklist) {
            Some(Listing::Objects(objects)) => Ok(objects.iter().find(|o| o.id == binding.id)),
            Some(Listing::Unread(why)) => Err(why),
            None => Err("its tasklist was not read"),
        }
    }

    fn binding_change(binding: &Binding, action: Action, cause: Cause) -> Change {
        Change {
            subject: Subject::Resource(binding.address.clone()),
            provider: binding.provider.clone(),
            tasklist: binding.tasklist.clone(),
            action,
            cause,
            requires: Vec::new(),
            protect: false,
        }
    }

    /// Whether the manifest lets go of a binding; plans it if so.
    fn forgotten(&mut self, binding: &'a Binding) -> bool {
        if !self
            .inputs
            .manifest
            .forget
            .iter()
            .any(|(address, _)| address.covers(&binding.address))
        {
            return false;
        }
        if self.inputs.choice.selects(&binding.address) {
            let live = self.live(binding).ok().flatten().map(|o| o.fields.clone());
            self.refuse_forget_for_a_day(binding, live.as_ref());
            let action = Action::Forget {
                id: binding.id.clone(),
                live,
            };
            self.plan
                .changes
                .push(Self::binding_change(binding, action, Cause::Ahead));
        }
        true
    }

    /// In an authoritative tasklist what is let go today is undeclared, and deleted, tomorrow.
    fn refuse_forget_for_a_day(&mut self, binding: &Binding, live: Option<&Fields>) {
        let name = live.and_then(Fields::name).unwrap_or_default();
        let owner = self.inputs.tasklists.iter().find_map(|(key, resolution)| {
            let tasklist = self.inputs.manifest.tasklists.get(key)?;
            let here = *resolution == Resolution::Found(binding.tasklist.clone());
            let deletes = tasklist.authoritative && !tasklist.keep.iter().any(|k| matches(k, name));
            (here && deletes && live.is_some()).then_some(key)
        });
        if let Some(key) = owner {
            let summary = format!(
                "{} cannot be let go: tasklist `{key}` is authoritative, so its object would be deleted next",
                binding.address
            );
            let span = self
                .inputs
                .manifest
                .forget
                .iter()
                .find(|(a, _)| a.covers(&binding.address));
            self.plan.diagnostics.push(
                Diagnostic::error("forget-authoritative", span.map(|(_, span)| *span), summary)
                    .address(binding.address.clone())
                    .help(format!(
                        "Add a pattern for `{name}` to the tasklist's `keep`."
                    )),
            );
        }
    }

    fn replace(&mut self, create: Pending<'a>, orphan: &'a Binding) {
        let object = match self.live(orphan) {
            Ok(Some(object)) => object,
            Ok(None) => {
                // Nothing is left to delete, and a create at the same address takes the binding over.
                if orphan.address != create.subscription.address {
                    self.delete(orphan);
                }
                let action = Action::Create {
                    desired: create.fields,
                };
                let change =
                    self.change(create.subscription, create.tasklist, action, Cause::Ahead);
                self.plan.changes.push(change);
                return;
            }
            Err(why) => return self.unread(&create.subscription.address, why),
        };
        if create.subscription.protect || orphan.protect {
            self.plan.refusals.push(Refusal::Protected {
                address: create.subscription.address.clone(),
                block_gone: false,
            });
        }
        let action = Action::Replace {
            old_tasklist: orphan.tasklist.clone(),
            old_provider: orphan.provider.clone(),
            id: orphan.id.clone(),
            live: Some(object.fields.clone()),
            desired: create.fields,
        };
        let change = self.change(create.subscription, create.tasklist, action, Cause::Ahead);
        self.plan.changes.push(change);
    }

    fn delete(&mut self, binding: &'a Binding) {
        let object = match self.live(binding) {
            Ok(Some(object)) => object,
            Ok(None) => {
                let action = Action::Forget {
                    id: binding.id.clone(),
                    live: None,
                };
                self.plan
                    .changes
                    .push(Self::binding_change(binding, action, Cause::Vanished));
                return;
            }
            Err(why) => return self.unread(&binding.address, why),
        };
        if self.refuse_other_app(binding, &binding.provider, None) {
            return;
        }
        if binding.protect {
            self.plan.refusals.push(Refusal::Protected {
                address: binding.address.clone(),
                block_gone: true,
            });
        }
        let action = Action::Delete {
            id: binding.id.clone(),
            live: Some(object.fields.clone()),
        };
        self.plan
            .changes
            .push(Self::binding_change(binding, action, Cause::Ahead));
    }

    fn destroy(&mut self, binding: &'a Binding) {
        if !self.inputs.choice.selects(&binding.address) || self.is_unsettled(&binding.address) {
            return;
        }
        // A block that is there speaks for itself; without one the ledger remembers.
        let declared = self.declared(&binding.address.name).first();
        if declared.map_or(binding.protect, |s| s.protect) {
            self.plan.kept.push(binding.address.clone());
        } else {
            if self.refuse_other_app(binding, &binding.provider, None) {
                return;
            }
            match self.live(binding) {
                Ok(Some(object)) => {
                    let action = Action::Delete {
                        id: binding.id.clone(),
                        live: Some(object.fields.clone()),
                    };
                    self.plan
                        .changes
                        .push(Self::binding_change(binding, action, Cause::Ahead));
                }
                Ok(None) => {
                    let action = Action::Forget {
                        id: binding.id.clone(),
                        live: None,
                    };
                    self.plan
                        .changes
                        .push(Self::binding_change(binding, action, Cause::Vanished));
                }
                Err(why) => self.unread(&binding.address, why),
            }
        }
    }

    /// What is live and stands for nothing: listed, and deleted only where the tasklist is ours alone.
    fn leftover_objects(&mut self) {
        let inputs = self.inputs;
        let mut keys: HashMap<&TasklistGuid, &Name> = HashMap::new();
        for (key, resolution) in inputs.tasklists {
            if let Resolution::Found(guid) = resolution {
                keys.insert(guid, key);
            }
        }
        for (tasklist, listing) in inputs.listings {
            let Listing::Objects(objects) = listing else {
                continue;
            };
            let key = keys.get(tasklist).copied();
            let declared = key.and_then(|key| inputs.manifest.tasklists.get(key));
            let may_delete = declared.is_some_and(|t| t.authoritative)
                && !inputs.choice.is_partial()
                && !inputs.unsettled.iter().any(|u| u.tasklist == *tasklist);
            for object in objects {
                let here = (tasklist, &object.id);
                if self.taken.contains(&here) || self.by_object.contains_key(&here) {
                    continue;
                }
                let name = object.fields.name().unwrap_or_default();
                let project = self.claims.get(&here).map(|c| c.project.clone());
                let kept_by = declared.filter(|t| t.authoritative).and_then(|t| {
                    t.keep
                        .iter()
                        .find(|pattern| matches(pattern, name))
                        .cloned()
                });
                if let (true, None, None, Some(tasklist_of)) =
                    (may_delete, &project, &kept_by, declared)
                {
                    self.plan.changes.push(Change {
                        subject: Subject::Foreign(tasklist.clone(), object.id.clone()),
                        provider: tasklist_of.provider.clone(),
                        tasklist: tasklist.clone(),
                        action: Action::Delete {
                            id: object.id.clone(),
                            live: Some(object.fields.clone()),
                        },
                        cause: Cause::Foreign,
                        requires: Vec::new(),
                        protect: false,
                    });
                } else {
                    self.plan.foreign.push(Foreign {
                        tasklist_key: key.cloned(),
                        tasklist: tasklist.clone(),
                        id: object.id.clone(),
                        name: name.to_owned(),
                        project,
                        kept_by,
                    });
                }
            }
        }
    }

    /// The vendor's limit on a tasklist: over it is an error, and close to it deletes go first.
    fn room(&mut self) {
        let mut creates: HashMap<&TasklistGuid, usize> = HashMap::new();
        let mut deletes: HashMap<&TasklistGuid, Vec<Subject>> = HashMap::new();
        for change in &self.plan.changes {
            match &change.action {
                Action::Create { .. } | Action::Replace { .. } => {
                    *creates.entry(&change.tasklist).or_default() += 1;
                }
                Action::Delete { .. } => {
                    deletes
                        .entry(&change.tasklist)
                        .or_default()
                        .push(change.subject.clone());
                }
                _ => {}
            }
        }
        let mut first: HashMap<TasklistGuid, Vec<Subject>> = HashMap::new();
        let mut full = Vec::new();
        for (tasklist, new) in creates {
            let Some(Listing::Objects(objects)) = self.inputs.listings.get(tasklist) else {
                continue;
            };
            if objects.len() + new <= SUBSCRIPTIONS_PER_TASKLIST {
                continue;
            }
            let gone = deletes.remove(tasklist).unwrap_or_default();
            let total = objects.len() + new - gone.len();
            if total <= SUBSCRIPTIONS_PER_TASKLIST {
                first.insert(tasklist.clone(), gone);
            } else {
                full.push((tasklist.clone(), total, objects.len()));
            }
        }
        full.sort();
        for (tasklist, total, live) in full {
            let foreign = self
                .plan
                .foreign
                .iter()
                .filter(|f| f.tasklist == tasklist)
                .count();
            let here = self
                .plan
                .changes
                .iter()
                .find(|c| {
                    c.tasklist == tasklist
                        && matches!(c.action, Action::Create { .. } | Action::Replace { .. })
                })
                .and_then(|c| c.subject.address())
                .and_then(|a| {
                    self.inputs
                        .manifest
                        .subscriptions
                        .iter()
                        .find(|s| s.address == *a)
                });
            self.plan.diagnostics.push(
                Diagnostic::error(
                    "tasklist-full",
                    here.map(|s| s.tasklist_span),
                    format!(
                        "tasklist {tasklist} would hold {total} subscriptions, and Feishu allows {SUBSCRIPTIONS_PER_TASKLIST}: {live} are there now, {foreign} of them not ours"
                    ),
                )
                .help("Declare fewer, or have some of the others deleted."),
            );
        }
        for change in &mut self.plan.changes {
            if matches!(
                change.action,
                Action::Create { .. } | Action::Replace { .. }
            ) && let Some(gone) = first.get(&change.tasklist)
            {
                change.requires.extend(gone.iter().cloned());
            }
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
        let authoritative: BTreeMap<TasklistGuid, usize> = inputs
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
        if !inputs.choice.destroy {
            let counts = Counts {
                bound: inputs.bindings.len(),
                declared: inputs.manifest.subscriptions.len(),
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

/// Compares field by field; ignored fields are as they are.
fn compare(
    subscription: &Subscription,
    desired: &Fields,
    applied: Option<&Fields>,
    live: &Fields,
) -> Vec<FieldChange> {
    desired
        .iter()
        .filter(|(field, _)| !subscription.ignore.contains(field))
        .filter_map(|(field, after)| {
            let live = live.get(field).map(Cow::Borrowed);
            let before = live.unwrap_or_else(|| Cow::Owned(absent(field)));
            if after.satisfied_by(&before) {
                return None;
            }
            let applied = applied.and_then(|fields| fields.get(field));
            Some(FieldChange {
                field,
                cause: cause(after, applied, &before),
                applied: applied.cloned(),
                before: before.into_owned(),
                after: after.clone(),
            })
        })
        .collect()
}

/// What a live object without the field has (page `tasklist-activity_subscription/get`).
fn absent(field: Field) -> Value {
    match field {
        Field::Name => Value::Text(String::new()),
        Field::Subscribers => Value::Chats(std::collections::BTreeSet::new()),
        Field::Events => Value::Events(crate::model::Events::default()),
        Field::Enabled => Value::Flag(true),
        Field::Description => Value::Text(String::new()),
        Field::People | Field::Include | Field::Exclude => {
            Value::Items(std::collections::BTreeSet::new())
        }
    }
}

fn cause(desired: &Value, applied: Option<&Value>, live: &Value) -> Cause {
    match applied {
        None => Cause::Differs,
        Some(applied) if applied.satisfied_by(live) => Cause::Ahead,
        Some(applied) if desired.satisfied_by(applied) => Cause::Drifted,
        Some(_) => Cause::Both,
    }
}

/// What the ledger remembers as applied: without what is left as it is live.
#[must_use]
pub fn applied(subscription: &Subscription, mut desired: Fields) -> Fields {
    for field in &subscription.ignore {
        desired.remove(*field);
    }
    desired
}

/// Whether a name fits a pattern with `*` (any characters) and `?` (one); nothing else is special.
///
/// A pattern spares objects from being deleted, so none may turn out to mean nothing.
fn matches(pattern: &str, name: &str) -> bool {
    let mut glob = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '[' | ']' => glob.extend(['[', c, ']']),
            // To the library two stars mean folders.
            '*' if glob.ends_with('*') => {}
            c => glob.push(c),
        }
    }
    let pattern = glob::Pattern::new(&glob).expect("brackets are escaped and stars stand alone");
    pattern.matches(name)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_kept_name_is_matched_whatever_the_pattern() {
        for (pattern, name) in [
            ("manual *", "manual one"),
            ("manual **", "manual a/b"),
            ("**", ""),
            ("[draft]*", "[draft] x"),
            ("[", "["),
            ("a?c", "a项c"),
            ("***?", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("manual *", "Manual one"),
            ("[ab]", "a"),
            ("a?c", "ac"),
            ("", "x"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
