//! Rate limits, counted in the world so that all processes on it share them.
//!
//! The vendor publishes the figures and not the windows; these are fixed windows that begin with
//! the first call, which is the harshest reading of "100 in a minute".

use rusqlite::{OptionalExtension, params};

use super::world::{Moment, WorldError};

/// A published tier of the vendor's page on frequency control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) per_minute: Option<u32>,
    pub(super) per_second: Option<u32>,
}

/// Tier 3: 100 a minute.
pub(super) const TIER_3: Tier = Tier {
    per_minute: Some(100),
    per_second: None,
};

/// Tier 4: 1000 a minute and 50 a second.
pub(super) const TIER_4: Tier = Tier {
    per_minute: Some(1000),
    per_second: Some(50),
};

/// No published figure.
pub(super) const NO_TIER: Tier = Tier {
    per_minute: None,
    per_second: None,
};

/// A call too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    pub(super) limit: u32,
    /// Whole seconds until the window ends.
    pub(super) reset_seconds: i64,
}

/// Counts a call of that app, or says that it is one too many. Either window trips.
pub(super) fn admit(
    moment: &Moment<'_>,
    app: &str,
    operation: &str,
    tier: Tier,
) -> Result<Option<Throttled>, WorldError> {
    let windows = [(60_000, tier.per_minute), (1_000, tier.per_second)];
    for (span_ms, limit) in windows {
        let Some(limit) = limit else { continue };
        let open: Option<(i64, u32)> = moment
            .sql()
            .prepare_cached(
                "SELECT since_ms, calls FROM rates
                 WHERE app_id = ?1 AND operation = ?2 AND span_ms = ?3 AND since_ms > ?4",
            )?
            .query_row(
                params![app, operation, span_ms, moment.now_ms - span_ms],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (since_ms, calls) = open.unwrap_or((moment.now_ms, 0));
        if calls >= limit {
            let left_ms = since_ms + span_ms - moment.now_ms;
            return Ok(Some(Throttled {
                limit,
                reset_seconds: (left_ms + 999) / 1000,
            }));
        }
        moment
            .sql()
            .prepare_cached("INSERT OR REPLACE INTO rates VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![app, operation, span_ms, since_ms, calls + 1])?;
    }
    Ok(None)
}
