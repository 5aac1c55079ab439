//! The instants of a schedule before any calendar has moved them, in order.

use std::collections::VecDeque;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::clock::{self, Clock, Gap, Instants, Policy, Repeat};
use super::rule::Rule;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nominal {
    pub(super) at: Timestamp,
    /// What the clock shows then.
    pub(super) local: DateTime,
    /// What it was meant to show; this is what moves to other days.
    pub(super) meant: DateTime,
    pub(super) clock: Clock,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Nominal(Nominal),
    /// A local time that does not exist and is skipped; the instant is when it would have been.
    Gone(DateTime, Timestamp),
}

impl Step {
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Step::Nominal(nominal) => nominal.at,
            Step::Gone(_, at) => *at,
        }
    }
}

/// Where the instants come from.
pub(super) enum Nominals<'a> {
    Local(Local<'a>),
    Elapsed {
        start: Timestamp,
        step: SignedDuration,
        /// How many steps have been taken.
        taken: i64,
        zone: &'a TimeZone,
    },
    Listed {
        all: &'a [Nominal],
        at: usize,
    },
}

impl<'a> Nominals<'a> {
    pub(super) fn elapsed(
        start: Timestamp,
        step: SignedDuration,
        zone: &'a TimeZone,
        from: Timestamp,
    ) -> Self {
        Nominals::Elapsed {
            start,
            step,
            taken: steps_until(start, step, from),
            zone,
        }
    }

    pub(super) fn listed(all: &'a [Nominal], from: Timestamp) -> Self {
        let at = all.partition_point(|nominal| nominal.at < from);
        Nominals::Listed { all, at }
    }

    /// The next one. `None` where there is none whose local time is before the limit, which bounds the
    /// search; what is found on the way may be after it.
    pub(super) fn next(&mut self, limit: DateTime) -> Option<Step> {
        match self {
            Nominals::Local(local) => local.next(limit),
            Nominals::Elapsed {
                start,
                step,
                taken,
                zone,
            } => {
                let at = after_steps(*start, *step, *taken)?;
                let local = zone.to_datetime(at);
                if local >= limit {
                    return None;
                }
                *taken += 1;
                Some(Step::Nominal(Nominal {
                    at,
                    local,
                    meant: local,
                    clock: Clock::Plain,
                }))
            }
            Nominals::Listed { all, at } => {
                let nominal = all.get(*at).filter(|nominal| nominal.local < limit)?;
                *at += 1;
                Some(Step::Nominal(*nominal))
            }
        }
    }

    /// Leaves out what is before a local time. A few before it may still come.
    pub(super) fn jump(&mut self, to: DateTime) {
        match self {
            Nominals::Local(local) => local.jump(to),
            Nominals::Elapsed {
                start,
                step,
                taken,
                zone,
            } => {
                let first = match clock::instants(zone, to) {
                    Instants::One(at) | Instants::Two(at, _) => at,
                    Instants::None(at) => at.saturating_sub(clock::MOST).unwrap_or(at),
                };
                *taken = (*taken).max(steps_until(*start, *step, first));
            }
            Nominals::Listed { all, at } => {
                while all.get(*at).is_some_and(|nominal| nominal.local < to) {
                    *at += 1;
                }
            }
        }
    }

    /// Whether nothing comes any more, however far the limit.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Nominals::Local(local) => {
                local.rest.is_none() && local.queue.is_empty() && local.held.is_empty()
            }
            Nominals::Elapsed {
                start, step, taken, ..
            } => after_steps(*start, *step, *taken).is_none(),
            Nominals::Listed { all, at } => *at >= all.len(),
        }
    }
}

fn steps_until(start: Timestamp, step: SignedDuration, from: Timestamp) -> i64 {
    let since = start.duration_until(from).as_nanos();
    let step = step.as_nanos();
    let steps = (since + step - 1).div_euclid(step);
    i64::try_from(steps.max(0)).expect("steps are minutes at least")
}

fn after_steps(start: Timestamp, step: SignedDuration, taken: i64) -> Option<Timestamp> {
    let seconds = step.as_secs().checked_mul(taken)?;
    start.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// Those of a rule in local time.
///
/// Local times come in order; their instants need not, where clocks are put forward or back. An instant
/// that later local times could still precede is held back until they are known.
pub(super) struct Local<'a> {
    rule: &'a Rule,
    zone: &'a TimeZone,
    policy: Policy,
    queue: VecDeque<DateTime>,
    /// Where what is in the queue goes on.
    rest: Option<DateTime>,
    held: Vec<Held>,
}

struct Held {
    nominal: Nominal,
    /// Local times up to this one have to be known first.
    hold: DateTime,
}

impl<'a> Local<'a> {
    /// Those from an instant on; a few before it may come first.
    pub(super) fn new(rule: &'a Rule, zone: &'a TimeZone, policy: Policy, from: Timestamp) -> Self {
        let first = if clock::is_calm(zone, from) {
            from
        } else {
            from.checked_sub(clock::MOST).unwrap_or(from)
        };
        Self {
            rule,
            zone,
            policy,
            queue: VecDeque::new(),
            rest: Some(floor(zone.to_datetime(first))),
            held: Vec::new(),
        }
    }

    fn next(&mut self, limit: DateTime) -> Option<Step> {
        loop {
            let hold = self.held.first().map(|held| held.hold);
            // What is held is decided by what is near, so that the search does not go far for it.
            let far = hold.map_or(limit, |hold| {
                hold.saturating_add(SignedDuration::from_mins(1))
            });
            let next = self.peek(far);
            match (hold, next) {
                (Some(hold), Some(next)) if next > hold => return Some(self.release()),
                (Some(_), None) => return Some(self.release()),
                (None, None) => return None,
                (None, Some(next)) if next >= limit => return None,
                (_, Some(next)) => {
                    self.queue.pop_front();
                    if let Some(step) = self.take(next) {
                        return Some(step);
                    }
                }
            }
        }
    }

    /// The next local time. Where none is before a limit there may be none.
    fn peek(&mut self, limit: DateTime) -> Option<DateTime> {
        while self.queue.is_empty() {
            let rest = self.rest.filter(|rest| *rest < limit)?;
            self.rest = self.rule.stretch(rest, limit, &mut self.queue);
        }
        self.queue.front().copied()
    }

    fn jump(&mut self, to: DateTime) {
        while self.queue.front().is_some_and(|local| *local < to) {
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            self.rest = self.rest.map(|rest| rest.max(to));
        }
    }

    fn take(&mut self, local: DateTime) -> Option<Step> {
        let nominal = |at, clock| Nominal {
            at,
            local,
            meant: local,
            clock,
        };
        match clock::instants(self.zone, local) {
            Instants::One(at) if self.held.is_empty() => {
                return Some(Step::Nominal(nominal(at, Clock::Plain)));
            }
            Instants::One(at) => self.hold(nominal(at, Clock::Plain), local),
            Instants::None(at) if self.policy.gap == Gap::Skip => {
                return Some(Step::Gone(local, at));
            }
            Instants::None(at) => {
                let shown = self.zone.to_datetime(at);
                let shifted = Nominal {
                    local: shown,
                    ..nominal(at, Clock::Shifted { meant: local })
                };
                self.hold(shifted, shown);
            }
            Instants::Two(first, last) => {
                if self.policy.repeat != Repeat::Last {
                    self.hold(nominal(first, Clock::First), local);
                }
                if self.policy.repeat != Repeat::First {
                    let hold = match self.policy.repeat {
                        Repeat::Both => local.saturating_add(first.duration_until(last)),
                        Repeat::First | Repeat::Last => local,
                    };
                    self.hold(nominal(last, Clock::Second), hold);
                }
            }
        }
        None
    }

    /// Keeps an instant back. Of two at once, one that the clock did nothing to stands for both.
    fn hold(&mut self, nominal: Nominal, hold: DateTime) {
        match self
            .held
            .binary_search_by_key(&nominal.at, |held| held.nominal.at)
        {
            Ok(at) => {
                if nominal.clock == Clock::Plain {
                    self.held[at].nominal = nominal;
                }
            }
            Err(at) => self.held.insert(at, Held { nominal, hold }),
        }
    }

    fn release(&mut self) -> Step {
        Step::Nominal(self.held.remove(0).nominal)
    }
}

/// The first whole minute at or after a local time.
fn floor(local: DateTime) -> DateTime {
    let time = Time::constant(local.hour(), local.minute(), 0, 0);
    let minute = local.date().to_datetime(time);
    if minute < local {
        minute.saturating_add(SignedDuration::from_mins(1))
    } else {
        minute
    }
}
