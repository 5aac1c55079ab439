//! `notice settle`: only a person can say what became of what is held.

use super::super::{Result, watch_signals};
use super::{approve, books, carry};
use crate::cli::ExitStatus;
use crate::cli::args::{Global, Settle};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::user;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::afterwards::Word;
use crate::engine::held::{Settled, settle};
use crate::engine::outbox::{Books, Key, Outcome};
use crate::ledger::Access;

pub(super) async fn run(global: &Global, args: &Settle, ui: &Ui) -> Result {
    let word = match args {
        Settle { sent: true, .. } => Word::Sent,
        Settle { not_sent: true, .. } => Word::NotSent,
        _ => Word::Resend,
    };
    let key = &args.occurrence;
    let stays = format!("{key} stays as it is");
    let question = match word {
        Word::Sent => format!("Note that {key} was sent?"),
        Word::NotSent => format!("Note that {key} was not sent, and leave it at that?"),
        Word::Resend => format!("Send {key} again? Whoever has it gets it twice."),
    };
    if word != Word::Resend {
        let (books, ..) = books(global, Access::Write, ui).await?;
        held(books.as_ref(), key).await?;
        approve(args.auto_approve, question, &stays, ui).await?;
        let settled = settle(books.as_ref(), key, word, &user(), clock::now()).await?;
        return told(key, settled, ui);
    }
    let stop = watch_signals(ui);
    let session = Session::open(global, ui, Access::Write).await?;
    held(session.outbox.as_ref(), key).await?;
    approve(args.auto_approve, question, &stays, ui).await?;
    let now = clock::now();
    let settled = settle(session.outbox.as_ref(), key, word, &user(), now).await?;
    if settled != Settled::Open {
        return told(key, settled, ui);
    }
    let round = carry(&session, &stop).await?;
    let end = round.ended.into_iter().find(|(ended, ..)| ended == key);
    session.close().await;
    match end {
        Some((_, outcome, reason)) => told(key, Settled::Ended(outcome, reason), ui),
        None => {
            ui.say("It is pending: the next tick goes on with it.");
            Ok(ExitStatus::Failed)
        }
    }
}

/// Fails where there is nothing to settle, before anybody is asked.
async fn held(books: &dyn Books, key: &Key) -> Result<()> {
    match books.occurrence(key).await? {
        None => Err(missing(key)),
        Some(occurrence) => match occurrence.outcome {
            Some((Outcome::Held, _)) => Ok(()),
            other => Err(not_held(key, other.map(|(outcome, _)| outcome))),
        },
    }
}

pub(super) fn missing(key: &Key) -> Failure {
    Failure::new(format!("there is no occurrence {key}")).hint(format!(
        "`beadle notice history {}` lists them.",
        key.notice
    ))
}

fn not_held(key: &Key, outcome: Option<Outcome>) -> Failure {
    let is = outcome.map_or("open", Outcome::as_str);
    Failure::new(format!(
        "{key} is {is}, and only what is held can be settled"
    ))
}

fn told(key: &Key, settled: Settled, ui: &Ui) -> Result {
    match settled {
        Settled::Ended(outcome, reason) => {
            let why = match reason.as_str() {
                "" => String::new(),
                reason => format!(": {}", clean(reason)),
            };
            ui.print(&format!("{key}: {}{why}\n", outcome.as_str()));
            Ok(match outcome {
                Outcome::Held => ExitStatus::Failed,
                _ => ExitStatus::Done,
            })
        }
        Settled::Open => Ok(ExitStatus::Done),
        Settled::NotHeld(outcome) => Err(not_held(key, outcome)),
        Settled::Revoked => Err(Failure::new(format!(
            "{key} is being taken back, so it is not sent again"
        ))),
        Settled::Missing => Err(missing(key)),
    }
}
