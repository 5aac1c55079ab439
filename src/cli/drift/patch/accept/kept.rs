//! Accepting what is live of a managed chat or a contact user group.

use std::collections::BTreeSet;

use super::blocks::{block, is_name, pair, set_field};
use super::{Work, is_gone, refused, span_of};
use crate::model::edit::{Editor, Refusal, Scalar};
use crate::model::yaml::{Tree, Yaml};
use crate::model::{Address, Kind, Value};
use crate::plan::Subject;
use crate::plan::drift::Difference;

impl Work<'_> {
    /// A managed chat or a contact user group.
    pub(super) fn kept(
        &mut self,
        address: &Address,
        differences: &[&Difference],
        tree: &Tree<'_>,
        section: &str,
    ) {
        let span = match address.kind {
            Kind::Chat => span_of(self.manifest, address),
            _ => self.manifest.groups.get(&address.name).map(|g| g.span),
        };
        let Some(span) = span else { return };
        let subject = Subject::Resource(address.clone());
        let found = block(tree, section, span).and_then(|block| match &address.instance {
            None => {
                let (_, key, at) = pair(tree, block.at, "manage")?;
                Some((block.section.0, block.section.1, block.number, key, at))
            }
            Some(provider) => {
                let Yaml::Map(pairs) = tree.get(block.at) else {
                    return None;
                };
                let people = pairs
                    .chunks_exact(2)
                    .find(|pair| is_name(tree.key(pair[0]), provider))?;
                let (number, key, at) = pair(tree, people[1], "user_group")?;
                Some((people[0], people[1], number, key, at))
            }
        });
        let Some((outer_key, outer, number, _, map)) = found else {
            let refusal = Refusal::Form { at: span };
            self.explained
                .push(refused::refused(address, None, &refusal));
            return;
        };
        let mut editor = Editor::new(tree);
        let mut accepted = BTreeSet::new();
        for difference in differences {
            if is_gone(difference) {
                match editor.remove_pairs(outer_key, outer, &[number].into()) {
                    Ok(()) => {
                        accepted.insert((subject.clone(), None));
                    }
                    Err(refusal) => {
                        self.explained
                            .push(refused::refused(address, None, &refusal));
                    }
                }
                continue;
            }
            for change in &difference.fields {
                let field = change.field;
                let Value::Text(text) = &change.before else {
                    self.explained.push(refused::members(address, span));
                    continue;
                };
                let key = field.as_str();
                let mark = editor.mark();
                let clears = text.is_empty() && address.kind == Kind::RecipientGroup;
                let done = match pair(tree, map, key) {
                    // An empty one would mean nothing there: the key goes.
                    Some((number, ..)) if clears => {
                        editor.remove_pairs(outer_key, map, &[number].into())
                    }
                    _ => set_field(&mut editor, tree, map, key, Scalar::Text(text)),
                };
                match done {
                    Ok(()) => {
                        accepted.insert((subject.clone(), Some(field)));
                    }
                    Err(refusal) => {
                        editor.rewind(mark);
                        self.explained
                            .push(refused::refused(address, Some(field), &refusal));
                    }
                }
            }
        }
        self.add(span.file, editor, accepted);
    }
}
