//! `plan`: what would change.

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, PlanArgs};
use crate::cli::planning::{self, Options, SavedPlan};
use crate::cli::refreshing::{self, RefreshOption};
use crate::cli::session::Session;
use crate::cli::since::Since;
use crate::cli::ui::Ui;
use crate::engine::snapshot::Refresh;
use crate::ledger::Access;

pub(super) async fn run(global: &Global, args: &PlanArgs, ui: &Ui) -> Result {
    super::only(
        ui,
        "plan",
        &[
            Format::Human,
            Format::Json,
            Format::Markdown,
            Format::Github,
        ],
    )?;
    let mut options = Options::new(&args.selection, &args.permissions);
    options.refresh = RefreshOption::asked(args.refreshing)?;
    let since = Since::asked(global, &args.since)?;
    let session = Session::open(global, ui, Access::Read).await?;
    options.narrow(since.as_ref(), &session).await?;
    let choice = options.choice()?;
    let refresh = options.refresh.map(RefreshOption::for_plan);
    let turn = session.ledger.turn().await?;
    let mut planned = planning::make(&session, &choice, refresh.unwrap_or_default(), ui).await?;
    if let Some(Refresh::Auto(_)) = refresh {
        refreshing::keep(global, &session, turn, &planned.sight).await;
    }
    options.tell(&mut planned);
    planned.json.apply = options.command(&planned.json.digest);
    options.lift(&mut planned.json.refusals);
    planning::print(&planned.json, ui);
    let unread = !planned.plan.unread.is_empty();
    let refused = !planned.json.refusals.is_empty();
    let changes = !planned.plan.is_empty() || !planned.plan.unsettled.is_empty();
    if let Some(file) = &args.out {
        SavedPlan::new(&session, options, planned.json).write(file)?;
        ui.say(&format!(
            "Saved to {0}. Apply it with `beadle apply {0}`.",
            file.display()
        ));
    }
    session.close().await;
    // What apply would refuse must not look fine in CI.
    Ok(
        match (unread || refused, changes && args.detailed_exitcode) {
            (true, _) => ExitStatus::Failed,
            (false, true) => ExitStatus::Differences,
            (false, false) => ExitStatus::Done,
        },
    )
}
