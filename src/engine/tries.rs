//! When a delivery, or taking it back, is tried again, and until when: pure, so that it reads as a table.
//!
//! # Guarantees
//!
//! - The waits between tries double up to a longest one, whoever tries: they are worked out from what is
//!   remembered of it, so that neither another runner nor a restart begins anew.
//! - The last try is a little before the time is over, so that what the vendor says by then counts.

use jiff::{SignedDuration, Timestamp};

use super::afterwards::{Recall, RecallState};
use super::channel::Repeat;
use super::outbox::{Delivery, Purpose, State};
use crate::model::zone;

/// The wait after the first try.
pub const FIRST: SignedDuration = SignedDuration::from_secs(10);

/// The longest wait.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// How long that is tried which no `late` bounds: word of a problem, a report, and taking something back.
const ASIDE: SignedDuration = SignedDuration::from_hours(24);

/// The wait after so many tries.
fn wait(attempts: u32) -> SignedDuration {
    let doubled = attempts.saturating_sub(1).min(16);
    (FIRST * (1 << doubled)).min(LONGEST)
}

/// When it is time again for what was tried so often, and last at that instant. A clock that was set back makes
/// nobody wait for it.
fn after(tried: Timestamp, attempts: u32, now: Timestamp) -> Timestamp {
    let next = tried.min(now).saturating_add(wait(attempts));
    next.unwrap_or(Timestamp::MAX)
}

/// When something is next taken back, which may be now; none where only a person can find out what became of
/// it.
#[must_use]
pub fn next_recall(recall: &Recall, now: Timestamp) -> Option<Timestamp> {
    let (Some(first), 1..) = (recall.first_at, recall.attempts) else {
        return Some(now);
    };
    // What never reached the vendor may be asked for at any time.
    if recall.state == RecallState::Unknown && now.duration_since(first) > ASIDE {
        return None;
    }
    let tried = recall.tried_at.unwrap_or(first);
    Some(after(tried, recall.attempts, now))
}

/// When a delivery is tried next, which may be now; none where nothing is left to be tried.
#[must_use]
pub fn next(delivery: &Delivery, now: Timestamp) -> Option<Timestamp> {
    let until = until(delivery)?;
    if now > until {
        return None;
    }
    if delivery.attempts == 0 {
        return Some(now);
    }
    let tried = delivery.tried_at.or(delivery.first_at).unwrap_or(now);
    let next = after(tried, delivery.attempts, now);
    let last = until.saturating_sub(FIRST).unwrap_or(until);
    match next <= last || delivery.state == State::Pending {
        true => Some(next),
        false if tried < last => Some(last),
        false => None,
    }
}

/// The last instant at which a delivery may be tried; none where it may not.
fn until(delivery: &Delivery) -> Option<Timestamp> {
    let late = match (delivery.purpose, delivery.send_until) {
        (Purpose::Notice, Some(until)) => Some(until),
        (Purpose::Notice, None) | (Purpose::Problem | Purpose::Report, _) => None,
    };
    match delivery.state {
        State::Pending => Some(late.unwrap_or(Timestamp::MAX)),
        State::Unknown if !delivery.is_revoked => {
            let first = delivery.first_at?;
            let repeatable = repeatable_until(delivery, first)?;
            let patience = first.saturating_add(ASIDE).unwrap_or(Timestamp::MAX);
            Some(repeatable.min(late.unwrap_or(patience)))
        }
        State::Unknown
        | State::Sending
        | State::Sent
        | State::Refused
        | State::Held
        | State::Cancelled => None,
    }
}

/// Until when the contract lets the same bytes be sent again.
fn repeatable_until(delivery: &Delivery, first: Timestamp) -> Option<Timestamp> {
    match delivery.what.repeat {
        Repeat::Always => Some(Timestamp::MAX),
        Repeat::Never => None,
        Repeat::Again => (delivery.attempts < 2).then_some(Timestamp::MAX),
        // Before the time is over, and not when it is.
        Repeat::For(time) => first.checked_add(time - SignedDuration::from_secs(1)).ok(),
        Repeat::SameDay => {
            let day = first.to_zoned(zone::SHANGHAI.clone()).date();
            let midnight = day.tomorrow().ok()?.to_zoned(zone::SHANGHAI.clone());
            let before = SignedDuration::from_secs(5 * 60 + 1);
            midnight.ok()?.timestamp().checked_sub(before).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::channel::Parcel;
    use crate::engine::outbox::{DeliveryId, Key, NewDelivery};
    use crate::model::{AppId, Name};

    fn at(second: i64) -> Timestamp {
        "2026-12-02T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    /// One that was tried once, at 10:00, and is tried until so many seconds later.
    fn unknown(repeat: Repeat, late: i64) -> Delivery {
        Delivery {
            id: DeliveryId(1),
            key: Key {
                notice: "recurring_notice.review".parse().unwrap(),
                nominal: at(0),
            },
            purpose: Purpose::Notice,
            what: NewDelivery {
                provider: Name::new("feishu").unwrap(),
                app: AppId::new("a"),
                parcel: Parcel {
                    operation: "send".into(),
                    query: Vec::new(),
                    body: String::new(),
                    to: std::collections::BTreeSet::new(),
                },
                repeat,
                unseen: Vec::new(),
            },
            state: State::Unknown,
            attempts: 1,
            first_at: Some(at(0)),
            tried_at: Some(at(0)),
            message: None,
            detail: String::new(),
            invalid: Vec::new(),
            send_until: Some(at(late)),
            is_revoked: false,
        }
    }

    #[test]
    fn a_recall_waits_longer_and_longer_and_what_may_be_done_is_asked_for_for_a_day() {
        let mut recall = Recall {
            delivery: unknown(Repeat::Never, 3600),
            state: RecallState::Wanted,
            detail: String::new(),
            attempts: 0,
            first_at: None,
            tried_at: None,
            ended_at: None,
        };
        assert_eq!(next_recall(&recall, at(5)), Some(at(5)), "at once");
        (recall.attempts, recall.first_at) = (3, Some(at(0)));
        assert_eq!(
            next_recall(&recall, at(5)),
            Some(at(40)),
            "an earlier format"
        );
        recall.tried_at = Some(at(100));
        assert_eq!(next_recall(&recall, at(101)), Some(at(140)));
        assert_eq!(
            next_recall(&recall, at(50)),
            Some(at(90)),
            "the clock was set back"
        );
        let day = 24 * 3600;
        (recall.attempts, recall.tried_at) = (u32::MAX, Some(at(day)));
        for (state, next) in [
            (RecallState::Wanted, Some(at(day + 900))),
            (RecallState::Unknown, None),
        ] {
            recall.state = state;
            assert_eq!(next_recall(&recall, at(day)), Some(at(day + 900)));
            assert_eq!(next_recall(&recall, at(day + 1)), next);
        }
    }

    /// The seconds at which it is tried by somebody who looks whenever it is due, or every so many seconds.
    fn tries(mut delivery: Delivery, looks: i64) -> Vec<i64> {
        let mut tried = Vec::new();
        let mut second = 0;
        while let Some(next) = next(&delivery, at(second)) {
            let due = next.duration_since(at(0)).as_secs();
            if due <= second {
                tried.push(second);
                delivery.attempts += 1;
                delivery.tried_at = Some(at(second));
            }
            second += looks;
        }
        tried
    }

    #[test]
    fn the_waits_double_and_the_last_try_is_just_in_time() {
        assert_eq!(
            tries(unknown(Repeat::Always, 900), 1),
            [10, 30, 70, 150, 310, 630, 890]
        );
        // Whoever looks seldom tries as often as they look, and no more.
        assert_eq!(tries(unknown(Repeat::Always, 900), 300), [300, 600, 900]);
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        let all = tries(unknown(Repeat::Always, 86_400), 1);
        let waits: Vec<_> = all.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(
            waits.iter().all(|wait| *wait <= LONGEST.as_secs()),
            "{waits:?}"
        );
        assert!(
            waits[..6].windows(2).all(|two| two[1] == 2 * two[0]),
            "{waits:?}"
        );
        assert!(all.len() < 110, "{}", all.len());
    }

    #[test]
    fn the_window_of_the_channel_bounds_it_too() {
        let hour = Repeat::For(SignedDuration::from_mins(55));
        let all = tries(unknown(hour, 86_400), 1);
        assert!(all.iter().all(|second| *second < 55 * 60), "{all:?}");
        assert_eq!(tries(unknown(Repeat::Again, 900), 1), [10]);
        assert_eq!(tries(unknown(Repeat::Never, 900), 1), Vec::<i64>::new());
        // 10:00 in UTC is 18:00 in Shanghai: six hours until its midnight.
        let all = tries(unknown(Repeat::SameDay, 86_400), 1);
        assert_eq!(all.last(), Some(&(6 * 3_600 - 5 * 60 - 11)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_it() {
        let ahead = Delivery {
            tried_at: Some(at(700)),
            ..unknown(Repeat::Always, 900)
        };
        assert_eq!(next(&ahead, at(20)), Some(at(30)));
    }

    #[test]
    fn what_did_not_leave_waits_as_long_and_what_was_never_tried_does_not() {
        let pending = Delivery {
            state: State::Pending,
            attempts: 3,
            first_at: None,
            ..unknown(Repeat::Never, 900)
        };
        assert_eq!(next(&pending, at(5)), Some(at(40)));
        let fresh = Delivery {
            attempts: 0,
            tried_at: None,
            ..pending
        };
        assert_eq!(next(&fresh, at(5)), Some(at(5)));
    }
}
