//! What `apply` says while it goes on, and of how it ended.

use crate::cli::args::Format;
use crate::cli::json::{ApplyEventJson, FORMAT_VERSION};
use crate::cli::planning::Planned;
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::engine::apply::{ApplyEvent, Failure as Failed, Outcome, Report, Skip};
use crate::engine::ledger::EntryOutcome;
use crate::model::Fields;

pub(super) fn tell_settled(address: &str, operation: &str, outcome: EntryOutcome, ui: &Ui) {
    let word = if outcome == EntryOutcome::SettledApplied {
        "applied"
    } else {
        "absent"
    };
    if ui.format() == Format::Json {
        ui.print_json_line(&ApplyEventJson::Settled {
            address: address.to_owned(),
            operation: operation.to_owned(),
            outcome: word.to_owned(),
        });
    } else {
        let words = match word {
            "applied" => "it had taken effect",
            _ => "it had not taken effect",
        };
        ui.say(&format!("Settled {address}: {operation}, {words}."));
    }
}

pub(super) fn tell(event: &ApplyEvent<'_>, ui: &Ui) {
    match event {
        ApplyEvent::Started(change) => {
            if ui.format() == Format::Json {
                ui.print_json_line(&ApplyEventJson::Started {
                    address: change.subject.to_string(),
                    action: change.action.as_str().to_owned(),
                });
            }
        }
        ApplyEvent::Finished(change, outcome) => {
            let (word, id, why) = words(outcome);
            let action = change.action.as_str();
            let mut address = change.subject.to_string();
            if let (None, Some(name), Format::Human) = (
                change.subject.address(),
                change.before().and_then(Fields::name),
                ui.format(),
            ) {
                address = format!("{address} \"{}\"", clean(name));
            }
            if ui.format() == Format::Json {
                ui.print_json_line(&ApplyEventJson::Finished {
                    address,
                    action: action.to_owned(),
                    outcome: word.to_owned(),
                    id,
                    why,
                });
            } else {
                let line = match why {
                    None => format!("{address}: {}", done(action)),
                    Some(why) => format!("{address}: {action} {word}: {}", clean(&why)),
                };
                ui.say(&line);
            }
        }
    }
}

fn done(action: &str) -> &'static str {
    match action {
        "create" => "created",
        "update" => "updated",
        "replace" => "replaced",
        "delete" => "deleted",
        "adopt" => "adopted",
        _ => "forgotten",
    }
}

fn words(outcome: &Outcome) -> (&'static str, Option<String>, Option<String>) {
    match outcome {
        Outcome::Applied(id) => ("applied", id.as_ref().map(ToString::to_string), None),
        Outcome::Failed(failed) => {
            let why = match failed {
                Failed::Api(error) => error.with_hint(),
                Failed::Stale(why) => format!("stale: {why}"),
                Failed::Ledger(why) => format!("the ledger: {why}"),
                Failed::Rejected(people) => {
                    let each: Vec<_> = people
                        .iter()
                        .take(10)
                        .map(|(id, why)| format!("{id} {why}"))
                        .collect();
                    let more = match people.len().saturating_sub(each.len()) {
                        0 => String::new(),
                        n => format!(", and {n} more"),
                    };
                    format!(
                        "the rest is done, but {}{more}; `beadle validate --online` names the lines that list them",
                        each.join(", ")
                    )
                }
                Failed::Half(error) => {
                    format!(
                        "the new object is there, the old one could not be deleted: {}",
                        error.with_hint()
                    )
                }
            };
            ("failed", None, Some(why))
        }
        Outcome::Skipped(skip) => {
            let why = match skip {
                Skip::Requires(subject) => format!("it requires {subject}, which was not applied"),
                Skip::Interrupted => "interrupted".to_owned(),
                Skip::LeaseLost => "the lease was lost".to_owned(),
                Skip::LedgerFailed => "the ledger failed before".to_owned(),
            };
            ("skipped", None, Some(why))
        }
        Outcome::Unknown(error) => (
            "unknown",
            None,
            Some(format!("{error}; the next apply settles it")),
        ),
    }
}

pub(super) fn summarise(report: &Report, planned: &Planned, ui: &Ui) {
    let count_of = |word: &str| {
        report
            .outcomes
            .iter()
            .filter(|(_, o)| words(o).0 == word)
            .count()
    };
    let (applied, failed, skipped, unknown) = (
        count_of("applied"),
        count_of("failed"),
        count_of("skipped"),
        count_of("unknown"),
    );
    let unread = planned.plan.unread.len();
    if ui.format() == Format::Json {
        ui.print_json_line(&ApplyEventJson::Summary {
            format_version: FORMAT_VERSION,
            applied,
            failed,
            skipped,
            unknown,
            unread,
        });
        return;
    }
    let mut parts = vec![format!("{applied} applied")];
    for (n, word) in [
        (failed, "failed"),
        (skipped, "skipped"),
        (unknown, "unknown"),
        (unread, "unread"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    let bound = planned.json.binds.len();
    let tail = if bound > 0 {
        format!(" {} bound.", count(bound, "object"))
    } else {
        String::new()
    };
    ui.print(&format!("Apply: {}.{tail}\n", parts.join(", ")));
}
