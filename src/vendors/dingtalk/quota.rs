//! What a call takes of DingTalk's quotas (section "Quotas" of the contract): what is over them is answered
//! as success and dropped, so it has to be counted here.
//!
//! # Assumptions
//!
//! - Days and months are those of Shanghai, and the same content is the same text of `msg`: the pages
//!   define neither.
//!
//! # Caveats
//!
//! - A department counts as one receiver: how many people are in it is not told here.
//! - DingTalk's minute may begin at any second, so that no seventy seconds get more than one of its minutes
//!   has room for. A call that reaches it more than ten seconds after it was counted may still be dropped.
//! - Other apps of the organisation share its month, and are not known here. What the dedicated edition
//!   has in a month is not published, and not counted.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

use super::notification::is_for_everyone;
use crate::engine::channel::{Job, Parcel, To};
use crate::engine::health::Allowances;
use crate::engine::quota::{Daily, Over, Quota, Take};
use crate::model::AppId;
use crate::model::group::Recipient;
use crate::model::manifest::Edition;
use crate::model::quota::dingtalk as limits;
use crate::vendors::digest::digest;
use crate::vendors::limits::dingtalk::SEND;

const SHANGHAI: Offset = jiff::tz::offset(8);

/// The calls that are counted: to ask who has a notice takes one for its progress and one for its result,
/// which is told of named people alone, and about a robot's message nothing is asked.
fn counted(parcel: &Parcel, job: Job) -> u64 {
    let is_person = |to: &To| matches!(to, To::Recipient(Recipient::UserId(_)));
    match job {
        Job::Ask if parcel.operation != SEND => 0,
        Job::Ask if parcel.to.iter().all(is_person) => 2,
        Job::Ask | Job::Send | Job::Recall => 1,
    }
}

pub(super) fn quota(
    app: &AppId,
    edition: Edition,
    parcel: &Parcel,
    job: Job,
    now: Timestamp,
) -> Quota {
    let at = Periods::at(app, now);
    let mut takes: Vec<Take> = at
        .calls(edition, counted(parcel, job))
        .into_iter()
        .collect();
    if job != Job::Send || parcel.operation != SEND {
        return Quota { takes, daily: None };
    }
    takes.push(at.receivers(count(parcel.to.len())));
    if is_for_everyone(parcel) {
        takes.push(at.everyone(1));
        return Quota { takes, daily: None };
    }
    let people = parcel
        .to
        .iter()
        .filter(|to| matches!(to, To::Recipient(Recipient::UserId(_))));
    let daily = Daily {
        app: format!("dingtalk/{app}"),
        day: at.today.to_string(),
        content: content(parcel),
        people: people.cloned().collect(),
        most: count(limits::TO_A_PERSON_A_DAY),
        had: "has had the same content from this app today, which DingTalk drops",
        full: "has had as many notices of this app today as DingTalk allows, and it drops the rest",
    };
    let daily = Some(daily).filter(|daily| !daily.people.is_empty());
    Quota { takes, daily }
}

/// What there is of everything in the times that we are in, and what nobody counts.
pub(super) fn allowances(app: &AppId, edition: Edition, now: Timestamp) -> Allowances {
    let at = Periods::at(app, now);
    let a_day = limits::TO_A_PERSON_A_DAY;
    let mut told = vec![format!(
        "{a_day} notices a day to one person, and the same content once a day"
    )];
    let calls = at.calls(edition, 0);
    if calls.is_none() {
        told.push("the calls of a month, which are not published for this edition".to_owned());
    }
    let mut counted: Vec<Take> = calls.into_iter().collect();
    counted.extend([at.receivers(0), at.everyone(0)]);
    Allowances { counted, told }
}

/// The day and the month that we are in.
struct Periods<'a> {
    app: &'a AppId,
    today: Date,
}

impl<'a> Periods<'a> {
    fn at(app: &'a AppId, now: Timestamp) -> Self {
        Self {
            app,
            today: SHANGHAI.to_datetime(now).date(),
        }
    }

    fn name(&self, what: &str) -> String {
        format!("dingtalk/{}/{what}", self.app)
    }

    fn calls(&self, edition: Edition, amount: u64) -> Option<Take> {
        let most = limits::calls_a_month(edition)?;
        let month = self.today.first_of_month();
        Some(Take {
            name: self.name("calls"),
            over: Over::Period {
                name: month.strftime("%Y-%m").to_string(),
                ends: midnight(month.saturating_add(1.month())),
            },
            amount,
            most,
            what: format!("the {most} calls that DingTalk allows the organisation in a month"),
        })
    }

    fn receivers(&self, amount: u64) -> Take {
        let most = count(limits::RECEIVERS_A_MINUTE);
        Take {
            name: self.name("receivers"),
            over: Over::Any(limits::MINUTE),
            amount,
            most,
            what: format!("the {most} receivers that DingTalk allows in a minute"),
        }
    }

    fn everyone(&self, amount: u64) -> Take {
        let most = count(limits::TO_EVERYONE_A_DAY);
        Take {
            name: self.name("everyone"),
            over: Over::Period {
                name: self.today.to_string(),
                ends: midnight(self.today.saturating_add(1.day())),
            },
            amount,
            most,
            what: format!("the {most} notices to everyone that DingTalk allows in a day"),
        }
    }
}

fn midnight(date: Date) -> Timestamp {
    let at = SHANGHAI.to_timestamp(date.to_datetime(Time::midnight()));
    at.unwrap_or(Timestamp::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A digest of `msg` as it is sent.
fn content(parcel: &Parcel) -> String {
    let body: serde_json::Value = serde_json::from_str(&parcel.body).unwrap_or_default();
    digest([body["msg"].to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn parcel(to: &[Recipient]) -> Parcel {
        Parcel {
            operation: SEND.to_owned(),
            query: Vec::new(),
            body: r#"{"agent_id":1,"msg":{"msgtype":"text"}}"#.to_owned(),
            to: to.iter().cloned().map(To::Recipient).collect(),
        }
    }

    fn told(edition: Edition, to: &[Recipient], job: Job, now: &str) -> String {
        let quota = quota(&AppId::new("k"), edition, &parcel(to), job, at(now));
        let take = |t: &Take| {
            let over = match &t.over {
                Over::Period { name, ends } => format!("in {name} until {ends}"),
                Over::Any(time) => format!("in any {time:#}"),
            };
            format!("{} {} of {} {over}\n", t.name, t.amount, t.most)
        };
        let mut told: String = quota.takes.iter().map(take).collect();
        if let Some(daily) = quota.daily {
            told += &format!(
                "{} on {}: {} people",
                daily.app,
                daily.day,
                daily.people.len()
            );
        }
        told
    }

    #[test]
    fn days_and_months_are_those_of_shanghai() {
        let bo = [
            Recipient::UserId("bo".into()),
            Recipient::Department("7".into()),
        ];
        let late = "2026-12-31T15:59:59Z";
        insta::assert_snapshot!(told(Edition::Standard, &bo, Job::Send, late), @r"
        dingtalk/k/calls 1 of 5000 in 2026-12 until 2026-12-31T16:00:00Z
        dingtalk/k/receivers 2 of 5000 in any 1m 10s
        dingtalk/k on 2026-12-31: 1 people
        ");
        let all = [Recipient::Everyone];
        insta::assert_snapshot!(told(Edition::Professional, &all, Job::Send, "2026-12-31T16:00:00Z"), @r"
        dingtalk/k/calls 1 of 200000 in 2027-01 until 2027-01-31T16:00:00Z
        dingtalk/k/receivers 1 of 5000 in any 1m 10s
        dingtalk/k/everyone 1 of 3 in 2027-01-01 until 2027-01-01T16:00:00Z
        ");
        assert_eq!(told(Edition::Dedicated, &bo, Job::Recall, late), "");
        assert!(told(Edition::Standard, &bo, Job::Ask, late).starts_with("dingtalk/k/calls"));
    }
}
