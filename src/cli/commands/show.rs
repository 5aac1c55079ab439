//! `show`: a saved plan.

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Show};
use crate::cli::planning::{self, SavedPlan};
use crate::cli::ui::Ui;

pub(super) fn run(args: &Show, ui: &Ui) -> Result {
    super::only(ui, "show", &[Format::Human, Format::Json, Format::Markdown])?;
    let saved = SavedPlan::read(&args.file)?;
    planning::print(&saved.plan, ui);
    Ok(ExitStatus::Done)
}
