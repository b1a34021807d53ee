//! Everything that people and programs read of lifeboat: diagnostics, plans, the screen of a run,
//! its closing report, its journal in words.
//!
//! Invariants: this layer can ask and show, never change; it knows neither engine nor store nor
//! drivers. Plan, run and journal use the same words ([`words`], [`change`]). Every text is complete
//! without colour and at 60 columns, and whatever a person is shown is in the JSON form too. Nothing
//! here prints by itself: texts go to the writer they are given, or to the [`screen`].

pub mod change;
pub mod checkup;
pub mod commands;
pub mod diagnostic;
pub mod doctor;
pub mod json;
pub mod notes;
pub mod page;
pub mod permissions;
pub mod plan;
pub mod progress;
pub mod runs;
pub mod screen;
pub mod seen;
pub mod show;
pub mod simulated;
pub mod status;
pub mod summary;
pub mod text;
pub mod words;

#[cfg(test)]
mod sample;

pub use commands::Commands;
pub use page::{Page, Tone};
pub use progress::Progress;

/// The version of every JSON form that this layer writes. Names are only ever added within one
/// version. History: 1, the first.
pub const SCHEMA: u32 = 1;
