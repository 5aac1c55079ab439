//! Why a difference is not in the diff, at the place that decides it.

use crate::cli::looking::Looking;
use crate::model::edit::Refusal;
use crate::model::{Address, Diagnostic, Field, Span};
use crate::plan::Subject;

const CODE: &str = "not-in-patch";

/// A difference, or one field of it.
fn what(field: Option<Field>) -> String {
    field.map_or_else(|| "this".to_owned(), |field| format!("`{field}`"))
}

pub(super) fn at(
    address: &Address,
    span: impl Into<Option<Span>>,
    summary: impl Into<String>,
    help: impl Into<String>,
) -> Diagnostic {
    Diagnostic::warning(CODE, span, summary)
        .address(address.clone())
        .help(help)
}

/// A place that the editor does not change.
pub(super) fn refused(address: &Address, field: Option<Field>, refusal: &Refusal) -> Diagnostic {
    let what = what(field);
    let found = at(
        address,
        refusal.at(),
        format!("{what} is not in the diff: {refusal}"),
        match refusal {
            Refusal::Alias { .. } => {
                "Write the value out here, or change the one that the alias names if the others should have it too."
            }
            Refusal::Anchor { .. } => {
                "Changing it would change the others too; write their values out first."
            }
            Refusal::Interpolated { .. } => "Change the variable, or write the value out here.",
            Refusal::Form { .. } => "Change it by hand.",
        },
    );
    match refusal {
        Refusal::Alias { of, .. } => found.related(*of, "the alias stands for this"),
        Refusal::Anchor { used, .. } => found.related(*used, "used here"),
        Refusal::Interpolated { .. } | Refusal::Form { .. } => found,
    }
}

/// A value that `defaults` gives.
pub(super) fn from_defaults(address: &Address, field: Field, span: Span) -> Diagnostic {
    at(
        address,
        span,
        format!("`{field}` is not in the diff: its value comes from `defaults`"),
        format!(
            "Give {address} its own `{field}`, or change the default if the others should have it too."
        ),
    )
}

/// One of several instances that share a block.
pub(super) fn shared(address: &Address, field: Field, span: Span) -> Diagnostic {
    at(
        address,
        span,
        format!(
            "`{field}` is not in the diff: the block stands for several tasklists, and not all of them have moved alike"
        ),
        format!(
            "Take `{}` out of `tasklists` and give it a block of its own.",
            address.instance.as_ref().map_or("", |i| i.as_str())
        ),
    )
}

/// People, who stand in groups.
pub(super) fn members(address: &Address, span: Span) -> Diagnostic {
    at(
        address,
        span,
        "`members` is not in the diff: who belongs there is what groups say, and a group may be meant for more than this",
        "Change the groups, or let the others stay with `extra_members: keep` or `ignore: [members]`.",
    )
}

pub(super) fn unanswered(
    looking: &Looking<'_>,
    subject: Option<&Subject>,
    why: &str,
) -> Diagnostic {
    let summary = format!("this is not in the diff: {why}");
    general(looking, subject, summary)
}

pub(super) fn in_the_way(looking: &Looking<'_>, subject: Option<&Subject>) -> Diagnostic {
    let summary = "this is not in the diff: another change stands in the same place";
    general(looking, subject, summary.to_owned())
}

fn general(looking: &Looking<'_>, subject: Option<&Subject>, summary: String) -> Diagnostic {
    let mut found = Diagnostic::warning(CODE, None, summary).help("Change it by hand.");
    if let Some(address) = subject.and_then(Subject::address) {
        found.span = super::accept::span_of(looking.manifest, address);
        found.address = Some(address.clone());
    }
    found
}
