//! To be written.

pub mod diagnostics;
pub mod load;
