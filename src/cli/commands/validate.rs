//! `validate`: everything that can be checked without writing.

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global};
use crate::cli::diagnostics;
use crate::cli::load::{Loaded, load};
use crate::cli::planning;
use crate::cli::session::{Session, options};
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::people::People;
use crate::engine::refresh::chats_out_of_reach;
use crate::engine::snapshot::Refresh;
use crate::ledger::Access;
use crate::model::diagnostic::has_errors;
use crate::model::parse::Secrets;
use crate::plan::Choice;

const FORMATS: [Format; 3] = [Format::Human, Format::Json, Format::Github];

pub(super) fn offline(global: &Global, ui: &Ui) -> Result {
    super::only(ui, "validate", &FORMATS)?;
    let Loaded {
        sources,
        manifest,
        diagnostics,
        ..
    } = load(&options(global, Secrets::Skip));
    let bad = has_errors(&diagnostics) || manifest.is_none();
    match ui.format() {
        Format::Json => ui.print(&diagnostics::json(&sources, &diagnostics)),
        Format::Github => ui.print(&diagnostics::github(&sources, &diagnostics, ui.prefix())),
        Format::Human | Format::Markdown => {
            ui.findings(&diagnostics, &sources);
            if let Some(manifest) = manifest.filter(|_| !bad) {
                let mut parts = vec![count(manifest.subscriptions.len(), "tasklist subscription")];
                for (n, what) in [
                    (manifest.managed_chats.len(), "managed chat"),
                    (manifest.groups.len(), "recipient group"),
                    (manifest.notices.len(), "recurring notice"),
                ] {
                    parts.extend((n > 0).then(|| count(n, what)));
                }
                ui.print(&format!(
                    "Valid: {} in {}.\n",
                    parts.join(", "),
                    count(sources.0.len(), "file"),
                ));
            }
        }
    }
    Ok(if bad {
        ExitStatus::Failed
    } else {
        ExitStatus::Done
    })
}

/// Plans without showing the plan: what a plan would find out is what is wanted.
pub(super) async fn online(global: &Global, ui: &Ui) -> Result {
    super::only(ui, "validate", &FORMATS)?;
    let session = Session::open(global, ui, Access::Read).await?;
    let planned = planning::make(&session, &Choice::default(), Refresh::Always, ui).await?;
    let unread = &planned.plan.unread;
    for unread in unread {
        ui.say(&format!(
            "{} could not be read: {}",
            unread.address,
            clean(&unread.why)
        ));
    }
    let mut people = People::check_all(&session.manifest, &session.directories).await;
    people.extend(chats_out_of_reach(&session.manifest, &session.readers()).await);
    let said = &planned.plan.diagnostics;
    people.retain(|new| {
        !said
            .iter()
            .any(|d| (d.code, d.span) == (new.code, new.span))
    });
    if ui.format() == Format::Json {
        let mut all = planned.plan.diagnostics.clone();
        all.append(&mut people);
        ui.print(&diagnostics::json(&session.sources, &all));
    } else {
        ui.findings(&people, &session.sources);
        if unread.is_empty() {
            let warnings = people.len() + planned.plan.diagnostics.len();
            ui.print(&match warnings {
                0 => "Valid, and everything that it names can be read.\n".to_owned(),
                n => format!("Valid, with {}.\n", count(n, "warning")),
            });
        }
    }
    let status = if unread.is_empty() {
        ExitStatus::Done
    } else {
        ExitStatus::Failed
    };
    session.close().await;
    Ok(status)
}
