//! `notice`: the registered notices, what became of their occurrences, and what people say of these.

mod history;
mod list;
mod pause;
mod report;
mod revoke;
mod send;
mod settle;
mod show;

use std::sync::Arc;

use jiff::Timestamp;

use super::Result;
use crate::cli::args::{Global, NoticeCommand};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::session::{self, Session, open_ledger};
use crate::cli::ui::Ui;
use crate::engine::afterwards::Pause;
use crate::engine::outbox::Books;
use crate::engine::right::Stop;
use crate::engine::runner::{Context, Round, carry_on};
use crate::ledger::Access;
use crate::model::diagnostic::Sources;
use crate::model::manifest::Manifest;
use crate::model::parse::Secrets;
use crate::model::{Address, Kind};
use crate::plan::live::Binding;

pub(super) async fn run(global: &Global, command: &NoticeCommand, ui: &Ui) -> Result {
    if !matches!(command, NoticeCommand::Report { .. }) {
        super::only(ui, "notice", &super::HUMAN_JSON)?;
    }
    match command {
        NoticeCommand::List => list::list(global, ui).await,
        NoticeCommand::Next { address, limit } => {
            list::next(global, address.as_ref(), usize::from(*limit), ui).await
        }
        NoticeCommand::Show { what } => show::run(global, what, ui).await,
        NoticeCommand::History { address, limit } => {
            history::run(global, address.as_ref(), *limit, ui).await
        }
        NoticeCommand::Report { occurrence, names } => {
            report::run(global, occurrence, *names, ui).await
        }
        NoticeCommand::Send(send) => send::run(global, send, ui).await,
        NoticeCommand::Settle(settle) => settle::run(global, settle, ui).await,
        NoticeCommand::Revoke {
            occurrence,
            auto_approve,
        } => revoke::run(global, occurrence, *auto_approve, ui).await,
        NoticeCommand::Pause {
            address,
            until,
            auto_approve,
        } => pause::pause(global, address, *until, *auto_approve, ui).await,
        NoticeCommand::Resume {
            address,
            auto_approve,
        } => pause::resume(global, address, *auto_approve, ui).await,
    }
}

/// What is remembered, for commands that call no vendor.
async fn books(
    global: &Global,
    access: Access,
    ui: &Ui,
) -> Result<(Arc<dyn Books>, Manifest, Sources)> {
    let (manifest, sources) = session::read(global, ui, Secrets::Skip)?;
    let (books, keeps) = open_ledger(global, &manifest, access).await?;
    if access == Access::Write && !keeps {
        return Err(Failure::new(
            "`ledger: none` remembers nothing, so there is nothing to be said of it",
        )
        .hint("Give the project a ledger, and apply with it."));
    }
    #[cfg(debug_assertions)]
    let books = crate::cli::crash::install_books(books);
    Ok((books, manifest, sources))
}

/// The registered notices.
async fn registered(books: &dyn Books) -> Result<Vec<Binding>> {
    let bindings = books.bindings().await?;
    let notices = bindings.into_iter();
    Ok(notices
        .filter(|binding| binding.address.kind == Kind::RecurringNotice)
        .collect())
}

/// One registered notice.
async fn binding(books: &dyn Books, address: &Address) -> Result<Binding> {
    let all = registered(books).await?;
    let found = all.into_iter().find(|binding| binding.address == *address);
    found.ok_or_else(|| {
        Failure::new(format!("{address} is not registered"))
            .hint("`beadle notice list` lists what is; `beadle apply` registers what is declared.")
    })
}

/// The pause that a notice is in.
fn paused<'a>(pauses: &'a [Pause], address: &Address, now: Timestamp) -> Option<&'a Pause> {
    let of = pauses.iter().find(|pause| pause.notice == *address);
    of.filter(|pause| pause.covers(now))
}

/// Such as `paused until 2026-12-07T00:00:00Z`.
fn pause_words(pause: &Pause) -> String {
    match pause.until {
        Some(until) => format!("paused until {until}"),
        None => "paused".to_owned(),
    }
}

/// Asks before something is written, unless that was approved.
async fn approve(auto_approve: bool, question: String, stays: &str, ui: &Ui) -> Result<()> {
    if auto_approve {
        return Ok(());
    }
    if !ui.is_interactive() {
        return Err(
            Failure::new(format!("nobody is here to approve, so {stays}"))
                .hint("Pass `--auto-approve`."),
        );
    }
    let ui = ui.clone();
    let yes = tokio::task::spawn_blocking(move || ui.confirm(&question)).await;
    match yes {
        Ok(true) => Ok(()),
        _ => Err(Failure::new(format!("not approved, so {stays}"))),
    }
}

/// Sends and takes back what is open, and says what it came to.
async fn carry(session: &Session, stop: &Stop) -> Result<Round> {
    let runner = uuid::Uuid::new_v4().to_string();
    let context = Context {
        outbox: session.outbox.as_ref(),
        channels: &session.channels,
        runner: &runner,
        stop,
        now: &clock::now,
        tell: &|_| {},
    };
    Ok(carry_on(&context).await?)
}
