//! The parser's events become nodes.

mod maps;
mod mistakes;

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};

use super::{
    Data, Diagnostic, FileId, MAX_ALIASED, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, NodeId, Span,
    Yaml, follow, offset,
};

use mistakes::{too_large, unknown_anchor};

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

pub(super) struct Builder<'s, 'd> {
    file: FileId,
    text: &'s str,
    pub(super) nodes: Vec<Node<'s>>,
    pub(super) children: Vec<NodeId>,
    pending: Vec<NodeId>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    aliased: u64,
    pub(super) diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'s, 'd> Builder<'s, 'd> {
    pub(super) fn new(file: FileId, text: &'s str, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
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

    pub(super) fn run(&mut self) -> Result<NodeId, Stop> {
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
}
