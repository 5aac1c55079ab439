//! What is wrong with a manifest, where, and what to do.

use std::fmt;

use super::Address;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is planned while one of these stands.
    Error,
    /// The plan goes on.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// A file of [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A stretch of a source file, in bytes, end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for the kind of finding, in kebab case, such as `unknown-chat`.
    pub code: &'static str,
    /// What is wrong: a lowercase fragment without a period.
    pub summary: String,
    /// What to do about it: a sentence.
    pub help: Option<String>,
    /// The resource, where it is about one.
    pub address: Option<Address>,
    /// Where; absent only where there is no file to point into.
    pub span: Option<Span>,
    /// Other places that matter, each with a few words.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(
        code: &'static str,
        span: impl Into<Option<Span>>,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            summary: summary.into(),
            help: None,
            address: None,
            span: span.into(),
            related: Vec::new(),
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(
        code: &'static str,
        span: impl Into<Option<Span>>,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, summary)
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the resource.
    #[must_use]
    pub fn address(mut self, address: Address) -> Self {
        self.address = Some(address);
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, span: Span, words: impl Into<String>) -> Self {
        self.related.push((span, words.into()));
        self
    }
}

/// Whether any of these stops the work.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as users would type it, relative to the project folder.
    pub name: String,
    /// The text, without a byte order mark.
    pub text: String,
    /// Whether the file begins with a byte order mark.
    pub marked: bool,
}

/// The files of a manifest, by [`FileId`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(pub Vec<Source>);

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// Adds a file; a byte order mark is dropped, so that places count from the first character.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let mut text = text.into();
        let marked = text.starts_with('\u{feff}');
        if marked {
            text.drain(..'\u{feff}'.len_utf8());
        }
        self.0.push(Source {
            name: name.into(),
            text,
            marked,
        });
        FileId(u32::try_from(self.0.len() - 1).expect("fewer than 2^32 files"))
    }

    /// The file of an id.
    #[must_use]
    pub fn get(&self, id: FileId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// Where a byte of a file is.
    #[must_use]
    pub fn place(&self, file: FileId, byte: u32) -> Place {
        let text = &self.get(file).text;
        let mut byte = (byte as usize).min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// `file:line:column` of a span's beginning.
    #[must_use]
    pub fn locate(&self, span: Span) -> String {
        let place = self.place(span.file, span.start);
        format!(
            "{}:{}:{}",
            self.get(span.file).name,
            place.line,
            place.column
        )
    }
}
