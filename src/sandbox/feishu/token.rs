//! Tokens: issuing them and the gate that every other call passes.
//!
//! Sources: the pages on the tenant access token of a self-built app and on common error codes.
//! Scopes are not played: every app of the sandbox holds all of them.

use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

use super::Call;
use super::check::Fields;
use super::envelope::{Failure, Refusal, Success};
use crate::sandbox::world::{Moment, WorldError};

const LIFE_MS: i64 = 7_200_000;

/// With so much life left the same token is given again; with less a new one, and both work.
const RENEWED_BELOW_MS: i64 = 1_800_000;

/// `getTenantAccessTokenInternal`. Its failures come with HTTP 200.
pub(super) fn issue(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let bad = || Refusal::new(200, 10003, "invalid param");
    let fields = Fields::of_body(call.body, 10003).map_err(|_| bad())?;
    let text = |name| match fields.value(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        _ => Err(bad()),
    };
    let (app_id, given) = (text("app_id")?, text("app_secret")?);
    if !app_id.starts_with("cli_") {
        return Err(bad().into());
    }
    let secret: Option<String> = moment
        .sql()
        .prepare_cached("SELECT app_secret FROM apps WHERE app_id = ?1")?
        .query_row([app_id], |row| row.get(0))
        .optional()?;
    match secret {
        None => return Err(Refusal::new(200, 10014, "app not found").into()),
        Some(secret) if secret != given => {
            return Err(Refusal::new(200, 10015, "app secret invalid").into());
        }
        Some(_) => {}
    }
    let (token, expires_ms) = match longest_lived(moment, app_id)? {
        Some(kept) => kept,
        None => new_token(moment, app_id)?,
    };
    Ok(Success::Top(json!({
        "tenant_access_token": token,
        "expire": (expires_ms - moment.now_ms) / 1000,
    })))
}

fn longest_lived(moment: &Moment<'_>, app: &str) -> Result<Option<(String, i64)>, WorldError> {
    Ok(moment
        .sql()
        .prepare_cached(
            "SELECT token, expires_ms FROM tokens
             WHERE app_id = ?1 AND expires_ms >= ?2 ORDER BY expires_ms DESC LIMIT 1",
        )?
        .query_row(params![app, moment.now_ms + RENEWED_BELOW_MS], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?)
}

fn new_token(moment: &Moment<'_>, app: &str) -> Result<(String, i64), WorldError> {
    let token = format!("t-{}", uuid::Uuid::new_v4().simple());
    let expires_ms = moment.now_ms + LIFE_MS;
    moment
        .sql()
        .execute("DELETE FROM tokens WHERE expires_ms <= ?1", [moment.now_ms])?;
    moment.sql().execute(
        "INSERT INTO tokens VALUES (?1, ?2, ?3)",
        params![token, app, expires_ms],
    )?;
    Ok((token, expires_ms))
}

/// The app that calls, or the gate's refusal, which comes before any effect.
pub(super) fn admit(authorization: Option<&str>, moment: &Moment<'_>) -> Result<String, Failure> {
    let token = bearer(authorization).ok_or_else(|| {
        Refusal::new(
            400,
            99991661,
            "Missing access token for authorization. Please make a request with token attached.",
        )
    })?;
    if token.starts_with("u-") {
        return Err(Refusal::new(400, 99991668, "Invalid access token for authorization.").into());
    }
    if !token.starts_with("t-") {
        return Err(Refusal::new(
            400,
            99991671,
            "Invalid access token for authorization. The token must start with t- or u-.",
        )
        .into());
    }
    moment
        .sql()
        .prepare_cached("SELECT app_id FROM tokens WHERE token = ?1 AND expires_ms > ?2")?
        .query_row(params![token, moment.now_ms], |row| row.get(0))
        .optional()?
        .ok_or_else(|| {
            Refusal::new(
                400,
                99991663,
                "Invalid access token for authorization. Please make a request with token attached.",
            )
            .into()
        })
}

/// Ends the token of a call, as if its life were over.
pub(super) fn revoke(authorization: Option<&str>, moment: &Moment<'_>) -> Result<(), WorldError> {
    if let Some(token) = bearer(authorization) {
        moment
            .sql()
            .execute("DELETE FROM tokens WHERE token = ?1", [token])?;
    }
    Ok(())
}

fn bearer(authorization: Option<&str>) -> Option<&str> {
    authorization?
        .strip_prefix("Bearer ")
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Leaves every token so many seconds to live; none ends them.
pub(in crate::sandbox) fn expire_all(moment: &Moment<'_>, seconds: i64) -> Result<(), WorldError> {
    moment.sql().execute(
        "UPDATE tokens SET expires_ms = ?1",
        [moment.now_ms + seconds.saturating_mul(1000)],
    )?;
    Ok(())
}

/// Makes an app known, or gives a known one another secret.
pub(in crate::sandbox) fn register(
    moment: &Moment<'_>,
    app_id: &str,
    app_secret: &str,
) -> Result<(), WorldError> {
    moment.sql().execute(
        "INSERT INTO apps VALUES (?1, ?2)
         ON CONFLICT (app_id) DO UPDATE SET app_secret = excluded.app_secret",
        [app_id, app_secret],
    )?;
    Ok(())
}

/// The known apps.
pub(in crate::sandbox) fn apps(moment: &Moment<'_>) -> Result<Vec<String>, WorldError> {
    let mut statement = moment
        .sql()
        .prepare_cached("SELECT app_id FROM apps ORDER BY rowid")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
