//! The three ways to a token, and the gate. A fetch within its life gives the same one and extends it.

use serde_json::{Value, json};

use super::{Call, Failure, Success};
use crate::sandbox::tokens;
use crate::sandbox::world::{Moment, WorldError};

/// What stands before an app's id where the world keeps its tokens of this vendor.
pub(super) const HOLDER: &str = "dingtalk:";

const LIFE_MS: i64 = 7_200_000;

/// `getTokenLegacy`: reads the query alone.
pub(super) fn legacy(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let (Some(key), Some(secret)) = (call.parameter("appkey"), call.parameter("appsecret")) else {
        return Err(Failure::Refused(40035));
    };
    match token_for(key, secret, moment)? {
        Some(token) => Ok(Success::Top(
            json!({"access_token": token, "expires_in": LIFE_MS / 1000}),
        )),
        None => Err(Failure::Refused(40096)),
    }
}

/// `getAccessToken`: the newer way, whose token serves the older calls too.
pub(super) fn issue(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let text = |name| {
        call.body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match token_for(text("appKey"), text("appSecret"), moment)? {
        Some(token) => Ok(Success::Bare(
            json!({"accessToken": token, "expireIn": LIFE_MS / 1000}),
        )),
        None => Err(Failure::Api(400, "invalidClientIdOrSecret")),
    }
}

/// `getTokenUnified`: any corp id is the sandbox's own.
pub(super) fn unified(call: &Call<'_>, moment: &Moment<'_>) -> Result<Success, Failure> {
    let text = |name| {
        call.body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if text("grant_type") != "client_credentials" {
        return Err(Failure::Api(400, "unsupported.grant.type"));
    }
    match token_for(text("client_id"), text("client_secret"), moment)? {
        Some(token) => Ok(Success::Bare(
            json!({"access_token": token, "expires_in": LIFE_MS / 1000}),
        )),
        None => Err(Failure::Api(400, "invalid.client")),
    }
}

fn token_for(key: &str, secret: &str, moment: &Moment<'_>) -> Result<Option<String>, WorldError> {
    if tokens::secret_of(key, moment)?.is_none_or(|known| known != secret) {
        return Ok(None);
    }
    let holder = format!("{HOLDER}{key}");
    let token = match tokens::living(&holder, moment)? {
        Some((token, _)) => token,
        None => uuid::Uuid::new_v4().simple().to_string(),
    };
    tokens::grant(&holder, &token, LIFE_MS, moment)?;
    Ok(Some(token))
}

/// Whose token it is. `revoked` ends it first, as if its life were over.
pub(super) fn holder(
    token: Option<&str>,
    revoked: bool,
    moment: &Moment<'_>,
) -> Result<String, Failure> {
    let token = token.ok_or(Failure::Refused(41001))?;
    if token.is_empty() {
        return Err(Failure::Refused(40000));
    }
    if revoked {
        tokens::revoke(token, moment)?;
    }
    tokens::holder(token, moment)?
        .filter(|holder| holder.starts_with(HOLDER))
        .ok_or(Failure::Refused(40014))
}

/// The same on the newer host, which reads one header and refuses in its own words.
pub(super) fn holder_in_header(
    token: Option<&str>,
    revoked: bool,
    moment: &Moment<'_>,
) -> Result<String, Failure> {
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or(Failure::Api(400, "AuthenticationFailed.MissingParameter"))?;
    holder(Some(token), revoked, moment).map_err(|failure| match failure {
        Failure::Refused(_) => Failure::Api(400, "InvalidAuthentication"),
        other => other,
    })
}
