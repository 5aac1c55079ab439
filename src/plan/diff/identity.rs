//! Identity: which live object a declared subscription stands for, and what that means.
//!
//! In this order: the binding, the pinned id, the name in the same tasklist. Only then are fields
//! compared.

use super::compare::{applied, compare};
use super::{Memory, Pending, Work};
use crate::model::manifest::Subscription;
use crate::model::{Collection, Diagnostic, Fields, Name, Span};
use crate::plan::live::{Binding, Object};
use crate::plan::{Action, Cause, Record};

impl<'a> Work<'a> {
    /// The binding of a subscription, under its present or its former name.
    pub(super) fn binding_of(
        &mut self,
        subscription: &'a Subscription,
        collection: &'a Collection,
    ) -> Option<&'a Binding> {
        let address = &subscription.address;
        let present = self.by_resource.get(&(&address.name, collection)).copied();
        let former = subscription
            .moved_from
            .as_ref()
            .and_then(|name| self.by_resource.get(&(name, collection)).copied());
        let pinned = subscription
            .id
            .as_ref()
            .and_then(|id| self.by_object.get(&(collection, id)).copied())
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
    pub(super) fn identify(
        &mut self,
        subscription: &'a Subscription,
        collection: &'a Collection,
        objects: &'a [Object],
        binding: Option<&'a Binding>,
        desired: Fields,
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
                return self.bound(subscription, collection, object, binding, desired);
            }
            if subscription.id.is_some() {
                return self.pin_gone(subscription, collection);
            }
        } else if let Some(pin) = &subscription.id {
            let Some(object) = objects.iter().find(|o| o.id == *pin) else {
                return self.pin_gone(subscription, collection);
            };
            if self.refuse_claimed(subscription, collection, object) {
                return;
            }
            return self.adopt(subscription, collection, object, desired);
        }
        let cause = match (binding, self.inputs.memory) {
            (Some(_), _) => Cause::Vanished,
            (None, Memory::None) => Cause::Differs,
            (None, _) => Cause::Ahead,
        };
        self.by_name(subscription, collection, objects, cause, desired);
    }

    pub(super) fn pin_gone(&mut self, subscription: &Subscription, collection: &Collection) {
        let gone = (subscription.address.clone(), collection.clone());
        self.plan.gone.push(gone);
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
    pub(super) fn refuse_claimed(
        &mut self,
        subscription: &Subscription,
        collection: &Collection,
        object: &Object,
    ) -> bool {
        let key = (collection, &object.id);
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
    pub(super) fn by_name(
        &mut self,
        subscription: &'a Subscription,
        collection: &'a Collection,
        objects: &'a [Object],
        cause: Cause,
        desired: Fields,
    ) {
        let find = |name: &str| -> Vec<&'a Object> {
            objects
                .iter()
                .filter(|o| o.fields.name() == Some(name))
                .filter(|o| !self.by_object.contains_key(&(collection, &o.id)))
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
                collection,
                fields: desired,
                cause,
            }),
            [object] => {
                if self.refuse_claimed(subscription, collection, object) {
                    return;
                }
                self.name_matches += 1;
                let differs = !compare(subscription, &desired, None, &object.fields).is_empty();
                let consent = self.inputs.memory == Memory::None
                    || self.inputs.choice.observe
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
                self.adopt(subscription, collection, object, desired);
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

    /// Says so when the provider is no longer the app that the binding was made with.
    pub(super) fn refuse_other_app(
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
    pub(super) fn bound(
        &mut self,
        subscription: &'a Subscription,
        collection: &'a Collection,
        object: &'a Object,
        binding: &'a Binding,
        desired: Fields,
    ) {
        let provider = &self.inputs.manifest.tasklists[&subscription.tasklist].provider;
        if self.refuse_other_app(binding, provider, subscription.span) {
            return;
        }
        if binding.protect != subscription.protect {
            let protection = (subscription.address.clone(), subscription.protect);
            self.plan.protections.push(protection);
        }
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
                self.record(subscription, collection, object, applied, false);
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
            .push(self.change(subscription, collection, action, cause));
    }

    /// The resource is not bound, and this live object is to be its own.
    pub(super) fn adopt(
        &mut self,
        subscription: &'a Subscription,
        collection: &'a Collection,
        object: &'a Object,
        desired: Fields,
    ) {
        self.taken.insert((collection, &object.id));
        let fields = compare(subscription, &desired, None, &object.fields);
        if fields.is_empty() {
            let applied = applied(subscription, desired);
            return self.record(subscription, collection, object, applied, true);
        }
        let (id, live) = (object.id.clone(), Some(object.fields.clone()));
        let action = match self.inputs.memory {
            // Nothing is bound there, so nothing is taken over either.
            Memory::None => Action::Update { id, live, fields },
            Memory::Kept | Memory::New => Action::Adopt { id, live, fields },
        };
        self.plan
            .changes
            .push(self.change(subscription, collection, action, Cause::Differs));
    }

    pub(super) fn record(
        &mut self,
        subscription: &Subscription,
        collection: &Collection,
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
            collection: collection.clone(),
            id: object.id.clone(),
            applied,
            protect: subscription.protect,
            new,
        });
    }
}
