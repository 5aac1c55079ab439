//! Diagnostics, three ways: for people, as JSON, and as annotations of GitHub's.
//!
//! Whatever users wrote is shown with control characters made visible, so that a file cannot drive
//! the terminal that shows it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::diagnostic::{FileId, Place, Sources};
use crate::model::{Diagnostic, Severity, Span};

/// The most bytes of a line that are shown around a place.
const MAX_LINE: usize = 400;

/// The most findings of one kind that people are shown: what buries the others helps nobody.
const SHOWN: usize = 20;

/// The version of [`Report`]'s form.
pub const FORMAT_VERSION: u32 = 1;

/// Diagnostics as a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    title = "Beadle diagnostics",
    description = "What is wrong with a manifest."
)]
pub struct Report {
    /// The version of this form: 1.
    pub format_version: u32,
    /// The findings, in the order of files and places.
    pub diagnostics: Vec<Finding>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How bad it is: nothing is planned while an error stands.
    pub severity: SeverityWord,
    /// A stable name for the kind of finding, such as `unknown-chat`.
    pub code: String,
    /// What is wrong.
    pub summary: String,
    /// What to do about it.
    pub detail: Option<String>,
    /// The resource, where it is about one.
    pub address: Option<String>,
    /// Where; absent only where there is no file to point into.
    pub range: Option<Range>,
    /// Other places that matter.
    pub related: Vec<Related>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeverityWord {
    /// Nothing is planned.
    Error,
    /// The plan goes on.
    Warning,
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// The path, relative to the project folder.
    pub file: String,
    /// The first character.
    pub start: Point,
    /// One past the last character.
    pub end: Point,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The byte in the file, from 0, a byte order mark not counted.
    pub byte: u32,
}

/// Another place that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Related {
    /// Where.
    pub range: Range,
    /// What is there.
    pub message: String,
}

/// Diagnostics as a document.
#[must_use]
pub fn report(sources: &Sources, diagnostics: &[Diagnostic]) -> Report {
    let mut lines = Lines::new(sources);
    let diagnostics = diagnostics
        .iter()
        .map(|d| Finding {
            severity: match d.severity {
                Severity::Error => SeverityWord::Error,
                Severity::Warning => SeverityWord::Warning,
            },
            code: d.code.to_owned(),
            summary: d.summary.clone(),
            detail: d.help.clone(),
            address: d.address.as_ref().map(ToString::to_string),
            range: d.span.map(|span| lines.range(span)),
            related: d
                .related
                .iter()
                .map(|(span, message)| Related {
                    range: lines.range(*span),
                    message: message.clone(),
                })
                .collect(),
        })
        .collect();
    Report {
        format_version: FORMAT_VERSION,
        diagnostics,
    }
}

/// Diagnostics as JSON, indented, with a line break at the end.
#[must_use]
pub fn json(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let report = report(sources, diagnostics);
    let mut text = serde_json::to_string_pretty(&report).expect("a report has text keys only");
    text.push('\n');
    text
}

/// Diagnostics for people, each with its line and a marker under it.
#[must_use]
pub fn human(sources: &Sources, diagnostics: &[Diagnostic], colour: bool, width: usize) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(width.max(40));
    let mut lines = Lines::new(sources);
    // The line of one mistake may hold a secret that another one is about.
    let secrets = diagnostics.iter().filter(|d| d.code == "written-secret");
    lines.secrets = secrets.filter_map(|d| d.span).collect();
    let mut out = String::new();
    let mut shown: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    for diagnostic in diagnostics {
        let of_kind = shown
            .entry((diagnostic.severity, diagnostic.code))
            .or_default();
        *of_kind += 1;
        if *of_kind > SHOWN {
            continue;
        }
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level
            .primary_title(visible(&diagnostic.summary))
            .id(diagnostic.code);
        let mut group = Group::with_title(title);
        if let Some(span) = diagnostic.span {
            group = lines.show(group, span, AnnotationKind::Primary, None);
        }
        for (span, words) in &diagnostic.related {
            group = lines.show(group, *span, AnnotationKind::Context, Some(words));
        }
        if let Some(address) = &diagnostic.address {
            group =
                group.element(Level::NOTE.message(format!("in {}", visible(&address.to_string()))));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(visible(help)));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    for ((severity, code), count) in shown {
        if count > SHOWN {
            let more = count - SHOWN;
            let _ = write!(
                out,
                "{severity}[{code}]: {more} more like these; `beadle validate --format json` lists all {count}\n\n"
            );
        }
    }
    out
}

/// Diagnostics as workflow commands of GitHub's, a line each. `prefix` is the project folder's path
/// in the repository, empty when it is the repository.
#[must_use]
pub fn github(sources: &Sources, diagnostics: &[Diagnostic], prefix: &str) -> String {
    annotations(&report(sources, diagnostics).diagnostics, prefix)
}

/// Findings as workflow commands of GitHub's, a line each.
#[must_use]
pub(super) fn annotations(findings: &[Finding], prefix: &str) -> String {
    let mut out = String::new();
    for finding in findings {
        let mut properties = Vec::new();
        if let Some(range) = &finding.range {
            let prefix = prefix.trim_end_matches('/');
            let file = match prefix {
                "" | "." => range.file.clone(),
                prefix => format!("{prefix}/{}", range.file),
            };
            properties.push(format!("file={}", escape_property(&file)));
            properties.push(format!("line={}", range.start.line));
            properties.push(format!("col={}", range.start.column));
            properties.push(format!("endLine={}", range.end.line));
            properties.push(format!("endColumn={}", range.end.column));
        }
        properties.push(format!("title={}", escape_property(&finding.code)));
        let mut message = finding.summary.clone();
        if let Some(address) = &finding.address {
            let _ = write!(message, " ({address})");
        }
        if let Some(help) = &finding.detail {
            let _ = write!(message, "\n{help}");
        }
        for related in &finding.related {
            let Range { file, start, .. } = &related.range;
            let _ = write!(message, "\n{file}:{}: {}", start.line, related.message);
        }
        let word = match finding.severity {
            SeverityWord::Error => Severity::Error,
            SeverityWord::Warning => Severity::Warning,
        };
        let _ = writeln!(
            out,
            "::{word} {}::{}",
            properties.join(","),
            escape_data(&message)
        );
    }
    out
}

fn escape_data(text: &str) -> String {
    let shown = text.split('\n').map(visible).collect::<Vec<_>>().join("\n");
    shown
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The text with every character visible that a terminal would act on.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
    };
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let picture = |c: char| match u32::from(c) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    };
    Cow::Owned(
        text.chars()
            .map(|c| if acts(c) { picture(c) } else { c })
            .collect(),
    )
}

/// Where lines and characters are, worked out once for each file.
pub(super) struct Lines<'s> {
    sources: &'s Sources,
    files: HashMap<FileId, Index>,
    /// What is shown struck out.
    secrets: Vec<Span>,
}

struct Index {
    /// The first byte of each line.
    starts: Vec<u32>,
    /// How many characters stand before each 1,024th byte, so that a place in a very long line is
    /// found without counting the line.
    chars: Vec<u32>,
}

const STEP: usize = 1024;

impl Index {
    fn new(text: &str) -> Self {
        let mut starts = vec![0];
        let mut chars = Vec::with_capacity(text.len() / STEP + 1);
        let mut count = 0;
        for (at, byte) in text.bytes().enumerate() {
            if at % STEP == 0 {
                chars.push(count);
            }
            // Bytes that go on with a character are no character of their own.
            count += u32::from(byte & 0xc0 != 0x80);
            if byte == b'\n' {
                starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
        }
        Index { starts, chars }
    }

    fn chars_before(&self, text: &str, byte: usize) -> usize {
        let step = (byte / STEP).min(self.chars.len().saturating_sub(1));
        let counted = self.chars.get(step).copied().unwrap_or(0) as usize;
        let rest = &text.as_bytes()[step * STEP..byte];
        counted + rest.iter().filter(|b| **b & 0xc0 != 0x80).count()
    }
}

impl<'s> Lines<'s> {
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self {
            sources,
            files: HashMap::new(),
            secrets: Vec::new(),
        }
    }

    /// The name of a file.
    pub(super) fn file(&self, file: FileId) -> &'s str {
        &self.sources.get(file).name
    }

    /// Where a byte is, and the first byte of its line.
    pub(super) fn place(&mut self, file: FileId, byte: u32) -> (Place, usize) {
        let text = &self.sources.get(file).text;
        let index = self.files.entry(file).or_insert_with(|| Index::new(text));
        let mut byte = (byte as usize).min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = index
            .starts
            .partition_point(|start| *start as usize <= byte);
        let start = index.starts[line - 1] as usize;
        let column = index.chars_before(text, byte) - index.chars_before(text, start) + 1;
        (Place { line, column }, start)
    }

    /// A stretch in lines and columns.
    pub(super) fn range(&mut self, span: Span) -> Range {
        let mut point = |byte| {
            let (place, _) = self.place(span.file, byte);
            Point {
                line: place.line,
                column: place.column,
                byte,
            }
        };
        Range {
            start: point(span.start),
            end: point(span.end),
            file: self.sources.get(span.file).name.clone(),
        }
    }

    /// Adds the line of a span with a marker under it; of a span of several lines, the first.
    fn show(
        &mut self,
        group: Group<'s>,
        span: Span,
        kind: AnnotationKind,
        words: Option<&str>,
    ) -> Group<'s> {
        let source = self.sources.get(span.file);
        let name = visible(&source.name).into_owned();
        let (place, line_start) = self.place(span.file, span.start);
        let text = &source.text;
        let start = floor(text, span.start as usize);
        // A line can be as long as its file; no more of it is looked at than is shown.
        let window = &text.as_bytes()[start..text.len().min(start + MAX_LINE + 1)];
        let line_end = window.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let line_end = floor(text, start + line_end.unwrap_or(window.len()));
        let end = floor(text, span.end as usize).clamp(start, line_end);
        let from = floor(text, line_start.max(start.saturating_sub(MAX_LINE / 4)));
        let end = floor(text, end.min(start + MAX_LINE / 2)).max(start);
        let to = floor(text, line_end.min(start + MAX_LINE)).max(end);
        let cut = |before: bool| if before { "…" } else { "" };
        let shown = |from: usize, to: usize| -> String {
            let hidden = |at: usize| {
                let holds = |s: &Span| {
                    s.file == span.file && (s.start as usize..s.end as usize).contains(&at)
                };
                self.secrets.iter().any(holds)
            };
            let chars = text[from..to].char_indices();
            let struck: String = chars
                .map(|(at, c)| if hidden(from + at) { '•' } else { c })
                .collect();
            visible(&struck).into_owned()
        };
        let before = format!("{}{}", cut(from > line_start), shown(from, start));
        let marked = shown(start, end);
        let after = format!("{}{}", shown(end, to), cut(to < line_end));
        let range = before.len()..before.len() + marked.len();
        let annotation = kind
            .span(range)
            .label(words.map(|w| visible(w).into_owned()));
        let snippet = Snippet::source(format!("{before}{marked}{after}"))
            .line_start(place.line)
            .annotation(annotation);
        if from > line_start {
            // The column that the snippet would count begins at the cut.
            let origin = Origin::path(name)
                .line(place.line)
                .char_column(place.column);
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(name))
        }
    }
}

fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}
