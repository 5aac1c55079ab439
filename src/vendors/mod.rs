//! Clients of other people's APIs: settings in, a [`Writer`], a [`Directory`], a [`Channel`] and a [`Health`] out.
//!
//! What is not here: no vendor's shapes leave this module, nothing is read from disk or environment
//! (settings are arguments; proxies are the exception, reqwest reads their variables), nothing decides
//! what should be written, and nothing is remembered beyond the process.
//!
//! Start at [`feishu()`], then `feishu/mod.rs`; `limits.rs` says what each endpoint allows. What DingTalk
//! and EnOS are asked, at [`dingtalk()`] and [`enos()`], goes through `calls.rs`. What once means for a
//! message is in each vendor's `channel.rs`.
//!
//! # Guarantees
//!
//! - A write leaves at most once, unless its row in `limits.rs` lets it be repeated (then with the same
//!   bytes), or the attempt before was refused before any effect or never left.
//! - [`ApiError::Refused`] and [`ApiError::Unreachable`] say that none of the attempts of that write can
//!   have had an effect. Everything in doubt is [`ApiError::Unknown`].
//! - Secrets and tokens are in no error, event or `Debug` output, nor is what a message says, nor are the
//!   e-mail addresses and mobile numbers that a directory was asked about or answers.
//! - Credentials go to the vendor's hosts, to loopback and to the hosts in the settings, nowhere else.
//!
//! # Assumptions
//!
//! - The vendor answers a code that its contract explains as a refusal before the call has an effect
//!   (`limits.rs`).
//!
//! # Caveats
//!
//! - A write can take effect until the time-out of its last attempt, and nothing can call it back once
//!   its bytes have left.
//! - [`Writer::send`] first waits for its turn under the rate limit, which may take minutes.
//! - Two clients with the same app count their calls apart.
//!
//! [`ApiError::Refused`]: crate::engine::ApiError::Refused
//! [`ApiError::Unreachable`]: crate::engine::ApiError::Unreachable
//! [`ApiError::Unknown`]: crate::engine::ApiError::Unknown

mod calls;
mod digest;
mod dingtalk;
mod doubt;
mod enos;
mod feishu;
pub(crate) mod http;
pub mod limits;
mod pace;
mod redact;
mod retry;
mod token;

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::channel::Channel;
use crate::engine::{Directory, Health, Writer};

pub use dingtalk::Agency;
pub use feishu::Settings;
pub use retry::Patience;

/// Makes the client of a provider. It does not connect yet.
pub fn connect(settings: Settings) -> Result<Arc<dyn Writer>, BuildError> {
    Ok(Arc::new(feishu::Feishu::new(settings)?))
}

/// The jobs of one client that every vendor has. They share one token and one pace.
#[derive(Clone)]
pub struct Jobs {
    /// Who is behind an id.
    pub directory: Arc<dyn Directory>,
    /// What is sent.
    pub channel: Arc<dyn Channel>,
    /// How it stands with the vendor.
    pub health: Arc<dyn Health>,
}

impl Jobs {
    fn of<C: Directory + Channel + Health + 'static>(client: Arc<C>) -> Self {
        Self {
            directory: client.clone(),
            channel: client.clone(),
            health: client,
        }
    }
}

/// Makes the client of a Feishu provider for all its jobs, so that they share one token and one pace. It
/// does not connect yet.
pub fn feishu(settings: Settings) -> Result<(Arc<dyn Writer>, Jobs), BuildError> {
    let client = Arc::new(feishu::Feishu::new(settings)?);
    Ok((client.clone(), Jobs::of(client)))
}

/// Makes the client of an app at DingTalk. Where `base_url` is one of DingTalk's two hosts, each call goes
/// to the one that serves it; any other server is taken to serve both.
pub fn dingtalk(settings: Settings, agency: Agency) -> Result<Jobs, BuildError> {
    let client = dingtalk::DingTalk::new(settings, agency)?;
    Ok(Jobs::of(Arc::new(client)))
}

/// Makes the client of an OU at EnOS. `now` is the clock that requests are signed with; how far it may be
/// off is not documented.
pub fn enos(settings: Settings, org_id: &str, now: fn() -> Timestamp) -> Result<Jobs, BuildError> {
    let client = enos::Enos::new(settings, org_id, now)?;
    Ok(Jobs::of(Arc::new(client)))
}

/// Why a client cannot be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address of the server is no good.
    #[error("base_url cannot be used: {0}")]
    Address(String),
    /// Credentials would go to a stranger.
    #[error("base_url names the host {0}, which is not the vendor's")]
    ForeignHost(String),
    /// Credentials would go in plain text.
    #[error("base_url uses plain http for {0}; that is for loopback only")]
    PlainText(String),
    /// The file of certificate authorities is no good.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
