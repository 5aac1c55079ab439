//! Infrastructure as code for workplace messaging.
//!
//! Text becomes a manifest, a manifest and what vendors hold become a plan, a plan becomes calls,
//! and calls are remembered in the ledger. Data flows that one way.
//!
//! # Map
//!
//! Three rings. The inner one decides and is pure: it has no `async`, no clock, no IO. The middle
//! one orders effects and knows neither HTTP nor SQL nor a terminal. The outer one has the effects.
//!
//! | ring | module | holds | may import |
//! |---|---|---|---|
//! | decides | [`model`] | what users declare, when it is due, and diagnostics about it | nothing of ours |
//! | decides | [`plan`] | what would change | model |
//! | orders | [`engine`] | the seams, refresh, apply, settle | model, plan |
//! | edge | [`vendors`] | clients of other people's APIs | engine, model, plan |
//! | edge | [`ledger`] | what we remember | engine, model, plan |
//! | edge | [`sandbox`] | the vendors' APIs, played by us | nothing of ours |
//! | edge | [`forge`] | the comment on a pull request | vendors, its HTTP client alone |
//! | edge | [`self_test`] | the proof: beadle driven through trouble, in the sandbox | sandbox |
//! | edge | [`cli`] | the terminal | everything |
//!
//! `tests/it/tidy.rs` reads the `use` lines and fails when an arrow points the wrong way.
//!
//! Start reading at `model::manifest`, then `plan::diff`, then `engine::apply`.

pub mod cli;
pub mod engine;
pub mod forge;
pub mod ledger;
pub mod model;
pub mod plan;
pub mod sandbox;
pub mod self_test;
pub mod vendors;
