//! `tick` and `run`: send what is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, Tick};
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::letters::posted;
use crate::engine::outbox::Outcome;
use crate::engine::right::Stop;
use crate::engine::runner::{Context, Notice, Round, round};
use crate::ledger::Access;
use crate::model::Kind;
use crate::model::manifest::Provider;

/// How long `run` sleeps at most: what was applied meanwhile is seen then.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How soon what is still open is looked at again.
const SOON: Duration = Duration::from_secs(5);

pub(super) async fn tick(global: &Global, args: &Tick, ui: &Ui) -> Result {
    super::only(ui, "tick", &super::HUMAN_JSON)?;
    let stop = super::watch_signals(ui);
    let session = Session::open(global, ui, Access::Write).await?;
    let is_real = |provider: &Provider| !provider.base_url.contains("://127.0.0.1:");
    if args.now.is_some() && session.manifest.providers.values().any(is_real) {
        return Err(Failure::usage(
            "`--now` rehearses, with `--sandbox` or providers at `http://127.0.0.1:PORT` only",
        ));
    }
    keeps(&session)?;
    let runner = uuid::Uuid::new_v4().to_string();
    let fixed = args.now;
    let clock = move || fixed.unwrap_or_else(Timestamp::now);
    let (notices, registered) = notices(&session, ui).await?;
    if registered == 0 {
        session.close().await;
        return Err(Failure::new(
            "the ledger holds no notice of this project, so nothing can be due",
        )
        .hint("Apply the manifest first, with this ledger."));
    }
    let done = once(&session, &notices, &runner, &stop, &clock).await?;
    tell(&done, ui);
    let good = |outcome: &Outcome| matches!(outcome, Outcome::Sent | Outcome::Skipped);
    let fine = done.open.is_empty() && done.ended.iter().all(|(_, outcome, _)| good(outcome));
    let all_read = notices.len() == registered || disabled_only(&session, notices.len()).await?;
    if ui.format() == Format::Human {
        summarise(&done, ui);
    }
    session.close().await;
    Ok(match (stop.is_asked(), fine && all_read) {
        (true, _) => ExitStatus::Interrupted,
        (false, true) => ExitStatus::Done,
        (false, false) => ExitStatus::Failed,
    })
}

pub(super) async fn run(global: &Global, ui: &Ui) -> Result {
    super::only(ui, "run", &super::HUMAN_JSON)?;
    let stop = super::watch_signals(ui);
    let session = Session::open(global, ui, Access::Write).await?;
    keeps(&session)?;
    let runner = uuid::Uuid::new_v4().to_string();
    ui.say("Running: what is due is sent, until a signal comes.");
    while !stop.is_asked() {
        let (notices, _) = notices(&session, ui).await?;
        let done = once(&session, &notices, &runner, &stop, &Timestamp::now).await?;
        tell(&done, ui);
        let longest = if done.open.is_empty() {
            LONGEST_SLEEP
        } else {
            SOON
        };
        sleep_until_due(&notices, longest, &stop).await;
    }
    session.close().await;
    Ok(ExitStatus::Done)
}

fn keeps(session: &Session) -> Result<()> {
    if session.keeps() {
        return Ok(());
    }
    Err(
        Failure::new("`ledger: none` remembers nothing, so nothing can be sent once")
            .hint("Give the project a ledger, and apply with it."),
    )
}

/// The notices that can be fired, and how many the ledger holds.
async fn notices(session: &Session, ui: &Ui) -> Result<(Vec<Arc<dyn Notice>>, usize)> {
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
    let (notices, unreadable) = posted(
        &session.manifest.project,
        &bindings,
        &vendors,
        &session.channels,
        &session.directories,
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

/// Whether what is not fired is switched off, and not unreadable.
async fn disabled_only(session: &Session, fired: usize) -> Result<bool> {
    let bindings = session.ledger.bindings().await?;
    let off = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice)
        .filter(|b| {
            use crate::model::{Field, Value};
            b.applied.get(Field::Enabled) == Some(&Value::Flag(false))
        })
        .count();
    let all = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice);
    Ok(all.count() == fired + off)
}

async fn once(
    session: &Session,
    notices: &[Arc<dyn Notice>],
    runner: &str,
    stop: &Stop,
    now: &(dyn Fn() -> Timestamp + Sync),
) -> Result<Round> {
    let context = Context {
        outbox: session.outbox.as_ref(),
        channels: &session.channels,
        runner,
        stop,
        now,
    };
    Ok(round(&context, notices).await?)
}

/// Waits for the next instant that is due, and no longer than `longest`.
async fn sleep_until_due(notices: &[Arc<dyn Notice>], longest: Duration, stop: &Stop) {
    let now = Timestamp::now();
    let next = notices.iter().filter_map(|notice| notice.next(now)).min();
    let due = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
    let until = tokio::time::Instant::now() + due.map_or(longest, |due| due.min(longest));
    while !stop.is_asked() && tokio::time::Instant::now() < until {
        let left = until - tokio::time::Instant::now();
        tokio::time::sleep(left.min(Duration::from_millis(200))).await;
    }
}

fn tell(done: &Round, ui: &Ui) {
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
        ui.say(&format!(
            "{} {}: {}{why}",
            key.notice,
            key.nominal,
            outcome.as_str()
        ));
    }
    for key in &done.open {
        if ui.format() == Format::Json {
            ui.print_json_line(&json!({
                "event": "open",
                "notice": key.notice.to_string(),
                "scheduled": key.nominal.to_string(),
            }));
        } else {
            ui.say(&format!("{} {}: still open", key.notice, key.nominal));
        }
    }
}

fn summarise(done: &Round, ui: &Ui) {
    let mut parts: Vec<String> = Outcome::ALL
        .into_iter()
        .map(|outcome| {
            let n = done.ended.iter().filter(|(_, o, _)| *o == outcome).count();
            (n, outcome.as_str())
        })
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    if !done.open.is_empty() {
        parts.push(format!("{} open", done.open.len()));
    }
    let words = match parts.is_empty() {
        true => "nothing is due".to_owned(),
        false => parts.join(", "),
    };
    let of = count(done.ended.len() + done.open.len(), "occurrence");
    ui.print(&match parts.is_empty() {
        true => format!("Tick: {words}.\n"),
        false => format!("Tick: {of}: {words}.\n"),
    });
}
