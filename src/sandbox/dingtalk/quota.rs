//! The calls that an organisation has in a calendar month, in Shanghai.
//!
//! Where the pages are silent: all apps share them, and a call is counted when it has passed the
//! limits per second, whatever it comes to. As a rate limit it holds only where the limits do.

use rusqlite::{OptionalExtension, params};

use crate::sandbox::people::Tenant;
use crate::sandbox::world::{Moment, WorldError};

/// What stands for the organisation and the month where the world counts calls.
const ORGANISATION: &str = "dingtalk";
const MONTH: &str = "month";

const SHANGHAI: jiff::tz::Offset = jiff::tz::offset(8);

/// Counts a call, unless the month has had all of its calls.
pub(super) fn count(moment: &Moment<'_>) -> Result<bool, WorldError> {
    let began_ms = month_of(moment.now_ms);
    let calls: Option<i64> = moment
        .sql()
        .query_row(
            "SELECT calls FROM rates WHERE app_id = ?1 AND operation = ?2 AND since_ms = ?3",
            params![ORGANISATION, MONTH, began_ms],
            |row| row.get(0),
        )
        .optional()?;
    let calls = calls.unwrap_or(0);
    if calls >= Tenant::of(moment)?.calls_a_month {
        return Ok(false);
    }
    moment.sql().execute(
        "INSERT OR REPLACE INTO rates VALUES (?1, ?2, 0, ?3, ?4)",
        params![ORGANISATION, MONTH, began_ms, calls + 1],
    )?;
    Ok(true)
}

/// The first instant of the month.
fn month_of(now_ms: i64) -> i64 {
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let first = SHANGHAI.to_datetime(now).date().first_of_month();
    let began = SHANGHAI.to_timestamp(first.to_datetime(jiff::civil::Time::midnight()));
    began.map_or(0, |at| at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_in_shanghai() {
        for (now, began) in [
            ("2030-01-31T15:59:59Z", "2029-12-31T16:00:00Z"),
            ("2030-01-31T16:00:00Z", "2030-01-31T16:00:00Z"),
        ] {
            let [now, began] = [now, began].map(|text| {
                let at: jiff::Timestamp = text.parse().unwrap();
                at.as_millisecond()
            });
            assert_eq!(month_of(now), began);
        }
    }
}
