//! What `tick` and `run` share: the notices of the ledger, a round of sending, and the words about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::Result;
use crate::cli::args::Format;
use crate::cli::error::Failure;
use crate::cli::images;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::cli::whose::Whose;
use crate::engine::afterwards::RecallState;
use crate::engine::ledger::LedgerError;
use crate::engine::letters::posted;
use crate::engine::outbox::{Key, Outcome};
use crate::engine::right::Stop;
use crate::engine::runner::{Context, Notice, Round, RunEvent, round};
use crate::ledger::codec::sending::to_to_text;
use crate::model::Kind;

/// Refuses a project that remembers nothing.
pub(super) fn keeps(session: &Session) -> Result<()> {
    if session.keeps() {
        return Ok(());
    }
    Err(
        Failure::new("`ledger: none` remembers nothing, so nothing can be sent once")
            .hint("Give the project a ledger, and apply with it."),
    )
}

/// The notices that can be fired, and how many the ledger holds. Whoever they are for is looked up anew.
pub(super) async fn notices(
    session: &Session,
    ui: &Ui,
) -> std::result::Result<(Vec<Arc<dyn Notice>>, usize), LedgerError> {
    let bindings = session.ledger.bindings().await?;
    let registered = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice)
        .count();
    let vendors: BTreeMap<_, _> = session
        .manifest
        .providers
        .iter()
        .map(|(name, provider)| (name.clone(), provider.vendor))
        .collect();
    let pauses = session.outbox.pauses().await?;
    let images = images::keys(session, &session.dir, &bindings).await?;
    let (notices, unreadable) = posted(
        &session.manifest.project,
        &bindings,
        &vendors,
        &session.channels,
        &session.directories,
        &pauses,
        &images,
    )
    .await;
    for (address, why) in unreadable {
        ui.say(&format!(
            "{address} was registered by another version of beadle: {}. Apply it again.",
            clean(&why)
        ));
    }
    Ok((notices, registered))
}

/// Does a round.
pub(super) async fn once(
    session: &Session,
    notices: &[Arc<dyn Notice>],
    runner: &str,
    stop: &Stop,
    now: &(dyn Fn() -> Timestamp + Sync),
    tell: &(dyn Fn(RunEvent<'_>) + Sync),
) -> std::result::Result<Round, LedgerError> {
    let context = Context {
        outbox: session.outbox.as_ref(),
        channels: &session.channels,
        runner,
        stop,
        now,
        tell,
    };
    round(&context, notices).await
}

/// Says what a round has done.
pub(super) async fn tell(
    session: &Session,
    done: &Round,
    ui: &Ui,
) -> std::result::Result<(), LedgerError> {
    tell_ends(done, ui);
    for (key, outcome, _) in &done.ended {
        if matches!(outcome, Outcome::Partial | Outcome::Refused | Outcome::Held) {
            tell_invalid(session, key, ui).await?;
        }
    }
    for (key, _, state, detail) in &done.recalls {
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "recall",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
                "state": state.as_str(),
                "detail": detail,
            }));
        } else if *state == RecallState::Recalled {
            ui.say(&format!("{key}: taken back"));
        } else {
            ui.say(&format!(
                "{key}: not taken back: {}: {}",
                state.as_str(),
                clean(detail)
            ));
        }
    }
    for (key, why) in &done.reports {
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "report",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
                "ended": why.as_str(),
            }));
        } else {
            ui.say(&format!(
                "{key}: followed to its end; see `beadle notice report {key}`"
            ));
        }
    }
    for (key, why) in &done.unheard {
        ui.say(&format!("{key}: nobody could be told: {}", clean(why)));
    }
    Ok(())
}

/// Whom the vendors did not take, and which line lists them.
async fn tell_invalid(
    session: &Session,
    key: &Key,
    ui: &Ui,
) -> std::result::Result<(), LedgerError> {
    let look_ups = session.ledger.look_ups().await?;
    let whose = Whose::new(&session.manifest, &session.sources, &look_ups);
    for delivery in session.outbox.deliveries(key).await? {
        let provider = &delivery.what.provider;
        for (who, why) in &delivery.invalid {
            if ui.format() == Format::Json {
                ui.print_json_line(&json!({
                    "event": "invalid",
                    "notice": key.notice.to_string(),
                    "scheduled": key.nominal.to_string(),
                    "provider": provider.as_str(),
                    "recipient": to_to_text(who),
                    "why": why,
                    "places": whose.places(provider, who),
                }));
            } else {
                let place = whose.words(provider, who);
                let who = clean(&to_to_text(who));
                ui.say(&format!("  {provider}: {who} {}{place}", clean(why)));
            }
        }
    }
    Ok(())
}

fn tell_ends(done: &Round, ui: &Ui) {
    for (key, outcome, reason) in &done.ended {
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "ended",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
                "outcome": outcome.as_str(),
                "reason": reason,
            }));
            continue;
        }
        let why = match reason.as_str() {
            "" => String::new(),
            reason => format!(": {}", clean(reason)),
        };
        ui.say(&format!("{key}: {}{why}", outcome.as_str()));
    }
    for key in &done.open {
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "open",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
            }));
        } else {
            ui.say(&format!("{key}: still open"));
        }
    }
}
