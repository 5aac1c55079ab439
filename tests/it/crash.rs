//! Nothing is written twice or lost, wherever an apply dies.
//!
//! A debug build dies at its Nth crash point when `BEADLE_CRASH_AT` says so (`src/cli/crash.rs`):
//! points are just before and after each write to the ledger and each call. A sweep takes N from 1
//! until a run gets through, and after each death applies what the manifest says by then: the same,
//! the blocks renamed, or the blocks gone.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::project::{Project, RELEASE, ROOM, Ran};

/// A block of the manifest. Its subscriber is always the release room.
#[derive(Clone, Debug)]
struct Block {
    key: String,
    /// `release` or `roadmap`.
    tasklist: &'static str,
    /// The block's key when there is none.
    name: Option<&'static str>,
    event: i64,
    moved_from: Option<String>,
}

fn block(key: &str, tasklist: &'static str, name: Option<&'static str>, event: i64) -> Block {
    Block {
        key: key.to_owned(),
        tasklist,
        name,
        event,
        moved_from: None,
    }
}

/// What stays as it is in every scenario that begins with something.
fn keeper() -> Block {
    block("keeper", "release", None, 101)
}

/// What an apply is killed in.
struct Scenario {
    /// Applied first.
    start: Vec<Block>,
    /// Applied with a death.
    goal: Vec<Block>,
    /// Made by somebody, like the block of this number in `goal` but for this event.
    takes_over: Option<(usize, i64)>,
    /// Deleted by somebody after `start` was applied.
    vanishes: bool,
}

impl Scenario {
    fn new(start: &[Block], goal: &[Block]) -> Scenario {
        // A manifest from which everything goes would be another matter, a guard's.
        let with_keeper = |blocks: &[Block]| match start {
            [] => blocks.to_vec(),
            _ => [&[keeper()], blocks].concat(),
        };
        Scenario {
            start: with_keeper(start),
            goal: with_keeper(goal),
            takes_over: None,
            vanishes: false,
        }
    }
}

/// What happens to the manifest between the death and the next apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Same,
    Renamed,
    /// Renamed without a word about it: another resource as far as anybody knows.
    Another,
    Gone,
}

impl Then {
    fn of(self, goal: &[Block]) -> Vec<Block> {
        let each = |block: &Block| {
            if block.key == "keeper" || self == Then::Same {
                return Some(block.clone());
            }
            let moved_from = (self == Then::Renamed).then(|| block.key.clone());
            let key = format!("{}-2", block.key);
            (self != Then::Gone).then(|| Block {
                key,
                moved_from,
                ..block.clone()
            })
        };
        goal.iter().filter_map(each).collect()
    }
}

/// A folder and two tasklists of their own, in a sandbox that others use as well.
struct Case<'a> {
    project: &'a Project,
    dir: String,
    tasklists: BTreeMap<&'static str, String>,
    /// What somebody made, with all its fields, by guid.
    theirs: BTreeMap<String, Value>,
}

impl<'a> Case<'a> {
    fn new(project: &'a Project, dir: String) -> Case<'a> {
        let tasklists: BTreeMap<_, _> = ["release", "roadmap"]
            .into_iter()
            .map(|key| {
                let made = project.control("POST", "tasklists", &json!({"name": key}));
                (key, made["guid"].as_str().unwrap().to_owned())
            })
            .collect();
        let mut case = Case {
            project,
            dir,
            tasklists,
            theirs: BTreeMap::new(),
        };
        for key in ["release", "roadmap"] {
            let guid = case.somebody_makes(key, "theirs", 100);
            let made = case.live(key).into_iter().find(|s| s["guid"] == guid);
            case.theirs.insert(guid, made.unwrap());
        }
        case
    }

    fn somebody_makes(&self, tasklist: &str, name: &str, event: i64) -> String {
        let path = format!("tasklists/{}/subscriptions", self.tasklists[tasklist]);
        let body = json!({"name": name, "subscribers": [{"id": ROOM, "type": "chat"}], "include_keys": [event]});
        let made = self.project.control("POST", &path, &body);
        made["guid"].as_str().unwrap().to_owned()
    }

    fn live(&self, tasklist: &str) -> Vec<Value> {
        self.project.live(&self.tasklists[tasklist])
    }

    fn declare(&self, blocks: &[Block]) {
        let mut text = format!("version: 1\n{}tasklists:\n", self.project.providers());
        for (key, guid) in &self.tasklists {
            text += &format!("  {key}: {{ guid: {guid} }}\n");
        }
        text += &format!("chats:\n  room: {{ id: {ROOM} }}\n");
        if !blocks.is_empty() {
            text += "tasklist_subscriptions:\n";
        }
        for block in blocks {
            text += &format!(
                "  {}:\n    tasklist: {}\n    subscribers: [room]\n    events: [{}]\n",
                block.key, block.tasklist, block.event
            );
            if let Some(name) = block.name {
                text += &format!("    name: {name}\n");
            }
            if let Some(former) = &block.moved_from {
                text += &format!("    moved_from: {former}\n");
            }
        }
        self.project
            .write(&format!("{}/beadle.yaml", self.dir), &text);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("BEADLE_DIR", &self.dir)
            .env("BEADLE_SETTLE_GRACE", "100ms");
        command
    }

    fn apply(&self, blocks: &[Block], scenario: &Scenario) -> Command {
        let mut args = vec![
            "apply".to_owned(),
            "--auto-approve".to_owned(),
            "--allow-deletes".to_owned(),
        ];
        // Consent is given only where somebody's object is to be taken over: nowhere else may it be needed.
        if scenario.takes_over.is_some() {
            for block in blocks {
                args.push(format!("--adopt=tasklist_subscription.{}", block.key));
            }
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.command(&args)
    }

    /// How often each tasklist and name was made.
    fn creates(&self) -> BTreeMap<(&'static str, String), u32> {
        let path = "calls?operation=createTasklistActivitySubscription";
        let log = self.project.control("GET", path, &Value::Null);
        let mut count = BTreeMap::new();
        for call in log["calls"].as_array().unwrap() {
            let path = call["path"].as_str().unwrap();
            for (key, guid) in &self.tasklists {
                if call["effect"] == true && path.contains(guid) {
                    let name = call["body"]["name"].as_str().unwrap().to_owned();
                    *count.entry((*key, name)).or_default() += 1;
                }
            }
        }
        count
    }

    /// Fails unless the world is what the manifest says, and nothing of anybody's was touched.
    fn check_world(&self, blocks: &[Block], spared: Option<&Value>, context: &str) {
        for key in ["release", "roadmap"] {
            let (mut found, mut theirs) = (Vec::new(), 0);
            for live in self.live(key) {
                if let Some(made) = self.theirs.get(live["guid"].as_str().unwrap()) {
                    assert_eq!(live, *made, "{context}: somebody's was touched");
                    theirs += 1;
                } else if spared != Some(&live) {
                    found.push((
                        live["name"].clone(),
                        live["include_keys"].clone(),
                        live["disabled"].clone(),
                        live["subscribers"][0]["id"].clone(),
                    ));
                }
            }
            let mut wanted: Vec<_> = blocks
                .iter()
                .filter(|b| b.tasklist == key)
                .map(|b| {
                    (
                        json!(b.name.unwrap_or(&b.key)),
                        json!([b.event]),
                        json!(false),
                        json!(ROOM),
                    )
                })
                .collect();
            found.sort_by_key(|f| f.0.to_string());
            wanted.sort_by_key(|w| w.0.to_string());
            assert_eq!(found, wanted, "{context}: in {key}");
            assert_eq!(theirs, 1, "{context}: somebody's is gone from {key}");
        }
    }
}

/// Takes a case to where the manifest says what is to be done, and starts doing it. Returns what
/// somebody made there, if the scenario is about that.
fn begin(case: &Case<'_>, scenario: &Scenario, crash_at: u64) -> (Option<Value>, Ran) {
    if !scenario.start.is_empty() {
        case.declare(&scenario.start);
        Ran::from(case.apply(&scenario.start, scenario).output().unwrap()).exits(0);
    }
    if scenario.vanishes {
        for key in ["release", "roadmap"] {
            for live in case.live(key) {
                if live["name"] != "theirs" && live["name"] != "keeper" {
                    let path = format!("subscriptions/{}", live["guid"].as_str().unwrap());
                    case.project.control("DELETE", &path, &Value::Null);
                }
            }
        }
    }
    let theirs = scenario.takes_over.map(|(index, event)| {
        let block = &scenario.goal[index];
        let guid = case.somebody_makes(block.tasklist, block.name.unwrap_or(&block.key), event);
        let made = case.live(block.tasklist);
        made.into_iter().find(|s| s["guid"] == guid).unwrap()
    });
    case.declare(&scenario.goal);
    let mut apply = case.apply(&scenario.goal, scenario);
    apply
        .env("BEADLE_CRASH_AT", crash_at.to_string())
        .env("BEADLE_TIMEOUT", "2s");
    (theirs, apply.output().unwrap().into())
}

/// Runs one case: a death at point `at`, then an apply. Returns the point's name.
fn dies_and_recovers(case: &Case<'_>, scenario: &Scenario, at: u64, then: Then) -> String {
    let (theirs, died) = begin(case, scenario, at);
    assert_eq!(
        died.status, None,
        "it lives\n{}{}",
        died.stdout, died.stderr
    );
    let point = died.stderr.lines().last().unwrap_or_default();
    let point = point
        .strip_prefix("crash point: ")
        .unwrap_or_else(|| panic!("{}", died.stderr));
    let context = format!("dead at {at} ({point}), then {then:?}");

    let manifest = then.of(&scenario.goal);
    case.declare(&manifest);
    let applied = Ran::from(case.apply(&manifest, scenario).output().unwrap());
    assert_eq!(
        applied.status,
        Some(0),
        "{context}\n{}{}",
        applied.stdout,
        applied.stderr
    );
    let plan = Ran::from(
        case.command(&["plan", "--detailed-exitcode"])
            .output()
            .unwrap(),
    );
    assert_eq!(
        plan.status,
        Some(0),
        "{context}\n{}{}",
        plan.stdout,
        plan.stderr
    );
    // What was never taken over stays as somebody made it when nobody wants it any more.
    let spared = theirs.as_ref().filter(|_| then == Then::Gone);
    case.check_world(&manifest, spared, &context);
    if then == Then::Same {
        for (what, times) in case.creates() {
            // What has vanished was made before it did.
            let allowed = if scenario.vanishes && what.1 != "keeper" && what.0 == "release" {
                2
            } else {
                1
            };
            assert!(
                times <= allowed,
                "{context}: {what:?} was made {times} times"
            );
        }
    }
    point.to_owned()
}

/// Kills an apply at every point in turn; after the interesting ones the manifest changes as well.
fn sweep(scenario: &Scenario, changes: &[Then]) -> BTreeSet<String> {
    let project = Project::empty();
    let cases = AtomicU64::new(0);
    let case = || {
        let number = cases.fetch_add(1, Ordering::SeqCst);
        Case::new(&project, format!("case-{number}"))
    };
    let (_, lives) = begin(&case(), scenario, u64::MAX);
    let count = lives
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("crash points: "));
    let count: u64 = count
        .unwrap_or_else(|| panic!("{}", lives.stderr))
        .parse()
        .unwrap();
    lives.exits(0);

    let (next, points) = (AtomicU64::new(1), Mutex::new(BTreeSet::new()));
    let worker = || {
        loop {
            let at = next.fetch_add(1, Ordering::SeqCst);
            if at > count {
                return;
            }
            let point = dies_and_recovers(&case(), scenario, at, Then::Same);
            // Elsewhere the disk and the world are as at one of these.
            let telling = ["open_entry", "send", "close_entry", "record"];
            if telling.iter().any(|step| point == format!("after {step}")) {
                for then in changes {
                    dies_and_recovers(&case(), scenario, at, *then);
                }
            }
            points.lock().unwrap().insert(point);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let points = points.into_inner().unwrap();
    for step in ["acquire", "release"] {
        for side in ["before", "after"] {
            assert!(points.contains(&format!("{side} {step}")), "{points:?}");
        }
    }
    points
}

const ALL: &[Then] = &[Then::Renamed, Then::Another, Then::Gone];

/// As [`sweep`], for scenarios in which calls are made.
fn sweep_calls(scenario: &Scenario, changes: &[Then]) {
    let points = sweep(scenario, changes);
    for step in ["open_entry", "send", "close_entry"] {
        for side in ["before", "after"] {
            assert!(points.contains(&format!("{side} {step}")), "{points:?}");
        }
    }
}

#[test]
fn a_create_survives_every_death() {
    let scenario = Scenario::new(&[], &[block("progress", "release", Some("进度"), 103)]);
    sweep_calls(&scenario, ALL);
}

#[test]
fn a_create_under_its_default_name_survives_every_death() {
    let scenario = Scenario::new(&[], &[block("progress", "release", None, 103)]);
    sweep_calls(&scenario, &[Then::Renamed, Then::Another]);
}

#[test]
fn an_update_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let scenario = Scenario::new(
        &[start],
        &[block("progress", "release", Some("进度 2"), 130)],
    );
    sweep_calls(&scenario, ALL);
}

#[test]
fn a_replace_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let scenario = Scenario::new(&[start], &[block("progress", "roadmap", Some("进度"), 103)]);
    sweep_calls(&scenario, ALL);
}

#[test]
fn a_delete_survives_every_death() {
    let gone = block("progress", "release", Some("进度"), 103);
    let scenario = Scenario::new(&[gone], &[]);
    sweep_calls(&scenario, &[]);
}

#[test]
fn a_create_in_place_of_what_vanished_survives_every_death() {
    let block = block("progress", "release", Some("进度"), 103);
    let mut scenario = Scenario::new(std::slice::from_ref(&block), std::slice::from_ref(&block));
    scenario.vanishes = true;
    sweep_calls(&scenario, &[Then::Gone]);
}

#[test]
fn taking_somebodys_object_over_survives_every_death() {
    let mut scenario = Scenario::new(&[], &[block("progress", "release", Some("进度"), 103)]);
    scenario.takes_over = Some((0, 130));
    sweep_calls(&scenario, ALL);
}

#[test]
fn moving_onto_somebodys_equal_object_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let mut scenario = Scenario::new(&[start], &[block("progress", "roadmap", Some("进度"), 103)]);
    scenario.takes_over = Some((1, 103));
    sweep_calls(&scenario, &[Then::Gone]);
}

#[test]
fn moving_onto_somebodys_object_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let mut scenario = Scenario::new(&[start], &[block("progress", "roadmap", Some("进度"), 103)]);
    scenario.takes_over = Some((1, 130));
    sweep_calls(&scenario, &[Then::Gone]);
}

#[test]
fn moving_what_vanished_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let goal = block("progress", "roadmap", Some("进度"), 103);
    let mut scenario = Scenario::new(&[start], &[goal]);
    scenario.vanishes = true;
    sweep_calls(&scenario, &[Then::Gone]);
}

#[test]
fn moving_what_vanished_onto_somebodys_object_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let goal = block("progress", "roadmap", Some("进度"), 103);
    let mut scenario = Scenario::new(&[start], &[goal]);
    (scenario.vanishes, scenario.takes_over) = (true, Some((1, 103)));
    sweep(&scenario, &[Then::Gone]);
}

#[test]
fn a_rename_alone_survives_every_death() {
    let start = block("progress", "release", Some("进度"), 103);
    let goal = Block {
        key: "advance".to_owned(),
        moved_from: Some("progress".to_owned()),
        ..start.clone()
    };
    let points = sweep(&Scenario::new(&[start], &[goal]), ALL);
    assert!(points.contains("after record"), "{points:?}");
}

#[test]
fn several_changes_at_once_survive_every_death() {
    let start = [
        block("edited", "release", None, 103),
        block("moved", "release", None, 103),
        block("gone", "roadmap", None, 103),
    ];
    let goal = [
        block("edited", "release", None, 130),
        block("moved", "roadmap", None, 103),
        block("new", "roadmap", None, 100),
    ];
    sweep_calls(&Scenario::new(&start, &goal), &[]);
}

/// A real SIGKILL while the vendor has the call, before or after its effect.
#[test]
fn a_kill_while_the_vendor_has_the_call_loses_nothing() {
    const PROGRESS: &str = "  progress:
    tasklist: release
    name: 进度
    subscribers: [release-room]
    events: [task.added]
";
    let edited = PROGRESS.replace("task.added", "due.set");
    let cases = [
        ("createTasklistActivitySubscription", "", PROGRESS),
        ("patchTasklistActivitySubscription", PROGRESS, &edited),
        ("deleteTasklistActivitySubscription", PROGRESS, ""),
    ];
    let kill = |fault: &str, (operation, start, goal): (&str, &str, &str)| {
        let project = Project::new(start);
        let apply = || {
            let mut command = project.command(&["apply", "--auto-approve", "--allow-deletes"]);
            command
                .env("BEADLE_SETTLE_GRACE", "100ms")
                .env("BEADLE_TIMEOUT", "2s")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command
        };
        Ran::from(apply().output().unwrap()).exits(0);
        project.declare(goal);
        project.fault(&format!("{fault}@{operation}:1"));
        let mut child = apply().spawn().unwrap();
        project.wait_until_held(1);
        child.kill().unwrap();
        child.wait().unwrap();
        project.release();
        project.no_faults();

        let next = Ran::from(apply().output().unwrap()).exits(0);
        assert!(
            next.stderr.contains("Settled"),
            "{fault} {operation}: {}",
            next.stderr
        );
        project.beadle(&["plan", "--detailed-exitcode"]).exits(0);
        let live = project.live(RELEASE);
        match goal {
            "" => assert_eq!(live, Vec::<Value>::new()),
            _ => {
                assert_eq!(live.len(), 1);
                let events = if goal == PROGRESS {
                    json!([100])
                } else {
                    json!([130])
                };
                assert_eq!(live[0]["include_keys"], events);
            }
        }
        let effects = project
            .writes()
            .into_iter()
            .filter(|c| c["operation"] == operation && c["effect"] == true);
        assert_eq!(effects.count(), 1, "{fault} {operation}");
    };
    std::thread::scope(|scope| {
        for fault in ["hold-before", "hold-after"] {
            for case in cases {
                scope.spawn(move || kill(fault, case));
            }
        }
    });
}
