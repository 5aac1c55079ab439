//! The peak memory of one piece of work, done in a process of its own.
//!
//! The system's own count of resident memory (`VmHWM`, Linux only) is taken instead of an allocator that
//! counts: it has what the allocator wastes in it, and counting would take `unsafe`.

use std::process::{Command, ExitCode};

use crate::support::Wrong;

const FLAG: &str = "--once";

/// What [`ask`] asks this process for, if it was started by it.
pub(crate) fn asked() -> Option<(usize, String)> {
    let mut args = std::env::args().skip_while(|arg| arg != FLAG).skip(1);
    let size = args.next()?.parse().ok()?;
    Some((size, args.next()?))
}

/// Does the work and prints the peak.
#[expect(clippy::print_stderr, reason = "who asked reads why there is no peak")]
pub(crate) fn answer(work: impl FnOnce() -> Result<(), Wrong>) -> ExitCode {
    match work() {
        Ok(()) => {
            println!("{}", peak().unwrap_or(0));
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

/// The peak in bytes of the work of that size and name; none where the system does not tell.
pub(crate) fn ask(size: usize, name: &str) -> Result<Option<usize>, Wrong> {
    let this = std::env::current_exe().expect("this process has a file");
    let output = Command::new(this)
        .args([FLAG, &size.to_string(), name])
        .output()
        .expect("this process can be started again");
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().parse() {
        Ok(0) => Ok(None),
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => Err(Wrong(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}
