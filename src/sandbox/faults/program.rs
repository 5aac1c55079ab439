//! A fault program: faults in a file, with the seed of their chances.

use std::str::FromStr;

use super::{Fault, FaultParseError};

/// Faults, one a line, and perhaps a seed:
///
/// ```
/// # use beadle::sandbox::Program;
/// # fn main() -> Result<(), beadle::sandbox::ProgramError> {
/// let program: Program = "
/// ## A bad morning at Feishu.
/// seed 7
/// 429@*:1-5,reset=none
/// 5xx@*,p=0.2
/// ".parse()?;
/// assert_eq!(program.faults.len(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Where the chances begin, if the program says so.
    pub seed: Option<u64>,
    /// The faults, in their order.
    pub faults: Vec<Fault>,
}

/// A text that is no [`Program`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A line is no fault.
    #[error("line {line}: {source}")]
    Fault {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: FaultParseError,
    },
    /// A line gives no seed, or gives it again.
    #[error("line {line}: write the seed once, as in `seed 7`")]
    Seed {
        /// The line, from 1.
        line: usize,
    },
}

impl FromStr for Program {
    type Err = ProgramError;

    fn from_str(text: &str) -> Result<Program, ProgramError> {
        let mut program = Program::default();
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.strip_prefix("seed ") {
                Some(seed) => {
                    let seed = seed.trim().parse().ok();
                    if seed.is_none() || program.seed.is_some() {
                        return Err(ProgramError::Seed { line: number });
                    }
                    program.seed = seed;
                }
                None => {
                    let fault = line.parse().map_err(|source| ProgramError::Fault {
                        line: number,
                        source,
                    })?;
                    program.faults.push(fault);
                }
            }
        }
        Ok(program)
    }
}
