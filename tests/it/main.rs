//! Whole runs and the binary: one test program, a module per subject.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says by panicking")]

mod aborted;
mod binary;
mod crash;
mod emergency;
mod fuzz;
mod inherited;
mod lab;
mod lease_model;
mod process;
mod properties;
mod standbys;
mod there_and_back;
mod waiting;
