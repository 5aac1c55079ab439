//! A mapping's keys: texts, each once, and what `<<` brings.

use std::collections::HashMap;

use super::{Builder, Data, Diagnostic, NodeId, Stop, follow};

impl Builder<'_, '_> {
    /// Drops duplicate keys and keys that are no text, and carries out `<<`.
    pub(super) fn tidy_map(&mut self, first: usize) -> Result<(), Stop> {
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
