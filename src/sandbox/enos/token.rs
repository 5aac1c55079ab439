//! The token service. Until it expires, a fetch gives the same token with what is left of its life.

use rusqlite::params;
use serde_json::{Value, json};

use super::{Call, Failure, sign};
use crate::sandbox::tokens;
use crate::sandbox::world::{Moment, WorldError};

/// What stands before an app's id where the world keeps its tokens of this vendor.
const HOLDER: &str = "enos:";

const LIFE_MS: i64 = 7_200_000;

/// `getAccessToken`.
pub(super) fn get(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let holder = format!("{HOLDER}{}", known_app(call, moment)?);
    let (token, expires_ms) = match tokens::living(&holder, moment)? {
        Some(living) => living,
        None => {
            let token = uuid::Uuid::new_v4().simple().to_string();
            tokens::grant(&holder, &token, LIFE_MS, moment)?;
            (token, moment.now_ms + LIFE_MS)
        }
    };
    Ok(json!({"accessToken": token, "expire": (expires_ms - moment.now_ms) / 1000}))
}

/// `refreshAccessToken`: gives a living token its whole life again.
pub(super) fn refresh(call: &Call<'_>, moment: &Moment<'_>) -> Result<Value, Failure> {
    let token = call.text("accessToken").ok_or(Failure::Refused(1202))?;
    let holder = format!("{HOLDER}{}", known_app(call, moment)?);
    match tokens::holder(token, moment)? {
        Some(owner) if owner == holder => {
            tokens::grant(&holder, token, LIFE_MS, moment)?;
            Ok(json!({"accessToken": token, "expire": LIFE_MS / 1000}))
        }
        Some(_) => Err(Failure::Refused(1204)),
        None => Err(Failure::Refused(1203)),
    }
}

/// The app that knows its secret, and says so for the first time in these words.
fn known_app<'c>(call: &'c Call<'_>, moment: &Moment<'_>) -> Result<&'c str, Failure> {
    let app = call.text("appKey").ok_or(Failure::Refused(1202))?;
    let encryption = call.text("encryption").ok_or(Failure::Refused(1202))?;
    let timestamp = match call.body.get("timestamp") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(digits)) => digits.clone(),
        None | Some(Value::Null) => return Err(Failure::Refused(1202)),
        Some(_) => return Err(Failure::Refused(1004)),
    };
    if !sign::is_millis(&timestamp) {
        return Err(Failure::Refused(1004));
    }
    let secret = tokens::secret_of(app, moment)?.ok_or(Failure::Refused(1002))?;
    if encryption != sign::token_encryption(app, &timestamp, &secret) {
        return Err(Failure::Refused(1003));
    }
    let first = moment
        .sql()
        .execute(
            "INSERT OR IGNORE INTO once VALUES ('enos_encryption', ?1, ?2, '', ?3)",
            params![app, encryption, moment.now_ms],
        )
        .map_err(WorldError::from)?;
    if first == 0 {
        return Err(Failure::Refused(1001));
    }
    Ok(app)
}

/// The app that holds a token, and its secret. `revoked` ends the token first.
pub(super) fn admit(
    token: &str,
    revoked: bool,
    moment: &Moment<'_>,
) -> Result<(String, String), Failure> {
    if revoked {
        tokens::revoke(token, moment)?;
    }
    let holder = tokens::holder(token, moment)?;
    let app = holder
        .as_deref()
        .and_then(|holder| holder.strip_prefix(HOLDER));
    let app = app.ok_or(Failure::Refused(1203))?;
    let secret = tokens::secret_of(app, moment)?.ok_or(Failure::Refused(1203))?;
    Ok((app.to_owned(), secret))
}
