//! The terminal: arguments in, text and an exit status out.
//!
//! Only this module reads the clock, the environment and the disk, and only here does an error
//! become words. stdout is what was asked for; stderr is talk.
//!
//! Start at [`run`]; each command is a file in `commands/`.

mod args;
mod around;
pub mod build;
pub mod checkup;
mod clock;
mod commands;
#[cfg(debug_assertions)]
mod crash;
pub mod drift;
mod error;
mod furnish;
mod git;
mod human;
mod images;
mod inert;
pub mod json;
mod keeper;
mod looking;
mod markdown;
pub mod outlook;
pub mod people;
mod planning;
mod progress;
pub mod proof;
mod reference;
mod refreshing;
pub mod remembered;
pub mod report;
mod server;
mod session;
pub mod simulation;
pub mod since;
mod starter;
mod text;
mod turnover;
mod ui;
mod whose;

pub mod diagnostics;
pub mod load;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::Args;
pub use error::Failure;

/// How beadle ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done.
    Done,
    /// Something failed, or could not be read.
    Failed,
    /// There are differences, and the caller asked to be told so.
    Differences,
    /// There are differences, and the caller chose the number that says so.
    Chosen(u8),
    /// The command line makes no sense.
    Usage,
    /// Somebody pressed ctrl-C.
    Interrupted,
}

impl ExitStatus {
    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Done => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Differences => 2,
            ExitStatus::Chosen(code) => code,
            ExitStatus::Usage => 64,
            ExitStatus::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status.code())
    }
}

/// Parses the command line, runs the command, and says how it ended.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let status = if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Done
            };
            // A closed pipe is no reason to end otherwise.
            let _ = error.print();
            return status;
        }
    };
    let ui = ui::Ui::new(&args.global);
    ui.init_logging(&args.global);
    // Commands without a network answer at once: no runtime, no threads.
    if let Some(result) = commands::run_offline(&args, &ui) {
        return finish(&ui, result);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new("the runtime could not be started").because(error);
            return finish(&ui, Err(failure));
        }
    };
    let result = runtime.block_on(commands::run(&args, &ui));
    // What is still under way (a sandbox's idle connections) must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    finish(&ui, result)
}

fn finish(ui: &ui::Ui, result: Result<ExitStatus, Failure>) -> ExitStatus {
    match result {
        Ok(ExitStatus::Done | ExitStatus::Differences | ExitStatus::Chosen(_)) if ui.has_lost() => {
            ExitStatus::Failed
        }
        Ok(status) => status,
        Err(failure) => {
            ui.failure(&failure);
            failure.status()
        }
    }
}
