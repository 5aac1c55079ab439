//! The vendors' APIs, played by us: an HTTP server with a world of its own.
//!
//! It is a second reading of the vendors' contracts. It imports nothing of ours, so that a misread
//! contract fails a test instead of passing on both sides; it knows no manifest, plan or ledger.
//!
//! # Guarantees
//!
//! - The world lives in one SQLite file. A call is one transaction, so several processes with a
//!   sandbox each on the same file see one world.
//! - What was answered has happened, also after the process was killed. Power loss is another
//!   matter: the file is not synced.
//! - A refused call changes nothing. Every call is in the log, without its secrets.
//!
//! # Caveats
//!
//! - Scopes are not played: every app holds all of them. Members of tasklists are not looked up.
//! - Nobody judges what a message says, and a chat is not muted: the codes for that come by faults.
//! - The older paths of EnOS's notices are not served, and DingTalk knows no uploads.
//! - A person has one open_id for all apps, which the vendor would not do.
//! - Faults, and calls that they hold, belong to the running server and not to the world.
//!
//! Start reading at `serve`, the way of one call; `vendor` says whose it is, `feishu`, `dingtalk` or
//! `enos` answers it, `world` remembers it, `mail` has what was sent and `inbox` to whom it came,
//! `faults` bends it, `control` is the back door for tests.

mod control;
mod dingtalk;
mod enos;
mod faults;
mod feishu;
mod guard;
mod holds;
mod inbox;
mod limits;
mod log;
mod mail;
mod multipart;
mod people;
mod picture;
mod seed;
mod seed_people;
mod serve;
mod tokens;
mod trickle;
mod vendor;
mod wire;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use faults::{Fault, FaultParseError, Program, ProgramError};
pub use seed::{Seeded, Wanted, WantedChat, WantedSubscription, WantedTasklist, WantedUserGroup};
pub use seed_people::{WantedDepartment, WantedPeople, WantedPerson};
pub use world::WorldError;

use faults::Board;
use holds::Holds;
use serve::Shared;
use wire::{Connections, Shears, WireListener};
use world::World;

/// The id of the app that every sandbox knows.
pub const APP_ID: &str = "cli_sandbox";

/// The secret of that app. It is no secret.
pub const APP_SECRET: &str = "sandbox-secret";

/// How long a stopping sandbox waits for the calls that it is answering.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How a sandbox is to behave.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file of its world; without one the world is in memory and ends with it.
    pub world: Option<PathBuf>,
    /// Whether the vendors' rate limits hold.
    pub enforce_limits: bool,
    /// Added to each vendor call.
    pub latency: Duration,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Where the chances of the faults begin.
    pub seed: u64,
}

/// A running sandbox. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// A sandbox that did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The world cannot be opened.
    #[error(transparent)]
    World(#[from] WorldError),
}

impl Sandbox {
    /// Opens the world and serves it at that address; port 0 takes a free one.
    pub async fn start(listen: SocketAddr, options: Options) -> Result<Sandbox, StartError> {
        let Options {
            world,
            enforce_limits,
            latency,
            faults,
            seed,
        } = options;
        let opening = tokio::task::spawn_blocking(move || -> Result<World, WorldError> {
            let world = World::open(world.as_deref())?;
            world.transact(seed::own_app)?;
            Ok(world)
        });
        let world = opening.await.map_err(std::io::Error::other);
        let cannot_listen = |source| StartError::Listen {
            addr: listen,
            source,
        };
        let shared = Arc::new(Shared {
            world: world.map_err(cannot_listen)??,
            board: Board::new(faults, seed),
            enforce_limits,
            latency,
            holds: Holds::new(),
            connections: Connections::default(),
        });
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .map_err(cannot_listen)?;
        let addr = listener.local_addr().map_err(cannot_listen)?;
        let listener = WireListener {
            listener,
            connections: shared.connections.clone(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let service = control::routes()
            .fallback(serve::vendor_call)
            .method_not_allowed_fallback(serve::vendor_call)
            .layer(axum::middleware::from_fn_with_state(
                addr.ip().is_loopback(),
                guard::only_local,
            ))
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Shears>();
        let server = tokio::spawn(async move {
            let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
                // An error means that the sandbox was dropped, which stops it as well.
                let _ = stopped.await;
            });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox stopped by itself");
            }
        });
        Ok(Sandbox {
            addr,
            shared,
            stop,
            server,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What clients put before the paths of the contract.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Makes what of these is missing, and says what it made. It waits for the disk.
    pub fn seed(&self, wanted: &Wanted) -> Result<Vec<Seeded>, WorldError> {
        self.shared
            .world
            .transact(|moment| seed::seed(moment, wanted))
    }

    /// Makes those people and departments that are missing, and says whom. It waits for the disk.
    pub fn seed_people(&self, wanted: &WantedPeople) -> Result<Vec<Seeded>, WorldError> {
        self.shared
            .world
            .transact(|moment| seed_people::seed(moment, wanted))
    }

    /// Stops: held calls are let go, calls under way are answered if they are quick.
    pub async fn stop(self) {
        let Sandbox {
            addr: _,
            shared,
            stop,
            mut server,
        } = self;
        // The server may have stopped by itself.
        let _ = stop.send(());
        shared.holds.release();
        if tokio::time::timeout(STOP_TIMEOUT, &mut server)
            .await
            .is_err()
        {
            server.abort();
        }
    }
}

/// An operation that the sandbox plays, as its contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What faults name: the contract's operationId, for DingTalk and EnOS behind the vendor's name
    /// and a dot (`dingtalk.getUser`).
    pub id: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with names in braces.
    pub path: &'static str,
    /// Calls that an app may make in a minute.
    pub per_minute: Option<u32>,
    /// Calls that an app may make in a second.
    pub per_second: Option<u32>,
}

/// Every operation that the sandbox plays.
pub fn operations() -> impl Iterator<Item = Operation> {
    vendor::endpoints().map(|row| Operation {
        id: row.operation,
        method: row.method,
        path: row.path,
        per_minute: row.tier.per_minute,
        per_second: row.tier.per_second,
    })
}
