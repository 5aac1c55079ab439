//! What an outbox promises, in every database.

use std::collections::BTreeSet;

use beadle::engine::channel::{Parcel, Repeat, To};
use beadle::engine::outbox::{
    Admission, Admitted, Books, Claim, Delivery, Ending, Key, NewDelivery, OutboxError, Outcome,
    State,
};
use beadle::engine::quota::{Claimed, Over, Quota, Take};
use beadle::model::group::Recipient;

use super::*;

pub(super) fn notice() -> Address {
    "recurring_notice.hourly".parse().unwrap()
}

pub(super) fn part(hour: i64, n: usize) -> NewDelivery {
    NewDelivery {
        provider: Name::new("feishu").unwrap(),
        app: AppId::new("cli_a1"),
        parcel: Parcel {
            operation: "batchSendMessage".into(),
            query: vec![("uuid".into(), format!("k{n}"))],
            body: format!("{{\"hour\":{hour},\"part\":{n}}}"),
            to: BTreeSet::from([
                To::Chat(ChatId::new("oc_1")),
                To::Recipient(Recipient::OpenId(format!("ou_{n}").into())),
            ]),
        },
        repeat: Repeat::For(SignedDuration::from_mins(55)),
        unseen: vec![(
            To::Recipient(Recipient::OpenId("ou_gone".into())),
            "not visible".into(),
        )],
    }
}

/// An instant of a notice that is sent in so many parts.
pub(super) fn admission(hour: i64, parts: usize) -> Admission {
    let nominal = at(hour * 3_600);
    Admission {
        nominal,
        last: nominal,
        count: 1,
        at: nominal,
        revision: "r1".into(),
        admitted_at: nominal,
        outcome: None,
        deliveries: (0..parts).map(|n| part(hour, n)).collect(),
        send_until: None,
        revoke_at: None,
        sent_by: None,
    }
}

fn missed(hour: i64) -> Admission {
    Admission {
        outcome: Some((Outcome::Missed, "too late".into())),
        ..admission(hour, 0)
    }
}

pub(super) fn sent() -> Ending {
    Ending {
        state: State::Sent,
        message: Some("m1".into()),
        detail: "ok".into(),
        invalid: Vec::new(),
    }
}

/// Claims a delivery for a minute; whether it was had.
pub(super) fn claims(books: &dyn Books, seen: &Delivery, runner: &str, second: i64) -> bool {
    let claim = Claim {
        runner: runner.into(),
        expires: at(second + 60),
    };
    let claimed = now(books.claim(seen, &claim, &Quota::default(), at(second)));
    matches!(claimed.unwrap(), Claimed::Taken(_))
}

pub(super) fn open(books: &dyn Books, second: i64) -> Vec<Delivery> {
    now(books.open(at(second))).unwrap()
}

pub(super) fn a_range_of_which_something_was_dealt_with_is_not_admitted(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    let range = Admission {
        last: at(36_000),
        count: 11,
        ..missed(0)
    };
    let stale = [range.clone(), admission(11, 1)];
    now(one.admit(&notice(), at(0), &[missed(0)])).unwrap();
    let admitted = now(two.admit(&notice(), at(39_600), &stale)).unwrap();
    assert_eq!(admitted, Admitted::Stale);
    assert_eq!(now(two.occurrences(None, 10)).unwrap().len(), 1);
    assert_eq!(now(two.handled_until(&notice())).unwrap(), Some(at(0)));
    // Of what comes after, a range is as good as any.
    let range = Admission {
        nominal: at(3_600),
        at: at(3_600),
        ..range
    };
    let admitted = now(two.admit(&notice(), at(36_000), &[range])).unwrap();
    assert_eq!(admitted, Admitted::New(vec![true]));
    let nobody = "recurring_notice.nobody".parse().unwrap();
    assert_eq!(now(two.handled_until(&nobody)).unwrap(), None);
}

pub(super) fn an_instant_is_admitted_once(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    let admissions = [missed(0), admission(1, 2)];
    let admit = |books: &dyn Books| now(books.admit(&notice(), at(3_600), &admissions)).unwrap();
    assert_eq!(admit(&*one), Admitted::New(vec![true, true]));
    assert_eq!(admit(&*two), Admitted::New(vec![false, false]));
    // Another project's notice of that name is another.
    assert_eq!(admit(&*store.books("q")), Admitted::New(vec![true, true]));
    assert_eq!(now(two.handled()).unwrap(), [(notice(), at(3_600))]);
    let earlier = now(two.admit(&notice(), at(0), &[])).unwrap();
    assert_eq!(earlier, Admitted::New(Vec::new()));
    assert_eq!(now(two.handled()).unwrap(), [(notice(), at(3_600))]);

    let occurrences = now(two.occurrences(None, 10)).unwrap();
    let told: Vec<_> = occurrences
        .iter()
        .map(|o| (o.key.nominal, o.outcome.clone()))
        .collect();
    let why = "too late".to_owned();
    assert_eq!(
        told,
        [(at(3_600), None), (at(0), Some((Outcome::Missed, why)))]
    );
    let other = "recurring_notice.other".parse().unwrap();
    assert_eq!(now(two.occurrences(Some(&other), 10)).unwrap(), []);
    assert_eq!(now(two.occurrences(Some(&notice()), 1)).unwrap().len(), 1);

    let key = Key {
        notice: notice(),
        nominal: at(3_600),
    };
    assert_eq!(now(two.undecided()).unwrap(), std::slice::from_ref(&key));
    let deliveries = now(two.deliveries(&key)).unwrap();
    assert_eq!(deliveries.len(), 2);
    let mut wanted = part(1, 1);
    let unseen = std::mem::take(&mut wanted.unseen);
    assert_eq!(
        (&deliveries[1].what, &deliveries[1].invalid),
        (&wanted, &unseen)
    );
    assert_eq!(deliveries, open(&*one, 0));
}

pub(super) fn a_delivery_is_claimed_by_one(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    now(one.admit(&notice(), at(0), &[admission(0, 1)])).unwrap();
    let seen = open(&*one, 0).remove(0);
    assert!(claims(&*one, &seen, "one", 0));
    for books in [&one, &two] {
        assert!(!claims(&**books, &seen, "two", 0));
    }
    assert_eq!(open(&*two, 59), []);
    let mine = now(two.end(seen.id, "two", at(1), &sent()));
    assert!(matches!(mine, Err(OutboxError::Lost)));
    now(one.end(seen.id, "one", at(59), &sent())).unwrap();
    let again = now(one.end(seen.id, "one", at(59), &sent()));
    assert!(matches!(again, Err(OutboxError::Lost)));
    let ended = now(two.deliveries(&seen.key)).unwrap().remove(0);
    assert_eq!((ended.state, ended.attempts), (State::Sent, 1));
    assert_eq!(ended.first_at, Some(at(0)));
    assert_eq!(ended.message.as_deref(), Some("m1"));
    // Nor has another project any part in it.
    let theirs = store.books("q");
    assert!(!claims(&*theirs, &seen, "q", 0));
    assert_eq!(now(theirs.deliveries(&seen.key)).unwrap(), []);
}

pub(super) fn a_delivery_is_claimed_as_it_was_seen(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    now(one.admit(&notice(), at(0), &[admission(0, 1)])).unwrap();
    let seen = open(&*two, 0).remove(0);
    for (state, expected) in [(State::Pending, None), (State::Unknown, Some(at(1)))] {
        let fresh = open(&*one, 1).remove(0);
        assert!(claims(&*one, &fresh, "one", 1));
        let ending = Ending {
            state,
            message: None,
            detail: "away".into(),
            invalid: Vec::new(),
        };
        now(one.end(fresh.id, "one", at(2), &ending)).unwrap();
        assert_eq!(open(&*one, 2)[0].first_at, expected);
        // It is pending again, or not, but it is not as the other one saw it.
        assert!(!claims(&*two, &seen, "two", 2));
    }
}

pub(super) fn a_claim_that_ran_out_is_unknown_and_its_runner_writes_nothing(store: &dyn Store) {
    let (paused, awake) = (store.books("p"), store.books("p"));
    now(paused.admit(&notice(), at(0), &[admission(0, 1)])).unwrap();
    let seen = open(&*paused, 0).remove(0);
    assert!(claims(&*paused, &seen, "paused", 0));
    // Expired, it is lost, also where nobody has seen it yet.
    let late = now(paused.end(seen.id, "paused", at(60), &sent()));
    assert!(matches!(late, Err(OutboxError::Lost)));
    let found = open(&*awake, 60).remove(0);
    assert_eq!((found.state, found.attempts), (State::Unknown, 1));
    assert_eq!(found.detail, "the runner that sent it did not come back");
    let late = now(paused.end(seen.id, "paused", at(1), &sent()));
    assert!(matches!(late, Err(OutboxError::Lost)));
    assert!(now(awake.hold(seen.id, "it may have been sent")).unwrap());
    assert!(!now(awake.hold(seen.id, "again")).unwrap());
    assert_eq!(open(&*awake, 61), []);
    assert!(!claims(&*awake, &found, "awake", 61));
    now(awake.conclude(&seen.key, Outcome::Held, "held", at(61))).unwrap();
    now(paused.conclude(&seen.key, Outcome::Sent, "", at(62))).unwrap();
    let occurrence = now(awake.occurrences(None, 1)).unwrap().remove(0);
    assert_eq!(occurrence.outcome, Some((Outcome::Held, "held".into())));
    assert_eq!(now(awake.undecided()).unwrap(), []);
}

pub(super) fn what_is_cancelled_stays_cancelled(store: &dyn Store) {
    let books = store.books("p");
    let other: Address = "recurring_notice.other".parse().unwrap();
    now(books.admit(&notice(), at(0), &[admission(0, 3)])).unwrap();
    now(books.admit(&other, at(0), &[admission(0, 1)])).unwrap();
    let seen = open(&*books, 0);
    assert!(claims(&*books, &seen[0], "one", 0));
    assert_eq!(now(books.cancel(&notice(), "deleted")).unwrap(), 2);
    assert_eq!(now(books.cancel(&notice(), "deleted")).unwrap(), 0);
    assert!(!claims(&*books, &seen[1], "one", 0));
    now(books.end(seen[0].id, "one", at(1), &sent())).unwrap();
    let left = open(&*books, 1);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].key.notice, other);
}

fn quota(name: &str, over: Over, amount: u64) -> Quota {
    let take = Take {
        name: name.into(),
        over,
        amount,
        most: 5,
        what: "five".into(),
    };
    Quota {
        takes: vec![take],
        daily: None,
    }
}

pub(super) fn what_is_taken_of_any_time_is_there_again_when_that_is_over(store: &dyn Store) {
    let books = store.books("p");
    let take = |amount: u64, second: i64| {
        let quota = quota("v/any", Over::Any(SignedDuration::from_secs(60)), amount);
        now(books.take(&quota, at(second))).unwrap()
    };
    let full = |second: i64| Some(("five".to_owned(), at(second)));
    assert_eq!(take(2, 0), None);
    assert_eq!(take(2, 40), None);
    // Of the same instant there are two.
    assert_eq!(take(1, 40), None);
    // The next minute of the clock has begun, and what was taken before counts all the same.
    assert_eq!(take(1, 59), full(60));
    assert_eq!(take(3, 59), full(100));
    assert_eq!(take(2, 60), None);
    assert_eq!(take(1, 99), full(100));
    assert_eq!(take(3, 100), None);
    // What never fits is never there.
    assert_eq!(take(6, 1_000), full(1_060));
    // Somebody whose clock is a little behind counts what the other has taken.
    assert_eq!(take(5, 2_000), None);
    assert_eq!(take(1, 1_999), full(2_060));
    // A rehearsal of next year takes nothing of today.
    assert_eq!(take(5, 31_000_000), None);
    assert_eq!(take(5, 3_000), None);
}

pub(super) fn what_is_taken_of_a_period_is_there_again_in_the_next(store: &dyn Store) {
    let books = store.books("p");
    let take = |amount: u64, second: i64| {
        let day = second.div_euclid(100);
        let over = Over::Period {
            name: format!("day {day}"),
            ends: at((day + 1) * 100),
        };
        now(books.take(&quota("v/day", over, amount), at(second))).unwrap()
    };
    let full = |second: i64| Some(("five".to_owned(), at(second)));
    assert_eq!(take(5, 99), None);
    assert_eq!(take(1, 99), full(100));
    assert_eq!(take(5, 100), None);
    assert_eq!(take(1, 199), full(200));
    // The app is the same, whatever the project is called.
    let over = Over::Period {
        name: "day 1".into(),
        ends: at(200),
    };
    let other = store.books("q");
    assert_eq!(
        now(other.take(&quota("v/day", over, 1), at(150))).unwrap(),
        full(200)
    );
}
