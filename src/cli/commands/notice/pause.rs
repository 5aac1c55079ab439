//! `notice pause` and `notice resume`: what somebody decides while a notice stays as it was applied.

use jiff::Timestamp;

use super::super::Result;
use super::{approve, binding, books, paused};
use crate::cli::ExitStatus;
use crate::cli::args::Global;
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::user;
use crate::cli::ui::Ui;
use crate::engine::afterwards::Pause;
use crate::ledger::Access;
use crate::model::Address;

pub(super) async fn pause(
    global: &Global,
    address: &Address,
    until: Option<Timestamp>,
    auto_approve: bool,
    ui: &Ui,
) -> Result {
    let (books, ..) = books(global, Access::Write, ui).await?;
    binding(books.as_ref(), address).await?;
    let now = clock::now();
    if let Some(until) = until.filter(|until| *until <= now) {
        return Err(Failure::usage(format!("`--until {until}` is over")));
    }
    let words = match until {
        Some(until) => format!("until {until}"),
        None => "until it is resumed".to_owned(),
    };
    let question = format!("Send nothing of {address} {words}?");
    approve(auto_approve, question, "nothing is paused", ui).await?;
    let pause = Pause {
        notice: address.clone(),
        since: now,
        until,
        who: user(),
    };
    books.pause(&pause).await?;
    ui.print(&format!("{address} is paused {words}.\n"));
    Ok(ExitStatus::Done)
}

pub(super) async fn resume(
    global: &Global,
    address: &Address,
    auto_approve: bool,
    ui: &Ui,
) -> Result {
    let (books, ..) = books(global, Access::Write, ui).await?;
    binding(books.as_ref(), address).await?;
    let pauses = books.pauses().await?;
    if paused(&pauses, address, clock::now()).is_none() {
        return Err(Failure::new(format!("{address} is not paused")));
    }
    let question = format!("Resume {address}? What fell into the pause is not made up for.");
    approve(auto_approve, question, "it stays paused", ui).await?;
    books.resume(address, clock::now()).await?;
    ui.print(&format!("{address} is resumed.\n"));
    Ok(ExitStatus::Done)
}
