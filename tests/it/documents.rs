//! Documents that name tests name tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn all_sources(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// Every `module::test` in backticks.
fn named(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|name| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
        name.contains("::") && name.chars().all(word)
    });
    let split = |path: &str| {
        let (module, name) = path.rsplit_once("::").unwrap();
        let module = module.rsplit("::").next().unwrap();
        (module.to_owned(), name.to_owned())
    };
    paths.map(split).collect()
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    all_sources(&root.join("tests/it"), &mut sources);
    all_sources(&root.join("src"), &mut sources);
    let mut missing = Vec::new();
    for (document, least) in [("docs/faults.md", 50), ("docs/threat-model.md", 20)] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let named = named(&text);
        assert!(named.len() >= least, "{document} names {}", named.len());
        for (module, name) in named {
            let file = format!("{module}.rs");
            let head = format!("fn {name}(");
            let is_there = sources.iter().any(|(path, source)| {
                let in_file = path.ends_with(&file) || path.ends_with(format!("{module}/mod.rs"));
                in_file && source.contains(&head)
            });
            if !is_there {
                missing.push(format!("{document}: {module}::{name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
