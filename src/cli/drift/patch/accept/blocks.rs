//! Where blocks and their fields stand in a file.

use std::collections::BTreeSet;

use crate::model::edit::{Editor, Refusal, Scalar};
use crate::model::yaml::{NodeId, Tree, Yaml};
use crate::model::{Field, Name, Span};

/// A block of the file.
pub(super) struct Block {
    /// The section, its key and value.
    pub(super) section: (NodeId, NodeId),
    /// The number of the pair in the section.
    pub(super) number: usize,
    /// The value.
    pub(super) at: NodeId,
}

/// Finds a block by the place of its key.
pub(super) fn block(tree: &Tree<'_>, section: &str, span: Span) -> Option<Block> {
    let section = tree.top(section)?;
    let Yaml::Map(pairs) = tree.get(section.1) else {
        return None;
    };
    let found = pairs
        .chunks_exact(2)
        .position(|pair| tree.span(pair[0]) == span)?;
    Some(Block {
        section,
        number: found,
        at: pairs[2 * found + 1],
    })
}

/// A pair of a mapping by its key: its number, key and value.
pub(super) fn pair(tree: &Tree<'_>, map: NodeId, key: &str) -> Option<(usize, NodeId, NodeId)> {
    let Yaml::Map(pairs) = tree.get(map) else {
        return None;
    };
    pairs
        .chunks_exact(2)
        .enumerate()
        .find(|(_, pair)| tree.key(pair[0]) == key)
        .map(|(number, pair)| (number, pair[0], pair[1]))
}

pub(super) fn is_name(text: &str, name: &Name) -> bool {
    Name::new(text).is_ok_and(|read| read == *name)
}

/// Puts a scalar under a key, where there is one already or not.
pub(super) fn set_field(
    editor: &mut Editor<'_>,
    tree: &Tree<'_>,
    map: NodeId,
    key: &str,
    value: Scalar<'_>,
) -> Result<(), Refusal> {
    match pair(tree, map, key) {
        Some((_, key, at)) => editor.set_scalar(key, at, value),
        None => editor.add_pair(map, key, value),
    }
}

/// Takes tasklists out of a block that stands for several, with what pins their objects.
pub(super) fn take_out(
    editor: &mut Editor<'_>,
    tree: &Tree<'_>,
    block: NodeId,
    keys: &[&Name],
) -> Result<(), Refusal> {
    let form = || Refusal::Form {
        at: tree.span(block),
    };
    let (_, key, list) = pair(tree, block, "tasklists").ok_or_else(form)?;
    let Yaml::List(items) = tree.get(list) else {
        return Err(form());
    };
    let named = |text: &str| keys.iter().any(|key| is_name(text, key));
    let remove: BTreeSet<usize> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| matches!(tree.get(**item), Yaml::Scalar { text, .. } if named(text)))
        .map(|(number, _)| number)
        .collect();
    if remove.len() != keys.len() {
        return Err(form());
    }
    let mark = editor.mark();
    editor.set_items(key, list, &remove, &[])?;
    if let Some((_, id_key, pins)) = pair(tree, block, "id")
        && let Yaml::Map(pairs) = tree.get(pins)
    {
        let remove: BTreeSet<usize> = pairs
            .chunks_exact(2)
            .enumerate()
            .filter(|(_, pair)| named(tree.key(pair[0])))
            .map(|(number, _)| number)
            .collect();
        if let Err(refusal) = editor.remove_pairs(id_key, pins, &remove) {
            editor.rewind(mark);
            return Err(refusal);
        }
    }
    Ok(())
}

/// Where `defaults` has a value for a field of subscriptions.
pub(super) fn default_of(tree: &Tree<'_>, field: Field) -> Option<Span> {
    let (_, defaults) = tree.top("defaults")?;
    let (_, _, of) = pair(tree, defaults, "tasklist_subscriptions")?;
    let (_, key, _) = pair(tree, of, field.as_str())?;
    Some(tree.span(key))
}
