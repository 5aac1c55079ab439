//! What every ledger promises, as functions over a [`Store`], so that each database that beadle gets
//! runs the same suite; `sqlite` below has what only a file can do wrong, `postgres` what only a server can.

mod afterwards;
mod postgres;
mod quota;
mod receipts;
mod sending;
mod snapshots;
mod sqlite;
mod tries;
mod upkeep;

use std::sync::Arc;

use beadle::engine::Call;
use beadle::engine::ledger::{
    Binding, BindingChange, End, EntryId, EntryOutcome, Holder, Lease, Ledger, LedgerError,
    NewEntry,
};
use beadle::engine::outbox::Books;
use beadle::model::{Address, AppId, ChatId, Events, Field, Fields, Name, RemoteId, Value};
use jiff::{SignedDuration, Timestamp};

use crate::support::postgres::now;
use afterwards::{
    a_name_that_was_had_before_keeps_what_it_had, a_notice_that_is_renamed_takes_everything_along,
    a_pause_lasts_until_its_end_or_until_it_is_resumed,
    a_person_settles_what_is_held_and_nothing_else, those_who_hear_of_problems_are_thought_of_once,
    what_is_revoked_is_taken_back_once,
};
use quota::{
    a_claim_takes_all_that_it_needs_or_nothing, many_who_take_at_once_take_no_more_than_there_is,
    what_somebody_has_had_today_is_known,
};
use receipts::{
    an_image_has_the_key_that_came_first, numbers_stay_and_names_go_when_the_following_ends,
    of_those_who_ask_at_once_one_may, what_was_sent_is_followed_once_and_reported_once,
};
use sending::{
    a_claim_that_ran_out_is_unknown_and_its_runner_writes_nothing,
    a_delivery_is_claimed_as_it_was_seen, a_delivery_is_claimed_by_one,
    a_range_of_which_something_was_dealt_with_is_not_admitted, an_instant_is_admitted_once,
    what_is_cancelled_stays_cancelled, what_is_taken_of_a_period_is_there_again_in_the_next,
    what_is_taken_of_any_time_is_there_again_when_that_is_over,
};
use snapshots::{
    a_newer_snapshot_takes_the_place_of_an_older_one, snapshots_read_back_and_are_a_projects_own,
    what_was_seen_before_an_apply_is_not_kept_after_it,
};
use upkeep::what_ended_long_ago_is_pruned_and_what_guards_is_not;

/// One database. Each ledger that it opens has connections of its own, as another process would.
pub(super) trait Store: Sync {
    /// Opens it for a project.
    fn books(&self, project: &str) -> Arc<dyn Books>;

    /// As [`Self::books`], for those who send nothing.
    fn open(&self, project: &str) -> Arc<dyn Ledger> {
        self.books(project)
    }
}

/// A promise, given a store of its own.
type Promise = fn(&dyn Store);

macro_rules! suite {
    ($($promise:ident,)*) => {
        /// Every promise, by name.
        const SUITE: &[(&str, Promise)] = &[$((stringify!($promise), $promise)),*];
    };
}

suite! {
    a_new_ledger_is_empty,
    bindings_read_back_by_address,
    binding_an_address_again_overwrites,
    an_object_is_bound_once,
    projects_see_each_other_as_claims_only,
    a_move_takes_the_binding_along,
    changes_happen_together_or_not_at_all,
    a_lease_is_had_by_one,
    fences_only_grow,
    whatever_is_applied_changes_the_turn,
    a_renewed_lease_lasts,
    a_paused_holder_writes_nothing,
    an_expired_holder_writes_nothing,
    a_broken_lease_is_lost,
    a_lease_is_given_back_once,
    entries_read_back,
    an_entry_ends_once,
    a_later_lease_settles,
    many_who_ask_at_once_get_one_lease,
    an_instant_is_admitted_once,
    a_range_of_which_something_was_dealt_with_is_not_admitted,
    a_delivery_is_claimed_by_one,
    a_delivery_is_claimed_as_it_was_seen,
    a_claim_that_ran_out_is_unknown_and_its_runner_writes_nothing,
    what_is_cancelled_stays_cancelled,
    what_is_taken_of_any_time_is_there_again_when_that_is_over,
    what_is_taken_of_a_period_is_there_again_in_the_next,
    a_person_settles_what_is_held_and_nothing_else,
    what_is_revoked_is_taken_back_once,
    those_who_hear_of_problems_are_thought_of_once,
    a_pause_lasts_until_its_end_or_until_it_is_resumed,
    a_notice_that_is_renamed_takes_everything_along,
    a_name_that_was_had_before_keeps_what_it_had,
    what_was_sent_is_followed_once_and_reported_once,
    of_those_who_ask_at_once_one_may,
    numbers_stay_and_names_go_when_the_following_ends,
    an_image_has_the_key_that_came_first,
    a_claim_takes_all_that_it_needs_or_nothing,
    many_who_take_at_once_take_no_more_than_there_is,
    what_somebody_has_had_today_is_known,
    what_ended_long_ago_is_pruned_and_what_guards_is_not,
    snapshots_read_back_and_are_a_projects_own,
    a_newer_snapshot_takes_the_place_of_an_older_one,
    what_was_seen_before_an_apply_is_not_kept_after_it,
}

/// An instant, so many seconds after the tests' dawn.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

const TTL: SignedDuration = SignedDuration::from_secs(60);

fn holder(user: &str) -> Holder {
    Holder {
        host: "build-7".into(),
        pid: 4_000_000_000,
        user: user.into(),
        command: "apply".into(),
    }
}

fn acquire(ledger: &dyn Ledger, user: &str, second: i64) -> Result<Lease, LedgerError> {
    now(ledger.acquire(&holder(user), at(second), TTL))
}

fn address(text: &str) -> Address {
    format!("tasklist_subscription.{text}").parse().unwrap()
}

fn fields(name: &str) -> Fields {
    [
        (Field::Name, Value::Text(name.into())),
        (
            Field::Subscribers,
            Value::Chats([ChatId::new("oc_1")].into()),
        ),
        (Field::Events, Value::Events(Events::all())),
        (Field::Enabled, Value::Flag(true)),
    ]
    .into_iter()
    .collect()
}

fn binding(name: &str, id: &str) -> Binding {
    Binding {
        address: address(name),
        provider: Name::new("feishu").unwrap(),
        app: AppId::new("cli_a1"),
        collection: "t1".into(),
        id: RemoteId::new(id),
        applied: fields(name),
        protect: false,
        updated_at: at(0),
    }
}

fn bind(name: &str, id: &str) -> BindingChange {
    BindingChange::Bind(binding(name, id))
}

fn new_entry(name: &str, second: i64) -> NewEntry {
    NewEntry {
        opened_at: at(second),
        address: Some(address(name)),
        provider: Name::new("feishu").unwrap(),
        app: AppId::new("cli_a1"),
        call: Call {
            operation: "createTasklistActivitySubscription".into(),
            collection: "t1".into(),
            id: None,
            body: Some(r#"{"name":"项目"}"#.into()),
        },
        sent: fields(name),
        seen: vec![RemoteId::new("s1"), RemoteId::new("s\n\"2")],
        timeout_ms: 30_000,
        protect: true,
    }
}

fn ended(second: i64, outcome: EntryOutcome) -> End {
    End {
        at: at(second),
        outcome,
        detail: "code 0".into(),
        id: Some(RemoteId::new("s9")),
    }
}

fn bound(ledger: &dyn Ledger) -> Vec<(String, String)> {
    now(ledger.bindings())
        .unwrap()
        .into_iter()
        .map(|b| (b.address.to_string(), b.id.to_string()))
        .collect()
}

fn subscription(name: &str, id: &str) -> (String, String) {
    (address(name).to_string(), id.to_owned())
}

/// The words of a lost lease.
#[track_caller]
fn lost<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> String {
    match result {
        Err(LedgerError::LeaseLost(why)) => why,
        other => panic!("the lease should be lost: {other:?}"),
    }
}

/// Tries every write that takes a lease and returns why each failed.
#[track_caller]
fn every_write(ledger: &dyn Ledger, lease: &Lease, entry: EntryId, second: i64) -> Vec<String> {
    let end = ended(second, EntryOutcome::Applied);
    vec![
        lost(now(ledger.renew(lease, at(second), TTL))),
        lost(now(ledger.open_entry(lease, &new_entry("late", second)))),
        lost(now(ledger.close_entry(
            lease,
            entry,
            &end,
            &[bind("late", "s9")],
        ))),
        lost(now(ledger.record(lease, at(second), &[bind("late", "s9")]))),
    ]
}

fn a_new_ledger_is_empty(store: &dyn Store) {
    let ledger = store.open("p");
    assert!(now(ledger.is_new()).unwrap());
    assert_eq!(now(ledger.bindings()).unwrap(), []);
    assert_eq!(now(ledger.claims()).unwrap(), []);
    assert_eq!(now(ledger.unsettled()).unwrap(), []);
    assert_eq!(now(ledger.history(10)).unwrap(), []);
    assert_eq!(now(ledger.lease()).unwrap(), None);
    assert_eq!(now(ledger.break_lease(at(0))).unwrap(), None);
    let lease = acquire(&*ledger, "li", 0).unwrap();
    now(ledger.release(&lease, at(1))).unwrap();
    assert!(!now(ledger.is_new()).unwrap());
    assert!(now(store.open("q").is_new()).unwrap());
}

fn bindings_read_back_by_address(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let mut other = binding("发布/roadmap", "s2");
    other.app = AppId::new("cli_b2");
    other.provider = Name::new("lark-sg").unwrap();
    other.collection = "t2".into();
    other.protect = true;
    other.applied = Fields::default();
    other.updated_at = "2026-07-01T08:00:00.123456789Z".parse().unwrap();
    let chat = Binding {
        address: "chat.z".parse().unwrap(),
        ..binding("x", "s3")
    };
    let wanted = [chat, binding("a/b", "s4"), binding("a-b", "s1"), other];
    let changes: Vec<_> = wanted
        .iter()
        .rev()
        .cloned()
        .map(BindingChange::Bind)
        .collect();
    now(ledger.record(&lease, at(1), &changes)).unwrap();
    assert_eq!(now(ledger.bindings()).unwrap(), wanted);
    let unbound = BindingChange::Unbind(address("a-b"));
    now(ledger.record(&lease, at(1), &[unbound.clone(), unbound])).unwrap();
    assert_eq!(now(ledger.bindings()).unwrap().len(), 3);
}

fn binding_an_address_again_overwrites(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap();
    let mut again = binding("a", "s2");
    again.protect = true;
    again.updated_at = at(5);
    now(ledger.record(&lease, at(1), &[BindingChange::Bind(again.clone())])).unwrap();
    assert_eq!(now(ledger.bindings()).unwrap(), [again]);
    // The former object is free.
    now(ledger.record(&lease, at(1), &[bind("b", "s1")])).unwrap();
}

fn an_object_is_bound_once(store: &dyn Store) {
    let (p, q) = (store.open("p"), store.open("q"));
    let ours = acquire(&*p, "li", 0).unwrap();
    let theirs = acquire(&*q, "wang", 0).unwrap();
    now(p.record(&ours, at(1), &[bind("a", "s1")])).unwrap();
    let refused = now(q.record(&theirs, at(1), &[bind("x", "s1")])).unwrap_err();
    assert!(matches!(refused, LedgerError::Claimed { .. }));
    assert_eq!(
        refused.to_string(),
        "s1 in tasklist t1 is bound to tasklist_subscription.a of project p"
    );
    // Not twice in one project either, nor with another app or provider.
    let mut twice = binding("b", "s1");
    twice.provider = Name::new("other").unwrap();
    twice.app = AppId::new("cli_x");
    let refused = now(p.record(&ours, at(1), &[BindingChange::Bind(twice)]));
    assert!(matches!(refused, Err(LedgerError::Claimed { .. })));
    // The same id in another tasklist is another object.
    let mut elsewhere = binding("x", "s1");
    elsewhere.collection = "t2".into();
    now(q.record(&theirs, at(1), &[BindingChange::Bind(elsewhere)])).unwrap();
    // Let go in one transaction, it can be had in the same.
    let handed = [BindingChange::Unbind(address("a")), bind("c", "s1")];
    now(p.record(&ours, at(1), &handed)).unwrap();
    assert_eq!(bound(&*p), [subscription("c", "s1")]);
}

fn projects_see_each_other_as_claims_only(store: &dyn Store) {
    let (p, q) = (store.open("p"), store.open("q"));
    let ours = acquire(&*p, "li", 0).unwrap();
    now(p.record(&ours, at(1), &[bind("a", "s1")])).unwrap();
    let entry = now(p.open_entry(&ours, &new_entry("a", 1))).unwrap();
    assert!(now(q.is_new()).unwrap());
    assert_eq!(bound(&*q), []);
    assert_eq!(now(q.unsettled()).unwrap(), []);
    assert_eq!(now(q.history(9)).unwrap(), []);
    assert_eq!(now(q.lease()).unwrap(), None);
    let claims = now(q.claims()).unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].project.as_str(), "p");
    assert_eq!(claims[0].address, address("a"));
    assert_eq!(
        (claims[0].collection.as_str(), &*claims[0].id.0),
        ("t1", "s1")
    );
    assert_eq!(now(p.claims()).unwrap(), []);
    // One project's lease is no good for another's rows, nor its entries.
    let theirs = acquire(&*q, "wang", 0).unwrap();
    let end = ended(2, EntryOutcome::Applied);
    assert!(now(q.close_entry(&theirs, entry, &end, &[])).is_err());
    now(q.record(&theirs, at(2), &[BindingChange::Unbind(address("a"))])).unwrap();
    assert_eq!(bound(&*p), [subscription("a", "s1")]);
    assert_eq!(now(p.unsettled()).unwrap().len(), 1);
}

fn a_move_takes_the_binding_along(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let rename = |from: &str, to: &str| BindingChange::Move {
        from: address(from),
        to: address(to),
    };
    now(ledger.record(&lease, at(1), &[bind("a", "s1"), bind("b", "s2")])).unwrap();
    now(ledger.record(&lease, at(1), &[rename("a", "c")])).unwrap();
    let moved = Binding {
        address: address("c"),
        ..binding("a", "s1")
    };
    assert_eq!(now(ledger.bindings()).unwrap(), [binding("b", "s2"), moved]);
    for (change, words) in [
        (rename("b", "c"), "tasklist_subscription.c is already bound"),
        (rename("a", "d"), "tasklist_subscription.a is not bound"),
    ] {
        let refused = now(ledger.record(&lease, at(1), &[change])).unwrap_err();
        assert!(refused.to_string().ends_with(words), "{refused}");
    }
    now(ledger.record(&lease, at(1), &[rename("b", "b")])).unwrap();
}

fn changes_happen_together_or_not_at_all(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    now(ledger.record(&lease, at(1), &[bind("a", "s1")])).unwrap();
    let entry = now(ledger.open_entry(&lease, &new_entry("b", 1))).unwrap();
    let changes = [
        BindingChange::Unbind(address("a")),
        bind("b", "s2"),
        bind("c", "s2"),
    ];
    let end = ended(2, EntryOutcome::Applied);
    assert!(now(ledger.close_entry(&lease, entry, &end, &changes)).is_err());
    assert_eq!(bound(&*ledger), [subscription("a", "s1")]);
    assert_eq!(now(ledger.unsettled()).unwrap().len(), 1);
    now(ledger.close_entry(&lease, entry, &end, &changes[..2])).unwrap();
    assert_eq!(bound(&*ledger), [subscription("b", "s2")]);
    assert_eq!(now(ledger.unsettled()).unwrap(), []);
}

fn a_lease_is_had_by_one(store: &dyn Store) {
    let (one, two) = (store.open("p"), store.open("p"));
    let lease = acquire(&*one, "li", 0).unwrap();
    assert_eq!((&lease.holder, lease.since), (&holder("li"), at(0)));
    for other in [&two, &one] {
        let Err(LedgerError::Held(state)) = acquire(&**other, "wang", 59) else {
            panic!("it is held");
        };
        assert_eq!((state.fence, &state.holder), (lease.fence, &holder("li")));
        assert_eq!((state.since, state.heartbeat), (at(0), at(0)));
        assert_eq!((state.expires, state.dead), (at(60), false));
        assert_eq!(now(other.lease()).unwrap(), Some(*state));
    }
    assert_eq!(
        acquire(&*two, "wang", 59).unwrap_err().to_string(),
        "the lease is held by li, process 4000000000 on build-7, since 2026-09-21T14:13:20Z"
    );
    // Another project's is another lease.
    acquire(&*store.open("q"), "wang", 0).unwrap();
}

fn fences_only_grow(store: &dyn Store) {
    let (one, two) = (store.open("p"), store.open("p"));
    let mut fences = Vec::new();
    let released = acquire(&*one, "li", 0).unwrap();
    now(one.release(&released, at(1))).unwrap();
    fences.push(released.fence);
    fences.push(acquire(&*two, "wang", 2).unwrap().fence);
    now(two.break_lease(at(3))).unwrap();
    fences.push(acquire(&*one, "li", 4).unwrap().fence);
    fences.push(acquire(&*two, "wang", 4 + 60).unwrap().fence);
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

fn whatever_is_applied_changes_the_turn(store: &dyn Store) {
    let ledger = store.open("p");
    let turn = || now(ledger.turn()).unwrap().map(|t| (t.fence, t.has_ended));
    assert_eq!(turn(), None);
    let lease = acquire(&*ledger, "ada", 0).unwrap();
    assert_eq!(turn(), Some((lease.fence, false)));
    now(ledger.release(&lease, at(1))).unwrap();
    assert_eq!(turn(), Some((lease.fence, true)));
    let next = acquire(&*ledger, "bo", 2).unwrap();
    assert_eq!(turn(), Some((next.fence, false)));
}

fn a_renewed_lease_lasts(store: &dyn Store) {
    let (one, two) = (store.open("p"), store.open("p"));
    let lease = acquire(&*one, "li", 0).unwrap();
    now(one.renew(&lease, at(50), TTL)).unwrap();
    assert!(acquire(&*two, "wang", 109).is_err());
    now(one.record(&lease, at(109), &[bind("a", "s1")])).unwrap();
    let state = now(two.lease()).unwrap().unwrap();
    assert_eq!((state.since, state.heartbeat), (at(0), at(50)));
    assert_eq!(state.expires, at(110));
    now(one.renew(&lease, at(60), SignedDuration::MAX)).unwrap();
    assert!(acquire(&*two, "wang", 1_000_000).is_err());
}

fn a_paused_holder_writes_nothing(store: &dyn Store) {
    let (paused, awake) = (store.open("p"), store.open("p"));
    let old = acquire(&*paused, "li", 0).unwrap();
    let entry = now(paused.open_entry(&old, &new_entry("a", 1))).unwrap();
    acquire(&*awake, "wang", 60).unwrap();
    // Even by a clock that still stands where it was paused.
    for why in every_write(&*paused, &old, entry, 2) {
        assert_eq!(
            why,
            "wang took it at 2026-09-21T14:14:20Z (`apply`, process 4000000000 on build-7)"
        );
    }
    lost(now(paused.release(&old, at(2))));
    assert_eq!(bound(&*awake), []);
    assert_eq!(now(awake.unsettled()).unwrap().len(), 1);
    assert_eq!(now(awake.history(9)).unwrap().len(), 1);
    assert_eq!(now(awake.lease()).unwrap().unwrap().holder, holder("wang"));
}

fn an_expired_holder_writes_nothing(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let entry = now(ledger.open_entry(&lease, &new_entry("a", 59))).unwrap();
    for why in every_write(&*ledger, &lease, entry, 60) {
        assert_eq!(
            why,
            "it expired at 2026-09-21T14:14:20Z, before 2026-09-21T14:14:20Z"
        );
    }
    assert_eq!(bound(&*ledger), []);
    assert_eq!(now(ledger.unsettled()).unwrap().len(), 1);
    // It can still be given back.
    assert!(now(ledger.lease()).unwrap().is_some());
    now(ledger.release(&lease, at(61))).unwrap();
    assert_eq!(now(ledger.lease()).unwrap(), None);
}

fn a_broken_lease_is_lost(store: &dyn Store) {
    let (one, two) = (store.open("p"), store.open("p"));
    let lease = acquire(&*one, "li", 0).unwrap();
    let entry = now(one.open_entry(&lease, &new_entry("a", 1))).unwrap();
    let was = now(two.break_lease(at(2))).unwrap().unwrap();
    assert_eq!((was.holder, was.expires), (holder("li"), at(60)));
    assert_eq!(now(two.lease()).unwrap(), None);
    assert_eq!(now(two.break_lease(at(3))).unwrap(), None);
    for why in every_write(&*one, &lease, entry, 3) {
        assert_eq!(why, "somebody broke it at 2026-09-21T14:13:22Z");
    }
    assert_eq!(bound(&*two), []);
    acquire(&*two, "wang", 3).unwrap();
}

fn a_lease_is_given_back_once(store: &dyn Store) {
    let (one, two) = (store.open("p"), store.open("p"));
    let lease = acquire(&*one, "li", 0).unwrap();
    let entry = now(one.open_entry(&lease, &new_entry("a", 1))).unwrap();
    now(one.release(&lease, at(2))).unwrap();
    assert_eq!(now(two.lease()).unwrap(), None);
    for why in every_write(&*one, &lease, entry, 3) {
        assert_eq!(why, "it was given back at 2026-09-21T14:13:22Z");
    }
    lost(now(one.release(&lease, at(3))));
    // A lease that this ledger never gave.
    let forged = Lease { fence: 7, ..lease };
    lost(now(one.record(&forged, at(3), &[])));
    lost(now(store.open("q").record(&forged, at(3), &[])));
}

fn entries_read_back(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let first = new_entry("a/b", 1);
    let mut second = new_entry("b", 2);
    second.call.id = Some(RemoteId::new("s7"));
    second.call.body = None;
    second.seen = vec![];
    second.protect = false;
    second.timeout_ms = 0;
    let one = now(ledger.open_entry(&lease, &first)).unwrap();
    let two = now(ledger.open_entry(&lease, &second)).unwrap();
    let unsettled = now(ledger.unsettled()).unwrap();
    assert_eq!(
        unsettled.iter().map(|e| e.id).collect::<Vec<_>>(),
        [one, two]
    );
    assert_eq!((&unsettled[0].call, &unsettled[1].call), (&first, &second));
    assert!(
        unsettled
            .iter()
            .all(|e| e.fence == lease.fence && e.end.is_none())
    );
    for outcome in [
        EntryOutcome::Applied,
        EntryOutcome::Refused,
        EntryOutcome::Unreachable,
        EntryOutcome::SettledApplied,
        EntryOutcome::SettledAbsent,
    ] {
        let entry = now(ledger.open_entry(&lease, &first)).unwrap();
        let mut end = ended(3, outcome);
        end.id = end.id.filter(|_| outcome == EntryOutcome::Applied);
        now(ledger.close_entry(&lease, entry, &end, &[])).unwrap();
        let newest = now(ledger.history(1)).unwrap().remove(0);
        assert_eq!((newest.id, newest.end), (entry, Some(end)));
        // An entry that has ended keeps all but what was seen.
        let kept = NewEntry {
            seen: vec![],
            ..first.clone()
        };
        assert_eq!(newest.call, kept);
    }
    let history = now(ledger.history(usize::MAX)).unwrap();
    assert_eq!(history.len(), 7);
    assert!(history.is_sorted_by(|a, b| a.id > b.id));
    assert_eq!(now(ledger.history(0)).unwrap(), []);
}

fn an_entry_ends_once(store: &dyn Store) {
    let ledger = store.open("p");
    let lease = acquire(&*ledger, "li", 0).unwrap();
    let entry = now(ledger.open_entry(&lease, &new_entry("a", 1))).unwrap();
    let applied = ended(2, EntryOutcome::Applied);
    now(ledger.close_entry(&lease, entry, &applied, &[bind("a", "s9")])).unwrap();
    let refused = ended(3, EntryOutcome::Refused);
    let changes = [BindingChange::Unbind(address("a"))];
    let again = now(ledger.close_entry(&lease, entry, &refused, &changes)).unwrap_err();
    let words = format!(
        "entry {} of the journal has ended at 2026-09-21T14:13:22.000000000Z: applied",
        entry.0
    );
    assert!(again.to_string().ends_with(&words), "{again}");
    assert_eq!(bound(&*ledger), [subscription("a", "s9")]);
    assert_eq!(now(ledger.history(1)).unwrap()[0].end, Some(applied));
    let nowhere = now(ledger.close_entry(&lease, EntryId(99), &refused, &[])).unwrap_err();
    assert!(
        nowhere
            .to_string()
            .ends_with("the journal of p has no entry 99")
    );
}

fn a_later_lease_settles(store: &dyn Store) {
    let (one, two) = (store.open("p"), store.open("p"));
    let first = acquire(&*one, "li", 0).unwrap();
    let entry = now(one.open_entry(&first, &new_entry("a", 1))).unwrap();
    let second = acquire(&*two, "wang", 60).unwrap();
    let unsettled = now(two.unsettled()).unwrap();
    assert_eq!((unsettled[0].id, unsettled[0].fence), (entry, first.fence));
    assert_eq!(unsettled[0].call.seen.len(), 2);
    let end = ended(61, EntryOutcome::SettledApplied);
    now(two.close_entry(&second, entry, &end, &[bind("a", "s9")])).unwrap();
    let settled = now(two.history(1)).unwrap().remove(0);
    assert_eq!((settled.fence, settled.end), (first.fence, Some(end)));
    assert_eq!(bound(&*one), [subscription("a", "s9")]);
}

fn many_who_ask_at_once_get_one_lease(store: &dyn Store) {
    let round = |second: i64| -> Vec<i64> {
        std::thread::scope(|scope| {
            let askers: Vec<_> = (0..6)
                .map(|n| {
                    scope.spawn(move || {
                        let ledger = store.open("p");
                        match acquire(&*ledger, &format!("user-{n}"), second) {
                            Ok(lease) => Some((ledger, lease.fence)),
                            Err(LedgerError::Held(_)) => None,
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            // The winner's ledger lives until everybody has asked.
            let won: Vec<_> = askers
                .into_iter()
                .filter_map(|a| a.join().unwrap())
                .collect();
            won.into_iter().map(|(_, fence)| fence).collect()
        })
    };
    let (first, second) = (round(0), round(1_000));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first < second);
}
