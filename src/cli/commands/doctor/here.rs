//! What can be looked at without ledger and network: the files, and what they say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::args::Global;
use crate::cli::checkup::Checkup;
use crate::cli::load::{ALLOW_HOSTS, Loaded, load, load_with};
use crate::cli::session::options;
use crate::cli::text::count;
use crate::model::diagnostic::{Severity, Sources};
use crate::model::manifest::Manifest;
use crate::model::parse::Secrets;
use crate::model::{Diagnostic, Name};

/// Calendars that end sooner than this are worth a word: the next year's days are published late in a year.
const SOON: i64 = 180;

/// What stands for a secret that is missing, while everything else is looked at.
const MISSING: &str = "a secret that is missing";

/// The project, as far as it can be read.
pub(super) struct Project {
    pub(super) manifest: Manifest,
    pub(super) sources: Sources,
    /// The providers whose secret is missing.
    pub(super) without_secret: BTreeSet<Name>,
}

/// Reads the manifest, and the secrets if it can.
pub(super) fn project(global: &Global, checkup: &mut Checkup) -> Option<Project> {
    let Loaded {
        sources,
        manifest,
        draft,
        diagnostics,
        ..
    } = load(&options(global, Secrets::Skip));
    let errors = findings(&diagnostics, &sources, Severity::Error);
    let warnings = findings(&diagnostics, &sources, Severity::Warning);
    let files = count(sources.0.len(), "file");
    if let Some(first) = errors.first() {
        let more = match errors.len() {
            1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        checkup.failed(
            "manifest",
            None,
            format!("{first}{more}"),
            "Mend it; `beadle validate` shows every error at its line.",
        );
    } else if let Some(first) = warnings.first() {
        let of = count(warnings.len(), "warning");
        let help = "`beadle validate` shows every warning at its line.";
        checkup.warning("manifest", None, format!("{of}: {first}"), help);
    } else {
        checkup.ok("manifest", None, format!("valid, in {files}"));
    }
    let manifest = manifest.or(draft)?;
    if global.sandbox {
        checkup.ok("secrets", None, "the sandbox needs none");
        return Some(Project {
            manifest,
            sources,
            without_secret: BTreeSet::new(),
        });
    }
    Some(with_secrets(global, manifest, sources, checkup))
}

/// Reads the secrets; of a missing one only its provider has to do without.
fn with_secrets(
    global: &Global,
    manifest: Manifest,
    sources: Sources,
    checkup: &mut Checkup,
) -> Project {
    let options = options(global, Secrets::Require);
    let strict = load(&options);
    let missing: Vec<&Diagnostic> = strict
        .diagnostics
        .iter()
        .filter(|d| ["unset-variable", "unreadable-value-file"].contains(&d.code))
        .collect();
    let named = |name: &str| missing.iter().any(|d| d.summary.contains(name));
    // The others are looked at with a stand-in for what is missing.
    let lenient = load_with(&options, &|name| match std::env::var(name).ok() {
        None if name != ALLOW_HOSTS && named(name) => Some(MISSING.to_owned()),
        value => value,
    });
    let read = lenient.manifest.or(lenient.draft);
    let Some(read) = read.filter(|m| m.providers.values().all(|p| p.secret.is_some())) else {
        let why = match missing.first() {
            Some(first) => first.summary.clone(),
            None => "they could not be read while the manifest has errors".to_owned(),
        };
        let help = "Give the process the variables and files that `providers` names.";
        checkup.failed("secrets", None, why, help);
        let without_secret = manifest.providers.keys().cloned().collect();
        return Project {
            manifest,
            sources,
            without_secret,
        };
    };
    let is_missing = |secret: &Option<SecretString>| {
        secret
            .as_ref()
            .is_none_or(|s| s.expose_secret().contains(MISSING))
    };
    let mut without_secret = BTreeSet::new();
    for (key, provider) in &read.providers {
        if !is_missing(&provider.secret) {
            checkup.ok("secrets", Some(key.as_str()), "there");
            continue;
        }
        without_secret.insert(key.clone());
        let why = missing
            .iter()
            .map(|d| d.summary.as_str())
            .collect::<Vec<_>>();
        let help = "Set it in the environment; never write it into a file of the repository.";
        checkup.failed("secrets", Some(key.as_str()), why.join("; "), help);
    }
    if read.providers.is_empty() {
        checkup.ok("secrets", None, "no provider needs one");
    }
    Project {
        manifest: read,
        sources: strict.sources,
        without_secret,
    }
}

/// What is wrong, with its place.
fn findings(found: &[Diagnostic], sources: &Sources, severity: Severity) -> Vec<String> {
    let of = found.iter().filter(|d| d.severity == severity);
    of.map(|d| match d.span {
        Some(span) => {
            let place = sources.place(span.file, span.start);
            let file = &sources.get(span.file).name;
            format!("{file}:{}:{}: {}", place.line, place.column, d.summary)
        }
        None => d.summary.clone(),
    })
    .collect()
}

/// Who else may write the files that say who is told, and read those that hold personal data.
pub(super) fn permissions(global: &Global, project: Option<&Project>, checkup: &mut Checkup) {
    let Some(project) = project else {
        return checkup.unchecked("permissions", None, "there is no project to look at");
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| {
            let found = std::fs::metadata(path).ok();
            found.map(|found| found.permissions().mode())
        };
        let mut open = Vec::new();
        for source in &project.sources.0 {
            let path = global.dir.join(&source.name);
            if mode(&path).is_some_and(|mode| mode & 0o002 != 0) {
                open.push(format!(
                    "everybody on this machine may write {}",
                    source.name
                ));
            }
        }
        let ledger = crate::cli::session::ledger_file(global, &project.manifest);
        if let Some(path) = ledger
            && mode(&path).is_some_and(|mode| mode & 0o007 != 0)
        {
            let shown = path.display();
            open.push(format!(
                "everybody on this machine may read {shown}, which holds personal data"
            ));
        }
        if open.is_empty() {
            checkup.ok(
                "permissions",
                None,
                "nobody else on this machine reaches what is the project's own",
            );
        } else {
            let help = "Take the right from others, as in `chmod o-rwx FILE`.";
            checkup.warning("permissions", None, open.join("; "), help);
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (global, project);
        checkup.unchecked("permissions", None, "this system has no file modes");
    }
}

/// How far the calendars of notices reach.
pub(super) fn calendars(project: Option<&Project>, checkup: &mut Checkup) {
    let Some(project) = project else {
        return checkup.unchecked("calendars", None, "there is no manifest to read");
    };
    // The first that ends, of the notices that go by one.
    let mut ends: BTreeMap<Date, Name> = BTreeMap::new();
    for notice in project.manifest.notices.values() {
        let until = notice.schedule.calendar().and_then(|c| c.covers_until());
        if let Some(until) = until {
            ends.entry(until)
                .or_insert_with(|| notice.address.name.clone());
        }
    }
    let Some((until, name)) = ends.first_key_value() else {
        return checkup.ok("calendars", None, "no notice goes by one that ends");
    };
    let today = Zoned::new(Timestamp::now(), TimeZone::UTC).date();
    let summary = format!("that of recurring_notice.{name} is complete until {until}");
    match today.checked_add(SOON.days()) {
        Ok(soon) if *until < soon => checkup.warning(
            "calendars",
            None,
            summary,
            "Extend it with the days that have been published since, and raise its `covers`; from 90 days before its end the manifest is refused.",
        ),
        _ => checkup.ok("calendars", None, summary),
    }
}
