//! The order of changes: what is named before what names it, deletes last and in reverse.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, Subject};

/// A chain of subjects that each wait for the next, and the last for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<Subject>);

/// Puts changes in an order in which each stands after everything that it requires.
///
/// Between changes that do not wait for each other: deletes last and in reverse, the rest by subject.
/// A required subject without a change is already as it should be and is waited for by nobody.
///
/// # Errors
///
/// When changes wait for each other in a circle.
pub fn order(mut changes: Vec<Change>) -> Result<Vec<Change>, Cycle> {
    let late = |c: &Change| matches!(c.action, Action::Delete { .. } | Action::Forget { .. });
    changes.sort_by(|a, b| {
        late(a).cmp(&late(b)).then_with(|| {
            let forward = a.subject.cmp(&b.subject);
            if late(a) { forward.reverse() } else { forward }
        })
    });
    if changes.iter().all(|c| c.requires.is_empty()) {
        return Ok(changes);
    }

    let at: BTreeMap<&Subject, usize> = changes
        .iter()
        .enumerate()
        .map(|(i, c)| (&c.subject, i))
        .collect();
    let mut waits = vec![0_usize; changes.len()];
    let mut followers = vec![Vec::new(); changes.len()];
    for (i, change) in changes.iter().enumerate() {
        for required in &change.requires {
            if let Some(&first) = at.get(required) {
                waits[i] += 1;
                followers[first].push(i);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..changes.len()).filter(|i| waits[*i] == 0).collect();
    let mut order = Vec::with_capacity(changes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &follower in &followers[i] {
            waits[follower] -= 1;
            if waits[follower] == 0 {
                ready.insert(follower);
            }
        }
    }
    if order.len() < changes.len() {
        return Err(cycle(&changes, &at, &waits));
    }
    let mut slots: Vec<Option<Change>> = changes.into_iter().map(Some).collect();
    Ok(order
        .into_iter()
        .map(|i| slots[i].take().expect("each index once"))
        .collect())
}

/// Follows one chain of waiting changes until it bites its tail.
fn cycle(changes: &[Change], at: &BTreeMap<&Subject, usize>, waits: &[usize]) -> Cycle {
    let mut chain: Vec<usize> = Vec::new();
    let mut next = waits.iter().position(|w| *w > 0).expect("somebody waits");
    loop {
        if let Some(begin) = chain.iter().position(|i| *i == next) {
            return Cycle(
                chain[begin..]
                    .iter()
                    .map(|i| changes[*i].subject.clone())
                    .collect(),
            );
        }
        chain.push(next);
        next = changes[next]
            .requires
            .iter()
            .filter_map(|required| at.get(required).copied())
            .find(|i| waits[*i] > 0)
            .expect("a change that waits for ever waits for one that does too");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fields, Name};
    use crate::plan::Cause;

    fn change(name: &str, delete: bool, requires: &[&str]) -> Change {
        let subject = |name: &str| {
            Subject::Resource(format!("tasklist_subscription.{name}").parse().unwrap())
        };
        Change {
            subject: subject(name),
            provider: Name::new("feishu").unwrap(),
            collection: "t".into(),
            action: if delete {
                Action::Delete {
                    id: "x".into(),
                    live: None,
                }
            } else {
                Action::Create {
                    desired: Fields::default(),
                }
            },
            cause: Cause::Ahead,
            requires: requires.iter().map(|r| subject(r)).collect(),
            because: Vec::new(),
            protect: false,
        }
    }

    fn names(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|c| c.subject.address().unwrap().name.to_string())
            .collect()
    }

    #[test]
    fn deletes_come_last_and_in_reverse_unless_something_waits_for_them() {
        let plain = vec![
            change("a", true, &[]),
            change("b", true, &[]),
            change("c", false, &[]),
        ];
        assert_eq!(names(&order(plain).unwrap()), ["c", "b", "a"]);
        let first = vec![
            change("a", true, &[]),
            change("b", true, &[]),
            change("c", false, &["a"]),
        ];
        assert_eq!(names(&order(first).unwrap()), ["b", "a", "c"]);
    }

    #[test]
    fn a_circle_is_named() {
        let changes = vec![
            change("a", false, &["b"]),
            change("b", false, &["c"]),
            change("c", false, &["b"]),
        ];
        let Cycle(subjects) = order(changes).unwrap_err();
        let names: Vec<_> = subjects.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            ["tasklist_subscription.b", "tasklist_subscription.c"]
        );
    }
}
