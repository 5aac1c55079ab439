//! The proof that ships with beadle: generated projects are walked through generated edits, faults, kills
//! and restarts, on the sandbox, and what must hold whatever happens is checked.
//!
//! A scenario comes from its seed alone. Each runs the binary against a sandbox of its own: some rounds of
//! edits on both sides with an apply that something befalls, then an apply without trouble, then ticks.
//!
//! # Guarantees
//!
//! - One seed and one build of beadle make one scenario: the same manifests, edits and trouble, in order.
//! - Every call goes to loopback, every file is in a folder that goes away with the scenario.
//!
//! # Caveats
//!
//! - Which of two calls under way is first is not the seed's to say. A failing seed fails again mostly.
//! - Deaths between two ledger writes need crash points, which a debug build has. Without them the process
//!   is killed while the vendor has its Nth call.
//!
//! | file | about |
//! |---|---|
//! | `declared` | what is declared, and how it changes |
//! | `trouble` | what goes wrong |
//! | `stage` | the world, the project folder, and running beadle |
//! | `walk` | one scenario, from its first manifest to its last tick |
//! | `rules` | what must hold |
//! | `dice` | chances that come from a seed |

mod declared;
mod dice;
mod rules;
mod stage;
mod trouble;
mod walk;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub use declared::{Declared, FIXED_CHATS, TASKLISTS};
pub use rules::{Broken, Rule};
pub use stage::{Halt, Lab, Ran, Stage, StageError, Tally};
pub use walk::{Moment, Sabotage, Walked, walk};

/// Walks that may break a rule before no new one is begun.
pub const ENOUGH_BROKEN: usize = 5;

/// What the scenario of that seed declares first.
#[must_use]
pub fn declared_first(seed: u64) -> Declared {
    Declared::first(&mut dice::Dice::new(seed))
}

/// Walks scenarios, so many at a time, and gives those that did not end well, by seed, with what all of
/// them came to.
///
/// `told` hears of each that ended. No new one is begun once `stops` says so, or once
/// [`ENOUGH_BROKEN`] have not ended well.
pub fn walk_all(
    lab: &Lab,
    seeds: Range<u64>,
    at_once: usize,
    told: &(dyn Fn(&Walked) + Sync),
    stops: &(dyn Fn() -> bool + Sync),
) -> (Vec<Walked>, Tally) {
    let next = AtomicU64::new(seeds.start);
    let ended = Mutex::new((Vec::new(), Tally::default()));
    let lock = || {
        ended
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while !stops() && lock().0.len() < ENOUGH_BROKEN {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let walked = walk(lab, seed, &|_, _| {});
                    told(&walked);
                    let mut ended = lock();
                    ended.1.add(&walked.tally);
                    if walked.end.is_err() {
                        ended.0.push(walked);
                    }
                }
            });
        }
    });
    let (mut broken, tally) = ended
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    broken.sort_by_key(|walked| walked.seed);
    (broken, tally)
}
