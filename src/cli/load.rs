//! The project folder, read: the only place that looks at the disk and the environment for it.
//!
//! Everything that can be wrong with the files is a diagnostic. What the text means is
//! [`crate::model::parse`]'s business.

mod images;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;

use crate::model::diagnostic::{FileId, Sources};
use crate::model::manifest::Manifest;
use crate::model::parse::{self, Env, Inputs, Scope, Secrets, World};
use crate::model::yaml::MAX_BYTES;
use crate::model::{Diagnostic, Span};

pub(super) use images::image;

/// The file that makes a folder a project.
pub const ROOT: &str = "beadle.yaml";

/// The environment variable with more hosts that credentials may be sent to.
pub const ALLOW_HOSTS: &str = "BEADLE_ALLOW_HOSTS";

/// The most bytes that `${file:PATH}` puts in.
pub(super) const MAX_VALUE_BYTES: u64 = 64 * 1024;

/// How a pattern of `include` matches a path.
pub(super) const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What to load, and for whom.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The project folder.
    pub dir: PathBuf,
    /// Values of `--var`, the last one of a name wins.
    pub vars: Vec<(String, String)>,
    /// Files of `--var-file`; a later one wins, and `--var` wins over all.
    pub var_files: Vec<PathBuf>,
    /// Whether the secrets of providers are asked for.
    pub secrets: Secrets,
    /// Whether this is for `--sandbox`.
    pub world: World,
}

/// A project folder, read.
#[derive(Debug)]
pub struct Loaded {
    /// The files, for the places of diagnostics.
    pub sources: Sources,
    /// The manifest; absent only when one of the diagnostics is an error.
    pub manifest: Option<Manifest>,
    /// What could be read of one with errors: to look at, and to plan nothing from.
    pub draft: Option<Manifest>,
    /// What is wrong, in the order of files and places.
    pub diagnostics: Vec<Diagnostic>,
    /// The secrets that were read, to be struck out of whatever is shown.
    pub secrets: Vec<SecretString>,
}

/// Reads a project folder with the environment of this process.
#[must_use]
pub fn load(options: &LoadOptions) -> Loaded {
    load_with(options, &|name| std::env::var(name).ok())
}

/// Reads a project folder as it would be if these files, by their names in the sources, had other texts.
#[must_use]
pub(super) fn load_edited(options: &LoadOptions, edited: &BTreeMap<String, String>) -> Loaded {
    load_from(options, &|name| std::env::var(name).ok(), edited)
}

/// Reads a project folder with an environment.
#[must_use]
pub fn load_with(options: &LoadOptions, env: &Env<'_>) -> Loaded {
    load_from(options, env, &BTreeMap::new())
}

fn load_from(options: &LoadOptions, env: &Env<'_>, edited: &BTreeMap<String, String>) -> Loaded {
    let mut loaded = read_from(options, env, edited);
    if let Some(manifest) = &loaded.manifest {
        let now = Timestamp::now();
        let mut found = check_notices(manifest, now, options.world);
        found.extend(crate::model::check_sending(manifest, now));
        loaded.diagnostics.extend(found);
    }
    parse::settle(&mut loaded.diagnostics);
    if crate::model::diagnostic::has_errors(&loaded.diagnostics) {
        loaded.draft = loaded.manifest.take();
    }
    loaded
}

/// What is wrong with notices on the day that somebody looks.
pub(super) fn check_notices(manifest: &Manifest, now: Timestamp, world: World) -> Vec<Diagnostic> {
    let mut found = crate::model::check_notices(manifest, now);
    // The sandbox needs neither the number of an app nor its robot.
    let is_idle = |d: &Diagnostic| matches!(d.code, "no-agent" | "no-robot");
    found.retain(|d| !is_idle(d) || world == World::Real);
    found
}

/// As [`load_with`], without a look at what notices will do from now on, and with the manifest as far as it
/// could be read, also beside errors.
pub(super) fn read_with(options: &LoadOptions, env: &Env<'_>) -> Loaded {
    read_from(options, env, &BTreeMap::new())
}

fn read_from(options: &LoadOptions, env: &Env<'_>, edited: &BTreeMap<String, String>) -> Loaded {
    let mut loading = Loading {
        dir: &options.dir,
        edited,
        sources: Sources::default(),
        diagnostics: Vec::new(),
    };
    let mut manifest = loading.run(options, env);
    if let Some(manifest) = &mut manifest {
        images::look_at(&options.dir, manifest, &mut loading.diagnostics);
    }
    let secrets = manifest
        .iter()
        .flat_map(|manifest| manifest.providers.values());
    let secrets = secrets
        .filter_map(|provider| provider.secret.clone())
        .collect();
    Loaded {
        sources: loading.sources,
        manifest,
        draft: None,
        diagnostics: loading.diagnostics,
        secrets,
    }
}

/// The hosts besides the vendors' own that credentials may be sent to.
pub(super) fn allowed_hosts(env: &Env<'_>) -> Vec<String> {
    let hosts = env(ALLOW_HOSTS).unwrap_or_default();
    hosts
        .split([',', ' '])
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
        .collect()
}

struct Loading<'o> {
    dir: &'o Path,
    /// What stands in the place of files on the disk.
    edited: &'o BTreeMap<String, String>,
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
}

impl Loading<'_> {
    fn run(&mut self, options: &LoadOptions, env: &Env<'_>) -> Option<Manifest> {
        let root = self.root();
        let mut vars = BTreeMap::new();
        for path in &options.var_files {
            if let Some(file) = self.read(path, &path.display().to_string(), None) {
                vars.extend(parse::var_file(&self.sources, file, &mut self.diagnostics));
            }
        }
        vars.extend(options.vars.iter().cloned());
        let root = root?;
        let allow_hosts = allowed_hosts(env);
        let inputs = Inputs {
            vars: &vars,
            env,
            file: &|path, scope| read_value(&options.dir, path, scope),
            allow_hosts: &allow_hosts,
            secrets: options.secrets,
            world: options.world,
        };
        let mut root = parse::root(&self.sources, root, &inputs);
        let patterns = root.includes().to_vec();
        let before = self.diagnostics.len();
        let included = self.include(&patterns);
        if self.diagnostics.len() > before {
            root.leave_incomplete();
        }
        let (manifest, found) = root.finish(&self.sources, &included, &inputs);
        self.diagnostics.extend(found);
        manifest
    }

    fn root(&mut self) -> Option<FileId> {
        let shown = self.dir.display();
        let mut help =
            format!("A project is a folder with a {ROOT}; name the folder with `-C DIR`");
        let (code, summary) = match std::fs::metadata(self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                ("no-project", format!("there is no folder `{shown}`"))
            }
            Err(error) => (
                "unreadable-file",
                format!("the folder `{shown}` cannot be read: {}", reason(&error)),
            ),
            Ok(meta) if !meta.is_dir() => ("no-project", format!("`{shown}` is not a folder")),
            Ok(_) if std::fs::symlink_metadata(self.dir.join(ROOT)).is_err() => {
                help.push_str(", or begin one there with `beadle init`");
                ("no-project", format!("there is no {ROOT} in `{shown}`"))
            }
            Ok(_) => return self.read(&self.dir.join(ROOT), ROOT, None),
        };
        self.diagnostics
            .push(Diagnostic::error(code, None, summary).help(format!("{help}.")));
        None
    }

    /// Reads one file into the sources; `None` after a diagnostic.
    fn read(&mut self, path: &Path, name: &str, named_at: Option<Span>) -> Option<FileId> {
        if let Some(text) = self.edited.get(name) {
            return Some(self.sources.add(name, text.as_str()));
        }
        match read_file(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Some(self.sources.add(name, text)),
                Err(error) => {
                    self.not_utf8(name, &error);
                    None
                }
            },
            Err(Unreadable::TooLarge(bytes)) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "too-large",
                        named_at,
                        format!(
                            "{name} has {bytes} bytes, and a file can have at most {} MiB",
                            MAX_BYTES / 1024 / 1024
                        ),
                    )
                    .help("Split it into several files and name them in `include`."),
                );
                None
            }
            Err(Unreadable::Why(why)) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "unreadable-file",
                        named_at,
                        format!("{name} cannot be read: {why}"),
                    )
                    .help("Check that it is a file and that you may read it."),
                );
                None
            }
        }
    }

    fn not_utf8(&mut self, name: &str, error: &std::string::FromUtf8Error) {
        let bytes = error.as_bytes();
        let at = error.utf8_error().valid_up_to();
        let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let summary = if wide {
            "this file is UTF-16, not UTF-8".to_owned()
        } else {
            format!("the byte 0x{:02x} is not UTF-8", bytes[at])
        };
        // Shown with the bad bytes replaced: the text before them is as it was.
        let bom = if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let text = if wide {
            String::new()
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        };
        let file = self.sources.add(name, text);
        let start = if wide {
            0
        } else {
            u32::try_from(at - bom).expect("under MAX_BYTES")
        };
        let end = if wide { 0 } else { start + 3 };
        self.diagnostics.push(
            Diagnostic::error("not-utf8", Span { file, start, end }, summary)
                .help("Save the file as UTF-8."),
        );
    }

    /// The files that the patterns name, sorted, each once, `beadle.yaml` never.
    fn include(&mut self, patterns: &[(String, Span)]) -> Vec<FileId> {
        let Ok(dir) = self.dir.canonicalize() else {
            return Vec::new();
        };
        let root = dir.join(ROOT);
        let mut files: BTreeMap<PathBuf, Span> = BTreeMap::new();
        for (pattern, span) in patterns {
            match matches(&dir, pattern) {
                Err((code, summary, help)) => {
                    self.diagnostics
                        .push(Diagnostic::error(code, *span, summary).help(help));
                }
                Ok(paths) => {
                    for path in paths {
                        files.entry(path).or_insert(*span);
                    }
                }
            }
        }
        let mut seen: BTreeSet<PathBuf> = BTreeSet::from([root.canonicalize().unwrap_or(root)]);
        let mut ids = Vec::new();
        for (path, span) in files {
            let name = shown(path.strip_prefix(&dir).unwrap_or(&path));
            match path.canonicalize() {
                Ok(real) if !real.starts_with(&dir) => self.diagnostics.push(
                    Diagnostic::error(
                        "include-outside",
                        span,
                        format!("{name} leads out of the project folder"),
                    )
                    .help("Include only files that are inside of it."),
                ),
                // Two names of one file are one file.
                Ok(real) if !seen.insert(real.clone()) => {}
                _ => ids.extend(self.read(&path, &name, Some(span))),
            }
        }
        ids
    }
}

type BadPattern = (&'static str, String, &'static str);

fn matches(dir: &Path, pattern: &str) -> Result<Vec<PathBuf>, BadPattern> {
    let path = Path::new(pattern);
    let outside = path
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    if outside || pattern.is_empty() {
        return Err((
            "include-outside",
            format!(
                "`{}` is not a path inside of the project folder",
                pattern.escape_debug()
            ),
            "Patterns are relative to beadle.yaml and have no `..` in them.",
        ));
    }
    let full = format!(
        "{}/{}",
        glob::Pattern::escape(&dir.to_string_lossy()),
        pattern.strip_prefix("./").unwrap_or(pattern)
    );
    let found = glob::glob_with(&full, MATCHING).map_err(|error| {
        (
            "bad-pattern",
            format!(
                "`{}` is not a pattern: {}",
                pattern.escape_debug(),
                error.msg
            ),
            "Write it as in `teams/**/*.yaml`.",
        )
    })?;
    // A folder that cannot be listed shows up as itself, and then as unreadable.
    let paths: Vec<PathBuf> = found
        .map(|entry| entry.unwrap_or_else(|error| error.path().to_owned()))
        .filter(|path| !path.is_dir() || std::fs::read_dir(path).is_err())
        .collect();
    if paths.is_empty() {
        return Err((
            "include-matches-nothing",
            format!("no file matches `{}`", pattern.escape_debug()),
            "Check the path, which is relative to beadle.yaml, or remove the pattern.",
        ));
    }
    Ok(paths)
}

fn shown(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

enum Unreadable {
    TooLarge(u64),
    Why(String),
}

fn read_file(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let why = |error: io::Error| Unreadable::Why(reason(&error));
    let meta = std::fs::metadata(path).map_err(why)?;
    // Reading a pipe or a terminal would wait for ever.
    if !meta.is_file() {
        let what = if meta.is_dir() {
            "it is a folder"
        } else {
            "it is not a file"
        };
        return Err(Unreadable::Why(what.to_owned()));
    }
    if meta.len() > MAX_BYTES as u64 {
        return Err(Unreadable::TooLarge(meta.len()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(why)?;
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(why)?;
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooLarge(bytes.len() as u64));
    }
    Ok(bytes)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    }
}

/// Reads a file for `${file:PATH}`.
///
/// A secret may come from anywhere. Any other value comes from inside of the project, from a path
/// without `..` or hidden parts (so not from `.git` or `.env`), links followed.
fn read_value(dir: &Path, path: &str, scope: Scope) -> Result<String, String> {
    let full = match scope {
        Scope::Project => inside(dir, path)?,
        _ => dir.join(path),
    };
    let bytes = read_bytes(&full, MAX_VALUE_BYTES)?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// Where a file of the project is, links followed.
fn inside(dir: &Path, path: &str) -> Result<PathBuf, String> {
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) if name.to_string_lossy().starts_with('.') => {
                return Err("hidden files are not read".to_owned());
            }
            Component::Normal(_) | Component::CurDir => {}
            _ => return Err("it is outside of the project folder".to_owned()),
        }
    }
    let dir = dir.canonicalize().map_err(|error| reason(&error))?;
    let full = dir.join(path);
    let full = full.canonicalize().map_err(|error| reason(&error))?;
    let inside = full
        .strip_prefix(&dir)
        .map_err(|_| "it leads out of the project folder".to_owned())?;
    if inside
        .components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
    {
        return Err("hidden files are not read".to_owned());
    }
    if !full.is_file() {
        return Err("it is not a file".to_owned());
    }
    Ok(full)
}

/// Reads a file of at most so many bytes.
fn read_bytes(full: &Path, most: u64) -> Result<Vec<u8>, String> {
    let file = File::open(full).map_err(|error| reason(&error))?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| reason(&error))?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {} KiB", most / 1024));
    }
    Ok(bytes)
}
