//! Three sides for tests of the diff: a manifest from YAML, and what the ledger and the vendor hold,
//! derived from it, so that a test shows only what differs.

use std::collections::{BTreeMap, BTreeSet};

use beadle::engine::people::{self, Directories};
use beadle::model::diagnostic::{Sources, has_errors};
use beadle::model::manifest::{Manifest, TasklistTarget};
use beadle::model::parse::{self, Inputs, Secrets, World};
use beadle::model::{Address, ChatId, Collection, Events, Field, Fields, Name, RemoteId, Value};
use beadle::plan::live::{Binding, Claim, Kept, Object, Reading, Roster};
use beadle::plan::{
    self, Action, Change, Choice, Listing, Memory, Plan, Record, Resolution, Subject, Unsettled,
    diff,
};
use futures_util::FutureExt as _;

/// The head of every manifest here: two tasklists, `a` and `b`, and two chats.
const HEAD: &str = "version: 1
providers: { feishu: { app_id: cli_a, app_secret: s } }
tasklists: { a: { guid: guid-a }, b: { guid: guid-b } }
chats: { room: { id: oc_room }, hall: { id: oc_hall } }
";

/// The three sides and what was asked for.
pub(crate) struct Sides {
    pub(crate) manifest: Manifest,
    pub(crate) live: BTreeMap<Collection, Listing>,
    /// Chats and contact user groups as they are live.
    pub(crate) kept: BTreeMap<(Collection, RemoteId), Object>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) unsettled: Vec<Unsettled>,
    pub(crate) memory: Memory,
    pub(crate) choice: Choice,
    made: usize,
}

/// Reads a manifest: `text` comes below the usual head, unless it has its own.
pub(crate) fn manifest(text: &str) -> Manifest {
    let text = if text.starts_with("version:") {
        text.to_owned()
    } else {
        format!("{HEAD}{text}")
    };
    let mut sources = Sources::default();
    let root = sources.add("beadle.yaml", text);
    let inputs = Inputs {
        vars: &BTreeMap::new(),
        env: &|_| None,
        file: &|_, _| Err("no files here".to_owned()),
        allow_hosts: &[],
        secrets: Secrets::Skip,
        world: World::Real,
    };
    let (manifest, diagnostics) = parse::manifest(&sources, root, &inputs);
    let text = &sources.get(root).text;
    assert!(!has_errors(&diagnostics), "{diagnostics:#?}\n{text}");
    manifest.unwrap()
}

/// One subscription in YAML with usual values, to be put below `tasklist_subscriptions:`.
pub(crate) fn subscription(name: &str, more: &str) -> String {
    let tasklist = if more.contains("tasklist") {
        ""
    } else {
        "tasklist: a, "
    };
    let events = if more.contains("events:") {
        ""
    } else {
        "events: [task.added], "
    };
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(", {more}")
    };
    format!("  {name}: {{ {tasklist}{events}subscribers: [room]{more} }}\n")
}

/// A manifest with these subscriptions.
pub(crate) fn declares(subscriptions: &[(&str, &str)]) -> String {
    let blocks: String = subscriptions
        .iter()
        .map(|(name, more)| subscription(name, more))
        .collect();
    if blocks.is_empty() {
        String::new()
    } else {
        format!("tasklist_subscriptions:\n{blocks}")
    }
}

impl Sides {
    /// A manifest, empty tasklists, and a ledger that has seen an apply.
    pub(crate) fn new(text: &str) -> Sides {
        let mut sides = Sides {
            manifest: manifest(text),
            live: BTreeMap::new(),
            kept: BTreeMap::new(),
            bindings: Vec::new(),
            claims: Vec::new(),
            unsettled: Vec::new(),
            memory: Memory::Kept,
            choice: Choice::default(),
            made: 0,
        };
        for tasklist in ["guid-a", "guid-b"] {
            sides
                .live
                .insert(tasklist.into(), Listing::Objects(Vec::new()));
        }
        sides
    }

    /// The same after a successful apply.
    pub(crate) fn applied(text: &str) -> Sides {
        let mut sides = Sides::new(text);
        let plan = sides.plan();
        sides.carry_out(&plan);
        sides
    }

    /// Changes the manifest.
    pub(crate) fn declare(mut self, text: &str) -> Sides {
        self.manifest = manifest(text);
        self
    }

    /// The objects of a tasklist.
    pub(crate) fn objects(&mut self, tasklist: &str) -> &mut Vec<Object> {
        match self.live.get_mut(&Collection::from(tasklist)) {
            Some(Listing::Objects(objects)) => objects,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody changes a field of the object with that name.
    pub(crate) fn edit(mut self, name: &str, field: Field, value: Value) -> Sides {
        for tasklist in ["guid-a", "guid-b"] {
            for object in self.objects(tasklist) {
                if object.fields.name() == Some(name) {
                    object.fields.set(field, value.clone());
                }
            }
        }
        self
    }

    /// Somebody makes a subscription that nobody declared.
    pub(crate) fn foreign(mut self, tasklist: &str, name: &str) -> Sides {
        let fields = [
            (Field::Name, Value::Text(name.to_owned())),
            (Field::Subscribers, Value::Chats(["oc_room".into()].into())),
            (
                Field::Events,
                Value::Events([beadle::model::EventKey(100)].into_iter().collect()),
            ),
            (Field::Enabled, Value::Flag(true)),
        ];
        let id = self.next_id();
        self.objects(tasklist).push(Object {
            id,
            fields: fields.into_iter().collect(),
        });
        self
    }

    fn next_id(&mut self) -> RemoteId {
        self.made += 1;
        RemoteId::new(&format!("id-{}", self.made))
    }

    /// The plan.
    pub(crate) fn plan(&self) -> Plan {
        let tasklists: BTreeMap<Name, Resolution> = self
            .manifest
            .tasklists
            .iter()
            .map(|(key, tasklist)| {
                let resolution = match &tasklist.target {
                    TasklistTarget::Guid(guid) => Resolution::Found(guid.clone().into()),
                    TasklistTarget::Named(name) => {
                        Resolution::Unread(format!("{name} is not looked up here"))
                    }
                };
                (key.clone(), resolution)
            })
            .collect();
        diff(&plan::Inputs {
            manifest: &self.manifest,
            tasklists: &tasklists,
            listings: &self.live,
            kept: &self.read_kept(),
            bindings: &self.bindings,
            claims: &self.claims,
            unsettled: &self.unsettled,
            memory: self.memory,
            choice: &self.choice,
        })
    }

    /// Who should be in each chat and contact user group; everybody is listed by open_id.
    pub(crate) fn rosters(&self) -> BTreeMap<Address, Roster> {
        let nobody = Directories::new();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let people = people::rosters(&self.manifest, &self.choice, &[], &nobody, now);
        let people = people.now_or_never();
        people.expect("there is nobody to be asked").rosters
    }

    /// What a reading of the chats and contact user groups gives.
    fn read_kept(&self) -> Kept {
        let bound = self.bindings.iter().map(|b| (&b.collection, &b.id));
        let bound = bound.map(|(collection, id)| (collection.clone(), id.clone()));
        let reading = |key: &(Collection, RemoteId)| match self.kept.get(key) {
            Some(object) => Reading::Found(object.clone()),
            None => Reading::Gone,
        };
        let feishu = Name::new("feishu").unwrap();
        let catalog = |collection: &Collection| {
            let here = self.kept.iter().filter(|((of, _), _)| of == collection);
            Reading::Found(here.map(|(_, object)| object.clone()).collect())
        };
        Kept {
            rosters: self.rosters(),
            readings: bound.map(|key| (key.clone(), reading(&key))).collect(),
            catalogs: [Collection::Chats, Collection::UserGroups]
                .into_iter()
                .map(|collection| {
                    let objects = catalog(&collection);
                    ((feishu.clone(), collection), objects)
                })
                .collect(),
        }
    }

    /// Does to the live side and the ledger what the plan says.
    pub(crate) fn carry_out(&mut self, plan: &Plan) {
        for record in &plan.records {
            if let Record::Unbind { address, .. } = record {
                self.bindings.retain(|b| b.address != *address);
            }
            if let Record::Move { from, to } = record {
                for binding in &mut self.bindings {
                    if binding.address == *from {
                        binding.address = to.clone();
                    }
                }
            }
        }
        for record in &plan.records {
            if let Record::Bind {
                address,
                collection,
                id,
                applied,
                protect,
                ..
            } = record
            {
                self.bind(address, collection, id, applied.clone(), *protect);
            }
        }
        for change in &plan.changes {
            self.carry_out_one(change);
        }
    }

    fn carry_out_one(&mut self, change: &Change) {
        let collection = &change.collection;
        match collection {
            Collection::Ledger => return self.register(change),
            Collection::Chats | Collection::UserGroups => return self.keep(change),
            Collection::Tasklist(_) => {}
        }
        match &change.action {
            Action::Create { desired } => {
                self.make(change, desired);
            }
            Action::Replace {
                old_collection,
                id,
                desired,
                ..
            } => {
                self.bindings.retain(|b| b.id != *id);
                self.objects(old_collection.as_str())
                    .retain(|o| o.id != *id);
                self.make(change, desired);
            }
            Action::Update { id, fields, .. } | Action::Adopt { id, fields, .. } => {
                let after = fields.iter().map(|f| (f.field, known(&f.after)));
                let after = self.with_ids(after.collect());
                for object in self.objects(collection.as_str()) {
                    if object.id == *id {
                        for (field, value) in after.iter() {
                            object.fields.set(field, value.clone());
                        }
                    }
                }
                let address = change.subject.address().unwrap();
                self.bind(
                    address,
                    collection,
                    id,
                    self.applied_of(address),
                    change.protect,
                );
            }
            Action::Delete { id, .. } => {
                self.objects(collection.as_str()).retain(|o| o.id != *id);
                self.bindings.retain(|b| b.id != *id);
            }
            Action::Forget { id, .. } => self.bindings.retain(|b| b.id != *id),
        }
    }

    /// A group in the register.
    fn register(&mut self, change: &Change) {
        let address = change.subject.address().unwrap();
        match change.after() {
            Some(applied) => {
                let id = RemoteId::new(&address.to_string());
                self.bind(address, &Collection::Ledger, &id, applied, change.protect);
            }
            None => self.bindings.retain(|b| b.address != *address),
        }
    }

    /// A chat or contact user group: its fields, its people, and the note of whom beadle put there.
    fn keep(&mut self, change: &Change) {
        let collection = &change.collection;
        let id = match &change.action {
            Action::Create { .. } => self.next_id(),
            Action::Update { id, .. } | Action::Adopt { id, .. } => id.clone(),
            Action::Delete { id, .. } => {
                self.kept.remove(&(collection.clone(), id.clone()));
                return self.bindings.retain(|b| b.id != *id);
            }
            Action::Forget { id, .. } => return self.bindings.retain(|b| b.id != *id),
            Action::Replace { .. } => panic!("{change:?}"),
        };
        let address = change.subject.address().unwrap();
        let key = (collection.clone(), id.clone());
        let new = || Object {
            id: id.clone(),
            fields: Fields::default(),
        };
        let object = self.kept.entry(key).or_insert_with(new);
        let before = object.fields.items(Field::Members).clone();
        let after = match &change.action {
            Action::Create { desired } => {
                for field in [Field::Name, Field::Description, Field::Members] {
                    if let Some(value) = desired.get(field) {
                        object.fields.set(field, value.clone());
                    }
                }
                desired.items(Field::Members).clone()
            }
            _ => {
                for field in change.field_changes() {
                    if field.field != Field::OnDelete {
                        object.fields.set(field.field, field.after.clone());
                    }
                }
                object.fields.items(Field::Members).clone()
            }
        };
        let bound = self.bindings.iter().find(|b| b.id == id);
        let added = bound.map(|b| b.applied.items(Field::Added).clone());
        // Those of ours who are there still, and those who come now.
        let here = added.unwrap_or_default();
        let mut added: BTreeSet<_> = here.intersection(&before).cloned().collect();
        added.extend(after.difference(&before).cloned());
        added.retain(|id| after.contains(id));
        let applied = plan::diff::applied_kept(&self.manifest, &self.rosters());
        let mut applied = applied[address].clone();
        applied.set(Field::Added, Value::Items(added));
        self.bind(address, collection, &id, applied, change.protect);
    }

    /// The same values with the ids of chats that were to come.
    fn with_ids(&self, mut fields: Fields) -> Fields {
        let Some(Value::Chats(chats)) = fields.get(Field::Subscribers) else {
            return fields;
        };
        let id = |chat: &ChatId| match chat.pending() {
            None => chat.clone(),
            Some(address) => {
                let bound = self.bindings.iter().find(|b| b.address == address);
                ChatId::new(bound.expect("it is made by now").id.as_str())
            }
        };
        let chats = chats.iter().map(id).collect();
        fields.set(Field::Subscribers, Value::Chats(chats));
        fields
    }

    fn make(&mut self, change: &Change, desired: &Fields) {
        let desired = &self.with_ids(desired.clone());
        let id = self.next_id();
        let fields = desired
            .iter()
            .map(|(field, value)| (field, known(value)))
            .collect();
        self.objects(change.collection.as_str()).push(Object {
            id: id.clone(),
            fields,
        });
        let address = change.subject.address().unwrap();
        self.bind(
            address,
            &change.collection,
            &id,
            self.applied_of(address),
            change.protect,
        );
    }

    fn applied_of(&self, address: &Address) -> Fields {
        let declared = self
            .manifest
            .subscriptions
            .iter()
            .find(|s| s.address == *address);
        let applied = declared.map(|s| plan::diff::applied(s, s.fields()));
        self.with_ids(applied.unwrap_or_default())
    }

    fn bind(
        &mut self,
        address: &Address,
        collection: &Collection,
        id: &RemoteId,
        applied: Fields,
        protect: bool,
    ) {
        self.bindings.retain(|b| b.address != *address);
        self.bindings.push(Binding {
            address: address.clone(),
            provider: Name::new("feishu").unwrap(),
            app: "cli_a".into(),
            collection: collection.clone(),
            id: id.clone(),
            applied,
            protect,
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        });
    }
}

/// What a vendor stores of a value: `all` is only a wish.
fn known(value: &Value) -> Value {
    match value {
        Value::Events(events) => Value::Events(Events {
            keys: events.keys.clone(),
            all: false,
        }),
        other => other.clone(),
    }
}

/// A plan in short lines: symbol, subject, cause, fields.
pub(crate) fn brief(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for change in &plan.changes {
        let subject = match &change.subject {
            Subject::Resource(address) => address.to_string().replace("tasklist_subscription.", ""),
            foreign @ Subject::Foreign(..) => foreign.to_string(),
        };
        let fields: Vec<_> = change
            .field_changes()
            .iter()
            .map(|f| format!("{}={}", f.field, f.cause.as_str()))
            .collect();
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!(" [{}]", fields.join(" "))
        };
        lines.push(format!(
            "{} {subject} in {} ({}){fields}",
            change.action.as_str(),
            change.collection.as_str(),
            change.cause.as_str()
        ));
    }
    for record in &plan.records {
        lines.push(match record {
            Record::Bind {
                address, id, new, ..
            } => {
                format!(
                    "{} {} {id}",
                    if *new { "bind" } else { "record" },
                    address.name
                )
            }
            Record::Move { from, to } => format!("move {from} to {to}"),
            Record::Unbind { address, id } => format!("unbind {address} {id}"),
        });
    }
    lines.extend(plan.unread.iter().map(|u| format!("unread {}", u.address)));
    lines.extend(plan.foreign.iter().map(|f| {
        let kept = f
            .kept_by
            .as_ref()
            .map(|k| format!(" kept by {k}"))
            .unwrap_or_default();
        let project = f
            .project
            .as_ref()
            .map(|p| format!(" of {p}"))
            .unwrap_or_default();
        format!("foreign {}{kept}{project}", f.name)
    }));
    lines.extend(plan.kept.iter().map(|k| format!("kept {k}")));
    lines.extend(plan.refusals.iter().map(|r| format!("refused {r:?}")));
    lines.extend(
        plan.diagnostics
            .iter()
            .map(|d| format!("{}[{}]: {}", d.severity, d.code, d.summary)),
    );
    lines.join("\n")
}
