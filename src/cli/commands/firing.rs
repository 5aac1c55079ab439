//! What `tick` and `run` share: the notices of the ledger, a round of sending, and the words about it.

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
use crate::engine::agenda::Roster;
use crate::engine::ledger::LedgerError;
use crate::engine::letters::{Desk, Picture, posted};
use crate::engine::outbox::{Key, Outcome};
use crate::engine::right::Stop;
use crate::engine::runner::{Context, Notice, Round, RunEvent, Waiting, round};
use crate::ledger::codec::sending::to_to_text;
use crate::model::Address;

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

/// Of which notices images are uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uploads {
    /// Of those that are due.
    Due,
    /// Of these first, and then of all others, so that theirs are there when they are due.
    All,
}

/// The notices of a project as they are fired.
pub(super) struct Fired {
    /// Those that are switched on.
    pub(super) roster: Roster,
    /// How many the ledger holds.
    pub(super) registered: usize,
    desk: Arc<Desk>,
    pictures: Vec<(Address, Picture)>,
}

impl Fired {
    /// Reads them from the ledger, and looks up whom they are for.
    pub(super) async fn read(
        session: &Session,
        now: Timestamp,
        ui: &Ui,
    ) -> std::result::Result<Self, LedgerError> {
        let bindings = session.ledger.bindings().await?;
        let providers = session.manifest.providers.iter();
        let vendors = providers.map(|(name, provider)| (name.clone(), provider.vendor));
        let desk = Desk::new(&bindings, &vendors.collect());
        let project = &session.manifest.project;
        let (all, unreadable) = posted(project, &bindings, &session.channels, &desk);
        for (address, why) in &unreadable {
            ui.say(&format!(
                "{address} was registered by another version of beadle: {}. Apply it again.",
                clean(why)
            ));
        }
        let registered = all.len() + unreadable.len();
        let pictures = all
            .iter()
            .filter_map(|notice| Some((notice.address().clone(), notice.image()?)));
        let pictures = pictures.collect();
        let enabled = all.into_iter().filter(|n| n.registered().enabled);
        let notices = enabled.map(|notice| Arc::new(notice) as Arc<dyn Notice>);
        let notices = notices.collect();
        let fired = Self {
            roster: Roster::new(notices, &session.outbox.handled().await?),
            registered,
            desk,
            pictures,
        };
        fired.renew(session, Uploads::All, now).await?;
        Ok(fired)
    }

    /// Looks up anew whom they are for, and which of them are paused, and uploads images that are not
    /// uploaded yet.
    pub(super) async fn renew(
        &self,
        session: &Session,
        uploads: Uploads,
        now: Timestamp,
    ) -> std::result::Result<(), LedgerError> {
        let pauses = session.outbox.pauses().await?;
        let (mut due, mut others) = (Vec::new(), Vec::new());
        for (notice, picture) in &self.pictures {
            match self.roster.is_due(notice, now) {
                true => due.push(picture.clone()),
                false => others.push(picture.clone()),
            }
        }
        let mut images = images::known(session, &others).await?;
        if uploads == Uploads::Due {
            others.clear();
        }
        images.extend(images::keys(session, &session.dir, &due, &others).await?);
        self.desk.renew(&session.directories, pauses, images).await;
        Ok(())
    }
}

/// Does a round.
pub(super) async fn once(
    session: &Session,
    roster: &mut Roster,
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
    round(&context, roster).await
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

/// Such as `tried again from 2026-12-02T10:00:10Z on`.
pub(super) fn tried_again(at: Timestamp) -> String {
    format!("tried again from {} on", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
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
    for Waiting { key, why, again } in &done.waiting {
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "waiting",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
                "reason": why,
                "again": again.to_string(),
            }));
        } else {
            ui.say(&format!(
                "{key}: not sent yet: {}; {}",
                clean(why),
                tried_again(*again)
            ));
        }
    }
    for key in &done.open {
        let again = done.tries.get(key);
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "open",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
                "again": again.map(|at| at.to_string()),
            }));
        } else {
            let words = again.map_or_else(String::new, |at| format!(", {}", tried_again(*at)));
            ui.say(&format!("{key}: still open{words}"));
        }
    }
}
