//! What documents say is true: sessions run as shown, commands exist, links lead somewhere, and the
//! Chinese README keeps step.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::examples::copy;
use crate::support::project::{Ran, beadle};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README in both languages, the changelog, and every page of `docs` and `examples`.
fn pages() -> Vec<PathBuf> {
    fn markdown(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                markdown(&path, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    let mut found: Vec<_> = ["README.md", "README.zh-CN.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .to_vec();
    for dir in ["docs", "examples", "benches"] {
        markdown(&root().join(dir), &mut found);
    }
    found
}

/// The fenced blocks of a page: the word after the fence, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(word)) => open = Some((word.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

#[test]
fn the_session_of_the_readme_runs_as_it_is_shown() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let after = readme.split_once("\n## In a terminal\n").unwrap().1;
    let (word, session) = blocks(after.split("\n## ").next().unwrap()).remove(0);
    assert_eq!(word, "console");
    let dir = tempfile::tempdir().unwrap();
    copy(&root().join("examples"), &dir.path().join("examples"));
    let bin = Path::new(env!("CARGO_BIN_EXE_beadle")).parent().unwrap();
    let mut here = dir.path().to_owned();
    let mut commands = 0;
    for step in format!("\n{session}").split("\n$ ").skip(1) {
        let (command, shown) = step.split_once('\n').unwrap_or((step, ""));
        if let Some(folder) = command.strip_prefix("cd ") {
            here.push(folder);
            continue;
        }
        let mut shell = Command::new("/bin/sh");
        shell.current_dir(&here).env_clear().args(["-c", command]);
        shell
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("COLUMNS", "100");
        let ran: Ran = shell.output().unwrap().into();
        assert!(
            matches!(ran.status, Some(0 | 2)),
            "{command}\n{}",
            ran.stderr
        );
        assert_eq!(ran.stdout.trim_end(), shown.trim_end(), "$ {command}");
        commands += 1;
    }
    assert!(commands >= 4);
}

#[test]
fn every_command_in_a_document_exists_with_its_flags() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (word, block) in blocks(&text) {
            if !["sh", "console"].contains(&word.as_str()) {
                continue;
            }
            for args in commands(&block) {
                let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
                // Help comes only after all before it has been understood.
                args.push("--help");
                let ran: Ran = beadle(dir.path()).args(&args).output().unwrap().into();
                let page = page.strip_prefix(root()).unwrap().display();
                assert_eq!(
                    ran.status,
                    Some(0),
                    "{page}: beadle {args:?}\n{}",
                    ran.stderr
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 25, "{seen}");
}

/// The commands of beadle in a block, each as its arguments.
fn commands(block: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in block.lines() {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let line = match line.strip_prefix("cargo run --release -- ") {
            Some(rest) => format!("beadle {rest}"),
            None => line.to_owned(),
        };
        let line = line.split(" #").next().unwrap_or_default();
        for part in line.split(" | ").flat_map(|part| part.split(" && ")) {
            let Some(command) = part.trim().strip_prefix("beadle ") else {
                continue;
            };
            let words = command
                .split_whitespace()
                .take_while(|word| !word.starts_with('>'));
            found.push(
                words
                    .map(|word| word.trim_matches(['"', '\'']).to_owned())
                    .collect(),
            );
        }
    }
    found
}

/// An anchor as hosts of repositories make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let shown = page.strip_prefix(root()).unwrap().display();
            if !path.exists() {
                wrong.push(format!("{shown}: {target}"));
            } else if !part.is_empty() {
                let there = fs::read_to_string(&path).unwrap();
                let headings = there.lines().filter(|line| line.starts_with('#'));
                if !headings
                    .into_iter()
                    .any(|line| anchor(line.trim_start_matches('#')) == part)
                {
                    wrong.push(format!("{shown}: {target}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_chinese_readme_has_the_same_sections_and_the_same_code() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (english, chinese) = (read("README.md"), read("README.zh-CN.md"));
    // Outside of code, where `#` begins a comment.
    let levels = |text: &str| -> Vec<usize> {
        let mut inside = false;
        let mut found = Vec::new();
        for line in text.lines() {
            inside ^= line.starts_with("```");
            if !inside && line.starts_with('#') {
                found.push(line.chars().take_while(|c| *c == '#').count());
            }
        }
        found
    };
    assert_eq!(levels(&english), levels(&chinese), "the headings differ");
    let (english, chinese) = (blocks(&english), blocks(&chinese));
    for (ours, theirs) in english.iter().zip(&chinese) {
        assert_eq!(ours, theirs, "a block of code differs");
    }
    assert_eq!(english.len(), chinese.len());
}

#[test]
fn readmes_name_each_other_and_every_page_is_linked() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    assert!(read("README.md").contains("](README.zh-CN.md)"));
    assert!(read("README.zh-CN.md").contains("](README.md)"));
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let link = format!("](docs/{name}");
        for readme in ["README.md", "README.zh-CN.md"] {
            assert!(
                read(readme).contains(&link),
                "{readme} does not name docs/{name}"
            );
        }
    }
}
