//! Rounds of edits on both sides, at random: what a plan may do to people, and that an apply leaves
//! nothing to do. No vendor and no ledger: `support/sides.rs` carries the plans out.

use std::collections::{BTreeMap, BTreeSet};

use beadle::model::diagnostic::has_errors;
use beadle::model::manifest::ExtraMembers;
use beadle::model::{Collection, Field, RemoteId, Value};
use beadle::plan::live::Roster;
use beadle::plan::{Action, Change, Plan};
use proptest::prelude::*;

use crate::support::sides::{Sides, brief};

/// How many people there are.
const PEOPLE: u8 = 6;

/// What a manifest says of the chat and the contact user group of one group of people.
#[derive(Clone, Debug)]
struct Declared {
    people: BTreeSet<u8>,
    has_chat: bool,
    is_user_group: bool,
    removes: bool,
    ignores: bool,
    name: bool,
    description: bool,
    dissolves: bool,
}

fn declared() -> impl Strategy<Value = Declared> {
    let people = prop::collection::btree_set(0..PEOPLE, 1..=usize::from(PEOPLE));
    let mostly = prop::bool::weighted(0.8);
    let seldom = prop::bool::weighted(0.25);
    let half = any::<bool>();
    (people, mostly, mostly, half, seldom, half, half, half).prop_map(
        |(people, has_chat, is_user_group, removes, ignores, name, description, dissolves)| {
            Declared {
                people,
                has_chat,
                is_user_group,
                removes,
                ignores,
                name,
                description,
                dissolves,
            }
        },
    )
}

/// What somebody does to the chat and to the contact user group.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Adds(u8),
    Removes(u8),
    Owns(u8),
    Renames,
    Describes,
    Deletes,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0..PEOPLE).prop_map(Deed::Adds),
        4 => (0..PEOPLE).prop_map(Deed::Removes),
        2 => (0..PEOPLE).prop_map(Deed::Owns),
        1 => Just(Deed::Renames),
        1 => Just(Deed::Describes),
        1 => Just(Deed::Deletes),
    ];
    prop::collection::vec(deed, 0..5)
}

fn person(number: u8) -> String {
    format!("ou_{number}")
}

fn yaml(declared: &Declared) -> String {
    let extra = if declared.removes { "remove" } else { "keep" };
    let name = if declared.name { "One" } else { "Two" };
    let description = if declared.description {
        ", description: Words"
    } else {
        ""
    };
    let ignore = if declared.ignores { "[members]" } else { "[]" };
    let on_delete = if declared.dissolves {
        "dissolve"
    } else {
        "keep"
    };
    let people: Vec<String> = declared.people.iter().map(|n| person(*n)).collect();
    let kept = if declared.is_user_group {
        format!(
            ", user_group: {{ name: {name}, extra_members: {extra}, ignore: {ignore}{description} }}"
        )
    } else {
        String::new()
    };
    let mut text = format!(
        "version: 1
providers: {{ feishu: {{ app_id: cli_a, app_secret: s }} }}
tasklists: {{ a: {{ guid: guid-a }}, b: {{ guid: guid-b }} }}
recipient_groups: {{ team: {{ feishu: {{ users: [{}]{kept} }} }} }}
",
        people.join(", ")
    );
    if declared.has_chat {
        text += &format!(
            "chats: {{ room: {{ ignore: {ignore}, manage: {{ name: {name}, members: [team], extra_members: {extra}, on_delete: {on_delete}{description} }} }} }}
tasklist_subscriptions: {{ posts: {{ tasklist: a, subscribers: [room], events: [task.added] }} }}
"
        );
    }
    text
}

/// How the manifest changes.
#[derive(Clone, Debug)]
enum Edit {
    All(Declared),
    People(BTreeSet<u8>),
    /// Whoever is no longer in the chat is listed no longer.
    FollowsTheChat,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        2 => declared().prop_map(Edit::All),
        1 => prop::collection::btree_set(0..PEOPLE, 1..4).prop_map(Edit::People),
        2 => Just(Edit::FollowsTheChat),
    ]
}

impl Edit {
    fn of(&self, before: &Declared, sides: &Sides) -> Declared {
        let mut after = before.clone();
        match self {
            Edit::All(declared) => return declared.clone(),
            Edit::People(people) => after.people.clone_from(people),
            Edit::FollowsTheChat => {
                let chats = sides.kept.values();
                let gone = |id: &String| {
                    let mut chats = chats.clone();
                    chats.any(|o| !o.fields.items(Field::Members).contains(id))
                };
                after.people.retain(|number| !gone(&person(*number)));
                if after.people.is_empty() {
                    return before.clone();
                }
            }
        }
        after
    }
}

type Key = (Collection, RemoteId);

/// Who put people where, as those who are asked remember it.
#[derive(Default)]
struct Memory {
    ours: BTreeMap<Key, BTreeSet<String>>,
    /// Of ours, removed since the last apply: whoever is back by then was never away.
    away: BTreeMap<Key, BTreeSet<String>>,
}

impl Memory {
    fn do_deed(&mut self, sides: &mut Sides, deed: Deed) {
        let keys: Vec<Key> = sides.kept.keys().cloned().collect();
        for key in keys {
            let ours = self.ours.entry(key.clone()).or_default();
            let away = self.away.entry(key.clone()).or_default();
            let fields = &mut sides.kept.get_mut(&key).unwrap().fields;
            let mut members = fields.items(Field::Members).clone();
            let text = |text: &str| Value::Text(text.to_owned());
            let is_owner = |id: &str| fields.get(Field::Owner) == Some(&text(id));
            match deed {
                Deed::Adds(number) => {
                    if away.remove(&person(number)) {
                        ours.insert(person(number));
                    }
                    members.insert(person(number));
                }
                Deed::Removes(number) if !is_owner(&person(number)) => {
                    members.remove(&person(number));
                    if ours.remove(&person(number)) {
                        away.insert(person(number));
                    }
                }
                Deed::Owns(number)
                    if members.contains(&person(number)) && key.0 == Collection::Chats =>
                {
                    fields.set(Field::Owner, Value::Text(person(number)));
                }
                Deed::Renames => fields.set(Field::Name, text("Somebody's")),
                Deed::Describes => fields.set(Field::Description, text("Somebody's")),
                Deed::Deletes => {
                    sides.kept.remove(&key);
                    continue;
                }
                Deed::Removes(_) | Deed::Owns(_) => {}
            }
            let fields = &mut sides.kept.get_mut(&key).unwrap().fields;
            fields.set(Field::Members, Value::Items(members));
        }
    }

    /// What a plan may not do to people.
    fn check(&self, sides: &Sides, change: &Change) -> Result<(), TestCaseError> {
        let (Action::Update { id, .. } | Action::Adopt { id, .. }) = &change.action else {
            return Ok(());
        };
        if change.collection == Collection::Ledger || change.collection.tasklist().is_some() {
            return Ok(());
        }
        let key = (change.collection.clone(), id.clone());
        let (_, removed) = change.people();
        let fields = &sides.kept[&key].fields;
        let name = &change.subject.address().unwrap().name;
        let extra = match change.collection {
            Collection::Chats => sides.manifest.managed_chats[name].extra_members,
            _ => sides.manifest.groups[name].user_groups["feishu"].extra_members,
        };
        let ours = self.ours.get(&key).cloned().unwrap_or_default();
        for id in removed {
            prop_assert_ne!(fields.get(Field::Owner), Some(&Value::Text(id.clone())));
            if extra == ExtraMembers::Keep {
                prop_assert!(ours.contains(&id), "{id} is not ours: {ours:?}");
            }
        }
        Ok(())
    }

    /// Notes whom an apply has put where.
    fn note(&mut self, sides: &Sides, before: &BTreeMap<Key, BTreeSet<String>>) {
        self.away.clear();
        for (key, object) in &sides.kept {
            let members = object.fields.items(Field::Members);
            let nobody = BTreeSet::new();
            let before = before.get(key).unwrap_or(&nobody);
            let ours = self.ours.entry(key.clone()).or_default();
            ours.extend(members.difference(before).cloned());
            ours.retain(|id| members.contains(id));
        }
    }
}

/// Fails unless everybody who is listed is there, and nobody whom `extra_members: remove` is about.
fn check_reached(sides: &Sides, plan: &Plan) -> Result<(), TestCaseError> {
    for (address, roster) in sides.rosters() {
        let binding = sides.bindings.iter().find(|b| b.address == address);
        let binding = binding.unwrap_or_else(|| panic!("{address}: {}", brief(plan)));
        let Roster::Known { people, .. } = roster else {
            panic!("{roster:?}")
        };
        let (ignores, extra) = match binding.collection {
            Collection::Chats => {
                let chat = &sides.manifest.managed_chats[&address.name];
                (&chat.ignore, chat.extra_members)
            }
            _ => {
                let group = &sides.manifest.groups[&address.name].user_groups["feishu"];
                (&group.ignore, group.extra_members)
            }
        };
        if ignores.contains(&Field::Members) {
            continue;
        }
        let fields = &sides.kept[&(binding.collection.clone(), binding.id.clone())].fields;
        let members = fields.items(Field::Members);
        prop_assert!(people.is_subset(members), "{people:?} {members:?}");
        for id in members.difference(&people) {
            let is_owner = fields.get(Field::Owner) == Some(&Value::Text(id.clone()));
            prop_assert!(is_owner || extra == ExtraMembers::Keep, "{id} stays");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn people_are_where_they_are_listed_and_nobody_else_is_moved(
        first in declared(),
        rounds in prop::collection::vec((edit(), deeds()), 1..7),
    ) {
        let mut sides = Sides::new(&yaml(&first));
        let mut declared = first;
        let mut memory = Memory::default();
        for (edit, deeds) in &rounds {
            declared = edit.of(&declared, &sides);
            sides = sides.declare(&yaml(&declared));
            let room = declared.has_chat.then_some("chat.room");
            let group = declared.is_user_group.then_some("recipient_group.team/feishu");
            let consent = |address: &str| address.parse().unwrap();
            sides.choice.recreate = room.into_iter().map(consent).collect();
            sides.choice.adopt = room.into_iter().chain(group).map(consent).collect();
            let plan = sides.plan();
            // Several chats of this name may have been left behind.
            if has_errors(&plan.diagnostics) {
                break;
            }
            for change in &plan.changes {
                memory.check(&sides, change)?;
            }
            let members = |o: &beadle::plan::live::Object| o.fields.items(Field::Members).clone();
            let before = sides.kept.iter().map(|(k, o)| (k.clone(), members(o))).collect();
            sides.carry_out(&plan);
            memory.note(&sides, &before);
            let again = sides.plan();
            prop_assert!(
                again.changes.is_empty() && again.records.is_empty() && again.diagnostics.is_empty(),
                "first:\n{}\nthen:\n{}", brief(&plan), brief(&again)
            );
            check_reached(&sides, &plan)?;
            for deed in deeds {
                memory.do_deed(&mut sides, *deed);
            }
        }
    }
}
