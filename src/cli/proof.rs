//! What `self-test` saw, as published JSON and as lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::FORMAT_VERSION;
use super::text::{clean, count};
use crate::self_test::{Broken, Rule, Tally};

/// `self-test --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle self-test")]
pub struct ProofJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The seed of the first scenario.
    pub from: u64,
    /// How many scenarios were asked for.
    pub wanted: usize,
    /// How many were walked to their end, or up to a broken rule.
    pub scenarios: usize,
    /// How often beadle was run in them.
    pub runs: usize,
    /// Runs that something befell: a fault, a death, a kill.
    pub troubled: usize,
    /// Runs that died or were killed in the middle.
    pub killed: usize,
    /// Calls that reached a vendor.
    pub calls: usize,
    /// Those of them that write.
    pub writes: usize,
    /// What had to hold in each scenario.
    pub rules: Vec<RuleJson>,
    /// The scenarios in which something did not hold.
    pub broken: Vec<BrokenJson>,
}

/// Something that has to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleJson {
    /// Its stable name, such as `sent-once`.
    pub rule: Rule,
    /// The same in words.
    pub words: String,
}

/// A scenario in which a rule did not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenJson {
    /// The scenario: `beadle self-test --seed N` walks it again.
    pub seed: u64,
    /// What should have held.
    pub rule: Rule,
    /// What was seen in its place.
    pub seen: String,
    /// All that was written, done and run, with what it printed.
    pub transcript: String,
}

impl ProofJson {
    pub(super) fn new(
        from: u64,
        wanted: usize,
        tally: &Tally,
        broken: Vec<(u64, Broken, String)>,
    ) -> ProofJson {
        let rules = Rule::ALL.map(|rule| RuleJson {
            rule,
            words: rule.words().to_owned(),
        });
        let broken = broken
            .into_iter()
            .map(|(seed, broken, transcript)| BrokenJson {
                seed,
                rule: broken.rule,
                seen: broken.what,
                transcript,
            });
        ProofJson {
            format_version: FORMAT_VERSION,
            from,
            wanted,
            scenarios: tally.scenarios,
            runs: tally.runs,
            troubled: tally.troubled,
            killed: tally.killed,
            calls: tally.calls,
            writes: tally.writes,
            rules: rules.into(),
            broken: broken.collect(),
        }
    }

    pub(super) fn human(&self) -> String {
        let mut text = String::new();
        for BrokenJson {
            seed,
            rule,
            seen,
            transcript,
        } in &self.broken
        {
            for line in transcript.lines() {
                text.push_str(&format!("  {}\n", clean(line)));
            }
            text.push_str(&format!(
                "Scenario {seed} breaks the rule: {}.\n  Seen: {}\n  Again: beadle self-test --seed {seed}\n\n",
                rule.words(),
                clean(seen),
            ));
        }
        text.push_str(&format!(
            "Walked {} from seed {}: {} of beadle, {} in trouble, {} killed; {}, {} of them writes.\n",
            count(self.scenarios, "scenario"),
            self.from,
            count(self.runs, "run"),
            self.troubled,
            self.killed,
            count(self.calls, "call"),
            self.writes,
        ));
        for RuleJson { rule, words } in &self.rules {
            let broken = self.broken.iter().filter(|broken| broken.rule == *rule);
            let word = match broken.count() {
                0 => "held".to_owned(),
                times => format!("broken in {times}"),
            };
            text.push_str(&format!("  {words}: {word}\n"));
        }
        if self.scenarios < self.wanted {
            let left = self.wanted - self.scenarios;
            text.push_str(&format!("{} not walked.\n", count(left, "scenario")));
        }
        text
    }
}
