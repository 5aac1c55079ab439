//! `doctor`: looks at everything that beadle depends on, and says what to do about what is not well.
//!
//! # Guarantees
//!
//! - It writes nothing: no file, no row, nothing at a vendor. Signing in fetches a token.
//! - What is broken hides nothing else: each check that cannot be made says why.

mod here;
mod ledger;
mod vendors;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::checkup::Checkup;
use crate::cli::ui::Ui;

pub(super) async fn run(global: &Global, ui: &Ui) -> Result {
    super::only(ui, "doctor", &super::HUMAN_JSON)?;
    let mut checkup = Checkup::default();
    let project = here::project(global, &mut checkup);
    here::permissions(global, project.as_ref(), &mut checkup);
    here::calendars(project.as_ref(), &mut checkup);
    let books = ledger::check(global, project.as_ref(), &mut checkup).await;
    vendors::check(global, ui, project, books.as_deref(), &mut checkup).await;
    let failed = checkup.has_failed();
    let found = checkup.json();
    match ui.format() {
        Format::Json => ui.print_json(&found),
        _ => ui.print(&found.human()),
    }
    Ok(match failed {
        true => ExitStatus::Failed,
        false => ExitStatus::Done,
    })
}
