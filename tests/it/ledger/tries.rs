//! When a send was last tried, as ledgers of this and of earlier formats have it.

use beadle::engine::outbox::{Claim, Delivery, Ending, State};
use beadle::engine::quota::{Claimed, Quota};
use beadle::engine::tries::next;

use super::*;

/// A send in a ledger of format 6 that was tried three times, as its rows stood.
pub(super) const TRIED_THRICE: (&str, &str) = (
    "INSERT INTO occurrence (project, notice, nominal, last, count, fires_at, revision, admitted_at, send_until, told)
     VALUES ('p', 'recurring_notice.n', '2026-11-22T10:00:00.000000000Z', '2026-11-22T10:00:00.000000000Z', 1,
         '2026-11-22T10:00:00.000000000Z', 'r1', '2026-11-22T10:00:00.000000000Z',
         '2026-11-22T11:00:00.000000000Z', 0)",
    "INSERT INTO delivery (project, notice, nominal, provider, app, operation, query, body, recipients, repeat,
         state, attempts, first_at, detail, invalid)
     VALUES ('p', 'recurring_notice.n', '2026-11-22T10:00:00.000000000Z', 'feishu', 'cli_a', 'send', '[]', 'text',
         '[]', 'always', 'unknown', 3, '2026-11-22T10:00:00.000000000Z', 'time-out', '[]')",
);

fn its_delivery(books: &dyn Books) -> Delivery {
    let occurrences = now(books.occurrences(None, 9)).unwrap();
    let deliveries = now(books.deliveries(&occurrences[0].key)).unwrap();
    deliveries.into_iter().next().unwrap()
}

fn clock(text: &str) -> Timestamp {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

/// What an earlier format does not say of [`TRIED_THRICE`] makes nobody try at once.
pub(super) fn waits_from_its_first_try_on(books: &dyn Books) {
    let delivery = its_delivery(books);
    assert_eq!((delivery.attempts, delivery.tried_at), (3, None));
    let next = next(&delivery, clock("10:00:05"));
    assert_eq!(next, Some(clock("10:00:40")));
}

/// From its next try on it is remembered when that was.
pub(super) fn is_remembered_from_the_next_try_on(books: &dyn Books) {
    let delivery = its_delivery(books);
    let claim = Claim {
        runner: "one".into(),
        expires: Timestamp::MAX,
    };
    let before = Timestamp::now();
    let taken = now(books.claim(&delivery, &claim, &Quota::default(), before)).unwrap();
    assert_eq!(taken, Claimed::Taken(Vec::new()));
    let claimed = its_delivery(books);
    assert_eq!(claimed.attempts, 4);
    assert!(claimed.tried_at.is_some());
    let ending = Ending {
        state: State::Unknown,
        message: None,
        detail: "time-out".into(),
        invalid: Vec::new(),
    };
    now(books.end(delivery.id, "one", before, &ending)).unwrap();
    assert!(its_delivery(books).tried_at >= claimed.tried_at);
}
