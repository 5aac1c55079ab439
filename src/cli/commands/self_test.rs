//! `self-test`: the proof that nothing is lost, doubled or touched that is somebody else's.

use std::num::NonZero;

use super::Result;
use crate::cli::ExitStatus;
use crate::cli::args::{Format, SelfTest};
use crate::cli::error::Failure;
use crate::cli::progress::Progress;
use crate::cli::proof::ProofJson;
use crate::cli::ui::Ui;
use crate::self_test::{Halt, Lab, Walked, walk_all};

/// Scenarios under way for each core: they wait for time-outs more than they work.
const JOBS_A_CORE: usize = 6;

pub(super) async fn run(args: &SelfTest, ui: &Ui) -> Result {
    super::only(ui, "self-test", &super::HUMAN_JSON)?;
    let seeds = args
        .seeds()
        .ok_or_else(|| Failure::usage("there are no seeds beyond 18446744073709551615"))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::new("beadle does not know where it is").because(error))?;
    let lab = Lab::new(program, tokio::runtime::Handle::current())
        .map_err(|error| Failure::new("the self-test cannot begin").because(error))?;
    let jobs = args.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, NonZero::get) * JOBS_A_CORE,
        usize::from,
    );
    let wanted = usize::try_from(seeds.end - seeds.start).unwrap_or(usize::MAX);
    let stop = super::watch_signals(ui);
    let asked = stop.clone();
    let progress = Progress::new("walking", wanted);
    let walking = seeds.clone();
    let walked = tokio::task::spawn_blocking(move || {
        let told = |walked: &Walked| {
            match &walked.end {
                Ok(()) => tracing::info!(seed = walked.seed, "every rule held"),
                Err(halt) => tracing::warn!(seed = walked.seed, "{halt}"),
            }
            progress.step();
        };
        walk_all(&lab, walking, jobs.min(wanted), &told, &|| asked.is_asked())
    });
    let (ended_badly, tally) = walked
        .await
        .map_err(|error| Failure::new("a walk panicked").because(error))?;
    let mut broken = Vec::new();
    for walked in ended_badly {
        match walked.end {
            Ok(()) => {}
            Err(Halt::Broken(rule)) => broken.push((walked.seed, rule, walked.transcript)),
            Err(Halt::Stage(error)) => {
                let seed = walked.seed;
                return Err(
                    Failure::new(format!("scenario {seed} could not be walked")).because(error)
                );
            }
        }
    }
    let proof = ProofJson::new(seeds.start, wanted, &tally, broken);
    match ui.format() {
        Format::Json => ui.print_json(&proof),
        _ => ui.print(&proof.human()),
    }
    Ok(match () {
        () if !proof.broken.is_empty() => ExitStatus::Failed,
        () if stop.is_asked() => ExitStatus::Interrupted,
        () => ExitStatus::Done,
    })
}
