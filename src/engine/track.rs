//! Follows what was sent: asks vendors what became of it, by each channel's rhythm, and has a report sent at
//! the end.
//!
//! # Guarantees
//!
//! - A vendor is asked once each time that its rhythm says, however many runners there are, and whether or
//!   not the answer came: asking is counted before the call leaves.
//! - The report of an occurrence is written down once, and then sent as every delivery is.
//! - A vendor that does not answer, or a quota that is used up, is told in the report as what is not known.
//!
//! # Caveats
//!
//! - What a runner that died had asked and not written down is not asked again before its next time.
//! - A notice that is gone or off when its following ends has nobody who could be sent the report; it is in
//!   the ledger all the same.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::agenda::Roster;
use super::channel::Job;
use super::deliver;
use super::ledger::LedgerError;
use super::outbox::{Delivery, DeliveryId, Purpose, State};
use super::polls;
use super::receipts::{Asked, FollowEnd, Following, People, Reading, WhyEnded};
use super::report::{Report, report};
use super::runner::{Context, Notice, Round};

/// How many vendors' answers are waited for at once.
const CONCURRENCY: usize = 8;

/// Begins to follow what was sent, asks what is to be asked, and ends what is over.
pub(super) async fn follow(
    context: &Context<'_>,
    roster: &mut Roster,
    done: &mut Round,
) -> Result<(), LedgerError> {
    begin(context, roster).await?;
    for following in context.outbox.followed().await? {
        if context.stop.is_asked() {
            return Ok(());
        }
        let notice = roster.get(&following.key.notice);
        one(context, notice, following, done).await?;
    }
    Ok(())
}

/// Begins to follow what has ended. It is done in the round in which it ended: the next may come when all is
/// over.
pub(super) async fn begin(context: &Context<'_>, roster: &mut Roster) -> Result<(), LedgerError> {
    let now = (context.now)();
    for notice in roster.may_have_ended(now) {
        if let Some(terms) = notice.track() {
            context.outbox.follow(notice.address(), &terms, now).await?;
        }
    }
    Ok(())
}

async fn one(
    context: &Context<'_>,
    notice: Option<&dyn Notice>,
    following: Following,
    done: &mut Round,
) -> Result<(), LedgerError> {
    let now = (context.now)();
    let key = &following.key;
    let deliveries = context.outbox.deliveries(key).await?;
    let asked = context.outbox.asked(key).await?;
    let readings = context.outbox.readings(key).await?;
    let mut due = Vec::new();
    let mut open = false;
    for delivery in &deliveries {
        let asked = asked.get(&delivery.id).copied();
        match next(context, &following, delivery, asked, &readings) {
            Some(at) if at <= now => due.push((delivery, asked)),
            Some(at) => {
                open = true;
                done.wake(at);
            }
            None => {}
        }
    }
    if !due.is_empty() {
        let asking = due
            .into_iter()
            .map(|(delivery, asked)| ask(context, delivery, asked));
        let mut answers = stream::iter(asking).buffer_unordered(CONCURRENCY);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        let readings = context.outbox.readings(key).await?;
        let asked = context.outbox.asked(key).await?;
        let later = deliveries.iter().filter_map(|delivery| {
            let asked = asked.get(&delivery.id).copied();
            next(context, &following, delivery, asked, &readings)
        });
        let later = later.min();
        later.inspect(|at| done.wake(*at));
        open = later.is_some();
        let told = report(&following, &deliveries, &readings);
        return settle(context, notice, told, open, done).await;
    }
    let told = report(&following, &deliveries, &readings);
    settle(context, notice, told, open, done).await
}

/// When a delivery is asked about next; none when nothing more can be learnt of it.
fn next(
    context: &Context<'_>,
    following: &Following,
    delivery: &Delivery,
    asked: Option<Asked>,
    readings: &[(DeliveryId, Reading)],
) -> Option<Timestamp> {
    if delivery.purpose != Purpose::Notice || delivery.state != State::Sent {
        return None;
    }
    let sent = delivery.first_at?;
    delivery.message.as_ref()?;
    let told = readings.iter().rev().find(|(id, _)| *id == delivery.id);
    let is_over = told.is_some_and(|(_, told)| {
        let all = told.read.is_some() && told.valid.is_some() && told.read == told.valid;
        told.is_recalled
            || (told.is_done && (all || (told.untold.is_some() && told.read.is_none())))
    });
    if is_over {
        return None;
    }
    // Another runner may have the provider that this one lacks.
    let Some(channel) = deliver::channel(context, delivery) else {
        return Some(following.ends_at);
    };
    let rhythm = channel.rhythm(&delivery.what.parcel);
    let last = asked.map(|asked| asked.last);
    polls::next(&rhythm, sent, following.ends_at, last, (context.now)())
}

/// Asks about a delivery, unless somebody else does.
async fn ask(
    context: &Context<'_>,
    delivery: &Delivery,
    asked: Option<Asked>,
) -> Result<(), LedgerError> {
    let now = (context.now)();
    let seen = asked.map_or(0, |asked| asked.times);
    let (Some(channel), Some(message)) = (deliver::channel(context, delivery), &delivery.message)
    else {
        return Ok(());
    };
    if context.stop.is_asked() || !context.outbox.ask(delivery.id, seen, now).await? {
        return Ok(());
    }
    let parcel = &delivery.what.parcel;
    let quota = channel.quota(parcel, Job::Ask, now);
    let answer = match context.outbox.take(&quota, now).await? {
        Some((what, _)) => Err(format!("{what} are used up")),
        None => channel
            .receipt(parcel, message)
            .await
            .map_err(|error| error.to_string()),
    };
    let at = (context.now)();
    match answer {
        Ok(receipt) => {
            let reading = Reading::of(&receipt, at);
            let people = People {
                readers: receipt.readers,
                refused: receipt.refused,
            };
            context
                .outbox
                .note(delivery.id, &reading, Some(&people))
                .await
        }
        Err(why) => {
            let reading = Reading::failed(why, at);
            context.outbox.note(delivery.id, &reading, None).await
        }
    }
}

/// Ends a following that is over, with its report.
async fn settle(
    context: &Context<'_>,
    notice: Option<&dyn Notice>,
    mut told: Report,
    open: bool,
    done: &mut Round,
) -> Result<(), LedgerError> {
    let now = (context.now)();
    let why = if told.is_enough() {
        WhyEnded::Enough
    } else if now >= told.following.ends_at {
        WhyEnded::Over
    } else if !open {
        WhyEnded::Told
    } else {
        return Ok(());
    };
    let mut end = FollowEnd {
        why,
        at: now,
        unheard: None,
    };
    told.following.end = Some(end.clone());
    let composed = match notice {
        Some(notice) => notice.report(&told),
        None => Err("the notice is gone or off".to_owned()),
    };
    let deliveries = composed.unwrap_or_else(|why| {
        end.unheard = Some(why);
        Vec::new()
    });
    let key = &told.following.key;
    if context.outbox.end_following(key, &end, &deliveries).await? {
        done.reports.push((key.clone(), why));
    }
    Ok(())
}
