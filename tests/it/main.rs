//! Whole runs and the binary: one test program, a module per subject.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says by panicking")]

#[macro_use]
#[path = "../../src/store/conformance/store_but.rs"]
mod store_but;

mod aborted;
mod asked;
mod binary;
mod calls;
mod crash;
mod damage;
mod emergency;
mod fuzz;
mod golden;
mod inherited;
mod lab;
mod lease_model;
mod machine;
mod process;
mod properties;
mod share;
mod simulation;
mod stale_model;
mod standbys;
mod there_and_back;
mod waiting;
