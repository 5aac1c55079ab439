//! Manifests in random styles, random changes outside, and the diff that accepts them. No vendor and no
//! ledger: `support/sides.rs` holds the sides. What must not change is looked for line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use beadle::cli::drift::patch::accept::propose;
use beadle::cli::drift::patch::diff::unified;
use beadle::model::diagnostic::Sources;
use beadle::model::edit;
use beadle::model::{EventKey, Events, Field, Value};
use beadle::plan::drift::drift;
use proptest::prelude::*;

use super::patch::git;
use crate::support::sides::{Sides, brief, manifest};

const ROOMS: [(&str, &str); 4] = [
    ("room", "oc_room"),
    ("hall", "oc_hall"),
    ("项目群", "oc_project"),
    ("oc_bare", "oc_bare"),
];

const EVENTS: [(u32, &str); 4] = [
    (100, "task.added"),
    (103, "task.completed"),
    (121, "comment.added"),
    (130, "due.set"),
];

const NAMES: [&str; 6] = ["plain", "项目 进度", "a: b", "it's", "# 1", "\"q\" \\"];

/// A stream of small numbers that a case is made of.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn some<T: Clone>(&mut self, of: &[T], least: usize) -> Vec<T> {
        let mut found: Vec<T> = of.iter().filter(|_| self.one_in(2)).cloned().collect();
        for one in of.iter().take(least.saturating_sub(found.len())) {
            found.push(one.clone());
        }
        found
    }
}

/// A line of the file, and what may change it: the resource and one of its parts.
type Line = (String, BTreeSet<(usize, &'static str)>);

/// One block, written in some style.
struct Written {
    lines: Vec<Line>,
    /// Its last line gets a pair more when a field is added to a block in brackets.
    is_flow: bool,
}

fn scalar(dice: &mut Dice, text: &str, in_flow: bool) -> String {
    let is_quoted = text.contains([':', '#', '"', '\'', '\\']);
    let is_plain = !is_quoted && (!in_flow || !text.contains([',', '[', ']']));
    match dice.roll(3) {
        0 if is_plain => text.to_owned(),
        1 => format!("'{}'", text.replace('\'', "''")),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn comment(dice: &mut Dice, about: &str) -> String {
    match dice.roll(3) {
        0 => format!(" # about {about}, and more"),
        1 => format!("   #{about}: 说明"),
        _ => String::new(),
    }
}

/// The pairs of a block, each with its field and its lines below the indentation.
fn pairs(dice: &mut Dice, number: usize, flow: bool) -> Vec<(&'static str, Vec<String>)> {
    let rooms: Vec<&str> = dice
        .some(&ROOMS, 1)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let events: Vec<&str> = dice
        .some(&EVENTS, 1)
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    let all = dice.one_in(5);
    let mut pairs = vec![(
        "tasklist",
        vec![format!("tasklist: {}", if flow { "a" } else { "'a'" })],
    )];
    if dice.one_in(2) {
        let name = format!("{} {number}", NAMES[dice.roll(NAMES.len())]);
        pairs.push(("name", vec![format!("name: {}", scalar(dice, &name, flow))]));
    }
    pairs.push(("subscribers", list(dice, "subscribers", &rooms, flow)));
    pairs.push(if all {
        ("events", vec!["events: all".to_owned()])
    } else {
        ("events", list(dice, "events", &events, flow))
    });
    if dice.one_in(3) {
        pairs.push(("enabled", vec![format!("enabled: {}", dice.one_in(2))]));
    }
    let turn = dice.roll(pairs.len());
    pairs.rotate_left(turn);
    pairs
}

fn list(dice: &mut Dice, key: &str, items: &[&str], flow: bool) -> Vec<String> {
    let items: Vec<String> = items.iter().map(|item| scalar(dice, item, true)).collect();
    match if flow { 0 } else { dice.roll(3) } {
        0 => {
            let pad = ["", " "][dice.roll(2)];
            let end = if dice.one_in(4) { "," } else { "" };
            vec![format!("{key}: [{pad}{}{end}{pad}]", items.join(", "))]
        }
        1 => {
            let mut lines = vec![format!("{key}: [{}", comment(dice, key))];
            let last = items.len() - 1;
            for (at, item) in items.iter().enumerate() {
                let comma = if at < last || dice.one_in(2) { "," } else { "" };
                lines.push(format!("  {item}{comma}{}", comment(dice, "an element")));
            }
            lines.push("]".to_owned());
            lines
        }
        _ => {
            let mut lines = vec![format!("{key}:{}", comment(dice, key))];
            let indent = ["", "  "][dice.roll(2)];
            for item in &items {
                if dice.one_in(4) {
                    lines.push(format!("{indent}# of the next"));
                }
                lines.push(format!("{indent}- {item}{}", comment(dice, "an element")));
            }
            lines
        }
    }
}

fn block(dice: &mut Dice, number: usize) -> Written {
    let tag = |field| BTreeSet::from([(number, field)]);
    let mut lines: Vec<Line> = Vec::new();
    if dice.one_in(2) {
        lines.push((format!("  # about {number}"), tag("all")));
    }
    let is_flow = dice.one_in(3);
    let pairs = pairs(dice, number, is_flow);
    if is_flow {
        let texts: Vec<_> = pairs.iter().map(|(_, lines)| lines.concat()).collect();
        let mut tags = tag("added");
        tags.extend(pairs.iter().map(|(field, _)| (number, *field)));
        let line = format!(
            "  s{number}: {{ {} }}{}",
            texts.join(", "),
            comment(dice, "all")
        );
        lines.push((line, tags));
    } else {
        lines.push((format!("  s{number}:{}", comment(dice, "all")), tag("all")));
        let indent = ["    ", "      "][dice.roll(2)];
        for (field, texts) in pairs {
            if dice.one_in(5) {
                lines.push((format!("{indent}# about {field}"), tag("all")));
            }
            for text in texts {
                lines.push((format!("{indent}{text}"), tag(field)));
            }
        }
    }
    if dice.one_in(3) {
        lines.push((String::new(), tag("around")));
    }
    Written { lines, is_flow }
}

struct Case {
    head: String,
    blocks: Vec<Written>,
    line_break: &'static str,
    is_cut: bool,
}

impl Case {
    fn text(&self) -> String {
        let lines = self
            .blocks
            .iter()
            .flat_map(|b| &b.lines)
            .map(|(line, _)| line.as_str());
        let mut text = self.head.clone();
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        if self.is_cut {
            text.truncate(text.trim_end().len());
        }
        text.replace('\n', self.line_break)
    }
}

fn case(dice: &mut Dice) -> Case {
    let head = "version: 1
providers: { feishu: { app_id: cli_a, app_secret: s } }
tasklists: { a: { guid: guid-a }, b: { guid: guid-b } }
chats: { room: { id: oc_room }, hall: { id: oc_hall }, 项目群: { id: oc_project } }
tasklist_subscriptions: # all of them
";
    let count = 1 + dice.roll(4);
    Case {
        head: head.to_owned(),
        blocks: (0..count).map(|number| block(dice, number)).collect(),
        line_break: ["\n", "\r\n"][dice.roll(2)],
        is_cut: dice.one_in(2),
    }
}

/// What somebody does to the objects: by number, the field that they change, or none when they delete it.
fn deeds(dice: &mut Dice, sides: &mut Sides, count: usize) -> BTreeMap<usize, BTreeSet<Field>> {
    let mut done: BTreeMap<usize, BTreeSet<Field>> = BTreeMap::new();
    let ids: Vec<_> = (0..count)
        .map(|number| {
            let name = format!("s{number}");
            let mut all = sides.bindings.iter();
            all.find(|b| b.address.name.as_str() == name)
                .unwrap()
                .id
                .clone()
        })
        .collect();
    for (number, id) in ids.iter().enumerate() {
        if dice.one_in(3) {
            continue;
        }
        if dice.one_in(5) {
            sides.objects("guid-a").retain(|o| o.id != *id);
            done.insert(number, BTreeSet::new());
            continue;
        }
        let object = sides
            .objects("guid-a")
            .iter_mut()
            .find(|o| o.id == *id)
            .unwrap();
        for field in Field::SUBSCRIPTION {
            if !dice.one_in(2) {
                continue;
            }
            let value = match field {
                Field::Name => {
                    Value::Text(format!("{} new {number}", NAMES[dice.roll(NAMES.len())]))
                }
                Field::Enabled => Value::Flag(dice.one_in(2)),
                Field::Subscribers => {
                    let rooms = dice.some(&ROOMS, 1).into_iter();
                    Value::Chats(rooms.map(|(_, id)| id.into()).collect())
                }
                _ => {
                    let keys = dice
                        .some(&EVENTS, 1)
                        .into_iter()
                        .map(|(key, _)| EventKey(key));
                    let more = dice.one_in(4).then_some(EventKey(4711));
                    Value::Events(keys.chain(more).collect::<Events>())
                }
            };
            let before = object.fields.get(field).unwrap();
            let is_same = match (before, &value) {
                (Value::Events(before), Value::Events(now)) => before.keys == now.keys,
                (before, now) => before == now,
            };
            if !is_same {
                object.fields.set(field, value);
                done.entry(number).or_default().insert(field);
            }
        }
    }
    done
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_has_not_drifted_and_only_its_own_lines_change(
        rolls in prop::collection::vec(any::<u8>(), 400)
    ) {
        let mut dice = Dice(rolls.into_iter());
        let case = case(&mut dice);
        let text = case.text();
        let mut sides = Sides::applied(&text);
        let done = deeds(&mut dice, &mut sides, case.blocks.len());
        let mut sources = Sources::default();
        let file = sources.add("beadle.yaml", text.as_str());
        sides.choice.observe = true;
        let found = drift(&sides.plan(), &sides.bindings, sides.memory);
        let (proposals, explained) = propose(&sides.manifest, &sources, &sides.bindings, &found);
        prop_assert!(explained.is_empty(), "{explained:?}\n{text}");
        let edits: Vec<_> = proposals.iter().flat_map(|p| &p.edits).map(|(of, edit)| {
            assert_eq!(*of, file);
            edit.clone()
        }).collect();
        let Some(now) = edit::apply(&text, &edits) else {
            return Err(TestCaseError::fail(format!("edits in each other's way: {edits:?}\n{text}")));
        };
        if now != text && dice.one_in(25) {
            // Git makes the same of it.
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("beadle.yaml");
            std::fs::write(&path, &text).unwrap();
            let diff = unified("beadle.yaml", sources.get(file), &now);
            git(folder.path(), &["apply", "--whitespace=nowarn", "-"], &diff);
            prop_assert_eq!(std::fs::read_to_string(path).unwrap(), now.clone(), "{}", diff);
        }
        sides.manifest = manifest(&now);
        let plan = sides.plan();
        prop_assert!(plan.changes.is_empty() && plan.diagnostics.is_empty(), "{}\n{text}\n{now}", brief(&plan));

        // Only lines of what has changed are gone: the others stand there, in their order.
        let mut tags: Vec<BTreeSet<(usize, &str)>> =
            case.head.lines().map(|_| BTreeSet::new()).collect();
        let count = tags.len();
        for block in &case.blocks {
            tags.extend(block.lines.iter().map(|(_, tags)| tags.clone()));
        }
        let before: Vec<&str> = text.split_inclusive('\n').collect();
        let after: Vec<&str> = now.split_inclusive('\n').collect();
        let deleted: BTreeSet<usize> =
            done.iter().filter(|(_, fields)| fields.is_empty()).map(|(number, _)| *number).collect();
        let may = |at: usize| {
            let line = before[at].trim_end();
            let own = tags[at].iter().any(|(number, part)| match done.get(number) {
                Some(fields) if fields.is_empty() => true,
                Some(fields) => {
                    fields.iter().any(|f| f.as_str() == *part)
                        // A field that was not there comes into the brackets.
                        || (case.blocks[*number].is_flow && *part == "added")
                        // A line at the end that has no line break gets one.
                        || at + 1 == before.len()
                }
                None => false,
            });
            // `{}` comes behind the section when nothing is left in it.
            let is_section = at + 1 == count && deleted.len() == case.blocks.len();
            // A blank line goes with its paragraph, and a last line may lose or get its line break.
            own || is_section || (line.is_empty() && !deleted.is_empty()) || at + 1 == before.len()
        };
        // No diff is asked: where lines read alike, which of them are gone would be its choice.
        let mut rest = after.iter();
        for line in (0..before.len()).filter(|at| !may(*at)).map(|at| before[at]) {
            prop_assert!(rest.any(|other| *other == line), "{line:?} need not change\n{text}\n{now}");
        }
        // Whatever stays keeps its comments.
        for (number, block) in case.blocks.iter().enumerate().filter(|(n, _)| !deleted.contains(n)) {
            for (line, tags) in &block.lines {
                let is_element = tags.iter().any(|(_, part)| matches!(*part, "subscribers" | "events"))
                    && !case.blocks[number].is_flow;
                if let Some((_, comment)) = line.split_once(" #").filter(|_| !is_element) {
                    prop_assert!(now.contains(comment), "{comment:?} is gone\n{text}\n{now}");
                }
            }
        }
    }
}
