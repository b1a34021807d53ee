//! lifeboat executes failover and failback runbooks, durably.
//!
//! A runbook (YAML) becomes a plan, a plan becomes a run, and a run is a journal of events that
//! any later process can take up. Read the modules in the order they stand here: each imports only
//! those above it (`tests/layers.rs` holds the table).
//!
//! What is absent on purpose:
//! - `alarm` cannot look or act: it reads what came and believes nobody by itself.
//! - `intake` cannot decide: it hands an alarm on, and tells its sender "taken" once that is decided.
//! - `plan`, `action` and `check` cannot look or send: they stand above the drivers.
//! - `engine` cannot read a runbook: it runs sealed plans.
//! - `view` cannot reach the engine, the store or a driver: it can ask, not change.
//! - `driver` and `sandbox` cannot write events: they cannot claim that something happened.
//! - `simulation` cannot reach the real world: it knows no driver but the sandbox.

mod both;
pub mod ids;
pub mod clock;
pub mod alarm;
pub mod intake;
pub mod diagnostic;
pub mod model;
pub mod world;
pub mod action;
pub mod runbook;
pub mod syntax;
pub mod check;
pub mod plan;
pub mod event;
pub mod store;
pub mod watch;
pub mod driver;
pub mod sandbox;
pub mod engine;
pub mod simulation;
pub mod view;
pub mod cli;
