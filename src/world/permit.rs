//! The permit: what a driver needs before it sends.

use crate::clock::BootInstant;

/// Proof that the intent of one effect is durable, and until when its holder may send it.
///
/// Its constructor is called in `store` alone (`tests/layers.rs` sees to it), by
/// `Journal::append` after the commit, so that "intent before effect" is a type and not a habit.
/// It can be used once: [`crate::driver::Act::send`] takes it by value.
#[derive(Debug)]
pub struct Permit {
    token: String,
    quiet: BootInstant,
    deadline: BootInstant,
}

impl Permit {
    /// For `store` alone: after the intent is durable.
    pub fn mint(token: String, quiet: BootInstant, deadline: BootInstant) -> Self {
        Self { token, quiet, deadline }
    }
    /// What makes the effect recognisable where the provider takes a token: the same for every send
    /// of one intent, different between intents.
    pub fn token(&self) -> &str {
        &self.token
    }
    /// The lease may be another's after this instant: nothing may be sent then.
    pub fn deadline(&self) -> BootInstant {
        self.deadline
    }
    /// Why nothing may be sent now; none: it may. Asked right before each send.
    pub fn forbids(&self, now: BootInstant) -> Option<&'static str> {
        if now >= self.deadline {
            return Some("the lease ran out before it was sent");
        }
        (now < self.quiet).then_some("the holder before this one may still send")
    }
}
