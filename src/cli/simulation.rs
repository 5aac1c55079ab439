//! What notices will do, as published JSON: `simulate`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostics::Finding;
use crate::engine::outbox::Outcome;
use crate::model::Diagnostic;
use crate::model::forecast::{Calls, Forecasted, Occurrence, Reach, Usage};
use crate::model::schedule::{Clock, Event, Firing};

/// `simulate --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle simulation")]
pub struct SimulationJson {
    /// The version of this shape.
    pub format_version: u32,
    /// From when: an instant, or a local time in each notice's zone.
    pub from: String,
    /// Until when, which is left out.
    pub to: String,
    /// What happens, in the order in which it comes.
    pub occurrences: Vec<OccurrenceJson>,
    /// What is wrong with the notices, and which limits they hit in that time.
    pub findings: Vec<Finding>,
    /// The calls of all notices in that time, by provider and calendar month in China.
    pub usage: Vec<UsageJson>,
    /// How many occurrences there are.
    pub summary: SimulatedJson,
}

/// What becomes of one nominal instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OccurrenceJson {
    /// The notice.
    pub address: String,
    /// The instant that the schedule names, in UTC by RFC 3339; before any calendar moved it.
    pub scheduled: String,
    /// When it fires; null where nothing does.
    pub fires_at: Option<String>,
    /// What clocks show then; where nothing fires, what was meant.
    pub local: String,
    /// The zone of these clocks.
    pub timezone: String,
    /// `sent`, `skipped` or `refused`.
    pub outcome: String,
    /// Why it is so, or then; null where it is as the schedule says.
    pub reason: Option<String>,
    /// What is sent.
    pub deliveries: Vec<ReachJson>,
}

/// What goes to one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReachJson {
    /// The provider's key.
    pub provider: String,
    /// `feishu`, `dingtalk` or `enos`.
    pub vendor: String,
    /// People who are named; an e-mail address or number is one.
    pub people: usize,
    /// How many of these are named by an e-mail address or number, which only the vendor knows.
    pub unresolved: usize,
    /// Departments, however many people are in each.
    pub departments: usize,
    /// Whether it goes to everyone there.
    pub everyone: bool,
    /// Chats.
    pub chats: usize,
    /// The calls that send.
    pub calls: u64,
    /// The calls that may follow, where they count against an allowance: that ask what became of it, and that
    /// take it back.
    pub follow_calls: u64,
}

/// The calls of one provider in one calendar month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageJson {
    /// The provider's key.
    pub provider: String,
    /// Its vendor.
    pub vendor: String,
    /// The month, such as `2026-10`.
    pub month: String,
    /// The calls that send.
    pub calls: u64,
    /// The calls that may follow, where they count against an allowance: that ask what became of it, and that
    /// take it back.
    pub follow_calls: u64,
    /// How many the organisation may make in a month; null where the vendor gives no number.
    pub allowance: Option<u64>,
}

/// How many occurrences there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SimulatedJson {
    /// All.
    pub occurrences: u64,
    /// Those that would be sent.
    pub sent: u64,
    /// Those at which nothing is to be sent.
    pub skipped: u64,
    /// Those that could not be sent.
    pub refused: u64,
}

impl SimulatedJson {
    pub(super) fn add(&mut self, occurrence: &OccurrenceJson) {
        self.occurrences += 1;
        match occurrence.outcome.as_str() {
            "sent" => self.sent += 1,
            "skipped" => self.skipped += 1,
            _ => self.refused += 1,
        }
    }
}

/// Whom a notice reaches at each provider, and how.
pub(super) fn reached(of: &Forecasted<'_>) -> Vec<ReachJson> {
    let reached = of.audience.iter().filter(|reach| !reach.is_empty());
    let shape = |reach: &Reach<'_>| {
        let Calls { send, follow } = of.calls(reach);
        ReachJson {
            provider: reach.provider.to_string(),
            vendor: reach.vendor.as_str().to_owned(),
            people: reach.named(),
            unresolved: reach.unresolved.len(),
            departments: reach.departments.len(),
            everyone: reach.everyone,
            chats: reach.chats.len(),
            calls: send,
            follow_calls: follow,
        }
    };
    reached.map(shape).collect()
}

/// What becomes of one nominal instant.
pub(super) fn occurrence(
    of: &Forecasted<'_>,
    reached: &[ReachJson],
    occurrence: &Occurrence,
    found: &mut Vec<Diagnostic>,
) -> OccurrenceJson {
    let zone = of.notice.schedule.zone();
    let shape = |scheduled: jiff::Timestamp, local: jiff::civil::DateTime| OccurrenceJson {
        address: of.notice.address.to_string(),
        scheduled: scheduled.to_string(),
        fires_at: None,
        local: local.to_string(),
        timezone: zone.iana_name().unwrap_or("UTC").to_owned(),
        outcome: Outcome::Skipped.as_str().to_owned(),
        reason: None,
        deliveries: Vec::new(),
    };
    match occurrence.event {
        Event::Skips(skipped) => OccurrenceJson {
            reason: Some(skipped.why.to_string()),
            ..shape(skipped.instant, skipped.local)
        },
        Event::Fires(firing) => {
            let all = OccurrenceJson {
                fires_at: Some(firing.at.to_string()),
                reason: reason(&firing),
                ..shape(firing.nominal, firing.local)
            };
            if let Some(why) = of.obstacle(&firing) {
                let reason = why.summary.clone();
                // Each mistake is told once, however often it is made.
                let same = |one: &Diagnostic| (one.code, one.span) == (why.code, why.span);
                if !found.iter().any(same) {
                    found.push(why);
                }
                OccurrenceJson {
                    outcome: Outcome::Refused.as_str().to_owned(),
                    reason: Some(reason),
                    ..all
                }
            } else if reached.is_empty() {
                OccurrenceJson {
                    reason: Some("it reaches nobody".to_owned()),
                    ..all
                }
            } else {
                OccurrenceJson {
                    outcome: Outcome::Sent.as_str().to_owned(),
                    deliveries: reached.to_vec(),
                    ..all
                }
            }
        }
    }
}

/// Why something fires when it does, unless its schedule says just that.
pub(super) fn reason(firing: &Firing) -> Option<String> {
    let moved = firing.why.moved_from;
    let moved = moved.map(|from| format!("moved from {from} by the calendar"));
    let clock = match firing.why.clock {
        Clock::Plain => None,
        Clock::Shifted { meant } => Some(format!(
            "clocks are put forward over {}",
            meant.strftime("%H:%M")
        )),
        Clock::First => Some("this time comes twice, and this is the first".to_owned()),
        Clock::Second => Some("this time comes twice, and this is the second".to_owned()),
    };
    let words: Vec<_> = moved.into_iter().chain(clock).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

impl From<&Usage<'_>> for UsageJson {
    fn from(used: &Usage<'_>) -> Self {
        Self {
            provider: used.provider.to_string(),
            vendor: used.vendor.as_str().to_owned(),
            month: used.month.strftime("%Y-%m").to_string(),
            calls: used.calls.send,
            follow_calls: used.calls.follow,
            allowance: used.allowance,
        }
    }
}
