//! Fires what is due: admits occurrences, sends their deliveries, and says how each ended.
//!
//! # Guarantees
//!
//! - Every nominal instant of a registered notice, from its revision's apply on, ends in exactly one
//!   outcome.
//! - What is sent was written down before, byte for byte, and a delivery leaves once unless its channel
//!   lets the same bytes be repeated.
//! - A refused or unknown delivery stops no other.
//!
//! # Caveats
//!
//! - Between the claim of a delivery and its first byte the process may be paused for longer than the
//!   claim lasts; another runner then takes it for unknown, and both may send where the channel repeats.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::afterwards::RecallState;
use super::agenda::Roster;
use super::channel::Channel;
use super::ledger::LedgerError;
use super::outbox::{
    Admission, Admitted, Books, Delivery, DeliveryId, Key, NewDelivery, Occurrence, Outcome,
    Purpose, State,
};
use super::receipts::{Terms, WhyEnded};
use super::report::Report;
use super::right::Stop;
use super::{deliver, problems, recall, track};
use crate::model::{Address, Name};

/// More missed instants than this become one row with a range.
const ROWS: usize = 10;

/// How many are written down at once: what is asked of a ledger together may cost it little more than one.
const AT_ONCE: usize = 64;

/// The first wait until what could not be composed is tried again, and the longest. In between it is as
/// long as it is late already, so that the waits double and need not be remembered.
const WAITS: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(10), SignedDuration::from_mins(10));

/// What became of an occurrence, and why.
type End = (Outcome, String);

/// The channels by provider key.
pub type Channels = BTreeMap<Name, Arc<dyn Channel>>;

/// A nominal instant of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The instant that the rule names.
    pub nominal: Timestamp,
    /// When it fires, moved by a calendar or by a clock change.
    pub at: Timestamp,
    /// Why it is not sent, if it is not.
    pub skip: Option<String>,
}

/// Why there is nothing to send, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncomposed {
    /// It stays so: the occurrence is refused.
    Refused(String),
    /// It may pass: it is tried again until it is too late.
    Later(String),
}

impl From<String> for Uncomposed {
    fn from(why: String) -> Self {
        Uncomposed::Refused(why)
    }
}

impl From<&str> for Uncomposed {
    fn from(why: &str) -> Self {
        Uncomposed::Refused(why.to_owned())
    }
}

/// A registered notice, as far as firing it needs.
pub trait Notice: Send + Sync {
    /// Its address.
    fn address(&self) -> &Address;

    /// What distinguishes this revision from those before.
    fn revision(&self) -> &str;

    /// When this revision was applied: no instant before that is due.
    fn applied_at(&self) -> Timestamp;

    /// How much later than it fires it is still sent.
    fn late(&self) -> SignedDuration;

    /// How long after it fires it is taken back, if it is.
    fn revoke_after(&self) -> Option<SignedDuration> {
        None
    }

    /// How its occurrences are followed, if they are.
    fn track(&self) -> Option<Terms> {
        None
    }

    /// What is sent to those who get the report of an occurrence that was followed.
    ///
    /// # Errors
    ///
    /// When it cannot be composed, in words; nobody gets it then.
    fn report(&self, _report: &Report) -> Result<Vec<NewDelivery>, String> {
        Ok(Vec::new())
    }

    /// What is sent to those who hear that an occurrence went wrong.
    ///
    /// # Errors
    ///
    /// When it cannot be composed, in words; nobody is told then.
    fn problem(&self, _occurrence: &Occurrence) -> Result<Vec<NewDelivery>, String> {
        Ok(Vec::new())
    }

    /// What fires, or is left out, after `from` and up to `until`, by [`Firing::at`].
    fn firings(&self, from: Timestamp, until: Timestamp) -> Vec<Firing>;

    /// An instant before which nothing fires, or is left out, after another; none when nothing comes any
    /// more.
    fn nothing_before(&self, after: Timestamp) -> Option<Timestamp>;

    /// After when something is due: what was dealt with is not, nor is what came before the apply.
    fn due_after(&self, handled: Option<Timestamp>) -> Timestamp {
        // The instant of the apply itself is due: who applies on the hour means this hour.
        let applied = self.applied_at() - SignedDuration::from_nanos(1);
        handled.map_or(applied, |handled| handled.max(applied))
    }

    /// What is sent at a firing.
    ///
    /// # Errors
    ///
    /// When it cannot be composed: now, or at all.
    fn compose(&self, firing: &Firing) -> Result<Vec<NewDelivery>, Uncomposed>;

    /// Why nothing of it can be composed for the time being, if that is so.
    fn obstacle(&self) -> Option<String> {
        None
    }
}

/// Everything that firing needs.
pub struct Context<'a> {
    /// What remembers.
    pub outbox: &'a dyn Books,
    /// Who sends.
    pub channels: &'a Channels,
    /// The name of this process, which no other has.
    pub runner: &'a str,
    /// Whether somebody asked to stop.
    pub stop: &'a Stop,
    /// The clock: the real one, or that of a rehearsal.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    /// Who is told what happens, as it happens.
    pub tell: &'a (dyn Fn(RunEvent<'_>) + Sync),
}

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunEvent<'a> {
    /// An occurrence was written down.
    Admitted {
        /// Which.
        key: &'a Key,
        /// When it fires.
        at: Timestamp,
    },
    /// An attempt to send ended, or what it did will only be known from a person.
    Attempted {
        /// The provider's key.
        provider: &'a Name,
        /// Where the delivery is from now on.
        state: State,
    },
    /// Another runner had a delivery first, or took it over.
    Lost {
        /// The provider's key.
        provider: &'a Name,
    },
    /// An occurrence got its outcome.
    Ended {
        /// Which.
        key: &'a Key,
        /// How many instants it stands for.
        count: u64,
        /// What became of it.
        outcome: Outcome,
    },
}

/// An instant that is due and is tried again later, because nothing could be composed for it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which occurrence it will be.
    pub key: Key,
    /// Why.
    pub why: String,
    /// When it is tried again.
    pub again: Timestamp,
}

/// What is due of a notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Up to when it is dealt with by this, by [`Firing::at`].
    pub until: Timestamp,
    /// What becomes of each instant.
    pub admissions: Vec<Admission>,
    /// What cannot be admitted yet.
    pub waiting: Option<Waiting>,
}

/// What one round has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// Occurrences that got their outcome in this round.
    pub ended: Vec<(Key, Outcome, String)>,
    /// Occurrences that are still open.
    pub open: Vec<Key>,
    /// What is due and could not be composed yet.
    pub waiting: Vec<Waiting>,
    /// What was taken back, or could not be, in this round.
    pub recalls: Vec<(Key, DeliveryId, RecallState, String)>,
    /// Occurrences of whose problems nobody could be told, with why.
    pub unheard: Vec<(Key, String)>,
    /// When a quota that something waits for frees up, and which it is.
    pub waits: Option<(Timestamp, String)>,
    /// Occurrences that are followed no longer, with why.
    pub reports: Vec<(Key, WhyEnded)>,
    /// The occurrences of which something is tried again, and when.
    pub tries: BTreeMap<Key, Timestamp>,
    /// When something is next tried again, or a vendor is next asked what became of something.
    pub wakes: Option<Timestamp>,
}

impl Round {
    /// Something is to be looked at again then.
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.wakes = Some(self.wakes.map_or(at, |wakes| wakes.min(at)));
    }

    fn end(&mut self, context: &Context<'_>, key: Key, count: u64, end: End) {
        let (outcome, reason) = end;
        (context.tell)(RunEvent::Ended {
            key: &key,
            count,
            outcome,
        });
        self.ended.push((key, outcome, reason));
    }
}

/// Admits what is due, sends it, and gives every occurrence that is done its outcome.
///
/// # Errors
///
/// When the ledger cannot be read or written.
pub async fn round(context: &Context<'_>, roster: &mut Roster) -> Result<Round, LedgerError> {
    let mut done = Round::default();
    let now = (context.now)();
    let due = roster.due(now);
    let mut admitted = stream::iter(&due)
        .map(|(place, notice)| async { (*place, admit(context, notice.as_ref(), now).await) })
        .buffered(AT_ONCE);
    let mut failed = None;
    while let Some((place, admitted)) = admitted.next().await {
        match admitted {
            Ok(Some((ends, waiting))) => {
                roster.put_off(place, now, waiting.as_ref().map(|waiting| waiting.again));
                done.waiting.extend(waiting);
                for (key, count, end) in ends {
                    done.end(context, key, count, end);
                }
            }
            // Another runner was faster: it is worked out anew.
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    drop(admitted);
    if let Some(error) = failed {
        return Err(error);
    }
    track::follow(context, roster, &mut done).await?;
    go_on(context, &mut done).await?;
    for (key, ..) in &done.ended {
        roster.has_ended(&key.notice);
    }
    track::begin(context, roster).await?;
    if problems::tell(context, roster, &mut done).await? {
        deliver::send(context, &mut done).await?;
    }
    Ok(done)
}

/// What has its outcome with being taken up, and what waits.
type Taken = (Vec<(Key, u64, End)>, Option<Waiting>);

/// Writes down what is due of a notice; none when another runner was faster.
async fn admit(
    context: &Context<'_>,
    notice: &dyn Notice,
    now: Timestamp,
) -> Result<Option<Taken>, LedgerError> {
    let handled = context.outbox.handled_until(notice.address()).await?;
    let Due {
        until,
        admissions,
        waiting,
    } = due(notice, handled, now);
    if admissions.is_empty() {
        return Ok(Some((Vec::new(), waiting)));
    }
    let admitted = context
        .outbox
        .admit(notice.address(), until, &admissions)
        .await?;
    let Admitted::New(new) = admitted else {
        return Ok(None);
    };
    let mut ends = Vec::new();
    for (admission, _) in admissions.into_iter().zip(new).filter(|(_, new)| *new) {
        let key = Key {
            notice: notice.address().clone(),
            nominal: admission.nominal,
        };
        let at = admission.at;
        (context.tell)(RunEvent::Admitted { key: &key, at });
        if let Some(end) = admission.outcome {
            ends.push((key, admission.count, end));
        }
    }
    Ok(Some((ends, waiting)))
}

/// Sends and takes back what is open, and gives what is done its outcome: what a person's word begins. It
/// admits nothing.
///
/// # Errors
///
/// When the ledger cannot be read or written.
pub async fn carry_on(context: &Context<'_>) -> Result<Round, LedgerError> {
    let mut done = Round::default();
    go_on(context, &mut done).await?;
    Ok(done)
}

async fn go_on(context: &Context<'_>, done: &mut Round) -> Result<(), LedgerError> {
    recall::take_back(context, done).await?;
    deliver::send(context, done).await?;
    conclude(context, done).await
}

/// What is due, each with what becomes of it.
///
/// Where nothing can be composed yet for an instant, it and what fires with it or after it is left for a later
/// round.
#[must_use]
pub fn due(notice: &dyn Notice, handled: Option<Timestamp>, now: Timestamp) -> Due {
    let from = notice.due_after(handled);
    let mut firings = notice.firings(from, now);
    let mut until = from;
    let mut admissions: Vec<Admission> = Vec::new();
    let mut missed: Vec<&Firing> = Vec::new();
    let latest = firings.iter().rev().find(|firing| firing.skip.is_none());
    let latest = latest.cloned();
    let in_time = latest
        .as_ref()
        .filter(|latest| now.duration_since(latest.at) <= notice.late());
    let mut composed = in_time.map(|latest| notice.compose(latest));
    let mut waiting = None;
    if let (Some(latest), Some(Err(Uncomposed::Later(why)))) = (&latest, &composed) {
        firings.retain(|firing| firing.at < latest.at);
        waiting = Some(Waiting {
            key: Key {
                notice: notice.address().clone(),
                nominal: latest.nominal,
            },
            why: why.clone(),
            again: again(latest.at, notice.late(), now),
        });
    }
    let admission = |firing: &Firing| Admission {
        nominal: firing.nominal,
        last: firing.nominal,
        count: 1,
        at: firing.at,
        revision: notice.revision().to_owned(),
        admitted_at: now,
        outcome: None,
        send_until: now.checked_add(notice.late()).ok(),
        revoke_at: notice
            .revoke_after()
            .and_then(|after| firing.at.checked_add(after).ok()),
        sent_by: None,
        deliveries: Vec::new(),
    };
    for firing in &firings {
        until = until.max(firing.at);
        if let Some(reason) = &firing.skip {
            admissions.push(Admission {
                outcome: Some((Outcome::Skipped, reason.clone())),
                ..admission(firing)
            });
        } else if latest.as_ref() == Some(firing)
            && let Some(composed) = composed.take()
        {
            let (outcome, deliveries) = match composed {
                Ok(deliveries) if deliveries.is_empty() => {
                    let nobody = "it reaches nobody".to_owned();
                    (Some((Outcome::Skipped, nobody)), Vec::new())
                }
                Ok(deliveries) => (None, deliveries),
                Err(Uncomposed::Refused(why) | Uncomposed::Later(why)) => {
                    (Some((Outcome::Refused, why)), Vec::new())
                }
            };
            admissions.push(Admission {
                outcome,
                deliveries,
                ..admission(firing)
            });
        } else {
            missed.push(firing);
        }
    }
    let late = |firing: &Firing| match (latest.as_ref() == Some(firing), notice.obstacle()) {
        (true, Some(why)) => format!("too late; {why}"),
        (true, None) => "too late".to_owned(),
        (false, _) => "superseded".to_owned(),
    };
    if let (true, Some(first), Some(last)) = (missed.len() > ROWS, missed.first(), missed.last()) {
        admissions.push(Admission {
            last: last.nominal,
            count: missed.len() as u64,
            outcome: Some((Outcome::Missed, "nobody was there".to_owned())),
            ..admission(first)
        });
    } else {
        admissions.extend(missed.into_iter().map(|firing| Admission {
            outcome: Some((Outcome::Missed, late(firing))),
            ..admission(firing)
        }));
    }
    admissions.sort_by_key(|admission| admission.nominal);
    Due {
        until,
        admissions,
        waiting,
    }
}

/// When what fired at an instant and could not be composed is tried again: a last time when it is just about
/// too late.
fn again(at: Timestamp, late: SignedDuration, now: Timestamp) -> Timestamp {
    let (first, longest) = WAITS;
    let wait = now.duration_since(at).clamp(first, longest);
    let next = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    match at.saturating_add(late) {
        Ok(last) if now < last => next.min(last),
        _ => next,
    }
}

/// Gives each occurrence whose deliveries have all ended its outcome.
async fn conclude(context: &Context<'_>, done: &mut Round) -> Result<(), LedgerError> {
    let one = |key: Key| async move {
        let deliveries = context.outbox.deliveries(&key).await?;
        let end = outcome(&deliveries);
        if let Some((outcome, reason)) = &end {
            let now = (context.now)();
            context.outbox.conclude(&key, *outcome, reason, now).await?;
        }
        Ok::<_, LedgerError>((key, end))
    };
    let undecided = context.outbox.undecided().await?;
    let mut concluded = stream::iter(undecided).map(one).buffered(AT_ONCE);
    let mut failed = None;
    while let Some(concluded) = concluded.next().await {
        match concluded {
            Ok((key, Some(end))) => done.end(context, key, 1, end),
            Ok((key, None)) => done.open.push(key),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// What several deliveries come to; none while one of them is open.
#[must_use]
pub fn outcome(deliveries: &[Delivery]) -> Option<(Outcome, String)> {
    let deliveries: Vec<&Delivery> = deliveries
        .iter()
        .filter(|delivery| delivery.purpose == Purpose::Notice)
        .collect();
    let count = |state: State| deliveries.iter().filter(|d| d.state == state).count();
    let open = [State::Pending, State::Sending, State::Unknown];
    if open.into_iter().any(|state| count(state) > 0) {
        return None;
    }
    let why = |state: State| {
        let first = deliveries.iter().find(|d| d.state == state);
        first.map(|d| d.detail.clone()).unwrap_or_default()
    };
    let (sent, refused) = (count(State::Sent), count(State::Refused));
    let invalid: usize = deliveries.iter().map(|d| d.invalid.len()).sum();
    Some(if count(State::Held) > 0 {
        (Outcome::Held, why(State::Held))
    } else if sent == 0 && refused > 0 {
        (Outcome::Refused, why(State::Refused))
    } else if sent == 0 && why(State::Cancelled) == deliver::TOO_LATE {
        (Outcome::Missed, deliver::TOO_LATE.to_owned())
    } else if sent == 0 {
        (Outcome::Skipped, why(State::Cancelled))
    } else if refused > 0 {
        (Outcome::Partial, why(State::Refused))
    } else if count(State::Cancelled) > 0 {
        (Outcome::Partial, why(State::Cancelled))
    } else if invalid > 0 {
        (
            Outcome::Partial,
            format!("{invalid} recipients were not taken"),
        )
    } else {
        (Outcome::Sent, String::new())
    })
}
