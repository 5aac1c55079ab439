//! Elements of a list: some go, some come.

use std::collections::BTreeSet;
use std::ops::Range;

use super::scalar::Quotes;
use super::{Editor, Refusal, Scalar, lines};
use crate::model::interpolate;
use crate::model::yaml::{NodeId, Yaml};

impl Editor<'_> {
    /// Removes these elements of a list of scalars, by their number, and adds others at its end.
    ///
    /// # Errors
    ///
    /// When the list or an element that goes is decided elsewhere.
    pub fn set_items(
        &mut self,
        key: NodeId,
        list: NodeId,
        remove: &BTreeSet<usize>,
        add: &[Scalar<'_>],
    ) -> Result<(), Refusal> {
        self.own(list)?;
        let Yaml::List(items) = self.tree.get(list) else {
            return Err(self.form(list));
        };
        for at in remove {
            let item = items[*at];
            self.own(item)?;
            match self.tree.get(item) {
                Yaml::Scalar { text, .. } if interpolate::is_needed(text) => {
                    return Err(Refusal::Interpolated {
                        at: self.tree.span(item),
                    });
                }
                Yaml::Scalar { .. } => {}
                Yaml::List(_) | Yaml::Map(_) => return Err(self.form(item)),
            }
        }
        let flow = self.tree.is_flow(list);
        let quotes = self.quotes_of(items);
        let add: Vec<String> = add.iter().map(|one| one.write(quotes, flow)).collect();
        let mark = self.mark();
        let done = if flow {
            let spans: Vec<Range<usize>> = self.flow_spans(list, items);
            self.change_flow(self.range(list), &spans, remove, &add);
            Ok(())
        } else {
            self.change_block(key, list, items, remove, &add)
        };
        if done.is_err() {
            self.rewind(mark);
        }
        done
    }

    /// The quotes that all elements have.
    fn quotes_of(&self, items: &[NodeId]) -> Quotes {
        let mut quotes = items
            .iter()
            .filter(|item| self.tree.anchor_span(**item).is_none())
            .map(|item| Quotes::of(&self.text[self.range(*item)]));
        match quotes.next() {
            Some(first) if quotes.all(|other| other == first) => first,
            _ => Quotes::None,
        }
    }

    /// The elements of a list in brackets, each with its anchor and tag.
    fn flow_spans(&self, list: NodeId, items: &[NodeId]) -> Vec<Range<usize>> {
        let mut before = self.range(list).start + 1;
        let mut spans = Vec::with_capacity(items.len());
        for item in items {
            let span = self.range(*item);
            let start = self.full_start(before, span.start);
            before = span.end;
            spans.push(start..span.end);
        }
        spans
    }

    /// Where an element begins, its anchor and tag included, that comes after `before`.
    pub(super) fn full_start(&self, before: usize, start: usize) -> usize {
        let mut at = lines::skip(self.text, before);
        if self.text[at..].starts_with(',') {
            at = lines::skip(self.text, at + 1);
        }
        at.min(start)
    }

    /// Removes and adds elements between brackets. `whole` has the brackets in it.
    pub(super) fn change_flow(
        &mut self,
        whole: Range<usize>,
        items: &[Range<usize>],
        remove: &BTreeSet<usize>,
        add: &[String],
    ) {
        let text = self.text;
        let Some(last_kept) = (0..items.len()).rev().find(|at| !remove.contains(at)) else {
            let inside = match (items.first(), items.last(), add) {
                // Blanks inside of the brackets stay, unless nothing else would.
                (Some(first), Some(last), [_, ..]) => first.start..last.end,
                _ => whole.start + 1..whole.end - 1,
            };
            self.push(inside, add.join(", "));
            return;
        };
        let mut at = 0;
        while at < items.len() {
            if !remove.contains(&at) {
                at += 1;
                continue;
            }
            if let Some(line) = self.alone(&whole, &items[at]) {
                self.push(line, String::new());
                at += 1;
                continue;
            }
            // A run of elements that stand in one line.
            let mut end = at;
            while end + 1 < items.len()
                && remove.contains(&(end + 1))
                && self.share_line(&items[end], &items[end + 1])
                && self.alone(&whole, &items[end + 1]).is_none()
            {
                end += 1;
            }
            let next = items
                .get(end + 1)
                .filter(|next| self.share_line(&items[end], next));
            let gone = match (next, at.checked_sub(1).map(|before| &items[before])) {
                (Some(next), _) => items[at].start..next.start,
                (None, Some(before)) if !text[before.end..items[at].start].contains('#') => {
                    before.end..items[end].end
                }
                (None, _) => {
                    // The comma after it goes too: one that stands alone is no YAML.
                    let after = lines::skip(text, items[end].end);
                    let comma = text[after..].starts_with(',') && after < whole.end;
                    items[at].start..if comma { after + 1 } else { items[end].end }
                }
            };
            self.push(gone, String::new());
            at = end + 1;
        }
        if add.is_empty() {
            return;
        }
        let kept = &items[last_kept];
        let after = lines::skip(text, kept.end);
        let has_comma = text[after..].starts_with(',') && after < whole.end;
        let closes = whole.end <= lines::end(text, kept.end);
        let is_line =
            lines::is_first(text, kept.start) && lines::start(text, kept.start) > whole.start;
        if !is_line {
            self.push(kept.end..kept.end, format!(", {}", add.join(", ")));
            return;
        }
        let line_break = lines::line_break(text, kept.end);
        let separator = format!(",{line_break}{}", lines::indent(text, kept.start));
        if closes {
            self.push(
                kept.end..kept.end,
                format!("{separator}{}", add.join(&separator)),
            );
            return;
        }
        if !has_comma {
            self.push(kept.end..kept.end, ",".to_owned());
        }
        let last = items.last().unwrap_or(kept);
        let end = lines::skip(text, last.end);
        let trailing = if text[end..].starts_with(',') {
            ","
        } else {
            ""
        };
        let at = lines::end(text, kept.end.max(if has_comma { after } else { 0 }));
        self.push(
            at..at,
            format!("{}{}{trailing}", &separator[1..], add.join(&separator)),
        );
    }

    fn share_line(&self, one: &Range<usize>, next: &Range<usize>) -> bool {
        !self.text[one.end..next.start].contains('\n')
    }

    /// The lines of an element that shares them with no other and with no bracket.
    fn alone(&self, whole: &Range<usize>, item: &Range<usize>) -> Option<Range<usize>> {
        let text = self.text;
        let start = lines::start(text, item.start);
        let end = lines::end(text, item.end);
        let rest = text[item.end..end].trim_start();
        let rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let is_alone = lines::is_first(text, item.start)
            && start > whole.start
            && end < whole.end
            && (rest.is_empty() || rest.starts_with('#'));
        is_alone.then(|| start..lines::next(text, item.end))
    }

    fn change_block(
        &mut self,
        key: NodeId,
        list: NodeId,
        items: &[NodeId],
        remove: &BTreeSet<usize>,
        add: &[String],
    ) -> Result<(), Refusal> {
        let text = self.text;
        let dash = |item: NodeId| {
            let start = self.range(item).start;
            let line = lines::start(text, start);
            let before = &text[line..start];
            let indent = before.len() - before.trim_start_matches(' ').len();
            before[indent..]
                .starts_with("- ")
                .then_some(line + indent)
                .ok_or_else(|| self.form(item))
        };
        let dashes: Vec<usize> = items
            .iter()
            .map(|item| dash(*item))
            .collect::<Result<_, _>>()?;
        let (Some(first), Some(last_item)) = (dashes.first(), items.last()) else {
            return Err(self.form(list));
        };
        let first = *first;
        let kept = (0..items.len()).rev().find(|at| !remove.contains(at));
        let model = kept.map_or(*last_item, |at| items[at]);
        let model_start = self.range(model).start;
        let gap = text[lines::start(text, model_start)..model_start].trim_start();
        // As many blanks after the dash as the others have, without their anchors.
        let gap = gap[1..].len() - gap[1..].trim_start_matches(' ').len();
        let lead = format!("{}-{}", lines::indent(text, first), " ".repeat(gap.max(1)));
        let line_break = lines::line_break(text, first);
        if !add.is_empty() {
            let new: Vec<String> = add.iter().map(|one| format!("{lead}{one}")).collect();
            match kept {
                Some(at) => self.push_lines(self.range(items[at]).end, &new, false),
                None => {
                    let start = lines::start(text, first);
                    let new: String = new
                        .iter()
                        .map(|line| format!("{line}{line_break}"))
                        .collect();
                    self.push(start..start, new);
                }
            }
        }
        for at in remove {
            // What is said above the first one may be about the whole list.
            let gone = lines::block(text, dashes[*at], self.range(items[*at]).end, *at > 0);
            self.push(gone, String::new());
        }
        if kept.is_none() && add.is_empty() {
            let colon = self.after_colon(key).ok_or_else(|| self.form(list))?;
            let rest = text[colon..lines::end(text, colon)].trim_start();
            if !(rest.is_empty() || rest.starts_with('#')) {
                return Err(self.form(list));
            }
            self.push(colon..colon, " []".to_owned());
        }
        Ok(())
    }
}
