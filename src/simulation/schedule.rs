//! What goes wrong in one schedule, and when: all of it drawn from the seed before anything begins.

use super::dice::Dice;
use crate::{
    clock::Span,
    event::Control,
    ids::{AskId, StepId},
    model::Mode,
    sandbox::{Fault, FaultKind},
};

/// All that goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// In the world.
    pub world: Vec<Fault>,
    /// To each process, in the order in which they live; those after the last are left alone.
    pub lives: Vec<Trouble>,
    /// To the store.
    pub store: Vec<Sick>,
    /// To requests on their way.
    pub wire: Vec<Slow>,
}

/// What happens to one process.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// How wrong its wall clock is, in milliseconds.
    pub skew: i64,
    /// What strikes it.
    pub blows: Vec<Blow>,
}

/// Something that strikes a process when it passes a point.
#[derive(Clone, Debug)]
pub struct Blow {
    /// The point, counted from its start: before and after every look, send, commit and answer.
    pub point: u64,
    /// What happens.
    pub deed: Deed,
}

/// What strikes a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is killed.
    Dies,
    /// It is stopped for so long, and goes on as if nothing had been.
    Stops {
        /// For how long.
        span: Span,
        /// Its machine slept: its run's clock stood still.
        suspended: bool,
    },
    /// Somebody posts a control.
    Asked(Control),
    /// Ctrl-C.
    Interrupted,
    /// A second operator resumes the run from elsewhere.
    Rival,
    /// A second operator takes the run over by force.
    TakenOver,
}

/// A fault of the store: what becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sick {
    /// Of which kind.
    pub call: StoreCall,
    /// Its number among all of its kind that are heard, from 1.
    pub nth: u64,
    /// What becomes of it.
    pub how: Failing,
}

/// What a process asks of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreCall {
    /// The lease, by force or not.
    Claim,
    /// To keep the lease.
    Renew,
    /// To be rid of the lease.
    Release,
    /// Events to be kept.
    Append,
    /// What is kept of a run.
    Read,
    /// What people posted.
    Inbox,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// With an I/O error: nothing was done, and the store says so.
    Eio,
    /// The same for want of space.
    Full,
    /// It is done, but its answer is lost.
    AnswerLost,
    /// It is not done, and nobody knows.
    Lost,
    /// From then on, for so long, nothing at all is answered.
    Unreachable(Span),
}

/// A request that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Its number among all sends.
    pub send: u64,
    /// How long it is on its way, as a share of what the world may hide, in percent.
    pub share: u64,
}

impl Schedule {
    /// How many things go wrong.
    pub fn len(&self) -> usize {
        let lives: usize = self.lives.iter().map(|life| life.blows.len() + usize::from(life.skew != 0)).sum();
        self.world.len() + lives + self.store.len() + self.wire.len()
    }

    /// Nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same without people who change their mind: their processes die instead.
    pub fn without_whims(mut self) -> Self {
        for blow in self.lives.iter_mut().flat_map(|life| &mut life.blows) {
            if matches!(blow.deed, Deed::Asked(_)) {
                blow.deed = Deed::Dies;
            }
        }
        self
    }

    /// All that goes wrong, a line each.
    pub fn words(&self) -> Vec<String> {
        let world = self.world.iter().map(|fault| match &fault.at {
            Some(step) => format!("in the world: {} when {step} begins", fault.kind.name()),
            None => format!("in the world: {} from the start", fault.kind.name()),
        });
        let process = |(n, life): (usize, &Trouble)| {
            let n = n + 1;
            let skew = (life.skew != 0).then(|| format!("process {n}: its clock is wrong by {}", off(life.skew)));
            let blows = life
                .blows
                .iter()
                .map(move |blow| format!("process {n}: {} at point {}", blow.deed.words(), blow.point));
            skew.into_iter().chain(blows).collect::<Vec<_>>()
        };
        let lives = self.lives.iter().enumerate().flat_map(process);
        let store = self.store.iter().map(|sick| format!("store: {}", sick.words()));
        let slow = |slow: &Slow| {
            format!("on the way: request {} takes {}% of the time that it may be hidden", slow.send, slow.share)
        };
        world.chain(lives).chain(store).chain(self.wire.iter().map(slow)).collect()
    }

    /// What a seed draws: five things at least.
    pub fn draw(seed: u64, mode: Mode, steps: &[StepId]) -> Self {
        let mut dice = Dice::new(seed, "schedule");
        let mut all = Self { world: world(&mut dice, mode, steps), ..Self::default() };
        for _ in 0..=dice.below(3) {
            all.lives.push(trouble(&mut dice, steps));
        }
        for _ in 0..dice.below(3) {
            all.store.push(sick_append(&mut dice));
        }
        for _ in 0..dice.below(3) {
            all.wire.push(Slow { send: 1 + dice.below(20), share: 5 + dice.below(90) });
        }
        while all.len() < 5 {
            all.lives.push(trouble(&mut dice, steps));
        }
        // Last, so that a seed goes on drawing what it drew before there was this.
        for _ in 0..dice.below(3) {
            all.store.push(sick_beside(&mut dice));
        }
        all
    }
}

fn off(skew: i64) -> String {
    let sign = if skew < 0 { "-" } else { "+" };
    format!("{sign}{}", Span(skew.unsigned_abs()))
}

impl Deed {
    fn words(&self) -> String {
        match self {
            Self::Dies => "is killed".into(),
            Self::Stops { span, suspended: false } => format!("is stopped for {span}"),
            Self::Stops { span, suspended: true } => format!("sleeps with its machine for {span}"),
            Self::Asked(control) => format!("is asked {control:?}"),
            Self::Interrupted => "is interrupted".into(),
            Self::Rival => "meets a second operator".into(),
            Self::TakenOver => "is taken over by force".into(),
        }
    }
}

impl Sick {
    fn words(self) -> String {
        let Self { call, nth, how } = self;
        let this = format!("{} {nth}", call.name());
        match how {
            Failing::Eio => format!("{this} fails with an I/O error"),
            Failing::Full => format!("{this} fails for want of space"),
            Failing::AnswerLost => format!("{this} is done, its answer is lost"),
            Failing::Lost => format!("{this} is lost, and nobody knows"),
            Failing::Unreachable(span) => format!("nothing is answered for {span} from {this} on"),
        }
    }
}

impl StoreCall {
    fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Renew => "renewal",
            Self::Release => "release",
            Self::Append => "append",
            Self::Read => "journal read",
            Self::Inbox => "inbox read",
        }
    }

    /// It needs room on a disk.
    fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::Inbox)
    }
}

/// One to three faults, each when a step begins, or with its effect.
fn world(dice: &mut Dice, mode: Mode, steps: &[StepId]) -> Vec<Fault> {
    use FaultKind as K;
    const SMALL: [FaultKind; 7] =
        [K::LostAnswer, K::LostRequest, K::LostAnswer, K::LostRequest, K::Throttled, K::StaleReads, K::SlowPromotion];
    const LARGE: [FaultKind; 4] = [K::PrimaryLost, K::StandbyLost, K::Hang, K::NoCapacity];
    let mut all = vec![];
    if mode == Mode::Emergency && !dice.one_in(4) {
        all.push(Fault { kind: K::PrimaryLost, at: None });
    }
    for _ in 0..=dice.below(3) {
        let kind = if dice.one_in(8) { *dice.pick(&LARGE) } else { *dice.pick(&SMALL) };
        all.push(Fault { kind, at: Some(dice.pick(steps).clone()) });
    }
    all
}

fn trouble(dice: &mut Dice, steps: &[StepId]) -> Trouble {
    let skew = if dice.one_in(3) { i64::try_from(dice.below(7_200_000)).unwrap_or(0) - 3_600_000 } else { 0 };
    let blows = (0..=dice.below(2)).map(|_| blow(dice, steps)).collect();
    Trouble { skew, blows }
}

fn blow(dice: &mut Dice, steps: &[StepId]) -> Blow {
    // Early points are where effects are; the soak at the end has the most points and the fewest.
    let most = *dice.pick(&[40, 120, 300, 900]);
    let point = 1 + dice.below(most);
    let deed = match dice.below(14) {
        0..6 => Deed::Dies,
        6..8 => Deed::Stops { span: dice.span(Span::secs(1), Span::secs(20)), suspended: false },
        8..10 => Deed::Stops { span: dice.span(Span::secs(31), Span::mins(5)), suspended: dice.one_in(3) },
        10 => Deed::Asked(asked(dice, steps)),
        11 => Deed::Rival,
        12 => Deed::TakenOver,
        _ => Deed::Interrupted,
    };
    Blow { point, deed }
}

fn asked(dice: &mut Dice, steps: &[StepId]) -> Control {
    let step = dice.pick(steps).clone();
    match dice.below(9) {
        0..3 => Control::Pause,
        3 => Control::Continue,
        4 => Control::Retry { step },
        5 => Control::Cancel,
        6 => Control::Undo,
        7 => Control::Skip { step, why: "because".into() },
        _ => Control::Answer { ask: AskId(1 + u32::try_from(dice.below(3)).unwrap_or(0)), yes: !dice.one_in(3) },
    }
}

/// An append is what matters most.
fn sick_append(dice: &mut Dice) -> Sick {
    let nth = 2 + dice.below(60);
    Sick { call: StoreCall::Append, nth, how: failing(dice, StoreCall::Append) }
}

/// The other requests: a process makes one or two of a kind, but for those that it makes as time passes.
fn sick_beside(dice: &mut Dice) -> Sick {
    use StoreCall as C;
    const MOST: [(StoreCall, u64); 5] = [(C::Claim, 4), (C::Renew, 60), (C::Release, 2), (C::Read, 4), (C::Inbox, 150)];
    let (call, most) = *dice.pick(&MOST);
    let nth = 1 + dice.below(most);
    Sick { call, nth, how: failing(dice, call) }
}

fn failing(dice: &mut Dice, call: StoreCall) -> Failing {
    match dice.below(5) {
        1 if call.writes() => Failing::Full,
        0 | 1 => Failing::Eio,
        2 => Failing::AnswerLost,
        3 => Failing::Lost,
        _ => Failing::Unreachable(dice.span(Span::secs(5), Span::mins(2))),
    }
}
