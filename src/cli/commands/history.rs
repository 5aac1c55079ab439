//! `history`: the journal, newest first.

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, History};
use crate::cli::error::Failure;
use crate::cli::remembered::{HistoryJson, outcome};
use crate::cli::session::{open_ledger, read};
use crate::cli::ui::Ui;
use crate::engine::ledger::{Entry, EntryOutcome};
use crate::ledger::Access;
use crate::model::parse::Secrets;

pub(super) async fn run(global: &Global, args: &History, ui: &Ui) -> Result {
    super::only(ui, "history", &super::HUMAN_JSON)?;
    let (manifest, _) = read(global, ui, Secrets::Skip)?;
    let (ledger, keeps) = open_ledger(global, &manifest, Access::Read).await?;
    if !keeps {
        return Err(Failure::new("`ledger: none` keeps no history"));
    }
    let entries = ledger.history(args.limit as usize).await?;
    if ui.format() == Format::Json {
        ui.print_json(&HistoryJson::new(&entries));
        return Ok(ExitStatus::Done);
    }
    if entries.is_empty() {
        ui.say("No call has been made yet.");
        return Ok(ExitStatus::Done);
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            vec![
                entry
                    .call
                    .opened_at
                    .strftime("%Y-%m-%dT%H:%M:%SZ")
                    .to_string(),
                entry.fence.to_string(),
                address(entry),
                entry.call.call.operation.clone(),
                outcome(entry).to_owned(),
                entry
                    .end
                    .as_ref()
                    .filter(|e| e.outcome != EntryOutcome::Applied)
                    .map(|e| e.detail.clone())
                    .unwrap_or_default(),
            ]
        })
        .collect();
    ui.print(&super::table(
        &["TIME", "RUN", "ADDRESS", "CALL", "OUTCOME", ""],
        &rows,
    ));
    Ok(ExitStatus::Done)
}

fn address(entry: &Entry) -> String {
    entry
        .call
        .address
        .as_ref()
        .map_or_else(|| "(not declared)".to_owned(), ToString::to_string)
}
