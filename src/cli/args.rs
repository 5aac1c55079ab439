//! The command line.

mod comment;
mod drift;
mod fast;
mod init;
mod ledger;
mod man;
mod notice;
mod run;
mod self_test;
mod simulate;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use crate::model::Address;

pub(super) use comment::{CommentCommand, OnGithub};
pub(super) use drift::DriftArgs;
pub(super) use fast::RefreshWhen;
pub(super) use fast::{Refreshing, Since};
pub(super) use init::{Init, Platform, StarterVendor};
pub(super) use ledger::LedgerCommand;
pub(super) use man::Man;
pub(super) use notice::{NoticeCommand, Send as NoticeSend, Settle};
pub(super) use run::Run;
pub(super) use self_test::SelfTest;
pub(super) use simulate::{Simulate, When};

/// Infrastructure as code for workplace messaging: who hears about what and when, written in YAML,
/// planned, applied, and sent once.
///
/// Exit status: 0 done, 1 failed or something could not be read, 2 differences (`drift`, and `plan
/// --detailed-exitcode`), 64 wrong usage, 130 interrupted.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "beadle",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// The project folder, the one with beadle.yaml
    #[arg(
        short = 'C',
        long = "dir",
        value_name = "DIR",
        global = true,
        env = "BEADLE_DIR",
        default_value = ".",
        hide_default_value = true
    )]
    pub(super) dir: PathBuf,
    /// Use the vendors' APIs played by beadle itself; ledger, base_url and credentials are ignored
    #[arg(long, global = true, env = "BEADLE_SANDBOX", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) sandbox: bool,
    /// How results are printed
    #[arg(long, value_enum, global = true, env = "BEADLE_FORMAT", default_value_t = Format::Human, hide_default_value = true)]
    pub(super) format: Format,
    /// When to use colour; `auto` keeps to NO_COLOR
    #[arg(long, value_enum, global = true, env = "BEADLE_COLOR", default_value_t = ColorWhen::Auto, hide_default_value = true)]
    pub(super) color: ColorWhen,
    /// Give a variable a value; wins over --var-file and `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", global = true, value_parser = parse_var)]
    pub(super) vars: Vec<(String, String)>,
    /// Read variables from a YAML file of names and values
    #[arg(
        long = "var-file",
        value_name = "FILE",
        global = true,
        env = "BEADLE_VAR_FILE"
    )]
    pub(super) var_files: Vec<PathBuf>,
    /// How long one call may take
    #[arg(long, value_name = "TIME", global = true, env = "BEADLE_TIMEOUT", default_value = "30s", value_parser = parse_timeout)]
    pub(super) timeout: Duration,
    /// The first wait before a call that failed is made again; each further one is twice as long
    #[arg(long, value_name = "TIME", global = true, env = "BEADLE_RETRY_WAIT", default_value = "500ms", value_parser = parse_duration)]
    pub(super) retry_wait: Duration,
    /// Calls under way at one time, per app
    #[arg(long, value_name = "N", global = true, env = "BEADLE_CONCURRENCY", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) concurrency: u16,
    /// Trust only the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE", global = true, env = "BEADLE_CA_FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Say more on stderr; twice for every call
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// How log lines on stderr are written
    #[arg(long, value_enum, global = true, env = "BEADLE_LOG_FORMAT", default_value_t = LogFormat::Text, hide_default_value = true)]
    pub(super) log_format: LogFormat,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Human,
    /// For programs; see `beadle schema`
    Json,
    /// For a pull request
    Markdown,
    /// Annotations for GitHub Actions
    Github,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal
    Auto,
    /// Even into a pipe
    Always,
    /// Never
    Never,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Write a project to begin with
    Init(Init),
    /// Check everything that can be checked without writing
    ///
    /// It reads the files alone, and needs no secret, no network and no ledger, unless --online is given.
    Validate(Validate),
    /// Show what would change
    ///
    /// Ends with 0 whether there are changes or not (see --detailed-exitcode), and with 1 when something could
    /// not be read, or apply would refuse the plan.
    Plan(PlanArgs),
    /// Show a saved plan
    Show(Show),
    /// Plan, ask, and make it so
    ///
    /// Without a terminal it needs --auto-approve or a saved plan. One apply at a time has a project's lease.
    Apply(Apply),
    /// Show what was changed outside, by cause; writes nothing anywhere
    ///
    /// Ends with 2 when something has drifted, and with 1 when something could not be read. What is declared and
    /// not applied yet is listed apart and is no drift. It always reads what is live, and so takes no --refresh.
    Drift(DriftArgs),
    /// Delete everything that is bound; what is protected is kept
    Destroy(Destroy),
    /// Bind one live object to a declared resource
    Import(Import),
    /// Write live objects as YAML, with their ids
    Export(Export),
    /// Look at what is bound, and change what beadle remembers
    #[command(subcommand)]
    State(State),
    /// Look at the lease, which is the right to apply, or end it
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Look after the ledger: check it, save it, move it, forget what is long over
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Look at the declared groups of people; needs neither network nor ledger
    #[command(subcommand)]
    Group(GroupCommand),
    /// Send what is due now, and end
    Tick(Tick),
    /// Send what is due, until a signal comes
    Run(Run),
    /// Look at the registered notices, and say what becomes of them
    #[command(subcommand)]
    Notice(NoticeCommand),
    /// List what notices will do in a time, from the files alone; needs neither network nor ledger
    Simulate(Simulate),
    /// Put a plan on a pull request, as one comment that is kept up to date
    #[command(subcommand)]
    Comment(CommentCommand),
    /// List the calls that were made, newest first
    History(History),
    /// Serve the vendors' APIs, played by beadle, for any client
    Sandbox(SandboxArgs),
    /// Walk made-up projects through faults, kills and restarts, and check that nothing is lost or doubled
    ///
    /// Each scenario runs this beadle against a sandbox of its own on loopback, in a temporary folder: no
    /// project, ledger or credential of yours takes part. It ends with 1 when a rule is broken, and says how to
    /// walk that scenario again.
    SelfTest(SelfTest),
    /// Look at everything that beadle depends on, and say what to do; writes nothing
    Doctor,
    /// Print the JSON Schema of the manifest or of an output; as Markdown, the page of the manifest's keys
    Schema(Schema),
    /// Print a completion script for a shell
    ///
    /// Such as `beadle completions bash > ~/.local/share/bash-completion/completions/beadle`.
    Completions(Completions),
    /// Print or write man pages
    Man(Man),
    /// Print the version; as JSON, with the facts of the build
    Version,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Validate {
    /// Also read the vendors: credentials, tasklists, whether the app is in each chat, and whether the
    /// people and departments of groups are there
    #[arg(long)]
    pub(super) online: bool,
}

/// Which resources take part.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(super) struct Selection {
    /// Only this resource, such as tasklist_subscription.release-progress (may be repeated)
    #[arg(long = "target", value_name = "ADDRESS")]
    pub(super) targets: Vec<Address>,
    /// Not this resource (may be repeated)
    #[arg(long = "exclude", value_name = "ADDRESS")]
    pub(super) excludes: Vec<Address>,
}

/// What a plan may do that it would not do unasked.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(super) struct Permissions {
    /// Consent to take over a live object of the same name and change it (may be repeated)
    #[arg(long = "adopt", value_name = "ADDRESS")]
    pub(super) adopt: Vec<Address>,
    /// Consent to make a managed chat again that is gone, which pulls everybody in (may be repeated)
    #[arg(long = "recreate", value_name = "ADDRESS")]
    pub(super) recreate: Vec<Address>,
    /// Lift the guard on how much may be deleted, and let chats be dissolved
    #[arg(long)]
    pub(super) allow_deletes: bool,
    /// Lift the guard on how many of a chat's or group's people may change
    #[arg(long)]
    pub(super) allow_member_changes: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) since: Since,
    #[command(flatten)]
    pub(super) refreshing: Refreshing,
    #[command(flatten)]
    pub(super) permissions: Permissions,
    /// Save the plan, for `beadle apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// End with 2 when something would change
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Show {
    /// A file that `plan --out` wrote
    pub(super) file: PathBuf,
}

/// How long a command waits for its turn.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Patience {
    /// How long to wait for another apply to end
    #[arg(long, value_name = "TIME", env = "BEADLE_LEASE_WAIT", default_value = "0s", value_parser = parse_duration)]
    pub(super) lease_wait: Duration,
}

/// How a writing command behaves.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(long, env = "BEADLE_AUTO_APPROVE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) auto_approve: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
    /// How long after the time-out of a write without an answer to wait before its absence counts
    #[arg(long, value_name = "TIME", env = "BEADLE_SETTLE_GRACE", default_value = "5s", value_parser = parse_signed)]
    pub(super) settle_grace: SignedDuration,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Apply {
    /// A saved plan: go on only if planning anew yields exactly its changes
    #[arg(conflicts_with_all = ["targets", "excludes", "changed_since", "refresh", "max_age", "adopt", "recreate", "expect"])]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) since: Since,
    #[command(flatten)]
    pub(super) refreshing: Refreshing,
    #[command(flatten)]
    pub(super) permissions: Permissions,
    /// Go on only if the plan has this digest, which a plan shows as Markdown and as JSON
    #[arg(long, value_name = "DIGEST")]
    pub(super) expect: Option<String>,
    #[command(flatten)]
    pub(super) consent: Consent,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Destroy {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Let chats be dissolved that have `on_delete: dissolve`
    #[arg(long)]
    pub(super) allow_deletes: bool,
    #[command(flatten)]
    pub(super) consent: Consent,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Import {
    /// A declared resource: tasklist_subscription.NAME, chat.NAME, or recipient_group.NAME/PROVIDER
    pub(super) address: Address,
    /// The vendor's id of the object: a guid, oc_…, or a group_id
    pub(super) id: String,
    #[command(flatten)]
    pub(super) patience: Patience,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Tick {
    /// Take this for the present instant, such as 2026-12-01T09:00:00Z: a rehearsal, with `--sandbox`
    #[arg(long, value_name = "TIME")]
    pub(super) now: Option<jiff::Timestamp>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Export {
    /// Tasklists by key or guid, chats by id or their name under `chats`, contact user groups by their
    /// group's name; without any, everything that the manifest names or keeps
    #[arg(value_name = "WHAT")]
    pub(super) what: Vec<String>,
    /// Every chat that the app's bot is in, with the people in it
    #[arg(long)]
    pub(super) chats: bool,
    /// Every contact user group that the app sees, with the people in it
    #[arg(long)]
    pub(super) user_groups: bool,
    /// Leave out the settings and what this project has already, for a file that it includes
    #[arg(long)]
    pub(super) resources_only: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum State {
    /// List what is bound
    List,
    /// Show one binding
    Show {
        /// The resource
        address: Address,
    },
    /// Give a binding another address, without touching the object
    Move {
        /// The bound resource
        from: Address,
        /// Its new address
        to: Address,
    },
    /// Let go of a binding, without touching the object
    Forget {
        /// The bound resource
        address: Address,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum LeaseCommand {
    /// Show who may apply right now
    Show,
    /// End the lease of an apply that is known to be dead
    Break {
        /// Do not ask
        #[arg(long)]
        auto_approve: bool,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum GroupCommand {
    /// List the groups, with how many are in each
    List,
    /// Show who is in a group, by provider, and which line of which file says so
    Show {
        /// The group, such as oncall
        name: String,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct History {
    /// How many calls to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct SandboxArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        env = "BEADLE_SANDBOX_LISTEN",
        default_value = "127.0.0.1:8700"
    )]
    pub(super) listen: std::net::SocketAddr,
    /// The file that keeps its world; in memory when there is none
    #[arg(long, value_name = "FILE")]
    pub(super) world: Option<PathBuf>,
    /// Keep to the vendors' rate limits
    #[arg(long)]
    pub(super) enforce_limits: bool,
    /// Add this to the time of each call
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = parse_duration)]
    pub(super) latency: Duration,
    /// Let something go wrong (may be repeated): `KIND@OPERATION[:CALLS][,KEY=VALUE]`
    ///
    /// OPERATION is the contract's name of a call, or *; CALLS such as 2, 1-3, 4- or 1-/2 (every second
    /// one). KIND is one of these:
    ///
    /// lost answers: lost-reply, cut-off, refuse, 5xx, 5xx-after, slow, hold-before, hold-after;
    /// limits: 429, quota, over-quota;
    /// bodies: html, truncated, empty, enormous, stalled, reordered, duplicated, nulls, unknown-values;
    /// rights: token-expiry, code, unreadable, revoked, bot-removed;
    /// the world: read-lag, clock-skew, edited, deleted, partial, stuck.
    ///
    /// Example: lost-reply@createTasklistActivitySubscription:1. The keys of each kind are in docs/faults.md.
    #[arg(long = "fault", value_name = "FAULT")]
    pub(super) faults: Vec<crate::sandbox::Fault>,
    /// Read faults from a file, one a line; `#` begins a comment, `seed N` gives the seed
    #[arg(long, value_name = "FILE", env = "BEADLE_SANDBOX_FAULT_FILE")]
    pub(super) fault_file: Option<PathBuf>,
    /// Where the chances of the faults begin: the same seed and faults meet the same calls
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Schema {
    /// Which shape
    #[arg(value_enum, default_value_t = SchemaName::Manifest)]
    pub(super) name: SchemaName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaName {
    /// What users write
    Manifest,
    /// `plan --format json`
    Plan,
    /// `drift --format json`
    Drift,
    /// What `plan --out` writes
    SavedPlan,
    /// A line of `apply --format json`
    ApplyEvent,
    /// `validate --format json`
    Diagnostics,
    /// `state list --format json`
    State,
    /// `lease show --format json`
    Lease,
    /// `history --format json`
    History,
    /// `group show --format json`
    Group,
    /// `group list --format json`
    Groups,
    /// `simulate --format json`
    Simulation,
    /// `notice report --format json`
    Report,
    /// `doctor --format json`
    Doctor,
    /// `self-test --format json`
    SelfTest,
    /// `version --format json`
    Version,
}

#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

fn parse_var(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn parse_signed(text: &str) -> Result<SignedDuration, String> {
    let time: SignedDuration = text
        .parse()
        .map_err(|_| "write a time such as 30s, 5m or 1h30m".to_owned())?;
    if time.is_negative() {
        Err("a time cannot be negative".to_owned())
    } else {
        Ok(time)
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < Duration::from_millis(1) {
        return Err("a call needs some time".to_owned());
    }
    Ok(time)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    Duration::try_from(parse_signed(text)?).map_err(|_| "the time is too long".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        super::Args::command().debug_assert();
    }
}
