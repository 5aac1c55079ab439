//! What `apply` keeps of the live side for plans to come, while it changes it.

use jiff::Timestamp;

use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::keeper::Keeper;
use crate::cli::planning::Planned;
use crate::cli::session::Session;
use crate::engine::ledger::Note;
use crate::engine::snapshot::{KEPT, Scope, Snapshot, changed};
use crate::model::AppId;

/// What is kept of the live side while it is changed.
pub(super) struct Snapshots<'a> {
    session: &'a Session,
    read: Vec<Snapshot>,
    /// Where something is changed.
    changed: Vec<(AppId, Scope)>,
}

impl<'a> Snapshots<'a> {
    pub(super) fn new(session: &'a Session, planned: &Planned) -> Self {
        let changed = changed(&planned.plan, &session.readers());
        let mut read = planned.sight.read();
        read.retain(|one| !changed.contains(&(one.app.clone(), one.scope.clone())));
        Self {
            session,
            read,
            changed: changed.into_iter().collect(),
        }
    }

    /// Keeps what was read and will stay so, and drops what will not: before anything is written, so that
    /// whatever happens then nobody takes it for what is.
    pub(super) async fn note_read(&self, keeper: &Keeper) -> Result<(), Failure> {
        self.note(keeper, &self.changed, &self.read).await
    }

    /// Keeps what the writes have left.
    pub(super) async fn note_left(&self, keeper: &Keeper, left: &[Snapshot]) {
        if left.is_empty() {
            return;
        }
        if let Err(error) = self.note(keeper, &[], left).await {
            // It is read again the next time.
            tracing::debug!("what was written is not kept: {error}");
        }
    }

    async fn note(
        &self,
        keeper: &Keeper,
        drop: &[(AppId, Scope)],
        keep: &[Snapshot],
    ) -> Result<(), Failure> {
        if !self.session.keeps() || (drop.is_empty() && keep.is_empty()) {
            return Ok(());
        }
        let now = clock::now();
        let since = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        let note = Note { drop, keep, since };
        let lease = &keeper.right.lease;
        Ok(self
            .session
            .ledger
            .note_snapshots(lease, now, &note)
            .await?)
    }
}
