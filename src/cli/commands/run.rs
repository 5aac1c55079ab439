//! `run`: send what is due, until a signal comes.
//!
//! # Guarantees
//!
//! - A round begins at the instant at which the next occurrence fires, by the clock of the wall, however
//!   often somebody sets that clock.
//! - After a signal no call is begun; those under way end, and what they did is written down.
//! - A ledger that fails for a while ends no runner: it is tried again, and `/readyz` says so meanwhile.

mod counted;
mod endpoints;
mod metrics;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::Result;
use super::firing::{self, Fired, Uploads};
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, Run};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::ledger::{LedgerError, Turn};
use crate::engine::outbox::{Key, Outcome};
use crate::engine::right::Stop;
use crate::engine::runner::{Round, RunEvent};
use crate::ledger::Access;
use endpoints::Watched;
use metrics::Metrics;

/// How long no round begins at most: what other runners left behind is taken over then.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How soon what is still open, or failed, is looked at again.
const SOON: Duration = Duration::from_secs(5);

/// How often it is asked, in one row, whether somebody has applied, and whether the clock was set.
const GLANCE: Duration = Duration::from_secs(2);

/// How old the people behind addresses and numbers may be, as long as nothing fires.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

pub(super) async fn run(global: &Global, args: &Run, ui: &Ui) -> Result {
    super::only(ui, "run", &super::HUMAN_JSON)?;
    let stop = super::watch_signals(ui);
    let mut session = Session::open(global, ui, Access::Write).await?;
    firing::keeps(&session)?;
    let watched = Arc::new(Watched {
        metrics: Metrics::new(),
        ledger: Arc::clone(&session.ledger),
        stop: Arc::clone(&stop),
        round: Mutex::new(None),
    });
    session.channels = counted::channels(&session.channels, &watched);
    session.directories = counted::directories(&session.directories, &watched);
    let serving = match args.listen {
        Some(addr) => {
            if !addr.ip().is_loopback() {
                tracing::warn!("{addr} is not loopback: whoever reaches it can read the metrics");
            }
            let (bound, serving) = endpoints::serve(addr, Arc::clone(&watched)).await?;
            say_where(ui, &bound.to_string());
            Some(serving)
        }
        None => None,
    };
    ui.say("Running: what is due is sent, until a signal comes.");
    let done = Runner::new(&session, &watched, &stop, ui).rounds().await;
    if let Some(serving) = serving {
        serving.abort();
    }
    session.close().await;
    done.map(|()| ExitStatus::Done)
}

fn say_where(ui: &Ui, addr: &str) {
    if ui.format() == Format::Json {
        ui.print_json_line(&serde_json::json!({ "event": "listening", "address": addr }));
    } else {
        ui.say(&format!(
            "Listening on http://{addr}: /healthz, /readyz and /metrics."
        ));
    }
}

struct Runner<'a> {
    session: &'a Session,
    watched: &'a Watched,
    stop: &'a Stop,
    ui: &'a Ui,
    name: String,
    /// When the occurrences that are open fire.
    fires: Mutex<BTreeMap<Key, Timestamp>>,
}

/// What the ledger held when it was last read.
struct Read {
    fired: Fired,
    turn: Option<Turn>,
    /// When people were last looked up.
    renewed: Timestamp,
}

impl<'a> Runner<'a> {
    fn new(session: &'a Session, watched: &'a Watched, stop: &'a Stop, ui: &'a Ui) -> Self {
        Self {
            session,
            watched,
            stop,
            ui,
            name: uuid::Uuid::new_v4().to_string(),
            fires: Mutex::default(),
        }
    }

    async fn rounds(&self) -> Result<()> {
        let mut read = None;
        // What was told of open occurrences: they stay so for a while.
        let mut told: BTreeMap<Key, Option<Timestamp>> = BTreeMap::new();
        while !self.stop.is_asked() {
            let longest = match self.round(&mut read).await {
                Ok(mut done) => {
                    let is_open = !done.open.is_empty();
                    let open = done.open.drain(..);
                    let open = open.map(|key| (done.tries.get(&key).copied(), key));
                    let open: BTreeMap<_, _> = open.map(|(again, key)| (key, again)).collect();
                    let news = open
                        .iter()
                        .filter(|(key, again)| told.get(key) != Some(again));
                    done.open = news.map(|(key, _)| key.clone()).collect();
                    told = open;
                    if let Err(error) = firing::tell(self.session, &done, self.ui).await {
                        tracing::warn!("not all of it can be told: {error}");
                    }
                    let most = if is_open { SOON } else { LONGEST_SLEEP };
                    let tries = done.tries.values().copied();
                    let waiting = done.waiting.iter().map(|waiting| waiting.again);
                    self.watched.metrics.next_try(tries.chain(waiting).min());
                    // A vendor may have to be asked what became of something before that.
                    let asks = done.wakes.map(|at| at.duration_since(clock::now()));
                    let asks = asks.map(|left| Duration::try_from(left).unwrap_or_default());
                    asks.map_or(most, |asks| most.min(asks.max(GLANCE)))
                }
                Err(error) if passes(&error) => {
                    self.note(Some(error.to_string()));
                    let why = clean(&error.to_string());
                    self.ui.say(&format!("{why}. It is tried again soon."));
                    SOON
                }
                Err(error) => return Err(Failure::from(error)),
            };
            self.sleep(read.as_ref(), longest).await;
        }
        Ok(())
    }

    /// Reads the ledger where that is needed, and does a round.
    async fn round(&self, read: &mut Option<Read>) -> std::result::Result<Round, LedgerError> {
        clock::follow(self.session.outbox.as_ref()).await?;
        let turn = self.session.ledger.turn().await?;
        let now = clock::now();
        let held = match read.take() {
            Some(mut held) if held.turn == turn => {
                // Whoever gets a message is looked up when it fires, and not when the runner was started.
                let age = now.duration_since(held.renewed);
                let is_fresh = (SignedDuration::ZERO..FRESH).contains(&age);
                let is_due = held.fired.roster.first().is_some_and(|due| due <= now);
                if is_due || !is_fresh {
                    let uploads = if is_due { Uploads::Due } else { Uploads::All };
                    held.fired.renew(self.session, uploads, now).await?;
                    held.renewed = now;
                }
                held
            }
            _ => Read {
                fired: Fired::read(self.session, now, self.ui).await?,
                turn,
                renewed: now,
            },
        };
        let held = read.insert(held);
        let tell = |event: RunEvent<'_>| self.heard(event);
        let done = firing::once(
            self.session,
            &mut held.fired.roster,
            &self.name,
            self.stop,
            &clock::now,
            &tell,
        )
        .await?;
        self.note(None);
        Ok(done)
    }

    /// Remembers how a round went.
    fn note(&self, failed: Option<String>) {
        let metrics = &self.watched.metrics;
        match failed {
            None => metrics.round_ended(clock::now()),
            Some(_) => metrics.ledger_failed(),
        }
        let round = self.watched.round.lock();
        *round.unwrap_or_else(PoisonError::into_inner) = Some(failed.map_or(Ok(()), Err));
    }

    fn heard(&self, event: RunEvent<'_>) {
        let metrics = &self.watched.metrics;
        let mut fires = self.fires.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            RunEvent::Admitted { key, at } => {
                fires.insert(key.clone(), at);
            }
            RunEvent::Attempted { provider, state } => metrics.attempted(provider, state),
            RunEvent::Lost { provider } => metrics.lost(provider),
            RunEvent::Ended {
                key,
                count,
                outcome,
            } => {
                metrics.ended(outcome, count);
                let at = fires.remove(key);
                if let (Outcome::Sent | Outcome::Partial, Some(at)) = (outcome, at) {
                    let late = clock::now().duration_since(at);
                    metrics.late(late.as_secs_f64());
                }
            }
        }
    }

    /// Waits until something is to be done: at most `longest`, and until the next instant fires, somebody
    /// applies, or a signal comes.
    async fn sleep(&self, read: Option<&Read>, longest: Duration) {
        let until = Instant::now() + longest;
        let due = read.and_then(|read| read.fired.roster.first());
        self.watched.metrics.next_due(due);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let to_due = due.map_or(left, |due| {
                let left = due.duration_since(clock::now());
                Duration::try_from(left).unwrap_or_default()
            });
            let nap = GLANCE.min(left).min(to_due);
            if nap.is_zero() {
                return;
            }
            tokio::select! {
                () = self.stop.asked() => return,
                () = sleep(nap) => {}
            }
            let turn = self.session.ledger.turn().await;
            match (turn, read) {
                // A ledger that fails is the next round's to tell.
                (Err(_), _) => return,
                (Ok(turn), Some(read)) if turn != read.turn => return,
                _ => {}
            }
        }
    }
}

/// Whether an error of the ledger may be over by itself.
fn passes(error: &LedgerError) -> bool {
    match error {
        LedgerError::Failed { .. } | LedgerError::Away { .. } | LedgerError::Held(_) => true,
        LedgerError::LeaseLost(_)
        | LedgerError::Claimed { .. }
        | LedgerError::Newer { .. }
        | LedgerError::Corrupt { .. }
        | LedgerError::ReadOnly { .. }
        | LedgerError::Holds { .. } => false,
    }
}
