//! What moved outside, for readers: the shape, three renderers, and the diff that would accept it.

pub mod json;
pub(super) mod patch;
pub(super) mod render;
