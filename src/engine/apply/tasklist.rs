//! Carries out changes of subscriptions, one call each, and two for a replace.
//!
//! # Guarantees
//!
//! - Just before the first write to a tasklist it is read once more: a change whose `before` moved fails as
//!   stale, and what somebody made meanwhile under the same name is not doubled.
//! - Writes to one tasklist come one after the other, so that the objects seen before a create are known.

use std::collections::BTreeMap;

use super::{ApplyEvent, Failure, Ground, Outcome, Run, Sent};
use crate::engine::ledger::{Binding, BindingChange};
use crate::engine::refresh::objects;
use crate::engine::settle::bind;
use crate::engine::snapshot::{Scope, Seen, Snapshot};
use crate::engine::{Object, Write, Writer};
use crate::model::{ChatId, Collection, Field, Fields, Name, RemoteId, Value};
use crate::plan::{Action, Change, Listing};

impl Run<'_> {
    /// Carries out a change of a subscription.
    pub(super) async fn in_tasklist(&self, change: &Change, writer: &dyn Writer) -> Outcome {
        let mut ground = self.grounds[&change.collection].lock().await;
        let slot = self.slot().await;
        if let Some(skip) = self.must_not_begin(writer) {
            return Outcome::Skipped(skip);
        }
        (self.context.events)(ApplyEvent::Started(change));
        if let Err(outcome) = self.read(&mut ground, writer, &change.collection).await {
            return outcome;
        }
        if let Some(why) = self.moved(change, &ground) {
            return Outcome::Failed(Failure::Stale(why));
        }
        let write = match self.write_of(change) {
            Ok(write) => write,
            Err(why) => return Outcome::Failed(Failure::Stale(why)),
        };
        let sent = self
            .write_in(change, &change.provider, writer, &write, &mut ground)
            .await;
        let made = match sent {
            Sent::Done(done) => done.id,
            Sent::Not(outcome) => return outcome,
        };
        // Who waits for another tasklist holds nothing that its holder may wait for.
        drop((ground, slot));
        if let Action::Replace {
            old_collection,
            old_provider,
            id,
            ..
        } = &change.action
        {
            let old = Write::Delete {
                collection: old_collection.clone(),
                id: id.clone(),
            };
            return self.rest_of_replace(change, old_provider, &old, made).await;
        }
        Outcome::Applied(made)
    }

    /// The first call of a change in a tasklist.
    fn write_of(&self, change: &Change) -> Result<Write, String> {
        let collection = change.collection.clone();
        Ok(match &change.action {
            Action::Create { desired } | Action::Replace { desired, .. } => Write::Create {
                collection,
                id: None,
                fields: self.with_ids(desired.clone())?,
            },
            Action::Update { id, fields, .. } | Action::Adopt { id, fields, .. } => {
                let after = fields.iter().map(|f| (f.field, f.after.clone()));
                Write::Update {
                    collection,
                    id: id.clone(),
                    fields: self.with_ids(after.collect())?,
                }
            }
            Action::Delete { id, .. } | Action::Forget { id, .. } => Write::Delete {
                collection,
                id: id.clone(),
            },
        })
    }

    /// The same values, with the ids of chats that were still to come when the plan was made.
    fn with_ids(&self, mut fields: Fields) -> Result<Fields, String> {
        let Some(Value::Chats(chats)) = fields.get(Field::Subscribers) else {
            return Ok(fields);
        };
        if chats.iter().all(|chat| chat.pending().is_none()) {
            return Ok(fields);
        }
        let bound = self.bound();
        let chats: Result<_, String> = chats
            .iter()
            .map(|chat| {
                let Some(address) = chat.pending() else {
                    return Ok(chat.clone());
                };
                let binding = bound.by_address.get(&address);
                let id = binding.map(|b| ChatId::new(b.id.as_str()));
                id.ok_or_else(|| format!("{address} has no id yet"))
            })
            .collect();
        fields.set(Field::Subscribers, Value::Chats(chats?));
        Ok(fields)
    }

    /// A write to a tasklist, with what it means for the bindings there.
    async fn write_in(
        &self,
        change: &Change,
        provider: &Name,
        writer: &dyn Writer,
        write: &Write,
        ground: &mut Ground,
    ) -> Sent {
        let bindings = |made: Option<&RemoteId>, _: &BTreeMap<String, String>| {
            self.bindings(change, provider, writer, write, write.collection(), made)
        };
        let seen = &mut ground.seen;
        let sent = self
            .write(change, provider, writer, write, seen, &bindings)
            .await;
        ground.note(write, &sent);
        sent
    }

    /// Deletes what a replace has replaced.
    async fn rest_of_replace(
        &self,
        change: &Change,
        provider: &Name,
        delete: &Write,
        made: Option<RemoteId>,
    ) -> Outcome {
        let (Some(writer), Write::Delete { collection, .. }) =
            (self.context.writers.get(provider), delete)
        else {
            let why = format!("the manifest has no provider `{provider}` any more");
            return Outcome::Failed(Failure::Stale(why));
        };
        let mut ground = self.grounds[collection].lock().await;
        let _slot = self.slot().await;
        if let Some(skip) = self.must_not_begin(writer.as_ref()) {
            return Outcome::Skipped(skip);
        }
        if let Err(outcome) = self.read(&mut ground, writer.as_ref(), collection).await {
            return outcome;
        }
        if let (Some(Ok(fresh)), Action::Replace { id, live, .. }) = (&ground.fresh, &change.action)
            && let Some(why) = edited(fresh, id, live.as_ref())
        {
            // The next plan shows it as it is now, and deletes it.
            let why = format!("the new object is there, the old one stays: {why}");
            return Outcome::Failed(Failure::Stale(why));
        }
        match self
            .write_in(change, provider, writer.as_ref(), delete, &mut ground)
            .await
        {
            Sent::Done(..) => Outcome::Applied(made),
            Sent::Not(Outcome::Failed(Failure::Api(error))) => {
                Outcome::Failed(Failure::Half(error))
            }
            Sent::Not(outcome) => outcome,
        }
    }

    /// Reads the tasklist, once before the first write to it.
    async fn read(
        &self,
        ground: &mut Ground,
        writer: &dyn Writer,
        collection: &Collection,
    ) -> Result<(), Outcome> {
        if ground.fresh.is_none() {
            let at = (self.context.now)();
            let fresh = objects(writer, collection).await;
            if let Ok(objects) = &fresh {
                ground.seen = objects.iter().map(|o| o.id.clone()).collect();
                ground.now = Some(Snapshot {
                    app: writer.app().clone(),
                    scope: Scope::All(collection.clone()),
                    seen: Seen::Objects(objects.clone()),
                    at,
                });
            }
            ground.fresh = Some(fresh);
        }
        match &ground.fresh {
            Some(Err(error)) => Err(Outcome::Failed(Failure::Api(error.clone()))),
            _ => Ok(()),
        }
    }

    /// Why the change no longer fits what is live, if it does not.
    fn moved(&self, change: &Change, ground: &Ground) -> Option<String> {
        let Some(Ok(fresh)) = &ground.fresh else {
            return None;
        };
        let planned = match self.context.live.listings.get(&change.collection) {
            Some(Listing::Objects(objects)) => objects.as_slice(),
            _ => &[],
        };
        match &change.action {
            Action::Create { desired } | Action::Replace { desired, .. } => fresh
                .iter()
                .filter(|o| o.fields.name() == desired.name())
                .find(|o| !planned.iter().any(|p| p.id == o.id))
                .map(|o| {
                    format!(
                        "somebody has made a subscription of this name meanwhile: {}",
                        o.id
                    )
                }),
            Action::Update { id, fields, .. } | Action::Adopt { id, fields, .. } => {
                let Some(object) = fresh.iter().find(|o| o.id == *id) else {
                    return Some(format!("{id} was deleted meanwhile"));
                };
                fields
                    .iter()
                    .find(|f| {
                        object
                            .fields
                            .get(f.field)
                            .is_some_and(|now| *now != f.before)
                    })
                    .map(|f| format!("`{}` of {id} was changed meanwhile", f.field))
            }
            Action::Delete { id, live } => edited(fresh, id, live.as_ref()),
            Action::Forget { .. } => None,
        }
    }

    /// What a write that succeeded means for the bindings.
    fn bindings(
        &self,
        change: &Change,
        provider: &Name,
        writer: &dyn Writer,
        write: &Write,
        collection: &Collection,
        made: Option<&RemoteId>,
    ) -> Vec<BindingChange> {
        let bound = self.bound();
        if let Write::Delete { id, .. } = write {
            let address = bound.by_object.get(&(collection.clone(), id.clone()));
            return address
                .map(|a| BindingChange::Unbind(a.clone()))
                .into_iter()
                .collect();
        }
        let (Some(address), Some(id)) = (change.subject.address(), made) else {
            return Vec::new();
        };
        let applied = (self.context.applied)(address).unwrap_or_default();
        drop(bound);
        // What could be written has ids.
        let applied = self.with_ids(applied.clone()).unwrap_or(applied);
        let bound = self.bound();
        let binding = Binding {
            address: address.clone(),
            provider: provider.clone(),
            app: writer.app().clone(),
            collection: collection.clone(),
            id: id.clone(),
            applied,
            protect: change.protect,
            updated_at: (self.context.now)(),
        };
        // What was bound here before and is gone needs no place of its own to be deleted from.
        let mut others = bound.of_resource(address);
        others.retain(|other| other.address != *address || !self.is_gone(other));
        bind(binding, &others)
    }

    /// Whether the plan's reading has shown that a bound object is no more.
    fn is_gone(&self, binding: &Binding) -> bool {
        match self.context.live.listings.get(&binding.collection) {
            Some(Listing::Objects(objects)) => objects.iter().all(|o| o.id != binding.id),
            _ => false,
        }
    }
}

impl Ground {
    /// Notes what a write has made of the tasklist.
    fn note(&mut self, write: &Write, sent: &Sent) {
        let done = match sent {
            Sent::Done(done) => done,
            // Nobody knows, or something is there that nobody could note.
            Sent::Not(Outcome::Unknown(_)) => {
                self.now = None;
                return;
            }
            Sent::Not(_) => return,
        };
        let Some(Snapshot {
            seen: Seen::Objects(objects),
            ..
        }) = &mut self.now
        else {
            return;
        };
        if let Write::Delete { id, .. } = write {
            objects.retain(|object| object.id != *id);
            return;
        }
        let whole = |object: &&Object| {
            let all = [
                Field::Name,
                Field::Subscribers,
                Field::Events,
                Field::Enabled,
            ];
            all.iter().all(|field| object.fields.get(*field).is_some())
        };
        match done.object.as_ref().filter(whole) {
            Some(object) => {
                objects.retain(|known| known.id != object.id);
                objects.push(object.clone());
            }
            None => self.now = None,
        }
    }
}

/// Why an object is not to be deleted: it is no longer as the plan has shown it.
fn edited(fresh: &[Object], id: &RemoteId, planned: Option<&Fields>) -> Option<String> {
    let object = fresh.iter().find(|o| o.id == *id)?;
    (Some(&object.fields) != planned).then(|| format!("{id} was changed meanwhile"))
}
