//! Sends deliveries, one claim and one call each.
//!
//! # Guarantees
//!
//! - What is pending leaves until its time is over; then it is cancelled, and says so.
//! - What is unknown is sent again where its channel, or the notice, lets it be, with the same bytes, and
//!   after waits that grow ([`super::tries`]); otherwise, and when its time is over, it is held.
//! - What a vendor's quota has no room for waits, or is refused where it would wait for longer than it may.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::ApiError;
use super::channel::{Channel, Job};
use super::ledger::LedgerError;
use super::outbox::{Claim, Delivery, Ending, Key, OutboxError, State};
use super::quota::Claimed;
use super::runner::{Context, Round, RunEvent};
use super::tries;

/// How many calls are under way at once.
pub(super) const CONCURRENCY: usize = 16;

/// How much longer than its call a claim lasts.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// Why something that never left is not sent any more.
pub(super) const TOO_LATE: &str = "it did not leave in time";

/// Why a delivery waits.
enum Wait {
    /// When a quota has room again, and which it is.
    Quota(Timestamp, String),
    /// When it is tried again, and of which occurrence it is.
    Try(Key, Timestamp),
}

/// Sends what is pending, and what is unknown and may be repeated; holds the rest.
pub(super) async fn send(context: &Context<'_>, done: &mut Round) -> Result<(), LedgerError> {
    let open = context.outbox.open((context.now)()).await?;
    let mut results = stream::iter(open)
        .map(|delivery| one(context, delivery))
        .buffer_unordered(CONCURRENCY);
    let mut failed = None;
    while let Some(result) = results.next().await {
        match result {
            Ok(Some(Wait::Quota(until, what))) => {
                let wait = (until, what);
                let first = done.waits.take().filter(|first| *first < wait);
                done.waits = Some(first.unwrap_or(wait));
            }
            Ok(Some(Wait::Try(key, at))) => {
                done.wake(at);
                let first = done.tries.entry(key).or_insert(at);
                *first = at.min(*first);
            }
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The channel that a delivery goes by, where this process has it as the same app.
pub(super) fn channel<'a>(context: &Context<'a>, delivery: &Delivery) -> Option<&'a dyn Channel> {
    let provider = &delivery.what.provider;
    let Some(channel) = context.channels.get(provider) else {
        tracing::warn!("no provider `{provider}` here: its deliveries wait");
        return None;
    };
    if *channel.app() != delivery.what.app {
        tracing::warn!("provider `{provider}` is another app here: its deliveries wait");
        return None;
    }
    Some(channel.as_ref())
}

/// The right to one call of a channel.
pub(super) fn claim(context: &Context<'_>, channel: &dyn Channel, now: Timestamp) -> Claim {
    let timeout = i64::try_from(channel.timeout_ms()).unwrap_or(i64::MAX);
    let lasts = SignedDuration::from_millis(timeout).saturating_add(MARGIN);
    Claim {
        runner: context.runner.to_owned(),
        expires: now.saturating_add(lasts).unwrap_or(Timestamp::MAX),
    }
}

async fn one(context: &Context<'_>, delivery: Delivery) -> Result<Option<Wait>, LedgerError> {
    if context.stop.is_asked() {
        return Ok(None);
    }
    let outbox = context.outbox;
    let now = (context.now)();
    match (tries::next(&delivery, now), delivery.state) {
        (Some(at), _) if at > now => return Ok(Some(Wait::Try(delivery.key, at))),
        (Some(_), _) => {}
        (None, State::Pending) => {
            let cancelled = State::Cancelled;
            outbox.give_up(delivery.id, cancelled, TOO_LATE).await?;
            return Ok(None);
        }
        (None, _) => {
            let reason = match delivery.detail.as_str() {
                "" => "it may have been sent",
                detail => detail,
            };
            if outbox.hold(delivery.id, reason).await? {
                let (provider, state) = (&delivery.what.provider, State::Held);
                (context.tell)(RunEvent::Attempted { provider, state });
            }
            return Ok(None);
        }
    }
    let Some(channel) = channel(context, &delivery) else {
        return Ok(None);
    };
    let provider = &delivery.what.provider;
    let claim = claim(context, channel, now);
    let quota = channel.quota(&delivery.what.parcel, Job::Send, now);
    let dropped = match outbox.claim(&delivery, &claim, &quota, now).await? {
        Claimed::Taken(dropped) => dropped,
        Claimed::Gone => {
            (context.tell)(RunEvent::Lost { provider });
            return Ok(None);
        }
        Claimed::Dropped => {
            let state = State::Refused;
            (context.tell)(RunEvent::Attempted { provider, state });
            return Ok(None);
        }
        Claimed::Full(what, until) => {
            let never = delivery.send_until.is_some_and(|last| until > last);
            if never && delivery.state == State::Pending {
                let why = format!("{what} are used up until {until}");
                outbox.give_up(delivery.id, State::Refused, &why).await?;
                return Ok(None);
            }
            return Ok(Some(Wait::Quota(until, what)));
        }
    };
    let invalid = [delivery.invalid.clone(), dropped].concat();
    let ending = match channel.send(&delivery.what.parcel).await {
        Ok(sent) => Ending {
            state: State::Sent,
            message: sent.message,
            detail: "ok".to_owned(),
            invalid: [invalid, sent.invalid].concat(),
        },
        Err(error) => Ending {
            // Nothing left now; what was sent before may still have arrived.
            state: match (&error, delivery.state) {
                (ApiError::Refused(_), State::Unknown) | (ApiError::Unknown(_), _) => {
                    State::Unknown
                }
                (ApiError::Refused(_), _) => State::Refused,
                (ApiError::Unreachable(_), State::Unknown) => State::Unknown,
                (ApiError::Unreachable(_), _) => State::Pending,
            },
            message: None,
            detail: error.to_string(),
            // Of what may not have arrived it is not yet known whom it missed.
            invalid: match error {
                ApiError::Unknown(_) => invalid,
                ApiError::Refused(_) | ApiError::Unreachable(_) => delivery.invalid.clone(),
            },
        },
    };
    let at = (context.now)();
    let ended = outbox.end(delivery.id, context.runner, at, &ending);
    match ended.await {
        Ok(()) => {
            let state = ending.state;
            (context.tell)(RunEvent::Attempted { provider, state });
            let tried = Delivery {
                state,
                attempts: delivery.attempts + 1,
                first_at: delivery.first_at.or(Some(now)),
                tried_at: Some(at),
                ..delivery.clone()
            };
            let next = tries::next(&tried, at);
            Ok(next.map(|next| Wait::Try(tried.key, next)))
        }
        // Whoever has it now says what became of it.
        Err(OutboxError::Lost) => {
            (context.tell)(RunEvent::Lost { provider });
            Ok(None)
        }
        Err(OutboxError::Ledger(error)) => Err(error),
    }
}
