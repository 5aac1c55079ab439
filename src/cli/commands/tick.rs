//! `tick`: send what is due, and end.

use jiff::Timestamp;

use super::{Result, firing};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, Tick};
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::engine::outbox::Outcome;
use crate::engine::runner::Round;
use crate::ledger::Access;
use crate::model::manifest::Provider;
use crate::model::{Field, Kind, Value};

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
    firing::keeps(&session)?;
    let runner = uuid::Uuid::new_v4().to_string();
    let fixed = args.now;
    let clock = move || fixed.unwrap_or_else(Timestamp::now);
    let (notices, registered) = firing::notices(&session, ui).await?;
    if registered == 0 {
        session.close().await;
        return Err(Failure::new(
            "the ledger holds no notice of this project, so nothing can be due",
        )
        .hint("Apply the manifest first, with this ledger."));
    }
    let done = firing::once(&session, &notices, &runner, &stop, &clock, &|_| {}).await?;
    firing::tell(&done, ui);
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

/// Whether what is not fired is switched off, and not unreadable.
async fn disabled_only(session: &Session, fired: usize) -> Result<bool> {
    let bindings = session.ledger.bindings().await?;
    let off = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice)
        .filter(|b| b.applied.get(Field::Enabled) == Some(&Value::Flag(false)))
        .count();
    let all = bindings
        .iter()
        .filter(|b| b.address.kind == Kind::RecurringNotice);
    Ok(all.count() == fired + off)
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
