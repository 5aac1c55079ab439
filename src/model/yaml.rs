//! YAML text as a tree that knows where everything stands.
//!
//! The only module that knows the parser. Its events become an arena of nodes that borrow from the
//! text; an alias is the id of its anchor's node and copies nothing. It knows nothing of what the
//! values mean: `shape` reads types out of it.
//!
//! No input makes it panic, recurse, or use memory out of proportion: size, depth, the number of
//! values and what aliases stand for are all bounded, and passing a bound is a diagnostic.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, StructureStyle, Tag};

use super::diagnostic::{Diagnostic, FileId, Span};

/// The most bytes one file can have. A larger project is split into several files with `include`.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How deep values can stand in one another, aliases followed.
pub const MAX_DEPTH: u32 = 64;

/// The most values one file can have.
pub const MAX_NODES: usize = 2_000_000;

/// The most values that the aliases of one file can stand for.
pub const MAX_ALIASED: u64 = 1_000_000;

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// What a node holds, aliases followed.
#[derive(Clone, Copy, Debug)]
pub enum Yaml<'t> {
    /// A scalar.
    Scalar {
        /// Its text, escapes and line folding done.
        text: &'t str,
        /// Whether it was written without quotes and without a tag that makes it text.
        plain: bool,
    },
    /// A list.
    List(&'t [NodeId]),
    /// A mapping: key, value, key, value. Keys are scalars, and no key stands twice.
    Map(&'t [NodeId]),
}

impl Yaml<'_> {
    /// Whether it is nothing: an absent value, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(
            self,
            Yaml::Scalar {
                text: "" | "~" | "null" | "Null" | "NULL",
                plain: true
            }
        )
    }
}

#[derive(Debug)]
enum Data<'s> {
    Plain(Cow<'s, str>),
    Quoted(Cow<'s, str>),
    List { first: u32, len: u32 },
    Map { first: u32, len: u32 },
    Alias(NodeId),
}

#[derive(Debug)]
struct Node<'s> {
    start: u32,
    end: u32,
    data: Data<'s>,
}

/// One document.
#[derive(Debug)]
pub struct Tree<'s> {
    file: FileId,
    text: &'s str,
    nodes: Vec<Node<'s>>,
    children: Vec<NodeId>,
    root: NodeId,
}

impl<'s> Tree<'s> {
    /// Reads the one document of a file. `None` when there is none, or when it ends in a mistake
    /// after which nothing can be known; the diagnostics say which.
    ///
    /// Duplicate keys, keys that are no text, and unknown tags are diagnostics too, and reading goes on.
    #[must_use]
    pub fn read(file: FileId, text: &'s str, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let mut builder = Builder::new(file, text, diagnostics);
        match builder.run() {
            Ok(root) => Some(Tree {
                file,
                text,
                nodes: builder.nodes,
                children: builder.children,
                root,
            }),
            Err(diagnostic) => {
                builder.diagnostics.push(*diagnostic);
                None
            }
        }
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// Where a node stands; for an alias, where the alias stands. A value that was left out stands
    /// where its key does.
    #[must_use]
    pub fn span(&self, id: NodeId) -> Span {
        let node = self.node(id);
        Span {
            file: self.file,
            start: node.start,
            end: node.end,
        }
    }

    /// For an alias, where its anchor's value stands.
    #[must_use]
    pub fn anchor_span(&self, id: NodeId) -> Option<Span> {
        match self.node(id).data {
            Data::Alias(target) => Some(self.span(self.follow(target))),
            _ => None,
        }
    }

    /// The whole file.
    #[must_use]
    pub fn text(&self) -> &'s str {
        self.text
    }

    /// Every alias, with the place of the value that it stands for. Those of merges are among them.
    pub fn aliases(&self) -> impl Iterator<Item = (Span, Span)> + '_ {
        self.nodes.iter().filter_map(|node| match node.data {
            Data::Alias(target) => {
                let at = Span {
                    file: self.file,
                    start: node.start,
                    end: node.end,
                };
                Some((at, self.span(self.follow(target))))
            }
            _ => None,
        })
    }

    /// Whether a node is a list or mapping in brackets.
    #[must_use]
    pub fn is_flow(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let opens = match node.data {
            Data::List { .. } => "[",
            Data::Map { .. } => "{",
            _ => return false,
        };
        let raw = &self.text[node.start as usize..node.end as usize];
        raw.starts_with(opens)
    }

    /// Whether a node stands in a list or mapping in brackets.
    #[must_use]
    pub fn is_in_flow(&self, id: NodeId) -> bool {
        let (start, end) = (self.node(id).start, self.node(id).end);
        let ids = 0..u32::try_from(self.nodes.len()).expect("fewer than MAX_NODES");
        ids.map(NodeId).any(|other| {
            let node = self.node(other);
            node.start < start && end < node.end && self.is_flow(other)
        })
    }

    /// What the file has where a node's value stands, and the place; for an alias, that of its anchor.
    #[must_use]
    pub fn raw(&self, id: NodeId) -> (&str, Span) {
        let span = self.span(self.follow(id));
        (&self.text[span.start as usize..span.end as usize], span)
    }

    /// What a node holds.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Yaml<'_> {
        match &self.node(self.follow(id)).data {
            Data::Plain(text) => Yaml::Scalar { text, plain: true },
            Data::Quoted(text) => Yaml::Scalar { text, plain: false },
            Data::List { first, len } => Yaml::List(self.slice(*first, *len)),
            Data::Map { first, len } => Yaml::Map(self.slice(*first, *len)),
            Data::Alias(_) => unreachable!("an alias was followed to its end"),
        }
    }

    /// The text of a key of a mapping.
    #[must_use]
    pub fn key(&self, id: NodeId) -> &str {
        match self.get(id) {
            Yaml::Scalar { text, .. } => text,
            Yaml::List(_) | Yaml::Map(_) => "",
        }
    }

    /// The value of a key of the outermost mapping, with the key's node.
    #[must_use]
    pub fn top(&self, key: &str) -> Option<(NodeId, NodeId)> {
        let Yaml::Map(pairs) = self.get(self.root) else {
            return None;
        };
        pairs
            .chunks_exact(2)
            .find(|pair| self.key(pair[0]) == key)
            .map(|pair| (pair[0], pair[1]))
    }

    /// Where a part of a scalar's text stands in the file. The whole scalar, where escapes or line
    /// breaks keep the part from being found.
    #[must_use]
    pub fn part(&self, id: NodeId, part: std::ops::Range<usize>) -> Span {
        let whole = self.span(id);
        let Yaml::Scalar { text, .. } = self.get(id) else {
            return whole;
        };
        let raw = &self.text[whole.start as usize..whole.end as usize];
        let Some(wanted) = text.get(part.clone()) else {
            return whole;
        };
        // The same word may stand several times; the n-th in the text is the n-th in the source.
        let nth = text[..part.start].matches(wanted).count();
        match raw.match_indices(wanted).nth(nth) {
            Some((at, _)) if !wanted.is_empty() => Span {
                start: whole.start + offset(at),
                end: whole.start + offset(at + wanted.len()),
                ..whole
            },
            _ => whole,
        }
    }

    fn node(&self, id: NodeId) -> &Node<'s> {
        &self.nodes[id.0 as usize]
    }

    fn follow(&self, id: NodeId) -> NodeId {
        follow(&self.nodes, id)
    }

    fn slice(&self, first: u32, len: u32) -> &[NodeId] {
        &self.children[first as usize..(first + len) as usize]
    }
}

fn follow(nodes: &[Node<'_>], mut id: NodeId) -> NodeId {
    // An alias names a node that was finished before it, so ids only fall.
    while let Data::Alias(target) = nodes[id.0 as usize].data {
        id = target;
    }
    id
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a file is smaller than MAX_BYTES")
}

type Stop = Box<Diagnostic>;

struct Frame {
    node: NodeId,
    map: bool,
    block: bool,
    first: usize,
    size: u64,
    height: u32,
    anchor: usize,
}

struct Anchor {
    node: NodeId,
    size: u64,
    height: u32,
    open: bool,
}

struct Builder<'s, 'd> {
    file: FileId,
    text: &'s str,
    nodes: Vec<Node<'s>>,
    children: Vec<NodeId>,
    pending: Vec<NodeId>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    aliased: u64,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'s, 'd> Builder<'s, 'd> {
    fn new(file: FileId, text: &'s str, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self {
            file,
            text,
            nodes: Vec::with_capacity((text.len() / 12).min(MAX_NODES)),
            children: Vec::with_capacity((text.len() / 12).min(MAX_NODES)),
            pending: Vec::new(),
            frames: Vec::new(),
            anchors: HashMap::new(),
            aliased: 0,
            diagnostics,
        }
    }

    fn run(&mut self) -> Result<NodeId, Stop> {
        if self.text.len() > MAX_BYTES {
            return Err(too_large(Some(self.span(0, 0)), self.text.len() as u64));
        }
        self.refuse_control_characters()?;
        let mut options = granit_parser::options! {};
        options.set_emit_comments(false);
        let mut root = None;
        for item in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = item.map_err(|error| self.syntax(error.marker(), error.kind()))?;
            let (start, end) = (self.byte(&span.start), self.byte(&span.end));
            match event {
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Diagnostic::error(
                        "several-documents",
                        self.span(start, self.line_end(start)),
                        "a second YAML document begins here",
                    )
                    .help("A file is one document. Put the second one into a file of its own and name it in `include`.")
                    .into());
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain =
                        style == ScalarStyle::Plain && !self.makes_text(tag.as_deref(), start, end);
                    let data = match (plain, start == end) {
                        // The parser writes `~` for what was left out.
                        (true, true) => Data::Plain(Cow::Borrowed("")),
                        (true, false) => Data::Plain(text),
                        (false, _) => Data::Quoted(text),
                    };
                    let node = self.push(start, end.max(start), data)?;
                    if anchor != 0 {
                        let anchored = Anchor {
                            node,
                            size: 1,
                            height: 0,
                            open: false,
                        };
                        self.anchors.insert(anchor, anchored);
                    }
                    self.place(node, 1, 0, &mut root)?;
                }
                Event::SequenceStart(style, anchor, tag) => {
                    self.makes_text(tag.as_deref(), start, end);
                    self.open(start, end, style, anchor, false)?;
                }
                Event::MappingStart(style, anchor, tag) => {
                    self.makes_text(tag.as_deref(), start, end);
                    self.open(start, end, style, anchor, true)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(end, &mut root)?,
                Event::Alias(anchor) => self.alias(start, end, anchor, &mut root)?,
                _ => {}
            }
        }
        let empty = |id: NodeId| match &self.nodes[id.0 as usize].data {
            Data::Plain(text) => Yaml::Scalar { text, plain: true }.is_null(),
            _ => false,
        };
        match root {
            Some(root) if !empty(root) => Ok(root),
            _ => Err(Diagnostic::error("empty-file", self.span(0, 0), "this file is empty")
                .help("Write a manifest into it, or remove it. An empty file is never read as a wish to delete everything.")
                .into()),
        }
    }

    fn refuse_control_characters(&self) -> Result<(), Stop> {
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

    fn push(&mut self, start: u32, end: u32, data: Data<'s>) -> Result<NodeId, Stop> {
        if self.nodes.len() >= MAX_NODES {
            return Err(Diagnostic::error(
                "too-large",
                self.span(start, end),
                format!("this file has more than {MAX_NODES} values"),
            )
            .help("Split it into several files and name them in `include`.")
            .into());
        }
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than MAX_NODES"));
        let end = self.trimmed(start, end);
        self.nodes.push(Node { start, end, data });
        Ok(id)
    }

    /// The end of a stretch without the white space that block scalars and block collections end in.
    fn trimmed(&self, start: u32, end: u32) -> u32 {
        let stretch = &self.text.as_bytes()[start as usize..end as usize];
        let kept = stretch.iter().rposition(|b| !b.is_ascii_whitespace());
        start + offset(kept.map_or(0, |at| at + 1))
    }

    fn open(
        &mut self,
        start: u32,
        end: u32,
        style: StructureStyle,
        anchor: usize,
        map: bool,
    ) -> Result<(), Stop> {
        if self.frames.len() >= MAX_DEPTH as usize {
            return Err(self.too_deep(start, end));
        }
        let data = if map {
            Data::Map { first: 0, len: 0 }
        } else {
            Data::List { first: 0, len: 0 }
        };
        let node = self.push(start, end.max(start), data)?;
        if anchor != 0 {
            self.anchors.insert(
                anchor,
                Anchor {
                    node,
                    size: 0,
                    height: 0,
                    open: true,
                },
            );
        }
        self.frames.push(Frame {
            node,
            map,
            block: style == StructureStyle::Block,
            first: self.pending.len(),
            size: 1,
            height: 0,
            anchor,
        });
        Ok(())
    }

    fn close(&mut self, end: u32, root: &mut Option<NodeId>) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        // Before merges are carried out: what they bring stands elsewhere.
        let last_end = self.pending[frame.first..]
            .last()
            .map(|last| self.nodes[last.0 as usize].end);
        if frame.map {
            self.tidy_map(frame.first)?;
        }
        let first = offset(self.children.len());
        self.children.extend(self.pending.drain(frame.first..));
        let len = offset(self.children.len()) - first;
        let start = self.nodes[frame.node.0 as usize].start;
        let end = if frame.block {
            last_end.unwrap_or(end)
        } else {
            end
        };
        let end = self.trimmed(start, end.max(start));
        let node = &mut self.nodes[frame.node.0 as usize];
        node.end = end;
        node.data = if frame.map {
            Data::Map { first, len }
        } else {
            Data::List { first, len }
        };
        if frame.anchor != 0 {
            let anchor = Anchor {
                node: frame.node,
                size: frame.size,
                height: frame.height,
                open: false,
            };
            self.anchors.insert(frame.anchor, anchor);
        }
        self.place(frame.node, frame.size, frame.height, root)
    }

    fn alias(
        &mut self,
        start: u32,
        end: u32,
        anchor: usize,
        root: &mut Option<NodeId>,
    ) -> Result<(), Stop> {
        let span = self.span(start, end);
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(unknown_anchor(span));
        };
        if target.open {
            return Err(Diagnostic::error(
                "alias-inside-itself",
                span,
                "this alias stands inside the value it names",
            )
            .help("A value cannot contain itself; write out what is meant.")
            .into());
        }
        let (target, size, height) = (target.node, target.size, target.height);
        self.spend(size, span)?;
        let node = self.push(start, end, Data::Alias(target))?;
        self.place(node, size, height, root)
    }

    fn spend(&mut self, size: u64, span: Span) -> Result<(), Stop> {
        self.aliased = self.aliased.saturating_add(size);
        if self.aliased > MAX_ALIASED {
            return Err(Diagnostic::error(
                "alias-expansion",
                span,
                format!("the aliases of this file stand for more than {MAX_ALIASED} values"),
            )
            .help("Aliases of aliases grow quickly; write the values out, or use `defaults`.")
            .into());
        }
        Ok(())
    }

    /// Hands a finished node to what holds it.
    fn place(
        &mut self,
        node: NodeId,
        size: u64,
        height: u32,
        root: &mut Option<NodeId>,
    ) -> Result<(), Stop> {
        let depth = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        if depth.saturating_add(height) > MAX_DEPTH {
            let at = &self.nodes[node.0 as usize];
            return Err(self.too_deep(at.start, at.end));
        }
        let Some(frame) = self.frames.last_mut() else {
            root.get_or_insert(node);
            return Ok(());
        };
        frame.size = frame.size.saturating_add(size);
        frame.height = frame.height.max(height + 1);
        let is_value = frame.map && (self.pending.len() - frame.first) % 2 == 1;
        if is_value && self.nodes[node.0 as usize].start == self.nodes[node.0 as usize].end {
            // A value that was left out is shown at its key.
            let key = self.pending[self.pending.len() - 1];
            let (start, end) = {
                let key = &self.nodes[key.0 as usize];
                (key.start, key.end)
            };
            let node = &mut self.nodes[node.0 as usize];
            (node.start, node.end) = (start, end);
        }
        self.pending.push(node);
        Ok(())
    }

    /// Drops duplicate keys and keys that are no text, and carries out `<<`.
    fn tidy_map(&mut self, first: usize) -> Result<(), Stop> {
        let pairs: &[NodeId] = &self.pending[first..];
        let mut clean = true;
        let mut seen = Keys::new(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            clean &= match self.scalar(pair[0]) {
                Some((text, plain)) if !(plain && (text == "<<" || text.is_empty())) => {
                    seen.insert(text, pair[0]).is_none()
                }
                _ => false,
            };
        }
        if clean {
            return Ok(());
        }
        let pairs: Vec<NodeId> = self.pending.drain(first..).collect();
        let mut kept: Vec<NodeId> = Vec::with_capacity(pairs.len());
        let mut merges = Vec::new();
        let mut seen: HashMap<String, NodeId> = HashMap::new();
        for pair in pairs.chunks_exact(2) {
            let span = self.span_of(pair[0]);
            let (text, plain) = match self.scalar(pair[0]) {
                Some((text, plain)) => (text.to_owned(), plain),
                None => {
                    self.diagnostics.push(
                        Diagnostic::error("key-not-text", span, "a key must be text")
                            .help("Keys are single words; lists and mappings stand on the right of the colon."),
                    );
                    continue;
                }
            };
            if plain && text.is_empty() {
                let span = if span.start == span.end {
                    self.span_of(pair[1])
                } else {
                    span
                };
                self.diagnostics.push(
                    Diagnostic::error("key-not-text", span, "a key is missing before the colon")
                        .help("Write the key, or remove the line."),
                );
            } else if plain && text == "<<" {
                merges.push(pair[1]);
            } else if let Some(before) = seen.get(&text) {
                let before = self.span_of(*before);
                self.diagnostics.push(
                    Diagnostic::error(
                        "duplicate-key",
                        span,
                        format!("the key `{text}` is given twice"),
                    )
                    .help("Keep one of the two.")
                    .related(before, "first given here"),
                );
            } else {
                seen.insert(text, pair[0]);
                kept.extend_from_slice(pair);
            }
        }
        for merge in merges {
            self.merge(merge, &mut kept, &mut seen)?;
        }
        self.pending.extend(kept);
        Ok(())
    }

    fn merge(
        &mut self,
        from: NodeId,
        kept: &mut Vec<NodeId>,
        seen: &mut HashMap<String, NodeId>,
    ) -> Result<(), Stop> {
        let sources: Vec<NodeId> = match self.nodes[follow(&self.nodes, from).0 as usize].data {
            Data::List { first, len } => {
                self.children[first as usize..(first + len) as usize].to_vec()
            }
            _ => vec![from],
        };
        for source in sources {
            let Data::Map { first, len } = self.nodes[follow(&self.nodes, source).0 as usize].data
            else {
                self.diagnostics.push(
                    Diagnostic::error(
                        "bad-merge",
                        self.span_of(source),
                        "`<<` takes a mapping, or a list of mappings",
                    )
                    .help("Name a mapping's anchor here, as in `<<: *base`."),
                );
                continue;
            };
            self.spend(u64::from(len), self.span_of(source))?;
            for at in (first..first + len).step_by(2) {
                let (key, value) = (self.children[at as usize], self.children[at as usize + 1]);
                let text = self.scalar(key).map_or("", |(text, _)| text);
                if !seen.contains_key(text) {
                    seen.insert(text.to_owned(), key);
                    kept.extend([key, value]);
                }
            }
        }
        Ok(())
    }

    fn scalar(&self, id: NodeId) -> Option<(&str, bool)> {
        match &self.nodes[follow(&self.nodes, id).0 as usize].data {
            Data::Plain(text) => Some((text, true)),
            Data::Quoted(text) => Some((text, false)),
            _ => None,
        }
    }

    /// Whether a tag says that a scalar is text; a tag that we do not know is a diagnostic.
    fn makes_text(&mut self, tag: Option<&Tag>, start: u32, end: u32) -> bool {
        let Some(tag) = tag else { return false };
        // The lone `!` makes a scalar text, as quotes do.
        if tag.is_yaml_core_schema() {
            return tag.is_yaml_core_schema_tag("str");
        }
        if tag.handle().is_empty() && tag.suffix() == "!"
            || tag.handle() == "!" && tag.suffix().is_empty()
        {
            return true;
        }
        self.diagnostics.push(
            Diagnostic::error(
                "unknown-tag",
                self.span(start, self.trimmed(start, end.max(start))),
                format!("the tag `{}` means nothing here", tag.original()),
            )
            .help("Remove the tag; secrets and variables are written as `${env:NAME}` and `${var:NAME}`."),
        );
        false
    }

    fn too_deep(&self, start: u32, end: u32) -> Stop {
        Diagnostic::error(
            "too-deep",
            self.span(start, end.max(start)),
            format!("values stand more than {MAX_DEPTH} deep in one another here"),
        )
        .help("A manifest is never that deep; look for a bracket or an indentation that was not meant.")
        .into()
    }

    fn syntax(&self, at: &Marker, kind: &ErrorKind) -> Stop {
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

    fn byte(&self, at: &Marker) -> u32 {
        let mut byte = at.byte_offset().unwrap_or(0).min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        offset(byte)
    }

    fn line_end(&self, start: u32) -> u32 {
        let rest = &self.text[start as usize..];
        start + offset(rest.find(['\n', '\r']).unwrap_or(rest.len()))
    }

    fn word_end(&self, start: u32) -> u32 {
        let rest = &self.text[start as usize..];
        let stops = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
        start + offset(rest.find(stops).unwrap_or(rest.len()))
    }

    fn span(&self, start: u32, end: u32) -> Span {
        Span {
            file: self.file,
            start,
            end,
        }
    }

    fn span_of(&self, id: NodeId) -> Span {
        let node = &self.nodes[id.0 as usize];
        self.span(node.start, node.end)
    }
}

/// The diagnostic of a file over [`MAX_BYTES`].
pub(crate) fn too_large(span: Option<Span>, bytes: u64) -> Box<Diagnostic> {
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

fn unknown_anchor(span: Span) -> Stop {
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

/// The keys of one mapping: a list while they are few, a table when they are many.
enum Keys<'a> {
    Few(Vec<(&'a str, NodeId)>),
    Many(HashMap<&'a str, NodeId>),
}

impl<'a> Keys<'a> {
    fn new(count: usize) -> Self {
        if count <= 12 {
            Keys::Few(Vec::with_capacity(count))
        } else {
            Keys::Many(HashMap::with_capacity(count))
        }
    }

    /// The node that had this key before.
    fn insert(&mut self, key: &'a str, node: NodeId) -> Option<NodeId> {
        match self {
            Keys::Few(few) => {
                let before = few.iter().find(|(k, _)| *k == key).map(|(_, n)| *n);
                few.push((key, node));
                before
            }
            Keys::Many(many) => many.insert(key, node),
        }
    }
}
