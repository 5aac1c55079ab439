//! Which setting two texts of `beadle.yaml` disagree about.

use super::diagnostic::FileId;
use super::written::SETTINGS;
use super::yaml::{NodeId, Tree, Yaml};

/// The first setting that does not stand in both texts with the same value, as it is written: nothing
/// is put into it, and how it is laid out does not matter. None as well when one of them is no YAML.
#[must_use]
pub fn changed_setting(before: &str, after: &str) -> Option<&'static str> {
    let read = |text| Tree::read(FileId(0), text, &mut Vec::new());
    let (before, after) = (read(before)?, read(after)?);
    SETTINGS.into_iter().find(|key| {
        let (old, new) = (before.top(key), after.top(key));
        match (old, new) {
            (None, None) => false,
            (Some((_, old)), Some((_, new))) => !same((&before, old), (&after, new)),
            _ => true,
        }
    })
}

/// Depth and size are bounded by whoever made the trees.
fn same((one, a): (&Tree<'_>, NodeId), (other, b): (&Tree<'_>, NodeId)) -> bool {
    let all = |a: &[NodeId], b: &[NodeId]| {
        let mut pairs = a.iter().zip(b);
        a.len() == b.len() && pairs.all(|(a, b)| same((one, *a), (other, *b)))
    };
    match (one.get(a), other.get(b)) {
        (Yaml::Scalar { text, plain }, Yaml::Scalar { text: t, plain: p }) => {
            (text, plain) == (t, p)
        }
        (Yaml::List(a), Yaml::List(b)) => all(a, b),
        (Yaml::Map(a), Yaml::Map(b)) => {
            a.len() == b.len()
                && a.chunks_exact(2).all(|pair| {
                    let mut others = b.chunks_exact(2);
                    let key = one.key(pair[0]);
                    let found = others.find(|there| other.key(there[0]) == key);
                    found.is_some_and(|there| same((one, pair[1]), (other, there[1])))
                })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::changed_setting;

    #[test]
    fn layout_order_and_resources_are_no_change_of_a_setting() {
        let before = "version: 1\nvars: { a: x, b: [1, 2] }\ntasklists: {}\n";
        let check = |after| changed_setting(before, after);
        assert_eq!(check(before), None);
        assert_eq!(
            check("# new\ntasklists: { t: { guid: g } }\nvars:\n  b: [1, 2]\n  a: x\nversion: 1\n"),
            None
        );
        assert_eq!(
            check("version: 1\nvars: { a: x, b: [2, 1] }\n"),
            Some("vars")
        );
        assert_eq!(check("version: 1\nvars: { a: x }\n"), Some("vars"));
        assert_eq!(check("version: 1\n"), Some("vars"));
        assert_eq!(
            check("version: 1\nvars: { a: x, b: [1, \"2\"] }\n"),
            Some("vars")
        );
        assert_eq!(
            check("version: 1\nvars: { a: x, b: [1, 2] }\nguards: {}\n"),
            Some("guards")
        );
    }
}
