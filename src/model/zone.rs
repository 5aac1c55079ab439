//! Time zones, by the data that is part of the binary.
//!
//! # Guarantees
//!
//! - What a machine has installed decides nothing: the same manifest fires at the same instants everywhere.
//!   `clippy.toml` refuses the functions that ask the machine.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Every zone.
pub static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of the days that DingTalk counts.
pub static SHANGHAI: LazyLock<TimeZone> = LazyLock::new(|| {
    ZONES
        .get("Asia/Shanghai")
        .expect("it is in the bundled data")
});
