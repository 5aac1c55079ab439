//! YAML text as a tree that knows where everything stands.
//!
//! The parser's events become (in `build`, which alone knows the parser) an arena of nodes that borrow from
//! the text; an alias is the id of its anchor's node and copies nothing. It knows nothing of what the
//! values mean: `shape` reads types out of it.
//!
//! No input makes it panic, recurse, or use memory out of proportion: size, depth, the number of
//! values and what aliases stand for are all bounded, and passing a bound is a diagnostic.

mod build;

use std::borrow::Cow;

use build::Builder;

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
