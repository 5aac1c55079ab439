//! Takes back what was sent: on a person's word, or because its notice says for how long it stands.
//!
//! # Guarantees
//!
//! - A recall is written down before its call leaves, and ended after its answer.
//! - What is unknown is asked for again only where the vendor takes a second recall for the first.
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

/// How a recall ended in this round.
type End = (RecallState, String);

/// Takes back what is due.
pub(super) async fn take_back(context: &Context<'_>, done: &mut Round) -> Result<(), LedgerError> {
    let open = context.outbox.recalls((context.now)()).await?;
    let mut ends = stream::iter(open)
        .map(|recall| async move {
            let (key, id) = (recall.delivery.key.clone(), recall.delivery.id);
            (key, id, one(context, recall).await)
        })
        .buffer_unordered(CONCURRENCY);
    let mut failed = None;
    while let Some((key, id, end)) = ends.next().await {
        match end {
            Ok(Some((state, detail))) => done.recalls.push((key, id, state, detail)),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    done.recalls.sort_by_key(|(key, id, ..)| (key.clone(), *id));
    failed.map_or(Ok(()), Err)
}

async fn one(context: &Context<'_>, recall: Recall) -> Result<Option<End>, LedgerError> {
    if context.stop.is_asked() {
        return Ok(None);
    }
    let now = (context.now)();
    let delivery = &recall.delivery;
    let message = match (delivery.state, &delivery.message) {
        (State::Sent, Some(message)) => message,
        // Its send goes on, or has yet to be found out.
        (State::Pending | State::Sending | State::Unknown, _) => return Ok(None),
        (State::Refused | State::Cancelled, _) => {
            return drop(context, &recall, now, "it was never sent").await;
        }
        (State::Sent | State::Held, _) => {
            let why = "the vendor's id of the message is not known";
            return drop(context, &recall, now, why).await;
        }
    };
    let Some(channel) = channel(context, delivery) else {
        return Ok(None);
    };
    let parcel = &delivery.what.parcel;
    let rules = match channel.recalls(parcel) {
        Ok(rules) => rules,
        Err(why) => return drop(context, &recall, now, &why).await,
    };
    if recall.state == RecallState::Unknown && !rules.repeats {
        let detail = format!(
            "{}; what a second recall does is not documented",
            recall.detail
        );
        return end_without_call(context, &recall, now, RecallState::Held, &detail).await;
    }
    let sent = delivery.first_at.unwrap_or(delivery.key.nominal);
    if let Some(within) = rules.within
        && now.duration_since(sent) > within
    {
        let why = format!("too late: the vendor takes it back within {within:#}");
        return drop(context, &recall, now, &why).await;
    }
    let quota = channel.quota(parcel, Job::Recall, now);
    if let Some((what, until)) = context.outbox.take(&quota, now).await? {
        tracing::warn!(
            "{} is not taken back yet: {what} are used up until {until}",
            delivery.key
        );
        return Ok(None);
    }
    let right = claim(context, channel, now);
    if !context
        .outbox
        .claim_recall(delivery.id, &right, now)
        .await?
    {
        return Ok(None);
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
        Ok(()) => Ok(Some((state, detail))),
        Err(OutboxError::Lost) => Ok(None),
        Err(OutboxError::Ledger(error)) => Err(error),
    }
}

async fn drop(
    context: &Context<'_>,
    recall: &Recall,
    now: Timestamp,
    why: &str,
) -> Result<Option<End>, LedgerError> {
    end_without_call(context, recall, now, RecallState::Impossible, why).await
}

async fn end_without_call(
    context: &Context<'_>,
    recall: &Recall,
    now: Timestamp,
    state: RecallState,
    why: &str,
) -> Result<Option<End>, LedgerError> {
    let id = recall.delivery.id;
    let ended = context.outbox.drop_recall(id, now, state, why).await?;
    Ok(ended.then(|| (state, why.to_owned())))
}
