//! Changes of YAML that touch only what they must: a table of files in every style.

use std::collections::BTreeSet;

use beadle::model::diagnostic::FileId;
use beadle::model::edit::{Editor, Refusal, Scalar, apply};
use beadle::model::yaml::{NodeId, Tree, Yaml};

/// Finds a value by its keys, with its key and what holds it.
fn find(tree: &Tree<'_>, path: &[&str]) -> (NodeId, NodeId, NodeId, usize) {
    let mut at = (tree.root(), tree.root(), tree.root(), 0);
    for word in path {
        let Yaml::Map(pairs) = tree.get(at.1) else {
            panic!("{word} stands in no mapping");
        };
        let number = pairs
            .chunks_exact(2)
            .position(|p| tree.key(p[0]) == *word)
            .unwrap();
        at = (pairs[2 * number], pairs[2 * number + 1], at.1, number);
    }
    at
}

/// What is done to the value at a path.
#[derive(Clone, Copy, Debug)]
enum Do<'a> {
    Set(&'a str),
    /// Remove these elements and add those.
    Items(&'a [usize], &'a [&'a str]),
    Add(&'a str, &'a str),
    /// Remove the pairs with these keys.
    Remove(&'a [&'a str]),
}

fn run(text: &str, path: &str, what: Do<'_>) -> Result<String, Refusal> {
    let mut found = Vec::new();
    let tree =
        Tree::read(FileId(0), text, &mut found).unwrap_or_else(|| panic!("{found:?}\n{text}"));
    let path: Vec<&str> = path.split('.').filter(|word| !word.is_empty()).collect();
    let (key, at, ..) = find(&tree, &path);
    let mut editor = Editor::new(&tree);
    match what {
        Do::Set(value) => editor.set_scalar(key, at, Scalar::Text(value))?,
        Do::Items(remove, add) => {
            let remove: BTreeSet<usize> = remove.iter().copied().collect();
            let add: Vec<_> = add.iter().map(|one| Scalar::Text(one)).collect();
            editor.set_items(key, at, &remove, &add)?;
        }
        Do::Add(name, value) => editor.add_pair(at, name, Scalar::Text(value))?,
        Do::Remove(names) => {
            let numbers = names.iter().map(|name| {
                let mut inner = path.clone();
                inner.push(name);
                find(&tree, &inner).3
            });
            editor.remove_pairs(key, at, &numbers.collect())?;
        }
    }
    Ok(apply(text, &editor.into_edits()).expect("edits of one kind do not overlap"))
}

/// The value at a path, as data.
fn value(text: &str, path: &str) -> serde_json::Value {
    let yaml = plain(text);
    path.split('.')
        .filter(|word| !word.is_empty())
        .fold(yaml, |value, word| value[word].clone())
}

/// Our own reader, as plain data.
fn plain(text: &str) -> serde_json::Value {
    fn data(tree: &Tree<'_>, at: NodeId) -> serde_json::Value {
        match tree.get(at) {
            Yaml::Scalar { text, .. } => text.into(),
            Yaml::List(items) => items.iter().map(|item| data(tree, *item)).collect(),
            Yaml::Map(pairs) => pairs
                .chunks_exact(2)
                .map(|pair| (tree.key(pair[0]).to_owned(), data(tree, pair[1])))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
    let mut found = Vec::new();
    let tree =
        Tree::read(FileId(0), text, &mut found).unwrap_or_else(|| panic!("{found:?}\n{text}"));
    assert!(found.is_empty(), "{found:?}\n{text}");
    data(&tree, tree.root())
}

#[track_caller]
fn check(before: &str, path: &str, what: Do<'_>, after: &str) {
    let now = run(before, path, what).unwrap_or_else(|why| panic!("{why}\n{before}"));
    assert_eq!(now, after, "{what:?}");
    match what {
        Do::Set(text) => assert_eq!(value(&now, path), text),
        Do::Add(key, text) => assert_eq!(value(&now, path)[key], text),
        Do::Remove(keys) => {
            for key in keys {
                assert!(value(&now, path).get(*key).is_none(), "{key}");
            }
        }
        Do::Items(remove, add) => {
            let old = value(before, path);
            let kept = old.as_array().unwrap().iter().enumerate();
            let kept = kept
                .filter(|(at, _)| !remove.contains(at))
                .map(|(_, v)| v.clone());
            let all: Vec<_> = kept.chain(add.iter().map(|one| (*one).into())).collect();
            assert_eq!(value(&now, path), serde_json::Value::from(all));
        }
    }
}

#[test]
fn a_scalar_keeps_its_style() {
    for (before, value, after) in [
        ("a: x\n", "y", "a: y\n"),
        ("a: x # why\n", "y: z", "a: \"y: z\" # why\n"),
        ("a: 'x'   # why\n", "it's", "a: 'it''s'   # why\n"),
        ("a: \"x\"\n", "\"y\"", "a: \"\\\"y\\\"\"\n"),
        ("a: !!str x\n", "y", "a: !!str y\n"),
        ("a: &unused x\n", "y", "a: &unused y\n"),
        ("{ a: x, b: c }\n", "y, z", "{ a: \"y, z\", b: c }\n"),
        ("{a: x}", "y", "{a: y}"),
        (
            "a: x\n  y\n  z # why\nb: c\n",
            "one",
            "a: one # why\nb: c\n",
        ),
        ("a: \"x\n\n  y\"\nb: c\n", "one", "a: \"one\"\nb: c\n"),
        ("a:\n  x\nb: c\n", "y", "a:\n  y\nb: c\n"),
        ("a: # why\n  x\n", "y", "a: # why\n  y\n"),
        ("a:\nb: c\n", "y", "a: y\nb: c\n"),
        ("a: # why\nb: c\n", "y", "a: y # why\nb: c\n"),
        ("a: x\r\nb: c\r\n", "y", "a: y\r\nb: c\r\n"),
        ("项目: 发布 # 说明\n", "进度", "项目: 进度 # 说明\n"),
        (
            "a: |\n  one\n  two\n  three\n\nb: c\n",
            "one\n2\nthree\n",
            "a: |\n  one\n  2\n  three\n\nb: c\n",
        ),
        (
            "a: |- # why\n  one\nb: c\n",
            "x\n\ny",
            "a: |- # why\n  x\n\n  y\nb: c\n",
        ),
        ("a: |\n  one\nb: c\n", "x", "a: |-\n  x\nb: c\n"),
        (
            "a: |-\r\n  one\r\nb: c\r\n",
            "x\ny",
            "a: |-\r\n  x\r\n  y\r\nb: c\r\n",
        ),
        ("a: >-\n  one\n  two\nb: c\n", "x", "a: >-\n  x\nb: c\n"),
        (
            "a: > # why\n  one\n  two\nb: c\n",
            "x\ny",
            "a: \"x\\ny\" # why\nb: c\n",
        ),
        ("a: |+\n  one\n\nb: c\n", "x", "a: \"x\"\n\nb: c\n"),
        ("a: |2\n   one\nb: c\n", " x", "a: \" x\"\nb: c\n"),
        ("a: x", "${var:y}", "a: $${var:y}"),
    ] {
        let key = before
            .trim_start_matches('{')
            .trim_start()
            .split(':')
            .next()
            .unwrap();
        let now = run(before, key, Do::Set(value)).unwrap_or_else(|why| panic!("{why}\n{before}"));
        assert_eq!(now, after, "{before}");
        let said = value.replace("${", "$${");
        assert_eq!(self::value(&now, key), said, "{now}");
    }
}

#[test]
fn elements_of_a_list_in_brackets() {
    for (before, remove, add, after) in [
        ("a: [x, y]", &[1][..], &["z"][..], "a: [x, z]"),
        ("a: [x, y, z]", &[0], &[], "a: [y, z]"),
        ("a: [x, y, z]", &[1], &[], "a: [x, z]"),
        ("a: [x, y, z]", &[1, 2], &[], "a: [x]"),
        ("a: [x, y, z]", &[0, 1], &[], "a: [z]"),
        (
            "a: [ x, y ] # why",
            &[0],
            &["u", "v"],
            "a: [ y, u, v ] # why",
        ),
        ("a: [ x, y ]", &[0, 1], &["u", "v"], "a: [ u, v ]"),
        ("a: [ x, y ]", &[0, 1], &[], "a: []"),
        ("a: []", &[], &["x", "y"], "a: [x, y]"),
        ("a: [x, y, ]", &[1], &[], "a: [x, ]"),
        ("a: [x, ]", &[], &["y"], "a: [x, y, ]"),
        ("a: [x, ]", &[0], &[], "a: []"),
        ("a: [\"x\", \"y\"]", &[0], &["z"], "a: [\"y\", \"z\"]"),
        ("a: ['x', y]", &[], &["z"], "a: ['x', y, z]"),
        ("a: [&one x, y]", &[0], &[], "a: [y]"),
        ("a: [x, &two y]", &[1], &[], "a: [x]"),
        (
            "a: [\n  x, # one\n  y, # two\n  z # three\n]\n",
            &[1],
            &[],
            "a: [\n  x, # one\n  z # three\n]\n",
        ),
        (
            "a: [\n  x, # one\n  y # two\n]\n",
            &[],
            &["z"],
            "a: [\n  x, # one\n  y, # two\n  z\n]\n",
        ),
        (
            "a: [\n  x, # one\n  y, # two\n]\n",
            &[1],
            &["u", "v"],
            "a: [\n  x, # one\n  u,\n  v,\n]\n",
        ),
        ("a: [\n  x,\n  y\n]\n", &[1], &[], "a: [\n  x,\n]\n"),
        ("a: [x,\n    y]\n", &[], &["z"], "a: [x,\n    y,\n    z]\n"),
        ("a: [x,\n    y]\n", &[1], &[], "a: [x]\n"),
        (
            "a: [x, # one, two\n    y]\n",
            &[1],
            &[],
            "a: [x, # one, two\n    ]\n",
        ),
        ("a: [x, y,\n    z]\n", &[1], &[], "a: [x,\n    z]\n"),
        ("a: [x, y,\n    z]\n", &[0, 1], &[], "a: [\n    z]\n"),
        (
            "a: [\r\n  x,\r\n  y\r\n]\r\n",
            &[],
            &["z"],
            "a: [\r\n  x,\r\n  y,\r\n  z\r\n]\r\n",
        ),
        ("a: [发布, 值班]", &[0], &["夜班"], "a: [值班, 夜班]"),
    ] {
        check(before, "a", Do::Items(remove, add), after);
    }
}

#[test]
fn elements_of_a_list_in_lines() {
    for (before, remove, add, after) in [
        (
            "a:\n  - x\n  - y # two\n",
            &[1][..],
            &["z"][..],
            "a:\n  - x\n  - z\n",
        ),
        ("a:\n- x\n- y\nb: c\n", &[0], &[], "a:\n- y\nb: c\n"),
        (
            "a:\n  # all\n  - x\n  # the second\n  # one\n  - y\n  # end\nb: c\n",
            &[0, 1],
            &["z"],
            "a:\n  # all\n  - z\n  # end\nb: c\n",
        ),
        ("a: # why\n  - x\n", &[0], &[], "a: [] # why\n"),
        ("a:\n  -   x\n", &[], &["y"], "a:\n  -   x\n  -   y\n"),
        ("a:\n  - 'x'\n  - 'y'", &[0], &["z"], "a:\n  - 'y'\n  - 'z'"),
        (
            "a:\n  - x\n\n  - y\n\nb: c\n",
            &[],
            &["z"],
            "a:\n  - x\n\n  - y\n  - z\n\nb: c\n",
        ),
        (
            "a:\r\n  - x\r\n  - y\r\n",
            &[1],
            &["z"],
            "a:\r\n  - x\r\n  - z\r\n",
        ),
        (
            "a:\n  - &one x\n  - y\n",
            &[0],
            &["z"],
            "a:\n  - y\n  - z\n",
        ),
        (
            "a:\n  - x\n    # about x\n  - y\n",
            &[0],
            &[],
            "a:\n  - y\n",
        ),
    ] {
        check(before, "a", Do::Items(remove, add), after);
    }
}

#[test]
fn a_pair_is_added_in_the_style_of_its_block() {
    for (before, path, after) in [
        ("a:\n  b: c # why\n", "a", "a:\n  b: c # why\n  k: v\n"),
        (
            "a:\n    b: c\nd: e\n",
            "a",
            "a:\n    b: c\n    k: v\nd: e\n",
        ),
        ("a:\n  b: c", "a", "a:\n  b: c\n  k: v"),
        ("a:\r\n  b: c\r\n", "a", "a:\r\n  b: c\r\n  k: v\r\n"),
        (
            "a:\n  b:\n    - x\n    # end\nd: e\n",
            "a",
            "a:\n  b:\n    - x\n  k: v\n    # end\nd: e\n",
        ),
        (
            "a:\n  b: [\n    x\n  ] # why\n",
            "a",
            "a:\n  b: [\n    x\n  ] # why\n  k: v\n",
        ),
        ("a: { b: c }\n", "a", "a: { b: c, k: v }\n"),
        ("a: {b: c}\n", "a", "a: {b: c, k: v}\n"),
        ("a: { b: c, }\n", "a", "a: { b: c, k: v, }\n"),
        ("a: {}\n", "a", "a: { k: v }\n"),
        (
            "a: { b: { c: [d] }, e: f } # why\n",
            "a.b",
            "a: { b: { c: [d], k: v }, e: f } # why\n",
        ),
        (
            "a: {\n  b: c, # one\n  d: e # two\n}\n",
            "a",
            "a: {\n  b: c, # one\n  d: e, # two\n  k: v\n}\n",
        ),
        ("a:\n  b:\n", "a", "a:\n  b:\n  k: v\n"),
        ("a: { b: }\n", "a", "a: { b:, k: v }\n"),
    ] {
        check(before, path, Do::Add("k", "v"), after);
    }
}

#[test]
fn what_comes_at_one_place_comes_from_the_inside_out() {
    for (before, after) in [
        (
            "a:\n  b:\n    - x\n    - y\n",
            "a:\n  b:\n    - x\n    - z\n  k: v\n",
        ),
        (
            "a:\n  b:\n    - x\n    - y",
            "a:\n  b:\n    - x\n    - z\n  k: v\n",
        ),
        (
            "a:\n  b:\n    - x\n    - y\n      # about y\nc: d\n",
            "a:\n  b:\n    - x\n    - z\n  k: v\nc: d\n",
        ),
        (
            "a:\r\n  b:\r\n  - x\r\n  - y\r\nc: d",
            "a:\r\n  b:\r\n  - x\r\n  - z\r\n  k: v\r\nc: d",
        ),
    ] {
        let mut found = Vec::new();
        let tree = Tree::read(FileId(0), before, &mut found).unwrap();
        let (_, map, ..) = find(&tree, &["a"]);
        let (key, list, ..) = find(&tree, &["a", "b"]);
        let mut editor = Editor::new(&tree);
        editor.add_pair(map, "k", Scalar::Text("v")).unwrap();
        editor
            .set_items(key, list, &[1].into(), &[Scalar::Text("z")])
            .unwrap();
        assert_eq!(
            apply(before, &editor.into_edits()).unwrap().trim_end(),
            after.trim_end()
        );
    }
}

#[test]
fn a_block_goes_with_what_was_said_about_it() {
    for (before, path, remove, after) in [
        (
            "s:\n  a: { b: c }\n  d: { e: f }\n",
            "s",
            &["a"][..],
            "s:\n  d: { e: f }\n",
        ),
        (
            "s:\n  # about a\n  a:\n    b: c\n\n  # about d\n  d:\n    e: f\n",
            "s",
            &["a"],
            "s:\n  # about d\n  d:\n    e: f\n",
        ),
        (
            "s:\n  # about a\n  a:\n    b: c\n\n  # about d\n  d:\n    e: f\n",
            "s",
            &["d"],
            "s:\n  # about a\n  a:\n    b: c\n",
        ),
        (
            "s:\n  # a section\n\n  # about a\n  a:\n    b: c\n    # in a\n  d:\n    e: f\n",
            "s",
            &["a"],
            "s:\n  # a section\n\n  d:\n    e: f\n",
        ),
        ("s: # all\n  a: b\n", "s", &["a"], "s: {} # all\n"),
        ("s:\n  a: b\n\n\nt: u\n", "s", &["a"], "s: {}\n\nt: u\n"),
        (
            "s:\n  a: b\n  c: d\n\nt: u\n",
            "s",
            &["c"],
            "s:\n  a: b\n\nt: u\n",
        ),
        (
            "s: { a: b, c: d, e: f }\n",
            "s",
            &["c"],
            "s: { a: b, e: f }\n",
        ),
        ("s: { a: b, c: d }\n", "s", &["c"], "s: { a: b }\n"),
        ("s: { a: b, c: d }\n", "s", &["a", "c"], "s: {}\n"),
        (
            "s:\r\n  a: b\r\n  c: d\r\n",
            "s",
            &["a"],
            "s:\r\n  c: d\r\n",
        ),
        (
            "s:\n  a: b\n  c: |\n    d\n\n    e\n  f: g",
            "s",
            &["c", "f"],
            "s:\n  a: b\n",
        ),
    ] {
        check(before, path, Do::Remove(remove), after);
    }
}

#[test]
fn what_is_decided_elsewhere_is_refused() {
    let cases: [(&str, &str, Do<'_>, &str); 11] = [
        ("a: &x y\nb: *x\n", "b", Do::Set("z"), "alias"),
        ("a: &x y\nb: *x\n", "a", Do::Set("z"), "anchor"),
        ("a: &x [y]\nb: *x\n", "b", Do::Items(&[0], &[]), "alias"),
        ("a: &x [y]\nb: *x\n", "a", Do::Items(&[], &["z"]), "anchor"),
        ("a: [&x y, z]\nb: *x\n", "a", Do::Items(&[0], &[]), "anchor"),
        (
            "a: &x { b: c }\nd: { <<: *x }\n",
            "d.b",
            Do::Set("z"),
            "anchor",
        ),
        (
            "a: &x\n  b: c\nd:\n  <<: *x\n",
            "d.b",
            Do::Set("z"),
            "anchor",
        ),
        ("a: &x { b: c }\nd: *x\n", "d", Do::Add("k", "v"), "alias"),
        ("a: \"${var:x} y\"\n", "a", Do::Set("z"), "interpolation"),
        (
            "a: [\"${var:x}\", y]\n",
            "a",
            Do::Items(&[0], &[]),
            "interpolation",
        ),
        (
            "s:\n  a: &x { b: c }\n  d: *x\n",
            "s",
            Do::Remove(&["a"]),
            "anchor",
        ),
    ];
    for (text, path, what, why) in cases {
        let refusal = run(text, path, what).unwrap_err().to_string();
        assert!(refusal.contains(why), "{text}: {refusal}");
    }
    // What only uses an anchor can go, and what merges one can have keys of its own.
    check(
        "a: &x { b: c }\ns:\n  d: *x\n  e: f\n",
        "s",
        Do::Remove(&["d"]),
        "a: &x { b: c }\ns:\n  e: f\n",
    );
    check(
        "a: &x\n  b: c\nd:\n  <<: *x\n",
        "d",
        Do::Add("k", "v"),
        "a: &x\n  b: c\nd:\n  <<: *x\n  k: v\n",
    );
}
