//! How long a plan over HTTP takes, against the least that its calls' latency allows: calls × latency ÷
//! concurrency.
//!
//! The vendor is the sandbox, in this process, with a latency added to each call and no rate limits.
//! Latency is said twice: as it was set, and as a client finds it that makes one call at a time, which has
//! the timer's whole milliseconds and the sandbox's own work in it.
//!
//! The token is one of the calls, and nothing can go beside it; the last calls do not always fill a row.
//! What that alone costs at the set latency is printed too, as the floor.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "support/project.rs"]
mod project;
mod support;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use beadle::engine::Reader;
use beadle::engine::refresh::{Readers, missing_chats, refresh};
use beadle::model::manifest::{Manifest, TasklistTarget};
use beadle::model::{AppId, Name};
use beadle::plan::{Choice, Inputs, Memory, Plan, diff};
use beadle::sandbox::{
    APP_ID, APP_SECRET, Options, Sandbox, Wanted, WantedChat, WantedSubscription, WantedTasklist,
};
use beadle::vendors::{Settings, connect};
use support::{Mode, Wrong, best, cpu, expect, ms, verdict};
use tokio::runtime::Runtime;

/// The target of design.md section 7.
const RATIO: f64 = 1.15;

const CONCURRENCY: usize = 16;

/// What one row of the table measures.
struct Case {
    tasklists: usize,
    /// Subscriptions in each.
    each: usize,
    latency: Duration,
    /// Whether they are live already; otherwise each chat is asked about too.
    live: bool,
}

fn main() -> ExitCode {
    let case = |tasklists, each, latency, live| Case {
        tasklists,
        each,
        latency: Duration::from_millis(latency),
        live,
    };
    support::main(|mode| {
        let (cases, rounds) = match mode {
            Mode::Full => (
                vec![
                    case(200, 10, 20, true),
                    case(200, 50, 20, true),
                    case(200, 10, 20, false),
                    case(200, 10, 100, true),
                    case(1_000, 10, 20, true),
                ],
                5,
            ),
            Mode::Quick => (vec![case(20, 5, 5, true), case(20, 5, 5, false)], 2),
        };
        println!(
            "concurrency {CONCURRENCY}; the least of {rounds} rounds; CPU of client and sandbox"
        );
        for case in cases {
            measure(&case, rounds)?;
        }
        let ratio = busy(mode)?;
        println!("  no latency: {ratio:.0} calls a second through client and sandbox");
        Ok(())
    })
}

/// The vendor, on threads of its own.
struct Vendor {
    runtime: Runtime,
    sandbox: Option<Sandbox>,
}

impl Vendor {
    fn start(manifest: &Manifest, latency: Duration, live: bool) -> Vendor {
        let runtime = runtime();
        let options = Options {
            latency,
            ..Options::default()
        };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sandbox = runtime
            .block_on(Sandbox::start(listen, options))
            .expect("the sandbox starts");
        let wanted = wanted(manifest, live);
        sandbox.seed(&wanted).expect("the world takes it");
        Vendor {
            runtime,
            sandbox: Some(sandbox),
        }
    }

    /// A new client, which has no token and no connection yet.
    fn readers(&self) -> Readers {
        let sandbox = self.sandbox.as_ref().expect("it runs until it is dropped");
        let mut settings =
            Settings::new(&sandbox.base_url(), AppId::new(APP_ID), APP_SECRET.into());
        settings.concurrency = CONCURRENCY;
        settings.paced = false;
        let reader = connect(settings).expect("the client is made") as Arc<dyn Reader>;
        BTreeMap::from([(Name::new("feishu").expect("it is a name"), reader)])
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.runtime.block_on(sandbox.stop());
        }
    }
}

/// As the command line makes one.
fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2);
    builder.enable_all().build().expect("the runtime starts")
}

fn wanted(manifest: &Manifest, live: bool) -> Wanted {
    let tasklist = |name: &Name| match &manifest.tasklists[name].target {
        TasklistTarget::Guid(guid) => WantedTasklist {
            guid: Some(guid.to_string()),
            name: Some(name.to_string()),
        },
        TasklistTarget::Named(_) => WantedTasklist::default(),
    };
    let subscriptions = manifest.subscriptions.iter().filter(|_| live);
    Wanted {
        user_groups: Vec::new(),
        dingtalk_groups: Vec::new(),
        tasklists: manifest.tasklists.keys().map(tasklist).collect(),
        chats: manifest
            .chats
            .iter()
            .map(|(name, chat)| WantedChat {
                description: String::new(),
                id: chat.id.to_string(),
                name: Some(name.to_string()),
            })
            .collect(),
        subscriptions: subscriptions
            .enumerate()
            .map(|(at, s)| WantedSubscription {
                guid: format!("33991879-704f-444f-81d7-{at:012x}"),
                tasklist: tasklist(&s.tasklist),
                name: s.name.clone(),
                chats: s.subscribers.keys().map(ToString::to_string).collect(),
                include_keys: s.events.keys.iter().map(|key| key.0.into()).collect(),
                disabled: !s.enabled,
            })
            .collect(),
    }
}

/// A plan, without a ledger, from nothing to the changes.
async fn plan(manifest: &Manifest, readers: &Readers) -> Plan {
    let choice = Choice::default();
    let live = refresh(manifest, &[], &choice, readers, BTreeMap::new(), &|_, _| {}).await;
    let mut plan = diff(&Inputs {
        manifest,
        tasklists: &live.tasklists,
        listings: &live.listings,
        kept: &live.kept,
        bindings: &[],
        claims: &[],
        unsettled: &[],
        memory: Memory::None,
        choice: &choice,
    });
    plan.diagnostics.extend(live.diagnostics);
    let missing = missing_chats(manifest, &plan.changes, readers).await;
    plan.diagnostics.extend(missing);
    plan
}

fn read(tasklists: usize, each: usize) -> Result<Manifest, Wrong> {
    let sources = project::write(tasklists, each);
    let read = project::manifest(project::read(&sources).check());
    read.map_err(|found| Wrong(format!("{found:?}")))
}

fn hold(plan: &Plan, manifest: &Manifest, live: bool) -> Result<(), Wrong> {
    let creates = if live {
        0
    } else {
        manifest.subscriptions.len()
    };
    expect("creates", plan.summary().create, creates)?;
    expect("changes", plan.changes.len(), creates)?;
    expect("unread", plan.unread.len(), 0)?;
    expect("diagnostics", plan.diagnostics.len(), 0)
}

fn measure(case: &Case, rounds: u32) -> Result<(), Wrong> {
    let manifest = read(case.tasklists, case.each)?;
    let vendor = Vendor::start(&manifest, case.latency, case.live);
    let runtime = runtime();
    let alone = alone(&manifest, &vendor, &runtime);
    let before = cpu();
    let (time, plan) = best(rounds, || {
        let readers = vendor.readers();
        runtime.block_on(plan(&manifest, &readers))
    });
    let spent = (cpu() - before) / rounds;
    hold(&plan, &manifest, case.live)?;
    let chats = if case.live { 0 } else { manifest.chats.len() };
    let calls = 1 + case.tasklists + chats;
    let rows = 1 + case.tasklists.div_ceil(CONCURRENCY) + chats.div_ceil(CONCURRENCY);
    let count = |n: usize| u32::try_from(n).expect("there are few");
    let share = |latency: Duration| latency * count(calls) / count(CONCURRENCY);
    let (set, found) = (share(case.latency), share(alone));
    let floor = case.latency * count(rows);
    println!(
        "\n{calls} calls: {} tasklists × {} subscriptions, {}",
        case.tasklists,
        case.each,
        if case.live {
            "nothing to do"
        } else {
            "all new"
        },
    );
    let row = |what: &str, time: Duration| {
        let ratio = |to: Duration| time.as_secs_f64() / to.as_secs_f64();
        println!(
            "  {what:<34} {:>8} {:>6.2} × {:>6.2} ×",
            ms(time),
            ratio(set),
            ratio(found),
        );
        (ratio(set), ratio(found))
    };
    row(&format!("calls × {} ÷ 16, as set", ms(case.latency)), set);
    row(&format!("calls × {} ÷ 16, as found", ms(alone)), found);
    row("floor", floor);
    let (of_set, of_found) = row("achieved", time);
    let each = spent.as_secs_f64() * 1e3 / calls as f64;
    println!("  CPU {:>39}, {each:.2} ms a call", ms(spent));
    verdict("of latency as set", of_set, RATIO, " ×");
    verdict("of latency as found", of_found, RATIO, " ×");
    Ok(())
}

/// How long a call takes a client that makes one at a time, the token and the connection there already.
fn alone(manifest: &Manifest, vendor: &Vendor, runtime: &Runtime) -> Duration {
    const CALLS: u32 = 10;
    let guids = manifest.tasklists.values().filter_map(|t| match &t.target {
        TasklistTarget::Guid(guid) => Some(guid),
        TasklistTarget::Named(_) => None,
    });
    let guids: Vec<_> = guids.take(CALLS as usize).collect();
    let readers = vendor.readers();
    let reader = readers.values().next().expect("there is one");
    let list = |guid| {
        runtime
            .block_on(reader.subscriptions(guid))
            .expect("it answers")
    };
    list(guids[0]);
    let (time, ()) = best(2, || {
        for guid in &guids {
            list(guid);
        }
    });
    time / CALLS
}

/// Calls a second with no latency: what client and sandbox can do on this machine.
fn busy(mode: Mode) -> Result<f64, Wrong> {
    let tasklists = match mode {
        Mode::Full => 1_000,
        Mode::Quick => 50,
    };
    let manifest = read(tasklists, 10)?;
    let vendor = Vendor::start(&manifest, Duration::ZERO, true);
    let runtime = runtime();
    let (time, plan) = best(3, || {
        let readers = vendor.readers();
        runtime.block_on(plan(&manifest, &readers))
    });
    hold(&plan, &manifest, true)?;
    Ok((tasklists + 1) as f64 / time.as_secs_f64())
}
