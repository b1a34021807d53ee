//! Starting without people: what alarms say, what the policies of runbooks make of it, and what was
//! decided, as a book of notes.
//!
//! In order, whatever comes in:
//!
//! 1. Signals arrive, or time passes. The notes that other watchers wrote meanwhile are folded first.
//! 2. Each trigger that it concerns is weighed ([`weigh`]): which of its witnesses speak for a failover,
//!    by what is known and, before anything begins, by looking again.
//! 3. [`decide`] says what becomes of it: nothing, hold, prevented, begin. Pure: no I/O, no chance.
//! 4. What came in and what was decided of it is written into the book in one commit, on the condition
//!    that nobody wrote meanwhile; else it is decided anew on what they wrote. Only then is a message
//!    let go of.
//! 5. A failover that was decided and did not begin yet is begun by whoever reads that it is: the
//!    watcher that decided it, or after its end another. Its run names the note that decided it, and
//!    begins under the runbook's lease: so it begins once.
//!
//! A trigger acts on a change: once it has begun a run, or was prevented from it, it must have been
//! untrue before it acts again.

mod decide;
mod draft;
mod keeper;
mod ledger;
#[cfg(test)]
mod tests;
mod weigh;

pub use decide::{Against, decide};
pub use keeper::{Eyes, Keeper, Policies, Start, id_of};
pub use ledger::{Brake, Known, Ledger, Pending, Standing, Withdrawn};
pub use weigh::{Looked, Seen, Weighed, weigh};
