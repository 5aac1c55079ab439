//! `comment`: a plan, findings or any Markdown on a pull request, as one comment that is kept up to date.

use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{CommentCommand, Format, Global, OnGithub};
use crate::cli::diagnostics::{Finding, Report, annotations};
use crate::cli::error::Failure;
use crate::cli::inert::{code, fit, start};
use crate::cli::json::PlanJson;
use crate::cli::markdown;
use crate::cli::planning::SavedPlan;
use crate::cli::text::clean;
use crate::cli::ui::Ui;
use crate::forge::{ForgeError, GitHub, How, Settings};

/// The most bytes of a comment (65,536 characters at GitHub; bytes are the safe side).
const MOST: usize = 65_500;

/// The most bytes that a step may add to its summary.
const MOST_IN_SUMMARY: usize = 1024 * 1024;

/// The most bytes that are read.
const MOST_READ: u64 = 256 * 1024 * 1024;

/// Where GitHub's API is unless the environment says otherwise.
const API: &str = "https://api.github.com";

/// The lines that a workflow needs, for a token without rights.
const RIGHTS: &str = "Give the job `permissions: pull-requests: write` (and `contents: read`).";

pub(super) async fn run(global: &Global, command: &CommentCommand, ui: &Ui) -> Result {
    let CommentCommand::Github(args) = command;
    super::only(ui, "comment github", &[Format::Human, Format::Github])?;
    let content = Content::read(&args.file)?;
    let folder = folder(global);
    let body = body(&content, &folder, args.name.as_deref());
    // What needs no right comes first, and stands whatever becomes of the comment.
    let mut out = annotations(content.findings(), &folder);
    summarise(&body.text, ui);
    if !out.is_empty() {
        ui.print(&out);
        out.clear();
    }
    let event = Event::read();
    let settings = settings(global, args, &event)?;
    let pull = pull(args, &event)?;
    let github = GitHub::new(&settings).map_err(|error| failure(&error, &event))?;
    let comment = github
        .upsert(pull, &body.marker, &body.text)
        .await
        .map_err(|error| failure(&error, &event))?;
    let word = match comment.how {
        How::Created => "Created",
        How::Updated => "Updated",
        How::Unchanged => "As it was",
    };
    ui.print(&format!("{word}: {}\n", clean(&comment.url)));
    Ok(ExitStatus::Done)
}

/// What is to be said.
enum Content {
    Saved(Box<SavedPlan>),
    Plan(Box<PlanJson>),
    Findings(Vec<Finding>),
    Markdown(String),
}

impl Content {
    fn read(path: &Path) -> Result<Self> {
        let is_stdin = path.as_os_str() == "-";
        let shown = if is_stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let failed = |e: std::io::Error| Failure::new(format!("{shown} cannot be read")).because(e);
        let mut bytes = Vec::new();
        if is_stdin {
            std::io::stdin()
                .lock()
                .take(MOST_READ + 1)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
        } else {
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(MOST_READ + 1)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
        }
        if bytes.len() as u64 > MOST_READ {
            return Err(Failure::new(format!(
                "{shown} has more than {MOST_READ} bytes"
            )));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not UTF-8, so it is nothing to say")))?;
        if text.trim().is_empty() {
            return Err(
                Failure::new(format!("{shown} is empty, so there is nothing to say"))
                    .hint("Did the command that wrote it fail? Its exit status says so."),
            );
        }
        if !text.trim_start().starts_with('{') {
            return Ok(Content::Markdown(text));
        }
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| {
            Failure::new(format!("{shown} begins like JSON and is none")).because(e)
        })?;
        let wrong = |e: serde_json::Error| {
            Failure::new(format!("{shown} is neither a plan nor findings"))
                .because(e)
                .hint("Give a file that `beadle plan --out FILE` wrote, or what `plan` or `validate` printed with `--format json`.")
        };
        if value.get("plan").is_some() && !is_stdin {
            return SavedPlan::read(path).map(|saved| Content::Saved(Box::new(saved)));
        }
        if value.get("plan").is_some() {
            return SavedPlan::parse(&text, &shown).map(|saved| Content::Saved(Box::new(saved)));
        }
        if value.get("diagnostics").is_some() {
            let report: Report = serde_json::from_value(value).map_err(wrong)?;
            return Ok(Content::Findings(report.diagnostics));
        }
        let plan = serde_json::from_value(value).map_err(wrong)?;
        Ok(Content::Plan(Box::new(plan)))
    }

    fn findings(&self) -> &[Finding] {
        match self {
            Content::Saved(saved) => &saved.plan.warnings,
            Content::Plan(plan) => &plan.warnings,
            Content::Findings(findings) => findings,
            Content::Markdown(_) => &[],
        }
    }

    fn markdown(&self) -> String {
        match self {
            Content::Saved(saved) => markdown::plan(&saved.plan),
            Content::Plan(plan) => markdown::plan(plan),
            Content::Findings(findings) => markdown::findings(findings),
            Content::Markdown(text) => text.clone(),
        }
    }
}

struct Body {
    marker: String,
    text: String,
}

/// The text with the marker by which the comment is found again, one for each folder of a project, so
/// that the projects of a repository do not write over each other.
fn body(content: &Content, folder: &str, name: Option<&str>) -> Body {
    let mut hash = Sha256::new();
    hash.update(folder.as_bytes());
    hash.update(b"\n");
    hash.update(name.unwrap_or_default().as_bytes());
    let key: String = hash
        .finalize()
        .iter()
        .take(10)
        .map(|b| format!("{b:02x}"))
        .collect();
    let marker = format!("<!-- beadle comment {key} -->");
    let place = if folder.is_empty() { "." } else { folder };
    let mut head = format!("{marker}\n**beadle** in {}", code(start(place, 200)));
    if let Some(name) = name {
        head.push_str(&format!(", {}", code(start(name, 100))));
    }
    head.push_str("\n\n");
    let text = fit(&content.markdown(), MOST - head.len());
    Body {
        text: format!("{head}{}\n", text.trim_end()),
        marker,
    }
}

/// The project folder's path in the repository, empty where it is the repository.
fn folder(global: &Global) -> String {
    let root = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let real = global.dir.canonicalize().ok();
    let inside = root
        .and_then(|root| root.canonicalize().ok())
        .zip(real.as_ref());
    let inside = inside.and_then(|(root, dir)| dir.strip_prefix(root).ok().map(Path::to_owned));
    // Where nothing is checked out, or out of CI, the folder is called as it is written.
    let path = inside.unwrap_or_else(|| global.dir.clone());
    let parts = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir));
    let parts: Vec<_> = parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// Adds to the summary of the step, if there is one.
fn summarise(text: &str, ui: &Ui) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return;
    };
    let text = fit(text, MOST_IN_SUMMARY);
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        let shown = Path::new(&path).display().to_string();
        ui.say(&format!(
            "The summary of the step could not be written to {}: {error}.",
            clean(&shown)
        ));
    }
}

/// What GitHub says started the workflow.
#[derive(Default)]
struct Event(serde_json::Value);

impl Event {
    fn read() -> Self {
        let path = std::env::var_os("GITHUB_EVENT_PATH");
        let text = path.and_then(|path| std::fs::read_to_string(path).ok());
        Self(
            text.and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
        )
    }

    fn pull(&self) -> Option<u64> {
        let number = |pointer: &str| self.0.pointer(pointer).and_then(serde_json::Value::as_u64);
        let commented = self.0.pointer("/issue/pull_request").is_some();
        number("/pull_request/number")
            .or_else(|| number("/issue/number").filter(|_| commented))
            .or_else(|| number("/workflow_run/pull_requests/0/number"))
    }

    /// Whether the pull request comes from a fork, whose workflows have no right to write.
    fn is_from_fork(&self) -> bool {
        let name = |side: &str| {
            let name = self
                .0
                .pointer(&format!("/pull_request/{side}/repo/full_name"));
            name.and_then(serde_json::Value::as_str)
        };
        match (name("head"), name("base")) {
            (head, Some(base)) => head != Some(base),
            (_, None) => false,
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

fn settings(global: &Global, args: &OnGithub, event: &Event) -> Result<Settings> {
    let Some(token) = variable("GITHUB_TOKEN").or_else(|| variable("GH_TOKEN")) else {
        let failure = Failure::new(
            "there is no token to comment with: neither GITHUB_TOKEN nor GH_TOKEN is set",
        );
        return Err(if event.is_from_fork() {
            failure.hint(FORK)
        } else {
            failure.hint("In a workflow, write `env: { GITHUB_TOKEN: \"${{ github.token }}\" }` at the step.")
        });
    };
    let Some(repository) = variable("GITHUB_REPOSITORY") else {
        return Err(
            Failure::new("GITHUB_REPOSITORY does not say which repository is meant")
                .hint("Set it to `owner/name`."),
        );
    };
    let authorities = match &global.ca_file {
        None => None,
        Some(file) => Some(std::fs::read(file).map_err(|error| {
            Failure::new(format!(
                "the certificate file {} cannot be read",
                file.display()
            ))
            .because(error)
        })?),
    };
    Ok(Settings {
        api: variable("GITHUB_API_URL").unwrap_or_else(|| API.to_owned()),
        repository,
        token: token.into(),
        timeout: global.timeout,
        authorities,
        grace: args.settle_grace,
    })
}

const FORK: &str = "A pull request from a fork has no right to write; its step summary has the plan. Leave the step out for forks: `if: github.event.pull_request.head.repo.full_name == github.repository`.";

/// Which pull request is meant.
fn pull(args: &OnGithub, event: &Event) -> Result<u64> {
    let of_ref = || {
        let name = variable("GITHUB_REF")?;
        let number = name.strip_prefix("refs/pull/")?.split('/').next()?;
        number.parse().ok()
    };
    args.pr
        .or_else(|| event.pull())
        .or_else(of_ref)
        .ok_or_else(|| {
            Failure::new("no pull request is known here")
                .hint("Name it with `--pr N`, or run this for `on: pull_request` only.")
        })
}

fn failure(error: &ForgeError, event: &Event) -> Failure {
    let hint = match error {
        ForgeError::Refused { status: 401, .. } => {
            "The token is not valid, or not any more.".to_owned()
        }
        ForgeError::Refused {
            status: 403 | 404, ..
        } if event.is_from_fork() => FORK.to_owned(),
        ForgeError::Refused { status: 403, .. } => RIGHTS.to_owned(),
        ForgeError::Refused { status: 404, .. } => {
            format!(
                "The repository and the pull request have to exist, and the token has to reach them. {RIGHTS}"
            )
        }
        ForgeError::Refused { status: 410, .. } => {
            "The repository has issues, or this one, switched off.".to_owned()
        }
        ForgeError::Refused { .. } => "Nothing was written.".to_owned(),
        ForgeError::Limited { .. } => "Nothing was written; run the job again later.".to_owned(),
        ForgeError::Unanswered { .. } => {
            "Run it again: one comment is made, however often it runs.".to_owned()
        }
        ForgeError::Unknown { .. } => {
            "Run it again: a comment that is there is found, and none is made twice.".to_owned()
        }
        ForgeError::Settings(_) => {
            "Check GITHUB_API_URL, GITHUB_REPOSITORY and the token.".to_owned()
        }
    };
    Failure::new(clean(&error.to_string())).hint(hint)
}
