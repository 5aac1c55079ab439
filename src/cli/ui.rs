//! Where text goes: stdout for results, stderr for talk, colour where it is wanted.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::{ColorWhen, Format, Global, LogFormat};
use super::diagnostics;
use super::error::Failure;
use super::text::clean;
use crate::model::Diagnostic;
use crate::model::diagnostic::Sources;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The terminal, or the pipes in its place.
#[derive(Clone, Debug)]
pub(super) struct Ui {
    format: Format,
    color: ColorWhen,
    interactive: bool,
    log_json: bool,
    prefix: String,
    /// Whether a result could not be written out.
    lost: Arc<AtomicBool>,
}

impl Ui {
    pub(super) fn new(global: &Global) -> Self {
        let in_ci =
            std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false" && v != "0");
        Self {
            format: global.format,
            color: global.color,
            interactive: !in_ci && io::stdin().is_terminal() && io::stderr().is_terminal(),
            log_json: global.log_format == LogFormat::Json,
            prefix: global.dir.display().to_string(),
            lost: Arc::default(),
        }
    }

    /// Logs go to stderr; without `-v` only warnings do.
    pub(super) fn init_logging(&self, global: &Global) {
        let level = match global.verbose {
            0 => tracing::Level::WARN,
            1 => tracing::Level::INFO,
            2 => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        let targets = tracing_subscriber::filter::Targets::new()
            .with_default(tracing::Level::WARN)
            .with_target("beadle", level);
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_target(false);
        let registry = tracing_subscriber::registry().with(targets);
        let result = if self.log_json {
            registry.with(layer.json()).try_init()
        } else {
            registry
                .with(layer.with_ansi(self.stderr_color()))
                .try_init()
        };
        // A second initialisation happens in tests only, and changes nothing.
        drop(result);
    }

    /// The project folder as annotations name it.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Whether somebody is there to answer.
    pub(super) fn is_interactive(&self) -> bool {
        self.interactive
    }

    fn choice(&self, stream: &dyn IsTerm) -> ColorChoice {
        match self.color {
            ColorWhen::Always => ColorChoice::Always,
            ColorWhen::Never => ColorChoice::Never,
            ColorWhen::Auto if stream.colors() => ColorChoice::Always,
            ColorWhen::Auto => ColorChoice::Never,
        }
    }

    pub(super) fn stderr_color(&self) -> bool {
        self.choice(&io::stderr()) == ColorChoice::Always
    }

    /// Prints a result. A reader that has gone away is no error; a full disk is.
    pub(super) fn print(&self, text: &str) {
        let mut out = AutoStream::new(io::stdout().lock(), self.choice(&io::stdout()));
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        drop(out);
        self.note_lost(written);
    }

    /// Prints a result byte for byte, for another program: nothing in it is taken for a style.
    pub(super) fn print_raw(&self, text: &str) {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        drop(out);
        self.note_lost(written);
    }

    fn note_lost(&self, written: io::Result<()>) {
        match written {
            Err(error)
                if error.kind() != io::ErrorKind::BrokenPipe
                    && !self.lost.swap(true, Ordering::SeqCst) =>
            {
                self.say(&format!(
                    "{ERROR}error:{ERROR:#} the result could not be written: {error}"
                ));
            }
            _ => {}
        }
    }

    /// Whether a result could not be written out.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Prints one JSON document.
    pub(super) fn print_json(&self, value: &impl serde::Serialize) {
        self.print(&pretty(value));
    }

    /// Prints one line of JSON.
    pub(super) fn print_json_line(&self, value: &impl serde::Serialize) {
        let mut text = serde_json::to_string(value).expect("our shapes have text keys only");
        text.push('\n');
        self.print(&text);
    }

    /// Says something that is not the result.
    pub(super) fn say(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice(&io::stderr()));
        let _ = writeln!(err, "{text}");
    }

    /// Shows findings on stderr, in the form that the format asks for.
    pub(super) fn findings(&self, found: &[Diagnostic], sources: &Sources) {
        if found.is_empty() {
            return;
        }
        let text = match self.format {
            Format::Github => diagnostics::github(sources, found, self.prefix()),
            Format::Human | Format::Markdown | Format::Json => {
                diagnostics::human(sources, found, self.stderr_color(), width())
            }
        };
        let mut err = AutoStream::new(io::stderr().lock(), self.choice(&io::stderr()));
        let _ = err.write_all(text.as_bytes());
    }

    pub(super) fn failure(&self, failure: &Failure) {
        if let Some((found, sources)) = failure.findings() {
            self.findings(found, sources);
            if self.format == Format::Json {
                self.print(&diagnostics::json(sources, found));
            }
            return;
        }
        self.say(&format!(
            "{ERROR}error:{ERROR:#} {}",
            clean(&failure.to_string())
        ));
        if let Some(hint) = failure.hint_text() {
            self.say(&format!("{HINT}help:{HINT:#} {}", clean(hint)));
        }
    }

    /// Asks for a line; the default stands for an empty one. `None` when the terminal has gone. Only called
    /// when somebody is there.
    pub(super) fn ask(&self, question: &str, default: &str) -> Option<String> {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice(&io::stderr()));
        let _ = write!(err, "{question} [{default}]: ").and_then(|()| err.flush());
        drop(err);
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) if answer.trim().is_empty() => Some(default.to_owned()),
            Ok(_) => Some(answer.trim().to_owned()),
        }
    }

    /// Asks for the word `yes`; only called when somebody is there.
    pub(super) fn confirm(&self, question: &str) -> bool {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice(&io::stderr()));
        let _ = write!(err, "{question} Only `yes` is accepted: ").and_then(|()| err.flush());
        drop(err);
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
    }
}

/// A JSON document as it is printed.
pub(super) fn pretty(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("our shapes have text keys only");
    text.push('\n');
    text
}

trait IsTerm {
    fn colors(&self) -> bool;
}

impl IsTerm for io::Stdout {
    fn colors(&self) -> bool {
        AutoStream::choice(self) != ColorChoice::Never
    }
}

impl IsTerm for io::Stderr {
    fn colors(&self) -> bool {
        AutoStream::choice(self) != ColorChoice::Never
    }
}

/// How wide findings may be. Messages wrap there; without a terminal nothing is cut.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.unwrap_or(if io::stderr().is_terminal() { 100 } else { 140 })
}
