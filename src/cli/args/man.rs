//! The arguments of `man`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct Man {
    /// A folder for the pages of all commands; without one, beadle(1) is printed
    #[arg(value_name = "FOLDER")]
    pub(in crate::cli) folder: Option<PathBuf>,
}
