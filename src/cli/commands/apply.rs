//! `apply` and `destroy`: plan, ask, do.

mod kept;
mod settling;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use kept::Snapshots;
use settling::{pause_until, settle};
use tell::{summarise, tell, tell_settled};

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Apply, Consent, Destroy, Format, Global, Permissions};
use crate::cli::clock;
use crate::cli::error::Failure;
use crate::cli::json::{ApplyEventJson, FORMAT_VERSION, PlanJson};
use crate::cli::keeper::Keeper;
use crate::cli::planning::{self, Options, Planned, SavedPlan, applied_values};
use crate::cli::progress::Progress;
use crate::cli::refreshing::RefreshOption;
use crate::cli::session::Session;
use crate::cli::since::Since;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::engine::apply::{self as engine, ApplyEvent, Context, Outcome, Report};
use crate::engine::ledger::{Binding, EntryOutcome};
use crate::engine::people::MAX_AGE;
use crate::engine::right::Stop;
use crate::engine::settle::{Settling, look};
use crate::ledger::Access;
use crate::plan::{Choice, Listing};

pub(super) async fn run(global: &Global, args: &Apply, ui: &Ui) -> Result {
    super::only(ui, "apply", &super::HUMAN_JSON)?;
    let (options, saved) = match &args.file {
        Some(file) => {
            let saved = SavedPlan::read(file)?;
            let mut options = saved.options.clone();
            options.allow_deletes |= args.permissions.allow_deletes;
            options.allow_member_changes |= args.permissions.allow_member_changes;
            (options, Some(saved))
        }
        None => {
            let mut options = Options::new(&args.selection, &args.permissions);
            options.refresh = RefreshOption::asked(args.refreshing)?;
            (options, None)
        }
    };
    let work = Work {
        command: "apply",
        choice: Choice::default(),
        options,
        since: Since::asked(global, &args.since)?,
        reviewed: saved.is_some(),
        pinned: match &saved {
            Some(saved) => Some(Pinned::Saved(Box::new(saved.clone()))),
            None => args.expect.clone().map(Pinned::Digest),
        },
        consent: &args.consent,
    };
    work.run(global, ui).await
}

pub(super) async fn destroy(global: &Global, args: &Destroy, ui: &Ui) -> Result {
    super::only(ui, "destroy", &super::HUMAN_JSON)?;
    let allowed = Permissions {
        allow_deletes: args.allow_deletes,
        allow_member_changes: true,
        ..Permissions::default()
    };
    let options = Options::new(&args.selection, &allowed);
    let work = Work {
        command: "destroy",
        choice: Choice {
            destroy: true,
            ..Choice::default()
        },
        options,
        since: None,
        reviewed: false,
        pinned: None,
        consent: &args.consent,
    };
    work.run(global, ui).await
}

/// What a review has seen, and what must be found again.
enum Pinned {
    Digest(String),
    Saved(Box<SavedPlan>),
}

struct Work<'a> {
    command: &'static str,
    /// What is to be done; what takes part is told by the options once the project is open.
    choice: Choice,
    options: Options,
    since: Option<Since>,
    /// Whether somebody has seen the plan already.
    reviewed: bool,
    pinned: Option<Pinned>,
    consent: &'a Consent,
}

impl Work<'_> {
    async fn run(mut self, global: &Global, ui: &Ui) -> Result {
        if !self.consent.auto_approve && !self.reviewed && !ui.is_interactive() {
            return Err(Failure::new(format!(
                "nobody is here to approve, so `{}` writes nothing",
                self.command
            ))
            .hint("Pass `--auto-approve`, or apply a plan that was saved with `plan --out`."));
        }
        let stop = super::watch_signals(ui);
        let session = Session::open(global, ui, Access::Write).await?;
        if self.since.is_some() {
            self.options.narrow(self.since.as_ref(), &session).await?;
        }
        self.choice = Choice {
            destroy: self.choice.destroy,
            ..self.options.choice()?
        };
        if let Some(Pinned::Saved(saved)) = &self.pinned
            && let Some(why) = saved.is_foreign_to(&session)
        {
            return Err(Failure::new(why));
        }
        if self.choice.destroy && !session.keeps() {
            return Err(Failure::new(
                "`ledger: none` remembers nothing, so nothing can be destroyed",
            )
            .hint("Remove the blocks; an authoritative tasklist then loses its objects."));
        }
        let keeper = Keeper::acquire(
            Arc::clone(&session.ledger),
            self.command,
            global.timeout,
            self.consent.patience.lease_wait,
            &stop,
            &|words| ui.say(words),
        )
        .await?;
        let result = self.under_lease(&session, &keeper, &stop, ui).await;
        let released = keeper.release().await;
        let status = result?;
        if let Err(error) = released {
            tracing::warn!("the lease could not be given back: {error}");
        }
        session.close().await;
        Ok(if stop.is_asked() {
            ExitStatus::Interrupted
        } else {
            status
        })
    }

    async fn under_lease(
        &self,
        session: &Session,
        keeper: &Keeper,
        stop: &Stop,
        ui: &Ui,
    ) -> Result {
        let still_unsettled = settle(session, keeper, stop, self.consent.settle_grace, ui).await?;
        if stop.is_asked() {
            return Ok(ExitStatus::Interrupted);
        }
        let mut planned = self.plan(session, stop, ui).await?;
        if stop.is_asked() {
            return Ok(ExitStatus::Interrupted);
        }
        self.options.tell(&mut planned);
        self.check(&planned, ui)?;
        self.options.lift(&mut planned.json.refusals);
        if ui.format() == Format::Json {
            let plan = Box::new(planned.json.clone());
            ui.print_json_line(&ApplyEventJson::Plan {
                format_version: FORMAT_VERSION,
                plan,
            });
        } else {
            planning::print(&planned.json, ui);
        }
        self.refuse(&planned.json)?;
        let needs_word = !planned.plan.is_empty() && !self.consent.auto_approve && !self.reviewed;
        if needs_word && !ask(ui, self.command, stop).await {
            if stop.is_asked() {
                return Ok(ExitStatus::Interrupted);
            }
            return Err(Failure::new("not approved, so nothing was written"));
        }
        if stop.is_asked() {
            return Ok(ExitStatus::Interrupted);
        }
        let report = self.carry_out(session, keeper, stop, &planned, ui).await?;
        summarise(&report, &planned, ui);
        let complete =
            report.is_complete() && planned.plan.unread.is_empty() && still_unsettled == 0;
        Ok(if complete {
            ExitStatus::Done
        } else {
            ExitStatus::Failed
        })
    }

    /// Plans, and once more when something seems to be gone that was written a moment ago: the
    /// vendor's lists may lag behind, and what is taken for gone is made again or lost sight of.
    async fn plan(
        &self,
        session: &Session,
        stop: &Stop,
        ui: &Ui,
    ) -> std::result::Result<Planned, Failure> {
        let refresh = self.options.refresh.map(RefreshOption::for_apply);
        let refresh = refresh.unwrap_or_default();
        let planned = planning::make(session, &self.choice, refresh, ui).await?;
        let is_missing = |binding: &Binding| match planned.live.listings.get(&binding.collection) {
            Some(Listing::Objects(objects)) => objects.iter().all(|o| o.id != binding.id),
            _ => false,
        };
        let bindings = session.ledger.bindings().await?;
        let believed = bindings
            .iter()
            .filter(|binding| is_missing(binding))
            .map(|binding| binding.updated_at.saturating_add(self.consent.settle_grace))
            .map(|from| from.unwrap_or(Timestamp::MAX))
            .max();
        match believed.filter(|from| *from > clock::now()) {
            Some(from) => {
                ui.say("Something written a moment ago is not to be seen yet: looking again.");
                pause_until(from, stop).await;
                planning::make(session, &self.choice, refresh, ui).await
            }
            None => Ok(planned),
        }
    }

    /// Stops when the plan is not the one that was reviewed.
    fn check(&self, planned: &Planned, ui: &Ui) -> Result<()> {
        let hint = "The manifest or the live side has changed since; plan and review again.";
        match &self.pinned {
            Some(Pinned::Digest(expected)) if *expected != planned.json.digest => {
                ui.say(&crate::cli::human::plan(&planned.json));
                Err(Failure::new(format!(
                    "the plan is not the one expected: its digest is {}, not {}",
                    planned.json.digest,
                    clean(expected)
                ))
                .hint(hint))
            }
            Some(Pinned::Saved(saved))
                if saved.plan.changes != planned.json.changes
                    || saved.plan.digest != planned.json.digest =>
            {
                let differs = planning::difference(&saved.plan, &planned.json);
                Err(Failure::new(format!("the saved plan is stale: {differs}")).hint(hint))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, plan: &PlanJson) -> Result<()> {
        match plan.refusals.first() {
            Some(refusal) => Err(Failure::new(format!(
                "refused, nothing was written: {}",
                refusal.summary
            ))
            .hint(refusal.help.clone())),
            None => Ok(()),
        }
    }

    async fn carry_out(
        &self,
        session: &Session,
        keeper: &Keeper,
        stop: &Stop,
        planned: &Planned,
        ui: &Ui,
    ) -> std::result::Result<Report, Failure> {
        let progress = Progress::new("Applying", planned.plan.changes.len());
        let applied = applied_values(session, &planned.live);
        let context = Context {
            writers: &session.writers,
            ledger: session.ledger.as_ref(),
            right: &keeper.right,
            stop,
            live: &planned.live,
            applied: &applied,
            now: &clock::now,
            events: &|event| {
                if matches!(event, ApplyEvent::Finished(..)) {
                    progress.step();
                }
                progress.above(|| tell(&event, ui));
            },
        };
        let now = clock::now();
        let since = now.saturating_sub(MAX_AGE).unwrap_or(Timestamp::MIN);
        let lease = &keeper.right.lease;
        let remembered = session
            .ledger
            .remember(lease, now, &planned.look_ups, since);
        if !planned.look_ups.is_empty() {
            remembered.await?;
        }
        let snapshots = Snapshots::new(session, planned);
        snapshots.note_read(keeper).await?;
        engine::record(&context, &planned.plan).await?;
        let mut report = engine::apply(&context, &planned.plan).await?;
        drop(progress);
        snapshots.note_left(keeper, &report.left).await;
        // One more look: an answer that was lost is often a write that was done.
        if report
            .outcomes
            .iter()
            .any(|(_, o)| matches!(o, Outcome::Unknown(_)))
        {
            let mut settling = Settling::default();
            let readers = session.readers();
            let looked = look(
                &mut settling,
                session.ledger.as_ref(),
                &keeper.right,
                &readers,
                SignedDuration::MAX,
                &clock::now,
            )
            .await;
            if let Err(error) = looked {
                // The outcomes stand as they are; the next apply settles what is open.
                tracing::debug!("not settled at once: {error}");
            }
            for (entry, outcome) in &settling.settled {
                for (change, known) in &mut report.outcomes {
                    let same = change.subject.address() == entry.call.address.as_ref()
                        && matches!(known, Outcome::Unknown(_));
                    // A replace has a second half, and what is kept has further calls, which the next
                    // apply makes.
                    let whole = change.action.as_str() != "replace"
                        && change.collection.tasklist().is_some();
                    if same && whole && *outcome == EntryOutcome::SettledApplied {
                        *known = Outcome::Applied(entry.call.call.id.clone());
                        tell_settled(
                            &change.subject.to_string(),
                            &entry.call.call.operation,
                            *outcome,
                            ui,
                        );
                    }
                }
            }
        }
        Ok(report)
    }
}

/// Asks for consent; a signal while nobody has answered counts as none.
async fn ask(ui: &Ui, command: &str, stop: &Stop) -> bool {
    let question = match command {
        "destroy" => "Delete all of these?",
        _ => "Apply this plan?",
    };
    let ui = ui.clone();
    let answer = tokio::task::spawn_blocking(move || ui.confirm(question));
    let asked_to_stop = async {
        while !stop.is_asked() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        answer = answer => answer.unwrap_or(false),
        () = asked_to_stop => false,
    }
}
