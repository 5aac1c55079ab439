//! The three-way comparison of fields, and the patterns that spare names.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::manifest::{OnDelete, Subscription};
use crate::model::{Events, Field, Fields, Value};
use crate::plan::{Cause, FieldChange};

/// Compares field by field; ignored fields are as they are.
pub(super) fn compare(
    subscription: &Subscription,
    desired: &Fields,
    applied: Option<&Fields>,
    live: &Fields,
) -> Vec<FieldChange> {
    compare_fields(&subscription.ignore, desired, applied, live)
}

/// The same for any kind of object.
pub(super) fn compare_fields(
    ignore: &BTreeSet<Field>,
    desired: &Fields,
    applied: Option<&Fields>,
    live: &Fields,
) -> Vec<FieldChange> {
    desired
        .iter()
        .filter(|(field, _)| !ignore.contains(field))
        .filter_map(|(field, after)| {
            let live = live.get(field).map(Cow::Borrowed);
            let before = live.unwrap_or_else(|| Cow::Owned(absent(field)));
            if after.satisfied_by(&before) {
                return None;
            }
            let applied = applied.and_then(|fields| fields.get(field));
            Some(FieldChange {
                field,
                cause: cause(after, applied, &before),
                applied: applied.cloned(),
                before: before.into_owned(),
                after: after.clone(),
            })
        })
        .collect()
}

/// What a live object without the field has (page `tasklist-activity_subscription/get`).
fn absent(field: Field) -> Value {
    match field {
        Field::Name => Value::Text(String::new()),
        Field::Subscribers => Value::Chats(BTreeSet::new()),
        Field::Events => Value::Events(Events::default()),
        Field::Enabled => Value::Flag(true),
        Field::Description
        | Field::Owner
        | Field::Schedule
        | Field::Calendars
        | Field::Message
        | Field::Late
        | Field::Audience
        | Field::RevokeAfter
        | Field::Track
        | Field::OnUnknown => Value::Text(String::new()),
        Field::OnDelete => Value::Text(OnDelete::Keep.as_str().to_owned()),
        Field::People
        | Field::Include
        | Field::Exclude
        | Field::Members
        | Field::Added
        | Field::To
        | Field::Via
        | Field::OnProblem => Value::Items(BTreeSet::new()),
    }
}

fn cause(desired: &Value, applied: Option<&Value>, live: &Value) -> Cause {
    match applied {
        None => Cause::Differs,
        Some(applied) if applied.satisfied_by(live) => Cause::Ahead,
        Some(applied) if desired.satisfied_by(applied) => Cause::Drifted,
        Some(_) => Cause::Both,
    }
}

/// What the ledger remembers as applied: without what is left as it is live.
#[must_use]
pub fn applied(subscription: &Subscription, mut desired: Fields) -> Fields {
    for field in &subscription.ignore {
        desired.remove(*field);
    }
    desired
}

/// Whether a name fits a pattern with `*` (any characters) and `?` (one); nothing else is special.
///
/// A pattern spares objects from being deleted, so none may turn out to mean nothing.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut glob = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '[' | ']' => glob.extend(['[', c, ']']),
            // To the library two stars mean folders.
            '*' if glob.ends_with('*') => {}
            c => glob.push(c),
        }
    }
    let pattern = glob::Pattern::new(&glob).expect("brackets are escaped and stars stand alone");
    pattern.matches(name)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_kept_name_is_matched_whatever_the_pattern() {
        for (pattern, name) in [
            ("manual *", "manual one"),
            ("manual **", "manual a/b"),
            ("**", ""),
            ("[draft]*", "[draft] x"),
            ("[", "["),
            ("a?c", "a项c"),
            ("***?", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("manual *", "Manual one"),
            ("[ab]", "a"),
            ("a?c", "ac"),
            ("", "x"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
