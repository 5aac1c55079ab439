//! The bindings as a run has left them.

use std::collections::{BTreeMap, HashMap};

use crate::engine::ledger::{Binding, BindingChange};
use crate::model::{Address, Collection, RemoteId};

/// The bindings as this run has left them; nobody else changes them under our lease.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) by_address: BTreeMap<Address, Binding>,
    pub(super) by_object: HashMap<(Collection, RemoteId), Address>,
}

impl Bound {
    pub(super) fn new(bindings: Vec<Binding>) -> Self {
        let mut bound = Self::default();
        for binding in bindings {
            bound.change(&BindingChange::Bind(binding));
        }
        bound
    }

    pub(super) fn change(&mut self, change: &BindingChange) {
        match change {
            BindingChange::Bind(binding) => {
                self.change(&BindingChange::Unbind(binding.address.clone()));
                self.by_object.insert(
                    (binding.collection.clone(), binding.id.clone()),
                    binding.address.clone(),
                );
                self.by_address
                    .insert(binding.address.clone(), binding.clone());
            }
            BindingChange::Unbind(address) => {
                if let Some(old) = self.by_address.remove(address) {
                    self.by_object.remove(&(old.collection, old.id));
                }
            }
            BindingChange::Move { from, to } => {
                if let Some(old) = self.by_address.get(from).cloned() {
                    self.change(&BindingChange::Unbind(from.clone()));
                    self.change(&BindingChange::Bind(Binding {
                        address: to.clone(),
                        ..old
                    }));
                }
            }
        }
    }

    /// The bindings of a resource and its side addresses.
    pub(super) fn of_resource(&self, address: &Address) -> Vec<Binding> {
        let resource = address.resource();
        self.by_address
            .range(resource.clone()..)
            .map(|(_, binding)| binding)
            .take_while(|b| b.address.resource() == resource)
            .cloned()
            .collect()
    }
}
