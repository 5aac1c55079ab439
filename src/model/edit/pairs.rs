//! Pairs of a mapping: some go, one comes.

use std::collections::BTreeSet;
use std::ops::Range;

use super::scalar::Quotes;
use super::{Edit, Editor, Part, Refusal, Scalar, lines};
use crate::model::yaml::{NodeId, Yaml};

impl Editor<'_> {
    /// Adds a pair at the end of a mapping, in its style.
    ///
    /// # Errors
    ///
    /// When the mapping is decided elsewhere.
    pub fn add_pair(&mut self, map: NodeId, key: &str, value: Scalar<'_>) -> Result<(), Refusal> {
        self.own(map)?;
        let Yaml::Map(pairs) = self.tree.get(map) else {
            return Err(self.form(map));
        };
        let text = self.text;
        let whole = self.range(map);
        if self.tree.is_flow(map) {
            let pair = format!("{key}: {}", value.write(Quotes::None, true));
            let spans = self.pair_spans(map, pairs)?;
            if spans.is_empty() {
                if !text[whole.start + 1..whole.end - 1].trim().is_empty() {
                    return Err(self.form(map));
                }
                self.push(whole.start + 1..whole.end - 1, format!(" {pair} "));
            } else {
                self.change_flow(whole, &spans, &BTreeSet::new(), &[pair]);
            }
            return Ok(());
        }
        if whole.is_empty() {
            return Err(self.form(map));
        }
        let in_flow = self.tree.is_in_flow(map);
        let pair = format!("{key}: {}", value.write(Quotes::None, in_flow));
        let indent = lines::indent(text, whole.start);
        self.push_lines(whole.end, &[format!("{indent}{pair}")], true);
        Ok(())
    }

    /// Removes pairs of a mapping by their number, each with the comment that stands right above it. When
    /// none is left, `{}` is.
    ///
    /// # Errors
    ///
    /// When the mapping or what goes is decided elsewhere, or is named elsewhere.
    pub fn remove_pairs(
        &mut self,
        key: NodeId,
        map: NodeId,
        remove: &BTreeSet<usize>,
    ) -> Result<(), Refusal> {
        self.own(map)?;
        let Yaml::Map(pairs) = self.tree.get(map) else {
            return Err(self.form(map));
        };
        let spans = self.pair_spans(map, pairs)?;
        if remove.iter().any(|at| *at >= spans.len()) {
            return Err(self.form(map));
        }
        for at in remove {
            self.unnamed(&spans[*at])?;
        }
        let text = self.text;
        if self.tree.is_flow(map) {
            self.change_flow(self.range(map), &spans, remove, &[]);
            return Ok(());
        }
        let colon = self.after_colon(key).filter(|colon| {
            let rest = text[*colon..lines::end(text, *colon)].trim_start();
            rest.is_empty() || rest.starts_with('#')
        });
        let of = spans.len();
        if colon.is_none() && remove.len() == of {
            return Err(self.form(map));
        }
        let first = |at: &usize| lines::is_first(text, spans[*at].start);
        if !remove.iter().all(first) {
            return Err(self.form(map));
        }
        for at in remove {
            let span = &spans[*at];
            let block = lines::block(text, span.start, span.end, true);
            self.edits.push(Edit {
                at: lines::paragraph(text, block),
                with: String::new(),
                outer: false,
                part: colon.map(|colon| Part { colon, of }),
            });
        }
        Ok(())
    }

    /// The pairs of a mapping, from the key to the end of the value.
    fn pair_spans(&self, map: NodeId, pairs: &[NodeId]) -> Result<Vec<Range<usize>>, Refusal> {
        let whole = self.range(map);
        let mut before = whole.start + usize::from(self.tree.is_flow(map));
        let mut spans = Vec::with_capacity(pairs.len() / 2);
        for pair in pairs.chunks_exact(2) {
            let (key, value) = (self.range(pair[0]), self.range(pair[1]));
            // What a merge brings stands elsewhere, or comes out of its order.
            if key.start < before || key.end > whole.end {
                return Err(self.form(map));
            }
            let end = if value == key {
                self.after_colon(pair[0]).unwrap_or(key.end)
            } else {
                value.end
            };
            let start = if self.tree.is_flow(map) {
                self.full_start(before, key.start)
            } else {
                key.start
            };
            before = end;
            spans.push(start..end);
        }
        Ok(spans)
    }
}
