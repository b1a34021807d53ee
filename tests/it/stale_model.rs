//! The stale executor, every interleaving of it: one process that looks, decides, may stand still for
//! any time, and writes; and somebody else who writes a newer plan to the same record whenever they like.
//! Its answer may be lost, before the write or after it, and then it does not know.
//!
//! What is assumed, and no more: no provider takes a condition with a write, so a write that leaves right
//! after a look cannot be stopped any more; it arrives at most [`WAY`] after it left, or not at all.
//!
//! What is held: who writes over somebody else's newer plan looked at most [`WINDOW`] before that write
//! arrived. A slow executor does not (that is how us-east-1's DNS was lost in October 2025).
//!
//! [`WHOLE`] is what `engine::late` and settling do; each other variant lacks one part of it and must fail.

use stateright::{Checker, HasDiscoveries, Model, Property};

/// A look that is older at the send is not relied on.
const FRESH: u8 = 1;
/// How long a write is on its way at most.
const WAY: u8 = 1;
/// What no provider lets us close.
const WINDOW: u8 = FRESH + WAY;
/// When the model ends.
const END: u8 = 7;
/// How often the executor may be asked to try again by what it finds.
const SENDS: u8 = 2;

#[derive(Clone, Copy)]
struct Executor {
    /// Whoever was slow looks once more right before it sends.
    looks_again: bool,
    /// Who does not know whether it wrote looks, and stops where somebody else's plan is there.
    settles: bool,
}

const WHOLE: Executor = Executor { looks_again: true, settles: true };

/// What the record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Plan {
    Old,
    Ours,
    /// Somebody else's, newer than what we looked at, since then.
    Newer(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Begins,
    /// It has looked then and intends; here it may stand still.
    Intended(u8),
    /// Its write left then.
    Sent(u8),
    /// No answer came.
    InDoubt,
    Done,
    /// It stops and says why: people decide.
    Superseded,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    record: Plan,
    executor: Stage,
    sends: u8,
    /// A newer plan was overwritten that had been there for longer than the window.
    overwritten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Look,
    Leave,
    Arrive { answered: bool },
    Lose,
    Settle,
    Other,
}

impl State {
    fn newer(&self) -> bool {
        matches!(self.record, Plan::Newer(_))
    }

    fn write(&mut self) {
        if let Plan::Newer(since) = self.record {
            self.overwritten |= self.now - since > WINDOW;
        }
        self.record = Plan::Ours;
    }
}

impl Model for Executor {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { now: 0, record: Plan::Old, executor: Stage::Begins, sends: 0, overwritten: false }]
    }

    fn actions(&self, state: &State, all: &mut Vec<Action>) {
        if state.now < END {
            all.push(Action::Tick);
        }
        if !state.newer() && state.executor != Stage::Done {
            all.push(Action::Other);
        }
        match state.executor {
            Stage::Begins => all.push(Action::Look),
            Stage::Intended(_) => all.push(Action::Leave),
            Stage::Sent(at) if state.now <= at + WAY => {
                all.extend([Action::Arrive { answered: true }, Action::Arrive { answered: false }, Action::Lose]);
            }
            Stage::Sent(_) => all.push(Action::Lose),
            Stage::InDoubt => all.push(Action::Settle),
            Stage::Done | Stage::Superseded => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Other => next.record = Plan::Newer(next.now),
            // What somebody else wanted before we looked is what we change from, and people saw it in the plan.
            Action::Look => {
                next.executor = Stage::Intended(next.now);
                next.record = if next.newer() { Plan::Old } else { next.record };
            }
            Action::Leave => next.executor = self.leaves(last),
            Action::Arrive { answered } => {
                next.write();
                next.executor = if answered { Stage::Done } else { Stage::InDoubt };
            }
            Action::Lose => next.executor = Stage::InDoubt,
            Action::Settle => next.executor = self.settled(last),
        }
        next.sends += u8::from(matches!(next.executor, Stage::Sent(_)) && action == Action::Leave);
        (next.sends <= SENDS).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEWER, |_, state: &State| !state.overwritten),
            Property::sometimes("it stops and says why", |_, state: &State| state.executor == Stage::Superseded),
            Property::sometimes("its change is made", |_, state: &State| state.executor == Stage::Done),
        ]
    }
}

const NEWER: &str = "a newer plan is not overwritten by a slow executor";

impl Executor {
    fn leaves(self, state: &State) -> Stage {
        let Stage::Intended(looked) = state.executor else { return state.executor };
        let slow = state.now - looked > FRESH;
        if self.looks_again && slow && state.newer() { Stage::Superseded } else { Stage::Sent(state.now) }
    }

    /// Looks, once its write cannot arrive any more.
    fn settled(self, state: &State) -> Stage {
        match state.record {
            _ if !self.settles => Stage::Intended(state.now),
            Plan::Ours => Stage::Done,
            Plan::Newer(_) => Stage::Superseded,
            Plan::Old => Stage::Intended(state.now),
        }
    }
}

#[test]
fn a_slow_executor_never_overwrites_a_newer_plan() {
    WHOLE.checker().spawn_bfs().join().assert_properties();
}

fn overwrites(variant: Executor) {
    let checked = variant.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checked.assert_any_discovery(NEWER);
}

#[test]
fn without_another_look_a_slow_executor_overwrites_a_newer_plan() {
    overwrites(Executor { looks_again: false, ..WHOLE });
}

#[test]
fn without_settling_who_does_not_know_whether_it_wrote_overwrites_a_newer_plan() {
    overwrites(Executor { settles: false, ..WHOLE });
}
