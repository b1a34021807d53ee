//! The ways by which alarms come in.
//!
//! Each way reads what it is sent, makes sure of the sender, and hands an [`Arrival`] to whoever
//! decides. None decides anything itself, and none tells its sender "taken" before the decision is
//! on disk: until then the sender must keep the message, for it is the only one who has it.

pub mod http;

use crate::alarm::Signal;
use tokio::sync::oneshot;

/// A message that waits for what becomes of it. Its sender hears only once the decision is on disk.
#[derive(Debug)]
pub struct Arrival {
    /// What came.
    pub signal: Signal,
    /// True: decided, on disk. False or dropped: it must be delivered again.
    pub settled: oneshot::Sender<bool>,
}
