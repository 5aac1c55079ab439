//! `notice list` and `notice next`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::super::{Result, table};
use super::history::next_try;
use super::{binding, books, pause_words, paused, registered};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::json::FORMAT_VERSION;
use crate::cli::ui::Ui;
use crate::engine::afterwards::Pause;
use crate::engine::outbox::{Books, Key};
use crate::ledger::Access;
use crate::model::Address;
use crate::model::notice::Registered;
use crate::plan::live::Binding;

pub(super) async fn list(global: &Global, ui: &Ui) -> Result {
    let (books, ..) = books(global, Access::Read, ui).await?;
    let now = clock::now();
    let pauses = books.pauses().await?;
    let mut rows = Vec::new();
    let mut shapes = Vec::new();
    for binding in registered(books.as_ref()).await? {
        let (state, next) = standing(&binding, &pauses, now);
        let pause = paused(&pauses, &binding.address, now);
        shapes.push(json!({
            "address": binding.address.to_string(),
            "state": state,
            "paused_until": pause.and_then(|pause| pause.until).map(|until| until.to_string()),
            "next": next.map(|at| at.to_string()),
            "applied_at": binding.updated_at.to_string(),
        }));
        let words = pause.map_or(state, pause_words);
        let next = next.map_or_else(|| "never".to_owned(), |at| at.to_string());
        rows.push(vec![binding.address.to_string(), words, next]);
    }
    match ui.format() {
        Format::Json => ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "notices": shapes,
        })),
        _ if rows.is_empty() => ui.say("No notice is registered."),
        _ => ui.print(&table(&["ADDRESS", "STATE", "NEXT"], &rows)),
    }
    Ok(ExitStatus::Done)
}

/// Whether a notice is sent, in a word, and when it is next.
fn standing(binding: &Binding, pauses: &[Pause], now: Timestamp) -> (String, Option<Timestamp>) {
    let notice = match Registered::read(&binding.applied) {
        Err(why) => return (format!("unreadable: {why}"), None),
        Ok(notice) if !notice.enabled => return ("off".to_owned(), None),
        Ok(notice) => notice,
    };
    let state = match paused(pauses, &binding.address, now) {
        Some(_) => "paused",
        None => "on",
    };
    let pause = pauses.iter().find(|pause| pause.notice == binding.address);
    let next = firings(&notice, now, pause).find(|(_, skipped)| !skipped);
    (state.to_owned(), next.map(|(at, _)| at))
}

/// The firings after an instant, each with whether a pause skips it. A pause without an end lets none by.
fn firings<'a>(
    notice: &'a Registered,
    after: Timestamp,
    pause: Option<&'a Pause>,
) -> impl Iterator<Item = (Timestamp, bool)> + 'a {
    let mut after = after;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let firing = notice.schedule.next(after).ok().flatten()?;
        after = firing.at.max(firing.nominal);
        let skipped = pause.filter(|pause| pause.covers(firing.at));
        is_over = skipped.is_some_and(|pause| pause.until.is_none());
        Some((firing.at, skipped.is_some()))
    })
}

/// What stands beside an instant at which something is tried again.
const TRIED_AGAIN: &str = "tried again";

/// The occurrences of which something is tried again, of a notice or of all, and when.
async fn open_tries(books: &dyn Books, of: Option<&Address>) -> Result<Vec<(Key, Timestamp)>> {
    let mut tries = Vec::new();
    for key in books.undecided().await? {
        if of.is_some_and(|of| *of != key.notice) {
            continue;
        }
        let at = next_try(&books.deliveries(&key).await?);
        tries.extend(at.map(|at| (key, at)));
    }
    Ok(tries)
}

pub(super) async fn next(
    global: &Global,
    address: Option<&Address>,
    limit: usize,
    ui: &Ui,
) -> Result {
    let (books, ..) = books(global, Access::Read, ui).await?;
    let now = clock::now();
    let pauses = books.pauses().await?;
    let bindings = match address {
        Some(address) => vec![binding(books.as_ref(), address).await?],
        None => registered(books.as_ref()).await?,
    };
    let mut all = Vec::new();
    for binding in &bindings {
        let notice = match Registered::read(&binding.applied) {
            Ok(notice) => notice,
            Err(why) if address.is_none() => {
                ui.say(&format!("{} cannot be read: {why}", binding.address));
                continue;
            }
            Err(why) => {
                let failure = Failure::new(format!("{} cannot be read: {why}", binding.address));
                return Err(failure.hint("Apply it again."));
            }
        };
        let pause = pauses.iter().find(|pause| pause.notice == binding.address);
        for (at, skipped) in firings(&notice, now, pause).take(limit) {
            let local = at.to_zoned(notice.schedule.zone().clone());
            let why = match (notice.enabled, skipped) {
                (false, _) => "off",
                (true, true) => "paused",
                (true, false) => "",
            };
            all.push((at, binding.address.clone(), local, why));
        }
    }
    let tries = open_tries(books.as_ref(), address).await?;
    for (key, at) in &tries {
        let of = bindings
            .iter()
            .find(|binding| binding.address == key.notice);
        let notice = of.and_then(|of| Registered::read(&of.applied).ok());
        let zone = notice.map_or(TimeZone::UTC, |notice| notice.schedule.zone().clone());
        all.push((*at, key.notice.clone(), at.to_zoned(zone), TRIED_AGAIN));
    }
    all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    if ui.format() == Format::Json {
        let shapes: Vec<_> = all
            .iter()
            .filter(|(.., why)| *why != TRIED_AGAIN)
            .map(|(at, address, local, why)| {
                json!({
                    "notice": address.to_string(),
                    "fires_at": at.to_string(),
                    "local": local.to_string(),
                    "skipped": Some(*why).filter(|why| !why.is_empty()),
                })
            })
            .collect();
        let tries: Vec<_> = tries
            .iter()
            .map(|(key, at)| {
                json!({
                    "occurrence": key.to_string(),
                    "notice": key.notice.to_string(),
                    "next_try": at.to_string(),
                })
            })
            .collect();
        ui.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "firings": shapes,
            "tries": tries,
        }));
    } else if all.is_empty() {
        ui.say("Nothing fires any more.");
    } else {
        let rows: Vec<_> = all
            .iter()
            .map(|(at, address, local, why)| {
                vec![
                    at.to_string(),
                    local.strftime("%a %Y-%m-%d %H:%M %Z").to_string(),
                    address.to_string(),
                    (*why).to_owned(),
                ]
            })
            .collect();
        ui.print(&table(&["FIRES", "THERE", "NOTICE", ""], &rows));
    }
    Ok(ExitStatus::Done)
}
