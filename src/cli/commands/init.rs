//! `init`: a project to begin with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, Global, Init};
use crate::cli::error::Failure;
use crate::cli::load::ROOT as MANIFEST;
use crate::cli::starter::{self, Choices, IGNORE, Written};
use crate::cli::text::{clean, count};
use crate::cli::ui::Ui;
use crate::model::Name;

pub(super) fn run(global: &Global, init: &Init, ui: &Ui) -> Result {
    super::only(ui, "init", &[Format::Human])?;
    let dir = match &init.folder {
        // `./` in front of every name would only be noise.
        Some(folder) if is_here(&global.dir) => folder.clone(),
        Some(folder) => global.dir.join(folder),
        None => global.dir.clone(),
    };
    // Before anybody is asked anything.
    in_the_way(&dir, &[MANIFEST])?;
    let ask = |question: &str, default: &str| -> Result<String> {
        if !ui.is_interactive() {
            return Ok(default.to_owned());
        }
        ui.ask(question, default)
            .ok_or_else(|| Failure::new("no answer came, so nothing was written"))
    };
    let choices = choices(init, &dir, &ask)?;
    let mut files = starter::files(&choices);
    let paths: Vec<_> = files.iter().map(|file| file.path).collect();
    in_the_way(&dir, &paths)?;
    // What a repository ignores already is its own business; beadle's folder ignores itself.
    let keeps_ignore = fs::symlink_metadata(dir.join(IGNORE)).is_ok();
    files.retain(|file| !(keeps_ignore && file.path == IGNORE));
    write(&dir, &files)?;

    let shown = clean(&dir.display().to_string());
    let mut text = format!("Wrote {} in {shown}:\n\n", count(files.len(), "file"));
    for file in &files {
        text.push_str(&format!("  {}\n", file.path));
    }
    if keeps_ignore {
        text.push_str("\n.gitignore was there and is as it was. Let it ignore .beadle/, plan.json and .env.\n");
    }
    let cd = (!is_here(&dir)).then(|| quoted(&shown));
    text.push_str(&starter::next_steps(&choices, cd.as_deref()));
    ui.print(&text);
    Ok(ExitStatus::Done)
}

/// What the flags say, and what they leave open is asked for.
fn choices(init: &Init, dir: &Path, ask: &dyn Fn(&str, &str) -> Result<String>) -> Result<Choices> {
    let name = match &init.name {
        Some(name) => name.clone(),
        None => asked("The project's name", &name_of(dir), ask, |text| {
            Name::new(text).map_err(|why| why.to_string())
        })?,
    };
    let mut vendors = match init.provider.as_slice() {
        [] => asked(
            "Vendors, out of feishu, dingtalk and enos",
            "feishu",
            ask,
            |text| {
                let words = text.split([',', ' ']).filter(|word| !word.is_empty());
                let vendors: Vec<_> = words.map(value).collect::<std::result::Result<_, _>>()?;
                match vendors.is_empty() {
                    true => Err("One at least is needed".to_owned()),
                    false => Ok(vendors),
                }
            },
        )?,
        named => named.to_vec(),
    };
    vendors.sort_unstable();
    vendors.dedup();
    let platform = match init.ci {
        Some(platform) => platform,
        None => asked(
            "What runs it: github, gitlab, kubernetes or none",
            "github",
            ask,
            value,
        )?,
    };
    Ok(Choices {
        name,
        vendors,
        platform,
        image: init.image.clone(),
    })
}

/// Asks until the answer makes sense.
fn asked<T>(
    question: &str,
    default: &str,
    ask: &dyn Fn(&str, &str) -> Result<String>,
    read: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    let mut said = question.to_owned();
    loop {
        match read(ask(&said, default)?.trim()) {
            Ok(value) => return Ok(value),
            Err(why) => said = format!("{why}. {question}"),
        }
    }
}

fn value<T: ValueEnum>(text: &str) -> std::result::Result<T, String> {
    T::from_str(text, true).map_err(|_| format!("`{}` is none of them", clean(text)))
}

/// A name that is allowed, made of the folder's.
fn name_of(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let last = whole.file_name().map(|name| name.to_string_lossy());
    let fits = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = last
        .unwrap_or_default()
        .chars()
        .map(fits)
        .take(Name::MAX_CHARS)
        .collect();
    match Name::new(name.trim_matches('-')) {
        Ok(name) => name.to_string(),
        Err(_) => "notices".to_owned(),
    }
}

fn is_here(dir: &Path) -> bool {
    dir.components().all(|part| part == Component::CurDir)
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./~".contains(c);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Nothing is overwritten: what is there already is named, and nothing is written then.
fn in_the_way(dir: &Path, paths: &[&str]) -> Result<()> {
    let mut there: Vec<PathBuf> = Vec::new();
    for path in paths.iter().filter(|path| **path != IGNORE) {
        let path = dir.join(path);
        // A file where a folder has to be is in the way too.
        let above = path
            .ancestors()
            .skip(1)
            .find(|above| fs::symlink_metadata(above).is_ok());
        if fs::symlink_metadata(&path).is_ok() {
            there.push(path);
        } else if let Some(above) = above.filter(|above| !above.is_dir()) {
            there.push(above.to_owned());
        }
    }
    there.dedup();
    if there.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = there
        .iter()
        .map(|path| {
            format!(
                "`{}`",
                clean(&path.strip_prefix(dir).unwrap_or(path).display().to_string())
            )
        })
        .collect();
    let is = if names.len() == 1 { "is" } else { "are" };
    Err(Failure::new(format!(
        "{} {is} in the way, and nothing was written",
        names.join(", ")
    ))
    .hint("Name another folder, as in `beadle init notices`, or another platform with `--ci`."))
}

/// Writes all of them or, as far as the disk lets us, none.
fn write(dir: &Path, files: &[Written]) -> Result<()> {
    let mut done = Vec::new();
    for file in files {
        let path = dir.join(file.path);
        let wrote = make_folders(&path, &mut done).and_then(|()| {
            let mut handle = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?;
            done.push(path.clone());
            handle.write_all(file.text.as_bytes())
        });
        if let Err(error) = wrote {
            for path in done.iter().rev() {
                // A folder that somebody has put something into meanwhile stays.
                let _ = if path.is_dir() {
                    fs::remove_dir(path)
                } else {
                    fs::remove_file(path)
                };
            }
            return Err(Failure::new(format!(
                "{} cannot be written, so no file was left there",
                clean(&path.display().to_string())
            ))
            .because(error));
        }
    }
    Ok(())
}

/// Makes the folders above a file, and notes those that were missing.
fn make_folders(path: &Path, done: &mut Vec<PathBuf>) -> io::Result<()> {
    let above: Vec<_> = path.ancestors().skip(1).collect();
    for folder in above.into_iter().rev() {
        if folder.as_os_str().is_empty() || folder.is_dir() {
            continue;
        }
        fs::create_dir(folder)?;
        done.push(folder.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::cli::args::{Platform, StarterVendor};

    fn answers(given: &[&str]) -> Result<Choices> {
        let left = RefCell::new(
            given
                .iter()
                .rev()
                .map(|s| (*s).to_owned())
                .collect::<Vec<_>>(),
        );
        let init = Init {
            folder: None,
            name: None,
            provider: Vec::new(),
            ci: None,
            image: "beadle".to_owned(),
        };
        choices(&init, Path::new("."), &|_, _| {
            left.borrow_mut()
                .pop()
                .ok_or_else(|| Failure::new("no answer"))
        })
    }

    #[test]
    fn what_makes_no_sense_is_asked_again() {
        let given = [
            "a b",
            "weekly",
            "slack",
            ",",
            "enos, feishu,enos",
            "jenkins",
            "GitLab",
        ];
        let chosen = answers(&given).unwrap();
        assert_eq!(chosen.name.to_string(), "weekly");
        assert_eq!(chosen.vendors, [StarterVendor::Feishu, StarterVendor::Enos]);
        assert_eq!(chosen.platform, Platform::Gitlab);
        assert!(answers(&given[..6]).is_err());
    }
}
