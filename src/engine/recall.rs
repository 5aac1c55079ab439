//! Takes back what was sent: on a person's word, or because its notice says for how long it stands.
//!
//! # Guarantees
//!
//! - A recall is written down before its call leaves, and ended after its answer.
//! - What is unknown is asked for again only where the vendor takes a second recall for the first, after waits
//!   that grow ([`super::tries`]), and for a day.
//! - What cannot be taken back says why, and stops nothing else.
//!
//! # Caveats
//!
//! - A message of which the vendor's id is not known cannot be taken back, whether it arrived or not.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::ApiError;
use super::afterwards::{Recall, RecallState};
use super::channel::Job;
use super::deliver::{CONCURRENCY, channel, claim};
use super::ledger::LedgerError;
use super::outbox::{OutboxError, State};
use super::runner::{Context, Round};
use super::tries;

/// What became of a recall in this round.
enum Went {
    /// It ended, or an attempt at it did.
    To(RecallState, String),
    /// It is tried again then.
    Waits(Timestamp),
    /// Nothing: something else comes first, or somebody else has it.
    Nowhere,
}

/// Takes back what is due.
pub(super) async fn take_back(context: &Context<'_>, done: &mut Round) -> Result<(), LedgerError> {
    let open = context.outbox.recalls((context.now)()).await?;
    let mut all = stream::iter(open)
        .map(|recall| async move {
            let (key, id) = (recall.delivery.key.clone(), recall.delivery.id);
            (key, id, one(context, recall).await)
        })
        .buffer_unordered(CONCURRENCY);
    let mut failed = None;
    while let Some((key, id, went)) = all.next().await {
        match went {
            Ok(Went::To(state, detail)) => done.recalls.push((key, id, state, detail)),
            Ok(Went::Waits(at)) => done.wake(at),
            Ok(Went::Nowhere) => {}
            Err(error) => failed = Some(error),
        }
    }
    done.recalls.sort_by_key(|(key, id, ..)| (key.clone(), *id));
    failed.map_or(Ok(()), Err)
}

async fn one(context: &Context<'_>, recall: Recall) -> Result<Went, LedgerError> {
    if context.stop.is_asked() {
        return Ok(Went::Nowhere);
    }
    let now = (context.now)();
    let delivery = &recall.delivery;
    let message = match (delivery.state, &delivery.message) {
        (State::Sent, Some(message)) => message,
        // Its send goes on, or has yet to be found out.
        (State::Pending | State::Sending | State::Unknown, _) => return Ok(Went::Nowhere),
        (State::Refused | State::Cancelled, _) => {
            return drop(context, &recall, now, "it was never sent").await;
        }
        (State::Sent | State::Held, _) => {
            let why = "the vendor's id of the message is not known";
            return drop(context, &recall, now, why).await;
        }
    };
    let Some(channel) = channel(context, delivery) else {
        return Ok(Went::Nowhere);
    };
    let parcel = &delivery.what.parcel;
    let rules = match channel.recalls(parcel) {
        Ok(rules) => rules,
        Err(why) => return drop(context, &recall, now, &why).await,
    };
    let next = tries::next_recall(&recall, now);
    let why_not_again = match (recall.state, rules.repeats) {
        (RecallState::Unknown, false) => Some("what a second recall does is not documented"),
        _ => next
            .is_none()
            .then_some("it has been asked for again for a day"),
    };
    if let Some(why) = why_not_again {
        let detail = format!("{}; {why}", recall.detail);
        return end_without_call(context, &recall, now, RecallState::Held, &detail).await;
    }
    let sent = delivery.first_at.unwrap_or(delivery.key.nominal);
    if let Some(within) = rules.within
        && now.duration_since(sent) > within
    {
        let why = format!("too late: the vendor takes it back within {within:#}");
        if recall.state == RecallState::Unknown {
            let detail = format!("{}; {why}", recall.detail);
            return end_without_call(context, &recall, now, RecallState::Held, &detail).await;
        }
        return drop(context, &recall, now, &why).await;
    }
    if let Some(at) = next
        && at > now
    {
        return Ok(Went::Waits(at));
    }
    let quota = channel.quota(parcel, Job::Recall, now);
    if let Some((what, until)) = context.outbox.take(&quota, now).await? {
        tracing::warn!(
            "{} is not taken back yet: {what} are used up until {until}",
            delivery.key
        );
        return Ok(Went::Nowhere);
    }
    let right = claim(context, channel, now);
    if !context
        .outbox
        .claim_recall(delivery.id, &right, now)
        .await?
    {
        return Ok(Went::Nowhere);
    }
    let (state, detail) = match channel.recall(parcel, message).await {
        Ok(()) => (RecallState::Recalled, "ok".to_owned()),
        Err(error) => {
            let state = match (&error, recall.state) {
                (ApiError::Unknown(_), _) => RecallState::Unknown,
                // Nothing left now; what was asked before may have been done.
                (ApiError::Unreachable(_), state) => state,
                (ApiError::Refused(_), _) => RecallState::Refused,
            };
            (state, error.with_hint())
        }
    };
    let at = (context.now)();
    let ended = context
        .outbox
        .end_recall(delivery.id, context.runner, at, state, &detail);
    match ended.await {
        Ok(()) => Ok(Went::To(state, detail)),
        Err(OutboxError::Lost) => Ok(Went::Nowhere),
        Err(OutboxError::Ledger(error)) => Err(error),
    }
}

async fn drop(
    context: &Context<'_>,
    recall: &Recall,
    now: Timestamp,
    why: &str,
) -> Result<Went, LedgerError> {
    end_without_call(context, recall, now, RecallState::Impossible, why).await
}

async fn end_without_call(
    context: &Context<'_>,
    recall: &Recall,
    now: Timestamp,
    state: RecallState,
    why: &str,
) -> Result<Went, LedgerError> {
    let id = recall.delivery.id;
    let ended = context.outbox.drop_recall(id, now, state, why).await?;
    Ok(match ended {
        true => Went::To(state, why.to_owned()),
        false => Went::Nowhere,
    })
}
