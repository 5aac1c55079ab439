//! Tokens of DingTalk and EnOS, in the world's table of tokens. A holder is an app at one vendor.

use rusqlite::{OptionalExtension, params};

use super::world::{Moment, WorldError};

/// The secret of a known app.
pub(super) fn secret_of(app: &str, moment: &Moment<'_>) -> Result<Option<String>, WorldError> {
    Ok(moment
        .sql()
        .prepare_cached("SELECT app_secret FROM apps WHERE app_id = ?1")?
        .query_row([app], |row| row.get(0))
        .optional()?)
}

/// The holder's living token and when it ends.
pub(super) fn living(
    holder: &str,
    moment: &Moment<'_>,
) -> Result<Option<(String, i64)>, WorldError> {
    Ok(moment
        .sql()
        .prepare_cached(
            "SELECT token, expires_ms FROM tokens
             WHERE app_id = ?1 AND expires_ms > ?2 ORDER BY expires_ms DESC LIMIT 1",
        )?
        .query_row(params![holder, moment.now_ms], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?)
}

/// Gives the holder a token with so long to live, or that life to a token that it has.
pub(super) fn grant(
    holder: &str,
    token: &str,
    life_ms: i64,
    moment: &Moment<'_>,
) -> Result<(), WorldError> {
    moment
        .sql()
        .execute("DELETE FROM tokens WHERE expires_ms <= ?1", [moment.now_ms])?;
    moment.sql().execute(
        "INSERT INTO tokens VALUES (?1, ?2, ?3)
         ON CONFLICT (token) DO UPDATE SET expires_ms = excluded.expires_ms",
        params![token, holder, moment.now_ms + life_ms],
    )?;
    Ok(())
}

/// Who holds that token, if it lives.
pub(super) fn holder(token: &str, moment: &Moment<'_>) -> Result<Option<String>, WorldError> {
    Ok(moment
        .sql()
        .prepare_cached("SELECT app_id FROM tokens WHERE token = ?1 AND expires_ms > ?2")?
        .query_row(params![token, moment.now_ms], |row| row.get(0))
        .optional()?)
}

/// Ends a token.
pub(super) fn revoke(token: &str, moment: &Moment<'_>) -> Result<(), WorldError> {
    moment
        .sql()
        .execute("DELETE FROM tokens WHERE token = ?1", [token])?;
    Ok(())
}
