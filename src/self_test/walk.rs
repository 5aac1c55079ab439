//! One scenario, from its first manifest to its last tick.

use serde_json::{Value, json};

use super::declared::{Declared, FIXED_CHATS, TASKLISTS};
use super::dice::Dice;
use super::rules::{self, Broken, Rule};
use super::stage::{Halt, Lab, OUTSIDERS, Ran, Stage, Tally};
use super::trouble::Trouble;

const APPLY: [&str; 6] = [
    "apply",
    "--auto-approve",
    "--allow-deletes",
    "--allow-member-changes",
    "--format",
    "json",
];

/// What a look at the ledger's files has to go through.
const LEDGER_FILES: [&str; 2] = [".beadle/ledger.db", ".beadle/ledger.db-wal"];

/// Where a saboteur may step in, to see that a rule notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After an apply, before its calls are looked at.
    AfterApply,
    /// Before the apply that has to converge.
    BeforeLastApply,
    /// After a command that only reads, before its calls are looked at.
    WhileReading,
    /// After the last tick.
    AfterTicks,
}

/// What a saboteur does, at each moment.
pub type Sabotage<'s> = &'s (dyn Fn(Moment, &mut Stage<'_>) + Sync);

/// A scenario that ended.
#[derive(Debug)]
pub struct Walked {
    /// Where it comes from.
    pub seed: u64,
    /// What it came to, in numbers.
    pub tally: Tally,
    /// All that was written, done and run, with what it printed.
    pub transcript: String,
    /// Whether all rules hold.
    pub end: Result<(), Halt>,
}

/// A scenario under way.
struct Walk<'l, 's> {
    dice: Dice,
    stage: Stage<'l>,
    declared: Declared,
    /// What the ledger may go by: the manifests since the last apply that ended well.
    recent: Vec<Declared>,
    sabotage: Sabotage<'s>,
}

/// Walks the scenario of that seed, up to the first rule that it breaks.
pub fn walk(lab: &Lab, seed: u64, sabotage: Sabotage<'_>) -> Walked {
    let mut dice = Dice::new(seed);
    let declared = Declared::first(&mut dice);
    let stage = match Stage::new(lab, seed) {
        Ok(stage) => stage,
        Err(halt) => {
            return Walked {
                seed,
                tally: Tally::default(),
                transcript: String::new(),
                end: Err(halt),
            };
        }
    };
    let mut walk = Walk {
        dice,
        stage,
        recent: vec![declared.clone()],
        declared,
        sabotage,
    };
    let end = walk.run();
    Walked {
        seed,
        tally: walk.stage.tally,
        transcript: walk.stage.transcript.join("\n"),
        end,
    }
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Result<(), Halt> {
        for round in 0..1 + self.dice.below(2) {
            if round > 0 {
                for _ in 0..1 + self.dice.below(2) {
                    self.declared.edit(&mut self.dice);
                }
                for _ in 0..self.dice.below(3) {
                    self.somebody_does_something()?;
                }
                self.recent.push(self.declared.clone());
            }
            self.declare()?;
            let trouble = Trouble::of_apply(&mut self.dice);
            self.befall(&trouble, &APPLY)?;
            if self.dice.in_hundred(25) {
                self.read()?;
            }
            self.stage.no_faults()?;
        }
        self.converge()?;
        if self.declared.sends() {
            self.tick()?;
        }
        (self.sabotage)(Moment::AfterTicks, &mut self.stage);
        for name in LEDGER_FILES {
            let bytes = self.stage.bytes(name);
            self.stage.no_secret(&bytes, name)?;
        }
        Ok(())
    }

    fn recent(&self) -> Vec<&Declared> {
        self.recent.iter().collect()
    }

    fn declare(&mut self) -> Result<(), Halt> {
        let yaml = self.declared.yaml(&self.stage.base);
        self.stage.write("beadle.yaml", &yaml)
    }

    /// Runs beadle while that goes wrong, and checks an apply's calls against its plan.
    fn befall(&mut self, trouble: &Trouble, args: &[&str]) -> Result<(), Halt> {
        self.stage.transcript.push(format!("# {trouble:?}"));
        let before = self.stage.new_calls()?;
        rules::only_ours(&self.stage, &self.recent(), &before)?;
        let timeout = [args, &["--timeout", "1s"]].concat();
        self.stage.tally.troubled += usize::from(!matches!(trouble, Trouble::None));
        let ran = match trouble {
            Trouble::None => self.stage.beadle(args)?,
            Trouble::Faults(faults) => {
                self.stage.faults(faults)?;
                self.stage.beadle(&timeout)?
            }
            Trouble::Crash(at) => self.stage.run(&timeout, Some(*at), None)?,
            Trouble::Kill(hold) => {
                self.stage.faults(std::slice::from_ref(hold))?;
                let ran = self.stage.run(&timeout, None, Some(()))?;
                self.stage.no_faults()?;
                ran
            }
        };
        if ran.status.is_none() {
            self.stage.wait_until_quiet()?;
        }
        if args[0] == "apply" {
            (self.sabotage)(Moment::AfterApply, &mut self.stage);
            let calls = self.stage.new_calls()?;
            rules::only_ours(&self.stage, &self.recent(), &calls)?;
            rules::planned(&ran, &calls)?;
        }
        Ok(())
    }

    /// Somebody does something that no manifest knows of.
    fn somebody_does_something(&mut self) -> Result<(), Halt> {
        let world = self.stage.world()?;
        let rows = |kind: &str| world[kind].as_array().cloned().unwrap_or_default();
        let is_theirs = |row: &Value| {
            let mut theirs = self.stage.foreign.iter();
            theirs.any(|(id, _)| row["guid"] == id.as_str())
        };
        let subscriptions: Vec<Value> = rows("subscriptions")
            .into_iter()
            .filter(|row| !is_theirs(row))
            .collect();
        let fixed = FIXED_CHATS.map(|(_, id)| id);
        let chats: Vec<Value> = rows("chats")
            .into_iter()
            .filter(|row| !fixed.iter().any(|id| row["chat_id"] == *id))
            .filter(|row| row["dissolved"] == false)
            .collect();
        let what = self.dice.below(10);
        let one = |dice: &mut Dice, of: &[Value], id: &str| {
            let row = (!of.is_empty()).then(|| &of[dice.below(of.len())]);
            row.map(|row| row[id].as_str().unwrap_or_default().to_owned())
        };
        let subscription = one(&mut self.dice, &subscriptions, "guid");
        let chat = one(&mut self.dice, &chats, "chat_id");
        let group = one(&mut self.dice, &rows("user_groups"), "id");
        let outsider = self.dice.pick(&OUTSIDERS);
        let (method, path, body) = match (what, subscription, chat, group) {
            (0, Some(id), ..) => {
                let name = json!({"name": format!("renamed by somebody {}", self.dice.below(3))});
                ("POST", format!("subscriptions/{id}"), name)
            }
            (1, Some(id), ..) => {
                let edit = json!({"disabled": true, "include_keys": [101]});
                ("POST", format!("subscriptions/{id}"), edit)
            }
            (2, Some(id), ..) => ("DELETE", format!("subscriptions/{id}"), Value::Null),
            (3, _, Some(id), _) => {
                let user = json!({"user": outsider});
                ("POST", format!("chats/{id}/members"), user)
            }
            (4, _, Some(id), _) => {
                let gone = self.dice.pick(&["ou_p0", "ou_p1"]);
                ("DELETE", format!("chats/{id}/members/{gone}"), Value::Null)
            }
            (5, _, Some(id), _) => {
                let name = json!({"name": "renamed by somebody"});
                ("POST", format!("chats/{id}"), name)
            }
            (6, _, _, Some(id)) => {
                let user = json!({"user": outsider});
                ("POST", format!("user_groups/{id}/members"), user)
            }
            (7, ..) => {
                let bot = format!("chats/{}/members/cli_sandbox", fixed[1]);
                ("DELETE", bot, Value::Null)
            }
            (8, ..) => {
                let name = format!("theirs {}", self.stage.foreign.len());
                self.stage
                    .transcript
                    .push(format!("# somebody adds {name}"));
                let tasklist = self.dice.below(2);
                return self.stage.somebody_subscribes(tasklist, &name);
            }
            _ => {
                let (_, guid) = TASKLISTS[self.dice.below(2)];
                let member = format!("tasklists/{guid}/members/cli_sandbox");
                ("DELETE", member, Value::Null)
            }
        };
        let words = format!("# somebody: {method} {path} {body}");
        self.stage.transcript.push(words);
        // Where it is done already, nobody does it again.
        self.stage.try_control(method, &path, &body)?;
        Ok(())
    }

    /// A command that only reads, while what is wrong is still wrong.
    fn read(&mut self) -> Result<(), Halt> {
        let commands: [&[&str]; 8] = [
            &["plan"],
            &["plan", "--format", "markdown", "--out", "plan.json"],
            &["validate", "--online"],
            &["state", "list"],
            &["history", "--format", "json"],
            &["lease", "show"],
            &["notice", "history"],
            &["export"],
        ];
        let command = self.dice.pick(&commands);
        let before = self.stage.new_calls()?;
        rules::only_ours(&self.stage, &self.recent(), &before)?;
        self.stage
            .beadle(&[command, &["--timeout", "1s", "-vvv"]].concat())?;
        (self.sabotage)(Moment::WhileReading, &mut self.stage);
        let calls = self.stage.new_calls()?;
        rules::reads_only(command[0], &calls)?;
        let saved = self.stage.bytes("plan.json");
        self.stage.no_secret(&saved, "the saved plan")?;
        Ok(())
    }

    /// Somebody gives back what beadle needs; then one apply converges and the next plan is empty.
    fn converge(&mut self) -> Result<(), Halt> {
        self.stage.no_faults()?;
        for (_, guid) in TASKLISTS {
            let path = format!("tasklists/{guid}/members");
            let app = json!({"id": "cli_sandbox"});
            self.stage.control("POST", &path, &app)?;
        }
        for (_, id) in FIXED_CHATS {
            let path = format!("chats/{id}/members");
            let app = json!({"app_id": "cli_sandbox"});
            self.stage.try_control("POST", &path, &app)?;
        }
        (self.sabotage)(Moment::BeforeLastApply, &mut self.stage);
        self.befall(&Trouble::None, &APPLY)?;
        let mut plan = self.last_plan()?;
        // Whatever was made by a call whose answer was lost and then changed by somebody is nobody's: it is
        // taken over on a person's word only.
        let consent = wants_consent(&plan);
        if !consent.is_empty() {
            let named = consent.iter().flat_map(|address| ["--adopt", address]);
            let args: Vec<&str> = APPLY.into_iter().chain(named).collect();
            self.befall(&Trouble::None, &args)?;
            plan = self.last_plan()?;
        }
        if plan.status != Some(0) {
            let plan: Value = serde_json::from_str(&plan.stdout).unwrap_or_default();
            let what = format!(
                "{} {} {}",
                plan["changes"], plan["unread"], plan["unsettled"]
            );
            return Err(Broken::new(Rule::Converges, what).into());
        }
        self.recent = vec![self.declared.clone()];
        Ok(())
    }

    fn last_plan(&mut self) -> Result<Ran, Halt> {
        let plan = self
            .stage
            .beadle(&["plan", "--detailed-exitcode", "--format", "json"])?;
        let calls = self.stage.new_calls()?;
        rules::reads_only("plan", &calls)?;
        Ok(plan)
    }

    /// Days go by, with a tick or none in each, and something that befalls it.
    fn tick(&mut self) -> Result<(), Halt> {
        let mut day = 1;
        let now = |day: i64, time: &str| format!("2030-01-{day:02}T{time}Z");
        for _ in 0..1 + self.dice.below(2) {
            let time = self.dice.pick(&["10:00:00", "10:04:59", "10:20:00"]);
            let trouble = Trouble::of_tick(&mut self.dice);
            self.befall(&trouble, &["tick", "--now", &now(day, time)])?;
            self.stage.no_faults()?;
            if self.dice.in_hundred(30) {
                // The answer to what was left open.
                self.befall(&Trouble::None, &["tick", "--now", &now(day, "10:30:00")])?;
            }
            if self.dice.in_hundred(25)
                && let Some(notice) = &mut self.declared.notice
            {
                notice.version += 1;
                self.declare()?;
                self.befall(&Trouble::None, &APPLY)?;
            }
            day += 1 + i64::from(self.dice.in_hundred(50));
        }
        let last = day;
        for time in ["12:00:00", "23:59:59"] {
            self.befall(&Trouble::None, &["tick", "--now", &now(last, time)])?;
        }
        (self.sabotage)(Moment::AfterTicks, &mut self.stage);
        let history = self
            .stage
            .beadle(&["notice", "history", "--format", "json", "--limit", "1000"])?;
        let history: Value = serde_json::from_str(&history.stdout).unwrap_or_default();
        rules::one_outcome(&history, 1..=last)?;
        rules::sent_once(&self.stage.arrived()?)?;
        Ok(())
    }
}

/// The resources whose namesakes a plan does not take over unasked.
fn wants_consent(plan: &Ran) -> Vec<String> {
    let said: Value = serde_json::from_str(&plan.stdout).unwrap_or_default();
    let found = said["diagnostics"].as_array().cloned().unwrap_or_default();
    let wants = found
        .iter()
        .filter(|finding| finding["code"] == "adopt-needs-consent");
    wants
        .filter_map(|finding| Some(finding["address"].as_str()?.to_owned()))
        .collect()
}
