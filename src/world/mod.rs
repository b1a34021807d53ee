//! What can be seen of production and what can be sent to it: data only, no I/O.
//!
//! A [`Target`] is looked at and gives a [`Sight`]; a [`World`] is a set of sights, be they real
//! (the engine's cache) or predicted (the plan's overlay): same type, same code. An [`Effect`] is
//! one wire call that changes something. It knows what a second send would mean ([`Class`]), how
//! long the world may still hide that it happened ([`Effect::dark`]), what it will lead to
//! ([`Effect::predict`]) and, from a sight before it and one after, whether it did
//! ([`Effect::happened`]).
//!
//! Absence, ignorance and silence are different values: `Seen::Absent` was looked for and is not
//! there, `Seen::Unknown` could not be looked at, and no sight at all means nobody looked.
//!
//! This module grows per service of a provider, not per action.

pub mod asg;
pub mod backup;
pub mod dns;
mod effect;
pub mod permission;
pub mod permit;
mod predict;
pub mod probe;
pub mod rds;
pub mod sfn;
mod target;

pub use effect::{ApiCall, Call, Class, Effect, Landed, Post, Receipt, Run};
pub use target::{FEW_NAMES, LATELY, Question, Seen, Sight, Target, What, World};
