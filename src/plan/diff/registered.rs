//! Groups that are registered in the ledger, and what they are the reason for.

use std::collections::BTreeSet;

use super::compare::compare_fields;
use super::{Memory, Work};
use crate::model::{Address, Collection, Field, Fields, Kind, Name, RemoteId};
use crate::plan::{Action, Cause, Change, Record, Subject};

/// A group or notice, as it is to be registered.
struct Entry<'a> {
    address: &'a Address,
    moved_from: Option<&'a Name>,
    protect: bool,
    fields: Fields,
}

impl<'a> Work<'a> {
    /// Registered groups: what is in the ledger is both applied and live.
    pub(super) fn registered(&mut self) {
        if self.inputs.memory == Memory::None {
            return;
        }
        for group in self.inputs.manifest.groups.values() {
            self.one_registered(&Entry {
                address: &group.address,
                moved_from: group.moved_from.as_ref(),
                protect: group.protect,
                fields: group.fields(),
            });
        }
        for notice in self.inputs.manifest.notices.values() {
            self.one_registered(&Entry {
                address: &notice.address,
                moved_from: notice.moved_from.as_ref(),
                protect: notice.protect,
                fields: notice.fields(),
            });
        }
    }

    fn one_registered(&mut self, group: &Entry<'a>) {
        let address = group.address;
        let former = group.moved_from.as_ref();
        let former = former.map(|name| Address::new(address.kind, (*name).clone()));
        let at = |address: &Address| self.by_address.get(address).copied();
        let binding = at(address).or_else(|| former.as_ref().and_then(at));
        if let Some(binding) = binding {
            self.matched.insert(&binding.address);
        }
        if !self.inputs.choice.selects(address) {
            return;
        }
        if let Some(binding) = binding.filter(|b| b.address != *address) {
            let (from, to) = (binding.address.clone(), address.clone());
            self.plan.records.push(Record::Move { from, to });
        }
        let desired = group.fields.clone();
        let id = RemoteId::new(&address.to_string());
        let (action, cause) = match binding {
            None => (Action::Create { desired }, Cause::Ahead),
            Some(binding) => {
                if binding.protect != group.protect {
                    let protection = (address.clone(), group.protect);
                    self.plan.protections.push(protection);
                }
                let live = &binding.applied;
                let nothing = BTreeSet::new();
                let fields = compare_fields(&nothing, &desired, Some(live), live);
                if fields.is_empty() {
                    if binding.protect != group.protect || binding.id != id {
                        self.plan.records.push(Record::Bind {
                            address: address.clone(),
                            provider: nobody(),
                            collection: Collection::Ledger,
                            id,
                            applied: desired,
                            protect: group.protect,
                            new: false,
                        });
                    }
                    return;
                }
                let live = Some(live.clone());
                (Action::Update { id, live, fields }, Cause::Ahead)
            }
        };
        self.plan.changes.push(Change {
            subject: Subject::Resource(address.clone()),
            provider: nobody(),
            collection: Collection::Ledger,
            action,
            cause,
            requires: Vec::new(),
            because: Vec::new(),
            protect: group.protect,
        });
    }

    /// The changes of groups that these are made of, whatever they are.
    pub(super) fn changing_groups(&self, groups: &BTreeSet<&'a Name>) -> Vec<Subject> {
        let mut subjects: Vec<_> = self
            .group_changes(groups)
            .map(|change| change.subject.clone())
            .collect();
        subjects.sort();
        subjects
    }

    /// The groups of these that are no longer what they were.
    pub(super) fn changed_groups(&self, groups: &BTreeSet<&'a Name>) -> Vec<Address> {
        let mut addresses: Vec<_> = self
            .group_changes(groups)
            .filter(|change| matches!(change.action, Action::Update { .. }))
            .filter(|change| {
                let people = [Field::People, Field::Include, Field::Exclude];
                change
                    .field_changes()
                    .iter()
                    .any(|f| people.contains(&f.field))
            })
            .filter_map(|change| change.subject.address().cloned())
            .collect();
        addresses.sort();
        addresses
    }

    fn group_changes(&self, groups: &BTreeSet<&'a Name>) -> impl Iterator<Item = &Change> {
        let all = &self.inputs.manifest.groups;
        let mut reached: BTreeSet<&Name> = BTreeSet::new();
        let mut open: Vec<&Name> = groups.iter().copied().collect();
        while let Some(name) = open.pop() {
            if reached.insert(name)
                && let Some(group) = all.get(name)
            {
                open.extend(group.include.keys());
            }
        }
        self.plan.changes.iter().filter(move |change| {
            change.collection == Collection::Ledger
                && change
                    .subject
                    .address()
                    .is_some_and(|a| a.kind == Kind::RecipientGroup && reached.contains(&a.name))
        })
    }
}

/// The provider of what is registered in the ledger alone, which no call carries out.
pub(super) fn nobody() -> Name {
    Name::new("ledger").expect("letters are a name")
}
