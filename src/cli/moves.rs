//! `failover`, `failback`, `reprotect`: from a command line to a run.

use super::{
    args::{Common, MoveArgs, Output},
    chain,
    exit::{Failure, code},
    given::{known_step, params, since, wrong},
    held,
    identity::Identities,
    run::{begin, interactive, policy, still_decided},
    wiring::{
        Loaded, Purpose, World, block_on, commands, keeps_its_world, load, print, realm, situation, store, world,
    },
};
use crate::{
    clock::Timestamp,
    driver::gather,
    engine::{self, RunState, Signal, Start},
    event::{Cause, Obligation, Policy},
    ids::{LeaseKey, RunId, Seq, SiteName},
    model::{Direction, Mode},
    plan::{self, Plan, Request, Situation},
    store::{RunHead, Store, run_id},
    view,
    world::World as Sights,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// `lifeboat failover`.
pub(super) fn failover(common: &Common, args: &MoveArgs) -> Result<u8, Failure> {
    block_on(common, async { Move::open(common, args).await?.with_reprotect(Direction::Failover).await })
}

/// `lifeboat failback`.
pub(super) fn failback(common: &Common, args: &MoveArgs) -> Result<u8, Failure> {
    block_on(common, async { Move::open(common, args).await?.with_reprotect(Direction::Failback).await })
}

/// `lifeboat reprotect`.
pub(super) fn reprotect(common: &Common, args: &MoveArgs) -> Result<u8, Failure> {
    block_on(common, async { Move::open(common, args).await?.go(Direction::Reprotect).await.map(|done| done.code()) })
}

/// What became of one run of a command.
pub(super) enum Done {
    /// There was nothing to do; no run was recorded.
    Nothing,
    /// It was only planned.
    Planned,
    /// It ran; its exit code, and its mode.
    Ran(u8, Mode),
}

impl Done {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Nothing | Self::Planned => code::DONE,
            Self::Ran(code, _) => *code,
        }
    }
}

/// What came of the preparation of a run.
enum Ready {
    /// There will be none.
    Over(Done),
    /// It can begin.
    Begin(Box<Prepared>),
}

/// A run that can begin, unless another than `head` is the newest by then.
struct Prepared {
    plan: Plan,
    situation: Situation,
    head: Option<RunHead>,
    /// The run that it takes the place of, and why.
    superseded: Option<(RunHead, String)>,
}

/// A command on a runbook, its world and its store open.
pub(super) struct Move<'a> {
    pub(super) common: &'a Common,
    pub(super) args: &'a MoveArgs,
    pub(super) loaded: Loaded,
    pub(super) world: World,
    pub(super) store: Arc<dyn Store>,
    pub(super) policy: Policy,
    pub(super) since: Option<Timestamp>,
    /// Why it begins without a person.
    pub(super) cause: Option<Cause>,
    /// What the sites are asked while the store is opened, until somebody wants to know.
    first: Mutex<Option<JoinHandle<(Situation, Sights)>>>,
}

impl<'a> Move<'a> {
    pub(super) async fn open(common: &'a Common, args: &'a MoveArgs) -> Result<Self, Failure> {
        Self::open_in(common, args, load(common, &args.file)?, None).await
    }

    /// The same, of a runbook that is read already, in a simulated world that is open already.
    pub(super) async fn open_in(
        common: &'a Common,
        args: &'a MoveArgs,
        loaded: Loaded,
        opened: Option<World>,
    ) -> Result<Self, Failure> {
        let policy = policy(common, &args.consent)?;
        for step in &policy.accept {
            known_step(&loaded, step.as_str())?;
        }
        let purpose = if args.dry_run { Purpose::Look } else { Purpose::Begin };
        // A dry run leaves no trace, not even an empty store.
        let (writes, settings) = (!args.dry_run, common.clone());
        let (store, world, first) = if common.sandbox {
            let store = store(common, writes)?;
            if writes {
                keeps_its_world(common, &loaded, &store).await?;
            }
            (store, opened.map_or_else(|| world(common, purpose(&loaded)), Ok)?, None)
        } else {
            let world = world(common, purpose(&loaded))?;
            let (look, clock, runbook) = (world.look.clone(), world.clock.clone(), loaded.runbook().clone());
            let first = tokio::spawn(async move { situation((&*look, &*clock), &runbook).await });
            let opened = tokio::task::spawn_blocking(move || store(&settings, writes)).await;
            (opened.expect("opening a store ends")?, world, Some(first))
        };
        let since = args.since.as_deref().map(|text| since(text, world.clock.now())).transpose()?;
        Ok(Self { common, args, loaded, world, store, policy, since, cause: None, first: Mutex::new(first) })
    }

    /// The same, with other flags.
    pub(super) fn with<'b>(&'b self, args: &'b MoveArgs) -> Move<'b> {
        Move {
            common: self.common,
            args,
            loaded: self.loaded.clone(),
            world: self.world.clone(),
            store: self.store.clone(),
            policy: self.policy.clone(),
            since: self.since.filter(|_| args.since.is_some()),
            cause: self.cause.clone(),
            first: Mutex::default(),
        }
    }

    /// A move, and where it was planned and done, the reprotect after it.
    pub(super) async fn with_reprotect(&self, direction: Direction) -> Result<u8, Failure> {
        let done = self.go(direction).await?;
        match done {
            Done::Ran(code, Mode::Planned)
                if matches!(code, code::DONE | code::MISSED) && !self.loaded.runbook().reprotect.is_empty() =>
            {
                if self.args.no_reprotect { Ok(code::UNPROTECTED) } else { chain::reprotect(self, code).await }
            }
            other => Ok(other.code()),
        }
    }

    /// One run: look, refuse or plan, begin, stay. What interrupts it before it begins ends it there.
    pub(super) async fn go(&self, direction: Direction) -> Result<Done, Failure> {
        let mut ready = std::pin::pin!(self.prepare(direction));
        let mut hung_up = false;
        let ready = loop {
            tokio::select! {
                biased;
                signal = self.world.signals.next() => match signal {
                    Signal::Hangup => hung_up = true,
                    Signal::Interrupt | Signal::Terminate => return Err(self.interrupted(direction)),
                },
                ready = &mut ready => break ready?,
            }
        };
        let prepared = match ready {
            Ready::Over(done) => return Ok(done),
            Ready::Begin(prepared) => *prepared,
        };
        if hung_up {
            // The run goes on to its next gate, as it would have done had it begun before.
            self.world.signals.raise(Signal::Hangup);
        }
        Box::pin(self.begin(prepared)).await
    }

    /// Begins what was prepared. The run that it supersedes ends only now that this one surely
    /// begins: what it holds is never without a holder.
    async fn begin(&self, Prepared { plan, situation, head, superseded }: Prepared) -> Result<Done, Failure> {
        if let Some((head, why)) = &superseded {
            still_decided(self.common, self.cause.as_ref()).await?;
            self.supersede(head, why).await?;
        }
        let (last, mode) = (self.state(head.as_ref()).await?, plan.mode);
        let start = Start {
            plan,
            realm: realm(self.common),
            policy: self.policy.clone(),
            since: self.since,
            supersedes: superseded.map(|(head, _)| head.id),
            owed: last.iter().flat_map(|s| s.owed.iter().cloned()).collect(),
            held: last.iter().flat_map(|s| held::inherited(s, &situation)).collect(),
            release: None,
            cause: self.cause.clone(),
        };
        let (key, newest) = (self.loaded.key(), last.map(|l| l.run));
        let code = begin(self.common, &self.args.consent, &self.world, (&self.store, &key, newest), start).await?;
        Ok(Done::Ran(code, mode))
    }

    /// Nothing of it has begun.
    fn interrupted(&self, direction: Direction) -> Failure {
        let known = commands(self.common, &self.loaded.typed);
        Failure::new(code::LEFT, format!("interrupted before the {direction} began: it changed nothing"))
            .hint(format!("{}     begins it", known.on_file(&self.said(direction))))
    }

    /// Sees what a run would do; changes nothing.
    async fn prepare(&self, direction: Direction) -> Result<Ready, Failure> {
        let head = self.last().await?;
        let superseded = self.free(direction, head.as_ref()).await?;
        let last = self.state(head.as_ref()).await?;
        let runbook = self.loaded.runbook();
        let identities = Identities::ask(&self.world, runbook.sites.values());
        let (situation, seen) = self.situation().await;
        let (from, to) = ends(&self.loaded, direction, self.args.to.as_deref(), Some(&situation), last.as_ref())?;
        let mode = self.mode(direction, &situation, (&from, &to), last.as_ref())?;
        if let (false, Some(left), Some(goal)) = (self.args.dry_run, runbook.sites.get(&from), runbook.sites.get(&to)) {
            let known = commands(self.common, &self.loaded.typed);
            identities.settle((direction, mode), (left, goal), runbook.resources.values(), (&seen, &known)).await?;
        }
        let owed: Vec<_> = last.iter().flat_map(|s| s.owed.iter().cloned()).collect();
        if situation.nothing_to_do(direction, &from, &to) && !owes(&owed, direction) {
            self.nothing(direction, &from, &to)?;
            return Ok(Ready::Over(Done::Nothing));
        }
        let refusal = situation.refusal(direction, mode, &from, &to);
        if let Some(refusal) = refusal.clone().filter(|_| !self.args.dry_run) {
            return Err(Failure::refused(refusal.why).hint(refusal.hint).by_sight());
        }
        let mut plan = self.plan(direction, mode, (from, to), &seen).await?;
        if self.args.dry_run {
            plan.cautions.extend(refusal.map(|r| plan::Caution {
                step: None,
                what: format!("{}; {}", r.why, r.hint),
                refuses: true,
            }));
            print(self.common, |page, out| view::plan::human(&plan, page, out), || view::plan::json(&plan))?;
            return Ok(Ready::Over(Done::Planned));
        }
        self.consented(&plan)?;
        let superseded = superseded.map(|(head, why)| (head.clone(), why.to_owned()));
        Ok(Ready::Begin(Box::new(Prepared { plan, situation, head, superseded })))
    }

    /// The last run of this runbook.
    async fn last(&self) -> Result<Option<RunHead>, Failure> {
        Ok(self.store.runs(Some(&self.loaded.key())).await?.into_iter().next())
    }

    /// A run as it stands now.
    async fn state(&self, head: Option<&RunHead>) -> Result<Option<RunState>, Failure> {
        match head {
            Some(head) => replay(&self.store, &head.id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The command and its mode, as they were typed.
    pub(super) fn said(&self, direction: Direction) -> String {
        let mode = match (self.args.planned, self.args.emergency) {
            (true, _) => " --planned",
            (_, true) => " --emergency",
            _ => "",
        };
        format!("{direction}{mode}")
    }

    /// What is seen of all sites, and what it is read from.
    pub(super) async fn situation(&self) -> (Situation, Sights) {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first
            && let Ok(found) = first.await
        {
            return found;
        }
        situation((&*self.world.look, &*self.world.clock), self.loaded.runbook()).await
    }

    /// Planned or emergency: as said; for a reprotect that of the move before; else asked.
    fn mode(
        &self,
        direction: Direction,
        situation: &Situation,
        (from, _): (&SiteName, &SiteName),
        last: Option<&RunState>,
    ) -> Result<Mode, Failure> {
        if self.args.emergency {
            return Ok(Mode::Emergency);
        }
        match direction {
            _ if self.args.planned => Ok(Mode::Planned),
            Direction::Failback => Ok(Mode::Planned),
            Direction::Reprotect => Ok(last.map_or(Mode::Emergency, |l| l.plan.mode)),
            Direction::Failover => {
                let answers = situation.sites.get(from).is_some_and(|s| s.answers);
                let advice = if answers {
                    format!("{from} answers: --planned loses nothing")
                } else {
                    format!("{from} does not answer: --emergency")
                };
                if !interactive(self.common, &self.args.consent) {
                    return Err(Failure::usage("say --planned or --emergency").hint(advice));
                }
                super::chain::ask_mode(&advice, answers)
            }
        }
    }

    /// The plan, predicted on the world as it is.
    pub(super) async fn plan(
        &self,
        direction: Direction,
        mode: Mode,
        (from, to): (SiteName, SiteName),
        seen: &Sights,
    ) -> Result<Plan, Failure> {
        let now = self.world.clock.now();
        let entropy = u64::from(std::process::id()) ^ u64::try_from(Timestamp::wall().0).unwrap_or(0);
        let request = Request {
            run: run_id(now, entropy),
            direction,
            mode,
            from,
            to,
            parameters: params(&self.args.param)?,
            incident: self.since,
            folder: self.loaded.folder.clone(),
            file: self.loaded.file.clone(),
            now,
        };
        let plan = predicted(&self.loaded, &request, (&self.world, seen)).await?;
        if let Some(caution) = plan.cautions.iter().find(|c| c.refuses && mode == Mode::Planned && !self.args.dry_run) {
            let step = caution.step.as_ref().map_or_else(String::new, |s| format!("step {s}: "));
            let hint = plan
                .steps
                .iter()
                .find(|s| Some(&s.id) == caution.step.as_ref())
                .and_then(|s| s.prediction.stuck.clone());
            let known = commands(self.common, &self.loaded.typed);
            let failure = Failure::refused(format!("{step}{}", caution.what)).by_sight();
            let failure = hint.into_iter().fold(failure, |f, (_, hint)| f.hint(hint));
            return Err(failure.hint(format!("{}     shows all of it", known.on_file("plan"))));
        }
        Ok(plan)
    }

    /// Without a terminal the irreversible steps must have been accepted on the command line.
    fn consented(&self, plan: &Plan) -> Result<(), Failure> {
        let missing: Vec<_> = plan
            .irreversible()
            .filter(|s| !self.policy.accept.contains(&s.id))
            .map(|s| format!("--accept {}", s.id))
            .collect();
        // Who let it begin by itself said how far it goes.
        let alone = self.policy.reach.is_some();
        if missing.is_empty() || alone || interactive(self.common, &self.args.consent) {
            return Ok(());
        }
        Err(Failure::refused(
            "this run cannot be undone once it is past its irreversible steps, and nobody is here to agree",
        )
        .hint(format!("add {} to agree beforehand; nothing was changed", missing.join(" "))))
    }

    fn nothing(&self, direction: Direction, from: &SiteName, to: &SiteName) -> Result<(), Failure> {
        let why = match direction {
            Direction::Reprotect => format!("{from} already replicates from {to}"),
            Direction::Failover | Direction::Failback => format!("{to} already serves"),
        };
        let human = format!("nothing to do: {why}");
        print(
            self.common,
            |_, out| writeln!(out, "{human}"),
            || serde_json::json!({ "type": "nothing_to_do", "schema": view::SCHEMA, "why": why, "active": to }),
        )
    }
}

/// The two ends of a run, by what is seen and by what the last run left.
pub(super) fn ends(
    loaded: &Loaded,
    direction: Direction,
    to: Option<&str>,
    situation: Option<&Situation>,
    last: Option<&RunState>,
) -> Result<(SiteName, SiteName), Failure> {
    let named = to.map(|_| loaded.standby(to)).transpose()?;
    let owed: Vec<_> = last.iter().flat_map(|l| l.owed.iter().map(|o| o.site.clone())).collect();
    let last = last.map(|l| &l.plan.ends);
    let given = plan::Given { named: named.as_ref(), situation, last, owed: &owed };
    Ok(plan::ends(loaded.runbook(), direction, given))
}

/// A debt that the run would pay although the world looks as it should.
fn owes(owed: &[Obligation], direction: Direction) -> bool {
    direction == Direction::Reprotect && !owed.is_empty()
}

/// A plan, looked for until nothing more has to be seen: what was seen a moment ago is not looked at
/// again, and in an emergency nobody waits for probes.
pub(super) async fn predicted(
    loaded: &Loaded,
    request: &Request,
    (world, before): (&World, &Sights),
) -> Result<Plan, Failure> {
    let mut plan = plan::draft(&loaded.checked, request).map_err(wrong)?;
    let most = if request.mode == Mode::Emergency { gather::HASTE } else { gather::LEISURE };
    let mut seen = Sights::default();
    for _ in 0..4 {
        let missing = plan::predict(&mut plan, &seen);
        if missing.is_empty() {
            break;
        }
        gather::more(&mut seen, (&*world.look, &*world.clock), (before, &missing), most).await;
    }
    plan::predict(&mut plan, &seen);
    Ok(plan)
}

/// The newest run of a runbook, as it stands.
pub(super) async fn newest(store: &Arc<dyn Store>, key: &LeaseKey) -> Result<Option<RunState>, Failure> {
    match store.runs(Some(key)).await?.first() {
        Some(head) => replay(store, &head.id).await.map(Some),
        None => Ok(None),
    }
}

/// A run, from its events.
pub(super) async fn replay(store: &Arc<dyn Store>, run: &RunId) -> Result<RunState, Failure> {
    let events = store.read(run, Seq(1)).await?;
    RunState::replay(&events).map_err(|e| engine::EngineError::Mismatch(e).into())
}

/// Whether people read, not programs.
pub(super) fn human(common: &Common) -> bool {
    common.output == Output::Human
}
