//! `--changed-since`: the manifest as it was at a point in history, and what has become of it.
//!
//! Whatever cannot be compared means that everything is looked at, with the reason; what is never done
//! is to leave something out because it could not be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::{self, Global};
use super::error::Failure;
use super::git::{Base, Entry};
use super::load::{LoadOptions, MATCHING, MAX_VALUE_BYTES, ROOT, allowed_hosts};
use super::session::options;
use super::text::{clean, count};
use crate::model::diagnostic::{FileId, Sources};
use crate::model::manifest::Manifest;
use crate::model::parse::{self, Inputs, Scope, Secrets};
use crate::model::yaml::MAX_BYTES;
use crate::model::{Address, Severity, changed_setting};
use crate::plan::changed::{affected, awaited};
use crate::plan::live::Binding;

/// What `--changed-since` left of the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SinceJson {
    /// The revision, as it was given.
    pub revision: String,
    /// The commit at which this history left that of the revision: what the files are compared with.
    pub commit: String,
    /// Why everything is looked at all the same, where it is.
    pub everything: Option<String>,
    /// What a change of the files can affect, and what that waits for because it was never applied; where not
    /// everything is looked at.
    pub addresses: Vec<String>,
    /// How many resources the project declares.
    pub of: usize,
}

impl SinceJson {
    /// How much of the project was looked at, in a sentence.
    pub(super) fn sentence(&self) -> String {
        let short: String = self.commit.chars().take(10).collect();
        let revision = clean(&self.revision);
        match &self.everything {
            Some(why) => format!(
                "Looked at everything, not only at what has changed since {revision} (at {short}): {}.",
                clean(why.trim_end_matches('.'))
            ),
            None => format!(
                "Looked only at what has changed since {revision} (at {short}), what depends on it, and what it waits for: {}, with {} declared.",
                count(self.addresses.len(), "resource"),
                self.of
            ),
        }
    }

    /// The addresses that are left; none when everything is looked at.
    pub(super) fn changed(&self) -> Result<Option<BTreeSet<Address>>, Failure> {
        if self.everything.is_some() {
            return Ok(None);
        }
        let parse = |text: &String| {
            text.parse().map_err(|error| {
                Failure::new(format!("`{}` is no address", clean(text))).because(error)
            })
        };
        self.addresses
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// A revision that was found, with the manifest that it had.
pub(super) struct Since {
    revision: String,
    base: Base,
    /// What was; or why it cannot be told.
    before: Result<Before, String>,
}

struct Before {
    manifest: Manifest,
    root: String,
}

impl Since {
    /// What `--changed-since` asks for, found and read; none without it.
    pub(super) fn asked(global: &Global, asked: &args::Since) -> Result<Option<Self>, Failure> {
        let options = options(global, Secrets::Skip);
        let read = |revision: &String| Self::read(&options, revision);
        asked.changed_since.as_ref().map(read).transpose()
    }

    /// Finds a revision and reads the project as it was there.
    ///
    /// # Errors
    ///
    /// When the revision cannot be found. What the project was then cannot be a reason to fail.
    fn read(options: &LoadOptions, revision: &str) -> Result<Self, Failure> {
        let base = Base::find(&options.dir, revision)?;
        let before = before(&base, options)?;
        Ok(Self {
            revision: revision.to_owned(),
            base,
            before,
        })
    }

    /// What the files that are there now make of it.
    pub(super) fn compare(
        &self,
        manifest: &Manifest,
        sources: &Sources,
        bindings: &[Binding],
    ) -> SinceJson {
        let root = sources.0.iter().find(|source| source.name == ROOT);
        let root = root.map_or("", |source| source.text.as_str());
        let everything = match &self.before {
            Err(why) => Some(why.clone()),
            Ok(before) => changed_setting(&before.root, root)
                .map(|setting| format!("the setting `{setting}` has changed")),
        };
        let addresses = match (&self.before, &everything) {
            (Ok(before), None) => {
                let mut affected = affected(&before.manifest, manifest);
                affected.extend(awaited(&affected, manifest, bindings));
                affected
            }
            _ => BTreeSet::new(),
        };
        SinceJson {
            revision: self.revision.clone(),
            commit: self.base.commit.clone(),
            everything,
            addresses: addresses.iter().map(ToString::to_string).collect(),
            of: manifest.resources(),
        }
    }
}

/// The project as it was, or why that cannot be told.
fn before(base: &Base, options: &LoadOptions) -> Result<Result<Before, String>, Failure> {
    let files = base.files()?;
    let blobs = Mutex::new(base.blobs()?);
    let read = |entry: &Entry, most: usize| -> Result<String, String> {
        if !entry.is_file {
            return Err("it was no plain file".to_owned());
        }
        let mut blobs = blobs.lock().expect("nothing panics while it is held");
        let bytes = blobs.read(&entry.blob, most).map_err(|e| e.to_string())?;
        String::from_utf8(bytes).map_err(|_| "it was not UTF-8".to_owned())
    };
    let mut vars = BTreeMap::new();
    for path in &options.var_files {
        let shown = path.display();
        let now = std::fs::read_to_string(path).unwrap_or_default();
        let parsed = |text: String| {
            let mut sources = Sources::default();
            let file = sources.add(shown.to_string(), text);
            parse::var_file(&sources, file, &mut Vec::new())
        };
        let now = parsed(now);
        let changed = match base.elsewhere(path)? {
            // What is in no repository has no history: it counts as what it is.
            None => false,
            Some(None) => true,
            Some(Some(blob)) => {
                let entry = Entry {
                    is_file: true,
                    blob,
                };
                read(&entry, MAX_BYTES).map(parsed).as_ref() != Ok(&now)
            }
        };
        if changed {
            return Ok(Err(format!("the variables in `{shown}` have changed")));
        }
        vars.extend(now);
    }
    vars.extend(options.vars.iter().cloned());
    let value = |path: &str, scope: Scope| -> Result<String, String> {
        if scope == Scope::Secret {
            return Err("no secret is read from the past".to_owned());
        }
        let entry = files.get(plain(path).as_str()).ok_or("it was not there")?;
        read(entry, MAX_VALUE_BYTES as usize)
    };
    let hosts = allowed_hosts(&|name| std::env::var(name).ok());
    let inputs = Inputs {
        vars: &vars,
        env: &|name| std::env::var(name).ok(),
        file: &value,
        allow_hosts: &hosts,
        secrets: Secrets::Skip,
        world: options.world,
    };
    Ok(parse_all(&files, &read, &inputs))
}

type ReadBlob<'a> = dyn Fn(&Entry, usize) -> Result<String, String> + 'a;

fn parse_all(
    files: &BTreeMap<String, Entry>,
    read: &ReadBlob<'_>,
    inputs: &Inputs<'_>,
) -> Result<Before, String> {
    let mut sources = Sources::default();
    let text = |name: &str| -> Result<String, String> {
        let entry = files.get(name).ok_or_else(|| format!("{name} is new"))?;
        read(entry, MAX_BYTES).map_err(|why| format!("{name} as it was cannot be read: {why}"))
    };
    let root_file = sources.add(ROOT, text(ROOT)?);
    let root = parse::root(&sources, root_file, inputs);
    let mut names = BTreeSet::new();
    for (pattern, _) in root.includes() {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let Ok(pattern) = glob::Pattern::new(pattern) else {
            return Err("`include` as it was cannot be read".to_owned());
        };
        let all = files.keys();
        names.extend(all.filter(|name| *name != ROOT && pattern.matches_with(name, MATCHING)));
    }
    let mut included: Vec<FileId> = Vec::with_capacity(names.len());
    for name in names {
        included.push(sources.add(name.as_str(), text(name)?));
    }
    let (manifest, found) = root.finish(&sources, &included, inputs);
    match manifest {
        Some(manifest) => Ok(Before {
            manifest,
            root: sources.get(root_file).text.clone(),
        }),
        None => {
            let error = found.iter().find(|d| d.severity == Severity::Error);
            let why = error.map_or_else(String::new, |d| {
                let place = d.span.map(|span| format!(" ({})", sources.locate(span)));
                format!(": {}{}", d.summary, place.unwrap_or_default())
            });
            Err(format!("the manifest as it was is not valid{why}"))
        }
    }
}

/// A path in the project folder without what says nothing.
fn plain(path: &str) -> String {
    let parts = Path::new(path).components().filter_map(|part| match part {
        std::path::Component::CurDir => None,
        other => other.as_os_str().to_str(),
    });
    parts.collect::<Vec<_>>().join("/")
}
