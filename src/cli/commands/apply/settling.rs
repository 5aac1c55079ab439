//! What earlier runs left unknown is settled before anything is planned.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::tell::tell_settled;
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::Keeper;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::right::Stop;
use crate::engine::settle::{Settling, look};

/// Settles what earlier runs left unknown; returns how many writes stay so.
pub(super) async fn settle(
    session: &Session,
    keeper: &Keeper,
    stop: &Stop,
    grace: SignedDuration,
    ui: &Ui,
) -> Result<usize, Failure> {
    let mut settling = Settling::default();
    let readers = session.readers();
    let mut said = false;
    loop {
        let again = look(
            &mut settling,
            session.ledger.as_ref(),
            &keeper.right,
            &readers,
            grace,
            &clock::now,
        )
        .await?;
        for (entry, outcome) in settling.settled.drain(..) {
            let address = entry
                .call
                .address
                .as_ref()
                .map_or_else(|| "an undeclared object".to_owned(), ToString::to_string);
            tell_settled(&address, &entry.call.call.operation, outcome, ui);
        }
        let Some(again) = again else { break };
        let wait = again.duration_since(clock::now());
        if !said && wait > SignedDuration::from_secs(1) {
            ui.say(&format!(
                "Settling writes of an earlier run: an absence counts only in {} s.",
                wait.as_secs().max(1)
            ));
            said = true;
        }
        pause_until(again, stop).await;
        if stop.is_asked() {
            return Ok(1);
        }
    }
    for (collection, why) in &settling.unread {
        ui.say(&format!(
            "Writes to {collection} stay unsettled: {}.",
            clean(why.trim_end_matches('.'))
        ));
    }
    Ok(session.ledger.unsettled().await?.len())
}

/// Waits until just after an instant, or until somebody asks to stop.
pub(super) async fn pause_until(instant: Timestamp, stop: &Stop) {
    let wait = instant.duration_since(clock::now());
    let pause = Duration::try_from(wait).unwrap_or_default() + Duration::from_millis(5);
    let until = tokio::time::Instant::now() + pause;
    while !stop.is_asked() && tokio::time::Instant::now() < until {
        let left = until - tokio::time::Instant::now();
        tokio::time::sleep(left.min(Duration::from_millis(100))).await;
    }
}
