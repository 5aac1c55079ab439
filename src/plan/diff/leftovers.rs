//! What is left over: bindings that nobody declares any more, and live objects that nobody declared.
//!
//! The only place where a delete is planned.

use std::collections::HashMap;

use super::compare::matches;
use super::{Listing, Pending, Resolution, Work};
use crate::model::manifest::OnDelete;
use crate::model::{Address, Collection, Diagnostic, Field, Fields, Kind, Name, Value};
use crate::plan::live::{Binding, Reading};
use crate::plan::{Action, Cause, Change, Foreign, Record, Refusal, Subject};

/// Whether a chat that is declared no more stays, as was last applied.
fn is_kept(applied: &Fields, collection: &Collection) -> bool {
    let dissolve = Value::Text(OnDelete::Dissolve.as_str().to_owned());
    *collection == Collection::Chats && applied.get(Field::OnDelete) != Some(&dissolve)
}

impl<'a> Work<'a> {
    /// What the manifest says about the protection of a resource; none when it does not declare it.
    fn protects(&self, address: &Address) -> Option<bool> {
        let manifest = self.inputs.manifest;
        match address.kind {
            Kind::Chat => manifest.managed_chats.get(&address.name).map(|c| c.protect),
            Kind::RecipientGroup => manifest.groups.get(&address.name).map(|g| g.protect),
            Kind::RecurringNotice => manifest.notices.get(&address.name).map(|n| n.protect),
            Kind::TasklistSubscription => self.declared(&address.name).first().map(|s| s.protect),
        }
    }

    /// What is bound and no longer declared, and the creates that may be its other half.
    pub(super) fn leftover_bindings(&mut self) {
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
            let moved = (orphan.address.kind == Kind::TasklistSubscription)
                .then(|| moves.get(&orphan.address.name))
                .flatten();
            match moved.and_then(|at| creates[*at].take()) {
                Some(create) => self.replace(create, orphan),
                None => self.delete(orphan),
            }
        }
        for create in creates.into_iter().flatten() {
            let action = Action::Create {
                desired: create.fields,
            };
            let change = self.change(create.subscription, create.collection, action, create.cause);
            self.plan.changes.push(change);
        }
    }

    /// The creates that move house, by name: the one instance that is declared is to be created, and one
    /// is bound elsewhere.
    pub(super) fn moves(&self, orphans: &[&'a Binding]) -> HashMap<&'a Name, usize> {
        let mut bound: HashMap<&Name, usize> = HashMap::new();
        let subscriptions = orphans
            .iter()
            .filter(|o| o.address.kind == Kind::TasklistSubscription);
        for orphan in subscriptions {
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

    /// The live values of what is bound; none when it is gone.
    pub(super) fn live(&self, binding: &'a Binding) -> Result<Option<&'a Fields>, String> {
        match &binding.collection {
            Collection::Ledger => return Ok(Some(&binding.applied)),
            Collection::Chats | Collection::UserGroups => {
                return match self.reading(&binding.collection, &binding.id) {
                    Reading::Found(object) => Ok(Some(&object.fields)),
                    Reading::Gone => Ok(None),
                    Reading::Unread(why) => Err(why),
                };
            }
            Collection::Tasklist(_) => {}
        }
        match self.inputs.listings.get(&binding.collection) {
            Some(Listing::Objects(objects)) => {
                let object = objects.iter().find(|o| o.id == binding.id);
                Ok(object.map(|o| &o.fields))
            }
            Some(Listing::Unread(why)) => Err(why.clone()),
            None => Err("its tasklist was not read".to_owned()),
        }
    }

    pub(super) fn binding_change(binding: &Binding, action: Action, cause: Cause) -> Change {
        Change {
            subject: Subject::Resource(binding.address.clone()),
            provider: binding.provider.clone(),
            collection: binding.collection.clone(),
            action,
            cause,
            requires: Vec::new(),
            because: Vec::new(),
            protect: false,
        }
    }

    /// Whether the manifest lets go of a binding; plans it if so.
    pub(super) fn forgotten(&mut self, binding: &'a Binding) -> bool {
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
            let live = self.live(binding).ok().flatten().cloned();
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
    pub(super) fn refuse_forget_for_a_day(&mut self, binding: &Binding, live: Option<&Fields>) {
        let name = live.and_then(Fields::name).unwrap_or_default();
        let owner = self.inputs.tasklists.iter().find_map(|(key, resolution)| {
            let collection = self.inputs.manifest.tasklists.get(key)?;
            let here = *resolution == Resolution::Found(binding.collection.clone());
            let deletes =
                collection.authoritative && !collection.keep.iter().any(|k| matches(k, name));
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

    pub(super) fn replace(&mut self, create: Pending<'a>, orphan: &'a Binding) {
        let live = match self.live(orphan) {
            Ok(Some(live)) => live,
            Ok(None) => {
                // Nothing is left to delete, and a create at the same address takes the binding over.
                if orphan.address != create.subscription.address {
                    self.delete(orphan);
                }
                let action = Action::Create {
                    desired: create.fields,
                };
                let change =
                    self.change(create.subscription, create.collection, action, Cause::Ahead);
                self.plan.changes.push(change);
                return;
            }
            Err(why) => return self.unread(&create.subscription.address, &why),
        };
        if create.subscription.protect || orphan.protect {
            self.plan.refusals.push(Refusal::Protected {
                address: create.subscription.address.clone(),
                block_gone: false,
            });
        }
        let action = Action::Replace {
            old_collection: orphan.collection.clone(),
            old_provider: orphan.provider.clone(),
            id: orphan.id.clone(),
            live: Some(live.clone()),
            desired: create.fields,
        };
        let change = self.change(create.subscription, create.collection, action, Cause::Ahead);
        self.plan.changes.push(change);
    }

    pub(super) fn delete(&mut self, binding: &'a Binding) {
        let live = match self.live(binding) {
            Ok(Some(live)) => live,
            Ok(None) => {
                // Both sides agree that there is nothing: only the ledger does not know yet.
                let (address, id) = (binding.address.clone(), binding.id.clone());
                self.plan.records.push(Record::Unbind { address, id });
                return;
            }
            Err(why) => return self.unread(&binding.address, &why),
        };
        // What another block names by its id is still wanted.
        let named = self.inputs.manifest.chats.values();
        let is_named = binding.collection == Collection::Chats
            && named
                .map(|chat| chat.id.as_str())
                .any(|id| id == binding.id.as_str());
        if is_named || is_kept(&binding.applied, &binding.collection) {
            return self.let_go(binding, live);
        }
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
            live: Some(live.clone()),
        };
        self.plan
            .changes
            .push(Self::binding_change(binding, action, Cause::Ahead));
    }

    /// Leaves a chat where it is and forgets that it was ours.
    fn let_go(&mut self, binding: &'a Binding, live: &Fields) {
        self.let_go += 1;
        let action = Action::Forget {
            id: binding.id.clone(),
            live: Some(live.clone()),
        };
        self.plan
            .changes
            .push(Self::binding_change(binding, action, Cause::Ahead));
    }

    pub(super) fn destroy(&mut self, binding: &'a Binding) {
        if !self.inputs.choice.selects(&binding.address) || self.is_unsettled(&binding.address) {
            return;
        }
        // A block that is there speaks for itself; without one the ledger remembers.
        let declared = self.protects(&binding.address);
        if declared.unwrap_or(binding.protect) {
            self.plan.kept.push(binding.address.clone());
        } else {
            if self.refuse_other_app(binding, &binding.provider, None) {
                return;
            }
            match self.live(binding) {
                Ok(Some(live)) => {
                    let chat = self
                        .inputs
                        .manifest
                        .managed_chats
                        .get(&binding.address.name);
                    let chat = chat.filter(|_| binding.collection == Collection::Chats);
                    let keep = chat.map_or_else(
                        || is_kept(&binding.applied, &binding.collection),
                        |chat| chat.on_delete == OnDelete::Keep,
                    );
                    if keep {
                        return self.let_go(binding, live);
                    }
                    let action = Action::Delete {
                        id: binding.id.clone(),
                        live: Some(live.clone()),
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
                Err(why) => self.unread(&binding.address, &why),
            }
        }
    }

    /// What is live and stands for nothing: listed, and deleted only where the tasklist is ours alone.
    pub(super) fn leftover_objects(&mut self) {
        let inputs = self.inputs;
        let mut keys: HashMap<&Collection, &Name> = HashMap::new();
        for (key, resolution) in inputs.tasklists {
            if let Resolution::Found(guid) = resolution {
                keys.insert(guid, key);
            }
        }
        for (collection, listing) in inputs.listings {
            let (Listing::Objects(objects), Some(tasklist)) = (listing, collection.tasklist())
            else {
                continue;
            };
            let key = keys.get(collection).copied();
            let declared = key.and_then(|key| inputs.manifest.tasklists.get(key));
            let may_delete = declared.is_some_and(|t| t.authoritative)
                && !inputs.choice.is_partial()
                && !inputs.unsettled.iter().any(|u| u.collection == *collection);
            for object in objects {
                let here = (collection, &object.id);
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
                        collection: collection.clone(),
                        action: Action::Delete {
                            id: object.id.clone(),
                            live: Some(object.fields.clone()),
                        },
                        cause: Cause::Foreign,
                        requires: Vec::new(),
                        because: Vec::new(),
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
}
