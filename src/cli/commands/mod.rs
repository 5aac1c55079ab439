//! One file a command.

mod apply;
mod comment;
mod doctor;
mod drift;
mod export;
mod firing;
mod group;
mod history;
mod import;
mod init;
mod lease;
mod ledger;
mod notice;
mod plan;
mod run;
mod sandbox;
mod schema;
mod self_test;
mod show;
pub(super) mod simulate;
mod state;
mod tick;
mod validate;

use std::sync::Arc;

use super::ExitStatus;
use super::args::{Args, Command, Format};
use super::error::Failure;
use super::ui::Ui;
use crate::engine::right::Stop;

pub(super) use schema::schema_text;

type Result<T = ExitStatus> = std::result::Result<T, Failure>;

/// Runs a command that needs neither network nor ledger, or says that this one does.
pub(super) fn run_offline(args: &Args, ui: &Ui) -> Option<Result> {
    Some(match &args.command {
        Command::Validate(validate) if !validate.online => validate::offline(&args.global, ui),
        Command::Init(init) => init::run(&args.global, init, ui),
        Command::Schema(schema) => schema::run(schema, ui),
        Command::Completions(completions) => schema::completions(completions, ui),
        Command::Man(man) => schema::man(man, ui),
        Command::Version => schema::version(ui),
        Command::Show(show) => show::run(show, ui),
        Command::Group(group) => group::run(&args.global, group, ui),
        Command::Simulate(simulate) => simulate::run(&args.global, simulate, ui),
        _ => return None,
    })
}

/// Runs any other command.
pub(super) async fn run(args: &Args, ui: &Ui) -> Result {
    let global = &args.global;
    match &args.command {
        Command::Validate(_) => validate::online(global, ui).await,
        Command::Plan(plan) => plan::run(global, plan, ui).await,
        Command::Drift(args) => drift::run(global, args, ui).await,
        Command::Apply(apply) => apply::run(global, apply, ui).await,
        Command::Destroy(destroy) => apply::destroy(global, destroy, ui).await,
        Command::Import(import) => import::run(global, import, ui).await,
        Command::Export(export) => export::run(global, export, ui).await,
        Command::State(state) => state::run(global, state, ui).await,
        Command::Lease(lease) => lease::run(global, lease, ui).await,
        Command::Comment(command) => comment::run(global, command, ui).await,
        Command::Ledger(command) => ledger::run(global, command, ui).await,
        Command::History(history) => history::run(global, history, ui).await,
        Command::Tick(args) => tick::tick(global, args, ui).await,
        Command::Run(args) => run::run(global, args, ui).await,
        Command::Notice(command) => notice::run(global, command, ui).await,
        Command::Doctor => doctor::run(global, ui).await,
        Command::Sandbox(sandbox) => sandbox::run(global, sandbox, ui).await,
        Command::SelfTest(args) => self_test::run(args, ui).await,
        Command::Init(_)
        | Command::Schema(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Version
        | Command::Show(_)
        | Command::Group(_)
        | Command::Simulate(_) => {
            unreachable!("run_offline has run it")
        }
    }
}

/// Refuses formats that a command does not have.
fn only(ui: &Ui, command: &str, formats: &[Format]) -> Result<()> {
    if formats.contains(&ui.format()) {
        return Ok(());
    }
    let names: Vec<_> = formats
        .iter()
        .map(|f| format!("{f:?}").to_lowercase())
        .collect();
    let names = match names.as_slice() {
        [but_last @ .., last] if !but_last.is_empty() => {
            format!("{} or {last}", but_last.join(", "))
        }
        _ => names.join(""),
    };
    Err(Failure::usage(format!("`{command}` prints {names} only")))
}

/// Notes ctrl-C and the polite kill: the first asks to stop, the second ends the process.
fn watch_signals(ui: &Ui) -> Arc<Stop> {
    let stop = Arc::new(Stop::default());
    let asked = Arc::clone(&stop);
    let ui = ui.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        asked.ask();
        ui.say("Stopping: calls under way are finished, no new one is begun. Once more to end at once.");
        wait_for_signal().await;
        std::process::exit(i32::from(ExitStatus::Interrupted.code()));
    });
    stop
}

async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The names of formats, for `only`.
const HUMAN_JSON: [Format; 2] = [Format::Human, Format::Json];

/// A table for people: left-aligned columns, two spaces apart, no lines.
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| super::text::clean(cell)));
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim());
        out.push('\n');
    }
    out
}
