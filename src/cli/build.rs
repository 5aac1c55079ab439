//! What is known of how this binary was built, as `build.rs` found it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::FORMAT_VERSION;

/// `version --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "beadle version")]
pub struct VersionJson {
    /// The version of this shape.
    pub format_version: u32,
    /// The version of beadle.
    pub version: String,
    /// The commit that it was built from, with `-modified` when files differed from it; null when it was not
    /// built in a checkout, or for debugging.
    pub commit: Option<String>,
    /// When that commit was made, or what `SOURCE_DATE_EPOCH` said, by RFC 3339.
    pub date: Option<String>,
    /// What it was built for, such as `x86_64-unknown-linux-musl`.
    pub target: Option<String>,
    /// How: `release` or `debug`.
    pub profile: Option<String>,
    /// The compiler.
    pub rustc: Option<String>,
}

/// The facts of this binary.
pub(super) fn facts() -> VersionJson {
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let epoch = env!("BEADLE_BUILD_EPOCH").parse().ok();
    let date = epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
    VersionJson {
        format_version: FORMAT_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: known(env!("BEADLE_BUILD_COMMIT")),
        date: date.map(|date| date.to_string()),
        target: known(env!("BEADLE_BUILD_TARGET")),
        profile: known(env!("BEADLE_BUILD_PROFILE")),
        rustc: known(env!("BEADLE_BUILD_RUSTC")),
    }
}
