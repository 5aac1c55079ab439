//! What every ledger promises of vendors' quotas: they are counted in the transaction that claims.

use beadle::engine::channel::To;
use beadle::engine::outbox::{Claim, Delivery, Ending, State};
use beadle::engine::quota::{Claimed, Daily, Over, Quota, Take};
use beadle::model::group::Recipient;

use super::sending::{admission, notice, open, sent};
use super::*;

fn take(name: &str, period: &str, amount: u64, most: u64, ends: i64) -> Take {
    Take {
        name: name.into(),
        over: Over::Period {
            name: period.into(),
            ends: at(ends),
        },
        amount,
        most,
        what: format!("the {most} of {name}"),
    }
}

fn takes(takes: &[Take]) -> Quota {
    Quota {
        takes: takes.to_vec(),
        daily: None,
    }
}

fn claim(books: &dyn Books, seen: &Delivery, quota: &Quota, second: i64) -> Claimed {
    let claim = Claim {
        runner: "one".into(),
        expires: at(second + 60),
    };
    now(books.claim(seen, &claim, quota, at(second))).unwrap()
}

fn full(name: &str, most: u64, ends: i64) -> Claimed {
    Claimed::Full(format!("the {most} of {name}"), at(ends))
}

fn admit(books: &dyn Books, hour: i64, parts: usize) {
    now(books.admit(&notice(), at(hour * 3_600), &[admission(hour, parts)])).unwrap();
}

pub(super) fn a_claim_takes_all_that_it_needs_or_nothing(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("q"));
    admit(&*one, 0, 4);
    admit(&*two, 0, 2);
    let (mine, theirs) = (open(&*one, 0), open(&*two, 0));
    let minute = take("v/minute", "m1", 2, 5, 60);
    let day = take("v/day", "d1", 1, 3, 86_400);
    let both = takes(&[minute.clone(), day.clone()]);
    let taken = Claimed::Taken(Vec::new());
    assert_eq!(claim(&*one, &mine[0], &both, 0), taken);
    // The quota is the app's: what another project took is taken.
    assert_eq!(claim(&*two, &theirs[0], &both, 0), taken);
    assert_eq!(claim(&*one, &mine[1], &both, 0), full("v/minute", 5, 60));
    assert_eq!(open(&*one, 0), mine[1..], "nothing was claimed, or counted");
    // Nor does a claim that fails count: one more of the day's three is left.
    assert_eq!(
        claim(&*one, &mine[0], &takes(std::slice::from_ref(&day)), 0),
        Claimed::Gone
    );
    let next = take("v/minute", "m2", 2, 5, 120);
    let both = takes(&[next.clone(), day.clone()]);
    assert_eq!(claim(&*one, &mine[1], &both, 60), taken);
    assert_eq!(claim(&*one, &mine[2], &both, 60), full("v/day", 3, 86_400));
    // Of the second minute two of five are taken, and not four.
    assert_eq!(
        claim(
            &*one,
            &mine[2],
            &takes(&[take("v/minute", "m2", 3, 5, 120)]),
            60
        ),
        taken
    );
    // What sends nothing takes of the same.
    let used = now(two.take(&both, at(60))).unwrap();
    assert_eq!(used, Some(("the 5 of v/minute".into(), at(120))));
    let other = takes(&[take("v/other", "d1", 2, 2, 86_400)]);
    assert_eq!(now(two.take(&other, at(60))).unwrap(), None);
    assert_eq!(
        claim(&*one, &mine[3], &other, 60),
        full("v/other", 2, 86_400)
    );
    assert_eq!(claim(&*one, &mine[3], &takes(&[]), 60), taken);
}

pub(super) fn many_who_take_at_once_take_no_more_than_there_is(store: &dyn Store) {
    let books = store.books("p");
    admit(&*books, 0, 6);
    let seen = open(&*books, 0);
    let got = std::thread::scope(|scope| {
        let takers: Vec<_> = seen
            .iter()
            .enumerate()
            .map(|(n, delivery)| {
                scope.spawn(move || {
                    // Each in another order.
                    let mut both = [take("v/a", "d", 1, 4, 60), take("v/b", "d", 1, 4, 60)];
                    both.rotate_left(n % 2);
                    claim(&*store.books("p"), delivery, &takes(&both), 0)
                })
            })
            .collect();
        let answers = takers.into_iter().map(|taker| taker.join().unwrap());
        answers
            .filter(|claimed| matches!(claimed, Claimed::Taken(_)))
            .count()
    });
    assert_eq!(got, 4);
}

pub(super) fn what_somebody_has_had_today_is_known(store: &dyn Store) {
    let (books, other) = (store.books("p"), store.books("q"));
    let person = |name: &str| To::Recipient(Recipient::OpenId(name.into()));
    let daily = |content: &str, day: &str, people: &[&str]| Quota {
        takes: Vec::new(),
        daily: Some(Daily {
            app: "v/a".into(),
            day: day.into(),
            content: content.into(),
            people: people.iter().map(|name| person(name)).collect(),
            most: 2,
            had: "has had it",
            full: "has had enough",
        }),
    };
    admit(&*books, 0, 8);
    admit(&*other, 0, 1);
    let seen = open(&*books, 0);
    let taken = |dropped: &[(&str, &str)]| {
        let dropped = dropped
            .iter()
            .map(|(name, why)| (person(name), (*why).to_owned()));
        Claimed::Taken(dropped.collect())
    };
    let first = daily("c", "2026-12-01", &["ada", "bo"]);
    assert_eq!(claim(&*books, &seen[0], &first, 0), taken(&[]));
    // Another of the same content goes to those who have not had it.
    let more = daily("c", "2026-12-01", &["ada", "cy"]);
    let had = [("ada", "has had it")];
    assert_eq!(claim(&*books, &seen[1], &more, 0), taken(&had));
    // Where nobody is left it is refused, in any project of the app.
    let again = daily("c", "2026-12-01", &["ada", "bo"]);
    let theirs = open(&*other, 0).remove(0);
    assert_eq!(claim(&*other, &theirs, &again, 0), Claimed::Dropped);
    let ended = now(other.deliveries(&theirs.key)).unwrap().remove(0);
    assert_eq!(ended.state, State::Refused);
    assert_eq!(
        ended.detail,
        "nobody would get it: each of its people has had it"
    );
    assert_eq!(
        ended.invalid.len(),
        3,
        "those whom the vendor does not show too"
    );
    // Two in a day are enough.
    let third = daily("d", "2026-12-01", &["ada"]);
    assert_eq!(claim(&*books, &seen[2], &third, 0), taken(&[]));
    let fourth = daily("e", "2026-12-01", &["ada", "bo"]);
    let enough = [("ada", "has had enough")];
    assert_eq!(claim(&*books, &seen[3], &fourth, 0), taken(&enough));
    // What was not sent nobody has; what may have been they may have, and it is tried again all the same.
    let end = |n: usize, state: State| {
        let ending = Ending { state, ..sent() };
        now(books.end(seen[n].id, "one", at(1), &ending)).unwrap();
    };
    end(3, State::Refused);
    let fifth = daily("f", "2026-12-01", &["bo"]);
    assert_eq!(claim(&*books, &seen[4], &fifth, 2), taken(&[]));
    end(4, State::Pending);
    assert_eq!(claim(&*books, &seen[5], &fifth, 2), taken(&[]));
    end(5, State::Unknown);
    let unknown = now(books.deliveries(&seen[5].key)).unwrap().remove(5);
    assert_eq!(claim(&*books, &unknown, &fifth, 2), taken(&[]));
    assert_eq!(claim(&*books, &seen[6], &fifth, 2), Claimed::Dropped);
    // The next day begins with nothing.
    let tomorrow = daily("f", "2026-12-02", &["bo", "ada"]);
    assert_eq!(claim(&*books, &seen[7], &tomorrow, 2), taken(&[]));
}
