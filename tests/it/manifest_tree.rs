//! The tree against a second opinion, and against noise.

use beadle::model::diagnostic::{FileId, Sources};
use beadle::model::yaml::{NodeId, Tree, Yaml};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::manifest::Project;

/// The tree with every scalar as text, so that how plain scalars are typed plays no part.
fn ours(tree: &Tree<'_>, at: NodeId) -> serde_json::Value {
    match tree.get(at) {
        Yaml::Scalar { text, .. } => text.into(),
        Yaml::List(items) => items.iter().map(|item| ours(tree, *item)).collect(),
        Yaml::Map(pairs) => {
            let pairs = pairs.chunks_exact(2);
            serde_json::Value::Object(
                pairs
                    .map(|p| (tree.key(p[0]).to_owned(), ours(tree, p[1])))
                    .collect(),
            )
        }
    }
}

/// The same from the other reader, which types plain scalars: they are compared by its spelling.
fn same(ours: &serde_json::Value, theirs: &serde_yaml::Value) -> bool {
    use serde_yaml::Value;
    match (ours, theirs) {
        (serde_json::Value::Array(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (serde_json::Value::Object(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && b.iter().all(|(key, value)| match key {
                    Value::String(key) => a.get(key).is_some_and(|a| same(a, value)),
                    // A key that it types as something else is found by position or not at all.
                    _ => a.values().any(|a| same(a, value)),
                })
        }
        (serde_json::Value::String(a), Value::String(b)) => a == b,
        (serde_json::Value::String(a), Value::Null) => {
            matches!(a.as_str(), "" | "~" | "null" | "Null" | "NULL")
        }
        (serde_json::Value::String(a), Value::Bool(b)) => a.to_lowercase() == b.to_string(),
        (serde_json::Value::String(a), Value::Number(_)) => {
            a.starts_with(|c: char| c.is_ascii_digit() || ".+-".contains(c))
        }
        _ => false,
    }
}

fn agree(text: &str) {
    // Line breaks of YAML 1.1 that are plain characters in 1.2.
    // A block scalar that the end of the file ends has a line break in one of them only.
    if text.contains(['\u{85}', '\u{2028}', '\u{2029}']) || !text.ends_with('\n') {
        return;
    }
    let mut diagnostics = Vec::new();
    let tree = Tree::read(FileId(0), text, &mut diagnostics);
    let (Some(tree), true) = (tree, diagnostics.is_empty()) else {
        return;
    };
    let Ok(mut theirs) = serde_yaml::from_str::<serde_yaml::Value>(text) else {
        return;
    };
    if theirs.apply_merge().is_err() {
        return;
    }
    let ours = ours(&tree, tree.root());
    assert!(
        same(&ours, &theirs),
        "{text:?}\nours {ours}\ntheirs {theirs:?}"
    );
}

#[test]
fn both_readers_agree() {
    for text in [
        "a: b\n",
        "a: [b, {c: d}]\ne: {f: [g]}\n",
        "a: |\n  one\n  two\n\nb: >-\n  folded\n  text\n",
        "a: 'it''s'\nb: \"x\\ty\\u00e9\"\n",
        "a: &x {k: v}\nb: *x\nc: {<<: *x, d: e}\nd: {<<: [*x, {k: w, l: m}], z: q}\n",
        "- a\n-\n  - b\n- - c\n",
        "a:\n- b\n- c\n",
        "? a\n: b\n",
        "a: multi\n  line\n  text\n",
        "a:\nb: ~\nc: null\n",
        "\"quoted key\": 1\n项目: 值\n",
        "--- # comment\na: b # more\n...\n",
        "a: {}\nb: []\n",
        "a: b:c\nurl: http://x/y#z\n",
        "a: 12:30\r\nb: 0x1f\r\nc: .5\r\n",
    ] {
        let mut diagnostics = Vec::new();
        assert!(
            Tree::read(FileId(0), text, &mut diagnostics).is_some(),
            "{text:?}"
        );
        assert_eq!(diagnostics, [], "{text:?}");
        agree(text);
    }
}

const SEED: &str = "version: 1
providers: { feishu: { app_id: cli_a, app_secret: \"${env:SECRET}\" } }
vars: { on: true, deep: \"${var:on}\" }
defaults: { tasklist_subscriptions: { events: [task.added] } }
tasklists:
  release: &r { guid: d300a75f }
  other: { <<: *r, guid: '12' }
chats:
  room: { id: oc_a }
tasklist_subscriptions:
  one:
    tasklists: [release, other]
    subscribers: [room, \"oc_${var:on}\"]
    name: |
      text
    events: all
";

/// Pieces that break YAML in interesting places.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "\n", "\t", " ", "  ", ":", ": ", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "<<: *r", "|", ">", "'", "\"",
            "\\", "#", "---\n", "...\n", "%YAML 1.2\n", "!!str ", "!x ", "${", "}", "$${", "${var:on}", "~", "null", "\r", "\u{feff}",
            "\0", "é", "项", "\u{85}", "\u{2028}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,4}",
    ]
}

fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<proptest::sample::Index>(), 0..12_usize, piece());
    proptest::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text: Vec<char> = SEED.chars().collect();
        for (at, cut, put) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + cut).min(text.len());
            text.splice(at..end, put.chars());
        }
        text.into_iter().collect()
    })
}

/// Every span lies in its file, on characters, and every renderer copes.
fn survive(text: &str) {
    let files = [("beadle.yaml", SEED), ("x.yaml", text)];
    for files in [&files[1..], &files[..]] {
        let (sources, _, diagnostics) = Project::new(files).read();
        let spans = diagnostics
            .iter()
            .flat_map(|d| d.span.into_iter().chain(d.related.iter().map(|r| r.0)));
        for span in spans {
            let text = &sources.get(span.file).text;
            assert!(
                text.get(span.start as usize..span.end as usize).is_some(),
                "{span:?} of {text:?}"
            );
        }
        render(&sources, &diagnostics);
    }
}

fn render(sources: &Sources, diagnostics: &[beadle::model::Diagnostic]) {
    use beadle::cli::diagnostics::{github, human, report};
    for (finding, d) in report(sources, diagnostics)
        .diagnostics
        .iter()
        .zip(diagnostics)
    {
        if let (Some(range), Some(span)) = (&finding.range, d.span) {
            let place = sources.place(span.file, span.start);
            assert_eq!(
                (range.start.line, range.start.column),
                (place.line, place.column)
            );
        }
    }
    let shown = human(sources, diagnostics, false, 100);
    assert!(!shown.contains('\0') && !shown.contains('\u{1b}'));
    assert_eq!(
        github(sources, diagnostics, "").lines().count(),
        diagnostics.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(20_261_121), ..ProptestConfig::default() })]

    #[test]
    fn no_noise_makes_it_panic(text in proptest::collection::vec(piece(), 0..40)) {
        survive(&text.concat());
    }

    #[test]
    fn no_edit_makes_it_panic(text in mutated()) {
        survive(&text);
        agree(&text);
    }
}
