//! An opened project for whoever only looks: nothing in here can write, at a vendor or in the ledger.
//!
//! `plan` and `apply` make their plans with it, and `drift` is given nothing else.

use std::sync::Arc;

use super::args::Global;
use super::error::Failure;
use super::planning;
use super::progress::Progress;
use super::session::Session;
use super::ui::Ui;
use crate::cli::clock;
use crate::engine::people::{Directories, People, rosters};
use crate::engine::refresh::{Live, Readers, refresh};
use crate::engine::snapshot::{Sight, touched};
use crate::engine::view::View;
use crate::ledger::Access;
use crate::model::Diagnostic;
use crate::model::diagnostic::Sources;
use crate::model::manifest::Manifest;
use crate::plan::live::{Binding, Claim};
use crate::plan::{Choice, Inputs, Memory, Plan, Unsettled, diff};

/// What looking needs, of an opened project.
pub(super) struct Looking<'a> {
    pub(super) sources: &'a Sources,
    pub(super) manifest: &'a Manifest,
    pub(super) ledger: View,
    pub(super) memory: Memory,
    pub(super) readers: Readers,
    pub(super) directories: &'a Directories,
}

/// A project opened for looking alone. Its writers are out of reach.
pub(super) struct Opened(Session);

impl Opened {
    /// Opens a project.
    ///
    /// # Errors
    ///
    /// As [`Session::open`].
    pub(super) async fn open(global: &Global, ui: &Ui) -> Result<Self, Failure> {
        Session::open(global, ui, Access::Read).await.map(Self)
    }

    pub(super) fn looking(&self) -> Looking<'_> {
        self.0.looking()
    }

    pub(super) async fn close(self) {
        self.0.close().await;
    }
}

/// The sides that were compared, and what came of it.
pub(super) struct Compared {
    pub(super) plan: Plan,
    pub(super) live: Live,
    pub(super) people: People,
    pub(super) bindings: Vec<Binding>,
    pub(super) claims: Vec<Claim>,
    pub(super) unsettled: Vec<Unsettled>,
}

impl Compared {
    /// Compares once more, with another manifest and the sides as they were read.
    pub(super) fn again(&self, manifest: &Manifest, memory: Memory, choice: &Choice) -> Plan {
        diff(&Inputs {
            manifest,
            tasklists: &self.live.tasklists,
            listings: &self.live.listings,
            kept: &self.live.kept,
            bindings: &self.bindings,
            claims: &self.claims,
            unsettled: &self.unsettled,
            memory,
            choice,
        })
    }
}

/// Asks the ledger, reads the vendors and compares. What stands in the way of a plan is among the plan's
/// diagnostics.
///
/// # Errors
///
/// When the ledger cannot be read.
pub(super) async fn compare(
    looking: &Looking<'_>,
    choice: &Choice,
    sight: &Arc<Sight>,
) -> Result<Compared, Failure> {
    let manifest = looking.manifest;
    let readers = sight.readers(&looking.readers);
    let bindings = looking.ledger.bindings().await?;
    let claims = looking.ledger.claims().await?;
    let unsettled = planning::unsettled(&looking.ledger).await?;
    let remembered = looking.ledger.look_ups().await?;
    let progress = Progress::new("Reading tasklists", 0);
    let now = clock::now();
    let directories = sight.directories(looking.directories);
    let mut people = rosters(manifest, choice, &remembered, &directories, now).await;
    let rosters = std::mem::take(&mut people.rosters);
    let mut compared = Compared {
        plan: Plan::default(),
        live: Live::default(),
        people,
        bindings,
        claims,
        unsettled,
    };
    let mut plan = loop {
        compared.live = refresh(
            manifest,
            &compared.bindings,
            choice,
            &readers,
            rosters.clone(),
            &|done, total| progress.set(done, total),
        )
        .await;
        let plan = compared.again(manifest, looking.memory, choice);
        let bindings = &compared.bindings;
        // What is to be done was perhaps planned from what is no longer so.
        if !sight.demand(&touched(
            &plan,
            manifest,
            &compared.live,
            bindings,
            &readers,
        )) {
            break plan;
        }
    };
    drop(progress);
    plan.diagnostics
        .extend(compared.live.diagnostics.iter().cloned());
    compared.plan = plan;
    Ok(compared)
}

impl Looking<'_> {
    /// Turns findings into the failure that shows them.
    pub(super) fn findings(&self, found: Vec<Diagnostic>) -> Failure {
        Failure::of_findings((found, self.sources.clone()))
    }
}
