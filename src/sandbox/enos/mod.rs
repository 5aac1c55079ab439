//! EnOS, played as its documentation says.

mod records;

pub(super) use records::Org;
