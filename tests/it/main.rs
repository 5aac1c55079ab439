//! The integration tests, as one binary so that it links once.

mod manifest;
mod manifest_cli;
mod manifest_tree;
