//! The stale executor: a process that was slow between its look and its send must not overwrite what
//! somebody else decided meanwhile.
//!
//! An intent follows its look within moments; where it does not (a disk that stalls, a machine that
//! slept), the target is looked at once more right before the send. What was changed otherwise than we
//! wanted is not sent over. The window that stays is one request's way: no provider of ours takes a
//! condition with a change.

use crate::{
    clock::{Clock, Span},
    driver::{Look, look_within},
    world::{Class, Effect, Landed, Seen, Sight},
};

/// A look that is older than this at the send is not relied on.
const FRESH: Span = Span::secs(3);

/// Whether somebody else changed an effect's target since it was looked at. What does not answer
/// delays nothing: it is sent, as it would have been.
pub(super) async fn overtaken(look: &dyn Look, clock: &dyn Clock, effect: &Effect, before: &Sight) -> bool {
    let tells = matches!(effect.class(), Class::Desired | Class::Observable);
    let known = !matches!(before.seen, Seen::Unknown { .. });
    if !tells || !known || clock.now().since(before.at) <= FRESH {
        return false;
    }
    let now = look_within(look, clock, std::slice::from_ref(&effect.target), FRESH).await;
    now.iter().any(|now| effect.happened(&before.seen, &now.seen) == Landed::Superseded)
}
