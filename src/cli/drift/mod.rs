//! What moved outside, for readers: the shape, three renderers, and the diff that would accept it.

pub mod json;
pub mod patch;
pub(super) mod render;
