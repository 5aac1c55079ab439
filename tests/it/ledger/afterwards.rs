//! What every ledger promises of what follows sending: people's word, recalls, who is told, pauses, and a
//! notice that changes its name.

use beadle::engine::afterwards::{AfterSettling, Pause, Recall, RecallState, Settlement, Word};
use beadle::engine::outbox::{
    Admission, Claim, Delivery, DeliveryId, Ending, Key, Occurrence, OutboxError, Outcome, Purpose,
    State,
};

use super::sending::{admission, claims, notice, open, part, sent};
use super::*;

/// The occurrence of an hour.
pub(super) fn key(hour: i64) -> Key {
    Key {
        notice: notice(),
        nominal: at(hour * 3_600),
    }
}

/// Admits an hour with a delivery for each state, and ends it like that.
pub(super) fn ends(books: &dyn Books, hour: i64, states: &[State], outcome: Outcome) {
    begins(books, hour, states);
    now(books.conclude(&key(hour), outcome, "why", at(hour * 3_600))).unwrap();
}

/// As [`ends`], without an outcome.
fn begins(books: &dyn Books, hour: i64, states: &[State]) {
    let admitted = Admission {
        deliveries: (0..states.len()).map(|n| part(hour, n)).collect(),
        ..admission(hour, 0)
    };
    now(books.admit(&notice(), admitted.nominal, &[admitted])).unwrap();
    let second = hour * 3_600;
    let deliveries = now(books.deliveries(&key(hour))).unwrap();
    for (delivery, state) in deliveries.iter().zip(states) {
        ends_as(books, delivery, *state, second);
    }
}

fn ends_as(books: &dyn Books, delivery: &Delivery, state: State, second: i64) {
    if state == State::Pending {
        return;
    }
    assert!(claims(books, delivery, "one", second));
    if state == State::Sending {
        return;
    }
    let unknown = matches!(state, State::Unknown | State::Held);
    let ending = Ending {
        state: if unknown { State::Unknown } else { state },
        message: (state == State::Sent).then(|| "m1".into()),
        ..sent()
    };
    now(books.end(delivery.id, "one", at(second), &ending)).unwrap();
    if state == State::Held {
        assert!(now(books.hold(delivery.id, "nobody knows")).unwrap());
    }
}

fn states(books: &dyn Books, key: &Key) -> Vec<State> {
    let deliveries = now(books.deliveries(key)).unwrap();
    deliveries.iter().map(|d| d.state).collect()
}

fn occurrence(books: &dyn Books, key: &Key) -> Occurrence {
    now(books.occurrence(key)).unwrap().unwrap()
}

fn says(word: Word, second: i64) -> Settlement {
    Settlement {
        word,
        who: "ada".into(),
        at: at(second),
        held_for: "no answer".into(),
    }
}

fn settled(books: &dyn Books, hour: i64, said: &Settlement, end: &AfterSettling) -> bool {
    now(books.settle(&key(hour), said, end)).unwrap()
}

pub(super) fn a_person_settles_what_is_held_and_nothing_else(store: &dyn Store) {
    let (books, other) = (store.books("p"), store.books("q"));
    let both = [State::Sent, State::Held];
    let end = |outcome: Outcome| AfterSettling::Ended(outcome, "as ada said".into());
    let cases = [
        (0, Word::Sent, end(Outcome::Sent), State::Sent),
        (1, Word::NotSent, end(Outcome::Partial), State::Refused),
        (
            2,
            Word::Resend,
            AfterSettling::Pending(at(9_999)),
            State::Pending,
        ),
    ];
    for (hour, word, end, state) in cases {
        let said = says(word, 9_000);
        assert!(!settled(&*books, hour, &said, &end), "it is not there");
        ends(&*books, hour, &both, Outcome::Held);
        // Word of the problem is held itself, and is not what the person speaks of.
        assert!(now(books.tell(&key(hour), &[part(hour, 9)])).unwrap());
        let word_of_it = now(books.deliveries(&key(hour))).unwrap().remove(2);
        ends_as(&*books, &word_of_it, State::Held, hour * 3_600);
        assert!(!settled(&*other, hour, &said, &end), "it is not theirs");

        assert!(settled(&*books, hour, &said, &end));
        let all = [State::Sent, state, State::Held];
        assert_eq!(states(&*books, &key(hour)), all);
        let deliveries = now(books.deliveries(&key(hour))).unwrap();
        assert!(deliveries[1].detail.starts_with("ada "), "{deliveries:?}");
        match end {
            AfterSettling::Ended(outcome, why) => {
                assert_eq!(
                    occurrence(&*books, &key(hour)).outcome,
                    Some((outcome, why))
                );
                assert_eq!(deliveries[1].attempts, 1);
            }
            AfterSettling::Pending(until) => {
                assert_eq!(occurrence(&*books, &key(hour)).outcome, None);
                assert_eq!(now(books.undecided()).unwrap(), [key(hour)]);
                let again = open(&*books, 9_000).remove(0);
                assert_eq!((again.attempts, again.first_at), (0, None), "as if new");
                assert_eq!(again.send_until, Some(until));
            }
        }
        let once_more = AfterSettling::Ended(Outcome::Refused, String::new());
        assert!(!settled(
            &*books,
            hour,
            &says(Word::NotSent, 9_001),
            &once_more
        ));
        assert_eq!(now(books.settlements(&key(hour))).unwrap(), [said]);
        assert_eq!(now(other.settlements(&key(hour))).unwrap(), []);
    }
    // What was sent again and is held again is settled again, and all that was said stays.
    let again = open(&*books, 9_000).remove(0);
    ends_as(&*books, &again, State::Held, 9_000);
    now(books.conclude(&key(2), Outcome::Held, "again", at(9_000))).unwrap();
    assert!(settled(
        &*books,
        2,
        &says(Word::Sent, 9_001),
        &end(Outcome::Sent)
    ));
    let words = now(books.settlements(&key(2))).unwrap();
    let words: Vec<_> = words.iter().map(|said| said.word).collect();
    assert_eq!(words, [Word::Resend, Word::Sent]);
}

fn recalls(books: &dyn Books, second: i64) -> Vec<Recall> {
    now(books.recalls(at(second))).unwrap()
}

fn recall(runner: &str, until: i64) -> Claim {
    Claim {
        runner: runner.into(),
        expires: at(until),
    }
}

pub(super) fn what_is_revoked_is_taken_back_once(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    let revoke = |books: &dyn Books, hour: i64, second: i64| {
        now(books.revoke(&key(hour), "ada", at(second))).unwrap()
    };
    assert!(!revoke(&*one, 0, 0), "it is not there");
    let all = [
        State::Sent,
        State::Refused,
        State::Held,
        State::Pending,
        State::Sending,
    ];
    let admitted = Admission {
        revoke_at: Some(at(7_200)),
        deliveries: (0..all.len()).map(|n| part(0, n)).collect(),
        ..admission(0, 0)
    };
    now(one.admit(&notice(), at(0), &[admitted])).unwrap();
    let ids: Vec<DeliveryId> = now(one.deliveries(&key(0)))
        .unwrap()
        .iter()
        .zip(all)
        .map(|(delivery, state)| {
            ends_as(&*one, delivery, state, 0);
            delivery.id
        })
        .collect();
    now(one.tell(&key(0), &[part(0, 9)])).unwrap();
    assert_eq!(recalls(&*one, 7_199), [], "its time has not come");
    // Somebody wants it back before that, once, and it is their word that counts.
    assert!(!revoke(&*store.books("q"), 0, 60));
    assert!(revoke(&*one, 0, 60));
    assert!(!revoke(&*two, 0, 30));
    let asked = occurrence(&*two, &key(0));
    assert_eq!(
        (asked.revoke_at, asked.revoked_by),
        (Some(at(60)), Some("ada".into()))
    );
    assert_eq!(recalls(&*store.books("q"), 60), []);

    // What was sent or may have been is taken back, what was not is cancelled, what was refused is left.
    let open = recalls(&*two, 60);
    let taken: Vec<_> = open.iter().map(|r| (r.delivery.id, r.state)).collect();
    let wanted = [0, 2, 4].map(|n| (ids[n], RecallState::Wanted));
    // The one at the fifth came back with nothing to tell, a minute after it was begun.
    assert_eq!(taken, wanted);
    let cancelled = [
        State::Sent,
        State::Refused,
        State::Held,
        State::Cancelled,
        State::Sending,
        State::Pending,
    ];
    assert_eq!(states(&*one, &key(0)), cancelled);
    let deliveries = now(one.deliveries(&key(0))).unwrap();
    assert_eq!(deliveries[5].purpose, Purpose::Problem);
    let revoked: Vec<bool> = deliveries.iter().map(|d| d.is_revoked).collect();
    assert_eq!(revoked, [true, false, true, false, true, false]);
    assert_eq!(recalls(&*one, 60), open, "they are written down once");
    assert!(!revoke(&*one, 0, 61), "it is taken back already");

    // One runner at a time, and who does not come back in time has lost it.
    let claim = |books: &dyn Books, id: DeliveryId, runner: &str, second: i64| {
        now(books.claim_recall(id, &recall(runner, second + 60), at(second))).unwrap()
    };
    let end = |books: &dyn Books, id: DeliveryId, runner: &str, second: i64, state: RecallState| {
        now(books.end_recall(id, runner, at(second), state, "said"))
    };
    assert!(!claim(&*store.books("q"), ids[0], "q", 61));
    assert!(claim(&*one, ids[0], "one", 61));
    assert!(!claim(&*two, ids[0], "two", 61));
    assert_eq!(recalls(&*two, 62).len(), 2, "it is being called");
    let theirs = end(&*two, ids[0], "two", 62, RecallState::Recalled);
    assert!(matches!(theirs, Err(OutboxError::Lost)));
    let late = end(&*one, ids[0], "one", 121, RecallState::Recalled);
    assert!(matches!(late, Err(OutboxError::Lost)));
    let unknown = recalls(&*two, 121).remove(0);
    assert_eq!(unknown.state, RecallState::Unknown);
    assert_eq!(
        unknown.detail,
        "the runner that took it back did not come back"
    );
    let late = end(&*one, ids[0], "one", 62, RecallState::Recalled);
    assert!(matches!(late, Err(OutboxError::Lost)));

    // Unknown once more by its runner's word, it is open; ended, it is not.
    assert!(claim(&*two, ids[0], "two", 122));
    end(&*two, ids[0], "two", 123, RecallState::Unknown).unwrap();
    assert_eq!(recalls(&*one, 123).len(), 3);
    assert!(claim(&*two, ids[0], "two", 124));
    end(&*two, ids[0], "two", 125, RecallState::Recalled).unwrap();
    let again = end(&*two, ids[0], "two", 125, RecallState::Recalled);
    assert!(matches!(again, Err(OutboxError::Lost)));
    assert!(!claim(&*two, ids[0], "two", 126));
    let drop = |books: &dyn Books, id: DeliveryId| {
        now(books.drop_recall(id, at(127), RecallState::Impossible, "too late")).unwrap()
    };
    assert!(!drop(&*one, ids[0]));
    assert!(!drop(&*store.books("q"), ids[2]));
    assert!(drop(&*one, ids[2]));
    assert!(!drop(&*two, ids[2]));
    let ends: Vec<_> = now(one.recalls_of(&key(0)))
        .unwrap()
        .into_iter()
        .map(|r| (r.state, r.detail, r.ended_at))
        .collect();
    let expected = [
        (RecallState::Recalled, "said".to_owned(), Some(at(125))),
        (
            RecallState::Impossible,
            "too late".to_owned(),
            Some(at(127)),
        ),
        (RecallState::Wanted, String::new(), None),
    ];
    assert_eq!(ends, expected);
    assert_eq!(now(store.books("q").recalls_of(&key(0))).unwrap(), []);
}

pub(super) fn those_who_hear_of_problems_are_thought_of_once(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    let all = [
        (3, Outcome::Refused),
        (0, Outcome::Sent),
        (1, Outcome::Partial),
        (5, Outcome::Skipped),
        (4, Outcome::Missed),
        (2, Outcome::Held),
    ];
    for (hour, outcome) in all {
        ends(&*one, hour, &[], outcome);
    }
    now(one.admit(&notice(), at(6 * 3_600), &[admission(6, 1)])).unwrap();
    let untold = |books: &dyn Books| -> Vec<Key> {
        let untold = now(books.untold()).unwrap();
        untold.into_iter().map(|o| o.key).collect()
    };
    assert_eq!(untold(&*two), [1, 2, 3, 4].map(key), "oldest first");
    assert_eq!(untold(&*store.books("q")), []);
    assert!(!now(store.books("q").tell(&key(1), &[])).unwrap());
    assert!(now(one.tell(&key(1), &[part(1, 0), part(1, 1)])).unwrap());
    assert!(!now(two.tell(&key(1), &[part(1, 2)])).unwrap());
    // Also where there is nobody.
    assert!(now(one.tell(&key(4), &[])).unwrap());
    assert_eq!(untold(&*two), [2, 3].map(key));
    let words = now(two.deliveries(&key(1))).unwrap();
    assert_eq!(words.len(), 2);
    for word in &words {
        assert_eq!(
            (word.purpose, word.state),
            (Purpose::Problem, State::Pending)
        );
    }
    assert_eq!(open(&*two, 0).len(), 3, "they are sent as all the rest is");
    assert_eq!(
        occurrence(&*one, &key(1)).outcome,
        Some((Outcome::Partial, "why".into()))
    );
}

pub(super) fn a_pause_lasts_until_its_end_or_until_it_is_resumed(store: &dyn Store) {
    let (one, two) = (store.books("p"), store.books("p"));
    let other: Address = "recurring_notice.другое".parse().unwrap();
    let pause = |notice: &Address, since: i64, until: Option<i64>, who: &str| Pause {
        notice: notice.clone(),
        since: at(since),
        until: until.map(at),
        who: who.into(),
    };
    let resume = |books: &dyn Books, second: i64| now(books.resume(&notice(), at(second))).unwrap();
    assert_eq!(now(one.pauses()).unwrap(), []);
    assert!(!resume(&*one, 0));
    let first = pause(&notice(), 10, Some(100), "ada");
    let theirs = pause(&other, 0, None, "bo");
    now(one.pause(&theirs)).unwrap();
    now(one.pause(&first)).unwrap();
    assert_eq!(now(two.pauses()).unwrap(), [first, theirs.clone()]);
    assert_eq!(now(store.books("q").pauses()).unwrap(), []);
    assert!(!now(store.books("q").resume(&notice(), at(11))).unwrap());
    // Made longer while it lasts, it began when it began; begun anew when it was over, it did not.
    let newest = |books: &dyn Books| now(books.pauses()).unwrap().remove(0);
    now(two.pause(&pause(&notice(), 20, None, "cy"))).unwrap();
    assert_eq!(newest(&*one), pause(&notice(), 10, None, "cy"));
    assert!(resume(&*one, 50));
    assert!(!resume(&*two, 51), "it is over");
    assert_eq!(newest(&*one), pause(&notice(), 10, Some(50), "cy"));
    let anew = pause(&notice(), 50, Some(60), "ada");
    now(one.pause(&anew)).unwrap();
    assert_eq!(now(two.pauses()).unwrap(), [anew, theirs]);
    assert!(!resume(&*one, 60), "it ended by itself");
}

fn move_to(books: &dyn Books, to: &Address) {
    let lease = acquire(books, "li", 0).unwrap();
    let bound = Binding {
        address: notice(),
        ..binding("x", "n1")
    };
    now(books.record(&lease, at(1), &[BindingChange::Bind(bound)])).unwrap();
    let moved = BindingChange::Move {
        from: notice(),
        to: to.clone(),
    };
    now(books.record(&lease, at(2), &[moved])).unwrap();
}

pub(super) fn a_notice_that_is_renamed_takes_everything_along(store: &dyn Store) {
    use beadle::engine::receipts::{FollowEnd, People, Reading, Terms, WhyEnded};

    let (books, runner) = (store.books("p"), store.books("p"));
    // One is being sent, one waits, one is held, one is taken back and one is followed.
    begins(&*books, 0, &[State::Sending, State::Pending]);
    ends(&*books, 1, &[State::Held], Outcome::Held);
    ends(&*books, 2, &[State::Held], Outcome::Held);
    let resend = AfterSettling::Pending(at(9_999));
    assert!(settled(&*books, 2, &says(Word::Resend, 9_000), &resend));
    ends(&*books, 3, &[State::Sent], Outcome::Sent);
    now(books.revoke(&key(3), "ada", at(9_000))).unwrap();
    assert_eq!(recalls(&*books, 9_000).len(), 1);
    ends(&*books, 4, &[State::Sent], Outcome::Sent);
    let terms = Terms {
        until: 100.0,
        lasts: SignedDuration::from_mins(90),
    };
    let late = at(5 * 3_600);
    assert_eq!(now(books.follow(&notice(), &terms, late)).unwrap(), 1);
    let read = now(books.deliveries(&key(4))).unwrap()[0].id;
    assert!(now(books.ask(read, 0, late)).unwrap());
    let reading = Reading {
        at: late,
        read: Some(1),
        ..Reading::default()
    };
    now(books.note(read, &reading, Some(&People::default()))).unwrap();
    now(books.pause(&Pause {
        notice: notice(),
        since: at(0),
        until: None,
        who: "ada".into(),
    }))
    .unwrap();
    let in_flight = now(books.deliveries(&key(0))).unwrap().remove(0);

    let renamed: Address = "recurring_notice.every-hour".parse().unwrap();
    move_to(&*books, &renamed);

    let key = |hour: i64| Key {
        notice: renamed.clone(),
        nominal: at(hour * 3_600),
    };
    let theirs = |address: &Address| now(books.occurrences(Some(address), 9)).unwrap().len();
    assert_eq!((theirs(&notice()), theirs(&renamed)), (0, 5));
    let until = at(4 * 3_600);
    assert_eq!(now(books.handled()).unwrap(), [(renamed.clone(), until)]);
    // Its runner, who knows nothing of it, ends what it began.
    now(runner.end(in_flight.id, "one", at(1), &sent())).unwrap();
    assert_eq!(states(&*books, &key(0)), [State::Sent, State::Pending]);
    let waits = open(&*books, 1);
    let whose: Vec<_> = waits.iter().map(|delivery| &delivery.key).collect();
    assert_eq!(whose, [&key(0), &key(2)]);
    assert!(
        waits
            .iter()
            .all(|delivery| claims(&*runner, delivery, "two", 2))
    );
    // People's words, recalls, pauses and what is followed go by the new name.
    let end = AfterSettling::Ended(Outcome::Sent, String::new());
    assert!(now(books.settle(&key(1), &says(Word::Sent, 9_100), &end)).unwrap());
    for hour in [1, 2] {
        assert_eq!(now(books.settlements(&key(hour))).unwrap().len(), 1);
    }
    assert_eq!(now(books.recalls_of(&key(3))).unwrap().len(), 1);
    assert!(now(books.resume(&renamed, at(9_200))).unwrap());
    let followed = now(books.followed()).unwrap();
    assert_eq!(followed.len(), 1, "{followed:?}");
    assert_eq!(followed[0].key, key(4));
    assert_eq!(
        now(books.follow(&renamed, &terms, late)).unwrap(),
        0,
        "once"
    );
    assert_eq!(now(books.asked(&key(4))).unwrap()[&read].times, 1);
    assert_eq!(now(books.readings(&key(4))).unwrap(), [(read, reading)]);
    assert_eq!(now(books.people(&key(4))).unwrap().len(), 1);
    let over = FollowEnd {
        why: WhyEnded::Over,
        at: late,
        unheard: None,
    };
    assert!(now(books.end_following(&key(4), &over, &[part(4, 7)])).unwrap());
    assert_eq!(now(books.deliveries(&key(4))).unwrap().len(), 2);
    let faults = beadle::ledger::check::check(&now(books.rows()).unwrap(), late).faults;
    assert_eq!(faults, Vec::<String>::new());
}

pub(super) fn a_name_that_was_had_before_keeps_what_it_had(store: &dyn Store) {
    let books = store.books("p");
    let former: Address = "recurring_notice.former".parse().unwrap();
    let theirs = admission(0, 1);
    now(books.admit(&former, at(3_600), &[theirs])).unwrap();
    ends(&*books, 0, &[State::Held], Outcome::Held);
    begins(&*books, 2, &[State::Pending]);
    move_to(&*books, &former);
    let key = |notice: &Address, hour: i64| Key {
        notice: notice.clone(),
        nominal: at(hour * 3_600),
    };
    // Whichever was later: nothing is sent once more under the name.
    assert_eq!(now(books.handled()).unwrap(), [(former.clone(), at(7_200))]);
    assert_eq!(states(&*books, &key(&former, 0)), [State::Pending]);
    assert_eq!(states(&*books, &key(&former, 2)), [State::Pending]);
    // An instant that both had stays with the one whose it was.
    assert_eq!(states(&*books, &key(&notice(), 0)), [State::Held]);
    let faults = beadle::ledger::check::check(&now(books.rows()).unwrap(), at(9_000)).faults;
    assert_eq!(faults, Vec::<String>::new());
}
