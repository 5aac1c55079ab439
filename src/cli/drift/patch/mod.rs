//! `drift --patch`: a diff of the project's files that would accept what is live.
//!
//! Each difference becomes edits of the file that declares it, or a sentence that says why it does not. Then
//! the edited files are read and compared with the same live side: what still differs was no answer, and is
//! taken out and explained. So the diff that is printed is one after which nothing of it is left to do.

pub mod accept;
pub mod diff;
mod refused;

use std::collections::BTreeMap;

use self::accept::Proposal;
use crate::cli::args::Global;
use crate::cli::error::Failure;
use crate::cli::load::{Loaded, load_edited};
use crate::cli::looking::{Compared, Looking};
use crate::cli::session;
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::model::diagnostic::{FileId, has_errors};
use crate::model::edit::{self, Edit};
use crate::model::parse::Secrets;
use crate::model::{Diagnostic, Severity};
use crate::plan::drift::{Difference, Drift, drift};
use crate::plan::{Cause, Choice, Subject};

impl Proposal {
    fn is_about(&self, subject: &Subject) -> bool {
        self.accepts.iter().any(|(other, _)| other == subject)
    }

    /// Whether a difference is one that should be gone by now.
    fn promised(&self, difference: &Difference) -> bool {
        let has = |field| self.accepts.contains(&(difference.subject.clone(), field));
        match difference.fields.as_slice() {
            [] => self.is_about(&difference.subject),
            fields => has(None) || fields.iter().any(|f| has(Some(f.field))),
        }
    }

    fn subject(&self) -> Option<&Subject> {
        self.accepts.first().map(|(subject, _)| subject)
    }
}

/// Prints the diff, and on stderr what it does not hold.
pub(in crate::cli) fn print(
    looking: &Looking<'_>,
    compared: &Compared,
    drift: &Drift,
    choice: &Choice,
    global: &Global,
    ui: &Ui,
) -> Result<(), Failure> {
    let (mut proposals, mut explained) =
        accept::propose(looking.manifest, looking.sources, &compared.bindings, drift);
    for difference in &drift.drifted {
        if difference.cause == Cause::Both && proposals.iter().any(|p| p.promised(difference)) {
            ui.say(&format!(
                "{} was changed here and outside: the diff takes what is live.",
                difference.subject
            ));
        }
    }
    let texts = loop {
        let texts = edited(looking, &mut proposals, &mut explained);
        if texts.is_empty() {
            break texts;
        }
        let wrong = unanswered(looking, compared, drift, choice, global, &texts, &proposals);
        if wrong.is_empty() {
            break texts;
        }
        for (at, why) in wrong.into_iter().rev() {
            let dropped = proposals.remove(at);
            explained.push(refused::unanswered(looking, dropped.subject(), &why));
        }
    };
    explained.sort_by(|a, b| (a.span, &a.summary).cmp(&(b.span, &b.summary)));
    ui.findings(&explained, looking.sources);
    let top = diff::Top::of(&global.dir);
    let mut out = String::new();
    for (file, text) in &texts {
        let source = looking.sources.get(*file);
        out.push_str(&diff::unified(&top.path(&source.name)?, source, text));
    }
    ui.print_raw(&out);
    if texts.is_empty() && explained.is_empty() {
        ui.say("Nothing has drifted that a change of the files would accept.");
    } else if !explained.is_empty() {
        ui.say(&format!(
            "{} not in the diff; see above.",
            match explained.len() {
                1 => "1 difference is".to_owned(),
                n => format!("{} are", count(n, "difference")),
            }
        ));
    }
    Ok(())
}

/// The files with the edits of all proposals. A proposal that is in the way of an earlier one is explained.
fn edited(
    looking: &Looking<'_>,
    proposals: &mut Vec<Proposal>,
    explained: &mut Vec<Diagnostic>,
) -> BTreeMap<FileId, String> {
    let mut by_file: BTreeMap<FileId, Vec<Edit>> = BTreeMap::new();
    let mut texts = BTreeMap::new();
    proposals.retain(|proposal| {
        let mut tried = BTreeMap::new();
        for (file, edit) in &proposal.edits {
            let edits = tried
                .entry(*file)
                .or_insert_with(|| by_file.get(file).cloned().unwrap_or_default());
            edits.push(edit.clone());
        }
        let mut new = BTreeMap::new();
        for (file, edits) in &tried {
            match edit::apply(&looking.sources.get(*file).text, edits) {
                Some(text) => new.insert(*file, text),
                None => {
                    explained.push(refused::in_the_way(looking, proposal.subject()));
                    return false;
                }
            };
        }
        by_file.extend(tried);
        texts.extend(new);
        true
    });
    texts.retain(|file, text| looking.sources.get(*file).text != *text);
    texts
}

/// The proposals, by number, that were no answer once the files are as proposed, each with why.
fn unanswered(
    looking: &Looking<'_>,
    compared: &Compared,
    before: &Drift,
    choice: &Choice,
    global: &Global,
    texts: &BTreeMap<FileId, String>,
    proposals: &[Proposal],
) -> BTreeMap<usize, String> {
    let by_name: BTreeMap<String, String> = texts
        .iter()
        .map(|(file, text)| (looking.sources.get(*file).name.clone(), text.clone()))
        .collect();
    let Loaded {
        manifest,
        diagnostics,
        ..
    } = load_edited(&session::options(global, Secrets::Skip), &by_name);
    let Some(manifest) = manifest.filter(|_| !has_errors(&diagnostics)) else {
        return blamed(&diagnostics, proposals);
    };
    let plan = compared.again(&manifest, looking.memory, choice);
    let mut found = plan.diagnostics.clone();
    found.retain(|d| d.code != "pin-gone");
    if has_errors(&found) {
        return blamed(&found, proposals);
    }
    let after = drift(&plan, &compared.bindings, looking.memory);
    // What was ahead before is ahead still; nothing else may be.
    let was_ahead = |d: &&Difference| before.ahead.iter().all(|b| b.subject != d.subject);
    let left = after.drifted.iter();
    let left: Vec<_> = left.chain(after.ahead.iter().filter(was_ahead)).collect();
    let numbered = proposals.iter().enumerate();
    numbered
        .filter(|(_, proposal)| left.iter().any(|d| proposal.promised(d)))
        .map(|(at, _)| (at, "what would be written is not what is live".to_owned()))
        .collect()
}

/// The proposals that mistakes are about: those that a mistake names, or all where it names none.
fn blamed(found: &[Diagnostic], proposals: &[Proposal]) -> BTreeMap<usize, String> {
    let errors = || found.iter().filter(|d| d.severity == Severity::Error);
    let numbered = || proposals.iter().enumerate();
    let named: BTreeMap<usize, String> = numbered()
        .filter_map(|(at, proposal)| {
            let mut subjects = proposal.accepts.iter().filter_map(|(s, _)| s.address());
            let mine = subjects.find_map(|address| {
                errors().find(|error| {
                    let about = error.address.as_ref();
                    about.is_some_and(|a| address.resource() == a.resource())
                        || error.summary.contains(&format!("`{}`", address.name))
                })
            })?;
            Some((at, mine.summary.clone()))
        })
        .collect();
    if !named.is_empty() {
        return named;
    }
    let first = errors().next().map_or("", |error| error.summary.as_str());
    numbered().map(|(at, _)| (at, first.to_owned())).collect()
}
