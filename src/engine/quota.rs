//! What a vendor lets an app send in a time, as data: a channel says what a parcel takes of it, the ledger
//! counts it in the transaction that claims the delivery, so that no two runners take the same.

use jiff::Timestamp;

use super::channel::To;

/// What a parcel takes of its vendor's quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// What it counts for.
    pub takes: Vec<Take>,
    /// What its people have had on that day, where the vendor drops some of it.
    pub daily: Option<Daily>,
}

/// A share of one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Which, such as `dingtalk/APP/receivers`.
    pub name: String,
    /// Of which period, such as a minute, a day or a month.
    pub period: String,
    /// When that period ends.
    pub ends: Timestamp,
    /// How much.
    pub amount: u64,
    /// How much there is in all.
    pub most: u64,
    /// What the quota is, for a sentence: `the 5000 receivers that DingTalk allows in a minute`.
    pub what: String,
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
