//! The watcher's mind: takes signals and time in, writes what is decided, says what is to begin. What
//! it needs of the world it asks [`Eyes`]; it begins nothing itself.

use super::{
    decide::{Against, begin, decide},
    draft::Draft,
    ledger::{Ledger, Pending, Standing, Withdrawn},
    weigh::{Looked, Weighed, weigh},
};
use crate::{
    alarm::{AlarmArn, Signal, Way},
    clock::{Span, Timestamp},
    event::{Decision, Note, NoteKind, TriggerId, Who},
    ids::{NoteNo, RunId},
    model::fact,
    runbook::{Runbook, Trigger},
    store::{Book, StoreError},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How often probes are asked while they alone keep a trigger from being true.
const PROBING: Span = Span::secs(10);

/// So long after its decision a failover that another watcher was to begin is begun by this one.
const ORPHANED: Span = Span::secs(30);

/// So long a failover that was decided may wait for its beginning.
const PATIENCE: Span = Span::hours(1);

/// What a watcher sees.
#[async_trait]
pub trait Eyes: Send + Sync {
    /// Looks at the witnesses of a trigger: its probes, and with `alarms` also those. Bounded in time.
    async fn look(&self, runbook: &Runbook, trigger: &Trigger, alarms: bool) -> Looked;
    /// What stands against beginning a failover of a runbook, beside the brake: a run that is under way and,
    /// where no person begins it, the last one that began by itself.
    async fn against(
        &self,
        runbook: &Runbook,
        trigger: &Trigger,
        ledger: &Ledger,
        by_hand: bool,
    ) -> Result<Option<Against>, StoreError>;
    /// The run that a decision began, where one did.
    async fn begun(&self, start: &Start) -> Result<Option<RunId>, StoreError>;
}

/// The runbooks that are watched, by name.
pub type Policies = BTreeMap<String, Arc<Runbook>>;

/// A failover that is to begin now.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The note that decided it.
    pub decision: NoteNo,
    /// What.
    pub what: Pending,
}

/// A watcher.
pub struct Keeper {
    book: Arc<dyn Book>,
    eyes: Arc<dyn Eyes>,
    who: Who,
    ledger: Ledger,
    policies: Policies,
    /// What this watcher was told to begin.
    in_hand: BTreeSet<NoteNo>,
    /// When the probes of a trigger are asked next.
    probing: BTreeMap<TriggerId, Timestamp>,
    /// Triggers that are new here: what is known already counts for them, too.
    fresh: BTreeSet<TriggerId>,
    /// It follows these alone; none: all.
    only: Option<BTreeSet<TriggerId>>,
    /// What was written since it was last asked for.
    news: Vec<Note>,
}

impl Keeper {
    /// A watcher that knows what the book says.
    pub async fn open(
        book: Arc<dyn Book>,
        eyes: Arc<dyn Eyes>,
        who: Who,
        policies: Policies,
    ) -> Result<Self, StoreError> {
        let mut keeper = Self {
            book,
            eyes,
            who,
            ledger: Ledger::default(),
            policies: Policies::new(),
            in_hand: BTreeSet::new(),
            probing: BTreeMap::new(),
            fresh: BTreeSet::new(),
            only: None,
            news: vec![],
        };
        keeper.watch(policies);
        keeper.catch_up().await?;
        Ok(keeper)
    }

    /// The same, following nothing but what it hears itself, or is told to: others watch the rest.
    pub fn alone(self) -> Self {
        Self { only: Some(BTreeSet::new()), ..self }
    }

    /// Whether it follows a trigger.
    pub fn follows(&self, id: &TriggerId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(id))
    }

    /// Where everything stands.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The runbooks that are watched.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Watches these from now on.
    pub fn watch(&mut self, policies: Policies) {
        let known = |id: &TriggerId, trigger: &Trigger| {
            let before = self.policies.get(&id.runbook).map(|runbook| &runbook.triggers);
            before.is_some_and(|before| before.contains(trigger))
        };
        let all = policies.values().flat_map(|runbook| runbook.triggers.iter().map(|t| (id_of(runbook, t), t)));
        let new: Vec<_> = all.filter(|(id, trigger)| !known(id, trigger)).map(|(id, _)| id).collect();
        self.fresh.extend(new);
        self.policies = policies;
    }

    /// Notes that this watcher wrote since it was last asked.
    pub fn news(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.news)
    }

    /// Takes signals in. When it returns, they and what was decided of them are on disk.
    pub async fn hear(&mut self, signals: &[Signal], now: Timestamp) -> Result<(), StoreError> {
        if let Some(mut only) = self.only.take() {
            let named = |arn: &AlarmArn| signals.iter().any(|signal| signal.alarm == *arn);
            only.extend(self.triggers().filter(|(.., trigger)| trigger.alarms().any(named)).map(|(id, ..)| id));
            self.only = Some(only);
        }
        loop {
            self.catch_up().await?;
            let mut draft = Draft::of(&self.ledger, &self.who, now);
            for signal in signals {
                if draft.is_same_look(signal) {
                    continue;
                }
                let named = self.triggers().any(|(_, _, trigger)| trigger.alarms().any(|arn| *arn == signal.alarm));
                let unnamed = (!named).then(|| "no trigger names this alarm".to_owned());
                let idle =
                    unnamed.or_else(|| draft.ledger.outdated(signal, now)).or_else(|| old(signal, &draft.ledger, now));
                draft.add(NoteKind::Heard { signal: Box::new(signal.clone()), idle: idle.clone() });
                if idle.is_none() {
                    self.concerned(&signal.alarm, &mut draft).await?;
                }
            }
            if self.write(draft, now).await? {
                return Ok(());
            }
        }
    }

    /// Decides what time brings. Gives when to be asked again at the latest.
    pub async fn turn(&mut self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        loop {
            self.catch_up().await?;
            let mut draft = Draft::of(&self.ledger, &self.who, now);
            for (id, runbook, trigger) in self.all() {
                if self.follows(&id) && self.is_due(&id, &trigger, &draft.ledger, now) {
                    self.judge(&id, &runbook, &trigger, &mut draft, Prompt::Time).await?;
                    self.probing.insert(id, now + PROBING);
                }
            }
            if self.write(draft, now).await? {
                self.fresh.clear();
                return Ok(self.wake(now));
            }
        }
    }

    /// A person starts what alarms would start, and says why. Gives what stands against it.
    pub async fn by_hand(
        &mut self,
        runbook: &Runbook,
        trigger: &Trigger,
        why: String,
        now: Timestamp,
    ) -> Result<Option<Against>, StoreError> {
        if let Some(only) = &mut self.only {
            only.insert(id_of(runbook, trigger));
        }
        loop {
            self.catch_up().await?;
            if let Some(against) = self.against(runbook, trigger, &self.ledger, (true, None)).await? {
                return Ok(Some(against));
            }
            let facts = vec![fact("by hand", &why)];
            let begin = Box::new(begin(trigger, now, facts, Some(why.clone())));
            let mut draft = Draft::of(&self.ledger, &self.who, now);
            draft.add(NoteKind::Decided { id: id_of(runbook, trigger), decision: Decision::Start(begin) });
            if self.write(draft, now).await? {
                return Ok(None);
            }
        }
    }

    /// The failovers to begin now, each given once to this watcher. They are judged once more: what was decided
    /// may have waited for a store, a lease or another watcher, and the world went on meanwhile.
    pub async fn starts(&mut self, now: Timestamp) -> Result<Vec<Start>, StoreError> {
        self.catch_up().await?;
        let (mut starts, mut trouble) = (vec![], None);
        for start in self.mine(now) {
            match self.is_free(&start, now).await {
                Ok(true) => starts.push(start),
                Ok(false) => {}
                // It is judged again; that is no trouble of the others.
                Err(error) => trouble = Some(error),
            }
        }
        self.in_hand.extend(starts.iter().map(|start| start.decision));
        trouble.filter(|_| starts.is_empty()).map_or(Ok(starts), Err)
    }

    /// Whether a failover that was decided is to begin now. Where it began already, or is not to begin any
    /// more, that is written.
    async fn is_free(&mut self, start: &Start, now: Timestamp) -> Result<bool, StoreError> {
        let settled = match self.eyes.begun(start).await? {
            Some(run) => Some(Ok(run)),
            None => match self.stale(start, now).await? {
                // It may have begun meanwhile, and be what stands against it.
                Some(why) => Some(self.eyes.begun(start).await?.ok_or(why)),
                None => None,
            },
        };
        let Some(how) = settled else { return Ok(true) };
        self.settled(start.decision, how, now).await?;
        Ok(false)
    }

    /// What this watcher is to begin and does not begin yet.
    fn mine(&self, now: Timestamp) -> Vec<Start> {
        let mine = |what: &Pending| what.by == self.who || now >= what.at + ORPHANED;
        let here = |what: &Pending| self.policies.contains_key(&what.id.runbook) && self.follows(&what.id);
        let free = |no: &NoteNo| !self.in_hand.contains(no);
        let pending = self.ledger.pending.iter().filter(|(no, what)| free(no) && mine(what) && here(what));
        pending.map(|(no, what)| Start { decision: *no, what: what.clone() }).collect()
    }

    /// Why a failover that was decided is not begun any more; none: it is.
    async fn stale(&self, start: &Start, now: Timestamp) -> Result<Option<String>, StoreError> {
        let Pending { id, begin, at, .. } = &start.what;
        if now.since(*at) > PATIENCE {
            return Ok(Some(format!("it could not begin within {PATIENCE}, and what was true then may not be now")));
        }
        let named = self.triggers().find(|(other, ..)| other == id);
        let Some((_, runbook, trigger)) = named else {
            return Ok(Some("the runbook has no such trigger any more".to_owned()));
        };
        let as_now = self::begin(trigger, begin.incident, begin.facts.clone(), begin.by_hand.clone());
        if as_now != *begin {
            return Ok(Some("its trigger has been changed since it was decided".to_owned()));
        }
        let by_hand = begin.by_hand.is_some();
        if !by_hand && !self.might(&start.what, (runbook, trigger), now).await {
            return Ok(Some(Withdrawn::Over.to_string()));
        }
        let how = (by_hand, Some(start.decision));
        let against = self.against(runbook, trigger, &self.ledger, how).await?;
        Ok(against.map(|against| against.why))
    }

    /// Whether what was decided may still be true, by what was heard since, and after a while by looking.
    async fn might(&self, what: &Pending, (runbook, trigger): (&Runbook, &Trigger), now: Timestamp) -> bool {
        let is_over = self.ledger.is_over(&what.id);
        if is_over || now.since(what.at) < ORPHANED {
            return !is_over;
        }
        let looked = self.ledger.with_mutes(self.eyes.look(runbook, trigger, true).await);
        weigh(&trigger.when, &self.ledger.alarms, &looked, now).might()
    }

    /// A failover that was given by [`Keeper::starts`] began, or will not.
    pub async fn settled(
        &mut self,
        decision: NoteNo,
        how: Result<RunId, String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let kind = match how {
            Ok(run) => NoteKind::Began { decision, run },
            Err(why) => NoteKind::NotBegun { decision, why },
        };
        // Another watcher may have noted it.
        self.put(kind, now, |ledger| ledger.pending.contains_key(&decision)).await?;
        self.in_hand.remove(&decision);
        Ok(())
    }

    /// A failover that was given by [`Keeper::starts`] could not be begun now, and may be later.
    pub fn put_back(&mut self, decision: NoteNo) {
        self.in_hand.remove(&decision);
    }

    /// Writes what people should find later.
    pub async fn note(&mut self, kind: NoteKind, now: Timestamp) -> Result<(), StoreError> {
        self.put(kind, now, |_| true).await
    }

    fn triggers(&self) -> impl Iterator<Item = (TriggerId, &Arc<Runbook>, &Trigger)> {
        self.policies
            .values()
            .flat_map(|runbook| runbook.triggers.iter().map(move |trigger| (id_of(runbook, trigger), runbook, trigger)))
    }

    fn all(&self) -> Vec<(TriggerId, Arc<Runbook>, Trigger)> {
        self.triggers().map(|(id, runbook, trigger)| (id, runbook.clone(), trigger.clone())).collect()
    }

    /// Folds what was written since, by whomever.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        self.ledger.catch_up(&*self.book).await
    }

    /// Writes a note, as long as it is worth it by what was written meanwhile.
    async fn put(&mut self, kind: NoteKind, now: Timestamp, worth: impl Fn(&Ledger) -> bool) -> Result<(), StoreError> {
        loop {
            self.catch_up().await?;
            if !worth(&self.ledger) {
                return Ok(());
            }
            let mut draft = Draft::of(&self.ledger, &self.who, now);
            draft.add(kind.clone());
            if self.write(draft, now).await? {
                return Ok(());
            }
        }
    }

    /// Writes a draft. Gives whether it could: somebody may have written meanwhile.
    async fn write(&mut self, draft: Draft, now: Timestamp) -> Result<bool, StoreError> {
        if draft.notes.is_empty() {
            return Ok(true);
        }
        let kinds: Vec<_> = draft.notes.iter().map(|note| note.kind.clone()).collect();
        match self.book.write(self.ledger.head, &self.who, now, &kinds).await {
            Ok(_) => {
                self.ledger = draft.ledger;
                self.news.extend(draft.notes);
                Ok(true)
            }
            Err(StoreError::Conflict) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Judges every trigger that an alarm speaks for.
    async fn concerned(&self, alarm: &AlarmArn, draft: &mut Draft) -> Result<(), StoreError> {
        for (id, runbook, trigger) in self.all() {
            if trigger.alarms().any(|arn| arn == alarm) {
                self.judge(&id, &runbook, &trigger, draft, Prompt::Signal).await?;
            }
        }
        Ok(())
    }

    /// Whether time alone may change what becomes of a trigger.
    fn is_due(&self, id: &TriggerId, trigger: &Trigger, ledger: &Ledger, now: Timestamp) -> bool {
        let probed = self.probing.get(id).is_none_or(|next| now >= *next);
        match ledger.standing.get(id) {
            Some(Standing::Holding { until, .. }) => now >= *until && probed,
            None if self.fresh.contains(id) && is_recent(trigger, ledger, now) => true,
            Some(Standing::Spent) | None => probed && hangs_on_probes(trigger, ledger, now),
        }
    }

    /// When time brings something next.
    fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |(id, _, trigger): (TriggerId, _, &Trigger)| {
            let probing = self.probing.get(&id).copied().unwrap_or(now);
            match self.ledger.standing.get(&id) {
                Some(Standing::Holding { until, .. }) => Some((*until).max(if *until <= now { probing } else { now })),
                Some(Standing::Spent) | None => hangs_on_probes(trigger, &self.ledger, now).then_some(probing),
            }
        };
        self.triggers().filter_map(next).min()
    }

    /// Decides one trigger, and writes what is new into the draft.
    async fn judge(
        &self,
        id: &TriggerId,
        runbook: &Runbook,
        trigger: &Trigger,
        draft: &mut Draft,
        prompt: Prompt,
    ) -> Result<(), StoreError> {
        let standing = draft.ledger.standing.get(id).cloned();
        let ends = matches!(&standing, Some(Standing::Holding { until, .. }) if draft.now >= *until);
        let looked = if ends || hangs_on_probes(trigger, &draft.ledger, draft.now) {
            self.eyes.look(runbook, trigger, ends).await
        } else {
            Looked::default()
        };
        let looked = draft.ledger.with_mutes(looked);
        let weighed = weigh(&trigger.when, &draft.ledger.alarms, &looked, draft.now);
        let against =
            if weighed.holds() { self.against(runbook, trigger, &draft.ledger, (false, None)).await? } else { None };
        let Some(decision) = decide(trigger, standing.as_ref(), &weighed, against.as_ref(), draft.now) else {
            return Ok(());
        };
        // What a probe says every few seconds is told where it changes something.
        let idle = standing.is_none() && matches!(decision, Decision::Nothing { .. });
        if !(idle && prompt == Prompt::Time) {
            draft.add(NoteKind::Decided { id: id.clone(), decision });
        }
        Ok(())
    }

    async fn against(
        &self,
        runbook: &Runbook,
        trigger: &Trigger,
        ledger: &Ledger,
        (by_hand, own): (bool, Option<NoteNo>),
    ) -> Result<Option<Against>, StoreError> {
        if let Some(brake) = &ledger.brake {
            return Ok(Some(Against {
                why: brake.to_string(),
                next: "lifeboat release     lifts it; what is true by then starts at its next change".into(),
            }));
        }
        let other =
            |(no, what): &(&NoteNo, &Pending)| what.id.runbook == runbook.name && own.is_none_or(|own| **no < own);
        if let Some((no, _)) = ledger.pending.iter().find(other) {
            return Ok(Some(Against {
                why: format!("note {no} decided a failover of {} already, and it is about to begin", runbook.name),
                next: "lifeboat watch --explain".into(),
            }));
        }
        self.eyes.against(runbook, trigger, ledger, by_hand).await
    }
}

/// Why a trigger is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompt {
    Signal,
    Time,
}

/// What was so long before anybody watched is no change that a trigger acts on.
const LONG: Span = Span::hours(1);

/// Whether a trigger that is new here may act on what is known: it has not been so for long.
fn is_recent(trigger: &Trigger, ledger: &Ledger, now: Timestamp) -> bool {
    let known = weigh(&trigger.when, &ledger.alarms, &Looked::default(), now);
    known.holds() && now.since(known.incident) <= LONG
}

fn old(signal: &Signal, ledger: &Ledger, now: Timestamp) -> Option<String> {
    let first = signal.from.way == Way::Looked && !ledger.alarms.contains_key(&signal.alarm);
    (first && now.since(signal.changed) > LONG).then(|| "it has been so since before it was watched".to_owned())
}

/// The name of a trigger of a runbook.
pub fn id_of(runbook: &Runbook, trigger: &Trigger) -> TriggerId {
    TriggerId { runbook: runbook.name.clone(), trigger: trigger.name.clone() }
}

/// Whether what probes say now decides: the alarms alone do not make it true, and with the probes it may be.
fn hangs_on_probes(trigger: &Trigger, ledger: &Ledger, now: Timestamp) -> bool {
    let known: Weighed = weigh(&trigger.when, &ledger.alarms, &Looked::default(), now);
    known.unknown > 0 && !known.holds() && known.might()
}
