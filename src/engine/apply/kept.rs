//! Carries out changes of managed chats, contact user groups and registered groups.
//!
//! A change is several calls: the object, its name and description, its people in batches. Each is
//! journalled and closed by itself together with what it means for the binding, so that whatever dies
//! in between, the next plan sees what is done and does only the rest.
//!
//! # Guarantees
//!
//! - A chat is made empty but for the bot, and its description is a mark of the attempt until its id is
//!   bound. An attempt whose answer was lost is found again by that mark.
//! - A contact user group is made under an id of ours, which the vendor takes once.
//! - The ledger keeps the mark of either until everybody was added, so that the next apply knows what
//!   was only begun.
//! - The ledger knows whom beadle put there: a person is noted after the call that added them, and
//!   nobody else is ever taken for ours.
//!
//! # Assumptions
//!
//! An empty description that is written clears a chat's; the contract says only that an absent one
//! leaves it.
//!
//! # Caveats
//!
//! - Who joins between the last reading and a call to add them counts as added by beadle.

use std::collections::{BTreeMap, BTreeSet};

use super::{Failure, Outcome, Run, Sent, Skip};
use crate::engine::apply::ApplyEvent;
use crate::engine::ledger::{Binding, BindingChange};
use crate::engine::settle::{bind, group_id};
use crate::engine::{Object, Write, Writer};
use crate::model::{Collection, Field, Fields, RemoteId, Value};
use crate::plan::{Action, Change};

/// What one change has come to so far.
struct Progress {
    ours: Binding,
    rejected: BTreeMap<String, String>,
}

impl Progress {
    /// The binding once these people were added, save whom the vendor did not take.
    fn with(&self, people: &BTreeSet<String>, rejected: &BTreeMap<String, String>) -> Binding {
        let taken: BTreeSet<_> = people
            .iter()
            .filter(|id| !rejected.contains_key(*id))
            .cloned()
            .collect();
        self.changed(|all| all.union(&taken).cloned().collect())
    }

    /// The binding once these people were removed.
    fn without(&self, people: &BTreeSet<String>) -> Binding {
        self.changed(|all| all.difference(people).cloned().collect())
    }

    fn changed(&self, change: impl Fn(&BTreeSet<String>) -> BTreeSet<String>) -> Binding {
        let mut ours = self.ours.clone();
        let added = change(ours.applied.items(Field::Added));
        ours.applied.set(Field::Added, Value::Items(added));
        // Before it was filled for the first time nobody counts as having been asked for.
        if ours.applied.get(Field::Members).is_some() {
            let members = change(ours.applied.items(Field::Members));
            ours.applied.set(Field::Members, Value::Items(members));
        }
        ours
    }
}

/// What is still to be done to an object.
#[derive(Default)]
struct Rest {
    fields: Fields,
    add: BTreeSet<String>,
    remove: BTreeSet<String>,
}

impl Run<'_> {
    /// Registers a group, or takes it out of the register.
    pub(super) async fn registered(&self, change: &Change) -> Outcome {
        if self.context.stop.is_asked() {
            return Outcome::Skipped(Skip::Interrupted);
        }
        (self.context.events)(ApplyEvent::Started(change));
        let Some(address) = change.subject.address() else {
            return Outcome::Failed(Failure::Stale("it has no address".to_owned()));
        };
        let changes = match change.after() {
            Some(applied) => vec![BindingChange::Bind(Binding {
                address: address.clone(),
                provider: change.provider.clone(),
                app: crate::model::AppId::new(""),
                collection: Collection::Ledger,
                id: RemoteId::new(&address.to_string()),
                applied,
                protect: change.protect,
                updated_at: (self.context.now)(),
            })],
            None => vec![BindingChange::Unbind(address.clone())],
        };
        match self.note(&changes).await {
            Ok(()) => Outcome::Applied(None),
            Err(outcome) => outcome,
        }
    }

    /// Changes bindings without a call.
    async fn note(&self, changes: &[BindingChange]) -> Result<(), Outcome> {
        let context = self.context;
        let noted = context
            .ledger
            .record(&context.right.lease, (context.now)(), changes);
        if let Err(error) = noted.await {
            return Err(self.note_failed_ledger(&error));
        }
        let mut bound = self.bound();
        for change in changes {
            bound.change(change);
        }
        Ok(())
    }

    /// Carries out the change of a managed chat or contact user group.
    pub(super) async fn kept(&self, change: &Change, writer: &dyn Writer) -> Outcome {
        let _slot = self.slot().await;
        if let Some(skip) = self.must_not_begin(writer) {
            return Outcome::Skipped(skip);
        }
        (self.context.events)(ApplyEvent::Started(change));
        match self.kept_in_steps(change, writer).await {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    async fn kept_in_steps(
        &self,
        change: &Change,
        writer: &dyn Writer,
    ) -> Result<Outcome, Outcome> {
        let collection = &change.collection;
        match &change.action {
            Action::Create { desired } => {
                let mut progress = self.make(change, writer, desired).await?;
                let mut fields = Fields::default();
                if *collection == Collection::Chats
                    && let Some(description) = desired.get(Field::Description)
                {
                    fields.set(Field::Description, description.clone());
                }
                let rest = Rest {
                    fields,
                    add: desired.items(Field::Members).clone(),
                    ..Rest::default()
                };
                self.do_rest(change, writer, &mut progress, rest).await?;
                self.end_of(change, progress).await
            }
            Action::Update { id, fields, .. } | Action::Adopt { id, fields, .. } => {
                let fresh = self.fresh(writer, collection, id).await?;
                let Some(fresh) = fresh else {
                    return Err(stale(format!("{id} has gone meanwhile")));
                };
                let mut rest = Rest::default();
                let members = fresh.fields.items(Field::Members);
                for field in fields {
                    match (field.field, &field.before, &field.after) {
                        (Field::Members, Value::Items(before), Value::Items(after)) => {
                            // Whoever came or went meanwhile is where they were to be.
                            let came = after.difference(before);
                            rest.add = came.filter(|id| !members.contains(*id)).cloned().collect();
                            let went = before.difference(after);
                            rest.remove =
                                went.filter(|id| members.contains(*id)).cloned().collect();
                        }
                        (Field::OnDelete, ..) => {}
                        (name, before, after) => {
                            if fresh.fields.get(name).is_some_and(|now| now != before) {
                                return Err(stale(format!(
                                    "`{name}` of {id} was changed meanwhile"
                                )));
                            }
                            rest.fields.set(name, after.clone());
                        }
                    }
                }
                let mut progress = self.progress(change, writer, id);
                // Whoever brings back somebody who has gone meanwhile has put them there.
                // Whom the vendor hides for a while is still ours, as long as they are listed.
                let listed = (self.context.applied)(&progress.ours.address).unwrap_or_default();
                let listed = listed.items(Field::Members);
                let added = progress.ours.applied.items(Field::Added).iter();
                let added = added.filter(|id| members.contains(*id) || listed.contains(*id));
                let added = added.cloned().collect();
                progress.ours.applied.set(Field::Added, Value::Items(added));
                self.do_rest(change, writer, &mut progress, rest).await?;
                self.end_of(change, progress).await
            }
            Action::Delete { id, live } => {
                let fresh = self.fresh(writer, collection, id).await?;
                if let Some(fresh) = &fresh
                    && Some(&fresh.fields) != live.as_ref()
                {
                    return Err(stale(format!("{id} was changed meanwhile")));
                }
                let mut progress = self.progress(change, writer, id);
                let people = fresh.as_ref().map(|o| o.fields.items(Field::Members));
                if let (Collection::UserGroups, Some(people)) = (collection, people) {
                    let rest = Rest {
                        remove: people.clone(),
                        ..Rest::default()
                    };
                    self.do_rest(change, writer, &mut progress, rest).await?;
                }
                let delete = Write::Delete {
                    collection: collection.clone(),
                    id: id.clone(),
                };
                let unbind = BindingChange::Unbind(progress.ours.address.clone());
                self.step(change, writer, &delete, |_, _| vec![unbind.clone()])
                    .await?;
                Ok(Outcome::Applied(None))
            }
            Action::Replace { .. } | Action::Forget { .. } => {
                Err(stale("this cannot happen to it".to_owned()))
            }
        }
    }

    /// Reads the object just before the first write to it.
    async fn fresh(
        &self,
        writer: &dyn Writer,
        collection: &Collection,
        id: &RemoteId,
    ) -> Result<Option<Object>, Outcome> {
        let fresh = writer.object(collection, id).await;
        fresh.map_err(|error| Outcome::Failed(Failure::Api(error)))
    }

    /// The binding as it is, or as it will be after the first call.
    fn progress(&self, change: &Change, writer: &dyn Writer, id: &RemoteId) -> Progress {
        let bound = self.bound();
        let key = (change.collection.clone(), id.clone());
        let known = bound
            .by_object
            .get(&key)
            .and_then(|a| bound.by_address.get(a));
        let address = change.subject.address();
        let ours = known.cloned().unwrap_or_else(|| Binding {
            address: address.expect("only resources are kept").clone(),
            provider: change.provider.clone(),
            app: writer.app().clone(),
            collection: change.collection.clone(),
            id: id.clone(),
            applied: [(Field::Added, Value::Items(BTreeSet::new()))]
                .into_iter()
                .collect(),
            protect: change.protect,
            updated_at: (self.context.now)(),
        });
        Progress {
            ours,
            rejected: BTreeMap::new(),
        }
    }

    /// Makes the object, empty.
    async fn make(
        &self,
        change: &Change,
        writer: &dyn Writer,
        desired: &Fields,
    ) -> Result<Progress, Outcome> {
        let attempt = uuid::Uuid::new_v4().simple().to_string();
        let mark = Binding::mark(&attempt);
        let mut fields: Fields = desired
            .iter()
            .filter(|(field, _)| matches!(field, Field::Name | Field::Description))
            .map(|(field, value)| (field, value.clone()))
            .collect();
        let id = match change.collection {
            Collection::UserGroups => Some(group_id(&attempt)),
            _ => {
                fields.set(Field::Description, mark.clone());
                None
            }
        };
        let create = Write::Create {
            collection: change.collection.clone(),
            id,
            fields: fields.clone(),
        };
        let mut progress = self.progress(change, writer, &RemoteId::new(""));
        progress.ours.note(&fields);
        progress.ours.applied.set(Field::Description, mark);
        if let Some(on_delete) = desired.get(Field::OnDelete) {
            progress
                .ours
                .applied
                .set(Field::OnDelete, on_delete.clone());
        }
        let ours = progress.ours.clone();
        let bind_it = |id: Option<&RemoteId>, _: &BTreeMap<String, String>| {
            let id = id.cloned().unwrap_or_else(|| ours.id.clone());
            let binding = Binding { id, ..ours.clone() };
            bind(binding, &[])
        };
        let (made, _) = self.step(change, writer, &create, bind_it).await?;
        let Some(id) = made else {
            return Err(stale(
                "the vendor did not tell the id of what it made".to_owned(),
            ));
        };
        progress.ours.id = id;
        Ok(progress)
    }

    /// Name and description, then people in batches.
    async fn do_rest(
        &self,
        change: &Change,
        writer: &dyn Writer,
        progress: &mut Progress,
        rest: Rest,
    ) -> Result<(), Outcome> {
        let collection = change.collection.clone();
        let id = progress.ours.id.clone();
        if !rest.fields.is_empty() {
            progress.ours.note(&rest.fields);
            let update = Write::Update {
                collection: collection.clone(),
                id: id.clone(),
                fields: rest.fields,
            };
            let after = progress.ours.clone();
            self.step(change, writer, &update, |_, _| {
                vec![BindingChange::Bind(after.clone())]
            })
            .await?;
        }
        let size = writer.people_per_call(&collection).max(1);
        for people in batches(&rest.add, size) {
            let add = Write::AddPeople {
                collection: collection.clone(),
                id: id.clone(),
                people: people.clone(),
            };
            let (_, rejected) = self
                .step(change, writer, &add, |_, rejected| {
                    vec![BindingChange::Bind(progress.with(&people, rejected))]
                })
                .await?;
            progress.ours = progress.with(&people, &rejected);
            progress.rejected.extend(rejected);
        }
        for people in batches(&rest.remove, size) {
            let remove = Write::RemovePeople {
                collection: collection.clone(),
                id: id.clone(),
                people: people.clone(),
            };
            let after = progress.without(&people);
            self.step(change, writer, &remove, |_, _| {
                vec![BindingChange::Bind(after.clone())]
            })
            .await?;
            progress.ours = after;
        }
        Ok(())
    }

    /// One call with its entry in the journal; an outcome when the change ends here.
    async fn step(
        &self,
        change: &Change,
        writer: &dyn Writer,
        write: &Write,
        bindings: impl Fn(Option<&RemoteId>, &BTreeMap<String, String>) -> Vec<BindingChange> + Sync,
    ) -> Result<(Option<RemoteId>, BTreeMap<String, String>), Outcome> {
        if let Some(skip) = self.must_not_begin(writer) {
            return Err(Outcome::Skipped(skip));
        }
        let (provider, mut seen) = (&change.provider, Vec::new());
        let sent = self
            .write(change, provider, writer, write, &mut seen, &bindings)
            .await;
        match sent {
            Sent::Done(done) => Ok((done.id, done.rejected)),
            Sent::Not(outcome) => Err(outcome),
        }
    }

    /// Notes that the whole is as declared, save whom the vendor did not take.
    async fn end_of(&self, change: &Change, progress: Progress) -> Result<Outcome, Outcome> {
        let Progress { ours, rejected } = progress;
        let mut applied = (self.context.applied)(&ours.address).unwrap_or_default();
        if let Some(Value::Items(members)) = applied.get(Field::Members) {
            let here = |id: &&String| !rejected.contains_key(*id);
            let members = members.iter().filter(here).cloned().collect();
            applied.set(Field::Members, Value::Items(members));
        }
        let added = ours.applied.items(Field::Added).clone();
        applied.set(Field::Added, Value::Items(added));
        let id = ours.id.clone();
        let whole = Binding {
            applied,
            provider: change.provider.clone(),
            protect: change.protect,
            updated_at: (self.context.now)(),
            ..ours
        };
        self.note(&[BindingChange::Bind(whole)]).await?;
        if rejected.is_empty() {
            Ok(Outcome::Applied(Some(id)))
        } else {
            Ok(Outcome::Failed(Failure::Rejected(rejected)))
        }
    }
}

fn stale(why: String) -> Outcome {
    Outcome::Failed(Failure::Stale(why))
}

fn batches(people: &BTreeSet<String>, size: usize) -> Vec<BTreeSet<String>> {
    let all: Vec<_> = people.iter().cloned().collect();
    all.chunks(size)
        .map(|few| few.iter().cloned().collect())
        .collect()
}
