//! AWS, through its SDK for Rust.
//!
//! [`Eyes`] look and [`Hand`] sends; each has clients of its own, one set a site. Those of the eyes
//! retry, and refuse any operation that is not on their list of reads (`access`). Those of the hand
//! never retry: what a lost answer means is for the engine to settle. Every call is limited in time,
//! and paced by a token bucket a service, Region and account that lets changes go first (`pace`).
//! What an error means, to a look and to a send, is said in one place (`errors`).
//!
//! One describe serves all targets of a service and Region: a look is handed over whole, split by
//! site and question, and each question is asked once. What looks need beside them is remembered for a
//! while (`lately`, `addresses`, `zones`).
//!
//! Beside them stand [`Outposts`]: where alarms are heard and people are told, by ARNs and addresses
//! that need not be of any site. They are asked by `alarms` and `topic`, and lead to a [`Queue`].
//!
//! Regions come from the runbook alone, credentials from the standard chain; a site's `role_arn` is
//! assumed in the site's own Region, so that nothing depends on the Region that is gone.

mod access;
mod addresses;
mod alarms;
mod autoscaling;
mod databases;
mod errors;
mod eyes;
mod hand;
mod identity;
mod instance;
mod lag;
mod machines;
mod outposts;
mod pace;
mod queue;
mod records;
mod topic;
mod trial;
mod zones;

pub use access::Premises;
pub use alarms::AlarmSight;
pub use eyes::Eyes;
pub use hand::Hand;
pub use identity::{Caller, Met, Stranger};
pub use outposts::Outposts;
pub use pace::Pace;
pub use queue::{Kept, NoQueue, Queue, Received};
pub use trial::Tried;
