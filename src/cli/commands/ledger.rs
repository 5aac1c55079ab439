//! `ledger`: the ledger as a whole.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Map, json};

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, LedgerCommand};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::Keeper;
use crate::cli::session::{open_ledger, read};
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::ledger::Ledger;
use crate::engine::outbox::Books;
use crate::engine::upkeep::{Cell, Rows};
use crate::ledger::check::{Found, check};
use crate::ledger::{self, Access};
use crate::model::Name;
use crate::model::ledger_url::PostgresUrl;
use crate::model::parse::Secrets;

pub(super) async fn run(global: &Global, command: &LedgerCommand, ui: &Ui) -> Result {
    super::only(ui, "ledger", &super::HUMAN_JSON)?;
    let (manifest, _) = read(global, ui, Secrets::Skip)?;
    let access = match command {
        LedgerCommand::Check | LedgerCommand::Backup { .. } => Access::Read,
        LedgerCommand::Copy { .. } | LedgerCommand::Prune { .. } => Access::Write,
    };
    let (books, keeps) = open_ledger(global, &manifest, access).await?;
    if !keeps {
        return Err(Failure::new("`ledger: none` keeps nothing"));
    }
    #[cfg(debug_assertions)]
    let books = crate::cli::crash::install_books(books);
    match command {
        LedgerCommand::Check => looked_at(&*books, ui).await,
        LedgerCommand::Backup { file } => {
            books.save(file).await?;
            ui.print(&format!("Saved the ledger in {}.\n", file.display()));
            Ok(ExitStatus::Done)
        }
        LedgerCommand::Copy { to, lease_wait } => {
            let target = open_target(global, &manifest.project, to).await?;
            #[cfg(debug_assertions)]
            let target = crate::cli::crash::install_books(target);
            let keeper = keeper(global, &books, "ledger copy", *lease_wait, ui).await?;
            let copied = copy(&*books, &*target, ui).await;
            keeper.release().await?;
            copied
        }
        LedgerCommand::Prune { keep, lease_wait } => {
            let keeper = keeper(global, &books, "ledger prune", *lease_wait, ui).await?;
            let pruned = prune(&*books, &keeper, *keep, ui).await;
            keeper.release().await?;
            pruned
        }
    }
}

async fn keeper(
    global: &Global,
    books: &Arc<dyn Books>,
    command: &str,
    wait: Duration,
    ui: &Ui,
) -> Result<Keeper> {
    let stop = super::watch_signals(ui);
    let say = |words: &str| ui.say(words);
    let ledger: Arc<dyn Ledger> = books.clone();
    Keeper::acquire(ledger, command, global.timeout, wait, &stop, &say).await
}

async fn looked_at(books: &dyn Books, ui: &Ui) -> Result {
    let rows = books.rows().await?;
    let Found {
        counts,
        mut faults,
        notes,
    } = check(&rows, clock::now());
    faults.extend(books.flaws().await?);
    if ui.format() == Format::Json {
        let counts: Map<_, _> = counts
            .into_iter()
            .map(|(table, rows)| (table, json!(rows)))
            .collect();
        ui.print_json(&json!({
            "format_version": 1,
            "format": rows.format,
            "rows": counts,
            "faults": faults,
            "notes": notes,
        }));
    } else {
        let counts: Vec<_> = counts
            .into_iter()
            .map(|(table, rows)| vec![table, rows.to_string()])
            .collect();
        ui.print(&super::table(&["TABLE", "ROWS"], &counts));
        for note in &notes {
            ui.print(&format!("Note: {}.\n", clean(note)));
        }
        for fault in &faults {
            ui.print(&format!("Wrong: {}.\n", clean(fault)));
        }
        let found = match faults.len() {
            0 => "nothing is wrong".to_owned(),
            wrong => count(wrong, "fault"),
        };
        ui.print(&format!("Check of format {}: {found}.\n", rows.format));
    }
    Ok(match faults.is_empty() {
        true => ExitStatus::Done,
        false => ExitStatus::Failed,
    })
}

async fn open_target(global: &Global, project: &Name, to: &str) -> Result<Arc<dyn Books>> {
    if PostgresUrl::is_meant(to) {
        let (url, password) = PostgresUrl::parse(to)
            .map_err(|mistake| Failure::usage(mistake.summary).hint(mistake.help))?;
        if password.is_some() {
            return Err(
                Failure::usage("a password on the command line is seen by others")
                    .hint("Put it into `PGPASSWORD` or a password file."),
            );
        }
        let server = crate::cli::server::server(global, &url)?;
        return Ok(ledger::connect(&server, project, Access::Write).await?);
    }
    match to.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => {
            let path = global.dir.join(Path::new(path));
            Ok(ledger::open(&path, project, Access::Write)?)
        }
        _ => Err(Failure::usage(
            "`--to` takes `sqlite:PATH` or `postgres://USER@HOST/DATABASE`",
        )),
    }
}

async fn copy(from: &dyn Books, to: &dyn Books, ui: &Ui) -> Result {
    let now = clock::now();
    let mut rows = from.rows().await?;
    let sending = sending(&rows);
    if sending > 0 {
        return Err(Failure::new(format!(
            "{} under way, so the ledger is not at rest",
            match sending {
                1 => "1 delivery is".to_owned(),
                n => format!("{n} deliveries are"),
            }
        ))
        .hint("Stop the runners; when one has died, a `tick` finds out what became of its deliveries."));
    }
    rows.end_lease(&ledger::codec::instant_to_text(now));
    to.put_rows(&rows).await?;
    let copied = rows.tables.iter().map(|table| table.rows.len()).sum();
    ui.print(&format!(
        "Copied {}, and compared each.\n",
        count(copied, "row")
    ));
    ui.say("Point `ledger:` at the copy before anything runs again: what uses the old one sends what the new one sends.");
    Ok(ExitStatus::Done)
}

/// How many deliveries a runner is at, or was.
fn sending(rows: &Rows) -> usize {
    let table = rows.table("delivery");
    table.map_or(0, |table| {
        let state =
            |row: &&Vec<Cell>| table.cell(row, "state").and_then(Cell::text) == Some("sending");
        table.rows.iter().filter(state).count()
    })
}

async fn prune(books: &dyn Books, keeper: &Keeper, keep: SignedDuration, ui: &Ui) -> Result {
    let now = clock::now();
    let before = now
        .checked_sub(keep)
        .map_err(|error| Failure::usage("nothing can be that old").because(error))?;
    let pruned = books.prune(&keeper.right.lease, now, before).await?;
    if ui.format() == Format::Json {
        let rows: Map<_, _> = pruned
            .into_iter()
            .map(|(table, gone)| (table, json!(gone)))
            .collect();
        ui.print_json(&json!({
            "format_version": 1,
            "before": before.to_string(),
            "pruned": rows,
        }));
        return Ok(ExitStatus::Done);
    }
    let gone: u64 = pruned.iter().map(|(_, gone)| gone).sum();
    for (table, gone) in pruned.iter().filter(|(_, gone)| *gone > 0) {
        ui.say(&format!("{table}: {gone}"));
    }
    ui.print(&format!(
        "Pruned {} that ended before {}.\n",
        count(usize::try_from(gone).unwrap_or(usize::MAX), "row"),
        before.strftime("%Y-%m-%dT%H:%M:%SZ")
    ));
    Ok(ExitStatus::Done)
}
