//! What became of an occurrence, as text, JSON and Markdown.

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::FORMAT_VERSION;
use super::markdown::escape;
use super::text::clean;
use crate::engine::report::{Numbers, Part, Point, Report};
use crate::ledger::codec::sending::state_to_text;

/// What became of an occurrence that is or was followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle report")]
pub struct ReportJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The notice.
    pub notice: String,
    /// The instant that its rule names, in UTC by RFC 3339.
    pub scheduled: String,
    /// When it fired.
    pub fired_at: String,
    /// The share of its people, in percent, whose reading is enough.
    pub until: f64,
    /// When it is followed no longer.
    pub ends_at: String,
    /// Why it is followed no longer: `enough`, `over` or `told`; null while it is.
    pub ended: Option<String>,
    /// When that ended.
    pub ended_at: Option<String>,
    /// Why nobody was sent the report, where somebody was to get it.
    pub unheard: Option<String>,
    /// The numbers of all deliveries together.
    pub total: NumbersJson,
    /// The share that has read it, in percent, of all people to whom it went and who are counted.
    pub share: Option<f64>,
    /// How many seconds after it fired half of these people were seen to have read it.
    pub seconds_to_50: Option<i64>,
    /// The same of 80 percent.
    pub seconds_to_80: Option<i64>,
    /// How reading went on.
    pub curve: Vec<PointJson>,
    /// The deliveries.
    pub deliveries: Vec<PartJson>,
}

/// Numbers of people; null is what nobody says, and not nought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NumbersJson {
    /// Receivers that calls named: people, departments and chats.
    pub named: u64,
    /// Receivers that the vendor called invalid, or that nobody could find.
    pub invalid: u64,
    /// People whom it was for.
    pub valid: Option<u64>,
    /// People who have it.
    pub delivered: Option<u64>,
    /// People who have read it.
    pub read: Option<u64>,
    /// People whom the vendor took and who do not get it.
    pub refused: u64,
    /// People of whom the vendor says nothing, or not yet; null where even their number is unknown.
    pub unknown: Option<u64>,
}

/// How many have read it at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointJson {
    /// When that was asked.
    pub at: String,
    /// How many have read it.
    pub read: u64,
    /// How many people it went to: as many as the vendor counts or the call names.
    pub of: u64,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartJson {
    /// Its number.
    pub delivery: i64,
    /// The provider's key.
    pub provider: String,
    /// Where it is.
    pub state: String,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: NumbersJson,
    /// How often the vendor was asked.
    pub asked: usize,
    /// Whether it was taken back.
    pub recalled: bool,
    /// What is not known of it, with why.
    pub not_known: Option<String>,
    /// Who has read it, where names were asked for and are still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<Vec<String>>,
    /// Who does not get it, each with why, where names were asked for and are still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusals: Option<Vec<RefusalOfJson>>,
}

/// Somebody who does not get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Refusal")]
pub struct RefusalOfJson {
    /// Who.
    pub recipient: String,
    /// Why.
    pub why: String,
}

impl From<&Numbers> for NumbersJson {
    fn from(numbers: &Numbers) -> Self {
        let Numbers {
            named,
            invalid,
            valid,
            delivered,
            read,
            refused,
            unknown,
        } = *numbers;
        Self {
            named,
            invalid,
            valid,
            delivered,
            read,
            refused,
            unknown,
        }
    }
}

impl From<&Point> for PointJson {
    fn from(point: &Point) -> Self {
        Self {
            at: point.at.to_string(),
            read: point.read,
            of: point.of,
        }
    }
}

impl From<&Part> for PartJson {
    fn from(part: &Part) -> Self {
        Self {
            delivery: part.delivery.0,
            provider: part.provider.to_string(),
            state: state_to_text(part.state).to_owned(),
            numbers: (&part.numbers).into(),
            asked: part.asked,
            recalled: part.is_recalled,
            not_known: part.unknown.clone(),
            readers: None,
            refusals: None,
        }
    }
}

impl From<&Report> for ReportJson {
    fn from(report: &Report) -> Self {
        let following = &report.following;
        let end = following.end.as_ref();
        let seconds = |share| report.time_to(share).map(|time| time.as_secs());
        Self {
            format_version: FORMAT_VERSION,
            notice: following.key.notice.to_string(),
            scheduled: following.key.nominal.to_string(),
            fired_at: following.fired_at.to_string(),
            until: following.until,
            ends_at: following.ends_at.to_string(),
            ended: end.map(|end| end.why.as_str().to_owned()),
            ended_at: end.map(|end| end.at.to_string()),
            unheard: end.and_then(|end| end.unheard.clone()),
            total: (&report.total).into(),
            share: report.share(),
            seconds_to_50: seconds(50.0),
            seconds_to_80: seconds(80.0),
            curve: report.curve.iter().map(Into::into).collect(),
            deliveries: report.parts.iter().map(Into::into).collect(),
        }
    }
}

/// The report for people at a terminal.
pub(super) fn human(report: &Report, zone: &TimeZone) -> String {
    let lines = report.lines(zone);
    let mut out = String::new();
    for (n, line) in lines.iter().enumerate() {
        out += if n == 0 { "" } else { "  " };
        out += &clean(line);
        out.push('\n');
    }
    out
}

/// The report for a page.
pub(super) fn markdown(report: &Report, zone: &TimeZone) -> String {
    let mut lines = report.lines(zone).into_iter();
    let heading = lines.next().unwrap_or_default();
    let mut out = format!("### {}\n\n", escape(&heading));
    for line in lines {
        out += &format!("- {}\n", escape(&line));
    }
    out += "\n| provider | state | named | invalid | valid | delivered | read | refused | not known |\n";
    out += "|---|---|--:|--:|--:|--:|--:|--:|--:|\n";
    let say = |number: Option<u64>| number.map_or("?".to_owned(), |n| n.to_string());
    for part in &report.parts {
        let n = &part.numbers;
        out += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            part.provider,
            state_to_text(part.state),
            n.named,
            n.invalid,
            say(n.valid),
            say(n.delivered),
            say(n.read),
            n.refused,
            say(n.unknown),
        );
    }
    out
}
