//! `self-test` on the command line.

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct SelfTest {
    /// How many scenarios
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) scenarios: u64,
    /// The seed of the first; each further one has the next
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(in crate::cli) from: u64,
    /// Only the scenario of this seed, with all that is run in it
    #[arg(long, value_name = "SEED", conflicts_with_all = ["scenarios", "from"])]
    pub(in crate::cli) seed: Option<u64>,
    /// Scenarios under way at one time; six for each core if nothing is said
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) jobs: Option<u16>,
}

impl SelfTest {
    /// The seeds to walk; none where they would go past the last number.
    pub(in crate::cli) fn seeds(&self) -> Option<std::ops::Range<u64>> {
        let (from, scenarios) = match self.seed {
            Some(seed) => (seed, 1),
            None => (self.from, self.scenarios),
        };
        Some(from..from.checked_add(scenarios)?)
    }
}
