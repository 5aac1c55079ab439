//! What a plan means for notices, in the published shape and in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::simulation;
use super::text::{count, people};
use crate::plan::outlook::{Outlook, Prospect, Reached};

/// What a notice will do, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutlookJson {
    /// The notice.
    pub address: String,
    /// As it is registered; null where it is not.
    pub before: Option<ProspectJson>,
    /// As it will be; null where it will not.
    pub after: Option<ProspectJson>,
}

/// What a notice will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProspectJson {
    /// Whether it is sent at all.
    pub enabled: bool,
    /// Whom it reaches, by provider.
    pub audience: Vec<AudienceJson>,
    /// The next three firings.
    pub next: Vec<NextJson>,
}

/// Whom a notice reaches at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AudienceJson {
    /// The provider's key.
    pub provider: String,
    /// Its vendor.
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
}

/// A firing to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NextJson {
    /// The instant that the schedule names, in UTC by RFC 3339; before any calendar moved it.
    pub scheduled: String,
    /// When it fires.
    pub fires_at: String,
    /// What clocks show then.
    pub local: String,
    /// The zone of these clocks.
    pub timezone: String,
    /// Why then; null where it is as the schedule says.
    pub reason: Option<String>,
}

impl From<&Outlook> for OutlookJson {
    fn from(outlook: &Outlook) -> Self {
        Self {
            address: outlook.address.to_string(),
            before: outlook.before.as_ref().map(prospect),
            after: outlook.after.as_ref().map(prospect),
        }
    }
}

fn prospect(prospect: &Prospect) -> ProspectJson {
    let next = prospect.next.iter().map(|firing| NextJson {
        scheduled: firing.nominal.to_string(),
        fires_at: firing.at.to_string(),
        local: firing.local.to_string(),
        timezone: prospect.zone.clone(),
        reason: simulation::reason(firing),
    });
    ProspectJson {
        enabled: prospect.enabled,
        audience: prospect.reached.iter().map(audience).collect(),
        next: next.collect(),
    }
}

fn audience(reached: &Reached) -> AudienceJson {
    AudienceJson {
        provider: reached.provider.to_string(),
        vendor: reached.vendor.as_str().to_owned(),
        people: reached.people,
        unresolved: reached.unresolved,
        departments: reached.departments,
        everyone: reached.everyone,
        chats: reached.chats,
    }
}

/// Lines of what changes, each with its name, what was before, and what comes after.
pub(super) fn lines(outlook: &OutlookJson) -> Vec<(&'static str, String, String)> {
    let side = |of: fn(&ProspectJson) -> String| {
        let of = |side: &Option<ProspectJson>| side.as_ref().map_or_else(String::new, of);
        (of(&outlook.before), of(&outlook.after))
    };
    let (reached, reaches) = side(reaches);
    let (came, comes) = side(comes);
    vec![("reaches", reached, reaches), ("next", came, comes)]
}

fn reaches(prospect: &ProspectJson) -> String {
    let of = |at: &AudienceJson| {
        let mut parts = Vec::new();
        if at.everyone {
            parts.push("everyone".to_owned());
        }
        parts.extend((at.people > 0).then(|| people(at.people)));
        parts.extend((at.departments > 0).then(|| count(at.departments, "department")));
        parts.extend((at.chats > 0).then(|| count(at.chats, "chat")));
        format!("{} at {}", parts.join(" and "), at.provider)
    };
    match prospect.audience.is_empty() {
        true => "nobody".to_owned(),
        false => {
            let each: Vec<_> = prospect.audience.iter().map(of).collect();
            each.join(", ")
        }
    }
}

fn comes(prospect: &ProspectJson) -> String {
    let Some(first) = prospect.next.first() else {
        return match prospect.enabled {
            true => "never".to_owned(),
            false => "off".to_owned(),
        };
    };
    let of = |next: &NextJson| {
        let local: Result<jiff::civil::DateTime, _> = next.local.parse();
        let local = local.map(|local| local.strftime("%a %Y-%m-%d %H:%M").to_string());
        let local = local.unwrap_or_else(|_| next.local.clone());
        match &next.reason {
            Some(why) => format!("{local} ({why})"),
            None => local,
        }
    };
    let each: Vec<_> = prospect.next.iter().map(of).collect();
    format!("{} {}", each.join(", "), first.timezone)
}
