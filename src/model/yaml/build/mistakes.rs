//! What is no YAML, and where it stands, in words that say what to do.

use granit_parser::{ErrorKind, Marker};

use super::{Builder, Diagnostic, MAX_BYTES, MAX_DEPTH, NodeId, Span, Stop, offset};

impl Builder<'_, '_> {
    pub(super) fn refuse_control_characters(&self) -> Result<(), Stop> {
        let bad = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || *b == 0x7f;
        match self.text.as_bytes().iter().position(bad) {
            None => Ok(()),
            Some(at) => Err(Diagnostic::error(
                "control-character",
                self.span(offset(at), offset(at + 1)),
                format!(
                    "the control character U+{:04X} stands in the text",
                    self.text.as_bytes()[at]
                ),
            )
            .help("Remove it; in a double-quoted text it can be written as an escape.")
            .into()),
        }
    }

    pub(super) fn too_deep(&self, start: u32, end: u32) -> Stop {
        Diagnostic::error(
            "too-deep",
            self.span(start, end.max(start)),
            format!("values stand more than {MAX_DEPTH} deep in one another here"),
        )
        .help("A manifest is never that deep; look for a bracket or an indentation that was not meant.")
        .into()
    }

    pub(super) fn syntax(&self, at: &Marker, kind: &ErrorKind) -> Stop {
        let at = self.byte(at);
        if matches!(kind, ErrorKind::UnknownAnchor) {
            let end = self.word_end(at);
            return unknown_anchor(self.span(at, end));
        }
        if let Some(tab) = self.tab_in_indentation(at) {
            return Diagnostic::error(
                "tab-indentation",
                self.span(tab, tab + 1),
                "a tab indents this line",
            )
            .help("YAML is indented with spaces; replace the tab.")
            .into();
        }
        let end = self.text[at as usize..]
            .chars()
            .next()
            .filter(|c| *c != '\n' && *c != '\r')
            .map_or(at, |c| at + offset(c.len_utf8()));
        let (summary, help) = explain(kind);
        Diagnostic::error("yaml-syntax", self.span(at, end), summary)
            .help(help)
            .into()
    }

    /// A tab before the first other character of the line that holds `at`, or of the line before.
    fn tab_in_indentation(&self, at: u32) -> Option<u32> {
        let before = &self.text[..at as usize];
        let line = before.rfind('\n').map_or(0, |nl| nl + 1);
        let earlier = before[..line.saturating_sub(1)]
            .rfind('\n')
            .map_or(0, |nl| nl + 1);
        [line, earlier].into_iter().find_map(|start| {
            let indent = self.text[start..]
                .find(|c| c != ' ' && c != '\t')
                .map_or(self.text.len(), |n| start + n);
            self.text[start..indent]
                .find('\t')
                .map(|n| offset(start + n))
        })
    }

    pub(super) fn byte(&self, at: &Marker) -> u32 {
        let mut byte = at.byte_offset().unwrap_or(0).min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        offset(byte)
    }

    pub(super) fn line_end(&self, start: u32) -> u32 {
        let rest = &self.text[start as usize..];
        start + offset(rest.find(['\n', '\r']).unwrap_or(rest.len()))
    }

    fn word_end(&self, start: u32) -> u32 {
        let rest = &self.text[start as usize..];
        let stops = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
        start + offset(rest.find(stops).unwrap_or(rest.len()))
    }

    pub(super) fn span(&self, start: u32, end: u32) -> Span {
        Span {
            file: self.file,
            start,
            end,
        }
    }

    pub(super) fn span_of(&self, id: NodeId) -> Span {
        let node = &self.nodes[id.0 as usize];
        self.span(node.start, node.end)
    }
}

/// The diagnostic of a file over [`MAX_BYTES`].
pub(super) fn too_large(span: Option<Span>, bytes: u64) -> Box<Diagnostic> {
    Diagnostic::error(
        "too-large",
        span,
        format!(
            "this file has {bytes} bytes, and a file can have at most {} MiB",
            MAX_BYTES / 1024 / 1024
        ),
    )
    .help("Split it into several files and name them in `include`.")
    .into()
}

pub(super) fn unknown_anchor(span: Span) -> Stop {
    Diagnostic::error(
        "unknown-anchor",
        span,
        "no anchor of this name stands before this alias",
    )
    .help("Write `&name` in front of the value that is meant; a text that begins with `*` needs quotes.")
    .into()
}

fn explain(kind: &ErrorKind) -> (String, &'static str) {
    let (summary, help) = match kind {
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::UnexpectedEof
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => (
            "a quote is opened and never closed",
            "Close the quote that opens before this place.",
        ),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => (
            "a bracket is opened and never closed",
            "Close the `[` or `{` that opens before this place.",
        ),
        ErrorKind::MismatchedFlowCollectionEnd { .. } | ErrorKind::MisplacedFlowCollectionEnd => (
            "this bracket closes nothing",
            "Remove it, or make it match the bracket that opens.",
        ),
        ErrorKind::UnknownQuotedScalarEscape => (
            "this escape is not one of YAML's",
            "Write `\\\\` for a backslash, or use single quotes.",
        ),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a colon stands where no key can be",
            "Quote the text if it contains `: `, or check the indentation.",
        ),
        ErrorKind::SimpleKeyExpected => (
            "this line has no colon",
            "Write `key: value`, or `- value` for an element of a list.",
        ),
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry => (
            "the indentation does not fit",
            "Keys of one mapping begin in the same column.",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            return (
                format!("a plain text cannot begin with {character:?}"),
                "Quote the text.",
            );
        }
        other => {
            return (
                format!("this is not valid YAML: {other}"),
                "Check the indentation, colons, quotes and brackets around this place.",
            );
        }
    };
    (summary.to_owned(), help)
}
