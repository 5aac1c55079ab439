//! `history`: the journal, newest first.

use serde_json::json;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, History};
use crate::cli::error::Failure;
use crate::cli::json::{FORMAT_VERSION, value};
use crate::cli::session::{open_ledger, read};
use crate::cli::ui::Ui;
use crate::engine::ledger::{Entry, EntryOutcome};
use crate::ledger::Access;
use crate::model::parse::Secrets;

pub(super) async fn run(global: &Global, args: &History, ui: &Ui) -> Result {
    super::only(ui, "history", &super::HUMAN_JSON)?;
    let (manifest, _) = read(global, ui, Secrets::Skip)?;
    let (ledger, keeps) = open_ledger(global, &manifest, Access::Read)?;
    if !keeps {
        return Err(Failure::new("`ledger: none` keeps no history"));
    }
    let entries = ledger.history(args.limit as usize).await?;
    if ui.format() == Format::Json {
        let entries: Vec<_> = entries.iter().map(entry_json).collect();
        ui.print_json(&json!({ "format_version": FORMAT_VERSION, "entries": entries }));
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

fn outcome(entry: &Entry) -> &'static str {
    match entry.end.as_ref().map(|e| e.outcome) {
        None => "unknown",
        Some(EntryOutcome::Applied) => "applied",
        Some(EntryOutcome::Refused) => "refused",
        Some(EntryOutcome::Unreachable) => "unreachable",
        Some(EntryOutcome::SettledApplied) => "applied (settled)",
        Some(EntryOutcome::SettledAbsent) => "absent (settled)",
    }
}

fn entry_json(entry: &Entry) -> serde_json::Value {
    let sent: serde_json::Map<_, _> = entry
        .call
        .sent
        .iter()
        .map(|(f, v)| (f.to_string(), value(v)))
        .collect();
    json!({
        "entry": entry.id.0,
        "run": entry.fence,
        "opened_at": entry.call.opened_at.to_string(),
        "address": entry.call.address.as_ref().map(ToString::to_string),
        "provider": entry.call.provider.to_string(),
        "app": entry.call.app.to_string(),
        "operation": entry.call.call.operation,
        "tasklist": entry.call.call.tasklist.to_string(),
        "id": entry.end.as_ref().and_then(|e| e.id.as_ref()).or(entry.call.call.id.as_ref()).map(ToString::to_string),
        "sent": sent,
        "outcome": outcome(entry),
        "ended_at": entry.end.as_ref().map(|e| e.at.to_string()),
        "detail": entry.end.as_ref().map(|e| e.detail.clone()),
    })
}
