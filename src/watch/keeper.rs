//! The watcher's mind: takes signals and time in, writes what is decided, says what is to begin. What
//! it needs of the world it asks [`Eyes`]; it begins nothing itself.

use super::{
    decide::{Against, begin, decide},
    ledger::{Ledger, Pending, Standing},
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
        let (in_hand, probing, news) = (BTreeSet::new(), BTreeMap::new(), vec![]);
        let mut keeper = Self { book, eyes, who, ledger: Ledger::default(), policies, in_hand, probing, news };
        keeper.catch_up().await?;
        Ok(keeper)
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
        self.policies = policies;
    }

    /// Notes that this watcher wrote since it was last asked.
    pub fn news(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.news)
    }

    /// Takes signals in. When it returns, they and what was decided of them are on disk.
    pub async fn hear(&mut self, signals: &[Signal], now: Timestamp) -> Result<(), StoreError> {
        loop {
            self.catch_up().await?;
            let mut draft = Draft::of(&self.ledger, &self.who, now);
            for signal in signals {
                let named = self.triggers().any(|(_, _, trigger)| trigger.alarms().any(|arn| *arn == signal.alarm));
                let unnamed = (!named).then(|| "no trigger names this alarm".to_owned());
                let idle =
                    unnamed.or_else(|| draft.ledger.outdated(signal)).or_else(|| old(signal, &draft.ledger, now));
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
                if self.is_due(&id, &trigger, &draft.ledger, now) {
                    self.judge(&id, &runbook, &trigger, &mut draft, Prompt::Time).await?;
                    self.probing.insert(id, now + PROBING);
                }
            }
            if self.write(draft, now).await? {
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
        loop {
            self.catch_up().await?;
            if let Some(against) = self.against(runbook, trigger, &self.ledger, true).await? {
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

    /// The failovers to begin now; each is given once to this watcher.
    pub fn starts(&mut self, now: Timestamp) -> Vec<Start> {
        let mine = |what: &Pending| what.by == self.who || now >= what.at + ORPHANED;
        let free = |no: &NoteNo| !self.in_hand.contains(no);
        let pending = self.ledger.pending.iter().filter(|(no, what)| free(no) && mine(what));
        let starts: Vec<_> = pending.map(|(no, what)| Start { decision: *no, what: what.clone() }).collect();
        self.in_hand.extend(starts.iter().map(|start| start.decision));
        starts
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
        let weighed = weigh(&trigger.when, &draft.ledger.alarms, &looked, draft.now);
        let against = if weighed.holds() { self.against(runbook, trigger, &draft.ledger, false).await? } else { None };
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
        by_hand: bool,
    ) -> Result<Option<Against>, StoreError> {
        if let Some((who, since, why)) = &ledger.brake {
            return Ok(Some(Against {
                why: format!("{} put the brake on at {since}: {why}", who.operator),
                next: "lifeboat release     lifts it; what is true by then starts at its next change".into(),
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
fn old(signal: &Signal, ledger: &Ledger, now: Timestamp) -> Option<String> {
    const LONG: Span = Span::hours(1);
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

/// Notes that are not written yet, and what they come to.
struct Draft {
    ledger: Ledger,
    who: Who,
    now: Timestamp,
    notes: Vec<Note>,
}

impl Draft {
    fn of(ledger: &Ledger, who: &Who, now: Timestamp) -> Self {
        Self { ledger: ledger.clone(), who: who.clone(), now, notes: vec![] }
    }
    fn add(&mut self, kind: NoteKind) {
        let note = Note { no: self.ledger.head.next(), at: self.now, by: self.who.clone(), kind };
        self.ledger.apply(&note);
        self.notes.push(note);
    }
}
