//! Local times and the instants they stand for, where clocks are put forward and back.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// What becomes of a local time that does not exist, because clocks were put forward over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Gap {
    /// It is later by as much as clocks were put forward: 02:30 is 03:30, as RFC 5545 reads it.
    #[default]
    Shift,
    /// Nothing fires.
    Skip,
}

/// What becomes of a local time that comes twice, because clocks were put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Repeat {
    /// The first of the two.
    #[default]
    First,
    /// The second of the two.
    Last,
    /// Both.
    Both,
}

/// What becomes of local times that are skipped or repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    /// Those that do not exist.
    pub gap: Gap,
    /// Those that come twice.
    pub repeat: Repeat,
}

/// What the clock did to a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Nothing.
    Plain,
    /// The local time that was meant does not exist.
    Shifted {
        /// It.
        meant: DateTime,
    },
    /// The local time comes twice, and this is the first.
    First,
    /// The local time comes twice, and this is the second.
    Second,
}

/// No clock is put forward or back by more (Pacific/Apia skipped a day in 2011).
pub(super) const MOST: SignedDuration = SignedDuration::from_hours(25);

/// What a local time stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instants {
    One(Timestamp),
    /// It does not exist; this is later by as much as clocks were put forward.
    None(Timestamp),
    Two(Timestamp, Timestamp),
}

/// What a local time stands for in a zone.
pub(super) fn instants(zone: &TimeZone, local: DateTime) -> Instants {
    let holds = "years are bounded far inside of what instants can be";
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            Instants::One(offset.to_timestamp(local).expect(holds))
        }
        AmbiguousOffset::Gap { before, .. } => {
            Instants::None(before.to_timestamp(local).expect(holds))
        }
        AmbiguousOffset::Fold { before, after } => Instants::Two(
            before.to_timestamp(local).expect(holds),
            after.to_timestamp(local).expect(holds),
        ),
    }
}

/// The one instant of a local time for something that is to happen once; `None` where it does not exist
/// and is not to be shifted.
pub(super) fn once(zone: &TimeZone, local: DateTime, policy: Policy) -> Option<(Timestamp, Clock)> {
    match (instants(zone, local), policy.repeat) {
        (Instants::One(at), _) => Some((at, Clock::Plain)),
        (Instants::None(at), _) => {
            (policy.gap == Gap::Shift).then_some((at, Clock::Shifted { meant: local }))
        }
        (Instants::Two(first, _), Repeat::First | Repeat::Both) => Some((first, Clock::First)),
        (Instants::Two(_, last), Repeat::Last) => Some((last, Clock::Second)),
    }
}

/// Whether no clock of the zone is put forward or back near an instant.
pub(super) fn is_calm(zone: &TimeZone, at: Timestamp) -> bool {
    let offset = zone.to_offset(at);
    let near = [at.saturating_sub(MOST), at.saturating_add(MOST)];
    near.into_iter()
        .all(|near| near.is_ok_and(|near| zone.to_offset(near) == offset))
}
