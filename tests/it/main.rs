//! The integration tests, as one binary so that it links once.

mod sandbox;
mod sandbox_faults;
mod support {
    pub(crate) mod contract;
}
