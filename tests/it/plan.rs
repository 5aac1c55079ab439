//! The diff: each row of the design's tables, and that a plan after an apply is empty.

use beadle::model::{Address, EventKey, Field, Value};
use beadle::plan::live::Claim;
use beadle::plan::{Listing, Memory, Unsettled};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::support::sides::{Sides, brief, declares};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn events(keys: &[u32]) -> Value {
    Value::Events(keys.iter().map(|k| EventKey(*k)).collect())
}

fn address(name: &str) -> Address {
    format!("tasklist_subscription.{name}").parse().unwrap()
}

// Fields: desired, applied, live.

#[test]
fn what_is_as_declared_is_no_change() {
    let sides = Sides::applied(&declares(&[("x", ""), ("y", "events: all")]));
    assert_eq!(brief(&sides.plan()), "");
}

#[test]
fn a_change_of_the_manifest_is_ahead() {
    let sides =
        Sides::applied(&declares(&[("x", "")])).declare(&declares(&[("x", "enabled: false")]));
    assert_snapshot!(brief(&sides.plan()), @"update x in guid-a (ahead) [enabled=ahead]");
}

#[test]
fn a_change_outside_is_drifted() {
    let sides = Sides::applied(&declares(&[("x", "")])).edit("x", Field::Events, events(&[101]));
    assert_snapshot!(brief(&sides.plan()), @"update x in guid-a (drifted) [events=drifted]");
}

#[test]
fn a_change_on_both_sides_shows_three_values() {
    let sides = Sides::applied(&declares(&[("x", "")]))
        .edit("x", Field::Events, events(&[101]))
        .declare(&declares(&[("x", "events: [103]")]));
    let plan = sides.plan();
    assert_snapshot!(brief(&plan), @"update x in guid-a (both) [events=both]");
    let change = &plan.changes[0].field_changes()[0];
    assert_eq!(change.applied, Some(events(&[100])));
    assert_eq!(
        (&change.before, &change.after),
        (&events(&[101]), &events(&[103]))
    );
}

#[test]
fn the_same_change_on_both_sides_is_recorded_and_no_more() {
    let sides = Sides::applied(&declares(&[("x", "")]))
        .edit("x", Field::Enabled, Value::Flag(false))
        .declare(&declares(&[("x", "enabled: false")]));
    assert_snapshot!(brief(&sides.plan()), @"record x id-1");
}

#[test]
fn different_causes_in_one_object_are_both_and_each_field_keeps_its_own() {
    let sides = Sides::applied(&declares(&[("x", "")]))
        .edit("x", Field::Enabled, Value::Flag(false))
        .declare(&declares(&[("x", "name: new")]));
    assert_snapshot!(brief(&sides.plan()), @"update x in guid-a (both) [name=ahead enabled=drifted]");
}

#[test]
fn an_unknown_live_event_is_no_difference_under_all_and_one_otherwise() {
    let every: Vec<u32> = beadle::model::event::EVENTS
        .iter()
        .map(|(k, _)| k.0)
        .chain([133])
        .collect();
    let sides =
        Sides::applied(&declares(&[("x", "events: all")])).edit("x", Field::Events, events(&every));
    assert_eq!(brief(&sides.plan()), "");
    let sides =
        Sides::applied(&declares(&[("x", "")])).edit("x", Field::Events, events(&[100, 133]));
    assert_snapshot!(brief(&sides.plan()), @"update x in guid-a (drifted) [events=drifted]");
}

#[test]
fn an_ignored_field_is_left_as_it_is() {
    let sides = Sides::applied(&declares(&[("x", "ignore: [enabled]")])).edit(
        "x",
        Field::Enabled,
        Value::Flag(false),
    );
    assert_eq!(brief(&sides.plan()), "");
}

// Identity.

#[test]
fn what_was_deleted_outside_is_created_again() {
    let mut sides = Sides::applied(&declares(&[("x", "")]));
    sides.objects("guid-a").clear();
    assert_snapshot!(brief(&sides.plan()), @"create x in guid-a (vanished)");
}

#[test]
fn an_equal_object_of_the_same_name_is_bound_without_asking() {
    let mut sides = Sides::new(&declares(&[("x", "")])).foreign("guid-a", "x");
    sides.memory = Memory::New;
    assert_snapshot!(brief(&sides.plan()), @r"
    bind x id-1
    warning[new-ledger]: this ledger is new, and 1 live object matches by name
    ");
}

#[test]
fn a_different_object_of_the_same_name_needs_consent() {
    let mut sides = Sides::new(&declares(&[("x", "events: [103]")])).foreign("guid-a", "x");
    assert_snapshot!(brief(&sides.plan()), @"
    foreign x
    error[adopt-needs-consent]: the tasklist already holds a subscription named `x`, which is not bound and differs
    ");
    sides.choice.adopt = vec![address("x")];
    assert_snapshot!(brief(&sides.plan()), @"adopt x in guid-a (differs) [events=differs]");
    sides.choice.adopt.clear();
    sides.memory = Memory::None;
    assert_snapshot!(brief(&sides.plan()), @"update x in guid-a (differs) [events=differs]");
}

#[test]
fn two_objects_of_the_same_name_are_not_chosen_between() {
    let sides = Sides::new(&declares(&[("x", "")]))
        .foreign("guid-a", "x")
        .foreign("guid-a", "x");
    assert_snapshot!(brief(&sides.plan()), @"
    foreign x
    foreign x
    error[ambiguous-name]: the tasklist holds 2 subscriptions of this name: id-1, id-2
    ");
}

const PIN: &str = "id: 33991879-704f-444f-81d7-55a6aa7be80c";

fn with_pinned() -> Sides {
    let mut sides = Sides::new(&declares(&[("x", PIN)])).foreign("guid-a", "old name");
    sides.objects("guid-a")[0].id = "33991879-704f-444f-81d7-55a6aa7be80c".into();
    sides
}

#[test]
fn a_pinned_object_is_adopted_without_asking() {
    assert_snapshot!(brief(&with_pinned().plan()), @"adopt x in guid-a (differs) [name=differs]");
}

#[test]
fn a_pinned_object_that_is_gone_is_an_error() {
    let mut sides = with_pinned();
    sides.objects("guid-a").clear();
    assert_snapshot!(brief(&sides.plan()), @"error[pin-gone]: the object that `id` pins is gone: 33991879-704f-444f-81d7-55a6aa7be80c is not in the tasklist");
}

#[test]
fn an_object_of_another_project_is_refused_naming_both() {
    let mut sides = with_pinned();
    sides.claims.push(Claim {
        project: beadle::model::Name::new("other").unwrap(),
        address: address("theirs"),
        collection: "guid-a".into(),
        id: "33991879-704f-444f-81d7-55a6aa7be80c".into(),
    });
    assert_snapshot!(brief(&sides.plan()), @"
    foreign old name of other
    error[bound-elsewhere]: 33991879-704f-444f-81d7-55a6aa7be80c is bound to tasklist_subscription.theirs of project `other`, and so cannot be tasklist_subscription.x too
    ");
}

#[test]
fn a_renamed_resource_keeps_its_object() {
    let sides = Sides::applied(&declares(&[("x", "name: n")]))
        .declare(&declares(&[("y", "name: n, moved_from: x")]));
    assert_snapshot!(brief(&sides.plan()), @"move tasklist_subscription.x to tasklist_subscription.y");
    let sides =
        Sides::applied(&declares(&[("x", "")])).declare(&declares(&[("y", "moved_from: x")]));
    assert_snapshot!(brief(&sides.plan()), @"
    update y in guid-a (ahead) [name=ahead]
    move tasklist_subscription.x to tasklist_subscription.y
    ");
}

#[test]
fn the_former_default_name_is_tried_before_a_create() {
    let mut sides = Sides::new(&declares(&[("y", "moved_from: x")])).foreign("guid-a", "x");
    sides.memory = Memory::None;
    assert_snapshot!(brief(&sides.plan()), @"update y in guid-a (differs) [name=differs]");
}

#[test]
fn the_key_of_a_tasklist_is_only_a_label() {
    let sides = Sides::applied(&declares(&[("x", "tasklist: a")]))
        .declare(&declares(&[("x", "tasklists: [a, b]")]));
    assert_snapshot!(brief(&sides.plan()), @"
    create x/b in guid-b (ahead)
    move tasklist_subscription.x to tasklist_subscription.x/a
    ");
    let renamed = "version: 1
providers: { feishu: { app_id: cli_a, app_secret: s } }
tasklists: { c: { guid: guid-a } }
chats: { room: { id: oc_room } }
tasklist_subscriptions: { x: { tasklist: c, events: [task.added], subscribers: [room] } }
";
    let sides = Sides::applied(&declares(&[("x", "tasklist: a")])).declare(renamed);
    assert_eq!(brief(&sides.plan()), "");
}

#[test]
fn another_app_on_the_same_project_is_refused() {
    let mut sides = Sides::applied(&declares(&[("x", "")]));
    sides.bindings[0].app = "cli_other".into();
    assert_snapshot!(brief(&sides.plan()), @"error[other-app]: tasklist_subscription.x was made with app cli_other, and provider `feishu` is app cli_a");
}

// What is left over.

#[test]
fn a_subscription_that_moves_tasklist_is_replaced() {
    let sides = Sides::applied(&declares(&[("x", "tasklist: a")]))
        .declare(&declares(&[("x", "tasklist: b")]));
    assert_snapshot!(brief(&sides.plan()), @"replace x in guid-b (ahead)");
}

#[test]
fn one_of_several_instances_goes_and_another_comes() {
    let sides = Sides::applied(&declares(&[("x", "tasklists: [a]"), ("y", "")]))
        .declare(&declares(&[("x", "tasklists: [a, b]"), ("y", "")]));
    assert_snapshot!(brief(&sides.plan()), @"create x/b in guid-b (ahead)");
}

#[test]
fn a_block_that_is_gone_deletes_the_bound_object_only() {
    let sides = Sides::applied(&declares(&[("x", ""), ("y", "")]))
        .foreign("guid-a", "theirs")
        .declare(&declares(&[("y", "")]));
    assert_snapshot!(brief(&sides.plan()), @"
    delete x in guid-a (ahead)
    foreign theirs
    ");
}

#[test]
fn a_block_and_an_object_that_are_gone_leave_a_binding_to_go_and_no_change() {
    let mut sides =
        Sides::applied(&declares(&[("x", ""), ("y", "")])).declare(&declares(&[("y", "")]));
    sides
        .objects("guid-a")
        .retain(|o| o.fields.name() != Some("x"));
    assert_snapshot!(brief(&sides.plan()), @"unbind tasklist_subscription.x id-1");
}

#[test]
fn forget_lets_go_without_deleting() {
    let forget = format!(
        "forget: [tasklist_subscription.x]\n{}",
        declares(&[("y", "")])
    );
    let sides = Sides::applied(&declares(&[("x", ""), ("y", "")])).declare(&forget);
    assert_snapshot!(brief(&sides.plan()), @"forget x in guid-a (ahead)");
}

#[test]
fn a_protected_block_that_is_gone_is_refused_also_after_a_restart() {
    let sides = Sides::applied(&declares(&[("x", "protect: true"), ("y", "")]))
        .declare(&declares(&[("y", "")]));
    assert_snapshot!(brief(&sides.plan()), @r#"
    delete x in guid-a (ahead)
    refused Protected { address: Address { kind: TasklistSubscription, name: "x", instance: None }, block_gone: true }
    "#);
    let mut sides = Sides::applied(&declares(&[("x", "protect: true"), ("y", "")]))
        .declare(&declares(&[("x", ""), ("y", "")]));
    let lift = sides.plan();
    assert_snapshot!(brief(&lift), @"record x id-1");
    sides.carry_out(&lift);
    assert_snapshot!(brief(&sides.declare(&declares(&[("y", "")])).plan()), @"delete x in guid-a (ahead)");
}

#[test]
fn an_unread_tasklist_is_not_an_empty_one() {
    let text = declares(&[("x", "tasklist: a"), ("y", "tasklist: b")]);
    let mut sides =
        Sides::applied(&text).declare(&declares(&[("y", "tasklist: b, enabled: false")]));
    sides
        .live
        .insert("guid-a".into(), Listing::Unread("HTTP 500".into()));
    assert_snapshot!(brief(&sides.plan()), @"
    update y in guid-b (ahead) [enabled=ahead]
    unread tasklist_subscription.x
    ");
}

const AUTHORITATIVE: &str = "version: 1
providers: { feishu: { app_id: cli_a, app_secret: s } }
guards: { deletes: 60% }
tasklists: { a: { guid: guid-a, authoritative: true, keep: [\"manual *\"] }, b: { guid: guid-b } }
chats: { room: { id: oc_room } }
";

#[test]
fn an_authoritative_tasklist_loses_what_nobody_declared_save_what_it_keeps() {
    let text = format!("{AUTHORITATIVE}{}", declares(&[("x", "")]));
    let sides = Sides::applied(&text)
        .foreign("guid-a", "stray")
        .foreign("guid-a", "manual one")
        .foreign("guid-b", "theirs");
    assert_snapshot!(brief(&sides.plan()), @"
    delete foreign:guid-a/id-2 in guid-a (foreign)
    foreign manual one kept by manual *
    foreign theirs
    ");
}

#[test]
fn a_part_of_the_project_never_deletes_what_nobody_declared() {
    let text = format!("{AUTHORITATIVE}{}", declares(&[("x", "")]));
    let mut sides = Sides::applied(&text).foreign("guid-a", "stray");
    sides.choice.targets = vec![address("x")];
    assert_snapshot!(brief(&sides.plan()), @"foreign stray");
}

#[test]
fn an_unsettled_create_spares_every_undeclared_object_of_its_tasklist() {
    let text = format!("{AUTHORITATIVE}{}", declares(&[("x", "")]));
    let mut sides = Sides::applied(&text).foreign("guid-a", "perhaps ours");
    sides.unsettled.push(Unsettled {
        address: Some(address("gone")),
        collection: "guid-a".into(),
        operation: "createTasklistActivitySubscription".into(),
        since: "2026-01-01T00:00:00Z".into(),
        in_progress_by: None,
    });
    assert_snapshot!(brief(&sides.plan()), @"foreign perhaps ours");
}

#[test]
fn without_a_ledger_nothing_outside_an_authoritative_tasklist_is_deleted() {
    let mut sides = Sides::applied(&declares(&[("x", ""), ("y", "")]))
        .edit("x", Field::Enabled, Value::Flag(false))
        .declare(&declares(&[("x", "")]));
    sides.memory = Memory::None;
    sides.bindings.clear();
    assert_snapshot!(brief(&sides.plan()), @"
    update x in guid-a (differs) [enabled=differs]
    foreign y
    ");
}

#[test]
fn an_excluded_instance_keeps_its_object_under_whatever_label() {
    let mut sides = Sides::applied(&declares(&[("x", "tasklist: a")]))
        .declare(&declares(&[("x", "tasklists: [a, b]")]));
    sides.choice.excludes = vec![address("x/a")];
    assert_snapshot!(brief(&sides.plan()), @"create x/b in guid-b (ahead)");
}

#[test]
fn what_another_app_made_is_not_deleted_either() {
    let mut sides =
        Sides::applied(&declares(&[("x", ""), ("y", "")])).declare(&declares(&[("y", "")]));
    for binding in &mut sides.bindings {
        if binding.address == address("x") {
            binding.app = "cli_other".into();
        }
    }
    assert_snapshot!(brief(&sides.plan()), @"error[other-app]: tasklist_subscription.x was made with app cli_other, and provider `feishu` is app cli_a");
}

// Limits and guards.

fn many(count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|n| (format!("s{n:02}"), String::new()))
        .collect()
}

fn declares_many(names: &[(String, String)]) -> String {
    let list: Vec<_> = names
        .iter()
        .map(|(name, more)| (name.as_str(), more.as_str()))
        .collect();
    declares(&list)
}

#[test]
fn a_51st_subscription_is_an_error_that_counts_the_foreign_ones() {
    let mut sides = Sides::new(&declares_many(&many(49)));
    for name in ["one", "two"] {
        sides = sides.foreign("guid-a", name);
    }
    let plan = sides.plan();
    assert_eq!(
        plan.diagnostics[0].summary,
        "tasklist guid-a would hold 51 subscriptions, and Feishu allows 50: 2 are there now, 2 of them not ours"
    );
}

#[test]
fn at_the_limit_deletes_go_first() {
    let full = many(50);
    let mut next: Vec<_> = full[2..].to_vec();
    next.push(("new".to_owned(), String::new()));
    let sides = Sides::applied(&declares_many(&full)).declare(&declares_many(&next));
    assert_snapshot!(brief(&sides.plan()), @"
    delete s01 in guid-a (ahead)
    delete s00 in guid-a (ahead)
    create new in guid-a (ahead)
    ");
}

#[test]
fn too_large_a_share_of_deletes_is_refused() {
    let sides = Sides::applied(&declares_many(&many(10))).declare(&declares_many(&many(6)));
    assert_eq!(sides.plan().refusals.len(), 1, "4 of 10 is more than 30 %");
    let sides = Sides::applied(&declares_many(&many(10))).declare(&declares_many(&many(7)));
    assert_eq!(sides.plan().refusals.len(), 0);
    let sides = Sides::applied(&declares_many(&many(9))).declare(&declares_many(&many(1)));
    assert_eq!(sides.plan().refusals.len(), 0, "a share of few says little");
}

#[test]
fn a_manifest_that_declares_nothing_is_refused() {
    let sides = Sides::applied(&declares(&[("x", "")])).declare("");
    assert_snapshot!(brief(&sides.plan()), @"
    delete x in guid-a (ahead)
    refused EmptyManifest { bound: 1 }
    ");
}

#[test]
fn destroy_keeps_what_is_protected() {
    let mut sides = Sides::applied(&declares(&[("x", "protect: true"), ("y", "")]));
    sides.choice.destroy = true;
    assert_snapshot!(brief(&sides.plan()), @"
    delete y in guid-a (ahead)
    kept tasklist_subscription.x
    ");
}

#[test]
fn a_flag_that_names_nothing_is_an_error() {
    let mut sides = Sides::new(&declares(&[("x", "")]));
    sides.choice.targets = vec![address("y")];
    assert_snapshot!(brief(&sides.plan()), @"error[unknown-address]: `--target tasklist_subscription.y` names nothing that is declared or bound");
}

// Properties.

#[derive(Clone, Debug)]
struct Declared {
    name: usize,
    place: usize,
    events: usize,
    enabled: bool,
    renamed: bool,
    ignore: bool,
}

fn declared() -> impl Strategy<Value = Vec<Declared>> {
    let one = (
        0..6_usize,
        0..3_usize,
        0..4_usize,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    prop::collection::vec(one, 0..6).prop_map(|list| {
        let mut seen = std::collections::BTreeSet::new();
        list.into_iter()
            .filter(|(name, ..)| seen.insert(*name))
            .map(|(name, place, events, enabled, renamed, ignore)| Declared {
                name,
                place,
                events,
                enabled,
                renamed,
                ignore,
            })
            .collect()
    })
}

fn yaml(list: &[Declared]) -> String {
    let blocks: Vec<(String, String)> = list
        .iter()
        .map(|d| {
            let place = ["tasklist: a", "tasklist: b", "tasklists: [a, b]"][d.place];
            let events = ["[task.added]", "[]", "all", "[103, 130]"][d.events];
            let name = if d.renamed {
                format!(", name: other-{}", d.name)
            } else {
                String::new()
            };
            let ignore = if d.ignore { ", ignore: [events]" } else { "" };
            (
                format!("s{}", d.name),
                format!(
                    "{place}, events: {events}, enabled: {}{name}{ignore}",
                    d.enabled
                ),
            )
        })
        .collect();
    declares_many(&blocks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_after_an_apply_is_empty(
        first in declared(),
        second in declared(),
        edits in prop::collection::vec((0..12_usize, 0..4_usize), 0..6),
    ) {
        let mut sides = Sides::applied(&yaml(&first)).foreign("guid-a", "theirs").foreign("guid-b", "others");
        for (at, what) in edits {
            for tasklist in ["guid-a", "guid-b"] {
                let objects = sides.objects(tasklist);
                if objects.is_empty() {
                    continue;
                }
                let at = at % objects.len();
                if objects[at].fields.name().is_some_and(|n| n == "theirs" || n == "others") {
                    continue;
                }
                match what {
                    0 => { objects.remove(at); }
                    1 => objects[at].fields.set(Field::Enabled, Value::Flag(false)),
                    2 => objects[at].fields.set(Field::Events, events(&[104, 133])),
                    _ => objects[at].fields.set(Field::Name, text("somebody's name")),
                }
            }
        }
        let mut sides = sides.declare(&yaml(&second));
        let plan = sides.plan();
        prop_assume!(!beadle::model::diagnostic::has_errors(&plan.diagnostics));
        let bound: std::collections::BTreeSet<_> = sides.bindings.iter().map(|b| b.id.clone()).collect();
        for change in &plan.changes {
            if let beadle::plan::Action::Delete { id, .. } = &change.action {
                prop_assert!(bound.contains(id), "only bound objects are deleted: {}", brief(&plan));
            }
        }
        sides.carry_out(&plan);
        let again = sides.plan();
        prop_assert!(again.changes.is_empty() && again.records.is_empty(), "first:\n{}\nthen:\n{}", brief(&plan), brief(&again));
        prop_assert!(sides.objects("guid-a").iter().any(|o| o.fields.name() == Some("theirs")));
        prop_assert!(sides.objects("guid-b").iter().any(|o| o.fields.name() == Some("others")));
    }
}
