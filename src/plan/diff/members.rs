//! Who is to come to a chat or contact user group, and who is to go.

use std::collections::BTreeSet;

use super::Work;
use super::declared::Declared;
use crate::model::manifest::ExtraMembers;
use crate::model::{Diagnostic, Field, Fields, Value};
use crate::plan::live::Object;
use crate::plan::{Cause, FieldChange};

impl<'a> Work<'a> {
    /// The change of members, if there is one: people are added who are listed, and removed only as far as
    /// `extra_members` says. The owner of a chat stays.
    pub(super) fn member_change(
        &mut self,
        declared: &Declared<'a>,
        object: &Object,
        applied: Option<&Fields>,
    ) -> Option<FieldChange> {
        let (desired, unseen) = self.roster(declared);
        let live = object.fields.items(Field::Members);
        let owner = match object.fields.get(Field::Owner) {
            Some(Value::Text(owner)) => Some(owner),
            _ => None,
        };
        let ours = applied.map(|applied| applied.items(Field::Added));
        let mut causes = BTreeSet::new();
        let known = applied
            .filter(|applied| applied.get(Field::Members).is_some())
            .map(|applied| applied.items(Field::Members));
        let mut after = live.clone();
        // Whoever owns a chat is in it, listed or not.
        for id in desired.iter().filter(|id| Some(*id) != owner) {
            if after.insert(id.clone()) {
                causes.insert(match known {
                    None => Cause::Differs,
                    Some(known) if known.contains(id) => Cause::Drifted,
                    Some(_) => Cause::Ahead,
                });
            }
        }
        let extra: Vec<&String> = live
            .iter()
            .filter(|id| !desired.contains(*id) && Some(*id) != owner)
            .filter(|id| match declared.extra {
                ExtraMembers::Remove => true,
                ExtraMembers::Keep => ours.is_some_and(|ours| ours.contains(*id)),
            })
            .collect();
        if unseen > 0 && !extra.is_empty() {
            let (count, them) = match extra.len() {
                1 => ("1 person".to_owned(), "is"),
                n => (format!("{n} people"), "are"),
            };
            self.plan.diagnostics.push(
                Diagnostic::warning(
                    "nobody-removed",
                    declared.span,
                    format!(
                        "{count} who {them} not listed stay in {}, because Feishu does not show {unseen} of those who are",
                        declared.address
                    ),
                )
                .address(declared.address.clone())
                .help("One of them may be one of those. Correct or remove the entries that are not shown."),
            );
        } else {
            for id in extra {
                after.remove(id);
                causes.insert(match (known, ours) {
                    (None, _) => Cause::Differs,
                    (Some(known), _) if known.contains(id) => Cause::Ahead,
                    (Some(_), Some(ours)) if ours.contains(id) => Cause::Ahead,
                    _ => Cause::Drifted,
                });
            }
        }
        let cause = Cause::all(causes)?;
        Some(FieldChange {
            field: Field::Members,
            before: Value::Items(live.clone()),
            applied: known.map(|known| Value::Items(known.clone())),
            after: Value::Items(after),
            cause,
        })
    }
}
