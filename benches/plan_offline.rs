//! How long it takes to find out what would change, with everything that is live and bound at hand:
//! the manifest's text parsed and checked, then the diff, each alone and all together.
//!
//! The baseline is what a YAML library takes for the same text, turned into its `Value`s in one thread.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "support/memory.rs"]
mod memory;
#[path = "support/project.rs"]
mod project;
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use beadle::model::diagnostic::Sources;
use beadle::model::manifest::{Manifest, TasklistTarget};
use beadle::model::{AppId, Collection, Field, Name, RemoteId, TasklistGuid, Value};
use beadle::plan::live::{Binding, Kept, Object};
use beadle::plan::{Choice, Inputs, Listing, Memory, Plan, Resolution, diff};
use jiff::Timestamp;
use support::{Mode, Wrong, best, best_of_prepared, cpu, expect, ms, verdict};

/// The targets of design.md section 7, for 100,000 subscriptions.
const SECONDS: f64 = 1.5;
const MEGABYTES: f64 = 400.0;

/// Subscriptions in a tasklist; the vendor's limit is 50.
const PER_TASKLIST: usize = 40;

fn main() -> ExitCode {
    if let Some((size, case)) = memory::asked() {
        return memory::answer(|| once(size, Case::of(&case)));
    }
    support::main(|mode| {
        let sizes: &[(usize, u32)] = match mode {
            Mode::Full => &[(1_000, 10), (10_000, 5), (100_000, 3)],
            Mode::Quick => &[(1_000, 2)],
        };
        for &(size, rounds) in sizes {
            measure(size, rounds)?;
        }
        Ok(())
    })
}

/// What the diff meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Nothing is live and nothing is bound.
    New,
    /// Everything is as declared.
    Nothing,
    /// One in a hundred was changed at the vendor.
    Drifted,
}

impl Case {
    const ALL: [Case; 3] = [Case::New, Case::Nothing, Case::Drifted];

    fn words(self) -> &'static str {
        match self {
            Case::New => "all new",
            Case::Nothing => "nothing to do",
            Case::Drifted => "1 % drifted",
        }
    }

    fn of(words: &str) -> Case {
        let found = Case::ALL.into_iter().find(|case| case.words() == words);
        found.expect("we wrote it")
    }

    /// How many creates and updates a plan for so many subscriptions has.
    fn changes(self, size: usize) -> (usize, usize) {
        match self {
            Case::New => (size, 0),
            Case::Nothing => (0, 0),
            Case::Drifted => (0, size.div_ceil(100)),
        }
    }
}

/// The live side and the applied one.
struct Sides {
    tasklists: BTreeMap<Name, Resolution>,
    listings: BTreeMap<Collection, Listing>,
    kept: Kept,
    bindings: Vec<Binding>,
}

impl Sides {
    /// Derives them from the desired side.
    fn of(manifest: &Manifest, case: Case) -> Sides {
        let provider = Name::new("feishu").expect("it is a name");
        let app = AppId::new("cli_sandbox");
        let guids: BTreeMap<&Name, &TasklistGuid> = manifest
            .tasklists
            .iter()
            .filter_map(|(key, tasklist)| match &tasklist.target {
                TasklistTarget::Guid(guid) => Some((key, guid)),
                TasklistTarget::Named(_) => None,
            })
            .collect();
        let mut objects: BTreeMap<&TasklistGuid, Vec<Object>> =
            guids.values().map(|guid| (*guid, Vec::new())).collect();
        let mut bindings = Vec::new();
        for (at, subscription) in manifest.subscriptions.iter().enumerate() {
            if case == Case::New {
                break;
            }
            let tasklist = guids[&subscription.tasklist];
            let id = RemoteId::new(&format!("33991879-704f-444f-81d7-{at:012x}"));
            let mut live = subscription.fields();
            bindings.push(Binding {
                address: subscription.address.clone(),
                provider: provider.clone(),
                app: app.clone(),
                collection: tasklist.clone().into(),
                id: id.clone(),
                applied: beadle::plan::diff::applied(subscription, live.clone()),
                protect: subscription.protect,
                updated_at: Timestamp::UNIX_EPOCH,
            });
            if case == Case::Drifted && at % 100 == 0 {
                live.set(Field::Name, Value::Text(format!("renamed {at}")));
            }
            let here = objects.get_mut(tasklist).expect("every tasklist is there");
            here.push(Object { id, fields: live });
        }
        Sides {
            kept: Kept::default(),
            listings: objects
                .into_iter()
                .map(|(guid, objects)| (guid.clone().into(), Listing::Objects(objects)))
                .collect(),
            tasklists: guids
                .iter()
                .map(|(key, guid)| ((*key).clone(), Resolution::Found((*guid).clone().into())))
                .collect(),
            bindings,
        }
    }

    fn diff(&self, manifest: &Manifest) -> Plan {
        diff(&Inputs {
            manifest,
            tasklists: &self.tasklists,
            listings: &self.listings,
            kept: &self.kept,
            bindings: &self.bindings,
            claims: &[],
            unsettled: &[],
            memory: Memory::Kept,
            choice: &Choice::default(),
        })
    }
}

fn read(sources: &Sources) -> Result<Manifest, Wrong> {
    let read = project::manifest(project::read(sources).check());
    read.map_err(|found| Wrong(format!("{found:?}")))
}

fn hold(plan: &Plan, case: Case, size: usize) -> Result<(), Wrong> {
    let summary = plan.summary();
    expect(
        case.words(),
        (summary.create, summary.update),
        case.changes(size),
    )?;
    expect(
        "changes",
        plan.changes.len(),
        summary.create + summary.update,
    )?;
    expect("records", plan.records.len(), 0)?;
    expect("foreign", plan.foreign.len(), 0)?;
    expect("diagnostics", plan.diagnostics.len(), 0)
}

fn measure(size: usize, rounds: u32) -> Result<(), Wrong> {
    let sources = project::write(size / PER_TASKLIST, PER_TASKLIST);
    let bytes: usize = sources.0.iter().map(|source| source.text.len()).sum();
    let lines: usize = sources
        .0
        .iter()
        .map(|source| source.text.lines().count())
        .sum();
    println!(
        "\n{size} subscriptions: {} files, {lines} lines, {:.1} MB; the least of {rounds} rounds",
        sources.0.len(),
        megabytes(bytes),
    );
    let (baseline, _) = best(rounds, || {
        let values = sources.0.iter().map(|source| {
            serde_yaml::from_str::<serde_yaml::Value>(&source.text).expect("it is YAML")
        });
        values.collect::<Vec<_>>()
    });
    let row = |what: &str, time: Duration| {
        let each = time.as_secs_f64() * 1e6 / size as f64;
        let ratio = time.as_secs_f64() / baseline.as_secs_f64();
        println!(
            "  {what:<28} {:>10} {each:>8.2} µs each {ratio:>7.2} ×",
            ms(time)
        );
    };
    row("yaml_serde into Value (1.0)", baseline);
    let (time, parsed) = best(rounds, || project::read(&sources));
    drop(parsed);
    row("parse", time);
    let (check, manifest) = best_of_prepared(
        rounds,
        || project::read(&sources),
        |parsed| project::manifest(parsed.check()),
    );
    row("check", check);
    let manifest = manifest.map_err(|found| Wrong(format!("{found:?}")))?;
    expect("subscriptions", manifest.subscriptions.len(), size)?;
    let (mut slowest, mut busiest) = (Duration::ZERO, Duration::ZERO);
    for case in Case::ALL {
        let sides = Sides::of(&manifest, case);
        let (time, plan) = best(rounds, || sides.diff(&manifest));
        hold(&plan, case, size)?;
        row(&format!("diff, {}", case.words()), time);
        drop(plan);
        let before = cpu();
        let (time, all) = best(rounds, || {
            read(&sources).map(|manifest| {
                let plan = sides.diff(&manifest);
                (manifest, plan)
            })
        });
        busiest = busiest.max((cpu() - before) / rounds);
        hold(&all?.1, case, size)?;
        row(&format!("together, {}", case.words()), time);
        slowest = slowest.max(time);
    }
    println!("  CPU of all threads, the most     {:>6}", ms(busiest));
    let mut largest = None;
    for case in Case::ALL {
        if let Some(peak) = memory::ask(size, case.words())? {
            println!(
                "  peak memory, {:<15} {:>7.0} MB",
                case.words(),
                megabytes(peak)
            );
            largest = largest.max(Some(peak));
        }
    }
    if size == 100_000 {
        verdict("together", slowest.as_secs_f64(), SECONDS, " s");
        match largest {
            Some(peak) => verdict("peak memory", megabytes(peak), MEGABYTES, " MB"),
            None => println!("  peak memory: this system does not tell"),
        }
    }
    Ok(())
}

/// Everything once, in a process of its own, for its peak memory: the text, the manifest, both sides and
/// the plan are all held to the end, as they are while a plan is printed.
fn once(size: usize, case: Case) -> Result<(), Wrong> {
    let sources = project::write(size / PER_TASKLIST, PER_TASKLIST);
    let manifest = read(&sources)?;
    let sides = Sides::of(&manifest, case);
    let plan = sides.diff(&manifest);
    hold(&plan, case, size)
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
