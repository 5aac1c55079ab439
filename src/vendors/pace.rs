//! When a call may leave: token buckets by operation, a vendor's own word about waiting, and a cap on
//! calls under way.
//!
//! # Guarantees
//!
//! - In no span of a window do more calls reach the vendor than the window holds, however long each is on its
//!   way: a token comes back one whole window after its call has ended, not drop by drop, so a burst at the
//!   start of a minute cannot be followed by another at its end, whichever way the vendor counts its minutes.
//! - Calls of one operation leave in the order in which they asked.
//! - Operations do not wait for each other, save for the cap.
//!
//! # Caveats
//!
//! - The vendor counts by app and tenant; we count by client. Another process that uses the same app
//!   shows only as the vendor's refusal, which [`Pace::freeze`] obeys.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::limits::{Rate, Row};

/// The buckets of one app.
pub(crate) struct Pace {
    buckets: HashMap<&'static str, Bucket>,
    under_way: Semaphore,
}

impl Pace {
    /// Makes full buckets for the rows; `counted` is whether the published rates are kept to, or only
    /// what the vendor says while we run.
    pub(crate) fn new(rows: &'static [Row], counted: bool, concurrency: usize) -> Self {
        Self::with_rates(rows, |row| row.rate, counted, concurrency)
    }

    /// The same with rates of one's own, where they depend on more than the row.
    pub(crate) fn with_rates(
        rows: &'static [Row],
        rate: impl Fn(&Row) -> Rate,
        counted: bool,
        concurrency: usize,
    ) -> Self {
        let bucket = |row: &Row| {
            let rate = if counted { rate(row) } else { Rate::default() };
            (row.operation, Bucket::new(rate))
        };
        Self {
            buckets: rows.iter().map(bucket).collect(),
            under_way: Semaphore::new(concurrency.max(1)),
        }
    }

    /// Waits until a call may leave, and counts it; it is under way while the turn is held.
    pub(crate) async fn turn(&self, operation: &'static str) -> Turn<'_> {
        let bucket = &self.buckets[operation];
        let _first_in_line = bucket.line.lock().await;
        loop {
            let free = bucket.state().free(Instant::now());
            match free {
                Ok(()) => {}
                Err(Some(until)) => {
                    sleep_until(until).await;
                    continue;
                }
                Err(None) => {
                    bucket.ended.notified().await;
                    continue;
                }
            }
            // Counted only with the permit in hand: a call that had its token and then waited for
            // others would leave later than it was counted.
            let permit = self.under_way.acquire().await.expect("it is never closed");
            let now = Instant::now();
            let mut state = bucket.state();
            if state.free(now).is_ok() {
                state.take();
                drop(state);
                return Turn {
                    bucket,
                    _permit: permit,
                };
            }
        }
    }

    /// Lets no call of an operation leave before the wait is over.
    pub(crate) fn freeze(&self, operation: &'static str, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.buckets[operation].state();
        state.frozen = state.frozen.max(Some(until));
    }
}

/// The right of one call to be under way.
pub(crate) struct Turn<'p> {
    bucket: &'p Bucket,
    _permit: SemaphorePermit<'p>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.bucket.state().end(Instant::now());
        self.bucket.ended.notify_one();
    }
}

struct Bucket {
    /// Held by the call whose turn is next; the lock is fair.
    line: tokio::sync::Mutex<()>,
    /// Told when a call has ended.
    ended: Notify,
    state: Mutex<State>,
}

struct State {
    windows: Vec<Window>,
    frozen: Option<Instant>,
}

struct Window {
    tokens: usize,
    span: Duration,
    /// Tokens of calls that are under way: when they reach the vendor is not known.
    under_way: usize,
    /// When the calls of the other tokens ended.
    taken: VecDeque<Instant>,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let window = |tokens: Option<u32>, span: Duration| {
            tokens.map(|tokens| Window {
                tokens: tokens as usize,
                // The vendor's clock may be faster than ours.
                span: span + span / 50,
                under_way: 0,
                taken: VecDeque::new(),
            })
        };
        let windows = [
            window(rate.per_minute, Duration::from_secs(60)),
            window(rate.per_second, Duration::from_secs(1)),
        ];
        Self {
            line: tokio::sync::Mutex::new(()),
            ended: Notify::new(),
            state: Mutex::new(State {
                windows: windows.into_iter().flatten().collect(),
                frozen: None,
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a call may leave now, or else when to ask again; none for when another has ended.
    fn free(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        let mut until = self.frozen.filter(|frozen| *frozen > now);
        for window in &mut self.windows {
            while window
                .taken
                .front()
                .is_some_and(|t| *t + window.span <= now)
            {
                window.taken.pop_front();
            }
            if window.taken.len() + window.under_way >= window.tokens {
                match window.taken.front() {
                    Some(first) => until = until.max(Some(*first + window.span)),
                    None => return Err(None),
                }
            }
        }
        until.map_or(Ok(()), |until| Err(Some(until)))
    }

    fn take(&mut self) {
        for window in &mut self.windows {
            window.under_way += 1;
        }
    }

    fn end(&mut self, now: Instant) {
        for window in &mut self.windows {
            window.under_way -= 1;
            window.taken.push_back(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::limits::{CREATE_SUBSCRIPTION, IS_IN_CHAT, LIST_SUBSCRIPTIONS, ROWS};
    use super::*;

    /// Seconds from the start at which each of `calls` calls left.
    async fn departures(pace: &Pace, operation: &'static str, calls: usize) -> Vec<f64> {
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..calls {
            drop(pace.turn(operation).await);
            at.push(start.elapsed().as_secs_f64());
        }
        at
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_holds_a_hundred_and_tokens_come_back_a_window_later() {
        let pace = Pace::new(&ROWS, true, 16);
        let at = departures(&pace, LIST_SUBSCRIPTIONS, 201).await;
        assert!(at[99] < 0.01);
        assert!((61.0..62.0).contains(&at[100]), "{}", at[100]);
        assert!((122.0..123.0).contains(&at[200]), "{}", at[200]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_windows_either_holds_back() {
        let pace = Pace::new(&ROWS, true, 16);
        let at = departures(&pace, IS_IN_CHAT, 1001).await;
        for (span, tokens) in [(1.0, 50), (60.0, 1000)] {
            for pair in at.windows(tokens + 1) {
                assert!(pair[tokens] - pair[0] >= span, "{pair:?}");
            }
        }
        assert!(at[1000] < 62.0);
    }

    #[tokio::test(start_paused = true)]
    async fn operations_do_not_wait_for_each_other() {
        let pace = Arc::new(Pace::new(&ROWS, true, 16));
        departures(&pace, LIST_SUBSCRIPTIONS, 100).await;
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { drop(pace.turn(LIST_SUBSCRIPTIONS).await) }
        });
        tokio::task::yield_now().await;
        assert!(departures(&pace, CREATE_SUBSCRIPTION, 1).await[0] < 0.01);
        assert!(!waiting.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_freeze_holds_calls_that_wait_already_and_is_never_shortened() {
        let pace = Pace::new(&ROWS, false, 16);
        pace.freeze(CREATE_SUBSCRIPTION, Duration::from_secs(30));
        pace.freeze(CREATE_SUBSCRIPTION, Duration::from_secs(1));
        let start = Instant::now();
        let (_, ()) = tokio::join!(pace.turn(CREATE_SUBSCRIPTION), async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            pace.freeze(CREATE_SUBSCRIPTION, Duration::from_secs(30));
        });
        assert!(start.elapsed() >= Duration::from_secs(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_counts_when_it_leaves_not_when_it_queues() {
        let pace = Arc::new(Pace::new(&ROWS, true, 1));
        let held = pace.turn(IS_IN_CHAT).await;
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { departures(&pace, LIST_SUBSCRIPTIONS, 101).await }
        });
        tokio::time::sleep(Duration::from_secs(40)).await;
        drop(held);
        let at = waiting.await.unwrap();
        assert!(at[100] - at[0] >= 60.0, "{} {}", at[0], at[100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_counts_until_a_window_after_its_end() {
        let pace = Arc::new(Pace::new(&ROWS, true, 200));
        let mut slow = Vec::new();
        for _ in 0..100 {
            slow.push(pace.turn(LIST_SUBSCRIPTIONS).await);
        }
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { departures(&pace, LIST_SUBSCRIPTIONS, 1).await[0] }
        });
        // They may reach the vendor as late as they end, and the first that ends makes room for the next.
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(slow.pop());
        let left = waiting.await.unwrap();
        assert!((90.0..92.0).contains(&left), "{left}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_are_under_way_than_the_cap() {
        let pace = Pace::new(&ROWS, false, 2);
        let first = pace.turn(IS_IN_CHAT).await;
        let _second = pace.turn(LIST_SUBSCRIPTIONS).await;
        let soon = Duration::from_secs(1);
        let third = tokio::time::timeout(soon, pace.turn(IS_IN_CHAT)).await;
        assert!(third.is_err());
        drop(first);
        drop(pace.turn(IS_IN_CHAT).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_leaves_the_line() {
        let pace = Pace::new(&ROWS, true, 16);
        departures(&pace, LIST_SUBSCRIPTIONS, 100).await;
        let soon = Duration::from_secs(1);
        let given_up = tokio::time::timeout(soon, pace.turn(LIST_SUBSCRIPTIONS)).await;
        assert!(given_up.is_err());
        assert!(departures(&pace, LIST_SUBSCRIPTIONS, 1).await[0] < 61.0);
    }
}
