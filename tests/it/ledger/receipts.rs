//! What every ledger promises of following what was sent, and of images that were uploaded.

use beadle::engine::channel::To;
use beadle::engine::outbox::{DeliveryId, Outcome, Purpose, State};
use beadle::engine::receipts::{Asked, FollowEnd, Following, People, Reading, Terms, WhyEnded};
use beadle::model::group::Recipient;

use super::afterwards::{ends, key};
use super::sending::{notice, part};
use super::*;

const TERMS: Terms = Terms {
    until: 66.6,
    lasts: SignedDuration::from_hours(3),
};

fn follow(books: &dyn Books, hour: i64) -> usize {
    now(books.follow(&notice(), &TERMS, at(hour * 3_600))).unwrap()
}

fn followed(books: &dyn Books) -> Vec<Following> {
    now(books.followed()).unwrap()
}

fn deliveries(books: &dyn Books, hour: i64) -> Vec<DeliveryId> {
    let deliveries = now(books.deliveries(&key(hour))).unwrap();
    deliveries.iter().map(|delivery| delivery.id).collect()
}

fn end(why: WhyEnded, second: i64) -> FollowEnd {
    FollowEnd {
        why,
        at: at(second),
        unheard: Some("nobody is named".into()),
    }
}

pub(super) fn what_was_sent_is_followed_once_and_reported_once(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    let all = [
        (0, State::Sent, Outcome::Sent),
        (1, State::Sent, Outcome::Partial),
        (2, State::Held, Outcome::Held),
        (3, State::Refused, Outcome::Refused),
    ];
    for (hour, state, outcome) in all {
        ends(&*one, hour, &[state], outcome);
    }
    ends(&*one, 4, &[], Outcome::Missed);
    // What fired three hours ago is over, and of what was not sent there is nothing to follow.
    assert_eq!(follow(&*one, 3), 2);
    assert_eq!(follow(&*two, 3), 0);
    assert_eq!(follow(&*store.books("q"), 3), 0);
    let following = |hour: i64| Following {
        key: key(hour),
        fired_at: at(hour * 3_600),
        until: 66.6,
        ends_at: at(hour * 3_600) + TERMS.lasts,
        end: None,
    };
    assert_eq!(followed(&*two), [1, 2].map(following), "oldest first");
    assert_eq!(followed(&*store.books("q")), []);
    assert_eq!(now(two.following(&key(0))).unwrap(), None);

    let (over, told) = (end(WhyEnded::Over, 9_000), end(WhyEnded::Told, 9_001));
    let report = [part(1, 8), part(1, 9)];
    let ends = |books: &dyn Books, end: &FollowEnd| {
        now(books.end_following(&key(1), end, &report)).unwrap()
    };
    assert!(!ends(&*store.books("q"), &over));
    assert!(ends(&*one, &over));
    assert!(!ends(&*two, &told));
    let known = now(two.following(&key(1))).unwrap().unwrap();
    assert_eq!(known.end, Some(over));
    assert_eq!(followed(&*two), [following(2)]);
    assert_eq!(follow(&*two, 3), 0, "it was followed once");
    let reports = now(two.deliveries(&key(1))).unwrap();
    let reports: Vec<_> = reports
        .iter()
        .filter(|delivery| delivery.purpose == Purpose::Report)
        .map(|delivery| (delivery.state, delivery.what.parcel.body.as_str()))
        .collect();
    assert_eq!(
        reports,
        [
            (State::Pending, &*report[0].parcel.body),
            (State::Pending, &*report[1].parcel.body)
        ]
    );
    assert!(now(one.end_following(&key(2), &end(WhyEnded::Enough, 9_002), &[])).unwrap());
    assert_eq!(followed(&*two), []);
}

pub(super) fn of_those_who_ask_at_once_one_may(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    ends(&*one, 0, &[State::Sent, State::Sent], Outcome::Sent);
    let ids = deliveries(&*one, 0);
    let ask = |books: &dyn Books, n: usize, seen: u32, second: i64| {
        now(books.ask(ids[n], seen, at(second))).unwrap()
    };
    assert!(now(one.asked(&key(0))).unwrap().is_empty());
    assert!(ask(&*one, 0, 0, 1));
    assert!(!ask(&*two, 0, 0, 2));
    assert!(ask(&*two, 0, 1, 3));
    assert!(!ask(&*one, 0, 1, 4));
    assert!(!ask(&*one, 0, 7, 4));
    assert!(ask(&*one, 1, 0, 5));
    let asked = |times: u32, last: i64| Asked {
        times,
        last: at(last),
    };
    let expected = [(ids[0], asked(2, 3)), (ids[1], asked(1, 5))];
    assert_eq!(now(two.asked(&key(0))).unwrap(), expected.into());
    assert!(now(store.books("q").asked(&key(0))).unwrap().is_empty());
    let winners = std::thread::scope(|scope| {
        let id = ids[1];
        let askers: Vec<_> = (0..6)
            .map(|_| scope.spawn(move || now(store.books("p").ask(id, 1, at(9))).unwrap()))
            .collect();
        let answers = askers.into_iter().map(|asker| asker.join().unwrap());
        answers.filter(|may| *may).count()
    });
    assert_eq!(winners, 1);
}

pub(super) fn numbers_stay_and_names_go_when_the_following_ends(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    ends(&*one, 0, &[State::Sent, State::Sent], Outcome::Sent);
    let ids = deliveries(&*one, 0);
    assert_eq!(follow(&*one, 1), 1);
    let full = Reading {
        at: at(10),
        valid: Some(5),
        delivered: Some(4),
        read: Some(u64::from(u32::MAX) + 1),
        refused: 1,
        is_done: true,
        is_recalled: true,
        untold: Some("who has read it".into()),
        problem: None,
    };
    let failed = Reading::failed("no answer".into(), at(20));
    let reader = |n: usize| Recipient::OpenId(format!("ou_{n}").into());
    let people = |n: usize| People {
        readers: (0..n).map(reader).collect(),
        refused: vec![(To::Recipient(reader(9)), "has left".into())],
    };
    now(one.note(ids[1], &failed, None)).unwrap();
    now(one.note(ids[0], &full, Some(&people(1)))).unwrap();
    let second = Reading {
        at: at(30),
        ..Reading::default()
    };
    now(one.note(ids[0], &second, Some(&people(2)))).unwrap();
    // What is known from the same instant takes the place of what was.
    let first = Reading {
        read: Some(3),
        ..full
    };
    now(two.note(ids[0], &first, None)).unwrap();
    let all = [(ids[0], first), (ids[1], failed), (ids[0], second)];
    assert_eq!(now(two.readings(&key(0))).unwrap(), all, "oldest first");
    assert_eq!(
        now(two.people(&key(0))).unwrap(),
        [(ids[0], people(2))].into()
    );
    let other = store.books("q");
    assert_eq!(now(other.readings(&key(0))).unwrap(), []);
    assert!(now(other.people(&key(0))).unwrap().is_empty());

    assert!(now(two.end_following(&key(0), &end(WhyEnded::Enough, 40), &[])).unwrap());
    assert!(now(one.people(&key(0))).unwrap().is_empty());
    // Who is answered after that brings nobody's name back.
    let late = Reading {
        at: at(50),
        ..Reading::default()
    };
    now(one.note(ids[0], &late, Some(&people(3)))).unwrap();
    assert!(now(one.people(&key(0))).unwrap().is_empty());
    assert_eq!(now(one.readings(&key(0))).unwrap().len(), 4);
}

pub(super) fn an_image_has_the_key_that_came_first(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("q"));
    let image = |books: &dyn Books, app: &str| now(books.image(app, "d1")).unwrap();
    let remember = |books: &dyn Books, app: &str, key: &str| {
        now(books.remember_image(app, "d1", key, at(0))).unwrap()
    };
    assert_eq!(image(&*one, "cli_a"), None);
    assert_eq!(remember(&*one, "cli_a", "img_1"), "img_1");
    // The app has it, whichever project uses the app.
    assert_eq!(remember(&*two, "cli_a", "img_2"), "img_1");
    assert_eq!(image(&*two, "cli_a").as_deref(), Some("img_1"));
    assert_eq!(image(&*two, "cli_b"), None);
    assert_eq!(now(one.image("cli_a", "d2")).unwrap(), None);
    assert_eq!(remember(&*two, "cli_b", "img_3"), "img_3");
}
