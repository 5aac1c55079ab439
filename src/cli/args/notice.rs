//! `notice`.

use clap::{ArgGroup, Args, Subcommand};

use crate::engine::outbox::Key;
use crate::model::Address;

/// What can be asked and said of notices.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum NoticeCommand {
    /// List them with their next firing
    List,
    /// Show when they fire next
    Next {
        /// Only this one, such as recurring_notice.weekly-review
        address: Option<Address>,
        /// How many firings of each
        #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        limit: u16,
    },
    /// Show a notice as it is registered, or one occurrence: its deliveries, and who was not taken
    Show {
        /// A notice, such as recurring_notice.weekly-review, or an occurrence of it, such as
        /// recurring_notice.weekly-review@2026-12-02T02:00:00Z
        #[arg(value_name = "ADDRESS|OCCURRENCE")]
        what: String,
    },
    /// Show what became of their occurrences, newest first
    History {
        /// Only those of this notice, such as recurring_notice.weekly-review
        address: Option<Address>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Show who has read an occurrence that is or was followed: how many, how fast, and what is not known
    Report {
        /// Such as recurring_notice.weekly-review@2026-12-02T02:00:00Z
        occurrence: Key,
        /// Also name who has read it and who does not get it, as long as the following lasts
        #[arg(long)]
        names: bool,
    },
    /// Send one now, by hand, as it is registered: an occurrence of its own
    Send(Send),
    /// Say what became of an occurrence that is held
    Settle(Settle),
    /// Take back what was sent of an occurrence
    Revoke {
        /// Such as recurring_notice.weekly-review@2026-12-02T02:00:00Z
        occurrence: Key,
        /// Do not ask
        #[arg(long, env = "BEADLE_AUTO_APPROVE", value_parser = clap::builder::FalseyValueParser::new())]
        auto_approve: bool,
    },
    /// Send none of its instants for a while; applying does not lift it
    Pause {
        /// The notice, such as recurring_notice.weekly-review
        address: Address,
        /// Until then, such as 2026-12-07T00:00:00Z; by default until it is resumed
        #[arg(long, value_name = "TIME")]
        until: Option<jiff::Timestamp>,
        /// Do not ask
        #[arg(long, env = "BEADLE_AUTO_APPROVE", value_parser = clap::builder::FalseyValueParser::new())]
        auto_approve: bool,
    },
    /// End a pause
    Resume {
        /// The notice, such as recurring_notice.weekly-review
        address: Address,
        /// Do not ask
        #[arg(long, env = "BEADLE_AUTO_APPROVE", value_parser = clap::builder::FalseyValueParser::new())]
        auto_approve: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Send {
    /// The notice, such as recurring_notice.weekly-review
    pub(in crate::cli) address: Address,
    /// Only to this one of its recipients: the vendor's id of a person, a department or a chat
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) to: Option<String>,
    /// Print exactly what would be sent, by provider, and send nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Do not ask
    #[arg(long, env = "BEADLE_AUTO_APPROVE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(in crate::cli) auto_approve: bool,
}

#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("word").required(true).args(["sent", "not_sent", "resend"])))]
pub(in crate::cli) struct Settle {
    /// Such as recurring_notice.weekly-review@2026-12-02T02:00:00Z
    pub(in crate::cli) occurrence: Key,
    /// It was sent
    #[arg(long)]
    pub(in crate::cli) sent: bool,
    /// It was not sent, and will not be
    #[arg(long)]
    pub(in crate::cli) not_sent: bool,
    /// Send the same bytes again, though somebody may get them twice
    #[arg(long)]
    pub(in crate::cli) resend: bool,
    /// Do not ask
    #[arg(long, env = "BEADLE_AUTO_APPROVE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(in crate::cli) auto_approve: bool,
}
