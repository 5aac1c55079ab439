//! How long the binary takes for what people wait for at a prompt.
//!
//! The baseline is a process that does nothing.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use support::{Mode, Wrong, best, cpu, expect, ms, verdict};

/// The target of design.md section 7.
const MILLISECONDS: f64 = 30.0;

fn main() -> ExitCode {
    support::main(|mode| {
        let rounds = match mode {
            Mode::Full => 30,
            Mode::Quick => 3,
        };
        println!("\nthe least of {rounds} runs; CPU is their mean");
        let (nothing, status) = best(rounds, || run(&mut Command::new("true")));
        expect("true", status, Some(0))?;
        println!("  {:<36} {:>8}    1.0 ×", "true (1.0)", ms(nothing));
        let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
        let commands: [(&str, &[&str]); 3] = [
            ("beadle --help", &["--help"]),
            ("beadle version", &["version"]),
            ("beadle validate, examples/quickstart", &["validate"]),
        ];
        let mut slowest = 0.0_f64;
        for (words, args) in commands {
            let before = cpu();
            let (time, status) = best(rounds, || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_beadle"));
                run(command.args(args).current_dir(&quickstart))
            });
            let spent = (cpu() - before) / rounds;
            expect(words, status, Some(0))?;
            let ratio = time.as_secs_f64() / nothing.as_secs_f64();
            println!(
                "  {words:<36} {:>8} {ratio:>6.1} ×   CPU {}",
                ms(time),
                ms(spent)
            );
            slowest = slowest.max(time.as_secs_f64() * 1e3);
        }
        verdict("the slowest", slowest, MILLISECONDS, " ms");
        Ok::<(), Wrong>(())
    })
}

fn run(command: &mut Command) -> Option<i32> {
    let command = command.env_clear().stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("the program can be started").code()
}
