//! The `beadle` binary: parses, runs, maps to an exit status; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    beadle::cli::run(std::env::args_os()).into()
}
