//! Managed chats and contact user groups: which live object each stands for, and what its people are.
//!
//! They are read one by one, so that one that cannot be read hides no other. A chat's name is not
//! unique and a lost chat is not made again unasked, for that pulls everybody in.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Work;
use super::compare::compare_fields;
use super::declared::{Declared, all};
use crate::model::{Address, ChatId, Collection, Diagnostic, Field, Fields, RemoteId, Span, Value};
use crate::plan::live::{Binding, Object, Reading, Roster};
use crate::plan::{Action, Cause, Change, FieldChange, Record, Refusal, Subject};

impl<'a> Work<'a> {
    pub(super) fn kept(&mut self) {
        for declared in all(self.inputs.manifest) {
            let before = self.plan.diagnostics.len();
            self.one_kept(&declared);
            let failed = self.plan.diagnostics.len() > before;
            if declared.collection == Collection::Chats {
                self.chat_to_name(&declared, failed);
            }
        }
    }

    /// Notes by which id subscriptions name the chat, if it has one that lasts.
    fn chat_to_name(&mut self, declared: &Declared<'a>, failed: bool) {
        let to_come = ChatId::to_come(declared.address);
        let subject = Subject::Resource(declared.address.clone());
        let change = self.plan.changes.iter().find(|c| c.subject == subject);
        let id = match change.map(|c| &c.action) {
            Some(Action::Create { .. }) => return,
            Some(Action::Update { id, .. } | Action::Adopt { id, .. }) => Some(id.clone()),
            _ => {
                let bound = self.bound_at(declared).map(|b| b.id.clone());
                bound.or_else(|| {
                    self.plan.records.iter().find_map(|record| match record {
                        Record::Bind { address, id, .. } if address == declared.address => {
                            Some(id.clone())
                        }
                        _ => None,
                    })
                })
            }
        };
        match id {
            Some(id) => {
                self.chat_ids.insert(to_come, ChatId::new(id.as_str()));
            }
            None => {
                let why = if self.is_unsettled(declared.address) {
                    format!("whether {} was made is not settled", declared.address)
                } else if failed || self.unread.contains(declared.address) {
                    format!("{} is not known", declared.address)
                } else {
                    format!("{} is not made yet, and is left out", declared.address)
                };
                self.unknown_chats.insert(to_come, why);
            }
        }
    }

    /// The binding at the present or the former address.
    fn bound_at(&self, declared: &Declared<'a>) -> Option<&'a Binding> {
        let at = |address: &Address| self.by_address.get(address).copied();
        at(declared.address).or_else(|| declared.former.as_ref().and_then(at))
    }

    fn kept_error(
        &mut self,
        declared: &Declared<'_>,
        code: &'static str,
        span: Span,
        summary: String,
        help: impl Into<String>,
    ) {
        self.plan.diagnostics.push(
            Diagnostic::error(code, span, summary)
                .address(declared.address.clone())
                .help(help),
        );
    }

    fn one_kept(&mut self, declared: &Declared<'a>) {
        let inputs = self.inputs;
        let address = declared.address;
        let binding = self.bound_at(declared);
        if let Some(binding) = binding {
            self.matched.insert(&binding.address);
        }
        let former = declared.former.as_ref();
        let former = former.and_then(|former| self.by_address.get(former).copied());
        if let Some(former) = former.filter(|f| Some(*f) != binding) {
            self.matched.insert(&former.address);
            return self.kept_error(
                declared,
                "both-bound",
                declared.span,
                format!(
                    "{address} and {}, its former name, are both bound",
                    former.address
                ),
                "Remove `moved_from`, or let one go with `beadle state forget`.",
            );
        }
        if !inputs.choice.selects(address) {
            return;
        }
        if let Some(binding) = binding.filter(|b| b.address != *address) {
            let (from, to) = (binding.address.clone(), address.clone());
            self.plan.records.push(Record::Move { from, to });
        }
        if self.is_unsettled(address) {
            return;
        }
        if let Some(Roster::Unread(why)) = inputs.kept.rosters.get(address) {
            return self.unread(address, why);
        }
        match (binding, declared.pin) {
            (Some(binding), Some(pin)) if binding.id != *pin => self.kept_error(
                declared,
                "pinned-elsewhere",
                declared.pin_span,
                format!(
                    "`id` pins {pin}, but {} is bound to {}",
                    binding.address, binding.id
                ),
                "Correct `id`, or let the binding go with `beadle state forget` first.",
            ),
            (Some(binding), _) => {
                if self.refuse_other_app(binding, declared.provider, declared.span) {
                    return;
                }
                match self.reading(&declared.collection, &binding.id) {
                    Reading::Found(object) => self.kept_bound(declared, object, binding),
                    Reading::Unread(why) => self.unread(address, &why),
                    Reading::Gone if declared.pin.is_some() => self.kept_pin_gone(declared),
                    Reading::Gone => self.kept_vanished(declared),
                }
            }
            (None, Some(pin)) => match self.reading(&declared.collection, pin) {
                Reading::Found(object) => {
                    if !self.refuse_owned(declared, object) {
                        self.kept_adopt(declared, object);
                    }
                }
                Reading::Unread(why) => self.unread(address, &why),
                Reading::Gone => self.kept_pin_gone(declared),
            },
            (None, None) => self.kept_by_name(declared),
        }
    }

    /// What is known of an object that is read by itself.
    pub(super) fn reading(&self, collection: &Collection, id: &RemoteId) -> Reading<&'a Object> {
        let key = (collection.clone(), id.clone());
        match self.inputs.kept.readings.get(&key) {
            Some(Reading::Found(object)) => Reading::Found(object),
            Some(Reading::Gone) => Reading::Gone,
            Some(Reading::Unread(why)) => Reading::Unread(why.clone()),
            None => Reading::Unread("it was not read".to_owned()),
        }
    }

    fn kept_pin_gone(&mut self, declared: &Declared<'a>) {
        let gone = (declared.address.clone(), declared.collection.clone());
        self.plan.gone.push(gone);
        let pin = declared.pin.map(ToString::to_string).unwrap_or_default();
        self.kept_error(
            declared,
            "pin-gone",
            declared.pin_span,
            format!("the {} that `id` pins is gone: {pin}", declared.word),
            "Remove `id` to have it created again under a new id.",
        );
    }

    fn kept_vanished(&mut self, declared: &Declared<'a>) {
        let consent = &self.inputs.choice.recreate;
        if declared.collection == Collection::Chats
            && !consent.iter().any(|a| a.covers(declared.address))
        {
            self.plan.refusals.push(Refusal::Vanished {
                address: declared.address.clone(),
            });
        }
        self.kept_create(declared, Cause::Vanished);
    }

    /// A live object of the same name may be ours from before the ledger was lost.
    fn kept_by_name(&mut self, declared: &Declared<'a>) {
        let key = (declared.provider.clone(), declared.collection.clone());
        let objects = match self.inputs.kept.catalogs.get(&key) {
            Some(Reading::Found(objects)) => objects,
            Some(Reading::Unread(why)) => return self.unread(declared.address, why),
            Some(Reading::Gone) | None => {
                return self.unread(declared.address, "what there is was not listed");
            }
        };
        let find = |name: &str| -> Vec<&'a Object> {
            let same = objects.iter().filter(|o| o.fields.name() == Some(name));
            same.filter(|o| !self.by_object.contains_key(&(&declared.collection, &o.id)))
                .collect()
        };
        let mut found = find(declared.name());
        if let (true, Some(former)) = (found.is_empty(), &declared.former) {
            found = find(former.name.as_str());
        }
        match found.as_slice() {
            [] => self.kept_create(declared, Cause::Ahead),
            [object] => {
                if self.refuse_owned(declared, object) {
                    return;
                }
                self.name_matches += 1;
                let differs = !self.kept_changes(declared, object, None).is_empty();
                let adopt = &self.inputs.choice.adopt;
                let consent =
                    self.inputs.choice.observe || adopt.iter().any(|a| a.covers(declared.address));
                if differs && !consent {
                    return self.kept_error(
                        declared,
                        "adopt-needs-consent",
                        declared.span,
                        format!(
                            "there already is a {} named `{}`, which is not bound and differs",
                            declared.word,
                            object.fields.name().unwrap_or_default()
                        ),
                        format!(
                            "To take it over and change it, write `id: {}` or pass `--adopt {}`; to leave it alone, give this one another `name`.",
                            object.id, declared.address
                        ),
                    );
                }
                self.kept_adopt(declared, object);
            }
            several => {
                let ids: Vec<_> = several.iter().map(|o| o.id.to_string()).collect();
                self.kept_error(
                    declared,
                    "ambiguous-name",
                    declared.span,
                    format!(
                        "there are {} {}s of this name: {}",
                        several.len(),
                        declared.word,
                        ids.join(", ")
                    ),
                    "Say which one is meant with `id`, or give this one another `name`.",
                );
            }
        }
    }

    /// Says so when another resource or another project owns the object.
    fn refuse_owned(&mut self, declared: &Declared<'a>, object: &Object) -> bool {
        let key = (&declared.collection, &object.id);
        let owner = match (self.by_object.get(&key), self.claims.get(&key)) {
            (Some(binding), _) => format!("bound to {} of this project", binding.address),
            (None, Some(claim)) => {
                format!("bound to {} of project `{}`", claim.address, claim.project)
            }
            (None, None) => match self.adopted_by(key) {
                Some(other) => format!("taken for {other} already"),
                None => return false,
            },
        };
        self.kept_error(
            declared,
            "bound-elsewhere",
            declared.pin_span,
            format!(
                "{} is {owner}, and so cannot be {} too",
                object.id, declared.address
            ),
            "An object has one owner: remove one of the two declarations, or let the binding go with `beadle state forget` there.",
        );
        true
    }

    /// The resource that this plan adopts an object for.
    fn adopted_by(&self, (collection, id): (&Collection, &RemoteId)) -> Option<&Address> {
        let adopting = self.plan.changes.iter().find_map(|change| {
            let here = change.collection == *collection;
            let adopts = matches!(&change.action, Action::Adopt { id: other, .. } if other == id);
            (here && adopts).then(|| change.subject.address()).flatten()
        });
        adopting.or_else(|| {
            self.plan.records.iter().find_map(|record| match record {
                Record::Bind {
                    address,
                    collection: of,
                    id: other,
                    ..
                } if of == collection && other == id => Some(address),
                _ => None,
            })
        })
    }

    pub(super) fn roster(&self, declared: &Declared<'_>) -> (&'a BTreeSet<String>, usize) {
        static NOBODY: BTreeSet<String> = BTreeSet::new();
        match self.inputs.kept.rosters.get(declared.address) {
            Some(Roster::Known { people, unseen }) => (people, *unseen),
            // Whose people were not asked about is not reached.
            Some(Roster::Unread(_)) | None => (&NOBODY, 0),
        }
    }

    fn kept_create(&mut self, declared: &Declared<'a>, cause: Cause) {
        let mut desired = declared.fields.clone();
        let people = self.roster(declared).0.clone();
        desired.set(Field::Members, Value::Items(people));
        self.push_kept(declared, Action::Create { desired }, cause);
    }

    fn kept_bound(&mut self, declared: &Declared<'a>, object: &'a Object, binding: &'a Binding) {
        if binding.protect != declared.protect {
            let protection = (declared.address.clone(), declared.protect);
            self.plan.protections.push(protection);
        }
        let fields = self.kept_changes(declared, object, Some(&binding.applied));
        if fields.is_empty() {
            let applied = self.kept_applied(declared, object, Some(&binding.applied));
            let known = binding.provider == *declared.provider
                && binding.applied == applied
                && binding.protect == declared.protect;
            if !known {
                self.kept_record(declared, object, applied, false);
            }
            return;
        }
        let cause = Cause::of(&fields);
        let mut live = object.fields.clone();
        if let Some(own) = fields.iter().find(|f| f.field == Field::OnDelete) {
            live.set(Field::OnDelete, own.before.clone());
        }
        let action = Action::Update {
            id: object.id.clone(),
            live: Some(live),
            fields,
        };
        self.push_kept(declared, action, cause);
    }

    fn kept_adopt(&mut self, declared: &Declared<'a>, object: &'a Object) {
        let fields = self.kept_changes(declared, object, None);
        if fields.is_empty() {
            let applied = self.kept_applied(declared, object, None);
            return self.kept_record(declared, object, applied, true);
        }
        let action = Action::Adopt {
            id: object.id.clone(),
            live: Some(object.fields.clone()),
            fields,
        };
        self.push_kept(declared, action, Cause::Differs);
    }

    fn kept_record(
        &mut self,
        declared: &Declared<'a>,
        object: &Object,
        applied: Fields,
        new: bool,
    ) {
        self.plan.records.push(Record::Bind {
            address: declared.address.clone(),
            provider: declared.provider.clone(),
            collection: declared.collection.clone(),
            id: object.id.clone(),
            applied,
            protect: declared.protect,
            new,
        });
    }

    /// What the ledger remembers of an object that is as declared.
    fn kept_applied(
        &self,
        declared: &Declared<'a>,
        object: &Object,
        before: Option<&Fields>,
    ) -> Fields {
        let people = self.roster(declared).0.clone();
        let mut desired = declared.applied(people);
        let live = object.fields.items(Field::Members);
        let added = before.map(|before| before.items(Field::Added));
        // Whom the vendor hides for a while is still one of ours, as long as they are listed.
        let (listed, _) = self.roster(declared);
        let added = added
            .into_iter()
            .flatten()
            .filter(|id| live.contains(*id) || listed.contains(*id));
        desired.set(Field::Added, Value::Items(added.cloned().collect()));
        desired
    }

    fn push_kept(&mut self, declared: &Declared<'a>, action: Action, cause: Cause) {
        let mut change = Change {
            subject: Subject::Resource(declared.address.clone()),
            provider: declared.provider.clone(),
            collection: declared.collection.clone(),
            action,
            cause,
            requires: Vec::new(),
            because: Vec::new(),
            protect: declared.protect,
        };
        let (added, removed) = change.people();
        if !added.is_empty() || !removed.is_empty() {
            change.because = self.changed_groups(&declared.groups);
        }
        change.requires = self.changing_groups(&declared.groups);
        self.plan.changes.push(change);
    }

    /// The fields in which the live object is not as declared.
    fn kept_changes(
        &mut self,
        declared: &Declared<'a>,
        object: &Object,
        applied: Option<&Fields>,
    ) -> Vec<FieldChange> {
        let mut desired = declared.fields.clone();
        let mut live = Cow::Borrowed(&object.fields);
        if declared.collection == Collection::Chats {
            // No vendor knows of it: what it was set to is as it is live.
            let on_delete = applied.and_then(|applied| applied.get(Field::OnDelete));
            if let Some(on_delete) = on_delete {
                live.to_mut().set(Field::OnDelete, on_delete.clone());
            } else if applied.is_none() {
                desired.remove(Field::OnDelete);
            }
        }
        let description = |fields: &Fields| match fields.get(Field::Description) {
            Some(Value::Text(text)) => text.is_empty(),
            _ => true,
        };
        if declared.collection == Collection::UserGroups && description(&desired) {
            // Feishu takes an empty description for none given, so it cannot be cleared
            // (page `contact-v3/group/patch`).
            desired.remove(Field::Description);
        }
        // What is ignored is written once, with the create, which an apply may not have ended.
        let nothing = BTreeSet::new();
        let ignore = match applied {
            Some(applied) if Binding::is_unfilled(applied) => &nothing,
            _ => declared.ignore,
        };
        let mut changes = compare_fields(ignore, &desired, applied, &live);
        if !ignore.contains(&Field::Members) {
            changes.extend(self.member_change(declared, object, applied));
        }
        changes
    }
}
