//! Changes of a YAML file that touch only what they must.
//!
//! A file belongs to the people who wrote it: its comments, its order, its quotes and its line breaks stay.
//! So nothing is written anew; each change is a stretch of bytes of the file, and what replaces it in the
//! style of what stands around. The module knows YAML and nothing of what the values mean.
//!
//! What a value is can be decided elsewhere: by an alias, or by the anchor that aliases name. Such a place
//! is never changed here: it is a [`Refusal`].

mod items;
mod lines;
mod pairs;
mod scalar;

use std::ops::Range;

use super::Span;
use super::interpolate;
use super::yaml::{NodeId, Tree, Yaml};
use scalar::Quotes;

/// A stretch of a file and what comes in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The stretch, in bytes.
    pub at: Range<usize>,
    /// What comes there.
    pub with: String,
    /// Whether it belongs to something that encloses what else is put in at the same place, and so comes
    /// after it.
    pub outer: bool,
    /// For one of several parts of a mapping that go: when all do, `{}` is left.
    pub part: Option<Part>,
}

/// One of the pairs of a mapping that is written in lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Right after the colon of the mapping's key.
    pub colon: usize,
    /// How many pairs there are.
    pub of: usize,
}

/// Why a place is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An alias stands there.
    #[error("its value comes from an alias")]
    Alias {
        /// The alias.
        at: Span,
        /// What it stands for.
        of: Span,
    },
    /// Others name it by its anchor.
    #[error("its value has an anchor that is used elsewhere")]
    Anchor {
        /// The value.
        at: Span,
        /// One that uses it.
        used: Span,
    },
    /// `${…}` stands there.
    #[error("its value comes from an interpolation")]
    Interpolated {
        /// The scalar.
        at: Span,
    },
    /// It is written in a way that is not changed in place.
    #[error("it is written in a way that cannot be changed in place")]
    Form {
        /// The value.
        at: Span,
    },
}

impl Refusal {
    /// The place that a reader should look at.
    #[must_use]
    pub fn at(&self) -> Span {
        match self {
            Refusal::Alias { at, .. }
            | Refusal::Anchor { at, .. }
            | Refusal::Interpolated { at }
            | Refusal::Form { at } => *at,
        }
    }
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A text, quoted where it must be.
    Text(&'a str),
    /// A word that stands without quotes, such as `true`.
    Word(&'a str),
}

impl Scalar<'_> {
    fn write(self, quotes: Quotes, in_flow: bool) -> String {
        match self {
            Scalar::Text(text) => scalar::write(text, quotes, in_flow),
            Scalar::Word(word) => word.to_owned(),
        }
    }
}

/// Gathers edits of one file. Each method adds all of the edits that it needs, or none.
pub struct Editor<'t> {
    tree: &'t Tree<'t>,
    text: &'t str,
    /// Every alias and what it stands for.
    aliases: Vec<(Span, Span)>,
    edits: Vec<Edit>,
}

impl<'t> Editor<'t> {
    /// Begins with no edit.
    #[must_use]
    pub fn new(tree: &'t Tree<'t>) -> Self {
        Self {
            tree,
            text: tree.text(),
            aliases: tree.aliases().collect(),
            edits: Vec::new(),
        }
    }

    /// The edits so far.
    #[must_use]
    pub fn into_edits(self) -> Vec<Edit> {
        self.edits
    }

    /// How many edits there are so far, for [`Editor::rewind`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.edits.len()
    }

    /// Drops the edits since a mark.
    pub fn rewind(&mut self, mark: usize) {
        self.edits.truncate(mark);
    }

    /// Puts a scalar in the place of a value, in the style that the old one had.
    ///
    /// # Errors
    ///
    /// When the value is decided elsewhere, as with every method here.
    pub fn set_scalar(
        &mut self,
        key: NodeId,
        at: NodeId,
        value: Scalar<'_>,
    ) -> Result<(), Refusal> {
        self.own(at)?;
        let span = self.range(at);
        let Yaml::Scalar { text, plain } = self.tree.get(at) else {
            return Err(self.form(at));
        };
        if interpolate::is_needed(text) {
            return Err(Refusal::Interpolated {
                at: self.tree.span(at),
            });
        }
        if span == self.range(key) {
            // The value was left out.
            let colon = self.after_colon(key).ok_or_else(|| self.form(at))?;
            let rest = &self.text[colon..lines::end(self.text, colon)];
            if !rest.trim_start().is_empty() && !rest.trim_start().starts_with('#') {
                return Err(self.form(at));
            }
            let written = value.write(Quotes::None, self.tree.is_in_flow(key));
            self.push(colon..colon, format!(" {written}"));
            return Ok(());
        }
        if !plain && let Some(header) = self.block_header(key, at) {
            return self.set_block_scalar(at, header, value);
        }
        let quotes = Quotes::of(&self.text[span.clone()]);
        let written = value.write(quotes, self.tree.is_in_flow(at));
        self.push(span, written);
        Ok(())
    }

    /// Puts text as it is in the place of a scalar.
    ///
    /// # Errors
    ///
    /// As [`Editor::set_scalar`].
    pub fn set_raw(&mut self, at: NodeId, raw: String) -> Result<(), Refusal> {
        self.own(at)?;
        match self.tree.get(at) {
            Yaml::Scalar { text, .. } if interpolate::is_needed(text) => {
                Err(Refusal::Interpolated {
                    at: self.tree.span(at),
                })
            }
            Yaml::Scalar { .. } => {
                self.push(self.range(at), raw);
                Ok(())
            }
            Yaml::List(_) | Yaml::Map(_) => Err(self.form(at)),
        }
    }

    /// The stretch from `|` or `>` to the end of that word, when the value is a block scalar.
    fn block_header(&self, key: NodeId, at: NodeId) -> Option<Range<usize>> {
        let between = &self.text[self.range(key).end..self.range(at).start];
        let first = between
            .split('\n')
            .next()
            .filter(|f| f.len() < between.len())?;
        let base = self.range(key).end;
        let mut from = first.find(':')? + 1;
        for word in first[from..].split_whitespace() {
            from = first[from..].find(word)? + from;
            if word.starts_with(['|', '>']) {
                return Some(base + from..base + from + word.len());
            }
            if !word.starts_with(['&', '!']) {
                return None;
            }
            from += word.len();
        }
        None
    }

    fn set_block_scalar(
        &mut self,
        at: NodeId,
        header: Range<usize>,
        value: Scalar<'_>,
    ) -> Result<(), Refusal> {
        let body = self.range(at);
        let word = &self.text[header.clone()];
        let (style, chomp) = word.split_at(1);
        let fits = |text: &str| {
            let kept = text.strip_suffix('\n').unwrap_or(text);
            let lines = if style == "|" { kept } else { kept.trim_end() };
            matches!(chomp, "" | "-")
                && !lines.is_empty()
                && !kept.ends_with('\n')
                && !kept.starts_with([' ', '\n'])
                && kept.chars().all(|c| c == '\n' || !c.is_control())
                && (style == "|" || !kept.contains('\n'))
        };
        match value {
            Scalar::Text(text) if fits(text) => {
                let text = text.replace("${", "$${");
                let indent = lines::indent(self.text, body.start);
                let (kept, chomp) = match text.strip_suffix('\n') {
                    Some(kept) => (kept, ""),
                    None => (text.as_str(), "-"),
                };
                let line_break = lines::line_break(self.text, header.end);
                let written: Vec<String> = kept
                    .split('\n')
                    .enumerate()
                    .map(|(n, line)| match (n, line) {
                        (0, line) => line.to_owned(),
                        (_, "") => String::new(),
                        (_, line) => format!("{indent}{line}"),
                    })
                    .collect();
                if chomp != &word[1..] {
                    self.push(header.start + 1..header.end, chomp.to_owned());
                }
                self.push(body, written.join(line_break));
            }
            value => {
                let written = value.write(Quotes::Double, self.tree.is_in_flow(at));
                let end = lines::end(self.text, header.end);
                self.push(header, written);
                self.push(end..body.end, String::new());
            }
        }
        Ok(())
    }

    /// Fails when the value of a node is decided elsewhere, or others depend on it.
    fn own(&self, at: NodeId) -> Result<(), Refusal> {
        let span = self.tree.span(at);
        if let Some(of) = self.tree.anchor_span(at) {
            return Err(Refusal::Alias { at: span, of });
        }
        let inside = |outer: &Span| outer.start <= span.start && span.end <= outer.end;
        match self.aliases.iter().find(|(_, target)| inside(target)) {
            Some((used, _)) => Err(Refusal::Anchor {
                at: span,
                used: *used,
            }),
            None => Ok(()),
        }
    }

    /// Fails when something outside of a stretch names an anchor inside of it.
    fn unnamed(&self, stretch: &Range<usize>) -> Result<(), Refusal> {
        let inside = |span: &Span| {
            stretch.start <= span.start as usize && (span.end as usize) <= stretch.end
        };
        let named = self
            .aliases
            .iter()
            .find(|(alias, target)| inside(target) && !inside(alias));
        match named {
            Some((used, at)) => Err(Refusal::Anchor {
                at: *at,
                used: *used,
            }),
            None => Ok(()),
        }
    }

    fn range(&self, at: NodeId) -> Range<usize> {
        let span = self.tree.span(at);
        span.start as usize..span.end as usize
    }

    /// Right after the colon of a key.
    fn after_colon(&self, key: NodeId) -> Option<usize> {
        let end = self.range(key).end;
        let rest = &self.text[end..];
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        rest[spaces..].starts_with(':').then_some(end + spaces + 1)
    }

    fn form(&self, at: NodeId) -> Refusal {
        Refusal::Form {
            at: self.tree.span(at),
        }
    }

    fn push(&mut self, at: Range<usize>, with: String) {
        self.edits.push(Edit {
            at,
            with,
            outer: false,
            part: None,
        });
    }

    /// Puts lines in below the line that holds a byte.
    fn push_lines(&mut self, below: usize, lines: &[String], outer: bool) {
        let at = lines::next(self.text, below);
        let line_break = lines::line_break(self.text, below);
        let with = if self.text[..at].ends_with('\n') {
            lines.iter().map(|l| format!("{l}{line_break}")).collect()
        } else {
            // The last line has no line break, and the new last one gets none.
            lines.iter().map(|l| format!("{line_break}{l}")).collect()
        };
        self.edits.push(Edit {
            at: at..at,
            with,
            outer,
            part: None,
        });
    }
}

/// Carries out edits of one text. None when two of them are about the same place and say different things.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut sorted: Vec<Edit> = edits.to_vec();
    let parts: Vec<Part> = edits.iter().filter_map(|edit| edit.part).collect();
    for (at, part) in parts.iter().enumerate() {
        let of_one = |other: &&Part| *other == part;
        let is_last = !parts[at + 1..].contains(part);
        if is_last && parts.iter().filter(of_one).count() == part.of {
            sorted.push(Edit {
                at: part.colon..part.colon,
                with: " {}".to_owned(),
                outer: false,
                part: None,
            });
        }
    }
    sorted.sort_by_key(|edit| (edit.at.start, edit.at.end, edit.outer));
    let mut merged: Vec<Edit> = Vec::with_capacity(sorted.len());
    for edit in sorted {
        match merged.last_mut() {
            Some(last) if edit.at.start < last.at.end => {
                if !last.with.is_empty() {
                    return None;
                }
                if edit.with.is_empty() {
                    // What is removed twice is removed once.
                    last.at.end = last.at.end.max(edit.at.end);
                } else if edit.at.is_empty() {
                    // Lines that come below one that goes.
                    let at = last.at.end..last.at.end;
                    merged.push(Edit { at, ..edit });
                } else {
                    return None;
                }
            }
            _ => merged.push(edit),
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in &merged {
        out.push_str(text.get(at..edit.at.start)?);
        let is_last = edit.at.start == text.len();
        if is_last && (out.is_empty() || out.ends_with('\n')) {
            // The line without a line break, below which these come, has gone.
            out.push_str(edit.with.trim_start_matches(['\r', '\n']));
        } else {
            out.push_str(&edit.with);
        }
        at = edit.at.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}
