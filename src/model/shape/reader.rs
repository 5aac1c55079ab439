//! Reading goes on after a mistake, and each mistake is said at its place.

use std::borrow::Cow;
use std::fmt;

use super::{Given, Shape, did_you_mean, shorten, words};
use crate::model::Address;
use crate::model::diagnostic::{Diagnostic, Span};
use crate::model::interpolate::{self, Interpolator, Scope};
use crate::model::yaml::{NodeId, Tree, Yaml};

/// What the value that is being read is called: its key, or each element of a list under it. It is made
/// for every value and said of few, so it borrows.
#[derive(Clone, Copy, Default)]
pub(super) struct Label<'a> {
    key: &'a str,
    /// How many lists the value stands in.
    lists: usize,
}

impl Label<'_> {
    /// The label of the elements of a list with this label.
    pub(super) fn element(self) -> Self {
        Self {
            lists: self.lists + 1,
            ..self
        }
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..self.lists {
            f.write_str("each of ")?;
        }
        f.write_str(self.key)
    }
}

/// Reads nodes of one file and gathers what is wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a Tree<'a>,
    pub(crate) interpolator: &'a Interpolator<'a>,
    /// Whether secrets are resolved.
    pub(crate) secrets: bool,
    /// Whether this is read for the sandbox, which needs nothing that providers say.
    pub(crate) sandbox: bool,
    /// Whether an unset variable is no mistake where the reader stands.
    pub(crate) lenient: bool,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) address: Option<Address>,
    /// The key whose value is being read, for words.
    pub(super) label: Label<'a>,
    /// Where that key stands.
    pub(super) place: Option<Span>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, interpolator: &'a Interpolator<'a>) -> Self {
        Self {
            tree,
            interpolator,
            secrets: true,
            sandbox: false,
            lenient: false,
            diagnostics: Vec::new(),
            address: None,
            label: Label::default(),
            place: None,
        }
    }

    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.address.is_none() {
            diagnostic.address.clone_from(&self.address);
        }
        self.diagnostics.push(diagnostic);
    }

    /// The key whose value is being read, in backquotes.
    pub(super) fn what(&self) -> String {
        if self.label.key.is_empty() {
            "the file".to_owned()
        } else {
            format!("`{}`", self.label)
        }
    }

    pub(crate) fn wrong(&mut self, at: NodeId, wanted: &str, help: Option<&str>) {
        let found = describe(self.tree.get(at));
        let mut diagnostic = Diagnostic::error(
            "wrong-type",
            self.tree.span(at),
            format!("{} must be {wanted}, not {found}", self.what()),
        );
        diagnostic.help = help.map(str::to_owned);
        if let Some(anchor) = self.tree.anchor_span(at) {
            diagnostic = diagnostic.related(anchor, "the alias stands for this");
        }
        self.push(diagnostic);
    }

    /// The text of a scalar, everything put in; the flag says whether quotes or `${…}` make it text.
    pub(crate) fn scalar(&mut self, at: NodeId, wanted: &str) -> Option<(Cow<'a, str>, bool)> {
        let node = self.tree.get(at);
        let Yaml::Scalar { text, plain } = node else {
            self.wrong(at, wanted, None);
            return None;
        };
        if node.is_null() {
            let help =
                "Write a value, or remove the key; a text that reads like nothing needs quotes.";
            self.wrong(at, wanted, Some(help));
            return None;
        }
        if !interpolate::is_needed(text) {
            return Some((Cow::Borrowed(text), !plain));
        }
        let mut problems = Vec::new();
        let value = self
            .interpolator
            .expand(text, Scope::Project, &mut problems);
        if self.lenient && problems.iter().all(|p| p.code == "unset-variable") {
            return Some((Cow::Owned(value.unwrap_or_default()), false));
        }
        self.report(at, problems);
        value.map(|text| (Cow::Owned(text), false))
    }

    pub(crate) fn report(&mut self, at: NodeId, problems: Vec<interpolate::Problem>) {
        for problem in problems {
            let span = self.tree.part(at, problem.part);
            self.push(Diagnostic::error(problem.code, span, problem.summary).help(problem.help));
        }
    }

    /// The pairs of a mapping.
    pub(crate) fn map(&mut self, at: NodeId) -> Option<&'a [NodeId]> {
        match self.tree.get(at) {
            Yaml::Map(pairs) => Some(pairs),
            _ => {
                let help = "Write its keys below it, indented by two spaces.";
                self.wrong(at, "a mapping", Some(help));
                None
            }
        }
    }

    /// The elements of a list.
    pub(crate) fn list(&mut self, at: NodeId) -> Option<&'a [NodeId]> {
        match self.tree.get(at) {
            Yaml::List(items) => Some(items),
            _ => {
                self.wrong(
                    at,
                    "a list",
                    Some("Write it as `[a, b]`, or as lines that begin with `- `."),
                );
                None
            }
        }
    }

    /// Reads the value of a key.
    pub(crate) fn field<T: Shape>(&mut self, key: NodeId, at: NodeId) -> Given<T> {
        let label = Label {
            key: self.tree.key(key),
            lists: 0,
        };
        self.labelled(label, self.tree.span(key), |reader| T::read(reader, at))
            .map_or(Given::Bad, Given::Is)
    }

    /// Reads the value of a key with a function, for shapes that are tables.
    pub(crate) fn under<T>(
        &mut self,
        key: NodeId,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let label = Label {
            key: self.tree.key(key),
            lists: 0,
        };
        self.labelled(label, self.tree.span(key), read)
    }

    /// Where the key stands whose value is being read, or else the value.
    pub(crate) fn key_place(&self, at: NodeId) -> Span {
        self.place.unwrap_or(self.tree.span(at))
    }

    pub(super) fn labelled<T>(
        &mut self,
        label: Label<'a>,
        place: Span,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let label = std::mem::replace(&mut self.label, label);
        let place = self.place.replace(place);
        let value = read(self);
        self.label = label;
        self.place = place;
        value
    }

    pub(crate) fn unknown_key(&mut self, key: NodeId, known: &[&str]) {
        let text = self.tree.key(key);
        let place = if self.label.key.is_empty() {
            "here".to_owned()
        } else {
            format!("in {}", self.what())
        };
        let hint = did_you_mean(text, known.iter().copied());
        self.push(
            Diagnostic::error(
                "unknown-key",
                self.tree.span(key),
                format!("there is no key `{}` {place}", shorten(text)),
            )
            .help(format!(
                "{hint}The keys are {}.",
                words(known.iter().copied())
            )),
        );
    }

    pub(crate) fn missing_key(&mut self, at: NodeId, key: &str) {
        let whole = self.tree.span(at);
        let span = self.place.unwrap_or(Span {
            end: whole.start,
            ..whole
        });
        self.push(
            Diagnostic::error(
                "missing-key",
                span,
                format!("the key `{key}` is missing in {}", self.what()),
            )
            .help(format!("Add `{key}:` with its value.")),
        );
    }
}

fn describe(node: Yaml<'_>) -> String {
    match node {
        Yaml::List(_) => "a list".to_owned(),
        Yaml::Map(_) => "a mapping".to_owned(),
        _ if node.is_null() => "nothing".to_owned(),
        Yaml::Scalar { text, plain: true } => format!("`{}`", shorten(text)),
        Yaml::Scalar { text, plain: false } => format!("the text {:?}", shorten(text)),
    }
}
