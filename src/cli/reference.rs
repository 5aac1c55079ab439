//! The reference page of a JSON Schema: a section for each block, with a table of its keys.
//!
//! `docs/manifest.md` is what this makes of the manifest's schema, and a test finds it stale.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What was written so far.
#[derive(Default)]
struct Seen {
    /// The tables, each with the path that it stands at and its required keys: what comes again is named and
    /// not repeated.
    tables: BTreeMap<String, (String, BTreeSet<String>)>,
    /// How often each path has a section.
    paths: BTreeMap<String, usize>,
    /// The paths that have several: there a heading says of which kind it is.
    several: BTreeSet<String>,
}

/// The page, in Markdown.
pub(super) fn page(schema: &Value) -> String {
    let mut text = String::from(
        "# The manifest, key by key\n\n\
         <!-- Made by `beadle schema --format markdown` from the schema that editors read. -->\n\n\
         Text may hold `${var:NAME}`; secrets take `${env:NAME}` and `${file:PATH}`. Names are letters, digits, `-` and\n\
         `_`, at most 64. A key in **bold** is required.\n",
    );
    // Once to see which headings come again.
    let mut draft = Seen::default();
    section(&mut String::new(), &mut draft, "", "", &[schema]);
    let several = draft.paths.into_iter().filter(|(_, times)| *times > 1);
    let mut seen = Seen {
        several: several.map(|(path, _)| path).collect(),
        ..Seen::default()
    };
    section(&mut text, &mut seen, "", "", &[schema]);
    text
}

/// A heading, the table of each block that may stand there, and after them the blocks within. `kind` says in
/// which of several blocks that exclude each other it stands, such as `msg_type: text`.
fn section(text: &mut String, seen: &mut Seen, path: &str, kind: &str, blocks: &[&Value]) {
    let title = if path.is_empty() { "beadle.yaml" } else { path };
    *seen.paths.entry(title.to_owned()).or_default() += 1;
    text.push_str(&format!("\n## `{title}`"));
    if seen.several.contains(title) && !kind.is_empty() {
        text.push_str(&format!(" with `{kind}`"));
    }
    text.push('\n');
    let (mut new, mut same, mut besides) = (Vec::new(), Vec::new(), BTreeSet::new());
    for block in blocks {
        let required = required(block);
        match seen.tables.get(&table(block, &BTreeSet::new())) {
            Some((other, theirs)) if theirs.is_subset(&required) => {
                same.push(format!("`{other}`"));
                besides.extend(required.difference(theirs).map(|key| format!("`{key}`")));
            }
            _ => {
                if let Some(says) = block["description"].as_str() {
                    text.push_str(&format!("\n{says}\n"));
                }
                if let Some(one) = one_of(block) {
                    text.push_str(&format!("\n{one}\n"));
                }
                text.push_str(&format!("\n{}", table(block, &required)));
                let known = (title.to_owned(), required);
                let table = table(block, &BTreeSet::new());
                seen.tables.entry(table).or_insert(known);
                new.push(*block);
            }
        }
    }
    if !same.is_empty() {
        text.push_str(&format!("\nTakes the keys of {}", listed(same)));
        if !besides.is_empty() {
            let besides = besides.into_iter().collect();
            text.push_str(&format!("; required besides: {}", listed(besides)));
        }
        text.push_str(".\n");
    }
    for block in new {
        let of_this = if blocks.len() > 1 {
            kind_of(block)
        } else {
            None
        };
        let kind = of_this.unwrap_or_else(|| kind.to_owned());
        for (key, value) in properties(block).into_iter().flatten() {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            within(text, seen, &path, &kind, value);
        }
    }
}

/// The key and the word that tell a block from its alternatives.
fn kind_of(block: &Value) -> Option<String> {
    properties(block)?.iter().find_map(|(key, value)| {
        let word = value["const"].as_str()?;
        Some(format!("{key}: {word}"))
    })
}

fn required(block: &Value) -> BTreeSet<String> {
    let keys = block["required"].as_array().into_iter().flatten();
    keys.filter_map(|key| key.as_str().map(str::to_owned))
        .collect()
}

/// The keys of a block in rows.
fn table(block: &Value, required: &BTreeSet<String>) -> String {
    let mut text = String::from("| key | takes | default | meaning |\n|---|---|---|---|\n");
    for (key, value) in properties(block).into_iter().flatten() {
        let name = if required.contains(key) {
            format!("**`{key}`**")
        } else {
            format!("`{key}`")
        };
        let default = match &value["default"] {
            Value::Null => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let says = value["description"].as_str().unwrap_or_default();
        let row = [name, takes(value), default, says.to_owned()];
        let row = row.map(|cell| cell.replace('|', "\\|"));
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// The blocks below a value: it may be one or one of several, or a list or map of them.
fn within(text: &mut String, seen: &mut Seen, path: &str, kind: &str, schema: &Value) {
    // What differs by locale alone is told where it is taken.
    let is_block = |one: &&Value| properties(one).is_some() && one["patternProperties"].is_null();
    let own = std::iter::once(schema).chain(alternatives(schema));
    let blocks: Vec<&Value> = own.filter(is_block).collect();
    if !blocks.is_empty() {
        section(text, seen, path, kind, &blocks);
    }
    for one in std::iter::once(schema).chain(alternatives(schema)) {
        if one["additionalProperties"].is_object() {
            let path = format!("{path}.NAME");
            within(text, seen, &path, kind, &one["additionalProperties"]);
        }
        if one["items"].is_object() {
            within(text, seen, &format!("{path}[]"), kind, &one["items"]);
        }
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"]
        .as_object()
        .filter(|keys| !keys.is_empty())
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["anyOf"].as_array().into_iter().flatten()
}

/// Which keys exclude each other.
fn one_of(schema: &Value) -> Option<String> {
    let each: Option<Vec<String>> = schema["oneOf"]
        .as_array()?
        .iter()
        .map(|one| Some(format!("`{}`", one["required"].get(0)?.as_str()?)))
        .collect();
    Some(format!("Takes exactly one of {}.", each?.join(", ")))
}

/// What a value looks like, in words.
fn takes(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        return listed(words.iter().map(literal).collect());
    }
    if !schema["const"].is_null() {
        return literal(&schema["const"]);
    }
    let mut all: Vec<String> = Vec::new();
    for alternative in alternatives(schema).filter(|one| !is_interpolation(one)) {
        let words = takes(alternative);
        if !words.is_empty() && !all.contains(&words) {
            all.push(words);
        }
    }
    if !all.is_empty() {
        return listed(all);
    }
    match &schema["type"] {
        Value::String(kind) => match kind.as_str() {
            "string" => "text".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            "integer" | "number" => "a number".to_owned(),
            "array" => match takes(&schema["items"]) {
                words if words.is_empty() => "a list".to_owned(),
                words if words.contains(", ") || words.contains(" or ") => {
                    format!("a list, each {words}")
                }
                words if words == "text" => "a list of texts".to_owned(),
                words => format!("a list of: {words}"),
            },
            _ if !schema["patternProperties"].is_null() => {
                "texts by locale, with a `default`".to_owned()
            }
            _ if properties(schema).is_some() => "a block, below".to_owned(),
            _ if schema["additionalProperties"].is_object() => {
                match properties(&schema["additionalProperties"]) {
                    Some(_) => "blocks by name, below".to_owned(),
                    None => "values by name".to_owned(),
                }
            }
            _ => "a block of any shape".to_owned(),
        },
        Value::Array(_) => "text".to_owned(),
        _ => String::new(),
    }
}

/// Whether this only lets `${…}` stand in place of a value.
fn is_interpolation(schema: &Value) -> bool {
    schema["pattern"]
        .as_str()
        .is_some_and(|pattern| pattern == r"\$\{")
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn listed(mut words: Vec<String>) -> String {
    let last = words.pop().unwrap_or_default();
    if words.is_empty() {
        last
    } else {
        format!("{} or {last}", words.join(", "))
    }
}
