//! The arguments of `init`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::model::Name;

/// Writes a project that validates as it is, and converges on the sandbox.
///
/// On a terminal it asks for what no flag says. It overwrites nothing: when one of its files is there
/// already, none is written. A .gitignore is left as it is.
#[derive(Clone, Debug, ClapArgs)]
pub(in crate::cli) struct Init {
    /// The folder to write into, made where it is missing; the project folder by default
    #[arg(value_name = "DIR")]
    pub(in crate::cli) folder: Option<PathBuf>,
    /// The project's name in a shared ledger [default: made of the folder's name]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(in crate::cli) name: Option<Name>,
    /// The vendors that it begins with, separated by commas [default: feishu]
    #[arg(long, value_enum, value_name = "VENDOR", value_delimiter = ',')]
    pub(in crate::cli) provider: Vec<StarterVendor>,
    /// What plans, applies and sends it [default: github]
    #[arg(long, value_enum, value_name = "PLATFORM")]
    pub(in crate::cli) ci: Option<Platform>,
    /// The container image with beadle that the platform runs, where you have pushed it
    #[arg(long, value_name = "IMAGE", default_value = concat!("registry.example.com/beadle:", env!("CARGO_PKG_VERSION")), value_parser = parse_image)]
    pub(in crate::cli) image: String,
}

/// A vendor that a starter has a block for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(in crate::cli) enum StarterVendor {
    /// Feishu, or Lark
    Feishu,
    /// DingTalk
    #[value(name = "dingtalk")]
    DingTalk,
    /// EnOS
    Enos,
}

/// What runs beadle for a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Platform {
    /// Workflows of GitHub Actions
    Github,
    /// A pipeline of GitLab CI
    Gitlab,
    /// A runner in Kubernetes
    Kubernetes,
    /// Nothing; the ledger is a file
    None,
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|why| why.to_string())
}

/// An image's name stands in YAML without quotes.
fn parse_image(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "./-_:@".contains(c);
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("write it as in registry.example.com/beadle:1.0.0".to_owned()),
    }
}
