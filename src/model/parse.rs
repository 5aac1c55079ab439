//! YAML text, turned into a [`Manifest`].
//!
//! Pure: the environment and the disk come in as closures of [`Inputs`]. Reading goes on after a
//! mistake, so that all of them come at once; only what would follow from a mistake that is already
//! reported is left out.
//!
//! [`root`] reads `beadle.yaml`, which says what to include; [`Root::finish`] reads the rest.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::diagnostic::Sources;
use super::diagnostic::{Diagnostic, FileId, Severity, Span, has_errors};
use super::interpolate::{self, Interpolator, Vars};
use super::manifest::Manifest;
use super::message::Message;
use super::resources::Draft;
use super::shape::{Reader, Shape};
use super::written::{self, SETTINGS};
use super::yaml::{NodeId, Tree, Yaml};
use super::{ChatId, checks, resources, settings};

pub use super::interpolate::{Env, ReadFile, Scope};

/// Whether the secrets of providers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Each has to have a value.
    Require,
    /// They are left alone; [`super::manifest::Provider::secret`] is then absent.
    Skip,
}

/// Who the manifest is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The vendors.
    Real,
    /// The sandbox, which ignores the ledger, addresses and credentials: a missing Feishu provider is
    /// implied, any host may stand in `base_url`, and what providers say needs no value.
    Sandbox,
}

/// What comes from outside of the files.
pub struct Inputs<'a> {
    /// Variables given by flags; they win over `vars`.
    pub vars: &'a BTreeMap<String, String>,
    /// Reads the environment.
    pub env: &'a Env<'a>,
    /// Reads a file for `${file:PATH}`.
    pub file: &'a ReadFile<'a>,
    /// Hosts besides the vendors' own that credentials may be sent to, each with or without a port.
    pub allow_hosts: &'a [String],
    /// Whether secrets are asked for.
    pub secrets: Secrets,
    /// Who the manifest is read for.
    pub world: World,
}

/// `beadle.yaml`, read, with the rest of the project still to come.
pub struct Root {
    file: FileId,
    written: Option<written::File>,
    include: Vec<(String, Span)>,
    vars: Vars,
    complete: bool,
    diagnostics: Vec<Diagnostic>,
}

/// Reads `beadle.yaml`.
#[must_use]
pub fn root(sources: &Sources, file: FileId, inputs: &Inputs<'_>) -> Root {
    let mut diagnostics = Vec::new();
    let Some(tree) = Tree::read(file, &sources.get(file).text, &mut diagnostics) else {
        return Root {
            file,
            written: None,
            include: Vec::new(),
            vars: Vars::new(),
            complete: true,
            diagnostics,
        };
    };
    let vars = read_vars(&tree, inputs, &mut diagnostics);
    let interpolator = Interpolator::new(&vars, inputs.env, inputs.file);
    let (written, found) = read(&tree, &interpolator, inputs);
    diagnostics.extend(found);
    if tree.top("version").is_none() && written.is_some() {
        let start = Span {
            file,
            start: 0,
            end: 0,
        };
        diagnostics.push(
            Diagnostic::error(
                "missing-key",
                start,
                "the key `version` is missing in the file",
            )
            .help("Begin the file with `version: 1`."),
        );
    }
    let include = written.as_ref().and_then(|file| file.include.get());
    let include = include.map_or(Vec::new(), |patterns| {
        patterns
            .iter()
            .map(|p| (p.value.0.clone(), p.span))
            .collect()
    });
    Root {
        file,
        written,
        include,
        vars,
        complete: true,
        diagnostics,
    }
}

impl Root {
    /// The patterns of `include`, in order, with their places.
    #[must_use]
    pub fn includes(&self) -> &[(String, Span)] {
        &self.include
    }

    /// Tells that a file to be included could not be had, so that a name which nobody declares is no
    /// mistake of whoever uses it.
    pub fn leave_incomplete(&mut self) {
        self.complete = false;
    }

    /// Reads the included files, puts everything together and checks it.
    #[must_use]
    pub fn finish(
        self,
        sources: &Sources,
        included: &[FileId],
        inputs: &Inputs<'_>,
    ) -> (Option<Manifest>, Vec<Diagnostic>) {
        self.read(sources, included, inputs).check()
    }

    /// Reads the included files and puts everything together.
    #[must_use]
    pub fn read(self, sources: &Sources, included: &[FileId], inputs: &Inputs<'_>) -> Parsed {
        let mut diagnostics = self.diagnostics;
        let Some(mut first) = self.written else {
            return Parsed {
                draft: None,
                diagnostics,
            };
        };
        let settings = settings::settings(self.file, &mut first, inputs, &mut diagnostics);
        let mut complete = self.complete;
        let mut files = vec![first];
        let interpolator = Interpolator::new(&self.vars, inputs.env, inputs.file);
        for (file, found) in read_all(sources, included, &interpolator, inputs) {
            complete &= file.is_some();
            files.extend(file);
            diagnostics.extend(found);
        }
        let draft = resources::resources(files, settings, complete, &mut diagnostics);
        Parsed {
            draft: Some(draft),
            diagnostics,
        }
    }
}

/// A project, read, with what must hold among its resources still to be checked.
pub struct Parsed {
    draft: Option<Draft>,
    diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Checks it. The manifest is absent only when one of the diagnostics is an error. Diagnostics are
    /// in the order of files and places.
    #[must_use]
    pub fn check(self) -> (Option<Manifest>, Vec<Diagnostic>) {
        let mut diagnostics = self.diagnostics;
        if let Some(draft) = &self.draft {
            checks::run(draft, &mut diagnostics);
        }
        settle(&mut diagnostics);
        let failed = diagnostics.iter().any(|d| d.severity == Severity::Error);
        let draft = self.draft.filter(|_| !failed);
        (draft.map(|draft| draft.manifest), diagnostics)
    }
}

/// Reads a project whose files are all there: `root` is `beadle.yaml`, every other file is included.
#[must_use]
pub fn manifest(
    sources: &Sources,
    root: FileId,
    inputs: &Inputs<'_>,
) -> (Option<Manifest>, Vec<Diagnostic>) {
    let included: Vec<FileId> = (0..sources.0.len())
        .map(|at| FileId(u32::try_from(at).expect("fewer than 2^32 files")))
        .filter(|file| *file != root)
        .collect();
    self::root(sources, root, inputs).finish(sources, &included, inputs)
}

/// Reads a file of variables, `NAME: value` a line. Nothing is put into the values.
pub fn var_file(
    sources: &Sources,
    file: FileId,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let Some(tree) = Tree::read(file, &sources.get(file).text, diagnostics) else {
        return BTreeMap::new();
    };
    let values = scalars(&tree, tree.root(), "a file of variables", diagnostics);
    values
        .into_iter()
        .map(|(name, (_, text))| (name, text))
        .collect()
}

/// Reads a file that is one message. A chat that it shares stands there by its id.
#[must_use]
pub fn message(
    sources: &Sources,
    file: FileId,
    inputs: &Inputs<'_>,
) -> (Option<Message>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let vars = inputs.vars.iter();
    let vars = vars.map(|(name, value)| (name.clone(), Some(value.clone())));
    let vars: Vars = vars.collect();
    let message = Tree::read(file, &sources.get(file).text, &mut found).and_then(|tree| {
        let interpolator = Interpolator::new(&vars, inputs.env, inputs.file);
        let mut reader = Reader::new(&tree, &interpolator);
        let written = written::Message::read(&mut reader, tree.root());
        found.append(&mut reader.diagnostics);
        let by_id = |text: &str| text.starts_with("oc_").then(|| ChatId::new(text));
        Message::new(written?, tree.span(tree.root()), &by_id, &mut found)
    });
    settle(&mut found);
    let failed = has_errors(&found);
    (message.filter(|_| !failed), found)
}

/// The JSON Schema of a message.
#[must_use]
pub fn message_schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    let generator = settings.into_generator();
    let schema = generator.into_root_schema_for::<written::Message>();
    schema.to_value()
}

/// The JSON Schema of `beadle.yaml` and of the files that it includes.
#[must_use]
pub fn manifest_schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    let schema = settings
        .into_generator()
        .into_root_schema_for::<written::File>();
    let mut all = serde_json::Map::new();
    all.insert(
        "$schema".to_owned(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    all.insert("title".to_owned(), "Beadle manifest".into());
    for (key, value) in schema.as_object().into_iter().flatten() {
        all.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    all.into()
}

/// Sorts by file and place, and drops what was found twice through an alias or a fan-out.
pub fn settle(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by_key(|d| (d.span, d.severity));
    let mut seen = HashSet::new();
    diagnostics.retain(|d| seen.insert((d.span, d.code, d.summary.clone())));
    // A key that was mistyped is not missing too.
    let place = |d: &Diagnostic| (d.span.map(|s| s.file), d.address.clone());
    let mistyped: HashSet<_> = diagnostics
        .iter()
        .filter(|d| d.code == "unknown-key")
        .filter_map(|d| {
            let meant = d.help.as_ref()?.strip_prefix("Did you mean `")?;
            Some((place(d), meant.split('`').next()?.to_owned()))
        })
        .collect();
    diagnostics.retain(|d| {
        let missing = d.summary.strip_prefix("the key `");
        let key = missing.and_then(|rest| rest.split_once("` is missing"));
        d.code != "missing-key"
            || key.is_none_or(|(key, _)| !mistyped.contains(&(place(d), key.to_owned())))
    });
}

type ReadOne = (Option<written::File>, Vec<Diagnostic>);

fn read(tree: &Tree<'_>, interpolator: &Interpolator<'_>, inputs: &Inputs<'_>) -> ReadOne {
    let mut reader = Reader::new(tree, interpolator);
    reader.secrets = inputs.secrets == Secrets::Require && inputs.world == World::Real;
    reader.sandbox = inputs.world == World::Sandbox;
    let file = written::File::read(&mut reader, tree.root());
    (file, reader.diagnostics)
}

fn read_included(
    sources: &Sources,
    file: FileId,
    interpolator: &Interpolator<'_>,
    inputs: &Inputs<'_>,
) -> ReadOne {
    let mut diagnostics = Vec::new();
    let Some(tree) = Tree::read(file, &sources.get(file).text, &mut diagnostics) else {
        return (None, diagnostics);
    };
    let (written, found) = read(&tree, interpolator, inputs);
    for key in SETTINGS {
        if let Some((key_at, _)) = tree.top(key) {
            diagnostics.push(
                Diagnostic::error(
                    "misplaced-setting",
                    tree.span(key_at),
                    format!("`{key}` stands only in beadle.yaml"),
                )
                .help("Move it there; included files have resources only."),
            );
        }
    }
    diagnostics.extend(found);
    (written, diagnostics)
}

/// Reads files on every core; each tree lives only while its file is read.
fn read_all(
    sources: &Sources,
    files: &[FileId],
    interpolator: &Interpolator<'_>,
    inputs: &Inputs<'_>,
) -> Vec<ReadOne> {
    let bytes: usize = files.iter().map(|file| sources.get(*file).text.len()).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if bytes < 256 * 1024 || cores < 2 || files.len() < 2 {
        return files
            .iter()
            .map(|file| read_included(sources, *file, interpolator, inputs))
            .collect();
    }
    // Whoever is free takes the next file: files differ in size, and cores in what else they do.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut read = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else {
                return read;
            };
            read.push((at, read_included(sources, *file, interpolator, inputs)));
        }
    };
    let mut read = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..cores).map(|_| scope.spawn(work)).collect();
        let mut read = work();
        for helper in helpers {
            read.extend(helper.join().expect("reading never panics"));
        }
        read
    });
    read.sort_by_key(|(at, _)| *at);
    read.into_iter().map(|(_, one)| one).collect()
}

fn read_vars(tree: &Tree<'_>, inputs: &Inputs<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vars {
    let written = tree.top("vars").map_or_else(BTreeMap::new, |(_, at)| {
        scalars(tree, at, "`vars`", diagnostics)
    });
    let texts = written
        .iter()
        .map(|(name, (_, text))| (name.clone(), text.clone()))
        .collect();
    interpolate::vars(
        &texts,
        inputs.vars,
        inputs.env,
        inputs.file,
        |name, problem| {
            let span = written
                .get(name)
                .map(|(at, _)| tree.part(*at, problem.part));
            diagnostics
                .push(Diagnostic::error(problem.code, span, problem.summary).help(problem.help));
        },
    )
}

fn scalars(
    tree: &Tree<'_>,
    at: NodeId,
    what: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (NodeId, String)> {
    let Yaml::Map(pairs) = tree.get(at) else {
        diagnostics.push(
            Diagnostic::error(
                "wrong-type",
                tree.span(at),
                format!("{what} must be a mapping"),
            )
            .help("Write `NAME: value`, a line each."),
        );
        return BTreeMap::new();
    };
    let mut values = BTreeMap::new();
    for pair in pairs.chunks_exact(2) {
        let name = tree.key(pair[0]);
        let node = tree.get(pair[1]);
        match node {
            Yaml::Scalar { text, .. } if !node.is_null() => {
                values.insert(name.to_owned(), (pair[1], text.to_owned()));
            }
            _ => diagnostics.push(
                Diagnostic::error(
                    "wrong-type",
                    tree.span(pair[1]),
                    format!("the variable `{name}` must be text"),
                )
                .help("Write one value; an empty text is written as `\"\"`."),
            ),
        }
    }
    values
}
