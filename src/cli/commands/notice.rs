//! `notice`: the registered notices, and what became of their occurrences.

use jiff::Timestamp;
use serde_json::json;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, NoticeCommand};
use crate::cli::json::FORMAT_VERSION;
use crate::cli::session::{self, open_ledger};
use crate::cli::ui::Ui;
use crate::ledger::Access;
use crate::model::Kind;
use crate::model::notice::Registered;
use crate::model::parse::Secrets;

pub(super) async fn run(global: &Global, command: &NoticeCommand, ui: &Ui) -> Result {
    super::only(ui, "notice", &super::HUMAN_JSON)?;
    let (manifest, _) = session::read(global, ui, Secrets::Skip)?;
    let (books, _) = open_ledger(global, &manifest, Access::Read)?;
    match command {
        NoticeCommand::List => {
            let now = Timestamp::now();
            let mut rows = Vec::new();
            let mut shapes = Vec::new();
            for binding in books.bindings().await? {
                if binding.address.kind != Kind::RecurringNotice {
                    continue;
                }
                let (state, next) = match Registered::read(&binding.applied) {
                    Err(why) => (format!("unreadable: {why}"), None),
                    Ok(notice) if !notice.enabled => ("off".to_owned(), None),
                    Ok(notice) => {
                        let next = notice.schedule.next(now).ok().flatten();
                        ("on".to_owned(), next.map(|firing| firing.at))
                    }
                };
                let next = next.map(|at| at.to_string());
                shapes.push(json!({
                    "address": binding.address.to_string(),
                    "state": state,
                    "next": next,
                    "applied_at": binding.updated_at.to_string(),
                }));
                rows.push(vec![
                    binding.address.to_string(),
                    state,
                    next.unwrap_or_else(|| "never".to_owned()),
                ]);
            }
            match ui.format() {
                Format::Json => ui.print_json(&json!({
                    "format_version": FORMAT_VERSION,
                    "notices": shapes,
                })),
                _ if rows.is_empty() => ui.say("No notice is registered."),
                _ => ui.print(&super::table(&["ADDRESS", "STATE", "NEXT"], &rows)),
            }
        }
        NoticeCommand::History { address, limit } => {
            let found = books.occurrences(address.as_ref(), *limit).await?;
            let told: Vec<_> = found
                .iter()
                .map(|occurrence| {
                    let (outcome, reason) = match &occurrence.outcome {
                        Some((outcome, reason)) => (outcome.as_str(), reason.as_str()),
                        None => ("open", ""),
                    };
                    (occurrence, outcome, reason)
                })
                .collect();
            if ui.format() == Format::Json {
                let occurrences: Vec<_> = told
                    .iter()
                    .map(|(occurrence, outcome, reason)| {
                        json!({
                            "notice": occurrence.key.notice.to_string(),
                            "scheduled": occurrence.key.nominal.to_string(),
                            "last": occurrence.last.to_string(),
                            "count": occurrence.count,
                            "fires_at": occurrence.at.to_string(),
                            "outcome": outcome,
                            "reason": reason,
                        })
                    })
                    .collect();
                ui.print_json(&json!({
                    "format_version": FORMAT_VERSION,
                    "occurrences": occurrences,
                }));
            } else if told.is_empty() {
                ui.say("Nothing was due yet.");
            } else {
                let rows: Vec<_> = told
                    .iter()
                    .map(|(occurrence, outcome, reason)| {
                        let count = match occurrence.count {
                            1 => String::new(),
                            n => format!("and {} more until {}", n - 1, occurrence.last),
                        };
                        vec![
                            occurrence.key.nominal.to_string(),
                            occurrence.key.notice.to_string(),
                            (*outcome).to_owned(),
                            format!("{reason} {count}").trim().to_owned(),
                        ]
                    })
                    .collect();
                ui.print(&super::table(
                    &["SCHEDULED", "NOTICE", "OUTCOME", ""],
                    &rows,
                ));
            }
        }
    }
    Ok(ExitStatus::Done)
}
