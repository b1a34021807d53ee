//! The lease protocol, every interleaving of it: processes that claim, seize, renew, append, check
//! their deadline, are late, send, give back and die, in every order there is.
//!
//! What is assumed, and no more: all read one boot clock; an append is atomic and conditional on the
//! epoch; a dead process is known to be dead (its kernel lock is free); a send leaves at most [`LATE`]
//! after its check, or not at all. A process may stand still for any time anywhere else.
//!
//! What is held: no append and no send under an old epoch comes after one of a newer epoch. The sends
//! write one record each with the plan of their epoch, and the newest holder cleans up what older plans
//! left: that is how a delayed enactor and a cleanup emptied a record in October 2025.
//!
//! The protocol of `store` is [`WHOLE`]; each other variant lacks one part of it and must fail.

use stateright::{Checker, HasDiscoveries, Model, Property};

/// How long a lease lasts, in the model's time.
const LEASE: u8 = 2;
/// How long after its check a send may leave.
const LATE: u8 = 1;
/// How long after a lease's end its holder's sends are waited out.
const GRACE: u8 = LATE;
/// When the model ends.
const END: u8 = 6;
const PROCESSES: usize = 3;
/// How many leases are claimed or seized in all.
const EPOCHS: u8 = 3;

/// The protocol, part by part.
#[derive(Clone, Copy)]
struct Protocol {
    /// An append is refused where the epoch is not the newest.
    fenced: bool,
    /// The deadline is checked right before each send.
    checked: bool,
    /// Who seizes a lease waits until its old holder can send nothing more.
    waits: bool,
    /// And who comes after one that died while it waited does, too.
    waits_on: bool,
}

const WHOLE: Protocol = Protocol { fenced: true, checked: true, waits: true, waits_on: true };

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Process {
    Idle,
    Holds(Lease),
    Dead,
}

/// A lease as its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    epoch: u8,
    ends: u8,
    quiet: u8,
    stage: Stage,
}

/// How far a holder is with its one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Begins,
    /// Its intent is durable; the permit ends then.
    Intended(u8),
    /// Its permit held at that time; from here on it may stand still.
    Checked(u8),
    Sent,
}

/// The row of the lease, the journal's last epoch, and the world's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    processes: [Process; PROCESSES],
    /// The newest epoch, and which process has it.
    epoch: u8,
    holder: Option<usize>,
    ends: u8,
    quiet: u8,
    appended: u8,
    sent: u8,
    /// The plan that the record has; none: it is empty.
    record: Option<u8>,
    /// Something was appended, or sent, after a newer epoch's.
    stale: (bool, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Claim(usize),
    Seize(usize),
    Renew(usize),
    Append(usize),
    Check(usize),
    Send(usize),
    CleanUp(usize),
    Release(usize),
    Die(usize),
}

impl State {
    /// Whether the holder of the row is known to be dead.
    fn holder_is_dead(&self) -> bool {
        self.holder.is_some_and(|p| self.processes[p] == Process::Dead)
    }

    /// Until when a new holder is quiet.
    fn quiet_of_next(&self, by: Protocol) -> u8 {
        let before = if by.waits_on && self.holder.is_some() { self.quiet } else { self.now };
        match self.holder {
            Some(_) if !self.holder_is_dead() && by.waits => before.max(self.ends + GRACE),
            _ => before,
        }
    }

    fn take(&mut self, p: usize, by: Protocol) {
        let quiet = self.quiet_of_next(by);
        self.epoch += 1;
        (self.holder, self.ends, self.quiet) = (Some(p), self.now + LEASE, quiet);
        let lease = Lease { epoch: self.epoch, ends: self.ends, quiet, stage: Stage::Begins };
        self.processes[p] = Process::Holds(lease);
    }

    /// A send leaves: the record has the plan of that epoch, or none.
    fn send(&mut self, epoch: u8, record: Option<u8>) {
        self.stale.1 |= epoch < self.sent;
        (self.sent, self.record) = (self.sent.max(epoch), record);
    }

    /// A holder that is refused gives up.
    fn refused(&mut self, p: usize, epoch: u8, by: Protocol) -> bool {
        let refused = by.fenced && epoch != self.epoch;
        if refused {
            self.processes[p] = Process::Idle;
        }
        refused
    }

    fn on(&mut self, p: usize, mut lease: Lease, action: Action, by: Protocol) {
        let permitted = |now| !by.checked || now < lease.ends;
        match action {
            Action::Renew(_) | Action::Append(_) | Action::Release(_) if self.refused(p, lease.epoch, by) => return,
            Action::Renew(_) => {
                lease.ends = self.now + LEASE;
                if lease.epoch == self.epoch {
                    self.ends = lease.ends;
                }
            }
            Action::Append(_) => {
                self.stale.0 |= lease.epoch < self.appended;
                self.appended = self.appended.max(lease.epoch);
                lease.stage = Stage::Intended(lease.ends);
            }
            Action::Check(_) => {
                let Stage::Intended(until) = lease.stage else { return };
                let holds = lease.quiet <= self.now && (!by.checked || self.now < until);
                lease.stage = if holds { Stage::Checked(self.now) } else { Stage::Begins };
            }
            Action::Send(_) => {
                lease.stage = Stage::Sent;
                self.send(lease.epoch, Some(lease.epoch));
            }
            // Checked and sent in one; what comes late is `Send`'s matter.
            Action::CleanUp(_) if permitted(self.now) && self.record.is_some_and(|plan| plan < lease.epoch) => {
                self.send(lease.epoch, None);
            }
            Action::Release(_) => {
                if self.now >= lease.quiet && lease.epoch == self.epoch {
                    self.holder = None;
                }
                self.processes[p] = if self.holder == Some(p) { Process::Dead } else { Process::Idle };
                return;
            }
            Action::Die(_) => {
                self.processes[p] = Process::Dead;
                return;
            }
            Action::CleanUp(_) | Action::Tick | Action::Claim(_) | Action::Seize(_) => return,
        }
        self.processes[p] = Process::Holds(lease);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            processes: [Process::Idle; PROCESSES],
            epoch: 0,
            holder: None,
            ends: 0,
            quiet: 0,
            appended: 0,
            sent: 0,
            record: None,
            stale: (false, false),
        }]
    }

    fn actions(&self, state: &State, all: &mut Vec<Action>) {
        if state.now < END {
            all.push(Action::Tick);
        }
        // Idle processes are alike: the first stands for all.
        let first = state.processes.iter().position(|process| *process == Process::Idle);
        for (p, process) in state.processes.iter().enumerate() {
            match process {
                Process::Idle if state.epoch >= EPOCHS || first != Some(p) => {}
                Process::Idle if state.holder.is_none() || state.holder_is_dead() => all.push(Action::Claim(p)),
                Process::Idle => all.push(Action::Seize(p)),
                Process::Holds(lease) => {
                    all.extend([Action::Renew(p), Action::Release(p), Action::Die(p)]);
                    match lease.stage {
                        Stage::Begins => all.push(Action::Append(p)),
                        Stage::Intended(_) => all.push(Action::Check(p)),
                        Stage::Checked(at) if state.now <= at + LATE => all.push(Action::Send(p)),
                        Stage::Checked(_) => {}
                        Stage::Sent => all.push(Action::CleanUp(p)),
                    }
                }
                Process::Dead => {}
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Claim(p) | Action::Seize(p) => next.take(p, *self),
            Action::Renew(p)
            | Action::Append(p)
            | Action::Check(p)
            | Action::Send(p)
            | Action::CleanUp(p)
            | Action::Release(p)
            | Action::Die(p) => {
                let Process::Holds(lease) = next.processes[p] else { return None };
                next.on(p, lease, action, *self);
            }
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(APPENDS, |_, state: &State| !state.stale.0),
            Property::always(SENDS, |_, state: &State| !state.stale.1),
            Property::always(RECORD, |_, state: &State| state.sent == 0 || state.record.is_some()),
            Property::sometimes("a lease that was seized is used", |_, state: &State| state.sent == EPOCHS),
        ]
    }
}

const APPENDS: &str = "no event of an old epoch after one of a newer";
const SENDS: &str = "no send of an old epoch after one of a newer";
const RECORD: &str = "a record that was written is never empty again";

/// The same where one process wants its change made and acts whenever it can; another does what it
/// likes, stands still or dies.
struct Lively {
    /// It may take the lease of a holder that is not known to be dead.
    seizes: bool,
}

const SURVIVOR: usize = PROCESSES - 1;
const RIVAL: usize = 0;
/// When the rival has done its last.
const TROUBLE: u8 = 3;
const LIVELY_END: u8 = TROUBLE + LEASE + GRACE + 1;
const PROGRESS: &str = "who wants a change gets it made, a lease and a grace after the last trouble";

impl Lively {
    /// What the survivor does now; none: it can only wait.
    fn survivor(&self, state: &State) -> Option<Action> {
        match state.processes[SURVIVOR] {
            Process::Idle if state.holder.is_none() || state.holder_is_dead() => Some(Action::Claim(SURVIVOR)),
            Process::Idle => self.seizes.then_some(Action::Seize(SURVIVOR)),
            Process::Holds(lease) => match lease.stage {
                Stage::Begins if lease.quiet > state.now => None,
                Stage::Begins if lease.ends <= state.now => Some(Action::Renew(SURVIVOR)),
                Stage::Begins => Some(Action::Append(SURVIVOR)),
                Stage::Intended(_) => Some(Action::Check(SURVIVOR)),
                Stage::Checked(_) => Some(Action::Send(SURVIVOR)),
                Stage::Sent => None,
            },
            Process::Dead => None,
        }
    }
}

impl Model for Lively {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        WHOLE.init_states()
    }

    fn actions(&self, state: &State, all: &mut Vec<Action>) {
        let is_rivals = |action: &Action| match action {
            Action::Tick => false,
            Action::Claim(p)
            | Action::Seize(p)
            | Action::Renew(p)
            | Action::Append(p)
            | Action::Check(p)
            | Action::Send(p)
            | Action::CleanUp(p)
            | Action::Release(p)
            | Action::Die(p) => *p == RIVAL && state.now <= TROUBLE,
        };
        WHOLE.actions(state, all);
        all.retain(is_rivals);
        match self.survivor(state) {
            Some(action) => all.push(action),
            None if state.now < LIVELY_END => all.push(Action::Tick),
            None => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        WHOLE.next_state(last, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let made = |_: &Self, state: &State| {
            let sent = matches!(state.processes[SURVIVOR], Process::Holds(Lease { stage: Stage::Sent, .. }));
            sent || state.now < LIVELY_END
        };
        vec![Property::always(PROGRESS, made)]
    }
}

/// What of a variant's promises is broken, by the shortest way to break it.
fn broken(variant: Protocol) -> Vec<&'static str> {
    let checked = variant.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let all = checked.discoveries();
    [APPENDS, SENDS, RECORD].into_iter().filter(|promise| all.contains_key(promise)).collect()
}

#[test]
fn no_interleaving_of_the_protocol_lets_an_old_holder_write_after_a_new_one() {
    let checked = WHOLE.checker().threads(2).spawn_bfs().join();
    checked.assert_properties();
    println!("{} states", checked.unique_state_count());
}

#[test]
fn without_the_fence_an_old_holder_appends_after_a_new_one() {
    assert_eq!(broken(Protocol { fenced: false, ..WHOLE }), [APPENDS]);
}

#[test]
fn without_the_check_of_its_deadline_an_old_holder_sends_after_a_new_one() {
    assert_eq!(broken(Protocol { checked: false, ..WHOLE }), [SENDS]);
}

#[test]
fn without_the_wait_a_new_holder_is_overtaken_by_the_old_one() {
    assert_eq!(broken(Protocol { waits: false, ..WHOLE }), [SENDS]);
}

#[test]
fn without_the_wait_a_late_plan_is_cleaned_up_and_leaves_the_record_empty() {
    let variant = Protocol { waits: false, ..WHOLE };
    variant
        .checker()
        .finish_when(HasDiscoveries::AllOf([RECORD].into()))
        .spawn_bfs()
        .join()
        .assert_any_discovery(RECORD);
}

#[test]
fn who_comes_after_one_that_died_while_it_waited_must_wait_too() {
    assert_eq!(broken(Protocol { waits_on: false, ..WHOLE }), [SENDS]);
}

#[test]
fn whatever_another_does_who_wants_a_change_gets_it_made() {
    Lively { seizes: true }.checker().spawn_bfs().join().assert_properties();
}

#[test]
fn without_a_takeover_a_holder_that_stands_still_stops_everybody() {
    Lively { seizes: false }.checker().spawn_bfs().join().assert_any_discovery(PROGRESS);
}
