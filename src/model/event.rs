//! The events of a Feishu tasklist that a subscription can hear about.
//!
//! The table is Feishu's `include_keys` enumeration, complete as of 2023-11
//! (page `task-v2/tasklist-activity_subscription/create`). The vendor may add keys; those show as
//! their number.

use std::collections::BTreeSet;
use std::fmt;

/// One key of `include_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub u32);

/// The 14 events by number and name.
pub const EVENTS: [(EventKey, &str); 14] = [
    (EventKey(100), "task.added"),
    (EventKey(101), "task.removed"),
    (EventKey(103), "task.completed"),
    (EventKey(104), "task.reopened"),
    (EventKey(109), "assignee.added"),
    (EventKey(110), "assignee.changed"),
    (EventKey(111), "assignee.removed"),
    (EventKey(119), "attachment.added"),
    (EventKey(121), "comment.added"),
    (EventKey(122), "comment.replied"),
    (EventKey(129), "start.set"),
    (EventKey(130), "due.set"),
    (EventKey(131), "dates.set"),
    (EventKey(132), "dates.cleared"),
];

/// Names that a well-known wrapper invented, and the keys that they mean on the wire.
pub const ALIASES: [(&str, &[EventKey]); 4] = [
    ("task.created", &[EventKey(100)]),
    ("task.completed", &[EventKey(103)]),
    (
        "task.due_date_changed",
        &[EventKey(130), EventKey(131), EventKey(132)],
    ),
    ("task.assigned", &[EventKey(109), EventKey(110)]),
];

impl EventKey {
    /// The event's name, when it is one of the 14.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        EVENTS
            .iter()
            .find(|(key, _)| *key == self)
            .map(|(_, name)| *name)
    }

    /// The key of one of the 14 names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<EventKey> {
        EVENTS
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(key, _)| *key)
    }

    /// Reads a name, or the number that an unknown key shows as.
    #[must_use]
    pub fn parse(text: &str) -> Option<EventKey> {
        Self::from_name(text).or_else(|| text.parse().ok().map(EventKey))
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A set of events, as declared or as live.
///
/// Caution: `all` is a wish about the vendor's whole list. Compare with [`Events::satisfied_by`], not
/// with `==`, where one side is declared and the other is live.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Events {
    /// The keys.
    pub keys: BTreeSet<EventKey>,
    /// Whether the user wrote `all`; `keys` then holds the 14 known ones. Always false on a live side.
    pub all: bool,
}

impl Events {
    /// Every known event, as `all` means it.
    #[must_use]
    pub fn all() -> Self {
        Self {
            keys: EVENTS.iter().map(|(key, _)| *key).collect(),
            all: true,
        }
    }

    /// Whether a live set is what this one asks for. Under `all`, live keys that we do not know are
    /// no difference.
    #[must_use]
    pub fn satisfied_by(&self, live: &Events) -> bool {
        if self.all {
            self.keys.is_subset(&live.keys)
                && live
                    .keys
                    .difference(&self.keys)
                    .all(|key| key.name().is_none())
        } else {
            self.keys == live.keys
        }
    }
}

impl FromIterator<EventKey> for Events {
    fn from_iter<I: IntoIterator<Item = EventKey>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            all: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_all_an_unknown_live_key_is_no_difference() {
        let mut live: Events = Events::all().keys.into_iter().collect();
        live.keys.insert(EventKey(133));
        assert!(Events::all().satisfied_by(&live));
        live.keys.remove(&EventKey(100));
        assert!(!Events::all().satisfied_by(&live));
        let listed: Events = [EventKey(100)].into_iter().collect();
        let live: Events = [EventKey(100), EventKey(133)].into_iter().collect();
        assert!(!listed.satisfied_by(&live));
    }
}
