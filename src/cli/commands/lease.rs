//! `lease`: who may apply right now.

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, LeaseCommand};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::remembered::LeaseJson;
use crate::cli::session::{open_ledger, read};
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::ledger::LeaseState;
use crate::ledger::Access;
use crate::model::parse::Secrets;

pub(super) async fn run(global: &Global, command: &LeaseCommand, ui: &Ui) -> Result {
    super::only(ui, "lease", &super::HUMAN_JSON)?;
    let access = match command {
        LeaseCommand::Show => Access::Read,
        LeaseCommand::Break { .. } => Access::Write,
    };
    let (manifest, _) = read(global, ui, Secrets::Skip)?;
    let (ledger, keeps) = open_ledger(global, &manifest, access).await?;
    if !keeps {
        return Err(Failure::new("`ledger: none` has no lease"));
    }
    let state = ledger.lease().await?;
    match (command, state) {
        (LeaseCommand::Show, state) => show(state.as_ref(), ui),
        (LeaseCommand::Break { .. }, None) => ui.say("Nobody holds the lease."),
        (LeaseCommand::Break { auto_approve }, Some(state)) => {
            if !auto_approve {
                if !ui.is_interactive() {
                    return Err(
                        Failure::new("nobody is here to approve, so the lease stays")
                            .hint("Pass `--auto-approve` when the holder is known to be dead."),
                    );
                }
                ui.say(&describe(&state));
                let ui = ui.clone();
                let question = "Break it? A holder that is alive stops at its next write.";
                let yes = tokio::task::spawn_blocking(move || ui.confirm(question))
                    .await
                    .unwrap_or(false);
                if !yes {
                    return Err(Failure::new("not approved, so the lease stays"));
                }
            }
            ledger.break_lease(clock::now()).await?;
            ui.print(&format!(
                "Broke the lease of {}.\n",
                clean(&state.holder.user)
            ));
        }
    }
    Ok(ExitStatus::Done)
}

fn describe(state: &LeaseState) -> String {
    let standing = match (state.dead, state.expires < clock::now()) {
        (true, _) => "; its process is dead, so the next apply takes over at once",
        (false, true) => "; it has expired, so the next apply takes over",
        (false, false) => "",
    };
    format!(
        "{} on {} (process {}) holds the lease for `{}` since {}, until {} unless renewed{standing}.",
        clean(&state.holder.user),
        clean(&state.holder.host),
        state.holder.pid,
        clean(&state.holder.command),
        state.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        state.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
}

fn show(state: Option<&LeaseState>, ui: &Ui) {
    if ui.format() == Format::Json {
        return ui.print_json(&LeaseJson::new(state));
    }
    match state {
        Some(state) => ui.print(&format!("{}\n", describe(state))),
        None => ui.print("Nobody holds the lease.\n"),
    }
}
