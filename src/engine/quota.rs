//! What a vendor lets an app send in a time, as data: a channel says what a parcel takes of it, the ledger
//! counts it in the transaction that claims the delivery, so that no two runners take the same.

use jiff::{SignedDuration, Timestamp};

use super::channel::To;

/// What a parcel takes of its vendor's quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// What it counts for.
    pub takes: Vec<Take>,
    /// What its people have had on that day, where the vendor drops some of it.
    pub daily: Option<Daily>,
}

impl Quota {
    /// Whether the vendor would drop it for everybody, when it drops it for these.
    #[must_use]
    pub fn is_for_nobody(&self, dropped: &[(To, String)]) -> bool {
        let people = self.daily.as_ref().map_or(0, |daily| daily.people.len());
        people > 0 && dropped.len() == people
    }
}

/// A share of one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Which, such as `dingtalk/APP/receivers`.
    pub name: String,
    /// Of which time.
    pub over: Over,
    /// How much.
    pub amount: u64,
    /// How much there is in all.
    pub most: u64,
    /// What the quota is, for a sentence: `the 5000 receivers that DingTalk allows in a minute`.
    pub what: String,
}

/// The time that a quota is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// One that the calendar names, such as a day or a month: all of it is there again when the next begins.
    Period {
        /// Its name.
        name: String,
        /// When it ends.
        ends: Timestamp,
    },
    /// Any time of this length, whenever it begins: each share is there again so long after it was taken.
    Any(SignedDuration),
}

impl Take {
    /// The name of what is kept of it when it is taken at an instant, and when its share is there again.
    #[must_use]
    pub fn kept(&self, now: Timestamp) -> (String, Timestamp) {
        match &self.over {
            Over::Period { name, ends } => (name.clone(), *ends),
            Over::Any(time) => {
                let ends = now.saturating_add(*time).unwrap_or(Timestamp::MAX);
                (now.to_string(), ends)
            }
        }
    }

    /// What is kept of the same quota counts with it where its share is there again after that instant, and
    /// no later than this.
    #[must_use]
    pub fn counts_until(&self, now: Timestamp) -> Timestamp {
        let (_, ends) = self.kept(now);
        match self.over {
            Over::Period { .. } => ends,
            // The clock of whoever took it may have been ahead.
            Over::Any(time) => ends.saturating_add(time).unwrap_or(Timestamp::MAX),
        }
    }

    /// When there is room for it, if there is none now: `kept` is what counts with it, each with when it is
    /// there again, the first of these first.
    #[must_use]
    pub fn waits(&self, kept: &[(u64, Timestamp)], now: Timestamp) -> Option<Timestamp> {
        let mut used: u64 = kept.iter().map(|(used, _)| used).sum();
        if used.saturating_add(self.amount) <= self.most {
            return None;
        }
        for (share, again) in kept {
            used -= share;
            if used.saturating_add(self.amount) <= self.most {
                return Some(*again);
            }
        }
        // It never fits.
        Some(self.kept(now).1)
    }
}

/// What people have on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    /// The app that the vendor counts by.
    pub app: String,
    /// The day, where the vendor is.
    pub day: String,
    /// A digest of what the vendor takes for the same content.
    pub content: String,
    /// Who gets it.
    pub people: Vec<To>,
    /// How many messages somebody gets in a day.
    pub most: u64,
    /// Why somebody who has had this content does not get it again.
    pub had: &'static str,
    /// Why somebody who has had the most does not get one more.
    pub full: &'static str,
}

impl Daily {
    /// Why the vendor drops it for somebody, if it does: of what that person has had on the day in all, so
    /// many were of this content and another delivery's, and so many are this delivery's own.
    #[must_use]
    pub fn drops(&self, had: i64, same: i64, own: i64) -> Option<&'static str> {
        if same > 0 {
            Some(self.had)
        } else if own == 0 && had.unsigned_abs() >= self.most {
            Some(self.full)
        } else {
            None
        }
    }
}

/// What came of claiming a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is this runner's. Those whom the vendor will drop come with why.
    Taken(Vec<(To, String)>),
    /// Another runner has it, or it has ended.
    Gone,
    /// The quota is used up until then: nothing was claimed.
    Full(String, Timestamp),
    /// The vendor would drop it for everybody, so it is refused.
    Dropped,
}
