//! `sandbox`: the vendors' APIs, played by beadle, for any client.

use std::path::Path;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, SandboxArgs};
use crate::cli::error::Failure;
use crate::cli::ui::Ui;
use crate::sandbox::{APP_ID, APP_SECRET, Options, Program, ProgramError, Sandbox};

pub(super) async fn run(global: &Global, args: &SandboxArgs, ui: &Ui) -> Result {
    super::only(ui, "sandbox", &super::HUMAN_JSON)?;
    if !args.listen.ip().is_loopback() {
        tracing::warn!(
            "{} is not loopback: whoever reaches it can read and change this world",
            args.listen
        );
    }
    let program = match &args.fault_file {
        Some(file) => read_program(&global.dir.join(file))?,
        None => Program::default(),
    };
    let options = Options {
        world: args.world.as_ref().map(|world| global.dir.join(world)),
        enforce_limits: args.enforce_limits,
        latency: args.latency,
        faults: [program.faults, args.faults.clone()].concat(),
        seed: args.seed.or(program.seed).unwrap_or_default(),
    };
    let sandbox = Sandbox::start(args.listen, options)
        .await
        .map_err(|error| Failure::new("the sandbox did not start").because(error))?;
    match ui.format() {
        Format::Json => ui.print_json_line(&serde_json::json!({
            "base_url": sandbox.base_url(), "app_id": APP_ID, "app_secret": APP_SECRET,
        })),
        _ => ui.print(&format!(
            "Listening on {}, app_id {APP_ID}, app_secret {APP_SECRET}. Ctrl-C ends it.\n",
            sandbox.base_url()
        )),
    }
    super::wait_for_signal().await;
    sandbox.stop().await;
    Ok(ExitStatus::Done)
}

fn read_program(path: &Path) -> Result<Program> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("the fault file {} cannot be read", path.display())).because(error)
    })?;
    text.parse().map_err(|error: ProgramError| {
        Failure::usage(format!("{} is no fault program: {error}", path.display()))
            .hint("Write one fault a line, as `--fault` takes them.")
    })
}
