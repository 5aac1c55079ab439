//! What became of an occurrence that is or was followed, as plain data: numbers, what nobody can say, and
//! how reading went on.
//!
//! # Guarantees
//!
//! - What no vendor says is none and never nought, and the parts of which something is unknown say why.
//! - Shares are of all people whom the notice went to, and whoever is not known to have read it has not. A
//!   chat is a place, and counts as nobody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::channel::To;
use super::outbox::{Delivery, DeliveryId, Purpose, State};
use super::receipts::{Following, Reading, WhyEnded};
use crate::model::Name;

/// How many points of a curve are shown in a line.
const POINTS: usize = 24;

/// What became of an occurrence.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it is or was followed.
    pub following: Following,
    /// Its deliveries.
    pub parts: Vec<Part>,
    /// All of them together.
    pub total: Numbers,
    /// How reading went on, a point for each time that somebody asked.
    pub curve: Vec<Point>,
    /// Whether it went to more people, whom nobody counts.
    pub has_uncounted: bool,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which.
    pub delivery: DeliveryId,
    /// By which provider.
    pub provider: Name,
    /// Where it is.
    pub state: State,
    /// Its numbers.
    pub numbers: Numbers,
    /// How often the vendor was asked.
    pub asked: usize,
    /// Whether it was taken back.
    pub is_recalled: bool,
    /// What is not known of it, with why; none where all is.
    pub unknown: Option<String>,
}

/// Numbers of people; what nobody says is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Receivers that the call named: people, departments and chats.
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
    /// People of whom the vendor says nothing, or not yet; none where even their number is unknown.
    pub unknown: Option<u64>,
}

/// How many have read it at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When that was asked.
    pub at: Timestamp,
    /// How many have read it.
    pub read: u64,
    /// How many it went to: as many as the vendor counts or the call names.
    pub of: u64,
}

impl Point {
    /// The share in percent; none of nobody.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| 100.0 * self.read as f64 / self.of as f64)
    }
}

/// Works the report out.
#[must_use]
pub fn report(
    following: &Following,
    deliveries: &[Delivery],
    readings: &[(DeliveryId, Reading)],
) -> Report {
    let mut by_delivery: BTreeMap<DeliveryId, Vec<&Reading>> = BTreeMap::new();
    for (delivery, reading) in readings {
        by_delivery.entry(*delivery).or_default().push(reading);
    }
    let none = Vec::new();
    let mut parts = Vec::new();
    let mut audiences = BTreeMap::new();
    for delivery in deliveries.iter().filter(|d| d.purpose == Purpose::Notice) {
        let readings = by_delivery.get(&delivery.id).unwrap_or(&none);
        parts.push(part(delivery, readings));
        audiences.insert(delivery.id, audience(delivery, readings));
    }
    Report {
        following: following.clone(),
        total: total(&parts),
        curve: curve(&audiences, &by_delivery),
        has_uncounted: audiences.values().any(|one| *one == Audience::Uncounted),
        parts,
    }
}

/// The newest reading that says something: one that failed takes nothing back.
fn newest<'a>(readings: &[&'a Reading]) -> Option<&'a Reading> {
    let told = readings.iter().rev().find(|r| r.problem.is_none());
    told.copied()
}

fn part(delivery: &Delivery, readings: &[&Reading]) -> Part {
    let named = delivery.what.parcel.to.len() as u64;
    let invalid = delivery.invalid.len() as u64;
    let newest = newest(readings);
    let are_people = |to: &To| matches!(to, To::Recipient(recipient) if recipient.is_person());
    let people = delivery.what.parcel.to.iter().all(are_people);
    let taken = people.then(|| named.saturating_sub(invalid));
    let told = newest.cloned().unwrap_or_default();
    let unknown = match (delivery.state, told.valid, told.delivered) {
        // Nobody got it, and that is known.
        (State::Refused | State::Cancelled | State::Pending, ..) => Some(0),
        (State::Sent, Some(valid), Some(delivered)) => Some(valid.saturating_sub(delivered)),
        (State::Sent, ..) => taken.map(|taken| taken.saturating_sub(told.refused)),
        (State::Unknown | State::Held | State::Sending, ..) => taken,
    };
    let why = match (delivery.state, newest, readings.last()) {
        (State::Refused | State::Cancelled, ..) => Some(format!("not sent: {}", delivery.detail)),
        (State::Pending, ..) => Some("not sent yet".to_owned()),
        (State::Unknown | State::Held | State::Sending, ..) => {
            Some("nobody knows whether it was sent".to_owned())
        }
        (State::Sent, _, Some(last)) if last.problem.is_some() => last
            .problem
            .as_ref()
            .map(|problem| format!("since the answer before: {problem}")),
        (State::Sent, None, _) => Some("the vendor was not asked yet".to_owned()),
        (State::Sent, Some(told), _) => told.untold.clone().or_else(|| {
            let all = told.read.is_some() && told.valid.is_some();
            (!all).then(|| "the vendor does not say how many it was for".to_owned())
        }),
    };
    Part {
        delivery: delivery.id,
        provider: delivery.what.provider.clone(),
        state: delivery.state,
        numbers: Numbers {
            named,
            invalid,
            valid: told.valid,
            delivered: told.delivered,
            read: told.read,
            refused: told.refused,
            unknown,
        },
        asked: readings.len(),
        is_recalled: told.is_recalled,
        unknown: why,
    }
}

fn total(parts: &[Part]) -> Numbers {
    let sum = |number: fn(&Numbers) -> u64| parts.iter().map(|part| number(&part.numbers)).sum();
    // The sum of what is known; none where nothing is.
    let known = |number: fn(&Numbers) -> Option<u64>| {
        let known: Vec<u64> = parts.iter().filter_map(|p| number(&p.numbers)).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    };
    let unknown: Option<Vec<u64>> = parts.iter().map(|part| part.numbers.unknown).collect();
    Numbers {
        named: sum(|n| n.named),
        invalid: sum(|n| n.invalid),
        valid: known(|n| n.valid),
        delivered: known(|n| n.delivered),
        read: known(|n| n.read),
        refused: sum(|n| n.refused),
        unknown: unknown.map(|unknown| unknown.iter().sum()),
    }
}

/// Whom a delivery went to, as far as shares are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// Nobody, or a chat: that is a place, and who is in it is not told.
    Nobody,
    /// So many people, who are named by the call or counted by the vendor.
    People(u64),
    /// People whom nobody counts.
    Uncounted,
}

fn audience(delivery: &Delivery, readings: &[&Reading]) -> Audience {
    let went = match delivery.state {
        State::Sent | State::Unknown | State::Held | State::Sending => true,
        State::Refused | State::Cancelled | State::Pending => false,
    };
    let to = &delivery.what.parcel.to;
    let is_place = |to: &To| matches!(to, To::Chat(_));
    let is_person = |to: &To| matches!(to, To::Recipient(recipient) if recipient.is_person());
    let counted = readings.iter().rev().find_map(|reading| reading.valid);
    match counted {
        _ if !went => Audience::Nobody,
        Some(counted) => Audience::People(counted),
        None if to.iter().all(is_place) => Audience::Nobody,
        None if to.iter().all(is_person) => {
            let invalid = delivery.invalid.len() as u64;
            Audience::People((to.len() as u64).saturating_sub(invalid))
        }
        None => Audience::Uncounted,
    }
}

fn curve(
    audiences: &BTreeMap<DeliveryId, Audience>,
    readings: &BTreeMap<DeliveryId, Vec<&Reading>>,
) -> Vec<Point> {
    let none = Vec::new();
    let counted = audiences.iter().filter_map(|(delivery, audience)| {
        let Audience::People(people) = audience else {
            return None;
        };
        Some((*people, readings.get(delivery).unwrap_or(&none)))
    });
    let counted: Vec<(u64, &Vec<&Reading>)> = counted.collect();
    let told = counted.iter().flat_map(|(_, readings)| readings.iter());
    let instants: BTreeSet<Timestamp> = told
        .filter(|reading| reading.read.is_some())
        .map(|reading| reading.at)
        .collect();
    let mut next = vec![0; counted.len()];
    // What is known of each so far: whoever is not known has not read it.
    let mut latest: Vec<(u64, u64)> = counted.iter().map(|(of, _)| (0, *of)).collect();
    let mut curve = Vec::with_capacity(instants.len());
    for at in instants {
        for (n, (_, readings)) in counted.iter().enumerate() {
            while let Some(reading) = readings.get(next[n]).filter(|reading| reading.at <= at) {
                let (read, of) = latest[n];
                latest[n] = (reading.read.unwrap_or(read), reading.valid.unwrap_or(of));
                next[n] += 1;
            }
        }
        curve.push(Point {
            at,
            read: latest.iter().map(|(read, _)| read).sum(),
            of: latest.iter().map(|(_, of)| of).sum(),
        });
    }
    curve
}

impl Report {
    /// The share that has read it, in percent, of the people who are counted.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.curve.last().and_then(Point::share)
    }

    /// Whether enough people are known to have read it, whatever those do of whom nothing is known.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        let reached = |share| share >= self.following.until;
        !self.has_uncounted && self.share().is_some_and(reached)
    }

    /// How long after it fired a share of its people was first seen to have read it.
    #[must_use]
    pub fn time_to(&self, share: f64) -> Option<SignedDuration> {
        let reached = |point: &&Point| point.share().is_some_and(|read| read >= share);
        let point = self.curve.iter().find(reached)?;
        Some(point.at.duration_since(self.following.fired_at))
    }

    /// The curve in a line of at most 24 signs, from when it fired on, each as long as the others.
    #[must_use]
    pub fn sparkline(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let (from, Some(last)) = (self.following.fired_at, self.curve.last()) else {
            return String::new();
        };
        let points = POINTS.min(self.curve.len().max(8));
        let span = last.at.duration_since(from).as_secs().max(1);
        let mut line = String::new();
        for n in 1..=points as i64 {
            let until = SignedDuration::from_secs(span * n / points as i64);
            let seen = |point: &&Point| point.at.duration_since(from) <= until;
            let share = self.curve.iter().rev().find(seen).and_then(Point::share);
            let bar = (share.unwrap_or(0.0) / 100.0 * 8.0).ceil() as usize;
            line.push(BARS[bar.clamp(1, 8) - 1]);
        }
        line
    }

    /// What is not known, a line for each provider and reason, with how many deliveries it is of.
    #[must_use]
    pub fn unknowns(&self) -> Vec<String> {
        let mut all: BTreeMap<(&Name, &str), usize> = BTreeMap::new();
        for part in &self.parts {
            if let Some(why) = &part.unknown {
                *all.entry((&part.provider, why)).or_default() += 1;
            }
        }
        let line = |((provider, why), n): ((&Name, &str), usize)| match n {
            1 => format!("{provider}, 1 delivery: {why}"),
            n => format!("{provider}, {n} deliveries: {why}"),
        };
        all.into_iter().map(line).collect()
    }

    /// The report in lines for people, in a zone.
    #[must_use]
    pub fn lines(&self, zone: &TimeZone) -> Vec<String> {
        let following = &self.following;
        let fired = following.fired_at.to_zoned(zone.clone());
        let mut lines = vec![format!(
            "{}, sent {}",
            following.key.notice,
            fired.strftime("%Y-%m-%d %H:%M %Z")
        )];
        lines.push(match (self.curve.last(), self.share()) {
            (Some(last), Some(share)) => format!(
                "read by {} of {} ({share:.0} %){} after {}",
                last.read,
                last.of,
                match self.has_uncounted {
                    true => " and of more whom nobody counts",
                    false => "",
                },
                span(last.at.duration_since(following.fired_at))
            ),
            _ => match self.total.read {
                Some(read) => format!("read by {read}, of how many is unknown"),
                None => "who has read it is unknown".to_owned(),
            },
        });
        if self.curve.len() > 1 {
            lines.push(self.sparkline());
        }
        let times: Vec<String> = [50.0, 80.0]
            .into_iter()
            .filter_map(|share| Some(format!("{share} % within {}", span(self.time_to(share)?))))
            .collect();
        if !times.is_empty() {
            lines.push(times.join(", "));
        }
        let say = |number: Option<u64>| number.map_or("unknown".to_owned(), |n| n.to_string());
        let total = &self.total;
        lines.push(format!(
            "valid {}, delivered {}, read {}, invalid {}, refused {}, no word of {}",
            say(total.valid),
            say(total.delivered),
            say(total.read),
            total.invalid,
            total.refused,
            total
                .unknown
                .map_or("more than can be counted".to_owned(), |n| n.to_string()),
        ));
        lines.extend(self.unknowns());
        if let Some(end) = &following.end {
            lines.push(match end.why {
                WhyEnded::Enough => format!("followed until {} % had read it", following.until),
                WhyEnded::Over => "followed until its time was over".to_owned(),
                WhyEnded::Told => "followed until no vendor could tell more".to_owned(),
            });
            lines.extend(
                end.unheard
                    .as_ref()
                    .map(|why| format!("nobody was sent this report: {why}")),
            );
        }
        lines
    }
}

/// Such as `2 h 5 min`; a share was seen by then, and reached some time before.
#[must_use]
pub fn span(time: SignedDuration) -> String {
    let minutes = (time.as_secs().max(0) + 59) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::channel::{Parcel, Repeat};
    use crate::engine::outbox::{Key, NewDelivery};
    use crate::model::group::Recipient;
    use crate::model::{AppId, ChatId};

    fn at(minute: i64) -> Timestamp {
        "2026-12-02T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
    }

    fn following() -> Following {
        Following {
            key: Key {
                notice: "recurring_notice.review".parse().unwrap(),
                nominal: at(0),
            },
            fired_at: at(0),
            until: 80.0,
            ends_at: at(600),
            end: None,
        }
    }

    fn delivery(id: i64, provider: &str, people: usize, state: State) -> Delivery {
        let person = |n| To::Recipient(Recipient::UserId(format!("u{n}").into()));
        Delivery {
            id: DeliveryId(id),
            key: following().key,
            purpose: Purpose::Notice,
            what: NewDelivery {
                provider: Name::new(provider).unwrap(),
                app: AppId::new("a"),
                parcel: Parcel {
                    operation: "send".into(),
                    query: Vec::new(),
                    body: String::new(),
                    to: (0..people).map(person).collect(),
                },
                repeat: Repeat::Never,
                unseen: Vec::new(),
            },
            state,
            attempts: 1,
            first_at: Some(at(0)),
            tried_at: Some(at(0)),
            message: Some("m".to_owned()),
            detail: String::new(),
            invalid: Vec::new(),
            send_until: None,
            is_revoked: false,
        }
    }

    fn reading(minute: i64, valid: u64, delivered: u64, read: u64) -> Reading {
        Reading {
            at: at(minute),
            valid: Some(valid),
            delivered: Some(delivered),
            read: Some(read),
            ..Reading::default()
        }
    }

    #[test]
    fn what_nobody_says_is_not_nought() {
        let chat = To::Chat(ChatId::new("oc_1"));
        let mut to_chat = delivery(2, "feishu", 0, State::Sent);
        to_chat.what.parcel.to = BTreeSet::from([chat]);
        let deliveries = [
            delivery(1, "dingtalk", 10, State::Sent),
            to_chat,
            delivery(3, "enos", 4, State::Held),
        ];
        let untold = Reading {
            valid: None,
            delivered: None,
            ..reading(1, 0, 0, 3)
        };
        let readings = [
            (DeliveryId(1), reading(1, 9, 7, 2)),
            (DeliveryId(2), untold),
        ];
        let report = report(&following(), &deliveries, &readings);
        assert_eq!(report.total.valid, Some(9));
        assert_eq!(report.total.read, Some(5));
        // How many are in the chat is not known, so neither is the sum.
        assert_eq!(report.total.unknown, None);
        assert_eq!(report.parts[0].numbers.unknown, Some(2));
        assert_eq!(report.parts[2].numbers.unknown, Some(4));
        assert!(!report.is_enough());
        let told = report.lines(&TimeZone::UTC).join("\n");
        for line in [
            "read by 2 of 13 (15 %) after 1 min",
            "valid 9, delivered 7, read 5, invalid 0, refused 0, no word of more than can be counted",
            "feishu, 1 delivery: the vendor does not say how many it was for",
            "enos, 1 delivery: nobody knows whether it was sent",
        ] {
            assert!(told.contains(line), "{told}");
        }
    }

    #[test]
    fn it_is_enough_only_where_the_known_suffice_for_all() {
        let mut department = delivery(3, "dingtalk", 0, State::Sent);
        let all = To::Recipient(Recipient::Department("d1".into()));
        department.what.parcel.to = BTreeSet::from([all]);
        let read = (DeliveryId(1), reading(1, 8, 8, 8));
        let is_enough = |deliveries: &[Delivery], readings: &[(DeliveryId, Reading)]| {
            report(&following(), deliveries, readings).is_enough()
        };
        let feishu = || delivery(1, "feishu", 8, State::Sent);
        let with = |people, state| [feishu(), delivery(2, "dingtalk", people, state)];
        // Eight of ten are enough, eight of eleven are not, whatever the vendor of the others says.
        let one = std::slice::from_ref(&read);
        assert!(is_enough(&with(2, State::Sent), one));
        assert!(!is_enough(&with(3, State::Sent), one));
        assert!(!is_enough(&with(3, State::Held), one));
        let failed = (DeliveryId(2), Reading::failed("time-out".into(), at(1)));
        assert!(!is_enough(&with(3, State::Sent), &[read.clone(), failed]));
        // Whoever got nothing is not waited for, nor is a chat.
        assert!(is_enough(&with(3, State::Refused), one));
        let mut to_chat = delivery(2, "feishu", 0, State::Sent);
        to_chat.what.parcel.to = BTreeSet::from([To::Chat(ChatId::new("oc_1"))]);
        assert!(is_enough(&[feishu(), to_chat], one));
        // Of people whom nobody counts nobody knows what suffices, until a vendor counts them.
        let deliveries = [feishu(), department];
        assert!(!is_enough(&deliveries, one));
        let told = report(&following(), &deliveries, one).lines(&TimeZone::UTC);
        assert_eq!(
            told[1],
            "read by 8 of 8 (100 %) and of more whom nobody counts after 1 min"
        );
        let counted = (DeliveryId(3), reading(1, 2, 2, 0));
        assert!(is_enough(&deliveries, &[read, counted]));
    }

    #[test]
    fn a_curve_says_when_half_of_them_had_read_it() {
        let deliveries = [
            delivery(1, "feishu", 10, State::Sent),
            delivery(2, "feishu", 10, State::Sent),
        ];
        let failed = Reading::failed("time-out".into(), at(60));
        let readings = [
            (DeliveryId(1), reading(1, 10, 10, 0)),
            (DeliveryId(2), reading(1, 10, 10, 2)),
            (DeliveryId(1), reading(10, 10, 10, 9)),
            (DeliveryId(2), failed),
            (DeliveryId(2), reading(120, 10, 10, 8)),
        ];
        let report = report(&following(), &deliveries, &readings);
        let points: Vec<_> = report.curve.iter().map(|p| (p.read, p.of)).collect();
        assert_eq!(points, [(2, 20), (11, 20), (17, 20)]);
        assert_eq!(report.time_to(50.0), Some(SignedDuration::from_mins(10)));
        assert_eq!(report.time_to(80.0), Some(SignedDuration::from_mins(120)));
        assert_eq!(report.sparkline(), "▅▅▅▅▅▅▅▇");
        assert!(report.is_enough());
        let told = report.lines(&TimeZone::UTC).join("\n");
        assert!(
            told.contains("50 % within 10 min, 80 % within 2 h"),
            "{told}"
        );
    }
}
