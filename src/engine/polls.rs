//! When a vendor is asked what became of a message: pure, so that it reads as a table.

use jiff::{SignedDuration, Timestamp};

/// How often a vendor is asked about a message, and for how long it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// So long after it was sent, in order.
    pub after: &'static [SignedDuration],
    /// So often from the last of these on.
    pub every: Option<SignedDuration>,
    /// How long after it was sent the vendor can be asked.
    pub window: SignedDuration,
}

impl Rhythm {
    /// Nothing can be asked.
    pub const NEVER: Rhythm = Rhythm {
        after: &[],
        every: None,
        window: SignedDuration::ZERO,
    };
}

/// When a message that was sent at `sent` is asked about next. It is followed until `ends`, when it is asked
/// about a last time; `asked` is when it was asked about last, whatever came of that.
///
/// What was due while nobody was there is made good by one question. A clock that was set back makes nobody
/// ask twice, and one that had been far ahead makes nobody wait for it.
#[must_use]
pub fn next(
    rhythm: &Rhythm,
    sent: Timestamp,
    ends: Timestamp,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let first = *rhythm.after.first()?;
    let plus = |time: SignedDuration| sent.saturating_add(time).unwrap_or(Timestamp::MAX);
    let closes = plus(rhythm.window);
    if now >= closes {
        return None;
    }
    // A little before the vendor stops to answer.
    let margin = rhythm.window / 100;
    let last = ends.min(closes.saturating_sub(margin).unwrap_or(closes));
    let Some(asked) = asked.map(|asked| asked.min(now)) else {
        return Some(plus(first).min(last));
    };
    if asked >= last {
        return None;
    }
    let listed = rhythm.after.iter().map(|time| plus(*time));
    let next = listed.into_iter().find(|at| *at > asked).or_else(|| {
        let every = rhythm.every?;
        let from = plus(*rhythm.after.last()?);
        let steps = asked.duration_since(from).as_secs() / every.as_secs().max(1) + 1;
        let steps = i32::try_from(steps).ok()?;
        from.saturating_add(every * steps).ok()
    });
    Some(next.unwrap_or(last).min(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mins(n: i64) -> SignedDuration {
        SignedDuration::from_mins(n)
    }

    const FEW: Rhythm = Rhythm {
        after: &[mins(1), mins(10), mins(60)],
        every: None,
        window: SignedDuration::from_hours(24),
    };

    const MANY: Rhythm = Rhythm {
        after: &[mins(1), mins(15)],
        every: Some(mins(60)),
        window: SignedDuration::from_hours(24 * 7),
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    /// The minutes at which somebody asks who looks every so many minutes.
    fn asked(rhythm: &Rhythm, ends: i64, looks: &[i64]) -> Vec<i64> {
        let mut last = None;
        let mut all = Vec::new();
        for minute in looks {
            let now = at(*minute);
            if next(rhythm, at(0), at(ends), last, now).is_some_and(|due| due <= now) {
                last = Some(now);
                all.push(*minute);
            }
        }
        all
    }

    #[test]
    fn a_message_is_asked_about_by_its_rhythm_and_once_at_the_end() {
        let all: Vec<i64> = (0..3_000).collect();
        let day = 24 * 60;
        #[rustfmt::skip]
        let table: [(&Rhythm, i64, &[i64], &[i64]); 9] = [
            (&FEW, 600, &all, &[1, 10, 60, 600]),
            (&FEW, 30, &all, &[1, 10, 30]),
            (&FEW, 60, &all, &[1, 10, 60]),
            // The vendor answers for a day, less a little.
            (&FEW, 2 * day, &all, &[1, 10, 60, 1426]),
            (&MANY, 200, &all, &[1, 15, 75, 135, 195, 200]),
            // Nobody was there for a while: one question makes it good.
            (&FEW, 600, &[45, 46, 61, 599, 600, 601], &[45, 61, 600]),
            (&MANY, 600, &[0, 300, 301, 315, 316], &[300, 315]),
            // Late, and too late.
            (&FEW, 600, &[700, 800], &[700]),
            (&FEW, 600, &[day, day + 1], &[]),
        ];
        for (rhythm, ends, looks, expected) in table {
            assert_eq!(asked(rhythm, ends, looks), expected, "{ends} {looks:.6?}");
        }
        assert_eq!(asked(&Rhythm::NEVER, 600, &all), Vec::<i64>::new());
    }

    #[test]
    fn a_clock_that_is_set_asks_neither_twice_nor_never() {
        // Set back by five minutes after the first question: the second comes as it would have.
        let due = next(&FEW, at(0), at(600), Some(at(1)), at(-4));
        assert!(due.is_some_and(|due| due > at(-4)), "{due:?}");
        // Asked by a clock that was days ahead: the right clock's questions go on.
        let due = next(&FEW, at(0), at(600), Some(at(9_000)), at(5));
        assert_eq!(due, Some(at(10)));
    }
}
