//! A made-up project of any size, written as people write: block and flow lists, names with variables in
//! them, anchors, quotes, and blocks that leave out what the defaults say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use beadle::model::Diagnostic;
use beadle::model::diagnostic::{FileId, Sources};
use beadle::model::manifest::Manifest;
use beadle::model::parse::{self, Inputs, Parsed, Secrets, World};

/// About so many subscriptions stand in a file.
const PER_FILE: usize = 400;

const CHATS: usize = 200;

/// The files of a project with so many tasklists and so many subscriptions in each, `beadle.yaml` first.
pub(crate) fn write(tasklists: usize, each: usize) -> Sources {
    let mut sources = Sources::default();
    sources.add("beadle.yaml", root(tasklists));
    let subscriptions = tasklists * each;
    for first in (0..subscriptions).step_by(PER_FILE) {
        let last = (first + PER_FILE).min(subscriptions);
        sources.add(format!("teams/{first:06}.yaml"), team(first..last, each));
    }
    sources
}

/// Reads it.
pub(crate) fn read(sources: &Sources) -> Parsed {
    let inputs = Inputs {
        vars: &BTreeMap::new(),
        env: &|_| None,
        file: &|_, _| Err("there is none".to_owned()),
        allow_hosts: &[],
        secrets: Secrets::Skip,
        world: World::Real,
    };
    let files = u32::try_from(sources.0.len()).expect("there are few files");
    let included: Vec<FileId> = (1..files).map(FileId).collect();
    parse::root(sources, FileId(0), &inputs).read(sources, &included, &inputs)
}

/// The manifest of a project that has nothing wrong with it.
pub(crate) fn manifest(
    (manifest, diagnostics): (Option<Manifest>, Vec<Diagnostic>),
) -> Result<Manifest, Vec<Diagnostic>> {
    match manifest {
        Some(manifest) if diagnostics.is_empty() => Ok(manifest),
        _ => Err(diagnostics),
    }
}

fn chat_id(number: usize) -> String {
    format!("oc_{:032x}", number % CHATS + 0xa055_3eda)
}

fn root(tasklists: usize) -> String {
    let mut text = "\
version: 1
project: benches
include: [\"teams/*.yaml\"]
vars:
  region: 华东
providers:
  feishu: { app_id: cli_sandbox, app_secret: \"${env:FEISHU_APP_SECRET}\" }
defaults:
  tasklist_subscriptions:
    subscribers: [room-0]
    events: [task.added, task.completed]
chats:
"
    .to_owned();
    for chat in 0..CHATS {
        writeln!(text, "  room-{chat}: {{ id: {} }}", chat_id(chat)).expect("text grows");
    }
    text.push_str("tasklists:\n");
    for tasklist in 0..tasklists {
        writeln!(
            text,
            "  list-{tasklist}: {{ guid: d300a75f-c56a-4be9-80d1-{tasklist:012x} }}"
        )
        .expect("text grows");
    }
    text
}

fn team(numbers: std::ops::Range<usize>, each: usize) -> String {
    let mut text = "# Made up.\ntasklist_subscriptions:\n".to_owned();
    let anchor = numbers.start;
    for number in numbers {
        let (list, near, far) = (number / each, number % CHATS, (number + 7) % CHATS);
        let spare = chat_id(number + 13);
        write!(
            text,
            "  team-progress-{number:06}:\n    tasklist: list-{list}\n"
        )
        .expect("text grows");
        let rest = match number % 4 {
            0 if number == anchor => format!(
                "    name: 项目进度 {number}
    subscribers: &rooms
      - room-{near}
      - room-{far}
      - {spare}
    events: &usual [task.added, task.completed, due.set]
    enabled: true\n"
            ),
            0 => format!(
                "    name: 项目进度 {number}
    subscribers:
      - room-{near}
      - room-{far}
      - {spare}
    events: *usual
    protect: false # anybody may\n"
            ),
            1 => format!(
                "    name: \"${{var:region}} 进度 {number}\"
    subscribers: [room-{near}, room-{far}]
    events:
      - task.added
      - comment.added
      - due.set\n"
            ),
            2 => format!(
                "    # The events are the project's.
    name: 'release {number}'
    enabled: false
    ignore: [enabled]
    subscribers:
      - {spare}
      - \"room-{near}\"\n"
            ),
            _ => format!(
                "    name: >-
      all about
      {number}
    subscribers: *rooms
    events: all
    enabled: true\n"
            ),
        };
        text.push_str(&rest);
    }
    text
}
