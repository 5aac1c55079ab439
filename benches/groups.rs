//! How long it takes to resolve groups: 2,000 of them, nested five deep, with 100,000 people.
//!
//! `cargo bench --bench groups` prints the best of some runs, and the ratio to a baseline in the same
//! process: sets of text, each group resolved by walking everything below it.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use beadle::model::diagnostic::{FileId, Span};
use beadle::model::group::{Groups, Known, Recipient, RecipientGroup, items, resolve};
use beadle::model::{Address, Kind, Name};

const GROUPS: usize = 2_000;
const DEPTH: usize = 5;
const PEOPLE: usize = 100_000;

/// How many groups of the level below each group includes.
const INCLUDED: usize = 3;

/// What resolving should stay under, in release, on two cores.
const TARGET: Duration = Duration::from_millis(200);

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let groups = groups();
    let known = Known::new();
    let members: usize = {
        let resolution = resolve(&groups, &known).expect("the groups can be resolved");
        groups.keys().map(|g| resolution.count(g.as_str())).sum()
    };
    let naive_members: usize = naive_all(&groups).iter().map(BTreeSet::len).sum();
    assert_eq!(members, naive_members, "both resolve to the same people");
    println!("{GROUPS} groups, {DEPTH} deep, {PEOPLE} people: {members} members");
    let ours = best(9, || resolve(&groups, &known).map(|_| ()));
    let naive = best(2, || naive_all(&groups));
    let ratio = naive.as_secs_f64() / ours.as_secs_f64();
    println!("resolve   {ours:>10.1?}  (target {TARGET:?})");
    println!("baseline  {naive:>10.1?}  {ratio:.1} times as long");
}

fn best<T>(runs: usize, mut run: impl FnMut() -> T) -> Duration {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    });
    times.min().expect("there is a run")
}

/// Levels of as many groups each. Everybody is listed once, and one in twenty groups leaves one out.
fn groups() -> Groups {
    let level = GROUPS / DEPTH;
    let listed = PEOPLE / GROUPS;
    let name = |at: usize| Name::new(&format!("team-{at:04}")).expect("a name");
    let feishu = Name::new("feishu").expect("a name");
    let person = |at: usize| Recipient::OpenId(format!("ou_{at:032x}").into());
    let mut groups = Groups::new();
    for at in 0..GROUPS {
        let span = |n: usize| Span {
            file: FileId(0),
            start: u32::try_from(n).expect("a small file"),
            end: u32::try_from(n + 1).expect("a small file"),
        };
        let people = (at * listed..(at + 1) * listed).map(|n| (person(n), span(n)));
        // Neighbours share what they include, so that somebody comes by several paths.
        let below = |k: usize| (at / level - 1) * level + (at % level + k * k) % level;
        let include = match at / level {
            0 => BTreeMap::new(),
            _ => (0..INCLUDED).map(|k| (name(below(k)), span(k))).collect(),
        };
        let exclude = match at % 20 {
            0 if at >= level => [(person(below(0) * listed), span(0))].into(),
            _ => BTreeMap::new(),
        };
        groups.insert(
            name(at),
            RecipientGroup {
                address: Address::new(Kind::RecipientGroup, name(at)),
                description: String::new(),
                people: [(feishu.clone(), people.collect())].into(),
                include,
                exclude: [(feishu.clone(), exclude)].into(),
                user_groups: BTreeMap::new(),
                protect: false,
                moved_from: None,
                span: span(at),
            },
        );
    }
    groups
}

fn naive_all(groups: &Groups) -> Vec<BTreeSet<String>> {
    groups.keys().map(|name| naive(groups, name)).collect()
}

fn naive(groups: &Groups, name: &Name) -> BTreeSet<String> {
    let group = &groups[name];
    let mut all = items(&group.people);
    for included in group.include.keys() {
        all.extend(naive(groups, included));
    }
    for out in items(&group.exclude) {
        all.remove(&out);
    }
    all
}
