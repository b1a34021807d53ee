//! Over the wire: the drivers, and the product above them, against the AWS double (`tests/double`).
//!
//! A test builds its [`world::Wire`]: an account of its own in the one double of this process, the two
//! Regions of `runbooks/warm-standby.yaml` in it, and a proxy in front that records every call and
//! can spoil it. What became of the world a [`witness`] tells, who asks the double past the proxy.
//! Nothing here waits for time: a test that needs a limit to pass lets tokio's time pass.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says by panicking")]

#[macro_use]
#[path = "../../src/store/conformance/store_but.rs"]
mod store_but;

mod alarms;
mod binary;
mod by_hand;
mod doctor;
mod double;
mod environment;
mod faults;
mod flows;
mod foreseen;
mod gone;
mod http;
mod kills;
mod lab;
mod looks;
mod machines;
mod many;
mod names;
mod others;
mod permits;
mod postgres;
mod proxy;
mod records;
mod runbook;
mod runs;
mod sends;
#[path = "../it/share.rs"]
mod share;
mod short;
mod stale;
mod strangers;
mod tower;
mod watch;
mod ways;
mod web;
mod witness;
mod world;
